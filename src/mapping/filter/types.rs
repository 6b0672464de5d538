//! What is known of an expression before any row.

use slackwater_decoders::schema::{Column, ColumnType};

use super::{number::Exact, text::Collation};

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Always NULL.
    Null,
    /// An integer or decimal.
    Exact(Digits),
    /// A floating point number.
    Double,
    /// Text.
    Text(TextType),
    /// Bytes.
    Bytes,
    /// A date.
    Date,
    /// A date with a time of day.
    DateTime,
    /// A duration.
    Time,
    /// What can be tested for NULL and nothing else; with its name.
    Other(&'static str),
}

/// How large an exact number can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    /// Before the point.
    pub(super) whole: u32,
    /// Behind the point.
    pub(super) scale: u32,
    /// An integer: its results are those of BIGINT, or of BIGINT UNSIGNED.
    pub(super) integer: Option<Sign>,
    /// A YEAR, which the server does not compare with constants as other integers.
    pub(super) year: bool,
    /// A constant that BIGINT does not hold.
    pub(super) huge: bool,
}

/// Whether an integer is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Signed,
    Unsigned,
}

impl Digits {
    pub(super) const fn integer(whole: u32, sign: Sign) -> Self {
        Digits { whole, scale: 0, integer: Some(sign), year: false, huge: false }
    }

    pub(super) const fn decimal(whole: u32, scale: u32) -> Self {
        Digits { whole, scale, integer: None, year: false, huge: false }
    }

    /// 0 or 1.
    pub(super) const TRUTH: Type = Type::Exact(Digits::integer(1, Sign::Signed));

    /// Whether a floating point number holds every value.
    pub(super) fn fits_double(self) -> bool {
        self.whole + self.scale <= 15
    }

    pub(super) fn is_unsigned(self) -> bool {
        self.integer == Some(Sign::Unsigned)
    }
}

/// What is known of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TextType {
    /// `None` for a constant, which takes that of what it is compared with.
    pub(super) collation: Option<Collation>,
    /// The constant.
    pub(super) constant: Option<String>,
    /// Why the text itself is only known as far as comparisons with ASCII constants tell it.
    pub(super) rough: Option<&'static str>,
}

impl Type {
    /// The type of a column; what cannot be judged, with the reason.
    pub(super) fn of_column(column: &Column) -> Result<Self, String> {
        Ok(match &column.column_type {
            ColumnType::Integer { bytes, unsigned } => {
                let sign = if *unsigned { Sign::Unsigned } else { Sign::Signed };
                let whole = match bytes {
                    1 => 3,
                    2 => 5,
                    3 => 8,
                    4 => 10,
                    _ if *unsigned => 20,
                    _ => 19,
                };
                Type::Exact(Digits::integer(whole, sign))
            }
            ColumnType::Bits(bits) if *bits <= 64 => Type::Exact(Digits::integer(20, Sign::Unsigned)),
            ColumnType::Year => Type::Exact(Digits { year: true, ..Digits::integer(4, Sign::Unsigned) }),
            ColumnType::Decimal { precision, scale } => {
                let scale = u32::try_from(*scale).unwrap_or(0);
                let whole = u32::from(*precision).saturating_sub(scale);
                if whole + scale > super::number::DIGITS {
                    return Ok(Type::Other("a decimal of more than 38 digits"));
                }
                Type::Exact(Digits::decimal(whole, scale))
            }
            ColumnType::Float | ColumnType::Double => Type::Double,
            ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_) => text(column, None)?,
            ColumnType::Enum(_) => text(column, Some("a member of an ENUM"))?,
            ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob(_) => Type::Bytes,
            ColumnType::Date => Type::Date,
            ColumnType::DateTime(_) | ColumnType::Timestamp(_) => Type::DateTime,
            ColumnType::Time(_) => Type::Time,
            ColumnType::Json => Type::Other("JSON"),
            ColumnType::Set(_) => Type::Other("a SET"),
            ColumnType::Bits(_) => Type::Other("a long bit string"),
            ColumnType::Geometry(_) => Type::Other("a geometry"),
            ColumnType::Uuid => Type::Other("a UUID"),
            ColumnType::Inet4 | ColumnType::Inet6 => Type::Other("an address"),
            ColumnType::Vector(_) => Type::Other("a vector"),
            _ => Type::Other("of its type"),
        })
    }

    pub(super) fn constant_text(text: &str) -> Self {
        Type::Text(TextType { collation: None, constant: Some(text.to_owned()), rough: None })
    }

    pub(super) fn constant_number(number: Exact) -> Self {
        const WIDEST: i128 = i64::MAX as i128;
        let digits = |value: i128| value.unsigned_abs().checked_ilog10().map_or(1, |digits| digits + 1);
        match number.to_integer() {
            Some(value) if value <= i128::from(u64::MAX) => {
                let sign = if value > WIDEST { Sign::Unsigned } else { Sign::Signed };
                Type::Exact(Digits { huge: value > WIDEST, ..Digits::integer(digits(value), sign) })
            }
            _ => {
                let (whole, scale) = number.digits();
                Type::Exact(Digits::decimal(whole, scale))
            }
        }
    }

    /// What it is, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Type::Null => "NULL",
            Type::Exact(_) | Type::Double => "a number",
            Type::Text(_) => "a text",
            Type::Bytes => "a binary string",
            Type::Date => "a date",
            Type::DateTime => "a date with time",
            Type::Time => "a time",
            Type::Other(name) => name,
        }
    }
}

fn text(column: &Column, rough: Option<&'static str>) -> Result<Type, String> {
    let Some(name) = &column.collation else {
        return Err(format!("the collation of the column {} is not known", column.name));
    };
    match Collation::named(name) {
        Some(collation) => Ok(Type::Text(TextType { collation: Some(collation), constant: None, rough })),
        None if name == "binary" => Ok(Type::Bytes),
        None => Err(format!(
            "the column {} has the collation {name}, whose rules are not known here: only a collation that ends in _bin, \
             general_ci, unicode_ci, unicode_520_ci, 0900_ai_ci, 0900_as_ci, 0900_as_cs or uca1400_ai_ci of utf8 and \
             utf8mb4, and those of latin1 and ascii can be judged",
            column.name
        )),
    }
}
