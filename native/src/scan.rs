//! Batches of lines of a chunk: rendered, with ids from their digests, and grouped for the counters.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

use crate::block::{Block, Blocks};
use crate::general::{Declined, Halt, process, text_of};
use crate::joins::is_ended;
use crate::line::{Log, PathLine, Scratch, read};
use crate::runtime::{Runtime, Stream};
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
    /// Texts among these lines, at most one of a stream, that a later line may continue: where they begin, and digests.
    pub held: Vec<(usize, [u8; DIGEST_SIZE])>,
}

/// Memory that one thread uses for one scan after another.
#[derive(Default)]
pub struct Buffers {
    scratch: Scratch,
    hashed: Vec<u8>,
    counts: Counts,
    /// The texts of a line and of the next one.
    texts: [String; 2],
}

/// Place and time of a processed line's document.
struct Taken {
    /// End of its record in the hashed bytes.
    end: usize,
    runtime_ms: i64,
    /// Its block, and its row there; None for a text that is held, or dropped.
    row: Option<(usize, usize)>,
}

/// A text that the next line of its stream may continue.
struct HeldText {
    /// Its line.
    range: Range<usize>,
    /// Its place among the lines that are taken.
    place: usize,
}

/// Why the scan ends before a line.
enum Ending {
    Stop(Stop),
    /// Its group is not known to any thread.
    NewGroup,
}

/// The lines of one scan, and what they add to its result.
struct Run<'a> {
    lines: &'a [u8],
    offset: u64,
    log: &'a Log,
    idle: [bool; 2],
    settings: &'a Settings,
    known: RwLockReadGuard<'a, Groups>,
    scratch: &'a mut Scratch,
    counts: &'a mut Counts,
    texts: &'a mut [String; 2],
    blocks: Blocks,
    tally: Tally,
    taken: Vec<Taken>,
    held: [Option<HeldText>; 2],
}

/// Process lines of `lines` before `end` up to the first that is declined. `idle` streams have no partial entry. The line
/// behind `end` says whether the one before it is complete.
#[allow(clippy::too_many_arguments)]
pub fn scan(
    lines: &[u8],
    end: usize,
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
        texts,
    } = buffers;
    let mut run = Run {
        lines,
        offset,
        log,
        idle,
        settings,
        known: groups.read().unwrap_or_else(PoisonError::into_inner),
        scratch,
        counts,
        texts,
        blocks: Blocks::default(),
        tally: Tally::default(),
        taken: Vec::new(),
        held: [None, None],
    };
    let mut seen = (0, 0);
    let mut at = 0;
    let mut ending = Ending::Stop(Stop::End);
    hashed.clear();
    while at < end {
        let Some(length) = memchr::memchr(b'\n', &lines[at..end]) else {
            ending = Ending::Stop(Stop::PythonPath(Declined::Envelope));
            break;
        };
        match run.take(at..at + length, seed, hashed) {
            Ok(runtime) => seen = (at + runtime.0, at + runtime.1),
            Err(why) => {
                ending = why;
                break;
            }
        }
        at += length + 1;
    }
    let Run {
        known,
        scratch,
        counts,
        blocks,
        tally,
        taken,
        held,
        ..
    } = run;
    drop(known);
    let stop = match ending {
        Ending::Stop(stop) => stop,
        Ending::NewGroup => {
            let mut groups = groups.write().unwrap_or_else(PoisonError::into_inner);
            Stop::Unknown(groups.place(&scratch.group))
        }
    };
    let mut blocks = blocks.blocks;
    let held: Vec<HeldText> = held.into_iter().flatten().collect();
    let places: Vec<usize> = held.iter().map(|text| text.place).collect();
    let (first, last, digests) = assign_ids(hashed, seed, &taken, &places, &mut blocks, last);
    blocks.retain(|block| !block.rows.is_empty());
    for block in &mut blocks {
        block.bytes.shrink_to_fit();
        block.rows.shrink_to_fit();
    }
    Scanned {
        taken: at,
        lines: taken.len() - held.len(),
        dropped: tally.dropped,
        stop,
        blocks,
        counted: counts.take(),
        violations: tally.violations,
        ids: tally.ids,
        last,
        first,
        seen: lines[seen.0..seen.1].to_vec(),
        held: held
            .iter()
            .map(|text| text.range.start)
            .zip(digests)
            .collect(),
    }
}

impl Run<'_> {
    /// Process one line, and return the range of its time. A text that the next line may continue is held.
    fn take(
        &mut self,
        range: Range<usize>,
        seed: &[u8],
        hashed: &mut Vec<u8>,
    ) -> Result<(usize, usize), Ending> {
        if self.held.iter().any(Option::is_some) {
            self.release_before(range.clone())?;
        }
        let (path_line, group) = self.read(range.clone())?;
        hashed.extend_from_slice(seed);
        hashed.extend_from_slice(&self.scratch.canonical);
        let (end, runtime_ms) = (hashed.len(), path_line.runtime_ms);
        let row = if path_line.may_continue && !self.is_complete(range.clone()) {
            self.blocks.remove_last(path_line.block);
            let place = self.taken.len();
            self.held[path_line.stream as usize] = Some(HeldText { range, place });
            None
        } else {
            self.keep(&path_line, group)
        };
        self.taken.push(Taken {
            end,
            runtime_ms,
            row,
        });
        Ok(path_line.runtime)
    }

    /// Write the document of a line, and return its group if that has increments. Nothing is counted yet.
    fn read(&mut self, range: Range<usize>) -> Result<(PathLine, Option<u32>), Ending> {
        let path_line = process_line(
            &self.lines[range.clone()],
            self.offset + range.start as u64,
            self.idle,
            self.settings,
            self.log,
            self.scratch,
            &mut self.blocks,
        );
        let path_line = path_line.map_err(|halt| {
            Ending::Stop(match halt {
                Halt::Full if !self.taken.is_empty() => Stop::Full,
                Halt::Full => Stop::PythonPath(Declined::Envelope),
                Halt::Declined(reason) => Stop::PythonPath(reason),
            })
        })?;
        let ending = match self.known.known(&self.scratch.group) {
            Some((_, GroupEffect::NoEffect)) => return Ok((path_line, None)),
            Some((group, GroupEffect::Constant)) => return Ok((path_line, Some(group))),
            Some((_, GroupEffect::EvaluateEach)) => Ending::Stop(Stop::PythonPath(Declined::Rules)),
            Some((group, GroupEffect::Unknown)) => Ending::Stop(Stop::Unknown(group)),
            None => Ending::NewGroup,
        };
        self.blocks.remove_last(path_line.block);
        Err(ending)
    }

    /// Count a line whose document was written; return the block and the row.
    fn keep(&mut self, path_line: &PathLine, group: Option<u32>) -> Option<(usize, usize)> {
        if let Some(group) = group {
            self.counts.add(group);
        }
        self.tally.add(self.scratch);
        let row = path_line
            .block
            .map(|block| (block, self.blocks.blocks[block].rows.len() - 1));
        self.tally.dropped += usize::from(row.is_none());
        row
    }

    /// Write the document of the held text that a line ends. Fails if that is uncertain, or if the line continues it.
    fn release_before(&mut self, range: Range<usize>) -> Result<(), Ending> {
        let joined = || Ending::Stop(Stop::PythonPath(Declined::Joined));
        let (runtime, settings) = (self.log.runtime, self.settings);
        let [head, following] = &mut *self.texts;
        let (stream, text) =
            text_of(&self.lines[range], runtime, settings, following).map_err(|_| joined())?;
        let place = stream as usize;
        let Some(held) = self.held[place].take() else {
            return Ok(());
        };
        let ended = text_of(&self.lines[held.range.clone()], runtime, settings, head)
            .is_ok_and(|(_, head)| is_ended(&head, &text));
        let result = if ended {
            self.read(held.range.clone())
        } else {
            Err(joined())
        };
        match result {
            Ok((path_line, group)) => {
                self.taken[held.place].row = self.keep(&path_line, group);
                Ok(())
            }
            Err(ending) => {
                self.held[place] = Some(held);
                Err(match ending {
                    Ending::NewGroup | Ending::Stop(Stop::Unknown(_)) => joined(),
                    Ending::Stop(stop) => Ending::Stop(stop),
                })
            }
        }
    }

    /// True if a text is an entry of its own, because the next line is of the same stream and ends it.
    fn is_complete(&mut self, range: Range<usize>) -> bool {
        let [head, following] = &mut *self.texts;
        let next = &self.lines[range.end + 1..];
        let Some(end) = memchr::memchr(b'\n', next) else {
            return false;
        };
        let (runtime, settings) = (self.log.runtime, self.settings);
        let head = text_of(&self.lines[range], runtime, settings, head);
        let next = text_of(&next[..end], runtime, settings, following);
        matches!((head, next), (Ok((stream, head)), Ok((other, text))) if stream == other && is_ended(&head, &text))
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
    blocks.remove_last(path_line.block);
    Err(Halt::Declined(Declined::Joined))
}

/// True if the line from `at` is of this stream and ends a text, so that nothing continues it.
pub fn ends_text(
    head: &str,
    stream: Stream,
    lines: &[u8],
    at: usize,
    runtime: Runtime,
    settings: &Settings,
) -> bool {
    let rest = lines.get(at..).unwrap_or_default();
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return false;
    };
    let mut unescaped = String::new();
    text_of(&rest[..end], runtime, settings, &mut unescaped)
        .is_ok_and(|(other, text)| stream == other && is_ended(head, &text))
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
/// neighbours. Returns the first and the last digest, and those of the records in `places`.
fn assign_ids(
    hashed: &[u8],
    seed: &[u8],
    taken: &[Taken],
    places: &[usize],
    blocks: &mut [Block],
    mut last: Last,
) -> (Vec<u8>, Last, Vec<[u8; DIGEST_SIZE]>) {
    let mut kept = vec![[0; DIGEST_SIZE]; places.len()];
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
    for (number, (job, line)) in jobs.iter().zip(taken).enumerate() {
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
        for (digest, _) in kept
            .iter_mut()
            .zip(places)
            .filter(|(_, place)| **place == number)
        {
            *digest = id;
        }
        if let Some((block, row)) = line.row {
            blocks[block].set_id(row, line.runtime_ms, &id);
        }
    }
    (first, last, kept)
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
                own: None,
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
                lines.len(),
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
