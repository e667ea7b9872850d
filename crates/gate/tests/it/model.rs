//! The books kept a second time, slowly and from nothing but the records: what must hold whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use verdict::*;

/// Something the world did.
pub struct Run {
    /// Under which decision.
    pub at: Index,
}

/// Checks everything that a ledger must show. `strict` says which of the two policies a version is.
pub fn audit(seed: u64, records: &[Record], ran: &[Run], strict: impl Fn(&PolicyVersion) -> bool) {
    let decided = |at: Index| match records.get(at as usize) {
        Some(Record::Decided(it)) => it,
        other => panic!("seed {seed}: {at} is {other:?}, no decision"),
    };
    // Each run has its own allow on record.
    let mut runs = BTreeSet::new();
    for run in ran {
        assert_eq!(decided(run.at).decision, Answer::Allow, "seed {seed}: dec_{} ran", run.at);
        assert!(runs.insert(run.at), "seed {seed}: dec_{} ran twice", run.at);
    }
    let mut ledger = Ledger::default();
    for (at, record) in (0..).zip(records) {
        match record {
            Record::Decided(it) => ledger.decision(seed, at, it, &strict),
            Record::Settled(it) => {
                assert_eq!(
                    decided(it.of).decision,
                    Answer::Allow,
                    "seed {seed}: {at} settles what was not allowed"
                );
                ledger.outcome(seed, at, it);
            }
            Record::Answered(it) => ledger.answer(seed, it),
            Record::Closed(it) => {
                let question = ledger.questions.get_mut(&it.of).unwrap();
                assert!(!question.over, "seed {seed}: {at} closes twice");
                question.over = true;
                ledger.free_key(it.of);
            }
            Record::Agent(it) => drop(ledger.enabled.insert(it.agent.clone(), it.enabled)),
            _ => (),
        }
    }
}

#[derive(Default)]
struct Ledger {
    enabled: BTreeMap<String, bool>,
    allows: Vec<Allow>,
    questions: BTreeMap<Index, Question>,
    keys: BTreeMap<String, (Index, String)>,
}

struct Allow {
    at: Index,
    decided: Decided,
    amount: i64,
    usd: i64,
    /// What was really spent beyond the estimate, and when that became known.
    more_usd: (Micro, i64),
    counts: bool,
    over: bool,
}

struct Question {
    decided: Decided,
    yes: BTreeSet<String>,
    no: bool,
    over: bool,
    used: bool,
}

impl Ledger {
    fn decision(&mut self, seed: u64, at: Index, it: &Decided, strict: &impl Fn(&PolicyVersion) -> bool) {
        match it.decision {
            Answer::Allow => {
                assert!(
                    self.enabled.get(&it.agent).copied().unwrap_or(true),
                    "seed {seed}: {at} allows a disabled agent"
                );
                self.approved(seed, at, it);
                self.key(seed, at, it);
                self.push(at, it);
                if it.agent == "a" {
                    self.within(seed, at, it, strict(&it.policy));
                }
            }
            Answer::Pending if it.asks.is_some() => {
                self.key(seed, at, it);
                let question = Question {
                    decided: it.clone(),
                    yes: BTreeSet::new(),
                    no: false,
                    over: false,
                    used: false,
                };
                self.questions.insert(at, question);
            }
            Answer::Pending => {
                let question = &self.questions[&it.approval.unwrap()];
                assert!(!question.over && !question.no, "seed {seed}: {at} waits for what is over");
            }
            Answer::Deny => self.rightly_denied(seed, at, it, strict(&it.policy)),
        }
    }

    /// An allow that needed people has them, for exactly this action, unused, and in time.
    fn approved(&mut self, seed: u64, at: Index, it: &Decided) {
        let big = it.agent == "a" && it.rule.as_deref() == Some("big");
        assert_eq!(big, it.approval.is_some(), "seed {seed}: {at} and its approval");
        let Some(id) = it.approval else { return };
        let question = self.questions.get_mut(&id).unwrap();
        let asks = question.decided.asks.clone().unwrap();
        assert!(
            question.yes.len() >= 2 && !question.no && !question.used,
            "seed {seed}: {at} is not approved"
        );
        assert!(it.t <= asks.expires, "seed {seed}: {at} is too late");
        assert_eq!(
            (&it.digest, &it.policy, &it.agent, &it.user, &it.key),
            (
                &question.decided.digest,
                &question.decided.policy,
                &question.decided.agent,
                &question.decided.user,
                &question.decided.key
            )
        );
        question.used = true;
    }

    /// One key, one winner, until it is freed.
    fn key(&mut self, seed: u64, at: Index, it: &Decided) {
        let Some(key) = &it.key else { return };
        let name = format!("{} {key}", it.agent);
        if let Some((holder, digest)) = self.keys.get(&name) {
            // A question whose time is over holds nobody back, even before its end is on record.
            let free = self.questions.get(holder).is_some_and(|question| {
                let in_time = question.decided.asks.as_ref().is_some_and(|asks| it.t <= asks.expires);
                let same = *digest == it.digest && question.decided.user == it.user;
                let other_policy = question.decided.policy != it.policy;
                question.no || !in_time || same && (it.approval == Some(*holder) || other_policy)
            });
            assert!(free, "seed {seed}: {at} takes the key that {holder} holds");
        }
        self.keys.insert(name, (at, it.digest.clone()));
    }

    fn free_key(&mut self, holder: Index) {
        self.keys.retain(|_, (at, _)| *at != holder);
    }

    fn push(&mut self, at: Index, it: &Decided) {
        let amount = it
            .charges
            .iter()
            .find(|charge| charge.meter == MeterKind::Argument)
            .map_or(0, |charge| charge.amount);
        let allow = Allow {
            at,
            decided: it.clone(),
            amount,
            usd: it.cost.0,
            more_usd: (it.t, 0),
            counts: true,
            over: false,
        };
        self.allows.push(allow);
    }

    fn outcome(&mut self, seed: u64, at: Index, it: &Settled) {
        let allow = self.allows.iter_mut().find(|allow| allow.at == it.of).unwrap();
        assert!(!allow.over, "seed {seed}: {at} settles dec_{} twice", it.of);
        allow.over = it.status != Status::Unknown;
        let estimate = allow.decided.cost.0;
        let real = match (it.status, it.cost) {
            (Status::Cancelled, _) | (Status::Failed, None) => 0,
            (Status::Unknown, _) | (Status::Success, None) => estimate,
            (Status::Success | Status::Failed, Some(cost)) => cost.0,
        };
        allow.usd = real.min(estimate);
        if real > estimate {
            allow.more_usd = (it.t, real - estimate);
        }
        match it.status {
            Status::Cancelled => (allow.counts, allow.amount) = (false, 0),
            Status::Failed => allow.amount = 0,
            Status::Success | Status::Unknown => (),
        }
        if matches!(it.status, Status::Failed | Status::Cancelled) {
            self.free_key(it.of);
        }
    }

    fn answer(&mut self, seed: u64, it: &Answered) {
        let question = self.questions.get_mut(&it.of).unwrap();
        let asks = question.decided.asks.as_ref().unwrap();
        assert!(!question.over && !question.no && it.t <= asks.expires, "seed {seed}: an answer too late");
        assert!(question.yes.len() < 2, "seed {seed}: an answer too many");
        assert!(
            ["ann", "bob", "cid", "root"].contains(&it.by.as_str()),
            "seed {seed}: {} may not answer",
            it.by
        );
        let asked = [question.decided.user.as_deref(), question.decided.by.as_deref()];
        assert!(!asked.contains(&Some(it.by.as_str())), "seed {seed}: {} answers their own question", it.by);
        if it.approve {
            assert!(question.yes.insert(it.by.clone()), "seed {seed}: {} answers twice", it.by);
        } else {
            question.no = true;
            self.free_key(it.of);
        }
    }

    /// What counts at `t` in a window: actions of the agent, amounts, dollars of the user.
    fn sums(&self, t: Micro, user: Option<&str>) -> (usize, i64, i64) {
        let within =
            |allow: &&Allow, window: Micro| allow.decided.agent == "a" && allow.decided.t + window >= t;
        let actions = self.allows.iter().filter(|it| within(it, 10_000_000) && it.counts).count();
        let amount = self.allows.iter().filter(|it| within(it, 60_000_000)).map(|it| it.amount).sum();
        let of_user =
            || self.allows.iter().filter(|it| it.decided.agent == "a" && it.decided.user.as_deref() == user);
        let usd: i64 = of_user().filter(|it| it.decided.t + 20_000_000 >= t).map(|it| it.usd).sum();
        let more: i64 = of_user().filter(|it| it.more_usd.0 + 20_000_000 >= t).map(|it| it.more_usd.1).sum();
        (actions, amount, usd + more)
    }

    fn within(&self, seed: u64, at: Index, it: &Decided, strict: bool) {
        let (actions, amount, usd) = self.sums(it.t, it.user.as_deref());
        let (most_actions, most_amount) = if strict { (4, 35_000_000) } else { (6, 60_000_000) };
        assert!(actions <= most_actions, "seed {seed}: {at} is action {actions} of {most_actions}");
        if it.tool == "pay" {
            assert!(
                amount <= most_amount,
                "seed {seed}: {at} brings the amount to {amount} of {most_amount}"
            );
        }
        assert!(usd <= 4_000_000, "seed {seed}: {at} brings the spending of {:?} to {usd}", it.user);
        assert!(it.cost.0 <= 3_000_000, "seed {seed}: {at} costs too much");
    }

    /// A limit that denies is really reached: nothing is denied for good measure.
    fn rightly_denied(&self, seed: u64, at: Index, it: &Decided, strict: bool) {
        let reason = it.reason.as_deref().unwrap_or_default();
        let (actions, amount, usd) = self.sums(it.t, it.user.as_deref());
        let (most_actions, most_amount) = if strict { (4, 35_000_000) } else { (6, 60_000_000) };
        if it.code == Code::Limit && reason.starts_with("`actions per 10s`") {
            assert!(
                actions >= most_actions,
                "seed {seed}: {at} denied at {actions} of {most_actions}: {reason}"
            );
        }
        if it.code == Code::Limit && reason.starts_with("`args.amount per 1m") {
            // Within the 50 that a rule allows at most.
            assert!(amount + 50_000_000 > most_amount, "seed {seed}: {at} denied at {amount}: {reason}");
        }
        if it.code == Code::Budget && reason.starts_with("`usd per 20s") {
            assert!(usd + it.cost.0 > 4_000_000, "seed {seed}: {at} denied at {usd}: {reason}");
        }
        if it.code == Code::AgentDisabled {
            assert!(!self.enabled[&it.agent], "seed {seed}: {at} denied to an enabled agent");
        }
    }
}
