//! Types as PostgreSQL spells them (`format_type`, `src/backend/utils/adt/format_type.c`), and as columns of the normalized format.

use super::{
    TypeCatalog, TypeKind,
    builtin::{Builtin, oid},
};
use crate::schema::ColumnType;

/// Bytes that a value of PostgreSQL may have at most, and more.
const UNLIMITED: u32 = u32::MAX;
/// How deep domains, arrays and ranges may lie in each other.
const DEPTH: u8 = 32;

/// The type of a column, and how the source spells it: as `format_type(type_oid, typmod)` with `search_path = ''`, except that words
/// of SQL that name a type are not quoted, and that modifiers of extensions' types are left out.
///
/// A domain has the type of its base, and its own spelling. A type that is not in the catalog is
/// [`ColumnType::Native`].
#[must_use]
pub fn column_type(type_oid: u32, typmod: i32, types: &TypeCatalog) -> (ColumnType, String) {
    let declared = spelled(type_oid, typmod, types, DEPTH);
    (
        normalized(type_oid, typmod, types, DEPTH).unwrap_or_else(|| ColumnType::Native(declared.clone())),
        declared,
    )
}

/// The type's variant; `None` for those that only have a name.
fn normalized(type_oid: u32, typmod: i32, types: &TypeCatalog, depth: u8) -> Option<ColumnType> {
    let modifier = |base: i32| u32::try_from(typmod.checked_sub(base)?).ok();
    let length = modifier(4).filter(|length| *length > 0);
    let fraction = || u8::try_from(typmod).ok().filter(|digits| *digits <= 6).unwrap_or(6);
    let integer = |bytes, unsigned| ColumnType::Integer { bytes, unsigned };
    Some(match type_oid {
        oid::BOOL => ColumnType::Boolean,
        oid::INT2 => integer(2, false),
        oid::INT4 => integer(4, false),
        oid::INT8 => integer(8, false),
        oid::OID | oid::XID | oid::CID => integer(4, true),
        oid::XID8 => integer(8, true),
        oid::FLOAT4 => ColumnType::Float,
        oid::FLOAT8 => ColumnType::Double,
        oid::NUMERIC => {
            let (precision, scale) = numeric_modifier(typmod).unwrap_or_default();
            ColumnType::Decimal { precision, scale }
        }
        oid::TEXT | oid::REFCURSOR => ColumnType::Text(UNLIMITED),
        oid::NAME => ColumnType::VarChar(63),
        oid::VARCHAR => length.map_or(ColumnType::Text(UNLIMITED), ColumnType::VarChar),
        oid::BPCHAR => length.map_or(ColumnType::Text(UNLIMITED), ColumnType::Char),
        oid::BYTEA => ColumnType::Blob(UNLIMITED),
        oid::DATE => ColumnType::Date,
        oid::TIME => ColumnType::Time(fraction()),
        oid::TIMESTAMP => ColumnType::DateTime(fraction()),
        oid::TIMESTAMPTZ => ColumnType::Timestamp(fraction()),
        oid::JSON | oid::JSONB => ColumnType::Json,
        oid::UUID => ColumnType::Uuid,
        oid::BIT => ColumnType::Bits(bits(typmod)?),
        _ => {
            let definition = types.get(type_oid)?;
            match &definition.kind {
                TypeKind::Enum(labels) => ColumnType::Enum(labels.to_vec()),
                TypeKind::Domain { base, typmod } => normalized(*base, *typmod, types, depth.checked_sub(1)?)
                    .unwrap_or_else(|| ColumnType::Native(spelled(*base, *typmod, types, depth))),
                TypeKind::Base if definition.name == "citext" => ColumnType::Text(UNLIMITED),
                _ => return None,
            }
        }
    })
}

/// The length of a `bit(n)` whose values are [`Value::Bits`](crate::value::Value::Bits): up to 64.
pub(in crate::postgres) fn bits(typmod: i32) -> Option<u16> {
    u16::try_from(typmod).ok().filter(|length| (1..=64).contains(length))
}

/// Precision and scale of a numeric with a modifier.
fn numeric_modifier(typmod: i32) -> Option<(u16, i16)> {
    let packed = typmod.checked_sub(4).filter(|packed| *packed >= 0)?;
    let scale = ((packed & 0x7FF) ^ 1024) - 1024;
    Some(((packed >> 16) as u16, scale as i16))
}

fn spelled(type_oid: u32, typmod: i32, types: &TypeCatalog, depth: u8) -> String {
    let Some(depth) = depth.checked_sub(1) else { return "???".to_owned() };
    match Builtin::of(type_oid) {
        Some(Builtin::Scalar(name)) => scalar(type_oid, name, typmod),
        Some(Builtin::Array(element)) => spelled(element, typmod, types, depth) + "[]",
        Some(Builtin::Range(name, _) | Builtin::Multirange(name, _)) => name.to_owned(),
        None => match types.get(type_oid) {
            None => format!("type {type_oid}"),
            Some(definition) => match definition.kind {
                TypeKind::Array { element } => spelled(element, typmod, types, depth) + "[]",
                _ => qualified(&definition.schema, &definition.name),
            },
        },
    }
}

fn scalar(type_oid: u32, name: &str, typmod: i32) -> String {
    if typmod < 0 {
        return name.to_owned();
    }
    match type_oid {
        oid::BPCHAR => format!("character({})", typmod.saturating_sub(4)),
        oid::VARCHAR => format!("character varying({})", typmod.saturating_sub(4)),
        oid::BIT => format!("bit({typmod})"),
        oid::VARBIT => format!("bit varying({typmod})"),
        oid::NUMERIC => match numeric_modifier(typmod) {
            Some((precision, scale)) => format!("numeric({precision},{scale})"),
            None => name.to_owned(),
        },
        oid::TIME | oid::TIMESTAMP | oid::TIMETZ | oid::TIMESTAMPTZ => match name.split_once(' ') {
            Some((first, rest)) => format!("{first}({typmod}) {rest}"),
            None => name.to_owned(),
        },
        oid::INTERVAL => interval(typmod),
        _ => name.to_owned(),
    }
}

/// `intervaltypmodout` (`src/backend/utils/adt/timestamp.c`): a mask of fields above, a precision below.
fn interval(typmod: i32) -> String {
    const MONTH: i32 = 1 << 1;
    const YEAR: i32 = 1 << 2;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    let (mask, precision) = (typmod >> 16 & 0x7FFF, typmod & 0xFFFF);
    let named = [
        (YEAR, "year"),
        (MONTH, "month"),
        (DAY, "day"),
        (HOUR, "hour"),
        (MINUTE, "minute"),
        (SECOND, "second"),
    ];
    let mut of_mask =
        named.iter().filter(|(bit, _)| mask & bit != 0 && mask != 0x7FFF).map(|(_, name)| *name);
    let fields = match (of_mask.next(), of_mask.next_back()) {
        (Some(first), Some(last)) => format!(" {first} to {last}"),
        (Some(only), None) => format!(" {only}"),
        _ => String::new(),
    };
    match precision {
        0xFFFF => format!("interval{fields}"),
        digits => format!("interval{fields}({digits})"),
    }
}

fn qualified(schema: &str, name: &str) -> String {
    match schema {
        "pg_catalog" => quoted(name),
        schema => format!("{}.{}", quoted(schema), quoted(name)),
    }
}

fn quoted(name: &str) -> String {
    let starts_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if starts_plain && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether two spellings are of one type: schemas and quotes depend on the session's `search_path` and the server's words.
pub(in crate::postgres) fn is_spelled_alike(a: &str, b: &str) -> bool {
    fn bare(text: &str) -> impl Iterator<Item = char> {
        let name = text.split('(').next().unwrap_or_default();
        let start = name.rfind('.').map_or(0, |dot| dot + 1);
        text.get(start..).unwrap_or_default().chars().filter(|c| *c != '"')
    }
    a == b || bare(a).eq(bare(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `format_type` of PostgreSQL 18 prints.
    #[test]
    fn types_are_spelled_as_by_format_type() {
        let types = TypeCatalog::new();
        for (type_oid, typmod, spelled) in [
            (oid::BPCHAR, 14, "character(10)"),
            (oid::VARCHAR, -1, "character varying"),
            (1015, 24, "character varying(20)[]"),
            (oid::NUMERIC, 655_366, "numeric(10,2)"),
            (oid::NUMERIC, 198_658, "numeric(3,-2)"),
            (oid::TIMESTAMPTZ, 3, "timestamp(3) with time zone"),
            (oid::TIMETZ, 0, "time(0) with time zone"),
            (oid::INTERVAL, 470_351_871, "interval day to second"),
            (oid::INTERVAL, 470_286_338, "interval day to second(2)"),
            (oid::INTERVAL, 327_679, "interval year"),
            (oid::INTERVAL, 268_435_459, "interval second(3)"),
            (oid::INTERVAL, 2_147_418_113, "interval(1)"),
            (oid::BIT, 5, "bit(5)"),
            (oid::BIT, -1, "\"bit\""),
            (1563, 9, "bit varying(9)[]"),
        ] {
            assert_eq!(column_type(type_oid, typmod, &types).1, spelled);
        }
    }

    #[test]
    fn a_spelling_may_lack_its_schema() {
        assert!(is_spelled_alike("app.\"Mood\"", "\"Mood\""));
        assert!(is_spelled_alike("numeric(10,2)", "numeric(10,2)"));
        assert!(!is_spelled_alike("numeric(10,2)", "numeric(10,3)"));
        assert!(!is_spelled_alike("app.mood", "app.modes"));
    }
}
