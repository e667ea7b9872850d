//! `portcullis agents audit`: what agents may do beside what they did, so that what nobody uses can be taken away.

use std::collections::HashMap;
use std::process::ExitCode;

use ::ledger::Reader;
use clap::Args;
use serde::Serialize;
use verdict::{Agent, Answer, Micro, Policy, Realm, Record, Rule, RuleKind, Tool};

use super::agents::Under;
use super::keys::minute;
use super::opening::open_reader;
use super::print::{self, Hue, Progress, Table, hued};
use super::{Done, Failure, JsonArg};
use crate::clock::{Clock, rfc3339};
use crate::ink::record_of;

/// What is not used for so long is worth asking about.
const LONG: Micro = 90 * 86_400 * 1_000_000;
/// How many records one read takes in.
const AT_ONCE: usize = 4_096;

/// `portcullis agents audit`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis agents audit
  portcullis agents audit --policy portcullis.yaml --agent support-bot
  portcullis agents audit --unused --json | jq -r '.permissions[] | \"\\(.agent_id) \\(.tool)\"'

Only tools that the policy declares or names are listed; a wildcard may reach others.")]
pub struct AuditArgs {
    #[command(flatten)]
    under: Under,
    /// One agent alone
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Only what was never used, or not in 90 days
    #[arg(long)]
    unused: bool,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    policy_version: String,
    permissions: Vec<Permission>,
}

#[derive(Serialize)]
struct Permission {
    agent_id: String,
    tool: String,
    /// `allow`, `conditions` (some calls), or `approval` (some calls need a person).
    access: &'static str,
    rules: Vec<String>,
    last_used_at: Option<String>,
    uses: u64,
    finding: &'static str,
}

#[derive(Clone, Copy, Default)]
struct Use {
    last: Micro,
    count: u64,
}

type Uses = HashMap<(String, String), Use>;

/// Runs the command.
pub fn run(args: &AuditArgs) -> Done {
    let (policy, store) = args.under.find()?;
    let uses = count(&open_reader(&store)?)?;
    let now = Clock::start().now();
    let mut permissions = permissions(&policy, &uses, now);
    permissions.retain(|it| args.agent.as_ref().is_none_or(|agent| *agent == it.agent_id));
    permissions.retain(|it| !args.unused || !it.finding.is_empty());
    let policy_version = policy.version().0.to_string();
    if args.json.json {
        print::json(&Report { policy_version, permissions })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["AGENT", "TOOL", "ACCESS", "BY", "USES", "LAST USED", "FINDING"]);
    for it in &permissions {
        table.row([
            it.agent_id.as_str().into(),
            it.tool.as_str().into(),
            it.access.into(),
            it.rules.join(", ").into(),
            it.uses.to_string().into(),
            it.last_used_at.as_deref().map(minute).unwrap_or_default().into(),
            hued(it.finding, Hue::Care),
        ]);
    }
    let nothing = if args.unused {
        "every permission was used in the last 90 days"
    } else {
        "no agent may do anything"
    };
    table.print(nothing)?;
    Ok(ExitCode::SUCCESS)
}

/// Every allowed action on record, by agent and tool. Test data does not count as use.
fn count(reader: &Reader) -> Result<Uses, Failure> {
    let size = reader.size().map_err(Failure::said)?;
    let mut progress = Progress::of("reading");
    let (mut uses, mut next) = (Uses::new(), 0_u64);
    while next < size {
        let entries = reader.read(next, AT_ONCE).map_err(Failure::said)?;
        let Some(last) = entries.last() else { break };
        next = last.index.saturating_add(1);
        for entry in &entries {
            let Record::Decided(it) = record_of(entry.index, &entry.body).map_err(Failure::said)? else {
                continue;
            };
            if it.decision == Answer::Allow && it.realm == Realm::Live {
                let seen = uses.entry((it.agent, it.tool)).or_default();
                *seen = Use { last: seen.last.max(it.t), count: seen.count.saturating_add(1) };
            }
        }
        progress.at(next, size);
    }
    progress.end();
    Ok(uses)
}

fn permissions(policy: &Policy, uses: &Uses, now: Micro) -> Vec<Permission> {
    let mut agents: Vec<&Agent> = policy.agents().map(AsRef::as_ref).collect();
    agents.sort_by_key(|agent| agent.id());
    let mut tools: Vec<&Tool> = policy.tools().collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    let pairs = agents.iter().flat_map(|agent| tools.iter().map(move |tool| (*agent, *tool)));
    pairs.filter_map(|(agent, tool)| permission(agent, &tool.name, uses, now)).collect()
}

/// What an agent may do with a tool; `None` if nothing.
fn permission(agent: &Agent, tool: &str, uses: &Uses, now: Micro) -> Option<Permission> {
    let about = |rule: &&Rule| rule.tools.iter().any(|pattern| pattern.matches(tool));
    let is_plain = |rule: &&Rule| {
        rule.when.is_none()
            && rule.effects.is_empty()
            && rule.environments.is_empty()
            && rule.users.is_empty()
    };
    let of = |effect: RuleKind| agent.rules().iter().filter(move |rule| rule.effect == effect);
    if of(RuleKind::Deny).filter(about).any(|rule| is_plain(&rule)) {
        return None;
    }
    let allows: Vec<&Rule> = of(RuleKind::Allow).filter(about).collect();
    let first = allows.first()?;
    let denied_at_times = of(RuleKind::Deny).any(|rule| about(&rule));
    let access = match first {
        rule if is_plain(rule) && rule.approval.is_none() && !denied_at_times => "allow",
        _ if allows.iter().any(|rule| rule.approval.is_some()) => "approval",
        _ => "conditions",
    };
    let used = uses.get(&(agent.id().to_owned(), tool.to_owned())).copied().unwrap_or_default();
    let finding = match used.count {
        0 => "never used",
        _ if now.saturating_sub(used.last) > LONG => "not used in 90 days",
        _ => "",
    };
    Some(Permission {
        agent_id: agent.id().to_owned(),
        tool: tool.to_owned(),
        access,
        rules: allows.iter().map(|rule| rule.name.to_string()).collect(),
        last_used_at: (used.count > 0).then(|| rfc3339(used.last)),
        uses: used.count,
        finding,
    })
}
