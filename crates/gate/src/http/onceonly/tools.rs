//! `/tools/*`: a registered tool is a tool of the policy that the gate calls, signed as OnceOnly signs.

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use verdict::boundary::{Space, space, space_of_name};
use verdict::{Address, hex, short};

use super::read_fields;
use crate::http::Call;
use crate::http::dialect::invalid;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::tools::{declared, editing, not_registered};
use crate::tool::register::{self, Scope};
use crate::views::{self, DeclaredTool};
use crate::wire::onceonly::{Toggle, ToolFields};

pub(in crate::http) async fn put(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let (tool, rest) = read_fields(&call, ToolFields::of)?;
    if let Some((odd, _)) = rest.into_pairs().first() {
        let why = format!("names `{}`, which a tool does not have here", short(odd));
        return Err(invalid("body", "tool", &why));
    }
    let scope =
        Scope::parse(&tool.scope_id).map_err(|why| invalid("body", "scope_id", &format!("is odd: {why}")))?;
    let mut keys = Map::new();
    if call.app.customs.onceonly_private_tools {
        keys.insert("allow_private".to_owned(), true.into());
    } else if let Some(space) = private(&tool.url) {
        let why = format!(
            "leads to {}, which is not called; an operator allows it with --onceonly-private-tools, or declares the tool in the policy with `allow_private: true`",
            space.described()
        );
        return Err(invalid("body", "url", &why));
    }
    keys.insert("url".to_owned(), tool.url.into());
    if let Some(secret) = tool.secret {
        keys.insert("auth".to_owned(), json!({"type": "hmac_sha256", "secret": secret}));
        // The signature that its endpoints check, and beside it one that covers the time.
        keys.insert("signing".to_owned(), "both".into());
    }
    // There is no schema in OnceOnly's words: which arguments there are only the tool knows.
    keys.insert("undeclared_args".to_owned(), "allow".into());
    let numbers = [("timeout_ms", tool.timeout_ms), ("max_retries", tool.max_retries)];
    for (name, number) in numbers {
        keys.extend(number.map(|number| (name.to_owned(), number.into())));
    }
    if !tool.enabled {
        keys.insert("enabled".to_owned(), false.into());
    }
    keys.extend(tool.description.map(|text| ("description".to_owned(), text.into())));
    keys.extend(tool.price_usd.map(|price| ("price_usd".to_owned(), json!(price))));
    let named = (&scope, tool.name.as_str());
    register::put(&editing(&call)?, call.app.tools.store(), named, keys).await.map_err(not_registered)?;
    reply::json_with(StatusCode::CREATED, &shown(declared(&call, &scope, &tool.name)?))
}

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    let scope = scope(&call)?.text();
    let all = views::declared(&call.app.gate.desk.policy()).into_iter().filter(|tool| tool.scope == scope);
    reply::json(&all.map(shown).collect::<Vec<Value>>())
}

pub(in crate::http) async fn one(call: Call) -> Result<Reply, Problem> {
    let scope = scope(&call)?;
    reply::json(&shown(declared(&call, &scope, call.param(0))?))
}

pub(in crate::http) async fn toggle(call: Call) -> Result<Reply, Problem> {
    let scope = scope(&call)?;
    let (Toggle { enabled }, _) = read_fields(&call, Toggle::of)?;
    let named = (&scope, call.param(0));
    declared(&call, &scope, call.param(0))?;
    register::enable(&editing(&call)?, named, enabled).await.map_err(not_registered)?;
    reply::json(&shown(declared(&call, &scope, call.param(0))?))
}

pub(in crate::http) async fn remove(call: Call) -> Result<Reply, Problem> {
    let scope = scope(&call)?;
    let named = (&scope, call.param(0));
    declared(&call, &scope, call.param(0))?;
    register::remove(&editing(&call)?, call.app.tools.store(), named).await.map_err(not_registered)?;
    reply::json(&json!({"ok": true, "deleted": call.param(0)}))
}

/// Whose address it is, if it says so itself and it is not everyone's. Where other names lead is seen at each call.
fn private(url: &str) -> Option<Space> {
    let address = Address::parse(url).ok()?;
    let found = match address.host.parse() {
        Ok(ip) => Some(space(ip)),
        Err(_) => space_of_name(&address.host),
    };
    found.filter(|it| *it != Space::Public)
}

fn scope(call: &Call) -> Result<Scope, Problem> {
    let query = Query::read(&call.query, &["scope_id"])?;
    let odd = |why: String| invalid("query", "scope_id", &format!("is odd: {why}"));
    Scope::parse(query.text("scope_id").unwrap_or("global")).map_err(odd)
}

/// A tool without its secret, of which not even the end is shown.
fn shown(tool: DeclaredTool) -> Value {
    let secret = tool.secret.as_ref();
    let id = |place: &String| {
        let digits = hex(&Sha256::digest(format!("{}\0{}\0{place}", tool.scope, tool.name).as_bytes()));
        format!("sec_{}", digits.get(..16).unwrap_or_default())
    };
    json!({
        "name": tool.name,
        "scope_id": tool.scope,
        "url": tool.url,
        "auth": tool.auth.map(|kind| json!({"type": kind})),
        "timeout_ms": tool.timeout_ms,
        "max_retries": tool.max_retries,
        "enabled": tool.enabled,
        "description": tool.description,
        "price_usd": tool.price_usd,
        "has_secret": secret.is_some(),
        "secret_id": secret.map(id),
        "secret_mask": secret.map(|_| "***"),
    })
}
