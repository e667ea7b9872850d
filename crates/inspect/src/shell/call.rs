//! What one command does: functions, built-ins, shells, wrappers and programs each go where they are known.

use std::rc::Rc;

use verdict::{Effect, ProgramTarget, Target};

use super::field::{Feed, Field, UNKNOWN};
use super::unsaid::Words;
use super::walk::Walk;
use super::{
    builtins, delete, find, foreign, git, http, outputs, programs, remote, runners, shells, store, streams,
    transfer, wrappers,
};

/// A program that has code of its own here: what it does beyond the table.
type Special = fn(&mut Walk<'_>, &str, &[Field], &Feed) -> bool;

const SPECIAL: &[Special] = &[
    shells::apply,
    wrappers::apply,
    remote::apply,
    runners::apply,
    foreign::apply,
    transfer::apply,
    streams::apply,
    delete::apply,
    find::apply,
    git::apply,
    http::apply,
    store::apply,
];

/// The name of a program without its folder.
pub fn base(name: &str) -> &str {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    base.strip_suffix(".exe").unwrap_or(base)
}

impl Walk<'_> {
    /// A command as the shell runs it: functions come first.
    pub fn call(&mut self, fields: &[Field], feed: Feed) -> Feed {
        let Some((first, rest)) = fields.split_first() else { return Feed::Nothing };
        let found = self.scope.functions.get(&first.text).map(|(body, sure)| (Rc::clone(body), *sure));
        match found {
            None => self.program(fields, feed),
            Some((body, sure)) => {
                self.spend(self.scope.weight * 2);
                let before = self.scope.clone();
                let mut fed = self.function(&first.text, &body, rest, feed.clone());
                // It may return before its end.
                self.scope.merge(&before);
                if !sure {
                    fed = fed.then(self.program(fields, feed)).maybe();
                }
                fed
            }
        }
    }

    /// A command that is no function: a built-in or a program, with all that it starts in turn.
    pub fn program(&mut self, fields: &[Field], feed: Feed) -> Feed {
        let Some((first, rest)) = fields.split_first() else { return Feed::Nothing };
        if !self.enter() {
            return Feed::Unknown;
        }
        let fed = if let Feed::Text(text) = &feed { text.len() } else { 0 };
        let size: usize = fields.iter().map(|it| it.text.len()).sum();
        let feed = if self.spend(fed + size) { feed } else { Feed::Unknown };
        let is_certain = first.is_known() && !first.glob;
        if is_certain {
            let words = rest.iter().map(|it| it.known().map(str::to_owned)).collect();
            let name = first.text.clone();
            self.effect(Effect::new("process.exec", Target::Program(ProgramTarget { name, words })));
        } else {
            self.unknown_exec("which program runs is known only when it runs");
        }
        // Whatever folder it is in: what it does goes by its name.
        let text = first.text.rsplit(UNKNOWN).next().unwrap_or_default();
        let name = if self.around.ignores_case { base(text).to_lowercase() } else { base(text).to_owned() };
        let fed = if name.is_empty() { Feed::Unknown } else { self.named(&name, first, rest, feed) };
        self.leave();
        fed
    }

    fn named(&mut self, name: &str, first: &Field, rest: &[Field], feed: Feed) -> Feed {
        if let Some(fed) = builtins::apply(self, name, rest, &feed) {
            return fed;
        }
        if first.text.contains('/')
            && let Some(content) = self.content(&first.text)
        {
            return shells::content(self, content, rest, feed);
        }
        let fed = outputs::of(self, name, rest, &feed);
        let earlier = std::mem::take(&mut self.out);
        let is_special = SPECIAL.iter().any(|apply| apply(self, name, rest, &feed));
        let found = programs::find(name).filter(|_| !is_special);
        if let Some(program) = found {
            self.tabled(program, rest);
        }
        let said = std::mem::take(&mut self.out);
        self.out = earlier;
        self.add(&said);
        let under =
            if is_special { under(name, rest) } else { found.map_or(Some(Words::Any), |it| it.words) };
        if let Some(words) = under {
            self.unsaid(rest, &said, words);
            self.handed(rest, &said, (is_special || found.is_some(), &feed));
        } else if COPIES.contains(&name) {
            let options: Vec<Field> = rest.iter().filter(|it| it.text.starts_with('-')).cloned().collect();
            self.unsaid(&options, &said, Words::Any);
        }
        fed
    }
}

/// Programs with code of their own whose words are files and addresses all the same.
const GIVEN: &[&str] = &[
    "curl",
    "curlie",
    "wget",
    "wget2",
    "http",
    "https",
    "xh",
    "xhs",
    "httpie",
    "aria2c",
    "axel",
    "lynx",
    "w3m",
    "elinks",
    "links",
    "psql",
    "pgcli",
    "mysql",
    "mariadb",
    "mycli",
    "sqlite3",
    "sqlite",
    "duckdb",
    "sqlcmd",
    "clickhouse",
    "clickhouse-client",
    "redis-cli",
    "valkey-cli",
    "mongosh",
    "mongo",
    "make",
    "gmake",
    "bmake",
    "cp",
    "mv",
    "ln",
    "install",
    "truncate",
    "tee",
    "sponge",
    "shred",
    "find",
];

/// Programs whose words may be paths of other machines; only their options are places here.
const COPIES: &[&str] = &["scp", "rcp", "pscp", "sftp", "psftp", "rsync"];

/// What the words of a program with code of its own may be, beyond what that code makes of them.
fn under(name: &str, rest: &[Field]) -> Option<Words> {
    if GIVEN.contains(&name) {
        return Some(Words::Any);
    }
    // Scripts are programs that nobody wrote down.
    let is_inline = |it: &Field| {
        it.text.starts_with('-')
            && !it.text.starts_with("--")
            && it.text.contains(['c', 'e', 'E', 'n', 'p', 'r'])
            || it.text == "--eval"
            || it.text == "eval"
    };
    let is_script = shells::is_shell(name) || foreign::is_language(name);
    // What a module makes of its words nobody wrote down either.
    let is_module = name.starts_with("py") && rest.iter().any(|it| it.text == "-m");
    (is_script && (is_module || !rest.iter().any(is_inline))).then_some(Words::Any)
}
