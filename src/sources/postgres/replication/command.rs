//! The commands of the replication protocol.

use std::{fmt::Write as _, time::Duration};

use slackwater_decoders::postgres::lsn::Lsn;

use super::{Replication, Row, WalStream};
use crate::{
    error::{Error, Result},
    postgres_client::{literal, quoted},
};

/// What `IDENTIFY_SYSTEM` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The identifier of the cluster, which its standbys share.
    pub(crate) system: u64,
    /// The timeline that the server is on.
    pub(crate) timeline: u32,
}

/// How a slot is created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CreateSlot<'a> {
    pub(crate) name: &'a str,
    /// The server's major version: the syntax has changed with 15.
    pub(crate) major: u32,
    /// Whether the state of the tables at the slot's start is to be shared with other sessions.
    pub(crate) export_snapshot: bool,
    /// Whether prepared transactions are sent when they are prepared (15 and later).
    pub(crate) two_phase: bool,
    /// Whether standbys keep the slot as well (17 and later).
    pub(crate) failover: bool,
}

/// A slot that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreatedSlot {
    /// Transactions that commit from here on are in the slot's stream.
    pub(crate) start: Lsn,
    /// The name of the exported snapshot, for `SET TRANSACTION SNAPSHOT`, which shows what was committed before. It goes with the next command on the
    /// connection, and with the connection.
    pub(crate) snapshot: Option<String>,
}

impl CreateSlot<'_> {
    fn statement(&self) -> String {
        let name = quoted(self.name);
        if self.major < 15 {
            let snapshot = if self.export_snapshot { "EXPORT_SNAPSHOT" } else { "NOEXPORT_SNAPSHOT" };
            return format!("CREATE_REPLICATION_SLOT {name} LOGICAL pgoutput {snapshot}");
        }
        let snapshot = if self.export_snapshot { "export" } else { "nothing" };
        let mut statement = format!("CREATE_REPLICATION_SLOT {name} LOGICAL pgoutput (SNAPSHOT '{snapshot}'");
        if self.two_phase {
            statement.push_str(", TWO_PHASE true");
        }
        if self.failover {
            statement.push_str(", FAILOVER true");
        }
        statement + ")"
    }
}

/// What `START_REPLICATION` asks for.
#[derive(Clone, Debug)]
pub(crate) struct StartOptions {
    pub(crate) slot: String,
    pub(crate) publication: String,
    /// Where to start; the slot's own position where it is further.
    pub(crate) from: Lsn,
    /// The version of pgoutput's protocol, 1 to 4.
    pub(crate) protocol: u8,
    pub(crate) binary: bool,
    pub(crate) messages: bool,
    /// `on` or `parallel`.
    pub(crate) streaming: Option<&'static str>,
    pub(crate) two_phase: bool,
    /// `none`: without what the source itself received by replication.
    pub(crate) origin: Option<&'static str>,
}

impl StartOptions {
    fn statement(&self) -> String {
        let mut statement = format!("START_REPLICATION SLOT {} LOGICAL {} (", quoted(&self.slot), self.from);
        let publications = literal(&quoted(&self.publication));
        let _ = write!(statement, "proto_version '{}', publication_names {publications}", self.protocol);
        let mut option = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = write!(statement, ", {name} '{value}'");
            }
        };
        option("binary", self.binary.then_some("true"));
        option("messages", self.messages.then_some("true"));
        option("streaming", self.streaming);
        option("two_phase", self.two_phase.then_some("on"));
        option("origin", self.origin);
        statement + ")"
    }
}

impl Replication {
    /// Who the server is.
    ///
    /// # Errors
    /// As [`command`](Replication::command).
    pub(crate) async fn identify(&mut self) -> Result<Identity> {
        let rows = self.command("IDENTIFY_SYSTEM").await?;
        let row = rows.into_iter().next().unwrap_or_default();
        let (Some(system), Some(timeline)) = (number(&row, 0), number(&row, 1)) else {
            return Err(Error::definite("the server does not say who it is (IDENTIFY_SYSTEM)"));
        };
        Ok(Identity { system, timeline: timeline.try_into().unwrap_or_default() })
    }

    /// Where the timelines before `timeline` ended: each with the place at which the next one branched off, in order.
    ///
    /// # Errors
    /// As [`command`](Replication::command).
    pub(crate) async fn timeline_history(&mut self, timeline: u32) -> Result<Vec<(u32, Lsn)>> {
        if timeline <= 1 {
            return Ok(Vec::new());
        }
        let rows = self.command(&format!("TIMELINE_HISTORY {timeline}")).await?;
        let content = rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten());
        Ok(parse_history(&content.unwrap_or_default()))
    }

    /// Creates a slot. Waits until the transactions that write now have ended.
    ///
    /// # Errors
    /// The server's refusal; disconnected when the connection is lost.
    pub(crate) async fn create_slot(&mut self, slot: &CreateSlot<'_>) -> Result<CreatedSlot> {
        let rows = self.patient_command(&slot.statement()).await?;
        let row = rows.into_iter().next().unwrap_or_default();
        let text = |place: usize| row.get(place).cloned().flatten();
        let start = text(1).and_then(|lsn| lsn.parse().ok()).ok_or_else(|| {
            Error::definite("the server does not say where the new replication slot starts").on(slot.name)
        })?;
        Ok(CreatedSlot { start, snapshot: text(2) })
    }

    /// Begins to stream.
    ///
    /// # Errors
    /// The server's refusal; disconnected when the connection is lost.
    pub(crate) async fn start(mut self, options: &StartOptions, heartbeat: Duration) -> Result<WalStream> {
        self.query(&options.statement()).await?;
        self.copy_both().await?;
        WalStream::new(self.wire, self.incoming, &options.publication, heartbeat)
    }
}

fn number(row: &Row, place: usize) -> Option<u64> {
    row.get(place)?.as_deref()?.parse().ok()
}

/// Reads a history file: lines of a timeline, the place where it ended, and a reason (`src/backend/access/transam/timeline.c`).
fn parse_history(content: &str) -> Vec<(u32, Lsn)> {
    content
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_file_tells_where_timelines_ended() {
        let content =
            "1\t0/3000148\tno recovery target specified\n\n2\t0/5000028\tno recovery target specified\n";
        assert_eq!(parse_history(content), [(1, Lsn(0x300_0148)), (2, Lsn(0x500_0028))]);
    }

    // The grammars: "Streaming Replication Protocol" of PostgreSQL 14 and 18.
    #[test]
    fn slots_are_created_in_the_syntax_of_the_version() {
        let slot =
            CreateSlot { name: "a", major: 14, export_snapshot: true, two_phase: false, failover: false };
        assert_eq!(slot.statement(), "CREATE_REPLICATION_SLOT \"a\" LOGICAL pgoutput EXPORT_SNAPSHOT");
        let slot = CreateSlot { major: 18, two_phase: true, failover: true, ..slot };
        assert_eq!(
            slot.statement(),
            "CREATE_REPLICATION_SLOT \"a\" LOGICAL pgoutput (SNAPSHOT 'export', TWO_PHASE true, FAILOVER true)"
        );
    }
}
