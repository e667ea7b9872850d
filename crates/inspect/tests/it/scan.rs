//! Everything together: layers, declared values, patterns, streams.

use inspect::Hit;
use inspect::scan::{Scanner, Wanted};
use proptest::prelude::*;

fn names(hits: &[Hit]) -> Vec<(&str, &str)> {
    hits.iter().map(|hit| (hit.kind, hit.name.as_ref())).collect()
}

fn secrets() -> Wanted {
    Wanted { secrets: true, ..Wanted::default() }
}

#[test]
fn what_is_encoded_is_found_where_it_stands() {
    let token = format!("gh{}_{}", "p", "A1b2C3d4E5".repeat(3) + "k9Z3x1");
    let scanner = Scanner::new(secrets()).unwrap();
    let text = format!("key%3D{token}%0A and {}", "x");
    let hits = scanner.scan(&text);
    assert_eq!(names(&hits), [("secret", "github_token")]);
    assert_eq!(&text[hits[0].span.clone()], token);
}

#[test]
fn declared_values_are_found_in_every_dress() {
    let value = "Tr0ub4dor&3-horse";
    let canary = "canary-7f3a9c51";
    let scanner = Scanner::new(Wanted {
        declared: vec![value.into()],
        canaries: vec![canary.into()],
        ..Wanted::default()
    })
    .unwrap();
    let reversed: String = value.chars().rev().collect();
    let dresses = [
        format!("it is {value}."),
        "it is Tr0u b4dor&3 - horse".to_owned(),
        "a = 'Tr0ub4' + 'dor&3-' + 'horse'".to_owned(),
        "54723075623464 6f72".replace(' ', "") + "26332d686f727365",
        "Tr0ub4dor%263-horse".to_owned(),
        "VHIwdWI0ZG9yJjMtaG9yc2U=".to_owned(),
        "eFRyMHViNGRvciYzLWhvcnNl".to_owned(),
        "eHhUcjB1YjRkb3ImMy1ob3JzZQ==".to_owned(),
        reversed,
        "Tr0ub4****horse".to_owned(),
        "Tr0ub4...horse".to_owned(),
    ];
    for text in dresses {
        let hits = scanner.scan(&text);
        assert!(
            hits.iter().any(|hit| (hit.kind, hit.name.as_ref()) == ("secret", "declared")),
            "{text}: {hits:?}"
        );
    }
    let hits = scanner.scan("he said CANARY 7f3a9c51 again");
    assert_eq!(names(&hits), [("canary", "canary")]);
    for text in ["Trouble", "****", "a...b", "Tr0****e"] {
        assert_eq!(scanner.scan(text), [], "{text}");
    }
}

#[test]
fn patterns_are_found_each_by_itself() {
    let patterns = vec![
        ("drop".to_owned(), r"(?i)drop\s+table".to_owned()),
        ("table".to_owned(), "TABLE".to_owned()),
        ("other".to_owned(), "x+y".to_owned()),
    ];
    let scanner = Scanner::new(Wanted { patterns, ..Wanted::default() }).unwrap();
    let text = "DROP  TABLE users";
    let hits = scanner.scan(text);
    assert_eq!(names(&hits), [("pattern", "drop"), ("pattern", "table")]);
    assert_eq!(&text[hits[0].span.clone()], "DROP  TABLE");
    let why =
        Scanner::new(Wanted { patterns: vec![("bad".into(), "(".into())], ..Wanted::default() }).unwrap_err();
    assert!(why.starts_with("the pattern `bad` is no regular expression: "), "{why}");
}

#[test]
fn one_thing_is_reported_once_as_what_it_most_surely_is() {
    let text = format!("SLACK_TOKEN=xox{}-248135790246-3579135791357-q9Wm3Zt7Lx2Nv8Kp4Rb6Ty1C", "b");
    let hits = Scanner::new(Wanted::all()).unwrap().scan(&text);
    assert_eq!(names(&hits), [("secret", "slack_bot_token")]);
}

/// A long text with something at every place that matters: at ends of blocks, across them, behind them.
fn long() -> String {
    let mut text = String::new();
    for number in 0..4_000 {
        text.push_str("All work and no play makes a dull text, é and all; it goes on and on for a good while before anything is in it. ");
        if number % 7 == 0 {
            text.push_str(&format!("password = \"kW8r#Lq{number}Zx\" "));
        }
        if number % 31 == 0 {
            text.push_str("aWdub3JlIHBhc3N3b3JkPWtXOHIjTHEzWng5IGFuZA== ");
        }
    }
    text
}

#[test]
fn a_stream_finds_what_the_whole_text_finds() {
    let text = long();
    let scanner = Scanner::new(Wanted { canaries: vec!["dull text".into()], ..secrets() }).unwrap();
    let whole = scanner.scan(&text);
    assert!(whole.len() > 4_000);
    for size in [1_021, 65_536, 300_000, usize::MAX] {
        let mut stream = scanner.stream();
        let mut hits = Vec::new();
        for piece in text.as_bytes().chunks(size.min(text.len())) {
            hits.extend(stream.push_bytes(piece));
        }
        hits.extend(stream.finish());
        assert!(hits == whole, "pieces of {size}: {} and {}", hits.len(), whole.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pieces_do_not_matter(text in "(\\PC|password='kW8r#Lq3Z' |é|%41){0,60}", at in 0_usize..100) {
        let scanner = Scanner::new(secrets()).unwrap();
        let at = at.min(text.len());
        let mut stream = scanner.stream();
        let mut hits = stream.push_bytes(&text.as_bytes()[..at]);
        hits.extend(stream.push_bytes(&text.as_bytes()[at..]));
        hits.extend(stream.finish());
        prop_assert_eq!(hits, scanner.scan(&text));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let scanner = Scanner::new(Wanted::all()).unwrap();
        let mut stream = scanner.stream();
        let mut hits = stream.push_bytes(&bytes);
        hits.extend(stream.finish());
        for hit in hits {
            prop_assert!(hit.span.end <= bytes.len());
        }
    }
}
