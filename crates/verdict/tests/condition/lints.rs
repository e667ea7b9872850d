//! What is said of an expression for every input: never anything that is not so.

use super::{compiled, with_scope};

#[test]
fn expressions_that_are_never_true_are_found() {
    for (source, why) in [
        ("false", "`false` is false for every input"),
        ("1 > 2", "`false` is false for every input"),
        ("args.a > 5 && args.a < 3", "`args.a > 5` and `args.a < 3` cannot both hold"),
        ("args.a > 5 && tool == 'x' && args.a <= 5", "`args.a > 5` and `args.a <= 5` cannot both hold"),
        ("5 < args.a && 3.5 >= args.a", "`5 < args.a` and `3.5 >= args.a` cannot both hold"),
        ("tool == 'a' && tool == 'b'", "`tool == \"a\"` and `tool == \"b\"` cannot both hold"),
        ("tool == 'a' && tool != 'a'", "`tool == \"a\"` and `tool != \"a\"` cannot both hold"),
        (
            "tool in ['a', 'b'] && tool == 'c'",
            "`tool in [\"a\", \"b\"]` and `tool == \"c\"` cannot both hold",
        ),
        (
            "tool in ['a', 'b'] && !(tool in ['b', 'a', 'c'])",
            "`tool in [\"a\", \"b\"]` and `!(tool in [\"b\", \"a\", \"c\"])` cannot both hold",
        ),
        (
            "(tool == 'a' || tool == 'b') && tool == 'c'",
            "`(tool == \"a\") || (tool == \"b\")` and `tool == \"c\"` cannot both hold",
        ),
        ("args.a == 1 && args.a > 1", "`args.a == 1` and `args.a > 1` cannot both hold"),
        ("args.a == 'x' && args.a > 1", "`args.a == \"x\"` and `args.a > 1` cannot both hold"),
        ("args.a > 1 && args.a < 'x'", "`args.a > 1` and `args.a < \"x\"` cannot both hold"),
        ("!(args.a < 5) && args.a < 4", "`!(args.a < 5)` and `args.a < 4` cannot both hold"),
        ("!(args.a > 5 || args.a < 9)", "`!(args.a > 5)` and `!(args.a < 9)` cannot both hold"),
        ("args.ok && !args.ok", "`args.ok` cannot be both true and false"),
        ("!has(args.a) && args.a > 1", "`args.a > 1` needs `args.a`, which `!has(args.a)` says is missing"),
        ("tool in []", "`[]` has nothing in it"),
        ("[].exists(x, x == tool)", "`[].exists(x, x == tool)` goes through nothing"),
        ("!([].all(x, x == tool))", "`[].all(x, x == tool)` goes through nothing"),
        ("args.a == 1 && false", "`false` is false for every input"),
        ("args.a == 1 ? false : 1 > 2", "`false` is false for every input"),
        (
            "(tool == 'a' && tool == 'b') || (args.a > 2 && args.a < 1)",
            "`tool == \"a\"` and `tool == \"b\"` cannot both hold",
        ),
        ("1 / 0 > 0", "division by zero"),
        ("[1, 2].all(x, x > 1)", "`[1, 2].all(x, x > 1)` is false for every input"),
    ] {
        assert_eq!(compiled(source).never_true().as_deref(), Some(why), "{source}");
        assert!(!compiled(source).always_true(), "{source}");
    }
}

#[test]
fn expressions_that_are_always_true_are_found() {
    for source in [
        "true",
        "1 < 2",
        "true || args.a == 1",
        "!(1 > 2)",
        "!(false && args.a)",
        "[1, 2].all(x, x > 0)",
        "true ? 'a' == 'a' : args.x",
    ] {
        assert!(compiled(source).always_true(), "{source}");
        assert_eq!(compiled(source).never_true(), None, "{source}");
    }
}

/// Expressions that can be true, with arguments for which they are.
#[test]
fn nothing_is_said_of_expressions_that_can_go_either_way() {
    for (source, args) in [
        ("args.a > 5 && args.a < 6", r#"{"a": 5.5}"#),
        ("args.a >= 5 && args.a <= 5", r#"{"a": 5}"#),
        ("args.a >= 5 && args.a <= 5u", r#"{"a": 5.0}"#),
        ("args.a > 5 && args.b < 3", r#"{"a": 6, "b": 2}"#),
        ("args.a > 5 || args.a < 3", r#"{"a": 1}"#),
        ("args.a == 1 && args.a == 1.0", r#"{"a": 1}"#),
        ("args.a != 1 && args.a != 2", r#"{"a": 3}"#),
        ("args.a in ['x', 'y'] && args.a != 'x'", r#"{"a": "y"}"#),
        ("args.a in [1, 'y'] && args.a > 0", r#"{"a": 1}"#),
        ("(args.a == 'x' || args.b == 'y') && args.a == 'z'", r#"{"a": "z", "b": "y"}"#),
        ("has(args.a) && args.a > 1", r#"{"a": 2}"#),
        ("!has(args.b) && args.a > 1", r#"{"a": 2}"#),
        ("!has(args.b) || args.b > 1", r#"{"b": 2}"#),
        (
            "args.x / args.y != 1.0 && !(args.x / args.y < 1.0) && !(args.x / args.y >= 1.0)",
            r#"{"x": 0.5, "y": 0.5}"#,
        ),
        ("args.l.exists(x, x == 1) && args.l.exists(x, x == 2)", r#"{"l": [1, 2]}"#),
        ("args.l.all(x, x > 1) && args.l.all(x, x < 1)", r#"{"l": []}"#),
        ("args.a == args.b && args.a > 5 && args.b < 7", r#"{"a": 6, "b": 6}"#),
        ("!(tool in [])", "{}"),
        ("args.a == true || args.a == false", r#"{"a": true}"#),
        ("args.a == [1] && args.a == [1.0]", r#"{"a": [1]}"#),
        ("args.a < 'b' && args.a > 'a'", r#"{"a": "aa"}"#),
        ("args.a == 'x' ? false : true", r#"{"a": "y"}"#),
        ("args.ok || !args.ok", r#"{"ok": true}"#),
        ("!([].all(x, x == tool)) || args.ok", r#"{"ok": true}"#),
    ] {
        let condition = compiled(source);
        assert_eq!(condition.never_true(), None, "{source}");
        assert!(!condition.always_true(), "{source}");
        if !source.contains("args.x / ") {
            assert_eq!(with_scope(args, |scope| condition.eval(scope)), Ok(true), "{source}");
        }
    }
}
