//! Holds a tree against the table: forms, unknown keys, missing keys.
//!
//! Answerable for naming everything that is out of shape, wherever it is, and for marking the sections
//! it is in. Knows what the table says of a key and nothing of what the key is for.

use super::form;
use super::problem::Report;
use super::table::{Form, Key, Kind, LATER, Section};
use super::yaml::{Content, Entry, Node};
use crate::action::short;
use crate::near::nearest;

/// Checks a section; true if all is well in it.
pub(super) fn check(node: &Node, section: &Section, report: &mut Report) -> bool {
    let before = report.errors();
    match &node.content {
        Content::Unread => report.mark_broken(node.at),
        Content::Map(entries) => check_keys(node, entries, section, report),
        // `crm.read:` with nothing behind it is a tool of which there is nothing to say.
        Content::Scalar(_) if node.is_null() && section.keys.iter().all(|key| !key.required) => (),
        _ => {
            let keys: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
            let message = format!("{} is wanted here, and this is {}", section.name, kind(node));
            report.error(
                node.at,
                message,
                format!("write keys and values; the keys are {}", keys.join(", ")),
            );
        }
    }
    let well = report.errors() == before;
    if !well {
        report.mark_broken(node.at);
    }
    well
}

fn check_keys(node: &Node, entries: &[Entry], section: &Section, report: &mut Report) {
    for entry in entries {
        match section.keys.iter().find(|key| key.name == entry.key) {
            Some(key) => check_value(&entry.value, key, report),
            None => unknown(entry, section, report),
        }
    }
    for key in section.keys.iter().filter(|key| key.required) {
        if node.get(key.name).is_none() {
            let message = match (section.name, key.name) {
                ("a limit", "per") => "a limit without a window".to_owned(),
                (section, key) => format!("{section} without `{key}`"),
            };
            report.error(
                node.at,
                message,
                format!("add `{}`, for example `{}: {}`", key.name, key.name, key.example),
            );
        }
    }
}

fn unknown(entry: &Entry, section: &Section, report: &mut Report) {
    let name = short(&entry.key);
    if LATER.contains(&entry.key.as_str()) {
        let message =
            format!("`{name}` is not supported by this version, and would not be enforced; remove it");
        let help = "what this version enforces: rules with conditions, approvals, tiers, limits, boundaries and screens";
        return report.error(entry.at, message, help.to_owned());
    }
    let keys = || section.keys.iter().map(|key| key.name);
    let mut message = format!("unknown key `{name}`");
    if let Some(near) = nearest(&entry.key, keys()) {
        message.push_str(&format!("; did you mean `{near}`?"));
    }
    let known: Vec<&str> = keys().collect();
    report.error(entry.at, message, format!("{} has the keys {}", section.name, known.join(", ")));
}

fn check_value(node: &Node, key: &Key, report: &mut Report) {
    match key.kind {
        Kind::One(form) => check_scalar(node, key, form, report),
        Kind::List(form) => match node.content {
            Content::List(_) => check_items(node, key, form, report),
            _ => wanted("a list", node, key, report),
        },
        Kind::Several(form) => check_items(node, key, form, report),
        Kind::Sections(section) => match &node.content {
            Content::List(items) => items.iter().for_each(|item| {
                check(item, section, report);
            }),
            _ => wanted("a list", node, key, report),
        },
        Kind::Section(section) => {
            check(node, section, report);
        }
        Kind::SectionOrTrue(section) => match node.scalar().map(form::plain) {
            Some(form::Plain::Bool(true)) => (),
            Some(form::Plain::Bool(false)) => {
                report.error(
                    node.at,
                    format!("`{}: false` says nothing", key.name),
                    format!("remove `{}`", key.name),
                );
            }
            Some(form::Plain::Nothing) | None => {
                check(node, section, report);
            }
            Some(_) => wanted("`true` or a mapping", node, key, report),
        },
        Kind::Named(name, section) => {
            for entry in named(node, key, name, report) {
                check(&entry.value, section, report);
            }
        }
        Kind::Scalars(name, form) => {
            for entry in named(node, key, name, report) {
                check_scalar(&entry.value, key, form, report);
            }
        }
        Kind::Lists(name, form) => {
            for entry in named(node, key, name, report) {
                match entry.value.content {
                    Content::List(_) => check_items(&entry.value, key, form, report),
                    _ => wanted("a list", &entry.value, key, report),
                }
            }
        }
        Kind::Json => drop(super::cases::json_map(node, report)),
    }
}

/// The entries of a mapping with names of the reader's own choice, the names checked.
fn named<'n>(node: &'n Node, key: &Key, form: Form, report: &mut Report) -> &'n [Entry] {
    let Content::Map(entries) = &node.content else {
        wanted("a mapping of names", node, key, report);
        return &[];
    };
    for entry in entries {
        let name = super::yaml::Scalar { text: entry.key.clone(), style: super::yaml::Style::Double };
        if let Err((message, help)) = form::check(form, &name) {
            report.error(entry.at, message, help);
        }
    }
    entries
}

fn check_items(node: &Node, key: &Key, form: Form, report: &mut Report) {
    match &node.content {
        Content::List(items) if items.is_empty() => {
            report.error(node.at, format!("`{}` is an empty list", key.name), empty_help(key.name));
        }
        Content::Map(_) => wanted("a list", node, key, report),
        _ => node.several().iter().for_each(|item| check_scalar(item, key, form, report)),
    }
}

/// What an empty list would mean differs by key, and never is what was meant.
fn empty_help(key: &str) -> String {
    match key {
        "allow" | "deny" => "a rule for no tools can never match; name a tool, or remove the rule".to_owned(),
        "users" | "environments" => format!("for everything, remove `{key}`; for nothing, remove the rule"),
        _ => format!("write at least one, or remove `{key}`"),
    }
}

fn check_scalar(node: &Node, key: &Key, form: Form, report: &mut Report) {
    match node.scalar() {
        None => wanted("a single value", node, key, report),
        Some(scalar) => {
            if let Err((message, help)) = form::check(form, scalar) {
                report.error(node.at, message, help);
            }
        }
    }
}

fn wanted(what: &str, node: &Node, key: &Key, report: &mut Report) {
    if matches!(node.content, Content::Unread) {
        return;
    }
    let message = format!("`{}` wants {what}, and this is {}", key.name, kind(node));
    report.error(node.at, message, format!("for example `{}: {}`", key.name, key.example));
}

fn kind(node: &Node) -> &'static str {
    match &node.content {
        Content::Map(_) | Content::Unread => "a mapping",
        Content::List(_) => "a list",
        Content::Scalar(scalar) => match form::plain(scalar) {
            form::Plain::Nothing => "nothing",
            form::Plain::Bool(_) => "a boolean",
            form::Plain::Number => "a number",
            form::Plain::Text => "a text",
        },
    }
}
