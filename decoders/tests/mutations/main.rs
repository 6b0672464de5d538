//! Millions of damaged logs through the decoder: none may make it panic, hang, or take memory without measure.
//!
//! `SLACKWATER_MUTATIONS` is the number of mutants (a bounded number unless set) and `SLACKWATER_MUTATIONS_SEED` selects other
//! ones. A mutant is known by seed and number: `SLACKWATER_MUTATIONS_ONLY` runs that number alone, and `SLACKWATER_MUTATIONS_SAVE`
//! names a file to write it to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test"
)]

mod compressed;
mod log;
mod mutate;
mod random;
mod seeds;
mod table_map;

use std::{
    env, fs,
    panic::{self, AssertUnwindSafe},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;
use slackwater_decoders::{
    batch::Batch,
    mysql::{
        Decoder, DecoderOptions,
        catalog::{Catalog, Settings},
        event_type as types,
    },
};

use crate::{log::Log, random::Random};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What CI runs in less than a minute.
const MUTANTS: u64 = 1_000_000;
/// Memory for each byte of input, decompressed bytes included.
const TIMES_INPUT: usize = 16;
/// Memory for each byte of a statement: what the tokenizer of `sqlparser` makes of it when every byte is a token.
const TIMES_STATEMENT: usize = 400;
/// Memory beside that: the state of decompression, the first growth of buffers.
const BESIDE: usize = 2 << 20;
/// No input is as large as to take a hundredth of this; what takes longer hangs.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// Findings after which there is no point in going on.
const ENOUGH: usize = 20;

#[test]
fn damaged_logs_neither_panic_nor_hang_nor_take_memory_without_measure() {
    let seed = number("SLACKWATER_MUTATIONS_SEED").unwrap_or(1);
    let logs = seeds::load();
    let numbers = match number("SLACKWATER_MUTATIONS_ONLY") {
        Some(only) => only..only + 1,
        None => 0..number("SLACKWATER_MUTATIONS").unwrap_or(MUTANTS),
    };
    let watched = watchdog();
    let started = Instant::now();
    let (mut findings, mut decoded, mut bytes) = (Vec::new(), 0_u64, 0);
    for number in numbers.clone() {
        let mut random = Random::new(seed, number);
        let mut log = random.pick(&logs).clone();
        mutate::mutate(&mut log, &logs, &mut random);
        let input = log.bytes();
        bytes += input.len() as u64;
        if let Ok(file) = env::var("SLACKWATER_MUTATIONS_SAVE") {
            fs::write(file, &input).expect("a file that can be written");
        }
        watched.store(number + 1, Ordering::Relaxed);
        match examine(&input, random.one_in(2)) {
            Ok(is_whole) => decoded += u64::from(is_whole),
            Err(what) => findings.push(format!("mutant {number} of seed {seed}: {what}")),
        }
        watched.store(0, Ordering::Relaxed);
        if findings.len() >= ENOUGH {
            break;
        }
    }
    println!(
        "{} mutants of {} logs, {} MB, in {:?}: {decoded} decoded to their end, {} findings",
        numbers.end - numbers.start,
        logs.len(),
        bytes / 1_000_000,
        started.elapsed(),
        findings.len()
    );
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Decodes a mutant. `Ok`: whether it was decoded to its end.
fn examine(input: &[u8], positional_names: bool) -> Result<bool, String> {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = panic::catch_unwind(AssertUnwindSafe(|| decode(input.to_vec(), positional_names)));
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    let result = result.map_err(|_| "it panics".to_owned())?;
    // What is compressed is decompressed a second time only when that decides.
    if peak > TIMES_INPUT * input.len() + BESIDE && peak > allowed(input) {
        return Err(format!("{} bytes of input take {peak} bytes of memory", input.len()));
    }
    result
}

fn decode(mut log: Vec<u8>, positional_names: bool) -> Result<bool, String> {
    let mut decoder = Decoder::new(DecoderOptions {
        file: "binlog.000001".into(),
        offset: 4,
        executed: None,
        catalog: Catalog::new(Settings::default()),
        selected: Box::new(|_| true),
        positional_names,
        payload_bytes: 64 << 10,
    });
    loop {
        match Batch::decode(log, |log, arena, events| decoder.decode(log, arena, events)) {
            Err(error) => {
                // Whatever is in the error must be printable.
                return if error.to_string().is_empty() {
                    Err("an error says nothing".to_owned())
                } else {
                    Ok(false)
                };
            }
            Ok(_) => match decoder.take_rest() {
                Some(rest) => log = rest,
                None => return Ok(true),
            },
        }
    }
}

/// The memory that an input may take when everything compressed in it counts as what it decompresses to.
fn allowed(input: &[u8]) -> usize {
    let events = Log::parse(input, true).events;
    BESIDE + TIMES_INPUT * input.len() + events.iter().map(allowed_inside).sum::<usize>()
}

fn allowed_inside(event: &log::RawEvent) -> usize {
    match event.header.event_type {
        types::QUERY => TIMES_STATEMENT * event.body.len(),
        types::MARIADB_QUERY_COMPRESSED => TIMES_STATEMENT * inflated(event),
        types::TRANSACTION_PAYLOAD => {
            let bytes = compressed::open_payload(&event.body).unwrap_or_default();
            let events = Log::parse(&bytes, false).events;
            TIMES_INPUT * bytes.len() + events.iter().map(allowed_inside).sum::<usize>()
        }
        _ => TIMES_INPUT * inflated(event),
    }
}

/// Bytes that MariaDB's compressed data in an event decompresses to.
fn inflated(event: &log::RawEvent) -> usize {
    let start = compressed::start_of_compressed(event.header.event_type, &event.body);
    let data = start.and_then(|start| compressed::inflate(event.body.get(start..)?));
    data.map_or(0, |data| data.len())
}

/// Ends the process when one mutant takes too long. What is returned holds the mutant's number plus 1, 0 between two.
fn watchdog() -> Arc<AtomicU64> {
    let watched = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&watched);
    thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            thread::sleep(Duration::from_millis(50));
            let current = seen.load(Ordering::Relaxed);
            if current != last || current == 0 {
                (last, since) = (current, Instant::now());
            } else if since.elapsed() > TIME_LIMIT {
                eprintln!("mutant {} takes longer than {TIME_LIMIT:?}", current - 1);
                process::abort();
            }
        }
    });
    watched
}
