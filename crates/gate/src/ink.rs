//! The journal's records on the ledger: how a record is written, and how the books are kept to start from.
//!
//! Knows both sides and decides nothing.

use std::path::Path;
use std::sync::Arc;

use ledger::{AppendError, Draft, Fault, Log as _, Payload, SqliteLog, Sync};
use verdict::{Books, Halt, Index, Ink, Line, NotWritten, Policy, Record};

/// How many records one read takes in.
const READ_AT_ONCE: usize = 4_096;
/// Says in which form a snapshot is; another form is no snapshot.
const SNAPSHOT_FORM: u8 = 5;

/// Ink on a ledger in one SQLite file.
pub struct LedgerInk {
    log: SqliteLog,
}

impl LedgerInk {
    /// Opens the ledger, or starts one where there is none.
    pub fn open(path: &Path) -> Result<Self, Halt> {
        let log = SqliteLog::open(path).map_err(|fault| halt(&fault))?;
        Ok(Self { log })
    }

    /// The verifier key of the ledger's signer, in the form of C2SP signed notes.
    pub fn vkey(&self) -> String {
        self.log.signer_vkey()
    }
}

impl Ink for LedgerInk {
    fn turn(&mut self) -> Result<Index, Halt> {
        self.log.turn().map_err(|fault| halt(&fault))
    }

    fn pass(&mut self) {
        self.log.pass();
    }

    fn read(&mut self, from: Index) -> Result<Vec<Record>, Halt> {
        let entries = self.log.read(from, READ_AT_ONCE).map_err(|fault| halt(&fault))?;
        entries.iter().map(|entry| record_of(entry.index, &entry.body)).collect()
    }

    fn append(&mut self, expected: Index, lines: &[Line], durable: bool) -> Result<(), NotWritten> {
        let drafts = lines.iter().map(draft_of).collect::<Result<Vec<_>, _>>().map_err(NotWritten::Halt)?;
        let sync = if durable { Sync::Durable } else { Sync::Written };
        self.log.append(expected, &drafts, sync).map_err(|error| match error {
            AppendError::Conflict { .. } => NotWritten::Conflict,
            AppendError::Failed(fault) => NotWritten::Halt(halt(&fault)),
        })
    }

    fn load(&mut self) -> Result<Option<Books>, Halt> {
        let snapshot = self.log.load_snapshot().map_err(|fault| halt(&fault))?;
        // A snapshot that cannot be read is as good as none: the records say it all again.
        Ok(snapshot.and_then(|(at, bytes)| {
            let (form, books) = bytes.split_first()?;
            let books: Books = (*form == SNAPSHOT_FORM).then(|| postcard::from_bytes(books).ok())??;
            (books.next() == at).then_some(books)
        }))
    }

    fn save(&mut self, books: &Books) -> Result<(), Halt> {
        let bytes = postcard::to_extend(books, vec![SNAPSHOT_FORM])
            .map_err(|_| Halt("the books could not be written as a snapshot".to_owned()))?;
        self.log.save_snapshot(books.next(), &bytes).map_err(|fault| halt(&fault))
    }

    fn policy(&mut self, at: Index) -> Result<Arc<Policy>, Halt> {
        let entry = self.log.read(at, 1).map_err(|fault| halt(&fault))?.into_iter().next();
        let Some(Payload::Here(text)) = entry.map(|entry| entry.payload) else {
            return Err(Halt(format!(
                "the text of the policy in record {at} is not there any more; put the policy again"
            )));
        };
        crate::policy_text::unpack(&text)
            .map(Arc::new)
            .map_err(|why| Halt(format!("the policy in record {at}: {why}")))
    }

    fn changed(&mut self) -> Result<bool, Halt> {
        self.log.changed().map_err(|fault| halt(&fault))
    }
}

/// What a record says.
pub fn record_of(index: Index, body: &[u8]) -> Result<Record, Halt> {
    serde_json::from_slice(body).map_err(|error| {
        Halt(format!("record {index} of the ledger is of a kind this version does not know ({error}); use the version that wrote it"))
    })
}

fn draft_of(line: &Line) -> Result<Draft, Halt> {
    let body = line.record.text().map_err(|why| Halt(format!("a record could not be written: {why}")))?;
    let payload = line.payload.as_ref().map(|text| text.clone().into_bytes());
    Ok(Draft { body, payload, refers: line.record.refers() })
}

fn halt(fault: &Fault) -> Halt {
    Halt(fault.to_string())
}
