//! Goes through a script as a shell would, branch by branch, without running anything: every branch is taken,
//! and what may differ afterwards is unknown.
//!
//! Knows no program: what a command does is `call.rs`.

use std::collections::BTreeMap;
use std::rc::Rc;

use verdict::{Effect, Target};

use super::field::{Feed, Field, UNKNOWN, joined};
use super::parse;
use super::scope::Scope;
use super::tree::{Assign, Command, Item, Pipeline, Script, What, Word};
use crate::Surroundings;

/// How many commands are followed before the rest counts as unknown.
const MOST_STEPS: usize = 4096;
/// How many bytes of values, scripts and streams are copied before the rest counts as unknown.
const MOST_BYTES: usize = 1 << 22;
/// How many effects are kept.
const MOST_EFFECTS: usize = 4096;
/// How deep scripts may call scripts: `bash -c "bash -c ..."`, functions, `eval`.
const DEEPEST: usize = 24;
/// For how many values a loop is gone through one by one.
const MOST_TURNS: usize = 8;

/// A walk through one script, and through the scripts that it starts.
pub struct Walk<'a> {
    pub around: &'a Surroundings,
    pub scope: Scope,
    pub out: Vec<Effect>,
    /// What the script itself wrote to files.
    pub files: BTreeMap<String, Feed>,
    /// What is to be said of effects elsewhere: on another machine, in a container.
    pub away: Option<&'static str>,
    feeds: Vec<Feed>,
    calls: Vec<String>,
    forks: usize,
    loops: usize,
    steps: usize,
    depth: usize,
    /// How much more may be copied, in bytes.
    left: usize,
    is_over: bool,
}

impl<'a> Walk<'a> {
    pub fn new(around: &'a Surroundings) -> Self {
        Self {
            around,
            scope: Scope::default(),
            out: Vec::new(),
            files: BTreeMap::new(),
            away: None,
            feeds: Vec::new(),
            calls: Vec::new(),
            forks: 0,
            loops: 0,
            steps: 0,
            depth: 0,
            left: MOST_BYTES,
            is_over: false,
        }
    }

    /// Takes from what may be copied; false once nothing is left.
    pub fn spend(&mut self, bytes: usize) -> bool {
        self.left = self.left.saturating_sub(bytes);
        self.left > 0
    }

    /// One more effect, unless the last ones have it already.
    pub fn effect(&mut self, mut effect: Effect) {
        if let Some(away) = self.away {
            effect.note = Some(match effect.note.take() {
                None => away.into(),
                Some(note) => format!("{away}: {note}").into(),
            });
        }
        let is_new = self.out.iter().rev().take(32).all(|it| *it != effect);
        if is_new && self.out.len() < MOST_EFFECTS {
            self.out.push(effect);
        }
    }

    /// A program runs, and it cannot be told which or what it does.
    pub fn unknown_exec(&mut self, note: &'static str) {
        self.effect(Effect::new("process.exec", Target::Unknown).noting(note));
    }

    /// A text that a shell is given; its effects are ours. What it prints, if that can be told.
    pub fn text(&mut self, text: &str, feed: Feed) -> Feed {
        // Substituted text is read by the shell a second time: its separators and substitutions count.
        if text.contains(UNKNOWN) {
            self.unknown_exec("runs what is put together only when it runs");
        }
        if self.depth >= DEEPEST || !self.spend(text.len() * 4) {
            self.unknown_exec("scripts within scripts, too many to follow");
            return Feed::Unknown;
        }
        match parse::script(text) {
            Ok(script) => {
                self.depth += 1;
                let fed = self.script(&script, feed);
                self.depth -= 1;
                fed
            }
            Err(_) => {
                self.unknown_exec("cannot be read as a shell script");
                super::lexical::destructive(self, text);
                Feed::Unknown
            }
        }
    }

    /// The words of a text that is split with quotes and backslashes, and nothing else: `env -S`, aliases of git.
    pub fn split(&mut self, text: &str) -> Vec<Field> {
        if let Ok(script) = parse::script(&format!(": {text}"))
            && let [item] = script.items.as_slice()
            && item.rest.is_empty()
            && let [command] = item.first.commands.as_slice()
            && let What::Simple { words, .. } = &command.what
            && command.redirects.is_empty()
        {
            return self.fields(words.get(1..).unwrap_or_default());
        }
        self.unknown_exec("runs words that cannot be told apart");
        Vec::new()
    }

    /// One program within another; false if they are too many.
    pub fn enter(&mut self) -> bool {
        if self.depth >= DEEPEST {
            self.unknown_exec("programs within programs, too deep to follow");
            return false;
        }
        self.depth += 1;
        true
    }

    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// In a shell of its own: what it sets is gone afterwards.
    pub fn apart(&mut self, run: impl FnOnce(&mut Self) -> Feed) -> Feed {
        self.spend(self.scope.weight);
        let before = self.scope.clone();
        let fed = run(self);
        self.scope = before;
        fed
    }

    /// A list in a shell of its own; what it prints.
    pub fn within(&mut self, script: &Script, feed: Feed) -> Feed {
        self.apart(|walk| walk.script(script, feed))
    }

    /// The text that stands where a list is substituted.
    pub fn substituted(&mut self, script: &Script) -> String {
        self.within(script, Feed::Nothing).substituted()
    }

    /// A file that holds what a list prints: `<(..)`.
    pub fn descriptor(&mut self, fed: Feed) -> String {
        self.feeds.push(fed);
        format!("/dev/fd/{}", 62 + self.feeds.len())
    }

    /// What a file holds, as far as the script itself put it there.
    pub fn content(&self, path: &str) -> Option<Feed> {
        let at = path
            .strip_prefix("/dev/fd/")
            .and_then(|it| it.parse::<usize>().ok())
            .and_then(|it| it.checked_sub(63));
        if let Some(fed) = at.and_then(|at| self.feeds.get(at)) {
            return Some(fed.clone());
        }
        self.files.get(path.trim_start_matches("./")).cloned()
    }

    /// A list.
    pub fn script(&mut self, script: &Script, feed: Feed) -> Feed {
        let mut fed = Feed::Nothing;
        for item in &script.items {
            let more = if item.background {
                self.forks += 1;
                let more = self.apart(|walk| walk.item(item, feed.clone()));
                self.forks -= 1;
                more
            } else {
                self.item(item, feed.clone())
            };
            fed = fed.then(more);
        }
        fed
    }

    fn item(&mut self, item: &Item, feed: Feed) -> Feed {
        let mut fed = self.pipeline(&item.first, feed.clone());
        if item.rest.is_empty() {
            return fed;
        }
        self.spend(self.scope.weight * 2);
        let sure = self.scope.clone();
        for pipeline in &item.rest {
            fed = fed.then(self.pipeline(pipeline, feed.clone()));
        }
        self.scope.merge(&sure);
        fed
    }

    fn pipeline(&mut self, pipeline: &Pipeline, feed: Feed) -> Feed {
        if let [only] = pipeline.commands.as_slice() {
            return self.command(only, feed);
        }
        let mut fed = feed;
        self.forks += 1;
        for command in &pipeline.commands {
            fed = self.apart(|walk| walk.command(command, fed));
        }
        self.forks -= 1;
        fed
    }

    fn command(&mut self, command: &Command, feed: Feed) -> Feed {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.left == 0 {
            if !std::mem::replace(&mut self.is_over, true) {
                self.out
                    .push(Effect::new("process.exec", Target::Unknown).noting("longer than can be followed"));
            }
            return Feed::Unknown;
        }
        let plumbing = self.redirected(&command.redirects, feed);
        let feed = plumbing.feed;
        let fed = match &command.what {
            What::Simple { assigns, words } if words.is_empty() => {
                assigns.iter().for_each(|assign| self.assign(assign, true));
                if plumbing.reads { Feed::Unknown } else { Feed::Nothing }
            }
            What::Simple { assigns, words } => self.simple(assigns, words, feed),
            What::Group(script) => self.script(script, feed),
            What::Subshell(script) => self.within(script, feed),
            What::If { arms, otherwise } => self.branches(arms, otherwise.as_ref(), &feed),
            What::While { test, body } => self.repeated(Some(test), body, feed),
            What::For { name, over, body } => self.each(name, over.as_deref(), body, feed),
            What::Count { head, body } => {
                let text = self.single(head).text;
                self.arithmetic(&text);
                self.repeated(None, body, feed)
            }
            What::Case { on, arms } => self.case(on, arms, &feed),
            What::Arith(word) => {
                let text = self.single(word).text;
                self.arithmetic(&text);
                // To bash this is arithmetic, to dash a list within two subshells.
                super::lexical::destructive(self, &text);
                Feed::Nothing
            }
            What::Test(words) => {
                let words: Vec<Field> = words.iter().map(|word| self.single(word)).collect();
                self.tested(&words);
                Feed::Nothing
            }
            What::Function { name, body } => {
                self.scope.functions.insert(name.clone(), (Rc::clone(body), true));
                Feed::Nothing
            }
            What::Coproc(command) => {
                self.forks += 1;
                let fed = self.apart(|walk| walk.command(command, Feed::Unknown));
                self.forks -= 1;
                fed
            }
        };
        match plumbing.sink {
            None => fed,
            Some(path) => {
                self.files.insert(path, fed);
                Feed::Nothing
            }
        }
    }

    fn simple(&mut self, assigns: &[Assign], words: &[Word], feed: Feed) -> Feed {
        let alias = words.first().and_then(Word::bare).and_then(|it| self.scope.aliases.get(it)).cloned();
        let fields = self.fields(words);
        assigns.iter().for_each(|assign| self.assign(assign, fields.is_empty()));
        if fields.is_empty() {
            return Feed::Nothing;
        }
        let fed = self.call(&fields, feed.clone());
        match alias {
            None => fed,
            // Only some shells expand aliases in scripts, so both may be meant.
            Some(text) => {
                let name = words.first().and_then(Word::bare).unwrap_or_default();
                let mut rest = fields.get(1..).unwrap_or_default().to_vec();
                // None is expanded within itself.
                self.scope.aliases.remove(name);
                let fed = fed.then(self.aliased(&text, &mut rest, feed)).maybe();
                self.scope.aliases.insert(name.to_owned(), text);
                fed
            }
        }
    }

    /// An alias is text in front of the other words: simple ones become words, others a script before them.
    fn aliased(&mut self, text: &str, rest: &mut Vec<Field>, feed: Feed) -> Feed {
        let Ok(script) = parse::script(text) else {
            self.unknown_exec("an alias that cannot be read");
            return Feed::Unknown;
        };
        if let [item] = script.items.as_slice()
            && item.rest.is_empty()
            && let [command] = item.first.commands.as_slice()
            && let What::Simple { assigns, words } = &command.what
        {
            let mut fields = self.fields(words);
            assigns.iter().for_each(|assign| self.assign(assign, false));
            fields.append(rest);
            return if fields.is_empty() { Feed::Nothing } else { self.call(&fields, feed) };
        }
        self.script(&script, feed)
    }

    /// An assignment. `stays`: it is not only for the command that follows it.
    fn assign(&mut self, assign: &Assign, stays: bool) {
        if let Some(index) = &assign.index {
            let text = self.single(index).text;
            self.arithmetic(&text);
        }
        let mut values = if assign.array {
            self.fields(&assign.values)
        } else {
            assign.values.iter().map(|word| self.single(word)).collect()
        };
        self.environment(&assign.name, &joined(&values, " "));
        if assign.index.is_some() {
            values = vec![Field::unknown()];
        } else if assign.append {
            let before = self.scope.get(&assign.name, self.around);
            values = match (before, assign.array) {
                (None, _) => vec![Field::unknown()],
                (Some(before), true) => before.into_iter().chain(values).collect(),
                (Some(before), false) => vec![Field::new(joined(&before, " ") + &joined(&values, " "))],
            };
        }
        if stays {
            self.scope.set(&assign.name, values);
        }
    }

    fn branches(&mut self, arms: &[(Script, Script)], otherwise: Option<&Script>, feed: &Feed) -> Feed {
        let mut fed = Feed::Nothing;
        let mut ends = Vec::new();
        for (test, body) in arms {
            fed = fed.then(self.script(test, feed.clone()));
            self.spend(self.scope.weight * 2);
            let before = self.scope.clone();
            fed = fed.then(self.script(body, feed.clone()));
            ends.push(std::mem::replace(&mut self.scope, before));
        }
        if let Some(body) = otherwise {
            fed = fed.then(self.script(body, feed.clone()));
        }
        ends.iter().for_each(|end| self.scope.merge(end));
        fed.maybe()
    }

    fn case(&mut self, on: &Word, arms: &[(Vec<Word>, Script)], feed: &Feed) -> Feed {
        self.single(on);
        let before = self.scope.clone();
        let mut fed = Feed::Nothing;
        for (patterns, body) in arms {
            for pattern in patterns {
                self.single(pattern);
            }
            self.spend(self.scope.weight * 2);
            let now = std::mem::replace(&mut self.scope, before.clone());
            fed = fed.then(self.script(body, feed.clone()));
            self.scope.merge(&now);
        }
        fed.maybe()
    }

    fn repeated(&mut self, test: Option<&Script>, body: &Script, feed: Feed) -> Feed {
        self.spend(self.scope.weight * 2);
        let before = self.scope.clone();
        super::assigned::names(body, &mut |name| self.scope.forget(name));
        self.loops += 1;
        let mut fed = Feed::Nothing;
        if let Some(test) = test {
            fed = self.script(test, feed.clone());
        }
        fed = fed.then(self.script(body, feed));
        self.loops -= 1;
        self.scope.merge(&before);
        fed.maybe()
    }

    fn each(&mut self, name: &str, over: Option<&[Word]>, body: &Script, feed: Feed) -> Feed {
        let values = match over {
            Some(words) => self.fields(words),
            None => self.scope.args.as_ref().map_or_else(|| vec![Field::unknown()], |it| it.to_vec()),
        };
        self.spend(self.scope.weight * 2);
        let before = self.scope.clone();
        super::assigned::names(body, &mut |name| self.scope.forget(name));
        let few = values.len() <= if self.loops < 2 { MOST_TURNS } else { 1 };
        let values = if few { values } else { vec![common(&values)] };
        self.loops += 1;
        let mut fed = Feed::Nothing;
        for value in values {
            self.scope.set(name, vec![value]);
            fed = fed.then(self.script(body, feed.clone()));
        }
        self.loops -= 1;
        self.scope.merge(&before);
        fed.maybe()
    }

    /// A function: its body, with its own arguments.
    pub fn function(&mut self, name: &str, body: &Rc<Command>, args: &[Field], feed: Feed) -> Feed {
        if self.calls.iter().any(|it| it == name) {
            if self.forks > 0 {
                let bomb = Effect::new("system.change", Target::None);
                self.effect(bomb.destroying("starts itself without end, until nothing else can run"));
            }
            return Feed::Unknown;
        }
        if self.depth >= DEEPEST {
            self.unknown_exec("functions within functions, too deep to follow");
            return Feed::Unknown;
        }
        self.depth += 1;
        self.calls.push(name.to_owned());
        let args = self.scope.args.replace(Rc::new(args.to_vec()));
        let fed = self.command(body, feed);
        self.scope.args = args;
        self.calls.pop();
        self.depth -= 1;
        fed
    }
}

/// What many values have in common: where they begin.
fn common(values: &[Field]) -> Field {
    let mut start = values.first().map(|it| it.text.as_str()).unwrap_or_default();
    for value in values {
        let same =
            start.char_indices().zip(value.text.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
        let same = same.unwrap_or(start.len().min(value.text.len()));
        start = start.get(..same).unwrap_or_default();
    }
    Field { text: format!("{start}{UNKNOWN}"), glob: values.iter().any(|it| it.glob) }
}
