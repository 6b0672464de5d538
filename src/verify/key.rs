//! Keys that outlive the batch they were read in, and the same key in the types of the other end.

use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::{Bits, Cell, Date, DateTime, Enum, Time, Timestamp, UuidText, Value},
};

/// The values of a key, in its order.
pub(super) type Key = Vec<Owned>;

/// A value of a key that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Owned {
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    Decimal(String),
    Text(String),
    Binary(Vec<u8>),
    Date(Date),
    Time(Time),
    DateTime(DateTime),
    Timestamp(Timestamp),
    Year(u16),
    Bits { length: u16, bytes: Vec<u8> },
    Enum { index: u16, label: Option<String> },
    Uuid([u8; 16]),
}

impl Owned {
    /// The value; `None` for one that no key has.
    pub(super) fn of(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Bool(truth) => Owned::Bool(truth),
            Value::Int(number) => Owned::Int(number),
            Value::UInt(number) => Owned::UInt(number),
            Value::Float(number) => Owned::Float(number),
            Value::Double(number) => Owned::Double(number),
            Value::Decimal(digits) => Owned::Decimal(digits.to_owned()),
            Value::Text(text) => Owned::Text(text.to_owned()),
            Value::Binary(bytes) => Owned::Binary(bytes.to_owned()),
            Value::Date(date) => Owned::Date(date),
            Value::Time(time) => Owned::Time(time),
            Value::DateTime(time) => Owned::DateTime(time),
            Value::Timestamp(time) => Owned::Timestamp(time),
            Value::Year(year) => Owned::Year(year),
            Value::Bits(Bits { length, bytes }) => Owned::Bits { length, bytes: bytes.to_owned() },
            Value::Enum(Enum { index, label }) => Owned::Enum { index, label: label.map(str::to_owned) },
            Value::Uuid(bytes) => Owned::Uuid(bytes),
            _ => return None,
        })
    }

    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Owned::Bool(truth) => Value::Bool(*truth),
            Owned::Int(number) => Value::Int(*number),
            Owned::UInt(number) => Value::UInt(*number),
            Owned::Float(number) => Value::Float(*number),
            Owned::Double(number) => Value::Double(*number),
            Owned::Decimal(digits) => Value::Decimal(digits),
            Owned::Text(text) => Value::Text(text),
            Owned::Binary(bytes) => Value::Binary(bytes),
            Owned::Date(date) => Value::Date(*date),
            Owned::Time(time) => Value::Time(*time),
            Owned::DateTime(time) => Value::DateTime(*time),
            Owned::Timestamp(time) => Value::Timestamp(*time),
            Owned::Year(year) => Value::Year(*year),
            Owned::Bits { length, bytes } => Value::Bits(Bits { length: *length, bytes }),
            Owned::Enum { index, label } => Value::Enum(Enum { index: *index, label: label.as_deref() }),
            Owned::Uuid(bytes) => Value::Uuid(*bytes),
        }
    }

    /// The same value as a column of the other end has it; `None` where none is known to be the same.
    pub(super) fn of_column(&self, from: &Column, to: &Column, to_sqlite: bool) -> Option<Self> {
        if to_sqlite {
            return self.stored(from);
        }
        if from.column_type == to.column_type {
            return Some(self.clone());
        }
        Some(match (&to.column_type, self) {
            (ColumnType::Integer { unsigned: false, .. }, _) => {
                Owned::Int(i64::try_from(self.integer()?).ok()?)
            }
            (ColumnType::Integer { unsigned: true, .. }, _) => {
                Owned::UInt(u64::try_from(self.integer()?).ok()?)
            }
            (ColumnType::Year, _) => Owned::Year(u16::try_from(self.integer()?).ok()?),
            (ColumnType::Boolean, _) => Owned::Bool(self.integer()? == 1),
            (ColumnType::Decimal { .. }, Owned::Decimal(_)) => self.clone(),
            (ColumnType::Decimal { .. }, Owned::Text(digits)) => Owned::Decimal(digits.clone()),
            (ColumnType::Decimal { .. }, _) => Owned::Decimal(self.integer()?.to_string()),
            (ColumnType::Bits(length @ ..=64), Owned::Bits { bytes, .. }) => {
                Owned::Bits { length: *length, bytes: bytes.clone() }
            }
            (ColumnType::Double, Owned::Float(number)) => Owned::Double(f64::from(*number)),
            (ColumnType::Date, Owned::Date(_))
            | (ColumnType::Time(_), Owned::Time(_))
            | (ColumnType::DateTime(_), Owned::DateTime(_))
            | (ColumnType::Timestamp(_), Owned::Timestamp(_))
            | (ColumnType::Uuid, Owned::Uuid(_)) => self.clone(),
            (ColumnType::DateTime(_), Owned::Timestamp(time)) => Owned::DateTime(time.to_utc()),
            (ColumnType::Timestamp(precision), Owned::DateTime(time)) => {
                Owned::Timestamp(Timestamp { micros: time.epoch_micros()?, precision: *precision })
            }
            (ColumnType::Uuid, Owned::Text(text)) => {
                let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
                Owned::Uuid(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
            }
            (ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_), Owned::Uuid(bytes)) => {
                Owned::Text(UuidText(*bytes).to_string())
            }
            (
                ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_),
                Owned::Enum { label: Some(label), .. },
            ) => Owned::Text(label.clone()),
            (ColumnType::Enum(labels), Owned::Text(label) | Owned::Enum { label: Some(label), .. }) => {
                let place = labels.iter().position(|own| own == label)?;
                Owned::Enum { index: u16::try_from(place + 1).ok()?, label: Some(label.clone()) }
            }
            (ColumnType::Char(_), Owned::Text(text)) => Owned::Text(text.trim_end_matches(' ').to_owned()),
            (ColumnType::VarChar(_) | ColumnType::Text(_), Owned::Text(text)) => {
                // A CHAR of PostgreSQL has spaces at its end that mean nothing.
                let is_padded = matches!(from.column_type, ColumnType::Char(_));
                Owned::Text(if is_padded { text.trim_end_matches(' ') } else { text }.to_owned())
            }
            (ColumnType::Native(_), Owned::Text(_))
            | (ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob(_), Owned::Binary(_)) => {
                self.clone()
            }
            _ => return None,
        })
    }

    /// As a SQLite file stores it.
    fn stored(&self, from: &Column) -> Option<Self> {
        let mut form = crate::destinations::sqlite::StoredForm::default();
        Owned::of(form.of(from, self.value()).ok()?)
    }

    /// The whole number that it is.
    pub(super) fn integer(&self) -> Option<i128> {
        Some(match self {
            Owned::Bool(truth) => i128::from(*truth),
            Owned::Int(number) => i128::from(*number),
            Owned::UInt(number) => i128::from(*number),
            Owned::Year(year) => i128::from(*year),
            Owned::Decimal(digits) => {
                digits.split_once('.').map_or(digits.as_str(), |(whole, _)| whole).parse().ok()?
            }
            Owned::Bits { length, bytes } => i128::from(Bits { length: *length, bytes }.to_u64()?),
            _ => return None,
        })
    }
}

/// The values at these places of a row; `None` where one is NULL, not told, or of a kind that no key has.
pub(super) fn key_of(row: &[Cell<'_>], places: &[usize]) -> Option<Key> {
    places.iter().map(|place| Owned::of(row.get(*place)?.value()?)).collect()
}

/// The values as they are asked for.
pub(super) fn values(key: &[Owned]) -> Vec<Value<'_>> {
    key.iter().map(Owned::value).collect()
}

/// Whether both ends have the keys of such a pair of columns in the same order.
pub(super) fn is_same_order(
    source: &Column,
    destination: &Column,
    same_family: bool,
    to_sqlite: bool,
) -> bool {
    use ColumnType as T;
    let (from, to) = (&source.column_type, &destination.column_type);
    if to_sqlite {
        let is_small = |column_type: &T| match column_type {
            T::Integer { bytes, unsigned } => *bytes < 8 || !unsigned,
            T::Year | T::Boolean => true,
            _ => false,
        };
        return is_small(from) || matches!(from, T::Binary(_) | T::VarBinary(_) | T::Blob(_));
    }
    let is_number =
        |column_type: &T| matches!(column_type, T::Integer { .. } | T::Decimal { .. } | T::Year | T::Boolean);
    let is_binary = |column_type: &T| matches!(column_type, T::Binary(_) | T::VarBinary(_) | T::Blob(_));
    match (from, to) {
        (from, to) if is_number(from) && is_number(to) => true,
        (T::Date, T::Date) | (T::Time(_), T::Time(_)) => true,
        (T::DateTime(_) | T::Timestamp(_), T::DateTime(_) | T::Timestamp(_)) => true,
        (from, to) if is_binary(from) && is_binary(to) => true,
        // MariaDB orders its own by another order than that of their bytes.
        (T::Uuid, T::Uuid) => same_family && source.number.is_some(),
        (T::Char(_) | T::VarChar(_), T::Char(_) | T::VarChar(_)) => {
            let collation = source.collation.as_deref();
            let is_by_bytes = matches!(collation, Some("C" | "POSIX" | "ucs_basic"));
            // A collation of MySQL is a part of the server; one of PostgreSQL is of its operating system.
            let is_known = is_by_bytes || source.number.is_none();
            same_family
                && is_known
                && from == to
                && collation.is_some()
                && collation == destination.collation.as_deref()
        }
        _ => false,
    }
}
