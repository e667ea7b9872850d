//! What the gate, the helper and the run's first process say to each other over one socket.
//!
//! Answerable for the frames: a length, JSON, and at most one descriptor that rides on the length. The program
//! that is run never holds this socket.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::guarantee::Report;
use crate::step::Failed;

/// The longest frame, in bytes.
const LONGEST: usize = 16 << 20;
/// What a pipe takes at once or not at all, in bytes (PIPE_BUF).
const PIPE_FRAME: usize = 4096;

/// What comes back from the inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// What would hold, and why that is too little: nothing was executed.
    Refused(Report),
    /// A step failed: nothing was executed.
    Failed(Failed),
    /// What holds. Said before anything is executed.
    Holds(Report),
    /// The layer that takes the workspace's changes; the descriptor rides along.
    Upper,
    /// The proxy's listener; the descriptor rides along.
    Listener,
    /// The program runs.
    Started,
    /// The program ended.
    Ended(Ended),
}

/// How the program ended, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// True if its time was over.
    pub timed_out: bool,
    /// True if a process of it was ended because the memory was used up.
    pub out_of_memory: bool,
    /// Processor time of all that was waited for, in milliseconds.
    pub cpu_ms: u64,
    /// The largest memory of one of its processes, in KiB.
    pub max_rss_kib: u64,
    /// Bytes that went to file systems on disks.
    pub written: u64,
}

/// Sends a frame.
pub fn send(socket: BorrowedFd<'_>, frame: &impl Serialize, carry: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let body = serde_json::to_vec(frame)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(body);
    let mut rest: &[u8] = &bytes;
    let mut carry = carry;
    while !rest.is_empty() {
        let sent = send_some(socket, rest, carry.take())?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Receives a frame and what rode along; none if the other side is gone.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    let mut length = [0; 4];
    let Some(carried) = fill(socket, &mut length)? else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    if length > LONGEST {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut body = vec![0; length];
    if fill(socket, &mut body)?.is_none() {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&body)?, carried)))
}

/// Fills a buffer; none if the stream ends before.
fn fill(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Option<OwnedFd>>> {
    let mut rest = buffer;
    let mut carried = None;
    while !rest.is_empty() {
        let (got, fd) = receive_some(socket, rest)?;
        carried = fd.or(carried);
        if got == 0 {
            return Ok(None);
        }
        rest = rest.get_mut(got..).unwrap_or_default();
    }
    Ok(Some(carried))
}

/// Sends a frame through a pipe.
pub fn send_pipe(pipe: BorrowedFd<'_>, frame: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(frame)?;
    io::Write::write_all(&mut io::PipeWriter::from(pipe.try_clone_to_owned()?), &body)
}

/// Receives the one frame of a pipe: all there is until its last writer is gone. None if there is nothing.
pub fn receive_pipe<T: DeserializeOwned>(pipe: BorrowedFd<'_>) -> io::Result<Option<T>> {
    let mut body = Vec::new();
    io::Read::read_to_end(&mut io::PipeReader::from(pipe.try_clone_to_owned()?), &mut body)?;
    if body.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(&body)?)) }
}

/// Receives a frame that was written to a pipe at once; none if its writer went away instead.
pub fn receive_once<T: DeserializeOwned>(pipe: BorrowedFd<'_>) -> Option<T> {
    let mut body = [0; PIPE_FRAME];
    let got = io::Read::read(&mut io::PipeReader::from(pipe.try_clone_to_owned().ok()?), &mut body).ok()?;
    serde_json::from_slice(body.get(..got)?).ok()
}

/// One byte; none if the other side is gone.
pub fn word(socket: BorrowedFd<'_>) -> io::Result<Option<u8>> {
    let mut word = [0];
    let (got, _) = receive_some(socket, &mut word)?;
    Ok(word.first().copied().filter(|_| got == 1))
}

/// Room for one descriptor beside a message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Beside([u8; 64]);

const FD_SIZE: u32 = 4;

fn send_some(socket: BorrowedFd<'_>, bytes: &[u8], carry: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut beside = Beside([0; 64]);
    let mut io = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut io;
    message.msg_iovlen = 1;
    if let Some(fd) = carry {
        message.msg_control = beside.0.as_mut_ptr().cast();
        // SAFETY: arithmetic on a number.
        message.msg_controllen = libc::size_t::try_from(unsafe { libc::CMSG_SPACE(FD_SIZE) }).unwrap_or(24);
        // SAFETY: the control buffer is 64 bytes, aligned and zeroed, and a header with one descriptor takes 24.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::size_t::try_from(libc::CMSG_LEN(FD_SIZE)).unwrap_or(20);
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<RawFd>(), fd.as_raw_fd());
        }
    }
    // SAFETY: `message` points to `io` and `beside`, which live through the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn receive_some(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut beside = Beside([0; 64]);
    let mut io = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut io;
    message.msg_iovlen = 1;
    message.msg_control = beside.0.as_mut_ptr().cast();
    message.msg_controllen = beside.0.len();
    let got = loop {
        // SAFETY: `message` points to `io` and `beside`, which live through the call.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
        match usize::try_from(got) {
            Ok(got) => break got,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => (),
                error if error.raw_os_error() == Some(libc::ECONNRESET) => break 0,
                error => return Err(error),
            },
        }
    };
    // SAFETY: the kernel has filled the control buffer; a header of this kind is followed by one descriptor, ours.
    let carried = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            None
        } else {
            let fd = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<RawFd>());
            Some(OwnedFd::from_raw_fd(fd))
        }
    };
    Ok((got, carried))
}
