//! Batches of lines of a chunk: rendered, with ids from their digests, and grouped for the counters.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

use crate::block::{Block, Blocks};
use crate::general::{Declined, Halt, process};
use crate::line::{Log, PathLine, Scratch, read};
use crate::settings::Settings;
use crate::violation::{Kind, Policy};

pub const DIGEST_SIZE: usize = 14;
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
    /// The next line is declined: it takes the Python path.
    PythonPath(Declined),
    /// The next line is of a group for which the rules are not evaluated yet.
    Unknown(u32),
    /// The batch has no room for the document of the next line.
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

/// Outcomes of events with an id, and of those without one that they must have.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct IdCounts {
    pub without: u64,
    pub accepted: u64,
    pub quarantined: u64,
    pub dropped: u64,
}

pub struct Scanned {
    /// Bytes of the processed lines.
    pub taken: usize,
    pub lines: usize,
    /// Lines without a document.
    pub dropped: usize,
    pub stop: Stop,
    pub blocks: Vec<Block>,
    pub counted: Vec<(u32, u64)>,
    /// By `Kind`.
    pub violations: [u64; Kind::ALL.len()],
    pub ids: IdCounts,
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

/// Place and time of a processed line's document.
struct Taken {
    /// End of its record in the hashed bytes.
    end: usize,
    runtime_ms: i64,
    /// Its block, and its row there.
    row: Option<(usize, usize)>,
}

/// Process lines from the beginning of `lines` up to the first that is declined. `idle` streams have no partial entry.
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
    let Buffers {
        scratch,
        hashed,
        counts,
    } = buffers;
    let known = groups.read().unwrap_or_else(PoisonError::into_inner);
    let mut is_new = false;
    let mut blocks = Blocks::default();
    let mut taken: Vec<Taken> = Vec::new();
    let mut tally = Tally::default();
    let mut seen = (0, 0);
    let mut at = 0;
    let mut stop = Stop::End;
    hashed.clear();
    while at < lines.len() {
        let Some(length) = memchr::memchr(b'\n', &lines[at..]) else {
            stop = Stop::PythonPath(Declined::Envelope);
            break;
        };
        let line = &lines[at..at + length];
        let path_line = match process_line(
            line,
            offset + at as u64,
            idle,
            settings,
            log,
            scratch,
            &mut blocks,
        ) {
            Ok(path_line) => path_line,
            Err(Halt::Full) if !taken.is_empty() => {
                stop = Stop::Full;
                break;
            }
            Err(Halt::Full) => {
                stop = Stop::PythonPath(Declined::Envelope);
                break;
            }
            Err(Halt::Declined(reason)) => {
                stop = Stop::PythonPath(reason);
                break;
            }
        };
        match known.known(&scratch.group) {
            Some((_, GroupEffect::NoEffect)) => {}
            Some((group, GroupEffect::Constant)) => counts.add(group),
            other => {
                if let Some(block) = path_line.block {
                    blocks.blocks[block].remove_last();
                }
                match other {
                    Some((_, GroupEffect::EvaluateEach)) => {
                        stop = Stop::PythonPath(Declined::Rules);
                    }
                    Some((group, _)) => stop = Stop::Unknown(group),
                    None => is_new = true,
                }
                break;
            }
        }
        tally.add(scratch);
        hashed.extend_from_slice(seed);
        hashed.extend_from_slice(&scratch.canonical);
        let row = path_line
            .block
            .map(|block| (block, blocks.blocks[block].rows.len() - 1));
        tally.dropped += usize::from(row.is_none());
        taken.push(Taken {
            end: hashed.len(),
            runtime_ms: path_line.runtime_ms,
            row,
        });
        seen = (at + path_line.runtime.0, at + path_line.runtime.1);
        at += length + 1;
    }
    drop(known);
    if is_new {
        let mut groups = groups.write().unwrap_or_else(PoisonError::into_inner);
        stop = Stop::Unknown(groups.place(&scratch.group));
    }
    let (first, last) = assign_ids(hashed, seed, &taken, &mut blocks.blocks, last);
    let mut blocks = blocks.blocks;
    blocks.retain(|block| !block.rows.is_empty());
    for block in &mut blocks {
        block.bytes.shrink_to_fit();
        block.rows.shrink_to_fit();
    }
    Scanned {
        taken: at,
        lines: taken.len(),
        dropped: tally.dropped,
        stop,
        blocks,
        counted: counts.take(),
        violations: tally.violations,
        ids: tally.ids,
        last,
        first,
        seen: lines[seen.0..seen.1].to_vec(),
    }
}

fn process_line(
    line: &[u8],
    offset: u64,
    idle: [bool; 2],
    settings: &Settings,
    log: &Log,
    scratch: &mut Scratch,
    blocks: &mut Blocks,
) -> Result<PathLine, Halt> {
    let ordinary = read(line, offset, settings, log, scratch, blocks);
    let path_line = match ordinary {
        Some(path_line) => path_line,
        None => process(line, offset, settings, log, scratch, blocks)?,
    };
    if idle[path_line.stream as usize] {
        return Ok(path_line);
    }
    if let Some(block) = path_line.block {
        blocks.blocks[block].remove_last();
    }
    Err(Halt::Declined(Declined::Joined))
}

/// What a batch adds to the metrics of violations and ids.
#[derive(Default)]
struct Tally {
    violations: [u64; Kind::ALL.len()],
    ids: IdCounts,
    dropped: usize,
}

impl Tally {
    fn add(&mut self, line: &Scratch) {
        for &kind in &line.violations {
            self.violations[kind as usize] += 1;
        }
        if !line.is_structured {
            return;
        }
        self.ids.without += u64::from(!line.has_id);
        if line.has_id || line.needs_id {
            let outcome = match line.policy {
                Policy::Allow | Policy::Flag => &mut self.ids.accepted,
                Policy::Drop => &mut self.ids.dropped,
                Policy::Quarantine => &mut self.ids.quarantined,
            };
            *outcome += 1;
        }
    }
}

/// Set each document's id: the digest of its log's seed, its record in canonical form, and its ordinal among equal
/// neighbours. Returns the first and the last digest.
fn assign_ids(
    hashed: &[u8],
    seed: &[u8],
    taken: &[Taken],
    blocks: &mut [Block],
    mut last: Last,
) -> (Vec<u8>, Last) {
    let params = digests();
    let begins = std::iter::once(0).chain(taken.iter().map(|line| line.end));
    let mut jobs: Vec<HashManyJob> = begins
        .zip(taken)
        .map(|(begin, line)| HashManyJob::new(&params, &hashed[begin..line.end]))
        .collect();
    hash_many(jobs.iter_mut());
    let first = jobs
        .first()
        .map_or(Vec::new(), |job| job.to_hash().as_bytes().to_vec());
    for (job, line) in jobs.iter().zip(taken) {
        let digest = job.to_hash();
        let mut id = [0; DIGEST_SIZE];
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
            id.copy_from_slice(neighbour.finalize().as_bytes());
        } else {
            id.copy_from_slice(digest.as_bytes());
            last = Last {
                digest: digest.as_bytes().to_vec(),
                ordinal: 0,
            };
        }
        if let Some((block, row)) = line.row {
            blocks[block].set_id(row, line.runtime_ms, &id);
        }
    }
    (first, last)
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
                require: None,
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
            (scanned.stop, scanned.taken, scanned.blocks.len()),
            (Stop::PythonPath(Declined::Rules), 0, 0)
        );
        assert!(
            !fixture
                .groups
                .write()
                .unwrap()
                .set_effect(9, GroupEffect::NoEffect)
        );
    }

    #[test]
    fn the_scan_stops_before_a_line_that_is_declined() {
        let mut fixture = fixture();
        let first = line("a", "x");
        let lines = format!("{first}2026-11-23T10:00:00.5Z stdout F plain words\n{first}");
        let scanned = fixture.scan_with(&lines, GroupEffect::NoEffect);
        assert_eq!(
            (scanned.stop, scanned.taken),
            (Stop::PythonPath(Declined::Text), first.len())
        );
        assert_eq!(scanned.seen, b"2026-11-23T10:00:00.5Z");
        let partial = &first[..first.len() - 1];
        assert_eq!(
            fixture.scan(partial, [true, true]).stop,
            Stop::PythonPath(Declined::Envelope),
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
        let ids: Vec<_> = scanned.blocks[0].rows.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), 4);
        assert_ne!(ids[0], ids[1], "equal neighbours have different ids");
        assert_eq!(ids[0], ids[3], "the same line elsewhere has the same id");
        assert_eq!(ids[0][..6], 1_795_428_000_500_i64.to_be_bytes()[2..]);
        let again = fixture.scan(&lines, [true, true]);
        assert!(again.blocks[0].rows.iter().map(|row| row.id).eq(ids));
        assert_eq!(again.last.digest.len(), DIGEST_SIZE);
    }
}
