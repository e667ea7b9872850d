//! Whether what was made of the host ahead of a run is still what the host has.
//!
//! Answerable for noticing other mounts, and other files in the place of those that are shown or copied. What changes in
//! a folder that is shown needs no noticing: it is that folder.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;

use super::mounts;

/// What the host had when a tree was prepared.
pub struct Basis {
    /// The kernel tells who has it open of changes.
    mounts: File,
    stamps: Vec<Option<Stamp>>,
}

/// A file or folder as it was: which one, and of a file when it last changed. Folders change all the time, and are
/// the same ones.
type Stamp = (u64, u64, i64, i64);

impl Basis {
    /// Looks. None where the kernel cannot tell of changes; nothing can be mounted there either.
    pub fn look() -> Option<Self> {
        Some(Self { mounts: File::open("/proc/self/mountinfo").ok()?, stamps: stamps() })
    }

    /// A descriptor that has something (POLLPRI) when mounts have changed.
    pub fn watched(&self) -> RawFd {
        self.mounts.as_raw_fd()
    }

    /// True if other files are in the place of those that were looked at.
    pub fn is_past(&self) -> bool {
        stamps() != self.stamps
    }
}

fn stamps() -> Vec<Option<Stamp>> {
    let shown = mounts::SYSTEM.into_iter().map(|path| {
        let about = fs::symlink_metadata(path).ok()?;
        Some((about.dev(), about.ino(), 0, 0))
    });
    let copied = mounts::COPIED.into_iter().map(|path| {
        let about = fs::metadata(path).ok()?;
        Some((about.dev(), about.ino(), about.ctime(), about.ctime_nsec()))
    });
    shown.chain(copied).collect()
}
