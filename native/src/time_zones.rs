//! Time zones as loggers write them, and the zone of times that name none; the twin of `time_zones.py`.
//!
//! Offsets and abbreviations are read here. A name of the IANA database is declined: the line takes the Python path,
//! which has the database. The configured zone comes with the plan, as a table of its transitions.

use std::ops::Range;

use crate::general::Declined;

/// Milliseconds since the epoch, and true if the value itself says which instant it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    pub ms: i64,
    pub zoned: bool,
}

/// The result of reading a time: the moment, None if it is not a time. Declined where only Python has the zone.
pub type Reading = Result<Option<Moment>, Declined>;

pub const MS_PER_DAY: i64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z
pub const LATEST_MS: i64 = 253_402_300_799_999;
const LONGEST_NAME: usize = 64;

/// The spellings that the plan declares.
#[derive(Default, Debug)]
pub struct ZoneNames {
    /// Abbreviations with one meaning, with their minutes east of Greenwich.
    pub minutes: Vec<(String, i64)>,
    /// Abbreviations with several meanings.
    pub ambiguous: Vec<String>,
}

/// An offset from UTC that is in use from one instant on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offset {
    pub from_ms: i64,
    pub offset_ms: i64,
    pub abbreviation: String,
}

/// The zone of times that name none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    pub name: String,
    /// In the order of their beginnings; the first holds before the second begins.
    offsets: Vec<Offset>,
    /// Wall clocks for which the table is complete; None: all.
    known: Option<Range<i64>>,
}

impl Default for Zone {
    fn default() -> Zone {
        let utc = Offset {
            from_ms: i64::MIN,
            offset_ms: 0,
            abbreviation: "UTC".to_owned(),
        };
        Zone {
            name: "UTC".to_owned(),
            offsets: vec![utc],
            known: None,
        }
    }
}

impl Zone {
    /// Build a zone from its offsets; None if there is none, or if they are not in their order.
    pub fn of(name: String, offsets: Vec<Offset>, known: Option<Range<i64>>) -> Option<Zone> {
        let mut pairs = offsets.windows(2);
        let ordered = pairs.all(|pair| pair[0].from_ms < pair[1].from_ms);
        (ordered && !offsets.is_empty()).then_some(Zone {
            name,
            offsets,
            known,
        })
    }

    /// Return the instant of a wall clock; of an hour that occurs twice the one nearer to the reference, or the first.
    pub fn instant(&self, wall_ms: i64, reference_ms: Option<i64>) -> Result<i64, Declined> {
        let first = wall_ms - self.at(wall_ms, false)?.offset_ms;
        let second = wall_ms - self.at(wall_ms, true)?.offset_ms;
        Ok(match reference_ms {
            Some(reference_ms)
                if first < second
                    && (second - reference_ms).abs() < (first - reference_ms).abs() =>
            {
                second
            }
            _ => first,
        })
    }

    /// Return the offset that a wall clock has, as the first or the second of a repeated hour.
    fn at(&self, wall_ms: i64, second: bool) -> Result<&Offset, Declined> {
        if self
            .known
            .as_ref()
            .is_some_and(|known| !known.contains(&wall_ms))
        {
            return Err(Declined::Time);
        }
        let begun = |pair: &[Offset]| {
            let (before, after) = (pair[0].offset_ms, pair[1].offset_ms);
            let shift = if second {
                before.min(after)
            } else {
                before.max(after)
            };
            pair[1].from_ms + shift <= wall_ms
        };
        let passed = self.offsets.windows(2).take_while(|pair| begun(pair));
        Ok(&self.offsets[passed.count()])
    }
}

/// What is needed to read a time without zone, or a zone's abbreviation.
#[derive(Clone, Copy)]
pub struct Zones<'a> {
    pub names: &'a ZoneNames,
    pub zone: &'a Zone,
    /// The runtime's time, or that of reading; it completes a time that does not name its day.
    pub reference_ms: Option<i64>,
}

impl Zones<'_> {
    /// Return the instant of a wall clock with the zone written after it; without one the clock is in the zone.
    pub fn instant(&self, wall_ms: i64, written: &str) -> Reading {
        let zoned = |ms: i64| Ok(Some(Moment { ms, zoned: true }));
        if written.is_empty() {
            return Ok(Some(self.unzoned(wall_ms)?));
        }
        if written == "Z" || written == "z" {
            return zoned(wall_ms);
        }
        if let Some(offset_ms) = fixed_offset_ms(written) {
            return zoned(wall_ms - offset_ms);
        }
        let Some(name) = zone_name(written) else {
            return Ok(None);
        };
        if name.contains('/') {
            return Err(Declined::Time);
        }
        let abbreviation = name.to_ascii_uppercase();
        for second in [false, true] {
            let offset = self.zone.at(wall_ms, second)?;
            if offset.abbreviation == abbreviation {
                return zoned(wall_ms - offset.offset_ms);
            }
        }
        let minutes = &self.names.minutes;
        if let Some((_, minutes)) = minutes.iter().find(|(known, _)| *known == abbreviation) {
            return zoned(wall_ms - minutes * 60_000);
        }
        if self.names.ambiguous.contains(&abbreviation) {
            return Ok(Some(self.unzoned(wall_ms)?));
        }
        Ok(None)
    }

    pub fn unzoned(&self, wall_ms: i64) -> Result<Moment, Declined> {
        Ok(Moment {
            ms: self.zone.instant(wall_ms, self.reference_ms)?,
            zoned: false,
        })
    }
}

/// A position in a text that is read from left to right.
#[derive(Clone, Copy)]
pub struct Scanner<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner {
            text: text.as_bytes(),
            at: 0,
        }
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Read one byte that `accepts`.
    #[inline]
    pub fn one(&mut self, accepts: impl Fn(u8) -> bool) -> Option<u8> {
        let byte = self.peek().filter(|&byte| accepts(byte))?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    pub fn take(&mut self, expected: &str) -> bool {
        let found = self.text[self.at..].starts_with(expected.as_bytes());
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Read at most `most` bytes that `accepts`; their number.
    #[inline]
    pub fn some(&mut self, most: usize, accepts: impl Fn(u8) -> bool) -> usize {
        let begin = self.at;
        while self.at - begin < most && self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        self.at - begin
    }

    /// Read exactly `count` digits.
    #[inline]
    pub fn digits(&mut self, count: usize) -> Option<i64> {
        let mut sum = 0i64;
        for _ in 0..count {
            sum = sum * 10 + i64::from(self.one(|byte| byte.is_ascii_digit())? - b'0');
        }
        Some(sum)
    }
}

/// Return the milliseconds east of Greenwich of an offset such as `+01:00`; None if it is not one.
pub fn fixed_offset_ms(written: &str) -> Option<i64> {
    let mut scanner = Scanner::new(written);
    if scanner.take("UTC") || scanner.take("GMT") {
        scanner.peek().filter(|&sign| matches!(sign, b'+' | b'-'))?;
    }
    let sign = scanner.one(|byte| matches!(byte, b'+' | b'-'))?;
    let digit = |place: usize| {
        let byte = scanner.text.get(scanner.at + place).copied();
        byte.filter(u8::is_ascii_digit)
            .map(|byte| i64::from(byte - b'0'))
    };
    let hours = match (digit(0)?, digit(1)) {
        (hour, None) => {
            scanner.at += 1;
            hour
        }
        (tens @ (0 | 1), Some(ones)) | (tens @ 2, Some(ones @ 0..=3)) => {
            scanner.at += 2;
            tens * 10 + ones
        }
        _ => return None,
    };
    let mut seconds = hours * 3600;
    if let Some(minutes) = sixty(&mut scanner) {
        seconds += minutes * 60 + sixty(&mut scanner).unwrap_or(0);
    }
    let ends = ends_an_offset(after_abbreviation(scanner)) || ends_an_offset(scanner);
    ends.then_some(seconds * if sign == b'+' { 1000 } else { -1000 })
}

/// Read `:MM` or `MM`.
fn sixty(scanner: &mut Scanner) -> Option<i64> {
    let mut ahead = *scanner;
    ahead.take(":");
    let tens = ahead.one(|byte| (b'0'..=b'5').contains(&byte))?;
    let ones = ahead.one(|byte| byte.is_ascii_digit())?;
    *scanner = ahead;
    Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// Skip the abbreviation that Go writes after the offset.
fn after_abbreviation(scanner: Scanner) -> Scanner {
    let mut ahead = scanner;
    if !ahead.take(" ") {
        return scanner;
    }
    if ahead.some(5, |byte| byte.is_ascii_alphabetic()) > 0 {
        return ahead;
    }
    let signed = ahead.one(|byte| matches!(byte, b'+' | b'-')).is_some();
    if signed && ahead.some(4, |byte| byte.is_ascii_digit()) >= 2 {
        return ahead;
    }
    scanner
}

/// True if what is left is Go's monotonic clock, then a name in brackets or in parentheses, or nothing.
fn ends_an_offset(mut scanner: Scanner) -> bool {
    let mut ahead = scanner;
    let is_digit = |byte: u8| byte.is_ascii_digit();
    if ahead.take(" m=")
        && ahead.one(|byte| matches!(byte, b'+' | b'-')).is_some()
        && ahead.some(20, is_digit) > 0
        && ahead.take(".")
        && ahead.some(12, is_digit) > 0
    {
        scanner = ahead;
    }
    if scanner.is_at_end() {
        return true;
    }
    let rest = std::str::from_utf8(&scanner.text[scanner.at..]).unwrap_or("");
    if let Some(name) = rest.strip_prefix('[') {
        return in_brackets(name);
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let inner = rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    inner.is_some_and(|name| {
        !name.contains(['(', ')']) && (1..=LONGEST_NAME).contains(&name.chars().count())
    })
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'+' | b'-')
}

/// True for the rest of `[NAME]` after its first bracket.
fn in_brackets(rest: &str) -> bool {
    rest.strip_suffix(']').is_some_and(|name| {
        (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_of_name)
    })
}

/// Return the name in a text that is a zone's name, perhaps in brackets and before what Java and Go write after it.
fn zone_name(written: &str) -> Option<&str> {
    let mut scanner = Scanner::new(written);
    let open = scanner.take("[") || scanner.take("(");
    let begin = scanner.at;
    scanner.one(|byte| byte.is_ascii_alphabetic())?;
    scanner.some(LONGEST_NAME - 1, is_of_name);
    let name = written.get(begin..scanner.at)?;
    if open {
        scanner.one(|byte| matches!(byte, b']' | b')'))?;
    }
    let mut ahead = scanner;
    if ahead.take("[") && ahead.some(LONGEST_NAME, is_of_name) > 0 && ahead.take("]") {
        scanner = ahead;
    }
    ahead = scanner;
    if ahead.take(" m=")
        && ahead.one(|byte| matches!(byte, b'+' | b'-')).is_some()
        && ahead.some(32, |byte| byte.is_ascii_digit() || byte == b'.') > 0
    {
        scanner = ahead;
    }
    scanner.is_at_end().then_some(name)
}
