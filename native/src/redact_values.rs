//! Values behind a sign of assignment, the twin of `VALUE` and what follows it in `redact_assignments.py`.

const MARK: &[u8] = b"[redacted:";
const MOST_SLASHES: usize = 7;
const SCHEMES: [&str; 6] = ["bearer", "basic", "digest", "negotiate", "token", "apikey"];
const MOST_WORDS: usize = 5;

/// A value and its place in the text.
#[derive(Debug, PartialEq)]
pub struct Assigned {
    pub start: usize,
    pub end: usize,
    pub quoted: bool,
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn is_bare(byte: u8) -> bool {
    !is_space(byte) && !b"\"',;&)}]<>".contains(&byte)
}

/// Return the length of a quote with the backslashes before it; 0 if there is none.
fn quote(text: &[u8]) -> usize {
    let slashes = text.iter().take_while(|&&byte| byte == b'\\').count();
    let is_quote = text
        .get(slashes)
        .is_some_and(|byte| matches!(byte, b'"' | b'\''));
    if is_quote && slashes <= MOST_SLASHES {
        slashes + 1
    } else {
        0
    }
}

/// Return the value at a place: quoted, an object or a list, a number in groups, or one word.
pub fn value_at(text: &str, at: usize) -> Option<Assigned> {
    let bytes = text.as_bytes();
    let is_prefix = bytes.get(at).is_some_and(|byte| b"bBuU".contains(byte));
    let start = at + usize::from(is_prefix && quote(&bytes[at + 1..]) > 0);
    let length = quote(&bytes[start..]);
    let (start, end) = if length > 0 {
        (
            start + length,
            quoted_end(bytes, start + length, &bytes[start..start + length]),
        )
    } else {
        let end = nested_end(bytes, start)
            .or_else(|| groups_end(bytes, start))
            .unwrap_or_else(|| bare_end(bytes, start));
        (start, end)
    };
    (end > start).then_some(Assigned {
        start,
        end,
        quoted: length > 0,
    })
}

fn quoted_end(bytes: &[u8], start: usize, quote: &[u8]) -> usize {
    let mut at = start;
    while at < bytes.len() {
        if bytes[at] == quote[0] && bytes[at - 1] != b'\\' && bytes[at..].starts_with(quote) {
            break;
        }
        match bytes[at] {
            b'\n' => break,
            b'\\' => match bytes.get(at + 1) {
                None | Some(b'\n') => break,
                Some(_) => at += 2,
            },
            _ => at += 1,
        }
    }
    at
}

fn nested_end(bytes: &[u8], start: usize) -> Option<usize> {
    let is_open = |byte: &u8| matches!(byte, b'[' | b'{' | b'(');
    let is_mark = bytes
        .get(start..start + MARK.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(MARK));
    if is_mark || !bytes.get(start).is_some_and(is_open) {
        return None;
    }
    let inner = start + 1;
    let skipped = bytes[inner..].iter().take(20);
    let mut at = inner
        + skipped
            .take_while(|byte| is_space(**byte) || is_open(byte))
            .count();
    at += usize::from(bytes.get(at).is_some_and(|byte| b"bBuU".contains(byte)));
    let end = if quote(&bytes[at..]) > 0 {
        bytes.len()
    } else {
        let is_inside = |byte: &&u8| !matches!(byte, b']' | b')' | b'}' | b'\n');
        inner + bytes[inner..].iter().take_while(is_inside).count()
    };
    (end > inner).then_some(end)
}

fn digits(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn groups_end(bytes: &[u8], start: usize) -> Option<usize> {
    let is_group = |count: usize| (2..=6).contains(&count);
    let first = digits(bytes, start);
    if !is_group(first) {
        return None;
    }
    let mut end = start + first;
    for _ in 0..6 {
        let count = digits(bytes, end + 1);
        if !bytes
            .get(end)
            .is_some_and(|byte| matches!(byte, b' ' | b'-'))
            || !is_group(count)
        {
            break;
        }
        end += 1 + count;
    }
    (end > start + first).then_some(end)
}

fn bare_end(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start..];
    let scheme = SCHEMES.iter().find_map(|scheme| {
        let head = rest.get(..scheme.len())?;
        let spaces = rest[scheme.len()..]
            .iter()
            .take(4)
            .take_while(|byte| is_space(**byte))
            .count();
        let next = *rest.get(scheme.len() + spaces)?;
        let is_scheme = head.eq_ignore_ascii_case(scheme.as_bytes());
        (is_scheme && spaces > 0 && is_bare(next) && next != b'[').then_some(scheme.len() + spaces)
    });
    let word = start + scheme.unwrap_or(0);
    word + bytes[word..]
        .iter()
        .take_while(|byte| is_bare(**byte))
        .count()
}

/// Return the end of up to five further words of a name of a person or of an address, up to the next assignment.
pub fn end_of_words(text: &str, mut end: usize) -> usize {
    let bytes = text.as_bytes();
    for _ in 0..MOST_WORDS {
        if bytes.get(end) != Some(&b' ') {
            break;
        }
        let start = end + 1;
        let word = text[start..].char_indices().take(64);
        let is_part = |(_, character): &(usize, char)| {
            !character.is_ascii() || !(is_space(*character as u8) || matches!(character, '=' | ':'))
        };
        let last = word.take_while(is_part).last();
        let after = last.map_or(start, |(at, character)| start + at + character.len_utf8());
        if bytes
            .get(after)
            .is_some_and(|byte| matches!(byte, b'=' | b':'))
        {
            break;
        }
        let length = bytes[start..]
            .iter()
            .take_while(|byte| is_bare(**byte))
            .count();
        if length == 0 {
            break;
        }
        end = start + length;
    }
    end
}

/// True if a value is followed by a further parameter of its query.
pub fn is_parameter(text: &str, at: usize) -> bool {
    let is_part = |character: &char| {
        !character.is_ascii() || !(is_space(*character as u8) || "&=\"'<>".contains(*character))
    };
    let value: usize = text[at..]
        .chars()
        .take(512)
        .take_while(is_part)
        .map(char::len_utf8)
        .sum();
    let rest = &text.as_bytes()[at + value..];
    let padding = rest.iter().take_while(|&&byte| byte == b'=').count();
    rest.get(padding) == Some(&b'&')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<&str> {
        value_at(text, 0).map(|value| &text[value.start..value.end])
    }

    #[test]
    fn values_end_where_their_notation_ends() {
        for (text, expected) in [
            ("abc, d", Some("abc")),
            ("\"a b\\\" c\" d", Some("a b\\\" c")),
            ("b'x' y", Some("x")),
            ("\\\"a b\\\" c", Some("a b")),
            ("'open\nx", Some("open")),
            ("['a', 'b'] c", Some("['a', 'b'] c")),
            ("[a b] c", Some("[a b")),
            ("4111 1111 1111 1111 x", Some("4111 1111 1111 1111")),
            ("1234567 89", Some("1234567")),
            ("Bearer abc d", Some("Bearer abc")),
            ("Bearer [redacted:x]", Some("Bearer")),
            ("[redacted:x]", Some("[redacted:x")),
            ("\"\"", None),
            ("", None),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn names_of_people_have_several_words() {
        fn end(text: &str) -> &str {
            &text[..end_of_words(text, 3)]
        }
        assert_eq!(end("Ada Lovelace, x"), "Ada Lovelace");
        assert_eq!(end("Ada level=info"), "Ada");
        assert_eq!(end("Ada a b c d e f"), "Ada a b c d e");
        assert!(is_parameter("abc==&x", 0) && !is_parameter("abc x&", 0));
    }
}
