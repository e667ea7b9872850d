//! `curl`, `wget` and their kin: where they connect, what they send and save, and what they ask to be deleted.

use verdict::{Effect, Target};

use super::field::{Feed, Field};
use super::http_options::{AT, CURL, LOADS, SAVES, VIA, WGET};
use super::options::{self, Args, Style};
use super::walk::Walk;
use super::{reach, verbs};

/// One of these programs, and what its words say.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], _feed: &Feed) -> bool {
    match name {
        "curl" | "curlie" => curl(walk, fields),
        "wget" | "wget2" => wget(walk, fields),
        "http" | "https" | "xh" | "xhs" | "httpie" => httpie(walk, fields),
        "aria2c" | "axel" | "lynx" | "w3m" | "elinks" | "links" => {
            let mut values =
                vec!["-o", "-d", "-O", "--out", "--dir", "-i", "-l", "-x", "-s", "-j", "-k", "-n", "-H"];
            values.extend([
                "--input-file",
                "--log",
                "--all-proxy",
                "--save-session",
                "--load-cookies",
                "-T",
                "-I",
            ]);
            let args = options::split(fields, &values, Style::default());
            args.rest.iter().for_each(|it| visit(walk, it));
            args.values(&["--all-proxy"]).iter().for_each(|it| visit(walk, it));
            args.values(&["-o", "-d", "--out", "--dir", "-l", "--log", "--save-session"])
                .iter()
                .for_each(|it| walk.writes(it));
            args.values(&["-i", "--input-file", "--load-cookies"]).iter().for_each(|it| walk.reads(it));
            if args.has(&["-i", "--input-file"]) {
                walk.effect(Effect::new("net.connect", Target::Unknown).noting("as a file says"));
            }
            let browses = matches!(name, "lynx" | "w3m" | "elinks" | "links");
            if !browses && !args.has(&["-o", "-d", "--out", "--dir"]) {
                args.rest.iter().for_each(|it| saved(walk, it, None));
            }
        }
        _ => return false,
    }
    true
}

fn visit(walk: &mut Walk<'_>, url: &Field) {
    walk.visits(url, false);
}

impl Walk<'_> {
    /// An address: a machine, or a file where it names one.
    pub fn visits(&mut self, url: &Field, writes: bool) {
        let text = url.text.as_str();
        let is_file = text.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("file:"));
        let file = text.get(5..).filter(|_| is_file).map(|it| {
            let it = it.strip_prefix("//").unwrap_or(it);
            it.strip_prefix("localhost").unwrap_or(it)
        });
        match file {
            Some(path) if writes => self.writes(&Field::new(path)),
            Some(path) => self.reads(&Field::new(path)),
            // Which machine holds a bucket is known only to its cloud.
            None if STORES.iter().any(|it| text.starts_with(it)) => {
                self.effect(Effect::new("net.connect", Target::Unknown).noting("a store of a cloud"));
            }
            None => self.connects(text),
        }
    }
}

const STORES: &[&str] = &["s3://", "gs://", "az://", "abfs://", "abfss://", "wasb://", "hdfs://", "r2://"];

/// A request that asks for a deletion, by its method or by the end of its path.
fn asks(walk: &mut Walk<'_>, method: &str, urls: &[Field], body: &str) {
    let deletes = method.eq_ignore_ascii_case("DELETE") || method.eq_ignore_ascii_case("PURGE");
    let changes = !deletes
        && !matches!(
            method.to_ascii_uppercase().as_str(),
            "" | "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY"
        );
    for url in urls {
        let path = url.text.split(['?', '#']).next().unwrap_or_default();
        let after = path.split_once("://").map_or(path, |(_, rest)| rest);
        let last = after
            .split_once('/')
            .map_or("", |(_, path)| path.trim_end_matches('/'))
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let asked = changes && (verbs::is_deletion(last) || is_destructive_query(body));
        let name = Target::Named(url.text.chars().take(200).collect());
        if deletes || asked {
            walk.effect(Effect::new("cloud.delete", name).destroying("asks a service to delete"));
        } else if changes {
            walk.effect(Effect::new("cloud.change", name));
        }
    }
}

/// A query that drops something, sent to a database that speaks HTTP.
fn is_destructive_query(body: &str) -> bool {
    let upper = body.trim_start_matches(['"', '\'', '{', ' ', 'q', '=']).to_ascii_uppercase();
    ["DROP TABLE", "DROP DATABASE", "TRUNCATE TABLE", "DROP SCHEMA", "DROP MEASUREMENT"]
        .iter()
        .any(|it| upper.starts_with(it))
}

fn sent(walk: &mut Walk<'_>, values: &[Field]) -> String {
    for value in values {
        let file = value.text.strip_prefix('@').or_else(|| value.text.split_once("=@").map(|(_, file)| file));
        let file = file.or_else(|| value.text.split_once("=<").map(|(_, file)| file));
        if let Some(file) = file {
            walk.reads(&Field::new(file.split(';').next().unwrap_or_default()));
        }
    }
    values.first().map_or_else(String::new, |it| it.text.clone())
}

/// Values that are read from a file behind `@`.
fn behind_at(walk: &mut Walk<'_>, args: &Args) {
    for value in args.values(AT) {
        if let Some((_, file)) =
            value.text.split_once('@').filter(|(name, _)| !name.contains([' ', ':', '/', '=']))
        {
            walk.reads(&Field::new(file));
            if value.text.starts_with('@') && args.values(&["--url"]).contains(&value) {
                walk.effect(Effect::new("net.connect", Target::Unknown).noting("as a file says"));
            }
        }
    }
}

fn curl(walk: &mut Walk<'_>, fields: &[Field]) {
    let args = options::split(fields, CURL, Style { abbreviates: true, ..Style::default() });
    if args.has(&["--help", "--version", "-V", "-h", "--manual"]) {
        return;
    }
    let mut urls = args.rest.clone();
    urls.extend(args.values(&["--url", "--expand-url"]).into_iter().filter(|it| !it.text.starts_with('@')));
    urls.iter().for_each(|it| visit(walk, it));
    for proxy in args.values(VIA) {
        walk.connects(&proxy.text.clone());
    }
    for address in args.values(&["--resolve"]) {
        if let Some((_, to)) = address.text.rsplit_once(':') {
            walk.connects(to);
        }
    }
    for way in args.values(&["--connect-to"]) {
        // `host:port:instead:port`.
        let mut parts = way.text.rsplitn(3, ':');
        let (port, host) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        walk.connects(&format!("{host}:{port}"));
    }
    for to in args.values(&["--mail-rcpt"]) {
        walk.effect(Effect::new("message.send", Target::Named(to.text)));
    }
    behind_at(walk, &args);
    for file in args.values(&["-b", "--cookie"]).iter().filter(|it| !it.text.contains('=')) {
        walk.reads(file);
    }
    for socket in args.values(&["--unix-socket", "--abstract-unix-socket"]) {
        walk.writes(&socket);
    }
    args.values(LOADS).iter().for_each(|it| walk.reads(it));
    besides(walk, &args);
    if args.has(&["-K", "--config"]) {
        walk.effect(Effect::new("net.connect", Target::Unknown).noting("as a file says"));
    }
    let data = ["-d", "--data", "--data-raw", "--data-binary", "--data-urlencode", "--data-ascii", "--json"];
    let body = sent(walk, &args.values(&data));
    sent(walk, &args.values(&["-F", "--form"]));
    let method = method(
        &args,
        &["-X", "--request"],
        &[(&data, "POST"), (&["-F", "--form"], "POST"), (&["-T", "--upload-file"], "PUT")],
    );
    asks(walk, &method, &urls, &body);
    for file in args.values(SAVES) {
        walk.writes(&file);
        if let Some(path) = file.known() {
            walk.files.insert(path.trim_start_matches("./").to_owned(), Feed::Downloaded);
        }
    }
    if args.has(&["-O", "--remote-name", "--remote-name-all", "-J"]) {
        urls.iter().for_each(|it| saved(walk, it, None));
    }
}

/// Files written by what is shown, and who is asked for names.
fn besides(walk: &mut Walk<'_>, args: &Args) {
    for shown in args.values(&["-w", "--write-out"]) {
        // `%output{file}` and `%output{>>file}`, curl 8.3.
        for (_, rest) in
            shown.text.match_indices("%output{").map(|(at, it)| shown.text.split_at(at + it.len()))
        {
            let file = rest.split('}').next().unwrap_or_default().trim_start_matches('>');
            walk.writes(&Field::new(file));
        }
    }
    for server in args.values(&["--dns-servers"]) {
        server.text.split(',').for_each(|it| walk.connects(it));
    }
}

fn method(args: &Args, names: &[&str], implied: &[(&[&str], &str)]) -> String {
    match args.values(names).last() {
        Some(given) => given.text.clone(),
        None => implied
            .iter()
            .find(|(names, _)| args.has(names))
            .map_or_else(String::new, |(_, it)| (*it).to_owned()),
    }
}

/// A file that takes the name of what was fetched.
fn saved(walk: &mut Walk<'_>, url: &Field, folder: Option<&Field>) {
    let path = url.text.split(['?', '#']).next().unwrap_or_default();
    let rest = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = rest.split_once('/').map_or("", |(_, path)| path.rsplit('/').next().unwrap_or_default());
    let name = if name.is_empty() { "index.html" } else { name };
    let file = match folder {
        Some(folder) => format!("{}/{name}", folder.text.trim_end_matches('/')),
        None => name.to_owned(),
    };
    walk.files.insert(file.trim_start_matches("./").to_owned(), Feed::Downloaded);
    walk.writes(&Field::new(file));
}

fn wget(walk: &mut Walk<'_>, fields: &[Field]) {
    let args = options::split(fields, WGET, Style { abbreviates: true, ..Style::default() });
    if args.has(&["--help", "--version", "-V", "-h"]) {
        return;
    }
    args.rest.iter().for_each(|it| visit(walk, it));
    for proxy in args.values(&["-e", "--execute"]) {
        if let Some((key, value)) = proxy.text.split_once('=').filter(|(key, _)| key.contains("proxy")) {
            let _ = key;
            walk.connects(value.trim());
        }
    }
    let reads = [
        "-i",
        "--input-file",
        "--post-file",
        "--body-file",
        "--load-cookies",
        "--config",
        "--certificate",
        "--private-key",
    ];
    args.values(&reads).iter().for_each(|it| walk.reads(it));
    if args.has(&["-i", "--input-file"]) {
        walk.effect(Effect::new("net.connect", Target::Unknown).noting("as a file says"));
    }
    let body =
        args.values(&["--post-data", "--body-data"]).first().map_or_else(String::new, |it| it.text.clone());
    let method = method(&args, &["--method"], &[(&["--post-data", "--post-file"], "POST")]);
    asks(walk, &method, &args.rest, &body);
    let outs = args.values(&["-O", "--output-document"]);
    for file in
        args.values(&["-o", "-a", "--output-file", "--append-output", "--save-cookies"]).iter().chain(&outs)
    {
        walk.writes(file);
    }
    if let Some(path) = outs.first().and_then(Field::known) {
        walk.files.insert(path.trim_start_matches("./").to_owned(), Feed::Downloaded);
    }
    if outs.is_empty() && !args.has(&["--spider", "--delete-after"]) {
        let folders = args.values(&["-P", "--directory-prefix"]);
        args.rest.iter().for_each(|it| saved(walk, it, folders.first()));
    }
}

/// A request item of httpie: `field@file`, `field=@file`.
fn item(walk: &mut Walk<'_>, item: &Field) {
    // `field@file`, `field:=@file`, `field=@file`.
    let file = item
        .text
        .split_once("=@")
        .or_else(|| item.text.split_once('@').filter(|_| !item.text.contains(['/', ':'])));
    let file = file.or_else(|| item.text.split_once("@/").filter(|(it, _)| !it.contains([':', '/'])));
    if let Some((_, path)) = file {
        let path = item.text.get(item.text.len() - path.len()..).unwrap_or(path);
        let has_root = item.text.contains("@/");
        walk.reads(&Field::new(if has_root && !path.starts_with('/') {
            format!("/{path}")
        } else {
            path.to_owned()
        }));
    }
}

fn httpie(walk: &mut Walk<'_>, fields: &[Field]) {
    let values = [
        "-o",
        "-a",
        "-A",
        "-s",
        "-p",
        "--output",
        "--auth",
        "--session",
        "--print",
        "--verify",
        "--timeout",
        "--proxy",
        "--cert",
        "--cert-key",
        "--auth-type",
        "--style",
        "--format-options",
        "--session-read-only",
        "--boundary",
        "--raw",
        "--max-redirects",
    ];
    let args = options::split(fields, &values, Style::default());
    for proxy in args.values(&["--proxy"]) {
        // `http:http://host:port`.
        let at = proxy.text.split_once(':').map_or(proxy.text.as_str(), |(_, it)| it);
        walk.connects(if at.contains("://") { at } else { &proxy.text });
    }
    args.values(&["--cert", "--cert-key", "--verify", "--session", "--session-read-only"])
        .iter()
        .filter(|it| it.text.contains('/'))
        .for_each(|it| walk.touches(it));
    args.rest.iter().for_each(|it| item(walk, it));
    let is_method = |it: &Field| !it.text.is_empty() && it.text.bytes().all(|it| it.is_ascii_uppercase());
    let (method, rest) = match args.rest.split_first() {
        Some((first, rest)) if is_method(first) => (first.text.clone(), rest),
        _ => (String::new(), args.rest.as_slice()),
    };
    let urls: Vec<Field> = rest.iter().take(1).cloned().collect();
    urls.iter().for_each(|it| visit(walk, it));
    let method = if method.is_empty() && rest.len() > 1 { "POST".to_owned() } else { method };
    asks(walk, &method, &urls, "");
    args.values(&["-o", "--output"]).iter().for_each(|it| walk.writes(it));
}

/// True if a word names a machine that is not this one, as far as it can be told.
pub fn is_url(text: &str) -> bool {
    text.contains("://") && reach::host(text).is_some()
}
