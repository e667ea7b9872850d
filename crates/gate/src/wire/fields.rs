//! An object's fields, taken one by one. Answerable for messages that name the field, and for refusing
//! fields that nobody asked for. Knows no request.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use verdict::{Json, Malformed, Micros, short};

/// The fields of an object that have not been taken yet.
#[derive(Clone, Debug, Default)]
pub struct Fields<'t>(Vec<(Cow<'t, str>, Json)>);

impl Fields<'_> {
    /// A field's value. `null` is as good as absent.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.0.swap_remove(at);
        (value != Json::Null).then_some(value)
    }

    /// A text that must be there.
    pub fn need(&mut self, name: &'static str) -> Result<String, Malformed> {
        self.text(name)?.ok_or(Malformed { field: name, why: "is missing".to_owned() })
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Str(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a string", &other)),
        }
    }

    /// A yes or no.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(wrong(name, "true or false", &other)),
        }
    }

    /// A whole number.
    pub fn integer(&mut self, name: &'static str) -> Result<Option<i64>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Int(value)) => Ok(Some(value)),
            Some(other) => Err(wrong(name, "a whole number", &other)),
        }
    }

    /// An amount of dollars.
    pub fn money(&mut self, name: &'static str) -> Result<Option<Micros>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(json) => Micros::from_json(&json)
                .map(Some)
                .map_err(|why| Malformed { field: name, why: format!("is refused: {why}") }),
        }
    }

    /// Texts.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Malformed> {
        let items = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Json::List(items)) => items,
            Some(other) => return Err(wrong(name, "a list of strings", &other)),
        };
        let text = |item| match item {
            Json::Str(text) => Ok(text),
            other => Err(wrong(name, "a list of strings", &other)),
        };
        items.into_iter().map(text).collect()
    }

    /// The names of what is left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// Fields that were read already.
    pub fn from_pairs(pairs: impl Iterator<Item = (String, Json)>) -> Self {
        Self(pairs.map(|(key, value)| (Cow::Owned(key), value)).collect())
    }

    /// What is left.
    pub fn into_pairs(self) -> Vec<(String, Json)> {
        self.0.into_iter().map(|(key, value)| (key.into_owned(), value)).collect()
    }

    /// Refuses what is left. `known` is for the message.
    pub fn finish(self, known: &str) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => {
                Err(format!("`{}` is not a field of this request; the fields are {known}", short(key)))
            }
        }
    }
}

fn wrong(field: &'static str, expected: &str, found: &Json) -> Malformed {
    Malformed { field, why: format!("must be {expected}, not {}", found.kind()) }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnyFields)
    }
}

struct AnyFields;

/// A field's name: as it stands in the text, where that is how it reads.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'t>(#[serde(borrow)] Cow<'t, str>);

impl<'de> Visitor<'de> for AnyFields {
    type Value = Fields<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Fields<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Json)> = Vec::with_capacity(12);
        while let Some(Key(key)) = access.next_key::<Key<'de>>()? {
            // Requests have few fields: a body with many is refused here, before comparing them gets dear.
            if fields.len() >= 64 {
                return Err(A::Error::custom("the body has more than 64 fields"));
            }
            if fields.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format_args!("`{}` is given twice", short(&key))));
            }
            fields.push((key, access.next_value()?));
        }
        Ok(Fields(fields))
    }
}

/// Reads a request out of its fields; the macro only saves writing the same four lines for each.
macro_rules! read_by_fields {
    ($request:ty) => {
        impl<'de> serde::Deserialize<'de> for $request {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let fields = <crate::wire::Fields as serde::Deserialize>::deserialize(deserializer)?;
                Self::of(fields).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(super) use read_by_fields;
