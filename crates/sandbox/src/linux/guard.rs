//! What runs later, in folders that are written in place: where there is no layer that could be reviewed.
//!
//! Answerable for finding it before a run, so that it can be shown read-only, and for taking away afterwards what a
//! run made of the kind. Between the two there is a gap: the kernel cannot refuse that a file of a certain name is
//! made, and until the run is over such a file is there.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::{protected, sys};
use crate::spec::{Mode, Spec};

/// The most entries that are looked at.
const MOST: usize = 200_000;
/// The most that is guarded: each is a mount, and so is each folder on the way to it.
const GUARDED: usize = 4_000;
/// The deepest folder that is looked into.
const DEEPEST: usize = 64;

const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;

/// What is guarded in the folders that a run writes in place.
#[derive(Debug, Default)]
pub struct Guard {
    roots: Vec<(PathBuf, OwnedFd)>,
    /// What was there before: real absolute paths.
    pub found: Vec<PathBuf>,
}

impl Guard {
    /// Looks through what a run writes in place. A tree that is too large to be looked through is an error.
    pub fn look(spec: &Spec) -> io::Result<Self> {
        let direct = spec.workspace.iter().filter(|it| it.mode == Mode::Direct).map(|it| &it.path);
        let mut guard = Self::default();
        for root in direct.chain(&spec.write) {
            // A single file that is listed is meant.
            if !fs::symlink_metadata(root)?.is_dir() {
                continue;
            }
            let flags = libc::O_RDONLY | libc::O_DIRECTORY;
            let fd = sys::open(None, root, flags, libc::RESOLVE_NO_SYMLINKS)?;
            let own = spec.own.iter().filter(|own| own.starts_with(root) && *own != root);
            guard.found.extend(own.filter(|own| own.symlink_metadata().is_ok()).cloned());
            let inside = search(&fd)?;
            guard.found.extend(inside.into_iter().map(|path| root.join(path)));
            guard.roots.push((root.clone(), fd));
        }
        guard.found.sort();
        guard.found.dedup();
        if guard.found.len() > GUARDED {
            return Err(io::Error::other(format!(
                "more than {GUARDED} files in it run later; list folders that are smaller, or use a workspace with a layer"
            )));
        }
        Ok(guard)
    }

    /// Takes away what was not there before. Gives it, and what could not be taken away with the reason.
    pub fn undo(&self) -> Vec<(PathBuf, String)> {
        let mut told = Vec::new();
        for (root, fd) in &self.roots {
            let now = match search(fd) {
                Ok(now) => now,
                Err(error) => {
                    told.push((
                        root.clone(),
                        format!("it cannot be looked through for what runs later: {error}"),
                    ));
                    continue;
                }
            };
            for path in now {
                let whole = root.join(&path);
                if self.found.contains(&whole) {
                    continue;
                }
                let why = protected::why(&path).unwrap_or_else(|| "git can execute what it names".to_owned());
                let said = match remove(fd, &path) {
                    Ok(()) => format!("{why}: it was taken away"),
                    Err(error) => format!("{why}, and it could not be taken away: {error}"),
                };
                told.push((whole, said));
            }
        }
        told
    }
}

/// What is guarded below a folder: the topmost of each.
fn search(root: &OwnedFd) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        // What is gone, or was swapped for a link meanwhile, is nothing that is looked into.
        let Ok(fd) = sys::open(Some(root.as_fd()), here, libc::O_RDONLY | libc::O_DIRECTORY, BENEATH) else {
            continue;
        };
        let entries: Vec<fs::DirEntry> = fs::read_dir(by(&fd, ""))?.collect::<io::Result<_>>()?;
        looked_at += entries.len();
        if looked_at > MOST || folder.components().count() > DEEPEST {
            return Err(io::Error::other(format!(
                "there are more than {MOST} entries, or folders more than {DEEPEST} deep; use a workspace with a layer"
            )));
        }
        let bare =
            ["HEAD", "objects", "refs"].iter().all(|name| entries.iter().any(|it| it.file_name() == *name));
        for entry in entries {
            let (path, name) = (folder.join(entry.file_name()), entry.file_name());
            let is_folder = entry.file_type().is_ok_and(|it| it.is_dir());
            let git = is_folder && name.eq_ignore_ascii_case(".git");
            let of_bare = bare && (name == "hooks" || name == "config");
            if of_bare || !git && protected::runs_later(&path) {
                found.push(path);
            } else if is_folder {
                folders.push(path);
            }
        }
    }
    Ok(found)
}

fn remove(root: &OwnedFd, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
    let folder = sys::open(Some(root.as_fd()), parent, libc::O_RDONLY | libc::O_DIRECTORY, BENEATH)?;
    let at = by(&folder, name);
    if fs::symlink_metadata(&at)?.is_dir() { fs::remove_dir_all(at) } else { fs::remove_file(at) }
}

/// A path by which the standard library reaches a name in an open folder.
fn by(folder: &OwnedFd, name: impl AsRef<Path>) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
}

/// Makes what is guarded read-only, where it is shown inside: the current folder is the new root.
///
/// The folders on the way to it become mounts, too: one that is a mount cannot be renamed, and so nothing else can take
/// its place.
pub fn hold(guarded: &[PathBuf], roots: &[PathBuf]) -> io::Result<()> {
    for (path, attributes) in covers(guarded, roots) {
        cover(path.strip_prefix("/").unwrap_or(path), attributes)?;
    }
    Ok(())
}

/// What is to be shown once more at its own place, from the outside in, and how: what is guarded read-only, and the
/// folders on the way to it as they are.
pub fn covers<'p>(guarded: &'p [PathBuf], roots: &[PathBuf]) -> Vec<(&'p Path, u64)> {
    let mut covers: Vec<(&Path, u64)> = Vec::new();
    for path in guarded {
        let Some(root) = roots.iter().find(|root| path.starts_with(root)) else { continue };
        let above = path.ancestors().skip(1).take_while(|it| *it != root);
        covers.extend(above.map(|folder| (folder, 0)));
        covers.push((path, libc::MOUNT_ATTR_RDONLY));
    }
    // Read-only last where something is both.
    covers.sort_by_key(|(path, attributes)| (path.components().count(), path.to_owned(), *attributes));
    covers.dedup();
    covers
}

/// Shows what is at a path once more, at the same place.
fn cover(path: &Path, attributes: u64) -> io::Result<()> {
    let resolve = libc::RESOLVE_NO_MAGICLINKS | libc::RESOLVE_NO_SYMLINKS;
    let at: File = match sys::open(None, path, libc::O_PATH, resolve) {
        Ok(at) => at.into(),
        // It went away meanwhile; a symlink at its place is no file to be guarded and fails here.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mount = sys::clone_tree(at.as_fd())?;
    sys::set_mount(mount.as_fd(), attributes | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV, None)?;
    sys::attach(mount.as_fd(), Some(at.as_fd()), Path::new(""))
}
