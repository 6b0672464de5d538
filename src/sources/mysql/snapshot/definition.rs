//! The definition of one table, read again and again to see whether it changed.

use std::sync::Arc;

use slackwater_decoders::{
    mysql::catalog::Catalog,
    schema::{Table, TableName},
};

use crate::{
    error::{Error, Result},
    sources::mysql::{catalog, connection::Connection, response::ServerError},
};

/// What a server says to a statement whose table became another one after it was looked at: ER_BAD_DB_ERROR, ER_BAD_FIELD_ERROR,
/// ER_NO_SUCH_TABLE, ER_KEY_DOES_NOT_EXITS, ER_TABLE_DEF_CHANGED (the snapshot is older than the table: TRUNCATE makes a
/// table anew as well).
const CHANGED: [u16; 5] = [1049, 1054, 1146, 1176, 1412];

/// Whether an error tells by itself that the table was changed. That its definition is the old one (again) does not matter: it may
/// have been truncated, put in the place of another one, or altered twice.
pub(in crate::sources::mysql) fn tells_change(error: &Error) -> bool {
    error.cause_as::<ServerError>().is_some_and(|error| CHANGED.contains(&error.code))
}

/// A definition at some time.
#[derive(Clone, Debug)]
pub(in crate::sources::mysql) struct Definition {
    pub(in crate::sources::mysql) table: Arc<Table>,
    /// The server's CREATE TABLE without the next automatic number, which every insert changes.
    statement: String,
}

/// How the definition of a table is read.
pub(in crate::sources::mysql) struct Definitions {
    name: TableName,
    /// With the settings of the server and the defaults of its databases, without tables.
    empty: Arc<Catalog>,
}

impl Definitions {
    /// For the table of that name on the server of the catalog `empty`, which has no tables.
    pub(in crate::sources::mysql) fn new(name: &TableName, empty: Arc<Catalog>) -> Self {
        Definitions { name: name.clone(), empty }
    }

    /// The table's name.
    pub(in crate::sources::mysql) fn name(&self) -> &TableName {
        &self.name
    }

    /// The definition now; `None`: there is no such table.
    ///
    /// # Errors
    /// Definite when it is not understood; else the server's error, or a lost connection.
    pub(in crate::sources::mysql) async fn read(
        &self,
        connection: &mut Connection,
    ) -> Result<Option<Definition>> {
        let Some(statement) = catalog::create_statement(connection, &self.name).await? else {
            return Ok(None);
        };
        let mut catalog = Catalog::clone(&self.empty);
        catalog::define(&mut catalog, &statement, &self.name)?;
        // What has become a view is no table any more.
        let table = catalog.get(&self.name).map(Arc::clone);
        Ok(table.map(|table| Definition { table, statement: without_next_number(&statement) }))
    }

    /// Whether the definition is still that one.
    ///
    /// # Errors
    /// The server's error, or a lost connection.
    pub(in crate::sources::mysql) async fn is_still(
        &self,
        definition: &Definition,
        connection: &mut Connection,
    ) -> Result<bool> {
        let statement = catalog::create_statement(connection, &self.name).await?;
        Ok(statement.is_some_and(|now| without_next_number(&now) == definition.statement))
    }
}

/// The statement without `AUTO_INCREMENT=n`.
fn without_next_number(statement: &str) -> String {
    const OPTION: &str = " AUTO_INCREMENT=";
    let mut text = String::with_capacity(statement.len());
    let mut parts = statement.split(OPTION);
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push_str(part.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_is_no_part_of_a_definition() {
        let statement = |next: &str| {
            format!("CREATE TABLE `t` (`id` int AUTO_INCREMENT) ENGINE=InnoDB{next} COMMENT='c'")
        };
        assert_eq!(without_next_number(&statement(" AUTO_INCREMENT=1042")), statement(""));
        assert_eq!(without_next_number(&statement("")), statement(""));
    }
}
