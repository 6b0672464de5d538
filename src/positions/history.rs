//! The versioned history of the source's table definitions.
//!
//! A log's rows are to be read with the definition of their time, which is not today's. The history is a baseline (the
//! definitions at one position) and the changes behind it, each at the position *behind* the statement that made it. A
//! restart at an older position finds the definitions of that time; changes later than it are dropped, because the log
//! brings them again.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use slackwater_decoders::{
    event::SchemaChange,
    position::Position,
    schema::{Table, TableName},
};

use super::store::HistoryDisk;
use crate::error::Result;

/// Tables of one baseline entry: keeps single records small.
const TABLES_PER_ENTRY: usize = 100;

/// The versioned history of the source's table definitions. Cloning it gives another handle to the same history.
#[derive(Clone)]
pub struct SchemaHistory(Arc<Mutex<Inner>>);

struct Inner {
    entries: Vec<(u64, Entry)>,
    /// Number of the next entry; numbers are never used again.
    next: u64,
    disk: Option<HistoryDisk>,
}

/// One entry: what became of tables, and the position behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    at: Position,
    changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Define(Arc<Table>),
    Rename { from: TableName, to: TableName },
    Drop(TableName),
    DropDatabase(String),
}

impl SchemaHistory {
    /// An empty history that is kept in memory alone (`decode`, tests).
    #[must_use]
    pub fn in_memory() -> Self {
        SchemaHistory::new(Vec::new(), 0, None)
    }

    pub(super) fn new(entries: Vec<(u64, Entry)>, next: u64, disk: Option<HistoryDisk>) -> Self {
        SchemaHistory(Arc::new(Mutex::new(Inner { entries, next, disk })))
    }

    /// Whether no definition was ever recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner().entries.is_empty()
    }

    /// Records what a statement did. `behind` is the position behind it: a task that resumes there has it in effect.
    /// Durable when it returns.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn record(&self, behind: &Position, changes: &[SchemaChange]) -> Result<()> {
        let mut inner = self.inner();
        let mut catalog = None;
        let mut recorded = Vec::new();
        for change in changes {
            match change {
                SchemaChange::CreateTable { table, if_not_exists } => {
                    let known = *if_not_exists
                        && catalog.get_or_insert_with(|| inner.catalog(None)).contains_key(&table.name);
                    if !known {
                        recorded.push(Change::Define(Arc::clone(table)));
                    }
                }
                SchemaChange::AlterTable { before, after, .. } => {
                    if before.name != after.name {
                        recorded.push(Change::Drop(before.name.clone()));
                    }
                    recorded.push(Change::Define(Arc::clone(after)));
                }
                SchemaChange::RenameTable { from, to } => {
                    recorded.push(Change::Rename { from: from.clone(), to: to.clone() });
                }
                SchemaChange::RenamedIn { table: Some(table), .. } => {
                    recorded.push(Change::Define(Arc::clone(table)));
                }
                // A definition that is not known is none: its rows are refused until it is read anew.
                SchemaChange::RenamedIn { to: table, table: None, .. }
                | SchemaChange::DropTable { table }
                | SchemaChange::Unknown { table, .. } => {
                    recorded.push(Change::Drop(table.clone()));
                }
                SchemaChange::DropDatabase { database } => {
                    recorded.push(Change::DropDatabase(database.clone()))
                }
                SchemaChange::CreateDatabase { .. }
                | SchemaChange::RowsUnlogged { .. }
                | SchemaChange::Other { .. } => {}
            }
        }
        if recorded.is_empty() {
            return Ok(());
        }
        inner.append(vec![Entry { at: behind.clone(), changes: recorded }])
    }

    /// Replaces the whole history by the definitions in effect at `at`. Durable when it returns.
    ///
    /// # Errors
    /// When the store cannot be written; the history is the former one then.
    pub fn replace_all(&self, at: &Position, tables: &[Arc<Table>]) -> Result<()> {
        let mut entries: Vec<Entry> = tables
            .chunks(TABLES_PER_ENTRY)
            .map(|tables| Entry {
                at: at.clone(),
                changes: tables.iter().cloned().map(Change::Define).collect(),
            })
            .collect();
        if entries.is_empty() {
            // A source without tables is known as such: not the same as an empty history.
            entries.push(Entry { at: at.clone(), changes: Vec::new() });
        }
        self.inner().replace(entries)
    }

    /// The definitions in effect at a position, in the order of their names.
    #[must_use]
    pub fn catalog_at(&self, position: &Position) -> Vec<Arc<Table>> {
        self.inner().catalog(Some(position)).into_values().collect()
    }

    /// Drops what was recorded behind a position from which the log is read again. Durable when it returns.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn rewind_to(&self, position: &Position) -> Result<()> {
        let mut inner = self.inner();
        let (kept, dropped): (Vec<_>, Vec<_>) =
            inner.entries.iter().cloned().partition(|(_, entry)| is_at_or_before(&entry.at, position));
        if dropped.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u64> = dropped.iter().map(|&(number, _)| number).collect();
        if let Some(disk) = &inner.disk {
            disk.write(&[], &numbers, inner.next, kept.len())?;
        }
        inner.entries = kept;
        Ok(())
    }

    /// Number of the next entry.
    pub(super) fn next(&self) -> u64 {
        self.inner().next
    }

    pub(super) fn export(&self) -> Vec<Entry> {
        self.inner().entries.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// Forgets everything: definitions are to be read from the source again.
    pub(super) fn forget(&self) -> Result<()> {
        self.inner().replace(Vec::new())
    }

    pub(super) fn import(&self, entries: Vec<Entry>) -> Result<()> {
        self.inner().replace(entries)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change is made after the write that can fail: a poisoned history is a whole one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn catalog(&self, until: Option<&Position>) -> BTreeMap<TableName, Arc<Table>> {
        let mut catalog = BTreeMap::new();
        for (_, entry) in &self.entries {
            if until.is_none_or(|until| is_at_or_before(&entry.at, until)) {
                entry.changes.iter().for_each(|change| change.apply(&mut catalog));
            }
        }
        catalog
    }

    fn append(&mut self, entries: Vec<Entry>) -> Result<()> {
        let (entries, next) = self.numbered(entries);
        if let Some(disk) = &self.disk {
            disk.write(&entries, &[], next, self.entries.len() + entries.len())?;
        }
        self.next = next;
        self.entries.extend(entries);
        Ok(())
    }

    fn replace(&mut self, entries: Vec<Entry>) -> Result<()> {
        let (entries, next) = self.numbered(entries);
        let former: Vec<u64> = self.entries.iter().map(|&(number, _)| number).collect();
        if let Some(disk) = &self.disk {
            disk.write(&entries, &former, next, entries.len())?;
        }
        self.next = next;
        self.entries = entries;
        Ok(())
    }

    fn numbered(&self, entries: Vec<Entry>) -> (Vec<(u64, Entry)>, u64) {
        let numbered: Vec<_> = (self.next..).zip(entries).collect();
        let next = numbered.last().map_or(self.next, |(number, _)| number + 1);
        (numbered, next)
    }
}

impl Change {
    fn apply(&self, catalog: &mut BTreeMap<TableName, Arc<Table>>) {
        match self {
            Change::Define(table) => {
                catalog.insert(table.name.clone(), Arc::clone(table));
            }
            Change::Rename { from, to } => {
                if let Some(table) = catalog.remove(from) {
                    let renamed = Table { name: to.clone(), ..Table::clone(&table) };
                    catalog.insert(to.clone(), Arc::new(renamed));
                }
            }
            Change::Drop(table) => {
                catalog.remove(table);
            }
            Change::DropDatabase(database) => catalog.retain(|name, _| *name.database != **database),
        }
    }
}

/// Whether what happened up to `earlier` lies before `later`. Transactions decide alone where both positions know them: they hold
/// across servers, every statement is one, and a server that is asked by them begins to send at the start of a file: positions
/// behind what is known have places before it. Otherwise the place in the log decides.
fn is_at_or_before(earlier: &Position, later: &Position) -> bool {
    match (&earlier.executed, &later.executed) {
        (Some(earlier), Some(later)) => later.contains_all(earlier),
        _ => earlier.log.compare(&later.log).is_none_or(Ordering::is_le),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slackwater_decoders::schema::{Column, ColumnType};

    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn at(offset: u64) -> Position {
        Position::binlog("binlog.000001", offset, None)
    }

    fn table(name: &str, columns: &[&str]) -> Arc<Table> {
        Arc::new(Table {
            name: TableName::new("shop", name),
            columns: columns.iter().map(|name| Column::new(*name, ColumnType::Double)).collect(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        })
    }

    fn alter(before: &Arc<Table>, after: &Arc<Table>) -> SchemaChange {
        SchemaChange::AlterTable { before: before.clone(), after: after.clone(), columns_from: Vec::new() }
    }

    fn names(tables: &[Arc<Table>]) -> Vec<String> {
        tables.iter().map(|table| table.name.to_string()).collect()
    }

    #[test]
    fn an_older_position_sees_the_columns_of_its_time() {
        let history = SchemaHistory::in_memory();
        assert!(history.is_empty());
        let (two, one) = (table("orders", &["id", "note"]), table("orders", &["id"]));
        history.replace_all(&at(100), &[two.clone(), table("lines", &["id"])]).unwrap();
        history.record(&at(200), &[alter(&two, &one)]).unwrap();
        assert_eq!(history.catalog_at(&at(199)).last(), Some(&two));
        assert_eq!(history.catalog_at(&at(200)).last(), Some(&one));
        history.rewind_to(&at(150)).unwrap();
        assert_eq!(history.catalog_at(&at(900)).last(), Some(&two));
    }

    #[test]
    fn renames_and_drops_follow_each_other() {
        let history = SchemaHistory::in_memory();
        history.replace_all(&at(100), &[table("a", &["id"]), table("b", &["id"])]).unwrap();
        let name = |name: &str| TableName::new("shop", name);
        let swap = [
            SchemaChange::RenameTable { from: name("a"), to: name("t") },
            SchemaChange::RenameTable { from: name("b"), to: name("a") },
            SchemaChange::RenameTable { from: name("t"), to: name("b") },
        ];
        history.record(&at(200), &swap).unwrap();
        history.record(&at(300), &[SchemaChange::DropTable { table: name("a") }]).unwrap();
        assert_eq!(names(&history.catalog_at(&at(250))), ["shop.a", "shop.b"]);
        assert_eq!(names(&history.catalog_at(&at(300))), ["shop.b"]);
        history.record(&at(400), &[SchemaChange::DropDatabase { database: "shop".into() }]).unwrap();
        assert!(history.catalog_at(&at(400)).is_empty());
        assert!(!history.is_empty());
    }

    #[test]
    fn transactions_order_positions_of_two_servers_whose_files_do_not() {
        let on = |file: &str, offset, last: u64| {
            Position::binlog(file, offset, Some(format!("{UUID}:1-{last}").parse().unwrap()))
        };
        let history = SchemaHistory::in_memory();
        history.replace_all(&on("binlog.000900", 4, 10), &[table("a", &["id"])]).unwrap();
        // The promoted replica numbers its files from 1 again.
        assert_eq!(history.catalog_at(&on("binlog.000001", 700, 11)).len(), 1);
        assert_eq!(history.catalog_at(&on("binlog.000950", 700, 9)).len(), 0);
    }

    // COM_BINLOG_DUMP_GTID: the server sends the head of the file (FORMAT_DESCRIPTION, PREVIOUS_GTIDS) before the transactions.
    #[test]
    fn a_position_at_the_head_of_the_file_with_the_same_transactions_keeps_what_is_known() {
        let on = |offset| {
            let executed = format!("{UUID}:1-10").parse().unwrap();
            Position::binlog("binlog.000001", offset, Some(executed))
        };
        let history = SchemaHistory::in_memory();
        history.replace_all(&on(10_000), &[table("a", &["id"])]).unwrap();
        history.rewind_to(&on(194)).unwrap();
        assert_eq!(history.catalog_at(&on(194)).len(), 1);
    }

    #[test]
    fn create_if_not_exists_leaves_a_known_table_alone() {
        let history = SchemaHistory::in_memory();
        history.replace_all(&at(100), &[table("a", &["id"])]).unwrap();
        let create =
            SchemaChange::CreateTable { table: table("a", &["other", "columns"]), if_not_exists: true };
        history.record(&at(200), &[create]).unwrap();
        assert_eq!(history.catalog_at(&at(200)), [table("a", &["id"])]);
    }
}
