//! Hosts that lack something, simulated: the run is refused, and says what is missing and what would mend it.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use sandbox::attack::{self, ATTACKER, Attempt, Scene};
use sandbox::{Backend, Guarantee, Mode, Network, Spec, Workspace, doctor};
use serde_json::Value;

use crate::rig::{As, NOBODY, Place, is_root, sh};

/// Runs as nobody where system calls are answered with an error, as container filters do: that nothing is executed, and
/// why.
fn without(place: &Place, calls: &'static [libc::c_long], error: i32) -> String {
    let told = lacking(place, &sh(As::Nobody, "echo executed"), calls, error);
    assert_eq!(told["out"], "", "it was executed: {told}");
    told["not_run"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

fn lacking(place: &Place, run: &Spec, calls: &'static [libc::c_long], error: i32) -> Value {
    let mut command = Command::new(&place.program);
    command.arg(serde_json::to_string(run).unwrap()).env("PORTCULLIS_TEST_SECRET", "of the gate");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // SAFETY: the test is the only thread that matters here; what is prepared is prepared in the child.
    unsafe {
        command.pre_exec(move || deny(calls, error));
    }
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn deny(calls: &[libc::c_long], error: i32) -> io::Result<()> {
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };
    let user = libc::CLONE_NEWUSER as u64;
    let in_namespace =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(user), user).unwrap();
    let rules = calls.iter().map(|call| match *call {
        // Processes there must be; user namespaces need not.
        libc::SYS_clone => (*call, vec![SeccompRule::new(vec![in_namespace.clone()]).unwrap()]),
        call => (call, vec![]),
    });
    let rules = rules.collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(error as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

#[test]
fn without_landlock_the_second_wall_is_named() {
    let place = Place::new();
    for error in [libc::ENOSYS, libc::EOPNOTSUPP, libc::EPERM] {
        let why = without(&place, &[libc::SYS_landlock_create_ruleset], error);
        assert!(why.contains("`files.read` in full") && why.contains("lsm="), "{why}");
    }
}

/// A kernel that says it has landlock and then does not enforce it.
#[test]
fn landlock_that_fails_later_is_no_landlock() {
    let place = Place::new();
    let why = without(&place, &[libc::SYS_landlock_restrict_self], libc::EPERM);
    assert!(why.contains("landlock could not be enforced"), "{why}");
}

#[test]
fn without_mounts_nothing_runs() {
    let place = Place::new();
    for call in [&[libc::SYS_mount][..], &[libc::SYS_open_tree], &[libc::SYS_pivot_root], &[libc::SYS_fsopen]]
    {
        let why = without(&place, call, libc::EPERM);
        assert!(why.starts_with("nothing was executed: "), "{why}");
    }
}

/// As on hosts whose administrator forbids user namespaces to everyone but root.
#[test]
fn without_user_namespaces_the_remedy_is_told() {
    let place = Place::new();
    let why = without(&place, &[libc::SYS_clone], libc::EPERM);
    assert!(why.contains("namespaces could not be made") && why.contains("as root"), "{why}");
}

/// Without the filter's own system call, and without the older way to it.
#[test]
fn without_system_call_filters_nothing_runs() {
    let place = Place::new();
    let why = without(&place, &[libc::SYS_seccomp], libc::EINVAL);
    assert!(why.contains("system call filter") && why.contains("CONFIG_SECCOMP_FILTER"), "{why}");
}

/// What a host without namespaces cannot keep.
const LOST: [Guarantee; 9] = [
    Guarantee::FilesHidden,
    Guarantee::FilesMetadata,
    Guarantee::ProcessesHidden,
    Guarantee::Memory,
    Guarantee::Processes,
    Guarantee::Disk,
    Guarantee::Time,
    Guarantee::GateDeath,
    Guarantee::Cpu,
];

const USERNS: &[libc::c_long] = &[libc::SYS_clone, libc::SYS_unshare];

fn waiving(script: &str, waived: &[Guarantee]) -> Spec {
    let mut run = sh(As::Nobody, script);
    run.accept_missing = waived.to_vec();
    run
}

/// Each of them is named, and each of them is needed: with one waiver less nothing runs.
#[test]
fn without_namespaces_each_lost_guarantee_is_waived_or_nothing_runs() {
    let place = Place::new();
    let told = lacking(&place, &waiving("echo executed", &[]), USERNS, libc::EPERM);
    let why = told["not_run"].as_str().unwrap();
    for lost in LOST.iter().filter(|it| **it != Guarantee::Cpu) {
        assert!(why.contains(&format!("`{lost}`")), "{lost}: {why}");
        let waived: Vec<_> = LOST.into_iter().filter(|it| it != lost).collect();
        let told = lacking(&place, &waiving("echo executed", &waived), USERNS, libc::EPERM);
        assert!(told["out"] == "" && told["not_run"].as_str().unwrap().contains(lost.as_str()), "{told}");
    }
    for kept in
        ["files.read", "files.write", "network", "sockets.host", "privileges", "kernel", "ipc", "environment"]
    {
        assert!(!why.contains(&format!("`{kept}`")), "{kept}: {why}");
    }
}

#[test]
fn without_namespaces_a_run_with_waivers_says_what_held() {
    let place = Place::new();
    let script = "id -u; pwd; echo x > mine && cat mine; cat /etc/shadow /proc/1/environ; env; exit 7";
    for error in [libc::EPERM, libc::ENOSPC] {
        let told = lacking(&place, &waiving(script, &LOST), USERNS, error);
        assert_eq!(told["ended"]["code"], 7, "{told}");
        let out = told["out"].as_str().unwrap();
        let home = out.lines().nth(1).unwrap();
        assert!(home.starts_with("/tmp/portcullis-") && out.contains("\nx\n"), "{out}");
        assert!(!out.contains("of the gate") && !Path::new(home).exists(), "{out}");
        let state = |name: &str| {
            let lines = told["report"]["guarantees"].as_array().unwrap();
            lines.iter().find(|it| it["guarantee"] == name).unwrap()["state"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            (state("files.hidden"), state("files.read")),
            ("absent".to_owned(), "enforced".to_owned())
        );
        let nowhere = lacking(&place, &waiving("exec /nowhere/x", &LOST), USERNS, error);
        assert_eq!(nowhere["ended"]["code"], 127, "{nowhere}");
        let mut none = waiving("", &LOST);
        none.argv = vec!["/nowhere/x".to_owned()];
        let none = lacking(&place, &none, USERNS, error);
        assert!(none["not_run"].as_str().is_some_and(|it| it.contains("No such file")), "{none}");
        assert_eq!((state("time"), state("network")), ("partial".to_owned(), "enforced".to_owned()));
    }
}

/// As where the kernel makes the namespace and then allows nothing in it.
#[test]
fn namespaces_in_which_nothing_can_be_mounted_are_none() {
    let place = Place::new();
    let told = lacking(&place, &waiving("echo ran", &LOST), &[libc::SYS_mount], libc::EPERM);
    assert_eq!(told["out"], "ran\n", "{told}");
}

#[test]
fn without_namespaces_time_and_daemons_end() {
    let place = Place::new();
    let script = "trap '' TERM; (trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 61' &) ; sleep 61";
    let mut run = waiving(script, &LOST);
    (run.limits.wall_ms, run.limits.grace_ms) = (300, 100);
    let start = std::time::Instant::now();
    let told = lacking(&place, &run, USERNS, libc::EPERM);
    assert!(start.elapsed().as_secs() < 5 && told["ended"]["timed_out"] == true, "{told}");
    let left = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&left.stdout).contains("sleep 61"));
}

/// Waived or not: what would be another thing than was asked for is not run.
#[test]
fn without_namespaces_there_is_no_proxy_and_no_layer() {
    let place = Place::new();
    let mut proxied = waiving("true", &Guarantee::ALL);
    proxied.network = Network::Proxy;
    let mut layered = waiving("true", &Guarantee::ALL);
    let path = place.workspace(As::Nobody);
    layered.workspace = Some(Workspace { path: path.clone(), mode: Mode::Overlay });
    let mut hooks = waiving("true", &Guarantee::ALL);
    std::fs::write(path.join(".envrc"), "x").unwrap();
    hooks.workspace = Some(Workspace { path, mode: Mode::Direct });
    for (run, why) in [(proxied, "list none"), (layered, "needs mounts"), (hooks, "cannot be made read-only")]
    {
        let told = lacking(&place, &run, USERNS, libc::EPERM);
        assert!(told["not_run"].as_str().is_some_and(|it| it.contains(why)), "{told}");
    }
}

/// The whole list of attempts: what gets in breaks nothing that the report says is kept.
#[test]
fn without_namespaces_what_gets_in_is_what_the_report_says() {
    crate::attacks::in_private("degraded::attacked");
}

#[test]
#[ignore = "run by `without_namespaces_what_gets_in_is_what_the_report_says`"]
fn attacked() {
    let place = Place::new();
    let scene = Scene::set(&place.dir, &place.program, NOBODY).unwrap();
    let attacker = place.dir.join(ATTACKER);
    std::fs::hard_link(&place.program, &attacker).unwrap();
    let mut run = doctor::attempt(&scene.stage, &place.program, &scene.workspace).unwrap();
    run.shown.clear();
    run.argv[0] = attacker.display().to_string();
    run.read.push(attacker);
    run.workspace.as_mut().unwrap().mode = Mode::Direct;
    // The limit counts all processes of the user, those of other tests as well.
    run.limits.processes = 4000;
    let told = lacking(&place, &run, USERNS, libc::EPERM);
    let attempts = doctor::read(told["out"].as_str().unwrap_or_else(|| panic!("{told}")).as_bytes()).unwrap();
    assert_eq!(attempts.len(), attack::all().len(), "{told}");
    let got_in: Vec<&Attempt> = attempts.iter().filter(|it| it.got_in).collect();
    let names: Vec<&str> = got_in.iter().map(|it| it.name.as_str()).collect();
    for attempt in &attempts {
        println!("{}: {}", attempt.name, if attempt.got_in { "IN" } else { &attempt.stopped });
    }
    for attempt in &got_in {
        assert!(LOST.contains(&attempt.breaks), "{attempt:?}");
    }
    assert!(names.contains(&"fs_stat_secret") && names.contains(&"fs_chmod_outside"), "{names:?}");
}

/// The doctor as well: it has another run to try, and says what is lost. (The filter is on this test's thread, and on
/// all that it starts.)
#[test]
fn the_doctor_examines_a_host_without_namespaces() {
    let place = Place::new();
    deny(&[libc::SYS_mount, libc::SYS_unshare], libc::EPERM).unwrap();
    let found = doctor::examine(Some(place.program.clone()), Backend::Own).unwrap();
    assert_eq!(found.broken, Vec::<String>::new());
    let missing = found.report.missing(&[]);
    assert!(
        missing.contains(&Guarantee::FilesHidden) && !missing.contains(&Guarantee::FilesRead),
        "{missing:?}"
    );
    // The limit on processes counts those of other tests, too: while one of them makes all that it may, an attempt that
    // needs a process of its own cannot be made.
    let mut got_in = false;
    for _ in 0..20 {
        let found = doctor::examine(Some(place.program.clone()), Backend::Own).unwrap();
        let (tried, names) = found.tried(Guarantee::FilesHidden);
        assert!(tried > 3, "{names:?}");
        got_in = names.contains(&"fs_stat_secret");
        if got_in {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    assert!(got_in);
}
