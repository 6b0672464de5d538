//! Closing a server to writers: `read_only`, and what holds back privileged accounts as well where the server has it.
//!
//! | server | statement | who writes on |
//! | --- | --- | --- |
//! | MySQL 5.7.8 and later | `super_read_only = ON`, which sets `read_only` with it | replication |
//! | MariaDB 12.0 and later | `read_only = NO_LOCK_NO_ADMIN` | replication |
//! | MariaDB before that | `read_only = ON` | replication, accounts with READ_ONLY ADMIN (before 10.11 also SUPER) and their events |
//! | MySQL 5.6 | `read_only = ON` | replication, accounts with SUPER and their events |
//!
//! The statement waits until no statement that writes runs and no session has tables locked for writing (LOCK TABLES), and keeps
//! new ones waiting meanwhile: so it waits for [`RAISING`] only. Transactions that are open are not waited for: their COMMIT is refused with
//! error 1290, and takes them back. MySQL refuses a distributed transaction only in one phase: one that is prepared, before or
//! behind the fence, is committed behind it. MariaDB refuses that as well.

mod privileged;
mod writers;

use async_trait::async_trait;

use super::{
    Mysql,
    check::privileges,
    connection::{Connection, Version},
    response::ServerError,
};
use crate::{
    error::{Error, Result},
    mapping::mysql_grants::Scope,
    sources::fencing::{FencePlan, FenceState, Fencing, Writer},
};

/// Seconds that raising the fence waits for others, which keeps their new statements waiting.
const RAISING: u32 = 5;
const READ_ONLY: &str = "read_only";
const SUPER_READ_ONLY: &str = "super_read_only";
/// The value of MariaDB's `read_only` that holds back every account.
const NO_ADMIN: &str = "NO_LOCK_NO_ADMIN";
/// The values of `read_only`; MySQL has the first two.
const VALUES: [&str; 4] = ["OFF", "ON", "NO_LOCK", NO_ADMIN];
/// ER_LOCK_WAIT_TIMEOUT.
const WAITED: u16 = 1205;
/// ER_SPECIFIC_ACCESS_DENIED_ERROR.
const NOT_ALLOWED: u16 = 1227;

#[async_trait]
impl Fencing for Mysql {
    async fn look(&self) -> Result<FencePlan> {
        let mut control = self.hosts.control().await?;
        let plan = look(&mut control.connection).await;
        control.keep(plan)
    }

    async fn raise(&self, _: &FenceState) -> Result<()> {
        // On a connection of its own: it may wait.
        let (mut connection, _) = self.hosts.connect().await?;
        raise(&mut connection).await
    }

    async fn lower(&self, former: &FenceState) -> Result<()> {
        let (mut connection, _) = self.hosts.connect().await?;
        let statements = lowering(&Closed::read(&mut connection).await?, former)?;
        for statement in statements {
            connection.query(&statement).await.map_err(|error| error.on(&statement))?;
        }
        Ok(())
    }

    async fn writers(&self) -> Result<Vec<Writer>> {
        let mut control = self.hosts.control().await?;
        let connection = &mut control.connection;
        let writers = async {
            let is_for_all = Closed::read(connection).await?.is_for_all();
            writers::behind(connection, is_for_all).await
        };
        let writers = writers.await;
        control.keep(writers)
    }

    async fn admit_replay(&self, former: &FenceState) -> Result<()> {
        let (mut connection, _) = self.hosts.connect().await?;
        let closed = Closed::read(&mut connection).await?;
        if !closed.is_for_all() || is_for_all(former) {
            return Ok(());
        }
        let statement = match closed.super_read_only {
            Some(_) => format!("SET GLOBAL {SUPER_READ_ONLY} = OFF"),
            None => format!("SET GLOBAL {READ_ONLY} = ON"),
        };
        connection.query(&statement).await.map_err(|error| error.on(&statement))?;
        Ok(())
    }
}

/// How far a server is closed, and can be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Closed {
    read_only: String,
    /// MySQL from 5.7.8 on.
    super_read_only: Option<String>,
    /// Whether `read_only` knows [`NO_ADMIN`].
    has_no_admin: bool,
}

impl Closed {
    async fn read(connection: &mut Connection) -> Result<Self> {
        let question =
            format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('{READ_ONLY}', '{SUPER_READ_ONLY}')");
        let rows = connection.query(&question).await?;
        let value = |name| rows.iter().find(|row| row.at(0) == Some(name))?.at(1).map(str::to_owned);
        let mut closed = Closed {
            read_only: value(READ_ONLY).unwrap_or_default(),
            super_read_only: value(SUPER_READ_ONLY),
            has_no_admin: false,
        };
        if connection.version().mariadb {
            let values = "SELECT ENUM_VALUE_LIST FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'READ_ONLY'";
            let values = connection.query_text(values).await?.unwrap_or_default();
            closed.has_no_admin = values.split(',').any(|value| value == NO_ADMIN);
        }
        Ok(closed)
    }

    /// The statement that closes it, as far as it can be.
    fn closing(&self) -> String {
        if self.super_read_only.is_some() {
            format!("SET GLOBAL {SUPER_READ_ONLY} = ON")
        } else if self.has_no_admin {
            format!("SET GLOBAL {READ_ONLY} = {NO_ADMIN}")
        } else {
            format!("SET GLOBAL {READ_ONLY} = ON")
        }
    }

    /// Whether it can be closed to every account.
    fn can_be_for_all(&self) -> bool {
        self.super_read_only.is_some() || self.has_no_admin
    }

    fn is_for_all(&self) -> bool {
        self.super_read_only.as_deref() == Some("ON") || self.read_only == NO_ADMIN
    }

    fn is_raised(&self) -> bool {
        if self.can_be_for_all() { self.is_for_all() } else { self.read_only != "OFF" }
    }

    fn state(&self) -> FenceState {
        let mut state = vec![(READ_ONLY.to_owned(), self.read_only.clone())];
        state.extend(self.super_read_only.iter().map(|value| (SUPER_READ_ONLY.to_owned(), value.clone())));
        FenceState(state)
    }
}

/// A setting of a state; a stored one may have been changed by others.
fn setting<'a>(state: &'a FenceState, name: &str) -> Option<&'a str> {
    state.0.iter().find(|(setting, _)| setting == name).map(|(_, value)| value.as_str())
}

fn is_for_all(state: &FenceState) -> bool {
    setting(state, SUPER_READ_ONLY) == Some("ON") || setting(state, READ_ONLY) == Some(NO_ADMIN)
}

async fn look(connection: &mut Connection) -> Result<FencePlan> {
    may_fence(connection).await?;
    writers::is_no_replica(connection).await?;
    let closed = Closed::read(connection).await?;
    let writers = writers::behind(connection, closed.can_be_for_all()).await?;
    Ok(FencePlan { former: closed.state(), statements: vec![closed.closing()], writers })
}

/// The privileges that fencing takes: one of each list.
fn needed(version: &Version) -> &'static [&'static [&'static str]] {
    match (version.mariadb, version.numbers) {
        (false, (8.., ..)) => &[&["SYSTEM_VARIABLES_ADMIN", "SUPER"], &["XA_RECOVER_ADMIN"]],
        (true, (10, 5, 0..=1) | (10, ..=4, _) | (..=9, ..)) | (false, _) => &[&["SUPER"], &["PROCESS"]],
        (true, (10, 5, ..=8)) => &[&["READ_ONLY ADMIN"], &["PROCESS"]],
        // The last one for asking whether it is a replica.
        (true, _) => &[&["READ_ONLY ADMIN"], &["PROCESS"], &["SLAVE MONITOR"]],
    }
}

async fn may_fence(connection: &mut Connection) -> Result<()> {
    let grants = privileges::grants(connection).await?;
    let has = |any: &[&str]| any.iter().any(|privilege| grants.allow(privilege, &Scope::Server));
    let missing: Vec<&str> = needed(connection.version())
        .iter()
        .filter(|any| !has(any))
        .filter_map(|any| any.first().copied())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    let account = privileges::account(connection).await?;
    Err(Error::definite(format!("the account has no {missing}, and cannot close the server to writers"))
        .on(&account)
        .remedy(format!("GRANT {missing} ON *.* TO {account};")))
}

async fn raise(connection: &mut Connection) -> Result<()> {
    let closed = Closed::read(connection).await?;
    if closed.is_raised() {
        return Ok(());
    }
    let statement = closed.closing();
    connection.query(&format!("SET SESSION lock_wait_timeout = {RAISING}")).await?;
    match connection.try_query(&statement).await? {
        Ok(_) => {}
        Err(error) if error.code == WAITED => {
            return Err(held_up(&statement, error, &writers::in_the_way(connection).await?));
        }
        Err(error) if error.code == NOT_ALLOWED => {
            may_fence(connection).await?;
            return Err(Error::from(error).on(&statement));
        }
        Err(error) => return Err(Error::from(error).on(&statement)),
    }
    if Closed::read(connection).await?.is_raised() {
        return Ok(());
    }
    Err(Error::definite("the server does not stay closed").on(&statement).remedy(
        "look for what sets read_only at this server (a cluster manager), or set cutover.fence = \"command\"",
    ))
}

fn held_up(statement: &str, error: ServerError, by: &[Writer]) -> Error {
    let by: Vec<String> =
        by.iter().map(|one| format!("{} ({}@{}, {})", one.id, one.user, one.host, one.why)).collect();
    let by = match by.as_slice() {
        [] => "a session that cannot be seen: LOCK TABLES, or a statement that writes".to_owned(),
        by => by.join(", "),
    };
    Error::transient(format!("the server could not be closed to writers within {RAISING} s: held up by {by}"))
        .on(statement)
        .remedy("let it end, or end it (KILL <connection>), then try again")
        .caused_by(error)
}

/// The statements that bring back a former state.
fn lowering(now: &Closed, former: &FenceState) -> Result<Vec<String>> {
    let read_only = setting(former, READ_ONLY)
        .filter(|value| VALUES.contains(value))
        .ok_or_else(|| Error::definite("the stored state of the fence does not say what read_only was"))?;
    if now.super_read_only.is_none() {
        return Ok(vec![format!("SET GLOBAL {READ_ONLY} = {read_only}")]);
    }
    Ok(match (read_only, setting(former, SUPER_READ_ONLY)) {
        // Takes super_read_only with it.
        ("OFF", _) => vec![format!("SET GLOBAL {READ_ONLY} = OFF")],
        (_, Some("ON")) => vec![format!("SET GLOBAL {SUPER_READ_ONLY} = ON")],
        _ => vec![format!("SET GLOBAL {SUPER_READ_ONLY} = OFF"), format!("SET GLOBAL {READ_ONLY} = ON")],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn version(text: (u16, u16, u16), mariadb: bool) -> Version {
        Version { text: String::new(), numbers: text, mariadb }
    }

    // Measured: MySQL 9.7.4, 5.7.29 and MariaDB 11.8.6 with accounts that have nothing else.
    #[test]
    fn the_privilege_is_the_servers_own() {
        assert_eq!(needed(&version((9, 7, 4), false))[0], ["SYSTEM_VARIABLES_ADMIN", "SUPER"]);
        assert_eq!(needed(&version((5, 7, 29), false))[0], ["SUPER"]);
        assert_eq!(needed(&version((10, 4, 30), true))[0], ["SUPER"]);
        assert_eq!(needed(&version((10, 5, 2), true))[0], ["READ_ONLY ADMIN"]);
        assert_eq!(needed(&version((11, 8, 6), true))[0], ["READ_ONLY ADMIN"]);
    }

    #[test]
    fn the_former_state_comes_back_whatever_it_was() {
        let mysql = |read_only: &str, all: &str| Closed {
            read_only: read_only.to_owned(),
            super_read_only: Some(all.to_owned()),
            has_no_admin: false,
        };
        let mariadb = |read_only: &str| Closed {
            read_only: read_only.to_owned(),
            super_read_only: None,
            has_no_admin: true,
        };
        let back = |former: &Closed, now: &Closed| lowering(now, &former.state()).unwrap().join("; ");
        let raised = mysql("ON", "ON");
        assert_eq!(back(&mysql("OFF", "OFF"), &raised), "SET GLOBAL read_only = OFF");
        assert_eq!(back(&raised, &raised), "SET GLOBAL super_read_only = ON");
        assert_eq!(
            back(&mysql("ON", "OFF"), &raised),
            "SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = ON"
        );
        assert_eq!(back(&mariadb("NO_LOCK"), &mariadb(NO_ADMIN)), "SET GLOBAL read_only = NO_LOCK");
        let of_others = FenceState(vec![(READ_ONLY.to_owned(), "1; DROP TABLE t".to_owned())]);
        assert!(lowering(&raised, &of_others).is_err());
    }
}
