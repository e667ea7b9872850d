//! What the figures were measured on: enough to tell two runs apart.

use std::fs;
use std::process::Command;

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
        ("commit", said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])),
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("load before", load()),
        ("peers", "cel 0.15, cedar-policy 4.14, axum 0.8; allocator mimalloc throughout".to_owned()),
    ])
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

/// The load averages: above the part's own, somebody else was at work.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
