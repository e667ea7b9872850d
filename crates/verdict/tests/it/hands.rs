//! `exec`, `code`, `database` and `builtin` of a tool: what a policy may say of them, what follows from it, and what
//! means nothing and is refused.

use verdict::hand::{Access, Own, Work};
use verdict::load::{self, Severity};

fn loaded(tool: &str) -> Result<verdict::Policy, String> {
    let text = format!("version: 1\ntools:\n  t: {tool}\n");
    let mut none = |_: &str, _: &str| Err("no".to_owned());
    load::load("p", &text, &mut none).map(|it| it.policy).map_err(|all| {
        let errors = all.iter().filter(|it| it.severity == Severity::Error);
        errors.map(|it| format!("{}:{} {}", it.line, it.column, it.message)).collect::<Vec<_>>().join("; ")
    })
}

#[test]
fn a_tool_is_carried_out_in_one_way() {
    for (tool, wanted) in [
        ("{exec: [jq, '{f}'], url: 'https://a/'}", "`t` has `exec` and `url`"),
        ("{exec: [jq], builtin: fs.read}", "`t` has `exec` and `builtin`"),
        ("{exec: ['{program}', x]}", "which program is run"),
        ("{exec: [jq, '{f']}", "brace"),
        ("{exec: [jq, 'f}']}", "brace"),
        ("{exec: [jq, '{a b}']}", "brace"),
        ("{exec: []}", "empty"),
        ("{exec: [jq], method: GET}", "`method` says nothing"),
        ("{exec: [jq], auth: {bearer: {env: X}}}", "`auth` says nothing"),
        ("{exec: [jq], timeout_ms: 500}", "`timeout_ms` says nothing"),
        ("{exec: [jq], allow_private: true}", "`allow_private` says nothing"),
        ("{builtin: fs.read, stdin: x}", "`stdin` is for `exec`"),
        ("{stdin: x}", "has no `url`"),
        ("{builtin: fs.chmod}", "`fs.chmod`"),
        ("{builtin: http.request, sandbox: {timeout: 1s}}", "no program"),
        ("{code: {language: python}}", "exactly one place"),
        ("{code: {language: python, text: a, argument: b}}", "exactly one place"),
        ("{code: {language: perl, text: a}}", "`perl`"),
        ("{code: {text: a}}", "language"),
        ("{database: {sqlite: shop.db}}", "no absolute path"),
        ("{database: {access: read}}", "exactly one place"),
        ("{database: {sqlite: /a, postgresql: {env: X}}}", "exactly one place"),
        ("{database: {postgresql: {env: X, file: /y}}}", "exactly one place"),
        ("{database: {sqlite: /a, access: admin}}", "`admin`"),
        ("{database: {sqlite: /a, max_rows: 0}}", "0"),
        ("{database: {sqlite: /a}, ca: /x}", "`ca` says nothing"),
    ] {
        let why = loaded(tool).err().unwrap_or_else(|| panic!("{tool} was taken"));
        assert!(why.contains(wanted), "{tool}: {why}");
    }
}

#[test]
fn what_a_tool_does_is_known_without_being_said() {
    let policy = loaded("{exec: [/usr/bin/git, log, --, '{path}'], stdin: text}").unwrap();
    let tool = policy.tool("t").unwrap();
    assert_eq!(tool.effects[0].kind, "process.exec");
    assert_eq!(tool.declared(), ["path", "text"]);
    assert!(tool.refuses(&verdict::Json::parse(br#"{"path": "x", "other": 1}"#).unwrap()).is_some());
    let policy = loaded("{database: {postgresql: {env: SHOP}, access: write}, timeout_ms: 5000}").unwrap();
    let tool = policy.tool("t").unwrap();
    let hand = tool.hand.as_deref().unwrap();
    let Work::Database(database) = &hand.work else { panic!("{hand:?}") };
    assert_eq!((database.access, database.max_rows, hand.timeout_ms), (Access::Write, 1_000, 5_000));
    assert_eq!((tool.dialect.as_deref(), tool.roles.len()), (Some("postgresql"), 1));
    let policy = loaded("{code: {language: javascript, argument: source}}").unwrap();
    assert_eq!(policy.tool("t").unwrap().effects[0].kind, "code.run");
    assert_eq!(policy.tool("t").unwrap().roles.len(), 1);
}

#[test]
fn every_tool_of_the_gates_own_is_a_word_of_the_policy() {
    for own in Own::ALL {
        let policy = loaded(&format!("{{builtin: {}}}", own.name())).unwrap();
        let tool = policy.tool("t").unwrap();
        assert_eq!(tool.hand.as_deref().unwrap().work, Work::Own(own));
        assert!(!tool.roles.is_empty() || !tool.effects.is_empty(), "{own:?} is looked at by nobody");
    }
}
