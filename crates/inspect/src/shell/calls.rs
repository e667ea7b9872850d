//! Code in other languages: what it plainly runs, deletes, writes and calls, by the names that such calls have
//! everywhere.
//!
//! Reads no grammar: it looks for calls with literal arguments, so it sees less than `code.rs` does, in more languages.

use super::field::{Feed, Field, PIECE, UNKNOWN};
use super::walk::Walk;

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
    // AppleScript: `do shell script "..."`.
    "script",
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

/// Looks for calls with literal arguments.
pub fn scan(walk: &mut Walk<'_>, text: &str) {
    if !walk.enter() {
        return;
    }
    dynamic(walk, text);
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

/// Code that makes code: what it decodes or fetches, it runs.
fn dynamic(walk: &mut Walk<'_>, text: &str) {
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
    if FILES.contains(&name)
        && let Some(pattern) = globbed(inside)
    {
        let mut all = Field::new(home_of(walk, &pattern));
        all.glob = true;
        return walk.deletes(&all, false);
    }
    match first.map(|path| home_of(walk, path)).as_ref() {
        Some(path) => file_call(walk, name, &Field::new(path), is_tree, inside),
        None if is_tree && is_round && !inside.starts_with(')') => {
            walk.deletes(&Field::unknown(), true);
        }
        None => {}
    }
}

/// The pattern of `glob('...')`, `Dir['...']` and `<...>`: every file that it matches.
fn globbed(inside: &str) -> Option<String> {
    let inside = inside.trim_start_matches('*');
    let named = ["glob(", "glob ", "Dir.glob(", "Dir[", "glob.glob(", "bsd_glob("];
    if let Some(after) = named.iter().find_map(|name| inside.strip_prefix(name)) {
        return literals(after).into_iter().next();
    }
    let (pattern, _) = inside.strip_prefix('<')?.split_once('>')?;
    pattern.contains('/').then(|| pattern.to_owned())
}

/// Languages that know `~` put the home folder there; nobody has a folder of that name.
fn home_of(walk: &Walk<'_>, path: &str) -> String {
    match (path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/')), &walk.around.home)
    {
        (Some(rest), Some(home)) => format!("{home}{rest}"),
        _ => path.to_owned(),
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
