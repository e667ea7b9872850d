//! What a careful administrator would not let go by unasked: which deletions and overwrites cannot be had back.
//!
//! Judges paths only. What a command does to them is known elsewhere; temporary folders and what is plainly
//! rebuilt from sources are nobody's loss.

use verdict::PathTarget;

use crate::Surroundings;

/// Folders for what nobody means to keep.
const TEMPORARY: &[&str] = &["/tmp", "/var/tmp", "/private/tmp", "/private/var/tmp", "/dev/shm", "/run/user"];

/// Folders of the system, whose single files matter, too.
const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib",
    "/System",
    "/Library",
    "/Applications",
    "C:/Windows",
    "C:/Program Files",
];

/// Folders below those that hold what people put there themselves.
const OURS: &[&str] =
    &["/usr/local", "/usr/src", "/var/lib/apt/lists", "/dev/shm", "/proc/self", "/dev/mqueue"];

/// Names of folders that tools make from sources, and make again.
const REBUILT: &[&str] = &[
    "node_modules",
    "bower_components",
    "jspm_packages",
    "target",
    "dist",
    "build",
    "out",
    "_build",
    "obj",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    ".hypothesis",
    ".venv",
    "venv",
    ".eggs",
    "htmlcov",
    ".coverage",
    "coverage",
    ".nyc_output",
    ".next",
    ".nuxt",
    ".output",
    ".svelte-kit",
    ".turbo",
    ".parcel-cache",
    ".vite",
    ".angular",
    ".expo",
    ".docusaurus",
    ".cache",
    ".gradle",
    ".terraform",
    ".serverless",
    ".sass-cache",
    ".dart_tool",
    ".stack-work",
    "dist-newstyle",
    "elm-stuff",
    "zig-cache",
    ".zig-cache",
    "zig-out",
    "DerivedData",
    "Pods",
    "CMakeFiles",
    ".ipynb_checkpoints",
    "tmp",
    "temp",
    ".tmp",
    "test-results",
    "playwright-report",
    ".ccls-cache",
    ".bundle",
    ".yarn-cache",
    ".pnpm-store",
    ".eslintcache",
    ".swc",
    "site-packages",
    "storybook-static",
];

/// Names that are worth asking for wherever they are.
const PRECIOUS: &[&str] = &[".git", ".ssh", ".gnupg", ".aws", ".kube", ".hg", ".svn", ".password-store"];

/// Files whose loss or change locks people out or breaks the machine.
const VITAL: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/fstab",
    "/etc/crypttab",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/ssh/sshd_config",
    "/etc/crontab",
    "/etc/ld.so.preload",
    "/etc/ld.so.conf",
    "/etc/environment",
    "/etc/profile",
    "/etc/nsswitch.conf",
    "/proc/sysrq-trigger",
];

fn below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn strictly_below(path: &str, folder: &str) -> bool {
    below(path, folder) && path.len() > folder.len()
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn is_star(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|it| "*.?[]!@{},".contains(it)) && name.contains(['*', '?'])
}

/// True for what lies in a folder for temporary files.
pub fn is_temporary(path: &str) -> bool {
    TEMPORARY.iter().any(|it| strictly_below(path, it))
        || (path.starts_with("/var/folders/") && path.contains("/T/"))
}

/// True for what tools make from sources, and make again; and for what lies in it.
fn is_rebuilt(path: &str) -> bool {
    let known = |it: &str| {
        REBUILT.contains(&it)
            || it.ends_with(".egg-info")
            || it.starts_with("cmake-build-")
            || it.starts_with("bazel-")
    };
    path.split('/').any(known)
}

fn is_home(path: &str, around: &Surroundings) -> bool {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    path == "/root"
        || around.home.as_deref() == Some(path)
        || matches!(parent, "/home" | "/Users" | "C:/Users")
        || (path.starts_with('~') && !path.contains('/'))
}

/// Why the loss of this cannot be made good; `None` if it is nobody's loss, or an ordinary one.
pub fn deletes(target: &PathTarget, is_recursive: bool, around: &Surroundings) -> Option<&'static str> {
    let path = target.path.as_str();
    if is_temporary(path) {
        return None;
    }
    let last = name(path);
    let everything = target.glob && is_star(last);
    if let Some(note) = precious(path, last, is_recursive || everything) {
        return Some(note);
    }
    let folder =
        if everything { path.strip_suffix(last).unwrap_or(path).trim_end_matches('/') } else { path };
    let is_cwd =
        matches!(folder, "" | ".") && !path.starts_with('/') || around.cwd.as_deref() == Some(folder);
    if everything && (is_cwd || !is_rebuilt(folder)) && !is_temporary(folder) && !TEMPORARY.contains(&folder)
    {
        return Some("removes everything in a folder");
    }
    let is_system =
        SYSTEM.iter().any(|it| below(path, it)) && !OURS.iter().any(|it| strictly_below(path, it));
    if is_system && !path.ends_with(".pid") && !path.ends_with(".lock") {
        return Some("removes a part of the system");
    }
    if !is_recursive {
        return (path == "/" || is_home(path, around)).then_some("removes what everything else depends on");
    }
    if path.is_empty()
        || path == "/"
        || path == "."
        || around.cwd.as_deref().is_some_and(|cwd| below(cwd, path))
    {
        return Some("removes everything there is");
    }
    if is_home(folder, around) {
        return Some("removes a home folder");
    }
    let inside = around.cwd.as_deref().and_then(|cwd| path.strip_prefix(cwd)).unwrap_or(path);
    let is_ours = inside.len() < path.len() || !path.starts_with(['/', '~', '.']) || path.starts_with("./");
    let hidden_ours = path.starts_with('.') && !path.starts_with("..");
    if is_rebuilt(inside)
        && (is_ours || hidden_ours || inside.matches('/').count() > 2 || path.starts_with('~'))
    {
        return None;
    }
    Some("removes a folder with everything in it")
}

fn precious(path: &str, last: &str, whole: bool) -> Option<&'static str> {
    let is_precious = path.split('/').any(|it| PRECIOUS.contains(&it));
    // A stale `.git/index.lock` is removed by hand every day.
    (is_precious
        && !last.ends_with(".lock")
        && (whole || PRECIOUS.contains(&last) || !path.contains(".git/")))
    .then_some("removes history, keys or credentials")
}

/// Why writing over this cannot be made good.
pub fn overwrites(target: &PathTarget) -> Option<&'static str> {
    let path = target.path.as_str();
    if is_disk(path) {
        return Some("writes over a disk");
    }
    if VITAL.contains(&path)
        || below(path, "/boot")
        || below(path, "/etc/sudoers.d")
        || below(path, "/etc/pam.d")
    {
        return Some("writes over what the machine needs to start or to let people in");
    }
    let is_memory = matches!(path, "/dev/mem" | "/dev/kmem" | "/dev/port" | "/proc/kcore");
    is_memory.then_some("writes over memory")
}

/// The same where something is added at the end: only what breaks at once.
pub fn appends(target: &PathTarget) -> Option<&'static str> {
    let path = target.path.as_str();
    if is_disk(path) || path == "/proc/sysrq-trigger" { overwrites(target) } else { None }
}

/// True for a disk or a part of one.
pub fn is_disk(path: &str) -> bool {
    let Some(name) = path.strip_prefix("/dev/") else { return false };
    let starts = [
        "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "rdisk", "mapper/", "md", "dm-", "loop", "nbd",
        "sr", "fd0", "zvol", "mtd", "drbd", "bcache", "rbd", "pmem",
    ];
    starts.iter().any(|it| name.starts_with(it))
}

/// Why changing owners or rights of this and all below cannot be made good.
pub fn takes_over(target: &PathTarget, around: &Surroundings) -> Option<&'static str> {
    let path = target.path.as_str();
    let is_root =
        path == "/" || path == "/*" || (target.glob && is_star(name(path)) && path.matches('/').count() == 1);
    let is_system = SYSTEM.iter().any(|it| below(path, it)) && !OURS.iter().any(|it| below(path, it));
    let is_tree =
        matches!(path, "/home" | "/Users" | "/var" | "/opt" | "/srv" | "/mnt" | "/media" | "/root" | "~");
    (is_root && path.starts_with('/') || is_system || is_tree || is_home(path, around))
        .then_some("changes owners or rights of everything below")
}

/// Names that are devices rather than files, and lead nowhere.
pub fn is_nowhere(path: &str) -> bool {
    matches!(
        path,
        "/dev/null"
            | "/dev/stdout"
            | "/dev/stderr"
            | "/dev/stdin"
            | "/dev/tty"
            | "/dev/zero"
            | "/dev/full"
            | "/dev/random"
            | "/dev/urandom"
            | "-"
            | ""
            | "/dev/ptmx"
    ) || path.starts_with("/dev/fd/")
        || path.starts_with("/dev/pts/")
}
