//! Whether a text may hold something to mask. Doubt is enough: the line is then examined on the Python path.

use aho_corasick::AhoCorasick;

pub fn may_hold(needles: &AhoCorasick, text: &[u8]) -> bool {
    text.len() > 2 && (needles.is_match(text) || number_in(text))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'(' | b')' | b'+' | b'-')
}

/// Whether a text bound by the schema may hold a word and its value: a number in it is nobody's.
pub fn may_hold_words(needles: &AhoCorasick, text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'=' | b':' | b'.')) && needles.is_match(text)
}

/// Nine digits or more, with separators between them, that do not go on a word before them.
pub fn number_in(text: &[u8]) -> bool {
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

/// Whether a whole text is an IPv4 address: those of clients are in every request.
fn is_address(text: &[u8]) -> bool {
    let mut parts = 0;
    text.split(|&byte| byte == b'.').all(|part| {
        parts += 1;
        matches!(part.len(), 1..=3) && part.iter().all(u8::is_ascii_digit)
    }) && parts == 4
}

/// The same without a look at how many digits there are. Three points may be an address, which is no number.
pub fn has_number(text: &[u8]) -> bool {
    text.iter().filter(|&&byte| byte == b'.').count() >= 3
        || (0..text.len()).any(|start| number_from(text, start))
}

fn number_from(text: &[u8], start: usize) -> bool {
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if start > 0 && goes_on(text[start - 1]) {
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
    fn long_numbers_may_be_somebodys() {
        for text in [
            "4111 1111 1111 1111",
            "+33 6 12 34 56 78",
            "1.85.05.78 006 084",
            "call 0612345678",
            "2 85 05 2A 006 084 36",
        ] {
            assert!(number_in(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "12345678",
            "1234567 x 12345",
            "10.203.111.254",
            "a123456789",
            "2026-11-23",
        ] {
            assert!(!number_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn words_are_looked_for_in_any_case() {
        let needles = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(["token"])
            .unwrap();
        assert!(may_hold(&needles, b"My TOKEN") && !may_hold(&needles, b"my word"));
        assert!(may_hold_words(&needles, b"token=1") && !may_hold_words(&needles, b"token 1"));
    }
}
