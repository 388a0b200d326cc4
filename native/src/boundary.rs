//! What Python sees: `shipper_native.pyi` has the types.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::block::{Block, Span};
use crate::line::Log;
use crate::plan;
use crate::runtime::Runtime;
use crate::scan::{self, DIGEST_SIZE, GroupEffect, Groups, Last, Room, Scanned, Stop};
use crate::settings::Settings;

/// What all lines of one log share: what its digests begin with, and what stands behind each document of a stream.
#[pyclass(frozen)]
struct LogLens {
    seed: Vec<u8>,
    log: Log,
}

#[pymethods]
impl LogLens {
    #[new]
    fn new(
        kind: &str,
        seed: &[u8],
        stdout_tail: &[u8],
        stderr_tail: &[u8],
        salt: u8,
    ) -> PyResult<LogLens> {
        let runtime = match kind {
            "docker" => Runtime::JsonFile,
            "cri" => Runtime::Cri,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "no runtime is called {kind:?}"
                )));
            }
        };
        let tails = [stdout_tail.to_vec(), stderr_tail.to_vec()];
        Ok(LogLens {
            seed: seed.to_vec(),
            log: Log {
                runtime,
                tails,
                salt,
            },
        })
    }
}

/// Documents of one day, in the order of their lines.
#[pyclass(frozen)]
struct Documents {
    block: Block,
}

impl Documents {
    fn text<'py>(&self, py: Python<'py>, span: Span) -> Option<Bound<'py, PyString>> {
        if span.end == 0 {
            return None;
        }
        let bytes = &self.block.bytes[span.begin as usize..span.end as usize];
        let text = std::str::from_utf8(bytes).ok()?;
        Some(if text.contains('\\') {
            PyString::new(py, &text.replace("\\\"", "\""))
        } else {
            PyString::new(py, text)
        })
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

    /// The lines of a bulk request whose path names the index; with those of single documents between blocks.
    #[staticmethod]
    fn joined<'py>(py: Python<'py>, pieces: Vec<Piece>) -> PyResult<Bound<'py, PyBytes>> {
        let parts: Vec<&[u8]> = pieces.iter().map(Piece::bytes).collect();
        PyBytes::new_with(py, parts.iter().map(|part| part.len()).sum(), |mut body| {
            for part in &parts {
                let (here, rest) = body.split_at_mut(part.len());
                here.copy_from_slice(part);
                body = rest;
            }
            Ok(())
        })
    }

    #[getter]
    fn bulk_size(&self) -> usize {
        self.block.bytes.len()
    }

    /// For each document its id, its time in milliseconds since the epoch, its body, and the texts of its columns:
    /// correlation_id, event, level, message, path, error_type, error_message, exception.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = PyList::empty(py);
        for row in &self.block.rows {
            let texts = PyTuple::new(py, row.columns.map(|span| self.text(py, span)))?;
            let body = PyBytes::new(py, &self.block.bytes[row.body.0..row.body.1]);
            found.append((PyBytes::new(py, &row.id), row.time_ms, body, texts))?;
        }
        Ok(found)
    }
}

/// A part of a bulk request.
#[derive(FromPyObject)]
enum Piece {
    Block(Py<Documents>),
    Lines(PyBackedBytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Block(documents) => &documents.get().block.bytes,
            Piece::Lines(lines) => lines,
        }
    }
}

/// Consecutive ordinary lines, and why the scan stopped behind them.
#[pyclass(frozen, get_all)]
struct FastBatch {
    /// Bytes of lines that were taken.
    taken: usize,
    /// Why it stopped: `end`, `python`, `unknown`, `full`.
    stop: &'static str,
    /// The group whose effect is unknown; -1 where that is not why it stopped.
    group: i64,
    documents: Py<Documents>,
    lines: usize,
    /// Groups that the counters want, each with the number of its events, in the order of their first.
    counted: Vec<(u32, u64)>,
    last: Py<PyBytes>,
    ordinal: u64,
    /// The runtime's time of the last line taken; empty where none was.
    seen: String,
}

/// The chain of one plan, and the groups of events that it has seen.
#[pyclass]
struct Chain {
    settings: Settings,
    groups: Groups,
    room: Room,
}

#[pymethods]
impl Chain {
    /// `plan` is the chain plan as JSON. Fails with the reason for a plan that is not known whole.
    #[new]
    fn new(plan: &[u8]) -> PyResult<Chain> {
        Ok(Chain {
            settings: plan::settings(plan).map_err(PyValueError::new_err)?,
            groups: Groups::default(),
            room: Room::default(),
        })
    }

    /// Fields for which rules have an operator that is unknown here.
    #[getter]
    fn undecided(&self) -> Vec<String> {
        self.settings.undecided.clone()
    }

    /// Fields whose declaration is unknown here: lines that hold them are not ordinary.
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

    /// Take ordinary lines of `lines` from byte `at` on; the first of `lines` begins at `offset` of its file.
    ///
    /// `last` and `ordinal` are where the digests go on from; `stdout` and `stderr` tell whether the stream holds
    /// nothing back, so that a line of it is an entry of its own.
    #[allow(clippy::too_many_arguments)]
    fn scan(
        &mut self,
        py: Python<'_>,
        lens: &LogLens,
        lines: &[u8],
        at: usize,
        offset: u64,
        last: &[u8],
        ordinal: u64,
        stdout: bool,
        stderr: bool,
    ) -> PyResult<FastBatch> {
        let rest = lines
            .get(at..)
            .ok_or_else(|| PyValueError::new_err("nothing stands there"))?;
        let last = Last {
            digest: last.to_vec(),
            ordinal,
        };
        let Chain {
            settings,
            groups,
            room,
        } = self;
        let work = || {
            scan::scan(
                rest,
                offset + at as u64,
                &lens.seed,
                &lens.log,
                [stdout, stderr],
                last,
                settings,
                groups,
                room,
            )
        };
        let found = py
            .detach(|| catch_unwind(AssertUnwindSafe(work)))
            .map_err(|_| PyRuntimeError::new_err("the native chain failed on a line"))?;
        batch(py, found)
    }

    /// Note what the events of a group add to the counters: `silent`, `counted` or `alone`.
    fn set_effect(&mut self, group: u32, effect: &str) -> PyResult<()> {
        let effect = match effect {
            "silent" => GroupEffect::Silent,
            "counted" => GroupEffect::Counted,
            "alone" => GroupEffect::Alone,
            _ => return Err(PyValueError::new_err("a group is silent, counted or alone")),
        };
        if self.groups.set_effect(group, effect) {
            Ok(())
        } else {
            Err(PyValueError::new_err("no such group"))
        }
    }

    /// How many groups there are.
    #[getter]
    fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Forget all groups.
    fn forget(&mut self) {
        self.groups = Groups::default();
    }
}

fn batch(py: Python<'_>, found: Scanned) -> PyResult<FastBatch> {
    let (stop, group) = match found.stop {
        Stop::End => ("end", -1),
        Stop::PythonPath => ("python", -1),
        Stop::Unknown(group) => ("unknown", i64::from(group)),
        Stop::Full => ("full", -1),
    };
    debug_assert!(found.last.digest.len() <= DIGEST_SIZE);
    Ok(FastBatch {
        taken: found.taken,
        stop,
        group,
        lines: found.block.rows.len(),
        documents: Py::new(py, Documents { block: found.block })?,
        counted: found.counted,
        last: PyBytes::new(py, &found.last.digest).unbind(),
        ordinal: found.last.ordinal,
        seen: String::from_utf8_lossy(&found.seen).into_owned(),
    })
}

#[pymodule]
fn shipper_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Chain>()?;
    module.add_class::<Documents>()?;
    module.add_class::<LogLens>()?;
    module.add_class::<FastBatch>()?;
    Ok(())
}
