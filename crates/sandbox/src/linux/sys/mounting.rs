//! Mounts: trees that are cloned, made, changed and put in their places.
//!
//! Answerable, as all of `sys`, for every pointer handed to the kernel being valid for the call.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use libc::{c_int, c_uint};

use super::{c_path, checked, checked_int, owned};

/// A mount of its own of the tree at an open path.
pub fn clone_tree(at: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | libc::AT_RECURSIVE.unsigned_abs()
        | libc::AT_EMPTY_PATH.unsigned_abs();
    // SAFETY: the empty path lives for ever.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), c"".as_ptr(), flags) })
}

/// What `mount_setattr` takes.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Changes a mount and all below it. `userns`: shows owners as that namespace maps them.
pub fn set_mount(mount: BorrowedFd<'_>, set: u64, userns: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut attr = MountAttr { set, ..MountAttr::default() };
    if let Some(userns) = userns {
        attr.set |= libc::MOUNT_ATTR_IDMAP;
        attr.userns = u64::try_from(userns.as_raw_fd()).map_err(io::Error::other)?;
    }
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: path and `attr` live through the call, and the size is that of `attr`.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    checked(done).map(drop)
}

/// Changes one mount, and none below it.
pub fn set_one_mount(mount: RawFd, set: u64, flags: c_int) -> io::Result<()> {
    let attr = MountAttr { set, ..MountAttr::default() };
    // SAFETY: path and `attr` live through the call, and the size is that of `attr`.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount,
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    checked(done).map(drop)
}

/// Puts a mount at a path below a folder; at an empty one, at what is open itself.
pub fn attach(mount: BorrowedFd<'_>, dir: Option<BorrowedFd<'_>>, path: &Path) -> io::Result<()> {
    const FROM_EMPTY_PATH: c_uint = 0x4;
    const TO_EMPTY_PATH: c_uint = 0x40;
    let at_itself = if path.as_os_str().is_empty() { TO_EMPTY_PATH } else { 0 };
    let path = c_path(path)?;
    let dir = dir.map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd());
    // SAFETY: both paths live through the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            dir,
            path.as_ptr(),
            FROM_EMPTY_PATH | at_itself,
        )
    };
    checked(done).map(drop)
}

/// A new file system that nothing shows yet. `attributes` are those of its mount.
pub fn new_fs(kind: &CStr, options: &[(&CStr, &CStr)], attributes: u64) -> io::Result<OwnedFd> {
    const SET_STRING: c_uint = 1;
    const CREATE: c_uint = 6;
    const CLOEXEC: c_uint = 1;
    // SAFETY: the name lives through the call.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC) })?;
    let fd = context.as_raw_fd();
    for (key, value) in options {
        // SAFETY: key and value live through the call.
        let set =
            unsafe { libc::syscall(libc::SYS_fsconfig, fd, SET_STRING, key.as_ptr(), value.as_ptr(), 0) };
        checked(set)?;
    }
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes no key and no value.
    checked(unsafe { libc::syscall(libc::SYS_fsconfig, fd, CREATE, null, null, 0) })?;
    // SAFETY: numbers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, fd, CLOEXEC, attributes) })
}

/// `mount`, for what has no newer call: propagation, overlays.
pub fn mount(kind: &CStr, target: &Path, flags: libc::c_ulong, options: &CStr) -> io::Result<()> {
    let target = c_path(target)?;
    // SAFETY: all texts live through the call.
    let done =
        unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) };
    checked_int(done).map(drop)
}

/// Takes a mount away, now or when nobody uses it any more.
pub fn detach(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: the path lives through the call.
    checked_int(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// Makes the current folder, a mount, the root; the old root is then at the same place, above it.
pub fn pivot_here() -> io::Result<()> {
    // SAFETY: both texts live for ever.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) }).map(drop)
}
