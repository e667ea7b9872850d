//! Answerable for the tables, how a connection to them is set up, and how a file is told to be a ledger. Knows what
//! is stored where, not whether it is true: `opening`, `rows` and `verify` judge that.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::fault::Fault;
use crate::hash::{self, Hash};

/// The format that this program reads and writes.
pub const VERSION: i64 = 1;
/// `Port` in ASCII: marks the file as ours.
const APPLICATION_ID: i64 = 0x506F_7274;
/// How long to wait for the pen.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log (32 MiB) at which the append itself moves what is left into the database file and the
/// log begins anew. `mover` has moved most of them by then.
pub const WAL_PAGES: u32 = 4096;
/// Bytes in a page, chosen by measuring: 4096 wastes a seventh of a page on rows of common size and makes batches slower,
/// 16384 makes single appends slower.
pub const PAGE_SIZE: u32 = 8192;

/// Narrow columns come first, so that reading leaf and link never walks a long body or payload. Payload and record
/// share a row: an append then touches one page. What is erased is overwritten with zeros (`erase`).
const TABLES: &[(&str, &str)] = &[
    ("meta", "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"),
    (
        "records",
        "CREATE TABLE records (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, link BLOB NOT NULL, refers INTEGER, commitment BLOB, salt BLOB, body BLOB NOT NULL, payload BLOB) STRICT",
    ),
    ("records_refers", "CREATE INDEX records_refers ON records (refers, idx) WHERE refers IS NOT NULL"),
    ("tiles", "CREATE TABLE tiles (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT"),
    (
        "checkpoint",
        "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, note TEXT NOT NULL) STRICT",
    ),
    ("checkpoints", "CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT"),
    (
        "snapshot",
        "CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, digest BLOB NOT NULL, bytes BLOB NOT NULL) STRICT",
    ),
];

/// The tables in a new file, with the facts that never change. The file is left in WAL mode, closed and whole.
pub fn create(path: &Path, vkey: &str, first_note: &str) -> Result<(), Fault> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.pragma_update(None, "page_size", PAGE_SIZE)?;
    conn.execute_batch("BEGIN")?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", VERSION)?;
    for (_, sql) in TABLES {
        conn.execute_batch(sql)?;
    }
    conn.execute("INSERT INTO meta VALUES ('vkey', ?1)", [vkey])?;
    conn.execute("INSERT INTO checkpoint VALUES (1, 0, ?1)", [first_note])?;
    conn.execute_batch("COMMIT")?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Io("the file system cannot carry a write-ahead log".into()));
    }
    conn.close().map_err(|(_, error)| error.into())
}

/// A connection that may write. It leaves the write-ahead log where it is until `may_close_the_log`.
pub fn writer(path: &Path) -> Result<Connection, Fault> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    may_close_the_log(&conn, false)?;
    if conn.is_readonly("main")? {
        return Err(Fault::ReadOnly);
    }
    check(&conn)?;
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::corrupt(None, "the file is not in write-ahead mode"));
    }
    // NORMAL on purpose: a durable append syncs the write-ahead log itself, after the commit (`wal`), and an append
    // that is merely written does not. SQLite still syncs around its own checkpoints, which keeps the file sound.
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    Ok(conn)
}

/// A connection that only reads.
pub fn reader(path: &Path) -> Result<Connection, Fault> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match check(&conn) {
        Ok(()) => Ok(conn),
        // An auditor's copy on a disk that may only be read: SQLite cannot make its index beside it there.
        Err(Fault::ReadOnly | Fault::Io(_)) if is_at_rest(path) => {
            let conn = open(&at_rest(path), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?;
            check(&conn)?;
            Ok(conn)
        }
        Err(fault) => Err(fault),
    }
}

/// True if nobody has the ledger open, and nobody left anything that is not in its file yet.
fn is_at_rest(path: &Path) -> bool {
    ["-wal", "-shm"].iter().all(|end| !beside(path, end).exists())
}

/// The file's name as SQLite takes it for one that nobody changes: then it needs neither index nor locks.
fn at_rest(path: &Path) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut name = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' => name.extend(b"%25"),
            b'?' => name.extend(b"%3f"),
            b'#' => name.extend(b"%23"),
            byte => name.push(*byte),
        }
    }
    name.extend(b"?immutable=1");
    PathBuf::from(std::ffi::OsString::from_vec(name))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    // SQLite would take a missing or empty file for a new database: neither is a ledger.
    let length =
        std::fs::metadata(path).map_err(|error| Fault::Io(format!("`{}`: {error}", path.display())))?;
    if length.len() == 0 {
        return Err(Fault::NotALedger(format!("`{}` is empty", path.display())));
    }
    open(path, flags)
}

fn open(name: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    let mut conn = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_handler(Some(patience()))?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(conn)
}

/// Whether SQLite, when it closes the last connection, moves what is in the write-ahead log into the file and removes
/// the log. One that only reads cannot, and leaves things as they are.
pub fn may_close_the_log(conn: &Connection, may: bool) -> Result<(), Fault> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !may)?;
    Ok(())
}

/// Sleeps well under a millisecond between tries: SQLite's own handler backs off to 100 ms, a thousand appends.
/// Jitter keeps two waiters from meeting at every try.
fn patience() -> impl FnMut(i32) -> bool + Send + 'static {
    let mut since = Instant::now();
    move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        let waited = since.elapsed();
        let jitter = u64::from(waited.subsec_nanos()).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        std::thread::sleep(Duration::from_micros(300_u64.saturating_add(jitter % 700)));
        waited < PATIENCE
    }
}

/// Whether the file is a ledger of our version with exactly our tables: a trigger or view put there by somebody else
/// would run inside our appends.
fn check(conn: &Connection) -> Result<(), Fault> {
    let id: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id != APPLICATION_ID {
        return Err(Fault::NotALedger("it is another program's SQLite database".into()));
    }
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found != VERSION {
        return Err(Fault::WrongVersion { found, known: VERSION });
    }
    let mut query =
        conn.prepare("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?;
    let mut found = query
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    found.sort();
    let mut known: Vec<_> =
        TABLES.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned())).collect();
    known.sort();
    if found == known { Ok(()) } else { Err(Fault::corrupt(None, "its tables are not the ledger's")) }
}

/// The public key that the file says signs it.
pub fn vkey(conn: &Connection) -> Result<String, Fault> {
    Ok(conn.prepare_cached("SELECT value FROM meta WHERE name = 'vkey'")?.query_row([], |row| row.get(0))?)
}

/// How many records there are (the last index and one).
pub fn size(conn: &Connection) -> Result<u64, Fault> {
    let last: Option<i64> =
        conn.prepare_cached("SELECT max(idx) FROM records")?.query_row([], |row| row.get(0))?;
    match last {
        None => Ok(0),
        Some(last) => count(last).and_then(|last| last.checked_add(1)).ok_or_else(below_zero),
    }
}

/// Whether a record lies before the first, where no reading would come across it.
pub fn has_hidden(conn: &Connection) -> Result<bool, Fault> {
    let hidden = "SELECT EXISTS (SELECT 1 FROM records WHERE idx < 0)";
    Ok(conn.prepare_cached(hidden)?.query_row([], |row| row.get(0))?)
}

/// Changes whenever another connection has committed.
pub fn data_version(conn: &Connection) -> Result<i64, Fault> {
    Ok(conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

/// An index as SQLite stores it. No ledger reaches the end of that range, so what lies beyond it finds nothing.
pub fn sql(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// A stored index; `None` below zero, where nothing of ours is.
pub fn count(stored: i64) -> Option<u64> {
    u64::try_from(stored).ok()
}

pub(crate) fn below_zero() -> Fault {
    Fault::corrupt(None, "a stored number is below zero")
}

/// Reads a stored hash.
pub fn stored_hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok()
}

/// The digest that guards a snapshot: of its place and its bytes.
pub fn snapshot_digest(at: u64, bytes: &[u8]) -> Hash {
    let mut all = at.to_be_bytes().to_vec();
    all.extend_from_slice(&hash::plain(bytes));
    hash::plain(&all)
}

/// `path` with something appended to its last part.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
