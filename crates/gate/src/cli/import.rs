//! `portcullis tools import openapi`: tools of an OpenAPI document, as lines for a policy or put into one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::print::{self, clean};
use super::{Done, Failure};
use crate::policy_edit::{Document, Tree};
use crate::tool::import::{self, Imported, Plan};

/// `portcullis tools import`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Make tools of the operations of an OpenAPI document (3.0 or 3.1)
    Openapi(OpenapiArgs),
}

/// `portcullis tools import openapi`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis tools import openapi petstore.yaml                        # prints the tools
  portcullis tools import openapi https://api.example.com/openapi.json --prefix pets
  portcullis tools import openapi petstore.yaml --policy portcullis.yaml   # puts them into the policy

Rules still say who may call them. What cannot be a tool is said on stderr, with the reason.")]
pub struct OpenapiArgs {
    /// The document: a file, or an http(s) URL
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// What the tools' names begin with [default: the document's title]
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,
    /// Where the tools are [default: the document's first server]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The environment variable that has the secret [default: made of the prefix]
    #[arg(long, value_name = "VARIABLE")]
    secret_env: Option<String>,
    /// Put the tools into this policy file instead of printing them; those of the same names are replaced
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Runs the command.
pub fn run(command: ImportCommand) -> Done {
    let ImportCommand::Openapi(OpenapiArgs { source, prefix, server, secret_env, policy }) = command;
    let document = read(&source)?;
    let shown = clean(&source);
    let plan = Plan { prefix, server, secret: secret_env };
    let Imported { tools, mut notes } =
        import::openapi(&document, &plan).map_err(|why| Failure::said(format!("`{shown}`: {why}")))?;
    let (tools, odd): (Vec<_>, Vec<_>) = tools
        .into_iter()
        .map(|(name, keys)| (flaw(&name, &keys), name, keys))
        .partition(|(flaw, ..)| flaw.is_none());
    notes.extend(
        odd.into_iter().map(|(flaw, name, _)| format!("`{name}` is left out: {}", flaw.unwrap_or_default())),
    );
    for note in &notes {
        print::complain(&clean(note));
    }
    if tools.is_empty() {
        return Err(Failure::said(format!("`{shown}` has no operation that can be a tool")));
    }
    let trees = tools.iter().map(|(_, name, keys)| (name.as_str(), Tree::from(keys)));
    match policy {
        None => {
            let mut document =
                Document::of(vec![("tools".to_owned(), "version: 1\n".to_owned())]).map_err(Failure::said)?;
            document.set(&["tools"], Tree::map(trees)).map_err(Failure::said)?;
            let texts = document.texts().map_err(Failure::said)?;
            print::text(&texts.into_iter().map(|(_, text)| text).collect::<String>())?;
        }
        Some(path) => put(&path, trees)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(source: &str) -> Result<Value, Failure> {
    let shown = clean(source);
    let text = if source.starts_with("http://") || source.starts_with("https://") {
        let body = super::wait_with_threads(crate::tool::fetch(source))?;
        let body = body.map_err(|why| Failure::said(format!("`{shown}` cannot be read: {why}")))?;
        String::from_utf8(body.to_vec()).map_err(|_| Failure::said(format!("`{shown}` is no text")))?
    } else {
        std::fs::read_to_string(source).map_err(|error| {
            Failure::said(format!("`{shown}` cannot be read: {error}; name a file or a URL that can be"))
        })?
    };
    // JSON first: YAML would take it, too, and some of its numbers for texts.
    if let Ok(value) = serde_json::from_str(&text) {
        return Ok(value);
    }
    let document = Document::of(vec![(shown.clone(), text)]);
    let tree = document.map_err(|why| {
        Failure::said(format!("`{shown}` is neither JSON nor YAML that can be read: {why}"))
    })?;
    tree.get(&[]).map(Tree::to_json).ok_or_else(|| Failure::said(format!("`{shown}` is empty")))
}

/// Why the policy would not take a tool.
fn flaw(name: &str, keys: &Map<String, Value>) -> Option<String> {
    let mut document = Document::of(vec![("tools".to_owned(), "version: 1\n".to_owned())]).ok()?;
    document.set(&["tools", name], Tree::from(keys)).ok()?;
    let mistakes = document.compile().err()?;
    Some(mistakes.first().map_or_else(|| "the policy does not take it".to_owned(), |it| it.message.clone()))
}

fn put<'t>(path: &Path, trees: impl Iterator<Item = (&'t str, Tree)>) -> Result<(), Failure> {
    let shown = clean(&path.display().to_string());
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::said(format!("`{shown}` cannot be read: {error}")))?;
    let mut document = Document::of(vec![(shown.clone(), text)])
        .map_err(|why| Failure::said(format!("`{shown}`: {why}")))?;
    let mut count = 0_usize;
    for (name, tree) in trees {
        document.set(&["tools", name], tree).map_err(Failure::said)?;
        count = count.saturating_add(1);
    }
    let texts = document.texts().map_err(Failure::said)?;
    let text = texts.into_iter().map(|(_, text)| text).next().unwrap_or_default();
    // Written beside and moved into place: a gate that follows the file never sees half of it.
    let beside = path.with_extension("importing");
    std::fs::write(&beside, &text)
        .and_then(|()| {
            crate::policy_text::read(&beside).map(drop).map_err(|mistakes| {
                let _left = std::fs::remove_file(&beside);
                std::io::Error::other(mistakes.first().map_or_else(String::new, ToString::to_string))
            })
        })
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|error| Failure::said(format!("`{shown}` is as it was: {error}")))?;
    print::line(&format!("{count} tools are in {shown}; rules say who may call them"))
}
