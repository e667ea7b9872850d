//! Which tables and columns a statement reads: scopes, aliases, common table expressions.
//!
//! Answerable for never leaving a table out. A column that could be of several tables counts for each of them.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::ptr;

use sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor, Visit, Visitor,
};
use verdict::{Effect, TableTarget, Target};

use super::functions;
use super::statement;
use crate::place;

use super::{Batch, condition};

/// How many columns of one table are listed before it is every column.
const MOST_COLUMNS: usize = 256;
/// How many pairs of a column and a table are looked at before every column of every table counts.
const MOST_PAIRS: usize = 200_000;

/// A table that is read, and what of it.
struct Read {
    target: TableTarget,
    alias: Option<String>,
    /// It is there to be written: without a column it is not read.
    is_written: bool,
}

/// A column as it is named.
#[derive(Clone)]
struct Named {
    qualifier: Option<String>,
    column: String,
}

#[derive(Default)]
struct Scope {
    tables: Vec<usize>,
    /// Names that stand for no table of their own: derived tables, common table expressions.
    derived: Vec<String>,
    columns: Vec<Named>,
    /// Common table expressions, and which of them they are.
    ctes: HashMap<String, usize>,
    /// How many of them can be named here.
    visible: usize,
    is_select: bool,
    /// Nothing in it can mean a column from outside.
    is_closed: bool,
    outputs: Vec<String>,
}

pub(super) struct Walk<'b> {
    pub batch: &'b mut Batch,
    scopes: Vec<Scope>,
    reads: Vec<Read>,
    closed: HashSet<*const Query>,
    /// The queries of common table expressions: the scope that has them, and which they are there.
    ctes: HashMap<*const Query, (usize, usize)>,
    written: HashSet<*const TableFactor>,
    /// Factors that are but the alias of another.
    aliases: HashSet<*const TableFactor>,
    pairs: usize,
}

/// What `statement` and everything in it does.
pub(super) fn walk(batch: &mut Batch, statement: &Statement) {
    let mut walk = Walk {
        batch,
        scopes: vec![Scope::default()],
        reads: Vec::new(),
        closed: HashSet::new(),
        ctes: HashMap::new(),
        written: HashSet::new(),
        aliases: HashSet::new(),
        pairs: 0,
    };
    let _ = statement.visit(&mut walk);
    while !walk.scopes.is_empty() {
        walk.leave();
    }
    walk.tell();
}

impl Walk<'_> {
    fn tell(self) {
        let is_lost = self.pairs > MOST_PAIRS;
        let mut merged: Vec<TableTarget> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for mut read in self.reads {
            if read.is_written && read.target.columns.is_empty() && !read.target.all_columns && !is_lost {
                continue;
            }
            read.target.all_columns |= is_lost || read.target.columns.len() > MOST_COLUMNS;
            match known.get(&read.target.table).and_then(|at| merged.get_mut(*at)) {
                Some(other) => {
                    other.all_columns |= read.target.all_columns || other.columns.len() > MOST_COLUMNS;
                    for column in read.target.columns {
                        if !other.all_columns && !other.columns.contains(&column) {
                            other.columns.push(column);
                        }
                    }
                }
                None => {
                    known.insert(read.target.table.clone(), merged.len());
                    merged.push(read.target);
                }
            }
        }
        for target in merged {
            self.batch.push(Effect::new("sql.read", Target::Table(target)));
        }
    }

    fn fold(&self, name: &str, is_quoted: bool) -> String {
        self.batch.dialect.fold(name, is_quoted)
    }

    fn add(&mut self, name: &ObjectName, alias: Option<String>, is_written: bool) {
        if let [ObjectNamePart::Identifier(only)] = name.0.as_slice() {
            let folded = self.fold(&only.value, only.quote_style.is_some());
            if self.is_derived(&folded) {
                let known = alias.unwrap_or(folded);
                if let Some(scope) = self.scopes.last_mut() {
                    scope.derived.push(known);
                }
                return;
            }
            if let Some(effect) = file_as_table(self.batch, &only.value, only.quote_style) {
                self.batch.push(effect);
                return;
            }
            // A table variable, or one that only lives as long as a trigger runs.
            if only.value.starts_with('@') {
                return;
            }
        }
        let table = self.batch.table(name);
        let index = self.reads.len();
        self.reads.push(Read { target: TableTarget { table, ..TableTarget::default() }, alias, is_written });
        if let Some(scope) = self.scopes.last_mut() {
            scope.tables.push(index);
        }
    }

    fn is_derived(&self, name: &str) -> bool {
        self.scopes.iter().rev().any(|scope| scope.ctes.get(name).is_some_and(|at| *at < scope.visible))
    }

    fn column(&mut self, qualifier: Option<String>, column: String) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.columns.push(Named { qualifier, column });
        }
    }

    /// Says whose columns were named in the innermost scope, and hands on what may be of outside.
    fn leave(&mut self) {
        let Some(scope) = self.scopes.pop() else { return };
        let mut handed = Vec::new();
        for named in scope.columns {
            let is_output = named.qualifier.is_none() && scope.outputs.contains(&named.column);
            if is_output {
                continue;
            }
            let found = self.attribute(&named, &scope.tables);
            let is_known = named.qualifier.as_ref().is_some_and(|name| found || scope.derived.contains(name));
            if is_known || scope.is_closed {
                continue;
            }
            handed.push(named);
        }
        let is_root = self.scopes.is_empty();
        if let Some(outer) = self.scopes.last_mut() {
            outer.columns.append(&mut handed);
            if scope.is_select {
                // The order of a query may name what its selects read.
                outer.tables.extend(scope.tables);
                outer.derived.extend(scope.derived);
            }
        } else if is_root {
            // A field of a column: `address.city`.
            for named in handed.into_iter().filter(|named| named.qualifier.is_some()) {
                let field = Named { qualifier: None, column: named.qualifier.unwrap_or_default() };
                self.attribute(&field, &scope.tables);
            }
        }
    }

    fn attribute(&mut self, named: &Named, tables: &[usize]) -> bool {
        let mut found = false;
        for index in tables {
            self.pairs += 1;
            if self.pairs > MOST_PAIRS {
                return true;
            }
            let Some(read) = self.reads.get_mut(*index) else { continue };
            let is_name = |name: &str| match &read.alias {
                Some(alias) => alias.eq_ignore_ascii_case(name),
                None => {
                    read.target.table.eq_ignore_ascii_case(name)
                        || read
                            .target
                            .table
                            .rsplit('.')
                            .next()
                            .is_some_and(|last| last.eq_ignore_ascii_case(name))
                }
            };
            match &named.qualifier {
                Some(qualifier) if !is_name(qualifier) => continue,
                // The name of a table for a column is the whole row.
                None if is_name(&named.column) => read.target.all_columns = true,
                _ if named.column == "*" => read.target.all_columns = true,
                _ if read.target.columns.len() > MOST_COLUMNS => {}
                _ if !read.target.columns.contains(&named.column) => {
                    read.target.columns.push(named.column.clone())
                }
                _ => {}
            }
            found = true;
        }
        found
    }

    fn projection(&mut self, items: &[SelectItem]) {
        for item in items {
            match item {
                SelectItem::Wildcard(_) => self.column(None, "*".to_owned()),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let qualifier = self.batch.table_as_written(name);
                    self.column(Some(qualifier), "*".to_owned());
                }
                SelectItem::QualifiedWildcard(..) => self.column(None, "*".to_owned()),
                SelectItem::ExprWithAlias { alias, .. } => {
                    let output = self.fold(&alias.value, alias.quote_style.is_some());
                    let outer = self.scopes.len().saturating_sub(2);
                    if let Some(scope) = self.scopes.get_mut(outer) {
                        scope.outputs.push(output);
                    }
                }
                _ => {}
            }
        }
    }

    fn joins(&mut self, select: &Select) {
        for from in &select.from {
            for join in &from.joins {
                if let Some(JoinConstraint::Using(columns)) = constraint(&join.join_operator) {
                    for column in columns {
                        let column = self.batch.table_as_written(column);
                        self.column(None, column);
                    }
                }
            }
        }
    }

    fn derive(&mut self, alias: Option<String>) {
        if let (Some(scope), Some(alias)) = (self.scopes.last_mut(), alias) {
            scope.derived.push(alias);
        }
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator as Op;
    match operator {
        Op::Join(it)
        | Op::Inner(it)
        | Op::Left(it)
        | Op::LeftOuter(it)
        | Op::Right(it)
        | Op::RightOuter(it)
        | Op::FullOuter(it)
        | Op::Semi(it)
        | Op::LeftSemi(it)
        | Op::RightSemi(it)
        | Op::Anti(it)
        | Op::LeftAnti(it)
        | Op::RightAnti(it) => Some(it),
        _ => None,
    }
}

/// `FROM 'data.csv'` reads a file, where the dialect has it.
fn file_as_table(batch: &Batch, name: &str, quote: Option<char>) -> Option<Effect> {
    let looks_like_file = name.contains('/') || name.contains("://") || name.starts_with('@');
    let by_quote = quote == Some('\'') || (quote.is_some() && looks_like_file && batch.dialect.reads_files());
    by_quote.then(|| place::read(Some(name)).noting("reads a file or an address as a table"))
}

fn alias_of(factor: &TableFactor) -> Option<&sqlparser::ast::Ident> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::JsonTable { alias, .. }
        | TableFactor::OpenJsonTable { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::Pivot { alias, .. }
        | TableFactor::Unpivot { alias, .. }
        | TableFactor::MatchRecognize { alias, .. }
        | TableFactor::XmlTable { alias, .. }
        | TableFactor::SemanticView { alias, .. } => alias.as_ref().map(|alias| &alias.name),
        TableFactor::UnpivotExpr { value_alias, .. } => Some(value_alias),
    }
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        statement::act(self.batch, statement);
        self.written.extend(statement::written(statement));
        self.aliases.extend(statement::alias_for_target(self.batch, statement));
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let address = ptr::from_ref(query);
        let is_closed = self.closed.contains(&address) || self.ctes.contains_key(&address);
        let mut scope = Scope { is_closed, ..Scope::default() };
        if let Some(with) = &query.with {
            for (at, cte) in with.cte_tables.iter().enumerate() {
                let name = self.fold(&cte.alias.name.value, cte.alias.name.quote_style.is_some());
                scope.ctes.insert(name, at);
                self.ctes.insert(ptr::from_ref(cte.query.as_ref()), (self.scopes.len(), at));
            }
            // Not recursive: each sees those before it, and what comes after sees all.
            scope.visible = if with.recursive { with.cte_tables.len() } else { 0 };
        }
        self.scopes.push(scope);
        if !query.locks.is_empty() {
            self.batch.push(Effect::new("sql.read", Target::None).noting("locks the rows that it reads"));
        }
        if let SetExpr::Table(table) = query.body.as_ref() {
            statement::whole_table(self.batch, table);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.leave();
        if let Some((depth, at)) = self.ctes.get(&ptr::from_ref(query))
            && let Some(outer) = self.scopes.get_mut(*depth)
        {
            outer.visible = outer.visible.max(at + 1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.scopes.push(Scope { is_select: true, ..Scope::default() });
        self.projection(&select.projection);
        self.joins(select);
        statement::select(self.batch, select);
        if select.selection.as_ref().is_some_and(condition::is_always_true) {
            self.batch.push(Effect::new("sql.read", Target::None).noting("its condition always holds"));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        self.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = alias_of(factor).map(|alias| self.fold(&alias.value, alias.quote_style.is_some()));
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                if self.aliases.contains(&ptr::from_ref(factor)) {
                    return ControlFlow::Continue(());
                }
                let is_written = self.written.contains(&ptr::from_ref(factor));
                self.add(name, alias, is_written);
                return ControlFlow::Continue(());
            }
            TableFactor::Table { name, args: Some(args), .. } => {
                let literals = functions::arguments(&args.args);
                functions::call(self.batch, &functions::plain_name(name), &literals, false);
            }
            TableFactor::Function { name, args, .. } => {
                let literals = functions::arguments(args);
                functions::call(self.batch, &functions::plain_name(name), &literals, false);
            }
            TableFactor::Derived { lateral: false, subquery, .. } => {
                self.closed.insert(ptr::from_ref(subquery.as_ref()));
            }
            _ => {}
        }
        self.derive(alias);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) if ident.value.starts_with('@') => {}
            Expr::Identifier(ident) => {
                let column = self.fold(&ident.value, ident.quote_style.is_some());
                self.column(None, column);
            }
            Expr::CompoundIdentifier(parts) => {
                if let [.., qualifier, column] = parts.as_slice() {
                    let qualifier = self.fold(&qualifier.value, qualifier.quote_style.is_some());
                    let column = self.fold(&column.value, column.quote_style.is_some());
                    if column == "nextval" || column == "currval" {
                        functions::call(self.batch, &column, &[], false);
                    }
                    self.column(Some(qualifier), column);
                }
            }
            Expr::QualifiedWildcard(name, _) => {
                let qualifier = self.batch.table_as_written(name);
                self.column(Some(qualifier), "*".to_owned());
            }
            Expr::Function(call) => {
                let name = functions::plain_name(&call.name);
                functions::call(self.batch, &name, &functions::literals(&call.args), false);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
