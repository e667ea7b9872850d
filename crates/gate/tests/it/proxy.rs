//! The proxy of a run, asked by a program that wants more than it may have. Each attempt has a twin that gets
//! through, so that an attempt that was merely misspelled is none.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use gate::proxy::{Proxy, Request, Resolve};
use verdict::boundary::Hosts;

/// A server that tells what reached it, one message for each connection.
struct Server {
    port: u16,
    reached: mpsc::Receiver<Vec<u8>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, reached) = mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
                    let mut got = Vec::new();
                    let mut chunk = [0; 4096];
                    while let Ok(n) = stream.read(&mut chunk)
                        && n > 0
                    {
                        got.extend(&chunk[..n]);
                        if got.ends_with(b"\r\n\r\n") {
                            break;
                        }
                    }
                    let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    let _nobody = tell.send(got);
                });
            }
        });
        Self { port, reached }
    }

    fn reached(&self) -> Option<String> {
        let got = self.reached.recv_timeout(Duration::from_secs(2)).ok()?;
        Some(String::from_utf8_lossy(&got).into_owned())
    }
}

struct Rig {
    proxy: Proxy,
    port: u16,
    _threads: tokio::runtime::Runtime,
}

impl Rig {
    fn of(allowed: &[String]) -> Self {
        Self::resolving(allowed, None)
    }

    /// With names that lead where the test says.
    fn resolving(allowed: &[String], resolve: Option<Resolve>) -> Self {
        let threads =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let hosts = Hosts::new(Some(allowed), &[], false).unwrap();
        let proxy = Proxy::resolving(hosts, threads.handle().clone(), resolve);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        proxy.serve(listener);
        Self { proxy, port, _threads: threads }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        stream
    }

    /// The status of the answer; 0 if there is none.
    fn ask(&self, bytes: &[u8]) -> u16 {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        status(&mut stream)
    }

    fn end(self) -> Vec<Request> {
        // What becomes of a connection is entered when it has ended.
        std::thread::sleep(Duration::from_millis(100));
        self.proxy.end()
    }
}

fn status(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    match stream.read_exact(&mut head) {
        Ok(()) => String::from_utf8_lossy(&head[9..]).parse().unwrap_or(0),
        Err(_) => 0,
    }
}

/// The first message of a TLS client that asks for a name, or for none.
fn hello(name: Option<&str>, hidden: bool) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let n = name.len() as u16;
        extensions.extend([0, 0]);
        extensions.extend((n + 5).to_be_bytes());
        extensions.extend((n + 3).to_be_bytes());
        extensions.push(0);
        extensions.extend(n.to_be_bytes());
        extensions.extend(name.bytes());
    }
    if hidden {
        extensions.extend([0xfe, 0x0d, 0, 1, 0]);
    }
    let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let message = [&[1, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat();
    [&[22, 3, 1][..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

/// P7: the tunnel is for one server, and what goes through it for another.
#[test]
fn a_tunnel_carries_only_tls_for_the_host_that_it_was_made_for() {
    let server = Server::start();
    let here = format!("127.0.0.1:{}", server.port);
    let rig = Rig::of(std::slice::from_ref(&here));
    let connect = format!("CONNECT {here} HTTP/1.1\r\nHost: {here}\r\n\r\n");
    let through = |first: &[u8]| {
        let mut stream = rig.connect();
        stream.write_all(connect.as_bytes()).unwrap();
        assert_eq!(status(&mut stream), 200);
        stream.write_all(first).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).ok();
        server.reached().unwrap_or_default()
    };
    assert!(through(&hello(None, false)).contains("\x13\x01"), "the twin gets through");
    for (what, first) in [
        ("another name", hello(Some("evil.example"), false)),
        ("a hidden name", hello(None, true)),
        ("plain HTTP", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec()),
        ("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
    ] {
        assert_eq!(through(&first), "", "{what}");
    }
    let seen = rig.end();
    assert_eq!(seen.iter().filter(|it| it.allowed).count(), 1);
    assert!(seen.iter().skip(1).all(|it| it.reason.is_some()), "{seen:?}");
}

/// P7: one connection, a second request behind the first, for another host of the same server.
#[test]
fn a_second_request_on_a_connection_goes_nowhere() {
    let server = Server::start();
    let here = format!("127.0.0.1:{}", server.port);
    let rig = Rig::of(std::slice::from_ref(&here));
    let first = format!("GET http://{here}/a HTTP/1.1\r\nHost: {here}\r\n\r\n");
    assert_eq!(rig.ask(first.as_bytes()), 200);
    assert!(server.reached().unwrap().contains("GET /a"));
    let second = "GET http://evil.example/b HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(rig.ask(format!("{first}{second}").as_bytes()), 200);
    let reached = server.reached().unwrap();
    assert!(reached.contains("GET /a") && !reached.contains("evil"), "{reached}");
    for smuggled in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
        "Content-Length: 4\r\nContent-Length: 40",
        "Host: evil.example",
        "Upgrade: websocket\r\nConnection: Upgrade",
    ] {
        let request = format!("POST http://{here}/ HTTP/1.1\r\nHost: {here}\r\n{smuggled}\r\n\r\n0\r\n\r\n");
        assert_eq!(rig.ask(request.as_bytes()), 400, "{smuggled}");
    }
    assert_eq!(rig.ask(format!("TRACE http://{here}/ HTTP/1.1\r\n\r\n").as_bytes()), 400);
    assert!(server.reached.try_recv().is_err(), "something got through");
    assert!(rig.end().iter().filter(|it| !it.allowed).count() >= 6);
}

/// P8: another port is another place, and another spelling no way around the list.
#[test]
fn a_listed_host_opens_neither_other_addresses_nor_other_ports() {
    let server = Server::start();
    let rig = Rig::of(&[format!("127.0.0.1:{}", server.port)]);
    let ask = |to: &str| rig.ask(format!("CONNECT {to} HTTP/1.1\r\n\r\n").as_bytes());
    assert_eq!(ask(&format!("127.0.0.1:{}", server.port)), 200, "the twin gets through");
    for port in [22, 25, 6379] {
        assert_eq!(ask(&format!("127.0.0.1:{port}")), 403, "{port}");
    }
    for other in ["169.254.169.254:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "0.0.0.0:80", "168.63.129.16:80"]
    {
        assert_eq!(ask(other), 403, "{other}");
    }
    assert_eq!(rig.end().iter().filter(|it| it.allowed).count(), 1);
}

/// P12: who says nothing is not waited for, and who connects without end does not get everyone's attention.
/// A name that changes its mind: it leads to an address that may be reached when it is looked at, and to this machine
/// from then on.
#[test]
fn a_name_that_leads_elsewhere_after_it_was_checked_is_dialled_where_it_was_checked() {
    let victim = Server::start();
    // Another address at the same port, which the list has: as good as a public one, and on no network.
    let Ok(other) = TcpListener::bind(("127.0.0.2", victim.port)) else {
        println!("SKIPPED: a name that changes its mind, because 127.0.0.2 cannot be had");
        return;
    };
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let resolve: Resolve = Arc::new(move |name| {
        assert_eq!(name, "rebind.example");
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![if first { [127, 0, 0, 2].into() } else { [127, 0, 0, 1].into() }])
    });
    let port = victim.port;
    let listed = [format!("rebind.example:{port}"), format!("127.0.0.2:{port}")];
    let rig = Rig::resolving(&listed, Some(resolve));
    let ask = format!("GET http://rebind.example:{port}/x HTTP/1.1\r\nHost: rebind.example:{port}\r\n\r\n");
    let good = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let mut got = [0; 512];
        let n = stream.read(&mut got).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&got[..n]).into_owned()
    });
    assert_eq!(rig.ask(ask.as_bytes()), 200);
    assert!(good.join().unwrap().starts_with("GET /x "));
    // One question for one request: what was checked is what was dialled.
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(rig.ask(ask.as_bytes()), 403);
    let tunnel = format!("CONNECT rebind.example:{port} HTTP/1.1\r\nHost: rebind.example:{port}\r\n\r\n");
    assert_eq!(rig.ask(tunnel.as_bytes()), 403);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let seen = rig.end();
    assert_eq!(seen.iter().map(|it| it.allowed).collect::<Vec<_>>(), [true, false, false], "{seen:?}");
    assert_eq!(seen[0].address, Some([127, 0, 0, 2].into()));
    assert!(victim.reached.try_recv().is_err());
}

#[test]
fn connections_without_a_request_are_bounded_and_ended() {
    let server = Server::start();
    let here = format!("127.0.0.1:{}", server.port);
    let rig = Rig::of(std::slice::from_ref(&here));
    let mut idle: Vec<TcpStream> = (0..80).map(|_| rig.connect()).collect();
    for stream in &mut idle {
        stream.write_all(b"GET http://").ok();
    }
    // More than are served at once: the next one waits until the first have been given up.
    let start = Instant::now();
    let mut late = rig.connect();
    late.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
    late.write_all(format!("GET http://{here}/ HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(status(&mut late), 200);
    assert!(start.elapsed() > Duration::from_secs(5), "{:?}", start.elapsed());
    // One that was given up has no other end.
    idle[0].set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(matches!(idle[0].read(&mut [0; 8]), Ok(0) | Err(_)));
    let long = format!("GET http://{here}/{} HTTP/1.1\r\n\r\n", "x".repeat(40_000));
    assert_eq!(rig.ask(long.as_bytes()), 0);
}
