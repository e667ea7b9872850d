//! `portcullis init`: a commented policy to start from, cases that test it, and the schema that editors use.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::print::{self, clean};
use super::{Done, Failure, JsonArg};

/// `portcullis init`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis init                  # here
  portcullis init policies/        # into another folder
  portcullis init --force          # replace what is there")]
pub struct InitArgs {
    /// Where to
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Written {
    files: Vec<String>,
}

/// Runs the command.
pub fn run(args: &InitArgs) -> Done {
    let mut schema = serde_json::to_string_pretty(&verdict::load::schema()).map_err(Failure::said)?;
    schema.push('\n');
    // Here is here: `./` before every name helps nobody.
    let folder = if args.folder == Path::new(".") { PathBuf::new() } else { args.folder.clone() };
    let files = [
        ("portcullis.yaml", include_str!("../../assets/init.yaml")),
        ("portcullis.test.yaml", include_str!("../../assets/init.test.yaml")),
        ("portcullis.schema.json", schema.as_str()),
    ]
    .map(|(name, text)| (folder.join(name), text));
    // All or nothing: half a set would be tested against somebody else's policy.
    if let (false, Some((path, _))) =
        (args.force, files.iter().find(|(path, _)| path.symlink_metadata().is_ok()))
    {
        return Err(Failure::said(format!(
            "`{}` is there already; replace it with --force, or name another folder",
            shown(path)
        )));
    }
    fs::create_dir_all(&args.folder).map_err(|error| unwritten(&args.folder, &error))?;
    for (path, text) in &files {
        write(path, text, args.force).map_err(|error| unwritten(path, &error))?;
    }
    let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    if args.json.json {
        print::json(&Written { files: names })?;
        return Ok(ExitCode::SUCCESS);
    }
    names.iter().try_for_each(|name| print::line(&format!("wrote {}", clean(name))))?;
    let policy = names.first().map(|name| clean(name)).unwrap_or_default();
    print::line(&format!(
        "
Next:
  portcullis policy check {policy}      find mistakes
  portcullis policy test {policy}       run the cases of portcullis.test.yaml
  portcullis serve --policy {policy}    run the gate

Editors with a YAML language server complete the policy by portcullis.schema.json."
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str, replace: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true);
    let options = if replace { options.create(true).truncate(true) } else { options.create_new(true) };
    options.open(path)?.write_all(text.as_bytes())
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let path = shown(path);
    match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::said(format!("`{path}` is there already; replace it with --force"))
        }
        _ => Failure::said(format!("`{path}` cannot be written: {error}; name a folder that can be")),
    }
}

fn shown(path: &Path) -> String {
    clean(&path.display().to_string())
}
