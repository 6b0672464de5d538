//! From parsed expressions to checked ones.

use slackwater_decoders::schema::Table;
use sqlparser::{
    ast::{BinaryOperator, DataType, Expr, Ident, Spanned, UnaryOperator, Value},
    tokenizer::Location,
};

use super::{
    FilterError,
    moment::{Moment, parse_time},
    node::{Arithmetic, Comparison, Datum, Function, Node, Range, Relation},
    number::{DIGITS, Exact, SCALE},
    text::{Collation, LikePattern, Shown},
    types::{Digits, Sign, TextType, Type},
};

/// An expression with its type.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) node: Node,
    pub(super) kind: Type,
}

pub(super) type Result<T, E = FilterError> = std::result::Result<T, E>;

/// Compiles the expressions of one filter.
pub(super) struct Compiler<'t> {
    table: &'t Table,
    columns: Vec<usize>,
}

/// Where an expression stands.
pub(super) fn place(expression: &Expr) -> Location {
    expression.span().start
}

impl<'t> Compiler<'t> {
    pub(super) fn new(table: &'t Table) -> Self {
        Compiler { table, columns: Vec::new() }
    }

    /// The ordinals of the columns that were named, in ascending order.
    pub(super) fn columns(mut self) -> Vec<usize> {
        self.columns.sort_unstable();
        self.columns.dedup();
        self.columns
    }

    /// An expression that is true, false or NULL.
    pub(super) fn condition(&mut self, expression: &Expr) -> Result<Node> {
        let typed = self.expression(expression)?;
        match typed.kind {
            Type::Exact(Digits { integer: Some(_), .. }) => Ok(typed.node),
            // Servers differ in whether 0.1 is true.
            Type::Exact(_) | Type::Double => Err(FilterError::new(
                format!(
                    "{} is a number with a fraction, not a condition: compare it with 0",
                    Shown(expression)
                ),
                place(expression),
            )),
            other => Err(FilterError::new(
                format!("{} is {}, not a condition", Shown(expression), other.name()),
                place(expression),
            )),
        }
    }

    pub(super) fn expression(&mut self, expression: &Expr) -> Result<Typed> {
        let truth = |node| Typed { node, kind: Digits::TRUTH };
        let boxed = |node| Box::new(node);
        Ok(match expression {
            Expr::Nested(inner) => self.expression(inner)?,
            Expr::Identifier(name) => self.column(name)?,
            Expr::Value(value) => constant(&value.value).ok_or_else(|| unsupported(expression))?,
            Expr::TypedString(typed) => {
                typed_constant(&typed.data_type, &typed.value.value).ok_or_else(|| unsupported(expression))?
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => truth(Node::Not(boxed(self.condition(expr)?))),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => self.negation(expr)?,
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.expression(expr)?,
            Expr::BinaryOp { left, op, right } => self.binary(expression, left, op, right)?,
            Expr::IsNull(expr) => truth(Node::IsNull(boxed(self.expression(expr)?.node))),
            Expr::IsNotNull(expr) => {
                truth(Node::Not(boxed(Node::IsNull(boxed(self.expression(expr)?.node)))))
            }
            Expr::IsUnknown(expr) => truth(Node::IsNull(boxed(self.condition(expr)?))),
            Expr::IsNotUnknown(expr) => truth(Node::Not(boxed(Node::IsNull(boxed(self.condition(expr)?))))),
            Expr::IsTrue(expr) => truth(Node::Is(boxed(self.condition(expr)?), true)),
            Expr::IsNotTrue(expr) => truth(Node::Not(boxed(Node::Is(boxed(self.condition(expr)?), true)))),
            Expr::IsFalse(expr) => truth(Node::Is(boxed(self.condition(expr)?), false)),
            Expr::IsNotFalse(expr) => truth(Node::Not(boxed(Node::Is(boxed(self.condition(expr)?), false)))),
            Expr::InList { expr, list, negated } => truth(negated_if(*negated, self.in_list(expr, list)?)),
            Expr::Between { expr, negated, low, high } => {
                truth(negated_if(*negated, self.between(expr, low, high)?))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                truth(negated_if(*negated, self.like(expr, pattern, escape_char.as_deref())?))
            }
            Expr::Collate { expr, collation } => self.collate(expr, &collation.to_string())?,
            Expr::Function(function) => self.function(expression, function)?,
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.substring(expression, expr, substring_from.as_deref(), substring_for.as_deref())?
            }
            _ => return Err(unsupported(expression)),
        })
    }

    fn column(&mut self, name: &Ident) -> Result<Typed> {
        let Some(ordinal) = self.table.ordinal(&name.value) else {
            return Err(FilterError::new(
                format!("the table {} has no column {}", self.table.name, name.value),
                name.span.start,
            ));
        };
        let column = self.table.columns.get(ordinal);
        let kind = column.map_or(Ok(Type::Null), Type::of_column);
        let kind = kind.map_err(|why| FilterError::new(why, name.span.start))?;
        let column_type =
            column.map_or(slackwater_decoders::schema::ColumnType::Json, |column| column.column_type.clone());
        self.columns.push(ordinal);
        Ok(Typed { node: Node::Column { ordinal, column_type }, kind })
    }

    fn negation(&mut self, operand: &Expr) -> Result<Typed> {
        let typed = self.expression(operand)?;
        match (&typed.node, &typed.kind) {
            (Node::Constant(Datum::Exact(number)), _) => {
                let number = number.negated();
                Ok(Typed { node: Node::Constant(Datum::Exact(number)), kind: Type::constant_number(number) })
            }
            (_, Type::Double) => Ok(call(Function::Negate(Range::Double), typed.node, Type::Double)),
            (_, Type::Exact(digits)) => {
                let range = if digits.integer.is_some() { Range::Signed } else { Range::Decimal };
                let kind = Digits { integer: digits.integer.map(|_| Sign::Signed), year: false, ..*digits };
                Ok(call(Function::Negate(range), typed.node, Type::Exact(kind)))
            }
            (_, other) => Err(FilterError::new(
                format!("{} is {}, not a number", Shown(operand), other.name()),
                place(operand),
            )),
        }
    }

    fn binary(
        &mut self,
        whole: &Expr,
        left: &Expr,
        operator: &BinaryOperator,
        right: &Expr,
    ) -> Result<Typed> {
        use BinaryOperator as B;
        let truth = |node| Ok(Typed { node, kind: Digits::TRUTH });
        let arithmetic = match operator {
            B::And | B::Or | B::Xor => {
                let (left, right) = (Box::new(self.condition(left)?), Box::new(self.condition(right)?));
                return truth(match operator {
                    B::And => Node::And(left, right),
                    B::Or => Node::Or(left, right),
                    _ => Node::Xor(left, right),
                });
            }
            B::Eq => return truth(self.comparison(left, Relation::Equal, right)?),
            B::NotEq => return truth(self.comparison(left, Relation::NotEqual, right)?),
            B::Spaceship => return truth(self.comparison(left, Relation::Same, right)?),
            B::Lt => return truth(self.comparison(left, Relation::Less, right)?),
            B::LtEq => return truth(self.comparison(left, Relation::LessOrEqual, right)?),
            B::Gt => return truth(self.comparison(left, Relation::Greater, right)?),
            B::GtEq => return truth(self.comparison(left, Relation::GreaterOrEqual, right)?),
            B::Plus => Arithmetic::Plus,
            B::Minus => Arithmetic::Minus,
            B::Multiply => Arithmetic::Times,
            B::Divide => Arithmetic::Divide,
            B::MyIntegerDivide => Arithmetic::Quotient,
            B::Modulo => Arithmetic::Remainder,
            B::StringConcat => {
                return Err(FilterError::new(
                    "`||` is OR or a concatenation, by sql_mode: write OR",
                    place(whole),
                ));
            }
            _ => return Err(unsupported(whole)),
        };
        self.arithmetic(whole, left, arithmetic, right)
    }

    pub(super) fn arithmetic(
        &mut self,
        whole: &Expr,
        left: &Expr,
        operator: Arithmetic,
        right: &Expr,
    ) -> Result<Typed> {
        let (a, b) = (self.expression(left)?, self.expression(right)?);
        let refused = |why: &str| Err(FilterError::new(format!("{}: {why}", Shown(whole)), place(whole)));
        let (range, kind) = match (&a.kind, &b.kind) {
            (Type::Null, _) | (_, Type::Null) => return refused("is always NULL"),
            (Type::Double, Type::Double | Type::Exact(_)) | (Type::Exact(_), Type::Double) => {
                if operator == Arithmetic::Quotient {
                    return refused("DIV of floating point numbers is not the same on all servers");
                }
                (Range::Double, Type::Double)
            }
            (Type::Exact(digits), _) | (_, Type::Exact(digits)) if digits.huge => {
                return refused("a constant beyond BIGINT is only compared");
            }
            (Type::Exact(a), Type::Exact(b)) => match exact_result(*a, operator, *b) {
                Ok(digits) => (range_of(digits), Type::Exact(digits)),
                Err(why) => return refused(why),
            },
            _ => return refused("arithmetic takes numbers"),
        };
        let node = Node::Arithmetic { operator, range, sides: Box::new((a.node, b.node)) };
        Ok(Typed { node, kind })
    }

    fn comparison(&mut self, left: &Expr, relation: Relation, right: &Expr) -> Result<Node> {
        let (a, b) = (self.expression(left)?, self.expression(right)?);
        compare((left, a), relation, (right, b))
    }

    /// `a IN (b, c)` is `a = b OR a = c`.
    fn in_list(&mut self, operand: &Expr, list: &[Expr]) -> Result<Node> {
        let tested = self.expression(operand)?;
        let mut any: Option<Node> = None;
        for item in list {
            let typed = self.expression(item)?;
            // Servers compare the items of a list in ways of their own where signs and types are mixed.
            let negative =
                matches!(&typed.node, Node::Constant(Datum::Exact(number)) if number.is_negative());
            let unsigned = matches!(&tested.kind, Type::Exact(digits) if digits.is_unsigned());
            if !matches!(typed.node, Node::Constant(_)) || (negative && unsigned) {
                let why = if negative {
                    "a negative number in a list for an unsigned one"
                } else {
                    "a list has constants"
                };
                return Err(FilterError::new(format!("{}: {why}: write `=`", Shown(item)), place(item)));
            }
            let equal = compare((operand, tested.clone()), Relation::Equal, (item, typed))?;
            any = Some(match any {
                None => equal,
                Some(others) => Node::Or(Box::new(others), Box::new(equal)),
            });
        }
        any.ok_or_else(|| FilterError::new("IN has an empty list", place(operand)))
    }

    /// `a BETWEEN b AND c` is `a >= b AND a <= c`, compared as the widest type of the three.
    fn between(&mut self, operand: &Expr, low: &Expr, high: &Expr) -> Result<Node> {
        let (tested, least, most) =
            (self.expression(operand)?, self.expression(low)?, self.expression(high)?);
        let is_double = |typed: &&Typed| typed.kind == Type::Double;
        let doubles = [&tested, &least, &most].into_iter().filter(is_double).count();
        if doubles > 0
            && doubles < 3
            && [&tested, &least, &most]
                .iter()
                .any(|part| matches!(part.kind, Type::Exact(digits) if !digits.fits_double()))
        {
            return Err(FilterError::new(
                "BETWEEN of exact and floating point numbers rounds: write two comparisons",
                place(operand),
            ));
        }
        let above = compare((operand, tested.clone()), Relation::GreaterOrEqual, (low, least))?;
        let below = compare((operand, tested), Relation::LessOrEqual, (high, most))?;
        Ok(Node::And(Box::new(above), Box::new(below)))
    }

    fn like(&mut self, operand: &Expr, pattern: &Expr, escape: Option<&Expr>) -> Result<Node> {
        let refused =
            |why: &str, at: &Expr| Err(FilterError::new(format!("{}: {why}", Shown(at)), place(at)));
        let escape = match escape.map(|escape| (escape, constant_text(escape))) {
            None => '\\',
            Some((at, text)) => {
                let mut characters = text.unwrap_or_default().chars();
                match (characters.next(), characters.next()) {
                    (Some(c), None) if c.is_ascii() => c,
                    _ => return refused("ESCAPE takes one ASCII character", at),
                }
            }
        };
        let tested = self.expression(operand)?;
        let Some(pattern_text) = constant_text(pattern) else {
            return refused("the pattern of LIKE has to be a constant text", pattern);
        };
        let Type::Text(TextType { collation: Some(collation), rough, .. }) = &tested.kind else {
            return refused("LIKE takes a column of text", operand);
        };
        let plain = pattern_text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if !plain && (!collation.is_exact() || rough.is_some_and(|why| why == ROUGH_CASE)) {
            return refused("under this collation only a pattern of printable ASCII can be judged", pattern);
        }
        Ok(Node::Like(Box::new(tested.node), LikePattern::new(pattern_text, escape, *collation)))
    }

    fn collate(&mut self, operand: &Expr, name: &str) -> Result<Typed> {
        let refused = |why: String| Err(FilterError::new(why, place(operand)));
        let mut typed = self.expression(operand)?;
        let Type::Text(text) = &mut typed.kind else {
            return refused(format!("{} is no text: COLLATE does not apply", Shown(operand)));
        };
        let Some(collation) = Collation::named(name) else {
            return refused(format!("the rules of the collation {name} are not known here"));
        };
        let Some(own) = text.collation else {
            return refused(format!("{} is a constant: write COLLATE behind the column", Shown(operand)));
        };
        if own.is_unicode() != collation.is_unicode() {
            return refused(format!("{name} is no collation of the character set of {}", Shown(operand)));
        }
        text.collation = Some(collation);
        Ok(typed)
    }
}

/// What [`TextType::rough`] says of LOWER and UPPER.
pub(super) const ROUGH_CASE: &str = "a result of LOWER or UPPER";

pub(super) fn call(function: Function, argument: Node, kind: Type) -> Typed {
    Typed { node: Node::Call(function, Box::new(argument)), kind }
}

fn negated_if(negated: bool, node: Node) -> Node {
    if negated { Node::Not(Box::new(node)) } else { node }
}

pub(super) fn unsupported(expression: &Expr) -> FilterError {
    FilterError::new(format!("{} is not supported in a filter", Shown(expression)), place(expression))
}

/// The text of a constant.
fn constant_text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Nested(inner) => constant_text(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn constant(value: &Value) -> Option<Typed> {
    let (datum, kind) = match value {
        Value::Null => (Datum::Null, Type::Null),
        Value::Boolean(truth) => (Datum::Exact(Exact::integer(i128::from(*truth))), Digits::TRUTH),
        Value::Number(digits, _) if digits.contains(['e', 'E']) => {
            (Datum::Double(digits.parse().ok().filter(|number: &f64| number.is_finite())?), Type::Double)
        }
        Value::Number(digits, _) => {
            let number = Exact::parse(digits)?;
            (Datum::Exact(number), Type::constant_number(number))
        }
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
            (Datum::Text(text.clone().into()), Type::constant_text(text))
        }
        Value::HexStringLiteral(digits) => {
            let byte = |place| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
            (Datum::Bytes(bytes?.into()), Type::Bytes)
        }
        _ => return None,
    };
    Some(Typed { node: Node::Constant(datum), kind })
}

fn typed_constant(data_type: &DataType, value: &Value) -> Option<Typed> {
    let (Value::SingleQuotedString(text) | Value::DoubleQuotedString(text)) = value else { return None };
    let (datum, kind) = match data_type {
        DataType::Date => {
            let moment = Moment::parse(text).filter(|_| !text.contains(' '))?;
            (Datum::Moment(moment), Type::Date)
        }
        DataType::Timestamp(None, _) => {
            (Datum::Moment(Moment::parse(text).filter(|_| text.contains(' '))?), Type::DateTime)
        }
        DataType::Time(None, _) => (Datum::Time(parse_time(text)?), Type::Time),
        _ => return None,
    };
    Some(Typed { node: Node::Constant(datum), kind })
}

fn range_of(digits: Digits) -> Range {
    match digits.integer {
        None => Range::Decimal,
        Some(Sign::Signed) => Range::Signed,
        Some(Sign::Unsigned) => Range::Unsigned,
    }
}

/// The digits of a result. Of two integers an integer, unsigned when one of them is; else a decimal with all digits.
fn exact_result(a: Digits, operator: Arithmetic, b: Digits) -> Result<Digits, &'static str> {
    let scale = a.scale.max(b.scale);
    let both = a.integer.zip(b.integer);
    if both.is_some() && operator != Arithmetic::Divide {
        let unsigned = match operator {
            Arithmetic::Remainder => a.is_unsigned(),
            _ => a.is_unsigned() || b.is_unsigned(),
        };
        let (whole, sign) = if unsigned { (20, Sign::Unsigned) } else { (19, Sign::Signed) };
        return Ok(Digits::integer(whole, sign));
    }
    let digits = match operator {
        Arithmetic::Divide => {
            return Err(
                "the server rounds exact quotients: use DIV, multiply the other side, or compare floating point \
                        numbers (`amount / 1e0`)",
            );
        }
        Arithmetic::Plus | Arithmetic::Minus => Digits::decimal(a.whole.max(b.whole) + 1, scale),
        Arithmetic::Times => Digits::decimal(a.whole + b.whole, a.scale + b.scale),
        Arithmetic::Remainder | Arithmetic::Quotient => {
            return Err("DIV and % of decimals are not the same on all servers: use integers");
        }
    };
    if digits.whole + digits.scale > DIGITS || digits.scale > SCALE {
        return Err("the result can have more digits than 38, or more than 30 behind the point");
    }
    Ok(digits)
}

/// Compares two expressions by MySQL's rules for their types, or says why that is not done.
pub(super) fn compare(
    (left, a): (&Expr, Typed),
    relation: Relation,
    (right, b): (&Expr, Typed),
) -> Result<Node> {
    let refused = |why: String| Err(FilterError::new(why, place(left)));
    let compared = |by, a: Node, b: Node| Ok(Node::Compare { relation, by, sides: Box::new((a, b)) });
    match (&a.kind, &b.kind) {
        (_, Type::Null) if relation == Relation::Same => Ok(Node::IsNull(Box::new(a.node))),
        (Type::Null, _) | (_, Type::Null) => refused(format!(
            "{} and {}: what is compared with NULL is never true: write IS NULL",
            Shown(left),
            Shown(right)
        )),
        (Type::Exact(x), Type::Exact(y)) => {
            for (side, number, year) in [(right, &b.node, x.year), (left, &a.node, y.year)] {
                let short = |number: &Exact| number.to_integer().is_none_or(|year| year < 1901);
                if year && matches!(number, Node::Constant(Datum::Exact(number)) if short(number)) {
                    return refused(format!("{}: a YEAR is compared with years of four digits", Shown(side)));
                }
            }
            if x.whole.max(y.whole) + x.scale.max(y.scale) > DIGITS {
                return refused(format!(
                    "{} and {} have more than 38 digits together",
                    Shown(left),
                    Shown(right)
                ));
            }
            compared(Comparison::Exact, a.node, b.node)
        }
        (Type::Double, Type::Double) => compared(Comparison::Double, a.node, b.node),
        (Type::Double, Type::Exact(digits)) | (Type::Exact(digits), Type::Double) => {
            if !digits.fits_double() {
                return refused(format!(
                    "{} and {}: an exact number of more than 15 digits is not compared with a floating point number",
                    Shown(left),
                    Shown(right)
                ));
            }
            compared(Comparison::Double, a.node, b.node)
        }
        (Type::Text(x), Type::Text(y)) => match texts((left, x), relation, (right, y)) {
            Ok(collation) => compared(Comparison::Text(collation), a.node, b.node),
            Err(why) => refused(why),
        },
        (Type::Bytes, Type::Bytes) => compared(Comparison::Bytes, a.node, b.node),
        (Type::Bytes, Type::Text(TextType { constant: Some(text), .. })) => compared(
            Comparison::Bytes,
            a.node,
            Node::Constant(Datum::Bytes(text.clone().into_bytes().into())),
        ),
        (Type::Text(TextType { constant: Some(text), .. }), Type::Bytes) => compared(
            Comparison::Bytes,
            Node::Constant(Datum::Bytes(text.clone().into_bytes().into())),
            b.node,
        ),
        (Type::Date | Type::DateTime, Type::Date | Type::DateTime) => {
            compared(Comparison::Moment, a.node, b.node)
        }
        (Type::Time, Type::Time) => compared(Comparison::Time, a.node, b.node),
        (kind, Type::Text(TextType { constant: Some(text), .. })) if is_temporal(kind) => {
            let (by, constant) = temporal(kind, text, right)?;
            compared(by, a.node, constant)
        }
        (Type::Text(TextType { constant: Some(text), .. }), kind) if is_temporal(kind) => {
            let (by, constant) = temporal(kind, text, left)?;
            compared(by, constant, b.node)
        }
        (x, y) => refused(format!(
            "{} is {}, and {} is {}: they are not compared{}",
            Shown(left),
            x.name(),
            Shown(right),
            y.name(),
            if matches!((x, y), (Type::Exact(_) | Type::Double, _) | (_, Type::Exact(_) | Type::Double)) {
                " (write a number without quotes, and a text with them)"
            } else {
                ""
            }
        )),
    }
}

fn is_temporal(kind: &Type) -> bool {
    matches!(kind, Type::Date | Type::DateTime | Type::Time)
}

/// A constant text that is compared with a date or time.
fn temporal(kind: &Type, text: &str, at: &Expr) -> Result<(Comparison, Node)> {
    let (by, datum, form) = match kind {
        Type::Time => (Comparison::Time, parse_time(text).map(Datum::Time), "'23:59:59'"),
        Type::Date => {
            let day = Moment::parse(text).filter(|moment| moment.is_midnight() && !text.contains(' '));
            (Comparison::Moment, day.map(Datum::Moment), "'2024-12-31'")
        }
        _ => (
            Comparison::Moment,
            Moment::parse(text).map(Datum::Moment),
            "'2024-12-31' or '2024-12-31 23:59:59'",
        ),
    };
    let datum = datum.ok_or_else(|| {
        FilterError::new(format!("{} is no {} of the form {form}", Shown(at), &kind.name()[2..]), place(at))
    })?;
    Ok((by, Node::Constant(datum)))
}

/// The collation that two texts are compared by.
fn texts(
    (left, a): (&Expr, &TextType),
    relation: Relation,
    (right, b): (&Expr, &TextType),
) -> Result<Collation, String> {
    let equality = matches!(relation, Relation::Equal | Relation::NotEqual | Relation::Same);
    let collation = match (a.collation, b.collation) {
        (Some(collation), None) | (None, Some(collation)) => collation,
        (Some(a), Some(b)) if a == b => a,
        (Some(_), Some(_)) => {
            return Err(format!("{} and {} have different collations", Shown(left), Shown(right)));
        }
        (None, None) => return Err(format!("{} and {} are both constants", Shown(left), Shown(right))),
    };
    if !equality && !collation.is_ordered() {
        return Err(format!(
            "{} and {}: the order of texts is only known here under utf8mb4_bin and the like: write COLLATE utf8mb4_bin behind the column",
            Shown(left),
            Shown(right)
        ));
    }
    let rough = a.rough.or(b.rough);
    if let Some(why) = rough
        && !equality
    {
        return Err(format!("{} and {}: {why} is only compared by = and <>", Shown(left), Shown(right)));
    }
    if collation.is_exact() && rough != Some(ROUGH_CASE) {
        let foreign = |text: &TextType| text.constant.as_ref().is_some_and(|text| !text.is_ascii());
        if !collation.is_unicode() && (foreign(a) || foreign(b)) {
            return Err(format!(
                "{} and {}: under this character set only ASCII constants can be judged",
                Shown(left),
                Shown(right)
            ));
        }
        return Ok(collation);
    }
    match a.constant.as_ref().or(b.constant.as_ref()) {
        Some(constant) if constant.is_ascii() => Ok(collation),
        _ => Err(format!(
            "{} and {}: under a collation that ignores case or accents a text is only compared with ASCII constants; write \
             COLLATE utf8mb4_bin behind the column to compare exactly",
            Shown(left),
            Shown(right)
        )),
    }
}
