//! The general path: the steps of the Python chain, one by one, over a small tree of the entry's fields.
//!
//! It takes the lines that are not ordinary (`line.rs`). A line that it does not handle is declined with a reason, and
//! takes the Python path.

use std::borrow::Cow;

use crate::block::Blocks;
use crate::enforce::{Enforced, enforce};
use crate::joins::is_never_continued;
use crate::line::{Log, PathLine, Scratch, push_value};
use crate::normalise::TIME_FIELD;
use crate::payload::{decode_other_object, decode_text, may_hold_several, with_reader};
use crate::python_text::strip;
use crate::redact::{redact_event, redact_raw, redact_text};
use crate::render::{Rejected, searched_text, stamp_of, write_event, write_rejected};
use crate::runtime::{Runtime, RuntimeLine, Stream, parse};
use crate::settings::Settings;
use crate::text_cleanup::{clean, is_clean};
use crate::time_zones::Zone;
use crate::times::{EventTime, event_time_of_line, parse_ms};
use crate::value::{Fields, ReadError, Value, get, read_object, remove, unescape};
use crate::violation::{Kind, Policy, Violation};

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
    /// A stack trace as an object or a list, or of a language other than Python.
    Trace,
    /// A notation of time.
    Time,
    /// A form of text.
    Text,
    /// Lines that may be joined to an entry, or may begin one.
    Joined,
    /// A text that may hold something to mask.
    Masking,
    /// One of the two entries in which some loggers record one request.
    Request,
    /// An event for which the counter rules are evaluated each time.
    Rules,
    /// A field whose declaration or value is not handled.
    Field,
}

impl Declined {
    pub fn name(self) -> &'static str {
        match self {
            Declined::Envelope => "envelope",
            Declined::Encoding => "encoding",
            Declined::Several => "several",
            Declined::Json => "json",
            Declined::Nested => "nested",
            Declined::Trace => "trace",
            Declined::Time => "time",
            Declined::Text => "text",
            Declined::Joined => "joined",
            Declined::Masking => "masking",
            Declined::Request => "request",
            Declined::Rules => "rules",
            Declined::Field => "field",
        }
    }
}

impl From<ReadError> for Declined {
    fn from(error: ReadError) -> Declined {
        match error {
            ReadError::Invalid => Declined::Json,
            ReadError::TooDeep => Declined::Nested,
        }
    }
}

/// Why a line is not taken now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Halt {
    Declined(Declined),
    /// The batch has no room for its document.
    Full,
}

impl From<Declined> for Halt {
    fn from(reason: Declined) -> Halt {
        Halt::Declined(reason)
    }
}

/// The shape of an entry's text, as `payload.decode_payload` returns it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Structured,
    Access,
    Text,
    Blank,
}

/// A decoded text: its fields in Python's order, and the reason why a text that looks like JSON is invalid.
pub struct Decoded<'a> {
    pub shape: Shape,
    pub fields: Fields<'a>,
    pub problem: Option<Violation>,
}

/// Read a line (without its newline) and write its document. Declines a line that needs the Python path; then nothing
/// is written.
///
/// The order of the steps is that of `shipper.pipeline.pipeline`: decode, enforce, time, policies, count, redact, render.
pub fn process(
    line: &[u8],
    offset: u64,
    settings: &Settings,
    log: &Log,
    scratch: &mut Scratch,
    blocks: &mut Blocks,
) -> Result<PathLine, Halt> {
    let envelope = parse(log.runtime, line).ok_or(Declined::Envelope)?;
    let whole = std::str::from_utf8(line).map_err(|_| Declined::Encoding)?;
    let time = &whole[envelope.time.0..envelope.time.1];
    let runtime_ms = parse_ms(time.as_bytes()).ok_or(Declined::Envelope)?;
    let mut unescaped = std::mem::take(&mut scratch.text);
    let logged = logged_text(whole, log.runtime, &envelope, &mut unescaped);
    let result = logged.map_err(Halt::from).and_then(|logged| {
        let line = EntryLine {
            logged,
            time,
            runtime_ms,
            envelope: &envelope,
            offset,
        };
        line.process(settings, log, scratch, blocks)
    });
    scratch.text = unescaped;
    result
}

/// Return the stream and the text of a whole line that the native path can read.
pub fn text_of<'a>(
    line: &'a [u8],
    runtime: Runtime,
    settings: &'a Settings,
    unescaped: &'a mut String,
) -> Result<(Stream, Cow<'a, str>), Declined> {
    let envelope = parse(runtime, line).ok_or(Declined::Envelope)?;
    parse_ms(&line[envelope.time.0..envelope.time.1]).ok_or(Declined::Envelope)?;
    let whole = std::str::from_utf8(line).map_err(|_| Declined::Encoding)?;
    let text = cleaned(logged_text(whole, runtime, &envelope, unescaped)?, settings)?;
    Ok((envelope.stream, text))
}

/// Return the text as the application logged it, without its newline.
fn logged_text<'a>(
    line: &'a str,
    runtime: Runtime,
    envelope: &RuntimeLine,
    unescaped: &'a mut String,
) -> Result<&'a str, Declined> {
    let text = &line[envelope.text.0..envelope.text.1];
    if runtime == Runtime::Cri {
        return Ok(text);
    }
    unescaped.clear();
    unescape(text, unescaped).map_err(|_| Declined::Envelope)?;
    Ok(unescaped)
}

/// A whole runtime line that is an entry of its own.
struct EntryLine<'a> {
    logged: &'a str,
    time: &'a str,
    runtime_ms: i64,
    envelope: &'a RuntimeLine,
    offset: u64,
}

impl EntryLine<'_> {
    fn process(
        &self,
        settings: &Settings,
        log: &Log,
        scratch: &mut Scratch,
        blocks: &mut Blocks,
    ) -> Result<PathLine, Halt> {
        let text = cleaned(self.logged, settings)?;
        let text = text.as_ref();
        let Decoded {
            shape,
            mut fields,
            problem,
        } = decode(text, settings)?;
        let mut violations = Vec::new();
        let (mut event, timestamp) = if shape == Shape::Structured {
            let Enforced { event, timestamp } = enforce(
                fields,
                log.own.as_ref().unwrap_or(&settings.normalisation),
                log.require.unwrap_or(settings.verdicts.require),
                settings,
                &mut scratch.key_sets,
                &mut violations,
            )?;
            (event, timestamp)
        } else {
            let timestamp = remove(&mut fields, TIME_FIELD).filter(|time| !time.is_null());
            remove(&mut fields, "time"); // the runtime's time is known
            violations.extend(of_shape(shape));
            (fields, timestamp)
        };
        violations.extend(problem);
        if is_half_of_request(&event, shape, text, log.begins) {
            return Err(Declined::Request.into());
        }
        let time = time_of(timestamp.as_ref(), self.runtime_ms, settings, &log.zone)?;
        violations.extend(time.doubt);
        let policies = &settings.verdicts.policies;
        let policy = violations
            .iter()
            .map(|violation| policies[violation.kind as usize])
            .max()
            .unwrap_or(Policy::Allow);
        group(&event, self, settings, log.salt, &mut scratch.group)?;
        note_verdict(&event, shape, &violations, policy, settings, scratch);
        redact_event(&mut event, settings)?;
        violations.retain(|violation| policies[violation.kind as usize] != Policy::Allow);
        for violation in &mut violations {
            if violation.kind.quotes_nothing() {
                continue;
            }
            if let Cow::Owned(masked) = redact_text(&violation.detail, settings)? {
                violation.detail = masked;
            }
        }
        let stamp = stamp_of(time.ms);
        let block = match policy {
            Policy::Drop => None,
            Policy::Quarantine => {
                let day = String::from_utf8_lossy(&stamp[..10]).replace('-', ".");
                let rejected = Rejected {
                    event: &event,
                    text: (shape == Shape::Structured)
                        .then(|| searched_text(&event))
                        .flatten(),
                    reasons: &violations,
                    raw: &redact_raw(text, settings)?,
                    day: &day,
                    time: self.time,
                };
                let place = blocks.of(&stamp[..10], true).ok_or(Halt::Full)?;
                let block = &mut blocks.blocks[place];
                block.open();
                write_rejected(&rejected, &stamp, settings, block);
                Some(place)
            }
            Policy::Allow | Policy::Flag => {
                let place = blocks.of(&stamp[..10], false).ok_or(Halt::Full)?;
                let block = &mut blocks.blocks[place];
                block.open();
                write_event(&event, &violations, &stamp, settings, block);
                Some(place)
            }
        };
        if let Some(place) = block {
            let tail = &log.tails[self.envelope.stream as usize];
            blocks.blocks[place].close(tail, self.offset, time.ms);
        }
        self.canonical(&mut scratch.canonical);
        let may_continue = shape != Shape::Access && !is_never_continued(text);
        Ok(PathLine {
            may_continue,
            stream: self.envelope.stream,
            runtime_ms: self.runtime_ms,
            runtime: self.envelope.time,
            block,
        })
    }

    /// Write the record in canonical form, in which a run of replacement characters counts as one.
    fn canonical(&self, into: &mut Vec<u8>) {
        into.clear();
        let time = self.time[..self.time.len() - 1].trim_end_matches('0');
        into.extend_from_slice(time.as_bytes());
        into.extend_from_slice(self.envelope.stream.tag());
        if !self.logged.contains('\u{fffd}') {
            into.extend_from_slice(self.logged.as_bytes());
            return;
        }
        let mut replaced = false;
        for character in self.logged.chars() {
            if !(replaced && character == '\u{fffd}') {
                into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            replaced = character == '\u{fffd}';
        }
    }
}

/// Return the text of an entry, without terminal sequences and what stands around it.
fn cleaned<'a>(logged: &'a str, settings: &'a Settings) -> Result<Cow<'a, str>, Declined> {
    let text = logged.strip_suffix('\r').unwrap_or(logged);
    if is_clean(text) {
        return Ok(Cow::Borrowed(text));
    }
    with_reader(settings, text.len(), |reader| Ok(clean(reader, text)))
}

fn decode<'a>(text: &'a str, settings: &'a Settings) -> Result<Decoded<'a>, Declined> {
    if text.starts_with('{') {
        return match read_object(text) {
            Ok(fields) => Ok(Decoded {
                shape: Shape::Structured,
                fields,
                problem: None,
            }),
            Err(ReadError::Invalid) => decode_other_object(text, settings),
            Err(ReadError::TooDeep) => Err(Declined::Nested),
        };
    }
    if text.contains('{') && may_hold_several(text, settings)? {
        return Err(Declined::Several);
    }
    decode_text(text, settings)
}

fn of_shape(shape: Shape) -> Option<Violation> {
    let (kind, detail) = match shape {
        Shape::Text => (Kind::Unstructured, "plain text instead of a JSON object"),
        Shape::Blank => (Kind::Blank, "an empty line"),
        Shape::Structured | Shape::Access => return None,
    };
    Some(Violation {
        kind,
        field: None,
        detail: detail.to_owned(),
    })
}

/// Return the time of an event: the application's if it is near the runtime's.
fn time_of(
    timestamp: Option<&Value>,
    runtime_ms: i64,
    settings: &Settings,
    zone: &Zone,
) -> Result<EventTime, Declined> {
    let ms = match timestamp {
        None => Some(runtime_ms),
        Some(Value::Text(text)) => parse_ms(text.as_bytes()).filter(|ms| {
            let distance = ms - runtime_ms;
            -settings.past_ms <= distance && distance <= settings.future_ms
        }),
        Some(_) => None,
    };
    match ms {
        Some(ms) => Ok(EventTime { ms, doubt: None }),
        None => event_time_of_line(timestamp, runtime_ms, settings, zone),
    }
}

/// Note what the entry adds to the metrics of violations and ids.
fn note_verdict(
    event: &Fields,
    shape: Shape,
    violations: &[Violation],
    policy: Policy,
    settings: &Settings,
    scratch: &mut Scratch,
) {
    let policies = &settings.verdicts.policies;
    let kinds = violations.iter().map(|violation| violation.kind);
    let counted = kinds.filter(|&kind| policies[kind as usize] != Policy::Allow);
    scratch.violations.clear();
    scratch.violations.extend(counted);
    scratch.is_structured = shape == Shape::Structured;
    scratch.has_id = get(event, "correlation_id").is_some();
    scratch.needs_id = violations.iter().any(|violation| {
        matches!(
            violation.kind,
            Kind::CorrelationIdMissing | Kind::CorrelationIdInvalid
        )
    });
    scratch.policy = policy;
}

/// True for one of the two entries in which some loggers record one request, which `request_pairs` matches in Python: with
/// a status alone, or, if it `begins` a request for a later entry to answer, with method and path alone.
fn is_half_of_request(event: &Fields, shape: Shape, text: &str, begins: bool) -> bool {
    if shape == Shape::Text && may_say_completed(text) {
        return true;
    }
    let has = |name: &str| get(event, name).is_some();
    let asks = has("method") && has("path");
    let answers = has("status_code");
    shape != Shape::Access
        && has("correlation_id")
        && ((answers && !asks) || (begins && asks && !answers))
}

/// True for a text that may be Rails's `Completed 200 OK in 12ms`.
fn may_say_completed(text: &str) -> bool {
    let mut places = text.match_indices("Completed ");
    places.any(|(at, word)| {
        text.as_bytes()
            .get(at + word.len())
            .is_some_and(u8::is_ascii_digit)
    })
}

// --- groups for the counter rules -----------------------------------------------------------------

/// Build the key of an event's group from everything that counter rules read.
fn group(
    event: &Fields,
    line: &EntryLine,
    settings: &Settings,
    salt: u8,
    key: &mut Vec<u8>,
) -> Result<(), Declined> {
    key.clear();
    key.extend([salt, line.envelope.stream as u8]);
    let extra = get(event, "extra").and_then(Value::as_object);
    for rule_field in &settings.rule_fields {
        let name = std::str::from_utf8(&rule_field.name).map_err(|_| Declined::Rules)?;
        let value = rule_value(event, extra, name);
        push_value(rule_field, value, key).ok_or(Declined::Rules)?;
    }
    if let Some(marks) = unnamed_request(event, extra, settings) {
        key.push(marks);
    }
    Ok(())
}

/// Return the value that a rule reads under a name; the twin of `conditions.field_reader`.
fn rule_value<'b, 'a>(
    event: &'b Fields<'a>,
    extra: Option<&'b Fields<'a>>,
    name: &str,
) -> Option<&'b Value<'a>> {
    if let Some(value) = get(event, name) {
        return Some(value);
    }
    if matches!(name, "event" | "method") {
        return None;
    }
    let value = extra.and_then(|extra| get(extra, name));
    if value.is_some_and(|value| !value.is_null()) || !name.contains('.') {
        return value;
    }
    let nested = |holder: &'b Fields<'a>| {
        let mut parts = name.split('.');
        let mut value = get(holder, parts.next()?)?;
        for part in parts {
            value = get(value.as_object()?, part)?;
        }
        Some(value)
    };
    nested(event)
        .filter(|value| !value.is_null())
        .or_else(|| nested(extra?))
        .or(value)
}

/// Return, for a request without a name, what `request_record` knows it by; None for other events.
fn unnamed_request(event: &Fields, extra: Option<&Fields>, settings: &Settings) -> Option<u8> {
    let text = |name: &str| get(event, name).and_then(Value::as_text);
    if text("event").is_some_and(|name| !name.is_empty()) || text("method").is_none() {
        return None;
    }
    let marks = &settings.request_marks;
    let has = |names: &std::collections::HashSet<String>| {
        let within = |fields: &Fields| fields.iter().any(|(name, _)| names.contains(name.as_ref()));
        within(event) || extra.is_some_and(within)
    };
    let says = text("message").is_some_and(|message| {
        let bare = strip(message);
        !marks.remarks.iter().any(|remark| remark == bare)
    });
    let has_logger = text("logger").is_some_and(|logger| !logger.is_empty());
    Some(
        16 | u8::from(has(&marks.application_keys))
            | u8::from(has(&marks.proxy_keys)) << 1
            | u8::from(says) << 2
            | u8::from(has_logger) << 3,
    )
}
