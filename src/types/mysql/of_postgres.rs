//! Columns of PostgreSQL at MySQL and MariaDB.
//!
//! | source | declared | what is to be known |
//! | --- | --- | --- |
//! | boolean | `tinyint(1)` | 1 and 0 |
//! | smallint, integer, bigint | the same | |
//! | real, double precision | `float`, `double` | NaN and infinities are refused |
//! | numeric(p,s) | `decimal(p,s)` | NaN and infinities are refused. A negative scale becomes digits before the point. Above 65 digits, or 30 behind the point: `longtext` |
//! | numeric without a limit | `decimal(65,30)` | more than 35 digits before the point or 30 behind it are refused, never rounded. Where a column has them, choose `longtext` |
//! | char(n) | `char(n)`, above 255 `varchar(n)` | without the spaces at its end, which mean nothing in PostgreSQL either |
//! | varchar(n) | `varchar(n)`, above 16,383 `mediumtext` or `longtext` | in a table whose rows would be too wide (65,535 bytes) the widest become `text` |
//! | text, varchar, name, xml | `longtext` | in a unique or foreign key `varchar(n)`: a key takes 3,072 bytes, 768 characters in all. Longer values are refused there, so that a key stays a key; other indexes are over the first 191 characters |
//! | citext | as text, with a collation that ignores case | |
//! | all text | `utf8mb4`, compared by its code points | `utf8mb4_0900_bin`, MariaDB's `utf8mb4_nopad_bin`; MySQL 5.7 has only `utf8mb4_bin`, which ignores spaces at the end |
//! | bytea | `longblob` | in a key `varbinary(n)` as above |
//! | date, timestamp(f) | `date`, `datetime(f)` | infinite ones, and years before 1 or after 9999, are refused |
//! | timestamptz(f) | `datetime(f)` | the date and time in UTC; `timestamp` would end in 2038. As above |
//! | time(f) | `time(f)` | |
//! | uuid | `char(36)` | MariaDB's `uuid` refuses a quarter of all values (version 8 to f without the variant of RFC 9562, as `md5(…)::uuid` makes them). Where a column has none of them, choose `uuid` |
//! | json, jsonb | `json`, MariaDB `longtext` | MySQL keeps its own order of members, no duplicates, and numbers as 64-bit integers or doubles |
//! | bit(n) | `bit(n)`, above 64 `varbinary` | |
//! | an enumerated type | `enum(…)` | |
//! | interval, inet, cidr, macaddr, time with time zone, money, … | `varchar(n)` that holds their text | the text as PostgreSQL prints it |
//! | arrays, ranges, composites, hstore and all others | `longtext` | the text as PostgreSQL prints it |

use slackwater_decoders::{
    mysql::ddl::Literal,
    schema::{Column, ColumnType, Table},
};

use super::{Mapped, Server, column_type};
use crate::types::postgres::{expression, is_of_postgres};

/// Bytes that a key takes (MySQL Reference Manual, *InnoDB Limits*, for rows in the DYNAMIC format).
const KEY_BYTES: u32 = 3_072;
/// Bytes that a row takes without what long types keep elsewhere (*Limits on Table Column Count and Row Size*), less a reserve
/// for NULL bits.
const ROW_BYTES: u32 = 65_535 - 600;
/// Bytes of a character.
const CHARACTER: u32 = 4;
/// The longest VARCHAR by itself.
const LONGEST_VARCHAR: u32 = ROW_BYTES / CHARACTER;
/// Characters that an index which is not unique has of a long column.
pub const INDEX_PREFIX: u32 = 191;

const NOT_FINITE: &str = "NaN and infinities are refused";
const NOT_A_DATE: &str = "infinite dates and years outside of 1 to 9999 are refused";
const IN_KEY: &str = "a key has no room for longer values: they are refused";

/// What the columns of a table are declared as, in their order. `keys`: more lists of ordinals whose columns have to fit into a key,
/// beside the primary key and the unique keys.
#[must_use]
pub fn table_types(table: &Table, keys: &[Vec<u16>], server: Server) -> Vec<Mapped> {
    let of_postgres = table.columns.iter().any(is_of_postgres);
    if !of_postgres {
        return table.columns.iter().map(|column| column_type(column, server)).collect();
    }
    let unique = table.unique_keys.iter().filter(|key| !key.partial).map(|key| key.columns.as_slice());
    let all = unique.chain([table.primary_key.as_slice()]).chain(keys.iter().map(Vec::as_slice));
    let mut room = vec![None; table.columns.len()];
    for key in all {
        share_key(table, key, &mut room);
    }
    let mut types: Vec<_> =
        table.columns.iter().zip(&room).map(|(column, room)| in_room(column, *room, server)).collect();
    narrow_rows(table, &room, server, &mut types);
    types
}

/// Parts the bytes of a key among its columns: those that need less than an even share get what they need.
fn share_key(table: &Table, key: &[u16], room: &mut [Option<u32>]) {
    let mut wide: Vec<(usize, u32)> = key
        .iter()
        .filter_map(|ordinal| Some((usize::from(*ordinal), bytes(table.columns.get(usize::from(*ordinal))?))))
        .collect();
    let mut left = KEY_BYTES;
    if wide.iter().fold(0_u32, |sum, (_, bytes)| sum.saturating_add(*bytes)) <= left {
        return;
    }
    wide.sort_by_key(|(_, bytes)| *bytes);
    let mut columns = u32::try_from(wide.len()).unwrap_or(u32::MAX);
    for (ordinal, bytes) in wide {
        let share = left / columns.max(1);
        let taken = bytes.min(share);
        if bytes > share
            && let Some(room) = room.get_mut(ordinal)
        {
            *room = Some(room.map_or(share, |other| share.min(other)));
        }
        left -= taken;
        columns -= 1;
    }
}

/// Bytes of a column in a key or a row; all that there are for a long one.
fn bytes(column: &Column) -> u32 {
    match &column.column_type {
        ColumnType::Char(length) | ColumnType::VarChar(length) => length.saturating_mul(CHARACTER),
        ColumnType::Text(_) | ColumnType::Blob(_) => u32::MAX,
        ColumnType::Native(name) => printed_length(name).map_or(u32::MAX, |length| length * CHARACTER),
        ColumnType::Decimal { .. } => 32,
        ColumnType::Uuid => 36,
        ColumnType::Bits(length) => u32::from(length.div_ceil(8)),
        _ => 8,
    }
}

/// The declaration of a column that has so many bytes in a key.
fn in_room(column: &Column, room: Option<u32>, server: Server) -> Mapped {
    let Some(room) = room else { return column_type(column, server) };
    match &column.column_type {
        ColumnType::Blob(_) => Mapped::lossy(format!("varbinary({room})"), IN_KEY),
        ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_) | ColumnType::Native(_) => {
            let collation = collation(column, server).0;
            Mapped::lossy(format!("varchar({}){collation}", room / CHARACTER), IN_KEY)
        }
        _ => column_type(column, server),
    }
}

/// Makes long types of the widest columns until a row fits.
fn narrow_rows(table: &Table, room: &[Option<u32>], server: Server, types: &mut [Mapped]) {
    let in_key = |ordinal: usize| {
        let is = |key: &[u16]| key.iter().any(|other| usize::from(*other) == ordinal);
        is(&table.primary_key) || table.unique_keys.iter().any(|key| is(&key.columns))
    };
    let in_row = |column: &Column, ordinal: usize| match bytes(column) {
        u32::MAX => room.get(ordinal).copied().flatten().unwrap_or(12),
        bytes => bytes + 2,
    };
    let mut widths: Vec<_> = table.columns.iter().enumerate().map(|(n, column)| in_row(column, n)).collect();
    while widths.iter().fold(0_u32, |sum, width| sum.saturating_add(*width)) > ROW_BYTES {
        let widest = table
            .columns
            .iter()
            .enumerate()
            .filter(|(ordinal, column)| {
                matches!(column.column_type, ColumnType::VarChar(_) | ColumnType::Char(256..))
                    && !in_key(*ordinal)
            })
            .filter_map(|(ordinal, column)| Some((*widths.get(ordinal)?, ordinal, column)))
            .max_by_key(|(width, ..)| *width)
            .filter(|(width, ..)| *width > 12);
        let Some((_, ordinal, column)) = widest else { return };
        if let (Some(place), Some(width)) = (types.get_mut(ordinal), widths.get_mut(ordinal)) {
            let declaration = format!("{}{}", long_text(bytes(column)), collation(column, server).0);
            *place =
                Mapped::lossy(declaration, "a row has no room for it: a text without a limit of its length");
            *width = 12;
        }
    }
}

fn long_text(bytes: u32) -> &'static str {
    match bytes {
        0..=0xFFFF => "text",
        0x1_0000..=0xFF_FFFF => "mediumtext",
        _ => "longtext",
    }
}

/// How a column of PostgreSQL is declared, apart from what keys ask for.
pub(super) fn of_postgres(column: &Column, server: Server) -> Mapped {
    let text = |declaration: String, loss: Option<&'static str>| {
        let (collation, folds) = collation(column, server);
        Mapped { declaration: declaration + &collation, loss: loss.or(folds) }
    };
    match &column.column_type {
        ColumnType::Boolean => Mapped::exact("tinyint(1)"),
        ColumnType::Float => Mapped::lossy("float", NOT_FINITE),
        ColumnType::Double => Mapped::lossy("double", NOT_FINITE),
        ColumnType::Decimal { precision: 0, .. } => Mapped::lossy(
            "decimal(65,30)",
            "numbers with more than 35 digits before the point or 30 behind it, NaN and infinities are refused",
        ),
        ColumnType::Decimal { precision, scale } => match decimal_digits(*precision, *scale) {
            Some((precision, scale)) => Mapped::lossy(format!("decimal({precision},{scale})"), NOT_FINITE),
            None => text("longtext".to_owned(), Some("more digits than a decimal holds: kept as text")),
        },
        ColumnType::Char(length @ ..=255) => text(format!("char({length})"), None),
        ColumnType::Char(length) | ColumnType::VarChar(length) if *length <= LONGEST_VARCHAR => {
            text(format!("varchar({length})"), None)
        }
        ColumnType::Char(length) | ColumnType::VarChar(length) => {
            text(long_text(length.saturating_mul(CHARACTER)).to_owned(), None)
        }
        ColumnType::Text(_) => text("longtext".to_owned(), None),
        ColumnType::Date => Mapped::lossy("date", NOT_A_DATE),
        ColumnType::DateTime(fraction) => {
            Mapped::lossy(super::temporal("datetime", *fraction).declaration, NOT_A_DATE)
        }
        ColumnType::Timestamp(fraction) => Mapped::lossy(
            super::temporal("datetime", *fraction).declaration,
            "an instant becomes its date and time in UTC; infinite ones and years outside of 1 to 9999 are refused",
        ),
        ColumnType::Enum(labels) => text(format!("enum({})", super::quoted_list(labels)), None),
        ColumnType::Json if server.mariadb => {
            text("longtext".to_owned(), Some("documents are text in MariaDB"))
        }
        ColumnType::Json => Mapped::lossy(
            "json",
            "numbers become 64-bit integers or doubles; the order of members, duplicates and spaces are MySQL's",
        ),
        ColumnType::Uuid => Mapped::lossy("char(36) character set ascii", "a UUID becomes its text"),
        ColumnType::Native(name) => of_text(name, column, server),
        _ => super::own_type(column, server),
    }
}

/// A type that has no counterpart: the text that PostgreSQL prints.
fn of_text(name: &str, column: &Column, server: Server) -> Mapped {
    let (collation, _) = collation(column, server);
    match printed_length(name) {
        Some(length) => Mapped::lossy(format!("varchar({length}){collation}"), "becomes its text"),
        None if is_citext(name) => Mapped::lossy(
            format!("longtext{collation}"),
            "compares by the server's rules for letters of different case, and not by lower()",
        ),
        None if name == "xml" || name == "name" => Mapped::exact(format!("longtext{collation}")),
        None => Mapped::lossy(format!("longtext{collation}"), "becomes its text"),
    }
}

/// Characters that every value of a type fits into, for types whose text is short.
fn printed_length(name: &str) -> Option<u32> {
    Some(match name.split('(').next().unwrap_or_default().trim() {
        "inet" | "cidr" => 43,
        "macaddr" => 17,
        "macaddr8" => 23,
        "interval" => 120,
        "time with time zone" | "timetz" => 30,
        "money" => 64,
        "oid" | "xid" | "cid" => 10,
        "xid8" | "pg_lsn" => 20,
        "tid" => 20,
        "\"char\"" | "char" => 4,
        "name" => 63,
        _ => return None,
    })
}

fn is_citext(name: &str) -> bool {
    name.rsplit('.').next() == Some("citext")
}

/// The collation of a text, with what stands before it, and what it loses.
fn collation(column: &Column, server: Server) -> (String, Option<&'static str>) {
    let folds = matches!(&column.column_type, ColumnType::Native(name) if is_citext(name));
    let (name, loss) = match (folds, server) {
        (true, server) if server.mysql_since(8) => ("utf8mb4_0900_as_ci", None),
        (true, server) if server.mariadb_since(10, 10) => ("utf8mb4_uca1400_nopad_as_ci", None),
        (true, _) => ("utf8mb4_unicode_520_ci", None),
        (false, server) if server.mysql_since(8) => ("utf8mb4_0900_bin", None),
        (false, server) if server.mariadb_since(10, 2) => ("utf8mb4_nopad_bin", None),
        (false, _) => {
            ("utf8mb4_bin", Some("values that differ in spaces at their end alone are equal in a key"))
        }
    };
    (format!(" character set utf8mb4 collate {name}"), loss)
}

/// A default of PostgreSQL as MySQL takes it for a column of the type `declared`; `None` for one that it does not have.
#[must_use]
pub fn default_of(column: &Column, default: &str, declared: &str, server: Server) -> Option<String> {
    let long =
        ["longtext", "mediumtext", "text", "longblob", "json"].iter().any(|name| declared.starts_with(name));
    let enclosed = |expression: String| match server {
        server if server.mariadb => Some(expression),
        server => server.mysql_since(8).then(|| format!("({expression})")),
    };
    let Some(value) = expression::literal(default) else {
        return match &column.column_type {
            ColumnType::DateTime(0) if expression::is_now(default) => Some("CURRENT_TIMESTAMP".to_owned()),
            ColumnType::DateTime(fraction) if expression::is_now(default) => {
                Some(format!("CURRENT_TIMESTAMP({fraction})"))
            }
            ColumnType::Timestamp(fraction) if expression::is_now(default) => {
                enclosed(format!("UTC_TIMESTAMP({fraction})"))
            }
            ColumnType::Date if expression::is_now(default) => enclosed("CURRENT_DATE".to_owned()),
            ColumnType::Uuid if expression::is_random_uuid(default) => enclosed("uuid()".to_owned()),
            _ => None,
        };
    };
    let text = match value {
        Literal::Null => return Some("NULL".to_owned()),
        Literal::Number(digits) => digits,
        Literal::Bits(digits) => format!("b'{digits}'"),
        Literal::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
        // An instant depends on the zone of the session that declared it; `infinity` is no date here.
        Literal::Text(text)
            if matches!(column.column_type, ColumnType::Timestamp(_))
                || (matches!(column.column_type, ColumnType::Date | ColumnType::DateTime(_))
                    && !text.starts_with(|c: char| c.is_ascii_digit())) =>
        {
            return None;
        }
        Literal::Text(text) => super::quote_text(&text),
    };
    if long { enclosed(text) } else { Some(text) }
}

/// Precision and scale as MySQL counts them; `None` beyond its limits.
#[must_use]
pub fn decimal_digits(precision: u16, scale: i16) -> Option<(u16, u16)> {
    let (precision, scale) = match u16::try_from(scale) {
        Ok(scale) => (precision.max(scale), scale),
        Err(_) => (precision + scale.unsigned_abs(), 0),
    };
    (precision <= 65 && scale <= 30).then_some((precision, scale))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use slackwater_decoders::schema::{TableName, UniqueKey};

    use super::*;

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column { number: Some(1), ..Column::new(name, column_type) }
    }

    fn server() -> Server {
        Server::parse("9.7.1")
    }

    fn table(columns: Vec<Column>, primary_key: Vec<u16>) -> Table {
        Table {
            name: TableName::new("app", "t"),
            columns,
            primary_key,
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        }
    }

    fn declared(table: &Table) -> Vec<String> {
        let of = |mapped: Mapped| mapped.declaration.split(" character").next().unwrap().to_owned();
        table_types(table, &[], server()).into_iter().map(of).collect()
    }

    #[test]
    fn long_columns_share_the_room_of_a_key() {
        let text = || column("t", ColumnType::Text(u32::MAX));
        assert_eq!(declared(&table(vec![text()], vec![0])), ["varchar(768)"]);
        assert_eq!(declared(&table(vec![text()], vec![])), ["longtext"]);
        let id = column("id", ColumnType::Integer { bytes: 8, unsigned: false });
        let bytes = column("b", ColumnType::Blob(u32::MAX));
        let mut table = table(vec![id, text(), bytes, column("v", ColumnType::VarChar(1000))], vec![0, 1, 2]);
        table.unique_keys.push(UniqueKey { name: "u".to_owned(), columns: vec![3], partial: false });
        assert_eq!(declared(&table), ["bigint", "varchar(383)", "varbinary(1532)", "varchar(768)"]);
    }

    #[test]
    fn rows_that_are_too_wide_have_long_texts() {
        let wide = (0..5).map(|_| column("v", ColumnType::VarChar(4_000))).collect();
        let types = declared(&table(wide, vec![]));
        assert_eq!(types.iter().filter(|name| *name == "text").count(), 1, "{types:?}");
    }

    #[test]
    fn digits_are_counted_as_mysql_does() {
        assert_eq!(decimal_digits(12, 2), Some((12, 2)));
        assert_eq!(decimal_digits(5, -2), Some((7, 0)));
        assert_eq!(decimal_digits(3, 5), Some((5, 5)));
        assert_eq!(decimal_digits(1_000, 0), None);
    }
}
