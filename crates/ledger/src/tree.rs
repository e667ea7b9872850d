//! Answerable for the Merkle tree of RFC 9162: growing it one leaf at a time, its root, and the nodes a proof needs,
//! in tiles of 256 hashes. Pure: where tiles are kept is `tiles`'s business, what a leaf stands for is nobody's here.

use crate::hash::{self, Hash};

/// Hashes in a tile, and its height.
pub const TILE: usize = 256;
/// The same as `TILE`, for indexes.
pub const TILE_WIDTH: u64 = 256;
const TILE_HEIGHT: u32 = 8;

/// A growing tree: no leaf is kept that is not needed to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of perfect subtrees with their heights, largest first.
    peaks: Vec<(u32, Hash)>,
    /// Per level, the hashes of the tile that is not full yet.
    open: Vec<Vec<Hash>>,
}

/// A tile that changed: full at level 0, full or growing above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// 0 holds leaf hashes, 1 roots of level-0 tiles, and so on.
    pub level: u32,
    /// Its place in its level.
    pub number: u64,
    /// At most 256.
    pub hashes: Vec<Hash>,
}

impl Tree {
    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A tree of `size` leaves (a multiple of 256) from the open tiles of level 1 upwards. `None` if they do not add
    /// up to that size.
    pub fn resume(size: u64, open: Vec<Vec<Hash>>) -> Option<Self> {
        let mut tree = Self { size, peaks: Vec::new(), open };
        let mut counted = 0_u64;
        for (level, hashes) in tree.open.iter().enumerate().rev() {
            let height = u32::try_from(level).ok()?.checked_mul(TILE_HEIGHT)?;
            for hash in hashes {
                counted = counted.checked_add(1_u64.checked_shl(height)?)?;
                push_peak(&mut tree.peaks, height, *hash);
            }
        }
        (counted == size && size.is_multiple_of(TILE_WIDTH)).then_some(tree)
    }

    /// Adds a leaf; hands each tile that this fills or (above level 0) makes longer to `keep`.
    pub fn push(&mut self, leaf: Hash, keep: &mut dyn FnMut(Tile)) {
        push_peak(&mut self.peaks, 0, leaf);
        let before = self.size;
        self.size = self.size.saturating_add(1);
        let mut carried = leaf;
        let mut level = 0_usize;
        // Stops where a tile stays open: at most once per 256 leaves is there a second round.
        loop {
            if self.open.len() <= level {
                self.open.push(Vec::with_capacity(TILE));
            }
            let Some(tile) = self.open.get_mut(level) else { return };
            tile.push(carried);
            let full = tile.len() >= TILE;
            let Ok(level_number) = u32::try_from(level) else { return };
            if full || level > 0 {
                let number = before >> (TILE_HEIGHT.saturating_mul(level_number.saturating_add(1))).min(63);
                keep(Tile { level: level_number, number, hashes: tile.clone() });
            }
            if !full {
                return;
            }
            carried = perfect_root(tile);
            tile.clear();
            level = level.saturating_add(1);
        }
    }

    /// The root: of all perfect subtrees, folded from the smallest.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some((_, smallest)) = peaks.next() else { return hash::empty_root() };
        peaks.fold(*smallest, |right, (_, left)| hash::node(left, &right))
    }
}

fn push_peak(peaks: &mut Vec<(u32, Hash)>, mut height: u32, mut hash: Hash) {
    while let Some((top, left)) = peaks.last() {
        if *top != height {
            break;
        }
        hash = hash::node(left, &hash);
        height = height.saturating_add(1);
        peaks.pop();
    }
    peaks.push((height, hash));
}

/// The root over a power of two of hashes (any other number gives a root that fits nothing).
pub fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut row: Vec<Hash> = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash::node(left, right),
                rest => rest.first().copied().unwrap_or_default(),
            })
            .collect();
    }
    row.first().copied().unwrap_or_else(hash::empty_root)
}

/// Where the nodes of perfect subtrees come from.
pub trait Nodes {
    /// What can go wrong.
    type Error;
    /// `count` consecutive entries of a level (0: leaf hashes, 1: roots of 256 leaves, ...), from `start`; they lie in
    /// one tile and their leaves all exist.
    fn entries(&mut self, level: u32, start: u64, count: u64) -> Result<Vec<Hash>, Self::Error>;
}

/// The hashes that lead from leaf `index` to the root of the first `size` leaves (RFC 9162 2.1.3.1). The caller has
/// seen to `index < size <=` what exists.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    let (mut begin, mut end) = (0_u64, size);
    while end.saturating_sub(begin) > 1 {
        let middle = begin.saturating_add(split(end.saturating_sub(begin)));
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show the first `old` leaves to be a prefix of the first `new` (RFC 9162 2.1.4.1); empty where
/// `old` is 0 or `new`. The caller has seen to `old <= new <=` what exists.
pub fn consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(path);
    }
    let (mut begin, mut end) = (0_u64, new);
    while old != end {
        let middle = begin.saturating_add(split(end.saturating_sub(begin)));
        if old <= middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, begin, middle)?);
            begin = middle;
        }
    }
    // The verifier knows the old root; only where the old tree is one whole subtree is this node that root itself.
    if begin != 0 {
        path.push(range_root(nodes, begin, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root over the leaves `begin..end`, where `begin` is where a subtree of that span starts.
pub fn range_root<N: Nodes>(nodes: &mut N, begin: u64, end: u64) -> Result<Hash, N::Error> {
    let mut parts = Vec::new();
    let mut at = begin;
    while at < end {
        let left = end.saturating_sub(at);
        let height = 63_u32.saturating_sub(left.leading_zeros());
        parts.push(perfect(nodes, height, at)?);
        at = at.saturating_add(1_u64 << height.min(63));
    }
    let mut parts = parts.iter().rev();
    let Some(smallest) = parts.next() else { return Ok(hash::empty_root()) };
    Ok(parts.fold(*smallest, |right, left| hash::node(left, &right)))
}

fn perfect<N: Nodes>(nodes: &mut N, height: u32, begin: u64) -> Result<Hash, N::Error> {
    let level = height / TILE_HEIGHT;
    let start = begin >> level.saturating_mul(TILE_HEIGHT).min(63);
    let count = 1_u64 << (height % TILE_HEIGHT);
    Ok(perfect_root(&nodes.entries(level, start, count)?))
}

/// The largest power of two below `size` (which is at least 2).
fn split(size: u64) -> u64 {
    1_u64 << 63_u32.saturating_sub(size.saturating_sub(1).leading_zeros()).min(63)
}
