//! JSON as the Python chain reads and writes it: a strict reader that accepts what orjson accepts, a tree, an encoder.
//!
//! Texts and numbers borrow from the line wherever nothing changes. The order of an object's names is kept; of a name
//! that is there twice, the first place and the last value are kept, as in Python's dict.

use std::borrow::Cow;
use std::collections::HashMap;

/// The names and values of an object, each name once.
pub type Fields<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Deepest nesting that is read. Python's limit is higher: such a text is declined, not invalid.
pub const DEEPEST: usize = 64;
/// Number of names up to which duplicates are searched one by one.
const FEW_NAMES: usize = 24;
/// Most digits of a decimal number that is written back as it is read.
const EXACT_DIGITS: usize = 15;

#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// As orjson writes it: a whole number has digits and a sign only, any other a point or an exponent.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Fields<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadError {
    /// Not JSON, or not JSON that orjson accepts.
    Invalid,
    /// Nested deeper than `DEEPEST`.
    TooDeep,
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Value<'a> {
        Value::Text(text.into())
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Fields<'a>> {
        match self {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// True for a number that Python reads as `int`.
    pub fn is_whole(&self) -> bool {
        matches!(self, Value::Number(number) if is_whole(number))
    }

    /// Return a number as a double, as Python's `float` of it.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// Return a whole number; None for others.
    pub fn as_i128(&self) -> Option<i128> {
        match self {
            Value::Number(number) if is_whole(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// Copy what is borrowed.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(flag) => Value::Bool(flag),
            Value::Number(number) => Value::Number(Cow::Owned(number.into_owned())),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                    .collect(),
            ),
        }
    }
}

/// True for the form of a whole number.
pub fn is_whole(number: &str) -> bool {
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Return the value of a name; None if it is missing.
pub fn get<'b, 'a>(fields: &'b [(Cow<'a, str>, Value<'a>)], name: &str) -> Option<&'b Value<'a>> {
    fields
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// Set the value of a name: in its place, or after all others.
pub fn set<'a>(fields: &mut Fields<'a>, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
    let name = name.into();
    match fields.iter_mut().find(|(known, _)| *known == name) {
        Some((_, place)) => *place = value,
        None => fields.push((name, value)),
    }
}

/// Remove a name and return its value.
pub fn remove<'a>(fields: &mut Fields<'a>, name: &str) -> Option<Value<'a>> {
    let place = fields.iter().position(|(known, _)| known == name)?;
    Some(fields.remove(place).1)
}

/// Return a whole number as a value.
pub fn whole(number: i64) -> Value<'static> {
    Value::Number(Cow::Owned(number.to_string()))
}

/// Return a double as orjson writes it; null for one that is not finite.
pub fn float(number: f64) -> Value<'static> {
    if number.is_finite() {
        Value::Number(Cow::Owned(written(number)))
    } else {
        Value::Null
    }
}

fn written(number: f64) -> String {
    let mut bytes = Vec::with_capacity(24);
    serde_json::to_writer(&mut bytes, &number).expect("a number can be written");
    String::from_utf8(bytes).expect("a number is ASCII")
}

// --- reading --------------------------------------------------------------------------------------

/// Read a text that is one JSON value.
pub fn read(text: &str) -> Result<Value<'_>, ReadError> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        clean: is_clean(text.as_bytes()),
    };
    reader.spaces();
    let value = reader.value(0)?;
    reader.spaces();
    if reader.at == text.len() {
        Ok(value)
    } else {
        Err(ReadError::Invalid)
    }
}

/// Read a text that is one JSON object.
pub fn read_object(text: &str) -> Result<Fields<'_>, ReadError> {
    match read(text)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(ReadError::Invalid),
    }
}

/// True if a text has no control characters, which no string may contain.
fn is_clean(bytes: &[u8]) -> bool {
    !bytes
        .iter()
        .fold(false, |control, &byte| control | (byte < 0x20))
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    clean: bool,
}

impl<'a> Reader<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, ReadError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(ReadError::Invalid)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, ReadError> {
        match self.peek().ok_or(ReadError::Invalid)? {
            b'"' => self.string().map(Value::Text),
            b'{' => self.object(depth + 1),
            b'[' => self.list(depth + 1),
            b'n' => self.take("null", Value::Null),
            b't' => self.take("true", Value::Bool(true)),
            b'f' => self.take("false", Value::Bool(false)),
            _ => self.number().map(Value::Number),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, ReadError> {
        if depth > DEEPEST {
            return Err(ReadError::TooDeep);
        }
        self.at += 1;
        self.spaces();
        let mut fields = Fields::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(fields));
        }
        fields.reserve(if depth == 1 { 16 } else { 4 });
        let mut seen = 0u64;
        let mut places = None;
        loop {
            self.spaces();
            if self.peek() != Some(b'"') {
                return Err(ReadError::Invalid);
            }
            let name = self.string()?;
            self.spaces();
            if self.peek() != Some(b':') {
                return Err(ReadError::Invalid);
            }
            self.at += 1;
            self.spaces();
            let value = self.value(depth)?;
            let bit = 1u64 << bit_of(&name);
            let is_new = seen & bit == 0 && fields.len() < FEW_NAMES;
            seen |= bit;
            match (!is_new)
                .then(|| place_of(&fields, &name, &mut places))
                .flatten()
            {
                Some(place) => fields[place].1 = value,
                None => fields.push((name, value)),
            }
            self.spaces();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(fields));
                }
                _ => return Err(ReadError::Invalid),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, ReadError> {
        if depth > DEEPEST {
            return Err(ReadError::TooDeep);
        }
        self.at += 1;
        self.spaces();
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            self.spaces();
            items.push(self.value(depth)?);
            self.spaces();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(items));
                }
                _ => return Err(ReadError::Invalid),
            }
        }
    }

    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, ReadError> {
        let begin = self.at + 1;
        let length =
            memchr::memchr2(b'"', b'\\', &self.bytes[begin..]).ok_or(ReadError::Invalid)?;
        let end = begin + length;
        if !self.clean && !is_clean(&self.bytes[begin..end]) {
            return Err(ReadError::Invalid);
        }
        if self.bytes[end] == b'"' {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[begin..end]));
        }
        self.escaped(begin, end).map(Cow::Owned)
    }

    /// Read the string that begins at `begin`, without its quote, and has its first escape at `escape`.
    fn escaped(&mut self, begin: usize, escape: usize) -> Result<String, ReadError> {
        let mut content = String::with_capacity(2 * (escape - begin) + 32);
        let mut start = begin;
        let mut at = escape;
        loop {
            content.push_str(&self.text[start..at]);
            if self.bytes[at] == b'"' {
                self.at = at + 1;
                return Ok(content);
            }
            let (character, behind) = self.escape(at + 1)?;
            content.push(character);
            at = behind;
            start = at;
            let length =
                memchr::memchr2(b'"', b'\\', &self.bytes[at..]).ok_or(ReadError::Invalid)?;
            if !self.clean && !is_clean(&self.bytes[at..at + length]) {
                return Err(ReadError::Invalid);
            }
            at += length;
        }
    }

    /// Read the escape whose backslash stands before `at`; return its character and the place behind.
    #[inline]
    fn escape(&self, at: usize) -> Result<(char, usize), ReadError> {
        let character = match *self.bytes.get(at).ok_or(ReadError::Invalid)? {
            sign @ (b'"' | b'\\' | b'/') => char::from(sign),
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\x08',
            b'f' => '\x0c',
            b'u' => return self.unicode(at + 1),
            _ => return Err(ReadError::Invalid),
        };
        Ok((character, at + 1))
    }

    /// Read the digits of a `\u` escape, and of its second half; return the character and the place behind.
    fn unicode(&self, at: usize) -> Result<(char, usize), ReadError> {
        let first = self.hex(at)?;
        if !(0xd800..0xe000).contains(&first) {
            let character = char::from_u32(first).ok_or(ReadError::Invalid)?;
            return Ok((character, at + 4));
        }
        if first >= 0xdc00 || self.bytes.get(at + 4..at + 6) != Some(b"\\u") {
            return Err(ReadError::Invalid);
        }
        let second = self.hex(at + 6)?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(ReadError::Invalid);
        }
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        let character = char::from_u32(code).ok_or(ReadError::Invalid)?;
        Ok((character, at + 10))
    }

    fn hex(&self, at: usize) -> Result<u32, ReadError> {
        let digits = self.bytes.get(at..at + 4).ok_or(ReadError::Invalid)?;
        digits.iter().try_fold(0, |sum, &digit| {
            let value = char::from(digit).to_digit(16).ok_or(ReadError::Invalid)?;
            Ok(sum * 16 + value)
        })
    }

    fn digits(&mut self) -> Result<usize, ReadError> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == begin {
            return Err(ReadError::Invalid);
        }
        Ok(self.at - begin)
    }

    fn number(&mut self) -> Result<Cow<'a, str>, ReadError> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.at;
        let whole = self.digits()?;
        let leading_zero = self.bytes[first] == b'0';
        if whole > 1 && leading_zero {
            return Err(ReadError::Invalid);
        }
        let mut fraction = 0;
        let point = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            fraction = self.digits()?;
        }
        let has_exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if has_exponent {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = &self.text[begin..self.at];
        if fraction == 0 && !has_exponent {
            return whole_number(number, whole);
        }
        let after_point = &self.bytes[(point + 1).min(self.at)..self.at];
        let is_small = leading_zero && after_point.starts_with(b"000");
        if !has_exponent && whole + fraction <= EXACT_DIGITS && !is_small {
            let shortest = number.trim_end_matches('0');
            let end = shortest.len() + usize::from(shortest.ends_with('.'));
            return Ok(Cow::Borrowed(&number[..end]));
        }
        double(number)
    }
}

/// Return the length of the text up to its last line break's escape, or to its end, if all escapes in it are of quotes
/// and each quote is escaped; else 0.
fn with_escaped_quotes_only(bytes: &[u8]) -> usize {
    let head = bytes.strip_suffix(b"\\n").unwrap_or(bytes);
    let behind = head.get(1..).unwrap_or_default();
    let pairs = head.iter().zip(behind);
    // no branch, so that many pairs are tested at once
    let other = pairs.fold(false, |other, (&byte, &next)| {
        other | ((byte == b'\\') != (next == b'"'))
    });
    let ends = head.first() == Some(&b'"') || head.last() == Some(&b'\\');
    if other || ends { 0 } else { head.len() }
}

/// Append a text without its backslashes.
fn push_without_backslashes(text: &str, into: &mut String) {
    let mut target = std::mem::take(into).into_bytes();
    let begin = target.len();
    target.resize(begin + text.len(), 0);
    let mut length = begin;
    for &byte in text.as_bytes() {
        target[length] = byte; // no branch, since escapes are frequent
        length = length.wrapping_add(usize::from(byte != b'\\'));
    }
    target.truncate(length);
    *into = String::from_utf8(target).unwrap_or_default(); // characters of one byte were removed
}

/// Append the content of a JSON string, without its quotes, to a text.
pub fn unescape(content: &str, into: &mut String) -> Result<(), ReadError> {
    let bytes = content.as_bytes();
    if !is_clean(bytes) {
        return Err(ReadError::Invalid);
    }
    let reader = Reader {
        text: content,
        bytes,
        at: 0,
        clean: true,
    };
    into.reserve(content.len());
    let quotes = with_escaped_quotes_only(bytes);
    if quotes > 0 {
        push_without_backslashes(&content[..quotes], into);
    }
    let mut start = quotes;
    let mut at = quotes;
    while let Some(length) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
        at += length;
        if bytes[at] == b'"' {
            return Err(ReadError::Invalid);
        }
        into.push_str(&content[start..at]);
        let (character, behind) = reader.escape(at + 1)?;
        into.push(character);
        (start, at) = (behind, behind);
    }
    into.push_str(&content[start..]);
    Ok(())
}

/// Return a number below 64 that equal names share.
#[inline]
fn bit_of(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let sign = |place: usize| bytes.get(place).map_or(0, |&byte| u32::from(byte));
    let (middle, last) = (sign(bytes.len() / 2), sign(bytes.len().wrapping_sub(1)));
    (sign(0) ^ middle << 2 ^ last << 1 ^ bytes.len() as u32) % 64
}

/// Return the place of a name; None for a new name, whose place will be the next.
#[inline]
fn place_of(
    fields: &[(Cow<'_, str>, Value<'_>)],
    name: &str,
    places: &mut Option<HashMap<String, usize>>,
) -> Option<usize> {
    if fields.len() < FEW_NAMES {
        return fields.iter().position(|(known, _)| known == name);
    }
    let places = places.get_or_insert_with(|| {
        let known = fields.iter().enumerate();
        known
            .map(|(place, (known, _))| (known.to_string(), place))
            .collect()
    });
    match places.get(name) {
        Some(&place) => Some(place),
        None => {
            places.insert(name.to_owned(), fields.len());
            None
        }
    }
}

/// Return a whole number of `digits` digits; one beyond 64 bits is a double.
fn whole_number(number: &str, digits: usize) -> Result<Cow<'_, str>, ReadError> {
    if number == "-0" {
        return Ok(Cow::Borrowed("0"));
    }
    if digits <= 18 || number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok() {
        return Ok(Cow::Borrowed(number));
    }
    double(number)
}

fn double(number: &str) -> Result<Cow<'_, str>, ReadError> {
    let double: f64 = number.parse().map_err(|_| ReadError::Invalid)?;
    if double.is_finite() {
        Ok(Cow::Owned(written(double)))
    } else {
        Err(ReadError::Invalid)
    }
}

// --- writing --------------------------------------------------------------------------------------

/// Append a value as orjson writes it.
pub fn write(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Null => into.extend_from_slice(b"null"),
        Value::Bool(true) => into.extend_from_slice(b"true"),
        Value::Bool(false) => into.extend_from_slice(b"false"),
        Value::Number(number) => into.extend_from_slice(number.as_bytes()),
        Value::Text(text) => write_text(text, into),
        Value::List(items) => {
            into.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    into.push(b',');
                }
                write(item, into);
            }
            into.push(b']');
        }
        Value::Object(fields) => write_object(fields, into),
    }
}

/// Append an object as orjson writes it.
pub fn write_object(fields: &[(Cow<'_, str>, Value<'_>)], into: &mut Vec<u8>) {
    into.push(b'{');
    for (place, (name, value)) in fields.iter().enumerate() {
        if place > 0 {
            into.push(b',');
        }
        write_text(name, into);
        into.push(b':');
        write(value, into);
    }
    into.push(b'}');
}

/// Append a text in quotes.
pub fn write_text(text: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    write_content(text, into);
    into.push(b'"');
}

/// Append the content of a text's quotes.
pub fn write_content(text: &str, into: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut begin = 0;
    for chunk in bytes.chunks(16) {
        // no branch within a chunk, so that it is tested at once
        let any = chunk
            .iter()
            .fold(false, |any, &byte| any | needs_escape(byte));
        if any {
            for (at, &byte) in chunk.iter().enumerate() {
                if needs_escape(byte) {
                    into.extend_from_slice(&bytes[start..begin + at]);
                    write_escaped(byte, into);
                    start = begin + at + 1;
                }
            }
        }
        begin += chunk.len();
    }
    into.extend_from_slice(&bytes[start..]);
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escaped(byte: u8, into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            into.extend_from_slice(b"\\u00");
            into.push(HEX[usize::from(byte >> 4)]);
            into.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    into.push(b'\\');
    into.push(short);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Result<String, ReadError> {
        let mut bytes = Vec::new();
        write(&read(text)?, &mut bytes);
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn values_are_written_in_one_form() {
        for (text, written) in [
            (" { } ", "{}"),
            ("[1, [ ], {\"a\" : null}]", "[1,[],{\"a\":null}]"),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#""\u0000\/\u00e9\ud83d\ude00\"""#, "\"\\u0000/é😀\\\"\""),
            (
                "\"\\u000b\\b\\t\\n\\f\\r\u{7f}\"",
                "\"\\u000b\\b\\t\\n\\f\\r\u{7f}\"",
            ),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1.50", "1.5"),
            ("1.000", "1.0"),
            ("1E5", "100000.0"),
            ("1e16", "1e+16"),
            ("0.00001", "0.00001"),
            ("1e-6", "1e-6"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "1.8446744073709552e+19"),
            ("-9223372036854775809", "-9.223372036854776e+18"),
            ("0.1e-400", "0.0"),
        ] {
            assert_eq!(again(text).as_deref(), Ok(written), "{text}");
        }
    }

    #[test]
    fn anything_else_is_invalid() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "- 1",
            "1e",
            "1e999",
            "NaN",
            "nul",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\x\"",
            "\"\n\"",
            "\"a",
            "{}x",
            "\u{feff}1",
            "\"\\n\t\"",
        ] {
            assert_eq!(again(text), Err(ReadError::Invalid), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_told_from_invalid_text() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(again(&nested(DEEPEST)).is_ok());
        assert_eq!(again(&nested(DEEPEST + 1)), Err(ReadError::TooDeep));
    }

    #[test]
    fn many_names_keep_the_first_place_and_the_last_value() {
        let many: Vec<_> = (0..100)
            .map(|place| format!("\"n{}\":{place}", place % 60))
            .collect();
        let text = format!("{{{}}}", many.join(","));
        let fields = read_object(&text).unwrap();
        assert_eq!(fields.len(), 60);
        assert_eq!(fields[3], (Cow::Borrowed("n3"), whole(63)));
        assert_eq!(fields[59], (Cow::Borrowed("n59"), whole(59)));
    }

    #[test]
    fn the_content_of_a_string_is_unescaped() {
        for (content, text) in [
            ("", Some("")),
            ("a", Some("a")),
            (r#"\"a\":1\n"#, Some("\"a\":1\n")),
            (r#"é\"ü\""#, Some("é\"ü\"")),
            (r#"\"\\n\"\n"#, Some("\"\\n\"\n")),
            (r#"\\n"#, Some("\\n")),
            (r#"\"\\"#, Some("\"\\")),
            (r#"\u00e9\/\n"#, Some("é/\n")),
            (r#"""#, None),
            (r#"a"b"#, None),
            (r#"\""\""#, None),
            (r#"\"\"#, None),
            ("\\", None),
            (r#"\x"#, None),
        ] {
            let mut into = "x".to_owned();
            let result = unescape(content, &mut into);
            let expected = text.map(|text| format!("x{text}"));
            assert_eq!(result.ok().map(|()| into), expected, "{content}");
        }
    }

    #[test]
    fn fields_are_set_in_their_place() {
        let mut fields = read_object(r#"{"a":1,"b":2}"#).unwrap();
        set(&mut fields, "a", Value::Null);
        set(&mut fields, "c", float(0.5));
        assert_eq!(remove(&mut fields, "b"), Some(whole(2)));
        assert_eq!(get(&fields, "a"), Some(&Value::Null));
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[1].1.as_f64(), Some(0.5));
    }
}
