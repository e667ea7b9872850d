//! Keys: how they are made, and who a request comes from.
//!
//! A secret is shown once and never kept: the ledger has its SHA-256 (a secret has 238 random bits, so
//! nothing slower is needed), and hashes are compared in constant time.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use verdict::{Books, KeyMade, KeyRole, Micro, Person, Realm, hex};

/// Letters and digits.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters after `pk_live_` or `pk_test_`.
const SECRET_LENGTH: usize = 40;

/// A new secret: `pk_live_` or `pk_test_` and 40 letters and digits. The error is the system's.
pub fn new_secret(realm: Realm) -> Result<String, String> {
    Ok(format!("pk_{}_{}", realm.as_str(), random_text(SECRET_LENGTH)?))
}

/// A new id for a key: `key_` and 12 letters and digits.
pub fn new_id() -> Result<String, String> {
    Ok(format!("key_{}", random_text(12)?))
}

fn random_text(length: usize) -> Result<String, String> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0_u8; 64];
        getrandom::fill(&mut bytes)
            .map_err(|error| format!("the system gives no random numbers: {error}"))?;
        // 248 is the largest multiple of 62 in a byte: what is above would favour the first letters.
        let letters =
            bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| ALPHABET.get(usize::from(*byte % 62)));
        text.extend(letters.map(|letter| char::from(*letter)).take(length - text.len()));
    }
    Ok(text)
}

/// What the ledger keeps of a secret.
pub fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Who a request comes from, as its key vouches.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key's id.
    pub key: String,
    /// The person or program the key was made for.
    pub name: String,
    /// What it may do.
    pub role: KeyRole,
    /// The one agent it may act for.
    pub agent: Option<String>,
    /// Groups it answers for.
    pub groups: Vec<String>,
    /// Whose data it sees.
    pub realm: Realm,
    expires: Option<Micro>,
}

impl Caller {
    /// As a person who answers questions.
    pub fn person(&self) -> Person {
        Person {
            name: self.name.clone(),
            groups: self.groups.clone(),
            admin: self.role == KeyRole::Admin,
            realm: self.realm,
        }
    }
    /// True once the key no longer counts.
    pub fn is_expired(&self, now: Micro) -> bool {
        self.expires.is_some_and(|expires| now > expires)
    }
}

/// The keys that count, to look secrets up in: sorted by hash.
#[derive(Debug, Default)]
pub struct KeyRing(Vec<(Vec<u8>, Arc<Caller>)>);

impl KeyRing {
    /// The keys on the books.
    pub fn of(books: &Books) -> Self {
        let mut keys: Vec<_> =
            books.keys().map(|key| (key.hash.clone().into_bytes(), Arc::new(caller_of(key)))).collect();
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(keys)
    }

    /// Who has this secret. The search may tell by its time which hashes are near; whoever could use that would
    /// have to find a secret with a given hash. The comparison that decides takes the same time for any hash.
    pub fn find(&self, secret: &str, now: Micro) -> Option<&Arc<Caller>> {
        let hash = hash(secret).into_bytes();
        let near = self.0.partition_point(|(known, _)| *known < hash);
        let (known, caller) = self.0.get(near)?;
        let same = bool::from(known.ct_eq(&hash));
        Some(caller).filter(|caller| same && !caller.is_expired(now))
    }
}

fn caller_of(key: &KeyMade) -> Caller {
    Caller {
        key: key.id.clone(),
        name: key.name.clone(),
        role: key.role,
        agent: key.agent.clone(),
        groups: key.groups.clone(),
        realm: key.realm,
        expires: key.expires,
    }
}
