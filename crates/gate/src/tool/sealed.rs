//! The store of secrets: sealed before they reach the ledger, opened only where a call needs them.
//!
//! Write-only: nothing gives a secret back. ChaCha20-Poly1305 with a random nonce, bound to the secret's name so that
//! one cannot be put in another's place. The key is not in the ledger; whoever has the one without the other has
//! nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashMap;
use ledger::Payload;
use ledger::hash::unhex;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use verdict::{Command, Halt, Index, Refusal};

use crate::desk::Desk;
use crate::views::Reading;

/// The environment variable that has the key.
pub const KEY_VARIABLE: &str = "PORTCULLIS_SECRETS_KEY";
/// The longest secret, in bytes.
pub const LONGEST: usize = 8 * 1024;
/// For so long a secret is used without asking whether it was replaced.
const FRESH: Duration = Duration::from_secs(1);

/// The key that secrets are sealed with.
#[derive(Clone)]
pub struct SealingKey(LessSafeKey);

impl SealingKey {
    /// Reads 32 bytes in hex or base64. The error does not contain the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bytes = match unhex::<32>(&text.to_ascii_lowercase()) {
            Some(bytes) => Some(bytes.to_vec()),
            None => STANDARD.decode(text).ok(),
        };
        let odd = || {
            format!(
                "{KEY_VARIABLE} is not 32 bytes in hex or base64; `openssl rand -base64 32` makes such a key"
            )
        };
        let key = bytes.and_then(|bytes| UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()).ok_or_else(odd)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// The key of the environment, if there is one. An odd one is an error: secrets must not seem to be missing.
    pub fn from_environment() -> Result<Option<Self>, String> {
        match std::env::var(KEY_VARIABLE) {
            Ok(text) if !text.trim().is_empty() => Self::parse(&text).map(Some),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
            Err(_) => Err(format!("{KEY_VARIABLE} is not a text")),
        }
    }

    fn seal(&self, name: &str, secret: &str) -> Option<String> {
        let mut nonce = [0_u8; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = secret.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::from(name.as_bytes()), &mut sealed).ok()?;
        Some(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    fn open(&self, name: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut opened).ok()?;
        Some(plain.to_vec())
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// What lies beside a record of a secret.
#[derive(Serialize, Deserialize)]
struct Sealed {
    chacha20poly1305: String,
}

/// Why a secret was not stored.
#[derive(Debug)]
pub enum NotStored {
    /// A sentence for who wanted to store it.
    Refused(String),
    /// There is none of this name.
    NotFound(String),
    /// The ledger cannot be written.
    Halt(Halt),
}

/// A secret that was opened: where it lies, when that was last asked, and what it is.
type Opened = (Index, Instant, Vec<u8>);

/// Sealed secrets of one ledger.
pub struct Store {
    desk: Desk,
    reading: Reading,
    key: Option<SealingKey>,
    opened: Mutex<HashMap<String, Opened>>,
}

impl Store {
    /// Those of the ledger that `desk` writes and `reading` reads. Without a key there are none.
    pub fn new(desk: Desk, reading: Reading, key: Option<SealingKey>) -> Self {
        Self { desk, reading, key, opened: Mutex::default() }
    }

    /// Seals a secret and stores it, in place of one of the same name.
    pub async fn put(&self, name: &str, secret: &str, by: &str) -> Result<(), NotStored> {
        let refused = |why: String| NotStored::Refused(why);
        verdict::check_name("name", name, "._-:@").map_err(|odd| refused(odd.to_string()))?;
        if secret.len() < 8 || secret.len() > LONGEST || secret.chars().any(char::is_control) {
            return Err(refused(format!("a secret has 8 to {LONGEST} bytes and no control characters")));
        }
        let key = self.key.as_ref().ok_or_else(|| {
            refused(format!("secrets cannot be stored: set {KEY_VARIABLE} to 32 bytes in base64 (`openssl rand -base64 32`) and start the gate again, or name the secret with `env` or `file`"))
        })?;
        let sealed = key
            .seal(name, secret)
            .ok_or_else(|| refused("this system gives no random numbers".to_owned()))?;
        let sealed = serde_json::to_string(&Sealed { chacha20poly1305: sealed })
            .map_err(|it| refused(it.to_string()))?;
        self.set(name, Some(sealed), by).await
    }

    /// Drops a secret: nothing finds it any more.
    pub async fn drop(&self, name: &str, by: &str) -> Result<(), NotStored> {
        self.set(name, None, by).await
    }

    /// The names of all.
    pub async fn names(&self) -> Result<Vec<String>, Halt> {
        self.desk.ask(|books| books.secret_names().map(str::to_owned).collect()).await
    }

    async fn set(&self, name: &str, sealed: Option<String>, by: &str) -> Result<(), NotStored> {
        let command = Command::Secret { name: name.to_owned(), sealed, by: by.to_owned() };
        let obeyed = self.desk.obey(command).await.map_err(NotStored::Halt)?;
        self.opened().remove(name);
        match obeyed {
            Ok(_) => Ok(()),
            Err(Refusal::NotFound(why)) => Err(NotStored::NotFound(why)),
            Err(refusal) => Err(NotStored::Refused(refusal.to_string())),
        }
    }

    /// The secret of this name, opened; nothing if there is none, or if it was sealed with another key.
    pub(super) async fn get(&self, name: &str) -> Option<Vec<u8>> {
        let now = Instant::now();
        if let Some((_, asked, secret)) = self.opened().get(name)
            && now.duration_since(*asked) < FRESH
        {
            return Some(secret.clone());
        }
        let wanted = name.to_owned();
        let at = self.desk.ask(move |books| books.secret(&wanted)).await.ok()??;
        let known = self.opened().get(name).filter(|(of, ..)| *of == at).map(|(.., secret)| secret.clone());
        let secret = match known {
            Some(secret) => secret,
            None => self.read(name, at).await?,
        };
        self.opened().insert(name.to_owned(), (at, now, secret.clone()));
        Some(secret)
    }

    async fn read(&self, name: &str, at: Index) -> Option<Vec<u8>> {
        let entry = self.reading.ask(move |reader| reader.get(at)).await.ok()??;
        let Payload::Here(payload) = entry.payload else { return None };
        let Sealed { chacha20poly1305 } = serde_json::from_slice(&payload).ok()?;
        self.key.as_ref()?.open(name, &chacha20poly1305)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<String, Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_own_name_and_key_alone() {
        let key = SealingKey::parse(&"0f".repeat(32)).unwrap();
        let sealed = key.seal("crm", "a long secret").unwrap();
        assert_ne!(sealed, key.seal("crm", "a long secret").unwrap());
        assert_eq!(key.open("crm", &sealed).unwrap(), b"a long secret");
        assert!(key.open("other", &sealed).is_none());
        assert!(SealingKey::parse(&"0e".repeat(32)).unwrap().open("crm", &sealed).is_none());
        let mut bytes = STANDARD.decode(&sealed).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(key.open("crm", &STANDARD.encode(bytes)).is_none());
        for odd in ["", "AAAA", "zz", "x"] {
            assert!(key.open("crm", odd).is_none());
            assert!(SealingKey::parse(odd).unwrap_err().contains("openssl"));
        }
        assert!(SealingKey::parse(&STANDARD.encode([1_u8; 32])).is_ok());
    }
}
