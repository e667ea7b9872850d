//! What an action takes of the limits that count it.
//!
//! Answerable for amounts before the outcome is known, and for the limits of a single call. Looks at no counter.

use std::sync::Arc;

use super::{Case, Code, Denial};
use crate::limit::{Charge, Limit, Meter, Window};
use crate::money::Micros;
use crate::policy::Agent;
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
        claims.push(Claim { charge, max: limit.max, label: Arc::clone(&limit.label) });
    }
    Ok(claims)
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
