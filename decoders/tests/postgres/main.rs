//! Streams of real servers in all protocol versions and formats, decoded: the tables come out as the servers printed them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test"
)]

mod damage;
mod log;
mod model;
mod reader;
mod text;

use slackwater_decoders::{
    arena::ArenaPool,
    event::Event,
    postgres::{
        definitions::Definition,
        message::Message,
        types::column_type,
        value::{Form, ValueError},
    },
    schema::{Table, TableName},
};

use crate::{log::Log, model::Model};

/// Decodes a log and compares the tables; returns how often a definition had to be supplied.
fn tables_are_right(log: &Log) -> usize {
    let mut model = Model::default();
    let needs =
        reader::read(log, log.decoder(|_| true), |events| events.iter().for_each(|event| model.apply(event)));
    let absent: &[&str] = match (log.major, log.format) {
        // Its stream has no TRUNCATE.
        (10, _) => &["emptied"],
        (_, "binary") => &["money", "regclass"],
        _ => &[],
    };
    model.compare(&log.expected(), absent);
    needs
}

#[test]
fn every_version_and_format_gives_the_tables_that_the_servers_print() {
    for log in Log::all() {
        let needs = tables_are_right(&log);
        if log.version == 1 {
            // Without DDL messages: a column added, renamed, dropped and retyped, the table renamed, another one created.
            assert_eq!(needs, 6, "{log}");
        } else {
            assert_eq!(needs, 0, "{log}");
        }
    }
}

#[test]
fn the_logs_have_every_kind_of_message() {
    let mut names: Vec<_> = Log::all()
        .iter()
        .flat_map(|log| {
            let mut in_stream = false;
            let names: Vec<_> = log
                .messages
                .iter()
                .map(|(_, bytes)| {
                    let message = Message::parse(bytes, in_stream).unwrap();
                    match message {
                        Message::StreamStart { .. } => in_stream = true,
                        Message::StreamStop => in_stream = false,
                        _ => {}
                    }
                    message.name()
                })
                .collect();
            names
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 19, "{names:?}");
}

/// `format_type` of three servers, and what this crate makes of the same OIDs and modifiers.
#[test]
fn types_are_spelled_as_the_servers_spell_them() {
    for major in [10, 15, 18] {
        let log = Log::load(major, 1, "text");
        let (types, _) = log.catalog();
        let mut columns = 0;
        for table in log.catalog_json()["tables"].as_array().unwrap() {
            for column in table["columns"].as_array().unwrap() {
                let type_oid = u32::try_from(column["type_oid"].as_u64().unwrap()).unwrap();
                let typmod = i32::try_from(column["typmod"].as_i64().unwrap()).unwrap();
                assert_eq!(column_type(type_oid, typmod, &types).1, column["type"].as_str().unwrap());
                columns += 1;
            }
        }
        assert!(columns > 150, "{columns}");
    }
}

/// What each type's send function returns and what its output function prints, on three servers, are the same value.
#[test]
fn both_formats_of_a_value_are_the_same() {
    for major in [10, 15, 18] {
        let log = Log::load(major, 1, "text");
        let (types, _) = log.catalog();
        let (mut compared, mut refused) = (0, Vec::new());
        for value in log.values() {
            let form = Form::of(value.type_oid, value.typmod, &types);
            let pool = ArenaPool::new();
            let arena = pool.arena();
            let read = form.text(value.text.as_bytes(), &arena).unwrap();
            assert!(
                text::same(text::print(&read).as_deref(), Some(&value.text)),
                "{read:?} of {}",
                value.text
            );
            match form.binary(&value.bytes, &arena) {
                Ok(binary) => {
                    // NaN is not equal to itself.
                    assert_eq!(
                        text::print(&binary),
                        text::print(&read),
                        "{} of {}",
                        value.text,
                        value.type_oid
                    );
                    assert_eq!(std::mem::discriminant(&binary), std::mem::discriminant(&read));
                    compared += 1;
                }
                Err(ValueError::NoBinary { type_name }) => {
                    assert!(!form.has_binary());
                    refused.push(type_name.to_string());
                }
                Err(error) => panic!("{error}: {}", value.text),
            }
        }
        refused.sort();
        refused.dedup();
        assert_eq!(refused, ["money", "regclass"]);
        assert!(compared > 350, "{compared}");
    }
}

/// Rows of a partition that is announced for itself come under its table; they are those that the server printed of the partition.
#[test]
fn rows_of_a_partition_are_rows_of_its_table() {
    let log = Log::load(18, 1, "text");
    let (types, mut definitions) = log.catalog();
    let partition = TableName::new("app", "measured_2024");
    let part = definitions.named(&partition).unwrap().clone();
    definitions.remove(part.oid);
    let root = Table { name: TableName::new("app", "measured"), ..Table::clone(&part.table) };
    definitions.insert(Definition::new(1, root.into()));
    definitions.insert_partition(partition, 1);
    let mut rows = Vec::new();
    let decoder = log.decoder_of(types, definitions, |name| &*name.table == "measured");
    let needs = reader::read(&log, decoder, |events| {
        for event in events {
            if let Event::Rows(part) = event {
                rows.push(format!("{} {:?}", part.table.name, part.changes));
            }
        }
    });
    assert_eq!((rows.len(), needs), (1, 0));
    assert!(rows[0].starts_with("app.measured [Insert") && rows[0].contains("year: 2024"), "{rows:?}");
}
