//! Values of known fields in the forms that loggers write: ids, levels, durations, statuses, paths, addresses.
//!
//! The twin of `shipper_processors.field_values`.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::general::Declined;
use crate::python_text::{first_characters, strip};
use crate::settings::Normalisation;
use crate::value::{Value, is_whole};

const LONGEST_ADDRESS: usize = 64;
const LONGEST_DURATION: usize = 64;
const LONGEST_TARGET: usize = 8192;
const MOST_PARTS: usize = 6;
const PINO: [&str; 6] = ["trace", "debug", "info", "warning", "error", "critical"];
const PYTHON: [&str; 5] = ["debug", "info", "warning", "error", "critical"];
const SYSLOG: [&str; 8] = [
    "critical", "critical", "critical", "error", "warning", "notice", "info", "debug",
];

// --- ids ------------------------------------------------------------------------------------------

impl Normalisation {
    /// True if a text means no value: `-`, `null`, `N/A`, zeros and the like.
    pub fn is_placeholder(&self, text: &str) -> bool {
        let fillers = &self.fillers;
        if text
            .bytes()
            .next()
            .is_none_or(|byte| fillers.contains(&byte))
            && text.bytes().all(|byte| fillers.contains(&byte))
        {
            return true;
        }
        if text.len() > 4 * self.shortest_certain_id {
            return false;
        }
        if text.is_ascii() {
            let bare = strip(text);
            return text.len() < self.shortest_certain_id
                && bare.len() <= self.longest_placeholder
                && self
                    .placeholders
                    .iter()
                    .any(|word| word.eq_ignore_ascii_case(bare.as_bytes()));
        }
        let lowered = strip(text).to_lowercase();
        text.chars().count() < self.shortest_certain_id
            && self
                .placeholders
                .iter()
                .any(|word| word == lowered.as_bytes())
    }

    /// True if a text is neither a placeholder nor a count, decided cheaply; false in doubt.
    pub fn is_certain_id(&self, text: &str) -> bool {
        text.len() >= self.shortest_certain_id
            && text.is_ascii()
            && !matches!(text.as_bytes()[0], b'0' | b'-' | b'r' | b'R')
    }

    /// True if an id looks counted up by one process, such as `req-1` or `42`: others count the same.
    pub fn is_counted(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let digits = |bytes: &[u8], most: usize| {
            (1..=most).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit)
        };
        if digits(bytes, self.counted_digits) {
            return true;
        }
        let prefix = self.counted_prefix.len();
        if bytes.len() < prefix || !bytes[..prefix].eq_ignore_ascii_case(&self.counted_prefix) {
            return false;
        }
        let mut rest = &bytes[prefix..];
        if rest.len() >= 4 && rest[..4].eq_ignore_ascii_case(b"uest") {
            rest = &rest[4..];
        }
        match rest.first() {
            Some(b'-' | b'_' | b'.' | b':' | b'#') => {
                let rest = &rest[1..];
                (1..=6).contains(&rest.len()) && rest.iter().all(u8::is_ascii_alphanumeric)
            }
            _ => digits(rest, 9),
        }
    }

    /// Return an id as text; None for a placeholder, and for a value that is no id.
    pub fn id_text<'a>(&self, value: &Value<'a>) -> Option<Cow<'a, str>> {
        match value {
            Value::Number(number) if is_whole(number) && !number.starts_with('-') => {
                (number != "0").then(|| number.clone())
            }
            Value::Text(text) => (!self.is_placeholder(text)).then(|| text.clone()),
            _ => None,
        }
    }

    /// Return the id at the end of `projects/P/traces/ID`.
    pub fn last_part<'a>(&self, value: &Value<'a>) -> Option<Cow<'a, str>> {
        let text = value.as_text().filter(|text| text.contains("traces/"))?;
        let id = text.rsplit('/').next().unwrap_or(text).to_owned();
        (!self.is_placeholder(&id)).then_some(Cow::Owned(id))
    }

    /// Return a text that is no placeholder.
    pub fn is_scalar_text(&self, text: &str) -> bool {
        !text.is_empty() && !self.is_placeholder(text)
    }
}

/// Return trace id and parent id of a W3C traceparent; None if it is invalid or all zero.
pub fn traceparent_ids(value: &Value) -> Option<(String, String)> {
    let text = value.as_text()?;
    let hex = |range: std::ops::Range<usize>| {
        text.get(range).filter(|digits| {
            digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let bytes = text.as_bytes();
    if bytes.len() < 55 || [2, 35, 52].iter().any(|&place| bytes[place] != b'-') {
        return None;
    }
    hex(0..2)?;
    hex(53..55)?;
    let (trace, parent) = (hex(3..35)?, hex(36..52)?);
    let rest = text.get(55..)?;
    if !(rest.is_empty() || (rest.starts_with('-') && !rest.contains('\n'))) {
        return None;
    }
    let is_zero = trace.bytes().all(|byte| byte == b'0');
    (!is_zero).then(|| (trace.to_owned(), parent.to_owned()))
}

// --- levels ---------------------------------------------------------------------------------------

/// Return the level that a word means; slog's `INFO+2` is the level below the step.
pub fn level_of_word(word: &str, table: &Normalisation) -> Option<&'static str> {
    let known = |word: &str| table.words.get(word).copied();
    let bare = strip(word);
    if let Some(level) = known(word).or_else(|| known(&bare.to_lowercase())) {
        return Some(level);
    }
    let step = bare.find(['+', '-'])?;
    let (name, steps) = (&bare[..step], &bare[step + 1..]);
    let is_step = (4..=5).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (1..=3).contains(&steps.len())
        && steps.bytes().all(|byte| byte.is_ascii_digit());
    if !is_step {
        return None;
    }
    let level = known(&name.to_ascii_lowercase())?;
    Some(if level == "debug" && bare.as_bytes()[step] == b'-' {
        "trace"
    } else {
        level
    })
}

/// Return a whole number, also one written as text.
pub fn whole_number(value: &Value) -> Option<i128> {
    match value {
        Value::Text(text) => whole_text(text),
        Value::Number(number) if is_whole(number) => number.parse().ok(),
        Value::Number(number) => {
            let double: f64 = number.parse().ok()?;
            (double.fract() == 0.0).then_some(double as i128)
        }
        _ => None,
    }
}

fn whole_text(text: &str) -> Option<i128> {
    let is_number = (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    Otel,
    Logback,
    Python,
    Any,
}

/// Return the level of a number, by the scale of its logger.
pub fn level_of_number(number: i128, scale: Scale, path: &str) -> Option<&'static str> {
    if number < 0 {
        return None;
    }
    let number = usize::try_from(number).ok()?;
    if scale == Scale::Otel {
        return (1..=24).contains(&number).then(|| PINO[(number - 1) / 4]);
    }
    if scale == Scale::Logback {
        return logback(number).or_else(|| monolog(number));
    }
    if path == "LogLevel" || path == "Level" {
        return PINO.get(number).copied();
    }
    if scale == Scale::Python && number < 100 {
        return Some(if number >= 10 {
            PYTHON[(number / 10).min(PYTHON.len()) - 1]
        } else {
            "trace"
        });
    }
    if let Some(level) = SYSLOG.get(number) {
        return Some(level);
    }
    if number < 100 {
        return (10..=69)
            .contains(&number)
            .then(|| PINO[(number / 10).min(PINO.len()) - 1]);
    }
    if path.eq_ignore_ascii_case("severity") {
        return gcp(number);
    }
    logback(number).or_else(|| monolog(number))
}

fn monolog(number: usize) -> Option<&'static str> {
    Some(match number {
        100 => "debug",
        200 => "info",
        250 => "notice",
        300 => "warning",
        400 => "error",
        500 | 550 | 600 => "critical",
        700 | 800 => "info",
        900 => "warning",
        1000 => "error",
        _ => return None,
    })
}

fn gcp(number: usize) -> Option<&'static str> {
    Some(match number {
        0 => "info",
        100 => "debug",
        200 => "info",
        300 => "notice",
        400 => "warning",
        500 => "error",
        600 | 700 | 800 => "critical",
        _ => return None,
    })
}

fn logback(number: usize) -> Option<&'static str> {
    Some(match number {
        5000 => "trace",
        10_000 => "debug",
        20_000 => "info",
        30_000 => "warning",
        40_000 => "error",
        50_000 => "critical",
        _ => return None,
    })
}

// --- numbers --------------------------------------------------------------------------------------

/// Return an HTTP status, also one written as text or with a reason (`404 Not Found`).
pub fn status_of(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Text(text) => whole_text(strip(text).split(' ').next().unwrap_or(""))?,
        other => whole_number(other)?,
    };
    (100..=599).contains(&number).then_some(number as i64)
}

/// A duration in milliseconds, as `field_values.milliseconds` returns it.
#[derive(Clone, Debug, PartialEq)]
pub enum Duration {
    /// The value itself.
    AsLogged,
    Whole(i64),
    Float(f64),
}

/// Return a duration in milliseconds: a number of units of `per_unit` milliseconds, or a text with its own unit.
///
/// If `per_unit` is None, only texts with a unit are durations.
pub fn milliseconds(value: &Value, per_unit: Option<f64>) -> Result<Option<Duration>, Declined> {
    let (number, whole) = match value {
        Value::Text(text) => {
            let text = first_characters(strip(text), LONGEST_DURATION);
            if !is_decimal_text(text) {
                return Ok(unit_duration(text).map(Duration::Float));
            }
            let number: f64 = text.parse().map_err(|_| Declined::Field)?;
            let whole = text.bytes().all(|byte| byte.is_ascii_digit());
            (number, whole)
        }
        Value::Number(text) => (text.parse().map_err(|_| Declined::Field)?, false),
        _ => return Ok(None),
    };
    let Some(per_unit) = per_unit else {
        return Ok(None);
    };
    #[allow(clippy::float_cmp)] // exactly one is the unit of milliseconds
    let (duration, read) = if per_unit == 1.0 {
        let read = match value {
            Value::Number(_) => Duration::AsLogged,
            _ if whole && number >= 9e18 => return Err(Declined::Field),
            _ if whole => Duration::Whole(number as i64),
            _ => Duration::Float(number),
        };
        (number, read)
    } else {
        let number = rounded(number * per_unit);
        (number, Duration::Float(number))
    };
    Ok((0.0..f64::INFINITY).contains(&duration).then_some(read))
}

/// Python's `round(number, 6)`.
pub fn rounded(number: f64) -> f64 {
    if !number.is_finite() || number.abs() >= 1e22 {
        return number;
    }
    format!("{number:.6}").parse().unwrap_or(number)
}

/// True for `[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,2})?`.
fn is_decimal_text(text: &str) -> bool {
    let mut rest = text.as_bytes();
    if let [b'+' | b'-', behind @ ..] = rest {
        rest = behind;
    }
    let whole = digits(&mut rest);
    if !(1..=20).contains(&whole) {
        return false;
    }
    if let [b'.', behind @ ..] = rest {
        rest = behind;
        if digits(&mut rest) > 20 {
            return false;
        }
    }
    if let [b'e' | b'E', behind @ ..] = rest {
        rest = behind;
        if let [b'+' | b'-', behind @ ..] = rest {
            rest = behind;
        }
        if !(1..=2).contains(&digits(&mut rest)) {
            return false;
        }
    }
    rest.is_empty()
}

/// Skip digits and return their number.
fn digits(rest: &mut &[u8]) -> usize {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    *rest = &rest[count..];
    count
}

const UNITS: [(&str, f64); 18] = [
    ("ns", 1e-6),
    ("us", 1e-3),
    ("µs", 1e-3),
    ("μs", 1e-3),
    ("ms", 1.0),
    ("milliseconds", 1.0),
    ("millisecond", 1.0),
    ("millis", 1.0),
    ("minutes", 60_000.0),
    ("minute", 60_000.0),
    ("m", 60_000.0),
    ("seconds", 1000.0),
    ("second", 1000.0),
    ("secs", 1000.0),
    ("sec", 1000.0),
    ("s", 1000.0),
    ("h", 3_600_000.0),
    ("", 0.0),
];

fn unit_duration(text: &str) -> Option<f64> {
    if text.starts_with('P') {
        return iso_duration(text);
    }
    if let Some(duration) = clock_duration(text) {
        return Some(duration);
    }
    let mut rest = text;
    let mut total = 0.0;
    for _ in 0..MOST_PARTS {
        let (number, behind) = decimal(rest, 15, 15)?;
        let behind = behind.strip_prefix(' ').unwrap_or(behind);
        let (unit, factor) = UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        if unit.is_empty() {
            return None;
        }
        total += number * factor;
        rest = behind[unit.len()..].trim_start_matches(' ');
        if rest.is_empty() {
            return Some(rounded(total));
        }
    }
    None
}

/// Read `[0-9]{1,most}(?:\.[0-9]{0,fraction})?` at the beginning of a text.
fn decimal(text: &str, most: usize, fraction: usize) -> Option<(f64, &str)> {
    let mut rest = text.as_bytes();
    let whole = digits(&mut rest);
    if !(1..=most).contains(&whole) {
        return None;
    }
    let mut end = whole;
    if rest.first() == Some(&b'.') {
        rest = &rest[1..];
        let count = digits(&mut rest);
        if count > fraction {
            return None;
        }
        end += 1 + count;
    }
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn iso_duration(text: &str) -> Option<f64> {
    let mut rest = text.strip_prefix('P')?;
    let mut parts = [None; 4];
    if let Some((number, behind)) = unit_number(rest, 6, 'D') {
        parts[0] = Some(number);
        rest = behind;
    }
    rest = rest.strip_prefix('T')?;
    for (place, unit) in [(1, 'H'), (2, 'M')] {
        if let Some((number, behind)) = unit_number(rest, 6, unit) {
            parts[place] = Some(number);
            rest = behind;
        }
    }
    if !rest.is_empty() {
        let (number, behind) = decimal(rest, 9, 9)?;
        if behind != "S" || rest.trim_end_matches('S').ends_with('.') {
            return None;
        }
        parts[3] = Some(number);
    }
    if parts.iter().all(Option::is_none) {
        return None;
    }
    let [days, hours, minutes, seconds] = parts.map(|part| part.unwrap_or(0.0));
    Some(rounded(
        (((days * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds) * 1000.0,
    ))
}

fn unit_number(text: &str, most: usize, unit: char) -> Option<(f64, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let behind = text[count..].strip_prefix(unit)?;
    (1..=most).contains(&count).then_some(())?;
    Some((text[..count].parse().ok()?, behind))
}

fn clock_duration(text: &str) -> Option<f64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=3).contains(&hours.len())
        || !are_digits(hours)
        || minutes.len() != 2
        || !are_digits(minutes)
    {
        return None;
    }
    let (whole, fraction) = match seconds.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (seconds, None),
    };
    let has_fraction =
        fraction.is_none_or(|fraction| (1..=9).contains(&fraction.len()) && are_digits(fraction));
    if whole.len() != 2 || !are_digits(whole) || !has_fraction {
        return None;
    }
    let hours: f64 = hours.parse().ok()?;
    let minutes: f64 = minutes.parse().ok()?;
    let seconds: f64 = seconds.parse().ok()?;
    Some(rounded(
        ((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0,
    ))
}

// --- requests -------------------------------------------------------------------------------------

/// Return the path of a URL or request target: without origin, query and fragment.
pub fn path_of<'a>(value: &'a str) -> Cow<'a, str> {
    let without_query = |text: &'a str| {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        &text[..end]
    };
    let bytes = value.as_bytes();
    let has_scheme = |scheme: &[u8]| {
        bytes.len() >= scheme.len() && bytes[..scheme.len()].eq_ignore_ascii_case(scheme)
    };
    if !(has_scheme(b"http://") || has_scheme(b"https://")) {
        return Cow::Borrowed(without_query(value));
    }
    let origin = value.find("//").map_or(0, |at| at + 2);
    let rest = &value[origin..];
    match rest.find(['/', '?', '#']) {
        None => Cow::Borrowed("/"),
        Some(at) if rest.as_bytes()[at] == b'/' => Cow::Borrowed(without_query(&rest[at..])),
        Some(_) => Cow::Borrowed("/"),
    }
}

/// Return method and target of a request line such as `GET /a HTTP/1.1`.
pub fn request_line(text: &str) -> Option<(&str, &str)> {
    let (method, rest) = text.split_once(' ')?;
    let is_method =
        (3..=10).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let (target, version) = match rest.split_once(' ') {
        Some((target, version)) => (target, Some(version)),
        None => (rest, None),
    };
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let is_target = !target.is_empty()
        && !target.bytes().any(is_blank)
        && first_characters(target, LONGEST_TARGET).len() == target.len();
    let is_version = version.is_none_or(|version| {
        version.strip_prefix("HTTP/").is_some_and(|number| {
            (1..=4).contains(&number.len())
                && number
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    });
    (is_method && is_target && is_version).then_some((method, target))
}

/// Return the first IP address of a text, without its port; None if there is none.
pub fn address_of(value: &str) -> Option<&str> {
    let first = first_characters(value, LONGEST_ADDRESS);
    let first = strip(first.split(',').next().unwrap_or(first));
    let address = without_port(first).unwrap_or(first);
    is_address(address).then_some(address)
}

/// Return the address in `1.2.3.4:80`, `[::1]` and `[::1]:80`.
fn without_port(text: &str) -> Option<&str> {
    let is_port = |text: &str| {
        (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (address, behind) = rest.split_once(']')?;
        let is_inner = (2..=45).contains(&address.len())
            && address
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        let is_end = behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port);
        return (is_inner && is_end).then_some(address);
    }
    let (address, port) = text.rsplit_once(':')?;
    let parts = || address.split('.');
    let is_dotted = parts().count() == 4
        && parts().all(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        });
    (is_dotted && is_port(port)).then_some(address)
}

/// True if Python's `ip_address` accepts a text.
fn is_address(text: &str) -> bool {
    if text.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let (address, has_scope) = match text.split_once('%') {
        Some((address, scope)) => (address, !scope.is_empty() && !scope.contains('%')),
        None => (text, true),
    };
    has_scope && address.parse::<Ipv6Addr>().is_ok()
}
