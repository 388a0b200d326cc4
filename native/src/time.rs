//! RFC 3339 times in the form of runtimes and most applications: `YYYY-MM-DDTHH:MM:SS.fffZ`.

/// Return milliseconds since the epoch; None for any other form, and for times before 1970.
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
    if year < 1970 || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
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
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds * 1000 + ms)
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

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Return the days between 1970-01-01 and a date of the Gregorian calendar.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let past = year - 1;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let passed = BEFORE[(month - 1) as usize] + i64::from(month > 2 && is_leap(year));
    (year - 1970) * 365 + leaps(past) - leaps(1969) + passed + day - 1
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
