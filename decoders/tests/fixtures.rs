//! Logs of real servers, decoded from their first to their last byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::{collections::BTreeMap, fs::File, io::Read, path::PathBuf};

use slackwater_decoders::{
    batch::Batch,
    event::{Event, RowChange},
    mysql::{
        Decoder, DecoderOptions,
        catalog::{Catalog, Settings},
        error::{DecodeError, Reason},
        event_type,
        framing::{self, EventHeader},
    },
    value::{Cell, Value},
};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/mysql").join(name);
    let mut file = File::open(&path).unwrap();
    let mut log = Vec::new();
    if name.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut log).unwrap();
    } else {
        file.read_to_end(&mut log).unwrap();
    }
    assert_eq!(log.get(..4), Some(framing::MAGIC.as_slice()));
    log.split_off(framing::MAGIC.len())
}

fn decoder(positional_names: bool) -> Decoder {
    Decoder::new(DecoderOptions {
        file: "mysql-bin.000001".into(),
        offset: 4,
        executed: None,
        catalog: Catalog::new(Settings::default()),
        selected: Box::new(|_| true),
        positional_names,
        payload_bytes: 1 << 20,
    })
}

fn decode(mut log: Vec<u8>, decoder: &mut Decoder) -> Result<Vec<Batch>, DecodeError> {
    let mut batches = Vec::new();
    loop {
        batches.push(Batch::decode(log, |log, arena, events| decoder.decode(log, arena, events))?);
        match decoder.take_rest() {
            Some(rest) => log = rest,
            None => return Ok(batches),
        }
    }
}

fn headers(mut log: &[u8]) -> Vec<EventHeader> {
    let mut headers = Vec::new();
    while !log.is_empty() {
        let (header, _, rest) = framing::split_event(log).unwrap();
        headers.push(header);
        log = rest;
    }
    headers
}

/// Table counts of the Sakila sample database (MySQL documentation, "Sakila Sample Database"), as loaded by its
/// scripts, with the column names of its CREATE TABLE statements.
#[test]
fn sakila_has_its_rows_and_its_names() {
    let log = fixture("mysql-bin.sakila.gz");
    assert_eq!(headers(&log).len(), 1_462);
    let mut counts = BTreeMap::new();
    let mut first_actor = None;
    for batch in decode(log, &mut decoder(false)).unwrap() {
        for event in batch.events() {
            let Event::Rows(rows) = event else { continue };
            assert!(rows.table.named, "{}", rows.table.name);
            for change in rows.changes {
                *counts.entry(rows.table.name.table.to_string()).or_insert(0_i64) += match change {
                    RowChange::Insert { .. } => 1,
                    RowChange::Update { .. } => 0,
                    RowChange::Delete { .. } => -1,
                };
            }
            if &*rows.table.name.table == "actor" && first_actor.is_none() {
                let names: Vec<_> = rows.table.columns.iter().map(|column| column.name.clone()).collect();
                let cells = rows.changes.first().unwrap().after().unwrap();
                first_actor = Some((names, format!("{cells:?}")));
            }
        }
    }
    let expected = [
        ("actor", 200),
        ("address", 603),
        ("category", 16),
        ("city", 600),
        ("country", 109),
        ("customer", 599),
        ("film", 1000),
        ("film_actor", 5462),
        ("film_category", 1000),
        ("film_text", 1000),
        ("inventory", 4581),
        ("language", 6),
        ("payment", 16049),
        ("rental", 16044),
        ("staff", 2),
        ("store", 2),
    ];
    assert_eq!(counts, expected.map(|(table, rows)| (table.to_owned(), rows)).into());
    let (names, cells) = first_actor.unwrap();
    assert_eq!(names, ["actor_id", "first_name", "last_name", "last_update"]);
    assert!(cells.contains("PENELOPE") && cells.contains("GUINESS"), "{cells}");
}

/// Without CREATE TABLE and without FULL metadata nothing is known of the columns: rows are refused, not guessed, unless
/// the caller only wants to look.
#[test]
fn rows_of_unknown_tables_are_refused_unless_positional_names_are_asked_for() {
    let log = fixture("mysql-bin.checksum-none");
    assert_eq!(headers(&log).len(), 191);
    let error = decode(log.clone(), &mut decoder(false)).err().unwrap();
    assert_eq!(error.reason, Reason::UnknownDefinition);
    assert_eq!(error.table.unwrap().to_string(), "meeteam_file_storage.meeteam_fs_storage");

    let batches = decode(log, &mut decoder(true)).unwrap();
    let changes: u64 = batches.iter().map(|batch| batch.summary().row_changes).sum();
    assert_eq!(changes, 36);
}

#[test]
fn a_compressed_transaction_of_mysql_8_0_28_is_decoded() {
    let batches = decode(fixture("mysql-bin.compressed"), &mut decoder(true)).unwrap();
    let events: Vec<_> = batches.iter().flat_map(Batch::events).collect();
    let [Event::Begin(_), Event::Rows(rows), Event::Commit(_)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(rows.table.name.to_string(), "demo.movies");
    let [RowChange::Update { before, after }] = rows.changes else { panic!("{:?}", rows.changes) };
    let changed: Vec<_> = before.iter().zip(*after).filter(|(before, after)| before != after).collect();
    let text = |text| Cell::Value(Value::Text(text));
    assert_eq!(changed, [(&text("Western"), &text("Western|Action"))]);
}

/// Aurora pads its log with an event of type 100 that has the ignorable flag.
#[test]
fn an_ignorable_event_is_passed_over_and_any_other_unknown_one_is_not() {
    let mut log = fixture("mysql-bin.aurora-padding");
    assert!(headers(&log).iter().any(|header| header.event_type == 100));
    decode(log.clone(), &mut decoder(true)).unwrap();

    let mut offset = 0;
    for header in headers(&log) {
        if header.event_type == 100 {
            log[offset + 17..offset + 19]
                .copy_from_slice(&(header.flags & !event_type::FLAG_IGNORABLE).to_le_bytes());
            let end = offset + header.length as usize;
            let crc = crc32fast::hash(&log[offset..end - 4]);
            log[end - 4..end].copy_from_slice(&crc.to_le_bytes());
        }
        offset += header.length as usize;
    }
    let error = decode(log, &mut decoder(true)).err().unwrap();
    assert_eq!(error.reason, Reason::UnknownEvent(100));
}

#[test]
fn a_flipped_bit_and_a_cut_event_stop_with_their_position() {
    let log = fixture("mysql-bin.compressed");
    let headers = headers(&log);
    let mut offset = 0;
    for header in &headers {
        let mut damaged = log.clone();
        damaged[offset + 25] ^= 0x10;
        let error = decode(damaged, &mut decoder(true)).err().unwrap();
        assert!(error.to_string().contains(&format!("mysql-bin.000001:{}", offset + 4)), "{error}");
        let cut = log[..offset + 20].to_vec();
        assert!(decode(cut, &mut decoder(true)).is_err());
        offset += header.length as usize;
    }
}

/// What decodes to more memory than there shall be comes in portions, cut between rows: together they are the same.
#[test]
fn portions_have_the_rows_of_the_whole() {
    let rows = |payload_bytes| {
        let options = DecoderOptions {
            file: "mysql-bin.000001".into(),
            offset: 4,
            executed: None,
            catalog: Catalog::new(Settings::default()),
            selected: Box::new(|_| true),
            positional_names: false,
            payload_bytes,
        };
        let batches = decode(fixture("mysql-bin.sakila.gz"), &mut Decoder::new(options)).unwrap();
        let mut rows = Vec::new();
        let mut events = 0;
        for event in batches.iter().flat_map(Batch::events) {
            let Event::Rows(part) = event else { continue };
            events += 1;
            let numbered = part.changes.iter().zip(part.sequence..);
            rows.extend(numbered.map(|(change, number)| format!("{} {number} {change:?}", part.table.name)));
        }
        (batches.len(), events, rows)
    };
    let (whole_batches, whole_events, whole) = rows(usize::MAX);
    let (batches, events, portions) = rows(0);
    assert_eq!(whole_batches, 1);
    assert!(batches > 1 && events > whole_events, "{batches} batches, {events} and {whole_events} events");
    assert!(portions == whole);
}
