//! The types of PostgreSQL.
//!
//! A column of a PostgreSQL source is declared as it is there. What becomes of the columns of MySQL and MariaDB:
//!
//! | source | declared | what is to be known |
//! | --- | --- | --- |
//! | TINYINT, SMALLINT | `smallint` | also TINYINT(1): it holds −128 to 127 in MySQL, and not all of its users mean a truth value. Where they do, choose `boolean`: numbers other than 0 and 1 are then refused |
//! | MEDIUMINT, INT, SMALLINT UNSIGNED, MEDIUMINT UNSIGNED | `integer` | |
//! | BIGINT, INT UNSIGNED | `bigint` | TINYINT UNSIGNED is `smallint` |
//! | BIGINT UNSIGNED | `numeric(20)`; with AUTO_INCREMENT `bigint` | only integers can be identity columns. Numbers above 9223372036854775807 are refused there, as in a column that refers to such a one by a foreign key |
//! | FLOAT, DOUBLE | `real`, `double precision` | −0.0 included |
//! | DECIMAL(p,s) | `numeric(p,s)` | |
//! | BIT(1) | `boolean` | nothing else fits in |
//! | BIT(n) | `bit(n)` | |
//! | YEAR | `smallint` | 0 included |
//! | DATE, DATETIME(f) | `date`, `timestamp(f)` | zero, partial and invalid dates do not exist here: `destination.invalid_dates` says whether a row with one is refused or gets NULL |
//! | TIMESTAMP(f) | `timestamptz(f)` | the same instant; a zero one as above |
//! | TIME(f) | `time(f)` | negative durations and those above 24 hours are refused. Where a column has them, choose `interval`, which holds all |
//! | CHAR(n), VARCHAR(n) | `char(n)`, `varchar(n)` | both count characters. A length of 0 is `varchar(1)` |
//! | TINYTEXT to LONGTEXT | `text` | all text: a zero byte does not exist here (`destination.zero_bytes`); text compares by its code points, so that unique keys and queries tell `a` from `A` and `é` where a collation of the source does not |
//! | BINARY, VARBINARY, BLOB | `bytea` | |
//! | ENUM | `text`, with a condition on its members from the cutover on | an enumerated type could not follow `ALTER TABLE … MODIFY`, nor hold MySQL's error value `''`. It sorts by letters and not by the place of a member |
//! | SET | `text`: the members joined by commas | as above, without a condition |
//! | JSON | `jsonb` | it can be compared and indexed, as in MySQL; MySQL keeps no order of members and no duplicates either. Numbers are exact decimals (`1e2` is `100`); a document with the character U+0000 is refused |
//! | JSON of MariaDB | `text` | it is text there, as it was written |
//! | GEOMETRY and others | `bytea`: the extended WKB of PostGIS | with PostGIS, choose `geometry`; a column of `bytea` becomes one by `ALTER COLUMN … TYPE geometry USING column::geometry` |
//! | VECTOR(n) | `real[]` | with pgvector, choose `vector(n)` |
//! | UUID | `uuid` | |
//! | INET4, INET6 | `inet` | |
//!
//! Chosen types are in the override file of the schema phase.

pub mod expression;

use std::fmt::Write as _;

use slackwater_decoders::schema::{Column, ColumnType};

use super::Mapped;

/// The longest name that the server keeps, in bytes (`NAMEDATALEN - 1`); it cuts longer ones.
pub const NAME_BYTES: usize = 63;

const ZERO_DATES: &str =
    "dates that do not exist (0000-00-00) are refused or become NULL (destination.invalid_dates)";
const BY_CODE_POINTS: &str = "compares by code points: unique keys and queries tell apart what the source's collation finds equal (case, accents)";
const OF_MEMBERS: &str = "sorts by letters and not by the places of its members";

/// Whether a column is one of a PostgreSQL source: only there columns have numbers.
#[must_use]
pub fn is_of_postgres(column: &Column) -> bool {
    column.number.is_some()
}

/// How a column is declared in PostgreSQL.
#[must_use]
pub fn column_type(column: &Column) -> Mapped {
    if is_of_postgres(column) {
        return match &column.declared {
            Some(declared) => Mapped::exact(declared.clone()),
            None => Mapped::exact(plain(&column.column_type)),
        };
    }
    let declared = plain(&column.column_type);
    match loss(column) {
        Some(loss) => Mapped::lossy(declared, loss),
        None if column.auto_increment && declared == "numeric(20)" => {
            Mapped::lossy("bigint", "numbers above 9223372036854775807 are refused")
        }
        None => Mapped::exact(declared),
    }
}

/// The type that holds what a column of that type holds.
fn plain(column_type: &ColumnType) -> String {
    let name = match column_type {
        ColumnType::Boolean | ColumnType::Bits(1) => "boolean",
        ColumnType::Integer { bytes: 1, .. } | ColumnType::Integer { bytes: 2, unsigned: false } => {
            "smallint"
        }
        ColumnType::Year => "smallint",
        ColumnType::Integer { bytes: 2 | 3, .. } | ColumnType::Integer { bytes: 4, unsigned: false } => {
            "integer"
        }
        ColumnType::Integer { bytes: 4, .. } | ColumnType::Integer { unsigned: false, .. } => "bigint",
        ColumnType::Integer { .. } => "numeric(20)",
        ColumnType::Float => "real",
        ColumnType::Double => "double precision",
        ColumnType::Decimal { precision: 0, .. } => "numeric",
        ColumnType::Decimal { precision, scale: 0 } => return format!("numeric({precision})"),
        ColumnType::Decimal { precision, scale } => return format!("numeric({precision},{scale})"),
        ColumnType::Char(0) | ColumnType::VarChar(0) => "varchar(1)",
        ColumnType::Char(length) => return format!("char({length})"),
        ColumnType::VarChar(length) => return format!("varchar({length})"),
        ColumnType::Date => "date",
        ColumnType::Time(fraction) => return temporal("time", *fraction),
        ColumnType::DateTime(fraction) => return temporal("timestamp", *fraction),
        ColumnType::Timestamp(fraction) => return temporal("timestamptz", *fraction),
        ColumnType::Bits(length) => return format!("bit({length})"),
        ColumnType::Json => "jsonb",
        ColumnType::Uuid => "uuid",
        ColumnType::Inet4 | ColumnType::Inet6 => "inet",
        ColumnType::Vector(_) => "real[]",
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob(_) | ColumnType::Geometry(_) => {
            "bytea"
        }
        ColumnType::Native(name) => return name.clone(),
        // TEXT, ENUM, SET, and what may come to be.
        _ => "text",
    };
    name.to_owned()
}

fn temporal(name: &str, fraction: u8) -> String {
    format!("{name}({})", fraction.min(6))
}

/// What a column of MySQL or MariaDB loses; that of numbering is another question.
fn loss(column: &Column) -> Option<&'static str> {
    Some(match &column.column_type {
        ColumnType::Date | ColumnType::DateTime(_) | ColumnType::Timestamp(_) => ZERO_DATES,
        ColumnType::Time(_) => {
            "negative durations and those above 24 hours are refused (choose interval to hold them)"
        }
        ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_) if !is_exact(column) => {
            BY_CODE_POINTS
        }
        ColumnType::Enum(_) | ColumnType::Set(_) => OF_MEMBERS,
        ColumnType::Json => {
            "numbers are exact decimals (1e2 becomes 100), dates and binaries inside a document are text; a document with \
             the character U+0000 is refused"
        }
        ColumnType::Geometry(_) => {
            "a geometry becomes its extended WKB as bytes (choose geometry where PostGIS is installed)"
        }
        _ => return None,
    })
}

/// Whether the source compares the column's text by its code points, too.
fn is_exact(column: &Column) -> bool {
    let collation = column.collation.as_deref().or(column.charset.as_deref());
    collation.is_none_or(|collation| collation == "binary" || collation.ends_with("bin"))
}

/// An identifier in double quotes.
#[must_use]
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal that reads the same whatever `standard_conforming_strings` is (manual, *String Constants with C-Style
/// Escapes*).
#[must_use]
pub fn quote_text(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// A name that the server keeps whole: the end of a longer one gives way to a number that depends on all of it.
#[must_use]
pub fn short_name(name: &str) -> String {
    if name.len() <= NAME_BYTES {
        return name.to_owned();
    }
    // FNV-1a: the same in every version of this program, so that an object is found again.
    let hash =
        name.bytes().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut end = NAME_BYTES - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let mut short = name.get(..end).unwrap_or_default().to_owned();
    // Writing to a String cannot fail.
    let _ = write!(short, "_{hash:08x}");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(column_type: ColumnType) -> Mapped {
        super::column_type(&Column::new("c", column_type))
    }

    #[test]
    fn every_integer_has_room() {
        for (bytes, signed, unsigned) in [
            (1, "smallint", "smallint"),
            (2, "smallint", "integer"),
            (3, "integer", "integer"),
            (4, "integer", "bigint"),
            (8, "bigint", "numeric(20)"),
        ] {
            assert_eq!(of(ColumnType::Integer { bytes, unsigned: false }), Mapped::exact(signed));
            assert_eq!(of(ColumnType::Integer { bytes, unsigned: true }), Mapped::exact(unsigned));
        }
        let numbered = Column {
            auto_increment: true,
            ..Column::new("id", ColumnType::Integer { bytes: 8, unsigned: true })
        };
        let mapped = super::column_type(&numbered);
        assert_eq!((mapped.declaration.as_str(), mapped.loss.is_some()), ("bigint", true));
    }

    #[test]
    fn a_column_of_postgresql_is_what_it_is() {
        let column = Column {
            number: Some(3),
            declared: Some("app.mood".to_owned()),
            ..Column::new("m", ColumnType::Enum(vec!["sad".to_owned()]))
        };
        assert_eq!(super::column_type(&column), Mapped::exact("app.mood"));
        let unknown =
            Column { number: Some(3), ..Column::new("j", ColumnType::Decimal { precision: 0, scale: 0 }) };
        assert_eq!(super::column_type(&unknown), Mapped::exact("numeric"));
    }

    #[test]
    fn collations_that_fold_are_said() {
        let text = |collation: &str| {
            let column = Column::new("t", ColumnType::VarChar(20));
            super::column_type(&Column { collation: Some(collation.to_owned()), ..column })
        };
        assert_eq!(text("utf8mb4_bin"), Mapped::exact("varchar(20)"));
        assert_eq!(text("utf8mb4_0900_ai_ci").loss, Some(BY_CODE_POINTS));
        assert_eq!(of(ColumnType::Char(0)), Mapped::exact("varchar(1)"));
    }

    #[test]
    fn names_and_texts_are_quoted_and_cut() {
        assert_eq!(quote_name("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_text("it's"), "'it''s'");
        assert_eq!(quote_text("a\\'b"), "E'a\\\\''b'");
        let long = "ä".repeat(40);
        let short = short_name(&long);
        assert!(short.len() <= NAME_BYTES && short.starts_with("ää"), "{short}");
        assert_ne!(short, short_name(&format!("{long}x")));
        assert_eq!(short_name("orders_by_day"), "orders_by_day");
    }
}
