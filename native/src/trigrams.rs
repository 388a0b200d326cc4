//! A filter before the search for many words: texts that hold none of them are told by one pass without branches.
//!
//! Of each word, one sequence of three characters is chosen, the one that is rarest in logs. A text without any of these
//! holds no word.

/// Bits of the class of a character.
const CLASS_BITS: usize = 5;
const WINDOW: usize = (1 << (3 * CLASS_BITS)) - 1;
const WORDS: usize = (WINDOW + 1) / 64;
/// Number of characters after which the result is tested.
const STRIDE: usize = 64;

/// Texts of common logs: sequences that occur here are avoided.
const COMMON: &str = "GET POST /api/v1/patients/ request completed for the patient record started processing received \
    response in ms status level info warning error debug message timestamp correlation_id client_ip user_id http_access \
    connection to database closed established timeout retrying after attempt failed successfully loaded configuration \
    server listening on port worker thread job queue task finished took seconds cache miss hit updated created deleted \
    Traceback (most recent call last): File \"/srv/app/main.py\", line, in step exception ValueError: not found invalid \
    application context service module process statement SELECT FROM WHERE INSERT INTO transaction commit shard \
    org.springframework.web.servlet java.lang.String com.example.controller production region instance container version \
    content-type application/json accept user-agent Mozilla host letter sent ward cardiology tenant encounter appointment \
    schedule export import report device pass assign class address mapping shipping provider history string ending \
    request_complete status_code error_code http_status request_id trace_id span_id duration_ms response_bytes \
    func_name thread_name logger_name lineno pathname remote_addr http_method user_agent http_user_agent last_seen \
    first_seen event_type error_type error_message exception @timestamp x_forwarded_for test_ best_effort cost_ms \
    encoding code coded coding decode unicode codec database basis based stock token addition added ready ms at a 200 \
    2026-11-23T10:00:00.123Z 4f2a89b1-414c-443c-a027-c4d1c386bbc4 10.20.30.40 0.25 12 abc-1 v1.2.3";

/// The class of a character: letters by themselves in any letter case, digits together, signs of names by themselves.
const CLASS: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            letter @ b'a'..=b'z' => letter - b'a' + 1,
            letter @ b'A'..=b'Z' => letter - b'A' + 1,
            b'0'..=b'9' => 27,
            b'_' => 28,
            b'-' | b'=' => 29,
            b'.' => 30,
            b' ' => 31,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// The chosen sequences of a set of words.
pub struct Trigrams {
    /// One bit for each sequence of three classes.
    bits: Box<[u64; WORDS]>,
    /// True if a word is too short to be recognised.
    always: bool,
}

impl Trigrams {
    pub fn of(words: &[&[u8]]) -> Trigrams {
        let mut counts = vec![0usize; WINDOW + 1];
        for place in places(COMMON.as_bytes()) {
            counts[place] += 1;
        }
        let mut bits = Box::new([0; WORDS]);
        let mut always = false;
        for word in words {
            let is_chosen = |place: &usize| bits[place / 64] >> (place % 64) & 1 == 1;
            match places(word).min_by_key(|place| (counts[*place], !is_chosen(place))) {
                Some(place) => bits[place / 64] |= 1 << (place % 64),
                None => always = true,
            }
        }
        Trigrams { bits, always }
    }

    /// False if a text certainly holds none of the words.
    #[inline]
    pub fn may_hold(&self, text: &[u8]) -> bool {
        let mut window = 0;
        let mut found = u64::from(self.always);
        for part in text.chunks(STRIDE) {
            for &byte in part {
                window = (window << CLASS_BITS | usize::from(CLASS[usize::from(byte)])) & WINDOW;
                found |= self.bits[window / 64] >> (window % 64);
            }
            if found & 1 == 1 {
                return true;
            }
        }
        found & 1 == 1
    }
}

/// Return the sequences of a word, as places of bits.
fn places(word: &[u8]) -> impl Iterator<Item = usize> {
    word.windows(3).map(|three| {
        three.iter().fold(0, |place, &byte| {
            place << CLASS_BITS | usize::from(CLASS[usize::from(byte)])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_in_any_letter_case_and_place() {
        let words: Vec<&[u8]> = vec![
            b"password",
            b"pin",
            b"api_key",
            b"api key",
            b"sk-",
            b"-----begin",
            b"code=",
        ];
        let trigrams = Trigrams::of(&words);
        for word in words {
            for place in [0, 1, 2, 61, 62, 63, 64, 65, 200] {
                let text = [&b"x".repeat(place)[..], &word.to_ascii_uppercase(), b" y"].concat();
                assert!(trigrams.may_hold(&text), "{text:?}");
                assert!(trigrams.may_hold(&text.to_ascii_lowercase()), "{text:?}");
            }
        }
        for text in [
            "",
            "a",
            "GET /api/v1/patients/17",
            "request_complete",
            "10.1.2.3",
            "2026-11-23T10:00:00.123Z",
        ] {
            assert!(!trigrams.may_hold(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_word_of_two_characters_excludes_no_text() {
        assert!(Trigrams::of(&[b"pw"]).may_hold(b"x") && !Trigrams::of(&[]).may_hold(b"xyz"));
    }
}
