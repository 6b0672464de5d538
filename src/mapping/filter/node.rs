//! Compiled expressions, and what they are for a row.

use std::{borrow::Cow, cmp::Ordering};

use slackwater_decoders::{
    schema::ColumnType,
    value::{Cell, Value},
};

use super::{
    moment::Moment,
    number::Exact,
    text::{Collation, LikePattern, with_case},
};

/// A row as far as an image, or the two of an update, tell it.
#[derive(Clone, Copy, Debug)]
pub(in crate::mapping) struct Row<'a> {
    image: &'a [Cell<'a>],
    before: &'a [Cell<'a>],
}

impl<'a> Row<'a> {
    /// The row of an image.
    pub(in crate::mapping) fn new(image: &'a [Cell<'a>]) -> Self {
        Row { image, before: &[] }
    }

    /// The row after an update: what its image leaves out is as it was before.
    pub(in crate::mapping) fn updated(before: &'a [Cell<'a>], image: &'a [Cell<'a>]) -> Self {
        Row { image, before }
    }

    fn value(self, ordinal: usize) -> Option<Value<'a>> {
        let own = self.image.get(ordinal).and_then(|cell| cell.value());
        own.or_else(|| self.before.get(ordinal).and_then(|cell| cell.value()))
    }
}

/// Why a row cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Stop {
    /// The image does not have the column of that ordinal.
    Absent(usize),
    /// A value of the column of that ordinal is not of the column's type.
    Unreadable(usize),
    /// A result is out of the range of its type: the server would refuse as well.
    OutOfRange,
}

type Result<T, E = Stop> = std::result::Result<T, E>;

/// A value while it is computed.
#[derive(Clone, Debug)]
pub(super) enum Datum<'a> {
    Null,
    Exact(Exact),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Moment(Moment),
    Time(i64),
    /// A value that is only known not to be NULL.
    Other,
}

/// An expression whose types are checked.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Column {
        ordinal: usize,
        column_type: ColumnType,
    },
    Constant(Datum<'static>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Xor(Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    /// `IS TRUE`, `IS FALSE`.
    Is(Box<Node>, bool),
    Compare {
        relation: Relation,
        by: Comparison,
        sides: Box<(Node, Node)>,
    },
    Like(Box<Node>, LikePattern),
    Arithmetic {
        operator: Arithmetic,
        range: Range,
        sides: Box<(Node, Node)>,
    },
    Coalesce(Vec<Node>),
    Call(Function, Box<Node>),
}

/// A comparison's operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    /// `<=>`
    Same,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Exact,
    Double,
    Text(Collation),
    Bytes,
    /// Dates with or without time.
    Moment,
    Time,
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Plus,
    Minus,
    Times,
    /// `/`, of floating point numbers.
    Divide,
    /// `DIV`
    Quotient,
    /// `%`
    Remainder,
}

/// What a result has to fit in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    Signed,
    Unsigned,
    Decimal,
    Double,
}

/// A function of one value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    Negate(Range),
    Absolute(Range),
    Lower,
    Upper,
    /// Bytes of the value.
    Length,
    /// Characters of the text.
    CharLength,
    /// The part from a character, counted from 1 or from the end, of that many characters.
    Substring {
        from: i64,
        length: Option<i64>,
    },
    Crc32,
    Day,
    Year,
}

impl Node {
    /// The value as a condition: `None` is NULL.
    pub(super) fn truth(&self, row: Row<'_>) -> Result<Option<bool>> {
        Ok(match self {
            Node::Not(inner) => inner.truth(row)?.map(|truth| !truth),
            Node::And(left, right) => match left.truth(row)? {
                Some(false) => Some(false),
                left => match (left, right.truth(row)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                },
            },
            Node::Or(left, right) => match left.truth(row)? {
                Some(true) => Some(true),
                left => match (left, right.truth(row)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                },
            },
            Node::Xor(left, right) => match (left.truth(row)?, right.truth(row)?) {
                (Some(left), Some(right)) => Some(left != right),
                _ => None,
            },
            Node::IsNull(inner) => Some(matches!(inner.value(row)?, Datum::Null)),
            Node::Is(inner, wanted) => Some(inner.truth(row)? == Some(*wanted)),
            Node::Compare { relation, by, sides } => {
                let left = sides.0.value(row)?;
                if matches!(left, Datum::Null) && *relation != Relation::Same {
                    return Ok(None);
                }
                relation.holds(&left, &sides.1.value(row)?, *by)?
            }
            Node::Like(text, pattern) => match text.value(row)? {
                Datum::Text(text) => Some(pattern.matches(&text)),
                _ => None,
            },
            _ => match self.value(row)? {
                Datum::Exact(number) => Some(!number.is_zero()),
                Datum::Double(number) => Some(number != 0.0),
                _ => None,
            },
        })
    }

    fn value<'a>(&'a self, row: Row<'a>) -> Result<Datum<'a>> {
        Ok(match self {
            Node::Column { ordinal, column_type } => {
                let value = row.value(*ordinal).ok_or(Stop::Absent(*ordinal))?;
                Datum::of(value, column_type).ok_or(Stop::Unreadable(*ordinal))?
            }
            Node::Constant(value) => value.clone(),
            Node::Arithmetic { operator, range, sides } => match sides.0.value(row)? {
                Datum::Null => Datum::Null,
                left => operator.compute(&left, &sides.1.value(row)?, *range)?,
            },
            Node::Coalesce(parts) => {
                for part in parts {
                    match part.value(row)? {
                        Datum::Null => {}
                        value => return Ok(value),
                    }
                }
                Datum::Null
            }
            Node::Call(function, argument) => function.call(argument.value(row)?)?,
            condition => match condition.truth(row)? {
                Some(truth) => Datum::Exact(Exact::integer(i128::from(truth))),
                None => Datum::Null,
            },
        })
    }
}

impl<'a> Datum<'a> {
    fn of(value: Value<'a>, column_type: &'a ColumnType) -> Option<Self> {
        Some(match value {
            Value::Null => Datum::Null,
            Value::Int(number) => Datum::Exact(Exact::integer(number.into())),
            Value::UInt(number) => Datum::Exact(Exact::integer(number.into())),
            Value::Year(year) => Datum::Exact(Exact::integer(year.into())),
            Value::Bits(bits) => match bits.to_u64() {
                Some(bits) => Datum::Exact(Exact::integer(bits.into())),
                None => Datum::Other,
            },
            Value::Decimal(digits) => Exact::parse(digits).map_or(Datum::Other, Datum::Exact),
            Value::Float(number) => Datum::Double(number.into()),
            Value::Double(number) => Datum::Double(number),
            Value::Text(text) => Datum::Text(text.into()),
            Value::Binary(bytes) => Datum::Bytes(bytes.into()),
            Value::Date(date) => Datum::Moment(date.into()),
            Value::DateTime(moment) => Datum::Moment(moment.into()),
            Value::Timestamp(moment) => Datum::Moment(moment.to_utc().into()),
            Value::Time(time) => Datum::Time(time.micros),
            Value::Enum(member) => Datum::Text(match (member.index, member.label, column_type) {
                (0, ..) => "".into(),
                (_, Some(label), _) => label.into(),
                (index, None, ColumnType::Enum(names)) => names.get(usize::from(index) - 1)?.as_str().into(),
                _ => return None,
            }),
            _ => Datum::Other,
        })
    }

    fn to_double(&self) -> Option<f64> {
        match self {
            Datum::Exact(number) => Some(number.to_double()),
            Datum::Double(number) => Some(*number),
            _ => None,
        }
    }
}

impl Relation {
    fn holds(self, left: &Datum<'_>, right: &Datum<'_>, by: Comparison) -> Result<Option<bool>> {
        match (left, right) {
            (Datum::Null, Datum::Null) => return Ok((self == Relation::Same).then_some(true)),
            (Datum::Null, _) | (_, Datum::Null) => return Ok((self == Relation::Same).then_some(false)),
            _ => {}
        }
        let order = by.compare(left, right).ok_or(Stop::OutOfRange)?;
        Ok(Some(match self {
            Relation::Equal | Relation::Same => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
            Relation::Greater => order.is_gt(),
            Relation::GreaterOrEqual => order.is_ge(),
        }))
    }
}

impl Comparison {
    fn compare(self, left: &Datum<'_>, right: &Datum<'_>) -> Option<Ordering> {
        match (self, left, right) {
            (Comparison::Exact, Datum::Exact(left), Datum::Exact(right)) => left.compare(*right),
            (Comparison::Double, ..) => left.to_double()?.partial_cmp(&right.to_double()?),
            (Comparison::Text(collation), Datum::Text(left), Datum::Text(right)) => {
                Some(collation.compare(left, right))
            }
            (Comparison::Bytes, Datum::Bytes(left), Datum::Bytes(right)) => Some(left.cmp(right)),
            (Comparison::Moment, Datum::Moment(left), Datum::Moment(right)) => Some(left.cmp(right)),
            (Comparison::Time, Datum::Time(left), Datum::Time(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }
}

impl Arithmetic {
    fn compute(self, left: &Datum<'_>, right: &Datum<'_>, range: Range) -> Result<Datum<'static>> {
        if matches!(left, Datum::Null) || matches!(right, Datum::Null) {
            return Ok(Datum::Null);
        }
        if range == Range::Double {
            let (Some(left), Some(right)) = (left.to_double(), right.to_double()) else {
                return Err(Stop::OutOfRange);
            };
            return self.of_doubles(left, right);
        }
        let (Datum::Exact(left), Datum::Exact(right)) = (left, right) else { return Err(Stop::OutOfRange) };
        if matches!(self, Arithmetic::Quotient | Arithmetic::Remainder) && right.is_zero() {
            return Ok(Datum::Null);
        }
        let result = match self {
            Arithmetic::Plus => left.plus(*right),
            Arithmetic::Minus => left.minus(*right),
            Arithmetic::Times => left.times(*right),
            Arithmetic::Quotient => left.quotient(*right),
            Arithmetic::Remainder => left.remainder(*right),
            Arithmetic::Divide => None,
        };
        range.checked(result.ok_or(Stop::OutOfRange)?)
    }

    fn of_doubles(self, left: f64, right: f64) -> Result<Datum<'static>> {
        let result = match self {
            Arithmetic::Plus => left + right,
            Arithmetic::Minus => left - right,
            Arithmetic::Times => left * right,
            Arithmetic::Divide | Arithmetic::Remainder if right == 0.0 => return Ok(Datum::Null),
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder => left % right,
            Arithmetic::Quotient => return Err(Stop::OutOfRange),
        };
        if result.is_finite() { Ok(Datum::Double(result)) } else { Err(Stop::OutOfRange) }
    }
}

impl Range {
    fn checked(self, number: Exact) -> Result<Datum<'static>> {
        let fits = match (self, number.to_integer()) {
            (Range::Signed, Some(value)) => i64::try_from(value).is_ok(),
            (Range::Unsigned, Some(value)) => u64::try_from(value).is_ok(),
            _ => true,
        };
        if fits { Ok(Datum::Exact(number)) } else { Err(Stop::OutOfRange) }
    }
}

impl Function {
    fn call(self, argument: Datum<'_>) -> Result<Datum<'_>> {
        let count = |number: usize| Datum::Exact(Exact::integer(number as i128));
        Ok(match (self, argument) {
            (_, Datum::Null) => Datum::Null,
            (Function::Negate(range), Datum::Exact(number)) => range.checked(number.negated())?,
            (Function::Negate(_), Datum::Double(number)) => Datum::Double(-number),
            (Function::Absolute(range), Datum::Exact(number)) => range.checked(number.absolute())?,
            (Function::Absolute(_), Datum::Double(number)) => Datum::Double(number.abs()),
            (Function::Lower, Datum::Text(text)) => Datum::Text(with_case(&text, false).into()),
            (Function::Upper, Datum::Text(text)) => Datum::Text(with_case(&text, true).into()),
            (Function::Length, Datum::Text(text)) => count(text.len()),
            (Function::Length, Datum::Bytes(bytes)) => count(bytes.len()),
            (Function::CharLength, Datum::Text(text)) => count(text.chars().count()),
            (Function::CharLength, Datum::Bytes(bytes)) => count(bytes.len()),
            (Function::Substring { from, length }, Datum::Text(text)) => {
                Datum::Text(substring(&text, from, length).into())
            }
            (Function::Crc32, Datum::Text(text)) => count(crc32fast::hash(text.as_bytes()) as usize),
            (Function::Crc32, Datum::Bytes(bytes)) => count(crc32fast::hash(&bytes) as usize),
            (Function::Crc32, Datum::Exact(number)) => {
                let text = number.to_integer().ok_or(Stop::OutOfRange)?.to_string();
                count(crc32fast::hash(text.as_bytes()) as usize)
            }
            (Function::Day, Datum::Moment(moment)) => Datum::Moment(moment.day()),
            (Function::Year, Datum::Moment(moment)) => count(moment.year().into()),
            _ => return Err(Stop::OutOfRange),
        })
    }
}

/// Characters from place `from`, counted from 1, or from the end where it is negative. Place 0, and one before the start, are
/// nowhere.
fn substring(text: &str, from: i64, length: Option<i64>) -> String {
    let all = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let start = if from > 0 { from - 1 } else { all + from };
    if from == 0 || start < 0 {
        return String::new();
    }
    let skipped = text.chars().skip(usize::try_from(start).unwrap_or(usize::MAX));
    match length {
        None => skipped.collect(),
        Some(length) => skipped.take(usize::try_from(length).unwrap_or(0)).collect(),
    }
}
