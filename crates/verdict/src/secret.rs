//! Secrets of tools, as far as the books know them: which there are, never what they are.
//!
//! What lies beside a record is sealed by whoever writes it. Knows no cipher.

use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::command::Refusal;
use crate::limit::Micro;
use crate::record::{Index, Record};

/// A secret that was stored, replaced or dropped. Sealed, it is the payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSet {
    /// When.
    pub t: Micro,
    /// Its name.
    pub name: String,
    /// True if there is none of this name any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
    /// Who said so.
    pub by: String,
}

impl Books {
    /// The record beside which the secret of this name lies.
    pub fn secret(&self, name: &str) -> Option<Index> {
        self.secrets.get(name).copied()
    }
    /// The names of all secrets, in order.
    pub fn secret_names(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }
    pub(crate) fn secret_set(&mut self, at: Index, it: &SecretSet) {
        if it.dropped {
            self.secrets.remove(&it.name);
        } else {
            self.secrets.insert(it.name.clone(), at);
        }
    }
}

/// The record that stores a secret, or drops it (`sealed` is nothing).
pub(crate) fn set(
    books: &Books,
    (name, sealed, by): (&str, Option<&String>, &str),
    t: Micro,
) -> Result<Option<(Record, Option<String>)>, Refusal> {
    if sealed.is_none() && books.secret(name).is_none() {
        return Err(Refusal::NotFound(format!("there is no secret `{}`", crate::short(name))));
    }
    let set = SecretSet { t, name: name.to_owned(), dropped: sealed.is_none(), by: by.to_owned() };
    Ok(Some((Record::Secret(set), sealed.cloned())))
}
