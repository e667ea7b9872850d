//! Programs that run others somewhere else: on another machine, in a container, in a virtual machine.

use verdict::{Effect, Target};

use super::field::{Feed, Field, joined};
use super::options::{self, Style};
use super::walk::Walk;
use super::{programs, wrappers};
use crate::Surroundings;

/// Nothing is known of where it runs.
static ELSEWHERE: Surroundings = Surroundings { cwd: None, home: None, ignores_case: false };

const FIRST: Style = Style { single: false, abbreviates: false, first: true };

/// `docker run` and its kin.
const RUN: &[&str] = &[
    "-v",
    "-e",
    "-p",
    "-u",
    "-w",
    "-h",
    "-l",
    "-m",
    "-c",
    "-a",
    "--volume",
    "--env",
    "--env-file",
    "--publish",
    "--user",
    "--workdir",
    "--name",
    "--network",
    "--net",
    "--entrypoint",
    "--mount",
    "--platform",
    "--hostname",
    "--label",
    "--memory",
    "--cpus",
    "--gpus",
    "--device",
    "--cap-add",
    "--cap-drop",
    "--security-opt",
    "--add-host",
    "--pull",
    "--restart",
    "--ulimit",
    "--tmpfs",
    "--shm-size",
    "--ipc",
    "--pid",
    "--userns",
    "--dns",
    "--log-driver",
    "--log-opt",
    "--volumes-from",
    "--expose",
    "--cidfile",
    "--runtime",
    "--group-add",
    "--sysctl",
    "--stop-signal",
    "--health-cmd",
    "--ip",
    "--link",
    "--cgroupns",
    "--detach-keys",
    "--index",
];
const KUBECTL: &[&str] = &[
    "-n",
    "-c",
    "-f",
    "-l",
    "-o",
    "--namespace",
    "--container",
    "--context",
    "--kubeconfig",
    "--cluster",
    "--image",
    "--user",
    "-s",
    "--server",
    "--as",
    "--token",
    "--overrides",
    "--env",
    "--labels",
    "--restart",
    "--request-timeout",
    "--pod-running-timeout",
    "--filename",
];
const SSH: &[&str] = &[
    "-p", "-i", "-l", "-o", "-F", "-L", "-R", "-D", "-J", "-b", "-c", "-e", "-m", "-O", "-Q", "-S", "-W",
    "-w", "-B", "-E", "-I", "-P",
];

/// A program that starts another elsewhere: the other's effects, too, said to be there.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    match name {
        "ssh" | "autossh" | "dbclient" | "slogin" | "rsh" | "mosh" => ssh(walk, fields, feed),
        "docker" | "podman" | "nerdctl" | "finch" => return container(walk, fields, feed),
        "docker-compose" | "podman-compose" => return compose(walk, fields, feed),
        "kubectl" | "oc" | "k3s" | "microk8s" | "k" => return cluster(walk, fields, feed),
        "lxc" | "incus" | "multipass" | "limactl" | "orb" | "wsl" | "distrobox" | "toolbox" | "flyctl"
        | "fly" | "heroku" | "vagrant" | "machinectl" | "apptainer" | "singularity" | "gcloud" | "adb"
        | "devcontainer" | "colima" => {
            return machine(walk, name, fields, feed);
        }
        _ => return false,
    }
    true
}

fn elsewhere(walk: &mut Walk<'_>, note: &'static str, run: impl FnOnce(&mut Walk<'_>)) {
    let (around, away) = (walk.around, walk.away);
    let scope = walk.scope.clone();
    walk.around = &ELSEWHERE;
    walk.away = Some(note);
    walk.scope.functions.clear();
    walk.scope.folder.clear();
    run(walk);
    walk.around = around;
    walk.away = away;
    walk.scope = scope;
}

fn ssh(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let args = options::split(fields, SSH, FIRST);
    for option in args.values(&["-o"]) {
        let (key, value) = option.text.split_once(['=', ' ']).unwrap_or((option.text.as_str(), ""));
        let key = key.to_ascii_lowercase();
        if matches!(key.as_str(), "proxycommand" | "localcommand" | "knownhostscommand") {
            let value = value.to_owned();
            walk.apart(|walk| walk.text(&value, Feed::Unknown));
        }
    }
    for config in args.values(&["-F", "-i"]) {
        walk.reads(&config);
    }
    let Some((host, rest)) = args.rest.split_first() else { return };
    let port = args.values(&["-p"]).first().map_or("22", |it| it.text.as_str()).to_owned();
    let name = host.text.rsplit('@').next().unwrap_or_default().trim_start_matches("ssh://");
    walk.connects(&if name.contains(':') { name.to_owned() } else { format!("{name}:{port}") });
    // Options may follow the host, too.
    let rest = options::split(rest, SSH, FIRST).rest;
    elsewhere(walk, "on another machine", |walk| {
        if rest.is_empty() {
            if let Feed::Text(_) | Feed::Downloaded | Feed::Decoded = feed {
                super::shells::fed(walk, feed.clone());
            }
        } else {
            walk.text(&joined(&rest, " "), feed.clone());
        }
    });
}

fn container(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) -> bool {
    let globals =
        ["-H", "-c", "-l", "--host", "--context", "--config", "--log-level", "--url", "--connection"];
    let args = options::split(fields, &globals, FIRST);
    let mut rest = args.rest.as_slice();
    if rest.first().is_some_and(|it| it.text == "container") {
        rest = rest.get(1..).unwrap_or_default();
    }
    let Some((verb, rest)) = rest.split_first() else { return false };
    match verb.text.as_str() {
        "compose" => return compose(walk, rest, feed),
        "run" | "create" | "exec" => {}
        _ => return false,
    }
    let args = options::split(rest, RUN, FIRST);
    for mount in args.values(&["-v", "--volume", "--mount"]) {
        mounted(walk, &mount);
    }
    if args.has(&["--privileged"])
        || args.values(&["--pid", "--cap-add"]).iter().any(|it| it.text == "host" || it.text == "ALL")
    {
        walk.effect(Effect::new("privilege.raise", Target::Named("the host".to_owned())));
    }
    let image = args.rest.first().map_or_else(String::new, |it| it.text.clone());
    if verb.text != "exec" {
        walk.effect(Effect::new("package.install", Target::Named(image)));
    }
    let command: Vec<Field> =
        args.values(&["--entrypoint"]).into_iter().chain(args.rest.iter().skip(1).cloned()).collect();
    let has_shares = !args.values(&["-v", "--volume", "--mount"]).is_empty();
    let note = if has_shares { "in a container that sees folders of the host" } else { "in a container" };
    elsewhere(walk, note, |walk| wrappers::started(walk, &command, feed));
    true
}

/// A folder of the host that a container sees.
fn mounted(walk: &mut Walk<'_>, mount: &Field) {
    let text = mount.text.as_str();
    let find = |key: &str| text.split(',').find_map(|it| it.strip_prefix(key));
    let source = find("source=")
        .or_else(|| find("src="))
        .or_else(|| text.split(':').next().filter(|_| !text.contains('=')));
    let Some(source) = source else { return };
    let is_read_only = text.ends_with(":ro") || text.contains("readonly") || text.contains(":ro,");
    if source.starts_with(['/', '.', '~']) {
        let field = Field::new(source);
        if is_read_only {
            walk.reads(&field)
        } else {
            walk.writes(&field)
        }
        if source.ends_with("docker.sock") || source == "/" {
            walk.effect(Effect::new("privilege.raise", Target::Named("the host".to_owned())));
        }
    }
}

fn compose(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) -> bool {
    let globals = ["-f", "-p", "--file", "--project-name", "--profile", "--env-file", "--project-directory"];
    let args = options::split(fields, &globals, FIRST);
    let Some((verb, rest)) = args.rest.split_first() else { return false };
    match verb.text.as_str() {
        "exec" | "run" => {
            let args = options::split(rest, RUN, FIRST);
            let command = args.rest.get(1..).unwrap_or_default();
            elsewhere(walk, "in a container", |walk| wrappers::started(walk, command, feed));
        }
        _ => {
            if let Some(program) = programs::find("docker-compose") {
                walk.tabled(program, fields);
            }
        }
    }
    true
}

fn cluster(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) -> bool {
    let fields = if fields.first().is_some_and(|it| it.text == "kubectl") {
        fields.get(1..).unwrap_or_default()
    } else {
        fields
    };
    let args = options::split(fields, KUBECTL, Style::default());
    let verb = args.rest.first().map_or("", |it| it.text.as_str());
    if !matches!(verb, "exec" | "run" | "debug" | "rsh") {
        return false;
    }
    walk.effect(Effect::new(
        "cloud.change",
        Target::Named(format!("{verb} {}", args.rest.get(1).map_or("", |it| &it.text))),
    ));
    let command: Vec<Field> = match fields.iter().position(|it| it.text == "--") {
        Some(at) => fields.iter().skip(at + 1).cloned().collect(),
        None => args.rest.iter().skip(2).cloned().collect(),
    };
    elsewhere(walk, "in a container of a cluster", |walk| wrappers::started(walk, &command, feed));
    true
}

/// Those that name a machine and then, mostly after `--`, a program.
fn machine(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    let verb = fields.iter().find(|it| !it.text.starts_with('-')).map_or("", |it| it.text.as_str());
    let runs =
        matches!(verb, "exec" | "shell" | "ssh" | "run" | "enter" | "console" | "compute") || name == "wsl";
    if !runs {
        return false;
    }
    let values = [
        "-c",
        "-C",
        "--command",
        "-a",
        "--app",
        "--zone",
        "--project",
        "-n",
        "--name",
        "-d",
        "-u",
        "-B",
        "--bind",
        "-s",
    ];
    let texts = options::split(fields, &values, Style::default()).values(&["-c", "-C", "--command"]);
    let after = fields.iter().position(|it| matches!(it.text.as_str(), "--" | "-e" | "--exec"));
    let rest: Vec<Field> = match after {
        Some(at) => fields.iter().skip(at + 1).cloned().collect(),
        None if name == "gcloud" || verb == "ssh" => Vec::new(),
        None => {
            let rest = options::split(fields, &values, FIRST).rest;
            let skip = match (name, verb) {
                ("adb" | "heroku" | "colima", _) => 1,
                ("wsl", _) => 0,
                _ => 2,
            };
            rest.into_iter().skip(skip).collect()
        }
    };
    elsewhere(walk, "on another machine", |walk| {
        for text in &texts {
            walk.text(&text.text, feed.clone());
        }
        if name == "adb" || name == "heroku" {
            walk.text(&joined(&rest, " "), feed.clone());
        } else {
            wrappers::started(walk, &rest, feed);
        }
    });
    // What it does to the platform itself is in the table.
    false
}
