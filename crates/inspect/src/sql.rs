//! What SQL would do: tables read, written, made and dropped; files, programs and machines that it reaches.
//!
//! Answerable for every statement of a text: what is parsed is told by its tree, what the parser does not know
//! by its leading words, and what neither tells is `sql.unknown`. Where dialects disagree on where a string or a
//! comment ends and nobody said which it is, that is unknown, too. Knows no database: a name is a table,
//! whatever a view or a trigger behind it does.
//!
//! Names are folded so that one table has one spelling (see [`Dialect`]); who compares them should still ignore
//! case, because a policy's author writes what the database shows.

mod ahead;
mod condition;
mod dialect;
mod functions;
mod lead;
mod lex;
mod outfile;
mod schema;
mod session;
mod set;
mod statement;
mod tables;
mod transfer;

use std::borrow::Cow;
use std::collections::HashSet;

pub use dialect::Dialect;
use sqlparser::ast::{ObjectName, ObjectNamePart, Statement, UtilityOption};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use verdict::{Effect, TableTarget, Target};

use crate::place;

/// The longest text that is parsed, in bytes; of a longer one, only the leading words are read.
pub const LONGEST: usize = 128 * 1024;
/// How many different effects are listed before the rest is unknown.
const MOST: usize = 512;
/// How deep texts that are run may hold texts that are run.
const DEEPEST: u8 = 4;

/// What running `text` would do, statement by statement, each effect once.
///
/// Reads and writes name their table with its columns; a text without any statement has no effect. Paths and
/// hosts are those of the machine where the database runs.
pub fn effects(text: &str, dialect: Dialect) -> Vec<Effect> {
    let mut batch = Batch::new(dialect, 0);
    batch.script(text);
    batch.finish()
}

/// What is gathered over the statements of a text.
struct Batch {
    dialect: Dialect,
    found: Vec<Effect>,
    /// Tables that this text made for itself.
    temporary: HashSet<String>,
    /// Statements that this text prepared.
    prepared: HashSet<String>,
    /// Where unqualified names lead, once the text has said so.
    schema: Option<String>,
    /// A setting was changed that says where strings end.
    grammar_changed: bool,
    depth: u8,
    is_full: bool,
    /// The statement at hand does more than read.
    changes: bool,
}

/// A change of what the database is made of.
#[derive(Default)]
struct Change {
    table: String,
    is_temporary: bool,
    /// What is lost with it.
    loses: Option<&'static str>,
}

impl Batch {
    fn new(dialect: Dialect, depth: u8) -> Self {
        Self {
            dialect,
            found: Vec::new(),
            temporary: HashSet::new(),
            prepared: HashSet::new(),
            schema: None,
            grammar_changed: false,
            depth,
            is_full: false,
            changes: false,
        }
    }

    /// Reads a whole text.
    fn script(&mut self, text: &str) {
        if text.contains('\r') && (text.contains("--") || text.contains(['#', '/'])) {
            let other = text.replace("\r\n", "\n");
            if other.contains('\r') {
                // A carriage return ends a comment to some, to others a line feed alone: both count.
                self.script(&other.replace('\r', "\n"));
            }
        }
        let text: Cow<'_, str> = outfile::without(self, text);
        let lexed = lex::lex(&text, self.dialect.rules());
        let pieces = lead::pieces(&text, &lexed.tokens);
        if pieces.is_empty() && !lexed.open {
            return;
        }
        if lexed.open {
            self.unknown("a string or a comment does not end");
        }
        if text.len() > LONGEST || !lex::is_shallow(&lexed.tokens) {
            self.unknown("too long or too deeply nested to be read");
            return self.by_leads(&pieces);
        }
        if ahead::is_ambiguous(self.dialect, &text, &lexed.tokens) {
            self.unknown("dialects disagree on where its strings and comments end");
        }
        match Tokenizer::new(self.dialect.parser(), &text).tokenize_with_location() {
            Ok(tokens) if ahead::agrees(&tokens, &lexed.tokens) => self.parse(tokens, &pieces),
            _ => {
                self.unknown("where its strings and comments end could not be told");
                self.by_leads(&pieces);
            }
        }
    }

    fn by_leads(&mut self, pieces: &[lead::Piece<'_>]) {
        for piece in pieces {
            lead::act(self, piece);
        }
    }

    /// Statement by statement; one that does not parse is told by its leading words, up to its semicolon.
    fn parse(&mut self, tokens: Vec<TokenWithSpan>, pieces: &[lead::Piece<'_>]) {
        let ends: Vec<usize> = tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.token == Token::SemiColon)
            .map(|(at, _)| at)
            .collect();
        let total = tokens.len();
        let mut budget = 4 * total + 1_000;
        // Many statements may run on in one piece: each piece is gone through once.
        let mut hiding: Vec<Option<bool>> = vec![None; pieces.len()];
        let mut parser = Parser::new(self.dialect.parser()).with_tokens_with_locations(tokens);
        loop {
            while parser.consume_token(&Token::SemiColon) {}
            if parser.peek_token_ref().token == Token::EOF {
                return;
            }
            let start = parser.index();
            let piece = ends.partition_point(|end| *end < start);
            let before = self.found.len();
            self.changes = false;
            let parsed = parser.parse_statement().ok();
            let is_done = match &parsed {
                Some(statement) => {
                    self.statement(statement);
                    let next = &parser.peek_token_ref().token;
                    matches!(next, Token::SemiColon | Token::EOF) || self.dialect.runs_on()
                }
                None => false,
            };
            let stop = parser.index();
            budget = budget.saturating_sub(stop.saturating_sub(start));
            if is_done && stop > start {
                let last = ends.partition_point(|end| *end < stop);
                let hiding = hiding.get_mut(piece..=last).unwrap_or_default();
                self.check(pieces.get(piece..=last).unwrap_or_default(), hiding);
                continue;
            }
            if let Some(rest) = pieces.get(piece..) {
                if budget == 0 {
                    self.unknown("too tangled to be read");
                    return self.by_leads(rest);
                }
                if let Some(piece) = rest.first() {
                    if lead::tells_all(piece) {
                        // What the parser made of its beginning is something else.
                        self.found.truncate(before);
                    } else if parsed.is_some() {
                        self.unknown("goes on after its end");
                    }
                    lead::act(self, piece);
                }
            }
            let next = ends.get(piece).map_or(total, |end| end + 1);
            rewind(&mut parser, next);
        }
    }

    /// What was parsed as a mere query, though a word in it begins a statement, is not told.
    fn check(&mut self, pieces: &[lead::Piece<'_>], hiding: &mut [Option<bool>]) {
        let mut both = pieces.iter().zip(hiding);
        let mut hides = || both.any(|(piece, known)| *known.get_or_insert_with(|| lead::hides_verb(piece)));
        if !self.changes && hides() {
            self.unknown("a word in it may begin another statement");
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Explain { analyze, statement, options, .. } if !runs(*analyze, options.as_deref()) => {
                let mut inner = Self::new(self.dialect, self.depth);
                inner.schema.clone_from(&self.schema);
                tables::walk(&mut inner, statement);
                self.only_read(inner);
            }
            other => {
                if let Statement::Prepare { name, .. } = other {
                    self.prepared.insert(name.value.to_lowercase());
                }
                let before = self.found.len();
                tables::walk(self, other);
                if self.found.len() == before && !self.is_full {
                    self.push(Effect::new("sql.read", Target::None));
                }
            }
        }
        if self.grammar_changed {
            self.unknown("changes how what follows is read");
            self.grammar_changed = false;
        }
    }

    /// A plan is shown: what the statement would touch is only looked at.
    fn only_read(&mut self, inner: Self) {
        self.quiet();
        for effect in inner.found {
            match effect.target {
                Target::Table(table) => {
                    let table = TableTarget { unfiltered: false, ..table };
                    self.push(Effect::new("sql.read", Target::Table(table)));
                }
                _ if effect.kind == "sql.unknown" => self.push(effect),
                _ => {}
            }
        }
    }

    /// A text that is run as SQL; `None` if it is put together only then.
    fn dynamic(&mut self, text: Option<&str>) {
        match text {
            Some(text) if self.depth < DEEPEST => {
                let mut inner = Self::new(self.dialect, self.depth + 1);
                inner.schema.clone_from(&self.schema);
                inner.script(text);
                for effect in inner.found {
                    self.push(effect);
                }
            }
            _ => self.unknown("runs a text that is not known here"),
        }
    }

    /// What a command line does that the server runs.
    fn runs(&mut self, line: Option<&str>) {
        place::program(line).into_iter().for_each(|effect| self.push(effect));
    }

    fn push(&mut self, effect: Effect) {
        if let Some(secret) = place::secret(&effect) {
            self.push(secret);
        }
        self.changes |= effect.kind != "sql.read";
        if self.is_full || self.found.contains(&effect) {
            return;
        }
        if self.found.len() < MOST {
            self.found.push(effect);
        } else {
            self.is_full = true;
            self.found
                .push(Effect::new("sql.unknown", Target::Unknown).noting("does more than can be listed"));
        }
    }

    fn unknown(&mut self, note: &'static str) {
        self.push(Effect::new("sql.unknown", Target::Unknown).noting(note));
    }

    /// A statement that touches no table.
    /// Nothing of any table.
    fn quiet(&mut self) {
        self.push(Effect::new("sql.read", Target::None));
    }

    /// Rows of some table: which one cannot be told.
    fn somewhere(&mut self) {
        self.push(Effect::new("sql.read", Target::Unknown).noting("it cannot be told which table is read"));
    }

    fn look(&mut self, name: &ObjectName) {
        let table = self.table(name);
        self.push(Effect::new("sql.read", Target::Table(TableTarget { table, ..TableTarget::default() })));
    }

    fn read_all(&mut self, name: &ObjectName) {
        let table = self.table(name);
        let target = TableTarget { table, all_columns: true, ..TableTarget::default() };
        self.push(Effect::new("sql.read", Target::Table(target)));
    }

    /// Rows change; with a note where they are lost.
    fn write(&mut self, target: TableTarget, loses: Option<&'static str>) {
        let is_own = self.temporary.contains(&target.table) || target.table.starts_with(['#', '@']);
        let effect = Effect::new("sql.write", Target::Table(target));
        self.push(match loses {
            Some(note) if !is_own => effect.destroying(note),
            _ => effect,
        });
    }

    fn change(&mut self, change: Change) {
        let is_own =
            change.is_temporary || self.temporary.contains(&change.table) || change.table.starts_with('#');
        let target = TableTarget { table: change.table, all_columns: true, ..TableTarget::default() };
        let effect = Effect::new("sql.schema", Target::Table(target));
        self.push(match change.loses {
            Some(note) if !is_own => effect.destroying(note),
            _ if is_own => effect.noting("a temporary table"),
            _ => effect,
        });
    }

    /// From here on, unqualified names lead elsewhere: to one schema, or to the first of several that has such a
    /// name; `None` if it is not known where. The connection may outlive the text: that it went there is an
    /// effect of its own, on everything in the schema.
    fn enter(&mut self, path: Option<String>) {
        let Some(path) = path.filter(|it| !it.is_empty()) else {
            return self.unknown("it is not known where its names lead");
        };
        let schemas = path.split(',').map(|it| it.trim().trim_matches(['"', '`', '\'']));
        let schemas: Vec<String> = schemas
            .filter(|it| !it.is_empty() && *it != "$user")
            .map(|it| self.dialect.fold(it, false))
            .collect();
        for schema in &schemas {
            let target = TableTarget { table: format!("{schema}.*"), ..TableTarget::default() };
            self.push(
                Effect::new("sql.read", Target::Table(target)).noting("names without a schema lead here"),
            );
        }
        self.schema = if let [one] = schemas.as_slice() { Some(one.clone()) } else { None };
    }

    /// A name as comparisons see it, with the schema that the text has entered. PostgreSQL looks for a name in
    /// its own catalogue first.
    fn table(&self, name: &ObjectName) -> String {
        let written = self.table_as_written(name);
        match &self.schema {
            Some(schema) if name.0.len() == 1 && !written.starts_with("pg_") => format!("{schema}.{written}"),
            _ => written,
        }
    }

    fn table_as_written(&self, name: &ObjectName) -> String {
        let part = |part: &ObjectNamePart| match part {
            ObjectNamePart::Identifier(ident) => self.dialect.fold(&ident.value, ident.quote_style.is_some()),
            ObjectNamePart::Function(made) => made.to_string(),
        };
        name.0.iter().map(part).collect::<Vec<_>>().join(".")
    }

    fn last_part(&self, name: &ObjectName) -> String {
        let last = name.0.last().cloned();
        self.table_as_written(&ObjectName(last.into_iter().collect()))
    }

    fn finish(mut self) -> Vec<Effect> {
        // That nothing else happened is only worth saying alone.
        let is_idle = |effect: &Effect| {
            effect.kind == "sql.read" && effect.target == Target::None && effect.note.is_none()
        };
        if self.found.iter().any(|effect| !is_idle(effect)) {
            self.found.retain(|effect| !is_idle(effect));
        }
        self.found
    }
}

/// Whether a plan is made by running the statement.
fn runs(analyze: bool, options: Option<&[UtilityOption]>) -> bool {
    let is_on = |option: &UtilityOption| {
        let off = option.arg.as_ref().map(|arg| arg.to_string().to_lowercase());
        option.name.value.eq_ignore_ascii_case("analyze")
            && !matches!(off.as_deref(), Some("false" | "off" | "0" | "'false'" | "'off'"))
    };
    analyze || options.is_some_and(|options| options.iter().any(is_on))
}

fn rewind(parser: &mut Parser<'_>, index: usize) {
    while parser.index() > index {
        parser.prev_token();
    }
    while parser.index() < index {
        parser.next_token_no_skip();
    }
}
