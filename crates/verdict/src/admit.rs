//! Admission: a verdict held against the books.
//!
//! What `decide` cannot know is looked at here, at one instant and in one order: kill switch, idempotency
//! key, approval, limits. The result is the record to be written; nothing has happened before it is.

use std::sync::Arc;

use crate::action::{Definition, hex, short};
use crate::books::{Approval, Books, LockState, Standing, lock_id, short_digest};
use crate::decide::{Ask, Case, Claim, Code, Denial, Permit, Verdict};
use crate::limit::{CounterName, Micro, duration};
use crate::policy::{Mode, Terms};
use crate::record::{Answer, Asks, Decided, Index, MeterKind};

/// A decision that is ready to be recorded, and what the answer says beyond the record.
#[derive(Debug)]
pub(crate) struct Ruled {
    pub(crate) decided: Box<Decided>,
    pub(crate) retry_after: Option<i64>,
    pub(crate) conflict: bool,
    pub(crate) remaining: Vec<Remaining>,
}

/// What is left of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The limit's name.
    pub label: Arc<str>,
    /// How much: millionths for money and arguments.
    pub left: i64,
    /// What is counted.
    pub meter: MeterKind,
}

/// Holds a verdict against the books as they stand at `now`.
pub(crate) fn admit(books: &Books, verdict: &Verdict, now: Micro) -> Ruled {
    let case = verdict.case();
    let found = disabled(books, case)
        .or_else(|| unaccepted(books, case).filter(|_| !observed(verdict)))
        .map(Found::Denied)
        .or_else(|| key_holder(books, verdict, now))
        .unwrap_or_else(|| match verdict {
            Verdict::Deny(refused) => Found::Denied(refused.denial().clone()),
            Verdict::Permit(permit) => permitted(books, permit, now),
            Verdict::Ask(ask) => asked(books, ask, now),
        });
    rule(books, verdict, found, now)
}

/// What the books make of a verdict.
enum Found {
    Allowed {
        approval: Option<Index>,
        would: Option<Denial>,
        remaining: Vec<Remaining>,
    },
    Denied(Denial),
    /// A new question.
    Question(Terms),
    /// A question that is still open, or answered and not used.
    StillAsked(Index, Standing),
    /// The idempotency key is taken: by whom, and whether for another action.
    Taken {
        by: Index,
        code: Code,
        conflict: bool,
    },
}

fn disabled(books: &Books, case: &Case) -> Option<Denial> {
    let state = books.agent(case.action.agent()).filter(|state| !state.enabled)?;
    let why = state.reason.as_deref().unwrap_or("no reason was given");
    Some(Denial::new(
        Code::AgentDisabled,
        format!("agent `{}` was disabled by {}: {why}", state.agent, state.by),
    ))
}

/// A tool whose definition nobody accepted is not the tool that the rules speak of.
fn unaccepted(books: &Books, case: &Case) -> Option<Denial> {
    let action = &case.action;
    let Definition { server, hash, .. } = action.definition()?;
    let tool = action.tool();
    let no = |reason| Some(Denial::new(Code::UnknownTool, reason));
    let Some(hash) = hash else {
        return no(format!(
            "the server `{}` does not list a tool `{tool}`, or not in a form that can be read",
            short(server)
        ));
    };
    match books.pin(server, tool) {
        Some(pin) if pin.accepted == hex(hash) => None,
        Some(_) => no(format!(
            "the definition of `{tool}` changed since it was first seen; run `portcullis tools accept '{server}' {tool}` to accept it"
        )),
        None => no(format!("the definition of `{tool}` is not on record yet; list the tools again")),
    }
}

fn observed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Permit(permit) if permit.mode() == Mode::Observe)
}

fn key_holder(books: &Books, verdict: &Verdict, now: Micro) -> Option<Found> {
    let action = &verdict.case().action;
    let lock = books.lock(&lock_id(action.realm(), action.agent(), action.key()?))?;
    let same = lock.digest == short_digest(&action.digest().hex());
    let taken = |code, conflict| Some(Found::Taken { by: lock.of, code, conflict });
    match lock.state {
        LockState::InFlight => taken(Code::InProgress, !same),
        LockState::Done => taken(Code::Duplicate, !same),
        LockState::Pending => {
            let question = books.approval(lock.of)?;
            let standing = question.standing(now);
            if !matches!(standing, Standing::Pending | Standing::Approved) {
                // A question that is over holds nobody back.
                return None;
            }
            if !same || question.user.as_deref() != action.user() {
                return taken(Code::InProgress, true);
            }
            // Under another policy the question can lead nowhere: the action is decided anew, and takes the key.
            let ours = action.approval() == Some(lock.of) || question.policy != *verdict.policy();
            (!ours).then_some(Found::StillAsked(lock.of, standing))
        }
    }
}

fn permitted(books: &Books, permit: &Permit, now: Micro) -> Found {
    match within_limits(books, permit.claims(), now) {
        (Some(denial), _) if permit.mode() == Mode::Enforce => Found::Denied(denial),
        (over, remaining) => {
            let unaccepted = unaccepted(books, permit.case());
            let would = permit.would().cloned().or(unaccepted).or(over);
            Found::Allowed { approval: None, would, remaining }
        }
    }
}

fn asked(books: &Books, ask: &Ask, now: Micro) -> Found {
    let permit = ask.permit();
    let (over, remaining) = within_limits(books, permit.claims(), now);
    if let Some(denial) = over {
        return Found::Denied(denial);
    }
    let action = &permit.case().action;
    let question = action.approval().and_then(|id| Some((id, books.approval(id)?)));
    let Some((id, approval)) = question.filter(|(_, approval)| is_for(approval, permit)) else {
        return Found::Question(ask.terms().clone());
    };
    let rule = permit.rule().cloned();
    match approval.standing(now) {
        Standing::Approved if approval.used.is_some() => Found::Question(ask.terms().clone()),
        Standing::Approved => Found::Allowed { approval: Some(id), would: None, remaining },
        Standing::Pending => Found::StillAsked(id, Standing::Pending),
        Standing::Denied => {
            let no = approval.answers.iter().find(|answer| !answer.approve);
            let who = no.map_or("someone", |answer| answer.by.as_str());
            let said =
                no.and_then(|answer| answer.message.as_deref()).map(|m| format!(": {m}")).unwrap_or_default();
            Found::Denied(Denial {
                rule,
                ..Denial::new(Code::ApprovalDenied, format!("{who} said no{said}"))
            })
        }
        Standing::Expired => {
            let reason = format!("approval `apr_{id}` has expired; ask again without it");
            Found::Denied(Denial { rule, ..Denial::new(Code::ApprovalExpired, reason) })
        }
        Standing::Cancelled => {
            let reason = format!("approval `apr_{id}` was withdrawn; ask again without it");
            Found::Denied(Denial { rule, ..Denial::new(Code::ApprovalDenied, reason) })
        }
    }
}

/// True if the approval was asked for exactly this: anything that moved between the question and now makes it
/// an answer to something else.
fn is_for(approval: &Approval, permit: &Permit) -> bool {
    approval.is_about(&permit.case().action)
        && approval.policy == *permit.policy()
        && approval.rule.as_ref() == permit.rule()
}

/// Why the action does not fit its limits, if it does not, and what would be left of each after it.
fn within_limits(books: &Books, claims: &[Claim], now: Micro) -> (Option<Denial>, Vec<Remaining>) {
    let mut worst: Option<Denial> = None;
    let mut remaining = Vec::with_capacity(claims.len());
    for claim in claims {
        if let Some((cooldown, running)) = &claim.breaker {
            worst = worst.or(is_down(books, claim, *cooldown, running, now));
            continue;
        }
        // What only a breaker looks at has no maximum.
        if claim.max == i64::MAX {
            continue;
        }
        // A breaker opens when its count is reached; anything else when the action would exceed it.
        let needs = match claim.charge.meter {
            MeterKind::Failures | MeterKind::FailuresInARow => 1,
            _ => claim.charge.amount,
        };
        let counter = &claim.charge.counter;
        let counted = books.counted(counter, now);
        let left = claim.max.saturating_sub(counted.saturating_add(claim.charge.amount)).max(0);
        remaining.push(Remaining { label: Arc::clone(&claim.label), left, meter: claim.charge.meter });
        if counted.saturating_add(needs) <= claim.max {
            continue;
        }
        let free = match claim.charge.meter {
            // Most calls end long before they stop to count.
            MeterKind::InFlight => Some(PROBING),
            _ => books.free_in(counter, now, needs, claim.max),
        };
        let denial =
            Denial { retry_after: free, ..Denial::new(claim.charge.meter.code(), too_much(claim, counted)) };
        let longer = |it: &Denial| it.retry_after.is_some_and(|a| free.is_none_or(|b| b > a));
        if worst.as_ref().is_none_or(longer) {
            worst = Some(denial);
        }
    }
    (worst, remaining)
}

/// Why a tool is not called while it is down. Once it has cooled down one call may try; the others wait for its end.
fn is_down(
    books: &Books,
    claim: &Claim,
    cooldown: Micro,
    running: &CounterName,
    now: Micro,
) -> Option<Denial> {
    let counter = &claim.charge.counter;
    let failed = books.counted(counter, now);
    if failed < claim.max {
        return None;
    }
    let free = books.newest(counter).unwrap_or(now).saturating_add(cooldown).saturating_sub(now);
    let (label, seconds) = (&claim.label, duration(cooldown));
    if free > 0 {
        let reason = format!(
            "`{label}` is open: {failed} calls in a row have failed; one may try {seconds} after the last"
        );
        return Some(Denial { retry_after: Some(free), ..Denial::new(Code::BreakerOpen, reason) });
    }
    if books.counted(running, now) > 0 {
        let reason =
            format!("`{label}` is half open: {failed} calls in a row have failed, and another one is trying");
        return Some(Denial { retry_after: Some(PROBING), ..Denial::new(Code::BreakerOpen, reason) });
    }
    None
}

/// When to look again while one call tries whether a tool is up.
const PROBING: Micro = 1_000_000;

fn too_much(claim: &Claim, counted: i64) -> String {
    let (label, max) = (&claim.label, claim.charge.meter.show(claim.max));
    let counted_text = claim.charge.meter.show(counted);
    match claim.charge.meter {
        MeterKind::Failures | MeterKind::FailuresInARow => {
            format!("`{label}` is at most {max}, and {counted_text} have been reported")
        }
        MeterKind::InFlight => format!("`{label}` are at most {max}, and {counted_text} are under way"),
        MeterKind::Actions => format!("`{label}` is at most {max}, and {counted_text} have been allowed"),
        _ => format!(
            "`{label}` is at most {max}; {counted_text} is taken, and this would take {}",
            claim.charge.meter.show(claim.charge.amount)
        ),
    }
}

/// Puts the record together.
fn rule(books: &Books, verdict: &Verdict, found: Found, now: Micro) -> Ruled {
    let mut ruled = blank(verdict, now);
    let decided = &mut ruled.decided;
    match found {
        Found::Denied(denial) => {
            decided.code = denial.code;
            decided.rule = denial.rule;
            decided.reason = Some(denial.reason);
            ruled.retry_after = denial.retry_after;
        }
        Found::Allowed { approval, would, remaining } => {
            let permit = match verdict {
                Verdict::Permit(permit) => Some(permit),
                Verdict::Ask(ask) => Some(ask.permit()),
                Verdict::Deny(_) => None,
            };
            // A denied verdict is never found allowed; were it so, the blank record still denies.
            let Some(permit) = permit else { return ruled };
            ruled.remaining = remaining;
            allow(decided, permit);
            decided.approval = approval;
            decided.code = if approval.is_some() { Code::Approved } else { Code::Allowed };
            if let Some(would) = would {
                decided.would = Some(would.code);
                decided.rule = would.rule;
                decided.reason = Some(format!("observed only; it would have been stopped: {}", would.reason));
            }
        }
        Found::Question(terms) => {
            let Verdict::Ask(ask) = verdict else { return ruled };
            let timeout = i64::try_from(terms.timeout_ms).unwrap_or(i64::MAX).saturating_mul(1000);
            decided.decision = Answer::Pending;
            decided.code = Code::ApprovalRequired;
            decided.rule = ask.permit().rule().cloned();
            decided.reason = Some(ask.reason().to_owned());
            let expires = now.saturating_add(timeout);
            decided.asks = Some(Asks { terms, people: ask.people().to_vec(), expires });
        }
        Found::StillAsked(id, standing) => still_asked(decided, books, id, standing),
        Found::Taken { by, code, conflict } => {
            decided.code = code;
            decided.duplicate_of = Some(by);
            ruled.conflict = conflict;
            decided.reason = Some(match (conflict, code) {
                (true, _) => format!("its idempotency key was used for another action, by dec_{by}"),
                (false, Code::InProgress) => format!("dec_{by} is already carrying it out"),
                (false, _) => format!("dec_{by} has already carried it out"),
            });
        }
    }
    ruled
}

fn still_asked(decided: &mut Decided, books: &Books, id: Index, standing: Standing) {
    decided.decision = Answer::Pending;
    decided.code = Code::ApprovalRequired;
    decided.approval = Some(id);
    decided.duplicate_of = Some(id);
    decided.rule = books.approval(id).and_then(|it| it.rule.clone());
    decided.reason = Some(match standing {
        Standing::Approved => format!("it was approved; repeat the check with approval_id `apr_{id}`"),
        _ => format!("approval `apr_{id}` still waits for an answer"),
    });
}

fn allow(decided: &mut Decided, permit: &Permit) {
    decided.decision = Answer::Allow;
    decided.rule = permit.rule().cloned();
    decided.charges = permit.claims().iter().map(|claim| claim.charge.clone()).collect();
    decided.until = permit.case().action.takes().map(|takes| decided.t.saturating_add(takes));
}

/// The record of a denial that gives no reason yet: what is not said otherwise is denied.
fn blank(verdict: &Verdict, now: Micro) -> Ruled {
    let Case { action, facts } = verdict.case();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let mode = match verdict {
        Verdict::Permit(permit) => permit.mode(),
        _ => Mode::Enforce,
    };
    let decided = Box::new(Decided {
        t: now,
        decision: Answer::Deny,
        code: Code::Unavailable,
        agent: action.agent().to_owned(),
        tool: action.tool().to_owned(),
        rule: None,
        reason: None,
        policy: verdict.policy().clone(),
        risk: facts.risk,
        mode,
        would: None,
        realm: action.realm(),
        user: owned(action.user()),
        session: owned(action.session()),
        step: owned(action.step()),
        environment: owned(action.environment()),
        key: owned(action.key()),
        digest: action.digest().hex(),
        effects: facts.worst_effects(),
        findings: facts.worst_findings(),
        charges: Vec::new(),
        cost: facts.cost,
        yields: facts.yields.clone(),
        asks: None,
        approval: None,
        until: None,
        duplicate_of: None,
        by: owned(action.by()),
    });
    Ruled { decided, retry_after: None, conflict: false, remaining: Vec::new() }
}
