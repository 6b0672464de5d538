//! The only place where concrete sources and destinations are named side by side.

use std::sync::Arc;

use crate::{
    config::{DestinationConfig, SourceConfig, Task},
    destinations::{Destination, sqlite::Sqlite},
    error::{Error, Result},
    service::Ends,
    sources::Source,
};

/// Both ends of a task. Nothing is connected yet.
///
/// # Errors
/// Definite when an end cannot work as configured.
pub(super) fn ends(task: &Task) -> Result<Ends> {
    Ok(Ends { source: source(task)?, destination: destination(task)? })
}

/// The source of a task.
///
/// # Errors
/// Definite when it cannot work as configured.
pub(super) fn source(task: &Task) -> Result<Arc<dyn Source>> {
    let kind = match &task.source {
        SourceConfig::Mysql(_) => "mysql",
        SourceConfig::MysqlFiles(_) => "mysql-files",
    };
    Err(Error::definite(format!("this build has no source of the type {kind}")))
}

/// The destination of a task.
///
/// # Errors
/// Definite when it cannot work as configured.
pub(super) fn destination(task: &Task) -> Result<Box<dyn Destination>> {
    Ok(match &task.destination {
        DestinationConfig::Sqlite(config) => Box::new(Sqlite::new(task.name.as_str(), config.clone())),
        DestinationConfig::Mysql(_) => {
            return Err(Error::definite("this build has no destination of the type mysql"));
        }
    })
}
