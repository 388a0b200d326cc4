//! The rule for names; the twin of `redact_names.py`.

use std::collections::HashSet;

use crate::redact::{Kind, last_characters};
use crate::secrets::Keywords;

const LONGEST_NAME: usize = 100;
/// Least letters of a listed word that counts anywhere in a word, and at its end.
const ANYWHERE: usize = 6;
const AT_END: usize = 5;

/// A name of the list.
pub struct Listed {
    words: Vec<String>,
    joined: String,
    kind: Kind,
}

#[derive(Default)]
pub struct NameRule {
    pub listed: Vec<Listed>,
    /// The words before the last one of the names of several words.
    pub heads: Vec<String>,
    pub endings: HashSet<String>,
    pub harmless: Vec<String>,
    pub query: HashSet<String>,
    pub query_ending: String,
}

/// Return the words of a name in lower case, an empty one between two characters that are in no word.
pub fn split_name(name: &str) -> Vec<String> {
    let bytes = name.as_bytes();
    let mut words = vec![String::new()];
    for (at, character) in name.char_indices() {
        if at > 0 && is_boundary(bytes, at) {
            words.push(String::new());
        }
        if character.is_ascii_alphanumeric() || !character.is_ascii() {
            if let Some(word) = words.last_mut() {
                word.push(character.to_ascii_lowercase());
            }
        } else {
            words.push(String::new());
        }
    }
    words
}

/// True between two words that no other character separates: at a change of case, and around digits.
fn is_boundary(bytes: &[u8], at: usize) -> bool {
    let (before, byte) = (bytes[at - 1], bytes[at]);
    let after = bytes.get(at + 1).copied().unwrap_or(0);
    (before.is_ascii_lowercase() && (byte.is_ascii_uppercase() || byte.is_ascii_digit()))
        || (before.is_ascii_uppercase() && byte.is_ascii_digit())
        || (before.is_ascii_digit() && byte.is_ascii_alphabetic())
        || (before.is_ascii_uppercase() && byte.is_ascii_uppercase() && after.is_ascii_lowercase())
}

fn is(word: &str, other: &str) -> bool {
    word == other || word.strip_suffix('s') == Some(other)
}

fn ends(word: &str, end: &str) -> bool {
    word.ends_with(end)
        || word
            .strip_suffix('s')
            .is_some_and(|word| word.ends_with(end))
}

impl Listed {
    pub fn new(words: Vec<String>, kind: Kind) -> Listed {
        let joined = words.concat();
        Listed {
            words,
            joined,
            kind,
        }
    }

    /// Return the number of the word after the last occurrence in a name's words.
    fn end_in(&self, words: &[String], harmless: &[String]) -> Option<usize> {
        let count = self.words.len();
        (1..=words.len()).rev().find(|&end| {
            let last = &words[end - 1];
            if is(last, &self.joined) || (self.joined.len() >= AT_END && ends(last, &self.joined)) {
                return true;
            }
            if count == 1 {
                return self.joined.len() >= ANYWHERE
                    && last.contains(&self.joined)
                    && !harmless.iter().any(|stem| last.starts_with(stem.as_str()));
            }
            end >= count
                && is(last, &self.words[count - 1])
                && words[end - count..end - 1] == self.words[..count - 1]
        })
    }
}

impl NameRule {
    /// Add a name to the list.
    pub fn add(&mut self, words: Vec<String>, kind: Kind) {
        for head in &words[..words.len().saturating_sub(1)] {
            if !self.heads.contains(head) {
                self.heads.push(head.clone());
            }
        }
        self.listed.push(Listed::new(words, kind));
    }

    /// Return what a name stands for; with `at_end`, only if its last word says so.
    pub fn kind(&self, name: &str, at_end: bool, keywords: &Keywords) -> Kind {
        if !keywords.in_name(name.as_bytes()) {
            return Kind::Nothing;
        }
        let mut words = split_name(last_characters(name, LONGEST_NAME));
        let numbered = words.clone();
        let is_number = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
        while words.len() > 1 && words.last().is_some_and(is_number) {
            words.pop();
        }
        let kind = self.of(&words, at_end);
        if kind == Kind::Nothing && words != numbered {
            return self.of(&numbered, at_end);
        }
        kind
    }

    fn of(&self, words: &[String], at_end: bool) -> Kind {
        let describes = at_end || words.last().is_some_and(|last| self.endings.contains(last));
        let listed = self.listed.iter().find(|listed| {
            let end = listed.end_in(words, &self.harmless);
            end.is_some_and(|end| end == words.len() || !describes)
        });
        listed.map_or(Kind::Nothing, |listed| listed.kind)
    }

    /// Return the same for the name of a parameter of a query.
    pub fn query_kind(&self, name: &str) -> Kind {
        if self.listed.is_empty() {
            return Kind::Nothing;
        }
        let words = split_name(last_characters(name, LONGEST_NAME));
        let is_secret =
            words.last() == Some(&self.query_ending) || self.query.contains(&words.concat());
        if is_secret {
            Kind::Password
        } else {
            Kind::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_case_and_digits() {
        let split = |name: &str| split_name(name).join(" ");
        assert_eq!(split("passwordConfirm"), "password confirm");
        assert_eq!(split("X-Auth-Token"), "x auth token");
        assert_eq!(split("APIKey2x"), "api key 2 x");
        assert_eq!(split("a__b"), "a  b");
        assert_eq!(split("éTé"), "éTé".to_ascii_lowercase());
    }

    #[test]
    fn listed_words_are_found_in_their_place() {
        let listed = |words: &[&str]| {
            Listed::new(
                words.iter().map(|word| (*word).to_owned()).collect(),
                Kind::Field,
            )
        };
        let end =
            |listed: &Listed, name: &str| listed.end_in(&split_name(name), &["secretar".into()]);
        assert_eq!(end(&listed(&["secret"]), "thesecretkey"), Some(1));
        assert_eq!(end(&listed(&["secret"]), "secretary"), None);
        assert_eq!(end(&listed(&["token"]), "authtokens_x"), Some(1));
        assert_eq!(end(&listed(&["token"]), "tokenizer"), None);
        assert_eq!(end(&listed(&["api", "key"]), "my_api_keys"), Some(3));
        assert_eq!(end(&listed(&["api", "key"]), "myapikey"), Some(1));
        assert_eq!(end(&listed(&["pin"]), "shipping"), None);
    }
}
