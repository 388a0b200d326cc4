//! Masks secrets and personal data; the twin of `redact.py` and of the modules that it uses.
//!
//! The tables and expressions are those of the chain plan. A text about which an expression is in doubt is declined.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::general::Declined;
use crate::pattern::{Pattern, Scratch};
use crate::pseudonym::pseudonym;
use crate::redact_names::{NameRule, split_name};
use crate::redact_numbers::{NumberWords, ibans, normal_number, personal_numbers};
use crate::redact_values::{end_of_words, is_parameter, value_at};
use crate::secrets::{self, Keywords, Kinds};
use crate::settings::Settings;
use crate::value::{self, Fields, Value};

const DEEPEST: usize = 100;
const LONGEST_NAME: usize = 100;
const NAME_KEYS: [&str; 6] = ["name", "key", "header", "field", "param", "parameter"];
const VALUE_KEYS: [&str; 4] = ["value", "val", "content", "input"];
const MARK: &str = "[redacted:";

/// What a name stands for; see `redact_names.Kind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Nothing,
    Password,
    Field,
}

/// A value to mask, with the name of its kind and its place in the text.
pub struct Found {
    pub kind: &'static str,
    pub start: usize,
    pub end: usize,
}

/// The built-in patterns that are enabled.
#[derive(Default)]
pub struct Enabled {
    pub names: HashSet<String>,
}

impl Enabled {
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// The compiled tables of the plan.
#[derive(Default)]
pub struct Redaction {
    pub names: NameRule,
    pub patterns: Enabled,
    pub expressions: HashMap<String, Pattern>,
    pub numbers: NumberWords,
    pub no_tokens: HashSet<String>,
    pub no_arguments: HashSet<String>,
    pub nothing: HashSet<String>,
    /// The key of the hashes; None to mask.
    pub key: Option<Vec<u8>>,
}

/// Masks one event or text.
pub struct Redactor<'s> {
    rules: &'s Redaction,
    keywords: &'s Keywords,
    settings: &'s Settings,
    scratch: Scratch,
}

type Result<T> = std::result::Result<T, Declined>;

pub fn redact_text<'a>(text: &'a str, settings: &Settings) -> Result<Cow<'a, str>> {
    Redactor::new(settings)?.text(text, "")
}

pub fn redact_event(event: &mut Fields, settings: &Settings) -> Result<()> {
    Redactor::new(settings)?.event(event)
}

pub fn redact_raw<'a>(text: &'a str, settings: &Settings) -> Result<Cow<'a, str>> {
    Redactor::new(settings)?.raw(text)
}

impl<'s> Redactor<'s> {
    pub fn new(settings: &'s Settings) -> Result<Redactor<'s>> {
        Ok(Redactor {
            rules: settings.redaction.as_ref().ok_or(Declined::Masking)?,
            keywords: &settings.keywords,
            settings,
            scratch: Scratch::default(),
        })
    }

    // --- texts ------------------------------------------------------------------------------------

    /// True if a rule may change a text, also where it is encoded or escaped; the twin of `TextFilter.may_hold`.
    fn may_hold(&self, text: &str, numbers: bool) -> bool {
        self.may_hold_plain(text, numbers)
            || decoded(text).is_some_and(|plain| self.may_hold_plain(&plain, numbers))
    }

    fn may_hold_plain(&self, text: &str, numbers: bool) -> bool {
        let bytes = text.as_bytes();
        memchr::memchr(b'@', bytes).is_some()
            || self.keywords.is_match(bytes)
            || (numbers && secrets::has_long_number(bytes))
    }

    /// Return a text, the value of a field, masked by every rule, also where it is encoded or escaped.
    pub fn text<'a>(&mut self, text: &'a str, name: &str) -> Result<Cow<'a, str>> {
        if !self.may_hold(text, true) {
            return Ok(Cow::Borrowed(text));
        }
        let masked = self.matches(text, name, true)?;
        let plain = decoded(masked.as_deref().unwrap_or(text));
        if let Some(plain) = plain
            && let Some(plain) = self.matches(&plain, name, true)?
        {
            return Ok(Cow::Owned(plain));
        }
        Ok(masked.map_or(Cow::Borrowed(text), Cow::Owned))
    }

    /// Return a text masked by every rule; None if nothing changes.
    fn matches(&mut self, text: &str, name: &str, numbers: bool) -> Result<Option<String>> {
        let mut current = Cow::Borrowed(text);
        self.scratch.begin(text.len());
        let mut kinds = self.keywords.kinds(text.as_bytes());
        for rule in RULES {
            if (rule.may_apply)(&current, kinds) && self.apply(&mut current, rule.find)? {
                kinds = self.keywords.kinds(current.as_bytes()); // masks are words, too
            }
        }
        if numbers && secrets::has_long_number(current.as_bytes()) {
            let pattern = self.expression("CORSICAN")?;
            let all = personal_numbers(
                &current,
                name,
                &self.rules.numbers,
                pattern,
                &mut self.scratch,
            );
            let found = all
                .into_iter()
                .filter(|found| self.rules.patterns.has(found.kind));
            self.replace(&mut current, found.collect());
        }
        if self.scratch.doubt {
            return Err(Declined::Masking);
        }
        Ok(match current {
            Cow::Owned(changed) => Some(changed),
            Cow::Borrowed(_) => None,
        })
    }

    /// Apply one step; return true if it may have changed the text.
    fn apply(
        &mut self,
        text: &mut Cow<'_, str>,
        find: fn(&mut Redactor, &str) -> Result<Vec<Found>>,
    ) -> Result<bool> {
        let found = find(self, text)?;
        if self.scratch.doubt {
            return Err(Declined::Masking);
        }
        let is_changed = !found.is_empty();
        self.replace(text, found);
        Ok(is_changed)
    }

    fn expression(&self, name: &str) -> Result<&'s Pattern> {
        self.rules.expressions.get(name).ok_or(Declined::Masking)
    }

    /// Replace the values that were found; of two that overlap, the first and longest counts.
    fn replace(&self, text: &mut Cow<'_, str>, mut found: Vec<Found>) {
        found.sort_by_key(|value| (value.start, usize::MAX - value.end));
        let mut masked = String::new();
        let mut end = 0;
        for value in found {
            let content = &text[value.start..value.end];
            if value.start >= end && !is_masked(content) {
                masked.push_str(&text[end..value.start]);
                masked.push_str(&self.replacement(value.kind, &normal(value.kind, content)));
                end = value.end;
            }
        }
        if !masked.is_empty() {
            masked.push_str(&text[end..]);
            *text = Cow::Owned(masked);
        }
    }

    fn replacement(&self, kind: &str, value: &str) -> String {
        match &self.rules.key {
            None => format!("{MARK}{kind}]"),
            Some(key) => format!("{MARK}{kind}:{}]", pseudonym(key, value)),
        }
    }

    /// True if a value under a sensitive name holds nothing; see `redact_assignments.is_nothing`.
    fn is_nothing(&mut self, name: &str, value: &str) -> Result<bool> {
        let stripped = value.trim_matches(['*', '.', ' ', '\t', '\r', '\n']);
        if stripped.is_empty() || self.rules.nothing.contains(&value.to_ascii_lowercase()) {
            return Ok(true);
        }
        if self
            .expression("OBJECT")?
            .full_match(value, 0, &mut self.scratch)
        {
            return Ok(true);
        }
        let words = split_name(last_characters(name, LONGEST_NAME));
        let last = words.last().map_or("", String::as_str);
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        if last == "pass" && value.chars().count() < 5 {
            return Ok(is_number);
        }
        if last == "pin" {
            return Ok(!value.as_bytes()[0].is_ascii_digit());
        }
        if name == "PWD" {
            return Ok(value.starts_with('/'));
        }
        if name == "birthdate" && value.chars().count() == 13 {
            return Ok(is_number);
        }
        Ok(last.ends_with('s') && last != "pass" && last != "address" && is_number)
    }

    // --- events -----------------------------------------------------------------------------------

    fn event(&mut self, event: &mut Fields) -> Result<()> {
        for (name, value) in event.iter_mut() {
            let place = self.settings.place_of(name.as_bytes());
            let constrained = name == "timestamp"
                || place.is_some_and(|place| self.settings.known[place].constrained);
            match value {
                Value::Text(text) if place.is_some() && !constrained => {
                    if let Cow::Owned(masked) = self.text(text, "")? {
                        *text = Cow::Owned(masked);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_)
                    if place.is_some() && !constrained => {}
                Value::Text(text) if constrained => {
                    if self.may_hold(text, false)
                        && let Some(masked) = self.matches(text, "", false)?
                    {
                        *text = Cow::Owned(masked);
                    }
                }
                _ if constrained => self.value("", value, "", 0, false)?,
                _ => self.value(name, value, "", 0, false)?,
            }
        }
        Ok(())
    }

    fn is_known(&self, name: &str) -> bool {
        self.settings.place_of(name.as_bytes()).is_some()
    }

    fn kind(&self, name: &str, parent: &str) -> Kind {
        if self.is_known(name) {
            return Kind::Nothing;
        }
        let names = &self.rules.names;
        let kind = names.kind(name, false, self.keywords);
        if kind != Kind::Nothing || parent.is_empty() || name.is_empty() {
            return kind;
        }
        names.kind(&format!("{parent} {name}"), true, self.keywords)
    }

    /// Mask a field's value; `parent` is the name of the object it is in. With `pairs`, equal names of fields may result.
    fn value(
        &mut self,
        name: &str,
        value: &mut Value,
        parent: &str,
        depth: usize,
        pairs: bool,
    ) -> Result<()> {
        if matches!(value, Value::Null | Value::Bool(_)) {
            return Ok(());
        }
        if self.kind(name, parent) != Kind::Nothing && self.whole(name, value)? {
            return Ok(());
        }
        let parent = if name.is_empty() { parent } else { name };
        match value {
            Value::Text(text) => {
                let name = if self.is_known(name) { "" } else { name };
                if let Cow::Owned(masked) = self.text(text, name)? {
                    *text = Cow::Owned(masked);
                }
            }
            _ if depth > DEEPEST => *value = Value::text(self.replacement("depth", "")),
            Value::Object(fields) => {
                self.items(fields, parent, depth, pairs)?;
                self.keys(fields, pairs)?;
            }
            Value::List(items) => self.list(items, parent, depth, pairs)?,
            Value::Number(number) if value::is_whole(number) && !self.is_known(name) => {
                if let Cow::Owned(masked) = self.text(number, name)? {
                    *value = Value::text(masked);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Mask the names of an object; two that become equal are numbered.
    fn keys(&mut self, fields: &mut Fields, pairs: bool) -> Result<()> {
        let mut changes = Vec::new();
        for (place, (key, _)) in fields.iter().enumerate() {
            if let Cow::Owned(masked) = self.text(key, "")? {
                changes.push((place, masked));
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let mut changes = changes.into_iter().peekable();
        let mut masked: Fields = Vec::with_capacity(fields.len());
        for (place, (key, item)) in fields.drain(..).enumerate() {
            let key = match changes.next_if(|(changed, _)| *changed == place) {
                Some((_, changed)) => Cow::Owned(changed),
                None => key,
            };
            let key = if pairs {
                key
            } else {
                unused_name(key, &masked)
            };
            masked.push((key, item));
        }
        *fields = masked;
        Ok(())
    }

    /// Mask the value of a sensitive field as a whole. Returns false if it holds nothing.
    fn whole(&mut self, name: &str, value: &mut Value) -> Result<bool> {
        let (text, is_plain) = match &*value {
            Value::Text(text) => (text.as_ref(), true),
            Value::Number(number) if value::is_whole(number) || self.rules.key.is_none() => {
                (number.as_ref(), true)
            }
            _ if self.rules.key.is_none() => ("", false),
            _ => return Err(Declined::Masking),
        };
        self.scratch.begin(text.len());
        let is_nothing = is_plain && self.is_nothing(name, text)?;
        if self.scratch.doubt {
            return Err(Declined::Masking);
        }
        if is_nothing {
            return Ok(false);
        }
        if !is_masked(text) {
            let masked = self.replacement("field", text);
            *value = Value::text(masked);
        }
        Ok(true)
    }

    fn items(
        &mut self,
        fields: &mut Fields,
        parent: &str,
        depth: usize,
        pairs: bool,
    ) -> Result<()> {
        let named = self.named_by(fields);
        for (key, item) in fields.iter_mut() {
            let is_value =
                named.is_some() && VALUE_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name));
            if let (true, Some(name)) = (is_value, &named)
                && (matches!(item, Value::Null | Value::Bool(_)) || self.whole(name, item)?)
            {
                continue;
            }
            self.value(key, item, parent, depth + 1, pairs)?;
        }
        Ok(())
    }

    /// Return the sensitive name that an object gives to its value.
    fn named_by(&self, fields: &Fields) -> Option<String> {
        fields.iter().find_map(|(key, item)| {
            let named = match item {
                Value::List(items) if key.eq_ignore_ascii_case("loc") => items.last()?.as_text()?,
                item if NAME_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name)) => {
                    item.as_text()?
                }
                _ => return None,
            };
            let kind = self.rules.names.kind(named, false, self.keywords);
            (kind != Kind::Nothing).then(|| named.to_owned())
        })
    }

    fn list(&mut self, items: &mut [Value], parent: &str, depth: usize, pairs: bool) -> Result<()> {
        let count = items.len();
        let mut before: Option<String> = None;
        for (place, item) in items.iter_mut().enumerate() {
            let text = item.as_text().map(str::to_owned);
            let named = match (&before, &text) {
                (Some(name), Some(_)) => {
                    let is_place =
                        name.starts_with('-') || (place % 2 == 1 && count.is_multiple_of(2));
                    let is_sensitive = is_place
                        && is_listed_name(name)
                        && self.rules.names.kind(name, false, self.keywords) != Kind::Nothing;
                    is_sensitive && self.whole(name, item)?
                }
                _ => false,
            };
            if !named {
                self.value("", item, parent, depth + 1, pairs)?;
            }
            before = text;
        }
        Ok(())
    }

    // --- raw lines --------------------------------------------------------------------------------

    /// True if a name in JSON is sensitive by words that other signs join than in texts: `api/key`.
    fn has_odd_name(&self, raw: &str) -> bool {
        let bytes = raw.as_bytes();
        let (mut at, mut names_value) = (0, false);
        while let Some(length) = memchr::memchr(b'"', &bytes[at..]) {
            let begin = at + length + 1;
            let mut end = begin;
            while let Some(length) = memchr::memchr2(b'"', b'\\', &bytes[end..]) {
                end += length;
                if bytes[end] == b'"' {
                    break;
                }
                end = (end + 2).min(bytes.len());
            }
            let text = raw.get(begin..end).unwrap_or_default();
            at = (end + 1).min(bytes.len());
            let spaces = bytes[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace());
            let is_name = bytes.get(at + spaces.count()) == Some(&b':');
            if (is_name || names_value)
                && secrets::is_odd_name(text.as_bytes())
                && self.rules.names.kind(text, false, self.keywords) != Kind::Nothing
            {
                return true;
            }
            let names = |key: &str| text.eq_ignore_ascii_case(key);
            names_value = if is_name {
                names("loc") || NAME_KEYS.iter().any(|key| names(key))
            } else {
                names_value && bytes.get(at) == Some(&b',')
            };
        }
        false
    }

    fn may_hold_raw(&self, text: &str) -> bool {
        self.may_hold(text, true)
            || may_hold_nested(text, &self.rules.names.heads)
            || self.has_odd_name(text)
    }

    fn raw<'a>(&mut self, text: &'a str) -> Result<Cow<'a, str>> {
        let may_change = self.may_hold_raw(text)
            || (memchr::memchr(b'\\', text.as_bytes()).is_some()
                && self.may_hold_raw(&without_escapes(text)));
        if !may_change {
            return Ok(Cow::Borrowed(text));
        }
        let head = text.trim_start_matches(['\u{feff}', ' ', '\t']);
        if !head.starts_with('{') {
            return self.text(text, "");
        }
        let content = text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n', '\0']);
        let mut tree = Value::Object(value::read_object(content).map_err(|_| Declined::Masking)?);
        let original = tree.clone();
        if names_in(&tree) != colons_outside_texts(content) {
            return Err(Declined::Masking); // a name is there twice, and both values must be masked
        }
        self.value("", &mut tree, "", 0, true)?;
        if tree == original {
            return self.text(text, "");
        }
        if has_exponent(&original) {
            return Err(Declined::Masking);
        }
        let mut bytes = Vec::new();
        value::write(&tree, &mut bytes);
        let written = String::from_utf8(bytes).map_err(|_| Declined::Masking)?;
        Ok(Cow::Owned(self.text(&written, "")?.into_owned()))
    }
}

// --- what texts hold ------------------------------------------------------------------------------

/// A step of redaction, and a cheap test that it finds nothing in a text with certain kinds of words.
struct Rule {
    find: fn(&mut Redactor, &str) -> Result<Vec<Found>>,
    may_apply: fn(&str, Kinds) -> bool,
}

/// The steps in their order. The words of each are those by which `TextFilter` recognises what the step masks.
const RULES: [Rule; 10] = [
    Rule {
        find: headers,
        may_apply: |_, kinds| kinds.name,
    },
    Rule {
        find: url_passwords,
        may_apply: |text, _| text.contains('@'),
    },
    Rule {
        find: bearers,
        may_apply: |_, kinds| kinds.form,
    },
    Rule {
        find: jwts,
        may_apply: |_, kinds| kinds.form,
    },
    Rule {
        find: keys,
        may_apply: |_, kinds| kinds.key || kinds.form,
    },
    Rule {
        find: assignments,
        may_apply: |text, kinds| (kinds.name || text.contains(['?', '&'])) && has_mark(text),
    },
    Rule {
        find: other_notations,
        may_apply: |text, kinds| kinds.name && has_mark(text),
    },
    Rule {
        find: links,
        may_apply: |_, kinds| kinds.stem,
    },
    Rule {
        find: emails,
        may_apply: |text, _| text.contains('@'),
    },
    Rule {
        find: accounts,
        may_apply: |text, _| text.bytes().any(|byte| byte.is_ascii_digit()),
    },
];

fn has_mark(text: &str) -> bool {
    text.bytes().any(|byte| secrets::is_mark(&byte))
}

/// Call a function with each match of an expression, one after the other.
fn each_match(
    redactor: &mut Redactor,
    name: &str,
    text: &str,
    mut call: impl FnMut(&Pattern, &Scratch, std::ops::Range<usize>),
) -> Result<()> {
    let pattern = redactor.expression(name)?;
    let mut at = 0;
    while at <= text.len() {
        let Some(range) = pattern.search(text, at, &mut redactor.scratch) else {
            break;
        };
        at = range.end.max(range.start + 1);
        call(pattern, &redactor.scratch, range);
    }
    Ok(())
}

/// Return the place of a named group of the last match.
fn group(pattern: &Pattern, scratch: &Scratch, name: &str) -> Option<(usize, usize)> {
    let range = scratch.group(pattern.named(name)?)?;
    Some((range.start, range.end))
}

fn values(
    redactor: &mut Redactor,
    kind: &'static str,
    name: &str,
    text: &str,
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    each_match(redactor, name, text, |pattern, scratch, range| {
        let (start, end) = group(pattern, scratch, "value").unwrap_or((range.start, range.end));
        found.push(Found { kind, start, end });
    })?;
    Ok(found)
}

fn headers(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    if !redactor.rules.patterns.has("header") || !has_any(text, &["cookie:", "authorization:"]) {
        return Ok(Vec::new());
    }
    values(redactor, "header", "HEADER", text)
}

fn url_passwords(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    let possible = text.contains("://") && text.contains('@');
    if !redactor.rules.patterns.has("url_password") || !possible {
        return Ok(Vec::new());
    }
    values(redactor, "url_password", "URL_PASSWORD", text)
}

fn bearers(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    if !redactor.rules.patterns.has("bearer") || !has_any(text, &["bearer", "basic"]) {
        return Ok(found);
    }
    let no_tokens = &redactor.rules.no_tokens;
    each_match(redactor, "BEARER", text, |pattern, scratch, _| {
        let scheme = group(pattern, scratch, "scheme");
        let value = group(pattern, scratch, "value");
        if let (Some(scheme), Some((start, end))) = (scheme, value) {
            let value = &text[start..end];
            let is_token = if text[scheme.0..scheme.1].eq_ignore_ascii_case("basic") {
                looks_random(value)
            } else {
                let word = value.to_ascii_lowercase();
                !no_tokens.contains(word.trim_end_matches('.'))
            };
            let is_parameter = value.trim_end_matches('=').contains('=')
                || (value.ends_with('=') && text[end..].starts_with('"'));
            if is_token && !is_parameter {
                found.push(Found {
                    kind: "bearer",
                    start,
                    end,
                });
            }
        }
    })?;
    Ok(found)
}

fn jwts(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    if !redactor.rules.patterns.has("jwt") || !has_any(text, &["eyj"]) {
        return Ok(Vec::new());
    }
    values(redactor, "jwt", "JWT", text)
}

fn keys(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    if !redactor.rules.patterns.has("key") {
        return Ok(found);
    }
    let mut at = 0;
    while at < text.len() {
        match redactor.keywords.key_at(text.as_bytes(), at) {
            Some(end) => {
                found.push(Found {
                    kind: "key",
                    start: at,
                    end,
                });
                at = end;
            }
            None => at += 1,
        }
    }
    let mut begins = Vec::new();
    if text.contains("-----BEGIN ") {
        each_match(redactor, "PEM_BEGIN", text, |_, _, range| {
            begins.push(range.end)
        })?;
    }
    let mut last = 0;
    for start in begins {
        if start >= last {
            let end = text[start..]
                .find("-----END")
                .map_or(text.len(), |end| start + end);
            let is_blank = |character: char| {
                character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
            };
            if !text[start..end].trim_matches(is_blank).is_empty() {
                found.push(Found {
                    kind: "key",
                    start,
                    end,
                });
            }
            last = end;
        }
    }
    Ok(found)
}

fn links(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    if !redactor.rules.patterns.has("link") || !text.contains('/') {
        return Ok(found);
    }
    each_match(redactor, "LINK", text, |pattern, scratch, _| {
        let (start, end) = group(pattern, scratch, "rest").unwrap_or((0, 0));
        let mut at = start;
        for part in text[start..end].split('/') {
            if is_link_secret(part) {
                found.push(Found {
                    kind: "link",
                    start: at,
                    end: at + part.len(),
                });
            }
            at += part.len() + 1;
        }
    })?;
    Ok(found)
}

fn emails(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    if !redactor.rules.patterns.has("email") || !text.contains('@') {
        return Ok(Vec::new());
    }
    let mut found = values(redactor, "email", "EMAIL", text)?;
    found.retain(|found| {
        let last = text[found.start..found.end].rsplit('.').next();
        last.is_some_and(|last| last.starts_with(|sign: char| sign.is_ascii_alphabetic()))
    });
    Ok(found)
}

fn accounts(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    Ok(if redactor.rules.patterns.has("iban") {
        ibans(text, &redactor.rules.numbers)
    } else {
        Vec::new()
    })
}

fn label(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Nothing => None,
        Kind::Password => Some("password"),
        Kind::Field => Some("field"),
    }
}

fn assignments(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    let pattern = redactor.expression("ASSIGNMENT")?;
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(range) = pattern.search(text, at, &mut redactor.scratch) {
        at = range.end;
        let place = |name: &str| group(pattern, &redactor.scratch, name);
        let (Some(name), Some(sign)) = (place("name"), place("sign")) else {
            return Err(Declined::Masking);
        };
        let before = place("before").map_or("", |before| &text[before.0..before.1]);
        let sign = &text[sign.0..sign.1];
        let kind = assigned_kind(redactor, text, range.start, before, name, sign, at);
        let (Some(kind), Some(value)) = (label(kind), value_at(text, at)) else {
            continue;
        };
        let mut end = value.end;
        if kind == "field" && !value.quoted && sign != "=" {
            end = end_of_words(text, end);
        }
        let name = &text[name.0..name.1];
        if !redactor.is_nothing(name, &text[value.start..end])? {
            found.push(Found {
                kind,
                start: value.start,
                end,
            });
        }
        at = end;
    }
    Ok(found)
}

fn assigned_kind(
    redactor: &Redactor,
    text: &str,
    start: usize,
    before: &str,
    name: (usize, usize),
    sign: &str,
    at: usize,
) -> Kind {
    if text[..start].ends_with(MARK) {
        return Kind::Nothing; // the kind of a mask
    }
    let names = &redactor.rules.names;
    let word = last_characters(&text[name.0..name.1], LONGEST_NAME);
    let kind = names.kind(word, false, redactor.keywords);
    if kind != Kind::Nothing {
        return kind;
    }
    if sign != "=" {
        return if before.is_empty() {
            kind
        } else {
            names.kind(&format!("{before} {word}"), true, redactor.keywords)
        };
    }
    let is_query = text[..name.0].ends_with(['?', '&']) || is_parameter(text, at);
    if is_query {
        names.query_kind(word)
    } else {
        Kind::Nothing
    }
}

fn other_notations(redactor: &mut Redactor, text: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let is_quoted = memchr::memchr2(b'"', b'\'', bytes).is_some();
    let notations = [
        ("OPTION", memchr::memchr(b'-', bytes).is_some()),
        ("ELEMENT", memchr::memchr2(b'<', b'&', bytes).is_some()),
        (
            "PAIR",
            is_quoted && memchr::memchr2(b'[', b'(', bytes).is_some(),
        ),
        (
            "NAMED",
            is_quoted && memchr::memchr2(b'=', b':', bytes).is_some(),
        ),
    ];
    for (notation, _) in notations.into_iter().filter(|(_, possible)| *possible) {
        in_notation(redactor, text, notation, &mut found)?;
    }
    let names = &redactor.rules.names;
    if names.kind("password", false, redactor.keywords) != Kind::Nothing
        && has_any(text, &["password", "passwd", "identified"])
    {
        each_match(redactor, "SQL_PASSWORD", text, |_, _, range| {
            if let Some(value) = value_at(text, range.end) {
                found.push(Found {
                    kind: "password",
                    start: value.start,
                    end: value.end,
                });
            }
        })?;
    }
    Ok(found)
}

fn in_notation(
    redactor: &mut Redactor,
    text: &str,
    notation: &str,
    found: &mut Vec<Found>,
) -> Result<()> {
    let mut places = Vec::new();
    each_match(redactor, notation, text, |pattern, scratch, range| {
        let content = group(pattern, scratch, "text");
        if let Some(name) = group(pattern, scratch, "name") {
            places.push((name, content, range.end));
        }
    })?;
    for (name, content, at) in places {
        let name = &text[name.0..name.1];
        let kind = redactor.rules.names.kind(name, false, redactor.keywords);
        let value = match content {
            Some(content) => Some(content),
            None => value_at(text, at)
                .filter(|value| value.quoted || notation != "PAIR")
                .map(|value| (value.start, value.end)),
        };
        let (Some(kind), Some((start, end))) = (label(kind), value) else {
            continue;
        };
        let value = &text[start..end];
        let is_word = notation == "OPTION"
            && redactor
                .rules
                .no_arguments
                .contains(&value.to_ascii_lowercase());
        let is_blank = value
            .bytes()
            .all(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
        if !is_word
            && !is_blank
            && !text[..start].ends_with("/>")
            && !redactor.is_nothing(name, value)?
        {
            found.push(Found { kind, start, end });
        }
    }
    Ok(())
}

// --- small tests ----------------------------------------------------------------------------------

/// True if a text contains one of the words, in any letter case.
fn has_any(text: &str, words: &[&str]) -> bool {
    let bytes = text.as_bytes();
    words.iter().any(|word| {
        bytes
            .windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// An encoded name with its password has a digit, a capital inside, or padding; a word has none.
fn looks_random(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit())
        || has_capital_inside(value)
        || value.ends_with('=')
}

fn has_capital_inside(value: &str) -> bool {
    value
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}

/// True if a part of a path has a digit or a capital inside, or is one long word; see `redact_patterns.LINK_SECRET`.
fn is_link_secret(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let is_word = part.len() >= 16 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    part.len() >= 8 && digits < part.len() && (digits > 0 || has_capital_inside(part) || is_word)
}

/// True if a whole text is a mask.
fn is_masked(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(MARK) else {
        return false;
    };
    let rest = rest.strip_suffix(']').unwrap_or(rest);
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    (1..=120).contains(&rest.chars().count())
        && !rest.bytes().any(|byte| byte == b']' || is_space(byte))
}

/// Return the normal form that is hashed.
fn normal<'a>(kind: &str, value: &'a str) -> Cow<'a, str> {
    match kind {
        "email" => Cow::Owned(value.to_ascii_lowercase()),
        "iban" | "card" | "national_id" | "phone" => Cow::Owned(normal_number(value)),
        _ => Cow::Borrowed(value),
    }
}

fn is_listed_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (2..=100).contains(&name.len()) && name.bytes().all(is_part)
}

pub fn last_characters(text: &str, count: usize) -> &str {
    if text.len() <= count {
        return text;
    }
    let start = text.char_indices().rev().nth(count - 1);
    start.map_or(text, |(start, _)| &text[start..])
}

fn unused_name<'a>(name: Cow<'a, str>, taken: &[(Cow<'a, str>, Value<'a>)]) -> Cow<'a, str> {
    let is_taken = |candidate: &str| taken.iter().any(|(known, _)| known == candidate);
    if !is_taken(&name) {
        return name;
    }
    let mut number = 2;
    loop {
        let candidate = format!("{name} ({number})");
        if !is_taken(&candidate) {
            return Cow::Owned(candidate);
        }
        number += 1;
    }
}

fn names_in(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.iter().map(|(_, item)| 1 + names_in(item)).sum(),
        Value::List(items) => items.iter().map(names_in).sum(),
        _ => 0,
    }
}

fn has_exponent(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(_, item)| has_exponent(item)),
        Value::List(items) => items.iter().any(has_exponent),
        Value::Number(number) => number.contains(['e', 'E']) || number == "-0",
        _ => false,
    }
}

/// True if JSON may hold a listed name in parts, as `{"api": {"key": …}}`; the twin of `TextFilter.may_hold_nested`.
fn may_hold_nested(raw: &str, heads: &[String]) -> bool {
    let bytes = raw.as_bytes();
    let inner = memchr::memchr2_iter(b'{', b'[', bytes);
    inner
        .skip(usize::from(bytes.first() == Some(&b'{')))
        .any(|at| {
            // the end of a name, its quote, and a colon stand before an object or a list
            let name = before_spaces(&bytes[..at]).strip_suffix(b":");
            let name = name.and_then(|before| before_spaces(before).strip_suffix(b"\""));
            name.is_some_and(|name| {
                let slashes = name.iter().rev().take_while(|&&byte| byte == b'\\').count();
                let name = &name[..name.len() - slashes];
                heads.iter().any(|head| ends_with(name, head.as_bytes()))
            })
        })
}

/// Return a text without the blanks at its end.
fn before_spaces(text: &[u8]) -> &[u8] {
    let is_space = |byte: &&u8| byte.is_ascii_whitespace() || **byte == 0x0b;
    let spaces = text.iter().rev().take_while(is_space).count();
    &text[..text.len() - spaces]
}

/// True if a text ends with a word or its plural, in any letter case.
fn ends_with(text: &[u8], word: &[u8]) -> bool {
    let ends = |text: &[u8]| {
        let start = text.len().checked_sub(word.len());
        start.is_some_and(|start| text[start..].eq_ignore_ascii_case(word))
    };
    ends(text) || matches!(text.split_last(), Some((b's' | b'S', text)) if ends(text))
}

/// Count the colons of valid JSON that are in no text: its names, those that are there twice too.
fn colons_outside_texts(text: &str) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b':' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

// --- encoded texts --------------------------------------------------------------------------------

/// Return a text with `%40` and `\u0040` decoded, also in a query within a query; None if nothing is encoded.
fn decoded(text: &str) -> Option<String> {
    memchr::memchr2(b'\\', b'%', text.as_bytes())?;
    let mut current = Cow::Borrowed(text);
    if text.contains("\\u00") {
        current = Cow::Owned(unescaped(text));
    }
    for _ in 0..2 {
        if current.contains('%') {
            current = Cow::Owned(unquoted(&current));
        }
    }
    (current != text).then(|| current.into_owned())
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && bytes[at] != b'\\' {
            at += 1;
        }
        plain.push_str(&text[start..at]);
        let slashes = at;
        while at < bytes.len() && bytes[at] == b'\\' {
            at += 1;
        }
        let code = bytes.get(at..at + 5).filter(|code| {
            code.starts_with(b"u00")
                && matches!(code[3], b'2'..=b'7')
                && code[4].is_ascii_hexdigit()
        });
        match code {
            Some(code) if at > slashes => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
                plain.extend(char::from_u32(digit(code[3]) * 16 + digit(code[4])));
                at += 5;
            }
            _ => plain.push_str(&text[slashes..at]),
        }
    }
    plain
}

/// Decode what looks like an escape of JSON, in a text that may be none: `\nghp_…` has a key, `\/reset\/…` a link.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = escape.strip_prefix('u').and_then(|digits| digits.get(..4));
        let code = code.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some(code) = code {
            let code = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
            plain.push(code.unwrap_or(' '));
            rest = &escape[5..];
            continue;
        }
        let mut signs = escape.chars();
        plain.extend(signs.next().map(|sign| match sign {
            'b' | 'f' | 'n' | 'r' | 't' => '\n',
            other => other,
        }));
        rest = signs.as_str();
    }
    plain.push_str(rest);
    plain
}

/// Decode percent-encoded bytes as Python's `unquote(text, errors="replace")`: each run of ASCII by itself.
fn unquoted(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = String::with_capacity(text.len());
    let mut run = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        run.clear();
        while at < bytes.len() && bytes[at].is_ascii() {
            let hex = bytes
                .get(at + 1..at + 3)
                .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
            match hex {
                Some(hex) if bytes[at] == b'%' => {
                    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
                    run.push(u8::try_from(digit(hex[0]) * 16 + digit(hex[1])).unwrap_or(0));
                    at += 3;
                }
                _ => {
                    run.push(bytes[at]);
                    at += 1;
                }
            }
        }
        if at > start {
            plain.push_str(&String::from_utf8_lossy(&run));
        }
        let start = at;
        while at < bytes.len() && !bytes[at].is_ascii() {
            at += 1;
        }
        plain.push_str(&text[start..at]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_texts_are_decoded_twice() {
        assert_eq!(decoded("a%2540b").as_deref(), Some("a@b"));
        assert_eq!(
            decoded("a\\u0040b \\\\u0041 \\u00e9").as_deref(),
            Some("a@b A \\u00e9")
        );
        assert_eq!(decoded("%C3%A9 é%ff%").as_deref(), Some("é é\u{fffd}%"));
        assert_eq!(decoded("plain"), None);
    }

    #[test]
    fn escapes_of_json_are_decoded_in_any_text() {
        let plain = without_escapes(r#"a\nb\u0040\/c\"\\d\ud83d\ude00\u12\é"#);
        assert_eq!(plain, "a\nb@/c\"\\d  u12é");
        assert_eq!(without_escapes("x\\"), "x");
    }

    #[test]
    fn masks_and_parts_of_links_are_recognised() {
        assert!(is_masked("[redacted:x]") && is_masked("[redacted:x") && !is_masked("[redacted:]"));
        assert!(!is_masked("[redacted:a b]") && !is_masked("[redacted:a]b]"));
        assert!(is_link_secret("5xx-abcdef") && is_link_secret("bcdfghjkmnpqrstv"));
        assert!(!is_link_secret("12345678") && !is_link_secret("certificate"));
        assert_eq!(last_characters("éab", 2), "ab");
    }

    #[test]
    fn a_name_in_parts_is_found_by_its_first_words() {
        let heads = ["api".to_owned(), "given".to_owned()];
        for raw in [
            r#"{"api":{"key":"x"}}"#,
            r#"{"API" : [{"key":"x"}]}"#,
            r#"{"a":{"my_apis" :{}}}"#,
            r#"{"m":"{\"given\":{\"name\""}"#,
        ] {
            assert!(may_hold_nested(raw, &heads), "{raw}");
        }
        for raw in [r#"{"api":"{"}"#, r#"{"user":{"api":1}}"#, "{", "", "[{"] {
            assert!(!may_hold_nested(raw, &heads), "{raw}");
        }
    }

    #[test]
    fn names_are_counted_by_their_colons() {
        assert_eq!(colons_outside_texts(r#"{"a:\"":1,"b":{"c":":"}}"#), 3);
    }
}
