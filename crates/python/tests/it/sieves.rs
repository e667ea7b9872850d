//! A sieve lets every text through that a pattern matches: with patterns made of parts, and texts made to fit them.

use proptest::prelude::*;
use regex::RegexSet;

use crate::needed::needed;
use crate::sieve::sieve;

/// Parts of patterns, each with texts that it matches.
const PARTS: &[(&str, &[&str])] = &[
    ("rm", &["rm"]),
    (r"\s+", &[" ", "\t\n", "\u{a0}"]),
    (r"\s*", &["", "  "]),
    ("-rf", &["-rf"]),
    ("(?i:drop)", &["drop", "DROP", "dRoP"]),
    ("(?i:mask)", &["mask", "MA\u{17f}\u{212a}", "MASK"]),
    ("(?i:table|database|schema)", &["TABLE", "databaſe", "schema"]),
    ("[rR]m?", &["r", "Rm"]),
    ("(?:foo|bar|)", &["foo", "bar", ""]),
    ("ba{2,3}", &["baa", "baaa"]),
    ("(?:ab){3}", &["ababab"]),
    ("(?:ab){2,}", &["abab", "abababab"]),
    ("(?:xy){20}", &["xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy"]),
    ("colou?r", &["color", "colour"]),
    (".*", &["", "any thing"]),
    (r"\d{3}-\d{2}", &["123-45", "١٢٣-٤٥"]),
    ("[a-f]x[^a]", &["axb", "fxé"]),
    ("größe|Maß", &["größe", "Maß"]),
    ("(?i:größe)", &["GRÖẞE", "GRÖße"]),
    (r"\bword_12\b", &["word_12"]),
    (r"[\w.]+@example\.com", &["a.b@example.com"]),
    (r"password\s*[:=]", &["password =", "password:"]),
    ("[^\\x00-\\x7f]", &["é", "漢"]),
    ("a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p", &["a", "p"]),
];

fn made() -> impl Strategy<Value = (String, String)> {
    let part = prop::sample::select(PARTS)
        .prop_flat_map(|(pattern, texts)| (Just(pattern), prop::sample::select(texts)));
    prop::collection::vec(part, 1..5).prop_map(|parts| {
        let pattern: String = parts.iter().map(|(pattern, _)| format!("(?:{pattern})")).collect();
        (pattern, parts.iter().map(|(_, text)| *text).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn what_a_pattern_matches_is_let_through(
        made in prop::collection::vec(made(), 1..12),
        which in any::<prop::sample::Index>(),
        before in "[ -~é]{0,20}",
        after in "[ -~\\n]{0,20}",
    ) {
        let patterns: Vec<String> = made.iter().map(|(pattern, _)| pattern.clone()).collect();
        let text = format!("{before}{}{after}", made[which.index(made.len())].1);
        let set = RegexSet::new(&patterns).unwrap();
        if let Some((sieve, others)) = sieve(&patterns) {
            let spoken_for = set.matches(&text).iter().any(|n| !others.contains(&n));
            prop_assert!(!spoken_for || sieve.lets_through(&text), "{patterns:?} {text:?}");
        }
    }

    #[test]
    fn any_text_and_any_pattern(pattern in "[a-c.?*+(|)\\[\\]{}^$2,\\\\w-]{1,14}", text in "[a-c2 ]{0,24}") {
        let patterns = vec![pattern];
        if let (Ok(set), Some((sieve, others))) = (RegexSet::new(&patterns), sieve(&patterns)) {
            prop_assert!(!set.is_match(&text) || !others.is_empty() || sieve.lets_through(&text), "{patterns:?}");
        }
    }
}

#[test]
fn the_words_that_patterns_need() {
    let words = |pattern: &str| {
        needed(pattern, 3, 8)
            .map(|words| words.into_iter().map(|it| String::from_utf8(it).unwrap()).collect::<Vec<_>>())
            .unwrap_or_else(|| vec!["?".to_owned()])
    };
    for (pattern, expected) in [
        (r"forbidden_1\s+word_1", vec!["forbidden\u{7f}1"]),
        (r"rm\s+-rf", vec!["-rf"]),
        ("(?:one|three)[ab]", vec!["onea", "oneb", "threea", "threeb"]),
        (r"\d+", vec!["?"]),
        ("x?", vec!["?"]),
        ("(?:drop|ab)", vec!["?"]),
        ("a(?:bcd)?e", vec!["?"]),
        ("(?:abc)+", vec!["abc"]),
        // What matches nothing needs one of no words.
        (r"[^\s\S]abc", vec![]),
    ] {
        assert_eq!(words(pattern), expected, "{pattern}");
    }
}

#[test]
fn most_texts_are_kept_back() {
    let patterns: Vec<String> = (0..1000).map(|n| format!(r"forbidden_{n}\s+word_{n}")).collect();
    let (sieve, others) = sieve(&patterns).unwrap();
    assert!(others.is_empty());
    assert!(
        !sieve.lets_through("SELECT name, total FROM orders WHERE id=7 AND note = 'the quick brown fox'")
    );
    assert!(sieve.lets_through("FORBIDDEN_77 word_77"));
    assert!(crate::sieve::sieve(&[r"\d+".to_owned()]).is_none(), "it would speak for nothing");
}
