//! A tool that a gate calls: a small HTTP server, with or without TLS, that answers as a test wants and remembers
//! every request byte for byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::http_client::Folder;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub method: String,
    pub path: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Arrived {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .head
            .lines()
            .skip(1)
            .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

/// What the tool does with a request.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Status, headers (each with its line end), body.
    Answer(u16, String, Vec<u8>),
    /// Says nothing and closes.
    Hangup,
    /// These bytes as they are, then closes.
    Raw(Vec<u8>),
    /// Waits, then does it.
    After(Duration, Box<Deed>),
}

impl Deed {
    pub fn json(body: &str) -> Self {
        Self::Answer(200, "Content-Type: application/json\r\n".to_owned(), body.as_bytes().to_vec())
    }
    pub fn status(status: u16) -> Self {
        Self::Answer(status, String::new(), b"Traceback: secret internals of the tool".to_vec())
    }
    pub fn late(self, ms: u64) -> Self {
        Self::After(Duration::from_millis(ms), Box::new(self))
    }
}

type Plan = Arc<dyn Fn(usize, &Arrived) -> Deed + Send + Sync>;

pub struct Upstream {
    pub address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    /// The certificate of a server with TLS, in PEM.
    pub certificate: Option<String>,
    /// Where that is as a file, for as long as the server is held.
    home: Option<Folder>,
    connections: Arc<Mutex<usize>>,
}

impl Upstream {
    /// `plan`: from the number of the request, counted from 0, and the request.
    pub fn start(plan: impl Fn(usize, &Arrived) -> Deed + Send + Sync + 'static) -> Self {
        Self::serve(Arc::new(plan), None)
    }

    /// The same over TLS, for `localhost`.
    pub fn with_tls(plan: impl Fn(usize, &Arrived) -> Deed + Send + Sync + 'static) -> Self {
        Self::serve(Arc::new(plan), Some(&["localhost"]))
    }

    /// The same with a certificate for other names.
    pub fn with_tls_for(
        names: &[&str],
        plan: impl Fn(usize, &Arrived) -> Deed + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(plan), Some(names))
    }

    fn serve(plan: Plan, tls: Option<&[&str]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let (config, certificate) = tls.map(certified).unzip();
        let (seen, connections) = (Arc::clone(&arrived), Arc::new(Mutex::new(0)));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *counted.lock().unwrap() += 1;
                let (plan, seen, config) = (Arc::clone(&plan), Arc::clone(&seen), config.clone());
                std::thread::spawn(move || match config {
                    None => talk(stream, &plan, &seen),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).unwrap();
                        talk(rustls::StreamOwned::new(session, stream), &plan, &seen);
                    }
                });
            }
        });
        let home = certificate.as_ref().map(|pem| {
            let home = Folder::new();
            std::fs::write(home.0.join("ca.pem"), pem).unwrap();
            home
        });
        Self { address, arrived, certificate, home, connections }
    }

    /// The certificate's file.
    pub fn ca(&self) -> String {
        self.home.as_ref().unwrap().0.join("ca.pem").display().to_string()
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
    pub fn count(&self) -> usize {
        self.arrived.lock().unwrap().len()
    }
    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn certified(names: &[&str]) -> (Arc<rustls::ServerConfig>, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    (Arc::new(config), pem(made.cert.der()))
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn talk<S: Read + Write>(mut stream: S, plan: &Plan, seen: &Mutex<Vec<Arrived>>) {
    let mut rest = Vec::new();
    while let Some(request) = receive(&mut stream, &mut rest) {
        let n = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        if !act(&mut stream, plan(n, &request)) {
            return;
        }
    }
}

fn act<S: Write>(stream: &mut S, deed: Deed) -> bool {
    match deed {
        Deed::Answer(status, headers, body) => {
            let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).and_then(|()| stream.flush()).is_ok()
        }
        Deed::Hangup => false,
        Deed::Raw(bytes) => {
            let _gone = stream.write_all(&bytes).and_then(|()| stream.flush());
            false
        }
        Deed::After(wait, deed) => {
            std::thread::sleep(wait);
            act(stream, *deed)
        }
    }
}

fn receive<S: Read>(stream: &mut S, rest: &mut Vec<u8>) -> Option<Arrived> {
    let mut more = |rest: &mut Vec<u8>| {
        let mut buffer = [0; 16_384];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        rest.extend_from_slice(&buffer[..read]);
        Some(())
    };
    let end = loop {
        match rest.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => break at,
            None => more(rest)?,
        }
    };
    let head = String::from_utf8(rest[..end].to_vec()).unwrap();
    let mut first = head.lines().next().unwrap().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let mut arrived = Arrived { method, path, head, body: Vec::new() };
    let length = arrived.header("content-length").map_or(0, |text| text.parse().unwrap());
    while rest.len() < end + 4 + length {
        more(rest)?;
    }
    arrived.body = rest[end + 4..end + 4 + length].to_vec();
    rest.drain(..end + 4 + length);
    Some(arrived)
}

/// An address that nobody listens at.
pub fn nobody() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}
