//! Tool definitions as they were seen and accepted.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Books, Index};

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
    ToolPage { tools }
}
