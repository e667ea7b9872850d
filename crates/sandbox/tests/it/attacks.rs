//! The list of attempts to get out: each works for an unprivileged user without a sandbox, and none within.
//!
//! Everything that runs as root does so in a mount and process namespace of its own.

use std::os::unix::process::CommandExt;
use std::process::Command;

use sandbox::attack::{self, ATTACKER, Attempt, Scene};
use sandbox::{Backend, Network, doctor};

use crate::rig::{As, NOBODY, Place, is_root};

/// Runs one of the hidden tests below where it can do no harm.
pub fn in_private(test: &str) {
    if !is_root() {
        println!("SKIPPED: {test}, because only root can make a private place to attack in");
        return;
    }
    let ended = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", test])
        .output()
        .expect("`unshare` of util-linux is needed");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[test]
fn each_attempt_works_outside() {
    in_private("attacks::outside");
}

#[test]
fn none_works_inside_what_root_starts() {
    in_private("attacks::inside_root");
}

#[test]
fn inside_what_nobody_starts_only_the_memory_of_the_whole_run_is_open() {
    in_private("attacks::inside_nobody");
}

/// The control arm: nobody, without a sandbox, with the gate's environment and an open folder left behind.
#[test]
#[ignore = "run by `each_attempt_works_outside`"]
fn outside() {
    let place = Place::new();
    let scene = Scene::set(&place.dir, &place.program, NOBODY).unwrap();
    let output = Command::new(&place.program)
        .arg0(ATTACKER)
        .arg(serde_json::to_string(&scene.stage).unwrap())
        .uid(NOBODY)
        .gid(NOBODY)
        .env("STAGE_SECRET", &scene.stage.mark)
        .current_dir(&scene.workspace)
        .output()
        .unwrap();
    let attempts = doctor::read(&output.stdout).unwrap();
    assert_eq!(attempts.len(), attack::all().len());
    let mut failed = Vec::new();
    for (attempt, attack) in attempts.iter().zip(attack::all()) {
        if attack.works_outside && !attempt.got_in {
            failed.push(format!("{}: {}", attempt.name, attempt.stopped));
        }
        if !attack.works_outside {
            println!(
                "not shown outside: {}: {}",
                attempt.name,
                if attempt.got_in { "IN" } else { &attempt.stopped }
            );
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

fn inside(who: As) -> Vec<Attempt> {
    with(who, Network::None)
}

fn with(who: As, network: Network) -> Vec<Attempt> {
    let place = Place::new();
    let scene = Scene::set(&place.dir, &place.program, NOBODY).unwrap();
    let mut spec = doctor::attempt(&scene.stage, &place.program, &scene.workspace).unwrap();
    spec.limits.output = 1 << 20;
    spec.network = network;
    let ran = place.run(who, &spec);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let attempts = doctor::read(ran.out().as_bytes()).unwrap();
    assert_eq!(attempts.len(), attack::all().len());
    for attempt in &attempts {
        println!("{who:?} {}: {}", attempt.name, if attempt.got_in { "IN" } else { &attempt.stopped });
    }
    attempts.into_iter().filter(|it| it.got_in).collect()
}

/// With a proxy there are sockets: what they reach is still nobody but the proxy. Here nobody even serves that.
#[test]
fn with_a_proxy_none_works_either() {
    in_private("attacks::inside_with_a_proxy");
}

#[test]
#[ignore = "run by `with_a_proxy_none_works_either`"]
fn inside_with_a_proxy() {
    let nothing: [&str; 0] = [];
    assert_eq!(names(&with(As::Root, Network::Proxy)), nothing);
    assert_eq!(names(&with(As::Nobody, Network::Proxy)), ["res_mem_aggregate"]);
}

fn names(attempts: &[Attempt]) -> Vec<&str> {
    attempts.iter().map(|it| it.name.as_str()).collect()
}

#[test]
#[ignore = "run by `none_works_inside_what_root_starts`"]
fn inside_root() {
    let nothing: [&str; 0] = [];
    assert_eq!(names(&inside(As::Root)), nothing);
}

#[test]
#[ignore = "run by `inside_what_nobody_starts_only_the_memory_of_the_whole_run_is_open`"]
fn inside_nobody() {
    assert_eq!(names(&inside(As::Nobody)), ["res_mem_aggregate"]);
}

#[test]
fn the_doctor_says_what_this_host_keeps() {
    let place = Place::new();
    let found = doctor::examine(Some(place.program.clone()), Backend::Own).unwrap();
    assert_eq!(found.broken, Vec::<String>::new());
    assert!(!is_root() || found.is_well(), "{:?}", found.report.missing(&[]));
}

#[test]
fn canaries_are_a_part_of_the_list_and_quick() {
    let place = Place::new();
    let start = std::time::Instant::now();
    let found = doctor::canaries(Some(place.program.clone()), Backend::Own).unwrap();
    assert_eq!(found.broken, Vec::<String>::new());
    assert!(found.attempts.len() > 30 && start.elapsed().as_secs() < 10);
}
