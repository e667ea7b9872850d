//! How a ledger begins, and that a lost one is never taken for a new one.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use ledger::{AppendError, Fault, Log as _, OpenOptions, Reader, Signer, SqliteLog, Sync};

use crate::rig::{Place, fill, place, plain};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

fn fault(place: &Place) -> Fault {
    SqliteLog::open(&place.path).unwrap_err()
}

#[test]
fn files_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    let path = folder.join("ledger.db");
    let mut log = SqliteLog::open(&path).unwrap();
    log.append(0, &[plain("a")], Sync::Durable).unwrap();
    assert_eq!((mode(&folder), mode(&dir.path().join("a"))), (0o700, 0o700));
    let mut names: Vec<_> = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.path());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.db.key"]);
    let origin = log.origin().to_owned();
    assert!(origin.strip_prefix("portcullis/").is_some_and(|hex| hex.len() == 16));
    assert_eq!(SqliteLog::open(&path).unwrap().origin(), origin);
    assert!(log.signer_vkey().starts_with(&origin));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let place = Place::filled(1);
    for open in [0o640, 0o604, 0o660] {
        std::fs::set_permissions(place.key_path(), std::fs::Permissions::from_mode(open)).unwrap();
        assert!(matches!(fault(&place), Fault::Key(_)), "{open:o}");
    }
    std::fs::set_permissions(place.key_path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    place.open();
}

#[test]
fn a_lost_file_is_not_a_new_ledger() {
    let gone = Place::filled(3);
    std::fs::remove_file(&gone.path).unwrap();
    assert!(matches!(fault(&gone), Fault::Corrupt { index: None, .. }));
    assert!(!gone.path.exists(), "nothing was made in its place");

    let emptied = Place::filled(3);
    std::fs::write(&emptied.path, b"").unwrap();
    assert!(matches!(fault(&emptied), Fault::NotALedger(_)));
    assert!(matches!(Reader::open(&emptied.path), Err(Fault::NotALedger(_))));

    let leftover = place();
    std::fs::write(leftover.dir.path().join("ledger.db-wal"), b"old").unwrap();
    assert!(matches!(fault(&leftover), Fault::Corrupt { .. }));
}

#[test]
fn a_lost_or_wrong_key_is_told() {
    let (one, two) = (Place::filled(3), Place::filled(3));
    std::fs::copy(two.key_path(), one.key_path()).unwrap();
    assert!(matches!(fault(&one), Fault::Key(_)));
    std::fs::write(one.key_path(), b"nonsense").unwrap();
    assert!(matches!(fault(&one), Fault::Key(_)));
    std::fs::remove_file(one.key_path()).unwrap();
    assert!(matches!(fault(&one), Fault::Key(_)));
    assert!(!one.key_path().exists());
    // Reading needs no key.
    assert_eq!(Reader::open(&one.path).unwrap().size(), Ok(3));
}

#[test]
fn other_files_are_told_apart() {
    let place = place();
    std::fs::write(&place.path, "just some text, long enough to be none").unwrap();
    assert!(matches!(fault(&place), Fault::NotALedger(_)));
    std::fs::remove_file(&place.path).unwrap();
    place.hand().execute_batch("CREATE TABLE t (x)").unwrap();
    let key = Place::filled(1).key_path();
    assert!(matches!(fault(&place), Fault::Key(_)));
    drop(key);
    assert!(matches!(Reader::open(&place.path), Err(Fault::NotALedger(_))));
    assert!(matches!(SqliteLog::open(place.dir.path()), Err(Fault::NotALedger(_))));
    assert!(matches!(Reader::open(&place.dir.path().join("none")), Err(Fault::Io(_))));

    let newer = Place::filled(1);
    newer.hand().pragma_update(None, "user_version", 2).unwrap();
    assert_eq!(fault(&newer), Fault::WrongVersion { found: 2, known: 1 });

    let rigged = Place::filled(1);
    let trigger = "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END";
    rigged.hand().execute_batch(trigger).unwrap();
    assert!(matches!(fault(&rigged), Fault::Corrupt { .. }));
}

#[test]
fn a_founding_that_was_cut_short_is_finished() {
    let place = Place::filled(0);
    // As a crash leaves it between key and name.
    std::fs::rename(&place.path, place.dir.path().join("ledger.db.new")).unwrap();
    fill(&mut place.open(), 0, 2);
    assert_eq!(place.verify().size, 2);
    // And before the key.
    let place = crate::rig::place();
    std::fs::write(place.dir.path().join("ledger.db.new"), b"half").unwrap();
    fill(&mut place.open(), 0, 2);
}

#[test]
fn a_key_from_elsewhere_leaves_no_key_file() {
    let place = place();
    let signer = Signer::new("portcullis/elsewhere", &[3; 32]).unwrap();
    let open = || {
        let options = OpenOptions { signing_key: Some(signer.clone()), ..OpenOptions::default() };
        SqliteLog::open_with(&place.path, options)
    };
    fill(&mut open().unwrap(), 0, 5);
    assert_eq!(open().unwrap().origin(), "portcullis/elsewhere");
    assert!(!place.key_path().exists());
    assert!(matches!(fault(&place), Fault::Key(_)));
    let vkey = signer.vkey().to_string();
    let expect = ledger::verify::Expect { vkey: Some(&vkey), trusted: None };
    assert_eq!(place.verify_with(&expect).failure, None);
}

#[test]
fn programs_that_start_together_found_one_ledger() {
    let place = place();
    let origins: Vec<String> = std::thread::scope(|scope| {
        let open = || place.open().origin().to_owned();
        let handles: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert!(origins.iter().all(|origin| *origin == origins[0]), "{origins:?}");
}

#[test]
fn a_full_disk_refuses_and_harms_nothing() {
    let place = Place::filled(10);
    let options = OpenOptions { max_pages: Some(40), ..OpenOptions::default() };
    let mut log = SqliteLog::open_with(&place.path, options).unwrap();
    let mut size = 10;
    let big = plain(&"x".repeat(5000));
    let failure = loop {
        match log.append(size, &[big.clone(), big.clone()], Sync::Durable) {
            Ok(()) => size += 2,
            Err(error) => break error,
        }
    };
    assert_eq!(failure, AppendError::Failed(Fault::Full));
    assert!(size > 12);
    assert_eq!(log.turn(), Ok(size), "all of the batch is gone");
    assert_eq!(log.read(0, 1000).unwrap().len() as u64, size);
    drop(log);
    assert_eq!(place.verify().failure, None);
    place.open().append(size, &[big], Sync::Durable).unwrap();
}

#[test]
fn a_file_that_vanishes_or_is_replaced_stops_its_writers() {
    let place = Place::filled(3);
    let mut log = place.open();
    let aside = place.dir.path().join("aside");
    std::fs::rename(&place.path, &aside).unwrap();
    assert!(matches!(log.turn(), Err(Fault::Corrupt { .. })));
    std::fs::copy(&aside, &place.path).unwrap();
    assert!(matches!(log.append(3, &[plain("x")], Sync::Durable), Err(AppendError::Failed(_))));
}

#[test]
fn a_ledger_that_may_only_be_read_refuses_writers() {
    const NOBODY: u32 = 65534;
    let place = Place::filled(3);
    let readable = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    readable(&place.path, 0o400);
    let is_root = std::fs::metadata(place.dir.path()).unwrap().uid() == 0;
    if !is_root {
        readable(place.dir.path(), 0o500);
        let outcome = SqliteLog::open(&place.path);
        readable(place.dir.path(), 0o700);
        assert_eq!(outcome.unwrap_err(), Fault::ReadOnly);
        return;
    }
    // The root user may write anywhere: let somebody else try, with a copy of this program that they can reach.
    let program = place.dir.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [&place.path, &place.key_path(), &program] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    readable(&program, 0o500);
    chown(place.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    readable(place.dir.path(), 0o500);
    let child = Command::new(&program)
        .args(["--exact", "founding::child_that_may_only_read", "--ignored"])
        .env("LEDGER", &place.path)
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

#[test]
#[ignore = "run by `a_ledger_that_may_only_be_read_refuses_writers`"]
fn child_that_may_only_read() {
    let path = std::env::var_os("LEDGER").unwrap();
    assert_eq!(SqliteLog::open(Path::new(&path)).unwrap_err(), Fault::ReadOnly);
}
