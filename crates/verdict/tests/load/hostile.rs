//! Text that was made to do harm, or merely odd: a clear answer, soon, and never a panic.

use std::fmt::Write as _;

use super::{INIT, SAMPLE, SAMPLE_TESTS, brief, mistakes, read};
use proptest::prelude::*;
use verdict::load::{Problem, cases};

/// Every place lies within the text: the end of a line is the last column.
fn within(text: &str, problems: &[Problem]) -> bool {
    let lines: Vec<&str> =
        text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect();
    problems.iter().all(|p| {
        p.line >= 1
            && p.column >= 1
            && lines.get(p.line - 1).is_some_and(|line| p.column <= line.chars().count() + 1)
    })
}

/// What is said first of a text that must be refused.
fn refused(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("taken: {}", text.chars().take(40).collect::<String>()),
        Err(problems) => {
            assert!(within(text, &problems), "{:?}", brief(&problems));
            problems[0].message.clone()
        }
    }
}

#[test]
fn pieces_repeated_are_refused() {
    let pieces = [
        "[",
        "{",
        "- ",
        "-",
        "? ",
        ":",
        ": ",
        "a: ",
        "a:\n",
        "a\n",
        "\n",
        " ",
        "\t",
        "#",
        "#\n",
        "\"",
        "'",
        "''",
        "|\n",
        ">\n ",
        "&a ",
        "*a ",
        "!a ",
        "!!a ",
        "%a\n",
        "---\n",
        "...\n",
        "- a\n",
        "- - ",
        "[a, ",
        "{a: b, ",
        "{a: ",
        ",",
        "\\",
        "\"\\\n",
        "a: b: ",
        "[[],",
        "a: |\n b\n",
        "? a\n",
        "é",
        "\u{2028}",
        "\r",
        "\"a\":",
        "[?",
        "]",
        "}",
        "<<: ",
        "a #",
        "&a\n",
        "-\t",
        "@",
        "`",
    ];
    for piece in pieces {
        refused(&piece.repeat((64 << 10) / piece.len()));
    }
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(refused(&"[".repeat(4 << 20)), "nested more than 64 deep");
    assert_eq!(refused(&"[".repeat((4 << 20) + 1)), "the file is larger than 4 MiB");
    assert_eq!(refused(&"- ".repeat(100_000)), "nested more than 64 deep");
    assert_eq!(refused(&"{a: ".repeat(100_000)), "nested more than 64 deep");
    assert_eq!(
        refused(&format!("version: 1\nx: [{}]\n", "1,".repeat(1_000_001))),
        "more than 1000000 values in one file"
    );
    let deep = format!("version: 1\nx: {}{}\n", "[".repeat(63), "]".repeat(63));
    assert_eq!(refused(&deep), "unknown key `x`");
}

#[test]
fn billions_of_laughs_are_not_laughed() {
    let mut text = "version: 1\na0: &a0 [lol, lol]\n".to_owned();
    for n in 1..30 {
        writeln!(text, "a{n}: &a{n} [*a{}, *a{}]", n - 1, n - 1).unwrap();
    }
    assert!(refused(&text).contains("unknown key"));
    assert!(mistakes(&text).iter().any(|m| m.contains("anchors and aliases are not read")));
    refused("a: &a [*a]");
    refused("a: *nobody");
}

#[test]
fn what_cannot_be_seen_is_refused() {
    for c in ['\0', '\u{1}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{ffff}'] {
        let text = format!("version: 1\n# é{c}\nagents: {{}}\n");
        let expected = format!("2:4 character U+{:04X} cannot be seen, and has no place here", u32::from(c));
        assert_eq!(mistakes(&text)[0].split(" | ").next(), Some(expected.as_str()));
    }
    // A NUL would hide what follows from the scanner, and a carriage return from a person's eyes.
    refused("version: 1\nagents: {}\n\0\nfail_open: [all]\n");
    refused("version: 1\n#\rfail_open: [all]\n");
}

#[test]
fn odd_yaml_is_refused_or_read_as_written() {
    for text in [
        "\"\\q\": 1",
        "\"\\ud800\": 1",
        "\"\\x\": 1",
        "? [a]\n: 1",
        "? {a: b}\n: 1",
        "[version]: 1",
        "{version: 1}: 1",
        "version: 1\n? \n",
        "version: 1\n: 1",
        "%YAML 1.1\n---\nversion: 1\nx: 1",
        "%TAG ! x\n---\nversion: !y 1",
        "version: 1\n...\nversion: 1",
        "version: !!int 1",
        "--- 1",
        "version: 1\nagents: {null: {}, true: 5}",
        "version: 1\nagents: |\n  bot: {}",
        "version: 1 # é\nagents: [",
    ] {
        refused(text);
    }
    // Keys are names, whatever YAML would take them for.
    let loaded = read("version: 1\nagents: {null: {}, 010: {}, yes: {}, 1.0: {}}\n").unwrap();
    let mut ids: Vec<&str> = loaded.policy.agents().map(|agent| agent.id()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["010", "1.0", "null", "yes"]);
}

#[test]
fn a_large_policy_is_read_and_its_mistakes_are_found() {
    let mut text = "version: 1\nagents:\n".to_owned();
    for agent in 0..200 {
        write!(text, "  a{agent}:\n    rules:\n").unwrap();
        for rule in 0..50 {
            writeln!(
                text,
                "      - {{name: r{rule}, allow: [t{rule}.read, t{rule}.list], when: args.n <= {rule}}}"
            )
            .unwrap();
        }
    }
    assert_eq!(read(&text).unwrap().policy.agents().count(), 200);
    text.push_str("      - {name: late, allow: t7.read, when: args.m ==}\n");
    assert_eq!(mistakes(&text).len(), 1);
    // Rules that are all compared with each other.
    let mut text = "version: 1\nagents:\n  a:\n    rules:\n".to_owned();
    for rule in 0..3000 {
        writeln!(text, "      - {{name: d{rule}, deny: \"*x{rule}*y*\"}}\n      - {{name: a{rule}, allow: \"x{rule}.*\"}}").unwrap();
    }
    assert!(!mistakes(&text).is_empty());
}

#[test]
fn wildcards_are_not_compared_without_end() {
    let many = |write: &dyn Fn(usize) -> String| (0..10_001).map(write).collect::<Vec<_>>().join(", ");
    let (tools, globs) = (many(&|n| format!("t{n}: {{}}")), many(&|n| format!("\"t{n}*\"")));
    let text =
        format!("version: 1\ntools: {{{tools}}}\nagents: {{a: {{rules: [{{name: r, deny: [{globs}]}}]}}}}\n");
    assert_eq!(refused(&text), "too many wildcards for so many tools");
}

/// Pieces of policies, whole and broken, in any order.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "version: 1\n", "agents:\n", "  bot:\n", "    rules:\n", "      - ", "{name: r, allow: a}", "when: ", "args.n <= 5", "limits:\n",
            "{meter: usd, max: 1, per: 1d}", "tools: {a: {}}\n", "|\n", ">-\n", "\"", "'", "\\u00e9", "''", "[", "]", "{", "}", ", ", ": ",
            "\n", "  ", "\t", "\r\n", "\r", "# ", "&a ", "*a", "!t ", "<<: ", "---\n", "...\n", "? ", "- ", "é", "🙂", "tiers: {by: args.n, steps: [{up_to: 5}]}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A good text with one stretch replaced.
fn wounded() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![INIT, SAMPLE, SAMPLE_TESTS]);
    (text, any::<prop::sample::Index>(), 0..20_usize, "\\PC{0,6}").prop_map(|(text, at, cut, put)| {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, put.chars());
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer_with_places_inside_it(text in prop_oneof![soup(), wounded()]) {
        let problems = read(&text).map_or_else(|problems| problems, |loaded| loaded.warnings);
        prop_assert!(within(&text, &problems), "{:?}", brief(&problems));
        if let Err(problems) = cases("x", &text) {
            prop_assert!(!problems.is_empty() && within(&text, &problems), "{:?}", brief(&problems));
        }
    }

    /// What the lint about hidden rules rests on: a pattern that matches another's text matches all that
    /// the other matches.
    #[test]
    fn a_pattern_covers_what_the_pattern_it_matches_covers(wide in "[ab*]{1,6}", narrow in "[ab*]{1,6}", tool in "[ab]{1,8}") {
        let (wide, narrow_pattern) = (verdict::Pattern::new(&wide), verdict::Pattern::new(&narrow));
        if wide.matches(&narrow) && narrow_pattern.matches(&tool) {
            prop_assert!(wide.matches(&tool));
        }
    }

    #[test]
    fn a_condition_s_place_is_where_it_is_written(before in "[ \n]{0,3}", style in 0..5_usize, odd in "[a-z\"'é\\\\]{0,4}") {
        let text = odd.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "\\'");
        let cel = format!("args.x == \"{text}\" && zzz == 1");
        let written = match style {
            0 => format!("'{}'", cel.replace('\'', "''")),
            1 => format!("\"{}\"", cel.replace('\\', "\\\\").replace('"', "\\\"")),
            2 => format!("|\n{}          {cel}", "\n".repeat(before.len())),
            3 => format!(">-\n          {}", cel.replace(" && ", "\n          && ")),
            _ => cel.replace(" && ", " &&\n             "),
        };
        let policy = format!("version: 1\nagents:\n  bot:\n    rules:\n      - name: r\n        allow: a\n        when: {written}\n");
        let problems = read(&policy).unwrap_err();
        prop_assert_eq!(problems.len(), 1);
        let line = policy.lines().nth(problems[0].line - 1).unwrap();
        let there: String = line.chars().skip(problems[0].column - 1).take(3).collect();
        prop_assert_eq!(there, "zzz", "{}\n{:?}", policy, brief(&problems));
    }
}
