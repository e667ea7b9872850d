//! What code plainly does: the cases of `corpus/code`, and what hostile texts must not bring about.

use std::collections::BTreeSet;

use inspect::Surroundings;
use inspect::code::{Language, effects};
use proptest::prelude::*;
use serde_json::Value;
use verdict::Target;

use crate::sql::shown;

#[test]
fn what_is_called_is_never_lost_among_many_names() {
    let names: String = (0..40).map(|at| format!("a{} = a{at}\n", at + 1)).collect();
    let many = "f = print\n".repeat(20);
    for text in [
        format!("a0 = eval\n{names}a40('x')"),
        format!("{many}f = eval\nf('x')"),
        format!("a = 'x'\n{}a40('x')", "f(a); ".repeat(4_000)),
    ] {
        let found = effects(&text, Language::Python, &Surroundings::default());
        assert_eq!(found[0].target, Target::Unknown, "{}", &text[..40]);
    }
}

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
fn hostile_texts_end_on_a_small_stack() {
    let run = || {
        for size in [500, 4_000, 20_000, 100_000, 1_000_000] {
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
                repeat("\""),
                repeat("'"),
                repeat("a:b "),
                repeat("-->"),
                repeat("~/"),
                repeat("a."),
                repeat("\\\n"),
                repeat("\r\n"),
                repeat("a() "),
                repeat("</"),
                repeat("/*"),
                format!("{}{}", repeat("eval('"), repeat("')")),
                (0..size / 12).map(|i| format!("a{} = a{i} + a{i}\n", i + 1)).collect(),
            ];
            for text in texts {
                for language in [Language::Python, Language::JavaScript] {
                    let found = effects(&text, language, &Surroundings::default());
                    let start: String = text.chars().take(40).collect();
                    // What is not read to its end is unknown, and never nothing.
                    assert!(
                        size < 100_000 || found[0].target == Target::Unknown,
                        "{language:?} {start}: {found:?}"
                    );
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
