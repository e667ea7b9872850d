//! What an action would do: effects and amounts, from the tool's declaration and the action's arguments.
//!
//! Pure, and without any policy: a fact is a fact whatever the rules make of it. Effects come from what
//! the tool declares and from the roles of its arguments; resources are named as the argument names them.

pub mod code;
mod hit;
pub mod injection;
pub mod net;
pub mod path;
mod place;
pub mod personal;
pub mod secret;
pub mod shell;
pub mod sql;
mod surroundings;
pub mod text;

pub use hit::Hit;
pub use surroundings::Surroundings;
use verdict::{Action, Effect, Facts, Json, Micros, Role, Target, Tool};

/// Finds out what `action` would do. `tool` is the policy's declaration, if there is one.
///
/// What is declared as money and is missing, negative, not a number or larger than any amount makes the
/// action invalid: [`Facts::problem`] says why, in a sentence for the agent.
pub fn inspect(action: &Action, tool: Option<&Tool>) -> Facts {
    let Some(tool) = tool else {
        return Facts { cost: action.estimate().unwrap_or_default(), ..Facts::default() };
    };
    let mut facts = Facts {
        cost: action.estimate().unwrap_or_default().max(tool.price),
        yields: tool.yields.clone(),
        ..Facts::default()
    };
    facts.effects.extend(tool.effects.iter().cloned());
    for (path, role) in &tool.roles {
        match role {
            Role::Money => money(action, path, &mut facts),
            Role::Named(kind) => named(action, path, kind, &mut facts),
        }
    }
    let worst = facts.effects.iter().map(|effect| effect.risk).max().unwrap_or_default();
    facts.risk = tool.risk.unwrap_or(worst);
    facts
}

fn money(action: &Action, path: &[String], facts: &mut Facts) {
    let name = format!("args.{}", path.join("."));
    let found = match action.args().at(path) {
        None => Err(format!("`{name}` is missing; `{}` needs an amount there", action.tool())),
        Some(json) => Micros::from_json(json).map_err(|why| format!("`{name}`: {why}")),
    };
    match found {
        Ok(amount) => facts.amounts.push((path.to_vec(), amount)),
        Err(why) => facts.problem = facts.problem.take().or(Some(why)),
    }
}

/// Roles that name an effect directly (`fs.write`) give that effect; the others give the effect of what
/// they carry.
fn named(action: &Action, path: &[String], role: &str, facts: &mut Facts) {
    let kind = match role {
        "shell" => "process.exec",
        "code" | "python" => "code.run",
        // What a query does is not known before it is parsed: it counts as the worst that it may do.
        "sql" => "sql.schema",
        "url" | "net" => "net.connect",
        "secret" => "secret.read",
        role if role.contains('.') => role,
        // `recipient` and the like say who, not what: the tool's own effects say what.
        _ => return,
    };
    let texts: Vec<&Json> = match action.args().at(path) {
        None => return,
        Some(Json::List(items)) => items.iter().collect(),
        Some(one) => vec![one],
    };
    for text in texts {
        let target = match text {
            Json::Str(text) => Target::Named(text.clone()),
            _ => Target::Unknown,
        };
        facts.effects.push(Effect::named(kind, target));
    }
}
