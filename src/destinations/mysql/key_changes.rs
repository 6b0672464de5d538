//! Changes of keys that meet what the copy has made of them.
//!
//! After a copy, keys are created as the source has them then. The log of the time before it brings their changes again: a key
//! to be added is there, one to be dropped is not. And while rows are of different times, a unique key may not be possible yet.
//! What is missing in the end is created when the destination is consistent.

use slackwater_decoders::{
    event::{Ddl, Language},
    mysql::ddl::{
        Context, Statement, parse,
        statement::{AlterAction, KeyDefinition, KeyKind, KeyPart},
    },
    schema::Table,
};

use super::{
    ddl::{as_logged, qualified},
    definition::alter_statement,
    session::{Session, code, ddl_refused},
};
use crate::{error::Result, types::mysql::quote_name};

/// ER_DUP_KEYNAME, ER_FK_DUP_NAME.
const THERE: [u16; 2] = [1061, 1826];
/// ER_CANT_DROP_FIELD_OR_KEY, ER_KEY_DOES_NOT_EXITS.
const NOT_THERE: [u16; 2] = [1091, 1176];
/// ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME.
const TWICE: [u16; 2] = [1062, 1586];

/// Whether a statement was refused because of what keys, or the rows in them, are already.
pub(super) fn is_about_keys(error: &mysql_async::Error) -> bool {
    code(error).is_some_and(|code| [THERE, NOT_THERE, TWICE].as_flattened().contains(&code))
}

/// Changes a table one part after the other: its columns and its primary key, then each other key, which may be there or gone
/// already. Keys are changed in the source's own words, which say all of them: prefixes, expressions, orders, options. `converging`:
/// rows of different times may keep a unique key from being added.
///
/// # Errors
/// What the server refuses for another reason.
pub(super) async fn alter_in_parts(
    session: &mut Session,
    ddl: &Ddl<'_>,
    (before, after): (&Table, &Table),
    columns_from: &[Option<u16>],
    converging: bool,
) -> Result<()> {
    let said = Said::of(ddl, session.server.mariadb);
    let mut parts = Parts { session, ddl, table: before };
    let there_or_twice = [THERE, TWICE].as_flattened();
    let tolerated: &[u16] = if converging { there_or_twice } else { &THERE };
    if let Said::OneKey = said {
        return parts.run(ddl.statement, [tolerated, &NOT_THERE].concat().as_slice()).await;
    }
    let KeyChanges { dropped, renamed, added } = KeyChanges::of(said, before, after);
    for name in &dropped {
        parts.change(&format!("DROP KEY {}", quote_name(name)), &NOT_THERE).await?;
    }
    let without_keys = |table: &Table| Table { unique_keys: Vec::new(), ..table.clone() };
    let (from, to) = (without_keys(before), without_keys(after));
    if let Some(statement) = alter_statement(&from, &to, columns_from, parts.session.server) {
        parts.session.run_raw(statement).await.map_err(ddl_refused)?;
    }
    for (from, to) in &renamed {
        let rename = format!("RENAME KEY {} TO {}", quote_name(from), quote_name(to));
        parts.change(&rename, [THERE, NOT_THERE].as_flattened()).await?;
    }
    for key in &added {
        parts.add(key, tolerated).await?;
    }
    Ok(())
}

/// The parts of a change of one table.
struct Parts<'a> {
    session: &'a mut Session,
    ddl: &'a Ddl<'a>,
    table: &'a Table,
}

impl Parts<'_> {
    /// Changes one key of the table.
    async fn change(&mut self, change: &str, tolerated: &[u16]) -> Result<()> {
        let statement = format!("ALTER TABLE {} {change}", qualified(&self.table.name));
        self.run(&statement, tolerated).await
    }

    /// Runs a statement about one key, unless it is refused with one of the codes that say that nothing is to be done.
    async fn run(&mut self, statement: &str, tolerated: &[u16]) -> Result<()> {
        let table = &self.table.name;
        match as_logged(self.session, self.ddl, statement).await? {
            Ok(_) => Ok(()),
            Err(error) if code(&error).is_some_and(|code| tolerated.contains(&code)) => {
                let reason = ddl_refused(error);
                tracing::info!(%table, statement, %reason, "the key is changed already, or will be");
                Ok(())
            }
            Err(error) => Err(ddl_refused(error).on(table)),
        }
    }

    async fn add(&mut self, key: &Added, tolerated: &[u16]) -> Result<()> {
        let mut outcome = Ok(());
        for definition in &key.definitions {
            outcome = self.change(&format!("ADD {definition}"), tolerated).await;
            if outcome.as_ref().err().is_none_or(|error| error.is_transient()) {
                break;
            }
        }
        match outcome {
            Err(error) if !key.identifies_rows && !error.is_transient() => {
                tracing::warn!(table = %self.table.name, key = key.name, %error, "the key is not added");
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// What the source's statement says of keys.
enum Said {
    /// It does nothing but create or drop one index.
    OneKey,
    /// It is an ALTER TABLE of these actions.
    Actions(Vec<AlterAction>),
    /// It does not fit the destination's table, or is not understood.
    Nothing,
}

impl Said {
    /// Read as the destination reads it, which has understood the statement as a whole or not at all; then as the other dialect.
    fn of(ddl: &Ddl<'_>, mariadb: bool) -> Said {
        let Language::Mysql { sql_mode } = ddl.language else { return Said::Nothing };
        let read = |mariadb| {
            let context = Context { mariadb, ..Context::mysql().with_sql_mode(sql_mode) };
            parse(ddl.statement, &context)
        };
        match read(mariadb).or_else(|_| read(!mariadb)) {
            Ok(Statement::AlterTable(alter)) => Said::Actions(alter.actions),
            Ok(Statement::CreateIndex { .. } | Statement::DropIndex { .. }) => Said::OneKey,
            _ => Said::Nothing,
        }
    }
}

/// What happens to the keys of a table beside the primary one.
#[derive(Debug, Default, PartialEq)]
struct KeyChanges {
    dropped: Vec<String>,
    renamed: Vec<(String, String)>,
    added: Vec<Added>,
}

/// A key to be added.
#[derive(Debug, PartialEq)]
struct Added {
    name: String,
    /// What may stand behind ADD, the best first.
    definitions: Vec<String>,
    /// Whether changes of rows may depend on it.
    identifies_rows: bool,
}

impl KeyChanges {
    fn of(said: Said, before: &Table, after: &Table) -> KeyChanges {
        let (old, new) = (keys(before), keys(after));
        let Said::Actions(actions) = said else {
            // The definitions say neither prefixes nor expressions, and a key without them is another one.
            let gone = old.iter().filter(|key| !new.contains(key));
            let added = new.iter().filter(|key| !old.contains(key)).filter_map(Added::by_columns);
            return KeyChanges {
                dropped: gone.map(|key| key.name.to_owned()).collect(),
                renamed: Vec::new(),
                added: added.collect(),
            };
        };
        let mut changes = KeyChanges::default();
        let mut definitions = Vec::new();
        for action in actions {
            match action {
                AlterAction::DropKey { name, .. } | AlterAction::DropConstraint { name }
                    if old.iter().any(|key| is_same(key.name, &name)) =>
                {
                    changes.dropped.push(name);
                }
                AlterAction::RenameKey { from, to, .. } => changes.renamed.push((from, to)),
                AlterAction::AddKey { key, .. } => definitions.push(key),
                _ => {}
            }
        }
        // A key of a column that is renamed or dropped stays with what is left of it, without being said.
        let stays = |name: &str| {
            let dropped = changes.dropped.iter().any(|dropped| is_same(dropped, name));
            let renamed_to = changes.renamed.iter().any(|(_, to)| is_same(to, name));
            renamed_to || !dropped && old.iter().any(|key| is_same(key.name, name))
        };
        let mut unsaid: Vec<_> = new.into_iter().filter(|key| !stays(key.name)).collect();
        for definition in &definitions {
            changes.added.extend(Added::by_definition(definition, &mut unsaid, &definitions));
        }
        // Those that are said with a column.
        changes.added.extend(unsaid.iter().filter_map(Added::by_columns));
        changes
    }
}

impl Added {
    /// As the source's statement defines it. `unsaid`: the new keys that no definition was found for yet, of which one goes.
    fn by_definition(
        definition: &KeyDefinition,
        unsaid: &mut Vec<Key<'_>>,
        all: &[KeyDefinition],
    ) -> Option<Added> {
        let text = definition.text.as_ref()?;
        match definition.kind {
            KeyKind::Primary | KeyKind::Period => return None,
            KeyKind::Foreign => {
                let name = definition.name.clone()?;
                let definitions =
                    vec![format!("CONSTRAINT {} {} {}", quote_name(&name), text.kind, text.rest)];
                return Some(Added { name, definitions, identifies_rows: false });
            }
            KeyKind::Unique | KeyKind::Plain => {}
        }
        let is_it = |key: &Key<'_>| match &definition.name {
            Some(name) => is_same(key.name, name),
            None => {
                let is_named =
                    |other: &KeyDefinition| other.name.as_ref().is_some_and(|name| is_same(name, key.name));
                key.is_unique == (definition.kind == KeyKind::Unique)
                    && key.is_over(&definition.parts)
                    && !all.iter().any(is_named)
            }
        };
        // One that is not new is there already, and IF NOT EXISTS was said.
        let key = unsaid.remove(unsaid.iter().position(is_it)?);
        let said = format!("{} {} {}", text.kind, quote_name(key.name), text.rest);
        let by_columns = Added::by_columns(&key).map(|added| added.definitions).unwrap_or_default();
        Some(Added {
            name: key.name.to_owned(),
            definitions: [vec![said], by_columns].concat(),
            identifies_rows: key.is_unique && !key.is_partial,
        })
    }

    /// Over whole columns, as only a key that identifies rows is known to be.
    fn by_columns(key: &Key<'_>) -> Option<Added> {
        if !key.is_unique || key.is_partial {
            return None;
        }
        let columns: Vec<_> = key.columns.iter().map(|name| quote_name(name)).collect();
        let definition = format!("UNIQUE KEY {} ({})", quote_name(key.name), columns.join(","));
        Some(Added { name: key.name.to_owned(), definitions: vec![definition], identifies_rows: true })
    }
}

/// Names of keys compare without regard to case.
fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A key that is not the primary one, by names.
#[derive(PartialEq)]
struct Key<'a> {
    name: &'a str,
    columns: Vec<&'a str>,
    is_unique: bool,
    is_partial: bool,
}

impl Key<'_> {
    /// Whether it is over the columns of these parts.
    fn is_over(&self, parts: &[KeyPart]) -> bool {
        let columns = parts.iter().filter_map(|part| match part {
            KeyPart::Column { name, .. } => Some(name.to_lowercase()),
            KeyPart::Expression | KeyPart::Period(_) => None,
        });
        columns.eq(self.columns.iter().map(|name| name.to_lowercase()))
    }
}

fn keys(table: &Table) -> Vec<Key<'_>> {
    let columns = |ordinals: &[u16]| -> Vec<&str> {
        let column = |ordinal: &u16| table.columns.get(usize::from(*ordinal));
        ordinals.iter().filter_map(column).map(|column| column.name.as_str()).collect()
    };
    let unique = table.unique_keys.iter().map(|key| Key {
        name: &key.name,
        columns: columns(&key.columns),
        is_unique: true,
        is_partial: key.partial,
    });
    let others = table.indexes.iter().filter(|index| !index.implied).map(|index| Key {
        name: &index.name,
        columns: columns(&index.columns),
        is_unique: false,
        is_partial: false,
    });
    unique.chain(others).collect()
}
