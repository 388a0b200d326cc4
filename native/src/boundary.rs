//! The interface to Python; `shipper_native.pyi` has its types.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::block::{Block, Column, Span};
use crate::line::Log;
use crate::plan;
use crate::pool::{self, Work};
use crate::runtime::{Runtime, Stream};
use crate::scan::{self, Buffers, DIGEST_SIZE, GroupEffect, Last, Scanned, Stop};
use crate::settings::{Require, Settings};
use crate::value::unescape;
use crate::violation::Kind;

/// Properties of all lines of one log: the seed of its digests, and the bytes that end each document of a stream.
#[pyclass(frozen)]
struct LogContext {
    context: Arc<Context>,
}

struct Context {
    seed: Vec<u8>,
    log: Log,
}

#[pymethods]
impl LogContext {
    #[new]
    #[pyo3(signature = (kind, seed, stdout_tail, stderr_tail, salt, zone, begins, require=None, own=None))]
    #[allow(clippy::too_many_arguments)] // what an implementation has to know of a log, by name
    fn new(
        kind: &str,
        seed: &[u8],
        stdout_tail: &[u8],
        stderr_tail: &[u8],
        salt: u8,
        zone: &[u8],
        begins: bool,
        require: Option<&str>,
        own: Option<&[u8]>,
    ) -> PyResult<LogContext> {
        let require = match require.map(|name| (name, Require::named(name))) {
            None => None,
            Some((_, Some(require))) => Some(require),
            Some((name, None)) => {
                return Err(PyValueError::new_err(format!(
                    "unknown policy of ids {name:?}"
                )));
            }
        };
        let runtime = match kind {
            "docker" => Runtime::JsonFile,
            "cri" => Runtime::Cri,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "unknown runtime {kind:?}; expected docker or cri"
                )));
            }
        };
        let tails = [stdout_tail.to_vec(), stderr_tail.to_vec()];
        let log = Log {
            runtime,
            tails,
            salt,
            zone: plan::zone(zone).map_err(PyValueError::new_err)?,
            begins,
            require,
            own: own
                .map(plan::own_table)
                .transpose()
                .map_err(PyValueError::new_err)?,
        };
        let seed = seed.to_vec();
        Ok(LogContext {
            context: Arc::new(Context { seed, log }),
        })
    }
}

/// Documents of one day, in the order of their lines.
#[pyclass(frozen)]
struct Documents {
    block: Block,
}

impl Documents {
    fn text<'py>(
        &self,
        py: Python<'py>,
        span: Span,
        is_json: bool,
    ) -> Option<Bound<'py, PyString>> {
        if span.end == 0 {
            return None;
        }
        let bytes = &self.block.bytes[span.begin as usize..span.end as usize];
        let text = std::str::from_utf8(bytes).ok()?;
        if is_json || !text.contains('\\') {
            return Some(PyString::new(py, text));
        }
        let mut content = String::new();
        unescape(text, &mut content).ok()?;
        Some(PyString::new(py, &content))
    }
}

#[pymethods]
impl Documents {
    fn __len__(&self) -> usize {
        self.block.rows.len()
    }

    /// `YYYY.MM.dd`
    #[getter]
    fn day(&self) -> String {
        String::from_utf8_lossy(&self.block.day).replace('-', ".")
    }

    /// Bytes of all bodies together.
    #[getter]
    fn nbytes(&self) -> usize {
        self.block
            .rows
            .iter()
            .map(|row| row.body.1 - row.body.0)
            .sum()
    }

    /// True if they are for the quarantine.
    #[getter]
    fn quarantined(&self) -> bool {
        self.block.quarantined
    }

    /// Join blocks and the encoded lines of single documents into the body of a bulk request whose path names the index.
    #[staticmethod]
    fn joined<'py>(py: Python<'py>, parts: Vec<BulkPart>) -> PyResult<Bound<'py, PyBytes>> {
        let parts: Vec<&[u8]> = parts.iter().map(BulkPart::bytes).collect();
        PyBytes::new_with(py, parts.iter().map(|part| part.len()).sum(), |mut body| {
            for part in &parts {
                let (target, rest) = body.split_at_mut(part.len());
                target.copy_from_slice(part);
                body = rest;
            }
            Ok(())
        })
    }

    /// Return the body with `index` named in each action, for a request whose path names another index. The name has
    /// nothing that JSON escapes.
    fn named<'py>(&self, py: Python<'py>, index: &str) -> PyResult<Bound<'py, PyBytes>> {
        let place = format!("\"_index\":\"{index}\",");
        PyBytes::new_with(py, self.named_size(index), |body| {
            self.block.copy_named(place.as_bytes(), body);
            Ok(())
        })
    }

    /// Size of `named(index)` in bytes.
    fn named_size(&self, index: &str) -> usize {
        let place = "\"_index\":\"\",".len() + index.len();
        self.block.bytes.len() + self.block.rows.len() * place
    }

    #[getter]
    fn bulk_size(&self) -> usize {
        self.block.bytes.len()
    }

    /// Return of each document its id, time in milliseconds since the epoch, body, and the texts of its columns:
    /// correlation_id, event, level, message, path, error_type, error_message, exception, `extra` as JSON, trace_id.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        for row in &self.block.rows {
            let texts = row
                .columns
                .iter()
                .enumerate()
                .map(|(column, &span)| self.text(py, span, column == Column::Extra as usize));
            let texts = PyTuple::new(py, texts.collect::<Vec<_>>())?;
            let body = PyBytes::new(py, &self.block.bytes[row.body.0..row.body.1]);
            rows.append((PyBytes::new(py, &row.id), row.time_ms, body, texts))?;
        }
        Ok(rows)
    }
}

/// A part of a bulk request.
#[derive(FromPyObject)]
enum BulkPart {
    Block(Py<Documents>),
    Lines(PyBackedBytes),
}

impl BulkPart {
    fn bytes(&self) -> &[u8] {
        match self {
            BulkPart::Block(documents) => &documents.get().block.bytes,
            BulkPart::Lines(lines) => lines,
        }
    }
}

/// Consecutive ordinary lines, and the reason why the scan stopped after them.
#[pyclass(frozen, get_all)]
struct FastBatch {
    /// Bytes of these lines.
    taken: usize,
    /// Reason for the stop: `end`, `python`, `unknown`, `full`.
    stop: &'static str,
    /// The group whose effect is unknown; -1 for other reasons.
    group: i64,
    /// One block for each day and kind of index.
    documents: Vec<Py<Documents>>,
    lines: usize,
    /// Lines without a document.
    dropped: usize,
    /// Reason for which the next line takes the Python path; empty for other stops.
    declined: &'static str,
    /// Kinds of violation that are counted, each with its number.
    violations: Vec<(&'static str, u64)>,
    /// Structured events without an id; those with one, or without one that they must have: accepted, quarantined,
    /// dropped.
    ids: (u64, u64, u64, u64),
    /// Groups with increments, each with the number of its events, in the order of their first event.
    counted: Vec<(u32, u64)>,
    /// The digest of the first line, without regard to the line before it; empty without lines.
    first: Py<PyBytes>,
    last: Py<PyBytes>,
    ordinal: u64,
    /// The runtime's time of the last line; empty without lines.
    seen: String,
    /// Texts among these lines that a later line may continue: where they begin, from the first line, and digests.
    held: Vec<(usize, Py<PyBytes>)>,
}

/// Groups of events, each with its effect on the counters; numbers of groups hold for one table.
#[pyclass(frozen)]
struct Groups {
    table: Arc<RwLock<scan::Groups>>,
}

#[pymethods]
impl Groups {
    #[new]
    fn new() -> Groups {
        Groups {
            table: Arc::default(),
        }
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        let table = || self.table.read().unwrap_or_else(PoisonError::into_inner);
        py.detach(|| table().len())
    }

    /// Set the effect of a group's events on the counters: `none`, `constant` or `each`.
    fn set_effect(&self, py: Python<'_>, group: u32, effect: &str) -> PyResult<()> {
        let effect = match effect {
            "none" => GroupEffect::NoEffect,
            "constant" => GroupEffect::Constant,
            "each" => GroupEffect::EvaluateEach,
            _ => {
                return Err(PyValueError::new_err(
                    "invalid effect; expected none, constant or each",
                ));
            }
        };
        let table = || self.table.write().unwrap_or_else(PoisonError::into_inner);
        if py.detach(|| table().set_effect(group, effect)) {
            Ok(())
        } else {
            Err(PyValueError::new_err("unknown group"))
        }
    }
}

/// Lines of one log, and the state before them.
struct Stretch {
    settings: Arc<Settings>,
    groups: Arc<RwLock<scan::Groups>>,
    context: Arc<Context>,
    lines: PyBackedBytes,
    range: (usize, usize),
    offset: u64,
    last: Last,
    idle: [bool; 2],
}

impl Work for Stretch {
    type Buffers = Buffers;
    type Output = Scanned;

    fn run(&self, buffers: &mut Buffers) -> Scanned {
        let (begin, end) = self.range;
        scan::scan(
            &self.lines[begin..],
            end - begin,
            self.offset + begin as u64,
            &self.context.seed,
            &self.context.log,
            self.idle,
            self.last.clone(),
            &self.settings,
            &self.groups,
            buffers,
        )
    }
}

/// The chain of one plan.
#[pyclass(frozen)]
struct Chain {
    settings: Arc<Settings>,
    buffers: Mutex<Buffers>,
}

#[pymethods]
impl Chain {
    /// Read the chain plan from JSON. Fails, with the reason, for a plan with anything unknown.
    #[new]
    fn new(plan: &[u8]) -> PyResult<Chain> {
        Ok(Chain {
            settings: Arc::new(plan::settings(plan).map_err(PyValueError::new_err)?),
            buffers: Mutex::default(),
        })
    }

    /// Fields for which a rule has an unknown operator.
    #[getter]
    fn undecided_fields(&self) -> Vec<String> {
        self.settings.undecided_fields.clone()
    }

    /// Fields with an unknown declaration: lines that contain them are not ordinary.
    #[getter]
    fn declined_fields(&self) -> Vec<String> {
        let fields = self
            .settings
            .known
            .iter()
            .filter(|field| field.rule.is_none());
        fields
            .map(|field| String::from_utf8_lossy(&field.name).into_owned())
            .collect()
    }

    /// Return true if the line from byte `at` is of this stream and ends a text, so that nothing continues it.
    fn ends_text(
        &self,
        log: &LogContext,
        text: &str,
        stream: &str,
        lines: &[u8],
        at: usize,
    ) -> bool {
        let stream = match stream {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            _ => return false,
        };
        let (runtime, settings) = (log.context.log.runtime, &self.settings);
        let ends = || scan::ends_text(text, stream, lines, at, runtime, settings);
        catch_unwind(AssertUnwindSafe(ends)).unwrap_or(false)
    }

    /// Process ordinary lines of `lines` from byte `begin` to `end`; `lines` begins at `offset` of its file.
    ///
    /// `last` and `ordinal` continue the digests; `stdout` and `stderr` are true if the stream has no partial entry, so
    /// that each of its lines is a separate entry.
    #[allow(clippy::too_many_arguments)]
    fn scan(
        &self,
        py: Python<'_>,
        groups: &Groups,
        log: &LogContext,
        lines: PyBackedBytes,
        begin: usize,
        end: usize,
        offset: u64,
        last: &[u8],
        ordinal: u64,
        stdout: bool,
        stderr: bool,
    ) -> PyResult<FastBatch> {
        let idle = [stdout, stderr];
        let work = self.stretch(
            groups,
            log,
            lines,
            (begin, end),
            offset,
            last,
            ordinal,
            idle,
        )?;
        let run = || {
            let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            let scanned = catch_unwind(AssertUnwindSafe(|| work.run(&mut buffers))).ok();
            if scanned.is_none() {
                *buffers = Buffers::default();
            }
            scanned
        };
        batch(py, py.detach(run).ok_or_else(panicked)?)
    }
}

impl Chain {
    #[allow(clippy::too_many_arguments)]
    fn stretch(
        &self,
        groups: &Groups,
        log: &LogContext,
        lines: PyBackedBytes,
        range: (usize, usize),
        offset: u64,
        last: &[u8],
        ordinal: u64,
        idle: [bool; 2],
    ) -> PyResult<Stretch> {
        if lines.get(range.0..range.1).is_none() {
            return Err(PyValueError::new_err(
                "`begin` and `end` are not within `lines`",
            ));
        }
        let last = Last {
            digest: last.to_vec(),
            ordinal,
        };
        Ok(Stretch {
            settings: Arc::clone(&self.settings),
            groups: Arc::clone(&groups.table),
            context: Arc::clone(&log.context),
            lines,
            range,
            offset,
            last,
            idle,
        })
    }
}

/// Threads that scan stretches of lines ahead of their consumer. They never take the interpreter's lock.
#[pyclass(frozen)]
struct Pool {
    pool: pool::Pool<Stretch>,
}

#[pymethods]
impl Pool {
    #[new]
    fn new(threads: usize) -> Pool {
        Pool {
            pool: pool::Pool::new(threads),
        }
    }

    /// True if the threads have nothing to do.
    #[getter]
    fn idle(&self) -> bool {
        self.pool.is_idle()
    }

    /// Start `Chain.scan` with these arguments; `Job.result` returns its result.
    #[allow(clippy::too_many_arguments)]
    fn submit(
        &self,
        chain: Py<Chain>,
        groups: &Groups,
        log: &LogContext,
        lines: PyBackedBytes,
        begin: usize,
        end: usize,
        offset: u64,
        last: &[u8],
        ordinal: u64,
        stdout: bool,
        stderr: bool,
    ) -> PyResult<Job> {
        let idle = [stdout, stderr];
        let range = (begin, end);
        let stretch = chain
            .get()
            .stretch(groups, log, lines, range, offset, last, ordinal, idle)?;
        let job = self.pool.submit(stretch);
        Ok(Job { chain, job })
    }
}

/// A submitted scan.
#[pyclass(frozen)]
struct Job {
    chain: Py<Chain>,
    job: Arc<pool::Job<Stretch>>,
}

#[pymethods]
impl Job {
    /// Return the result, once; this thread scans the lines if none of the pool has begun.
    fn result(&self, py: Python<'_>) -> PyResult<FastBatch> {
        let buffers = &self.chain.get().buffers;
        let wait = || {
            let mut buffers = buffers.lock().unwrap_or_else(PoisonError::into_inner);
            self.job.result(&mut buffers)
        };
        let (_lines, scanned) = py.detach(wait).ok_or_else(panicked)?;
        batch(py, scanned)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

/// Return the number of CPUs that this process may use, by affinity and control group.
#[pyfunction]
fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn panicked() -> PyErr {
    PyRuntimeError::new_err("the native chain panicked")
}

fn batch(py: Python<'_>, scanned: Scanned) -> PyResult<FastBatch> {
    let (stop, group) = match scanned.stop {
        Stop::End => ("end", -1),
        Stop::PythonPath(_) => ("python", -1),
        Stop::Unknown(group) => ("unknown", i64::from(group)),
        Stop::Full => ("full", -1),
    };
    let declined = match scanned.stop {
        Stop::PythonPath(reason) => reason.name(),
        _ => "",
    };
    debug_assert!(scanned.last.digest.len() <= DIGEST_SIZE);
    let documents: PyResult<_> = scanned
        .blocks
        .into_iter()
        .map(|block| Py::new(py, Documents { block }))
        .collect();
    let kinds = Kind::ALL.iter().map(|(name, _)| *name);
    let counted = kinds.zip(scanned.violations);
    let ids = scanned.ids;
    Ok(FastBatch {
        taken: scanned.taken,
        stop,
        group,
        documents: documents?,
        lines: scanned.lines,
        dropped: scanned.dropped,
        declined,
        violations: counted.filter(|&(_, number)| number > 0).collect(),
        ids: (ids.without, ids.accepted, ids.quarantined, ids.dropped),
        counted: scanned.counted,
        first: PyBytes::new(py, &scanned.first).unbind(),
        last: PyBytes::new(py, &scanned.last.digest).unbind(),
        ordinal: scanned.last.ordinal,
        seen: String::from_utf8_lossy(&scanned.seen).into_owned(),
        held: scanned
            .held
            .iter()
            .map(|(place, digest)| (*place, PyBytes::new(py, digest).unbind()))
            .collect(),
    })
}

/// Version of these classes: raise it, here and in `fast_path.py`, with every change of an argument, a result or a name.
const INTERFACE: u32 = 2;

#[pymodule]
fn shipper_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<Chain>()?;
    module.add_class::<Documents>()?;
    module.add_class::<LogContext>()?;
    module.add_class::<FastBatch>()?;
    module.add_class::<Groups>()?;
    module.add_class::<Pool>()?;
    module.add_class::<Job>()?;
    module.add_function(wrap_pyfunction!(cpus, module)?)?;
    module.add_submodule(&crate::parts::module(module.py())?)?;
    Ok(())
}
