//! What the chain is told once: fields and their types, names that are masked, and what the counters ask for.

use crate::block::Column;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

/// The type of a field that the schema knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    CorrelationId,
    Text,
    Level,
    Identifier,
    Milliseconds,
    Status,
}

impl Kind {
    pub fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "correlation_id" => Kind::CorrelationId,
            "text" => Kind::Text,
            "level" => Kind::Level,
            "identifier" => Kind::Identifier,
            "milliseconds" => Kind::Milliseconds,
            "status" => Kind::Status,
            _ => return None,
        })
    }
}

/// A field that the schema knows.
pub struct Known {
    pub name: Vec<u8>,
    pub kind: Kind,
    /// Bound by the schema so that nothing to mask fits in but an e-mail address.
    pub shaped: bool,
    pub column: Option<Column>,
}

/// What a counter rule asks of a field's text; its answer is all that the rule sees of it.
pub enum Test {
    OneOf(Vec<Vec<u8>>),
    Prefix(Vec<u8>),
    /// What stands before, between and behind the parts of a path that may be anything.
    Route(Vec<Vec<u8>>),
    /// A number from the first to the second, both inclusive.
    Between(f64, f64),
}

impl Test {
    /// Whether it holds for a text; no text is a number.
    pub fn holds(&self, value: &[u8]) -> bool {
        match self {
            Test::OneOf(texts) => texts.iter().any(|text| text == value),
            Test::Prefix(prefix) => value.starts_with(prefix),
            Test::Route(literals) => on_route(literals, value),
            Test::Between(..) => false,
        }
    }

    /// Whether it holds for a number, which is none of the texts.
    pub fn holds_for(&self, number: f64) -> bool {
        matches!(self, Test::Between(low, high) if *low <= number && number <= *high)
    }
}

/// Whether a path is on a route, a query, a fragment and one trailing slash aside.
fn on_route(literals: &[Vec<u8>], path: &[u8]) -> bool {
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
        match rest.strip_prefix(literal.as_slice()) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    matches!(rest.first(), None | Some(b'?' | b'#'))
}

/// A field that the counter rules ask for: by its value as it stands, or by what tests say of it.
pub struct Asked {
    pub name: Vec<u8>,
    pub known: Option<usize>,
    pub tests: Option<Vec<Test>>,
}

pub struct Settings {
    pub known: Vec<Known>,
    /// Places in `known` by what `slot` makes of the name.
    slots: Vec<Vec<usize>>,
    pub levels: Vec<(Vec<u8>, Vec<u8>)>,
    /// Names whose values are masked, in lower case without `-` and `_`.
    pub masked: Vec<Vec<u8>>,
    pub needles: AhoCorasick,
    pub asked: Vec<Asked>,
    pub future_ms: i64,
    pub past_ms: i64,
}

const SLOTS: usize = 256;

/// A number that tells names apart cheaply: from their length, their second and their last sign.
fn slot(name: &[u8]) -> usize {
    let sign = |place: usize| name.get(place).copied().unwrap_or(0) as usize;
    (name.len() * 37 + sign(1) * 5 + sign(name.len().wrapping_sub(1))) % SLOTS
}

impl Settings {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        known: Vec<Known>,
        levels: Vec<(Vec<u8>, Vec<u8>)>,
        masked: Vec<Vec<u8>>,
        needles: &[String],
        asked: Vec<Asked>,
        future_ms: i64,
        past_ms: i64,
    ) -> Result<Settings, String> {
        let mut slots = vec![Vec::new(); SLOTS];
        for (place, field) in known.iter().enumerate() {
            slots[slot(&field.name)].push(place);
        }
        let needles = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .build(needles)
            .map_err(|error| error.to_string())?;
        Ok(Settings {
            known,
            slots,
            levels,
            masked,
            needles,
            asked,
            future_ms,
            past_ms,
        })
    }

    pub fn place_of(&self, name: &[u8]) -> Option<usize> {
        self.slots[slot(name)]
            .iter()
            .copied()
            .find(|&place| self.known[place].name == name)
    }

    /// A level, which is ASCII, in the schema's spelling.
    pub fn level<'a>(&'a self, given: &[u8], lowered: &'a mut Vec<u8>) -> &'a [u8] {
        lowered.clear();
        lowered.extend_from_slice(given);
        if let Some(level) = self.alias(given) {
            return level;
        }
        lowered.make_ascii_lowercase();
        self.alias(lowered).unwrap_or(lowered)
    }

    fn alias(&self, given: &[u8]) -> Option<&[u8]> {
        let found = self.levels.iter().find(|(alias, _)| alias == given);
        found.map(|(_, level)| level.as_slice())
    }

    pub fn is_masked(&self, name: &[u8]) -> bool {
        let plain: Vec<u8> = name
            .iter()
            .filter(|&&byte| byte != b'-' && byte != b'_')
            .map(u8::to_ascii_lowercase)
            .collect();
        self.masked.contains(&plain)
    }
}
