//! Four descriptors in one message: how a run's streams and its socket reach a process that is already there.
//!
//! Answerable for a message having all four or being none.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Room for four descriptors beside a message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Beside([u8; 64]);

/// Four descriptors, in bytes.
const FDS_SIZE: u32 = 16;

/// A socket that keeps messages apart, and its other end.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let [ours, theirs] = ends;
    // SAFETY: the kernel has just made both for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) })
}

/// Sends four descriptors.
pub fn send(socket: BorrowedFd<'_>, fds: [BorrowedFd<'_>; 4]) -> io::Result<()> {
    let mut beside = Beside([0; 64]);
    let byte = [1_u8];
    let mut io = libc::iovec { iov_base: byte.as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut io;
    message.msg_iovlen = 1;
    message.msg_control = beside.0.as_mut_ptr().cast();
    // SAFETY: arithmetic on a number.
    message.msg_controllen = libc::size_t::try_from(unsafe { libc::CMSG_SPACE(FDS_SIZE) }).unwrap_or(32);
    // SAFETY: the control buffer is 64 bytes, aligned and zeroed, and a header with four descriptors takes 32.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::size_t::try_from(libc::CMSG_LEN(FDS_SIZE)).unwrap_or(32);
        let numbers = fds.map(|fd| fd.as_raw_fd());
        std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<[RawFd; 4]>(), numbers);
    }
    loop {
        // SAFETY: `message` points to `io` and `beside`, which live through the call.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits for the next four descriptors; none if the other side is gone.
pub fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<[OwnedFd; 4]>> {
    received(socket, 0)
}

/// Takes the next four descriptors if they are there; if not, the error is `WouldBlock`.
pub fn receive_now(socket: BorrowedFd<'_>) -> io::Result<Option<[OwnedFd; 4]>> {
    received(socket, libc::MSG_DONTWAIT)
}

fn received(socket: BorrowedFd<'_>, how: libc::c_int) -> io::Result<Option<[OwnedFd; 4]>> {
    let how = how | libc::MSG_CMSG_CLOEXEC;
    let mut beside = Beside([0; 64]);
    let mut byte = [0_u8];
    let mut io = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut io;
    message.msg_iovlen = 1;
    message.msg_control = beside.0.as_mut_ptr().cast();
    message.msg_controllen = beside.0.len();
    loop {
        // SAFETY: `message` points to `io` and `beside`, which live through the call.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, how) };
        match got {
            0 => return Ok(None),
            1.. => break,
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => (),
                error if error.raw_os_error() == Some(libc::ECONNRESET) => return Ok(None),
                error => return Err(error),
            },
        }
    }
    // SAFETY: the kernel has filled the control buffer; a header of this kind and length is followed by four
    // descriptors, which are ours.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let whole = libc::size_t::try_from(libc::CMSG_LEN(FDS_SIZE)).unwrap_or(32);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS || (*header).cmsg_len != whole {
            return Err(io::Error::other("a message without its descriptors"));
        }
        let numbers = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<[RawFd; 4]>());
        Ok(Some(numbers.map(|fd| OwnedFd::from_raw_fd(fd))))
    }
}
