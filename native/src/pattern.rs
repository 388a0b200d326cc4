//! The regular expressions of the Python chain, executed with the meaning that they have in Python.
//!
//! Both chains execute one table of expressions. The `regex` crate has no look-around and no possessive repeats, and it
//! copies the states of a repeat with large bounds thousands of times. This matcher backtracks as Python's does and
//! returns the same matches and groups. A repeat that cannot gain from backtracking, because what follows cannot begin
//! with one of its characters, is made possessive when it is read, and alternatives are selected by their first byte.
//!
//! A match is given up after a number of steps in proportion to the text, and wherever Python's answer depends on the
//! properties of a character that are not known here. Both set `Scratch::doubt`: the caller then declines the text.

use std::ops::Range;

/// Most steps of one text: this, and `STEPS_PER_BYTE` for each of its bytes.
const STEPS: u64 = 50_000;
const STEPS_PER_BYTE: u64 = 256;
/// Most instructions of a repeated group that is written out.
const MOST_COPIES: usize = 4096;
const ENDLESS: u32 = u32::MAX;

// --- characters -----------------------------------------------------------------------------------

/// A class of characters.
#[derive(Clone, Debug, Default, PartialEq)]
struct Set {
    ascii: u128,
    /// Members beyond ASCII, before `negated` is applied.
    ranges: Vec<(char, char)>,
    /// Categories of Unicode among the members.
    word: bool,
    digit: bool,
    space: bool,
    not_space: bool,
    /// True if the members beyond ASCII are all others.
    negated: bool,
    /// True if letter case is ignored.
    folded: bool,
    /// The ASCII characters that are no members, if all other characters are and these are at most three.
    excluded: Option<Excluded>,
}

/// Up to three bytes, the last of them repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Excluded([u8; 3]);

impl Excluded {
    fn of(set: &Set) -> Option<Excluded> {
        let missing = 128 - set.ascii.count_ones();
        let all_others = set.negated
            && set.ranges.is_empty()
            && !(set.word || set.digit || set.space || set.not_space || set.folded);
        if !all_others || !(1..=3).contains(&missing) {
            return None;
        }
        let mut bytes = (0..128u8).filter(|&byte| !set.holds_ascii(byte));
        let first = bytes.next()?;
        let second = bytes.next().unwrap_or(first);
        Some(Excluded([first, second, bytes.next().unwrap_or(second)]))
    }

    /// Return the length of the text before the first of these bytes.
    fn span(self, text: &[u8]) -> usize {
        let Excluded([first, second, third]) = self;
        let end = if first == second {
            memchr::memchr(first, text)
        } else if second == third {
            memchr::memchr2(first, second, text)
        } else {
            memchr::memchr3(first, second, third, text)
        };
        end.unwrap_or(text.len())
    }
}

impl Set {
    fn holds_ascii(&self, byte: u8) -> bool {
        self.ascii >> byte & 1 == 1
    }

    /// Return whether a character beyond ASCII is a member; `doubt` is set if Python alone can tell.
    fn holds_other(&self, character: char, doubt: &mut bool) -> bool {
        if self.folded && matches!(character, '\u{130}' | '\u{131}' | '\u{17f}' | '\u{212a}') {
            *doubt = true;
        }
        let in_ranges = self
            .ranges
            .iter()
            .any(|&(from, to)| from <= character && character <= to);
        let member = in_ranges
            || (self.space && character.is_whitespace())
            || (self.not_space && !character.is_whitespace())
            || (self.digit && is_digit(character, doubt))
            || (self.word && is_word(character, doubt));
        member != self.negated
    }

    fn first(&self) -> First {
        let mut first = First::default();
        first.bytes[0] = self.ascii as u64;
        first.bytes[1] = (self.ascii >> 64) as u64;
        let beyond = self.negated
            || !self.ranges.is_empty()
            || self.word
            || self.digit
            || self.space
            || self.not_space;
        if beyond {
            first.bytes[2] = u64::MAX;
            first.bytes[3] = u64::MAX;
        }
        first
    }
}

fn is_digit(character: char, doubt: &mut bool) -> bool {
    if character.is_numeric() {
        *doubt = true;
    }
    false
}

/// Return whether `\w` holds; certain for the letters of common scripts, and for signs and punctuation.
fn is_word(character: char, doubt: &mut bool) -> bool {
    if !character.is_alphanumeric() {
        return false;
    }
    let letters = matches!(character,
        '\u{c0}'..='\u{24f}' | '\u{388}'..='\u{481}' | '\u{48a}'..='\u{52f}' | '\u{5d0}'..='\u{5ea}'
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}');
    if !letters {
        *doubt = true;
    }
    letters
}

/// The bytes with which a part can begin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct First {
    bytes: [u64; 4],
    /// The part may be empty.
    empty: bool,
    /// The part may end the expression after an assertion, so that a shorter repeat before it can match.
    uncertain: bool,
}

impl First {
    const NOTHING: First = First {
        bytes: [0; 4],
        empty: true,
        uncertain: false,
    };

    fn of_byte(byte: u8) -> First {
        let mut first = First::default();
        first.bytes[usize::from(byte >> 6)] |= 1 << (byte & 63);
        first
    }

    pub fn holds(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// True if the part may begin at this place.
    fn admits(&self, text: &[u8], at: usize) -> bool {
        self.empty || text.get(at).is_some_and(|&byte| self.holds(byte))
    }

    fn either(&self, other: &First) -> First {
        let mut both = *self;
        for (mine, theirs) in both.bytes.iter_mut().zip(other.bytes) {
            *mine |= theirs;
        }
        both.empty |= other.empty;
        both.uncertain |= other.uncertain;
        both
    }

    /// The first bytes of this part with another behind it.
    fn then(&self, following: &First) -> First {
        if !self.empty {
            return *self;
        }
        let mut both = self.either(following);
        both.empty = following.empty;
        both
    }

    fn is_apart_from(&self, other: &First) -> bool {
        self.bytes
            .iter()
            .zip(other.bytes)
            .all(|(mine, theirs)| mine & theirs == 0)
    }
}

// --- reading --------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Debug)]
enum Node {
    Set(Set),
    Either(Vec<Vec<Node>>),
    Repeat(Box<Node>, u32, u32, Mode),
    Group(Option<usize>, Vec<Node>),
    Ahead(Vec<Node>, bool),
    Behind(Vec<Node>, bool),
    Start,
    End,
    EndOfText,
    Boundary(bool),
}

/// Flags of an expression, as Python's `re` has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    pub ascii: bool,
    pub dot_all: bool,
    pub ignore_case: bool,
}

impl Flags {
    /// Read the flags of a compiled expression of Python. Returns None for flags without a meaning here.
    pub fn of_python(flags: u64) -> Option<Flags> {
        const IGNORE_CASE: u64 = 2;
        const DOT_ALL: u64 = 16;
        const UNICODE: u64 = 32;
        const ASCII: u64 = 256;
        if flags & !(IGNORE_CASE | DOT_ALL | UNICODE | ASCII) != 0 {
            return None;
        }
        Some(Flags {
            ascii: flags & ASCII != 0,
            dot_all: flags & DOT_ALL != 0,
            ignore_case: flags & IGNORE_CASE != 0,
        })
    }
}

struct Reader<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    flags: Flags,
    groups: Vec<Option<String>>,
}

impl Reader<'_> {
    fn either(&mut self) -> Result<Vec<Node>, String> {
        let mut alternatives = vec![Vec::new()];
        while let Some(&next) = self.rest.peek() {
            match next {
                ')' => break,
                '|' => {
                    self.rest.next();
                    alternatives.push(Vec::new());
                }
                _ => {
                    let node = self.repeated()?;
                    alternatives.last_mut().expect("one alternative").push(node);
                }
            }
        }
        Ok(if alternatives.len() == 1 {
            alternatives.remove(0)
        } else {
            vec![Node::Either(alternatives)]
        })
    }

    fn repeated(&mut self) -> Result<Node, String> {
        let mut node = self.one()?;
        while let Some((least, most)) = self.bounds()? {
            let mode = match self.rest.peek() {
                Some('?') => Mode::Lazy,
                Some('+') => Mode::Possessive,
                _ => Mode::Greedy,
            };
            if mode != Mode::Greedy {
                self.rest.next();
            }
            node = Node::Repeat(Box::new(node), least, most, mode);
        }
        Ok(node)
    }

    fn bounds(&mut self) -> Result<Option<(u32, u32)>, String> {
        let bounds = match self.rest.peek() {
            Some('*') => (0, ENDLESS),
            Some('+') => (1, ENDLESS),
            Some('?') => (0, 1),
            Some('{') => return self.braces(),
            _ => return Ok(None),
        };
        self.rest.next();
        Ok(Some(bounds))
    }

    fn braces(&mut self) -> Result<Option<(u32, u32)>, String> {
        let ahead = self.rest.clone();
        let inner: String = ahead.skip(1).take_while(|&sign| sign != '}').collect();
        if inner.is_empty()
            || !inner
                .chars()
                .all(|sign| sign.is_ascii_digit() || sign == ',')
        {
            return Ok(None); // a literal brace
        }
        let number = |digits: &str, missing: u32| {
            if digits.is_empty() {
                return Ok(missing);
            }
            digits
                .parse::<u32>()
                .map_err(|_| format!("invalid bound {digits}"))
        };
        let bounds = match inner.split_once(',') {
            None => (number(&inner, 0)?, number(&inner, 0)?),
            Some((least, most)) => (number(least, 0)?, number(most, ENDLESS)?),
        };
        for _ in 0..inner.len() + 2 {
            self.rest.next();
        }
        Ok(Some(bounds))
    }

    fn one(&mut self) -> Result<Node, String> {
        let sign = self.rest.next().ok_or("a part is missing")?;
        Ok(match sign {
            '.' => Node::Set(self.any()),
            '^' => Node::Start,
            '$' => Node::End,
            '[' => Node::Set(self.class()?),
            '(' => self.group()?,
            '\\' => self.escape()?,
            '*' | '+' | '?' => return Err("nothing to repeat".into()),
            literal => Node::Set(self.literal(literal)),
        })
    }

    fn any(&self) -> Set {
        let newline = if self.flags.dot_all { 0 } else { 1 << b'\n' };
        Set {
            ascii: !newline,
            negated: true,
            ..Set::default()
        }
    }

    fn literal(&self, sign: char) -> Set {
        let mut set = Set::default();
        add(&mut set, sign, sign);
        self.folded(set)
    }

    fn folded(&self, mut set: Set) -> Set {
        if self.flags.ignore_case {
            set.folded = true;
            for lower in b'a'..=b'z' {
                let pair = 1 << lower | 1 << lower.to_ascii_uppercase();
                if set.ascii & pair != 0 {
                    set.ascii |= pair;
                }
            }
        }
        set
    }

    fn group(&mut self) -> Result<Node, String> {
        let mut number = None;
        if self.rest.peek() == Some(&'?') {
            self.rest.next();
            match self.rest.next() {
                Some(':') => {}
                Some('=') => return Ok(Node::Ahead(self.closed()?, true)),
                Some('!') => return Ok(Node::Ahead(self.closed()?, false)),
                Some('<') => {
                    let wanted = match self.rest.next() {
                        Some('=') => true,
                        Some('!') => false,
                        _ => return Err("unknown group".into()),
                    };
                    return Ok(Node::Behind(self.closed()?, wanted));
                }
                Some('P') if self.rest.next() == Some('<') => {
                    let mut name = String::new();
                    while let Some(sign) = self.rest.next().filter(|&sign| sign != '>') {
                        name.push(sign);
                    }
                    self.groups.push(Some(name));
                    number = Some(self.groups.len());
                }
                _ => return Err("unknown group".into()),
            }
        } else {
            self.groups.push(None);
            number = Some(self.groups.len());
        }
        Ok(Node::Group(number, self.closed()?))
    }

    fn closed(&mut self) -> Result<Vec<Node>, String> {
        let inner = self.either()?;
        match self.rest.next() {
            Some(')') => Ok(inner),
            _ => Err("a group is not closed".into()),
        }
    }

    fn escape(&mut self) -> Result<Node, String> {
        let sign = *self.rest.peek().ok_or("an escape is missing")?;
        match sign {
            'b' | 'B' => {
                self.rest.next();
                return Ok(Node::Boundary(sign == 'b'));
            }
            'Z' => {
                self.rest.next();
                return Ok(Node::EndOfText);
            }
            _ => {}
        }
        let mut set = Set::default();
        match self.escaped(&mut set)? {
            Some(literal) => Ok(Node::Set(self.literal(literal))),
            None => Ok(Node::Set(set)),
        }
    }

    /// Read what follows a backslash: a literal, or a category that is added to the set.
    fn escaped(&mut self, set: &mut Set) -> Result<Option<char>, String> {
        let sign = self.rest.next().ok_or("an escape is missing")?;
        let unicode = !self.flags.ascii;
        let spaces: u128 = (b'\t'..=b'\r').map(|byte| 1 << byte).sum::<u128>() | 1 << b' ';
        let unicode_spaces = spaces | (0x1c..=0x1f).map(|byte: u8| 1 << byte).sum::<u128>();
        let digits: u128 = (b'0'..=b'9').map(|byte| 1 << byte).sum();
        let letters: u128 = (b'a'..=b'z').chain(b'A'..=b'Z').map(|byte| 1 << byte).sum();
        match sign {
            'd' => {
                set.ascii |= digits;
                set.digit |= unicode;
            }
            'w' => {
                set.ascii |= digits | letters | 1 << b'_';
                set.word |= unicode;
            }
            's' => {
                set.ascii |= if unicode { unicode_spaces } else { spaces };
                set.space |= unicode;
            }
            'S' => {
                set.ascii |= !(if unicode { unicode_spaces } else { spaces });
                if unicode {
                    set.not_space = true;
                } else {
                    set.ranges.push(('\u{80}', char::MAX));
                }
            }
            'n' => return Ok(Some('\n')),
            't' => return Ok(Some('\t')),
            'r' => return Ok(Some('\r')),
            'x' => return self.code(2).map(Some),
            'u' => return self.code(4).map(Some),
            '0' => return Ok(Some('\0')),
            _ if sign.is_ascii_alphanumeric() => return Err(format!("unknown escape \\{sign}")),
            _ => return Ok(Some(sign)),
        }
        Ok(None)
    }

    fn code(&mut self, digits: usize) -> Result<char, String> {
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|sign| sign.to_digit(16));
            code = code * 16 + digit.ok_or("an invalid code")?;
        }
        char::from_u32(code).ok_or_else(|| "a surrogate".into())
    }

    fn class(&mut self) -> Result<Set, String> {
        let mut set = Set::default();
        let negated = self.rest.peek() == Some(&'^');
        if negated {
            self.rest.next();
        }
        let mut is_first = true;
        loop {
            let sign = self.rest.next().ok_or("a class is not closed")?;
            if sign == ']' && !is_first {
                break;
            }
            is_first = false;
            let from = if sign == '\\' {
                match self.class_escape(&mut set)? {
                    Some(literal) => literal,
                    None => continue,
                }
            } else {
                sign
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|end| end != ']');
            if !is_range {
                add(&mut set, from, from);
                continue;
            }
            self.rest.next();
            let to = match self.rest.next() {
                Some('\\') => self
                    .class_escape(&mut set)?
                    .ok_or("a range ends with a category")?,
                Some(sign) => sign,
                None => return Err("a range is not closed".into()),
            };
            if to < from {
                return Err("a range is reversed".into());
            }
            add(&mut set, from, to);
        }
        let mut set = self.folded(set);
        if negated {
            set.ascii = !set.ascii;
            set.negated = true;
        }
        Ok(set)
    }

    fn class_escape(&mut self, set: &mut Set) -> Result<Option<char>, String> {
        if self.rest.peek() == Some(&'b') {
            self.rest.next();
            return Ok(Some('\u{8}'));
        }
        self.escaped(set)
    }
}

fn add(set: &mut Set, from: char, to: char) {
    let (low, high) = (u32::from(from), u32::from(to));
    for code in low..=high.min(127) {
        set.ascii |= 1 << code;
    }
    if high > 127 {
        set.ranges.push((from.max('\u{80}'), to));
    }
}

// --- compiling ------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Step {
    Byte(u8),
    Text(Box<[u8]>),
    Set(u16),
    /// Repeat a class; `follow` are the first bytes of what comes next.
    Repeat {
        set: u16,
        least: u32,
        most: u32,
        mode: Mode,
        follow: First,
    },
    Split(Box<[(First, u32)]>),
    Jump(u32),
    Save(u16),
    Ahead {
        wanted: bool,
        next: u32,
    },
    Behind {
        sets: Box<[u16]>,
        wanted: bool,
    },
    /// Repeat the steps after it as often as possible, and never less.
    Atomic {
        least: u32,
        most: u32,
        next: u32,
    },
    LoopStart(u16),
    Loop {
        counter: u16,
        least: u32,
        most: u32,
        lazy: bool,
        exit: u32,
    },
    Start,
    End,
    EndOfText,
    Boundary(bool),
    /// The end of an assertion or of one repetition.
    InnerEnd,
    Accept,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    steps: Vec<Step>,
    sets: Vec<Set>,
    groups: Vec<Option<String>>,
    counters: usize,
    first: First,
    ascii: bool,
}

struct Compiler {
    steps: Vec<Step>,
    sets: Vec<Set>,
    counters: usize,
}

fn first_of(nodes: &[Node], follow: &First) -> First {
    nodes
        .iter()
        .rev()
        .fold(*follow, |following, node| first_of_node(node, &following))
}

fn first_of_node(node: &Node, following: &First) -> First {
    match node {
        Node::Set(set) => set.first(),
        Node::Either(alternatives) => alternatives
            .iter()
            .map(|one| first_of(one, following))
            .reduce(|all, one| all.either(&one))
            .unwrap_or(*following),
        Node::Repeat(inner, least, most, _) => {
            if *most == 0 {
                return *following;
            }
            let body = first_of_node(inner, &First::NOTHING);
            if *least == 0 {
                body.then(following).either(following)
            } else {
                body.then(following)
            }
        }
        Node::Group(_, inner) => first_of(inner, following),
        Node::Ahead(inner, true) => {
            let inner = first_of(inner, &First::NOTHING);
            if inner.empty {
                after_assertion(following)
            } else {
                inner
            }
        }
        Node::Ahead(_, false) | Node::Behind(..) | Node::Start | Node::Boundary(_) => {
            after_assertion(following)
        }
        Node::End => First::of_byte(b'\n').either(&First {
            empty: true,
            ..First::default()
        }),
        Node::EndOfText => First {
            empty: true,
            ..First::default()
        },
    }
}

fn after_assertion(following: &First) -> First {
    First {
        uncertain: following.uncertain || following.empty,
        ..*following
    }
}

/// True if a part matches at most one text at a place, without choices that could be taken back.
fn is_definite(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Set(_) | Node::Behind(..) | Node::Ahead(..) | Node::Boundary(_) => true,
        Node::Repeat(inner, least, most, mode) => {
            (*mode == Mode::Possessive || least == most) && is_definite(std::slice::from_ref(inner))
        }
        Node::Group(_, inner) => is_definite(inner),
        Node::Either(alternatives) => {
            let firsts: Vec<First> = alternatives
                .iter()
                .map(|one| first_of(one, &First::NOTHING))
                .collect();
            alternatives.iter().all(|one| is_definite(one))
                && firsts.iter().enumerate().all(|(place, one)| {
                    !one.empty
                        && firsts[place + 1..]
                            .iter()
                            .all(|other| one.is_apart_from(other))
                })
        }
        Node::Start | Node::End | Node::EndOfText => false,
    })
}

impl Compiler {
    fn set(&mut self, set: &Set) -> u16 {
        let place = self
            .sets
            .iter()
            .position(|known| {
                *known
                    == Set {
                        excluded: known.excluded,
                        ..set.clone()
                    }
            })
            .unwrap_or_else(|| {
                let excluded = Excluded::of(set);
                self.sets.push(Set {
                    excluded,
                    ..set.clone()
                });
                self.sets.len() - 1
            });
        u16::try_from(place).expect("few classes")
    }

    fn here(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("a small program")
    }

    fn sequence(&mut self, nodes: &[Node], follow: &First) -> Result<(), String> {
        let mut at = 0;
        while at < nodes.len() {
            let (text, length) = literal_text(&nodes[at..]);
            if length > 0 {
                self.steps.push(if text.len() == 1 {
                    Step::Byte(text[0])
                } else {
                    Step::Text(text.into())
                });
                at += length;
                continue;
            }
            let following = first_of(&nodes[at + 1..], follow);
            self.node(&nodes[at], &following)?;
            at += 1;
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, follow: &First) -> Result<(), String> {
        match node {
            Node::Set(set) => {
                let set = self.set(set);
                self.steps.push(Step::Set(set));
            }
            Node::Either(alternatives) => self.split(alternatives, follow)?,
            Node::Repeat(inner, least, most, mode) => {
                self.repeat(inner, *least, *most, *mode, follow)?;
            }
            Node::Group(number, inner) => {
                let slot = number.map(|number| u16::try_from(number * 2).expect("few groups"));
                if let Some(slot) = slot {
                    self.steps.push(Step::Save(slot));
                }
                self.sequence(inner, follow)?;
                if let Some(slot) = slot {
                    self.steps.push(Step::Save(slot + 1));
                }
            }
            Node::Ahead(inner, wanted) => {
                let at = self.steps.len();
                self.steps.push(Step::InnerEnd);
                self.sequence(inner, &First::NOTHING)?;
                self.steps.push(Step::InnerEnd);
                self.steps[at] = Step::Ahead {
                    wanted: *wanted,
                    next: self.here(),
                };
            }
            Node::Behind(inner, wanted) => {
                let mut sets = Vec::new();
                for node in inner {
                    let Node::Set(set) = node else {
                        return Err("a look-behind of more than single characters".into());
                    };
                    sets.push(self.set(set));
                }
                self.steps.push(Step::Behind {
                    sets: sets.into(),
                    wanted: *wanted,
                });
            }
            Node::Start => self.steps.push(Step::Start),
            Node::End => self.steps.push(Step::End),
            Node::EndOfText => self.steps.push(Step::EndOfText),
            Node::Boundary(wanted) => self.steps.push(Step::Boundary(*wanted)),
        }
        Ok(())
    }

    fn split(&mut self, alternatives: &[Vec<Node>], follow: &First) -> Result<(), String> {
        let at = self.steps.len();
        self.steps.push(Step::InnerEnd);
        let (mut ways, mut ends) = (Vec::new(), Vec::new());
        for one in alternatives {
            ways.push((first_of(one, follow), self.here()));
            self.sequence(one, follow)?;
            ends.push(self.steps.len());
            self.steps.push(Step::InnerEnd);
        }
        let next = self.here();
        for end in ends {
            self.steps[end] = Step::Jump(next);
        }
        self.steps[at] = Step::Split(ways.into());
        Ok(())
    }

    fn repeat(
        &mut self,
        inner: &Node,
        least: u32,
        most: u32,
        mode: Mode,
        follow: &First,
    ) -> Result<(), String> {
        let body_first = first_of_node(inner, &First::NOTHING);
        let is_apart = body_first.is_apart_from(follow) && !follow.uncertain;
        if let Node::Set(set) = inner {
            let set = self.set(set);
            let mode = if mode == Mode::Greedy && is_apart {
                Mode::Possessive
            } else {
                mode
            };
            self.steps.push(Step::Repeat {
                set,
                least,
                most,
                mode,
                follow: *follow,
            });
            return Ok(());
        }
        let body = std::slice::from_ref(inner);
        if body_first.empty && (most > 1 || mode == Mode::Possessive) {
            return Err("a repeated part that may be empty".into());
        }
        let certain = mode == Mode::Greedy && is_apart && is_definite(body);
        if mode == Mode::Possessive || (certain && most > 1) {
            let at = self.steps.len();
            self.steps.push(Step::InnerEnd);
            self.sequence(body, &First::NOTHING)?;
            self.steps.push(Step::InnerEnd);
            self.steps[at] = Step::Atomic {
                least,
                most,
                next: self.here(),
            };
            return Ok(());
        }
        let again = body_first.then(follow).either(follow);
        if most != ENDLESS && copies_size(body, most) <= MOST_COPIES {
            return self.copies(body, least, most, mode == Mode::Lazy, follow, &again);
        }
        let counter = u16::try_from(self.counters).expect("few counters");
        self.counters += 1;
        self.steps.push(Step::LoopStart(counter));
        let at = self.steps.len();
        self.steps.push(Step::InnerEnd);
        self.sequence(body, &again)?;
        self.steps
            .push(Step::Jump(u32::try_from(at).expect("a small program")));
        self.steps[at] = Step::Loop {
            counter,
            least,
            most,
            lazy: mode == Mode::Lazy,
            exit: self.here(),
        };
        Ok(())
    }

    /// Write a repeated group out.
    fn copies(
        &mut self,
        body: &[Node],
        least: u32,
        most: u32,
        lazy: bool,
        follow: &First,
        again: &First,
    ) -> Result<(), String> {
        let body_first = first_of(body, follow);
        let mut splits = Vec::new();
        for number in 0..most {
            if number >= least {
                splits.push(self.steps.len());
                self.steps.push(Step::InnerEnd);
            }
            self.sequence(body, if number + 1 < most { again } else { follow })?;
        }
        let end = self.here();
        for at in splits {
            let enter = (body_first, u32::try_from(at + 1).expect("a small program"));
            let leave = (*follow, end);
            self.steps[at] = Step::Split(if lazy {
                [leave, enter].into()
            } else {
                [enter, leave].into()
            });
        }
        Ok(())
    }
}

/// Return about how many steps the copies of a repeated part take.
fn copies_size(body: &[Node], most: u32) -> usize {
    size(body).saturating_add(1).saturating_mul(most as usize)
}

fn size(nodes: &[Node]) -> usize {
    let one = |node: &Node| match node {
        Node::Either(ways) => ways.iter().map(|way| size(way) + 1).sum::<usize>() + 1,
        Node::Group(_, inner) | Node::Ahead(inner, _) => size(inner) + 2,
        Node::Repeat(inner, _, most, _) if !matches!(**inner, Node::Set(_)) => {
            let body = std::slice::from_ref(inner.as_ref());
            match copies_size(body, *most) {
                copies if *most != ENDLESS && copies <= MOST_COPIES => copies,
                _ => size(body) + 3,
            }
        }
        _ => 1,
    };
    nodes.iter().map(one).sum()
}

/// Return the literal text with which nodes begin, and the number of these nodes.
fn literal_text(nodes: &[Node]) -> (Vec<u8>, usize) {
    let mut text = Vec::new();
    let mut length = 0;
    for node in nodes {
        let Node::Set(set) = node else { break };
        if set.folded && set.ascii.count_ones() > 1 {
            break;
        }
        let single = set.ascii.count_ones() == 1 && set.first().bytes[2] == 0;
        let other = set.ascii == 0
            && !set.negated
            && set.ranges.len() == 1
            && set.ranges[0].0 == set.ranges[0].1;
        if single {
            text.push(u8::try_from(set.ascii.trailing_zeros()).expect("ASCII"));
        } else if other {
            text.extend(set.ranges[0].0.to_string().bytes());
        } else {
            break;
        }
        length += 1;
    }
    (text, length)
}

// --- matching -------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Choice {
    /// Try the next alternative of a split.
    Way {
        step: u32,
        way: u32,
        at: usize,
    },
    /// Try a greedy repeat with one character less.
    Less {
        step: u32,
        low: usize,
        at: usize,
    },
    /// Try a lazy repeat with one character more.
    More {
        step: u32,
        left: u32,
        at: usize,
    },
    Go {
        step: u32,
        at: usize,
    },
    Slot {
        slot: u16,
        value: usize,
    },
    Counter {
        counter: u16,
        value: u32,
    },
}

const UNSET: usize = usize::MAX;

/// The working memory of matches, and the groups of the last one.
#[derive(Debug, Default)]
pub struct Scratch {
    choices: Vec<Choice>,
    slots: Vec<usize>,
    counters: Vec<u32>,
    steps: u64,
    /// True if an answer is not certain: the text must be decided by Python.
    pub doubt: bool,
}

impl Scratch {
    /// Begin with a text: steps are counted from here.
    pub fn begin(&mut self, length: usize) {
        self.doubt = false;
        self.steps = STEPS + STEPS_PER_BYTE * length as u64;
    }

    /// Return the place of a group of the last match.
    pub fn group(&self, number: usize) -> Option<Range<usize>> {
        let (from, to) = (self.slots[number * 2], self.slots[number * 2 + 1]);
        (from != UNSET && to != UNSET).then_some(from..to)
    }

    fn spend(&mut self, steps: usize) -> bool {
        match self.steps.checked_sub(steps as u64) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => {
                self.doubt = true;
                false
            }
        }
    }
}

impl Pattern {
    /// Compile an expression. Fails, with the reason, for anything that is not supported.
    pub fn new(expression: &str, flags: Flags) -> Result<Pattern, String> {
        let mut reader = Reader {
            rest: expression.chars().peekable(),
            flags,
            groups: Vec::new(),
        };
        let nodes = reader
            .either()
            .map_err(|error| format!("{error} in {expression:?}"))?;
        if reader.rest.next().is_some() {
            return Err(format!("a bracket too many in {expression:?}"));
        }
        let mut compiler = Compiler {
            steps: Vec::new(),
            sets: Vec::new(),
            counters: 0,
        };
        compiler
            .sequence(&nodes, &First::NOTHING)
            .map_err(|error| format!("{error} in {expression:?}"))?;
        compiler.steps.push(Step::Accept);
        Ok(Pattern {
            steps: compiler.steps,
            sets: compiler.sets,
            groups: reader.groups,
            counters: compiler.counters,
            first: first_of(&nodes, &First::NOTHING),
            ascii: flags.ascii,
        })
    }

    /// Return the number of a named group.
    pub fn named(&self, name: &str) -> Option<usize> {
        let place = self
            .groups
            .iter()
            .position(|group| group.as_deref() == Some(name))?;
        Some(place + 1)
    }

    /// Number of groups.
    pub fn count(&self) -> usize {
        self.groups.len()
    }

    /// Return the names and numbers of the named groups.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        let numbered = self.groups.iter().enumerate();
        numbered.filter_map(|(place, name)| Some((name.as_deref()?, place + 1)))
    }

    /// Return the end of the match that begins at `at`.
    pub fn match_at(&self, text: &str, at: usize, scratch: &mut Scratch) -> Option<usize> {
        self.run_at(text, at, scratch, false)
    }

    /// Return true if the text matches from `at` to its end.
    pub fn full_match(&self, text: &str, at: usize, scratch: &mut Scratch) -> bool {
        self.run_at(text, at, scratch, true).is_some()
    }

    /// Return the first match that begins at `at` or later.
    pub fn search(&self, text: &str, at: usize, scratch: &mut Scratch) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let mut from = at;
        loop {
            if !self.first.empty {
                from += bytes[from..]
                    .iter()
                    .position(|&byte| self.first.holds(byte))?;
            }
            if text.is_char_boundary(from) {
                if let Some(end) = self.run_at(text, from, scratch, false) {
                    return Some(from..end);
                }
                if scratch.doubt || !scratch.spend(1) {
                    return None;
                }
            }
            from += 1;
            if from > bytes.len() {
                return None;
            }
        }
    }

    fn run_at(&self, text: &str, at: usize, scratch: &mut Scratch, whole: bool) -> Option<usize> {
        if !self.first.admits(text.as_bytes(), at) {
            return None;
        }
        scratch.slots.clear();
        scratch.slots.resize(self.groups.len() * 2 + 2, UNSET);
        scratch.counters.clear();
        scratch.counters.resize(self.counters, 0);
        scratch.choices.clear();
        self.run(text, 0, at, scratch, whole)
    }

    /// Run the steps from one on, to the end of the expression or of its inner part; return where the match ends.
    #[allow(clippy::too_many_lines)] // one loop over all kinds of steps
    fn run(
        &self,
        text: &str,
        from: usize,
        begin: usize,
        scratch: &mut Scratch,
        whole: bool,
    ) -> Option<usize> {
        let bytes = text.as_bytes();
        let base = scratch.choices.len();
        let (mut step, mut at) = (from, begin);
        loop {
            let goes_on = match &self.steps[step] {
                Step::Byte(byte) => {
                    let equal = bytes.get(at) == Some(byte);
                    at += 1;
                    equal
                }
                Step::Text(literal) => {
                    let equal = bytes[at..].starts_with(literal);
                    at += literal.len();
                    equal
                }
                Step::Set(set) => match self.one(*set, text, at, scratch) {
                    Some(next) => {
                        at = next;
                        true
                    }
                    None => false,
                },
                Step::Repeat {
                    set,
                    least,
                    most,
                    mode,
                    ..
                } => {
                    let upper = if *mode == Mode::Lazy { *least } else { *most };
                    let (low, high, count) = self.span(*set, text, at, *least, upper, scratch);
                    if count < *least || !scratch.spend(high - at) {
                        false
                    } else {
                        let id = u32::try_from(step).expect("a small program");
                        if *mode == Mode::Greedy && high > low {
                            scratch.choices.push(Choice::Less {
                                step: id,
                                low,
                                at: high,
                            });
                        } else if *mode == Mode::Lazy {
                            scratch.choices.push(Choice::More {
                                step: id,
                                left: most.saturating_sub(*least),
                                at: high,
                            });
                        }
                        at = high;
                        true
                    }
                }
                Step::Split(ways) => match enter(ways, 0, step, bytes, at, &mut scratch.choices) {
                    Some(next) => {
                        step = next;
                        continue;
                    }
                    None => false,
                },
                Step::Jump(next) => {
                    step = *next as usize;
                    continue;
                }
                Step::Save(slot) => {
                    let value = std::mem::replace(&mut scratch.slots[usize::from(*slot)], at);
                    scratch.choices.push(Choice::Slot { slot: *slot, value });
                    true
                }
                Step::Ahead { wanted, next } => {
                    let holds = self.run(text, step + 1, at, scratch, false).is_some();
                    step = *next as usize - 1;
                    holds == *wanted
                }
                Step::Behind { sets, wanted } => self.behind(sets, text, at, scratch) == *wanted,
                Step::Atomic { least, most, next } => {
                    let mut count = 0;
                    while count < *most && scratch.spend(1) {
                        match self.run(text, step + 1, at, scratch, false) {
                            Some(end) => at = end,
                            None => break,
                        }
                        count += 1;
                    }
                    step = *next as usize - 1;
                    count >= *least
                }
                Step::LoopStart(counter) => {
                    let value = std::mem::replace(&mut scratch.counters[usize::from(*counter)], 0);
                    scratch.choices.push(Choice::Counter {
                        counter: *counter,
                        value,
                    });
                    true
                }
                Step::Loop {
                    counter,
                    least,
                    most,
                    lazy,
                    exit,
                } => {
                    let value = scratch.counters[usize::from(*counter)];
                    if value >= *most {
                        step = *exit as usize;
                        continue;
                    }
                    if value >= *least && *lazy {
                        scratch.choices.push(Choice::Counter {
                            counter: *counter,
                            value,
                        });
                        scratch.counters[usize::from(*counter)] = value + 1;
                        scratch.choices.push(Choice::Go {
                            step: u32::try_from(step + 1).expect("a small program"),
                            at,
                        });
                        step = *exit as usize;
                        continue;
                    }
                    if value >= *least {
                        scratch.choices.push(Choice::Go { step: *exit, at });
                    }
                    scratch.choices.push(Choice::Counter {
                        counter: *counter,
                        value,
                    });
                    scratch.counters[usize::from(*counter)] = value + 1;
                    scratch.spend(1)
                }
                Step::Start => at == 0,
                Step::End => at == bytes.len() || (at + 1 == bytes.len() && bytes[at] == b'\n'),
                Step::EndOfText => at == bytes.len(),
                Step::Boundary(wanted) => {
                    let before = text[..at]
                        .chars()
                        .next_back()
                        .is_some_and(|sign| self.is_word(sign, &mut scratch.doubt));
                    let after = text[at..]
                        .chars()
                        .next()
                        .is_some_and(|sign| self.is_word(sign, &mut scratch.doubt));
                    (before != after) == *wanted
                }
                Step::InnerEnd => {
                    self.forget(base, scratch);
                    return Some(at);
                }
                Step::Accept => {
                    if !whole || at == bytes.len() {
                        self.forget(base, scratch);
                        return Some(at);
                    }
                    false
                }
            };
            if goes_on {
                step += 1;
                continue;
            }
            (step, at) = self.back(base, text, scratch)?;
        }
    }

    /// Drop the choices of a part that has matched. Groups that it has set stay set.
    fn forget(&self, base: usize, scratch: &mut Scratch) {
        if base == 0 {
            scratch.choices.clear();
            return;
        }
        // What restores groups and counters is kept: a choice before this part may still be taken.
        let mut kept = base;
        for place in base..scratch.choices.len() {
            let choice = scratch.choices[place];
            if matches!(choice, Choice::Slot { .. } | Choice::Counter { .. }) {
                scratch.choices[kept] = choice;
                kept += 1;
            }
        }
        scratch.choices.truncate(kept);
    }

    /// Take the last choice back; return the step and the place from which to go on.
    fn back(&self, base: usize, text: &str, scratch: &mut Scratch) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        while scratch.choices.len() > base {
            let choice = scratch.choices.pop()?;
            if !scratch.spend(1) {
                scratch.choices.truncate(base);
                return None;
            }
            match choice {
                Choice::Slot { slot, value } => scratch.slots[usize::from(slot)] = value,
                Choice::Counter { counter, value } => {
                    scratch.counters[usize::from(counter)] = value;
                }
                Choice::Go { step, at } => return Some((step as usize, at)),
                Choice::Way { step, way, at } => {
                    let Step::Split(ways) = &self.steps[step as usize] else {
                        unreachable!("a choice of a split")
                    };
                    let (way, step) = (way as usize, step as usize);
                    if let Some(next) = enter(ways, way, step, bytes, at, &mut scratch.choices) {
                        return Some((next, at));
                    }
                }
                Choice::Less { step, low, mut at } => {
                    let Step::Repeat { follow, .. } = &self.steps[step as usize] else {
                        unreachable!("a choice of a repeat")
                    };
                    let before = at;
                    let mut possible = false;
                    while at > low && !possible {
                        at -= 1;
                        while bytes[at] & 0xc0 == 0x80 {
                            at -= 1;
                        }
                        possible = follow.empty || follow.holds(bytes[at]);
                    }
                    scratch.spend(before - at);
                    if possible {
                        if at > low {
                            scratch.choices.push(Choice::Less { step, low, at });
                        }
                        return Some((step as usize + 1, at));
                    }
                }
                Choice::More { step, left, at } => {
                    let Step::Repeat { set, .. } = &self.steps[step as usize] else {
                        unreachable!("a choice of a repeat")
                    };
                    if left > 0
                        && let Some(next) = self.one(*set, text, at, scratch)
                    {
                        scratch.choices.push(Choice::More {
                            step,
                            left: left - 1,
                            at: next,
                        });
                        return Some((step as usize + 1, next));
                    }
                }
            }
        }
        None
    }

    fn is_word(&self, sign: char, doubt: &mut bool) -> bool {
        if sign.is_ascii() {
            return sign.is_ascii_alphanumeric() || sign == '_';
        }
        !self.ascii && is_word(sign, doubt)
    }

    /// Return the place after one character of a class.
    fn one(&self, set: u16, text: &str, at: usize, scratch: &mut Scratch) -> Option<usize> {
        let set = &self.sets[usize::from(set)];
        let byte = *text.as_bytes().get(at)?;
        if byte < 128 {
            return set.holds_ascii(byte).then_some(at + 1);
        }
        let character = text[at..].chars().next()?;
        set.holds_other(character, &mut scratch.doubt)
            .then_some(at + character.len_utf8())
    }

    /// Return the place after the least number of characters, that after the most, and the latter number.
    fn span(
        &self,
        set: u16,
        text: &str,
        begin: usize,
        least: u32,
        most: u32,
        scratch: &mut Scratch,
    ) -> (usize, usize, u32) {
        let set = &self.sets[usize::from(set)];
        let bytes = text.as_bytes();
        if let Some(excluded) = set.excluded
            && least <= 1
            && bytes.len() - begin <= most as usize
        {
            let end = begin + excluded.span(&bytes[begin..]);
            let first = text[begin..end].chars().next();
            let low = begin + first.filter(|_| least == 1).map_or(0, char::len_utf8);
            return (low, end, u32::from(end > begin)); // enough to compare with `least`
        }
        let (mut at, mut count) = (begin, 0);
        let (mut low, mut is_low) = (begin, least == 0);
        while count < most && at < bytes.len() {
            let byte = bytes[at];
            if byte < 128 {
                if !set.holds_ascii(byte) {
                    break;
                }
                at += 1;
            } else {
                let Some(character) = text[at..].chars().next() else {
                    break;
                };
                if !set.holds_other(character, &mut scratch.doubt) {
                    break;
                }
                at += character.len_utf8();
            }
            count += 1;
            if !is_low && count == least {
                (low, is_low) = (at, true);
            }
        }
        (low, at, count)
    }

    fn behind(&self, sets: &[u16], text: &str, at: usize, scratch: &mut Scratch) -> bool {
        let mut before = text[..at].chars();
        sets.iter().rev().all(|&set| {
            let set = &self.sets[usize::from(set)];
            match before.next_back() {
                None => false,
                Some(sign) if sign.is_ascii() => set.holds_ascii(sign as u8),
                Some(sign) => set.holds_other(sign, &mut scratch.doubt),
            }
        })
    }
}

/// Enter the first way from `way` on that may begin here; the next is kept as a choice.
fn enter(
    ways: &[(First, u32)],
    way: usize,
    step: usize,
    bytes: &[u8],
    at: usize,
    choices: &mut Vec<Choice>,
) -> Option<usize> {
    let mut places = (way..ways.len()).filter(|&place| ways[place].0.admits(bytes, at));
    let place = places.next()?;
    if let Some(further) = places.next() {
        choices.push(Choice::Way {
            step: u32::try_from(step).expect("a small program"),
            way: u32::try_from(further).expect("few ways"),
            at,
        });
    }
    Some(ways[place].1 as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: Flags = Flags {
        ascii: true,
        dot_all: false,
        ignore_case: false,
    };

    fn matched(expression: &str, text: &str) -> Option<Vec<Option<String>>> {
        let pattern = Pattern::new(expression, ASCII).unwrap();
        let mut scratch = Scratch::default();
        scratch.begin(text.len());
        let end = pattern.match_at(text, 0, &mut scratch)?;
        assert!(!scratch.doubt);
        let mut all = vec![Some(text[..end].to_string())];
        for number in 1..=pattern.groups.len() {
            all.push(scratch.group(number).map(|range| text[range].to_string()));
        }
        Some(all)
    }

    fn whole(expression: &str, text: &str) -> bool {
        let pattern = Pattern::new(expression, ASCII).unwrap();
        let mut scratch = Scratch::default();
        scratch.begin(text.len());
        let holds = pattern.full_match(text, 0, &mut scratch);
        assert!(!scratch.doubt);
        holds
    }

    #[test]
    fn repeats_are_bounded_and_give_back() {
        assert_eq!(
            matched("a{2,3}a", "aaa").unwrap()[0].as_deref(),
            Some("aaa")
        );
        assert_eq!(
            matched("a{2,3}", "aaaa").unwrap()[0].as_deref(),
            Some("aaa")
        );
        assert_eq!(matched("a{2,3}", "a"), None);
        assert_eq!(
            matched(".{0,9}b", "aébéb").unwrap()[0].as_deref(),
            Some("aébéb")
        );
        assert_eq!(
            matched(".{0,9}?b", "aébéb").unwrap()[0].as_deref(),
            Some("aéb")
        );
        assert_eq!(matched("a{0,3}+a", "aaa"), None);
        assert_eq!(
            matched("(?:ab){1,3}(?:ab)c", "ababababc").unwrap()[0].as_deref(),
            Some("ababababc")
        );
        assert_eq!(matched("x{", "x{").unwrap()[0].as_deref(), Some("x{"));
    }

    #[test]
    fn repeated_groups_are_counted() {
        let ruby = r"(?:[^\s:]|:(?!\d)){1,1024}:\d{1,7}:in";
        assert_eq!(
            matched(ruby, "a::b.rb:12:in x").unwrap()[0].as_deref(),
            Some("a::b.rb:12:in")
        );
        let quoted = r#""(?:[^"\\]|\\.){0,65536}""#;
        assert_eq!(
            matched(quoted, r#""a\"b" c"#).unwrap()[0].as_deref(),
            Some(r#""a\"b""#)
        );
        assert!(whole(r#""(?:[^"\\]++|\\.)*+""#, r#""a\"b""#));
        assert!(!whole(r#""(?:[^"\\]++|\\.)*+""#, r#""a\"b"#));
        let text = format!("{}:1:in", "a:".repeat(1000));
        assert!(
            matched(ruby, &text).is_some_and(|all| all[0].as_deref() == Some(&text))
                == (text.len() <= 1024)
        );
    }

    #[test]
    fn groups_of_a_way_that_failed_are_not_set() {
        let all = matched(r"(?:(?P<a>x)y|(?P<b>x)z)", "xz").unwrap();
        assert_eq!(all[1..], [None, Some("x".to_string())]);
        let all = matched(r"(?:(a)|b){2}", "ab").unwrap();
        assert_eq!(all[1].as_deref(), Some("a"));
    }

    #[test]
    fn assertions_look_around() {
        assert!(matched(r"a(?=b)", "ab").is_some() && matched(r"a(?=b)", "ac").is_none());
        assert!(matched(r"a*(?!b)", "aab").unwrap()[0].as_deref() == Some("a"));
        assert!(matched(r".*(?<=\[)b", "a[b").is_some() && matched(r".*(?<=\[)b", "a]b").is_none());
        assert!(matched(r"a\b", "a b").is_some() && matched(r"a\b", "ab").is_none());
        assert!(matched(r"a$", "a\n").is_some() && matched(r"a\Z", "a\n").is_none());
        assert!(whole(r"a(?:\s{1,4}|$)", "a") && whole(r"a(?:\s{1,4}|$)", "a  "));
    }

    #[test]
    fn a_whole_match_gives_back_to_reach_the_end() {
        assert!(whole(r"a|ab", "ab"));
        assert!(whole(r"a{1,2}?", "aa"));
        assert!(!whole(r"a", "a\n"));
    }

    #[test]
    fn a_search_finds_the_first_place() {
        let pattern = Pattern::new(r"\d{2}", ASCII).unwrap();
        let mut scratch = Scratch::default();
        scratch.begin(10);
        assert_eq!(pattern.search("é1 é23", 0, &mut scratch), Some(6..8));
        assert_eq!(pattern.search("é1 é2", 0, &mut scratch), None);
    }

    #[test]
    fn characters_beyond_ascii_are_decided_or_doubted() {
        let unicode = Flags::default();
        let mut scratch = Scratch::default();
        for (expression, text, holds, doubt) in [
            (r"\w", "é", true, false),
            (r"\w", "中", true, false),
            (r"\w", "–", false, false),
            (r"\w", "Ⓐ", true, true),
            (r"\d", "٣", false, true),
            (r"\s", "\u{2003}", true, false),
            (r"\S", "\u{1c}", false, false),
            (r"[^\w]", "é", false, false),
        ] {
            let pattern = Pattern::new(expression, unicode).unwrap();
            scratch.begin(text.len());
            let end = pattern.match_at(text, 0, &mut scratch);
            assert_eq!(scratch.doubt, doubt, "{expression} {text}");
            assert!(doubt || end.is_some() == holds, "{expression} {text}");
        }
    }

    #[test]
    fn a_match_that_takes_too_long_is_given_up() {
        let pattern = Pattern::new(r"(?:a{0,60000}b?){40}c", ASCII).unwrap_err();
        assert!(pattern.contains("may be empty"));
        let pattern = Pattern::new(r"a{0,9999}a{0,9999}a{0,9999}a{0,9999}c", ASCII).unwrap();
        let text = "a".repeat(9000);
        let mut scratch = Scratch::default();
        scratch.begin(text.len());
        assert_eq!(pattern.match_at(&text, 0, &mut scratch), None);
        assert!(scratch.doubt);
    }

    #[test]
    fn unknown_syntax_is_rejected() {
        for expression in [
            r"(a)\1", "(?i)a", "(", "a)", "[a", "*", r"\p{L}", "(?<=a+)b", "[b-a]",
        ] {
            assert!(Pattern::new(expression, ASCII).is_err(), "{expression}");
        }
    }
}
