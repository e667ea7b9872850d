//! What kind of thing a URL is by its scheme, and what is left to read.
//!
//! Knows schemes and their ports, not hosts.

use super::{Reached, authority};

/// Schemes with a host behind `//`, and their ports. The first five need no slashes to be understood.
const PORTS: [(&str, u16); 61] = [
    ("http", 80),
    ("https", 443),
    ("ws", 80),
    ("wss", 443),
    ("ftp", 21),
    ("ftps", 990),
    ("ssh", 22),
    ("sftp", 22),
    ("scp", 22),
    ("rsync", 873),
    ("git", 9418),
    ("svn", 3690),
    ("telnet", 23),
    ("gopher", 70),
    ("gophers", 70),
    ("dict", 2628),
    ("ldap", 389),
    ("ldaps", 636),
    ("smtp", 25),
    ("smtps", 465),
    ("imap", 143),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("nntp", 119),
    ("tftp", 69),
    ("smb", 445),
    ("cifs", 445),
    ("nfs", 2049),
    ("afp", 548),
    ("rtsp", 554),
    ("rtmp", 1935),
    ("sip", 5060),
    ("sips", 5061),
    ("mqtt", 1883),
    ("mqtts", 8883),
    ("amqp", 5672),
    ("amqps", 5671),
    ("redis", 6379),
    ("rediss", 6379),
    ("memcached", 11211),
    ("mongodb", 27017),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("mysql", 3306),
    ("mariadb", 3306),
    ("mssql", 1433),
    ("sqlserver", 1433),
    ("oracle", 1521),
    ("clickhouse", 9000),
    ("cassandra", 9042),
    ("elasticsearch", 9200),
    ("nats", 4222),
    ("kafka", 9092),
    ("zookeeper", 2181),
    ("etcd", 2379),
    ("docker", 2375),
    ("grpc", 443),
    ("vnc", 5900),
    ("rdp", 3389),
    ("finger", 79),
];

const SPECIAL: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];
/// Schemes around another URL.
const AROUND: [&str; 8] =
    ["view-source", "jar", "feed", "url", "blob", "filesystem", "cache_object", "zip+http"];
/// Schemes that open a file of this machine.
const FILES: [&str; 6] = ["file", "local_file", "local-file", "netdoc", "unix", "npipe"];
/// Schemes that carry everything themselves, or ask a person.
const INLINE: [&str; 10] = ["data", "about", "mailto", "tel", "sms", "urn", "cid", "mid", "geo", "xmpp"];
/// Schemes that make a program run, decode or open something else than a host.
const STRANGE: [&str; 20] = [
    "javascript",
    "vbscript",
    "php",
    "phar",
    "expect",
    "glob",
    "zip",
    "rar",
    "ogg",
    "compress.zlib",
    "compress.bzip2",
    "ssh2.exec",
    "ssh2.sftp",
    "magnet",
    "ext",
    "fd",
    "s3",
    "gs",
    "res",
    "mhtml",
];

/// Whether it carries its content itself, however long that is.
pub fn is_inline(text: &str) -> bool {
    split(text).is_some_and(|(scheme, _)| INLINE.iter().any(|it| scheme.eq_ignore_ascii_case(it)))
}

/// Reads `text`, which is `depth` URLs deep in others.
pub fn read(text: &str, depth: usize) -> Result<Vec<Reached>, String> {
    let Some((spelled, rest)) = split(text) else { return bare(text) };
    let lower = spelled.to_ascii_lowercase();
    let scheme = lower.strip_prefix("url:").unwrap_or(&lower);
    // A tab or a line break inside of a scheme is dropped by browsers.
    let scheme: String = scheme.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let scheme = scheme.as_str();
    if scheme.len() == 1 {
        return Ok(vec![Reached::File(text.to_owned())]);
    }
    if AROUND.contains(&scheme) {
        if depth >= 3 {
            return Err("the address is nested too deep".to_owned());
        }
        let inner = rest.split("!/").next().unwrap_or(rest);
        return read(inner.trim_matches(|c: char| c <= ' ' || c == '!'), depth + 1);
    }
    if FILES.contains(&scheme) {
        let is_socket = matches!(scheme, "unix" | "npipe");
        return Ok(vec![Reached::File(if is_socket { rest.to_owned() } else { text.to_owned() })]);
    }
    if INLINE.contains(&scheme) {
        return Ok(vec![Reached::Inline]);
    }
    if STRANGE.contains(&scheme) {
        return Err(format!("`{scheme}:` does not lead to a host"));
    }
    let has_slashes = authority::slashes(rest) >= 2;
    if has_slashes || SPECIAL.contains(&scheme) {
        let base = scheme.rsplit('+').next().unwrap_or(scheme);
        if scheme.split('+').any(|part| part == "unix") {
            return Err("the address is a socket in the file system".to_owned());
        }
        let port = [scheme, base, scheme.split('+').next().unwrap_or_default()]
            .iter()
            .find_map(|name| PORTS.iter().find(|(it, _)| it == name).map(|(_, port)| *port));
        return authority::read(rest, Some(scheme), port);
    }
    bare(text)
}

/// A host without a scheme: `host`, `host:port`, `[v6]:port`, `//host/path`, `user@host:path`.
fn bare(text: &str) -> Result<Vec<Reached>, String> {
    match authority::slashes(text) {
        0 => authority::read_bare(text),
        1 => Err("the address names no host".to_owned()),
        _ => authority::read(text, None, None),
    }
}

/// What is before the first colon, if it can be a scheme, and what is after it.
fn split(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.len() < 64
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._\t\n\r".contains(&b));
    is_scheme.then_some((scheme, rest))
}
