//! Connections to servers behind URLs: TCP, and TLS for `https`.
//!
//! Answerable for a certificate being that of the host in the URL, under the system's roots or the server's own, before a
//! byte of a request is sent. Where a server is, is the operator's to say: addresses of this machine and its networks are called as well.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

/// How long a server may take to accept a connection, and then to agree on TLS.
const CONNECTING: Duration = Duration::from_secs(10);
/// Connections that are kept open for one server.
const KEPT: usize = 32;

/// What requests are made with; connections are shared.
pub(super) type Dialer = Client<Dial, Full<Bytes>>;

/// Makes a dialer, which believes who has a certificate from the file `ca`, or from the system's roots.
pub(super) fn dialer(ca: Option<&str>) -> Dialer {
    let mut tcp = HttpConnector::new();
    // Requests are written whole; waiting for more would only cost time.
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECTING));
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(KEPT)
        .build(Dial { tcp, ca: ca.map(str::to_owned) })
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Dial {
    tcp: HttpConnector,
    ca: Option<String>,
}

/// A connection.
pub(super) enum Line {
    /// As it is.
    Plain(TokioIo<TcpStream>),
    /// Under TLS.
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Service<Uri> for Dial {
    type Response = Line;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Line, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.call(uri.clone());
        let ca = self.ca.clone();
        Box::pin(async move {
            let stream = connecting.await?;
            if uri.scheme_str() != Some("https") {
                return Ok(Line::Plain(stream));
            }
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(host)?;
            let tls = TlsConnector::from(crate::tool::trust_of(ca.as_deref())?);
            let agreed = timeout(CONNECTING, tls.connect(name, stream.into_inner())).await;
            let stream = agreed.map_err(|_| io::Error::other("it took too long to agree on TLS"))??;
            Ok(Line::Tls(Box::new(TokioIo::new(stream))))
        })
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(line) => Pin::new(line).poll_read(cx, buffer),
            Self::Tls(line) => Pin::new(line.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl Write for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(line) => Pin::new(line).poll_write(cx, bytes),
            Self::Tls(line) => Pin::new(line.as_mut()).poll_write(cx, bytes),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(line) => Pin::new(line).poll_flush(cx),
            Self::Tls(line) => Pin::new(line.as_mut()).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(line) => Pin::new(line).poll_shutdown(cx),
            Self::Tls(line) => Pin::new(line.as_mut()).poll_shutdown(cx),
        }
    }
}
