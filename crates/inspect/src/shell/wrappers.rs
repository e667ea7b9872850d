//! Programs that start the program that follows them: `sudo`, `env`, `timeout`, `xargs` and many more.

use verdict::{Effect, Target};

use super::field::{Feed, Field, joined};
use super::options::{self, Args, Style};
use super::walk::Walk;
use super::{environment, many, schedule, shells};

/// How what starts another program reads its options: they end where that program begins.
pub const FIRST: Style = Style { single: false, abbreviates: true, first: true };

/// Options that name the folder in which the program starts.
const FOLDERS: &[&str] = &["--chdir", "--wd", "--wdns", "--workdir", "--working-directory"];

/// Name, options that take a value, and how many words come before the program.
const PLAIN: &[(&str, &[&str], usize)] = &[
    ("nice", &["-n", "--adjustment"], 0),
    ("ionice", &["-c", "-n", "-p", "-P", "-u", "--class", "--classdata"], 0),
    ("chrt", &["-T", "-P", "-D"], 1),
    ("nohup", &[], 0),
    ("setsid", &[], 0),
    ("stdbuf", &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    ("unbuffer", &[], 0),
    ("timeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    ("gtimeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    ("time", &["-f", "-o", "--format", "--output"], 0),
    ("gtime", &["-f", "-o", "--format", "--output"], 0),
    ("taskset", &[], 1),
    (
        "numactl",
        &["-N", "-m", "-C", "-i", "-p", "--cpunodebind", "--membind", "--physcpubind", "--interleave"],
        0,
    ),
    ("strace", &["-e", "-o", "-p", "-s", "-u", "-E", "-a", "-b", "-I", "-O", "-P", "-S", "-X"], 0),
    ("ltrace", &["-e", "-o", "-p", "-s", "-u", "-a", "-n", "-l", "-x"], 0),
    ("valgrind", &[], 0),
    ("catchsegv", &[], 0),
    ("setarch", &["-p"], 1),
    ("linux32", &[], 0),
    ("linux64", &[], 0),
    ("arch", &["-e"], 0),
    ("fakeroot", &["-l", "-s", "-i", "-b", "--lib", "--faked"], 0),
    ("faketime", &["-p"], 1),
    ("xvfb-run", &["-n", "-s", "-e", "-f", "-p", "-w", "--server-args", "--server-num", "--error-file"], 0),
    ("dbus-run-session", &["--config-file", "--dbus-daemon"], 0),
    ("dbus-launch", &[], 0),
    ("torsocks", &["-u", "-p", "-a", "-P"], 0),
    ("torify", &[], 0),
    ("tsocks", &[], 0),
    ("proxychains", &["-f"], 0),
    ("proxychains4", &["-f"], 0),
    ("rlwrap", &["-a", "-b", "-f", "-H", "-s", "-P", "-S"], 0),
    ("winpty", &[], 0),
    ("caffeinate", &["-t", "-w"], 0),
    ("daemonize", &["-c", "-e", "-o", "-p", "-l", "-u", "-E"], 0),
    ("setlock", &[], 1),
    ("lockf", &["-t"], 1),
    ("busybox", &[], 0),
    ("toybox", &[], 0),
    ("cgexec", &["-g"], 0),
    ("firejail", &[], 0),
    ("bwrap", &[], 0),
    ("proot", &["-r", "-b", "-w", "-q"], 0),
    ("prlimit", &["-p", "-o"], 0),
    ("softlimit", &["-a", "-m", "-d", "-s", "-l", "-f", "-c", "-o", "-p", "-t"], 0),
    ("eatmydata", &[], 0),
    ("sshpass", &["-p", "-f", "-d", "-P"], 0),
    ("dotenv", &["-e", "-f", "-p", "-c"], 0),
    ("dotenvx", &["-f"], 1),
    ("cross-env", &[], 0),
    ("env-cmd", &["-f", "-r", "-e"], 0),
    ("systemd-inhibit", &["--what", "--who", "--why", "--mode"], 0),
    ("systemd-cat", &["-t", "-p", "--identifier", "--priority"], 0),
    ("chronic", &[], 0),
    ("envdir", &[], 1),
    ("chpst", &["-u", "-U", "-e", "-/", "-n", "-m", "-d", "-o", "-p", "-f", "-c"], 0),
    ("perf", &["-e", "-o", "-p", "-F", "-g"], 1),
    ("aa-exec", &["-p", "-n", "--profile", "--namespace"], 0),
    ("choom", &["-n", "-p", "--adjust", "--pid"], 0),
    ("runcon", &["-u", "-r", "-t", "-l", "--user", "--role", "--type", "--range"], 0),
    ("pexec", &["-n", "-o", "-e", "-p", "-f"], 0),
    ("multitime", &["-f", "-i", "-I", "-n", "-o", "-r", "-s"], 0),
    ("logsave", &[], 1),
    ("openvt", &["-c"], 0),
    ("aoss", &[], 0),
    ("grc", &["-c", "--config"], 0),
    ("distcc", &[], 0),
    ("ccache", &["-F", "-M", "-o", "--max-files", "--max-size", "--set-config"], 0),
    ("ssh-agent", &["-a", "-t", "-E", "-P", "-O"], 0),
    ("doppler", &["-p", "-c", "-t", "--project", "--config", "--token"], 1),
];

/// The same, for those that also act as another user.
const RAISING: &[(&str, &[&str], usize)] = &[
    (
        "sudo",
        &[
            "-u",
            "-g",
            "-h",
            "-p",
            "-C",
            "-r",
            "-t",
            "-T",
            "-U",
            "-D",
            "-R",
            "-a",
            "--user",
            "--group",
            "--host",
            "--prompt",
            "--close-from",
            "--role",
            "--type",
            "--command-timeout",
            "--other-user",
            "--chdir",
            "--chroot",
        ],
        0,
    ),
    ("doas", &["-u", "-C", "-a"], 0),
    ("pkexec", &["--user"], 0),
    ("gosu", &[], 1),
    ("su-exec", &[], 1),
    ("setuidgid", &[], 1),
    ("gksudo", &["-u"], 0),
    ("kdesudo", &["-u"], 0),
    ("run0", &["-u", "--user", "--property", "--setenv"], 0),
    ("setpriv", &["--reuid", "--regid", "--groups", "--inh-caps", "--ambient-caps", "--bounding-set"], 0),
    ("chroot", &[], 1),
    (
        "unshare",
        &["-S", "-G", "-R", "-w", "--root", "--wd", "--setuid", "--setgid", "--map-user", "--map-group"],
        0,
    ),
    ("nsenter", &["-t", "-S", "-G", "-r", "-w", "--target", "--setuid", "--setgid", "--root", "--wd"], 0),
    (
        "systemd-run",
        &[
            "-p",
            "-u",
            "-E",
            "-M",
            "-H",
            "-d",
            "--unit",
            "--property",
            "--setenv",
            "--uid",
            "--gid",
            "--on-calendar",
            "--on-active",
            "--slice",
            "--description",
            "--working-directory",
        ],
        0,
    ),
    ("runuser", &["-u", "-g", "-G", "-s", "-c", "--user", "--group", "--shell", "--command"], 0),
    ("su", &["-c", "-g", "-G", "-s", "-w", "--command", "--group", "--shell"], 0),
    ("sg", &["-c"], 1),
    ("machinectl", &[], 2),
];

/// A program that starts another: the other's effects, too.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    match name {
        "env" => env(walk, fields, feed),
        "xargs" | "parallel" => many::apply(walk, name, fields, feed),
        "watch" => joined_text(walk, fields, &["-n", "--interval", "-q"], feed),
        "script" => script(walk, fields, feed),
        "flock" => flock(walk, fields, feed),
        "hyperfine" => each_text(walk, fields, feed),
        "at" | "batch" => schedule::later(walk, fields, feed),
        "crontab" => schedule::crontab(walk, fields, feed),
        "entr" => started(walk, &options::split(fields, &[], FIRST).rest, feed),
        "capsh" => after_dashes(walk, fields, feed),
        "su" | "runuser" | "sg" => user(walk, name, fields, feed),
        "doppler" if fields.first().is_none_or(|it| it.text != "run") => return false,
        "perf"
            if fields.first().is_none_or(|it| !matches!(it.text.as_str(), "stat" | "record" | "trace")) =>
        {
            return false;
        }
        "ip" => return namespace(walk, fields, feed),
        "ssh-agent" if fields.iter().all(|it| it.text.starts_with('-')) => return false,
        "machinectl" if fields.first().is_none_or(|it| it.text != "shell") => return false,
        _ => return listed(walk, name, fields, feed),
    }
    true
}

fn listed(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    if let Some((_, values, skip)) = RAISING.iter().find(|(known, ..)| *known == name) {
        raise(walk, name, fields);
        let args = options::split(fields, values, FIRST);
        let is_shell = name != "unshare" || args.rest.is_empty();
        let rest = args.rest.get(*skip..).unwrap_or_default();
        let mut folders = args.values(FOLDERS);
        if name == "sudo" {
            folders.extend(args.values(&["-D"]));
        } else if matches!(name, "unshare" | "nsenter") {
            folders.extend(args.values(&["-w"]));
        }
        // Elsewhere than here: what a relative path means there is not what it means here.
        let is_elsewhere = match name {
            "sudo" => args.has(&["-i", "--login", "-R", "--chroot"]),
            "run0" => folders.is_empty(),
            "systemd-run" => folders.is_empty() && !args.has(&["-d", "--same-dir", "--scope"]),
            _ => false,
        };
        if is_elsewhere {
            folders.push(Field::unknown());
        } else if name == "chroot" {
            folders.push(Field::new("/"));
        }
        walk.apart(|walk| {
            folders.iter().for_each(|it| walk.scope.enter(&it.text));
            if rest.is_empty()
                && is_shell
                && !args.has(&["-l", "--list", "-v", "--validate", "-k", "-K", "-e"])
            {
                // Without a program they start a shell.
                return shells::fed(walk, feed.clone());
            }
            started(walk, rest, feed);
            Feed::Unknown
        });
        return true;
    }
    let Some((_, values, skip)) = PLAIN.iter().find(|(known, ..)| *known == name) else { return false };
    if let Some((_, files)) = LOGS.iter().find(|(known, _)| *known == name) {
        let args = options::split(fields, &[values, *files].concat(), FIRST);
        args.values(files).iter().for_each(|file| walk.writes(file));
    }
    let args = options::split(fields, values, FIRST);
    // `setarch -3 program`: the machine may be left out.
    let is_program = name == "setarch" && args.rest.first().is_some_and(|it| it.text.contains('/'));
    let skip = if is_program { 0 } else { *skip };
    started(walk, args.rest.get(skip..).unwrap_or_default(), feed);
    true
}

/// Wrappers that write what they see to a file, and the options that name it.
const LOGS: &[(&str, &[&str])] = &[
    ("strace", &["-o", "--output"]),
    ("ltrace", &["-o", "--output"]),
    ("time", &["-o", "--output"]),
    ("gtime", &["-o", "--output"]),
    ("perf", &["-o", "--output"]),
    ("valgrind", &["--log-file", "--xml-file", "--massif-out-file", "--callgrind-out-file"]),
    ("xvfb-run", &["-e", "-f", "--error-file", "--auth-file"]),
    ("daemonize", &["-e", "-o", "-p", "-l"]),
];

fn raise(walk: &mut Walk<'_>, name: &str, fields: &[Field]) {
    let users = options::split(fields, &["-u", "--user"], FIRST).values(&["-u", "--user"]);
    let user = users.first().map_or_else(|| "root".to_owned(), |it| it.text.clone());
    let target = if name == "unshare" || name == "systemd-run" { Target::None } else { Target::Named(user) };
    walk.effect(Effect::new("privilege.raise", target));
}

/// A program with assignments before it, as `env` and `sudo` take them.
pub fn started(walk: &mut Walk<'_>, mut rest: &[Field], feed: &Feed) {
    while let Some((first, after)) = rest.split_first() {
        if first.text == "--" {
            rest = after;
            continue;
        }
        match first.text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !name.contains('/') && !name.starts_with('-') => {
                let (name, value) = (name.to_owned(), value.to_owned());
                walk.environment(&name, &value);
                rest = after;
            }
            _ => break,
        }
    }
    if !rest.is_empty() {
        walk.program(rest, feed.clone());
    }
}

fn env(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let values = ["-u", "-C", "-S", "-P", "-a", "--unset", "--chdir", "--split-string", "--argv0"];
    let args = options::split(fields, &values, FIRST);
    for gone in args.values(&["-u", "--unset"]) {
        if environment::matters(&gone.text) {
            walk.effect(Effect::new("env.change", Target::Named(gone.text)));
        }
    }
    let text = joined(&args.values(&["-S", "--split-string"]), " ");
    let mut words = if text.is_empty() { Vec::new() } else { walk.split(&text) };
    words.extend(args.rest.iter().cloned());
    walk.apart(|walk| {
        if let Some(folder) = args.values(&["-C", "--chdir"]).last() {
            walk.scope.enter(&folder.text);
        }
        started(walk, &words, feed);
        Feed::Unknown
    });
}

fn joined_text(walk: &mut Walk<'_>, fields: &[Field], values: &[&str], feed: &Feed) {
    let args = options::split(fields, values, FIRST);
    if args.has(&["-x", "--exec"]) {
        walk.program(&args.rest, feed.clone());
    } else {
        walk.apart(|walk| walk.text(&joined(&args.rest, " "), feed.clone()));
    }
}

fn script(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let values = [
        "-c",
        "--command",
        "-T",
        "-B",
        "-I",
        "-O",
        "-E",
        "-m",
        "-o",
        "--log-out",
        "--log-in",
        "--log-timing",
    ];
    let args = options::split(fields, &values, Style::default());
    let texts = args.values(&["-c", "--command"]);
    if texts.is_empty() && args.rest.len() > 1 {
        // As BSD has it: a file, then a program.
        started(walk, args.rest.get(1..).unwrap_or_default(), feed);
    }
    texts_of(walk, &texts, feed);
    args.rest.iter().take(1).for_each(|it| walk.writes(it));
}

fn texts_of(walk: &mut Walk<'_>, texts: &[Field], feed: &Feed) {
    for text in texts {
        walk.apart(|walk| walk.text(&text.text, feed.clone()));
    }
}

fn flock(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let values = ["-w", "-E", "--timeout", "--wait", "--conflict-exit-code"];
    let args = options::split(fields, &values, FIRST);
    match args.rest.get(1..).unwrap_or_default() {
        [option, text, ..] if matches!(option.text.as_str(), "-c" | "--command") => {
            texts_of(walk, std::slice::from_ref(text), feed);
        }
        rest => started(walk, rest, feed),
    }
}

fn each_text(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let values = [
        "-w",
        "-r",
        "-m",
        "-M",
        "-p",
        "-c",
        "-s",
        "-S",
        "-n",
        "-L",
        "-P",
        "--warmup",
        "--runs",
        "--prepare",
        "--setup",
        "--cleanup",
        "--shell",
        "--export-json",
        "--export-markdown",
        "--command-name",
    ];
    let args = options::split(fields, &values, Style::default());
    texts_of(walk, &args.values(&["-p", "-c", "-s", "--prepare", "--setup", "--cleanup"]), feed);
    texts_of(walk, &args.rest, feed);
}

/// `ip netns exec NAME program`: what runs there runs here, with other interfaces.
fn namespace(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) -> bool {
    let words = options::split(fields, &["-n", "-netns", "-b", "-batch"], FIRST).rest;
    let text = |at: usize| words.get(at).map_or("", |it| it.text.as_str());
    let rest = match (text(0), text(1)) {
        ("netns", "exec") => words.get(3..),
        ("vrf", "exec") => words.get(3..),
        _ => return false,
    };
    walk.effect(Effect::new("privilege.raise", Target::None));
    started(walk, rest.unwrap_or_default(), feed);
    true
}

fn after_dashes(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    if let Some(at) = fields.iter().position(|it| it.text == "--") {
        let rest: Vec<Field> =
            std::iter::once(Field::new("bash")).chain(fields.iter().skip(at + 1).cloned()).collect();
        walk.program(&rest, feed.clone());
    }
}

/// `su`: a user, and a text for that user's shell.
fn user(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) {
    let values = [
        "-c",
        "-g",
        "-G",
        "-s",
        "-u",
        "-w",
        "--command",
        "--group",
        "--shell",
        "--user",
        "--session-command",
    ];
    let args: Args = options::split(fields, &values, Style::default());
    let user = args
        .values(&["-u", "--user"])
        .first()
        .or(args.rest.first())
        .map_or("root", |it| it.text.as_str())
        .to_owned();
    walk.effect(Effect::new("privilege.raise", Target::Named(user)));
    let texts = args.values(&["-c", "--command", "--session-command"]);
    texts_of(walk, &texts, feed);
    if name == "runuser" && args.has(&["-u", "--user"]) {
        let first = options::split(fields, &values, FIRST);
        started(walk, &first.rest, feed);
    } else if name == "sg" && texts.is_empty() {
        texts_of(walk, args.rest.get(1..).unwrap_or_default(), feed);
    } else if texts.is_empty() {
        shells::fed(walk, feed.clone());
    }
}
