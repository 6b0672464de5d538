//! The value that the source gives to rows which existed before a column did, or for which a statement named none.
//!
//! MySQL 8.0, *Data Type Default Values*: without a DEFAULT clause a nullable column has NULL, and a NOT NULL column in an
//! existing row has the implicit default of its type: 0, the empty string, the zero date, the first member of an ENUM.

use crate::types::postgres::{expression, is_of_postgres};
use rusqlite::types::Value as Owned;
use slackwater_decoders::{
    mysql::ddl::{self, Literal},
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
        Some(expression) => explicit(column, expression, time_micros),
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

const UNKNOWN: &str = "its default is an expression that only the source can evaluate";

fn explicit(column: &Column, expression: &str, time_micros: i64) -> Result<Owned, &'static str> {
    let (column_type, of_postgres) = (&column.column_type, is_of_postgres(column));
    if let (ColumnType::Timestamp(fraction), true) = (column_type, !of_postgres && is_now(expression)) {
        return Ok(Owned::Text(Timestamp { micros: time_micros, precision: *fraction }.to_string()));
    }
    let literal = if of_postgres { expression::literal(expression) } else { ddl::literal(expression) };
    let literal = literal.ok_or(UNKNOWN)?;
    if literal == Literal::Null {
        return Ok(Owned::Null);
    }
    match column_type {
        ColumnType::Boolean | ColumnType::Integer { .. } | ColumnType::Year | ColumnType::Bits(_) => {
            integer(literal)
        }
        // Each number and each text is as it is written there.
        ColumnType::Decimal { precision: 0, .. } => Ok(Owned::Text(number(&literal)?.to_owned())),
        ColumnType::Native(_) | ColumnType::Uuid if of_postgres => text(literal).map(Owned::Text),
        ColumnType::Double => number(&literal)?.parse().map(Owned::Real).map_err(|_| UNKNOWN),
        ColumnType::Float => {
            number(&literal)?.parse::<f32>().map(|number| Owned::Real(number.into())).map_err(|_| UNKNOWN)
        }
        ColumnType::Decimal { scale, .. } => {
            with_scale(number(&literal)?, *scale).map(Owned::Text).ok_or(UNKNOWN)
        }
        ColumnType::Char(_) => Ok(Owned::Text(text(literal)?.trim_end_matches(' ').to_owned())),
        ColumnType::VarChar(_) | ColumnType::Text(_) => text(literal).map(Owned::Text),
        ColumnType::Enum(labels) => {
            member(labels, &text(literal)?).map(|label| Owned::Text(label.to_owned()))
        }
        ColumnType::Set(members) => set(members, &text(literal)?).map(Owned::Text),
        ColumnType::VarBinary(_) | ColumnType::Blob(_) => bytes(literal).map(Owned::Blob),
        ColumnType::Binary(length) => {
            let mut bytes = bytes(literal)?;
            bytes.resize(*length as usize, 0);
            Ok(Owned::Blob(bytes))
        }
        ColumnType::Date | ColumnType::Time(_) | ColumnType::DateTime(_) | ColumnType::Timestamp(_) => {
            temporal(column_type, &text(literal)?).map(Owned::Text).ok_or(UNKNOWN)
        }
        _ => Err(UNKNOWN),
    }
}

fn integer(literal: Literal) -> Result<Owned, &'static str> {
    let number = match &literal {
        Literal::Bits(digits) => u64::from_str_radix(digits, 2).map_err(|_| UNKNOWN)?,
        Literal::Bytes(bytes) if bytes.len() <= 8 => {
            bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        }
        other => {
            let digits = number(other)?;
            if let Ok(number) = digits.parse() {
                return Ok(Owned::Integer(number));
            }
            digits.parse().map_err(|_| UNKNOWN)?
        }
    };
    Ok(i64::try_from(number).map_or_else(|_| Owned::Text(number.to_string()), Owned::Integer))
}

fn number(literal: &Literal) -> Result<&str, &'static str> {
    match literal {
        Literal::Number(digits) | Literal::Text(digits) => Ok(digits),
        _ => Err(UNKNOWN),
    }
}

fn text(literal: Literal) -> Result<String, &'static str> {
    match literal {
        Literal::Text(text) | Literal::Number(text) => Ok(text),
        Literal::Bytes(bytes) if bytes.is_ascii() => String::from_utf8(bytes).map_err(|_| UNKNOWN),
        _ => Err(UNKNOWN),
    }
}

fn bytes(literal: Literal) -> Result<Vec<u8>, &'static str> {
    match literal {
        Literal::Bytes(bytes) => Ok(bytes),
        // Servers show bytes that are no characters as `?`, MariaDB as they are: neither can be told from a definition.
        Literal::Text(text) if text.contains(['?', char::REPLACEMENT_CHARACTER]) => Err(UNKNOWN),
        other => text(other).map(String::into_bytes),
    }
}

/// The member as it is declared. The source compares by the column's collation; more than ASCII's cases is not guessed.
fn member<'a>(members: &'a [String], name: &str) -> Result<&'a str, &'static str> {
    let exact = members.iter().find(|member| *member == name);
    exact
        .or_else(|| members.iter().find(|member| member.eq_ignore_ascii_case(name)))
        .map(String::as_str)
        .ok_or(UNKNOWN)
}

/// The members in their declared order.
fn set(members: &[String], names: &str) -> Result<String, &'static str> {
    let mut named = Vec::new();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        named.push(member(members, name)?);
    }
    let in_order: Vec<_> =
        members.iter().map(String::as_str).filter(|member| named.contains(member)).collect();
    Ok(in_order.join(","))
}

/// Text in the spelling that the log's values get. Of an instant only the zero one is known: another one depends on the time
/// zone of the session that declared it.
fn temporal(column_type: &ColumnType, text: &str) -> Option<String> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let digit_groups = |text: &str, separator: char, widths: &[usize]| {
        let groups: Vec<_> = text.split(separator).collect();
        groups.len() == widths.len()
            && groups.iter().zip(widths).all(|(group, width)| {
                group.len() == *width && group.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    let is_date = |text: &str| digit_groups(text, '-', &[4, 2, 2]);
    let fraction = match column_type {
        ColumnType::Date => return (digits.is_empty() && is_date(whole)).then(|| whole.to_owned()),
        ColumnType::Time(fraction) | ColumnType::DateTime(fraction) | ColumnType::Timestamp(fraction) => {
            usize::from(*fraction)
        }
        _ => return None,
    };
    let is_known = match column_type {
        ColumnType::Time(_) => {
            let hms = whole.trim_start_matches('-');
            digit_groups(hms, ':', &[2, 2, 2]) || digit_groups(hms, ':', &[3, 2, 2])
        }
        ColumnType::DateTime(_) => whole
            .split_once(' ')
            .is_some_and(|(date, time)| is_date(date) && digit_groups(time, ':', &[2, 2, 2])),
        _ => whole == "0000-00-00 00:00:00" && digits.trim_end_matches('0').is_empty(),
    };
    // What has to be rounded is left to the source.
    let is_exact =
        digits.trim_end_matches('0').len() <= fraction && digits.bytes().all(|byte| byte.is_ascii_digit());
    let digits = digits.get(..digits.len().min(fraction))?;
    let point = if fraction > 0 { "." } else { "" };
    (is_known && is_exact).then(|| format!("{whole}{point}{digits:0<fraction$}"))
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
