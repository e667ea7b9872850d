//! The release binary as a user runs it: started, waited for, asked, stopped.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The binary: `PORTCULLIS_BIN`, or the workspace's own release.
pub fn binary() -> PathBuf {
    let path = binary_path();
    assert!(path.is_file(), "`{}` is not there; run `cargo build --release` first", path.display());
    path
}

fn binary_path() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/portcullis");
    std::env::var_os("PORTCULLIS_BIN").map_or(built, PathBuf::from)
}

/// Which binary, and from when: it need not be of this checkout.
pub fn described() -> String {
    let path = binary_path();
    let made = std::fs::metadata(&path).and_then(|it| it.modified()).ok();
    match made.and_then(|made| made.elapsed().ok()) {
        Some(age) => format!("{}, built {} minutes before", path.display(), age.as_secs() / 60),
        None => format!("{}, which is not there", path.display()),
    }
}

/// `sqlite:PATH`
pub fn store(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// A command of the binary, without what the environment says.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    command.env_remove("PORTCULLIS_STORE").env_remove("PORTCULLIS_API_KEY").env_remove("PORTCULLIS_LOG");
    command
}

/// Makes a key of a role and gives its secret.
pub fn key(store_path: &Path, role: &str) -> String {
    let store = store(store_path);
    let args = ["keys", "create", "--role", role, "--name", "bench", "--json", "--store", &store];
    let output = command().args(args).output().expect("portcullis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "no key could be made: {}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_str(&said).expect("keys create --json prints JSON");
    json["secret"].as_str().expect("keys create --json prints a secret").to_owned()
}

/// A server under way; killed when dropped.
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    /// From exec to the ready line.
    pub ready_after: Duration,
}

impl Server {
    /// `portcullis serve`, waited for.
    pub fn start(policy: &Path, store_path: &Path) -> Self {
        Self::start_with(policy, store_path, &[])
    }

    /// The same with more arguments.
    pub fn start_with(policy: &Path, store_path: &Path, more: &[&str]) -> Self {
        let start = Instant::now();
        let mut child = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--policy"])
            .arg(policy)
            .args(["--store", &store(store_path)])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("portcullis starts");
        let address = ready_line(&mut child);
        Self { child, address, ready_after: start.elapsed() }
    }

    /// A number of `/proc/PID/status` in MB: `VmRSS`, `VmHWM`.
    pub fn megabytes(&self, field: &str) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        kilobytes.expect("the status has the field") * 1024.0 / 1e6
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As an operator stops it; how long it took.
    pub fn stop(mut self) -> Duration {
        let start = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a running process can be told");
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "portcullis ended with {status}");
        start.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The processor time that a process has taken so far, in seconds, of all its threads.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process has a status");
    // The name may hold anything, so count from behind it: user and system time are then the 12th and 13th.
    let (_, fields) = stat.rsplit_once(')').expect("the status names the program");
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

/// Waits for the line `... is ready at http://ADDRESS` and gives the address. The rest of the output is thrown away.
pub fn ready_line(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
    let found = lines.by_ref().map_while(std::result::Result::ok).find_map(|line| {
        let (_, address) = line.split_once("is ready at http://")?;
        Some(address.trim().trim_end_matches('/').to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    found.unwrap_or_else(|| panic!("a server ended before it was ready: {:?}", child.wait()))
}
