//! What the tests share: a ledger in a folder of its own, drafts, and a hand inside the file.

use std::path::PathBuf;

use ledger::verify::{self, Expect, Report};
use ledger::{Draft, Log, SqliteLog, Sync};
use rusqlite::Connection;

pub struct Place {
    pub dir: tempfile::TempDir,
    pub path: PathBuf,
}

pub fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    Place { dir, path }
}

impl Place {
    pub fn open(&self) -> SqliteLog {
        SqliteLog::open(&self.path).unwrap()
    }

    /// A closed ledger of `size` records, the even ones with a payload, every fifth about the one before.
    pub fn filled(size: u64) -> Self {
        let place = place();
        let mut log = place.open();
        fill(&mut log, 0, size);
        place
    }

    /// SQLite itself, as somebody who edits the file has it.
    pub fn hand(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    pub fn verify(&self) -> Report {
        self.verify_with(&Expect::default())
    }

    pub fn verify_with(&self, expect: &Expect<'_>) -> Report {
        verify::store(&self.path, expect, &mut |_, _| {}).unwrap()
    }

    pub fn key_path(&self) -> PathBuf {
        self.dir.path().join("ledger.db.key")
    }

    /// A copy of all files under another folder.
    pub fn copy(&self) -> Self {
        let other = place();
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), other.dir.path().join(file.file_name())).unwrap();
        }
        other
    }
}

pub fn fill(log: &mut dyn Log, from: u64, to: u64) {
    let drafts: Vec<Draft> = (from..to).map(draft).collect();
    let mut at = from;
    for batch in drafts.chunks(50) {
        log.append(at, batch, Sync::Durable).unwrap();
        at += batch.len() as u64;
    }
}

pub fn draft(index: u64) -> Draft {
    Draft {
        body: format!("{{\"n\":{index},\"what\":\"é \\\"quoted\\\" \u{1}\"}}").into_bytes(),
        payload: index.is_multiple_of(2).then(|| format!("payload {index}").into_bytes()),
        refers: (index % 5 == 4).then(|| index - 1),
    }
}

pub fn plain(text: &str) -> Draft {
    Draft { body: text.as_bytes().to_vec(), payload: None, refers: None }
}
