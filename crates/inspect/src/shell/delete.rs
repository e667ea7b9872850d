//! Programs that delete, and those that change owners and rights of whole trees.

use verdict::{Effect, Target};

use super::field::{Feed, Field};
use super::options::{self, Style};
use super::walk::Walk;
use super::{judge, programs};

const CUT: Style = Style { single: false, abbreviates: true, first: false };

/// One of these programs, and what its words say.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], _feed: &Feed) -> bool {
    match name {
        "rm" | "grm" | "srm" | "unlink" | "rmdir" | "rimraf" | "trash" | "trash-put" | "gio-trash"
        | "del-cli" | "wipe" => {
            remove(walk, name, fields);
        }
        "shred" => shred(walk, fields),
        "chmod" | "chown" | "chgrp" | "chattr" | "setfacl" | "gchmod" | "gchown" => {
            rights(walk, name, fields)
        }
        "kill" | "pkill" | "killall" | "skill" => kill(walk, name, fields),
        _ => return false,
    }
    true
}

fn remove(walk: &mut Walk<'_>, name: &str, fields: &[Field]) {
    let args = options::split(fields, &[], CUT);
    if programs::is_question(&args) && args.rest.first().is_none_or(|it| it.text != "help") {
        return;
    }
    let is_recursive = name == "rimraf" || args.has(&["-r", "-R", "--recursive"]);
    let is_forced = args.has(&["-f", "--force"]);
    if args.rest.is_empty() && is_recursive && is_forced {
        // Words may still come to it: `... | xargs`, a glob that is quoted away, a slip of the pen.
        walk.effect(
            Effect::new("fs.delete", Target::Unknown).destroying("removes folders that cannot be told"),
        );
    }
    for field in &args.rest {
        match name {
            "trash" | "trash-put" | "gio-trash" => {
                let Ok(target) = walk.path(field) else { continue };
                walk.effect(Effect::new("fs.delete", target).noting("moves it to the trash"));
            }
            "rmdir" => {
                let Ok(target) = walk.path(field) else { continue };
                walk.effect(Effect::new("fs.delete", target).noting("only if it is empty"));
            }
            _ => walk.deletes(field, is_recursive),
        }
    }
    if args.has(&["--no-preserve-root"]) && is_recursive {
        walk.effect(Effect::new("fs.delete", Target::None).destroying("removes even the root folder"));
    }
}

fn shred(walk: &mut Walk<'_>, fields: &[Field]) {
    let args = options::split(fields, &["-n", "-s", "--iterations", "--size", "--random-source"], CUT);
    if programs::is_question(&args) {
        return;
    }
    for field in &args.rest {
        let Ok(target) = walk.path(field) else { continue };
        let is_temporary = matches!(&target, Target::Path(it) if judge::is_temporary(&it.path));
        let effect = Effect::new("fs.delete", target);
        walk.effect(if is_temporary {
            effect
        } else {
            effect.destroying("writes over a file until nothing is left of it")
        });
    }
}

fn rights(walk: &mut Walk<'_>, name: &str, fields: &[Field]) {
    let values = ["--reference", "--from", "-m", "-x", "-p", "-v", "--modify", "--remove"];
    let values: &[&str] = if name == "setfacl" { &values } else { &["--reference", "--from"] };
    let minus_mode = |it: &&Field| {
        let letters = match name {
            "chmod" => "rwxXst",
            "chattr" => "aAcCdDeFijmPsStTux",
            _ => return false,
        };
        let modes = it.text.strip_prefix('-').unwrap_or_default();
        !modes.is_empty() && modes.chars().all(|it| letters.contains(it))
    };
    let without: Vec<Field> = fields.iter().filter(|it| !minus_mode(it)).cloned().collect();
    let has_mode = without.len() < fields.len();
    let args = options::split(&without, values, CUT);
    let is_recursive = args.has(&["-R", "-r", "--recursive"]);
    let skip = usize::from(!has_mode && name != "setfacl" && !args.has(&["--reference"]));
    let mode = args.rest.first().map_or("", |it| it.text.as_str());
    for field in args.rest.iter().skip(skip) {
        let Ok(mut target) = walk.path(field) else { continue };
        let locks_out = matches!(mode, "000" | "0" | "0000" | "a-rwx" | "a=") && is_recursive;
        let why = match &mut target {
            Target::Path(path) => {
                path.recursive = is_recursive;
                let judged = judge::takes_over(path, walk.around);
                judged.filter(|_| is_recursive || path.path == "/" || is_sudoers(&path.path))
            }
            _ => None,
        };
        let effect = Effect::new("fs.write", target).noting("changes owners or rights");
        walk.effect(match why {
            Some(why) => effect.destroying(why),
            None if locks_out => effect.destroying("takes all rights away from everything below"),
            None => effect,
        });
    }
}

fn is_sudoers(path: &str) -> bool {
    matches!(path, "/etc/shadow" | "/etc/passwd" | "/etc/sudoers" | "/etc/ssh/sshd_config")
}

fn kill(walk: &mut Walk<'_>, name: &str, fields: &[Field]) {
    let values = ["-s", "-n", "-u", "-U", "-t", "-P", "-g", "-G", "--signal", "--user", "--euid"];
    let args = options::split(fields, &values, Style::default());
    if programs::is_question(&args) || args.has(&["-l", "-L", "--list"]) && name == "kill" {
        return;
    }
    let words: Vec<&Field> = args.rest.iter().collect();
    // `kill -9 -1`: the second is everything that may be signalled.
    let numbers: Vec<&str> =
        fields.iter().map(|it| it.text.as_str()).filter(|it| it.starts_with('-')).collect();
    let everything = name == "kill"
        && (numbers.len() > 1 || fields.iter().any(|it| it.text == "--"))
        && fields.iter().skip(1).any(|it| it.text == "-1");
    let is_init = name == "kill" && words.iter().any(|it| it.text == "1");
    let target = if words.iter().any(|it| !it.is_known()) {
        Target::Unknown
    } else {
        Target::Named(words.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join(" "))
    };
    let effect = Effect::new("process.kill", target);
    let anyone = matches!(name, "pkill" | "killall")
        && words.iter().any(|it| matches!(it.text.as_str(), "." | ".*" | "" | "systemd" | "init"));
    walk.effect(if everything || is_init || anyone {
        effect.destroying("ends everything that runs")
    } else {
        effect
    });
}
