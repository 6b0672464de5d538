//! The SELECTs that read a table.

use std::fmt::Write as _;

use slackwater_decoders::schema::{Column, ColumnType, Table};

use super::bound::Place;
use crate::sources::mysql::{
    catalog::{has_doubtful_members, identifier, qualified},
    connection::Version,
};

/// `SELECT <all columns> FROM <table>`, in the order of the definition and by name: columns that `*` leaves out are among them
/// (invisible ones, the period of MariaDB's system-versioned tables, of which the current rows are read).
pub(in crate::sources::mysql) fn all_rows(table: &Table, version: &Version) -> String {
    let mut statement = "SELECT ".to_owned();
    // Rows that are read once are not worth a place in the query cache, which newer servers do not have.
    if version.mariadb || !version.is_mysql(8, 0, 0) {
        statement += "SQL_NO_CACHE ";
    }
    let columns: Vec<String> = table.columns.iter().map(expression).collect();
    statement += &columns.join(", ");
    let _ = write!(statement, " FROM {}", qualified(&table.name));
    statement
}

/// What is selected for a column: see [`slackwater_decoders::mysql::resultset`].
fn expression(column: &Column) -> String {
    let name = identifier(&column.name);
    match column.column_type {
        ColumnType::Enum(_) | ColumnType::Set(_) if has_doubtful_members(column) => {
            format!("CONCAT({}, ':', CONVERT({name} USING utf8mb4))", number(column))
        }
        ColumnType::Enum(_) | ColumnType::Set(_) => number(column),
        _ => name,
    }
}

/// An ENUM or SET as a number.
fn number(column: &Column) -> String {
    format!("CAST({} AS UNSIGNED)", identifier(&column.name))
}

/// Bounded SELECTs in the order of a key.
pub(in crate::sources::mysql) struct KeyQuery {
    all_rows: String,
    hint: String,
    /// The key's columns as they are compared.
    compared: Vec<String>,
    order: String,
    /// Whether the server compares lists of keys as it compares the columns one by one.
    is_listed: bool,
}

impl KeyQuery {
    /// For the key of a table, which has to have one.
    pub(in crate::sources::mysql) fn new(table: &Table, key: &[u16], version: &Version) -> Self {
        let columns = || key.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
        let names: Vec<String> = columns().map(|column| identifier(&column.name)).collect();
        // A SET is compared as a number; in its own form it would be as a DOUBLE, which has not enough digits for 64 members.
        let compared = columns().map(|column| match column.column_type {
            ColumnType::Set(_) => number(column),
            _ => identifier(&column.name),
        });
        KeyQuery {
            all_rows: all_rows(table, version),
            hint: hint(table, key),
            compared: compared.collect(),
            order: names.join(", "),
            is_listed: key.len() == 1 || columns().all(compares_in_lists),
        }
    }

    /// The SELECT of the next `rows` rows behind a place, up to and with another.
    pub(in crate::sources::mysql) fn statement(
        &self,
        after: Option<&Place>,
        to: Option<&Place>,
        rows: u64,
    ) -> String {
        let mut statement = format!("{}{}", self.all_rows, self.hint);
        let bounds = [after.map(|place| (place, [">", ">"])), to.map(|place| (place, ["<", "<="]))];
        for (number, (place, signs)) in bounds.into_iter().flatten().enumerate() {
            statement += if number == 0 { " WHERE (" } else { " AND (" };
            self.write_condition(&place.0, signs, &mut statement);
            statement.push(')');
        }
        let _ = write!(statement, " ORDER BY {} LIMIT {rows}", self.order);
        statement
    }

    /// The SELECT of the rows with any of these keys.
    pub(in crate::sources::mysql) fn lookup(&self, keys: &[Place]) -> String {
        let mut statement = format!("{}{} WHERE ", self.all_rows, self.hint);
        let columns = self.compared.join(", ");
        if self.is_listed {
            let _ = write!(statement, "({columns}) IN (");
            for (place, Place(literals)) in keys.iter().enumerate() {
                let comma = if place > 0 { ", " } else { "" };
                let _ = write!(statement, "{comma}({})", literals.join(", "));
            }
            statement.push(')');
            return statement;
        }
        for (place, Place(literals)) in keys.iter().enumerate() {
            statement += if place > 0 { " OR (" } else { "(" };
            for (place, (column, literal)) in self.compared.iter().zip(literals).enumerate() {
                let and = if place > 0 { " AND " } else { "" };
                let _ = write!(statement, "{and}{column} = {literal}");
            }
            statement.push(')');
        }
        statement
    }

    /// `a > 1 OR (a = 1 AND b > 2)`: `(a, b) > (1, 2)` in the form for which servers use the index. `signs` are those of a column before
    /// the last one, and of the last one.
    fn write_condition(&self, literals: &[String], signs: [&str; 2], statement: &mut String) {
        let columns = self.compared.len().min(literals.len());
        for last in 0..columns {
            statement.push_str(if last == 0 { "(" } else { " OR (" });
            for (place, (column, literal)) in self.compared.iter().zip(literals).take(last + 1).enumerate() {
                let [inner, outer] = signs;
                let sign = if last + 1 == columns { outer } else { inner };
                let comparison = if place == last { sign } else { "=" };
                let and = if place > 0 { " AND " } else { "" };
                let _ = write!(statement, "{and}{column} {comparison} {literal}");
            }
            statement.push(')');
        }
    }
}

/// Whether a list of several columns compares this one by its type. (Moments, for one, are compared as text there.)
fn compares_in_lists(column: &Column) -> bool {
    matches!(
        column.column_type,
        ColumnType::Integer { .. }
            | ColumnType::Decimal { .. }
            | ColumnType::Char(_)
            | ColumnType::VarChar(_)
            | ColumnType::Binary(_)
            | ColumnType::VarBinary(_)
    )
}

/// Names the key's index: where its columns have few values, or the table is small, the server might sort the table instead, each
/// time.
fn hint(table: &Table, key: &[u16]) -> String {
    let name = if table.primary_key == key {
        Some("PRIMARY")
    } else {
        let unique = table.unique_keys.iter().find(|unique| unique.columns == key && !unique.partial);
        unique.map(|unique| unique.name.as_str())
    };
    name.map_or_else(String::new, |name| format!(" FORCE INDEX ({})", identifier(name)))
}

#[cfg(test)]
mod tests {
    use slackwater_decoders::schema::TableName;

    use super::*;

    #[test]
    fn a_query_goes_on_behind_a_row() {
        let set = ColumnType::Set(vec!["x".to_owned()]);
        let column = |name: &str, column_type| Column::new(name, column_type);
        let table = Table {
            name: TableName::new("shop", "t`t"),
            columns: vec![column("a", ColumnType::Date), column("b`", ColumnType::Float), column("s", set)],
            primary_key: vec![2, 0, 1],
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        };
        let version = Version { text: String::new(), numbers: (8, 4, 0), mariadb: false };
        let query = KeyQuery::new(&table, &table.primary_key, &version);
        let start = "SELECT `a`, `b```, CAST(`s` AS UNSIGNED) FROM `shop`.`t``t` FORCE INDEX (`PRIMARY`)";
        let end = "ORDER BY `s`, `a`, `b``` LIMIT 10";
        assert_eq!(query.statement(None, None, 10), format!("{start} {end}"));
        let after = Place(["1", "'2024-01-01'", "5e-1"].map(str::to_owned).to_vec());
        let condition = "(CAST(`s` AS UNSIGNED) > 1) OR (CAST(`s` AS UNSIGNED) = 1 AND `a` > '2024-01-01') \
                         OR (CAST(`s` AS UNSIGNED) = 1 AND `a` = '2024-01-01' AND `b``` > 5e-1)";
        assert_eq!(query.statement(Some(&after), None, 10), format!("{start} WHERE ({condition}) {end}"));
    }
}
