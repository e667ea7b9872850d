//! From the tree to what holds around the rules: boundaries and screens.
//!
//! Answerable for what they are made of and for the names of patterns; what a boundary's parts mean is
//! [`crate::boundary`]'s.

use super::form;
use super::problem::Report;
use super::yaml::Node;
use crate::boundary::{Answer, Boundaries, Commands, Hazards, Hosts, Paths, Sql};
use crate::screen::{Classifier, NamedPattern, Reaction, Screen, Screens};

/// What one section, or several together, say.
#[derive(Clone, Debug, Default)]
pub(super) struct Guards {
    pub(super) boundaries: Vec<Boundaries>,
    /// Where somebody said it: the strictest that was said.
    destructive: Option<Answer>,
    unknown: Option<Answer>,
    pub(super) screens: Screens,
}

impl Guards {
    /// What is done about what no list of names can bound. Without a word: it is refused.
    pub(super) fn hazards(&self) -> Hazards {
        Hazards {
            destructive: self.destructive.unwrap_or_default(),
            unknown: self.unknown.unwrap_or_default(),
        }
    }

    /// Adds others, so that both hold.
    pub(super) fn join(&mut self, other: Self) {
        self.boundaries.extend(other.boundaries);
        self.destructive = self.destructive.max(other.destructive);
        self.unknown = self.unknown.max(other.unknown);
        self.screens.join(&other.screens);
    }
}

/// What the sections of one holder say.
pub(super) fn read(node: &Node, report: &mut Report) -> Guards {
    let boundaries = node.get("boundaries");
    let commands = boundaries.and_then(|node| node.get("commands"));
    let said = |key: &str| commands.and_then(|node| node.get(key)).and_then(Node::text).map(answer);
    let screens = node.get("screens").map(|node| read_screens(node, report)).unwrap_or_default();
    Guards {
        destructive: said("destructive"),
        unknown: said("unknown"),
        boundaries: boundaries.map(|node| read_boundaries(node, report)).into_iter().collect(),
        screens,
    }
}

fn answer(word: &str) -> Answer {
    match word {
        "allow" => Answer::Allow,
        "ask" => Answer::Ask,
        _ => Answer::Deny,
    }
}

fn read_boundaries(node: &Node, report: &mut Report) -> Boundaries {
    if report.is_broken(node.at) {
        return Boundaries::default();
    }
    let paths = node.get("paths").map(|node| {
        let texts = |key: &str| texts(node.get(key));
        made(node, Paths::new(&texts("read"), &texts("write"), &texts("deny")), report)
    });
    let hosts = node.get("hosts").map(|node| {
        let private = node.get("private_addresses").and_then(Node::text) == Some("allow");
        made(node, Hosts::new(listed(node, "allow").as_deref(), &texts(node.get("deny")), private), report)
    });
    let sql = node.get("sql").map(|node| {
        made(node, Sql::new(listed(node, "allow").as_deref(), &texts(node.get("deny_tables"))), report)
    });
    let commands = node.get("commands").map(|node| {
        let (allow, deny) = (listed(node, "allow"), texts(node.get("deny")));
        made(node, Commands::new(allow.as_deref(), &deny, true, true), report)
    });
    // What is not said of commands is said once for the agent, by its hazards.
    let any = || Commands::new::<&str>(None, &[], true, true).unwrap_or_default();
    Boundaries {
        paths: paths.flatten(),
        hosts: hosts.flatten(),
        sql: sql.flatten(),
        commands: commands.flatten().unwrap_or_else(any),
    }
}

fn listed(node: &Node, key: &str) -> Option<Vec<String>> {
    node.get(key).map(|node| texts(Some(node)))
}

/// What was made, or a word about why it could not be.
fn made<T>(node: &Node, result: Result<T, String>, report: &mut Report) -> Option<T> {
    result
        .map_err(|why| {
            let help = "write it as `portcullis policy schema` describes it".to_owned();
            report.error(node.at, why, help);
        })
        .ok()
}

/// The keys of a screen, and the kinds of findings they speak of.
const KEYS: [(&str, &str); 5] = [
    ("prompt_injection", "prompt_injection"),
    ("hidden_text", "hidden_text"),
    ("secrets", "secret"),
    ("personal_data", "personal_data"),
    ("stack_traces", "stack_trace"),
];

fn read_screens(node: &Node, report: &mut Report) -> Screens {
    if report.is_broken(node.at) {
        return Screens::default();
    }
    let side = |key: &str| node.get(key).map(read_screen).unwrap_or_default();
    Screens {
        input: side("input"),
        output: side("output"),
        patterns: node
            .get("patterns")
            .map_or(&[][..], Node::several)
            .iter()
            .filter_map(read_pattern)
            .collect(),
        canaries: node.get("canaries").map(|node| long_enough(node, "canary", report)).unwrap_or_default(),
        secrets_from: texts(node.get("secrets_from")),
        classifier: node.get("classifier").and_then(|node| read_classifier(node, report)),
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    node.map_or(&[][..], Node::several).iter().filter_map(Node::text).map(str::to_owned).collect()
}

/// The fewest characters of a canary: a shorter one would be found in texts that have nothing to do with it.
const SHORTEST: usize = 8;

fn long_enough(node: &Node, what: &str, report: &mut Report) -> Vec<String> {
    for item in node.several() {
        if item.text().is_some_and(|text| text.chars().count() < SHORTEST) {
            let help = format!("write at least {SHORTEST} characters that stand nowhere else");
            report.error(item.at, format!("the {what} is too short to be told from other text"), help);
        }
    }
    texts(Some(node))
}

fn read_screen(node: &Node) -> Screen {
    let reactions = KEYS.iter().filter_map(|(key, kind)| {
        let word = node.get(key)?.text()?;
        Some((*kind, Reaction::named(word)?))
    });
    Screen {
        reactions: reactions.collect(),
        threshold: whole(node, "threshold").and_then(|n| u8::try_from(n).ok()),
        max_chars: whole(node, "max_chars").and_then(|n| u64::try_from(n).ok()),
    }
}

fn whole(node: &Node, key: &str) -> Option<i64> {
    node.get(key).and_then(Node::scalar).and_then(|scalar| form::count(scalar).ok())
}

fn read_pattern(node: &Node) -> Option<NamedPattern> {
    let pattern = node.get("match")?.text()?.to_owned();
    let text = |key: &str| node.get(key).and_then(Node::text);
    let sides = texts(node.get("in"));
    let looks = |side: &str| sides.is_empty() || sides.iter().any(|it| it == side);
    Some(NamedPattern {
        name: text("name").unwrap_or(&pattern).into(),
        then: Reaction::named(text("then")?)?,
        reason: text("reason").map(str::to_owned),
        input: looks("input"),
        output: looks("output"),
        pattern,
    })
}

fn read_classifier(node: &Node, report: &mut Report) -> Option<Classifier> {
    let url = node.get("url")?;
    let written = url.text()?;
    if !written.starts_with("http://") {
        let help =
            "write `http://`, a host and a port: the classifier is a server on this machine or network";
        report.error(
            url.at,
            format!("`{}` is not where a classifier can be asked", crate::short(written)),
            help.to_owned(),
        );
    }
    let timeout = whole(node, "timeout_ms").unwrap_or(500);
    if let Some(at) = node.get("timeout_ms").map(|node| node.at).filter(|_| !(10..=10_000).contains(&timeout))
    {
        let help = "write a number of milliseconds from 10 to 10000".to_owned();
        report.error(at, format!("a classifier cannot take {timeout} ms"), help);
    }
    let reaction =
        |key: &str| node.get(key).and_then(Node::text).and_then(Reaction::named).unwrap_or_default();
    Some(Classifier {
        url: written.to_owned(),
        timeout_ms: u64::try_from(timeout).unwrap_or(500),
        on_error: reaction("on_error"),
        threshold: whole(node, "threshold").and_then(|n| u8::try_from(n).ok()).unwrap_or(50),
        then: reaction("then"),
    })
}
