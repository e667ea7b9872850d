//! What people read: decisions, approvals, agents, keys, records, tools, as the ledger and the books have them.
//!
//! Shared by the HTTP API and the command line, so that both show the same. Answerable for shapes and for
//! realms not mixing. Changes nothing, and knows no HTTP.

mod agents;
mod approvals;
mod decisions;
mod events;
mod keys;
mod records;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ledger::{Entry, Fault, Payload, Reader};
use verdict::{Index, Json, Record};

pub use agents::{AgentPage, AgentView, LastUse, agent, agents, last_use};
pub use approvals::{
    AnswerView, ApprovalPage, ApprovalView, Asked, approval, approvals, approvals_at, parse_status,
};
pub use decisions::{
    DecisionPage, DecisionView, OutcomeView, Wanted, decided, decision, decisions, end, original,
};
pub use events::{Counts, agent_counts, event_at, events, payload, payload_at, run_events};
pub use keys::{KeyPage, KeyView, key, keys};
pub use records::{
    PolicyPage, PolicyVersionView, RecordPage, RecordView, policy_files, policy_text, policy_versions,
    records,
};
pub use tools::{DeclaredTool, ToolPage, ToolView, declared, tools};

/// How many records one question looks through at most; where there are more, the answer says where to go on.
pub const LOOK_THROUGH: u64 = 20_000;
/// How many records are read at once while looking through.
const STRIDE: usize = 256;

/// Read-only connections to one ledger, used by turns.
#[derive(Clone, Debug)]
pub struct Reading {
    path: Arc<Path>,
    idle: Arc<Mutex<Vec<Reader>>>,
}

/// As many connections are kept while nobody uses them.
const KEPT: usize = 8;

impl Reading {
    /// Readings of the ledger at `path`. Opens it once, to see that it is one.
    pub fn open(path: PathBuf) -> Result<Self, Fault> {
        let reader = Reader::open(&path)?;
        Ok(Self { path: path.into(), idle: Arc::new(Mutex::new(vec![reader])) })
    }

    /// Reads. Blocks.
    pub fn with<T>(&self, read: impl FnOnce(&Reader) -> Result<T, Fault>) -> Result<T, Fault> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let reader = idle.map_or_else(|| Reader::open(&self.path), Ok)?;
        let result = read(&reader);
        // A connection that failed may go on failing: the next reading opens a new one.
        if result.is_ok()
            && let Ok(mut idle) = self.idle.lock()
            && idle.len() < KEPT
        {
            idle.push(reader);
        }
        result
    }

    /// Reads on a thread where blocking is fine.
    pub async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let reading = self.clone();
        let gone = |_| Fault::Io("the reading was interrupted".to_owned());
        tokio::task::spawn_blocking(move || reading.with(read)).await.map_err(gone)?
    }

    /// The ledger's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What an entry says.
fn record_of(entry: &Entry) -> Result<Record, Fault> {
    crate::ink::record_of(entry.index, &entry.body).map_err(|halt| Fault::Io(halt.0))
}

/// A payload as JSON, if it is there and is JSON.
fn payload_of(entry: &Entry) -> Option<Json> {
    match &entry.payload {
        Payload::Here(bytes) => Json::parse(bytes).ok(),
        Payload::None | Payload::Erased => None,
    }
}

/// A field of a payload.
fn field(json: &Json, name: &str) -> Option<Json> {
    match json {
        Json::Map(map) => map.get(name).cloned(),
        _ => None,
    }
}

/// Looks through records below `before`, newest first, until `take` has had enough or [`LOOK_THROUGH`] records
/// have been seen. Returns where to go on, if there is more.
fn look_back(
    reader: &Reader,
    before: Option<Index>,
    take: &mut dyn FnMut(&Entry, Record) -> Result<bool, Fault>,
) -> Result<Option<Index>, Fault> {
    let size = reader.size()?;
    let mut at = before.unwrap_or(size).min(size);
    let mut left = LOOK_THROUGH;
    while at > 0 && left > 0 {
        let entries = reader.read_back(at, STRIDE)?;
        if entries.is_empty() {
            return Ok(None);
        }
        for entry in &entries {
            at = entry.index;
            left = left.saturating_sub(1);
            if take(entry, record_of(entry)?)? {
                return Ok((at > 0).then_some(at));
            }
        }
    }
    Ok((at > 0).then_some(at))
}

/// Where to go on reading, as a text that callers hand back and do not read: its form may change.
pub(crate) fn cursor(at: Index) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("b{at}"))
}

/// Reads a cursor; `None` if it is none of ours.
pub fn parse_cursor(text: &str) -> Option<Index> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    crate::wire::parse_id("b", std::str::from_utf8(&bytes).ok()?)
}
