//! What the gate sees: the facts of an action before it is decided, and what stands in a result before it leaves.
//!
//! Answerable for every way in looking through the same eyes: the same parsers, the same detectors, the screens
//! of the agent's policy. What is pure is `inspect`'s; what only a machine can tell (where a link leads, what a
//! name resolves to, what a model server thinks) is added by [`look`], and recorded with the rest.

mod lens;
mod look;
mod names;
mod result;

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use hashbrown::HashMap;
use inspect::Surroundings;
use verdict::hand::Own;
use verdict::{
    Action, Agent, Classifier, Definition, Facts, Finding, Json, Policy, PolicyVersion, Side, Tool,
};

use lens::{Lens, Lenses};
use names::Names;

pub use result::Shown;

/// The eyes of one gate. Cheap to clone.
#[derive(Clone)]
pub struct Eyes(Arc<Inner>, Arc<Place>, Option<Arc<str>>);

/// Where tools run.
struct Place {
    /// True if that is this machine, so that its links are theirs.
    here: bool,
    around: Surroundings,
}

struct Inner {
    lenses: ArcSwapOption<Lenses>,
    /// What stands for which value, by session.
    names: Mutex<Names>,
    resolved: look::Resolved,
    described: Mutex<Described>,
}

/// What was seen in definitions: by policy, agent and hash.
type Described = HashMap<(PolicyVersion, String, [u8; 32]), Vec<Finding>>;

/// The most definitions that are remembered.
const DESCRIBED: usize = 4_096;

impl Eyes {
    /// Eyes for tools that run elsewhere: where links lead is not known.
    pub fn elsewhere() -> Self {
        Self::new(false, Surroundings::default())
    }

    /// Eyes for tools that run on this machine, in this folder, as this user.
    pub fn here() -> Self {
        let text = |path: std::path::PathBuf| path.to_str().map(str::to_owned);
        let home = std::env::var_os("HOME").map(std::path::PathBuf::from).and_then(text);
        let cwd = std::env::current_dir().ok().and_then(text);
        Self::new(true, Surroundings { cwd, home, ..Surroundings::default() })
    }

    fn new(here: bool, around: Surroundings) -> Self {
        let inner = Inner {
            lenses: ArcSwapOption::empty(),
            names: Mutex::new(Names::new()),
            resolved: look::Resolved::default(),
            described: Mutex::default(),
        };
        Self(Arc::new(inner), Arc::new(Place { here, around }), None)
    }

    /// The same eyes, for a tool that runs in the folder `cwd`, as the user whose home is `home`. `here`: on this
    /// machine.
    pub fn at(&self, here: bool, cwd: Option<String>, home: Option<String>) -> Self {
        let around = Surroundings { cwd, home, ..Surroundings::default() };
        Self(Arc::clone(&self.0), Arc::new(Place { here, around }), self.2.clone())
    }

    /// The same, where the gate's own tools work in this folder.
    #[must_use]
    pub fn on(self, folder: Option<&Path>) -> Self {
        Self(self.0, self.1, folder.and_then(Path::to_str).map(Arc::from))
    }

    /// The folder that the gate's own tools work in.
    pub fn folder(&self) -> Option<&Path> {
        self.2.as_deref().map(Path::new)
    }

    /// What a path or a command of this action is relative to. What the gate does itself it does in its folder, and not
    /// where the gate was started.
    fn around(&self, policy: &Policy, action: &Action, tool: Option<&Tool>) -> Cow<'_, Surroundings> {
        let works = |tool: &&Tool| match (&tool.hand, &tool.endpoint) {
            (Some(hand), _) => hand.works_in_folder(),
            (None, Some(_)) => false,
            (None, None) => self.2.is_some() && Own::parse(&tool.name).is_some(),
        };
        if tool.filter(works).is_none() {
            return Cow::Borrowed(&self.1.around);
        }
        let named = self.2.as_deref().map(str::to_owned);
        let cwd = named.or_else(|| policy.bounds(action.agent(), action.tool()).workspace);
        Cow::Owned(Surroundings { cwd, ..self.1.around.clone() })
    }

    /// What the action would do and what stands in its arguments, as far as that can be told from the action
    /// alone.
    pub fn facts(&self, policy: &Policy, action: &Action) -> Facts {
        let tool = policy.tool_of(action.agent(), action.tool());
        let mut facts = inspect::inspect(action, tool, &self.around(policy, action, tool));
        if let Some(agent) = policy.agent(action.agent()) {
            if let Some(price) = agent.price(action.tool()) {
                facts.cost = action.estimate().unwrap_or_default().max(price);
            }
            let lens = self.lens(policy, agent.screens());
            lens.look(Side::Input, action.args(), &mut facts.findings);
            if let Some(definition) = action.definition() {
                facts.described = self.described(policy, agent, definition);
            }
        }
        facts
    }

    /// What stands in a tool's own definition. Looked at once for each policy: it is the same at every call.
    fn described(&self, policy: &Policy, agent: &Agent, definition: &Definition) -> Vec<Finding> {
        let Definition { hash: Some(hash), text: Some(text), .. } = definition else { return Vec::new() };
        let known = || self.0.described.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (policy.version().clone(), agent.id().to_owned(), *hash);
        if let Some(findings) = known().get(&key) {
            return findings.clone();
        }
        let mut findings = Vec::new();
        self.lens(policy, agent.screens()).look(Side::Output, text, &mut findings);
        for finding in &mut findings {
            finding.place.insert_str(0, "definition:");
        }
        let mut known = known();
        if known.len() >= DESCRIBED {
            known.clear();
        }
        known.insert(key, findings.clone());
        findings
    }

    /// Adds what only a machine can tell, where the policy depends on it.
    pub async fn look(&self, policy: &Policy, action: &Action, facts: &mut Facts) {
        let Some(agent) = policy.agent(action.agent()) else { return };
        if self.1.here {
            look::follow(&mut facts.effects);
        }
        if agent.boundaries().iter().any(verdict::boundary::Boundaries::asks_for_addresses) {
            self.0.resolved.resolve(&mut facts.effects).await;
        }
    }

    /// Asks the model server about the arguments, where the policy names one.
    pub async fn classify(&self, policy: &Policy, action: &Action, facts: &mut Facts) {
        if let Some(classifier) = classifier(policy, action.agent()) {
            look::classify(classifier, action.args(), &mut facts.findings).await;
        }
    }

    /// True if there is a model server to ask about this agent's texts.
    pub fn classifies(&self, policy: &Policy, agent: &str) -> bool {
        classifier(policy, agent).is_some()
    }

    /// True if `look` has anything to do; else a decision need not wait for it.
    pub fn must_look(&self, policy: &Policy, action: &Action, facts: &Facts) -> bool {
        let Some(agent) = policy.agent(action.agent()) else { return false };
        let touches = |of: fn(&verdict::Target) -> bool| facts.effects.iter().any(|it| of(&it.target));
        let asks = || agent.boundaries().iter().any(verdict::boundary::Boundaries::asks_for_addresses);
        (self.1.here && touches(|it| matches!(it, verdict::Target::Path(_))))
            || (touches(|it| matches!(it, verdict::Target::Host(_))) && asks())
    }

    /// Why a text of the agent's that is no action's (an answer to a server, a prompt's arguments) must not leave.
    pub fn refuse(&self, policy: &Policy, agent: &str, text: &Json) -> Option<String> {
        let agent = policy.agent(agent)?;
        let mut findings = Vec::new();
        self.lens(policy, agent.screens()).look(Side::Input, text, &mut findings);
        let reacted = agent.screens().judge(Side::Input, &findings).map(|reacted| reacted.reason);
        reacted.or_else(|| agent.screens().too_long(Side::Input, text))
    }

    /// The detectors for these screens: made once for a policy.
    fn lens(&self, policy: &Policy, screens: &verdict::Screens) -> Arc<Lens> {
        if let Some(lenses) = &*self.0.lenses.load()
            && lenses.is_for(policy)
            && let Some(lens) = lenses.find(screens)
        {
            return lens;
        }
        let lenses = Arc::new(Lenses::grind(policy));
        let lens = lenses.find(screens).unwrap_or_else(|| Arc::new(Lens::grind(screens)));
        self.0.lenses.store(Some(lenses));
        lens
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        // Nothing in here is left half changed by a panic.
        self.0.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn classifier<'p>(policy: &'p Policy, agent: &str) -> Option<&'p Classifier> {
    policy.agent(agent)?.screens().classifier.as_ref()
}
