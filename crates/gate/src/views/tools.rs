//! Tools: definitions as they were seen and accepted, and declarations of those that the gate calls.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Auth, Books, Index, Json, Policy, SecretSource, Tool};

use crate::wire::Dollars;

/// One tool of one server.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ToolView {
    /// Whose tool: the server as it was started.
    pub server: String,
    /// Its name.
    pub tool: String,
    /// SHA-256 of the definition that may be called.
    pub accepted: String,
    /// SHA-256 of the definition that was last seen.
    pub seen: String,
    /// True if the two differ: it is refused until someone accepts the new one.
    pub changed: bool,
    /// The record of the definition that was last seen.
    pub index: Index,
}

/// All tools that were seen, by server and name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ToolPage {
    /// The tools.
    pub tools: Vec<ToolView>,
    /// The tools that the gate calls itself, as the policy declares them.
    pub declared: Vec<DeclaredTool>,
}

/// All tools that were seen.
pub fn tools(books: &Books) -> ToolPage {
    let mut tools: Vec<ToolView> = books
        .pins()
        .map(|(server, tool, pin)| ToolView {
            server: server.to_owned(),
            tool: tool.to_owned(),
            accepted: pin.accepted.clone(),
            seen: pin.seen.clone(),
            changed: pin.accepted != pin.seen,
            index: pin.at,
        })
        .collect();
    tools.sort_by(|a, b| (&a.server, &a.tool).cmp(&(&b.server, &b.tool)));
    ToolPage { tools, declared: Vec::new() }
}

/// A tool that the gate calls. Never a secret: only where it is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DeclaredTool {
    /// Its name.
    pub name: String,
    /// `global`, or `agent:` and the agent's id.
    pub scope: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is.
    pub url: String,
    /// How it is called.
    pub method: &'static str,
    /// How the gate shows who it is: `hmac_sha256`, `bearer` or `header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<&'static str>,
    /// Where its secret is: `env:NAME`, `file:PATH` or `stored:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Milliseconds that a call may take.
    pub timeout_ms: u64,
    /// How often it is tried again at most.
    pub max_retries: u32,
    /// True if calling it twice does no more than calling it once.
    pub idempotent: bool,
    /// False: nobody may call it.
    pub enabled: bool,
    /// What a call costs.
    #[schemars(with = "Dollars")]
    pub price_usd: Dollars,
    /// The names of its arguments.
    pub arguments: Vec<String>,
    /// What its arguments must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub schema: Option<Json>,
}

/// The tools that the gate calls, by scope and name.
pub fn declared(policy: &Policy) -> Vec<DeclaredTool> {
    let all = policy.tools().filter_map(|tool| one(tool, "global".to_owned()));
    let own = policy.agents().flat_map(|agent| {
        agent.own_tools().iter().filter_map(|tool| one(tool, format!("agent:{}", agent.id())))
    });
    let mut tools: Vec<DeclaredTool> = all.chain(own).collect();
    tools.sort_by(|a, b| {
        (b.scope == "global", &a.scope, &a.name).cmp(&(a.scope == "global", &b.scope, &b.name))
    });
    tools
}

fn one(tool: &Tool, scope: String) -> Option<DeclaredTool> {
    let endpoint = tool.endpoint.as_ref()?;
    let auth = endpoint.auth.as_ref().map(|auth| match auth {
        Auth::Hmac(source) => ("hmac_sha256", source),
        Auth::Bearer(source) => ("bearer", source),
        Auth::Header(_, source) => ("header", source),
    });
    Some(DeclaredTool {
        name: tool.name.clone(),
        scope,
        description: tool.description.clone(),
        url: endpoint.address.text(),
        method: endpoint.method.as_str(),
        auth: auth.map(|(kind, _)| kind),
        secret: auth.map(|(_, source)| match source {
            SecretSource::Env(name) => format!("env:{name}"),
            SecretSource::File(path) => format!("file:{path}"),
            SecretSource::Stored(name) => format!("stored:{name}"),
        }),
        timeout_ms: endpoint.timeout_ms,
        max_retries: endpoint.max_retries,
        idempotent: endpoint.may_repeat(),
        enabled: !tool.disabled,
        price_usd: Dollars(tool.price),
        arguments: tool.declared().into_iter().map(str::to_owned).collect(),
        schema: tool.schema.as_ref().map(|it| it.source().clone()),
    })
}
