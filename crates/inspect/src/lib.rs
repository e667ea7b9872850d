//! What an action would do: effects and amounts, from the tool's declaration and the action's arguments.
//!
//! Pure, and without any policy: a fact is a fact whatever the rules make of it. Effects come from what
//! the tool declares and from the roles of its arguments; resources are named as the argument names them.

use verdict::{Action, EffectFact, Facts, Json, Micros, Risk, Role, Tool};

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
    facts.effects.extend(tool.effects.iter().map(|kind| EffectFact { kind: kind.clone(), resource: None }));
    for (path, role) in &tool.roles {
        match role {
            Role::Money => money(action, path, &mut facts),
            Role::Named(kind) => named(action, path, kind, &mut facts),
        }
    }
    let worst = facts.effects.iter().map(|effect| risk_of(&effect.kind)).max().unwrap_or_default();
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
        let resource = match text {
            Json::Str(text) => Some(verdict::short(text)),
            _ => None,
        };
        facts.effects.push(EffectFact { kind: kind.to_owned(), resource });
    }
}

/// The risk of an effect where nobody says otherwise.
fn risk_of(kind: &str) -> Risk {
    match kind {
        "fs.delete" | "sql.schema" => Risk::Critical,
        "payment" | "process.exec" | "code.run" | "message.send" | "secret.read" => Risk::High,
        "fs.write" | "sql.write" | "net.connect" => Risk::Medium,
        _ => Risk::Low,
    }
}
