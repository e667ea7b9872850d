//! The file tree of a run: a new root that holds what is listed, and nothing else.
//!
//! Answerable for every path being opened once, without following symlinks, and being mounted from what was
//! opened; for read-only being read-only all the way down; and for the overlay. Runs in the new mount
//! namespace, with the rights of its owner.
//!
//! It is built in two halves: what every run has, before the run comes ([`prepare`]), and what its own is
//! ([`furnish`]). Between the two the old root lies above the new one, and is reached by an open descriptor alone.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use libc::c_int;

use super::{guard, sys};
use crate::spec::{Limits, Mode, Network, Spec, Workspace};
use crate::step::{During, Failed, Step};

/// Programs and libraries of the system, and what they need to find each other. Each mount costs a start some
/// 20 µs: what no program misses is not shown.
pub(super) const SYSTEM: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
];

/// Small files of the system that are copied: that is quicker than to mount them.
pub(super) const COPIED: [&str; 4] =
    ["/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/services"];
/// The most that is copied of one, in bytes.
const LARGEST: u64 = 512 << 10;

/// The only devices.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Where the new root and the layers of a workspace are put: folders that every system has, in the old tree.
const SITES: [&str; 4] = ["tmp", "mnt", "var", "usr"];

const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// A tree that was opened, to be shown at a path.
struct Source {
    mount: OwnedFd,
    folder: bool,
    at: PathBuf,
}

/// The half of the tree that every run has. The current folder is the new root, below the old one.
pub struct Ground {
    /// The old root, where the paths of a run are opened.
    old: OwnedFd,
    /// What the system's half shows.
    read: Vec<PathBuf>,
}

/// What of the tree the later steps need to know.
pub struct Tree {
    /// To be read, as they are called inside.
    pub read: Vec<PathBuf>,
    /// To be written, as they are called inside.
    pub write: Vec<PathBuf>,
    /// The layer that takes the workspace's changes.
    pub upper: Option<OwnedFd>,
}

/// Who owns what the run writes: the user inside, and the namespace that shows the host's owner as that user.
#[derive(Clone, Copy)]
pub struct Owner<'o> {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The mapping, where the host's owner is another.
    pub shown_as: Option<BorrowedFd<'o>>,
}

/// Builds what every run has, and makes it the root. `uid` and `gid` are the program's.
/// `last` is done while the root is still the host's.
pub fn prepare<T>(
    uid: u32,
    gid: u32,
    last: impl FnOnce() -> Result<T, Failed>,
) -> Result<(Ground, T), Failed> {
    // Changes to our mounts stay ours.
    sys::mount(c"none", Path::new("/"), libc::MS_REC | libc::MS_PRIVATE, c"").during(Step::Root, "/")?;
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let old = sys::open(None, Path::new("/"), flags, 0).during(Step::Root, "/")?;
    let system = System::open(&old)?;
    let root = new_root().during(Step::Root, "")?;
    sys::enter(root.as_fd()).during(Step::Root, "")?;
    temporary(Owner { uid, gid, shown_as: None })?;
    let mut read = vec![PathBuf::from("/proc")];
    for source in &system.shown {
        show_at(source).during(Step::Binds, &show(&source.at))?;
        read.push(source.at.clone());
    }
    for (path, to) in &system.links {
        let path = inside(path);
        parent(path).and_then(|()| symlink(to, path)).during(Step::Binds, &show(path))?;
    }
    devices(&system.devices).during(Step::Devices, "/dev")?;
    names().during(Step::Devices, "/etc")?;
    for (path, bytes) in &system.copied {
        let path = inside(path);
        parent(path).and_then(|()| fs::write(path, bytes)).during(Step::Devices, &show(path))?;
    }
    proc().during(Step::Proc, "/proc")?;
    let done = last()?;
    sys::enter(root.as_fd()).and_then(|()| sys::pivot_here()).during(Step::Pivot, "")?;
    Ok((Ground { old, read }, done))
}

/// What is the system's of a tree.
struct System {
    shown: Vec<Source>,
    links: Vec<(PathBuf, PathBuf)>,
    copied: Vec<(PathBuf, Vec<u8>)>,
    devices: Vec<Source>,
}

impl System {
    fn open(old: &OwnedFd) -> Result<Self, Failed> {
        let mut system = Self { shown: vec![], links: vec![], copied: vec![], devices: vec![] };
        for path in SYSTEM.iter().map(Path::new) {
            match fs::symlink_metadata(path) {
                Err(_) => (),
                Ok(about) if about.is_symlink() => {
                    let to = fs::read_link(path).during(Step::Sources, &show(path))?;
                    system.links.push((path.to_owned(), to));
                }
                Ok(_) => system.shown.push(source(old, path, path, RDONLY | NOSUID | NODEV, None)?),
            }
        }
        for path in COPIED.iter().map(Path::new) {
            system.copied.extend(small(path).map(|text| (path.to_owned(), text)));
        }
        for name in DEVICES {
            let path = Path::new("/dev").join(name);
            system.devices.push(source(old, &path, &path, NOSUID | NOEXEC, None)?);
        }
        Ok(system)
    }
}

/// Opens all of the host's that will be shown to this run alone. From here on no path of the host is looked up again.
fn own_sources(spec: &Spec, old: &OwnedFd, owner: Owner<'_>) -> Result<Vec<Source>, Failed> {
    let plain = RDONLY | NOSUID | NODEV;
    let read = spec.read.iter().map(|path| (path, path, plain, None));
    let named = spec.shown.iter().map(|(path, at)| (path, at, plain, None));
    let write = spec.write.iter().map(|path| (path, path, NOSUID | NODEV, owner.shown_as));
    let mut shown = Vec::new();
    for (path, at, attributes, shown_as) in read.chain(named).chain(write) {
        can_be_shown(at)?;
        shown.push(source(old, path, at, attributes, shown_as)?);
    }
    // A path within another one is shown after it, or it would be covered.
    shown.sort_by_key(|it| it.at.components().count());
    Ok(shown)
}

/// Refuses to show what would cover the run's own processes and devices: the host's would be seen in their place.
pub(super) fn can_be_shown(at: &Path) -> Result<(), Failed> {
    if at.starts_with("/proc") || at == Path::new("/dev") {
        let error = io::Error::other("a run has its own; it cannot be shown the host's");
        return Err(Failed::at(Step::Binds, &error, show(at)));
    }
    Ok(())
}

/// A small file of the system; none if there is none that can be read. Links are followed: the host made them.
pub(super) fn small(path: &Path) -> Option<Vec<u8>> {
    let file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len().min(LARGEST);
    let mut bytes = Vec::with_capacity(usize::try_from(length).ok()?.saturating_add(1));
    io::Read::read_to_end(&mut io::Read::take(file, LARGEST + 1), &mut bytes).ok()?;
    u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST).then_some(bytes)
}

fn source(
    old: &OwnedFd,
    path: &Path,
    at: &Path,
    attributes: u64,
    shown_as: Option<BorrowedFd<'_>>,
) -> Result<Source, Failed> {
    let opened = || {
        let resolve = libc::RESOLVE_NO_MAGICLINKS | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_BENEATH;
        // Not O_NOFOLLOW: with O_PATH it opens a symlink itself instead of refusing it.
        let below = if path == Path::new("/") { Path::new(".") } else { inside(path) };
        let fd = sys::open(Some(old.as_fd()), below, libc::O_PATH, resolve)?;
        let folder = fs::File::from(fd.try_clone()?).metadata()?.is_dir();
        let mount = sys::clone_tree(fd.as_fd())?;
        sys::set_mount(mount.as_fd(), attributes, shown_as)?;
        Ok(Source { mount, folder, at: at.to_owned() })
    };
    opened().during(Step::Sources, &show(path))
}

/// Adds what is the run's own. The old root is still to be left.
pub fn furnish(spec: &Spec, ground: Ground, owner: Owner<'_>) -> Result<Tree, Failed> {
    let Ground { old, read } = ground;
    let mut tree = Tree { read, write: vec!["/tmp".into(), "/dev/shm".into()], upper: None };
    fail_if(spec, Step::Sources)?;
    let shown = own_sources(spec, &old, owner)?;
    let workspace = spec.workspace.as_ref().map(|it| lower(it, &old, owner)).transpose()?;
    fail_if(spec, Step::Binds)?;
    limit_temporary(&spec.limits)?;
    for source in &shown {
        show_at(source).during(Step::Binds, &show(&source.at))?;
        let list = if spec.write.contains(&source.at) { &mut tree.write } else { &mut tree.read };
        list.push(source.at.clone());
    }
    fail_if(spec, Step::Workspace)?;
    if let (Some(workspace), Some(source)) = (&spec.workspace, &workspace) {
        if workspace.mode == Mode::Overlay {
            let upper = overlay(source, &spec.limits, owner, &old);
            tree.upper = Some(upper.during(Step::Workspace, &show(&source.at))?);
        } else {
            show_at(source).during(Step::Workspace, &show(&source.at))?;
        }
        let list = if workspace.mode == Mode::ReadOnly { &mut tree.read } else { &mut tree.write };
        list.push(source.at.clone());
    }
    fail_if(spec, Step::Guard)?;
    guard::hold(&spec.guarded, &tree.write).during(Step::Guard, "")?;
    if spec.network == Network::Proxy {
        let note = "# names are resolved by the proxy\n";
        fs::write("etc/resolv.conf", note).during(Step::Devices, "/etc/resolv.conf")?;
    }
    Ok(tree)
}

/// The folder that the run works in, as it is on the host.
fn lower(workspace: &Workspace, old: &OwnedFd, owner: Owner<'_>) -> Result<Source, Failed> {
    can_be_shown(&workspace.path)?;
    let read_only = if workspace.mode == Mode::Direct { 0 } else { RDONLY };
    source(old, &workspace.path, &workspace.path, NOSUID | NODEV | read_only, owner.shown_as)
}

fn fail_if(spec: &Spec, step: Step) -> Result<(), Failed> {
    super::fail_if(spec, step)
}

fn new_root() -> io::Result<OwnedFd> {
    let options = [(c"size", c"4m"), (c"nr_inodes", c"10000"), (c"mode", c"0755")];
    let root = sys::new_fs(c"tmpfs", &options, NOSUID | NODEV)?;
    sys::attach(root.as_fd(), None, &site(Path::new("/"))?)?;
    Ok(root)
}

/// One of the folders that every system has, below the old root.
fn site(of: &Path) -> io::Result<PathBuf> {
    let mut found =
        SITES.into_iter().map(|site| of.join(site)).filter(|site| site.is_dir() && !site.is_symlink());
    found.next().ok_or_else(|| io::Error::other("there is no folder to build it in"))
}

/// The path as it is called while the new root is the current folder.
fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|it| !it.as_os_str().is_empty()) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o755).create(parent)
}

fn show_at(source: &Source) -> io::Result<()> {
    let path = inside(&source.at);
    if source.at == Path::new("/") {
        return Err(io::Error::other("the whole file system cannot be shown; name folders in it"));
    }
    parent(path)?;
    // Below a folder that is shown read-only, what is to be covered must be there already.
    if fs::symlink_metadata(path).is_err() {
        if source.folder {
            DirBuilder::new().mode(0o755).create(path)?;
        } else {
            fs::write(path, "")?;
        }
    }
    sys::attach(source.mount.as_fd(), None, path)
}

fn limited(limits: &Limits, mode: &str) -> io::Result<OwnedFd> {
    let size = CString::new(limits.disk.to_string())?;
    let inodes = CString::new(limits.inodes.to_string())?;
    let mode = CString::new(mode)?;
    let options = [(c"size", size.as_c_str()), (c"nr_inodes", &inodes), (c"mode", &mode)];
    sys::new_fs(c"tmpfs", &options, NOSUID | NODEV)
}

/// Where a run writes what nobody keeps.
const TEMPORARY: [&str; 2] = ["dev/shm", "tmp"];

/// `/tmp` and `/dev/shm`: empty, limited, gone with the run.
fn temporary(owner: Owner<'_>) -> Result<(), Failed> {
    let made = |path: &str| {
        let path = Path::new(path);
        DirBuilder::new().recursive(true).mode(0o755).create(path)?;
        let mount = limited(&Limits::default(), "1777")?;
        sys::attach(mount.as_fd(), None, path)
    };
    TEMPORARY.into_iter().try_for_each(|path| made(path).during(Step::Binds, path))?;
    let home = Path::new("tmp/home");
    let home_made = || {
        DirBuilder::new().mode(0o700).create(home)?;
        chown(home, owner)
    };
    home_made().during(Step::Binds, "/tmp/home")
}

/// Gives them the limits of the run.
fn limit_temporary(limits: &Limits) -> Result<(), Failed> {
    let made_with = Limits::default();
    if (limits.disk, limits.inodes) == (made_with.disk, made_with.inodes) {
        return Ok(());
    }
    let flags = libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
    let options = CString::new(format!("size={},nr_inodes={}", limits.disk, limits.inodes));
    let options = options.map_err(io::Error::other).during(Step::Binds, "")?;
    TEMPORARY
        .into_iter()
        .try_for_each(|path| sys::mount(c"tmpfs", Path::new(path), flags, &options).during(Step::Binds, path))
}

fn chown(path: &Path, owner: Owner<'_>) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid))
}

/// The workspace below a layer of its own, which is limited in bytes and files.
fn overlay(source: &Source, limits: &Limits, owner: Owner<'_>, old: &OwnedFd) -> io::Result<OwnedFd> {
    let path = inside(&source.at);
    parent(path)?;
    if fs::symlink_metadata(path).is_err() {
        DirBuilder::new().mode(0o755).create(path)?;
    }
    // The layers are attached in the old tree: they go away with it, and by no name is any of them inside.
    sys::enter(old.as_fd())?;
    std::env::set_current_dir(site(Path::new("."))?)?;
    let scratch = sys::new_fs(c"tmpfs", &[(c"size", c"64k")], NOSUID | NODEV)?;
    sys::attach(scratch.as_fd(), None, Path::new("."))?;
    sys::enter(scratch.as_fd())?;
    let [lower, layer] = ["lower", "layer"].map(Path::new);
    for path in [lower, layer] {
        DirBuilder::new().mode(0o700).create(path)?;
    }
    sys::attach(source.mount.as_fd(), None, lower)?;
    sys::attach(limited(limits, "0755")?.as_fd(), None, layer)?;
    let [upper, work] = [layer.join("upper"), layer.join("work")];
    for path in [&upper, &work] {
        DirBuilder::new().mode(0o755).create(path)?;
    }
    let about = fs::metadata(lower)?;
    fs::set_permissions(&upper, fs::Permissions::from_mode(about.mode() & 0o777))?;
    chown(&upper, owner)?;
    let options = c"lowerdir=lower,upperdir=layer/upper,workdir=layer/work,userxattr";
    sys::mount(c"overlay", &source.at, libc::MS_NOSUID | libc::MS_NODEV, options)?;
    let upper = sys::open(None, &upper, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    std::env::set_current_dir("/")?;
    Ok(upper)
}

fn devices(devices: &[Source]) -> io::Result<()> {
    for device in devices {
        show_at(device)?;
    }
    let links = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
    links.into_iter().try_for_each(|(name, to)| symlink(to, Path::new("dev").join(name)))
}

/// The files of `/etc` that programs look names up in. Nothing of the host's is in them.
fn names() -> io::Result<()> {
    fs::create_dir_all("etc")?;
    written().into_iter().try_for_each(|(path, text)| fs::write(inside(Path::new(path)), text))
}

/// The same, as path and text.
pub(super) fn written() -> [(&'static str, String); 5] {
    let id = super::INSIDE;
    let passwd = format!("root:x:0:0:root:/tmp/home:/bin/false\nagent:x:{id}:{id}:agent:/tmp/home:/bin/sh\n");
    let own = sys::euid();
    let passwd = if own == 0 || own == id {
        passwd
    } else {
        format!("{passwd}user:x:{own}:{}:user:/tmp/home:/bin/sh\n", sys::egid())
    };
    [
        ("/etc/passwd", passwd),
        ("/etc/group", format!("root:x:0:\nagent:x:{id}:\n")),
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n".to_owned()),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
        ("/etc/resolv.conf", String::new()),
    ]
}

fn proc() -> io::Result<()> {
    DirBuilder::new().mode(0o755).create("proc")?;
    let proc = sys::new_fs(c"proc", &[], NOSUID | NODEV | NOEXEC)?;
    sys::attach(proc.as_fd(), None, Path::new("proc"))
}

/// Leaves the old root: from here on nothing of the host is there but what is shown.
pub fn leave_old() -> io::Result<()> {
    // Two mounts are at `/`; the upper one is the old root.
    std::env::set_current_dir("/")?;
    sys::detach(Path::new("."))?;
    std::env::set_current_dir("/")?;
    let root = sys::open(None, Path::new("/"), libc::O_PATH, 0)?;
    only_root_read_only(&root)
}

/// The root itself, and not what is mounted in it.
fn only_root_read_only(root: &OwnedFd) -> io::Result<()> {
    let flags: c_int = libc::AT_EMPTY_PATH;
    sys::set_one_mount(root.as_raw_fd(), RDONLY | NOSUID | NODEV, flags)
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
