//! A line as a message: request, notification or answer, as far as the gate must know it.
//!
//! What the gate decides on must be what every other parser of the same bytes sees. So whatever two parsers
//! could read in two ways (a key twice, keys that differ in case alone, a carriage return in the middle, text
//! that is no UTF-8) is refused here, and reaches nobody. Values are not looked into: they pass as they are.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A message that must not be passed on, and what its sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Odd {
    /// The JSON-RPC error code: -32700 no JSON, -32600 no message.
    pub(super) code: i32,
    /// Why, in a sentence.
    pub(super) why: String,
    /// The request's id as it was written, where there is no doubt about it.
    pub(super) id: Option<String>,
}

impl Odd {
    fn no_json(why: impl Into<String>) -> Self {
        Self { code: -32700, why: why.into(), id: None }
    }
    fn no_message(why: impl Into<String>) -> Self {
        Self { code: -32600, why: why.into(), id: None }
    }
}

/// A request's id, by its meaning: `1` and `1.0` are the same, `1` and `"1"` are not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Id {
    /// An integer.
    Int(i64),
    /// Another number, by its bits.
    Float(u64),
    /// A text.
    Text(String),
}

impl Id {
    /// As JSON.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Int(int) => int.to_string(),
            Self::Float(bits) => serde_json::to_string(&f64::from_bits(*bits)).unwrap_or_default(),
            Self::Text(text) => serde_json::to_string(text).unwrap_or_default(),
        }
    }
}

/// A message.
#[derive(Debug)]
pub(super) enum Message<'l> {
    /// Wants an answer.
    Request {
        /// By meaning.
        id: Id,
        /// As written.
        raw_id: &'l str,
        /// Decoded.
        method: String,
        /// As written.
        params: Option<&'l RawValue>,
    },
    /// Wants none.
    Notification {
        /// Decoded.
        method: String,
        /// As written.
        params: Option<&'l RawValue>,
    },
    /// Answers a request of the other side.
    Answer {
        /// The request; absent if the other side could not tell.
        id: Option<Id>,
        /// As written; absent if it is an error.
        result: Option<&'l RawValue>,
    },
    /// Several messages in one, as revision 2025-03-26 has them.
    Batch(Vec<&'l RawValue>),
}

/// The keys of a message that mean something.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// The methods whose messages the gate decides on.
const GUARDED: [&str; 2] = ["tools/call", "tools/list"];

/// The text of a line: UTF-8, without its end.
pub(super) fn text(line: &[u8]) -> Result<&str, Odd> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| Odd::no_json("the message is not UTF-8"))?;
    // Some readers take a carriage return for the end of a line, and what follows for another message.
    if text.contains('\r') {
        return Err(Odd::no_message("the message has a carriage return in it; write it without"));
    }
    Ok(text)
}

/// Reads one message.
pub(super) fn read(text: &str) -> Result<Message<'_>, Odd> {
    if text.trim_start_matches([' ', '\t']).starts_with('[') {
        let parts: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| Odd::no_json(error.to_string()))?;
        return Ok(Message::Batch(parts));
    }
    let fields = Fields::read(text)?;
    let raw_id = fields.raw("id");
    // Whoever answers needs the id even of a message that is refused.
    let known_id = raw_id.filter(|_| fields.doubt.is_none()).map(RawValue::get);
    message(fields, raw_id)
        .map_err(|odd| Odd { id: known_id.filter(|raw| id_of(raw).is_some()).map(str::to_owned), ..odd })
}

fn message<'l>(fields: Fields<'l>, raw_id: Option<&'l RawValue>) -> Result<Message<'l>, Odd> {
    if let Some(why) = fields.doubt.clone().or_else(|| fields.near(&ENVELOPE)) {
        return Err(Odd::no_message(why));
    }
    let (result, error, params) = (fields.raw("result"), fields.raw("error"), fields.raw("params"));
    let Some(method) = fields.raw("method") else {
        return match (result, error) {
            (None, None) => Err(Odd::no_message("the message has neither `method` nor `result` nor `error`")),
            (Some(_), Some(_)) => Err(Odd::no_message("the message has both `result` and `error`")),
            _ => Ok(Message::Answer { id: raw_id.and_then(|raw| id_of(raw.get())), result }),
        };
    };
    if result.is_some() || error.is_some() {
        return Err(Odd::no_message("the message has a `method` and is an answer as well"));
    }
    let method: String = serde_json::from_str(method.get())
        .map_err(|_| Odd::no_message("`method` is not a text of Unicode characters"))?;
    if let Some(meant) = GUARDED.iter().find(|name| **name != method && bare(&method) == bare(name)) {
        return Err(Odd::no_message(format!(
            "`{}` is almost `{meant}`; write it exactly",
            verdict::short(&method)
        )));
    }
    let Some(raw_id) = raw_id else { return Ok(Message::Notification { method, params }) };
    match id_of(raw_id.get()) {
        Some(id) => Ok(Message::Request { id, raw_id: raw_id.get(), method, params }),
        None => Err(Odd::no_message("`id` is neither a text nor a number")),
    }
}

/// An id by its meaning, if it is one.
pub(super) fn id_of(raw: &str) -> Option<Id> {
    if raw.starts_with('"') {
        return serde_json::from_str(raw).ok().map(Id::Text);
    }
    if let Ok(int) = raw.parse::<i64>() {
        return Some(Id::Int(int));
    }
    let float = serde_json::from_str::<f64>(raw).ok().filter(|float| float.is_finite())?;
    // The same number may come back in another form.
    match format!("{float:.0}").parse::<i64>() {
        Ok(int) if float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 => Some(Id::Int(int)),
        _ => Some(Id::Float(float.to_bits())),
    }
}

/// What is left of a name when case, spaces and signs are taken away.
fn bare(name: &str) -> String {
    folded(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A key as parsers that do not mind case see it: two letters beyond ASCII fold into it.
pub(super) fn folded(key: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_uppercase();
    if key.chars().all(plain) {
        return Cow::Borrowed(key);
    }
    let fold = |c: char| match c {
        '\u{17f}' => "s".to_owned(),
        '\u{212a}' => "k".to_owned(),
        c => c.to_lowercase().collect(),
    };
    Cow::Owned(key.chars().map(fold).collect())
}

/// An object as keys and raw values, in the order they were written.
pub(super) struct Fields<'l> {
    pairs: Vec<(String, &'l RawValue)>,
    /// Why it can be read in more than one way, if so.
    doubt: Option<String>,
}

impl<'l> Fields<'l> {
    /// Reads an object; doubts are kept, not refused.
    fn read(text: &'l str) -> Result<Self, Odd> {
        let Pairs(pairs) = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                Odd::no_message("the message is not an object")
            } else {
                Odd::no_json(error.to_string())
            }
        })?;
        let mut seen = HashSet::with_capacity(pairs.len());
        let twice = pairs.iter().find(|(key, _)| !seen.insert(key.as_str()));
        let doubt = twice.map(|(key, _)| format!("key `{}` is given twice", verdict::short(key)));
        Ok(Self { pairs, doubt })
    }

    /// Reads an object in which the keys `known` have a meaning. The error is a sentence.
    pub(super) fn strict(text: &'l str, known: &[&str]) -> Result<Self, String> {
        let fields = Self::read(text).map_err(|odd| odd.why)?;
        match fields.doubt.clone().or_else(|| fields.near(known)) {
            Some(why) => Err(why),
            None => Ok(fields),
        }
    }

    /// A key that another parser could take for one of `known`.
    fn near(&self, known: &[&str]) -> Option<String> {
        self.pairs.iter().find_map(|(key, _)| {
            let folded = folded(key);
            let meant =
                known.iter().find(|name| *name != key && *folded == *crate::mcp::envelope::folded(name))?;
            Some(format!("key `{}` is almost `{meant}`; write it exactly", verdict::short(key)))
        })
    }

    /// A value as it was written.
    pub(super) fn raw(&self, key: &str) -> Option<&'l RawValue> {
        self.pairs.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// A value that is a text. The error is a sentence.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, String> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|_| format!("`{key}` is not a text of Unicode characters"))
    }
}

struct Pairs<'l>(Vec<(String, &'l RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(4);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
