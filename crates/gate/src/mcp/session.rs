//! What both directions share: the two pipes, the requests under way, and the tools.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use verdict::{Command, Halt, Json, Policy, Realm, Receipt, could_allow, hex};

pub(super) use super::catalogue::Offers;
use super::catalogue::{Catalogue, Item, Offer, Page, Then, View, canonical};
use super::envelope::Id;
use super::flight::Flight;
use super::lines::{Lost, Way};
use super::own::Ends;
use super::reply;
use crate::eyes::Shown;
use crate::metrics::Metrics;
use crate::path::Gate;

/// The most requests under way at once, and the most bytes of calls among them.
const MOST_REQUESTS: usize = 4_096;
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Log levels in order; what the gate logs is a `notice`.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
const NOTICE: u8 = 2;

/// One client, one server.
pub(super) struct Session {
    pub(super) gate: Gate,
    pub(super) names: Names,
    pub(super) runtime: Handle,
    client: Box<dyn Way>,
    server_end: Box<dyn Way>,
    requests: Mutex<Requests>,
    tools: Mutex<Catalogue>,
    listed: watch::Sender<u64>,
    closing: watch::Sender<bool>,
    lost_client: watch::Sender<bool>,
    logs: AtomicBool,
    has_tools: AtomicBool,
    level: AtomicU8,
}

/// The client's requests under way.
#[derive(Default)]
struct Requests {
    waiting: HashMap<Id, Waiting>,
    calls: usize,
    bytes: usize,
    step: u64,
}

/// What an answer is for.
#[derive(Clone)]
pub(super) enum Waiting {
    /// Passes.
    Plain,
    /// Passes, and says what the server can do.
    Initialize,
    /// A list of tools, which is filtered.
    List,
    /// A call, which is settled.
    Call(Arc<Flight>),
}

/// Who, in which run, and what stays the same while the session lasts.
pub(super) struct Names {
    pub(super) store: PathBuf,
    pub(super) agent: String,
    pub(super) user: Option<String>,
    /// In which run, as the operator says.
    pub(super) run: Option<String>,
    /// In which run, if nobody says.
    pub(super) made_up: String,
    /// Random, so that no request of the client's has the same id. Nobody else's to know.
    pub(super) secret: String,
    pub(super) environment: Option<String>,
    /// Whose tools they are.
    pub(super) server: String,
    /// Whose key the client came with.
    pub(super) by: Option<String>,
    /// Whether a call waits for people; else the client comes back.
    pub(super) waits: bool,
    /// What requests of the gate's own carry as `_meta`, as written.
    pub(super) meta: Option<String>,
    pub(super) metrics: Option<Arc<Metrics>>,
    /// Where the ends of calls are found, if the server is the gate's own.
    pub(super) own: Option<Arc<Ends>>,
}

impl Session {
    /// A session between a client and a server that was just started.
    pub(super) fn new(
        gate: Gate,
        names: Names,
        (client, server_end): (Box<dyn Way>, Box<dyn Way>),
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            gate,
            names,
            runtime,
            client,
            server_end,
            requests: Mutex::default(),
            tools: Mutex::default(),
            listed: watch::Sender::new(0),
            closing: watch::Sender::new(false),
            lost_client: watch::Sender::new(false),
            logs: AtomicBool::new(false),
            has_tools: AtomicBool::new(false),
            level: AtomicU8::new(0),
        })
    }

    /// Writes to the client what belongs to its request `about`. A client that is gone ends the session.
    pub(super) fn to_client(&self, message: &[u8], about: Option<&Id>) {
        if self.client.send(message, about).is_err() {
            self.lost_client.send_replace(true);
        }
    }

    /// Counts a decision, where decisions are counted.
    pub(super) fn counted(&self, receipt: &Receipt) {
        if let Some(metrics) = &self.names.metrics {
            self.gate.desk.with_policy(|policy| metrics.decided(policy, receipt));
        }
    }

    /// Writes to the server; `about` is the request that it is, if it is one.
    pub(super) fn to_server(&self, message: &[u8], about: Option<&Id>) -> Result<(), Lost> {
        self.server_end.send(message, about)
    }

    /// Ends the server's input.
    pub(super) fn hang_up(&self) {
        self.server_end.close();
    }

    /// True once the client cannot be written to.
    pub(super) fn lost_client(&self) -> watch::Receiver<bool> {
        self.lost_client.subscribe()
    }

    /// True once the session ends: nothing waits for people any more.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        // Nothing in here is left half changed by a panic.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tools(&self) -> MutexGuard<'_, Catalogue> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request of the client's. The error is a sentence for it.
    pub(super) fn asked(&self, id: &Id, what: Waiting) -> Result<(), &'static str> {
        let mut requests = self.requests();
        if requests.waiting.len() >= MOST_REQUESTS {
            return Err("too many requests are under way; wait for answers");
        }
        match requests.waiting.entry(id.clone()) {
            Entry::Occupied(_) => Err("a request with this id is under way"),
            Entry::Vacant(free) => {
                free.insert(what);
                Ok(())
            }
        }
    }

    /// Notes a call of `bytes` bytes. Returns the number of its step: calls that overlap are one step.
    pub(super) fn called(&self, id: &Id, flight: &Arc<Flight>, bytes: usize) -> Result<u64, &'static str> {
        if self.requests().bytes.saturating_add(bytes) > MOST_BYTES {
            return Err("the calls under way are too large; wait for answers");
        }
        self.asked(id, Waiting::Call(Arc::clone(flight)))?;
        let mut requests = self.requests();
        if requests.calls == 0 {
            requests.step = requests.step.saturating_add(1);
        }
        requests.calls = requests.calls.saturating_add(1);
        requests.bytes = requests.bytes.saturating_add(bytes);
        Ok(requests.step)
    }

    /// A call has ended.
    pub(super) fn landed(&self, id: &Id, flight: &Arc<Flight>, bytes: usize) {
        let mut requests = self.requests();
        requests.calls = requests.calls.saturating_sub(1);
        requests.bytes = requests.bytes.saturating_sub(bytes);
        if matches!(requests.waiting.get(id), Some(Waiting::Call(other)) if Arc::ptr_eq(other, flight)) {
            requests.waiting.remove(id);
        }
    }

    /// What the answer with this id is for. A call stays noted until it has landed.
    pub(super) fn answered(&self, id: &Id) -> Option<Waiting> {
        let mut requests = self.requests();
        match requests.waiting.get(id)? {
            Waiting::Call(flight) => Some(Waiting::Call(Arc::clone(flight))).filter(|_| flight.is_sent()),
            _ => requests.waiting.remove(id),
        }
    }

    /// What the client takes back. A call stays noted until it has landed.
    pub(super) fn cancelled(&self, id: &Id) -> Option<Waiting> {
        let mut requests = self.requests();
        match requests.waiting.get(id)? {
            Waiting::Call(flight) => Some(Waiting::Call(Arc::clone(flight))),
            _ => requests.waiting.remove(id),
        }
    }

    /// True if no call is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.requests().calls == 0
    }

    /// Nothing waits for people any more.
    pub(super) fn end_waits(&self) {
        self.closing.send_replace(true);
    }

    /// True if every call is with the server.
    pub(super) fn all_sent(&self) -> bool {
        self.calls().iter().all(|flight| flight.is_sent())
    }

    /// No answer will come any more: every call that is with the server ends.
    pub(super) fn wind_up(&self) {
        for flight in self.calls().iter().filter(|flight| flight.is_sent()) {
            flight.arrive(None, &self.runtime);
        }
    }

    /// No answer will come any more: every request that is no call is answered with an error.
    pub(super) fn give_up(&self, why: &str) {
        let lost: Vec<Id> = {
            let mut requests = self.requests();
            let plain = requests.waiting.extract_if(|_, waiting| !matches!(waiting, Waiting::Call(_)));
            plain.map(|(id, _)| id).collect()
        };
        for id in lost {
            let error = reply::error(Some(&id.written()), -32603, why);
            self.to_client(error.as_bytes(), Some(&id));
        }
    }

    fn calls(&self) -> Vec<Arc<Flight>> {
        let call = |waiting: &Waiting| {
            if let Waiting::Call(flight) = waiting { Some(Arc::clone(flight)) } else { None }
        };
        self.requests().waiting.values().filter_map(call).collect()
    }

    /// What the server can do: whether it logs, and whether it has tools.
    pub(super) fn server_can(&self, log: bool, tools: bool) {
        self.logs.store(log, Ordering::Relaxed);
        self.has_tools.store(tools, Ordering::Relaxed);
    }

    /// True if the server says that it has tools.
    pub(super) fn has_tools(&self) -> bool {
        self.has_tools.load(Ordering::Relaxed)
    }

    /// From which level on the client wants to see the log.
    pub(super) fn set_level(&self, level: &str) {
        let rank = LEVELS.iter().position(|name| *name == level).and_then(|rank| u8::try_from(rank).ok());
        self.level.store(rank.unwrap_or(0), Ordering::Relaxed);
    }

    /// Tells the client by way of the server's log, if there is one.
    pub(super) fn log(&self, text: &str, about: &Id) {
        if self.logs.load(Ordering::Relaxed) && self.level.load(Ordering::Relaxed) <= NOTICE {
            self.to_client(reply::log(text).as_bytes(), Some(about));
        }
    }

    /// What is known of the server's tools.
    pub(super) fn offers(&self) -> Offers {
        self.tools().offers()
    }

    /// The same as another session knew it a moment ago.
    pub(super) fn remember(&self, offers: Offers) {
        self.tools().remember(offers);
    }

    /// What the server says of a tool, if that is known.
    pub(super) fn find(&self, tool: &str) -> Option<Option<Offer>> {
        self.tools().find(tool)
    }

    /// Lists the server's tools, unless that is under way. The receiver changes when a list has ended.
    pub(super) fn list(&self) -> watch::Receiver<u64> {
        let ended = self.listed.subscribe();
        let id = self.tools().start(|n| self.own_id(n));
        if let Some(id) = id {
            self.ask_for_list(&id, None);
        }
        ended
    }

    /// The server says that its tools changed.
    pub(super) fn tools_changed(&self) {
        self.tools().outdated();
        drop(self.list());
    }

    fn own_id(&self, n: u64) -> String {
        format!("portcullis-{}-{n}", self.names.secret)
    }

    fn ask_for_list(&self, id: &str, cursor: Option<&str>) {
        let meta = self.names.meta.as_ref().map(|meta| format!("\"_meta\":{meta}"));
        let cursor = cursor.map(|cursor| format!("\"cursor\":{cursor}"));
        let params: Vec<String> = meta.into_iter().chain(cursor).collect();
        let params = match params.is_empty() {
            true => String::new(),
            false => format!(",\"params\":{{{}}}", params.join(",")),
        };
        let request = format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"method\":\"tools/list\"{params}}}\n");
        if self.to_server(request.as_bytes(), Some(&Id::Text(id.to_owned()))).is_err() {
            self.list_failed();
        }
    }

    /// True if `id` is that of a list the gate asked for.
    pub(super) fn is_ours(&self, id: &Id) -> bool {
        matches!(id, Id::Text(id) if self.tools().is_ours(id))
    }

    /// The list that the gate asked for cannot be had.
    pub(super) fn list_failed(&self) {
        let ended = {
            let mut tools = self.tools();
            tools.failed();
            tools.ended()
        };
        self.listed.send_replace(ended);
    }

    /// Takes in a page of the gate's own list, and asks for the next.
    pub(super) async fn listed(&self, page: &Page<'_>) {
        if let Err(halt) = self.pin(&page.items).await {
            tracing::error!(reason = %halt, "the server's tools could not be recorded");
            return self.list_failed();
        }
        let (then, id, ended) = {
            let mut tools = self.tools();
            (tools.page(page, |n| self.own_id(n)), tools.listing_id(), tools.ended())
        };
        match then {
            Then::More => {
                if let Some(id) = id {
                    self.ask_for_list(&id, page.next);
                }
            }
            Then::Again => drop(self.list()),
            Then::Done => {
                self.listed.send_replace(ended);
            }
        }
    }

    /// Takes in a page that the client asked for: what it may see of each tool, in their order.
    pub(super) async fn shown(&self, page: &Page<'_>) -> Result<Vec<View>, Halt> {
        let accepted = self.pin(&page.items).await?;
        self.tools().seen(&page.items);
        let policy = self.gate.desk.policy();
        let (user, here) = (self.names.user.as_deref(), self.names.environment.as_deref());
        let may = |tool: &str| could_allow(&policy, &self.names.agent, tool, user, here);
        let mut views = Vec::with_capacity(page.items.len());
        for (item, accepted) in page.items.iter().zip(accepted) {
            views.push(match accepted && item.name.as_deref().is_some_and(may) {
                true => self.view(&policy, item).await,
                false => View::Hidden,
            });
        }
        Ok(views)
    }

    /// What the agent's screens leave of a definition. What is seen in it is logged in any case.
    async fn view(&self, policy: &Policy, item: &Item<'_>) -> View {
        let Some(definition) = item.offer.as_ref().map(|offer| Arc::clone(&offer.text)) else {
            return View::Hidden;
        };
        let Shown { findings, withheld, replaced } =
            self.gate.eyes.show_to(policy, &self.names.agent, (Realm::Live, None), &definition).await;
        let told =
            findings.iter().filter(|it| matches!(it.kind.as_ref(), "prompt_injection" | "hidden_text"));
        let kinds: Vec<String> = told.map(|it| format!("{}/{}", it.kind, it.name)).collect();
        if !kinds.is_empty() || withheld.is_some() {
            let tool = item.name.as_deref().unwrap_or_default();
            tracing::warn!(server = %self.names.server, tool, seen = %kinds.join(" "), hidden = withheld.is_some(), "seen in the description of a tool");
        }
        match (withheld, replaced) {
            // What was read as one text cannot be put back as an object.
            (Some(_), _) | (None, Some(Json::Str(_))) => View::Hidden,
            (None, Some(json)) => View::Changed(json.canonical()),
            (None, None) => View::Whole,
        }
    }

    /// Records definitions that are new; true for each whose definition is the accepted one.
    async fn pin(&self, items: &[Item<'_>]) -> Result<Vec<bool>, Halt> {
        // What the gate's own tools are is the policy's to say, and nobody else's to accept.
        if self.names.own.is_some() {
            return Ok(vec![true; items.len()]);
        }
        let named: Vec<Option<(String, String)>> =
            items.iter().map(|item| Some((item.name.clone()?, hex(&item.offer.as_ref()?.hash)))).collect();
        let before = self.pins(named.clone()).await?;
        for (item, (named, (_, seen))) in items.iter().zip(named.iter().zip(&before)) {
            let Some((tool, hash)) = named.clone().filter(|_| !seen) else { continue };
            let definition = canonical(item.raw);
            let server = self.names.server.clone();
            let seen = Command::Tool { server, tool, hash, definition, accepted_by: None };
            // What the ledger would refuse to hold is not accepted either; that is looked at below.
            let _refused = self.gate.desk.obey(seen).await?;
        }
        Ok(self.pins(named).await?.into_iter().map(|(accepted, _)| accepted).collect())
    }

    /// For each definition, whether it is the accepted one and whether it is the last one seen.
    async fn pins(&self, named: Vec<Option<(String, String)>>) -> Result<Vec<(bool, bool)>, Halt> {
        let server = self.names.server.clone();
        let look = self.gate.desk.ask(move |books| {
            let look = |(tool, hash): &(String, String)| {
                books
                    .pin(&server, tool)
                    .map_or((false, false), |pin| (pin.accepted == *hash, pin.seen == *hash))
            };
            named.iter().map(|named| named.as_ref().map_or((false, false), look)).collect()
        });
        look.await
    }
}
