//! Existing values after a change of a column's type.
//!
//! The source converts them without a word in the log, so the same has to be done here, and only what SQLite can do
//! exactly is done: each conversion comes with the condition under which it is exact for a value, and a table with a
//! value that fails it is left alone with a definite error.

use slackwater_decoders::schema::{Column, ColumnType};

use crate::types::postgres::is_of_postgres;

/// How to read the new value from the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conversion {
    /// An SQL expression over the old column.
    pub(super) expression: String,
    /// A condition that every value that is not NULL has to meet.
    pub(super) condition: Option<String>,
}

impl Conversion {
    fn copy(old: &str) -> Self {
        Conversion { expression: old.to_owned(), condition: None }
    }

    fn to(expression: String) -> Self {
        Conversion { expression, condition: None }
    }

    fn if_all(mut self, condition: String) -> Self {
        self.condition = Some(match self.condition {
            Some(other) => format!("{other} AND {condition}"),
            None => condition,
        });
        self
    }
}

/// The conversion between two definitions of a column; `old` is the quoted name of the old one. `None`: there is none that
/// is exact.
pub(super) fn conversion(before: &Column, after: &Column, old: &str) -> Option<Conversion> {
    let (from, to) = (&before.column_type, &after.column_type);
    if from == to {
        return Some(Conversion::copy(old));
    }
    let padded = |column_type: &ColumnType| matches!(column_type, ColumnType::Char(_));
    if is_of_postgres(before) && (padded(from) || padded(to)) {
        // Its values have their spaces, and lose or gain some.
        return None;
    }
    let found = between(from, to, old)?;
    let is_numeric = |column_type: &ColumnType| {
        matches!(
            column_type,
            ColumnType::Decimal { .. }
                | ColumnType::Date
                | ColumnType::DateTime(_)
                | ColumnType::Timestamp(_)
        )
    };
    if is_of_postgres(before) && is_numeric(from) && found.expression != old {
        // NaN, infinities, years BC.
        return Some(found.if_all(format!("{old} NOT GLOB '*[A-Za-z]*'")));
    }
    Some(found)
}

fn between(from: &ColumnType, to: &ColumnType, old: &str) -> Option<Conversion> {
    use ColumnType as T;
    Some(match (from, to) {
        (T::Integer { .. } | T::Year | T::Bits(_), T::Integer { .. }) => integer_range(old, to),
        (T::Integer { .. }, T::Decimal { scale, .. }) => {
            Conversion::to(format!("CAST({old} AS TEXT) || '{}'", fraction(*scale)))
        }
        (T::Integer { .. }, T::Char(_) | T::VarChar(_) | T::Text(_)) => {
            shorter(Conversion::to(format!("CAST({old} AS TEXT)")), to)
        }
        (T::Integer { .. }, T::Double) => {
            Conversion::to(format!("CAST({old} AS REAL)")).if_all(format!("abs({old}) <= 9007199254740992"))
        }
        (T::Float, T::Double) => Conversion::copy(old),
        (T::Boolean, T::Integer { .. }) => Conversion::copy(old),
        // Without a limit each number has a scale of its own.
        (T::Decimal { .. }, T::Decimal { precision: 0, .. }) => Conversion::copy(old),
        (T::Decimal { precision: 0, .. } | T::Decimal { scale: ..0, .. }, T::Decimal { .. })
        | (T::Decimal { .. }, T::Decimal { scale: ..0, .. }) => return None,
        (T::Decimal { scale: 0, .. }, T::Integer { .. }) => text_to_integer(old, to),
        (T::Decimal { scale: before, .. }, T::Decimal { scale: after, .. }) => rescale(old, *before, *after)?,
        (T::Decimal { .. }, T::Char(_) | T::VarChar(_) | T::Text(_)) => shorter(Conversion::copy(old), to),
        (T::Char(_) | T::VarChar(_) | T::Text(_), T::Integer { .. }) => text_to_integer(old, to),
        (
            T::Char(_) | T::VarChar(_) | T::Text(_) | T::Enum(_) | T::Set(_) | T::Uuid,
            T::Char(_) | T::VarChar(_) | T::Text(_),
        ) => shorter(Conversion::copy(old), to),
        (T::Char(_) | T::VarChar(_) | T::Text(_) | T::Enum(_), T::Enum(labels)) => {
            let list: Vec<_> =
                labels.iter().map(|label| format!("'{}'", label.replace('\'', "''"))).collect();
            Conversion::copy(old).if_all(format!("{old} IN ({})", list.join(", ")))
        }
        // Members that were only added behind the others keep every combination as it is.
        (T::Set(before), T::Set(after)) if after.starts_with(before) => Conversion::copy(old),
        (T::Json, T::Text(_)) => Conversion::copy(old),
        (T::VarBinary(_) | T::Blob(_) | T::Binary(_), T::VarBinary(length) | T::Blob(length)) => {
            Conversion::copy(old).if_all(format!("length({old}) <= {length}"))
        }
        (T::Date, T::DateTime(digits)) => {
            Conversion::to(format!("{old} || ' 00:00:00{}'", fraction(i16::from(*digits))))
        }
        (T::Time(before), T::Time(after))
        | (T::DateTime(before), T::DateTime(after))
        | (T::Timestamp(before), T::Timestamp(after)) => rescale(old, i16::from(*before), i16::from(*after))?,
        (T::Geometry(_), T::Geometry(kind)) if kind.eq_ignore_ascii_case("geometry") => Conversion::copy(old),
        _ => return None,
    })
}

fn integer_range(old: &str, to: &ColumnType) -> Conversion {
    let ColumnType::Integer { bytes, unsigned } = to else { return Conversion::copy(old) };
    let bits = u32::from(*bytes).clamp(1, 8) * 8;
    let condition = match (bits, unsigned) {
        // Text stands above every integer in SQLite's order, and is a number above i64::MAX here.
        (64, true) => format!("{old} >= 0"),
        (64, false) => format!("typeof({old}) = 'integer'"),
        (_, true) => format!("{old} BETWEEN 0 AND {}", (1_i64 << bits) - 1),
        (_, false) => format!("{old} BETWEEN {} AND {}", -(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1),
    };
    Conversion::copy(old).if_all(condition)
}

/// Text that is an integer as the source would print it.
fn text_to_integer(old: &str, to: &ColumnType) -> Conversion {
    let number = format!("CAST({old} AS INTEGER)");
    let range = integer_range(&number, to).condition.unwrap_or_default();
    Conversion::to(number.clone()).if_all(format!("CAST({number} AS TEXT) = {old} AND {range}"))
}

/// More digits behind the point are zeros; fewer are exact where the cut ones are zeros.
fn rescale(old: &str, before: i16, after: i16) -> Option<Conversion> {
    if before == after {
        return Some(Conversion::copy(old));
    }
    if after > before {
        let point = if before == 0 { "." } else { "" };
        let zeros = "0".repeat(usize::try_from(after - before).ok()?);
        return Some(Conversion::to(format!("{old} || '{point}{zeros}'")));
    }
    let digits = before - after;
    let cut = digits + i16::from(after == 0);
    let tail = format!("{}{}", if after == 0 { "." } else { "" }, "0".repeat(usize::try_from(digits).ok()?));
    Some(
        Conversion::to(format!("substr({old}, 1, length({old}) - {cut})"))
            .if_all(format!("substr({old}, -{cut}) = '{tail}'")),
    )
}

/// A length in characters for CHAR and VARCHAR, in bytes for TEXT.
fn shorter(conversion: Conversion, to: &ColumnType) -> Conversion {
    let text = &conversion.expression;
    let condition = match to {
        // CHAR has no spaces at its end.
        ColumnType::Char(length) => format!("length({text}) <= {length} AND {text} = rtrim({text}, ' ')"),
        ColumnType::VarChar(length) => format!("length({text}) <= {length}"),
        ColumnType::Text(length) => format!("length(CAST({text} AS BLOB)) <= {length}"),
        _ => return conversion,
    };
    conversion.if_all(condition)
}

/// A point and that many zeros.
fn fraction(digits: i16) -> String {
    match usize::try_from(digits) {
        Ok(digits @ 1..) => format!(".{}", "0".repeat(digits)),
        _ => String::new(),
    }
}
