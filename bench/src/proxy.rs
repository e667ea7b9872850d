//! What the proxy of a run adds to a request, against the same request without it.
//!
//! The proxy is the gate's, in this process, as it is in the gate's. The server answers at once: what is left is the
//! way there.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use gate::proxy::Proxy;
use verdict::boundary::Hosts;

use crate::Effort;
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate};

/// Requests in one round.
const REQUESTS: usize = 500;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
/// The first message of a TLS client that asks for no name, as clients do that were given an address.
const HELLO: &[u8] = &[
    22, 3, 1, 0, 51, 1, 0, 0, 47, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 2, 19, 1, 1, 0, 0, 4, 0, 10, 0, 0,
];

/// Plain requests, each on a connection of its own, and messages through a tunnel that is open.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let threads = threads.expect("a runtime starts");
    let server = serve();
    let here = format!("127.0.0.1:{server}");
    let hosts = Hosts::new(Some(std::slice::from_ref(&here)), &[], false).expect("an address can be listed");
    let proxy = Proxy::new(hosts, threads.handle().clone());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    proxy.serve(listener);
    let direct = format!("GET / HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n");
    let proxied = format!("GET http://{here}/ HTTP/1.1\r\nHost: {here}\r\n\r\n");
    let mut straight = connect(server);
    greet(&mut straight);
    let mut tunnel = connect(port);
    send(&mut tunnel, format!("CONNECT {here} HTTP/1.1\r\n\r\n").as_bytes());
    let mut established = [0; 39];
    tunnel.read_exact(&mut established).expect("the proxy answers");
    assert!(established.starts_with(b"HTTP/1.1 200"), "it is let through");
    greet(&mut tunnel);
    let contenders = vec![
        Contender::new("a plain request", || round(|| ask(server, direct.as_bytes()))),
        Contender::new("the same through the proxy", || round(|| ask(port, proxied.as_bytes()))),
        Contender::new("a message on an open connection", || round(|| ping(&mut straight))),
        Contender::new("the same in a tunnel", || round(|| ping(&mut tunnel))),
    ];
    let results = alternate(effort.rounds, contenders);
    let mut notes = Vec::new();
    if let [plain, proxied, open, tunnelled] = results.as_slice() {
        let added = |ours: &Result, peer| ours.beyond(&[peer]) / 1e6;
        notes.push(format!("the proxy adds {:.3} ms to a plain request", added(proxied, plain)));
        notes.push(format!("and {:.3} ms to a message in a tunnel", added(tunnelled, open)));
    }
    drop(proxy.end());
    vec![Section {
        title: "a request through the proxy of a run".to_owned(),
        method: format!(
            "127.0.0.1, one after another, {REQUESTS} a round; the connection of a plain request is part of it"
        ),
        aim: "added p50 <= 0.3 ms",
        rows: results.iter().map(Result::row).collect(),
        notes,
    }]
}

/// A server on threads: it answers requests, and gives back what comes after a TLS client's first message.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    drop(stream.set_nodelay(true));
    let mut got = [0; 2048];
    let Ok(first) = stream.read(&mut got) else { return };
    if got[..first].starts_with(b"GET") {
        return drop(stream.write_all(ANSWER));
    }
    let mut echo = first;
    while echo > 0 && stream.write_all(&got[..echo]).is_ok() {
        echo = stream.read(&mut got).unwrap_or(0);
    }
}

fn round(mut ask: impl FnMut()) -> Round {
    let samples = (0..REQUESTS).map(|_| {
        let begun = Instant::now();
        ask();
        begun.elapsed().as_nanos() as f64
    });
    Round { samples: samples.collect(), rate: None }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    drop(stream.set_nodelay(true));
    stream
}

fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("it takes what it is sent");
}

fn ask(port: u16, request: &[u8]) {
    let mut stream = connect(port);
    send(&mut stream, request);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"ok"), "it is let through");
}

/// Says what a TLS client says first, and waits for it to come back.
fn greet(stream: &mut TcpStream) {
    send(stream, HELLO);
    let mut back = [0; HELLO.len()];
    stream.read_exact(&mut back).expect("it comes back");
}

fn ping(stream: &mut TcpStream) {
    send(stream, &[1; 64]);
    let mut back = [0; 64];
    stream.read_exact(&mut back).expect("it comes back");
}
