//! The canonical form of JSON, and what is refused before there is one.

use proptest::prelude::*;
use verdict::Json;

fn canonical(text: &str) -> String {
    Json::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}")).canonical()
}

#[test]
fn the_examples_of_rfc_8785() {
    let text = "{\"numbers\":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],\
                \"string\":\"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\"literals\":[null,true,false]}";
    // 1E30 is beyond what an action may carry; the rest is section 3.2.2's example.
    assert!(Json::parse(text.as_bytes()).is_err());
    assert_eq!(
        canonical(&text.replace("1E30,", "")),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,4.5,0.002,1e-27],\
         \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
    let keys =
        "{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7}";
    assert_eq!(canonical(keys), "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}");
}

#[test]
fn two_different_integers_never_look_the_same() {
    assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
    assert_eq!(canonical("[1.0, -0, 0.0, 1e2, -0.0]"), "[1,0,0,100,0]");
    assert_eq!(canonical("9223372036854775807"), "9223372036854775807");
}

#[test]
fn what_could_mean_two_things_is_refused() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(Json::parse(deep(100).as_bytes()).is_ok());
    let bad = [
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"\\u0062\":2}}",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999",
        "1e400",
        "-1e400",
        "1e19",
        "NaN",
        "Infinity",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "{\"\\ud800\":1}",
        "01",
        "+1",
        ".5",
        "1.",
        "\"\t\"",
        "[1,]",
        "{\"a\":1,}",
        "1 2",
        "'a'",
        "\u{feff}1",
        "",
        &deep(1_000),
        &"[".repeat(1_000_000),
    ];
    for text in bad {
        assert!(Json::parse(text.as_bytes()).is_err(), "{text:.60}");
    }
    for bytes in [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\x00", b"\"a\x00\""] {
        assert!(Json::parse(bytes).is_err(), "{bytes:?}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e15..1e15).prop_map(|x: f64| x.into()),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(".{0,4}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_text_is_a_fixed_point(value in json()) {
        let once = canonical(&value.to_string());
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(json) = Json::parse(&bytes) {
            prop_assert_eq!(canonical(&json.canonical()), json.canonical());
        }
    }
}
