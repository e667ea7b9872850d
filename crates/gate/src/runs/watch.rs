//! What a run says while it goes on: output is kept, the proxy's listener is served.

use std::net::TcpListener;
use std::sync::atomic::AtomicBool;

use sandbox::{Report, Sink, Stream};

use super::is_set;
use crate::proxy::Proxy;

/// Takes what a run says.
pub(super) struct Watching<'w> {
    cancelled: &'w AtomicBool,
    proxy: Option<&'w Proxy>,
    out: Vec<u8>,
    err: Vec<u8>,
    begun: bool,
}

impl<'w> Watching<'w> {
    pub(super) fn new(cancelled: &'w AtomicBool, proxy: Option<&'w Proxy>) -> Self {
        Self { cancelled, proxy, out: Vec::new(), err: Vec::new(), begun: false }
    }

    /// True if the program was started.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// What it printed: on stdout, on stderr.
    pub(super) fn printed(self) -> (Vec<u8>, Vec<u8>) {
        (self.out, self.err)
    }
}

impl Sink for Watching<'_> {
    fn printed(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Out => self.out.extend(bytes),
            Stream::Err => self.err.extend(bytes),
        }
    }

    fn started(&mut self, _: &Report) {
        self.begun = true;
    }

    fn listener(&mut self, listener: TcpListener) {
        if let Some(proxy) = self.proxy {
            proxy.serve(listener);
        }
    }

    fn cancelled(&mut self) -> bool {
        is_set(self.cancelled)
    }
}
