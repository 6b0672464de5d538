//! The tables at the destination as they are, read once a session and table.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use slackwater_decoders::schema::{ColumnType, Table, TableName};

use super::{
    cascade, ddl,
    literal::quoted,
    session::{Session, code, ddl_refused},
};
use crate::{
    error::{Error, Result},
    types::mysql::quote_name,
};

/// A table that exists and fits, with the fixed parts of its statements.
pub(super) struct ReadyTable {
    /// The definition that the parts were made for.
    pub(super) table: Arc<Table>,
    /// The quoted, qualified name.
    pub(super) name: String,
    /// The quoted name of each column.
    pub(super) columns: Vec<String>,
    /// Whether each column can be written: the destination computes the others itself.
    pub(super) writable: Vec<bool>,
    /// Whether each column is of the type JSON there: MariaDB's JSON, which is text, becomes a document of MySQL's.
    pub(super) documents: Vec<bool>,
    /// Whether each column is text there: it takes numbers with more digits than a number of MySQL has as they are written.
    pub(super) texts: Vec<bool>,
    /// [`Table::key`].
    pub(super) key: Option<Vec<u16>>,
    /// The quoted names of the key's columns, in parentheses when there are several.
    pub(super) key_columns: String,
    /// Whether foreign keys change rows of other tables together with rows of this one.
    pub(super) cascades: bool,
    /// Whether a value of a row may be one that strict mode refuses.
    pub(super) may_be_lenient: bool,
    /// Whether the key is not the only unique one.
    pub(super) other_unique_keys: bool,
    /// How a row is written whose key may be there.
    pub(super) write: WriteForm,
    /// How a row is written that is known to be there, with the unique values that it has.
    pub(super) rewrite: WriteForm,
    /// The columns that are written and `VALUES`, behind `INSERT` or `REPLACE`.
    into: String,
    /// What makes an `INSERT` write over a row that is there.
    on_duplicate: String,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteForm {
    /// `INSERT`: fails when a unique value is there.
    Insert,
    /// `INSERT … ON DUPLICATE KEY UPDATE`: writes over the row that the first unique key finds.
    Update,
    /// `REPLACE`: removes every row that has one of the unique values.
    Replace,
}

impl ReadyTable {
    /// What stands before the rows of a statement.
    pub(super) fn head(&self, form: WriteForm) -> [&str; 2] {
        [if form == WriteForm::Replace { "REPLACE" } else { "INSERT" }, &self.into]
    }

    /// What stands before the keys of the rows to be deleted, and a closing parenthesis behind them.
    pub(super) fn delete_head(&self) -> String {
        format!("DELETE FROM {} WHERE {} IN (", self.name, self.key_columns)
    }

    /// What stands behind them.
    pub(super) fn tail(&self, form: WriteForm) -> &str {
        if form == WriteForm::Update { &self.on_duplicate } else { "" }
    }
}

/// What is known of the destination's tables, shared by its connections.
#[derive(Default)]
pub(super) struct Tables {
    ready: Mutex<HashMap<TableName, Arc<ReadyTable>>>,
    /// The tables with [cascades](ReadyTable::cascades), asked for all at once: of one table MariaDB tells by opening every other.
    cascading: Mutex<Option<Arc<HashSet<TableName>>>>,
}

impl Tables {
    /// For tables whose rows are loaded and not changed: cascades are not asked for.
    pub(super) fn for_loading() -> Self {
        Tables { cascading: Mutex::new(Some(Arc::default())), ..Tables::default() }
    }

    /// Forgets what was read.
    pub(super) fn forget(&self) {
        *self.cascading() = None;
        self.lock().clear();
    }

    /// Forgets all tables when there are as many as `limit`.
    pub(super) fn forget_beyond(&self, limit: usize) {
        let mut ready = self.lock();
        if ready.len() >= limit {
            ready.clear();
        }
    }

    /// The table for rows of `table`, if it has been read.
    pub(super) fn get(&self, table: &Arc<Table>) -> Option<Arc<ReadyTable>> {
        let known = self.lock();
        let ready = known.get(&table.name)?;
        (Arc::ptr_eq(&ready.table, table) || *ready.table == **table).then(|| Arc::clone(ready))
    }

    /// Reads a table, and creates it when it is not there and `create` says so. `session` has no open transaction: a DDL
    /// statement would commit it.
    pub(super) async fn read(
        &self,
        session: &mut Session,
        table: &Arc<Table>,
        create: bool,
    ) -> Result<Arc<ReadyTable>> {
        let known = self.cascading().clone();
        let cascading = match known {
            Some(cascading) => cascading,
            None => {
                let cascading = Arc::new(cascade::cascading_tables(session).await?);
                *self.cascading() = Some(Arc::clone(&cascading));
                cascading
            }
        };
        let ready = read(session, table, create).await.map_err(|error| error.on(&table.name))?;
        let cascades = cascade::has_cascades(&cascading, &table.name);
        let ready = Arc::new(ReadyTable { cascades, ..ready });
        self.lock().insert(table.name.clone(), Arc::clone(&ready));
        Ok(ready)
    }

    fn cascading(&self) -> MutexGuard<'_, Option<Arc<HashSet<TableName>>>> {
        self.cascading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TableName, Arc<ReadyTable>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A column at the destination: its name, what the server says of it beside its type, and its type without parameters.
type ActualColumn = (String, String, String);

async fn read(session: &mut Session, table: &Arc<Table>, create: bool) -> Result<ReadyTable> {
    let mut actual = columns(session, &table.name).await?;
    if actual.is_empty() {
        if !create {
            return Err(Error::definite("the table does not exist at the destination")
                .remedy("create it, or set destination.create_tables = true"));
        }
        session.run(format!("CREATE DATABASE IF NOT EXISTS {}", quote_name(&table.name.database))).await?;
        let statement = ddl::create_statement(table, session.server);
        match session.run_raw(statement).await {
            Ok(_) => tracing::info!(table = %table.name, "created the table, which the log has rows for"),
            // Another worker was first.
            Err(error) if code(&error) == Some(1050) => {}
            Err(error) => return Err(ddl_refused(error)),
        }
        actual = columns(session, &table.name).await?;
    }
    let unique = unique_keys(session, &table.name).await?;
    ready(table, &actual, &unique)
}

fn ready(table: &Arc<Table>, actual: &[ActualColumn], unique: &[UniqueKey]) -> Result<ReadyTable> {
    let (mut writable, mut documents, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for column in &table.columns {
        let found = actual.iter().find(|(name, ..)| name.to_lowercase() == column.name.to_lowercase());
        if found.is_none() && column.is_hidden() {
            writable.push(false);
            documents.push(false);
            texts.push(false);
            continue;
        }
        let (_, extra, data_type) = found.ok_or_else(|| {
            Error::definite(format!("the table at the destination has no column {}", column.name))
                .remedy("make its columns equal to those the source's table had at this place, or drop it")
        })?;
        // `DEFAULT_GENERATED` says that the default is an expression: such a column is written.
        let computed = extra.split_whitespace().any(|word| word.eq_ignore_ascii_case("GENERATED"));
        writable.push(!computed);
        let data_type = data_type.to_ascii_lowercase();
        documents.push(data_type == "json");
        texts.push(data_type.ends_with("char") || data_type.ends_with("text"));
    }
    let key = table.key().map(<[u16]>::to_vec);
    let columns: Vec<_> = table.columns.iter().map(|column| quote_name(&column.name)).collect();
    let name = format!("{}.{}", quote_name(&table.name.database), quote_name(&table.name.table));
    let written =
        columns.iter().zip(&writable).filter(|(_, writable)| **writable).map(|(column, _)| column.as_str());
    let written: Vec<_> = written.collect();
    let keys = key.as_deref().map(|key| keys_there(table, key, unique)).transpose()?;
    // ON DUPLICATE KEY UPDATE changes the row that the first of several unique keys finds: which one that is, is certain
    // only for the primary key and a row that is there.
    let (write, rewrite) = match keys {
        None => (WriteForm::Insert, WriteForm::Insert),
        Some(KeysThere { others: false, .. }) => (WriteForm::Update, WriteForm::Update),
        Some(KeysThere { primary: true, .. }) => (WriteForm::Replace, WriteForm::Update),
        Some(_) => (WriteForm::Replace, WriteForm::Replace),
    };
    let sets: Vec<_> = written.iter().map(|column| format!("{column}=VALUES({column})")).collect();
    let key_names: Vec<_> =
        key.iter().flatten().filter_map(|ordinal| columns.get(usize::from(*ordinal))).cloned().collect();
    let key_columns = match key_names.as_slice() {
        [single] => single.clone(),
        several => format!("({})", several.join(",")),
    };
    Ok(ReadyTable {
        into: format!(" INTO {name} ({}) VALUES ", written.join(",")),
        on_duplicate: format!(" ON DUPLICATE KEY UPDATE {}", sets.join(",")),
        table: Arc::clone(table),
        name,
        columns,
        writable,
        documents,
        texts,
        key,
        key_columns,
        cascades: false,
        may_be_lenient: table.columns.iter().any(|column| matches!(column.column_type, ColumnType::Enum(_))),
        other_unique_keys: keys.is_some_and(|keys| keys.others),
        write,
        rewrite,
    })
}

/// What the destination has of the key that identifies a row.
#[derive(Clone, Copy)]
struct KeysThere {
    /// Whether it is the primary key there.
    primary: bool,
    /// Whether there are other unique keys.
    others: bool,
}

/// Looks for the key that identifies a row, which has to be there.
fn keys_there(table: &Table, key: &[u16], unique: &[UniqueKey]) -> Result<KeysThere> {
    let mut wanted: Vec<_> = key
        .iter()
        .filter_map(|ordinal| table.columns.get(usize::from(*ordinal)))
        .map(|column| column.name.to_lowercase())
        .collect();
    wanted.sort_unstable();
    let same: Vec<_> = unique.iter().filter(|(_, names)| *names == wanted).collect();
    if same.is_empty() {
        return Err(Error::definite(format!(
            "the table at the destination has no unique key on ({})",
            wanted.join(", ")
        ))
        .remedy("add the key of the source's table: without it a row is not found and is written twice"));
    }
    let primary = same.iter().any(|(name, _)| name.eq_ignore_ascii_case("PRIMARY"));
    Ok(KeysThere { primary, others: unique.len() > same.len() })
}

/// The name of a unique key, and its columns.
type UniqueKey = (String, Vec<String>);

/// The columns of a table; empty when there is no such table.
pub(super) async fn columns(session: &mut Session, table: &TableName) -> Result<Vec<ActualColumn>> {
    let mut sql =
        b"SELECT COLUMN_NAME, EXTRA, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "
            .to_vec();
    quoted(&mut sql, &table.database);
    sql.extend_from_slice(b" AND TABLE_NAME = ");
    quoted(&mut sql, &table.table);
    sql.extend_from_slice(b" ORDER BY ORDINAL_POSITION");
    session.rows(sql).await
}

/// The columns of each unique key, in lower case and sorted; a part that is a prefix or an expression is marked.
async fn unique_keys(session: &mut Session, table: &TableName) -> Result<Vec<UniqueKey>> {
    let mut sql = b"SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA = ".to_vec();
    quoted(&mut sql, &table.database);
    sql.extend_from_slice(b" AND TABLE_NAME = ");
    quoted(&mut sql, &table.table);
    sql.extend_from_slice(b" ORDER BY INDEX_NAME, SEQ_IN_INDEX");
    let parts: Vec<(String, Option<String>, Option<u64>)> = session.rows(sql).await?;
    let mut keys: Vec<UniqueKey> = Vec::new();
    for (index, column, prefix) in parts {
        let part = match (column, prefix) {
            (Some(column), None) => column.to_lowercase(),
            (column, _) => format!("({})", column.unwrap_or_default()),
        };
        match keys.last_mut() {
            Some((last, columns)) if *last == index => columns.push(part),
            _ => keys.push((index, vec![part])),
        }
    }
    keys.iter_mut().for_each(|(_, columns)| columns.sort_unstable());
    Ok(keys)
}
