//! The starter's memory is small: every process of a run is a copy of it, and what is in it is copied three times a run.
//!
//! Answerable for two things that a large program brings along and a copy has no use for: huge pages, which the first
//! write in each copy takes apart, and the tables of addresses that the dynamic linker filled in. For the program that
//! is run nothing changes by it.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use super::sys;

/// Said to the starter: the gate may have huge pages, and so may programs.
pub const HUGE: &CStr = c"huge-pages";

/// True in a starter whose gate may have huge pages, and in its copies.
static ALLOWED: AtomicBool = AtomicBool::new(false);

/// Starts something that gets no huge pages; they are forbidden to this process meanwhile, since that is how it is
/// inherited. `start` is told whether they were allowed.
pub fn without_huge_pages<T>(start: impl FnOnce(bool) -> T) -> T {
    let allowed = sys::prctl(libc::PR_GET_THP_DISABLE, 0).is_ok_and(|forbidden| forbidden == 0);
    // A kernel without huge pages has nothing to forbid.
    let forbidden = allowed && sys::prctl(libc::PR_SET_THP_DISABLE, 1).is_ok();
    let started = start(forbidden);
    if forbidden {
        let _as_before = sys::prctl(libc::PR_SET_THP_DISABLE, 0);
    }
    started
}

/// In the starter: what the gate has said of huge pages.
pub fn told(word: Option<&str>) {
    ALLOWED.store(word.is_some_and(|word| HUGE.to_str() == Ok(word)), Ordering::Relaxed);
}

/// In the program's process: huge pages as the gate has them.
pub fn as_the_gate() {
    if ALLOWED.load(Ordering::Relaxed) {
        let _slower = sys::prctl(libc::PR_SET_THP_DISABLE, 0);
    }
}

/// Puts the linker's tables, which nobody writes any more, into a file in memory that all copies show.
pub fn share_tables() -> io::Result<()> {
    let Some(tables) = sys::linked_tables() else { return Ok(()) };
    let mut file = File::from(sys::memory_file(c"tables")?);
    file.write_all(tables)?;
    sys::show_in_place(tables, file.as_raw_fd())
}
