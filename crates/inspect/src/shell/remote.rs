//! Programs that run others somewhere else: on another machine, in a container, in a virtual machine.

use verdict::{Effect, Target};

use super::field::{Feed, Field, PIECE, UNKNOWN, joined};
use super::options::{self, Args, Style};
use super::walk::Walk;
use super::{programs, transfer, wrappers};
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
        "docker" | "podman" | "nerdctl" | "finch" => return container(walk, name, fields, feed),
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
    transfer::ssh_options(walk, &args);
    let Some((host, rest)) = args.rest.split_first() else { return };
    // Options may follow the host, too.
    let more = options::split(rest, SSH, FIRST);
    transfer::ssh_options(walk, &more);
    for given in [&args, &more] {
        tunnels(walk, given);
    }
    let port = if more.has(&["-p"]) { transfer::port_of(&more) } else { transfer::port_of(&args) };
    let name = host.text.rsplit('@').next().unwrap_or_default().trim_start_matches("ssh://");
    walk.connects(&if name.contains(':') { name.to_owned() } else { format!("{name}:{port}") });
    let rest = more.rest;
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

/// Ports that a connection carries on to others, or lets others come in by.
fn tunnels(walk: &mut Walk<'_>, args: &Args) {
    for way in args.values(&["-W"]) {
        walk.connects(&way.text);
    }
    for way in args.values(&["-L", "-R"]) {
        // `[bind:]port:host:hostport`, or sockets.
        let mut parts = way.text.rsplitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(port), Some(host), Some(_)) if !port.contains('/') => {
                walk.connects(&format!("{host}:{port}"))
            }
            _ => walk.effect(Effect::new("net.connect", Target::Unknown)),
        }
    }
    if args.has(&["-L", "-R", "-D"]) {
        walk.effect(Effect::new("net.listen", Target::None).noting("joins two machines"));
    }
}

/// The registry that an image comes from.
fn registry(walk: &mut Walk<'_>, image: &str) {
    let first = image.split('/').next().unwrap_or_default();
    let is_host = image.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let is_known = !image.contains([UNKNOWN, PIECE]);
    match is_host || !is_known {
        true => walk.connects(if is_known { first } else { image }),
        false => walk.connects("docker.io:443"),
    }
}

/// `docker cp`: what has a colon before any slash is in a container.
fn copied(walk: &mut Walk<'_>, words: &[Field], skip: usize) {
    let is_inside = |it: &Field| {
        it.text.find(':').is_some_and(|at| !it.text.get(..at).unwrap_or("/").contains('/')) && it.is_known()
    };
    let Some((to, from)) = words.get(skip..).unwrap_or_default().split_last() else { return };
    from.iter().filter(|it| !is_inside(it)).for_each(|it| walk.reads_tree(it));
    if !is_inside(to) {
        walk.writes(to);
    }
    walk.effect(Effect::new("cloud.change", Target::Named("cp".to_owned())));
}

fn container(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    let globals =
        ["-H", "-c", "-l", "--host", "--context", "--config", "--log-level", "--url", "--connection"];
    let args = options::split(fields, &globals, FIRST);
    for host in args.values(&["-H", "--host", "--url"]) {
        walk.visits(&host, true);
    }
    let mut rest = args.rest.as_slice();
    if rest.first().is_some_and(|it| it.text == "container") {
        rest = rest.get(1..).unwrap_or_default();
    }
    let Some((verb, rest)) = rest.split_first() else { return false };
    match verb.text.as_str() {
        "compose" => return compose(walk, rest, feed),
        "run" | "create" | "exec" => {}
        "cp" => {
            copied(walk, &options::split(rest, &[], Style::default()).rest, 0);
            return true;
        }
        "pull" | "push" | "login" if name != "skopeo" => {
            let words =
                options::split(rest, &["-u", "-p", "--username", "--password", "--platform"], FIRST).rest;
            let image = words.first().map_or_else(String::new, |it| it.text.clone());
            let is_host = verb.text == "login" && !image.is_empty();
            registry(walk, &if is_host { format!("{image}/x") } else { image });
            return false;
        }
        _ => return false,
    }
    let args = options::split(rest, RUN, FIRST);
    for file in args.values(&["--env-file", "--label-file", "--seccomp"]) {
        walk.reads(&file);
    }
    for file in args.values(&["--cidfile", "--device"]) {
        walk.writes(&Field::new(file.text.split(':').next().unwrap_or_default()));
    }
    if args.has(&["-p", "-P", "--publish", "--publish-all"])
        || args.values(&["--network", "--net"]).iter().any(|it| it.text == "host")
    {
        walk.effect(Effect::new("net.listen", Target::None).noting("in a container"));
    }
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
        registry(walk, &image);
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
    if source.contains(UNKNOWN) && !source.starts_with(['/', '.', '~']) {
        walk.touches(&Field::new(source));
    }
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
    for file in args.values(&["-f", "--file", "--env-file", "--project-directory"]) {
        walk.reads(&file);
    }
    let Some((verb, rest)) = args.rest.split_first() else { return false };
    match verb.text.as_str() {
        "cp" => copied(walk, &options::split(rest, &["--index"], Style::default()).rest, 0),
        "exec" | "run" => {
            let args = options::split(rest, RUN, FIRST);
            args.values(&["-v", "--volume"]).iter().for_each(|it| mounted(walk, it));
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
    if verb == "cp" || verb == "rsync" {
        copied(walk, &args.rest, 1);
    }
    if !matches!(verb, "exec" | "run" | "debug" | "rsh") {
        return false;
    }
    args.values(&["--kubeconfig", "-f", "--filename"]).iter().for_each(|it| walk.reads(it));
    let server = args.values(&["-s", "--server"]).pop().unwrap_or_else(Field::unknown);
    walk.connects(&server.text);
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
