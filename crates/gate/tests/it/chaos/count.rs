//! An independent reader of the records: adds up what was allowed, who held which idempotency key and which approval
//! was used, from nothing but an export. Shares no code with the books that it checks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::rig::Entry;

/// What a limit of the policy under test says.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    pub meter: Meter,
    pub by: By,
    /// Microseconds.
    pub window: i64,
    /// Millionths, but for actions.
    pub max: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meter {
    Actions,
    /// The sum of `args.amount` of the tool `pay`.
    Amount,
    Usd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Agent,
    User,
    Tenant,
}

/// Something that a gate acknowledged.
#[derive(Clone, Debug)]
pub enum Note {
    Allowed { at: u64, request: Value },
    Asked { at: u64, request: Value },
    Answered { of: u64, approve: bool, by: &'static str },
    Settled { of: u64, report: Value },
}

/// An amount up to which the policies under test ask nobody.
pub const SMALL: i64 = 20;

/// Fails unless the records show that every rule of the house was kept, and everything acknowledged is there.
pub fn audit(entries: &[Entry], ceilings: &[Ceiling], notes: &[Note]) -> Tally {
    let mut count = Count::default();
    for (index, entry) in (0..).zip(entries) {
        assert_eq!(entry.index, index, "the records are in order");
        let t = entry.number("t");
        assert!(t >= count.now, "time runs backwards at {index}");
        count.now = t;
        count.take(entry, ceilings);
    }
    for note in notes {
        check_note(entries, note);
    }
    count.tally
}

/// What was seen, to show that a run reached what it is for.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub allows: usize,
    /// Denials by code.
    pub denials: BTreeMap<String, usize>,
    pub questions: usize,
    pub uses: usize,
    pub settled: usize,
}

#[derive(Default)]
struct Count {
    now: i64,
    allows: Vec<Allow>,
    /// Where in `allows` a record is.
    places: HashMap<u64, usize>,
    /// Costs beyond the estimate, when they became known: time, place of the allow, micro-dollars.
    more: Vec<(i64, usize, i64)>,
    keys: HashMap<(String, String), Holder>,
    questions: HashMap<u64, Question>,
    disabled: BTreeSet<String>,
    tally: Tally,
}

struct Allow {
    t: i64,
    agent: String,
    user: String,
    actions: i64,
    amount: i64,
    usd: i64,
    over: bool,
}

struct Holder {
    at: u64,
    digest: String,
}

struct Question {
    digest: String,
    quorum: usize,
    expires: i64,
    yes: BTreeSet<String>,
    over: bool,
    used: bool,
}

impl Count {
    fn take(&mut self, entry: &Entry, ceilings: &[Ceiling]) {
        match entry.kind.as_str() {
            "decided" => self.decided(entry, ceilings),
            "settled" => self.settled(entry),
            "answered" => self.answered(entry),
            "closed" => {
                let of = entry.number("of") as u64;
                self.questions.get_mut(&of).unwrap().over = true;
                self.free(of);
            }
            "agent" => {
                let agent = entry.text("agent").to_owned();
                let _ = if entry.body["enabled"] == true {
                    self.disabled.remove(&agent)
                } else {
                    self.disabled.insert(agent)
                };
            }
            _ => (),
        }
    }

    fn decided(&mut self, entry: &Entry, ceilings: &[Ceiling]) {
        match entry.text("decision") {
            "allow" => self.allowed(entry, ceilings),
            "pending" if !entry.body["asks"].is_null() => {
                self.tally.questions += 1;
                self.hold_key(entry);
                let question = Question {
                    digest: entry.text("digest").to_owned(),
                    quorum: entry.body["asks"]["terms"]["quorum"].as_u64().unwrap() as usize,
                    expires: entry.body["asks"]["expires"].as_i64().unwrap(),
                    yes: BTreeSet::new(),
                    over: false,
                    used: false,
                };
                self.questions.insert(entry.index, question);
            }
            "pending" => (),
            _ => *self.tally.denials.entry(entry.text("code").to_owned()).or_default() += 1,
        }
    }

    fn allowed(&mut self, entry: &Entry, ceilings: &[Ceiling]) {
        let at = entry.index;
        self.tally.allows += 1;
        assert!(!self.disabled.contains(entry.text("agent")), "{at} allows a disabled agent");
        let whole = entry.payload["args"]["amount"].as_i64().unwrap_or(0);
        let is_asked = entry.text("tool") == "wipe" || entry.text("tool") == "pay" && whole > SMALL;
        match entry.body["approval"].as_u64() {
            None => assert!(!is_asked, "{at} was allowed and nobody was asked: {entry:?}"),
            Some(id) => self.used(entry, id),
        }
        self.hold_key(entry);
        let allow = Allow {
            t: entry.number("t"),
            agent: entry.text("agent").to_owned(),
            user: entry.text("user").to_owned(),
            actions: 1,
            amount: if entry.text("tool") == "pay" { whole * 1_000_000 } else { 0 },
            usd: entry.body["cost"].as_i64().unwrap_or(0),
            over: false,
        };
        self.places.insert(at, self.allows.len());
        self.allows.push(allow);
        for ceiling in ceilings {
            // Only what takes of a limit is held to it.
            let newest = &self.allows[self.allows.len() - 1];
            let takes = amount(ceiling.meter, newest);
            let sum = self.sum(ceiling);
            assert!(takes == 0 || sum <= ceiling.max, "{at} brings {ceiling:?} to {sum}");
        }
    }

    /// What counts towards a limit of the newest allow, in the window that ends with it.
    fn sum(&self, ceiling: &Ceiling) -> i64 {
        let newest = &self.allows[self.allows.len() - 1];
        let within = |t: i64| t + ceiling.window >= newest.t;
        let same = |allow: &Allow| match ceiling.by {
            By::Tenant => true,
            By::Agent => allow.agent == newest.agent,
            By::User => allow.agent == newest.agent && allow.user == newest.user,
        };
        let recent = self.allows.iter().rev().take_while(|allow| within(allow.t));
        let held: i64 = recent.filter(|allow| same(allow)).map(|allow| amount(ceiling.meter, allow)).sum();
        let more = self.more.iter().rev().take_while(|(t, ..)| within(*t));
        let more: i64 = more.filter(|(_, place, _)| same(&self.allows[*place])).map(|(.., usd)| usd).sum();
        if ceiling.meter == Meter::Usd { held + more } else { held }
    }

    /// An allow that rests on an approval: given in full, for this action, in time, and used this once.
    fn used(&mut self, entry: &Entry, id: u64) {
        let at = entry.index;
        self.tally.uses += 1;
        let question =
            self.questions.get_mut(&id).unwrap_or_else(|| panic!("{at} rests on {id}, which asks nothing"));
        assert!(!question.over, "{at} rests on {id}, which was denied or is over");
        assert!(question.yes.len() >= question.quorum, "{at} rests on {id}, which was not approved");
        assert!(!question.used, "{at} uses {id} a second time");
        assert_eq!(question.digest, entry.text("digest"), "{at} is not what {id} was asked for");
        assert!(entry.number("t") <= question.expires, "{at} rests on {id}, which has expired");
        question.used = true;
    }

    /// One key has one winner, until it is freed.
    fn hold_key(&mut self, entry: &Entry) {
        let key = entry.text("key");
        if key.is_empty() || !entry.body["duplicate_of"].is_null() {
            return;
        }
        let (at, digest) = (entry.index, entry.text("digest").to_owned());
        let name = (entry.text("agent").to_owned(), key.to_owned());
        if let Some(holder) = self.keys.get(&name) {
            let is_its_own_question =
                entry.body["approval"].as_u64() == Some(holder.at) && holder.digest == digest;
            assert!(is_its_own_question, "{at} takes the key `{key}`, which {} holds", holder.at);
        }
        self.keys.insert(name, Holder { at, digest });
    }

    fn free(&mut self, holder: u64) {
        self.keys.retain(|_, it| it.at != holder);
    }

    fn settled(&mut self, entry: &Entry) {
        let (at, of) = (entry.index, entry.number("of") as u64);
        let place =
            *self.places.get(&of).unwrap_or_else(|| panic!("{at} settles {of}, which was not allowed"));
        let allow = &mut self.allows[place];
        assert!(!allow.over, "{at} settles {of} a second time");
        allow.over = true;
        self.tally.settled += 1;
        let status = entry.text("status").to_owned();
        let known = entry.body["cost"].as_i64();
        let real = match status.as_str() {
            "cancelled" => 0,
            "failed" => known.unwrap_or(0),
            _ => known.unwrap_or(allow.usd),
        };
        if real > allow.usd {
            self.more.push((entry.number("t"), place, real - allow.usd));
        } else {
            allow.usd = real;
        }
        if status == "cancelled" {
            allow.actions = 0;
        }
        if status != "success" {
            allow.amount = 0;
            self.free(of);
        }
    }

    fn answered(&mut self, entry: &Entry) {
        let (at, of) = (entry.index, entry.number("of") as u64);
        let question = self.questions.get_mut(&of).unwrap();
        assert!(!question.over && question.yes.len() < question.quorum, "{at} answers {of}, which is over");
        if entry.body["approve"] == true {
            assert!(question.yes.insert(entry.text("by").to_owned()), "{at} answers {of} twice");
        } else {
            question.over = true;
            self.free(of);
        }
    }
}

fn amount(meter: Meter, allow: &Allow) -> i64 {
    match meter {
        Meter::Actions => allow.actions,
        Meter::Amount => allow.amount,
        Meter::Usd => allow.usd,
    }
}

/// What was acknowledged is on record, and says the same.
fn check_note(entries: &[Entry], note: &Note) {
    let find = |at: u64| {
        entries.get(at as usize).unwrap_or_else(|| panic!("{note:?} was acknowledged, and is not on record"))
    };
    let about = |kind: &str, of: u64| {
        entries.iter().filter(move |it| it.kind == kind && it.body["of"] == of).collect::<Vec<_>>()
    };
    match note {
        Note::Allowed { at, request } => {
            let entry = find(*at);
            assert!(entry.is_allow() && says(entry, request), "{note:?} is on record as {entry:?}");
        }
        Note::Asked { at, request } => {
            let entry = find(*at);
            let asks = entry.text("decision") == "pending" && !entry.body["asks"].is_null();
            assert!(asks && says(entry, request), "{note:?} is on record as {entry:?}");
        }
        Note::Answered { of, approve, by } => {
            let found = about("answered", *of);
            let same =
                found.iter().filter(|it| it.text("by") == *by && it.body["approve"] == *approve).count();
            assert_eq!(same, 1, "{note:?} is on record as {found:?}");
        }
        Note::Settled { of, report } => {
            let found = about("settled", *of);
            assert_eq!(found.len(), 1, "{note:?} is on record as {found:?}");
            assert_eq!(found[0].body["status"], report["status"], "{note:?} is on record as {found:?}");
            assert_eq!(found[0].payload["result"], report["result"], "{note:?} is on record as {found:?}");
        }
    }
}

fn says(entry: &Entry, request: &Value) -> bool {
    entry.body["agent"] == request["agent_id"]
        && entry.body["tool"] == request["tool"]
        && entry.body["user"] == request["user"]
        && entry.body["key"] == request["idempotency_key"]
        && entry.payload["args"] == request["args"]
}
