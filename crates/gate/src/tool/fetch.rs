//! A document from the web, for a person at a terminal: read once, by the same connections that tools get.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::time::Instant;
use verdict::{Address, Endpoint, HttpMethod, Signing};

use super::Lines;
use super::attempt::{self, Attempt, Way};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest document, in bytes.
const LONGEST: u64 = 32 << 20;

/// The body at a URL. The error is a sentence.
pub async fn fetch(url: &str) -> Result<Bytes, String> {
    let address = Address::parse(url).map_err(|why| format!("it {why}"))?;
    let mut path = String::new();
    for piece in &address.pieces {
        match piece {
            verdict::Piece::Text(text) => path.push_str(text),
            verdict::Piece::Argument(_) => return Err("it has braces in its path; escape them".to_owned()),
        }
    }
    let request = Request::get(path)
        .header("host", address.authority())
        .header("user-agent", super::errand::AGENT)
        .header("accept-encoding", "identity")
        .body(Full::new(Bytes::new()))
        .map_err(|_| "it cannot be asked for".to_owned())?;
    let endpoint = plain(address.clone());
    let way = Way {
        endpoint: &endpoint,
        address: &address,
        purpose: "",
        deadline: Instant::now() + PATIENCE,
        sink: None,
    };
    match attempt::send(&Lines::default(), &way, request).await {
        Attempt::Never(fault) | Attempt::Lost(fault) => Err(fault.message),
        Attempt::Answer(answer) if answer.status == 200 => answer.body.map_err(|fault| fault.message),
        Attempt::Answer(answer) => Err(format!("it answers with status {}", answer.status)),
    }
}

fn plain(address: Address) -> Endpoint {
    Endpoint {
        address,
        test_address: None,
        method: HttpMethod::Get,
        auth: None,
        signing: Signing::Portcullis,
        signed_answers: false,
        timeout_ms: 0,
        max_retries: 0,
        idempotent: true,
        query: Vec::new(),
        // A person named it: it may be anywhere but at a metadata service.
        allow_private: true,
        ca: None,
        max_response_bytes: LONGEST,
        open_args: false,
    }
}
