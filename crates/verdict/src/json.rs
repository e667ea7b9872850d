//! JSON as the gate reads it: one value type, one way to write it.
//!
//! Answerable for refusing what could mean two things (duplicate keys, integers no machine integer
//! holds, numbers that are no number, lone surrogates, deep nesting) and for the canonical form
//! (RFC 8785) that digests are taken of. Knows nothing of what the values mean.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

/// A JSON value. Integers are exact within `i64`; other numbers are finite doubles.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number written without fraction and exponent, within `i64`.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// A string of Unicode scalar values.
    Str(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Map(Map),
}

/// An object: no key twice, keys in the order of RFC 8785 (UTF-16 code units).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<(String, Json)>);

impl Map {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Json> {
        // Argument objects are small: comparing for equality in a row beats a binary search.
        if self.0.len() <= 12 {
            return self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v);
        }
        let at = self.0.binary_search_by(|(k, _)| utf16_order(k, key)).ok()?;
        self.0.get(at).map(|(_, v)| v)
    }
    /// Keys and values in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True if there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Makes an object of pairs; the error is the key that came twice.
    pub fn from_pairs(mut pairs: Vec<(String, Json)>) -> Result<Self, String> {
        pairs.sort_by(|(a, _), (b, _)| utf16_order(a, b));
        let twice = pairs.windows(2).find_map(|w| match w {
            [(a, _), (b, _)] if a == b => Some(a.clone()),
            _ => None,
        });
        match twice {
            Some(key) => Err(key),
            None => Ok(Self(pairs)),
        }
    }
}

impl Json {
    /// Reads one JSON text; anything ambiguous is refused. The error is a sentence with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The canonical text: RFC 8785, with one addition. Integers beyond ±(2^53 − 1), which RFC 8785
    /// would round, keep their digits: two different numbers never share a digest.
    pub fn canonical(&self) -> String {
        let mut out = String::with_capacity(128);
        self.write_canonical(&mut out);
        out
    }

    /// Appends the canonical text to `out`.
    pub fn write_canonical(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Int(n) => write_integer(*n, out),
            Self::Float(x) => out.push_str(ryu_js::Buffer::new().format_finite(*x)),
            Self::Str(text) => write_string(text, out),
            Self::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    item.write_canonical(out);
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push('{');
                for (n, (key, value)) in map.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    write_string(key, out);
                    out.push(':');
                    value.write_canonical(out);
                }
                out.push('}');
            }
        }
    }

    /// The value at `path`, a chain of keys.
    pub fn at<'j>(&'j self, path: &[String]) -> Option<&'j Json> {
        path.iter().try_fold(self, |json, key| match json {
            Self::Map(map) => map.get(key),
            _ => None,
        })
    }

    /// What kind of value this is, in words a person knows.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Str(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

/// Writes a string as RFC 8785 section 3.2.2.2 has it.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push_str(text);
    } else {
        write_escaped(text, out);
    }
    out.push('"');
}

/// Appends a string as JSON: what RFC 8785 and most writers agree on.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        let mut escaped = String::with_capacity(text.len().saturating_add(16));
        write_escaped(text, &mut escaped);
        out.extend_from_slice(escaped.as_bytes());
    }
    out.push(b'"');
}

fn write_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

fn write_integer(n: i64, out: &mut String) {
    use std::fmt::Write as _;
    // A string takes whatever is written to it.
    let _never = write!(out, "{n}");
}

fn utf16_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Json, E> {
        i64::try_from(value).map(Json::Int).map_err(|_| {
            E::custom(format_args!(
                "number `{value}` is out of range; send identifiers of this size as strings"
            ))
        })
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        // An integer too long for 64 bits arrives here already rounded; a double of that size written
        // with an exponent is no amount or count either.
        if !value.is_finite() || value.abs() >= 9_223_372_036_854_775_808.0 {
            return Err(E::custom(format_args!("number `{value:e}` is out of range")));
        }
        Ok(Json::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Str(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Str(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Map::from_pairs(pairs)
            .map(Json::Map)
            .map_err(|key| A::Error::custom(format_args!("key `{key}` is given twice")))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Str(value) => serializer.serialize_str(value),
            Self::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Self::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                map.iter().try_for_each(|(key, value)| out.serialize_entry(key, value))?;
                out.end()
            }
        }
    }
}
