//! One call of a tool: what is sent, how often, and how it ended.
//!
//! Answerable for the order of things: what stands in the policy that decided is what is called, secrets are fetched
//! last, attempts share one time limit, and whoever waits for people or for the tool stops when the gate does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use verdict::{
    Action, Address, Agent, Auth, Endpoint, Hold, Index, Json, Micros, Outcome, Policy, PolicyVersion, Realm,
    Receipt, Signing, Standing, Status, Tool,
};

use super::Tools;
use super::attempt::{self, Attempt, Way};
use super::ending::{self, Leave};
use super::fault::{Fault, Why};
use super::hush::Hush;
use super::request::{Message, message};
use super::secret;
use super::sign::{self, Stamp};
use super::stream::Sink;
use crate::desk::Desk;
use crate::metrics::Metrics;
use crate::path::{Gate, World};

/// While others are busy the ledger moves thousands of times a second; a waiter looks at it this often at most.
const BREATH: Duration = Duration::from_millis(20);

/// A call that the gate is asked to carry out.
pub struct Errand {
    /// Decides and records it.
    pub gate: Gate,
    /// Calls the tool.
    pub tools: Tools,
    /// Counts it.
    pub metrics: Arc<Metrics>,
    /// How long to wait for people.
    pub wait: Duration,
    /// True once the gate is stopping.
    pub closing: watch::Receiver<bool>,
    /// Where pieces of an answer go as they come, if the caller takes them so.
    pub sink: Option<Sink>,
    /// What there is to say of it besides its outcome.
    pub told: Mutex<Told>,
}

/// What there is to say of a call besides its outcome.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// How often it was tried.
    pub attempts: u32,
    /// How long that took, the pauses included.
    pub took: Duration,
    /// Why it gave no result.
    pub fault: Option<Fault>,
    /// What it was expected to cost.
    pub cost: Micros,
}

/// The policy in force, if it is the one that decided: what stands in another was not decided on.
pub(crate) fn in_force(desk: &Desk, decided: &PolicyVersion) -> Result<Arc<Policy>, Fault> {
    let policy = desk.policy();
    if policy.version() == decided {
        return Ok(policy);
    }
    Err(Fault::new(Why::NotReady, "the policy changed while the call was on its way; ask again"))
}

impl Errand {
    /// What there is to say of it besides its outcome.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Carries the call out, as the policy that decided has it.
    async fn carry_out(&self, hold: &Hold) -> Result<Outcome, Fault> {
        let policy = in_force(&self.gate.desk, &hold.receipt().decided().policy)?;
        let action = &hold.case().action;
        let not_ready = |why: &str| Fault::new(Why::NotReady, why);
        let tool = policy.tool_of(action.agent(), action.tool()).filter(|tool| !tool.disabled);
        let tool =
            tool.ok_or_else(|| not_ready("the policy declares no such tool, or has switched it off"))?;
        if self.tools.hand_of(tool)?.is_some() {
            return self.by_hand(&policy, action).await;
        }
        let endpoint =
            tool.endpoint.clone().ok_or_else(|| not_ready("the policy names no `url` for the tool"))?;
        let address = match (action.realm(), &endpoint.test_address) {
            (Realm::Live, _) => &endpoint.address,
            (Realm::Test, Some(address)) => address,
            (Realm::Test, None) => {
                return Err(not_ready(
                    "it came with a test key, and the tool has no `test_url`; nothing was sent",
                ));
            }
        };
        let restored = self.restored(tool, action);
        let args = restored.as_ref().unwrap_or_else(|| action.args());
        let message = message(&endpoint, address, (action.agent(), action.tool()), args)?;
        let secret = self.secret(&endpoint).await?;
        let call = Sending {
            endpoint: &endpoint,
            address,
            message,
            hush: Hush::new(&secret),
            secret,
            key: action.key().map(|key| key_of(action.agent(), key)),
            purpose: purpose(&endpoint, address, (policy.agent(action.agent()), action.tool())),
            sink: self.sink.as_ref().filter(|_| passes(&policy, action, &endpoint)),
        };
        Ok(self.attempts(&call).await)
    }

    /// Does what the gate itself does for the tool.
    async fn by_hand(&self, policy: &Policy, action: &Action) -> Result<Outcome, Fault> {
        if action.realm() == Realm::Test {
            let why = "it came with a test key, and what the gate does itself is real; nothing was done";
            return Err(Fault::new(Why::NotReady, why));
        }
        let restored =
            policy.tool_of(action.agent(), action.tool()).and_then(|tool| self.restored(tool, action));
        let args = restored.as_ref().unwrap_or_else(|| action.args());
        self.tell(|told| told.attempts = 1);
        let (agent, tool) = (action.agent(), action.tool());
        // A caller who hangs up stops nothing.
        let (outcome, fault) = self.tools.by_hand(policy, (agent, tool), args, Arc::default()).await?;
        self.tell(|told| told.fault = fault);
        Ok(outcome)
    }

    /// The arguments with what placeholders in them stand for, if the tool may have that.
    fn restored(&self, tool: &Tool, action: &Action) -> Option<Json> {
        if !tool.restores {
            return None;
        }
        let run = (action.realm(), action.session());
        let text = self.gate.eyes.restore(action.agent(), run, action.args_text())?;
        // A value that breaks the text it is put into is not put there.
        Json::parse(text.as_bytes()).ok()
    }

    async fn secret(&self, endpoint: &Endpoint) -> Result<Vec<u8>, Fault> {
        match &endpoint.auth {
            None => Ok(Vec::new()),
            Some(Auth::Hmac(source) | Auth::Bearer(source) | Auth::Header(_, source)) => {
                secret::find(self.tools.store(), source).await
            }
        }
    }

    async fn attempts(&self, call: &Sending<'_>) -> Outcome {
        let endpoint = call.endpoint;
        let deadline = Instant::now() + Duration::from_millis(endpoint.timeout_ms);
        let leave = Leave::of(endpoint, call.key.is_some());
        let mut tried = 0_u32;
        let last = loop {
            tried = tried.saturating_add(1);
            self.tell(|told| told.attempts = tried);
            let attempt = self.attempt(call, deadline).await;
            // What was passed on cannot be taken back: another attempt would begin anew.
            let passed = call.sink.is_some_and(|sink| sink.passed() > 0);
            if passed || tried > endpoint.max_retries || !ending::again(&attempt, leave) {
                break attempt;
            }
            let pause = ending::pause(&attempt, tried, dice(), self.gate.desk.clock().now());
            if Instant::now() + pause >= deadline {
                break attempt;
            }
            let mut closing = self.closing.clone();
            tokio::select! {
                () = sleep(pause) => (),
                // The gate is stopping: what is under way ends, and nothing new is begun.
                () = async { let _closed = closing.wait_for(|closing| *closing).await; } => break attempt,
            }
        };
        let (mut outcome, fault) = ending::outcome(last, endpoint);
        outcome.result = outcome.result.map(|result| call.hush.clean(result));
        self.tell(|told| told.fault = fault);
        outcome
    }

    async fn attempt(&self, call: &Sending<'_>, deadline: Instant) -> Attempt {
        let stamp = match Stamp::new(self.gate.desk.clock().now()) {
            Ok(stamp) => stamp,
            Err(fault) => return Attempt::Never(fault),
        };
        let request = match call.request(&stamp) {
            Ok(request) => request,
            Err(fault) => return Attempt::Never(fault),
        };
        let Sending { endpoint, address, purpose, sink, hush, .. } = call;
        let way = Way { endpoint, address, purpose, deadline, sink: sink.map(|sink| (sink, hush)) };
        match attempt::send(&self.tools.0.lines, &way, request).await {
            Attempt::Answer(answer) if call.endpoint.signed_answers => {
                let given = answer.headers.get(SIGNATURE).and_then(|it| it.to_str().ok()).unwrap_or_default();
                let body = answer.body.as_deref().unwrap_or_default();
                match sign::is_of_answer(&call.secret, given, answer.status, &stamp, body) {
                    true => Attempt::Answer(answer),
                    false => Attempt::Lost(Fault::new(
                        Why::Unsigned,
                        "the answer does not carry the tool's signature; nobody knows whether the tool did what was asked",
                    )),
                }
            }
            other => other,
        }
    }

    /// How a call ends that the gate does not wait for any more.
    fn lost(&self) -> Outcome {
        let message = "the gate stopped before the tool answered; nobody knows whether it did what was asked";
        self.tell(|told| told.fault = Some(Fault::new(Why::NoAnswer, message)));
        Outcome { error: Some(message.to_owned()), ..Outcome::plain(Status::Unknown) }
    }

    /// True once the question needs no more waiting.
    async fn is_over(&self, approval: Index) -> bool {
        let now = self.gate.desk.clock().now();
        let look = self.gate.desk.ask(move |books| books.approval(approval).map(|it| it.standing(now))).await;
        // While it cannot be looked at the call waits, and is not carried out.
        look.is_ok_and(|standing| standing != Some(Standing::Pending))
    }
}

impl World for Errand {
    fn waits(&self) -> bool {
        self.wait > Duration::ZERO
    }

    async fn ask(&self, approval: Index, _: &Receipt) {
        let until = Instant::now() + self.wait;
        let (mut moved, mut closing) = (self.gate.desk.moved(), self.closing.clone());
        loop {
            moved.mark_unchanged();
            if self.is_over(approval).await || Instant::now() >= until {
                return;
            }
            tokio::select! {
                changed = moved.changed() => match changed {
                    Ok(()) => sleep(BREATH).await,
                    Err(_) => return,
                },
                () = async { let _closed = closing.wait_for(|closing| *closing).await; } => return,
                () = tokio::time::sleep_until(until) => (),
            }
        }
    }

    async fn execute(&self, hold: &Hold) -> Outcome {
        let start = Instant::now();
        self.gate.desk.with_policy(|policy| self.metrics.decided(policy, hold.receipt()));
        self.tell(|told| told.cost = hold.receipt().decided().cost);
        let carried = tokio::select! {
            carried = self.carry_out(hold) => carried,
            () = self.tools.given_up() => Ok(self.lost()),
        };
        let outcome = match carried {
            Ok(outcome) => outcome,
            // Nothing was begun: all that it held is given back.
            Err(fault) => {
                let error = Some(fault.message.clone());
                self.tell(|told| told.fault = Some(fault));
                Outcome { error, ..Outcome::plain(Status::Cancelled) }
            }
        };
        self.tell(|told| told.took = start.elapsed());
        outcome
    }
}

const SIGNATURE: HeaderName = HeaderName::from_static("portcullis-signature");
/// How the gate calls itself.
pub(super) const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// A call on its way, but for what differs from attempt to attempt.
struct Sending<'c> {
    endpoint: &'c Endpoint,
    address: &'c Address,
    message: Message,
    secret: Vec<u8>,
    hush: Hush,
    key: Option<String>,
    purpose: String,
    sink: Option<&'c Sink>,
}

impl Sending<'_> {
    fn request(&self, stamp: &Stamp) -> Result<Request<Full<Bytes>>, Fault> {
        let Message { path, body } = &self.message;
        let mut request = Request::builder()
            .method(self.endpoint.method.as_str())
            .uri(path)
            .header("host", self.address.authority())
            .header("user-agent", AGENT)
            .header("accept", "application/json, text/*;q=0.5")
            .header("accept-encoding", "identity");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        let bytes = body.clone().unwrap_or_default();
        match &self.endpoint.auth {
            None => (),
            Some(Auth::Bearer(_)) => {
                request = request.header(AUTHORIZATION, secret_value("Bearer ", &self.secret)?);
            }
            Some(Auth::Header(name, _)) => request = request.header(name, secret_value("", &self.secret)?),
            Some(Auth::Hmac(_)) => request = self.signed(request, stamp, &bytes),
        }
        let odd = |_| Fault::new(Why::BadArguments, "the call cannot be written as a request");
        request.body(Full::new(bytes)).map_err(odd)
    }

    fn signed(
        &self,
        mut request: hyper::http::request::Builder,
        stamp: &Stamp,
        body: &[u8],
    ) -> hyper::http::request::Builder {
        let signing = self.endpoint.signing;
        if signing != Signing::OnceOnly {
            let method = self.endpoint.method.as_str();
            request = request
                .header("portcullis-timestamp", &stamp.time)
                .header("portcullis-nonce", &stamp.nonce)
                .header(SIGNATURE, sign::request(&self.secret, method, &self.message.path, stamp, body));
        }
        if signing != Signing::Portcullis {
            request = request
                .header("x-onceonly-signature", sign::onceonly(&self.secret, body))
                .header("x-onceonly-signature-alg", "hmac_sha256")
                .header("x-onceonly-timestamp", &stamp.time);
        }
        request
    }
}

fn secret_value(before: &str, secret: &[u8]) -> Result<HeaderValue, Fault> {
    let bytes = [before.as_bytes(), secret].concat();
    let mut value = HeaderValue::from_bytes(&bytes).map_err(|_| {
        Fault::new(Why::NotReady, "the tool's secret has characters that no header can carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The key that goes with the request: the agent's name and its own key, so that no agent is given what another
/// one's call brought. A key that no header can carry, or a long one, goes as its digest.
fn key_of(agent: &str, key: &str) -> String {
    let plain = format!("{agent}/{key}");
    if plain.len() <= 255 && plain.bytes().all(|b| b.is_ascii_graphic()) {
        return plain;
    }
    verdict::hex(&Sha256::digest(plain.as_bytes()))
}

/// What a connection is made for: nothing of one tool's goes over another's, nor over one that trusts others.
fn purpose(endpoint: &Endpoint, address: &Address, (agent, tool): (Option<&Arc<Agent>>, &str)) -> String {
    let scheme = if address.tls { "https" } else { "http" };
    let ca = endpoint.ca.as_deref().unwrap_or_default();
    let private = if endpoint.allow_private { "private" } else { "public" };
    let own = agent.filter(|agent| agent.own_tool(tool).is_some()).map_or("", |agent| agent.id());
    let authority = address.authority();
    format!("{own} {tool} {scheme}://{authority} {private} {ca}")
}

/// True if an answer may be passed on piece by piece: nothing could keep a part of it back, and no signature speaks of
/// the whole.
fn passes(policy: &Policy, action: &Action, endpoint: &Endpoint) -> bool {
    let open = policy.agent(action.agent()).is_some_and(|agent| agent.screens().lets_all_out());
    open && !endpoint.signed_answers
}

/// A number from 0 to 255. Without randomness all who wait come back together, which is no worse than without pauses.
fn dice() -> u8 {
    let mut byte = [0_u8; 1];
    let _none = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}
