//! The compiled chain plan: fields with their constraints, masked names, and the fields and tests of counter rules.

use crate::block::Column;
use crate::redact::Redaction;
use crate::secrets::Keywords;
use crate::texts::Texts;
use crate::times::TimeNames;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::general::Declined;
use crate::normalise::FieldSources;
use crate::value::{Value, is_whole};
use crate::violation::{Kind, Policy};

/// Most digits of a decimal number that every double represents exactly.
const MOST_DIGITS: usize = 15;

/// Processing of a field beyond validation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Plain,
    /// The correlation id: a line without it is not ordinary.
    Correlation,
    /// Rendered in the schema's spelling.
    Level,
}

/// The test that a field's value must pass, or the line needs mapping and takes the Python path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    None,
    Id,
    Level,
    Method,
    Path,
    Whole,
    Number,
    Address,
    Event,
    Name,
    Message,
    Line,
}

impl Check {
    pub fn named(name: &str) -> Option<Check> {
        Some(match name {
            "id" => Check::Id,
            "level" => Check::Level,
            "method" => Check::Method,
            "path" => Check::Path,
            "whole" => Check::Whole,
            "number" => Check::Number,
            "address" => Check::Address,
            "event" => Check::Event,
            "name" => Check::Name,
            "message" => Check::Message,
            "line" => Check::Line,
            _ => return None,
        })
    }
}

/// The table of field sources.
#[derive(Default)]
pub struct Normalisation {
    /// Distinguishes the tables of a chain: remembered keys are of one table.
    pub id: u64,
    /// Keys that may be aliases of known fields.
    pub roots: HashSet<Vec<u8>>,
    pub placeholders: Vec<Vec<u8>>,
    pub fillers: Vec<u8>,
    pub counted_prefix: Vec<u8>,
    pub counted_digits: usize,
    pub methods: Vec<Vec<u8>>,
    /// The places of `event` and `message`, the first of which replaces the second where that is missing.
    pub event: Option<usize>,
    pub message: Option<usize>,
    pub level: Option<usize>,
    /// An id of at least this many characters is no placeholder word and no count.
    pub shortest_certain_id: usize,
    pub longest_placeholder: usize,
    /// Words and letters that are levels in a level field.
    pub words: HashMap<String, &'static str>,
    pub fields: Vec<FieldSources>,
    /// Places in `fields` and in a field's sources, by the first key of their path.
    pub by_root: HashMap<String, Vec<(usize, usize)>>,
}

impl Normalisation {
    pub fn is_method(&self, text: &str) -> bool {
        self.methods
            .iter()
            .any(|method| method.as_slice() == text.as_bytes())
    }

    /// True if a text passes a field's test; false in doubt.
    pub fn allows_text(&self, check: Check, text: &[u8]) -> bool {
        match check {
            Check::None | Check::Level | Check::Event | Check::Message | Check::Line => true,
            Check::Whole | Check::Number => false,
            Check::Id => !self.may_be_placeholder(text) && !self.may_be_counted(text),
            Check::Name => !self.may_be_placeholder(text),
            Check::Method => self.methods.iter().any(|method| method == text),
            Check::Path => {
                text.first() == Some(&b'/') && memchr::memchr2(b'?', b'#', text).is_none()
            }
            Check::Address => {
                let plain = |byte: &u8| byte.is_ascii_graphic() && !b",[]".contains(byte);
                let one_kind = !(text.contains(&b':') && text.contains(&b'.'));
                text.iter().all(plain) && one_kind && !self.may_be_placeholder(text)
            }
        }
    }

    fn may_be_placeholder(&self, text: &[u8]) -> bool {
        if text.iter().all(|byte| self.fillers.contains(byte)) || !text.is_ascii() {
            return true;
        }
        let bare = text.trim_ascii();
        let longest = self.placeholders.iter().map(Vec::len).max().unwrap_or(0);
        bare.len() <= longest
            && self
                .placeholders
                .iter()
                .any(|word| word.eq_ignore_ascii_case(bare))
    }

    fn may_be_counted(&self, id: &[u8]) -> bool {
        let prefix = self.counted_prefix.len();
        (id.len() >= prefix && id[..prefix].eq_ignore_ascii_case(&self.counted_prefix))
            || (id.len() <= self.counted_digits && id.iter().all(u8::is_ascii_digit))
    }
}

/// A field of the schema.
pub struct KnownField {
    pub name: Vec<u8>,
    pub role: Role,
    pub check: Check,
    /// Its constraints; None if anything in its declaration is unknown.
    pub rule: Option<FieldRule>,
    /// True if its name is also the place of another field, so that a line with it is not ordinary.
    pub aliased: bool,
    /// Constrained by the schema, so that only an e-mail address in it could need masking.
    pub constrained: bool,
    pub column: Option<Column>,
}

/// Constraints of a field, by the type of its value.
#[derive(Default, Debug)]
pub struct FieldRule {
    pub text: Option<TextRule>,
    pub integer: Option<NumberRule>,
    pub float: Option<NumberRule>,
    pub nullable: bool,
    /// True if a value of another type may be converted, so that only Python knows what is invalid.
    pub lax: bool,
}

impl FieldRule {
    pub fn of_text(rule: TextRule) -> FieldRule {
        FieldRule {
            text: Some(rule),
            ..FieldRule::default()
        }
    }

    pub fn of_integers(rule: NumberRule) -> FieldRule {
        FieldRule {
            integer: Some(rule),
            ..FieldRule::default()
        }
    }

    pub fn of_numbers(rule: NumberRule) -> FieldRule {
        FieldRule {
            integer: Some(rule),
            float: Some(rule),
            ..FieldRule::default()
        }
    }

    #[inline]
    pub fn allows_text(&self, text: &[u8]) -> bool {
        self.text.as_ref().is_some_and(|rule| rule.allows(text))
    }

    /// True if a value of any type is allowed; declines one that may be converted.
    pub fn allows(&self, value: &Value) -> Result<bool, Declined> {
        let allowed = self.allows_as_is(value);
        if !allowed && self.lax && !value.is_null() {
            return Err(Declined::Field);
        }
        Ok(allowed)
    }

    fn allows_as_is(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.nullable,
            Value::Text(text) => self.allows_text(text.as_bytes()),
            Value::Number(number) => {
                let rule = if is_whole(number) {
                    self.integer
                } else {
                    self.float
                };
                rule.is_some_and(|rule| number.parse().is_ok_and(|number| rule.holds(number)))
            }
            Value::Bool(_) | Value::List(_) | Value::Object(_) => false,
        }
    }
}

/// Texts of certain characters and lengths.
#[derive(Debug)]
pub struct TextRule {
    /// The allowed bytes, all of them ASCII.
    pub allowed: Option<Box<[bool; 256]>>,
    /// In characters.
    pub least: usize,
    pub most: usize,
}

impl TextRule {
    pub fn any() -> TextRule {
        TextRule {
            allowed: None,
            least: 0,
            most: usize::MAX,
        }
    }

    #[inline]
    pub fn is_any(&self) -> bool {
        self.allowed.is_none() && self.least == 0 && self.most == usize::MAX
    }

    #[inline]
    pub fn allows(&self, text: &[u8]) -> bool {
        if let Some(allowed) = &self.allowed {
            let length = self.least <= text.len() && text.len() <= self.most;
            return length && text.iter().all(|&byte| allowed[usize::from(byte)]);
        }
        self.is_any() || {
            let characters = text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
            self.least <= characters && characters <= self.most
        }
    }
}

/// Numbers between bounds.
#[derive(Clone, Copy, Debug)]
pub struct NumberRule {
    ge: f64,
    gt: f64,
    le: f64,
    lt: f64,
    bounds: Bounds,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bounds {
    None,
    /// Zero or more, which depends on the sign alone.
    NotNegative,
    Some,
}

impl NumberRule {
    pub fn new(ge: Option<f64>, gt: Option<f64>, le: Option<f64>, lt: Option<f64>) -> NumberRule {
        let bounds = match (ge, gt, le, lt) {
            (None, None, None, None) => Bounds::None,
            (Some(0.0), None, None, None) => Bounds::NotNegative,
            _ => Bounds::Some,
        };
        NumberRule {
            ge: ge.unwrap_or(f64::NEG_INFINITY),
            gt: gt.unwrap_or(f64::NEG_INFINITY),
            le: le.unwrap_or(f64::INFINITY),
            lt: lt.unwrap_or(f64::INFINITY),
            bounds,
        }
    }

    /// True if a number is allowed. Bounds are far below the numbers that a double holds inexactly.
    pub fn holds(&self, number: f64) -> bool {
        number >= self.ge && number > self.gt && number <= self.le && number < self.lt
    }

    /// True if a number in JSON's form, except a negative zero, is allowed. False in doubt.
    #[inline]
    pub fn allows(&self, digits: &[u8]) -> bool {
        match self.bounds {
            Bounds::None => true,
            Bounds::NotNegative => digits[0] != b'-',
            Bounds::Some => exact(digits).is_some_and(|number| {
                number >= self.ge && number > self.gt && number <= self.le && number < self.lt
            }),
        }
    }
}

/// Return a number that is exact as a double; None if it has too many digits to be certain.
pub fn exact(digits: &[u8]) -> Option<f64> {
    if digits.len() > MOST_DIGITS {
        return None;
    }
    if digits.iter().all(u8::is_ascii_digit) {
        let whole = digits
            .iter()
            .fold(0u64, |sum, &digit| sum * 10 + u64::from(digit - b'0'));
        return Some(whole as f64);
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A test of a field's value by a rule that depends on its result alone.
#[derive(PartialEq, Debug)]
pub enum Test {
    OneOf(Vec<Vec<u8>>),
    Prefix(Vec<u8>),
    Contains(Vec<u8>),
    /// The texts before, between and after the variable segments of a path.
    Route(Vec<Vec<u8>>),
    AtLeast(f64),
    AtMost(f64),
}

impl Test {
    /// True if it holds for a text; texts are never numbers.
    pub fn holds(&self, value: &[u8]) -> bool {
        match self {
            Test::OneOf(texts) => texts.iter().any(|text| text == value),
            Test::Prefix(prefix) => value.starts_with(prefix),
            Test::Contains(part) => memchr::memmem::find(value, part).is_some(),
            Test::Route(literals) => on_route(literals, value, false),
            Test::AtLeast(_) | Test::AtMost(_) => false,
        }
    }

    /// True if it holds for a number; numbers never equal texts.
    pub fn holds_for(&self, number: f64) -> bool {
        match self {
            Test::AtLeast(least) => number >= *least,
            Test::AtMost(most) => number <= *most,
            Test::OneOf(_) | Test::Prefix(_) | Test::Contains(_) | Test::Route(_) => false,
        }
    }

    /// The result for a text, as groups are told apart by it: for a path, as logged and in any letter case.
    pub fn outcome(&self, value: &[u8]) -> u8 {
        match self {
            Test::Route(literals) => {
                u8::from(on_route(literals, value, false))
                    | u8::from(on_route(literals, value, true)) << 1
            }
            _ => u8::from(self.holds(value)),
        }
    }
}

/// True if servers may route a path otherwise than as it is written, letter case apart.
pub fn is_unusual(path: &[u8]) -> bool {
    let end = path.iter().position(|byte| b"?#".contains(byte));
    let path = &path[..end.unwrap_or(path.len())];
    path.iter().any(|byte| b"%;\\".contains(byte))
        || path.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

/// The format that Rails and others take from the end of a path.
const FORMAT: &[u8] = b".json";

/// True if a path matches a route, ignoring a query, a fragment and one trailing slash.
fn on_route(literals: &[Vec<u8>], path: &[u8], any_case: bool) -> bool {
    let mut rest = path;
    for (place, literal) in literals.iter().enumerate() {
        if place > 0 {
            let part = rest
                .iter()
                .position(|byte| b"/?#".contains(byte))
                .unwrap_or(rest.len());
            if part == 0 {
                return false;
            }
            rest = &rest[part..];
        }
        let Some((start, behind)) = rest.split_at_checked(literal.len()) else {
            return false;
        };
        if start != literal.as_slice() && !(any_case && start.eq_ignore_ascii_case(literal)) {
            return false;
        }
        rest = behind;
    }
    if any_case
        && rest
            .get(..FORMAT.len())
            .is_some_and(|end| end.eq_ignore_ascii_case(FORMAT))
    {
        rest = &rest[FORMAT.len()..];
    }
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    matches!(rest.first(), None | Some(b'?' | b'#'))
}

/// The entries that must carry a correlation id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Require {
    Requests,
    Always,
    Never,
}

impl Require {
    pub fn named(name: &str) -> Option<Require> {
        Some(match name {
            "requests" => Require::Requests,
            "always" => Require::Always,
            "never" => Require::Never,
            _ => return None,
        })
    }
}

/// What becomes of an entry that violates the schema.
pub struct Verdicts {
    /// By `Kind`.
    pub policies: [Policy; Kind::ALL.len()],
    /// Known fields with the kind of violation of a wrong value, where that is not the general one.
    pub kinds: Vec<(String, Kind)>,
    /// Known fields with the values that they may have, for people.
    pub expected: Vec<(String, String)>,
    pub require: Require,
    pub requiring_events: HashSet<String>,
    /// Beginning of the names of events that record a request.
    pub request_events: String,
    pub index_prefix: String,
}

impl Default for Verdicts {
    fn default() -> Verdicts {
        Verdicts {
            policies: [Policy::Quarantine; Kind::ALL.len()],
            kinds: Vec::new(),
            expected: Vec::new(),
            require: Require::Requests,
            requiring_events: HashSet::new(),
            request_events: String::new(),
            index_prefix: String::new(),
        }
    }
}

/// Keys and messages by which an unnamed request is known as a proxy's or an application's.
#[derive(Default)]
pub struct RequestMarks {
    pub application_keys: HashSet<String>,
    pub proxy_keys: HashSet<String>,
    pub remarks: Vec<String>,
}

/// A field that rules read: its value, or the results of tests.
pub struct RuleField {
    pub name: Vec<u8>,
    pub known: Option<usize>,
    pub tests: Option<Vec<Test>>,
}

impl RuleField {
    /// True if a test compares paths with a route.
    pub fn has_route(&self) -> bool {
        self.tests
            .as_ref()
            .is_some_and(|tests| tests.iter().any(|test| matches!(test, Test::Route(_))))
    }
}

/// The fields by which a request's record is recognised, in the order of `REQUEST_FIELDS`.
pub const REQUEST_FIELDS: [&str; 4] = ["event", "method", "path", "status_code"];

/// A field of an access line's event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessField {
    Event,
    Method,
    Path,
    StatusCode,
    ClientIp,
    Level,
    Message,
}

impl AccessField {
    pub const ALL: [(&str, AccessField); 7] = [
        ("event", AccessField::Event),
        ("method", AccessField::Method),
        ("path", AccessField::Path),
        ("status_code", AccessField::StatusCode),
        ("client_ip", AccessField::ClientIp),
        ("level", AccessField::Level),
        ("message", AccessField::Message),
    ];

    pub fn named(name: &str) -> Option<AccessField> {
        AccessField::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|&(_, field)| field)
    }
}

/// The compiled plan.
#[derive(Default)]
pub struct Settings {
    pub known: Vec<KnownField>,
    /// Places in `known`.
    places: NameTable,
    pub levels: Vec<(Vec<u8>, Vec<u8>)>,
    pub keywords: Keywords,
    /// The rules of redaction; None if the plan has none.
    pub redaction: Option<Redaction>,
    pub rule_fields: Vec<RuleField>,
    /// Places of `REQUEST_FIELDS` in `known`.
    pub request: [Option<usize>; 4],
    /// Fields with unknown operators: events are not grouped by them.
    pub undecided_fields: Vec<String>,
    /// Order of an access line's fields.
    pub access: Vec<AccessField>,
    pub future_ms: i64,
    pub past_ms: i64,
    pub times: TimeNames,
    pub normalisation: Normalisation,
    /// The tables of the steps that read text; None if the plan has none.
    pub texts: Option<Arc<Texts>>,
    pub verdicts: Verdicts,
    pub request_marks: RequestMarks,
    /// The place of the correlation id in `known`.
    pub correlation: Option<usize>,
}

/// Longest name that its length, its beginning and its end determine.
const EXACT_LENGTH: usize = 16;
const SLOTS: usize = 256;

/// The first and the last bytes of a name, with its length.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Ends {
    length: usize,
    first: u64,
    last: u64,
}

impl Ends {
    #[inline]
    fn of(name: &[u8]) -> Ends {
        let length = name.len();
        if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            return Ends {
                length,
                first: u64::from_le_bytes(*first),
                last: u64::from_le_bytes(*last),
            };
        }
        if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            return Ends {
                length,
                first: u64::from(u32::from_le_bytes(*first)),
                last: u64::from(u32::from_le_bytes(*last)),
            };
        }
        let bytes = name.iter();
        Ends {
            length,
            first: bytes.fold(0, |all, &byte| all << 8 | u64::from(byte)),
            last: 0,
        }
    }

    #[inline]
    fn slot(self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(23) ^ self.length as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 56) as usize
    }
}

/// A table from a few names of the plan to their places. Names of logs are looked up in it, and never added.
struct NameTable {
    /// By `Ends::slot`, and those with the same slot behind each other.
    slots: Vec<Option<(Ends, usize)>>,
}

impl Default for NameTable {
    fn default() -> NameTable {
        NameTable {
            slots: vec![None; SLOTS],
        }
    }
}

impl NameTable {
    fn add(&mut self, name: &[u8], place: usize) {
        let ends = Ends::of(name);
        let mut slot = ends.slot();
        while slot < self.slots.len() && self.slots[slot].is_some() {
            slot += 1;
        }
        self.slots.resize(self.slots.len().max(slot + 2), None); // the last slot is always free
        self.slots[slot] = Some((ends, place));
    }

    /// Return the place of a name; of one longer than `EXACT_LENGTH`, the place of a name that may be it.
    #[inline]
    fn get(&self, name: &[u8]) -> Option<usize> {
        let ends = Ends::of(name);
        let mut slot = ends.slot();
        while let Some((known, place)) = self.slots[slot] {
            if known == ends {
                return Some(place);
            }
            slot += 1;
        }
        None
    }
}

impl Settings {
    pub fn add_known(&mut self, field: KnownField) {
        self.places.add(&field.name, self.known.len());
        self.known.push(field);
    }

    pub fn place_of(&self, name: &[u8]) -> Option<usize> {
        let place = self.places.get(name)?;
        (name.len() <= EXACT_LENGTH || self.known[place].name == name).then_some(place)
    }

    /// Return a level, which is ASCII, in the schema's spelling.
    pub fn level<'a>(&'a self, spelling: &[u8], lowered: &'a mut Vec<u8>) -> &'a [u8] {
        lowered.clear();
        lowered.extend_from_slice(spelling);
        if let Some(level) = self.alias(spelling) {
            return level;
        }
        lowered.make_ascii_lowercase();
        self.alias(lowered).unwrap_or(lowered)
    }

    /// True if a text is a level in any letter case.
    pub fn is_level(&self, spelling: &[u8]) -> bool {
        self.alias(spelling).is_some() || self.alias(&spelling.to_ascii_lowercase()).is_some()
    }

    /// Return the level of a spelling, in this letter case.
    pub fn alias_of(&self, spelling: &str) -> Option<&str> {
        self.alias(spelling.as_bytes())
            .and_then(|level| std::str::from_utf8(level).ok())
    }

    /// True if a level is in the schema's spelling.
    pub fn is_own_spelling(&self, level: &[u8]) -> bool {
        self.alias(level) == Some(level)
    }

    /// True if a text is a level in any letter case.
    pub fn is_level_text(&self, text: &str) -> bool {
        self.alias(text.as_bytes()).is_some()
            || self.alias(text.to_lowercase().as_bytes()).is_some()
    }

    /// True for a valid correlation id.
    pub fn is_usable_id(&self, text: &str) -> bool {
        let rule = self
            .correlation
            .and_then(|place| self.known[place].rule.as_ref());
        rule.is_some_and(|rule| rule.allows_text(text.as_bytes()))
    }

    fn alias(&self, spelling: &[u8]) -> Option<&[u8]> {
        let entry = self.levels.iter().find(|(alias, _)| alias == spelling);
        entry.map(|(_, level)| level.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{read, sample};

    fn route(literals: &[&str]) -> Test {
        Test::Route(
            literals
                .iter()
                .map(|literal| literal.as_bytes().to_vec())
                .collect(),
        )
    }

    #[test]
    fn a_route_holds_for_its_paths_only() {
        let patient = route(&["/patients/", ""]);
        for path in [
            "/patients/7",
            "/patients/7/",
            "/patients/7?x=/a",
            "/patients/a b#c",
            "/patients/7/?x",
        ] {
            assert!(patient.holds(path.as_bytes()), "{path}");
        }
        for path in [
            "/patients/",
            "/patients",
            "/patients//",
            "/patients/7/x",
            "/patients/7//",
            "patients/7",
            "",
        ] {
            assert!(!patient.holds(path.as_bytes()), "{path}");
        }
        let visits = route(&["/p/", "/visits/", "/x"]);
        assert!(visits.holds(b"/p/1/visits/2/x") && !visits.holds(b"/p/1/visits/x"));
        assert!(route(&[""]).holds(b"/") && route(&[""]).holds(b"") && !route(&[""]).holds(b"/a"));
    }

    #[test]
    fn a_route_in_another_letter_case_is_another_outcome() {
        let patient = route(&["/patients/", "/x"]);
        for (path, outcome) in [
            ("/patients/7/x", 3),
            ("/Patients/A/X/", 2),
            ("/patient/7/x", 0),
        ] {
            assert_eq!(patient.outcome(path.as_bytes()), outcome, "{path}");
        }
        assert_eq!(Test::Contains(b"b c".to_vec()).outcome(b"ab cd"), 1);
        assert_eq!(Test::Contains(b"b c".to_vec()).outcome(b"abcd"), 0);
    }

    #[test]
    fn a_path_that_servers_normalise_is_unusual() {
        for path in [
            "/%6c",
            "/a;b",
            "//a",
            "/a//",
            "/./a",
            "/a/..",
            "/a\\b",
            "http://h/a",
        ] {
            assert!(is_unusual(path.as_bytes()), "{path}");
        }
        for path in ["", "/", "/a/b-c_d.e/", "/A/é", "/a?x=%20//;.", "/a#/."] {
            assert!(!is_unusual(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_name_is_found_by_all_its_bytes() {
        let names = [
            "a",
            "ab",
            "abc",
            "abcd",
            "abcde",
            "abcdefgh",
            "abcdefghi",
            "message",
            "massage",
            "correlation_id",
            "correlation_scope",
            "a_name_of_more_than_sixteen",
        ];
        let mut settings = Settings::default();
        for name in names {
            settings.add_known(KnownField {
                name: name.as_bytes().to_vec(),
                role: Role::Plain,
                check: Check::None,
                rule: None,
                aliased: false,
                constrained: false,
                column: None,
            });
        }
        for (place, name) in names.iter().enumerate() {
            assert_eq!(settings.place_of(name.as_bytes()), Some(place), "{name}");
        }
        for name in [
            "",
            "b",
            "ba",
            "abd",
            "abce",
            "messages",
            "a_name_of_mure_than_sixteen",
            "abcdefgi",
        ] {
            assert_eq!(settings.place_of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn texts_are_never_numbers() {
        assert!(Test::AtLeast(2.0).holds_for(2.0) && !Test::AtLeast(2.0).holds_for(1.9));
        assert!(Test::AtMost(2.0).holds_for(2.0) && !Test::AtMost(2.0).holds_for(2.1));
        assert!(!Test::AtLeast(0.0).holds(b"1"));
        assert!(!Test::OneOf(vec![b"1".to_vec()]).holds_for(1.0));
        assert!(
            Test::Prefix(b"ab".to_vec()).holds(b"abc") && !Test::Prefix(b"ab".to_vec()).holds(b"a")
        );
    }

    #[test]
    fn a_level_is_in_the_spelling_of_the_schema() {
        let settings = read(&sample()).unwrap();
        let level = |text: &str| {
            let mut room = Vec::new();
            String::from_utf8(settings.level(text.as_bytes(), &mut room).to_vec()).unwrap()
        };
        assert_eq!(level("warn"), "warning");
        assert_eq!(level("WARN"), "warning");
        assert_eq!(level("Odd"), "odd");
    }

    #[test]
    fn a_number_is_exact_up_to_fifteen_characters() {
        assert_eq!(exact(b"123456789012345"), Some(123_456_789_012_345.0));
        assert_eq!(exact(b"1234567890123456"), None);
        assert_eq!(exact(b"-0.5"), Some(-0.5));
        assert_eq!(exact(b"0.1"), Some(0.1));
    }
}
