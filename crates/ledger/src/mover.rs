//! Answerable for moving committed pages from the write-ahead log into the database file beside the appends, so that no
//! append waits while megabytes are synced. Decides nothing: whatever it leaves undone, SQLite's own checkpoint at
//! `WAL_PAGES` does, and until then the pages are safe where they are.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::Draft;
use crate::schema;

/// Bytes appended between two moves.
const STEP: usize = 6 << 20;

/// A thread that moves pages, once there is enough to move.
#[derive(Debug)]
pub struct Mover {
    path: PathBuf,
    bytes: usize,
    thread: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Mover {
    /// For the ledger at `path`.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_path_buf(), bytes: 0, thread: None }
    }

    /// Hears of every append that was committed.
    pub fn appended(&mut self, batch: &[Draft]) {
        for draft in batch {
            let payload = draft.payload.as_ref().map_or(0, Vec::len);
            self.bytes =
                self.bytes.saturating_add(draft.body.len()).saturating_add(payload).saturating_add(200);
        }
        // A commit writes whole pages, however little is new on them.
        self.bytes = self.bytes.saturating_add(8192);
        if self.bytes < STEP {
            return;
        }
        self.bytes = 0;
        if self.thread.is_none() {
            self.thread = start(&self.path);
        }
        if let Some((sender, _)) = &self.thread {
            // If it is still at work, it is asked again after the next step.
            let _ = sender.try_send(());
        }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // Its connection is closed before ours: nothing of this log is open once the log is dropped.
            let _ = thread.join();
        }
    }
}

/// Without a thread or a connection of its own, appends move the pages themselves.
fn start(path: &Path) -> Option<(SyncSender<()>, JoinHandle<()>)> {
    let conn = schema::writer(path).ok()?;
    let (sender, receiver) = sync_channel(1);
    let work = move || {
        while receiver.recv().is_ok() {
            let _ = move_pages(&conn);
        }
    };
    let thread = std::thread::Builder::new().name("ledger-mover".into()).spawn(work).ok()?;
    Some((sender, thread))
}

fn move_pages(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
