//! Webhooks: people's programs are told what the ledger has recorded.
//!
//! Answerable for nobody waiting for them: they are made of records, after the fact, and one that cannot be delivered
//! holds nothing up. What was recorded while no gate ran is not told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Fault, Payload, Reader};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::task::JoinSet;
use tokio::time::sleep;
use verdict::{Answer, Answered, Decided, Index, Realm, Record, Settled, Standing, Status};

use crate::clock::rfc3339;
use crate::desk::Desk;
use crate::ink::record_of;
use crate::tool::{Notice, Tools};
use crate::views::{self, Reading};
use crate::wire::{approval_id, decision_id};

/// What can be told.
pub const EVENTS: [&str; 5] =
    ["log.blocked", "log.pending_approval", "log.failed", "approval.approved", "approval.rejected"];
/// Between two looks at what was recorded: while others are busy the ledger moves thousands of times a second.
const BREATH: Duration = Duration::from_millis(200);
/// How many records are looked through at once.
const STRIDE: usize = 256;
/// What waits for one webhook; what is more is dropped, and logged.
const WAITING: usize = 1_000;
/// How long to wait before each further attempt.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// A webhook as it is kept beside its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// What it is told of.
    pub events: Vec<String>,
    /// True if it may be on this machine or in a network of one's own.
    pub allow_private: bool,
}

/// The name under which a webhook's secret is stored.
pub fn secret_name(id: &str) -> String {
    format!("webhook.{id}")
}

/// Tells webhooks what is recorded, until it is dropped.
pub struct Telling {
    /// The ledger's writer.
    pub desk: Desk,
    /// The ledger.
    pub reading: Reading,
    /// What sends.
    pub tools: Tools,
}

type Told = (&'static str, Value);

impl Telling {
    /// Runs beside the server.
    pub async fn run(self) {
        let mut moved = self.desk.moved();
        let mut from = *moved.borrow_and_update();
        let mut lines: BTreeMap<String, (Index, Webhook, Sender<String>)> = BTreeMap::new();
        // Ends with this: what delivers reads the ledger, too.
        let mut tasks = JoinSet::new();
        while moved.changed().await.is_ok() {
            sleep(BREATH).await;
            let next = *moved.borrow_and_update();
            while tasks.try_join_next().is_some() {}
            if let Err(why) = self.renew(&mut lines, &mut tasks).await {
                tracing::warn!(reason = %why, "webhooks could not be read");
                continue;
            }
            while from < next && !lines.is_empty() {
                let (at, now) = (from, self.desk.clock().now());
                let read = self.reading.ask(move |reader| told(reader, at, now)).await;
                let Ok((news, reached)) = read else { break };
                from = reached;
                for (event, data) in news {
                    hand_out(
                        &lines,
                        event,
                        &json!({"event": event, "timestamp": rfc3339(now), "data": data}),
                    );
                }
            }
            from = from.max(if lines.is_empty() { next } else { from });
        }
    }

    /// Takes in which webhooks there are.
    async fn renew(
        &self,
        lines: &mut BTreeMap<String, (Index, Webhook, Sender<String>)>,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), String> {
        let asked = self.desk.ask(|books| {
            books.webhooks().map(|(id, at)| (id.to_owned(), at)).collect::<BTreeMap<String, Index>>()
        });
        let wanted = asked.await.map_err(|halt| halt.to_string())?;
        lines.retain(|id, (at, ..)| wanted.get(id) == Some(at));
        for (id, at) in wanted {
            if lines.contains_key(&id) {
                continue;
            }
            let read = self.reading.ask(move |reader| webhook_at(reader, at)).await;
            let Some(hook) = read.map_err(|fault| fault.to_string())? else { continue };
            let (sender, receiver) = channel(WAITING);
            tasks.spawn(deliver(self.tools.clone(), self.desk.clone(), (id.clone(), hook.clone()), receiver));
            lines.insert(id, (at, hook, sender));
        }
        Ok(())
    }
}

/// The webhook whose record is at a place.
pub fn webhook_at(reader: &Reader, at: Index) -> Result<Option<Webhook>, Fault> {
    let Some(entry) = reader.get(at)? else { return Ok(None) };
    Ok(match entry.payload {
        Payload::Here(bytes) => serde_json::from_slice(&bytes).ok(),
        Payload::None | Payload::Erased => None,
    })
}

fn hand_out(lines: &BTreeMap<String, (Index, Webhook, Sender<String>)>, event: &str, body: &Value) {
    for (id, (_, hook, sender)) in lines {
        if !hook.events.iter().any(|wanted| wanted == event) {
            continue;
        }
        if let Err(TrySendError::Full(_)) = sender.try_send(body.to_string()) {
            tracing::warn!(webhook = id, event, "too much waits for a webhook; it is not told of this");
        }
    }
}

/// Delivers to one webhook, in order, until it is removed.
async fn deliver(tools: Tools, desk: Desk, (id, hook): (String, Webhook), mut waiting: Receiver<String>) {
    while let Some(body) = waiting.recv().await {
        let Webhook { url, allow_private, .. } = hook.clone();
        let notice = Arc::new(Notice { url, allow_private, secret: secret_name(&id), body });
        for pause in AGAIN.iter().map(Some).chain([None]) {
            let why = match tools.notify(&notice, desk.clock().now()).await {
                Ok(status) if (200..300).contains(&status) => break,
                Ok(status) => format!("it answered with status {status}"),
                Err(why) => why,
            };
            match pause {
                Some(pause) => sleep(*pause).await,
                None => {
                    tracing::warn!(webhook = id, reason = %why, "a webhook could not be told; it is not tried again")
                }
            }
        }
    }
}

/// What there is to tell of the records from a place on, and where to go on.
fn told(reader: &Reader, from: Index, now: verdict::Micro) -> Result<(Vec<Told>, Index), Fault> {
    let (mut news, mut next) = (Vec::new(), from);
    let entries = reader.read(from, STRIDE)?;
    if entries.is_empty() {
        return Ok((news, reader.size()?.max(from)));
    }
    for entry in entries {
        let at = entry.index;
        next = at.saturating_add(1);
        let record = record_of(at, &entry.body).map_err(|halt| Fault::Io(halt.0))?;
        let args = match &entry.payload {
            Payload::Here(bytes) => serde_json::from_slice::<Value>(bytes).ok(),
            Payload::None | Payload::Erased => None,
        };
        news.extend(match record {
            Record::Decided(it) if it.realm == Realm::Live => of_decision(at, &it, args),
            Record::Settled(it) if it.realm == Realm::Live => of_end(reader, &it)?,
            Record::Answered(it) => of_answer(reader, &it, now)?,
            _ => None,
        });
    }
    Ok((news, next))
}

fn of_decision(at: Index, it: &Decided, payload: Option<Value>) -> Option<Told> {
    let args = payload.and_then(|mut payload| payload.get_mut("args").map(Value::take));
    match it.decision {
        Answer::Deny => Some(("log.blocked", data(at, it, (None, args)))),
        // What repeats a question that is open tells nothing new.
        Answer::Pending if it.asks.is_some() => {
            Some(("log.pending_approval", data(at, it, (Some(at), args))))
        }
        Answer::Pending | Answer::Allow => None,
    }
}

fn of_end(reader: &Reader, it: &Settled) -> Result<Option<Told>, Fault> {
    if it.status != Status::Failed {
        return Ok(None);
    }
    let Some((decided, entry)) = views::decided(reader, it.of)? else { return Ok(None) };
    let args = views::payload(&entry).and_then(|mut payload| payload.remove("args"));
    Ok(Some(("log.failed", data(it.of, &decided, (decided.approval, args)))))
}

fn of_answer(reader: &Reader, it: &Answered, now: verdict::Micro) -> Result<Option<Told>, Fault> {
    let Some(view) = views::approval(reader, Realm::Live, it.of, now)? else { return Ok(None) };
    // With a quorum, only the answer that ends the question tells something.
    let ends = view.answers.last().is_some_and(|last| last.by == it.by);
    let event = match view.status {
        Standing::Approved if ends => "approval.approved",
        Standing::Denied if ends => "approval.rejected",
        _ => return Ok(None),
    };
    let Some((decided, entry)) = views::decided(reader, it.of)? else { return Ok(None) };
    let args = views::payload(&entry).and_then(|mut payload| payload.remove("args"));
    Ok(Some((event, data(it.of, &decided, (Some(it.of), args)))))
}

fn data(at: Index, it: &Decided, (approval, context): (Option<Index>, Option<Value>)) -> Value {
    json!({
        "approval_id": approval.map(approval_id),
        "action": it.tool,
        "context": context,
        "agent_id": it.agent,
        "reason": it.reason,
        "decision_id": decision_id(at),
    })
}
