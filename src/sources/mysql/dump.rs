//! The replication connection: asking for the log and taking its events.

use std::time::Duration;

use mysql_common::packets::{ComBinlogDump, ComBinlogDumpGtid, ComRegisterSlave, GnoInterval, Sid, Tag};
use mysql_common::proto::MySerialize;
use slackwater_decoders::{
    mysql::gtid::{GtidSet, MariadbGtidPosition},
    position::{Executed, Position},
};

use super::{
    connection::Connection,
    packets::Progress,
    response::{self, ServerError},
};
use crate::{
    error::{Error, Result},
    sources::binlog::{self, EventReader, Next},
};

/// As what we appear in the server's list of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaIdentity {
    /// Unique among the servers and clients that read from one server.
    pub(crate) server_id: u32,
    /// The server ends an older connection of the same UUID: what a lost connection left behind goes when we come again.
    pub(crate) uuid: String,
}

impl ReplicaIdentity {
    /// The identity of a task. A derived server id lies in the upper half of the range, away from the small numbers that
    /// people give.
    pub(crate) fn of_task(task: &str, server_id: Option<u32>) -> Self {
        let derived = |part: u32| {
            let mut hash = crc32fast::Hasher::new_with_initial(part);
            hash.update(task.as_bytes());
            hash.finalize()
        };
        let (a, b, c, d) = (derived(1), derived(2), derived(3), derived(4));
        // Version 8 of RFC 9562: the bits are the application's own.
        let uuid = format!(
            "{a:08x}-{:04x}-8{:03x}-{:04x}-{:04x}{d:08x}",
            b >> 16,
            b & 0xFFF,
            c >> 16 & 0x3FFF | 0x8000,
            c & 0xFFFF
        );
        ReplicaIdentity { server_id: server_id.unwrap_or(derived(0) | 1 << 31), uuid }
    }
}

/// The log of a server from some position on.
pub(crate) struct BinlogStream {
    connection: Connection,
    server: String,
    /// Where the log was asked for, for errors.
    from: Position,
    /// What the server says in place of an event.
    answer: Vec<u8>,
}

impl BinlogStream {
    /// Asks for the log from `from` on: by its transactions where it has them, else by file and offset.
    ///
    /// # Errors
    /// Definite when the server cannot be asked in this way; disconnected when the connection is lost. Whether the server has the
    /// position shows with the first event.
    pub(crate) async fn start(
        mut connection: Connection,
        server: String,
        from: Position,
        identity: &ReplicaIdentity,
        heartbeat: Duration,
    ) -> Result<Self> {
        prepare(&mut connection, identity, heartbeat).await?;
        let mut request = Vec::new();
        match &from.executed {
            Some(Executed::Mysql(set)) => dump_by_gtid(identity.server_id, set).serialize(&mut request),
            Some(Executed::Mariadb(gtids)) if gtids.iter().next().is_some() => {
                set_connect_state(&mut connection, gtids).await?;
                ComBinlogDump::new(identity.server_id).with_pos(4).serialize(&mut request);
            }
            Some(Executed::Mariadb(_)) | None => {
                let (file, offset) = binlog::place(&from.log)?;
                let offset = u32::try_from(offset).map_err(|_| {
                    Error::definite("an offset of 4 GiB or more cannot be asked for by file and offset")
                        .at(&from.log)
                        .remedy("start by GTID, or at the start of the next file")
                })?;
                ComBinlogDump::new(identity.server_id)
                    .with_pos(offset)
                    .with_filename(file.as_bytes())
                    .serialize(&mut request);
            }
        }
        connection.stream.write_command(&request).await.map_err(response::lost)?;
        // A dead server is noticed within a few heartbeats; a busy one may be late with a single one.
        connection.stream.set_read_timeout((heartbeat * 4).max(Duration::from_secs(2)));
        Ok(BinlogStream { connection, server, from, answer: Vec::new() })
    }
}

impl EventReader for BinlogStream {
    fn next(&mut self, piece: &mut Vec<u8>) -> Result<Next> {
        let stream = &mut self.connection.stream;
        let Some(kind) = stream.begin() else { return Ok(Next::Wait) };
        let is_event = kind == Some(0x00);
        let progress = if is_event { stream.take(piece) } else { stream.take(&mut self.answer) };
        match (progress, kind) {
            (Progress::Partial, _) => Ok(Next::Wait),
            (Progress::Complete(_), Some(0x00)) => Ok(Next::Event),
            (Progress::Complete(_), Some(0xFF)) => {
                self.answer.insert(0, 0xFF);
                Err(dump_error(&ServerError::parse(&self.answer), &self.from).on(&self.server))
            }
            (Progress::Complete(_), Some(0xFE)) => {
                Err(Error::disconnected("the server ended the log").on(&self.server))
            }
            (Progress::Complete(_), _) => {
                Err(Error::definite("the server sent a packet that is no event").on(&self.server))
            }
        }
    }

    async fn wait(&mut self) -> Result<()> {
        self.connection.stream.wait().await.map_err(|error| response::lost(error).on(&self.server))
    }
}

/// Tells the server who we are and what we understand. Unknown names are harmless: they are user variables.
async fn prepare(connection: &mut Connection, identity: &ReplicaIdentity, heartbeat: Duration) -> Result<()> {
    let nanoseconds = heartbeat.as_nanos();
    let uuid = &identity.uuid;
    for statement in [
        // Keep the checksums that the files have.
        "SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'".to_owned(),
        format!("SET @master_heartbeat_period = {nanoseconds}, @source_heartbeat_period = {nanoseconds}"),
        format!("SET @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"),
        // While the destination is slow we do not read; the server is not to take that for a dead client.
        "SET SESSION net_write_timeout = 3600".to_owned(),
    ] {
        connection.query(&statement).await?;
    }
    if connection.version().mariadb {
        // 4: understands GTID events and all that came before them.
        connection.query("SET @mariadb_slave_capability = 4").await?;
    }
    connection.confirmed(&ComRegisterSlave::new(identity.server_id)).await
}

async fn set_connect_state(connection: &mut Connection, gtids: &MariadbGtidPosition) -> Result<()> {
    connection.query(&format!("SET @slave_connect_state = '{gtids}'")).await?;
    connection.query("SET @slave_gtid_strict_mode = 1").await?;
    connection.query("SET @slave_gtid_ignore_duplicates = 0").await.map(drop)
}

fn dump_by_gtid(server_id: u32, set: &GtidSet) -> ComBinlogDumpGtid<'_> {
    let sids: Vec<Sid<'_>> = set
        .iter()
        .map(|(source, intervals)| {
            let intervals = intervals.iter().map(|&(first, end)| GnoInterval::new(first, end)).collect();
            let sid = Sid::new(source.uuid).with_intervals(intervals);
            match source.tag.as_ref().and_then(|tag| Tag::new(tag.to_string()).ok()) {
                Some(tag) => sid.with_tag(tag),
                None => sid,
            }
        })
        .collect();
    ComBinlogDumpGtid::new(server_id).with_pos(4).with_sids(sids)
}

/// The number under which a server reports every reason why it cannot send its log (ER_SOURCE_FATAL_ERROR_READING_BINLOG).
const FATAL_READING_BINLOG: u16 = 1236;

fn dump_error(error: &ServerError, from: &Position) -> Error {
    let message = error.message.to_lowercase();
    let says = |words: &str| message.contains(words);
    if error.code != FATAL_READING_BINLOG {
        let ours = Error::of_kind(error.kind(), "the server ended the replication connection");
        return ours.at(&from.log).caused_by(error.clone());
    }
    let (what, remedy) = if says("not in the master's binlog") || says("diverged") {
        (
            "the server does not have the transactions that the task has read already",
            "if it took over without them, they exist at the destination alone: compare, and start the task anew",
        )
    } else if says("same server_uuid/server_id") || says("same server_id") {
        (
            "another client has connected with the server id of this task",
            "run one process for each task; if two tasks have the same name, set source.server_id in one of them",
        )
    } else if says("purged") || says("could not find first log") {
        (
            "the server does not have the log from this position on any more",
            "changes are lost for this task: start it anew, and keep the log longer (binlog_expire_logs_seconds)",
        )
    } else if says("> file size")
        || says("impossible position")
        || says("position > file")
        || says("bogus data")
    {
        (
            "the position is not one of this server's log",
            "check that the server is the one that the position came from; start at a position that SHOW BINLOG EVENTS lists",
        )
    } else if says("max_allowed_packet") {
        // The server takes whatever bytes stand at the position for the length of an event.
        (
            "the position is not the start of an event, or an event is larger than the server sends",
            "start at a position that SHOW BINLOG EVENTS lists; if it is one: SET GLOBAL max_allowed_packet = 1073741824",
        )
    } else {
        ("the server cannot send its log from this position", "see the cause, and the server's error log")
    };
    let executed = from.executed.as_ref().map(|executed| format!("behind the transactions {executed}"));
    let ours = Error::definite(match executed {
        Some(executed) => format!("{what} ({executed})"),
        None => what.to_owned(),
    });
    ours.at(&from.log).caused_by(error.clone()).remedy(remedy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_task_keeps_its_identity_and_differs_from_others() {
        let orders = ReplicaIdentity::of_task("orders", None);
        assert_eq!(orders, ReplicaIdentity::of_task("orders", None));
        let other = ReplicaIdentity::of_task("orders2", None);
        assert_ne!((orders.server_id, &orders.uuid), (other.server_id, &other.uuid));
        assert!(orders.server_id >= 1 << 31);
        let groups: Vec<usize> = orders.uuid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(ReplicaIdentity::of_task("orders", Some(7)).server_id, 7);
    }

    // The layout: Gtid_set::encode and encode_nsids_format of MySQL 8.3's sql/rpl_gtid_set.cc.
    #[test]
    fn a_set_with_a_tag_is_encoded_with_tags_throughout() {
        let set: GtidSet = "00010203-0405-0607-0809-0a0b0c0d0e0f:1-5:shop:7".parse().unwrap();
        let mut request = Vec::new();
        dump_by_gtid(1, &set).serialize(&mut request);
        let uuid: Vec<u8> = (0..16).collect();
        let interval = |first: u64, end: u64| [1_u64, first, end].map(u64::to_le_bytes).concat();
        let tail = [uuid.as_slice(), &[0], &interval(1, 6), &uuid, &[8], b"shop", &interval(7, 8)].concat();
        assert!(request.ends_with(&tail));
        // The number of origins stands in the middle six bytes of eight, the format in the last.
        let head = request.get(..request.len() - tail.len()).unwrap_or_default();
        assert!(head.ends_with(&[0, 2, 0, 0, 0, 0, 0, 1]), "{head:?}");
    }
}
