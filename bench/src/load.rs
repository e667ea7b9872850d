//! The load: keep-alive connections that each send a prepared request, wait for the whole answer, and send the next.
//!
//! Closed loop, on one thread, since it shares the machine with what it measures. Reads of an answer only what it
//! must: the status and the length.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rounds::Round;

/// Requests as they go over the wire.
pub type Requests = Arc<Vec<Vec<u8>>>;

/// A request with its headers.
pub fn request(path: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: portcullis\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Keeps `connections` busy for `seconds`. Each request counts as `weight` things done. Panics at an answer that is
/// not 200: errors are quick, and no figure.
pub fn drive(address: &str, requests: &Requests, connections: usize, seconds: f64, weight: usize) -> Round {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let start = Instant::now();
        let until = start + Duration::from_secs_f64(seconds);
        let clients: Vec<_> = (0..connections)
            .map(|n| tokio::spawn(client(address.to_owned(), Arc::clone(requests), n * 7919, until)))
            .collect();
        let mut samples = Vec::new();
        for client in clients {
            samples.extend(client.await.expect("a client of the load ended badly"));
        }
        let rate = (samples.len() * weight) as f64 / start.elapsed().as_secs_f64();
        Round { samples, rate: Some(rate) }
    })
}

async fn client(address: String, requests: Requests, first: usize, until: Instant) -> Vec<f64> {
    let mut connection = Connection::open(&address).await;
    let mut samples = Vec::with_capacity(1 << 16);
    let mut at = first;
    loop {
        let start = Instant::now();
        if start >= until {
            return samples;
        }
        connection.ask(&requests[at % requests.len()]).await;
        at += 1;
        samples.push(start.elapsed().as_nanos() as f64);
    }
}

/// Sends so many requests a second over `connections`, for `seconds`: each when it is due, or as soon as its connection
/// is free again: then the time since it was due counts, too.
pub fn pace(address: &str, requests: &Requests, connections: usize, rate: f64, seconds: f64) -> Round {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let each = Duration::from_secs_f64(connections as f64 / rate);
        let start = Instant::now() + Duration::from_millis(20);
        let clients: Vec<_> = (0..connections)
            .map(|n| {
                // Spread over the time between two requests of one connection.
                let first = start + each.mul_f64(n as f64 / connections as f64);
                let until = start + Duration::from_secs_f64(seconds);
                tokio::spawn(paced(address.to_owned(), Arc::clone(requests), n * 7919, (first, each, until)))
            })
            .collect();
        let mut samples = Vec::new();
        for client in clients {
            samples.extend(client.await.expect("a client of the load ended badly"));
        }
        let rate = samples.len() as f64 / start.elapsed().as_secs_f64();
        Round { samples, rate: Some(rate) }
    })
}

async fn paced(
    address: String,
    requests: Requests,
    first: usize,
    (mut due, each, until): (Instant, Duration, Instant),
) -> Vec<f64> {
    let mut connection = Connection::open(&address).await;
    let mut samples = Vec::with_capacity(1 << 12);
    let mut at = first;
    while due < until {
        // A timer is good to a millisecond, and its lateness is no one's fault; that of a busy connection counts.
        let mut start = due;
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
            start = Instant::now();
        }
        connection.ask(&requests[at % requests.len()]).await;
        at += 1;
        samples.push(start.elapsed().as_nanos() as f64);
        due += each;
    }
    samples
}

/// One keep-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server takes connections");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, buffer: vec![0; 64 * 1024] }
    }

    /// Sends and waits for the whole answer; gives its body.
    async fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.expect("the server reads");
        let (mut have, mut whole) = (0, None);
        while whole.is_none_or(|(_, whole)| have < whole) {
            if have == self.buffer.len() {
                self.buffer.resize(have * 2, 0);
            }
            let read = self.stream.read(&mut self.buffer[have..]).await.expect("the server answers");
            assert!(read > 0, "the server hung up");
            have += read;
            whole = whole.or_else(|| extent(&self.buffer[..have]));
        }
        let (head, whole) = whole.unwrap_or_default();
        &self.buffer[head..whole]
    }
}

/// Where the body of an answer begins and ends, once its head is there; of one in chunks, once all of it is.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]);
    assert!(text.starts_with("HTTP/1.1 200 "), "the answer is not 200: {}", String::from_utf8_lossy(bytes));
    if text.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked\r\n") {
        return bytes.ends_with(b"\r\n0\r\n\r\n").then_some((head, bytes.len()));
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some((head, head + length.expect("the answer says its length")))
}

/// Sends each request once, one after another; gives the last answer's body.
pub fn once(address: &str, requests: &[Vec<u8>]) -> Vec<u8> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let mut connection = Connection::open(address).await;
        let mut body = Vec::new();
        for request in requests {
            body = connection.ask(request).await.to_vec();
        }
        body
    })
}
