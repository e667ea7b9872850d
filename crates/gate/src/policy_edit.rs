//! Edits of the policy in force, for what is registered over an API: tools, agents, their rules and limits.
//!
//! There is one truth, the policy. An edit takes its text, changes entries of it, and puts the result in force as an
//! ordinary version. What did not change keeps its bytes and its comments. If another version came into force
//! meanwhile, the edit is made again on that one.

mod emit;
mod parse;
mod splice;
mod tree;

use std::sync::Arc;

use ledger::Fault;
use verdict::load::{Problem as Mistake, Severity};
use verdict::{Command, Halt, Index, PolicyVersion, Refusal};

use crate::desk::Desk;
use crate::policy_text::{self, PolicyText};
use crate::views::{self, Reading};

pub use tree::{Scalar, Tree};

/// A policy's texts as trees.
#[derive(Clone, Debug)]
pub struct Document {
    /// The main text first, then those it includes.
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    name: String,
    text: String,
    tree: Tree,
}

/// Where an edit is made.
pub struct Editing<'a> {
    /// The writer.
    pub desk: &'a Desk,
    /// The ledger, to read the text in force.
    pub reading: &'a Reading,
    /// Names the gates that share the policy.
    pub line: &'a str,
    /// Who edits.
    pub by: &'a str,
}

/// An edit in force.
#[derive(Debug)]
pub struct Edited<T> {
    /// What the change gave.
    pub given: T,
    /// The version now in force.
    pub version: PolicyVersion,
    /// What is probably not meant in it.
    pub warnings: Vec<Mistake>,
}

/// Why nothing has changed.
#[derive(Debug)]
pub enum Unedited<E> {
    /// The change was not made.
    Refused(E),
    /// The policy would have these mistakes.
    Mistakes(Vec<Mistake>),
    /// There is no policy that could be edited; a sentence.
    NoPolicy(String),
    /// Others edit all the time.
    Busy,
    /// The ledger cannot be read or written.
    Halt(Halt),
}

/// How often an edit is made again because the policy moved.
const TRIES: usize = 16;

/// Edits the policy in force. `change` may run several times, each time on the newest text.
pub async fn edit<T, E>(
    editing: &Editing<'_>,
    mut change: impl FnMut(&mut Document) -> Result<T, E>,
) -> Result<Edited<T>, Unedited<E>> {
    for _ in 0..TRIES {
        let (mut document, before) = current(editing).await.map_err(Unread::unedited)?;
        let given = change(&mut document).map_err(Unedited::Refused)?;
        // Writing out and compiling may take a while; others are served meanwhile.
        let compiled = tokio::task::spawn_blocking(move || document.compile()).await;
        let gone = || Unedited::Halt(Halt("the gate is shutting down".to_owned()));
        let PolicyText { loaded, packed, .. } = compiled.map_err(|_| gone())?.map_err(Unedited::Mistakes)?;
        let (version, warnings) = (loaded.policy.version().clone(), loaded.warnings);
        let command = Command::Policy {
            line: editing.line.to_owned(),
            policy: Arc::new(loaded.policy),
            text: packed,
            file: false,
            by: Some(editing.by.to_owned()),
            only_after: Some(before),
        };
        match editing.desk.obey(command).await.map_err(Unedited::Halt)? {
            Ok(_) => return Ok(Edited { given, version, warnings }),
            Err(Refusal::Moved(_)) => (),
            Err(refusal) => return Err(Unedited::NoPolicy(refusal.to_string())),
        }
    }
    Err(Unedited::Busy)
}

/// Why the policy in force cannot be read as trees.
#[derive(Debug)]
pub enum Unread {
    /// A sentence.
    NoPolicy(String),
    /// The ledger cannot be read.
    Halt(Halt),
}

impl Unread {
    fn unedited<E>(self) -> Unedited<E> {
        match self {
            Self::NoPolicy(why) => Unedited::NoPolicy(why),
            Self::Halt(halt) => Unedited::Halt(halt),
        }
    }
}

/// The policy in force, to be read or changed, and which it is.
pub async fn current(editing: &Editing<'_>) -> Result<(Document, PolicyVersion), Unread> {
    let line = editing.line.to_owned();
    let asked = editing.desk.ask(move |books| books.policy(&line).cloned()).await.map_err(Unread::Halt)?;
    let none = "no policy was put on record yet; put one with `PUT /v1/policy` or start with a policy file";
    let in_force = asked.ok_or_else(|| Unread::NoPolicy(none.to_owned()))?;
    let at: Index = in_force.at;
    let read = editing.reading.ask(move |reader| views::policy_files(reader, at));
    let files = read.await.map_err(|fault: Fault| Unread::Halt(Halt(fault.to_string())))?;
    let erased = "the text of the policy in force was erased; put it again with `PUT /v1/policy`";
    let files = files.ok_or_else(|| Unread::NoPolicy(erased.to_owned()))?;
    Ok((Document::of(files).map_err(Unread::NoPolicy)?, in_force.version))
}

impl Document {
    /// The texts of a policy, the main one first, each with its name. The error is a sentence.
    pub fn of(files: Vec<(String, String)>) -> Result<Self, String> {
        let read = |(name, text): (String, String)| {
            let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
            let (tree, _) = parse::parse(&text)?;
            Ok(File { name, text, tree })
        };
        let files = files.into_iter().map(read).collect::<Result<Vec<_>, String>>()?;
        if files.is_empty() { Err("the policy has no text".to_owned()) } else { Ok(Self { files }) }
    }

    /// What stands at a path of keys, in whichever file: `["agents", "support-bot"]`.
    pub fn get(&self, path: &[&str]) -> Option<&Tree> {
        self.files.iter().find_map(|file| file.tree.at(path))
    }

    /// The entries of a section of all files: its agents, its tools.
    pub fn entries(&self, section: &str) -> impl Iterator<Item = (&str, &Tree)> {
        let sections = self.files.iter().filter_map(move |file| file.tree.get(section));
        sections.flat_map(Tree::entries).map(|(name, value)| (name.as_str(), value))
    }

    /// What stands at a path, to be changed. It is made if it is not there: in the file that has the most of the
    /// path, or else in the main one. The error names what is in the way.
    pub fn make(&mut self, path: &[&str]) -> Result<&mut Tree, String> {
        let mut best = (0, 0);
        for (n, file) in self.files.iter().enumerate() {
            let deep =
                (1..=path.len()).rev().find(|deep| file.tree.at(path.get(..*deep).unwrap_or(&[])).is_some());
            // A section that another file has as well says nothing about where its entries belong.
            let deep = deep.filter(|deep| *deep > 1).unwrap_or(0);
            if deep > best.1 {
                best = (n, deep);
            }
        }
        let file = self.files.get_mut(best.0).ok_or_else(|| "the policy has no text".to_owned())?;
        file.tree.make(path)
    }

    /// Puts a value at a path, in place of what was there.
    pub fn set(&mut self, path: &[&str], value: Tree) -> Result<(), String> {
        *self.make(path)? = value;
        Ok(())
    }

    /// Takes away what stands at a path.
    pub fn remove(&mut self, path: &[&str]) -> Option<Tree> {
        self.files.iter_mut().find_map(|file| file.tree.remove(path))
    }

    /// The texts, each with its name: what did not change is as it was. The error is a sentence.
    pub fn texts(self) -> Result<Vec<(String, String)>, String> {
        self.files.into_iter().map(|file| Ok((file.name, written(file.text, &file.tree)?))).collect()
    }

    /// The texts compiled, or everything that is wrong with them.
    pub fn compile(self) -> Result<PolicyText, Vec<Mistake>> {
        let file = self.files.first().map_or_else(String::new, |file| file.name.clone());
        let unwritten =
            |message| Mistake { severity: Severity::Error, file, line: 1, column: 1, message, help: None };
        policy_text::of_texts(self.texts().map_err(|message| vec![unwritten(message)])?)
    }
}

/// A tree as text: put into the text it came from if that says the same, else written anew.
fn written(mut text: String, tree: &Tree) -> Result<String, String> {
    let says_so = |text: &String| parse::parse(text).is_ok_and(|(read, _)| read == *tree);
    if says_so(&text) {
        return Ok(text);
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let spliced = parse::parse(&text).ok().and_then(|(old, spot)| splice::splice(&text, &old, &spot, tree));
    let anew = || Some(emit::document(tree)).filter(says_so);
    spliced
        .filter(says_so)
        .or_else(anew)
        .ok_or_else(|| "the edited policy cannot be written as YAML".to_owned())
}

#[cfg(test)]
mod tests;
