//! Matches texts.

use std::ops::Range;

use super::class::{First, is_word};
use super::compile::{Pattern, Step};
use super::read::Mode;

/// Most steps of one text: this, and `STEPS_PER_BYTE` for each of its bytes.
const STEPS: u64 = 50_000;
const STEPS_PER_BYTE: u64 = 256;

#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
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

pub(super) const UNSET: usize = usize::MAX;

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

    pub(super) fn spend(&mut self, steps: usize) -> bool {
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
                if self.may_begin(text, from, scratch)
                    && let Some(end) = self.run_at(text, from, scratch, false)
                {
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

    /// False if what stands before a place rules out a match there, which a search asks at each place.
    fn may_begin(&self, text: &str, at: usize, scratch: &mut Scratch) -> bool {
        match &self.steps[0] {
            Step::Behind { sets, wanted } => self.behind(sets, text, at, scratch) == *wanted,
            _ => true,
        }
    }

    pub(super) fn run_at(
        &self,
        text: &str,
        at: usize,
        scratch: &mut Scratch,
        whole: bool,
    ) -> Option<usize> {
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
    pub(super) fn run(
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
    pub(super) fn forget(&self, base: usize, scratch: &mut Scratch) {
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
    pub(super) fn back(
        &self,
        base: usize,
        text: &str,
        scratch: &mut Scratch,
    ) -> Option<(usize, usize)> {
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

    pub(super) fn is_word(&self, sign: char, doubt: &mut bool) -> bool {
        if sign.is_ascii() {
            return sign.is_ascii_alphanumeric() || sign == '_';
        }
        !self.ascii && is_word(sign, doubt)
    }

    /// Return the place after one character of a class.
    pub(super) fn one(
        &self,
        set: u16,
        text: &str,
        at: usize,
        scratch: &mut Scratch,
    ) -> Option<usize> {
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
    pub(super) fn span(
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

    pub(super) fn behind(
        &self,
        sets: &[u16],
        text: &str,
        at: usize,
        scratch: &mut Scratch,
    ) -> bool {
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
pub(super) fn enter(
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
