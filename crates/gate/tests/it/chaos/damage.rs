//! Ledgers that were cut, edited, swapped or removed: the gate refuses to admit and says why, and `ledger verify` names
//! the first record that is bad.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::count::audit;
use super::rig::{Dice, Gate, Store, text};

const POLICY: &str = "
version: 1
agents:
  bot: {rules: [{name: notes, allow: note}], limits: [{meter: actions, max: 1000, per: 1h}]}
";
/// Decisions in the ledgers that are damaged here.
const DECISIONS: u64 = 80;

fn request(number: u64) -> Value {
    json!({"agent_id": "bot", "tool": "note", "args": {"text": "words"}, "idempotency_key": format!("marker-{number:04}-")})
}

/// A ledger with decisions in it, ended cleanly (so that all is in the one file) or killed (so that much is in the
/// write-ahead log), and a key.
fn ledger(killed: bool) -> (Store, String) {
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    let mut gate = Gate::start(&store);
    let mut client = gate.client(&key);
    for number in 0..DECISIONS {
        assert_eq!(client.check(&request(number))["decision"], "allow");
    }
    if killed {
        gate.kill();
    } else {
        assert!(gate.stop().success());
    }
    (store, key)
}

/// Where a text stands in a file: the last place.
fn find(path: &Path, what: &str) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes
        .windows(what.len())
        .rposition(|window| window == what.as_bytes())
        .unwrap_or_else(|| panic!("no {what} in {}", path.display()))
}

fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// The gate does not start, and its sentence contains `why`; a decision without a gate neither.
fn refuses(store: &Store, why: &str) {
    let refusal =
        Gate::try_start(store, &[]).err().unwrap_or_else(|| panic!("a gate started although: {why}"));
    assert_eq!(refusal.status.code(), Some(1), "{}", refusal.stderr);
    let said = refusal.stderr.lines().find(|line| line.starts_with("portcullis: ")).unwrap_or_default();
    assert!(said.contains(why), "expected `{why}` in: {}", refusal.stderr);
    let output = store.run(&["check", "--policy", "policy.yaml", "--agent", "bot", "--tool", "note"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("allow"), "{}", text(&output.stdout));
}

/// What `ledger verify` has to say against a ledger.
fn objection(store: &Store) -> String {
    let output = store.run(&["ledger", "verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn an_edited_record_is_named() {
    // The policy, the key and whatever else came first are records as well.
    let (store, _) = ledger(false);
    let at = |number: u64| {
        let key = format!("marker-{number:04}-");
        store.records().into_iter().find(|it| it.text("key") == key).unwrap().index
    };
    let whole = fs::read(store.ledger()).unwrap();
    for number in [0, 1, DECISIONS / 2, DECISIONS - 1] {
        let index = at(number);
        flip(&store.ledger(), find(&store.ledger(), &format!("marker-{number:04}-")), 0);
        refuses(&store, &format!("at record {index} "));
        let said = objection(&store);
        assert!(said.contains(&format!("record {index}")), "{index}: {said}");
        fs::write(store.ledger(), &whole).unwrap();
    }
    // Mended, it starts.
    Gate::start(&store);
    assert!(store.verify() > DECISIONS);
}

#[test]
fn a_ledger_that_is_not_what_it_was_is_refused() {
    type Damage = (&'static str, fn(&Store), &'static str);
    let path = Store::ledger;
    let cases: [Damage; 12] = [
        ("a flipped bit in the header", |it| flip(&it.ledger(), 3, 2), "is not a ledger"),
        ("a flipped bit in the page size", |it| flip(&it.ledger(), 16, 3), ""),
        (
            "cut in half",
            |it| cut(&it.ledger(), fs::metadata(it.ledger()).unwrap().len() / 2),
            "the ledger is damaged",
        ),
        (
            "the last page gone",
            |it| cut(&it.ledger(), fs::metadata(it.ledger()).unwrap().len() - 4096),
            "the ledger is damaged",
        ),
        ("a hundred bytes left", |it| cut(&it.ledger(), 100), ""),
        ("nothing left", |it| cut(&it.ledger(), 0), "is empty"),
        ("deleted", |it| fs::remove_file(it.ledger()).unwrap(), "is gone while its key"),
        (
            "another ledger in its place",
            |it| assert!(fs::copy(ledger(false).0.ledger(), it.ledger()).is_ok()),
            "not the key of this ledger",
        ),
        ("a text in its place", |it| fs::write(it.ledger(), "a text").unwrap(), "is not a ledger"),
        (
            "its key gone",
            |it| fs::remove_file(it.file("store/ledger.db.key")).unwrap(),
            "restore it from a backup",
        ),
        (
            "its key damaged",
            |it| flip(&it.file("store/ledger.db.key"), 40, 0),
            "the ledger's signing key cannot be used",
        ),
        (
            "a folder in its place",
            |it| {
                fs::remove_file(it.ledger()).unwrap();
                fs::create_dir(it.ledger()).unwrap()
            },
            "it is a folder",
        ),
    ];
    for (name, damage, why) in cases {
        println!("{name}");
        let (store, _) = ledger(false);
        assert!(path(&store).exists());
        damage(&store);
        refuses(&store, why);
    }
}

#[test]
fn a_ledger_that_goes_away_under_a_running_gate_ends_admission() {
    type Swap = (&'static str, fn(&Store));
    let cases: [Swap; 3] = [
        ("deleted", |it| fs::remove_file(it.ledger()).unwrap()),
        ("replaced by another", |it| {
            fs::copy(ledger(false).0.ledger(), it.file("other")).unwrap();
            fs::rename(it.file("other"), it.ledger()).unwrap();
        }),
        ("moved away", |it| fs::rename(it.ledger(), it.file("moved")).unwrap()),
    ];
    for (name, swap) in cases {
        let (store, key) = ledger(false);
        let mut gate = Gate::start(&store);
        let mut client = gate.client(&key);
        assert_eq!(client.check(&request(1000))["decision"], "allow");
        swap(&store);
        for number in 1001..1010 {
            let reply = client.post("/v1/check", &request(number));
            assert_eq!(
                (reply.status, &reply.json()["code"]),
                (503, &json!("unavailable")),
                "{name}: {}",
                reply.text()
            );
        }
        assert_eq!(client.get("/readyz").status, 503, "{name}");
        assert!(
            store.log().contains("its file was removed or replaced while in use"),
            "{name}: {}",
            store.log()
        );
        assert!(gate.is_running());
    }
}

#[test]
fn whichever_bit_flips_nothing_is_taken_for_true_that_was_never_written() {
    let seed = Dice::seed(11);
    println!("CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let (store, key) = ledger(false);
    let whole = fs::read(store.ledger()).unwrap();
    let records = store.records();
    let (mut refused, mut harmless) = (0, 0);
    for round in 0..60 {
        let (at, bit) = (dice.below(whole.len() as u64) as usize, dice.below(8) as u8);
        for leftover in ["store/ledger.db-wal", "store/ledger.db-shm"] {
            let _ = fs::remove_file(store.file(leftover));
        }
        fs::write(store.ledger(), &whole).unwrap();
        flip(&store.ledger(), at, bit);
        let context = format!("round {round}, byte {at} of {}, bit {bit}", whole.len());
        let output = store.run(&["ledger", "verify"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{context}: {}", text(&output.stderr));
        let is_whole = output.status.success();
        if is_whole {
            // Bytes that mean nothing: all records are what they were.
            let now = store.records();
            let same = now
                .iter()
                .zip(&records)
                .all(|(a, b)| (&a.kind, &a.body, &a.payload) == (&b.kind, &b.body, &b.payload));
            assert!(same && now.len() == records.len(), "{context}: verified, and not the same");
        }
        match Gate::try_start(&store, &[]) {
            Err(refusal) => {
                assert_eq!(refusal.status.code(), Some(1), "{context}: {}", refusal.stderr);
                refused += 1;
            }
            Ok(gate) => {
                // What a start does not read in full may be bad; what it goes by is not.
                let reply = gate.client(&key).post("/v1/check", &request(round));
                let problem = reply.json();
                assert_ne!(problem["allowed"], true, "{context}: {problem}");
                harmless += 1;
            }
        }
    }
    println!("{refused} starts refused, {harmless} with nothing that counts");
    assert!(refused > 5, "so few flips are seen: {refused}");
}

#[test]
fn a_write_ahead_log_with_a_flipped_bit_is_refused_unless_it_could_be_a_torn_write() {
    // SQLite takes the log up to the first frame that does not fit, as if what follows had never been finished; a gate
    // that went on from there would have forgotten what it allowed.
    let seed = Dice::seed(12);
    println!("CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let (store, key) = ledger(true);
    let log = store.file("store/ledger.db-wal");
    let (whole, base) = (fs::read(&log).unwrap(), fs::read(store.ledger()).unwrap());
    let in_the_middle = find(&log, &format!("marker-{:04}-", DECISIONS / 2));
    let last = find(&log, &format!("marker-{:04}-", DECISIONS - 1));
    for round in 0..16 {
        let _ = fs::remove_file(store.file("store/ledger.db-shm"));
        fs::write(store.ledger(), &base).unwrap();
        fs::write(&log, &whole).unwrap();
        if round == 0 {
            // What was under way when the power went: what is before it stands.
            flip(&log, last, 0);
            let gate = Gate::start(&store);
            let reply = gate.client(&key).check(&request(DECISIONS / 2));
            assert_eq!(reply["code"], "in_progress", "{reply}");
            drop(gate);
            store.verify();
            audit(&store.records(), &[], &[]);
        } else {
            let at = dice.below(in_the_middle as u64) as usize;
            flip(&log, at, dice.below(8) as u8);
            refuses(&store, "its write-ahead log cannot be read at frame");
            assert!(objection(&store).contains("its write-ahead log cannot be read"), "byte {at}");
        }
    }
    // Nothing of it was touched meanwhile: with the log whole again, all is there.
    fs::write(&log, &whole).unwrap();
    let gate = Gate::start(&store);
    let reply = gate.client(&key).check(&request(DECISIONS - 1));
    assert_eq!(reply["code"], "in_progress", "{reply}");
}
