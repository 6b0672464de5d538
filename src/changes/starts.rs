//! From where on the changes of a copied table count.

use std::collections::HashMap;

use slackwater_decoders::{
    event::SchemaChange,
    position::{LogPosition, Position, TransactionId},
    schema::TableName,
};

/// For each table that was copied, the position that its copy shows: what the log says of the table up to there is in the
/// copy already. Names are those of the source.
#[derive(Clone, Debug, Default)]
pub struct TableStarts {
    starts: HashMap<TableName, Position>,
}

impl TableStarts {
    /// Sets the position that the copy of a table shows. A table that was to be copied and was found to be gone has one as
    /// well: where it was found to be gone.
    pub fn insert(&mut self, table: TableName, start: Position) {
        self.starts.insert(table, start);
    }

    /// Whether no table has a start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Whether what a transaction does to a table is in the table's copy. `position` is the start of the transaction, which
    /// decides where the transaction has no name or the copy's position knows none.
    #[must_use]
    pub fn is_covered(
        &self,
        table: &TableName,
        transaction: Option<&TransactionId>,
        position: &LogPosition,
    ) -> bool {
        self.starts.get(table).is_some_and(|start| lies_before(transaction, position, start))
    }

    /// What of a change of definitions is left to do for the tables' copies.
    pub(super) fn uncovered(&self, change: &SchemaChange, ddl: &Place<'_>) -> Option<SchemaChange> {
        let covered = |table: &TableName| self.starts.get(table).is_some_and(|start| ddl.lies_before(start));
        let moved = |from: &TableName, to: &TableName| match (covered(from), covered(to)) {
            (false, false) => Some(change.clone()),
            // The table was copied under its new name: what is left under the old one is no part of the source any more.
            (false, true) if from != to => Some(SchemaChange::DropTable { table: from.clone() }),
            // A later table of the old name was copied.
            _ => None,
        };
        match change {
            SchemaChange::RenameTable { from, to } => moved(from, to),
            SchemaChange::AlterTable { before, after, .. } => moved(&before.name, &after.name),
            SchemaChange::DropDatabase { database } => {
                // Copied tables of that name are those of a later database.
                let copied = self
                    .starts
                    .iter()
                    .any(|(table, start)| *table.database == **database && ddl.lies_before(start));
                (!copied).then(|| change.clone())
            }
            _ => (!change.tables().into_iter().any(covered)).then(|| change.clone()),
        }
    }
}

/// The place of a statement between transactions.
pub(super) struct Place<'a> {
    /// Where the log continues behind it, if known.
    pub(super) behind: Option<&'a Position>,
    /// The transaction that it is a part of, if any.
    pub(super) transaction: Option<&'a TransactionId>,
    /// Where it starts.
    pub(super) start: &'a LogPosition,
}

impl Place<'_> {
    fn lies_before(&self, position: &Position) -> bool {
        match (self.behind.and_then(|behind| behind.executed.as_ref()), &position.executed) {
            (Some(ours), Some(theirs)) if self.transaction.is_none() => theirs.contains_all(ours),
            _ => lies_before(self.transaction, self.start, position),
        }
    }
}

/// Whether the transaction that starts at `start` is one of those before `position`: by its name where both sides
/// have one, which holds on every server, else by its place in the one server's log.
pub(crate) fn lies_before(
    transaction: Option<&TransactionId>,
    start: &LogPosition,
    position: &Position,
) -> bool {
    match (transaction, &position.executed) {
        (Some(transaction), Some(executed)) => executed.contains(transaction),
        _ => start.compare(&position.log).is_some_and(|order| order.is_lt()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slackwater_decoders::mysql::gtid::MariadbGtid;

    use super::*;

    fn at(offset: u64) -> LogPosition {
        LogPosition::Binlog { file: "binlog.000002".into(), offset }
    }

    fn starts(executed: Option<&str>) -> TableStarts {
        let executed = executed.map(|executed| executed.parse().unwrap());
        let mut starts = TableStarts::default();
        starts.insert(TableName::new("shop", "new"), Position::binlog("binlog.000002", 500, executed));
        starts
    }

    #[test]
    fn a_transaction_is_in_the_copy_by_its_name_and_else_by_its_place() {
        let table = TableName::new("shop", "new");
        let covered = |starts: &TableStarts, number: Option<u64>, offset| {
            let id =
                number.map(|number| TransactionId::Mariadb(MariadbGtid { domain: 0, server: 9, number }));
            starts.is_covered(&table, id.as_ref(), &at(offset))
        };
        let by_place = starts(None);
        assert!(covered(&by_place, Some(99), 400) && !covered(&by_place, Some(1), 500));
        let by_name = starts(Some("0-1-7"));
        assert!(covered(&by_name, Some(7), 900) && !covered(&by_name, Some(8), 4));
        assert!(covered(&by_name, None, 400), "no name, so that the place decides");
        assert!(!by_name.is_covered(&TableName::new("shop", "other"), None, &at(4)));
    }

    #[test]
    fn a_rename_into_a_copied_table_leaves_nothing_under_the_old_name() {
        let (old, new) = (TableName::new("shop", "old"), TableName::new("shop", "new"));
        let start = at(400);
        let place = Place { behind: None, transaction: None, start: &start };
        let rename = |from: &TableName, to: &TableName| {
            starts(None).uncovered(&SchemaChange::RenameTable { from: from.clone(), to: to.clone() }, &place)
        };
        assert_eq!(rename(&old, &new), Some(SchemaChange::DropTable { table: old.clone() }));
        assert_eq!(rename(&new, &old), None);
        let dropped = SchemaChange::DropTable { table: new };
        assert_eq!(starts(None).uncovered(&dropped, &place), None);
        assert_eq!(
            starts(None).uncovered(&SchemaChange::DropDatabase { database: "shop".into() }, &place),
            None
        );
        let other = SchemaChange::DropDatabase { database: "blog".into() };
        assert_eq!(starts(None).uncovered(&other, &place), Some(other.clone()));
    }
}
