//! Stack traces that loggers write as lists or objects, as the text that the language would print.
//!
//! The twin of `shipper_processors.trace_objects`.

use crate::general::Declined;
use crate::value::Value;

/// A trace as text, with the exception that was finally reported.
pub struct Rendered {
    /// None if the object names an exception but holds no trace.
    pub text: Option<String>,
    pub kind: Option<String>,
    pub message: Option<String>,
}

/// Return a list or an object as a trace; None if it is none.
pub fn render_trace(value: &Value) -> Result<Option<Rendered>, Declined> {
    match value {
        Value::Object(_) => Err(Declined::Trace),
        Value::List(items) if !items.is_empty() => Err(Declined::Trace),
        _ => Ok(None),
    }
}
