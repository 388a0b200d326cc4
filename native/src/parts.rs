//! `shipper_native.parts`: the steps of the chain one by one, for tests that compare each with its Python twin.
//!
//! Values pass the boundary as JSON. `None` stands for a declined value.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::general::{Declined, Shape};
use crate::pattern::{Flags, Pattern, Scratch};
use crate::payload::{decode_other_object, decode_text, may_hold_several, with_reader};
use crate::settings::Settings;
use crate::stack_traces::{begins_record, summary_of};
use crate::time_zones::Zone;
use crate::times::{self, Skew, TimeNames};
use crate::{joins, plan, redact, secrets, text_cleanup, value};

/// The spans of a match and of its groups, in bytes; None for a group without one.
type Spans = Vec<Option<(usize, usize)>>;

/// Return the submodule with all parts.
pub fn module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    let parts = PyModule::new(py, "parts")?;
    parts.add_function(wrap_pyfunction!(json_written, &parts)?)?;
    parts.add_class::<Times>()?;
    parts.add_function(wrap_pyfunction!(is_never_continued, &parts)?)?;
    parts.add_function(wrap_pyfunction!(is_plain_head, &parts)?)?;
    parts.add_function(wrap_pyfunction!(ends, &parts)?)?;
    parts.add_class::<Texts>()?;
    parts.add_class::<Masks>()?;
    Ok(parts)
}

// --- value.rs -------------------------------------------------------------------------------------

/// Return a JSON text as it is written back; None if it is invalid, or nested too deeply.
#[pyfunction]
fn json_written(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    value::write(&value::read(text).ok()?, &mut bytes);
    Some(bytes)
}

// --- times.rs -------------------------------------------------------------------------------------

/// The names of a plan's section about times, and a zone.
#[pyclass(frozen)]
struct Times {
    names: TimeNames,
    zone: Zone,
}

#[pymethods]
impl Times {
    #[new]
    fn new(names: &str, zone: &[u8]) -> PyResult<Times> {
        let names = serde_json::from_str(names).map_err(|error| error.to_string());
        Ok(Times {
            names: names.and_then(plan::times).map_err(PyValueError::new_err)?,
            zone: plan::zone(zone).map_err(PyValueError::new_err)?,
        })
    }

    /// Return milliseconds since the epoch, and true if the value says which instant it is; None if it is not a time.
    /// Raises ValueError if it is declined.
    fn read_time(&self, value: &str, reference_ms: Option<i64>) -> PyResult<Option<(i64, bool)>> {
        let value = value::read(value).map_err(|_| PyValueError::new_err("not JSON"))?;
        let read = times::read_time(&value, &self.names, &self.zone, reference_ms);
        let moment = read.map_err(|_| PyValueError::new_err("declined"))?;
        Ok(moment.map(|moment| (moment.ms, moment.zoned)))
    }

    /// Return the event's time, and kind, field and detail of the doubt; None if it is declined.
    #[allow(clippy::type_complexity)]
    fn event_time(
        &self,
        value: &str,
        runtime_ms: Option<i64>,
        now_ms: i64,
        skew: (i64, i64, i64),
    ) -> Option<(i64, Option<(&'static str, Option<String>, String)>)> {
        let (future_ms, past_ms, age_ms) = skew;
        let skew = Skew {
            future_ms,
            past_ms,
            age_ms,
        };
        let (names, zone) = (&self.names, &self.zone);
        let value = value::read(value).ok()?;
        let time = times::event_time(Some(&value), runtime_ms, now_ms, skew, names, zone).ok()?;
        let doubt = time
            .doubt
            .map(|doubt| (doubt.kind.name(), doubt.field, doubt.detail));
        Some((time.ms, doubt))
    }
}

// --- joins.rs -------------------------------------------------------------------------------------

#[pyfunction]
fn is_never_continued(text: &str) -> bool {
    joins::is_never_continued(text)
}

#[pyfunction]
fn is_plain_head(text: &str) -> bool {
    joins::is_plain_head(text)
}

#[pyfunction]
fn ends(head: &str, line: &str) -> bool {
    joins::ends(head, line)
}

// --- pattern.rs, payload.rs and what they use -----------------------------------------------------

/// The steps that read text, with the tables of one plan. A declined text raises ValueError with the reason.
#[pyclass(frozen)]
struct Texts {
    settings: Settings,
}

fn declined(reason: Declined) -> PyErr {
    PyValueError::new_err(format!("{reason:?}"))
}

#[pymethods]
impl Texts {
    #[new]
    fn new(plan: &[u8]) -> PyResult<Texts> {
        let settings = plan::settings(plan).map_err(PyValueError::new_err)?;
        Ok(Texts { settings })
    }

    /// Return the shape and the fields of a text, as JSON.
    fn decode(&self, text: &str) -> PyResult<(&'static str, Vec<u8>)> {
        let decoded = if text.starts_with('{') {
            decode_other_object(text, &self.settings)
        } else {
            decode_text(text, &self.settings)
        };
        let decoded = decoded.map_err(declined)?;
        let shape = match decoded.shape {
            Shape::Structured => "structured",
            Shape::Access => "access",
            Shape::Text => "text",
            Shape::Blank => "blank",
        };
        let mut bytes = Vec::new();
        value::write_object(&decoded.fields, &mut bytes);
        Ok((shape, bytes))
    }

    /// Return false if a text that does not begin with `{` is one entry.
    fn may_hold_several(&self, text: &str) -> PyResult<bool> {
        may_hold_several(text, &self.settings).map_err(declined)
    }

    /// Return true if a line begins a record.
    fn begins_record(&self, line: &str) -> PyResult<bool> {
        let begins = with_reader(&self.settings, line.len(), |reader| {
            Ok(begins_record(reader, line))
        });
        begins.map_err(declined)
    }

    /// Return type and message of the exception that a text reports; None if it is no trace.
    #[allow(clippy::type_complexity)]
    fn summary(&self, text: &str) -> PyResult<Option<(Option<String>, Option<String>)>> {
        let summary = summary_of(text, &self.settings).map_err(declined)?;
        Ok(summary.map(|summary| (summary.kind, summary.message)))
    }

    /// Return a text without terminal sequences and what stands around it.
    fn clean(&self, text: &str) -> PyResult<String> {
        let cleaned = with_reader(&self.settings, text.len(), |reader| {
            Ok(text_cleanup::clean(reader, text).into_owned())
        });
        cleaned.map_err(declined)
    }

    /// Return the spans of a match of an expression and of its groups, in bytes; None without a match.
    ///
    /// `how` is `match`, `fullmatch` or `search`.
    #[staticmethod]
    fn spans(expression: &str, flags: u64, how: &str, text: &str) -> PyResult<Option<Spans>> {
        let flags =
            Flags::of_python(flags).ok_or_else(|| PyValueError::new_err("unknown flags"))?;
        let pattern = Pattern::new(expression, flags).map_err(PyValueError::new_err)?;
        let mut scratch = Scratch::default();
        scratch.begin(text.len());
        let range = match how {
            "match" => pattern.match_at(text, 0, &mut scratch).map(|end| 0..end),
            "fullmatch" => pattern
                .full_match(text, 0, &mut scratch)
                .then_some(0..text.len()),
            _ => pattern.search(text, 0, &mut scratch),
        };
        if scratch.doubt {
            return Err(PyValueError::new_err("doubt"));
        }
        let Some(range) = range else { return Ok(None) };
        let mut spans = vec![Some((range.start, range.end))];
        for group in 1..=pattern.count() {
            spans.push(scratch.group(group).map(|range| (range.start, range.end)));
        }
        Ok(Some(spans))
    }
}

// --- redact.rs ------------------------------------------------------------------------------------

/// Redaction with the tables of one plan. A declined text raises ValueError with the reason.
#[pyclass(frozen)]
struct Masks {
    settings: Settings,
}

#[pymethods]
impl Masks {
    #[new]
    fn new(plan: &[u8]) -> PyResult<Masks> {
        let settings = plan::settings(plan).map_err(PyValueError::new_err)?;
        Ok(Masks { settings })
    }

    /// Return a text masked.
    fn text(&self, text: &str) -> PyResult<String> {
        let masked = redact::redact_text(text, &self.settings).map_err(declined)?;
        Ok(masked.into_owned())
    }

    /// Return a raw line masked.
    fn raw(&self, text: &str) -> PyResult<String> {
        let masked = redact::redact_raw(text, &self.settings).map_err(declined)?;
        Ok(masked.into_owned())
    }

    /// Return an event, which is JSON, masked.
    fn event(&self, event: &str) -> PyResult<Vec<u8>> {
        let mut fields = value::read_object(event).map_err(|error| declined(error.into()))?;
        redact::redact_event(&mut fields, &self.settings).map_err(declined)?;
        let mut bytes = Vec::new();
        value::write_object(&fields, &mut bytes);
        Ok(bytes)
    }

    /// True if the filter of ordinary lines reports a text.
    fn may_hold(&self, text: &str) -> bool {
        secrets::may_hold(&self.settings.keywords, text.as_bytes()) || text.contains(['@', '\\'])
    }
}
