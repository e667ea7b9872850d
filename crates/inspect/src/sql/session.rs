//! Statements about the session and the server: transactions, settings, plans, locks, procedures, blocks.

use sqlparser::ast::{Expr, Set, SetSessionParamKind, Statement};
use verdict::{Effect, Target};

use super::{Batch, functions, set, statement};

/// Whether it is such a statement.
pub(super) fn act(batch: &mut Batch, statement: &Statement) -> bool {
    match statement {
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Deallocate { .. }
        | Statement::Close { .. }
        | Statement::Declare { .. }
        | Statement::RaisError { .. }
        | Statement::Throw(_)
        | Statement::Print(_)
        | Statement::Return(_)
        | Statement::Assert { .. }
        | Statement::UnlockTables
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. }
        // What a block holds comes one by one.
        | Statement::Case(_)
        | Statement::If(_)
        | Statement::While(_)
        | Statement::Explain { .. }
        | Statement::Prepare { .. } => batch.quiet(),
        // A cursor of an earlier text, or a query that the parser does not show.
        Statement::Open(_) | Statement::Fetch { .. } | Statement::Raise(_) => batch.somewhere(),
        Statement::WaitFor(_) => batch.push(Effect::new("sql.read", Target::None).noting("makes the server wait")),
        Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowObjects(_)
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. } => batch.quiet(),
        Statement::ExplainTable { table_name, .. } => batch.look(table_name),
        Statement::Use(it) => statement::enter(batch, it),
        Statement::Set(it) => assign(batch, it),
        Statement::AlterSession { session_params, .. } => {
            for option in &session_params.options {
                set::assign(batch, &option.option_name, None);
            }
        }
        _ => return runs(batch, statement) || keeps(batch, statement),
    }
    true
}

/// Statements that run others.
fn runs(batch: &mut Batch, statement: &Statement) -> bool {
    match statement {
        Statement::Call(call) => {
            let name = functions::plain_name(&call.name);
            functions::call(batch, &name, &functions::literals(&call.args), true);
        }
        Statement::Execute { name: Some(name), parameters, immediate: false, .. } => {
            let name = functions::plain_name(name);
            if batch.prepared.contains(&name) {
                batch.quiet();
                return true;
            }
            let literals: Vec<Option<String>> = parameters.iter().map(functions::text).collect();
            functions::call(batch, &name, &literals, true);
        }
        Statement::Execute { parameters, .. } => {
            let text = parameters.first().and_then(functions::text);
            batch.dynamic(text.as_deref());
        }
        _ => return false,
    }
    true
}

/// Statements that look after the server.
fn keeps(batch: &mut Batch, statement: &Statement) -> bool {
    let note = match statement {
        Statement::Kill { .. } => "ends another session",
        Statement::Flush { .. } => "flushes caches, logs or rights",
        Statement::Vacuum(_) | Statement::OptimizeTable { .. } | Statement::Analyze(_) => "maintains tables",
        Statement::Cache { .. } | Statement::UNCache { .. } => "changes what is kept in memory",
        Statement::Lock(_) | Statement::LockTables { .. } => "keeps others from tables",
        Statement::Reset(_) | Statement::Discard { .. } => "changes settings of the session",
        Statement::Pragma { name, value, is_eq } => {
            return pragma(batch, &functions::plain_name(name), value.is_some(), *is_eq);
        }
        Statement::NOTIFY { channel, .. } => {
            batch.push(
                Effect::new("sql.write", Target::Named(channel.value.clone())).noting("notifies listeners"),
            );
            return true;
        }
        _ => return false,
    };
    batch.push(Effect::new("sql.admin", Target::Unknown).noting(note));
    true
}

/// Pragmas that only tell.
const TELLING: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "database_list",
    "collation_list",
    "function_list",
    "module_list",
    "pragma_list",
    "compile_options",
    "integrity_check",
    "quick_check",
    "show_tables",
    "show_tables_expanded",
    "show",
    "version",
    "database_size",
    "storage_info",
    "metadata_info",
    "platform",
    "show_databases",
    "data_version",
    "freelist_count",
    "page_count",
    "functions",
    "collations",
    "user_agent",
    "extension_versions",
];
/// Pragmas that act without a value.
const ACTING: &[&str] = &[
    "optimize",
    "incremental_vacuum",
    "wal_checkpoint",
    "shrink_memory",
    "enable_profiling",
    "disable_profiling",
    "force_checkpoint",
    "enable_verification",
    "verify_external",
    "enable_checkpoint_on_shutdown",
];

pub(super) fn pragma(batch: &mut Batch, name: &str, has_value: bool, is_assigned: bool) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let tells = TELLING.contains(&last) && !is_assigned;
    if tells || (!has_value && !ACTING.contains(&last)) {
        batch.quiet();
    } else {
        batch.push(Effect::new("sql.admin", Target::Named(last.to_owned())).noting("changes a setting"));
    }
    true
}

fn assign(batch: &mut Batch, set: &Set) {
    match set {
        Set::SingleAssignment { scope, variable, values, .. } => {
            let name = functions::plain_name(variable);
            let value: Option<Vec<String>> = values.iter().map(shown).collect();
            let value = value.filter(|it| !it.is_empty()).map(|it| it.join(","));
            match scope {
                Some(sqlparser::ast::ContextModifier::Global) => {
                    set::assign(batch, &format!("@@global.{name}"), None)
                }
                _ => set::assign(batch, &name, value.as_deref()),
            }
        }
        Set::ParenthesizedAssignments { variables, .. } => {
            for variable in variables {
                set::assign(batch, &functions::plain_name(variable), None);
            }
        }
        Set::MultipleAssignments { assignments } => {
            for assignment in assignments {
                let name = functions::plain_name(&assignment.name);
                let is_global = matches!(assignment.scope, Some(sqlparser::ast::ContextModifier::Global));
                let name = if is_global { format!("@@global.{name}") } else { name };
                set::assign(batch, &name, shown(&assignment.value).as_deref());
            }
        }
        Set::SetRole { role_name, .. } => {
            let role = role_name.as_ref().map(|role| role.value.clone());
            set::assign(batch, "role", role.as_deref());
        }
        Set::SetSessionAuthorization(_) => set::assign(batch, "session_authorization", None),
        Set::SetSessionParam(SetSessionParamKind::Generic(param)) => {
            for name in &param.names {
                set::assign(batch, name, None);
            }
        }
        Set::SetSessionParam(SetSessionParamKind::IdentityInsert(_)) => {
            batch.push(
                Effect::new("sql.admin", Target::Named("identity_insert".to_owned()))
                    .noting("changes a setting"),
            );
        }
        Set::SetSessionParam(_)
        | Set::SetTimeZone { .. }
        | Set::SetNames { .. }
        | Set::SetNamesDefault {}
        | Set::SetTransaction { .. } => batch.quiet(),
    }
}

fn shown(value: &Expr) -> Option<String> {
    match value {
        Expr::Identifier(ident) => Some(ident.value.clone()),
        other => functions::text(other),
    }
}
