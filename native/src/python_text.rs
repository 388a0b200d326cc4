//! Texts as Python sees them: its blanks, its `repr`, its spelling of numbers.

use crate::value::{Value, is_whole};

/// Python's `str.isspace` of a character.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// Python's `str.strip`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Return the first `most` characters of a text.
pub fn first_characters(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    if text.as_bytes()[..most].is_ascii() {
        return &text[..most];
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Return the number of characters.
pub fn length(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// Return a number, which is in orjson's form, as Python's `str` writes it.
pub fn number(text: &str) -> String {
    if is_whole(text) {
        return text.to_owned();
    }
    if let Some((digits, exponent)) = text.split_once('e') {
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent.trim_start_matches('+')),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    // Python writes 0.00001 with an exponent
    let (sign, bare) = match text.strip_prefix('-') {
        Some(bare) => ("-", bare),
        None => ("", text),
    };
    let Some(digits) = bare.strip_prefix("0.0000") else {
        return text.to_owned();
    };
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return text.to_owned();
    }
    let exponent = 5 + digits.len() - significant.len();
    let (first, rest) = significant.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}e-{exponent:0>2}")
}

/// Append the `repr` of a text; None if it has characters beyond ASCII, of which Python's Unicode tables decide.
pub fn repr_text(text: &str, into: &mut String) -> Option<()> {
    if !text.is_ascii() {
        return None;
    }
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    into.push(quote);
    for character in text.chars() {
        match character {
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            _ if character == quote => {
                into.push('\\');
                into.push(quote);
            }
            ' '..='~' => into.push(character),
            _ => into.push_str(&format!("\\x{:02x}", u32::from(character))),
        }
    }
    into.push(quote);
    Some(())
}

/// Append the `repr` of a value; None as for `repr_text`.
pub fn repr(value: &Value, into: &mut String) -> Option<()> {
    match value {
        Value::Null => into.push_str("None"),
        Value::Bool(true) => into.push_str("True"),
        Value::Bool(false) => into.push_str("False"),
        Value::Number(text) => into.push_str(&number(text)),
        Value::Text(text) => return repr_text(text, into),
        Value::List(items) => {
            into.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    into.push_str(", ");
                }
                repr(item, into)?;
            }
            into.push(']');
        }
        Value::Object(fields) => {
            into.push('{');
            for (place, (name, item)) in fields.iter().enumerate() {
                if place > 0 {
                    into.push_str(", ");
                }
                repr_text(name, into)?;
                into.push_str(": ");
                repr(item, into)?;
            }
            into.push('}');
        }
    }
    Some(())
}

/// Return the name of a value's type.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(text) if is_whole(text) => "int",
        Value::Number(_) => "float",
        Value::Text(_) => "str",
        Value::List(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::read;

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (text, written) in [
            ("17", "17"),
            ("0.0001", "0.0001"),
            ("1e-5", "1e-05"),
            ("-0.000025", "-2.5e-05"),
            ("1e-6", "1e-06"),
            ("1e16", "1e+16"),
            ("1.5e300", "1.5e+300"),
            ("0.0", "0.0"),
        ] {
            let Value::Number(read) = read(text).unwrap() else {
                panic!("{text}");
            };
            assert_eq!(number(&read), written, "{text}");
        }
    }

    #[test]
    fn values_have_pythons_repr() {
        for (text, written) in [
            (r#"{"a":[1,true,null,"x"]}"#, "{'a': [1, True, None, 'x']}"),
            (r#""it's""#, "\"it's\""),
            (r#""it's \"so\"""#, r#"'it\'s "so"'"#),
            (r#""a\\b\n\u0001""#, r"'a\\b\n\x01'"),
        ] {
            let mut into = String::new();
            repr(&read(text).unwrap(), &mut into).unwrap();
            assert_eq!(into, written);
        }
        assert_eq!(repr(&Value::text("é"), &mut String::new()), None);
        assert_eq!(type_name(&read("1.0").unwrap()), "float");
    }

    #[test]
    fn blanks_are_those_of_python() {
        assert_eq!(strip("\x1c\u{a0} a b\t\u{2028}"), "a b");
        assert_eq!(first_characters("éa", 1), "é");
        assert_eq!((length("éa"), first_characters("éa", 9)), (2, "éa"));
    }
}
