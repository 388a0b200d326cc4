//! Strict reading of the chain plan, which `shipper_processors.chain_plan` serialises.
//!
//! An unknown version, section or key of a section is an error: the plan is not executed at all. Anything unknown in a
//! field's declaration declines the lines that contain the field; an unknown operator leaves the field undecided.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::block::Column;
use crate::normalise::{FieldSources, Form, Meaning, Source};
use crate::redact::{Kind as NameKind, Redaction};
use crate::redact_numbers::Meaning as MeaningNear;
use crate::secrets::{KeyShape, Keywords};
use crate::settings::{
    AccessField, Check, FieldRule, KnownField, Normalisation, NumberRule, REQUEST_FIELDS,
    RequestMarks, Require, Role, RuleField, Settings, Test, TextRule, is_unusual,
};
use crate::texts::{self, Texts};
use crate::time_zones::{Offset, Zone};
use crate::times::{Pair, TimeNames};

use crate::violation::{Kind, Policy};

/// The supported version of the plan's layout.
pub const VERSION: u64 = 3;
/// The levels of the schema.
const LEVELS: [&str; 7] = [
    "trace", "debug", "info", "notice", "warning", "error", "critical",
];
/// Most fields of a schema.
const MOST_FIELDS: usize = 64;
/// Whole numbers below this are exact as doubles.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;
/// The first fields of a document, before those of the log.
const DOCUMENT_HEAD: [&str; 4] = ["@timestamp", "*", "extra", "stream"];
const SEARCHED: [&str; 7] = [
    "message",
    "path",
    "error_type",
    "error_message",
    "exception",
    "event",
    "extra",
];

/// Read a plan. Fails with the reason why it cannot be executed.
pub fn settings(plan: &[u8]) -> Result<Settings, String> {
    let plan = serde_json::from_slice(plan)
        .map_err(|error| format!("the chain plan is not valid JSON: {error}"))?;
    let mut plan = Section::of("chain plan", plan)?;
    let version = plan.take("version")?;
    if version.as_u64() != Some(VERSION) {
        return Err(format!(
            "version {version} of the chain plan is unknown; expected {VERSION}"
        ));
    }
    let mut settings = Settings::default();
    read_schema(plan.section("schema")?, &mut settings)?;
    read_normalisation(plan.section("normalisation")?, &mut settings)?;
    read_redaction(plan.section("redaction")?, &mut settings)?;
    read_rules(plan.section("rules")?, &mut settings)?;
    read_rendering(plan.section("rendering")?, &mut settings)?;
    let mut skew = plan.section("skew")?;
    settings.future_ms = skew.whole("future_ms")?;
    settings.past_ms = skew.whole("past_ms")?;
    skew.whole("age_ms")?; // for logs without runtime times, which take the Python path
    skew.end()?;
    settings.times = read_times(plan.section("times")?)?;
    settings.texts = Texts::read(plan.take("texts")?)?;
    read_verdicts(plan.section("verdicts")?, &mut settings)?;
    plan.end()?;
    Ok(settings)
}

/// Read the table of a zone, `ZonePlan.to_json`. Fails with the reason why it is not one.
pub fn zone(plan: &[u8]) -> Result<Zone, String> {
    let plan = serde_json::from_slice(plan)
        .map_err(|error| format!("the plan of a zone is not valid JSON: {error}"))?;
    let mut section = Section::of("zone", plan)?;
    let name = section.text("name")?;
    let known = match section.take("known")? {
        Value::Null => None,
        pair => match (pair[0].as_i64(), pair[1].as_i64()) {
            (Some(from_ms), Some(to_ms)) => Some(from_ms..to_ms),
            _ => return Err(section.wrong("known", "a range")),
        },
    };
    let mut offsets = Vec::new();
    for row in section.list("offsets")? {
        match (row[0].as_i64(), row[1].as_i64(), row[2].as_str()) {
            (Some(from_ms), Some(offset_ms), Some(abbreviation)) => offsets.push(Offset {
                from_ms,
                offset_ms,
                abbreviation: abbreviation.to_owned(),
            }),
            _ => return Err(format!("zone: expected an offset, got {row}")),
        }
    }
    section.end()?;
    Zone::of(name, offsets, known).ok_or_else(|| "zone: the offsets are not in order".to_owned())
}

/// Read the names in notations of times.
pub fn times(plan: Value) -> Result<TimeNames, String> {
    read_times(Section::of("times", plan)?)
}

fn read_times(mut section: Section) -> Result<TimeNames, String> {
    let pairs = |section: &mut Section, key| {
        let rows = section.list(key)?.into_iter();
        rows.map(|row| match (row[0].as_str(), row[1].as_i64()) {
            (Some(name), Some(number)) => Ok((name.to_owned(), number)),
            _ => Err(format!("times: expected a name and a number, got {row}")),
        })
        .collect::<Result<Vec<_>, _>>()
    };
    let mut names = TimeNames {
        months: pairs(&mut section, "months")?,
        ..TimeNames::default()
    };
    names.zones.minutes = pairs(&mut section, "zones")?;
    names.zones.ambiguous = section.texts("ambiguous_zones")?;
    for row in section.list("pairs")? {
        match (row[0].as_str(), row[1].as_str(), row[2].as_i64()) {
            (Some(seconds), Some(part), Some(per_ms @ 1..=1_000_000)) => names.pairs.push(Pair {
                seconds: seconds.to_owned(),
                part: part.to_owned(),
                per_ms,
            }),
            _ => return Err(format!("times: expected two keys and a unit, got {row}")),
        }
    }
    section.end()?;
    Ok(names)
}

/// An object whose keys must all be read.
struct Section {
    name: &'static str,
    entries: Map<String, Value>,
}

impl Section {
    fn of(name: &'static str, value: Value) -> Result<Section, String> {
        match value {
            Value::Object(entries) => Ok(Section { name, entries }),
            other => Err(format!("{name}: expected an object, got {other}")),
        }
    }

    fn take(&mut self, key: &str) -> Result<Value, String> {
        self.entries
            .remove(key)
            .ok_or_else(|| format!("{}: `{key}` is missing", self.name))
    }

    fn wrong(&self, key: &str, expected: &str) -> String {
        format!("{}: `{key}` is not {expected}", self.name)
    }

    fn section(&mut self, key: &'static str) -> Result<Section, String> {
        Section::of(key, self.take(key)?)
    }

    fn list(&mut self, key: &str) -> Result<Vec<Value>, String> {
        match self.take(key)? {
            Value::Array(items) => Ok(items),
            _ => Err(self.wrong(key, "a list")),
        }
    }

    fn text(&mut self, key: &str) -> Result<String, String> {
        match self.take(key)? {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(key, "a text")),
        }
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, String> {
        let items = self.list(key)?;
        let texts: Option<_> = items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect();
        texts.ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    fn flag(&mut self, key: &str) -> Result<bool, String> {
        let value = self.take(key)?;
        value
            .as_bool()
            .ok_or_else(|| self.wrong(key, "true or false"))
    }

    fn whole(&mut self, key: &str) -> Result<i64, String> {
        let value = self.take(key)?;
        value
            .as_i64()
            .ok_or_else(|| self.wrong(key, "a whole number"))
    }

    fn end(self) -> Result<(), String> {
        match self.entries.keys().next() {
            Some(key) => Err(format!("{}: `{key}` is unknown", self.name)),
            None => Ok(()),
        }
    }
}

// --- the schema -----------------------------------------------------------------------------------

fn read_schema(mut schema: Section, settings: &mut Settings) -> Result<(), String> {
    let correlation = schema.text("correlation_field")?;
    let level = schema.text("level_field")?;
    for entry in schema.list("known_fields")? {
        settings.add_known(known_field(entry, &correlation, &level)?);
    }
    if settings.known.len() > MOST_FIELDS {
        return Err(format!("schema: more than {MOST_FIELDS} fields"));
    }
    settings.correlation = settings.place_of(correlation.as_bytes());
    settings.request = REQUEST_FIELDS.map(|name| settings.place_of(name.as_bytes()));
    for pair in schema.list("levels")? {
        match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(alias), Value::String(level)])
                if alias.is_ascii() && level.is_ascii() =>
            {
                settings
                    .levels
                    .push((alias.as_bytes().to_vec(), level.as_bytes().to_vec()));
            }
            _ => {
                return Err(format!(
                    "schema: expected a spelling and its level, got {pair}"
                ));
            }
        }
    }
    schema.section("options")?.end()?;
    schema.end()
}

fn known_field(entry: Value, correlation: &str, level: &str) -> Result<KnownField, String> {
    let mut entry = Section::of("known_fields", entry)?;
    let name = entry.text("name")?;
    if entry.flag("required")? {
        return Err(format!(
            "known_fields: `{name}` is required, which is unsupported"
        ));
    }
    let rule = field_rule(&entry.take("type")?);
    entry.end()?;
    let role = match &name {
        name if name == correlation => Role::Correlation,
        name if name == level => Role::Level,
        _ => Role::Plain,
    };
    Ok(KnownField {
        column: Column::named(&name),
        name: name.into_bytes(),
        role,
        check: Check::None,
        rule,
        aliased: false,
        constrained: false,
    })
}

/// Compile a declared type; None if anything in its declaration is unknown.
fn field_rule(declared: &Value) -> Option<FieldRule> {
    let mut constraints = declared.as_object()?.clone();
    let name = constraints.remove("type")?;
    let rule = match name.as_str()? {
        "nullable" => FieldRule {
            nullable: true,
            ..field_rule(&constraints.remove("schema")?)?
        },
        "union" => union_rule(constraints.remove("choices")?.as_array()?)?,
        "str" => FieldRule::of_text(text_rule(&mut constraints)?),
        "int" => FieldRule::of_integers(number_rule(&mut constraints)?),
        "float" => {
            constraints.remove("allow_inf_nan"); // JSON has neither
            FieldRule::of_numbers(number_rule(&mut constraints)?)
        }
        _ => return None,
    };
    let strict = constraints.remove("strict");
    let is_lax =
        strict != Some(Value::Bool(true)) && (rule.integer.is_some() || rule.float.is_some());
    let is_known = constraints.is_empty() && strict.is_none_or(|value| value.is_boolean());
    is_known.then_some(FieldRule {
        lax: rule.lax || (is_lax && name != "union" && name != "nullable"),
        ..rule
    })
}

/// Compile a union whose choices have no type in common.
fn union_rule(choices: &[Value]) -> Option<FieldRule> {
    let mut union = FieldRule::default();
    for choice in choices {
        let rule = field_rule(choice)?;
        let disjoint = (union.text.is_none() || rule.text.is_none())
            && (union.integer.is_none() || rule.integer.is_none());
        if !disjoint {
            return None;
        }
        union = FieldRule {
            text: union.text.or(rule.text),
            integer: union.integer.or(rule.integer),
            float: union.float.or(rule.float),
            nullable: union.nullable || rule.nullable,
            lax: union.lax || rule.lax,
        };
    }
    Some(union)
}

fn text_rule(constraints: &mut Map<String, Value>) -> Option<TextRule> {
    let mut rule = match constraints.remove("pattern") {
        Some(pattern) => pattern_rule(pattern.as_str()?)?,
        None => TextRule::any(),
    };
    if let Some(least) = constraints.remove("min_length") {
        rule.least = rule.least.max(usize::try_from(least.as_u64()?).ok()?);
    }
    if let Some(most) = constraints.remove("max_length") {
        rule.most = rule.most.min(usize::try_from(most.as_u64()?).ok()?);
    }
    Some(rule)
}

fn number_rule(constraints: &mut Map<String, Value>) -> Option<NumberRule> {
    let mut bound = |name: &str| match constraints.remove(name) {
        None => Some(None),
        Some(value) => value
            .as_f64()
            .filter(|number| number.abs() < MOST_EXACT)
            .map(Some),
    };
    Some(NumberRule::new(
        bound("ge")?,
        bound("gt")?,
        bound("le")?,
        bound("lt")?,
    ))
}

/// Compile a pattern that is one repeated class of ASCII characters, such as `^[a-z0-9._\-]{1,128}$`; None for others.
fn pattern_rule(pattern: &str) -> Option<TextRule> {
    let mut rest = pattern.strip_prefix("^[")?.strip_suffix('$')?.as_bytes();
    let mut allowed = Box::new([false; 256]);
    let mut before = None;
    loop {
        let (sign, behind) = class_character(rest)?;
        rest = behind;
        match sign {
            ClassCharacter::End if allowed.contains(&true) => break,
            ClassCharacter::End => return None,
            ClassCharacter::Literal(sign) => {
                allowed[usize::from(sign)] = true;
                before = Some(sign);
            }
            ClassCharacter::Dash => {
                let (ClassCharacter::Literal(last), behind) = class_character(rest)? else {
                    return None;
                };
                rest = behind;
                let first = before.take().filter(|&first| first <= last)?;
                allowed[usize::from(first)..=usize::from(last)].fill(true);
            }
        }
    }
    let (least, most) = repetition(rest)?;
    Some(TextRule {
        allowed: Some(allowed),
        least,
        most,
    })
}

enum ClassCharacter {
    Literal(u8),
    Dash,
    End,
}

/// Return the next character of a class and the rest; None if it may have another meaning.
fn class_character(text: &[u8]) -> Option<(ClassCharacter, &[u8])> {
    let (&first, rest) = text.split_first()?;
    match first {
        b']' => Some((ClassCharacter::End, rest)),
        b'-' => Some((ClassCharacter::Dash, rest)),
        b'\\' => {
            let (&sign, rest) = rest.split_first()?;
            sign.is_ascii_punctuation()
                .then_some((ClassCharacter::Literal(sign), rest))
        }
        b'[' | b'^' | b'&' | b'~' => None,
        sign => sign
            .is_ascii_graphic()
            .then_some((ClassCharacter::Literal(sign), rest)),
    }
}

/// Return the least and the most repetitions.
fn repetition(text: &[u8]) -> Option<(usize, usize)> {
    match text {
        b"+" => Some((1, usize::MAX)),
        b"*" => Some((0, usize::MAX)),
        _ => {
            let inner = std::str::from_utf8(text)
                .ok()?
                .strip_prefix('{')?
                .strip_suffix('}')?;
            let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
            let most = if most.is_empty() {
                usize::MAX
            } else {
                most.parse().ok()?
            };
            Some((least.parse().ok()?, most))
        }
    }
}

// --- normalisation --------------------------------------------------------------------------------

/// Read the table of field sources of one log, `NormalisationPlan.to_json`. Fails with the reason why it is not one.
pub fn own_table(plan: &[u8]) -> Result<Normalisation, String> {
    let plan = serde_json::from_slice(plan)
        .map_err(|error| format!("the table of a log is not valid JSON: {error}"))?;
    let mut section = Section::of("normalisation", plan)?;
    section.list("checks")?; // the same for all logs
    field_table(section)
}

fn read_normalisation(mut section: Section, settings: &mut Settings) -> Result<(), String> {
    for pair in section.list("checks")? {
        let check = match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(name), Value::String(check)]) => {
                Check::named(check).zip(settings.place_of(name.as_bytes()))
            }
            _ => None,
        };
        let Some((check, place)) = check else {
            return Err(format!("normalisation: unknown field or check in {pair}"));
        };
        settings.known[place].check = check;
    }
    let place = |check| settings.known.iter().position(|known| known.check == check);
    let normalisation = Normalisation {
        event: place(Check::Event),
        message: place(Check::Message),
        level: place(Check::Level),
        ..field_table(section)?
    };
    for known in &mut settings.known {
        known.aliased = normalisation.roots.contains(&known.name);
    }
    settings.normalisation = normalisation;
    Ok(())
}

fn field_table(mut table: Section) -> Result<Normalisation, String> {
    let bytes = |texts: Vec<String>| texts.into_iter().map(String::into_bytes);
    let placeholders: Vec<Vec<u8>> = bytes(table.texts("placeholders")?).collect();
    let mut number = |key| {
        let number = table.whole(key)?;
        usize::try_from(number).map_err(|_| format!("normalisation: `{key}` is {number}"))
    };
    let counted_digits = number("counted_digits")?;
    let shortest_certain_id = number("shortest_certain_id")?;
    let mut normalisation = Normalisation {
        id: next_table(),
        roots: bytes(table.texts("roots")?).collect(),
        longest_placeholder: placeholders.iter().map(Vec::len).max().unwrap_or(0),
        placeholders,
        fillers: table.text("fillers")?.into_bytes(),
        counted_prefix: table.text("counted_prefix")?.into_bytes(),
        counted_digits,
        methods: bytes(table.texts("methods")?).collect(),
        shortest_certain_id,
        words: level_words(table.list("levels")?)?,
        fields: field_sources(table.list("fields")?)?,
        ..Normalisation::default()
    };
    normalisation.index_sources();
    table.end()?;
    Ok(normalisation)
}

/// Return a number that no other table of this process has.
fn next_table() -> u64 {
    static TABLES: AtomicU64 = AtomicU64::new(0);
    TABLES.fetch_add(1, Ordering::Relaxed)
}

fn level_words(pairs: Vec<Value>) -> Result<HashMap<String, &'static str>, String> {
    let mut words = HashMap::new();
    for pair in pairs {
        let level = match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(word), Value::String(level)]) => LEVELS
                .iter()
                .find(|known| *known == level)
                .map(|known| (word.clone(), *known)),
            _ => None,
        };
        let Some((word, level)) = level else {
            return Err(format!("normalisation: unknown level in {pair}"));
        };
        words.insert(word, level);
    }
    Ok(words)
}

fn field_sources(entries: Vec<Value>) -> Result<Vec<FieldSources>, String> {
    entries
        .into_iter()
        .map(|entry| {
            let (Some(name), Some(sources)) = (entry[0].as_str(), entry[1].as_array()) else {
                return Err(format!(
                    "normalisation: expected a field and its sources, got {entry}"
                ));
            };
            let sources: Result<_, _> = sources.iter().map(source).collect();
            Ok(FieldSources {
                name: name.to_owned(),
                meaning: Meaning::of(name),
                sources: sources?,
            })
        })
        .collect()
}

fn source(entry: &Value) -> Result<Source, String> {
    let beside = entry[2].as_array().and_then(|names| {
        let names = names.iter().map(|name| name.as_str().map(str::to_owned));
        names.collect::<Option<Vec<_>>>()
    });
    match (
        entry[0].as_str(),
        entry[1].as_str().and_then(Form::named),
        beside,
    ) {
        (Some(path), Some(form), Some(beside)) => Ok(Source {
            path: path.to_owned(),
            form,
            beside,
        }),
        _ => Err(format!("normalisation: unknown source {entry}")),
    }
}

// --- redaction and rules --------------------------------------------------------------------------

fn read_redaction(mut redaction: Section, settings: &mut Settings) -> Result<(), String> {
    if redaction.flag("every_text")? {
        return Err(
            "redaction: a configured pattern or field name requires that every text is examined"
                .into(),
        );
    }
    settings.keywords = Keywords::new(
        &redaction.texts("keywords")?,
        &redaction.texts("words")?,
        &redaction.texts("forms")?,
        &redaction.texts("link_stems")?,
        key_shapes(&mut redaction)?,
    )?;
    settings.redaction = redaction_rules(&mut redaction, &settings.known)?;
    let constrained = redaction.texts("constrained_fields")?;
    for field in &mut settings.known {
        field.constrained = constrained.iter().any(|name| name.as_bytes() == field.name);
    }
    redaction.end()
}

/// Read the rules of redaction; None if the plan has no expressions.
fn redaction_rules(
    section: &mut Section,
    known: &[KnownField],
) -> Result<Option<Redaction>, String> {
    let mut rules = Redaction::default();
    let lists = rows(section, "lists", owned_text, owned_texts)?;
    let mut lists: HashMap<String, Vec<String>> = lists.into_iter().collect();
    let mut list = |name: &str| lists.remove(name).unwrap_or_default();
    rules.names.endings = list("endings").into_iter().collect();
    rules.names.harmless = list("harmless");
    rules.names.query = list("query").into_iter().collect();
    rules.names.query_ending = list("query_ending").concat();
    rules.no_tokens = list("no_tokens").into_iter().collect();
    rules.no_arguments = list("no_arguments").into_iter().collect();
    rules.nothing = list("nothing").into_iter().collect();
    rules.patterns.names = list("patterns").into_iter().collect();
    if let Some(name) = lists.keys().next() {
        return Err(format!("redaction: the list `{name}` is unknown"));
    }
    for (words, kind) in rows(section, "names", owned_texts, owned_text)? {
        let kind = match kind.as_str() {
            "password" => NameKind::Password,
            "field" => NameKind::Field,
            _ => return Err(format!("redaction: the kind `{kind}` is unknown")),
        };
        rules.names.add(words, kind);
    }
    let meaning = |value: &Value| MeaningNear::named(value.as_str()?);
    rules.numbers.near = rows(section, "words_near", owned_text, meaning)?
        .into_iter()
        .collect();
    rules.numbers.known = known
        .iter()
        .map(|field| String::from_utf8_lossy(&field.name).into_owned())
        .collect();
    let length = |value: &Value| usize::try_from(value.as_u64()?).ok();
    rules.numbers.iban_lengths = rows(section, "iban_lengths", owned_text, length)?
        .into_iter()
        .collect();
    for entry in section.list("expressions")? {
        let (name, pattern) = texts::expression(entry)?;
        rules.expressions.insert(name, pattern);
    }
    let key = section.text("key")?;
    let digit = |place: usize| key.get(place..place + 2);
    let bytes = (0..key.len()).step_by(2).map(|place| {
        let byte = digit(place).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.ok_or_else(|| "redaction: the key has no hexadecimal digits".to_owned())
    });
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>()?;
    rules.key = (!bytes.is_empty()).then_some(bytes);
    Ok((!rules.expressions.is_empty()).then_some(rules))
}

/// Read a list of pairs whose second is converted.
fn rows<First, Second>(
    section: &mut Section,
    key: &str,
    first: fn(&Value) -> Option<First>,
    second: fn(&Value) -> Option<Second>,
) -> Result<Vec<(First, Second)>, String> {
    let rows = section.list(key)?;
    let pair = |row: &Value| match row.as_array().map(Vec::as_slice) {
        Some([one, other]) => Some((first(one)?, second(other)?)),
        _ => None,
    };
    let pairs: Option<_> = rows.iter().map(pair).collect();
    pairs.ok_or_else(|| section.wrong(key, "a list of pairs"))
}

fn owned_text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn owned_texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(owned_text).collect()
}

/// Read the forms of keys: a prefix, the least number of characters behind it, and all characters that may be there.
fn key_shapes(redaction: &mut Section) -> Result<Vec<KeyShape>, String> {
    let rows = redaction.list("key_shapes")?;
    let shape = |row: &Value| match row.as_array().map(Vec::as_slice) {
        Some(
            [
                Value::String(prefix),
                Value::Number(least),
                Value::String(characters),
            ],
        ) => {
            let mut alphabet = [false; 256];
            for byte in characters.bytes() {
                alphabet[usize::from(byte)] = true;
            }
            Some(KeyShape {
                prefix: prefix.as_bytes().to_vec(),
                least: usize::try_from(least.as_u64()?).ok()?,
                alphabet,
            })
        }
        _ => None,
    };
    let shapes: Option<_> = rows.iter().map(shape).collect();
    shapes.ok_or_else(|| redaction.wrong("key_shapes", "a list of prefixes with their characters"))
}

fn read_rules(mut rules: Section, settings: &mut Settings) -> Result<(), String> {
    for entry in rules.list("rule_fields")? {
        let (field, decided) = rule_field(entry, settings)?;
        if !decided {
            settings
                .undecided_fields
                .push(String::from_utf8_lossy(&field.name).into_owned());
        }
        settings.rule_fields.push(field);
    }
    settings.request_marks = RequestMarks {
        application_keys: rules.texts("application_keys")?.into_iter().collect(),
        proxy_keys: rules.texts("proxy_keys")?.into_iter().collect(),
        remarks: rules.texts("remarks")?,
    };
    for entry in rules.list("runtime_fields")? {
        let (place, decided) = rule_field(entry, settings)?;
        if !decided {
            settings
                .undecided_fields
                .push(String::from_utf8_lossy(&place.name).into_owned());
        }
    }
    rules.end()
}

/// Read a field of the rules; the flag is true if all its operators are known.
fn rule_field(entry: Value, settings: &Settings) -> Result<(RuleField, bool), String> {
    let mut entry = Section::of("rule_fields", entry)?;
    let name = entry.text("name")?.into_bytes();
    let mut by_value = entry.flag("by_value")?;
    let mut decided = true;
    let mut tests = Vec::new();
    for test in entry.list("tests")? {
        match operator(test)? {
            Operator::Known(test) => tests.push(test),
            Operator::ByValue => by_value = true,
            Operator::Unknown => decided = false,
        }
    }
    entry.end()?;
    let known = settings.place_of(&name);
    let tests = (!by_value).then_some(tests);
    Ok((RuleField { name, known, tests }, decided))
}

enum Operator {
    Known(Test),
    /// Depends on the value alone, and is evaluated in Python once for each value.
    ByValue,
    Unknown,
}

fn operator(test: Value) -> Result<Operator, String> {
    let mut test = Section::of("tests", test)?;
    let name = test.text("operator")?;
    let operand = test.take("operand")?;
    if test.end().is_err() {
        return Ok(Operator::Unknown);
    }
    let known = match (name.as_str(), operand) {
        ("equals", Value::String(text)) => Test::OneOf(vec![text.into_bytes()]),
        ("equals", Value::Bool(_) | Value::Number(_)) | ("glob", Value::String(_)) => {
            return Ok(Operator::ByValue);
        }
        ("one_of", Value::Array(values)) => return Ok(one_of(values)),
        ("prefix", Value::String(prefix)) => Test::Prefix(prefix.into_bytes()),
        ("contains", Value::String(part)) => Test::Contains(part.into_bytes()),
        ("route", Value::String(route)) => return Ok(route_test(&route)),
        ("min", Value::Number(least)) => return Ok(bound(least.as_f64(), Test::AtLeast)),
        ("max", Value::Number(most)) => return Ok(bound(most.as_f64(), Test::AtMost)),
        _ => return Ok(Operator::Unknown),
    };
    Ok(Operator::Known(known))
}

fn one_of(values: Vec<Value>) -> Operator {
    if !values
        .iter()
        .all(|value| value.is_string() || value.is_boolean() || value.is_number())
    {
        return Operator::Unknown;
    }
    let texts: Option<_> = values
        .iter()
        .map(|value| value.as_str().map(|text| text.as_bytes().to_vec()))
        .collect();
    texts.map_or(Operator::ByValue, |texts| {
        Operator::Known(Test::OneOf(texts))
    })
}

fn bound(number: Option<f64>, test: fn(f64) -> Test) -> Operator {
    number.map_or(Operator::Unknown, |number| Operator::Known(test(number)))
}

/// Compile a path template into the texts between its variable segments.
fn route_test(route: &str) -> Operator {
    if route.contains(['?', '#']) || is_unusual(route.as_bytes()) {
        return Operator::ByValue;
    }
    let mut literals = vec![Vec::new()];
    for (place, part) in route.trim_end_matches('/').split('/').enumerate() {
        let literal = literals.last_mut().expect("at least one literal");
        if place > 0 {
            literal.push(b'/');
        }
        if part.starts_with('{') && part.ends_with('}') {
            literals.push(Vec::new());
        } else if part.contains(['{', '}']) {
            return Operator::Unknown;
        } else {
            literal.extend_from_slice(part.as_bytes());
        }
    }
    Operator::Known(Test::Route(literals))
}

// --- verdicts -------------------------------------------------------------------------------------

fn read_verdicts(mut table: Section, settings: &mut Settings) -> Result<(), String> {
    let verdicts = &mut settings.verdicts;
    for (kind, policy) in pairs(&mut table, "policies")? {
        let (Some(kind), Some(policy)) = (Kind::named(&kind), Policy::named(&policy)) else {
            return Err(format!(
                "verdicts: unknown violation or policy `{kind}`, `{policy}`"
            ));
        };
        verdicts.policies[kind as usize] = policy;
    }
    for (name, kind) in pairs(&mut table, "kinds")? {
        let kind =
            Kind::named(&kind).ok_or_else(|| format!("verdicts: unknown violation `{kind}`"))?;
        verdicts.kinds.push((name, kind));
    }
    verdicts.expected = pairs(&mut table, "expected")?;
    let require = table.text("require")?;
    verdicts.require = Require::named(&require)
        .ok_or_else(|| format!("verdicts: unknown policy of ids `{require}`"))?;
    verdicts.requiring_events = table.texts("requiring_events")?.into_iter().collect();
    verdicts.request_events = table.text("request_events")?;
    verdicts.index_prefix = table.text("index_prefix")?;
    table.end()
}

fn pairs(table: &mut Section, key: &str) -> Result<Vec<(String, String)>, String> {
    let items = table.list(key)?;
    let pairs: Option<_> = items
        .iter()
        .map(|pair| match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(first), Value::String(second)]) => {
                Some((first.clone(), second.clone()))
            }
            _ => None,
        })
        .collect();
    pairs.ok_or_else(|| table.wrong(key, "a list of pairs of texts"))
}

// --- rendering ------------------------------------------------------------------------------------

fn read_rendering(mut rendering: Section, settings: &mut Settings) -> Result<(), String> {
    let document = rendering.texts("document")?;
    if !document
        .iter()
        .map(String::as_str)
        .take(DOCUMENT_HEAD.len())
        .eq(DOCUMENT_HEAD)
    {
        return Err(format!(
            "rendering: a document must begin with {DOCUMENT_HEAD:?}, not {document:?}"
        ));
    }
    if rendering.texts("searched")? != SEARCHED {
        return Err(format!(
            "rendering: the searched fields must be {SEARCHED:?}"
        ));
    }
    for name in rendering.texts("access")? {
        match AccessField::named(&name) {
            Some(field) if !settings.access.contains(&field) => settings.access.push(field),
            None if name == "time" => {} // of formats that take the Python path
            _ => {
                return Err(format!(
                    "rendering: unknown or duplicate field `{name}` of an access line"
                ));
            }
        }
    }
    if settings.access.len() != AccessField::ALL.len() {
        return Err("rendering: a field of an access line is missing".into());
    }
    rendering.end()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// A small plan with all kinds of fields.
    pub fn sample() -> Value {
        json!({
            "version": 3,
            "schema": {
                "correlation_field": "correlation_id",
                "level_field": "level",
                "known_fields": [
                    {"name": "correlation_id", "required": false,
                     "type": {"type": "str", "strict": true, "pattern": "^[A-Za-z0-9._:/+=@\\-]{1,128}$"}},
                    {"name": "event", "required": false, "type": {"type": "str", "strict": true}},
                    {"name": "level", "required": false, "type": {"type": "str", "strict": true}},
                    {"name": "message", "required": false, "type": {"type": "str", "strict": true}},
                    {"name": "status_code", "required": false, "type": {"type": "int", "ge": 100, "le": 599}},
                    {"name": "duration_ms", "required": false,
                     "type": {"type": "float", "ge": 0, "allow_inf_nan": false}},
                    {"name": "user_id", "required": false, "type": {"type": "nullable", "schema":
                        {"type": "union", "choices": [{"type": "str"}, {"type": "int"}]}}}
                ],
                "levels": [["info", "info"], ["warn", "warning"]],
                "options": {}
            },
            "normalisation": {
                "roots": ["msg", "request_id"],
                "checks": [["correlation_id", "id"], ["event", "event"], ["level", "level"], ["message", "message"],
                           ["status_code", "whole"], ["duration_ms", "number"]],
                "placeholders": ["", "-", "null"], "fillers": "0-", "counted_prefix": "req", "counted_digits": 9,
                "methods": ["GET", "POST"], "shortest_certain_id": 16,
                "levels": [["inf", "info"], ["warn", "warning"]],
                "fields": [["correlation_id", [["correlation_id", "plain", []], ["request_id", "plain", []]]],
                           ["message", [["message", "plain", []], ["msg", "plain", []]]]]
            },
            "redaction": {"keywords": ["token", "secret", "api-key"], "words": ["pin"], "forms": ["bearer"], "link_stems": ["reset"],
                          "key_shapes": [["ghp_", 8, "0123456789abcdef"]],
                          "names": [], "lists": [], "words_near": [], "iban_lengths": [], "expressions": [], "key": "",
                          "constrained_fields": ["correlation_id"], "every_text": false},
            "rules": {
                "rule_fields": [
                    {"name": "event", "by_value": true, "tests": []},
                    {"name": "message", "by_value": false, "tests": [{"operator": "prefix", "operand": "export"}]}
                ],
                "runtime_fields": [], "application_keys": ["controller"], "proxy_keys": ["upstream"], "remarks": ["", "-"]
            },
            "rendering": {
                "document": ["@timestamp", "*", "extra", "stream", "log"],
                "access": ["event", "method", "path", "status_code", "client_ip", "level", "time", "message"],
                "searched": SEARCHED
            },
            "skew": {"future_ms": 3_600_000, "past_ms": 86_400_000, "age_ms": 0},
            "times": {"months": [["nov", 11]], "pairs": [["seconds", "nanos", 1_000_000]],
                      "zones": [["CET", 60]], "ambiguous_zones": ["CST"]},
            "texts": {"expressions": [], "words": [], "heads": [], "names": []},
            "verdicts": {
                "policies": [["correlation_id_missing", "quarantine"], ["level_invalid", "flag"], ["blank", "drop"]],
                "kinds": [["level", "level_invalid"]], "expected": [["level", "a string"]],
                "require": "always", "requiring_events": ["login"], "request_events": "request_", "index_prefix": "logs"
            }
        })
    }

    pub fn read(plan: &Value) -> Result<Settings, String> {
        settings(plan.to_string().as_bytes())
    }

    fn reason(change: impl FnOnce(&mut Value)) -> String {
        let mut plan = sample();
        change(&mut plan);
        read(&plan).err().expect("a plan that is declined")
    }

    fn rule(declared: Value) -> Option<FieldRule> {
        field_rule(&declared)
    }

    #[test]
    fn a_whole_plan_is_read() {
        let settings = read(&sample()).unwrap();
        assert_eq!(settings.known.len(), 7);
        assert!(settings.known.iter().all(|field| field.rule.is_some()));
        assert_eq!(settings.place_of(b"level"), Some(2));
        assert_eq!(settings.place_of(b"levels"), None);
        assert!(settings.known[0].constrained && !settings.known[1].constrained);
        assert_eq!(
            (settings.future_ms, settings.past_ms),
            (3_600_000, 86_400_000)
        );
        assert!(settings.undecided_fields.is_empty());
        assert_eq!(settings.access.len(), 7);
    }

    #[test]
    fn an_unknown_version_or_key_declines_the_plan() {
        assert!(reason(|plan| plan["version"] = json!(9)).starts_with("version 9"));
        assert_eq!(
            reason(|plan| plan["odd"] = json!(1)),
            "chain plan: `odd` is unknown"
        );
        for section in [
            "schema",
            "normalisation",
            "redaction",
            "rules",
            "rendering",
            "skew",
            "times",
            "texts",
        ] {
            let odd = reason(|plan| plan[section]["odd"] = json!(1));
            assert_eq!(odd, format!("{section}: `odd` is unknown"));
            let gone = reason(|plan| {
                plan.as_object_mut().unwrap().remove(section);
            });
            assert_eq!(gone, format!("chain plan: `{section}` is missing"));
        }
        assert!(
            reason(|plan| plan["redaction"]["every_text"] = json!(true)).contains("every text")
        );
        assert!(settings(b"{").is_err());
        assert!(settings(b"7").is_err());
    }

    #[test]
    fn an_unknown_declaration_leaves_the_field_without_a_rule() {
        for declared in [
            json!({"type": "bool"}),
            json!({"type": "str", "to_lower": true}),
            json!({"type": "str", "pattern": "[a-z]+"}),
            json!({"type": "str", "strict": "often"}),
            json!({"type": "int", "multiple_of": 2}),
            json!({"type": "int", "ge": 9_007_199_254_740_993_u64}),
            json!({"type": "nullable", "schema": {"type": "str"}, "odd": 1}),
            json!({"type": "union", "choices": [{"type": "str"}, {"type": "str"}]}),
            json!({"type": "union", "choices": [{"type": "int"}, {"type": "float"}]}),
            json!({"type": 7}),
            json!("str"),
        ] {
            assert!(rule(declared.clone()).is_none(), "{declared}");
        }
    }

    #[test]
    fn texts_are_bounded_in_characters() {
        let rule = rule(json!({"type": "str", "min_length": 2, "max_length": 3})).unwrap();
        for (text, allowed) in [
            ("a", false),
            ("ab", true),
            ("éé", true),
            ("€€€", true),
            ("abcd", false),
        ] {
            assert_eq!(rule.allows_text(text.as_bytes()), allowed, "{text}");
        }
        assert!(rule.integer.is_none() && rule.float.is_none() && !rule.nullable);
    }

    #[test]
    fn a_class_of_characters_is_the_supported_pattern() {
        let allows = |pattern: &str, text: &str| {
            let rule = rule(json!({"type": "str", "pattern": pattern})).unwrap();
            rule.allows_text(text.as_bytes())
        };
        assert!(allows(r"^[a-c\-_]{2,3}$", "a-_"));
        for text in ["a", "abca", "ad", "ab\n", "é"] {
            assert!(!allows(r"^[a-c\-_]{2,3}$", text), "{text}");
        }
        assert!(allows("^[0-9]*$", "") && !allows("^[0-9]+$", ""));
        assert!(allows("^[0-9]{3}$", "123") && !allows("^[0-9]{3}$", "12"));
        assert!(allows("^[0-9]{3,}$", "1234567"));
        for pattern in [
            "^[a-c]$",
            "[a-c]+",
            "^[^a]+$",
            r"^[\d]+$",
            "^[a&&b]+$",
            "^[[:alpha:]]+$",
            "^[c-a]+$",
            "^[-a]+$",
            "^[a-]+$",
            "^[a]+|b$",
            "^[a]+?$",
            "^(?:[a])+$",
            "^[é]+$",
            "^[a b]+$",
            "^[]{1}$",
            "^[a]{1,2,3}$",
            "^[a]{,2}$",
            r"^[a]\$",
        ] {
            assert!(
                rule(json!({"type": "str", "pattern": pattern})).is_none(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn numbers_are_bounded_exactly() {
        let share = rule(json!({"type": "float", "ge": 0, "le": 1}))
            .unwrap()
            .float
            .unwrap();
        for (digits, allowed) in [
            ("0", true),
            ("0.0", true),
            ("1.0", true),
            ("1.00001", false),
            ("-0.1", false),
        ] {
            assert_eq!(share.allows(digits.as_bytes()), allowed, "{digits}");
        }
        let open = rule(json!({"type": "int", "gt": -2, "lt": 2})).unwrap();
        assert!(open.float.is_none());
        let open = open.integer.unwrap();
        assert!(
            open.allows(b"-1") && open.allows(b"1") && !open.allows(b"-2") && !open.allows(b"2")
        );
        assert!(
            !open.allows(b"1234567890123456"),
            "too many digits to be sure"
        );
        let positive = rule(json!({"type": "float", "ge": 0}))
            .unwrap()
            .integer
            .unwrap();
        assert!(positive.allows(b"123456789012345678") && !positive.allows(b"-1"));
    }

    #[test]
    fn an_unknown_operator_leaves_its_field_undecided() {
        let mut plan = sample();
        plan["rules"]["rule_fields"][1]["tests"] = json!([
            {"operator": "suffix", "operand": "done"}, {"operator": "prefix", "operand": "a"}
        ]);
        plan["rules"]["runtime_fields"] = json!([
            {"name": "stream", "by_value": false, "tests": [{"operator": "equals", "operand": "stdout", "odd": 1}]}
        ]);
        let settings = read(&plan).unwrap();
        assert_eq!(settings.undecided_fields, ["message", "stream"]);
        assert_eq!(
            settings.rule_fields[1].tests,
            Some(vec![Test::Prefix(b"a".to_vec())])
        );
    }

    #[test]
    fn operators_are_known_with_their_operands() {
        let read = |name: &str, operand: Value| match operator(
            json!({"operator": name, "operand": operand}),
        )
        .unwrap()
        {
            Operator::Known(test) => Some(Some(test)),
            Operator::ByValue => Some(None),
            Operator::Unknown => None,
        };
        assert_eq!(
            read("equals", json!("a")),
            Some(Some(Test::OneOf(vec![b"a".to_vec()])))
        );
        assert_eq!(
            read("contains", json!("a")),
            Some(Some(Test::Contains(b"a".to_vec())))
        );
        assert_eq!(read("min", json!(2)), Some(Some(Test::AtLeast(2.0))));
        assert_eq!(read("max", json!(2.5)), Some(Some(Test::AtMost(2.5))));
        let route = Test::Route(vec![b"/a/".to_vec(), b"/b".to_vec()]);
        assert_eq!(read("route", json!("/a/{id}/b/")), Some(Some(route)));
        for (name, operand) in [
            ("equals", json!(1)),
            ("equals", json!(true)),
            ("one_of", json!(["a", 1])),
            ("glob", json!("*")),
            ("route", json!("/a?b")),
            ("route", json!("/a//b")),
        ] {
            assert_eq!(read(name, operand.clone()), Some(None), "{name} {operand}");
        }
        for (name, operand) in [
            ("suffix", json!("a")),
            ("prefix", json!(1)),
            ("min", json!("2")),
            ("equals", json!(["a"])),
            ("one_of", json!([["a"]])),
            ("route", json!("/a{b}")),
        ] {
            assert_eq!(read(name, operand.clone()), None, "{name} {operand}");
        }
    }
}
