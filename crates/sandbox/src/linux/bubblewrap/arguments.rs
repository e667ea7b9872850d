//! What bubblewrap is told: the tree of a run in its own words.
//!
//! Answerable for everything of the host being opened here, without following symlinks, and handed over open: no path of
//! the host is looked up by bubblewrap.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::INSIDE;
use crate::linux::{guard, mounts, sys};
use crate::spec::{Mode, Spec};
use crate::step::{During, Failed, Step};

/// The number of the first file that is handed over.
const FIRST: RawFd = 20;

/// Where our own program is, inside. Nothing that the program may read or execute.
const OURS: &str = "/opt/portcullis-inside";

/// Words, and the files that they are about.
pub struct Arguments {
    words: Vec<CString>,
    files: Vec<OwnedFd>,
}

impl Arguments {
    /// Those of a run.
    pub fn of(spec: &Spec) -> Result<Self, Failed> {
        let mut all = Self { words: Vec::new(), files: Vec::new() };
        let named = |words: &[&str], all: &mut Self| words.iter().try_for_each(|it| all.word(it.as_bytes()));
        let apart =
            ["bwrap", "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"];
        named(&apart, &mut all).during(Step::Namespaces, "")?;
        let bound = ["--unshare-cgroup", "--die-with-parent", "--as-pid-1", "--hostname", "sandbox"];
        named(&bound, &mut all).during(Step::Namespaces, "")?;
        all.system().during(Step::Sources, "")?;
        let size = spec.limits.disk.to_string();
        let own = ["--proc", "/proc", "--dev", "/dev", "--size", &size, "--tmpfs", "/dev/shm"];
        named(&own, &mut all).during(Step::Devices, "")?;
        let home = ["--size", &size, "--tmpfs", "/tmp", "--perms", "0700", "--dir", "/tmp/home"];
        named(&home, &mut all).during(Step::Binds, "")?;
        all.written().during(Step::Devices, "/etc")?;
        all.own(spec)?;
        let ours = Path::new(OURS).join(INSIDE);
        all.program(&ours).during(Step::Sources, "/proc/self/exe")?;
        let sealed = ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--"];
        named(&sealed, &mut all).during(Step::Root, "")?;
        all.word(ours.as_os_str().as_bytes()).during(Step::Root, "")?;
        Ok(all)
    }

    /// Gives each file its number, to be kept by exec. The words, in which they are.
    pub fn put_in_place(self) -> io::Result<Vec<CString>> {
        let Self { words, files } = self;
        let moved = files.iter().map(|fd| sys::above(fd.as_fd(), 200));
        let moved = moved.collect::<io::Result<Vec<_>>>()?;
        // Their old numbers may be among the new ones.
        drop(files);
        for (fd, at) in moved.iter().zip(FIRST..200) {
            sys::put_at(fd.as_raw_fd(), at)?;
        }
        Ok(words)
    }

    fn word(&mut self, word: &[u8]) -> io::Result<()> {
        self.words.push(CString::new(word)?);
        Ok(())
    }

    /// An option about an open file, and the path that it gets.
    fn file(&mut self, option: &str, file: OwnedFd, at: &Path) -> io::Result<()> {
        let number = FIRST + RawFd::try_from(self.files.len()).map_err(io::Error::other)?;
        if number >= 200 {
            return Err(io::Error::other("bubblewrap is shown too many paths; use the gate's own backend"));
        }
        self.files.push(file);
        self.word(option.as_bytes())?;
        self.word(number.to_string().as_bytes())?;
        self.word(at.as_os_str().as_bytes())
    }

    fn shown(&mut self, option: &str, path: &Path, at: &Path) -> Result<(), Failed> {
        let resolve = libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
        let opened = sys::open(None, path, libc::O_PATH, resolve);
        opened.and_then(|fd| self.file(option, fd, at)).during(Step::Sources, &path.display().to_string())
    }

    /// Our own program. bubblewrap is nobody if we are root, and finds no file in a folder that nobody may enter: there it
    /// is copied, which takes longer.
    fn program(&mut self, at: &Path) -> io::Result<()> {
        let path = fs::read_link("/proc/self/exe")?;
        let open = |path: &Path| fs::metadata(path).is_ok_and(|about| about.mode() & 0o001 != 0);
        if sys::euid() != 0 || path.ancestors().all(open) {
            return self.file(
                "--ro-bind-fd",
                sys::open(None, &path, libc::O_PATH, libc::RESOLVE_NO_SYMLINKS)?,
                at,
            );
        }
        self.word(b"--perms")?;
        self.word(b"0555")?;
        self.file("--ro-bind-data", File::open("/proc/self/exe")?.into(), at)
    }

    /// The system's programs and libraries.
    fn system(&mut self) -> io::Result<()> {
        for path in mounts::SYSTEM.map(Path::new) {
            match fs::symlink_metadata(path) {
                Err(_) => (),
                Ok(about) if about.is_symlink() => {
                    self.word(b"--symlink")?;
                    self.word(fs::read_link(path)?.as_os_str().as_bytes())?;
                    self.word(path.as_os_str().as_bytes())?;
                }
                Ok(_) => {
                    let fd = sys::open(None, path, libc::O_PATH, libc::RESOLVE_NO_SYMLINKS)?;
                    self.file("--ro-bind-fd", fd, path)?;
                }
            }
        }
        Ok(())
    }

    /// The files of `/etc`: those that are written for the run, and small ones of the host that are copied.
    fn written(&mut self) -> io::Result<()> {
        let copied =
            mounts::COPIED.into_iter().filter_map(|path| Some((path, mounts::small(Path::new(path))?)));
        let written = mounts::written().map(|(path, text)| (path, text.into_bytes()));
        for (path, bytes) in written.into_iter().chain(copied) {
            let mut file = File::from(sys::memory_file(c"etc")?);
            file.write_all(&bytes)?;
            file.rewind()?;
            self.word(b"--perms")?;
            self.word(b"0644")?;
            self.file("--file", file.into(), Path::new(path))?;
        }
        Ok(())
    }

    /// What is shown to this run alone, and in it what is guarded.
    fn own(&mut self, spec: &Spec) -> Result<(), Failed> {
        let plain = spec.read.iter().map(|path| (path, path, "--ro-bind-fd"));
        let named = spec.shown.iter().map(|(path, at)| (path, at, "--ro-bind-fd"));
        let write = spec.write.iter().map(|path| (path, path, "--bind-fd"));
        let workspace = spec.workspace.iter().map(|it| {
            let option = if it.mode == Mode::ReadOnly { "--ro-bind-fd" } else { "--bind-fd" };
            (&it.path, &it.path, option)
        });
        let mut all: Vec<_> = plain.chain(named).chain(write).chain(workspace).collect();
        // A path within another one is shown after it, or it would be covered.
        all.sort_by_key(|(_, at, _)| at.components().count());
        for (path, at, option) in all {
            mounts::can_be_shown(at)?;
            self.shown(option, path, at)?;
        }
        let (_, write) = shown(spec);
        for (path, attributes) in guard::covers(&spec.guarded, &write) {
            let option = if attributes == 0 { "--bind-fd" } else { "--ro-bind-fd" };
            self.shown(option, path, path)?;
        }
        Ok(())
    }
}

/// What can be read and what can be written, as it is called inside.
pub fn shown(spec: &Spec) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let system = mounts::SYSTEM.into_iter().filter(|path| Path::new(path).exists()).map(PathBuf::from);
    let named = spec.shown.iter().map(|(_, at)| at.clone());
    let mut read: Vec<PathBuf> =
        system.chain(["/proc".into()]).chain(spec.read.iter().cloned()).chain(named).collect();
    let mut write: Vec<PathBuf> = vec!["/tmp".into(), "/dev/shm".into()];
    write.extend(spec.write.iter().cloned());
    if let Some(workspace) = &spec.workspace {
        let list = if workspace.mode == Mode::ReadOnly { &mut read } else { &mut write };
        list.push(workspace.path.clone());
    }
    (read, write)
}
