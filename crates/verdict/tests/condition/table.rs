//! Expression by expression: what each operator and function is worth.

use super::{compiled, with_scope, worth};

const ARGS: &str = r#"{
  "amount": 150, "negative": -7, "price": 2.5, "whole": 2.0, "name": "Ann", "empty": "", "host": "api.stripe.com",
  "ok": true, "no": false, "nothing": null, "list": [1, 2, 3], "words": ["a", "b"], "mixed": [1, "a", null, 2.0],
  "deep": {"a": {"b": [{"c": 5}]}}, "none": [], "object": {"x": 1, "y": 2}, "content-type": "text/plain",
  "max": 9223372036854775807, "min": -9223372036854775808, "big": 9007199254740993, "when": "2026-01-31T09:30:00Z"
}"#;

fn all(expected: &str, sources: &[&str]) {
    for source in sources {
        assert_eq!(worth(source, ARGS), expected, "{source}");
    }
}

#[test]
fn comparisons() {
    all(
        "true",
        &[
            "args.amount <= 200",
            "args.amount == 150",
            "150 == args.amount",
            "args.amount != 151",
            "args.amount < 150.5",
            "args.amount > 149u",
            "args.whole == 2",
            "args.price > 2",
            "args.price == 2.5",
            "args.name == 'Ann'",
            "args.name < 'Anna'",
            "'a' < 'b'",
            "b'a' < b'b'",
            "false < true",
            "args.nothing == null",
            "args.ok == true",
            "args.ok != args.no",
            "args.ok",
            "!args.no",
            "args.list == [1, 2, 3]",
            "args.list == [1.0, 2u, 3]",
            "args.object == {'y': 2, 'x': 1}",
            "args.list != [1, 2]",
            "args.name != 5",
            "args.nothing != 0",
            "{1: 'a'} == {1u: 'a'}",
            "args.amount >= 150 && args.amount <= 150",
            "tool == 'stripe.refund'",
            "user.age == 41",
            "labels == ['untrusted', 'private']",
            "int != string",
            "type(args.amount) == int",
            "type(args.price) == double",
            "type(args.list) == list",
            "type(args.object) == map",
            "type(null) == null_type",
            "type(now) == google.protobuf.Timestamp",
            "type(duration('1s')) == google.protobuf.Duration",
            "type(type(1)) == type",
            "type(b'') == bytes",
            "type(1u) == uint",
            "type(user) == map",
        ],
    );
    all(
        "false",
        &["args.amount > 200", "args.amount == '150'", "args.name == 'ann'", "null == false", "args.no"],
    );
}

#[test]
fn numbers_are_compared_exactly() {
    all(
        "true",
        &[
            "args.big != 9007199254740992.0",
            "args.big > 9007199254740992.0",
            "9007199254740992.0 < args.big",
            "args.max < 9223372036854775808.0",
            "args.max != 9223372036854775808.0",
            "args.min == -9223372036854775808.0",
            "args.max < 18446744073709551615u",
            "args.negative < 0u",
            "18446744073709551615u < 18446744073709551616.0",
            "18446744073709551615u != 18446744073709551616.0",
            "-0.5 < 0",
            "0 > -0.5",
            "0.5 > 0",
            "-0.0 == 0",
            "1e300 > 5",
            "-1e300 < 5u",
            "args.max == 9223372036854775807u",
            "1.5 > 1u",
        ],
    );
}

#[test]
fn logic_absorbs_errors_that_do_not_matter() {
    all(
        "true",
        &[
            "args.gone == 1 || true",
            "true || args.gone == 1",
            "args.ok || args.gone",
            "args.name || true",
            "!(args.gone == 1 && false)",
            "args.ok ? true : args.gone",
            "args.no ? args.gone : args.ok",
            "args.gone == 1 || args.gone == 2 || args.ok",
        ],
    );
    all(
        "false",
        &[
            "args.gone == 1 && false",
            "false && args.gone == 1",
            "args.gone && args.no",
            "args.name && args.no",
        ],
    );
    all(
        "`args.gone` is missing",
        &[
            "args.gone == 1",
            "args.gone == 1 && true",
            "true && args.gone == 1",
            "args.gone == 1 || false",
            "!args.gone",
            "args.gone ? true : false",
            "args.gone != 1",
            "args.gone.further == 1",
            "args.gone == 1 || args.other == 1",
            "has(args.gone.further)",
            "size(args.gone) == 0",
            "args.gone in [1]",
            "args['gone'] == 1",
        ],
    );
}

#[test]
fn fields_and_elements() {
    all(
        "true",
        &[
            "has(args.amount)",
            "!has(args.gone)",
            "has(args.deep.a.b)",
            "!has(args.deep.a.x)",
            "has(args.nothing)",
            "has(user.name)",
            "!has(user.team)",
            "!has(user.gone)",
            "args.deep.a.b[0].c == 5",
            "args.list[0] == 1",
            "args.list[2u] == 3",
            "args.list[1.0] == 2",
            "args['content-type'] == 'text/plain'",
            "args.`content-type` == 'text/plain'",
            "args['deep'].a['b'][0]['c'] == 5",
            "{'a': 1}.a == 1",
            "{'a': {'b': 2}}['a'].b == 2",
            "{1: 'x'}[1.0] == 'x'",
            "{true: 1}[true] == 1",
            "[1, [2, 3]][1][0] == 2",
            "has({'a': 1}.a)",
            "!has({'a': 1}.b)",
            "args.object['x'] == 1",
            "labels[0] == 'untrusted'",
        ],
    );
    for (source, expected) in [
        ("args.list[3] == 1", "`args.list` has 3 elements and none at 3"),
        ("args.list[-1] == 1", "`args.list` has 3 elements and none at -1"),
        (
            "args.list[0.5] == 1",
            "`args.list` is a list, and `0.5` is a fractional number and no position in it",
        ),
        ("args.list['a'] == 1", "`args.list` is a list and has no `a`"),
        ("args.name.x == 1", "`args.name` is a string and has no `x`"),
        ("has(args.name.x)", "`args.name` is a string and has no `x`"),
        ("args.amount[0] == 1", "`args.amount` is a number, and `[...]` needs a list or an object"),
        ("user.team == 'x'", "`user.team` is missing"),
        ("absent == 1", "`absent` is missing"),
        ("absent.x == 1", "`absent` is missing"),
        ("has(absent.x)", "`absent` is missing"),
        ("args['no such'] == 1", "`args[\"no such\"]` is missing"),
        ("args.object[args.name] == 1", "`args.object[args.name]` is missing"),
        ("{'a': 1, args.name: 2, 'Ann': 3}.a == 1", "key `\"Ann\"` is given twice"),
    ] {
        assert_eq!(worth(source, ARGS), expected, "{source}");
    }
}

#[test]
fn membership() {
    all(
        "true",
        &[
            "args.name in ['Bob', 'Ann']",
            "args.amount in [1, 150.0]",
            "2 in args.list",
            "2.0 in args.list",
            "'x' in args.object",
            "!('z' in args.object)",
            "'private' in labels",
            "!(args.name in [])",
            "1 in {1: 2}",
            "null in args.mixed",
            "!(5 in args.object)",
            "!('a' in [1, 2])",
            "'content-type' in args",
            "'name' in user",
            "!('team' in user)",
            "[1] in [[1], [2]]",
            "args.name in ['x', args.name]",
        ],
    );
    assert_eq!(worth("null in args.object", ARGS), "`null` is null and cannot be the key of an object");
    assert_eq!(
        worth("'a' in args.name", ARGS),
        "`args.name` is a string, and `in` needs a list or an object"
    );
}

#[test]
fn arithmetic_is_checked() {
    all(
        "true",
        &[
            "args.amount + 1 == 151",
            "args.amount - 151 == -1",
            "args.amount * 2 == 300",
            "args.amount / 4 == 37",
            "args.negative / 2 == -3",
            "args.negative % 3 == -1",
            "-args.negative == 7",
            "args.price * 2.0 == 5.0",
            "-args.price == -2.5",
            "args.price / 0.0 > 1e308",
            "3u - 2u == 1u",
            "7u / 2u == 3u",
            "7u % 4u == 3u",
            "args.name + '!' == 'Ann!'",
            "b'a' + b'b' == b'ab'",
            "[1] + args.list == [1, 1, 2, 3]",
            "1 + 2 * 3 == 7",
            "double(args.amount) * 1.1 > 160.0",
            "5 % -3 == 2",
        ],
    );
    for (source, expected) in [
        ("args.max + 1 > 0", "`args.max + 1` is out of range"),
        ("!(0.0 / 0.0 == 0.0 / 0.0)", "`0.0 / 0.0` is out of range"),
        ("args.price < 0.0 / 0.0", "`0.0 / 0.0` is out of range"),
        ("!(1e308 * 10.0 - 1e308 * 10.0 > 1.0)", "`inf - inf` is out of range"),
        ("args.min - 1 > 0", "`args.min - 1` is out of range"),
        ("args.max * 2 > 0", "`args.max * 2` is out of range"),
        ("args.min / -1 > 0", "`args.min / -1` is out of range"),
        ("args.min % -1 == 0", "`args.min % -1` is out of range"),
        ("-args.min > 0", "the negative of `args.min` is out of range"),
        ("args.amount / 0 > 0", "division by zero"),
        ("args.amount % 0 > 0", "division by zero"),
        ("1 / (args.amount - 150) > 0", "division by zero: `args.amount - 150` is 0"),
        ("2u - 3u == 0u", "`2u - 3u` is out of range"),
        ("-args.name == 'x'", "`args.name` is a string and has no negative"),
        (
            "args.amount * 1.5 > 1.0",
            "`args.amount` is an integer and cannot be multiplied by a fractional number; \
             convert one of them with `int(...)`, `uint(...)` or `double(...)`",
        ),
        ("args.name + 1 == 2", "`args.name` is a string and cannot be added to a number"),
        (
            "args.name - args.ok == 2",
            "`args.name` is a string and cannot be reduced by `args.ok`, which is a boolean",
        ),
        ("args.price % args.whole == 1.0", "`%` is for integers, and these are fractional numbers"),
    ] {
        assert_eq!(worth(source, ARGS), expected, "{source}");
    }
}

#[test]
fn types_that_do_not_fit_are_errors_with_names() {
    for (source, expected) in [
        ("args.name <= 200", "`args.name` is a string and cannot be compared with a number"),
        ("200 >= args.name", "`args.name` is a string and cannot be compared with a number"),
        (
            "args.name < args.amount",
            "`args.name` is a string and cannot be compared with `args.amount`, which is a number",
        ),
        ("args.nothing < 1", "`args.nothing` is null and cannot be compared with a number"),
        ("args.list < 1", "`args.list` is a list and cannot be compared with a number"),
        ("args.amount && true", "`args.amount` is a number and neither true nor false"),
        ("args.amount ? true : false", "`args.amount` is a number and neither true nor false"),
        ("!args.name", "`args.name` is a string and neither true nor false"),
        ("args.name", "`args.name` is a string and neither true nor false"),
        ("args.amount.startsWith('a')", "`args.amount` is an integer, and `startsWith` needs a string"),
        ("args.name.startsWith(args.amount)", "`args.amount` is an integer, and `startsWith` needs a string"),
        ("args.amount.matches('a')", "`args.amount` is a number, which `matches` cannot take"),
        (
            "size(args.amount) == 1",
            "`args.amount` is an integer, and `size` needs a string, a sequence of bytes, a list or an object",
        ),
        ("args.name.all(x, true)", "`args.name` is a string, and `all` needs a list or an object"),
        ("args.list.all(x, x)", "`x` is a number and neither true nor false"),
    ] {
        assert_eq!(worth(source, ARGS), expected, "{source}");
    }
}

#[test]
fn macros_go_through_lists_and_keys() {
    all(
        "true",
        &[
            "args.list.all(x, x > 0)",
            "!args.list.all(x, x > 1)",
            "args.list.exists(x, x == 3)",
            "!args.none.exists(x, x == 1)",
            "args.none.all(x, x == 1)",
            "args.list.exists_one(x, x == 3)",
            "!args.list.exists_one(x, x > 1)",
            "args.list.existsOne(x, x == 3)",
            "args.list.map(x, x * 2) == [2, 4, 6]",
            "args.list.filter(x, x > 1) == [2, 3]",
            "args.list.map(x, x > 1, x * 10) == [20, 30]",
            "args.object.all(k, args.object[k] > 0)",
            "args.object.exists(k, k == 'y')",
            "args.list.all(x, args.list.exists(y, y == x))",
            "args.list.map(x, args.list.map(x, x + 1)) == [[2, 3, 4], [2, 3, 4], [2, 3, 4]]",
            "args.mixed.exists(x, x == 'a')",
            "args.mixed.exists(x, x > 1)",
            "!args.mixed.all(x, x < 2)",
            "args.deep.a.b.all(i, i.c == 5)",
            "labels.exists(l, l.startsWith('priv'))",
            "user.exists(k, k == 'age')",
            "size(user) == 2",
            "[1, 2].map(tool, tool + 1) == [2, 3]",
            "args.list.filter(x, x > 1).map(y, y).size() == 2",
        ],
    );
    all("`x.gone` is missing", &["[{'a': args.amount}].all(x, x.gone == 1)"]);
    assert_eq!(
        worth("args.mixed.all(x, x > 0)", ARGS),
        "`x` is a string and cannot be compared with a number"
    );
    assert_eq!(
        worth("args.words.map(x, x + 1) == []", ARGS),
        "`x` is a string and cannot be added to a number"
    );
}

#[test]
fn strings() {
    all(
        "true",
        &[
            "args.name.contains('nn')",
            "args.host.startsWith('api.')",
            "args.host.endsWith('.com')",
            "!args.name.contains('x')",
            "args.host.matches('^api\\\\.[a-z]+\\\\.com$')",
            "matches(args.host, r'stripe')",
            "!args.host.matches('^stripe')",
            "size('héé') == 3",
            "'héé'.size() == 3",
            "size(b'abc') == 3",
            "args.none.size() == 0",
            "size(args.object) == 2",
            "args.name.lowerAscii() == 'ann'",
            "args.name.upperAscii() == 'ANN'",
            "' a '.trim() == 'a'",
            "'a,b,c'.split(',') == ['a', 'b', 'c']",
            "'a,b,c'.split(',', 2) == ['a', 'b,c']",
            "'a,b'.split(',', 0) == []",
            "'abc'.split('') == ['a', 'b', 'c']",
            "''.split(',') == ['']",
            "args.host.split('.')[1] == 'stripe'",
            "'aXbX'.replace('X', '-') == 'a-b-'",
            "'aXbX'.replace('X', '-', 1) == 'a-bX'",
            "'ab'.replace('', '_') == '_a_b_'",
            "'tacocat'.substring(4) == 'cat'",
            "'tacocat'.substring(0, 4) == 'taco'",
            "'é1'.substring(1) == '1'",
            "'tacocat'.indexOf('ac') == 1",
            "'tacocat'.indexOf('ac', 2) == -1",
            "'tacocat'.lastIndexOf('at') == 5",
            "'tacocat'.lastIndexOf('a', 3) == 1",
            "'ééx'.indexOf('x') == 2",
            "'ééx'.lastIndexOf('x', 1) == -1",
            "'tacocat'.charAt(3) == 'o'",
            "'abc'.charAt(3) == ''",
            "['a', 'b'].join() == 'ab'",
            "args.words.join('-') == 'a-b'",
            "r'\\d' == '\\\\d'",
            "'\\u00e9' == 'é'",
            "'''a'b''' == \"a'b\"",
            "args.empty == ''",
            "'a' + 'b' == 'ab'",
        ],
    );
    for (source, expected) in [
        ("args.name.substring(4) == ''", "position 4 is outside a string of 3 characters"),
        ("args.name.substring(-1) == ''", "position -1 is outside a string of 3 characters"),
        ("args.name.substring(2, 1) == ''", "no part of a string reaches from 2 back to 1"),
        ("args.name.charAt(9) == ''", "position 9 is outside a string of 3 characters"),
        ("args.list.join() == ''", "`join` needs strings, and element 0 is a number"),
    ] {
        assert_eq!(worth(source, ARGS), expected, "{source}");
    }
}

#[test]
fn conversions() {
    all(
        "true",
        &[
            "int('42') == 42",
            "int(-2.9) == -2",
            "int(7u) == 7",
            "int(timestamp('1970-01-01T00:01:00Z')) == 60",
            "uint(7) == 7u",
            "uint('7') == 7u",
            "uint(7.9) == 7u",
            "double(1) == 1.0",
            "double('1.5') == 1.5",
            "string(1) == '1'",
            "string(2.5) == '2.5'",
            "string(true) == 'true'",
            "string(b'ab') == 'ab'",
            "string(5u) == '5'",
            "string(timestamp('2026-01-31T09:30:00.5+02:00')) == '2026-01-31T07:30:00.5Z'",
            "string(duration('1m1.5s')) == '61.5s'",
            "bool('true')",
            "!bool('false')",
            "bytes('é') == b'\\303\\251'",
            "dyn(args.amount) == 150",
            "int(args.when.substring(0, 4)) == 2026",
            "timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
            "string('x') == 'x'",
        ],
    );
    for (source, expected) in [
        ("int(args.name) == 1", "`int(args.name)` cannot be worked out: `Ann` is no whole number"),
        (
            "uint(args.negative) == 1u",
            "`uint(args.negative)` cannot be worked out: the number is out of range",
        ),
        (
            "int(1e300 * args.price) == 1",
            "`int(1e300 * args.price)` cannot be worked out: the number is out of range",
        ),
        ("double(args.name) == 1.0", "`double(args.name)` cannot be worked out: `Ann` is no number"),
        ("bool(args.name)", "`bool(args.name)` cannot be worked out: `Ann` is no boolean"),
        ("int(args.ok) == 1", "`args.ok` is a boolean, and `int` needs a number, a string or a timestamp"),
        (
            "timestamp(args.name) < now",
            "`timestamp(args.name)` cannot be worked out: a timestamp looks like `2026-01-31T09:30:00Z`, from year 1 to 9999",
        ),
        (
            "duration(args.name) == duration('1s')",
            "`duration(args.name)` cannot be worked out: a duration looks like `1h30m`, `15m` or `1.5s`, up to 292 years",
        ),
    ] {
        assert_eq!(worth(source, ARGS), expected, "{source}");
    }
}

#[test]
fn times() {
    all(
        "true",
        &[
            "now > timestamp('2026-01-01T00:00:00Z')",
            "now.getFullYear() == 2026",
            "now.getMonth() == 0",
            "now.getDate() == 31",
            "now.getDayOfMonth() == 30",
            "now.getDayOfWeek() == 6",
            "now.getDayOfYear() == 30",
            "now.getHours() == 9",
            "now.getMinutes() == 30",
            "now.getSeconds() == 15",
            "now.getMilliseconds() == 250",
            "now.getHours('+02:00') == 11",
            "now.getHours('-09:45') == 23",
            "now.getDate('-09:45') == 30",
            "now.getHours('UTC') == 9",
            "now.getMonth('+14:30') == 1",
            "now + duration('1h') == timestamp('2026-01-31T10:30:15.25Z')",
            "now - duration('1d2h'.replace('1d2h', '26h')) < now",
            "duration('1h') + now > now",
            "now - timestamp('2026-01-31T09:30:00Z') == duration('15250ms')",
            "duration('1h') + duration('30m') == duration('1h30m')",
            "duration('1h') - duration('2h') == duration('-1h')",
            "duration('90m').getHours() == 1",
            "duration('90m').getMinutes() == 90",
            "duration('1.5s').getMilliseconds() == 1500",
            "duration('1.5s').getSeconds() == 1",
            "timestamp(args.when) < now",
            "duration('1us') == duration('1000ns')",
            "timestamp('2024-02-29T00:00:00Z').getDayOfYear() == 59",
            "timestamp('0001-01-01T00:00:00Z').getDayOfWeek() == 1",
            "timestamp('9999-12-31T23:59:59.999999999Z').getFullYear() == 9999",
            "timestamp('2000-03-01T00:00:00Z').getDate('-00:01') == 29",
        ],
    );
    for (source, expected) in [
        (
            "now + duration('2500000h') + duration('2500000h') < now || now.getHours(args.name) == 1",
            "`Ann` is no offset from UTC; write `UTC` or an offset such as `+02:00`",
        ),
        (
            "timestamp('9999-12-31T23:59:59Z') + duration(args.empty + '1s') > now",
            "`timestamp(\"9999-12-31T23:59:59Z\") + duration(args.empty + \"1s\")` is out of range",
        ),
        (
            "dyn(duration('1h')).getDate() == 1",
            "`duration(\"3600s\")` is a duration, and `getDate` needs a timestamp",
        ),
    ] {
        assert_eq!(worth(source, ARGS), expected, "{source}");
    }
}

#[test]
fn what_is_read_and_what_is_lacking() {
    let condition = compiled(
        "args.amount <= 200 && (environment == 'test' && has(args.x.y)) && args['a b'].c.all(i, i.p < 5)",
    );
    let reads: Vec<String> = condition.reads().iter().map(|path| path.join("/")).collect();
    assert_eq!(reads, ["args/a b/c", "args/amount", "args/x/y", "environment"]);
    let lacks =
        with_scope(r#"{"amount": 500, "x": {}, "a b": {"c": [{"p": 9}]}}"#, |scope| condition.lacks(scope));
    assert_eq!(
        lacks,
        [
            "`args.amount <= 200` is false: `args.amount` is 500",
            "`environment == 'test'` is false: `environment` is \"production\"",
            "`has(args.x.y)` is false: `args.x.y` is missing",
            "`args['a b'].c.all(i, i.p < 5)` is false: `args[\"a b\"].c` is [{\"p\": 9}]",
        ]
    );
    let lacks = with_scope("{}", |scope| compiled("(args.amount <= 200) && tool != ''").lacks(scope));
    assert_eq!(lacks, ["`(args.amount <= 200)` cannot be decided: `args.amount` is missing"]);
    let lacks = with_scope("{}", |scope| compiled(" ( tool == 'a' && ( tool == 'b' ) ) ").lacks(scope));
    assert_eq!(
        lacks,
        [
            "`tool == 'a'` is false: `tool` is \"stripe.refund\"",
            "`( tool == 'b' )` is false: `tool` is \"stripe.refund\""
        ]
    );
    assert!(with_scope(ARGS, |scope| compiled("args.amount <= 200").lacks(scope)).is_empty());
}
