//! What a run changed in its workspace, read from the overlay's upper layer; and carrying it over, or not.
//!
//! Answerable for every file being reached by descriptors, never through a symlink, on both sides; for what runs
//! later (hooks, start-up files, settings of editors and agents) being held back; and for set-user bits, devices
//! and links out of the tree never getting out. Knows nothing of who agrees.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{protected, sys};

/// The most changes that are read: a layer's files are limited anyway.
const MOST: usize = 100_000;
/// The deepest folder that is read.
const DEEPEST: usize = 128;

const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Below the workspace. Names that are no UTF-8 are shown with replacements and always held back.
    pub path: PathBuf,
    /// What happened.
    pub kind: Kind,
    /// Bytes of the new file.
    pub size: u64,
    /// Why it is not carried over unless a person agrees to exactly this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file that was not there.
    Created,
    /// A file with other contents or another mode.
    Changed,
    /// A folder that was not there.
    Folder,
    /// A symlink, new or changed.
    Link,
    /// It is gone.
    Deleted,
    /// A device, a socket, a pipe: never carried over.
    Special,
}

/// The changes of a run.
pub struct Changes {
    upper: OwnedFd,
    workspace: OwnedFd,
    /// In the order in which they are to be made.
    pub list: Vec<Change>,
}

impl Changes {
    /// Reads the layer. `own`: files of the gate, which are held back wherever they lie.
    pub fn read(upper: OwnedFd, workspace: &Path, own: &[PathBuf]) -> io::Result<Self> {
        let workspace_fd =
            sys::open(None, workspace, libc::O_RDONLY | libc::O_DIRECTORY, libc::RESOLVE_NO_SYMLINKS)?;
        let own: Vec<&Path> = own.iter().filter_map(|it| it.strip_prefix(workspace).ok()).collect();
        let mut changes = Self { upper, workspace: workspace_fd, list: Vec::new() };
        let mut list = Vec::new();
        changes.walk(Path::new(""), &mut list)?;
        let mut folders: Vec<PathBuf> = Vec::new();
        for change in &mut list {
            if change.held.is_none() {
                let named = own.iter().any(|own| {
                    change.path.starts_with(own)
                        || change.kind == Kind::Deleted && own.starts_with(&change.path)
                });
                let gate = named.then(|| "it belongs to the gate".to_owned());
                let within = folders.iter().any(|folder| change.path.starts_with(folder));
                let within = within.then(|| "its folder is held back".to_owned());
                change.held = gate.or_else(|| protected::why(&change.path)).or(within);
            }
            if change.held.is_some() && change.kind == Kind::Folder {
                folders.push(change.path.clone());
            }
        }
        changes.list = list;
        Ok(changes)
    }

    fn walk(&self, folder: &Path, list: &mut Vec<Change>) -> io::Result<()> {
        if folder.components().count() > DEEPEST {
            return Err(io::Error::other(format!("folders are more than {DEEPEST} deep")));
        }
        let upper = open_folder(self.upper.as_fd(), folder)?;
        let mut names = entries(&upper)?;
        names.sort();
        if !folder.as_os_str().is_empty() && is_opaque(&upper) {
            self.replaced(folder, &names, list)?;
        }
        for name in names {
            let path = folder.join(&name);
            let entry = sys::open(Some(self.upper.as_fd()), &path, libc::O_PATH | libc::O_NOFOLLOW, BENEATH)?;
            let about = File::from(entry.try_clone()?).metadata()?;
            if list.len() >= MOST {
                return Err(io::Error::other(format!("there are more than {MOST} changes")));
            }
            let (before, kind) = (self.before(&path), about.file_type());
            if kind.is_char_device() && about.rdev() == 0 {
                list.push(Change { path, kind: Kind::Deleted, size: 0, held: None });
            } else if kind.is_dir() {
                match before {
                    Some(before) if before.is_dir() => (),
                    before => {
                        if before.is_some() {
                            list.push(Change {
                                path: path.clone(),
                                kind: Kind::Deleted,
                                size: 0,
                                held: None,
                            });
                        }
                        list.push(Change { path: path.clone(), kind: Kind::Folder, size: 0, held: None });
                    }
                }
                self.walk(&path, list)?;
            } else if kind.is_symlink() {
                let held = link_out(&entry, &path);
                list.push(Change { path, kind: Kind::Link, size: about.len(), held });
            } else if kind.is_file() {
                let kind = if before.is_some() { Kind::Changed } else { Kind::Created };
                let odd = about.mode() & 0o7000 & !0o1000 != 0;
                let held = odd.then(|| "it runs with its owner's rights".to_owned());
                list.push(Change { path, kind, size: about.len(), held });
            } else {
                let held = Some("it is no file, folder or link".to_owned());
                list.push(Change { path, kind: Kind::Special, size: 0, held });
            }
        }
        Ok(())
    }

    /// A folder that was removed and made again: what was in it is gone.
    fn replaced(
        &self,
        folder: &Path,
        names: &[std::ffi::OsString],
        list: &mut Vec<Change>,
    ) -> io::Result<()> {
        let Ok(lower) = open_folder(self.workspace.as_fd(), folder) else { return Ok(()) };
        for name in entries(&lower)? {
            if !names.contains(&name) {
                list.push(Change { path: folder.join(name), kind: Kind::Deleted, size: 0, held: None });
            }
        }
        Ok(())
    }

    fn before(&self, path: &Path) -> Option<fs::Metadata> {
        let fd =
            sys::open(Some(self.workspace.as_fd()), path, libc::O_PATH | libc::O_NOFOLLOW, BENEATH).ok()?;
        File::from(fd).metadata().ok()
    }

    /// Carries over what `wanted` says, in order. Gives the changes that were not, each with the reason.
    pub fn commit(&self, wanted: &dyn Fn(&Change) -> bool) -> Vec<(PathBuf, String)> {
        let mut left = Vec::new();
        for change in &self.list {
            if !wanted(change) {
                let why = change.held.clone().unwrap_or_else(|| "it was not wanted".to_owned());
                left.push((change.path.clone(), why));
            } else if let Err(error) = self.carry(change) {
                left.push((change.path.clone(), error.to_string()));
            }
        }
        left
    }

    /// The new contents of a changed file.
    pub fn open(&self, change: &Change) -> io::Result<File> {
        if !matches!(change.kind, Kind::Created | Kind::Changed) {
            return Err(io::Error::other("it is no file"));
        }
        let flags = libc::O_RDONLY | libc::O_NONBLOCK;
        sys::open(Some(self.upper.as_fd()), &change.path, flags, BENEATH).map(File::from)
    }

    fn carry(&self, change: &Change) -> io::Result<()> {
        let (folder, name) = self.home_of(&change.path)?;
        let here = at(&folder, &name);
        match change.kind {
            Kind::Special => Err(io::Error::other("it is no file, folder or link")),
            Kind::Deleted => match fs::symlink_metadata(&here) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
                Ok(about) if about.is_dir() => fs::remove_dir_all(&here),
                Ok(_) => fs::remove_file(&here),
            },
            Kind::Folder => match fs::create_dir(&here) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                Err(error) => Err(error),
                // What a root gate makes in a workspace belongs to whom the workspace belongs to.
                Ok(()) => own(&folder, &here),
            },
            Kind::Link => {
                let entry = sys::open(
                    Some(self.upper.as_fd()),
                    &change.path,
                    libc::O_PATH | libc::O_NOFOLLOW,
                    BENEATH,
                )?;
                let to = read_link(&entry)?;
                replace(&folder, &name, |new| {
                    std::os::unix::fs::symlink(&to, new)?;
                    own(&folder, new)
                })
            }
            Kind::Created | Kind::Changed => {
                let from = sys::open(
                    Some(self.upper.as_fd()),
                    &change.path,
                    libc::O_RDONLY | libc::O_NONBLOCK,
                    BENEATH,
                )?;
                let mut from = File::from(from);
                let mode = from.metadata()?.mode() & 0o777;
                replace(&folder, &name, |new| {
                    let mut to = File::create_new(new)?;
                    io::copy(&mut from, &mut to)?;
                    to.set_permissions(fs::Permissions::from_mode(mode))?;
                    // By what was opened: at the name there could be something else by now.
                    owned_as(&folder, |uid, gid| std::os::unix::fs::fchown(&to, uid, gid))
                })
            }
        }
    }

    /// The folder of a path in the workspace, opened without following links, and the last name.
    fn home_of(&self, path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
        let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
        let folder = open_folder(self.workspace.as_fd(), path.parent().unwrap_or(Path::new("")))?;
        Ok((folder, PathBuf::from(name)))
    }
}

/// A path by which the standard library reaches a name in an open folder.
fn at(folder: &OwnedFd, name: &Path) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
}

/// Gives what was made in a folder to the folder's owner.
fn own(folder: &OwnedFd, made: &Path) -> io::Result<()> {
    owned_as(folder, |uid, gid| std::os::unix::fs::lchown(made, uid, gid))
}

fn owned_as(
    folder: &OwnedFd,
    chown: impl FnOnce(Option<u32>, Option<u32>) -> io::Result<()>,
) -> io::Result<()> {
    let about = File::from(folder.try_clone()?).metadata()?;
    if sys::euid() != 0 {
        return Ok(());
    }
    chown(Some(about.uid()), Some(about.gid()))
}

/// Makes something under another name and puts it in place in one step.
fn replace(folder: &OwnedFd, name: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let new = at(folder, Path::new(&format!(".portcullis-{}", std::process::id())));
    let _none = fs::remove_file(&new);
    let made = make(&new).and_then(|()| {
        let to = at(folder, name);
        if fs::symlink_metadata(&to).is_ok_and(|about| about.is_dir()) {
            fs::remove_dir_all(&to)?;
        }
        fs::rename(&new, to)
    });
    if made.is_err() {
        let _none = fs::remove_file(&new);
    }
    made
}

fn open_folder(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    sys::open(Some(root), path, libc::O_RDONLY | libc::O_DIRECTORY, BENEATH)
}

fn entries(folder: &OwnedFd) -> io::Result<Vec<std::ffi::OsString>> {
    let listed = fs::read_dir(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()))?;
    listed.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

fn read_link(link: &OwnedFd) -> io::Result<PathBuf> {
    let mut buffer = [0_u8; 4096];
    let length = sys::read_link(link.as_fd(), &mut buffer)?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(buffer.get(..length).unwrap_or_default())))
}

/// Why a symlink is held back: it leaves the tree.
fn link_out(link: &OwnedFd, path: &Path) -> Option<String> {
    let Ok(to) = read_link(link) else { return Some("it cannot be read".to_owned()) };
    let mut depth = path.components().count().saturating_sub(1);
    for part in to.components() {
        match part {
            Component::RootDir | Component::Prefix(_) => {
                return Some("it leads out of the workspace".to_owned());
            }
            Component::ParentDir if depth == 0 => return Some("it leads out of the workspace".to_owned()),
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::CurDir => (),
        }
    }
    None
}

fn is_opaque(folder: &OwnedFd) -> bool {
    [c"user.overlay.opaque", c"trusted.overlay.opaque"]
        .into_iter()
        .any(|name| sys::has_attribute(folder.as_fd(), name))
}
