//! Paths: one spelling for each place, and every place that a text may mean.

use inspect::Surroundings;
use inspect::path::{literal, target, targets};
use proptest::prelude::*;
use verdict::boundary::{Boundaries, Ground, Paths};
use verdict::{Effect, Json, Target};

fn here() -> Surroundings {
    Surroundings {
        cwd: Some("/srv/data/app".to_owned()),
        home: Some("/home/ann".to_owned()),
        ignores_case: false,
    }
}

/// What an ordinary program opens.
#[test]
fn a_path_has_one_spelling() {
    for (text, path) in [
        ("a/b.txt", "/srv/data/app/a/b.txt"),
        ("./a//b/", "/srv/data/app/a/b"),
        ("", "/srv/data/app"),
        (".", "/srv/data/app"),
        ("..", "/srv/data"),
        ("../../../../../etc/passwd", "/etc/passwd"),
        ("/etc/../etc/./passwd", "/etc/passwd"),
        ("//etc//passwd", "/etc/passwd"),
        ("/..", "/"),
        ("~", "/home/ann"),
        ("~/x", "/home/ann/x"),
        ("~+/x", "/srv/data/app/x"),
        ("$HOME/.ssh", "/home/ann/.ssh"),
        ("${HOME}/.ssh", "/home/ann/.ssh"),
        ("$postId.tsx", "/srv/data/app/$postId.tsx"),
        ("~$report.docx", "/srv/data/app/~$report.docx"),
        ("a..b", "/srv/data/app/a..b"),
        ("...", "/srv/data/app/..."),
        ("/proc/self/root/etc/shadow", "/etc/shadow"),
        ("/proc/self/root/..", "/"),
        ("/proc/thread-self/root/etc", "/etc"),
        ("/proc/self/task/12/root/etc", "/etc"),
        ("/proc/self/cwd/x", "/srv/data/app/x"),
        ("/proc/self/cwd/../x", "/srv/data/x"),
        ("/dev/fd/1", "/dev/stdout"),
        ("/dev/stdout", "/dev/stdout"),
        ("/proc/self/environ", "/proc/self/environ"),
        ("C:\\Windows\\..\\x. ", "C:/x"),
        ("c:/a/../../b", "C:/b"),
        ("\\\\?\\C:\\x", "C:/x"),
        ("\\\\?\\UNC\\srv\\share\\x", "//srv/share/x"),
        ("\\\\srv\\share\\..\\..\\x", "//srv/share/x"),
        ("C:\\x\\.env::$DATA", "C:/x/.env"),
        ("file:///etc/passwd", "/etc/passwd"),
        ("FILE:/etc/passwd", "/etc/passwd"),
        ("file://localhost/etc/passwd", "/etc/passwd"),
        ("file:///C:/x", "C:/x"),
        ("file://server/share/x", "//server/share/x"),
    ] {
        assert_eq!(target(text, &here()).map(|it| it.path), Ok(path.to_owned()), "{text}");
    }
}

#[test]
fn what_cannot_be_told_is_an_error() {
    for text in [
        "a\0b",
        "~root/x",
        "~bob",
        "~-/x",
        "$SECRETS/x",
        "/proc/1/root/etc",
        "/proc/4711/cwd",
        "/proc/self/fd/7",
        "/dev/fd/9/../x",
        "https://example.com/x",
        "php://filter/resource=x",
        "\\\\.\\PhysicalDrive0",
        "C:\\PROGRA~1\\x",
    ] {
        assert!(target(text, &here()).is_err(), "{text}: {:?}", target(text, &here()));
        assert!(targets(text, &here()).is_err(), "{text}");
    }
}

#[test]
fn patterns_are_patterns_unless_taken_literally() {
    let one = target("logs/*.txt", &here()).unwrap();
    assert!(one.glob && !one.recursive);
    assert!(target("logs/**", &here()).unwrap().recursive);
    assert!(!literal("logs/*.txt", &here()).unwrap().glob);
    assert_eq!(literal("~", &here()).unwrap().path, "/srv/data/app/~");
}

#[test]
fn what_decoders_disagree_on_cannot_be_told() {
    for text in [
        "%c0%ae%c0%ae%c0%afx",
        "%c0%2e%c0%2e/x",
        "..%c1%9cx",
        "..%c0%qfx",
        "%25c0%25ae",
        "%e0%80%ae%e0%80%ae/x",
        "%f8%80%80%80%ae",
        "%bg%qf",
        "a%00b",
        "a%2500b",
        "%25252525252525252e",
    ] {
        assert!(targets(text, &here()).is_err(), "{text}: {:?}", targets(text, &here()));
    }
}

/// Whatever leads out of the workspace for one program counts.
#[test]
fn every_reading_is_there() {
    for (text, path) in [
        ("%2e%2e/%2e%2e/x", "/srv/x"),
        ("%252e%252e%252fx", "/srv/data/x"),
        ("%%32%65%%32%65/x", "/srv/data/x"),
        ("..%%32%%66x", "/srv/data/x"),
        (".\\./x", "/srv/data/x"),
        ("?.%2fx", "/srv/data/x"),
        ("..%u2215x", "/srv/data/x"),
        ("..\\..\\x", "/srv/x"),
        ("..%5cx", "/srv/data/x"),
        ("..0x2fx", "/srv/data/x"),
        ("..\u{2215}x", "/srv/data/x"),
        ("\u{FF0E}\u{FF0E}/x", "/srv/data/x"),
        ("\u{2025}/x", "/srv/data/x"),
        ("....//x", "/srv/data/x"),
        ("..././x", "/srv/data/x"),
        (".. /x", "/srv/data/x"),
        ("..;/x", "/srv/data/x"),
        (".\u{200B}./x", "/srv/data/x"),
        (".?/x", "/srv/data/x"),
        ("{..,a}/x", "/srv/data/x"),
        ("..2fx", "/srv/data/x"),
        ("&#46;&#46;/x", "/srv/data/x"),
        (" /etc/passwd", "/etc/passwd"),
        ("%0a/etc/passwd", "/etc/passwd"),
        ("C:%5cx", "C:/x"),
        (".env.", "/srv/data/app/.env"),
        (".env::$DATA", "/srv/data/app/.env"),
        (".\u{FF45}nv", "/srv/data/app/.env"),
        (".g\u{200C}it", "/srv/data/app/.git"),
        ("%7e/x", "/home/ann/x"),
        ("cafe\u{301}", "/srv/data/app/caf\u{e9}"),
        ("Li4vLi4vZXRjL3Bhc3N3ZA==", "/srv/etc/passwd"),
    ] {
        let found: Vec<String> = targets(text, &here()).unwrap().into_iter().map(|it| it.path).collect();
        assert!(found.contains(&path.to_owned()), "{text}: {found:?}");
    }
}

/// Names that only look strange stay below the working directory, in every reading.
#[test]
fn honest_names_lead_nowhere_else() {
    for text in [
        "a b/c d.txt",
        "100% done.txt",
        "%E4%BD%A0.txt",
        "foo\\ bar.txt",
        "a..b/c...d",
        "[slug]/page.tsx",
        "[...slug]/page.tsx",
        "(group)/@modal/x",
        "caf\u{e9}/\u{1F600}.png",
        "\u{bd}.txt",
        "a:b",
        "12:30.log",
        "foo~",
        "foo~1",
        "{{cookiecutter.name}}/setup.py",
        "a=b&c=d.html",
        "./...",
        "a'b\"c",
        "0x2fab",
        "..data/x",
        "..foo",
        "x/../y",
        "Foo$Bar.class",
    ] {
        for one in targets(text, &here()).unwrap_or_else(|why| panic!("{text}: {why}")) {
            assert!(one.path.starts_with("/srv/data/app"), "{text}: {one:?}");
        }
    }
}

/// What a boundary of `/srv/data/app` without `.env` and `.git` makes of `text`.
fn judged(text: &str, real: &[String]) -> &'static str {
    let Ok(mut found) = targets(text, &here()) else { return "unknown" };
    if let Some(first) = found.first_mut() {
        first.real.extend_from_slice(real);
    }
    let paths = Paths::new(&["/srv/data/app"], &[], &["**/.env", "**/.git/**"]).unwrap();
    let boundaries = Boundaries { paths: Some(paths), ..Boundaries::default() };
    let effects: Vec<Effect> =
        found.into_iter().map(|one| Effect::new("fs.read", Target::Path(one))).collect();
    match boundaries.breach(&effects, &Ground { cwd: Some("/srv/data/app"), ignores_case: false }) {
        None => "inside",
        Some(breach) if breach.boundary == "paths.deny" => "denied",
        Some(_) => "outside",
    }
}

/// The cases of a file below `corpus/`: given, expected, why.
pub fn cases(file: &str) -> Vec<(Json, String, String)> {
    let path = format!("{}/../../corpus/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"));
    let rows = text.lines().map(|line| {
        let row = Json::parse(line.as_bytes()).unwrap_or_else(|why| panic!("{line}: {why:?}"));
        let at = |key: &str| row.at(&[key.to_owned()]).unwrap_or_else(|| panic!("{line}: no {key}")).clone();
        let (Json::Str(expect), Json::Str(why)) = (at("expect"), at("why")) else { panic!("{line}") };
        (at("given"), expect, why)
    });
    rows.collect()
}

#[test]
fn the_workspace_holds() {
    for (given, expected, why) in cases("paths/workspace.jsonl") {
        let Json::Str(text) = given else { panic!("{given:?}") };
        assert_eq!(judged(&text, &[]), expected, "{text}: {why}; {:?}", targets(&text, &here()));
    }
}

#[test]
fn links_count_where_they_lead() {
    for (given, expected, why) in cases("paths/links.jsonl") {
        let Some(Json::Str(text)) = given.at(&["path".to_owned()]) else { panic!("{given:?}") };
        let Some(Json::List(real)) = given.at(&["real".to_owned()]) else { panic!("{given:?}") };
        let real: Vec<String> = real
            .iter()
            .map(|one| match one {
                Json::Str(text) => text.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(judged(text, &real), expected, "{text}: {why}");
    }
}

/// Pieces that mean something to some reading, and some that mean nothing.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("..".to_owned()),
        Just("/".to_owned()),
        Just("\\".to_owned()),
        Just("%2e".to_owned()),
        Just("%25".to_owned()),
        Just("~".to_owned()),
        Just("C:".to_owned()),
        Just("{a,".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("*".to_owned()),
        Just("\u{FF0E}".to_owned()),
        Just("/proc/self/".to_owned()),
        Just("root".to_owned()),
        Just("file:".to_owned()),
        Just(" ".to_owned()),
        "[a-z.]{1,4}",
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #[test]
    fn any_text_has_canonical_readings_or_none(text in prop::collection::vec(piece(), 0..14)) {
        let text = text.concat();
        for around in [here(), Surroundings::default(), Surroundings { cwd: Some("C:\\w".into()), ..here() }] {
            for one in targets(&text, &around).unwrap_or_default() {
                prop_assert!(!one.path.is_empty());
                prop_assert!(one.path.len() < 4 || !one.path.ends_with('/'), "{text:?} {one:?}");
                let is_absolute = one.path.starts_with('/') || one.path.get(1..3) == Some(":/");
                let mut parts = one.path.split('/').peekable();
                if !is_absolute {
                    while parts.next_if_eq(&"..").is_some() {}
                }
                prop_assert!(one.path == "." || parts.all(|part| part != "." && part != ".."), "{text:?} {one:?}");
            }
        }
    }

    #[test]
    fn the_plain_reading_comes_first_and_reads_as_itself(text in prop::collection::vec(piece(), 0..10)) {
        let text = text.concat();
        if let (Ok(one), Ok(all)) = (target(&text, &here()), targets(&text, &here())) {
            prop_assert_eq!(Some(&one), all.first());
            // Two slashes are a share only if the path came with backslashes.
            if let (Ok(again), false) = (literal(&one.path, &here()), one.path.starts_with("//")) {
                prop_assert_eq!(again.path, one.path, "{}", text);
            }
        }
    }

    #[test]
    fn ordinary_names_have_one_reading(text in "[a-zA-Z][a-zA-Z0-9_-]{0,8}(/[a-zA-Z][a-zA-Z0-9_-]{0,8}){0,4}\\.[a-z]{1,4}") {
        prop_assert_eq!(targets(&text, &here()).unwrap().len(), 1);
    }
}

/// Whatever the text, the time is bounded: these took the worst ways that we know.
#[test]
fn hostile_texts_end() {
    for unit in [
        "{a,b}",
        "{",
        "{a,{b,",
        "%25",
        "%2e",
        "../",
        ".../",
        "\\",
        "*?",
        "\u{FF0E}/",
        "a",
        "~",
        "[",
        "\u{301}",
        "&#46;",
    ] {
        for length in [32 * 1024, 1024 * 1024] {
            let text = unit.repeat(length / unit.len());
            let found = targets(&text, &here()).map_or(0, |found| found.len());
            assert!(found <= text.len(), "{unit}: {found} paths");
            let _ = inspect::net::reached(&text);
        }
    }
}
