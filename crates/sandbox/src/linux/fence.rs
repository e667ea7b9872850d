//! Landlock: the second wall around files, TCP, abstract sockets and signals, inside the first.
//!
//! Answerable for asking for everything that the kernel knows of (up to the interface of Linux 6.15) and for
//! failing if it is not all enforced. The first wall is the mount namespace.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::sys;
use crate::spec::{Network, PROXY_PORT};

/// What may be done below which paths, as they are called inside.
#[derive(Clone, Debug, Default)]
pub struct Paths<'p> {
    /// To be read and executed.
    pub read: Vec<&'p Path>,
    /// To be read, executed and changed.
    pub write: Vec<&'p Path>,
    /// Devices: read and written, and nothing else.
    pub devices: Vec<&'p Path>,
    /// Whose file tree they are in.
    pub view: View,
}

/// The only devices.
pub const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What a program is among.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// A file tree and processes of its own.
    #[default]
    Own,
    /// The host's.
    Host,
}

/// The kernel's landlock interface: 0 where there is none.
pub fn abi() -> i64 {
    const VERSION: u32 = 1;
    let null = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag a null attribute of size 0 is what is wanted.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, 0, VERSION) };
    version.max(0)
}

/// Fences this process in, and all that it starts.
pub fn enforce(paths: &Paths<'_>, network: Network, abi: i64) -> io::Result<()> {
    Fence::build(paths, network, abi)?.enforce()
}

/// A fence that is ready, and holds nobody yet.
pub struct Fence(RulesetCreated);

impl Fence {
    /// Builds it.
    pub fn build(paths: &Paths<'_>, network: Network, abi: i64) -> io::Result<Self> {
        let abi = match abi {
            ..=0 => return Err(io::Error::from_raw_os_error(libc::ENOSYS)),
            1 => ABI::V1,
            2 => ABI::V2,
            3 => ABI::V3,
            4 => ABI::V4,
            5 => ABI::V5,
            _ => ABI::V6,
        };
        built(paths, network, abi).map(Self).map_err(io::Error::other)
    }

    /// Fences this process in, and all that it starts.
    pub fn enforce(self) -> io::Result<()> {
        let status = self.0.restrict_self().map_err(io::Error::other)?.ruleset;
        if status == RulesetStatus::FullyEnforced {
            return Ok(());
        }
        Err(io::Error::other("the kernel enforces only a part of what it says it can"))
    }
}

fn built(paths: &Paths<'_>, network: Network, abi: ABI) -> Allowed {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
        if network == Network::None {
            ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
        }
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let mut created = ruleset.create()?;
    if network == Network::Proxy && abi >= ABI::V4 {
        created = created.add_rule(NetPort::new(PROXY_PORT, AccessNet::ConnectTcp))?;
    }
    if paths.view == View::Own {
        // Programs list `/`, which holds nothing but what is shown.
        created = allow(created, Path::new("/"), AccessFs::ReadDir.into())?;
    }
    let (all, read) = (AccessFs::from_all(abi), AccessFs::from_read(abi));
    for path in &paths.read {
        created = allow(created, path, read)?;
    }
    for path in &paths.write {
        created = allow(created, path, all & !AccessFs::MakeChar & !AccessFs::MakeBlock)?;
    }
    for path in &paths.devices {
        let mut device = AccessFs::ReadFile | AccessFs::WriteFile;
        if abi >= ABI::V5 {
            device |= AccessFs::IoctlDev;
        }
        created = allow(created, path, device)?;
    }
    Ok(created)
}

type Allowed = Result<RulesetCreated, Box<dyn std::error::Error + Send + Sync>>;

fn allow(created: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Allowed {
    let Ok(fd) = sys::open(None, path, libc::O_PATH, libc::RESOLVE_NO_MAGICLINKS) else {
        // Not every system has every path; what is not there needs no rule.
        return Ok(created);
    };
    let access = if is_folder(&fd)? { access } else { access & AccessFs::from_file(ABI::V6) };
    Ok(created.add_rule(PathBeneath::new(fd, access))?)
}

fn is_folder(fd: &OwnedFd) -> io::Result<bool> {
    Ok(std::fs::File::from(fd.try_clone()?).metadata()?.is_dir())
}
