//! Which kinds of statements may run, and which tables and columns nobody may touch.
//!
//! Compares names, never statements. A name counts in any case, with and without its schema. A read of nothing
//! (`SELECT 1`, `COMMIT`) touches no table.

use std::fmt;

use super::{Breach, listed};
use crate::effect::{Effect, TableTarget, Target};

/// The `sql:` of a boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sql {
    /// Absent: every kind that is understood.
    allow: Option<Vec<String>>,
    deny: Vec<Denied>,
}

/// Something that nobody may touch. `a.b` may be a table of a schema or a column of a table: both are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Denied {
    text: String,
    /// In lower case; `*` only as the last.
    parts: Vec<String>,
}

const KINDS: [&str; 4] = ["read", "write", "schema", "admin"];

impl Sql {
    /// `allow` lists kinds of statements: `read`, `write`, `schema`, `admin`; none of them implies another.
    /// `deny_tables` holds `table`, `table.column`, `schema.table`, `schema.*` and `schema.table.column`.
    ///
    /// # Errors
    /// A sentence, for a kind that there is not, and for what is no name.
    pub fn new<S: AsRef<str>>(allow: Option<&[S]>, deny_tables: &[S]) -> Result<Self, String> {
        let kinds = |list: &[S]| list.iter().map(|kind| check(kind.as_ref())).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            allow: allow.map(kinds).transpose()?,
            deny: deny_tables.iter().map(|text| Denied::new(text.as_ref())).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn breach(&self, effect: &Effect) -> Option<Breach> {
        let kind = effect.kind.strip_prefix("sql.")?;
        if kind == "unknown" {
            let reason = format!("the statement could not be understood; {}", self.inside());
            return Some(Breach::new("sql.allow", reason));
        }
        if self.allow.as_ref().is_some_and(|allow| !allow.iter().any(|own| own == kind)) {
            let reason = format!("the statement is `{kind}`; {}", self.inside());
            return Some(Breach::new("sql.allow", reason));
        }
        let first = self.deny.first()?;
        if kind == "read" && effect.target == Target::None {
            return None;
        }
        let Target::Table(table) = &effect.target else {
            let reason =
                format!("it is not known which table the statement touches, and `{first}` is out of bounds");
            return Some(Breach::new("sql.deny_tables", reason));
        };
        let names = names(&table.table);
        let denied = self.deny.iter().find(|denied| denied.covers(&names, table))?;
        let reason = match table.all_columns {
            true => {
                format!("`{}` with all its columns takes in `{denied}`, which is out of bounds", table.table)
            }
            false => format!("`{}` takes in `{denied}`, which is out of bounds", table.table),
        };
        Some(Breach::new("sql.deny_tables", reason))
    }

    fn inside(&self) -> String {
        match &self.allow {
            Some(allow) => format!("allowed is {}", listed(allow)),
            None => "what cannot be understood is not run".to_owned(),
        }
    }
}

fn check(kind: &str) -> Result<String, String> {
    match KINDS.contains(&kind) {
        true => Ok(kind.to_owned()),
        false => Err(format!("`{kind}` is no kind of statement: there are {}", listed(&KINDS))),
    }
}

impl Denied {
    fn new(text: &str) -> Result<Self, String> {
        let parts = names(text);
        let is_star_last =
            parts.iter().rev().skip(1).all(|part| part != "*") && parts.first().is_some_and(|it| it != "*");
        if parts.iter().any(String::is_empty) || !is_star_last {
            return Err(format!(
                "`{text}` is no table or column: write `table`, `table.column` or `schema.*`"
            ));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    fn covers(&self, names: &[String], table: &TableTarget) -> bool {
        let Some((last, before)) = self.parts.split_last() else { return false };
        let is_whole = last != "*" && same(&self.parts, names);
        let is_in_schema = last == "*" && names.split_last().is_some_and(|(_, schema)| same(before, schema));
        let is_column = !before.is_empty() && same(before, names) && {
            let columns =
                table.columns.iter().map(|column| bare(column.rsplit('.').next().unwrap_or_default()));
            table.all_columns || last == "*" || columns.into_iter().any(|column| column == *last)
        };
        is_whole || is_in_schema || is_column
    }
}

/// The parts of a name, without quotes, in lower case.
fn names(text: &str) -> Vec<String> {
    text.split('.').map(bare).collect()
}

fn bare(part: &str) -> String {
    part.trim().trim_matches(['"', '`', '[', ']']).to_lowercase()
}

/// Whether two names are the same as far as both say: a name without its schema may be in any.
fn same(ours: &[String], theirs: &[String]) -> bool {
    !ours.is_empty()
        && !theirs.is_empty()
        && ours.iter().rev().zip(theirs.iter().rev()).all(|(own, other)| own == other)
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
