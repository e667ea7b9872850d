//! A run with the defaults: what it sees, what it is, how it ends, and what it costs.

use std::fs;

use sandbox::{Mode, Workspace};

use crate::rig::{As, Place, everyone, sh};

#[test]
fn a_program_runs_and_its_exit_code_and_output_come_back() {
    let place = Place::new();
    for who in everyone() {
        let ran = place.run(who, &sh(who, "echo out; echo err >&2; exit 7"));
        assert_eq!((ran.out(), ran.err(), ran.code()), ("out\n", "err\n", Some(7)), "{who:?} {ran:?}");
    }
}

#[test]
fn the_environment_is_built_and_not_inherited() {
    let place = Place::new();
    for who in everyone() {
        let ran = place.run(who, &sh(who, "env | sort | grep -v '^_='; tr '\\0' '\\n' < /proc/1/environ"));
        let names: Vec<_> = ran.out().lines().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, ["HOME", "LANG", "PATH", "PWD"], "{who:?} {ran:?}");
    }
}

/// What a run has of its own is not covered by the host's, whoever lists it.
#[test]
fn the_hosts_processes_and_devices_cannot_be_listed() {
    let place = Place::new();
    for who in everyone() {
        for path in ["/proc", "/proc/1", "/proc/sys", "/dev", "/"] {
            let mut run = sh(who, "echo executed");
            run.read.push(path.into());
            let ran = place.run(who, &run);
            assert!(ran.refused().is_some_and(|why| why.contains("cannot be shown")), "{path} {ran:?}");
            assert_eq!(ran.out(), "");
        }
    }
}

#[test]
fn nothing_is_there_but_what_is_listed() {
    let place = Place::new();
    for who in everyone() {
        let ran = place.run(who, &sh(who, "ls / /home /root /run /sys /dev 2>&1; cat /etc/shadow"));
        for absent in ["home\n", "root\n", "run\n", "sys\n", "var\n"] {
            assert!(!ran.out().contains(&format!("\n{absent}")), "{absent} {who:?} {ran:?}");
        }
        assert!(ran.out().contains("null\n"), "{who:?} {ran:?}");
    }
}

#[test]
fn a_direct_workspace_is_written_by_an_unprivileged_user_and_keeps_its_owner() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    for who in everyone() {
        let path = place.workspace(who);
        let mut run = sh(who, "id -u; echo hello > made; cat made");
        run.cwd.clone_from(&path);
        run.workspace = Some(Workspace { path: path.clone(), mode: Mode::Direct });
        run.accept_missing.push(sandbox::Guarantee::Disk);
        let ran = place.run(who, &run);
        assert_eq!(ran.out(), "65534\nhello\n", "{who:?} {ran:?}");
        let made = fs::metadata(path.join("made")).unwrap();
        assert_eq!(made.uid(), fs::metadata(&path).unwrap().uid());
    }
}

#[test]
fn an_overlay_workspace_takes_changes_and_the_folder_keeps_none() {
    let place = Place::new();
    for who in everyone() {
        let path = place.workspace(who);
        fs::write(path.join("there"), "before\n").unwrap();
        let mut run =
            sh(who, "cat there; echo after > there; rm -f nothing; echo new > made; cat there made");
        run.cwd.clone_from(&path);
        run.workspace = Some(Workspace { path: path.clone(), mode: Mode::Overlay });
        let ran = place.run(who, &run);
        assert_eq!(ran.code(), Some(0), "{who:?} {ran:?}");
        assert_eq!(fs::read_to_string(path.join("there")).unwrap(), "before\n");
        assert!(!path.join("made").exists());
    }
}

#[test]
fn time_is_up_for_the_whole_tree_even_if_it_does_not_listen() {
    let place = Place::new();
    for who in everyone() {
        let script = "trap '' TERM; (trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 60' &) ; sleep 60";
        let mut run = sh(who, script);
        (run.limits.wall_ms, run.limits.grace_ms) = (300, 100);
        let start = std::time::Instant::now();
        let ran = place.run(who, &run);
        assert!(start.elapsed().as_millis() < 3000, "{who:?} {:?}", start.elapsed());
        assert_eq!(ran.json["ended"]["timed_out"], true, "{who:?} {ran:?}");
        assert_eq!(ran.json["ended"]["signal"], 9, "{who:?} {ran:?}");
    }
}

#[test]
fn a_program_that_listens_has_its_grace() {
    let place = Place::new();
    for who in everyone() {
        let mut run = sh(who, "trap 'echo bye; exit 3' TERM; sleep 30 & wait");
        (run.limits.wall_ms, run.limits.grace_ms) = (300, 5000);
        let ran = place.run(who, &run);
        assert_eq!((ran.out(), ran.code()), ("bye\n", Some(3)), "{who:?} {ran:?}");
        assert_eq!(ran.json["ended"]["timed_out"], true);
    }
}

#[test]
fn output_is_cut_at_its_limit_and_the_run_goes_on() {
    let place = Place::new();
    for who in everyone() {
        let mut run = sh(who, "head -c 300000 /dev/zero | tr '\\0' x; exit 5");
        run.limits.output = 1000;
        let ran = place.run(who, &run);
        assert_eq!((ran.out().len(), ran.code()), (1000, Some(5)), "{who:?}");
        assert_eq!((&ran.json["cut"], &ran.json["printed"]), (&true.into(), &300_000.into()));
    }
}

#[test]
fn a_daemon_that_holds_the_output_open_keeps_nobody_and_is_ended() {
    let place = Place::new();
    for who in everyone() {
        let start = std::time::Instant::now();
        let ran = place.run(who, &sh(who, "setsid sleep 20 & echo done"));
        assert_eq!(ran.out(), "done\n", "{who:?} {ran:?}");
        assert!(start.elapsed().as_secs() < 5);
    }
}

#[test]
fn what_cannot_be_had_is_refused_by_name_and_with_a_remedy() {
    let place = Place::new();
    let mut run = sh(As::Nobody, "true");
    run.accept_missing.clear();
    let ran = place.run(As::Nobody, &run);
    let why = ran.refused().unwrap();
    assert!(why.contains("`memory`") && why.contains("Delegate=yes"), "{why}");
}

#[test]
fn memory_of_the_whole_run_is_limited_where_there_are_groups() {
    if !crate::rig::is_root() {
        println!("SKIPPED: memory of the whole run, because only root has control groups here");
        return;
    }
    let place = Place::new();
    let mut run =
        sh(As::Root, "for i in 1 2 3 4; do head -c 40m /dev/zero | tail -c 40m | sleep 1 & done; wait");
    run.limits.memory = 64 << 20;
    let ran = place.run(As::Root, &run);
    assert_eq!(ran.json["ended"]["out_of_memory"], true, "{ran:?}");
}

#[test]
fn a_program_that_is_not_there_is_a_plain_error() {
    let place = Place::new();
    for who in everyone() {
        for (program, why) in [("/nowhere/x", "No such file"), ("/usr", "denied"), ("nosuch", "No such file")]
        {
            let mut run = sh(who, "");
            run.argv = vec![program.to_owned()];
            let ran = place.run(who, &run);
            assert!(ran.refused().is_some_and(|it| it.contains(why)), "{who:?} {ran:?}");
        }
    }
}
