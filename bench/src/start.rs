//! Start over a million records: from exec to the ready line.
//!
//! The ledger is made once, through the journal, and kept beside the built bench.

use std::path::{Path, PathBuf};
use std::time::Instant;

use gate::ink::LedgerInk;
use ledger::{Log as _, SqliteLog};

use crate::Effort;
use crate::disk::{Scratch, folder};
use crate::fold::Bench;
use crate::policies::{Rules, text};
use crate::portcullis::{Server, command, store};
use crate::report::{Section, figure};
use crate::rounds::{Contender, Result, Round, alternate};

/// Records in the ledger.
const RECORDS: u64 = 1_000_000;
/// Agents that made them.
const AGENTS: usize = 1_000;

/// Starts after a kill and after a shutdown; and `ledger verify`.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let killed = prepared();
    let scratch = Scratch::new("start");
    let policy = scratch.write("policy.yaml", &text(Rules::Realistic, AGENTS, true));
    let closed = scratch.file("closed.db");
    copy(&killed, &closed);
    // The first start of each puts the policy on record; the shutdown keeps a snapshot.
    drop(Server::start(&policy, &killed));
    Server::start(&policy, &closed).stop();
    let fresh = scratch.file("fresh.db");
    let (few, most) = (unsaved(&closed), unsaved(&killed));
    let start = |path: &Path| {
        let server = Server::start(&policy, path);
        Round { samples: vec![server.ready_after.as_nanos() as f64], rate: None }
    };
    let results = alternate(
        effort.rounds,
        vec![
            Contender::new(format!("after a shutdown ({few} records beyond the snapshot)"), || {
                start(&closed)
            }),
            Contender::new(format!("after a kill ({most} records beyond the snapshot)"), || start(&killed)),
            Contender::new("an empty ledger", || start(&fresh)),
        ],
    );
    assert_eq!(
        (unsaved(&closed), unsaved(&killed)),
        (few, most),
        "a start kept a snapshot, and the next had less to do"
    );
    let begun = Instant::now();
    let args = ["ledger", "verify", "--store", &store(&closed)];
    let verified = command().args(args).output().expect("portcullis runs");
    assert!(verified.status.success(), "the ledger is bad: {}", String::from_utf8_lossy(&verified.stderr));
    let verify = begun.elapsed().as_secs_f64();
    let mut rows: Vec<_> = results.iter().map(Result::row).collect();
    rows.push(crate::report::Row {
        who: "ledger verify, all of it".to_owned(),
        figures: vec![figure("took", verify, "s"), figure("rate", RECORDS as f64 / verify, "/s")],
    });
    let size = std::fs::metadata(&closed).map_or(0, |it| it.len());
    vec![Section {
        title: "start with 1,000,000 records".to_owned(),
        method: format!(
            "a new process each time, from exec to the ready line; the file system's cache is warm; {AGENTS} agents with \
             10 rules and 3 limits; the ledger has {:.0} MB",
            size as f64 / 1e6
        ),
        aim: "<= 2 s",
        rows,
        notes: vec![
            "the empty ledger's start has the policy of 10,000 rules to compile, as the others do".to_owned(),
        ],
    }]
}

/// A ledger with a million decisions whose last snapshot is as old as one can be.
fn prepared() -> PathBuf {
    let path = folder().join("ledger-1m.db");
    if path.is_file() && size(&path).is_some_and(|size| size >= RECORDS) && unsaved(&path) > 99_000 {
        return path;
    }
    for ending in ["", "-wal", "-shm", ".key"] {
        drop(std::fs::remove_file(format!("{}{ending}", path.display())));
    }
    eprintln!("making a ledger of {RECORDS} records (once) ...");
    let mut bench = Bench::new(LedgerInk::open(&path).expect("a ledger opens"), AGENTS);
    while bench.size() < RECORDS {
        let rest = RECORDS - bench.size();
        // Snapshots fall due every 100,000 records from the first, which is here after ten.
        let first = bench.size() == 0;
        bench.batch(if first { 10 } else { usize::try_from(rest.min(1_000)).unwrap_or(1) });
        if first {
            bench.save();
        }
        bench.save_if_due();
    }
    path
}

/// How many records there are, if it is a ledger that this build can read.
fn size(path: &Path) -> Option<u64> {
    ledger::Reader::open(path).ok()?.size().ok()
}

/// How many records a start has to fold, beyond the snapshot.
fn unsaved(path: &Path) -> u64 {
    let mut log = SqliteLog::open(path).expect("a ledger opens");
    let saved = log.load_snapshot().expect("a ledger is read").map_or(0, |(at, _)| at);
    size(path).unwrap_or(0).saturating_sub(saved)
}

fn copy(from: &Path, to: &Path) {
    for ending in ["", "-wal", ".key"] {
        let name = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
        if name(from).is_file() {
            std::fs::copy(name(from), name(to)).expect("a ledger can be copied");
        }
    }
}
