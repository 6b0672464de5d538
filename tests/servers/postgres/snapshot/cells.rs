//! The cells of a copied row are those that the log gives for the same row, for every type.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc, time::Duration};

use slackwater::{
    config::{Objects, Start},
    mapping::Selection,
    pipeline::queue::{MemoryQuota, Message, queue},
    positions::SchemaHistory,
    sources::{Source, snapshot::Read},
};
use slackwater_decoders::{
    event::{Event, RowChange},
    position::Position,
};
use slackwater_testkit::PostgresVersion;
use tokio::time::timeout;

use crate::postgres::snapshot::copying::{exec, open, server, source};

const PATIENCE: Duration = Duration::from_secs(60);

/// Types, and values of them beside NULL.
pub(crate) const TYPES: [(&str, &[&str]); 52] = [
    ("boolean", &["true", "false"]),
    ("smallint", &["-32768", "32767"]),
    ("integer", &["-2147483648", "2147483647"]),
    ("bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("oid", &["4294967295"]),
    ("real", &["'NaN'", "'-Infinity'", "1e-45", "3.4028235e38", "0.1"]),
    ("double precision", &["'NaN'", "'Infinity'", "5e-324", "0.1", "'-0'"]),
    ("numeric", &["'NaN'", "0", "1e-20", "12345678901234567890.123456789", "-1e300"]),
    ("numeric(12,4)", &["-12345678.1234", "0.5"]),
    ("money", &["'-12.34'"]),
    ("text", &["''", "'ä€🌊'", "E'a\\\\b\\n'", "repeat('x', 9000)"]),
    ("varchar(20)", &["'trailing  '"]),
    ("character(5)", &["'ab'", "'     '"]),
    ("\"char\"", &["'x'", "''"]),
    ("name", &["'pg_class'"]),
    ("bytea", &["'\\x00ff'", "''"]),
    (
        "date",
        &["'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'20000-01-01'"],
    ),
    ("time", &["'00:00'", "'24:00'", "'23:59:59.999999'"]),
    ("time(2)", &["'12:34:56.78'"]),
    ("timetz", &["'12:34:56.789+05:30'", "'00:00-15:59:59'"]),
    ("timestamp", &["'1970-01-01'", "'infinity'", "'0044-03-15 12:00 BC'", "'294276-12-31 23:59:59.999999'"]),
    ("timestamp(3)", &["'2024-02-29 12:00:00.123'"]),
    ("timestamptz", &["'1970-01-01 00:00+00'", "'-infinity'", "'2024-06-30 23:59:59.5+02'"]),
    ("interval", &["'1 year -2 mons 3 days -04:05:06.789'", "'0'", "'-178000000 years'"]),
    ("uuid", &["'00112233-4455-6677-8899-aabbccddeeff'"]),
    ("json", &["'{ \"a\" :  1.10 }'", "'null'"]),
    ("jsonb", &["'{\"b\": [1, 2.50], \"a\": \"\\u00e4\"}'", "'3'"]),
    ("xml", &["'<a>1</a>'"]),
    ("bit(5)", &["B'10110'"]),
    ("bit(70)", &["repeat('10', 35)::bit(70)"]),
    ("bit varying(80)", &["B''", "B'1'"]),
    ("inet", &["'10.0.0.1'", "'10.0.0.0/8'", "'::1'", "'2001:db8::/32'"]),
    ("cidr", &["'10.0.0.0/8'", "'::/0'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("point", &["'(1.5,-2)'"]),
    ("line", &["'{1,2,3}'"]),
    ("lseg", &["'[(0,0),(1,1)]'"]),
    ("box", &["'(1,1),(0,0)'"]),
    ("path", &["'((0,0),(1,1))'", "'[(0,0),(1,1)]'"]),
    ("polygon", &["'((0,0),(1,1),(1,0))'"]),
    ("circle", &["'<(0,0),5>'"]),
    ("tsvector", &["'a:1A b:2,3'"]),
    ("tsquery", &["'a & !b | c:*'"]),
    ("pg_lsn", &["'16/B374D848'"]),
    ("int4range", &["'[1,5)'", "'empty'", "'(,)'"]),
    ("tstzrange", &["'[2024-01-01 00:00+00,)'"]),
    ("integer[]", &["'{}'", "'{1,NULL,3}'", "'[0:1]={5,6}'", "'{{1,2},{3,4}}'"]),
    ("text[]", &["'{\"a,b\",\"c\\\"d\",NULL,\"\"}'"]),
    ("mood", &["'sad'", "'very happy'"]),
    ("posint", &["7"]),
    ("address", &["'(\"Main St, 1\",)'", "'(,)'"]),
];

/// Rows as text, with how often each is there.
type Rows = BTreeMap<String, i64>;

fn add(rows: &mut Rows, change: &RowChange<'_>) {
    let cells = change.after().unwrap().iter().map(|cell| format!("{cell:?}"));
    *rows.entry(cells.collect::<Vec<_>>().join("\n    ")).or_default() += 1;
}

async fn same_cells(version: PostgresVersion) {
    let server = server(version);
    exec(
        &server,
        "CREATE TYPE mood AS ENUM ('sad', 'very happy'); CREATE DOMAIN posint AS int CHECK (VALUE > 0); \
         CREATE TYPE address AS (street text, number int)",
    );
    let source = Arc::new(source(&server).with_selection(&Selection::new(&Objects::default())));
    let from = source.start_position(&Start::Now).await.unwrap();
    let mut names = Vec::new();
    for (number, (kind, values)) in TYPES.iter().enumerate() {
        let name = format!("t{number:02}");
        let values: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
        exec(
            &server,
            &format!(
                "CREATE TABLE {name} (v {kind}); INSERT INTO {name} VALUES {}, (NULL)",
                values.join(", ")
            ),
        );
        names.push(name);
    }
    let fence = source.end_of_log().await.unwrap();
    let mut logged = logged(Arc::clone(&source), from, fence).await;
    let mut different = Vec::new();
    for (name, (kind, _)) in names.iter().zip(TYPES) {
        let mut reader = open(&source, name).await;
        let mut copied = Rows::new();
        while let Read::Block(block) = timeout(PATIENCE, reader.next()).await.expect("in time").unwrap() {
            for event in block.batch.events() {
                let Event::Rows(rows) = event else { panic!("{event:?}") };
                rows.changes.iter().for_each(|change| add(&mut copied, change));
            }
        }
        let logged = logged.remove(name.as_str()).unwrap_or_default();
        if logged != copied {
            different.push(format!("{kind}:\n  log {logged:#?}\n  copy {copied:#?}"));
        }
    }
    assert!(different.is_empty(), "{version}: {}", different.join("\n"));
}

async fn logged(
    source: Arc<impl Source + 'static>,
    from: Position,
    fence: Position,
) -> BTreeMap<String, Rows> {
    let (out, mut messages) = queue(MemoryQuota::new(64 << 20));
    let tail = {
        let source = Arc::clone(&source);
        tokio::spawn(async move { source.tail(from, &SchemaHistory::in_memory(), &out).await })
    };
    let mut tables: BTreeMap<String, Rows> = BTreeMap::new();
    loop {
        match timeout(PATIENCE, messages.recv()).await.expect("in time") {
            Some(Message::Batch(batch, _)) => {
                for event in batch.events() {
                    let Event::Rows(rows) = event else { continue };
                    if rows.position.compare(&fence.log) == Some(Ordering::Less) {
                        let table = tables.entry(rows.table.name.table.to_string()).or_default();
                        rows.changes.iter().for_each(|change| add(table, change));
                    }
                }
                if batch.summary().resume.as_ref().is_some_and(|resume| source.reached(resume, &fence)) {
                    break;
                }
            }
            Some(Message::Rewind) => {}
            None => panic!("the tail ended: {:?}", tail.await),
        }
    }
    tail.abort();
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_of_10() {
    same_cells(PostgresVersion::V10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_of_18() {
    same_cells(PostgresVersion::V18).await;
}
