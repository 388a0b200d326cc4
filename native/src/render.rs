//! Documents for the main index and for the quarantine, as `shipper_processors.render` writes them.

use std::borrow::Cow;

use crate::block::{Block, Column};
use crate::python_text::length;
use crate::settings::Settings;
use crate::value::{Fields, Value, get, write, write_content, write_text};
use crate::violation::Violation;

/// Most strings of `extra` that full-text search covers, and their longest length in characters.
const MOST_EXTRA: usize = 256;
const LONGEST_KEYWORD: usize = 8191;
/// Fields of a rejected event that are kept as search keys.
const KEYS: [(&str, Column); 4] = [
    ("level", Column::Level),
    ("event", Column::Event),
    ("correlation_id", Column::CorrelationId),
    ("trace_id", Column::TraceId),
];
const RARELY_SEARCHED: [&str; 4] = ["error_type", "error_message", "exception", "event"];

/// Write an event, up to its provenance.
pub fn write_event(
    event: &Fields,
    errors: &[Violation],
    stamp: &[u8],
    settings: &Settings,
    block: &mut Block,
) {
    write_stamp(stamp, block);
    for (name, value) in event {
        block.write(b",\"");
        write_content(name, &mut block.bytes);
        block.write(b"\":");
        let known = settings.place_of(name.as_bytes());
        let column = known.and_then(|place| settings.known[place].column);
        match (value, column) {
            (Value::Text(text), Some(column)) => write_column(text, column, block),
            _ => {
                let begin = block.bytes.len();
                write(value, &mut block.bytes);
                if name == "extra" {
                    block.mark(begin, Column::Extra);
                }
            }
        }
    }
    if !errors.is_empty() {
        block.write(b",\"schema\":{\"errors\":");
        write_notes(errors, &mut block.bytes);
        block.write(b"}");
    }
}

/// A rejected entry.
pub struct Rejected<'a> {
    /// Its event, masked.
    pub event: &'a Fields<'a>,
    /// The text of a structured event that full-text search covers.
    pub text: Option<String>,
    pub reasons: &'a [Violation],
    /// Its text as logged, masked.
    pub raw: &'a str,
    /// Day of the event.
    pub day: &'a str,
    /// The runtime's time.
    pub time: &'a str,
}

/// Write a quarantine entry, up to its provenance.
pub fn write_rejected(rejected: &Rejected, stamp: &[u8], settings: &Settings, block: &mut Block) {
    write_stamp(stamp, block);
    for (name, column) in KEYS {
        if let Some(Value::Text(text)) = get(rejected.event, name) {
            block.write(b",\"");
            block.write(name.as_bytes());
            block.write(b"\":");
            write_column(text, column, block);
        }
    }
    if let Some(text) = &rejected.text {
        block.write(b",\"text\":");
        write_column(text, Column::Message, block);
    }
    block.write(b",\"reasons\":");
    write_notes(rejected.reasons, &mut block.bytes);
    block.write(b",\"raw\":");
    if rejected.text.is_none() {
        write_column(rejected.raw, Column::Message, block);
    } else {
        write_text(rejected.raw, &mut block.bytes);
    }
    block.write(b",\"index\":");
    let index = format!("{}-{}", settings.verdicts.index_prefix, rejected.day);
    write_text(&index, &mut block.bytes);
    block.write(b",\"time\":");
    write_text(rejected.time, &mut block.bytes);
}

fn write_stamp(stamp: &[u8], block: &mut Block) {
    block.write(b"{\"@timestamp\":\"");
    block.write(stamp);
    block.write(b"\"");
}

fn write_column(text: &str, column: Column, block: &mut Block) {
    block.write(b"\"");
    let begin = block.bytes.len();
    write_content(text, &mut block.bytes);
    block.mark(begin, column);
    block.write(b"\"");
}

fn write_notes(violations: &[Violation], into: &mut Vec<u8>) {
    into.push(b'[');
    for (place, violation) in violations.iter().enumerate() {
        if place > 0 {
            into.push(b',');
        }
        into.extend_from_slice(b"{\"kind\":");
        write_text(violation.kind.name(), into);
        into.extend_from_slice(b",\"detail\":");
        write_text(&violation.detail, into);
        if let Some(field) = &violation.field {
            into.extend_from_slice(b",\"field\":");
            write_text(field, into);
        }
        into.push(b'}');
    }
    into.push(b']');
}

/// Return the text of an event that full-text search covers; None if it has none.
pub fn searched_text(event: &Fields) -> Option<String> {
    let mut parts: Vec<Cow<str>> = Vec::new();
    for name in ["message", "path"].iter().chain(&RARELY_SEARCHED) {
        if let Some(Value::Text(text)) = get(event, name) {
            parts.push(Cow::Borrowed(text));
        }
    }
    if let Some(extra) = get(event, "extra") {
        let mut texts = Vec::new();
        extra_texts(extra, &mut texts);
        parts.extend(texts.into_iter().map(Cow::Borrowed));
    }
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// Collect the strings in `extra` that full-text search covers, in the order in which they were logged.
fn extra_texts<'b>(value: &'b Value, texts: &mut Vec<&'b str>) {
    if texts.len() >= MOST_EXTRA {
        return;
    }
    match value {
        Value::Text(text) if !text.is_empty() && length(text) <= LONGEST_KEYWORD => {
            texts.push(text);
        }
        Value::List(items) => items.iter().for_each(|item| extra_texts(item, texts)),
        Value::Object(fields) => {
            fields.iter().for_each(|(_, item)| extra_texts(item, texts));
        }
        _ => {}
    }
}

/// Return `YYYY-MM-DDTHH:MM:SS.fffZ` of milliseconds since the epoch, within the calendar.
pub fn stamp_of(ms: i64) -> [u8; 24] {
    const LATEST_MS: i64 = 253_402_300_799_999;
    let ms = ms.clamp(0, LATEST_MS);
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    // civil from days, with years that begin in March
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    let mut stamp = *b"0000-00-00T00:00:00.000Z";
    let mut put = |end: usize, mut number: i64| {
        let mut at = end;
        while number > 0 {
            at -= 1;
            stamp[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(4, year);
    put(7, month);
    put(10, day);
    put(13, rest / 3_600_000);
    put(16, rest / 60_000 % 60);
    put(19, rest / 1000 % 60);
    put(23, rest % 1000);
    stamp
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::parse_ms;
    use crate::value::read_object;

    #[test]
    fn a_stamp_is_read_back() {
        for day in (0..2_932_896).step_by(97).chain([2_932_896]) {
            let ms = day * 86_400_000 + (day * 7_919_993) % 86_400_000;
            assert_eq!(parse_ms(&stamp_of(ms)), Some(ms));
        }
        assert_eq!(&stamp_of(951_782_400_500), b"2000-02-29T00:00:00.500Z");
        assert_eq!(&stamp_of(-5), b"1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn search_covers_texts_and_the_strings_of_extra() {
        let event = r#"{"event":"e","message":"m","status_code":200,"extra":{"a":["x",{"b":"y"}],"c":"","d":1}}"#;
        let text = searched_text(&read_object(event).unwrap());
        assert_eq!(text.as_deref(), Some("m\ne\nx\ny"));
        assert_eq!(searched_text(&read_object("{}").unwrap()), None);
    }
}
