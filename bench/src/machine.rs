//! What the figures were measured on: enough to tell two runs apart.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// The machine, as the figures' reader must know it.
pub struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Name and value, in the order they are shown.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        self.0.clone()
    }
}

/// Reads it from the system.
pub fn look() -> Machine {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok();
        let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
        text.filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
    };
    Machine(vec![
        ("cpu", format!("{} ({cores} cores)", cpu())),
        ("memory", said("awk", &["/MemTotal/ {printf \"%.1f GB\", $2 / 1e6}", "/proc/meminfo"])),
        ("kernel", said("uname", &["-sr"])),
        ("rustc", said("rustc", &["--version"])),
        ("binary", crate::portcullis::described()),
        ("checkout", said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])),
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("others", others()),
        ("files", crate::disk::folder().display().to_string()),
        ("peers", "cel 0.15, cedar-policy 4.14, axum 0.8; bench/peers has the others; allocator mimalloc throughout".to_owned()),
    ])
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

/// How many cores are at work while the bench is not.
pub fn busy() -> f64 {
    let before = ticks();
    std::thread::sleep(Duration::from_millis(300));
    let ((busy, all), (busy_before, all_before)) = (ticks(), before);
    let cores = std::thread::available_parallelism().map_or(1.0, |it| usize::from(it) as f64);
    (busy - busy_before) / (all - all_before).max(1.0) * cores
}

/// More than this, and what is measured is also what else runs.
pub const QUIET: f64 = 0.2;

fn others() -> String {
    match busy() {
        busy if busy < QUIET => "nothing else runs".to_owned(),
        busy => format!(
            "WARNING: {busy:.1} cores are busy with something else; what waits for a disk or a thread is worst hit"
        ),
    }
}

/// Processor time spent, and in all, since the machine started.
fn ticks() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let fields: Vec<f64> =
        first.split_whitespace().skip(1).take(8).filter_map(|it| it.parse().ok()).collect();
    let all: f64 = fields.iter().sum();
    let idle: f64 = fields.iter().skip(3).take(2).sum();
    (all - idle, all)
}
