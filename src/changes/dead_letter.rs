//! A row change that a destination refuses, as it is kept for a person: what was to be done, where it stands in the log, and why
//! it could not be done.

use std::time::SystemTime;

use slackwater_decoders::{
    envelope::{self, EnvelopeWriter},
    event::{RowChange, Rows},
    position::LogPosition,
};

use crate::error::{Error, Result};

/// The row of the table of dead letters. It holds values of the row: it stays at the destination, and no log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// The table's database.
    pub(crate) database: String,
    /// The table.
    pub(crate) table: String,
    /// What the change does: `c` create, `u` update, `d` delete.
    pub(crate) operation: &'static str,
    /// The key of the row before the change, or after it where that is not known, as a JSON object; `None` for a table without
    /// a key.
    pub(crate) key: Option<String>,
    /// Where the change stands in the log.
    pub(crate) position: String,
    /// Why it is refused.
    pub(crate) error: String,
    /// The change as a Debezium envelope. In an update whose former values are not known `before` is empty.
    pub(crate) change: String,
}

impl DeadLetter {
    /// The letter about `change`. `rows` says of which table, where and when; `row` is the number of the change in its event,
    /// where that is known.
    ///
    /// # Errors
    /// Definite when the change cannot be written down.
    pub(crate) fn new(
        task: &str,
        rows: &Rows<'_>,
        change: &RowChange<'_>,
        row: Option<u64>,
        refusal: &Error,
    ) -> Result<Self> {
        let write = || -> serde_json::Result<Self> {
            let connector = match rows.position {
                LogPosition::Binlog { .. } => "mysql",
                LogPosition::Wal { .. } => "postgresql",
            };
            let envelopes = EnvelopeWriter::new(connector, task);
            let identifying = change.before().filter(|image| !image.is_empty()).or(change.after());
            let key = rows.table.key().zip(identifying);
            Ok(DeadLetter {
                database: rows.table.name.database.to_string(),
                table: rows.table.name.table.to_string(),
                operation: envelope::operation(change),
                key: key.map(|(key, image)| envelope::key(&rows.table, key, image)).transpose()?,
                position: rows.position.to_string(),
                error: refusal.parts().0,
                change: envelopes.change(rows, change, row, millis_now())?,
            })
        };
        let letter = write().map_err(|error| {
            Error::definite("a refused change cannot be written down")
                .on(&rows.table.name)
                .at(&rows.position)
                .caused_by(error)
        })?;
        tracing::warn!(
            table = %rows.table.name, operation = letter.operation, error = letter.error,
            "the destination refuses a change of a row: it is kept as a dead letter, and the row differs from the source's"
        );
        Ok(letter)
    }
}

/// Milliseconds since 1970-01-01 UTC.
fn millis_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
