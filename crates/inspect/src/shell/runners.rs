//! Tools of developers that run another program: package runners, build tools, test loops.

use verdict::{Effect, Target};

use super::field::{Feed, Field, joined};
use super::options::{self, Style};
use super::walk::Walk;
use super::{calls, foreign, many, wrappers};

const FIRST: Style = Style { single: false, abbreviates: false, first: true };

/// Name, the words that must follow, options that take a value, words before the program, and whether it is
/// fetched if it is not there.
type Runner = (&'static str, &'static [&'static str], &'static [&'static str], usize, bool);

const RUNNERS: &[Runner] = &[
    ("npx", &[], &["-p", "--package", "-w", "--workspace", "--registry"], 0, true),
    ("npm", &["exec"], &["-p", "--package", "-w", "--workspace"], 0, true),
    ("npm", &["x"], &["-p", "--package", "-w", "--workspace"], 0, true),
    ("yarn", &["dlx"], &["-p", "--package"], 0, true),
    ("yarn", &["exec"], &[], 0, false),
    ("pnpm", &["dlx"], &["--package"], 0, true),
    ("pnpm", &["exec"], &["-C", "--filter"], 0, false),
    ("pnpx", &[], &["--package"], 0, true),
    ("bunx", &[], &["-p", "--package"], 0, true),
    // A program behind `-e` is code, whatever it is called.
    ("bun", &["x"], &["-p", "--package", "-e", "--eval", "--print", "-r", "--preload", "--cwd"], 0, true),
    ("uvx", &[], &["--from", "--with", "-p", "--python", "--index-url"], 0, true),
    ("uv", &["tool", "run"], &["--from", "--with", "-p", "--python"], 0, true),
    (
        "uv",
        &["run"],
        &[
            "--with",
            "-p",
            "--python",
            "--project",
            "--directory",
            "--group",
            "--extra",
            "-m",
            "--module",
            "--env-file",
        ],
        0,
        false,
    ),
    ("pipx", &["run"], &["--spec", "--python"], 0, true),
    ("poetry", &["run"], &["-C", "--directory"], 0, false),
    ("pipenv", &["run"], &[], 0, false),
    ("pdm", &["run"], &["-p"], 0, false),
    ("hatch", &["run"], &["-e"], 0, false),
    ("rye", &["run"], &[], 0, false),
    ("pixi", &["run"], &["-e", "--environment"], 0, false),
    ("conda", &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"], 0, false),
    ("mamba", &["run"], &["-n", "--name", "-p", "--prefix"], 0, false),
    ("micromamba", &["run"], &["-n", "--name", "-p", "--prefix"], 0, false),
    ("bundle", &["exec"], &["--gemfile"], 0, false),
    ("rbenv", &["exec"], &[], 0, false),
    ("pyenv", &["exec"], &[], 0, false),
    ("nodenv", &["exec"], &[], 0, false),
    ("asdf", &["exec"], &[], 0, false),
    ("mise", &["exec"], &["-C"], 0, false),
    ("mise", &["x"], &["-C"], 0, false),
    ("direnv", &["exec"], &[], 1, false),
    ("aws-vault", &["exec"], &["-d", "--duration"], 1, false),
    ("chamber", &["exec"], &[], 1, false),
    ("op", &["run"], &["--env-file"], 0, false),
    ("infisical", &["run"], &["--env", "--path", "--projectId"], 0, false),
    ("sops", &["exec-env"], &[], 1, false),
    ("sops", &["exec-file"], &[], 1, false),
    ("nix", &["run"], &[], 9, false),
    ("nix", &["develop"], &["-c", "--command"], 9, false),
    ("lerna", &["exec"], &["--scope"], 0, false),
    ("turbo", &["exec"], &[], 0, false),
    ("rustup", &["run"], &[], 1, false),
    ("lima", &[], &[], 0, false),
    ("xcrun", &[], &["--sdk"], 0, false),
    ("nodemon", &["--exec"], &[], 0, false),
    ("cargo", &["watch", "--"], &[], 0, false),
];

/// A tool that runs another program: the other's effects, too. Never the whole of it: the table knows the rest.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    match name {
        "make" | "gmake" | "bmake" => return make(walk, fields),
        "nix-shell" | "nix" | "npx" | "npm" | "watchexec" | "nodemon" | "concurrently" | "tmux"
        | "screen" | "cargo" | "fd" | "fdfind" | "rg" | "tar" | "gtar" | "bsdtar" | "rsync" | "zip"
        | "vim" | "vi" | "nvim" | "ex" | "ed" | "emacs" | "man" | "less" | "expect" | "start-stop-daemon"
        | "socat" | "nc" | "ncat" | "netcat" | "busybox" | "gdb" | "split" | "sort" | "pm2" | "tcpdump"
        | "dpkg" | "rpm" | "openssl" | "ffmpeg" | "cpulimit" | "logrotate" | "scp" | "sftp" | "wget" => {
            by_option(walk, name, fields, feed);
        }
        _ => {}
    }
    for (tool, words, values, skip, fetches) in RUNNERS.iter().filter(|(tool, ..)| *tool == name) {
        let before = options::split(fields, values, FIRST);
        let fits = words.iter().zip(&before.rest).filter(|(word, field)| **word == field.text).count()
            == words.len();
        if !fits {
            continue;
        }
        let rest = before.rest.get(words.len()..).unwrap_or_default();
        let args = options::split(rest, values, FIRST);
        if *fetches {
            let package =
                args.rest.first().or(before.rest.first()).map_or_else(String::new, |it| it.text.clone());
            walk.effect(Effect::new("package.install", Target::Named(package)));
        }
        let command = args.rest.get(*skip..).unwrap_or_default();
        if !(*tool == "npm" && args.has(&["-c", "--call"])) {
            wrappers::started(walk, command, feed);
        }
        return true;
    }
    false
}

/// `make`: what it is given on the command line; what the file says is not known here.
fn make(walk: &mut Walk<'_>, fields: &[Field]) -> bool {
    let args = options::split(
        fields,
        &["-f", "-C", "-j", "-I", "-o", "-W", "--file", "--eval", "--directory"],
        Style::default(),
    );
    if super::programs::is_question(&args) || args.has(&["-v", "-h"]) {
        return true;
    }
    for file in args.values(&["-f", "--file", "-I", "--include-dir", "--makefile"]) {
        walk.reads(&file);
    }
    for folder in args.values(&["-C", "--directory"]) {
        walk.touches(&folder);
    }
    let goals: Vec<Field> = args.rest.iter().filter(|it| !it.text.contains('=')).cloned().collect();
    let name = Target::Named(joined(&goals, " "));
    walk.effect(Effect::new("code.run", name).noting("builds and runs code of the project"));
    let given = args.rest.iter().filter_map(|it| it.text.split_once('=')).map(|(_, value)| value.to_owned());
    let texts: Vec<String> = args.values(&["--eval"]).into_iter().map(|it| it.text).chain(given).collect();
    for text in texts {
        for found in text.split("$(shell ").skip(1).chain(text.split("!=").skip(1)) {
            let found = found.trim_end_matches(')').to_owned();
            walk.apart(|walk| walk.text(&found, Feed::Nothing));
        }
        if text.contains('\n') || args.has(&["--eval"]) {
            super::lexical::destructive(walk, &text);
        }
    }
    for shell in args.rest.iter().filter_map(|it| it.text.strip_prefix("SHELL=")) {
        walk.effect(Effect::new("env.change", Target::Named(format!("SHELL={shell}"))));
        if shell.contains(char::is_whitespace) {
            walk.apart(|walk| walk.text(shell, Feed::Nothing));
        }
    }
    true
}

/// Options whose value is a command for the shell: program, options.
const TEXTS: &[(&str, &[&str])] = &[
    ("nix-shell", &["--run", "--command"]),
    ("npx", &["-c", "--call"]),
    ("npm", &["-c", "--call"]),
    (
        "tar",
        &[
            "--to-command",
            "--rsh-command",
            "-I",
            "--use-compress-program",
            "-F",
            "--info-script",
            "--new-volume-script",
        ],
    ),
    ("gtar", &["--to-command", "--rsh-command", "-I", "--use-compress-program", "-F", "--info-script"]),
    ("bsdtar", &["--use-compress-program"]),
    ("rsync", &["-e", "--rsh", "--rsync-path"]),
    ("scp", &["-S"]),
    ("sftp", &["-S"]),
    ("zip", &["-TT", "--unzip-command"]),
    ("man", &["-P", "-H", "--pager", "--html"]),
    ("expect", &[]),
    ("nodemon", &["--exec", "-x"]),
    ("split", &["--filter"]),
    ("sort", &["--compress-program"]),
    ("tcpdump", &["-z"]),
    ("ncat", &["-c", "--sh-exec", "-e", "--exec"]),
    ("nc", &["-c", "-e"]),
    ("netcat", &["-c", "-e"]),
    ("rg", &["--pre", "--hostname-bin"]),
    ("wget", &["--use-askpass"]),
    ("start-stop-daemon", &["--exec", "-x", "--startas", "-a"]),
    ("gdb", &[]),
    ("pm2", &[]),
];

fn by_option(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) {
    let names = TEXTS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, names)| *names);
    // GNU tar takes its long names cut short.
    let style = Style { abbreviates: name.ends_with("tar") || name == "rsync", ..Style::default() };
    let args = options::split(fields, names, style);
    // What listens or connects hands on what the other side says.
    let feed = if matches!(name, "nc" | "ncat" | "netcat") { &Feed::Downloaded } else { feed };
    for text in args.values(names) {
        walk.apart(|walk| walk.text(&text.text, feed.clone()));
    }
    match name {
        "tar" | "gtar" => {
            for (option, value) in &args.options {
                let action = value.as_ref().and_then(|it| it.text.strip_prefix("exec=")).map(str::to_owned);
                if let (true, Some(action)) = (option.starts_with("--checkpoint-a"), action) {
                    walk.apart(|walk| walk.text(&action, Feed::Nothing));
                }
            }
        }
        "zip" => {
            let at = fields.iter().position(|it| it.text == "-TT");
            if let Some(text) = at.and_then(|at| fields.get(at + 1)) {
                walk.apart(|walk| walk.text(&text.text, Feed::Nothing));
            }
        }
        "fd" | "fdfind" => fd(walk, fields),
        "vim" | "vi" | "nvim" | "ex" | "ed" | "less" => editor(walk, name, fields, feed),
        "emacs" => {
            let evals = ["--eval", "-eval", "--execute", "-f", "--funcall", "-l", "--load", "--script"];
            foreign::scan_options(walk, fields, &evals);
            let is_eval = |it: &Field| evals.contains(&it.text.split('=').next().unwrap_or_default());
            if fields.iter().any(is_eval) {
                walk.effect(Effect::new("code.run", Target::Unknown).noting("runs code in an editor"));
            }
        }
        "gdb" => foreign::scan_options(walk, fields, &["-ex", "--eval-command", "-eval-command"]),
        "expect" => foreign::scan_options(walk, fields, &["-c"]),
        "openssl" => {}
        "watchexec" | "concurrently" | "tmux" | "screen" | "cpulimit" => {
            rest_as_text(walk, name, fields, feed)
        }
        "socat" => {
            for address in fields {
                let (kind, rest) = address.text.split_once(':').unwrap_or_default();
                if matches!(kind.to_ascii_lowercase().as_str(), "exec" | "system" | "shell") {
                    let text = rest.split(",pty").next().unwrap_or_default().to_owned();
                    walk.apart(|walk| walk.text(&text, Feed::Downloaded));
                } else if address.is_known() {
                    address_of(walk, kind, rest.split(',').next().unwrap_or_default());
                } else {
                    walk.connects(&address.text);
                }
            }
        }
        _ => {}
    }
}

/// An address of `socat`: a machine, a file, a socket.
fn address_of(walk: &mut Walk<'_>, kind: &str, rest: &str) {
    let kind = kind.to_ascii_lowercase();
    let stem = kind.trim_end_matches(|it: char| it.is_ascii_digit());
    match stem {
        _ if kind.contains("listen") || kind.ends_with("-l") || kind.contains("recv") => {
            match kind.starts_with("unix") {
                true => walk.writes(&Field::new(rest)),
                false => walk.effect(Effect::new("net.listen", Target::None)),
            }
        }
        "socks" | "proxy" => {
            // The machine in between, then the one behind it.
            let mut parts = rest.split(':');
            let (via, host) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            walk.connects(via);
            walk.connects(&format!("{host}:{}", parts.next().unwrap_or_default()));
        }
        _ if kind.starts_with("unix") || kind.starts_with("abstract") => walk.writes(&Field::new(rest)),
        "file" | "open" | "gopen" | "create" | "creat" | "pipe" | "fifo" => walk.touches(&Field::new(rest)),
        "" | "stdin" | "stdout" | "stdio" | "stderr" | "pty" | "fd" | "tun" | "readline" => {}
        _ => walk.connects(rest),
    }
}

fn fd(walk: &mut Walk<'_>, fields: &[Field]) {
    if let Some(at) =
        fields.iter().position(|it| matches!(it.text.as_str(), "-x" | "-X" | "--exec" | "--exec-batch"))
    {
        let command: Vec<Field> =
            fields.iter().skip(at + 1).take_while(|it| it.text != ";").cloned().collect();
        let has_place = command.iter().any(|it| it.text.contains("{}"));
        let found = below(fields.get(..at).unwrap_or_default());
        let words = many::filled(&command, &[found], "{}", has_place);
        walk.program(&words, Feed::Nothing);
    }
}

/// What `fd` hands on: everything below the folder that it is given after its pattern, or below this one.
fn below(fields: &[Field]) -> Field {
    let place = fields.iter().filter(|it| !it.text.starts_with('-')).nth(1);
    match place.and_then(Field::known) {
        Some(place) => {
            let mut all = Field::new(format!("{}/*", place.trim_end_matches('/')));
            all.glob = true;
            all
        }
        None => Field::unknown(),
    }
}

/// The commands of `vi` and `ex` that change lines, files and what one sees, and run nothing.
const HARMLESS: [&str; 40] = [
    "",
    "q",
    "qa",
    "quit",
    "qall",
    "wq",
    "wqa",
    "wqall",
    "wa",
    "wall",
    "x",
    "xa",
    "xall",
    "w",
    "write",
    "sav",
    "saveas",
    "e",
    "edit",
    "sp",
    "split",
    "vs",
    "vsplit",
    "tabe",
    "tabnew",
    "r",
    "read",
    "se",
    "set",
    "setl",
    "setlocal",
    "syn",
    "syntax",
    "colo",
    "colorscheme",
    "s",
    "d",
    "y",
    "j",
    "p",
];

/// Whether a command that an editor is started with may run code: `py3 ...`, `call ...`, `exe ...`.
fn may_run(command: &str) -> bool {
    let harmless = |one: &str| {
        let one = one.trim_start_matches([':', '+', '%', ' ', '$', ',', '.', ';']);
        let one = one.trim_start_matches(|it: char| it.is_ascii_digit() || it == ',' || it == '$');
        let verb = one.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
        one.starts_with(['/', '?', '!', '"']) || HARMLESS.contains(&verb.as_str())
    };
    command.contains("\\=") || !command.split('|').all(harmless)
}

/// Editors run what follows a `!`.
fn editor(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) {
    let before = std::iter::once(None).chain(fields.iter().map(Some));
    let is_command = |before: Option<&Field>, it: &Field| {
        let option = before.map_or("", |it| it.text.as_str());
        it.text.starts_with('+') || option == "--cmd" || option.starts_with('-') && option.ends_with('c')
    };
    let runs = |(before, it): (Option<&Field>, &Field)| is_command(before, it) && may_run(&it.text);
    if matches!(name, "vim" | "vi" | "nvim" | "ex") && before.zip(fields).any(runs) {
        walk.effect(Effect::new("code.run", Target::Unknown).noting("runs code in an editor"));
    }
    let given = fields.iter().map(|it| it.text.clone());
    let fed =
        if let Feed::Text(text) = feed { text.lines().map(str::to_owned).collect() } else { Vec::new() };
    for text in given.chain(fed) {
        let text = text.trim_start_matches(['+', ':']);
        let escape = text.strip_prefix('!').or_else(|| {
            text.split_once("!")
                .filter(|(before, _)| {
                    matches!(before.trim(), "r" | "w" | "%" | "-c:" | "silent" | "exe" | "exec")
                })
                .map(|(_, rest)| rest)
        });
        // `w!name` writes over the file, `w !name` runs a program.
        if let Some(file) = ["w!", "write!", "wq!", "sav!", "x!"].iter().find_map(|it| text.strip_prefix(it))
            && !file.is_empty()
        {
            walk.writes(&Field::new(file.trim()));
        }
        let (verb, file) = text.trim_start_matches('%').split_once(' ').unwrap_or_default();
        match verb.trim_end_matches('!') {
            "r" | "read" | "so" | "source" | "luafile" | "pyfile" => walk.reads(&Field::new(file.trim())),
            "w" | "write" | "sav" | "saveas" | "e" | "edit" | "split" | "sp" | "vs" | "tabe" | "wq" => {
                walk.writes(&Field::new(file.trim()));
            }
            "redi" | "redir" if file.contains('>') => {
                walk.writes(&Field::new(file.trim_start_matches(['!', '>', ' '])));
            }
            _ => {}
        }
        if let Some(command) = escape {
            walk.apart(|walk| walk.text(command, Feed::Unknown));
        } else if text.contains("system(") || text.contains("os.execute") {
            calls::scan(walk, text);
        }
    }
}

fn rest_as_text(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) {
    let values = [
        "-e", "-w", "-i", "-s", "-t", "-n", "-c", "-F", "-x", "-y", "-l", "-p", "-S", "-L", "--exts",
        "--watch", "--names", "--limit",
    ];
    let args = options::split(fields, &values, FIRST);
    let rest = args.rest.as_slice();
    match name {
        "tmux" => {
            let verb = rest.first().map_or("", |it| it.text.as_str());
            let more = options::split(rest.get(1..).unwrap_or_default(), &values, FIRST);
            if matches!(
                verb,
                "new"
                    | "new-session"
                    | "new-window"
                    | "neww"
                    | "split-window"
                    | "splitw"
                    | "run-shell"
                    | "run"
                    | "if-shell"
                    | "pipe-pane"
                    | "respawn-pane"
                    | "display-popup"
                    | "popup"
            ) {
                walk.apart(|walk| walk.text(&joined(&more.rest, " "), feed.clone()));
            } else if matches!(verb, "send-keys" | "send") {
                let text: Vec<Field> = more
                    .rest
                    .iter()
                    .filter(|it| !matches!(it.text.as_str(), "Enter" | "C-m"))
                    .cloned()
                    .collect();
                walk.apart(|walk| walk.text(&joined(&text, " "), feed.clone()));
            }
        }
        "concurrently" => {
            for text in rest {
                walk.apart(|walk| walk.text(&text.text, feed.clone()));
            }
        }
        "watchexec" => {
            walk.apart(|walk| walk.text(&joined(rest, " "), feed.clone()));
        }
        _ => wrappers::started(walk, rest, feed),
    }
}
