//! Events: what agents and programs say happened, in runs, for people to read later. And what happened on each day.
//!
//! Nothing is decided by them. Answerable for finding a run's events again and for bounded memory.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::action::Realm;
use crate::books::Books;
use crate::command::Refusal;
use crate::lease::{LeaseEvent, LeaseKind, LeaseNote};
use crate::limit::Micro;
use crate::money::Micros;
use crate::record::{Answer, Decided, Index, Record};

/// A run that is silent for so long is not continued.
const RUN_MEMORY: Micro = 30 * DAY;
/// The kind of event in which somebody says which notifications they want.
pub const PREFERENCES: &str = "preferences";
/// The kind of event in which a webhook is set (`status`: `set`) or removed; `tool` is its id.
pub const WEBHOOK: &str = "webhook";
/// The most events of one run.
pub const RUN_EVENTS: u32 = 10_000;
/// The most runs that are remembered.
const RUNS: usize = 50_000;
/// So many of the last events are found without searching.
const LAST: usize = 10_000;
/// Days are remembered this long.
const DAYS: i64 = 400;
const DAY: Micro = 24 * 3600 * 1_000_000;

/// What somebody says happened. Its whole text is the payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventNote {
    /// When it was said.
    pub t: Micro,
    /// What kind of thing.
    pub kind: String,
    /// How it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// In which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The agent it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The tool it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Whose data.
    #[serde(default, skip_serializing_if = "is_live")]
    pub realm: Realm,
    /// Who said it.
    pub by: String,
    /// The first event of its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Index>,
}

fn is_live(realm: &Realm) -> bool {
    *realm == Realm::Live
}

/// A run, as its events so far tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its first event.
    pub first: Index,
    /// Who told that one.
    pub by: String,
    /// When the last one came.
    pub last: Micro,
    /// What the last one was.
    pub kind: String,
    /// How that went.
    pub status: Option<String>,
    /// How many there are.
    pub events: u32,
}

/// What happened on one day, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// Locks that were asked for.
    pub locks: u64,
    /// Of these, those that somebody else held.
    pub blocked: u64,
    /// Tasks that were taken.
    pub tasks: u64,
    /// Actions that were decided.
    pub actions: u64,
    /// Of these, those that were denied.
    pub denied: u64,
    /// What the allowed ones were expected to cost.
    pub spent: Micros,
}

/// What the books keep of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Events {
    runs: HashMap<(Realm, String), Run>,
    last: VecDeque<(Realm, Index)>,
    logs: VecDeque<(Realm, Index)>,
    /// What the bearer of a name last said of notifications.
    preferences: HashMap<(Realm, String), Index>,
    /// Where the webhooks stand, by id.
    webhooks: BTreeMap<String, Index>,
    days: BTreeMap<(Realm, i64), DayCount>,
}

impl Events {
    /// Takes in the event at `index`.
    pub(crate) fn apply(&mut self, index: Index, note: &EventNote) {
        if note.kind == PREFERENCES && note.run.is_none() {
            self.preferences.insert((note.realm, note.by.clone()), index);
            return;
        }
        if let (WEBHOOK, None, Some(id)) = (note.kind.as_str(), &note.run, &note.tool) {
            match note.status.as_deref() {
                Some("set") => drop(self.webhooks.insert(id.clone(), index)),
                _ => drop(self.webhooks.remove(id)),
            }
            return;
        }
        let last = if note.run.is_some() { &mut self.last } else { &mut self.logs };
        if last.len() >= LAST {
            last.pop_front();
        }
        last.push_back((note.realm, index));
        let Some(run) = &note.run else { return };
        let (last, kind, status) = (note.t, note.kind.clone(), note.status.clone());
        let of = note.of.unwrap_or(index);
        let known = self.runs.get(&(note.realm, run.clone())).filter(|run| run.first == of);
        let events = known.map_or(0, |run| run.events).saturating_add(1);
        let by = known.map_or(&note.by, |run| &run.by).clone();
        self.runs.insert((note.realm, run.clone()), Run { first: of, by, last, kind, status, events });
    }

    pub(crate) fn decided(&mut self, it: &Decided) {
        let day = self.day(it.realm, it.t);
        day.actions = day.actions.saturating_add(1);
        match it.decision {
            Answer::Allow => day.spent = Micros(day.spent.0.saturating_add(it.cost.0)),
            Answer::Deny => day.denied = day.denied.saturating_add(1),
            Answer::Pending => (),
        }
    }

    pub(crate) fn leased(&mut self, note: &LeaseNote) {
        let day = self.day(note.realm, note.t);
        match (&note.event, note.kind) {
            (LeaseEvent::Taken { .. }, LeaseKind::Lock) => day.locks = day.locks.saturating_add(1),
            (LeaseEvent::Taken { .. }, LeaseKind::Task) => day.tasks = day.tasks.saturating_add(1),
            (LeaseEvent::Refused { .. }, _) => {
                day.locks = day.locks.saturating_add(1);
                day.blocked = day.blocked.saturating_add(1);
            }
            (LeaseEvent::Extended { .. } | LeaseEvent::Ended { .. }, _) => (),
        }
    }

    fn day(&mut self, realm: Realm, t: Micro) -> &mut DayCount {
        self.days.entry((realm, t.div_euclid(DAY))).or_default()
    }

    /// Drops what can no longer matter.
    pub(crate) fn sweep(&mut self, now: Micro) {
        self.runs.retain(|_, run| run.last.saturating_add(RUN_MEMORY) >= now);
        if self.runs.len() > RUNS {
            let mut times: Vec<Micro> = self.runs.values().map(|run| run.last).collect();
            times.sort_unstable();
            let oldest = times.get(times.len().saturating_sub(RUNS)).copied().unwrap_or(now);
            self.runs.retain(|_, run| run.last >= oldest);
        }
        let first = now.div_euclid(DAY).saturating_sub(DAYS);
        self.days.retain(|(_, day), _| *day >= first);
    }

    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }
}

impl Books {
    /// A run, unless it has been silent for too long.
    pub fn run(&self, realm: Realm, run: &str) -> Option<&Run> {
        let found = self.events.runs.get(&(realm, run.to_owned()))?;
        (found.last.saturating_add(RUN_MEMORY) >= self.now()).then_some(found)
    }
    /// All runs of a realm.
    pub fn runs(&self, realm: Realm) -> impl Iterator<Item = (&str, &Run)> {
        self.events
            .runs
            .iter()
            .filter(move |((of, _), _)| *of == realm)
            .map(|((_, name), run)| (name.as_str(), run))
    }
    /// The last events that belong to no run, newest first.
    pub fn logs(&self, realm: Realm) -> impl Iterator<Item = Index> {
        self.events.logs.iter().rev().filter(move |(of, _)| *of == realm).map(|(_, at)| *at)
    }
    /// The event in which the bearer of a name last said something of notifications.
    pub fn preferences(&self, realm: Realm, by: &str) -> Option<Index> {
        self.events.preferences.get(&(realm, by.to_owned())).copied()
    }
    /// The webhooks: id, and the record that has it.
    pub fn webhooks(&self) -> impl Iterator<Item = (&str, Index)> {
        self.events.webhooks.iter().map(|(id, at)| (id.as_str(), *at))
    }
    /// The last events of runs, newest first.
    pub fn events(&self, realm: Realm) -> impl Iterator<Item = Index> {
        self.events.last.iter().rev().filter(move |(of, _)| *of == realm).map(|(_, at)| *at)
    }
    /// What happened on each day: days since 1970-01-01, UTC.
    pub fn days(&self, realm: Realm) -> impl Iterator<Item = (i64, &DayCount)> {
        self.events.days.range((realm, i64::MIN)..=(realm, i64::MAX)).map(|((_, day), count)| (*day, count))
    }
}

/// The record of an event. It is tied to the first of its run.
pub(crate) fn note(books: &Books, event: &EventNote, now: Micro) -> Result<Record, Refusal> {
    let run = event.run.as_deref().and_then(|run| books.run(event.realm, run));
    if let Some(full) = run.filter(|run| run.events >= RUN_EVENTS) {
        let events = full.events;
        return Err(Refusal::Conflict(format!(
            "the run has {events} events, which is the most; start another"
        )));
    }
    Ok(Record::Event(EventNote { t: now, of: run.map(|run| run.first), ..event.clone() }))
}
