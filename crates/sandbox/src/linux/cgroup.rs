//! Control groups: one of its own for each run, below ours, in whichever version the host has.
//!
//! Answerable for limits on memory, processes and processor of the whole run, and for taking the group away
//! again. Touches no group but those it made, and empty ones that were left when a helper was killed. Knows nothing of
//! namespaces.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::children;
use crate::spec::Limits;

/// The groups of one run: one with version 2, one for each controller with version 1.
///
/// They are made and joined before the run comes, since joining can wait for all processors; the limits come with it.
#[derive(Debug, Default)]
pub struct Group {
    name: String,
    places: Vec<Place>,
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    cpu: Option<PathBuf>,
    version: u8,
    /// Why something cannot be had.
    why: Vec<String>,
    /// All that is to be taken away again.
    made: Vec<PathBuf>,
}

/// A hierarchy of the host, and where in it we are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    controllers: Vec<String>,
    ours: PathBuf,
    version: u8,
}

impl Group {
    /// Makes the groups that can be had here, without limits. What cannot be had is missing.
    ///
    /// `counted`: the kernel counts processes in user namespaces. With version 1, where each controller has a group of
    /// its own and joining one waits for all processors, that is then enough.
    pub fn make(name: &str, counted: bool) -> Self {
        let places = places(
            &read("/proc/self/cgroup").unwrap_or_default(),
            &read("/proc/self/mountinfo").unwrap_or_default(),
        );
        let mut group = Self::default();
        name.clone_into(&mut group.name);
        group.places = places;
        group.memory = group.had("memory");
        if !(counted && group.place("pids").is_some_and(|place| place.version == 1)) {
            group.pids = group.had("pids");
        }
        group
    }

    /// Sets the limits of a run. What cannot be set is missing from now on. `member` is put into what is made only now.
    pub fn limit(&mut self, limits: &Limits, member: Option<i32>) {
        if limits.cpu.is_some() {
            let before = self.made.len();
            self.cpu = self.had("cpu");
            let fresh = self.made.get(before..).unwrap_or_default().first();
            let joined =
                fresh.zip(member).map(|(path, pid)| join_all(path, pid).map_err(|error| said(path, &error)));
            if let Some(Err(why)) = joined {
                self.why.push(why);
                self.cpu = None;
            }
        }
        let version = self.version;
        let slots = [("memory", &mut self.memory), ("pids", &mut self.pids), ("cpu", &mut self.cpu)];
        for (controller, slot) in slots {
            let Some(path) = slot.as_deref() else { continue };
            let set = settings(controller, version, limits).iter().try_for_each(|(file, value, needed)| {
                match fs::write(path.join(file), value) {
                    Err(error) if *needed => Err(said(&path.join(file), &error)),
                    _ => Ok(()),
                }
            });
            if let Err(why) = set {
                self.why.push(why);
                *slot = None;
            }
        }
    }

    fn place(&self, controller: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.controllers.iter().any(|it| it == controller))
    }

    /// The group with a controller, made if there is none yet.
    fn had(&mut self, controller: &str) -> Option<PathBuf> {
        let made = match self.place(controller).cloned() {
            None => Err(format!("there is no `{controller}` controller")),
            Some(place) => self.add(&place, controller),
        };
        made.map_err(|why| self.why.push(why)).ok()
    }

    fn add(&mut self, place: &Place, controller: &str) -> Result<PathBuf, String> {
        self.version = place.version;
        let mut last = "no parent".to_owned();
        for parent in parents(place) {
            if place.version == 2 && !offers(&parent, controller) {
                last = format!("`{}` does not pass `{controller}` on", parent.display());
                continue;
            }
            let path = parent.join(&self.name);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    last = said(&path, &error);
                    continue;
                }
                _ => (),
            }
            if !self.made.contains(&path) {
                self.made.push(path.clone());
                sweep(&parent);
            }
            return Ok(path);
        }
        Err(last)
    }

    /// Puts a process into all of them.
    pub fn join(&self, pid: i32) -> io::Result<()> {
        self.made.iter().try_for_each(|path| join(path, pid))
    }

    /// Why what is missing is.
    pub fn why(&self) -> &[String] {
        &self.why
    }

    /// True if the memory of the whole run is limited.
    pub fn has_memory(&self) -> bool {
        self.memory.is_some()
    }
    /// True if its processes are counted.
    pub fn has_pids(&self) -> bool {
        self.pids.is_some()
    }
    /// True if its processor time is shared out.
    pub fn has_cpu(&self) -> bool {
        self.cpu.is_some()
    }
    /// 1 or 2.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// True if a process was ended because the memory was used up.
    pub fn out_of_memory(&self) -> bool {
        let Some(path) = &self.memory else { return false };
        let file = if self.version == 2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(path.join(file)).unwrap_or_default();
        let mut counts = text.lines().filter_map(|line| line.strip_prefix("oom_kill "));
        counts.any(|count| count.trim() != "0")
    }
}

/// A file of `/proc`, which has no length: read in large pieces, since each piece is made anew.
fn read(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(32 << 10);
    io::Read::read_to_string(&mut fs::File::open(path)?, &mut text)?;
    Ok(text)
}

fn join(path: &Path, pid: i32) -> io::Result<()> {
    fs::write(path.join("cgroup.procs"), pid.to_string())
}

/// Puts a process into a group, and what it has made: what it makes later is in there by itself.
fn join_all(path: &Path, pid: i32) -> io::Result<()> {
    join(path, pid)?;
    children::of(pid.unsigned_abs()).into_iter().try_for_each(|child| join(path, child))
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("`{}`: {error}", path.display())
}

impl Drop for Group {
    fn drop(&mut self) {
        self.made.iter().for_each(|path| remove(path));
    }
}

/// How old a group is that nobody is still about to join, in microseconds.
const OLD: u64 = 60_000_000;

/// Takes away the groups of helpers that were killed with all that they held (the end of a container, say). Nobody is in
/// them: the kernel keeps those that somebody is in.
fn sweep(parent: &Path) {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |it| u64::try_from(it.as_micros()).unwrap_or(0));
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let made = name.to_str().and_then(|it| it.strip_prefix("portcullis-")?.rsplit_once('-'));
        let made = made.and_then(|(_, time)| u64::from_str_radix(time, 16).ok());
        if made.is_some_and(|made| now.saturating_sub(made) > OLD) {
            let _in_use = fs::remove_dir(entry.path());
        }
    }
}

/// A group can go once its last process is gone, which can take a moment.
fn remove(path: &Path) {
    for _ in 0..200 {
        match fs::remove_dir(path) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            _ => return,
        }
    }
}

/// Files of a controller, what goes into them, and whether it must.
fn settings(controller: &str, version: u8, limits: &Limits) -> Vec<(&'static str, String, bool)> {
    let memory = limits.memory.to_string();
    let pids = limits.processes.to_string();
    let share = u64::from(limits.cpu.unwrap_or(100)).saturating_mul(1000);
    match (controller, version) {
        ("memory", 1) => vec![
            ("memory.limit_in_bytes", memory.clone(), true),
            // Only where swap is counted.
            ("memory.memsw.limit_in_bytes", memory, false),
            ("memory.swappiness", "0".to_owned(), false),
        ],
        ("memory", _) => {
            vec![("memory.max", memory, true), ("memory.swap.max", "0".to_owned(), false)]
        }
        ("pids", _) => vec![("pids.max", pids, true)],
        (_, 1) => vec![
            ("cpu.cfs_period_us", "100000".to_owned(), true),
            ("cpu.cfs_quota_us", share.to_string(), true),
        ],
        _ => vec![("cpu.max", format!("{share} 100000"), true)],
    }
}

/// Where a run's group may be made: below our own; with version 2 also beside it, since a group with processes of
/// its own cannot pass controllers on.
fn parents(place: &Place) -> Vec<PathBuf> {
    let beside = place.ours.parent().filter(|_| place.version == 2).map(Path::to_owned);
    std::iter::once(place.ours.clone()).chain(beside).collect()
}

/// True if groups below a group get a controller (version 2).
fn offers(parent: &Path, controller: &str) -> bool {
    let text = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
    text.split_whitespace().any(|it| it == controller)
        || fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}")).is_ok()
}

/// The hierarchies, from `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn places(own: &str, mounts: &str) -> Vec<Place> {
    let mounts: Vec<&str> = mounts.lines().filter(|line| line.contains(" - cgroup")).collect();
    let mut places = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(names), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let version = if names.is_empty() { 2 } else { 1 };
        let kind = if version == 2 { "cgroup2" } else { "cgroup" };
        let named: Vec<String> = names.split(',').map(str::to_owned).collect();
        let Some((root, point)) = mounts.iter().find_map(|line| mounted(line, kind, &named)) else {
            continue;
        };
        // A namespace or container may show only a part of the hierarchy.
        let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
        let ours = PathBuf::from(point).join(below.trim_start_matches('/'));
        let controllers = if version == 2 {
            let text = fs::read_to_string(ours.join("cgroup.controllers")).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect()
        } else {
            named
        };
        places.push(Place { controllers, ours, version });
    }
    places
}

/// Root and mount point of a line of mountinfo, if it is the hierarchy that is meant.
fn mounted(line: &str, kind: &str, named: &[String]) -> Option<(String, String)> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    if after.next()? != kind {
        return None;
    }
    let options = after.nth(1)?;
    if kind == "cgroup" && !named.iter().all(|name| options.split(',').any(|it| it == name)) {
        return None;
    }
    let mut before = before.split(' ').skip(3);
    Some((before.next()?.to_owned(), before.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Place, places};
    use std::path::PathBuf;

    #[test]
    fn the_old_hierarchies_are_found_by_controller() {
        let own = "4:memory:/a/b\n8:pids:/\n0::/\n";
        let mounts = "31 26 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 26 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let memory = Place {
            controllers: vec!["memory".to_owned()],
            ours: PathBuf::from("/sys/fs/cgroup/memory/a/b"),
            version: 1,
        };
        let pids = Place {
            controllers: vec!["pids".to_owned()],
            ours: PathBuf::from("/sys/fs/cgroup/pids/"),
            version: 1,
        };
        assert_eq!(places(own, mounts), [memory, pids]);
    }

    #[test]
    fn what_killed_helpers_left_is_taken_away_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("portcullis-groups-{}", std::process::id()));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
        let names = [
            "portcullis-7-1".to_owned(),
            format!("portcullis-7-{now:x}"),
            "portcullis-7-x".to_owned(),
            "other-7-1".to_owned(),
        ];
        for name in &names {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        super::sweep(&dir);
        let there: Vec<bool> = names.iter().map(|name| dir.join(name).exists()).collect();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(there, [false, true, true, true]);
    }

    #[test]
    fn what_a_container_sees_of_a_hierarchy_starts_at_its_root() {
        let own = "4:memory:/docker/1\n";
        let mounts = "31 26 0:27 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(places(own, mounts)[0].ours, PathBuf::from("/sys/fs/cgroup/memory/"));
    }
}
