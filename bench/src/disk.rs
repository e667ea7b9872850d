//! Where the bench keeps files, and what that disk can do at best.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::rounds::Round;

/// `BENCH_FOLDER`, or a folder beside the built bench: on a disk, where the system's folder for short-lived files may
/// be memory.
pub fn folder() -> PathBuf {
    let folder = std::env::var_os("BENCH_FOLDER").map_or_else(beside, PathBuf::from);
    fs::create_dir_all(&folder).expect("the folder for the bench's files can be made");
    folder
}

fn beside() -> PathBuf {
    let bench = std::env::current_exe().expect("a program knows where it is");
    bench.ancestors().nth(2).unwrap_or(Path::new(".")).join("bench-data")
}

/// A new folder that is gone after.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        let path = folder().join(format!("{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).expect("a scratch folder can be made");
        Self(path)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it with this text.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).expect("a scratch file can be written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The floor under every durable answer: 4 KiB appended to a file that is long enough, and `fdatasync`.
pub fn syncs(scratch: &Scratch, n: usize) -> Round {
    let path = scratch.file("floor");
    let mut file = File::create(&path).expect("a scratch file can be made");
    file.write_all(&vec![0; 4096 * (n + 1)]).expect("the disk takes it");
    file.sync_all().expect("the disk takes it");
    let mut file = File::options().write(true).open(&path).expect("a scratch file can be opened");
    let samples = (0..n).map(|_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).expect("the disk takes it");
        file.sync_data().expect("the disk takes it");
        start.elapsed().as_nanos() as f64
    });
    Round { samples: samples.collect(), rate: None }
}
