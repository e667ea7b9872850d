//! The detectors of one agent: what its screens ask for, built once for each policy.

use std::sync::Arc;

use inspect::Hit;
use inspect::scan::{Scanner, Wanted};
use verdict::{Finding, Json, Policy, PolicyVersion, Reaction, Risk, Screens, Side};

/// The detectors for all agents of one policy. Agents with the same screens share theirs.
pub(super) struct Lenses {
    version: PolicyVersion,
    ground: Vec<(Screens, Arc<Lens>)>,
}

impl Lenses {
    /// Builds them.
    pub(super) fn grind(policy: &Policy) -> Self {
        let mut ground: Vec<(Screens, Arc<Lens>)> = Vec::new();
        for agent in policy.agents() {
            if !ground.iter().any(|(screens, _)| screens == agent.screens()) {
                ground.push((agent.screens().clone(), Arc::new(Lens::grind(agent.screens()))));
            }
        }
        Self { version: policy.version().clone(), ground }
    }

    /// True if they are that policy's.
    pub(super) fn is_for(&self, policy: &Policy) -> bool {
        self.version == *policy.version()
    }

    /// Those for these screens.
    pub(super) fn find(&self, screens: &Screens) -> Option<Arc<Lens>> {
        self.ground.iter().find(|(of, _)| of == screens).map(|(_, lens)| Arc::clone(lens))
    }
}

/// The detectors for one set of screens, one scanner for each way that a text can go.
pub(super) struct Lens {
    input: Option<Scanner>,
    output: Option<Scanner>,
}

impl Lens {
    /// Builds them.
    pub(super) fn grind(screens: &Screens) -> Self {
        let declared: Vec<String> = screens
            .secrets_from
            .iter()
            .filter_map(|name| match std::env::var(name) {
                Ok(value) if !value.is_empty() => Some(value),
                _ => {
                    tracing::warn!(variable = %name, "`secrets_from` names a variable that is not set; nothing can be recognised by it");
                    None
                }
            })
            .collect();
        let side = |side: Side| {
            let screen = match side {
                Side::Input => &screens.input,
                Side::Output => &screens.output,
            };
            let on = |kind: &str| {
                screen
                    .reactions
                    .iter()
                    .filter(|(of, _)| *of == kind)
                    .all(|(_, reaction)| *reaction != Reaction::Off)
            };
            let looks = |pattern: &&verdict::NamedPattern| match side {
                Side::Input => pattern.input,
                Side::Output => pattern.output,
            };
            let wanted = Wanted {
                secrets: on("secret"),
                personal: on("personal_data"),
                injection: on("prompt_injection"),
                hidden: on("hidden_text"),
                traces: on("stack_trace"),
                patterns: screens
                    .patterns
                    .iter()
                    .filter(looks)
                    .map(|it| (it.name.to_string(), it.pattern.clone()))
                    .collect(),
                declared: declared.clone(),
                canaries: screens.canaries.clone(),
            };
            Scanner::new(wanted)
                .map_err(|why| tracing::error!(%why, "a pattern cannot be used, though the policy was read"))
                .ok()
        };
        Self { input: side(Side::Input), output: side(Side::Output) }
    }

    /// Everything seen in the texts of `json`. A detector that could not be built sees the worst everywhere.
    pub(super) fn look(&self, side: Side, json: &Json, findings: &mut Vec<Finding>) {
        let mut place = String::new();
        self.walk(side, json, &mut place, &mut |place, hits| {
            findings.extend(hits.iter().map(|hit| hit.finding(place)));
        });
    }

    /// Calls `seen` for each text in which something was found, with its JSON pointer.
    pub(super) fn walk(
        &self,
        side: Side,
        json: &Json,
        place: &mut String,
        seen: &mut impl FnMut(&str, Vec<Hit>),
    ) {
        match json {
            Json::Str(text) => {
                let hits = self.scan(side, text);
                if !hits.is_empty() {
                    seen(place, hits);
                }
            }
            Json::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    step(place, &n.to_string(), |place| self.walk(side, item, place, seen));
                }
            }
            Json::Map(map) => {
                for (key, item) in map.iter() {
                    step(place, key, |place| {
                        // A key can carry a secret as well as a value can.
                        let hits = self.scan(side, key);
                        if !hits.is_empty() {
                            seen(place, hits);
                        }
                        self.walk(side, item, place, seen);
                    });
                }
            }
            _ => (),
        }
    }

    /// What is seen in one text.
    pub(super) fn scan(&self, side: Side, text: &str) -> Vec<Hit> {
        let scanner = match side {
            Side::Input => &self.input,
            Side::Output => &self.output,
        };
        scanner.as_ref().map_or_else(|| vec![blind(text)], |scanner| scanner.scan(text))
    }
}

/// What is seen in every text by detectors that could not be built.
fn blind(text: &str) -> Hit {
    Hit {
        kind: "detector",
        name: "not_built".into(),
        span: 0..text.len(),
        severity: Risk::Critical,
        confidence: 100,
        verified: None,
    }
}

fn step<R>(place: &mut String, key: &str, within: impl FnOnce(&mut String) -> R) -> R {
    let before = place.len();
    place.push('/');
    if key.contains(['~', '/']) {
        place.push_str(&key.replace('~', "~0").replace('/', "~1"));
    } else {
        place.push_str(key);
    }
    let result = within(place);
    place.truncate(before);
    result
}
