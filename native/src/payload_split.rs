//! Lines that hold several JSON documents; a part of the twin of `payload_split.py`.

use crate::lenient_json::OUTSIDE;
use crate::text_cleanup::without;
use crate::text_heads::Reader;

const MOST_ELEMENTS: usize = 100_000;

/// False if a text that does not begin with `{` is one entry; true if it may hold documents to split.
pub fn may_hold_several(reader: &mut Reader, text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let is_around = OUTSIDE.contains(&first) || first == '\u{1b}';
    if !(is_around || first == '[') || memchr::memchr(b'{', text.as_bytes()).is_none() {
        return false;
    }
    let expressions = &reader.texts.expressions;
    let scratch = &mut reader.scratch;
    if !is_around && expressions.array.match_at(text, 0, scratch).is_none() {
        return false;
    }
    let uncoloured = without(&expressions.colour, text, scratch);
    let bare = uncoloured.trim_matches(OUTSIDE);
    if bare.starts_with('[') {
        return begins_with_elements(reader, bare);
    }
    expressions
        .json_object
        .match_at(bare, 0, &mut reader.scratch)
        .is_some()
}

/// True if a line is an array that may have objects, and not a text that begins with brackets.
fn begins_with_elements(reader: &mut Reader, text: &str) -> bool {
    let between = |sign: char| OUTSIDE.contains(&sign) || sign == '[' || sign == ']';
    let expressions = &reader.texts.expressions;
    let mut at = 0;
    for _ in 0..MOST_ELEMENTS {
        let rest = text[at..].trim_start_matches(between);
        at = text.len() - rest.len();
        if rest.is_empty() {
            return false;
        }
        if rest.starts_with('{') {
            return true;
        }
        let scalar = expressions.scalar.match_at(text, at, &mut reader.scratch);
        let Some(end) = scalar else { return false };
        at = end;
        let comma = expressions.comma.match_at(text, at, &mut reader.scratch);
        if comma.is_none() {
            return false; // `[12] {...}` is a text with a number in brackets
        }
    }
    true
}
