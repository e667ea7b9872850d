//! Runs whose inside bubblewrap makes: the same list of attempts, the same ends, the same faults.
//!
//! Where it is not installed nothing is tried, and each test says so.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use sandbox::attack::{self, Attempt, Scene};
use sandbox::{Backend, Guarantee, Mode, Network, Spec, Step, Workspace, doctor};

use crate::attacks::in_private;
use crate::death::until;
use crate::rig::{As, NOBODY, Place, everyone, is_root};

/// True if it can be tried here.
fn is_there(test: &str) -> bool {
    let there = Path::new("/usr/bin/bwrap").exists();
    if !there {
        println!("NOT TRIED: {test}, because bubblewrap is not installed");
    }
    there
}

/// A run of a shell script, with everything waived that bubblewrap cannot give.
fn sh(who: As, script: &str) -> Spec {
    let mut spec = crate::rig::sh(who, script);
    spec.backend = Backend::Bubblewrap;
    spec.accept_missing.push(Guarantee::Disk);
    spec
}

/// What got in, and what of it is said to be kept out.
fn attacked(who: As, network: Network) -> (Vec<Attempt>, Vec<String>) {
    let place = Place::new();
    let scene = Scene::set(&place.dir, &place.program, NOBODY).unwrap();
    let mut spec = doctor::attempt(&scene.stage, &place.program, &scene.workspace).unwrap();
    spec.backend = Backend::Bubblewrap;
    spec.workspace = Some(Workspace { path: scene.workspace.clone(), mode: Mode::Direct });
    spec.limits.output = 1 << 20;
    spec.network = network;
    let ran = place.run(who, &spec);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let attempts = doctor::read(ran.out().as_bytes()).unwrap();
    assert_eq!(attempts.len(), attack::all().len());
    let report: sandbox::Report = serde_json::from_value(ran.json["report"].clone()).unwrap();
    let made_by = report.made_by.as_ref().unwrap();
    assert_eq!(made_by.backend, Backend::Bubblewrap);
    println!("{made_by}");
    let missing = report.missing(&[]);
    let got_in: Vec<Attempt> = attempts.into_iter().filter(|it| it.got_in).collect();
    let broken = got_in.iter().filter(|it| !missing.contains(&it.breaks));
    let broken = broken.map(|it| format!("{} breaks {}", it.name, it.breaks)).collect();
    (got_in, broken)
}

/// What is open: how many files there are, and what is written in place. Without control groups, memory as well.
fn held(who: As, network: Network) {
    let (got_in, broken) = attacked(who, network);
    assert_eq!(broken, Vec::<String>::new(), "{who:?}");
    let names: Vec<&str> = got_in.iter().map(|it| it.name.as_str()).collect();
    let open = ["res_inodes", "res_disk_many_files", "res_mem_aggregate"];
    assert!(names.iter().all(|name| open.contains(name)), "{who:?} {names:?}");
    assert!(who == As::Nobody || !names.contains(&"res_mem_aggregate"), "{names:?}");
}

#[test]
fn no_attempt_breaks_what_bubblewrap_is_said_to_keep() {
    if is_there("the list of attempts") {
        in_private("bubblewrap::attempts");
    }
}

#[test]
#[ignore = "run by `no_attempt_breaks_what_bubblewrap_is_said_to_keep`"]
fn attempts() {
    held(As::Root, Network::None);
    held(As::Nobody, Network::None);
}

#[test]
fn with_a_proxy_none_works_either() {
    if is_there("the list of attempts with a proxy") {
        in_private("bubblewrap::attempts_with_a_proxy");
    }
}

#[test]
#[ignore = "run by `with_a_proxy_none_works_either`"]
fn attempts_with_a_proxy() {
    held(As::Root, Network::Proxy);
    held(As::Nobody, Network::Proxy);
}

#[test]
fn the_doctor_tries_it_too() {
    if !is_there("the doctor") {
        return;
    }
    let place = Place::new();
    let found = doctor::examine(Some(place.program.clone()), Backend::Bubblewrap).unwrap();
    assert_eq!(found.broken, Vec::<String>::new());
    assert!(!found.is_well(), "the number of files has no limit");
    assert!(found.report.made_by.is_some());
}

#[test]
fn what_it_cannot_give_is_required_unless_it_is_waived() {
    if !is_there("refusals") {
        return;
    }
    let place = Place::new();
    for who in everyone() {
        let mut run = sh(who, "true");
        run.accept_missing.retain(|it| *it != Guarantee::Disk);
        let ran = place.run(who, &run);
        let why = ran.refused().unwrap();
        assert!(why.contains("`disk`") && why.contains("own backend"), "{who:?} {why}");
        let path = place.workspace(who);
        let mut run = sh(who, "touch made");
        run.workspace = Some(Workspace { path: path.clone(), mode: Mode::Overlay });
        let why = place.run(who, &run).refused().unwrap().to_owned();
        assert!(why.contains("layer") && fs::read_dir(&path).unwrap().next().is_none(), "{who:?} {why}");
    }
}

#[test]
fn exit_codes_signals_streams_and_times_are_the_programs() {
    if !is_there("ends") {
        return;
    }
    let place = Place::new();
    for who in everyone() {
        let ran = place.run(who, &sh(who, "id -u; pwd; echo to-err >&2; env | sort; exit 7"));
        let lines: Vec<&str> = ran.out().lines().collect();
        assert_eq!(lines[..2], ["65534", "/tmp"], "{who:?} {ran:?}");
        let env = ["HOME=/tmp/home", "LANG=C.UTF-8"];
        assert!(env.iter().all(|it| lines.contains(it)) && lines.len() <= 7, "{who:?} {lines:?}");
        assert_eq!((ran.err(), ran.code()), ("to-err\n", Some(7)), "{who:?}");
        let ran = place.run(who, &sh(who, "kill -SEGV $$"));
        assert_eq!(ran.json["ended"]["signal"], libc::SIGSEGV, "{who:?} {ran:?}");
        let mut run = sh(who, "trap 'echo bye; exit 3' TERM; sleep 30 & wait");
        (run.limits.wall_ms, run.limits.grace_ms) = (500, 5000);
        let ran = place.run(who, &run);
        assert_eq!((ran.out(), ran.code()), ("bye\n", Some(3)), "{who:?} {ran:?}");
        let script = "trap '' TERM; (trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 60' &) ; sleep 60";
        let mut run = sh(who, script);
        (run.limits.wall_ms, run.limits.grace_ms) = (500, 100);
        let ran = place.run(who, &run);
        assert_eq!(ran.json["ended"]["signal"], libc::SIGKILL, "{who:?} {ran:?}");
        assert_eq!(ran.json["ended"]["timed_out"], true, "{who:?} {ran:?}");
    }
}

#[test]
fn a_workspace_is_written_in_place_but_for_what_runs_later() {
    if !is_there("workspaces") {
        return;
    }
    // What is written must be the program's user's.
    let place = Place::new();
    let path = place.workspace(As::Nobody);
    for (file, text) in [(".git/hooks/pre-commit", "before"), ("there", "before")] {
        fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
        fs::write(path.join(file), text).unwrap();
    }
    if is_root() {
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(&path).status().unwrap().success());
    }
    for who in everyone() {
        let script = "echo after > there; echo evil > .git/hooks/pre-commit; mv .git/hooks .git/moved; \
                      mv .git moved; echo made > made; ls /etc/shadow /root /home; cat /opt/*/*";
        let mut run = sh(who, script);
        run.cwd.clone_from(&path);
        run.workspace = Some(Workspace { path: path.clone(), mode: Mode::Direct });
        let ran = place.run(who, &run);
        assert_eq!(fs::read_to_string(path.join("there")).unwrap(), "after\n", "{ran:?}");
        assert_eq!(fs::read_to_string(path.join(".git/hooks/pre-commit")).unwrap(), "before", "{ran:?}");
        assert!(path.join("made").exists() && ran.out().is_empty(), "{who:?} {ran:?}");
        run.workspace = Some(Workspace { path: path.clone(), mode: Mode::ReadOnly });
        run.argv[2] = "echo again > made".to_owned();
        let ran = place.run(who, &run);
        assert!(ran.code() != Some(0), "{who:?} {ran:?}");
        assert_eq!(fs::read_to_string(path.join("made")).unwrap(), "made\n");
        fs::remove_file(path.join("made")).unwrap();
    }
}

#[test]
fn whichever_step_fails_nothing_is_executed() {
    if !is_there("faults") {
        return;
    }
    let place = Place::new();
    let path = place.workspace(As::Nobody);
    for who in everyone() {
        for step in Step::ALL {
            let mut run = sh(who, "echo executed > executed");
            run.cwd.clone_from(&path);
            run.workspace = Some(Workspace { path: path.clone(), mode: Mode::Direct });
            run.network = Network::Proxy;
            run.fail_at = Some(step);
            let ran = place.run(who, &run);
            let why = ran.refused().unwrap_or_else(|| panic!("{step:?} {who:?} {ran:?}"));
            assert!(why.contains(step.says()), "{step:?} {who:?}: {why}");
            assert!(!path.join("executed").exists(), "{step:?} {who:?}");
        }
    }
}

#[test]
fn a_gate_that_is_killed_takes_its_runs_along() {
    if !is_there("the death of the gate") {
        return;
    }
    let place = Place::new();
    for who in everyone() {
        let mark = format!("sleep 8{}{}", std::process::id(), who as u8);
        let run = sh(who, &format!("trap '' TERM; (setsid sh -c \"trap '' TERM; {mark}\" &); {mark}"));
        let mut command = Command::new(&place.program);
        command.arg(serde_json::to_string(&run).unwrap()).stdout(Stdio::null());
        if who == As::Nobody && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut gate = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(until(true, &mark));
        gate.kill().unwrap();
        gate.wait().unwrap();
        assert!(until(false, &mark), "{who:?}: it goes on");
    }
}
