//! Settings: which of them are anybody's business, and which change what a statement means or who runs it.

use verdict::{Effect, Target};

use super::Batch;

/// Settings that change how values are shown or how long one waits, and nothing else.
const HARMLESS: &[&str] = &[
    "names",
    "character set",
    "charset",
    "time zone",
    "timezone",
    "time_zone",
    "datestyle",
    "intervalstyle",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "max_execution_time",
    "max_statement_time",
    "innodb_lock_wait_timeout",
    "wait_timeout",
    "client_encoding",
    "client_min_messages",
    "application_name",
    "extra_float_digits",
    "bytea_output",
    "standard_conforming_strings_on",
    "work_mem",
    "random_page_cost",
    "enable_seqscan",
    "enable_indexscan",
    "enable_hashjoin",
    "enable_nestloop",
    "lc_messages",
    "lc_time",
    "lc_monetary",
    "lc_numeric",
    "character_set_client",
    "character_set_results",
    "character_set_connection",
    "collation_connection",
    "autocommit",
    "transaction",
    "transaction_isolation",
    "nocount",
    "rowcount",
    "ansi_nulls",
    "ansi_padding",
    "ansi_warnings",
    "arithabort",
    "xact_abort",
    "datefirst",
    "dateformat",
    "language",
    "statistics",
    "showplan_all",
    "showplan_text",
    "showplan_xml",
    "noexec",
    "parseonly",
    "deadlock_priority",
    "textsize",
    "numeric_roundabort",
    "concat_null_yields_null",
    "fmtonly",
    "query_tag",
    "week_start",
    "timestamp_output_format",
    "date_output_format",
    "serveroutput",
    "feedback",
    "linesize",
    "pagesize",
    "heading",
    "echo",
    "verify",
    "define",
    "threads",
    "memory_limit",
    "max_threads",
    "max_rows_to_read",
    "seed",
    "geqo",
    "jit",
    "row_count",
    "sql_select_limit",
    "net_read_timeout",
    "net_write_timeout",
    "timestamp",
    "transaction isolation level",
    "lock_wait_timeout",
    "optimizer_switch",
    "enable_result_cache_for_session",
    "query_group",
    "max_parallel_workers_per_gather",
    "plan_cache_mode",
    "search_path_",
    "constraints",
];

/// Settings that say where a string ends or what a sign means.
const GRAMMAR: &[&str] = &[
    "sql_mode",
    "standard_conforming_strings",
    "backslash_quote",
    "quoted_identifier",
    "escape_string_warning",
];

/// A setting gets a value, for this session or for the whole server.
pub(super) fn assign(batch: &mut Batch, name: &str, value: Option<&str>) {
    let name = name.to_lowercase();
    let (scope, name) = scoped(&name);
    if matches!(scope, "global" | "persist" | "persist_only") {
        batch.push(
            Effect::new("sql.admin", Target::Named(name.to_owned()))
                .noting("changes a setting for everybody"),
        );
    } else if name.starts_with('@') && !name.starts_with("@@") {
        batch.quiet();
    } else if matches!(
        name,
        "role" | "session_authorization" | "session authorization" | "password" | "session_user"
    ) {
        batch.push(Effect::new("privilege.raise", Target::Named(value.unwrap_or("unknown").to_owned())));
        batch.push(Effect::new("sql.admin", Target::Named(name.to_owned())).noting("acts as another user"));
    } else if matches!(name, "search_path" | "schema" | "current_schema" | "catalog" | "database") {
        batch.enter(value.map(str::to_owned));
    } else if GRAMMAR.contains(&name) {
        batch.push(
            Effect::new("sql.admin", Target::Named(name.to_owned()))
                .noting("changes how what follows is read"),
        );
        batch.grammar_changed = true;
    } else if HARMLESS.contains(&name) {
        batch.quiet();
    } else {
        batch.push(Effect::new("sql.admin", Target::Named(name.to_owned())).noting("changes a setting"));
    }
}

/// `@@global.x` and the like, and the name without it.
fn scoped(name: &str) -> (&str, &str) {
    let bare = name.trim_start_matches("@@");
    match bare.split_once('.') {
        Some((scope @ ("global" | "persist" | "persist_only" | "session" | "local"), rest)) => (scope, rest),
        _ if name.starts_with("@@") => ("session", bare),
        _ => ("", name),
    }
}

/// Types that may have a number in brackets, as a call has arguments.
const TYPES: &[&str] = &[
    "varchar",
    "char",
    "nvarchar",
    "nchar",
    "varchar2",
    "nvarchar2",
    "decimal",
    "numeric",
    "number",
    "float",
    "double",
    "int",
    "integer",
    "bigint",
    "smallint",
    "tinyint",
    "boolean",
    "bool",
    "text",
    "blob",
    "clob",
    "bytes",
    "bytea",
    "binary",
    "varbinary",
    "date",
    "time",
    "timestamp",
    "datetime",
    "interval",
    "json",
    "jsonb",
    "xml",
    "uuid",
    "real",
    "float4",
    "float8",
    "int2",
    "int4",
    "int8",
    "numrange",
    "int4range",
    "int8range",
    "tsrange",
    "tstzrange",
    "daterange",
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "oid",
    "name",
    "money",
    "inet",
    "cidr",
    "macaddr",
    "bit",
    "varbit",
];

/// Whether a word that looks like a call is a type: `VARCHAR(10)`.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}
