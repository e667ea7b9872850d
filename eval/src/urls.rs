//! Figures for hosts: how many addresses of one's own network are caught, how many texts that a filter is meant
//! to take for an allowed host, how many honest links are refused, and whether the host is the standard's.
//!
//! Which rows of the attack set lead to one's own network is decided here, without the code that is measured:
//! those of the chapters on server-side requests whose authority (what is between the slashes after the scheme
//! and the next slash) spells this machine, a metadata service or nothing but a zero; and files. The rest, and
//! all open redirects, are held against a boundary that allows one host only; a row counts unless it plainly
//! starts with that host.

use inspect::net::{Reached, reached};
use serde_json::Value;
use verdict::boundary::{Boundaries, Ground, Hosts};
use verdict::{Effect, Target};

use crate::Row;
use crate::set::{Sets, text};

const ALLOWED: &str = "www.whitelisteddomain.tld";
const OWN: [&str; 14] = [
    "127.",
    "localhost",
    "169.254.",
    "0.0.0.0",
    "[::]",
    "[0000",
    "[0:0",
    "[::ffff:127",
    "192.0.0.192",
    "100.100.100.200",
    "metadata",
    "instance-data",
    "file:",
    "AWS_LAMBDA",
];

/// Measures.
pub fn run(sets: &Sets) -> Vec<Row> {
    let own = boundaries(None);
    let one = boundaries(Some(ALLOWED));
    let attacks = sets.rows("url_patt_ssrf");
    let (inner, outer): (Vec<&Value>, Vec<&Value>) = attacks.iter().partition(|row| is_own(row));
    let start = format!("https://{ALLOWED}/");
    let outer: Vec<&Value> = outer.into_iter().filter(|row| !text(row, "text").starts_with(&start)).collect();
    let caught = |rows: &[&Value], by: &Boundaries| {
        rows.iter().filter(|row| is_caught(text(row, "text"), by) || missed(row)).count()
    };
    let links = sets.rows("url_benign_readme_links");
    // A few are examples of servers that the reader starts: their own network, and rightly caught.
    let (local, others): (Vec<&Value>, Vec<&Value>) = links.iter().partition(|row| spells_own(row));
    let refused = others.iter().filter(|row| is_caught(text(row, "text"), &own) && told(row)).count();
    let mut rows = vec![
        Row::new("urls", "url_patt_ssrf", "own network caught", caught(&inner, &own), inner.len())
            .aiming("100 %"),
        Row::new("urls", "url_patt_ssrf", "other hosts caught", caught(&outer, &one), outer.len())
            .aiming("100 %"),
        Row::new("urls", "url_benign_readme_links", "false positives", refused, others.len())
            .aiming("< 0.5 %"),
        Row::new("urls", "url_benign_readme_links", "own network caught", caught(&local, &own), local.len())
            .aiming("100 %"),
    ];
    rows.extend(standard(&sets.rows("url_wpt_urltestdata")));
    rows
}

fn boundaries(allow: Option<&str>) -> Boundaries {
    let allow = allow.map(|one| vec![one]);
    Boundaries { hosts: Hosts::new(allow.as_deref(), &[], false).ok(), ..Boundaries::default() }
}

fn is_own(row: &Value) -> bool {
    text(row, "src").ends_with(".md") && spells_own(row)
}

fn spells_own(row: &Value) -> bool {
    let text = text(row, "text");
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    let authority = rest.split('/').next().unwrap_or_default();
    text.starts_with("file:") || authority == "0" || OWN.iter().any(|mark| authority.contains(mark))
}

fn missed(row: &Value) -> bool {
    eprintln!("  not caught: {:?}", text(row, "text"));
    false
}

fn told(row: &Value) -> bool {
    eprintln!("  refused: {:?} {:?}", text(row, "text"), reached(text(row, "text")));
    true
}

/// Whether an action that opens `text` is out of bounds. A file is: it is for another boundary, and there is
/// none here that would admit it.
fn is_caught(text: &str, by: &Boundaries) -> bool {
    let Ok(found) = reached(text) else { return true };
    let mut effects = Vec::new();
    for one in found {
        match one {
            Reached::Host(host) => effects.push(Effect::new("net.connect", Target::Host(host))),
            Reached::File(_) => return true,
            Reached::Inline => {}
        }
    }
    by.breach(&effects, &Ground::default()).is_some()
}

/// How often the first reading is the standard's host, over absolute URLs of the schemes that it defines.
fn standard(rows: &[Value]) -> Vec<Row> {
    let (mut agree, mut refuse, mut of) = (0, 0, 0);
    let (mut kept, mut failures) = (0, 0);
    for row in rows {
        let input = text(row, "input");
        let href = text(row, "href");
        let scheme = href.split(':').next().unwrap_or_default();
        let lower: String =
            input.trim_matches(|c: char| c <= ' ').to_ascii_lowercase().replace(['\t', '\n', '\r'], "");
        let has_base = row.get("base").is_some_and(|base| !base.is_null());
        if row.get("failure").and_then(Value::as_bool) == Some(true) {
            let is_web = lower.starts_with("http://") || lower.starts_with("https://");
            failures += usize::from(is_web);
            kept += usize::from(is_web && (reached(input).is_err() || accepted(input)));
            continue;
        }
        let is_special = ["http", "https", "ws", "wss", "ftp"].contains(&scheme);
        let is_absolute = lower.starts_with(&format!("{scheme}:"))
            && (!has_base || lower[scheme.len() + 1..].starts_with(['/', '\\']) && lower.contains("//"));
        if !is_special || !is_absolute {
            continue;
        }
        of += 1;
        let expected = text(row, "host").trim_matches(['[', ']']);
        match reached(input).map(|all| all.into_iter().next()) {
            Ok(Some(Reached::Host(host))) if host.host == expected.trim_end_matches('.') => agree += 1,
            Err(_) => {
                eprintln!("  refused: {input:?}");
                refuse += 1;
            }
            other => eprintln!("  {input:?} is {expected:?}, not {other:?}"),
        }
    }
    vec![
        Row::new("urls", "url_wpt_urltestdata", "host agrees", agree, of),
        Row::new("urls", "url_wpt_urltestdata", "host agrees or unknown", agree + refuse, of).aiming("100 %"),
        Row::new("urls", "url_wpt_urltestdata", "refused as the standard does", kept, failures),
    ]
}

fn accepted(input: &str) -> bool {
    eprintln!("  accepted: {input:?} {:?}", reached(input));
    false
}
