//! Files of one folder, for whoever acts on behalf of an agent outside a run.
//!
//! Answerable for a path never leaving the folder: it is resolved below the folder's descriptor without following
//! links (`openat2`), and what was opened is what is used. Between check and use there is nothing to swap.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use super::{protected, sys};

const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
/// The most names of one folder that are listed.
const LISTED: usize = 10_000;

/// A folder that was opened.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Its name; characters that are none are replaced.
    pub name: String,
    /// `file`, `folder`, `link` or `other`.
    pub kind: &'static str,
    /// Bytes of a file.
    pub size: u64,
}

impl Folder {
    /// Opens a folder. Its own path may have links: whoever names it is the operator.
    pub fn open(path: &Path) -> io::Result<Self> {
        sys::open(None, path, libc::O_RDONLY | libc::O_DIRECTORY, 0).map(Self)
    }

    /// The bytes of a file from `offset` on, `most` at the most; and how many it has in all.
    pub fn read(&self, path: &Path, offset: u64, most: u64) -> io::Result<(Vec<u8>, u64)> {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
        let mut file = File::from(sys::open(Some(self.0.as_fd()), within(path)?, flags, BENEATH)?);
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok((bytes, about.len()))
    }

    /// Writes a file, whole; folders on the way are made. What runs later, outside, is not written.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = within(path)?;
        unprotected(path)?;
        self.make_parents(path)?;
        // An existing special file must not keep us: it is opened without waiting, and looked at.
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_NONBLOCK | libc::O_NOCTTY;
        let mut file = File::from(sys::open(Some(self.0.as_fd()), path, flags, BENEATH)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        file.set_len(0)?;
        file.write_all(bytes)
    }

    /// Deletes a file or an empty folder.
    pub fn delete(&self, path: &Path) -> io::Result<()> {
        let path = within(path)?;
        unprotected(path)?;
        let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
        let parent = self.folder(path.parent().unwrap_or(Path::new("")))?;
        let here = Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string()).join(name);
        if fs::symlink_metadata(&here)?.is_dir() { fs::remove_dir(here) } else { fs::remove_file(here) }
    }

    /// What is in a folder, by name.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let folder = self.folder(within(path)?)?;
        let mut entries = Vec::new();
        for entry in
            fs::read_dir(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()))?.take(LISTED)
        {
            let entry = entry?;
            let about = entry.metadata()?;
            let kind = match about.file_type() {
                kind if kind.is_file() => "file",
                kind if kind.is_dir() => "folder",
                kind if kind.is_symlink() => "link",
                _ => "other",
            };
            let size = if about.is_file() { about.len() } else { 0 };
            entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind, size });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        sys::open(Some(self.0.as_fd()), path, libc::O_RDONLY | libc::O_DIRECTORY, BENEATH)
    }

    fn make_parents(&self, path: &Path) -> io::Result<()> {
        let mut at = PathBuf::new();
        for part in path.parent().unwrap_or(Path::new("")).components() {
            let folder = self.folder(&at)?;
            let name = Path::new(part.as_os_str());
            match fs::create_dir(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => at.push(name),
            }
        }
        Ok(())
    }
}

/// A path without `..`, below the folder: `/a` is `a`.
fn within(path: &Path) -> io::Result<&Path> {
    let path = path.strip_prefix("/").unwrap_or(path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if plain { Ok(path) } else { Err(io::Error::other("it leads out of the workspace")) }
}

fn unprotected(path: &Path) -> io::Result<()> {
    match protected::why(path) {
        Some(why) => Err(io::Error::other(format!("it is not changed: {why}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn no_path_leaves_the_folder() {
        let dir = std::env::temp_dir().join(format!("beneath-{}", std::process::id()));
        fs::create_dir_all(dir.join("in/sub")).unwrap();
        fs::write(dir.join("secret"), "secret").unwrap();
        symlink("../secret", dir.join("in/link")).unwrap();
        symlink("..", dir.join("in/up")).unwrap();
        symlink("/", dir.join("in/root")).unwrap();
        let folder = Folder::open(&dir.join("in")).unwrap();
        for out in
            ["../secret", "link", "up/secret", "root/etc/passwd", "sub/../../secret", "/../secret", "up/new"]
        {
            let path = Path::new(out);
            assert!(folder.read(path, 0, 10).is_err(), "{out}");
            assert!(folder.write(path, b"x").is_err(), "{out}");
            assert!(folder.delete(&path.join("x")).is_err(), "{out}");
        }
        assert_eq!(fs::read_to_string(dir.join("secret")).unwrap(), "secret");
        folder.write(Path::new("a/b/c.txt"), b"hello").unwrap();
        assert_eq!(folder.read(Path::new("/a/b/c.txt"), 1, 3).unwrap(), (b"ell".to_vec(), 5));
        assert_eq!(folder.list(Path::new("a")).unwrap()[0].kind, "folder");
        for held in [".git/hooks/x", ".bashrc", ".vscode/tasks.json", "a/.envrc"] {
            assert!(folder.write(Path::new(held), b"x").is_err(), "{held}");
        }
        folder.delete(Path::new("a/b/c.txt")).unwrap();
        folder.delete(Path::new("link")).unwrap();
        assert!(dir.join("secret").exists() && !dir.join("in/link").exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
