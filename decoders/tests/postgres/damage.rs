//! Damaged streams: none may make the decoder panic, hang, or take memory without measure.

use std::{
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;
use slackwater_decoders::postgres::message::Message;

use crate::{log::Log, reader};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Damaged messages in all.
const MUTANTS: u64 = 100_000;
/// Memory that one message of at most a few kilobytes may take. A number takes two bytes for `1e131072`.
const MEMORY: usize = 4 << 20;
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// SplitMix64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let place = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[place] ^= 1 << random.below(8),
            1 => bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)],
            2 => bytes.truncate(place.max(1)),
            3 => {
                let end = bytes.len().min(place + 4);
                let number = [u32::MAX, 0x7FFF_FFFF, 0x8000_0000, 0, 1, 0x0100_0000][random.below(6)];
                let number = number.to_be_bytes();
                bytes[place..end].copy_from_slice(&number[..end - place]);
            }
            _ => {
                let byte = random.next() as u8;
                bytes.insert(place, byte);
            }
        }
    }
}

/// Each message of each kind, damaged by itself behind the undamaged announcements of all relations.
#[test]
fn damaged_streams_neither_panic_nor_hang_nor_take_memory_without_measure() {
    let logs: Vec<Log> = [(18, 1, "text"), (18, 1, "binary"), (18, 4, "binary"), (15, 3, "text")]
        .map(|(major, version, format)| Log::load(major, version, format))
        .into();
    let catalogs: HashMap<u8, _> = logs.iter().map(|log| (log.major, log.catalog())).collect();
    let mut random = Random(1);
    let mut findings = Vec::new();
    let (mut refused, mut whole) = (0_u64, 0_u64);
    for number in 0..MUTANTS {
        let log = &logs[random.below(logs.len())];
        let place = random.below(log.messages.len());
        let mut mutant = Log { messages: surroundings(log, place), ..*log };
        let last = mutant.messages.len() - 1;
        damage(&mut mutant.messages[last].1, &mut random);
        let started = Instant::now();
        let (types, definitions) = catalogs[&mutant.major].clone();
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut decoder = mutant.decoder_of(types, definitions, |_| true);
            reader::try_read(&mutant, &mut decoder, &mut |_| {})
        }));
        let peak = ALLOCATOR.peak_usage().saturating_sub(before);
        match result {
            Err(_) => findings.push(format!("mutant {number} of {log}: it panics")),
            Ok(Ok(_)) => whole += 1,
            Ok(Err(error)) => {
                assert!(!error.to_string().is_empty() && !error.reason.remedy().is_empty());
                refused += 1;
            }
        }
        if peak > MEMORY {
            findings.push(format!("mutant {number} of {log}: {peak} bytes of memory"));
        }
        if started.elapsed() > TIME_LIMIT {
            findings.push(format!("mutant {number} of {log}: it takes {:?}", started.elapsed()));
        }
    }
    println!("{refused} refused, {whole} decoded");
    assert!(refused > MUTANTS / 10);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// A message with what the decoder has to know before it: its relation, and a transaction to be in.
fn surroundings(log: &Log, place: usize) -> Vec<(slackwater_decoders::postgres::lsn::Lsn, Vec<u8>)> {
    let (lsn, bytes) = &log.messages[place];
    let mut in_stream = false;
    let (mut relation_of, mut begin) = (None, None);
    for (_, bytes) in &log.messages[..place] {
        match Message::parse(bytes, in_stream).unwrap() {
            Message::StreamStart { .. } => (in_stream, begin) = (true, Some(bytes)),
            Message::StreamStop => in_stream = false,
            Message::Begin { .. } | Message::BeginPrepare(_) => begin = Some(bytes),
            _ => {}
        }
    }
    let oid = match Message::parse(bytes, in_stream).unwrap() {
        Message::Insert(change) | Message::Update(change) | Message::Delete(change) => Some(change.relation),
        _ => None,
    };
    if let Some(oid) = oid {
        let mut was_in_stream = false;
        for (_, bytes) in &log.messages[..place] {
            match Message::parse(bytes, was_in_stream).unwrap() {
                Message::StreamStart { .. } => was_in_stream = true,
                Message::StreamStop => was_in_stream = false,
                Message::Relation { body, .. }
                    if body.starts_with(&oid.to_be_bytes()) && was_in_stream == in_stream =>
                {
                    relation_of = Some(bytes);
                }
                _ => {}
            }
        }
    }
    let before = begin.into_iter().chain(relation_of).map(|bytes| (*lsn, bytes.clone()));
    before.chain([(*lsn, bytes.clone())]).collect()
}
