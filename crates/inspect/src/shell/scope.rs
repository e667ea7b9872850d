//! What a script has set so far: variables, functions, aliases, its arguments, and the folder it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::Surroundings;

use super::field::{Field, UNKNOWN};
use super::tree::Command;

/// What a script has set so far.
#[derive(Clone, Default)]
pub struct Scope {
    vars: BTreeMap<String, Vec<Field>>,
    /// Functions, and whether they are certainly the ones that a name means.
    pub functions: BTreeMap<String, (Rc<Command>, bool)>,
    pub aliases: BTreeMap<String, String>,
    /// Variables whose value is not simply what is assigned to them.
    fixed: BTreeSet<String>,
    /// `$1` and after; absent at the top, where nobody knows.
    pub args: Option<Rc<Vec<Field>>>,
    /// The working directory as the script spells it: empty where it began.
    pub folder: String,
    /// About how many bytes a copy takes.
    pub weight: usize,
}

impl Scope {
    /// The values of a variable, if anything is known of it. `around` says what the environment holds.
    pub fn get(&self, name: &str, around: &Surroundings) -> Option<Vec<Field>> {
        if let Some(values) = self.vars.get(name) {
            return Some(values.clone());
        }
        let text = match name {
            "HOME" => around.home.clone().unwrap_or_else(|| "~".to_owned()),
            "PWD" if !self.folder.is_empty() => self.folder.clone(),
            "PWD" => around.cwd.clone().unwrap_or_else(|| ".".to_owned()),
            "TMPDIR" | "TMP" | "TEMP" | "TEMPDIR" => "/tmp".to_owned(),
            "IFS" => " \t\n".to_owned(),
            "SHELL" => "/bin/sh".to_owned(),
            "BASH" | "0" => "/bin/bash".to_owned(),
            "XDG_CACHE_HOME" => format!("{}/.cache", around.home.as_deref().unwrap_or("~")),
            _ => return None,
        };
        Some(vec![Field::new(text)])
    }

    /// True if the script itself has set it.
    pub fn has(&self, name: &str) -> bool {
        self.vars.contains_key(name)
    }

    pub fn set(&mut self, name: &str, values: Vec<Field>) {
        self.weight += 48 + name.len() + values.iter().map(|it| 48 + it.text.len()).sum::<usize>();
        let values = if self.fixed.contains(name) { vec![Field::unknown()] } else { values };
        self.vars.insert(name.to_owned(), values);
    }

    pub fn unset(&mut self, name: &str) {
        // What the environment holds is not what the script may rely on any more.
        self.vars.insert(name.to_owned(), vec![Field::new("")]);
    }

    pub fn forget(&mut self, name: &str) {
        if self.vars.contains_key(name) {
            self.vars.insert(name.to_owned(), vec![Field::unknown()]);
        }
    }

    /// From now on, assignments do not simply decide what it holds; `now`: nor did the last one.
    pub fn fix(&mut self, name: &str, now: bool) {
        self.fixed.insert(name.to_owned());
        if now {
            self.vars.insert(name.to_owned(), vec![Field::unknown()]);
        }
    }

    /// Any variable may have changed.
    pub fn forget_all(&mut self) {
        self.vars.values_mut().for_each(|it| *it = vec![Field::unknown()]);
    }

    /// Changes the folder; an unknown one stays unknown until an absolute one is named.
    pub fn enter(&mut self, text: &str) {
        self.folder = self.below(text);
    }

    /// A path as seen from where the script began.
    pub fn below(&self, text: &str) -> String {
        if self.folder.is_empty() || text.starts_with(['/', '~']) {
            return text.to_owned();
        }
        match text {
            "" | "." => self.folder.clone(),
            text => format!("{}/{text}", self.folder.trim_end_matches('/')),
        }
    }

    /// Both may have happened: what differs is unknown.
    pub fn merge(&mut self, other: &Self) {
        for (name, values) in &other.vars {
            match self.vars.get_mut(name) {
                Some(mine) if mine != values => *mine = vec![Field::unknown()],
                Some(_) => {}
                None => {
                    self.vars.insert(name.clone(), values.clone());
                }
            }
        }
        for (name, (body, sure)) in &other.functions {
            let mine = self.functions.entry(name.clone()).or_insert_with(|| (Rc::clone(body), false));
            mine.1 &= *sure && Rc::ptr_eq(&mine.0, body);
        }
        for (name, mine) in &mut self.functions {
            mine.1 &= other.functions.contains_key(name);
        }
        self.fixed.extend(other.fixed.iter().cloned());
        for (name, text) in &other.aliases {
            self.aliases.entry(name.clone()).or_insert_with(|| text.clone());
        }
        if self.folder != other.folder {
            self.folder = UNKNOWN.to_string();
        }
        if self.args != other.args {
            self.args = None;
        }
    }
}
