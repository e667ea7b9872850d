//! git: the machines that it talks to, and the settings by which it runs programs.

use verdict::{Effect, Target};

use super::field::{Feed, Field};
use super::options::{self, Args, Style};
use super::walk::Walk;

const CUT: Style = Style { single: false, abbreviates: true, first: false };

/// Settings whose value git runs.
fn runs(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let exact = [
        "core.pager",
        "core.editor",
        "core.sshcommand",
        "core.fsmonitor",
        "core.askpass",
        "core.gitproxy",
        "sequence.editor",
        "diff.external",
        "gpg.program",
        "gpg.ssh.program",
        "gpg.openpgp.program",
        "credential.helper",
        "uploadpack.packobjectshook",
        "interactive.difffilter",
        "web.browser",
        "core.alternaterefscommand",
        "ssh.variant",
    ];
    let ends = [
        ".textconv",
        ".command",
        ".cmd",
        ".clean",
        ".smudge",
        ".process",
        ".driver",
        ".helper",
        ".path",
        ".program",
    ];
    exact.contains(&key.as_str())
        || ends.iter().any(|it| key.ends_with(it) && key.matches('.').count() >= 2)
        || key.starts_with("pager.")
}

impl Walk<'_> {
    /// A setting of git: some of them run programs.
    pub fn setting(&mut self, key: &str, value: &str, verb: &str) {
        let lower = key.to_ascii_lowercase();
        let changes = runs(key)
            || lower.starts_with("alias.")
            || matches!(
                lower.as_str(),
                "core.hookspath"
                    | "core.worktree"
                    | "protocol.ext.allow"
                    | "http.proxy"
                    | "http.sslverify"
                    | "init.templatedir"
            )
            || lower.starts_with("include")
            || lower.starts_with("url.");
        if changes {
            self.effect(Effect::new("env.change", Target::Named(format!("git {key}"))));
        }
        if let Some(script) = value.strip_prefix('!') {
            self.apart(|walk| walk.text(script, Feed::Unknown));
        } else if runs(key) && !matches!(value, "" | "true" | "false" | "cat" | "less" | "store" | "cache") {
            self.apart(|walk| walk.text(value, Feed::Unknown));
        } else if let Some(name) = lower.strip_prefix("alias.")
            && name == verb
        {
            let words: Vec<Field> = std::iter::once(Field::new("git")).chain(self.split(value)).collect();
            self.program(&words, Feed::Nothing);
        }
    }
}

/// The machine or folder of a remote.
pub fn reach(walk: &mut Walk<'_>, remote: Option<&Field>) {
    let text = remote.map_or("", |it| it.text.as_str());
    if let Some(command) = text.strip_prefix("ext::") {
        let command = command.to_owned();
        walk.apart(|walk| walk.text(&command, Feed::Unknown));
    } else if text.contains("://") {
        if let Some(path) = text.strip_prefix("file://") {
            walk.reads(&Field::new(path));
        } else {
            walk.connects(text);
        }
    } else if let Some((host, _)) =
        text.split_once(':').filter(|(host, _)| !host.contains('/') && host.len() > 1)
    {
        let host = host.rsplit('@').next().unwrap_or_default().to_owned();
        walk.connects(&format!("{host}:22"));
    } else if text.starts_with(['/', '.', '~']) {
        walk.reads(&Field::new(text));
    } else {
        walk.effect(Effect::new("net.connect", Target::Unknown).noting("a remote that the repository names"));
    }
}

/// `clone`, `fetch`, `pull`, `ls-remote`, `remote`.
pub fn remote(walk: &mut Walk<'_>, verb: &str, fields: &[Field], args: &Args) {
    let plain = options::split(
        fields,
        &[
            "-u",
            "--upload-pack",
            "-c",
            "--config",
            "-b",
            "--branch",
            "-o",
            "--origin",
            "--depth",
            "-j",
            "--filter",
            "--template",
            "--reference",
            "--shallow-since",
            "--separate-git-dir",
            "--jobs",
        ],
        CUT,
    );
    for program in plain.values(&["--upload-pack"]).into_iter().chain(if verb == "clone" {
        plain.values(&["-u"])
    } else {
        Vec::new()
    }) {
        walk.apart(|walk| walk.text(&program.text, Feed::Nothing));
    }
    for setting in plain.values(&["-c", "--config"]) {
        let (key, value) = setting.text.split_once('=').unwrap_or((setting.text.as_str(), ""));
        walk.setting(key, value, verb);
    }
    match verb {
        "remote" => {
            let what = args.rest.first().map_or("", |it| it.text.as_str());
            if matches!(what, "add" | "set-url") {
                walk.vcs("changes where the repository is fetched from");
                reach(walk, args.rest.last());
            } else if matches!(what, "update" | "show" | "prune") {
                reach(walk, None);
            }
        }
        "clone" => {
            reach(walk, plain.rest.first());
            let named = plain.rest.first().map(|it| {
                it.text.rsplit(['/', ':']).next().unwrap_or_default().trim_end_matches(".git").to_owned()
            });
            let folder = plain.rest.get(1).cloned().or(named.map(Field::new)).unwrap_or_else(Field::unknown);
            walk.writes(&folder);
        }
        _ => {
            reach(walk, plain.rest.first());
            if verb == "fetch" && plain.has(&["-f", "--force"]) {
                walk.vcs("overwrites local branches with remote ones");
            } else if verb != "ls-remote" {
                walk.vcs("brings in what others have published");
            }
        }
    }
}

/// Options of any subcommand whose value is a file or a folder.
const READS: &[&str] =
    &["-F", "--file", "--reference", "--reference-if-able", "--template", "--pathspec-from-file"];
const WRITES: &[&str] =
    &["--output", "--output-directory", "--separate-git-dir", "--prefix-directory", "--log-file"];

/// The files that a subcommand is given beside those of its repository.
pub fn files(walk: &mut Walk<'_>, verb: &str, fields: &[Field], args: &Args) {
    let plain = options::split(fields, OWN, CUT);
    if matches!(verb, "commit" | "tag" | "merge" | "notes" | "clone" | "init" | "add" | "config") {
        plain.values(READS).iter().for_each(|it| walk.reads(it));
    }
    plain.values(WRITES).iter().for_each(|it| walk.writes(it));
    let words = plain.rest.as_slice();
    match verb {
        "archive" | "format-patch" => {
            plain.values(&["-o"]).iter().for_each(|it| walk.writes(it));
            plain.values(&["--remote"]).iter().for_each(|it| reach(walk, Some(it)));
        }
        "init" | "worktree" | "submodule" | "bundle" | "subtree" => placed(walk, verb, words, args),
        "apply" | "am" | "hash-object" | "mailinfo" | "mailsplit" | "interpret-trailers" | "send-email" => {
            words.iter().for_each(|it| walk.reads(it));
            if verb == "send-email" {
                walk.effect(Effect::new("message.send", Target::None));
            }
        }
        "request-pull" => words.iter().skip(1).take(1).for_each(|it| reach(walk, Some(it))),
        "imap-send" | "svn" | "p4" | "cvsimport" => {
            walk.effect(Effect::new("net.connect", Target::Unknown));
        }
        "lfs"
            if words
                .first()
                .is_some_and(|it| matches!(it.text.as_str(), "pull" | "push" | "fetch" | "clone")) =>
        {
            walk.effect(Effect::new("net.connect", Target::Unknown));
        }
        // Everything in these may be a message or a pattern.
        "commit" | "log" | "shortlog" | "rev-list" | "config" | "notes" | "stash" | "tag"
        | "for-each-ref" => {}
        _ => {
            for word in
                words.iter().filter(|it| it.text.starts_with(['/', '~']) || it.text.starts_with("../"))
            {
                if verb == "diff" || verb == "blame" || verb == "grep" {
                    walk.reads(word);
                } else if !matches!(verb, "clone" | "fetch" | "pull" | "push" | "ls-remote" | "remote") {
                    walk.touches(word);
                }
            }
        }
    }
}

/// What takes a value in the subcommands that are given files.
const OWN: &[&str] = &[
    "-F",
    "--file",
    "--reference",
    "--reference-if-able",
    "--template",
    "--pathspec-from-file",
    "--output",
    "--output-directory",
    "--separate-git-dir",
    "-o",
    "--remote",
    "-m",
    "--message",
    "-b",
    "-B",
    "--branch",
    "--name",
    "--depth",
    "-t",
    "-c",
    "-C",
    "-e",
    "--initial-branch",
    "--object-format",
    "--prefix",
    "-P",
    "--to",
    "--cc",
    "--from",
    "--smtp-server",
    "--subject",
    "--format",
    "--directory",
    "--exclude",
    "--include",
    "-p",
    "-j",
    "--jobs",
];

fn placed(walk: &mut Walk<'_>, verb: &str, words: &[Field], _args: &Args) {
    let first = words.first().map_or("", |it| it.text.as_str());
    match (verb, first) {
        ("init", _) => walk.writes(words.first().unwrap_or(&Field::new("."))),
        ("worktree", "add" | "move" | "remove" | "lock" | "repair") => {
            let count = if first == "move" { 2 } else { 1 };
            words.iter().skip(1).take(count).for_each(|it| walk.writes(it));
        }
        ("submodule", "add") => {
            reach(walk, words.get(1));
            words.iter().skip(2).take(1).for_each(|it| walk.writes(it));
        }
        ("submodule", "set-url") => reach(walk, words.get(2)),
        ("submodule", "update" | "sync") => reach(walk, None),
        ("bundle", "create") => words.iter().skip(1).take(1).for_each(|it| walk.writes(it)),
        ("bundle", _) => words.iter().skip(1).take(1).for_each(|it| walk.reads(it)),
        ("subtree", "add" | "pull" | "push") => reach(walk, words.get(1)),
        _ => {}
    }
}
