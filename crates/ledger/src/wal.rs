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

/// Appends after which a process is taken for one that goes on writing, so that a longer file pays.
const BUSY_AFTER: u64 = 32;
/// How often to look whether the file was cut.
const LOOK_EVERY: u64 = 4096;

/// The write-ahead log of one ledger.
#[derive(Debug)]
pub struct Wal {
    path: PathBuf,
    file: Option<File>,
    synced: u64,
}

impl Wal {
    /// Of the ledger at `ledger`, a path without symbolic links.
    pub fn beside(ledger: &Path) -> Self {
        Self { path: beside(ledger, "-wal"), file: None, synced: 0 }
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

    /// Makes the file as long as it gets, once it is clear that it will be used. The caller holds the pen, so nobody
    /// else writes to it. Zeros behind the last frame are what SQLite's own recovery ignores.
    pub fn lengthen(&mut self) {
        let due = self.synced == BUSY_AFTER || (self.synced > 0 && self.synced.is_multiple_of(LOOK_EVERY));
        let Some(file) = self.file.as_mut().filter(|_| due) else { return };
        // A convenience: without it appends are slower, and a full disk will say so at the append itself.
        let _ = lengthen(file);
    }
}

fn lengthen(file: &mut File) -> std::io::Result<()> {
    static ZEROS: [u8; 65536] = [0; 65536];
    let frame = u64::from(PAGE_SIZE).saturating_add(24);
    let target = frame.saturating_mul(u64::from(WAL_PAGES)).saturating_add(1 << 20);
    let mut length = file.seek(SeekFrom::End(0))?;
    while length < target {
        file.write_all(&ZEROS)?;
        length = length.saturating_add(65536);
    }
    file.sync_all()
}

/// Makes what readers have already seen durable; nothing to do where no write-ahead log is.
pub fn sync_for_reader(ledger: &Path) -> Result<(), Fault> {
    match File::open(beside(ledger, "-wal")) {
        Ok(file) => Ok(file.sync_data()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
