//! What the attempts are aimed at: a secret, listeners, a process. Set up outside, by the doctor or a test.
//!
//! Answerable for everything here going away again, and for none of it being worth anything.

use std::fs::{self, Permissions};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::VICTIM;

/// Where everything is, as the attacker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// A file of the attacker's own user.
    pub secret: PathBuf,
    /// A file that every user may read.
    pub hidden: PathBuf,
    /// A file of the attacker's own user, to be changed.
    pub outside: PathBuf,
    /// The ports of listeners on 127.0.0.1.
    pub tcp: u16,
    /// As above.
    pub udp: u16,
    /// Unix sockets.
    pub unix: PathBuf,
    /// As above.
    pub unix_datagram: PathBuf,
    /// The name of an abstract socket.
    pub abstract_name: String,
    /// A process of the attacker's own user.
    pub victim: i32,
    /// An address in it.
    pub victim_address: usize,
    /// A text in the gate's environment and in the victim's.
    pub mark: String,
    /// A text of the host's mount table.
    pub mount_mark: String,
    /// The key of a shared memory segment.
    pub shm_key: i32,
}

/// The stage, and what must go on while it is used.
pub struct Scene {
    /// Where everything is.
    pub stage: Stage,
    /// A folder to work in, of the attacker's own user.
    pub workspace: PathBuf,
    dir: PathBuf,
    victim: Child,
    over: Arc<AtomicBool>,
    shm: i32,
    _listeners: (TcpListener, UnixListener, UnixListener, UnixDatagram),
}

impl Scene {
    /// Sets the stage below a folder, for attempts of user `uid`. `program`: one that is this crate's.
    pub fn set(below: &Path, program: &Path, uid: u32) -> io::Result<Self> {
        // In a process namespace numbers come round: the time tells stages apart as well.
        let time = std::time::UNIX_EPOCH.elapsed().map_err(io::Error::other)?;
        let name = format!("portcullis-stage-{}-{:x}", std::process::id(), time.as_nanos());
        let dir = below.join(&name);
        let workspace = dir.join("workspace");
        let secrets = dir.join("secrets");
        for folder in [&dir, &workspace, &secrets] {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, Permissions::from_mode(0o755))?;
            own(folder, uid)?;
        }
        let [secret, hidden, outside, spare] =
            ["secret", "hidden", "outside", "spare"].map(|name| secrets.join(name));
        for file in [&secret, &hidden, &outside, &spare] {
            fs::write(file, "a secret that is none\n")?;
            own(file, uid)?;
        }
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let (unix, unix_datagram) = (dir.join("stream.sock"), dir.join("datagram.sock"));
        let abstract_name = name;
        let address = SocketAddr::from_abstract_name(&abstract_name)?;
        let listeners = (
            tcp,
            UnixListener::bind(&unix)?,
            UnixListener::bind_addr(&address)?,
            UnixDatagram::bind(&unix_datagram)?,
        );
        for socket in [&unix, &unix_datagram] {
            fs::set_permissions(socket, Permissions::from_mode(0o777))?;
        }
        let over = Arc::new(AtomicBool::new(false));
        let udp = echo(Arc::clone(&over))?;
        let mark = "PORTCULLIS-STAGE-SECRET".to_owned();
        let mut victim = Command::new(program);
        victim.arg0(VICTIM).env("STAGE_SECRET", &mark).stdin(Stdio::piped()).stdout(Stdio::null());
        if super::sys::euid() == 0 {
            victim.uid(uid).gid(uid);
        }
        let victim = victim.spawn()?;
        let (shm_key, shm) = shared(uid)?;
        let stage = Stage {
            secret,
            hidden,
            outside,
            tcp: listeners.0.local_addr()?.port(),
            udp,
            unix,
            unix_datagram,
            abstract_name,
            victim: i32::try_from(victim.id()).map_err(io::Error::other)?,
            victim_address: 0x1000,
            mark,
            mount_mark: mount_mark(),
            shm_key,
        };
        Ok(Self { stage, workspace, dir, victim, over, shm, _listeners: listeners })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _over = self.victim.kill();
        let _reaped = self.victim.wait();
        // SAFETY: numbers only; the segment is ours.
        unsafe { libc::shmctl(self.shm, libc::IPC_RMID, std::ptr::null_mut()) };
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

fn own(path: &Path, uid: u32) -> io::Result<()> {
    if super::sys::euid() == 0 { chown(path, Some(uid), Some(uid)) } else { Ok(()) }
}

/// Answers what comes, until it is over.
fn echo(over: Arc<AtomicBool>) -> io::Result<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let port = socket.local_addr()?.port();
    std::thread::Builder::new().name("stage".to_owned()).spawn(move || {
        while !over.load(Ordering::Relaxed) {
            if let Ok((_, from)) = socket.recv_from(&mut [0; 16]) {
                let _sent = socket.send_to(b"pong", from);
            }
        }
    })?;
    Ok(port)
}

fn shared(uid: u32) -> io::Result<(i32, i32)> {
    let time = std::time::UNIX_EPOCH.elapsed().map_err(io::Error::other)?.subsec_nanos();
    let key = i32::try_from(0x4000_0000 | (time & 0x0fff_ffff)).map_err(io::Error::other)?;
    let mode = if uid == super::sys::euid() { 0o600 } else { 0o666 };
    // SAFETY: numbers only.
    let id = unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | mode) };
    if id < 0 { Err(io::Error::last_os_error()) } else { Ok((key, id)) }
}

/// The device of the host's root, as its mount table has it.
fn mount_mark() -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/"));
    root.map_or_else(
        || "no mark".to_owned(),
        |line| format!("{} / ", line.split(' ').next().unwrap_or_default()),
    )
}
