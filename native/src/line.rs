//! Reading and rendering of one ordinary runtime line.
//!
//! An ordinary line is a whole JSON object without escapes, with a valid correlation id, fields of the right types, times
//! near each other, and nothing that may need masking; or an access line of uvicorn. Only unknown fields are objects and
//! lists (`nested.rs`). For every other line, and in doubt, the result is `None`: the line takes the general path, which
//! always decides the same.

use crate::block::{Block, Blocks, Column};
use crate::nested::Nested;
use crate::normalise::KeySets;
use crate::runtime::{Runtime, RuntimeLine, Stream, parse};
use crate::secrets::{has_number, may_hold, may_hold_assignment};
use crate::settings::{
    AccessField, Check, FieldRule, Normalisation, Require, Role, RuleField, Settings, exact,
    is_unusual,
};
use crate::time_zones::Zone;
use crate::times::parse_ms;
use crate::value::{Value, is_whole};
use crate::violation::{Kind, Policy};

const MOST_FIELDS: usize = 48;
const MOST_DIGITS: usize = 15;
/// Longest number, in characters, that is never masked.
pub const SHORT_NUMBER: usize = 8;
const HTTP_ACCESS: &[u8] = b"http_access";
const NOWHERE: u8 = u8::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Float,
    Bool,
    Null,
    /// An object or a list.
    Nested,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Known(usize),
    Timestamp,
    Extra,
}

#[derive(Clone, Copy)]
struct Field {
    key: (usize, usize),
    value: (usize, usize),
    kind: Type,
    part: Part,
}

/// Properties of all lines of one log.
pub struct Log {
    pub runtime: Runtime,
    pub tails: [Vec<u8>; 2],
    /// Distinguishes groups of logs with different sources of request counters.
    pub salt: u8,
    /// The zone of times that name none.
    pub zone: Zone,
    /// True if lines that begin a request are not ordinary: later lines answer it.
    pub begins: bool,
    /// Its policy of ids, if it has one of its own.
    pub require: Option<Require>,
    /// Its table of field sources, if it has one of its own; then none of its objects is ordinary.
    pub own: Option<Normalisation>,
}

/// A line that is processed: its stream, its runtime time, and the block of its document.
pub struct PathLine {
    pub stream: Stream,
    pub runtime_ms: i64,
    pub runtime: (usize, usize),
    /// None for a line that is dropped.
    pub block: Option<usize>,
    /// True for a text that the next line of its stream may continue.
    pub may_continue: bool,
}

/// Buffers that are reused for each line, and what the last line adds to the counters.
pub struct Scratch {
    fields: Vec<Field>,
    lowered: Vec<u8>,
    pub group: Vec<u8>,
    /// The text of a line without the envelope's escapes.
    pub text: String,
    /// The record in canonical form.
    pub canonical: Vec<u8>,
    pub key_sets: KeySets,
    /// Kinds of violation that are counted.
    pub violations: Vec<Kind>,
    pub is_structured: bool,
    pub has_id: bool,
    pub needs_id: bool,
    pub policy: Policy,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch {
            fields: Vec::new(),
            lowered: Vec::new(),
            group: Vec::new(),
            text: String::new(),
            canonical: Vec::new(),
            key_sets: KeySets::default(),
            violations: Vec::new(),
            is_structured: false,
            has_id: false,
            needs_id: false,
            policy: Policy::Allow,
        }
    }
}

pub struct Cursor<'a> {
    pub text: &'a [u8],
    pub at: usize,
    /// A quote of the application's text in the runtime's line: escaped in a json-file record, plain otherwise.
    pub quote: &'static [u8],
}

impl Cursor<'_> {
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    pub fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    #[inline]
    pub fn take(&mut self, expected: &[u8]) -> Option<()> {
        if self.text[self.at..].starts_with(expected) {
            self.at += expected.len();
            return Some(());
        }
        None
    }

    #[inline]
    fn quote(&mut self) -> Option<()> {
        if self.quote.len() == 2 {
            if self.peek()? != b'\\' {
                return None;
            }
            self.at += 1;
        }
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Read the content of a string without escapes.
    #[inline]
    pub fn text(&mut self) -> Option<(usize, usize)> {
        self.quote()?;
        let begin = self.at;
        let end = begin + memchr::memchr2(b'\\', b'"', &self.text[begin..])?;
        self.at = end;
        self.quote()?;
        Some((begin, end))
    }

    #[inline]
    fn value(&mut self) -> Option<((usize, usize), Type)> {
        let begin = self.at;
        match self.peek()? {
            b'\\' | b'"' => self.text().map(|span| (span, Type::Text)),
            b'n' => self.take(b"null").map(|()| ((begin, self.at), Type::Null)),
            b't' => self.take(b"true").map(|()| ((begin, self.at), Type::Bool)),
            b'f' => self.take(b"false").map(|()| ((begin, self.at), Type::Bool)),
            b'{' | b'[' => {
                Nested::skip(self)?;
                Some(((begin, self.at), Type::Nested))
            }
            _ => self.number(),
        }
    }

    /// Read a number that an encoder would write unchanged, except for trailing zeros; return it without these, and
    /// true for a whole number.
    pub fn plain_number(&mut self) -> Option<((usize, usize), bool)> {
        self.number()
            .map(|(span, kind)| (span, kind == Type::Integer))
    }

    fn number(&mut self) -> Option<((usize, usize), Type)> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits()?;
        let first = self.text[self.at - whole];
        if whole > 1 && first == b'0' {
            return None;
        }
        if self.peek() != Some(b'.') {
            let negative_zero = self.text[begin] == b'-' && first == b'0';
            let ends = !matches!(self.peek(), Some(b'e' | b'E'));
            return (whole <= 18 && ends && !negative_zero)
                .then_some(((begin, self.at), Type::Integer));
        }
        self.at += 1;
        let point = self.at;
        let fraction = self.digits()?;
        if matches!(self.peek(), Some(b'e' | b'E')) || whole + fraction > MOST_DIGITS {
            return None;
        }
        if first == b'0' && fraction > 1 && self.text[point..self.at].starts_with(b"000") {
            return None;
        }
        let mut end = self.at;
        while end > point + 1 && self.text[end - 1] == b'0' {
            end -= 1;
        }
        if self.text[begin] == b'-' && first == b'0' && self.text[point..end] == *b"0" {
            return None;
        }
        Some(((begin, end), Type::Float))
    }

    fn digits(&mut self) -> Option<usize> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > begin).then_some(self.at - begin)
    }

    fn up_to<const MOST: usize>(&mut self, accepts: impl Fn(u8) -> bool) -> Option<(usize, usize)> {
        let begin = self.at;
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        let length = self.at - begin;
        (1..=MOST).contains(&length).then_some((begin, self.at))
    }
}

/// Return, for a line that every decoder and encoder passes unchanged, true if it is ASCII; None for other lines.
fn ascii_if_clean(line: &[u8]) -> Option<bool> {
    let (mut high, mut control) = (0u8, false);
    for &byte in line {
        high |= byte;
        control |= byte < 0x20;
    }
    if control {
        return None;
    }
    if high < 0x80 {
        return Some(true);
    }
    let text = std::str::from_utf8(line).ok()?;
    // two letters beyond ASCII have a lower case that is, or begins with, an ASCII letter; a run of replacement
    // characters becomes one in a record's canonical form
    (!text.contains(['\u{212a}', '\u{130}', '\u{fffd}'])).then_some(false)
}

/// Read `line` (without its newline) and render its document into its block; None, with the blocks as before, in doubt.
pub fn read(
    line: &[u8],
    offset: u64,
    settings: &Settings,
    log: &Log,
    scratch: &mut Scratch,
    blocks: &mut Blocks,
) -> Option<PathLine> {
    let runtime_line = parse(log.runtime, line)?;
    let ascii = ascii_if_clean(line)?;
    let RuntimeLine {
        stream,
        time,
        text,
        quote,
    } = runtime_line;
    if memchr::memchr(b'@', &line[text.0..text.1]).is_some() {
        return None;
    }
    let runtime_ms = parse_ms(&line[time.0..time.1])?;
    let cursor = Cursor {
        text: &line[..text.1],
        at: text.0,
        quote,
    };
    let is_structured = line[text.0] == b'{';
    if is_structured && log.own.is_some() {
        return None;
    }
    let (block, time_ms) = if is_structured {
        structured(
            line, cursor, time, runtime_ms, settings, log.salt, log.begins, stream, scratch, blocks,
        )?
    } else if ascii {
        let block = access(
            line, cursor, time, settings, log.salt, stream, scratch, blocks,
        )?;
        (block, runtime_ms)
    } else {
        return None;
    };
    blocks.blocks[block].close(&log.tails[stream as usize], offset, time_ms);
    scratch.violations.clear();
    scratch.is_structured = is_structured;
    scratch.has_id = is_structured;
    scratch.needs_id = false;
    scratch.policy = Policy::Allow;
    canonical(line, time, stream, text, &mut scratch.canonical);
    Some(PathLine {
        stream,
        runtime_ms,
        runtime: time,
        block: Some(block),
        may_continue: false,
    })
}

/// Write `TIME STREAM F TEXT` in the form of `record_id.canonical_record`: the time in UTC without trailing zeros, and the
/// text without the envelope's escapes; an ordinary line has escapes of quotes only.
fn canonical(
    line: &[u8],
    time: (usize, usize),
    stream: Stream,
    text: (usize, usize),
    into: &mut Vec<u8>,
) {
    into.clear();
    let time = &line[time.0..time.1 - 1];
    let zeros = time
        .iter()
        .rev()
        .take_while(|&&digit| digit == b'0')
        .count();
    into.extend_from_slice(&time[..time.len() - zeros]);
    into.extend_from_slice(stream.tag());
    let text = &line[text.0..text.1];
    let begin = into.len();
    into.resize(begin + text.len(), 0);
    let target = &mut into[begin..];
    let mut length = 0usize;
    for &byte in text {
        target[length] = byte; // no branch, since escapes are frequent
        length = length.wrapping_add(usize::from(byte != b'\\'));
    }
    into.truncate(begin + length);
}

// --- a JSON object --------------------------------------------------------------------------------

#[allow(clippy::too_many_arguments)]
fn structured(
    whole: &[u8],
    mut cursor: Cursor,
    runtime: (usize, usize),
    runtime_ms: i64,
    settings: &Settings,
    salt: u8,
    begins: bool,
    stream: Stream,
    scratch: &mut Scratch,
    blocks: &mut Blocks,
) -> Option<(usize, i64)> {
    let Scratch {
        fields,
        lowered,
        group,
        ..
    } = scratch;
    let line = cursor.text;
    let mut places = read_fields(&mut cursor, settings, fields)?;
    let copied = message_from_event(line, settings, fields, &mut places)?;
    if cursor.at != line.len() {
        return None;
    }
    let parsed = ParsedFields {
        line,
        quote: cursor.quote,
        settings,
        fields,
        places,
        copied,
    };
    let shape = parsed.shape()?;
    let (stamp, time_ms) = parsed.event_time(runtime, runtime_ms)?;
    if parsed.is_half_of_request(begins) || parsed.may_hold() {
        return None;
    }
    parsed.group(stream, salt, group)?;
    let place = blocks.of(&whole[stamp.0..stamp.0 + 10], false)?;
    let block = &mut blocks.blocks[place];
    block.open();
    write_stamp(&whole[stamp.0..stamp.1], block);
    parsed.render(shape, lowered, block);
    Some((place, time_ms))
}

type Places = [u8; 64];

fn read_fields(
    cursor: &mut Cursor,
    settings: &Settings,
    fields: &mut Vec<Field>,
) -> Option<Places> {
    fields.clear();
    let mut places = [NOWHERE; 64];
    let mut has_timestamp = false;
    cursor.at += 1;
    loop {
        cursor.spaces();
        let key = cursor.text()?;
        cursor.spaces();
        if cursor.peek()? != b':' {
            return None;
        }
        cursor.at += 1;
        cursor.spaces();
        let (value, kind) = cursor.value()?;
        let name = &cursor.text[key.0..key.1];
        let part = if let Some(place) = settings.place_of(name) {
            if places[place] != NOWHERE {
                return None;
            }
            places[place] = fields.len() as u8;
            Part::Known(place)
        } else if name == b"timestamp" {
            let is_alias = settings.normalisation.roots.contains(name);
            if std::mem::replace(&mut has_timestamp, true) || is_alias {
                return None;
            }
            Part::Timestamp
        } else {
            let twice = |field: &Field| {
                field.part == Part::Extra && cursor.text[field.key.0..field.key.1] == *name
            };
            let is_alias = settings.normalisation.roots.contains(name);
            if is_alias || name == b"extra" || fields.iter().any(twice) {
                return None;
            }
            Part::Extra
        };
        if fields.len() >= MOST_FIELDS {
            return None;
        }
        fields.push(Field {
            key,
            value,
            kind,
            part,
        });
        cursor.spaces();
        match cursor.peek()? {
            b',' => cursor.at += 1,
            b'}' => {
                cursor.at += 1;
                return Some(places);
            }
            _ => return None,
        }
    }
}

/// Let `event` stand for the message that is missing; None if a message that says nothing is there instead, or one that
/// may be the event's name.
#[allow(clippy::option_option)]
fn message_from_event(
    line: &[u8],
    settings: &Settings,
    fields: &[Field],
    places: &mut Places,
) -> Option<Option<usize>> {
    let table = &settings.normalisation;
    let (Some(event), Some(message)) = (table.event, table.message) else {
        return Some(None);
    };
    let field = |place: usize| fields.get(usize::from(places[place]));
    let is_empty = |field: &Field| field.value.0 == field.value.1;
    let is_empty_or_null = |field: &Field| field.kind == Type::Null || is_empty(field);
    // a message of one word may be the name of an event, which the Python path knows
    let may_name = |field: &Field| {
        field.kind == Type::Text
            && memchr::memchr(b' ', &line[field.value.0..field.value.1]).is_none()
    };
    match (field(message), field(event)) {
        (Some(message), Some(_)) if message.kind == Type::Null || is_empty(message) => None,
        (Some(message), named) if named.is_none_or(is_empty_or_null) && may_name(message) => None,
        (Some(_), _) | (None, None) => Some(None),
        (None, Some(named)) if named.kind != Type::Text => Some(None),
        (None, Some(named)) if is_empty(named) => Some(None),
        (None, Some(_)) => {
            places[message] = places[event];
            Some(Some(usize::from(places[event])))
        }
    }
}

struct ParsedFields<'a> {
    line: &'a [u8],
    quote: &'static [u8],
    settings: &'a Settings,
    fields: &'a [Field],
    places: Places,
    /// The field whose text is the message as well.
    copied: Option<usize>,
}

/// The form of the event: `drops_nulls` omits nulls, `has_extra` puts unknown fields under `extra`.
#[derive(Clone, Copy)]
struct Shape {
    drops_nulls: bool,
    has_extra: bool,
}

impl ParsedFields<'_> {
    fn bytes(&self, span: (usize, usize)) -> &[u8] {
        &self.line[span.0..span.1]
    }

    /// Return the event's shape; None if a field violates the schema or may need masking.
    fn shape(&self) -> Option<Shape> {
        let mut shape = Shape {
            drops_nulls: false,
            has_extra: false,
        };
        let id = self.settings.correlation?;
        if self.places[id] == NOWHERE {
            return None;
        }
        for field in self.fields {
            let value = self.bytes(field.value);
            match field.part {
                Part::Timestamp => {}
                Part::Known(place) => {
                    let known = &self.settings.known[place];
                    let rule = known.rule.as_ref().filter(|_| !known.aliased)?;
                    if known.check == Check::Whole && field.kind == Type::Float {
                        return None;
                    }
                    let passes = || self.settings.normalisation.allows_text(known.check, value);
                    let allowed = match (known.role, field.kind) {
                        (Role::Level, Type::Text) => self.allows_level(rule, value),
                        (_, Type::Text) => rule.allows_text(value) && passes(),
                        (Role::Correlation, _) => false,
                        (_, Type::Integer) => rule.integer.is_some_and(|rule| rule.allows(value)),
                        (_, Type::Float) => rule.float.is_some_and(|rule| rule.allows(value)),
                        (_, Type::Bool | Type::Nested) => false,
                        (_, Type::Null) => {
                            shape.drops_nulls |= !rule.nullable;
                            true
                        }
                    };
                    if !allowed {
                        return None;
                    }
                }
                Part::Extra => {
                    shape = Shape {
                        drops_nulls: true,
                        has_extra: true,
                    };
                }
            }
        }
        let fits = self.copied.is_none_or(|place| self.fits_message(place));
        fits.then_some(shape)
    }

    /// True if a field may need masking.
    fn may_hold(&self) -> bool {
        let keywords = &self.settings.keywords;
        self.fields.iter().any(|field| {
            let value = self.bytes(field.value);
            match field.part {
                Part::Timestamp => false,
                Part::Known(place) => {
                    let holds = if self.settings.known[place].constrained {
                        may_hold_assignment
                    } else {
                        may_hold
                    };
                    field.kind == Type::Text && holds(keywords, value)
                }
                Part::Extra => {
                    let name = self.bytes(field.key);
                    let holds = match field.kind {
                        Type::Text => may_hold(keywords, value),
                        Type::Integer => value.len() > SHORT_NUMBER,
                        Type::Float | Type::Bool | Type::Null => false,
                        Type::Nested => {
                            self.is_read_by_rules(name)
                                || Nested::may_hold(self.cursor(field), name, keywords)
                        }
                    };
                    holds || may_hold(keywords, name) || keywords.in_name(name)
                }
            }
        })
    }

    /// Return a cursor at an object or a list.
    fn cursor(&self, field: &Field) -> Cursor<'_> {
        Cursor {
            text: &self.line[..field.value.1],
            at: field.value.0,
            quote: self.quote,
        }
    }

    /// True if a rule reads a value inside an object of this name.
    fn is_read_by_rules(&self, name: &[u8]) -> bool {
        self.settings.rule_fields.iter().any(|rule_field| {
            rule_field
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.first() == Some(&b'.'))
        })
    }

    /// True if the schema allows the text of a field as message.
    fn fits_message(&self, place: usize) -> bool {
        let message = self.settings.normalisation.message;
        let rule = message.and_then(|place| self.settings.known[place].rule.as_ref());
        rule.is_some_and(|rule| rule.allows_text(self.bytes(self.fields[place].value)))
    }

    /// True if the schema allows a level in the schema's spelling.
    fn allows_level(&self, rule: &FieldRule, level: &[u8]) -> bool {
        let is_any = rule.text.as_ref().is_some_and(|text| text.is_any());
        level.is_ascii()
            && self.settings.is_level(level)
            && (is_any || rule.allows_text(self.settings.level(level, &mut Vec::new())))
    }

    /// Return the range and milliseconds of the application's time if it is near the runtime's, else of the runtime's.
    fn event_time(
        &self,
        runtime: (usize, usize),
        runtime_ms: i64,
    ) -> Option<((usize, usize), i64)> {
        let Some(field) = self
            .fields
            .iter()
            .find(|field| field.part == Part::Timestamp)
        else {
            return Some((runtime, runtime_ms));
        };
        match field.kind {
            Type::Null => Some((runtime, runtime_ms)),
            Type::Text => {
                let ms = parse_ms(self.bytes(field.value))?;
                let distance = ms - runtime_ms;
                let accepted =
                    -self.settings.past_ms <= distance && distance <= self.settings.future_ms;
                accepted.then_some((field.value, ms))
            }
            _ => None,
        }
    }

    /// Return a field of `REQUEST_FIELDS` that is not null.
    fn request_field(&self, place: Option<usize>) -> Option<&Field> {
        place
            .and_then(|place| self.fields.get(usize::from(self.places[place])))
            .filter(|field| field.kind != Type::Null)
    }

    /// True for a request without a name: whether a proxy or an application recorded it is decided in Python.
    fn is_unnamed_request(&self) -> bool {
        let [event, method, path, status] = self.settings.request;
        [method, path, status]
            .iter()
            .all(|&place| self.request_field(place).is_some())
            && self
                .request_field(event)
                .is_none_or(|name| name.value.0 == name.value.1)
    }

    /// True for one of the two lines in which some loggers record one request, which `request_pairs` matches in Python:
    /// with a status alone, or, if it `begins` a request for a later line to answer, with method and path alone.
    fn is_half_of_request(&self, begins: bool) -> bool {
        let [_, method, path, status] = self.settings.request;
        let asks = self.request_field(method).is_some() && self.request_field(path).is_some();
        let answers = self.request_field(status).is_some();
        (answers && !asks) || (begins && asks && !answers)
    }

    fn group(&self, stream: Stream, salt: u8, key: &mut Vec<u8>) -> Option<()> {
        if self.is_unnamed_request() {
            return None;
        }
        group_key(
            &self.settings.rule_fields,
            stream,
            salt,
            key,
            |rule_field| {
                let field = match rule_field.known {
                    Some(place) => self.fields.get(usize::from(self.places[place])),
                    None => self.fields.iter().find(|field| {
                        field.part == Part::Extra && self.bytes(field.key) == rule_field.name
                    }),
                };
                field.map(|field| (field.kind, self.bytes(field.value)))
            },
        )
    }

    fn render(&self, shape: Shape, lowered: &mut Vec<u8>, block: &mut Block) {
        for field in self.fields {
            let Part::Known(place) = field.part else {
                continue;
            };
            if shape.drops_nulls && field.kind == Type::Null {
                continue;
            }
            let known = &self.settings.known[place];
            let mut value = self.bytes(field.value);
            if known.role == Role::Level {
                value = self.settings.level(value, lowered);
            }
            block.write(b",\"");
            block.write(&known.name);
            write_value(block, field.kind, value, known.column);
        }
        if let (Some(copied), Some(place)) = (self.copied, self.settings.normalisation.message) {
            let known = &self.settings.known[place];
            block.write(b",\"");
            block.write(&known.name);
            write_value(
                block,
                Type::Text,
                self.bytes(self.fields[copied].value),
                known.column,
            );
        }
        if !shape.has_extra {
            return;
        }
        block.write(b",\"extra\":");
        let begin = block.bytes.len();
        let mut before: &[u8] = b"{\"";
        for field in self.fields.iter().filter(|field| field.part == Part::Extra) {
            block.write(std::mem::replace(&mut before, b",\""));
            block.write(self.bytes(field.key));
            if field.kind == Type::Nested {
                block.write(b"\":");
                Nested::write(self.cursor(field), &mut block.bytes);
                continue;
            }
            write_value(block, field.kind, self.bytes(field.value), None);
        }
        block.write(b"}");
        block.mark(begin, Column::Extra);
    }
}

fn write_value(block: &mut Block, kind: Type, value: &[u8], column: Option<Column>) {
    if kind != Type::Text {
        block.write(b"\":");
        block.write(value);
        return;
    }
    block.write(b"\":\"");
    block.write_text(value, column);
    block.write(b"\"");
}

/// Write the beginning of a document, with its time in milliseconds.
fn write_stamp(stamp: &[u8], block: &mut Block) {
    block.write(b"{\"@timestamp\":\"");
    block.write(&stamp[..20]);
    let fraction = &stamp[20..stamp.len() - 1];
    let digit = |place: usize| fraction.get(place).copied().unwrap_or(b'0');
    block.write(&[digit(0), digit(1), digit(2), b'Z', b'"']);
}

/// Build the key of a line's group from everything that counter rules read.
fn group_key<'a>(
    rule_fields: &[RuleField],
    stream: Stream,
    salt: u8,
    key: &mut Vec<u8>,
    find: impl Fn(&RuleField) -> Option<(Type, &'a [u8])>,
) -> Option<()> {
    key.clear();
    key.extend([salt, stream as u8]);
    for rule_field in rule_fields {
        push_part(rule_field, find(rule_field), key)?;
    }
    Some(())
}

/// Append what rules may distinguish of a field's value to a group's key; None if that is uncertain.
fn push_part(
    rule_field: &RuleField,
    value: Option<(Type, &[u8])>,
    key: &mut Vec<u8>,
) -> Option<()> {
    let Some((kind, value)) = value else {
        key.push(0);
        return Some(());
    };
    if kind == Type::Nested {
        return None;
    }
    key.push(kind as u8 + 1);
    match (&rule_field.tests, kind) {
        (Some(tests), Type::Text) => {
            if rule_field.has_route() && is_unusual(value) {
                return None;
            }
            key.extend(tests.iter().map(|test| test.outcome(value)));
        }
        (Some(tests), Type::Integer | Type::Float) => {
            let number = exact(value)?;
            key.extend(tests.iter().map(|test| u8::from(test.holds_for(number))));
        }
        (Some(_), Type::Bool | Type::Null | Type::Nested) => {}
        (None, _) => {
            key.extend(u16::try_from(value.len()).ok()?.to_le_bytes());
            key.extend(value);
        }
    }
    Some(())
}

/// The same for a value of the general path; None for a list or an object.
pub fn push_value(rule_field: &RuleField, value: Option<&Value>, key: &mut Vec<u8>) -> Option<()> {
    let part = match value {
        None => None,
        Some(Value::Null) => Some((Type::Null, &b"null"[..])),
        Some(Value::Bool(true)) => Some((Type::Bool, &b"true"[..])),
        Some(Value::Bool(false)) => Some((Type::Bool, &b"false"[..])),
        Some(Value::Number(number)) if is_whole(number) => Some((Type::Integer, number.as_bytes())),
        Some(Value::Number(number)) => Some((Type::Float, number.as_bytes())),
        Some(Value::Text(text)) => Some((Type::Text, text.as_bytes())),
        Some(Value::List(_) | Value::Object(_)) => return None,
    };
    push_part(rule_field, part, key)
}

// --- an access line -------------------------------------------------------------------------------

/// Read and render uvicorn's `LEVEL:     ADDRESS:PORT - "METHOD PATH HTTP/1.1" STATUS PHRASE` of an IPv4 client.
#[allow(clippy::too_many_arguments)]
fn access(
    whole: &[u8],
    mut cursor: Cursor,
    runtime: (usize, usize),
    settings: &Settings,
    salt: u8,
    stream: Stream,
    scratch: &mut Scratch,
    blocks: &mut Blocks,
) -> Option<usize> {
    let line = cursor.text;
    let message = (cursor.at, line.len());
    let level = if cursor.peek()?.is_ascii_uppercase() {
        let level = cursor.up_to::<8>(|byte| byte.is_ascii_uppercase())?;
        cursor.take(b":")?;
        cursor.up_to::<8>(|byte| byte == b' ')?;
        (level.1 - level.0 >= 4).then_some(Some(level))?
    } else {
        None
    };
    let client = cursor.at;
    for part in 0..4 {
        if part > 0 {
            cursor.take(b".")?;
        }
        cursor.up_to::<3>(|byte| byte.is_ascii_digit())?;
    }
    let client = (client, cursor.at);
    cursor.take(b":")?;
    cursor.up_to::<5>(|byte| byte.is_ascii_digit())?;
    cursor.take(b" - ")?;
    cursor.quote()?;
    let method = cursor.up_to::<10>(|byte| byte.is_ascii_uppercase())?;
    if method.1 - method.0 < 3 {
        return None;
    }
    cursor.take(b" ")?;
    let path = cursor.up_to::<8192>(|byte| !matches!(byte, b' ' | b'"' | b'\\' | b'?' | b'#'))?;
    if matches!(cursor.peek()?, b'?' | b'#') {
        cursor.up_to::<16384>(|byte| !matches!(byte, b' ' | b'"' | b'\\'))?;
    }
    cursor.take(b" HTTP/")?;
    cursor.up_to::<1>(|byte| byte.is_ascii_digit())?;
    if cursor.peek()? == b'.' {
        cursor.at += 1;
        cursor.up_to::<1>(|byte| byte.is_ascii_digit())?;
    }
    cursor.quote()?;
    cursor.take(b" ")?;
    let status = cursor.up_to::<3>(|byte| byte.is_ascii_digit())?;
    if status.1 - status.0 != 3 || !(b'1'..=b'5').contains(&line[status.0]) {
        return None;
    }
    if cursor.at < line.len() {
        cursor.take(b" ")?;
        cursor.up_to::<40>(|byte| {
            byte.is_ascii_alphabetic() || matches!(byte, b'\'' | b' ' | b'-')
        })?;
        if cursor.at != line.len() {
            return None;
        }
    }
    let bytes = |span: (usize, usize)| &line[span.0..span.1];
    let rest = &line[client.1..];
    if may_hold_assignment(&settings.keywords, bytes(message))
        || has_number(rest)
        || may_hold(&settings.keywords, bytes(path))
    {
        return None;
    }
    let Scratch { lowered, group, .. } = scratch;
    lowered.clear();
    lowered.extend(level.map_or(&b""[..], bytes));
    lowered.make_ascii_lowercase();
    let is_level = |(word, name): &(Vec<u8>, Vec<u8>)| word == lowered && name == lowered;
    if level.is_some() && !settings.levels.iter().any(is_level) {
        return None; // a word that means nothing, or another level: the general path reads it
    }
    group_key(
        &settings.rule_fields,
        stream,
        salt,
        group,
        |rule_field| match rule_field.name.as_slice() {
            b"event" => Some((Type::Text, HTTP_ACCESS)),
            b"method" => Some((Type::Text, bytes(method))),
            b"path" => Some((Type::Text, bytes(path))),
            b"status_code" => Some((Type::Integer, bytes(status))),
            b"client_ip" => Some((Type::Text, bytes(client))),
            b"message" => Some((Type::Text, bytes(message))),
            b"level" => level.map(|_| (Type::Text, lowered.as_slice())),
            _ => None,
        },
    )?;
    let place = blocks.of(&whole[runtime.0..runtime.0 + 10], false)?;
    let block = &mut blocks.blocks[place];
    block.open();
    write_stamp(&whole[runtime.0..runtime.1], block);
    for field in &settings.access {
        match field {
            AccessField::Event => write_field(block, b"event", HTTP_ACCESS, Some(Column::Event)),
            AccessField::Method => write_field(block, b"method", bytes(method), None),
            AccessField::Path => write_field(block, b"path", bytes(path), Some(Column::Path)),
            AccessField::StatusCode => {
                block.write(b",\"status_code\":");
                block.write(bytes(status));
            }
            AccessField::ClientIp => write_field(block, b"client_ip", bytes(client), None),
            AccessField::Level if level.is_some() => {
                write_field(block, b"level", lowered, Some(Column::Level));
            }
            AccessField::Level => {}
            AccessField::Message => {
                block.write(b",\"message\":\"");
                block.write_quoted(bytes(message), Column::Message);
                block.write(b"\"");
            }
        }
    }
    Some(place)
}

#[inline]
fn write_field(block: &mut Block, name: &[u8], text: &[u8], column: Option<Column>) {
    block.write(b",\"");
    block.write(name);
    write_value(block, Type::Text, text, column);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{read as plan, sample};
    use serde_json::{Value, json};

    /// Return the document of an application's text in a CRI line; None if the line is declined.
    fn document_by(settings: &Settings, text: &str) -> Option<Value> {
        let log = Log {
            runtime: Runtime::Cri,
            tails: [
                b",\"stream\":\"stdout\",\"log\":{\"offset\":".to_vec(),
                Vec::new(),
            ],
            salt: 0,
            begins: true,
            zone: Zone::default(),
            require: None,
            own: None,
        };
        let line = format!("2026-11-23T10:00:00.123456789Z stdout F {text}");
        let mut blocks = Blocks::default();
        let mut scratch = Scratch::default();
        let read = read(
            line.as_bytes(),
            7,
            settings,
            &log,
            &mut scratch,
            &mut blocks,
        );
        assert_eq!(read.is_some(), !blocks.blocks.is_empty());
        read?;
        let block = &blocks.blocks[0];
        let body = block.rows[0].body;
        Some(serde_json::from_slice(&block.bytes[body.0..body.1]).unwrap())
    }

    fn document(text: &str) -> Option<Value> {
        document_by(&plan(&sample()).unwrap(), text)
    }

    #[test]
    fn an_event_becomes_a_document() {
        let text = r#"{"level":"WARN","correlation_id":"a-1","area":"x","duration_ms":1.50,"message":null}"#;
        let expected = json!({
            "@timestamp": "2026-11-23T10:00:00.123Z", "level": "warning", "correlation_id": "a-1", "duration_ms": 1.5,
            "extra": {"area": "x"}, "stream": "stdout", "log": {"offset": 7}
        });
        assert_eq!(document(text), Some(expected));
    }

    #[test]
    fn an_event_stands_for_the_message_that_is_missing() {
        let document = document(r#"{"event":"export","correlation_id":"a-1","area":"x"}"#).unwrap();
        assert_eq!(document["message"], json!("export"));
        let keys: Vec<_> = document.as_object().unwrap().keys().collect();
        assert!(keys.contains(&&"extra".to_owned()));
    }

    #[test]
    fn values_that_need_mapping_are_declined() {
        for rest in [
            r#""msg":"m""#,
            r#""request_id":"r""#,
            r#""level":"odd""#,
            r#""status_code":"200""#,
            r#""event":"e","message":"""#,
            r#""event":"e","message":null"#,
            r#""message":"login_failed""#,
            r#""event":null,"message":"login_failed""#,
        ] {
            let text = format!(r#"{{"correlation_id":"a-1",{rest}}}"#);
            assert_eq!(document(&text), None, "{text}");
        }
        for id in [
            "-",
            "null",
            "NULL",
            "req-1",
            "REQ1",
            "17",
            "0000000000000000",
            "--",
        ] {
            let text = format!(r#"{{"correlation_id":"{id}"}}"#);
            assert_eq!(document(&text), None, "{text}");
        }
    }

    #[test]
    fn the_time_of_the_application_is_accepted_near_the_runtimes() {
        let stamp = |time: &str| {
            let document = document(&format!(r#"{{"correlation_id":"a","timestamp":"{time}"}}"#))?;
            Some(document["@timestamp"].as_str().unwrap().to_owned())
        };
        assert_eq!(
            stamp("2026-11-23T11:00:00.123Z").as_deref(),
            Some("2026-11-23T11:00:00.123Z")
        );
        assert_eq!(stamp("2026-11-23T11:00:00.124Z"), None);
        assert_eq!(
            stamp("2026-11-22T10:00:00.123Z").as_deref(),
            Some("2026-11-22T10:00:00.123Z")
        );
        assert_eq!(stamp("2026-11-22T10:00:00.122Z"), None);
    }

    #[test]
    fn escapes_and_uncertain_lines_are_declined() {
        for text in [
            r#"{"correlation_id":"a","message":"say \"hi\""}"#,
            r#"{"correlation_id":"a","message":"\u0061"}"#,
            r#"{"correlation_id":"a","message":{"b":1}}"#,
            r#"{"correlation_id":"a","message":[1]}"#,
            r#"{"correlation_id":"a","area":[01]}"#,
            r#"{"correlation_id":"a","area":[1}"#,
            r#"{"correlation_id":"a","area":1,"area":2}"#,
            r#"{"correlation_id":"a","correlation_id":"b"}"#,
            r#"{"correlation_id":"a","area":1e3}"#,
            r#"{"correlation_id":"a","area":-0}"#,
            r#"{"correlation_id":"a","area":01}"#,
            r#"{"correlation_id":"a","extra":1}"#,
            r#"{"correlation_id":"a"} "#,
            r#"{"correlation_id":"a""#,
            r#"{"correlation_id":"a b"}"#,
            r#"{"correlation_id":""}"#,
            r#"{"correlation_id":null}"#,
            r#"{"message":"no id"}"#,
            r#"{"correlation_id":"a","status_code":600}"#,
            r#"{"correlation_id":"a","duration_ms":-1}"#,
            r#"{"correlation_id":"a","message":1}"#,
            r#"{"correlation_id":"a","message":"me@example.org"}"#,
            r#"{"correlation_id":"a","message":"my Token: x"}"#,
            r#"{"correlation_id":"a","message":"4111 1111 1111 1111"}"#,
            r#"{"correlation_id":"a","api-key":"x"}"#,
            "plain words",
            "{}",
        ] {
            assert_eq!(document(text), None, "{text}");
        }
    }

    #[test]
    fn a_field_of_an_unknown_declaration_declines_its_lines() {
        let mut table = sample();
        table["schema"]["known_fields"][3]["type"]["odd"] = json!(1);
        let settings = plan(&table).unwrap();
        assert_eq!(
            document_by(&settings, r#"{"correlation_id":"a","message":"x"}"#),
            None
        );
        assert_eq!(
            document_by(&settings, r#"{"correlation_id":"a","message":null}"#),
            None
        );
        assert!(document_by(&settings, r#"{"correlation_id":"a"}"#).is_some());
    }

    #[test]
    fn an_access_line_is_rendered_in_the_order_of_the_plan() {
        let text = r#"INFO:     10.0.0.1:5000 - "GET /a?x=1 HTTP/1.1" 200 OK"#;
        let expected = json!({
            "@timestamp": "2026-11-23T10:00:00.123Z", "event": "http_access", "method": "GET", "path": "/a",
            "status_code": 200, "client_ip": "10.0.0.1", "level": "info", "message": text,
            "stream": "stdout", "log": {"offset": 7}
        });
        assert_eq!(document(text), Some(expected.clone()));
        let mut table = sample();
        let order = json!([
            "message",
            "level",
            "client_ip",
            "status_code",
            "path",
            "method",
            "event"
        ]);
        table["rendering"]["access"] = order;
        assert_eq!(document_by(&plan(&table).unwrap(), text), Some(expected));
        for text in [
            r#"10.0.0.1:5000 - "GET /a HTTP/1.1" 600"#,
            r#"10.0.0.1 - "GET /a HTTP/1.1" 200"#,
            r#"10.0.0.1:5000 - "get /a HTTP/1.1" 200"#,
            r#"10.0.0.1:5000 - "GET /a?token=1 HTTP/1.1" 200"#,
            r#"10.0.0.1:5000 - "GET /a HTTP/1.1" 200 OK."#,
        ] {
            assert_eq!(document(text), None, "{text}");
        }
    }
}
