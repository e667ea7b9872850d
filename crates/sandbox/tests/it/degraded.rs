//! Hosts that lack something, simulated: the run is refused, and says what is missing and what would mend it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::rig::{As, NOBODY, Place, is_root, sh};

/// Runs as nobody where system calls are answered with an error, as container filters do.
fn without(place: &Place, calls: &'static [libc::c_long], error: i32) -> String {
    let run = sh(As::Nobody, "echo executed");
    let mut command = Command::new(&place.program);
    command.arg(serde_json::to_string(&run).unwrap());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // SAFETY: the test is the only thread that matters here; what is prepared is prepared in the child.
    unsafe {
        command.pre_exec(move || deny(calls, error));
    }
    let output = command.output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["out"], "", "it was executed: {told}");
    told["not_run"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
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
