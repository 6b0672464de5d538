//! The servers of a task: which one is read.
//!
//! That is the primary, in the order of the task file, beginning with the one that was read last. A standby is read where
//! every server of the task is one (PostgreSQL 16 and later decodes there): as long as one does not answer, it may be the primary, and a
//! standby in its place would be without the slot.

use std::sync::{
    OnceLock, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Mutex, MutexGuard};

use super::replication::{Identity, Replication};
use crate::{
    config::postgres::PostgresSource,
    error::{Error, Kind, Result},
    postgres_client::{Address, Login, Session},
};

/// The first version that decodes on a standby.
const STANDBY_DECODING: u32 = 16;
/// The oldest version that is read.
const OLDEST: u32 = 10;

/// The servers in the order in which they are tried.
pub(crate) struct Hosts {
    addresses: Vec<Address>,
    config: PostgresSource,
    application_name: String,
    /// The server that is read, or was last.
    current: AtomicUsize,
    /// What the server said of itself first.
    version: OnceLock<u32>,
    /// What the server that is read said last of which one it is.
    identity: std::sync::Mutex<Option<Identity>>,
    /// A connection for questions, and which server it leads to.
    control: Mutex<Option<(usize, Session)>>,
}

impl Hosts {
    /// The servers that the task file names.
    ///
    /// # Errors
    /// Definite when an address is not one.
    pub(crate) fn new(task: &str, config: PostgresSource) -> Result<Self> {
        config.validate()?;
        Ok(Hosts {
            addresses: config.hosts.iter().map(|host| Address::parse(host)).collect::<Result<_>>()?,
            config,
            application_name: format!("slackwater {task}"),
            current: AtomicUsize::new(0),
            version: OnceLock::new(),
            identity: std::sync::Mutex::default(),
            control: Mutex::new(None),
        })
    }

    /// All addresses, the database and, once known, the version.
    pub(crate) fn describe(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(Address::to_string).collect();
        let version = self
            .version
            .get()
            .map_or_else(String::new, |version| format!(" {}.{}", version / 10_000, version % 10_000));
        format!("PostgreSQL{version} at {}, database {}", addresses.join(", "), self.config.database)
    }

    pub(crate) fn config(&self) -> &PostgresSource {
        &self.config
    }

    /// The servers, in the order in which they are tried.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// What a connection is made with. The password is read anew.
    ///
    /// # Errors
    /// Definite when the password cannot be read.
    pub(crate) fn login(&self) -> Result<Login> {
        Ok(Login {
            user: self.config.user.clone(),
            password: self.config.password().read()?,
            database: self.config.database.clone(),
            tls: self.config.tls.clone(),
            application_name: self.application_name.clone(),
            timeout: self.config.connect_timeout,
        })
    }

    /// A new connection to that server, whatever it is.
    ///
    /// # Errors
    /// Definite when the server refuses; disconnected when it is not there.
    pub(crate) async fn connect_to(&self, address: &Address) -> Result<Session> {
        Session::open(address, &self.login()?).await
    }

    /// A new connection to the server that is read.
    ///
    /// # Errors
    /// Disconnected or transient when a server may come back; definite when every server refuses.
    pub(crate) async fn connect(&self) -> Result<Session> {
        Ok(self.find().await?.1)
    }

    async fn find(&self) -> Result<(usize, Session)> {
        let start = self.current.load(Ordering::Relaxed);
        let (mut failures, mut standby) = (Vec::new(), None);
        for step in 0..self.addresses.len() {
            let place = (start + step) % self.addresses.len();
            let Some(address) = self.addresses.get(place) else { continue };
            match self.role(address).await {
                Ok((session, false)) => return Ok(self.settle(place, session)),
                Ok((session, true)) => standby = standby.or(Some((place, session))),
                Err(error) => failures.push(error),
            }
        }
        match standby {
            Some((place, session)) if failures.is_empty() && session.major() >= STANDBY_DECODING => {
                Ok(self.settle(place, session))
            }
            Some((_, session)) if failures.is_empty() => Err(Error::definite(format!(
                "every server of the task is a standby, and PostgreSQL {} does not decode its log there",
                session.major()
            ))
            .on(session.address())
            .remedy("name the primary in source.hosts; a standby can be a source from PostgreSQL 16 on")),
            Some((_, session)) => {
                let standby = format!("a standby answers at {}, and the primary does not", session.address());
                failures.insert(0, Error::disconnected(standby));
                Err(together(failures))
            }
            None => Err(together(failures)),
        }
    }

    fn settle(&self, place: usize, session: Session) -> (usize, Session) {
        self.current.store(place, Ordering::Relaxed);
        let _ = self.version.set(session.version());
        (place, session)
    }

    /// A connection, and whether the server is a standby.
    async fn role(&self, address: &Address) -> Result<(Session, bool)> {
        let session = self.connect_to(address).await?;
        if session.major() < OLDEST {
            return Err(Error::definite("PostgreSQL before 10 has no publications")
                .on(address)
                .remedy("upgrade the source, or copy it with a snapshot from a newer standby"));
        }
        let in_recovery = session.one_number("SELECT pg_is_in_recovery()::int4::int8").await?;
        Ok((session, in_recovery != 0))
    }

    /// A new replication connection to the server that a session leads to, and which cluster and timeline it is on.
    ///
    /// # Errors
    /// Definite when the account may not replicate; disconnected when the server is not there.
    pub(crate) async fn replicate(&self, session: &Session) -> Result<(Replication, Identity)> {
        let mut replication = Replication::open(session.address(), &self.login()?).await?;
        let identity = replication.identify().await?;
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
        Ok((replication, identity))
    }

    /// Which cluster and timeline the server of a session is on, by what it last said.
    ///
    /// # Errors
    /// As [`replicate`](Self::replicate).
    pub(crate) async fn identity(&self, session: &Session) -> Result<Identity> {
        let known = *self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(identity) => Ok(identity),
            None => Ok(self.replicate(session).await?.1),
        }
    }

    /// The connection for questions to the server that is read: that of the last questions where it still works.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(crate) async fn control(&self) -> Result<Control<'_>> {
        let mut slot = self.control.lock().await;
        if let Some((place, session)) = slot.take()
            && place == self.current.load(Ordering::Relaxed)
            && !session.is_closed()
        {
            return Ok(Control { slot, place, session });
        }
        let (place, session) = self.find().await?;
        Ok(Control { slot, place, session })
    }
}

/// A connection for questions. Dropped without [`keep`](Self::keep) it is closed: a question that failed or was broken off
/// leaves no open transaction behind.
pub(crate) struct Control<'a> {
    slot: MutexGuard<'a, Option<(usize, Session)>>,
    place: usize,
    pub(crate) session: Session,
}

impl Control<'_> {
    /// Keeps the connection for the next questions, unless this one failed.
    ///
    /// # Errors
    /// The question's own.
    pub(crate) fn keep<T>(mut self, answer: Result<T>) -> Result<T> {
        if answer.is_ok() {
            *self.slot = Some((self.place, self.session));
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
