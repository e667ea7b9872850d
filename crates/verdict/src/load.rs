//! The policy file: YAML (or JSON) texts in, a compiled policy or every mistake in them out.
//!
//! Answerable for what is read, in which order, and for the version, which the contents alone decide.
//! Pure: whoever calls opens the files. Knows nothing of how a decision is taken.

mod assemble;
mod cases;
mod form;
mod guards;
mod hand;
mod lint;
mod problem;
mod read;
mod sandbox;
mod schema;
mod shape;
mod table;
mod tool;
mod yaml;

use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};
#[cfg(test)]
pub(crate) use table::EFFECTS;

use crate::policy::{Policy, PolicyVersion};
pub use cases::{Case, CaseAction, Expectation, cases};
pub use problem::{Problem, Severity};
pub use schema::schema;

use crate::action::short;
use problem::{Place, Report};
use read::Gathered;
use yaml::Node;

/// A policy that was read.
#[derive(Debug)]
pub struct Loaded {
    /// The policy, compiled.
    pub policy: Policy,
    /// What is probably not meant, in the order of the files.
    pub warnings: Vec<Problem>,
    /// The names of the files it was read from: the one that was asked for, then those it includes.
    pub files: Vec<String>,
}

/// Gives an included file: from the path as written and the including file's name, the included file's
/// name and text, or why not.
pub type Include<'i> = &'i mut dyn FnMut(&str, &str) -> Result<(String, String), String>;

/// Reads a policy. `file` is the name that mistakes are reported under. The error is everything that is
/// wrong, in the order of the files and of the lines in them.
pub fn load(file: &str, text: &str, include: Include<'_>) -> Result<Loaded, Vec<Problem>> {
    let mut reading =
        Reading { report: Report::default(), include, digest: Sha256::new(), roots: Vec::new() };
    reading.add(file, text, &mut Vec::new());
    let Reading { mut report, digest, roots, .. } = reading;
    let mut gathered = Gathered::default();
    no_doubles(&roots, &mut report);
    for root in &roots {
        read::read(root, &mut gathered, &mut report);
    }
    lint::errors(&gathered, &mut report);
    let parts = assemble::assemble(&gathered, &mut report);
    if report.errors() > 0 {
        return Err(report.finish());
    }
    lint::warnings(&gathered, &mut report);
    let version: String = crate::action::hex(&digest.finalize()).chars().take(32).collect();
    let files = (0..report.files()).map(|file| report.name(file).to_owned()).collect();
    let policy = Policy::compile(parts, PolicyVersion(version.into()));
    Ok(Loaded { policy, warnings: report.finish(), files })
}

/// Files that include each other in a row.
const MAX_DEPTH: usize = 8;
/// Files in all.
const MAX_FILES: usize = 256;

struct Reading<'i> {
    report: Report,
    include: Include<'i>,
    digest: Sha256,
    roots: Vec<Node>,
}

impl Reading<'_> {
    /// Reads a file and then, in order, those it includes. `above` are the files being read.
    fn add(&mut self, name: &str, text: &str, above: &mut Vec<String>) {
        let role = if above.is_empty() { "policy" } else { "include" };
        for part in [role, text] {
            self.digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            self.digest.update(part);
        }
        let file = self.report.add_file(name, text);
        let Some(root) = yaml::read(file, text, &mut self.report) else { return };
        shape::check(&root, &table::POLICY, &mut self.report);
        if let Some(defaults) =
            root.entries().iter().find(|entry| entry.key == "defaults" && !above.is_empty())
        {
            let help = "move it to the file that includes this one".to_owned();
            self.report.error(defaults.at, "an included file has no `defaults`", help);
        }
        let paths: Vec<(String, Place)> = root
            .get("include")
            .map_or(&[][..], Node::several)
            .iter()
            .filter_map(|path| path.text().map(|text| (text.to_owned(), path.at)))
            .collect();
        self.roots.push(root);
        above.push(name.to_owned());
        for (path, at) in paths {
            self.follow(&path, at, above);
        }
        above.pop();
    }

    fn follow(&mut self, path: &str, at: Place, above: &mut Vec<String>) {
        let from = above.last().cloned().unwrap_or_default();
        let path_shown = short(path);
        if above.len() > MAX_DEPTH || self.report.files() >= MAX_FILES {
            let message = format!(
                "`{path_shown}` is not read: files include each other more than {MAX_DEPTH} deep, or are more than {MAX_FILES}"
            );
            return self.report.error(at, message, "include it from the first file".to_owned());
        }
        match (self.include)(path, &from) {
            Err(why) => {
                let help = "paths are relative to the file that includes them".to_owned();
                self.report.error(at, format!("`{path_shown}` cannot be included: {why}"), help);
            }
            Ok((name, _)) if above.contains(&name) => {
                let message = format!("`{path_shown}` includes itself: {} -> {name}", above.join(" -> "));
                self.report.error(at, message, "remove one of the two `include` lines".to_owned());
            }
            // Two files may share a third; it is read once.
            Ok((name, _)) if self.report.has_file(&name) => (),
            Ok((name, text)) => self.add(&name, &text, above),
        }
    }
}

/// Within one file a name given twice is a key given twice; between files it is this.
fn no_doubles(roots: &[Node], report: &mut Report) {
    for (section, what) in [("tools", "tool"), ("agents", "agent"), ("roles", "role"), ("groups", "group")] {
        let mut first: HashMap<&str, Place> = HashMap::new();
        for entry in roots.iter().filter_map(|root| root.get(section)).flat_map(Node::entries) {
            if let Some(other) = first.get(entry.key.as_str()) {
                let help = format!("the other is at {}; rename or remove one of them", report.show(*other));
                report.error(entry.at, format!("{what} `{}` is defined twice", short(&entry.key)), help);
            } else {
                first.insert(&entry.key, entry.at);
            }
        }
    }
}
