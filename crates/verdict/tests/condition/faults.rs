//! What is refused when an expression is compiled, where, and with what help.

use verdict::condition::Condition;

use super::ROOTS;

/// Each fault as `offset: message (help)`.
fn faults(source: &str) -> Vec<String> {
    let faults = Condition::compile(source, ROOTS).expect_err(source);
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.offset <= source.len()), "{source}");
    let help = |help: &Option<String>| help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    faults.iter().map(|fault| format!("{}: {}{}", fault.offset, fault.message, help(&fault.help))).collect()
}

fn one(source: &str, expected: &str) {
    assert_eq!(faults(source), [expected], "{source}");
}

#[test]
fn unknown_names_are_named_with_the_nearest_known_one() {
    one("arg.amount <= 200", "0: `arg` is not known (did you mean `args`?)");
    one(
        "args.amount <= 200 && enviroment == 'x'",
        "22: `enviroment` is not known (did you mean `environment`?)",
    );
    one("agrs.a == 1", "0: `agrs` is not known (did you mean `args`?)");
    one(
        "tool == refund",
        "8: `refund` is not known (known names: `args`, `tool`, `environment`, `user`, `now`, `labels`, `absent`; put texts in quotes)",
    );
    one("tool.startWith('a')", "14: function `startWith` is not known (did you mean `startsWith`?)");
    one("tool.frobnicate('a')", "15: function `frobnicate` is not known");
    one("args.l.all(item, itme > 1)", "17: `itme` is not known (did you mean `item`?)");
    one(
        "args.l.all(i, true) && i > 1",
        "23: `i` is not known (known names: `args`, `tool`, `environment`, `user`, `now`, `labels`, `absent`; put texts in quotes)",
    );
}

#[test]
fn all_faults_are_reported_in_order() {
    assert_eq!(faults("arg.a == 1 && tool.startWith('x') || size() == 1 && tool.matches('(')").len(), 4);
    assert_eq!(
        faults("é == 1 || tool == 'é' && x == 1 && y == 2").first().map(String::as_str),
        Some("0: `\\u{e9}` has no meaning here (put texts in quotes)")
    );
    assert_eq!(
        faults("tool == 'é' && xy == 1 && z == 2")
            .iter()
            .map(|f| f.split_once(':').unwrap().0)
            .collect::<Vec<_>>(),
        ["16", "27"]
    );
}

#[test]
fn calls_that_do_not_fit() {
    one("tool.size(1) == 1", "9: `size` takes 0 arguments here, and 1 are given");
    one("size() == 1", "4: `size` takes 1 arguments here, and 0 are given");
    one("tool.substring(1, 2, 3) == ''", "14: `substring` takes 1 to 2 arguments here, and 3 are given");
    one("startsWith(tool, 'a')", "10: `startsWith` is not called like this (write `x.startsWith(...)`)");
    one("tool.int() == 1", "8: `int` is not called like this (write `int(x)`)");
    one("tool.startsWith(5)", "16: `5` is a number, and `startsWith` needs a string");
    one("args.l.all(5, true)", "11: `all` needs a plain name first (write `list.all(item, ...)`)");
    one("args.l.all(x)", "10: `all` takes a name and what to do with it (write `list.all(item, ...)`)");
    assert_eq!(
        faults("all(args.l, x, true)").first().map(String::as_str),
        Some(
            "3: `all` is not called like this (write it after a list, as in `args.list.all(item, item > 0)`)"
        )
    );
}

#[test]
fn patterns_and_times_that_are_written_out_are_checked() {
    one(
        "tool.matches('(')",
        "13: this pattern is no regular expression: unclosed group (patterns are in RE2 syntax, without look-around and back-references)",
    );
    one(
        "tool.matches(args.pattern)",
        "17: the pattern of `matches` is not written out (write it as a text: a pattern from input could be anyone's)",
    );
    one(
        "tool.matches('(?=a)')",
        "13: this pattern is no regular expression: look-around, including look-ahead and look-behind, is not supported (patterns are in RE2 syntax, without look-around and back-references)",
    );
    one(
        "tool.matches('((a{100}){100}){100}')",
        "13: this pattern is too large (patterns are in RE2 syntax, without look-around and back-references)",
    );
    one(
        "now.getHours('Europe/Paris') == 1",
        "13: time zone `Europe/Paris` is not supported (write `UTC` or a fixed offset such as `+02:00`)",
    );
    one(
        "now > timestamp('yesterday')",
        "16: `timestamp(\"yesterday\")` cannot be worked out: a timestamp looks like `2026-01-31T09:30:00Z`, from year 1 to 9999",
    );
    one(
        "now - now > duration('1 day')",
        "21: `duration(\"1 day\")` cannot be worked out: a duration looks like `1h30m`, `15m` or `1.5s`, up to 292 years",
    );
    for text in [
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00.Z",
        "+2026-01-01T00:00:00Z",
        "2026-1-1T00:00:00Z",
        "2026-01-01T00:00:00+25:00",
        "",
    ] {
        assert_eq!(faults(&format!("now > timestamp('{text}')")).len(), 1, "{text}");
    }
    for text in ["", "1", "h", "1x", "-", "1h1", ".s", "1..5s", "99999999999h", "1h -5m"] {
        assert_eq!(faults(&format!("now - now > duration('{text}')")).len(), 1, "{text}");
    }
}

#[test]
fn a_result_that_is_no_boolean() {
    one("5", "0: `5` is a number and neither true nor false (compare it with something, such as `... == 1`)");
    one(
        "'yes'",
        "0: `\"yes\"` is a string and neither true nor false (compare it with something, such as `... == 1`)",
    );
    one(
        "args.a + 1",
        "7: `args.a + 1` is a number and neither true nor false (compare it with something, such as `... == 1`)",
    );
    one(
        "size(args.a) && true",
        "4: `size(args.a)` is a number and neither true nor false (compare it with something, such as `... == 1`)",
    );
    one("!(args.a - 1)", "9: `args.a - 1` is a number, a timestamp or a duration and neither true nor false (compare it with something, such as `... == 1`)".replace("a number, a timestamp or a duration", "a number").as_str());
    one(
        "args.ok ? 1 : 2",
        "8: `args.ok ? 1 : 2` is a number and neither true nor false (compare it with something, such as `... == 1`)",
    );
    one(
        "[1]",
        "0: `[1]` is a list and neither true nor false (compare it with something, such as `... == 1`)",
    );
    one("'a' < 1", "4: `\"a\"` is a string and cannot be compared with `1`, which is a number");
    one(
        "size(tool) < 'a'",
        "11: `size(tool)` is a number and cannot be compared with `\"a\"`, which is a string",
    );
    one(
        "1 + 1.5 == args.x",
        "2: `1` is a number and cannot be added to `1.5`, which is a number (write both as integers or both with a fraction, such as `2.0`)",
    );
    one("'a' * 2 == args.x", "4: `\"a\"` is a string and cannot be multiplied by `2`, which is a number");
    one("1 in 5", "2: `5` is a number, and `in` needs a list or an object");
    one("'x'.y == 1", "3: `\"x\"` is a string, and `.y` needs an object");
}

#[test]
fn text_that_is_no_expression() {
    one("", "0: an expression is missing (write one such as `args.amount <= 200`)");
    one(" \n\t ", "0: an expression is missing (write one such as `args.amount <= 200`)");
    one("args.amount = 5", "12: `=` compares nothing (write `==`)");
    one("args.a & args.b", "7: `&` is no operator (write `&&`)");
    one("args.a | args.b", "7: `|` is no operator (write `||`)");
    one("tool == 'a' and true", "12: `and` is not expected here (write `&&`)");
    one("not args.ok", "4: `args` is not expected here");
    one("tool == \"a", "8: this string has no closing quote (close it on the same line)");
    one("tool == 'a\nb'", "8: this string has no closing quote (close it on the same line)");
    one("(args.a == 1", "0: `(` is never closed (close it)");
    one("args.a == 1)", "11: `)` closes nothing (check the brackets)");
    one("(args.a == 1]", "12: `(` is closed by `]` (check the brackets)");
    one("args.amount <=", "14: the expression ends where something more is needed");
    one("args.a == @", "10: `@` has no meaning here (put texts in quotes)");
    one("args.a == 9223372036854775808", "10: this number is out of range");
    one("args.a == 1e999", "10: this number is out of range");
    one(
        "tool == '\\q'",
        "8: this text has an escape that means nothing (write `\\\\` for a backslash, or put `r` before the opening quote)",
    );
    one(
        "tool == '\\ud800'",
        "8: this text has an escape that means nothing (write `\\\\` for a backslash, or put `r` before the opening quote)",
    );
    one("args.?a == 1", "4: optional values (`?`) are not supported (test with `has(...)` first)");
    one("args[?'a'] == 1", "4: optional values (`?`) are not supported (test with `has(...)` first)");
    one(
        "Foo{a: 1} == 2",
        "3: `Foo{...}` makes a message, which is not supported (write an object: `{\"name\": value}`)",
    );
    one("args.a == 1 args.b", "12: `args` is not expected here");
    one(
        "has(args)",
        "3: `has` needs a field (write `has(args.name)`; for a key that is no name, `\"the-key\" in args`)",
    );
    one(
        "if",
        "0: this name is reserved and cannot be used (write `args[\"name\"]` for a key with such a name)",
    );
}
