//! The one error type: what happened, to which object, at which position, and what to do next.

use std::{error::Error as StdError, fmt};

use slackwater_decoders::position::LogPosition;

/// `Result` with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether trying again can help. The retry policy follows from it and from nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The other side is not there: a lost or refused connection, a restart. Retried for as long as
    /// `apply.connection_lost_limit` says.
    Disconnected,
    /// The other side was not able for the moment: a deadlock, a lock timeout, a full queue. Retried for as long as
    /// `apply.error_limit` says.
    Transient,
    /// Trying again would end the same way: the task stops and says why. Nothing is lost, the position stays.
    Definite,
}

/// What went wrong, for the operator.
///
/// Neither messages nor causes hold row values, passwords or tokens.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: String,
    object: Option<String>,
    position: Option<String>,
    remedy: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// The other side is not there; it may come back.
    #[must_use]
    pub fn disconnected(what: impl Into<String>) -> Self {
        Error::new(Kind::Disconnected, what.into())
    }

    /// A failure that may pass by itself.
    #[must_use]
    pub fn transient(what: impl Into<String>) -> Self {
        Error::new(Kind::Transient, what.into())
    }

    /// A failure that stops the task.
    #[must_use]
    pub fn definite(what: impl Into<String>) -> Self {
        Error::new(Kind::Definite, what.into())
    }

    /// A failure of that kind.
    #[must_use]
    pub(crate) fn of_kind(kind: Kind, what: impl Into<String>) -> Self {
        Error::new(kind, what.into())
    }

    fn new(kind: Kind, what: String) -> Self {
        Error { kind, what, object: None, position: None, remedy: None, cause: None }
    }

    /// Names the table, file, server or setting that it happened to.
    #[must_use]
    pub fn on(mut self, object: impl fmt::Display) -> Self {
        self.object.get_or_insert_with(|| object.to_string());
        self
    }

    /// Names the place in the source's log.
    #[must_use]
    pub fn at(mut self, position: &LogPosition) -> Self {
        self.position.get_or_insert_with(|| position.to_string());
        self
    }

    /// Says what the operator can do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy.get_or_insert_with(|| remedy.into());
        self
    }

    /// Keeps the error below.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened, without what to do next; and what to do, where it is known.
    #[must_use]
    pub fn parts(&self) -> (String, Option<&str>) {
        (WithoutRemedy(self).to_string(), self.remedy.as_deref())
    }

    /// The error below, where it is of that type.
    #[must_use]
    pub fn cause_as<T: StdError + 'static>(&self) -> Option<&T> {
        self.cause.as_deref().and_then(|cause| cause.downcast_ref())
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.kind != Kind::Definite
    }
}

/// An error without what to do.
struct WithoutRemedy<'a>(&'a Error);

impl fmt::Display for WithoutRemedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error { what, object, position, cause, .. } = self.0;
        f.write_str(what)?;
        if let Some(object) = object {
            write!(f, " [{object}]")?;
        }
        if let Some(position) = position {
            write!(f, " at {position}")?;
        }
        let mut cause: Option<&(dyn StdError + 'static)> = cause.as_deref().map(|cause| cause as _);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        WithoutRemedy(self).fmt(f)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  what to do: {remedy}")?;
        }
        Ok(())
    }
}

impl StdError for Error {}
