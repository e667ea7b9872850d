//! A policy as a tree that can be changed: scalars as they were written, lists, and maps in their order.
//!
//! Answerable for what two scalars have in common, for the way to and from JSON, and for walking a path of keys.
//! Knows neither YAML nor what a policy may say.

use serde_json::{Map, Number, Value};

/// One value of a policy text.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A text, a number, a boolean or nothing.
    Scalar(Scalar),
    /// Values in a row.
    List(Vec<Tree>),
    /// Keys and values, in the order in which they stand.
    Map(Vec<(String, Tree)>),
}

/// A scalar. Only a plain one can be a number, a boolean or nothing; a quoted one is always a text.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// What it says.
    pub text: String,
    /// True if it is written without quotes.
    pub plain: bool,
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && (self.plain == other.plain || !is_special(&self.text))
    }
}

/// True for what means something else without quotes than with them: numbers, booleans, nothing.
pub(super) fn is_special(text: &str) -> bool {
    let word = ["true", "false", "null", "~", "yes", "no", "on", "off"];
    text.is_empty()
        || word.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))
}

impl Tree {
    /// A text, whatever it says: quotes are put where it needs them.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Scalar(Scalar { text: text.into(), plain: false })
    }
    /// A number, a boolean, a duration: what is written without quotes.
    pub fn plain(text: impl ToString) -> Self {
        Self::Scalar(Scalar { text: text.to_string(), plain: true })
    }
    /// A list of texts.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }
    /// A map of these entries.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Tree)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
    /// A map with nothing in it.
    pub fn empty() -> Self {
        Self::Map(Vec::new())
    }

    /// What a scalar says.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Scalar(scalar) => Some(&scalar.text),
            Self::List(_) | Self::Map(_) => None,
        }
    }
    /// The items of a list; a scalar is a list of itself, as in `allow: crm.read`.
    pub fn items(&self) -> &[Tree] {
        match self {
            Self::List(items) => items,
            Self::Scalar(_) => std::slice::from_ref(self),
            Self::Map(_) => &[],
        }
    }
    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[(String, Tree)] {
        match self {
            Self::Map(entries) => entries,
            Self::Scalar(_) | Self::List(_) => &[],
        }
    }
    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Tree> {
        path.iter().try_fold(self, |tree, key| tree.get(key))
    }
    /// True for a value that was left out, or written `null` or `~`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(Scalar { text, plain: true })
            if text.is_empty() || text == "~" || text.eq_ignore_ascii_case("null"))
    }
    /// True for a list or map with nothing in it, and for nothing.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(_) => self.is_null(),
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }

    /// The value at the end of a path, to be changed. Maps that are not there are made; the error names what is
    /// in the way.
    pub fn make(&mut self, path: &[&str]) -> Result<&mut Tree, String> {
        let Some((key, rest)) = path.split_first() else { return Ok(self) };
        if self.is_null() {
            *self = Self::empty();
        }
        let Self::Map(entries) = self else {
            return Err(format!("there is something else than a section where `{key}` should be"));
        };
        let found = entries.iter().position(|(name, _)| name == key);
        let at = found.unwrap_or_else(|| {
            entries.push(((*key).to_owned(), Self::empty()));
            entries.len().saturating_sub(1)
        });
        match entries.get_mut(at) {
            Some((_, value)) => value.make(rest),
            None => Err(format!("`{key}` cannot be made")),
        }
    }
    /// Puts a value at the end of a path, in place of what was there.
    pub fn set(&mut self, path: &[&str], value: Tree) -> Result<(), String> {
        *self.make(path)? = value;
        Ok(())
    }
    /// Takes away what is at the end of a path.
    pub fn remove(&mut self, path: &[&str]) -> Option<Tree> {
        let Self::Map(entries) = self else { return None };
        let (key, rest) = path.split_first()?;
        let at = entries.iter().position(|(name, _)| name == key)?;
        if rest.is_empty() {
            return Some(entries.remove(at).1);
        }
        entries.get_mut(at)?.1.remove(rest)
    }
    /// A list, to be added to. What stood there alone becomes its first item.
    pub fn list(&mut self) -> Result<&mut Vec<Tree>, String> {
        if self.is_empty() {
            *self = Self::List(Vec::new());
        } else if let Self::Scalar(scalar) = self {
            *self = Self::List(vec![Self::Scalar(scalar.clone())]);
        }
        match self {
            Self::List(items) => Ok(items),
            Self::Map(_) | Self::Scalar(_) => Err("there is a section where a list should be".to_owned()),
        }
    }

    /// As JSON: a plain scalar that reads as a number, a boolean or nothing is that.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Scalar(Scalar { text, plain: true }) => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ if self.is_null() => Value::Null,
                text => text.parse::<Number>().map_or_else(|_| Value::String(text.to_owned()), Value::Number),
            },
            Self::Scalar(scalar) => Value::String(scalar.text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::plain("null"),
            Value::Bool(value) => Self::plain(value),
            Value::Number(number) => Self::plain(number),
            Value::String(text) => Self::text(text),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => Self::from(map),
        }
    }
}

impl From<&Map<String, Value>> for Tree {
    fn from(map: &Map<String, Value>) -> Self {
        Self::map(map.iter().map(|(key, value)| (key, Self::from(value))))
    }
}
