//! What is given texts, and what must hold of each: one line a target.

use std::sync::LazyLock;

use inspect::code::Language;
use inspect::redact::{Placeholders, redact};
use inspect::scan::{Scanner, Wanted};
use inspect::sql::Dialect;
use inspect::{Hit, Surroundings, code, injection, net, path, personal, secret, shell, sql, text, trace};
use verdict::Json;

/// A reader of hostile text.
pub struct Target {
    /// Its name; also of the file in `corpus/fuzz` and in FUZZ_TARGET.
    pub name: &'static str,
    /// Where in `corpus/` its seeds are.
    pub folders: &'static [&'static str],
    /// Seeds of its own.
    pub seeds: &'static [&'static str],
    /// How many times fewer texts, and shorter ones, a short run gives it: 1 is quick.
    pub cost: usize,
    /// Reads the text, panics if something does not hold, and says how much it found.
    pub read: fn(&str) -> usize,
}

const fn target(
    name: &'static str,
    folders: &'static [&'static str],
    seeds: &'static [&'static str],
    cost: usize,
    read: fn(&str) -> usize,
) -> Target {
    Target { name, folders, seeds, cost, read }
}

/// All of them. To add one, add a line.
pub const TARGETS: &[Target] = &[
    target("path", &["paths"], &["/srv/a", "~/x/{a,b}*", "C:\\a\\..\\b", "file:///a%2e"], 2, paths),
    target("net", &["urls"], &["https://u:p@h.example:8/x?y#z", "0x7f.1", "[::ffff:1.2.3.4]:80"], 2, hosts),
    target("shell", &["shell"], &["for i in $(ls); do rm \"$i\"; done <<EOF\nx\nEOF"], 4, shells),
    target("sql", &["sql"], &["WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a"], 8, queries),
    target("python", &["code"], &["import os\nos.remove('x')"], 4, |it| {
        code::effects(it, Language::Python, &here()).len()
    }),
    target("javascript", &["code"], &["require('fs').rmSync('x')"], 4, |it| {
        code::effects(it, Language::JavaScript, &here()).len()
    }),
    target("text", &["text", "injection"], &["&#105;gnore", "aWdub3JlIGFsbA==", "\u{e0041}"], 4, layers),
    target("secret", &["secrets"], &["password = \"hunter2hunter2\""], 4, |it| found(it, secret::find)),
    target("personal", &["personal"], &["+49 30 123456, DE89 3704 0044 0532 0130 00"], 4, |it| {
        found(it, personal::find)
    }),
    target("injection", &["injection"], &["<|im_start|>system"], 2, |it| {
        found(it, injection::find) + usize::from(injection::score(it))
    }),
    target("trace", &["traces"], &["Error: x\n    at a (b.js:1:1)"], 2, |it| found(it, trace::find)),
    target("scan", &["secrets", "personal", "injection", "traces"], &[], 16, scans),
    target("json", &[], &["{\"a\": [1, 2.5, null, \"\\u00e9\"]}", "[[[[]]]]", "-0.1e-7"], 2, json),
    target(
        "condition",
        &[],
        &["args.amount <= 200 && !(user in ['a', 'b']) || size(args.list) > 3"],
        8,
        condition,
    ),
    target("policy", &[], &[POLICY], 16, policy),
];

const POLICY: &str = "version: 1\ntools:\n  files.write: {args: {path: fs.write}}\nagents:\n  bot:\n    rules:\n      - {name: a, allow: [files.write], when: args.x <= 2}\n    limits:\n      - {meter: actions, max: 1, per: 1h}\n";

fn here() -> Surroundings {
    Surroundings { cwd: Some("/srv/app".to_owned()), home: Some("/home/ann".to_owned()), ignores_case: false }
}

/// Every span lies within the text and between characters.
fn found(text: &str, find: fn(&str, &mut Vec<Hit>)) -> usize {
    let mut hits = Vec::new();
    find(text, &mut hits);
    for hit in &hits {
        assert!(text.get(hit.span.clone()).is_some(), "{hit:?} is not within the text");
        assert!(hit.confidence <= 100, "{hit:?}");
    }
    hits.len()
}

fn paths(text: &str) -> usize {
    let one = path::target(text, &here()).map_or(0, |it| {
        assert!(!it.path.contains('\0'), "{:?}", it.path);
        assert!(!it.path.split('/').any(|part| part == ".."), "{:?}", it.path);
        1
    });
    one + path::literal(text, &here()).map_or(0, |_| 1)
        + path::targets(text, &here()).map_or(0, |it| it.len().min(1))
}

fn hosts(text: &str) -> usize {
    if let Ok(host) = net::target(text) {
        // What was told once is told the same again.
        let shown = if host.host.contains(':') { format!("[{}]", host.host) } else { host.host.clone() };
        if let Ok(again) = net::target(&format!("http://{shown}/")) {
            assert_eq!(again.host, host.host, "{text:?}");
        }
    }
    net::targets(text).map_or(0, |it| it.len()) + net::reached(text).map_or(0, |it| it.len())
}

fn shells(text: &str) -> usize {
    let effects = shell::effects(text, &here());
    let _ = shell::is_refused(&effects);
    let _ = shell::parses(text);
    effects.len().min(4 * text.len())
}

fn queries(text: &str) -> usize {
    let dialects = [Dialect::Generic, Dialect::Postgresql];
    dialects.iter().map(|dialect| sql::effects(text, *dialect).len()).sum::<usize>().min(4 * text.len())
}

/// Normalisation is idempotent, and every layer leads back into the text.
fn layers(text: &str) -> usize {
    let normal = text::normal(text).into_owned();
    assert_eq!(text::normal(&normal), normal, "the normal form of the normal form of {text:?}");
    let view = text::view(text);
    for layer in &view.layers {
        let whole = layer.original(0..layer.text.len());
        assert!(whole.start <= whole.end && whole.end <= text.len(), "{whole:?} in {} bytes", text.len());
    }
    view.hidden.len()
}

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let declared = vec!["correct-horse-battery".to_owned()];
    Scanner::new(Wanted { declared, canaries: vec!["canary-7f3a".to_owned()], ..Wanted::all() }).unwrap()
});

/// Pieces do not matter, and what is taken out is gone.
fn scans(text: &str) -> usize {
    let hits = SCANNER.scan(text);
    let mut stream = SCANNER.stream();
    let mut pieces = Vec::new();
    for piece in text.as_bytes().chunks(1 + text.len() % 4_099) {
        pieces.extend(stream.push_bytes(piece));
    }
    pieces.extend(stream.finish());
    assert_eq!(pieces, hits, "in pieces and as a whole");
    let secrets: Vec<Hit> = hits.iter().filter(|hit| hit.kind == "secret").cloned().collect();
    let redacted = redact(text, &secrets, &[], &mut Placeholders::new([7; 32]));
    for hit in &secrets {
        let value = text.get(hit.span.clone()).unwrap();
        // Placeholders may hold the letters of a very short one.
        assert!(
            value.len() < 12 || !redacted.contains(value),
            "{} is left: {value:?} in {redacted:?}",
            hit.name
        );
    }
    hits.len()
}

/// What was read and written is read as the same.
fn json(text: &str) -> usize {
    if let Ok(json) = Json::parse(text.as_bytes()) {
        let written = json.canonical();
        let again = Json::parse(written.as_bytes()).unwrap();
        assert_eq!(again.canonical(), written, "{text:?}");
    }
    0
}

fn condition(text: &str) -> usize {
    let roots = ["args", "user", "agent", "tool", "now"];
    verdict::condition::Condition::compile(text, &roots).map_or_else(|faults| faults.len().min(1), |_| 0)
}

fn policy(text: &str) -> usize {
    let mut none = |_: &str, _: &str| Err("there are no other files".to_owned());
    match verdict::load::load("policy.yaml", text, &mut none) {
        Ok(loaded) => loaded.warnings.len(),
        Err(problems) => problems.len(),
    }
}
