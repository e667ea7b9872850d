//! What code plainly does: the cases of `corpus/code`, and what hostile texts must not bring about.

use std::collections::BTreeSet;
use std::time::Instant;

use inspect::Surroundings;
use inspect::code::{Language, effects};
use proptest::prelude::*;
use serde_json::Value;

use crate::sql::shown;

#[test]
fn the_cases() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/code");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let code = case["given"]["code"].as_str().unwrap();
            let language = Language::from_name(case["given"]["language"].as_str().unwrap()).unwrap();
            let all = effects(code, language, &Surroundings::default());
            let found: BTreeSet<String> = all.iter().map(shown).collect();
            let expect: BTreeSet<String> = case["expect"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line.as_str().unwrap().to_owned())
                .collect();
            count += 1;
            if found != expect {
                let notes: Vec<_> = all.iter().filter_map(|effect| effect.note.clone()).collect();
                wrong.push(format!(
                    "{code}\n  found  {found:?} {notes:?}\n  expect {expect:?}\n  {}",
                    case["why"]
                ));
            }
        }
    }
    assert!(count > 50 && wrong.is_empty(), "{count} cases\n{}", wrong.join("\n"));
}

#[test]
fn hostile_texts_end_quickly_on_a_small_stack() {
    let run = || {
        for size in [1_000, 100_000, 1_000_000] {
            let repeat = |text: &str| text.repeat(size / text.len() + 1);
            let texts = [
                repeat("("),
                repeat("a("),
                repeat("[[{"),
                repeat("a.b"),
                repeat("x = x + x\n"),
                repeat("1+"),
                repeat("\"\"\""),
                repeat("f'{"),
                repeat("`${"),
                repeat("if a:\n "),
                repeat("\t"),
                repeat("else "),
                repeat("lambda: "),
                repeat("=> "),
                repeat("import os\nos.system('id')\n"),
                repeat("é\u{0}"),
                repeat("class A:\n"),
                repeat("@"),
                repeat("</"),
                repeat("/*"),
                format!("{}{}", repeat("eval('"), repeat("')")),
                (0..size / 12).map(|i| format!("a{} = a{i} + a{i}\n", i + 1)).collect(),
            ];
            for text in texts {
                for language in [Language::Python, Language::JavaScript] {
                    let started = Instant::now();
                    eprintln!(
                        "{language:?} {size} {}",
                        text.chars().take(40).collect::<String>().escape_debug()
                    );
                    assert!(!effects(&text, language, &Surroundings::default()).is_empty());
                    let took = started.elapsed();
                    eprintln!("     {took:?}");
                    let start: String = text.chars().take(40).collect();
                    assert!(took.as_millis() < 5_000, "{language:?} {size} {start}: {took:?}");
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_brings_it_down(text in "\\PC{0,200}") {
        for language in [Language::Python, Language::JavaScript] {
            effects(&text, language, &Surroundings::default());
        }
    }
}
