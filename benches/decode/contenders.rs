//! Those who read the log.

use std::{fs::File, hint::black_box, io::BufReader, mem, path::Path, process::Stdio};

use anyhow::Context;
use mysql_common::binlog::{BinlogFile, consts::BinlogVersion, events::EventData};
use slackwater_decoders::{
    arena::ArenaPool,
    batch::Batch,
    mysql::{
        Decoder, DecoderOptions,
        catalog::{Catalog, Settings},
        framing,
    },
};
use slackwater_testkit::Server;

use crate::pieces::Pieces;

/// Checks the checksum of every event and looks at nothing else: the least that a careful reader does.
pub(crate) fn crc_only(log: &Path) -> anyhow::Result<u64> {
    let mut pieces = Pieces::open(log)?;
    let mut piece = Vec::new();
    while pieces.next(&mut piece)? {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let (_, event, behind) = framing::split_event(rest)?;
            checked(event)?;
            rest = behind;
        }
    }
    Ok(0)
}

/// The event without its checksum, which must be right. (The logs here have been closed: no file is marked as in use.)
pub(crate) fn checked(event: &[u8]) -> anyhow::Result<&[u8]> {
    let (content, checksum) = event.split_last_chunk().context("no checksum")?;
    anyhow::ensure!(crc32fast::hash(content) == u32::from_le_bytes(*checksum), "a wrong checksum");
    Ok(content)
}

fn decoder() -> Decoder {
    Decoder::new(DecoderOptions {
        file: "binlog.000001".into(),
        offset: framing::MAGIC.len() as u64,
        executed: None,
        catalog: Catalog::new(Settings::default()),
        selected: Box::new(|_| true),
        positional_names: false,
        payload_bytes: 1 << 20,
    })
}

/// The decoder, with one piece of memory and one arena for all.
pub(crate) fn slackwater(log: &Path) -> anyhow::Result<u64> {
    let mut decoder = decoder();
    let mut pieces = Pieces::open(log)?;
    let mut pool = ArenaPool::new();
    let (mut piece, mut rows) = (Vec::new(), 0);
    while pieces.next(&mut piece)? {
        let mut events = Vec::new();
        rows += decoder.decode(&piece, &pool.arena(), &mut events)?.row_changes;
        black_box(events);
        pool.reset();
    }
    Ok(rows)
}

/// The decoder as the daemon runs it: each piece becomes a batch with memory of its own.
pub(crate) fn slackwater_batches(log: &Path) -> anyhow::Result<u64> {
    let mut decoder = decoder();
    let mut pieces = Pieces::open(log)?;
    let (mut piece, mut rows) = (Vec::new(), 0);
    while pieces.next(&mut piece)? {
        let batch =
            Batch::decode(mem::take(&mut piece), |log, arena, events| decoder.decode(log, arena, events))?;
        rows += black_box(&batch).summary().row_changes;
    }
    Ok(rows)
}

/// `mysql_common`, the library that most Rust readers of binlogs use, with every row iterated.
pub(crate) fn mysql_common(log: &Path) -> anyhow::Result<u64> {
    let mut file =
        BinlogFile::new(BinlogVersion::Version4, BufReader::with_capacity(1 << 18, File::open(log)?))?;
    let mut rows = 0;
    while let Some(event) = file.next() {
        let event = event?;
        let Some(EventData::RowsEvent(data)) = event.read_data()? else { continue };
        let map = file.reader().get_tme(data.table_id()).context("no table map")?;
        for row in data.rows(map) {
            black_box(row?);
            rows += 1;
        }
    }
    Ok(rows)
}

/// MySQL's own tool, printing every row as pseudo-SQL into nowhere.
pub(crate) fn mysqlbinlog(server: &Server, log: &Path) -> anyhow::Result<u64> {
    let log = log.to_str().context("a path that is not UTF-8")?;
    let status = server
        .client(&["mysqlbinlog", "--base64-output=decode-rows", "-v", log])?
        .stdout(Stdio::null())
        .status()?;
    anyhow::ensure!(status.success(), "mysqlbinlog: {status}");
    Ok(0)
}
