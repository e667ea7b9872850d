//! The functions on strings. Positions count characters (Unicode scalar values), never bytes.
//!
//! Answerable for charging what is searched and built. Every position outside a string is an error.

use std::rc::Rc;

use super::functions::Function;
use super::run::{Failure, Meter};
use super::value::{List, Value};

/// Calls a function on strings; none if these values are not what it takes.
pub(super) fn call<'v>(
    function: Function,
    values: &[Value<'v>],
    meter: &mut Meter,
) -> Result<Option<Value<'v>>, Failure<'v>> {
    if let (Function::Join, [Value::List(list), rest @ ..]) = (function, values) {
        return join(list, rest.first(), meter);
    }
    let Some((of, rest)) = values.split_first() else { return Ok(None) };
    let Some(text) = of.text() else { return Ok(None) };
    meter.spend_bytes(text.len())?;
    let first = rest.first().and_then(Value::text);
    let number = |at: usize| match rest.get(at) {
        Some(Value::Int(n)) => Some(Some(*n)),
        Some(_) => None,
        None => Some(None),
    };
    Ok(match (function, first) {
        (Function::Contains, Some(part)) => Some(Value::Bool(text.contains(part))),
        (Function::StartsWith, Some(part)) => Some(Value::Bool(text.starts_with(part))),
        (Function::EndsWith, Some(part)) => Some(Value::Bool(text.ends_with(part))),
        (Function::LowerAscii, _) => Some(built(text.to_ascii_lowercase(), meter)?),
        (Function::UpperAscii, _) => Some(built(text.to_ascii_uppercase(), meter)?),
        (Function::Trim, _) => Some(built(text.trim().to_owned(), meter)?),
        (Function::Split, Some(by)) => match number(1) {
            Some(limit) => Some(split(text, by, limit.unwrap_or(-1), meter)?),
            None => None,
        },
        (Function::Replace, Some(from)) => match (rest.get(1).and_then(Value::text), number(2)) {
            (Some(to), Some(limit)) => Some(replace(text, (from, to), limit.unwrap_or(-1), meter)?),
            _ => None,
        },
        (Function::Substring, _) => match (number(0), number(1)) {
            (Some(Some(from)), Some(to)) => Some(substring(text, from, to, meter)?),
            _ => None,
        },
        (Function::CharAt, _) => match number(0) {
            Some(Some(at)) => Some(char_at(text, at, meter)?),
            _ => None,
        },
        (Function::IndexOf, Some(part)) => match number(1) {
            Some(from) => Some(index_of(text, part, from.unwrap_or(0))?),
            None => None,
        },
        (Function::LastIndexOf, Some(part)) => match number(1) {
            Some(last) => Some(last_index_of(text, part, last)?),
            None => None,
        },
        _ => None,
    })
}

fn built<'v>(text: String, meter: &mut Meter) -> Result<Value<'v>, Failure<'v>> {
    meter.build(text.len())?;
    Ok(Value::Text(text.into()))
}

fn outside<'v>(at: i64, text: &str) -> Failure<'v> {
    Failure::Said(format!("position {at} is outside a string of {} characters", text.chars().count()))
}

/// The byte at which character `at` begins; the end of the text counts as a position.
fn place<'v>(text: &str, at: i64) -> Result<usize, Failure<'v>> {
    let wanted = usize::try_from(at).map_err(|_| outside(at, text))?;
    let ends = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
    ends.into_iter().nth(wanted).ok_or_else(|| outside(at, text))
}

/// How many characters come before a byte.
fn chars_before(text: &str, byte: usize) -> i64 {
    let count = text.get(..byte).map_or(0, |before| before.chars().count());
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn substring<'v>(
    text: &str,
    from: i64,
    to: Option<i64>,
    meter: &mut Meter,
) -> Result<Value<'v>, Failure<'v>> {
    let start = place(text, from)?;
    let end = to.map_or(Ok(text.len()), |to| place(text, to))?;
    match text.get(start..end) {
        Some(part) => built(part.to_owned(), meter),
        None => {
            Err(Failure::Said(format!("no part of a string reaches from {from} back to {}", to.unwrap_or(0))))
        }
    }
}

fn char_at<'v>(text: &str, at: i64, meter: &mut Meter) -> Result<Value<'v>, Failure<'v>> {
    let start = place(text, at)?;
    let found = text.get(start..).and_then(|rest| rest.chars().next());
    built(found.map(String::from).unwrap_or_default(), meter)
}

fn index_of<'v>(text: &str, part: &str, from: i64) -> Result<Value<'v>, Failure<'v>> {
    let start = place(text, from)?;
    let found = text.get(start..).and_then(|rest| rest.find(part));
    Ok(Value::Int(found.map_or(-1, |at| chars_before(text, start + at))))
}

fn last_index_of<'v>(text: &str, part: &str, last: Option<i64>) -> Result<Value<'v>, Failure<'v>> {
    let end = match last {
        // The match may begin at `last`, so it may reach that much further.
        Some(last) => (place(text, last)? + part.len()).min(text.len()),
        None => text.len(),
    };
    // A match ends between characters: an end inside one moves back to where it begins.
    let end = (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let found = text.get(..end).and_then(|head| head.rfind(part));
    Ok(Value::Int(found.map_or(-1, |at| chars_before(text, at))))
}

fn split<'v>(text: &str, by: &str, limit: i64, meter: &mut Meter) -> Result<Value<'v>, Failure<'v>> {
    meter.build(text.len())?;
    let mut parts: Vec<Value<'v>> = Vec::new();
    let mut rest = Some(text);
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    while let Some(left) = rest {
        if most == 0 {
            break;
        }
        meter.spend(1)?;
        // An empty separator stands between all characters.
        let cut = match left.chars().next() {
            Some(c) if by.is_empty() && left.len() > c.len_utf8() => left.split_at_checked(c.len_utf8()),
            _ if by.is_empty() => None,
            _ => left.split_once(by),
        };
        let (part, after) = match cut {
            Some((part, after)) if parts.len() + 1 < most => (part, Some(after)),
            _ => (left, None),
        };
        // cel-go splits an empty text at an empty separator into nothing.
        if !(by.is_empty() && text.is_empty()) {
            parts.push(Value::Text(part.into()));
        }
        rest = after;
    }
    Ok(Value::List(List::Built(Rc::from(parts))))
}

fn replace<'v>(
    text: &str,
    (from, to): (&str, &str),
    limit: i64,
    meter: &mut Meter,
) -> Result<Value<'v>, Failure<'v>> {
    // An empty text is found before every character and at the end.
    let most = if from.is_empty() { text.len().saturating_add(1) } else { text.len() / from.len() };
    let most = usize::try_from(limit).unwrap_or(usize::MAX).min(most);
    // What the result could come to is charged before it is built.
    let found = if from.is_empty() { most } else { text.matches(from).take(most).count() };
    meter.build(text.len().saturating_add(found.saturating_mul(to.len())))?;
    Ok(Value::Text(text.replacen(from, to, most).into()))
}

fn join<'v>(
    list: &List<'v>,
    by: Option<&Value<'v>>,
    meter: &mut Meter,
) -> Result<Option<Value<'v>>, Failure<'v>> {
    let by = match by.map(Value::text) {
        None => "",
        Some(Some(by)) => by,
        Some(None) => return Ok(None),
    };
    let mut out = String::new();
    for (n, item) in list.iter().enumerate() {
        meter.spend(1)?;
        let Some(text) = item.text() else {
            return Err(Failure::Said(format!(
                "`join` needs strings, and element {n} is {}",
                item.kind().words()
            )));
        };
        let by = if n == 0 { "" } else { by };
        meter.build(by.len().saturating_add(text.len()))?;
        out.push_str(by);
        out.push_str(text);
    }
    Ok(Some(Value::Text(out.into())))
}
