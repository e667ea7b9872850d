//! A server behind a URL: streamable HTTP, as its client.
//!
//! Answerable for every message being one POST, for what comes back (JSON, a stream, a stream that broke and is taken
//! up again) reaching the session in order, and for every request ending: with the server's answer, with an error
//! where it surely was not carried out, or as one of which nobody knows. Follows no redirect. What may pass is the
//! session's. Source: MCP 2025-11-25, transports, "Streamable HTTP".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::border::Border;
use super::dial::Dialer;
use super::events::{Happening, Reading};
use super::modern;
use super::streams::Streams;
use super::turned::Turned;
use super::visit::one_line;
use crate::mcp::LONGEST_MESSAGE;
use crate::mcp::envelope::{Fields, Id, Message, read, text};
use crate::mcp::lines::{Lost, Way};
use crate::mcp::pump::{lost, server_line};
use crate::mcp::reply;
use crate::mcp::session::Session;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Messages that wait to be sent.
const MOST_WAITING: usize = 4_096;
/// How long a server may take to accept what needs no answer, and to begin a stream.
const ACCEPTING: Duration = Duration::from_secs(30);
/// How long until a stream that broke is taken up again, if the server does not say; and how often at most in a row.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST_AGAIN: Duration = Duration::from_secs(30);
const TIMES: u32 = 8;
/// How long a server may take to be told that the session is over.
const LEAVING: Duration = Duration::from_secs(2);

/// The server's address and what it calls our session.
pub(super) struct Remote {
    client: Dialer,
    url: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    agreed: Mutex<Agreed>,
    stateless: Option<Stateless>,
}

/// What a request of a revision without sessions carries in its headers.
pub(super) struct Stateless {
    /// The revision.
    pub(super) version: HeaderValue,
    /// The client's request.
    pub(super) asked: Id,
    /// Of which arguments its client wrote copies: `Mcp-Param-...`.
    pub(super) params: Vec<(HeaderName, HeaderValue)>,
}

/// What was agreed on with the server.
#[derive(Clone, Default)]
struct Agreed {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

/// To the server.
pub(super) struct Mouth(mpsc::Sender<Vec<u8>>);

impl Way for Mouth {
    fn send(&self, message: &[u8], _about: Option<&Id>) -> Result<(), Lost> {
        self.0.try_send(message.to_vec()).map_err(|_| Lost::Whole)
    }
    fn close(&self) {}
}

/// From the server.
pub(super) struct Ear {
    remote: Arc<Remote>,
    sent: mpsc::Receiver<Vec<u8>>,
    streams: Arc<Streams>,
}

/// Both ends of a server. Connects to nothing yet.
pub(super) fn connect(
    client: Dialer,
    (url, headers): (&Uri, &[(HeaderName, HeaderValue)]),
    streams: Arc<Streams>,
) -> (Mouth, Ear, Arc<Remote>) {
    let agreed = Mutex::default();
    let (url, headers) = (url.clone(), headers.to_vec());
    with_ends(Remote { client, url, headers, agreed, stateless: None }, streams)
}

/// The same for one request of a revision without sessions.
pub(super) fn connect_once(
    client: Dialer,
    (url, headers): (&Uri, &[(HeaderName, HeaderValue)]),
    streams: Arc<Streams>,
    stateless: Stateless,
) -> (Mouth, Ear) {
    let agreed = Agreed { session: None, version: Some(stateless.version.clone()) };
    let (url, headers) = (url.clone(), headers.to_vec());
    let remote = Remote { client, url, headers, agreed: Mutex::new(agreed), stateless: Some(stateless) };
    let (mouth, ear, _) = with_ends(remote, streams);
    (mouth, ear)
}

/// The same for a server that has no sessions, and clients that have one.
pub(super) fn connect_turned(
    client: Dialer,
    (url, headers): (&Uri, &[(HeaderName, HeaderValue)]),
) -> (Mouth, Turned) {
    let version = HeaderValue::from_static(modern::REVISION);
    let agreed = Mutex::new(Agreed { session: None, version: Some(version.clone()) });
    let stateless = Some(Stateless { version, asked: Id::Int(0), params: Vec::new() });
    let (url, headers) = (url.clone(), headers.to_vec());
    let remote = Arc::new(Remote { client, url, headers, agreed, stateless });
    let (to, sent) = mpsc::channel(MOST_WAITING);
    (Mouth(to), Turned { remote, sent })
}

fn with_ends(remote: Remote, streams: Arc<Streams>) -> (Mouth, Ear, Arc<Remote>) {
    let remote = Arc::new(remote);
    let (to, sent) = mpsc::channel(MOST_WAITING);
    (Mouth(to), Ear { remote: Arc::clone(&remote), sent, streams }, remote)
}

/// Where what the server says goes.
#[derive(Clone)]
struct Desk {
    remote: Arc<Remote>,
    session: Arc<Session>,
    border: Arc<Border>,
    streams: Arc<Streams>,
}

/// A message to the server.
pub(super) struct Letter {
    /// As it is sent.
    pub(super) line: Vec<u8>,
    /// The request that it is, and its method.
    pub(super) asks: Option<(Id, String)>,
    /// Its method, if it is a request or a notification.
    pub(super) method: Option<String>,
}

/// Why the server is none any more.
struct Over(String);

impl Ear {
    /// Sends what is to be sent and takes in what comes back, until the server's session is over. Why it is.
    pub(super) async fn run(self, session: Arc<Session>, border: Arc<Border>) -> String {
        let Self { remote, mut sent, streams } = self;
        let desk = Desk { remote, session, border, streams };
        let mut tasks: JoinSet<Result<(), Over>> = JoinSet::new();
        loop {
            tokio::select! {
                line = sent.recv() => {
                    let Some(line) = line else { return "the session is over".to_owned() };
                    let letter = Letter::of(line);
                    if letter.asks.is_some() {
                        tasks.spawn(desk.clone().ask(letter));
                        continue;
                    }
                    // In their order: a request that comes after the client said that it is ready finds it said.
                    let is_ready = letter.method.as_deref() == Some("notifications/initialized");
                    if let Ok(Err(Over(why))) = timeout(ACCEPTING, desk.tell(letter)).await {
                        return why;
                    }
                    if is_ready {
                        tasks.spawn(desk.clone().stand());
                    }
                }
                Some(done) = tasks.join_next(), if !tasks.is_empty() => if let Ok(Err(Over(why))) = done {
                    return why;
                }
            }
        }
    }
}

impl Letter {
    /// Reads a message.
    pub(super) fn of(line: Vec<u8>) -> Self {
        let (asks, method) = match text(&line).and_then(read) {
            Ok(Message::Request { id, method, .. }) => (Some((id, method.clone())), Some(method)),
            Ok(Message::Notification { method, .. }) => (None, Some(method)),
            _ => (None, None),
        };
        Self { line, asks, method }
    }
}

/// How a request to the server went.
pub(super) enum Went {
    /// It never reached the server.
    NotSent(String),
    /// Nobody knows whether it did.
    Broken(String),
    /// It was answered.
    Back(Response<Incoming>),
}

impl Remote {
    fn agreed(&self) -> Agreed {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request.
    pub(super) async fn send(&self, method: Method, body: Bytes, more: &[(HeaderName, HeaderValue)]) -> Went {
        let Agreed { session, version } = self.agreed();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        for (name, value) in self.headers.iter().chain(more) {
            headers.insert(name, value.clone());
        }
        for (name, value) in [(SESSION, session), (VERSION, version)] {
            value.map(|value| headers.insert(name, value));
        }
        match self.client.request(request).await {
            Ok(back) => Went::Back(back),
            Err(error) if error.is_connect() => {
                Went::NotSent(format!("the server cannot be reached: {}", cause(&error)))
            }
            Err(error) => Went::Broken(format!("the connection to the server broke: {}", cause(&error))),
        }
    }

    /// What stands above a message.
    pub(super) fn heads(&self, letter: &Letter) -> Vec<(HeaderName, HeaderValue)> {
        let mut heads = vec![(CONTENT_TYPE, JSON), (ACCEPT, BOTH)];
        let (Some(stateless), Some(method)) = (&self.stateless, &letter.method) else { return heads };
        heads.extend(Some(METHOD).zip(HeaderValue::from_str(method).ok()));
        heads.extend(Some(NAME).zip(modern::named(&letter.line).and_then(|name| modern::encoded(&name))));
        if letter.asks.as_ref().is_some_and(|(id, _)| *id == stateless.asked) {
            heads.extend(stateless.params.iter().cloned());
        }
        heads
    }

    /// Tells the server that its session is over.
    pub(super) async fn leave(&self) {
        if self.agreed().session.is_some() {
            let _late = timeout(LEAVING, self.send(Method::DELETE, Bytes::new(), &[])).await;
        }
    }
}

/// What lies behind an error, as far as it says anything.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(deeper) = last.source() {
        last = deeper;
    }
    last.to_string()
}

impl Desk {
    /// Sends what needs no answer.
    async fn tell(&self, letter: Letter) -> Result<(), Over> {
        match self
            .remote
            .send(Method::POST, letter.line.into(), &[(CONTENT_TYPE, JSON), (ACCEPT, BOTH)])
            .await
        {
            Went::Back(back) if self.is_over(&back) => {
                Err(Over("the server has ended its session".to_owned()))
            }
            Went::Back(back) if !back.status().is_success() => {
                tracing::warn!(server = %self.session.names.server, status = back.status().as_u16(), "a message was not accepted");
                Ok(())
            }
            Went::Back(_) => Ok(()),
            Went::NotSent(why) | Went::Broken(why) => {
                tracing::warn!(server = %self.session.names.server, %why, "a message could not be sent");
                Ok(())
            }
        }
    }

    /// True if the server does not know our session any more.
    fn is_over(&self, back: &Response<Incoming>) -> bool {
        back.status() == StatusCode::NOT_FOUND && self.remote.agreed().session.is_some()
    }

    /// Sends a request, and takes in what comes back until its answer is there.
    async fn ask(self, letter: Letter) -> Result<(), Over> {
        let heads = self.remote.heads(&letter);
        let Letter { line, asks: Some((id, method)), .. } = letter else { return Ok(()) };
        let back = match self.remote.send(Method::POST, line.into(), &heads).await {
            Went::Back(back) => back,
            Went::NotSent(why) => {
                self.refuse(&id, &why).await;
                return if method == "initialize" { Err(Over(why)) } else { Ok(()) };
            }
            Went::Broken(why) => {
                lost(&self.session, &id, &why);
                return if method == "initialize" { Err(Over(why)) } else { Ok(()) };
            }
        };
        if self.is_over(&back) {
            self.refuse(&id, "the server has ended its session, and starts another; try again").await;
            return Err(Over("the server has ended its session".to_owned()));
        }
        if method == "initialize" {
            let given = back.headers().get(&SESSION).cloned();
            self.remote.agreed.lock().unwrap_or_else(PoisonError::into_inner).session = given;
        }
        self.answered(&id, back).await;
        Ok(())
    }

    /// A request that surely was not carried out.
    async fn refuse(&self, id: &Id, why: &str) {
        let error = reply::error(Some(&id.written()), -32603, why);
        server_line(&self.session, error.as_bytes(), Some(id)).await;
    }

    /// What a request is answered with.
    async fn answered(&self, id: &Id, back: Response<Incoming>) {
        let status = back.status();
        let kind = back.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or("").to_owned();
        if kind.starts_with("text/event-stream") && status.is_success() {
            self.streams.streamed(id);
            return self.streamed(id, back).await;
        }
        let body = match Limited::new(back.into_body(), LONGEST_MESSAGE).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return lost(&self.session, id, &format!("the server's answer cannot be read: {error}"));
            }
        };
        self.streams.status(id, status.as_u16());
        if kind.starts_with("application/json") && self.feed(&body, Some(id)).await.as_ref() == Some(id) {
            return;
        }
        self.streams.status(id, 200);
        if status.is_client_error() {
            return self
                .refuse(id, &format!("the server refuses the request: HTTP status {}", status.as_u16()))
                .await;
        }
        lost(&self.session, id, &format!("the server gives no answer: HTTP status {}", status.as_u16()));
    }

    /// The same as a stream, taken up again where it breaks.
    async fn streamed(&self, id: &Id, back: Response<Incoming>) {
        let mut reading = Reading::new(back.into_body());
        for _ in 0..TIMES {
            if self.follow(&mut reading, Some(id)).await {
                return;
            }
            let Some(last) = reading.last.clone() else { break };
            sleep(reading.again.unwrap_or(AGAIN).min(LONGEST_AGAIN)).await;
            match self.resume(Some(&last)).await {
                Some(body) => reading = reading.then(body),
                None => break,
            }
        }
        lost(&self.session, id, "the server's stream ended before its answer");
    }

    /// Takes in a stream until it ends, or the answer to `id` was in it: then true.
    async fn follow(&self, reading: &mut Reading<Incoming>, id: Option<&Id>) -> bool {
        while let Happening::Message(message) = reading.next().await {
            let answers = self.feed(&message, id).await;
            if answers.is_some() && answers.as_ref() == id {
                return true;
            }
        }
        false
    }

    async fn resume(&self, last: Option<&str>) -> Option<Incoming> {
        let mut more = vec![(ACCEPT, EVENTS)];
        more.extend(last.and_then(|last| Some((LAST_EVENT, HeaderValue::from_str(last).ok()?))));
        match timeout(ACCEPTING, self.remote.send(Method::GET, Bytes::new(), &more)).await {
            Ok(Went::Back(back)) if back.status().is_success() => Some(back.into_body()),
            _ => None,
        }
    }

    /// Listens to what the server says of its own accord, where it does.
    async fn stand(self) -> Result<(), Over> {
        let Some(body) = self.resume(None).await else { return Ok(()) };
        let mut reading = Reading::new(body);
        let mut pause = AGAIN;
        loop {
            self.follow(&mut reading, None).await;
            sleep(reading.again.unwrap_or(pause).min(LONGEST_AGAIN)).await;
            pause = pause.saturating_mul(2).min(LONGEST_AGAIN);
            if let Some(body) = self.resume(reading.last.clone().as_deref()).await {
                reading = reading.then(body);
                pause = AGAIN;
            }
        }
    }

    /// Takes in one message. The request that it answers, if it answers one.
    async fn feed(&self, message: &[u8], about: Option<&Id>) -> Option<Id> {
        let line = one_line(message);
        let line = self.border.inward(&line).unwrap_or(line);
        let id = match text(&line).and_then(read) {
            Ok(Message::Answer { id, result }) => {
                let version = result.and_then(|it| {
                    Fields::strict(it.get(), &["protocolVersion"]).ok()?.text("protocolVersion").ok()?
                });
                if let Some(version) = version.and_then(|it| HeaderValue::from_str(&it).ok())
                    && self.remote.agreed().version.is_none()
                {
                    self.remote.agreed.lock().unwrap_or_else(PoisonError::into_inner).version = Some(version);
                }
                id
            }
            _ => None,
        };
        server_line(&self.session, &line, about).await;
        id
    }
}
