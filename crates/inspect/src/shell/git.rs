//! git: what changes a repository, what loses work or history, and the many ways in which it runs programs.

use verdict::{Effect, Target};

use super::field::{Feed, Field, joined};
use super::git_reach::{self, reach, remote};
use super::options::{self, Args, Style};
use super::walk::Walk;
use super::{programs, wrappers};

const GLOBAL: &[&str] = &[
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--super-prefix",
    "--config-env",
    "--attr-source",
];
const VALUES: &[&str] = &[
    "-m",
    "-F",
    "-b",
    "-B",
    "-x",
    "-s",
    "-X",
    "-o",
    "-u",
    "-e",
    "-n",
    "--message",
    "--exec",
    "--upload-pack",
    "--receive-pack",
    "--depth",
    "--branch",
    "--origin",
    "--author",
    "--date",
    "--onto",
    "--source",
    "--config",
    "--extcmd",
    "--expire",
    "--prune-expire",
    "--tree-filter",
    "--index-filter",
    "--msg-filter",
    "--env-filter",
    "--commit-filter",
    "--template",
    "--pathspec-from-file",
    "--format",
    "--output",
    "--reason",
    "--strategy",
    "--conflict",
    "--recurse-submodules-default",
    "--track-default",
    "--server-option",
    "--reference",
    "--separate-git-dir",
    "--filter",
    "--shallow-since",
    "-j",
    "-t",
];
const CUT: Style = Style { single: false, abbreviates: true, first: false };
const FIRST: Style = Style { single: false, abbreviates: false, first: true };

/// git, and what its words say.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    if !matches!(name, "git" | "hub" | "yadm") && !name.starts_with("git-") {
        return false;
    }
    let glued = name.strip_prefix("git-").filter(|it| SUBCOMMANDS.contains(it));
    if name.starts_with("git-") && glued.is_none() {
        return false;
    }
    let global = options::split(fields, GLOBAL, FIRST);
    let (verb, rest) = match glued {
        Some(verb) => (verb.to_owned(), fields.to_vec()),
        None => match global.rest.split_first() {
            None => return true,
            Some((verb, rest)) => (verb.text.clone(), rest.to_vec()),
        },
    };
    if glued.is_none() {
        global_options(walk, &global, &verb);
    }
    let folders = global.values(&["-C"]);
    if !folders.is_empty() {
        walk.apart(|walk| {
            // Each is below the one before.
            for folder in &folders {
                walk.touches(folder);
                walk.scope.enter(&folder.text);
            }
            subcommand(walk, &verb, &rest, feed);
            Feed::Nothing
        });
    } else {
        subcommand(walk, &verb, &rest, feed);
    }
    true
}

const SUBCOMMANDS: &[&str] =
    &["reset", "clean", "push", "checkout", "restore", "stash", "filter-branch", "gc", "reflog", "rm"];

fn global_options(walk: &mut Walk<'_>, args: &Args, verb: &str) {
    for setting in args.values(&["-c", "--config-env"]) {
        let (key, value) = setting.text.split_once('=').unwrap_or((setting.text.as_str(), ""));
        walk.setting(key, value, verb);
    }
    if args.has(&["--exec-path"])
        && args.options.iter().any(|(name, value)| name == "--exec-path" && value.is_some())
    {
        walk.effect(Effect::new("env.change", Target::Named("GIT_EXEC_PATH".to_owned())));
    }
    for folder in args.values(&["--git-dir", "--work-tree"]) {
        walk.writes(&folder);
    }
    if args.has(&["--git-dir"]) {
        walk.effect(Effect::new("env.change", Target::Named("GIT_DIR".to_owned())));
    }
}

impl Walk<'_> {
    pub fn vcs(&mut self, note: &'static str) {
        self.effect(Effect::new("vcs.change", Target::None).noting(note));
    }

    fn discards(&mut self, note: &'static str) {
        self.effect(Effect::new("vcs.discard", Target::None).destroying(note));
    }
}

/// The options of this verb that take a value: `-t` takes none where it is for tracking.
fn values_of(verb: &str) -> Vec<&'static str> {
    let branches = matches!(verb, "checkout" | "switch");
    let mut values: Vec<&str> = VALUES.iter().copied().filter(|it| !branches || *it != "-t").collect();
    if verb == "switch" {
        values.extend(["-c", "-C", "--create", "--force-create", "--orphan"]);
    }
    values
}

fn subcommand(walk: &mut Walk<'_>, verb: &str, fields: &[Field], feed: &Feed) {
    let args = options::split(fields, &values_of(verb), CUT);
    if programs::is_question(&args) || args.has(&["-h"]) {
        return;
    }
    git_reach::files(walk, verb, fields, &args);
    work_tree(walk, verb, &args);
    let dashes = fields.iter().position(|it| it.text == "--");
    match verb {
        "reset" => reset(walk, &args),
        "checkout" => checkout(walk, fields, &args, dashes),
        "switch" if args.has(&["-f", "--force", "--discard-changes", "-C", "--force-create"]) => {
            walk.discards("discards changes that were not committed");
        }
        "restore" => {
            let staged = args.has(&["--staged", "-S"]);
            if !staged || args.has(&["--worktree", "-W"]) {
                walk.discards("discards changes that were not committed");
            } else {
                walk.vcs("changes what is staged");
            }
        }
        "clean" => {
            let only_says = fields
                .iter()
                .any(|it| it.text.starts_with('-') && !it.text.starts_with("--") && it.text.contains('n'));
            let args = options::split(fields, &["-e", "--exclude"], CUT);
            if args.has(&["-f", "--force"]) && !only_says && !args.has(&["--dry-run"]) {
                walk.discards("removes files that were never committed");
            }
        }
        "push" => push(walk, fields, &args),
        "branch" | "tag" => branch(walk, verb, fields),
        "stash" => stash(walk, &args),
        "rebase" | "bisect" | "submodule" | "difftool" | "mergetool" | "filter-branch" | "grep"
        | "archive" | "send-pack" => {
            running(walk, verb, fields, feed);
        }
        "clone" | "fetch" | "pull" | "ls-remote" | "remote" | "fetch-pack" => {
            remote(walk, verb, fields, &args)
        }
        "config" => config(walk, fields),
        "worktree" | "reflog" | "gc" | "prune" | "update-ref" | "filter-repo" | "rm" | "lfs" | "notes"
        | "replace" | "read-tree" | "checkout-index" | "repack" | "symbolic-ref" | "svn" => {
            rarer(walk, verb, fields, &args);
        }
        "daemon" | "http-backend" | "instaweb" => walk.effect(Effect::new("net.listen", Target::None)),
        _ => common(walk, verb),
    }
}

/// What changes the files of the folder, and not the repository alone.
fn work_tree(walk: &mut Walk<'_>, verb: &str, args: &Args) {
    let first = args.rest.first().map_or("", |it| it.text.as_str());
    let (changes, removes) = match verb {
        "clean" => (false, args.has(&["-f", "--force"]) && !args.has(&["-n", "--dry-run"])),
        "reset" => (args.has(&["--hard", "--merge", "--keep"]), false),
        "stash" => (!matches!(first, "list" | "show" | "drop" | "clear"), false),
        "checkout" | "switch" | "pull" | "merge" | "rebase" | "cherry-pick" | "revert" | "am" => {
            (true, false)
        }
        "restore" => (!args.has(&["--staged", "-S"]) || args.has(&["--worktree", "-W"]), false),
        "apply" => (!args.has(&["--check", "--stat", "--numstat", "--summary", "--cached"]), false),
        _ => (false, false),
    };
    if let (true, Ok(Target::Path(mut here))) = (changes || removes, walk.path(&Field::new("."))) {
        here.recursive = true;
        let kind = if removes { "fs.delete" } else { "fs.write" };
        walk.effect(Effect::new(kind, Target::Path(here)).noting("files of the work tree"));
    }
}

fn common(walk: &mut Walk<'_>, verb: &str) {
    const READS: &[&str] = &[
        "status",
        "log",
        "diff",
        "show",
        "blame",
        "shortlog",
        "describe",
        "rev-parse",
        "rev-list",
        "ls-files",
        "ls-tree",
        "cat-file",
        "for-each-ref",
        "name-rev",
        "merge-base",
        "cherry",
        "whatchanged",
        "count-objects",
        "fsck",
        "help",
        "version",
        "var",
        "check-ignore",
        "check-attr",
        "show-ref",
        "range-diff",
        "verify-commit",
        "verify-tag",
        "annotate",
    ];
    if !READS.contains(&verb) {
        walk.vcs("changes the repository");
    }
}

fn reset(walk: &mut Walk<'_>, args: &Args) {
    if args.has(&["--hard"]) {
        walk.discards("discards changes that were not committed");
    } else if args.has(&["--merge"]) {
        walk.discards("discards changes that were staged");
    } else {
        walk.vcs("moves the branch, and keeps the files");
    }
}

fn checkout(walk: &mut Walk<'_>, fields: &[Field], args: &Args, dashes: Option<usize>) {
    if args.has(&["-f", "--force"]) {
        return walk.discards("discards changes that were not committed");
    }
    if args.has(&["-b", "-B", "--orphan", "-t", "--track", "--detach", "-d"]) && dashes.is_none() {
        return walk.vcs("goes to another branch");
    }
    let after = dashes.map(|at| fields.len() - at - 1);
    let looks_like_files = |it: &Field| {
        matches!(it.text.as_str(), "." | ":/" | "*" | "./")
            || it.text.starts_with("./")
            || it.text.starts_with(":(")
            || it.glob
    };
    if after.is_some_and(|it| it > 0)
        || args.rest.iter().any(looks_like_files)
        || args.rest.len() > 1
        || args.has(&["--pathspec-from-file", "-p", "--patch"])
    {
        walk.discards("discards changes that were not committed");
    } else {
        walk.vcs("goes to another branch");
    }
}

fn push(walk: &mut Walk<'_>, fields: &[Field], args: &Args) {
    let (remote, specs) =
        args.rest.split_first().map_or((None, &[][..]), |(remote, specs)| (Some(remote), specs));
    reach(walk, remote);
    if let Some(folder) =
        remote.filter(|it| it.text.starts_with(['/', '.', '~']) || it.text.starts_with("file:"))
    {
        walk.writes(&Field::new(folder.text.trim_start_matches("file://")));
    }
    if args.has(&["-n", "--dry-run"]) {
        return;
    }
    for program in args.values(&["--exec", "--receive-pack"]) {
        walk.apart(|walk| walk.text(&program.text, Feed::Nothing));
    }
    // `--force-with-lease` cut short would be ambiguous, so a prefix of `--force` is `--force`.
    let with_lease =
        fields.iter().any(|it| it.text.starts_with("--force-with-l") || it.text.starts_with("--force-if"));
    let forced = args.options.iter().any(|(name, _)| {
        name == "-f" || (name.starts_with("--f") && "--force".starts_with(name.as_str()) && name != "--fo")
    });
    if forced || specs.iter().any(|it| it.text.starts_with('+')) {
        walk.discards("rewrites published history");
    } else if args.has(&["--mirror"]) || args.has(&["--prune"]) {
        walk.discards("removes published branches that are not here");
    } else if args.has(&["-d", "--delete"])
        || specs.iter().any(|it| it.text.starts_with(':') && it.text.len() > 1)
    {
        walk.discards("removes a published branch or tag");
    } else if with_lease {
        walk.vcs("rewrites published history, unless others have added to it");
    } else {
        walk.vcs("publishes commits");
    }
}

fn branch(walk: &mut Walk<'_>, verb: &str, fields: &[Field]) {
    let args = options::split(
        fields,
        &["-u", "-m", "-F", "--set-upstream-to", "--message", "--sort", "--format"],
        CUT,
    );
    let plain = options::split(fields, &[], CUT);
    let forced = plain.has(&["-f", "--force"]);
    match verb {
        "branch" if plain.has(&["-D"]) || (forced && plain.has(&["-d", "--delete"])) => {
            walk.discards("removes a branch even if it was never merged");
        }
        "branch" if plain.has(&["-M", "-C"]) || forced => walk.discards("overwrites a branch"),
        _ if args.rest.is_empty() => {}
        _ => walk.vcs("makes, renames or removes a branch or tag"),
    }
}

fn stash(walk: &mut Walk<'_>, args: &Args) {
    match args.rest.first().map_or("push", |it| it.text.as_str()) {
        "drop" | "clear" => walk.discards("discards stashed changes"),
        "list" | "show" => {}
        _ => walk.vcs("puts changes aside, or takes them back"),
    }
}

/// Subcommands that run what they are given.
fn running(walk: &mut Walk<'_>, verb: &str, fields: &[Field], feed: &Feed) {
    let args = options::split(fields, VALUES, CUT);
    let texts = match verb {
        "rebase" => args.values(&["-x", "--exec"]),
        "difftool" => args.values(&["-x", "--extcmd"]),
        "archive" | "send-pack" => args.values(&["--exec", "--receive-pack"]),
        "filter-branch" => {
            walk.discards("rewrites history");
            args.values(&[
                "--tree-filter",
                "--index-filter",
                "--msg-filter",
                "--env-filter",
                "--commit-filter",
            ])
        }
        "grep" => fields
            .iter()
            .filter_map(|it| it.after("-O").or_else(|| it.after("--open-files-in-pager=")))
            .filter(|it| !it.text.is_empty())
            .collect(),
        "submodule"
            if args.rest.first().is_some_and(|it| it.text == "deinit") && args.has(&["-f", "--force"]) =>
        {
            walk.discards("discards changes in a submodule");
            Vec::new()
        }
        _ => Vec::new(),
    };
    for text in &texts {
        walk.apart(|walk| walk.text(&text.text, feed.clone()));
    }
    let first = args.rest.first().map_or("", |it| it.text.as_str());
    if (verb, first) == ("bisect", "run") {
        let rest: Vec<Field> = fields.iter().skip_while(|it| it.text != "run").skip(1).cloned().collect();
        wrappers::started(walk, &rest, feed);
    } else if (verb, first) == ("submodule", "foreach") {
        let rest: Vec<Field> = fields.iter().skip_while(|it| it.text != "foreach").skip(1).cloned().collect();
        let rest = options::split(&rest, &[], FIRST).rest;
        walk.apart(|walk| walk.text(&joined(&rest, " "), feed.clone()));
    }
    if verb != "grep" && verb != "archive" {
        walk.vcs("changes the repository");
    }
}

fn config(walk: &mut Walk<'_>, fields: &[Field]) {
    let args = options::split(fields, &["-f", "--file", "--blob", "--type", "--default"], CUT);
    let mut words = args.rest.as_slice();
    if words.first().is_some_and(|it| matches!(it.text.as_str(), "set" | "unset" | "get" | "list" | "edit")) {
        words = words.get(1..).unwrap_or_default();
    }
    let is_change =
        words.len() > 1 || args.has(&["--unset", "--unset-all", "--remove-section", "-e", "--edit"]);
    if is_change {
        args.values(&["-f", "--file"]).iter().for_each(|it| walk.writes(it));
    }
    if let [key, value, ..] = words {
        walk.vcs("changes a setting of the repository");
        walk.setting(&key.text.clone(), &value.text.clone(), "");
    }
}

fn rarer(walk: &mut Walk<'_>, verb: &str, fields: &[Field], args: &Args) {
    let first = args.rest.first().map_or("", |it| it.text.as_str());
    let forced = args.has(&["-f", "--force"]);
    match verb {
        "worktree" if first == "remove" && forced => walk.discards("removes a work tree with its changes"),
        "reflog" if matches!(first, "expire" | "delete") => {
            walk.discards("removes what lost commits are found by")
        }
        "gc" | "prune" | "repack" => {
            let now = args.options.iter().any(|(name, value)| {
                name == "--prune"
                    && value.as_ref().is_some_and(|it| matches!(it.text.as_str(), "now" | "all"))
                    || name == "--expire" && value.as_ref().is_some_and(|it| it.text == "now")
            });
            if now || (verb == "prune" && !args.has(&["-n", "--dry-run"])) {
                walk.discards("removes commits that nothing refers to any more");
            } else if verb != "prune" {
                walk.vcs("tidies the repository");
            }
        }
        "update-ref" if args.has(&["-d", "--stdin"]) || fields.iter().any(|it| it.text == "-d") => {
            walk.discards("removes a reference")
        }
        "filter-repo" => walk.discards("rewrites history"),
        "rm" if args.has(&["-n", "--dry-run"]) => {}
        "rm" if args.has(&["--cached"]) => walk.vcs("stops following files, and keeps them"),
        "rm" if forced => walk.discards("removes files with changes that were not committed"),
        "rm" => {
            walk.vcs("removes files that history still has");
        }
        "read-tree" if args.has(&["--reset"]) && args.has(&["-u"]) => {
            walk.discards("discards changes that were not committed")
        }
        "checkout-index" if forced => walk.discards("discards changes that were not committed"),
        "lfs" if first == "prune" && forced => walk.discards("removes large files"),
        _ => walk.vcs("changes the repository"),
    }
}
