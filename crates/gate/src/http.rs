//! The HTTP API: a request in, one answer out, whatever comes.
//!
//! Answerable for the order of events (route, key, role, body, handler) and for every way it can end being an
//! answer. What a route does is its handler's; who may use it is in the one table ([`routes`]). Knows no
//! sockets (that is [`crate::serve`]) and decides nothing.

mod agents;
mod agentwarden;
mod approvals;
mod auth;
mod authzen;
mod body;
mod check;
mod decisions;
mod dialect;
mod editing;
mod hook;
mod inspect;
mod keys;
mod ledger;
mod mcp;
mod onceonly;
mod openapi;
mod outcome;
mod policy;
mod probes;
mod problem;
mod query;
mod reply;
mod ring;
pub mod routes;
mod tool;
mod tools;
mod unstoppable;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Body;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};
use tokio::sync::watch;
use verdict::{Halt, Realm, Refusal};

pub use openapi::document;
pub use problem::Problem;
pub use reply::{Payload, Reply};

use crate::keys::Caller;
use crate::mcp::http::Hub;
use crate::metrics::Metrics;
use crate::path::Gate;
use crate::patience::Watch;
use crate::tool::Tools;
use crate::views::Reading;
use dialect::Dialect;
pub use onceonly::Customs;
use ring::Ring;
use routes::{Found, May, Route};

/// How long a request may take, its body included. A long poll may take as long again as it may wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything the handlers share.
pub struct App {
    gate: Gate,
    line: String,
    reading: Reading,
    ring: Ring,
    metrics: Arc<Metrics>,
    proof: probes::Proof,
    tools: Tools,
    closing: watch::Sender<bool>,
    hub: Option<Arc<Hub>>,
    alone: bool,
    customs: Customs,
}

/// What stands behind a gate.
pub struct Behind {
    /// The servers behind `/mcp`, if there are any.
    pub hub: Option<Arc<Hub>>,
    /// Declared tools.
    pub tools: Tools,
    /// True if only this machine can reach the gate.
    pub alone: bool,
    /// How other products' clients are answered.
    pub customs: Customs,
}

impl App {
    /// `line` names the gates that share a policy; `reading` is the ledger that the gate writes; `behind` is
    /// what it can call. The error is the ledger's.
    pub async fn new(
        gate: Gate,
        line: String,
        reading: Reading,
        metrics: Arc<Metrics>,
        behind: Behind,
    ) -> Result<Arc<Self>, Halt> {
        let ring = Ring::open(&gate.desk).await?;
        let (proof, (closing, _)) = (probes::Proof::default(), watch::channel(false));
        let Behind { hub, tools, alone, customs } = behind;
        Ok(Arc::new(Self { gate, line, reading, ring, metrics, proof, tools, closing, hub, alone, customs }))
    }

    /// Lets those who only wait know that the server is stopping: they are answered with how things stand.
    pub fn close(&self) {
        self.closing.send_replace(true);
        if let Some(hub) = &self.hub {
            hub.close();
        }
    }

    /// Keeps the keys as they are on the books, until the gate closes. To be run beside the server.
    pub async fn follow_keys(self: Arc<Self>) {
        self.ring.follow(&self.gate.desk).await;
    }
}

/// One request that may be handled: its route is known and its key may use it.
pub struct Call {
    app: Arc<App>,
    caller: Option<Arc<Caller>>,
    params: Vec<String>,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Whose key it came with. Routes that anyone may use have none.
    fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_deref().ok_or_else(Problem::no_key)
    }
    /// A part of the path, by its place among the parts that vary.
    fn param(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }
    fn now(&self) -> verdict::Micro {
        self.app.gate.desk.clock().now()
    }
    /// Whose data the key sees.
    fn realm(&self) -> Result<Realm, Problem> {
        self.caller().map(|caller| caller.realm)
    }
}

/// Answers a request, in the time that `watch` keeps. Never fails and never panics.
pub(crate) async fn answer<B>(app: &Arc<App>, request: Request<B>, watch: &Watch) -> Reply
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    app.metrics.requested();
    let logged = tracing::enabled!(tracing::Level::DEBUG)
        .then(|| (Instant::now(), request.method().clone(), request.uri().path().to_owned()));
    let dialect = Dialect::of(request.uri().path());
    watch.answer_within(PATIENCE);
    let handled = Caught(pin!(handle(app, request, watch)));
    let reply = match watch.in_time(handled).await {
        Some(Ok(Ok(reply))) => reply,
        Some(Ok(Err(problem))) => dialect.refuse(&problem),
        None => dialect.refuse(&Problem::timed_out()),
        Some(Err(Panicked)) => {
            tracing::error!("a request could not be answered because of a mistake in this program");
            dialect.refuse(&Problem::internal())
        }
    };
    if let Some((start, method, path)) = logged {
        tracing::debug!(%method, path, status = reply.status().as_u16(), took = ?start.elapsed(), "answered");
    }
    reply
}

async fn handle<B>(app: &Arc<App>, request: Request<B>, watch: &Watch) -> Result<Reply, Problem>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    let (head, body) = request.into_parts();
    let (route, params, caller) = match enter(app, &head).await {
        Ok(entered) => entered,
        Err(problem) => {
            body::pass_over(body).await;
            return Err(problem);
        }
    };
    let body = match route.takes.limit() {
        0 => {
            body::pass_over(body).await;
            Bytes::new()
        }
        limit => body::read(&head.headers, body, route.takes, limit).await?,
    };
    let query = head.uri.query().unwrap_or("").to_owned();
    let call = Call { app: Arc::clone(app), caller, params, query, headers: head.headers, body };
    if route.waits {
        // The longest is a tool's own time limit, after a wait for people.
        watch.answer_within(PATIENCE.saturating_mul(7));
    }
    (route.handler)(call).await
}

/// Where a request goes, and who calls; before anything of its body is read.
async fn enter(
    app: &App,
    head: &Parts,
) -> Result<(&'static Route, Vec<String>, Option<Arc<Caller>>), Problem> {
    let (route, params) = match routes::find(&head.method, head.uri.path()) {
        Found::Route(route, params) => (route, params),
        Found::OtherMethods(allowed) => return Err(Problem::method(&allowed)),
        Found::Nothing => {
            return Err(Problem::not_found("there is nothing at this path; see /openapi.json".to_owned()));
        }
    };
    let caller = match admit(app, route, &head.headers) {
        Err(problem)
            if problem.status == StatusCode::UNAUTHORIZED && app.ring.look_again(&app.gate.desk).await =>
        {
            admit(app, route, &head.headers)?
        }
        admitted => admitted?,
    };
    Ok((route, params, caller))
}

/// Who calls, if the route is not open to everyone; or why they may not.
fn admit(app: &App, route: &Route, headers: &HeaderMap) -> Result<Option<Arc<Caller>>, Problem> {
    let May::Roles(roles) = route.may else { return Ok(None) };
    let secret = auth::secret(headers)?;
    let now = app.gate.desk.clock().now();
    let caller = app.ring.find(secret, now).ok_or_else(Problem::wrong_key)?;
    if !roles.contains(&caller.role) {
        return Err(Problem::role(roles));
    }
    if route.live_only && caller.realm == Realm::Test {
        return Err(Problem::forbidden(
            "a test key sees and changes test data only, and this is shared by both".to_owned(),
        ));
    }
    Ok(Some(caller))
}

/// What a refused command is over HTTP.
fn refused(refusal: &Refusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        Refusal::NotFound(_) => Problem::not_found(detail),
        Refusal::Conflict(_) => Problem::conflict(detail),
        Refusal::Forbidden(_) => Problem::forbidden(detail),
        Refusal::Moved(_) => Problem::precondition(detail),
    }
}

/// What a halted gate is over HTTP. The operator's reason is for the log.
fn halted(halt: &Halt) -> Problem {
    tracing::error!(reason = %halt, "a request was refused because the ledger cannot be used");
    Problem::unavailable()
}

struct Panicked;

/// A future whose panic is an answer.
struct Caught<'f, F>(Pin<&'f mut F>);

impl<F: Future> Future for Caught<'_, F> {
    type Output = Result<F::Output, Panicked>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is dropped and never polled again: nothing half done is looked at.
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
