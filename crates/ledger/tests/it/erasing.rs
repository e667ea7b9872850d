//! An erased payload is gone from the disk, and every proof stands.

use ledger::checkpoint::Vkey;
use ledger::{Draft, Fault, Log as _, Payload, Reader, Sync, erase};

use crate::rig::{Place, place, plain};

#[test]
fn erasing_keeps_every_proof() {
    let place = Place::filled(300);
    let reader = Reader::open(&place.path).unwrap();
    let vkey = Vkey::parse(&reader.vkey()).unwrap();
    let before = reader.prove(8).unwrap();
    assert_eq!(erase(&place.path, 8), Ok(true));
    assert_eq!(erase(&place.path, 8), Ok(false), "nothing is left to erase");
    assert_eq!(erase(&place.path, 9), Ok(false), "nothing ever was");
    assert_eq!(erase(&place.path, 300), Err(Fault::NoSuchRecord { index: 300, size: 300 }));
    assert_eq!(reader.get(8).unwrap().unwrap().payload, Payload::Erased);
    assert_eq!(reader.prove(8).unwrap(), before);
    before.verify(&vkey).unwrap();
    let report = place.verify();
    assert_eq!((report.failure, report.erased), (None, 1));
    let mut log = place.open();
    assert_eq!(log.read(8, 1).unwrap()[0].payload, Payload::Erased);
    log.append(300, &[plain("and on it goes")], Sync::Durable).unwrap();
}

#[test]
fn no_byte_of_it_stays_on_the_disk() {
    for size in [30, 100_000] {
        let place = place();
        let mut log = place.open();
        let secret: Vec<u8> = b"the secret 4711 ".iter().copied().cycle().take(size).collect();
        let draft = |payload: Option<Vec<u8>>| Draft { payload, ..plain("about somebody") };
        log.append(0, &[draft(None), draft(Some(secret)), draft(None)], Sync::Durable).unwrap();
        let on_disk = || {
            std::fs::read_dir(place.dir.path()).unwrap().any(|file| {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                bytes.windows(10).any(|window| window == b"secret 471")
            })
        };
        assert!(on_disk());
        assert_eq!(erase(&place.path, 1), Ok(true));
        assert!(!on_disk(), "{size} bytes");
        log.append(3, &[draft(None)], Sync::Durable).unwrap();
    }
}
