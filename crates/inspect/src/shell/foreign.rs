//! Code in other languages, given on the command line or through a pipe: what it plainly runs, deletes, writes
//! and calls, by the names that such calls have everywhere.
//!
//! Reads no grammar of its own: it looks for calls with literal arguments. What languages it knows better is
//! asked of `code.rs` by way of `reach.rs`.

use verdict::{Effect, Target};

use super::field::{Feed, Field, PIECE, UNKNOWN};
use super::walk::Walk;

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
    ("rails", &["runner"], &[]),
    ("swift", &["-e"], &[]),
];

const RUNS: &[&str] = &[
    "system",
    "popen",
    "popen2",
    "popen3",
    "exec",
    "execSync",
    "execFile",
    "execFileSync",
    "spawn",
    "spawnSync",
    "Popen",
    "run",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "shell_exec",
    "passthru",
    "proc_open",
    "pcntl_exec",
    "execute",
    "capture2",
    "capture2e",
    "capture3",
    "startfile",
    "execl",
    "execlp",
    "execle",
    "execv",
    "execvp",
    "execve",
    "execvpe",
    "spawnl",
    "spawnlp",
    "spawnv",
    "spawnvp",
    "create_subprocess_shell",
    "create_subprocess_exec",
    "posix_spawn",
    "sh",
    "bash",
    "qx",
    "shell",
    "cmd",
    "os_system",
];
/// Those of the above that certainly start a program, whatever they are given.
const CERTAIN: &[&str] = &[
    "system",
    "popen",
    "popen2",
    "popen3",
    "execSync",
    "execFileSync",
    "spawnSync",
    "Popen",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "shell_exec",
    "passthru",
    "proc_open",
    "pcntl_exec",
    "capture2",
    "capture2e",
    "capture3",
    "execvp",
    "execvpe",
    "execlp",
    "create_subprocess_shell",
    "posix_spawn",
];
const TREES: &[&str] = &[
    "rmtree",
    "rm_rf",
    "rm_r",
    "rmSync",
    "rmdirSync",
    "removeSync",
    "remove_tree",
    "remove_dir_all",
    "rimraf",
    "rimrafSync",
    "emptyDirSync",
    "remove_entry_secure",
    "deleteRecursively",
    "del_dir_r",
    "rmtreeSync",
];
const FILES: &[&str] = &[
    "remove",
    "unlink",
    "unlinkSync",
    "rmdir",
    "removedirs",
    "rm_f",
    "rm",
    "delete",
    "remove_file",
    "deleteFile",
];
const WRITES: &[&str] = &[
    "writeFileSync",
    "writeFile",
    "appendFile",
    "appendFileSync",
    "file_put_contents",
    "write_text",
    "write_bytes",
    "createWriteStream",
    "truncate",
    "truncateSync",
    "symlink",
    "symlinkSync",
    "chmod",
    "chmodSync",
    "mkdir",
    "makedirs",
];
const READS: &[&str] = &[
    "readFileSync",
    "readFile",
    "file_get_contents",
    "read_text",
    "read_bytes",
    "createReadStream",
    "slurp",
    "readlines",
];
const NETS: &[&str] = &[
    "urlopen",
    "urlretrieve",
    "fetch",
    "get",
    "post",
    "put",
    "request",
    "create_connection",
    "connect",
    "axios",
];

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
            rest = after.get(1..).unwrap_or_default();
        } else if text.starts_with('-') && text.len() > 1 {
            if matches!(text, "--version" | "--help" | "-V" | "-v" | "-h" | "-i" | "--check" | "-l") {
                has_code |= matches!(text, "--version" | "--help" | "-V" | "-h");
            }
        } else {
            if !has_code {
                file(walk, stem, first, feed);
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
        _ => {}
    }
    true
}

fn file(walk: &mut Walk<'_>, language: &str, script: &Field, feed: &Feed) {
    if matches!(script.text.as_str(), "-" | "/dev/stdin") {
        return piped(walk, language, feed);
    }
    match walk.content(&script.text) {
        Some(Feed::Text(text)) => code(walk, language, &text),
        Some(Feed::Downloaded) => walk.unknown_exec("runs what it downloads"),
        Some(Feed::Decoded) => walk.unknown_exec("runs what it decodes"),
        _ if !script.is_known() => walk.unknown_exec("runs a script that is known only when it runs"),
        _ => walk.reads(script),
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
    let target = if is_known { Target::Named(language.to_owned()) } else { Target::Unknown };
    walk.effect(Effect::new("code.run", target));
    if !is_known {
        walk.unknown_exec("runs code that is put together only when it runs");
    }
    scan(walk, text);
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
            scan(walk, &text);
        }
    }
}

/// Looks for calls with literal arguments.
pub fn scan(walk: &mut Walk<'_>, text: &str) {
    if !walk.enter() {
        return;
    }
    let decodes = [
        "b64decode",
        "atob(",
        "'base64'",
        "\"base64\"",
        "base64_decode",
        "unhexlify",
        "decode64",
        "fromhex",
        "unpack(",
    ];
    let runs_text = [
        "eval(",
        "exec(",
        "eval ",
        "assert(",
        "Function(",
        "instance_eval",
        "loadstring",
        "create_function(",
    ];
    if decodes.iter().any(|it| text.contains(it)) && runs_text.iter().any(|it| text.contains(it)) {
        walk.unknown_exec("runs what it decodes");
    }
    if text.contains("urlopen(") && runs_text.iter().any(|it| text.contains(it)) {
        walk.unknown_exec("runs what it downloads");
    }
    let mut left = 512;
    let mut is_open = false;
    for (at, byte) in text.bytes().enumerate() {
        if left == 0 {
            walk.unknown_exec("code that is longer than can be followed");
            break;
        }
        match byte {
            b'(' | b' ' | b'"' | b'\'' | b'[' => {
                let name = ending_name(text.get(..at).unwrap_or_default());
                if !name.is_empty() && (is_call(name) || name == "x") {
                    left -= 1;
                    call(
                        walk,
                        name,
                        text.get(..at).unwrap_or_default(),
                        head(text.get(at..).unwrap_or_default()),
                    );
                }
            }
            b'`' => {
                // Perl, Ruby and PHP run what stands between backticks; JavaScript only builds a text.
                let rest = text.get(at + 1..).unwrap_or_default();
                is_open = !is_open;
                if is_open && let Some((command, _)) = rest.split_once('`') {
                    left -= 1;
                    walk.apart(|walk| walk.text(command, Feed::Nothing));
                }
            }
            _ => {}
        }
    }
    walk.leave();
}

fn is_call(name: &str) -> bool {
    [RUNS, TREES, FILES, WRITES, READS, NETS].iter().any(|it| it.contains(&name)) || name == "open"
}

fn ending_name(text: &str) -> &str {
    let text = text.get(text.len().saturating_sub(32)..).unwrap_or_else(|| tail(text));
    let start = text.rfind(|it: char| !(it.is_ascii_alphanumeric() || it == '_')).map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default()
}

/// No call has longer arguments than this that say anything.
fn head(text: &str) -> &str {
    match text.char_indices().nth(4096) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().take(32).last().map_or(0, |(at, _)| at);
    text.get(start..).unwrap_or_default()
}

fn call(walk: &mut Walk<'_>, name: &str, before: &str, after: &str) {
    let is_round = after.starts_with('(');
    let inside = after.trim_start_matches(['(', ' ']);
    if name == "x" {
        // Ruby's `%x(..)`.
        if before.ends_with("%x")
            && let Some((command, _)) = inside.split_once([')', '}', ']'])
        {
            walk.apart(|walk| walk.text(command, Feed::Nothing));
        }
        return;
    }
    let words = literals(inside);
    let first = words.first();
    if RUNS.contains(&name) {
        match first {
            Some(_) if inside.starts_with(['[', '{']) || words.len() > 1 && is_program_list(inside) => {
                let fields: Vec<Field> = words.iter().map(Field::new).collect();
                walk.program(&fields, Feed::Nothing);
            }
            Some(text) if !text.is_empty() => {
                let text = text.clone();
                walk.apart(|walk| walk.text(&text, Feed::Nothing));
            }
            _ if is_round
                && CERTAIN.contains(&name)
                && !before.trim_end().ends_with("def")
                && !inside.starts_with(')') =>
            {
                walk.unknown_exec("starts a program that cannot be told");
            }
            _ => {}
        }
        return;
    }
    let is_tree = TREES.contains(&name);
    match first {
        Some(path) => file_call(walk, name, &Field::new(path), is_tree, inside),
        None if is_tree && is_round && !inside.starts_with(')') => {
            walk.deletes(&Field::unknown(), true);
        }
        None => {}
    }
}

fn file_call(walk: &mut Walk<'_>, name: &str, path: &Field, is_tree: bool, inside: &str) {
    if is_tree {
        walk.deletes(path, true);
    } else if FILES.contains(&name) {
        let is_whole = inside.contains("recursive: true") || inside.contains("recursive:true");
        walk.deletes(path, is_whole);
    } else if WRITES.contains(&name) {
        walk.writes(path);
    } else if READS.contains(&name) {
        walk.reads(path);
    } else if name == "open" {
        let mode = literals(inside).into_iter().nth(1).unwrap_or_default();
        if mode.contains(['w', 'a', 'x', '+', '>']) { walk.writes(path) } else { walk.reads(path) }
    } else if path.text.contains("://") || name == "connect" || name == "create_connection" {
        walk.connects(&path.text);
    }
}

/// `'rm', '-rf', '/'`: one program with its words, rather than one text for a shell.
fn is_program_list(inside: &str) -> bool {
    let Some(first) = literals(inside).into_iter().next() else { return false };
    !first.contains(' ')
}

/// The literal texts at the start of a list of arguments, up to the first that is none.
fn literals(inside: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = inside;
    while found.len() < 32 {
        rest = rest.trim_start_matches([' ', ',', '[', '(', '{', '\n', '\t']);
        rest = rest.strip_prefix("qw").unwrap_or(rest);
        let prefixed = rest.trim_start_matches(['r', 'b', 'u', 'R', 'B', 'q']);
        let prefixed = if prefixed.len() + 2 >= rest.len() { prefixed } else { rest };
        let Some(quote) = prefixed.chars().next().filter(|it| matches!(it, '"' | '\'' | '`')) else { break };
        let mut text = String::new();
        let mut chars = prefixed.char_indices().skip(1);
        let mut end = None;
        while let Some((at, next)) = chars.next() {
            match next {
                '\\' => text.extend(chars.next().map(|(_, it)| if it == 'n' { '\n' } else { it })),
                it if it == quote => {
                    end = Some(at + 1);
                    break;
                }
                it => text.push(it),
            }
        }
        let Some(end) = end else { break };
        rest = prefixed.get(end..).unwrap_or_default();
        // A text that something is added to is not known.
        if rest.trim_start().starts_with(['+', '.', '%']) && !rest.trim_start().starts_with(".s") {
            text.push(UNKNOWN);
        }
        found.push(text.replace(PIECE, ""));
    }
    found
}
