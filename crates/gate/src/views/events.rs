//! Events as people read them, and what an agent did in some time.

use std::collections::BTreeMap;

use ledger::{Entry, Fault, Payload, Reader};
use serde_json::{Map, Value};
use verdict::{Answer, EventNote, Index, Micro, Realm, Record};

use super::{look_back, record_of};
use crate::clock::rfc3339;
use crate::wire::Dollars;

/// How often the ledger is looked through: 50 times [`super::LOOK_THROUGH`] records.
const LOOKS: usize = 50;

/// Events at places, in that order: those of `by` alone, if that is given; so many of them, after so many.
pub fn events(
    reader: &Reader,
    places: Vec<Index>,
    by: Option<&str>,
    (offset, limit): (usize, usize),
) -> Result<Vec<Value>, Fault> {
    let mut found = Vec::new();
    let mut left = offset;
    for at in places {
        // Without a filter, what is passed over need not be read.
        if by.is_none() && left > 0 {
            left = left.saturating_sub(1);
            continue;
        }
        let Some((note, entry)) = event_at(reader, at)? else { continue };
        if by.is_some_and(|by| note.by != by) {
            continue;
        }
        if left > 0 {
            left = left.saturating_sub(1);
            continue;
        }
        found.push(shown(&note, &entry));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// The events of the run that begins at `first`, oldest first.
pub fn run_events(reader: &Reader, first: Index, by: Option<&str>) -> Result<Vec<Value>, Fault> {
    let mut found = Vec::new();
    let rest = reader.referring(first)?;
    for entry in reader.get(first)?.into_iter().chain(rest) {
        if let Record::Event(note) = record_of(&entry)?
            && by.is_none_or(|by| note.by == by)
        {
            found.push(shown(&note, &entry));
        }
    }
    Ok(found)
}

/// An event, if there is one at a place.
pub fn event_at(reader: &Reader, at: Index) -> Result<Option<(EventNote, Entry)>, Fault> {
    let Some(entry) = reader.get(at)? else { return Ok(None) };
    match record_of(&entry)? {
        Record::Event(note) => Ok(Some((note, entry))),
        _ => Ok(None),
    }
}

/// What lies beside the record at a place, as a JSON object.
pub fn payload_at(reader: &Reader, at: Index) -> Result<Option<Map<String, Value>>, Fault> {
    Ok(reader.get(at)?.and_then(|entry| payload(&entry)))
}

/// What lies beside a record, as a JSON object.
pub fn payload(entry: &Entry) -> Option<Map<String, Value>> {
    match &entry.payload {
        Payload::Here(bytes) => serde_json::from_slice(bytes).ok(),
        Payload::None | Payload::Erased => None,
    }
}

fn shown(note: &EventNote, entry: &Entry) -> Value {
    let mut event = payload(entry).unwrap_or_default();
    event.insert("event_id".to_owned(), entry.index.into());
    event.insert("run_id".to_owned(), note.run.clone().into());
    event.insert("type".to_owned(), note.kind.clone().into());
    event.insert("received_at".to_owned(), rfc3339(note.t).into());
    // Seconds, as its clients send them; what they said themselves stays.
    event.entry("ts").or_insert_with(|| (note.t / 1_000_000).into());
    event.insert("by".to_owned(), note.by.clone().into());
    Value::Object(event)
}

/// What an agent did in some time.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Decisions.
    pub actions: u64,
    /// Of these, those that did not allow.
    pub denied: u64,
    /// What the allowed ones cost: as reported, or else as expected.
    pub spent: Dollars,
    /// False if there were too many records to look through.
    pub complete: bool,
    tools: BTreeMap<String, u64>,
}

impl Counts {
    /// The tools that were called most, and how often.
    pub fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut tools: Vec<(&str, u64)> = self.tools.iter().map(|(tool, n)| (tool.as_str(), *n)).collect();
        tools.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        tools.truncate(most);
        tools
    }
}

/// What an agent did since a time.
pub fn agent_counts(reader: &Reader, realm: Realm, agent: &str, since: Micro) -> Result<Counts, Fault> {
    let mut counts = Counts::default();
    // Outcomes come after their decisions, and so are met first.
    let mut costs: BTreeMap<Index, i64> = BTreeMap::new();
    let mut before = None;
    for _ in 0..LOOKS {
        before = look_back(reader, before, &mut |entry, record| {
            if record.at() < since {
                counts.complete = true;
                return Ok(true);
            }
            match record {
                Record::Settled(it) if it.realm == realm && it.agent == agent => {
                    if let Some(cost) = it.cost {
                        costs.entry(it.of).or_insert(cost.0);
                    }
                }
                Record::Decided(it) if it.realm == realm && it.agent == agent => {
                    counts.actions = counts.actions.saturating_add(1);
                    let count = counts.tools.entry(it.tool).or_default();
                    *count = count.saturating_add(1);
                    if it.decision == Answer::Allow {
                        let cost = costs.remove(&entry.index).unwrap_or(it.cost.0);
                        counts.spent.0.0 = counts.spent.0.0.saturating_add(cost);
                    } else {
                        counts.denied = counts.denied.saturating_add(1);
                    }
                }
                _ => (),
            }
            Ok(false)
        })?;
        if counts.complete || before.is_none() {
            counts.complete = true;
            break;
        }
    }
    Ok(counts)
}
