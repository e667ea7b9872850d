//! What any log must do, whatever store carries it. To hold another store to it, implement `Store` and call `hold`.

use ledger::{
    AppendError, Draft, Entry, Fault, LONGEST_BODY, LONGEST_PAYLOAD, Log, Payload, SqliteLog, Sync,
};

use crate::rig::{self, Place, draft, plain};

pub trait Store {
    type Log: Log;
    /// A holder of this store's one log.
    fn open(&self) -> Self::Log;
}

impl Store for Place {
    type Log = SqliteLog;
    fn open(&self) -> SqliteLog {
        Place::open(self)
    }
}

pub fn hold<S: Store>(fresh: &dyn Fn() -> S) {
    begins_empty(&fresh());
    gives_back_what_was_appended(&fresh());
    appends_only_at_the_end(&fresh());
    appends_all_or_nothing(&fresh());
    keeps_what_was_written_by_a_holder_that_vanished(&fresh());
    forgets_what_was_not_committed(&fresh());
    shares_turns(&fresh());
    notices_others(&fresh());
    keeps_the_newest_snapshot(&fresh());
}

#[test]
fn sqlite_is_a_log() {
    hold(&rig::place);
}

fn begins_empty<S: Store>(store: &S) {
    let mut log = store.open();
    assert_eq!(log.turn(), Ok(0));
    assert_eq!(log.turn(), Ok(0), "a turn within a turn is the same turn");
    log.pass();
    log.pass();
    assert_eq!(log.read(0, 10), Ok(Vec::new()));
    assert_eq!(log.load_snapshot(), Ok(None));
    assert_eq!(log.changed(), Ok(false));
    assert_eq!(log.append(0, &[], Sync::Durable), Ok(()));
    assert_eq!(log.turn(), Ok(0));
}

fn as_entry(index: u64, draft: &Draft) -> Entry {
    let Draft { body, payload, refers } = draft.clone();
    Entry { index, body, refers, payload: payload.map_or(Payload::None, Payload::Here) }
}

fn gives_back_what_was_appended<S: Store>(store: &S) {
    let mut drafts: Vec<Draft> = (0..700).map(draft).collect();
    drafts[3].payload = Some(Vec::new());
    drafts[5].payload = Some((0..=255).cycle().take(100_000).collect());
    drafts[6].body = vec![b'x'; LONGEST_BODY];
    drafts[8].payload = Some(vec![7; LONGEST_PAYLOAD]);
    let mut log = store.open();
    let mut at = 0;
    for (n, batch) in drafts.chunks(37).enumerate() {
        let sync = if n % 2 == 0 { Sync::Durable } else { Sync::Written };
        log.append(at, batch, sync).unwrap();
        at += batch.len() as u64;
    }
    let expected: Vec<Entry> = (0..).zip(&drafts).map(|(index, draft)| as_entry(index, draft)).collect();
    for log in [&mut log, &mut store.open()] {
        assert!(log.read(0, 1000).unwrap() == expected);
        assert!(log.read(690, 1000).unwrap() == expected[690..]);
        assert!(log.read(100, 7).unwrap() == expected[100..107]);
        assert!(log.read(10, 0).unwrap().is_empty());
        assert!(log.read(700, 5).unwrap().is_empty());
        assert!(log.read(u64::MAX, usize::MAX).unwrap().is_empty());
    }
}

fn appends_only_at_the_end<S: Store>(store: &S) {
    let (mut one, mut two) = (store.open(), store.open());
    one.append(0, &[plain("a"), plain("b")], Sync::Durable).unwrap();
    for wrong in [0, 1, 3, u64::MAX] {
        assert_eq!(
            two.append(wrong, &[plain("c")], Sync::Durable),
            Err(AppendError::Conflict { size: 2 }),
            "at {wrong}"
        );
    }
    // A conflict ends the turn: the other can write.
    assert_eq!(two.turn(), Ok(2));
    assert_eq!(two.append(1, &[plain("c")], Sync::Durable), Err(AppendError::Conflict { size: 2 }));
    assert_eq!(one.append(2, &[plain("d")], Sync::Written), Ok(()));
    assert_eq!(two.read(0, 9).unwrap().len(), 3);
}

fn appends_all_or_nothing<S: Store>(store: &S) {
    let mut log = store.open();
    let with = |change: &dyn Fn(&mut Draft)| {
        let mut draft = plain("x");
        change(&mut draft);
        draft
    };
    let unfit = [
        with(&|d| d.body.clear()),
        with(&|d| d.body = b"two\nlines".to_vec()),
        with(&|d| d.body = b"\xFF".to_vec()),
        with(&|d| d.body = vec![b'x'; LONGEST_BODY + 1]),
        with(&|d| d.payload = Some(vec![0; LONGEST_PAYLOAD + 1])),
        with(&|d| d.refers = Some(1)),
        with(&|d| d.refers = Some(u64::MAX)),
    ];
    for bad in unfit {
        let outcome = log.append(0, &[plain("good"), bad], Sync::Durable);
        assert!(matches!(outcome, Err(AppendError::Failed(Fault::Unfit(_)))), "{outcome:?}");
        assert_eq!(log.turn(), Ok(0));
    }
    // Within a batch, a record may be about an earlier one of it.
    let second = Draft { refers: Some(0), ..plain("second") };
    log.append(0, &[plain("first"), second], Sync::Durable).unwrap();
    assert_eq!(log.read(0, 9).unwrap()[1].refers, Some(0));
}

fn keeps_what_was_written_by_a_holder_that_vanished<S: Store>(store: &S) {
    let mut log = store.open();
    log.append(0, &[plain("written")], Sync::Written).unwrap();
    drop(log);
    let mut log = store.open();
    assert_eq!(log.turn(), Ok(1));
    log.append(1, &[], Sync::Durable).unwrap();
    assert_eq!(log.read(0, 9).unwrap()[0].body, b"written");
}

fn forgets_what_was_not_committed<S: Store>(store: &S) {
    let mut log = store.open();
    log.append(0, &[plain("kept")], Sync::Durable).unwrap();
    let mut gone = store.open();
    assert_eq!(gone.turn(), Ok(1));
    drop(gone);
    assert_eq!(log.turn(), Ok(1), "the pen falls to the next when its holder vanishes");
    log.append(1, &[plain("next")], Sync::Durable).unwrap();
}

fn shares_turns<S: Store>(store: &S) {
    const EACH: usize = 150;
    const WRITERS: usize = 3;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut log = store.open();
            scope.spawn(move || {
                for n in 0..EACH {
                    // Half with a turn, which cannot conflict; half by guess, which may.
                    let draft = plain(&format!("{writer} {n}"));
                    let at = log.turn().unwrap();
                    if n % 2 == 0 {
                        log.append(at, &[draft], Sync::Durable).unwrap();
                        continue;
                    }
                    log.pass();
                    let mut guess = at;
                    while let Err(error) = log.append(guess, std::slice::from_ref(&draft), Sync::Written) {
                        let AppendError::Conflict { size } = error else { panic!("{error}") };
                        guess = size;
                    }
                }
            });
        }
    });
    let entries = store.open().read(0, usize::MAX).unwrap();
    assert_eq!(entries.len(), EACH * WRITERS);
    for writer in 0..WRITERS {
        let prefix = format!("{writer} ");
        let own: Vec<_> = entries.iter().filter(|entry| entry.body.starts_with(prefix.as_bytes())).collect();
        let expected: Vec<_> = (0..EACH).map(|n| format!("{writer} {n}").into_bytes()).collect();
        assert_eq!(own.iter().map(|entry| entry.body.clone()).collect::<Vec<_>>(), expected);
    }
}

fn notices_others<S: Store>(store: &S) {
    let (mut one, mut two) = (store.open(), store.open());
    one.append(0, &[plain("a")], Sync::Durable).unwrap();
    assert_eq!(one.changed(), Ok(false), "one's own appends are no news");
    assert_eq!(two.changed(), Ok(true));
    assert_eq!(two.changed(), Ok(true), "it stays so until it is read");
    two.read(0, 10).unwrap();
    assert_eq!(two.changed(), Ok(false));
    two.append(1, &[plain("b")], Sync::Written).unwrap();
    assert_eq!(two.changed(), Ok(false));
    assert_eq!(one.changed(), Ok(true));
    assert_eq!(one.turn(), Ok(2));
    one.pass();
    assert_eq!(one.changed(), Ok(false));
    two.save_snapshot(2, b"s").unwrap();
    assert_eq!(one.changed(), Ok(false), "a snapshot is no record");
}

fn keeps_the_newest_snapshot<S: Store>(store: &S) {
    let mut log = store.open();
    log.append(0, &[plain("a"), plain("b")], Sync::Durable).unwrap();
    log.save_snapshot(1, b"one").unwrap();
    log.save_snapshot(2, &vec![3; 3_000_000]).unwrap();
    assert_eq!(store.open().load_snapshot(), Ok(Some((2, vec![3; 3_000_000]))));
    log.save_snapshot(0, b"").unwrap();
    assert_eq!(log.load_snapshot(), Ok(Some((0, Vec::new()))));
    log.save_snapshot(3, b"from beyond the end").unwrap();
    assert_eq!(log.load_snapshot(), Ok(None));
    // Within a turn, too.
    log.turn().unwrap();
    log.save_snapshot(2, b"in turn").unwrap();
    log.pass();
    assert_eq!(store.open().load_snapshot(), Ok(Some((2, b"in turn".to_vec()))));
}
