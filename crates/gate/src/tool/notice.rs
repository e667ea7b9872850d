//! A notice to somebody's address: sent by the same connections that tools get, signed, and never followed elsewhere.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HeaderName;
use tokio::time::Instant;
use verdict::{Address, Endpoint, HttpMethod, Micro, Piece};

use super::attempt::{self, Attempt, Way};
use super::sign::{self, Stamp};
use super::{Tools, errand, fault::Fault};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of an answer only the status counts.
const LONGEST: u64 = 64 << 10;
const SIGNATURE: HeaderName = HeaderName::from_static("portcullis-signature");

/// What is sent, and where.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Where.
    pub url: String,
    /// True if that may be on this machine or in a network of one's own.
    pub allow_private: bool,
    /// The stored secret that it is signed with.
    pub secret: String,
    /// JSON.
    pub body: String,
}

/// Where a notice may go: an address without parts that vary. The error is a sentence.
pub fn address(url: &str) -> Result<(Address, String), String> {
    let address = Address::parse(url)?;
    let mut path = String::new();
    for piece in &address.pieces {
        match piece {
            Piece::Text(text) => path.push_str(text),
            Piece::Argument(_) => return Err("has braces in its path".to_owned()),
        }
    }
    Ok((address, path))
}

impl Tools {
    /// Sends a notice once; the status of the answer. The error is a sentence without anything secret.
    pub async fn notify(&self, notice: &Notice, now: Micro) -> Result<u16, String> {
        let (address, path) = address(&notice.url)?;
        let secret = self.store().get(&notice.secret).await.ok_or("its secret is not there any more")?;
        let stamp = Stamp::new(now).map_err(|fault| fault.message)?;
        let body = notice.body.as_bytes();
        let request = Request::post(&path)
            .header("host", address.authority())
            .header("user-agent", errand::AGENT)
            .header("content-type", "application/json")
            .header("accept-encoding", "identity")
            .header("portcullis-timestamp", &stamp.time)
            .header("portcullis-nonce", &stamp.nonce)
            .header(SIGNATURE, sign::request(&secret, "POST", &path, &stamp, body))
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(|_| "it cannot be written as a request".to_owned())?;
        let endpoint = Endpoint::bare(address.clone(), HttpMethod::Post, notice.allow_private, LONGEST);
        let purpose = format!("notice {} {}", notice.url, notice.allow_private);
        let deadline = Instant::now() + PATIENCE;
        let way = Way { endpoint: &endpoint, address: &address, purpose: &purpose, deadline, sink: None };
        match attempt::send(&self.0.lines, &way, request).await {
            Attempt::Never(Fault { message, .. }) | Attempt::Lost(Fault { message, .. }) => Err(message),
            Attempt::Answer(answer) => Ok(answer.status),
        }
    }
}
