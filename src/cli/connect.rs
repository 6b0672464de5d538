//! The only place where concrete sources and destinations are named side by side.

use std::sync::Arc;

use slackwater_decoders::schema::TableName;

use super::exit::Failure;
use crate::{
    config::{DestinationConfig, Overrides, SourceConfig, Task},
    cutover::{
        parts::{Parts, ReverseTask, Verification},
        reverse::{FormerSource, Forward, Reverse},
    },
    destinations::{
        self, Destination,
        schema::PlannedStatement,
        sqlite::{Sqlite, SqliteRows},
    },
    error::Result,
    mapping::{Mapping, Selection},
    pipeline::schema::SchemaPhase,
    service::{Ends, limits},
    sources::{
        Source,
        fencing::FenceState,
        mysql::{Mysql, MysqlRows},
        mysql_files::MysqlFiles,
        postgres::{Postgres, PostgresRows},
        rows::RowReader,
        throttle::Throttle,
    },
    types::mysql::quote_name,
    verify::task::TaskVerification,
};

/// Both ends of a task. Nothing is connected yet.
///
/// # Errors
/// Definite when an end cannot work as configured.
pub(super) fn ends(task: &Task) -> Result<Ends, Failure> {
    let throttle = Throttle::new(limits(&task.snapshot));
    let mapping = Arc::new(mapping(task)?);
    let source = source(task, &throttle)?;
    let verification =
        verification_of(task, Arc::clone(&source), Arc::new(Mapping::clone(&mapping)))?.ok().map(Arc::new);
    let parts = Parts {
        verification: verification.clone().map(|verification| verification as Arc<dyn Verification>),
        ..Parts::default()
    };
    Ok(Ends {
        source,
        destination: destination(task)?,
        schemas: Box::new(schema_phase(task, Arc::clone(&mapping))?),
        mapping,
        throttle,
        parts,
        verification,
    })
}

/// Both ends of a task that is to run, with what its cutover asks of others. `fence`: the settings of the destination from before the
/// cutover that has closed it.
///
/// # Errors
/// As [`ends`]; when the file that `cutover.reverse` names has a mistake.
pub(super) fn running_ends(task: &Task, fence: Option<FenceState>) -> Result<Ends, Failure> {
    let mut ends = ends(task)?;
    ends.parts.reverse = reverse(task, &ends)?;
    if let Some((fence, source)) = fence.zip(destination_as_source(task)?) {
        ends.parts.gate = Some(Arc::new(FormerSource::new(source, fence)));
    }
    Ok(ends)
}

/// The way back of a task, where its file names one.
fn reverse(task: &Task, ends: &Ends) -> Result<Option<Arc<dyn ReverseTask>>, Failure> {
    let Some(file) = &task.cutover.reverse else { return Ok(None) };
    let back = Task::load(file)?;
    let source = source(&back, &Throttle::new(limits(&back.snapshot)))?;
    let mapping = Arc::new(mapping(&back)?);
    let forward = Forward {
        name: task.name.clone(),
        state_dir: task.state_dir.clone(),
        source: Arc::clone(&ends.source),
        mapping: Arc::clone(&ends.mapping),
    };
    let of_back = back.clone();
    let destination = Box::new(move || destination(&of_back));
    Ok(Some(Arc::new(Reverse::new(file, back, source, destination, mapping, forward)?)))
}

/// The destination of a task as a source, to close and to open it; `None` for one that cannot be asked so.
fn destination_as_source(task: &Task) -> Result<Option<Arc<dyn Source>>> {
    let mut turned = task.clone();
    turned.source = match &task.destination {
        DestinationConfig::Sqlite(_) => return Ok(None),
        DestinationConfig::Mysql(config) => SourceConfig::Mysql(config.as_source()),
        DestinationConfig::Postgres(config) => SourceConfig::Postgres(config.as_source()),
    };
    source(&turned, &Throttle::new(limits(&task.snapshot))).map(Some)
}

/// Who creates the destination's objects.
///
/// # Errors
/// When the override file has a mistake, or the record of an earlier run cannot be read.
pub(super) fn schema_phase(task: &Task, mapping: Arc<Mapping>) -> Result<SchemaPhase, Failure> {
    let overrides = task.schema.overrides.as_deref().map(Overrides::load).transpose()?.unwrap_or_default();
    Ok(SchemaPhase::new(mapping, overrides, &task.state_dir)?)
}

/// The statement that sets where the names in a statement of the schema phase are looked for, without its `;`.
pub(super) fn scope(destination: &DestinationConfig, statement: &PlannedStatement) -> Option<String> {
    let database = statement.database.as_deref();
    match destination {
        DestinationConfig::Postgres(_) => destinations::postgres::schema::search_path(statement)
            .map(|path| format!("SET search_path = {path}")),
        DestinationConfig::Mysql(_) | DestinationConfig::Sqlite(_) => {
            database.map(|database| format!("USE {}", quote_name(database)))
        }
    }
}

/// What becomes of the source's tables on the way.
///
/// # Errors
/// Definite when a rule cannot be meant.
pub(super) fn mapping(task: &Task) -> Result<Mapping> {
    let mapping = Mapping::new(&task.objects, &task.mapping)?;
    let is_between_kinds = matches!(task.source, SourceConfig::Postgres(_))
        && !matches!(task.destination, DestinationConfig::Postgres(_));
    Ok(if is_between_kinds { mapping.without_computed() } else { mapping })
}

/// The source of a task, whose tables are read within the limits of `throttle`.
///
/// # Errors
/// Definite when it cannot work as configured.
pub(super) fn source(task: &Task, throttle: &Throttle) -> Result<Arc<dyn Source>> {
    let selection = Selection::new(&task.objects);
    let selected = Arc::new(move |table: &TableName| selection.includes(table));
    Ok(match &task.source {
        SourceConfig::Mysql(config) => {
            let source = Mysql::new(&task.name, config.clone(), selected)?;
            Arc::new(source.with_batch_size(task.apply.batch_size).with_throttle(throttle.clone()))
        }
        SourceConfig::MysqlFiles(config) => {
            let source = MysqlFiles::new(config.clone(), selected)?;
            Arc::new(source.with_batch_size(task.apply.batch_size))
        }
        SourceConfig::Postgres(config) => {
            let source = Postgres::new(&task.name, config.clone(), selected)?
                .with_batch_size(task.apply.batch_size)
                .with_throttle(throttle.clone())
                .with_state_dir(&task.state_dir)
                .with_selection(&Selection::new(&task.objects));
            Arc::new(source)
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
        DestinationConfig::Postgres(config) => {
            let postgres = destinations::postgres::Postgres::new(task.name.as_str(), config.clone());
            Box::new(postgres.with_row_errors(task.apply.on_row_error))
        }
    })
}

/// An end of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What is carried from.
    Source,
    /// What is carried to.
    Destination,
}

/// Who reads the rows of an end of a task, within the limits of `throttle`. The inner error says why there is nobody: the end has no rows.
///
/// # Errors
/// Definite when it cannot work as configured.
pub(super) fn row_reader(
    task: &Task,
    end: End,
    throttle: &Throttle,
) -> Result<Result<Arc<dyn RowReader>, &'static str>> {
    let mysql = |config| Ok(Arc::new(MysqlRows::new(config)?.with_throttle(throttle.clone())) as _);
    let postgres = |config| {
        let rows = PostgresRows::new(&task.name, config)?.with_throttle(throttle.clone());
        Ok(Arc::new(rows) as _)
    };
    let reader: Result<Arc<dyn RowReader>> = match (end, &task.source, &task.destination) {
        (End::Source, SourceConfig::Mysql(config), _) => mysql(config.clone()),
        (End::Source, SourceConfig::Postgres(config), _) => postgres(config.clone()),
        (End::Source, SourceConfig::MysqlFiles(_), _) => {
            return Ok(Err("binlog files hold changes, and not the rows of tables"));
        }
        (End::Destination, _, DestinationConfig::Mysql(config)) => mysql(config.as_source()),
        (End::Destination, _, DestinationConfig::Postgres(config)) => postgres(config.as_source()),
        (End::Destination, _, DestinationConfig::Sqlite(config)) => Ok(Arc::new(SqliteRows::new(config))),
    };
    reader.map(Ok)
}

/// The source of a task, and the comparison of its two ends. Nothing is connected yet.
///
/// # Errors
/// Definite when an end cannot work as configured, or has no rows that can be read.
pub(super) fn verification(task: &Task) -> Result<(Arc<dyn Source>, TaskVerification), Failure> {
    let source = source(task, &Throttle::default())?;
    let verification = verification_of(task, Arc::clone(&source), Arc::new(mapping(task)?))?
        .map_err(|reason| Failure::definite(format!("there is nothing to compare: {reason}")))?;
    Ok((source, verification))
}

/// The comparison of a task's ends; the inner error says why there is none.
fn verification_of(
    task: &Task,
    source: Arc<dyn Source>,
    mapping: Arc<Mapping>,
) -> Result<Result<TaskVerification, &'static str>> {
    // The comparison has limits of its own.
    let reader = |end| row_reader(task, end, &Throttle::default());
    Ok(match (reader(End::Source)?, reader(End::Destination)?) {
        (Ok(here), Ok(there)) => Ok(TaskVerification::new(task, source, (here, there), mapping)),
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
    })
}
