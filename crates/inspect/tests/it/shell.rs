//! Shell scripts: the cases of `corpus/shell`, hostile texts in bounded time, and the grammar beside bash's own.

use std::io::Write as _;
use std::process::{Command, Stdio};

use inspect::{Surroundings, shell};
use proptest::prelude::*;
use serde_json::Value;
use verdict::Effect;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/shell");

fn around() -> Surroundings {
    Surroundings { cwd: Some("/home/me/work".into()), home: Some("/home/me".into()), ignores_case: false }
}

/// `fs.delete! /etc/**`, `fs.read /x (by redirection)`.
fn spelled(effect: &Effect) -> String {
    let fact = effect.fact();
    let mut text = fact.kind.to_string();
    if fact.destroys {
        text.push('!');
    }
    if let Some(resource) = fact.resource {
        text = format!("{text} {resource}");
    }
    match fact.note {
        Some(note) => format!("{text} ({note})"),
        None => text,
    }
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn wrong(row: &Value) -> Option<String> {
    let given = row["given"].as_str().unwrap();
    let expect = &row["expect"];
    let effects = shell::effects(given, &around());
    let spelled: Vec<String> = effects.iter().map(spelled).collect();
    let has = |wanted: &str| spelled.iter().any(|it| it.starts_with(wanted));
    let mut faults = Vec::new();
    if expect["refused"].as_bool() != Some(shell::is_refused(&effects)) {
        faults.push(format!("refused is not {}", expect["refused"]));
    }
    faults.extend(texts(expect, "has").iter().filter(|it| !has(it)).map(|it| format!("lacks `{it}`")));
    faults.extend(texts(expect, "lacks").iter().filter(|it| has(it)).map(|it| format!("has `{it}`")));
    let short: String = given.chars().take(120).collect();
    let found: Vec<&String> = spelled.iter().take(12).collect();
    (!faults.is_empty()).then(|| format!("{short:?} ({}): {}\n    {found:?}", row["why"], faults.join(", ")))
}

#[test]
fn every_case_of_the_corpus_is_as_it_says() {
    let mut faults = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(CORPUS).unwrap() {
        for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            count += 1;
            faults.extend(wrong(&serde_json::from_str(line).unwrap()));
        }
    }
    assert!(count > 300, "only {count} cases");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn words_that_are_not_known_are_absent() {
    let effects = shell::effects("cp \"$x\" b", &around());
    let verdict::Target::Program(program) = &effects[0].target else { panic!("no program") };
    assert_eq!(program.words, [None, Some("b".to_owned())]);
}

/// What hostile texts are made of: whatever opens something, repeated.
const PIECES: &[&str] = &[
    "$(",
    "(",
    "{",
    "\\",
    "'",
    "\"",
    "`",
    "<<E\n",
    "<<",
    "$((",
    "((",
    "${x:-",
    "[[ ",
    "case x in ",
    "if ",
    "a;",
    "a|",
    "{a,b}",
    "{1..9}",
    "$'\\x",
    "<(",
    "\u{1f980}",
    "\0",
    "\r",
    "x=(",
    "f(){ ",
    "a=b ",
    "&",
    ")",
    "}",
    "eval ",
    "sh -c '",
    "-",
    "~",
    "*",
    "alias a='a;a';a;",
    "a(){ a;a; };a;",
    "for i in 1 2 3 4 5 6 7 8;do ",
    "bash -c \"",
    "xargs ",
    "sudo ",
    "$x$x",
    "`\\`",
    "python -c 'system(\"",
    "psql -c \"",
    "echo aGk=|base64 -d|",
    "rm -rf ",
    "[$(",
    "\n",
    " ",
    "#",
    "!",
    "while ",
    "${!a",
];

#[test]
fn hostile_texts_end() {
    for piece in PIECES {
        for length in [1 << 17, 1 << 20] {
            let text = piece.repeat(length / piece.len());
            let effects = shell::effects(&text, &around());
            assert!(effects.len() <= text.len(), "{piece:?} x {length}");
        }
    }
}

#[test]
fn copies_are_bounded() {
    let value = "v".repeat(60_000);
    let names: String = (0..2_000).map(|it| format!("v{it}=;")).collect();
    for text in [
        format!("X='{value}'; echo {}", "$X ".repeat(5_000)),
        format!("X='{value}'; {}", "eval \"$X\";".repeat(4_000)),
        format!("X='{value}'; {}:", "a|".repeat(5_000)),
        format!("{names} {}:", "a|".repeat(5_000)),
        format!("{names} {}:", "a&&b=1;".repeat(2_000)),
        format!("echo {value} {}", "|rev".repeat(10_000)),
        format!("f() {{ python3 -c '{value}'; }}; {}", "f;".repeat(10_000)),
        "{1..99}".repeat(15_000),
        "{1..99} ".repeat(15_000),
    ] {
        let short: String = text.chars().filter(|it| *it != 'v').take(40).collect();
        let copied: usize = shell::effects(&text, &around()).iter().map(|it| format!("{it:?}").len()).sum();
        assert!(copied < 64 * text.len(), "{short:?} makes {copied} bytes of {}", text.len());
    }
}

#[test]
fn deep_nesting_needs_little_stack() {
    let run = || {
        for (open, close) in [
            ("$(", ")"),
            ("(", ")"),
            ("{ ", ";}"),
            ("\"$(", ")\""),
            ("`", "`"),
            ("bash -c '", "'"),
            ("${x:-", "}"),
        ] {
            for depth in [10, 60, 70, 5000] {
                let text = format!("{}rm -rf /etc{}", open.repeat(depth), close.repeat(depth));
                assert!(!shell::effects(&text, &around()).is_empty(), "{depth} x {open:?}");
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

/// What bash says of a script; absent where there is no bash.
fn bash_accepts(script: &str) -> Option<bool> {
    let mut bash = Command::new("bash")
        .args(["--norc", "-O", "extglob", "-n"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    bash.stdin.take()?.write_all(script.as_bytes()).ok()?;
    bash.wait().ok().map(|it| it.success())
}

#[test]
fn the_grammar_accepts_what_bash_accepts() {
    let scripts = include_str!("shell_grammar.txt");
    let mut faults = Vec::new();
    for script in scripts.split("\n---\n") {
        let ours = shell::parses(script);
        match bash_accepts(script) {
            Some(theirs) if theirs != ours => faults.push(format!("bash {theirs}, ours {ours}: {script:?}")),
            _ => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in "\\PC{0,200}") {
        let _ = shell::effects(&text, &around());
    }

    #[test]
    fn nothing_that_looks_like_a_script_panics(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "rm", "-rf", "/", "$(", ")", "`", "'", "\"", "$x", "${x:-", "}", "{", ";", "|", "&&", "||", "&", "\n", "<<E", "E",
                ">", "<", "<(", "if", "then", "fi", "for", "in", "do", "done", "case", "esac", "x=", "x=(", "[[", "]]", "((", "))",
                "function", "f()", "eval", "sh", "-c", "\\", "#", "$'", "*", "{a,b}", "~", "git", "find", "-exec", "{}", "\\;", "sudo",
                "xargs", "é", "\u{10ffff}", "2>&1", "awk", "sed", "s/a/b/e", "python3", "curl", "docker", "run", "é'",
            ]),
            0..40,
        ),
        gap in prop::sample::select(vec!["", " "]),
    ) {
        let _ = shell::effects(&words.join(gap), &around());
    }

    #[test]
    fn a_script_that_bash_reads_is_never_silent(name in "[a-z]{1,8}", word in "[a-z/.]{0,12}") {
        let script = format!("{name} {word}");
        // Reserved words alone are no commands, and `time` without one does nothing.
        prop_assume!(!["if", "for", "case", "time", "do", "done", "in"].contains(&name.as_str()));
        let effects = shell::effects(&script, &around());
        prop_assert!(!effects.is_empty());
    }
}
