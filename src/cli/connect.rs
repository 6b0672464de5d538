//! The only place where concrete sources and destinations are named side by side.

use std::sync::Arc;

use slackwater_decoders::schema::TableName;

use crate::{
    config::{DestinationConfig, SourceConfig, Task},
    destinations::{self, Destination, sqlite::Sqlite},
    error::Result,
    mapping::{Mapping, Selection},
    service::Ends,
    sources::{Source, mysql::Mysql, mysql_files::MysqlFiles},
};

/// Both ends of a task. Nothing is connected yet.
///
/// # Errors
/// Definite when an end cannot work as configured.
pub(super) fn ends(task: &Task) -> Result<Ends> {
    Ok(Ends { source: source(task)?, destination: destination(task)?, mapping: mapping(task) })
}

/// What becomes of the source's tables on the way.
fn mapping(task: &Task) -> Arc<Mapping> {
    Arc::new(Mapping::identity(Selection::new(&task.objects)))
}

/// The source of a task.
///
/// # Errors
/// Definite when it cannot work as configured.
pub(super) fn source(task: &Task) -> Result<Arc<dyn Source>> {
    let selection = Selection::new(&task.objects);
    let selected = Arc::new(move |table: &TableName| selection.includes(table));
    Ok(match &task.source {
        SourceConfig::Mysql(config) => {
            let source = Mysql::new(&task.name, config.clone(), selected)?;
            Arc::new(source.with_batch_size(task.apply.batch_size))
        }
        SourceConfig::MysqlFiles(config) => {
            let source = MysqlFiles::new(config.clone(), selected)?;
            Arc::new(source.with_batch_size(task.apply.batch_size))
        }
    })
}

/// The destination of a task.
///
/// # Errors
/// Definite when it cannot work as configured.
pub(super) fn destination(task: &Task) -> Result<Box<dyn Destination>> {
    Ok(match &task.destination {
        DestinationConfig::Sqlite(config) => {
            let sqlite = Sqlite::new(task.name.as_str(), config.clone());
            Box::new(sqlite.with_row_errors(task.apply.on_row_error))
        }
        DestinationConfig::Mysql(config) => {
            let mysql = destinations::mysql::Mysql::new(task.name.as_str(), config.clone());
            Box::new(mysql.with_row_errors(task.apply.on_row_error))
        }
    })
}
