//! Attempts to see, read, steer or end processes of the host, and to become more than one is.

use std::fs;

use super::{Attack, Made, Stage, attack, call, must, number, seldom, text, tried};
use crate::guarantee::Guarantee::{Environment, Privileges, ProcessesHidden};

pub const ALL: &[Attack] = &[
    attack("proc_victim_environ", ProcessesHidden, |stage| victim_file(stage, "environ")),
    attack("proc_victim_cmdline", ProcessesHidden, |stage| victim_file(stage, "cmdline")),
    attack("proc_victim_fd", ProcessesHidden, |stage| {
        tried(fs::read_dir(format!("/proc/{}/fd", stage.victim))).map(drop)
    }),
    attack("proc_victim_mem", ProcessesHidden, |stage| {
        tried(fs::File::open(format!("/proc/{}/mem", stage.victim))).map(drop)
    }),
    attack("proc_list", ProcessesHidden, |stage| {
        tried(fs::metadata(format!("/proc/{}", stage.victim))).map(drop)
    }),
    attack("proc_ptrace_victim", ProcessesHidden, |stage| {
        const SEIZE: usize = 0x4206;
        call(libc::SYS_ptrace, &[SEIZE, number(stage.victim), 0, 0]).map(drop)
    }),
    attack("proc_vm_readv", ProcessesHidden, vm_read),
    attack("proc_signal_victim", ProcessesHidden, |stage| {
        call(libc::SYS_kill, &[number(stage.victim), 0]).map(drop)
    }),
    attack("proc_pidfd_getfd", ProcessesHidden, |stage| {
        let pidfd = call(libc::SYS_pidfd_open, &[number(stage.victim), 0])?;
        call(libc::SYS_pidfd_getfd, &[pidfd, 0, 0]).map(drop)
    }),
    attack("proc_prlimit_victim", ProcessesHidden, |stage| {
        let room = [0_u64; 2];
        call(libc::SYS_prlimit64, &[number(stage.victim), 7, 0, room.as_ptr() as usize]).map(drop)
    }),
    attack("proc_setpriority_victim", ProcessesHidden, |stage| {
        call(libc::SYS_setpriority, &[0, number(stage.victim), 19]).map(drop)
    }),
    attack("proc_setaffinity_victim", ProcessesHidden, |stage| {
        let mask = [1_u64];
        call(libc::SYS_sched_setaffinity, &[number(stage.victim), 8, mask.as_ptr() as usize]).map(drop)
    }),
    attack("proc_ioprio_victim", ProcessesHidden, |stage| {
        call(libc::SYS_ioprio_set, &[1, number(stage.victim), 3 << 13]).map(drop)
    }),
    attack("proc_oom_adj_victim", ProcessesHidden, |stage| {
        tried(fs::write(format!("/proc/{}/oom_score_adj", stage.victim), "500"))
    }),
    seldom("proc_init_environ", Environment, init_environ),
    attack("env_secret", Environment, |stage| {
        must(std::env::vars().any(|(_, value)| value.contains(&stage.mark)), "not there")
    }),
    seldom("inherited_fd", FilesReadByDescriptor, inherited),
    seldom("priv_setuid0", Privileges, |_| call(libc::SYS_setuid, &[0]).map(drop)),
    seldom("priv_caps", Privileges, |_| {
        must(status("CapEff:").is_some_and(|it| it.contains(|c| matches!(c, '1'..='9' | 'a'..='f'))), "none")
    }),
    attack("priv_no_new_privs_off", Privileges, |_| {
        must(status("NoNewPrivs:").is_some_and(|it| it == "0"), "on")
    }),
    attack("ns_unshare_user", Privileges, |_| {
        call(libc::SYS_unshare, &[number(libc::CLONE_NEWUSER)]).map(drop)
    }),
    attack("ns_clone_user", Privileges, clone_user),
    attack("ns_clone3_user", Privileges, clone3_user),
    seldom("ns_mount", Privileges, |_| {
        let (none, path) = (text("none")?, text("/tmp")?);
        let kind = text("tmpfs")?;
        call(libc::SYS_mount, &[none.as_ptr() as usize, path.as_ptr() as usize, kind.as_ptr() as usize, 0, 0])
            .map(drop)
    }),
    seldom("ns_umount_proc", Privileges, |_| {
        let path = text("/proc")?;
        call(libc::SYS_umount2, &[path.as_ptr() as usize, 2]).map(drop)
    }),
    seldom("ns_setns_victim", Privileges, |stage| {
        let path = text(&format!("/proc/{}/ns/mnt", stage.victim))?;
        let fd = call(libc::SYS_openat, &[number(-100), path.as_ptr() as usize, 0])?;
        call(libc::SYS_setns, &[fd, 0]).map(drop)
    }),
    seldom("ns_chroot", Privileges, |_| {
        let path = text("/tmp")?;
        call(libc::SYS_chroot, &[path.as_ptr() as usize]).map(drop)
    }),
];

#[expect(non_upper_case_globals, reason = "reads as one of the promises: what is open is a file")]
const FilesReadByDescriptor: crate::guarantee::Guarantee = crate::guarantee::Guarantee::FilesRead;

fn victim_file(stage: &Stage, name: &str) -> Made {
    let text = tried(fs::read(format!("/proc/{}/{name}", stage.victim)))?;
    must(!text.is_empty(), "empty")
}

fn vm_read(stage: &Stage) -> Made {
    let here = [0_u8; 16];
    let ours = [here.as_ptr() as usize, here.len()];
    let theirs = [stage.victim_address, here.len()];
    let (ours, theirs) = (ours.as_ptr() as usize, theirs.as_ptr() as usize);
    match call(libc::SYS_process_vm_readv, &[number(stage.victim), ours, 1, theirs, 1, 0]) {
        // Allowed to look, and the address was wrong: that is in.
        Err(why) if why.contains("Bad address") => Ok(()),
        other => other.map(drop),
    }
}

/// What the first process was started with: here it may hold what the gate's environment has.
fn init_environ(stage: &Stage) -> Made {
    let text = tried(fs::read("/proc/1/environ"))?;
    must(text.windows(stage.mark.len()).any(|part| part == stage.mark.as_bytes()), "not there")
}

fn inherited(_: &Stage) -> Made {
    let open = tried(fs::read_dir("/proc/self/fd"))?.flatten();
    // The listing itself is open, and the two ends of the pipe that we tell the result through.
    let odd = open.filter_map(|entry| fs::read_link(entry.path()).ok()).find(|to| {
        let to = to.to_string_lossy();
        !(to.starts_with("pipe:") || to.starts_with("/proc/") || to == "/dev/null")
    });
    match odd {
        Some(_) => Ok(()),
        None => Err("none".to_owned()),
    }
}

fn status(key: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}

fn clone_user(_: &Stage) -> Made {
    let pid = call(libc::SYS_clone, &[number(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0, 0])?;
    if pid == 0 {
        super::sys::leave(0);
    }
    Ok(())
}

fn clone3_user(_: &Stage) -> Made {
    let mut args = [0_u64; 11];
    let [flags, _, _, _, signal, ..] = &mut args;
    *flags = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    *signal = u64::from(libc::SIGCHLD.unsigned_abs());
    let pid = call(libc::SYS_clone3, &[args.as_ptr() as usize, 88])?;
    if pid == 0 {
        super::sys::leave(0);
    }
    Ok(())
}
