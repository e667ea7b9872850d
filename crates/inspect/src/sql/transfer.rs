//! Statements that move data between tables and files, stages, programs, or other machines.

use sqlparser::ast::{CopyIntoSnowflakeKind, CopySource, CopyTarget, SqlOption, Statement};
use verdict::{Effect, TableTarget, Target};

use crate::place;

use super::{Batch, functions};

/// The effects of such a statement.
pub(super) fn act(batch: &mut Batch, statement: &Statement) {
    match statement {
        Statement::Copy { source, to, target, .. } => copy(batch, source, *to, target),
        Statement::CopyIntoSnowflake { kind, into, from_obj, stage_params, .. } => {
            let into_table = matches!(kind, CopyIntoSnowflakeKind::Table);
            let other = from_obj.as_ref().map(ToString::to_string);
            if into_table {
                let table = batch.table(into);
                batch.write(TableTarget { table, all_columns: true, ..TableTarget::default() }, None);
                batch.push(place::read(stage_params.url.as_deref().or(other.as_deref())));
            } else {
                if let Some(table) = from_obj.as_ref() {
                    batch.read_all(table);
                }
                let stage = into.to_string();
                batch.push(place::write(stage_params.url.as_deref().or(Some(&stage))));
            }
        }
        Statement::Unload { query_text, to, .. } => {
            if query_text.is_some() {
                batch.dynamic(query_text.as_deref());
            }
            batch.push(place::write(Some(&to.value)));
        }
        Statement::LoadData { inpath, overwrite, table_name, .. } => {
            let table = batch.table(table_name);
            let target =
                TableTarget { table, all_columns: true, unfiltered: *overwrite, ..TableTarget::default() };
            batch.write(target, overwrite.then_some("replaces every row"));
            batch.push(place::read(Some(inpath)));
        }
        Statement::ExportData(it) => {
            let uri = it.options.iter().find_map(|option| match option {
                SqlOption::KeyValue { key, value } if key.value.eq_ignore_ascii_case("uri") => {
                    functions::text(value)
                }
                _ => None,
            });
            batch.push(place::write(uri.as_deref()));
        }
        Statement::Put { source, .. } => batch.push(place::read(Some(source)).noting("sends it to a stage")),
        Statement::List(_) => batch.quiet(),
        Statement::Remove(it) => {
            let stage = Target::Named(it.stage.to_string());
            batch.push(Effect::new("fs.delete", stage).destroying("removes files of a stage"));
        }
        _ => attach(batch, statement),
    }
}

fn attach(batch: &mut Batch, statement: &Statement) {
    match statement {
        Statement::AttachDatabase { database_file_name, .. } => {
            let path = functions::text(database_file_name);
            attached(batch, path.as_deref());
        }
        Statement::AttachDuckDBDatabase { database_path, .. } => attached(batch, Some(&database_path.value)),
        Statement::DetachDuckDBDatabase { .. } => batch.quiet(),
        Statement::Install { extension_name } => {
            let name = Target::Named(extension_name.value.clone());
            batch.push(Effect::new("package.install", name).noting("fetches an extension of the database"));
            batch.push(Effect::new("sql.admin", Target::Named(extension_name.value.clone())));
        }
        Statement::Load { extension_name } => {
            let name = Target::Named(extension_name.value.clone());
            batch.push(Effect::new("code.run", name).noting("loads a library into the database"));
            batch.push(Effect::new("sql.admin", Target::Named(extension_name.value.clone())));
        }
        _ => {}
    }
}

/// A database file is opened, and made if it is not there.
pub(super) fn attached(batch: &mut Batch, path: Option<&str>) {
    batch.push(Effect::new("sql.admin", Target::Unknown).noting("opens another database"));
    if path != Some(":memory:") {
        batch.push(place::write(path).noting("opens or makes a database file"));
    }
}

fn copy(batch: &mut Batch, source: &CopySource, is_to: bool, target: &CopyTarget) {
    if let CopySource::Table { table_name, columns } = source {
        let table = batch.table(table_name);
        let columns: Vec<String> = columns
            .iter()
            .map(|column| batch.dialect.fold(&column.value, column.quote_style.is_some()))
            .collect();
        let all_columns = columns.is_empty();
        let touched = TableTarget { table, columns, all_columns, ..TableTarget::default() };
        if is_to {
            batch.push(Effect::new("sql.read", Target::Table(touched)));
        } else {
            batch.write(touched, None);
        }
    }
    match target {
        CopyTarget::Stdin | CopyTarget::Stdout => {}
        CopyTarget::File { filename } if is_to => batch.push(place::write(Some(filename))),
        CopyTarget::File { filename } => batch.push(place::read(Some(filename))),
        CopyTarget::Program { command } => batch.runs(Some(command)),
    }
}
