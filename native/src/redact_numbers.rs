//! Personal numbers in text; the twin of `redact_numbers.py`.

use std::collections::{HashMap, HashSet};

use crate::pattern::{Pattern, Scratch};
use crate::redact::Found;
use crate::redact_names::split_name;
use crate::secrets::is_date_with_hour;

const LEAST_DIGITS: usize = 9;
const MOST_GROUPS: usize = 8;
const NEAR: usize = 48;
const NEAREST: usize = 4;
const LONGEST_MARK: usize = 40;
const UNITS: [&str; 12] = [
    "rows", "bytes", "records", "items", "events", "lines", "messages", "ns", "us", "ms", "s", "kb",
];
const STANDARD_CARDS: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];
const NIR_PARTS: [usize; 7] = [1, 3, 5, 7, 10, 13, 15];
const OPENINGS: [&str; 3] = ["+(", "(", "+"];

/// What a word near a number says about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    None,
    Card,
    Phone,
    Person,
    Neutral,
}

impl Meaning {
    pub fn named(name: &str) -> Option<Meaning> {
        Some(match name {
            "card" => Meaning::Card,
            "phone" => Meaning::Phone,
            "person" => Meaning::Person,
            "neutral" => Meaning::Neutral,
            _ => return None,
        })
    }
}

#[derive(Default)]
pub struct NumberWords {
    pub near: HashMap<String, Meaning>,
    pub iban_lengths: HashMap<String, usize>,
    /// The schema's own fields, whose names say nothing about a value.
    pub known: HashSet<String>,
}

struct Group<'t> {
    separator: &'t str,
    digits: &'t str,
    start: usize,
    end: usize,
}

/// Yield the personal numbers of a text; `name` is the name of its field.
pub fn personal_numbers(
    text: &str,
    name: &str,
    words: &NumberWords,
    corsican: &Pattern,
    scratch: &mut Scratch,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = next_run(text.as_bytes(), at) {
        at = end;
        let groups = groups(text, start, end);
        if !groups.is_empty() && !is_in_mark(text, start) {
            in_run(
                &groups,
                meaning_near(text, start, end, name, words),
                &mut found,
            );
        }
    }
    at = 0;
    while let Some(range) = corsican.search(text, at, scratch) {
        at = range.end.max(range.start + 1);
        if french_nir(&text[range.clone()]) {
            found.push(Found {
                kind: "national_id",
                start: range.start,
                end: range.end,
            });
        }
    }
    found
}

/// Yield the account numbers of a text.
pub fn ibans(text: &str, words: &NumberWords) -> Vec<Found> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some(end) = account_end(bytes, at) else {
            at += 1;
            continue;
        };
        let country = text[at..at + 2].to_ascii_uppercase();
        let length = words.iban_lengths.get(&country).copied().unwrap_or(0);
        let is_part = |place: &usize| bytes[*place].is_ascii_alphanumeric();
        let last = (at..end).filter(is_part).take(length).last();
        if let Some(last) = last {
            let continues = bytes.get(last + 1).is_some_and(u8::is_ascii_alphanumeric);
            if !continues && is_account(&text[at..=last], length) {
                found.push(Found {
                    kind: "iban",
                    start: at,
                    end: last + 1,
                });
            }
        }
        at = end;
    }
    found
}

/// Return the end of what has the form of an account number: two letters, two digits, 11 to 30 further characters.
fn account_end(bytes: &[u8], at: usize) -> Option<usize> {
    if !bytes[at].is_ascii_alphabetic() {
        return None;
    }
    let head = bytes.get(at..at + 4)?;
    let starts = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    let is_head =
        head[..2].iter().all(u8::is_ascii_alphabetic) && head[2..].iter().all(u8::is_ascii_digit);
    if !starts || !is_head {
        return None;
    }
    let mut end = at + 4;
    let mut count = 0;
    while count < 30 {
        let separator = usize::from(
            bytes
                .get(end)
                .is_some_and(|byte| matches!(byte, b' ' | b'-')),
        );
        if !bytes
            .get(end + separator)
            .is_some_and(u8::is_ascii_alphanumeric)
        {
            break;
        }
        end += separator + 1;
        count += 1;
    }
    (count >= 11).then_some(end)
}

fn is_account(text: &str, length: usize) -> bool {
    let plain: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    if plain.len() != length || length < 4 {
        return false;
    }
    let rest = plain[4..]
        .iter()
        .chain(&plain[..4])
        .fold(0u32, |rest, byte| {
            let digit = char::from(*byte).to_digit(36).unwrap_or(0);
            (rest * if digit > 9 { 100 } else { 10 } + digit) % 97
        });
    rest == 1
}

/// Return a number without separators between its digits.
pub fn normal_number(number: &str) -> String {
    let sign = if number.starts_with('+') || number.starts_with("(+") {
        "+"
    } else {
        ""
    };
    let plain = number.bytes().filter(u8::is_ascii_alphanumeric);
    sign.chars()
        .chain(plain.map(|byte| char::from(byte.to_ascii_uppercase())))
        .collect()
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'(' | b')' | b'+' | b'-')
}

/// Return the next run of nine digits or more with separators between them.
fn next_run(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    (from..bytes.len()).find_map(|start| {
        let continues =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if (start > 0 && continues(bytes[start - 1])) || is_date_with_hour(&bytes[start..]) {
            return None;
        }
        run_end(bytes, start).map(|end| (start, end))
    })
}

fn run_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + usize::from(bytes[start] == b'+');
    at += usize::from(bytes.get(at) == Some(&b'('));
    if !bytes.get(at).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    at += 1;
    let mut count = 1;
    loop {
        let separators = bytes[at..]
            .iter()
            .take(3)
            .take_while(|byte| is_separator(**byte))
            .count();
        if !bytes.get(at + separators).is_some_and(u8::is_ascii_digit) {
            break;
        }
        at += separators + 1;
        count += 1;
    }
    (count >= LEAST_DIGITS).then_some(at)
}

fn groups(text: &str, start: usize, end: usize) -> Vec<Group<'_>> {
    let bytes = text.as_bytes();
    let mut groups = Vec::new();
    let mut at = start;
    while at < end {
        let digits = at
            + bytes[at..end]
                .iter()
                .take_while(|byte| !byte.is_ascii_digit())
                .count();
        let stop = digits
            + bytes[digits..end]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
        groups.push(Group {
            separator: &text[at..digits],
            digits: &text[digits..stop],
            start: digits,
            end: stop,
        });
        at = stop;
    }
    if groups.len() == 4 && groups[1..].iter().all(|group| group.separator == ".") {
        return Vec::new();
    }
    let after = |place: usize| bytes.get(end + place).copied().unwrap_or(0);
    let continues = after(1).is_ascii_alphanumeric();
    if after(0) == b'_' || after(0).is_ascii_alphanumeric() || (after(0) == b'-' && continues) {
        groups.pop();
    }
    groups
}

/// Return the start of so many characters before a place.
fn back(text: &str, start: usize, count: usize) -> usize {
    let before = text[..start].char_indices().rev().take(count).last();
    before.map_or(start, |(place, _)| place)
}

fn is_in_mark(text: &str, start: usize) -> bool {
    let from = back(text, start, LONGEST_MARK);
    let mark = text[from..start].rfind("[redacted:");
    mark.is_some_and(|mark| !text[from + mark..start].contains(']'))
}

fn meaning_near(text: &str, start: usize, end: usize, name: &str, words: &NumberWords) -> Meaning {
    let mut before = &text[back(text, start, NEAR)..start];
    before = if name_end(&text.as_bytes()[end..]).is_some() {
        before.rsplit(['"', '\'']).next().unwrap_or_default()
    } else {
        &before[own_name(before, &words.known)..]
    };
    let before = before
        .split(|sign: char| !sign.is_ascii_alphabetic())
        .filter(|word| !word.is_empty());
    let near: Vec<String> = before.map(str::to_ascii_lowercase).collect();
    let near = near.into_iter().rev().take(NEAREST);
    let near = near.chain(split_name(name).into_iter().rev());
    let meaning = near
        .filter_map(|word| words.near.get(&word).copied())
        .next();
    meaning.unwrap_or(if has_unit(text, end) {
        Meaning::Neutral
    } else {
        Meaning::None
    })
}

fn is_quote(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\'')
}

/// Return the length of the end of a name in an object: its quote, with up to four escapes, and a colon.
fn name_end(rest: &[u8]) -> Option<usize> {
    let run = |from: usize, most: usize, is: fn(&u8) -> bool| {
        let part = rest[from..].iter().take(most);
        from + part.take_while(|byte| is(byte)).count()
    };
    let quote = run(0, 4, |byte| *byte == b'\\');
    rest.get(quote).filter(|byte| is_quote(byte))?;
    let colon = run(quote + 1, 8, |byte| {
        byte.is_ascii_whitespace() || *byte == 0x0b
    });
    (rest.get(colon) == Some(&b':')).then_some(colon + 1)
}

/// Return where the text that says something about a number begins: at the last name before it, or behind that if it is
/// a name of the schema; 0 without one. What is before it is another field.
fn own_name(text: &str, known: &HashSet<String>) -> usize {
    let before = text.as_bytes();
    let (mut at, mut last) = (0, 0);
    while at < before.len() {
        let inside = before[at + 1..]
            .iter()
            .take_while(|byte| !is_quote(byte) && **byte != b'\\')
            .count();
        let end = is_quote(&before[at])
            .then(|| name_end(&before[at + 1 + inside..]))
            .flatten();
        (at, last) = match end {
            Some(end) => {
                let behind = at + 1 + inside + end;
                let is_known = known.contains(&text[at + 1..at + 1 + inside]);
                (behind, if is_known { behind } else { at })
            }
            None => (at + 1, last),
        };
    }
    last
}

fn has_unit(text: &str, end: usize) -> bool {
    let rest = &text.as_bytes()[end..];
    let is_space = rest
        .first()
        .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == 0x0b);
    let rest = &rest[usize::from(is_space)..];
    UNITS.iter().chain(&["mb"]).any(|unit| {
        let is_unit = rest
            .get(..unit.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(unit.as_bytes()));
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        is_unit && !rest.get(unit.len()).is_some_and(goes_on)
    })
}

fn in_run(groups: &[Group], near: Meaning, found: &mut Vec<Found>) {
    let mut at = 0;
    while at < groups.len() {
        let next = &groups[at..groups.len().min(at + MOST_GROUPS)];
        let digits: usize = next.iter().map(|group| group.digits.len()).sum();
        let number = if at > 0 && digits < LEAST_DIGITS {
            None
        } else {
            number_at(groups, at, near)
        };
        let Some((kind, end)) = number else {
            at += 1;
            continue;
        };
        let first = &groups[at];
        let is_opening = |opening: &&&str| kind == "phone" && first.separator.ends_with(**opening);
        let opening = OPENINGS
            .iter()
            .find(is_opening)
            .map_or(0, |opening| opening.len());
        found.push(Found {
            kind,
            start: first.start - opening,
            end: groups[end - 1].end,
        });
        at = end;
    }
}

fn number_at(groups: &[Group], at: usize, near: Meaning) -> Option<(&'static str, usize)> {
    international(groups, at)
        .map(|end| ("phone", end))
        .or_else(|| nir(groups, at, near).map(|end| ("national_id", end)))
        .or_else(|| ssn(groups, at, near).map(|end| ("national_id", end)))
        .or_else(|| card(groups, at, near).map(|end| ("card", end)))
        .or_else(|| phone(groups, at, near).map(|end| ("phone", end)))
}

/// Return each number of groups from one on, with the digits in them, up to `most` digits.
fn windows(groups: &[Group], at: usize, most: usize, separators: &str) -> Vec<(usize, String)> {
    let mut windows = Vec::new();
    let mut digits = String::new();
    let last = groups
        .len()
        .min(at + if at > 0 { MOST_GROUPS } else { most });
    for (end, group) in groups.iter().enumerate().take(last).skip(at) {
        let is_joined = groups[end]
            .separator
            .chars()
            .all(|sign| separators.contains(sign));
        if end > at && !is_joined {
            break;
        }
        if digits.len() + group.digits.len() > most {
            break;
        }
        digits.push_str(group.digits);
        windows.push((end + 1, digits.clone()));
    }
    windows
}

fn longest(groups: &[Group], at: usize) -> Option<usize> {
    let windows = windows(groups, at, 15, " .()-");
    let long = windows
        .iter()
        .rev()
        .find(|(_, digits)| digits.len() >= LEAST_DIGITS);
    long.map(|&(end, _)| end)
}

fn international(groups: &[Group], at: usize) -> Option<usize> {
    let separator = groups[at].separator;
    if separator.ends_with('+') || separator.ends_with("+(") {
        longest(groups, at)
    } else {
        None
    }
}

fn nir(groups: &[Group], at: usize, near: Meaning) -> Option<usize> {
    if !matches!(groups[at].digits.as_bytes()[0], b'1' | b'2') {
        return None;
    }
    let windows = windows(groups, at, 15, " .+-");
    let (end, digits) = windows
        .iter()
        .find(|(_, digits)| digits.len() == 15 && french_nir(digits))?;
    let mut count = 0;
    let is_grouped = groups[at..*end].iter().all(|group| {
        count += group.digits.len();
        NIR_PARTS.contains(&count)
    });
    let month: u32 = digits[3..5].parse().ok()?;
    let is_month = (1..=12).contains(&month) || month >= 20;
    let is_neutral = near == Meaning::Neutral && *end == at + 1;
    (is_grouped && is_month && !is_neutral).then_some(*end)
}

fn ssn(groups: &[Group], at: usize, near: Meaning) -> Option<usize> {
    if let Some([area, group, serial]) = groups.get(at..at + 3)
        && (area.digits.len(), group.digits.len(), serial.digits.len()) == (3, 2, 4)
    {
        let is_valid = !matches!(area.digits, "000" | "666")
            && !area.digits.starts_with('9')
            && group.digits != "00"
            && serial.digits != "0000";
        let is_hyphened = group.separator == "-" && serial.separator == "-";
        let is_personal = near == Meaning::Person || (is_hyphened && near != Meaning::Neutral);
        if is_valid && is_personal {
            return Some(at + 3);
        }
    }
    if near != Meaning::Person {
        return None;
    }
    let windows = windows(groups, at, 9, " .-");
    let nine = windows
        .iter()
        .find(|(_, digits)| digits.len() == LEAST_DIGITS);
    nine.map(|&(end, _)| end)
}

fn card(groups: &[Group], at: usize, near: Meaning) -> Option<usize> {
    if !matches!(groups[at].digits.as_bytes()[0], b'2'..=b'6') {
        return None;
    }
    let is_card = near == Meaning::Card;
    if is_card || at == 0 {
        for (end, digits) in windows(groups, at, 19, " +-") {
            let is_whole = near != Meaning::Neutral
                && end == groups.len()
                && groups.iter().all(|group| group.digits.len() >= 4);
            let is_possible = digits.len() >= 13 && (is_card || is_brand(&digits));
            if is_possible && luhn(&digits) && (is_card || is_whole) {
                return Some(end);
            }
        }
    }
    [1, 3, 4, 5].into_iter().find_map(|count| {
        let part = &groups[at..groups.len().min(at + count)];
        let sizes: Vec<usize> = part.iter().map(|group| group.digits.len()).collect();
        if !STANDARD_CARDS.contains(&sizes.as_slice()) && (count > 1 || near == Meaning::Neutral) {
            return None;
        }
        let digits: String = part.iter().map(|group| group.digits).collect();
        let is_joined = |group: &Group| group.separator.chars().all(|sign| " +-".contains(sign));
        let is_valid = part[1..].iter().all(is_joined)
            && (13..=19).contains(&digits.len())
            && is_brand(&digits)
            && luhn(&digits);
        is_valid.then_some(at + count)
    })
}

fn phone(groups: &[Group], at: usize, near: Meaning) -> Option<usize> {
    let next = &groups[at..groups.len().min(at + 5)];
    let first = groups[at].digits.as_bytes();
    if first[0] == b'0' && first.get(1).is_some_and(|&digit| digit != b'0') {
        let is_pairs = next.len() == 5 && next.iter().all(|group| group.digits.len() == 2);
        let separator = next.get(1).map_or("", |group| group.separator);
        let is_even = matches!(separator, " " | "." | "-");
        if is_pairs && is_even && next[1..].iter().all(|group| group.separator == separator) {
            return Some(at + 5);
        }
        if first.len() == 10 && near != Meaning::Neutral {
            return Some(at + 1);
        }
    }
    if let Some([area, exchange, line]) = next.get(..3) {
        let sizes = (area.digits.len(), exchange.digits.len(), line.digits.len());
        if sizes == (3, 3, 4) && is_american(area, exchange, line, near) {
            return Some(at + 3);
        }
    }
    if near == Meaning::Phone {
        longest(groups, at)
    } else {
        None
    }
}

fn is_american(area: &Group, exchange: &Group, line: &Group, near: Meaning) -> bool {
    let is_low = |group: &Group| group.digits.starts_with(['0', '1']);
    if is_low(area) || is_low(exchange) {
        return false;
    }
    if area.separator.ends_with('(') && exchange.separator.starts_with(')') {
        return true;
    }
    let is_even = exchange.separator == line.separator && matches!(line.separator, "-" | ".");
    is_even && near != Meaning::Neutral
}

/// True if the digits pass the check of card numbers.
fn luhn(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    if !(13..=19).contains(&bytes.len()) || bytes.iter().all(|byte| *byte == bytes[0]) {
        return false;
    }
    let sum: u32 = bytes
        .iter()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let number = u32::from(byte - b'0') * (1 + u32::from(place % 2 == 1));
            number - if number > 9 { 9 } else { 0 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// True if a French social security number passes its key.
fn french_nir(text: &str) -> bool {
    let plain = text.bytes().filter(u8::is_ascii_alphanumeric);
    let plain: String = plain
        .map(|byte| char::from(byte.to_ascii_uppercase()))
        .collect();
    if plain.len() != 15 {
        return false;
    }
    let number = plain[..13].replace("2A", "19").replace("2B", "18");
    match (number.parse::<u64>(), plain[13..].parse::<u64>()) {
        (Ok(number), Ok(key)) => key == 97 - number % 97,
        _ => false,
    }
}

/// True if the beginning and the length of a number are those that card issuers use.
fn is_brand(digits: &str) -> bool {
    let count = digits.len();
    let head = |length: usize| digits[..length].parse::<u32>().unwrap_or(0);
    let (two, four) = (head(2), head(4));
    if digits.starts_with('4') {
        return count == 16 || count == 19;
    }
    if (51..=55).contains(&two)
        || (2221..=2720).contains(&four)
        || four == 6011
        || matches!(two, 65 | 64 | 35)
    {
        return count == 16;
    }
    if matches!(two, 34 | 37) {
        return count == 15;
    }
    (matches!(two, 36 | 30 | 38) && count == 14) || (two == 62 && count >= 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_decide() {
        assert!(luhn("4111111111111111") && !luhn("4111111111111112") && !luhn("0000000000000000"));
        assert!(french_nir("1 85 05 78 006 084 91") && !french_nir("1 85 05 78 006 084 92"));
        assert!(
            is_account("GB29NWBK60161331926819", 22) && !is_account("GB29NWBK60161331926818", 22)
        );
        assert_eq!(normal_number("(+33) 6-12"), "+33612");
    }

    #[test]
    fn runs_are_read_once() {
        let run = |text: &str| next_run(text.as_bytes(), 0);
        assert_eq!(run("a +33 612345678 b"), Some((2, 15)));
        assert_eq!(run("a123456789"), None);
        assert_eq!(run("12345678"), None);
        assert_eq!(groups("1.2.3.456789", 0, 12).len(), 0);
        assert_eq!(groups("123456789 10ms", 0, 12).len(), 1);
    }
}
