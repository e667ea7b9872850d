//! What follows from what detectors saw: nothing, a note, a placeholder, a question, a refusal.
//!
//! Answerable for the reaction to each finding, before a call and after it. Sees findings and never texts,
//! but for their length; finding is `inspect`'s work, and rewriting is the gate's.

use std::sync::Arc;

use crate::effect::Finding;
use crate::json::Json;

/// What to do about a finding. In the order of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Reaction {
    /// Do not even look.
    Off,
    /// Write it down.
    #[default]
    Flag,
    /// Put a placeholder in its place, and keep the value for tools that may have it.
    Tokenize,
    /// Put a placeholder in its place.
    Redact,
    /// A person must agree.
    Ask,
    /// Refuse the call, or keep the result back.
    Deny,
}

impl Reaction {
    /// The reaction that a policy calls so. `warn` and `audit` are a note like `flag`.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "off" => Self::Off,
            "flag" | "warn" | "audit" => Self::Flag,
            "tokenize" => Self::Tokenize,
            "redact" => Self::Redact,
            "ask" => Self::Ask,
            "deny" => Self::Deny,
            _ => return None,
        })
    }
}

/// Which way a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Arguments, before the call.
    Input,
    /// Results, after it, and whatever else a server says.
    Output,
}

/// The reactions to what goes one way. What a policy does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Reactions by kind of finding.
    pub reactions: Vec<(&'static str, Reaction)>,
    /// From this score of the injection filter on, in hundredths, its score alone counts. Absent: a score
    /// alone is never more than a note.
    pub threshold: Option<u8>,
    /// The most characters of all texts together.
    pub max_chars: Option<u64>,
}

/// The kinds of findings that a screen can speak of.
pub const SCREENED: [&str; 5] = ["prompt_injection", "hidden_text", "secret", "personal_data", "stack_trace"];

/// A pattern of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPattern {
    /// Its name, as findings show it.
    pub name: Arc<str>,
    /// A regular expression; matched in linear time.
    pub pattern: String,
    /// What to do where it matches.
    pub then: Reaction,
    /// For people: why.
    pub reason: Option<String>,
    /// Whether it looks at arguments.
    pub input: bool,
    /// Whether it looks at results.
    pub output: bool,
}

/// A model server that is asked besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classifier {
    /// Where it is.
    pub url: String,
    /// How long it may take.
    pub timeout_ms: u64,
    /// What its silence means.
    pub on_error: Reaction,
    /// From this score on, in hundredths, it counts as a finding.
    pub threshold: u8,
    /// What such a finding leads to.
    pub then: Reaction,
}

/// Everything one agent's texts are held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screens {
    /// For arguments.
    pub input: Screen,
    /// For results.
    pub output: Screen,
    /// The operator's own patterns.
    pub patterns: Vec<NamedPattern>,
    /// Texts that are planted to be seen when they leak.
    pub canaries: Vec<String>,
    /// Environment variables whose values are secret.
    pub secrets_from: Vec<String>,
    /// A model server that is asked besides.
    pub classifier: Option<Classifier>,
}

/// What a finding leads to, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reacted {
    /// The strictest reaction.
    pub reaction: Reaction,
    /// A sentence for the agent. Never holds what was found.
    pub reason: String,
}

/// Below this a finding is a note, whatever its kind's reaction: a guess refuses nothing.
const SURE: u8 = 50;

/// Below this it is a name rather than a value, or what an example has in its place: text stays as it is.
const PLAIN: u8 = 40;

impl Screen {
    /// The reaction to a kind, where this screen says one.
    fn says(&self, kind: &str) -> Option<Reaction> {
        self.reactions.iter().filter(|(of, _)| *of == kind).map(|(_, reaction)| *reaction).max()
    }

    /// Both: of two reactions the stricter one, of two maxima the smaller.
    fn join(&mut self, other: &Self) {
        for (kind, reaction) in &other.reactions {
            match self.reactions.iter_mut().find(|(of, _)| of == kind) {
                Some((_, mine)) => *mine = (*mine).max(*reaction),
                None => self.reactions.push((kind, *reaction)),
            }
        }
        self.threshold = least(self.threshold, other.threshold);
        self.max_chars = least(self.max_chars, other.max_chars);
    }
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl Screens {
    /// Adds what another section says, so that both hold.
    pub fn join(&mut self, other: &Self) {
        self.input.join(&other.input);
        self.output.join(&other.output);
        for pattern in &other.patterns {
            if !self.patterns.contains(pattern) {
                self.patterns.push(pattern.clone());
            }
        }
        for (mine, others) in
            [(&mut self.canaries, &other.canaries), (&mut self.secrets_from, &other.secrets_from)]
        {
            for text in others {
                if !mine.contains(text) {
                    mine.push(text.clone());
                }
            }
        }
        self.classifier = self.classifier.take().or_else(|| other.classifier.clone());
    }

    /// True if nothing that is for an agent could be kept back, replaced or refused.
    pub fn lets_all_out(&self) -> bool {
        let reacts = |reaction: Reaction| reaction > Reaction::Flag;
        !self.output.reactions.iter().any(|(_, reaction)| reacts(*reaction))
            && self.output.max_chars.is_none()
            && !self.patterns.iter().any(|pattern| pattern.output && reacts(pattern.then))
            && self.canaries.is_empty()
            && self.classifier.is_none()
    }

    fn side(&self, side: Side) -> &Screen {
        match side {
            Side::Input => &self.input,
            Side::Output => &self.output,
        }
    }

    /// What to do about one finding. Without a word of the policy: write it down; a canary that is seen has
    /// leaked, and goes no further.
    pub fn reaction(&self, side: Side, finding: &Finding) -> Reaction {
        let screen = self.side(side);
        let kind = finding.kind.as_ref();
        let wanted = match kind {
            "pattern" => self.pattern(&finding.name).map_or(Reaction::Flag, |pattern| pattern.then),
            // What nobody could look at is not known to be clean.
            "canary" | "detector" => Reaction::Deny,
            "classifier" => self
                .classifier
                .as_ref()
                .map_or(Reaction::Flag, |it| if finding.name == "silence" { it.on_error } else { it.then }),
            kind => screen.says(kind).unwrap_or_default(),
        };
        let is_score = kind == "prompt_injection" && finding.name == "score";
        let is_guess = match screen.threshold.filter(|_| is_score) {
            Some(threshold) => finding.confidence < threshold,
            None => {
                let most = if finding.confidence < PLAIN { Reaction::Flag } else { Reaction::Redact };
                is_score || (finding.confidence < SURE && wanted > most)
            }
        };
        if is_guess { wanted.min(Reaction::Flag) } else { wanted }
    }

    fn pattern(&self, name: &str) -> Option<&NamedPattern> {
        self.patterns.iter().find(|pattern| pattern.name.as_ref() == name)
    }

    /// The strictest reaction to all that was seen, if it is more than a note.
    pub fn judge(&self, side: Side, findings: &[Finding]) -> Option<Reacted> {
        let worst = findings
            .iter()
            .map(|finding| (self.reaction(side, finding), finding))
            .max_by_key(|(reaction, _)| *reaction)
            .filter(|(reaction, _)| *reaction > Reaction::Flag);
        worst.map(|(reaction, finding)| Reacted { reaction, reason: self.reason(finding) })
    }

    fn reason(&self, finding: &Finding) -> String {
        let place = if finding.place.is_empty() { "it".to_owned() } else { format!("`{}`", finding.place) };
        let what = match finding.kind.as_ref() {
            "pattern" => {
                let why = self.pattern(&finding.name).and_then(|pattern| pattern.reason.as_deref());
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                return format!("{place} matches the pattern `{}`{why}", finding.name);
            }
            "secret" => format!("a secret ({})", finding.name),
            "personal_data" => format!("personal data ({})", finding.name),
            "prompt_injection" => format!("what looks like orders to a model ({})", finding.name),
            "hidden_text" => format!("hidden text ({})", finding.name),
            "stack_trace" => format!("an internal error ({})", finding.name),
            "detector" => {
                return "the detectors that the policy asks for could not be built; the gate's log says why"
                    .to_owned();
            }
            "canary" => "a canary token, which is nowhere but where it was planted".to_owned(),
            "classifier" if finding.name == "silence" => {
                return "the classifier of texts cannot be asked, and the policy wants its word".to_owned();
            }
            "classifier" => format!("what the classifier calls {}", finding.name),
            other => format!("{other} ({})", finding.name),
        };
        format!("{place} holds {what}")
    }

    /// If the texts of `json` together are longer than they may be: a sentence that says so.
    pub fn too_long(&self, side: Side, json: &Json) -> Option<String> {
        let most = self.side(side).max_chars?;
        let has = characters(json);
        (has > most).then(|| format!("it has {has} characters of text, and the most is {most}"))
    }
}

/// The characters of all texts in `json`, names of keys included.
fn characters(json: &Json) -> u64 {
    let count = |text: &str| u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    match json {
        Json::Str(text) => count(text),
        Json::List(items) => items.iter().map(characters).fold(0, u64::saturating_add),
        Json::Map(map) => map
            .iter()
            .map(|(key, value)| count(key).saturating_add(characters(value)))
            .fold(0, u64::saturating_add),
        _ => 0,
    }
}
