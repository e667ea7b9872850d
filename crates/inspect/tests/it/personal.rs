//! Personal data: cases as files, and what must hold for every text.

use std::path::Path;

use inspect::Hit;
use inspect::personal::{Locales, Settings, find, find_in};
use proptest::prelude::*;

fn seen(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    find(text, &mut hits);
    hits
}

fn named<'t>(text: &'t str, hits: &[Hit]) -> Vec<(String, &'t str)> {
    hits.iter().map(|hit| (hit.name.to_string(), &text[hit.span.clone()])).collect()
}

#[test]
fn every_case_is_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/personal");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let given = case["given"].as_str().unwrap();
            let expected: Vec<(String, &str)> = case["expect"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| (it["name"].as_str().unwrap().to_owned(), it["text"].as_str().unwrap()))
                .collect();
            let hits = seen(given);
            cases += 1;
            if named(given, &hits) != expected {
                wrong.push(format!("{given:?} ({}): {:?}", case["why"], named(given, &hits)));
            }
        }
    }
    assert!(wrong.is_empty() && cases > 80, "{cases} cases, {wrong:#?}");
}

#[test]
fn only_the_chosen_countries_count() {
    let text = "PESEL 88260215453, CPF 489.962.428-02, card 4111111111111111";
    let mut hits = Vec::new();
    let settings = Settings { locales: Locales::of(&["pl"]).unwrap(), ..Settings::default() };
    find_in(text, &settings, &mut hits);
    let names: Vec<String> = named(text, &hits).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["pl_pesel", "payment_card"]);
    assert_eq!(Locales::of(&["gb"]), Locales::of(&["UK"]));
    assert_eq!(Locales::of(&["de", "zz"]), Err("no national numbers are known for `zz`".to_owned()));
}

#[test]
fn the_name_of_a_field_is_as_good_as_a_label() {
    let mut hits = Vec::new();
    find_in(
        "536904399",
        &Settings { field: "socialSecurityNumber".to_owned(), ..Settings::default() },
        &mut hits,
    );
    assert_eq!(named("536904399", &hits), [("us_ssn".to_owned(), "536904399")]);
}

#[test]
fn what_only_might_be_one_is_told_to_who_asks_for_it() {
    let mut hits = Vec::new();
    find_in("see 108085127 there", &Settings { least: 30, ..Settings::default() }, &mut hits);
    assert!(hits.iter().all(|hit| hit.confidence < 50) && !hits.is_empty());
}

/// Figures mean nothing by themselves: hardly any run of digits is taken for somebody's number.
#[test]
fn figures_alone_are_rarely_something() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for length in 5..=20 {
        let mut found = 0;
        for _ in 0..2000 {
            let digits: String = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    char::from(b'0' + (state % 10) as u8)
                })
                .collect();
            found += usize::from(!seen(&format!("the value {digits} was read")).is_empty());
        }
        // Cards are found in one piece: a third of all beginnings are some issuer's, and one of ten fulfils Luhn,
        // so that one of thirty such runs could be charged. Leaving one out costs more than taking one in.
        let most = if length == 16 { 90 } else { 30 };
        assert!(found <= most, "{found} of 2000 runs of {length} digits");
    }
}

/// Nothing is found twice, and nothing makes a reader go over the same bytes for ever.
#[test]
fn hostile_texts_end() {
    let seeds = [
        "1",
        "9",
        "@",
        "a@",
        "1-1-1-",
        "+1 ",
        "1 ",
        "(1)",
        "1.1.",
        ":",
        "a:",
        "1:",
        "::",
        "0:",
        "f:1",
        "078051123 ",
        "4111111111111111 ",
        "ssn 078051123 ",
        "AA 12 34 56 B ",
        "GB82 ",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb ",
        "Dear ",
        "Mr. A ",
        "name: A ",
        "12 Oak ",
        "1 A ",
        "tel ",
        "tel 1 ",
        "born 1 ",
        "1 May ",
        "a@b.",
        "x@1.",
        "é1",
        "١",
        "address: 1 A B ",
        "12年",
        "9-9-9_9/9.9+9(9",
    ];
    for seed in seeds {
        let text = seed.repeat(100_000 / seed.len());
        let mut hits = Vec::new();
        find(&text, &mut hits);
        assert!(hits.is_sorted_by_key(|hit| hit.span.start), "{seed:?}");
        assert!(hits.windows(2).all(|two| two[0].span.end <= two[1].span.start), "{seed:?}");
    }
}

proptest! {
    #[test]
    fn hits_lie_in_the_text_in_order(text in "(\\PC|[0-9@:+(). -]|[0-9]{3}|ssn |tel: |DE89|Dear ){0,60}") {
        let hits = seen(&text);
        let mut last = 0;
        for hit in &hits {
            prop_assert!(hit.span.start >= last && hit.span.end > hit.span.start);
            prop_assert!(text.get(hit.span.clone()).is_some());
            prop_assert!(hit.confidence >= 50 && hit.confidence < 100);
            last = hit.span.end;
        }
    }
}
