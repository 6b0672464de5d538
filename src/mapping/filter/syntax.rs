//! From text to `sqlparser`'s expression, and where the two dialects would read the same text in different ways.

use sqlparser::{
    ast::{BinaryOperator, Expr, Spanned, UnaryOperator},
    dialect::MySqlDialect,
    parser::Parser,
    tokenizer::Token,
};

use super::FilterError;

/// Nesting of expressions, so that a filter cannot exhaust the stack.
const DEPTH: usize = 64;

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Expr, FilterError> {
    let failed = |error: &dyn std::fmt::Display| {
        FilterError::new(format!("the filter is no SQL condition: {error}"), None)
    };
    let mut parser = Parser::new(&MySqlDialect {})
        .with_recursion_limit(DEPTH)
        .try_with_sql(text)
        .map_err(|error| failed(&error))?;
    let expression = parser.parse_expr().map_err(|error| failed(&error))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(FilterError::new(format!("`{}` is not expected here", rest.token), rest.span.start));
    }
    check_order(&expression, true)?;
    Ok(expression)
}

/// Whether the expression is a condition that is not in parentheses.
fn is_bare_condition(expression: &Expr) -> bool {
    match expression {
        Expr::BinaryOp { op, .. } => is_comparison(op) || is_logical(op),
        Expr::UnaryOp { op, .. } => matches!(op, UnaryOperator::Not),
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::InList { .. }
        | Expr::Between { .. }
        | Expr::Like { .. } => true,
        _ => false,
    }
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq, Spaceship};
    matches!(operator, Eq | NotEq | Spaceship | Lt | LtEq | Gt | GtEq)
}

fn is_logical(operator: &BinaryOperator) -> bool {
    matches!(operator, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor)
}

/// Whether the expression is a `<=>`, in parentheses or not.
fn is_same(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_same(inner),
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::Spaceship,
        _ => false,
    }
}

/// MySQL's order of BETWEEN, comparisons, IS, LIKE, IN and XOR is not the parser's: where it matters, parentheses are asked for.
/// `alone`: nothing stands beside the expression.
fn check_order(expression: &Expr, alone: bool) -> Result<(), FilterError> {
    // MySQL 5.7 takes its value for NULL there when an operand of it was.
    let without_same = |operand: &Expr| {
        if is_same(operand) {
            let what = format!("`{operand}`: the result of <=> is only combined by AND, OR and NOT");
            return Err(FilterError::new(what, operand.span().start));
        }
        Ok(())
    };
    let plain = |operand: &Expr| {
        without_same(operand)?;
        if is_bare_condition(operand) {
            return Err(FilterError::new(
                format!("`{operand}` is a part of another condition: put it in parentheses"),
                operand.span().start,
            ));
        }
        check_order(operand, false)
    };
    match expression {
        Expr::Nested(inner) => check_order(inner, true),
        Expr::BinaryOp { left, op: BinaryOperator::Xor, right } => {
            if !alone {
                let what = format!("`{expression}`: put XOR in parentheses");
                return Err(FilterError::new(what, expression.span().start));
            }
            for side in [left, right] {
                if !matches!(**side, Expr::Nested(_)) {
                    let what = format!("`{side}`: put both sides of XOR in parentheses");
                    return Err(FilterError::new(what, side.span().start));
                }
                without_same(side)?;
                check_order(side, false)?;
            }
            Ok(())
        }
        Expr::BinaryOp { left, op, right } if is_logical(op) => {
            check_order(left, false).and_then(|()| check_order(right, false))
        }
        Expr::BinaryOp { left, right, .. } => plain(left).and_then(|()| plain(right)),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => check_order(expr, false),
        Expr::UnaryOp { expr, .. }
        | Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::IsUnknown(expr)
        | Expr::IsNotUnknown(expr) => plain(expr),
        Expr::InList { expr, list, .. } => {
            plain(expr)?;
            list.iter().try_for_each(|item| check_order(item, true))
        }
        Expr::Between { expr, low, high, .. } => {
            [expr, low, high].into_iter().try_for_each(|part| plain(part))
        }
        Expr::Like { expr, pattern, .. } => plain(expr).and_then(|()| plain(pattern)),
        _ => Ok(()),
    }
}
