//! Placeholders: nothing left over, the same for the same, and put back only where that was asked for.

use inspect::Hit;
use inspect::redact::{Placeholders, redact, redact_json, restore};
use inspect::scan::{Scanner, Wanted};
use proptest::prelude::*;
use verdict::Risk;

fn hit(name: &'static str, text: &str, value: &str) -> Hit {
    let start = text.find(value).unwrap();
    Hit {
        kind: "secret",
        name: name.into(),
        span: start..start + value.len(),
        severity: Risk::High,
        confidence: 90,
        verified: None,
    }
}

#[test]
fn the_same_value_has_the_same_name() {
    let mut names = Placeholders::new([7; 32]);
    let text = "first alpha123, then beta4567, then alpha123";
    let hits = [hit("key", text, "alpha123"), hit("key", text, "beta4567")];
    let shown = redact(text, &hits, &[], &mut names);
    assert_eq!(shown, "first [secret:key], then [secret:key:2], then [secret:key]");
    let again = "beta4567 once more";
    assert_eq!(redact(again, &[hit("key", again, "beta4567")], &[], &mut names), "[secret:key:2] once more");
    // Stored as digests, and read again.
    let stored: Vec<([u8; 16], String)> =
        names.digests().map(|(digest, name)| (*digest, name.to_owned())).collect();
    let mut later = Placeholders::remembered([7; 32], stored);
    let next = "gamma890 beta4567";
    let hits = [hit("key", next, "gamma890"), hit("key", next, "beta4567")];
    assert_eq!(redact(next, &hits, &[], &mut later), "[secret:key:3] [secret:key:2]");
}

#[test]
fn only_what_was_kept_is_put_back() {
    let mut names = Placeholders::new([7; 32]);
    let text = "gone1234 kept5678";
    let shown = redact(text, &[hit("a", text, "gone1234")], &[hit("b", text, "kept5678")], &mut names);
    assert_eq!(shown, "[secret:a] [secret:b]");
    assert_eq!(restore(&shown, &names), "[secret:a] kept5678");
    assert_eq!(restore("[[secret:b]] [secret:c] [", &names), "[kept5678] [secret:c] [");
    assert!(!format!("{names:?}").contains("kept5678"));
}

#[test]
fn what_overlaps_is_replaced_together() {
    let mut names = Placeholders::new([7; 32]);
    let text = "x abcdefghij y";
    let mut wide = hit("wide", text, "abcdef");
    wide.confidence = 60;
    let shown = redact(text, &[wide], &[hit("tight", text, "defghij")], &mut names);
    assert_eq!(shown, "x [secret:tight] y");
    assert_eq!(restore(&shown, &names), shown, "what may not come back wins");
}

#[test]
fn objects_are_rewritten_with_their_keys() {
    let scanner =
        Scanner::new(Wanted { declared: vec!["hunter2hunter2".into()], ..Wanted::default() }).unwrap();
    let json = verdict::Json::parse(br#"{"a":["x hunter2hunter2",1],"hunter2hunter2":true}"#).unwrap();
    let mut names = Placeholders::new([7; 32]);
    let shown = redact_json(&json, &|text| scanner.scan(text), &mut names).unwrap();
    assert_eq!(shown.canonical(), r#"{"[secret:declared]":true,"a":["x [secret:declared]",1]}"#);
}

proptest! {
    #[test]
    fn no_value_is_left(values in prop::collection::vec("[a-zA-Z0-9]{8,20}", 1..5), between in "[ a-z.,\n]{0,20}", spare in 0_usize..5) {
        let mut text = String::new();
        for value in values.iter().chain(values.get(spare)) {
            text.push_str(&between);
            text.push_str(value);
            text.push(' ');
        }
        let hits: Vec<Hit> = values.iter().map(|value| hit("key", &text, value)).collect();
        let shown = redact(&text, &hits, &[], &mut Placeholders::new([1; 32]));
        for value in &values {
            prop_assert!(!shown.contains(value.as_str()), "{} in {}", value, shown);
        }
        let mut names = Placeholders::new([1; 32]);
        let kept = redact(&text, &[], &hits, &mut names);
        prop_assert_eq!(restore(&kept, &names), text);
    }

    #[test]
    fn any_spans_are_survived(text in "\\PC{0,40}", spans in prop::collection::vec((0_usize..60, 0_usize..60), 0..5)) {
        let hits: Vec<Hit> = spans.into_iter().map(|(a, b)| Hit { kind: "secret", name: "x".into(), span: a.min(b)..a.max(b), severity: Risk::High, confidence: 90, verified: None }).collect();
        let _ = redact(&text, &hits, &hits, &mut Placeholders::new([1; 32]));
    }
}
