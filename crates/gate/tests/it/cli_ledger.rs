//! `portcullis ledger`, by the real program: what an auditor does, and what a forger tries.

use crate::cli::Desk;

fn some_records() -> Desk {
    let desk = Desk::new();
    desk.check("crm.read", "{\"customer\": \"C-17\"}", &[]).ok();
    desk.check("stripe.refund", "{\"amount\": 20}", &[]).ok();
    assert_eq!(desk.check("users.delete", "{}", &[]).code, 2);
    desk
}

#[test]
fn a_ledger_verifies_with_its_key_and_with_no_other() {
    let desk = some_records();
    let key = desk.run(&["ledger", "key"]).ok().out.trim().to_owned();
    let verified = desk.run(&["ledger", "verify", "--key", &key, "--json"]).ok().json();
    assert_eq!((verified["records"].as_u64(), verified["key_given"].as_bool()), (Some(4), Some(true)));
    let other = Desk::new();
    other.check("crm.read", "{}", &[]).ok();
    let strange = other.run(&["ledger", "key"]).ok().out.trim().to_owned();
    assert_eq!(desk.run(&["ledger", "verify", "--key", &strange]).code, 1);
    desk.run(&["ledger", "verify", "--key", "nonsense"]).refused("key");
    // A checkpoint that was kept elsewhere must be in it.
    let kept = desk.run(&["ledger", "checkpoint"]).ok().out;
    desk.write("kept.txt", &kept);
    desk.check("crm.read", "{}", &[]).ok();
    desk.run(&["ledger", "verify", "--key", &key, "--checkpoint", "kept.txt"]).ok();
    other.write("kept.txt", &kept);
    assert_eq!(other.run(&["ledger", "verify", "--checkpoint", "kept.txt"]).code, 1);
}

#[test]
fn exports_and_proofs_hold_offline_and_break_when_edited() {
    let desk = some_records();
    let key = desk.run(&["ledger", "key"]).ok().out.trim().to_owned();
    desk.run(&["ledger", "export", "--out", "all.jsonl"]).ok();
    desk.run(&["ledger", "export", "--out", "all.jsonl"]).refused("all.jsonl");
    let export = std::fs::read_to_string(desk.path("all.jsonl")).unwrap();
    assert_eq!(export, desk.run(&["ledger", "export"]).ok().out);
    desk.run(&["ledger", "proof", "dec_2", "--out", "proof.json"]).ok();
    // Elsewhere, without the store.
    let elsewhere = Desk::new();
    elsewhere.write("all.jsonl", &export);
    elsewhere.run(&["ledger", "verify", "all.jsonl", "--key", &key]).ok();
    let proof = std::fs::read_to_string(desk.path("proof.json")).unwrap();
    elsewhere.write("proof.json", &proof);
    let proven =
        elsewhere.run(&["ledger", "verify", "--proof", "proof.json", "--key", &key, "--json"]).ok().json();
    assert_eq!(proven["index"], 2);
    elsewhere.run(&["ledger", "verify", "--proof", "proof.json"]).refused("--key");
    elsewhere.write("proof.json", &proof.replace("stripe.refund", "stripe.payout"));
    elsewhere.run(&["ledger", "verify", "--proof", "proof.json", "--key", &key]).refused("does not hold");
    elsewhere.write("all.jsonl", &export.replace("stripe.refund", "stripe.payout"));
    elsewhere
        .run(&["ledger", "verify", "all.jsonl", "--key", &key])
        .refused("a record between 0 and 3 is bad");
    let cut: String = export.lines().take(3).map(|line| format!("{line}\n")).collect();
    elsewhere.write("all.jsonl", &cut);
    assert_eq!(elsewhere.run(&["ledger", "verify", "all.jsonl", "--key", &key]).code, 1);
    elsewhere.write("all.jsonl", "nothing of the kind");
    elsewhere.run(&["ledger", "verify", "all.jsonl"]).refused("it is no export");
    elsewhere.run(&["ledger", "verify", "missing.jsonl"]).refused("missing.jsonl");
    desk.run(&["ledger", "proof", "99"]).refused("there is no record 99");
}

#[test]
fn the_newest_records_are_shown_and_those_that_come() {
    use std::io::BufRead as _;
    let desk = some_records();
    let all = desk.run(&["ledger", "tail"]).ok().out;
    assert_eq!(all.lines().count(), 4, "{all}");
    assert!(all.contains("deny") && all.contains("rule never"), "{all}");
    assert_eq!(desk.run(&["ledger", "tail", "-n", "1"]).ok().out.lines().count(), 1);
    assert_eq!(desk.run(&["ledger", "tail", "-n", "0"]).ok().out, "");
    let line = desk.run(&["ledger", "tail", "-n", "1", "--json"]).ok().json();
    assert_eq!(line["record"]["decided"]["tool"], "users.delete");
    let mut follow = desk.start(&["ledger", "tail", "-n", "1", "-f", "--json"]);
    let mut lines = std::io::BufReader::new(follow.0.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("users.delete"));
    desk.check("crm.read", "{\"customer\": \"C-18\"}", &[]).ok();
    assert!(lines.next().unwrap().unwrap().contains("crm.read"));
}

#[test]
fn what_is_erased_is_gone_and_every_proof_holds() {
    let desk = some_records();
    assert!(std::fs::read(desk.store()).unwrap().windows(4).any(|it| it == b"C-17") || wal_has(&desk));
    desk.run(&["ledger", "proof", "1", "--out", "proof.json"]).ok();
    desk.run(&["ledger", "erase", "dec_1"]).ok();
    let export = desk.run(&["ledger", "export"]).ok().out;
    assert!(!export.contains("C-17"), "{export}");
    assert!(!std::fs::read(desk.store()).unwrap().windows(4).any(|it| it == b"C-17") && !wal_has(&desk));
    assert_eq!(desk.run(&["ledger", "verify", "--json"]).ok().json()["erased"], 1);
    desk.run(&["ledger", "verify", "--proof", "proof.json"]).ok();
    // A policy is no personal data, and the gate starts from it.
    desk.run(&["ledger", "erase", "0"]).refused("it stays");
    desk.run(&["ledger", "erase", "77"]).refused("there is no record 77");
}

fn wal_has(desk: &Desk) -> bool {
    let wal = desk.path("store/ledger.db-wal");
    std::fs::read(wal).is_ok_and(|bytes| bytes.windows(4).any(|it| it == b"C-17"))
}
