//! Maps the fields that loggers write to the known fields, by the table of the chain plan.
//!
//! The twin of `shipper_processors.normalise`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::field_values::{
    Duration, Scale, address_of, level_of_number, level_of_word, milliseconds, path_of,
    request_line, status_of, traceparent_ids, whole_number,
};
use crate::general::Declined;
use crate::payload::with_reader;
use crate::python_text::{is_space, length, strip};
use crate::settings::{Check, Normalisation, Settings};
use crate::stack_traces::summary_of;
use crate::text_cleanup::without;
use crate::times::read_in_utc;
use crate::trace_objects::{Rendered, render_trace};
use crate::value::{Fields, Value, float, get, is_whole, set, whole};

pub const TIME_FIELD: &str = "timestamp";
const MOST_ITEMS: usize = 16;
const MOST_ORDERS: usize = 1024;
const MOST_KEYS: usize = 64;
const LONGEST_COLOURED: usize = 64;
const LONGEST_NAME: usize = 256;
const LONGEST_LEVEL: usize = 32;
const LEAST_CERTAIN_NS: i128 = 10_000;
/// 2000-01-01; an earlier time under a key that also has other meanings is none.
const EARLIEST_MS: i64 = 946_684_800_000;
const OTLP_VALUES: [&str; 4] = ["stringValue", "intValue", "doubleValue", "boolValue"];
const UNNAMED_STACKS: [&str; 4] = ["err", "error", "full_message", "message"];
const TRACEBACK: &str = "Traceback (most recent call last):";

/// The meaning of a known field, which decides how its values are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    CorrelationId,
    OtherId,
    Level,
    Message,
    Exception,
    Status,
    Duration,
    Time,
    Path,
    Method,
    Address,
    ErrorMessage,
    Name,
    Event,
    Other,
}

impl Meaning {
    pub fn of(field: &str) -> Meaning {
        match field {
            "correlation_id" => Meaning::CorrelationId,
            "trace_id" | "span_id" => Meaning::OtherId,
            "level" => Meaning::Level,
            "message" => Meaning::Message,
            "exception" => Meaning::Exception,
            "status_code" => Meaning::Status,
            "duration_ms" => Meaning::Duration,
            TIME_FIELD => Meaning::Time,
            "path" => Meaning::Path,
            "method" => Meaning::Method,
            "client_ip" => Meaning::Address,
            "error_message" => Meaning::ErrorMessage,
            "logger" | "error_type" => Meaning::Name,
            "event" => Meaning::Event,
            _ => Meaning::Other,
        }
    }

    fn is_id(self) -> bool {
        matches!(self, Meaning::CorrelationId | Meaning::OtherId)
    }
}

/// The form of the values under a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Plain,
    LastPart,
    Trace,
    Parent,
    Letter,
    Otel,
    Python,
    Logback,
    Serilog,
    Klog,
    Loguru,
    Lines,
    Name,
    RequestLine,
    Number,
    Milliseconds,
    Seconds,
    Microseconds,
    Nanoseconds,
    Unit,
    EpochSeconds,
    IntegerNanoseconds,
    Forwarded,
}

impl Form {
    pub fn named(name: &str) -> Option<Form> {
        Some(match name {
            "plain" => Form::Plain,
            "last_part" => Form::LastPart,
            "trace" => Form::Trace,
            "parent" => Form::Parent,
            "letter" => Form::Letter,
            "otel" => Form::Otel,
            "python" => Form::Python,
            "logback" => Form::Logback,
            "serilog" => Form::Serilog,
            "klog" => Form::Klog,
            "loguru" => Form::Loguru,
            "lines" => Form::Lines,
            "name" => Form::Name,
            "request_line" => Form::RequestLine,
            "number" => Form::Number,
            "ms" => Form::Milliseconds,
            "s" => Form::Seconds,
            "us" => Form::Microseconds,
            "ns" => Form::Nanoseconds,
            "unit" => Form::Unit,
            "seconds" => Form::EpochSeconds,
            "integer_ns" => Form::IntegerNanoseconds,
            "forwarded" => Form::Forwarded,
            _ => return None,
        })
    }

    /// True for the forms of the fields' own names.
    fn is_of_own(self) -> bool {
        matches!(
            self,
            Form::Plain | Form::Number | Form::Milliseconds | Form::Name
        )
    }

    /// Return the milliseconds of a unit; None if only a text with its unit is a duration.
    fn unit_ms(self) -> Option<f64> {
        match self {
            Form::Seconds => Some(1000.0),
            Form::Microseconds => Some(1e-3),
            Form::Nanoseconds => Some(1e-6),
            Form::Unit => None,
            _ => Some(1.0),
        }
    }
}

/// One place where a field may stand.
#[derive(Debug)]
pub struct Source {
    pub path: String,
    pub form: Form,
    /// Keys of which the entry must have at least one.
    pub beside: Vec<String>,
}

/// A known field with its sources in the order in which they are tried.
#[derive(Debug)]
pub struct FieldSources {
    pub name: String,
    pub meaning: Meaning,
    pub sources: Vec<Source>,
}

impl Normalisation {
    /// Compile the index from the first key of each path to its place in `fields`.
    pub fn index_sources(&mut self) {
        self.by_root.clear();
        for (place, field) in self.fields.iter().enumerate() {
            for (rank, source) in field.sources.iter().enumerate() {
                for root in roots_of(&source.path) {
                    let candidates = self.by_root.entry(root.to_owned()).or_default();
                    candidates.push((place, rank));
                }
            }
        }
    }
}

/// The keys of an entry under which a path may begin.
fn roots_of(path: &str) -> impl Iterator<Item = &str> {
    let inner = path
        .match_indices('.')
        .filter(|&(at, _)| at > 0)
        .map(|(at, _)| &path[..at]);
    std::iter::once(path).chain(inner)
}

/// The fields that an entry with certain keys may have.
pub struct KeySet {
    /// Place in the schema of each key.
    known: Vec<Option<usize>>,
    /// A key may be an alias, so that the entry must be mapped.
    has_alias: bool,
    /// Places of fields, each with the ranks of the sources to try, in their order.
    order: Vec<(usize, Vec<usize>)>,
}

/// Remembered sets of keys, by the table and the keys.
#[derive(Default)]
pub struct KeySets {
    known: HashMap<Box<[u8]>, Arc<KeySet>>,
    key: Vec<u8>,
}

impl KeySets {
    fn of(&mut self, fields: &Fields, table: &Normalisation, settings: &Settings) -> Arc<KeySet> {
        if fields.len() > MOST_KEYS {
            return Arc::new(KeySet::of(fields, table, settings));
        }
        self.key.clear();
        self.key.extend(table.id.to_le_bytes());
        for (name, _) in fields {
            self.key.extend((name.len() as u64).to_le_bytes());
            self.key.extend(name.as_bytes());
        }
        if let Some(known) = self.known.get(self.key.as_slice()) {
            return Arc::clone(known);
        }
        if self.known.len() >= MOST_ORDERS {
            self.known.clear();
        }
        let keys = Arc::new(KeySet::of(fields, table, settings));
        self.known
            .insert(self.key.as_slice().into(), Arc::clone(&keys));
        keys
    }
}

impl KeySet {
    fn of(fields: &Fields, table: &Normalisation, settings: &Settings) -> KeySet {
        let names: HashSet<&str> = fields.iter().map(|(name, _)| name.as_ref()).collect();
        let mut candidates: Vec<(usize, usize)> = Vec::new();
        for (name, _) in fields {
            for &(place, rank) in table.by_root.get(name.as_ref()).into_iter().flatten() {
                let beside = &table.fields[place].sources[rank].beside;
                if beside.is_empty() || beside.iter().any(|name| names.contains(name.as_str())) {
                    candidates.push((place, rank));
                }
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        let mut order: Vec<(usize, Vec<usize>)> = Vec::new();
        for (place, rank) in candidates {
            match order.last_mut() {
                Some((last, ranks)) if *last == place => ranks.push(rank),
                _ => order.push((place, vec![rank])),
            }
        }
        KeySet {
            known: fields
                .iter()
                .map(|(name, _)| settings.place_of(name.as_bytes()))
                .collect(),
            has_alias: fields
                .iter()
                .any(|(name, _)| table.roots.contains(name.as_bytes())),
            order,
        }
    }
}

/// An entry's fields under their known names, and values that were meant as ids but cannot be used.
pub struct Normalised<'a> {
    pub fields: Fields<'a>,
    pub unusable: Vec<(&'a str, Value<'a>)>,
}

/// Map an entry's fields.
pub fn normalise<'a>(
    mut fields: Fields<'a>,
    table: &'a Normalisation,
    settings: &Settings,
    key_sets: &mut KeySets,
) -> Result<Normalised<'a>, Declined> {
    let keys = key_sets.of(&fields, table, settings);
    let is_plain = !keys.has_alias
        && fields.iter().zip(&keys.known).all(|((_, value), &known)| {
            known.is_none_or(|place| {
                value.is_null() || passes(settings.known[place].check, value, table, settings)
            })
        });
    if !is_plain {
        return Entry::new(fields, table, settings).mapped(&keys);
    }
    if let Some(level) = fields
        .iter_mut()
        .zip(&keys.known)
        .find(|(_, known)| known.is_some() && **known == settings.normalisation.level)
        && let Value::Text(text) = &mut level.0.1
    {
        *text = spelled(text, settings);
    }
    Ok(Normalised {
        fields,
        unusable: Vec::new(),
    })
}

/// Return a level in the schema's spelling; one that is unknown stays.
fn spelled<'a>(level: &Cow<'a, str>, settings: &Settings) -> Cow<'a, str> {
    if settings.is_own_spelling(level.as_bytes()) {
        return level.clone();
    }
    match settings
        .alias_of(level)
        .or_else(|| settings.alias_of(&level.to_lowercase()))
    {
        Some(known) => Cow::Owned(known.to_owned()),
        None => level.clone(),
    }
}

/// True if a known field's value needs no conversion.
fn passes(check: Check, value: &Value, table: &Normalisation, settings: &Settings) -> bool {
    match (check, value) {
        (Check::None, _) => true,
        (Check::Whole, value) => value.is_whole(),
        (Check::Number, value) => matches!(value, Value::Number(_)),
        (check, Value::Text(text)) => match check {
            Check::Level => settings.is_level_text(text),
            Check::Id => {
                settings.is_usable_id(text)
                    && (table.is_certain_id(text)
                        || !(table.is_placeholder(text) || table.is_counted(text)))
            }
            Check::Method => table.is_method(text),
            Check::Path => text.starts_with('/') && !text.contains(['?', '#']),
            Check::Address => is_single_address(text),
            Check::Name => !table.is_placeholder(text),
            Check::Message | Check::Line => !text.contains('\n'),
            Check::Event | Check::None | Check::Whole | Check::Number => true,
        },
        _ => false,
    }
}

fn is_single_address(text: &str) -> bool {
    let unsure = |first: u8| b"-0 nNuUe(<".contains(&first);
    !text.bytes().next().is_none_or(unsure)
        && !text.contains([',', '['])
        && (!text.contains(':') || !text.contains('.'))
}

/// Return the value at a path, a literal key before nested ones.
fn look_up<'b, 'a>(holder: &'b Fields<'a>, path: &str) -> Option<&'b Value<'a>> {
    if let Some(value) = get(holder, path) {
        return Some(value);
    }
    for (at, _) in path.rmatch_indices('.').filter(|&(at, _)| at > 0) {
        let rest = &path[at + 1..];
        match get(holder, &path[..at]) {
            Some(Value::Object(inner)) => {
                if let Some(value) = look_up(inner, rest) {
                    return Some(value);
                }
            }
            Some(Value::List(items)) => {
                for item in items.iter().take(MOST_ITEMS) {
                    let Value::Object(item) = item else { continue };
                    let is_named = get(item, "key").and_then(Value::as_text) == Some(rest);
                    if is_named && let Some(value) = get(item, "value") {
                        return Some(attribute(value));
                    }
                    if let Some(value) = look_up(item, rest) {
                        return Some(value);
                    }
                }
            }
            _ => {}
        }
    }
    None
}

/// Return the value of an OpenTelemetry attribute, which OTLP wraps in an object that names its type.
fn attribute<'b, 'a>(value: &'b Value<'a>) -> &'b Value<'a> {
    match value {
        Value::Object(fields) if fields.len() == 1 && OTLP_VALUES.contains(&&*fields[0].0) => {
            &fields[0].1
        }
        other => other,
    }
}

/// The mapping of one entry's fields.
struct Entry<'a, 't> {
    fields: Fields<'a>,
    table: &'a Normalisation,
    settings: &'t Settings,
    unusable: Vec<(&'a str, Value<'a>)>,
    values: Vec<(&'a str, Value<'a>)>,
    /// Values of known fields that were converted or replaced.
    originals: Vec<(&'a str, Value<'a>)>,
    meaningless: Vec<&'a str>,
    rendered: Option<Rendered>,
}

impl<'a, 't> Entry<'a, 't> {
    fn new(fields: Fields<'a>, table: &'a Normalisation, settings: &'t Settings) -> Entry<'a, 't> {
        Entry {
            fields,
            table,
            settings,
            unusable: Vec::new(),
            values: Vec::new(),
            originals: Vec::new(),
            meaningless: Vec::new(),
            rendered: None,
        }
    }

    fn mapped(mut self, keys: &KeySet) -> Result<Normalised<'a>, Declined> {
        let table = self.table;
        for (place, ranks) in &keys.order {
            self.read(&table.fields[*place], ranks)?;
        }
        self.finish()
    }

    fn value_of(&self, name: &str) -> Option<&Value<'a>> {
        get_own(&self.values, name)
    }

    /// Find the value of one field.
    fn read(&mut self, field: &'a FieldSources, ranks: &[usize]) -> Result<(), Declined> {
        let first = ranks.first().map(|&rank| &field.sources[rank]);
        if first.is_some_and(|source| source.path == field.name && source.form.is_of_own())
            && let Some(value) = get(&self.fields, &field.name)
            && self.is_kept(field.meaning, value)
        {
            let value = value.clone();
            self.values.push((&field.name, value));
            return Ok(());
        }
        let rounds: &[bool] = if field.meaning == Meaning::Level {
            &[true, false]
        } else {
            &[false]
        };
        let fields = std::mem::take(&mut self.fields);
        for &words_only in rounds {
            for &rank in ranks {
                let source = &field.sources[rank];
                let Some(value) = look_up(&fields, &source.path).filter(|value| !value.is_null())
                else {
                    continue;
                };
                if let Some(result) = self.value(&fields, field, source, value, words_only)? {
                    self.take(&fields, field, source, value, result);
                    self.fields = fields;
                    return Ok(());
                }
            }
        }
        self.fields = fields;
        self.put_aside(field);
        Ok(())
    }

    /// True if a value under the field's own name needs no conversion; the twin of `Normaliser._tests_of_kept`.
    fn is_kept(&self, meaning: Meaning, value: &Value) -> bool {
        let table = self.table;
        match (meaning, value) {
            (Meaning::CorrelationId | Meaning::OtherId, Value::Text(text)) => {
                text.starts_with(|sign: char| sign.is_ascii_alphanumeric())
                    && passes(Check::Id, value, table, self.settings)
            }
            (Meaning::Level, Value::Text(text)) => {
                table
                    .words
                    .get(text.as_ref())
                    .is_some_and(|word| *word == text)
                    && !text.bytes().all(|byte| byte.is_ascii_digit())
            }
            (Meaning::Message, Value::Text(text)) => !text.is_empty() && !text.contains('\n'),
            (Meaning::Event, Value::Text(text)) => !text.is_empty(),
            (Meaning::Name, _) => passes(Check::Name, value, table, self.settings),
            (Meaning::Method, _) => passes(Check::Method, value, table, self.settings),
            (Meaning::Path, _) => passes(Check::Path, value, table, self.settings),
            (Meaning::Status, Value::Number(number)) => {
                number.len() == 3
                    && (b'1'..=b'5').contains(&number.as_bytes()[0])
                    && is_whole(number)
            }
            (Meaning::Duration, Value::Number(number)) => !number.starts_with('-'),
            _ => false,
        }
    }

    fn take(
        &mut self,
        fields: &Fields<'a>,
        field: &'a FieldSources,
        source: &'a Source,
        value: &Value<'a>,
        result: Value<'a>,
    ) {
        let own = get(fields, &field.name);
        if source.path != field.name {
            if let Some(own) = own.filter(|own| !own.is_null())
                && !is_same(own, value)
            {
                self.originals.push((&field.name, own.clone()));
            }
        } else if let Some(own) = own
            && field.meaning != Meaning::Time
            && !is_equal(own, &result)
            && !is_only_spelling(field.meaning, own, &result)
        {
            self.originals.push((&field.name, own.clone()));
        }
        self.values.push((&field.name, result));
    }

    /// Move a value that means nothing to `extra`; values of a wrong type stay, for `enforce` to report.
    fn put_aside(&mut self, field: &'a FieldSources) {
        let own = get(&self.fields, &field.name).filter(|own| !own.is_null());
        if field.meaning == Meaning::Time {
            if own.is_none()
                && let Some(other) =
                    get(&self.fields, "@timestamp").filter(|other| !other.is_null())
            {
                let other = other.clone();
                set(&mut self.fields, TIME_FIELD, other); // to be reported as invalid
            }
            return;
        }
        let Some(own) = own else { return };
        let is_level = field.meaning == Meaning::Level;
        let meaningless = match (field.meaning, own) {
            (Meaning::Message | Meaning::ErrorMessage, _) => false,
            (meaning, _) if meaning.is_id() => true,
            (_, Value::Text(text)) => is_level || self.table.is_placeholder(text),
            (_, Value::Number(_)) => is_level,
            (_, Value::Object(_)) => {
                matches!(
                    field.name.as_str(),
                    "event" | "level" | "logger" | "exception"
                )
            }
            _ => false,
        };
        if meaningless {
            self.originals.push((&field.name, own.clone()));
            self.meaningless.push(&field.name); // other fields may still be read from inside it
        }
    }

    /// Write the values under their names, and the originals under `extra`.
    fn finish(mut self) -> Result<Normalised<'a>, Declined> {
        let meaningless = std::mem::take(&mut self.meaningless);
        if !meaningless.is_empty() {
            self.fields
                .retain(|(name, _)| !meaningless.contains(&&**name));
        }
        self.complete_error()?;
        if self.value_of("correlation_id").is_none()
            && let Some(trace) = self.value_of("trace_id")
        {
            let trace = trace.clone();
            self.values.push(("correlation_id", trace));
            if let Some(own) = get(&self.fields, "correlation_id").filter(|own| !own.is_null())
                && get_own(&self.originals, "correlation_id").is_none()
            {
                let own = own.clone();
                self.originals.push(("correlation_id", own));
            }
        }
        if let Some(Value::Text(id)) = self.value_of("correlation_id")
            && self.table.is_counted(id)
        {
            self.values
                .push(("correlation_scope", Value::text("local")));
        }
        let Entry {
            mut fields,
            values,
            originals,
            unusable,
            ..
        } = self;
        for (name, value) in values {
            set(&mut fields, name, value);
        }
        if !originals.is_empty() {
            keep_originals(&mut fields, originals);
        }
        Ok(Normalised { fields, unusable })
    }

    /// Take type and message of the exception from its trace, where no field says them.
    fn complete_error(&mut self) -> Result<(), Declined> {
        let rendered = self.rendered.take();
        let Some(Value::Text(trace)) = self.value_of("exception") else {
            return Ok(());
        };
        if self.value_of("error_type").is_some() || !trace.contains('\n') {
            return Ok(());
        }
        let (kind, message) = match rendered {
            Some(Rendered {
                kind: Some(kind),
                message,
                ..
            }) if !kind.is_empty() => (Some(kind), message),
            _ => match summary_of(trace, self.settings)? {
                Some(error) => (error.kind, error.message),
                None => (None, None),
            },
        };
        for (name, text) in [("error_type", kind), ("error_message", message)] {
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                continue;
            };
            let is_free = get(&self.fields, name).is_none_or(Value::is_null);
            if is_free && self.value_of(name).is_none() {
                self.values.push((name, Value::text(text)));
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        fields: &Fields<'a>,
        field: &'a FieldSources,
        source: &'a Source,
        value: &Value<'a>,
        words_only: bool,
    ) -> Result<Option<Value<'a>>, Declined> {
        let is_own = source.path == field.name;
        match field.meaning {
            Meaning::CorrelationId | Meaning::OtherId => {
                return Ok(self.id(field, source, value).map(Value::Text));
            }
            Meaning::Level => {
                let level = self.level(fields, source, value, words_only)?;
                return Ok(level.map(Value::text));
            }
            Meaning::Exception => return self.exception(fields, source, value),
            Meaning::Status => return Ok(status_of(value).map(whole)),
            Meaning::Duration => return duration(fields, source, value),
            Meaning::Time => return time(fields, source, value, is_own, self.settings),
            _ => {}
        }
        let Value::Text(text) = value else {
            return Ok(None);
        };
        let table = self.table;
        let kept = |keeps: bool| keeps.then(|| value.clone());
        Ok(match field.meaning {
            Meaning::Path => path(table, source, text),
            Meaning::Method => method(table, source, text),
            Meaning::Address => match address_of(text) {
                Some(address) if address.len() == text.len() => Some(value.clone()),
                Some(address) => Some(Value::text(address.to_owned())),
                None => kept(is_own && !table.is_placeholder(text)),
            },
            Meaning::Name => kept(
                (is_own || (length(text) <= LONGEST_NAME && !text.contains('\n')))
                    && table.is_scalar_text(text),
            ),
            _ => kept(!text.is_empty()),
        })
    }

    fn id(
        &mut self,
        field: &'a FieldSources,
        source: &'a Source,
        value: &Value<'a>,
    ) -> Option<Cow<'a, str>> {
        if matches!(source.form, Form::Trace | Form::Parent) {
            let (trace, parent) = traceparent_ids(value)?;
            return Some(Cow::Owned(if source.form == Form::Parent {
                parent
            } else {
                trace
            }));
        }
        let text = if source.form == Form::LastPart {
            self.table.last_part(value)
        } else {
            self.table.id_text(value)
        };
        if let Some(text) = text
            .as_ref()
            .filter(|text| self.settings.is_usable_id(text))
        {
            return Some(text.clone());
        }
        if field.meaning == Meaning::CorrelationId {
            let unusable = match value {
                Value::List(_) | Value::Object(_) => source.path == field.name,
                Value::Text(_) => text.is_some(),
                Value::Number(number) => {
                    text.is_some() || !is_whole(number) || number.starts_with('-')
                }
                Value::Bool(_) | Value::Null => true,
            };
            if unusable {
                self.unusable.push((&source.path, value.clone()));
            }
        }
        None
    }

    fn level(
        &self,
        fields: &Fields<'a>,
        source: &Source,
        value: &Value,
        words_only: bool,
    ) -> Result<Option<&'static str>, Declined> {
        let has = |name: &str| get(fields, name).is_some();
        match source.form {
            Form::Serilog => return Ok((!words_only && has("@t")).then_some("info")),
            Form::Klog => {
                let level = if has("err") { "error" } else { "info" };
                return Ok((!words_only && has("ts")).then_some(level));
            }
            _ => {}
        }
        if let Value::Text(text) = value {
            if text.contains('\x1b') && length(text) <= LONGEST_COLOURED {
                // winston colours the words of JSON as well
                let bare = with_reader(self.settings, text.len(), |reader| {
                    let colour = &reader.texts.expressions.colour;
                    Ok(without(colour, text, &mut reader.scratch).into_owned())
                })?;
                if bare.contains('\x1b') {
                    return Err(Declined::Text);
                }
                return self.level(fields, source, &Value::text(bare), words_only);
            }
            let bare = strip(text);
            let is_numeric = |character: char| !character.is_ascii() && character.is_numeric();
            if bare.contains(is_numeric) {
                return Err(Declined::Encoding);
            }
            let is_decimal = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
            if !is_decimal {
                if !words_only || text.is_empty() {
                    return Ok(None);
                }
                let is_letter = length(text) <= 2 && text.starts_with(['I', 'W', 'E', 'F', 'D']);
                if source.form == Form::Letter && !is_letter {
                    return Ok(None);
                }
                let is_short = length(text) <= LONGEST_LEVEL;
                return Ok(is_short.then(|| level_of_word(text, self.table)).flatten());
            }
        }
        if words_only || source.form == Form::Letter {
            return Ok(None);
        }
        let number = match value {
            Value::Text(text) => whole_number(&Value::text(strip(text))),
            Value::Number(_) => whole_number(value),
            _ => None,
        };
        let scale = match source.form {
            Form::Otel => Scale::Otel,
            Form::Logback => Scale::Logback,
            Form::Python => Scale::Python,
            _ => Scale::Any,
        };
        Ok(number.and_then(|number| level_of_number(number, scale, &source.path)))
    }

    fn exception(
        &mut self,
        fields: &Fields<'a>,
        source: &Source,
        value: &Value<'a>,
    ) -> Result<Option<Value<'a>>, Declined> {
        if let Value::Text(text) = value {
            let last = source.path.rsplit('.').next().unwrap_or("");
            let is_unnamed = UNNAMED_STACKS.contains(&last) && source.path != "exception";
            let keeps = if source.form == Form::Lines || is_unnamed {
                text.contains('\n') && summary_of(text, self.settings)?.is_some()
            } else {
                !strip(text).is_empty() && !self.table.is_placeholder(text)
            };
            return Ok(keeps.then(|| value.clone()));
        }
        if source.form == Form::Loguru
            && let Some(text) = get(fields, "text").and_then(Value::as_text)
            && let Some(at) = text.find(TRACEBACK)
        {
            let trace = text[at..].trim_end_matches(is_space);
            return Ok(Some(Value::text(trace.to_owned())));
        }
        if matches!(value, Value::List(_)) && UNNAMED_STACKS.contains(&source.path.as_str()) {
            return Ok(None);
        }
        let Some(mut rendered) = render_trace(value)? else {
            return Ok(None);
        };
        let text = rendered.text.take().filter(|text| !text.is_empty());
        if text.is_some() {
            self.rendered = Some(rendered);
        }
        Ok(text.map(Value::text))
    }
}

fn get_own<'b, 'a>(values: &'b [(&str, Value<'a>)], name: &str) -> Option<&'b Value<'a>> {
    values
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

fn keep_originals<'a>(fields: &mut Fields<'a>, originals: Vec<(&'a str, Value<'a>)>) {
    let own = fields.iter_mut().find(|(name, _)| name == "extra");
    let extra = match own {
        Some((_, value)) => {
            *value = match std::mem::replace(value, Value::Null) {
                Value::Null => Value::Object(Fields::new()),
                Value::Object(extra) => Value::Object(extra),
                other => Value::Object(vec![(Cow::Borrowed("extra"), other)]),
            };
            value
        }
        None => {
            fields.push((Cow::Borrowed("extra"), Value::Object(Fields::new())));
            let last = fields.len() - 1;
            &mut fields[last].1
        }
    };
    if let Value::Object(extra) = extra {
        for (name, value) in originals {
            if get(extra, name).is_none() {
                extra.push((Cow::Borrowed(name), value));
            }
        }
    }
}

fn duration<'a>(
    fields: &Fields<'a>,
    source: &Source,
    value: &Value<'a>,
) -> Result<Option<Value<'a>>, Declined> {
    let per_unit = if source.form == Form::IntegerNanoseconds {
        let is_certain = value
            .as_i128()
            .is_some_and(|number| number >= LEAST_CERTAIN_NS);
        let written_by_go =
            matches!(get(fields, "time"), Some(Value::Text(_))) && get(fields, "pid").is_none();
        if !(is_certain && written_by_go) {
            return Ok(None);
        }
        Some(1e-6)
    } else {
        source.form.unit_ms()
    };
    Ok(
        milliseconds(value, per_unit)?.map(|duration| match duration {
            Duration::AsLogged => value.clone(),
            Duration::Whole(number) => whole(number),
            Duration::Float(number) => float(number),
        }),
    )
}

fn time<'a>(
    fields: &Fields<'a>,
    source: &Source,
    value: &Value<'a>,
    is_own: bool,
    settings: &Settings,
) -> Result<Option<Value<'a>>, Declined> {
    let value = if source.form == Form::EpochSeconds {
        let nanos = get(fields, "timestampNanos").filter(|nanos| nanos.is_whole());
        Value::Object(vec![
            (Cow::Borrowed("epochSecond"), value.clone()),
            (
                Cow::Borrowed("nanoOfSecond"),
                nanos.cloned().unwrap_or_else(|| whole(0)),
            ),
        ])
    } else {
        value.clone()
    };
    let ms = read_in_utc(&value, settings)?;
    Ok(ms.filter(|&ms| ms >= EARLIEST_MS || is_own).map(|_| value))
}

fn path<'a>(table: &Normalisation, source: &Source, text: &Cow<'a, str>) -> Option<Value<'a>> {
    if source.form == Form::RequestLine {
        let (_, target) = request_line(text)?;
        return Some(Value::text(path_of(target).into_owned()));
    }
    if table.is_placeholder(text) {
        return None;
    }
    let path = path_of(text);
    let keeps = source.path == "path" || path.starts_with(['/', '*']);
    keeps.then(|| {
        if path.len() == text.len() {
            Value::Text(text.clone())
        } else {
            Value::text(path.into_owned())
        }
    })
}

fn method<'a>(table: &Normalisation, source: &Source, text: &Cow<'a, str>) -> Option<Value<'a>> {
    if source.form == Form::RequestLine {
        let (method, _) = request_line(text)?;
        return table
            .is_method(method)
            .then(|| Value::text(method.to_owned()));
    }
    let bare = strip(text);
    if table.is_method(bare) && bare.len() == text.len() {
        return Some(Value::Text(text.clone()));
    }
    let upper = bare.to_uppercase();
    if table.is_method(&upper) {
        return Some(Value::text(upper));
    }
    (source.path == "method" && table.is_scalar_text(text)).then(|| Value::Text(text.clone()))
}

/// True for equal scalars: such an original says nothing more.
fn is_same(own: &Value, value: &Value) -> bool {
    !matches!(own, Value::List(_) | Value::Object(_)) && is_equal(own, value)
}

/// True if Python's types and values are equal.
fn is_equal(own: &Value, value: &Value) -> bool {
    match (own, value) {
        (Value::Number(a), Value::Number(b)) if a != b => {
            is_whole(a) == is_whole(b) && !is_whole(a) && own.as_f64() == value.as_f64()
        }
        _ => own == value,
    }
}

/// True if a value differs from its original by nothing that is worth keeping.
fn is_only_spelling(meaning: Meaning, value: &Value, result: &Value) -> bool {
    let is_spelled = matches!(meaning, Meaning::Level | Meaning::Method);
    match (value, result) {
        (Value::Text(text), Value::Text(_)) if is_spelled => {
            text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}
