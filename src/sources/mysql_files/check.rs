//! The precheck of a directory of files: whether they are there, in sequence, and can be read from the start on.

use std::{sync::Arc, time::Duration};

use slackwater_decoders::position::Position;
use tokio::time::{Instant, timeout_at};

use super::{
    MysqlFiles,
    directory::{Directory, LogFile},
    file::BinlogFile,
};
use crate::{
    config::source::MysqlFilesSource,
    error::{Error, Result},
    pipeline::queue::{MemoryQuota, Message, queue},
    positions::SchemaHistory,
    sources::{Finding, Plan, Source},
};

/// How long the log is read for a trial.
const TRIAL: Duration = Duration::from_secs(5);
/// Memory for the trial.
const TRIAL_BYTES: u64 = 16 << 20;

/// All items.
pub(super) async fn findings(source: &MysqlFiles, plan: &Plan<'_>) -> Vec<Finding> {
    let code = "mysql_files.directory";
    let files = match source.directory.files() {
        Ok(files) => files,
        Err(error) => return vec![Finding::unanswered(code, &error)],
    };
    let (Some(first), Some(last)) = (files.first(), files.last()) else {
        return vec![Finding::unanswered(code, &source.no_files())];
    };
    let found = format!("{} files, {} to {}", files.len(), first.name, last.name);
    let mut findings = vec![Finding::ok(code, found)];
    findings.push(sequence(&source.directory, &files));
    findings.push(readable(&files));
    findings.extend(from_start(source, plan).await);
    findings
}

fn sequence(directory: &Directory, files: &[LogFile]) -> Finding {
    let code = "mysql_files.sequence";
    match files.iter().find_map(|file| directory.successor(file).err()) {
        Some(error) => Finding::unanswered(code, &error),
        None => Finding::ok(code, "no file is missing between the first and the last"),
    }
}

/// Whether each file can be opened, and is a binlog that is not encrypted.
fn readable(files: &[LogFile]) -> Finding {
    let code = "mysql_files.readable";
    match files.iter().find_map(|file| BinlogFile::open(file).err()) {
        Some(error) => Finding::unanswered(code, &error),
        None => Finding::ok(code, "every file can be opened, and none is encrypted as a whole"),
    }
}

/// Whether the start is there, and what lies behind it can be decoded, with the definitions that the log itself has.
async fn from_start(source: &MysqlFiles, plan: &Plan<'_>) -> Vec<Finding> {
    let start = match plan.stored {
        Some(stored) => source.has(stored).await,
        None => source.start_position(plan.start).await,
    };
    let code = "mysql_files.start_position";
    let position = match start {
        Ok(position) => position,
        Err(error) => return vec![Finding::unanswered(code, &error)],
    };
    let mut findings = vec![Finding::ok(code, format!("the files begin at or before {position}"))];
    // A task that has run knows the definitions; one that starts has those of the log alone.
    if plan.stored.is_none() {
        findings.push(match decodes(source, position).await {
            Ok(rows) => Finding::ok(
                "mysql_files.definitions",
                format!("the first {rows} changes of rows can be read with what the log says of their tables"),
            ),
            Err(error) => Finding::error(
                "mysql_files.definitions",
                error.parts().0,
                "-- on the server, for the files from then on; or start where the CREATE statements are (start = \"earliest\")\n\
                 SET GLOBAL binlog_row_metadata = 'FULL';",
            ),
        });
    }
    findings
}

/// Reads for a while from a position on; returns how many rows were changed there.
async fn decodes(source: &MysqlFiles, from: Position) -> Result<u64> {
    let config = MysqlFilesSource { follow: false, ..source.config.clone() };
    let trial = MysqlFiles::new(config, Arc::clone(&source.selected))?;
    let (out, mut batches) = queue(MemoryQuota::new(TRIAL_BYTES));
    let reading = tokio::spawn(async move {
        let history = SchemaHistory::in_memory();
        trial.tail(from, &history, &out).await
    });
    let deadline = Instant::now() + TRIAL;
    let mut rows = 0;
    loop {
        match timeout_at(deadline, batches.recv()).await {
            Ok(Some(Message::Batch(batch, _))) => rows += batch.summary().row_changes,
            Ok(Some(Message::Rewind)) => {}
            Ok(None) => break,
            Err(_) => {
                reading.abort();
                return Ok(rows);
            }
        }
    }
    let broken = |error| Error::transient("the trial was broken off").caused_by(error);
    reading.await.map_err(broken)?.map(|()| rows)
}
