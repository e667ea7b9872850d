//! The books: what all records so far add up to.
//!
//! [`Books::apply`] is the only way they change. Whatever an admission depends on (kill switch, keys,
//! counters, approvals) is here, so that replaying the records replays the decisions. Books neither decide
//! nor write; they are asked ([`crate::admit`]) and told.

mod approval;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::action::{Action, Realm};
use crate::event::Events;
use crate::lease::Leases;
use crate::limit::{ByCounter, Counter, CounterName, Micro, SESSION_IDLE};
use crate::policy::PolicyVersion;
use crate::record::{
    AgentSet, Answer, Answered, Change, Closed, Decided, Index, KeyMade, PolicySet, Record, Settled, Status,
    ToolSeen,
};

pub use approval::{Approval, Ended, Standing};

/// An idempotency key is remembered this long after its last use.
pub const KEY_MEMORY: Micro = 30 * 24 * 3600 * 1_000_000;
/// An approval that is over is remembered by the books this long; the ledger has it for ever.
const APPROVAL_MEMORY: Micro = 24 * 3600 * 1_000_000;
/// An allowed action whose outcome nobody reported is listed as open this long.
pub const OPEN_MEMORY: Micro = 30 * 24 * 3600 * 1_000_000;
/// At least so many records go by between two clearances of what is over.
const SWEEP_EVERY: usize = 8_192;

/// The state that all records add up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Books {
    /// How many records are in here.
    next: Index,
    /// The latest time on record. Time never runs backwards here, whatever the clock does.
    now: Micro,
    counters: ByCounter<Counter>,
    locks: HashMap<LockId, Lock>,
    /// In the order in which they were allowed, which is that of time: what is over goes from the front.
    open: BTreeMap<Index, Micro>,
    /// Those of them that a gate carries out, and when their end must be known.
    carried: BTreeMap<Index, Micro>,
    approvals: HashMap<Index, Approval>,
    /// Those of them that an action may still come to: open, or agreed to and not used.
    awaited: BTreeSet<Index>,
    agents: HashMap<String, AgentSet>,
    tools: HashMap<(String, String), Pin>,
    keys: HashMap<String, KeyMade>,
    policies: HashMap<String, InForce>,
    sessions: HashMap<(Realm, String, String), Session>,
    pub(crate) leases: Leases,
    pub(crate) events: Events,
    /// Where the secret of each name lies.
    pub(crate) secrets: BTreeMap<String, Index>,
    since_sweep: usize,
    /// How many entries the last sweep left: so many records pay for the next, which looks at them all again.
    sweep_after: usize,
}

/// The first 16 bytes of the SHA-256 of realm, agent and idempotency key.
pub(crate) type LockId = [u8; 16];

/// Who holds an idempotency key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lock {
    /// The action's digest.
    pub(crate) digest: [u8; 16],
    /// The decision that holds it.
    pub(crate) of: Index,
    pub(crate) state: LockState,
    since: Micro,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LockState {
    /// A person has not agreed yet.
    Pending,
    /// Allowed, outcome not known.
    InFlight,
    /// Done.
    Done,
}

/// A tool definition as it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    /// The definition that may be called: the first one seen, or the last one accepted.
    pub accepted: String,
    /// The last one seen.
    pub seen: String,
    /// The record of the last one seen.
    pub at: Index,
}

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// Which.
    pub version: PolicyVersion,
    /// The record that has its text.
    pub at: Index,
    /// The last version that came from the policy file.
    pub file: Option<PolicyVersion>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Session {
    labels: Vec<String>,
    last: Micro,
}

impl Books {
    /// Takes in the record at `index`. Records must come in order, each once.
    pub fn apply(&mut self, index: Index, record: &Record) {
        debug_assert_eq!(index, self.next, "records come in order");
        self.next = index.saturating_add(1);
        self.now = self.now.max(record.at());
        match record {
            Record::Decided(it) => {
                self.decided(index, it);
                self.events.decided(it);
            }
            Record::Settled(it) => self.settled(it),
            Record::Answered(it) => self.answered(it),
            Record::Closed(it) => self.closed(it),
            Record::Policy(it) => self.policy_set(index, it),
            Record::Agent(it) => {
                self.agents.insert(it.agent.clone(), it.clone());
            }
            Record::Tool(it) => self.tool_seen(index, it),
            Record::Key(it) => {
                self.keys.insert(it.id.clone(), it.clone());
            }
            Record::KeyRevoked(it) => {
                self.keys.remove(&it.id);
            }
            Record::Erased(_) => (),
            Record::Lease(it) => {
                self.leases.apply(index, it);
                self.events.leased(it);
            }
            Record::Event(it) => self.events.apply(index, it),
            Record::Secret(it) => self.secret_set(index, it),
        }
        self.since_sweep = self.since_sweep.saturating_add(1);
        if self.since_sweep >= self.sweep_after.max(SWEEP_EVERY) {
            self.sweep();
        }
    }

    /// How many records are in here.
    pub fn next(&self) -> Index {
        self.next
    }
    /// The latest time on record.
    pub fn now(&self) -> Micro {
        self.now
    }
    /// What counts under a name at `now`.
    pub fn counted(&self, counter: &CounterName, now: Micro) -> i64 {
        self.counters.get(counter).map_or(0, |it| it.total(now))
    }
    /// When something was last counted under a name.
    pub(crate) fn newest(&self, counter: &CounterName) -> Option<Micro> {
        self.counters.get(counter).and_then(Counter::newest)
    }
    /// Microseconds until `amount` more fits under `max`; `None`: never.
    pub(crate) fn free_in(&self, counter: &CounterName, now: Micro, amount: i64, max: i64) -> Option<i64> {
        match self.counters.get(counter) {
            Some(it) => it.free_in(now, amount, max),
            None => (amount <= max).then_some(0),
        }
    }
    /// An agent's state, if anyone ever set it.
    pub fn agent(&self, id: &str) -> Option<&AgentSet> {
        self.agents.get(id)
    }
    /// Every agent whose state anyone ever set.
    pub fn agents(&self) -> impl Iterator<Item = &AgentSet> {
        self.agents.values()
    }
    /// A question, unless it has been over for a day.
    pub fn approval(&self, id: Index) -> Option<&Approval> {
        self.approvals.get(&id)
    }
    /// All questions that are open or were until a day ago.
    pub fn approvals(&self) -> impl Iterator<Item = (Index, &Approval)> {
        self.approvals.iter().map(|(id, it)| (*id, it))
    }
    /// Those that an action may still come to: open, or agreed to and not used.
    pub fn awaited(&self) -> impl Iterator<Item = (Index, &Approval)> {
        self.awaited.iter().filter_map(|id| Some((*id, self.approvals.get(id)?)))
    }
    /// The question about exactly this action under `policy` that was agreed to and not used, else the one that is
    /// open at `now`, the newest of several: for who comes back with the same call and does not name it.
    pub fn question_about(
        &self,
        action: &Action,
        policy: &PolicyVersion,
        now: Micro,
    ) -> Option<(Index, Standing)> {
        let ours = self.awaited().filter(|(_, it)| it.is_about(action) && it.policy == *policy);
        let standing = ours.map(|(at, it)| (at, it.standing(now)));
        standing
            .filter(|(_, it)| matches!(it, Standing::Pending | Standing::Approved))
            .max_by_key(|(at, it)| (*it == Standing::Approved, *at))
    }
    /// Allowed actions without an outcome, and when they were allowed.
    pub fn open(&self) -> impl Iterator<Item = (Index, Micro)> {
        self.open.iter().map(|(index, at)| (*index, *at))
    }
    /// Actions that a gate began to carry out, and of which it should have reported the end before `now`: it was
    /// stopped in the middle of them, and nobody knows.
    pub fn overdue(&self, now: Micro) -> impl Iterator<Item = Index> {
        self.carried.iter().filter(move |(_, until)| **until < now).map(|(index, _)| *index)
    }
    /// True if the decision at `index` was allowed and has no outcome yet.
    pub fn is_open(&self, index: Index) -> bool {
        self.open.contains_key(&index)
    }
    /// A tool definition as it was seen.
    pub fn pin(&self, server: &str, tool: &str) -> Option<&Pin> {
        self.tools.get(&(server.to_owned(), tool.to_owned()))
    }
    /// All of them: server, tool, pin.
    pub fn pins(&self) -> impl Iterator<Item = (&str, &str, &Pin)> {
        self.tools.iter().map(|((server, tool), pin)| (server.as_str(), tool.as_str(), pin))
    }
    /// Keys that have not been revoked.
    pub fn keys(&self) -> impl Iterator<Item = &KeyMade> {
        self.keys.values()
    }
    /// The policy in force for a line of gates.
    pub fn policy(&self, line: &str) -> Option<&InForce> {
        self.policies.get(line)
    }
    /// The labels of a session.
    pub fn labels(&self, realm: Realm, agent: &str, session: &str) -> &[String] {
        let key = (realm, agent.to_owned(), session.to_owned());
        self.sessions.get(&key).map_or(&[], |it| it.labels.as_slice())
    }
    /// Who holds an idempotency key.
    pub(crate) fn lock(&self, id: &LockId) -> Option<&Lock> {
        self.locks.get(id)
    }
    /// How many entries each table has, for metrics and for the figure of bounded memory.
    pub fn sizes(&self) -> [(&'static str, usize); 7] {
        [
            ("counters", self.counters.len()),
            ("keys", self.locks.len()),
            ("open", self.open.len()),
            ("approvals", self.approvals.len()),
            ("sessions", self.sessions.len()),
            ("leases", self.leases.len()),
            ("runs", self.events.len()),
        ]
    }

    fn decided(&mut self, index: Index, it: &Decided) {
        match it.decision {
            Answer::Deny => return,
            Answer::Pending => self.asked(index, it),
            Answer::Allow => {
                for charge in &it.charges {
                    self.count(&charge.counter, charge.window, it.t, charge.amount);
                }
                self.open.insert(index, it.t);
                self.carried.extend(it.until.map(|until| (index, until)));
                if let Some((id, approval)) =
                    it.approval.and_then(|id| Some((id, self.approvals.get_mut(&id)?)))
                {
                    approval.used = Some(index);
                    self.awaited.remove(&id);
                }
            }
        }
        if let (Some(key), None) = (&it.key, it.duplicate_of) {
            let state = if it.decision == Answer::Allow { LockState::InFlight } else { LockState::Pending };
            let lock = Lock { digest: short_digest(&it.digest), of: index, state, since: it.t };
            self.locks.insert(lock_id(it.realm, &it.agent, key), lock);
        }
    }

    fn asked(&mut self, index: Index, it: &Decided) {
        // A pending decision without a question repeats one that is still open.
        let Some(asks) = &it.asks else { return };
        let approval = Approval {
            asked: it.t,
            realm: it.realm,
            agent: it.agent.clone(),
            user: it.user.clone(),
            by: it.by.clone(),
            tool: it.tool.clone(),
            digest: it.digest.clone(),
            policy: it.policy.clone(),
            rule: it.rule.clone(),
            terms: asks.terms.clone(),
            people: asks.people.clone(),
            expires: asks.expires,
            answers: Vec::new(),
            ended: None,
            used: None,
            key: it.key.clone(),
        };
        self.approvals.insert(index, approval);
        self.awaited.insert(index);
    }

    fn settled(&mut self, it: &Settled) {
        self.carried.remove(&it.of);
        // An outcome that arrives after `Unknown` settles what was left open.
        if it.status != Status::Unknown {
            self.open.remove(&it.of);
        }
        for change in &it.changes {
            match change {
                Change::Back { c, n, at } => {
                    if let Some(counter) = self.counters.get_mut(c) {
                        counter.take_back(it.t, *at, *n);
                    }
                }
                Change::More { c, n, w } => self.count(c, *w, it.t, *n),
                Change::Reset { c } => {
                    if let Some(counter) = self.counters.get_mut(c) {
                        counter.reset(it.t);
                    }
                }
            }
        }
        if let Some(key) = &it.key {
            self.settle_lock(lock_id(it.realm, &it.agent, key), it);
        }
        if let (Some(session), false) = (&it.session, it.labels.is_empty()) {
            let session = self.sessions.entry((it.realm, it.agent.clone(), session.clone())).or_default();
            session.last = it.t;
            session.labels.extend(it.labels.iter().cloned());
            session.labels.sort();
            session.labels.dedup();
        }
    }

    fn settle_lock(&mut self, id: LockId, it: &Settled) {
        // Only the decision that holds the key may free or finish it.
        let Some(lock) = self.locks.get_mut(&id).filter(|lock| lock.of == it.of) else { return };
        lock.since = it.t;
        match it.status {
            Status::Success => lock.state = LockState::Done,
            Status::Unknown => (),
            Status::Failed | Status::Cancelled => {
                self.locks.remove(&id);
            }
        }
    }

    fn answered(&mut self, it: &Answered) {
        let Some(approval) = self.approvals.get_mut(&it.of) else { return };
        approval.answers.push(it.clone());
        if !it.approve {
            self.end(it.of, Ended::Denied);
        } else if approval.answers.len() >= usize::try_from(approval.terms.quorum).unwrap_or(usize::MAX) {
            self.end(it.of, Ended::Approved);
        }
    }

    fn closed(&mut self, it: &Closed) {
        self.end(it.of, if it.cancelled { Ended::Cancelled } else { Ended::Expired });
    }

    fn end(&mut self, id: Index, ended: Ended) {
        let Some(approval) = self.approvals.get_mut(&id) else { return };
        approval.ended = Some(ended);
        if ended == Ended::Approved {
            return;
        }
        self.awaited.remove(&id);
        // Nothing will be carried out under this question: its key is free again.
        if let Some(key) = &approval.key {
            let lock = lock_id(approval.realm, &approval.agent, key);
            if self.locks.get(&lock).is_some_and(|lock| lock.of == id) {
                self.locks.remove(&lock);
            }
        }
    }

    fn policy_set(&mut self, index: Index, it: &PolicySet) {
        let before = self.policies.get(&it.line).and_then(|in_force| in_force.file.clone());
        let file = if it.file { Some(it.version.clone()) } else { before };
        self.policies.insert(it.line.clone(), InForce { version: it.version.clone(), at: index, file });
    }

    fn tool_seen(&mut self, index: Index, it: &ToolSeen) {
        let pin = self.tools.entry((it.server.clone(), it.tool.clone())).or_insert_with(|| Pin {
            accepted: it.hash.clone(),
            seen: it.hash.clone(),
            at: index,
        });
        pin.seen.clone_from(&it.hash);
        pin.at = index;
        if it.accepted_by.is_some() {
            pin.accepted.clone_from(&it.hash);
        }
    }

    fn count(&mut self, name: &CounterName, window: i64, at: Micro, amount: i64) {
        if let Some(counter) = self.counters.get_mut(name) {
            counter.add(at, amount);
        } else {
            let mut counter = Counter::new(window);
            counter.add(at, amount);
            self.counters.insert(name.clone(), counter);
        }
    }

    /// Drops what can no longer matter, so that memory follows what is live and not what ever was.
    fn sweep(&mut self) {
        self.since_sweep = 0;
        let now = self.now;
        let within = |since: Micro, memory: Micro| since.saturating_add(memory) >= now;
        self.counters.retain(|_, it| !it.is_spent(now));
        self.locks.retain(|_, it| within(it.since, KEY_MEMORY));
        while self.open.first_key_value().is_some_and(|(_, since)| !within(*since, OPEN_MEMORY)) {
            self.open.pop_first();
        }
        self.sessions.retain(|_, it| within(it.last, SESSION_IDLE));
        self.leases.sweep(now);
        self.events.sweep(now);
        let waited_for: HashSet<Index> =
            self.locks.values().filter(|lock| lock.state == LockState::Pending).map(|lock| lock.of).collect();
        self.approvals.retain(|id, it| {
            it.ended.is_none() || waited_for.contains(id) || within(it.expires, APPROVAL_MEMORY)
        });
        self.awaited.retain(|id| self.approvals.contains_key(id));
        let sizes = [
            self.counters.len(),
            self.locks.len(),
            self.sessions.len(),
            self.leases.len(),
            self.events.len(),
        ];
        self.sweep_after = sizes.into_iter().max().unwrap_or(0);
    }
}

/// The name under which an idempotency key is held.
pub(crate) fn lock_id(realm: Realm, agent: &str, key: &str) -> LockId {
    let mut hash = Sha256::new();
    hash.update(realm.as_str());
    hash.update([0]);
    hash.update(agent);
    // Names hold no control characters, so a zero byte keeps the parts apart.
    hash.update([0]);
    hash.update(key);
    first_half(&hash.finalize())
}

/// The first half of a digest in hex, as bytes. What is no digest is hashed, and equals only itself.
pub(crate) fn short_digest(hex: &str) -> [u8; 16] {
    let mut digits = hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let mut half = [0; 16];
    for byte in &mut half {
        match (digits.next().flatten(), digits.next().flatten()) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return first_half(&Sha256::digest(hex.as_bytes())),
        }
    }
    half
}

fn first_half(bytes: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(bytes) {
        *to = *from;
    }
    half
}
