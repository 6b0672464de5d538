//! Where a destination shows a value otherwise than the source, and why. Everything else has to be equal.

use anyhow::Result;
use slackwater_testkit::{Flavor, Server, compare::Rows, mysql::prelude::Queryable as _};

use super::{settings::Settings, tables::Table};

/// How a table came to the destination.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) source: Flavor,
    /// The server that is the destination; `None` is SQLite.
    pub(crate) destination: Option<&'a Server>,
    /// Whether the definitions are the server's, as it shows them, and not the statements of the log.
    pub(crate) shown: bool,
    pub(crate) settings: Settings,
    /// Whether the table has a key.
    pub(crate) keyed: bool,
}

/// Brings both sides to the form in which they have to be equal.
pub(crate) fn apply(way: Way<'_>, table: &Table, expected: &mut Rows, found: &mut Rows) -> Result<()> {
    let Way { source, settings, .. } = way;
    let to_mariadb = way.destination.is_some_and(|server| server.flavor().is_mariadb());
    // The decoder prints documents as MySQL 8.0 and later do, which tell 1.0 from 1; 5.7 shows both as 1.
    if source == Flavor::Mysql57 && table.name == "documents" {
        each(found, table, |name| name == "document", |text| Some(without_point_zero(&text)));
    }
    // MariaDB leaves virtual columns out of a partial image of a table with a key, changed or not, and SQLite gets the values of
    // computed columns from the log alone: they are not known there.
    let partial = matches!(settings.image, "MINIMAL" | "FULL_NODUP");
    if source.is_mariadb() && partial && way.keyed && way.destination.is_none() {
        for rows in [&mut *expected, &mut *found] {
            each(rows, table, |name| name.starts_with("virtual_"), |_| None);
        }
    }
    // Which of the binary types a value in a document has is a server's own choice, and 9.7 makes another one than 5.7.
    if source == Flavor::Mysql57 && way.destination.is_some_and(|server| server.flavor() == Flavor::Mysql97) {
        each(
            expected,
            table,
            |name| name == "document",
            |text| Some(["type16:", "type253:"].iter().fold(text, |text, old| text.replace(old, "type15:"))),
        );
    }
    // A document of MariaDB is text and becomes one of MySQL's, which sorts the members and prints numbers in its own way.
    if let (true, Some(server), "documents") =
        (source.is_mariadb() && !to_mariadb, way.destination, table.name.as_str())
    {
        let mut connection = server.conn()?;
        each(
            expected,
            table,
            |name| matches!(name, "document" | "small"),
            |text| {
                connection
                    .exec_first("SELECT CAST(CAST(? AS JSON) AS CHAR)", (text,))
                    .expect("MySQL reads the document")
            },
        );
    }
    // MariaDB has no negative zero in a column: it stores 0 (the bits of both are what is compared).
    if to_mariadb && table.name == "numbers" {
        let negative_zero = (-0.0_f64).to_bits().to_string();
        each(
            expected,
            table,
            |_| true,
            |bits| Some(if bits == negative_zero { "0".to_owned() } else { bits }),
        );
    }
    // Servers show definitions in characters of up to three bytes of UTF-8; only FULL metadata has the members as they are.
    if way.shown && settings.metadata != "FULL" {
        let in_three_bytes =
            |text: String| Some(text.chars().map(|c| if c > '\u{FFFF}' { '?' } else { c }).collect());
        each(expected, table, |name| matches!(name, "one" | "several"), in_three_bytes);
    }
    Ok(())
}

/// Replaces the values of the columns that are meant.
fn each(
    rows: &mut Rows,
    table: &Table,
    is_meant: impl Fn(&str) -> bool,
    mut replace: impl FnMut(String) -> Option<String>,
) {
    for row in rows.iter_mut() {
        // The first value is the id.
        for (_, value) in
            table.columns.iter().zip(row.iter_mut().skip(1)).filter(|(column, _)| is_meant(&column.name))
        {
            *value = value.take().and_then(&mut replace);
        }
    }
    rows.sort();
}

/// A document whose whole numbers have no fraction.
fn without_point_zero(document: &str) -> String {
    let mut text = String::with_capacity(document.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = document.chars();
    while let Some(character) = rest.next() {
        let after = rest.as_str();
        if !in_string
            && character == '.'
            && after.starts_with('0')
            && !after.chars().nth(1).is_some_and(|next| next.is_ascii_digit())
        {
            rest.next();
            continue;
        }
        in_string ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        text.push(character);
    }
    text
}
