//! Answerable for reading a ledger beside its writers: records, the signed checkpoint, and proofs, over a connection that
//! cannot write. Proofs come from the stored tiles and are not judged here: whoever gets one verifies it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rusqlite::Connection;

use crate::checkpoint::{Checkpoint, Vkey};
use crate::fault::Fault;
use crate::hash::Hash;
use crate::proof::Inclusion;
use crate::rows::Stored;
use crate::{Entry, opening, rows, schema, tiles, tree, wal};

/// A read-only view of a ledger. Many may exist, in any process; each belongs to one thread at a time.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
    path: PathBuf,
    vkey: Vkey,
    /// The version at which `changed` last looked, and how many records there were.
    looked: (AtomicI64, AtomicU64),
}

impl Reader {
    /// Opens an existing ledger. Needs no key; does not verify the whole (`verify::store` does).
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let path =
            path.canonicalize().map_err(|error| Fault::Io(format!("`{}`: {error}", path.display())))?;
        let conn = schema::reader(&path)?;
        let vkey =
            Vkey::parse(&schema::vkey(&conn)?).map_err(|flaw| Fault::corrupt(None, flaw.to_string()))?;
        let version = schema::data_version(&conn)?;
        let looked = (AtomicI64::new(version), AtomicU64::new(schema::size(&conn)?));
        Ok(Self { conn, path, vkey, looked })
    }

    /// The public key the ledger says it is signed with.
    pub fn vkey(&self) -> String {
        self.vkey.to_string()
    }

    /// The ledger's name.
    pub fn origin(&self) -> &str {
        self.vkey.name()
    }

    /// How many records there are.
    pub fn size(&self) -> Result<u64, Fault> {
        schema::size(&self.conn)
    }

    /// Records from `from`, at most `max`, in order; each checked as in `Log::read`.
    pub fn read(&self, from: u64, max: usize) -> Result<Vec<Entry>, Fault> {
        rows::read(&self.conn, from, max)
    }

    /// Records below `before`, newest first, at most `max`.
    pub fn read_back(&self, before: u64, max: usize) -> Result<Vec<Entry>, Fault> {
        rows::read_back(&self.conn, before, max)
    }

    /// The record at `index`, if there is one.
    pub fn get(&self, index: u64) -> Result<Option<Entry>, Fault> {
        Ok(rows::get(&self.conn, index)?.map(|stored| stored.entry))
    }

    /// The records whose `refers` is `index`, in order.
    pub fn referring(&self, index: u64) -> Result<Vec<Entry>, Fault> {
        rows::referring(&self.conn, index)
    }

    /// The newest signed note. It covers durable records only: a note that is out in the world must never speak of
    /// records that a power cut can take away, so the write-ahead log is synced before it is handed out.
    pub fn checkpoint(&self) -> Result<String, Fault> {
        let (_, note) = opening::newest_note(&self.conn)?;
        wal::sync_for_reader(&self.path)?;
        Ok(note)
    }

    /// The leaf hash of the record at `index`.
    pub fn leaf(&self, index: u64) -> Result<Hash, Fault> {
        match tiles::leaf_at(&self.conn, index)? {
            Some(leaf) => Ok(leaf),
            None => Err(Fault::NoSuchRecord { index, size: self.size()? }),
        }
    }

    /// The way from leaf `index` to the root of the first `size` records, leaf side first.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, Fault> {
        self.within(size)?;
        if index >= size {
            return Err(Fault::NoSuchRecord { index, size });
        }
        tree::inclusion(&mut tiles::Stored(&self.conn), index, size)
    }

    /// What shows that the first `old` records are a prefix of the first `new`.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, Fault> {
        self.within(new)?;
        if old > new {
            return Err(Fault::NoSuchRecord { index: old, size: new });
        }
        tree::consistency(&mut tiles::Stored(&self.conn), old, new)
    }

    /// A proof file's contents: that the record at `index` is under the newest signed checkpoint.
    pub fn prove(&self, index: u64) -> Result<Inclusion, Fault> {
        let note = self.checkpoint()?;
        let signed =
            Checkpoint::open(&note, &self.vkey).map_err(|flaw| Fault::corrupt(None, flaw.to_string()))?;
        let Checkpoint { origin, size, .. } = signed;
        let hashes = self.inclusion(index, size)?;
        let Stored { entry, commitment, .. } =
            rows::get(&self.conn, index)?.ok_or(Fault::NoSuchRecord { index, size })?;
        let body =
            String::from_utf8(entry.body).map_err(|_| Fault::corrupt(index, "its text is not UTF-8"))?;
        Ok(Inclusion { origin, index, size, body, commitment, hashes, checkpoint: note })
    }

    /// Whether there are more records than when this was last asked (or the reader was opened). Counts a failure to
    /// look as a change: whoever then reads learns of it.
    pub fn changed(&self) -> bool {
        let Ok(version) = schema::data_version(&self.conn) else { return true };
        if self.looked.0.swap(version, Ordering::Relaxed) == version {
            return false;
        }
        let Ok(size) = self.size() else { return true };
        self.looked.1.swap(size, Ordering::Relaxed) != size
    }

    pub(crate) fn stored(
        &self,
        from: u64,
        max: usize,
        take: &mut dyn FnMut(Stored) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        rows::each(&self.conn, from, max, take)
    }

    fn within(&self, size: u64) -> Result<(), Fault> {
        let have = self.size()?;
        if size <= have {
            Ok(())
        } else {
            Err(Fault::NoSuchRecord { index: size.saturating_sub(1), size: have })
        }
    }
}
