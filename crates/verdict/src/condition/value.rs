//! Values while an expression is decided: borrowed from the input or the tree wherever possible.
//!
//! Answerable for what equals what and what comes before what, exactly and across the kinds of number.
//! Does not know the nodes that produce values.

use std::cmp::Ordering;
use std::rc::Rc;

use super::Root;
use super::moment::Time;
use super::run::{Failure, Meter};
use super::tree::{Const, Kind};
use crate::json::{Json, Map};

/// A value, cheap to copy: what was built while deciding is shared, the rest is borrowed.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(&'v str),
    Text(Rc<str>),
    Bytes(&'v [u8]),
    Blob(Rc<[u8]>),
    List(List<'v>),
    Map(Dict<'v>),
    Time(Time),
    Span(i64),
    Type(Kind),
}

/// A list.
#[derive(Clone, Debug)]
pub(super) enum List<'v> {
    Json(&'v [Json]),
    Strs(&'v [String]),
    Const(&'v [Const]),
    Built(Rc<[Value<'v>]>),
}

/// A map.
#[derive(Clone, Debug)]
pub(super) enum Dict<'v> {
    Json(&'v Map),
    Fields(&'v [(&'v str, Root<'v>)]),
    Const(&'v [(Const, Const)]),
    Built(Rc<[(Value<'v>, Value<'v>)]>),
}

impl<'v> Value<'v> {
    /// The value of a root; none if it is absent.
    pub(super) fn of_root(root: Root<'v>) -> Option<Self> {
        Some(match root {
            Root::Absent => return None,
            Root::Null => Self::Null,
            Root::Bool(b) => Self::Bool(b),
            Root::Int(n) => Self::Int(n),
            Root::Double(x) => Self::Double(x),
            Root::Str(text) => Self::Str(text),
            Root::Json(json) => Self::of_json(json),
            Root::Map(map) => Self::Map(Dict::Json(map)),
            Root::Strs(items) => Self::List(List::Strs(items)),
            Root::Time(micros) => Self::Time(Time::from_micros(micros)),
            Root::Fields(fields) => Self::Map(Dict::Fields(fields)),
        })
    }

    /// The value of JSON.
    pub(super) fn of_json(json: &'v Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(*b),
            Json::Int(n) => Self::Int(*n),
            Json::Float(x) => Self::Double(*x),
            Json::Str(text) => Self::Str(text),
            Json::List(items) => Self::List(List::Json(items)),
            Json::Map(map) => Self::Map(Dict::Json(map)),
        }
    }

    /// The value of a constant.
    pub(super) fn of_const(constant: &'v Const) -> Self {
        match constant {
            Const::Null => Self::Null,
            Const::Bool(b) => Self::Bool(*b),
            Const::Int(n) => Self::Int(*n),
            Const::Uint(n) => Self::Uint(*n),
            Const::Double(x) => Self::Double(*x),
            Const::Str(text) => Self::Str(text),
            Const::Bytes(bytes) => Self::Bytes(bytes),
            Const::List(items) => Self::List(List::Const(items)),
            Const::Map(entries) => Self::Map(Dict::Const(entries)),
            Const::Time(time) => Self::Time(*time),
            Const::Span(span) => Self::Span(*span),
            Const::Type(kind) => Self::Type(*kind),
        }
    }

    /// The value as a constant that needs nothing else to live.
    pub(super) fn to_const(&self) -> Const {
        match self {
            Self::Null => Const::Null,
            Self::Bool(b) => Const::Bool(*b),
            Self::Int(n) => Const::Int(*n),
            Self::Uint(n) => Const::Uint(*n),
            Self::Double(x) => Const::Double(*x),
            Self::Str(text) => Const::Str((*text).to_owned()),
            Self::Text(text) => Const::Str(text.as_ref().to_owned()),
            Self::Bytes(bytes) => Const::Bytes(bytes.to_vec()),
            Self::Blob(bytes) => Const::Bytes(bytes.to_vec()),
            Self::List(list) => Const::List(list.iter().map(|item| item.to_const()).collect()),
            Self::Map(map) => {
                Const::Map(map.entries().map(|(key, value)| (key.to_const(), value.to_const())).collect())
            }
            Self::Time(time) => Const::Time(*time),
            Self::Span(span) => Const::Span(*span),
            Self::Type(kind) => Const::Type(*kind),
        }
    }

    /// The type of the value.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Uint(_) => Kind::Uint,
            Self::Double(_) => Kind::Double,
            Self::Str(_) | Self::Text(_) => Kind::Str,
            Self::Bytes(_) | Self::Blob(_) => Kind::Bytes,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Time(_) => Kind::Time,
            Self::Span(_) => Kind::Span,
            Self::Type(_) => Kind::Type,
        }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a sequence of bytes.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'v> List<'v> {
    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Strs(items) => items.len(),
            Self::Const(items) => items.len(),
            Self::Built(items) => items.len(),
        }
    }

    /// The element at `at`.
    pub(super) fn get(&self, at: usize) -> Option<Value<'v>> {
        match self {
            Self::Json(items) => items.get(at).map(Value::of_json),
            Self::Strs(items) => items.get(at).map(|text| Value::Str(text)),
            Self::Const(items) => items.get(at).map(Value::of_const),
            Self::Built(items) => items.get(at).cloned(),
        }
    }

    /// The elements in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Value<'v>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl<'v> Dict<'v> {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(map) => map.len(),
            Self::Fields(fields) => fields.iter().filter(|(_, root)| !matches!(root, Root::Absent)).count(),
            Self::Const(entries) => entries.len(),
            Self::Built(entries) => entries.len(),
        }
    }

    /// The value of a key that is a string.
    pub(super) fn field<'e>(&self, key: &str, meter: &mut Meter) -> Result<Option<Value<'v>>, Failure<'e>> {
        match self {
            Self::Json(map) => Ok(map.get(key).map(Value::of_json)),
            Self::Fields(fields) => Ok(field(fields, key).and_then(Value::of_root)),
            _ => self.get(&Value::Text(Rc::from(key)), meter),
        }
    }

    /// The value of any key. Keys are equal across the kinds of number.
    pub(super) fn get<'e>(
        &self,
        key: &Value<'_>,
        meter: &mut Meter,
    ) -> Result<Option<Value<'v>>, Failure<'e>> {
        match self {
            Self::Json(map) => Ok(key.text().and_then(|key| map.get(key)).map(Value::of_json)),
            Self::Fields(fields) => {
                Ok(key.text().and_then(|key| field(fields, key)).and_then(Value::of_root))
            }
            Self::Const(entries) => {
                for (name, value) in *entries {
                    if equal(&Value::of_const(name), key, meter)? {
                        return Ok(Some(Value::of_const(value)));
                    }
                }
                Ok(None)
            }
            Self::Built(entries) => {
                for (name, value) in entries.iter() {
                    if equal(name, key, meter)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Keys and values.
    pub(super) fn entries(&self) -> Box<dyn Iterator<Item = (Value<'v>, Value<'v>)> + 'v> {
        match self {
            Self::Json(map) => {
                let map: &'v Map = map;
                Box::new(map.iter().map(|(key, json)| (Value::Str(key), Value::of_json(json))))
            }
            Self::Fields(fields) => {
                let fields: &'v [(&'v str, Root<'v>)] = fields;
                Box::new(
                    fields.iter().filter_map(|(key, root)| Some((Value::Str(key), Value::of_root(*root)?))),
                )
            }
            Self::Const(entries) => {
                let entries: &'v [(Const, Const)] = entries;
                Box::new(entries.iter().map(|(key, value)| (Value::of_const(key), Value::of_const(value))))
            }
            Self::Built(entries) => {
                let entries = Rc::clone(entries);
                Box::new((0..entries.len()).filter_map(move |at| entries.get(at).cloned()))
            }
        }
    }
}

/// A field of a record.
pub(super) fn field<'v>(fields: &'v [(&'v str, Root<'v>)], key: &str) -> Option<Root<'v>> {
    fields.iter().find(|(name, _)| *name == key).map(|(_, root)| *root)
}

/// Whether two values are equal: across the kinds of number by what they are worth, never across others.
pub(super) fn equal<'e>(a: &Value<'_>, b: &Value<'_>, meter: &mut Meter) -> Result<bool, Failure<'e>> {
    match (a, b) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Span(a), Value::Span(b)) => Ok(a == b),
        (Value::Type(a), Value::Type(b)) => Ok(a == b),
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                meter.spend(1)?;
                if !equal(&a, &b, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, value) in a.entries() {
                meter.spend(1)?;
                match b.get(&key, meter)? {
                    Some(other) if equal(&value, &other, meter)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        _ => match (a.text(), b.text()) {
            (Some(a), Some(b)) => {
                meter.spend_bytes(a.len().min(b.len()))?;
                Ok(a == b)
            }
            (None, None) => match (a.bytes(), b.bytes()) {
                (Some(a), Some(b)) => {
                    meter.spend_bytes(a.len().min(b.len()))?;
                    Ok(a == b)
                }
                _ => Ok(numeric_order(a, b) == Some(Some(Ordering::Equal))),
            },
            _ => Ok(false),
        },
    }
}

/// The order of two values: none if their types have no order between them, an inner none if one of them
/// is not a number at all.
pub(super) fn order<'e>(
    a: &Value<'_>,
    b: &Value<'_>,
    meter: &mut Meter,
) -> Result<Option<Option<Ordering>>, Failure<'e>> {
    if let Some(order) = numeric_order(a, b) {
        return Ok(Some(order));
    }
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(Some(a.cmp(b))),
        (Value::Time(a), Value::Time(b)) => Some(Some(a.cmp(b))),
        (Value::Span(a), Value::Span(b)) => Some(Some(a.cmp(b))),
        _ => match (a.text(), b.text(), a.bytes(), b.bytes()) {
            (Some(a), Some(b), _, _) => {
                meter.spend_bytes(a.len().min(b.len()))?;
                Some(Some(a.cmp(b)))
            }
            (_, _, Some(a), Some(b)) => {
                meter.spend_bytes(a.len().min(b.len()))?;
                Some(Some(a.cmp(b)))
            }
            _ => None,
        },
    })
}

/// The order of two numbers, exactly: no number is rounded to be compared.
fn numeric_order(a: &Value<'_>, b: &Value<'_>) -> Option<Option<Ordering>> {
    Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Double(b)) => whole_order(i128::from(*a), *b),
        (Value::Double(a), Value::Int(b)) => whole_order(i128::from(*b), *a).map(Ordering::reverse),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Double(b)) => whole_order(i128::from(*a), *b),
        (Value::Double(a), Value::Uint(b)) => whole_order(i128::from(*b), *a).map(Ordering::reverse),
        _ => return None,
    })
}

/// The order of an integer and a double.
fn whole_order(whole: i128, x: f64) -> Option<Ordering> {
    // Beyond 2^64 every double is larger in size than every machine integer; within it, the whole part of a
    // double is an integer that `i128` holds exactly.
    if x.is_nan() {
        return None;
    }
    if x.abs() >= 18_446_744_073_709_551_616.0 {
        return Some(if x > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let order = whole.cmp(&truncated(x));
    let beyond = 0.0_f64.partial_cmp(&x.fract()).unwrap_or(Ordering::Equal);
    Some(order.then(beyond))
}

/// The whole part of a double whose size is below 2^64.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a whole number below 2^64 fits; the cast saturates anyway"
)]
pub(super) fn truncated(x: f64) -> i128 {
    x.trunc() as i128
}
