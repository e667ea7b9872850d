//! What an action takes of the limits that count it.
//!
//! Answerable for amounts before the outcome is known, and for the limits of a single call. Looks at no counter.

use std::sync::Arc;

use super::{Case, Code, Denial};
use crate::endpoint::Strain;
use crate::limit::{Charge, CounterName, Limit, Meter, Micro, Window};
use crate::money::Micros;
use crate::policy::{Agent, Tool};
use crate::record::MeterKind;

/// What an action would take of one limit, and how much there may be.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The counter and amount.
    pub charge: Charge,
    /// The most there may be.
    pub max: i64,
    /// The limit's name.
    pub label: Arc<str>,
    /// For a breaker: how long it stays open, and the counter of what is under way.
    pub breaker: Option<(Micro, CounterName)>,
}

/// What the action takes of each of `limits`; the error says which limit it can never keep to.
pub(super) fn claims(agent: &Agent, limits: &[u32], case: &Case) -> Result<Vec<Claim>, Denial> {
    let mut claims = Vec::with_capacity(limits.len());
    for limit in limits.iter().filter_map(|at| agent.limit(*at)) {
        let amount = amount(limit, case).map_err(|why| Denial::new(Code::InvalidAction, why))?;
        if limit.window == Window::Call {
            if amount > limit.max {
                return Err(too_much_for_a_call(limit, amount));
            }
            continue;
        }
        let window = if let Window::Sliding(micros) = limit.window { micros } else { 0 };
        let action = &case.action;
        let counter = limit.counter_of(action.realm(), &action.who());
        let charge = Charge { counter, amount, window, meter: MeterKind::of(&limit.meter) };
        claims.push(Claim { charge, max: limit.max, label: Arc::clone(&limit.label), breaker: None });
    }
    Ok(claims)
}

/// So much longer than its time limit a call counts as under way, if nobody says that it has ended.
const SLACK: Micro = 10_000_000;
/// How long a call counts as under way where the gate does not carry it out, and nobody says that it has ended.
const UNSAID: Micro = 120_000_000;
/// A failure counts as one in a row for so long, and for so many cooldowns.
const IN_A_ROW: Micro = 600_000_000;

/// What the action takes of the tool's own limits, which count for all agents together.
pub(super) fn of_tool(agent: &Agent, tool: &Tool, case: &Case) -> Vec<Claim> {
    let strain = tool.strain;
    if strain == Strain::default() {
        return Vec::new();
    }
    let realm = case.action.realm().as_str();
    let of = if agent.own_tool(&tool.name).is_some() { format!("|{}", agent.id()) } else { String::new() };
    let counter = |what: &str| -> CounterName { format!("{realm}|{what}|{}{of}", tool.name).into() };
    let running = counter("in flight");
    let micros = |it: &std::sync::Arc<crate::endpoint::Endpoint>| {
        i64::try_from(it.timeout_ms).unwrap_or(i64::MAX).saturating_mul(1000).saturating_add(SLACK)
    };
    let window = tool.endpoint.as_ref().map_or(UNSAID, micros);
    let mut claims = vec![Claim {
        charge: Charge { counter: running.clone(), amount: 1, window, meter: MeterKind::InFlight },
        max: if strain.max_in_flight > 0 { strain.max_in_flight } else { i64::MAX },
        label: format!("calls of {} at once", tool.name).into(),
        breaker: None,
    }];
    if strain.failures > 0 {
        let window = strain.cooldown.saturating_mul(4).max(IN_A_ROW);
        claims.push(Claim {
            charge: Charge { counter: counter("breaker"), amount: 0, window, meter: MeterKind::Breaker },
            max: strain.failures,
            label: format!("breaker of {}", tool.name).into(),
            breaker: Some((strain.cooldown, running)),
        });
    }
    claims
}

fn too_much_for_a_call(limit: &Limit, amount: i64) -> Denial {
    let kind = MeterKind::of(&limit.meter);
    let reason = format!(
        "`{}` is at most {}, and this call would take {}",
        limit.label,
        kind.show(limit.max),
        kind.show(amount)
    );
    Denial::new(kind.code(), reason)
}

/// How much of a limit the action takes before its outcome is known.
fn amount(limit: &Limit, case: &Case) -> Result<i64, String> {
    match &limit.meter {
        Meter::Actions => Ok(1),
        Meter::Usd => Ok(case.facts.cost.0),
        Meter::Tokens => Ok(case.action.tokens().unwrap_or(0)),
        Meter::Failures { .. } => Ok(0),
        Meter::Argument(path) => {
            if let Some((_, amount)) = case.facts.amounts.iter().find(|(at, _)| at == path) {
                return Ok(amount.0);
            }
            let name = format!("args.{}", path.join("."));
            match case.action.args().at(path) {
                None => Err(format!("`{name}` is missing, and the limit `{}` counts it", limit.label)),
                Some(json) => Micros::from_json(json).map(|m| m.0).map_err(|why| format!("`{name}`: {why}")),
            }
        }
    }
}
