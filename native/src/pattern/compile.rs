//! Compiles an expression into steps.

use super::class::{Excluded, First, Set};
use super::read::{ENDLESS, Flags, Mode, Node, Reader};

/// Most steps of a repeated group that is written out.
const MOST_COPIES: usize = 4096;

#[derive(Clone, Debug)]
pub(super) enum Step {
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
    pub(super) steps: Vec<Step>,
    pub(super) sets: Vec<Set>,
    pub(super) groups: Vec<Option<String>>,
    pub(super) counters: usize,
    pub(super) first: First,
    pub(super) ascii: bool,
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
}

pub(super) struct Compiler {
    pub(super) steps: Vec<Step>,
    pub(super) sets: Vec<Set>,
    pub(super) counters: usize,
}

pub(super) fn first_of(nodes: &[Node], follow: &First) -> First {
    nodes
        .iter()
        .rev()
        .fold(*follow, |following, node| first_of_node(node, &following))
}

pub(super) fn first_of_node(node: &Node, following: &First) -> First {
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

pub(super) fn after_assertion(following: &First) -> First {
    First {
        uncertain: following.uncertain || following.empty,
        ..*following
    }
}

/// True if a part matches at most one text at a place, without choices that could be taken back.
pub(super) fn is_definite(nodes: &[Node]) -> bool {
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
    pub(super) fn set(&mut self, set: &Set) -> u16 {
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

    pub(super) fn here(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("a small program")
    }

    pub(super) fn sequence(&mut self, nodes: &[Node], follow: &First) -> Result<(), String> {
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

    pub(super) fn node(&mut self, node: &Node, follow: &First) -> Result<(), String> {
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

    pub(super) fn split(
        &mut self,
        alternatives: &[Vec<Node>],
        follow: &First,
    ) -> Result<(), String> {
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

    pub(super) fn repeat(
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
    pub(super) fn copies(
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
pub(super) fn copies_size(body: &[Node], most: u32) -> usize {
    size(body).saturating_add(1).saturating_mul(most as usize)
}

pub(super) fn size(nodes: &[Node]) -> usize {
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
pub(super) fn literal_text(nodes: &[Node]) -> (Vec<u8>, usize) {
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
