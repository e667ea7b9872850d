//! `/mcp`: the sessions of all clients.
//!
//! Answerable for a session being used by the key that opened it and for the agent it was opened for, for there being
//! no more of them than a bound, and for those that nobody uses ending. Knows no sockets: what a request carries comes
//! in as [`Heads`], and an [`Answer`] goes out. Source: MCP 2025-11-25, transports, "Streamable HTTP".

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::time::{Instant, sleep, timeout};

use super::bridge::Kept;
use super::dial::{Dialer, dialer};
use super::feed::Feed;
use super::modern::{self, Known};
use super::streams::Events;
use super::visit::{Taken, Visit, one_line};
use crate::eyes::Eyes;
use crate::mcp::envelope::{Message, read, text};
use crate::mcp::servers::Servers;
use crate::metrics::Metrics;
use crate::path::Gate;
use crate::tool::Tools;

/// The most sessions, and of one key.
const MOST: usize = 512;
const MOST_OF_KEY: usize = 64;
/// How long a session is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// The same for one of which an answer is still awaited, by nobody who listens.
const BUSY: Duration = Duration::from_secs(60 * 60);
/// How often sessions are looked through.
const LOOK: Duration = Duration::from_secs(5);
/// How long the servers of all sessions may take to end.
const ENDING: Duration = Duration::from_secs(10);
/// How long an answer may take before a stream is begun for it.
pub(super) const AT_ONCE: Duration = Duration::from_secs(3);
/// The revisions that have sessions, oldest first.
pub(super) const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Who a request comes from, as its key vouches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The key's id.
    pub key: String,
    /// Who the key was made for.
    pub by: String,
    /// The agent that the client acts for.
    pub agent: String,
    /// On whose behalf.
    pub user: Option<String>,
    /// In which run.
    pub run: Option<String>,
}

impl Principal {
    /// The gate itself, which calls no tools.
    pub(super) fn nobody() -> Self {
        let none = String::new;
        Self { key: none(), by: none(), agent: none(), user: None, run: None }
    }
}

/// What a request says beside its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heads<'h> {
    /// `Mcp-Session-Id`.
    pub session: Option<&'h str>,
    /// `MCP-Protocol-Version`.
    pub version: Option<&'h str>,
    /// `Last-Event-ID`.
    pub last_event: Option<&'h str>,
    /// All headers.
    pub all: Option<&'h HeaderMap>,
    /// Whether the client takes an answer in JSON.
    pub json: bool,
}

/// What a request is answered with.
pub enum Answer {
    /// There is nothing to say.
    Accepted,
    /// One message.
    Message {
        /// The HTTP status.
        status: u16,
        /// The session that began with it.
        session: Option<String>,
        /// The message.
        body: Bytes,
    },
    /// Messages as they come.
    Events {
        /// The session that began with it.
        session: Option<String>,
        /// The messages.
        feed: Box<Feed>,
    },
    /// No session, and why.
    NoSession(String),
    /// The request makes no sense here, and why.
    Wrong(String),
    /// There are too many sessions.
    Full(String),
}

/// What all sessions share.
pub(super) struct Shared {
    pub(super) servers: Servers,
    /// The gate, for tools that act on this machine.
    pub(super) here: Gate,
    /// And for those that act elsewhere.
    pub(super) elsewhere: Gate,
    /// The ledger's file, for results that were kept.
    pub(super) store: PathBuf,
    /// Makes requests to servers elsewhere, by whom they are believed.
    dialers: HashMap<Option<String>, Dialer>,
    /// What is known of servers that are asked without a session, in the order of the servers.
    pub(super) known: Vec<Known>,
    /// What the gate does itself.
    pub(super) tools: Tools,
    /// Where decisions are counted.
    pub(super) metrics: Arc<Metrics>,
    /// Whoever keeps a server running holds one.
    pub(super) keepers: Arc<()>,
}

impl Shared {
    /// What requests to server `at` are made with.
    pub(super) fn dialer(&self, at: usize) -> Dialer {
        let ca = self.servers.cas().nth(at).flatten().map(str::to_owned);
        self.dialers.get(&ca).cloned().unwrap_or_else(|| dialer(ca.as_deref()))
    }
}

/// All sessions.
pub struct Hub {
    pub(super) shared: Arc<Shared>,
    visits: Mutex<HashMap<String, Arc<Visit>>>,
    /// Sessions for requests without one.
    pub(super) kept: Kept,
}

impl Hub {
    /// No session yet. `store` is the file of the ledger that the gate writes.
    /// `tools` are the gate's own, for servers that are those.
    pub fn new(
        gate: &Gate,
        servers: Servers,
        store: PathBuf,
        (metrics, tools): (Arc<Metrics>, Tools),
    ) -> Arc<Self> {
        let here = Gate { eyes: Eyes::here().on(gate.eyes.folder()), ..gate.clone() };
        let known = servers.list.iter().map(|_| Known::default()).collect();
        let owned = |ca: Option<&str>| (ca.map(str::to_owned), dialer(ca));
        let dialers = servers.cas().chain([None]).map(owned).collect();
        let shared = Shared {
            servers,
            here,
            elsewhere: gate.clone(),
            store,
            dialers,
            known,
            metrics,
            tools,
            keepers: Arc::default(),
        };
        Arc::new(Self { shared: Arc::new(shared), visits: Mutex::default(), kept: Kept::default() })
    }

    /// The origins of web pages that may use it, beside those of this machine.
    pub fn origins(&self) -> &[String] {
        &self.shared.servers.origins
    }

    fn visits(&self) -> MutexGuard<'_, HashMap<String, Arc<Visit>>> {
        // Nothing in here is left half changed by a panic.
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: Option<&str>, who: &Principal) -> Result<Arc<Visit>, Answer> {
        let Some(id) = id else {
            return Err(Answer::Wrong(
                "there is no `Mcp-Session-Id`; a session begins with `initialize`".to_owned(),
            ));
        };
        // Another's session is as unknown as none: its id alone is worth nothing.
        let mine = |visit: &&Arc<Visit>| {
            visit.who.key == who.key
                && visit.who.agent == who.agent
                && visit.who.user == who.user
                && !visit.is_over()
        };
        let found = self.visits().get(id).filter(mine).cloned();
        found.ok_or_else(|| {
            Answer::NoSession("there is no such session, or it is over; begin a new one".to_owned())
        })
    }

    /// A message of a client's.
    pub async fn post(&self, who: Principal, heads: Heads<'_>, body: &[u8]) -> Answer {
        if heads.session.is_none() && modern::is_modern(heads.version, &REVISIONS, body) {
            return self.once(who, heads, body).await;
        }
        if let Some(odd) = heads.version.filter(|version| !REVISIONS.contains(version)) {
            let known = REVISIONS.join(", ");
            let why = format!("revision `{}` is not spoken in a session; {known} are", verdict::short(odd));
            return Answer::Wrong(why);
        }
        let (visit, began) = match heads.session {
            Some(_) => match self.find(heads.session, &who) {
                Ok(visit) => (visit, None),
                Err(answer) => return answer,
            },
            None => match self.begin(who, body) {
                Ok(visit) => {
                    let id = visit.id.clone();
                    (visit, Some(id))
                }
                Err(answer) => return answer,
            },
        };
        match visit.take(body) {
            Taken::Accepted => Answer::Accepted,
            Taken::Refused(status, error) => Answer::Message { status, session: None, body: error.into() },
            Taken::Stream(number, events) => self.answer(&visit, (number, events), began, heads).await,
        }
    }

    /// Waits for the answer, if it comes soon and alone; else begins a stream.
    async fn answer(
        &self,
        visit: &Arc<Visit>,
        (number, mut events): (u64, Events),
        session: Option<String>,
        heads: Heads<'_>,
    ) -> Answer {
        match timeout(AT_ONCE, events.recv()).await {
            Ok(Some(event)) if event.is_whole() && heads.json => {
                Answer::Message { status: event.status, session, body: event.message }
            }
            Ok(first) => Answer::Events { session, feed: Box::new(Feed::new(first, events)) },
            Err(_) => {
                visit.streams.prime(number);
                Answer::Events { session, feed: Box::new(Feed::new(None, events)) }
            }
        }
    }

    pub(super) fn begin(&self, who: Principal, body: &[u8]) -> Result<Arc<Visit>, Answer> {
        let line = one_line(body);
        let wrong = |why: String| Answer::Wrong(why);
        let whole = text(&line).map_err(|odd| wrong(odd.why))?;
        let (raw_id, line) = match read(whole) {
            Ok(Message::Request { method, raw_id, .. }) if method == "initialize" => {
                (raw_id.to_owned(), whole)
            }
            Ok(_) => return self.find(None, &who),
            Err(odd) => {
                return Err(Answer::Message {
                    status: 400,
                    session: None,
                    body: crate::mcp::reply::odd(&odd).into(),
                });
            }
        };
        let mut visits = self.visits();
        let of_key = visits.values().filter(|visit| visit.who.key == who.key).count();
        if visits.len() >= MOST || of_key >= MOST_OF_KEY {
            return Err(Answer::Full("too many sessions are open; end one, or try again later".to_owned()));
        }
        let id = random_id().map_err(Answer::Full)?;
        let hello = (format!("{line}\n"), raw_id);
        let visit = Visit::begin(Arc::clone(&self.shared), who, id.clone(), hello).map_err(Answer::Full)?;
        visits.insert(id, Arc::clone(&visit));
        Ok(visit)
    }

    /// A client listens to what is not an answer, or goes on where its connection broke.
    pub fn get(&self, who: &Principal, heads: Heads<'_>) -> Answer {
        let visit = match self.find(heads.session, who) {
            Ok(visit) => visit,
            Err(answer) => return answer,
        };
        let events = match heads.last_event {
            None => visit.streams.stand(),
            Some(last) => visit.streams.resume(last).or_else(|| visit.streams.stand()),
        };
        match events {
            Some(events) => Answer::Events { session: None, feed: Box::new(Feed::new(None, events)) },
            None => Answer::NoSession("the session is over".to_owned()),
        }
    }

    /// A client ends its session.
    pub fn delete(&self, who: &Principal, heads: Heads<'_>) -> Answer {
        match self.find(heads.session, who) {
            Ok(visit) => {
                self.visits().remove(&visit.id);
                visit.end();
                Answer::Accepted
            }
            Err(answer) => answer,
        }
    }

    /// Ends sessions that nobody uses and those whose key no longer counts, for ever. To be run beside the server.
    pub async fn tidy(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            let open: Vec<Arc<Visit>> = self.visits().values().cloned().collect();
            if open.is_empty() {
                continue;
            }
            let now = self.shared.here.desk.clock().now();
            let keys = self.shared.here.desk.ask(move |books| {
                let counts = books.keys().filter(|key| key.expires.is_none_or(|end| now <= end));
                counts.map(|key| key.id.clone()).collect::<std::collections::HashSet<_>>()
            });
            // Keys that cannot be looked up now are looked up next time; no call passes meanwhile.
            let keys = keys.await.ok();
            for visit in open {
                let revoked = keys.as_ref().is_some_and(|keys| !keys.contains(&visit.who.key));
                let patience = if visit.streams.under_way() > 0 { BUSY } else { IDLE };
                let idle = visit.last_used() + patience <= Instant::now();
                if revoked || idle || visit.is_over() {
                    visit.end();
                    self.visits().remove(&visit.id);
                }
            }
        }
    }

    /// Waits until nothing of any session is left: servers have ended, and calls have their end on record.
    pub async fn ended(&self) {
        let ended = async {
            while Arc::strong_count(&self.shared.keepers) > 1 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(ENDING, ended).await.is_err() {
            tracing::warn!("some MCP servers did not end in time");
        }
    }

    /// Ends all sessions.
    pub fn close(&self) {
        for (_, visit) in self.visits().drain() {
            visit.end();
        }
    }
}

/// 192 random bits in letters that may stand in a header.
fn random_id() -> Result<String, String> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random numbers: {error}"))?;
    Ok(verdict::hex(&bytes))
}
