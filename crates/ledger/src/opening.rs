//! Answerable for what is checked before a ledger may be written to: its newest records in full, and that all of them
//! together are the tree and the chain that were signed. Older records are checked when they are read, and all of them
//! by `verify`.

use rusqlite::Connection;

use crate::checkpoint::{Checkpoint, Vkey};
use crate::fault::Fault;
use crate::hash::{self, Hash};
use crate::schema::{self, sql};
use crate::tree::{TILE_WIDTH, Tile, Tree};
use crate::{rows, tiles};

/// How many of the newest records are read in full at every opening.
const NEWEST: u64 = 100_000;

/// What a writer goes on from.
#[derive(Debug)]
pub struct State {
    /// The tree over all records.
    pub tree: Tree,
    /// The chain head after the last.
    pub head: Hash,
    /// The store's version that this is true of.
    pub version: i64,
}

/// Checks a ledger and hands out what a writer goes on from.
pub fn check(conn: &Connection, vkey: &Vkey) -> Result<State, Fault> {
    // One snapshot of the file, however much others append meanwhile.
    let snapshot = conn.unchecked_transaction()?;
    if schema::vkey(conn)? != vkey.to_string() {
        return Err(Fault::Key(
            "it is not the key of this ledger: restore the one that was made with it".into(),
        ));
    }
    let signed = signed(conn, vkey)?;
    let size = schema::size(conn)?;
    if size < signed.size {
        return Err(Fault::corrupt(
            size,
            format!("records {size} to {} are missing", signed.size.saturating_sub(1)),
        ));
    }
    if schema::has_hidden(conn)? {
        return Err(Fault::corrupt(0, "a record was put before the first"));
    }
    let whole_tiles = |size: u64| size.saturating_sub(size % TILE_WIDTH);
    // Records that were written without being signed may lie behind the checkpoint: start no later than there.
    let start = whole_tiles(size.saturating_sub(NEWEST).min(signed.size));
    let tree = tiles::resume(conn, start)?;
    let mut walk = Walk { tree, head: rows::head(conn, start)?, tiles: Vec::new() };
    walk.compare(&signed)?;
    walk_records(conn, &mut walk, &signed)?;
    if walk.tree.size() != size {
        return Err(Fault::corrupt(walk.tree.size(), "the record is missing"));
    }
    let version = schema::data_version(conn)?;
    snapshot.finish()?;
    Ok(State { tree: walk.tree, head: walk.head, version })
}

/// The newest checkpoint, if `vkey` signed it.
pub fn signed(conn: &Connection, vkey: &Vkey) -> Result<Checkpoint, Fault> {
    let (size, note) = newest_note(conn)?;
    let checkpoint = Checkpoint::open(&note, vkey).map_err(|flaw| Fault::corrupt(None, flaw.to_string()))?;
    if checkpoint.size == size {
        Ok(checkpoint)
    } else {
        Err(Fault::corrupt(None, "the checkpoint is filed under another size"))
    }
}

/// The newest signed note as it is stored, and the size it is filed under.
pub fn newest_note(conn: &Connection) -> Result<(u64, String), Fault> {
    let mut query = conn.prepare_cached("SELECT size, note FROM checkpoint WHERE id = 1")?;
    let mut rows = query.query([])?;
    let row = rows.next()?.ok_or_else(|| Fault::corrupt(None, "the signed checkpoint is missing"))?;
    let size = schema::count(row.get(0)?).ok_or_else(schema::below_zero)?;
    Ok((size, row.get(1)?))
}

struct Walk {
    tree: Tree,
    head: Hash,
    tiles: Vec<Tile>,
}

impl Walk {
    fn compare(&self, signed: &Checkpoint) -> Result<(), Fault> {
        if self.tree.size() != signed.size {
            return Ok(());
        }
        if self.head != signed.link {
            return Err(Fault::corrupt(None, "the chain of records is not the one that was signed"));
        }
        if self.tree.root() != signed.root {
            return Err(Fault::corrupt(None, "the records are not the ones that were signed"));
        }
        Ok(())
    }

    fn step(&mut self, leaf: Hash, link: &[u8]) -> Result<(), Fault> {
        let index = self.tree.size();
        self.head = hash::link(&self.head, &leaf);
        if self.head != link {
            return Err(Fault::corrupt(index, "its link does not follow from the record before"));
        }
        let tiles = &mut self.tiles;
        self.tree.push(leaf, &mut |tile| tiles.push(tile));
        Ok(())
    }
}

fn walk_records(conn: &Connection, walk: &mut Walk, signed: &Checkpoint) -> Result<(), Fault> {
    let mut query = conn.prepare_cached(
        "SELECT idx, leaf, link, commitment, body FROM records WHERE idx >= ?1 ORDER BY idx",
    )?;
    let mut rows = query.query([sql(walk.tree.size())])?;
    while let Some(row) = rows.next()? {
        let index = walk.tree.size();
        if schema::count(row.get(0)?) != Some(index) {
            return Err(Fault::corrupt(index, "the record is missing"));
        }
        let shape = || Fault::corrupt(index, "a stored value has the wrong shape");
        let blob = |at: usize| row.get_ref(at)?.as_blob().map_err(|_| shape());
        let commitment = row.get_ref(3)?.as_blob_or_null().map_err(|_| shape())?;
        let commitment = commitment.map(|bytes| schema::stored_hash(bytes).ok_or_else(shape)).transpose()?;
        let leaf = hash::leaf(blob(4)?, commitment.as_ref());
        if leaf != blob(1)? {
            return Err(Fault::corrupt(index, "its text does not fit its leaf hash"));
        }
        walk.step(leaf, blob(2)?)?;
        for tile in walk.tiles.drain(..) {
            compare_tile(conn, &tile)?;
        }
        walk.compare(signed)?;
    }
    Ok(())
}

/// A stored tile above level 0 may have grown since: it must begin like ours.
fn compare_tile(conn: &Connection, tile: &Tile) -> Result<(), Fault> {
    if tiles::find(conn, tile.level, tile.number)?.starts_with(&tile.hashes) {
        Ok(())
    } else {
        let what = format!("tile {} of level {} does not fit the records", tile.number, tile.level);
        Err(Fault::corrupt(None, what))
    }
}
