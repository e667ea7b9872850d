//! Python's values as JSON text, so that they are read by the same code as what comes over the wire.
//!
//! Answerable for every value a caller can think of: what is no JSON is refused with a sentence that names the place,
//! and nothing is left out, rounded or followed without end. Runs no code of the caller's but `Decimal`'s.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// The deepest nesting, as on the wire.
const DEEPEST: usize = gate::wire::DEEPEST;
/// The longest text of one request, in bytes.
const LONGEST: usize = 1 << 20;

/// The JSON text of `value`. The error is a sentence for whoever made the value.
pub fn json_text(value: &Bound<'_, PyAny>) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(256);
    write(value, &mut out, 0).map_err(|Odd { place, why }| {
        let place: String = place.iter().rev().map(String::as_str).collect();
        format!("`{}` {why}", verdict::short(place.trim_start_matches('.')))
    })?;
    Ok(out)
}

/// What is wrong, and where: the keys on the way, the innermost first.
struct Odd {
    place: Vec<String>,
    why: String,
}

fn odd<T>(why: impl Into<String>) -> Result<T, Odd> {
    Err(Odd { place: Vec::new(), why: why.into() })
}

fn write(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, depth: usize) -> Result<(), Odd> {
    if out.len() > LONGEST {
        return odd(format!("makes the action longer than {LONGEST} bytes; send a smaller one"));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return string(text, out);
    }
    if value.is_none() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    if let Ok(yes) = value.cast::<PyBool>() {
        out.extend_from_slice(if yes.is_true() { b"true" } else { b"false" });
        return Ok(());
    }
    if value.is_instance_of::<PyInt>() {
        let Ok(n) = value.extract::<i64>() else {
            return odd("is an integer of more than 64 bits; pass it as text");
        };
        out.extend_from_slice(n.to_string().as_bytes());
        return Ok(());
    }
    if let Ok(x) = value.cast::<PyFloat>() {
        return number(x.value(), out);
    }
    if depth >= DEEPEST {
        return odd(format!("is nested more than {DEEPEST} deep, or holds itself; pass a flatter value"));
    }
    if let Ok(map) = value.cast::<PyDict>() {
        return object(map, out, depth);
    }
    if let Ok(list) = value.cast::<PyList>() {
        return items(list.iter(), out, depth);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return items(tuple.iter(), out, depth);
    }
    other(value, out)
}

fn string(text: &Bound<'_, PyString>, out: &mut Vec<u8>) -> Result<(), Odd> {
    match text.to_cow() {
        Ok(text) => {
            verdict::write_text(&text, out);
            Ok(())
        }
        Err(_) => odd("is text with half of a character in it (a lone surrogate); decode it properly first"),
    }
}

fn number(x: f64, out: &mut Vec<u8>) -> Result<(), Odd> {
    if !x.is_finite() {
        return odd(format!("is {x}, which is no number that limits could be held against"));
    }
    match serde_json::to_string(&x) {
        Ok(text) => out.extend_from_slice(text.as_bytes()),
        Err(error) => return odd(error.to_string()),
    }
    Ok(())
}

fn object(map: &Bound<'_, PyDict>, out: &mut Vec<u8>, depth: usize) -> Result<(), Odd> {
    out.push(b'{');
    // A copy: whoever else holds the dictionary may change it meanwhile.
    for (n, item) in map.items().iter().enumerate() {
        let Ok((key, value)) = item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() else {
            return odd("is an object that changed while it was read");
        };
        let Ok(key) = key.cast::<PyString>() else {
            let kind = name_of(&key);
            return odd(format!("has a key that is no text but a `{kind}`; use texts as keys"));
        };
        if n > 0 {
            out.push(b',');
        }
        string(key, out)?;
        out.push(b':');
        if let Err(mut odd) = write(&value, out, depth.saturating_add(1)) {
            odd.place.push(format!(".{}", key.to_string_lossy()));
            return Err(odd);
        }
    }
    out.push(b'}');
    Ok(())
}

fn items<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Odd> {
    out.push(b'[');
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        if let Err(mut odd) = write(&item, out, depth.saturating_add(1)) {
            odd.place.push(format!("[{n}]"));
            return Err(odd);
        }
    }
    out.push(b']');
    Ok(())
}

/// Decimal numbers keep their digits; nothing else has a meaning that everyone would agree on.
fn other(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Result<(), Odd> {
    let kind = name_of(value);
    let is_decimal = kind == "Decimal"
        && value.get_type().module().is_ok_and(|it| it.to_string_lossy().starts_with("decimal"));
    if !is_decimal {
        return odd(format!("is a `{kind}`; pass text, numbers, lists and dictionaries"));
    }
    let text = value.str().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => {
            let digits = if text.contains(['E', 'e']) { x.to_string() } else { text };
            out.extend_from_slice(digits.trim_start_matches('+').as_bytes());
            Ok(())
        }
        _ => odd(format!("is the decimal `{}`, which is no number", verdict::short(&text))),
    }
}

fn name_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}
