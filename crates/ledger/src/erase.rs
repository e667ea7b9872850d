//! Answerable for forgetting a payload for good: the bytes and their salt go, the commitment stays, and no proof
//! changes. Knows nothing of why.

use std::path::Path;

use crate::fault::Fault;
use crate::schema::{self, sql};
use crate::wal;

/// Drops the payload of the record at `index`; true if there was one. The bytes are overwritten in the file and leave
/// the write-ahead log before this returns. After an error, call again: it finishes what it began.
pub fn erase(path: &Path, index: u64) -> Result<bool, Fault> {
    let path = path.canonicalize().map_err(|error| Fault::Io(format!("`{}`: {error}", path.display())))?;
    let conn = schema::writer(&path)?;
    wal::check(&conn, &path)?;
    schema::may_close_the_log(&conn, true)?;
    // Freed bytes become zeros instead of staying in the page.
    conn.pragma_update(None, "secure_delete", true)?;
    let size = schema::size(&conn)?;
    if index >= size {
        return Err(Fault::NoSuchRecord { index, size });
    }
    let change = "UPDATE records SET payload = NULL, salt = NULL WHERE idx = ?1 AND payload IS NOT NULL";
    let erased = conn.execute(change, [sql(index)])? > 0;
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(erased) } else { Err(Fault::Busy) }
}
