//! What a parsed statement does, apart from what it reads: rows, schema, rights, files, programs.
//!
//! Answerable for putting every kind of statement somewhere; one that is not listed is unknown. Statements
//! inside others (a query that deletes, the body of a block) come here too, one by one.

use std::ptr;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, FromTable, Insert, Join, JoinConstraint, JoinOperator, MergeAction,
    ObjectName, ObjectType, OnConflictAction, OnInsert, Select, Statement, Table, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind, Use,
};
use verdict::{Effect, TableTarget, Target};

use crate::place;

use super::{Batch, Change, condition, functions, schema, session};

/// The effects of one statement, without those of the statements inside it.
pub(super) fn act(batch: &mut Batch, statement: &Statement) {
    match statement {
        Statement::Query(_) => {}
        Statement::Insert(it) => insert(batch, it),
        Statement::Update(it) => update(batch, it),
        Statement::Delete(it) => delete(batch, it),
        Statement::Merge(it) => {
            let columns = it.clauses.iter().flat_map(|clause| merged(batch, &clause.action)).collect();
            if let TableFactor::Table { name, .. } = &it.table {
                let table = batch.table(name);
                batch.write(TableTarget { table, columns, ..TableTarget::default() }, None);
            }
        }
        Statement::Truncate(it) => {
            for target in &it.table_names {
                let table = batch.table(&target.name);
                batch.write(everything(table), Some("removes every row"));
            }
        }
        Statement::Directory { path, .. } => batch.push(place::write(Some(path))),
        Statement::Copy { .. }
        | Statement::CopyIntoSnowflake { .. }
        | Statement::Unload { .. }
        | Statement::LoadData { .. }
        | Statement::ExportData(_)
        | Statement::Put { .. }
        | Statement::List(_)
        | Statement::Remove(_)
        | Statement::AttachDatabase { .. }
        | Statement::AttachDuckDBDatabase { .. }
        | Statement::DetachDuckDBDatabase { .. }
        | Statement::Install { .. }
        | Statement::Load { .. } => {
            super::transfer::act(batch, statement);
        }
        Statement::Drop { object_type, names, temporary, .. } => drop(batch, *object_type, names, *temporary),
        _ if schema::act(batch, statement) || session::act(batch, statement) => {}
        _ => batch.push(
            Effect::new("sql.unknown", Target::Unknown).noting("a statement of a kind that is not known"),
        ),
    }
}

/// The table factors of a statement that are there to be written.
pub(super) fn written(statement: &Statement) -> Vec<*const TableFactor> {
    match statement {
        Statement::Update(it) => vec![ptr::from_ref(&it.table.relation)],
        Statement::Delete(it) => match &it.from {
            FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from) => {
                from.iter().map(|from| ptr::from_ref(&from.relation)).collect()
            }
        },
        Statement::Merge(it) => vec![ptr::from_ref(&it.table)],
        _ => Vec::new(),
    }
}

/// The target of an update, if it only names an alias of its `FROM`.
pub(super) fn alias_for_target(batch: &Batch, statement: &Statement) -> Option<*const TableFactor> {
    let Statement::Update(update) = statement else { return None };
    let (Some(UpdateTableFromKind::AfterSet(from)), TableFactor::Table { name, .. }) =
        (&update.from, &update.table.relation)
    else {
        return None;
    };
    (resolve(batch, name, from) != batch.table(name)).then(|| ptr::from_ref(&update.table.relation))
}

/// `TABLE users`.
pub(super) fn whole_table(batch: &mut Batch, table: &Table) {
    let parts = [table.schema_name.as_deref(), table.table_name.as_deref()];
    let names: Vec<String> =
        parts.into_iter().flatten().map(|part| batch.dialect.fold(part, false)).collect();
    let target = TableTarget { table: names.join("."), all_columns: true, ..TableTarget::default() };
    batch.push(Effect::new("sql.read", Target::Table(target)));
}

/// `SELECT ... INTO t`: a table is made, or in MySQL and procedures a variable is set.
pub(super) fn select(batch: &mut Batch, select: &Select) {
    let Some(into) = &select.into else { return };
    for target in &into.targets {
        let name = target.to_string();
        if name.starts_with('@') || name.starts_with(':') {
            continue;
        }
        let table = batch.dialect.fold(name.trim_matches(['"', '`', '[', ']']), name.starts_with('"'));
        batch.change(Change {
            table,
            is_temporary: into.temporary || name.starts_with('#'),
            ..Change::default()
        });
    }
}

fn everything(table: String) -> TableTarget {
    TableTarget { table, all_columns: true, unfiltered: true, ..TableTarget::default() }
}

fn insert(batch: &mut Batch, insert: &Insert) {
    let mut columns: Vec<String> =
        insert.columns.iter().map(|column| batch.table_as_written(column)).collect();
    columns.extend(assigned(batch, &insert.assignments));
    match &insert.on {
        Some(OnInsert::DuplicateKeyUpdate(changed)) => columns.extend(assigned(batch, changed)),
        Some(OnInsert::OnConflict(conflict)) => {
            if let OnConflictAction::DoUpdate(update) = &conflict.action {
                columns.extend(assigned(batch, &update.assignments));
            }
        }
        _ => {}
    }
    columns.dedup();
    let clauses = insert.multi_table_into_clauses.iter();
    let clauses = clauses.chain(insert.multi_table_when_clauses.iter().flat_map(|when| &when.into_clauses));
    let clauses = clauses.chain(insert.multi_table_else_clause.iter().flatten());
    for clause in clauses {
        let table = batch.table(&clause.table_name);
        batch.write(TableTarget { table, all_columns: true, ..TableTarget::default() }, None);
    }
    match &insert.table {
        TableObject::TableName(name) => {
            let table = batch.table(name);
            let all_columns = columns.is_empty();
            let target = TableTarget { table, columns, all_columns, unfiltered: insert.overwrite };
            batch.write(target, insert.overwrite.then_some("replaces every row"));
        }
        TableObject::TableFunction(call) => {
            functions::call(
                batch,
                &functions::plain_name(&call.name),
                &functions::literals(&call.args),
                false,
            );
            batch.push(Effect::new("sql.write", Target::Unknown).noting("writes to what a function names"));
        }
        TableObject::TableQuery(_) => batch.push(Effect::new("sql.write", Target::Unknown)),
    }
    returning(batch, insert.returning.is_some(), &insert.table);
}

/// What is returned of the written table is read of it.
fn returning(batch: &mut Batch, is_returned: bool, table: &TableObject) {
    if let (true, TableObject::TableName(name)) = (is_returned, table) {
        let table = batch.table(name);
        let target = TableTarget { table, all_columns: true, ..TableTarget::default() };
        batch.push(Effect::new("sql.read", Target::Table(target)));
    }
}

fn update(batch: &mut Batch, update: &Update) {
    let columns = assigned(batch, &update.assignments);
    let from = match &update.from {
        Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => from.as_slice(),
        None => &[],
    };
    let is_narrowed = narrows(&update.table.joins) && update.selection.is_none();
    let unfiltered = !is_narrowed && update.selection.as_ref().is_none_or(condition::is_always_true);
    let note = unfiltered.then_some("changes every row");
    let mut names = Vec::new();
    named(&update.table.relation, &mut names);
    for join in &update.table.joins {
        named(&join.relation, &mut names);
    }
    if names.is_empty() {
        batch.push(Effect::new("sql.write", Target::Unknown));
    }
    // Of several joined tables, those are written whose columns are assigned; it is not always plain which.
    for (name, _) in names {
        let table = resolve(batch, name, from);
        batch.write(
            TableTarget { table, columns: columns.clone(), unfiltered, ..TableTarget::default() },
            note,
        );
    }
}

fn delete(batch: &mut Batch, delete: &Delete) {
    let from = match &delete.from {
        FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from) => from.as_slice(),
    };
    let unfiltered = delete.selection.as_ref().is_none_or(condition::is_always_true)
        && !narrows(from.iter().flat_map(|from| &from.joins));
    let note = unfiltered.then_some("removes every row");
    let mut tables = Vec::new();
    for name in &delete.tables {
        tables.push(resolve(batch, name, from));
    }
    if delete.tables.is_empty() {
        for from in from {
            let mut names = Vec::new();
            named(&from.relation, &mut names);
            tables.extend(names.into_iter().map(|(name, _)| batch.table(name)));
        }
    }
    if tables.is_empty() {
        batch.push(Effect::new("sql.write", Target::Unknown));
    }
    for table in tables {
        batch.write(TableTarget { table, all_columns: true, unfiltered, ..TableTarget::default() }, note);
    }
}

/// Whether a join leaves rows out: one with a condition that is no left join.
fn narrows<'a>(joins: impl IntoIterator<Item = &'a Join>) -> bool {
    let says = |constraint: &JoinConstraint| match constraint {
        JoinConstraint::On(condition) => !condition::is_always_true(condition),
        JoinConstraint::Using(_) | JoinConstraint::Natural => true,
        JoinConstraint::None => false,
    };
    joins.into_iter().any(|join| match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::StraightJoin(constraint) => says(constraint),
        _ => false,
    })
}

/// The tables of a factor, with their aliases.
fn named<'a>(factor: &'a TableFactor, names: &mut Vec<(&'a ObjectName, Option<&'a str>)>) {
    match factor {
        TableFactor::Table { name, alias, .. } => {
            names.push((name, alias.as_ref().map(|alias| alias.name.value.as_str())));
        }
        TableFactor::NestedJoin { table_with_joins, .. } => {
            named(&table_with_joins.relation, names);
            for join in &table_with_joins.joins {
                named(&join.relation, names);
            }
        }
        _ => {}
    }
}

/// The table that a name means where it may be an alias of one in `from`.
fn resolve(batch: &Batch, name: &ObjectName, from: &[TableWithJoins]) -> String {
    let written = batch.table_as_written(name);
    let mut names = Vec::new();
    for from in from {
        named(&from.relation, &mut names);
        for join in &from.joins {
            named(&join.relation, &mut names);
        }
    }
    let found =
        names.iter().find(|(_, alias)| alias.is_some_and(|alias| alias.eq_ignore_ascii_case(&written)));
    batch.table(found.map_or(name, |(real, _)| real))
}

fn assigned(batch: &Batch, assignments: &[Assignment]) -> Vec<String> {
    let mut columns = Vec::new();
    for assignment in assignments {
        match &assignment.target {
            AssignmentTarget::ColumnName(name) => columns.push(batch.last_part(name)),
            AssignmentTarget::Tuple(names) => columns.extend(names.iter().map(|name| batch.last_part(name))),
        }
    }
    columns
}

fn merged(batch: &Batch, action: &MergeAction) -> Vec<String> {
    match action {
        MergeAction::Insert(it) => it.columns.iter().map(|column| batch.last_part(column)).collect(),
        MergeAction::Update(it) => match &it.kind {
            sqlparser::ast::MergeUpdateKind::Set(assignments) => assigned(batch, assignments),
            sqlparser::ast::MergeUpdateKind::Wildcard => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn drop(batch: &mut Batch, kind: ObjectType, names: &[ObjectName], is_temporary: bool) {
    let note = match kind {
        ObjectType::Table => Some("drops a table with all that is in it"),
        ObjectType::Schema | ObjectType::Database => {
            Some("drops a database or schema with all that is in it")
        }
        ObjectType::Stage => Some("drops a stage with its files"),
        ObjectType::Role | ObjectType::User | ObjectType::Warehouse => {
            for name in names {
                let name = batch.table_as_written(name);
                batch.push(
                    Effect::new("sql.admin", Target::Named(name)).noting("removes a user, role or warehouse"),
                );
            }
            return;
        }
        _ => None,
    };
    for name in names {
        let table = batch.table(name);
        batch.change(Change { table, is_temporary, loses: note });
    }
}

/// Where a `USE` leads.
pub(super) fn enter(batch: &mut Batch, entered: &Use) {
    match entered {
        Use::Catalog(name) | Use::Schema(name) | Use::Database(name) | Use::Object(name) => {
            let name = batch.table_as_written(name);
            batch.enter(Some(name));
        }
        Use::Role(_) | Use::SecondaryRoles(_) => {
            batch.push(Effect::new("sql.admin", Target::Unknown).noting("acts in another role"));
        }
        Use::Warehouse(_) | Use::Default => batch.quiet(),
    }
}
