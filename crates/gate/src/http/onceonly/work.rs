//! `POST /ai/run` with `key` and `metadata.actions`: work that the gate does while others wait for its task.
//!
//! Each action is decided, carried out and recorded like any other, one after the other; the first that is not done
//! ends the task as failed. Taken again, it goes on where it stopped: what was done is not done twice.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use verdict::{Json, LeaseEnd, LeaseKind, LeaseProof, LeaseWish, hex, short};

use super::run::{self, draft_for};
use super::{SECOND, lease};
use crate::http::Call;
use crate::http::dialect::invalid;
use crate::http::problem::Problem;
use crate::wire::onceonly::{Hold, RunTool};
use verdict::Draft;

/// How many actions one task has at most.
const MOST: usize = 50;

/// What is to be done: its actions, and how long the task is held between two of them, in seconds.
pub(super) struct Work {
    key: String,
    ttl: i64,
    drafts: Vec<Draft>,
}

/// Reads the work of a task, if it has any.
pub(super) fn of(call: &Call, hold: &Hold, usual: i64) -> Result<Option<Work>, Problem> {
    let Some(Json::Map(metadata)) = &hold.metadata else { return Ok(None) };
    let odd = |why: &str| invalid("body", "metadata", why);
    let Some(actions) = metadata.get("actions") else { return Ok(None) };
    let Json::List(actions) = actions else { return Err(odd("has `actions` that are no list")) };
    if actions.is_empty() || actions.len() > MOST {
        return Err(odd(&format!("has {} `actions`; it must have 1 to {MOST}", actions.len())));
    }
    if !matches!(metadata.get("dry_run"), None | Some(Json::Null | Json::Bool(false))) {
        return Err(odd(
            "has `dry_run`, and whatever is decided here is counted; see `portcullis check --explain`",
        ));
    }
    let text = |name: &str| match metadata.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Str(text)) => Ok(Some(text.clone())),
        Some(_) => Err(odd(&format!("has `{name}` that is no text"))),
    };
    let agent = text("agent_id")?.ok_or_else(|| odd("has `actions` and no `agent_id` whose they are"))?;
    let run = text("run_id")?;
    let named = hex(&Sha256::digest(hold.key.as_bytes()));
    let mut drafts = Vec::with_capacity(actions.len());
    for (n, action) in actions.iter().enumerate() {
        let action = RunTool::of_list(action, &agent).map_err(|it| odd(&format!("has action {n}: {it}")))?;
        let mut draft = draft_for(call, action)?;
        draft.session = run.clone().or(draft.session);
        let policy = call.app.gate.desk.policy();
        let tool = policy.agent(&draft.agent).and_then(|_| policy.tool_of(&draft.agent, &draft.tool));
        if tool.is_some_and(|tool| tool.endpoint.is_none()) {
            let name = short(&draft.tool);
            return Err(odd(&format!(
                "has action {n} for `{name}`, which the gate cannot call: it has no `url`"
            )));
        }
        draft.key = Some(format!("onceonly:{named}:{n}"));
        drafts.push(draft);
    }
    let (key, ttl) = (hold.key.clone(), hold.ttl.unwrap_or(usual));
    Ok(Some(Work { key, ttl, drafts }))
}

impl Work {
    /// Begins it, on a task of its own: whoever asked need not wait.
    pub(super) fn begin(self, call: Call, of: u64) {
        let running = call.app.tools.begin();
        tokio::spawn(async move {
            let _running = running;
            if let Err(problem) = self.run(&call, of).await {
                // Its holder is this gate: the task runs out, and those who wait are told so.
                tracing::warn!(task = of, reason = %problem.detail, "the end of a task could not be recorded");
            }
        });
    }

    async fn run(self, call: &Call, of: u64) -> Result<(), Problem> {
        let Self { key, ttl, drafts } = self;
        let (mut done, mut error) = (Vec::with_capacity(drafts.len()), None);
        for draft in drafts {
            let wish = LeaseWish::Extend { proof: LeaseProof::Id(of), ttl: ttl.saturating_mul(SECOND) };
            lease(call, (LeaseKind::Task, &key), wish, None).await?;
            let tool = draft.tool.clone();
            let answer = run::carried(call, draft).await.unwrap_or_else(
                |problem| json!({"ok": false, "decision": problem.code, "policy_reason": problem.detail}),
            );
            let ok = answer.get("ok").and_then(Value::as_bool) == Some(true);
            if !ok {
                error = Some(why(&answer, done.len()));
            }
            done.push(json!({"tool": tool, "answer": answer}));
            if !ok {
                break;
            }
        }
        let result = json!({"actions": done}).to_string();
        let hash = Some(hex(&Sha256::digest(result.as_bytes())));
        let how = if error.is_some() { LeaseEnd::Failed } else { LeaseEnd::Completed };
        let wish = LeaseWish::End { proof: LeaseProof::Id(of), how, hash, error };
        let payload = Some(format!("{{\"result\":{result}}}"));
        lease(call, (LeaseKind::Task, &key), wish, payload).await.map(|_leased| ())
    }
}

/// A word for what went wrong, with the number of the action, counted from 0.
fn why(answer: &Value, at: usize) -> String {
    let word = match (answer.get("approval_id").and_then(Value::as_str), answer.get("decision")) {
        (Some(id), _) => format!("approval_required:{id}"),
        (None, Some(Value::String(decision))) => decision.clone(),
        (None, _) => "failed".to_owned(),
    };
    format!("action_{at}:{word}")
}
