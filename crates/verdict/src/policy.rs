//! The policy in force, compiled: what each agent may do with each tool, and within which limits.
//!
//! Answerable for the index by agent and tool, so that a decision costs the rules that can apply and not
//! the rules that exist. Knows nothing of YAML (that is `load`) and takes no decision (that is `decide`).

mod pattern;
mod price;
mod sandbox;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::boundary::{Boundaries, Hazards};
use crate::condition::{Condition, Shared};
use crate::effect::Effect;
use crate::endpoint::{Endpoint, Strain};
use crate::limit::Limit;
use crate::money::Micros;
use crate::schema::Schema;
use crate::screen::Screens;

pub use pattern::Pattern;
pub use sandbox::Bounds;

/// Identifies a policy by its content: 32 hex digits, the first half of the SHA-256 of its texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct PolicyVersion(pub Arc<str>);

/// Whether decisions bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What is denied is refused.
    #[default]
    Enforce,
    /// What would have been denied is let through, and recorded as what would have happened.
    Observe,
}

/// What to do with a tool that the policy neither declares nor names in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnknownTool {
    /// Refuse it, whatever a wildcard says.
    #[default]
    Deny,
    /// Let rules with wildcards decide.
    Rules,
}

/// What an argument means to the gate (`args: {amount: money}`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An amount in dollars.
    Money,
    /// Another role of the vocabulary, by name (`fs.write`, `shell`, `sql`, `url`, `recipient`, ...).
    Named(Arc<str>),
}

/// How bad it could get; part of the answer, and of what an approver sees.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Reading.
    #[default]
    Low,
    /// Writing.
    Medium,
    /// Money, messages, system commands.
    High,
    /// Deleting.
    Critical,
}

impl Risk {
    /// `low`, `medium`, `high` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A tool as the policy declares it.
#[derive(Clone, Debug, Default)]
pub struct Tool {
    /// `service.resource.operation`
    pub name: String,
    /// Arguments with a meaning: a path of keys (`["customer", "amount"]`) and its role.
    pub roles: Vec<(Vec<String>, Role)>,
    /// Effects the tool has whatever its arguments (`payment`, `message.send`, ...).
    pub effects: Vec<Effect>,
    /// What one call costs.
    pub price: Micros,
    /// Labels that its results bring into the session.
    pub yields: Vec<String>,
    /// As declared; else derived from the effects.
    pub risk: Option<Risk>,
    /// True if values that were replaced in results may be put back in its arguments.
    pub restores: bool,
    /// The dialect of its SQL, by name.
    pub dialect: Option<String>,
    /// For people, and for the models that choose among tools.
    pub description: Option<String>,
    /// True if it is switched off: nobody may call it.
    pub disabled: bool,
    /// What its arguments must be.
    pub schema: Option<Arc<Schema>>,
    /// Where it is, if the gate calls it itself.
    pub endpoint: Option<Arc<Endpoint>>,
    /// What the gate does itself for it, if that is no call of a URL.
    pub hand: Option<Arc<crate::hand::Hand>>,
    /// How much of it there may be at once.
    pub strain: Strain,
    /// The bounds of what it runs.
    pub bounds: Option<Arc<Bounds>>,
}

/// The names under which a condition reads what an action would do.
pub(crate) const FACTS: [&str; 3] = ["effects", "findings", "risk"];

/// Which way a rule points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// It may be done, possibly after an approval.
    Allow,
    /// It may not, whatever else allows it.
    Deny,
}

/// What an approval needs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// Groups or people who may answer; empty: every approver.
    pub from: Vec<String>,
    /// How many different people must say yes. At least 1.
    pub quorum: u32,
    /// Milliseconds until an unanswered question counts as no.
    pub timeout_ms: u64,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique within its agent.
    pub name: Arc<str>,
    /// Allow or deny.
    pub effect: RuleKind,
    /// The tools it speaks of.
    pub tools: Vec<Pattern>,
    /// What must hold besides.
    pub when: Option<Condition>,
    /// If not empty, the kinds of effects it is for: a deny of any of them, an allow of nothing else.
    pub effects: Vec<String>,
    /// If not empty, the environments it is for.
    pub environments: Vec<String>,
    /// If not empty, the users, or groups of users, it is for.
    pub users: Vec<String>,
    /// For an allow: what a person must agree to.
    pub approval: Option<Terms>,
    /// For people: why.
    pub reason: Option<String>,
    /// Where it stands: file and line, for explanations.
    pub place: String,
}

/// What the policy says of one agent, its roles included.
#[derive(Clone, Debug, Default)]
pub struct AgentParts {
    /// Its id.
    pub id: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Tools that are its own: for it, they stand before those of the policy.
    pub tools: Vec<Tool>,
    /// Overrides the default mode.
    pub mode: Option<Mode>,
    /// In the order they are considered: its own, then those of its roles.
    pub rules: Vec<Rule>,
    /// Its own, those of its roles, and those for everyone.
    pub limits: Vec<Limit>,
    /// What calls of tools cost it, whatever the tools' own prices are.
    pub prices: Vec<(String, Micros)>,
    /// Its own, those of its roles, and those for everyone: all hold.
    pub boundaries: Vec<Boundaries>,
    /// What is done about what no list of names can bound.
    pub hazards: Hazards,
    /// Its own, joined with those of its roles and those for everyone.
    pub screens: Screens,
    /// The bounds of what it runs.
    pub bounds: Bounds,
}

/// Everything a policy file says, checked, before it is compiled.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The mode of agents that do not say.
    pub mode: Mode,
    /// About tools nobody named.
    pub unknown_tool: UnknownTool,
    /// The environment of actions that do not say.
    pub environment: Option<String>,
    /// Declared tools.
    pub tools: Vec<Tool>,
    /// Agents.
    pub agents: Vec<AgentParts>,
    /// Groups of people: name, members.
    pub groups: Vec<(String, Vec<String>)>,
}

/// A policy, compiled. Immutable; a new one replaces it whole.
#[derive(Debug)]
pub struct Policy {
    version: PolicyVersion,
    mode: Mode,
    unknown_tool: UnknownTool,
    environment: String,
    tools: HashMap<String, ToolEntry>,
    agents: HashMap<String, Arc<Agent>>,
    groups: HashMap<String, Vec<String>>,
}

#[derive(Debug)]
struct ToolEntry {
    id: u32,
    tool: Tool,
}

/// One agent, with its rules indexed by tool.
#[derive(Debug)]
pub struct Agent {
    parts: AgentParts,
    mode: Mode,
    /// The tools that something applies to, in order, and what applies, in the same order: a row of numbers is
    /// looked through sooner than a table.
    tools: Vec<u32>,
    by_tool: Vec<Applicable>,
    /// True if some condition reads what the action would do.
    reads_facts: bool,
}

/// What can apply to one tool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applicable {
    /// Denials, then allows, each in the order of the policy.
    rules: Vec<Entry>,
    denies: usize,
    /// Positions in the agent's limits.
    pub(crate) limits: Vec<u32>,
}

/// A rule as far as most decisions look at it. Entries of one tool lie side by side: of a rule that does not apply
/// nothing but its condition need be fetched.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What must hold besides the tool.
    pub(crate) when: Option<Condition>,
    /// The position in the agent's rules.
    pub(crate) at: u32,
    /// True if it is for some effects, users or environments only.
    pub(crate) narrow: bool,
}

impl Applicable {
    fn add(&mut self, at: u32, rule: &Rule) {
        let narrow = !(rule.environments.is_empty() && rule.users.is_empty() && rule.effects.is_empty());
        let entry = Entry { when: rule.when.clone(), at, narrow };
        match rule.effect {
            RuleKind::Allow => self.rules.push(entry),
            RuleKind::Deny => {
                self.rules.insert(self.denies, entry);
                self.denies = self.denies.saturating_add(1);
            }
        }
    }

    pub(crate) fn denies(&self) -> &[Entry] {
        self.rules.get(..self.denies).unwrap_or_default()
    }

    pub(crate) fn allows(&self) -> &[Entry] {
        self.rules.get(self.denies..).unwrap_or_default()
    }
}

impl Policy {
    /// Compiles checked parts. `version` is the digest of the texts they were read from.
    pub fn compile(mut parts: Parts, version: PolicyVersion) -> Self {
        let mut tools: HashMap<String, ToolEntry> = HashMap::new();
        let mut know = |tool: Tool| {
            let id = u32::try_from(tools.len()).unwrap_or(u32::MAX);
            tools.entry(tool.name.clone()).or_insert(ToolEntry { id, tool });
        };
        parts.tools.into_iter().for_each(&mut know);
        for agent in &parts.agents {
            for tool in &agent.tools {
                know(Tool { name: tool.name.clone(), ..Tool::default() });
            }
            let of_limits = agent.limits.iter().flat_map(|limit| &limit.tools);
            for pattern in agent.rules.iter().flat_map(|rule| &rule.tools).chain(of_limits) {
                if let Pattern::Exact(name) = pattern {
                    know(Tool { name: name.clone(), ..Tool::default() });
                }
            }
        }
        let (mut shared, mut names) = (Shared::default(), HashSet::new());
        for rule in parts.agents.iter_mut().flat_map(|agent| &mut agent.rules) {
            rule.name = Arc::clone(names.get_or_insert_with(&rule.name, Arc::clone));
            rule.when.iter_mut().for_each(|condition| condition.share(&mut shared));
        }
        let agents = parts
            .agents
            .into_iter()
            .map(|agent| (agent.id.clone(), Arc::new(Agent::compile(agent, parts.mode, &tools))))
            .collect();
        Self {
            version,
            mode: parts.mode,
            unknown_tool: parts.unknown_tool,
            environment: parts.environment.unwrap_or_else(|| "production".to_owned()),
            tools,
            agents,
            groups: parts.groups.into_iter().collect(),
        }
    }

    /// Its content's digest.
    pub fn version(&self) -> &PolicyVersion {
        &self.version
    }
    /// The mode of agents that do not say.
    pub fn mode(&self) -> Mode {
        self.mode
    }
    /// The environment of actions that do not say.
    pub fn environment(&self) -> &str {
        &self.environment
    }
    /// A declared or named tool.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.get(name).map(|entry| &entry.tool)
    }
    /// A declared or named tool, as `agent` has it: its own stands before everyone's.
    pub fn tool_of(&self, agent: &str, name: &str) -> Option<&Tool> {
        let own = self.agents.get(agent).and_then(|it| it.own_tool(name));
        own.or_else(|| self.tool(name))
    }
    /// All known tools, in no order.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.values().map(|entry| &entry.tool)
    }
    /// An agent by id.
    pub fn agent(&self, id: &str) -> Option<&Arc<Agent>> {
        self.agents.get(id)
    }
    /// All agents, in no order.
    pub fn agents(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.agents.values()
    }
    /// True if `person` is `name`, or a member of the group `name`.
    pub fn is_in(&self, person: &str, name: &str) -> bool {
        person == name || self.groups.get(name).is_some_and(|members| members.iter().any(|m| m == person))
    }
    /// The members of a group; empty if it is none.
    pub fn members(&self, group: &str) -> &[String] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }
    /// What can apply when `agent` calls `tool`; `None` if nobody knows the tool.
    pub(crate) fn applicable<'p>(&'p self, agent: &'p Agent, tool: &str) -> Option<Cow<'p, Applicable>> {
        match (self.tools.get(tool), self.unknown_tool) {
            // No entry: no rule of this agent speaks of the tool, so nothing applies and nothing is allowed.
            (Some(entry), _) => Some(agent.on(entry.id).map_or_else(Cow::default, Cow::Borrowed)),
            (None, UnknownTool::Rules) => Some(Cow::Owned(agent.by_wildcard(tool))),
            (None, UnknownTool::Deny) => None,
        }
    }
}

impl Agent {
    fn on(&self, tool: u32) -> Option<&Applicable> {
        self.by_tool.get(self.tools.binary_search(&tool).ok()?)
    }

    fn compile(mut parts: AgentParts, default_mode: Mode, tools: &HashMap<String, ToolEntry>) -> Self {
        let named = |patterns: &[Pattern], name: &str| patterns.iter().any(|p| p.matches(name));
        let position = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        // Only tools that an exact name or a wildcard of this agent touches get an entry, so that 1,000
        // agents with ten tools each do not cost 1,000 times all tools.
        let mut by_tool: BTreeMap<u32, Applicable> = BTreeMap::new();
        for (n, rule) in parts.rules.iter().enumerate() {
            let list = |applicable: &mut Applicable| applicable.add(position(n), rule);
            let globs = rule.tools.iter().any(|pattern| matches!(pattern, Pattern::Glob(_)));
            if globs {
                let matching = tools.values().filter(|entry| named(&rule.tools, &entry.tool.name));
                matching.for_each(|entry| list(by_tool.entry(entry.id).or_default()));
            } else {
                let mut ids: Vec<u32> =
                    rule.tools.iter().filter_map(|p| tools.get(p.as_str())).map(|entry| entry.id).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.into_iter().for_each(|id| list(by_tool.entry(id).or_default()));
            }
        }
        let names: HashMap<u32, &str> =
            tools.values().map(|entry| (entry.id, entry.tool.name.as_str())).collect();
        for (n, limit) in parts.limits.iter().enumerate() {
            for (id, applicable) in &mut by_tool {
                let name = names.get(id).copied().unwrap_or_default();
                if limit.tools.is_empty() || named(&limit.tools, name) {
                    applicable.limits.push(position(n));
                }
            }
        }
        let mode = parts.mode.unwrap_or(default_mode);
        let reads = |rule: &Rule| {
            rule.when.as_ref().is_some_and(|when| {
                when.reads()
                    .iter()
                    .any(|path| path.first().is_some_and(|root| FACTS.contains(&root.as_str())))
            })
        };
        let reads_facts = parts.rules.iter().any(reads);
        for limit in &mut parts.limits {
            limit.prepare(&parts.id);
        }
        let (tools, by_tool) = by_tool.into_iter().unzip();
        Self { parts, mode, tools, by_tool, reads_facts }
    }

    /// What applies to a tool that the policy does not know: every rule and limit is asked.
    fn by_wildcard(&self, tool: &str) -> Applicable {
        let mut applicable = Applicable::default();
        for (at, rule) in (0..).zip(&self.parts.rules) {
            if rule.tools.iter().any(|pattern| pattern.matches(tool)) {
                applicable.add(at, rule);
            }
        }
        let counts = |limit: &Limit| limit.tools.is_empty() || limit.tools.iter().any(|p| p.matches(tool));
        let limits = (0..).zip(&self.parts.limits).filter(|(_, limit)| counts(limit));
        applicable.limits = limits.map(|(at, _)| at).collect();
        applicable
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.parts.id
    }
    /// Who answers for it.
    pub fn owner(&self) -> Option<&str> {
        self.parts.owner.as_deref()
    }
    /// What it is for.
    pub fn purpose(&self) -> Option<&str> {
        self.parts.purpose.as_deref()
    }
    /// Whether its decisions bind.
    pub fn mode(&self) -> Mode {
        self.mode
    }
    /// Its rules, in the order they are considered.
    pub fn rules(&self) -> &[Rule] {
        &self.parts.rules
    }
    /// Its limits.
    pub fn limits(&self) -> &[Limit] {
        &self.parts.limits
    }
    /// What it may touch at all: all of them hold.
    pub fn boundaries(&self) -> &[Boundaries] {
        &self.parts.boundaries
    }
    /// What is done about what cannot be undone, and what cannot be told.
    pub fn hazards(&self) -> &Hazards {
        &self.parts.hazards
    }
    /// What is done about what stands in its texts.
    pub fn screens(&self) -> &Screens {
        &self.parts.screens
    }
    /// True if some condition reads what the action would do.
    pub(crate) fn reads_facts(&self) -> bool {
        self.reads_facts
    }
    pub(crate) fn rule(&self, at: u32) -> Option<&Rule> {
        usize::try_from(at).ok().and_then(|at| self.parts.rules.get(at))
    }
    pub(crate) fn limit(&self, at: u32) -> Option<&Limit> {
        usize::try_from(at).ok().and_then(|at| self.parts.limits.get(at))
    }
}
