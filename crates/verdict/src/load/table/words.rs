//! The closed lists of words that a policy may use.
//!
//! A table; it does nothing.

/// What an argument can mean.
pub(in crate::load) const ROLES: &[&str] = &[
    "money",
    "path",
    "fs.read",
    "fs.write",
    "fs.delete",
    "shell",
    "command",
    "sql",
    "url",
    "net",
    "host",
    "recipient",
    "code",
    "python",
    "javascript",
    "secret",
    "text",
];

/// The dialects of SQL.
pub(in crate::load) const DIALECTS: &[&str] = &[
    "generic",
    "ansi",
    "postgresql",
    "mysql",
    "mariadb",
    "sqlite",
    "mssql",
    "oracle",
    "bigquery",
    "snowflake",
    "redshift",
    "clickhouse",
    "duckdb",
    "databricks",
    "spark",
    "hive",
];

/// What an action can do: the names of [`crate::effect::KINDS`]; a test holds the two together.
pub(crate) const EFFECTS: &[&str] = &[
    "fs.read",
    "fs.write",
    "fs.delete",
    "net.connect",
    "net.listen",
    "process.exec",
    "process.kill",
    "code.run",
    "env.change",
    "privilege.raise",
    "system.change",
    "package.install",
    "vcs.change",
    "vcs.discard",
    "cloud.read",
    "cloud.change",
    "cloud.delete",
    "sql.read",
    "sql.write",
    "sql.schema",
    "sql.admin",
    "sql.unknown",
    "message.send",
    "payment",
    "secret.read",
];

/// The meters whose names stand for themselves; the fifth is an argument.
pub(in crate::load) const METERS: &[&str] = &["actions", "usd", "tokens", "failures"];

/// The windows that are no length of time.
pub(in crate::load) const WINDOWS: &[&str] = &["call", "step", "session"];

/// Sections that a later version brings. Refused wherever they stand: a boundary that nobody keeps is
/// worse than none.
pub(in crate::load) const LATER: &[&str] = &["flows", "alerts", "fail_open"];

/// Why an answer is as it is: the words of [`crate::decide::Code`].
pub(super) const CODES: &[&str] = &[
    "allowed",
    "approval_required",
    "approved",
    "denied_by_rule",
    "no_matching_rule",
    "unknown_agent",
    "unknown_tool",
    "agent_disabled",
    "boundary",
    "screen",
    "flow",
    "limit",
    "budget",
    "duplicate",
    "in_progress",
    "breaker_open",
    "approval_denied",
    "approval_expired",
    "invalid_action",
    "evaluation_error",
    "unavailable",
];
