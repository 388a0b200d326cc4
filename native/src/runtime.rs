//! The runtimes' envelopes, in the one form in which nearly all of their lines come.

/// Who wrote the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runtime {
    /// Docker's json-file driver: `{"log":"…\n","stream":"…","time":"…"}`
    JsonFile,
    /// The CRI logging format: `TIME STREAM F …`
    Cri,
}

/// The streams of a log, in the order of its two tails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Where the parts of a whole message stand in its line.
pub struct Opened {
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
/// What the stream takes between `std` and the time, both names being as long.
const BEHIND_STREAM: usize = 3 + TIME.len();
const LONGEST_TIME: usize = 30;

/// Take the envelope off a line; None for any other form.
pub fn open(runtime: Runtime, line: &[u8]) -> Option<Opened> {
    match runtime {
        Runtime::JsonFile => open_json_file(line),
        Runtime::Cri => open_cri(line),
    }
}

fn stream_of(name: &[u8]) -> Option<Stream> {
    match name {
        b"out" => Some(Stream::Stdout),
        b"err" => Some(Stream::Stderr),
        _ => None,
    }
}

/// From its end: what stands behind the message cannot be part of it, since a quote inside of it is escaped.
fn open_json_file(line: &[u8]) -> Option<Opened> {
    let end = line.strip_suffix(END)?.len();
    let behind = STREAM.len() + BEHIND_STREAM;
    if !line.starts_with(LOG) || end < LOG.len() + 1 + behind {
        return None;
    }
    let reach = end.saturating_sub(LONGEST_TIME + 1);
    let time = reach + memchr::memrchr(b'"', &line[reach..end])? + 1;
    let text = time.checked_sub(behind)?;
    let stream = text + STREAM.len();
    if text <= LOG.len() || !line[text..].starts_with(STREAM) || line[stream + 3..time] != *TIME {
        return None;
    }
    let stream = stream_of(&line[stream..stream + 3])?;
    Some(Opened {
        stream,
        time: (time, end),
        text: (LOG.len(), text),
        quote: b"\\\"",
    })
}

fn open_cri(line: &[u8]) -> Option<Opened> {
    let time = memchr::memchr(b' ', &line[..line.len().min(LONGEST_TIME + 1)])?;
    let rest = line[time..].strip_prefix(b" std")?;
    let stream = stream_of(rest.get(..3)?)?;
    let text = rest[3..].strip_prefix(b" F ")?;
    if text.is_empty() {
        return None;
    }
    Some(Opened {
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
        let opened = open(runtime, line.as_bytes())?;
        Some((
            opened.stream,
            &line[opened.time.0..opened.time.1],
            &line[opened.text.0..opened.text.1],
        ))
    }

    #[test]
    fn a_json_file_line_comes_apart() {
        let line = r#"{"log":"say \"hi\"\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}"#;
        let expected = (Stream::Stderr, "2026-11-23T10:00:00.5Z", r#"say \"hi\""#);
        assert_eq!(parts(Runtime::JsonFile, line), Some(expected));
    }

    #[test]
    fn what_looks_like_an_end_inside_the_message_is_none() {
        let line = r#"{"log":"\\n\",\"stream\":\"stdout\n","stream":"stdout","time":"2026-11-23T10:00:00.5Z"}"#;
        assert_eq!(
            parts(Runtime::JsonFile, line).map(|found| found.2),
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
    fn a_cri_line_comes_apart_where_it_is_whole() {
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
