//! The servers of a task: which one is read now, and which one is next when it fails.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use slackwater_decoders::position::Position;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    connection::{Address, Connection, Login, Version},
    questions,
};
use crate::{
    config::source::MysqlSource,
    error::{Error, Kind, Result},
};

/// The servers in the order in which they are tried.
pub(crate) struct Hosts {
    addresses: Vec<Address>,
    config: MysqlSource,
    /// The server that is read, or was last.
    current: AtomicUsize,
    /// Whether the current server is known to have the log from the task's position on.
    is_chosen: AtomicBool,
    version: OnceLock<Version>,
    /// A connection for questions, and which server it leads to.
    control: Mutex<Option<(usize, Connection)>>,
}

impl Hosts {
    /// The servers that the task file names.
    ///
    /// # Errors
    /// Definite when an address is not one.
    pub(crate) fn new(config: MysqlSource) -> Result<Self> {
        config.validate()?;
        Ok(Hosts {
            addresses: config.hosts.iter().map(|host| Address::parse(host)).collect::<Result<_>>()?,
            config,
            current: AtomicUsize::new(0),
            is_chosen: AtomicBool::new(false),
            version: OnceLock::new(),
            control: Mutex::new(None),
        })
    }

    /// All addresses and, once known, the version.
    pub(crate) fn describe(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(Address::to_string).collect();
        let product = self.version.get().map_or_else(|| "MySQL".to_owned(), Version::to_string);
        format!("{product} at {}", addresses.join(", "))
    }

    pub(crate) fn config(&self) -> &MysqlSource {
        &self.config
    }

    /// Whether it is settled which server's log is the source's: the only one's, or the one that was found to have the
    /// task's position. What another one says of its end may be less than what is applied already.
    pub(crate) fn is_settled(&self) -> bool {
        self.addresses.len() == 1 || self.is_chosen.load(Ordering::Relaxed)
    }

    /// The servers, in the order in which they are tried.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// A new connection to that server.
    ///
    /// # Errors
    /// As [`connect_for`](Self::connect_for).
    pub(crate) async fn connect_to(&self, address: &Address) -> Result<Connection> {
        self.open(address, None).await
    }

    /// A new connection to the first server, from the current one on, that has the log from a position on.
    ///
    /// # Errors
    /// Disconnected or transient when a server may come back; definite when every server refuses.
    pub(crate) async fn connect_for(&self, from: &Position) -> Result<(Connection, Address)> {
        if self.addresses.len() > 1 && from.executed.is_none() {
            return Err(Error::definite(
                "several servers can be followed by GTID alone, and the position has none",
            )
            .at(&from.log)
            .remedy("set gtid_mode = ON on the servers, or name one server in source.hosts"));
        }
        let found = self.first(Some(from)).await?;
        self.is_chosen.store(true, Ordering::Relaxed);
        Ok(found)
    }

    /// A new connection to the server that is read, or, as long as none was chosen, to the first that answers.
    ///
    /// # Errors
    /// As [`connect_for`](Self::connect_for).
    pub(crate) async fn connect(&self) -> Result<(Connection, Address)> {
        match self.current() {
            Some(address) => Ok((self.open(address, None).await?, address.clone())),
            None => self.first(None).await,
        }
    }

    /// The server that is read; `None` as long as none was chosen.
    pub(crate) fn current(&self) -> Option<&Address> {
        self.addresses.get(self.current.load(Ordering::Relaxed)).filter(|_| self.is_settled())
    }

    async fn first(&self, log_from: Option<&Position>) -> Result<(Connection, Address)> {
        let start = self.current.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for step in 0..self.addresses.len() {
            let place = (start + step) % self.addresses.len();
            let Some(address) = self.addresses.get(place) else { continue };
            match self.open(address, log_from).await {
                Ok(connection) => {
                    self.current.store(place, Ordering::Relaxed);
                    let _ = self.version.set(connection.version().clone());
                    return Ok((connection, address.clone()));
                }
                Err(error) => failures.push(error),
            }
        }
        Err(together(failures))
    }

    async fn open(&self, address: &Address, log_from: Option<&Position>) -> Result<Connection> {
        let mut connection = Connection::open(address, &self.login()?).await?;
        if let Some(from) = log_from {
            questions::can_serve(&mut connection, from).await.map_err(|error| error.on(address))?;
        }
        Ok(connection)
    }

    fn login(&self) -> Result<Login> {
        Ok(Login {
            user: self.config.user.clone(),
            password: self.config.password().read()?,
            tls: self.config.tls.clone(),
            timeout: self.config.connect_timeout,
        })
    }

    /// A connection for questions to the server that is read, or, as long as none was chosen, to the first that answers. The
    /// connection of the last questions where it still works.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(crate) async fn control(&self) -> Result<Control<'_>> {
        let mut slot = self.control.lock().await;
        if let Some((place, mut connection)) = slot.take()
            && place == self.current.load(Ordering::Relaxed)
            && connection.ping().await.is_ok()
        {
            return Ok(Control { slot, place, connection });
        }
        let place = self.current.load(Ordering::Relaxed);
        match self.addresses.get(place).filter(|_| self.is_settled()) {
            Some(address) => Ok(Control { slot, place, connection: self.open(address, None).await? }),
            None => {
                let (connection, _) = self.first(None).await?;
                Ok(Control { slot, place: self.current.load(Ordering::Relaxed), connection })
            }
        }
    }
}

/// A connection for questions. Dropped without [`keep`](Self::keep) it is closed: a question that failed or was broken off
/// leaves no half-read answer behind.
pub(crate) struct Control<'a> {
    slot: MutexGuard<'a, Option<(usize, Connection)>>,
    place: usize,
    pub(crate) connection: Connection,
}

impl Control<'_> {
    /// Keeps the connection for the next questions, unless this one failed.
    ///
    /// # Errors
    /// The question's own.
    pub(crate) fn keep<T>(mut self, answer: Result<T>) -> Result<T> {
        if answer.is_ok() {
            *self.slot = Some((self.place, self.connection));
        }
        answer
    }
}

/// One error for the failures of all servers.
fn together(mut failures: Vec<Error>) -> Error {
    if failures.len() < 2 {
        return failures.pop().unwrap_or_else(|| Error::definite("no server is configured"));
    }
    let may_come_back = failures.iter().map(Error::kind).find(|kind| *kind != Kind::Definite);
    let all: Vec<String> = failures.iter().map(Error::to_string).collect();
    let all = all.join("\n  ");
    match may_come_back {
        Some(kind) => Error::of_kind(kind, format!("no server can be read now:\n  {all}")),
        None => Error::definite(format!("every server refuses:\n  {all}")),
    }
}
