//! What a glance passes over means nothing, and nothing that stands around a command hides what it means: over the
//! cases of `corpus/`, each written in ways that nobody wrote.

use std::fs;
use std::path::Path;

use inspect::Surroundings;
use inspect::sql::Dialect;
use proptest::prelude::*;
use regex::Regex;
use verdict::{Effect, Json, Target};

use crate::glance::glance;
use crate::meaning::meanings;
use crate::sieve::sieve;

/// Every text of the corpus's commands and statements, and what was found by fuzzing.
fn cases() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    let mut found = Vec::new();
    for folder in ["shell", "sql", "text", "code"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                texts(&Json::parse(line.as_bytes()).unwrap(), &mut found);
            }
        }
    }
    for file in ["sql.txt", "text.txt"] {
        found.extend(fs::read_to_string(root.join("fuzz").join(file)).unwrap().lines().map(str::to_owned));
    }
    found.retain(|it| it.len() < 2_000);
    found
}

/// The texts of a case, but for what is said about it.
fn texts(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::Str(text) => found.push(text.clone()),
        Json::List(items) => items.iter().for_each(|it| texts(it, found)),
        Json::Map(map) => {
            let told = map.iter().filter(|(key, _)| !matches!(&**key, "why" | "expect" | "dialect"));
            told.for_each(|(_, value)| texts(value, found));
        }
        _ => (),
    }
}

/// What cannot be had back and has a common spelling.
fn destroys(effect: &Effect) -> bool {
    let recursive = matches!(&effect.target, Target::Path(it) if it.recursive);
    match &*effect.kind {
        "fs.delete" => effect.destroys || recursive,
        "fs.write" => effect.destroys,
        _ => false,
    }
}

fn by_a_shell(text: &str) -> bool {
    inspect::shell::effects(text, &Surroundings::default()).iter().any(destroys)
}

fn by_a_database(text: &str) -> bool {
    inspect::sql::effects(text, Dialect::default())
        .iter()
        .any(|it| it.destroys && matches!(it.target, Target::Table(_)))
}

/// How a case may be written otherwise.
#[derive(Clone, Debug)]
enum Way {
    Put(usize, &'static str),
    Upper(usize),
    Around(&'static str, &'static str),
    Behind(usize, char),
    Twice(usize),
}

fn ways() -> impl Strategy<Value = Vec<Way>> {
    let signs = prop::sample::select(vec![
        "''", "\"\"", "'", "\"", "\\", "{", "}", "{,}", ",", "$IFS", "${x}", "`", " ", "\t", "\n", "\u{a0}",
        "\0", "é", "\u{200b}", "s'", "n't ", "/**/", "--", "||", "-", ">", "?", "*", "[a-z]", ";", "&", "(",
        "_", "0", "\u{7f}", "\u{ff52}",
    ]);
    let around = prop::sample::select(vec![
        ("{\"a\": \"", "\"}"),
        ("it's ", "."),
        ("{\"a\":[{\"b\":\"", "\"}]}"),
        ("don't ", " won't"),
        ("\"", "\""),
        ("'", "'"),
        ("(", ")"),
        ("{ ", "; }"),
        ("\n", "\n"),
        ("é", "é"),
        ("\0", "\0"),
        ("x=", ""),
        ("// ", ""),
        ("", " # ok"),
    ]);
    let way = prop_oneof![
        4 => (any::<usize>(), signs).prop_map(|(at, sign)| Way::Put(at, sign)),
        1 => any::<usize>().prop_map(Way::Upper),
        2 => around.prop_map(|(before, after)| Way::Around(before, after)),
        2 => (0_usize..140, prop::sample::select(vec!['x', ' ', 'é', ';', '\n']))
            .prop_map(|(length, filler)| Way::Behind(length, filler)),
        1 => any::<usize>().prop_map(Way::Twice),
    ];
    prop::collection::vec(way, 0..4)
}

fn written(text: &str, ways: &[Way]) -> String {
    ways.iter().fold(text.to_owned(), |text, way| {
        let place = |at: usize| {
            let at = at % (text.len() + 1);
            (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap()
        };
        match way {
            Way::Put(at, sign) => {
                let (before, after) = text.split_at(place(*at));
                format!("{before}{sign}{after}")
            }
            Way::Upper(at) => {
                let (before, after) = text.split_at(place(*at));
                format!("{before}{}", after.to_ascii_uppercase())
            }
            Way::Around(before, after) => format!("{before}{text}{after}"),
            Way::Behind(length, filler) => format!("{}{text}", filler.to_string().repeat(*length)),
            Way::Twice(at) => {
                let (before, after) = text.split_at(place(*at));
                format!("{before}{after}\n{after}")
            }
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_passed_over_destroys_nothing(which in any::<prop::sample::Index>(), ways in ways()) {
        static CASES: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(cases);
        let text = written(&CASES[which.index(CASES.len())], &ways);
        let normal = inspect::text::normal(&text);
        let seen = glance(&normal);
        prop_assert!(seen.command || !by_a_shell(&normal), "a shell: {normal:?}");
        prop_assert!(seen.statement || !by_a_database(&normal), "a database: {normal:?}");
    }
}

const CODE: [&str; 2] =
    ["-c \"import shutil; shutil.rmtree('/srv')\"", "-e \"require('fs').rmSync('/srv', {recursive: true})\""];

/// Every program that the engine knows to remove or write over something: a glance must know it, too.
#[test]
fn no_program_that_removes_is_passed_over() {
    let known = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../inspect/src/shell")).unwrap();
    let quoted = Regex::new(r#""([A-Za-z][A-Za-z0-9_.+-]{0,24})""#).unwrap();
    let mut names: Vec<String> = Vec::new();
    for file in known.map(|it| it.unwrap().path()).filter(|it| it.is_file()) {
        let text = fs::read_to_string(file).unwrap();
        names.extend(quoted.captures_iter(&text).map(|it| it[1].to_owned()));
    }
    names.sort();
    names.dedup();
    assert!(names.len() > 1_000, "{}", names.len());
    let mut passed_over = Vec::new();
    for name in names {
        for rest in [
            "/",
            "-r /",
            "-rf /srv",
            "/s /q C:",
            "--delete /a/ /srv/",
            "-a --delete x /",
            "a /",
            "-delete /",
            CODE[0],
            CODE[1],
        ] {
            let text = format!("{name} {rest}");
            if !glance(&text).command && by_a_shell(&text) {
                passed_over.push(text);
            }
        }
    }
    assert!(passed_over.is_empty(), "{passed_over:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    /// Why a text need not be looked at without its quotes where the sieve keeps it back with them.
    #[test]
    fn quotes_part_no_word_that_a_sieve_of_words_looks_for(parts in prop::collection::vec(
        prop::sample::select(vec!["forb", "idden", "_12", "word", "\"", "'", " ", ";", "=", "x", "é"]), 0..14)) {
        let (sieve, _) = sieve(&["(?i:forbidden_12)".to_owned(), "xword".to_owned()]).unwrap();
        prop_assert!(!sieve.has(|byte| byte == b' ' || byte == b'\''));
        let text = parts.concat();
        // Quotes inside of words are a matter for the shell's reader.
        prop_assume!(glance(&text) == crate::glance::Glance::default());
        for bare in meanings(&text, true) {
            prop_assert!(sieve.lets_through(&text) || !sieve.lets_through(&bare), "{text:?} {bare:?}");
        }
    }
}

#[test]
fn every_case_as_it_stands() {
    let cases = cases();
    assert!(cases.len() > 1_200, "{}", cases.len());
    for text in cases {
        let normal = inspect::text::normal(&text);
        let seen = glance(&normal);
        assert!(seen.command || !by_a_shell(&normal), "a shell: {normal:?}");
        assert!(seen.statement || !by_a_database(&normal), "a database: {normal:?}");
    }
}

fn is_found(pattern: &str, text: &str) -> bool {
    let pattern = Regex::new(&format!("(?i){pattern}")).unwrap();
    pattern.is_match(text) || meanings(text, true).iter().any(|it| pattern.is_match(it))
}

#[test]
fn nothing_that_stands_around_hides_a_command() {
    let bad = "rm --recursive --force /";
    let decoys: String = (0..9_000).map(|n| format!("echo {n}; ")).collect();
    let lines = "cp a.txt b.txt && ls -la\n".repeat(4_000);
    for text in [
        format!("{bad} #{}", "x".repeat(20_000)),
        format!("{bad} #{}", "x".repeat(400_000)),
        format!("#{}\n{bad}", "x".repeat(20_000)),
        format!("{}{bad}", " ".repeat(70_000)),
        format!("{decoys}{bad}"),
        format!("{lines}{bad}\n{lines}"),
        format!("{{\"text\": \"{}\"}}; {bad}", "it's ".repeat(4_000)),
        (0..70).map(|n| format!("echo {n}; ")).collect::<String>() + bad,
    ] {
        let (start, length) = (text.chars().take(30).collect::<String>(), text.len());
        assert!(is_found(r"rm\s+-rf\s+/", &text), "{length} bytes: {start}");
    }
    let drops = format!("{}DROP/**/TABLE users", "SELECT 1; ".repeat(3_000));
    assert!(is_found(r"DROP\s+TABLE", &drops));
}

#[test]
fn quotes_around_words_hide_no_command_of_anybodys_patterns() {
    for (pattern, text) in [
        (r"kill\s+-9", "'kill' -9 1"),
        (r"kill\s+-9", "\"kill\" '-9' 1"),
        (r"curl\s+http://evil", "curl \"http://evil/x\""),
        (r"curl\s+http://evil", "sudo 'curl' http://evil"),
        (r"shutdown\s+now", "true;\"shutdown\" \"now\""),
        (r"aws\s+s3", "X=1 'aws' 's3' ls"),
    ] {
        assert!(is_found(pattern, text), "{text}");
    }
    for (pattern, text) in [
        (r"password\s*:", r#"{"password": "x", "y": ["a", "b"]}"#),
        (r"dont", "I don't 'think' so"),
        (r"a\s+b", "'a' 'b"),
    ] {
        assert_eq!(is_found(pattern, text), Regex::new(pattern).unwrap().is_match(text), "{text}");
    }
}
