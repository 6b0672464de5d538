//! Reading a table of any of the databases: its columns, its key, and its values as text.

use std::path::Path;

use anyhow::{Context, Result, bail};
use mysql::prelude::Queryable as _;
use rusqlite::{Connection, OpenFlags, types::ValueRef};

use super::{Form, Rows, hexadecimal, split};
use crate::{PostgresServer, Server, query_postgres, run_postgres};

/// Where a table is.
#[derive(Clone, Copy, Debug)]
pub enum Side<'a> {
    /// A MySQL or MariaDB server; tables are `database.table`.
    Mysql(&'a Server),
    /// A database of a PostgreSQL server; tables are `schema.table`.
    Postgres(&'a PostgresServer, &'a str),
    /// A SQLite file; tables are `table`.
    Sqlite(&'a Path),
}

/// What a column's values are, as far as the conversions between databases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Decimal,
    Float,
    /// A number of single precision.
    Single,
    Text,
    /// Text without the spaces at its end.
    Padded,
    /// Hexadecimal digits.
    Bytes,
    /// A date, or a date and a time of day, in UTC if it is of a zone.
    Moment,
    /// A time of day, or a time that passes.
    Time,
    Json,
    Uuid,
    /// Zeros and ones.
    Bits,
    /// The same as a number.
    BitNumber,
    /// Names in commas.
    Set,
    /// An array as PostgreSQL writes it.
    Array,
    /// Anything that holds numbers of floating point in a text.
    Geometry,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// `None` where a column takes values of all types: SQLite.
    pub(super) kind: Option<Kind>,
}

pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// The columns of the primary key; empty where there is none or nobody asked.
    pub(super) key: Vec<String>,
    pub(super) rows: Rows,
}

impl Side<'_> {
    pub(super) fn read(&self, table: &str) -> Result<Table> {
        match *self {
            Side::Mysql(server) => mysql_table(server, table),
            Side::Postgres(server, database) => postgres_table(server, database, table),
            Side::Sqlite(file) => sqlite_table(file, table),
        }
        .with_context(|| format!("cannot read {table}"))
    }
}

fn mysql_table(server: &Server, table: &str) -> Result<Table> {
    let (database, name) = split(table)?;
    let found = super::columns(server, table)?;
    let mut connection = server.conn()?;
    let types: Vec<String> = connection.exec(
        "SELECT column_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
        (database, name),
    )?;
    let key: Vec<String> = connection.exec(
        "SELECT column_name FROM information_schema.key_column_usage WHERE table_schema = ? AND table_name = ? \
         AND constraint_name = 'PRIMARY' ORDER BY ordinal_position",
        (database, name),
    )?;
    let mut rows = super::mysql_rows(server, table, &found)?;
    for (place, column) in found.iter().enumerate().filter(|(_, column)| column.form == Form::Number) {
        for value in rows.iter_mut().filter_map(|row| row.get_mut(place)).flatten() {
            let bits = value.parse().with_context(|| format!("column {} is no number", column.name))?;
            *value = f64::from_bits(bits).to_string();
        }
    }
    let columns = found
        .into_iter()
        .zip(types)
        .map(|(column, declared)| Column {
            kind: Some(mysql_kind(&declared, column.form)),
            name: column.name,
        })
        .collect();
    Ok(Table { columns, key, rows })
}

fn mysql_kind(declared: &str, form: Form) -> Kind {
    let word = declared.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    match word {
        "float" => Kind::Single,
        "decimal" => Kind::Decimal,
        "date" | "datetime" | "timestamp" => Kind::Moment,
        "time" => Kind::Time,
        "json" => Kind::Json,
        "char" => Kind::Padded,
        "set" => Kind::Set,
        "bit" => Kind::BitNumber,
        "uuid" => Kind::Uuid,
        _ => match form {
            Form::Number => Kind::Float,
            Form::Hexadecimal => Kind::Bytes,
            Form::Text => Kind::Text,
            Form::Bits => Kind::Integer,
            Form::Printed if word.ends_with("int") => Kind::Integer,
            Form::Printed => Kind::Text,
        },
    }
}

/// Output that does not depend on the server's configuration. Version 12 and later write the shortest text that is the same
/// number, earlier ones 17 digits.
pub(super) const SETTINGS: &str = "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; \
    SET extra_float_digits = 3; SET bytea_output = 'hex'; SET xmloption = 'content'";

fn postgres_table(server: &PostgresServer, database: &str, table: &str) -> Result<Table> {
    let mut client = server.client_of(database)?;
    run_postgres(&mut client, SETTINGS)?;
    let (schema, name) = split(table)?;
    let literal = |name: &str| format!("'{}'", name.replace('\'', "''"));
    let relation = format!(
        "(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p'))",
        literal(schema),
        literal(name)
    );
    let columns = query_postgres(
        &mut client,
        &format!(
            "SELECT a.attname, coalesce(b.typname, t.typname), coalesce(b.typtype, t.typtype) FROM pg_attribute a \
             JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0) \
             WHERE a.attrelid = {relation} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        ),
    )?;
    if columns.is_empty() {
        bail!("there is no such table");
    }
    let columns: Vec<(Column, String)> = columns
        .into_iter()
        .map(|row| {
            let mut texts = row.into_iter().flatten();
            let mut next = || texts.next().context("a column has a name and a type");
            let (name, kind) = (next()?, next()?);
            Ok((Column { name, kind: Some(postgres_kind(&kind)) }, kind))
        })
        .collect::<Result<_>>()?;
    let key = query_postgres(
        &mut client,
        &format!(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
             WHERE i.indrelid = {relation} AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)"
        ),
    )?;
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let printed = |(column, kind): &(Column, String)| {
        let name = quoted(&column.name);
        match kind.as_str() {
            // A cast adds `/32` to an address, and keeps the encoding that a document once had.
            "inet" | "xml" => format!("CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END"),
            _ => format!("{name}::text"),
        }
    };
    let values: Vec<String> = columns.iter().map(printed).collect();
    let sql = format!("SELECT {} FROM {}.{}", values.join(", "), quoted(schema), quoted(name));
    let rows = query_postgres(&mut client, &sql)?;
    let columns = columns.into_iter().map(|(column, _)| column).collect();
    Ok(Table { columns, key: key.into_iter().flatten().flatten().collect(), rows })
}

fn postgres_kind(name: &str) -> Kind {
    match name {
        "bool" => Kind::Boolean,
        "int2" | "int4" | "int8" | "oid" => Kind::Integer,
        "numeric" => Kind::Decimal,
        "float8" => Kind::Float,
        "float4" => Kind::Single,
        "bpchar" => Kind::Padded,
        "bytea" => Kind::Bytes,
        "date" | "timestamp" | "timestamptz" => Kind::Moment,
        "time" | "timetz" | "interval" => Kind::Time,
        "json" | "jsonb" => Kind::Json,
        "uuid" => Kind::Uuid,
        "bit" | "varbit" => Kind::Bits,
        "point" | "line" | "lseg" | "box" | "path" | "polygon" | "circle" | "_float4" | "_float8"
        | "_point" => Kind::Geometry,
        name if name.starts_with('_') => Kind::Array,
        _ => Kind::Text,
    }
}

fn sqlite_table(file: &Path, table: &str) -> Result<Table> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
    let columns: Vec<Column> = statement
        .column_names()
        .into_iter()
        .map(|name| Column { name: name.to_owned(), kind: None })
        .collect();
    let mut found = statement.query([])?;
    let mut rows = Rows::new();
    while let Some(row) = found.next()? {
        let value = |place| {
            Ok(match row.get_ref(place)? {
                ValueRef::Null => None,
                ValueRef::Integer(number) => Some(number.to_string()),
                ValueRef::Real(number) => Some(number.to_string()),
                ValueRef::Text(text) => Some(String::from_utf8(text.to_vec())?),
                ValueRef::Blob(bytes) => Some(hexadecimal(bytes)),
            })
        };
        rows.push((0..columns.len()).map(value).collect::<Result<_>>()?);
    }
    Ok(Table { columns, key: Vec::new(), rows })
}
