//! A directory of binlog files, as a server or an archiver writes it: followed without the server.
//!
//! Definitions of tables come from the log alone: from full metadata (`binlog_row_metadata = FULL`), or from the CREATE
//! statements in the files.

mod check;
mod directory;
mod file;
mod follow;
mod server_events;

use std::{collections::HashMap, fs, sync::Arc};

use async_trait::async_trait;
use slackwater_decoders::{
    mysql::catalog::{Catalog, Settings},
    position::Position,
};
use tokio::{sync::Mutex, task::spawn_blocking};

use self::{
    directory::{Directory, LogFile},
    file::{BinlogFile, Compression, FIRST_EVENT, Found},
    follow::FileEvents,
    server_events::ServerVersion,
};
use super::{Finding, Plan, Source, binlog, mysql::TableFilter};
use crate::{
    config::{ByteSize, Start, source::MysqlFilesSource},
    error::{Error, Result},
    pipeline::queue::BatchSender,
    positions::SchemaHistory,
};

/// A directory of binlog files.
pub struct MysqlFiles {
    directory: Directory,
    config: MysqlFilesSource,
    selected: TableFilter,
    /// Bytes of log that one batch has at most.
    batch_bytes: usize,
    /// How far the whole events of files go, by name: what was looked through is not looked through again.
    ends: Mutex<HashMap<String, u64>>,
}

impl MysqlFiles {
    /// The source that the task file names. Does not read anything.
    ///
    /// # Errors
    /// Definite when the configuration cannot work.
    pub fn new(config: MysqlFilesSource, selected: TableFilter) -> Result<Self> {
        config.validate()?;
        let directory = Directory { path: config.directory.clone(), base: config.base.clone() };
        let ends = Mutex::new(HashMap::new());
        Ok(MysqlFiles { directory, config, selected, batch_bytes: binlog::BATCH_BYTES, ends })
    }

    /// Sets how many bytes of log one batch has at most (1 MiB unless set); an event that is longer is one alone.
    #[must_use]
    pub fn with_batch_size(mut self, size: ByteSize) -> Self {
        self.batch_bytes = usize::try_from(size.0).unwrap_or(usize::MAX);
        self
    }

    fn no_files(&self) -> Error {
        Error::definite("no binlog file is in the directory").on(self.directory.path.display()).remedy(
            "check source.directory; the files are named like binlog.000001, perhaps with .gz or .zst behind",
        )
    }

    /// Makes sure that a place is in the files.
    async fn has(&self, position: &Position) -> Result<Position> {
        let (file, offset) = binlog::place(&position.log)?;
        let end = self.end_of(self.directory.find(file)?).await?;
        if offset > end {
            return Err(
                Error::definite(format!("the file ends at {end}, before the position")).at(&position.log)
            );
        }
        Ok(position.clone())
    }

    /// Where the whole events of a file end.
    async fn end_of(&self, file: LogFile) -> Result<u64> {
        let mut ends = self.ends.lock().await;
        let known = ends.get(&file.name).copied();
        if let (Some(end), true) = (known, file.compression != Compression::None) {
            return Ok(end);
        }
        let name = file.name.clone();
        let end = spawn_blocking(move || end_of_events(&file, known))
            .await
            .map_err(|error| Error::transient("looking through a file was broken off").caused_by(error))??;
        ends.insert(name, end);
        Ok(end)
    }

    /// A catalog without tables that reads statements as the server that wrote the file does.
    fn empty_catalog(&self, file: &str) -> Result<Catalog> {
        let mut format = Vec::new();
        if let Some(mut file) = BinlogFile::open(&self.directory.find(file)?)? {
            file.next(&mut format)?;
        }
        let ServerVersion { number: version, mariadb, .. } = ServerVersion::of(&format);
        Ok(Catalog::new(Settings { mariadb, version, ..Settings::default() }))
    }
}

/// Looks through a file from a place known before.
fn end_of_events(file: &LogFile, known: Option<u64>) -> Result<u64> {
    let Some(mut content) = BinlogFile::open(file)? else { return Ok(FIRST_EVENT) };
    content.skip_to(known.unwrap_or(FIRST_EVENT))?;
    let mut event = Vec::new();
    while content.next(&mut event)? == Found::Event {
        event.clear();
    }
    Ok(content.offset())
}

#[async_trait]
impl Source for MysqlFiles {
    fn describe(&self) -> String {
        format!("binlog files in {}", self.directory.path.display())
    }

    async fn check(&self, plan: &Plan<'_>) -> Vec<Finding> {
        check::findings(self, plan).await
    }

    async fn start_position(&self, start: &Start) -> Result<Position> {
        match start {
            Start::Now => self.end_of_log().await,
            Start::Earliest => {
                let first = self.directory.files()?.into_iter().next().ok_or_else(|| self.no_files())?;
                Ok(Position::binlog(first.name, FIRST_EVENT, None))
            }
            Start::Binlog { file, offset } => self.has(&Position::binlog(file.as_str(), *offset, None)).await,
            Start::Snapshot => Err(Error::definite("files have no tables to copy")
                .remedy("copy them from a server (type = \"mysql\"), or start at a file and offset")),
            Start::Gtid(_) => Err(Error::definite("files cannot be searched for GTIDs")
                .remedy("start at a file and offset, or at the earliest")),
        }
    }

    async fn end_of_log(&self) -> Result<Position> {
        let newest = self.directory.files()?.pop().ok_or_else(|| self.no_files())?;
        let name = newest.name.clone();
        Ok(Position::binlog(name, self.end_of(newest).await?, None))
    }

    fn reached(&self, applied: &Position, fence: &Position) -> bool {
        applied.log.compare(&fence.log).is_some_and(|order| order.is_ge())
    }

    async fn bytes_behind(&self, applied: &Position, end: &Position) -> Option<u64> {
        let ((first, start), (last, stop)) = (applied.log.binlog()?, end.log.binlog()?);
        if first == last {
            return Some(stop.saturating_sub(start));
        }
        let ends = self.ends.lock().await;
        // A compressed file that was not looked through counts as large as it is.
        let size = |file: &LogFile| {
            let on_disk = || fs::metadata(&file.path).ok().map(|metadata| metadata.len());
            ends.get(&file.name).copied().or_else(on_disk)
        };
        let files = self.directory.files().ok()?;
        let place = |name: &str| files.iter().position(|file| file.name == name);
        let between = files.get(place(first)?..place(last)?)?;
        let whole: u64 = between.iter().map(size).sum::<Option<u64>>()?;
        Some((whole + stop).saturating_sub(start))
    }

    async fn tail(&self, from: Position, history: &SchemaHistory, out: &BatchSender) -> Result<()> {
        let (file, _) = binlog::place(&from.log)?;
        let mut catalog = self.empty_catalog(file)?;
        if history.is_empty() {
            history.replace_all(&from, &[])?;
        } else {
            history.rewind_to(&from)?;
        }
        for table in history.catalog_at(&from) {
            catalog.insert(table);
        }
        let poll = self.config.follow.then_some(self.config.poll);
        let events = FileEvents::start(self.directory.clone(), &from, poll)?;
        let selected = Arc::clone(&self.selected);
        let decoder = binlog::decoder(&from, catalog, false, self.batch_bytes, move |table| selected(table))?;
        binlog::follow(events, decoder, self.batch_bytes, history, out).await
    }
}
