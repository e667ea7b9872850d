//! Expressions and inputs made to hurt: each ends in a fault or an error, soon, and nothing falls over.

use proptest::prelude::*;
use verdict::Json;
use verdict::condition::{Condition, Root, Scope};

use super::{ROOTS, compiled, with_scope, worth};

fn refused(source: &str, part: &str) {
    let faults = Condition::compile(source, ROOTS).expect_err(part);
    assert!(faults[0].message.contains(part), "{faults:?}");
}

#[test]
fn deep_expressions_are_refused_before_they_are_parsed() {
    for (open, inner, close) in [
        ("(", "true", ")"),
        ("[", "1", "]"),
        ("!(", "true", ")"),
        ("-(", "1", ")"),
        ("{1: ", "1", "}"),
        ("size(", "tool", ")"),
        ("true ? true : ", "true", ""),
        ("!", "true", ""),
        ("- ", "1", ""),
        ("args.l.all(x, ", "true", ")"),
        ("1 + ", "1", ""),
        ("a.", "a", ""),
        ("", "args", "[0]"),
        ("", "args", ".a"),
        ("", "args", ".trim()"),
        ("1 < ", "1", ""),
        ("", "1", " in [1]"),
        ("true ? ", "true", " : true"),
    ] {
        let source = format!("{}{inner}{}", open.repeat(200), close.repeat(200));
        refused(&source, "64 levels deep");
    }
    refused(&"(".repeat(4096), "64 levels deep");
    refused(&"[".repeat(70), "64 levels deep");
}

/// As deep as is let through, in a thread with a small stack.
#[test]
fn what_is_let_through_fits_a_small_stack() {
    let depth = 62;
    let sources = [
        format!("{}true{}", "(".repeat(depth), ")".repeat(depth)),
        format!("{}true{}", "!(".repeat(depth / 2), ")".repeat(depth / 2)),
        format!("{}1{} == 1", "[".repeat(depth), "]".repeat(depth)),
        format!("{}true", "true ? true : ".repeat(depth)),
        format!("{}1 == 1", "1 + ".repeat(depth - 1)),
        format!("args{} == 1", ".a".repeat(depth - 2)),
        format!("{}true{}", "args.l.all(x, ".repeat(20), ")".repeat(20)),
        format!("{}args{} == 1", "size(".repeat(30), ")".repeat(30)),
        format!("{}1{} == 1", "{'a': ".repeat(depth), "}".repeat(depth)),
        format!("{}1{} == 1", "args[".repeat(30), "]".repeat(30)),
        format!("{}args.x == 1 && true{}", "(true || (".repeat(30), "))".repeat(30)),
    ];
    let run = move || {
        for source in &sources {
            let _ = Condition::compile(source, ROOTS).map(|condition| {
                let _ = (condition.reads(), condition.never_true(), condition.always_true());
                with_scope("{}", |scope| (condition.eval(scope).is_ok(), condition.lacks(scope).len()))
            });
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn long_flat_expressions_are_decided() {
    let many = |part: &str, by: &str, most: usize| {
        let count = most / (part.len() + by.len());
        vec![part; count].join(by)
    };
    assert_eq!(worth(&many("args.no", "||", 4090), r#"{"no": false}"#), "false");
    assert_eq!(worth(&many("args.ok", "&&", 4090), r#"{"ok": true}"#), "true");
    assert_eq!(worth(&many("!args.no", " && ", 4090), r#"{"no": false}"#), "true");
    assert_eq!(worth(&format!("1 in [{}]", many("2", ",", 4080)), "{}"), "false");
    assert_eq!(worth(&format!("{{{}}} == {{}}", many("1: 2", ",", 4080)), "{}"), "key `1` is given twice");
    assert_eq!(worth(&many("(args.no && args.no)", "||", 4090), r#"{"no": false}"#), "false");
    refused(&many("true", "||", 5000), "an expression may have 4096 bytes");
}

#[test]
fn the_budget_ends_what_goes_on_too_long() {
    let list = format!(r#"{{"l": [{}], "t": "{}"}}"#, vec!["1"; 2_000].join(","), "a".repeat(400_000));
    let gave_up = "gave up after 10,000 steps";
    for source in [
        "args.l.all(x, args.l.all(y, args.l.all(z, z == 1)))",
        "args.l.map(x, args.l.map(y, args.l)).size() > 0",
        "args.l.exists(x, args.l.exists(y, y == 2)) || true",
        "true && args.l.exists(x, args.l.exists(y, y == 2))",
        "args.l.all(x, args.t.contains('b')) || true",
        "args.t.matches('b')",
        "args.l.all(x, args.t == args.t)",
        "args.l.all(x, args.l == args.l.map(y, y))",
        "(args.l + args.l).all(x, x in (args.l + args.l)) && (args.l + args.l + args.l + args.l + args.l) == []",
        "args.t.split('').size() > 1",
        "args.l.all(x, [args.gone].exists(y, y) || true)",
    ] {
        assert_eq!(worth(source, &list), gave_up, "{source}");
    }
    let text = format!(r#"{{"t": "{}"}}"#, "a".repeat(1_000));
    for source in [
        "args.t.replace('', args.t) == ''",
        "[1,2,3,4,5,6,7].map(x, args.t.replace('a', 'aaaaaaaaaa')).size() == 7",
    ] {
        assert_eq!(worth(source, &text), "gave up after building 64 KiB of text", "{source}");
    }
    let doubled = vec!["args.t"; 60].join(" + ");
    assert_eq!(
        worth(&format!("({doubled}) + ({doubled}) == ''").replace(") + (", ") == ("), &text),
        gave_up_or_text()
    );
}

/// 60 texts of 1,000 bytes, added one by one, come to more than 64 KiB in all.
fn gave_up_or_text() -> &'static str {
    "gave up after building 64 KiB of text"
}

#[test]
fn slow_patterns_are_charged_for() {
    let text = format!(r#"{{"t": "{}"}}"#, "a".repeat(30_000));
    assert_eq!(worth("args.t.matches('^a+$')", &text), "true");
    for pattern in ["(a*)*b", "(a|aa)+$", "a{0,50}{0,10}b", "(?:a?){50}a{50}b", "(\\\\w+\\\\s?)+b"] {
        let source = format!("args.t.matches('{pattern}')");
        let Ok(condition) = Condition::compile(&source, ROOTS) else { continue };
        let _ = with_scope(&text, |scope| condition.eval(scope));
    }
}

#[test]
fn inputs_that_are_odd() {
    let roots = [Root::Double(f64::NAN)];
    for (source, expected) in
        [("x < 1", false), ("x >= 1", false), ("x == x", false), ("x != x", true), ("!(x > 1)", true)]
    {
        assert_eq!(
            Condition::compile(source, &["x"]).unwrap().eval(&Scope(&roots)),
            Ok(expected),
            "{source}"
        );
    }
    let short = Condition::compile("y == 1", &["x", "y"]).unwrap();
    assert_eq!(short.eval(&Scope(&roots)).unwrap_err().to_string(), "`y` is missing");
    for micros in [i64::MIN, i64::MAX] {
        let roots = [Root::Time(micros)];
        let time =
            Condition::compile("t.getFullYear() > 0 && string(t) != '' && t + duration('1h') > t", &["t"])
                .unwrap();
        assert!(time.eval(&Scope(&roots)).is_err() || micros == i64::MIN);
    }
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let json = Json::parse(deep.as_bytes()).unwrap();
    let same = Condition::compile("x == y && x in [y]", &["x", "y"]).unwrap();
    assert_eq!(same.eval(&Scope(&[Root::Json(&json), Root::Json(&json)])), Ok(true));
    assert_eq!(worth("'\u{1F600}'.size() == 1 && args.a == '\u{1F600}'", r#"{"a": "\ud83d\ude00"}"#), "true");
}

#[test]
fn conditions_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    let condition = compiled("args.amount <= 200 && tool.matches('^a')");
    shared(&condition);
    assert_eq!(condition.clone().source(), condition.source());
}

const PIECES: &[&str] = &[
    "args",
    ".a",
    ".",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "1",
    "1.5",
    "2u",
    "0x",
    "'x'",
    "\"",
    "'",
    "'''",
    "r'\\'",
    "b'\\xff'",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    "in",
    "&&",
    "||",
    "?",
    ":",
    ",",
    "has(",
    "size(",
    ".all(x, ",
    ".map(y, ",
    "x",
    "true",
    "null",
    "//",
    "\n",
    " ",
    "\\",
    "`",
    "é",
    "\u{0}",
    "\u{1F600}",
    ".matches('",
    "timestamp('",
    "duration('1h')",
    "9999999999999999999",
    "1e9999",
    "if",
    "@",
    "#",
    "$",
    ";",
    "\u{feff}",
    "\u{202e}",
    ".?",
    "[?",
    "Foo{",
    "'\\u",
    "'\\777'",
    "int",
    "type(",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text at all compiles or is refused; what compiles can be decided, explained and linted.
    #[test]
    fn any_text_is_digested(source in "\\PC{0,60}|[ -~\n]{0,80}") {
        digest(&source);
    }

    #[test]
    fn any_row_of_tokens_is_digested(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        digest(&pieces.concat());
        digest(&pieces.join(" "));
    }
}

fn digest(source: &str) {
    match Condition::compile(source, ROOTS) {
        Ok(condition) => {
            let outcome = with_scope(r#"{"a": 1}"#, |scope| (condition.eval(scope), condition.lacks(scope)));
            prop_assert_settled(&condition, &outcome.0);
            assert_eq!(outcome.0 == Ok(true), outcome.1.is_empty(), "{source}: {outcome:?}");
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "{source:?}");
            for fault in faults {
                assert!(
                    fault.offset <= source.len() && source.is_char_boundary(fault.offset),
                    "{source:?}: {fault:?}"
                );
                assert!(
                    !fault.message.is_empty() && !fault.message.contains("IdedExpr"),
                    "{source:?}: {fault:?}"
                );
            }
        }
    }
}

/// What is said for every input is so for this one.
fn prop_assert_settled(condition: &Condition, outcome: &Result<bool, verdict::condition::EvalError>) {
    assert!(condition.never_true().is_none() || *outcome != Ok(true), "{}", condition.source());
    assert!(!condition.always_true() || *outcome == Ok(true), "{}", condition.source());
}
