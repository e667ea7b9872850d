//! Answerable for reading records back from the table, each checked against what is stored beside it: a body against its
//! leaf hash, a payload against its commitment. Whether those belong to the signed tree is `opening` and `verify`'s.

use rusqlite::{Connection, Row};

use crate::fault::Fault;
use crate::hash::{self, Hash};
use crate::schema::{self, sql, stored_hash};
use crate::{Entry, Payload};

/// A record with all that is stored of it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The record.
    pub entry: Entry,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The chain head after it.
    pub link: Hash,
    /// What it holds of its payload.
    pub commitment: Option<Hash>,
    /// The salt of the commitment, while the payload is there.
    pub salt: Option<[u8; 16]>,
}

macro_rules! columns {
    ($rest:literal) => {
        concat!("SELECT idx, leaf, link, refers, commitment, salt, body, payload FROM records ", $rest)
    };
}

/// Records from `from`, at most `max`, in order and without a gap.
pub fn read(conn: &Connection, from: u64, max: usize) -> Result<Vec<Entry>, Fault> {
    let mut expected = from;
    let mut entries = Vec::new();
    each(conn, from, max, &mut |stored| {
        let index = stored.entry.index;
        if index != expected {
            return Err(Fault::corrupt(expected, "the record is missing"));
        }
        expected = expected.saturating_add(1);
        entries.push(stored.entry);
        Ok(())
    })?;
    Ok(entries)
}

/// Hands records from `from` to `take`, at most `max`, in order.
pub fn each(
    conn: &Connection,
    from: u64,
    max: usize,
    take: &mut dyn FnMut(Stored) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut query = conn.prepare_cached(columns!("WHERE idx >= ?1 ORDER BY idx LIMIT ?2"))?;
    let mut rows = query.query((sql(from), max))?;
    while let Some(row) = rows.next()? {
        take(checked(row)?)?;
    }
    Ok(())
}

/// Records below `before`, newest first, at most `max`.
pub fn read_back(conn: &Connection, before: u64, max: usize) -> Result<Vec<Entry>, Fault> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut query = conn.prepare_cached(columns!("WHERE idx < ?1 ORDER BY idx DESC LIMIT ?2"))?;
    collect(query.query((sql(before), max))?)
}

/// Records that refer to `index`, in order.
pub fn referring(conn: &Connection, index: u64) -> Result<Vec<Entry>, Fault> {
    let mut query = conn.prepare_cached(columns!("WHERE refers = ?1 ORDER BY idx"))?;
    collect(query.query([sql(index)])?)
}

/// One record with all that is stored of it.
pub fn get(conn: &Connection, index: u64) -> Result<Option<Stored>, Fault> {
    let mut query = conn.prepare_cached(columns!("WHERE idx = ?1"))?;
    let mut rows = query.query([sql(index)])?;
    rows.next()?.map(checked).transpose()
}

/// The leaf hashes `from..from + count`; shorter where the log ends before.
pub fn leaves(conn: &Connection, from: u64, count: u64) -> Result<Vec<Hash>, Fault> {
    let mut query = conn.prepare_cached("SELECT leaf FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2")?;
    let mut rows = query.query((sql(from), sql(count)))?;
    let mut leaves = Vec::new();
    while let Some(row) = rows.next()? {
        let at = from.saturating_add(leaves.len().try_into().unwrap_or(u64::MAX));
        let leaf = row.get_ref(0)?.as_blob().ok().and_then(stored_hash);
        leaves.push(leaf.ok_or_else(|| Fault::corrupt(at, "its leaf hash has the wrong length"))?);
    }
    Ok(leaves)
}

/// The chain head after the first `size` records.
pub fn head(conn: &Connection, size: u64) -> Result<Hash, Fault> {
    let Some(last) = size.checked_sub(1) else { return Ok(hash::FIRST_LINK) };
    let mut query = conn.prepare_cached("SELECT link FROM records WHERE idx = ?1")?;
    let mut rows = query.query([sql(last)])?;
    let row = rows.next()?.ok_or_else(|| Fault::corrupt(last, "the record is missing"))?;
    let link = row.get_ref(0)?.as_blob().ok().and_then(stored_hash);
    link.ok_or_else(|| Fault::corrupt(last, "its chain link has the wrong length"))
}

fn collect(mut rows: rusqlite::Rows<'_>) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(checked(row)?.entry);
    }
    Ok(entries)
}

/// A row whose body fits its leaf hash and whose payload fits its commitment.
fn checked(row: &Row<'_>) -> Result<Stored, Fault> {
    let index = schema::count(row.get(0)?).ok_or_else(schema::below_zero)?;
    let wrong = |what: &str| Fault::corrupt(index, what);
    let shape = || wrong("a stored value has the wrong shape");
    let hash_at = |at: usize| -> Result<Option<Hash>, Fault> {
        match row.get_ref(at)?.as_blob_or_null().map_err(|_| shape())? {
            None => Ok(None),
            Some(bytes) => stored_hash(bytes).map(Some).ok_or_else(shape),
        }
    };
    let leaf = hash_at(1)?.ok_or_else(shape)?;
    let link = hash_at(2)?.ok_or_else(shape)?;
    let refers: Option<i64> = row.get(3)?;
    let refers = refers.map(|at| schema::count(at).ok_or_else(shape)).transpose()?;
    let commitment = hash_at(4)?;
    let salt = row.get_ref(5)?.as_blob_or_null().map_err(|_| shape())?;
    let salt = salt.map(|salt| salt.try_into().map_err(|_| shape())).transpose()?;
    let body = row.get_ref(6)?.as_blob().map_err(|_| shape())?;
    if hash::leaf(body, commitment.as_ref()) != leaf {
        return Err(wrong("its text does not fit its leaf hash"));
    }
    let payload = match (commitment, salt, row.get_ref(7)?.as_blob_or_null().map_err(|_| shape())?) {
        (None, None, None) => Payload::None,
        (Some(_), None, None) => Payload::Erased,
        (Some(promised), Some(salt), Some(bytes)) if hash::commitment(&salt, bytes) == promised => {
            Payload::Here(bytes.to_vec())
        }
        _ => return Err(wrong("its payload does not fit its commitment")),
    };
    let entry = Entry { index, body: body.to_vec(), refers, payload };
    Ok(Stored { entry, leaf, link, commitment, salt })
}
