//! Edits of texts: what changes, what stays, and that nothing is lost on the way.

use super::*;

const POLICY: &str = "\
# Who may do what. Keep this comment.
version: 1

tools:
  crm.read: {}            # reads only
  stripe.refund: {args: {amount: money}, effects: [payment], price_usd: 0.01}

agents:
  support-bot:
    owner: support@example.com
    rules:
      # the everyday things
      - {name: everyday, allow: [crm.read]}
      - {name: small-refunds, allow: [stripe.refund], when: args.amount <= 200}   # up to 200
    limits:
    - {meter: actions, max: 100, per: 1h}
  other-bot:
    rules:
      - name: reads
        allow: crm.read
# the end
";

fn document(text: &str) -> Document {
    Document::of(vec![("policy.yaml".to_owned(), text.to_owned())]).unwrap()
}

fn after(text: &str, change: impl FnOnce(&mut Document)) -> String {
    let mut document = document(text);
    change(&mut document);
    document.texts().unwrap().remove(0).1
}

fn compiles(text: &str) {
    let compiled = policy_text::of_text("policy.yaml", text);
    assert!(compiled.is_ok(), "{:?}\n{text}", compiled.err());
}

/// The lines that were taken away and that came, as a diff has them.
fn diff<'t>(before: &'t str, after: &'t str) -> (Vec<&'t str>, Vec<&'t str>) {
    let gone = before.lines().filter(|line| !after.lines().any(|other| other == *line));
    let new = after.lines().filter(|line| !before.lines().any(|other| other == *line));
    (gone.collect(), new.collect())
}

fn rule(name: &str, tool: &str) -> Tree {
    Tree::map([("name", Tree::text(name)), ("allow", Tree::texts([tool]))])
}

#[test]
fn what_is_not_changed_keeps_every_byte() {
    assert_eq!(after(POLICY, |_| ()), POLICY);
    let bare = POLICY.trim_end();
    assert_eq!(after(bare, |_| ()), bare, "no line break is added for nothing");
    compiles(POLICY);
}

#[test]
fn a_rule_is_added_and_taken_away_in_one_line() {
    let added = after(POLICY, |it| {
        it.make(&["agents", "support-bot", "rules"]).unwrap().list().unwrap().push(rule("mail", "mail.send"));
    });
    compiles(&added);
    assert_eq!(diff(POLICY, &added), (vec![], vec!["      - {name: mail, allow: [mail.send]}"]));
    let gone = after(&added, |it| {
        it.make(&["agents", "support-bot", "rules"]).unwrap().list().unwrap().pop();
    });
    assert_eq!(gone, POLICY);
    let less = after(POLICY, |it| {
        it.make(&["agents", "support-bot", "rules"]).unwrap().list().unwrap().remove(0);
    });
    assert_eq!(diff(POLICY, &less), (vec!["      - {name: everyday, allow: [crm.read]}"], vec![]));
    let limit = after(POLICY, |it| {
        let limit =
            Tree::map([("meter", Tree::text("usd")), ("max", Tree::plain(5)), ("per", Tree::plain("1d"))]);
        it.make(&["agents", "support-bot", "limits"]).unwrap().list().unwrap().push(limit);
    });
    compiles(&limit);
    assert_eq!(diff(POLICY, &limit), (vec![], vec!["    - {meter: usd, max: 5, per: 1d}"]), "its own indent");
}

#[test]
fn agents_and_tools_come_and_go() {
    let added = after(POLICY, |it| {
        let agent = Tree::map([
            ("purpose", Tree::text("Reads: mail")),
            ("rules", Tree::List(vec![rule("r", "crm.read")])),
        ]);
        it.set(&["agents", "new-bot"], agent).unwrap();
        it.set(&["tools", "mail.send"], Tree::map([("effects", Tree::texts(["message.send"]))])).unwrap();
    });
    compiles(&added);
    let (gone, new) = diff(POLICY, &added);
    assert!(gone.is_empty(), "{gone:?}");
    let expected = [
        "  mail.send: {effects: [message.send]}",
        "  new-bot:",
        "    purpose: \"Reads: mail\"",
        "      - {name: r, allow: [crm.read]}",
    ];
    assert_eq!(new, expected);
    assert!(added.ends_with("# the end\n"));
    let back = after(&added, |it| {
        it.remove(&["agents", "new-bot"]).unwrap();
        it.remove(&["tools", "mail.send"]).unwrap();
    });
    assert_eq!(back, POLICY);
}

#[test]
fn a_scalar_is_changed_in_its_place() {
    let changed =
        after(POLICY, |it| it.set(&["agents", "other-bot", "owner"], Tree::text("on: call")).unwrap());
    compiles(&changed);
    assert_eq!(diff(POLICY, &changed), (vec![], vec!["    owner: \"on: call\""]));
    let changed = after(POLICY, |it| {
        it.set(&["agents", "support-bot", "owner"], Tree::text("no")).unwrap();
        it.set(&["tools", "stripe.refund", "price_usd"], Tree::plain("0.02")).unwrap();
    });
    compiles(&changed);
    let (gone, new) = diff(POLICY, &changed);
    assert_eq!(gone.len(), 2);
    assert_eq!(
        new,
        [
            "  stripe.refund: {args: {amount: money}, effects: [payment], price_usd: 0.02}",
            "    owner: \"no\""
        ]
    );
}

#[test]
fn what_cannot_be_seen_is_written_so_that_it_can() {
    let changed = after(POLICY, |it| {
        it.set(&["agents", "other-bot", "owner"], Tree::text("a\u{202e}b\u{feff}")).unwrap();
    });
    compiles(&changed);
    assert_eq!(diff(POLICY, &changed).1, ["    owner: \"a\\u202eb\\ufeff\""]);
}

#[test]
fn json_becomes_yaml_that_says_the_same() {
    let json = r#"{"version":1,"tools":{"a.b":{}},"agents":{"bot":{"rules":[{"name":"r","allow":["a.b"],"when":"args.x == \"y: z\""}]}}}"#;
    let text = after(json, |it| it.set(&["agents", "bot", "owner"], Tree::text("1")).unwrap());
    compiles(&text);
    assert!(text.starts_with("version: 1\ntools:\n"), "{text}");
    assert!(text.contains("owner: \"1\""), "{text}");
}

#[test]
fn an_included_file_keeps_what_is_its_own() {
    let main = "version: 1\ninclude: [bots.yaml]\ntools: {a.b: {}}\n".to_owned();
    let bots = "version: 1\nagents:\n  bot: {rules: []}   # mine\n".to_owned();
    let files = vec![("policy.yaml".to_owned(), main.clone()), ("bots.yaml".to_owned(), bots.clone())];
    let mut document = Document::of(files).unwrap();
    document.make(&["agents", "bot", "rules"]).unwrap().list().unwrap().push(rule("r", "a.b"));
    document.set(&["agents", "other"], Tree::empty()).unwrap();
    let texts = document.clone().texts().unwrap();
    assert!(
        texts[0].1.starts_with("version: 1\ninclude: [bots.yaml]\n") && texts[0].1.contains("other: {}"),
        "{}",
        texts[0].1
    );
    assert!(texts[1].1.contains("allow: [a.b]"), "{}", texts[1].1);
    document.compile().unwrap();
}

#[test]
fn what_is_in_the_way_is_named() {
    let mut it = document("version: 1\ntools: {a.b: {}}\nagents:\n  bot: {rules: []}\n");
    let error = it.make(&["version", "x"]).unwrap_err();
    assert!(error.contains("`x`"), "{error}");
    assert!(Document::of(vec![("p".to_owned(), "a: &x 1\nb: *x\n".to_owned())]).is_err());
    assert!(Document::of(vec![("p".to_owned(), "a: [\n".to_owned())]).is_err());
    assert!(Document::of(vec![("p".to_owned(), String::new())]).is_err());
    assert!(Document::of(Vec::new()).is_err());
    assert!(Document::of(vec![("p".to_owned(), "[".repeat(100_000))]).is_err());
}

mod properties {
    use proptest::prelude::*;

    use super::super::{emit, parse, written};
    use super::Tree;

    fn scalar() -> impl Strategy<Value = Tree> {
        prop_oneof![
            any::<String>().prop_map(Tree::text),
            "[a-z0-9.:#&*!|>'\"%@`, -]{0,12}".prop_map(Tree::text),
            any::<i32>().prop_map(Tree::plain),
            prop_oneof![Just("true"), Just("null"), Just("1h"), Just("0.01"), Just("~")]
                .prop_map(Tree::plain),
            Just(Tree::text("two\nlines\n")),
        ]
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let key =
            prop_oneof!["[a-z][a-z.-]{0,6}", "[ -~]{1,6}", Just("true".to_owned()), Just("1".to_owned())];
        scalar().prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
                proptest::collection::btree_map(key.clone(), inner, 0..4)
                    .prop_map(|map| Tree::map(map.into_iter().filter(|(key, _)| key != "<<"))),
            ]
        })
    }

    fn root() -> impl Strategy<Value = Tree> {
        let key = "[a-z][a-z.-]{0,3}";
        proptest::collection::btree_map(key, tree(), 1..5).prop_map(Tree::map)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a tree holds, its text says the same.
        #[test]
        fn a_tree_survives_writing(tree in root()) {
            let text = emit::document(&tree);
            let (read, _) = parse::parse(&text).map_err(TestCaseError::fail)?;
            prop_assert_eq!(read, tree, "{}", text);
        }

        /// Any tree can be put in the place of any other.
        #[test]
        fn any_change_can_be_written(old in root(), new in root()) {
            let text = format!("# kept\n{}", emit::document(&old));
            let text = written(text, &new).map_err(TestCaseError::fail)?;
            let (read, _) = parse::parse(&text).map_err(TestCaseError::fail)?;
            prop_assert_eq!(read, new, "{}", text);
        }
    }
}
