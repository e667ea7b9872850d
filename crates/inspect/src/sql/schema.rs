//! Statements that make, change and drop what a database is made of, and those that change who may do what.

use sqlparser::ast::{
    AlterTableOperation, CreateFunction, CreateFunctionUsing, CreateTable, Grant, GrantObjects, ObjectName,
    Statement,
};
use verdict::{Effect, Target};

use crate::place;

use super::{Batch, Change, functions};

/// Whether it is such a statement.
pub(super) fn act(batch: &mut Batch, statement: &Statement) -> bool {
    match statement {
        Statement::CreateTable(it) => create(batch, it),
        Statement::CreateView(it) => {
            let table = batch.table(&it.name);
            batch.change(Change { table, is_temporary: it.temporary, loses: None });
        }
        Statement::AlterTable(it) => {
            let table = batch.table(&it.name);
            let loses = it.operations.iter().find_map(loses);
            batch.change(Change { table, is_temporary: false, loses });
        }
        Statement::CreateVirtualTable { name, module_name, .. } => {
            named(batch, name);
            if ["csv", "zipfile"].iter().any(|it| module_name.value.eq_ignore_ascii_case(it)) {
                batch.push(place::file("fs.read", None));
            }
        }
        Statement::CreateIndex(it) => named(batch, &it.table_name),
        Statement::RenameTable(renames) => {
            for rename in renames {
                named(batch, &rename.old_name);
                named(batch, &rename.new_name);
            }
        }
        Statement::AlterView { name, .. }
        | Statement::CreateSequence { name, .. }
        | Statement::CreateType { name, .. }
        | Statement::CreateMacro { name, .. }
        | Statement::CreateProcedure { name, .. }
        | Statement::CreateFileFormat { name, .. }
        | Statement::AlterIndex { name, .. }
        | Statement::Comment { object_name: name, .. } => named(batch, name),
        Statement::CreateDatabase { db_name, or_replace, location, .. } => {
            let table = batch.table(db_name);
            let loses = or_replace.then_some("replaces a database");
            batch.change(Change { table, is_temporary: false, loses });
            if location.is_some() {
                batch.push(place::write(location.as_deref()));
            }
        }
        Statement::CreateSchema { schema_name, or_replace, .. } => {
            let table = batch.dialect.fold(&schema_name.to_string(), false);
            let loses = or_replace.then_some("replaces a schema");
            batch.change(Change { table, is_temporary: false, loses });
        }
        Statement::CreateStage { name, stage_params, .. } => {
            named(batch, name);
            if let Some(url) = &stage_params.url {
                batch.push(place::host(Some(url)));
            }
        }
        Statement::CreateFunction(it) => function(batch, it),
        _ => return other(batch, statement),
    }
    true
}

fn other(batch: &mut Batch, statement: &Statement) -> bool {
    match statement {
        Statement::CreateTrigger(it) => named(batch, &it.table_name),
        Statement::DropFunction(it) => it.func_desc.iter().for_each(|it| named(batch, &it.name)),
        Statement::DropProcedure { proc_desc, .. } => {
            for procedure in proc_desc {
                named(batch, &procedure.name);
            }
        }
        Statement::DropTrigger(it) => named(batch, &it.trigger_name),
        Statement::DropDomain(it) => named(batch, &it.name),
        Statement::CreateDomain(it) => named(batch, &it.name),
        Statement::CreateExtension(it) => extension(batch, &it.name.value),
        Statement::DropExtension(it) => {
            for name in &it.names {
                extension(batch, &name.value);
            }
        }
        Statement::AlterSchema(it) => named(batch, &it.name),
        Statement::CreateServer(_) | Statement::CreateConnector(_) | Statement::AlterConnector { .. } => {
            batch.push(Effect::new("sql.schema", Target::Unknown).noting("links another server"));
        }
        Statement::CreateOperator(_)
        | Statement::CreateOperatorFamily(_)
        | Statement::CreateOperatorClass(_)
        | Statement::CreateTextSearch(_)
        | Statement::CreateCollation(_)
        | Statement::DropOperator(_)
        | Statement::DropOperatorFamily(_)
        | Statement::DropOperatorClass(_)
        | Statement::DropConnector { .. }
        | Statement::AlterFunction(_)
        | Statement::AlterType(_)
        | Statement::AlterCollation(_)
        | Statement::AlterOperator(_)
        | Statement::AlterOperatorFamily(_)
        | Statement::AlterOperatorClass(_)
        | Statement::AlterTextSearch(_)
        | Statement::Msck(_) => batch.push(Effect::new("sql.schema", Target::Unknown)),
        Statement::Grant(it) => grant(batch, it),
        Statement::Deny(_) => admin(batch, "changes rights"),
        Statement::Revoke(it) => rights(batch, it.objects.as_ref()),
        Statement::CreateRole(_)
        | Statement::AlterRole { .. }
        | Statement::CreateUser(_)
        | Statement::AlterUser(_) => {
            admin(batch, "changes users or roles");
        }
        Statement::CreatePolicy(it) => policy(batch, &it.table_name),
        Statement::AlterPolicy(it) => policy(batch, &it.table_name),
        Statement::DropPolicy(it) => policy(batch, &it.table_name),
        Statement::CreateSecret { .. } | Statement::DropSecret { .. } => {
            admin(batch, "changes stored secrets")
        }
        Statement::CreateWarehouse(_) => admin(batch, "changes what the database runs on"),
        _ => return false,
    }
    true
}

fn function(batch: &mut Batch, function: &CreateFunction) {
    use CreateFunctionUsing::{Archive, File, Jar};
    named(batch, &function.name);
    if let Some(Jar(path) | File(path) | Archive(path)) = &function.using {
        let effect = Effect::new("code.run", Target::Named(path.clone()));
        batch.push(effect.noting("loads code into the database"));
    }
}

fn named(batch: &mut Batch, name: &ObjectName) {
    let table = batch.table(name);
    batch.change(Change { table, ..Change::default() });
}

fn admin(batch: &mut Batch, note: &'static str) {
    batch.push(Effect::new("sql.admin", Target::Unknown).noting(note));
}

fn policy(batch: &mut Batch, table: &ObjectName) {
    let table = batch.table(table);
    batch.push(Effect::new("sql.admin", Target::Named(table)).noting("changes who sees which rows"));
}

fn extension(batch: &mut Batch, name: &str) {
    batch.push(
        Effect::new("sql.schema", Target::Named(name.to_lowercase()))
            .noting("changes the database's extensions"),
    );
    batch.push(
        Effect::new("sql.admin", Target::Named(name.to_lowercase()))
            .noting("changes the database's extensions"),
    );
}

fn grant(batch: &mut Batch, grant: &Grant) {
    rights(batch, grant.objects.as_ref());
}

fn rights(batch: &mut Batch, objects: Option<&GrantObjects>) {
    let names = match objects {
        Some(GrantObjects::Tables(names) | GrantObjects::Schemas(names) | GrantObjects::Databases(names)) => {
            names.as_slice()
        }
        _ => &[],
    };
    if names.is_empty() {
        admin(batch, "changes rights");
    }
    for name in names {
        let name = batch.table(name);
        batch.push(Effect::new("sql.admin", Target::Named(name)).noting("changes rights"));
    }
}

fn create(batch: &mut Batch, create: &CreateTable) {
    let table = batch.table(&create.name);
    let is_temporary = create.temporary || table.starts_with('#');
    if is_temporary {
        batch.temporary.insert(table.clone());
    }
    let loses = (create.or_replace && !is_temporary).then_some("replaces a table with all that is in it");
    batch.change(Change { table, is_temporary, loses });
    if let Some(location) = create.location.as_deref() {
        batch.push(place::write(Some(location)));
    }
    let copied = create.clone.iter().chain(create.inherits.iter().flatten());
    for source in copied {
        let name = functions::plain_name(source);
        let target =
            verdict::TableTarget { table: name, all_columns: true, ..verdict::TableTarget::default() };
        batch.push(Effect::new("sql.read", Target::Table(target)));
    }
}

/// What a change of a table loses.
fn loses(operation: &AlterTableOperation) -> Option<&'static str> {
    match operation {
        AlterTableOperation::DropColumn { .. } => Some("drops a column with all that is in it"),
        AlterTableOperation::DropPartitions { .. } => Some("drops a partition with all that is in it"),
        _ => None,
    }
}
