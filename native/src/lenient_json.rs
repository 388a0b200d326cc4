//! JSON objects as Python's `json` reads them, more leniently than orjson; the twin of `lenient_json.py`.
//!
//! Numbers and texts are returned as `payload.storable` changes them: no NaN, no integer beyond 64 bits, no surrogate.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::value::{DEEPEST, Fields, Value, float, is_whole};

/// Characters that may stand around a document.
pub const OUTSIDE: [char; 9] = ['\u{feff}', ' ', '\t', '\r', '\n', '\0', ',', ';', '\u{1e}'];
const LONGEST_INTEGER: usize = 400;
/// Number of names up to which duplicates are searched one by one.
const FEW_NAMES: usize = 24;

/// The reason why there is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Invalid,
    /// Nested deeper than is read here; Python may read it.
    TooDeep,
}

/// Names that are in an object already, for those with many.
#[derive(Default)]
pub struct Places {
    known: HashMap<String, usize>,
}

impl Places {
    /// Return the place of a name, and keep that it is added at the end if it is new.
    pub fn place(&mut self, fields: &Fields, name: &str) -> Option<usize> {
        if fields.len() < FEW_NAMES {
            return fields.iter().position(|(known, _)| known == name);
        }
        if self.known.is_empty() {
            let numbered = fields.iter().enumerate();
            self.known = numbered
                .map(|(place, (known, _))| (known.to_string(), place))
                .collect();
        }
        let place = self.known.get(name).copied();
        if place.is_none() {
            self.known.insert(name.to_string(), fields.len());
        }
        place
    }
}

/// Read the object at `at`; return it with the index after it.
pub fn object_at(text: &str, at: usize) -> Result<(Fields<'_>, usize), Fault> {
    let mut reader = Reader { text, at };
    match reader.value(0)? {
        Value::Object(fields) => Ok((fields, reader.at)),
        _ => Err(Fault::Invalid),
    }
}

/// Read a text that is one JSON string.
pub fn whole_string(text: &str) -> Option<Cow<'_, str>> {
    let mut reader = Reader { text, at: 0 };
    let string = reader.string().ok()?;
    (reader.at == text.len()).then_some(string)
}

struct Reader<'x> {
    text: &'x str,
    at: usize,
}

impl<'x> Reader<'x> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn sign(&mut self, sign: u8) -> Result<(), Fault> {
        if self.peek() != Some(sign) {
            return Err(Fault::Invalid);
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value<'x>, Fault> {
        if depth > DEEPEST {
            return Err(Fault::TooDeep);
        }
        const WORDS: [(&str, Value); 6] = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Text(Cow::Borrowed("nan"))),
            ("Infinity", Value::Text(Cow::Borrowed("inf"))),
            ("-Infinity", Value::Text(Cow::Borrowed("-inf"))),
        ];
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            _ => {
                for (word, value) in WORDS {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.number()
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'x>, Fault> {
        self.sign(b'{')?;
        self.blanks();
        let mut fields = Fields::new();
        let mut places = Places::default();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(fields));
        }
        loop {
            let name = self.string()?;
            self.blanks();
            self.sign(b':')?;
            self.blanks();
            let value = self.value(depth + 1)?;
            match places.place(&fields, &name) {
                Some(place) => fields[place].1 = value,
                None => fields.push((name, value)),
            }
            self.blanks();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(Value::Object(fields));
            }
            self.sign(b',')?;
            self.blanks();
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'x>, Fault> {
        self.sign(b'[')?;
        self.blanks();
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Value::List(items));
            }
            self.sign(b',')?;
            self.blanks();
        }
    }

    fn string(&mut self) -> Result<Cow<'x, str>, Fault> {
        self.sign(b'"')?;
        let begin = self.at;
        let bytes = self.text.as_bytes();
        let mut owned: Option<String> = None;
        let mut start = begin;
        loop {
            let rest = bytes.get(self.at..).ok_or(Fault::Invalid)?;
            self.at += memchr::memchr2(b'"', b'\\', rest).ok_or(Fault::Invalid)?;
            let plain = &self.text[start..self.at];
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(match owned {
                    None => Cow::Borrowed(plain),
                    Some(text) => Cow::Owned(text + plain),
                });
            }
            let text = owned.get_or_insert_default();
            text.push_str(plain);
            self.at += 1;
            text.push(self.escape()?);
            start = self.at;
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let sign = self.peek().ok_or(Fault::Invalid)?;
        self.at += 1;
        Ok(match sign {
            b'"' | b'\\' | b'/' => char::from(sign),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.code()?;
                if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
                    let before = self.at;
                    self.at += 2;
                    match self.code() {
                        Ok(second) if (0xdc00..0xe000).contains(&second) => {
                            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                            return char::from_u32(code).ok_or(Fault::Invalid);
                        }
                        _ => self.at = before,
                    }
                }
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(Fault::Invalid),
        })
    }

    fn code(&mut self) -> Result<u32, Fault> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.ok_or(Fault::Invalid)?;
        let mut code = 0;
        for &digit in digits {
            let digit = char::from(digit).to_digit(16).ok_or(Fault::Invalid)?;
            code = code * 16 + digit;
        }
        self.at += 4;
        Ok(code)
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - begin
    }

    fn number(&mut self) -> Result<Value<'x>, Fault> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            _ => return Err(Fault::Invalid),
        }
        let whole_end = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                self.at = whole_end;
            }
        }
        let point_end = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                self.at = point_end;
            }
        }
        let number = &self.text[begin..self.at];
        if self.at == whole_end {
            return Ok(integer(number));
        }
        let double: f64 = number.parse().map_err(|_| Fault::Invalid)?;
        Ok(if double.is_finite() {
            float(double)
        } else {
            Value::text(if double < 0.0 { "-inf" } else { "inf" })
        })
    }
}

fn integer(digits: &str) -> Value<'_> {
    if digits == "-0" {
        return Value::Number("0".into());
    }
    if digits.len() > LONGEST_INTEGER || digits.parse::<i64>().is_err() {
        return Value::text(digits);
    }
    Value::Number(digits.into())
}

/// Change a value that orjson read, so that it can be stored: integers beyond 64 bits with a sign become texts.
pub fn storable(value: &mut Value) {
    match value {
        Value::Number(number) if is_whole(number) && number.parse::<i64>().is_err() => {
            *value = Value::Text(std::mem::take(number));
        }
        Value::List(items) => items.iter_mut().for_each(storable),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| storable(value)),
        _ => {}
    }
}
