//! Answerable for signed checkpoints: C2SP tlog-checkpoint in a C2SP signed note under Ed25519, written and read
//! strictly (one spelling each, so that two readers never differ). Knows neither the tree nor the store.
//!
//! ```text
//! portcullis/3f9c0a1be07d5512
//! 1234
//! <base64 of the tree's root>
//! link <base64 of the chain head>
//!
//! — portcullis/3f9c0a1be07d5512 <base64 of 4 bytes of key id and the signature>
//! ```

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::hash::{self, Hash};

/// The algorithm byte of Ed25519 in signed notes.
const ED25519: u8 = 1;
/// No honest note is longer, with all its cosignatures.
const LONGEST_NOTE: usize = 64 * 1024;

/// What a checkpoint says: this log, so long, had this root and this chain head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many records it covers.
    pub size: u64,
    /// The Merkle tree's root over them.
    pub root: Hash,
    /// The chain head after the last of them.
    pub link: Hash,
}

/// Why a note or key is not what it should be. Display is a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Not a verifier key `name+hash+base64`.
    BadVkey,
    /// Not a private key as the key file holds it.
    BadPrivateKey,
    /// Not a signed note.
    NotANote,
    /// A signed note, but not one of our checkpoints, or spelled in another way than the only one.
    NotACheckpoint,
    /// No line is signed by the key in question.
    OtherKey,
    /// The line of the key in question does not fit the text.
    BadSignature,
    /// The checkpoint is of another log.
    OtherLog,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BadVkey => "the public key is not of the form `name+hash+base64`",
            Self::BadPrivateKey => "the private key is not of the form `PRIVATE+KEY+name+hash+base64`",
            Self::NotANote => "the checkpoint is not a signed note",
            Self::NotACheckpoint => "the checkpoint's text is malformed",
            Self::OtherKey => "the checkpoint is signed by another key",
            Self::BadSignature => "the checkpoint's signature does not fit its text",
            Self::OtherLog => "the checkpoint belongs to another ledger",
        })
    }
}

impl std::error::Error for Flaw {}

/// The public key of a log, as C2SP writes it: `name+hash+base64(0x01 || key)`; the name is the log's origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vkey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Vkey {
    /// Reads a verifier key.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let (name, rest) = text.split_once('+').ok_or(Flaw::BadVkey)?;
        let (id, key) = rest.split_once('+').ok_or(Flaw::BadVkey)?;
        let bytes = STANDARD.decode(key).map_err(|_| Flaw::BadVkey)?;
        let (algorithm, key) = bytes.split_first().ok_or(Flaw::BadVkey)?;
        let key: [u8; 32] = key.try_into().map_err(|_| Flaw::BadVkey)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| Flaw::BadVkey)?;
        let vkey = Self::new(name, key);
        let sound = *algorithm == ED25519 && is_name(name) && hash::unhex(id) == Some(vkey.id);
        if sound { Ok(vkey) } else { Err(Flaw::BadVkey) }
    }

    fn new(name: &str, key: VerifyingKey) -> Self {
        let id = key_id(name, &key);
        Self { name: name.to_owned(), id, key }
    }

    /// The log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Vkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}+{}", self.name, hash::hex(&self.id), encode_key(self.key.as_bytes()))
    }
}

fn encode_key(key: &[u8; 32]) -> String {
    let mut bytes = vec![ED25519];
    bytes.extend_from_slice(key);
    STANDARD.encode(bytes)
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut text = name.as_bytes().to_vec();
    text.extend_from_slice(&[b'\n', ED25519]);
    text.extend_from_slice(key.as_bytes());
    let [a, b, c, d, ..] = hash::plain(&text);
    [a, b, c, d]
}

/// Names have no space, no `+`, no control characters, and are not empty.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Signs the checkpoints of one log.
#[derive(Clone)]
pub struct Signer {
    vkey: Vkey,
    key: SigningKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The private half must not reach a log file.
        write!(f, "Signer({})", self.vkey)
    }
}

impl Signer {
    /// A signer for the log `origin` from 32 secret bytes. Fails if `origin` cannot be a name.
    pub fn new(origin: &str, secret: &[u8; 32]) -> Result<Self, Flaw> {
        if !is_name(origin) {
            return Err(Flaw::BadPrivateKey);
        }
        let key = SigningKey::from_bytes(secret);
        Ok(Self { vkey: Vkey::new(origin, key.verifying_key()), key })
    }

    /// Reads `PRIVATE+KEY+name+hash+base64(0x01 || secret)`, the form of Go's `note` package.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let rest = text.strip_prefix("PRIVATE+KEY+").ok_or(Flaw::BadPrivateKey)?;
        let (name, rest) = rest.split_once('+').ok_or(Flaw::BadPrivateKey)?;
        let (id, secret) = rest.split_once('+').ok_or(Flaw::BadPrivateKey)?;
        let bytes = STANDARD.decode(secret).map_err(|_| Flaw::BadPrivateKey)?;
        let (algorithm, secret) = bytes.split_first().ok_or(Flaw::BadPrivateKey)?;
        let signer = Self::new(name, secret.try_into().map_err(|_| Flaw::BadPrivateKey)?)?;
        let sound = *algorithm == ED25519 && hash::unhex(id) == Some(signer.vkey.id);
        if sound { Ok(signer) } else { Err(Flaw::BadPrivateKey) }
    }

    /// The text that `parse` reads: secret.
    pub fn to_private_text(&self) -> String {
        let secret = encode_key(&self.key.to_bytes());
        format!("PRIVATE+KEY+{}+{}+{secret}", self.vkey.name, hash::hex(&self.vkey.id))
    }

    /// The public half.
    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// A signed note over these facts; the origin is the signer's own.
    pub fn sign(&self, size: u64, root: &Hash, link: &Hash) -> String {
        let name = &self.vkey.name;
        let (root, link) = (STANDARD.encode(root), STANDARD.encode(link));
        let text = format!("{name}\n{size}\n{root}\nlink {link}\n");
        let mut signature = self.vkey.id.to_vec();
        signature.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature))
    }
}

impl Checkpoint {
    /// Reads a note and checks that `vkey` signed it and that it is of the log `vkey` names. Other signatures
    /// (witnesses') may stand beside and are not judged.
    pub fn open(note: &str, vkey: &Vkey) -> Result<Self, Flaw> {
        let (text, signatures) = split_note(note)?;
        let mut found = false;
        for line in signatures.lines() {
            let (name, id, signature) = read_signature(line)?;
            if name != vkey.name || id != vkey.id {
                continue;
            }
            let signature: [u8; 64] = signature.as_slice().try_into().map_err(|_| Flaw::BadSignature)?;
            vkey.key
                .verify_strict(text.as_bytes(), &Signature::from_bytes(&signature))
                .map_err(|_| Flaw::BadSignature)?;
            found = true;
        }
        if !found {
            return Err(Flaw::OtherKey);
        }
        let checkpoint = Self::read_text(text)?;
        if checkpoint.origin == vkey.name { Ok(checkpoint) } else { Err(Flaw::OtherLog) }
    }

    /// Reads a note without judging its signatures: only to say what it claims.
    pub fn read_unverified(note: &str) -> Result<Self, Flaw> {
        let (text, signatures) = split_note(note)?;
        for line in signatures.lines() {
            read_signature(line)?;
        }
        Self::read_text(text)
    }

    fn read_text(text: &str) -> Result<Self, Flaw> {
        let mut lines = text.strip_suffix('\n').ok_or(Flaw::NotACheckpoint)?.split('\n');
        let mut next = || lines.next().ok_or(Flaw::NotACheckpoint);
        let origin = next()?;
        let size = read_size(next()?).ok_or(Flaw::NotACheckpoint)?;
        let root = read_hash(next()?)?;
        let link = read_hash(next()?.strip_prefix("link ").ok_or(Flaw::NotACheckpoint)?)?;
        if lines.next().is_some() || !is_name(origin) {
            return Err(Flaw::NotACheckpoint);
        }
        Ok(Self { origin: origin.to_owned(), size, root, link })
    }
}

/// Text (with its last newline) and signature lines.
fn split_note(note: &str) -> Result<(&str, &str), Flaw> {
    let odd = |c: char| c.is_control() && c != '\n';
    if note.len() > LONGEST_NOTE || note.contains(odd) {
        return Err(Flaw::NotANote);
    }
    // The last empty line parts them: the text itself may hold others.
    let at = note.rfind("\n\n").ok_or(Flaw::NotANote)?;
    let (text, rest) = note.split_at_checked(at.saturating_add(1)).ok_or(Flaw::NotANote)?;
    let signatures = rest.strip_prefix('\n').ok_or(Flaw::NotANote)?;
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(Flaw::NotANote);
    }
    Ok((text, signatures))
}

fn read_signature(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), Flaw> {
    let (name, encoded) =
        line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or(Flaw::NotANote)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| Flaw::NotANote)?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(Flaw::NotANote)?;
    if signature.is_empty() || !is_name(name) {
        return Err(Flaw::NotANote);
    }
    Ok((name, *id, signature.to_vec()))
}

/// A decimal without sign or leading zero.
fn read_size(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn read_hash(text: &str) -> Result<Hash, Flaw> {
    let bytes = STANDARD.decode(text).map_err(|_| Flaw::NotACheckpoint)?;
    bytes.try_into().map_err(|_| Flaw::NotACheckpoint)
}
