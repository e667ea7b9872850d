//! Somebody edits the file on purpose, with SQLite in hand and some knowledge of our hashes. Each way is found and the
//! first bad record named, or its place bounded by what was signed.

use ledger::hash::{self, Hash};
use ledger::verify::{Expect, Failure, Place as Where};
use ledger::{Fault, Log as _, Reader, SqliteLog, Sync};
use rusqlite::Connection;

use crate::rig::{Place, fill, place, plain};

/// What `verify` says after `change`, of a ledger of 700 records with checkpoints over 300, 550 and 700.
fn after(change: &dyn Fn(&Connection)) -> Failure {
    let place = Place::filled(700);
    assert_eq!(place.verify().failure, None);
    change(&place.hand());
    place.verify().failure.expect("the change was not found")
}

fn sql(statement: &'static str) -> impl Fn(&Connection) {
    move |conn| {
        conn.execute_batch(statement).unwrap();
    }
}

/// Recomputes leaf hashes, and links from `from` on, as an editor who knows how would; tiles if told to.
fn rehash(conn: &Connection, from: u64, until: u64, tiles: bool) {
    let one =
        |query: &str, at: u64| -> Vec<u8> { conn.query_row(query, [at as i64], |row| row.get(0)).unwrap() };
    let mut head: Hash = match from.checked_sub(1) {
        None => hash::FIRST_LINK,
        Some(before) => one("SELECT link FROM records WHERE idx = ?1", before).try_into().unwrap(),
    };
    for index in from..until {
        let body = one("SELECT body FROM records WHERE idx = ?1", index);
        let commitment: Option<Vec<u8>> = conn
            .query_row("SELECT commitment FROM records WHERE idx = ?1", [index as i64], |row| row.get(0))
            .unwrap();
        let leaf = hash::leaf(&body, commitment.map(|bytes| bytes.try_into().unwrap()).as_ref());
        head = hash::link(&head, &leaf);
        let change = "UPDATE records SET leaf = ?2, link = ?3 WHERE idx = ?1";
        conn.execute(change, (index as i64, leaf, head)).unwrap();
        if tiles && index < 512 {
            let number = (index / 256) as i64;
            let mut tile = one("SELECT hashes FROM tiles WHERE id = ?1", number as u64);
            tile[(index % 256) as usize * 32..][..32].copy_from_slice(&leaf);
            conn.execute("UPDATE tiles SET hashes = ?2 WHERE id = ?1", (number, tile)).unwrap();
        }
    }
}

fn edit(conn: &Connection) {
    conn.execute_batch("UPDATE records SET body = CAST('edited' AS BLOB) WHERE idx = 333").unwrap();
}

#[test]
fn an_edited_body_is_named() {
    assert_eq!(after(&edit).place, Where::Record(333));
    // A value of another type is no body either.
    let place = Place::filled(400);
    let text = "UPDATE records SET body = 'edited' WHERE idx = 333";
    assert!(place.hand().execute_batch(text).is_err(), "the table refuses text where bytes belong");
}

#[test]
fn an_edited_body_with_its_leaf_is_named() {
    let failure = after(&|conn| {
        edit(conn);
        let leaf = hash::leaf(b"edited", None);
        conn.execute("UPDATE records SET leaf = ?1 WHERE idx = 333", [leaf]).unwrap();
    });
    assert_eq!(failure.place, Where::Record(333));
}

#[test]
fn an_edit_with_leaves_and_links_to_the_end_is_named_by_its_tile() {
    let failure = after(&|conn| {
        edit(conn);
        rehash(conn, 333, 700, false);
    });
    assert_eq!(failure.place, Where::Record(333));
}

#[test]
fn an_edit_with_everything_recomputed_is_bounded_by_what_was_signed() {
    let failure = after(&|conn| {
        edit(conn);
        rehash(conn, 333, 700, true);
    });
    // The tile of roots above was not recomputed, and tells no later than the next checkpoint would.
    let Where::Between(from, to) = failure.place else { panic!("{failure}") };
    assert!(from <= 333 && (333..=549).contains(&to), "{failure}");
    let failure = after(&|conn| {
        conn.execute_batch("UPDATE records SET body = CAST('edited' AS BLOB) WHERE idx = 613").unwrap();
        rehash(conn, 613, 700, true);
    });
    assert_eq!(failure.place, Where::Between(550, 699));
}

#[test]
fn an_edited_payload_is_named() {
    for change in [
        "UPDATE records SET payload = x'00' WHERE idx = 334",
        "UPDATE records SET salt = zeroblob(16) WHERE idx = 334",
        "UPDATE records SET payload = NULL WHERE idx = 334",
        "UPDATE records SET salt = NULL WHERE idx = 334",
        "UPDATE records SET commitment = zeroblob(32) WHERE idx = 334",
        "UPDATE records SET commitment = NULL, salt = NULL, payload = NULL WHERE idx = 334",
        "UPDATE records SET commitment = x'00' WHERE idx = 334",
    ] {
        let failure = after(&|conn| conn.execute_batch(change).unwrap());
        assert_eq!(failure.place, Where::Record(334), "{change}");
    }
}

#[test]
fn a_deleted_record_is_named() {
    for index in [0, 333, 699] {
        let failure = after(&|conn| {
            conn.execute("DELETE FROM records WHERE idx = ?1", [index]).unwrap();
        });
        assert_eq!(failure.place, Where::Record(index as u64));
    }
    // With the rest moved down into the gap.
    let failure = after(&sql(
        "DELETE FROM records WHERE idx = 333; UPDATE records SET idx = -idx WHERE idx > 333; UPDATE records SET idx = -idx - 1 WHERE idx < 0",
    ));
    assert_eq!(failure.place, Where::Record(333));
    let failure = after(&sql("DELETE FROM records"));
    assert_eq!(failure.place, Where::Record(0));
}

#[test]
fn an_inserted_record_is_named() {
    let failure = after(&sql(
        "UPDATE records SET idx = -idx WHERE idx >= 333; UPDATE records SET idx = -idx + 1 WHERE idx < 0; INSERT INTO records SELECT 333, leaf, link, refers, commitment, salt, body, payload FROM records WHERE idx = 300",
    ));
    assert_eq!(failure.place, Where::Record(333));
    let failure = after(&sql(
        "INSERT INTO records SELECT -1, leaf, link, refers, commitment, salt, body, payload FROM records WHERE idx = 300",
    ));
    assert_eq!(failure.place, Where::Record(0));
}

#[test]
fn swapped_records_are_named() {
    let swap = "UPDATE records SET idx = -1 WHERE idx = 333; UPDATE records SET idx = 333 WHERE idx = 444; UPDATE records SET idx = 444 WHERE idx = -1";
    assert_eq!(after(&sql(swap)).place, Where::Record(333));
    let failure = after(&|conn| {
        conn.execute_batch(swap).unwrap();
        rehash(conn, 333, 700, false);
    });
    assert_eq!(failure.place, Where::Record(333));
}

#[test]
fn a_cut_tail_is_named() {
    let failure = after(&sql("DELETE FROM records WHERE idx >= 640"));
    assert_eq!(failure.place, Where::Record(640));
}

#[test]
fn a_replaced_checkpoint_is_named() {
    let other = ledger::Signer::new("portcullis/00112233aabbccdd", &[1; 32]).unwrap();
    let note = other.sign(700, &[0; 32], &[0; 32]);
    let place_of = |change: &dyn Fn(&Connection)| after(change).place;
    let by_other_key = |conn: &Connection| {
        conn.execute("UPDATE checkpoint SET note = ?1", [&note]).unwrap();
    };
    assert_eq!(place_of(&by_other_key), Where::Checkpoint(700));
    assert_eq!(
        place_of(&sql("UPDATE checkpoint SET note = replace(note, '700', '699')")),
        Where::Checkpoint(700)
    );
    assert_eq!(place_of(&sql("UPDATE checkpoint SET size = 10")), Where::Checkpoint(10));
    assert_eq!(place_of(&sql("DELETE FROM checkpoint")), Where::Checkpoint(700));
    assert_eq!(place_of(&sql("UPDATE checkpoints SET note = '' WHERE size = 300")), Where::Checkpoint(300));
    assert_eq!(
        place_of(&sql("UPDATE checkpoints SET note = (SELECT note FROM checkpoint) WHERE size = 300")),
        Where::Checkpoint(300)
    );
    assert_eq!(place_of(&sql("DELETE FROM tiles WHERE id = 0")), Where::Between(0, 255));
}

/// Everything recomputed and signed by a key of the editor's own, which the file then names as its own.
#[test]
fn a_ledger_signed_anew_by_another_key_fails_under_the_right_one() {
    let (victim, forged) = (Place::filled(30), Place::filled(30));
    let right = victim.open().signer_vkey();
    let trusted = Reader::open(&victim.path).unwrap().checkpoint().unwrap();
    assert_eq!(forged.verify().failure, None, "alone it agrees with itself");
    let by_key = forged.verify_with(&Expect { vkey: Some(&right), trusted: None });
    assert_eq!(by_key.failure.unwrap().place, Where::Checkpoint(30));
    let by_note = forged.verify_with(&Expect { vkey: None, trusted: Some(&trusted) });
    assert_eq!(by_note.failure.unwrap().place, Where::Checkpoint(30));
}

#[test]
fn a_rolled_back_ledger_is_found_by_a_checkpoint_kept_elsewhere() {
    let place = Place::filled(600);
    let old = place.copy();
    let mut log = place.open();
    fill(&mut log, 600, 640);
    let newer = Reader::open(&place.path).unwrap().checkpoint().unwrap();
    drop(log);
    assert_eq!(old.verify().failure, None, "nothing in it shows that it is old");
    let expect = Expect { vkey: None, trusted: Some(&newer) };
    assert_eq!(place.verify_with(&expect).failure, None);
    assert_eq!(old.verify_with(&expect).failure.unwrap().place, Where::Record(600));
    // And grown again otherwise, under the same key: a fork.
    let mut log = old.open();
    for n in 600..660 {
        log.append(n, &[plain("another story")], Sync::Durable).unwrap();
    }
    drop(log);
    assert_eq!(old.verify().failure, None);
    // Bounded from below by the last checkpoint that both have.
    assert_eq!(old.verify_with(&expect).failure.unwrap().place, Where::Between(550, 639));
    let bad = Expect { vkey: None, trusted: Some("nonsense") };
    let outcome = ledger::verify::store(&old.path, &bad, &mut |_, _| {});
    assert!(matches!(outcome, Err(Fault::Unfit(_))));
}

#[test]
fn a_tampered_ledger_does_not_open_for_writing() {
    let changes = [
        "UPDATE records SET body = CAST('edited' AS BLOB) WHERE idx = 33",
        "UPDATE records SET leaf = zeroblob(32) WHERE idx = 33",
        "UPDATE records SET link = zeroblob(32) WHERE idx = 33",
        "UPDATE records SET link = x'' WHERE idx = 699",
        "DELETE FROM records WHERE idx = 33",
        "DELETE FROM records WHERE idx > 600",
        "DELETE FROM records",
        "DELETE FROM checkpoint",
        "UPDATE checkpoint SET size = 3",
        "UPDATE checkpoint SET note = ''",
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = zeroblob(8192) WHERE id = 1",
        "UPDATE tiles SET hashes = x'00' WHERE id = 1",
        "DELETE FROM meta",
        "UPDATE records SET idx = -1 WHERE idx = 0",
        "INSERT INTO records SELECT -1, leaf, link, refers, commitment, salt, body, payload FROM records WHERE idx = 3",
        "DROP TABLE tiles",
    ];
    let good = Place::filled(700);
    for change in changes {
        let place = good.copy();
        place.hand().execute_batch(change).unwrap();
        let outcome = SqliteLog::open(&place.path);
        assert!(matches!(outcome, Err(Fault::Corrupt { .. })), "{change}: {outcome:?}");
    }
    good.open();
}

#[test]
fn reading_names_the_record_that_was_edited() {
    let place = place();
    let mut log = place.open();
    fill(&mut log, 0, 50);
    edit_at(&place.hand(), 20);
    let outcome = log.read(0, 100);
    assert!(matches!(outcome, Err(Fault::Corrupt { index: Some(20), .. })), "{outcome:?}");
    assert_eq!(log.read(21, 100).unwrap().len(), 29);
    // And an append does not go on from a changed end.
    place.hand().execute_batch("UPDATE records SET link = zeroblob(32) WHERE idx = 49").unwrap();
    assert!(matches!(log.turn(), Err(Fault::Corrupt { index: Some(49), .. })));
}

fn edit_at(conn: &Connection, index: i64) {
    conn.execute("UPDATE records SET body = CAST('edited' AS BLOB) WHERE idx = ?1", [index]).unwrap();
}
