//! What one line of a trace is: a frame, a head, an error's name, or an error that is whole by itself.
//!
//! Answerable for what the lines of each language look like. Knows no other line.

use std::sync::LazyLock;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::util::pool::Pool;
use regex_automata::{Input, MatchKind, PatternSet};

/// What a line is to a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// One call of the stack.
    Frame(&'static str),
    /// The line that a trace of this language begins with.
    Head(&'static str),
    /// An error's name with what it says, in no language in particular.
    Error,
    /// Whole by itself: which kind and how sure one may be.
    Alone(&'static str, u8),
}

/// The first that fits is what the line is. No anchor means anywhere in the line. Nothing counts how far apart two
/// words are: a line is short, and each count there is multiplies what the table must hold.
const LINES: &[(Sort, &str)] = &[
    (Sort::Head("python"), r"^\W*Traceback \(most recent call (?:last|first)\)"),
    (
        Sort::Head("python"),
        r"^\W*During handling of the above exception|^\W*The above exception was the direct cause",
    ),
    (Sort::Frame("python"), r#"^\W*(?:\| )?File "[^"\n]+", line \d+"#),
    (
        Sort::Frame("java"),
        r"^\s*at [\w$.<>/@ -]+\((?:[\w$-]+\.(?:java|kt|kts|scala|groovy|clj|jsp)(?::\d+)?|Native Method|Unknown Source|<generated>)\)",
    ),
    (
        Sort::Frame("csharp"),
        r"^\s*at [\w.`<>+\[\],|]+(?:\.\w+|\.ctor|\.cctor|\.<[^>]*>[\w|]+)?(?:\[[^\]]*\])?\([^)\n]*\)(?: in .+:line \d+)?\s*$",
    ),
    (Sort::Head("csharp"), r"--- End of (?:stack trace|inner exception)"),
    (
        Sort::Frame("javascript"),
        r"^\s*at (?:async )?(?:new )?[^\n]*?[^\s(]:\d+:\d+\)?\s*$|^\s*at [^\n]+\((?:native|<anonymous>|node:[^)]*|index \d+)\)\s*$",
    ),
    (Sort::Frame("javascript"), r"^\s*[\w$.<>/]*@(?:https?|file|webpack)://?[^\s]+:\d+:\d+\s*$"),
    (Sort::Head("go"), r"^\s*goroutine \d+ \[[a-z ,0-9()]+\]:"),
    (Sort::Frame("go"), r"^\s+[\w./@~+%-]+\.go:\d+(?: \+0x[0-9a-f]+)?\s*$"),
    (
        Sort::Error,
        r"^\s*panic: |^\s*fatal error: (?:all goroutines|concurrent map|runtime)|^created by [\w./]+",
    ),
    (
        Sort::Alone("rust", 85),
        r"^\W*thread '[^'\n]*' (?:\(\d+\) )?(?:has )?panicked at [^\n]*\.rs:\d+:\d+|^\W*thread '[^'\n]*' (?:\(\d+\) )?panicked at '",
    ),
    (Sort::Head("rust"), r"^\s*stack backtrace:\s*$"),
    (
        Sort::Frame("rust"),
        r"^\s+\d+:\s+(?:0x[0-9a-f]+ - )?[\w<>:{}$&*, ]+::[\w<>:{}#$&*, ]+\s*$|^\s+at [^\n]*\.rs:\d+(?::\d+)?\s*$",
    ),
    (
        Sort::Alone("ruby", 85),
        r"^\s*(?:from )?[^\s:]+\.rb:\d+:in [`'][^'\n]+': [^\n]*\([A-Z][\w:]*(?:Error|Exception|Failure|Exists)\)",
    ),
    (Sort::Frame("ruby"), r"^\s*(?:\d+: )?(?:from )?[^\s:]+\.(?:rb|erb|rake|ru):\d+:in [`']"),
    (
        Sort::Alone("php", 88),
        r"(?:PHP )?(?:Fatal|Parse|Catchable fatal) error: .* in \S+\.php(?:\(\d+\))?(?: on line |:)\d+",
    ),
    (
        Sort::Alone("php", 78),
        r"<b>(?:Warning|Notice|Deprecated|Fatal error|Parse error)</b>: .* in <b>[^<]+</b> on line <b>\d+</b>",
    ),
    (Sort::Head("php"), r"^\s*thrown in \S+\.php on line \d+\s*$"),
    (Sort::Head("php"), r"^\s*(?:\[stacktrace\]|Stack trace:)\s*$|^\s*(?:PHP )?Fatal error:|Uncaught \w+"),
    (
        Sort::Frame("php"),
        r"^\s*#\d+ (?:/|[A-Za-z]:\\|phar:|\[internal function\]|vendor/)[^\n]*|^\s*#\d+ \{main\}",
    ),
    (
        Sort::Alone("cpp", 82),
        r"^\s*terminate called after throwing an instance of|^=*\d*=*\s*ERROR: \w+Sanitizer: ",
    ),
    (
        Sort::Frame("cpp"),
        r"^\s*#\d+\s+(?:0x[0-9a-fA-F]+ (?:in )?\S|\S+ \([^\n]*\) at \S+:\d+)|^\s*\S+\([^)\n]*\+0x[0-9a-f]+\) ?\[0x[0-9a-f]+\]",
    ),
    (
        Sort::Alone("sql_error", 85),
        r"SQLSTATE\[?\s?[0-9A-Z]{5}|SQLSTATE[=: ]+['\x22]?[0-9A-Z]{5}|\bORA-\d{5}: \S|You have an error in your SQL syntax; check the manual|Unclosed quotation mark (?:after|before) the character string",
    ),
    (
        Sort::Alone("sql_error", 82),
        r"syntax error at or near \x22|(?:psycopg2?|asyncpg|sqlite3|pymysql|mysql\.connector|cx_Oracle|pyodbc|MySQLdb)\.(?:errors?\.|exceptions\.)?\w*(?:Error|Exception|Violation|Warning|Undefined\w*)\b|\b(?:PSQLException|SQLSyntaxErrorException|SQLException|SqlException|MySqlException|NpgsqlException|OracleException|SQLiteException): \S|PG::\w+: ERROR|\bSQLITE_(?:ERROR|CONSTRAINT|BUSY|LOCKED|CORRUPT|CANTOPEN|READONLY): |\bER_[A-Z]+_[A-Z_]+: ",
    ),
    (
        Sort::Alone("sql_error", 76),
        r"Duplicate entry '[^'\n]*' for key|violates (?:foreign key|unique|check|not-null|exclusion) constraint",
    ),
    (
        Sort::Alone("internal_error", 78),
        r"\bECONNREFUSED\b[^\n]*?(?:\d{1,3}(?:\.\d{1,3}){3}|::1|[\w-]+(?:\.[\w-]+)+|localhost):\d+",
    ),
    (
        Sort::Alone("internal_error", 80),
        r"Whitelabel Error Page|Server Error in '/[^'\n]*' Application|you have <code>DEBUG = True|Werkzeug Debugger",
    ),
    (
        Sort::Alone("internal_error", 70),
        r"Internal Server Error[^\n]*?(?:/(?:home|var|usr|opt|srv|app|etc|root)/[\w./-]{3,}|[A-Z]:\\[\w\\.]{3,}|\b(?:10|127)\.\d+\.\d+\.\d+|\b192\.168\.\d+\.\d+|\.(?:internal|local|svc|corp|lan)\b)",
    ),
    (
        Sort::Error,
        r"^\W*(?:Exception in thread |Caused by: |Suppressed: |Unhandled [Ee]xception|Uncaught )|^\W*(?:[a-z]+ )?[\w$.:]*[A-Z]\w*(?:Exception|Error|Throwable)\b",
    ),
    (
        Sort::Error,
        r"^\s*\.\.\. \d+ (?:more|common frames)|^\s*\[Previous line repeated|^\s*\.\.\. \d+ (?:lines|levels) ",
    ),
];

/// All of them at once: by a table that is made as it is needed, and where that grows too large, step by step.
struct All {
    lazy: DFA,
    caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync>>,
    steps: Regex,
}

static ALL: LazyLock<Option<All>> = LazyLock::new(|| {
    // Words end as in ASCII: the table knows no other ends.
    let patterns: Vec<String> =
        LINES.iter().map(|(_, pattern)| pattern.replace(r"\b", r"(?-u:\b)")).collect();
    let config = Regex::config().match_kind(MatchKind::All);
    let steps = Regex::builder().configure(config).build_many(&patterns).ok()?;
    let config =
        DFA::config().match_kind(MatchKind::All).cache_capacity(CACHE).minimum_cache_clear_count(Some(4));
    let lazy = DFA::builder().configure(config).build_many(&patterns).ok()?;
    let fresh = lazy.clone();
    let caches = Pool::new(Box::new(move || fresh.create_cache()) as Box<dyn Fn() -> Cache + Send + Sync>);
    Some(All { lazy, caches, steps })
});

/// How many bytes the table may have.
const CACHE: usize = 4 << 20;

/// What a line is; absent for any other line.
pub(super) fn sort(line: &str) -> Option<Sort> {
    let mut fits = PatternSet::new(LINES.len());
    let all = ALL.as_ref()?;
    let input = Input::new(line);
    if all.lazy.try_which_overlapping_matches(&mut all.caches.get(), &input, &mut fits).is_err() {
        fits.clear();
        all.steps.which_overlapping_matches(&input, &mut fits);
    }
    let first = fits.iter().next()?;
    LINES.get(first.as_usize()).map(|(sort, _)| *sort)
}

static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Iteration|Fault|Invalid\w*|NotFound)\b(?::|\s*$)|^[a-z_]+(?:\.[A-Za-z_]\w*)+(?::|\s*$)").ok()
});

/// Whether a line names an error at its beginning, as Python does below a trace.
pub(super) fn names_error(line: &str) -> bool {
    NAMED.as_ref().is_some_and(|regex| regex.is_match(line))
}
