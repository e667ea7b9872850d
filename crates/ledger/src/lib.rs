//! An append-only log that anyone can check. Answerable for: appending at an expected index, durably, all or nothing;
//! reading back exactly what was appended; and evidence (hash chain, Merkle tree, signed checkpoints, proofs) that
//! nothing was edited, cut or slipped in. Deliberately does not know what its records mean, who writes them or why.
//!
//! Start at [`Log`]; [`SqliteLog`] is the embedded store, [`Reader`] looks on, [`verify`] judges a store or an export,
//! [`proof`] is what to hand to a stranger.
//!
//! What is proven of a record: its index, its body, and that a payload with this commitment lies beside it.
//! `refers` is a help for look-ups and is not under the hash; what must be proven belongs into the body.

mod audit;
mod erase;
mod fault;
mod found;
mod mover;
mod opening;
mod reader;
mod rows;
mod schema;
mod store;
mod tiles;
mod tree;
mod wal;

pub mod checkpoint;
pub mod export;
pub mod hash;
pub mod proof;
pub mod verify;

pub use checkpoint::Signer;
pub use erase::erase;
pub use fault::{AppendError, Fault};
pub use reader::Reader;
pub use store::{LONGEST_BODY, LONGEST_PAYLOAD, OpenOptions, SqliteLog};

/// A record to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// One line of UTF-8 text: not empty, no line feed, at most 1 MiB.
    pub body: Vec<u8>,
    /// Bytes that lie beside the record and may be erased later; at most 16 MiB.
    pub payload: Option<Vec<u8>>,
    /// An earlier record that this one is about, for look-ups.
    pub refers: Option<u64>,
}

/// A record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place, counted from 0.
    pub index: u64,
    /// Its exact text.
    pub body: Vec<u8>,
    /// The earlier record that it is about.
    pub refers: Option<u64>,
    /// What lies beside it.
    pub payload: Payload,
}

/// What lies beside a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Nothing ever did.
    None,
    /// These bytes.
    Here(Vec<u8>),
    /// Bytes that were erased; the record keeps their commitment.
    Erased,
}

/// What `Ok` from an append means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// On the disk, signed, and safe from a power cut.
    Durable,
    /// Safe from a killed process, not from a power cut; made durable, and signed, by the next durable append.
    Written,
}

/// A log with a conditional append. Any number of holders, in any number of processes, may have the same log open.
pub trait Log: Send {
    /// Waits for the pen and says how many records there are. Nobody else can append until `append` or `pass` ends
    /// the turn. `Fault::Busy` after 5 seconds.
    fn turn(&mut self) -> Result<u64, Fault>;

    /// Appends all of `batch` at `expected`, or nothing, and ends the turn (it takes one by itself if none is held).
    /// `Conflict` if the log is not exactly that long. An empty durable batch makes durable what was only written.
    fn append(&mut self, expected: u64, batch: &[Draft], sync: Sync) -> Result<(), AppendError>;

    /// Ends the turn without an append. Without a turn it does nothing.
    fn pass(&mut self);

    /// Records from `from`, at most `max`, in order. Every body is checked against its stored leaf hash, every payload
    /// against its commitment: `Fault::Corrupt` names the record that does not fit.
    fn read(&mut self, from: u64, max: usize) -> Result<Vec<Entry>, Fault>;

    /// The newest snapshot of whatever the caller folds, with the number of records it covers, if one was saved at or
    /// before the end of the log. A damaged snapshot is `None`.
    fn load_snapshot(&mut self) -> Result<Option<(u64, Vec<u8>)>, Fault>;

    /// Keeps a snapshot of the first `at` records in place of the one before. Within a turn it is kept when the turn
    /// ends well.
    fn save_snapshot(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault>;

    /// Whether somebody else has appended beyond what this holder has read or appended, or saw at its last turn.
    fn changed(&mut self) -> Result<bool, Fault>;
}
