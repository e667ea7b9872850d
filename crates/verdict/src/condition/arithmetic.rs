//! Arithmetic, checked: what overflows or has no meaning is an error, never a number.
//!
//! Answerable for `+ - * / %` on numbers, texts, lists and times. Does not mix kinds of number.

use super::run::{Failure, Meter};
use super::show;
use super::tree::{Node, Sum};
use super::value::{List, Value, truncated};

/// `a sum b`; `nodes` are where the two come from, for messages.
pub(super) fn apply<'v>(
    sum: Sum,
    (a, b): (&Value<'v>, &Value<'v>),
    nodes: (&Node, &Node),
    meter: &mut Meter,
) -> Result<Value<'v>, Failure<'v>> {
    let out_of_range = || Failure::Said(format!("{} is out of range", show::quoted_pair(nodes, sum.sign())));
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            let whole = match sum {
                Sum::Add => a.checked_add(*b),
                Sum::Subtract => a.checked_sub(*b),
                Sum::Multiply => a.checked_mul(*b),
                Sum::Divide | Sum::Remainder if *b == 0 => return Err(by_zero(nodes.1)),
                Sum::Divide => a.checked_div(*b),
                Sum::Remainder => a.checked_rem(*b),
            };
            whole.map(Value::Int).ok_or_else(out_of_range)
        }
        (Value::Uint(a), Value::Uint(b)) => {
            let whole = match sum {
                Sum::Add => a.checked_add(*b),
                Sum::Subtract => a.checked_sub(*b),
                Sum::Multiply => a.checked_mul(*b),
                Sum::Divide | Sum::Remainder if *b == 0 => return Err(by_zero(nodes.1)),
                Sum::Divide => a.checked_div(*b),
                Sum::Remainder => a.checked_rem(*b),
            };
            whole.map(Value::Uint).ok_or_else(out_of_range)
        }
        (Value::Double(a), Value::Double(b)) => {
            let number = match sum {
                Sum::Add => a + b,
                Sum::Subtract => a - b,
                Sum::Multiply => a * b,
                Sum::Divide => a / b,
                Sum::Remainder => {
                    return Err(Failure::Said(
                        "`%` is for integers, and these are fractional numbers".into(),
                    ));
                }
            };
            // What is no number is neither more nor less than anything, and a `!` would turn that into a yes.
            if number.is_nan() { Err(out_of_range()) } else { Ok(Value::Double(number)) }
        }
        _ => match sum {
            Sum::Add => joined(a, b, meter)?.or_else(|| moved(a, b)),
            Sum::Subtract => reduced(a, b),
            _ => None,
        }
        .ok_or_else(|| Failure::Said(show::no_sum(sum, nodes, (a.kind(), b.kind())))),
    }
}

/// `-a`.
pub(super) fn negated<'v>(a: &Value<'v>, node: &Node) -> Result<Value<'v>, Failure<'v>> {
    match a {
        Value::Int(n) => match n.checked_neg() {
            Some(n) => Ok(Value::Int(n)),
            None => Err(Failure::Said(format!("the negative of {} is out of range", show::quoted(node)))),
        },
        Value::Double(x) => Ok(Value::Double(-x)),
        other => Err(Failure::Said(show::no_negative(node, other.kind()))),
    }
}

/// A position in a list: any kind of number that is whole.
pub(super) fn position(key: &Value<'_>) -> Option<i64> {
    match key {
        Value::Int(n) => Some(*n),
        Value::Uint(n) => i64::try_from(*n).ok(),
        Value::Double(x) if x.fract() == 0.0 && x.abs() < 9_223_372_036_854_775_808.0 => {
            i64::try_from(truncated(*x)).ok()
        }
        _ => None,
    }
}

fn by_zero<'v>(node: &Node) -> Failure<'v> {
    Failure::Said(match node {
        Node::Const(_) => "division by zero".to_owned(),
        node => format!("division by zero: {} is 0", show::quoted(node)),
    })
}

/// Texts, bytes and lists, one after the other.
fn joined<'v>(a: &Value<'v>, b: &Value<'v>, meter: &mut Meter) -> Result<Option<Value<'v>>, Failure<'v>> {
    if let (Some(a), Some(b)) = (a.text(), b.text()) {
        meter.build(a.len().saturating_add(b.len()))?;
        return Ok(Some(Value::Text([a, b].concat().into())));
    }
    if let (Some(a), Some(b)) = (a.bytes(), b.bytes()) {
        meter.build(a.len().saturating_add(b.len()))?;
        return Ok(Some(Value::Blob([a, b].concat().into())));
    }
    if let (Value::List(a), Value::List(b)) = (a, b) {
        let length = a.len().saturating_add(b.len());
        meter.spend(u32::try_from(length).unwrap_or(u32::MAX))?;
        return Ok(Some(Value::List(List::Built(a.iter().chain(b.iter()).collect()))));
    }
    Ok(None)
}

/// Points in time and lengths of time, added.
fn moved<'v>(a: &Value<'v>, b: &Value<'v>) -> Option<Value<'v>> {
    match (a, b) {
        (Value::Time(time), Value::Span(span)) | (Value::Span(span), Value::Time(time)) => {
            time.moved(*span).map(Value::Time)
        }
        (Value::Span(a), Value::Span(b)) => a.checked_add(*b).map(Value::Span),
        _ => None,
    }
}

/// Points in time and lengths of time, one taken from the other.
fn reduced<'v>(a: &Value<'v>, b: &Value<'v>) -> Option<Value<'v>> {
    match (a, b) {
        (Value::Time(a), Value::Time(b)) => a.since(*b).map(Value::Span),
        (Value::Time(time), Value::Span(span)) => time.moved(span.checked_neg()?).map(Value::Time),
        (Value::Span(a), Value::Span(b)) => a.checked_sub(*b).map(Value::Span),
        _ => None,
    }
}
