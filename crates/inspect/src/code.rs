//! What a piece of Python or JavaScript plainly does.
//!
//! Answerable for what can be read off the text: calls that touch files, machines, processes and databases, with
//! constants followed through names, aliases and concatenation; and for saying that the rest is not known.
//! Runs nothing, follows no control flow, and is no guarantee: the sandbox is.

mod act;
mod names;
mod parse;
mod table;
mod value;

use verdict::{Effect, Target};

use crate::{Surroundings, place};

pub use parse::LONGEST;

/// How deep texts that are run may hold texts that are run.
const DEEPEST: u8 = 3;

/// A programming language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Python 3, and 2 as far as it is the same.
    Python,
    /// JavaScript, and TypeScript as far as it is the same.
    JavaScript,
}

impl Language {
    /// The language of this name, whatever its case; what is none of them is none.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "python" | "python3" | "python2" | "py" | "ipython" => Some(Self::Python),
            "javascript" | "js" | "node" | "nodejs" | "ecmascript" | "mjs" | "typescript" | "ts" | "deno"
            | "bun" => Some(Self::JavaScript),
            _ => None,
        }
    }

    /// As it is called in effects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }
}

/// What running `text` would do, each effect once. The first one is always `code.run`: of the language if all of
/// it is plain, of [`Target::Unknown`] with the reason if anything is dynamic, not understood or not known.
pub fn effects(text: &str, language: Language, around: &Surroundings) -> Vec<Effect> {
    let mut findings = Findings { around, found: Vec::new(), dynamic: None, depth: 0 };
    findings.read(text, language);
    let run = match findings.dynamic {
        Some(why) => Effect::new("code.run", Target::Unknown).noting(why),
        None => Effect::new("code.run", Target::Named(language.name().to_owned())),
    };
    let mut effects = vec![run];
    effects.append(&mut findings.found);
    effects
}

/// What is gathered from a text and the texts that it runs.
struct Findings<'a> {
    around: &'a Surroundings,
    found: Vec<Effect>,
    /// Why not all of it is known, once something is not.
    dynamic: Option<&'static str>,
    depth: u8,
}

impl Findings<'_> {
    fn read(&mut self, text: &str, language: Language) {
        if text.len() > LONGEST || self.depth > DEEPEST {
            return self.unknown("too long or too deeply nested to be read");
        }
        match parse::parse(text, language) {
            Some(tree) => {
                if tree.root_node().has_error() {
                    self.unknown("could not be read");
                }
                act::act(self, &tree, text, language);
            }
            None => self.unknown("too tangled to be read"),
        }
    }

    fn push(&mut self, effect: Effect) {
        const MOST: usize = 256;
        if let Some(secret) = place::secret(&effect) {
            self.push(secret);
        }
        if self.found.len() >= MOST {
            self.unknown("does more than can be listed");
        } else if !self.found.contains(&effect) {
            self.found.push(effect);
        }
    }

    fn unknown(&mut self, why: &'static str) {
        self.dynamic = self.dynamic.or(Some(why));
    }
}
