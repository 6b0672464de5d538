//! Data changes: one or a few statements inside a transaction.

use anyhow::Context;
use postgres::Client;
use rand::RngExt;

use super::tables::{Column, Extra, JOURNAL, Table};
use super::values::{Kind, quoted};
use super::{PostgresWorkload, first_text};
use crate::{query_postgres, run_postgres};

/// A table is kept between these: never empty for long, and small enough to compare after every step.
const FEW_ROWS: u64 = 30;
const MANY_ROWS: u64 = 800;

impl PostgresWorkload {
    /// Runs one change against one table.
    pub(super) fn change(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let passing = self.catalog.as_ref().map(|catalog| catalog.passing.clone()).unwrap_or_default();
        if !passing.is_empty() && self.rng.random_ratio(1, 20) {
            let table = self.pick(&passing)?;
            let (id, line) = (self.next_serial(), self.literal(Kind::Text(80)));
            return run_postgres(
                client,
                &format!("INSERT INTO {}.{table} VALUES ({id}, {line})", self.schema),
            );
        }
        let tables = self.all_tables();
        let table = *self.pick(&tables)?;
        let count = self.count(client, table)?;
        if count < FEW_ROWS {
            let statement = self.insert(table, 20)?;
            return run_postgres(client, &statement);
        }
        let sql = match self.rng.random_range(0..100) {
            0..20 => self.insert(table, 1)?,
            20..28 => {
                let rows = self.rng.random_range(2..60);
                self.insert(table, rows)?
            }
            _ if !table.changes && count > 5 * MANY_ROWS && self.truncates => {
                format!("TRUNCATE {}.{}", self.schema, table.name)
            }
            _ if !table.changes => self.insert(table, 3)?,
            28..58 => self.update(client, table, count)?,
            58..62 => self.update_many(table)?,
            _ if count > MANY_ROWS => self.delete_many(table, count / 2),
            62..78 => self.delete(client, table, count)?,
            78..81 => self.delete_many(table, 15),
            81..86 => self.replace(client, table, count)?,
            86..92 => self.move_key(client, table, count)?,
            92..94 => self.shift_unique_values(),
            _ => self.pass_unique_values_on(client)?,
        };
        run_postgres(client, &sql)
    }

    /// One statement with many rows, which are long enough to be decoded in several pieces.
    pub(super) fn large(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let (first, rows) = (self.next_serial(), self.large_rows);
        run_postgres(
            client,
            &format!(
                "INSERT INTO {}.{JOURNAL} (at, line) SELECT timestamp '2020-01-01' + i * interval '1 second', md5((i + {first})::text) \
                 FROM generate_series(1, {rows}) AS i",
                self.schema
            ),
        )
    }

    /// A multi-row INSERT. Rows of the tables without a key come twice, and now and then three times.
    pub(super) fn insert(&mut self, table: &'static Table, rows: usize) -> anyhow::Result<String> {
        let mut values = Vec::new();
        for _ in 0..rows {
            let row = self.row(table)?;
            let copies = if table.key.is_empty() { self.rng.random_range(1..4) } else { 1 };
            values.extend((0..copies).map(|_| row.clone()));
        }
        Ok(format!("INSERT INTO {} VALUES {}", self.target(table), values.join(", ")))
    }

    /// The table and all its columns, those added by DDL too, but only half of the time: their default counts as well.
    fn target(&self, table: &Table) -> String {
        let mut columns: Vec<&str> = table.columns(self.portable).map(|column| column.name).collect();
        columns.extend(self.written_extras(table.name).map(|extra| extra.name.as_str()));
        format!("{}.{} ({})", self.schema, table.name, columns.join(", "))
    }

    /// Every second added column, by the number in its name.
    fn written_extras(&self, table: &str) -> impl Iterator<Item = &Extra> {
        let extras = self.catalog.as_ref().map(|catalog| catalog.extras(table)).unwrap_or_default();
        extras.iter().filter(|extra| extra.name.ends_with(['0', '2', '4', '6', '8']))
    }

    /// The values of a new row, for the columns of [`PostgresWorkload::target`].
    fn row(&mut self, table: &'static Table) -> anyhow::Result<String> {
        let mut values: Vec<String> = table.columns(self.portable).map(|column| self.value(column)).collect();
        let kinds: Vec<Kind> = self
            .written_extras(table.name)
            .map(|extra| Ok(extra.kind()?.1))
            .collect::<anyhow::Result<_>>()?;
        values.extend(kinds.into_iter().map(|kind| self.literal(kind)));
        Ok(format!("({})", values.join(", ")))
    }

    /// One row, one to three of its columns; the long values of the others stay as they are.
    fn update(&mut self, client: &mut Client, table: &'static Table, count: u64) -> anyhow::Result<String> {
        let columns: Vec<&Column> = table.plain_columns(self.portable).collect();
        let mut assigned = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let column = *self.pick(&columns)?;
            if !assigned.iter().any(|(name, _)| *name == column.name) {
                assigned.push((column.name, self.value(column)));
            }
        }
        let mut assignments: Vec<String> =
            assigned.into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let extras =
            self.catalog.as_ref().map(|catalog| catalog.extras(table.name).to_vec()).unwrap_or_default();
        if !extras.is_empty() {
            let extra = self.pick(&extras)?;
            assignments.push(format!("{} = {}", extra.name, self.literal(extra.kind()?.1)));
        }
        let place = self.one_row(client, table, count)?;
        Ok(format!("UPDATE {}.{} SET {} WHERE {place}", self.schema, table.name, assignments.join(", ")))
    }

    /// A column that is not unique, in the first rows.
    fn update_many(&mut self, table: &'static Table) -> anyhow::Result<String> {
        // A hall is half of a unique key.
        let columns: Vec<&Column> = table
            .plain_columns(self.portable)
            .filter(|column| !matches!(column.kind, Kind::Serial | Kind::UniqueText) && column.name != "hall")
            .collect();
        let column = *self.pick(&columns)?;
        let (value, rows) = (self.value(column), self.rng.random_range(2..30));
        let place = self.first_rows(table, rows);
        Ok(format!("UPDATE {}.{} SET {} = {value} WHERE {place}", self.schema, table.name, column.name))
    }

    /// One row; of equal rows in the table without a key only one goes.
    fn delete(&mut self, client: &mut Client, table: &'static Table, count: u64) -> anyhow::Result<String> {
        let place = self.one_row(client, table, count)?;
        Ok(format!("DELETE FROM {}.{} WHERE {place}", self.schema, table.name))
    }

    fn delete_many(&mut self, table: &'static Table, rows: u64) -> String {
        format!("DELETE FROM {}.{} WHERE {}", self.schema, table.name, self.first_rows(table, rows))
    }

    /// A row is replaced by another one with its key: by an update, or by a delete and an insert.
    fn replace(&mut self, client: &mut Client, table: &'static Table, count: u64) -> anyhow::Result<String> {
        if table.key.is_empty() {
            return self.insert(table, 2);
        }
        let key = self.random_key(client, table, count)?;
        let columns: Vec<&Column> = table.columns(self.portable).collect();
        let values: Vec<String> = columns
            .iter()
            .map(|column| {
                let position = table.key.iter().position(|name| *name == column.name);
                position.and_then(|index| key.get(index).cloned()).unwrap_or_else(|| self.value(column))
            })
            .collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let target = format!("{}.{}", self.schema, table.name);
        let insert = format!("INSERT INTO {target} ({}) VALUES ({})", names.join(", "), values.join(", "));
        Ok(if self.rng.random() {
            let parts: Vec<_> =
                table.key.iter().zip(&key).map(|(name, value)| format!("{name} = {value}")).collect();
            format!("DELETE FROM {target} WHERE {}; {insert}", parts.join(" AND "))
        } else {
            let column = columns.last().context("a table has columns")?.name;
            let key = table.key.join(", ");
            format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {column} = EXCLUDED.{column}")
        })
    }

    /// A row gets another primary key; a row without one changes one of several equal rows.
    fn move_key(&mut self, client: &mut Client, table: &'static Table, count: u64) -> anyhow::Result<String> {
        let Some(name) = table.key.last() else {
            return self.update(client, table, count);
        };
        let column = table.columns.iter().find(|column| column.name == *name).context("a key is a column")?;
        let (place, value) = (self.one_row(client, table, count)?, self.literal(column.kind));
        Ok(format!("UPDATE {}.{} SET {name} = {value} WHERE {place}", self.schema, table.name))
    }

    /// One statement in which each of some rows takes the unique value of the next: the key is checked at its end.
    fn shift_unique_values(&mut self) -> String {
        let seats = format!("{}.seats", self.schema);
        let rows = self.rng.random_range(2..7);
        format!(
            "UPDATE {seats} SET place = passed.place FROM (SELECT id, coalesce(lead(place) OVER w, first_value(place) OVER w) AS place \
             FROM (SELECT id, place FROM {seats} WHERE place IS NOT NULL ORDER BY id LIMIT {rows}) AS first WINDOW w AS (ORDER BY id)) AS passed \
             WHERE seats.id = passed.id"
        )
    }

    /// Two to six rows pass their unique values on, the last one to the first: each row takes a value that another row of the
    /// table had when the transaction began.
    fn pass_unique_values_on(&mut self, client: &mut Client) -> anyhow::Result<String> {
        const UNIQUE: &[(&str, &str, Kind)] = &[
            ("accounts", "email", Kind::UniqueText),
            ("seats", "place", Kind::Serial),
            ("seats", "code", Kind::UniqueText),
        ];
        let (table, column, kind) = *self.pick(UNIQUE)?;
        let target = format!("{}.{table}", self.schema);
        let rows = query_postgres(
            client,
            &format!("SELECT id, {column} FROM {target} WHERE {column} IS NOT NULL ORDER BY id"),
        )?;
        let mut picked = Vec::new();
        for _ in 0..self.rng.random_range(2..7) {
            let mut texts = self.pick(&rows)?.clone().into_iter().flatten();
            let id: u64 = texts.next().context("an id")?.parse()?;
            picked.push((id, quoted(&texts.next().context("a value")?)));
        }
        picked.sort();
        picked.dedup();
        let set = |id: &u64, value: &str| format!("UPDATE {target} SET {column} = {value} WHERE id = {id}");
        let ((first, _), (_, last)) = (picked.first().context("a row")?, picked.last().context("a row")?);
        // The first row steps aside, so that every value is free when it is taken.
        let mut statements = vec![set(first, &self.literal(kind))];
        statements
            .extend(picked.iter().zip(picked.iter().skip(1)).map(|((_, value), (id, _))| set(id, value)));
        statements.push(set(first, last));
        Ok(statements.join("; "))
    }

    /// A condition that one row meets.
    fn one_row(&mut self, client: &mut Client, table: &'static Table, count: u64) -> anyhow::Result<String> {
        if table.key.is_empty() {
            let (sensor, order) = (self.literal(Kind::Few), table.order());
            return Ok(format!(
                "ctid = (SELECT ctid FROM {}.{} WHERE sensor >= {sensor} ORDER BY {order}, ctid LIMIT 1)",
                self.schema, table.name
            ));
        }
        let key = self.random_key(client, table, count)?;
        let parts: Vec<_> =
            table.key.iter().zip(key).map(|(name, value)| format!("{name} = {value}")).collect();
        Ok(parts.join(" AND "))
    }

    /// A condition that the first rows meet.
    fn first_rows(&self, table: &Table, rows: u64) -> String {
        let (schema, name, order) = (&self.schema, table.name, table.order());
        format!("ctid = ANY (ARRAY(SELECT ctid FROM {schema}.{name} ORDER BY {order}, ctid LIMIT {rows}))")
    }

    /// The key of a random row, as literals.
    fn random_key(&mut self, client: &mut Client, table: &Table, count: u64) -> anyhow::Result<Vec<String>> {
        let key = table.key.join(", ");
        let row = self.rng.random_range(0..count.max(1));
        let rows = query_postgres(
            client,
            &format!("SELECT {key} FROM {}.{} ORDER BY {key} LIMIT 1 OFFSET {row}", self.schema, table.name),
        )?;
        let row = rows.into_iter().next().with_context(|| format!("{} has no row", table.name))?;
        row.into_iter().map(|value| Ok(quoted(&value.context("a key is not NULL")?))).collect()
    }

    fn count(&self, client: &mut Client, table: &Table) -> anyhow::Result<u64> {
        let rows = query_postgres(client, &format!("SELECT count(*) FROM {}.{}", self.schema, table.name))?;
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
