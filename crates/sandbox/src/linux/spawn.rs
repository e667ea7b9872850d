//! Starting the starter: a program with an empty environment and four descriptors.
//!
//! Answerable for nothing else being inherited, whatever other threads open meanwhile: the standard library's way
//! of passing further descriptors would need code between fork and exec.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, pid_t};

use super::sys::above;

/// Starts a program with an empty environment and four descriptors, at 0 to 3.
///
/// `words` is what it is called, and what it is told.
pub fn spawn(program: &CStr, words: &[&CStr], fds: [BorrowedFd<'_>; 4]) -> io::Result<pid_t> {
    let failed = |code: c_int| if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) };
    let argv: Vec<_> = words.iter().map(|it| it.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect();
    let env: [*mut libc::c_char; 1] = [std::ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: all zeroes may be initialised.
    let mut actions: libc::posix_spawn_file_actions_t = unsafe { mem::zeroed() };
    // SAFETY: `actions` lives until it is destroyed below.
    failed(unsafe { libc::posix_spawn_file_actions_init(&raw mut actions) })?;
    let mut done = Ok(());
    // A descriptor among the first four would be overwritten before it is copied: they are moved up first.
    let moved = fds.map(|fd| above(fd, 10));
    for (to, fd) in (0..).zip(&moved) {
        done = done.and_then(|()| match fd {
            // SAFETY: `actions` was initialised.
            Ok(fd) => failed(unsafe {
                libc::posix_spawn_file_actions_adddup2(&raw mut actions, fd.as_raw_fd(), to)
            }),
            Err(error) => Err(io::Error::other(error.to_string())),
        });
    }
    let done = done.and_then(|()| {
        // SAFETY: both lists end in null, and all texts live through the call.
        failed(unsafe {
            libc::posix_spawn(
                &raw mut pid,
                program.as_ptr(),
                &raw const actions,
                std::ptr::null(),
                argv.as_ptr(),
                env.as_ptr(),
            )
        })
    });
    // SAFETY: initialised above, and not used again.
    unsafe { libc::posix_spawn_file_actions_destroy(&raw mut actions) };
    done.map(|()| pid)
}
