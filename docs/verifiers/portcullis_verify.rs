//! Checks that a request was signed by a Portcullis gate, and signs the answer. Needs the crate `ring` 0.17.
//!
//! ```ignore
//! let verifier = Verifier::new(secret.as_bytes());
//! let nonce = verifier.check("POST", "/search?page=1", |name| request.header(name), &body)?;
//! ```
//!
//! It refuses times more than five minutes off, and nonces that it has seen. It remembers them in this process alone:
//! several processes must share what [`Verifier::check`] gives back, and refuse what one of them has seen.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::{digest, hmac};

/// How far a request's time may be off, in seconds.
const TOLERANCE: u64 = 300;

/// Checks requests that are signed with one secret.
pub struct Verifier {
    key: hmac::Key,
    seen: Mutex<HashMap<String, u64>>,
}

impl Verifier {
    /// For the secret that the tool shares with the gate.
    pub fn new(secret: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), seen: Mutex::default() }
    }

    /// The request's nonce, or why the request is not to be trusted. `path` with its query, `body` as it came.
    pub fn check<'h>(
        &self,
        method: &str,
        path: &str,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Result<String, &'static str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        self.check_at(now, (method, path), header, body)
    }

    /// The same at a time of the caller's choice, in Unix seconds.
    pub fn check_at<'h>(
        &self,
        now: u64,
        (method, path): (&str, &str),
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Result<String, &'static str> {
        let unsigned = "the request carries no signature";
        let sent = header("portcullis-timestamp").filter(|it| it.bytes().all(|b| b.is_ascii_digit()));
        let sent = sent.ok_or(unsigned)?;
        let nonce = header("portcullis-nonce").filter(|it| it.len() == 32).ok_or(unsigned)?;
        let given = header("portcullis-signature").and_then(|it| it.strip_prefix("v1=")).and_then(unhex);
        let text = [&method.to_uppercase(), path, sent, nonce, &sha256(body)].join("\n");
        // Takes the same time whatever was given.
        hmac::verify(&self.key, text.as_bytes(), &given.ok_or(unsigned)?)
            .map_err(|_| "the signature is wrong")?;
        // Only what is signed is looked at: a stranger cannot fill the memory with nonces.
        if now.abs_diff(sent.parse().map_err(|_| unsigned)?) > TOLERANCE {
            return Err("the request is too old, or a clock is wrong");
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() > 10_000 {
            seen.retain(|_, until| *until > now);
        }
        if seen.get(nonce).is_some_and(|until| *until > now) {
            return Err("the request came before");
        }
        seen.insert(nonce.to_owned(), now + 2 * TOLERANCE);
        Ok(nonce.to_owned())
    }

    /// The value of the answer's `Portcullis-Signature`.
    pub fn sign_answer(&self, status: u16, nonce: &str, body: &[u8]) -> String {
        let text = ["response", &status.to_string(), nonce, &sha256(body)].join("\n");
        format!("v1={}", hex(hmac::sign(&self.key, text.as_bytes()).as_ref()))
    }
}

fn sha256(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
