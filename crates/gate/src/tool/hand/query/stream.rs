//! The connection to PostgreSQL: bytes, counted, and TLS over them.
//!
//! Answerable for a server that sends more than an answer may have being cut off, before it is kept in memory, and for
//! TLS being TLS to the host that the connection string names.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

/// A connection from which only so much is read.
pub(super) struct Counted {
    inner: Inner,
    left: usize,
}

enum Inner {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Counted {
    /// To a host and port. The error is the system's.
    pub(super) async fn tcp(host: &str, port: u16, most: usize) -> io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { inner: Inner::Tcp(stream), left: most })
    }

    /// To a socket in a folder, as PostgreSQL names it.
    pub(super) async fn unix(folder: &Path, port: u16, most: usize) -> io::Result<Self> {
        let stream = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?;
        Ok(Self { inner: Inner::Unix(stream), left: most })
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = match &mut self.inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if let Poll::Ready(Ok(())) = read {
            let came = buf.filled().len().saturating_sub(before);
            match self.left.checked_sub(came) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Err(io::Error::other("the answer is too long"))),
            }
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// TLS to one host; without a configuration there is none.
pub(super) struct Tls {
    pub(super) config: Option<Arc<ClientConfig>>,
    pub(super) host: String,
}

/// A connection under TLS.
pub(super) struct Secured(tokio_rustls::client::TlsStream<Counted>);

impl TlsConnect<Counted> for Tls {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secured>> + Send>>;

    fn connect(self, stream: Counted) -> Self::Future {
        Box::pin(async move {
            let config =
                self.config.ok_or_else(|| io::Error::other("there is no TLS for this connection"))?;
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            TlsConnector::from(config).connect(name, stream).await.map(Secured)
        })
    }
}

impl TlsStream for Secured {
    // The certificate was verified for the host's name; the password is not bound to it besides.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
