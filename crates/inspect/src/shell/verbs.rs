//! What the words of a platform's command line say: `list`, `create`, `delete`.
//!
//! For programs whose commands are too many to write down one by one; the first word that is a verb decides.

use verdict::{Effect, Target};

use super::field::{Field, joined};
use super::options::Args;
use super::walk::Walk;

const READS: &[&str] = &[
    "list",
    "ls",
    "get",
    "describe",
    "show",
    "status",
    "info",
    "view",
    "logs",
    "log",
    "tail",
    "top",
    "version",
    "whoami",
    "read",
    "cat",
    "search",
    "find",
    "diff",
    "validate",
    "lint",
    "check",
    "explain",
    "history",
    "inspect",
    "watch",
    "wait",
    "download",
    "head",
    "query",
    "scan",
    "lookup",
    "count",
    "stat",
    "stats",
    "doctor",
    "diagnose",
    "diagnostics",
    "verify",
    "plan",
    "preview",
    "test",
    "lsd",
    "lsjson",
    "size",
    "about",
    "env",
    "estimate",
    "fetch",
    "peek",
    "outputs",
    "output",
    "graph",
    "fmt",
    "format",
    "events",
    "ping",
    "report",
    "receive",
    "help",
    "who",
    "monitor",
    "open",
    "synth",
    "template",
    "batch",
    "resources",
    "lsf",
    "md5sum",
    "sha1sum",
    "tree",
    "ncdu",
    "dump",
    "completion",
];
const DELETES: &[&str] = &[
    "delete",
    "del",
    "destroy",
    "remove",
    "rm",
    "rmi",
    "purge",
    "terminate",
    "drop",
    "erase",
    "wipe",
    "prune",
    "flush",
    "reset",
    "revoke",
    "deregister",
    "unregister",
    "unsubscribe",
    "uninstall",
    "undeploy",
    "teardown",
    "decommission",
    "clear",
    "truncate",
    "rmdir",
    "forget",
    "unset",
    "flushall",
    "obliterate",
    "nuke",
    "shred",
    "expire",
    "cleanup",
    "deletefile",
    "unpublish",
    "yank",
    "rdelete",
];
const CHANGES: &[&str] = &[
    "create",
    "add",
    "update",
    "set",
    "put",
    "apply",
    "edit",
    "start",
    "stop",
    "run",
    "exec",
    "deploy",
    "push",
    "scale",
    "restart",
    "enable",
    "disable",
    "attach",
    "detach",
    "import",
    "export",
    "upload",
    "copy",
    "cp",
    "mv",
    "move",
    "sync",
    "patch",
    "replace",
    "rollback",
    "rollout",
    "label",
    "annotate",
    "login",
    "logout",
    "auth",
    "init",
    "new",
    "link",
    "unlink",
    "upgrade",
    "install",
    "publish",
    "promote",
    "tag",
    "untag",
    "modify",
    "register",
    "invite",
    "send",
    "invoke",
    "rename",
    "resize",
    "reboot",
    "merge",
    "close",
    "reopen",
    "archive",
    "unarchive",
    "fork",
    "clone",
    "pull",
    "build",
    "up",
    "down",
    "launch",
    "suspend",
    "resume",
    "cancel",
    "retry",
    "rerun",
    "restore",
    "backup",
    "snapshot",
    "lock",
    "unlock",
    "grant",
    "write",
    "assign",
    "use",
    "configure",
    "switch",
    "ssh",
    "port-forward",
    "proxy",
    "connect",
    "console",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Reads,
    Changes,
    Deletes,
}

/// The kind of verb that a word is, or that a part of it is: `delete-bucket`, `batch-delete-image`, `pg:reset`.
fn verb(word: &str) -> Option<Verb> {
    let parts = || word.split(['-', '_', ':', '.', '/']).filter(|it| !it.is_empty());
    let among = |list: &[&str]| list.contains(&word);
    if among(READS) {
        return Some(Verb::Reads);
    }
    if among(DELETES)
        || parts().take(2).any(|it| DELETES.contains(&it))
        || word.contains(':') && parts().any(|it| DELETES.contains(&it))
    {
        return Some(Verb::Deletes);
    }
    let first = parts().next()?;
    let second = parts().nth(1);
    if READS.contains(&first) || (word.contains(':') && second.is_some_and(|it| READS.contains(&it))) {
        return Some(Verb::Reads);
    }
    (CHANGES.contains(&first) || among(CHANGES)).then_some(Verb::Changes)
}

/// True if a word is a verb of deletion, or has one in it as its words are joined: `doDelete`, `_delete_by_query`.
pub fn is_deletion(word: &str) -> bool {
    let mut spaced = String::new();
    for next in word.chars() {
        if next.is_ascii_uppercase() {
            spaced.push('-');
        }
        spaced.push(next.to_ascii_lowercase());
    }
    let strong =
        ["delete", "destroy", "purge", "drop", "truncate", "wipe", "remove", "flush", "erase", "terminate"];
    spaced.split(['-', '_', ':', '.']).any(|it| strong.contains(&it))
}

/// Verbs that are as often the names of things: they count only where no other verb is.
const NOUNS: &[&str] = &[
    "backup",
    "restore",
    "snapshot",
    "release",
    "ssh",
    "tag",
    "label",
    "lock",
    "proxy",
    "import",
    "export",
    "archive",
    "fork",
    "run",
    "build",
    "auth",
    "env",
    "log",
    "logs",
    "events",
    "test",
    "template",
    "graph",
    "report",
    "batch",
    "output",
    "outputs",
    "plan",
    "scan",
    "query",
    "resources",
    "monitor",
    "history",
    "link",
    "deploy",
    "install",
    "console",
    "connect",
    "config",
    "set",
    "grant",
    "view",
    "schedule",
    "metadata",
    "policy",
    "stat",
    "stats",
    "format",
    "head",
    "estimate",
    "clone",
    "init",
    "use",
    "check",
    "watch",
    "status",
    "info",
    "login",
    "switch",
    "ls",
    "open",
    "new",
    "preview",
    "doctor",
];

/// Adds what the words say. A rehearsal changes nothing.
pub fn apply(walk: &mut Walk<'_>, args: &Args) {
    let words = || args.rest.iter().take(4).enumerate();
    let is_noun = |it: &Field| it.text.split(['-', '_']).next().is_some_and(|it| NOUNS.contains(&it));
    let found = words()
        .filter(|(_, it)| !is_noun(it))
        .find_map(|(at, it)| Some((at, verb(it.known()?)?)))
        .or_else(|| words().find_map(|(at, it)| Some((at, verb(it.known()?)?))));
    let (at, verb) = found.unwrap_or((0, Verb::Changes));
    let name: Vec<Field> = args.rest.iter().take(at + 4).cloned().collect();
    let is_known = name.iter().all(Field::is_known);
    let target = if is_known { Target::Named(joined(&name, " ")) } else { Target::Unknown };
    let effect = match verb {
        Verb::Reads => Effect::new("cloud.read", target),
        _ if is_rehearsal(args) => Effect::new("cloud.read", target).noting("says only what it would do"),
        Verb::Changes => Effect::new("cloud.change", target),
        Verb::Deletes => Effect::new("cloud.delete", target).destroying("removes it for good"),
    };
    walk.effect(effect);
}

/// True if it only says what it would do.
pub fn is_rehearsal(args: &Args) -> bool {
    let names =
        ["--dry-run", "--dryrun", "--what-if", "--whatif", "--noop", "--simulate", "--preview", "--no-act"];
    args.options.iter().any(|(given, value)| {
        let says_no =
            value.as_ref().is_some_and(|it| matches!(it.text.as_str(), "none" | "false" | "0" | "no"));
        names.contains(&given.as_str()) && !says_no && value.as_ref().is_none_or(Field::is_known)
    })
}
