//! The comparison of a task: its tables, its ends, its settings.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::schema::TableName;
use tokio::sync::watch;

use super::{
    Ends, Progress, Settings,
    canonical::Rules,
    follow::{Applied, AtRest, Follow, Tailing},
    report::Report,
    run,
};
use crate::{
    config::{Depth, Pattern, Task},
    cutover::parts::{Summary, Verification},
    error::{Error, Result},
    mapping::Mapping,
    sources::{Source, rows::RowReader},
};

/// What a task is compared with.
#[derive(Clone)]
pub struct TaskVerification {
    pub(super) source: Arc<dyn Source>,
    pub(super) readers: (Arc<dyn RowReader>, Arc<dyn RowReader>),
    pub(super) mapping: Arc<Mapping>,
    pub(super) settings: Settings,
    only: Vec<Pattern>,
}

impl TaskVerification {
    /// The comparison of a task. `readers` are those of its source and of its destination. Nothing is connected yet.
    #[must_use]
    pub fn new(
        task: &Task,
        source: Arc<dyn Source>,
        readers: (Arc<dyn RowReader>, Arc<dyn RowReader>),
        mapping: Arc<Mapping>,
    ) -> Self {
        let settings = Settings {
            task: task.name.clone(),
            verify: task.verify.clone(),
            rules: Rules::of(&task.destination),
            show_values: false,
            listed: task.verify.listed as usize,
        };
        TaskVerification { source, readers, mapping, settings, only: Vec::new() }
    }

    /// Only tables of the source that one of the patterns matches are compared; all that are carried where there is none.
    #[must_use]
    pub fn with_tables(self, only: Vec<Pattern>) -> Self {
        TaskVerification { only, ..self }
    }

    /// Values are told, and not hidden behind a hash.
    #[must_use]
    pub fn with_values(mut self, shown: bool) -> Self {
        self.settings.show_values = shown;
        self
    }

    /// All rows that differ are listed.
    #[must_use]
    pub fn with_all_listed(mut self) -> Self {
        self.settings.listed = usize::MAX;
        self
    }

    /// The task runs, and `applied` tells how far it is.
    #[must_use]
    pub fn follow(&self, applied: Applied) -> Arc<dyn Follow> {
        Arc::new(Tailing::new(Arc::clone(&self.source), applied))
    }

    /// The task does not run, or everything stands still.
    #[must_use]
    pub fn at_rest() -> Arc<dyn Follow> {
        Arc::new(AtRest)
    }

    /// Compares the tables that the source has now.
    ///
    /// # Errors
    /// When an end cannot be reached, or has no tables that can be read.
    pub async fn run(
        &self,
        depth: Depth,
        follow: Arc<dyn Follow>,
        progress: Progress,
        stop: watch::Receiver<bool>,
    ) -> Result<Report> {
        let tables = self.tables().await?;
        let ends = Ends {
            source: Arc::clone(&self.readers.0),
            destination: Arc::clone(&self.readers.1),
            mapping: Arc::clone(&self.mapping),
            follow,
        };
        run(ends, self.settings.clone(), &tables, depth, progress, stop).await
    }

    pub(super) async fn tables(&self) -> Result<Vec<TableName>> {
        let named = |name: &TableName| {
            self.only.is_empty() || self.only.iter().any(|only| only.matches(&name.database, &name.table))
        };
        let tables = self.source.definitions().await?;
        let names: Vec<TableName> = tables.iter().map(|table| table.name.clone()).filter(named).collect();
        if names.is_empty() {
            return Err(Error::definite("there is no table to compare")
                .on(self.source.describe())
                .remedy("name tables that the task carries ([objects], --table); files of a log have none"));
        }
        Ok(names)
    }
}

#[async_trait]
impl Verification for TaskVerification {
    async fn run(&self, depth: Depth) -> Result<Summary> {
        let (_stop, stopped) = watch::channel(false);
        let report =
            TaskVerification::run(self, depth, Self::at_rest(), Progress::default(), stopped).await?;
        summary(&report)
    }
}

/// The outcome as a cutover is told it. What could not be read is an error there, and not a part that is left out.
fn summary(report: &Report) -> Result<Summary> {
    let failed = report.tables.iter().find_map(|table| Some((table, table.error.as_ref()?)));
    if let Some((table, error)) = failed {
        let kind = if table.is_transient { Error::transient } else { Error::definite };
        return Err(kind(format!("a table could not be compared: {error}")).on(&table.table));
    }
    let differing = report.tables.iter().filter(|table| table.differing() > 0);
    let details = differing.map(|table| {
        format!(
            "{}: {} missing, {} extra, {} changed",
            table.table, table.missing, table.extra, table.changed
        )
    });
    let left_out = report.tables.iter().flat_map(|table| {
        table.left_out.iter().map(|(column, reason)| format!("{}.{column}: {reason}", table.table))
    });
    Ok(Summary {
        tables: report.tables.len() as u64,
        rows: report.tables.iter().map(|table| table.source_rows).sum(),
        differing: report.differing(),
        details: details.collect(),
        left_out: left_out.collect(),
    })
}
