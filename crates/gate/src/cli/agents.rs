//! `portcullis agents`: which there are, and the switch that stops one.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use verdict::{Command, MeterKind, Policy, Realm};

use super::explain::word;
use super::keys::minute;
use super::opening::{self, halted};
use super::person::{self, Need};
use super::print::{self, Hue, Table, clean, hued, paint};
use super::{Done, Failure, JsonArg, MAIN, StoreArg, audit, problems};
use crate::policy_text;
use crate::store::StorePath;
use crate::views::{self, AgentPage, AgentView};

/// `portcullis agents`
#[derive(Debug, Subcommand)]
pub enum AgentsCommand {
    /// List agents of the policy in force, and those that anyone switched
    List(ListArgs),
    /// Show one agent, its rules and its limits
    Show(ShowArgs),
    /// Stop an agent: its next action is denied, whichever gate it uses
    #[command(
        after_help = "Examples:\n  portcullis agents disable support-bot --reason 'refunds the wrong accounts'"
    )]
    Disable(DisableArgs),
    /// Let an agent act again
    #[command(after_help = "Examples:\n  portcullis agents enable support-bot")]
    Enable(EnableArgs),
    /// Compare what agents may do with what they did
    Audit(audit::AuditArgs),
}

/// `portcullis agents list`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis agents list
  portcullis agents list --policy portcullis.yaml --json")]
pub struct ListArgs {
    #[command(flatten)]
    under: Under,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis agents show`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis agents show support-bot
  portcullis agents show support-bot --json")]
pub struct ShowArgs {
    /// The agent
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    under: Under,
    #[command(flatten)]
    json: JsonArg,
}

/// Under which policy, and with which store.
#[derive(Debug, Args)]
pub struct Under {
    /// The policy [default: the one in force for serve and dev]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
}

/// `portcullis agents disable`
#[derive(Debug, Args)]
pub struct DisableArgs {
    /// The agent
    #[arg(value_name = "ID")]
    id: String,
    /// Why; the agent is told
    #[arg(long, short = 'r')]
    reason: Option<String>,
    #[command(flatten)]
    store: StoreArg,
}

/// `portcullis agents enable`
#[derive(Debug, Args)]
pub struct EnableArgs {
    /// The agent
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    store: StoreArg,
}

/// Runs the command.
pub fn run(command: AgentsCommand) -> Done {
    match command {
        AgentsCommand::List(args) => list(&args),
        AgentsCommand::Show(args) => show(&args),
        AgentsCommand::Disable(args) => switch(args.id, &args.store, false, args.reason),
        AgentsCommand::Enable(args) => switch(args.id, &args.store, true, None),
        AgentsCommand::Audit(args) => audit::run(&args),
    }
}

impl Under {
    /// The policy and the store that are meant.
    pub fn find(&self) -> Result<(Arc<Policy>, StorePath), Failure> {
        let store = self.store.find()?;
        let Some(file) = &self.policy else {
            let desk = opening::open_desk_on(&store, MAIN)?;
            let policy = desk.policy();
            desk.close();
            return Ok((policy, store));
        };
        let text = policy_text::read(file).map_err(|mistakes| problems::refuse(file, &mistakes))?;
        Ok((Arc::new(text.loaded.policy), store))
    }
}

fn find(under: &Under) -> Result<(Arc<Policy>, Vec<AgentView>), Failure> {
    let (policy, store) = under.find()?;
    let desk = opening::open_desk(&store, false)?;
    let asked = Arc::clone(&policy);
    let found = super::wait(desk.ask(move |books| views::agents(&asked, books)))?;
    desk.close();
    let found = found.map_err(|halt| halted(&store, &halt))?;
    let last = views::last_use(&opening::open_reader(&store)?, Realm::Live).map_err(Failure::said)?;
    Ok((policy, found.into_iter().map(|agent| agent.used(&last)).collect()))
}

fn list(args: &ListArgs) -> Done {
    let (_, agents) = find(&args.under)?;
    if args.json.json {
        print::json(&AgentPage { agents })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["AGENT", "STATE", "MODE", "OWNER", "LAST USED", "PURPOSE"]);
    for agent in &agents {
        table.row([
            agent.id.as_str().into(),
            state(agent),
            agent.mode.map(|mode| word(&mode)).unwrap_or_default().into(),
            agent.owner.as_deref().unwrap_or_default().into(),
            agent.last_used_at.as_deref().map(minute).unwrap_or_default().into(),
            agent.purpose.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.print(
        "no agents; no policy is in force for serve and dev, or it names none: name one with --policy",
    )?;
    Ok(ExitCode::SUCCESS)
}

fn state(agent: &AgentView) -> print::Cell {
    match (agent.enabled, agent.in_policy) {
        (false, _) => hued("disabled", Hue::Bad),
        (true, true) => hued("enabled", Hue::Good),
        (true, false) => hued("not in policy", Hue::Care),
    }
}

fn show(args: &ShowArgs) -> Done {
    let (policy, agents) = find(&args.under)?;
    let agent = agents.into_iter().find(|agent| agent.id == args.id).ok_or_else(|| {
        Failure::said(format!(
            "there is no agent `{}`; `portcullis agents list` lists them",
            verdict::short(&args.id)
        ))
    })?;
    if args.json.json {
        print::json(&agent)?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&paint(&clean(&agent.id), Hue::Strong))?;
    print::field("state", if agent.enabled { "enabled" } else { "disabled" })?;
    print::field("since", &agent.disabled_at.as_deref().map(minute).unwrap_or_default())?;
    print::field("by", agent.disabled_by.as_deref().unwrap_or_default())?;
    print::field("reason", agent.disabled_reason.as_deref().unwrap_or_default())?;
    print::field("mode", &agent.mode.map(|mode| word(&mode)).unwrap_or_default())?;
    print::field("owner", agent.owner.as_deref().unwrap_or_default())?;
    print::field("purpose", agent.purpose.as_deref().unwrap_or_default())?;
    print::field("notes", agent.notes.as_deref().unwrap_or_default())?;
    print::field("last used", &agent.last_used_at.as_deref().map(minute).unwrap_or_default())?;
    let Some(known) = policy.agent(&args.id) else {
        print::field("note", "the policy does not have it: everything it asks for is denied")?;
        return Ok(ExitCode::SUCCESS);
    };
    print::line("\nRules:")?;
    let mut table = Table::new(&["EFFECT", "RULE", "TOOLS", "PLACE"]);
    for rule in known.rules() {
        let effect = match (rule.effect, &rule.approval) {
            (verdict::RuleKind::Deny, _) => hued("deny", Hue::Bad),
            (verdict::RuleKind::Allow, Some(_)) => hued("ask", Hue::Care),
            (verdict::RuleKind::Allow, None) => hued("allow", Hue::Good),
        };
        let tools: Vec<&str> = rule.tools.iter().map(verdict::Pattern::as_str).collect();
        table.row([
            effect,
            rule.name.to_string().into(),
            tools.join(", ").into(),
            rule.place.as_str().into(),
        ]);
    }
    table.print("  none: everything it asks for is denied")?;
    print::line("\nLimits:")?;
    let mut table = Table::new(&["LIMIT", "AT MOST"]);
    for limit in known.limits() {
        table.row([limit.label.to_string().into(), MeterKind::of(&limit.meter).show(limit.max).into()]);
    }
    table.print("  none")?;
    Ok(ExitCode::SUCCESS)
}

fn switch(id: String, store: &StoreArg, enabled: bool, reason: Option<String>) -> Done {
    verdict::check_name("agent", &id, "._-:@")
        .map_err(|malformed| Failure::said(clean(&malformed.to_string())))?;
    let store = store.find()?;
    let desk = opening::open_desk_on(&store, MAIN)?;
    let known = desk.policy().agent(&id).is_some();
    let agent = id.clone();
    let done = super::wait(async {
        let by = person::find(&desk, Need::Rule, Realm::Live).await?.name;
        let command = Command::Agent { agent, enabled: Some(enabled), reason, notes: None, by };
        let done = desk.obey(command).await.map_err(|halt| halted(&store, &halt))?;
        done.map_err(Failure::said)
    })?;
    desk.close();
    done?;
    let id = clean(&id);
    let text = if enabled { paint("enabled", Hue::Good) } else { paint("disabled", Hue::Bad) };
    print::line(&format!("agent {id} is {text}"))?;
    if !known {
        // Thrown all the same: the agent may be another gate's.
        print::aside(&format!(
            "portcullis: the policy in force for serve and dev has no agent `{id}`; check the name"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
