//! The head of a text line: its time, level, logger and correlation id; the twin of `text_heads.py`.

use crate::general::Declined;
use crate::pattern::{Pattern, Scratch};
use crate::python_text::{first_characters, strip};
use crate::texts::{Form, HEAD_WORDS, Texts, Words};

/// Characters at the beginning of a text in which a head is looked for.
const LONGEST_HEAD: usize = 512;
const BLANKS: [char; 3] = [' ', '\t', '\u{feff}'];
const SEPARATORS: &[u8] = b" \t:|,]-";
const MOST_BLANKS: usize = 64;
const COMPOSE_WITHIN: usize = 106;
const SPAN_WITHIN: usize = 42;
const TRACE_AFTER: usize = 160;
const TRACE_WITHIN: usize = 512;
const MOST_PRIORITY: u32 = 191;
/// Texts that mean no value are shorter than this, fillers apart.
const SHORTEST_CERTAIN_ID: usize = 16;

/// The head of a text line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Head<'t> {
    /// The time as written; it may lack a date, a year or a zone.
    pub time: Option<&'t str>,
    pub level: Option<&'t str>,
    pub logger: Option<&'t str>,
    pub correlation_id: Option<&'t str>,
    /// Index at which the message begins.
    pub at: usize,
}

/// What the functions of this module need: the tables, texts that mean no value, and working memory.
pub struct Reader<'t> {
    pub texts: &'t Texts,
    pub placeholders: &'t [Vec<u8>],
    pub fillers: &'t [u8],
    pub scratch: Scratch,
}

fn word<'t>(words: &'t Words, word: &str) -> Option<&'t str> {
    const MOST: usize = 32;
    let mut lowered = [0; MOST];
    let lowered = lowered.get_mut(..word.len())?;
    lowered.copy_from_slice(word.as_bytes());
    lowered.make_ascii_lowercase();
    let lowered = std::str::from_utf8(lowered).ok()?;
    words.get(lowered).map(String::as_str)
}

/// Return the text of a group of the last match; `group` 0 stands for a group that the expression does not have.
fn group<'t>(scratch: &Scratch, text: &'t str, group: usize) -> Option<&'t str> {
    if group == 0 {
        return None;
    }
    scratch.group(group).map(|range| &text[range])
}

fn next(text: &str, at: usize) -> Option<char> {
    text[at..].chars().next()
}

impl<'t> Reader<'t> {
    /// Return an error if an answer is not certain.
    pub fn certain(&self) -> Result<(), Declined> {
        if self.scratch.doubt {
            return Err(Declined::Encoding);
        }
        Ok(())
    }

    /// Call a function with a reader of a text that the tables may outlive.
    pub fn for_text<'x, R>(&mut self, call: impl FnOnce(&mut Reader<'x>) -> R) -> R
    where
        't: 'x,
    {
        let mut inner = Reader {
            texts: self.texts,
            placeholders: self.placeholders,
            fillers: self.fillers,
            scratch: std::mem::take(&mut self.scratch),
        };
        let result = call(&mut inner);
        self.scratch = inner.scratch;
        result
    }

    /// True if a text begins with a match of an expression.
    pub fn matches(&mut self, pattern: &Pattern, text: &str) -> bool {
        pattern.match_at(text, 0, &mut self.scratch).is_some()
    }

    /// True if a whole text matches an expression.
    pub fn matches_whole(&mut self, pattern: &Pattern, text: &str) -> bool {
        pattern.full_match(text, 0, &mut self.scratch)
    }

    /// Return the named group of the last match of an expression.
    pub fn named<'x>(&self, pattern: &Pattern, text: &'x str, name: &str) -> Option<&'x str> {
        group(&self.scratch, text, pattern.named(name)?)
    }

    /// Return the level of a word in the schema's spelling.
    pub fn schema_level(&self, name: &str) -> Option<&'t str> {
        word(&self.texts.words[0], name)
    }

    fn doubt_digit(&mut self, character: Option<char>) {
        if character.is_some_and(|sign| !sign.is_ascii() && sign.is_numeric()) {
            self.scratch.doubt = true;
        }
    }

    /// True if an ASCII text means no value.
    pub fn is_placeholder(&self, text: &str) -> bool {
        let fillers =
            |sign: char| u8::try_from(sign).is_ok_and(|sign| self.fillers.contains(&sign));
        if text.chars().all(fillers) {
            return true;
        }
        text.len() < SHORTEST_CERTAIN_ID
            && self
                .placeholders
                .iter()
                .any(|word| word.eq_ignore_ascii_case(strip(text).as_bytes()))
    }

    /// Return the head of a text line; None if it has none that is known.
    pub fn head_of(&mut self, text: &'t str) -> Option<Head<'t>> {
        self.head_in(first_characters(text, LONGEST_HEAD))
    }

    fn head_in(&mut self, text: &'t str) -> Option<Head<'t>> {
        let mut start = 0;
        let mut first = next(text, 0)?;
        if BLANKS.contains(&first) {
            start = text
                .char_indices()
                .take(MOST_BLANKS)
                .find(|(_, sign)| !BLANKS.contains(sign))
                .map_or(0, |(at, _)| at);
            first = next(text, start)?;
        }
        let expressions = &self.texts.expressions;
        let heads = &self.texts.heads;
        match first {
            '0'..='9' => {
                if let Some(end) = expressions
                    .time_first
                    .match_at(text, start, &mut self.scratch)
                {
                    let time = self.named(&expressions.time_first, text, "time");
                    return Some(self.after_time(text, end, time));
                }
                return match expressions
                    .date_first
                    .match_at(text, start, &mut self.scratch)
                {
                    Some(end) => Some(self.after_time(text, end, None)),
                    None => self.first_of(&heads.digit, text, start),
                };
            }
            '[' => return self.first_of(&heads.bracket, text, start),
            '<' => {
                return self
                    .priority(text, start)
                    .or_else(|| self.first_of(&heads.angle, text, start));
            }
            '(' => return self.first_of(&heads.parenthesis, text, start),
            _ => {}
        }
        let first_word = &expressions.first_word;
        let head = match first_word.match_at(text, start, &mut self.scratch) {
            None => None,
            Some(end) => match self.forms_of_word(text, end, &text[start..end]) {
                Some(forms) => self.first_of(forms, text, start),
                None => None,
            },
        };
        if start > 0 && head.is_some_and(|head| head.time.is_none()) && first.is_ascii_lowercase() {
            return None; // a line of source code in a stack trace
        }
        if head.is_none() && first_characters(&text[start..], COMPOSE_WITHIN).contains('|') {
            return self.composed(text, start);
        }
        head
    }

    /// Return the head behind the service's name of Docker Compose.
    fn composed(&mut self, text: &'t str, start: usize) -> Option<Head<'t>> {
        let compose = &self.texts.expressions.compose;
        let end = compose.match_at(text, start, &mut self.scratch)?;
        let head = self.head_in(&text[end..])?;
        Some(Head {
            at: head.at + end,
            ..head
        })
    }

    /// Return the forms of heads that may begin with a word, which ends at `end`.
    fn forms_of_word(&self, text: &str, end: usize, first: &str) -> Option<&'t [Form]> {
        let heads = &self.texts.heads;
        let names = &self.texts.names;
        let lowered = first.to_ascii_lowercase();
        if self.texts.words[HEAD_WORDS].contains_key(&lowered) {
            return Some(heads.word.get(&lowered).unwrap_or(&heads.level));
        }
        if first.len() == 1 {
            return Some(&heads.letter);
        }
        let is_date = |listed: &[String]| listed.iter().any(|known| known == first);
        if first.len() == 3 && (is_date(&names.months) || is_date(&names.weekdays)) {
            return Some(&heads.date);
        }
        if let Some(forms) = heads.word.get(&lowered).filter(|forms| !forms.is_empty()) {
            return Some(forms);
        }
        matches!(text.as_bytes().get(end), Some(b'=' | b'_' | b'.')).then_some(&heads.pairs)
    }

    fn first_of(&mut self, forms: &'t [Form], text: &'t str, start: usize) -> Option<Head<'t>> {
        for form in forms {
            let Some(end) = form.pattern.match_at(text, start, &mut self.scratch) else {
                continue;
            };
            let mut level = None;
            match group(&self.scratch, text, form.level) {
                Some(name) => match word(&self.texts.words[form.words], name) {
                    Some(known) => level = Some(known),
                    None => continue,
                },
                None if form.level > 0 && form.time == 0 => continue,
                None => {}
            }
            return Some(self.head(text, end, form, level));
        }
        None
    }

    fn head(
        &mut self,
        text: &'t str,
        end: usize,
        form: &'t Form,
        level: Option<&'t str>,
    ) -> Head<'t> {
        let time = group(&self.scratch, text, form.time);
        let mut logger = group(&self.scratch, text, form.logger);
        let mut correlation_id = group(&self.scratch, text, form.id);
        let mut at = end;
        if logger.is_none() && level.is_some() && form.time > 0 && form.words == HEAD_WORDS {
            (at, logger) = self.logger(text, at);
        }
        if correlation_id.is_none() && text.as_bytes().get(at) == Some(&b'[') {
            correlation_id = self.bracketed_id(text, at);
        } else if correlation_id.is_some_and(|id| self.is_placeholder(id)) {
            correlation_id = None;
        }
        Head {
            time,
            level,
            logger,
            correlation_id,
            at,
        }
    }

    /// Return the head of a line that begins with a date and a time, which end at `end`.
    fn after_time(&mut self, text: &'t str, end: usize, time: Option<&'t str>) -> Head<'t> {
        let heads = &self.texts.heads;
        let following = text[end..]
            .chars()
            .take(3)
            .find(|&sign| sign != ' ' && sign != ',');
        self.doubt_digit(following);
        let sign = if following == Some('[') {
            following
        } else {
            next(text, end)
        };
        let forms = sign
            .and_then(|sign| heads.after_sign.get(&sign))
            .or_else(|| following.and_then(|sign| heads.after_sign.get(&sign)))
            .unwrap_or(if following.is_some_and(|sign| sign.is_ascii_digit()) {
                &heads.after_digit
            } else {
                &heads.after_letter
            });
        for form in forms {
            let Some(rest) = form.pattern.match_at(text, end, &mut self.scratch) else {
                continue;
            };
            let mut level = None;
            if form.level > 0 {
                let name = group(&self.scratch, text, form.level).unwrap_or("");
                match word(&self.texts.words[form.words], name) {
                    Some(known) => level = Some(known),
                    None => continue,
                }
            }
            let mut logger = group(&self.scratch, text, form.logger);
            let id = group(&self.scratch, text, form.id);
            let mut at = rest;
            if logger.is_none() && level.is_some() && form.words == HEAD_WORDS {
                (at, logger) = self.logger(text, at);
            }
            let correlation_id = if form.id > 0 {
                id
            } else {
                self.trace(text, end, at)
            };
            return Head {
                time,
                level,
                logger,
                correlation_id,
                at,
            };
        }
        let blanks = text[end..].bytes().take_while(|byte| b" \t".contains(byte));
        Head {
            time,
            at: end + blanks.count(),
            ..Head::default()
        }
    }

    /// Return where the message begins after a level, and the logger before it.
    fn logger(&mut self, text: &'t str, at: usize) -> (usize, Option<&'t str>) {
        let separators = text[at..]
            .bytes()
            .take_while(|byte| SEPARATORS.contains(byte));
        let at = at + separators.count();
        let first = next(text, at);
        self.doubt_digit(first);
        let expressions = &self.texts.expressions;
        let pattern = match first {
            Some('[') => &expressions.logger_bracket,
            Some('0'..='9') => &expressions.logger_digit,
            _ => return self.named_logger(text, at),
        };
        match pattern.match_at(text, at, &mut self.scratch) {
            None => (at, None),
            Some(end) => {
                let name = pattern
                    .names()
                    .find_map(|(_, number)| group(&self.scratch, text, number));
                (end, name)
            }
        }
    }

    /// Return where the message begins, and the logger if a name stands before it.
    fn named_logger(&mut self, text: &'t str, mut at: usize) -> (usize, Option<&'t str>) {
        let expressions = &self.texts.expressions;
        if first_characters(&text[at..], SPAN_WITHIN).contains('{')
            && let Some(end) = expressions.span.match_at(text, at, &mut self.scratch)
        {
            at = end;
        }
        let Some(end_of_match) = expressions.logger.match_at(text, at, &mut self.scratch) else {
            return (at, None);
        };
        if text.as_bytes().get(end_of_match) != Some(&b' ') {
            return (at, None);
        }
        let name = self.named(&expressions.logger, text, "name").unwrap_or("");
        let end = self.named(&expressions.logger, text, "end");
        let inner = name.get(1..name.len().saturating_sub(1)).unwrap_or("");
        let begins_lower = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        let is_name = match end {
            None => inner.contains(['.', ':']),
            Some(end) => end != ":" || begins_lower || !is_lower(inner),
        };
        let is_level = word(&self.texts.words[HEAD_WORDS], name).is_some();
        if !is_name || is_level || (end.is_none() && !begins_lower) {
            return (at, None);
        }
        (end_of_match + 1, Some(name))
    }

    /// Return the trace or request id in the brackets of a head.
    fn trace(&mut self, text: &'t str, start: usize, at: usize) -> Option<&'t str> {
        let bytes = text.as_bytes();
        if !bytes[start..bytes.len().min(at + 1)].contains(&b'[') {
            return None;
        }
        let after = at + first_characters(&text[at..], TRACE_AFTER).len();
        let within = start + first_characters(&text[start..], TRACE_WITHIN).len();
        let head = &text[start..after.min(within)];
        let trace = &self.texts.expressions.trace;
        let range = trace.search(head, 0, &mut self.scratch)?;
        let id = self.named(trace, head, "id")?;
        (range.start <= at - start && is_id(id)).then_some(id)
    }

    fn bracketed_id(&mut self, text: &'t str, at: usize) -> Option<&'t str> {
        let tag = &self.texts.expressions.rails_tag;
        tag.match_at(text, at, &mut self.scratch)?;
        self.named(tag, text, "id").filter(|id| is_id(id))
    }

    fn priority(&mut self, text: &'t str, start: usize) -> Option<Head<'t>> {
        let pattern = &self.texts.expressions.priority;
        let at = pattern.match_at(text, start, &mut self.scratch)?;
        let priority: u32 = self.named(pattern, text, "priority")?.parse().ok()?;
        if priority > MOST_PRIORITY {
            return None;
        }
        Some(Head {
            time: self.named(pattern, text, "time"),
            level: self.syslog_level(priority),
            logger: self.named(pattern, text, "logger"),
            correlation_id: None,
            at,
        })
    }

    /// Return the level of a syslog priority.
    pub fn syslog_level(&self, priority: u32) -> Option<&'t str> {
        let levels = &self.texts.names.syslog_levels;
        levels.get(priority as usize & 7).map(String::as_str)
    }
}

/// True if a text holds more than zeros and dashes.
fn is_id(text: &str) -> bool {
    text.bytes().any(|byte| byte != b'0' && byte != b'-')
}

/// `str.islower` of an ASCII text.
fn is_lower(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}
