//! Times in the many notations of loggers; the twin of `time_formats.py`.
//!
//! Each function reads what the expression of its name in `NOTATIONS` reads, in the same order of preference.

use crate::python_text::strip;
use crate::time_zones::{MS_PER_DAY, Moment, Reading, Scanner, Zones};

/// A live event's time is this close to the reference, in whatever zone it was written.
const NEAR_MS: i64 = 36 * 3_600_000;
/// Most characters after a clock.
const LONGEST_REST: usize = 80;
const MOST_FRACTION: usize = 30;
const LATEST_YEAR: i64 = 9999;

/// What a notation needs beside the text.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub zones: Zones<'a>,
    /// The names of months in lower case, whole and short, with their numbers.
    pub months: &'a [(String, i64)],
}

/// A clock, and what is written after it.
#[derive(Clone, Copy, Default)]
struct Clock<'a> {
    hour: i64,
    minute: i64,
    second: Option<i64>,
    fraction_ms: i64,
    /// `A` or `P`, in any case.
    half: Option<u8>,
    rest: &'a str,
}

/// A year as written; one of two digits is of POSIX's century.
#[derive(Clone, Copy)]
struct Year {
    number: i64,
    digits: usize,
}

impl Year {
    fn full(self) -> i64 {
        match (self.digits, self.number) {
            (3.., year) => year,
            (_, year @ 69..) => year + 1900,
            (_, year) => year + 2000,
        }
    }
}

#[derive(Clone, Copy)]
struct Date<'a> {
    year: Option<Year>,
    month: &'a str,
    day: i64,
}

/// Return the instant of a time in any notation but RFC 3339 and numbers; None if it is not a time.
pub fn read_text(text: &str, context: Context) -> Reading {
    if text.is_ascii() {
        return read_notations(without_frame(text), context);
    }
    let spaced = text.replace(['\u{a0}', '\u{202f}', '\u{2009}'], " ");
    let spaced: &str = &spaced.replace('\u{2212}', "-");
    read_notations(without_frame(spaced), context)
}

/// Return the text without brackets around it, and without the day of the week.
fn without_frame(text: &str) -> &str {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    after_weekday(inner.unwrap_or(text))
}

type Notation = for<'a> fn(&'a str, Context<'_>) -> Reading;

fn read_notations(text: &str, context: Context) -> Reading {
    let notations: &[Notation] = match text.as_bytes().first() {
        Some(letter) if letter.is_ascii_alphabetic() => &[month_first, month_and_day],
        Some(_) => &[
            extended,
            day_first,
            clock_alone,
            compact,
            mixed,
            numeric,
            month_and_day,
            short,
            ordinal,
            week,
        ],
        None => return Ok(None),
    };
    for notation in notations {
        let moment = notation(text, context)?;
        if moment.is_some() {
            return Ok(moment);
        }
    }
    Ok(dotnet(text).map(|ms| Moment { ms, zoned: true }))
}

/// Return the instant of a date, or of a date and a time, in digits alone: `20261130113718`; None if it is not.
pub fn read_compact(text: &str, context: Context) -> Reading {
    let is_long_enough = matches!(text.len(), 8 | 12 | 14 | 17 | 20 | 23);
    if is_long_enough
        && text
            .get(..4)
            .is_some_and(|year| ("1970"..="2100").contains(&year))
    {
        compact(text, context)
    } else {
        Ok(None)
    }
}

// --- the calendar ---------------------------------------------------------------------------------

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Return the days between 1970-01-01 and a date of the Gregorian calendar.
pub fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let past = year - 1;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let passed = BEFORE[(month - 1) as usize] + i64::from(month > 2 && is_leap(year));
    (year - 1970) * 365 + leaps(past) - leaps(1969) + passed + day - 1
}

/// Return the beginning of a date in milliseconds since the epoch; None if it is not in the calendar.
pub fn day_start_ms(year: i64, month: i64, day: i64) -> Option<i64> {
    let exists = (1..=LATEST_YEAR).contains(&year)
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_in(year, month);
    exists.then(|| days_since_epoch(year, month, day) * MS_PER_DAY)
}

/// Return the year, the month and the day of a day since the epoch.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while days_since_epoch(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_since_epoch(year, month + 1, 1) <= days {
        month += 1;
    }
    (year, month, days - days_since_epoch(year, month, 1) + 1)
}

// --- parts of a text ------------------------------------------------------------------------------

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Return the text without the name of a day of the week before it.
fn after_weekday(text: &str) -> &str {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut scanner = Scanner::new(text);
    if !NAMES.iter().any(|name| scanner.take(name)) {
        return text;
    }
    scanner.some(6, |byte| byte.is_ascii_lowercase());
    scanner.take(".");
    scanner.take(",");
    if scanner.some(2, |byte| byte == b' ') == 0 {
        return text;
    }
    &text[scanner.at..]
}

/// Return what is left of a text: at most `LONGEST_REST` characters of one line.
fn rest_of<'a>(text: &'a str, scanner: Scanner) -> Option<&'a str> {
    let rest = &text[scanner.at..];
    let fits = rest.len() <= LONGEST_REST || rest.chars().count() <= LONGEST_REST;
    (fits && !rest.contains('\n')).then_some(rest)
}

/// Read digits of a fraction of a second, as milliseconds; None without a digit.
fn fraction_ms(scanner: &mut Scanner) -> Option<i64> {
    let begin = scanner.at;
    let count = scanner.some(MOST_FRACTION, is_digit);
    if count == 0 {
        return None;
    }
    let digits = &scanner.text[begin..begin + count];
    let digit = |place: usize| digits.get(place).map_or(0, |&byte| i64::from(byte - b'0'));
    Some(digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// Read `H:MM`, `HH:MM:SS.fff`, with `AM` or `PM` after it, and leave the rest.
fn bare_clock<'a>(scanner: &mut Scanner) -> Option<Clock<'a>> {
    let mut ahead = *scanner;
    let first = ahead.one(|byte| byte == b' ' || is_digit(byte))?;
    let hour = match ahead.peek()? {
        digit if is_digit(digit) => {
            ahead.at += 1;
            let tens = if first == b' ' {
                0
            } else {
                i64::from(first - b'0')
            };
            tens * 10 + i64::from(digit - b'0')
        }
        _ if first != b' ' => i64::from(first - b'0'),
        _ => return None,
    };
    if !ahead.take(":") {
        return None;
    }
    let mut clock = Clock {
        hour,
        minute: ahead.digits(2)?,
        ..Clock::default()
    };
    let mut seconds = ahead;
    if seconds.take(":")
        && let Some(second) = seconds.digits(2)
    {
        clock.second = Some(second);
        ahead = seconds;
        if seconds
            .one(|byte| matches!(byte, b'.' | b',' | b':'))
            .is_some()
            && let Some(ms) = fraction_ms(&mut seconds)
        {
            clock.fraction_ms = ms;
            ahead = seconds;
        }
    }
    let mut half = ahead;
    half.take(" ");
    if let Some(letter) = half.one(|byte| matches!(byte, b'A' | b'a' | b'P' | b'p')) {
        half.take(".");
        let of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if half.one(|byte| matches!(byte, b'M' | b'm')).is_some()
            && !half.peek().is_some_and(of_word)
        {
            half.take(".");
            clock.half = Some(letter);
            ahead = half;
        }
    }
    *scanner = ahead;
    Some(clock)
}

fn clock_and_rest<'a>(text: &'a str, mut scanner: Scanner) -> Option<Clock<'a>> {
    let clock = bare_clock(&mut scanner)?;
    let rest = rest_of(text, scanner)?;
    Some(Clock { rest, ..clock })
}

/// Read a clock after one or two spaces, preferably two.
fn after_spaces<'a>(text: &'a str, mut scanner: Scanner) -> Option<Clock<'a>> {
    if !scanner.take(" ") {
        return None;
    }
    let mut second = scanner;
    if second.take(" ")
        && let Some(clock) = clock_and_rest(text, second)
    {
        return Some(clock);
    }
    clock_and_rest(text, scanner)
}

/// Read `HHMM`, `HHMMSS.fff`, with colons or without, and the rest.
fn digital_clock<'a>(text: &'a str, mut scanner: Scanner) -> Option<Clock<'a>> {
    let hour = scanner.digits(2)?;
    scanner.take(":");
    let minute = scanner.digits(2)?;
    let mut clock = Clock {
        hour,
        minute,
        ..Clock::default()
    };
    let mut seconds = scanner;
    seconds.take(":");
    if let Some(second) = seconds.digits(2) {
        clock.second = Some(second);
        clock.fraction_ms = optional_fraction(&mut seconds);
        scanner = seconds;
    }
    let rest = rest_of(text, scanner)?;
    Some(Clock { rest, ..clock })
}

/// Read a fraction with a sign before it or without.
fn optional_fraction(scanner: &mut Scanner) -> i64 {
    let mut ahead = *scanner;
    ahead.one(|byte| matches!(byte, b'.' | b','));
    let Some(ms) = fraction_ms(&mut ahead) else {
        return 0;
    };
    *scanner = ahead;
    ms
}

/// Return the milliseconds since midnight; second 60 is the beginning of the next minute, 24:00:00 the next midnight.
fn clock_ms(clock: &Clock) -> Option<i64> {
    let mut hour = clock.hour;
    let second = clock.second.unwrap_or(0);
    if let Some(half) = clock.half {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if matches!(half, b'P' | b'p') { 12 } else { 0 };
    }
    let within = hour < 24 && clock.minute < 60 && second <= 60;
    if !within && (hour, clock.minute, second, clock.fraction_ms) != (24, 0, 0, 0) {
        return None;
    }
    Some((hour * 3600 + clock.minute * 60 + second) * 1000 + clock.fraction_ms)
}

/// Return the instant of a day's beginning with a clock and its zone.
fn at(day_ms: Option<i64>, clock: &Clock, context: Context) -> Reading {
    match (day_ms, clock_ms(clock)) {
        (Some(day_ms), Some(clock_ms)) => {
            context.zones.instant(day_ms + clock_ms, strip(clock.rest))
        }
        _ => Ok(None),
    }
}

// --- notations ------------------------------------------------------------------------------------

fn dated(parts: Option<(Date, Clock)>, context: Context) -> Reading {
    let Some((date, clock)) = parts else {
        return Ok(None);
    };
    let month = if date.month.bytes().all(is_digit) {
        date.month.parse().unwrap_or(0)
    } else {
        let name = date.month.to_ascii_lowercase();
        match context.months.iter().find(|(known, _)| *known == name) {
            Some((_, month)) => *month,
            None => return Ok(None),
        }
    };
    if let Some(year) = date.year {
        return at(day_start_ms(year.full(), month, date.day), &clock, context);
    }
    if let Some((zone, year)) = year_after(clock.rest) {
        let clock = Clock {
            rest: zone,
            ..clock
        };
        return at(day_start_ms(year, month, date.day), &clock, context);
    }
    match context.zones.reference_ms {
        Some(reference_ms) => in_latest_year(month, date.day, clock, context, reference_ms),
        None => Ok(None),
    }
}

/// Return the zone and the year that end a text, as ctime writes them.
fn year_after(rest: &str) -> Option<(&str, i64)> {
    let split = rest.len().checked_sub(5)?;
    let (zone, year) = (rest.get(..split)?, rest.get(split..)?);
    let digits = year.strip_prefix(' ')?;
    let is_short = zone.len() <= 40 || zone.chars().count() <= 40;
    (is_short && digits.bytes().all(is_digit)).then(|| (zone, digits.parse().unwrap_or(0)))
}

fn in_latest_year(
    month: i64,
    day: i64,
    clock: Clock,
    context: Context,
    reference_ms: i64,
) -> Reading {
    let this_year = date_of(reference_ms.div_euclid(MS_PER_DAY)).0;
    let (latest, earliest) = ((this_year + 1).min(LATEST_YEAR), (this_year - 9).max(1));
    for year in (earliest + 1..=latest).rev() {
        let moment = at(day_start_ms(year, month, day), &clock, context)?;
        if moment.is_some_and(|moment| moment.ms <= reference_ms + MS_PER_DAY) {
            return Ok(moment);
        }
    }
    Ok(None)
}

/// `2026-11-30 11:37:18.721 +01:00`, `2026/11/30 11:37:18`, `2026-Nov-30 11:37:18`
fn extended(text: &str, context: Context) -> Reading {
    dated(extended_parts(text), context)
}

fn extended_parts(text: &str) -> Option<(Date<'_>, Clock<'_>)> {
    let mut scanner = Scanner::new(text);
    let year = scanner.digits(4)?;
    let separator = scanner.one(|byte| matches!(byte, b'-' | b'/' | b'.' | b' '))?;
    let begin = scanner.at;
    if scanner.some(2, is_digit) == 0 && scanner.some(3, |byte| byte.is_ascii_alphabetic()) != 3 {
        return None;
    }
    let month = &text[begin..scanner.at];
    scanner.one(|byte| byte == separator)?;
    let day = one_or_two(&mut scanner)?;
    let date = Date {
        year: Some(Year {
            number: year,
            digits: 4,
        }),
        month,
        day,
    };
    let clock = match scanner.peek() {
        None => Clock::default(),
        Some(b'T' | b't' | b'_' | b':') => {
            scanner.at += 1;
            clock_and_rest(text, scanner)?
        }
        Some(b',') => {
            scanner.take(", ").then_some(())?;
            clock_and_rest(text, scanner)?
        }
        Some(_) => after_spaces(text, scanner)?,
    };
    Some((date, clock))
}

fn one_or_two(scanner: &mut Scanner) -> Option<i64> {
    let first = scanner.digits(1)?;
    Some(match scanner.one(is_digit) {
        Some(second) => first * 10 + i64::from(second - b'0'),
        None => first,
    })
}

/// `2026-11-30T1137Z`, `2026-11-30T11`
fn mixed(text: &str, context: Context) -> Reading {
    dated(mixed_parts(text), context)
}

fn mixed_parts(text: &str) -> Option<(Date<'_>, Clock<'_>)> {
    let mut scanner = Scanner::new(text);
    let year = scanner.digits(4)?;
    scanner.take("-").then_some(())?;
    let month = scanner.at;
    scanner.digits(2)?;
    let month = &text[month..scanner.at];
    scanner.take("-").then_some(())?;
    let day = scanner.digits(2)?;
    scanner.one(|byte| matches!(byte, b'T' | b't'))?;
    let mut clock = Clock {
        hour: scanner.digits(2)?,
        ..Clock::default()
    };
    let mut ahead = scanner;
    if let Some(minute) = ahead.digits(2) {
        clock.minute = minute;
        scanner = ahead;
        if let Some(second) = ahead.digits(2) {
            clock.second = Some(second);
            clock.fraction_ms = optional_fraction(&mut ahead);
            scanner = ahead;
        }
    }
    clock.rest = rest_of(text, scanner)?;
    let year = Some(Year {
        number: year,
        digits: 4,
    });
    Some((Date { year, month, day }, clock))
}

/// `20261130T113718Z`, `20261130-11:37:18.721`
fn compact(text: &str, context: Context) -> Reading {
    dated(compact_parts(text), context)
}

fn compact_parts(text: &str) -> Option<(Date<'_>, Clock<'_>)> {
    let mut scanner = Scanner::new(text);
    let number = scanner.digits(4)?;
    scanner.digits(2)?;
    let month = &text[4..6];
    let day = scanner.digits(2)?;
    let clock = if scanner.is_at_end() {
        Clock::default()
    } else {
        scanner.one(|byte| matches!(byte, b'T' | b't' | b' ' | b'_' | b'-'));
        digital_clock(text, scanner)?
    };
    let year = Some(Year { number, digits: 4 });
    Some((Date { year, month, day }, clock))
}

/// Read the clock after a date by week or by day of the year.
fn optional_clock<'a>(text: &'a str, mut scanner: Scanner) -> Option<Clock<'a>> {
    if scanner.is_at_end() {
        return Some(Clock::default());
    }
    scanner.one(|byte| matches!(byte, b'T' | b't' | b' '))?;
    digital_clock(text, scanner)
}

/// `2026-W49-1T11:37:18Z`
fn week(text: &str, context: Context) -> Reading {
    let read = || {
        let mut scanner = Scanner::new(text);
        let year = scanner.digits(4)?;
        scanner.take("-");
        scanner.take("W").then_some(())?;
        let week = scanner.digits(2)?;
        let mut ahead = scanner;
        ahead.take("-");
        let weekday = ahead.one(|byte| (b'1'..=b'7').contains(&byte));
        if weekday.is_some() {
            scanner = ahead;
        }
        let weekday = weekday.map_or(1, |byte| i64::from(byte - b'0'));
        Some((year, week, weekday, optional_clock(text, scanner)?))
    };
    match read() {
        Some((year, week, weekday, clock)) => at(week_day_ms(year, week, weekday), &clock, context),
        None => Ok(None),
    }
}

/// Return the beginning of a day of an ISO week.
fn week_day_ms(year: i64, week: i64, weekday: i64) -> Option<i64> {
    if !(1..=LATEST_YEAR).contains(&year) || !(1..=53).contains(&week) {
        return None;
    }
    let monday = |year: i64| {
        let fourth = days_since_epoch(year, 1, 4); // 4 January is in the first week
        fourth - (fourth + 3).rem_euclid(7)
    };
    let day = monday(year) + (week - 1) * 7 + weekday - 1;
    let exists = monday(year) + (week - 1) * 7 < monday(year + 1);
    (exists && day <= days_since_epoch(LATEST_YEAR, 12, 31)).then_some(day * MS_PER_DAY)
}

/// `2026-334T11:37:18Z`
fn ordinal(text: &str, context: Context) -> Reading {
    let read = || {
        let mut scanner = Scanner::new(text);
        let year = scanner.digits(4)?;
        scanner.take("-");
        let day = scanner.digits(3)?;
        Some((year, day, optional_clock(text, scanner)?))
    };
    let Some((year, day, clock)) = read() else {
        return Ok(None);
    };
    let Some(begin) = day_start_ms(year, 1, 1) else {
        return Ok(None);
    };
    if !(1..=365 + i64::from(is_leap(year))).contains(&day) {
        return Ok(None);
    }
    at(Some(begin + (day - 1) * MS_PER_DAY), &clock, context)
}

/// Read the name of a month, perhaps with a point after it.
fn month_name<'a>(text: &'a str, scanner: &mut Scanner) -> Option<&'a str> {
    let begin = scanner.at;
    let letters = scanner.some(9, |byte| byte.is_ascii_alphabetic());
    let name = (letters >= 3).then(|| &text[begin..scanner.at])?;
    scanner.take(".");
    Some(name)
}

/// `30 Nov 2026 11:37:18 +0000`, `30/Nov/2026:11:37:18 +0000`, `30-Nov-26 11:37:18 GMT`, `30 Nov 11:37:18`
fn day_first(text: &str, context: Context) -> Reading {
    dated(day_first_parts(text), context)
}

fn day_first_parts(text: &str) -> Option<(Date<'_>, Clock<'_>)> {
    let is_separator = |byte: u8| matches!(byte, b' ' | b'/' | b'-');
    let mut scanner = Scanner::new(text);
    let day = one_or_two(&mut scanner)?;
    scanner.one(is_separator)?;
    let month = month_name(text, &mut scanner)?;
    let clock_after = |mut scanner: Scanner| {
        if scanner.take(":") {
            return clock_and_rest(text, scanner);
        }
        scanner.take(",");
        after_spaces(text, scanner)
    };
    let mut ahead = scanner;
    if ahead.one(is_separator).is_some() {
        for digits in [4, 2] {
            let mut after = ahead;
            let Some(number) = after.digits(digits) else {
                continue;
            };
            if digits == 2 && !matches!(after.peek(), Some(b' ' | b',')) {
                continue;
            }
            if let Some(clock) = clock_after(after) {
                let year = Some(Year { number, digits });
                return Some((Date { year, month, day }, clock));
            }
        }
    }
    let date = Date {
        year: None,
        month,
        day,
    };
    Some((date, clock_after(scanner)?))
}

/// `Nov 30 11:37:18`, `Nov 30, 2026 11:37:18 AM`, `Nov 30 11:37:18 UTC 2026`
fn month_first(text: &str, context: Context) -> Reading {
    dated(month_first_parts(text), context)
}

fn month_first_parts(text: &str) -> Option<(Date<'_>, Clock<'_>)> {
    let mut scanner = Scanner::new(text);
    let month = month_name(text, &mut scanner)?;
    if scanner.some(2, |byte| byte == b' ') == 0 {
        return None;
    }
    let day = one_or_two(&mut scanner)?;
    let clock_after = |scanner: Scanner| {
        for before in [",", " @", " at", ""] {
            let mut ahead = scanner;
            if ahead.take(before)
                && let Some(clock) = after_spaces(text, ahead)
            {
                return Some(clock);
            }
        }
        None
    };
    let mut ahead = scanner;
    ahead.take(",");
    if ahead.take(" ")
        && let Some(number) = ahead.digits(4)
        && let Some(clock) = clock_after(ahead)
    {
        let year = Some(Year { number, digits: 4 });
        return Some((Date { year, month, day }, clock));
    }
    let date = Date {
        year: None,
        month,
        day,
    };
    Some((date, clock_after(scanner)?))
}

/// `261130 11:37:18`
fn short(text: &str, context: Context) -> Reading {
    let read = || {
        let mut scanner = Scanner::new(text);
        let number = scanner.digits(2)?;
        scanner.digits(2)?;
        let day = scanner.digits(2)?;
        let year = Some(Year { number, digits: 2 });
        let date = Date {
            year,
            month: &text[2..4],
            day,
        };
        let clock = after_spaces(text, scanner)?;
        clock.rest.is_empty().then_some((date, clock))
    };
    dated(read(), context)
}

/// `I1130 11:37:18.721456`, `11-30 11:37:18.721`
fn month_and_day(text: &str, context: Context) -> Reading {
    let read = || {
        let mut scanner = Scanner::new(text);
        scanner.one(|byte| matches!(byte, b'I' | b'W' | b'E' | b'F' | b'D'));
        let begin = scanner.at;
        scanner.digits(2)?;
        let month = &text[begin..scanner.at];
        scanner.one(|byte| matches!(byte, b'-' | b'/'));
        let day = scanner.digits(2)?;
        let date = Date {
            year: None,
            month,
            day,
        };
        Some((date, after_spaces(text, scanner)?))
    };
    dated(read(), context)
}

/// A date in numbers that does not say which of them is the month: `11/30/2026`, `26/11/30`.
///
/// The order is the only one that is a date, or the only one that puts the time near the reference. Points mean that
/// the day is first; if nothing else decides, AM and PM mean that the month is.
fn numeric(text: &str, context: Context) -> Reading {
    let Some((separator, [first, middle, last], clock)) = numeric_parts(text) else {
        return Ok(None);
    };
    let mut orders = [None; 3];
    if separator != b'.' {
        orders[0] = Some((last, first, middle));
    }
    orders[1] = Some((last, middle, first));
    if separator != b'.' && last.digits == 2 {
        orders[2] = Some((first, middle, last));
    }
    let mut instants: Vec<Moment> = Vec::with_capacity(3);
    for (year, month, day) in orders.into_iter().flatten() {
        let day_ms = day_start_ms(year.full(), month.number, day.number);
        if let Some(moment) = at(day_ms, &clock, context)?
            && !instants.contains(&moment)
        {
            instants.push(moment);
        }
    }
    if instants.len() > 1
        && let Some(reference_ms) = context.zones.reference_ms
    {
        let is_near = |moment: &&Moment| (moment.ms - reference_ms).abs() <= NEAR_MS;
        let mut near = instants.iter().filter(is_near);
        if let (Some(moment), None) = (near.next(), near.next()) {
            return Ok(Some(*moment));
        }
    }
    let decided = instants.len() == 1 || clock.half.is_some();
    Ok(instants.first().copied().filter(|_| decided))
}

fn numeric_parts(text: &str) -> Option<(u8, [Year; 3], Clock<'_>)> {
    let mut scanner = Scanner::new(text);
    let number = |scanner: &mut Scanner| {
        let begin = scanner.at;
        let number = one_or_two(scanner)?;
        let digits = scanner.at - begin;
        Some(Year { number, digits })
    };
    let first = number(&mut scanner)?;
    let separator = scanner.one(|byte| matches!(byte, b'-' | b'/' | b'.'))?;
    let middle = number(&mut scanner)?;
    scanner.one(|byte| byte == separator)?;
    for digits in [4, 2] {
        let mut ahead = scanner;
        let Some(number) = ahead.digits(digits) else {
            continue;
        };
        let clock = if ahead.one(|byte| matches!(byte, b':' | b'T')).is_some() {
            clock_and_rest(text, ahead)
        } else {
            ahead.take(",");
            after_spaces(text, ahead)
        };
        if let Some(clock) = clock {
            return Some((separator, [first, middle, Year { number, digits }], clock));
        }
    }
    None
}

/// A clock alone, on the day that puts it nearest to the reference: `11:37:18.721`
fn clock_alone(text: &str, context: Context) -> Reading {
    let Some(clock) = clock_and_rest(text, Scanner::new(text)) else {
        return Ok(None);
    };
    let (Some(reference_ms), Some(_)) = (context.zones.reference_ms, clock.second) else {
        return Ok(None);
    };
    let day_ms = reference_ms.div_euclid(MS_PER_DAY) * MS_PER_DAY;
    let Some(today) = at(Some(day_ms), &clock, context)? else {
        return Ok(None);
    };
    let distance = rounded(reference_ms - today.ms, MS_PER_DAY);
    if distance == 0 {
        return Ok(Some(today));
    }
    at(Some(day_ms + distance * MS_PER_DAY), &clock, context)
}

/// Divide, and round to the nearest whole number; a half to the even one.
pub fn rounded(number: i64, by: i64) -> i64 {
    let (whole, rest) = (number.div_euclid(by), number.rem_euclid(by));
    let up = rest * 2 > by || (rest * 2 == by && whole % 2 != 0);
    whole + i64::from(up)
}

/// `/Date(1796038638721+0100)/`
fn dotnet(text: &str) -> Option<i64> {
    let mut scanner = Scanner::new(text);
    scanner.take("\\");
    scanner.take("/Date(").then_some(())?;
    let begin = scanner.at;
    let count = scanner.some(15, is_digit);
    let ms = text[begin..begin + count].parse().ok()?;
    if scanner.one(|byte| matches!(byte, b'+' | b'-')).is_some() {
        scanner.digits(4)?;
    }
    scanner.take(")").then_some(())?;
    scanner.take("\\");
    (scanner.take("/") && scanner.is_at_end()).then_some(ms)
}
