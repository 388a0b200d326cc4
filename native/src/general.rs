//! The general path: the steps of the Python chain, one by one, over a small tree of the entry's fields.
//!
//! It takes the lines that are not ordinary (`line.rs`). A line that it does not handle is declined with a reason, and
//! takes the Python path.

use std::borrow::Cow;

use crate::settings::Settings;
use crate::value::{Fields, ReadError};
use crate::violation::Violation;

/// Reasons for which a line takes the Python path; the label of `shipper_native_declined_total`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Declined {
    /// The runtime's envelope: a part of a message, other keys, another form, or a line without its newline.
    Envelope,
    /// Bytes that are not UTF-8, lone surrogates, and characters that Python and Rust may treat differently.
    Encoding,
    /// Several documents on one line.
    Several,
    /// A text that looks like JSON and is not.
    Json,
    /// JSON that is nested deeply.
    Nested,
    /// A stack trace as an object or a list.
    Trace,
    /// A notation of time.
    Time,
    /// A form of text.
    Text,
    /// Lines that may be joined to an entry, or may begin one.
    Joined,
    /// A text that may hold something to mask.
    Masking,
    /// An event for which the counter rules are evaluated each time.
    Rules,
    /// A field whose declaration or value is not handled.
    Field,
}

impl From<ReadError> for Declined {
    fn from(error: ReadError) -> Declined {
        match error {
            ReadError::Invalid => Declined::Json,
            ReadError::TooDeep => Declined::Nested,
        }
    }
}

/// The shape of an entry's text, as `payload.decode_payload` returns it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Structured,
    Access,
    Text,
    Blank,
    Broken,
}

/// A decoded text: its fields in Python's order, and the reason why a text that looks like JSON is invalid.
pub struct Decoded<'a> {
    pub shape: Shape,
    pub fields: Fields<'a>,
    pub problem: Option<Violation>,
}

// --- parts that are not there yet -----------------------------------------------------------------
// Each stands for the function of the same name in its own module and declines what that module will handle.

/// `redact::suspicious`: true if an event, decoded from `raw`, may hold something to mask.
pub fn suspicious(_raw: &str, _event: &Fields, _settings: &Settings) -> bool {
    true
}

/// `redact::redact_event`: masks fields and patterns at any depth, in keys too.
pub fn redact_event(_event: &mut Fields, _settings: &Settings) -> Result<(), Declined> {
    Err(Declined::Masking)
}

/// `redact::redact_text`
pub fn redact_text<'a>(_text: &'a str, _settings: &Settings) -> Result<Cow<'a, str>, Declined> {
    Err(Declined::Masking)
}

/// `redact::redact_raw`
pub fn redact_raw<'a>(_text: &'a str, _settings: &Settings) -> Result<Cow<'a, str>, Declined> {
    Err(Declined::Masking)
}
