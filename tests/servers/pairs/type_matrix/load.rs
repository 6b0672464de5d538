//! What happens to a table of the matrix: inserts, updates of each column alone, changes of keys, deletes.

use std::fmt::Write as _;

use anyhow::Result;
use slackwater_testkit::{mysql::Conn, run_statements};

use super::tables::{Column, Table};

/// Creates the table under that name, with a key or without.
pub(crate) fn create(connection: &mut Conn, name: &str, table: &Table, keyed: bool) -> Result<()> {
    let mut sql = format!("CREATE TABLE shop.`{name}` (id INT NOT NULL");
    for Column { name, declaration, .. } in &table.columns {
        let _ = write!(sql, ", `{}` {declaration}", name.replace('`', "``"));
    }
    sql += if keyed { ", PRIMARY KEY (id)" } else { "" };
    sql += table.keys;
    sql += ") ENGINE=InnoDB";
    run_statements(connection, &sql)
}

/// Changes its rows so that every value is inserted, is written by an update of its column alone, and is deleted.
pub(crate) fn change(connection: &mut Conn, name: &str, table: &Table) -> Result<()> {
    let written: Vec<&Column> = table.columns.iter().filter(|column| !column.values.is_empty()).collect();
    let rows = written.iter().map(|column| column.values.len()).max().unwrap_or(1);
    let value = |column: &Column, row: usize| {
        column.values.get(row % column.values.len()).cloned().unwrap_or_default()
    };
    let names: Vec<String> =
        written.iter().map(|column| format!("`{}`", column.name.replace('`', "``"))).collect();
    let target = format!("shop.`{name}`");
    let mut sql = "BEGIN;".to_owned();
    // Twice: the second half is changed below, the first stays as it is.
    for id in 0..2 * rows {
        let values: Vec<String> = written.iter().map(|column| value(column, id)).collect();
        let _ = write!(
            sql,
            "INSERT INTO {target} (id, {}) VALUES ({id}, {});",
            names.join(", "),
            values.join(", ")
        );
    }
    let _ = write!(sql, "INSERT INTO {target} (id) VALUES (1000), (1001); COMMIT;");
    for (number, (column, name)) in written.iter().zip(&names).enumerate() {
        sql += "BEGIN;";
        for step in 0..column.values.len() {
            let id = rows + (number + step) % rows;
            let _ = write!(sql, "UPDATE {target} SET {name} = {} WHERE id = {id};", value(column, step + 1));
        }
        let _ = write!(sql, "UPDATE {target} SET {name} = {} WHERE id = 1000; COMMIT;", value(column, 0));
    }
    let _ = write!(
        sql,
        "BEGIN; UPDATE {target} SET id = id + 10000 WHERE id % 5 = 1; UPDATE {target} SET id = id + 5 WHERE id = 1000; COMMIT;
         DELETE FROM {target} WHERE id >= {rows} AND id % 4 = 2"
    );
    run_statements(connection, &sql)
}
