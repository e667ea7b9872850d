//! Attempts to reach parts of the kernel that no ordinary program needs.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd as _;

use super::{Attack, Made, Stage, attack, call, number, seldom, text};
use crate::guarantee::Guarantee::{Ipc, Kernel};

pub const ALL: &[Attack] = &[
    seldom("kern_bpf", Kernel, |_| {
        let attributes = [1_u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        call(libc::SYS_bpf, &[0, attributes.as_ptr() as usize, 72]).map(drop)
    }),
    seldom("kern_perf_event_open", Kernel, |_| {
        let mut attributes = [0_u32; 32];
        let [_, size, ..] = &mut attributes;
        *size = 128;
        call(libc::SYS_perf_event_open, &[attributes.as_ptr() as usize, 0, usize::MAX, usize::MAX, 0])
            .map(drop)
    }),
    attack("kern_userfaultfd", Kernel, |_| call(libc::SYS_userfaultfd, &[1]).map(drop)),
    attack("kern_add_key", Kernel, |_| {
        let (kind, name) = (text("user")?, text("mark")?);
        call(
            libc::SYS_add_key,
            &[kind.as_ptr() as usize, name.as_ptr() as usize, name.as_ptr() as usize, 4, usize::MAX - 1],
        )
        .map(drop)
    }),
    attack("kern_keyctl_session", Kernel, |_| call(libc::SYS_keyctl, &[1, 0]).map(drop)),
    attack("kern_personality", Kernel, |_| call(libc::SYS_personality, &[0x0040_0000]).map(drop)),
    seldom("kern_fsopen", Kernel, |_| {
        let kind = text("tmpfs")?;
        call(libc::SYS_fsopen, &[kind.as_ptr() as usize, 0]).map(drop)
    }),
    seldom("kern_kexec_load", Kernel, |_| call(libc::SYS_kexec_load, &[0, 0, 0, 0]).map(drop)),
    seldom("kern_init_module", Kernel, |_| call(libc::SYS_init_module, &[0, 0, 0]).map(drop)),
    seldom("kern_syslog", Kernel, |_| call(libc::SYS_syslog, &[3, 0, 0]).map(drop)),
    seldom("kern_settime", Kernel, |_| {
        // A time that no clock takes: only a filter's answer differs.
        let time = [-1_i64, -1];
        call(libc::SYS_clock_settime, &[0, time.as_ptr() as usize]).map(drop)
    }),
    seldom("kern_tiocsti", Kernel, typing),
    attack("ipc_sysv_host", Ipc, |stage| call(libc::SYS_shmget, &[number(stage.shm_key), 0, 0]).map(drop)),
];

/// Types into the terminal that we were given, by any number whose lower half says so.
fn typing(_: &Stage) -> Made {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let fd = terminal.as_ref().map_or(0, |it| number(it.as_raw_fd()));
    let key = [b'x'];
    let requests = [0x5412_usize, 0x1_0000_5412, 0x541c];
    let mut last = Err("no request".to_owned());
    for request in requests {
        last = call(libc::SYS_ioctl, &[fd, request, key.as_ptr() as usize]).map(drop);
        if last.is_ok() {
            return last;
        }
    }
    last
}
