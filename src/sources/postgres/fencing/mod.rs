//! Closing a database to writers: `default_transaction_read_only`, and the end of the sessions that began before.
//!
//! A session takes the setting when it begins; so after the setting is made, all sessions of the database that began before
//! are ended, and with them their open transactions. What begins then has transactions that only read, unless it asks for
//! another kind (`SET TRANSACTION READ WRITE`): the fence holds back applications that do not know of it, and is none against those that want to
//! go past. Those that do are seen by [`writers`](Fencing::writers). Sessions of this task ask for it: what they
//! write (messages into the log, publications) is written behind the fence as before.

mod sessions;

use async_trait::async_trait;
use tokio::time::{Duration, Instant, sleep};
use tracing::warn;

use super::Postgres;
use crate::{
    error::{Error, Result},
    postgres_client::{Session, failed, literal, quoted},
    sources::fencing::{FencePlan, FenceState, Fencing, Writer},
};

const SETTING: &str = "default_transaction_read_only";
/// How long ended sessions may take to go.
const ENDING: Duration = Duration::from_secs(10);
/// The pause between two looks at them.
const PAUSE: Duration = Duration::from_millis(50);
/// A session that was beginning when the setting was made is not listed until it has begun.
const BEGINNING: Duration = Duration::from_millis(200);

#[async_trait]
impl Fencing for Postgres {
    async fn look(&self) -> Result<FencePlan> {
        let control = self.hosts.control().await?;
        let plan = self.look_with(&control.session).await;
        control.keep(plan)
    }

    async fn raise(&self, _: &FenceState) -> Result<()> {
        let session = self.hosts.connect().await?;
        let closing = closing(&self.hosts.config().database);
        session
            .batch_execute(&closing)
            .await
            .map_err(|error| failed("cannot close the database", error).on(&closing))?;
        end_former(&session).await
    }

    async fn lower(&self, former: &FenceState) -> Result<()> {
        let session = self.hosts.connect().await?;
        let database = &self.hosts.config().database;
        if FenceState(setting(&session).await?.into_iter().collect()) == *former {
            return Ok(());
        }
        let opening = opening(database, former);
        // In one message: the sessions that began behind the fence are ended also when this process ends here.
        let ending = sessions::ending("clock_timestamp()");
        let statements = format!("BEGIN; {opening}; COMMIT; {ending}");
        session
            .batch_execute(&statements)
            .await
            .map_err(|error| failed("cannot open the database", error).on(&opening))?;
        let left = sessions::of_superusers(&session).await?;
        if !left.is_empty() {
            warn!(
                sessions = left.len(),
                "sessions of superusers may have begun behind the fence: their transactions only read until they connect anew"
            );
        }
        Ok(())
    }

    async fn writers(&self) -> Result<Vec<Writer>> {
        let control = self.hosts.control().await?;
        let writers = async {
            let mut writers = sessions::past(&control.session).await?;
            for writing in sessions::writing(&control.session).await? {
                if writers.iter().all(|writer| writer.id != writing.id) {
                    writers.push(writing);
                }
            }
            Ok(writers)
        };
        let writers = writers.await;
        control.keep(writers)
    }
}

impl Postgres {
    async fn look_with(&self, session: &Session) -> Result<FencePlan> {
        let config = self.hosts.config();
        if session.one_number("SELECT pg_is_in_recovery()::int4::int8").await? != 0 {
            return Err(Error::definite("the server is a standby: who writes does so at its primary")
                .on(session.address())
                .remedy("name the primary in source.hosts, or close it by a command (cutover.fence = \"command\")"));
        }
        may_fence(session, &config.database, &config.user).await?;
        Ok(FencePlan {
            former: FenceState(setting(session).await?.into_iter().collect()),
            statements: vec![closing(&config.database), sessions::ending("clock_timestamp()")],
            writers: sessions::past(session).await?,
        })
    }
}

fn closing(database: &str) -> String {
    format!("ALTER DATABASE {} SET {SETTING} = on", quoted(database))
}

fn opening(database: &str, former: &FenceState) -> String {
    let database = quoted(database);
    match former.0.iter().find(|(name, _)| name == SETTING) {
        Some((_, value)) => format!("ALTER DATABASE {database} SET {SETTING} = {}", literal(value)),
        None => format!("ALTER DATABASE {database} RESET {SETTING}"),
    }
}

/// The setting as the database has it for all roles; `None` when it has none of its own.
async fn setting(session: &Session) -> Result<Option<(String, String)>> {
    let question = format!(
        "SELECT substr(s.value, length('{SETTING}=') + 1) FROM pg_db_role_setting d, unnest(d.setconfig) s(value) \
         WHERE d.setrole = 0 AND d.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND s.value LIKE '{SETTING}=%'"
    );
    let rows = session.query(&question, &[]).await.map_err(unanswered)?;
    let value: Option<String> = rows.first().map(|row| row.try_get(0)).transpose().map_err(unanswered)?;
    Ok(value.map(|value| (SETTING.to_owned(), value)))
}

/// Makes sure that the account may make the setting, sees the sessions of others, and may end them.
async fn may_fence(session: &Session, database: &str, user: &str) -> Result<()> {
    let question = "SELECT pg_has_role(d.datdba, 'USAGE'), pg_has_role('pg_signal_backend', 'USAGE'), \
           pg_has_role('pg_read_all_stats', 'USAGE'), r.rolsuper \
         FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user";
    let row = session.query_one(question, &[]).await.map_err(unanswered)?;
    let has = |place: usize| row.try_get::<_, bool>(place).map_err(unanswered);
    if has(3)? {
        return Ok(());
    }
    let (user, mut lacking, mut remedy) = (quoted(user), Vec::new(), Vec::new());
    if !has(0)? {
        lacking.push("does not own the database");
        remedy.push(format!(
            "ALTER DATABASE {} OWNER TO {user}; -- or: GRANT <owner> TO {user};",
            quoted(database)
        ));
    }
    let roles = [
        ("pg_signal_backend", has(1)?, "may not end the sessions of others"),
        ("pg_read_all_stats", has(2)?, "does not see what the sessions of others do"),
    ];
    for (role, _, what) in roles.iter().filter(|(_, is_member, _)| !is_member) {
        lacking.push(what);
        remedy.push(format!("GRANT {role} TO {user};"));
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Error::definite(format!(
        "the account {}, and cannot close the database to writers",
        lacking.join(", ")
    ))
    .on(user)
    .remedy(remedy.join("\n")))
}

/// Ends the sessions that began before now, and waits until they are gone.
async fn end_former(session: &Session) -> Result<()> {
    let now = "SELECT clock_timestamp()::text";
    let row = session.query_one(now, &[]).await.map_err(unanswered)?;
    let now: String = row.try_get(0).map_err(unanswered)?;
    let ending = sessions::ending(&format!("{}::timestamptz", literal(&now)));
    let (since, mut gone_since) = (Instant::now(), None);
    loop {
        let rows = session
            .query(&ending, &[])
            .await
            .map_err(|error| failed("cannot end the sessions of others", error))?;
        if rows.is_empty() {
            let gone_since = gone_since.get_or_insert_with(Instant::now);
            if gone_since.elapsed() >= BEGINNING {
                return Ok(());
            }
        } else {
            gone_since = None;
        }
        if since.elapsed() >= ENDING {
            let left: Vec<String> = rows
                .iter()
                .filter_map(|row| row.try_get::<_, i32>(0).ok())
                .map(|pid| pid.to_string())
                .collect();
            return Err(Error::transient(format!(
                "sessions that began before the fence do not end within {ENDING:?}: process {}",
                left.join(", ")
            ))
            .remedy("find out what they wait for (pg_stat_activity), then try again"));
        }
        sleep(PAUSE).await;
    }
}

fn unanswered(error: tokio_postgres::Error) -> Error {
    failed("cannot ask for the state of the database", error)
}
