//! What a monitoring system scrapes (`GET /metrics`, Prometheus text).
//!
//! Answerable for counting cheaply and for labels staying few: only agents and tools that the policy names get a
//! series of their own. Decisions of test keys are not counted. Knows nothing of how decisions come about.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::RwLock;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use hashbrown::{Equivalent, HashMap};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use verdict::{Answer, Code, Policy, Realm, Receipt};

use crate::wire::code_word;

/// What is counted.
pub struct Metrics {
    registry: Registry,
    decisions: Family<Vec<(&'static str, Cow<'static, str>)>, Counter>,
    /// The counters of `decisions` by agent and tool, so that a decision costs one look-up and no allocation.
    known: RwLock<HashMap<Pair, [Counter; 3]>>,
    seconds: Histogram,
    limit_hits: Family<Vec<(&'static str, Cow<'static, str>)>, Counter>,
    pending: Gauge,
    position: Gauge<i64, AtomicI64>,
    entries: Family<Vec<(&'static str, &'static str)>, Gauge>,
    halted: Gauge,
    requests: Counter<u64, AtomicU64>,
}

/// At most so many pairs of agent and tool get a series of their own.
const MOST_PAIRS: usize = 4_096;
/// The label of everything that has no series of its own.
const OTHER: &str = "other";

/// What the gauges show, gathered when they are asked for.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// Questions without an end.
    pub pending: usize,
    /// How many records there are.
    pub position: u64,
    /// How many entries each table of the books has.
    pub entries: Vec<(&'static str, usize)>,
    /// True if nothing is admitted.
    pub halted: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let bounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
        let mut it = Self {
            registry: Registry::with_prefix("portcullis"),
            decisions: Family::default(),
            known: RwLock::default(),
            seconds: Histogram::new(bounds),
            limit_hits: Family::default(),
            pending: Gauge::default(),
            position: Gauge::default(),
            entries: Family::default(),
            halted: Gauge::default(),
            requests: Counter::default(),
        };
        let registry = &mut it.registry;
        registry.register("decisions", "Live decisions by agent, tool and decision", it.decisions.clone());
        let help = "Seconds from a request's arrival to its decision being on record, a batch counted once";
        registry.register("decision_seconds", help, it.seconds.clone());
        registry.register("limit_hits", "Live denials by a limit, by agent and code", it.limit_hits.clone());
        registry.register("approvals_pending", "Questions that wait for a person", it.pending.clone());
        registry.register("ledger_position", "Records in the ledger", it.position.clone());
        registry.register("books_entries", "Entries held in memory, by table", it.entries.clone());
        registry.register(
            "halted",
            "1 while nothing is admitted because the ledger cannot be used",
            it.halted.clone(),
        );
        registry.register("requests", "HTTP requests", it.requests.clone());
        registry.register("build", "The version", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        it
    }

    /// Counts a request.
    pub fn requested(&self) {
        self.requests.inc();
    }

    /// Counts how long it took to get a decision, or a batch of them, on record.
    pub fn took(&self, time: Duration) {
        self.seconds.observe(time.as_secs_f64());
    }

    /// Counts a decision.
    pub fn decided(&self, policy: &Policy, receipt: &Receipt) {
        let it = receipt.decided();
        if it.realm == Realm::Test {
            return;
        }
        let at = match it.decision {
            Answer::Allow => 0,
            Answer::Deny => 1,
            Answer::Pending => 2,
        };
        // What has a series was named by the policy when it got it.
        if it.decision == Answer::Allow && self.count_known(&it.agent, &it.tool, at) {
            return;
        }
        let agent = if policy.agent(&it.agent).is_some() { it.agent.as_str() } else { OTHER };
        let tool = if policy.tool(&it.tool).is_some() { it.tool.as_str() } else { OTHER };
        self.count(agent, tool, at);
        if matches!(it.code, Code::Limit | Code::Budget | Code::BreakerOpen) {
            let labels = vec![("agent", agent.to_owned().into()), ("code", code_word(it.code).into())];
            self.limit_hits.get_or_create(&labels).inc();
        }
    }

    fn count_known(&self, agent: &str, tool: &str, at: usize) -> bool {
        let Ok(known) = self.known.read() else { return false };
        let counter = known.get(&(agent, tool)).and_then(|counters| counters.get(at));
        counter.map(Counter::inc).is_some()
    }

    fn count(&self, agent: &str, tool: &str, at: usize) {
        if self.count_known(agent, tool, at) {
            return;
        }
        let full = self.known.read().is_ok_and(|known| known.len() >= MOST_PAIRS);
        let (agent, tool) = if full { (OTHER, OTHER) } else { (agent, tool) };
        let counters = ["allow", "deny", "pending"].map(|decision| {
            let (agent, tool) = (agent.to_owned(), tool.to_owned());
            let labels = vec![("agent", agent.into()), ("tool", tool.into()), ("decision", decision.into())];
            self.decisions.get_or_create(&labels).clone()
        });
        counters.get(at).map(Counter::inc);
        if let Ok(mut known) = self.known.write() {
            known.insert(Pair(agent.to_owned(), tool.to_owned()), counters);
        }
    }

    /// The text for Prometheus, with the gauges as they stand.
    pub fn text(&self, standings: &Standings) -> String {
        let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.pending.set(whole(standings.pending));
        self.position.set(i64::try_from(standings.position).unwrap_or(i64::MAX));
        self.halted.set(i64::from(standings.halted));
        for (table, size) in &standings.entries {
            self.entries.get_or_create(&vec![("table", *table)]).set(whole(*size));
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a string does not fail; were it so, half a page is no page.
            text.clear();
            let _never = text.write_str("# EOF\n");
        }
        text
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Pair(String, String);

impl Equivalent<Pair> for (&str, &str) {
    fn equivalent(&self, key: &Pair) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}
