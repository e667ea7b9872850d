//! The system call filter: everything is allowed but what opens a door.
//!
//! Answerable for the list and for the three ways around such lists: a foreign instruction set (killed), x32
//! numbers and `clone3`, whose flags no filter can read (both: no such call, so that libraries fall back).
//! An allow-list was not chosen: it breaks compilers and interpreters with each of their releases.

use std::collections::BTreeMap;
use std::io;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use crate::spec::Network;

/// Calls that are refused whatever their arguments.
const DENIED: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_fanotify_init,
    libc::SYS_mbind,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_personality,
];

/// Calls that only one instruction set has.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS__sysctl,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[c_long] = &[];

/// Flags of `clone` that make namespaces. (The one for time is none of `clone`'s: its bit is the exit signal's.)
const NAMESPACES: [c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Requests of `ioctl` that type into a terminal. Only 32 bits count: the kernel looks at no more.
const TYPING: [u64; 3] = [0x5412, 0x541c, 0x541d];

/// The filter of a run.
pub fn program(network: Network) -> io::Result<BpfProgram> {
    let rules = rules(network).map_err(io::Error::other)?;
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch()?);
    let rest: BpfProgram = filter.map_err(io::Error::other)?.try_into().map_err(io::Error::other)?;
    let mut program = prelude()?;
    program.extend(rest);
    Ok(program)
}

/// Puts the filter on this process. There is no way to take it off.
pub fn apply(program: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(program).map_err(io::Error::other)
}

fn arch() -> io::Result<TargetArch> {
    std::env::consts::ARCH.try_into().map_err(io::Error::other)
}

/// `clone3` and numbers of x32: there is no such call. The filter that follows checks the instruction set.
fn prelude() -> io::Result<BpfProgram> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    let clone3 = u32::try_from(libc::SYS_clone3).map_err(io::Error::other)?;
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    // A number of another instruction set is looked at as if it were ours; it is refused either way.
    let mut program = vec![instruction(LOAD, 0, 0, 0), instruction(EQUAL, 1, 0, clone3)];
    let x32 = if cfg!(target_arch = "x86_64") { 0x4000_0000 } else { u32::MAX };
    program.push(instruction(AT_LEAST, 0, 1, x32));
    program.push(instruction(RETURN, 0, 0, ERRNO | libc::ENOSYS.unsigned_abs()));
    Ok(program)
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn rules(network: Network) -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let mut rules: Rules = DENIED.iter().chain(DENIED_HERE).map(|number| (*number, Vec::new())).collect();
    let typing = TYPING.iter().map(|request| rule(&[(1, Eq, *request)]));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    let made = NAMESPACES.iter().map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        rule(&[(0, MaskedEq(flag), flag)])
    });
    rules.insert(libc::SYS_clone, made.collect::<Result<_, _>>()?);
    let unix = u64::from(libc::AF_UNIX.unsigned_abs());
    rules.insert(libc::SYS_socketpair, vec![rule(&[(0, Ne, unix)])?]);
    match network {
        Network::None => {
            rules.insert(libc::SYS_socket, Vec::new());
        }
        Network::Proxy => {
            rules.insert(libc::SYS_socket, sockets()?);
        }
    }
    Ok(rules)
}

/// With a proxy: TCP, and the part of netlink by which libraries list interfaces; no other kind of socket.
fn sockets() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let number = |n: c_int| u64::from(n.unsigned_abs());
    let (v4, v6, netlink) = (number(libc::AF_INET), number(libc::AF_INET6), number(libc::AF_NETLINK));
    let mut rules =
        vec![rule(&[(0, Ne, v4), (0, Ne, v6), (0, Ne, netlink)])?, rule(&[(0, Eq, netlink), (2, Ne, 0)])?];
    for family in [v4, v6] {
        // The type without its flags is SOCK_STREAM, and the protocol is TCP by default or by name.
        for kind in (0..16).filter(|kind| *kind != number(libc::SOCK_STREAM)) {
            rules.push(rule(&[(0, Eq, family), (1, MaskedEq(0xf), kind)])?);
        }
        rules.push(rule(&[(0, Eq, family), (2, Ne, 0), (2, Ne, number(libc::IPPROTO_TCP))])?);
    }
    Ok(rules)
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = conditions.iter().map(|(argument, how, value)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, how.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}
