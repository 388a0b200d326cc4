//! Decodes the text of an entry that is not a JSON object: an access line, a line with fields, or plain text; the twin
//! of `payload.py`.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::access_log::{Access, decode_access, decode_started};
use crate::general::{Declined, Decoded, Shape};
use crate::lenient_json::{Fault, OUTSIDE, object_at};
use crate::pattern::Scratch;
use crate::payload_split;
use crate::python_text::{first_characters, is_space};
use crate::settings::Settings;
use crate::stack_traces::summary;
use crate::text_cleanup::without;
use crate::text_fields::decode_fields;
use crate::text_heads::{Head, Reader};
use crate::value::{self, Fields, ReadError, Value, set, whole};

/// Characters in which the line of Rails that begins a request is looked for.
const STARTED_WITHIN: usize = 256;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Call a function with a reader of text; fails if an answer of it is not certain.
pub fn with_reader<'t, R>(
    settings: &'t Settings,
    length: usize,
    call: impl FnOnce(&mut Reader<'t>) -> Result<R, Declined>,
) -> Result<R, Declined> {
    let texts = settings.texts.as_deref().ok_or(Declined::Text)?;
    let mut scratch = SCRATCH.with(RefCell::take);
    scratch.begin(length);
    let mut reader = Reader {
        texts,
        placeholders: &settings.normalisation.placeholders,
        fillers: &settings.normalisation.fillers,
        scratch,
    };
    let result = call(&mut reader);
    let doubt = reader.certain();
    SCRATCH.with(|place| place.replace(reader.scratch));
    doubt.and(result)
}

/// Decode a text that begins with `{` and that orjson rejects: an object that Python's `json` accepts, with NaN, raw control
/// characters, lone surrogates, large integers or what may stand after a document; or text that is no JSON. Declines all
/// others.
pub fn decode_other_object<'a>(
    text: &'a str,
    settings: &'a Settings,
) -> Result<Decoded<'a>, Declined> {
    let bare = text.trim_matches(OUTSIDE);
    match object_at(bare, 0) {
        Ok((_, end)) if !bare[end..].trim_matches(OUTSIDE).is_empty() => Err(Declined::Several),
        Ok((fields, _)) => Ok(structured(fields)),
        Err(Fault::TooDeep) => Err(Declined::Nested),
        Err(Fault::Invalid) => with_reader(settings, bare.len(), |reader| {
            if bare.starts_with("{\"") || bare.ends_with('}') || has_trailing_comma(bare) {
                return Err(Declined::Json);
            }
            let object = &reader.texts.expressions.json_object;
            if object.match_at(bare, 0, &mut reader.scratch).is_some() {
                return Err(Declined::Several);
            }
            plain_text(reader, bare)
        }),
    }
}

/// Read an object behind what may stand around it.
fn lenient_object(bare: &str) -> Result<Decoded<'_>, Declined> {
    match object_at(bare, 0) {
        Ok((fields, end)) if bare[end..].trim_matches(OUTSIDE).is_empty() => Ok(structured(fields)),
        Err(Fault::TooDeep) => Err(Declined::Nested),
        _ => Err(Declined::Json),
    }
}

/// True if a comma may stand before a closing bracket.
fn has_trailing_comma(text: &str) -> bool {
    text.match_indices(',').any(|(at, _)| {
        text[at + 1..]
            .trim_start_matches([' ', '\t', '\r', '\n'])
            .starts_with(['}', ']'])
    })
}

/// True if a text, which does not begin with `{`, may hold several documents.
pub fn may_hold_several(text: &str, settings: &Settings) -> Result<bool, Declined> {
    with_reader(settings, text.len(), |reader| {
        Ok(payload_split::may_hold_several(reader, text))
    })
}

/// Decode the text of an entry that is not a JSON object. It must be clean, and its end must be there.
pub fn decode_text<'a>(text: &'a str, settings: &'a Settings) -> Result<Decoded<'a>, Declined> {
    with_reader(settings, text.len(), |reader| decoded(reader, text))
}

fn decoded<'a>(reader: &mut Reader<'a>, text: &'a str) -> Result<Decoded<'a>, Declined> {
    let Some(first) = text.chars().next() else {
        return Ok(blank());
    };
    if first == '{' {
        return Err(Declined::Json);
    }
    if is_space(first) && text.chars().all(is_space) {
        return Ok(blank());
    }
    let coloured = memchr::memchr(0x1b, text.as_bytes()).is_some();
    if coloured {
        let bare = without(&reader.texts.expressions.colour, text, &mut reader.scratch);
        if let Cow::Owned(bare) = bare {
            return owned(reader, first, &bare);
        }
    }
    document_or_text(reader, first, text, text)
}

/// Decode a text from which colours were removed.
fn owned<'a>(reader: &mut Reader<'a>, first: char, bare: &str) -> Result<Decoded<'a>, Declined> {
    reader.for_text(|reader| {
        document_or_text(reader, first, bare, bare).map(|decoded| Decoded {
            shape: decoded.shape,
            fields: owned_fields(decoded.fields),
            problem: decoded.problem,
        })
    })
}

fn owned_fields(fields: Fields) -> Fields<'static> {
    let owned = |(name, value): (Cow<str>, Value)| (name.into_owned().into(), value.into_owned());
    fields.into_iter().map(owned).collect()
}

fn blank<'a>() -> Decoded<'a> {
    Decoded {
        shape: Shape::Blank,
        fields: Fields::new(),
        problem: None,
    }
}

fn structured(fields: Fields) -> Decoded {
    Decoded {
        shape: Shape::Structured,
        fields,
        problem: None,
    }
}

fn document_or_text<'a>(
    reader: &mut Reader<'a>,
    first: char,
    text: &'a str,
    uncoloured: &'a str,
) -> Result<Decoded<'a>, Declined> {
    if OUTSIDE.contains(&first) || first == '\u{1b}' {
        let bare = uncoloured.trim_matches(OUTSIDE);
        if bare.starts_with('{') {
            return match value::read_object(bare) {
                Err(ReadError::Invalid) => lenient_object(bare),
                read => read.map(structured).map_err(Declined::from),
            };
        }
        if bare.is_empty() {
            return Ok(blank());
        }
    }
    plain_text(reader, text)
}

fn plain_text<'a>(reader: &mut Reader<'a>, text: &'a str) -> Result<Decoded<'a>, Declined> {
    if let Some(access) = decode_access(reader, text) {
        return Ok(Decoded {
            shape: Shape::Access,
            fields: access_fields(reader, access, text),
            problem: None,
        });
    }
    let head = reader.head_of(text);
    if let Some(fields) = decode_fields(reader, text, head)? {
        return Ok(structured(fields));
    }
    Ok(Decoded {
        shape: Shape::Text,
        fields: text_fields(reader, text, head)?,
        problem: None,
    })
}

/// Return the fields of an access line in the order of the plan, then the further ones.
fn access_fields<'a>(reader: &Reader<'a>, access: Access<'a>, text: &'a str) -> Fields<'a> {
    let mut known = Fields::with_capacity(10);
    known.push(("event".into(), Value::text("http_access")));
    known.push(("method".into(), Value::text(access.method)));
    known.push(("path".into(), Value::text(access.path)));
    let further = [
        (
            "status_code",
            access.status_code.map(|status| whole(status.into())),
        ),
        ("client_ip", access.client_ip.map(Value::text)),
        ("level", access.level.map(Value::text)),
        ("time", access.time.map(Value::Text)),
        ("message", Some(Value::text(text))),
        ("duration_ms", access.duration_ms.map(value::float)),
        ("correlation_id", access.correlation_id.map(Value::text)),
    ];
    known.extend(
        further
            .into_iter()
            .filter_map(|(name, value)| Some((name.into(), value?))),
    );
    let order = &reader.texts.names.access;
    let rank = |name: &str| order.iter().position(|known| known == name);
    known.sort_by_key(|(name, _)| rank(name).unwrap_or(usize::MAX));
    known
}

fn text_fields<'a>(
    reader: &mut Reader<'a>,
    text: &'a str,
    head: Option<Head<'a>>,
) -> Result<Fields<'a>, Declined> {
    let mut fields = Fields::with_capacity(6);
    fields.push(("event".into(), Value::text("unstructured")));
    let at = head.map_or(0, |head| head.at);
    if let Some(head) = head {
        let known = [
            ("level", head.level),
            ("logger", head.logger),
            ("correlation_id", head.correlation_id),
            ("time", head.time),
        ];
        fields.extend(
            known
                .into_iter()
                .filter_map(|(name, value)| Some((name.into(), Value::text(value?)))),
        );
    }
    if first_characters(text, STARTED_WITHIN).contains("Started ")
        && let Some((method, path, client)) = decode_started(reader, text, at)
    {
        fields.push(("method".into(), Value::text(method)));
        fields.push(("path".into(), Value::text(path)));
        fields.push(("client_ip".into(), Value::text(client)));
    }
    let summary = if memchr::memchr(b'\n', text.as_bytes()).is_some() {
        summary(reader, text)
    } else {
        None
    };
    let Some(summary) = summary else {
        fields.push(("message".into(), Value::text(text)));
        return Ok(fields);
    };
    if value::get(&fields, "level").is_none() {
        fields.push(("level".into(), Value::text("error")));
    }
    for (name, value) in summary {
        set(&mut fields, name, value);
    }
    set(&mut fields, "exception", Value::text(text));
    // a head may take a line of its own
    let end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map(|length| at + length);
    let message = end.map_or(text, |end| &text[..end]);
    set(&mut fields, "message", Value::text(message));
    Ok(fields)
}
