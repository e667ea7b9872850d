//! Answerable for judging records one after another, wherever they come from: each against itself, its place, the chain,
//! and every signed checkpoint passed on the way. Names the first that is bad. Reads nothing itself.

use std::collections::BTreeMap;
use std::fmt;

use crate::checkpoint::{Checkpoint, Flaw, Vkey};
use crate::hash::{self, Hash};
use crate::tree::{Tile, Tree};

/// Where a ledger is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// This record.
    Record(u64),
    /// One of these records at least, both included: whoever edited it also rewrote what would have told which.
    Between(u64, u64),
    /// The checkpoint over so many records.
    Checkpoint(u64),
}

/// The first thing found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub place: Place,
    /// What, as a clause.
    pub what: String,
}

impl Failure {
    pub(crate) fn record(index: u64, what: impl Into<String>) -> Self {
        Self { place: Place::Record(index), what: what.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Record(index) => write!(f, "record {index} is bad: {}", self.what),
            Place::Between(from, to) => write!(f, "a record between {from} and {to} is bad: {}", self.what),
            Place::Checkpoint(size) => write!(f, "the checkpoint over {size} records is bad: {}", self.what),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The ledger's name, as its key states it.
    pub origin: String,
    /// The public key it was judged by.
    pub vkey: String,
    /// Records read, up to the first failure.
    pub size: u64,
    /// The tree's root over them.
    pub root: Hash,
    /// Signed checkpoints that held.
    pub checkpoints: u64,
    /// Records at the end that no checkpoint covers yet.
    pub unsigned: u64,
    /// Payloads that were erased.
    pub erased: u64,
    /// The first failure; none means that everything held.
    pub failure: Option<Failure>,
}

/// A record to be judged; what is not known of it (an export has no stored hashes) is not compared.
#[derive(Debug)]
pub(crate) struct Exhibit<'a> {
    pub index: u64,
    pub body: &'a [u8],
    pub refers: Option<u64>,
    pub commitment: Option<Hash>,
    pub sealed: Sealed<'a>,
    /// The leaf hash that is kept elsewhere (in a tile).
    pub leaf: Option<Hash>,
    pub link: Option<Hash>,
}

/// What lies beside a record.
#[derive(Debug)]
pub(crate) enum Sealed<'a> {
    Nothing,
    Erased,
    Here([u8; 16], &'a [u8]),
}

/// The walk over a ledger.
#[derive(Debug)]
pub(crate) struct Audit {
    vkey: Vkey,
    tree: Tree,
    head: Hash,
    /// Notes by the size they are filed under, with what to call them.
    marks: BTreeMap<u64, Vec<(String, &'static str)>>,
    checkpoints: u64,
    /// How far the last checkpoint that held reaches.
    held: u64,
    erased: u64,
}

impl Audit {
    pub fn new(vkey: Vkey) -> Self {
        Self {
            vkey,
            tree: Tree::default(),
            head: hash::FIRST_LINK,
            marks: BTreeMap::new(),
            checkpoints: 0,
            held: 0,
            erased: 0,
        }
    }

    /// A note to be checked once `size` records have been read. `what` names it in a failure.
    pub fn expect(&mut self, size: u64, note: String, what: &'static str) {
        self.marks.entry(size).or_default().push((note, what));
    }

    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Before the first record: the checkpoints over none.
    pub fn begin(&mut self) -> Result<(), Failure> {
        self.check_marks()
    }

    /// Judges the next record; hands on the tiles that it completes.
    pub fn record(&mut self, exhibit: &Exhibit<'_>, tiles: &mut Vec<Tile>) -> Result<(), Failure> {
        let next = self.size();
        let Exhibit { index, body, refers, commitment, sealed, leaf: known, link } = exhibit;
        let bad = |what: &str| Err(Failure::record(next, what));
        if *index != next {
            return bad("it is missing");
        }
        if body.is_empty() || body.contains(&b'\n') {
            return bad("its text is not one line");
        }
        if refers.is_some_and(|earlier| earlier >= next) {
            return bad("it refers to a record that is not before it");
        }
        match (sealed, commitment) {
            (Sealed::Nothing, None) => {}
            (Sealed::Erased, Some(_)) => self.erased = self.erased.saturating_add(1),
            (Sealed::Here(salt, payload), Some(promised)) if hash::commitment(salt, payload) == *promised => {
            }
            _ => return bad("its payload does not fit its commitment"),
        }
        let leaf = hash::leaf(body, commitment.as_ref());
        if known.is_some_and(|known| known != leaf) {
            return bad("its text is not the one that the hash tree was built on");
        }
        self.head = hash::link(&self.head, &leaf);
        if link.is_some_and(|link| link != self.head) {
            return Err(self.since("its chain link does not follow from the records before it"));
        }
        self.tree.push(leaf, &mut |tile| tiles.push(tile));
        self.check_marks()
    }

    /// After the last record: no checkpoint may reach beyond it.
    pub fn end(&mut self) -> Result<(), Failure> {
        let size = self.size();
        let Some((filed, notes)) = self.marks.pop_last() else { return Ok(()) };
        for (note, what) in notes {
            self.open(filed, &note, what)?;
        }
        let last = filed.saturating_sub(1);
        Err(Failure::record(
            size,
            format!("records {size} to {last} were signed and are missing from the end"),
        ))
    }

    pub fn report(self, failure: Option<Failure>) -> Report {
        Report {
            origin: self.vkey.name().to_owned(),
            vkey: self.vkey.to_string(),
            size: self.tree.size(),
            root: self.tree.root(),
            checkpoints: self.checkpoints,
            unsigned: self.tree.size().saturating_sub(self.held),
            erased: self.erased,
            failure,
        }
    }

    /// A failure somewhere after the last checkpoint that held, and no later than the record in hand.
    pub fn since(&self, what: impl Into<String>) -> Failure {
        let next = self.size();
        if self.held >= next {
            return Failure::record(next, what);
        }
        Failure { place: Place::Between(self.held, next), what: what.into() }
    }

    fn check_marks(&mut self) -> Result<(), Failure> {
        let size = self.size();
        let Some(notes) = self.marks.remove(&size) else { return Ok(()) };
        for (note, what) in notes {
            let signed = self.open(size, &note, what)?;
            if signed.root != self.tree.root() || signed.link != self.head {
                let what =
                    format!("the records are not those that were signed in {what} over {size} records");
                let Some(last) = size.checked_sub(1) else {
                    return Err(Failure { place: Place::Checkpoint(0), what });
                };
                let place =
                    if self.held >= last { Place::Record(last) } else { Place::Between(self.held, last) };
                return Err(Failure { place, what });
            }
            self.checkpoints = self.checkpoints.saturating_add(1);
        }
        self.held = size;
        Ok(())
    }

    fn open(&self, filed: u64, note: &str, what: &str) -> Result<Checkpoint, Failure> {
        let fail = |why: String| Failure { place: Place::Checkpoint(filed), what: format!("{what}: {why}") };
        let checkpoint = Checkpoint::open(note, &self.vkey).map_err(|flaw: Flaw| fail(flaw.to_string()))?;
        if checkpoint.size != filed {
            return Err(fail(format!("it is filed under {filed} records and states {}", checkpoint.size)));
        }
        Ok(checkpoint)
    }
}
