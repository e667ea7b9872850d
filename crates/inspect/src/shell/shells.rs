//! Shells that are given a script: by `-c`, by a file, or through a pipe.

use std::rc::Rc;

use super::field::{Feed, Field, joined};
use super::walk::Walk;
use super::{foreign, lexical};

const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "pdksh", "ash", "rbash", "yash", "fish", "csh",
    "tcsh", "posh", "hush", "osh", "elvish", "xonsh", "nu",
];

/// True for a shell.
pub fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// A shell, and what it is given to run.
pub fn apply(walk: &mut Walk<'_>, name: &str, args: &[Field], feed: &Feed) -> bool {
    if matches!(name, "pwsh" | "powershell" | "cmd") {
        windows(walk, args);
        return true;
    }
    if !is_shell(name) {
        return false;
    }
    let mut rest = args;
    let (mut is_text, mut is_fed) = (false, false);
    while let Some((first, after)) = rest.split_first() {
        let text = first.text.as_str();
        match text {
            "--" | "-" => {
                rest = after;
                break;
            }
            "--rcfile" | "--init-file" | "--init-command" | "-C"
                if text.starts_with("--") || name == "fish" =>
            {
                if let Some(file) = after.first() {
                    walk.reads(file);
                }
                rest = after.get(1..).unwrap_or_default();
            }
            "--help" | "--version" => return true,
            "--command" => {
                is_text = true;
                rest = after;
            }
            text if text.starts_with("--") => rest = after,
            text if text.starts_with(['-', '+']) => {
                is_text |= text.starts_with('-') && text.contains('c');
                is_fed |= text.contains('s');
                let takes = text.ends_with(['o', 'O']);
                rest = after.get(usize::from(takes)..).unwrap_or_default();
            }
            _ => break,
        }
    }
    let Some((script, args)) = rest.split_first().filter(|_| is_text || !is_fed) else {
        fed(walk, feed.clone());
        return true;
    };
    if is_text {
        let zero = args.first().cloned();
        text(walk, &script.text.clone(), zero, args.get(1..).unwrap_or_default(), feed);
    } else {
        file(walk, script, args, feed);
    }
    true
}

/// A script with its `$0`, if it is told, and its other arguments.
fn text(walk: &mut Walk<'_>, text: &str, zero: Option<Field>, args: &[Field], feed: &Feed) {
    let args = Rc::new(args.to_vec());
    walk.apart(|walk| {
        walk.scope.functions.clear();
        walk.scope.args = Some(args);
        if let Some(zero) = zero {
            walk.scope.set("0", vec![zero]);
        }
        walk.text(text, feed.clone())
    });
}

fn file(walk: &mut Walk<'_>, script: &Field, args: &[Field], feed: &Feed) {
    if script.text == "/dev/stdin" {
        fed(walk, feed.clone());
    } else if let Some(found) = walk.content(&script.text) {
        content(walk, found, args, feed.clone());
    } else {
        walk.runs(script);
    }
}

/// What came through a pipe is run as a script.
pub fn fed(walk: &mut Walk<'_>, feed: Feed) -> Feed {
    match feed {
        Feed::Nothing => {}
        Feed::Text(script) => {
            walk.apart(|walk| walk.text(&script, Feed::Unknown));
        }
        Feed::Downloaded => walk.unknown_exec("runs what it downloads"),
        Feed::Decoded => walk.unknown_exec("runs what it decodes"),
        Feed::Unknown => walk.unknown_exec("runs what another program prints"),
    }
    Feed::Unknown
}

/// What the script itself put into a file is run, by the shell or by what its first line names.
pub fn content(walk: &mut Walk<'_>, content: Feed, args: &[Field], feed: Feed) -> Feed {
    let Feed::Text(script) = &content else { return fed(walk, content) };
    let first = script.lines().next().unwrap_or_default();
    if let Some(line) = first.strip_prefix("#!") {
        let program =
            line.split_whitespace().map(super::call::base).find(|it| *it != "env" && !it.starts_with('-'));
        let program = program.unwrap_or("sh");
        if !is_shell(program) {
            foreign::code(walk, program, script);
            return Feed::Unknown;
        }
    }
    text(walk, script, Some(Field::unknown()), args, &feed);
    Feed::Unknown
}

/// Shells of another grammar: what can be seen in their words.
fn windows(walk: &mut Walk<'_>, args: &[Field]) {
    let text = joined(args, " ");
    let lower = text.to_lowercase();
    if lower.contains("-enc")
        || lower.contains("iex")
        || lower.contains("invoke-expression")
        || args.iter().any(|it| !it.is_known())
    {
        walk.unknown_exec("runs what it decodes or downloads");
    } else if !lower.split(['|', ';', '\n', '&', '(', '{']).all(looks_only) {
        walk.unknown_exec("runs a script in a language that is not read here");
    }
    lexical::destructive(walk, &text);
}

/// Whether a statement of PowerShell or of `cmd`, in lower case, only shows something; an option with what it takes
/// counts as nothing.
fn looks_only(statement: &str) -> bool {
    const SHOWS: &[&str] = &[
        "get-",
        "select-",
        "where-",
        "write-host",
        "write-output",
        "format-",
        "sort-",
        "measure-",
        "test-",
        "convertto-",
        "convertfrom-",
        "group-",
        "compare-",
        "out-string",
        "out-host",
        "out-null",
        "resolve-",
        "split-path",
        "join-path",
        "show-",
    ];
    const PLAIN: &[&str] = &[
        "echo", "dir", "type", "ver", "ls", "cat", "gci", "gc", "pwd", "hostname", "whoami", "cd", "where",
        "findstr", "sort",
    ];
    let mut words = statement.split_whitespace().map(|word| word.trim_matches(['"', '\'', '}', ')', '@']));
    let mut words = words.by_ref().skip_while(|word| {
        word.is_empty()
            || word.starts_with('-')
            || matches!(*word, "/c" | "/k" | "/s" | "/q" | "bypass" | "unrestricted")
    });
    match words.next() {
        None => true,
        Some(word) => {
            PLAIN.contains(&word)
                || SHOWS.iter().any(|start| word.starts_with(start))
                || word.starts_with("$_")
        }
    }
}
