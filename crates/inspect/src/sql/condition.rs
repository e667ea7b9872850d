//! Conditions that hold for every row, however they are written.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// Whether a condition plainly lets every row through: `1=1`, `TRUE`, `id = id`, anything `OR` such.
pub(super) fn is_always_true(expr: &Expr) -> bool {
    truth(expr, 0) == Some(true)
}

/// What a condition of constants comes to; `None` if it depends on the row.
fn truth(expr: &Expr, depth: usize) -> Option<bool> {
    if depth > 200 {
        return None;
    }
    let inner = |expr| truth(expr, depth + 1);
    match expr {
        Expr::Nested(expr) => inner(expr),
        Expr::Value(value) => constant(&value.value),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => inner(expr).map(|it| !it),
        Expr::IsTrue(expr) => inner(expr),
        Expr::IsFalse(expr) => inner(expr).map(|it| !it),
        Expr::IsNotNull(expr) => matches!(expr.as_ref(), Expr::Value(value) if value.value != Value::Null).then_some(true),
        Expr::IsNull(expr) => matches!(expr.as_ref(), Expr::Value(value) if value.value == Value::Null).then_some(true),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => match (inner(left), inner(right)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => match (inner(left), inner(right)) {
            (Some(true), Some(true)) => Some(true),
            (Some(false), _) | (_, Some(false)) => Some(false),
            _ => None,
        },
        Expr::BinaryOp { left, op, right } => compared(left, op, right),
        Expr::Like { negated: false, pattern, .. } | Expr::ILike { negated: false, pattern, .. } => {
            matches!(pattern.as_ref(), Expr::Value(value) if value.value == Value::SingleQuotedString("%".into()))
                .then_some(true)
        }
        Expr::InList { expr, list, negated: false } => list.contains(expr).then_some(true),
        Expr::Between { expr, negated: false, low, high } if number(expr).is_some() => {
            Some(number(low)? <= number(expr)? && number(expr)? <= number(high)?)
        }
        _ => None,
    }
}

fn constant(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(it) => Some(*it),
        Value::Number(digits, _) => digits.parse::<f64>().ok().map(|number| number != 0.0),
        Value::SingleQuotedString(text) => text.parse::<f64>().ok().map(|number| number != 0.0),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::Nested(inner) => number(inner),
        _ => None,
    }
}

fn compared(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<bool> {
    let is_plain =
        |expr: &Expr| matches!(expr, Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let are_constants = matches!((left, right), (Expr::Value(_), Expr::Value(_)));
    match op {
        BinaryOperator::Eq | BinaryOperator::Spaceship if is_plain(left) && left == right => Some(true),
        BinaryOperator::Eq if are_constants => Some(false),
        BinaryOperator::NotEq if are_constants => Some(left != right),
        BinaryOperator::Lt => Some(number(left)? < number(right)?),
        BinaryOperator::LtEq => Some(number(left)? <= number(right)?),
        BinaryOperator::Gt => Some(number(left)? > number(right)?),
        BinaryOperator::GtEq => Some(number(left)? >= number(right)?),
        _ => None,
    }
}
