//! Tools that are registered over an API: an edit of the policy, and their secrets sealed.
//!
//! Answerable for one form of a tool, the policy's own, whoever registers it; and for a secret that is sent along
//! being stored before the tool is in force that needs it. What is wrong with a tool the policy's reader says.

use serde_json::{Map, Value};
use verdict::{PolicyVersion, check_name, short};

use super::sealed::{NotStored, Store};
use crate::policy_edit::{self, Editing, Tree, Unedited};

/// For whom a tool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every agent.
    Global,
    /// This agent alone.
    Agent(String),
}

/// Why nothing was registered or removed.
#[derive(Debug)]
pub enum NotRegistered {
    /// What was sent is no tool; a sentence.
    Odd(String),
    /// There is no such tool, or no such agent.
    NotFound(String),
    /// A secret could not be stored.
    Secret(NotStored),
    /// The policy could not be edited.
    Policy(Unedited<String>),
}

impl Scope {
    /// Reads `global` or `agent:ID`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "global" => Ok(Self::Global),
            Some(("agent", id)) if check_name("scope", id, "._-:@").is_ok() => Ok(Self::Agent(id.to_owned())),
            _ => Err(format!("`scope` is `{}`; it is `global`, or `agent:` and the agent's id", short(text))),
        }
    }

    /// As it is written.
    pub fn text(&self) -> String {
        match self {
            Self::Global => "global".to_owned(),
            Self::Agent(id) => format!("agent:{id}"),
        }
    }

    /// Where its tools stand in a policy.
    pub fn path<'p>(&'p self, name: &'p str) -> Vec<&'p str> {
        match self {
            Self::Global => vec!["tools", name],
            Self::Agent(id) => vec!["agents", id, "tools", name],
        }
    }

    /// The name under which the secret of its tool is stored.
    pub fn secret(&self, name: &str) -> String {
        let name = name.replace('/', ":");
        match self {
            Self::Global => format!("tool.{name}"),
            Self::Agent(id) => format!("tool.{name}@{id}"),
        }
    }
}

/// Puts a tool in force, in place of one of the same name and scope. `keys` are those of a tool in the policy; besides,
/// `auth` may be `{type, secret, name?}`, and the secret is then stored. What the old one says of arguments, effects and
/// labels is kept where the new one does not say it.
pub async fn put(
    editing: &Editing<'_>,
    store: &Store,
    (scope, name): (&Scope, &str),
    mut keys: Map<String, Value>,
) -> Result<PolicyVersion, NotRegistered> {
    check_name("name", name, "._-:@/").map_err(|odd| NotRegistered::Odd(odd.to_string()))?;
    if let Some(auth) = keys.get_mut("auth")
        && let Some(secret) = inline(auth, &scope.secret(name)).map_err(NotRegistered::Odd)?
    {
        store.put(&scope.secret(name), &secret, editing.by).await.map_err(NotRegistered::Secret)?;
    }
    let tool = Tree::from(&keys);
    let edited = policy_edit::edit(editing, |document| {
        known(document, scope)?;
        let path = scope.path(name);
        let mut tool = tool.clone();
        if let (Some(before), Tree::Map(entries)) = (document.get(&path), &mut tool) {
            for kept in ["args", "effects", "yields", "risk", "restores", "dialect"] {
                if let (Some(value), false) = (before.get(kept), keys.contains_key(kept)) {
                    entries.push((kept.to_owned(), value.clone()));
                }
            }
        }
        document.set(&path, tool)
    });
    edited.await.map(|it| it.version).map_err(NotRegistered::Policy)
}

/// Switches a tool on or off.
pub async fn enable(
    editing: &Editing<'_>,
    (scope, name): (&Scope, &str),
    enabled: bool,
) -> Result<PolicyVersion, NotRegistered> {
    let path = [scope.path(name), vec!["enabled"]].concat();
    change(editing, (scope, name), |document| match enabled {
        true => {
            document.remove(&path);
            Ok(())
        }
        false => document.set(&path, Tree::plain(false)),
    })
    .await
}

/// Takes a tool out of the policy, and its stored secret with it.
pub async fn remove(
    editing: &Editing<'_>,
    store: &Store,
    (scope, name): (&Scope, &str),
) -> Result<PolicyVersion, NotRegistered> {
    let path = scope.path(name);
    let version = change(editing, (scope, name), |document| {
        document.remove(&path);
        Ok(())
    })
    .await?;
    match store.drop(&scope.secret(name), editing.by).await {
        Ok(()) | Err(NotStored::NotFound(_)) => Ok(version),
        Err(why) => Err(NotRegistered::Secret(why)),
    }
}

async fn change(
    editing: &Editing<'_>,
    (scope, name): (&Scope, &str),
    mut work: impl FnMut(&mut policy_edit::Document) -> Result<(), String>,
) -> Result<PolicyVersion, NotRegistered> {
    let path = scope.path(name);
    let mut found = true;
    let edited = policy_edit::edit(editing, |document| {
        found = document.get(&path).is_some();
        if found {
            work(document)
        } else {
            Err(format!("there is no tool `{}` for {}", short(name), scope.text()))
        }
    });
    let edited = edited.await;
    match edited {
        Err(Unedited::Refused(why)) if !found => Err(NotRegistered::NotFound(why)),
        edited => edited.map(|it| it.version).map_err(NotRegistered::Policy),
    }
}

fn known(document: &policy_edit::Document, scope: &Scope) -> Result<(), String> {
    match scope {
        Scope::Agent(id) if document.get(&["agents", id]).is_none() => {
            Err(format!("the policy has no agent `{}`", short(id)))
        }
        Scope::Agent(_) | Scope::Global => Ok(()),
    }
}

/// Takes the secret out of `{type, secret, name?}` and leaves what the policy says instead.
fn inline(auth: &mut Value, stored: &str) -> Result<Option<String>, String> {
    let Some(map) = auth.as_object_mut().filter(|it| it.contains_key("type")) else { return Ok(None) };
    let mut text = |key: &str| match map.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`auth.{key}` must be a string")),
    };
    let (kind, secret, name) = (text("type")?.unwrap_or_default(), text("secret")?, text("name")?);
    if !matches!(kind.as_str(), "hmac_sha256" | "bearer" | "header") {
        return Err(format!("`auth.type` is `{}`; it is hmac_sha256, bearer or header", short(&kind)));
    }
    let secret = secret.ok_or(
        "`auth.secret` is missing; send it, or name where it is, as in {\"bearer\": {\"env\": \"NAME\"}}",
    )?;
    if let Some((odd, _)) = map.iter().next() {
        return Err(format!("`auth.{}` is not a field; they are type, secret and name", short(odd)));
    }
    let mut place = Map::new();
    if let Some(name) = name {
        place.insert("name".to_owned(), name.into());
    }
    place.insert("stored".to_owned(), stored.into());
    map.insert(kind, Value::Object(place));
    Ok(Some(secret))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_taken_out_of_what_goes_into_the_policy() {
        let mut auth = json!({"type": "header", "name": "X-Key", "secret": "a secret"});
        assert_eq!(inline(&mut auth, "tool.t").unwrap().unwrap(), "a secret");
        assert_eq!(auth, json!({"header": {"name": "X-Key", "stored": "tool.t"}}));
        let mut named = json!({"bearer": {"env": "X"}});
        assert!(inline(&mut named, "tool.t").unwrap().is_none());
        for odd in [
            json!({"type": "basic", "secret": "x"}),
            json!({"type": "bearer"}),
            json!({"type": "bearer", "secret": 7}),
            json!({"type": "bearer", "secret": "x", "y": 1}),
        ] {
            let said = inline(&mut odd.clone(), "t").unwrap_err();
            assert!(said.contains("auth"), "{said}");
        }
    }

    #[test]
    fn scopes_are_read_and_written() {
        for text in ["global", "agent:bot", "agent:a:b"] {
            assert_eq!(Scope::parse(text).unwrap().text(), text);
        }
        for odd in ["", "Global", "agent", "agent:", "user:x", "agent:a/b"] {
            assert!(Scope::parse(odd).is_err(), "{odd}");
        }
        assert_eq!(Scope::parse("agent:bot").unwrap().path("t"), ["agents", "bot", "tools", "t"]);
    }
}
