//! Batches of ordinary lines of a chunk: rendered, with ids from their digests, and grouped for the counters.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

use crate::block::Block;
use crate::line::{Log, OrdinaryLine, Scratch, read};
use crate::runtime::Stream;
use crate::settings::Settings;

pub const DIGEST_SIZE: usize = 14;
/// Most bytes of a block, so that 32 bits suffice for its ranges.
const LARGEST_BLOCK: usize = 1 << 30;

/// Initial capacity of a block in bytes.
const CAPACITY: usize = 16 * 1024;

/// The effect on the counters of a group of events that no rule can distinguish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupEffect {
    /// The rules are not evaluated for it yet.
    Unknown,
    /// Adds nothing to any counter, wherever it is logged.
    NoEffect,
    /// Adds the same for each of its events.
    Constant,
    /// The rules must be evaluated for each event.
    EvaluateEach,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// All lines were processed.
    End,
    /// The next line is not ordinary: it takes the Python path.
    PythonPath,
    /// The next line is of a group for which the rules are not evaluated yet.
    Unknown(u32),
    /// The block has its largest size.
    Full,
}

/// The groups of one chain, shared by its threads.
#[derive(Default)]
pub struct Groups {
    places: HashMap<Box<[u8]>, u32>,
    effects: Vec<GroupEffect>,
}

impl Groups {
    fn place(&mut self, key: &[u8]) -> u32 {
        if let Some(&place) = self.places.get(key) {
            return place;
        }
        let place = self.effects.len() as u32;
        self.places.insert(key.into(), place);
        self.effects.push(GroupEffect::Unknown);
        place
    }

    fn known(&self, key: &[u8]) -> Option<(u32, GroupEffect)> {
        let place = *self.places.get(key)?;
        Some((place, self.effects[place as usize]))
    }

    pub fn set_effect(&mut self, group: u32, effect: GroupEffect) -> bool {
        self.effects
            .get_mut(group as usize)
            .map(|known| *known = effect)
            .is_some()
    }

    pub fn len(&self) -> usize {
        self.effects.len()
    }
}

/// The number of events of each group in one scan.
#[derive(Default)]
struct Counts {
    counts: Vec<u64>,
    touched: Vec<u32>,
}

impl Counts {
    fn add(&mut self, group: u32) {
        let place = group as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        if self.counts[place] == 0 {
            self.touched.push(group);
        }
        self.counts[place] += 1;
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        let counts = &mut self.counts;
        self.touched
            .drain(..)
            .map(|group| (group, std::mem::take(&mut counts[group as usize])))
            .collect()
    }
}

/// The last digest of a log, and the number of equal neighbours before its record.
#[derive(Clone)]
pub struct Last {
    pub digest: Vec<u8>,
    pub ordinal: u64,
}

pub struct Scanned {
    /// Bytes of the processed lines.
    pub taken: usize,
    pub stop: Stop,
    pub block: Block,
    pub counted: Vec<(u32, u64)>,
    pub last: Last,
    /// The digest of the first line, without regard to the line before it; empty without lines.
    pub first: Vec<u8>,
    /// The runtime's time of the last line; empty without lines.
    pub seen: Vec<u8>,
}

/// Memory that one thread uses for one scan after another.
#[derive(Default)]
pub struct Buffers {
    scratch: Scratch,
    hashed: Vec<u8>,
    counts: Counts,
}

/// Process lines from the beginning of `lines` up to the first that is not ordinary. `idle` streams have no partial entry.
#[allow(clippy::too_many_arguments)]
pub fn scan(
    lines: &[u8],
    offset: u64,
    seed: &[u8],
    log: &Log,
    idle: [bool; 2],
    last: Last,
    settings: &Settings,
    groups: &RwLock<Groups>,
    buffers: &mut Buffers,
) -> Scanned {
    let known = groups.read().unwrap_or_else(PoisonError::into_inner);
    let mut is_new = false;
    let mut block = Block::with_capacity(lines.len().min(CAPACITY));
    let mut taken: Vec<(usize, usize, OrdinaryLine)> = Vec::new();
    let mut at = 0;
    let mut stop = Stop::End;
    while at < lines.len() {
        let Some(length) = memchr::memchr(b'\n', &lines[at..]) else {
            stop = Stop::PythonPath;
            break;
        };
        if block.bytes.len() > LARGEST_BLOCK {
            stop = Stop::Full;
            break;
        }
        let before = block.rows.len();
        let line = &lines[at..at + length];
        let line_read = read(
            line,
            offset + at as u64,
            settings,
            log,
            &mut buffers.scratch,
            &mut block,
        );
        let Some(ordinary) = line_read.filter(|ordinary| idle[ordinary.stream as usize]) else {
            if block.rows.len() > before {
                block.remove_last();
            }
            stop = Stop::PythonPath;
            break;
        };
        match known.known(&buffers.scratch.group) {
            Some((_, GroupEffect::NoEffect)) => {}
            Some((group, GroupEffect::Constant)) => buffers.counts.add(group),
            other => {
                block.remove_last();
                match other {
                    Some((_, GroupEffect::EvaluateEach)) => stop = Stop::PythonPath,
                    Some((group, _)) => stop = Stop::Unknown(group),
                    None => is_new = true,
                }
                break;
            }
        }
        taken.push((at, at + length, ordinary));
        at += length + 1;
    }
    drop(known);
    if is_new {
        let mut groups = groups.write().unwrap_or_else(PoisonError::into_inner);
        stop = Stop::Unknown(groups.place(&buffers.scratch.group));
    }
    let seen = taken.last().map_or(Vec::new(), |(begin, _, line)| {
        lines[begin + line.runtime.0..begin + line.runtime.1].to_vec()
    });
    let (first, last) = assign_ids(lines, seed, &taken, &mut block, last, buffers);
    block.bytes.shrink_to_fit();
    block.rows.shrink_to_fit();
    Scanned {
        taken: at,
        stop,
        block,
        counted: buffers.counts.take(),
        last,
        first,
        seen,
    }
}

/// Set each document's id: the digest of its log's seed, its record in canonical form, and its ordinal among equal
/// neighbours. Returns the first and the last digest.
fn assign_ids(
    lines: &[u8],
    seed: &[u8],
    taken: &[(usize, usize, OrdinaryLine)],
    block: &mut Block,
    mut last: Last,
    buffers: &mut Buffers,
) -> (Vec<u8>, Last) {
    let params = digests();
    let hashed = &mut buffers.hashed;
    hashed.clear();
    let mut ends = Vec::with_capacity(taken.len());
    for &(begin, end, ref record) in taken {
        hashed.extend_from_slice(seed);
        canonical(&lines[begin..end], record, hashed);
        ends.push(hashed.len());
    }
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let mut jobs: Vec<HashManyJob> = begins
        .zip(&ends)
        .map(|(begin, &end)| HashManyJob::new(&params, &hashed[begin..end]))
        .collect();
    hash_many(jobs.iter_mut());
    let first = jobs
        .first()
        .map_or(Vec::new(), |job| job.to_hash().as_bytes().to_vec());
    for (row, (job, (_, _, record))) in jobs.iter().zip(taken).enumerate() {
        let digest = job.to_hash();
        if digest.as_bytes() == last.digest {
            last.ordinal += 1;
            let mut neighbour = params.to_state();
            neighbour
                .update(seed)
                .update(b"=")
                .update(digest.as_bytes());
            neighbour
                .update(&last.ordinal.to_be_bytes())
                .update(&[0; 8]);
            block.set_id(row, record.runtime_ms, neighbour.finalize().as_bytes());
        } else {
            block.set_id(row, record.runtime_ms, digest.as_bytes());
            last = Last {
                digest: digest.as_bytes().to_vec(),
                ordinal: 0,
            };
        }
    }
    (first, last)
}

/// Append `TIME STREAM F TEXT` in the form of `record_id.canonical_record`: the time in UTC without trailing zeros, and the text
/// without the envelope's escapes; an ordinary line has escapes of quotes only.
fn canonical(line: &[u8], record: &OrdinaryLine, into: &mut Vec<u8>) {
    let time = &line[record.runtime.0..record.runtime.1 - 1];
    let zeros = time
        .iter()
        .rev()
        .take_while(|&&digit| digit == b'0')
        .count();
    into.extend_from_slice(&time[..time.len() - zeros]);
    into.extend_from_slice(match record.stream {
        Stream::Stdout => b" stdout F ",
        Stream::Stderr => b" stderr F ",
    });
    let text = &line[record.text.0..record.text.1];
    let begin = into.len();
    into.resize(begin + text.len(), 0);
    let target = &mut into[begin..];
    let mut length = 0usize;
    for &byte in text {
        target[length] = byte; // no branch, since escapes are frequent
        length = length.wrapping_add(usize::from(byte != b'\\'));
    }
    into.truncate(begin + length);
}

fn digests() -> Params {
    let mut params = Params::new();
    params.hash_length(DIGEST_SIZE);
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{read as plan, sample};
    use crate::runtime::Runtime;
    use crate::time_zones::Zone;

    struct Fixture {
        settings: Settings,
        groups: RwLock<Groups>,
        log: Log,
    }

    fn fixture() -> Fixture {
        let tail = b",\"log\":{\"offset\":".to_vec();
        Fixture {
            settings: plan(&sample()).unwrap(),
            groups: RwLock::default(),
            log: Log {
                runtime: Runtime::Cri,
                tails: [tail.clone(), tail],
                salt: 0,
                begins: true,
                zone: Zone::default(),
            },
        }
    }

    impl Fixture {
        fn scan(&mut self, lines: &str, idle: [bool; 2]) -> Scanned {
            let last = Last {
                digest: Vec::new(),
                ordinal: 0,
            };
            let buffers = &mut Buffers::default();
            scan(
                lines.as_bytes(),
                0,
                b"c1",
                &self.log,
                idle,
                last,
                &self.settings,
                &self.groups,
                buffers,
            )
        }

        /// Scan until no group is unknown; each unknown one gets `effect`.
        fn scan_with(&mut self, lines: &str, effect: GroupEffect) -> Scanned {
            loop {
                let scanned = self.scan(lines, [true, true]);
                let Stop::Unknown(group) = scanned.stop else {
                    return scanned;
                };
                assert!(self.groups.write().unwrap().set_effect(group, effect));
            }
        }
    }

    fn line(event: &str, message: &str) -> String {
        let text = format!(r#"{{"correlation_id":"a","event":"{event}","message":"{message}"}}"#);
        format!("2026-11-23T10:00:00.5Z stdout F {text}\n")
    }

    #[test]
    fn events_that_no_rule_distinguishes_are_one_group() {
        let mut fixture = fixture();
        let lines = [
            line("a", "export done"),
            line("a", "exported"),
            line("a", "no"),
            line("b", "no"),
        ]
        .concat();
        let scanned = fixture.scan_with(&lines, GroupEffect::Constant);
        assert_eq!(scanned.stop, Stop::End);
        assert_eq!(scanned.taken, lines.len());
        assert_eq!(scanned.counted, [(0, 2), (1, 1), (2, 1)]);
        assert_eq!(fixture.groups.read().unwrap().len(), 3);
    }

    #[test]
    fn a_group_without_effect_adds_nothing_and_one_to_evaluate_stops_the_scan() {
        let mut fixture = fixture();
        let lines = [line("a", "x"), line("a", "y")].concat();
        assert!(
            fixture
                .scan_with(&lines, GroupEffect::NoEffect)
                .counted
                .is_empty()
        );
        assert!(
            fixture
                .groups
                .write()
                .unwrap()
                .set_effect(0, GroupEffect::EvaluateEach)
        );
        let scanned = fixture.scan(&lines, [true, true]);
        assert_eq!(
            (scanned.stop, scanned.taken, scanned.block.rows.len()),
            (Stop::PythonPath, 0, 0)
        );
        assert!(scanned.block.bytes.is_empty());
        assert!(
            !fixture
                .groups
                .write()
                .unwrap()
                .set_effect(9, GroupEffect::NoEffect)
        );
    }

    #[test]
    fn the_scan_stops_before_a_line_that_is_not_ordinary() {
        let mut fixture = fixture();
        let first = line("a", "x");
        let lines = format!("{first}2026-11-23T10:00:00.5Z stdout F plain words\n{first}");
        let scanned = fixture.scan_with(&lines, GroupEffect::NoEffect);
        assert_eq!(
            (scanned.stop, scanned.taken),
            (Stop::PythonPath, first.len())
        );
        assert_eq!(scanned.seen, b"2026-11-23T10:00:00.5Z");
        let partial = &first[..first.len() - 1];
        assert_eq!(
            fixture.scan(partial, [true, true]).stop,
            Stop::PythonPath,
            "a line without its newline"
        );
        assert_eq!(
            fixture.scan(&first, [false, true]).taken,
            0,
            "a stream with a partial entry"
        );
    }

    #[test]
    fn each_document_has_its_own_id() {
        let mut fixture = fixture();
        let lines = [
            line("a", "x"),
            line("a", "x"),
            line("a", "y"),
            line("a", "x"),
        ]
        .concat();
        let scanned = fixture.scan_with(&lines, GroupEffect::NoEffect);
        let ids: Vec<_> = scanned.block.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), 4);
        assert_ne!(ids[0], ids[1], "equal neighbours have different ids");
        assert_eq!(ids[0], ids[3], "the same line elsewhere has the same id");
        assert_eq!(ids[0][..6], 1_795_428_000_500_i64.to_be_bytes()[2..]);
        let again = fixture.scan(&lines, [true, true]);
        assert!(again.block.rows.iter().map(|row| row.id).eq(ids));
        assert_eq!(again.last.digest.len(), DIGEST_SIZE);
    }
}
