//! Times: any value of an application as milliseconds since the epoch, and the time of its event; the twin of `times.py`
//! and of `event_time` in `route.py`.

use std::borrow::Cow;

use crate::general::Declined;
use crate::python_text::strip;
use crate::settings::Settings;
use crate::time_formats::{Context, day_start_ms, read_compact, read_text, rounded};
use crate::time_zones::{LATEST_MS, Moment, Reading, Scanner, Zone, ZoneNames, Zones};
use crate::value::{Fields, Value, get};
use crate::violation::{Kind, Violation};

/// Characters of the longest notation.
const LONGEST: usize = 96;
const MOST_DIGITS: usize = 18;
/// Significant digits to which Python's decimal numbers are rounded.
const DECIMAL_DIGITS: usize = 28;
const HALF_HOUR_MS: i64 = 1_800_000;
/// No zone is more than fourteen hours from UTC.
const MOST_HALF_HOURS: i64 = 28;
/// Between the clock of a log entry and the runtime's time of it, beside a zone's whole half hours.
const ZONE_TOLERANCE_MS: i64 = 90_000;
const INVALID_TIME: &str = "invalid `timestamp`; expected ISO 8601, a number of seconds or milliseconds, or another notation \
     of loggers; used the runtime's time";

/// Keys of whole seconds and of the rest of the second, with the units of the rest in a millisecond.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pair {
    pub seconds: String,
    pub part: String,
    pub per_ms: i64,
}

/// The names that the plan declares.
#[derive(Default, Debug)]
pub struct TimeNames {
    pub zones: ZoneNames,
    /// The names of months in lower case, whole and short, with their numbers.
    pub months: Vec<(String, i64)>,
    pub pairs: Vec<Pair>,
    pub utc: Zone,
}

/// Largest accepted distances between an application's time and a time that it cannot choose; see `route.Skew`.
#[derive(Clone, Copy, Default, Debug)]
pub struct Skew {
    pub future_ms: i64,
    pub past_ms: i64,
    pub age_ms: i64,
}

/// The time of an event, and the violation if the application's own time was not used.
#[derive(Clone, PartialEq, Debug)]
pub struct EventTime {
    pub ms: i64,
    pub doubt: Option<Violation>,
}

/// Read the time that a field's value holds, as text, number, object or list; None if it is not a time.
///
/// A time without a zone is read in `zone`. `reference_ms` completes a time that does not name its year or its day;
/// without it such a time is None.
pub fn read_time(
    value: &Value,
    names: &TimeNames,
    zone: &Zone,
    reference_ms: Option<i64>,
) -> Reading {
    let reader = Reader {
        names,
        context: Context {
            zones: Zones {
                names: &names.zones,
                zone,
                reference_ms,
            },
            months: &names.months,
        },
    };
    let moment = match value {
        Value::Text(text) => reader.of_text(text)?,
        Value::Number(number) => exact(from_number(number)),
        Value::Object(fields) => reader.of_object(fields)?,
        Value::List(items) => reader.of_list(items)?,
        Value::Null | Value::Bool(_) => None,
    };
    Ok(moment.filter(|moment| (0..=LATEST_MS).contains(&moment.ms)))
}

/// As `normalise.read_time`: read in UTC; a time without a date is in 1970.
pub fn read_in_utc(value: &Value, settings: &Settings) -> Result<Option<i64>, Declined> {
    let names = &settings.times;
    Ok(read_time(value, names, &names.utc, Some(0))?.map(|moment| moment.ms))
}

/// The time of an event whose line has a runtime's time.
pub fn event_time_of_line(
    timestamp: Option<&Value>,
    runtime_ms: i64,
    settings: &Settings,
    zone: &Zone,
) -> Result<EventTime, Declined> {
    let skew = Skew {
        future_ms: settings.future_ms,
        past_ms: settings.past_ms,
        age_ms: 0,
    };
    event_time(timestamp, Some(runtime_ms), 0, skew, &settings.times, zone)
}

/// Return the application's `timestamp` if it is a time near the runtime's, else the runtime's time and a violation.
///
/// In a log without runtime times `now_ms` replaces them. A time without zone that is whole half hours from the
/// runtime's was written in another zone than `zone`. A date alone is less exact than the runtime's time.
pub fn event_time(
    timestamp: Option<&Value>,
    runtime_ms: Option<i64>,
    now_ms: i64,
    skew: Skew,
    names: &TimeNames,
    zone: &Zone,
) -> Result<EventTime, Declined> {
    let fallback = runtime_ms.unwrap_or(now_ms);
    let used = |ms| Ok(EventTime { ms, doubt: None });
    let doubted = |kind, detail: Cow<str>| {
        let (field, detail) = (Some("timestamp".to_owned()), detail.into_owned());
        Ok(EventTime {
            ms: fallback,
            doubt: Some(Violation {
                kind,
                field,
                detail,
            }),
        })
    };
    let Some(timestamp) = timestamp.filter(|timestamp| !timestamp.is_null()) else {
        return used(fallback);
    };
    let Some(Moment { ms, zoned }) = read_time(timestamp, names, zone, Some(fallback))? else {
        return doubted(Kind::TimestampInvalid, INVALID_TIME.into());
    };
    if let (false, Some(runtime_ms)) = (zoned, runtime_ms) {
        if names_a_date(timestamp) {
            return used(fallback);
        }
        let half_hours = half_hours(ms - runtime_ms);
        if half_hours != 0 {
            let detail = in_another_zone(half_hours, &zone.name);
            return doubted(Kind::TimestampZone, detail.into());
        }
    }
    let past_ms = if runtime_ms.is_some() {
        skew.past_ms
    } else {
        skew.age_ms
    };
    let distance = ms - fallback;
    if (-past_ms..=skew.future_ms).contains(&distance) {
        return used(ms);
    }
    let seconds = distance.abs() / 1000;
    let direction = if distance > 0 { "after" } else { "before" };
    let other = if runtime_ms.is_some() {
        "the runtime's"
    } else {
        "the time of reading"
    };
    let detail = format!("`timestamp` is {seconds} s {direction} {other}, which is used");
    doubted(Kind::TimestampSkewed, detail.into())
}

/// Return a distance in half hours if it is one between two zones; else 0.
fn half_hours(distance_ms: i64) -> i64 {
    let half_hours = rounded(distance_ms, HALF_HOUR_MS);
    let rest_ms = (distance_ms - half_hours * HALF_HOUR_MS).abs();
    if half_hours.abs() <= MOST_HALF_HOURS && rest_ms <= ZONE_TOLERANCE_MS {
        half_hours
    } else {
        0
    }
}

fn in_another_zone(half_hours: i64, zone: &str) -> String {
    let number = half_hours.abs();
    let half = if number % 2 == 0 { "" } else { ".5" };
    let direction = if half_hours > 0 { "after" } else { "before" };
    format!(
        "`timestamp` names no zone and, read as {zone}, is {}{half} h {direction} the runtime's, which is used; set \
         schema.timezone to the application's zone, or log times with their zone",
        number / 2
    )
}

/// True if a value that `read_time` accepts is a date without a clock.
pub fn names_a_date(value: &Value) -> bool {
    match value {
        Value::Text(text) => !text.contains(':') && is_date(strip(text)),
        Value::List(items) => items.len() == 3,
        _ => false,
    }
}

fn is_date(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let mut scanner = Scanner::new(text);
    if scanner.digits(4).is_none() {
        return false;
    }
    let mut other = scanner;
    let separator = scanner.one(|byte| matches!(byte, b'-' | b'/' | b'.' | b' '));
    if let Some(separator) = separator {
        let month = scanner.some(2, is_digit) > 0
            || scanner.some(3, |byte| byte.is_ascii_alphabetic()) == 3;
        let day = month
            && scanner.one(|byte| byte == separator).is_some()
            && scanner.some(2, is_digit) > 0;
        if day && scanner.is_at_end() {
            return true;
        }
    } else {
        let mut ahead = scanner;
        let named = ahead.some(3, |byte| byte.is_ascii_alphabetic()) == 3;
        let day = if named { ahead.some(2, is_digit) } else { 0 };
        if day > 0 && ahead.is_at_end() {
            return true;
        }
        let digits = scanner.some(4, is_digit);
        if digits >= 2 && scanner.is_at_end() {
            return true;
        }
    }
    other.take("-");
    if other.take("W") {
        if other.digits(2).is_none() {
            return false;
        }
        let mut day = other;
        day.take("-");
        return other.is_at_end() || (day.digits(1).is_some() && day.is_at_end());
    }
    other.digits(3).is_some() && other.is_at_end()
}

/// Return milliseconds since the epoch of a time as runtimes and most applications write it, `YYYY-MM-DDTHH:MM:SS.fffZ`;
/// None for any other form, and for times before 1970.
pub fn parse_ms(text: &[u8]) -> Option<i64> {
    if !(22..=30).contains(&text.len()) || text[text.len() - 1] != b'Z' {
        return None;
    }
    let separators = [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'.'),
    ];
    if separators.iter().any(|&(place, sign)| text[place] != sign) {
        return None;
    }
    let year = number(&text[0..4])?;
    let month = number(&text[5..7])?;
    let day = number(&text[8..10])?;
    let (hour, minute, second) = (
        number(&text[11..13])?,
        number(&text[14..16])?,
        number(&text[17..19])?,
    );
    if year < 1970 {
        return None;
    }
    let fraction = &text[20..text.len() - 1];
    number(fraction)?;
    let ms = (0..3).fold(0, |sum, place| {
        sum * 10
            + fraction
                .get(place)
                .map_or(0, |&digit| i64::from(digit - b'0'))
    });
    Some(second_ms(year, month, day, hour, minute, second)? + ms)
}

fn number(digits: &[u8]) -> Option<i64> {
    let mut sum = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        sum = sum * 10 + i64::from(digit - b'0');
    }
    Some(sum)
}

// --- numbers --------------------------------------------------------------------------------------

/// Return milliseconds since the epoch of a number of seconds, milli-, micro- or nanoseconds, by its magnitude.
fn from_number(number: &str) -> Option<i64> {
    let ms = if crate::value::is_whole(number) {
        let value: i128 = number.parse().ok()?;
        match value {
            1..100_000_000_000 => value * 1000,
            100_000_000_000..100_000_000_000_000 => value,
            100_000_000_000_000..100_000_000_000_000_000 => value / 1000,
            100_000_000_000_000_000..10_000_000_000_000_000_000 => value / 1_000_000,
            _ => return None,
        }
    } else {
        let value: f64 = number.parse().ok()?;
        if !(value > 0.0 && value < 1e19) {
            return None;
        }
        if value < 1e11 {
            ((value * 1_000_000.0).round_ties_even() as i128) / 1000
        } else if value < 1e14 {
            value as i128
        } else if value < 1e17 {
            value as i128 / 1000
        } else {
            value as i128 / 1_000_000
        }
    };
    Some(ms.min(i128::from(LATEST_MS)) as i64)
}

/// As `from_number`, of a text of digits with a point and an exponent, in decimal arithmetic.
fn from_numeral(numeral: &Numeral) -> Option<i64> {
    let digits: Vec<u8> = numeral.digits();
    let begin = digits.iter().position(|&digit| digit != 0)?;
    let digits = &digits[begin..];
    // 0.DIGITS times ten to the power of `magnitude`
    let magnitude = digits.len() as i64 - numeral.fraction.len() as i64 + numeral.exponent;
    if magnitude > 19 {
        return None;
    }
    let ms = if magnitude <= 11 {
        whole_part(digits, magnitude + 3, true)
    } else {
        let whole = whole_part(digits, magnitude, false);
        match magnitude {
            12..=14 => whole,
            15..=17 => whole / 1000,
            _ => whole / 1_000_000,
        }
    };
    Some(ms.min(i128::from(LATEST_MS)) as i64)
}

/// Return the whole part of 0.DIGITS times ten to the power of `magnitude`; `rounds` to what decimal numbers hold.
fn whole_part(digits: &[u8], magnitude: i64, rounds: bool) -> i128 {
    let (mut digits, mut magnitude) = (digits.to_vec(), magnitude);
    if rounds && digits.len() > DECIMAL_DIGITS {
        let (kept, rest) = digits.split_at(DECIMAL_DIGITS);
        let half = rest[0].cmp(&5).then_with(|| {
            let exact = rest[1..].iter().all(|&digit| digit == 0);
            if exact {
                std::cmp::Ordering::Equal
            } else {
                std::cmp::Ordering::Greater
            }
        });
        let odd = kept[DECIMAL_DIGITS - 1] % 2 == 1;
        let up = half.is_gt() || (half.is_eq() && odd);
        let mut kept = kept.to_vec();
        let mut carries = up;
        for digit in kept.iter_mut().rev() {
            if !carries {
                break;
            }
            carries = *digit == 9;
            *digit = if carries { 0 } else { *digit + 1 };
        }
        if carries {
            kept.insert(0, 1);
            magnitude += 1;
        }
        digits = kept;
    }
    (0..magnitude.max(0)).fold(0i128, |sum, place| {
        let digit = digits.get(place as usize).copied().unwrap_or(0);
        sum * 10 + i128::from(digit)
    })
}

/// A text of at most twenty digits, with a fraction and an exponent.
struct Numeral<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl Numeral<'_> {
    fn of(text: &str) -> Option<Numeral<'_>> {
        let is_digit = |byte: u8| byte.is_ascii_digit();
        let mut scanner = Scanner::new(text);
        let count = scanner.some(20, is_digit);
        if count == 0 {
            return None;
        }
        let whole = &text.as_bytes()[..count];
        let mut fraction: &[u8] = b"";
        if scanner.take(".") {
            let begin = scanner.at;
            scanner.some(40, is_digit);
            fraction = &text.as_bytes()[begin..scanner.at];
        }
        let mut exponent = 0;
        if scanner.one(|byte| matches!(byte, b'e' | b'E')).is_some() {
            scanner.take("+");
            let begin = scanner.at;
            if scanner.some(2, is_digit) == 0 {
                return None;
            }
            exponent = text[begin..scanner.at].parse().ok()?;
        }
        scanner.is_at_end().then_some(Numeral {
            whole,
            fraction,
            exponent,
        })
    }

    fn digits(&self) -> Vec<u8> {
        let bytes = self.whole.iter().chain(self.fraction);
        bytes.map(|byte| byte - b'0').collect()
    }
}

fn exact(ms: Option<i64>) -> Option<Moment> {
    ms.map(|ms| Moment { ms, zoned: true })
}

/// Return a natural number of at most eighteen digits, given as such or as text.
fn integer(value: &Value) -> Option<i64> {
    let digits: &str = match value {
        Value::Text(text) => text,
        Value::Number(number) => number,
        _ => return None,
    };
    let is_natural = (1..=MOST_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_natural.then(|| digits.parse().ok()).flatten()
}

// --- text, objects, lists -------------------------------------------------------------------------

/// A time of RFC 3339, or a similar one.
struct Rfc3339<'a> {
    /// None if there is no such date or clock.
    wall_ms: Option<i64>,
    zone: &'a str,
}

/// Read `YYYY-MM-DD HH:MM:SS.fffffffff ±HH:MM`; None for another form.
fn rfc3339(text: &str) -> Option<Rfc3339<'_>> {
    let mut scanner = Scanner::new(text);
    let year = scanner.digits(4)?;
    scanner.take("-").then_some(())?;
    let month = scanner.digits(2)?;
    scanner.take("-").then_some(())?;
    let day = scanner.digits(2)?;
    scanner.one(|byte| matches!(byte, b'T' | b' '))?;
    let hour = scanner.digits(2)?;
    scanner.take(":").then_some(())?;
    let minute = scanner.digits(2)?;
    scanner.take(":").then_some(())?;
    let second = scanner.digits(2)?;
    let mut fraction_ms = 0;
    let mut ahead = scanner;
    if ahead.one(|byte| matches!(byte, b'.' | b',')).is_some() {
        let begin = ahead.at;
        let count = ahead.some(9, |byte| byte.is_ascii_digit());
        if count > 0 {
            fraction_ms = leading_ms(&text.as_bytes()[begin..begin + count]);
            scanner = ahead;
        }
    }
    scanner.one(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
    let zone = &text[scanner.at..];
    if !matches!(zone, "" | "Z" | "z" | "UTC") {
        scanner.one(|byte| matches!(byte, b'+' | b'-'))?;
        scanner.digits(2)?;
        scanner.take(":");
        scanner.digits(2)?;
        scanner.is_at_end().then_some(())?;
    }
    let wall_ms = second_ms(year, month, day, hour, minute, second).map(|ms| ms + fraction_ms);
    Some(Rfc3339 { wall_ms, zone })
}

fn second_ms(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    let is_clock = hour < 24 && minute < 60 && second < 60;
    let day_ms = day_start_ms(year, month, day).filter(|_| is_clock)?;
    Some(day_ms + (hour * 3600 + minute * 60 + second) * 1000)
}

/// Return the first three digits of a fraction.
fn leading_ms(digits: &[u8]) -> i64 {
    (0..3).fold(0, |sum, place| {
        sum * 10
            + digits
                .get(place)
                .map_or(0, |&digit| i64::from(digit - b'0'))
    })
}

/// Return milliseconds since the epoch of an RFC 3339 time, or a similar one, that ends with `Z`; None if invalid.
fn of_utc(text: &str) -> Result<Option<i64>, Declined> {
    let bytes = text.as_bytes();
    if bytes.len() > 20 && bytes[10] == b'T' && bytes[19] == b'.' && bytes[..20].is_ascii() {
        let fraction = &bytes[20..bytes.len() - 1];
        if !fraction.is_ascii() {
            return Err(Declined::Encoding); // digits of other scripts are digits in Python
        }
        if fraction.iter().all(u8::is_ascii_digit)
            && !fraction.is_empty()
            && let Some(ms) = rfc3339(&text[..19]).and_then(|time| time.wall_ms)
        {
            return Ok(Some(ms + leading_ms(fraction)));
        }
    }
    Ok(rfc3339(strip(text)).and_then(|time| time.wall_ms))
}

struct Reader<'a> {
    names: &'a TimeNames,
    context: Context<'a>,
}

impl Reader<'_> {
    fn of_text(&self, text: &str) -> Reading {
        if text.ends_with('Z')
            && let Some(ms) = of_utc(text)?
        {
            return Ok(exact(Some(ms)));
        }
        if text.len() > LONGEST && text.chars().nth(LONGEST).is_some() {
            return Ok(None);
        }
        let text = strip(text);
        match rfc3339(text) {
            Some(Rfc3339 {
                wall_ms: Some(wall_ms),
                zone,
            }) => return self.context.zones.instant(wall_ms, zone),
            Some(_) => {}
            None => {
                if let Some(numeral) = Numeral::of(text) {
                    let compact = read_compact(text, self.context)?;
                    return Ok(compact.or_else(|| exact(from_numeral(&numeral))));
                }
            }
        }
        read_text(text, self.context)
    }

    /// The time of MongoDB's `$date`, of Monolog's `date`, or of seconds with the rest of the second.
    fn of_object(&self, fields: &Fields) -> Reading {
        let number_long = |fields: &Fields| get(fields, "$numberLong").and_then(integer);
        match get(fields, "$date") {
            Some(Value::Object(inner)) => return Ok(exact(number_long(inner))),
            Some(date) if !date.is_null() => {
                if let Some(ms) = integer(date) {
                    return Ok(exact(Some(ms)));
                }
                return match date {
                    Value::Text(text) => self.of_text(text),
                    _ => Ok(None),
                };
            }
            None if get(fields, "$numberLong").is_some() => return Ok(exact(number_long(fields))),
            _ => {}
        }
        if let Some(Value::Text(date)) = get(fields, "date") {
            let zone = get(fields, "timezone").and_then(Value::as_text);
            return self.of_text(&format!("{date} {}", zone.unwrap_or("")));
        }
        for pair in &self.names.pairs {
            let part = get(fields, &pair.part);
            if let Some(seconds) = get(fields, &pair.seconds)
                && (part.is_some() || fields.len() == 1)
            {
                return Ok(of_pair(
                    integer(seconds),
                    part.map_or(Some(0), integer),
                    pair.per_ms,
                ));
            }
        }
        Ok(None)
    }

    /// The time of a list: year to nanoseconds, as Jackson writes a Java date, or seconds and nanoseconds.
    fn of_list(&self, items: &[Value]) -> Reading {
        let mut numbers = [0i64; 7];
        if !(2..=7).contains(&items.len()) {
            return Ok(None);
        }
        for (number, item) in numbers.iter_mut().zip(items) {
            match integer(item) {
                Some(value) => *number = value,
                None => return Ok(None),
            }
        }
        if items.len() == 2 {
            return Ok(of_pair(Some(numbers[0]), Some(numbers[1]), 1_000_000));
        }
        let [year, month, day, hour, minute, second, nanoseconds] = numbers;
        match second_ms(year, month, day, hour, minute, second) {
            Some(wall_ms) if nanoseconds < 1_000_000_000 => {
                let wall_ms = wall_ms + nanoseconds / 1_000_000;
                Ok(Some(self.context.zones.unzoned(wall_ms)?))
            }
            _ => Ok(None),
        }
    }
}

fn of_pair(seconds: Option<i64>, part: Option<i64>, per_ms: i64) -> Option<Moment> {
    let (seconds, part) = (seconds?, part?);
    if part >= 1000 * per_ms {
        return None;
    }
    exact(seconds.checked_mul(1000)?.checked_add(part / per_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.0Z", 0),
            ("1970-01-01T00:00:00.999999999Z", 999),
            ("1999-12-31T23:59:59.01Z", 946_684_799_010),
            ("2000-02-29T00:00:00.5Z", 951_782_400_500),
            ("2024-02-29T12:00:00.000Z", 1_709_208_000_000),
            ("2026-11-23T10:00:00.123456789Z", 1_795_428_000_123),
            ("2100-03-01T00:00:00.0Z", 4_107_542_400_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(parse_ms(text.as_bytes()), Some(ms), "{text}");
        }
    }

    #[test]
    fn any_other_form_is_none() {
        for text in [
            "",
            "Z",
            "2026-02-29T00:00:00.0Z",
            "2100-02-29T00:00:00.0Z",
            "2026-04-31T00:00:00.0Z",
            "2026-13-01T00:00:00.0Z",
            "2026-00-01T00:00:00.0Z",
            "2026-01-00T00:00:00.0Z",
            "2026-01-01T24:00:00.0Z",
            "2026-01-01T00:60:00.0Z",
            "2026-01-01T00:00:60.0Z",
            "1969-12-31T23:59:59.9Z",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01 00:00:00.0Z",
            "2026-01-01T00:00:00.0+01:00",
            "2026-01-01T00:00:00.xZ",
            "2026-01-01T00:00:00.1234567890Z",
            "+026-01-01T00:00:00.0Z",
        ] {
            assert_eq!(parse_ms(text.as_bytes()), None, "{text}");
        }
    }
}
