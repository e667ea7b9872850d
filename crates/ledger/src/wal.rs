//! Answerable for making commits durable: one `fdatasync` of SQLite's write-ahead log, after the commit and outside the
//! pen, and a log file that is already long enough for the file system to have nothing else to write.
//!
//! In WAL mode a commit is the appending of frames to that file; syncing it after `COMMIT` is what SQLite does itself
//! under `synchronous=FULL`, except that SQLite does it with `fsync` and while other writers wait. Holding our own
//! descriptor is harmless: SQLite takes no POSIX lock on this file, so closing it drops none.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

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

/// So many commits may lie behind the end of what can be read: a power cut can lose an early block of what was not
/// synced yet and keep a later one. Whatever was acknowledged was synced, so only those under way at once can.
const UNDER_WAY: usize = 16;
/// So many frames in a row that are not of this log mean that nothing of it follows.
const FOREIGN: usize = 256;

/// A fault if the log is damaged in its middle. SQLite takes a log up to the first frame that does not fit its checksum
/// and would silently go on from there, without all that was acknowledged later.
pub fn check(conn: &Connection, ledger: &Path) -> Result<(), Fault> {
    let file = match File::open(beside(ledger, "-wal")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(before) = salt_of(&file)? else { return Ok(()) };
    let commits = commits_behind(&file, readable(conn)?, before)?;
    if commits.len() <= UNDER_WAY {
        return Ok(());
    }
    // Others may have committed, or begun the log anew, while we looked.
    let end = readable(conn)?;
    let lost = commits.iter().filter(|frame| **frame >= end).count();
    if lost <= UNDER_WAY || salt_of(&file)? != Some(before) {
        return Ok(());
    }
    Err(Fault::corrupt(
        None,
        format!("its write-ahead log cannot be read at frame {end}, and {lost} commits lie behind that"),
    ))
}

/// How many frames of the log SQLite can read.
fn readable(conn: &Connection) -> Result<u64, Fault> {
    let frames: i64 = conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
    Ok(u64::try_from(frames).unwrap_or(0))
}

/// What every frame of this log carries; `None` for a log that nobody has begun.
fn salt_of(file: &File) -> Result<Option<[u8; 8]>, Fault> {
    let mut header = [0; 32];
    if !read_at(file, &mut header, 0)? {
        return Ok(None);
    }
    let (_, salt) = header.split_at(16);
    Ok(salt.first_chunk().copied())
}

/// The commit frames from `from` on that carry this salt.
fn commits_behind(file: &File, from: u64, salt: [u8; 8]) -> Result<Vec<u64>, Fault> {
    let length = u64::from(PAGE_SIZE).saturating_add(24);
    let (mut commits, mut foreign) = (Vec::new(), 0_usize);
    for frame in from.. {
        let mut header = [0; 16];
        let at = frame.saturating_mul(length).saturating_add(32);
        if foreign > FOREIGN || !read_at(file, &mut header, at)? {
            break;
        }
        let [_, _, _, _, pages @ .., _, _, _, _, _, _, _, _] = header;
        if header.ends_with(&salt) {
            foreign = 0;
            // Only the last frame of a commit says how many pages the file has then.
            if pages != [0; 4] {
                commits.push(frame);
            }
        } else {
            foreign = foreign.saturating_add(1);
        }
    }
    Ok(commits)
}

/// False at the end of the file.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> Result<bool, Fault> {
    match file.read_exact_at(bytes, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes what readers have already seen durable; nothing to do where no write-ahead log is.
pub fn sync_for_reader(ledger: &Path) -> Result<(), Fault> {
    match File::open(beside(ledger, "-wal")) {
        Ok(file) => Ok(file.sync_data()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
