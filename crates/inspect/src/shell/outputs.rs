//! What simple programs print, where it follows from their words and their input: how payloads are unwrapped.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};

use super::dollar::unescaped;
use super::field::{Feed, Field, PIECE, UNKNOWN, joined};
use super::options::{self, Style};
use super::walk::Walk;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The longest text that is worked on.
const LONGEST: usize = 1 << 16;

/// Programs that print what others wrote.
const PRINTERS: &[&str] = &[
    "echo", "printf", "cat", "head", "tail", "curl", "wget", "git", "grep", "sed", "awk", "jq", "ssh",
    "docker", "kubectl", "tee", "base64", "xxd", "tr", "rev", "sort", "cut", "aws", "python", "python3",
    "node", "perl", "ruby", "sh", "bash", "env", "yq",
];

/// What a program prints.
pub fn of(walk: &Walk<'_>, name: &str, args: &[Field], feed: &Feed) -> Feed {
    let has = |names: &[&str]| args.iter().any(|it| names.contains(&it.text.as_str()));
    // What a program prints for the shell to take over is as much its own as what it does when it runs.
    let is_setup = args
        .iter()
        .take(3)
        .any(|it| matches!(it.text.as_str(), "completion" | "completions" | "shellenv" | "hook" | "init"));
    if name == "ssh-agent" || (is_setup && args.iter().all(Field::is_known) && !PRINTERS.contains(&name)) {
        return Feed::Nothing;
    }
    match name {
        "echo" => echo(args),
        "printf" => printf(args),
        "true" | ":" | "false" | "sleep" | "mkdir" | "touch" | "rm" | "cp" | "mv" | "chmod" | "test"
        | "[" => Feed::Nothing,
        "cat" | "tee" if args.iter().all(|it| it.text.starts_with('-')) || name == "tee" => feed.clone(),
        "cat" => match args {
            [only] => walk.content(&only.text).unwrap_or(Feed::Unknown),
            _ => Feed::Unknown,
        },
        "rev" => {
            changed(feed, |text| text.lines().map(|it| it.chars().rev().collect::<String>() + "\n").collect())
        }
        "tr" => changed(feed, |text| translated(text, args)),
        "base64" | "gbase64" | "basenc" if has(&["-d", "-D", "--decode", "-di", "-id"]) => {
            decoded(feed, args, base64)
        }
        "base64" => Feed::Unknown,
        "openssl" if has(&["-d"]) => decoded(
            feed,
            &[],
            if has(&["base64", "-a", "-base64", "-A"]) && !has(&["-k", "-K", "-pass"]) {
                base64
            } else {
                nothing
            },
        ),
        "xxd" if args.iter().any(|it| it.text.starts_with('-') && it.text.contains('r')) => {
            decoded(feed, &[], hex)
        }
        "base32" | "uudecode" | "gunzip" | "zcat" | "gzip" | "bunzip2" | "bzcat" | "xz" | "unxz"
        | "xzcat" | "zstd" | "zstdcat" | "gpg" | "age" | "ascii85" | "qprint" | "uncompress" | "lz4"
        | "rot13" | "caesar" | "iconv" => match feed {
            Feed::Downloaded => Feed::Downloaded,
            _ => Feed::Decoded,
        },
        "curl" | "wget" | "http" | "https" | "xh" | "fetch" | "lynx" | "w3m" | "aria2c" | "nc" | "ncat"
        | "netcat" | "socat" | "ftp" | "tftp" | "ssh" | "dig" | "nslookup" | "host" | "aws" | "gsutil"
        | "scp" | "telnet" => Feed::Downloaded,
        "head" | "tail" | "sort" | "uniq" | "grep" | "cut" | "sed" | "awk" | "nl" | "fold" | "fmt"
        | "column" | "paste" | "jq" | "xargs" | "pv" | "dd" | "tac" | "buffer" | "mbuffer" | "stdbuf"
        | "sponge" | "strings" | "perl" | "python3" | "python" => match feed {
            Feed::Downloaded => Feed::Downloaded,
            Feed::Decoded => Feed::Decoded,
            _ => Feed::Unknown,
        },
        _ => fact(walk, name, args),
    }
}

/// What programs print that say one thing about the machine or about a name.
fn fact(walk: &Walk<'_>, name: &str, args: &[Field]) -> Feed {
    match name {
        "pwd" => Feed::text(
            walk.scope.get("PWD", walk.around).map_or_else(String::new, |it| joined(&it, "")) + "\n",
        ),
        "mktemp" => Feed::text(format!("/tmp/tmp.{PIECE}\n")),
        "date" | "nproc" | "id" | "whoami" | "hostname" | "uname" | "seq" | "arch" | "tty" | "getconf"
        | "uuidgen" | "expr" | "wc"
            if args.iter().all(|it| !it.text.contains(UNKNOWN) && !it.text.contains('/')) =>
        {
            Feed::text(PIECE.to_string())
        }
        "basename" => match args.first().and_then(Field::known) {
            Some(path) => Feed::text(path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()),
            None => Feed::Unknown,
        },
        "dirname" => match args.first().and_then(Field::known) {
            Some(path) => Feed::text(
                path.trim_end_matches('/')
                    .rsplit_once('/')
                    .map_or(".", |(it, _)| if it.is_empty() { "/" } else { it }),
            ),
            None => Feed::Unknown,
        },
        _ => Feed::Unknown,
    }
}

fn echo(args: &[Field]) -> Feed {
    let is_option = |it: &&Field| {
        it.text.len() > 1 && it.text.starts_with('-') && it.text.chars().skip(1).all(|it| "neE".contains(it))
    };
    let count = args.iter().take_while(is_option).count();
    let (options, words) = args.split_at_checked(count).unwrap_or_default();
    let text = joined(words, " ");
    let escapes = options.iter().any(|it| it.text.contains('e'));
    let text = if escapes { unescaped(&text, false) } else { text };
    let ending = if options.iter().any(|it| it.text.contains('n')) { "" } else { "\n" };
    if words.iter().any(|it| it.glob) {
        return Feed::text(UNKNOWN.to_string());
    }
    Feed::text(text + ending)
}

/// `printf`, as far as its format is plain: `%s`, `%b`, `%d`, `%c` without widths.
pub fn printf(args: &[Field]) -> Feed {
    let Some((format, values)) = args.split_first() else { return Feed::Nothing };
    if format.text == "--" {
        return printf(values);
    }
    if format.text.len() > LONGEST {
        return Feed::Unknown;
    }
    let mut values = values.iter();
    let mut out = String::new();
    for _ in 0..64 {
        let left = values.len();
        let mut pieces = format.text.split('%');
        out.push_str(&unescaped(pieces.next().unwrap_or_default(), false));
        let mut is_literal = false;
        for piece in pieces {
            if is_literal {
                out.push_str(&unescaped(piece, false));
                is_literal = false;
                continue;
            }
            let mut chars = piece.chars();
            match chars.next() {
                None => {
                    out.push('%');
                    is_literal = true;
                    continue;
                }
                Some('s' | 'd' | 'i' | 'u') => out.push_str(values.next().map_or("", |it| it.text.as_str())),
                Some('b') => out.push_str(&unescaped(values.next().map_or("", |it| it.text.as_str()), false)),
                Some('c') => out.extend(values.next().and_then(|it| it.text.chars().next())),
                Some(_) => {
                    values.next();
                    out.push(UNKNOWN);
                }
            }
            out.push_str(&unescaped(chars.as_str(), false));
        }
        if values.len() == 0 || values.len() == left || out.len() > LONGEST {
            break;
        }
    }
    if values.len() > 0 && format.text.contains('%') {
        out.push(UNKNOWN);
    }
    Feed::text(out)
}

fn changed(feed: &Feed, change: impl Fn(&str) -> String) -> Feed {
    match feed {
        Feed::Text(text) if !text.contains([UNKNOWN, PIECE]) && text.len() <= LONGEST => {
            Feed::text(change(text))
        }
        Feed::Text(_) | Feed::Nothing => Feed::Unknown,
        other => other.clone(),
    }
}

fn decoded(feed: &Feed, args: &[Field], decode: fn(&str) -> Option<Vec<u8>>) -> Feed {
    if args.iter().any(|it| !it.text.starts_with('-')) {
        return Feed::Decoded;
    }
    match feed {
        Feed::Text(text) if !text.contains([UNKNOWN, PIECE]) && text.len() <= LONGEST => match decode(text) {
            Some(bytes) => Feed::text(String::from_utf8_lossy(&bytes).into_owned()),
            None => Feed::Decoded,
        },
        Feed::Downloaded => Feed::Downloaded,
        _ => Feed::Decoded,
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|it| !it.is_whitespace()).collect();
    LENIENT.decode(plain.trim_end_matches('=')).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().filter_map(|it| it.to_digit(16)).filter_map(|it| u8::try_from(it).ok()).collect();
    let is_plain = text.chars().all(|it| it.is_ascii_hexdigit() || it.is_whitespace());
    is_plain.then(|| {
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0u8, |all, it| (all << 4) | it)).collect()
    })
}

fn nothing(_: &str) -> Option<Vec<u8>> {
    None
}

/// `tr a-z n-za-m`, `tr -d x`.
fn translated(text: &str, args: &[Field]) -> String {
    let split = options::split(args, &[], Style::default());
    let sets: Vec<Vec<char>> = split.rest.iter().map(|it| set(&unescaped(&it.text, false))).collect();
    if split.has(&["-c", "-C", "--complement"]) || sets.iter().any(Vec::is_empty) {
        return UNKNOWN.to_string();
    }
    match sets.as_slice() {
        [gone] if split.has(&["-d", "--delete"]) => text.chars().filter(|it| !gone.contains(it)).collect(),
        [_] if split.has(&["-s", "--squeeze-repeats"]) => text.to_owned(),
        [from, to] => {
            let last = to.last().copied().unwrap_or(' ');
            let swap = |it: char| {
                from.iter().position(|from| *from == it).map_or(it, |at| to.get(at).copied().unwrap_or(last))
            };
            text.chars().map(swap).collect()
        }
        _ => UNKNOWN.to_string(),
    }
}

fn set(text: &str) -> Vec<char> {
    let text = text
        .replace("[:upper:]", "A-Z")
        .replace("[:lower:]", "a-z")
        .replace("[:digit:]", "0-9")
        .replace("[:space:]", " \t\n");
    let chars: Vec<char> = text.chars().take(256).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = chars.get(at) {
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some('-'), Some(last)) if last >= first => {
                out.extend((*first..=*last).take(256));
                at += 3;
            }
            _ => {
                out.push(*first);
                at += 1;
            }
        }
    }
    out
}
