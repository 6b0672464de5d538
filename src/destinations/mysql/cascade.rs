//! Changes with consequences that are not in the log.
//!
//! InnoDB carries out `ON DELETE CASCADE`, `ON UPDATE SET NULL` and the like below the binlog: MySQL before 9.6 and MariaDB
//! log the change of the parent alone, and their own replicas repeat the rest by their own foreign keys. So does this
//! destination: such a change runs with foreign keys on, as a DELETE or UPDATE of that row and nothing more (REPLACE would
//! delete the parent first, and its children with it).

use std::{collections::HashSet, sync::Arc};

use slackwater_decoders::{
    event::{RowChange, Rows},
    schema::TableName,
};

use super::{
    gathered::Gathered,
    session::{Session, refusal},
    statement::RowStatement,
    tables::ReadyTable,
};
use crate::error::Result;

/// The rules by which a foreign key changes rows of its own table.
const CASCADING: &str =
    "(DELETE_RULE NOT IN ('NO ACTION', 'RESTRICT') OR UPDATE_RULE NOT IN ('NO ACTION', 'RESTRICT'))";

/// The tables whose foreign keys change rows of others, in lower case: a server may keep the names otherwise than the source wrote them.
pub(super) async fn cascading_tables(session: &mut Session) -> Result<HashSet<TableName>> {
    let tables: Vec<(String, String)> = session
        .rows(format!(
            "SELECT UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE {CASCADING}"
        ))
        .await?;
    let lower =
        |(database, table): (String, String)| TableName::new(database.to_lowercase(), table.to_lowercase());
    Ok(tables.into_iter().map(lower).collect())
}

/// Whether a table is among those [`cascading_tables`].
pub(super) fn has_cascades(cascading: &HashSet<TableName>, table: &TableName) -> bool {
    cascading.contains(&TableName::new(table.database.to_lowercase(), table.table.to_lowercase()))
}

impl Gathered {
    /// Takes the changes of one event whose consequences are not in the log.
    pub(super) async fn cascading_rows(
        &mut self,
        session: &mut Session,
        table: &Arc<ReadyTable>,
        rows: &Rows<'_>,
    ) -> Result<()> {
        // The children that the change is to reach may still be gathered.
        self.send_all(session).await?;
        let converging = self.is_converging();
        let statement = RowStatement::new(table, rows, session.server).converging(converging);
        for change in rows.changes {
            session.run("SET SESSION foreign_key_checks = 1").await?;
            let done = match *change {
                RowChange::Delete { before } => statement.delete_by_key(session, before).await?,
                RowChange::Update { before, after } => {
                    match statement.try_update_by_key(session, before, after).await {
                        // Another row has a unique value that this one takes.
                        Err(error) if converging && refusal(&error) == Some(1062) => false,
                        done => done?,
                    }
                }
                RowChange::Insert { .. } => false,
            };
            session.run("SET SESSION foreign_key_checks = 0").await?;
            if !done {
                // A replay: the row is not there in its state before the change, and its children are not either.
                self.change(session, table, rows, change).await?;
            }
        }
        Ok(())
    }
}
