//! From the tree to the bounds of what the gate runs.
//!
//! Answerable for what no single scalar can show: absolute paths, names of variables, `none` and `all` standing
//! alone.

use super::form;
use super::problem::Report;
use super::read::{placed, text};
use super::yaml::Node;
use crate::action::short;
use crate::boundary::Hosts;
use crate::policy::Bounds;

/// Variables that make programs run code, or look for it elsewhere: how they begin, and whole names. Only the
/// operator's own command line may give them.
const BEGINNINGS: &[&str] = &["LD_", "DYLD_", "PYTHON", "GIT_", "PERL5", "NPM_CONFIG_"];
const NAMES: &[&str] =
    &["NODE_OPTIONS", "NODE_PATH", "BASH_ENV", "ENV", "IFS", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS"];

/// What a section says; none if there is no section.
pub(super) fn read(node: &Node, report: &mut Report) -> Option<Bounds> {
    let node = node.get("sandbox")?;
    if report.is_broken(node.at) {
        return None;
    }
    let number = |key: &str| {
        let scalar = node.get(key).and_then(Node::scalar)?;
        form::count(scalar).ok().and_then(|n| u64::try_from(n).ok())
    };
    let bytes = |key: &str| text(node, key).and_then(|text| form::bytes(&text).ok());
    Some(Bounds {
        read: paths(node, "read", report),
        write: paths(node, "write", report),
        workspace: paths(node, "workspace", report).and_then(|list| list.into_iter().next()),
        network: network(node, report),
        env: variables(node, report),
        timeout_ms: text(node, "timeout")
            .and_then(|text| form::duration(&text, 30).ok())
            .and_then(|ms| u64::try_from(ms).ok()),
        memory: bytes("memory"),
        cpu: text(node, "cpu").and_then(|text| form::percent(&text).ok()),
        processes: number("processes"),
        files: number("files"),
        file_size: bytes("file_size"),
        output: bytes("output"),
        disk: bytes("disk"),
        require: alone(node, "require", "all", report),
        backend: text(node, "backend"),
    })
}

fn paths(node: &Node, key: &str, report: &mut Report) -> Option<Vec<String>> {
    let listed = placed(Some(node.get(key)?));
    for (path, at) in &listed {
        let odd = path.split('/').any(|part| part == "..");
        if !path.starts_with('/') || odd {
            let message = format!("`{}` is no absolute path", short(path));
            report.error(*at, message, "write the whole path, from `/` on and without `..`".to_owned());
        } else if path.trim_end_matches('/').is_empty() {
            let message = "the whole file system cannot be given".to_owned();
            report.error(*at, message, "name the folders that are needed".to_owned());
        }
    }
    Some(listed.into_iter().map(|(path, _)| path).collect())
}

/// A list in which one word stands for everything else and so stands alone; that word is an empty list.
fn alone(node: &Node, key: &str, word: &str, report: &mut Report) -> Option<Vec<String>> {
    let listed = placed(Some(node.get(key)?));
    if let Some((_, at)) = listed.iter().find(|(it, _)| it == word).filter(|_| listed.len() > 1) {
        report.error(
            *at,
            format!("`{word}` stands beside others"),
            format!("write `{key}: {word}`, or the list without it"),
        );
    }
    let names = listed.into_iter().map(|(name, _)| name).filter(|name| name != word);
    Some(names.collect())
}

fn network(node: &Node, report: &mut Report) -> Option<Vec<String>> {
    let hosts = alone(node, "network", "none", report)?;
    if let Err(why) = Hosts::new(Some(&hosts), &[], false) {
        let at = node.get("network").map_or(node.at, |it| it.at);
        report.error(at, why, "write hosts as under `boundaries`, or `none`".to_owned());
    }
    Some(hosts)
}

fn variables(node: &Node, report: &mut Report) -> Option<Vec<String>> {
    let listed = placed(Some(node.get("env")?));
    for (name, at) in &listed {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        let upper = name.to_ascii_uppercase();
        let dangerous = BEGINNINGS.iter().any(|it| upper.starts_with(it)) || NAMES.contains(&upper.as_str());
        if !plain {
            let help = "write its name alone: values come from the gate's environment".to_owned();
            report.error(*at, format!("`{}` is no variable's name", short(name)), help);
        } else if dangerous || upper.ends_with("_PROXY") {
            let help = "remove it: programs run code from where it says, or go around the proxy".to_owned();
            report.error(*at, format!("`{name}` would let the run steer what is executed"), help);
        }
    }
    Some(listed.into_iter().map(|(name, _)| name).collect())
}
