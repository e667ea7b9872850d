//! From a tool's declaration and a call's arguments to effects: which parser reads which argument.
//!
//! Answerable for every value under a role being read or counted against the action: a value of the wrong shape
//! makes it invalid, and what cannot be told is [`Target::Unknown`]. The parsers know their language; this knows
//! what an argument is for.

use std::borrow::Cow;

use verdict::{Action, Effect, Facts, Json, Micros, Role, Target, Tool};

use crate::{Surroundings, code, net, path, shell, sql};

/// Adds what the roles of the arguments say to what the tool declares.
pub(crate) fn read(action: &Action, tool: &Tool, around: &Surroundings, facts: &mut Facts) {
    let mut found = Vec::new();
    let mut missing: Vec<(&str, String)> = Vec::new();
    for (keys, role) in &tool.roles {
        let mut places = Vec::new();
        values(action.args(), keys, String::new(), &mut places);
        match role {
            Role::Money => money(action, keys, facts),
            Role::Named(role) if places.is_empty() => missing.push((role, pointer(keys))),
            Role::Named(role) => {
                for (place, value) in places {
                    match effects(role, value, tool, around) {
                        Ok(effects) => {
                            found.extend(
                                effects.into_iter().map(|effect| Effect { place: place.clone(), ..effect }),
                            );
                        }
                        Err(why) => {
                            let why = format!("`args{}` {why}", place.replace('/', "."));
                            facts.problem = facts.problem.take().or(Some(why));
                        }
                    }
                }
            }
        }
    }
    // Optional arguments are left out all the time. A call that names nothing at all of what its tool works on
    // works on something that nobody was told.
    if found.is_empty() {
        for (role, place) in missing {
            found.extend(
                kind_of(role, tool).map(|kind| Effect { place, ..Effect::named(&kind, Target::Unknown) }),
            );
        }
    }
    // What an argument names is what the tool's own effect is done to.
    facts.effects.retain(|declared| !found.iter().any(|effect: &Effect| effect.kind == declared.kind));
    facts.effects.extend(found);
}

/// Every value at the end of a path of keys, with its place. A list stands for each of its items: under `*`, under
/// the name of something in them, and as the last step.
fn values<'j>(json: &'j Json, keys: &[String], place: String, found: &mut Vec<(String, &'j Json)>) {
    let Some((key, rest)) = keys.split_first() else {
        match json {
            Json::Null => (),
            _ => found.push((place, json)),
        }
        return;
    };
    match json {
        Json::Map(map) => {
            if let Some(value) = map.get(key) {
                let place = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
                values(value, rest, place, found);
            }
        }
        Json::List(items) => {
            let chosen = key.parse::<usize>().ok();
            for (n, item) in items.iter().enumerate() {
                let rest = if key == "*" || chosen.is_some() { rest } else { keys };
                if chosen.is_none_or(|chosen| chosen == n) {
                    values(item, rest, format!("{place}/{n}"), found);
                }
            }
        }
        _ => (),
    }
}

fn pointer(keys: &[String]) -> String {
    keys.iter().fold(String::new(), |at, key| at + "/" + &key.replace('~', "~0").replace('/', "~1"))
}

fn money(action: &Action, keys: &[String], facts: &mut Facts) {
    let name = format!("args.{}", keys.join("."));
    let found = match action.args().at(keys) {
        None => Err(format!("`{name}` is missing; `{}` needs an amount there", action.tool())),
        Some(json) => Micros::from_json(json).map_err(|why| format!("`{name}`: {why}")),
    };
    match found {
        Ok(amount) => facts.amounts.push((keys.to_vec(), amount)),
        Err(why) => facts.problem = facts.problem.take().or(Some(why)),
    }
}

/// The effect that a role stands for where its argument is not there; none for roles that only describe.
fn kind_of(role: &str, tool: &Tool) -> Option<Cow<'static, str>> {
    let kind = match role {
        "shell" | "command" => "process.exec",
        "code" | "python" | "javascript" => "code.run",
        "sql" => "sql.unknown",
        "url" | "net" | "host" => "net.connect",
        "secret" => "secret.read",
        "path" => return Some(kinds_of_path(tool).into_iter().next().unwrap_or(Cow::Borrowed("fs.write"))),
        role if role.contains('.') => return Some(Cow::Owned(role.to_owned())),
        _ => return None,
    };
    Some(Cow::Borrowed(kind))
}

/// What a tool with a plain `path` does to it: what it declares, else the worst that is usual.
fn kinds_of_path(tool: &Tool) -> Vec<Cow<'static, str>> {
    let declared: Vec<_> =
        tool.effects.iter().map(|it| it.kind.clone()).filter(|kind| kind.starts_with("fs.")).collect();
    if declared.is_empty() { vec![Cow::Borrowed("fs.write")] } else { declared }
}

/// What one value under a role means. The error completes `args.x ...`.
fn effects(role: &str, value: &Json, tool: &Tool, around: &Surroundings) -> Result<Vec<Effect>, String> {
    let texts = match (role, value) {
        // Words that no shell will read: each is what it is.
        ("shell" | "command", Json::List(words)) => vec![quoted(words)?],
        (_, Json::List(items)) => items.iter().map(text).collect::<Result<Vec<_>, _>>()?,
        (_, one) => vec![text(one)?],
    };
    let dialect = tool.dialect.as_deref().and_then(sql::Dialect::from_name).unwrap_or_default();
    Ok(texts
        .iter()
        .flat_map(|text| match role {
            "shell" | "command" => shell::effects(text, around),
            "sql" => sql::effects(text, dialect),
            "code" | "python" => code::effects(text, code::Language::Python, around),
            "javascript" => code::effects(text, code::Language::JavaScript, around),
            "url" | "net" | "host" => connections(text, around),
            "path" => kinds_of_path(tool).iter().flat_map(|kind| files(kind, text, around)).collect(),
            kind if kind.starts_with("fs.") => files(kind, text, around),
            "secret" => vec![Effect::new("secret.read", Target::Named(text.to_string()))],
            "recipient" => recipients(tool, text),
            kind if kind.contains('.') => vec![Effect::named(kind, Target::Named(text.to_string()))],
            _ => Vec::new(),
        })
        .collect())
}

fn text(json: &Json) -> Result<Cow<'_, str>, String> {
    match json {
        Json::Str(text) => Ok(Cow::Borrowed(text)),
        other => Err(format!("must be a text, not {}", other.kind())),
    }
}

/// A list of words as the one command line that a shell would read as these very words.
fn quoted(words: &[Json]) -> Result<Cow<'_, str>, String> {
    let mut line = String::new();
    for word in words {
        let word = text(word)?;
        line.push_str(if line.is_empty() { "'" } else { " '" });
        line.push_str(&word.replace('\'', r"'\''"));
        line.push('\'');
    }
    Ok(Cow::Owned(line))
}

/// Each place that a path may mean.
pub fn files(kind: &str, text: &str, around: &Surroundings) -> Vec<Effect> {
    match path::targets(text, around) {
        Ok(targets) => targets.into_iter().map(|it| Effect::named(kind, Target::Path(it))).collect(),
        Err(why) => vec![Effect::named(kind, Target::Unknown).noting(why)],
    }
}

/// Each host that a URL may mean. A `file:` URL is a path, and no host that a boundary of hosts could admit.
pub fn connections(text: &str, around: &Surroundings) -> Vec<Effect> {
    match net::reached(text) {
        Ok(reached) => reached
            .into_iter()
            .flat_map(|it| match it {
                net::Reached::Host(host) => vec![net::connect(host)],
                net::Reached::File(path) => {
                    let mut effects = files("fs.read", &path, around);
                    let nowhere = Effect::new("net.connect", Target::Unknown);
                    effects.push(nowhere.noting("the address is a file of this machine"));
                    effects
                }
                net::Reached::Inline => Vec::new(),
            })
            .collect(),
        Err(why) => vec![Effect::new("net.connect", Target::Unknown).noting(why)],
    }
}

/// Who gets what the tool sends.
fn recipients(tool: &Tool, text: &str) -> Vec<Effect> {
    let sends = |kind: &str| matches!(kind, "message.send" | "payment");
    tool.effects
        .iter()
        .filter(|declared| sends(&declared.kind))
        .map(|declared| Effect { target: Target::Named(text.to_owned()), ..declared.clone() })
        .collect()
}
