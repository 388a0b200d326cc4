//! Objects and lists in unknown fields of ordinary lines: read, judged and written without a tree.

use crate::line::{Cursor, SHORT_NUMBER};
use crate::secrets::{Keywords, has_long_number, is_encoded, is_odd_name};

/// Deepest nesting, and most names of one object, of an ordinary line.
const DEEPEST: usize = 8;
const MOST_NAMES: usize = 16;
/// Names that name the value beside them, if that is a text; see `Redactor::named_by`.
const NAME_KEYS: [&[u8]; 6] = [b"name", b"key", b"header", b"field", b"param", b"parameter"];

pub struct Nested;

type Span = (usize, usize);

impl Nested {
    /// Move behind the object or list at the cursor; None for one that an encoder may write in another way.
    pub fn skip(cursor: &mut Cursor) -> Option<()> {
        walk(cursor, 0, (0, 0), &mut |_, _, _| Some(()))
    }

    /// True if an object or a list, valid and under this name, may hold something to mask.
    pub fn may_hold(mut cursor: Cursor, name: &[u8], keywords: &Keywords) -> bool {
        let text = cursor.text;
        let whole = &text[cursor.at..];
        if keywords.has_word(whole) || is_encoded(whole) || has_long_number(whole) {
            return true;
        }
        let mut joined = Vec::new();
        let judge = &mut |parent: Span, key: Option<Span>, value: Leaf| {
            let number_is_long =
                matches!(value, Leaf::Whole(span) if span.1 - span.0 > SHORT_NUMBER);
            let Some(key) = key else {
                return (!number_is_long).then_some(());
            };
            let parent = if parent.1 == 0 {
                name
            } else {
                &text[parent.0..parent.1]
            };
            let key = &text[key.0..key.1];
            joined.clear();
            joined.extend_from_slice(parent);
            joined.push(b' ');
            joined.extend_from_slice(key);
            let names_value = match value {
                Leaf::Text(span) => {
                    NAME_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name))
                        && is_odd_name(&text[span.0..span.1])
                }
                _ => key.eq_ignore_ascii_case(b"loc"),
            };
            let is_clean =
                !(number_is_long || names_value || is_odd_name(key) || keywords.has_word(&joined));
            is_clean.then_some(())
        };
        walk(&mut cursor, 0, (0, 0), judge).is_none()
    }

    /// Write a valid object or list as an encoder does.
    pub fn write(mut cursor: Cursor, into: &mut Vec<u8>) {
        while let Some(byte) = cursor.peek() {
            match byte {
                b' ' => cursor.at += 1,
                b'"' | b'\\' => {
                    let Some((begin, end)) = cursor.text() else {
                        return;
                    };
                    into.push(b'"');
                    into.extend_from_slice(&cursor.text[begin..end]);
                    into.push(b'"');
                }
                b'-' | b'0'..=b'9' => {
                    let Some(((begin, end), _)) = cursor.plain_number() else {
                        return;
                    };
                    into.extend_from_slice(&cursor.text[begin..end]);
                }
                _ => {
                    into.push(byte);
                    cursor.at += 1;
                }
            }
        }
    }
}

/// What stands under a name or in a list.
enum Leaf {
    Text(Span),
    Whole(Span),
    Other,
}

/// Read an object or a list. `visit` is called with the name around each of its values, their own name, and the value.
fn walk(
    cursor: &mut Cursor,
    depth: usize,
    parent: Span,
    visit: &mut impl FnMut(Span, Option<Span>, Leaf) -> Option<()>,
) -> Option<()> {
    let is_object = cursor.peek()? == b'{';
    let close = if is_object { b'}' } else { b']' };
    let mut names = [(0, 0); MOST_NAMES];
    let mut count = 0;
    cursor.at += 1;
    cursor.spaces();
    if cursor.peek()? == close {
        cursor.at += 1;
        return Some(());
    }
    if depth >= DEEPEST {
        return None;
    }
    loop {
        let mut key = None;
        if is_object {
            cursor.spaces();
            let name = cursor.text()?;
            let bytes = &cursor.text[name.0..name.1];
            let is_same = |known: &Span| cursor.text[known.0..known.1] == *bytes;
            if names.get(..count)?.iter().any(is_same) {
                return None;
            }
            *names.get_mut(count)? = name;
            count += 1;
            cursor.spaces();
            cursor.take(b":")?;
            key = Some(name);
        }
        cursor.spaces();
        let begin = cursor.at;
        let mut leaf = Leaf::Other;
        match cursor.peek()? {
            b'"' | b'\\' => leaf = Leaf::Text(cursor.text()?),
            b'n' => cursor.take(b"null")?,
            b't' => cursor.take(b"true")?,
            b'f' => cursor.take(b"false")?,
            b'{' | b'[' => {}
            _ => {
                let (span, is_whole) = cursor.plain_number()?;
                if is_whole {
                    leaf = Leaf::Whole(span);
                }
            }
        }
        visit(parent, key, leaf)?;
        if cursor.at == begin {
            let inner = key.filter(|key| key.1 > key.0).unwrap_or(parent);
            walk(cursor, depth + 1, inner, visit)?;
        }
        cursor.spaces();
        match cursor.peek()? {
            b',' => cursor.at += 1,
            byte if byte == close => {
                cursor.at += 1;
                return Some(());
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::tests::sample;

    fn cursor(text: &str) -> Cursor<'_> {
        Cursor {
            text: text.as_bytes(),
            at: 0,
            quote: b"\"",
        }
    }

    fn written(text: &str) -> Option<String> {
        let mut end = cursor(text);
        Nested::skip(&mut end)?;
        assert_eq!(end.at, text.len(), "{text}");
        let mut into = Vec::new();
        Nested::write(cursor(text), &mut into);
        Some(String::from_utf8(into).unwrap())
    }

    #[test]
    fn valid_values_are_written_without_blanks_and_zeros() {
        for (text, expected) in [
            ("{}", "{}"),
            ("[ ]", "[]"),
            (
                r#"{ "a b" : [ 1, 2.50, -3, true ,null],"c":{"d":"e, f"}}"#,
                r#"{"a b":[1,2.5,-3,true,null],"c":{"d":"e, f"}}"#,
            ),
            (r#"[[[]],{"é":false}]"#, r#"[[[]],{"é":false}]"#),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn others_are_left_to_the_general_path() {
        for text in [
            "{",
            "[1",
            "[1,]",
            "[,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1}",
            "{a:1}",
            "[01]",
            "[1e3]",
            "[-0]",
            "[tru]",
            r#"["\n"]"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":2}}"#,
        ] {
            assert_eq!(written(text), None, "{text}");
        }
        assert_eq!(written(&("[".repeat(10) + &"]".repeat(10))), None);
        let many: Vec<_> = (0..17).map(|number| format!("\"n{number}\":1")).collect();
        assert_eq!(written(&format!("{{{}}}", many.join(","))), None);
    }

    #[test]
    fn what_may_be_masked_is_recognised() {
        let holds =
            |name: &str, text: &str| Nested::may_hold(cursor(text), name.as_bytes(), &sample());
        for (name, text) in [
            ("a", r#"{"token":"x"}"#),
            ("a", r#"{"b":["api_key","x"]}"#),
            ("api_key", r#"{"b":1}"#),
            ("a", r#"{"b/c":1}"#),
            ("a", r#"[{"name":"b/c","value":"x"}]"#),
            ("a", r#"{"LOC":["b"]}"#),
            ("a", r#"{"b":"%20"}"#),
            ("a", r#"["0612345678"]"#),
            ("a", r#"{"b":123456789}"#),
        ] {
            assert!(holds(name, text), "{name} {text}");
        }
        for text in [
            r#"{"id":17,"roles":["nurse","admin"],"name":"x","at":"2026-11-23T10:00:00.123Z"}"#,
            "[]",
        ] {
            assert!(!holds("user", text), "{text}");
        }
    }

    #[test]
    fn a_name_is_read_with_that_around_it() {
        let keywords = Keywords::new(&["api key".to_owned()], &[], &[], &[], Vec::new()).unwrap();
        let holds =
            |name: &str, text: &str| Nested::may_hold(cursor(text), name.as_bytes(), &keywords);
        assert!(holds("api", r#"{"key":1}"#) && holds("a", r#"{"api":[[{"key":1}]]}"#));
        assert!(!holds("apis", r#"{"key":1}"#) && !holds("api", r#"{"b":{"key":1}}"#));
    }
}
