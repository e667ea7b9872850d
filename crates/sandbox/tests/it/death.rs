//! The gate goes away in the middle of a run.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::rig::{As, NOBODY, Place, everyone, is_root, sh};

fn alive(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(mark))
    })
}

pub fn until(wanted: bool, mark: &str) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if alive(mark) == wanted {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn a_gate_that_is_killed_takes_its_runs_along() {
    let place = Place::new();
    for who in everyone() {
        // Double-forked, deaf to SIGTERM, in a session of its own.
        let number = format!("{}{}", std::process::id(), who as u8);
        let mark = format!("sleep 7{number}");
        let run = sh(who, &format!("trap '' TERM; (setsid sh -c \"trap '' TERM; {mark}\" &); {mark}"));
        let mut command = Command::new(&place.program);
        command.arg(serde_json::to_string(&run).unwrap()).stdout(Stdio::null());
        if who == As::Nobody && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut gate = command.spawn().unwrap();
        // The gate's own command line holds the script as well: look for the program itself.
        std::thread::sleep(Duration::from_millis(300));
        assert!(until(true, &mark));
        gate.kill().unwrap();
        gate.wait().unwrap();
        assert!(until(false, &mark), "{who:?}: it goes on");
    }
}
