//! Damage that nobody planned: torn writes, lost tails, flipped bits. A clear fault or the exact truth, never a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ledger::verify::{self, Expect};
use ledger::{Fault, Log as _, Reader, SqliteLog, Sync};

use crate::rig::{Place, draft, place, plain};

#[test]
fn a_torn_tail_is_a_shorter_ledger() {
    let place = place();
    let mut log = place.open();
    for n in 0..40 {
        log.append(n, &[draft(n)], Sync::Durable).unwrap();
    }
    let wal = |place: &Place| place.dir.path().join("ledger.db-wal");
    let length = std::fs::metadata(wal(&place)).unwrap().len().min(900_000);
    let mut sizes = Vec::new();
    for cut in (0..12).map(|n| length * n / 12 + n) {
        let torn = place.copy();
        std::fs::remove_file(torn.dir.path().join("ledger.db-shm")).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(wal(&torn)).unwrap();
        file.set_len(cut).unwrap();
        let mut log = torn.open();
        let size = log.turn().unwrap();
        log.append(size, &[plain("on")], Sync::Durable).unwrap();
        drop(log);
        let report = torn.verify();
        assert_eq!((report.failure, report.size), (None, size + 1), "cut at {cut}");
        sizes.push(size);
    }
    assert_eq!(sizes[0], 0);
    assert!(sizes.is_sorted() && *sizes.last().unwrap() > 20, "{sizes:?}");
}

#[test]
fn a_write_ahead_log_damaged_in_its_middle_is_a_fault_and_stays_as_evidence() {
    let place = place();
    let mut log = place.open();
    for n in 0..60 {
        log.append(n, &[draft(n)], Sync::Durable).unwrap();
    }
    let whole = std::fs::read(place.dir.path().join("ledger.db-wal")).unwrap();
    let found = |bytes: &[u8]| {
        let copy = place.copy();
        let wal = copy.dir.path().join("ledger.db-wal");
        std::fs::remove_file(copy.dir.path().join("ledger.db-shm")).unwrap();
        std::fs::write(&wal, bytes).unwrap();
        // A second try finds what the first found.
        let tries: Vec<_> = (0..2).map(|_| SqliteLog::open(&copy.path).map(drop)).collect();
        assert_eq!(tries[0], tries[1]);
        if let Err(fault) = &tries[0] {
            assert!(
                matches!(fault, Fault::Corrupt { index: None, what } if what.contains("write-ahead log")),
                "{fault}"
            );
            assert_eq!(std::fs::read(&wal).unwrap(), bytes);
            let judged = verify::store(&copy.path, &Expect::default(), &mut |_, _| {});
            assert_eq!(judged.unwrap_err(), *fault);
        }
        tries[0].is_err()
    };
    assert!(!found(&whole));
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        found(&bytes)
    };
    // The first frame's number, salt, checksum and page; and the log's own checksum.
    for at in [32, 33, 40, 47, 50, 100, 4000, 28] {
        assert!(flipped(at), "byte {at}");
    }
    // A page in the middle, and one of the last: that could be a torn write.
    let last = (0..whole.len()).rfind(|at| whole[*at] != 0).unwrap();
    assert!(flipped(last / 2), "byte {} of {last}", last / 2);
    assert!(!flipped(last), "byte {last}");
}

#[test]
fn a_cut_file_is_a_fault() {
    let whole = Place::filled(400);
    let bytes = std::fs::read(&whole.path).unwrap();
    for cut in (0..40).map(|n| bytes.len() * n / 40) {
        std::fs::write(&whole.path, &bytes[..cut]).unwrap();
        let outcome = SqliteLog::open(&whole.path);
        assert!(matches!(outcome, Err(Fault::Corrupt { .. } | Fault::NotALedger(_))), "{cut}: {outcome:?}");
    }
}

#[test]
fn a_flipped_bit_is_found_or_touches_nothing() {
    let whole = Place::filled(300);
    let truth = whole.open().read(0, 1000).unwrap();
    let bytes = std::fs::read(&whole.path).unwrap();
    let mut found = 0;
    for n in 0..400_usize {
        let mut flipped = bytes.clone();
        // Everywhere, and the first page more than others.
        let at = if n % 4 == 0 { n % 120 } else { n * 7919 * 13 % bytes.len() };
        flipped[at] ^= 1 << (n % 8);
        std::fs::write(&whole.path, &flipped).unwrap();
        let calm = catch_unwind(AssertUnwindSafe(|| {
            let opened = SqliteLog::open(&whole.path).map(drop);
            let report = verify::store(&whole.path, &Expect::default(), &mut |_, _| {});
            let read = Reader::open(&whole.path).and_then(|reader| reader.read(0, 1000));
            (opened, report, read)
        }));
        let (opened, report, read) = calm.unwrap_or_else(|_| panic!("panic at byte {at}"));
        let sound = report.is_ok_and(|report| report.failure.is_none());
        if opened.is_err() || !sound {
            found += 1;
        } else {
            // `refers` is a look-up help outside the proof.
            let read = read.unwrap();
            let texts = |entries: &[ledger::Entry]| -> Vec<_> {
                entries.iter().map(|entry| (entry.index, entry.body.clone(), entry.payload.clone())).collect()
            };
            assert!(texts(&read) == texts(&truth), "an unnoticed change at byte {at}");
        }
    }
    assert!(found > 100, "only {found} flips were found");
}

#[test]
fn a_damaged_snapshot_is_none() {
    for change in [
        "UPDATE snapshot SET bytes = x'00'",
        "UPDATE snapshot SET at = 1",
        "UPDATE snapshot SET digest = x'00'",
        "UPDATE snapshot SET at = 1000000",
    ] {
        let place = Place::filled(3);
        place.open().save_snapshot(2, b"books").unwrap();
        assert_eq!(place.open().load_snapshot(), Ok(Some((2, b"books".to_vec()))));
        place.hand().execute_batch(change).unwrap();
        assert_eq!(place.open().load_snapshot(), Ok(None), "{change}");
    }
}
