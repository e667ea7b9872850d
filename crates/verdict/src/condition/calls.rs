//! What the functions of an expression do.
//!
//! Answerable for conversions and the parts of times, and for sending texts to `texts`. Does not know the
//! names the functions go by.

use super::functions::{Function, signature};
use super::moment::{self, Part, Time};
use super::run::{Failure, Meter};
use super::show;
use super::texts;
use super::tree::Node;
use super::value::{Value, truncated};

type Outcome<'v> = Result<Value<'v>, Failure<'v>>;

/// Calls a function; `node` is the call, for messages. Values are the receiver, then the arguments.
pub(super) fn call<'v>(
    function: Function,
    values: &[Value<'v>],
    node: &Node,
    meter: &mut Meter,
) -> Outcome<'v> {
    let done = match (function, values) {
        (Function::TypeOf, [of]) => Some(Value::Type(of.kind())),
        (Function::Dyn, [of]) => Some(of.clone()),
        (Function::Size, [of]) => size(of, meter)?,
        (Function::ToInt, [of]) => int(of, node)?,
        (Function::ToUint, [of]) => uint(of, node)?,
        (Function::ToDouble, [of]) => double(of, node)?,
        (Function::ToText, [of]) => text(of, node, meter)?,
        (Function::ToBool, [of]) => boolean(of, node)?,
        (Function::ToBytes, [of]) => bytes(of, meter)?,
        (Function::ToTime, [of]) => time(of, node)?,
        (Function::ToSpan, [of]) => span(of, node)?,
        (Function::Part(which), [of]) => part(which, of, 0),
        (Function::Part(which), [of @ Value::Time(_), zone]) => match zone.text() {
            Some(zone) => part(which, of, moment::offset(zone).ok_or_else(|| no_offset(zone))?),
            None => None,
        },
        _ => texts::call(function, values, meter)?,
    };
    done.ok_or_else(|| Failure::Said(refused(function, values, node)))
}

/// The sentence for a value that a function cannot take.
fn refused(function: Function, values: &[Value<'_>], node: &Node) -> String {
    let name = signature(function).map_or("", |signature| signature.name);
    let takes = signature(function).map_or(&[][..], |signature| signature.takes);
    let args = match node {
        Node::Call(_, args) => args.as_slice(),
        _ => &[],
    };
    for ((value, arg), wanted) in values.iter().zip(args).zip(takes) {
        if !wanted.meets(super::functions::Kinds::of(value.kind())) {
            let kind = value.kind().exact_words();
            return format!("{} is {kind}, and `{name}` needs {}", show::quoted(arg), wanted.words());
        }
    }
    format!("{} cannot be worked out for these values", show::quoted(node))
}

fn failed<'v>(node: &Node, why: &str) -> Failure<'v> {
    Failure::Said(format!("{} cannot be worked out: {why}", show::quoted(node)))
}

fn no_offset<'v>(zone: &str) -> Failure<'v> {
    Failure::Said(format!(
        "`{}` is no offset from UTC; write `UTC` or an offset such as `+02:00`",
        show::cut(zone, 40)
    ))
}

fn size<'v>(of: &Value<'v>, meter: &mut Meter) -> Result<Option<Value<'v>>, Failure<'v>> {
    let size = match of {
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => match (of.text(), of.bytes()) {
            (Some(text), _) => {
                meter.spend_bytes(text.len())?;
                text.chars().count()
            }
            (_, Some(bytes)) => bytes.len(),
            _ => return Ok(None),
        },
    };
    Ok(i64::try_from(size).ok().map(Value::Int))
}

fn int<'v>(of: &Value<'v>, node: &Node) -> Result<Option<Value<'v>>, Failure<'v>> {
    let out_of_range = || failed(node, "the number is out of range");
    Ok(Some(Value::Int(match of {
        Value::Int(n) => *n,
        Value::Uint(n) => i64::try_from(*n).map_err(|_| out_of_range())?,
        Value::Double(x) => {
            // The ends of the range are not doubles themselves: what rounds to them is out.
            if x.is_nan() || x.abs() >= 9_223_372_036_854_775_808.0 {
                return Err(out_of_range());
            }
            i64::try_from(truncated(*x)).map_err(|_| out_of_range())?
        }
        Value::Time(time) => time.secs,
        other => match other.text() {
            Some(text) => text.parse().map_err(|_| failed(node, &not_a(text, "whole number")))?,
            None => return Ok(None),
        },
    })))
}

fn uint<'v>(of: &Value<'v>, node: &Node) -> Result<Option<Value<'v>>, Failure<'v>> {
    let out_of_range = || failed(node, "the number is out of range");
    Ok(Some(Value::Uint(match of {
        Value::Uint(n) => *n,
        Value::Int(n) => u64::try_from(*n).map_err(|_| out_of_range())?,
        Value::Double(x) => {
            if x.is_nan() || *x < 0.0 || *x >= 18_446_744_073_709_551_616.0 {
                return Err(out_of_range());
            }
            u64::try_from(truncated(*x)).map_err(|_| out_of_range())?
        }
        other => match other.text() {
            Some(text) => text.parse().map_err(|_| failed(node, &not_a(text, "whole number from 0")))?,
            None => return Ok(None),
        },
    })))
}

#[allow(clippy::cast_precision_loss, reason = "`double(...)` is asked to round to the nearest double")]
fn double<'v>(of: &Value<'v>, node: &Node) -> Result<Option<Value<'v>>, Failure<'v>> {
    Ok(Some(Value::Double(match of {
        Value::Double(x) => *x,
        Value::Int(n) => *n as f64,
        Value::Uint(n) => *n as f64,
        other => match other.text() {
            Some(text) => match text.parse::<f64>() {
                // "NaN" and "inf" are words for what no comparison can be trusted with.
                Ok(x) if x.is_finite() => x,
                _ => return Err(failed(node, &not_a(text, "number"))),
            },
            None => return Ok(None),
        },
    })))
}

fn text<'v>(of: &Value<'v>, node: &Node, meter: &mut Meter) -> Result<Option<Value<'v>>, Failure<'v>> {
    let text = match of {
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Uint(n) => n.to_string(),
        Value::Double(x) => x.to_string(),
        Value::Time(time) => time.text(),
        Value::Span(span) => moment::span_text(*span),
        Value::Str(_) | Value::Text(_) => return Ok(Some(of.clone())),
        other => match other.bytes() {
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => return Err(failed(node, "the bytes are no UTF-8")),
            },
            None => return Ok(None),
        },
    };
    meter.build(text.len())?;
    Ok(Some(Value::Text(text.into())))
}

fn boolean<'v>(of: &Value<'v>, node: &Node) -> Result<Option<Value<'v>>, Failure<'v>> {
    if let Value::Bool(b) = of {
        return Ok(Some(Value::Bool(*b)));
    }
    let Some(text) = of.text() else { return Ok(None) };
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Some(Value::Bool(true))),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Some(Value::Bool(false))),
        _ => Err(failed(node, &not_a(text, "boolean"))),
    }
}

fn bytes<'v>(of: &Value<'v>, meter: &mut Meter) -> Result<Option<Value<'v>>, Failure<'v>> {
    Ok(match of {
        Value::Str(text) => Some(Value::Bytes(text.as_bytes())),
        Value::Text(text) => {
            meter.build(text.len())?;
            Some(Value::Blob(text.as_bytes().into()))
        }
        Value::Bytes(_) | Value::Blob(_) => Some(of.clone()),
        _ => None,
    })
}

fn time<'v>(of: &Value<'v>, node: &Node) -> Result<Option<Value<'v>>, Failure<'v>> {
    let time = match of {
        Value::Time(time) => Some(*time),
        Value::Int(secs) => Time::from_secs(*secs),
        other => match other.text() {
            Some(text) => Time::parse(text),
            None => return Ok(None),
        },
    };
    match time {
        Some(time) => Ok(Some(Value::Time(time))),
        None => Err(failed(node, "a timestamp looks like `2026-01-31T09:30:00Z`, from year 1 to 9999")),
    }
}

fn span<'v>(of: &Value<'v>, node: &Node) -> Result<Option<Value<'v>>, Failure<'v>> {
    if let Value::Span(span) = of {
        return Ok(Some(Value::Span(*span)));
    }
    let Some(text) = of.text() else { return Ok(None) };
    match moment::parse_span(text) {
        Some(span) => Ok(Some(Value::Span(span))),
        None => Err(failed(node, "a duration looks like `1h30m`, `15m` or `1.5s`, up to 292 years")),
    }
}

fn part<'v>(which: Part, of: &Value<'v>, offset: i64) -> Option<Value<'v>> {
    match of {
        Value::Time(time) => Some(Value::Int(time.part(which, offset))),
        Value::Span(span) => moment::span_part(*span, which).map(Value::Int),
        _ => None,
    }
}

fn not_a(text: &str, what: &str) -> String {
    format!("`{}` is no {what}", show::cut(text, 40))
}
