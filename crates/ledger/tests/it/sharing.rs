//! Several programs on one file: one sequence, whoever is killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use ledger::{Fault, Log as _, Reader, SqliteLog, Sync};

use crate::rig::{fill, place, plain};

fn child(path: &Path, name: &str, count: u32) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sharing::child_that_appends", "--ignored", "--nocapture"])
        .env("LEDGER", path)
        .env("NAME", name)
        .env("COUNT", count.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "run by the other tests of this file"]
fn child_that_appends() {
    let path = std::env::var_os("LEDGER").unwrap();
    let name = std::env::var("NAME").unwrap();
    let count: u32 = std::env::var("COUNT").unwrap().parse().unwrap();
    let mut log = SqliteLog::open(Path::new(&path)).unwrap();
    for n in 0..count {
        let at = log.turn().unwrap();
        log.append(at, &[plain(&format!("{name} {n}"))], Sync::Durable).unwrap();
        println!("\nacknowledged {at} {name} {n}");
    }
}

#[test]
fn processes_share_one_sequence() {
    let place = place();
    let children: Vec<_> = ["a", "b", "c"].map(|name| child(&place.path, name, 100)).into();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let report = place.verify();
    assert_eq!((report.failure, report.size, report.unsigned), (None, 300, 0));
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let place = place();
    let mut other = place.open();
    for round in 0..12 {
        let name = format!("round{round}");
        let mut victim = child(&place.path, &name, u32::MAX);
        let mut heard = Vec::new();
        for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
            if let Some(text) = line.unwrap().strip_prefix("acknowledged ") {
                let (index, body) = text.split_once(' ').unwrap();
                heard.push((index.parse::<u64>().unwrap(), body.to_owned()));
            }
            if heard.len() > round * 7 {
                victim.kill().unwrap();
                break;
            }
        }
        victim.wait().unwrap();
        // The pen of the killed is free, and nothing it said is lost.
        let at = other.turn().unwrap();
        other.append(at, &[plain("survivor")], Sync::Durable).unwrap();
        let reader = Reader::open(&place.path).unwrap();
        for (index, body) in heard {
            assert_eq!(reader.get(index).unwrap().unwrap().body, body.into_bytes());
        }
    }
    drop(other);
    assert_eq!(place.verify().failure, None);
    place.open();
}

#[test]
fn whoever_waits_too_long_is_told() {
    let place = place();
    let (mut one, mut two) = (place.open(), place.open());
    one.turn().unwrap();
    assert_eq!(two.turn(), Err(Fault::Busy));
    one.append(0, &[plain("a")], Sync::Durable).unwrap();
    assert_eq!(two.turn(), Ok(1));
}

#[test]
fn readers_follow_a_writer() {
    let place = place();
    let mut log = place.open();
    let reader = Reader::open(&place.path).unwrap();
    assert_eq!(reader.size(), Ok(0));
    assert!(!reader.changed());
    fill(&mut log, 0, 20);
    assert!(reader.changed());
    assert!(!reader.changed());
    assert_eq!(reader.size(), Ok(20));
    let back: Vec<u64> = reader.read_back(15, 4).unwrap().iter().map(|entry| entry.index).collect();
    assert_eq!(back, [14, 13, 12, 11]);
    assert_eq!(reader.read_back(u64::MAX, 2).unwrap().len(), 2);
    assert!(reader.read_back(0, 5).unwrap().is_empty());
    let about: Vec<u64> = reader.referring(13).unwrap().iter().map(|entry| entry.index).collect();
    assert_eq!(about, [14]);
    assert!(reader.referring(0).unwrap().is_empty());
    assert_eq!(reader.get(20), Ok(None));
    assert_eq!(reader.leaf(20), Err(Fault::NoSuchRecord { index: 20, size: 20 }));
    assert_eq!(reader.inclusion(3, 21), Err(Fault::NoSuchRecord { index: 20, size: 20 }));
    assert_eq!(reader.inclusion(3, 3), Err(Fault::NoSuchRecord { index: 3, size: 3 }));
    assert!(reader.consistency(4, 3).is_err());
    drop(log);
    assert_eq!(reader.size(), Ok(20), "with no writer left");
    assert_eq!(Reader::open(&place.path).unwrap().size(), Ok(20));
}
