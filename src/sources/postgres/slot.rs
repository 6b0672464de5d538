//! The replication slot: its state, and whether the task can go on with it.
//!
//! A slot that is lost is never made again in silence: the log between the task's position and a new slot's start would be missing.

use slackwater_decoders::{position::Position, postgres::lsn::Lsn};

use crate::{
    config::ByteSize,
    error::{Error, Result},
    postgres_client::{Session, failed, literal},
};

/// What the slot's log is decoded by.
const PLUGIN: &str = "pgoutput";

/// What a server says of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) plugin: String,
    pub(super) database: String,
    /// The process that reads it.
    pub(super) active_pid: Option<i32>,
    /// The server keeps its log from here on.
    pub(super) restart: Option<Lsn>,
    /// Transactions that were committed before are not sent again.
    pub(super) confirmed: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost` (13 and later).
    pub(super) wal_status: Option<String>,
    /// Why it cannot be used any more (17 and later).
    pub(super) invalidation: Option<String>,
    /// Whether prepared transactions are sent when they are prepared.
    pub(super) two_phase: bool,
    /// Whether standbys keep it as well.
    pub(super) failover: bool,
    /// Bytes of log that the server keeps for it.
    pub(super) retained: u64,
}

/// The slot of that name, if there is one.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn read(session: &Session, name: &str) -> Result<Option<Slot>> {
    let since = |major: u32, column: &'static str| {
        if session.major() >= major { column } else { "NULL" }
    };
    let question = format!(
        "SELECT plugin::text, database::text, active_pid, restart_lsn::text, confirmed_flush_lsn::text, {}::text, {}::text, \
           coalesce({}::boolean, false), coalesce({}::boolean, false), {} \
         FROM pg_replication_slots WHERE slot_name = {}",
        since(13, "wal_status"),
        since(17, "invalidation_reason"),
        since(15, "two_phase"),
        since(17, "failover"),
        retained("restart_lsn"),
        literal(name),
    );
    let unreadable = |error| failed("cannot read the state of the replication slot", error).on(name);
    let Some(row) = session.query_opt(&question, &[]).await.map_err(unreadable)? else { return Ok(None) };
    let read = || {
        let lsn = |place| {
            row.try_get::<_, Option<String>>(place).map(|text| text.and_then(|text| text.parse().ok()))
        };
        Ok(Slot {
            name: name.to_owned(),
            plugin: row.try_get::<_, Option<String>>(0)?.unwrap_or_default(),
            database: row.try_get::<_, Option<String>>(1)?.unwrap_or_default(),
            active_pid: row.try_get(2)?,
            restart: lsn(3)?,
            confirmed: lsn(4)?,
            wal_status: row.try_get(5)?,
            invalidation: row.try_get(6)?,
            two_phase: row.try_get(7)?,
            failover: row.try_get(8)?,
            retained: row.try_get::<_, i64>(9)?.try_into().unwrap_or_default(),
        })
    };
    read().map(Some).map_err(unreadable)
}

/// The expression for the bytes of log from `lsn` to the server's end of log, as `int8`.
pub(super) fn retained(lsn: &str) -> String {
    format!(
        "greatest(coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
         ELSE pg_current_wal_insert_lsn() END, {lsn}), 0), 0)::int8"
    )
}

impl Slot {
    /// Whether the slot has the log of `database` at all.
    ///
    /// # Errors
    /// Definite when it is of something else, or is lost; transient while it is being created, perhaps for a process that was killed.
    pub(super) fn is_usable(&self, database: &str) -> Result<()> {
        if let (None, Some(pid)) = (self.confirmed, self.active_pid) {
            return Err(Error::transient(format!(
                "the replication slot is still being created (by process {pid} of the server)"
            ))
            .on(self)
            .remedy("creating it waits until the transactions that write now have ended"));
        }
        let wrong = |what: String, remedy: &str| Err(Error::definite(what).on(self).remedy(remedy));
        if self.plugin != PLUGIN {
            return wrong(
                format!("the replication slot decodes by {:?}, not by {PLUGIN}", self.plugin),
                "name another slot in source.slot, or leave it out",
            );
        }
        if self.database != database {
            return wrong(
                format!("the replication slot is of the database {}, not of {database}", self.database),
                "name another slot in source.slot, or leave it out",
            );
        }
        let reason = match (&self.invalidation, self.wal_status.as_deref(), self.restart) {
            (Some(reason), ..) => reason.as_str(),
            (None, Some("lost"), _) | (None, _, None) => "wal_removed",
            _ => return Ok(()),
        };
        let why = match reason {
            "wal_removed" => "it kept more log than max_slot_wal_keep_size allows, and the server removed it",
            "rows_removed" => {
                "rows of the catalog that it needed were removed (hot_standby_feedback was off)"
            }
            "wal_level_insufficient" => "the primary's wal_level was lowered below logical",
            "idle_timeout" => "it was not read for longer than idle_replication_slot_timeout",
            other => other,
        };
        wrong(
            format!("the server has invalidated the replication slot: {why}"),
            "the log from the task's position on is lost: drop the slot (slackwater release) and copy the tables anew with \
             start = \"snapshot\" and an empty destination; raise the limit first",
        )
    }

    /// What the operator has to know of the log that the server keeps, before the source's disk is full or the slot is lost.
    pub(super) fn alarm(&self, limit: Option<ByteSize>) -> Option<String> {
        if self.wal_status.as_deref() == Some("unreserved") {
            return Some(
                "it keeps more log than max_slot_wal_keep_size allows, and the server removes it at its next checkpoint: the task \
                 cannot go on then. Raise the setting now (ALTER SYSTEM, pg_reload_conf())"
                    .to_owned(),
            );
        }
        let limit = limit.filter(|limit| self.retained > limit.0)?;
        Some(format!(
            "it keeps {} of log on the source's disk, more than source.retained_log_limit ({limit})",
            ByteSize(self.retained)
        ))
    }

    /// Whether the log from a position on can be had from it.
    ///
    /// # Errors
    /// Definite when a part of it was given up already; transient when somebody else reads it.
    pub(super) fn can_serve(&self, from: &Position, database: &str) -> Result<()> {
        self.is_usable(database).map_err(|error| error.at(&from.log))?;
        let Some(lsn) = from.log.lsn() else { return Ok(()) };
        if let Some(confirmed) = self.confirmed.filter(|confirmed| *confirmed > lsn) {
            return Err(Error::definite(format!(
                "the replication slot was read up to {confirmed}, and the destination stands before: what lies between is lost"
            ))
            .on(self)
            .at(&from.log)
            .remedy(
                "was the destination restored from a backup, or the slot read by somebody else? Copy the tables anew with \
                 start = \"snapshot\"",
            ));
        }
        match self.active_pid {
            None => Ok(()),
            Some(pid) => Err(Error::transient(format!(
                "the replication slot is read by another connection (process {pid} of the server)"
            ))
            .on(self)
            .remedy(format!(
                "stop the other task that reads it; a connection that was left behind ends by itself after \
                 wal_sender_timeout, or with: SELECT pg_terminate_backend({pid});"
            ))),
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "slot {}", self.name)
    }
}

/// The error for a slot that has to be there and is not.
pub(super) fn missing(name: &str, from: Option<&Position>) -> Error {
    let error = Error::definite("the replication slot is not there").on(format!("slot {name}"));
    match from {
        Some(from) => error.at(&from.log).remedy(
            "somebody dropped it, and with it the log from the task's position on, or this server never had it: point \
             source.hosts to the server that has the slot, or copy the tables anew with start = \"snapshot\" and an empty \
             destination",
        ),
        None => error.remedy(format!(
            "create it: SELECT pg_create_logical_replication_slot({}, 'pgoutput'); or let the task do so with \
             source.create = true",
            literal(name)
        )),
    }
}

/// Drops a slot. Whether there was one.
///
/// # Errors
/// When it is in use, or the server cannot be asked.
pub(super) async fn drop_slot(session: &Session, name: &str) -> Result<bool> {
    let statement = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {}",
        literal(name)
    );
    let dropped = session.query(&statement, &[]).await;
    dropped.map(|rows| !rows.is_empty()).map_err(|error| {
        failed("cannot drop the replication slot", error)
            .on(format!("slot {name}"))
            .remedy("stop the task first")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_warned_of_a_slot_that_keeps_too_much_and_of_one_that_is_about_to_be_lost() {
        let slot = |retained, status: &str| Slot {
            retained,
            wal_status: Some(status.to_owned()),
            ..Slot::default()
        };
        let limit = Some(ByteSize(100));
        assert_eq!(slot(100, "extended").alarm(limit), None);
        assert_eq!(slot(101, "extended").alarm(None), None);
        let warnings =
            [(slot(101, "reserved"), "retained_log_limit"), (slot(1, "unreserved"), "max_slot_wal")];
        for (slot, words) in warnings {
            assert!(slot.alarm(limit).is_some_and(|warning| warning.contains(words)));
        }
    }
}
