//! The filter before redaction, the twin of `redact_filter.py`: texts that may hold something to mask.
//!
//! In doubt it is true, and the text is examined by the rules.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::trigrams::Trigrams;

/// Least digits of a personal number.
const LEAST_DIGITS: usize = 9;
const CORSICAN_DIGITS: usize = 14;
/// Digits of which every number of Corsica has a run, behind its letter.
const CORSICAN_RUN: usize = 8;

/// The form of keys that one service gives out.
pub struct KeyShape {
    pub prefix: Vec<u8>,
    pub least: usize,
    /// The characters behind the prefix.
    pub alphabet: [bool; 256],
}

/// The words by which a text is recognised that may hold something to mask.
pub struct Keywords {
    automaton: AhoCorasick,
    /// Rules out most texts before the automaton reads them.
    trigrams: Trigrams,
    /// Number of words of each kind, in their order in the automaton.
    names: usize,
    words: usize,
    forms: usize,
    stems: usize,
    pub shapes: Vec<KeyShape>,
}

/// Which kinds of words a text holds, at whatever place.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Kinds {
    /// A name, or a word that stands for one.
    pub name: bool,
    /// A value that is recognised by its form.
    pub form: bool,
    /// A part of a word of a path behind which a secret may stand.
    pub stem: bool,
    /// The beginning of a well-known key.
    pub key: bool,
}

impl Keywords {
    /// `names` and `words` stand for a value only if they are written with a mark; see `RedactionPlan`.
    pub fn new(
        names: &[String],
        words: &[String],
        forms: &[String],
        stems: &[String],
        shapes: Vec<KeyShape>,
    ) -> Result<Keywords, String> {
        let prefixes = shapes.iter().map(|shape| shape.prefix.as_slice());
        let texts = [names, words, forms, stems].into_iter().flatten();
        let texts: Vec<&[u8]> = texts.map(String::as_bytes).chain(prefixes).collect();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&texts)
            .map_err(|error| error.to_string())?;
        let trigrams = Trigrams::of(&texts);
        Ok(Keywords {
            automaton,
            trigrams,
            names: names.len(),
            words: names.len() + words.len(),
            forms: names.len() + words.len() + forms.len(),
            stems: names.len() + words.len() + forms.len() + stems.len(),
            shapes,
        })
    }

    /// True if a text holds a word by which a value to mask is recognised.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.has_word(text) && self.is_match_at_place(text, text.iter().any(is_mark))
    }

    /// True if a text holds any of the words, at whatever place.
    pub fn has_word(&self, text: &[u8]) -> bool {
        self.trigrams.may_hold(text) && self.automaton.is_match(text)
    }

    /// Return the kinds of words in a text.
    pub fn kinds(&self, text: &[u8]) -> Kinds {
        let mut kinds = Kinds::default();
        if self.trigrams.may_hold(text) {
            for found in self.automaton.find_overlapping_iter(text) {
                match found.pattern().as_usize() {
                    place if place < self.words => kinds.name = true,
                    place if place < self.forms => kinds.form = true,
                    place if place < self.stems => kinds.stem = true,
                    _ => kinds.key = true,
                }
            }
        }
        kinds
    }

    /// True if a field's name holds a listed name.
    pub fn in_name(&self, name: &[u8]) -> bool {
        is_odd_name(name) || (self.has_word(name) && self.is_match_at_place(name, true))
    }

    /// Return the end of a well-known key that begins at a place.
    pub fn key_at(&self, text: &[u8], at: usize) -> Option<usize> {
        let shape = self.shapes.iter().find(|shape| shape.is_at(text, at))?;
        let start = at + shape.prefix.len();
        Some(start + shape.length(&text[start..]))
    }

    fn is_match_at_place(&self, text: &[u8], has_mark: bool) -> bool {
        self.automaton.find_overlapping_iter(text).any(|found| {
            let (place, start, end) = (found.pattern().as_usize(), found.start(), found.end());
            if place < self.names {
                has_mark
            } else if place < self.words {
                has_mark && is_whole_word(text, start, end)
            } else if place < self.forms {
                true
            } else if place < self.stems {
                is_in_link(text, start, end)
            } else {
                self.shapes[place - self.stems].is_at(text, start)
            }
        })
    }
}

impl Default for Keywords {
    fn default() -> Keywords {
        Keywords::new(&[], &[], &[], &[], Vec::new()).expect("an empty automaton")
    }
}

impl KeyShape {
    /// True if a key begins at a place.
    pub fn is_at(&self, text: &[u8], start: usize) -> bool {
        let rest = &text[start..];
        (start == 0 || !text[start - 1].is_ascii_alphanumeric())
            && rest.starts_with(&self.prefix)
            && self.length(&rest[self.prefix.len()..]) >= self.least
    }

    /// Return how many characters of the alphabet a text begins with.
    pub fn length(&self, text: &[u8]) -> usize {
        text.iter()
            .take_while(|&&byte| self.alphabet[usize::from(byte)])
            .count()
    }
}

/// True if a name has other signs than those that join the words of names in texts.
pub fn is_odd_name(name: &[u8]) -> bool {
    name.iter()
        .any(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-' | b'.' | b' '))
}

/// A name and its value are written with one of these between or around them.
pub fn is_mark(byte: &u8) -> bool {
    matches!(byte, b'=' | b':' | b'<' | b'&' | b'\'' | b'"' | b'-')
}

/// True if no letter continues a word, except at a change of case.
fn is_whole_word(text: &[u8], start: usize, end: usize) -> bool {
    let begins =
        start == 0 || !text[start - 1].is_ascii_alphabetic() || text[start].is_ascii_uppercase();
    let ends = |end: usize| !text.get(end).is_some_and(u8::is_ascii_lowercase);
    let is_plural = text
        .get(end)
        .is_some_and(|byte| matches!(byte, b's' | b'S'));
    begins && (ends(end) || (is_plural && ends(end + 1)))
}

/// True if a word stands in a part of a path that another part follows.
fn is_in_link(text: &[u8], start: usize, end: usize) -> bool {
    let is_part = |byte: &&u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    let before = text[..start].iter().rev().find(|byte| !is_part(byte));
    let after = text[end..].iter().find(|byte| !is_part(byte));
    before == Some(&b'/') && after == Some(&b'/')
}

pub fn may_hold(keywords: &Keywords, text: &[u8]) -> bool {
    text.len() > 2 && (keywords.is_match(text) || is_encoded(text) || has_long_number(text))
}

/// True if a text that the schema constrains may hold something; numbers in it are not personal.
pub fn may_hold_assignment(keywords: &Keywords, text: &[u8]) -> bool {
    keywords.is_match(text) || is_encoded(text)
}

/// True if a character is percent-encoded.
pub fn is_encoded(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).any(|at| {
        let digits = text.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'(' | b')' | b'+' | b'-')
}

/// True if a text may hold a personal number; the twin of `redact_filter.may_hold_number`.
pub fn has_long_number(text: &[u8]) -> bool {
    let digits: usize = text
        .chunks(255)
        .map(|part| {
            usize::from(part.iter().fold(0u8, |sum, byte| {
                sum.wrapping_add(u8::from(byte.is_ascii_digit()))
            }))
        })
        .sum();
    if digits < LEAST_DIGITS {
        return false;
    }
    let (mut begin, mut count) = (0, 0);
    let (mut is_long, mut is_corsican) = (false, false);
    for (at, &byte) in text.iter().chain(&[0]).enumerate() {
        match NUMBER_PART[usize::from(byte)] {
            2 => count += 1,
            1 => {}
            _ => {
                if count >= LEAST_DIGITS {
                    is_long = true;
                    if has_personal_run(text, begin..at) {
                        return true;
                    }
                }
                is_corsican |= count >= CORSICAN_RUN && ends_in_corsica(&text[..begin]);
                (begin, count) = (at + 1, 0);
            }
        }
    }
    (is_long && has_account(text))
        || (is_corsican && digits >= CORSICAN_DIGITS && has_corsican(text))
}

/// 2 for a digit, 1 for a separator in numbers, 0 for other bytes.
const NUMBER_PART: [u8; 256] = {
    let mut parts = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let separator = matches!(byte as u8, b' ' | b'.' | b'(' | b')' | b'+' | b'-');
        parts[byte] = (byte as u8).is_ascii_digit() as u8 * 2 + separator as u8;
        byte += 1;
    }
    parts
};

fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// True if digits and separators have a run of digits that is neither an IPv4 address alone nor a date with its hour;
/// the twin of `redact_numbers.RUN`.
fn has_personal_run(text: &[u8], mut range: Range<usize>) -> bool {
    let end = range.end;
    range.any(|at| {
        let begins = text[at].is_ascii_digit() && (at == 0 || !continues_word(text[at - 1]));
        begins && digits_of_run(&text[at..end]) >= LEAST_DIGITS && {
            let opening = at > 0 && matches!(text[at - 1], b'+' | b'(');
            let is_opened = opening && (at == 1 || !continues_word(text[at - 2]));
            let rest = &text[at..];
            is_opened || !(is_date_with_hour(rest) || is_lone_address(rest))
        }
    })
}

/// True if a text ends with the letter of a number of Corsica, behind its digit.
fn ends_in_corsica(text: &[u8]) -> bool {
    matches!(text, [.., b'2', b'A' | b'B' | b'a' | b'b'])
}

/// Return the number of digits, up to `LEAST_DIGITS`, with up to three separators between them.
fn digits_of_run(text: &[u8]) -> usize {
    let (mut count, mut separators) = (0, 0);
    for &byte in text {
        match NUMBER_PART[usize::from(byte)] {
            2 => (count, separators) = (count + 1, 0),
            1 if separators < 3 => separators += 1,
            _ => break,
        }
        if count == LEAST_DIGITS {
            break;
        }
    }
    count
}

/// True if a text begins with `YYYY-MM-DD HH:MM` or `DD.MM.YYYY HH:MM`, with which text lines begin.
pub fn is_date_with_hour(text: &[u8]) -> bool {
    let has_form = |form: &[u8; 16]| {
        text.get(..form.len()).is_some_and(|head| {
            form.iter().zip(head).all(|(&sign, byte)| match sign {
                b'0' => byte.is_ascii_digit(),
                _ => *byte == sign,
            })
        })
    };
    has_form(b"0000-00-00 00:00") || has_form(b"00.00.0000 00:00")
}

/// True if a text begins with an IPv4 address that no further digit continues.
fn is_lone_address(text: &[u8]) -> bool {
    let mut at = 0;
    for part in 0..4 {
        if part > 0 {
            if text.get(at) != Some(&b'.') {
                return false;
            }
            at += 1;
        }
        let most = text.len().min(at + 3);
        let digits = text[at..most]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return false;
        }
        at += digits;
    }
    let separators = text[at..]
        .iter()
        .take(4)
        .take_while(|byte| is_separator(**byte))
        .count();
    separators > 3 || !text.get(at + separators).is_some_and(u8::is_ascii_digit)
}

fn has_account(text: &[u8]) -> bool {
    let digits = |head: &[u8]| head[2].is_ascii_digit() && head[3].is_ascii_digit();
    let mut heads = text.windows(4).enumerate();
    heads.any(|(at, head)| digits(head) && is_account(text, at))
}

fn has_corsican(text: &[u8]) -> bool {
    memchr::memchr2_iter(b'1', b'2', text).any(|at| is_corsican(&text[at..]))
}

/// The same without counting digits first. Three points may be an address, and are left to the rules.
pub fn has_number(text: &[u8]) -> bool {
    text.iter().filter(|&&byte| byte == b'.').count() >= 3 || has_run(text)
}

/// True if nine digits or more follow each other, with up to three separators between, and continue no word.
fn has_run(text: &[u8]) -> bool {
    (0..text.len()).any(|start| {
        let continues_word =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        (start == 0 || !continues_word(text[start - 1])) && is_run(&text[start..])
    })
}

fn is_run(text: &[u8]) -> bool {
    let mut at = 0;
    for digits in 0..LEAST_DIGITS {
        let separators = text[at..]
            .iter()
            .take(4)
            .take_while(|&&byte| is_separator(byte));
        let separators = separators.count();
        if separators > 3 || (digits == 0 && separators > 0) {
            return false;
        }
        at += separators;
        if !text.get(at).is_some_and(u8::is_ascii_digit) {
            return false;
        }
        at += 1;
    }
    true
}

/// True if an international account number may begin at a place: two letters, two digits, eight characters or more.
fn is_account(text: &[u8], at: usize) -> bool {
    let starts = at == 0 || !text[at - 1].is_ascii_alphanumeric();
    let head = text.get(at..at + 4).is_some_and(|head| {
        head[..2].iter().all(u8::is_ascii_alphabetic) && head[2..].iter().all(u8::is_ascii_digit)
    });
    if !starts || !head {
        return false;
    }
    let rest = text[at + 4..].iter().take(10);
    let rest = rest.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'));
    rest.filter(|byte| byte.is_ascii_alphanumeric()).count() >= 8
}

/// True if a text begins with the form of a French social security number of Corsica, with its letter.
fn is_corsican(text: &[u8]) -> bool {
    let mut at = 0;
    b"1dddd2addddddd".iter().chain(b"d").all(|form| {
        if at > 0 && text.get(at).is_some_and(|byte| b" .+-".contains(byte)) {
            at += 1;
        }
        let byte = text.get(at).copied().unwrap_or(0);
        at += 1;
        match form {
            b'1' => matches!(byte, b'1' | b'2'),
            b'2' => byte == b'2',
            b'a' => matches!(byte, b'A' | b'B' | b'a' | b'b'),
            _ => byte.is_ascii_digit(),
        }
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The keywords of a small plan.
    pub fn sample() -> Keywords {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let mut alphabet = [false; 256];
        for byte in b'0'..=b'9' {
            alphabet[usize::from(byte)] = true;
        }
        let shapes = vec![KeyShape {
            prefix: b"ghp_".to_vec(),
            least: 4,
            alphabet,
        }];
        Keywords::new(
            &texts(&["token", "api_key"]),
            &texts(&["pin"]),
            &texts(&["bearer"]),
            &texts(&["reset"]),
            shapes,
        )
        .unwrap()
    }

    #[test]
    fn long_numbers_may_be_personal() {
        for text in [
            "4111 1111 1111 1111",
            "4111  1111 - 1111 1111",
            "+33 6 12 34 56 78",
            "1.85.05.78 006 084",
            "call 0612345678",
            "2 85 05 2A 006 084 36",
            "285052A00608436",
            "123-45-6789",
            "GB29NWBK60161331926819",
        ] {
            assert!(has_long_number(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "12345678",
            "1234567 x 12345",
            "10.203.111.254",
            "a123456789",
            "2026-11-23T10:11:12.123Z",
        ] {
            assert!(!has_long_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn words_count_at_their_place() {
        let keywords = sample();
        for text in [
            "My TOKEN=1",
            "api_key: x",
            "pin=1",
            "userPin: 1",
            "pins: 1",
            "a bearer",
            "/a-reset/x",
            "x ghp_1234",
        ] {
            assert!(may_hold(&keywords, text.as_bytes()), "{text}");
        }
        for text in [
            "my word",
            "my token",
            "pin 1",
            "spin: 1",
            "ping: 1",
            "reset",
            "/reset",
            "xghp_1234",
            "ghp_123x",
        ] {
            assert!(!may_hold(&keywords, text.as_bytes()), "{text}");
        }
        assert!(
            keywords.in_name(b"access token")
                && keywords.in_name(b"PIN")
                && keywords.in_name(b"a/b")
        );
        assert!(!keywords.in_name(b"shipping_date"));
    }

    #[test]
    fn encoded_texts_are_examined() {
        assert!(may_hold(&sample(), b"/x%20y") && !may_hold(&sample(), b"100% of 5"));
        assert!(may_hold_assignment(&sample(), b"a?token=1"));
        assert!(!may_hold_assignment(&sample(), b"0612345678"));
    }
}
