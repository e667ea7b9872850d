//! Attempts to read, write, or only see files that are not listed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{Attack, Made, Stage, attack, call, must, number, seldom, text, tried};
use crate::guarantee::Guarantee::{FilesHidden, FilesMetadata, FilesRead, FilesWrite};

pub const ALL: &[Attack] = &[
    attack("fs_read_secret", FilesRead, |stage| read(&stage.secret)),
    seldom("fs_read_shadow", FilesRead, |_| read(Path::new("/etc/shadow"))),
    attack("fs_symlink_to_secret", FilesRead, by_symlink),
    attack("fs_hardlink_secret", FilesRead, by_hard_link),
    attack("fs_dotdot", FilesRead, |stage| read(&up(stage))),
    attack("fs_proc_self_root", FilesRead, |stage| read(&below("/proc/self/root", &stage.secret))),
    attack("fs_proc_self_cwd", FilesRead, |stage| read(&Path::new("/proc/self/cwd").join(up(stage)))),
    attack("fs_proc_victim_root", FilesRead, |stage| {
        read(&below(&format!("/proc/{}/root", stage.victim), &stage.secret))
    }),
    seldom("fs_proc_ppid_root", FilesRead, |stage| {
        read(&below(&format!("/proc/{}/root", std::os::unix::process::parent_id()), &stage.hidden))
    }),
    seldom("fs_proc_1_root", FilesRead, |stage| read(&below("/proc/1/root", &stage.secret))),
    attack("fs_opath_reopen", FilesRead, reopen),
    seldom("fs_open_by_handle", FilesRead, by_handle),
    attack("fs_write_outside", FilesWrite, |stage| {
        tried(OpenOptions::new().append(true).open(&stage.outside).and_then(|mut file| file.write_all(b"x")))
    }),
    attack("fs_create_outside", FilesWrite, |stage| {
        tried(fs::write(stage.outside.with_file_name("planted"), b"x"))
    }),
    attack("fs_truncate_outside", FilesWrite, |stage| {
        let path = text(&stage.outside.to_string_lossy())?;
        call(libc::SYS_truncate, &[path.as_ptr() as usize, 1]).map(drop)
    }),
    attack("fs_rename_out", FilesWrite, |stage| {
        tried(fs::write("mine", b"x"))?;
        tried(fs::rename("mine", stage.outside.with_file_name("moved")))
    }),
    attack("fs_unlink_outside", FilesWrite, |stage| {
        tried(fs::remove_file(stage.outside.with_file_name("spare")))
    }),
    attack("fs_chmod_outside", FilesMetadata, |stage| {
        tried(fs::set_permissions(&stage.outside, Permissions::from_mode(0o666)))
    }),
    attack("fs_utime_outside", FilesMetadata, |stage| {
        let path = text(&stage.outside.to_string_lossy())?;
        call(libc::SYS_utimensat, &[number(-100), path.as_ptr() as usize, 0, 0]).map(drop)
    }),
    attack("fs_setxattr_outside", FilesMetadata, |stage| {
        let path = text(&stage.outside.to_string_lossy())?;
        let name = text("user.mark")?;
        call(
            libc::SYS_setxattr,
            &[path.as_ptr() as usize, name.as_ptr() as usize, name.as_ptr() as usize, 1, 0],
        )
        .map(drop)
    }),
    attack("fs_stat_secret", FilesHidden, |stage| tried(fs::metadata(&stage.secret)).map(drop)),
    attack("fs_list_secret_dir", FilesHidden, |stage| {
        tried(fs::read_dir(stage.secret.parent().unwrap_or(Path::new("/")))).map(drop)
    }),
    attack("fs_dir_above_ws_list", FilesHidden, above),
    attack("fs_inotify_outside", FilesHidden, |stage| {
        let watch = call(libc::SYS_inotify_init1, &[0])?;
        let path = text(&stage.secret.to_string_lossy())?;
        call(libc::SYS_inotify_add_watch, &[watch, path.as_ptr() as usize, 1]).map(drop)
    }),
    attack("fs_statfs_secret", FilesHidden, |stage| {
        let path = text(&stage.secret.to_string_lossy())?;
        let room = [0_u64; 64];
        call(libc::SYS_statfs, &[path.as_ptr() as usize, room.as_ptr() as usize]).map(drop)
    }),
    attack("fs_host_mounts", FilesHidden, |stage| {
        let mounts = tried(fs::read_to_string("/proc/self/mounts"))?;
        must(mounts.contains(&stage.mount_mark), "only the run's own")
    }),
    seldom("fs_mknod_block", FilesWrite, |_| {
        let path = text("disk")?;
        call(libc::SYS_mknodat, &[number(-100), path.as_ptr() as usize, 0o060_600, 0x0801]).map(drop)
    }),
    seldom("fs_dev_mem", FilesRead, |_| devices()),
    seldom("fs_core_pattern", FilesWrite, |_| write("/proc/sys/kernel/core_pattern")),
    seldom("fs_sysrq", FilesWrite, |_| write("/proc/sysrq-trigger")),
    seldom("fs_uid_map", FilesWrite, |_| tried(fs::write("/proc/self/uid_map", "0 0 1"))),
    seldom("fs_sys_write", FilesWrite, |_| write("/sys/kernel/uevent_helper")),
];

fn read(path: &Path) -> Made {
    let text = tried(fs::read(path))?;
    must(!text.is_empty(), "empty")
}

/// Opened to be written is as good as written: nothing of the host is changed by trying.
fn write(path: &str) -> Made {
    tried(OpenOptions::new().write(true).open(path)).map(drop)
}

fn below(root: &str, path: &Path) -> PathBuf {
    Path::new(root).join(path.strip_prefix("/").unwrap_or(path))
}

/// The secret by way of the parent folders.
fn up(stage: &Stage) -> PathBuf {
    let depth = std::env::current_dir().map_or(8, |dir| dir.components().count());
    let mut path: PathBuf = std::iter::repeat_n("..", depth).collect();
    path.push(stage.secret.strip_prefix("/").unwrap_or(&stage.secret));
    path
}

fn by_symlink(stage: &Stage) -> Made {
    let _none = fs::remove_file("link");
    tried(symlink(&stage.secret, "link"))?;
    read(Path::new("link"))
}

fn by_hard_link(stage: &Stage) -> Made {
    let _none = fs::remove_file("hard");
    tried(fs::hard_link(&stage.secret, "hard"))?;
    read(Path::new("hard"))
}

fn reopen(stage: &Stage) -> Made {
    let path = text(&stage.secret.to_string_lossy())?;
    let fd = call(libc::SYS_openat, &[number(-100), path.as_ptr() as usize, number(libc::O_PATH)])?;
    read(&PathBuf::from(format!("/proc/self/fd/{fd}")))
}

fn by_handle(stage: &Stage) -> Made {
    let dir = tried(File::open("."))?;
    let mut handle = [0_u32; 40];
    let [bytes, ..] = &mut handle;
    *bytes = 128;
    let mut mount = 0_i32;
    let path = text(&stage.secret.to_string_lossy())?;
    let at = (&raw mut mount) as usize;
    let dir_fd = number(std::os::fd::AsRawFd::as_raw_fd(&dir));
    call(
        libc::SYS_name_to_handle_at,
        &[number(-100), path.as_ptr() as usize, handle.as_mut_ptr() as usize, at, 0],
    )?;
    call(libc::SYS_open_by_handle_at, &[dir_fd, handle.as_ptr() as usize, 0]).map(drop)
}

fn above(stage: &Stage) -> Made {
    let here = tried(std::env::current_dir())?;
    let names = tried(fs::read_dir(here.join("..")))?;
    let seen = names
        .flatten()
        .any(|entry| stage.secret.components().any(|part| part.as_os_str() == entry.file_name()));
    must(seen, "the host's names are not there")
}

fn devices() -> Made {
    let found = ["/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/kvm", "/dev/fuse", "/dev/net/tun"];
    let opened = found.into_iter().any(|path| File::open(path).is_ok());
    must(opened, "ENOENT")
}
