//! What a shell script would do: its programs, files and hosts, and what of it could not be had back.
//!
//! Answerable for the way from a text to effects: a grammar of our own (`shell/parse.rs`), a walk that takes every
//! branch (`shell/walk.rs`), and what programs do (`shell/call.rs`, `data/programs.txt`). Runs nothing, looks at
//! nothing outside of the text, and judges no policy. What cannot be told is `process.exec` of an unknown target.

mod arithmetic;
mod assigned;
mod braces;
mod builtins;
mod call;
mod calls;
mod change;
mod delete;
mod dollar;
mod environment;
mod expand;
mod field;
mod files;
mod find;
mod foreign;
mod git;
mod git_reach;
mod handed;
mod http;
mod http_options;
mod judge;
mod lexical;
mod many;
mod options;
mod outputs;
mod parse;
mod programs;
mod reach;
mod read;
mod redirect;
mod remote;
mod runners;
mod schedule;
mod scope;
mod sed;
mod shells;
mod statements;
mod store;
mod store_files;
mod streams;
mod transfer;
mod tree;
mod unsaid;
mod verbs;
mod walk;
mod word;
mod wrappers;

use verdict::{Effect, Target};

use crate::Surroundings;
use field::{Feed, Field, PIECE, UNKNOWN};
use walk::Walk;

/// The longest script that is read: what Linux takes as one argument. Longer ones are unknown.
const LONGEST: usize = 1 << 17;

/// What `script` would do, run by a shell. Every command gives a `process.exec` with its words, and what it does
/// beside that. A text that is no script gives one `process.exec` of an unknown target, and what can be seen in it
/// that destroys. `place` is left empty.
#[must_use]
pub fn effects(script: &str, around: &Surroundings) -> Vec<Effect> {
    let mut walk = Walk::new(around);
    if script.len() > LONGEST {
        walk.unknown_exec("longer than any command line");
        lexical::destructive(&mut walk, script);
        return walk.out;
    }
    let is_odd = script.contains(['\0', '\r', UNKNOWN, PIECE]);
    if !is_odd {
        walk.text(script, Feed::Nothing);
        return walk.out;
    }
    if script.contains(['\0', UNKNOWN, PIECE]) {
        walk.unknown_exec("holds characters that no script has");
    }
    let plain = script.replace(['\0', UNKNOWN, PIECE], "");
    walk.text(&plain, Feed::Nothing);
    if plain.contains('\r') {
        // To bash a carriage return is a part of a word, to others the end of a line: both count.
        let mut other = Walk::new(around);
        other.text(&plain.replace("\r\n", "\n").replace('\r', "\n"), Feed::Nothing);
        for effect in other.out {
            walk.effect(effect);
        }
    }
    walk.out
}

/// What a program would do that is started without a shell. A word that is not known is absent.
pub(crate) fn program(name: &str, words: &[Option<String>], around: &Surroundings) -> Vec<Effect> {
    let mut walk = Walk::new(around);
    let size: usize = words.iter().flatten().map(String::len).sum();
    if size > LONGEST || name.contains([UNKNOWN, PIECE]) {
        walk.unknown_exec("longer than any command line");
        return walk.out;
    }
    let word = |it: &Option<String>| match it {
        Some(text) if !text.contains([UNKNOWN, PIECE]) => Field::new(text.as_str()),
        _ => Field::unknown(),
    };
    let fields: Vec<Field> = std::iter::once(Field::new(name)).chain(words.iter().map(word)).collect();
    walk.program(&fields, Feed::Nothing);
    walk.out
}

/// True if `script` is one: it follows the grammar of bash, and is neither too long nor nested too deeply.
#[must_use]
pub fn parses(script: &str) -> bool {
    script.len() <= LONGEST && parse::script(script).is_ok()
}

/// True if the default boundary for commands refuses a script with these effects: it destroys what cannot be had
/// back, or runs what cannot be told.
#[must_use]
pub fn is_refused(effects: &[Effect]) -> bool {
    effects.iter().any(|it| it.destroys || (it.kind == "process.exec" && it.target == Target::Unknown))
}
