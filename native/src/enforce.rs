//! The correlation-ID schema: valid fields stay, everything else moves to `extra`, violations are reported.
//!
//! The twin of `shipper_processors.enforce`.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::general::Declined;
use crate::normalise::{KeySets, Normalised, TIME_FIELD, normalise};
use crate::python_text::{first_characters, length, repr, repr_text, type_name};
use crate::redact::redact_text;
use crate::settings::{Normalisation, Require, Settings};
use crate::value::{Fields, Value, get, remove, set};
use crate::violation::{Kind, Violation};

const EXCERPT_LENGTH: usize = 60;
/// Number of names up to which they are compared one by one.
const FEW_NAMES: usize = 16;

/// An event that fits the schema, and the time that the application logged.
pub struct Enforced<'a> {
    pub event: Fields<'a>,
    pub timestamp: Option<Value<'a>>,
}

/// Make an event of an entry's fields; `table` and `require` are those of the entry's log.
pub fn enforce<'a>(
    fields: Fields<'a>,
    table: &'a Normalisation,
    require: Require,
    settings: &'a Settings,
    key_sets: &mut KeySets,
    violations: &mut Vec<Violation>,
) -> Result<Enforced<'a>, Declined> {
    let Normalised {
        mut fields,
        unusable,
    } = normalise(fields, table, settings, key_sets)?;
    with_message(&mut fields);
    with_event(&mut fields, settings);
    let has_id = get(&fields, "correlation_id").is_some_and(|id| !id.is_null());
    if !has_id || !unusable.is_empty() {
        judge_id(&fields, &unusable, has_id, require, settings, violations)?;
    }
    let timestamp = remove(&mut fields, TIME_FIELD).filter(|time| !time.is_null());
    let event = if conforms(&fields, settings)? {
        fields
    } else {
        typed_fields(fields, settings, violations)?
    };
    Ok(Enforced { event, timestamp })
}

/// Copy a sentence under `event` to the message if that is missing.
fn with_message(fields: &mut Fields) {
    let is_missing = match get(fields, "message") {
        None | Some(Value::Null) => true,
        Some(Value::Text(text)) => text.is_empty(),
        Some(_) => false,
    };
    if !is_missing {
        return;
    }
    let Some(Value::Text(event)) = get(fields, "event").filter(|event| !is_falsy(event)) else {
        return;
    };
    let event = Value::Text(event.clone());
    remove(fields, "message");
    fields.push((Cow::Borrowed("message"), event));
}

/// Of an entry without an event, take a message that is exactly the name of one.
fn with_event(fields: &mut Fields, settings: &Settings) {
    if !get(fields, "event").is_none_or(is_falsy) {
        return;
    }
    let Some(Value::Text(message)) = get(fields, "message") else {
        return;
    };
    if settings
        .verdicts
        .requiring_events
        .contains(message.as_ref())
    {
        let message = Value::Text(message.clone());
        set(fields, "event", message);
    }
}

fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.parse::<f64>().is_ok_and(|number| number == 0.0),
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Report an id that is required and missing, and values that were meant as ids.
fn judge_id(
    fields: &Fields,
    unusable: &[(&str, Value)],
    has_id: bool,
    require: Require,
    settings: &Settings,
    violations: &mut Vec<Violation>,
) -> Result<(), Declined> {
    let required = !has_id && requires_id(get(fields, "event"), require, settings);
    if let Some((source, value)) = unusable.first() {
        let kind = if required {
            Kind::CorrelationIdInvalid
        } else {
            Kind::CorrelationIdUnusable
        };
        violations.push(invalid_id(kind, source, value, settings)?);
    } else if required {
        violations.push(Violation {
            kind: Kind::CorrelationIdMissing,
            field: None,
            detail:
                "no correlation id, in none of the fields where loggers put one; see schema.fields"
                    .to_owned(),
        });
    }
    Ok(())
}

fn requires_id(event: Option<&Value>, require: Require, settings: &Settings) -> bool {
    let verdicts = &settings.verdicts;
    match require {
        Require::Always => true,
        Require::Never => false,
        Require::Requests => event.and_then(Value::as_text).is_some_and(|event| {
            event.starts_with(&verdicts.request_events) || verdicts.requiring_events.contains(event)
        }),
    }
}

/// True if the schema allows all fields as they are.
fn conforms(fields: &Fields, settings: &Settings) -> Result<bool, Declined> {
    let mut conforms = true;
    for (name, value) in fields {
        match settings.place_of(name.as_bytes()) {
            None => conforms = false,
            Some(place) => {
                let rule = settings.known[place].rule.as_ref();
                conforms &= rule.ok_or(Declined::Field)?.allows(value)?;
            }
        }
    }
    Ok(conforms)
}

/// Keep valid fields, and move the rest under `extra`; a null is an absent field.
fn typed_fields<'a>(
    mut fields: Fields<'a>,
    settings: &Settings,
    violations: &mut Vec<Violation>,
) -> Result<Fields<'a>, Declined> {
    let mut extra = Extra::of(remove(&mut fields, "extra"));
    let mut event = Fields::with_capacity(fields.len() + 1);
    let mut mistyped = Vec::new();
    for (name, value) in fields {
        match settings.place_of(name.as_bytes()) {
            None => extra.set(name, value),
            Some(_) if value.is_null() => {}
            Some(place) => {
                let rule = settings.known[place].rule.as_ref().ok_or(Declined::Field)?;
                if rule.allows(&value)? {
                    event.push((name, value));
                } else {
                    mistyped.push((place, name, value));
                }
            }
        }
    }
    mistyped.sort_by_key(|(place, ..)| *place); // the order of the schema
    for (_, name, value) in mistyped {
        violations.push(mistyped_value(&name, &value, settings)?);
        extra.set(name, value);
    }
    if !extra.fields.is_empty() {
        event.push((Cow::Borrowed("extra"), Value::Object(extra.fields)));
    }
    Ok(event)
}

fn mistyped_value(name: &str, value: &Value, settings: &Settings) -> Result<Violation, Declined> {
    let verdicts = &settings.verdicts;
    let kind = verdicts.kinds.iter().find(|(known, _)| known == name);
    let expected = verdicts.expected.iter().find(|(known, _)| known == name);
    let expected = expected.map_or("a string", |(_, expected)| expected);
    Ok(Violation {
        kind: kind.map_or(Kind::FieldInvalid, |&(_, kind)| kind),
        field: Some(name.to_owned()),
        detail: format!("expected {expected}, got {}", excerpt(value, settings)?),
    })
}

/// The fields outside the schema, in which a later value replaces one of the same name.
struct Extra<'a> {
    fields: Fields<'a>,
    /// Names that were there from the beginning, if they are many.
    names: Option<HashSet<String>>,
    own: usize,
}

impl<'a> Extra<'a> {
    fn of(own: Option<Value<'a>>) -> Extra<'a> {
        let fields = match own {
            None | Some(Value::Null) => Fields::new(),
            Some(Value::Object(fields)) => fields,
            Some(other) => vec![(Cow::Borrowed("extra"), other)],
        };
        let names = (fields.len() > FEW_NAMES)
            .then(|| fields.iter().map(|(name, _)| name.to_string()).collect());
        let own = fields.len();
        Extra { fields, names, own }
    }

    /// Add a field; all names that are added differ from each other.
    fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let is_new = match &self.names {
            Some(names) => !names.contains(name.as_ref()),
            None => self.fields[..self.own]
                .iter()
                .all(|(known, _)| *known != name),
        };
        if is_new {
            self.fields.push((name, value));
        } else {
            set(&mut self.fields, name, value);
        }
    }
}

fn invalid_id(
    kind: Kind,
    source: &str,
    value: &Value,
    settings: &Settings,
) -> Result<Violation, Declined> {
    let mut detail = format!(
        "expected 1 to 128 letters, digits and . _ : / + = @ -, got {}",
        excerpt(value, settings)?
    );
    if let Value::Text(text) = value {
        detail.push_str(&format!(" of {} characters", length(text)));
    }
    Ok(Violation {
        kind,
        field: Some(source.to_owned()),
        detail,
    })
}

/// Return a short, escaped excerpt of a value with its type.
fn excerpt(value: &Value, settings: &Settings) -> Result<String, Declined> {
    let kind = type_name(value);
    if let Value::Text(text) = value {
        let masked = redact_text(text, settings)?;
        let start = printable(first_characters(&masked, EXCERPT_LENGTH))?;
        let mut quoted = String::new();
        repr_text(&start, &mut quoted).ok_or(Declined::Encoding)?;
        if length(&masked) > EXCERPT_LENGTH {
            quoted.insert(quoted.len() - 1, '…');
        }
        return Ok(format!("{kind} {quoted}"));
    }
    let mut text = String::new();
    repr(value, &mut text).ok_or(Declined::Encoding)?;
    let masked = redact_text(&text, settings)?;
    let start = printable(first_characters(&masked, EXCERPT_LENGTH))?;
    let more = if length(&masked) > EXCERPT_LENGTH {
        "…"
    } else {
        ""
    };
    Ok(format!("{kind} {start}{more}"))
}

/// Return a text of ASCII with controls as escapes; others are declined, since Unicode's tables decide on them.
fn printable(text: &str) -> Result<Cow<'_, str>, Declined> {
    if !text.is_ascii() {
        return Err(Declined::Encoding);
    }
    if !text.bytes().any(|byte| byte.is_ascii_control()) {
        return Ok(Cow::Borrowed(text));
    }
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            _ if character.is_ascii_control() => {
                escaped.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            _ => escaped.push(character),
        }
    }
    Ok(Cow::Owned(escaped))
}
