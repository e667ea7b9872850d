//! Stack traces and internal errors: cases with their why, spans, hostile texts.

use inspect::Hit;
use inspect::trace::find;

use crate::case::cases;

fn hits(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    find(text, &mut hits);
    hits
}

#[test]
fn every_case_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for case in cases("traces/cases.jsonl") {
        let found: Vec<String> = hits(&case.given).into_iter().map(|hit| hit.name.into_owned()).collect();
        if found != case.names() {
            wrong.push(format!(
                "{:?}: {found:?} instead of {:?}, although {}",
                case.given,
                case.names(),
                case.why
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_span_covers_the_whole_trace_and_nothing_else() {
    for case in cases("traces/cases.jsonl").into_iter().filter(|case| case.given.lines().count() > 2) {
        let text = format!("Sorry, that did not work:\n\n{}\n\nPlease try again.\n", case.given);
        let found = hits(&text);
        assert_eq!(found.len(), 1, "{text}\n{found:?}");
        let span = &text[found[0].span.clone()];
        assert!(!span.contains("Sorry") && !span.contains("try again"), "{span}");
        let frames = |text: &str| {
            text.lines().filter(|line| line.trim_start().starts_with("at ") || line.contains("line ")).count()
        };
        assert_eq!(frames(span), frames(&case.given), "{span}");
    }
}

#[test]
fn hostile_texts_come_to_an_end() {
    let worst = [
        "\n    at a (b:1:1".repeat(20_000),
        "panicked at ".repeat(30_000),
        "Traceback (most recent call last):\n".repeat(9_000),
        "  File \"x\", line 1\n".repeat(20_000),
        "goroutine 1 [".repeat(25_000),
        "\n\tat ".repeat(60_000),
        "ORA-".repeat(80_000),
    ];
    for text in worst {
        for hit in hits(&text) {
            assert!(text.get(hit.span.clone()).is_some(), "{hit:?}");
        }
    }
}
