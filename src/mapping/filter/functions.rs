//! The functions that a filter may call.

use sqlparser::ast::{Expr, Function as Called, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::{
    FilterError,
    compile::{Compiler, ROUGH_CASE, Result, Typed, call, place, unsupported},
    node::{Arithmetic, Datum, Function, Node, Range},
    text::Shown,
    types::{Digits, Sign, TextType, Type},
};

/// A length.
const COUNT: Type = Type::Exact(Digits::integer(10, Sign::Signed));
/// A checksum.
const CHECKSUM: Type = Type::Exact(Digits::integer(10, Sign::Unsigned));

impl Compiler<'_> {
    pub(super) fn function(&mut self, whole: &Expr, called: &Called) -> Result<Typed> {
        let name = called.name.to_string().to_ascii_uppercase();
        let arguments = arguments(called).ok_or_else(|| unsupported(whole))?;
        match (name.as_str(), arguments.as_slice()) {
            ("COALESCE", parts) if !parts.is_empty() => self.coalesce(whole, parts),
            ("IFNULL", [_, _]) => self.coalesce(whole, &arguments),
            ("MOD", [left, right]) => self.arithmetic(whole, left, Arithmetic::Remainder, right),
            ("SUBSTRING" | "SUBSTR", [text, from]) => self.substring(whole, text, Some(from), None),
            ("SUBSTRING" | "SUBSTR", [text, from, length]) => {
                self.substring(whole, text, Some(from), Some(length))
            }
            (name, [argument]) => self.of_one(whole, name, argument),
            _ => Err(unsupported(whole)),
        }
    }

    fn of_one(&mut self, whole: &Expr, name: &str, argument: &Expr) -> Result<Typed> {
        let typed = self.expression(argument)?;
        let refused = |why: &str| Err(FilterError::new(format!("{}: {why}", Shown(whole)), place(argument)));
        match (name, &typed.kind) {
            (_, Type::Null) => refused("the argument is NULL"),
            ("LOWER" | "LCASE" | "UPPER" | "UCASE", Type::Text(text)) if text.collation.is_some() => {
                let function =
                    if matches!(name, "LOWER" | "LCASE") { Function::Lower } else { Function::Upper };
                let kind = TextType { rough: Some(ROUGH_CASE), ..text.clone() };
                Ok(call(function, typed.node, Type::Text(kind)))
            }
            ("LENGTH" | "OCTET_LENGTH" | "CHAR_LENGTH" | "CHARACTER_LENGTH" | "CRC32", Type::Text(text)) => {
                if text.rough == Some(ROUGH_CASE) {
                    return refused("a result of LOWER or UPPER is only compared");
                }
                let in_bytes = !matches!(name, "CHAR_LENGTH" | "CHARACTER_LENGTH");
                if in_bytes && !text.collation.is_none_or(|collation| collation.is_unicode()) {
                    return refused("bytes are only known of utf8, utf8mb4 and ASCII texts");
                }
                let function = match name {
                    "CRC32" => Function::Crc32,
                    _ if in_bytes => Function::Length,
                    _ => Function::CharLength,
                };
                Ok(call(function, typed.node, if name == "CRC32" { CHECKSUM } else { COUNT }))
            }
            ("LENGTH" | "OCTET_LENGTH" | "CHAR_LENGTH" | "CHARACTER_LENGTH", Type::Bytes) => {
                Ok(call(Function::Length, typed.node, COUNT))
            }
            ("CRC32", Type::Bytes) => Ok(call(Function::Crc32, typed.node, CHECKSUM)),
            ("CRC32", Type::Exact(digits)) if digits.integer.is_some() && !digits.year => {
                Ok(call(Function::Crc32, typed.node, CHECKSUM))
            }
            ("ABS", Type::Double) => Ok(call(Function::Absolute(Range::Double), typed.node, Type::Double)),
            ("ABS", Type::Exact(digits)) => {
                let range = match digits.integer {
                    Some(Sign::Unsigned) => Range::Unsigned,
                    Some(Sign::Signed) => Range::Signed,
                    None => Range::Decimal,
                };
                let kind = Type::Exact(Digits { year: false, ..*digits });
                Ok(call(Function::Absolute(range), typed.node, kind))
            }
            ("DATE", Type::Date | Type::DateTime) => Ok(call(Function::Day, typed.node, Type::Date)),
            ("YEAR", Type::Date | Type::DateTime) => {
                let kind = Digits { year: true, ..Digits::integer(4, Sign::Signed) };
                Ok(call(Function::Year, typed.node, Type::Exact(kind)))
            }
            (
                "LOWER" | "LCASE" | "UPPER" | "UCASE" | "LENGTH" | "OCTET_LENGTH" | "CHAR_LENGTH"
                | "CHARACTER_LENGTH" | "CRC32" | "ABS" | "DATE" | "YEAR",
                kind,
            ) => refused(&format!("the argument is {}", kind.name())),
            _ => Err(unsupported(whole)),
        }
    }

    /// The first that is not NULL, of one type.
    fn coalesce(&mut self, whole: &Expr, parts: &[&Expr]) -> Result<Typed> {
        let mut nodes = Vec::with_capacity(parts.len());
        let mut kind: Option<Type> = None;
        for part in parts {
            let typed = self.expression(part)?;
            let all = match kind {
                None => Ok(typed.kind),
                Some(kind) => joined(&kind, &typed.kind),
            };
            let refused = |why| FilterError::new(format!("{}: {why}", Shown(whole)), place(part));
            kind = Some(all.map_err(refused)?);
            nodes.push(typed.node);
        }
        let kind = kind.ok_or_else(|| unsupported(whole))?;
        Ok(Typed { node: Node::Coalesce(nodes), kind })
    }

    pub(super) fn substring(
        &mut self,
        whole: &Expr,
        operand: &Expr,
        from: Option<&Expr>,
        length: Option<&Expr>,
    ) -> Result<Typed> {
        let refused = |why: &str| Err(FilterError::new(format!("{}: {why}", Shown(whole)), place(operand)));
        let typed = self.expression(operand)?;
        let Type::Text(text) = &typed.kind else { return refused("SUBSTRING takes a column of text") };
        if text.collation.is_none() || text.rough == Some(ROUGH_CASE) {
            return refused("SUBSTRING takes a column of text");
        }
        let kind = Type::Text(text.clone());
        let mut number = |part: &Expr| match self.expression(part)?.node {
            Node::Constant(Datum::Exact(number)) => {
                Ok(number.to_integer().and_then(|number| i64::try_from(number).ok()))
            }
            _ => Ok(None),
        };
        let Some(from) = from.map(&mut number).transpose()?.flatten() else {
            return refused("the start has to be a constant number");
        };
        let length = match length.map(&mut number).transpose()? {
            None => None,
            Some(Some(length)) => Some(length),
            Some(None) => return refused("the length has to be a constant number"),
        };
        Ok(call(Function::Substring { from, length }, typed.node, kind))
    }
}

/// The plain arguments; `None` for what is not a plain call.
fn arguments(called: &Called) -> Option<Vec<&Expr>> {
    let plain = called.filter.is_none()
        && called.over.is_none()
        && called.null_treatment.is_none()
        && called.within_group.is_empty()
        && matches!(called.parameters, FunctionArguments::None);
    let FunctionArguments::List(list) = &called.args else { return None };
    if !plain || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let argument = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expression)) => Some(expression),
        _ => None,
    };
    list.args.iter().map(argument).collect()
}

/// The type of a value that is one of two.
fn joined(a: &Type, b: &Type) -> Result<Type, &'static str> {
    Ok(match (a, b) {
        (Type::Exact(digits), _) | (_, Type::Exact(digits)) if digits.huge => {
            return Err("a constant beyond BIGINT is only compared");
        }
        (Type::Exact(x), Type::Exact(y)) => {
            let wide = |unsigned: &Digits, other: &Digits| {
                unsigned.is_unsigned() && unsigned.whole == 20 && !other.is_unsigned()
            };
            if x.integer.is_some() && y.integer.is_some() && (wide(x, y) || wide(y, x)) {
                return Err("BIGINT UNSIGNED is not joined with a signed number");
            }
            let (whole, scale) = (x.whole.max(y.whole), x.scale.max(y.scale));
            Type::Exact(match x.integer.zip(y.integer) {
                Some((Sign::Unsigned, Sign::Unsigned)) => Digits::integer(whole, Sign::Unsigned),
                Some(_) => Digits::integer(whole, Sign::Signed),
                None if whole + scale <= super::number::DIGITS => Digits::decimal(whole, scale),
                None => return Err("the result can have more than 38 digits"),
            })
        }
        (Type::Double, Type::Double) => Type::Double,
        (Type::Date, Type::Date) => Type::Date,
        (Type::DateTime, Type::DateTime) => Type::DateTime,
        (Type::Time, Type::Time) => Type::Time,
        (Type::Bytes, Type::Bytes) => Type::Bytes,
        (Type::Text(x), Type::Text(y)) => match (x.collation, y.collation) {
            (Some(own), other) | (other, Some(own)) if other.is_none_or(|other| other == own) => {
                Type::Text(TextType { collation: Some(own), constant: None, rough: x.rough.or(y.rough) })
            }
            _ => return Err("the texts have no collation in common"),
        },
        _ => return Err("the parts are of different types"),
    })
}
