//! Limits: one algebra of meter, scope, window and maximum.
//!
//! Answerable for what a limit counts and under which name ([`Limit::counter`]), and for counting it
//! exactly ([`Counter`]): a maximum is never exceeded in any window of its length. Knows nothing of
//! clocks; time arrives as a number.

mod name;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::Realm;
use crate::policy::Pattern;
use crate::record::MeterKind;

pub(crate) use name::ByCounter;
pub use name::CounterName;

/// Microseconds since the epoch, UTC.
pub type Micro = i64;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Meter {
    /// Allowed actions, 1 each.
    Actions,
    /// Cost in micro-dollars: the larger of the tool's price and the caller's estimate, then the actual cost.
    Usd,
    /// Model tokens.
    Tokens,
    /// Outcomes reported as failed. With `consecutive`, a success starts again at nothing.
    Failures {
        /// Count only failures in a row.
        consecutive: bool,
    },
    /// The sum of an argument, in millionths (`args.amount`); the path of keys below `args`.
    Argument(Vec<String>),
}

/// How long it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// One call.
    Call,
    /// One step of a session.
    Step,
    /// One session. A session ends after seven days without an action.
    Session,
    /// Any stretch of this many microseconds.
    Sliding(i64),
}

/// For whom it counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// Each agent.
    #[default]
    Agent,
    /// Each user of each agent; actions without a user count together.
    User,
    /// Each session of each agent.
    Session,
    /// Each tool of each agent.
    Tool,
    /// All agents that have this limit, together.
    Tenant,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub meter: Meter,
    /// If not empty, only these tools count.
    pub tools: Vec<Pattern>,
    /// For how long.
    pub window: Window,
    /// For whom apart.
    pub scope: Scope,
    /// The most there may be: actions, tokens, failures as they are; money and arguments in millionths.
    pub max: i64,
    /// Its name for people and in `remaining`: `actions per 1h by user`. Also its identity: a policy that
    /// changes only the maximum goes on counting where the old one was.
    pub label: Arc<str>,
    /// The names of its counters, live and test, where agent and limit alone make them up.
    names: Option<[CounterName; 2]>,
}

impl Limit {
    /// Puts a limit together and names it.
    pub fn new(meter: Meter, tools: Vec<Pattern>, window: Window, scope: Scope, max: i64) -> Self {
        let mut label = format!("{meter} per {window}");
        if scope != Scope::Agent {
            label.push_str(&format!(" by {scope}"));
        }
        if !tools.is_empty() {
            let names: Vec<&str> = tools.iter().map(Pattern::as_str).collect();
            label.push_str(&format!(" on {}", names.join(",")));
        }
        Self { meter, tools, window, scope, max, label: label.into(), names: None }
    }

    /// Makes the names of its counters for `agent` ahead, as far as they can be known.
    pub(crate) fn prepare(&mut self, agent: &str) {
        let fixed = matches!(self.scope, Scope::Agent | Scope::Tenant)
            && matches!(self.window, Window::Sliding(_) | Window::Call);
        let who = Who { agent, user: None, session: None, step: None, tool: "" };
        self.names =
            fixed.then(|| [Realm::Live, Realm::Test].map(|realm| self.counter(realm.as_str(), &who).into()));
    }

    /// The counter that an action falls under, by the agent that the limit was prepared for.
    pub(crate) fn counter_of(&self, realm: Realm, who: &Who<'_>) -> CounterName {
        match (&self.names, realm) {
            (Some([live, _]), Realm::Live) => live.clone(),
            (Some([_, test]), Realm::Test) => test.clone(),
            (None, realm) => self.counter(realm.as_str(), who).into(),
        }
    }

    /// The name of the counter that an action of this agent, user, session, step and tool falls under.
    /// Parts that a caller chooses are escaped, so that no choice can reach another's counter.
    pub fn counter(&self, realm: &str, who: &Who<'_>) -> String {
        let mut name = String::with_capacity(self.label.len() + who.agent.len() + 32);
        name.push_str(realm);
        name.push('|');
        name.push_str(&self.label);
        if self.scope != Scope::Tenant {
            push_part(&mut name, who.agent);
        }
        match self.scope {
            Scope::Agent | Scope::Tenant => (),
            Scope::User => push_part(&mut name, who.user.unwrap_or("")),
            Scope::Session if matches!(self.window, Window::Session | Window::Step) => (),
            Scope::Session => push_part(&mut name, who.session.unwrap_or("")),
            Scope::Tool => push_part(&mut name, who.tool),
        }
        if matches!(self.window, Window::Session | Window::Step) {
            push_part(&mut name, who.session.unwrap_or(""));
        }
        if self.window == Window::Step {
            push_part(&mut name, who.step.unwrap_or(""));
        }
        name
    }
}

/// Whom a counter is for.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The agent.
    pub agent: &'a str,
    /// On whose behalf.
    pub user: Option<&'a str>,
    /// In which run.
    pub session: Option<&'a str>,
    /// In which turn of the run.
    pub step: Option<&'a str>,
    /// The tool.
    pub tool: &'a str,
}

fn push_part(name: &mut String, part: &str) {
    name.push('|');
    if part.contains(['|', '%']) {
        name.push_str(&part.replace('%', "%25").replace('|', "%7C"));
    } else {
        name.push_str(part);
    }
}

/// What one action takes of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The counter's name.
    #[serde(rename = "c")]
    pub counter: CounterName,
    /// How much.
    #[serde(rename = "n")]
    pub amount: i64,
    /// The window in microseconds; 0 for a step or session.
    #[serde(rename = "w", default, skip_serializing_if = "is_zero")]
    pub window: i64,
    /// What is counted.
    #[serde(rename = "m")]
    pub meter: MeterKind,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// A session's counters are dropped after this long without an action.
pub const SESSION_IDLE: Micro = 7 * 24 * 3600 * 1_000_000;
/// Entries a sliding counter keeps apart before it begins to merge neighbours.
const APART: usize = 128;
/// Once merging, entries share one of this many slots of the window.
const SLOTS: i64 = 64;

/// What has been counted under one name.
///
/// Up to 128 entries within a window are kept exactly. Beyond, neighbours within 1/64 of the window
/// are merged under the later time, so that an entry may count up to 1/64 of the window too long and
/// never too short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Microseconds; 0: until the session ends.
    window: i64,
    entries: VecDeque<(Micro, i64)>,
    total: i64,
    last: Micro,
    /// The time of the first entry, so that telling whether any is over need not look at them.
    first: Micro,
}

impl Counter {
    /// A counter over `window` microseconds, or over a whole session (0).
    pub fn new(window: i64) -> Self {
        Self { window, ..Self::default() }
    }

    /// What counts at `now`.
    pub fn total(&self, now: Micro) -> i64 {
        if self.window == 0 || !self.is_over(self.first, now) {
            return self.total;
        }
        let old: i64 =
            self.entries.iter().take_while(|(at, _)| self.is_over(*at, now)).map(|(_, n)| *n).sum();
        self.total.saturating_sub(old)
    }

    /// Counts `amount` at `now`; a negative one takes back.
    pub fn add(&mut self, now: Micro, amount: i64) {
        // What is later than anything before is later than the last entry, which then need not be looked at.
        let later = now > self.last;
        self.last = self.last.max(now);
        self.total = self.total.saturating_add(amount);
        if self.window == 0 {
            return;
        }
        self.expire(now);
        if self.entries.is_empty() {
            self.first = now;
        }
        match self.entries.back_mut().filter(|_| !later) {
            Some((at, n)) if *at >= now => *n = n.saturating_add(amount),
            _ => self.entries.push_back((now, amount)),
        }
        if self.entries.len() > APART {
            self.merge();
        }
    }

    /// Takes back at `now` `amount` of what was counted at `at`; nothing, if that is over.
    pub fn take_back(&mut self, now: Micro, at: Micro, amount: i64) {
        if self.window == 0 {
            self.total = self.total.saturating_sub(amount);
            return;
        }
        // What is over has been dropped, or will be with its entry: taking it from a later one would let
        // more through than the maximum.
        if self.is_over(at, now) {
            return;
        }
        // Merged entries carry the latest of their times: the first that is not earlier holds ours.
        if let Some((_, n)) = self.entries.iter_mut().find(|(time, _)| *time >= at) {
            *n = n.saturating_sub(amount);
            self.total = self.total.saturating_sub(amount);
        }
    }

    /// Starts again at nothing.
    pub fn reset(&mut self, now: Micro) {
        self.last = self.last.max(now);
        self.total = 0;
        self.entries.clear();
    }

    /// Microseconds from `now` until `amount` more would fit under `max`; `None` if it never will.
    pub fn free_in(&self, now: Micro, amount: i64, max: i64) -> Option<i64> {
        let mut over = self.total(now).saturating_add(amount).saturating_sub(max);
        if over <= 0 {
            return Some(0);
        }
        if self.window == 0 || amount > max {
            return None;
        }
        for (at, n) in self.entries.iter().skip_while(|(at, _)| self.is_over(*at, now)) {
            over = over.saturating_sub(*n);
            if over <= 0 {
                return Some(at.saturating_add(self.window).saturating_sub(now).saturating_add(1));
            }
        }
        None
    }

    /// When something was last counted that still counts; merged entries carry the latest of their times.
    pub(crate) fn newest(&self) -> Option<Micro> {
        self.entries.iter().rev().find(|(_, n)| *n > 0).map(|(at, _)| *at)
    }

    /// True if dropping the counter would change nothing at `now` or later.
    pub fn is_spent(&self, now: Micro) -> bool {
        match self.window {
            0 => self.last.saturating_add(SESSION_IDLE) < now,
            window => self.last.saturating_add(window) < now,
        }
    }

    fn is_over(&self, at: Micro, now: Micro) -> bool {
        // Strictly later: two actions exactly one window apart still share a closed window.
        at.saturating_add(self.window) < now
    }

    fn expire(&mut self, now: Micro) {
        if !self.is_over(self.first, now) {
            return;
        }
        while let Some((at, n)) = self.entries.front().copied() {
            if !self.is_over(at, now) {
                break;
            }
            self.total = self.total.saturating_sub(n);
            self.entries.pop_front();
        }
        self.set_first();
    }

    fn set_first(&mut self) {
        self.first = self.entries.front().map_or(0, |(at, _)| *at);
    }

    fn merge(&mut self) {
        let slot = (self.window / SLOTS).max(1);
        let mut merged: VecDeque<(Micro, i64)> = VecDeque::with_capacity(APART);
        for (at, n) in self.entries.drain(..) {
            match merged.back_mut() {
                Some((time, sum)) if *time / slot == at / slot => {
                    *time = at;
                    *sum = sum.saturating_add(n);
                }
                _ => merged.push_back((at, n)),
            }
        }
        self.entries = merged;
        self.set_first();
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actions => f.write_str("actions"),
            Self::Usd => f.write_str("usd"),
            Self::Tokens => f.write_str("tokens"),
            Self::Failures { consecutive: false } => f.write_str("failures"),
            Self::Failures { consecutive: true } => f.write_str("failures in a row"),
            Self::Argument(path) => write!(f, "args.{}", path.join(".")),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call => f.write_str("call"),
            Self::Step => f.write_str("step"),
            Self::Session => f.write_str("session"),
            Self::Sliding(micros) => f.write_str(&duration(*micros)),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::User => "user",
            Self::Session => "session",
            Self::Tool => "tool",
            Self::Tenant => "tenant",
        })
    }
}

/// A duration as a person would write it: `90m` is `90m`, `3600s` is `1h`.
pub fn duration(micros: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
    match UNITS.iter().find(|(unit, _)| micros >= *unit && micros % unit == 0) {
        Some((unit, name)) => format!("{}{name}", micros / unit),
        None => format!("{micros}us"),
    }
}
