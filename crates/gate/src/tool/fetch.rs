//! What a command asks of the web: a document, or a running gate's answer. Once, by the same connections that tools
//! get.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HeaderValue;
use tokio::time::Instant;
use verdict::{Address, Endpoint, HttpMethod};

use super::Lines;
use super::attempt::{self, Attempt, Way};
use super::fault::Why;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest document, in bytes.
const LONGEST: u64 = 32 << 20;

/// The body at a URL. The error is a sentence.
pub async fn fetch(url: &str) -> Result<Bytes, String> {
    let address = Address::parse(url).map_err(|why| format!("it {why}"))?;
    let path = path_of(&address)?;
    let request = Request::get(path)
        .header("host", address.authority())
        .header("user-agent", super::errand::AGENT)
        .header("accept-encoding", "identity")
        .body(Full::new(Bytes::new()))
        .map_err(|_| "it cannot be asked for".to_owned())?;
    match sent(address, request).await {
        Attempt::Never(fault) | Attempt::Lost(fault) => Err(fault.message),
        Attempt::Answer(answer) if answer.status == 200 => answer.body.map_err(|fault| fault.message),
        Attempt::Answer(answer) => Err(format!("it answers with status {}", answer.status)),
    }
}

/// Why a gate gave no answer: a sentence.
#[derive(Debug)]
pub enum Unasked {
    /// No connection was made.
    Nobody(String),
    /// Anything else.
    Other(String),
}

/// Posts JSON to `path` of the gate at `url`, with a key: the answer's status and body.
pub async fn ask(url: &str, path: &str, key: &str, body: Bytes) -> Result<(u16, Bytes), Unasked> {
    let address = Address::parse(url).map_err(|why| Unasked::Other(format!("it {why}")))?;
    let base = path_of(&address).map_err(Unasked::Other)?;
    let odd = |_| Unasked::Other("it cannot be asked with such a key or address".to_owned());
    let mut key = HeaderValue::try_from(format!("Bearer {key}")).map_err(|it| odd(it.into()))?;
    key.set_sensitive(true);
    let request = Request::post(format!("{}{path}", base.trim_end_matches('/')))
        .header("host", address.authority())
        .header("user-agent", super::errand::AGENT)
        .header("accept-encoding", "identity")
        .header("content-type", "application/json")
        .header("authorization", key)
        .body(Full::new(body))
        .map_err(odd)?;
    match sent(address, request).await {
        Attempt::Never(fault) if fault.why == Why::Unreachable => Err(Unasked::Nobody(fault.message)),
        Attempt::Never(fault) | Attempt::Lost(fault) => Err(Unasked::Other(fault.message)),
        Attempt::Answer(answer) => {
            answer.body.map(|body| (answer.status, body)).map_err(|fault| Unasked::Other(fault.message))
        }
    }
}

async fn sent(address: Address, request: Request<Full<Bytes>>) -> Attempt {
    // A person named it: it may be anywhere but at a metadata service.
    let endpoint = Endpoint::bare(address.clone(), HttpMethod::Get, true, LONGEST);
    let way = Way {
        endpoint: &endpoint,
        address: &address,
        purpose: "",
        deadline: Instant::now() + PATIENCE,
        sink: None,
    };
    attempt::send(&Lines::default(), &way, request).await
}

/// The path and query of an address without arguments. The error is what is wrong with it.
pub(super) fn path_of(address: &Address) -> Result<String, String> {
    let mut path = String::new();
    for piece in &address.pieces {
        match piece {
            verdict::Piece::Text(text) => path.push_str(text),
            verdict::Piece::Argument(_) => return Err("it has braces in its path; escape them".to_owned()),
        }
    }
    Ok(path)
}
