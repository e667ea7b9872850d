//! One server of one client: started, greeted, kept, and started again when it dies.
//!
//! Answerable for a server that is slow or dead holding up nothing but what is asked of it, for a new start saying
//! what the first one said (the client's own `initialize`), and for an end that leaves nothing running and no call
//! without its end on record. What is passed on and what is not is the session's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::border::Border;
use super::modern::Known;
use super::pipes::{self, End, Output, Pipes};
use super::remote;
use super::sessionless::speaks;
use super::visit::Visit;
use crate::mcp::LONGEST_MESSAGE;
use crate::mcp::envelope::{Id, Message, read, text};
use crate::mcp::lines::{Got, Lost, Way};
use crate::mcp::own::Ends;
use crate::mcp::pump::{client_line, server_line};
use crate::mcp::servers::Reach;
use crate::mcp::session::{Names, Session};

/// How long a server may take to start and to answer `initialize`: some are fetched from the network first.
const STARTING: Duration = Duration::from_secs(120);
/// How long a request waits for a server that starts.
pub(super) const WAITING: Duration = Duration::from_secs(60);
/// Before a server that died is started again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Whoever ran for so long did not die of its start.
const STEADY: Duration = Duration::from_secs(60);
/// How long calls under way may take to be recorded when all is over.
const RECORDING: Duration = Duration::from_secs(6);

/// One server, as one client has it.
pub(super) struct Link {
    state: watch::Sender<State>,
    /// True once it was told that the client is ready.
    met: AtomicBool,
}

/// How a server is.
#[derive(Clone)]
pub(super) enum State {
    /// It starts.
    Starting,
    /// It has answered `initialize`: with this line.
    Ready(Arc<Session>, Arc<str>),
    /// It does not run, and why.
    Down(Arc<str>),
}

impl Link {
    /// One that is not started yet.
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::new(State::Starting), met: AtomicBool::new(false) }
    }

    /// How it is.
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Changes with how it is.
    pub(super) fn changes(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Its session, waiting while it starts. The error is a sentence.
    pub(super) async fn session(&self, name: &str) -> Result<Arc<Session>, String> {
        let mut changes = self.changes();
        let settled = changes.wait_for(|state| !matches!(state, State::Starting));
        match timeout(WAITING, settled).await.ok().and_then(Result::ok).map(|state| state.clone()) {
            Some(State::Ready(session, _)) => Ok(session),
            Some(State::Down(why)) => Err(format!("the server `{name}` does not run: {why}")),
            _ => Err(format!("the server `{name}` has not started yet; try again later")),
        }
    }

    /// Tells it that the client is ready, unless that was said.
    pub(super) fn meet(&self, line: &[u8]) {
        if let State::Ready(session, _) = self.state()
            && !self.met.swap(true, Ordering::Relaxed)
        {
            client_line(&session, line);
        }
    }
}

/// Keeps server `at` of a client running until the client is gone.
pub(super) async fn keep(visit: Arc<Visit>, at: usize) {
    let Some((link, name)) = visit.link(at) else { return };
    let mut pause = FIRST_PAUSE;
    let mut again = false;
    while !visit.is_over() {
        let began = Instant::now();
        let before = visit.known(at).is_some_and(Known::is_only_modern);
        let why = live(&visit, at, again).await;
        if !before && visit.known(at).is_some_and(Known::is_only_modern) {
            // It was greeted in words that it does not know.
            continue;
        }
        again = true;
        if visit.is_over() {
            break;
        }
        pause = if began.elapsed() >= STEADY { FIRST_PAUSE } else { pause };
        tracing::warn!(server = name, %why, again_in = ?pause, "an MCP server does not run");
        link.state.send_replace(State::Down(format!("{why}; it is started again soon").into()));
        tokio::select! {
            () = sleep(pause) => (),
            () = visit.over() => break,
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        link.met.store(false, Ordering::Relaxed);
        link.state.send_replace(State::Starting);
    }
    link.state.send_replace(State::Down("the session is over".into()));
}

/// One life of a server. Why it ended.
async fn live(visit: &Arc<Visit>, at: usize, again: bool) -> String {
    let Some(server) = visit.server(at) else { return "it is not known".to_owned() };
    let border = Arc::new(Border::of(&server.prefix));
    match &server.reach {
        Reach::Command { line, env } => match pipes::start(line, env) {
            Err(why) => why,
            Ok(pipes) => piped(visit, at, pipes, (again, border, None)).await,
        },
        Reach::Own => {
            let own = visit.own_tools();
            let started = own.start(Handle::current(), LONGEST_MESSAGE).and_then(pipes::of);
            match started {
                Err(why) => why,
                Ok(pipes) => piped(visit, at, pipes, (again, border, Some(own.ends()))).await,
            }
        }
        Reach::Url { url, headers, .. } if visit.known(at).is_some_and(Known::is_only_modern) => {
            let (way, ear) = remote::connect_turned(visit.client(at), (url, headers));
            let session = session(visit, at, &border, Box::new(way));
            let reading = ear.run(Arc::clone(&session), border);
            let why = attend(visit, at, &session, (again, reading)).await;
            if let Some(known) = visit.known(at) {
                known.only_modern(false);
            }
            ended(visit, at, (&session, &why), None).await
        }
        Reach::Url { url, headers, .. } => {
            let (way, ear, remote) =
                remote::connect(visit.client(at), (url, headers), Arc::clone(&visit.streams));
            let session = session(visit, at, &border, Box::new(way));
            let reading = ear.run(Arc::clone(&session), border);
            let why = attend(visit, at, &session, (again, reading)).await;
            if visit.link(at).is_some_and(|(link, _)| matches!(link.state(), State::Starting))
                && !visit.is_over()
                && speaks(visit.shared(), at).await
                && let Some(known) = visit.known(at)
            {
                known.only_modern(true);
                return why;
            }
            let why = ended(visit, at, (&session, &why), None).await;
            remote.leave().await;
            why
        }
    }
}

/// One life of a server that is spoken to by pipes. `own`: where the ends of its calls are, if it is the gate's own.
async fn piped(
    visit: &Arc<Visit>,
    at: usize,
    pipes: Pipes,
    (again, border, own): (bool, Arc<Border>, Option<Arc<Ends>>),
) -> String {
    let Pipes { way, output, end } = pipes;
    let names = Names { own, ..visit.names(at) };
    let session = named(visit, at, (&border, names), Box::new(way));
    let reading = listen(Arc::clone(&session), output, border);
    let why = attend(visit, at, &session, (again, reading)).await;
    ended(visit, at, (&session, &why), Some(end)).await
}

fn session(visit: &Arc<Visit>, at: usize, border: &Arc<Border>, way: Box<dyn Way>) -> Arc<Session> {
    named(visit, at, (border, visit.names(at)), way)
}

fn named(
    visit: &Arc<Visit>,
    at: usize,
    (border, names): (&Arc<Border>, Names),
    way: Box<dyn Way>,
) -> Arc<Session> {
    let to_client = Box::new(ToClient { visit: Arc::downgrade(visit), at });
    let to_server = Box::new(ToServer::new(way, Arc::clone(border)));
    Session::new(visit.gate(at), names, (to_client, to_server), Handle::current())
}

/// Greets a server and listens to it until it ends, or the client is gone. Why it ended.
async fn attend(
    visit: &Arc<Visit>,
    at: usize,
    session: &Arc<Session>,
    (again, reading): (bool, impl Future<Output = String>),
) -> String {
    let greeting = async {
        match timeout(STARTING, greet(visit, session)).await {
            Err(_) => format!("it did not answer `initialize` within {} s", STARTING.as_secs()),
            Ok(Err(why)) => why,
            Ok(Ok(answer)) => {
                if let Some((link, _)) = visit.link(at) {
                    link.state.send_replace(State::Ready(Arc::clone(session), answer.into()));
                    visit.came(at, again);
                }
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        why = reading => why,
        why = greeting => why,
        () = visit.over() => "the session is over".to_owned(),
    }
}

/// What a refusal says: its message, if it has one.
fn refusal(answer: &str) -> String {
    let read: Option<serde_json::Value> = serde_json::from_str(answer).ok();
    let message = read.as_ref().and_then(|it| it.pointer("/error/message")).and_then(|it| it.as_str());
    verdict::short(message.unwrap_or(answer))
}

/// Says the client's own `initialize` to a server. Its answer, or a sentence.
async fn greet(visit: &Visit, session: &Arc<Session>) -> Result<String, String> {
    let (line, answer) = visit.hello();
    client_line(session, line.as_bytes());
    let answer = answer.await.map_err(|_| "the session is over".to_owned())?;
    let answer = String::from_utf8(answer).map_err(|_| "its answer to `initialize` is no text".to_owned())?;
    match read(&answer) {
        Ok(Message::Answer { result: Some(_), .. }) => Ok(answer),
        _ => Err(format!("it refuses `initialize`: {}", refusal(&answer))),
    }
}

/// Ends what is left of a server: nothing waits for it any more, and every call has its end on record.
async fn ended(visit: &Visit, at: usize, (session, why): (&Arc<Session>, &str), end: Option<End>) -> String {
    let mut why = why.to_owned();
    if let Some((link, _)) = visit.link(at) {
        link.state.send_replace(State::Down(why.as_str().into()));
    }
    session.end_waits();
    session.hang_up();
    if let Some(mut end) = end {
        if !visit.is_over()
            && let Ok(how) = timeout(Duration::from_secs(1), end.wait()).await
        {
            why = how;
        }
        end.bring_about().await;
    }
    session.give_up(&format!("the server has ended: {why}"));
    let _late = timeout(RECORDING, async {
        // A call may be sent while the others are told; it is told next time.
        while !session.is_quiet() {
            session.wind_up();
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    why
}

/// Listens to a server until it ends.
async fn listen(session: Arc<Session>, mut output: Output, border: Arc<Border>) -> String {
    let mut line = Vec::new();
    loop {
        match output.next(&mut line).await {
            Got::Line => match border.inward(&line) {
                Some(renamed) => server_line(&session, &renamed, None).await,
                None => server_line(&session, &line, None).await,
            },
            Got::TooLong => tracing::warn!("a message of the server's is too long; it is not passed on"),
            Got::End => return "it closed its output".to_owned(),
        }
    }
}

/// The client's end of a session.
struct ToClient {
    visit: std::sync::Weak<Visit>,
    at: usize,
}

impl Way for ToClient {
    fn send(&self, message: &[u8], about: Option<&Id>) -> Result<(), Lost> {
        let visit = self.visit.upgrade().ok_or(Lost::Whole)?;
        match visit.renumbered(message, self.at) {
            Some(renumbered) => visit.streams.send(&renumbered, about, self.at),
            None => visit.streams.send(message, about, self.at),
        }
    }
    fn close(&self) {}
}

/// The server's end, with the names that it knows.
pub(super) struct ToServer {
    inner: Box<dyn Way>,
    border: Arc<Border>,
}

impl ToServer {
    /// Past this border, by this way.
    pub(super) fn new(inner: Box<dyn Way>, border: Arc<Border>) -> Self {
        Self { inner, border }
    }
}

impl Way for ToServer {
    fn send(&self, message: &[u8], about: Option<&Id>) -> Result<(), Lost> {
        match self.border.outward(message) {
            Some(renamed) => self.inner.send(&renamed, about),
            None => self.inner.send(message, about),
        }
    }
    fn close(&self) {
        self.inner.close();
    }
}

/// The id of a message that is a request or an answer.
pub(super) fn is_request(message: &[u8]) -> Option<String> {
    let Ok(Message::Request { raw_id, .. }) = text(message).and_then(read) else { return None };
    Some(raw_id.to_owned())
}
