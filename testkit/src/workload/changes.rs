//! Data changes: one or a few statements inside a transaction.

use anyhow::Context;
use mysql::Conn;
use rand::RngExt;

use super::tables::{Column, TABLES, Table};
use super::values::{Kind, quoted};
use super::{Workload, first_text};
use crate::sql::{query_rows, run_statements};

/// A table is kept between these: never empty for long, and small enough to compare after every step.
const FEW_ROWS: u64 = 30;
const MANY_ROWS: u64 = 800;

impl Workload {
    /// Runs one change against one table.
    pub(super) fn change(&mut self, conn: &mut Conn) -> anyhow::Result<()> {
        let passing = self.schema.as_ref().map(|schema| schema.passing.clone()).unwrap_or_default();
        if !passing.is_empty() && self.rng.random_ratio(1, 20) {
            let table = self.pick(&passing)?;
            let (id, line) = (self.next_serial(), self.literal(Kind::Text(80)));
            return run_statements(
                conn,
                &format!("INSERT INTO {}.{table} VALUES ({id}, {line})", self.database),
            );
        }
        let table = self.pick(TABLES)?;
        let count = self.count(conn, table)?;
        if count < FEW_ROWS {
            let statement = self.insert(table, 20)?;
            return run_statements(conn, &statement);
        }
        let sql = match self.rng.random_range(0..100) {
            0..20 => self.insert(table, 1)?,
            20..30 => {
                let rows = self.rng.random_range(2..60);
                self.insert(table, rows)?
            }
            30..60 => self.update(conn, table, count)?,
            60..64 => self.update_many(table)?,
            _ if count > MANY_ROWS => self.delete_many(table, count / 2),
            64..80 => self.delete(conn, table, count)?,
            80..83 => self.delete_many(table, 15),
            83..88 => self.replace(conn, table, count)?,
            88..94 => self.move_key(conn, table, count)?,
            94..97 => self.move_unique_value(conn)?,
            _ => self.pass_unique_values_on(conn)?,
        };
        run_statements(conn, &sql)
    }

    /// A multi-row INSERT. Rows of the table without a key come twice, and now and then three times.
    pub(super) fn insert(&mut self, table: &'static Table, rows: usize) -> anyhow::Result<String> {
        let mut values = Vec::new();
        for _ in 0..rows {
            let row = self.row(table)?;
            let copies = if table.key.is_empty() { self.rng.random_range(1..4) } else { 1 };
            values.extend((0..copies).map(|_| row.clone()));
        }
        Ok(format!("INSERT INTO {} VALUES {}", self.target(table), values.join(", ")))
    }

    /// The table and all its columns, those added by DDL too, but only half of the time: their default
    /// counts as well.
    fn target(&self, table: &Table) -> String {
        let mut columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        columns.extend(self.written_extras(table.name).map(|extra| extra.name.as_str()));
        format!("{}.{} ({})", self.database, table.name, columns.join(", "))
    }

    /// Every second added column, by the number in its name.
    fn written_extras(&self, table: &str) -> impl Iterator<Item = &super::tables::Extra> {
        let extras = self.schema.as_ref().map(|schema| schema.extras(table)).unwrap_or_default();
        extras.iter().filter(|extra| extra.name.ends_with(['0', '2', '4', '6', '8']))
    }

    /// The values of a new row, for the columns of [`Workload::target`].
    fn row(&mut self, table: &'static Table) -> anyhow::Result<String> {
        let mut values: Vec<String> = table.columns.iter().map(|column| self.value(column)).collect();
        let kinds: Vec<Kind> = self
            .written_extras(table.name)
            .map(|extra| Ok(extra.kind()?.1))
            .collect::<anyhow::Result<_>>()?;
        values.extend(kinds.into_iter().map(|kind| self.literal(kind)));
        Ok(format!("({})", values.join(", ")))
    }

    /// One row, one to three of its columns.
    fn update(&mut self, conn: &mut Conn, table: &'static Table, count: u64) -> anyhow::Result<String> {
        let columns: Vec<&Column> = table.plain_columns().collect();
        let mut assignments = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let column = *self.pick(&columns)?;
            assignments.push(format!("{} = {}", column.name, self.value(column)));
        }
        let extras =
            self.schema.as_ref().map(|schema| schema.extras(table.name).to_vec()).unwrap_or_default();
        if !extras.is_empty() {
            let extra = self.pick(&extras)?;
            assignments.push(format!("{} = {}", extra.name, self.literal(extra.kind()?.1)));
        }
        let place = self.one_row(conn, table, count)?;
        Ok(format!("UPDATE {}.{} SET {} WHERE {place}", self.database, table.name, assignments.join(", ")))
    }

    /// A column that is not unique, in the first rows by key.
    fn update_many(&mut self, table: &'static Table) -> anyhow::Result<String> {
        let unique = |kind| matches!(kind, Kind::Serial | Kind::SignedSerial | Kind::UniqueText);
        // A hall is half of a unique key.
        let columns: Vec<&Column> =
            table.plain_columns().filter(|column| !unique(column.kind) && column.name != "hall").collect();
        let column = *self.pick(&columns)?;
        let (value, rows) = (self.value(column), self.rng.random_range(2..30));
        let (database, order) = (&self.database, order(table));
        Ok(format!(
            "UPDATE {database}.{} SET {} = {value} ORDER BY {order} LIMIT {rows}",
            table.name, column.name
        ))
    }

    /// One row; of equal rows in the table without a key only one goes.
    fn delete(&mut self, conn: &mut Conn, table: &'static Table, count: u64) -> anyhow::Result<String> {
        let place = self.one_row(conn, table, count)?;
        Ok(format!("DELETE FROM {}.{} WHERE {place}", self.database, table.name))
    }

    fn delete_many(&mut self, table: &'static Table, rows: u64) -> String {
        let (database, order) = (&self.database, order(table));
        format!("DELETE FROM {database}.{} ORDER BY {order} LIMIT {rows}", table.name)
    }

    /// A row is replaced by another one with its key: the server logs a delete and an insert, or an update.
    fn replace(&mut self, conn: &mut Conn, table: &'static Table, count: u64) -> anyhow::Result<String> {
        if table.key.is_empty() {
            return self.insert(table, 2);
        }
        let key = self.random_key(conn, table, count)?;
        let values: Vec<String> = table
            .columns
            .iter()
            .map(|column| {
                let position = table.key.iter().position(|name| *name == column.name);
                position.and_then(|index| key.get(index).cloned()).unwrap_or_else(|| self.value(column))
            })
            .collect();
        let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        let (database, columns, values) = (&self.database, columns.join(", "), values.join(", "));
        Ok(if self.rng.random() {
            format!("REPLACE INTO {database}.{} ({columns}) VALUES ({values})", table.name)
        } else {
            let column = table.columns.last().context("a table has columns")?.name;
            format!(
                "INSERT INTO {database}.{} ({columns}) VALUES ({values}) ON DUPLICATE KEY UPDATE {column} = VALUES({column})",
                table.name
            )
        })
    }

    /// A row gets another primary key; a row without one changes one of several equal rows.
    fn move_key(&mut self, conn: &mut Conn, table: &'static Table, count: u64) -> anyhow::Result<String> {
        let Some(name) = table.key.last() else {
            return self.update(conn, table, count);
        };
        let column = table.columns.iter().find(|column| column.name == *name).context("a key is a column")?;
        let (place, value) = (self.one_row(conn, table, count)?, self.value(column));
        Ok(format!("UPDATE {}.{} SET {name} = {value} WHERE {place}", self.database, table.name))
    }

    /// A unique value goes from one row to another within the transaction: two rows swap theirs, or one
    /// takes it from a row that is deleted, or three pass theirs on.
    fn move_unique_value(&mut self, conn: &mut Conn) -> anyhow::Result<String> {
        let database = &self.database;
        let rows = query_rows(
            conn,
            &format!("SELECT id, place, hall FROM {database}.seats WHERE place IS NOT NULL ORDER BY id"),
        )?;
        let mut picked = Vec::new();
        for _ in 0..3 {
            let row = self.pick(&rows)?.clone();
            let mut texts = row.into_iter().flatten().map(String::from_utf8);
            let mut next = || anyhow::Ok(texts.next().context("no value")??);
            picked.push((next()?, next()?));
        }
        picked.sort();
        picked.dedup();
        let seats = format!("{}.seats", self.database);
        let set = |id: &str, place: &str| format!("UPDATE {seats} SET place = {place} WHERE id = {id}");
        Ok(match picked.as_slice() {
            [(a, place_a), (b, place_b), (c, place_c)] => {
                [set(a, "NULL"), set(c, place_a), set(b, place_c), set(a, place_b)].join("; ")
            }
            [(a, place_a), (b, place_b)] if self.rng.random() => {
                [set(a, "NULL"), set(b, place_a), set(a, place_b)].join("; ")
            }
            [(a, _), (b, place_b)] => {
                format!("DELETE FROM {seats} WHERE id = {b}; {}", set(a, place_b))
            }
            _ => format!("UPDATE {seats} SET guest = NULL WHERE place IS NULL"),
        })
    }

    /// Two to six rows pass their unique values on, the last one to the first: each row takes a value that another row of
    /// the table had when the transaction began.
    fn pass_unique_values_on(&mut self, conn: &mut Conn) -> anyhow::Result<String> {
        const UNIQUE: &[(&str, &str, Kind)] = &[
            ("accounts", "email", Kind::UniqueText),
            ("seats", "place", Kind::Serial),
            ("seats", "code", Kind::UniqueText),
        ];
        let (table, column, kind) = *self.pick(UNIQUE)?;
        let target = format!("{}.{table}", self.database);
        let rows = query_rows(
            conn,
            &format!("SELECT id, QUOTE({column}) FROM {target} WHERE {column} IS NOT NULL ORDER BY id"),
        )?;
        let mut picked = Vec::new();
        for _ in 0..self.rng.random_range(2..7) {
            let mut texts = self.pick(&rows)?.clone().into_iter().flatten().map(String::from_utf8);
            let mut next = || anyhow::Ok(texts.next().context("no value")??);
            picked.push((next()?, next()?));
        }
        picked.sort();
        picked.dedup();
        let set = |id: &str, value: &str| format!("UPDATE {target} SET {column} = {value} WHERE id = {id}");
        let ((first, _), (_, last)) = (picked.first().context("a row")?, picked.last().context("a row")?);
        // The first row steps aside, so that every value is free when it is taken.
        let mut statements = vec![set(first, &self.literal(kind))];
        statements
            .extend(picked.iter().zip(picked.iter().skip(1)).map(|((_, value), (id, _))| set(id, value)));
        statements.push(set(first, last));
        Ok(statements.join("; "))
    }

    /// A condition that one row meets.
    fn one_row(&mut self, conn: &mut Conn, table: &'static Table, count: u64) -> anyhow::Result<String> {
        if table.key.is_empty() {
            let sensor = self.literal(Kind::Few);
            return Ok(format!("sensor >= {sensor} ORDER BY {} LIMIT 1", order(table)));
        }
        let key = self.random_key(conn, table, count)?;
        let parts: Vec<_> =
            table.key.iter().zip(key).map(|(name, value)| format!("{name} = {value}")).collect();
        Ok(parts.join(" AND "))
    }

    /// The key of a random row, as literals.
    fn random_key(&mut self, conn: &mut Conn, table: &Table, count: u64) -> anyhow::Result<Vec<String>> {
        let key = table.key.join(", ");
        let row = self.rng.random_range(0..count.max(1));
        let rows = query_rows(
            conn,
            &format!(
                "SELECT {key} FROM {}.{} ORDER BY {key} LIMIT 1 OFFSET {row}",
                self.database, table.name
            ),
        )?;
        let row = rows.into_iter().next().with_context(|| format!("{} has no row", table.name))?;
        row.into_iter()
            .map(|value| Ok(quoted(&String::from_utf8(value.context("a key is not NULL")?)?)))
            .collect()
    }

    fn count(&self, conn: &mut Conn, table: &Table) -> anyhow::Result<u64> {
        let rows = query_rows(conn, &format!("SELECT COUNT(*) FROM {}.{}", self.database, table.name))?;
        Ok(first_text(rows.into_iter().next().context("no count")?)?.parse()?)
    }

    /// A value for the column; NULL now and then where the column takes it.
    fn value(&mut self, column: &Column) -> String {
        if !column.sql_type.contains("NOT NULL") && self.rng.random_ratio(1, 12) {
            return "NULL".into();
        }
        self.literal(column.kind)
    }

    pub(super) fn literal(&mut self, kind: Kind) -> String {
        let serial = self.next_serial();
        kind.literal(&mut self.rng, serial)
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> anyhow::Result<&'a T> {
        from.get(self.rng.random_range(0..from.len().max(1))).context("nothing to pick from")
    }
}

/// An order in which equal positions are equal rows, so that LIMIT means the same everywhere.
fn order(table: &Table) -> String {
    if !table.key.is_empty() {
        return table.key.join(", ");
    }
    let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    columns.join(", ")
}
