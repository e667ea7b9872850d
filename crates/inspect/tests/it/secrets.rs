//! Secrets: what is one, what is none, and that nothing hostile costs more than its length.

use inspect::Hit;
use inspect::secret::find;
use proptest::prelude::*;
use verdict::Json;

use crate::paths::cases;

fn hits(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    find(text, &mut hits);
    hits
}

/// A text that is kept in parts, so that nobody else's scanner takes it for more than an example.
fn joined(given: &Json) -> String {
    let Json::List(parts) = given else { panic!("{given:?}") };
    parts.iter().map(|part| if let Json::Str(text) = part { text.as_str() } else { "" }).collect()
}

#[test]
fn the_cases_hold() {
    let mut wrong = Vec::new();
    for (given, expected, why) in cases("secrets/cases.jsonl") {
        let text = joined(&given);
        let hits = hits(&text);
        let sure: Vec<&Hit> = hits.iter().filter(|hit| hit.confidence >= 50).collect();
        let holds = match expected.as_str() {
            "none" => hits.is_empty(),
            "note" => sure.is_empty() && !hits.is_empty(),
            name => sure.iter().any(|hit| hit.name == name),
        };
        if !holds {
            wrong.push(format!("{text}: {expected}, {why}; {hits:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_span_holds_the_value_and_nothing_else() {
    let text = "url = postgres://app:pG7!xkQ2vz@db:5432/x and password = \"kW8r#Lq3Zx9\"";
    let values: Vec<&str> = hits(text).into_iter().map(|hit| &text[hit.span]).collect();
    assert_eq!(values, ["pG7!xkQ2vz", "kW8r#Lq3Zx9"]);
}

#[test]
fn checksums_are_told() {
    // CRC-32 of thirty times `A`, in sixty-two digits.
    let token = |end: &str| format!("gh{}_{}{end}", "p", "A1b2C3d4E5".repeat(3));
    let found = |end: &str| hits(&token(end)).into_iter().find(|hit| hit.name == "github_token").unwrap();
    assert_eq!(found("000000").verified, Some(false));
    assert!(found("000000").confidence < 95);
}

#[test]
fn many_formats_are_known() {
    let (fixed, named) = inspect::secret::known_formats();
    assert!(fixed + named > 500, "{fixed} and {named}");
}

/// Texts that make a matcher go over the same bytes again and again, if it can be made to.
#[test]
fn hostile_texts_are_done_with() {
    let parts = [
        "token",
        "token=",
        "token:token,",
        "password ",
        "eyJ",
        "eyJ.",
        "://",
        "a://b:",
        "a:b@",
        "-----BEGIN PRIVATE KEY-----",
        "sk-",
        "AKIA",
        "xoxb-1",
        "curl -u ",
        "bearer ",
        "\\\"",
        "key='",
        "\"key\":\"",
        "ghp_a",
        "=\"",
        "<key>",
        "-u a:",
        "SK0",
        "hf_",
        "glpat-",
        "*",
        "s.s.",
        "password (",
        "networkcredential(\"",
    ];
    for part in parts {
        let text = part.repeat(200_000 / part.len());
        let found = hits(&text);
        assert!(found.len() <= 200_000 / part.len() + 1, "{part}: {}", found.len());
    }
}

/// Every word that anything is looked up by, over and over: bare, as a key, in quotes.
#[test]
fn every_word_over_and_over_is_done_with() {
    let words = inspect::secret::words();
    assert!(words.len() > 500);
    for word in words {
        for behind in ["", "=", "='", ":a1B2"] {
            let part = format!("{word}{behind}");
            let text = part.repeat(4_000 / part.len());
            let found = hits(&text);
            assert!(found.len() <= 4_000 / part.len() + 1, "{part}: {}", found.len());
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC{0,200}") {
        for hit in hits(&text) {
            prop_assert!(text.get(hit.span).is_some());
        }
    }

    #[test]
    fn any_row_of_fragments_is_read(parts in prop::collection::vec(prop::sample::select(vec![
        "password", "=", ":", "\"", "'", "\\", " ", "\n", "token", "eyJ", ".", "://", "@", "a1B2c3D4e5", "-----BEGIN ", "PRIVATE KEY-----", "é", "ghp_", "AKIA", "(", ")", ",", "<", ">", "-u ", "curl", "Bearer ", "sk-", "…", "\u{200b}", "/", "0x", "{", "default",
    ]), 0..40)) {
        let text = parts.concat();
        for hit in hits(&text) {
            prop_assert!(text.get(hit.span).is_some());
        }
    }
}
