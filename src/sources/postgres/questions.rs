//! What a server says about its log.

use slackwater_decoders::{
    position::{LogPosition, Position},
    postgres::lsn::Lsn,
};
use tokio::time::{Duration, Instant, sleep};

use super::replication::{Identity, Replication};
use crate::{
    error::{Error, Result},
    postgres_client::{Session, failed},
};

/// How long a busy server gets to write out its log by itself.
const OWN_ACCORD: Duration = Duration::from_millis(40);
/// The pause between two looks at it.
const PAUSE: Duration = Duration::from_millis(4);
/// Bytes of a page of log (`XLOG_BLCKSZ`), and the headers of one page and of a segment's first
/// (`src/include/access/xlog_internal.h`).
const PAGE: u64 = 8192;
const PAGE_HEADER: u64 = 24;
const SEGMENT_HEADER: u64 = 40;

/// The place in the log of `lsn`.
pub(super) fn position(identity: Identity, lsn: Lsn) -> Position {
    Position::wal(identity.system, identity.timeline, lsn)
}

/// The log sequence number of a position.
///
/// # Errors
/// Definite when it is a place in another kind of log.
pub(super) fn lsn(position: &Position) -> Result<Lsn> {
    position.log.lsn().ok_or_else(|| {
        Error::definite("the stored position is no place in a write-ahead log").at(&position.log).remedy(
            "the task has followed another kind of source: give this one a name and a state_dir of its own",
        )
    })
}

/// The end of the log: everything that was committed before the question lies before it, and the server sends everything
/// before it without being written to further.
///
/// Commits that are not written out yet count (`synchronous_commit = off` answers before); the server sends only what is. So a
/// server that does not write it out by itself within a moment is made to, by a message of no one.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn end_of_log(session: &Session) -> Result<Lsn> {
    let (end, written) = ends(session).await?;
    let Some(mut written) = written else { return Ok(end) };
    let since = Instant::now();
    while written < end {
        if since.elapsed() >= OWN_ACCORD {
            // Its commit writes the log out, up to itself.
            let message = "SELECT set_config('synchronous_commit', 'local', false), \
                           pg_logical_emit_message(true, 'slackwater:heartbeat', '')::text";
            session
                .query(message, &[])
                .await
                .map_err(|error| failed("cannot have the log written out", error))?;
            return Ok(ends(session).await?.1.unwrap_or(end).max(end));
        }
        sleep(PAUSE).await;
        written = ends(session).await?.1.unwrap_or(end);
    }
    Ok(end)
}

/// Where the next record goes, and how far the log is written out; a standby has one place alone.
async fn ends(session: &Session) -> Result<(Lsn, Option<Lsn>)> {
    let question = "SELECT CASE WHEN r THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text, \
                    CASE WHEN NOT r THEN pg_current_wal_flush_lsn() END::text FROM pg_is_in_recovery() r";
    let unreadable = |error| failed("cannot read the end of the log", error);
    let row = session.query_one(question, &[]).await.map_err(unreadable)?;
    let lsn = |place| {
        let text: Option<String> = row.try_get(place).map_err(unreadable)?;
        Ok::<Option<Lsn>, Error>(text.and_then(|text| text.parse().ok()))
    };
    let end = lsn(0)?.ok_or_else(|| Error::transient("the server does not know the end of its log yet"))?;
    Ok((behind_record(end), lsn(1)?))
}

/// The end of the last record, where the place of the next one is known: at the beginning of a page, the next one comes behind a
/// header that is not written yet.
fn behind_record(next: Lsn) -> Lsn {
    match next.0 % PAGE {
        header @ (PAGE_HEADER | SEGMENT_HEADER) => Lsn(next.0 - header),
        _ => next,
    }
}

/// Whether the server is a standby.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn is_standby(session: &Session) -> Result<bool> {
    Ok(session.one_number("SELECT pg_is_in_recovery()::int4::int8").await? != 0)
}

/// Whether everything up to `fence` has been passed at `applied`.
pub(super) fn reached(applied: &Position, fence: &Position) -> bool {
    applied.log.compare(&fence.log).is_some_and(std::cmp::Ordering::is_ge)
}

/// Whether a position is in the history of the server that answers.
///
/// # Errors
/// Definite when the server is another cluster, or its log ends or has branched off before the position; transient when a standby
/// has not got there; what the server refuses.
pub(super) async fn is_in_history(
    replication: &mut Replication,
    session: &Session,
    identity: Identity,
    from: &Position,
) -> Result<()> {
    let at = lsn(from)?;
    let LogPosition::Wal { system, timeline, .. } = from.log else { return Ok(()) };
    if system != identity.system {
        return Err(Error::definite(format!(
            "the server is of another cluster (system identifier {}, the task's source has {system})",
            identity.system
        ))
        .at(&from.log)
        .remedy(
            "point source.hosts to the task's source or a standby of it; a restored dump or an upgraded cluster is another \
             source, which takes a new task",
        ));
    }
    if timeline == identity.timeline {
        return is_written(session, from, at).await;
    }
    if timeline > identity.timeline {
        return Err(Error::definite(format!(
            "the server is on timeline {}, and the task has followed timeline {timeline}: this is the former primary",
            identity.timeline
        ))
        .at(&from.log)
        .remedy("point source.hosts to the promoted server"));
    }
    let history = replication.timeline_history(identity.timeline).await?;
    match history.iter().find(|(own, _)| *own == timeline) {
        Some((_, end)) if at <= *end => Ok(()),
        Some((_, end)) => Err(Error::definite(format!(
            "the server was promoted, and its log has branched off at {end} (timeline {} now): the task has applied \
             transactions behind that, which the new primary never had",
            identity.timeline
        ))
        .at(&from.log)
        .remedy(
            "the destination has rows that the source does not: compare them, or copy the tables anew \
             with start = \"snapshot\"",
        )),
        None => Err(Error::definite(format!(
            "the server's timeline {} does not come from timeline {timeline}, which the task has followed",
            identity.timeline
        ))
        .at(&from.log)
        .remedy("point source.hosts to a server that the task's source was replicated to")),
    }
}

/// Whether the log of the position's own timeline goes as far: that of a server that was set back to an earlier state does not, until it
/// is written again with something else.
async fn is_written(session: &Session, from: &Position, at: Lsn) -> Result<()> {
    let (end, _) = ends(session).await?;
    if at <= end {
        return Ok(());
    }
    if is_standby(session).await? {
        return Err(
            Error::transient(format!("the standby has replayed its log up to {end} only")).at(&from.log)
        );
    }
    Err(Error::definite(format!("the log of the server ends at {end}, before the task's position"))
        .on(session.address())
        .at(&from.log)
        .remedy(
            "was the source restored from a backup, or is it a copy of the task's source? The destination has rows that it does \
             not: compare them (slackwater verify), or copy the tables anew with start = \"snapshot\"",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A record that ends with its page ends at the page's end; the insert position is then behind the next page's header.
    #[test]
    fn the_header_of_an_empty_page_is_not_waited_for() {
        for (next, end) in [(0x200_2018, 0x200_2000), (0x300_0028, 0x300_0000), (0x200_2030, 0x200_2030)] {
            assert_eq!(behind_record(Lsn(next)), Lsn(end));
        }
    }

    #[test]
    fn places_of_one_cluster_are_compared() {
        let at = |system, timeline, lsn| Position::wal(system, timeline, Lsn(lsn));
        assert!(reached(&at(1, 1, 5), &at(1, 1, 5)) && reached(&at(1, 2, 6), &at(1, 1, 5)));
        assert!(!reached(&at(1, 1, 4), &at(1, 1, 5)) && !reached(&at(2, 1, 9), &at(1, 1, 5)));
    }
}
