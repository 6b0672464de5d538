//! The connection that applies.
//!
//! Statements are sent without waiting for the answers to those before (the protocol's pipelining), so that a small
//! transaction takes one way to the server and back. An error ends the transaction for all that was sent behind it.

use std::{
    collections::{HashMap, VecDeque},
    error::Error as StdError,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::{BufMut as _, BytesMut};
use tokio::time::sleep;
use tokio_postgres::{
    Statement,
    types::{Format, IsNull, ToSql, Type},
};
use tracing::warn;

use crate::{
    config::postgres::PostgresDestination,
    error::{Error, Result},
    postgres_client::{Address, Login, ServerError, Session as Connection, failed},
};

/// So many bytes are sent at most before an answer is waited for.
const IN_FLIGHT_BYTES: usize = 4 << 20;

/// A session knows that many statements at most.
const STATEMENTS: usize = 512;

/// Rows are found by their keys, whatever the statistics of a table that was filled a moment ago say; a list of keys is a parameter
/// that need not be planned for anew.
const SETTINGS: &str = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; \
     SET client_min_messages = warning; SET row_security = off; SET tcp_keepalives_idle = 60; \
     SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";

/// How long a former session of a worker may take to end.
const FORMER_SESSION: Duration = Duration::from_secs(3);

/// What the server refuses, with its parameters.
pub(super) const UNIQUE_VIOLATION: &str = "23505";
/// A statement that would write one row twice.
pub(super) const CARDINALITY_VIOLATION: &str = "21000";

/// A parameter in its binary form.
#[derive(Clone, Debug)]
pub(super) struct Raw(pub(super) Vec<u8>);

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    fn to_sql_checked(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(&Type::BYTEA, out)
    }
}

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) sql: String,
    pub(super) parameters: Vec<Raw>,
    /// What it is to fail with when it has not changed as many rows.
    pub(super) exactly: Option<(u64, fn() -> Error)>,
}

/// An answer that is awaited.
struct Pending {
    answer: Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send>>,
    bytes: usize,
    exactly: Option<(u64, fn() -> Error)>,
    /// What it is about, for errors.
    object: Arc<str>,
}

/// A connection in the state that applying needs.
pub(super) struct Session {
    pub(super) connection: Arc<Connection>,
    /// Whether triggers and foreign keys are off.
    pub(super) is_replica: bool,
    statements: HashMap<String, Statement>,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
}

impl Session {
    /// Connects and prepares the session.
    pub(super) async fn connect(config: &PostgresDestination, task: &str) -> Result<Self> {
        let address = Address::parse(&config.host)?;
        let login = Login {
            user: config.user.clone(),
            password: config.password().read()?,
            database: config.database.clone(),
            tls: config.tls.clone(),
            application_name: format!("slackwater {task}"),
            timeout: Duration::from_secs(30),
        };
        let connection = Connection::open(&address, &login).await?;
        let mut session = Session {
            connection: Arc::new(connection),
            is_replica: false,
            statements: HashMap::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
        };
        session.prepare_session().await.map_err(|error| error.on(&address))?;
        Ok(session)
    }

    async fn prepare_session(&mut self) -> Result<()> {
        let mut settings = SETTINGS.to_owned();
        if self.connection.major() >= 11 {
            settings.push_str("; SET jit = off");
        }
        if self.connection.major() >= 12 {
            settings.push_str("; SET plan_cache_mode = force_generic_plan");
        }
        self.run(&settings).await?;
        match self.run("SET session_replication_role = replica").await {
            Ok(()) => self.is_replica = true,
            // Said by the check; the session goes on with triggers and foreign keys.
            Err(error) if code(&error).as_deref() == Some("42501") => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Marks what the session writes, so that a task in the other direction knows it. A server that has no place for another
    /// origin, or does not let the account have one, is written to without.
    pub(super) async fn set_origin(&mut self, name: &str) -> Result<()> {
        let create = "SELECT CASE WHEN pg_replication_origin_oid($1::text) IS NULL \
                      THEN pg_replication_origin_create($1::text) END";
        let setup = "SELECT pg_replication_origin_session_setup($1::text)";
        let deadline = Instant::now() + FORMER_SESSION;
        for sql in [create, setup] {
            while let Err(error) = self.connection.execute(sql, &[&name]).await.map_err(refused) {
                match code(&error).as_deref() {
                    // No privilege; no place left (`max_replication_slots`, `max_active_replication_origins`); none at all.
                    Some("42501" | "53400" | "55000") => {
                        warn!(origin = name, %error, "what is written has no replication origin: a task in the other direction cannot tell it from other changes");
                        return Ok(());
                    }
                    // Another session of this worker created it just now.
                    Some("23505" | "42710") => {}
                    // A session of this worker before has it, which the server has not seen the end of yet.
                    Some("55006") if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
                    Some("55006") if self.end_holder(&error).await? => {}
                    Some("55006") => {
                        return Err(error.on(format!("replication origin {name}")).remedy(
                            "origins are the whole server's: does another task of this name write to another of its databases? Give it \
                             another name",
                        ));
                    }
                    _ => return Err(error.on(format!("replication origin {name}"))),
                }
                if sql == create {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Ends the session of this task that an error says to hold an origin: its connection is lost. `false`: it is none of ours.
    async fn end_holder(&mut self, error: &Error) -> Result<bool> {
        let said = error.cause_as::<ServerError>().and_then(ServerError::message).unwrap_or_default();
        let process = said.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
        let process: i32 = process.and_then(|digits| digits.parse().ok()).unwrap_or_default();
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND usename = current_user \
                   AND datname = current_database() AND application_name = current_setting('application_name')";
        let ended = self.connection.query(sql, &[&process]).await.map_err(refused)?;
        sleep(Duration::from_millis(100)).await;
        Ok(!ended.is_empty())
    }

    /// Runs statements without parameters, behind all that was sent.
    pub(super) async fn run(&mut self, sql: &str) -> Result<()> {
        self.settle().await?;
        self.connection.batch_execute(sql).await.map_err(refused)
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        self.settle().await?;
        self.connection.execute(sql, parameters).await.map_err(refused)
    }

    /// The rows of a query.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>> {
        self.settle().await?;
        self.connection.query(sql, parameters).await.map_err(refused)
    }

    /// Sends statements without parameters. What becomes of them is told later.
    pub(super) async fn send_text(&mut self, sql: &'static str) -> Result<()> {
        let connection = Arc::clone(&self.connection);
        let answer = Box::pin(async move { connection.batch_execute(sql).await.map(|()| 0) });
        self.send_pending(Pending { answer, bytes: sql.len(), exactly: None, object: "".into() }).await
    }

    /// Sends a statement about `object`. What becomes of it is told later.
    pub(super) async fn send(&mut self, call: Call, object: &Arc<str>) -> Result<()> {
        let bytes = call.sql.len() + call.parameters.iter().map(|raw| raw.0.len()).sum::<usize>();
        while self.pending_bytes + bytes > IN_FLIGHT_BYTES && !self.pending.is_empty() {
            self.settle_first().await?;
        }
        let statement = self.statement(call.sql).await?;
        let connection = Arc::clone(&self.connection);
        let parameters = call.parameters;
        let answer = Box::pin(async move { connection.execute_raw(&statement, &parameters).await });
        let object = Arc::clone(object);
        self.send_pending(Pending { answer, bytes, exactly: call.exactly, object }).await
    }

    /// Runs a statement behind all that was sent, and returns how many rows it changed.
    pub(super) async fn call(&mut self, call: Call) -> Result<u64> {
        self.settle().await?;
        let statement = self.statement(call.sql).await?;
        self.connection.execute_raw(&statement, &call.parameters).await.map_err(refused)
    }

    /// A request is sent when its future is asked for the first time.
    async fn send_pending(&mut self, mut pending: Pending) -> Result<()> {
        let first = poll_fn(|context| Poll::Ready(pending.answer.as_mut().poll(context))).await;
        if let Poll::Ready(answer) = first {
            pending.answer = Box::pin(async move { answer });
        }
        self.pending_bytes += pending.bytes;
        self.pending.push_back(pending);
        Ok(())
    }

    /// Waits until all that was sent is answered.
    pub(super) async fn settle(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    /// Forgets what was sent: its transaction is taken back.
    pub(super) fn forget_sent(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
    }

    async fn settle_first(&mut self) -> Result<()> {
        let Some(pending) = self.pending.pop_front() else { return Ok(()) };
        self.pending_bytes -= pending.bytes;
        let about = |error: Error| if pending.object.is_empty() { error } else { error.on(&pending.object) };
        let done = match pending.answer.await {
            Ok(rows) => match pending.exactly {
                Some((wanted, error)) if wanted != rows => Err(about(error())),
                _ => Ok(()),
            },
            Err(error) => Err(about(refused(error))),
        };
        if done.is_err() {
            // They were refused because of this one.
            self.forget_sent();
        }
        done
    }

    async fn statement(&mut self, sql: String) -> Result<Statement> {
        if let Some(statement) = self.statements.get(&sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS {
            drop(mem::take(&mut self.statements));
        }
        let statement = match self.connection.prepare(&sql).await {
            Ok(statement) => statement,
            Err(error) => {
                // What was sent before may be the reason.
                self.settle().await?;
                return Err(refused(error));
            }
        };
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// What a refusal of the destination is.
pub(super) fn refused(error: tokio_postgres::Error) -> Error {
    let error = failed("the destination refuses a statement", error);
    match code(&error).as_deref() {
        Some("42501") => error.remedy("`slackwater check` prints the statements that the account needs"),
        _ => error,
    }
}

/// The SQLSTATE of an error of [`refused`].
pub(super) fn code(error: &Error) -> Option<String> {
    error.cause_as::<ServerError>().map(|refusal| refusal.code.clone())
}
