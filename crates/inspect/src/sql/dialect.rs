//! The dialects: what they are called, which parser speaks them, how they cut words and fold names.

use sqlparser::dialect as speak;

use super::lex::Rules;

/// A dialect of SQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Nobody said which: what dialects read differently cannot be told.
    #[default]
    Generic,
    /// The standard.
    Ansi,
    /// PostgreSQL and its descendants: Greenplum, Materialize, CockroachDB, Vertica.
    Postgresql,
    /// MySQL, Doris, StarRocks, TiDB.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// SQLite.
    Sqlite,
    /// Microsoft SQL Server.
    Mssql,
    /// Oracle, and Exasol and Db2, which are read as it is.
    Oracle,
    /// BigQuery.
    Bigquery,
    /// Snowflake.
    Snowflake,
    /// Amazon Redshift.
    Redshift,
    /// ClickHouse.
    Clickhouse,
    /// DuckDB.
    Duckdb,
    /// Databricks and Spark.
    Databricks,
    /// Hive and Impala.
    Hive,
    /// Trino, Presto, Athena.
    Trino,
    /// Teradata.
    Teradata,
}

const NAMES: &[(&str, Dialect)] = &[
    ("generic", Dialect::Generic),
    ("sql", Dialect::Generic),
    ("ansi", Dialect::Ansi),
    ("postgresql", Dialect::Postgresql),
    ("postgres", Dialect::Postgresql),
    ("pg", Dialect::Postgresql),
    ("greenplum", Dialect::Postgresql),
    ("materialize", Dialect::Postgresql),
    ("cockroachdb", Dialect::Postgresql),
    ("cockroach", Dialect::Postgresql),
    ("timescaledb", Dialect::Postgresql),
    ("vertica", Dialect::Postgresql),
    ("mysql", Dialect::Mysql),
    ("tidb", Dialect::Mysql),
    ("doris", Dialect::Mysql),
    ("starrocks", Dialect::Mysql),
    ("mariadb", Dialect::Mariadb),
    ("sqlite", Dialect::Sqlite),
    ("sqlite3", Dialect::Sqlite),
    ("mssql", Dialect::Mssql),
    ("tsql", Dialect::Mssql),
    ("sqlserver", Dialect::Mssql),
    ("oracle", Dialect::Oracle),
    ("exasol", Dialect::Oracle),
    ("db2", Dialect::Oracle),
    ("bigquery", Dialect::Bigquery),
    ("snowflake", Dialect::Snowflake),
    ("redshift", Dialect::Redshift),
    ("clickhouse", Dialect::Clickhouse),
    ("duckdb", Dialect::Duckdb),
    ("databricks", Dialect::Databricks),
    ("spark", Dialect::Databricks),
    ("sparksql", Dialect::Databricks),
    ("hive", Dialect::Hive),
    ("impala", Dialect::Hive),
    ("trino", Dialect::Trino),
    ("presto", Dialect::Trino),
    ("athena", Dialect::Trino),
    ("teradata", Dialect::Teradata),
];

impl Dialect {
    /// The dialect of this name, whatever its case; what is none of them is none.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim())).map(|(_, found)| *found)
    }

    pub(super) fn parser(self) -> &'static dyn speak::Dialect {
        match self {
            Self::Generic => &speak::GenericDialect {},
            Self::Ansi | Self::Trino => &speak::AnsiDialect {},
            Self::Postgresql => &speak::PostgreSqlDialect {},
            Self::Mysql | Self::Mariadb => &speak::MySqlDialect {},
            Self::Sqlite => &speak::SQLiteDialect {},
            Self::Mssql => &speak::MsSqlDialect {},
            Self::Oracle => &speak::OracleDialect {},
            Self::Bigquery => &speak::BigQueryDialect {},
            Self::Snowflake => &speak::SnowflakeDialect {},
            Self::Redshift => &speak::RedshiftSqlDialect {},
            Self::Clickhouse => &speak::ClickHouseDialect {},
            Self::Duckdb => &speak::DuckDbDialect {},
            Self::Databricks => &speak::DatabricksDialect {},
            Self::Hive => &speak::HiveDialect {},
            Self::Teradata => &speak::TeradataDialect {},
        }
    }

    /// Where its words and strings end.
    pub(super) fn rules(self) -> Rules {
        let plain = Rules::default();
        match self {
            Self::Generic => Rules {
                nested: true,
                versioned: true,
                dollar: true,
                delimited: true,
                signs: true,
                escaped: true,
                ..plain
            },
            Self::Ansi | Self::Trino | Self::Teradata => Rules { nested: true, ..plain },
            Self::Postgresql | Self::Duckdb => Rules { nested: true, dollar: true, escaped: true, ..plain },
            Self::Redshift => Rules { backslash: true, nested: true, dollar: true, escaped: true, ..plain },
            Self::Mysql | Self::Mariadb => {
                Rules { backslash: true, hash: true, dashes_need_space: true, versioned: true, ..plain }
            }
            Self::Sqlite => Rules { brackets: true, ..plain },
            Self::Mssql => Rules { brackets: true, nested: true, signs: true, ..plain },
            Self::Oracle => Rules { delimited: true, signs: true, ..plain },
            Self::Bigquery => Rules { backslash: true, hash: true, tripled: true, ..plain },
            Self::Snowflake => Rules { backslash: true, dollar: true, ..plain },
            Self::Clickhouse => Rules { backslash: true, nested: true, dollar: true, ..plain },
            Self::Databricks => Rules { backslash: true, nested: true, tripled: false, ..plain },
            Self::Hive => Rules { backslash: true, ..plain },
        }
    }

    /// The rules under which others would read a text of unknown dialect.
    pub(super) fn others(self) -> &'static [Self] {
        match self {
            Self::Generic => {
                &[Self::Ansi, Self::Mysql, Self::Postgresql, Self::Mssql, Self::Oracle, Self::Sqlite]
            }
            _ => &[],
        }
    }

    /// A name as comparisons see it: lower case, except where a quoted name of other case is another thing.
    pub(super) fn fold(self, name: &str, is_quoted: bool) -> String {
        let keeps = match self {
            Self::Postgresql | Self::Ansi => is_quoted,
            // What is quoted in upper case is what it is unquoted.
            Self::Oracle | Self::Snowflake => is_quoted && name.bytes().any(|byte| byte.is_ascii_lowercase()),
            Self::Bigquery | Self::Clickhouse => true,
            _ => false,
        };
        if keeps { name.to_owned() } else { name.to_lowercase() }
    }

    /// Whether statements may follow one another without a semicolon.
    pub(super) fn runs_on(self) -> bool {
        matches!(self, Self::Mssql | Self::Generic)
    }

    /// Whether a function that somebody made may change things when a query calls it.
    pub(super) fn functions_may_write(self) -> bool {
        matches!(
            self,
            Self::Generic | Self::Ansi | Self::Postgresql | Self::Mysql | Self::Mariadb | Self::Oracle
        )
    }

    /// Whether a quoted path or address where a table is expected is read as such.
    pub(super) fn reads_files(self) -> bool {
        matches!(self, Self::Duckdb | Self::Clickhouse | Self::Snowflake | Self::Generic | Self::Databricks)
    }

    /// Whether `SELECT ... INTO OUTFILE` writes a file.
    pub(super) fn has_outfile(self) -> bool {
        matches!(self, Self::Mysql | Self::Mariadb | Self::Generic | Self::Clickhouse)
    }
}
