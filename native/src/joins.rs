//! Which text is complete when the next line of its stream is known; a part of the twin of `stack_traces/` and `texts.py`.
//!
//! A text of one line may be the first of a stack trace, a statement or an object. The grammars of Python decide that.
//! Here is only what follows from any of them: a line that no grammar lets begin such a text, and a line that no grammar
//! lets continue one. In doubt the answer is no, and the lines take the Python path.

use crate::python_text::is_space;

/// Characters before the first of a record; see `heads.AROUND`.
const AROUND: [char; 4] = [' ', '\t', '\u{feff}', '\0'];
/// Last characters of a line of an object that continues.
const CONTINUED: [char; 4] = ['{', '[', ',', ':'];
const TRACEBACK: &str = "Traceback (most recent call last)";
/// Beginnings of lines that may begin a trace.
const FIRST: [&str; 13] = [
    "> File \"",
    "Exception in thread \"",
    "Unhandled exception. ",
    "Unhandled Exception: ",
    "file://",
    "node:",
    "/",
    "panic: ",
    "fatal error: ",
    "runtime: ",
    "goroutine ",
    "thread '",
    "** (",
];
/// Texts anywhere in a line that may begin a trace, or that decides what may follow it.
const WITHIN: [&str; 7] = [
    TRACEBACK,
    "panic recovered:",
    "PHP ",
    "Fatal error",
    ":in ",
    "tack trace",
    "Uncaught ",
];
/// Beginnings of lines that may continue a text of one line.
const FOLLOWING: [&str; 20] = [
    "> File \"",
    "future: <",
    "! ",
    "[cause]: ",
    "[errors]: ",
    "Node.js v",
    "Emitted '",
    "Thrown at:",
    "Bun v",
    "(Use `node --trace",
    "Caused by:",
    "Uncaught ",
    "Exception in thread \"",
    "Unhandled ",
    "goroutine ",
    "[signal ",
    "PHP",
    "[stacktrace]",
    "[previous exception]",
    "** ",
];
/// Endings of the names of exceptions.
const ERRORS: [&str; 10] = [
    "Exception",
    "Error",
    "Throwable",
    "Failure",
    "Fault",
    "Timeout",
    "Abort",
    "Interrupt",
    "Death",
    "Panic",
];
/// Words of a line after which a process's report may follow; see `beam.ENDED`.
const ENDED: [&str; 4] = ["terminating", "terminated", "crashed", "exited"];
/// First words of the lines of SQL statements.
const CLAUSES: [&str; 32] = [
    "FROM",
    "WHERE",
    "LEFT",
    "RIGHT",
    "INNER",
    "OUTER",
    "FULL",
    "CROSS",
    "JOIN",
    "ORDER",
    "GROUP",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "VALUES",
    "SET",
    "RETURNING",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "ON",
    "AND",
    "OR",
    "FOR",
    "WINDOW",
    "AS",
    "USING",
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
];
const MORE_CLAUSES: [&str; 5] = ["CREATE", "ALTER", "DROP", "MERGE", "WITH"];

/// True for a text that nothing follows: a blank one, and one that begins with `{` and is whole.
pub fn is_never_continued(text: &str) -> bool {
    let bare = text.trim_start_matches(AROUND);
    bare.is_empty()
        || (bare.starts_with('{') && !bare.trim_end_matches(is_space).ends_with(CONTINUED))
}

/// True if a text, which may be continued, certainly begins no trace, statement or object of several lines.
pub fn is_plain_head(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let bytes = text.as_bytes();
    if is_space(first) || AROUND.contains(&first) || first.is_numeric() && !first.is_ascii() {
        return false;
    }
    if FIRST.iter().any(|begin| text.starts_with(begin))
        || WITHIN.iter().any(|part| text.contains(part))
        || matches!(first, '{' | '=')
    {
        return false;
    }
    match first {
        'S' if text.starts_with("SIG") => return false,
        '[' if text.trim_end_matches(AROUND).ends_with(CONTINUED) => return false,
        'a'..='z' | '_' | '$' if is_qualified(text) => return false,
        'A'..='Z' if bytes.get(1..3) == Some(b":\\") => return false,
        // the date of java.util.logging: `Nov 30, 2026`, `30/11/2026`
        'A'..='Z' if bytes.get(3) == Some(&b' ') => {
            let day = &bytes[4..bytes.len().min(14)];
            return !day.contains(&b',');
        }
        '0'..='9' => {
            let is_separator = |place: usize| matches!(bytes.get(place), Some(b'.' | b'/' | b'-'));
            let digit = bytes.get(1).is_some_and(u8::is_ascii_digit);
            let of_date = is_separator(1) || (digit && is_separator(2));
            let words = text.split(is_space).filter(|word| !word.is_empty());
            if of_date && words.count() == 4 {
                return false;
            }
        }
        _ => {}
    }
    // digits of other scripts are digits in Python
    !(digits_of_others(text, 16) && (first.is_ascii_digit() || first.is_ascii_uppercase()))
}

/// True if one of the first characters is a digit that is not of ASCII.
fn digits_of_others(text: &str, most: usize) -> bool {
    !text.is_ascii()
        && text
            .chars()
            .take(most)
            .any(|character| !character.is_ascii() && character.is_numeric())
}

/// True if a line may be the qualified name of an exception: what stands before its first colon has a point.
fn is_qualified(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or(text);
    name.contains('.') && !name.contains(' ')
}

/// True if a text of one line is certainly an entry of its own when `line` follows it.
pub fn is_ended(head: &str, line: &str) -> bool {
    is_plain_head(head) && ends(head, line)
}

/// True if a line certainly does not continue a text of one line, `head`, that `is_plain_head`.
pub fn ends(head: &str, line: &str) -> bool {
    let Some(first) = line.chars().next() else {
        return false;
    };
    if first == '{' {
        return true;
    }
    if is_space(first) || AROUND.contains(&first) || line.chars().all(is_space) {
        return false;
    }
    let folds = !line.is_ascii() && line.contains(['\u{17f}', '\u{212a}', '\u{130}', '\u{131}']);
    if folds
        || FOLLOWING.iter().any(|begin| line.starts_with(begin))
        || line.contains(TRACEBACK)
        || line.contains(":in ")
        || begins_like(line, "stack")
        || begins_like(line, "backtrace")
        || begins_like(line, "php ")
    {
        return false;
    }
    if !line.contains(' ') && line.contains('.') {
        return false;
    }
    let end = line.find([':', ' ']).unwrap_or(line.len());
    let word = line[..end].split('`').next().unwrap_or("");
    if ERRORS.iter().any(|ending| word.ends_with(ending)) {
        return false;
    }
    let uppercase = line.len()
        - line
            .trim_start_matches(|sign: char| sign.is_ascii_uppercase())
            .len();
    let keyword = &line[..uppercase];
    if CLAUSES.contains(&keyword) || MORE_CLAUSES.contains(&keyword) {
        return false;
    }
    !(first.is_uppercase() && ENDED.iter().any(|word| head.contains(word)))
}

fn begins_like(line: &str, begin: &str) -> bool {
    line.get(..begin.len())
        .is_some_and(|part| part.eq_ignore_ascii_case(begin))
}
