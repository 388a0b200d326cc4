//! Lines of text that hold fields: logfmt, syslog (RFC 5424), JSON behind a prefix, and console formats; the twin of
//! `text_fields.py`.

use std::borrow::Cow;

use crate::general::Declined;
use crate::lenient_json::{Fault, OUTSIDE, Places, object_at, storable, whole_string};
use crate::python_text::{first_characters, is_space, strip};
use crate::stack_traces::summary;
use crate::text_heads::{Head, Reader};
use crate::value::{self, Fields, ReadError, Value, get, set};

const SHORTEST_TIME: usize = 10;
const STRUCTLOG_WIDTH: usize = 9;
const MOST_CONTEXTS: usize = 4;
const MOST_PRIORITY: u32 = 191;
const NEAR_BEGINNING: usize = 64;

type Decoded<'t> = Result<Option<Fields<'t>>, Declined>;

/// Return the fields of a line that is decoded as a whole, under the names as logged; None for other text.
pub fn decode_fields<'t>(
    reader: &mut Reader<'t>,
    text: &'t str,
    head: Option<Head<'t>>,
) -> Decoded<'t> {
    let fields = decoded(reader, text, head)?;
    let Some(end) = memchr::memchr(b'\n', text.as_bytes()) else {
        return Ok(fields);
    };
    let first_pair = &reader.texts.expressions.first_pair;
    if fields.is_some()
        || head.is_some_and(|head| head.at > end)
        || first_pair
            .match_at(text, end + 1, &mut reader.scratch)
            .is_some()
    {
        return Ok(fields);
    }
    let Some(mut fields) = decoded(reader, &text[..end], head)? else {
        return Ok(None);
    };
    let summary = summary(reader, text).unwrap_or_default();
    for (name, value) in summary {
        if get(&fields, &name).is_none() {
            fields.push((name, value));
        }
    }
    if get(&fields, "exception").is_none() {
        fields.push(("exception".into(), Value::text(text)));
    }
    Ok(Some(fields))
}

fn decoded<'t>(reader: &mut Reader<'t>, text: &'t str, head: Option<Head<'t>>) -> Decoded<'t> {
    if text.starts_with('<')
        && let Some(fields) = rfc5424(reader, text)?
    {
        return Ok(Some(fields));
    }
    let end = text.trim_end_matches(OUTSIDE).bytes().last();
    if end == Some(b'}')
        && let Some(fields) = prefixed_json(reader, text, head)?
    {
        return Ok(Some(fields));
    }
    if (matches!(end, Some(b'}' | b']' | b'"'))
        || first_characters(text, NEAR_BEGINNING).contains('\t'))
        && let Some(fields) = with_context(reader, text, head)?
    {
        return Ok(Some(fields));
    }
    if memchr::memchr(b'=', text.as_bytes()).is_none()
        && !first_characters(text, NEAR_BEGINNING).contains(" ] ")
    {
        return Ok(None);
    }
    if let Some(fields) = logfmt(reader, text) {
        return Ok(Some(fields));
    }
    if let Some(fields) = console(reader, text, head)? {
        return Ok(Some(fields));
    }
    Ok(request_pairs(reader, text, head))
}

fn has_any(fields: &Fields, keys: &[String]) -> bool {
    fields
        .iter()
        .any(|(name, _)| keys.iter().any(|key| key == name))
}

fn has_all(fields: &Fields, keys: &[String]) -> bool {
    keys.iter().all(|key| get(fields, key).is_some())
}

fn add_head<'t>(fields: &mut Fields<'t>, head: &Head<'t>) {
    let known = [
        ("level", head.level),
        ("logger", head.logger),
        ("correlation_id", head.correlation_id),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            set(fields, name, Value::text(value));
        }
    }
}

// --- JSON behind a prefix -------------------------------------------------------------------------

/// Decode JSON that reaches from a recognised prefix to the end of the text.
fn prefixed_json<'t>(
    reader: &mut Reader<'t>,
    text: &'t str,
    head: Option<Head<'t>>,
) -> Decoded<'t> {
    let bytes = text.as_bytes();
    let mut at = head.map_or(0, |head| head.at);
    if bytes.get(at) != Some(&b'{') {
        let tag = &reader.texts.expressions.tag;
        let end = tag.match_at(text, at, &mut reader.scratch).or_else(|| {
            (at > 0)
                .then(|| tag.match_at(text, 0, &mut reader.scratch))
                .flatten()
        });
        let Some(end) = end else { return Ok(None) };
        let name = reader.named(tag, text, "name");
        if name.is_some_and(|name| names_data(reader, name)) {
            return Ok(None);
        }
        at = end;
        if bytes.get(at) != Some(&b'{') {
            return Ok(None);
        }
    }
    let content = whole_object(&text[at..])?;
    Ok(content.map(|content| behind(reader, &text[..at], head, content)))
}

/// True if a name stands before data or the message of an exception, which a client may write.
fn names_data(reader: &Reader, name: &str) -> bool {
    let names = &reader.texts.names;
    let lowered = name.to_ascii_lowercase();
    names.data_names.contains(&lowered)
        || names
            .error_endings
            .iter()
            .any(|ending| name.ends_with(ending.as_str()))
        || lowered.ends_with("error")
        || lowered.ends_with("exception")
}

/// Return a document's fields with the prefix, whose time, level and id only fill gaps.
fn behind<'t>(
    reader: &Reader<'t>,
    prefix: &'t str,
    head: Option<Head<'t>>,
    mut content: Fields<'t>,
) -> Fields<'t> {
    let names = &reader.texts.names;
    let mut fields = Fields::new();
    if let Some(head) = head {
        if let Some(time) = head.time
            && !has_any(&content, &names.time_keys)
        {
            fields.push(("timestamp".into(), Value::text(time)));
        }
        let known = [
            ("level", head.level, &names.level_keys),
            ("logger", head.logger, &names.logger_keys),
            ("correlation_id", head.correlation_id, &names.id_keys),
        ];
        for (name, value, keys) in known {
            if let Some(value) = value
                && !has_any(&content, keys)
            {
                fields.push((name.into(), Value::text(value)));
            }
        }
    }
    let place = content.iter().position(|(name, _)| name == "extra");
    let own = place.map(|place| std::mem::replace(&mut content[place].1, Value::Null));
    let mut extra = match own {
        None | Some(Value::Null) => Fields::new(),
        Some(Value::Object(own)) => own,
        Some(other) => vec![("extra".into(), other)],
    };
    set(&mut extra, "prefix", Value::text(prefix));
    if fields.is_empty() {
        fields = content;
    } else {
        for (name, value) in content {
            if fields.len() <= 4 || get(&fields[..4], &name).is_some() {
                set(&mut fields, name, value);
            } else {
                fields.push((name, value));
            }
        }
    }
    set(&mut fields, "extra", Value::Object(extra));
    fields
}

/// Return the JSON object that a text consists of.
fn whole_object(text: &str) -> Decoded<'_> {
    match value::read(text) {
        Ok(Value::Object(mut fields)) => {
            fields.iter_mut().for_each(|(_, value)| storable(value));
            return Ok(Some(fields));
        }
        Ok(_) => return Ok(None),
        Err(ReadError::TooDeep) => return Err(Declined::Nested),
        Err(ReadError::Invalid) => {}
    }
    Ok(match lenient(text, 0)? {
        Some((fields, end)) if text[end..].trim_matches(OUTSIDE).is_empty() => Some(fields),
        _ => None,
    })
}

fn lenient(text: &str, at: usize) -> Result<Option<(Fields<'_>, usize)>, Declined> {
    match object_at(text, at) {
        Ok(read) => Ok(Some(read)),
        Err(Fault::Invalid) => Ok(None),
        Err(Fault::TooDeep) => Err(Declined::Nested),
    }
}

/// Decode the JSON object that winston's `simple`, zap's console and Monolog write after their message.
fn with_context<'t>(reader: &mut Reader<'t>, text: &'t str, head: Option<Head<'t>>) -> Decoded<'t> {
    let Some(head) = head.filter(|head| head.level.is_some()) else {
        return Ok(None);
    };
    let expressions = &reader.texts.expressions;
    let scratch = &mut reader.scratch;
    let is_zap = expressions.zap.match_at(text, 0, scratch).is_some();
    let is_simple = head.time.is_none() && expressions.simple.match_at(text, 0, scratch).is_some();
    if !(is_simple || is_zap || expressions.monolog.match_at(text, 0, scratch).is_some()) {
        return Ok(None);
    }
    let line = if is_zap { first_line(text) } else { text };
    let whole = line.trim_end_matches(OUTSIDE);
    let whole = whole.strip_suffix(" []").unwrap_or(whole);
    let mut at = head.at;
    for _ in 0..MOST_CONTEXTS {
        if at > whole.len() {
            return Ok(None);
        }
        let Some(range) = expressions.context.search(whole, at, &mut reader.scratch) else {
            return Ok(None);
        };
        at = range.end;
        if let Some((context, end)) = lenient(whole, at)?
            && whole[end..].trim_matches([' ', '[', ']', '\n']).is_empty()
        {
            let message = whole[head.at..range.start].trim_end_matches(is_space);
            return with_extra(reader, text, head, "message", message.into(), context).map(Some);
        }
    }
    Ok(None)
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or(text)
}

/// Return the fields of a head and a message, with those behind the message under `extra`.
fn with_extra<'t>(
    reader: &mut Reader<'t>,
    text: &'t str,
    head: Head<'t>,
    name: &'static str,
    message: Cow<'t, str>,
    extra: Fields<'t>,
) -> Result<Fields<'t>, Declined> {
    let mut fields = Fields::new();
    let own_time = || {
        ["timestamp", "time"]
            .iter()
            .find_map(|key| match get(&extra, key) {
                Some(Value::Text(time)) => Some(time.clone()),
                _ => None,
            })
    };
    if let Some(time) = head.time.map(Cow::Borrowed).or_else(own_time) {
        fields.push(("timestamp".into(), Value::Text(time)));
    }
    add_head(&mut fields, &head);
    fields.push((name.into(), Value::Text(message)));
    if text.contains('\n') {
        fields.push(("exception".into(), Value::text(text)));
        let summary = summary(reader, text).filter(|summary| !summary.is_empty());
        let summary = summary.unwrap_or_else(|| monolog_class(reader, &extra));
        for (name, value) in summary {
            set(&mut fields, name, value);
        }
    }
    if !extra.is_empty() {
        set(&mut fields, "extra", Value::Object(extra));
    }
    Ok(fields)
}

fn monolog_class<'t>(reader: &mut Reader<'t>, extra: &Fields<'t>) -> Fields<'t> {
    let pattern = &reader.texts.expressions.monolog_class;
    let Some(Value::Text(thrown)) = get(extra, "exception") else {
        return Fields::new();
    };
    if pattern.match_at(thrown, 0, &mut reader.scratch).is_none() {
        return Fields::new();
    }
    let kind = reader.named(pattern, thrown, "type").unwrap_or("");
    vec![("error_type".into(), Value::text(kind.to_string()))]
}

// --- pairs ----------------------------------------------------------------------------------------

/// Decode a line that consists of pairs.
fn logfmt<'t>(reader: &mut Reader<'t>, text: &'t str) -> Option<Fields<'t>> {
    let mut fields = pairs(reader, text, 0)?;
    let names = &reader.texts.names;
    if fields.len() == 1
        || !(has_any(&fields, &names.usual_keys) || has_all(&fields, &names.request_keys))
    {
        return None;
    }
    if get(&fields, "timestamp").is_none()
        && let Some(Value::Text(time)) = get(&fields, "t")
        && let Some(first) = time.chars().next()
        && time.chars().count() >= SHORTEST_TIME
    {
        if !first.is_ascii() && first.is_numeric() {
            reader.scratch.doubt = true;
        }
        if first.is_ascii_digit() {
            let time = value::remove(&mut fields, "t")?;
            fields.push(("timestamp".into(), time));
        }
    }
    Some(fields)
}

/// Decode the pairs of a request behind a head, as Rails writes them with lograge.
fn request_pairs<'t>(
    reader: &mut Reader<'t>,
    text: &'t str,
    head: Option<Head<'t>>,
) -> Option<Fields<'t>> {
    let head = head.filter(|head| head.level.is_some())?;
    let tags = &reader.texts.expressions.tags;
    let at = tags
        .match_at(text, head.at, &mut reader.scratch)
        .unwrap_or(head.at);
    let fields = pairs(reader, text, at)?;
    has_all(&fields, &reader.texts.names.request_keys)
        .then(|| behind(reader, &text[..at], Some(head), fields))
}

/// Return the `key=value` pairs that reach from `at` to the end of a line; of equal keys the first counts.
fn pairs<'t>(reader: &mut Reader<'t>, text: &'t str, mut at: usize) -> Option<Fields<'t>> {
    let expressions = &reader.texts.expressions;
    expressions
        .first_pair
        .match_at(text, at, &mut reader.scratch)?;
    if text.contains('\n') {
        return None;
    }
    let mut fields = Fields::new();
    let mut places = Places::default();
    let pair = &expressions.pair;
    while at < text.len() {
        at = pair.match_at(text, at, &mut reader.scratch)?;
        let key = reader.named(pair, text, "key")?;
        let value = reader.named(pair, text, "value")?;
        if places.place(&fields, key).is_none() {
            fields.push((key.into(), Value::Text(unquoted(value))));
        }
    }
    Some(fields)
}

/// Return a value without its quotes and escapes, as Go, Rust and Python quote it.
fn unquoted(value: &str) -> Cow<'_, str> {
    let quote = match value.as_bytes().first() {
        Some(&quote @ (b'"' | b'\'')) => char::from(quote),
        _ => return value.into(),
    };
    if value.len() < 2 || !value.ends_with(quote) {
        return value.into();
    }
    let inner = &value[1..value.len() - 1];
    if !value.contains('\\') {
        return inner.into();
    }
    if quote == '"'
        && let Some(text) = whole_string(value)
    {
        return text;
    }
    unescaped(inner, true).into()
}

/// Return a text without its backslashes; with `named`, `\n`, `\t` and `\r` are decoded.
fn unescaped(text: &str, named: bool) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        let escaped = if sign == '\\' { signs.next() } else { None };
        bare.push(match escaped {
            None => sign,
            Some('n') if named => '\n',
            Some('t') if named => '\t',
            Some('r') if named => '\r',
            Some(escaped) => escaped,
        });
    }
    bare
}

/// Decode the line of a console that writes pairs after the message.
fn console<'t>(reader: &mut Reader<'t>, text: &'t str, head: Option<Head<'t>>) -> Decoded<'t> {
    let Some(mut head) = head.filter(|head| head.level.is_some()) else {
        return Ok(None);
    };
    let line = first_line(text);
    let expressions = &reader.texts.expressions;
    let scratch = &mut reader.scratch;
    let is_klog = expressions.klog.match_at(line, 0, scratch).is_some();
    let console_end = if is_klog {
        None
    } else {
        expressions.console.match_at(line, 0, scratch)
    };
    if !is_klog && console_end.is_none() {
        return Ok(None);
    }
    let bracketed = console_end.and_then(|_| reader.named(&expressions.console, line, "structlog"));
    let message_at = head.at.min(line.len());
    if is_klog
        && expressions
            .klog_message
            .match_at(line, message_at, &mut reader.scratch)
            .is_none()
    {
        return Ok(None);
    }
    let is_padded = bracketed.is_some_and(|level| level.len() == STRUCTLOG_WIDTH);
    if let Some(end) = console_end.filter(|_| is_padded) {
        head = Head {
            logger: None,
            at: end, // its event may look like a logger
            ..head
        };
    }
    let (start, pairs) = trailing_pairs(reader, line, head.at.min(line.len()));
    if pairs.is_empty() && !is_padded {
        return Ok(None);
    }
    let message = line.get(head.at..start).unwrap_or("");
    let mut message = message.trim_end_matches(is_space);
    if is_padded
        && let Some(range) = expressions
            .logger_after
            .search(message, 0, &mut reader.scratch)
    {
        head.logger = reader.named(&expressions.logger_after, message, "logger");
        message = message[..range.start].trim_end_matches(is_space);
    }
    let is_event = bracketed.is_some()
        && expressions
            .one_word
            .full_match(message, 0, &mut reader.scratch);
    if !is_event {
        let name = if is_padded { "event" } else { "message" };
        return with_extra(reader, text, head, name, unquoted(message), pairs).map(Some);
    }
    let mut fields = with_extra(reader, text, head, "event", message.into(), Fields::new())?;
    let own = fields.len();
    for (name, value) in pairs {
        if get(&fields[..own], &name).is_none() {
            fields.push((name, value));
        }
    }
    Ok(Some(fields))
}

/// Return the pairs at the end of a line, and where they begin; of equal keys the first counts.
fn trailing_pairs<'t>(reader: &mut Reader<'t>, line: &'t str, start: usize) -> (usize, Fields<'t>) {
    let expressions = &reader.texts.expressions;
    let mut pairs = Fields::new();
    let mut places = Places::default();
    let (mut begin, mut at) = (start, start);
    while let Some(key) = expressions.next_key.search(line, at, &mut reader.scratch) {
        if key.start != at || pairs.is_empty() {
            (pairs, places, begin) = (Fields::new(), Places::default(), key.start);
        }
        let Some(end) = expressions
            .value
            .match_at(line, key.end, &mut reader.scratch)
        else {
            (pairs, places, begin, at) = (Fields::new(), Places::default(), line.len(), key.end);
            continue;
        };
        let name = &line[key.start + 1..key.end - 1];
        if places.place(&pairs, name).is_none() {
            pairs.push((name.into(), Value::Text(unquoted(&line[key.end..end]))));
        }
        at = end;
    }
    if pairs.is_empty() || !strip(&line[at..]).is_empty() {
        return (line.len(), Fields::new());
    }
    (begin, pairs)
}

// --- syslog ---------------------------------------------------------------------------------------

/// Decode RFC 5424; the structured data is kept under its ids, and a message in JSON is decoded.
fn rfc5424<'t>(reader: &mut Reader<'t>, text: &'t str) -> Decoded<'t> {
    let pattern = &reader.texts.expressions.rfc5424;
    let Some(end) = pattern.match_at(text, 0, &mut reader.scratch) else {
        return Ok(None);
    };
    let part = |name: &str| reader.named(pattern, text, name).unwrap_or("");
    let priority: u32 = part("priority").parse().unwrap_or(u32::MAX);
    let known = |name: &str| Some(part(name)).filter(|value| *value != "-");
    let (time, app) = (known("time"), known("app"));
    let kept = [
        ("hostname", known("host")),
        ("procid", known("procid")),
        ("msgid", known("msgid")),
    ];
    if priority > MOST_PRIORITY {
        return Ok(None);
    }
    let (data, at) = structured_data(reader, text, end);
    if !matches!(text.as_bytes().get(at), None | Some(b' ')) {
        return Ok(None);
    }
    let head = Head {
        time,
        level: reader.syslog_level(priority),
        logger: app,
        correlation_id: None,
        at: at + 1,
    };
    let id = data
        .iter()
        .filter_map(|(_, values)| values.as_object())
        .find_map(|values| {
            reader
                .texts
                .names
                .id_keys
                .iter()
                .find_map(|key| match get(values, key) {
                    Some(Value::Text(id)) if !id.is_empty() => Some(id.clone()),
                    _ => None,
                })
        });
    let message = text
        .get(at + 1..)
        .unwrap_or("")
        .trim_start_matches('\u{feff}');
    let content = if message.starts_with('{') {
        whole_object(message)?
    } else {
        None
    };
    let mut fields = match content {
        Some(content) => {
            let prefix = &text[..text.len() - message.len()];
            let has_id = has_any(&content, &reader.texts.names.id_keys);
            let mut fields = behind(reader, prefix, Some(head), content);
            if let Some(id) = id.filter(|_| !has_id) {
                insert_id(&mut fields, id);
            }
            fields
        }
        None => {
            let mut fields = with_extra(
                reader,
                message,
                head,
                "message",
                message.into(),
                Fields::new(),
            )?;
            if let Some(id) = id {
                insert_id(&mut fields, id);
            }
            fields
        }
    };
    for (name, value) in kept {
        if let Some(value) = value.filter(|value| !value.is_empty())
            && get(&fields, name).is_none()
        {
            fields.push((name.into(), Value::text(value)));
        }
    }
    if !data.is_empty() && get(&fields, "structured_data").is_none() {
        fields.push(("structured_data".into(), Value::Object(data)));
    }
    Ok(Some(fields))
}

/// Insert the id of the structured data where a head's id stands: after time, level and logger.
fn insert_id<'t>(fields: &mut Fields<'t>, id: Cow<'t, str>) {
    let before = fields
        .iter()
        .take(3)
        .take_while(|(name, _)| matches!(name.as_ref(), "timestamp" | "level" | "logger"))
        .count();
    fields.insert(before, ("correlation_id".into(), Value::Text(id)));
}

fn structured_data<'t>(
    reader: &mut Reader<'t>,
    text: &'t str,
    mut at: usize,
) -> (Fields<'t>, usize) {
    let expressions = &reader.texts.expressions;
    let mut data = Fields::new();
    let mut data_places = Places::default();
    while let Some(mut end) = expressions.element.match_at(text, at, &mut reader.scratch) {
        let id = reader.named(&expressions.element, text, "id").unwrap_or("");
        let mut values = Fields::new();
        let mut places = Places::default();
        let parameter = &expressions.parameter;
        while let Some(after) = parameter.match_at(text, end, &mut reader.scratch) {
            let name = reader.named(parameter, text, "name").unwrap_or("");
            let written = reader.named(parameter, text, "value").unwrap_or("");
            let value = if written.contains('\\') {
                Cow::Owned(unescaped(written, false))
            } else {
                Cow::Borrowed(written)
            };
            match places.place(&values, name) {
                Some(place) => values[place].1 = Value::Text(value),
                None => values.push((name.into(), Value::Text(value))),
            }
            end = after;
        }
        if text.as_bytes().get(end) != Some(&b']') {
            break;
        }
        match data_places.place(&data, id) {
            Some(place) => data[place].1 = Value::Object(values),
            None => data.push((id.into(), Value::Object(values))),
        }
        at = end + 1;
    }
    (data, at)
}
