//! Attempts to talk to anybody.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::time::Duration;

use super::{Attack, Made, Stage, attack, call, must, number, seldom, tried};
use crate::guarantee::Guarantee::{HostSockets, KernelSockets, Network};

pub const ALL: &[Attack] = &[
    attack("net_tcp_loopback_host", Network, tcp),
    attack("net_udp_loopback_host", Network, udp),
    attack("net_dns_udp53_outside", Network, dns),
    attack("net_bind_public", Network, bind),
    attack("net_relay", Network, relay),
    seldom("net_tcp_outside", Network, |_| {
        tried(TcpStream::connect_timeout(&([192, 0, 2, 1], 443).into(), SOON)).map(drop)
    }),
    seldom("net_raw_icmp", Network, |_| socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    seldom("net_ping_dgram_icmp", Network, |_| socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP)),
    seldom("net_af_packet", Network, |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    attack("net_netlink_audit", Network, |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 9)),
    seldom("net_mptcp", Network, |_| socket(libc::AF_INET, libc::SOCK_STREAM, 262)),
    seldom("net_sctp", Network, |_| socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP)),
    attack("net_unix_path_host", HostSockets, |stage| tried(UnixStream::connect(&stage.unix)).map(drop)),
    attack("net_unix_dgram_path_host", HostSockets, datagram),
    attack("net_unix_abstract_host", HostSockets, abstract_socket),
    attack("net_vsock", KernelSockets, |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    seldom("net_af_alg", KernelSockets, |_| socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    seldom("net_af_tipc", KernelSockets, |_| socket(libc::AF_TIPC, libc::SOCK_RAW, 0)),
    seldom("net_af_xdp", KernelSockets, |_| socket(libc::AF_XDP, libc::SOCK_RAW, 0)),
    seldom("net_af_bluetooth", KernelSockets, |_| socket(libc::AF_BLUETOOTH, libc::SOCK_RAW, 0)),
    attack("net_io_uring", KernelSockets, io_uring),
    #[cfg(target_arch = "x86_64")]
    seldom("kern_int80_socket", KernelSockets, int80),
    #[cfg(target_arch = "x86_64")]
    seldom("kern_x32_socket", KernelSockets, |_| call(0x4000_0000 | libc::SYS_socket, &[2, 1, 0]).map(drop)),
];

const SOON: Duration = Duration::from_millis(500);

fn tcp(stage: &Stage) -> Made {
    tried(TcpStream::connect_timeout(&([127, 0, 0, 1], stage.tcp).into(), SOON)).map(drop)
}

fn udp(stage: &Stage) -> Made {
    let socket = tried(UdpSocket::bind("127.0.0.1:0"))?;
    tried(socket.set_read_timeout(Some(SOON)))?;
    tried(socket.send_to(b"ping", ("127.0.0.1", stage.udp)))?;
    tried(socket.recv_from(&mut [0; 8])).map(drop)
}

/// That a packet can be sent at all is enough: nobody waits for an answer from outside.
fn dns(_: &Stage) -> Made {
    let socket = tried(UdpSocket::bind("0.0.0.0:0"))?;
    tried(socket.connect("192.0.2.53:53"))?;
    tried(socket.send(&[0; 12])).map(drop)
}

fn bind(stage: &Stage) -> Made {
    let listener = tried(TcpListener::bind("0.0.0.0:0"))?;
    // In a network of its own this reaches nobody: the host's own listener is what must be there as well.
    drop(listener);
    tcp(stage)
}

/// A listener of one's own that hands on to the host's, for programs that are told of another proxy than ours.
fn relay(stage: &Stage) -> Made {
    let relay = tried(TcpListener::bind("127.0.0.1:0"))?;
    let near = tried(TcpStream::connect_timeout(&tried(relay.local_addr())?, SOON))?;
    let (_handed_on, _) = tried(relay.accept())?;
    drop(near);
    tcp(stage)
}

fn socket(family: i32, kind: i32, protocol: i32) -> Made {
    call(libc::SYS_socket, &[number(family), number(kind), number(protocol)]).map(drop)
}

fn datagram(stage: &Stage) -> Made {
    let socket = tried(UnixDatagram::unbound())?;
    tried(socket.send_to(b"ping", &stage.unix_datagram)).map(drop)
}

fn abstract_socket(stage: &Stage) -> Made {
    let address = tried(SocketAddr::from_abstract_name(&stage.abstract_name))?;
    tried(UnixStream::connect_addr(&address)).map(drop)
}

fn io_uring(_: &Stage) -> Made {
    let params = [0_u8; 256];
    call(libc::SYS_io_uring_setup, &[1, params.as_ptr() as usize]).map(drop)
}

/// `socket(AF_INET, SOCK_STREAM, 0)` as a 32-bit program would call it.
#[cfg(target_arch = "x86_64")]
fn int80(_: &Stage) -> Made {
    let result: i64;
    // SAFETY: 359 is socket of the i386 table; it takes numbers only. rbx belongs to the compiler and is put back.
    unsafe {
        std::arch::asm!(
            "mov {keep}, rbx",
            "mov ebx, 2",
            "int 0x80",
            "mov rbx, {keep}",
            keep = out(reg) _,
            inlateout("rax") 359_i64 => result,
            in("rcx") 1,
            in("rdx") 0,
        );
    }
    must(result >= 0, "refused")
}
