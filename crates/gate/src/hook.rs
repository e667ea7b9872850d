//! The hooks of coding agents: whose they are, and what each of them says before and after it uses a tool.
//!
//! Decides nothing and opens nothing. `read` takes their events apart, `answer` has the words that each of them obeys,
//! `settings` the places that name a hook. Sources: `docs/coding-agents.md` names each one's.

pub mod answer;
mod read;
pub mod settings;
mod windsurf;
pub mod word;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdict::json::Map;
use verdict::{Draft, Json, Status};

/// A coding agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Product {
    /// Claude Code (PreToolUse, PostToolUse, PostToolUseFailure)
    ClaudeCode,
    /// OpenAI Codex CLI (PreToolUse, PostToolUse)
    Codex,
    /// Gemini CLI (BeforeTool, AfterTool)
    GeminiCli,
    /// Cursor (preToolUse, postToolUse, postToolUseFailure)
    Cursor,
    /// GitHub Copilot CLI (PreToolUse, PostToolUse, PostToolUseFailure)
    CopilotCli,
    /// Windsurf (pre_run_command, pre_read_code, pre_write_code, pre_mcp_tool_use, and post_...)
    Windsurf,
    /// Qwen Code (PreToolUse, PostToolUse, PostToolUseFailure)
    QwenCode,
    /// Factory's Droid (PreToolUse, PostToolUse)
    Droid,
    /// Goose (PreToolUse, PostToolUse, PostToolUseFailure)
    Goose,
    /// Kiro (PreToolUse, PostToolUse)
    Kiro,
}

/// What an agent tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is called by the agent.
    pub name: String,
    /// Before the tool is used, or after.
    pub when: When,
    /// The tool, as the agent calls it.
    pub tool: String,
    /// Its arguments.
    pub args: Json,
    /// The run that it belongs to.
    pub session: Option<String>,
    /// The folder that it happens in.
    pub cwd: Option<String>,
}

/// At which point of a tool's use.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// It is about to be used.
    Before,
    /// It was used: how that ended, and what came back.
    After(Status, Json),
}

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "say", content = "reason", rename_all = "lowercase", deny_unknown_fields)]
pub enum Say {
    /// Nothing against it; its own permissions decide.
    Nothing,
    /// It may, without asking its user.
    Allow(String),
    /// It may not, and why.
    Deny(String),
}

impl Product {
    /// What it is called on the command line, and as an agent where nobody says otherwise.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::GeminiCli => "gemini-cli",
            Self::Cursor => "cursor",
            Self::CopilotCli => "copilot-cli",
            Self::Windsurf => "windsurf",
            Self::QwenCode => "qwen-code",
            Self::Droid => "droid",
            Self::Goose => "goose",
            Self::Kiro => "kiro",
        }
    }
}

impl Event {
    /// The action that it is about.
    pub fn draft(&self, agent: &str, user: String, product: Product) -> Draft {
        Draft {
            agent: agent.to_owned(),
            tool: self.tool.clone(),
            args: Some(self.args.clone()),
            context: self.context(product),
            user: Some(user.clone()),
            session: self.session.clone(),
            by: Some(user),
            ..Draft::default()
        }
    }

    /// What else there is to say of it: whose hook it came from, and the folder.
    pub fn context(&self, product: Product) -> Option<Json> {
        let mut context = vec![("hook".to_owned(), Json::Str(product.name().to_owned()))];
        context.extend(self.cwd.clone().map(|cwd| ("cwd".to_owned(), Json::Str(cwd))));
        Map::from_pairs(context).ok().map(Json::Map)
    }
}
