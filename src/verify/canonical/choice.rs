//! Which form a pair of columns has.

use slackwater_decoders::schema::{Column, ColumnType};

use super::Class;
use crate::{
    config::{DestinationConfig, postgres::Unrepresentable},
    types::postgres::is_of_postgres,
};

/// One end of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What is followed.
    Source,
    /// What is written to.
    Destination,
}

/// What kind of database the destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
    /// A SQLite file.
    Sqlite,
}

/// What the destination does with values that it cannot hold.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What it is.
    pub product: Product,
    /// Dates that do not exist become NULL.
    pub drops_invalid_dates: bool,
    /// Zero bytes inside of text are left out.
    pub drops_zero_bytes: bool,
}

impl Rules {
    /// The rules of a destination.
    #[must_use]
    pub fn of(destination: &DestinationConfig) -> Self {
        let product = match destination {
            DestinationConfig::Mysql(_) => Product::Mysql,
            DestinationConfig::Postgres(config) => {
                let drops = |rule| rule == Unrepresentable::Drop;
                return Rules {
                    product: Product::Postgres,
                    drops_invalid_dates: drops(config.invalid_dates),
                    drops_zero_bytes: drops(config.zero_bytes),
                };
            }
            DestinationConfig::Sqlite(_) => Product::Sqlite,
        };
        Rules { product, drops_invalid_dates: false, drops_zero_bytes: false }
    }
}

/// How the values of a pair of columns are compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The form.
    pub class: Class,
    /// The column as the source has it, under the destination's name.
    pub source: Column,
    /// The column at the destination.
    pub destination: Column,
}

impl Comparison {
    /// The column at one end.
    #[must_use]
    pub fn column(&self, end: End) -> &Column {
        match end {
            End::Source => &self.source,
            End::Destination => &self.destination,
        }
    }
}

const NARROWER: &str = "the destination keeps fewer digits of the second";

/// How a pair of columns is compared.
///
/// # Errors
/// Why it cannot be: what the destination's type loses is more than a form can leave out.
pub fn choose(source: &Column, destination: &Column, rules: Rules) -> Result<Comparison, &'static str> {
    let class = class(source, destination, rules)?;
    Ok(Comparison { class, source: source.clone(), destination: destination.clone() })
}

fn class(source: &Column, destination: &Column, rules: Rules) -> Result<Class, &'static str> {
    use ColumnType as T;
    if rules.product == Product::Sqlite {
        // A file gets the values of computed columns from the log, and MariaDB's partial images lack those that are not stored.
        if source.generated.as_ref().is_some_and(|generated| !generated.stored) {
            return Err("the source computes it, and its log need not have the value");
        }
        return Ok(Class::Stored);
    }
    let text = text(source, destination, rules);
    let (from, to) = (&source.column_type, &destination.column_type);
    Ok(match (from, to) {
        // Each number has a scale of its own there, which is kept.
        (T::Decimal { precision: 0, .. }, T::Decimal { precision: 0, .. }) => text,
        (from, to) if is_exact(from) && is_exact(to) => Class::Number,
        (T::Float, T::Float | T::Double) | (T::Double, T::Double) => Class::Double,
        (T::Double, T::Float) => Class::Single,
        (from, T::Double) if is_exact(from) => Class::Double,
        (from, T::Float) if is_exact(from) => Class::Single,
        (T::Float | T::Double, to) if is_exact(to) => {
            return Err("a floating point number has become an exact one");
        }
        (from, to) if is_moment(from) && is_moment(to) => {
            if fraction(to) < fraction(from) || (matches!(to, T::Date) && !matches!(from, T::Date)) {
                return Err(NARROWER);
            }
            Class::Moment { without_invalid: rules.product == Product::Postgres && rules.drops_invalid_dates }
        }
        (T::Time(from), T::Time(to)) if to < from => return Err(NARROWER),
        (T::Time(_), T::Time(_)) => Class::Duration,
        (T::Time(_), T::Native(name)) if name.starts_with("interval") => Class::Duration,
        (T::Timestamp(_), to) if !is_moment(to) => return Err("an instant has become a text"),
        (T::Enum(_), T::Enum(_)) => Class::Members,
        (T::Set(_), T::Native(_)) => return Err("a set has become an array"),
        (T::Json, T::Json) if is_of_postgres(source) == is_of_postgres(destination) => text,
        (_, T::Json) => Class::Json { doubles: rules.product == Product::Mysql },
        (_, T::Uuid) => Class::Uuid { any_spelling: true },
        (T::Uuid, _) => Class::Uuid { any_spelling: false },
        (T::Inet4 | T::Inet6, T::Native(_)) => Class::Address,
        (T::Inet4, T::Inet4) | (T::Inet6, T::Inet6) => Class::Bytes,
        (T::Geometry(_), T::Geometry(_)) => Class::Geometry,
        (T::Geometry(_), _) if rules.product == Product::Postgres => Class::ExtendedGeometry,
        (T::Geometry(_), _) => Class::Geometry,
        (T::Vector(_), _) => Class::Vector,
        (T::Bits(65..), T::Bits(_)) => text,
        (_, to) if is_binary(to) => Class::Bytes,
        _ => text,
    })
}

/// The form of text. PostgreSQL fills its `character(n)` with spaces, and MySQL drops those at the end of a CHAR.
fn text(source: &Column, destination: &Column, rules: Rules) -> Class {
    let is_padded = |column: &Column| matches!(column.column_type, ColumnType::Char(_));
    let is_to_mysql = is_of_postgres(source) && rules.product == Product::Mysql;
    Class::Text {
        source_trimmed: is_padded(source) && (is_padded(destination) || is_to_mysql),
        destination_trimmed: is_padded(destination),
        without_zero_bytes: rules.product == Product::Postgres && rules.drops_zero_bytes,
    }
}

fn is_exact(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Boolean
            | ColumnType::Integer { .. }
            | ColumnType::Decimal { .. }
            | ColumnType::Year
            | ColumnType::Bits(..=64)
    )
}

fn is_moment(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::Date | ColumnType::DateTime(_) | ColumnType::Timestamp(_))
}

fn is_binary(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob(_))
}

fn fraction(column_type: &ColumnType) -> u8 {
    match column_type {
        ColumnType::Time(fraction) | ColumnType::DateTime(fraction) | ColumnType::Timestamp(fraction) => {
            *fraction
        }
        _ => 0,
    }
}
