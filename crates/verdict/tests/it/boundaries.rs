//! Boundaries: what is inside, what is not, and that whatever is not known is not.

use std::net::IpAddr;

use proptest::prelude::*;
use verdict::boundary::{
    Boundaries, Breach, Commands, Ground, Hosts, Paths, Space, Sql, space, space_of_name,
};
use verdict::{Effect, HostTarget, PathTarget, ProgramTarget, TableTarget, Target};

const APP: Ground<'_> = Ground { cwd: Some("/srv/data/app"), ignores_case: false };

fn path(text: &str) -> Target {
    let (bare, recursive) = text.strip_suffix("/**").map_or((text, false), |bare| (bare, true));
    let glob = bare.contains(['*', '?', '[']);
    Target::Path(PathTarget { path: bare.to_owned(), glob, recursive, ..PathTarget::default() })
}

fn linked(text: &str, real: &str) -> Target {
    Target::Path(PathTarget { path: text.to_owned(), real: vec![real.to_owned()], ..PathTarget::default() })
}

fn host(text: &str, port: Option<u16>) -> HostTarget {
    let address = text.parse::<IpAddr>().ok();
    HostTarget { host: text.to_owned(), port, address, ..HostTarget::default() }
}

fn program(text: &str) -> Target {
    let mut words = text.split(' ');
    let name = words.next().unwrap().to_owned();
    // `?` stands for a word that is not known.
    let words = words.map(|word| (word != "?").then(|| word.to_owned())).collect();
    Target::Program(ProgramTarget { name, words })
}

fn table(name: &str, columns: &[&str], all_columns: bool) -> Target {
    let columns = columns.iter().map(|it| (*it).to_owned()).collect();
    Target::Table(TableTarget { table: name.to_owned(), columns, all_columns, unfiltered: false })
}

fn breach(boundaries: &Boundaries, kind: &'static str, target: Target) -> Option<Breach> {
    boundaries.breach(&[Effect::new(kind, target)], &APP)
}

fn key(boundaries: &Boundaries, kind: &'static str, target: Target) -> Option<&'static str> {
    breach(boundaries, kind, target).map(|it| it.boundary)
}

fn paths(read: &[&str], write: &[&str], deny: &[&str]) -> Boundaries {
    Boundaries { paths: Some(Paths::new(read, write, deny).unwrap()), ..Boundaries::default() }
}

fn hosts(allow: Option<&[&str]>, deny: &[&str], private: bool) -> Boundaries {
    Boundaries { hosts: Some(Hosts::new(allow, deny, private).unwrap()), ..Boundaries::default() }
}

fn sql(allow: Option<&[&str]>, deny: &[&str]) -> Boundaries {
    Boundaries { sql: Some(Sql::new(allow, deny).unwrap()), ..Boundaries::default() }
}

fn commands(allow: Option<&[&str]>, deny: &[&str]) -> Boundaries {
    Boundaries { commands: Commands::new(allow, deny, false, false).unwrap(), ..Boundaries::default() }
}

#[test]
fn folders_are_compared_by_component() {
    let own = paths(&["/srv/data"], &["/srv/data/out/"], &[]);
    for (kind, text, expected) in [
        ("fs.read", "/srv/data", None),
        ("fs.read", "/srv/data/x", None),
        ("fs.read", "/srv/database", Some("paths.read")),
        ("fs.read", "/srv", Some("paths.read")),
        ("fs.read", "/srv/Data/x", Some("paths.read")),
        ("fs.read", "//srv/data/x", Some("paths.read")),
        ("fs.read", "x", Some("paths.read")),
        ("fs.write", "/srv/data/x", Some("paths.write")),
        ("fs.write", "/srv/data/out/x", None),
        ("fs.delete", "/srv/data/out/x", None),
        ("fs.delete", "/srv/data/x", Some("paths.write")),
        ("fs.read", "/srv/data/*.txt", None),
        ("fs.read", "/srv/da*/x", Some("paths.read")),
        ("fs.read", "/dev/null", None),
        ("fs.write", "/dev/null", None),
        ("fs.write", "/dev/urandom", Some("paths.write")),
        ("net.connect", "/etc/passwd", None),
        ("secret.read", "/home/ann/.ssh/id_rsa", Some("paths.read")),
    ] {
        assert_eq!(key(&own, kind, path(text)), expected, "{kind} {text}");
    }
    let folded = Ground { ignores_case: true, ..APP };
    assert_eq!(own.breach(&[Effect::new("fs.read", path("/SRV/data/X"))], &folded), None);
}

#[test]
fn what_may_be_written_may_be_read_and_no_list_admits_nothing() {
    let own = paths(&[], &["/out"], &[]);
    assert_eq!(key(&own, "fs.read", path("/out/x")), None);
    assert_eq!(key(&own, "fs.read", path("/in/x")), Some("paths.read"));
    let none = paths(&[], &[], &[]);
    assert_eq!(key(&none, "fs.read", path("/out/x")), Some("paths.read"));
    assert!(breach(&none, "fs.read", path("/x")).unwrap().reason.ends_with("is below nothing"));
}

#[test]
fn a_link_counts_where_it_leads() {
    let own = paths(&["/srv/data"], &[], &["**/.env"]);
    assert_eq!(key(&own, "fs.read", linked("/srv/data/x", "/srv/data/y")), None);
    assert_eq!(key(&own, "fs.read", linked("/srv/data/x", "/etc/passwd")), Some("paths.read"));
    assert_eq!(key(&own, "fs.read", linked("/srv/data/x", "/srv/data/.env")), Some("paths.deny"));
    assert_eq!(key(&own, "fs.read", linked("/etc/x", "/srv/data/y")), Some("paths.read"));
}

#[test]
fn what_is_not_known_is_outside() {
    let own = paths(&["/srv"], &["/srv"], &[]);
    for kind in ["fs.read", "fs.write", "fs.delete"] {
        for target in
            [Target::Unknown, Target::None, Target::Named("/srv/x".to_owned()), path("x"), path("../x")]
        {
            assert!(key(&own, kind, target.clone()).is_some(), "{kind} {target:?}");
        }
    }
}

#[test]
fn relative_folders_are_below_the_working_directory() {
    let own = paths(&["."], &["out"], &[]);
    assert_eq!(key(&own, "fs.read", path("/srv/data/app/x")), None);
    assert_eq!(key(&own, "fs.read", path("/srv/data/apple")), Some("paths.read"));
    assert_eq!(key(&own, "fs.write", path("/srv/data/app/out/x")), None);
    assert_eq!(key(&own, "fs.write", path("/srv/data/app/outside")), Some("paths.write"));
    let nowhere = |target| own.breach(&[Effect::new("fs.read", target)], &Ground::default());
    assert_eq!(nowhere(path("x/y")), None);
    assert_eq!(nowhere(path(".")), None);
    assert!(nowhere(path("../x")).unwrap().reason.contains("where that is, is not known"));
    assert!(nowhere(path("/srv/data/app/x")).is_some());
}

#[test]
fn denied_patterns_hold_at_any_depth_and_below() {
    let own =
        paths(&["/srv"], &["/srv"], &["**/.env", "**/.git/**", "*.pem", "/srv/{a,b}/keys", "**/id_[rd]sa"]);
    for (kind, text, is_denied) in [
        ("fs.read", "/srv/.env", true),
        ("fs.read", "/srv/x/y/.ENV", true),
        ("fs.read", "/srv/.env.example", false),
        ("fs.read", "/srv/x.env", false),
        ("fs.read", "/srv/.git", true),
        ("fs.read", "/srv/x/.git/config", true),
        ("fs.read", "/srv/.gitignore", false),
        ("fs.read", "/srv/x/tls.PEM", true),
        ("fs.read", "/srv/a/keys/x", true),
        ("fs.read", "/srv/c/keys/x", false),
        ("fs.read", "/srv/id_rsa", true),
        ("fs.read", "/srv/id_xsa", false),
        // A folder may be read for what it is; it may not be changed with what is in it.
        ("fs.read", "/srv/x/**", false),
        ("fs.delete", "/srv/x/**", true),
        ("fs.read", "/srv/.git/**", true),
        // Patterns that name it, and patterns that name everything.
        ("fs.read", "/srv/.e*", true),
        ("fs.read", "/srv/.en?", true),
        ("fs.read", "/srv/.[e]nv", true),
        ("fs.read", "/srv/*", false),
        ("fs.read", "/srv/*.p?m", true),
        ("fs.read", "/srv/*.txt", false),
        ("fs.delete", "/srv/*.txt", false),
        ("fs.delete", "/srv/*", true),
        ("fs.read", "/srv/**/*.txt", false),
        ("fs.read", "/srv/**/.git/x", true),
    ] {
        let expected = is_denied.then_some("paths.deny");
        assert_eq!(key(&own, kind, path(text)), expected, "{kind} {text}");
    }
}

#[test]
fn windows_paths_ignore_case_and_stay_on_their_drive() {
    let own = paths(&["C:\\work", "\\\\nas\\share"], &[], &[]);
    for (text, is_inside) in [
        ("C:/Work/x", true),
        ("C:/workshop", false),
        ("D:/work/x", false),
        ("//nas/share/x", true),
        ("//nas/other/x", false),
        ("/work/x", false),
    ] {
        assert_eq!(key(&own, "fs.read", path(text)).is_none(), is_inside, "{text}");
    }
    assert!(key(&paths(&["/"], &[], &[]), "fs.read", path("C:/x")).is_some());
    assert!(key(&paths(&["/"], &[], &[]), "fs.read", path("//nas/x")).is_some());
}

#[test]
fn what_is_no_folder_or_pattern_is_refused_when_the_policy_loads() {
    for wrong in ["", "~/x", "$HOME", "/srv/*", "/srv/../etc"] {
        assert!(Paths::new(&[wrong], &[], &[]).is_err(), "{wrong}");
    }
    for wrong in ["", "[a", "{a", "a/../b", "{a,{b,c}}"] {
        assert!(Paths::new(&[], &[], &[wrong]).is_err(), "{wrong}");
    }
    assert!(Paths::new(&["/srv/**"], &[], &[]).is_ok());
}

#[test]
fn addresses_are_what_they_are_for() {
    for (text, expected) in [
        ("127.0.0.1", Space::Loopback),
        ("127.255.0.3", Space::Loopback),
        ("0.0.0.0", Space::Unspecified),
        ("10.1.2.3", Space::Private),
        ("172.16.0.1", Space::Private),
        ("172.32.0.1", Space::Public),
        ("192.168.255.255", Space::Private),
        ("169.254.1.1", Space::LinkLocal),
        ("169.254.169.254", Space::Metadata),
        ("100.100.100.200", Space::Metadata),
        ("168.63.129.16", Space::Metadata),
        ("192.0.0.192", Space::Metadata),
        ("100.64.0.1", Space::Cgnat),
        ("224.0.0.1", Space::Multicast),
        ("255.255.255.255", Space::Broadcast),
        ("240.0.0.1", Space::Reserved),
        ("198.18.0.1", Space::Reserved),
        ("203.0.113.9", Space::Documentation),
        ("8.8.8.8", Space::Public),
        ("::", Space::Unspecified),
        ("::1", Space::Loopback),
        ("::7f00:1", Space::Loopback),
        ("::ffff:10.0.0.1", Space::Private),
        ("64:ff9b::a9fe:a9fe", Space::Metadata),
        ("64:ff9b:1::1", Space::Private),
        ("2002:7f00:1::", Space::Loopback),
        ("2001:0:1:2:3:4:80ff:fffe", Space::Loopback),
        ("fd00:ec2::254", Space::Metadata),
        ("fd12::1", Space::Private),
        ("fe80::1", Space::LinkLocal),
        ("fec0::1", Space::Private),
        ("ff02::1", Space::Multicast),
        ("2001:db8::1", Space::Documentation),
        ("2606:4700::1111", Space::Public),
        ("::ffff:8.8.8.8", Space::Public),
        ("4000::1", Space::Reserved),
    ] {
        assert_eq!(space(text.parse().unwrap()), expected, "{text}");
    }
    for (name, expected) in [
        ("localhost", Some(Space::Loopback)),
        ("a.localhost", Some(Space::Loopback)),
        ("localhost.localdomain", Some(Space::Loopback)),
        ("metadata.google.internal", Some(Space::Metadata)),
        ("db", Some(Space::Private)),
        ("db.internal", Some(Space::Private)),
        ("printer.home.arpa", Some(Space::Private)),
        ("in-addr.arpa", None),
        ("example.com", None),
        ("internal.example.com", None),
    ] {
        assert_eq!(space_of_name(name), expected, "{name}");
    }
}

#[test]
fn hosts_are_compared_by_label_and_port() {
    let own = hosts(
        Some(&[
            "*.stripe.com:443",
            "api.zendesk.com",
            "10.0.0.0/8",
            "[::1]:80",
            "*.dev.example:*",
            "8.8.8.8:53",
        ]),
        &[],
        false,
    );
    for (text, port, is_inside) in [
        ("api.stripe.com", Some(443), true),
        ("a.b.stripe.com", Some(443), true),
        ("stripe.com", Some(443), false),
        ("evilstripe.com", Some(443), false),
        ("api.stripe.com", Some(80), false),
        ("api.stripe.com", None, false),
        ("api.zendesk.com", Some(443), true),
        ("api.zendesk.com", Some(80), true),
        ("api.zendesk.com", Some(22), false),
        ("api.zendesk.com", None, true),
        ("x.api.zendesk.com", Some(443), false),
        ("10.1.2.3", Some(443), true),
        ("10.1.2.3", Some(22), false),
        ("11.1.2.3", Some(443), false),
        ("192.168.0.1", Some(443), false),
        ("::1", Some(80), true),
        ("::1", Some(443), false),
        ("a.dev.example", Some(3000), true),
        ("8.8.8.8", Some(53), true),
    ] {
        let found = breach(&own, "net.connect", Target::Host(host(text, port)));
        assert_eq!(found.is_none(), is_inside, "{text}:{port:?} {found:?}");
    }
    assert_eq!(key(&own, "net.connect", Target::Unknown), Some("hosts.allow"));
    assert_eq!(key(&own, "net.connect", Target::None), Some("hosts.allow"));
    let odd = HostTarget { odd: Some("confusable".into()), ..host("api.zendesk.com", Some(443)) };
    assert_eq!(key(&own, "net.connect", Target::Host(odd)), Some("hosts.allow"));
}

#[test]
fn private_addresses_need_to_be_named() {
    let resolving = |name: &str, to: &str| {
        Target::Host(HostTarget { resolved: vec![to.parse().unwrap()], ..host(name, Some(443)) })
    };
    let open = hosts(None, &[], false);
    for (target, is_inside) in [
        (resolving("example.com", "93.184.216.34"), true),
        (resolving("example.com", "10.0.0.1"), false),
        (resolving("example.com", "::ffff:169.254.169.254"), false),
        (resolving("example.com", "64:ff9b::7f00:1"), false),
        (Target::Host(host("example.com", Some(443))), true),
        (Target::Host(host("localhost", Some(443))), false),
        (Target::Host(host("db", Some(443))), false),
        (resolving("intra", "93.184.216.34"), true),
        (Target::Host(host("169.254.169.254", Some(80))), false),
        (Target::Host(host("8.8.8.8", Some(53))), true),
        (Target::Unknown, false),
    ] {
        let found = breach(&open, "net.connect", target.clone());
        assert_eq!(found.is_none(), is_inside, "{target:?} {found:?}");
        assert!(found.is_none_or(|it| it.boundary == "hosts.private_addresses"));
    }
    let listing = hosts(
        Some(&["example.com", "10.0.0.0/8", "localhost:8080", "db.internal:5432", "0.0.0.0/0"]),
        &[],
        false,
    );
    assert_eq!(key(&listing, "net.connect", resolving("example.com", "10.0.0.1")), None);
    assert!(key(&listing, "net.connect", resolving("example.com", "192.168.0.1")).is_some());
    assert!(key(&listing, "net.connect", Target::Host(host("127.0.0.1", Some(80)))).is_some());
    assert_eq!(key(&listing, "net.connect", Target::Host(host("localhost", Some(8080)))), None);
    assert!(key(&listing, "net.connect", Target::Host(host("localhost", Some(22)))).is_some());
    let db = |to: &str| {
        Target::Host(HostTarget { resolved: vec![to.parse().unwrap()], ..host("db.internal", Some(5432)) })
    };
    assert_eq!(key(&listing, "net.connect", db("192.168.0.7")), None);
    assert!(key(&listing, "net.connect", db("169.254.169.254")).is_some());
    let all = hosts(None, &["*.evil.example", "169.254.169.254"], true);
    assert_eq!(key(&all, "net.connect", Target::Host(host("10.0.0.1", Some(80)))), None);
    assert_eq!(key(&all, "net.connect", Target::Host(host("a.evil.example", Some(9)))), Some("hosts.deny"));
    assert_eq!(key(&all, "net.connect", resolving("x.example", "169.254.169.254")), Some("hosts.deny"));
    assert_eq!(key(&all, "net.connect", Target::Unknown), Some("hosts.deny"));
    assert_eq!(key(&hosts(None, &[], true), "net.connect", Target::Unknown), None);
}

#[test]
fn what_is_no_host_is_refused_when_the_policy_loads() {
    for wrong in [
        "",
        "https://a.example",
        "a.*.example",
        "user@a",
        "10.0.0.0/33",
        "a:99999",
        "b\u{fc}cher.de",
        "1.2.3",
        "a..b",
    ] {
        assert!(Hosts::new(Some(&[wrong]), &[], false).is_err(), "{wrong}");
    }
}

#[test]
fn statements_and_tables() {
    let own = sql(Some(&["read", "write"]), &["users.password", "secrets", "public.audit.*", "hr.*"]);
    for (kind, target, expected) in [
        ("sql.read", table("orders", &[], true), None),
        ("sql.schema", table("orders", &[], false), Some("sql.allow")),
        ("sql.admin", Target::None, Some("sql.allow")),
        ("sql.unknown", Target::Unknown, Some("sql.allow")),
        ("sql.read", table("users", &["name"], false), None),
        ("sql.read", table("users", &["Password"], false), Some("sql.deny_tables")),
        ("sql.read", table("users", &[], true), Some("sql.deny_tables")),
        ("sql.read", table("users", &[], false), None),
        ("sql.read", table("Public.\"Users\"", &["password"], false), Some("sql.deny_tables")),
        ("sql.write", table("secrets", &[], false), Some("sql.deny_tables")),
        ("sql.read", table("other.secrets", &["a"], false), Some("sql.deny_tables")),
        ("sql.read", table("secretes", &["a"], false), None),
        ("sql.read", table("audit", &["a"], false), Some("sql.deny_tables")),
        ("sql.read", table("hr.people", &["a"], false), Some("sql.deny_tables")),
        ("sql.read", table("people", &["a"], false), None),
        ("sql.read", Target::Unknown, Some("sql.deny_tables")),
        ("sql.read", Target::None, None),
        ("sql.write", Target::None, Some("sql.deny_tables")),
        ("sql.read", table("hr.*", &[], false), Some("sql.deny_tables")),
    ] {
        assert_eq!(key(&own, kind, target.clone()), expected, "{kind} {target:?}");
    }
    assert_eq!(key(&sql(None, &[]), "sql.read", Target::Unknown), None);
    assert_eq!(key(&sql(None, &[]), "sql.unknown", Target::Unknown), Some("sql.allow"));
    assert!(Sql::new(Some(&["select"]), &[]).is_err());
    assert!(Sql::new(None, &["a..b"]).is_err());
}

#[test]
fn programs_and_their_words() {
    let own = commands(Some(&["git", "ls", "npm test", "./run.sh"]), &["git push"]);
    for (text, expected) in [
        ("git status", None),
        ("/usr/bin/git status", None),
        ("/tmp/git status", Some("commands.allow")),
        ("./git status", Some("commands.allow")),
        ("/usr/bin/../../tmp/git", Some("commands.allow")),
        ("git push", Some("commands.deny")),
        ("git -C x push", Some("commands.deny")),
        ("git --no-pager push", Some("commands.deny")),
        ("git commit -m push", None),
        ("git ?", Some("commands.deny")),
        ("npm test --watch", None),
        ("npm install", Some("commands.allow")),
        ("npm --prefix test", Some("commands.allow")),
        ("npm ?", Some("commands.allow")),
        ("npm", Some("commands.allow")),
        ("./run.sh x", None),
        ("rm x", Some("commands.allow")),
    ] {
        let found = key(&own, "process.exec", program(text));
        assert_eq!(found, expected, "{text}");
    }
    let open = commands(None, &["rm"]);
    assert_eq!(key(&open, "process.exec", program("/opt/x/RM.exe")), Some("commands.deny"));
    assert_eq!(key(&open, "process.exec", program("ls")), None);
    assert_eq!(key(&Boundaries::default(), "process.exec", Target::Unknown), Some("commands.unknown"));
    assert_eq!(key(&Boundaries::default(), "process.exec", Target::None), None);
    assert_eq!(key(&own, "process.exec", Target::None), Some("commands.allow"));
    let lax: &[&str] = &[];
    let lax = Boundaries { commands: Commands::new(None, lax, true, true).unwrap(), ..Boundaries::default() };
    assert_eq!(key(&lax, "process.exec", Target::Unknown), None);
}

#[test]
fn an_allow_list_keeps_the_environment_and_the_files() {
    let own = commands(Some(&["git"]), &[]);
    assert_eq!(key(&own, "env.change", Target::Named("LD_PRELOAD".to_owned())), Some("commands.allow"));
    assert_eq!(key(&commands(None, &[]), "env.change", Target::Unknown), None);
    let redirected = |text: &str| Effect::new("fs.write", path(text)).noting("by redirection");
    assert!(own.breach(&[redirected("/srv/x")], &APP).is_some());
    assert_eq!(own.breach(&[redirected("/dev/null")], &APP), None);
    assert_eq!(own.breach(&[Effect::new("fs.write", path("/srv/x"))], &APP), None);
    let both = Boundaries { paths: Some(Paths::new(&[], &["/srv"], &[]).unwrap()), ..own };
    assert_eq!(both.breach(&[redirected("/srv/x")], &APP), None);
    assert!(both.breach(&[redirected("/etc/x")], &APP).is_some());
}

#[test]
fn what_cannot_be_undone_is_refused_unless_the_policy_says_so() {
    let gone = Effect::new("fs.delete", path("/srv/x/**")).destroying("removes a tree");
    let found = Boundaries::default().breach(std::slice::from_ref(&gone), &APP).unwrap();
    assert_eq!(
        (found.boundary, found.reason.as_str()),
        ("commands.destructive", "removes a tree: `/srv/x/**`")
    );
    let none: &[&str] = &[];
    let lax =
        Boundaries { commands: Commands::new(None, none, true, false).unwrap(), ..Boundaries::default() };
    assert_eq!(lax.breach(&[gone], &APP), None);
}

/// The plainest way to say what a pattern of one name matches.
fn naive(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if naive(rest, name) => true,
        (Some((b'*', _)), Some((_, after))) => naive(pattern, after),
        (Some((b'?', rest)), Some((_, after))) => naive(rest, after),
        (Some((own, rest)), Some((other, after))) if own == other => naive(rest, after),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_pattern_denies_what_it_matches_and_nothing_else(pattern in "[ab*?]{1,6}", name in "[ab]{1,7}") {
        let own = paths(&["/r"], &[], &[&format!("**/{pattern}")]);
        let expected = (naive(pattern.as_bytes(), name.as_bytes()) || naive(pattern.as_bytes(), b"r"))
            .then_some("paths.deny");
        prop_assert_eq!(key(&own, "fs.read", path(&format!("/r/{name}"))), expected, "{} {}", pattern, name);
    }

    /// A pattern that is asked for meets a denied one wherever one name is meant by both.
    #[test]
    fn patterns_meet_where_a_name_is_in_both(denied in "[ab][ab*?]{0,5}", asked in "[ab?][ab*?]{0,5}") {
        let names: Vec<String> = (1_u32..128)
            .map(|n| format!("{n:b}").chars().skip(1).map(|c| if c == '1' { 'a' } else { 'b' }).collect())
            .collect();
        let is_shared =
            names.iter().any(|it| naive(denied.as_bytes(), it.as_bytes()) && naive(asked.as_bytes(), it.as_bytes()));
        let own = paths(&["/r"], &[], &[&format!("**/{denied}")]);
        let found = key(&own, "fs.read", path(&format!("/r/{asked}")));
        if is_shared {
            prop_assert_eq!(found, Some("paths.deny"), "{} {}", denied, asked);
        }
    }
}
