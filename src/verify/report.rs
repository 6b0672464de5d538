//! What a comparison found, for people and for programs.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::config::Depth;

/// The outcome of a comparison.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The task's name.
    pub task: String,
    /// How deep it went.
    pub depth: &'static str,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// What is to be known of the whole.
    pub notes: Vec<String>,
    /// The tables of the destination.
    pub tables: Vec<TableReport>,
}

/// The outcome for one table of the destination.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableReport {
    /// Its name at the destination.
    pub table: String,
    /// The source's tables that become it.
    pub sources: Vec<String>,
    /// How it was compared.
    pub method: &'static str,
    /// Rows of the source that were read or counted, as far as the rules carry them.
    pub source_rows: u64,
    /// Rows of the destination that were read or counted.
    pub destination_rows: u64,
    /// Parts that were compared by their sums.
    pub chunks: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the destination has.
    pub extra: u64,
    /// Rows that both have, with other values.
    pub changed: u64,
    /// Rows that differed whenever they were looked at, while changes came: no verdict.
    pub unsettled: u64,
    /// Some of the differing rows, as many as `verify.listed` says.
    pub differences: Vec<Difference>,
    /// Columns that were not compared, with the reason.
    pub left_out: Vec<(String, String)>,
    /// What is to be known of it.
    pub notes: Vec<String>,
    /// Why it could not be compared.
    pub error: Option<String>,
    /// Whether the error may pass by itself.
    #[serde(skip)]
    pub is_transient: bool,
}

/// What is the matter with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// Only the source has it.
    Missing,
    /// Only the destination has it.
    Extra,
    /// Both have it, with other values.
    Changed,
}

/// A row that differs.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// What is the matter with it.
    pub kind: DifferenceKind,
    /// How many such rows; more than one only in a table without a key.
    pub rows: u64,
    /// Its key by column; masked unless values are shown. Empty for a table without a key.
    pub key: Vec<(String, String)>,
    /// The columns that differ, of a changed row; all of them for a row of a table without a key whose values are shown.
    pub columns: Vec<ColumnDifference>,
    /// Its key, for a repair.
    #[serde(skip)]
    pub(super) keys: Keys,
}

/// A key in the source's types.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) source: Option<Key>,
}

/// A column of a row that differs.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnDifference {
    /// Its name at the destination.
    pub column: String,
    /// The value that is to be there; masked unless values are shown.
    pub source: Option<String>,
    /// The value that is there.
    pub destination: Option<String>,
}

impl TableReport {
    /// Rows that differ.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.missing + self.extra + self.changed
    }
}

impl Report {
    /// The name of a depth as the task file has it.
    #[must_use]
    pub fn depth_name(depth: Depth) -> &'static str {
        match depth {
            Depth::None => "none",
            Depth::Counts => "counts",
            Depth::Sample => "sample",
            Depth::Rows => "rows",
        }
    }

    /// Rows that differ.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.tables.iter().map(TableReport::differing).sum()
    }

    /// Rows and tables without a verdict.
    #[must_use]
    pub fn undecided(&self) -> u64 {
        self.tables.iter().map(|table| table.unsettled + u64::from(table.error.is_some())).sum()
    }

    /// Whether everything was compared and nothing differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differing() == 0 && self.undecided() == 0 && !self.stopped
    }

    /// The outcome in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let rows: u64 = self.tables.iter().map(|table| table.source_rows).sum();
        let verdict = match (self.differing(), self.undecided(), self.stopped) {
            (0, 0, false) => "no difference".to_owned(),
            (0, 0, true) => "no difference up to where it was stopped".to_owned(),
            (0, undecided, _) => format!("no difference found, {undecided} rows or tables without a verdict"),
            (differing, ..) => {
                let tables = self.tables.iter().filter(|table| table.differing() > 0).count();
                format!("{differing} rows differ in {tables} tables")
            }
        };
        format!(
            "{verdict} ({}: {} tables, {rows} rows, {:.1} s)",
            self.depth,
            self.tables.len(),
            self.seconds
        )
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.task, self.summary())?;
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for table in &self.tables {
            table.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for TableReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = match (&self.error, self.differing(), self.unsettled) {
            (Some(_), ..) => "not compared".to_owned(),
            (None, 0, 0) => "equal".to_owned(),
            (None, 0, unsettled) => format!("{unsettled} rows without a verdict: they changed all the time"),
            _ => format!(
                "{} missing, {} extra, {} changed{}",
                self.missing,
                self.extra,
                self.changed,
                if self.unsettled > 0 {
                    format!(", {} without a verdict", self.unsettled)
                } else {
                    String::new()
                }
            ),
        };
        writeln!(
            f,
            "  {:<30}  {verdict} ({} rows at the source, {} at the destination; {})",
            self.table, self.source_rows, self.destination_rows, self.method
        )?;
        for line in self.error.iter().flat_map(|error| error.lines()) {
            writeln!(f, "    {line}")?;
        }
        for difference in &self.differences {
            difference.fmt(f)?;
        }
        let listed: u64 = self.differences.iter().map(|difference| difference.rows).sum();
        if listed < self.differing() {
            writeln!(f, "    and {} more", self.differing() - listed)?;
        }
        for (column, reason) in &self.left_out {
            writeln!(f, "    not compared: {column}: {reason}")?;
        }
        for note in &self.notes {
            writeln!(f, "    note: {note}")?;
        }
        Ok(())
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DifferenceKind::Missing => "missing",
            DifferenceKind::Extra => "extra",
            DifferenceKind::Changed => "changed",
        };
        let key: Vec<String> = self.key.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        let times = if self.rows > 1 { format!(" ({} times)", self.rows) } else { String::new() };
        writeln!(f, "    {kind:<7}  {}{times}", key.join(", "))?;
        for ColumnDifference { column, source, destination } in &self.columns {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            writeln!(
                f,
                "             {column}: {} at the source, {} at the destination",
                shown(source),
                shown(destination)
            )?;
        }
        Ok(())
    }
}
