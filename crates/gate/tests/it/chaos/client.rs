//! The smallest client that will do: HTTP/1.1 over one kept connection, blocking. Sends exactly what it is told and
//! never tries again by itself, so that a test always knows what was sent and what was answered.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than anything takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Client {
    address: SocketAddr,
    key: String,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?} {}", self.text()))
    }
    /// The body of an answer that must be a success.
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "status {}: {}", self.status, self.text());
        self.json()
    }
}

impl Client {
    pub fn new(address: SocketAddr, key: &str) -> Self {
        Self { address, key: key.to_owned(), stream: None }
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, None).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }
    pub fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.try_post(path, body).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }
    /// An error says nothing of whether the request arrived.
    pub fn try_post(&mut self, path: &str, body: &Value) -> io::Result<Reply> {
        self.send("POST", path, Some(&body.to_string()))
    }
    /// `POST /v1/check`, which must be decided.
    pub fn check(&mut self, body: &Value) -> Value {
        self.post("/v1/check", body).ok()
    }

    pub fn send(&mut self, method: &str, path: &str, body: Option<&str>) -> io::Result<Reply> {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {}\r\n", self.key);
        if let Some(body) = body {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        head.push_str(body.unwrap_or_default());
        self.send_raw(head.as_bytes())
    }

    /// These bytes as they are, and the answer to them.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<Reply> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(connect(self.address)?),
        };
        // A server that refuses early may close while we still send; its answer counts.
        let sent = stream.get_mut().write_all(bytes);
        let reply = match (read_reply(&mut stream), sent) {
            (Ok(reply), _) => reply,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        if !reply.header("connection").eq_ignore_ascii_case("close") {
            self.stream = Some(stream);
        }
        Ok(reply)
    }
}

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn read_reply(stream: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let mut line = String::new();
    let mut next = |stream: &mut BufReader<TcpStream>| -> io::Result<String> {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    };
    let status = next(stream)?;
    let odd = || io::Error::other(format!("`{status}` is no status line"));
    let status: u16 = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(odd)?;
    let mut headers = Vec::new();
    loop {
        let line = next(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut reply = Reply { status, headers, body: Vec::new() };
    if reply.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        loop {
            let length = usize::from_str_radix(&next(stream)?, 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; length];
            stream.read_exact(&mut chunk)?;
            reply.body.extend(chunk);
            next(stream)?;
            if length == 0 {
                break;
            }
        }
    } else {
        let length = reply.header("content-length").parse().unwrap_or(0);
        reply.body = vec![0; length];
        stream.read_exact(&mut reply.body)?;
    }
    Ok(reply)
}
