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
