//! What an action would do, and what a text contains.
//!
//! Pure, and without any policy: a fact is a fact whatever the rules make of it. Effects come from what a tool
//! declares and from the parsers that read its arguments; findings come from detectors that read texts. What
//! cannot be told is said to be unknown, and never left out.

pub mod bits;
pub mod code;
mod glance;
mod hit;
mod infer;
pub mod injection;
pub mod net;
pub mod path;
pub mod personal;
mod place;
pub mod redact;
mod roles;
pub mod scan;
pub mod secret;
pub mod shell;
pub mod sql;
mod surroundings;
pub mod text;
pub mod trace;

pub use hit::Hit;
pub use infer::{Proposal, infer};
pub use roles::{connections as reached, files as touched};
pub use surroundings::Surroundings;
use verdict::{Action, Effect, Facts, Target, Tool};

/// Finds out what `action` would do. `tool` is the policy's declaration, if there is one; `around` is what is
/// known of where it runs.
///
/// What has the wrong shape for its role, and what is declared as money and is missing, negative, not a number or
/// larger than any amount, makes the action invalid: [`Facts::problem`] says why, in a sentence for the agent.
pub fn inspect(action: &Action, tool: Option<&Tool>, around: &Surroundings) -> Facts {
    let estimate = action.estimate().unwrap_or_default();
    let Some(tool) = tool else { return Facts { cost: estimate, ..Facts::default() } };
    let mut facts = Facts {
        effects: tool.effects.iter().cloned().map(somewhere).collect(),
        cost: estimate.max(tool.price),
        yields: tool.yields.clone(),
        cwd: around.cwd.clone(),
        ignores_case: around.ignores_case,
        ..Facts::default()
    };
    roles::read(action, tool, around, &mut facts);
    let worst = facts.effects.iter().map(|effect| effect.risk).max().unwrap_or_default();
    facts.risk = tool.risk.unwrap_or(worst);
    // Arguments that are none of the tool's are the first thing to say, whatever else was seen in them.
    facts.problem = tool.refuses(action.args()).or(facts.problem);
    facts
}

/// A tool that is declared to read tables reads some, and the declaration does not say which.
fn somewhere(effect: Effect) -> Effect {
    match effect.target {
        Target::None if effect.kind.starts_with("sql.") => Effect { target: Target::Unknown, ..effect },
        _ => effect,
    }
}
