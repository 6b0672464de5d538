//! Standbys: a copy of a running primary that follows its log, and the promotion of one.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use postgres::{Client, SimpleQueryMessage};
use rustix::process::Signal;

use super::{PostgresBuilder, PostgresServer, PostgresVersion};
use crate::launcher;
use crate::scratch::copy_tree_except;

const POLL: Duration = Duration::from_millis(20);

/// A standby has its own of these, or makes it from the primary's log.
const NOT_COPIED: [&str; 6] =
    ["postmaster.pid", "postmaster.opts", "pg_wal", "pg_replslot", "pg_stat_tmp", "pg_dynshmem"];

impl PostgresServer {
    pub(super) fn start_standby(
        mut options: PostgresBuilder,
        primary: &PostgresServer,
    ) -> anyhow::Result<Self> {
        ensure!(options.version == primary.version(), "{} cannot follow {primary}", options.version);
        // Accounts and certificate are copied.
        options.password = primary.password().map(str::to_owned);
        options.tls = primary.offers_tls();
        let standby = Self::prepare(options)?;
        let slot = format!("standby_{}", standby.port());
        primary.exec(&format!("SELECT pg_create_physical_replication_slot('{slot}', true)"))?;
        standby.copy_files_of(primary).with_context(|| format!("cannot copy {primary}"))?;
        standby.configure_standby(primary, &slot)?;
        standby.launch(&[])?;
        Ok(standby)
    }

    /// A base backup by hand: no version's `pg_basebackup` copies from a newer server.
    fn copy_files_of(&self, primary: &PostgresServer) -> anyhow::Result<()> {
        let (start, stop) = if primary.version() >= PostgresVersion::V15 {
            ("pg_backup_start('standby', true)", "pg_backup_stop(false)")
        } else {
            ("pg_start_backup('standby', true, false)", "pg_stop_backup(false, false)")
        };
        // The backup ends with the session.
        let mut session = primary.client()?;
        session.simple_query(&format!("SELECT {start}"))?;
        copy_tree_except(primary.data_dir(), self.data_dir(), &NOT_COPIED)?;
        let label = backup_label(&mut session, stop)?;
        for directory in ["pg_wal", "pg_wal/archive_status", "pg_replslot", "pg_stat_tmp", "pg_dynshmem"] {
            fs::create_dir(self.data_dir().join(directory))?;
        }
        write_private(&self.data_dir().join("backup_label"), &label)?;
        Ok(())
    }

    fn configure_standby(&self, primary: &PostgresServer, slot: &str) -> anyhow::Result<()> {
        let mut conninfo = format!("host=127.0.0.1 port={} user=postgres", primary.port());
        if let Some(password) = primary.password() {
            let escaped = password.replace('\\', "\\\\").replace('\'', "\\'");
            conninfo += &format!(" password='{escaped}'");
        }
        if primary.version() >= PostgresVersion::V17 {
            // For the synchronization of slots.
            conninfo += " dbname=postgres";
        }
        // A backslash and a quote stand twice in a configuration file.
        let conninfo = conninfo.replace('\\', "\\\\").replace('\'', "''");
        let settings = format!("primary_conninfo = '{conninfo}'\nprimary_slot_name = '{slot}'\n");
        let mut auto =
            File::options().append(true).create(true).open(self.data_dir().join("postgresql.auto.conf"))?;
        auto.write_all(b"hot_standby_feedback = on\n")?;
        if self.version() >= PostgresVersion::V12 {
            auto.write_all(settings.as_bytes())?;
            write_private(&self.data_dir().join("standby.signal"), "")?;
        } else {
            let recovery = format!("standby_mode = on\nrecovery_target_timeline = 'latest'\n{settings}");
            write_private(&self.data_dir().join("recovery.conf"), &recovery)?;
        }
        launcher::give_to_server(self.data_dir())
    }

    /// Whether it follows a primary.
    ///
    /// # Errors
    ///
    /// When the server is not running.
    pub fn is_standby(&self) -> anyhow::Result<bool> {
        Ok(self.query_string("SELECT pg_is_in_recovery()")?.as_deref() == Some("t"))
    }

    /// Waits until this standby has replayed all that `primary` has in its log at the time of the call.
    ///
    /// # Errors
    ///
    /// After `timeout`.
    pub fn wait_for_replication(&self, primary: &PostgresServer, timeout: Duration) -> anyhow::Result<()> {
        let end = primary.end_of_log()?;
        let deadline = Instant::now() + timeout;
        let sql = format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{end}', false)");
        while self.query_string(&sql)?.as_deref() != Some("t") {
            if Instant::now() > deadline {
                bail!("{self} has not replayed {end} after {timeout:?}:\n{}", self.last_log_lines());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Makes this standby a primary on a timeline of its own, and waits until it takes writes. The old primary runs on.
    ///
    /// # Errors
    ///
    /// When it is no standby, or does not become a primary within two minutes.
    pub fn promote(&self) -> anyhow::Result<()> {
        ensure!(self.is_standby()?, "{self} is no standby");
        // As `pg_ctl promote` asks for it, in all versions.
        write_private(&self.data_dir().join("promote"), "")?;
        launcher::give_to_server(&self.data_dir().join("promote"))?;
        self.signal_postmaster(Signal::USR1)?;
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.is_standby()? {
            if Instant::now() > deadline {
                bail!("{self} is not promoted:\n{}", self.last_log_lines());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

/// Ends the backup; the label tells the copy where to begin.
fn backup_label(session: &mut Client, stop: &str) -> anyhow::Result<String> {
    let label =
        session.simple_query(&format!("SELECT labelfile FROM {stop}"))?.into_iter().find_map(|message| {
            match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            }
        });
    label.context("the backup has no label")
}

fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}
