//! The system call filter: everything is allowed but what opens a door.
//!
//! Answerable for the list and for the three ways around such lists: a foreign instruction set (killed), x32
//! numbers and `clone3`, whose flags no filter can read (both: no such call, so that libraries fall back).
//! An allow-list was not chosen: it breaks compilers and interpreters with each of their releases.
//!
//! The program is a search tree over the numbers ([`super::bpf`]). The kernel tries a new filter with every number
//! there is: a list of comparisons took it longer than all mounts of a run together.

use std::collections::BTreeMap;
use std::io;

use libc::{c_int, c_long, sock_filter};

use super::bpf::{self, Leaf, Test};
use super::fence::View;

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
const TYPING: [u32; 3] = [0x5412, 0x541c, 0x541d];

/// What is refused, and how: no such call, or not permitted.
const NO_SUCH: Leaf = Leaf::Errno(libc::ENOSYS);
const REFUSED: Leaf = Leaf::Errno(libc::EPERM);

/// From here on numbers are those of x32.
const X32: u32 = 0x4000_0000;

/// The filter of a run.
pub fn program(network: Network, view: View) -> io::Result<Vec<sock_filter>> {
    let mut leaves = BTreeMap::new();
    for number in DENIED.iter().chain(DENIED_HERE) {
        leaves.insert(as_read(*number)?, REFUSED);
    }
    leaves.insert(as_read(libc::SYS_clone3)?, NO_SUCH);
    leaves.insert(as_read(libc::SYS_ioctl)?, Leaf::Arguments(typing()));
    leaves.insert(as_read(libc::SYS_clone)?, Leaf::Arguments(namespaces()));
    leaves.insert(as_read(libc::SYS_socketpair)?, Leaf::Arguments(pairs()));
    let socket = match network {
        Network::None => REFUSED,
        Network::Proxy => Leaf::Arguments(sockets()),
    };
    leaves.insert(as_read(libc::SYS_socket)?, socket);
    if view == View::Host {
        among_others(&mut leaves)?;
    }
    let highest = if cfg!(target_arch = "x86_64") { Some((X32, NO_SUCH)) } else { None };
    bpf::program(arch()?, &leaves, highest)
}

/// Where other processes are there to be reached: theirs are neither limits nor priorities, and nothing is left over in
/// shared memory or queues.
fn among_others(leaves: &mut BTreeMap<u32, Leaf>) -> io::Result<()> {
    for number in [libc::SYS_shmget, libc::SYS_msgget, libc::SYS_semget, libc::SYS_mq_open] {
        leaves.insert(as_read(number)?, REFUSED);
    }
    let own = |argument| {
        Leaf::Arguments(vec![Test::Load(argument), Test::EqualAllow(0), Test::Refuse(libc::EPERM)])
    };
    let first = [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setattr,
    ];
    for number in first {
        leaves.insert(as_read(number)?, own(0));
    }
    for number in [libc::SYS_setpriority, libc::SYS_ioprio_set] {
        leaves.insert(as_read(number)?, own(1));
    }
    Ok(())
}

/// Puts the filter on this process. There is no way to take it off.
pub fn apply(program: &[sock_filter]) -> io::Result<()> {
    let length = libc::c_ushort::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the program lives through the call, is only read, and its length is told.
    let done =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A number as a filter reads it.
fn as_read(number: c_long) -> io::Result<u32> {
    u32::try_from(number).map_err(io::Error::other)
}

/// The instruction set as the kernel's audit calls it (linux/audit.h).
fn arch() -> io::Result<u32> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(0xc000_003e),
        "aarch64" => Ok(0xc000_00b7),
        "riscv64" => Ok(0xc000_00f3),
        other => Err(io::Error::other(format!("there is no filter for `{other}`"))),
    }
}

fn number(n: c_int) -> u32 {
    n.unsigned_abs()
}

/// Whatever types into a terminal.
fn typing() -> Vec<Test> {
    let mut tests = vec![Test::Load(1)];
    tests.extend(TYPING.map(|request| Test::Equal(request, libc::EPERM)));
    tests.push(Test::Allow);
    tests
}

/// Whatever makes a namespace.
fn namespaces() -> Vec<Test> {
    let all = NAMESPACES.iter().fold(0, |all, flag| all | number(*flag));
    vec![Test::Load(0), Test::AnyOf(all, libc::EPERM), Test::Allow]
}

/// Unix sockets between processes of the run, and no others.
fn pairs() -> Vec<Test> {
    vec![Test::Load(0), Test::EqualAllow(number(libc::AF_UNIX)), Test::Refuse(libc::EPERM)]
}

/// With a proxy: TCP, and the part of netlink by which libraries list interfaces; no other kind of socket.
fn sockets() -> Vec<Test> {
    let (v4, v6, netlink) = (number(libc::AF_INET), number(libc::AF_INET6), number(libc::AF_NETLINK));
    // What is behind a family's test is skipped if it is another family.
    let netlink_only = vec![Test::Load(2), Test::EqualAllow(0), Test::Refuse(libc::EPERM)];
    let tcp = vec![
        Test::Load(1),
        // The type without its flags is SOCK_STREAM, and the protocol is TCP by default or by name.
        Test::Mask(0xf),
        Test::Unequal(number(libc::SOCK_STREAM), libc::EPERM),
        Test::Load(2),
        Test::EqualAllow(0),
        Test::EqualAllow(number(libc::IPPROTO_TCP)),
        Test::Refuse(libc::EPERM),
    ];
    vec![
        Test::Load(0),
        Test::If(netlink, netlink_only),
        Test::If(v4, tcp.clone()),
        Test::If(v6, tcp),
        Test::Refuse(libc::EPERM),
    ]
}

#[cfg(test)]
mod tests {
    use super::{DENIED, DENIED_HERE, NAMESPACES, TYPING, program};
    use crate::linux::bpf::{ALLOW, ERRNO, KILL, decide};
    use crate::linux::fence::View;
    use crate::spec::Network;

    const EPERM: u32 = ERRNO | 1;
    const ENOSYS: u32 = ERRNO | 38;
    const HERE: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

    fn of(network: Network, call: i64, args: [u64; 3]) -> u32 {
        decide(&program(network, View::Own).unwrap(), HERE, u32::try_from(call).unwrap(), args)
    }

    /// The tree says of every number what the list says.
    #[test]
    fn every_number_is_decided_as_it_is_listed() {
        let filter = program(Network::None, View::Own).unwrap();
        let special = [libc::SYS_ioctl, libc::SYS_clone, libc::SYS_socketpair];
        for call in (0..2000).chain([0x3fff_ffff]) {
            if special.contains(&call) {
                continue;
            }
            let expected = match call {
                libc::SYS_clone3 => ENOSYS,
                _ if DENIED.contains(&call) || DENIED_HERE.contains(&call) || call == libc::SYS_socket => {
                    EPERM
                }
                _ => ALLOW,
            };
            assert_eq!(decide(&filter, HERE, u32::try_from(call).unwrap(), [0; 3]), expected, "{call}");
        }
        #[cfg(target_arch = "x86_64")]
        for call in [0x4000_0000, 0x4000_0029, u32::MAX] {
            assert_eq!(decide(&filter, HERE, call, [0; 3]), ENOSYS);
        }
        assert_eq!(decide(&filter, 0x4000_0003, 1, [0; 3]), KILL, "i386");
    }

    #[test]
    fn arguments_are_looked_at_in_their_lower_half() {
        let high = 1_u64 << 32;
        for request in TYPING.map(u64::from) {
            for argument in [request, request | high] {
                assert_eq!(of(Network::None, libc::SYS_ioctl, [0, argument, 0]), EPERM);
            }
        }
        assert_eq!(of(Network::None, libc::SYS_ioctl, [0, 0x5401, 0]), ALLOW);
        for flag in NAMESPACES {
            let flag = u64::from(flag.unsigned_abs());
            assert_eq!(of(Network::None, libc::SYS_clone, [flag | 17, 0, 0]), EPERM);
        }
        assert_eq!(of(Network::None, libc::SYS_clone, [0x0010_0f00, 0, 0]), ALLOW);
        assert_eq!(of(Network::None, libc::SYS_socketpair, [1, 1, 0]), ALLOW);
        assert_eq!(of(Network::None, libc::SYS_socketpair, [2, 1, 0]), EPERM);
    }

    #[test]
    fn with_a_proxy_there_is_tcp_and_no_other_socket() {
        let of = |family, kind, protocol| of(Network::Proxy, libc::SYS_socket, [family, kind, protocol]);
        for family in [2, 10] {
            for (kind, protocol, expected) in [
                (1, 0, ALLOW),
                (1 | 0o2_000_000 | 0o4000, 6, ALLOW),
                (1, 262, EPERM),
                (1, 132, EPERM),
                (2, 0, EPERM),
                (3, 1, EPERM),
                (5, 0, EPERM),
            ] {
                assert_eq!(of(family, kind, protocol), expected, "{family} {kind} {protocol}");
            }
        }
        assert_eq!((of(16, 3, 0), of(16, 3, 9)), (ALLOW, EPERM));
        for family in [1, 17, 40, 38, 44, 31] {
            assert_eq!(of(family, 1, 0), EPERM, "{family}");
        }
    }
}
