//! Agreement with the interpreter of the `cel` crate, on expressions and arguments that are made up.
//!
//! Differences that are meant, and therefore kept out of what is made up:
//! - What has the wrong type whatever the input is refused when it is compiled; the interpreter fails or, where
//!   the other side of `||` or `&&` decides, does not notice.
//! - Arithmetic whose result is not a number (0.0 / 0.0) is an error here, so that no `!` makes a yes of it. Divisors
//!   are literals here.
//! - Integers beyond 2^53 are compared with doubles exactly; the interpreter rounds the integer first. So no double is
//!   made of an integer of the arguments here: it would stand beside the integer it was rounded from.

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, Env, Value};
use proptest::prelude::*;
use verdict::Json;
use verdict::condition::{Condition, Root, Scope};

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Int(n) => Value::Int(*n),
        Json::Float(x) => Value::Float(*x),
        Json::Str(text) => Value::String(Arc::new(text.clone())),
        Json::List(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Map(map) => {
            let map: HashMap<String, Value> =
                map.iter().map(|(key, json)| (key.to_owned(), value(json))).collect();
            Value::Map(map.into())
        }
    }
}

/// What the interpreter makes of an expression; none for an error or what is no boolean.
fn theirs(source: &str, args: &Json, env: &Arc<Env>) -> Option<bool> {
    let program = env.compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let mut context = Context::with_env(Arc::clone(env));
    context.add_variable_from_value("args", value(args));
    match program.execute(&context) {
        Ok(Value::Bool(b)) => Some(b),
        _ => None,
    }
}

fn agree(source: &str, args: &Json, env: &Arc<Env>) {
    let Ok(condition) = Condition::compile(source, &["args"]) else { return };
    let ours = condition.eval(&Scope(&[Root::Json(args)]));
    let theirs = theirs(source, args, env);
    assert_eq!(ours.clone().ok(), theirs, "{source}\nargs {}\nours {ours:?}", args.canonical());
    if condition.never_true().is_some() {
        assert_ne!(theirs, Some(true), "{source} is said to be never true");
    }
    if condition.always_true() {
        assert_eq!(theirs, Some(true), "{source} is said to be always true");
    }
}

fn pick(of: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(of).prop_map(str::to_owned).boxed()
}

fn number() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        8 => pick(&["args.i", "args.j", "args.f", "args.g", "args.l[0]", "args.m.x", "args.m['y']", "args.gone", "args.s"]),
        6 => pick(&["0", "1", "2", "-1", "7", "1.5", "0.0", "-2.5", "1u", "3u", "9223372036854775807", "-9223372036854775808", "1e18"]),
        1 => pick(&["size(args.s)", "size(args.l)", "args.w.size()", "size(args.m)", "args.l[args.i]", "int(args.f)", "double(size(args.l))",
            "int(args.s)", "uint(args.j)", "double(args.s)", "int('12')"]),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), pick(&["+", "-", "*", "%"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), pick(&["0", "2", "-1", "3u", "-2.5"])).prop_map(|(a, b)| format!("({a} / {b})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (condition(), inner.clone(), inner).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
        ]
    })
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        6 => pick(&["args.s", "args.t", "args.w[0]", "args.w[1]", "args.gone", "args.i"]),
        4 => pick(&["'a'", "'ab'", "''", "'é'", "'b'", "\"12\"", "'abc'"]),
        2 => pick(&["args.s + args.t", "args.s + 'b'", "string(args.i)", "string(args.b)", "args.m.z"]),
    ]
    .boxed()
}

fn list() -> BoxedStrategy<String> {
    prop_oneof![
        6 => pick(&["args.l", "args.w", "args.m", "[]", "[1, 2, 3]", "['a', 'b']", "[1, 'a', null, 2.5]", "args.s", "args.gone"]),
        1 => (number(), number()).prop_map(|(a, b)| format!("[{a}, {b}]")),
        1 => number().prop_map(|a| format!("args.l + [{a}]")),
        1 => pick(&["args.l.map(x, x + 1)", "args.w.filter(x, x != 'a')", "args.m.map(k, args.m[k])", "args.l.map(x, x > 1, x * 2)",
            "args.l.filter(x, x > args.i)", "args.w.map(x, x + 'a')"]),
    ]
    .boxed()
}

/// A comparison, a test or a walk, without logic above it.
fn condition() -> BoxedStrategy<String> {
    let relation = || pick(&["==", "!=", "<", "<=", ">", ">="]);
    let anything = || {
        pick(&[
            "args.i",
            "args.f",
            "args.s",
            "args.b",
            "args.n",
            "args.l",
            "args.m",
            "args.gone",
            "1",
            "1.0",
            "1u",
            "'a'",
            "true",
            "null",
            "[]",
            "[1]",
            "[1.0, 'a']",
            "{'x': 1}",
            "{'x': 1.0, 'y': 2}",
            "{}",
            "b'a'",
            "bytes(args.s)",
        ])
    };
    prop_oneof![
        4 => pick(&["true", "false", "args.b", "args.n", "has(args.i)", "has(args.gone)", "has(args.m.x)", "has(args.gone.x)", "args.gone",
            "has(args.s.x)", "args.i"]),
        3 => (anything(), pick(&["==", "!="]), anything()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        2 => (anything(), relation(), anything()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        3 => (text(), relation(), text()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        3 => (text(), pick(&["contains", "startsWith", "endsWith"]), text()).prop_map(|(a, f, b)| format!("({a}).{f}({b})")),
        1 => (text(), pick(&["'^a'", "'b$'", "'^[a-z]+$'", "''", "'é'"])).prop_map(|(a, p)| format!("({a}).matches({p})")),
        3 => (anything(), list()).prop_map(|(a, l)| format!("{a} in {l}")),
        2 => (list(), pick(&["all", "exists", "exists_one"]), pick(&["x > 1", "x == 'a'", "x == args.i", "x != null", "args.gone", "x < args.f",
            "args.l.exists(y, y == x)", "true", "x in args.m"]))
            .prop_map(|(l, f, p)| format!("({l}).{f}(x, {p})")),
        1 => (list(), pick(&["==", "!="]), list()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => (pick(&["int", "uint", "double", "string", "bool", "list", "map", "null_type", "bytes"]), anything())
            .prop_map(|(t, a)| format!("type({a}) == {t}")),
    ]
    .boxed()
}

fn expression() -> BoxedStrategy<String> {
    let relation = pick(&["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        2 => condition(),
        2 => (number(), relation, number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) && ({b}) && ({c})")),
            1 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
    .boxed()
}

fn arguments() -> BoxedStrategy<Json> {
    let int = || prop_oneof![4 => -3_i64..9, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()];
    let float = prop_oneof![3 => (-6_i32..12).prop_map(|n| f64::from(n) / 2.0), 1 => -1e6_f64..1e6];
    let word = || prop::sample::select(vec!["", "a", "ab", "b", "é", "12", "abc", "true"]);
    let ints = prop::collection::vec(int(), 0..4);
    let words = prop::collection::vec(word(), 0..3);
    (int(), int(), float, word(), word(), ints, words, any::<bool>())
        .prop_map(|(i, j, f, s, t, l, w, b)| {
            let text = serde_json::json!({
                "i": i, "j": j, "f": f, "g": 2.0, "s": s, "t": t, "l": l, "w": w, "b": b, "n": null, "m": {"x": i, "y": 2.5, "z": s}
            });
            Json::parse(text.to_string().as_bytes()).unwrap()
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn made_up_expressions_agree(source in expression(), args in prop::collection::vec(arguments(), 6)) {
        let env = Arc::new(Env::stdlib());
        args.iter().for_each(|args| agree(&source, args, &env));
    }
}

#[test]
fn expressions_on_times_agree() {
    let env = Arc::new(Env::stdlib());
    let args = Json::parse(br#"{"when": "2024-02-29T23:59:58.123Z", "early": "0001-01-01T00:00:00Z", "span": "1h30m1.5s", "n": 60}"#).unwrap();
    let mut sources = Vec::new();
    for part in [
        "FullYear",
        "Month",
        "Date",
        "DayOfMonth",
        "DayOfWeek",
        "DayOfYear",
        "Hours",
        "Minutes",
        "Seconds",
        "Milliseconds",
    ] {
        for value in 0..60 {
            sources.push(format!("timestamp(args.when).get{part}() == {value}"));
            sources.push(format!("timestamp(args.when).get{part}('+05:30') == {value}"));
            sources.push(format!("timestamp(args.early).get{part}() == {value}"));
        }
        sources.push(format!("timestamp(args.when).get{part}() in [123, 2024, 59]"));
        sources.push(format!("duration(args.span).get{part}() in [1, 90, 5401, 5401500]"));
    }
    for whole in [
        "timestamp(args.when) + duration(args.span) == timestamp('2024-03-01T01:29:59.623Z')",
        "timestamp(args.when) - timestamp(args.when) == duration('0s')",
        "string(timestamp(args.when)) == args.when",
        "string(duration(args.span)) == '5401.5s'",
        "int(timestamp(args.when)) == 1709251198",
        "timestamp(args.early) - duration('1s') < timestamp(args.when)",
        "duration(args.when) == duration('1s')",
        "timestamp(args.span) == timestamp(args.when)",
        "duration('-1.5h') < duration('1ns')",
        "timestamp(args.n) == timestamp('1970-01-01T00:01:00Z')",
        "timestamp('2024-02-29T23:59:58.123+14:00') < timestamp(args.when)",
        "timestamp(args.when) == args.when",
    ] {
        sources.push(whole.to_owned());
    }
    sources.iter().for_each(|source| agree(source, &args, &env));
}
