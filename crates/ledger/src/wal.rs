//! Answerable for making commits durable: one `fdatasync` of SQLite's write-ahead log, after the commit and outside the
//! pen, and a log file that is already long enough for the file system to have nothing else to write.
//!
//! In WAL mode a commit is the appending of frames to that file; syncing it after `COMMIT` is what SQLite does itself
//! under `synchronous=FULL`, except that SQLite does it with `fsync` and while other writers wait. Holding our own
//! descriptor is harmless: SQLite takes no POSIX lock on this file, so closing it drops none.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::fault::Fault;
use crate::schema::{PAGE_SIZE, WAL_PAGES, beside};

/// Appends between two looks at the file's length while it grows: a process that appends once does not pay for it.
const GROW_EVERY: u64 = 32;
/// The same once it is long enough: somebody may have cut it.
const LOOK_EVERY: u64 = 4096;
/// Bytes by which it grows at once: few enough that nobody notices the pause.
const STEP: u64 = 2 << 20;

/// The write-ahead log of one ledger.
#[derive(Debug)]
pub struct Wal {
    path: PathBuf,
    file: Option<File>,
    synced: u64,
    long_enough: bool,
}

impl Wal {
    /// Of the ledger at `ledger`, a path without symbolic links.
    pub fn beside(ledger: &Path) -> Self {
        Self { path: beside(ledger, "-wal"), file: None, synced: 0, long_enough: false }
    }

    /// Returns once all that was committed before is on the disk.
    pub fn sync(&mut self) -> Result<(), Fault> {
        self.synced = self.synced.saturating_add(1);
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().read(true).write(true).open(&self.path)?,
        };
        self.file.insert(file).sync_data()?;
        Ok(())
    }

    /// Makes the file longer ahead of need, once it is clear that it will be used: a sync of blocks that are there
    /// already costs half of one that also grows the file. The caller holds the pen, so nobody else writes to it. Zeros
    /// behind the last frame are what SQLite's own recovery ignores.
    pub fn lengthen(&mut self) {
        let every = if self.long_enough { LOOK_EVERY } else { GROW_EVERY };
        let due = self.synced > 0 && self.synced.is_multiple_of(every);
        let Some(file) = self.file.as_mut().filter(|_| due) else { return };
        // A convenience: without it appends are slower, and a full disk will say so at the append itself.
        self.long_enough = lengthen(file).unwrap_or(true);
    }
}

/// Whether the file is as long as it ever needs to be.
fn lengthen(file: &mut File) -> std::io::Result<bool> {
    static ZEROS: [u8; 65536] = [0; 65536];
    let frame = u64::from(PAGE_SIZE).saturating_add(24);
    let target = frame.saturating_mul(u64::from(WAL_PAGES)).saturating_add(1 << 20);
    let mut length = file.seek(SeekFrom::End(0))?;
    let end = length.saturating_add(STEP).min(target);
    while length < end {
        file.write_all(&ZEROS)?;
        length = length.saturating_add(65536);
    }
    file.sync_all()?;
    Ok(length >= target)
}

/// Makes what readers have already seen durable; nothing to do where no write-ahead log is.
pub fn sync_for_reader(ledger: &Path) -> Result<(), Fault> {
    match File::open(beside(ledger, "-wal")) {
        Ok(file) => Ok(file.sync_data()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
