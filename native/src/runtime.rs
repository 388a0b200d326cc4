//! The runtimes' envelopes, in the form of nearly all of their lines.

/// The format of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runtime {
    /// Docker's json-file driver: `{"log":"…\n","stream":"…","time":"…"}`
    JsonFile,
    /// The CRI logging format: `TIME STREAM F …`
    Cri,
}

/// The streams of a log, in the order of `Log::tails`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// The name of the stream and the tag of a whole message, as a record's canonical form has them after its time.
    pub fn tag(self) -> &'static [u8] {
        match self {
            Stream::Stdout => b" stdout F ",
            Stream::Stderr => b" stderr F ",
        }
    }
}

/// The byte ranges of a whole message's parts in its line.
pub struct RuntimeLine {
    pub stream: Stream,
    pub time: (usize, usize),
    /// The message, not empty, without its newline.
    pub text: (usize, usize),
    pub quote: &'static [u8],
}

const LOG: &[u8] = b"{\"log\":\"";
const STREAM: &[u8] = b"\\n\",\"stream\":\"std";
const TIME: &[u8] = b"\",\"time\":\"";
const END: &[u8] = b"\"}";
/// Bytes between `std` and the time; both stream names have the same length.
const BEHIND_STREAM: usize = 3 + TIME.len();
const LONGEST_TIME: usize = 30;

/// Parse the envelope of a line; None for any other form.
pub fn parse(runtime: Runtime, line: &[u8]) -> Option<RuntimeLine> {
    match runtime {
        Runtime::JsonFile => parse_json_file(line),
        Runtime::Cri => parse_cri(line),
    }
}

fn stream_of(name: &[u8]) -> Option<Stream> {
    match name {
        b"out" => Some(Stream::Stdout),
        b"err" => Some(Stream::Stderr),
        _ => None,
    }
}

/// Parses from the end: the text after the message cannot be part of it, since quotes inside are escaped.
fn parse_json_file(line: &[u8]) -> Option<RuntimeLine> {
    let end = line.strip_suffix(END)?.len();
    let behind = STREAM.len() + BEHIND_STREAM;
    if !line.starts_with(LOG) || end < LOG.len() + 1 + behind {
        return None;
    }
    let start = end.saturating_sub(LONGEST_TIME + 1);
    let time = start + memchr::memrchr(b'"', &line[start..end])? + 1;
    let text = time.checked_sub(behind)?;
    let stream = text + STREAM.len();
    if text <= LOG.len() || !line[text..].starts_with(STREAM) || line[stream + 3..time] != *TIME {
        return None;
    }
    let stream = stream_of(&line[stream..stream + 3])?;
    Some(RuntimeLine {
        stream,
        time: (time, end),
        text: (LOG.len(), text),
        quote: b"\\\"",
    })
}

fn parse_cri(line: &[u8]) -> Option<RuntimeLine> {
    let time = memchr::memchr(b' ', &line[..line.len().min(LONGEST_TIME + 1)])?;
    let rest = line[time..].strip_prefix(b" std")?;
    let stream = stream_of(rest.get(..3)?)?;
    let text = rest[3..].strip_prefix(b" F ")?;
    if text.is_empty() {
        return None;
    }
    Some(RuntimeLine {
        stream,
        time: (0, time),
        text: (line.len() - text.len(), line.len()),
        quote: b"\"",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(runtime: Runtime, line: &str) -> Option<(Stream, &str, &str)> {
        let runtime_line = parse(runtime, line.as_bytes())?;
        Some((
            runtime_line.stream,
            &line[runtime_line.time.0..runtime_line.time.1],
            &line[runtime_line.text.0..runtime_line.text.1],
        ))
    }

    #[test]
    fn a_json_file_line_is_parsed() {
        let line = r#"{"log":"say \"hi\"\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}"#;
        let expected = (Stream::Stderr, "2026-11-23T10:00:00.5Z", r#"say \"hi\""#);
        assert_eq!(parts(Runtime::JsonFile, line), Some(expected));
    }

    #[test]
    fn an_end_inside_the_message_is_part_of_it() {
        let line = r#"{"log":"\\n\",\"stream\":\"stdout\n","stream":"stdout","time":"2026-11-23T10:00:00.5Z"}"#;
        assert_eq!(
            parts(Runtime::JsonFile, line).map(|parts| parts.2),
            Some(r#"\\n\",\"stream\":\"stdout"#)
        );
    }

    #[test]
    fn another_form_of_a_json_file_line_is_declined() {
        for line in [
            "",
            "{}",
            r#"{"log":"\n","stream":"stdout","time":"2026-11-23T10:00:00.5Z"}"#,
            r#"{"log":"part","stream":"stdout","time":"2026-11-23T10:00:00.5Z"}"#,
            r#"{"log":"a\n","stream":"stdin","time":"2026-11-23T10:00:00.5Z"}"#,
            r#"{"log":"a\n","stream":"stdout","attrs":{"a":"b"},"time":"2026-11-23T10:00:00.5Z"}"#,
            r#"{"log":"a\n","stream":"stdout","time":"2026-11-23T10:00:00.5Z","more":1}"#,
            r#"{"stream":"stdout","log":"a\n","time":"2026-11-23T10:00:00.5Z"}"#,
        ] {
            assert_eq!(parts(Runtime::JsonFile, line), None, "{line}");
        }
    }

    #[test]
    fn a_whole_cri_line_is_parsed() {
        let expected = (Stream::Stdout, "2026-11-23T10:00:00.5Z", "a b");
        assert_eq!(
            parts(Runtime::Cri, "2026-11-23T10:00:00.5Z stdout F a b"),
            Some(expected)
        );
        for line in [
            "",
            "2026-11-23T10:00:00.5Z stdout P a",
            "2026-11-23T10:00:00.5Z stdout F ",
            "x stdin F a",
            "x stdout",
        ] {
            assert_eq!(parts(Runtime::Cri, line), None, "{line}");
        }
    }
}
