//! Types and their synonyms.
//!
//! Source: MySQL reference manual, "Data Types" and "Using Data Types from Other Database Engines"; MariaDB
//! documentation, "Data Types" and "SQL_MODE=ORACLE".

use sqlparser::tokenizer::Token;

use super::{
    ParseError,
    default::text_literal,
    statement::{DataType, TextCharset, TextKind},
    tokens::{COMMA, Cursor, LEFT, RIGHT},
};
use crate::schema::ColumnType;

const TINY: u32 = 0xff;
const SHORT: u32 = 0xffff;
const MEDIUM: u32 = 0xff_ffff;
const LONG: u32 = 0xffff_ffff;

/// Reads a type with its attributes `UNSIGNED`, `ZEROFILL`, `CHARACTER SET`, `BINARY` and so on. The flag says whether
/// it was `SERIAL`, which implies more than a type.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(DataType, bool), ParseError> {
    let Some(word) = cursor.keyword() else { return Err(cursor.error("a type is expected")) };
    let place = cursor.place();
    cursor.skip_one()?;
    if word == "SERIAL" {
        let column_type = ColumnType::Integer { bytes: 8, unsigned: true };
        return Ok((DataType::Plain { column_type, declared: "bigint unsigned".into() }, true));
    }
    let families = [integer, real, exact, temporal, text, binary, special];
    for family in families {
        if let Some(data_type) = family(cursor, &word)? {
            return Ok((data_type, false));
        }
    }
    cursor.back(place);
    Err(cursor.error("the type is not known"))
}

fn plain(column_type: ColumnType, declared: impl Into<String>) -> DataType {
    DataType::Plain { column_type, declared: declared.into() }
}

/// `SIGNED`, `UNSIGNED` and `ZEROFILL` in any order. Returns the spelling and whether the number is unsigned.
fn sign(cursor: &mut Cursor<'_>) -> (&'static str, bool) {
    let mut unsigned = false;
    let mut zerofill = false;
    loop {
        if cursor.accept("UNSIGNED") {
            unsigned = true;
        } else if cursor.accept("ZEROFILL") {
            zerofill = true;
        } else if !cursor.accept("SIGNED") {
            break;
        }
    }
    match (unsigned, zerofill) {
        (_, true) => (" unsigned zerofill", true),
        (true, false) => (" unsigned", true),
        (false, false) => ("", false),
    }
}

fn integer(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<DataType>, ParseError> {
    let (bytes, name) = match word {
        "TINYINT" | "INT1" | "BOOL" | "BOOLEAN" => (1, "tinyint"),
        "SMALLINT" | "INT2" => (2, "smallint"),
        "MEDIUMINT" | "INT3" | "MIDDLEINT" => (3, "mediumint"),
        "INT" | "INTEGER" | "INT4" => (4, "int"),
        "BIGINT" | "INT8" => (8, "bigint"),
        _ => return Ok(None),
    };
    let width = if matches!(word, "BOOL" | "BOOLEAN") {
        Some(1)
    } else if cursor.is_symbol(&LEFT) {
        Some(cursor.number_in_parentheses::<u16>()?)
    } else {
        None
    };
    let (attributes, unsigned) = sign(cursor);
    let width = width.map(|width| format!("({width})")).unwrap_or_default();
    Ok(Some(plain(ColumnType::Integer { bytes, unsigned }, format!("{name}{width}{attributes}"))))
}

/// `(precision)` or `(precision, scale)`.
fn precision(cursor: &mut Cursor<'_>) -> Result<Option<(u16, Option<u16>)>, ParseError> {
    if !cursor.accept_symbol(&LEFT) {
        return Ok(None);
    }
    let digits = cursor.number()?;
    let scale = if cursor.accept_symbol(&COMMA) { Some(cursor.number()?) } else { None };
    cursor.expect_symbol(&RIGHT)?;
    Ok(Some((digits, scale)))
}

fn real(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<DataType>, ParseError> {
    let mut single = match word {
        "FLOAT" | "FLOAT4" => true,
        "DOUBLE" | "FLOAT8" => false,
        "REAL" => cursor.context().real_is_float(),
        "NUMBER" if cursor.context().oracle() && !cursor.is_symbol(&LEFT) => false,
        _ => return Ok(None),
    };
    if matches!(word, "DOUBLE" | "REAL") {
        cursor.accept("PRECISION");
    }
    let mut digits = String::new();
    match precision(cursor)? {
        Some((bits, None)) => single = single && bits <= 24,
        Some((precision, Some(scale))) => digits = format!("({precision},{scale})"),
        None => {}
    }
    let (attributes, _) = sign(cursor);
    let (column_type, name) =
        if single { (ColumnType::Float, "float") } else { (ColumnType::Double, "double") };
    Ok(Some(plain(column_type, format!("{name}{digits}{attributes}"))))
}

fn exact(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<DataType>, ParseError> {
    match word {
        "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => {}
        "NUMBER" if cursor.context().oracle() => {}
        _ => return Ok(None),
    }
    let (precision, scale) = precision(cursor)?.unwrap_or((10, None));
    // DECIMAL(0) is DECIMAL.
    let precision = if precision == 0 { 10 } else { precision };
    let scale = scale.unwrap_or(0);
    let (attributes, _) = sign(cursor);
    let column_scale = i16::try_from(scale).map_err(|_| cursor.error("the scale is out of range"))?;
    let column_type = ColumnType::Decimal { precision, scale: column_scale };
    Ok(Some(plain(column_type, format!("decimal({precision},{scale}){attributes}"))))
}

/// `(digits of the fraction)`.
fn fraction(cursor: &mut Cursor<'_>) -> Result<(u8, String), ParseError> {
    if !cursor.is_symbol(&LEFT) {
        return Ok((0, String::new()));
    }
    let digits: u8 = cursor.number_in_parentheses()?;
    if digits > 6 {
        return Err(cursor.error("a time has at most six fractional digits"));
    }
    Ok((digits, if digits == 0 { String::new() } else { format!("({digits})") }))
}

fn temporal(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<DataType>, ParseError> {
    let context = cursor.context();
    Ok(Some(match word {
        "DATE" if context.oracle() => plain(ColumnType::DateTime(0), "datetime"),
        "DATE" => plain(ColumnType::Date, "date"),
        "TIME" => {
            let (digits, spelling) = fraction(cursor)?;
            plain(ColumnType::Time(digits), format!("time{spelling}"))
        }
        "TIMESTAMP" if !context.timestamp_is_datetime() => {
            let (digits, spelling) = fraction(cursor)?;
            plain(ColumnType::Timestamp(digits), format!("timestamp{spelling}"))
        }
        "DATETIME" | "TIMESTAMP" => {
            let (digits, spelling) = fraction(cursor)?;
            plain(ColumnType::DateTime(digits), format!("datetime{spelling}"))
        }
        "YEAR" => {
            if cursor.is_symbol(&LEFT) && cursor.number_in_parentheses::<u8>()? == 2 {
                sign(cursor);
                return Ok(Some(plain(ColumnType::Year, "year(2)")));
            }
            sign(cursor);
            plain(ColumnType::Year, "year")
        }
        _ => return Ok(None),
    }))
}

/// What text kinds a word means, apart from length and character set.
enum Family {
    Char,
    VarChar,
    Text(u32),
    Enum,
    Set,
}

fn text(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<DataType>, ParseError> {
    let mut charset = TextCharset::default();
    let Some(family) = text_family(cursor, word, &mut charset)? else { return Ok(None) };
    let kind = match family {
        Family::Char => TextKind::Char(optional_length(cursor)?.unwrap_or(1)),
        Family::VarChar => TextKind::VarChar(cursor.number_in_parentheses()?),
        Family::Text(SHORT) => optional_length(cursor)?.map_or(TextKind::Text(SHORT), TextKind::SizedText),
        Family::Text(bytes) => TextKind::Text(bytes),
        Family::Enum => TextKind::Enum(names(cursor)?),
        Family::Set => TextKind::Set(names(cursor)?),
    };
    text_attributes(cursor, &mut charset)?;
    if word == "JSON" {
        // MariaDB's JSON is a LONGTEXT that is told apart only by a check.
        charset = json_charset();
    }
    Ok(Some(DataType::Text { kind, charset }))
}

fn json_charset() -> TextCharset {
    TextCharset {
        charset: Some("utf8mb4".into()),
        bin_collation: false,
        collation: Some("utf8mb4_bin".into()),
    }
}

fn text_family(
    cursor: &mut Cursor<'_>,
    word: &str,
    charset: &mut TextCharset,
) -> Result<Option<Family>, ParseError> {
    let national = || Some("utf8mb3".to_owned());
    Ok(Some(match word {
        "CHAR" | "CHARACTER" => varying(cursor),
        "VARCHAR" | "VARCHARACTER" => Family::VarChar,
        "VARCHAR2" if cursor.context().oracle() => Family::VarChar,
        "NCHAR" => {
            charset.charset = national();
            if cursor.accept("VARCHAR") { Family::VarChar } else { varying(cursor) }
        }
        "NVARCHAR" => {
            charset.charset = national();
            Family::VarChar
        }
        "NATIONAL" => {
            charset.charset = national();
            if cursor.accept_any(&["CHAR", "CHARACTER"]) {
                varying(cursor)
            } else if cursor.accept_any(&["VARCHAR", "VARCHARACTER"]) {
                Family::VarChar
            } else {
                return Err(cursor.error("CHAR or VARCHAR is expected"));
            }
        }
        "TINYTEXT" => Family::Text(TINY),
        "TEXT" => Family::Text(SHORT),
        "MEDIUMTEXT" => Family::Text(MEDIUM),
        "LONGTEXT" => Family::Text(LONG),
        "CLOB" if cursor.context().oracle() => Family::Text(LONG),
        "JSON" if cursor.context().mariadb => Family::Text(LONG),
        "LONG" if !cursor.is("VARBINARY") => {
            let _ = cursor.accept("VARCHAR")
                || cursor.accept_all(&["CHAR", "VARYING"])
                || cursor.accept_all(&["CHARACTER", "VARYING"]);
            Family::Text(MEDIUM)
        }
        "ENUM" => Family::Enum,
        "SET" => Family::Set,
        _ => return Ok(None),
    }))
}

fn varying(cursor: &mut Cursor<'_>) -> Family {
    if cursor.accept("VARYING") { Family::VarChar } else { Family::Char }
}

fn optional_length(cursor: &mut Cursor<'_>) -> Result<Option<u32>, ParseError> {
    if cursor.is_symbol(&LEFT) { cursor.number_in_parentheses().map(Some) } else { Ok(None) }
}

/// The names of an ENUM or SET. Trailing spaces are not part of them.
fn names(cursor: &mut Cursor<'_>) -> Result<Vec<String>, ParseError> {
    cursor.expect_symbol(&LEFT)?;
    let mut names = Vec::new();
    loop {
        let name = text_literal(cursor)?;
        names.push(name.trim_end_matches(' ').to_owned());
        if !cursor.accept_symbol(&COMMA) {
            break;
        }
    }
    cursor.expect_symbol(&RIGHT)?;
    Ok(names)
}

/// `CHARACTER SET x`, `BINARY`, `ASCII`, `UNICODE`, `BYTE` in any order; MariaDB also `COMPRESSED`.
fn text_attributes(cursor: &mut Cursor<'_>, charset: &mut TextCharset) -> Result<(), ParseError> {
    loop {
        if cursor.accept_all(&["CHARACTER", "SET"])
            || cursor.accept_all(&["CHAR", "SET"])
            || cursor.accept("CHARSET")
        {
            charset.charset = Some(charset_name(cursor)?);
        } else if cursor.accept("BINARY") {
            charset.bin_collation = true;
        } else if cursor.accept("ASCII") {
            charset.charset = Some("latin1".into());
        } else if cursor.accept("UNICODE") {
            charset.charset = Some("ucs2".into());
        } else if cursor.accept("BYTE") {
            charset.charset = Some("binary".into());
        } else {
            return Ok(());
        }
    }
}

/// The name of a character set or collation: a word, a string or `BINARY`.
pub(super) fn charset_name(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let name = if cursor.is_string() { cursor.string()? } else { cursor.identifier()? };
    Ok(name.to_ascii_lowercase())
}

fn binary(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<DataType>, ParseError> {
    let (bytes, name) = match word {
        "BINARY" => {
            let length = optional_length(cursor)?.unwrap_or(1);
            return Ok(Some(plain(ColumnType::Binary(length), format!("binary({length})"))));
        }
        "VARBINARY" => return var_binary(cursor).map(Some),
        "RAW" if cursor.context().oracle() => return var_binary(cursor).map(Some),
        "LONG" if cursor.accept("VARBINARY") => (MEDIUM, "mediumblob"),
        "TINYBLOB" => (TINY, "tinyblob"),
        "BLOB" if cursor.context().oracle() && !cursor.is_symbol(&LEFT) => (LONG, "longblob"),
        "BLOB" => {
            let bytes = optional_length(cursor)?.map_or(SHORT, |length| fitting(u64::from(length)));
            (bytes, blob_name(bytes))
        }
        "MEDIUMBLOB" => (MEDIUM, "mediumblob"),
        "LONGBLOB" => (LONG, "longblob"),
        _ => return Ok(None),
    };
    Ok(Some(plain(ColumnType::Blob(bytes), name)))
}

/// A `VARBINARY` beyond the limit becomes a BLOB when the SQL mode is not strict.
fn var_binary(cursor: &mut Cursor<'_>) -> Result<DataType, ParseError> {
    let length: u32 = cursor.number_in_parentheses()?;
    if length > SHORT {
        let bytes = fitting(u64::from(length));
        return Ok(plain(ColumnType::Blob(bytes), blob_name(bytes)));
    }
    Ok(plain(ColumnType::VarBinary(length), format!("varbinary({length})")))
}

/// The capacity in bytes of the smallest TEXT or BLOB for that many bytes.
pub(in crate::mysql) fn fitting(bytes: u64) -> u32 {
    [TINY, SHORT, MEDIUM].into_iter().find(|&capacity| bytes <= u64::from(capacity)).unwrap_or(LONG)
}

/// The name of the binary type of that capacity.
pub(in crate::mysql) fn blob_name(capacity: u32) -> &'static str {
    match capacity {
        TINY => "tinyblob",
        SHORT => "blob",
        MEDIUM => "mediumblob",
        _ => "longblob",
    }
}

/// The name of the text type of that capacity.
pub(in crate::mysql) fn text_name(capacity: u32) -> &'static str {
    match capacity {
        TINY => "tinytext",
        SHORT => "text",
        MEDIUM => "mediumtext",
        _ => "longtext",
    }
}

fn special(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<DataType>, ParseError> {
    let mariadb = cursor.context().mariadb;
    Ok(Some(match word {
        "BIT" => {
            let bits =
                if cursor.is_symbol(&LEFT) { cursor.number_in_parentheses::<u16>()?.max(1) } else { 1 };
            plain(ColumnType::Bits(bits), format!("bit({bits})"))
        }
        "JSON" => plain(ColumnType::Json, "json"),
        "UUID" if mariadb => plain(ColumnType::Uuid, "uuid"),
        "INET4" if mariadb => plain(ColumnType::Inet4, "inet4"),
        "INET6" if mariadb => plain(ColumnType::Inet6, "inet6"),
        "VECTOR" => {
            let dimensions = if cursor.is_symbol(&LEFT) { cursor.number_in_parentheses()? } else { 2048 };
            plain(ColumnType::Vector(dimensions), format!("vector({dimensions})"))
        }
        "GEOMETRYCOLLECTION" | "GEOMCOLLECTION" => {
            // 8.0 and later spell it shorter.
            plain(ColumnType::Geometry("geometrycollection".into()), "geometrycollection")
        }
        "GEOMETRY" | "POINT" | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING"
        | "MULTIPOLYGON" => {
            let name = word.to_ascii_lowercase();
            skip_geometry_precision(cursor)?;
            plain(ColumnType::Geometry(name.clone()), name)
        }
        _ => return Ok(None),
    }))
}

/// `GEOMETRY(n)` and such are taken and ignored by old servers.
fn skip_geometry_precision(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.is_symbol(&LEFT) && matches!(cursor.peek_at(1), Some(Token::Number(..))) {
        cursor.number_in_parentheses::<u32>()?;
    }
    Ok(())
}
