//! What the tests share: a place on the disk, runs as root and as nobody, and what they came to.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use sandbox::{Guarantee, Spec};
use serde_json::Value;

/// Who starts the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    Root,
    Nobody,
}

pub const NOBODY: u32 = 65_534;

/// A folder that goes away with the test, and the program in it where nobody can execute it.
pub struct Place {
    pub dir: PathBuf,
    pub program: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        // In a process namespace numbers come round.
        let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let dir = PathBuf::from(format!("/tmp/sandbox-test-{}-{n}-{time:x}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let program = dir.join("sandboxed");
        // A hard link is enough where the disk is the same one.
        let built = Path::new(env!("CARGO_BIN_EXE_sandboxed"));
        if fs::hard_link(built, &program).is_err() {
            fs::copy(built, &program).unwrap();
        }
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir, program }
    }

    /// A folder to work in, owned by whoever starts the sandbox.
    pub fn workspace(&self, who: As) -> PathBuf {
        let path = self.dir.join(format!("ws-{who:?}"));
        fs::create_dir_all(&path).unwrap();
        if who == As::Nobody && is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        path
    }

    pub fn run(&self, who: As, spec: &Spec) -> Ran {
        let mut command = Command::new(&self.program);
        command.arg(serde_json::to_string(spec).unwrap()).env("PORTCULLIS_TEST_SECRET", "of the gate");
        if who == As::Nobody && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = serde_json::from_str(&text);
        let json = json.unwrap_or_else(|error| panic!("{error}: `{text}` {output:?}"));
        Ran { json }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub json: Value,
}

impl Ran {
    pub fn out(&self) -> &str {
        self.json["out"].as_str().unwrap()
    }
    pub fn err(&self) -> &str {
        self.json["err"].as_str().unwrap()
    }
    pub fn code(&self) -> Option<i64> {
        self.json["ended"]["code"].as_i64()
    }
    pub fn refused(&self) -> Option<&str> {
        self.json["not_run"].as_str()
    }
}

pub fn is_root() -> bool {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Who can be tried here: root and nobody for root, only ourselves for others. What is left out is said.
pub fn everyone() -> Vec<As> {
    if is_root() {
        return vec![As::Root, As::Nobody];
    }
    println!("SKIPPED: runs that root starts, because this is not root");
    vec![As::Nobody]
}

/// A run of a shell script with the defaults. Nobody has no control groups: what they enforce is waived.
pub fn sh(who: As, script: &str) -> Spec {
    spec(who, &["/bin/sh", "-c", script])
}

pub fn spec(who: As, argv: &[&str]) -> Spec {
    let mut spec = Spec::new(argv.iter().map(|it| (*it).to_owned()).collect());
    if who == As::Nobody {
        spec.accept_missing = vec![Guarantee::Memory, Guarantee::Cpu];
    }
    spec
}
