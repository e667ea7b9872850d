//! Agents as people read them: what the policy says of them and what people did to them.

use std::collections::{BTreeMap, HashMap};

use ledger::{Fault, Reader};
use schemars::JsonSchema;
use serde::Serialize;
use verdict::{AgentSet, Books, Micro, Mode, Policy, Realm, Record};

use super::look_back;
use crate::clock::rfc3339;

/// One agent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AgentView {
    /// Its id.
    pub id: String,
    /// False: nothing it does is allowed.
    pub enabled: bool,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
    /// Since when: RFC 3339.
    pub disabled_at: Option<String>,
    /// Who disabled it.
    pub disabled_by: Option<String>,
    /// True if the policy in force has it; what the policy does not have is denied.
    pub in_policy: bool,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Whether its decisions bind.
    #[schemars(with = "Option<crate::wire::ModeWord>")]
    pub mode: Option<Mode>,
    /// What people wrote about it.
    pub notes: Option<String>,
    /// When it last wanted to act, as far as the latest records tell: RFC 3339.
    pub last_used_at: Option<String>,
}

/// All agents, by id.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AgentPage {
    /// The agents.
    pub agents: Vec<AgentView>,
}

/// When agents last wanted to act.
pub type LastUse = HashMap<String, Micro>;

/// When agents last wanted to act in a realm, as far as the latest records tell.
pub fn last_use(reader: &Reader, realm: Realm) -> Result<LastUse, Fault> {
    let mut last = LastUse::new();
    look_back(reader, None, &mut |_, record| {
        if let Record::Decided(it) = record
            && it.realm == realm
        {
            last.entry(it.agent).or_insert(it.t);
        }
        Ok(false)
    })?;
    Ok(last)
}

/// Every agent that the policy has or anyone ever set.
pub fn agents(policy: &Policy, books: &Books) -> Vec<AgentView> {
    let mut all: BTreeMap<&str, Option<&AgentSet>> =
        policy.agents().map(|agent| (agent.id(), None)).collect();
    all.extend(books.agents().map(|set| (set.agent.as_str(), Some(set))));
    all.into_iter().map(|(id, set)| view(policy, id, set)).collect()
}

/// One agent; `None` if the policy does not have it and nobody ever set it.
pub fn agent(policy: &Policy, books: &Books, id: &str) -> Option<AgentView> {
    let set = books.agent(id);
    (set.is_some() || policy.agent(id).is_some()).then(|| view(policy, id, set))
}

impl AgentView {
    /// The same, with when it was last used.
    #[must_use]
    pub fn used(mut self, last: &LastUse) -> Self {
        self.last_used_at = last.get(&self.id).copied().map(rfc3339);
        self
    }
}

fn view(policy: &Policy, id: &str, set: Option<&AgentSet>) -> AgentView {
    let disabled = set.filter(|set| !set.enabled);
    let agent = policy.agent(id);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    AgentView {
        id: id.to_owned(),
        enabled: disabled.is_none(),
        disabled_reason: disabled.and_then(|set| set.reason.clone()),
        disabled_at: disabled.map(|set| rfc3339(set.t)),
        disabled_by: disabled.map(|set| set.by.clone()),
        in_policy: agent.is_some(),
        owner: agent.and_then(|it| owned(it.owner())),
        purpose: agent.and_then(|it| owned(it.purpose())),
        mode: agent.map(|it| it.mode()),
        notes: set.and_then(|set| set.notes.clone()),
        last_used_at: None,
    }
}
