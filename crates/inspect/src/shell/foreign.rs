//! Interpreters of other languages: where the code is that they are given, on the command line, in a file that the
//! script wrote, or through a pipe. What the code does is `calls.rs`.

use verdict::{Effect, Target};

use super::field::{Feed, Field, UNKNOWN};
use super::walk::Walk;
use super::{calls, judge, reach};

/// Interpreters, the options whose value is code, and those that take another value.
const LANGUAGES: &[(&str, &[&str], &[&str])] = &[
    ("python", &["-c"], &["-m", "-W", "-X", "-Q"]),
    ("pypy", &["-c"], &["-m", "-W", "-X"]),
    ("ipython", &["-c"], &[]),
    ("node", &["-e", "--eval", "-p", "--print", "-pe"], &["-r", "--require", "--import", "--loader", "-C"]),
    ("nodejs", &["-e", "--eval", "-p", "--print", "-pe"], &["-r", "--require"]),
    ("bun", &["-e", "--eval", "-p", "--print"], &["-r", "--preload", "--cwd"]),
    ("deno", &["--eval"], &[]),
    ("tsx", &["-e", "--eval"], &[]),
    ("ts-node", &["-e", "--eval", "-pe"], &[]),
    ("perl", &["-e", "-E"], &["-I", "-M", "-m"]),
    ("ruby", &["-e"], &["-I", "-r", "-C"]),
    ("jruby", &["-e"], &["-I", "-r"]),
    ("irb", &[], &["-r"]),
    ("php", &["-r", "-B", "-R", "-E"], &["-d", "-c", "-f", "-t", "-S"]),
    ("lua", &["-e"], &["-l"]),
    ("luajit", &["-e"], &["-l"]),
    ("tclsh", &[], &[]),
    ("expect", &["-c"], &["-f"]),
    ("osascript", &["-e"], &["-l"]),
    ("groovy", &["-e"], &[]),
    ("scala", &["-e"], &[]),
    ("elixir", &["-e", "--eval"], &["-r"]),
    ("erl", &["-eval"], &[]),
    ("julia", &["-e", "-E", "--eval", "--print"], &[]),
    ("Rscript", &["-e"], &[]),
    ("R", &["-e"], &[]),
    ("guile", &["-c"], &[]),
    ("racket", &["-e"], &[]),
    ("sbcl", &["--eval"], &["--load"]),
    ("ghc", &["-e"], &[]),
    ("jshell", &[], &[]),
    ("jrunscript", &["-e"], &["-l", "-f", "-cp", "-classpath"]),
    ("octave", &["--eval"], &["--path", "-p"]),
    ("octave-cli", &["--eval"], &["--path", "-p"]),
    ("clisp", &["-x"], &["-i", "-M"]),
    ("slsh", &["-e"], &["-i", "-l"]),
    ("ghci", &["-e"], &[]),
    ("bpftrace", &["-e"], &["-p", "-o", "-B", "-f"]),
    ("sclang", &[], &[]),
    ("gosh", &["-e"], &["-I", "-l"]),
    ("csi", &["-e", "-eval"], &[]),
    ("rails", &["runner"], &[]),
    ("swift", &["-e"], &[]),
];

/// True for an interpreter.
pub fn is_language(name: &str) -> bool {
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit() || it == '.');
    LANGUAGES.iter().any(|(known, ..)| *known == name || *known == stem)
}

/// An interpreter, and the code that it is given.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit() || it == '.');
    let Some((_, codes, values)) = LANGUAGES.iter().find(|(known, ..)| *known == name || *known == stem)
    else {
        return false;
    };
    let mut rest = fields;
    let mut has_code = false;
    while let Some((first, after)) = rest.split_first() {
        let text = first.text.as_str();
        rest = after;
        if (stem == "deno" && text == "eval")
            || (stem == "rails" && text == "runner")
            || codes.contains(&text)
        {
            has_code |= codes_of(walk, stem, after.first());
            rest = after.get(1..).unwrap_or_default();
        } else if let Some(code) = glued(text, codes, stem) {
            let code = if code.is_empty() { after.first().cloned() } else { Some(Field::new(code)) };
            has_code |= codes_of(walk, stem, code.as_ref());
            rest = after.get(1..).unwrap_or_default();
        } else if text == "-m" && stem != "perl" {
            return module(walk, after);
        } else if values.contains(&text) {
            if let Some(file) = after.first().filter(|it| is_loaded(stem, text, &it.text)) {
                walk.runs(file);
                has_code |= text == "-f";
            }
            rest = after.get(1..).unwrap_or_default();
        } else if text.starts_with('-') && text.len() > 1 {
            if matches!(text, "--version" | "--help" | "-V" | "-v" | "-h" | "-i" | "--check" | "-l") {
                has_code |= matches!(text, "--version" | "--help" | "-V" | "-h");
            }
        } else {
            if !has_code {
                file(walk, stem, first, feed);
            } else if matches!(stem, "perl" | "ruby") {
                filtered(walk, fields, rest, first);
            }
            return stem != "rails";
        }
    }
    if !has_code && stem != "rails" {
        piped(walk, stem, feed);
    }
    stem != "rails"
}

/// `-ne`, `-i.bak -pe`, `-c'code'`: code options within a cluster.
fn glued(text: &str, codes: &[&str], stem: &str) -> Option<String> {
    if text.starts_with("--") {
        return codes.iter().find_map(|it| text.strip_prefix(it)?.strip_prefix('=').map(str::to_owned));
    }
    if !matches!(stem, "perl" | "ruby" | "python" | "pypy" | "node" | "php" | "lua") || !text.starts_with('-')
    {
        return None;
    }
    let short = codes.iter().filter(|it| it.len() == 2).filter_map(|it| it.chars().nth(1));
    let at = short.filter_map(|it| text.find(it)).min()?;
    let before = text.get(1..at)?;
    let is_cluster = before.chars().all(|it| it.is_ascii_alphanumeric() || it == '.') && before.len() < 8;
    is_cluster.then(|| text.get(at + 1..).unwrap_or_default().to_owned())
}

/// True if an option's value is a file that is run before or instead of the code.
fn is_loaded(stem: &str, option: &str, value: &str) -> bool {
    match stem {
        "php" | "expect" => option == "-f",
        "ruby" | "jruby" | "irb" | "elixir" => option == "-r" && value.contains('/'),
        "node" | "nodejs" | "bun" => option != "-C" && option != "--cwd" && value.starts_with(['.', '/']),
        "sbcl" => option == "--load",
        _ => false,
    }
}

/// `-n` and `-p` go through the files that follow the code, and `-i` writes them again.
fn filtered(walk: &mut Walk<'_>, fields: &[Field], rest: &[Field], first: &Field) {
    let has = |flag: char| {
        let options = fields.iter().map(|it| it.text.as_str()).take_while(|it| *it != first.text);
        options.filter(|it| it.starts_with('-') && !it.starts_with("--")).any(|it| {
            let letters = it.get(1..).unwrap_or_default();
            letters.chars().take_while(|it| it.is_ascii_alphanumeric()).any(|it| it == flag)
        })
    };
    if !has('n') && !has('p') {
        return;
    }
    for file in std::iter::once(first).chain(rest) {
        walk.reads(file);
        if has('i') {
            walk.writes(file);
        }
    }
}

fn codes_of(walk: &mut Walk<'_>, language: &str, given: Option<&Field>) -> bool {
    if let Some(given) = given {
        code(walk, language, &given.text.clone());
    }
    true
}

/// Modules that do what programs do.
fn module(walk: &mut Walk<'_>, words: &[Field]) -> bool {
    let Some((module, rest)) = words.split_first() else { return true };
    match module.text.as_str() {
        "pip" | "ensurepip" | "uv" | "poetry" => {
            let all: Vec<Field> = std::iter::once(Field::new("pip")).chain(rest.iter().cloned()).collect();
            walk.program(&all, Feed::Nothing);
        }
        "http.server" | "SimpleHTTPServer" => walk.effect(Effect::new("net.listen", Target::None)),
        name => walk.effect(if module.is_known() {
            Effect::new("code.run", Target::Named(name.to_owned()))
        } else {
            Effect::new("code.run", Target::Unknown)
        }),
    }
    true
}

fn file(walk: &mut Walk<'_>, language: &str, script: &Field, feed: &Feed) {
    if matches!(script.text.as_str(), "-" | "/dev/stdin") {
        return piped(walk, language, feed);
    }
    match walk.content(&script.text) {
        Some(Feed::Text(text)) => code(walk, language, &text),
        _ => walk.runs(script),
    }
}

fn piped(walk: &mut Walk<'_>, language: &str, feed: &Feed) {
    match feed {
        Feed::Nothing => {}
        Feed::Text(text) => code(walk, language, text),
        Feed::Downloaded => walk.unknown_exec("runs what it downloads"),
        Feed::Decoded => walk.unknown_exec("runs what it decodes"),
        Feed::Unknown => walk.unknown_exec("runs what another program prints"),
    }
}

/// Code that is run.
pub fn code(walk: &mut Walk<'_>, language: &str, text: &str) {
    let is_known = !text.contains(UNKNOWN);
    let read =
        if walk.spend(text.len() * 16) && is_known { reach::code(text, language, walk.around) } else { None };
    match read {
        Some(effects) => effects.into_iter().for_each(|it| walk.taken_over(it)),
        None if is_known => walk.effect(Effect::new("code.run", Target::Named(language.to_owned()))),
        None => walk.effect(Effect::new("code.run", Target::Unknown)),
    }
    if !is_known {
        walk.unknown_exec("runs code that is put together only when it runs");
    }
    calls::scan(walk, text);
    if matches!(language, "tclsh" | "expect") {
        // Tcl's words are a shell's: `exec rm -rf x`, `spawn rm -rf x`.
        super::lexical::destructive(walk, text);
    }
}

impl Walk<'_> {
    /// An effect that code has: what it deletes and writes over is judged as if a program did it.
    fn taken_over(&mut self, mut effect: Effect) {
        let why = match (&*effect.kind, &effect.target) {
            ("fs.delete", Target::Path(path)) => {
                effect.destroys = false;
                judge::deletes(path, path.recursive, self.around)
            }
            ("fs.write", Target::Path(path)) => judge::overwrites(path),
            _ => None,
        };
        self.effect(match why {
            Some(why) => effect.destroying(why),
            None => effect,
        });
    }
}

/// Code among the values of some options.
pub fn scan_options(walk: &mut Walk<'_>, fields: &[Field], names: &[&str]) {
    for pair in fields.windows(2) {
        if let [name, text] = pair
            && names.contains(&name.text.as_str())
        {
            let text = text.text.clone();
            if let Some(command) =
                text.trim_start().strip_prefix("shell ").or_else(|| text.trim_start().strip_prefix('!'))
            {
                walk.apart(|walk| walk.text(command, Feed::Nothing));
            }
            calls::scan(walk, &text);
        }
    }
}
