//! Tests for texts that may hold something to mask. In doubt they are true, and the Python path examines the line.

use aho_corasick::AhoCorasick;

pub fn may_hold(keywords: &AhoCorasick, text: &[u8]) -> bool {
    text.len() > 2 && (keywords.is_match(text) || has_long_number(text))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'(' | b')' | b'+' | b'-')
}

/// True if a text that the schema constrains may hold a name and its value; numbers in it are not personal.
pub fn may_hold_assignment(keywords: &AhoCorasick, text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'=' | b':' | b'.')) && keywords.is_match(text)
}

/// True if a text has nine digits or more, with separators between them, that do not continue a word.
pub fn has_long_number(text: &[u8]) -> bool {
    if text.iter().filter(|byte| byte.is_ascii_digit()).count() < 8 {
        return false;
    }
    let mut run = 0;
    let mut long = false;
    for &byte in text {
        if byte.is_ascii_digit() {
            run += 1;
            long |= run == 8;
        } else if !is_separator(byte) {
            run = 0;
        }
    }
    long && !is_address(text) && has_number(text)
}

/// True if a text is an IPv4 address: client addresses are in every request.
fn is_address(text: &[u8]) -> bool {
    let mut parts = 0;
    text.split(|&byte| byte == b'.').all(|part| {
        parts += 1;
        matches!(part.len(), 1..=3) && part.iter().all(u8::is_ascii_digit)
    }) && parts == 4
}

/// The same without counting digits first. Three points may be an address, and are left to the Python path.
pub fn has_number(text: &[u8]) -> bool {
    text.iter().filter(|&&byte| byte == b'.').count() >= 3
        || (0..text.len()).any(|start| number_from(text, start))
}

fn number_from(text: &[u8], start: usize) -> bool {
    let continues_word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if start > 0 && continues_word(text[start - 1]) {
        return false;
    }
    let mut at = start + usize::from(text[start] == b'+');
    if !text.get(at).is_some_and(u8::is_ascii_digit) {
        return false;
    }
    at += 1;
    let mut more = 0;
    while more < 8 {
        let mut separators = 0;
        while separators < 2 && text.get(at).is_some_and(|&byte| is_separator(byte)) {
            at += 1;
            separators += 1;
        }
        match text.get(at) {
            Some(byte) if byte.is_ascii_digit() || matches!(byte, b'A' | b'B' | b'a' | b'b') => {
                at += 1;
                more += 1;
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_may_be_personal() {
        for text in [
            "4111 1111 1111 1111",
            "+33 6 12 34 56 78",
            "1.85.05.78 006 084",
            "call 0612345678",
            "2 85 05 2A 006 084 36",
        ] {
            assert!(has_long_number(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "12345678",
            "1234567 x 12345",
            "10.203.111.254",
            "a123456789",
            "2026-11-23",
        ] {
            assert!(!has_long_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn keywords_match_in_any_case() {
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(["token"])
            .unwrap();
        assert!(may_hold(&keywords, b"My TOKEN") && !may_hold(&keywords, b"my word"));
        assert!(
            may_hold_assignment(&keywords, b"token=1")
                && !may_hold_assignment(&keywords, b"token 1")
        );
    }
}
