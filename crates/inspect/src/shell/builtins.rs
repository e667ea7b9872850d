//! The shell's own commands: those that change what later commands mean, and those that run text.

use std::rc::Rc;

use verdict::{Effect, Target};

use super::dollar::unescaped;
use super::field::{Feed, Field, UNKNOWN, joined};
use super::walk::Walk;
use super::{environment, outputs, shells};

/// What a built-in does and prints; `None` if this is none.
pub fn apply(walk: &mut Walk<'_>, name: &str, args: &[Field], feed: &Feed) -> Option<Feed> {
    match name {
        "cd" | "chdir" | "pushd" => enter(walk, args),
        "popd" => walk.scope.enter(&UNKNOWN.to_string()),
        "eval" => return Some(walk.text(&joined(args, " "), feed.clone())),
        "source" | "." => return Some(source(walk, args, feed)),
        "exec" => return Some(exec(walk, args, feed)),
        "command" => return Some(command(walk, args, feed)),
        "builtin" | "noglob" | "nocorrect" | "-" => return Some(walk.program(args, feed.clone())),
        "trap" => {
            if let Some(text) = plain(args).first().filter(|_| plain(args).len() > 1) {
                let text = text.text.clone();
                walk.apart(|walk| walk.text(&text, Feed::Nothing));
            }
        }
        "alias" => alias(walk, args),
        "unalias" => args.iter().for_each(|it| {
            walk.scope.aliases.remove(&it.text);
        }),
        "export" | "declare" | "typeset" | "local" | "readonly" => declare(walk, name, args),
        "unset" => unset(walk, args),
        "test" | "[" => {
            walk.tested(args);
            return None;
        }
        "set" => set(walk, args),
        "shift" => walk.scope.args = None,
        "let" | "mapfile" | "readarray" | "read" | "getopts" | "wait" => sets(walk, name, args),
        "history" | "fc" => {
            remembered(walk, name, args);
            return Some(Feed::Unknown);
        }
        "printf" if args.first().is_some_and(|it| it.text == "-v") => {
            args.get(1).into_iter().for_each(|it| walk.subscript(it));
            let value = outputs::printf(args.get(2..).unwrap_or_default());
            set_named(walk, args.get(1), vec![Field::new(value.substituted())]);
        }
        "hash" if args.iter().any(|it| it.text.starts_with("-p")) => {
            walk.unknown_exec("changes which program a name means")
        }
        "enable" if args.iter().any(|it| it.text.starts_with("-f")) => {
            walk.unknown_exec("loads code into the shell")
        }
        "compgen" | "complete" => {
            return Some(option(args, "-C").map_or(Feed::Unknown, |text| walk.text(&text, Feed::Nothing)));
        }
        "bind" => {
            // `bind -x '"\C-a": command'`: what a key will run.
            if let Some((_, text)) = option(args, "-x").as_deref().and_then(|it| it.rsplit_once("\":")) {
                walk.apart(|walk| walk.text(text, Feed::Nothing));
            }
            return Some(Feed::Unknown);
        }
        "ulimit" | "umask" | "shopt" | "type" | "which" | "whereis" | "hash" | "help" | "jobs" | "fg"
        | "bg" | "disown" | "times" | "exit" | "return" | "break" | "continue" | "logout" | "suspend"
        | "caller" | "dirs" | "compopt" | "enable" => {
            return Some(Feed::Unknown);
        }
        _ => return None,
    }
    Some(Feed::Nothing)
}

/// The words that are no options.
fn plain(args: &[Field]) -> Vec<&Field> {
    args.iter().filter(|it| !it.text.starts_with('-') || it.text.len() == 1).collect()
}

/// `history` and `fc`: files of commands, and commands that are run again.
fn remembered(walk: &mut Walk<'_>, name: &str, args: &[Field]) {
    if name == "history" {
        for (flag, writes) in [("-w", true), ("-a", true), ("-r", false), ("-n", false)] {
            if let Some(file) = option(args, flag) {
                let file = Field::new(file);
                if writes { walk.writes(&file) } else { walk.reads(&file) }
            }
        }
        return;
    }
    if let Some(text) = option(args, "-e").filter(|it| it != "-") {
        walk.apart(|walk| walk.text(&text, Feed::Nothing));
    }
    if !args.iter().any(|it| it.text.starts_with("-l")) {
        walk.unknown_exec("runs commands of the shell's history again");
    }
}

/// The value of a short option, glued or not.
fn option(args: &[Field], name: &str) -> Option<String> {
    let at = args.iter().position(|it| it.text.starts_with(name))?;
    let glued = args.get(at)?.text.get(name.len()..)?;
    if glued.is_empty() { Some(args.get(at + 1)?.text.clone()) } else { Some(glued.to_owned()) }
}

fn enter(walk: &mut Walk<'_>, args: &[Field]) {
    let words = plain(args);
    match words.first() {
        None => walk.scope.enter("~"),
        // With `CDPATH` a name may be below any of its folders.
        Some(it)
            if it.text == "-"
                || it.text.starts_with('+')
                || it.glob
                || walk.scope.has("CDPATH") && !it.text.starts_with(['/', '.', '~']) =>
        {
            walk.scope.enter(&UNKNOWN.to_string())
        }
        Some(it) => {
            let text = it.text.clone();
            walk.scope.enter(&text);
        }
    }
}

fn source(walk: &mut Walk<'_>, args: &[Field], feed: &Feed) -> Feed {
    let Some(file) = args.first() else { return Feed::Nothing };
    if let Some(content) = walk.content(&file.text) {
        return shells::content(walk, content, args.get(1..).unwrap_or_default(), feed.clone());
    }
    if file.text == "/dev/stdin" {
        return shells::fed(walk, feed.clone());
    }
    walk.runs(file);
    walk.scope.forget_all();
    Feed::Unknown
}

fn exec(walk: &mut Walk<'_>, args: &[Field], feed: &Feed) -> Feed {
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        match first.text.as_str() {
            "-a" => rest = after.get(1..).unwrap_or_default(),
            text if text.starts_with('-') => rest = after,
            _ => return walk.program(rest, feed.clone()),
        }
    }
    Feed::Nothing
}

fn command(walk: &mut Walk<'_>, args: &[Field], feed: &Feed) -> Feed {
    let at = args.iter().position(|it| !it.text.starts_with('-')).unwrap_or(args.len());
    let (options, rest) = args.split_at_checked(at).unwrap_or_default();
    if options.iter().any(|it| it.text.contains(['v', 'V'])) {
        return Feed::Unknown;
    }
    walk.program(rest, feed.clone())
}

fn alias(walk: &mut Walk<'_>, args: &[Field]) {
    for arg in args {
        if let Some((name, text)) = arg.text.split_once('=') {
            walk.scope.aliases.insert(name.to_owned(), text.to_owned());
        }
    }
}

fn declare(walk: &mut Walk<'_>, name: &str, args: &[Field]) {
    let options: String =
        args.iter().filter(|it| it.text.starts_with(['-', '+'])).map(|it| it.text.as_str()).collect();
    if options.contains('n') && name == "export" {
        return;
    }
    for arg in args.iter().filter(|it| !it.text.starts_with(['-', '+'])) {
        let (variable, value) = match arg.text.split_once('=') {
            Some((variable, value)) => (variable, Some(Field { text: value.to_owned(), glob: arg.glob })),
            None => (arg.text.as_str(), None),
        };
        if variable.contains(UNKNOWN) {
            walk.scope.forget_all();
            continue;
        }
        walk.subscript(&Field::new(variable));
        let variable = variable.trim_end_matches('+');
        if let Some(value) = &value {
            walk.environment(variable, &value.text);
        }
        // Names that stand for others, numbers, changed case: what they hold later is not what is written.
        let is_odd = options.contains(['n', 'i', 'l', 'u', 'c']) && name != "export";
        match value {
            _ if is_odd || arg.text.contains("+=") => walk.scope.fix(variable, true),
            Some(value) => walk.scope.set(variable, vec![value]),
            None if name == "local" => walk.scope.set(variable, vec![Field::new("")]),
            None => {}
        }
        if name == "readonly" || options.contains('r') {
            walk.scope.fix(variable, false);
        }
    }
}

fn unset(walk: &mut Walk<'_>, args: &[Field]) {
    for arg in plain(args) {
        walk.subscript(arg);
        if !arg.is_known() {
            walk.scope.forget_all();
        }
        if args.iter().any(|it| it.text == "-f") || !walk.scope.has(&arg.text) {
            walk.scope.functions.remove(&arg.text);
        }
        walk.scope.unset(&arg.text);
    }
}

fn set(walk: &mut Walk<'_>, args: &[Field]) {
    let at = args.iter().position(|it| it.text == "--");
    let rest = match at {
        Some(at) => args.get(at + 1..).unwrap_or_default(),
        None if args.first().is_some_and(|it| !it.text.starts_with(['-', '+'])) => args,
        None => return,
    };
    walk.scope.args = Some(Rc::new(rest.to_vec()));
}

fn sets(walk: &mut Walk<'_>, name: &str, args: &[Field]) {
    match name {
        "let" => args.iter().for_each(|it| walk.arithmetic(&it.text)),
        "mapfile" | "readarray" => {
            if let Some(text) = option(args, "-C") {
                // It is given the place and the line besides.
                walk.apart(|walk| walk.text(&format!("{text} 0 {UNKNOWN}"), Feed::Nothing));
            }
        }
        _ => {}
    }
    for arg in args {
        walk.subscript(arg);
        let name = arg.text.split('=').next().unwrap_or_default();
        if arg.is_known() || !name.contains(UNKNOWN) {
            let name = name.trim_end_matches(['+', '-', '*', '/', '%']).to_owned();
            set_named(walk, Some(&Field::new(name)), vec![Field::unknown()]);
        } else {
            walk.scope.forget_all();
        }
    }
}

fn set_named(walk: &mut Walk<'_>, name: Option<&Field>, values: Vec<Field>) {
    match name {
        Some(name) if name.is_known() => walk.scope.set(&name.text, values),
        Some(_) => walk.scope.forget_all(),
        None => {}
    }
}

impl Walk<'_> {
    /// A variable is set that programs or shells look at: its meaning reaches beyond this command.
    pub fn environment(&mut self, name: &str, value: &str) {
        if !environment::matters(name) {
            return;
        }
        self.effect(Effect::new("env.change", Target::Named(name.to_owned())));
        if environment::is_command(name) && !value.is_empty() {
            let text = value.trim_start_matches(['|', '!']).to_owned();
            self.apart(|walk| walk.text(&text, Feed::Unknown));
        }
        if name == "PS4" || name == "PS1" || name == "PROMPT_COMMAND" {
            let text = unescaped(value, false);
            if text.contains("$(") || text.contains('`') {
                self.apart(|walk| walk.text(&format!("echo \"{text}\""), Feed::Nothing));
            }
        }
    }
}
