//! Reports to the server: how far the log was received, and up to where it may be forgotten.
//!
//! Reports go out at every heartbeat, whatever the reader waits for: a slow destination is no reason for the server to end the
//! connection (`wal_sender_timeout`). Each asks for a keepalive, which tells how far the server has decoded its log: that moves the
//! task's position, and with its checkpoint the slot's, when the log has nothing for the task.
//!
//! **What may be forgotten** is what the destination has stored with its data, and nothing that is still needed: a prepared transaction
//! is not sent again once its PREPARE is confirmed, so that the confirmed position stays before it until its COMMIT PREPARED or
//! ROLLBACK PREPARED is stored (see `tail`).

use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use slackwater_decoders::postgres::{
    copy::{StandbyStatus, append},
    lsn::Lsn,
};
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::lost;
use crate::{
    error::{Error, Result},
    postgres_client::Wire,
};

/// The first pause before the server is asked again how far it is, when somebody waits for it.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How far a task is, for all who have to do with it: the reader, the pipeline, the reports.
#[derive(Default)]
pub(crate) struct Progress {
    /// Everything before was received.
    received: AtomicU64,
    /// Everything before is stored at the destination.
    stored: AtomicU64,
    /// The place that the pipeline waits for.
    wanted: AtomicU64,
    /// What is needed from here on, whatever is stored; 0: nothing.
    held: AtomicU64,
    /// The server wants a report now.
    due: AtomicBool,
    changed: Notify,
}

impl Progress {
    /// Takes back what was received in an earlier stream.
    pub(crate) fn restart(&self, at: Lsn) {
        self.received.store(at.0, Relaxed);
        self.held.store(0, Relaxed);
    }

    /// Everything before was received. Whether somebody waited for it.
    pub(crate) fn received(&self, lsn: Lsn) -> bool {
        let before = self.received.fetch_max(lsn.0, Relaxed);
        let wanted = self.wanted.load(Relaxed);
        before < wanted && lsn.0 >= wanted
    }

    /// Everything before is stored at the destination.
    pub(crate) fn stored(&self, lsn: Lsn) {
        self.stored.fetch_max(lsn.0, Relaxed);
    }

    /// The log from there on is needed until this is called again; `None`: only what is not stored.
    pub(crate) fn hold(&self, from: Option<Lsn>) {
        self.held.store(from.map_or(0, |lsn| lsn.0), Relaxed);
    }

    /// Somebody waits until everything before is received: the server is asked at once whether it has nothing until there.
    pub(crate) fn want(&self, lsn: Lsn) {
        self.wanted.fetch_max(lsn.0, Relaxed);
        if self.is_wanted() {
            self.changed.notify_one();
        }
    }

    /// The server wants a report now.
    pub(crate) fn report_now(&self) {
        self.due.store(true, Relaxed);
        self.changed.notify_one();
    }

    /// Everything before is stored at the destination.
    pub(crate) fn is_stored(&self) -> Lsn {
        Lsn(self.stored.load(Relaxed))
    }

    fn is_wanted(&self) -> bool {
        self.received.load(Relaxed) < self.wanted.load(Relaxed)
    }

    /// What the server may forget.
    pub(crate) fn flushed(&self) -> Lsn {
        let stored = self.stored.load(Relaxed);
        match self.held.load(Relaxed) {
            0 => Lsn(stored),
            held => Lsn(stored.min(held)),
        }
    }

    fn status(&self) -> StandbyStatus {
        let flushed = self.flushed();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        StandbyStatus {
            written: Lsn(self.received.load(Relaxed)).max(flushed),
            flushed,
            applied: flushed,
            time_micros: i64::try_from(now).unwrap_or_default(),
            reply_requested: true,
        }
    }

    /// Reports until the connection is lost.
    ///
    /// # Errors
    /// Disconnected when the connection is lost.
    pub(crate) async fn report(
        &self,
        mut writer: WriteHalf<Wire>,
        heartbeat: Duration,
    ) -> Result<Infallible> {
        let mut pause = FIRST_PAUSE;
        loop {
            self.due.store(false, Relaxed);
            let mut message = Vec::with_capacity(64);
            append(&self.status().encode(), &mut message)
                .map_err(|_| Error::definite("a report to the server is too long"))?;
            writer.write_all(&message).await.map_err(lost)?;
            writer.flush().await.map_err(lost)?;
            let asked = Instant::now();
            loop {
                let next = if self.is_wanted() { pause.min(heartbeat) } else { heartbeat };
                tokio::select! {
                    () = sleep_until(asked + next) => {
                        pause = if self.is_wanted() { (pause * 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE };
                        break;
                    }
                    () = self.changed.notified() => {
                        if self.due.load(Relaxed) {
                            break;
                        }
                        // Wanted since now: what the server answered before does not count.
                        if self.is_wanted() && asked.elapsed() >= FIRST_PAUSE {
                            pause = FIRST_PAUSE;
                            break;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_not_confirmed() {
        let progress = Progress::default();
        progress.restart(Lsn(100));
        progress.received(Lsn(300));
        assert_eq!((progress.status().written, progress.status().flushed), (Lsn(300), Lsn(0)));
        progress.stored(Lsn(250));
        assert_eq!(progress.status().flushed, Lsn(250));
        progress.hold(Some(Lsn(200)));
        assert_eq!(progress.status().flushed, Lsn(200));
        progress.hold(None);
        assert_eq!(progress.status().flushed, Lsn(250));
    }

    #[test]
    fn a_place_is_wanted_until_it_is_received() {
        let progress = Progress::default();
        progress.restart(Lsn(100));
        progress.want(Lsn(200));
        assert!(progress.is_wanted() && !progress.received(Lsn(150)));
        assert!(progress.received(Lsn(200)) && !progress.is_wanted());
    }
}
