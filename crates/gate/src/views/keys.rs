//! Keys as people read them: everything but the secret, which nobody has.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Books, KeyMade, KeyRole, Realm};

use crate::clock::rfc3339;

/// One key.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KeyView {
    /// Its id; not secret.
    pub id: String,
    /// The person or program it was made for.
    pub name: String,
    /// What it may do.
    #[schemars(with = "crate::wire::RoleWord")]
    pub role: KeyRole,
    /// The one agent it may act for.
    pub agent_id: Option<String>,
    /// Groups it answers for.
    pub groups: Vec<String>,
    /// True: it sees only test data.
    pub test: bool,
    /// When it stops to count: RFC 3339.
    pub expires_at: Option<String>,
    /// When it was made: RFC 3339.
    pub created_at: String,
    /// Who made it.
    pub created_by: String,
    /// The secret; only in the answer to making it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Keys that count, oldest first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<KeyView>,
}

/// The keys that have not been revoked; of a realm, if one is given.
pub fn keys(books: &Books, realm: Option<Realm>) -> Vec<KeyView> {
    let mut found: Vec<&KeyMade> =
        books.keys().filter(|it| realm.is_none_or(|realm| realm == it.realm)).collect();
    found.sort_by(|a, b| (a.t, &a.id).cmp(&(b.t, &b.id)));
    found.into_iter().map(key).collect()
}

/// One key, without its secret.
pub fn key(it: &KeyMade) -> KeyView {
    KeyView {
        id: it.id.clone(),
        name: it.name.clone(),
        role: it.role,
        agent_id: it.agent.clone(),
        groups: it.groups.clone(),
        test: it.realm == Realm::Test,
        expires_at: it.expires.map(rfc3339),
        created_at: rfc3339(it.t),
        created_by: it.by.clone(),
        secret: None,
    }
}
