//! Runs of ordinary lines out of a chunk: rendered, named by their digests, and grouped for the counters.

use std::collections::HashMap;

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

use crate::block::Block;
use crate::line::{Log, Ordinary, Scratch, read};
use crate::runtime::Stream;
use crate::settings::Settings;

pub const DIGEST_SIZE: usize = 14;
/// Bytes that a block may have, so that its pieces can be told by 32 bits.
const LARGEST_BLOCK: usize = 1 << 30;

/// Bytes that a block has room for at first.
const ROOM: usize = 16 * 1024;

/// The effect on the counters of a group of events that no rule can distinguish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupEffect {
    /// The rules were not evaluated for it yet.
    Unknown,
    /// Adds nothing to any counter, wherever it is logged.
    Silent,
    /// Adds the same for each of its events.
    Counted,
    /// The rules have to be evaluated for each event.
    Alone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// All lines were taken.
    End,
    /// The next line is not ordinary: it goes the Python path.
    PythonPath,
    /// The next line is of a group that the rules were not evaluated for yet.
    Unknown(u32),
    /// The block is as large as one may be.
    Full,
}

#[derive(Default)]
pub struct Groups {
    places: HashMap<Box<[u8]>, u32>,
    effects: Vec<GroupEffect>,
    counts: Vec<u64>,
    touched: Vec<u32>,
}

impl Groups {
    fn place(&mut self, key: &[u8]) -> u32 {
        if let Some(&place) = self.places.get(key) {
            return place;
        }
        let place = self.effects.len() as u32;
        self.places.insert(key.into(), place);
        self.effects.push(GroupEffect::Unknown);
        self.counts.push(0);
        place
    }

    fn count(&mut self, group: u32) {
        let count = &mut self.counts[group as usize];
        if *count == 0 {
            self.touched.push(group);
        }
        *count += 1;
    }

    fn counted(&mut self) -> Vec<(u32, u64)> {
        let counts = &mut self.counts;
        self.touched
            .drain(..)
            .map(|group| (group, std::mem::take(&mut counts[group as usize])))
            .collect()
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

/// Where the digests of a log go on from: the last one, and how many neighbours were byte for byte the same.
#[derive(Clone)]
pub struct Last {
    pub digest: Vec<u8>,
    pub ordinal: u64,
}

pub struct Scanned {
    /// How many bytes were taken.
    pub taken: usize,
    pub stop: Stop,
    pub block: Block,
    pub counted: Vec<(u32, u64)>,
    pub last: Last,
    /// The runtime's time of the last line, where one was taken.
    pub seen: Vec<u8>,
}

#[derive(Default)]
pub struct Room {
    scratch: Scratch,
    hashed: Vec<u8>,
}

/// Take ordinary lines from the beginning of `lines` until one is not. `free` tells which streams hold nothing back.
#[allow(clippy::too_many_arguments)]
pub fn scan(
    lines: &[u8],
    offset: u64,
    seed: &[u8],
    log: &Log,
    free: [bool; 2],
    last: Last,
    settings: &Settings,
    groups: &mut Groups,
    room: &mut Room,
) -> Scanned {
    let mut block = Block::with_room(lines.len().min(ROOM));
    let mut taken: Vec<(usize, usize, Ordinary)> = Vec::new();
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
        let found = read(
            line,
            offset + at as u64,
            settings,
            log,
            &mut room.scratch,
            &mut block,
        );
        let Some(ordinary) = found.filter(|found| free[found.stream as usize]) else {
            if block.rows.len() > before {
                block.take_back();
            }
            stop = Stop::PythonPath;
            break;
        };
        let group = groups.place(&room.scratch.group);
        match groups.effects[group as usize] {
            GroupEffect::Silent => {}
            GroupEffect::Counted => groups.count(group),
            effect => {
                block.take_back();
                stop = if effect == GroupEffect::Alone {
                    Stop::PythonPath
                } else {
                    Stop::Unknown(group)
                };
                break;
            }
        }
        taken.push((at, at + length, ordinary));
        at += length + 1;
    }
    let seen = taken.last().map_or(Vec::new(), |(begin, _, found)| {
        lines[begin + found.runtime.0..begin + found.runtime.1].to_vec()
    });
    let last = name(lines, seed, &taken, &mut block, last, room);
    block.bytes.shrink_to_fit();
    block.rows.shrink_to_fit();
    Scanned {
        taken: at,
        stop,
        block,
        counted: groups.counted(),
        last,
        seen,
    }
}

/// Give each document its id: the digest of its log and its record in canonical form, and the ordinal among its equal
/// neighbours.
fn name(
    lines: &[u8],
    seed: &[u8],
    taken: &[(usize, usize, Ordinary)],
    block: &mut Block,
    mut last: Last,
    room: &mut Room,
) -> Last {
    let params = digests();
    let hashed = &mut room.hashed;
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
    for (row, (job, (_, _, record))) in jobs.iter().zip(taken).enumerate() {
        let digest = job.to_hash();
        if digest.as_bytes() == last.digest {
            last.ordinal += 1;
            let mut twin = params.to_state();
            twin.update(seed).update(b"=").update(digest.as_bytes());
            twin.update(&last.ordinal.to_be_bytes()).update(&[0; 8]);
            block.name(row, record.runtime_ms, twin.finalize().as_bytes());
        } else {
            block.name(row, record.runtime_ms, digest.as_bytes());
            last = Last {
                digest: digest.as_bytes().to_vec(),
                ordinal: 0,
            };
        }
    }
    last
}

/// Append `TIME STREAM F TEXT` as `record_id.record` has it: the time in UTC without trailing zeros, and the text
/// without the envelope's escapes, which are those of quotes alone in an ordinary line.
fn canonical(line: &[u8], record: &Ordinary, into: &mut Vec<u8>) {
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
    let room = &mut into[begin..];
    let mut length = 0usize;
    for &byte in text {
        room[length] = byte; // without a branch: every few bytes there is an escape
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

    struct Rig {
        settings: Settings,
        groups: Groups,
        log: Log,
    }

    fn rig() -> Rig {
        let tail = b",\"log\":{\"offset\":".to_vec();
        Rig {
            settings: plan(&sample()).unwrap(),
            groups: Groups::default(),
            log: Log {
                runtime: Runtime::Cri,
                tails: [tail.clone(), tail],
                salt: 0,
            },
        }
    }

    impl Rig {
        fn scan(&mut self, lines: &str, free: [bool; 2]) -> Scanned {
            let last = Last {
                digest: Vec::new(),
                ordinal: 0,
            };
            let room = &mut Room::default();
            scan(
                lines.as_bytes(),
                0,
                b"c1",
                &self.log,
                free,
                last,
                &self.settings,
                &mut self.groups,
                room,
            )
        }

        /// Scan until no group is unknown; each that is becomes `effect`.
        fn learnt(&mut self, lines: &str, effect: GroupEffect) -> Scanned {
            loop {
                let scanned = self.scan(lines, [true, true]);
                let Stop::Unknown(group) = scanned.stop else {
                    return scanned;
                };
                assert!(self.groups.set_effect(group, effect));
            }
        }
    }

    fn line(event: &str, message: &str) -> String {
        let text = format!(r#"{{"correlation_id":"a","event":"{event}","message":"{message}"}}"#);
        format!("2026-11-23T10:00:00.5Z stdout F {text}\n")
    }

    #[test]
    fn events_that_no_rule_distinguishes_are_one_group() {
        let mut rig = rig();
        let lines = [
            line("a", "export done"),
            line("a", "exported"),
            line("a", "no"),
            line("b", "no"),
        ]
        .concat();
        let scanned = rig.learnt(&lines, GroupEffect::Counted);
        assert_eq!(scanned.stop, Stop::End);
        assert_eq!(scanned.taken, lines.len());
        assert_eq!(scanned.counted, [(0, 2), (1, 1), (2, 1)]);
        assert_eq!(rig.groups.len(), 3);
    }

    #[test]
    fn a_silent_group_adds_nothing_and_one_alone_stops_the_scan() {
        let mut rig = rig();
        let lines = [line("a", "x"), line("a", "y")].concat();
        assert!(rig.learnt(&lines, GroupEffect::Silent).counted.is_empty());
        assert!(rig.groups.set_effect(0, GroupEffect::Alone));
        let scanned = rig.scan(&lines, [true, true]);
        assert_eq!(
            (scanned.stop, scanned.taken, scanned.block.rows.len()),
            (Stop::PythonPath, 0, 0)
        );
        assert!(scanned.block.bytes.is_empty());
        assert!(!rig.groups.set_effect(9, GroupEffect::Silent));
    }

    #[test]
    fn the_scan_stops_before_what_is_not_ordinary() {
        let mut rig = rig();
        let first = line("a", "x");
        let lines = format!("{first}2026-11-23T10:00:00.5Z stdout F plain words\n{first}");
        let scanned = rig.learnt(&lines, GroupEffect::Silent);
        assert_eq!(
            (scanned.stop, scanned.taken),
            (Stop::PythonPath, first.len())
        );
        assert_eq!(scanned.seen, b"2026-11-23T10:00:00.5Z");
        let partial = &first[..first.len() - 1];
        assert_eq!(
            rig.scan(partial, [true, true]).stop,
            Stop::PythonPath,
            "a line without its end"
        );
        assert_eq!(
            rig.scan(&first, [false, true]).taken,
            0,
            "a stream that holds something back"
        );
    }

    #[test]
    fn each_document_has_an_id_of_its_own() {
        let mut rig = rig();
        let lines = [
            line("a", "x"),
            line("a", "x"),
            line("a", "y"),
            line("a", "x"),
        ]
        .concat();
        let scanned = rig.learnt(&lines, GroupEffect::Silent);
        let ids: Vec<_> = scanned.block.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), 4);
        assert_ne!(ids[0], ids[1], "neighbours that are equal are two");
        assert_eq!(ids[0], ids[3], "the same line elsewhere has the same id");
        assert_eq!(ids[0][..6], 1_795_428_000_500_i64.to_be_bytes()[2..]);
        let again = rig.scan(&lines, [true, true]);
        assert!(again.block.rows.iter().map(|row| row.id).eq(ids));
        assert_eq!(again.last.digest.len(), DIGEST_SIZE);
    }
}
