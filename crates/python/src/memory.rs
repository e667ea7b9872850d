//! A log for gates without a store: what is decided counts for as long as the process lives, and is then gone.
//!
//! Has one writer and never fails, so nobody ever has to read again what was written: records are counted, and what
//! they add up to is in the journal's books. Only policies are kept.

use std::sync::Arc;

use verdict::{Books, Halt, Index, Ink, Line, NotWritten, Policy, Record};

/// Ink that leaves no trace on a disk.
#[derive(Default)]
pub struct MemoryInk {
    written: Index,
    /// Texts of policies, by the record that put them in force.
    policies: Vec<(Index, String)>,
}

impl Ink for MemoryInk {
    fn turn(&mut self) -> Result<Index, Halt> {
        Ok(self.written)
    }

    fn pass(&mut self) {}

    fn read(&mut self, _from: Index) -> Result<Vec<Record>, Halt> {
        Err(Halt(
            "records of a gate without a store are not kept; open it with store=\"sqlite:PATH\"".to_owned(),
        ))
    }

    fn append(&mut self, expected: Index, lines: &[Line], _durable: bool) -> Result<(), NotWritten> {
        if expected != self.written {
            return Err(NotWritten::Conflict);
        }
        for line in lines {
            if let (Record::Policy(_), Some(text)) = (&line.record, &line.payload) {
                self.policies.push((self.written, text.clone()));
            }
            self.written = self.written.saturating_add(1);
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Option<Books>, Halt> {
        Ok(None)
    }

    fn save(&mut self, _books: &Books) -> Result<(), Halt> {
        Ok(())
    }

    fn policy(&mut self, at: Index) -> Result<Arc<Policy>, Halt> {
        let found = self.policies.iter().rev().find(|(index, _)| *index == at);
        let (_, text) = found.ok_or_else(|| Halt(format!("record {at} is no policy")))?;
        gate::policy_text::unpack(text.as_bytes()).map(Arc::new).map_err(Halt)
    }

    fn changed(&mut self) -> Result<bool, Halt> {
        Ok(false)
    }
}
