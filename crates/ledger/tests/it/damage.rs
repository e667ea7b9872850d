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
