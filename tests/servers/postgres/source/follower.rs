//! A source that is read without a destination, and what came out of it, as text.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use slackwater::{
    config::{Objects, Pattern, Start, postgres::PostgresSource},
    error::Error,
    mapping::Selection,
    pipeline::queue::{MemoryQuota, Message, queue},
    positions::SchemaHistory,
    sources::{Source, postgres::Postgres},
};
use slackwater_decoders::{
    event::{Event, RowChange, SchemaChange},
    position::Position,
    value::Cell,
};
use slackwater_testkit::PostgresServer;
use tokio::{runtime::Runtime, sync::mpsc::Receiver, task::JoinHandle, time::timeout};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The source of a server as the superuser, with more lines for the section.
pub(crate) fn source(server: &PostgresServer, task: &str, more: &str) -> Arc<Postgres> {
    sources(&[server], task, more)
}

/// The same of several servers.
pub(crate) fn sources(servers: &[&PostgresServer], task: &str, more: &str) -> Arc<Postgres> {
    let hosts: Vec<String> = servers.iter().map(|server| format!("'127.0.0.1:{}'", server.port())).collect();
    let text = format!(
        "hosts = [{}]\ndatabase = 'postgres'\nheartbeat = '200ms'\n{more}\n{}",
        hosts.join(","),
        if more.contains("user =") { "" } else { "user = 'postgres'" }
    );
    let config: PostgresSource = toml::from_str(&text).unwrap();
    let source = Postgres::new(task, config, Arc::new(|table| &*table.database == "app")).unwrap();
    Arc::new(source.with_selection(&selection()))
}

/// Every table of the schema `app`.
pub(crate) fn selection() -> Selection {
    let include = vec![Pattern::compile("app.*").unwrap()];
    Selection::new(&Objects { include, ..Objects::default() })
}

/// A running tail, and what came out of it.
pub(crate) struct Follower {
    runtime: Arc<Runtime>,
    source: Arc<Postgres>,
    pub history: SchemaHistory,
    task: JoinHandle<Result<(), Error>>,
    messages: Receiver<Message>,
    /// Events of whole transactions, as lines.
    pub lines: Vec<String>,
    open: Vec<String>,
    /// What statements did.
    pub changes: Vec<SchemaChange>,
    /// Batches that began or ended inside of a transaction.
    pub parts: usize,
    pub resume: Position,
}

pub(crate) fn runtime() -> Arc<Runtime> {
    Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

impl Follower {
    /// Creates what the source needs, and follows it from now on.
    pub(crate) fn new(runtime: &Arc<Runtime>, source: &Arc<Postgres>) -> Result<Self, Error> {
        let from = runtime.block_on(source.start_position(&Start::Now))?;
        Ok(Follower::resume(runtime, source, from, SchemaHistory::in_memory()))
    }

    pub(crate) fn resume(
        runtime: &Arc<Runtime>,
        source: &Arc<Postgres>,
        from: Position,
        history: SchemaHistory,
    ) -> Self {
        let (out, messages) = queue(MemoryQuota::new(64 << 20));
        let (task, resume) = (Arc::clone(source), from.clone());
        let kept = history.clone();
        let task = runtime.spawn(async move { task.tail(from, &kept, &out).await });
        Follower {
            runtime: Arc::clone(runtime),
            source: Arc::clone(source),
            history,
            task,
            messages,
            lines: Vec::new(),
            open: Vec::new(),
            changes: Vec::new(),
            parts: 0,
            resume,
        }
    }

    /// Takes batches until everything up to the end of the log as of now is there.
    pub(crate) fn catch_up(&mut self) -> Result<(), Error> {
        let fence = self.runtime.block_on(self.source.end_of_log())?;
        let source = Arc::clone(&self.source);
        self.until(|follower| source.reached(&follower.resume, &fence))
    }

    /// Takes batches until `done`; the error of the tail when it ends before.
    pub(crate) fn until(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            let runtime = Arc::clone(&self.runtime);
            let next = runtime.block_on(async { timeout(left, self.messages.recv()).await });
            match next.expect("in time") {
                Some(Message::Batch(batch, _)) => {
                    let places = batch.events().iter().enumerate();
                    for (place, event) in places {
                        assert!(place == 0 || !matches!(event, Event::Ddl(_)), "a statement comes first");
                        self.open.extend(line(event));
                        if let Event::Ddl(ddl) = event {
                            self.changes.extend(ddl.changes.iter().cloned());
                        }
                    }
                    match &batch.summary().resume {
                        Some(resume) => {
                            self.resume = resume.clone();
                            // Before PostgreSQL 15 transactions are sent that have nothing for us.
                            for line in self.open.drain(..) {
                                match self.lines.last() {
                                    Some(last) if last == "begin" && line == "commit" => {
                                        drop(self.lines.pop())
                                    }
                                    _ => self.lines.push(line),
                                }
                            }
                        }
                        None => self.parts += 1,
                    }
                }
                Some(Message::Rewind) => self.open.clear(),
                None => return runtime.block_on(&mut self.task).unwrap(),
            }
        }
        Ok(())
    }

    /// Waits for the tail to end by itself.
    pub(crate) fn end(mut self) -> Error {
        self.until(|_| false).expect_err("ends with an error")
    }

    /// Ends the tail; what was taken counts as stored at a destination.
    pub(crate) fn stop(mut self) -> (Position, SchemaHistory) {
        if !self.task.is_finished() {
            self.task.abort();
            let _ = self.runtime.block_on(&mut self.task);
        }
        (self.resume, self.history)
    }
}

fn line(event: &Event<'_>) -> Vec<String> {
    match event {
        Event::Heartbeat(_) => Vec::new(),
        Event::Begin(_) => vec!["begin".to_owned()],
        Event::Commit(_) => vec!["commit".to_owned()],
        Event::Truncate(truncate) => vec![format!("truncate {}", truncate.table)],
        Event::Ddl(ddl) => ddl.changes.iter().map(|change| format!("ddl {:?}", change.tables())).collect(),
        Event::Rows(rows) => {
            rows.changes.iter().map(|change| format!("{} {}", rows.table.name, change_line(change))).collect()
        }
    }
}

fn change_line(change: &RowChange<'_>) -> String {
    match change {
        RowChange::Insert { after } => format!("+{}", cells(after)),
        RowChange::Update { before, after } => format!("{} -> {}", cells(before), cells(after)),
        RowChange::Delete { before } => format!("-{}", cells(before)),
    }
}

fn cells(cells: &[Cell<'_>]) -> String {
    let mut line = String::new();
    for cell in cells {
        let text = match cell {
            Cell::Absent => "absent".to_owned(),
            Cell::Unchanged => "unchanged".to_owned(),
            Cell::Value(value) => format!("{value:?}"),
        };
        // Long values are told apart by their ends.
        let end: String = text.chars().rev().take(20).collect();
        let _ = write!(
            line,
            " {}{}",
            text.chars().take(20).collect::<String>(),
            if text.len() > 20 { end } else { String::new() }
        );
    }
    line
}
