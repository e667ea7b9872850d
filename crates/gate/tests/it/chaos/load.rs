//! Clients under way: they ask, answer, act and report at random, and note what the gate acknowledged. What broke off
//! in the middle goes among the doubtful, and is asked about later.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::client::{Client, Reply};
use super::count::{By, Ceiling, Meter, Note};
use super::rig::{Dice, Store};

/// Limits that a second of load reaches, in windows short enough to open again within a test.
pub const POLICY: &str = "
version: 1
tools:
  pay:  {args: {amount: money}, effects: [payment], price_usd: 0.01}
  note: {risk: low}
  wipe: {risk: high}
groups:
  bosses: [ann, bob]
roles:
  worker:
    rules:
      - {name: notes, allow: note}
      - {name: small, allow: pay, when: args.amount > 0 && args.amount <= 20}
      - {name: big, allow: pay, when: args.amount > 20 && args.amount <= 50, approval: {from: [bosses], quorum: 1, timeout: 2h}}
      - {name: both, allow: wipe, approval: {from: [bosses], quorum: 2, timeout: 2h}}
    limits:
      - {meter: actions, max: 30, per: 1s}
      - {meter: args.amount, tools: [pay], max: 120, per: 2s}
      - {meter: usd, max: 0.30, per: 3s, by: user}
      - {meter: actions, max: 50, per: 1s, by: tenant}
agents:
  w0: {roles: [worker]}
  w1: {roles: [worker]}
  w2: {roles: [worker]}
";

/// The limits of [`POLICY`], once more.
pub const CEILINGS: [Ceiling; 4] = [
    Ceiling { meter: Meter::Actions, by: By::Agent, window: 1_000_000, max: 30 },
    Ceiling { meter: Meter::Amount, by: By::Agent, window: 2_000_000, max: 120_000_000 },
    Ceiling { meter: Meter::Usd, by: By::User, window: 3_000_000, max: 300_000 },
    Ceiling { meter: Meter::Actions, by: By::Tenant, window: 1_000_000, max: 50 },
];

/// The secrets of those who take part.
#[derive(Clone, Debug)]
pub struct Keys {
    pub agent: String,
    pub admin: String,
    pub ann: String,
    pub bob: String,
}

impl Keys {
    pub fn make(store: &Store) -> Self {
        Self {
            admin: store.key("admin", "root", &[]),
            agent: store.key("agent", "runner", &[]),
            ann: store.key("approver", "ann", &[]),
            bob: store.key("approver", "bob", &[]),
        }
    }
}

/// A question to people, as the clients know it.
#[derive(Clone, Debug)]
pub struct Question {
    pub at: u64,
    pub request: Value,
    /// Who said yes.
    pub yes: Vec<&'static str>,
}

/// What all clients know together.
#[derive(Debug, Default)]
pub struct Known {
    pub notes: Vec<Note>,
    /// Allowed, and not reported on.
    pub open: Vec<u64>,
    pub asked: Vec<Question>,
    pub approved: Vec<Question>,
    pub used: Vec<Question>,
    /// Answered or used, and then the line went dead.
    pub doubtful: Vec<Question>,
    /// Reported, and then the line went dead.
    pub unsure: Vec<(u64, Value)>,
    /// How many requests were answered.
    pub answers: usize,
    /// The codes with which some were denied.
    pub denied: BTreeSet<String>,
}

/// One client.
pub struct Worker<'a> {
    pub dice: Dice,
    known: &'a Mutex<Known>,
    /// Idempotency keys begin like this.
    era: String,
    agent: Client,
    people: [(&'static str, Client); 2],
}

impl<'a> Worker<'a> {
    pub fn new(address: SocketAddr, keys: &Keys, known: &'a Mutex<Known>, era: &str, dice: Dice) -> Self {
        let people = [("ann", Client::new(address, &keys.ann)), ("bob", Client::new(address, &keys.bob))];
        Self { dice, known, era: era.to_owned(), agent: Client::new(address, &keys.agent), people }
    }

    /// Goes on until the line goes dead or `stop` is set.
    pub fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) && self.step().is_ok() {}
    }

    fn step(&mut self) -> io::Result<()> {
        match self.dice.below(100) {
            0..45 => self.act(),
            45..60 => self.ask(),
            60..72 => self.answer(),
            72..80 => self.use_approval(),
            80..84 => self.use_again(),
            _ => self.report(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.lock().unwrap())
    }

    /// An action that needs nobody; often one that others try as well.
    fn act(&mut self) -> io::Result<()> {
        let agent = format!("w{}", self.dice.below(3));
        let user = format!("u{}", self.dice.below(2));
        if self.dice.chance(20) {
            let request = json!({"agent_id": agent, "tool": "note", "args": {"text": "x"}, "user": user});
            return self.check(&request).map(drop);
        }
        let number = self.dice.below(16);
        let amount = 1 + number % 8;
        let mut request = json!({"agent_id": agent, "tool": "pay", "args": {"amount": amount}, "user": "u0"});
        if self.dice.chance(70) {
            request["idempotency_key"] = format!("{}-{number}", self.era).into();
        }
        if self.dice.chance(4) {
            // Another action under a key that may be taken: a conflict, or the key's new meaning.
            request["args"]["amount"] = 17.into();
        }
        self.check(&request).map(drop)
    }

    fn ask(&mut self) -> io::Result<()> {
        let tool = *self.dice.pick(&["pay", "wipe"]);
        let agent = format!("w{}", self.dice.below(3));
        let args = if tool == "pay" {
            json!({"amount": 21 + self.dice.below(20)})
        } else {
            json!({"disk": self.dice.below(50)})
        };
        let mut request = json!({"agent_id": agent, "tool": tool, "args": args, "user": "u1"});
        if self.dice.chance(40) {
            request["idempotency_key"] = format!("{}-ask-{}", self.era, self.dice.below(10)).into();
        }
        self.check(&request).map(drop)
    }

    /// Sends a check and notes what came of it. `None`: its key belongs to another action.
    fn check(&mut self, request: &Value) -> io::Result<Option<Value>> {
        let reply = self.agent.try_post("/v1/check", request)?;
        let is_conflict = reply.status == 409;
        assert!(reply.status == 200 || is_conflict, "{request}: {} {}", reply.status, reply.text());
        let reply = reply.json();
        if is_conflict {
            assert_ne!(reply["allowed"], true, "{reply}");
            self.with(|known| known.answers += 1);
            return Ok(None);
        }
        let at = index("dec_", &reply["decision_id"]);
        let mut request = request.clone();
        request.as_object_mut().unwrap().remove("approval_id");
        self.with(|known| {
            known.answers += 1;
            match reply["decision"].as_str().unwrap() {
                "deny" => _ = known.denied.insert(reply["code"].as_str().unwrap().to_owned()),
                "allow" => {
                    known.open.push(at);
                    known.notes.push(Note::Allowed { at, request });
                }
                "pending" if reply["duplicate_of"].is_null() => {
                    assert_eq!(index("apr_", &reply["approval_id"]), at, "{reply}");
                    known.asked.push(Question { at, request: request.clone(), yes: Vec::new() });
                    known.notes.push(Note::Asked { at, request });
                }
                _ => (),
            }
        });
        Ok(Some(reply))
    }

    fn answer(&mut self) -> io::Result<()> {
        let dice = &mut self.dice;
        let Some(mut question) = take(dice, &mut self.known.lock().unwrap().asked) else { return Ok(()) };
        let approve = dice.chance(85);
        let mut order = [0, 1];
        if dice.chance(50) {
            order = [1, 0];
        }
        let who = order.into_iter().find(|who| !question.yes.contains(&self.people[*who].0)).unwrap();
        let (by, client) = &mut self.people[who];
        let path = format!("/v1/approvals/apr_{}/{}", question.at, if approve { "approve" } else { "deny" });
        let reply = client.try_post(&path, &json!({}));
        let by = *by;
        self.with(|known| match reply {
            Err(error) => {
                known.doubtful.push(question);
                Err(error)
            }
            Ok(reply) => {
                let reply = reply.ok();
                known.answers += 1;
                known.notes.push(Note::Answered { of: question.at, approve, by });
                question.yes.push(by);
                match reply["status"].as_str().unwrap() {
                    "approved" => known.approved.push(question),
                    "pending" => known.asked.push(question),
                    other => assert_eq!((other, approve), ("denied", false)),
                }
                Ok(())
            }
        })
    }

    fn use_approval(&mut self) -> io::Result<()> {
        let Some(question) = take(&mut self.dice, &mut self.known.lock().unwrap().approved) else {
            return Ok(());
        };
        let mut request = question.request.clone();
        request["approval_id"] = format!("apr_{}", question.at).into();
        let reply = self.check(&request);
        self.with(|known| match reply {
            Err(error) => {
                known.doubtful.push(question);
                Err(error)
            }
            Ok(reply) => {
                match reply.as_ref().map(|it| it["decision"].as_str().unwrap()) {
                    Some("allow") => known.used.push(question),
                    // Over a limit: another time.
                    Some("deny") if !reply.as_ref().is_some_and(|it| it["duplicate_of"].is_string()) => {
                        known.approved.push(question)
                    }
                    _ => (),
                }
                Ok(())
            }
        })
    }

    /// What was used once does not serve again.
    fn use_again(&mut self) -> io::Result<()> {
        let known = self.known.lock().unwrap();
        if known.used.is_empty() {
            return Ok(());
        }
        let question = self.dice.pick(&known.used).clone();
        drop(known);
        let mut request = question.request.clone();
        request["approval_id"] = format!("apr_{}", question.at).into();
        let reply = self.check(&request)?;
        assert!(
            reply.as_ref().is_none_or(|it| it["allowed"] == false),
            "{question:?} served twice: {reply:?}"
        );
        Ok(())
    }

    fn report(&mut self) -> io::Result<()> {
        let dice = &mut self.dice;
        let Some(of) = take(dice, &mut self.known.lock().unwrap().open) else { return Ok(()) };
        let status = *dice.pick(&["success", "success", "failed", "cancelled"]);
        let mut report = json!({"status": status, "result": {"of": of}});
        if dice.chance(30) {
            report["cost_usd"] = (*dice.pick(&[0.0, 0.005, 0.02])).into();
        }
        let reply = self.agent.try_post(&format!("/v1/decisions/dec_{of}/outcome"), &report);
        self.with(|known| match reply {
            Err(error) => {
                known.unsure.push((of, report));
                Err(error)
            }
            Ok(reply) => {
                settled(known, of, report, &reply);
                Ok(())
            }
        })
    }
}

/// Notes an outcome that was taken.
pub fn settled(known: &mut Known, of: u64, report: Value, reply: &Reply) {
    let reply = reply.ok();
    assert_eq!(reply["status"], report["status"], "dec_{of}");
    known.answers += 1;
    known.notes.push(Note::Settled { of, report });
}

fn take<T>(dice: &mut Dice, from: &mut Vec<T>) -> Option<T> {
    if from.is_empty() {
        return None;
    }
    let at = dice.below(from.len() as u64) as usize;
    Some(from.swap_remove(at))
}

/// The number in an id.
pub fn index(prefix: &str, id: &Value) -> u64 {
    let number = id.as_str().and_then(|id| id.strip_prefix(prefix)).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("`{id}` is no id that begins with {prefix}"))
}
