//! The interface to Python; `shipper_native.pyi` has its types.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::block::{Block, Column, Span};
use crate::line::Log;
use crate::plan;
use crate::runtime::Runtime;
use crate::scan::{self, Buffers, DIGEST_SIZE, GroupEffect, Groups, Last, Scanned, Stop};
use crate::settings::Settings;

/// Properties of all lines of one log: the seed of its digests, and the bytes that end each document of a stream.
#[pyclass(frozen)]
struct LogContext {
    seed: Vec<u8>,
    log: Log,
}

#[pymethods]
impl LogContext {
    #[new]
    fn new(
        kind: &str,
        seed: &[u8],
        stdout_tail: &[u8],
        stderr_tail: &[u8],
        salt: u8,
        zone: &[u8],
    ) -> PyResult<LogContext> {
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
        Ok(LogContext {
            seed: seed.to_vec(),
            log: Log {
                runtime,
                tails,
                salt,
                zone: plan::zone(zone).map_err(PyValueError::new_err)?,
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

    /// Number of documents with a correlation id.
    #[getter]
    fn with_correlation_id(&self) -> usize {
        self.block.with_text(Column::CorrelationId)
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

    #[getter]
    fn bulk_size(&self) -> usize {
        self.block.bytes.len()
    }

    /// Return of each document its id, time in milliseconds since the epoch, body, and the texts of its columns:
    /// correlation_id, event, level, message, path, error_type, error_message, exception, `extra` as JSON, trace_id.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        for row in &self.block.rows {
            let texts = PyTuple::new(py, row.columns.map(|span| self.text(py, span)))?;
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
    documents: Py<Documents>,
    lines: usize,
    /// Groups with increments, each with the number of its events, in the order of their first event.
    counted: Vec<(u32, u64)>,
    last: Py<PyBytes>,
    ordinal: u64,
    /// The runtime's time of the last line; empty without lines.
    seen: String,
}

/// The chain of one plan, and its groups of events.
#[pyclass]
struct Chain {
    settings: Settings,
    groups: Groups,
    buffers: Buffers,
}

#[pymethods]
impl Chain {
    /// Read the chain plan from JSON. Fails, with the reason, for a plan with anything unknown.
    #[new]
    fn new(plan: &[u8]) -> PyResult<Chain> {
        Ok(Chain {
            settings: plan::settings(plan).map_err(PyValueError::new_err)?,
            groups: Groups::default(),
            buffers: Buffers::default(),
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

    /// Process ordinary lines of `lines` from byte `at` on; `lines` begins at `offset` of its file.
    ///
    /// `last` and `ordinal` continue the digests; `stdout` and `stderr` are true if the stream has no partial entry, so
    /// that each of its lines is a separate entry.
    #[allow(clippy::too_many_arguments)]
    fn scan(
        &mut self,
        py: Python<'_>,
        log: &LogContext,
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
            .ok_or_else(|| PyValueError::new_err("`at` is beyond the end of `lines`"))?;
        let last = Last {
            digest: last.to_vec(),
            ordinal,
        };
        let Chain {
            settings,
            groups,
            buffers,
        } = self;
        let work = || {
            scan::scan(
                rest,
                offset + at as u64,
                &log.seed,
                &log.log,
                [stdout, stderr],
                last,
                settings,
                groups,
                buffers,
            )
        };
        let scanned = py
            .detach(|| catch_unwind(AssertUnwindSafe(work)))
            .map_err(|_| PyRuntimeError::new_err("the native chain panicked"))?;
        batch(py, scanned)
    }

    /// Set the effect of a group's events on the counters: `none`, `constant` or `each`.
    fn set_effect(&mut self, group: u32, effect: &str) -> PyResult<()> {
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
        if self.groups.set_effect(group, effect) {
            Ok(())
        } else {
            Err(PyValueError::new_err("unknown group"))
        }
    }

    /// Number of groups.
    #[getter]
    fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Remove all groups.
    fn forget(&mut self) {
        self.groups = Groups::default();
    }
}

fn batch(py: Python<'_>, scanned: Scanned) -> PyResult<FastBatch> {
    let (stop, group) = match scanned.stop {
        Stop::End => ("end", -1),
        Stop::PythonPath => ("python", -1),
        Stop::Unknown(group) => ("unknown", i64::from(group)),
        Stop::Full => ("full", -1),
    };
    debug_assert!(scanned.last.digest.len() <= DIGEST_SIZE);
    Ok(FastBatch {
        taken: scanned.taken,
        stop,
        group,
        lines: scanned.block.rows.len(),
        documents: Py::new(
            py,
            Documents {
                block: scanned.block,
            },
        )?,
        counted: scanned.counted,
        last: PyBytes::new(py, &scanned.last.digest).unbind(),
        ordinal: scanned.last.ordinal,
        seen: String::from_utf8_lossy(&scanned.seen).into_owned(),
    })
}

#[pymodule]
fn shipper_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Chain>()?;
    module.add_class::<Documents>()?;
    module.add_class::<LogContext>()?;
    module.add_class::<FastBatch>()?;
    module.add_submodule(&crate::parts::module(module.py())?)?;
    Ok(())
}
