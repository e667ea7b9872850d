//! Attempts to take more than is given. The amounts fit limits that are set low for this.

use std::fs::{self, File};
use std::io::Write as _;

use super::{Attack, Made, Stage, attack, call, must, sys, tried};
use crate::guarantee::Guarantee::{Disk, FileLimits, Memory, Processes};
use crate::spec::Limits;

pub const ALL: &[Attack] = &[
    attack("res_forks", Processes, forks),
    attack("res_mem_single", Memory, |_| memory(160)),
    attack("res_mem_aggregate", Memory, aggregate),
    attack("res_file_size", FileLimits, |_| tried(File::create("large").and_then(|file| fill(&file, 24)))),
    attack("res_disk_many_files", Disk, many_files),
    attack("res_inodes", Disk, inodes),
    attack("res_fds", FileLimits, descriptors),
    attack("res_raise_rlimit", FileLimits, |_| must(sys::limit(libc::RLIMIT_NOFILE, 512).is_ok(), "EPERM")),
];

/// Limits that the attempts exceed.
pub fn low() -> Limits {
    const MIB: u64 = 1 << 20;
    Limits {
        memory: 96 * MIB,
        processes: 40,
        files: 64,
        file_size: 16 * MIB,
        disk: 32 * MIB,
        inodes: 400,
        ..Limits::default()
    }
}

const MIB: usize = 1 << 20;

fn forks(_: &Stage) -> Made {
    let mut children = Vec::new();
    let mut stopped = Ok(());
    for _ in 0..80 {
        match sys::fork_into(0) {
            Ok(0) => {
                std::thread::sleep(std::time::Duration::from_secs(5));
                sys::leave(0);
            }
            Ok(pid) => children.push(pid),
            Err(error) => {
                stopped = Err(format!("{} after {}", super::name_of(&error), children.len()));
                break;
            }
        }
    }
    for pid in children {
        // SAFETY: a child of ours.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        let _over = sys::wait(pid);
    }
    stopped
}

fn memory(mib: usize) -> Made {
    let mut taken: Vec<u8> = Vec::new();
    taken.try_reserve_exact(mib * MIB).map_err(|error| error.to_string())?;
    taken.resize(mib * MIB, 1);
    must(std::hint::black_box(&taken).last() == Some(&1), "not there")
}

/// Each takes less than the run may have, and together they take more.
fn aggregate(_: &Stage) -> Made {
    let mut children = Vec::new();
    for _ in 0..4 {
        match tried(sys::fork_into(0))? {
            0 => {
                let taken = memory(60).is_ok();
                std::thread::sleep(std::time::Duration::from_millis(300));
                sys::leave(i32::from(!taken));
            }
            pid => children.push(pid),
        }
    }
    let mut failed = 0;
    for pid in children {
        if tried(sys::wait(pid))?.status != 0 {
            failed += 1;
        }
    }
    must(failed == 0, &format!("{failed} of 4 were ended"))
}

fn fill(mut file: &File, mib: usize) -> std::io::Result<()> {
    // The signal that comes with the error would end us before we can say so.
    // SAFETY: numbers only.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let chunk = vec![1_u8; MIB];
    (0..mib).try_for_each(|_| file.write_all(&chunk))
}

fn many_files(_: &Stage) -> Made {
    let mut written = Ok(());
    for n in 0..6 {
        let made = File::create(format!("part{n}")).and_then(|file| fill(&file, 8));
        if let Err(error) = made {
            written = Err(super::name_of(&error));
            break;
        }
    }
    (0..6).for_each(|n| _ = fs::remove_file(format!("part{n}")));
    written
}

fn inodes(_: &Stage) -> Made {
    let mut made = Ok(());
    let mut count = 0;
    while count < 800 && made.is_ok() {
        made = tried(File::create(format!("i{count}")).map(drop));
        count += 1;
    }
    (0..count).for_each(|n| _ = fs::remove_file(format!("i{n}")));
    made
}

fn descriptors(_: &Stage) -> Made {
    (0..100).try_for_each(|_| call(libc::SYS_dup, &[1]).map(drop))
}
