//! Every mistake, as `mistakes.txt` shows it: a text, and what is said about it.
//!
//! The file is for reading: a change in what people are told is a change in it. With `BLESS=1` in the
//! environment the test writes what is said now, for a person to look at in the diff.

use super::{brief, mistakes, read, read_files};

const GOLDEN: &str = include_str!("mistakes.txt");

/// Name, text, and what is expected to be said of it.
pub(super) fn golden() -> Vec<(&'static str, &'static str, &'static str)> {
    let blocks = GOLDEN.split("\n=== ").skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').expect("a name and a text");
            let (text, said) = rest.split_once("\n>>>\n").unwrap_or((rest, ""));
            (name, text, said.trim_end())
        })
        .collect()
}

fn said(text: &str) -> String {
    match read(&format!("{text}\n")) {
        Ok(loaded) if loaded.warnings.is_empty() => "nothing".to_owned(),
        Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn every_mistake_is_named_with_its_place_and_how_to_mend_it() {
    if std::env::var_os("BLESS").is_some() {
        let (head, _) = GOLDEN.split_once("\n=== ").expect("a head");
        let blocks = golden()
            .into_iter()
            .map(|(name, text, _)| format!("\n=== {name}\n{text}\n>>>\n{}\n", said(text)));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/load/mistakes.txt");
        std::fs::write(path, format!("{head}{}", blocks.collect::<String>()))
            .expect("the file can be written");
        return;
    }
    let golden = golden();
    assert!(golden.len() > 50, "the file is whole");
    for (name, text, expected) in golden {
        assert_eq!(said(text), expected, "{name}");
    }
}

#[test]
fn messages_are_written_for_people() {
    for (name, text, _) in golden() {
        let problems = read(&format!("{text}\n")).map_or_else(|problems| problems, |loaded| loaded.warnings);
        for problem in problems {
            let message = &problem.message;
            assert!(!message.ends_with('.') && !message.contains(". "), "{name}: {message}");
            assert!(message.chars().next().is_some_and(|c| !c.is_uppercase()), "{name}: {message}");
            assert!(!message.contains("::") && !message.contains("Some("), "{name}: {message}");
        }
    }
}

#[test]
fn included_files_are_held_to_the_same() {
    let wrong = |files: &[(&str, &str)]| -> Vec<String> {
        read_files(files).unwrap_err().iter().map(ToString::to_string).collect()
    };
    let main = "version: 1\ninclude: [a, b]\ntools: {t: {}}\nagents: {x: {}}\n";
    assert_eq!(
        wrong(&[
            ("main", main),
            ("a", "version: 1\ntools: {t: {}}\nrole: {}\n"),
            ("b", "version: 1\nagents:\n  x: {}\n")
        ]),
        [
            "a:2:9: error: tool `t` is defined twice\n  help: the other is at main:3:9; rename or remove one of them",
            "a:3:1: error: unknown key `role`; did you mean `roles`?\n  help: a policy has the keys version, include, defaults, tools, agents, roles, groups, limits, boundaries, screens",
            "b:3:3: error: agent `x` is defined twice\n  help: the other is at main:4:10; rename or remove one of them",
        ]
    );
    assert_eq!(
        wrong(&[
            ("main", "version: 1\ninclude: [a, gone]\n"),
            ("a", "version: 1\ndefaults: {}\ninclude: [main]\n")
        ]),
        [
            "main:2:14: error: `gone` cannot be included: there is no such file\n  help: paths are relative to the file that includes them",
            "a:2:1: error: an included file has no `defaults`\n  help: move it to the file that includes this one",
            "a:3:11: error: `main` includes itself: main -> a -> main\n  help: remove one of the two `include` lines",
        ]
    );
}

#[test]
fn files_include_each_other_only_so_deep() {
    let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    let texts: Vec<String> = (1..13).map(|n| format!("version: 1\ninclude: ['{n}']\n")).collect();
    let files: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let problems = read_files(&files).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].file.as_str(), problems[0].line), ("8", 2), "{:?}", brief(&problems));
    let mut count = 0_u32;
    let endless = verdict::load::load("0", "version: 1\ninclude: [a, b]\n", &mut |_, _| {
        count += 1;
        Ok((count.to_string(), "version: 1\ninclude: [a, b]\n".to_owned()))
    });
    assert!(endless.is_err());
    assert!(count <= 600, "{count}");
}

#[test]
fn a_file_of_mistakes_gets_the_first_hundred_named() {
    let text = format!("version: 1\n{}", (0..5000).map(|n| format!("k{n}: 1\n")).collect::<String>());
    let wrong = mistakes(&text);
    assert_eq!(wrong.len(), 101);
    assert_eq!(wrong[100], "101:1 4900 more mistakes are not named");
}
