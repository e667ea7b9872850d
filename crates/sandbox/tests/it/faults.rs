//! Each step fails in turn: nothing is executed, and nothing is left over.

use std::fs;
use std::path::{Path, PathBuf};

use sandbox::{Mode, Network, Step, Workspace};

use crate::rig::{Place, everyone, sh};

/// What a run could leave behind on the host: groups of helpers that are gone, mounts, processes.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    groups: Vec<PathBuf>,
    mounts: usize,
    processes: Vec<String>,
}

fn left() -> Left {
    let mut groups = Vec::new();
    folders(Path::new("/sys/fs/cgroup"), 0, &mut groups);
    // Other tests have runs of their own: a group whose helper is alive is in use.
    groups.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let helper = name.split('-').nth(1).unwrap().to_owned();
        !Path::new("/proc").join(helper).exists()
    });
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&mark()) {
            processes.push(line);
        }
    }
    Left { groups, mounts, processes }
}

fn mark() -> String {
    format!("mark-{}", std::process::id())
}

/// Nothing is left; groups of other tests' private places go away by themselves.
fn nothing_left(before: &Left, what: &str) {
    let start = std::time::Instant::now();
    loop {
        let now = left();
        let fresh: Vec<_> = now.groups.iter().filter(|group| !before.groups.contains(group)).collect();
        if fresh.is_empty() && now.mounts == before.mounts && now.processes == before.processes {
            return;
        }
        assert!(start.elapsed().as_secs() < 5, "{what}: {fresh:?} {now:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn folders(at: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(at) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink())
    {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("portcullis-")) {
            found.push(path.clone());
        }
        if depth < 5 {
            folders(&path, depth + 1, found);
        }
    }
}

#[test]
fn whichever_step_fails_nothing_is_executed_and_nothing_is_left() {
    let place = Place::new();
    for who in everyone() {
        let path = place.workspace(who);
        let before = left();
        for step in Step::ALL {
            let mut run = sh(who, &format!("echo {} > executed", mark()));
            run.cwd.clone_from(&path);
            run.workspace = Some(Workspace { path: path.clone(), mode: Mode::Direct });
            run.accept_missing.push(sandbox::Guarantee::Disk);
            run.network = Network::Proxy;
            run.fail_at = Some(step);
            let ran = place.run(who, &run);
            let why = ran.refused().unwrap_or_else(|| panic!("{step:?} {who:?} {ran:?}"));
            assert!(why.contains(step.says()), "{step:?} {who:?}: {why}");
            assert!(!path.join("executed").exists(), "{step:?} {who:?}");
            nothing_left(&before, &format!("{step:?} {who:?}"));
        }
        // The same run without a fault is executed: the test can tell.
        let mut run = sh(who, "echo executed > executed");
        run.cwd.clone_from(&path);
        run.workspace = Some(Workspace { path: path.clone(), mode: Mode::Direct });
        run.accept_missing.push(sandbox::Guarantee::Disk);
        run.network = Network::Proxy;
        assert_eq!(place.run(who, &run).code(), Some(0));
        assert!(path.join("executed").exists());
    }
}
