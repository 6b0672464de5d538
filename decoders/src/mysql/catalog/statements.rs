//! Applying statements.

use std::sync::Arc;

use super::{
    Catalog, CatalogError, Collation,
    alter::{self, Altered},
    column::Surroundings,
    keys,
};
use crate::{
    event::SchemaChange,
    mysql::ddl::{
        Statement,
        statement::{
            AlterAction, AlterTable, Charset, CreateTable, KeyDefinition, KeyKind, ObjectName, Other,
        },
    },
    schema::{Table, TableName},
};

/// The session that a statement ran in.
#[derive(Clone, Copy)]
struct Session<'a> {
    database: &'a str,
    /// `collation_server`, or its character set.
    collation: Option<&'a str>,
}

type Changes = Result<Vec<SchemaChange>, CatalogError>;

impl Catalog {
    /// Does what a statement did, and says what that was. A statement that concerns no definition changes nothing; one
    /// that concerns a table that is not known here yields [`SchemaChange::Unknown`].
    ///
    /// `default_database` is what unqualified names refer to. `session_collation` is the session's `collation_server`, or its
    /// character set: the default of new databases, and of new tables in databases that are not known.
    ///
    /// # Errors
    ///
    /// When the statement does not fit the definition known. The catalog is unchanged then.
    pub fn apply(
        &mut self,
        statement: &Statement,
        default_database: &str,
        session_collation: Option<&str>,
    ) -> Result<Vec<SchemaChange>, CatalogError> {
        let session = Session { database: default_database, collation: session_collation };
        match statement {
            Statement::CreateTable(create) => self.create_table(create, session),
            Statement::AlterTable(statement) => self.alter_table(statement, session),
            Statement::DropTable { temporary: true, .. } => Ok(Vec::new()),
            Statement::DropTable { tables, .. } => Ok(self.drop_tables(tables, session)),
            Statement::RenameTable { pairs } => Ok(self.rename_tables(pairs, session)),
            Statement::CreateIndex { table, key, if_not_exists, or_replace } => {
                self.create_index(table, key, *if_not_exists, *or_replace, session)
            }
            Statement::DropIndex { table, name, if_exists } => {
                let action = AlterAction::DropKey { name: name.clone(), if_exists: *if_exists };
                self.alter_by(table, vec![action], format!("index {name}"), session)
            }
            Statement::CreateDatabase { name, if_not_exists, or_replace, charset } => {
                Ok(self.create_database(name, *if_not_exists, *or_replace, charset, session))
            }
            Statement::AlterDatabase { name, charset } => {
                Ok(self.alter_database(name.as_deref().unwrap_or(session.database), charset, session))
            }
            Statement::DropDatabase { name, .. } => {
                self.remove_database(name);
                Ok(vec![SchemaChange::DropDatabase { database: self.stored_database(name) }])
            }
            Statement::Other(other) => Ok(vec![self.other(other, session)]),
            _ => Ok(Vec::new()),
        }
    }

    fn other(&self, other: &Other, session: Session<'_>) -> SchemaChange {
        let description = match &other.object {
            Some(object) => format!("{} {}", other.description, self.stored(object, session.database)),
            None => other.description.clone(),
        };
        let table = other.table.as_ref().map(|table| self.stored(table, session.database));
        SchemaChange::Other { description, table }
    }

    fn session_collation(&self, session: Session<'_>) -> Option<Collation> {
        session.collation.and_then(|name| Collation::of_session(name, self.settings))
    }

    /// The default of a database's new tables.
    fn default_collation(&self, database: &str, session: Session<'_>) -> Option<Collation> {
        self.database(database).cloned().or_else(|| self.session_collation(session))
    }

    fn create_table(&mut self, create: &CreateTable, session: Session<'_>) -> Changes {
        let name = self.stored(&create.name, session.database);
        let known = self.get(&name).cloned();
        let mut changes = Vec::new();
        if let Some(table) = known {
            if create.if_not_exists {
                return Ok(vec![SchemaChange::CreateTable { table, if_not_exists: true }]);
            }
            if create.or_replace {
                changes.push(SchemaChange::DropTable { table: name.clone() });
            }
        }
        match self.created(create, &name, session)? {
            Some(table) => {
                let table = Arc::new(table);
                self.insert(table.clone());
                changes.push(SchemaChange::CreateTable { table, if_not_exists: create.if_not_exists });
            }
            None => changes.push(self.forget(&name, "CREATE TABLE from what is not known here")),
        }
        Ok(changes)
    }

    /// The definition of a new table; `None` when it depends on another table that is not known, or on a query.
    fn created(
        &self,
        create: &CreateTable,
        name: &TableName,
        session: Session<'_>,
    ) -> Result<Option<Table>, CatalogError> {
        if let Some(like) = &create.like {
            let like = self.get(&self.stored(like, session.database));
            return Ok(like.map(|like| Table { name: name.clone(), ..copied(like) }));
        }
        if create.as_select {
            return Ok(None);
        }
        let settings = self.settings;
        let wider = self.default_collation(&name.database, session);
        let collation = Collation::resolve(&create.charset, wider.as_ref(), settings);
        let surroundings = Surroundings { table: name, collation: collation.as_ref(), settings };
        let mut columns =
            create.columns.iter().map(|column| surroundings.column(column)).collect::<Result<Vec<_>, _>>()?;
        if create.system_versioning {
            let versions = alter::implicit_versions(columns.iter());
            columns.extend(versions);
        }
        if u16::try_from(columns.len()).is_err() {
            return Err(CatalogError::TooManyColumns { table: name.clone() });
        }
        let mut table = Table {
            name: name.clone(),
            columns,
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: collation.map(|collation| collation.name),
            named: true,
            number: None,
        };
        keys::add_all(&mut table, &create.keys)?;
        Ok(Some(table))
    }

    /// The definition of a table is not known from here on.
    fn forget(&mut self, name: &TableName, description: impl Into<String>) -> SchemaChange {
        self.remove(name);
        SchemaChange::Unknown { table: name.clone(), description: description.into() }
    }

    fn alter_table(&mut self, statement: &AlterTable, session: Session<'_>) -> Changes {
        let description = format!("ALTER TABLE {}", statement.name.name);
        self.alter_by(&statement.name, statement.actions.clone(), description, session)
    }

    fn alter_by(
        &mut self,
        name: &ObjectName,
        actions: Vec<AlterAction>,
        description: String,
        session: Session<'_>,
    ) -> Changes {
        let name = self.stored(name, session.database);
        let Some(before) = self.get(&name).cloned() else {
            return Ok(self.alter_unknown(&name, &actions, &description, session));
        };
        let database = self.default_collation(&name.database, session);
        let altered = alter::alter(&before, &actions, database.as_ref(), self.settings)?;
        let target = actions.iter().rev().find_map(|action| match action {
            AlterAction::Rename(to) => Some(self.stored(to, session.database)),
            _ => None,
        });
        let mut changes = self.unlogged(&name, &actions, Some(&before), session);
        changes.extend(self.replace(before, altered, target, description));
        Ok(changes)
    }

    /// Puts the altered definition in place of the one before.
    fn replace(
        &mut self,
        before: Arc<Table>,
        altered: Altered,
        target: Option<TableName>,
        description: String,
    ) -> Option<SchemaChange> {
        let Altered { mut table, columns_from } = altered;
        let from = before.name.clone();
        let same = table == *before;
        let to = target.unwrap_or_else(|| from.clone());
        table.name = to.clone();
        let after = Arc::new(table);
        self.remove(&from);
        self.insert(after.clone());
        Some(match (same, from == to) {
            (true, true) => SchemaChange::Other { description, table: Some(from) },
            (true, false) => SchemaChange::RenameTable { from, to },
            (false, _) => SchemaChange::AlterTable { before, after, columns_from },
        })
    }

    /// A table that is not known here stays so, unless nothing happens to its columns.
    fn alter_unknown(
        &mut self,
        name: &TableName,
        actions: &[AlterAction],
        description: &str,
        session: Session<'_>,
    ) -> Vec<SchemaChange> {
        let mut changes = self.unlogged(name, actions, None, session);
        let harmless = |action: &AlterAction| {
            matches!(action, AlterAction::Other(_) | AlterAction::Rows { .. } | AlterAction::Rename(_))
        };
        if !actions.iter().all(harmless) {
            changes.push(self.forget(name, description));
        }
        for action in actions {
            if let AlterAction::Rename(to) = action {
                let to = self.stored(to, session.database);
                self.remove(&to);
                changes.push(SchemaChange::RenameTable { from: name.clone(), to });
            }
        }
        if changes.is_empty() {
            let description = description.to_owned();
            changes.push(SchemaChange::Other { description, table: Some(name.clone()) });
        }
        changes
    }

    /// What happens to rows without being in the log.
    fn unlogged(
        &mut self,
        name: &TableName,
        actions: &[AlterAction],
        table: Option<&Table>,
        session: Session<'_>,
    ) -> Vec<SchemaChange> {
        let mut changes = Vec::new();
        for action in actions {
            let AlterAction::Rows { operation, partitions, other } = action else { continue };
            let description = format!("{operation} {}", partitions.join(", ")).trim_end().to_owned();
            changes
                .push(SchemaChange::RowsUnlogged { table: name.clone(), description: description.clone() });
            let Some(other) = other.as_ref().map(|other| self.stored(other, session.database)) else {
                continue;
            };
            match (operation.as_str(), table) {
                ("CONVERT TABLE", _) => {
                    self.remove(&other);
                    changes.push(SchemaChange::DropTable { table: other });
                }
                ("CONVERT PARTITION", Some(table)) => {
                    let table = Arc::new(Table { name: other.clone(), ..copied(table) });
                    self.insert(table.clone());
                    changes.push(SchemaChange::CreateTable { table, if_not_exists: false });
                    changes.push(SchemaChange::RowsUnlogged { table: other, description });
                }
                ("CONVERT PARTITION", None) => changes.push(self.forget(&other, description)),
                _ => changes.push(SchemaChange::RowsUnlogged { table: other, description }),
            }
        }
        changes
    }

    fn create_index(
        &mut self,
        table: &ObjectName,
        key: &KeyDefinition,
        if_not_exists: bool,
        or_replace: bool,
        session: Session<'_>,
    ) -> Changes {
        let name = key.name.clone().unwrap_or_default();
        let description = format!("index {name}");
        let stored = self.stored(table, session.database);
        if self.get(&stored).is_none() && key.kind == KeyKind::Plain {
            return Ok(vec![SchemaChange::Other { description, table: Some(stored) }]);
        }
        let mut actions = Vec::new();
        if or_replace {
            actions.push(AlterAction::DropKey { name, if_exists: true });
        }
        actions.push(AlterAction::AddKey { key: key.clone(), if_not_exists });
        self.alter_by(table, actions, description, session)
    }

    fn drop_tables(&mut self, tables: &[ObjectName], session: Session<'_>) -> Vec<SchemaChange> {
        let drop = |table: &ObjectName| {
            let table = self.stored(table, session.database);
            self.remove(&table);
            SchemaChange::DropTable { table }
        };
        tables.iter().map(drop).collect()
    }

    fn rename_tables(
        &mut self,
        pairs: &[(ObjectName, ObjectName)],
        session: Session<'_>,
    ) -> Vec<SchemaChange> {
        let rename = |(from, to): &(ObjectName, ObjectName)| {
            let (from, to) = (self.stored(from, session.database), self.stored(to, session.database));
            // Whatever had the new name and is not known to have gone is certainly not there any more.
            self.remove(&to);
            if let Some(table) = self.remove(&from) {
                self.insert(Arc::new(Table { name: to.clone(), ..Table::clone(&table) }));
            }
            SchemaChange::RenameTable { from, to }
        };
        pairs.iter().map(rename).collect()
    }

    fn create_database(
        &mut self,
        name: &str,
        if_not_exists: bool,
        or_replace: bool,
        charset: &Charset,
        session: Session<'_>,
    ) -> Vec<SchemaChange> {
        let database = self.stored_database(name);
        let mut changes = Vec::new();
        if or_replace {
            self.remove_database(name);
            changes.push(SchemaChange::DropDatabase { database: database.clone() });
        }
        let known = self.database(name).is_some();
        if !known || !if_not_exists {
            let wider = self.session_collation(session);
            if let Some(collation) = Collation::resolve(charset, wider.as_ref(), self.settings) {
                self.set_database(name, collation);
            }
        }
        changes.push(SchemaChange::CreateDatabase { database });
        changes
    }

    fn alter_database(&mut self, name: &str, charset: &Charset, session: Session<'_>) -> Vec<SchemaChange> {
        if charset.charset.is_some() || charset.collation.is_some() {
            let wider = self.session_collation(session);
            if let Some(collation) = Collation::resolve(charset, wider.as_ref(), self.settings) {
                self.set_database(name, collation);
            }
        }
        let description = format!("database {}", self.stored_database(name));
        vec![SchemaChange::Other { description, table: None }]
    }
}

/// A table like another: foreign keys are not copied, the indexes made for them are, as keys of their own right.
fn copied(table: &Table) -> Table {
    let mut copy = table.clone();
    copy.indexes.iter_mut().for_each(|index| index.implied = false);
    copy
}
