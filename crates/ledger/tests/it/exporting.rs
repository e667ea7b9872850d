//! An export says what the ledger says, and can be checked without it.

use ledger::verify::{self, Expect, Place as Where, Report};
use ledger::{Fault, Log as _, Reader, Sync, erase, export};

use crate::rig::{Place, plain};

fn export_of(place: &Place) -> String {
    let mut out = Vec::new();
    let reader = Reader::open(&place.path).unwrap();
    let mut heard = 0;
    let count = export::write(&reader, &mut out, &mut |done, _| heard = done).unwrap();
    assert_eq!(count, heard);
    String::from_utf8(out).unwrap()
}

fn judge(text: &str, expect: &Expect<'_>) -> Result<Report, Fault> {
    verify::export(&mut text.as_bytes(), expect, &mut |_, _| {})
}

#[test]
fn an_export_holds_by_its_key_alone() {
    let place = Place::filled(1500);
    erase(&place.path, 4).unwrap();
    // Not signed yet, so not exported.
    place.open().append(1500, &[plain("written")], Sync::Written).unwrap();
    let text = export_of(&place);
    assert_eq!(text.lines().count(), 1501);
    let vkey = place.open().signer_vkey();
    let trusted = Reader::open(&place.path).unwrap().checkpoint().unwrap();
    let report = judge(&text, &Expect { vkey: Some(&vkey), trusted: Some(&trusted) }).unwrap();
    assert_eq!(report.failure, None);
    assert_eq!((report.size, report.erased, report.unsigned, report.checkpoints), (1500, 1, 0, 2));
    assert_eq!(report.vkey, vkey);
}

#[test]
fn an_edited_export_names_its_first_bad_line() {
    let place = Place::filled(40);
    let good = export_of(&place);
    let lines: Vec<&str> = good.lines().collect();
    let with = |at: usize, line: String| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines[at + 1] = line;
        lines.join("\n")
    };
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at + 1);
        lines.join("\n")
    };
    let place_of = |text: &str| judge(text, &Expect::default()).unwrap().failure.map(|failure| failure.place);
    assert_eq!(place_of(&good), None);
    assert_eq!(place_of(&without(17)), Some(Where::Record(17)), "missing");
    assert_eq!(place_of(&without(39)), Some(Where::Record(39)), "cut");
    assert_eq!(place_of(&with(8, lines[9].replace("cGF5bG9hZCA4", "cGF5bG9hZCA5"))), Some(Where::Record(8)));
    assert_eq!(place_of(&with(8, "not json".into())), Some(Where::Record(8)));
    assert_eq!(place_of(&with(9, lines[10].replace('}', ",\"more\":1}"))), Some(Where::Record(9)));
    assert_eq!(place_of(&format!("{good}{}\n", lines[40].replace(":39", ":40"))), Some(Where::Record(40)));
    // A body has nothing beside it that tells: the signature does, over all.
    let edited = with(8, lines[9].replace("what", "that"));
    assert_eq!(place_of(&edited), Some(Where::Between(0, 39)));
}

#[test]
fn an_export_under_another_key_fails() {
    let (one, two) = (Place::filled(3), Place::filled(3));
    let vkey = two.open().signer_vkey();
    let report = judge(&export_of(&one), &Expect { vkey: Some(&vkey), trusted: None }).unwrap();
    assert_eq!(report.failure.unwrap().place, Where::Checkpoint(3));
    let trusted = Reader::open(&two.path).unwrap().checkpoint().unwrap();
    let report = judge(&export_of(&one), &Expect { vkey: None, trusted: Some(&trusted) }).unwrap();
    assert!(report.failure.is_some());
    let bad = Expect { vkey: Some("nonsense"), trusted: None };
    assert!(matches!(judge(&export_of(&one), &bad), Err(Fault::Key(_))));
}
