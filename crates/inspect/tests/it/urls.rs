//! Hosts, addresses and URLs: one spelling for each machine, and every machine that a text may mean.

use inspect::net::{Reached, reached, target, targets};
use proptest::prelude::*;
use verdict::boundary::{Boundaries, Ground, Hosts};
use verdict::{Effect, Json, Target};

use crate::paths::cases;

#[test]
fn a_machine_has_one_spelling() {
    for (text, host, port) in [
        ("https://Example.COM./x", "example.com", Some(443)),
        ("http://a:8080", "a", Some(8080)),
        ("http:127.0.0.1", "127.0.0.1", Some(80)),
        ("http://2130706433/", "127.0.0.1", Some(80)),
        ("http://0x7f000001/", "127.0.0.1", Some(80)),
        ("http://127.1/", "127.0.0.1", Some(80)),
        ("http://[::FFFF:127.0.0.1]", "::ffff:127.0.0.1", Some(80)),
        ("http://[fe80::1%25eth0]:8", "fe80::1", Some(8)),
        ("http://user:pw@host.example/", "host.example", Some(80)),
        ("http://\u{2460}\u{2461}\u{2466}.0.0.1/", "127.0.0.1", Some(80)),
        ("http://m\u{fc}nchen.de", "xn--mnchen-3ya.de", Some(80)),
        ("ht\ntp://a.b/", "a.b", Some(80)),
        ("http://a\t.b/", "a.b", Some(80)),
        ("gopher://localhost:25/_x", "localhost", Some(25)),
        ("jar:http://127.0.0.1!/", "127.0.0.1", Some(80)),
        ("example.com", "example.com", None),
        ("example.com:8443", "example.com", Some(8443)),
        ("[::1]:80", "::1", Some(80)),
        ("::1", "::1", None),
        ("git@github.com:a/b.git", "github.com", Some(22)),
        ("//example.com/x", "example.com", None),
        ("\\\\example.com", "example.com", None),
        ("localhost:8080/x", "localhost", Some(8080)),
        ("redis://cache:6380/0", "cache", Some(6380)),
        ("git+ssh://git@h.example/x", "h.example", Some(22)),
    ] {
        let one = target(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((one.host.as_str(), one.port), (host, port), "{text}");
    }
}

#[test]
fn every_reading_of_a_forked_address_is_there() {
    for (text, hosts) in [
        ("http://a.x\\@b.x/", &["a.x", "b.x"][..]),
        ("http://a.x#@b.x/", &["a.x", "b.x"]),
        ("http://a@b.x@c.x/", &["b.x", "c.x"]),
        ("http://1.1.1.1 &@2.2.2.2#@3.3.3.3/", &["1.1.1.1", "2.2.2.2", "3.3.3.3"]),
        ("http://010.0.0.1/", &["8.0.0.1", "10.0.0.1"]),
        ("http://fa\u{df}.de/", &["xn--fa-hia.de", "fass.de"]),
    ] {
        let found: Vec<String> = targets(text).unwrap().into_iter().map(|it| it.host).collect();
        for host in hosts {
            assert!(found.iter().any(|it| it == host), "{text}: {found:?}");
        }
    }
    assert_eq!(targets("https://medium.com/@ann/x").unwrap().len(), 1);
}

#[test]
fn embedded_addresses_are_taken_out() {
    for (text, address) in [
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("[::10.0.0.1]", "10.0.0.1"),
        ("[64:ff9b::a00:1]", "10.0.0.1"),
        ("[2002:a00:1::]", "10.0.0.1"),
        ("[fe80::5efe:a00:1]", "10.0.0.1"),
        ("127.0.0.1.nip.io", "127.0.0.1"),
        ("app-10-0-0-1.sslip.io", "10.0.0.1"),
        ("7f000001.c0a80001.rbndr.us", "192.168.0.1"),
        ("a.localtest.me", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
    ] {
        assert_eq!(target(text).unwrap().address, Some(address.parse().unwrap()), "{text}");
    }
}

#[test]
fn what_is_no_host_says_so() {
    assert_eq!(reached("data:text/plain,x"), Ok(vec![Reached::Inline]));
    assert_eq!(reached("file:///etc/passwd"), Ok(vec![Reached::File("file:///etc/passwd".to_owned())]));
    for text in
        ["", "/x", "http://", "http://%00/", "http://a b/", "http://a:99999/", "php://input", "http://$X/"]
    {
        assert!(reached(text).is_err(), "{text}: {:?}", reached(text));
    }
}

#[test]
fn what_was_made_to_be_misread_is_odd() {
    for text in ["https://\u{430}pple.com", "http://good.example@evil.example/", "https://xn--80ak6aa92e.com"]
    {
        assert!(target(text).unwrap().odd.is_some(), "{text}");
    }
    for text in ["https://user:pw@host.example", "https://\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.com"] {
        assert_eq!(target(text).unwrap().odd, None, "{text}");
    }
}

/// What a boundary that allows two names makes of `text`: `own` if it is refused as private without any list.
fn judged(text: &str) -> &'static str {
    let Ok(found) = reached(text) else { return "unknown" };
    if found.iter().any(|one| matches!(one, Reached::File(_))) {
        return "file";
    }
    let effects: Vec<Effect> = found
        .into_iter()
        .filter_map(|one| match one {
            Reached::Host(host) => Some(Effect::new("net.connect", Target::Host(host))),
            _ => None,
        })
        .collect();
    if effects.is_empty() {
        return "nothing";
    }
    let breached = |allow: Option<&[&str]>| {
        let hosts = Hosts::new(allow, &[], false).unwrap();
        let boundaries = Boundaries { hosts: Some(hosts), ..Boundaries::default() };
        boundaries.breach(&effects, &Ground::default()).is_some()
    };
    match (breached(None), breached(Some(&["api.example.com", "*.ok.example:443"]))) {
        (true, true) => "own",
        (false, true) => "refused",
        (false, false) => "allowed",
        (true, false) => "inconsistent",
    }
}

#[test]
fn the_hosts_hold() {
    for (given, expected, why) in cases("urls/hosts.jsonl") {
        let Json::Str(text) = given else { panic!("{given:?}") };
        assert_eq!(judged(&text), expected, "{text}: {why}; {:?}", reached(&text));
    }
}

proptest! {
    /// Our cut of a URL and the standard library's agree on the host and the port, wherever both have one.
    #[test]
    fn the_first_reading_is_the_standards(
        scheme in prop::sample::select(vec!["http", "https", "ftp", "ws"]),
        rest in "[:/\\\\@?#.a-c0-2\\[\\]%x\\t é]{0,16}",
    ) {
        let text = format!("{scheme}:{rest}");
        let ours = target(&text);
        let Ok(standard) = url::Url::parse(&text) else {
            prop_assert!(ours.is_err() || text.contains("[fe80:"), "{text:?} {ours:?}");
            return Ok(());
        };
        if let Ok(ours) = ours {
            let host = standard.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
            prop_assert_eq!(ours.host.as_str(), host, "{:?}", text);
            prop_assert_eq!(ours.port, standard.port_or_known_default(), "{:?}", text);
        }
    }

    #[test]
    fn any_text_has_readings_or_none(text in any::<String>()) {
        let _ = reached(&text);
        let _ = reached(&format!("http://{text}"));
        let _ = targets(&text);
    }

    #[test]
    fn a_host_reads_as_itself(text in "[a-z0-9.-]{1,20}") {
        if let Ok(one) = target(&text) {
            prop_assert_eq!(target(&one.to_string()).map(|it| it.host), Ok(one.host));
        }
    }
}
