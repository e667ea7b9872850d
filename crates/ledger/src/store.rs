//! Answerable for appending: the pen, the conditional append, all or nothing, signed and durable before it says so.
//! Does not know what a body means; whoever holds the log folds it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::checkpoint::Signer;
use crate::fault::{AppendError, Fault};
use crate::hash::{self, Hash};
use crate::mover::Mover;
use crate::opening::{self, State};
use crate::schema::{self, sql};
use crate::tree::{TILE_WIDTH, Tile, Tree};
use crate::wal::Wal;
use crate::{Draft, Entry, Log, Sync, found, rows, tiles, wal};

/// The longest body, in bytes.
pub const LONGEST_BODY: usize = 1 << 20;
/// The longest payload, in bytes.
pub const LONGEST_PAYLOAD: usize = 16 << 20;

/// How to open a ledger, where the usual does not do.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// A key that is kept elsewhere; then no key file is read or written beside the ledger, and a missing file is a
    /// new ledger.
    pub signing_key: Option<Signer>,
    /// The most pages of 4096 bytes the file may have; `Fault::Full` beyond.
    pub max_pages: Option<u32>,
}

/// The embedded store: one SQLite file, shared by any number of processes on one machine.
#[derive(Debug)]
pub struct SqliteLog {
    conn: Connection,
    path: PathBuf,
    /// Device and inode: a file put in its place is not the file that we checked.
    file: (u64, u64),
    wal: Wal,
    mover: Mover,
    signer: Signer,
    tree: Tree,
    head: Hash,
    /// The store's version that `tree` and `head` are true of.
    version: i64,
    /// How far the sparse history of checkpoints reaches.
    noted: u64,
    writing: bool,
    /// How far the holder has read or appended.
    seen: u64,
    /// The version at which we last looked for others' records, and how many there were.
    looked: (i64, u64),
    /// A disk that lost a write may pretend to have it on the next try: no more appends after that.
    broken: Option<Fault>,
}

impl SqliteLog {
    /// Opens the ledger at `path`, or founds one where neither it nor its key `<path>.key` ever was.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Self::open_with(path, OpenOptions::default())
    }

    /// The same, in another way than the usual.
    pub fn open_with(path: &Path, options: OpenOptions) -> Result<Self, Fault> {
        let OpenOptions { signing_key, max_pages } = options;
        let signer = found::prepare(path, signing_key)?;
        let path = path.canonicalize()?;
        let conn = schema::writer(&path)?;
        if let Some(pages) = max_pages {
            conn.pragma_update(None, "max_page_count", pages)?;
        }
        wal::check(&conn, &path)?;
        // Until here a closing connection must not move pages: it would remove the log, and the trace of its damage.
        schema::may_close_the_log(&conn, true)?;
        let State { tree, head, version } = opening::check(&conn, signer.vkey())?;
        let noted = noted(&conn)?;
        let (file, wal, mover) = (identity(&path)?, Wal::beside(&path), Mover::of(&path));
        let looked = (version, tree.size());
        Ok(Self {
            conn,
            path,
            file,
            wal,
            mover,
            signer,
            tree,
            head,
            version,
            noted,
            writing: false,
            seen: 0,
            looked,
            broken: None,
        })
    }

    /// The public key that anyone can check this ledger with.
    pub fn signer_vkey(&self) -> String {
        self.signer.vkey().to_string()
    }

    /// The ledger's name.
    pub fn origin(&self) -> &str {
        self.signer.vkey().name()
    }

    fn begin(&mut self) -> Result<u64, Fault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        if identity(&self.path).ok() != Some(self.file) {
            return Err(Fault::corrupt(None, "its file was removed or replaced while in use"));
        }
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.writing = true;
        self.catch_up()?;
        self.seen = self.tree.size();
        Ok(self.seen)
    }

    /// Takes in what others appended, from leaf and link alone.
    fn catch_up(&mut self) -> Result<(), Fault> {
        let version = schema::data_version(&self.conn)?;
        if version == self.version {
            return Ok(());
        }
        let (mut tree, mut head) = (self.tree.clone(), self.head);
        if rows::head(&self.conn, tree.size())? != head {
            return Err(Fault::corrupt(tree.size().saturating_sub(1), "it was changed while in use"));
        }
        let mut query =
            self.conn.prepare_cached("SELECT idx, leaf, link FROM records WHERE idx >= ?1 ORDER BY idx")?;
        let mut rows = query.query([sql(tree.size())])?;
        while let Some(row) = rows.next()? {
            let index = tree.size();
            let leaf = row.get_ref(1)?.as_blob().ok().and_then(schema::stored_hash).unwrap_or_default();
            head = hash::link(&head, &leaf);
            let link = row.get_ref(2)?.as_blob().unwrap_or_default();
            if schema::count(row.get(0)?) != Some(index) || link != head {
                return Err(Fault::corrupt(index, "its link does not follow from the record before"));
            }
            tree.push(leaf, &mut |_| {});
        }
        drop(rows);
        drop(query);
        self.noted = noted(&self.conn)?;
        (self.tree, self.head, self.version) = (tree, head, version);
        Ok(())
    }

    fn write(&mut self, expected: u64, batch: &[Draft], sync: Sync) -> Result<(), AppendError> {
        let size = if self.writing { self.tree.size() } else { self.begin()? };
        if size != expected {
            return Err(AppendError::Conflict { size });
        }
        let mut tree = self.tree.clone();
        let head = self.insert(&mut tree, batch)?;
        let mut noted = self.noted;
        if sync == Sync::Durable {
            self.wal.lengthen();
            if batch.is_empty() {
                // SQLite writes nothing for a row that stays as it was, and then a full disk would not be noticed.
                self.conn.prepare_cached("UPDATE checkpoint SET note = '' WHERE id = 1")?.execute([])?;
            }
            self.sign(&tree, &head, &mut noted)?;
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        self.writing = false;
        self.mover.appended(batch);
        (self.tree, self.head, self.noted) = (tree, head, noted);
        self.seen = self.tree.size();
        Ok(())
    }

    fn insert(&self, tree: &mut Tree, batch: &[Draft]) -> Result<Hash, Fault> {
        let mut head = self.head;
        let mut salts = vec![[0_u8; 16]; batch.iter().filter(|draft| draft.payload.is_some()).count()];
        getrandom::fill(salts.as_flattened_mut())
            .map_err(|error| Fault::Io(format!("no randomness for a salt: {error}")))?;
        let mut salts = salts.iter();
        let mut tiles: Vec<Tile> = Vec::new();
        let mut insert =
            self.conn.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        for draft in batch {
            let index = tree.size();
            fit(draft, index)?;
            let Draft { body, payload, refers } = draft;
            let salt = if payload.is_some() { salts.next() } else { None };
            let sealed = salt.zip(payload.as_ref()).map(|(salt, payload)| hash::commitment(salt, payload));
            let leaf = hash::leaf(body, sealed.as_ref());
            head = hash::link(&head, &leaf);
            let refers = refers.map(sql);
            insert.execute((sql(index), leaf, head, refers, sealed, salt, body, payload))?;
            tree.push(leaf, &mut |tile| tiles.push(tile));
        }
        for tile in &tiles {
            tiles::keep(&self.conn, tile)?;
        }
        Ok(head)
    }

    fn sign(&self, tree: &Tree, head: &Hash, noted: &mut u64) -> Result<(), Fault> {
        let size = tree.size();
        let note = self.signer.sign(size, &tree.root(), head);
        self.conn
            .prepare_cached("UPDATE checkpoint SET size = ?1, note = ?2 WHERE id = 1")?
            .execute((sql(size), &note))?;
        // The sparse history: what `verify` narrows the place of an edit down with.
        if size / TILE_WIDTH > *noted / TILE_WIDTH {
            self.conn
                .prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2)")?
                .execute((sql(size), &note))?;
            *noted = size;
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        self.writing = false;
        // SQLite has rolled back by itself after some failures. If it can neither way, the next BEGIN says so.
        if !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
    }
}

impl Log for SqliteLog {
    fn turn(&mut self) -> Result<u64, Fault> {
        if self.writing {
            return Ok(self.tree.size());
        }
        self.begin().inspect_err(|_| self.roll_back())
    }

    fn append(&mut self, expected: u64, batch: &[Draft], sync: Sync) -> Result<(), AppendError> {
        self.write(expected, batch, sync).inspect_err(|_| self.roll_back())?;
        if sync == Sync::Durable {
            // After the pen is free: others write while the disk works. A failure here leaves records that may be
            // lost, so this log is not to be written by us any more.
            self.wal.sync().inspect_err(|fault| self.broken = Some(fault.clone()))?;
        }
        Ok(())
    }

    fn pass(&mut self) {
        if self.writing && self.conn.execute_batch("COMMIT").is_err() {
            self.roll_back();
        }
        self.writing = false;
    }

    fn read(&mut self, from: u64, max: usize) -> Result<Vec<Entry>, Fault> {
        let entries = rows::read(&self.conn, from, max)?;
        let read = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        self.seen = self.seen.max(from.saturating_add(read));
        Ok(entries)
    }

    fn load_snapshot(&mut self) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let mut query = self.conn.prepare_cached("SELECT at, digest, bytes FROM snapshot WHERE id = 1")?;
        let mut rows = query.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let at = schema::count(row.get(0)?).ok_or_else(schema::below_zero)?;
        let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
        // A snapshot only saves time: where it is damaged, the caller folds the records instead.
        let whole = row.get_ref(1)?.as_blob().ok() == Some(schema::snapshot_digest(at, bytes).as_slice());
        let found = whole.then(|| (at, bytes.to_vec()));
        Ok(found.filter(|_| schema::size(&self.conn).is_ok_and(|size| at <= size)))
    }

    fn save_snapshot(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let digest = schema::snapshot_digest(at, bytes);
        self.conn.prepare_cached("INSERT OR REPLACE INTO snapshot VALUES (1, ?1, ?2, ?3)")?.execute((
            sql(at),
            digest,
            bytes,
        ))?;
        Ok(())
    }

    fn changed(&mut self) -> Result<bool, Fault> {
        let version = schema::data_version(&self.conn)?;
        if version != self.looked.0 {
            self.looked = (version, schema::size(&self.conn)?);
        }
        Ok(self.looked.1 > self.seen)
    }
}

/// What may be recorded: one line of text within its bounds, about something earlier.
fn fit(draft: &Draft, index: u64) -> Result<(), Fault> {
    let Draft { body, payload, refers } = draft;
    let unfit = |why: String| Err(Fault::Unfit(why));
    if body.is_empty() || body.len() > LONGEST_BODY {
        return unfit(format!("its text is {} bytes long, allowed are 1 to {LONGEST_BODY}", body.len()));
    }
    if body.contains(&b'\n') || std::str::from_utf8(body).is_err() {
        return unfit("its text is not one line of UTF-8".into());
    }
    if let Some(payload) = payload.as_ref().filter(|payload| payload.len() > LONGEST_PAYLOAD) {
        return unfit(format!("its payload is {} bytes long, allowed are {LONGEST_PAYLOAD}", payload.len()));
    }
    match refers {
        Some(earlier) if *earlier >= index => {
            unfit(format!("it refers to record {earlier}, which is not before its own index {index}"))
        }
        _ => Ok(()),
    }
}

fn noted(conn: &Connection) -> Result<u64, Fault> {
    let size: Option<i64> =
        conn.prepare_cached("SELECT max(size) FROM checkpoints")?.query_row([], |row| row.get(0))?;
    size.map_or(Ok(0), |size| schema::count(size).ok_or_else(schema::below_zero))
}

fn identity(path: &Path) -> Result<(u64, u64), Fault> {
    let about = std::fs::metadata(path)?;
    Ok((about.dev(), about.ino()))
}
