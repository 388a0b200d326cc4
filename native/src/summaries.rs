//! The exception that a text of several lines reports: its type and message.
//!
//! The twin of `stack_traces.summaries` for Python's tracebacks, and for texts that are no trace at all; traces of other
//! languages are read by the expressions of `stack_traces.rs`.

use crate::general::Declined;
use crate::python_text::{first_characters, is_blank, length};
use crate::settings::Settings;
use crate::stack_traces::summary_of;

const TRACEBACK: &str = "Traceback (most recent call last)";
const MOST_AT_AN_END: usize = 2000;
const LONGEST_TYPE: usize = 201;
const LONGEST_MESSAGE: usize = 8192;

/// Type and message of an exception, as far as its trace names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub kind: Option<String>,
    pub message: Option<String>,
}

/// Return the exception in a joined text; None if it is no trace.
pub fn summary(text: &str, settings: &Settings) -> Result<Option<Summary>, Declined> {
    match quick_summary(text) {
        Err(Declined::Trace | Declined::Encoding) => summary_of(text, settings),
        found => found,
    }
}

/// Return the exception of a traceback of Python, without expressions. Declines a trace of another language.
fn quick_summary(text: &str) -> Result<Option<Summary>, Declined> {
    if text.contains("\n! ") {
        return Err(Declined::Trace);
    }
    let lines: Vec<&str> = text.split('\n').collect();
    if text.contains(TRACEBACK) {
        return of_python(&bounded(lines));
    }
    if may_be_trace(&bounded(lines)) {
        return Err(Declined::Trace);
    }
    Ok(None)
}

/// Return the lines at the beginning and at the end that are searched.
fn bounded(lines: Vec<&str>) -> Vec<&str> {
    if lines.len() <= 2 * MOST_AT_AN_END {
        return lines;
    }
    [
        &lines[..MOST_AT_AN_END],
        &lines[lines.len() - MOST_AT_AN_END..],
    ]
    .concat()
}

/// Return the last exception in the outermost column, which was finally reported.
fn of_python(lines: &[&str]) -> Result<Option<Summary>, Declined> {
    let mut after_frames = false;
    let mut last = None;
    let mut grouped = None;
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
            && let Some(error) = exception(line)?
        {
            last = Some(error);
            after_frames = false;
            continue;
        }
        if grouped.is_none() && is_grouped {
            let bare = line.trim_start_matches([' ', '|']);
            if !bare.starts_with("File ") && !bare.starts_with("Traceback") && bare.contains(':') {
                grouped = exception(bare)?.filter(|error| error.message.is_some());
            }
        }
    }
    Ok(last.or(grouped))
}

/// Read `Type`, `Type:` or `Type: message`.
fn exception(line: &str) -> Result<Option<Summary>, Declined> {
    let kind = line.split(':').next().unwrap_or(line);
    if !kind.is_ascii() {
        return Err(Declined::Encoding); // Python's tables decide on letters
    }
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    let is_kind = kind.len() <= LONGEST_TYPE
        && kind
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && kind.bytes().all(is_sign);
    if !is_kind {
        return Ok(None);
    }
    let message = match &line[kind.len()..] {
        "" | ":" => None,
        rest => match rest.strip_prefix(": ") {
            Some(message) if first_characters(message, LONGEST_MESSAGE).len() == message.len() => {
                Some(message)
            }
            _ => return Ok(None),
        },
    };
    debug_assert!(length(kind) > 0);
    Ok(Some(Summary {
        kind: Some(kind.to_owned()),
        message: message
            .filter(|message| !message.is_empty())
            .map(str::to_owned),
    }))
}

/// True in doubt: a cheap test of all that marks a trace of another language.
fn may_be_trace(lines: &[&str]) -> bool {
    let first = lines[0];
    let begins = [
        "thread '",
        "runtime: ",
        "panic: ",
        "fatal error: ",
        "goroutine ",
        "SIG",
        "terminate called after throwing",
        "=",
    ];
    if begins.iter().any(|begin| first.starts_with(begin))
        || first.contains("panic recovered:")
        || first.contains("File \"")
    {
        return true;
    }
    lines.iter().enumerate().any(|(place, line)| {
        let bare = line.trim_start_matches(is_blank);
        let is_indented = bare.len() < line.len();
        line.contains(":in ")
            || bare.starts_with("** ")
            || line.starts_with("goroutine ")
            || line.starts_with("[signal ")
            || (place > 0
                && (bare.starts_with("at ")
                    || line.starts_with("#0 ")
                    || line.contains(" called at ")
                    || (is_indented && has_number_after_colon(bare))
                    || begins_php_trace(line)))
    })
}

fn has_number_after_colon(line: &str) -> bool {
    line.as_bytes()
        .windows(2)
        .any(|pair| pair[0] == b':' && pair[1].is_ascii_digit())
}

fn begins_php_trace(line: &str) -> bool {
    let beginning = first_characters(line, 24).to_lowercase();
    let beginning = beginning.strip_prefix("php ").unwrap_or(&beginning);
    [
        "stack",
        "[stacktrace]",
        "backtrace:",
        "[previous exception]",
    ]
    .iter()
    .any(|begin| beginning.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: &str, message: Option<&str>) -> Option<Summary> {
        Some(Summary {
            kind: Some(kind.to_owned()),
            message: message.map(str::to_owned),
        })
    }

    #[test]
    fn a_traceback_names_the_last_exception() {
        let text = "Traceback (most recent call last):\n  File \"a\", line 1, in f\n    g()\nKeyError: 'x'\n\nDuring \
                    handling:\n\nTraceback (most recent call last):\n  File \"b\", line 2\na.B: no: never";
        assert_eq!(quick_summary(text), Ok(error("a.B", Some("no: never"))));
        let text = "Traceback (most recent call last):\n  File \"a\", line 1\nKeyboardInterrupt";
        assert_eq!(quick_summary(text), Ok(error("KeyboardInterrupt", None)));
    }

    #[test]
    fn texts_of_several_lines_are_no_traces() {
        assert_eq!(quick_summary("SELECT 1\nFROM t\n  WHERE a"), Ok(None));
        for text in [
            "E: x\n\tat a.B.c(D.java:1)",
            "panic: x\n\ngoroutine 1 [running]:",
            "a\n#0 /x.php(1)",
            "x\n  from a.rb:1:in `b'",
        ] {
            assert_eq!(quick_summary(text), Err(Declined::Trace), "{text}");
        }
    }
}
