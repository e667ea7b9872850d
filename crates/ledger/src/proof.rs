//! Answerable for proofs that anyone can check offline: pure verification as RFC 9162 writes it, and the proof file
//! that `ledger proof` hands out. Knows no store; whoever verifies needs the file and the public key alone.
//!
//! A proof file is one JSON object: `{"portcullis-proof":1, "origin", "index", "size", "body", "commitment"?,
//! "hashes": [hex...], "checkpoint"}`. Hashes are lower-case hex, leaf side first; `body` is the record's exact text.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, Vkey};
use crate::hash::{self, Hash};

/// A record, and the way from it to a signed root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The log's name.
    pub origin: String,
    /// The record's index.
    pub index: u64,
    /// The tree's size that `hashes` lead to; the checkpoint's.
    pub size: u64,
    /// The record's exact text.
    pub body: String,
    /// What the record holds of its payload, if it has one.
    pub commitment: Option<Hash>,
    /// Siblings, leaf side first.
    pub hashes: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

/// Why a proof does not hold. Display is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproven {
    /// The text is not a proof file; says where it fails.
    Malformed(String),
    /// The checkpoint does not hold; says why.
    Checkpoint(String),
    /// The hashes lead elsewhere than the signed root.
    WrongRoot,
}

impl std::fmt::Display for Unproven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "this is not a proof file ({what}): ask for the proof again"),
            Self::Checkpoint(what) => write!(f, "the proof is not signed as it must be: {what}"),
            Self::WrongRoot => write!(
                f,
                "the proof does not hold: this record, as it stands here, is not in the ledger that was signed"
            ),
        }
    }
}

impl std::error::Error for Unproven {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "portcullis-proof")]
    version: u32,
    origin: String,
    index: u64,
    size: u64,
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commitment: Option<String>,
    hashes: Vec<String>,
    checkpoint: String,
}

impl Inclusion {
    /// The proof file.
    pub fn to_json(&self) -> String {
        let file = File {
            version: 1,
            origin: self.origin.clone(),
            index: self.index,
            size: self.size,
            body: self.body.clone(),
            commitment: self.commitment.map(|hash| hash::hex(&hash)),
            hashes: self.hashes.iter().map(|hash| hash::hex(hash)).collect(),
            checkpoint: self.checkpoint.clone(),
        };
        // Strings and integers alone: this cannot fail to be JSON.
        serde_json::to_string_pretty(&file).unwrap_or_default()
    }

    /// Reads a proof file; proves nothing yet.
    pub fn from_json(text: &str) -> Result<Self, Unproven> {
        let File { version, origin, index, size, body, commitment, hashes, checkpoint } =
            serde_json::from_str(text).map_err(|error| Unproven::Malformed(error.to_string()))?;
        if version != 1 {
            return Err(Unproven::Malformed(format!("its version is {version}, known is 1")));
        }
        let read = |text: &String| {
            hash::unhex(text)
                .ok_or_else(|| Unproven::Malformed("a hash is not 64 lower-case hex digits".into()))
        };
        let commitment = commitment.as_ref().map(read).transpose()?;
        let hashes = hashes.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { origin, index, size, body, commitment, hashes, checkpoint })
    }

    /// Checks the signature, that the checkpoint is of this log and size, and that the hashes lead from the record to
    /// its root.
    pub fn verify(&self, vkey: &Vkey) -> Result<Checkpoint, Unproven> {
        let checkpoint = Checkpoint::open(&self.checkpoint, vkey)
            .map_err(|flaw| Unproven::Checkpoint(flaw.to_string()))?;
        if checkpoint.origin != self.origin || checkpoint.size != self.size {
            return Err(Unproven::Checkpoint("it is of another ledger or size than the proof says".into()));
        }
        if self.body.is_empty() || self.body.contains('\n') {
            return Err(Unproven::Malformed("the body is not one line of text".into()));
        }
        let leaf = hash::leaf(self.body.as_bytes(), self.commitment.as_ref());
        if verify_inclusion(&leaf, self.index, self.size, &self.hashes, &checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(Unproven::WrongRoot)
        }
    }
}

/// RFC 9162 2.1.3.2: whether `hashes` lead from `leaf` at `index` to the `root` of a tree of `size` leaves.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, hashes: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last) = (index, size.saturating_sub(1));
    let mut computed = *leaf;
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            computed = hash::node(sibling, &computed);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            computed = hash::node(&computed, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && computed == *root
}

/// A tree as a checkpoint states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// RFC 9162 2.1.4.2: whether `hashes` show that the tree `old` is a prefix of the tree `new`. An empty `old` is a
/// prefix of everything, with no hashes and the empty root.
pub fn verify_consistency(old: &Head, new: &Head, hashes: &[Hash]) -> bool {
    if old.size > new.size {
        return false;
    }
    if old.size == new.size {
        return hashes.is_empty() && old.root == new.root;
    }
    if old.size == 0 {
        return hashes.is_empty() && old.root == hash::empty_root();
    }
    // Where the old tree is one whole subtree, its root is the first node and is left out of the proof.
    let mut path = hashes.iter();
    let first = if old.size.is_power_of_two() { Some(&old.root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut place, mut last) = (old.size.saturating_sub(1), new.size.saturating_sub(1));
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old_root, mut new_root) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            old_root = hash::node(sibling, &old_root);
            new_root = hash::node(sibling, &new_root);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new_root = hash::node(&new_root, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old_root == old.root && new_root == new.root
}
