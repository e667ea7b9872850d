//! What leaves the gate of what came back: as it was, with placeholders, or not at all.
//!
//! Answerable for nothing leaving that a screen keeps back, and for the record saying what was seen. The order
//! is: look at everything, then decide, then rewrite; so that a text is never half replaced.

use inspect::Hit;
use inspect::redact::{Placeholders, redact, restore};
use verdict::json::Map;
use verdict::{Agent, Decided, Finding, Json, Outcome, Policy, Reaction, Realm, Screened, Screens, Side};

use super::Eyes;
use super::lens::Lens;
use super::names::Run;

/// The most findings of one text that are recorded: the rest say nothing new.
const RECORDED: usize = 64;

/// A text after the screens.
pub struct Shown {
    /// It with placeholders; absent if nothing had to be replaced.
    pub replaced: Option<Json>,
    /// What was seen.
    pub findings: Vec<Finding>,
    /// Why nobody gets it, if nobody does.
    pub withheld: Option<String>,
}

impl Eyes {
    /// Holds an outcome against the screens of the agent that it is for.
    pub async fn screen(&self, policy: &Policy, decided: &Decided, outcome: Outcome) -> Outcome {
        let Some(agent) = policy.agent(&decided.agent) else { return outcome };
        if outcome.screened.is_some() || (outcome.result.is_none() && outcome.error.is_none()) {
            return outcome;
        }
        let run =
            Run { realm: decided.realm, agent: decided.agent.clone(), session: decided.session.clone() };
        let reported = outcome.digest();
        let Outcome { result, error, .. } = &outcome;
        let parts = [("result", result.clone()), ("error", error.clone().map(Json::Str))];
        let pairs = parts.into_iter().filter_map(|(key, json)| Some((key.to_owned(), json?)));
        let Ok(whole) = Map::from_pairs(pairs.collect()) else { return outcome };
        let Shown { replaced, findings, withheld } = self.show(policy, agent, &run, &Json::Map(whole)).await;
        let screened = |findings| Some(Box::new(Screened { findings, withheld: withheld.clone(), reported }));
        if withheld.is_some() {
            return Outcome { result: None, error: None, screened: screened(findings), ..outcome };
        }
        let (result, error) = match replaced {
            None => (outcome.result, outcome.error),
            Some(json) => {
                let part = |key: &str| json.at(&[key.to_owned()]).cloned();
                let error =
                    part("error").map(|it| if let Json::Str(text) = it { text } else { String::new() });
                (part("result"), error)
            }
        };
        Outcome { result, error, screened: screened(findings), ..outcome }
    }

    /// Holds what is for an agent, in a session, against its screens.
    pub async fn show_to(
        &self,
        policy: &Policy,
        agent: &str,
        (realm, session): (Realm, Option<&str>),
        json: &Json,
    ) -> Shown {
        match policy.agent(agent) {
            Some(found) => {
                let run = Run { realm, agent: agent.to_owned(), session: session.map(str::to_owned) };
                self.show(policy, found, &run, json).await
            }
            None => Shown { replaced: None, findings: Vec::new(), withheld: None },
        }
    }

    async fn show(&self, policy: &Policy, agent: &Agent, run: &Run, json: &Json) -> Shown {
        let screens = agent.screens();
        let lens = self.lens(policy, screens);
        let mut findings = Vec::new();
        lens.look(Side::Output, json, &mut findings);
        let too_long =
            screens.too_long(Side::Output, json).map(|why| format!("the result is too long: {why}"));
        let refused = |findings: &[Finding]| {
            let reacted = screens.judge(Side::Output, findings);
            reacted.filter(|reacted| reacted.reaction >= Reaction::Ask).map(|reacted| reacted.reason)
        };
        let mut withheld = too_long.or_else(|| refused(&findings));
        if let (None, Some(classifier)) = (&withheld, &screens.classifier) {
            super::look::classify(classifier, json, &mut findings).await;
            withheld = refused(&findings);
        }
        let replaces = screens.judge(Side::Output, &findings).is_some();
        findings.sort_by_key(|it| std::cmp::Reverse((it.severity, it.confidence)));
        findings.truncate(RECORDED);
        let mut replaced = None;
        if withheld.is_none() && replaces {
            let mut names = self.names();
            let mut rewriting = Rewriting { screens, lens: &lens, names: names.of(run) };
            match rewriting.json(json) {
                Some(json) => replaced = Some(json),
                None => {
                    withheld = Some(
                        "two of its keys would have the same name once what they hold is replaced".to_owned(),
                    )
                }
            }
        }
        Shown { replaced, findings, withheld }
    }

    /// Puts back what placeholders of this session stand for, where a tool may have it. `None`: nothing to put back.
    pub fn restore(
        &self,
        agent: &str,
        (realm, session): (Realm, Option<&str>),
        text: &str,
    ) -> Option<String> {
        let run = Run { realm, agent: agent.to_owned(), session: session.map(str::to_owned) };
        let restored = restore(text, self.names().of(&run));
        (restored != text).then_some(restored)
    }
}

struct Rewriting<'e> {
    screens: &'e Screens,
    lens: &'e Lens,
    names: &'e mut Placeholders,
}

impl Rewriting<'_> {
    /// With placeholders in every text; `None` if two keys would become one.
    fn json(&mut self, json: &Json) -> Option<Json> {
        Some(match json {
            Json::Str(text) => Json::Str(self.text(text)),
            Json::List(items) => Json::List(items.iter().map(|item| self.json(item)).collect::<Option<_>>()?),
            Json::Map(map) => {
                let mut pairs = Vec::with_capacity(map.len());
                for (key, value) in map.iter() {
                    pairs.push((self.text(key), self.json(value)?));
                }
                Json::Map(Map::from_pairs(pairs).ok()?)
            }
            other => other.clone(),
        })
    }

    fn text(&mut self, text: &str) -> String {
        let hits = self.lens.scan(Side::Output, text);
        let reacts = |hit: &Hit, to: Reaction| self.screens.reaction(Side::Output, &hit.finding("")) == to;
        let (kept, mut gone): (Vec<Hit>, Vec<Hit>) = hits
            .into_iter()
            .filter(|hit| reacts(hit, Reaction::Redact) || reacts(hit, Reaction::Tokenize))
            .partition(|hit| reacts(hit, Reaction::Tokenize));
        gone.retain(|hit| !hit.span.is_empty());
        redact(text, &gone, &kept, self.names)
    }
}
