//! The process that helpers are copies of: one for a gate, started again if it is gone, with nothing of earlier runs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use sandbox::{Outcome, Report, Sink, Spec, Stdin, Stream};

use crate::attacks::in_private;
use crate::rig::{As, Place, is_root, sh};

#[derive(Default)]
struct Heard(Vec<u8>);

impl Sink for Heard {
    fn printed(&mut self, _: Stream, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

fn run(place: &Place, spec: &Spec) -> (Outcome, String) {
    let mut heard = Heard::default();
    let ran = sandbox::run(spec, Some(place.program.clone()), Stdin::Empty, &mut heard);
    (ran.unwrap_or_else(|why| panic!("{why}")), String::from_utf8(heard.0).unwrap())
}

/// Whoever starts the test: root has control groups, others have not.
fn me() -> As {
    if is_root() { As::Root } else { As::Nobody }
}

/// Processes of a parent, by what `stat` says of them.
fn children(parent: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit(") ").next().unwrap_or_default().to_owned();
        after.split(' ').nth(1).is_some_and(|it| it == parent.to_string()) && !after.starts_with('Z')
    };
    numbers.filter(child).collect()
}

#[test]
fn many_runs_leave_one_starter_and_a_dead_one_is_replaced() {
    let place = Place::new();
    for n in 0..20 {
        let (ran, out) = run(&place, &sh(me(), &format!("echo {n}")));
        assert_eq!((ran.ended.code, out), (Some(0), format!("{n}\n")));
    }
    let ours = std::process::id();
    let [starter] = children(ours)[..] else { panic!("{:?}", children(ours)) };
    let open = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    // stdin, stdout, stderr, the door, and a pipe of each helper that waits, by which it says that its run has come.
    assert!(open(starter) <= 6, "{}", open(starter));
    // SAFETY: a child of ours.
    unsafe { libc::kill(starter as i32, libc::SIGKILL) };
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (ran, out) = run(&place, &sh(me(), "echo again"));
    assert_eq!((ran.ended.code, out.as_str()), (Some(0), "again\n"));
    assert_ne!(children(ours), [starter]);
}

#[test]
fn runs_at_the_same_time_do_not_meet() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let place = &place;
            scope.spawn(move || {
                let (ran, out) =
                    run(place, &sh(me(), &format!("sleep 0.1; ps -e | grep -c sleep; echo {n}")));
                assert!(ran.ended.code == Some(0) && out.ends_with(&format!("{n}\n")), "{out}");
            });
        }
    });
}

#[test]
fn a_helper_that_waits_ahead_sees_what_is_mounted_when_its_run_comes() {
    in_private("starter::mounts_of_then");
}

#[test]
#[ignore = "run by `a_helper_that_waits_ahead_sees_what_is_mounted_when_its_run_comes`"]
fn mounts_of_then() {
    let place = Place::new();
    let at = place.dir.join("later");
    fs::create_dir(&at).unwrap();
    let before = fs::metadata(&at).unwrap().dev();
    let (ran, _) = run(&place, &sh(me(), "true"));
    assert_eq!(ran.ended.code, Some(0));
    let path = std::ffi::CString::new(at.to_str().unwrap()).unwrap();
    // SAFETY: all texts live through the call; the mount namespace is the test's own.
    let done =
        unsafe { libc::mount(c"none".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    assert_ne!(fs::metadata(&at).unwrap().dev(), before);
    fs::write(at.join("file"), "mounted").unwrap();
    let mut spec = sh(me(), &format!("cat {}/file", at.display()));
    spec.read.push(at);
    let seen = run(&place, &spec).1;
    // SAFETY: the text lives through the call.
    unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    assert_eq!(seen, "mounted");
}

/// Looks, once the program runs, for the groups that it is in.
#[derive(Default)]
struct Groups(Vec<String>);

impl Sink for Groups {
    fn printed(&mut self, _: Stream, _: &[u8]) {}
    fn started(&mut self, _: &Report) {
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let called =
            |path: &PathBuf| fs::read(path.join("cmdline")).is_ok_and(|it| it == b"sleep\x000.117\x00");
        let mut sleeping = all.filter(called);
        let groups = sleeping.next().map(|path| fs::read_to_string(path.join("cgroup")).unwrap());
        self.0 = groups.unwrap_or_default().lines().map(str::to_owned).collect();
    }
}

#[test]
fn the_program_is_in_the_group_that_is_made_when_its_run_comes() {
    if !is_root() {
        println!("SKIPPED: control groups, because this is not root");
        return;
    }
    let place = Place::new();
    let mut spec = Spec::new(vec!["sleep".to_owned(), "0.117".to_owned()]);
    spec.limits.cpu = Some(50);
    // More than once: who is quicker, helper or first process, is another each time.
    for _ in 0..10 {
        let mut groups = Groups::default();
        let ran = sandbox::run(&spec, Some(place.program.clone()), Stdin::Empty, &mut groups).unwrap();
        assert_eq!(ran.ended.code, Some(0));
        let of_cpu =
            |line: &&String| line.contains(":cpu:") || line.contains(":cpu,") || line.contains(",cpu:");
        let all = groups.0.iter().find(|line| line.starts_with("0::"));
        let line = groups.0.iter().find(of_cpu).or(all);
        assert!(line.is_some_and(|line| line.contains("portcullis-")), "{:?}", groups.0);
    }
}
