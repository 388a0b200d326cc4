//! Classes of characters, and the bytes with which a part of an expression can begin.

/// A class of characters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Set {
    pub(super) ascii: u128,
    /// Members beyond ASCII, before `negated` is applied.
    pub(super) ranges: Vec<(char, char)>,
    /// Categories of Unicode among the members.
    pub(super) word: bool,
    pub(super) digit: bool,
    pub(super) space: bool,
    pub(super) not_space: bool,
    /// True if the members beyond ASCII are all others.
    pub(super) negated: bool,
    /// True if letter case is ignored.
    pub(super) folded: bool,
    /// The ASCII characters that are no members, if all other characters are and these are at most three.
    pub(super) excluded: Option<Excluded>,
}

/// Up to three bytes, the last of them repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excluded([u8; 3]);

impl Excluded {
    pub(super) fn of(set: &Set) -> Option<Excluded> {
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
    pub(super) fn span(self, text: &[u8]) -> usize {
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
    pub(super) fn holds_ascii(&self, byte: u8) -> bool {
        self.ascii >> byte & 1 == 1
    }

    /// Return whether a character beyond ASCII is a member; `doubt` is set if Python alone can tell.
    pub(super) fn holds_other(&self, character: char, doubt: &mut bool) -> bool {
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

    pub(super) fn first(&self) -> First {
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

pub(super) fn is_digit(character: char, doubt: &mut bool) -> bool {
    if character.is_numeric() {
        *doubt = true;
    }
    false
}

/// Return whether `\w` holds; certain for the letters of common scripts, and for signs and punctuation.
pub(super) fn is_word(character: char, doubt: &mut bool) -> bool {
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
    pub(super) bytes: [u64; 4],
    /// The part may be empty.
    pub(super) empty: bool,
    /// The part may end the expression after an assertion, so that a shorter repeat before it can match.
    pub(super) uncertain: bool,
}

impl First {
    pub(super) const NOTHING: First = First {
        bytes: [0; 4],
        empty: true,
        uncertain: false,
    };

    pub(super) fn of_byte(byte: u8) -> First {
        let mut first = First::default();
        first.bytes[usize::from(byte >> 6)] |= 1 << (byte & 63);
        first
    }

    pub fn holds(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// True if the part may begin at this place.
    pub(super) fn admits(&self, text: &[u8], at: usize) -> bool {
        self.empty || text.get(at).is_some_and(|&byte| self.holds(byte))
    }

    pub(super) fn either(&self, other: &First) -> First {
        let mut both = *self;
        for (mine, theirs) in both.bytes.iter_mut().zip(other.bytes) {
            *mine |= theirs;
        }
        both.empty |= other.empty;
        both.uncertain |= other.uncertain;
        both
    }

    /// The first bytes of this part with another behind it.
    pub(super) fn then(&self, following: &First) -> First {
        if !self.empty {
            return *self;
        }
        let mut both = self.either(following);
        both.empty = following.empty;
        both
    }

    pub(super) fn is_apart_from(&self, other: &First) -> bool {
        self.bytes
            .iter()
            .zip(other.bytes)
            .all(|(mine, theirs)| mine & theirs == 0)
    }
}
