//! Durable appends that share a signature: what is signed when, and what a crash leaves.

use std::time::Duration;

use ledger::checkpoint::Checkpoint;
use ledger::{Log as _, OpenOptions, Reader, SqliteLog, Sync};

use crate::rig::{Place, place, plain};

/// Signs the first append, and then for a long time none.
fn lazy(place: &Place) -> SqliteLog {
    let options = OpenOptions { sign_every: Duration::from_secs(3600), ..OpenOptions::default() };
    SqliteLog::open_with(&place.path, options).unwrap()
}

fn signed(place: &Place) -> u64 {
    let note = Reader::open(&place.path).unwrap().checkpoint().unwrap();
    Checkpoint::read_unverified(&note).unwrap().size
}

#[test]
fn the_first_append_is_signed_and_quick_ones_after_it_the_rest_when_asked() {
    let place = place();
    let mut log = lazy(&place);
    for n in 0..5 {
        log.append(n, &[plain(&format!("{n}"))], Sync::Durable).unwrap();
    }
    assert_eq!(signed(&place), 1);
    assert!(log.unsigned_since().is_some());
    let report = place.verify();
    assert_eq!((report.failure, report.size, report.unsigned), (None, 5, 4));
    log.sign_rest().unwrap();
    assert_eq!(signed(&place), 5);
    assert!(log.unsigned_since().is_none());
    log.sign_rest().unwrap();
    assert_eq!(place.verify().unsigned, 0);
}

#[test]
fn an_empty_durable_append_is_signed_whenever_it_comes() {
    let place = place();
    let mut log = lazy(&place);
    log.append(0, &[plain("a")], Sync::Durable).unwrap();
    log.append(1, &[plain("b")], Sync::Durable).unwrap();
    log.append(2, &[], Sync::Durable).unwrap();
    assert_eq!(signed(&place), 2);
}

#[test]
fn what_a_crash_left_unsigned_is_signed_by_the_next_who_opens() {
    let place = place();
    let mut log = lazy(&place);
    for n in 0..5 {
        log.append(n, &[plain(&format!("{n}"))], Sync::Durable).unwrap();
    }
    // What lies on the disk while it runs is what a kill leaves.
    let left = place.copy();
    assert_eq!(signed(&left), 1);
    let mut next = lazy(&left);
    assert!(next.unsigned_since().is_some());
    next.sign_rest().unwrap();
    assert_eq!(signed(&left), 5);
    assert_eq!(left.verify().failure, None);
}

#[test]
fn an_edit_of_what_is_not_signed_yet_breaks_the_chain() {
    let place = place();
    let mut log = lazy(&place);
    for n in 0..5 {
        log.append(n, &[plain(&format!("{n}"))], Sync::Durable).unwrap();
    }
    place.hand().execute("UPDATE records SET body = x'78' WHERE idx = 3", []).unwrap();
    assert!(place.verify().failure.is_some());
}

#[test]
fn a_log_that_signs_lazily_shares_the_file_with_one_that_does_not() {
    let place = place();
    let (mut lazy, mut prompt) = (lazy(&place), place.open());
    for n in 0..20 {
        let log: &mut SqliteLog = if n % 3 == 0 { &mut prompt } else { &mut lazy };
        let at = log.turn().unwrap();
        log.append(at, &[plain(&format!("{n}"))], Sync::Durable).unwrap();
    }
    assert_eq!(signed(&place), 19);
    lazy.sign_rest().unwrap();
    assert_eq!(signed(&place), 20);
    assert_eq!(place.verify().failure, None);
}
