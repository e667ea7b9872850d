//! From the tree to a tool: what its arguments mean, and how the gate calls it.
//!
//! Answerable for what two keys of one tool say together: a secret from exactly one place, a URL whose arguments
//! are declared, nothing about calling a tool that has no URL.

use std::sync::Arc;

use super::form::{self, Plain};
use super::problem::{Place, Report};
use super::read::{dollars, entries, text, texts_of};
use super::yaml::{Entry, Node};
use crate::action::short;
use crate::effect::{Effect, Target};
use crate::endpoint::{Address, Auth, Endpoint, HttpMethod, SecretSource, Signing, Strain};
use crate::policy::{Risk, Role, Tool};
use crate::schema::Schema;

/// What holds for calls that do not say.
const TIMEOUT_MS: u64 = 15_000;
const MAX_RETRIES: u32 = 2;
const MAX_RESPONSE_BYTES: u64 = 1 << 20;
const FAILURES: i64 = 5;
const COOLDOWN_MS: i64 = 30_000;

/// Reads one tool.
pub(super) fn read(entry: &Entry, report: &mut Report) -> Tool {
    let node = &entry.value;
    let roles = entries(node, "args").iter().filter_map(|arg| {
        let role = match arg.value.text()? {
            "money" => Role::Money,
            name => Role::Named(name.into()),
        };
        Some((form::argument(&arg.key).ok()?, role))
    });
    let tool = Tool {
        name: entry.key.clone(),
        roles: roles.collect(),
        effects: texts_of(node, "effects").iter().map(|kind| Effect::named(kind, Target::None)).collect(),
        price: dollars(node, "price_usd").unwrap_or_default(),
        yields: texts_of(node, "yields"),
        risk: node.get("risk").and_then(Node::text).and_then(|risk| match risk {
            "low" => Some(Risk::Low),
            "medium" => Some(Risk::Medium),
            "high" => Some(Risk::High),
            "critical" => Some(Risk::Critical),
            _ => None,
        }),
        restores: flag(node, "restores") == Some(true),
        dialect: text(node, "dialect"),
        description: text(node, "description"),
        disabled: flag(node, "enabled") == Some(false),
        schema: schema(node, report),
        endpoint: None,
        hand: None,
        strain: strain(node),
        bounds: super::sandbox::read(node, report).map(Arc::new),
    };
    if let Some(hand) = super::hand::read(entry, report) {
        return Tool { hand: Some(Arc::new(hand.clone())), ..super::hand::filled(tool, &hand) };
    }
    let endpoint = endpoint(entry, &tool, report);
    Tool { endpoint: endpoint.map(Arc::new), ..tool }
}

pub(super) fn flag(node: &Node, key: &str) -> Option<bool> {
    match node.get(key).and_then(Node::scalar).map(form::plain) {
        Some(Plain::Bool(flag)) => Some(flag),
        _ => None,
    }
}

pub(super) fn number<T: TryFrom<i64>>(node: &Node, key: &str) -> Option<T> {
    let n = node.get(key).and_then(Node::scalar).and_then(|scalar| form::count(scalar).ok())?;
    T::try_from(n).ok()
}

fn schema(node: &Node, report: &mut Report) -> Option<Arc<Schema>> {
    let written = node.get("schema")?;
    if report.is_broken(written.at) {
        return None;
    }
    // What has no form of JSON was reported when the section was held against the table.
    let json = super::cases::json_quietly(written)?;
    match Schema::compile(json) {
        Ok(schema) => Some(Arc::new(schema)),
        Err(faults) => {
            for fault in faults {
                let help = "write it as JSON Schema 2020-12 has it".to_owned();
                report.error(follow(written, &fault.path), fault.message, help);
            }
            None
        }
    }
}

/// The place of a value, as near as the tree can tell.
fn follow(node: &Node, path: &[String]) -> Place {
    let mut at = node;
    for key in path {
        let next = at.get(key).or_else(|| key.parse::<usize>().ok().and_then(|n| at.several().get(n)));
        let Some(next) = next else { break };
        at = next;
    }
    at.at
}

fn strain(node: &Node) -> Strain {
    let mut strain =
        Strain { max_in_flight: number(node, "max_in_flight").unwrap_or(0), ..Strain::default() };
    if let Some(breaker) = node.get("breaker") {
        strain.failures = number(breaker, "failures").unwrap_or(FAILURES);
        let cooldown =
            breaker.get("cooldown").and_then(Node::text).and_then(|it| form::duration(it, 30).ok());
        strain.cooldown = cooldown.unwrap_or(COOLDOWN_MS).saturating_mul(1000);
    }
    strain
}

/// The keys that speak of calls of a URL, and of nothing else.
pub(super) const OF_URLS: &[&str] =
    &["test_url", "method", "query", "auth", "signing", "signed_answers", "max_retries", "idempotent"];

/// The keys that speak of calls, and say nothing of a tool that the gate does not call.
const OF_CALLS: [&str; 14] = [
    "undeclared_args",
    "stdin",
    "test_url",
    "method",
    "query",
    "auth",
    "signing",
    "signed_answers",
    "timeout_ms",
    "max_retries",
    "idempotent",
    "allow_private",
    "ca",
    "max_response_bytes",
];

fn endpoint(entry: &Entry, tool: &Tool, report: &mut Report) -> Option<Endpoint> {
    let node = &entry.value;
    let Some(url) = node.get("url") else {
        // Of a tool with another way, or two of them, that was said already.
        let other = super::hand::WAYS.iter().any(|way| node.get(way).is_some());
        let lost = node.entries().iter().find(|it| !other && OF_CALLS.contains(&it.key.as_str()));
        if let Some(lost) = lost {
            let message =
                format!("`{}` is about calling `{}`, which has no `url`", lost.key, short(&entry.key));
            report.error(lost.at, message, "add `url`, or remove the key".to_owned());
        }
        return None;
    };
    let address = Address::parse(url.text()?).ok()?;
    let method = text(node, "method").and_then(|it| HttpMethod::parse(&it)).unwrap_or_default();
    let auth = node.get("auth").and_then(|node| auth(node, report));
    let hmac = matches!(auth, Some(Auth::Hmac(_)));
    for key in ["signing", "signed_answers"] {
        if let Some(at) = node
            .get(key)
            .map(|it| it.at)
            .filter(|_| !hmac && node.get("auth").is_none_or(|it| it.get("hmac_sha256").is_none()))
        {
            report.error(
                at,
                format!("`{key}` without a secret to sign with"),
                "add `auth: {hmac_sha256: {env: NAME}}`".to_owned(),
            );
        }
    }
    let signing = match node.get("signing").and_then(Node::text) {
        Some("onceonly") => Signing::OnceOnly,
        Some("both") => Signing::Both,
        _ => Signing::Portcullis,
    };
    if let Some(at) =
        node.get("signing").map(|it| it.at).filter(|_| signing != Signing::Portcullis && method.has_no_body())
    {
        let help = "use POST, PUT or PATCH, or `signing: portcullis`".to_owned();
        report.error(at, format!("`signing: onceonly` signs a body, and {} has none", method.as_str()), help);
    }
    declared(url, &address, tool, report);
    Some(Endpoint {
        address,
        test_address: text(node, "test_url").and_then(|it| Address::parse(&it).ok()),
        method,
        auth,
        signing,
        signed_answers: flag(node, "signed_answers") == Some(true),
        timeout_ms: number(node, "timeout_ms").unwrap_or(TIMEOUT_MS),
        max_retries: number(node, "max_retries").unwrap_or(MAX_RETRIES),
        idempotent: flag(node, "idempotent") == Some(true),
        query: texts_of(node, "query"),
        allow_private: flag(node, "allow_private") == Some(true),
        ca: text(node, "ca"),
        max_response_bytes: number(node, "max_response_bytes").unwrap_or(MAX_RESPONSE_BYTES),
        open_args: text(node, "undeclared_args").as_deref() == Some("allow"),
    })
}

/// Of a tool with a schema, the arguments in its URL are among those.
fn declared(url: &Node, address: &Address, tool: &Tool, report: &mut Report) {
    let Some(schema) = &tool.schema else { return };
    for name in address.arguments().filter(|name| !schema.declares(name)) {
        let message = format!("the URL has the argument `{}`, and `schema` does not", short(name));
        report.error(url.at, message, "add it to `properties`, and to `required`".to_owned());
    }
}

fn auth(node: &Node, report: &mut Report) -> Option<Auth> {
    let ways: Vec<&Entry> = node.entries().iter().collect();
    let [way] = ways.as_slice() else {
        let help = "write one of `hmac_sha256`, `bearer` and `header`".to_owned();
        report.error(node.at, "`auth` is exactly one way of showing who the gate is", help);
        return None;
    };
    let source = source(&way.value, report)?;
    match way.key.as_str() {
        "hmac_sha256" => Some(Auth::Hmac(source)),
        "bearer" => Some(Auth::Bearer(source)),
        "header" => Some(Auth::Header(text(&way.value, "name")?, source)),
        _ => None,
    }
}

pub(super) fn source(node: &Node, report: &mut Report) -> Option<SecretSource> {
    let from = |key: &str| text(node, key);
    match (from("env"), from("file"), from("stored")) {
        (Some(name), None, None) => Some(SecretSource::Env(name)),
        (None, Some(path), None) => Some(SecretSource::File(path)),
        (None, None, Some(name)) => Some(SecretSource::Stored(name)),
        _ => {
            let help = "write one of `env: NAME`, `file: PATH` and `stored: NAME`; the secret itself never stands here";
            report.error(node.at, "a secret comes from exactly one place", help.to_owned());
            None
        }
    }
}
