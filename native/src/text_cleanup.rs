//! Cleans the text of an entry; the twin of `text_cleanup.py`.

use std::borrow::Cow;

use crate::pattern::{Pattern, Scratch};
use crate::python_text::strip;
use crate::text_heads::Reader;

const AROUND: [char; 3] = ['\0', '\r', '\u{feff}'];
const MOST_SEGMENTS: usize = 10_000;

/// Return a text without the matches of an expression.
pub fn without<'x>(pattern: &Pattern, text: &'x str, scratch: &mut Scratch) -> Cow<'x, str> {
    let mut kept = String::new();
    let mut at = 0;
    while let Some(range) = pattern.search(text, at, scratch) {
        if range.is_empty() {
            break;
        }
        kept.push_str(&text[at..range.start]);
        at = range.end;
    }
    if at == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[at..]);
    Cow::Owned(kept)
}

/// True if `clean` returns the text unchanged, decided quickly; false in doubt.
pub fn is_clean(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr2(0x1b, b'\r', bytes).is_none()
        && !text.starts_with(AROUND)
        && !text.ends_with(AROUND)
}

/// Return a text without terminal sequences, and without what `AROUND` names at its beginning and end. Of a progress
/// bar that was redrawn after carriage returns, the last state is returned.
pub fn clean<'x>(reader: &mut Reader, text: &'x str) -> Cow<'x, str> {
    if is_clean(text) {
        return Cow::Borrowed(text);
    }
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(cleaned(reader, text));
    }
    match without(
        &reader.texts.expressions.terminal,
        text,
        &mut reader.scratch,
    ) {
        Cow::Borrowed(bare) => Cow::Borrowed(cleaned(reader, bare)),
        Cow::Owned(bare) => Cow::Owned(cleaned(reader, &bare).to_string()),
    }
}

fn cleaned<'x>(reader: &mut Reader, text: &'x str) -> &'x str {
    let text = text.trim_matches(AROUND);
    if text.contains('\r') && text.contains('%') {
        return last_progress(reader, text);
    }
    text
}

/// Return the last segment if all segments are states of one progress bar, else the text unchanged.
fn last_progress<'x>(reader: &mut Reader, text: &'x str) -> &'x str {
    if text.contains('\n') || text.matches('\r').count() > MOST_SEGMENTS {
        return text;
    }
    let segments = || {
        text.split('\r')
            .filter(|segment| !strip(segment).is_empty())
    };
    let progress = &reader.texts.expressions.progress;
    if segments()
        .take(MOST_SEGMENTS)
        .all(|segment| progress.full_match(segment, 0, &mut reader.scratch))
    {
        segments().next_back().unwrap_or(text)
    } else {
        text
    }
}
