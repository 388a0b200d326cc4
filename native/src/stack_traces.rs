//! The exception that a text of several lines reports, and the beginnings of records; the twin of
//! `stack_traces/summaries.py` and `stack_traces/heads.py`.

use crate::general::Declined;
use crate::pattern::Pattern;
use crate::payload::with_reader;
use crate::python_text::{first_characters, is_space, strip};
use crate::settings::Settings;
use crate::text_cleanup::without;
use crate::text_heads::Reader;
use crate::value::{Fields, Value};

const AROUND: [char; 4] = [' ', '\t', '\u{feff}', '\0'];
/// Characters of a line in which a time or a level is looked for.
const HEAD: usize = 400;
const LONGEST_HEAD: usize = 4400;
const MOST_AT_AN_END: usize = 2000;
const MOST_LINES: usize = 200;
const TERMINATED: &str = "terminate called after throwing an instance of ";
const MARKED: &str = "! ";

/// Type and message of an exception, as far as its trace names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub kind: Option<String>,
    pub message: Option<String>,
}

impl Summary {
    fn typed(kind: &str, message: &str) -> Summary {
        Summary {
            kind: Some(kind.to_string()),
            message: (!message.is_empty()).then(|| message.to_string()),
        }
    }

    fn into_fields(self) -> Fields<'static> {
        let known = [("error_type", self.kind), ("error_message", self.message)];
        known
            .into_iter()
            .filter_map(|(name, value)| Some((name.into(), Value::Text(value?.into()))))
            .collect()
    }
}

/// Return the exception in a joined text; None if it is no trace.
pub fn summary_of(text: &str, settings: &Settings) -> Result<Option<Summary>, Declined> {
    with_reader(settings, text.len(), |reader| Ok(found(reader, text)))
}

/// Return the exception in a joined text as fields; None if it is no trace.
pub fn summary(reader: &mut Reader, text: &str) -> Option<Fields<'static>> {
    let summary = reader.for_text(|reader| found(reader, text));
    summary.map(Summary::into_fields)
}

// --- beginnings of records ------------------------------------------------------------------------

/// True if a line begins, blanks apart, with a time, a level in a recognised place, or `{`.
pub fn begins_record(reader: &mut Reader, line: &str) -> bool {
    reader.for_text(|reader| begins(reader, line))
}

fn begins<'t>(reader: &mut Reader<'t>, line: &'t str) -> bool {
    let bare = line.trim_start_matches(AROUND);
    if bare.starts_with('{') {
        return true;
    }
    let near = first_characters(bare, HEAD);
    let expressions = &reader.texts.expressions;
    if reader.matches(&expressions.time_start, near) {
        return true;
    }
    let Some(head) = reader.head_of(near) else {
        return false;
    };
    head.time.is_some()
        || (head.level.is_some()
            && !(line.starts_with([' ', '\t']) && reader.matches(&expressions.property, bare)))
}

// --- summaries ------------------------------------------------------------------------------------

fn found(reader: &mut Reader, text: &str) -> Option<Summary> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.len() > 2 * MOST_AT_AN_END {
        lines.drain(MOST_AT_AN_END..lines.len() - MOST_AT_AN_END);
    }
    if !text.contains("\n! ") {
        return of_lines(reader, text, &lines);
    }
    let unmarked: Vec<String> = lines
        .iter()
        .map(|line| match line.strip_prefix("! at ") {
            Some(place) => format!("\tat {place}"),
            None => line.strip_prefix(MARKED).unwrap_or(line).to_string(),
        })
        .collect();
    let lines: Vec<&str> = unmarked.iter().map(String::as_str).collect();
    of_lines(reader, text, &lines)
}

fn of_lines(reader: &mut Reader, text: &str, lines: &[&str]) -> Option<Summary> {
    if text.contains("Traceback (most recent call last)") {
        return of_python(reader, lines);
    }
    of_rust(reader, lines)
        .or_else(|| of_go(reader, lines))
        .or_else(|| of_frames(reader, lines))
        .or_else(|| of_php(reader, lines))
        .or_else(|| of_ruby(reader, lines))
        .or_else(|| of_beam(reader, lines))
        .or_else(|| of_python_file(reader, lines))
        .or_else(|| of_perl(reader, lines))
        .or_else(|| of_cpp(lines))
}

/// Return type and message of a line that is an exception's name, with or without its message.
fn exception(reader: &mut Reader, pattern: &Pattern, line: &str) -> Option<Summary> {
    reader
        .matches_whole(pattern, line)
        .then(|| named(reader, pattern, line))
}

/// Return type and message of the last match.
fn named(reader: &Reader, pattern: &Pattern, line: &str) -> Summary {
    let part = |name| reader.named(pattern, line, name).unwrap_or("");
    Summary::typed(part("type"), part("message"))
}

/// Return the last exception in the outermost column, which was finally reported.
fn of_python(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let pattern = &reader.texts.expressions.python_exception;
    let mut after_frames = false;
    let (mut last, mut grouped) = (None, None);
    for line in lines {
        let is_grouped = line.starts_with("  | ");
        let is_indented = line.starts_with([' ', '\t']);
        if line.starts_with(['\u{2502}', '\u{2570}'])
            || (is_indented && !is_grouped && !line.starts_with("    | "))
        {
            after_frames = true;
            continue;
        }
        if after_frames
            && !line.is_empty()
            && !is_indented
            && let Some(exception) = exception(reader, pattern, line)
        {
            last = Some(exception);
            after_frames = false;
            continue;
        }
        let bare = line.trim_start_matches([' ', '|']);
        if grouped.is_none()
            && is_grouped
            && !bare.starts_with("File ")
            && !bare.starts_with("Traceback")
            && bare.contains(':')
        {
            grouped = exception(reader, pattern, bare).filter(|found| found.message.is_some());
        }
    }
    last.or(grouped)
}

fn of_python_file(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let file = &reader.texts.expressions.python_file;
    reader
        .matches(file, lines[0])
        .then(|| of_python(reader, lines))
        .flatten()
}

fn of_rust(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let start = &reader.texts.expressions.rust_start;
    let end = start.match_at(lines[0], 0, &mut reader.scratch)?;
    let message = if reader.named(start, lines[0], "quoted").is_some() {
        before_last(&lines[0][end..], "', ")
    } else {
        lines.get(1).copied().unwrap_or("")
    };
    Some(Summary::typed("panic", message))
}

fn before_last<'x>(text: &'x str, mark: &str) -> &'x str {
    text.rsplit_once(mark).map_or("", |(before, _)| before)
}

fn of_go(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let expressions = &reader.texts.expressions;
    let first = lines[0];
    if let Some(message) = first.strip_prefix("runtime: ") {
        return Some(Summary {
            kind: Some("runtime".into()),
            message: Some(message.into()),
        });
    }
    let has_goroutine = lines
        .iter()
        .any(|line| line.starts_with("goroutine ") || line.starts_with("[signal "));
    if has_goroutine || reader.matches(&expressions.go_start, first) {
        let crash = &expressions.go_crash;
        let line = lines
            .iter()
            .take(MOST_LINES)
            .find(|line| reader.matches(crash, line));
        return Some(line.map_or(Summary::default(), |line| named(reader, crash, line)));
    }
    if first.contains("panic recovered:") {
        let blank = lines.iter().position(|line| line.is_empty());
        let message = blank.and_then(|blank| {
            let mut rest = lines[blank..].iter();
            rest.find(|line| !strip(line).is_empty())
        });
        return Some(Summary::typed("panic", message.unwrap_or(&"")));
    }
    lines
        .windows(2)
        .any(|pair| {
            reader.matches_whole(&expressions.go_function, pair[0])
                && reader.matches_whole(&expressions.go_place, pair[1])
        })
        .then(Summary::default)
}

/// Return the first exception before the first frame of a trace whose frames begin with `at`.
fn of_frames(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let expressions = &reader.texts.expressions;
    let frame = lines
        .iter()
        .position(|line| reader.matches(&expressions.at_frame, line))?;
    let before = frame.checked_sub(1)?;
    for (place, line) in lines[..frame.min(MOST_LINES)].iter().enumerate() {
        let bare = without(&expressions.thrown, strip(line), &mut reader.scratch);
        let is_last = place == before || (line.len() <= 1 && *line == lines[before]);
        if (is_error(reader, &bare) || (is_last && !begins_record(reader, line)))
            && let Some(found) = exception(reader, &expressions.python_exception, &bare)
        {
            return Some(found);
        }
    }
    Some(inline(reader, lines[0]))
}

/// True if a line is the name of an exception, with or without its message.
pub fn is_error(reader: &mut Reader, line: &str) -> bool {
    let error = &reader.texts.expressions.at_error;
    if !line.starts_with(|first: char| first.is_ascii_alphabetic())
        || !reader.matches_whole(error, line)
    {
        return false;
    }
    let kind = reader.named(error, line, "type").unwrap_or("");
    let kind = kind.split('`').next().unwrap_or("");
    let endings = &reader.texts.names.error_endings;
    endings.iter().any(|ending| kind.ends_with(ending.as_str()))
}

fn of_php(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let expressions = &reader.texts.expressions;
    if !lines[1..]
        .iter()
        .any(|line| line.starts_with("#0 ") || reader.matches(&expressions.php_trace, line))
    {
        return None;
    }
    for (mark, before_place) in [("[object] (", " at "), ("Uncaught ", " in ")] {
        if let Some((_, rest)) = lines[0].split_once(mark)
            && reader.matches(&expressions.php_class, rest)
        {
            let part = |name| {
                reader
                    .named(&expressions.php_class, rest, name)
                    .unwrap_or("")
            };
            let message = match before_last(part("message"), before_place) {
                "" => part("message"),
                before => before,
            };
            return Some(Summary::typed(&part("type").replace("\\\\", "\\"), message));
        }
    }
    Some(inline(reader, lines[0]))
}

fn of_ruby(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let expressions = &reader.texts.expressions;
    let typed = &expressions.ruby_typed;
    if let Some(end) = expressions
        .ruby_raised
        .match_at(lines[0], 0, &mut reader.scratch)
        && reader.matches_whole(typed, &lines[0][end..])
    {
        let rest = &lines[0][end..];
        let part = |name| reader.named(typed, rest, name).unwrap_or("");
        return Some(Summary::typed(part("type"), strip(part("message"))));
    }
    if !lines[1..].iter().any(|line| {
        reader.matches(&expressions.ruby_from, line)
            || (line.contains(":in ") && reader.matches(&expressions.ruby_frame, line))
    }) {
        return None;
    }
    if !reader.matches_whole(typed, lines[0]) {
        return Some(Summary::default());
    }
    let kind = reader.named(typed, lines[0], "type").unwrap_or("");
    Some(Summary::typed(kind, ""))
}

fn of_beam(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let expressions = &reader.texts.expressions;
    for line in lines {
        if line.trim_start_matches(is_space).starts_with("** (")
            && let Some(found) = exception(reader, &expressions.beam_exception, line)
            && found.kind.as_deref() != Some("exit")
        {
            return Some(found);
        }
    }
    (reader.matches(&expressions.beam_report, lines[0])
        || lines[1..].iter().any(|line| line.starts_with("** ")))
    .then(Summary::default)
}

fn of_cpp(lines: &[&str]) -> Option<Summary> {
    let kind = lines[0].strip_prefix(TERMINATED)?;
    let what = lines.get(1)?.split_once("what():  ");
    let message = what.map_or("", |(_, message)| message);
    Some(Summary::typed(kind.trim_matches('\''), message))
}

fn of_perl(reader: &mut Reader, lines: &[&str]) -> Option<Summary> {
    let carp = &reader.texts.expressions.carp;
    lines[1..]
        .iter()
        .find(|line| reader.matches_whole(carp, line))?;
    let message = match before_last(lines[0], " at ") {
        "" => lines[0],
        message => message,
    };
    Some(Summary {
        kind: None,
        message: Some(message.to_string()),
    })
}

/// Return the exception that a logger's line ends with; empty if it names none.
fn inline(reader: &mut Reader, head: &str) -> Summary {
    let mut before = 0;
    for word in first_characters(head, LONGEST_HEAD).split(' ') {
        before += word.len() + 1;
        let name = word.rsplit('|').next().unwrap_or("");
        let name = name.trim_start_matches(['(', '[']).trim_end_matches(':');
        if (word.ends_with(':') || before > head.len()) && is_error(reader, name) {
            return Summary::typed(name, head.get(before..).unwrap_or(""));
        }
    }
    Summary::default()
}
