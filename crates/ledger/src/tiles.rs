//! Answerable for keeping the tree's tiles in the store and for finding a proof's nodes in them. Does not judge them: a
//! proof made of a wrong tile fails where it is verified, and `verify` compares every tile with the records.

use rusqlite::Connection;

use crate::fault::Fault;
use crate::hash::Hash;
use crate::rows;
use crate::schema::{sql, stored_hash};
use crate::tree::{Nodes, TILE_WIDTH, Tile, Tree};

/// Level above, number below: in one integer, so that a tile is found by row id. Wide enough for 2^48 tiles a level.
fn id(level: u32, number: u64) -> i64 {
    sql(u64::from(level).wrapping_shl(48) | number)
}

/// Keeps a tile, in place of a shorter one.
pub fn keep(conn: &Connection, tile: &Tile) -> Result<(), Fault> {
    let mut change = conn.prepare_cached("INSERT OR REPLACE INTO tiles (id, hashes) VALUES (?1, ?2)")?;
    change.execute((id(tile.level, tile.number), tile.hashes.as_flattened()))?;
    Ok(())
}

/// The hashes of a tile; empty if it is not there.
pub fn find(conn: &Connection, level: u32, number: u64) -> Result<Vec<Hash>, Fault> {
    let mut query = conn.prepare_cached("SELECT hashes FROM tiles WHERE id = ?1")?;
    let mut rows = query.query([id(level, number)])?;
    let Some(row) = rows.next()? else { return Ok(Vec::new()) };
    let misshapen = || Fault::corrupt(None, format!("tile {number} of level {level} has the wrong shape"));
    let bytes = row.get_ref(0)?.as_blob().map_err(|_| misshapen())?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() { Ok(hashes.to_vec()) } else { Err(misshapen()) }
}

/// The tree of the first `size` leaves, a multiple of 256, from its tiles alone.
pub fn resume(conn: &Connection, size: u64) -> Result<Tree, Fault> {
    let mut open = vec![Vec::new()];
    let mut level = 1_u32;
    let mut entries = size / TILE_WIDTH;
    while entries > 0 {
        let tile = find(conn, level, entries / TILE_WIDTH)?;
        let used = usize::try_from(entries % TILE_WIDTH).unwrap_or(usize::MAX);
        open.push(tile.into_iter().take(used).collect());
        entries /= TILE_WIDTH;
        level = level.saturating_add(1);
    }
    Tree::resume(size, open).ok_or_else(|| Fault::corrupt(None, "tiles of the hash tree are missing"))
}

/// Nodes from tiles and, where no tile is full yet, from the records' leaves.
#[derive(Debug)]
pub struct Stored<'a>(pub &'a Connection);

impl Nodes for Stored<'_> {
    type Error = Fault;

    fn entries(&mut self, level: u32, start: u64, count: u64) -> Result<Vec<Hash>, Fault> {
        let number = start / TILE_WIDTH;
        let skip = usize::try_from(start % TILE_WIDTH).unwrap_or(usize::MAX);
        let take = usize::try_from(count).unwrap_or(usize::MAX);
        let tile = find(self.0, level, number)?;
        let mut found: Vec<Hash> = tile.into_iter().skip(skip).take(take).collect();
        if found.len() < take && level == 0 {
            found = rows::leaves(self.0, start, count)?;
        }
        if found.len() == take {
            Ok(found)
        } else {
            Err(Fault::corrupt(None, format!("tile {number} of level {level} is missing")))
        }
    }
}

/// The leaf hash of one record.
pub fn leaf_at(conn: &Connection, index: u64) -> Result<Option<Hash>, Fault> {
    let mut query = conn.prepare_cached("SELECT leaf FROM records WHERE idx = ?1")?;
    let mut rows = query.query([sql(index)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let leaf = row.get_ref(0)?.as_blob().ok().and_then(stored_hash);
    leaf.map(Some).ok_or_else(|| Fault::corrupt(index, "its leaf hash has the wrong length"))
}
