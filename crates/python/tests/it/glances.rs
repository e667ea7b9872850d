//! The glance sees what the expressions saw that it stands for, and where it sees less that is on purpose.

use std::sync::LazyLock;

use proptest::prelude::*;
use regex::bytes::Regex;

use crate::glance::glance;

static COMMANDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i-u)\b(?:rm|find|dd|mkfs|mke2fs|shred|unlink|rmdir|wipefs|fdisk|parted|truncate|chmod|chown|git|eval|exec|source",
        r"|python|python3|perl|ruby|node|php|xargs|mv|del|format|kubectl|docker|terraform|rsync",
        r"|boot|dev|etc|bfs|bun|chattr|chgrp|deno|erase|gchmod|gchown|gfind|gmv|grm|pypy3?|rd|rename|rimraf|setfacl|srm|wipe|zip",
        r"|elixir|groovy|guile|ipython|jruby|julia|lua|luajit|nodejs|osascript|racket|removesync|rmdirsync|rmsync|rmtree|rscript|shutil|tsx|[a-z]{0,4}sh)\b",
        r"|[$`\\]|>[ \t]*/",
    ))
    .unwrap()
});
/// Where quotes and braces may build words.
static PIECES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"(?i-u)[a-z]['"]+[a-z]|[{}]"#).unwrap());
static STATEMENTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i-u)/\*|--|\|\||\b(?:drop|truncate|delete|alter|exec|execute|prepare|update|grant|remove|rm)\b",
    )
    .unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn as_the_expressions(words in prop::collection::vec(
        prop::sample::select(vec![
            "rm", "RM", "rmx", "r", "m", "bash", "xxxxxsh", "sh", "2sh", "python3", "terraform", "drop", "Truncate",
            "_", "7", " ", " ", "\n", "/", "*", "-", "|", ">", "\t", "$", "'", "\"", "é", ",", "{", "}", ".",
            "a", "don't", "Format", "prepare",
        ]), 0..12)) {
        let text = words.concat();
        let seen = glance(&text);
        let bytes = text.as_bytes();
        prop_assert_eq!(seen.statement, STATEMENTS.is_match(bytes), "{}", &text);
        let (sure, maybe) = (COMMANDS.is_match(bytes), PIECES.is_match(bytes));
        prop_assert!(!sure || seen.command, "passed over: {:?}", &text);
        prop_assert!(!seen.command || sure || maybe, "seen for nothing: {:?}", &text);
    }
}

#[test]
fn words_that_are_built_of_pieces_are_seen() {
    for text in [
        "r{m,} -rf /",
        "{r,}m -rf /",
        "{r,x}{m,y} x",
        "/bin/{r,}m x",
        "{{r,x},y}m",
        "{a,{r,x}}m z",
        "x{1..3}",
        "r''m -rf /",
        "r\"\"m",
        "'r'm -rf /",
        "\"r\"m -rf /",
        "r'm' -rf /",
        "cu'r'l x",
        "wge't' x",
        "wge't'",
        "cur'l'; x",
        "x; 'cur'l y",
        "c'ur'l",
        "a;'ki'll -9 1",
        "do'd' x",
        "wge't'.",
        "R''M",
        "nc'a't x",
        "it's {r,}m",
        "don't 'r'm x",
        "she said 'wge't x",
    ] {
        assert!(glance(text).command, "{text}");
    }
}

#[test]
fn what_people_and_programs_write_is_passed_over() {
    for text in [
        "The customer doesn't mind; we've seen it, they'll agree.",
        "I'm sure that's Alice's. Don't!",
        r#"{"id": 17, "name": "Alice", "tags": ["a", "b"], "more": {"x": {"y": 1}}}"#,
        r#"{"id":17,"tags":[{"a":1},{"b":2}],"more":{"x":{"y":1}}}"#,
        "SELECT name, total FROM orders WHERE id=7 AND note = 'the quick brown fox'",
        "Größe und Maß: naïve café",
    ] {
        assert_eq!(glance(text), crate::glance::Glance::default(), "{text}");
    }
}
