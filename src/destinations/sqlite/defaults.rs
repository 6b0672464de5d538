//! The value that the source gives to rows which existed before a column did, or for which a statement named none.
//!
//! MySQL 8.0, *Data Type Default Values*: without a DEFAULT clause a nullable column has NULL, and a NOT NULL column in an
//! existing row has the implicit default of its type: 0, the empty string, the zero date, the first member of an ENUM.

use rusqlite::types::Value as Owned;
use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::Timestamp,
};

/// The value, or why it cannot be told. `time_micros` is when the statement ran.
pub(super) fn initial_value(column: &Column, time_micros: i64) -> Result<Owned, &'static str> {
    if column.generated.is_some() {
        return Err("the column is computed and the log does not repeat the values of existing rows");
    }
    match column.default.as_deref().map(str::trim) {
        None if column.nullable => Ok(Owned::Null),
        None => implicit(&column.column_type),
        Some(expression) if expression.eq_ignore_ascii_case("null") => Ok(Owned::Null),
        Some(expression) => explicit(&column.column_type, expression, time_micros),
    }
}

fn implicit(column_type: &ColumnType) -> Result<Owned, &'static str> {
    Ok(match column_type {
        ColumnType::Integer { .. } | ColumnType::Bits(_) | ColumnType::Year => Owned::Integer(0),
        ColumnType::Float | ColumnType::Double => Owned::Real(0.0),
        ColumnType::Decimal { scale, .. } => Owned::Text(with_scale("0", *scale).unwrap_or_default()),
        ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_) | ColumnType::Set(_) => {
            Owned::Text(String::new())
        }
        ColumnType::VarBinary(_) | ColumnType::Blob(_) => Owned::Blob(Vec::new()),
        ColumnType::Binary(length) => Owned::Blob(vec![0; *length as usize]),
        ColumnType::Date => Owned::Text("0000-00-00".into()),
        ColumnType::Time(fraction) => Owned::Text(format!("00:00:00{}", zeros(*fraction))),
        ColumnType::DateTime(fraction) | ColumnType::Timestamp(fraction) => {
            Owned::Text(format!("0000-00-00 00:00:00{}", zeros(*fraction)))
        }
        ColumnType::Enum(labels) => {
            Owned::Text(labels.first().cloned().ok_or("the names of the ENUM are not known")?)
        }
        ColumnType::Json => Owned::Text("null".into()),
        ColumnType::Uuid => Owned::Text("00000000-0000-0000-0000-000000000000".into()),
        ColumnType::Inet4 => Owned::Text("0.0.0.0".into()),
        ColumnType::Inet6 => Owned::Text("::".into()),
        _ => return Err("its type has no implicit default"),
    })
}

fn explicit(column_type: &ColumnType, expression: &str, time_micros: i64) -> Result<Owned, &'static str> {
    const UNKNOWN: &str = "its default is an expression that only the source can evaluate";
    let literal = unquoted(expression);
    let bare = literal.as_deref().unwrap_or(expression);
    let text = || literal.clone().ok_or(UNKNOWN);
    match column_type {
        ColumnType::Integer { .. } | ColumnType::Year => bare
            .parse()
            .map(Owned::Integer)
            .or_else(|_| bare.parse::<u64>().map(|number| Owned::Text(number.to_string())))
            .map_err(|_| UNKNOWN),
        ColumnType::Bits(_) => {
            let digits =
                expression.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\'')).ok_or(UNKNOWN)?;
            i64::from_str_radix(digits, 2).map(Owned::Integer).map_err(|_| UNKNOWN)
        }
        ColumnType::Double => bare.parse().map(Owned::Real).map_err(|_| UNKNOWN),
        ColumnType::Float => {
            bare.parse::<f32>().map(|number| Owned::Real(number.into())).map_err(|_| UNKNOWN)
        }
        ColumnType::Decimal { scale, .. } => with_scale(bare, *scale).map(Owned::Text).ok_or(UNKNOWN),
        ColumnType::Char(_)
        | ColumnType::VarChar(_)
        | ColumnType::Text(_)
        | ColumnType::Enum(_)
        | ColumnType::Set(_) => text().map(Owned::Text),
        ColumnType::VarBinary(_) | ColumnType::Blob(_) => text().map(|text| Owned::Blob(text.into_bytes())),
        ColumnType::Timestamp(fraction) if is_now(expression) => {
            Ok(Owned::Text(Timestamp { micros: time_micros, precision: *fraction }.to_string()))
        }
        ColumnType::Date if bare.len() == 10 => text().map(Owned::Text),
        ColumnType::DateTime(fraction) if bare.len() >= 19 => {
            let text = text()?;
            let (whole, digits) = text.split_once('.').unwrap_or((&text, ""));
            if whole.len() != 19 || digits.len() > usize::from(*fraction) {
                return Err(UNKNOWN);
            }
            let point = if *fraction > 0 { "." } else { "" };
            Ok(Owned::Text(format!("{whole}{point}{digits:0<width$}", width = usize::from(*fraction))))
        }
        _ => Err(UNKNOWN),
    }
}

/// The text of a plain string literal.
fn unquoted(expression: &str) -> Option<String> {
    let inner = expression.strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.contains('\\')).then(|| inner.replace("''", "'"))
}

fn is_now(expression: &str) -> bool {
    let name = expression.split('(').next().unwrap_or_default().trim();
    ["current_timestamp", "now", "localtime", "localtimestamp"]
        .iter()
        .any(|now| name.eq_ignore_ascii_case(now))
}

/// Decimal text with exactly `scale` digits behind the point; `None` when it is no number or would have to be rounded.
pub(super) fn with_scale(number: &str, scale: i16) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > scale {
        return None;
    }
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction:0<scale$}") })
}

fn zeros(fraction: u8) -> String {
    if fraction == 0 { String::new() } else { format!(".{}", "0".repeat(fraction.into())) }
}
