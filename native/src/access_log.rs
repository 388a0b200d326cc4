//! Access lines: the request logs of web servers and proxies; the twin of `access_log.py`.

use std::borrow::Cow;

use crate::pattern::Pattern;
use crate::python_text::first_characters;
use crate::text_heads::Reader;
use crate::time_formats::days_in;

/// Characters at the end of a line in which a proxy's own fields are looked for.
const TAIL: usize = 4096;
const TIME_WITHIN: usize = 64;
const WITHOUT_VERSION: &[u8] = b"[GHPDOCT0123456789";

/// A request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Access<'t> {
    pub method: &'t str,
    pub path: &'t str,
    pub status_code: Option<u32>,
    pub client_ip: Option<&'t str>,
    pub level: Option<&'t str>,
    pub time: Option<Cow<'t, str>>,
    pub duration_ms: Option<f64>,
    pub correlation_id: Option<&'t str>,
}

/// Return the request of an access line; None for other lines. The whole line must match.
pub fn decode_access<'t>(reader: &mut Reader<'t>, text: &'t str) -> Option<Access<'t>> {
    if memchr::memchr(b'\n', text.as_bytes()).is_some() {
        return None;
    }
    let first = *text.as_bytes().first()?;
    if memchr::memmem::find(text.as_bytes(), b" HTTP/").is_none() {
        return WITHOUT_VERSION
            .contains(&first)
            .then(|| without_version(reader, text, first))?;
    }
    let expressions = &reader.texts.expressions;
    if reader.matches_whole(&expressions.uvicorn, text) {
        let client = reader.named(&expressions.uvicorn, text, "client");
        let level = reader.named(&expressions.uvicorn, text, "level");
        let mut access = request(reader, &expressions.uvicorn, text);
        access.client_ip = known(client.map(|client| client.trim_matches(['[', ']'])));
        access.level = level.and_then(|level| reader.schema_level(level));
        return Some(access);
    }
    if first == b'[' {
        return bracketed(reader, text);
    }
    if let Some((at, level)) = prefix(reader, text) {
        return prefixed(reader, text, at, level);
    }
    if reader.matches_whole(&expressions.haproxy, text) {
        let client = reader.named(&expressions.haproxy, text, "client");
        let client = client.map(|client| before_last(client, ':'));
        return Some(timed(reader, &expressions.haproxy, text, client));
    }
    if reader.matches_whole(&expressions.aiohttp, text) {
        let client = reader.named(&expressions.aiohttp, text, "client");
        return Some(with_clf(reader, &expressions.aiohttp, text, client));
    }
    common(reader, text, 0).or_else(|| morgan(reader, text))
}

fn known(client: Option<&str>) -> Option<&str> {
    client.filter(|client| !client.is_empty() && *client != "-")
}

fn before_last(text: &str, sign: char) -> &str {
    text.rsplit_once(sign).map_or("", |(before, _)| before)
}

/// Decode a line that begins with a bracket: Django, Envoy, or the prefix of gunicorn and Hypercorn.
fn bracketed<'t>(reader: &mut Reader<'t>, text: &'t str) -> Option<Access<'t>> {
    if let Some((at, level)) = prefix(reader, text) {
        return prefixed(reader, text, at, level);
    }
    let django = &reader.texts.expressions.django;
    if reader.matches_whole(django, text) {
        return Some(with_clf(reader, django, text, None));
    }
    envoy(reader, text)
}

/// Decode the lines of servers that do not write ` HTTP/`.
fn without_version<'t>(reader: &mut Reader<'t>, text: &'t str, first: u8) -> Option<Access<'t>> {
    let expressions = &reader.texts.expressions;
    if first == b'[' {
        if text.starts_with("[GIN] ") {
            return gin(reader, text);
        }
        if text.starts_with("[pid: ") {
            let uwsgi = &expressions.uwsgi;
            let client = reader
                .matches_whole(uwsgi, text)
                .then(|| reader.named(uwsgi, text, "client"))?;
            return Some(timed(reader, uwsgi, text, client));
        }
        let (at, level) = prefix(reader, text)?;
        return prefixed(reader, text, at, level);
    }
    if !first.is_ascii_digit() {
        let is_method = reader.texts.names.methods.iter();
        let is_method = is_method
            .clone()
            .any(|method| first_characters(text, 3) == method);
        return if is_method {
            morgan(reader, text)
        } else {
            None
        };
    }
    if reader.matches_whole(&expressions.daphne, text) {
        let client = reader.named(&expressions.daphne, text, "client");
        let client = client.map(|client| before_last(client, ':'));
        return Some(with_clf(reader, &expressions.daphne, text, client));
    }
    if reader.matches_whole(&expressions.php_fpm, text) {
        let client = reader.named(&expressions.php_fpm, text, "client");
        return Some(with_clf(reader, &expressions.php_fpm, text, client));
    }
    let bytes = text.as_bytes();
    if bytes.get(4) == Some(&b'-')
        && bytes.last().is_some_and(u8::is_ascii_digit)
        && reader.matches_whole(&expressions.iis, text)
    {
        let client = reader.named(&expressions.iis, text, "client");
        return Some(timed(reader, &expressions.iis, text, client));
    }
    morgan(reader, text)
}

// --- the common log format ------------------------------------------------------------------------

/// Return where the prefix of a server's own logger ends, and its level.
fn prefix<'t>(reader: &mut Reader<'t>, text: &'t str) -> Option<(usize, Option<&'t str>)> {
    let prefix = &reader.texts.expressions.prefix;
    let end = prefix.match_at(text, 0, &mut reader.scratch)?;
    let word = reader
        .named(prefix, text, "gunicorn")
        .or(reader.named(prefix, text, "werkzeug"))?;
    Some((end, reader.schema_level(word)))
}

fn prefixed<'t>(
    reader: &mut Reader<'t>,
    text: &'t str,
    at: usize,
    level: Option<&'t str>,
) -> Option<Access<'t>> {
    let access = common(reader, text, at)?;
    Some(Access { level, ..access })
}

/// Decode a common or combined log line that begins at `start`.
fn common<'t>(reader: &mut Reader<'t>, text: &'t str, start: usize) -> Option<Access<'t>> {
    let expressions = &reader.texts.expressions;
    let at = expressions
        .quote
        .search(text, start, &mut reader.scratch)?
        .start;
    let client = &expressions.client;
    let client_end = client.match_at(text, start, &mut reader.scratch)?;
    let address = reader.named(client, text, "ip");
    let list = reader.named(client, text, "list");
    let has_host = reader.named(client, text, "vhost").is_some();
    let near = text[..at]
        .char_indices()
        .rev()
        .nth(TIME_WITHIN - 1)
        .map_or(0, |(place, _)| place);
    let before = text.get((client_end - 1).max(near)..at).unwrap_or("");
    let found = expressions
        .time_at_end
        .search(before, 0, &mut reader.scratch)?;
    let time = reader.named(&expressions.time_at_end, before, "time")?;
    let matched = if expressions.common.full_match(text, at, &mut reader.scratch) {
        &expressions.common
    } else if start > 0
        && expressions
            .hypercorn
            .full_match(text, at, &mut reader.scratch)
    {
        &expressions.hypercorn
    } else {
        return None;
    };
    let mut access = request(reader, matched, text);
    let status = matched
        .named("status")
        .and_then(|group| reader.scratch.group(group))?;
    if address.is_none() && !has_host {
        let user = text.get(client_end..at - found.len()).unwrap_or("");
        let list = list.unwrap_or("");
        if list.contains(['\u{130}', '\u{212a}']) {
            reader.scratch.doubt = true;
        }
        if !reader.matches_whole(&expressions.user, user) || reader.schema_level(list).is_some() {
            return None;
        }
    }
    access.time = Some(clf_time(reader, time)?.into());
    if expressions
        .second
        .search(text, status.end, &mut reader.scratch)
        .is_some()
    {
        return None;
    }
    access.client_ip = known(match address {
        Some(address) => Some(without_port(address)),
        None => list.and_then(|list| list.split(',').next()),
    });
    if !text.ends_with('"') {
        with_tail(reader, &mut access, text);
    }
    Some(access)
}

fn without_port(address: &str) -> &str {
    match address.split_once(':') {
        Some((host, _)) if host.contains('.') => host,
        _ => address,
    }
}

/// Add the duration and the request id that Traefik and ingress-nginx write at the end.
fn with_tail<'t>(reader: &mut Reader<'t>, access: &mut Access<'t>, text: &'t str) {
    let tail = if text.len() <= TAIL {
        text
    } else {
        let mut starts = text.char_indices().rev();
        &text[starts.nth(TAIL - 1).map_or(0, |(place, _)| place)..]
    };
    let expressions = &reader.texts.expressions;
    let traefik = &expressions.traefik;
    if tail.ends_with("ms") && traefik.search(tail, 0, &mut reader.scratch).is_some() {
        let ms = reader.named(traefik, tail, "ms");
        access.duration_ms = ms.and_then(|ms| ms.parse().ok());
        return;
    }
    let ingress = &expressions.ingress;
    if ingress.search(tail, 0, &mut reader.scratch).is_some() {
        let seconds = reader
            .named(ingress, tail, "seconds")
            .and_then(|text| text.parse::<f64>().ok());
        access.duration_ms = seconds.map(|seconds| rounded(seconds * 1000.0, 3));
        access.correlation_id = reader.named(ingress, tail, "id");
    }
}

/// Return a number rounded to a number of decimal digits, as Python's `round` does.
pub fn rounded(number: f64, digits: usize) -> f64 {
    format!("{number:.digits$}").parse().unwrap_or(number)
}

/// Return a time such as `30/Nov/2026:11:37:18 +0000` in ISO 8601; None if it is invalid.
pub fn clf_time(reader: &mut Reader, text: &str) -> Option<String> {
    let clf = &reader.texts.expressions.clf;
    if !reader.matches_whole(clf, text) {
        return None;
    }
    let part = |number: usize| reader.scratch.group(number).map(|range| &text[range]);
    let (day, month, year, clock) = (part(1)?, part(2)?, part(3)?, part(4)?);
    let (fraction, zone) = (part(5).unwrap_or(""), part(6));
    let place = reader.texts.names.months.iter();
    let place = place.clone().position(|known| known == month)? + 1;
    let number = |digits: &str| digits.parse::<i64>().unwrap_or(i64::MAX);
    let (hour, minute, second) = (
        number(&clock[..2]),
        number(&clock[3..5]),
        number(&clock[6..]),
    );
    let (year_number, day_number) = (number(year), number(day));
    if hour == 24 || zone.is_some_and(|zone| number(&zone[1..3]) > 23 || number(&zone[3..]) > 59) {
        reader.scratch.doubt = true; // versions of Python differ
    }
    let month_number = i64::try_from(place).ok()?;
    let valid = year_number > 0
        && (1..=days_in(year_number, month_number)).contains(&day_number)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let mut iso = format!("{year}-{place:02}-{day}T{clock}{fraction}");
    if let Some(zone) = zone {
        iso.push_str(&zone[..3]);
        iso.push(':');
        iso.push_str(&zone[3..]);
    }
    Some(iso)
}

// --- other servers --------------------------------------------------------------------------------

fn envoy<'t>(reader: &mut Reader<'t>, text: &'t str) -> Option<Access<'t>> {
    let expressions = &reader.texts.expressions;
    let envoy = &expressions.envoy;
    if !reader.matches_whole(envoy, text) {
        return None;
    }
    let rest = reader.named(envoy, text, "rest").unwrap_or("");
    let mut access = timed(reader, envoy, text, None);
    // a quote in a header shifts the fields: then none of them is read
    let fields = &expressions.envoy_rest;
    if reader.matches_whole(fields, rest) {
        let forwarded = reader.named(fields, rest, "forwarded").unwrap_or("");
        let id = reader.named(fields, rest, "id").unwrap_or("");
        let client = forwarded.split(',').next().unwrap_or("");
        if client != "-" {
            access.client_ip = Some(client);
        }
        if reader.matches_whole(&expressions.identifier, id) {
            access.correlation_id = Some(id);
        }
    }
    Some(access)
}

fn gin<'t>(reader: &mut Reader<'t>, text: &'t str) -> Option<Access<'t>> {
    let gin = &reader.texts.expressions.gin;
    if !reader.matches_whole(gin, text) {
        return None;
    }
    let mut access = request(reader, gin, text);
    access.client_ip = known(reader.named(gin, text, "client"));
    let time = reader.named(gin, text, "time").unwrap_or("");
    access.time = Some(time.replace('/', "-").replace(" - ", " ").into());
    let duration = reader.named(gin, text, "duration").unwrap_or("");
    access.duration_ms = go_duration_ms(reader, duration);
    Some(access)
}

/// Return milliseconds of a duration as Go writes it, such as `1m2.5s` or `12.3µs`; None if it is none.
fn go_duration_ms(reader: &mut Reader, text: &str) -> Option<f64> {
    let pattern = &reader.texts.expressions.go_duration;
    if text.is_empty() || !reader.matches_whole(pattern, text) {
        return None;
    }
    let whole = |name| {
        let digits = reader.named(pattern, text, name);
        digits
            .and_then(|digits| digits.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let number = reader
        .named(pattern, text, "n")
        .and_then(|digits| digits.parse::<f64>().ok());
    let unit = match reader.named(pattern, text, "unit") {
        Some("ns") => 1e-6,
        Some("µs") => 1e-3,
        Some("ms") => 1.0,
        _ => 1000.0,
    };
    let number = number.map_or(0.0, |number| number * unit);
    Some(rounded(
        (whole("h") * 60.0 + whole("m")) * 60_000.0 + number,
        6,
    ))
}

/// Return method, path and client of the line that Rails writes when a request begins.
pub fn decode_started<'t>(
    reader: &mut Reader<'t>,
    text: &'t str,
    at: usize,
) -> Option<(&'t str, &'t str, &'t str)> {
    let started = &reader.texts.expressions.started;
    started.match_at(text, at, &mut reader.scratch)?;
    Some((
        reader.named(started, text, "method")?,
        reader.named(started, text, "path")?,
        reader.named(started, text, "client")?,
    ))
}

fn morgan<'t>(reader: &mut Reader<'t>, text: &'t str) -> Option<Access<'t>> {
    let morgan = &reader.texts.expressions.morgan;
    if memchr::memmem::find(text.as_bytes(), b" ms").is_none()
        || !reader.matches_whole(morgan, text)
    {
        return None;
    }
    let ms = reader
        .named(morgan, text, "dev")
        .or(reader.named(morgan, text, "tiny"));
    let mut access = request(reader, morgan, text);
    access.client_ip = known(reader.named(morgan, text, "client"));
    access.duration_ms = ms.and_then(|ms| ms.parse().ok());
    Some(access)
}

/// Return the request of a line with a time and a duration in milliseconds, which has just matched.
fn timed<'t>(
    reader: &mut Reader<'t>,
    pattern: &Pattern,
    text: &'t str,
    client: Option<&'t str>,
) -> Access<'t> {
    let time = reader.named(pattern, text, "time");
    let ms = reader.named(pattern, text, "ms");
    let mut access = request(reader, pattern, text);
    access.client_ip = known(client);
    let digits = ms.filter(|ms| !ms.is_empty() && ms.bytes().all(|byte| byte.is_ascii_digit()));
    access.duration_ms = digits.and_then(|ms| ms.parse().ok());
    access.time = time.map(|time| match time.contains('/') {
        true => clf_time(reader, time).map_or(Cow::Borrowed(time), Cow::Owned),
        false => Cow::Borrowed(time),
    });
    access
}

/// Return the request of a line with a time in the common log format, which has just matched.
fn with_clf<'t>(
    reader: &mut Reader<'t>,
    pattern: &Pattern,
    text: &'t str,
    client: Option<&'t str>,
) -> Access<'t> {
    let mut access = request(reader, pattern, text);
    access.client_ip = known(client);
    let time = reader.named(pattern, text, "time");
    access.time = time.and_then(|time| clf_time(reader, time)).map(Cow::Owned);
    access
}

/// Return method, path and status of a line that has just matched.
fn request<'t>(reader: &Reader, pattern: &Pattern, text: &'t str) -> Access<'t> {
    let status = reader
        .named(pattern, text, "status")
        .and_then(|digits| digits.parse().ok());
    Access {
        method: reader.named(pattern, text, "method").unwrap_or(""),
        path: reader.named(pattern, text, "path").unwrap_or(""),
        status_code: status.filter(|status| (100..600).contains(status)),
        ..Access::default()
    }
}
