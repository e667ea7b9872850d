//! Signatures: what the gate puts on a request, and what it asks of an answer.
//!
//! `Portcullis-Signature: v1=HEX` is HMAC-SHA256 over five lines joined by line feeds: method, path with query, Unix
//! time in seconds, nonce, and the SHA-256 of the body in hex. An answer's is over four: `response`, the status, the
//! request's nonce, and the SHA-256 of the body. `docs/tool-gateway.md` has verifiers in three languages.

use ledger::hash::unhex;
use ring::hmac;
use sha2::{Digest as _, Sha256};
use verdict::hex;

use super::fault::{Fault, Why};

/// When, and once: what makes a signature good for one request only.
pub(super) struct Stamp {
    /// Unix time in seconds.
    pub(super) time: String,
    /// 32 hex digits.
    pub(super) nonce: String,
}

impl Stamp {
    /// One for now, in microseconds since the epoch.
    pub(super) fn new(now: verdict::Micro) -> Result<Self, Fault> {
        let mut nonce = [0_u8; 16];
        getrandom::fill(&mut nonce)
            .map_err(|_| Fault::new(Why::NotReady, "this system gives no random numbers"))?;
        Ok(Self { time: now.div_euclid(1_000_000).to_string(), nonce: hex(&nonce) })
    }
}

/// The value of `Portcullis-Signature` of a request.
pub(super) fn request(secret: &[u8], method: &str, path: &str, stamp: &Stamp, body: &[u8]) -> String {
    let digest = hex(&Sha256::digest(body));
    let text = [method, path, &stamp.time, &stamp.nonce, &digest].join("\n");
    format!("v1={}", mac(secret, text.as_bytes()))
}

/// The value of `X-OnceOnly-Signature`: over the body alone.
pub(super) fn onceonly(secret: &[u8], body: &[u8]) -> String {
    mac(secret, body)
}

/// True if `given` is the signature of this answer. Takes the same time whatever it is.
pub(super) fn is_of_answer(secret: &[u8], given: &str, status: u16, stamp: &Stamp, body: &[u8]) -> bool {
    let given = given.strip_prefix("v1=").map(str::to_ascii_lowercase);
    let Some(given) = given.and_then(|hex| unhex::<32>(&hex)) else { return false };
    let digest = hex(&Sha256::digest(body));
    let text = ["response", &status.to_string(), &stamp.nonce, &digest].join("\n");
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes(), &given).is_ok()
}

fn mac(secret: &[u8], text: &[u8]) -> String {
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_documentation() {
        let stamp = Stamp { time: "1764000000".to_owned(), nonce: "0f".repeat(16) };
        let signature = request(b"a secret of the tool", "POST", "/search?x=1", &stamp, b"{\"q\":\"a\"}");
        assert_eq!(signature, "v1=87d542f3f077aa10e1e092014afeac6770b0f0764d752c7572dae2d7189bb48f");
        assert_eq!(
            onceonly(b"key", b"The quick brown fox jumps over the lazy dog"),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        let answer = format!(
            "v1={}",
            mac(b"s", format!("response\n200\n{}\n{}", stamp.nonce, hex(&Sha256::digest(b"ok"))).as_bytes())
        );
        assert!(is_of_answer(b"s", &answer, 200, &stamp, b"ok"));
        assert!(!is_of_answer(b"s", &answer, 201, &stamp, b"ok"));
        assert!(!is_of_answer(b"s", &answer, 200, &stamp, b"no"));
        assert!(!is_of_answer(b"t", &answer, 200, &stamp, b"ok"));
        for odd in ["", "v1=", "v1=zz", "v2=00"] {
            assert!(!is_of_answer(b"s", odd, 200, &stamp, b"ok"), "{odd}");
        }
    }
}
