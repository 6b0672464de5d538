//! The types of MySQL and MariaDB.
//!
//! Between servers of one dialect the source's own DDL is executed and nothing is mapped. What is here serves tables that are
//! created without such a statement, and statements that the other dialect or an older version does not understand. What
//! becomes of PostgreSQL's types is a table of its own: [`of_postgres`].

pub mod of_postgres;

use std::fmt;

use slackwater_decoders::schema::{Column, ColumnType, definition::Dialect};

use super::{Mapped, postgres::is_of_postgres};

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whether it is MariaDB.
    pub mariadb: bool,
    /// Major, minor and patch number.
    pub version: (u16, u16, u16),
}

impl Server {
    /// Reads what `SELECT VERSION()` returns: `9.7.4`, `5.7.29-log`, `10.11.6-MariaDB-0+deb12u1`,
    /// `5.5.5-10.11.6-MariaDB`.
    #[must_use]
    pub fn parse(version: &str) -> Self {
        let mariadb = version.to_ascii_lowercase().contains("mariadb");
        let number = if mariadb { version.strip_prefix("5.5.5-").unwrap_or(version) } else { version };
        let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        Server { mariadb, version: (next(), next(), next()) }
    }

    /// The server whose dialect a source's statements are in.
    #[must_use]
    pub fn of_dialect(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::Mysql(major, minor, patch) => {
                Some(Server { mariadb: false, version: (major, minor, patch) })
            }
            Dialect::Mariadb(major, minor, patch) => {
                Some(Server { mariadb: true, version: (major, minor, patch) })
            }
            _ => None,
        }
    }

    /// Whether it is MySQL of that major version or a newer one.
    #[must_use]
    pub fn mysql_since(self, major: u16) -> bool {
        !self.mariadb && self.version.0 >= major
    }

    /// Whether it is MariaDB of that version or a newer one.
    #[must_use]
    pub fn mariadb_since(self, major: u16, minor: u16) -> bool {
        self.mariadb && (self.version.0, self.version.1) >= (major, minor)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        write!(f, "{} {major}.{minor}.{patch}", if self.mariadb { "MariaDB" } else { "MySQL" })
    }
}

/// How a column is declared there: the type and, for text, its character set and collation. A column of PostgreSQL that is a part
/// of a key may need another one ([`of_postgres::table_types`]).
#[must_use]
pub fn column_type(column: &Column, server: Server) -> Mapped {
    if is_of_postgres(column) { of_postgres::of_postgres(column, server) } else { own_type(column, server) }
}

/// The type of MySQL or MariaDB that holds what a column's type does.
fn own_type(column: &Column, server: Server) -> Mapped {
    let mapped = match &column.column_type {
        ColumnType::Boolean => Mapped::exact("tinyint(1)"),
        ColumnType::Integer { bytes, unsigned } => {
            let name = match bytes {
                1 => "tinyint",
                2 => "smallint",
                3 => "mediumint",
                4 => "int",
                _ => "bigint",
            };
            Mapped::exact(format!("{name}{}", if *unsigned { " unsigned" } else { "" }))
        }
        ColumnType::Float => Mapped::exact("float"),
        ColumnType::Double => Mapped::exact("double"),
        ColumnType::Decimal { precision, scale } => decimal(*precision, *scale),
        ColumnType::Char(length) => Mapped::exact(format!("char({length})")),
        ColumnType::VarChar(length) => Mapped::exact(format!("varchar({length})")),
        ColumnType::Text(length) => {
            Mapped::exact(long_type(*length, ["tinytext", "text", "mediumtext", "longtext"]))
        }
        ColumnType::Binary(length) => Mapped::exact(format!("binary({length})")),
        ColumnType::VarBinary(length) => Mapped::exact(format!("varbinary({length})")),
        ColumnType::Blob(length) => {
            Mapped::exact(long_type(*length, ["tinyblob", "blob", "mediumblob", "longblob"]))
        }
        ColumnType::Date => Mapped::exact("date"),
        ColumnType::Time(fraction) => temporal("time", *fraction),
        ColumnType::DateTime(fraction) => temporal("datetime", *fraction),
        ColumnType::Timestamp(fraction) => temporal("timestamp", *fraction),
        ColumnType::Year => Mapped::exact("year"),
        ColumnType::Bits(bits @ ..=64) => Mapped::exact(format!("bit({bits})")),
        ColumnType::Bits(bits) => {
            Mapped::lossy(format!("varbinary({})", bits.div_ceil(8)), "bits become bytes")
        }
        ColumnType::Enum(labels) => Mapped::exact(format!("enum({})", quoted_list(labels))),
        ColumnType::Set(members) => Mapped::exact(format!("set({})", quoted_list(members))),
        ColumnType::Geometry(kind) => Mapped::exact(kind.clone()),
        ColumnType::Json if server.mariadb => Mapped::lossy(
            "longtext character set utf8mb4 collate utf8mb4_bin",
            "documents are text in MariaDB",
        ),
        ColumnType::Json => Mapped::exact("json"),
        ColumnType::Uuid if server.mariadb_since(10, 7) => Mapped::exact("uuid"),
        ColumnType::Uuid => Mapped::lossy("char(36) character set ascii", "a UUID becomes its text"),
        ColumnType::Inet4 if server.mariadb_since(10, 10) => Mapped::exact("inet4"),
        ColumnType::Inet6 if server.mariadb_since(10, 5) => Mapped::exact("inet6"),
        ColumnType::Inet4 => Mapped::lossy("varchar(15) character set ascii", "an address becomes its text"),
        ColumnType::Inet6 => Mapped::lossy("varchar(39) character set ascii", "an address becomes its text"),
        ColumnType::Vector(dimensions) if server.mysql_since(9) || server.mariadb_since(11, 7) => {
            Mapped::exact(format!("vector({dimensions})"))
        }
        ColumnType::Vector(_) => Mapped::lossy("longblob", "a vector becomes its bytes"),
        _ => Mapped::lossy("longblob", "an unknown type is kept as bytes"),
    };
    with_collation(mapped, column, server)
}

/// MySQL's limits: 65 digits, 30 of them behind the point.
fn decimal(precision: u16, scale: i16) -> Mapped {
    match u16::try_from(scale) {
        Ok(scale) if precision <= 65 && scale <= 30 => Mapped::exact(format!("decimal({precision},{scale})")),
        _ => Mapped::lossy("longtext", "more digits than a decimal holds: kept as text"),
    }
}

fn temporal(name: &str, fraction: u8) -> Mapped {
    match fraction {
        0 => Mapped::exact(name),
        1..=6 => Mapped::exact(format!("{name}({fraction})")),
        _ => Mapped::lossy(format!("{name}(6)"), "digits below the microsecond are cut"),
    }
}

fn long_type(length: u32, names: [&'static str; 4]) -> &'static str {
    let [tiny, plain, medium, long] = names;
    match length {
        0..=0xFF => tiny,
        0x100..=0xFFFF => plain,
        0x1_0000..=0xFF_FFFF => medium,
        _ => long,
    }
}

/// The names as string literals, joined by commas.
fn quoted_list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quote_text(name)).collect();
    quoted.join(",")
}

/// A string literal that reads the same with and without `NO_BACKSLASH_ESCAPES` as long as there is no backslash in it.
#[must_use]
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// An identifier in backticks.
#[must_use]
pub fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn with_collation(mut mapped: Mapped, column: &Column, server: Server) -> Mapped {
    let is_text = matches!(
        column.column_type,
        ColumnType::Char(_)
            | ColumnType::VarChar(_)
            | ColumnType::Text(_)
            | ColumnType::Enum(_)
            | ColumnType::Set(_)
    );
    if !is_text {
        return mapped;
    }
    if let Some(collation) = &column.collation {
        let (collation, exact) = known_collation(collation, server);
        mapped.declaration.push_str(" collate ");
        mapped.declaration.push_str(&collation);
        if !exact {
            mapped.loss.get_or_insert("the collation is the nearest that the server has");
        }
    } else if let Some(charset) = &column.charset {
        let lacks = charset == "gb18030" && server.mariadb;
        mapped.declaration.push_str(" character set ");
        mapped.declaration.push_str(if lacks { "utf8mb4" } else { charset });
    }
    mapped
}

/// The collation itself where the server has it, else the nearest one, and whether it is the same.
///
/// MySQL 8.0 brought the `_0900_` collations, MariaDB 10.10 the `uca1400` ones; 5.7 spells `utf8mb3` as `utf8`.
#[must_use]
pub fn known_collation(collation: &str, server: Server) -> (String, bool) {
    if let Some(rest) =
        collation.strip_prefix("utf8mb3_").filter(|_| !server.mariadb && !server.mysql_since(8))
    {
        return (format!("utf8_{rest}"), true);
    }
    // MariaDB has no gb18030; utf8mb4 has all of its characters.
    let from_mysql = (collation.contains("_0900_") && !server.mysql_since(8))
        || (collation.starts_with("gb18030_") && server.mariadb);
    let from_mariadb = (collation.contains("uca1400") || collation.contains("_nopad_")) && !server.mariadb;
    if !from_mysql && !from_mariadb {
        return (collation.to_owned(), true);
    }
    let (accents, case) = (collation.contains("_as"), collation.contains("_cs"));
    let nearest = if collation.ends_with("_bin") {
        if server.mariadb {
            "utf8mb4_nopad_bin"
        } else if server.mysql_since(8) {
            "utf8mb4_0900_bin"
        } else {
            "utf8mb4_bin"
        }
    } else if server.mysql_since(8) {
        match (accents, case) {
            (false, false) => "utf8mb4_0900_ai_ci",
            (true, false) => "utf8mb4_0900_as_ci",
            (_, true) => "utf8mb4_0900_as_cs",
        }
    } else if server.mariadb_since(10, 10) {
        match (accents, case) {
            (false, false) => "utf8mb4_uca1400_nopad_ai_ci",
            (true, false) => "utf8mb4_uca1400_nopad_as_ci",
            (_, true) => "utf8mb4_uca1400_nopad_as_cs",
        }
    } else if accents || case {
        "utf8mb4_bin"
    } else {
        "utf8mb4_unicode_520_ci"
    };
    // A stricter or wider comparison never loses a value, but may find two keys equal that the source tells apart.
    (nearest.to_owned(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_dialects_are_read() {
        for (text, mariadb, version) in [
            ("9.7.4", false, (9, 7, 4)),
            ("5.7.29-log", false, (5, 7, 29)),
            ("10.11.6-MariaDB-0+deb12u1-log", true, (10, 11, 6)),
            ("5.5.5-10.11.6-MariaDB", true, (10, 11, 6)),
        ] {
            assert_eq!(Server::parse(text), Server { mariadb, version }, "{text}");
        }
    }

    #[test]
    fn collations_of_the_other_dialect_are_replaced() {
        let mariadb = Server::parse("10.11.6-MariaDB");
        let old = Server::parse("5.7.29");
        assert_eq!(
            known_collation("utf8mb4_0900_ai_ci", mariadb),
            ("utf8mb4_uca1400_nopad_ai_ci".to_owned(), false)
        );
        assert_eq!(known_collation("utf8mb4_0900_ai_ci", old), ("utf8mb4_unicode_520_ci".to_owned(), false));
        assert_eq!(known_collation("utf8mb3_general_ci", old), ("utf8_general_ci".to_owned(), true));
        assert_eq!(known_collation("latin1_swedish_ci", mariadb), ("latin1_swedish_ci".to_owned(), true));
    }
}
