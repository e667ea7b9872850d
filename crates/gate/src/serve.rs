//! The server: a socket, connections, and an end that loses nothing.
//!
//! Answerable for bounds on what strangers can hold (connections, time for headers) and for shutting down in
//! order: stop accepting, finish requests, settle, close. Knows nothing of routes.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Body as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::http::{self, App, Behind, Customs, Payload};
use crate::mcp::http::Hub;
use crate::mcp::servers::Servers;
use crate::metrics::Metrics;
use crate::path::Gate;
use crate::patience::Watch;
use crate::store::StorePath;
use crate::tool::{Ground, Lost, SealingKey, Tools};
use crate::views::Reading;
use crate::webhooks::Telling;

/// What a server needs.
pub struct Options {
    /// Decides and records. Closed when the server has stopped.
    pub gate: Gate,
    /// Where to listen; port 0 takes any that is free.
    pub address: SocketAddr,
    /// The ledger that the gate writes, to be read.
    pub store: StorePath,
    /// Names the gates that share a policy.
    pub line: String,
    /// The MCP servers behind `/mcp`, if there are any.
    pub mcp: Option<Servers>,
    /// What the gate's own tools work on.
    pub ground: Ground,
    /// What secrets of tools are sealed with; without it none can be stored.
    pub sealing: Option<SealingKey>,
    /// How other products' clients are answered.
    pub customs: Customs,
    /// Told once requests are answered, and where.
    pub on_ready: Box<dyn FnOnce(SocketAddr) + Send>,
    /// Ends when the server is to stop; see [`told_to_stop`].
    pub stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Connections at once.
const MOST_CONNECTIONS: usize = 8_192;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
/// How long a client may take for the head of a request, and may be silent between two.
const HEAD_PATIENCE: Duration = Duration::from_secs(20);
/// How long a client may take nothing of a stream, in which something is said more often.
const FEED_PATIENCE: Duration = Duration::from_secs(60);
/// A client that takes an answer in more slowly than this, in bytes a second, may lose it.
const SLOWEST: u64 = 4_096;
/// How long requests may take to finish once the server is told to stop.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// Serves until told to stop. The error is a sentence.
pub async fn run(options: Options) -> Result<(), String> {
    let Options { gate, address, store, line, mcp, ground, sealing, customs, on_ready, stop } = options;
    let gate = Gate { eyes: gate.eyes.clone().on(ground.folder.as_deref()), ..gate };
    let listener = listen(address)?;
    let local =
        listener.local_addr().map_err(|error| format!("address `{address}` cannot be used: {error}"))?;
    if !local.ip().is_loopback() {
        tracing::warn!(%local, "keys and arguments travel unencrypted; put TLS in front of this address");
    }
    let metrics = Arc::new(Metrics::new());
    let reading = Reading::open(store.0.clone()).map_err(|fault| fault.to_string())?;
    let tools = Tools::new(gate.desk.clone(), reading.clone(), sealing, ground);
    let of_hub = (Arc::clone(&metrics), tools.clone());
    let hub = mcp.map(|servers| Hub::new(&gate, servers, store.0, of_hub));
    let lost = Lost { desk: gate.desk.clone(), reading: reading.clone() };
    let (telling_reads, telling_sends) = (reading.clone(), tools.clone());
    let behind = Behind { hub: hub.clone(), tools: tools.clone(), alone: local.ip().is_loopback(), customs };
    let app = App::new(gate.clone(), line, reading, metrics, behind);
    let app = app.await.map_err(|halt| halt.0)?;
    let keys = tokio::spawn(Arc::clone(&app).follow_keys());
    let telling = Telling { desk: gate.desk.clone(), reading: telling_reads, tools: telling_sends };
    let telling = tokio::spawn(telling.run());
    let lost = tokio::spawn(lost.run());
    let tidy = hub.clone().map(|hub| tokio::spawn(hub.tidy()));
    on_ready(local);
    accept(listener, &app, stop).await;
    tools.finish(LAST_PATIENCE).await;
    keys.abort();
    telling.abort();
    lost.abort();
    if let Some(hub) = &hub {
        hub.ended().await;
    }
    if let Some(tidy) = tidy {
        tidy.abort();
    }
    // The readers first: the ledger is moved into its one file by the last connection that may write.
    let _aborted = keys.await;
    let _aborted = telling.await;
    let _aborted = lost.await;
    drop((app, tools));
    // Closing waits for the writer's thread, which must not hold up this one.
    let closed = tokio::task::spawn_blocking(move || gate.desk.close()).await;
    closed.map_err(|_| "the ledger's writer ended badly; the next start reads the ledger anew".to_owned())
}

/// Ends when the program is told to stop, by a terminal or a supervisor.
pub fn told_to_stop() -> Result<Pin<Box<dyn Future<Output = ()> + Send>>, String> {
    let odd = |error: std::io::Error| format!("signals cannot be received: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(odd)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(odd)?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
    }))
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let odd = |error: std::io::Error| {
        format!("cannot listen at `{address}`: {error}; give another address with --listen")
    };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(odd)?;
    socket.set_reuseaddr(true).map_err(odd)?;
    socket.bind(address).map_err(odd)?;
    socket.listen(BACKLOG).map_err(odd)
}

async fn accept(listener: TcpListener, app: &Arc<App>, mut stop: Pin<Box<dyn Future<Output = ()> + Send>>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        // A place first: whoever finds none waits in the backlog, where they cost nothing.
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = next(&listener, &room) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        connections.spawn(converse(stream, place, Arc::clone(app), stopped.clone()));
    }
    drop(listener);
    tracing::info!(connections = connections.len(), "stopping");
    stopping.send_replace(true);
    app.close();
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_PATIENCE, finished).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            // No descriptors left, most likely: trying again at once would only burn the processor.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn converse(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    app: Arc<App>,
    mut stopped: watch::Receiver<bool>,
) {
    // Small answers must not wait for the client's acknowledgement of the ones before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let shared = Arc::new((app, Watch::new(HEAD_PATIENCE)));
    let watched = Arc::clone(&shared);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            let (app, watch) = &*shared;
            let mut reply = http::answer(app, request, watch).await;
            let length = reply.body().size_hint().lower();
            watch.answered(HEAD_PATIENCE.saturating_add(Duration::from_secs(length / SLOWEST)));
            let kept = Arc::clone(&shared);
            let taken = Box::new(move || kept.1.answered(FEED_PATIENCE));
            match reply.body_mut() {
                Payload::Whole(_) => (),
                Payload::Feed(feed) => feed.told(taken),
                Payload::Events(coming) => coming.told(taken),
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(64 * 1024).pipeline_flush(true);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let told = async move { stopped.wait_for(|stop| *stop).await.is_ok() };
    let mut over = std::pin::pin!(watched.1.over());
    // The watch first: what it notices is acted on where the connection is polled.
    let ended = tokio::select! {
        biased;
        () = over.as_mut() => return tracing::debug!("a connection was silent for too long"),
        ended = connection.as_mut() => ended,
        _ = told => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                () = over => return,
                ended = connection => ended,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
