//! Programs that copy between machines: `scp`, `sftp`, `rsync`. Which of their words are files here, and which are
//! machines.

use verdict::{Effect, Target};

use super::field::{Feed, Field, UNKNOWN};
use super::options::{self, Args, Style};
use super::walk::Walk;

const SCP: &[&str] = &["-P", "-i", "-o", "-F", "-c", "-l", "-S", "-J", "-D", "-X"];
const SFTP: &[&str] = &["-P", "-i", "-o", "-F", "-c", "-l", "-S", "-J", "-D", "-X", "-b", "-B", "-R", "-s"];
const RSYNC: &[&str] = &[
    "-e",
    "-f",
    "-B",
    "-T",
    "-M",
    "-@",
    "--rsh",
    "--exclude",
    "--include",
    "--exclude-from",
    "--include-from",
    "--files-from",
    "--filter",
    "--log-file",
    "--log-file-format",
    "--backup-dir",
    "--suffix",
    "--compare-dest",
    "--copy-dest",
    "--link-dest",
    "--chmod",
    "--chown",
    "--bwlimit",
    "--timeout",
    "--contimeout",
    "--port",
    "--password-file",
    "--early-input",
    "--out-format",
    "--max-size",
    "--min-size",
    "--max-alloc",
    "--partial-dir",
    "--rsync-path",
    "--max-delete",
    "--info",
    "--debug",
    "--usermap",
    "--groupmap",
    "--copy-as",
    "--temp-dir",
    "--address",
    "--sockopts",
    "--write-batch",
    "--only-write-batch",
    "--read-batch",
    "--remote-option",
    "--iconv",
    "--compress-choice",
    "--checksum-choice",
    "--block-size",
    "--modify-window",
    "--skip-compress",
    "--stop-after",
    "--stop-at",
    "--protocol",
    "--config",
    "--dparam",
];

/// One of these programs, and what its words say.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    match name {
        "scp" | "rcp" | "pscp" => scp(walk, fields),
        "sftp" | "psftp" => sftp(walk, fields, feed),
        "rsync" => rsync(walk, fields),
        _ => return false,
    }
    true
}

/// A word of a copy.
enum End {
    Here(Field),
    /// A machine with its port, as one text.
    There(String),
}

/// What a word means: `host:path`, `user@host:path`, `scheme://host[:port]/path`, or a file here.
fn end(field: &Field, port: &str) -> End {
    let text = field.text.as_str();
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let has_port = host.rsplit(']').next().is_some_and(|it| it.contains(':'));
        return End::There(if has_port { host.to_owned() } else { format!("{host}:{port}") });
    }
    // A colon after a slash is a part of a name; so is one after a drive.
    let user_end = text.find('@').map_or(0, |at| at + 1);
    let after = text.get(user_end..).unwrap_or_default();
    let bracket = after.starts_with('[').then(|| after.find("]:")).flatten().map(|at| at + 1);
    let cut = bracket.or_else(|| after.find(':'));
    match cut.and_then(|at| after.get(..at)) {
        Some(host) if !host.is_empty() && !text.get(..user_end).unwrap_or_default().contains('/') => {
            let is_drive = host.len() == 1 && user_end == 0 && after.get(1..3) == Some(":\\");
            if bracket.is_none() && host.contains('/') || is_drive {
                return End::Here(field.clone());
            }
            End::There(format!("{host}:{port}"))
        }
        _ if text.starts_with(UNKNOWN) => End::There(UNKNOWN.to_string()),
        _ => End::Here(field.clone()),
    }
}

/// What `ssh` and its kin take from their options: other machines, files, programs.
pub fn ssh_options(walk: &mut Walk<'_>, args: &Args) {
    for file in args.values(&["-i", "-F"]) {
        walk.reads(&file);
    }
    for log in args.values(&["-E"]) {
        walk.writes(&log);
    }
    for jump in args.values(&["-J"]) {
        jumps(walk, &jump.text);
    }
    for option in args.values(&["-o"]) {
        let text = option.text.trim_start();
        let (key, value) = text.split_once(['=', ' ']).unwrap_or((text, ""));
        let value = value.trim().trim_matches('"').to_owned();
        match key.trim().to_ascii_lowercase().as_str() {
            "proxycommand" | "localcommand" | "knownhostscommand" => {
                walk.apart(|walk| walk.text(&value, Feed::Unknown));
            }
            "hostname" => walk.connects(&format!("{value}:{}", port_of(args))),
            "proxyjump" => jumps(walk, &value),
            "identityfile" | "certificatefile" | "globalknownhostsfile" => walk.reads(&Field::new(value)),
            "userknownhostsfile" | "controlpath" => walk.writes(&Field::new(value)),
            "pkcs11provider" | "securitykeyprovider" | "xauthlocation" => {
                walk.unknown_exec("loads code that it is given");
            }
            _ => {}
        }
    }
}

fn jumps(walk: &mut Walk<'_>, hosts: &str) {
    for host in hosts.split(',').filter(|it| *it != "none") {
        let host = host.trim_start_matches("ssh://").rsplit('@').next().unwrap_or_default();
        let has_port = host.rsplit(']').next().is_some_and(|it| it.contains(':'));
        walk.connects(&if has_port { host.to_owned() } else { format!("{host}:22") });
    }
}

/// The port of `-P`, `-p` or `-o Port=`.
pub fn port_of(args: &Args) -> String {
    let named = args.values(&["-o"]).into_iter().find_map(|it| {
        let (key, value) = it.text.split_once(['=', ' '])?;
        key.trim().eq_ignore_ascii_case("port").then(|| value.trim().to_owned())
    });
    args.values(&["-P", "-p"]).pop().map(|it| it.text).or(named).unwrap_or_else(|| "22".to_owned())
}

/// A source: what is read here, or the machine it comes from.
fn source(walk: &mut Walk<'_>, field: &Field, port: &str, is_tree: bool) {
    match end(field, port) {
        End::There(host) => walk.connects(&host),
        End::Here(field) if is_tree => walk.reads_tree(&field),
        End::Here(field) => walk.reads(&field),
    }
}

impl Walk<'_> {
    /// A folder with everything below it.
    pub fn reads_tree(&mut self, field: &Field) {
        let Ok(target) = self.path(field) else { return };
        let Target::Path(mut path) = target else { return self.reads(field) };
        path.recursive = true;
        self.effect(Effect::new("fs.read", Target::Path(path)));
    }
}

fn scp(walk: &mut Walk<'_>, fields: &[Field]) {
    let args = options::split(fields, SCP, Style::default());
    ssh_options(walk, &args);
    for program in args.values(&["-D"]) {
        walk.apart(|walk| walk.text(&program.text, Feed::Unknown));
    }
    let port = port_of(&args);
    let Some((to, from)) = args.rest.split_last() else { return };
    for field in from {
        source(walk, field, &port, args.has(&["-r"]));
    }
    match end(to, &port) {
        End::There(host) => walk.connects(&host),
        End::Here(field) => walk.writes(&field),
    }
}

fn sftp(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let args = options::split(fields, SFTP, Style::default());
    ssh_options(walk, &args);
    let batches = args.values(&["-b"]);
    for batch in batches.iter().filter(|it| it.text != "-") {
        walk.reads(batch);
    }
    let port = port_of(&args);
    let Some((host, rest)) = args.rest.split_first() else { return };
    match end(host, &port) {
        End::There(host) => walk.connects(&host),
        End::Here(field) => walk.connects(&format!("{}:{port}", field.text)),
    }
    let content = match batches.first() {
        Some(batch) if batch.text != "-" => walk.content(&batch.text).unwrap_or(Feed::Unknown),
        _ => feed.clone(),
    };
    match content {
        Feed::Nothing => {}
        Feed::Text(text) => text.lines().for_each(|line| sftp_line(walk, line)),
        _ => walk.touches(&Field::unknown()),
    }
    if host.text.contains(':') {
        // What it fetches goes to the second word, or here.
        walk.writes(rest.first().unwrap_or(&Field::new(".")));
    }
}

fn sftp_line(walk: &mut Walk<'_>, line: &str) {
    let line = line.trim().trim_start_matches(['-', '@']);
    if let Some(command) = line.strip_prefix('!') {
        walk.apart(|walk| walk.text(command, Feed::Nothing));
        return;
    }
    let words: Vec<Field> =
        line.split_whitespace().map(|it| Field::new(it.trim_matches(['"', '\'']))).collect();
    let Some((verb, rest)) = words.split_first() else { return };
    let plain: Vec<&Field> = rest.iter().filter(|it| !it.text.starts_with('-')).collect();
    match verb.text.as_str() {
        "put" | "mput" | "reput" => plain.iter().take(1).for_each(|it| walk.reads(it)),
        "get" | "mget" | "reget" => {
            walk.writes(plain.get(1).copied().unwrap_or(&Field::new(".")));
        }
        "lcd" => plain.iter().take(1).for_each(|it| walk.touches(it)),
        "lls" => plain.iter().for_each(|it| walk.reads(it)),
        "lmkdir" => plain.iter().for_each(|it| walk.writes(it)),
        _ => {}
    }
}

fn rsync(walk: &mut Walk<'_>, fields: &[Field]) {
    let args = options::split(fields, RSYNC, Style { abbreviates: true, ..Style::default() });
    if super::programs::is_question(&args) {
        return;
    }
    if args.has(&["--daemon"]) {
        walk.effect(Effect::new("net.listen", Target::None));
    }
    for name in ["--files-from", "--exclude-from", "--include-from", "--password-file", "--early-input"]
        .iter()
        .chain(&["--compare-dest", "--copy-dest", "--link-dest", "--read-batch", "--config"])
    {
        for file in args.values(&[name]) {
            source(walk, &file, "22", name.ends_with("-dest"));
        }
    }
    let writes = [
        "--log-file",
        "--backup-dir",
        "-T",
        "--temp-dir",
        "--partial-dir",
        "--write-batch",
        "--only-write-batch",
    ];
    for file in args.values(&writes) {
        walk.writes(&file);
    }
    let Some((to, from)) = args.rest.split_last() else { return };
    let is_tree = args.has(&["-a", "-r", "--archive", "--recursive", "-d", "--dirs", "--files-from"]);
    let is_listing = from.is_empty() || args.has(&["-n", "--dry-run", "--list-only", "--only-write-batch"]);
    let removes_sources = args.has(&["--remove-source-files", "--remove-sent-files"]) && !is_listing;
    for field in if from.is_empty() { std::slice::from_ref(to) } else { from } {
        rsync_source(walk, field, is_tree, removes_sources);
    }
    if from.is_empty() {
        return;
    }
    let removes = args.options.iter().any(|(name, _)| name.starts_with("--del")) && !is_listing;
    match rsync_end(to) {
        End::There(host) => {
            walk.connects(&host);
            if removes {
                let target = Target::Named(to.text.chars().take(200).collect());
                walk.effect(Effect::new("fs.write", target).destroying(REMOVES));
            }
        }
        End::Here(field) if removes => {
            if let Ok(target) = walk.path(&field) {
                walk.effect(Effect::new("fs.write", target).destroying(REMOVES));
            }
        }
        End::Here(field) if is_listing => walk.reads(&field),
        End::Here(field) => walk.writes(&field),
    }
}

const REMOVES: &str = "removes from the destination whatever the source has not";

fn rsync_source(walk: &mut Walk<'_>, field: &Field, is_tree: bool, is_removed: bool) {
    let target = match rsync_end(field) {
        End::There(host) => {
            walk.connects(&host);
            Target::Named(field.text.chars().take(200).collect())
        }
        End::Here(field) => {
            if is_tree {
                walk.reads_tree(&field);
            } else {
                walk.reads(&field);
            }
            let Ok(target) = walk.path(&field) else { return };
            target
        }
    };
    if is_removed {
        walk.effect(Effect::new("fs.delete", target).destroying("removes the sources"));
    }
}

/// `host::module` and `rsync://` have a port of their own.
fn rsync_end(field: &Field) -> End {
    let is_module =
        field.text.find("::").is_some_and(|at| !field.text.get(..at).unwrap_or("/").contains('/'));
    end(field, if is_module || field.text.starts_with("rsync://") { "873" } else { "22" })
}
