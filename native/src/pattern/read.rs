//! Reads the notation of Python's `re`.

use super::class::Set;

/// The upper bound of a repeat that has none.
pub(super) const ENDLESS: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
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

pub(super) struct Reader<'p> {
    pub(super) rest: std::iter::Peekable<std::str::Chars<'p>>,
    pub(super) flags: Flags,
    pub(super) groups: Vec<Option<String>>,
}

impl Reader<'_> {
    pub(super) fn either(&mut self) -> Result<Vec<Node>, String> {
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

    pub(super) fn repeated(&mut self) -> Result<Node, String> {
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

    pub(super) fn bounds(&mut self) -> Result<Option<(u32, u32)>, String> {
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

    pub(super) fn braces(&mut self) -> Result<Option<(u32, u32)>, String> {
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

    pub(super) fn one(&mut self) -> Result<Node, String> {
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

    pub(super) fn any(&self) -> Set {
        let newline = if self.flags.dot_all { 0 } else { 1 << b'\n' };
        Set {
            ascii: !newline,
            negated: true,
            ..Set::default()
        }
    }

    pub(super) fn literal(&self, sign: char) -> Set {
        let mut set = Set::default();
        add(&mut set, sign, sign);
        self.folded(set)
    }

    pub(super) fn folded(&self, mut set: Set) -> Set {
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

    pub(super) fn group(&mut self) -> Result<Node, String> {
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

    pub(super) fn closed(&mut self) -> Result<Vec<Node>, String> {
        let inner = self.either()?;
        match self.rest.next() {
            Some(')') => Ok(inner),
            _ => Err("a group is not closed".into()),
        }
    }

    pub(super) fn escape(&mut self) -> Result<Node, String> {
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
    pub(super) fn escaped(&mut self, set: &mut Set) -> Result<Option<char>, String> {
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

    pub(super) fn code(&mut self, digits: usize) -> Result<char, String> {
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|sign| sign.to_digit(16));
            code = code * 16 + digit.ok_or("an invalid code")?;
        }
        char::from_u32(code).ok_or_else(|| "a surrogate".into())
    }

    pub(super) fn class(&mut self) -> Result<Set, String> {
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

    pub(super) fn class_escape(&mut self, set: &mut Set) -> Result<Option<char>, String> {
        if self.rest.peek() == Some(&'b') {
            self.rest.next();
            return Ok(Some('\u{8}'));
        }
        self.escaped(set)
    }
}

pub(super) fn add(set: &mut Set, from: char, to: char) {
    let (low, high) = (u32::from(from), u32::from(to));
    for code in low..=high.min(127) {
        set.ascii |= 1 << code;
    }
    if high > 127 {
        set.ranges.push((from.max('\u{80}'), to));
    }
}
