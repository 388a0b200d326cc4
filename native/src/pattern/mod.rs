//! The regular expressions of the Python chain, executed with the meaning that they have in Python.
//!
//! Both chains execute one table of expressions. The `regex` crate has no look-around and no possessive repeats, and it
//! copies the states of a repeat with large bounds thousands of times. This matcher backtracks as Python's does and
//! returns the same matches and groups. A repeat that cannot gain from backtracking, because what follows cannot begin
//! with one of its characters, is made possessive when it is read, and alternatives are selected by their first byte.
//!
//! A match is given up after a number of steps in proportion to the text, and wherever Python's answer depends on the
//! properties of a character that are not known here. Both set `Scratch::doubt`: the caller then declines the text.

mod class;
mod compile;
mod read;
mod run;

pub use compile::Pattern;
pub use read::Flags;
pub use run::Scratch;

#[cfg(test)]
mod tests {
    use super::{Flags, Pattern, Scratch};

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
        for number in 1..=pattern.count() {
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
