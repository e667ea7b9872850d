//! Answerable for the verdict on a whole ledger, in its store or in an export: everything read, everything recomputed,
//! the first failure named. Needs the public key alone, and trusts nothing in the file but what that key signed.
//!
//! What it cannot see alone is a ledger rolled back to an older state of itself, with its older checkpoint: for that,
//! keep a checkpoint elsewhere and pass it as `trusted`.

use std::io::{BufRead, Read as _};
use std::path::Path;

use crate::audit::{Audit, Exhibit, Sealed};
pub use crate::audit::{Failure, Place, Report};
use crate::checkpoint::{Checkpoint, Vkey};
use crate::fault::Fault;
use crate::hash::Hash;
use crate::rows::Stored;
use crate::tree::{TILE_WIDTH, Tile};
use crate::{Payload, export, opening, rows, schema, tiles, wal};

/// What is known from elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expect<'a> {
    /// The public key; without it the file's own claim is taken, which shows only that the file agrees with itself.
    pub vkey: Option<&'a str>,
    /// A signed checkpoint that was kept elsewhere: the ledger must contain what it covers.
    pub trusted: Option<&'a str>,
}

/// How often `progress` is told, in records.
const STEP: u64 = 4096;

/// Reads and judges the whole store at `path`. `progress` hears records done and records in all. `Err` means that it
/// could not be read as a ledger; a ledger that is bad is a report with a failure.
pub fn store(path: &Path, expect: &Expect<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, Fault> {
    let conn = schema::reader(path)?;
    match wal::check(&conn, path) {
        // Whoever may only read cannot ask how far the log goes; the records are judged all the same.
        Ok(()) | Err(Fault::ReadOnly) => {}
        Err(fault) => return Err(fault),
    }
    // One state of the file throughout, however much is appended meanwhile.
    let snapshot = conn.unchecked_transaction()?;
    let mut audit = start(expect, &schema::vkey(&conn)?)?;
    for (size, note) in notes(&conn)? {
        audit.expect(size, note, "a stored checkpoint");
    }
    let mut missing = None;
    match opening::newest_note(&conn) {
        Ok((size, note)) => audit.expect(size, note, "the newest checkpoint"),
        Err(Fault::Corrupt { what, .. }) => missing = Some(what),
        Err(other) => return Err(other),
    }
    let total = schema::size(&conn)?;
    let walked = walk(&conn, &mut audit, &mut |done| progress(done, total))?;
    progress(audit.size(), total);
    let failure = walked.or_else(|| audit.end().err());
    let failure =
        failure.or_else(|| missing.map(|what| Failure { place: Place::Checkpoint(audit.size()), what }));
    drop(snapshot);
    Ok(audit.report(failure))
}

/// Judges an export as `export::write` makes it, line by line, in bounded memory.
pub fn export(
    read: &mut dyn BufRead,
    expect: &Expect<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, Fault> {
    let not_one = |what: String| Fault::NotALedger(format!("it is no export: {what}"));
    let header = next_line(read)?.ok_or_else(|| not_one("it is empty".into()))?;
    let header = export::Header::read(&header).map_err(not_one)?;
    let mut audit = start(expect, &header.vkey)?;
    let total =
        Checkpoint::read_unverified(&header.checkpoint).map_err(|flaw| not_one(flaw.to_string()))?.size;
    audit.expect(total, header.checkpoint, "the export's checkpoint");
    let failure = match audit.begin() {
        Err(failure) => Some(failure),
        Ok(()) => walk_lines(read, &mut audit, &mut |done| progress(done, total), total)?,
    };
    let failure = failure.or_else(|| audit.end().err());
    Ok(audit.report(failure))
}

fn start(expect: &Expect<'_>, claimed: &str) -> Result<Audit, Fault> {
    let vkey = Vkey::parse(expect.vkey.unwrap_or(claimed));
    let vkey = vkey.map_err(|flaw| {
        Fault::Key(format!("{flaw}: pass the one that was noted down when the ledger was new"))
    })?;
    let mut audit = Audit::new(vkey);
    if let Some(note) = expect.trusted {
        let claims = Checkpoint::read_unverified(note)
            .map_err(|flaw| Fault::Unfit(format!("the trusted checkpoint is none: {flaw}")))?;
        audit.expect(claims.size, note.to_owned(), "the trusted checkpoint");
    }
    Ok(audit)
}

fn notes(conn: &rusqlite::Connection) -> Result<Vec<(u64, String)>, Fault> {
    let mut query = conn.prepare("SELECT size, note FROM checkpoints ORDER BY size")?;
    let mut rows = query.query([])?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        notes.push((schema::count(row.get(0)?).ok_or_else(schema::below_zero)?, row.get(1)?));
    }
    Ok(notes)
}

/// The first failure among the stored records.
fn walk(
    conn: &rusqlite::Connection,
    audit: &mut Audit,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Failure>, Fault> {
    if let Err(failure) = audit.begin() {
        return Ok(Some(failure));
    }
    if schema::has_hidden(conn)? {
        return Ok(Some(Failure::record(0, "a record was put before the first")));
    }
    let mut failure = None;
    let mut tile = LeafTile::default();
    let done = rows::each(conn, 0, usize::MAX, &mut |stored| {
        let judged = judge_stored(conn, audit, &stored, &mut tile)?;
        if audit.size().is_multiple_of(STEP) {
            progress(audit.size());
        }
        // Any fault ends the walk; the failure itself is handed out beside it.
        judged.map_err(|found| {
            failure = Some(found);
            Fault::corrupt(None, "")
        })
    });
    match done {
        _ if failure.is_some() => Ok(failure),
        Ok(()) => Ok(None),
        // The reader found it before the audit did: a row that does not fit itself, or a page that cannot be read. A
        // gap before it was there first.
        Err(Fault::Corrupt { index, what }) => {
            let next = audit.size();
            let gap = index.is_some_and(|index| index > next);
            Ok(Some(Failure::record(next, if gap { "it is missing".to_owned() } else { what })))
        }
        Err(other) => Err(other),
    }
}

/// The stored tile over the records in hand: it tells which record of 256 was changed where leaf and link columns were
/// recomputed.
#[derive(Default)]
struct LeafTile {
    number: Option<u64>,
    leaves: Vec<Hash>,
}

fn judge_stored(
    conn: &rusqlite::Connection,
    audit: &mut Audit,
    stored: &Stored,
    tile: &mut LeafTile,
) -> Result<Result<(), Failure>, Fault> {
    let Stored { entry, leaf, link, commitment, salt } = stored;
    let number = entry.index / TILE_WIDTH;
    if tile.number != Some(number) {
        *tile = LeafTile { number: Some(number), leaves: tiles::find(conn, 0, number)? };
    }
    let at = usize::try_from(entry.index % TILE_WIDTH).unwrap_or(usize::MAX);
    let sealed = match (&entry.payload, salt) {
        (Payload::Here(bytes), Some(salt)) => Sealed::Here(*salt, bytes),
        (Payload::Erased, _) => Sealed::Erased,
        _ => Sealed::Nothing,
    };
    let exhibit = Exhibit {
        index: entry.index,
        body: &entry.body,
        refers: entry.refers,
        commitment: *commitment,
        sealed,
        leaf: Some(tile.leaves.get(at).copied().unwrap_or(*leaf)),
        link: Some(*link),
    };
    let mut changed = Vec::new();
    if let Err(failure) = audit.record(&exhibit, &mut changed) {
        return Ok(Err(failure));
    }
    for ours in &changed {
        if !tiles::find(conn, ours.level, ours.number)?.starts_with(&ours.hashes) {
            return Ok(Err(bad_tile(ours, entry.index)));
        }
    }
    Ok(Ok(()))
}

fn bad_tile(tile: &Tile, index: u64) -> Failure {
    let what = format!("tile {} of level {} of the hash tree does not fit them", tile.number, tile.level);
    let span = TILE_WIDTH.saturating_pow(tile.level.saturating_add(1));
    Failure { place: Place::Between(tile.number.saturating_mul(span), index), what }
}

/// The first failure among the lines of an export.
fn walk_lines(
    read: &mut dyn BufRead,
    audit: &mut Audit,
    progress: &mut dyn FnMut(u64),
    total: u64,
) -> Result<Option<Failure>, Fault> {
    while let Some(line) = next_line(read)? {
        let next = audit.size();
        let record = match export::Record::read(&line) {
            Ok(record) => record,
            Err(what) => return Ok(Some(Failure::record(next, what))),
        };
        if next >= total {
            return Ok(Some(Failure::record(next, "it is not under the export's checkpoint")));
        }
        let sealed = match &record.payload {
            Some((salt, bytes)) => Sealed::Here(*salt, bytes),
            None if record.commitment.is_some() => Sealed::Erased,
            None => Sealed::Nothing,
        };
        let exhibit = Exhibit {
            index: record.index,
            body: record.body.as_bytes(),
            refers: record.refers,
            commitment: record.commitment,
            sealed,
            leaf: None,
            link: None,
        };
        if let Err(failure) = audit.record(&exhibit, &mut Vec::new()) {
            return Ok(Some(failure));
        }
        if audit.size().is_multiple_of(STEP) {
            progress(audit.size());
        }
    }
    Ok(None)
}

/// The next line without its end; an over-long one comes cut, and then is no JSON.
fn next_line(read: &mut dyn BufRead) -> Result<Option<Vec<u8>>, Fault> {
    let mut line = Vec::new();
    let length = read.take(export::LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok((length > 0).then_some(line))
}
