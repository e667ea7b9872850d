//! The only way out of a run: a filtering HTTP proxy at a listener inside the run's own network.
//!
//! Answerable for no connection being made but to a listed name and port, resolved by us, once, and dialled at
//! the address that was checked; for TLS going to the name that was asked for; and for every request being on
//! record, refused ones too; and for names, connections and bytes of a run being bounded. One listener belongs to one run, so nothing else tells runs apart.

mod hello;
mod meter;
mod request;
mod socks;
mod tunnel;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use verdict::boundary::{Boundaries, Ground, Hosts};
use verdict::{Effect, EffectFact, HostTarget, Target};

/// The most connections of a run at once.
const AT_ONCE: usize = 64;
/// The most requests of a run that are kept for its record; the rest are counted.
const KEPT: usize = 1_000;
/// The most connections of a run in all.
const IN_ALL: usize = 10_000;
/// How long a name may take to resolve, and a connection to be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// One request of a run, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// `CONNECT`, or the method of a plain request.
    pub method: String,
    /// The host as it was asked for, cut if it is long.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path of a plain request, without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// True if it was let through.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Bytes that went out, and came in.
    pub sent: u64,
    /// As above.
    pub received: u64,
}

impl Request {
    /// It as an effect of the action that the run is: where to, how, and what became of it.
    pub fn effect(&self) -> EffectFact {
        let host = HostTarget { host: self.host.clone(), port: Some(self.port), ..HostTarget::default() };
        let asked = [Some(self.method.as_str()), self.path.as_deref()].into_iter().flatten();
        let mut note = verdict::short(&asked.collect::<Vec<_>>().join(" "));
        if !self.allowed {
            note.push_str(": refused: ");
            note.push_str(self.reason.as_deref().unwrap_or("it is not listed"));
        }
        Effect::new("net.connect", Target::Host(host)).noting(note).fact()
    }
}

/// How a name becomes addresses; for tests, whose names lead elsewhere each time they are asked for.
pub type Resolve = Arc<dyn Fn(&str) -> std::io::Result<Vec<IpAddr>> + Send + Sync>;

/// The proxy of one run.
pub struct Proxy {
    shared: Arc<Shared>,
    handle: tokio::runtime::Handle,
    serving: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    hosts: Boundaries,
    /// None: as the host resolves.
    resolve: Option<Resolve>,
    seen: Mutex<Vec<Request>>,
    meter: meter::Meter,
}

impl Proxy {
    /// A proxy that lets requests to these hosts through.
    pub fn new(hosts: Hosts, handle: tokio::runtime::Handle) -> Self {
        Self::resolving(hosts, handle, None)
    }

    /// The same with other names; none: the host's.
    pub fn resolving(hosts: Hosts, handle: tokio::runtime::Handle, resolve: Option<Resolve>) -> Self {
        let hosts = Boundaries { hosts: Some(hosts), ..Boundaries::default() };
        let (seen, meter) = (Mutex::default(), meter::Meter::default());
        Self { shared: Arc::new(Shared { hosts, resolve, seen, meter }), handle, serving: Mutex::default() }
    }

    /// Serves the listener of the run, until [`Proxy::end`].
    pub fn serve(&self, listener: std::net::TcpListener) {
        let shared = Arc::clone(&self.shared);
        let serving = self.handle.spawn(async move {
            if listener.set_nonblocking(true).is_err() {
                return;
            }
            if let Ok(listener) = TcpListener::from_std(listener) {
                accept(listener, shared).await;
            }
        });
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
    }

    /// Ends everything that is still open, and gives what was asked for.
    pub fn end(self) -> Vec<Request> {
        if let Some(serving) = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take() {
            serving.abort();
        }
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    // Dropping the set with this future ends every connection.
    let mut open = tokio::task::JoinSet::new();
    for _ in 0..IN_ALL {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { return };
        // What a program sends in small pieces is not to wait for the next one.
        let _slower = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        open.spawn(async move {
            tunnel::serve(stream, &shared).await;
            drop(permit);
        });
        while open.try_join_next().is_some() {}
    }
    while open.join_next().await.is_some() {}
}

impl Shared {
    /// Where a request may go: the host is read, held against the list, resolved, and held against it again with
    /// every address that it has. The connection is made to one of those.
    async fn admit(&self, host: &str, port: u16) -> Result<SocketAddr, String> {
        let mut target = read(host, port)?;
        // Names that are not listed are not even resolved: a question to a name server is a message, too.
        self.hold(&target)?;
        if target.address.is_none() {
            self.meter.name(&target.host)?;
            target.resolved = self.resolved(&target.host, port).await?;
            self.hold(&target)?;
        }
        let address = target.address.or_else(|| target.resolved.first().copied());
        let address = address.ok_or_else(|| "its name has no address".to_owned())?;
        Ok(SocketAddr::new(address, port))
    }

    async fn resolved(&self, name: &str, port: u16) -> Result<Vec<IpAddr>, String> {
        let unresolved = |_| "its name cannot be resolved".to_owned();
        if let Some(resolve) = &self.resolve {
            return resolve(name).map_err(unresolved);
        }
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, port))).await;
        let found = found.map_err(|_| "its name took too long to resolve".to_owned())?;
        Ok(found.map_err(unresolved)?.map(|address| address.ip()).collect())
    }

    fn hold(&self, target: &HostTarget) -> Result<(), String> {
        let effect = Effect::new("net.connect", Target::Host(target.clone()));
        match self.hosts.breach(&[effect], &Ground { cwd: None, ignores_case: false }) {
            Some(breach) => Err(breach.reason),
            None => Ok(()),
        }
    }

    async fn dial(&self, address: SocketAddr) -> Result<TcpStream, String> {
        let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
        let stream = stream
            .map_err(|_| "it does not answer".to_owned())?
            .map_err(|error| format!("it cannot be reached: {error}"))?;
        let _slower = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Puts a request on record; the place where its end is entered.
    fn note(&self, request: Request) -> Option<usize> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEPT {
            return None;
        }
        seen.push(request);
        seen.len().checked_sub(1)
    }

    fn enter(&self, at: Option<usize>, change: impl FnOnce(&mut Request)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = at.and_then(|at| seen.get_mut(at)) {
            change(request);
        }
    }
}

/// The host of a request, strictly: what two programs could read differently is none.
fn read(host: &str, port: u16) -> Result<HostTarget, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
        return Err("it is no host".to_owned());
    }
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') && host.parse::<std::net::Ipv4Addr>().is_err()
        || host.to_ascii_lowercase().split('.').any(|part| part.starts_with("0x"))
    {
        return Err("it is an address in a form that programs read differently".to_owned());
    }
    let target = inspect::net::target(&format!("{host}:{port}"))?;
    match target.odd {
        Some(odd) => Err(format!("it is spelled to be misread: {odd}")),
        None if target.port != Some(port) => Err("its port cannot be told".to_owned()),
        None => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn hosts_are_read_in_one_way_or_not_at_all() {
        for (host, meant) in [
            ("example.com", "example.com"),
            ("EXAMPLE.com.", "example.com"),
            ("[::1]", "::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(read(host, 443).unwrap().host, meant, "{host}");
        }
        let long = "a".repeat(300);
        for host in [
            "",
            "a b",
            "a\0.example.com",
            "a%00b",
            "user@example.com",
            "a/b",
            "a\\b",
            "a,b",
            "2130706433",
            "0x7f.1",
            "127.1",
            "0177.0.0.1",
            "exämple.com",
            "a\r\nHost: b",
            "a:b:c",
            "example.com:80",
            &long,
        ] {
            assert!(read(host, 443).is_err(), "{host}");
        }
    }
}
