//! `fs.read`, `fs.write`, `fs.list`, `fs.delete`: files of one folder.
//!
//! Answerable for every file being reached below the folder's descriptor; how, is [`sandbox::beneath`]'s.

use std::path::{Path, PathBuf};

use sandbox::beneath::Folder;
use serde_json::{Value, json};
use verdict::Status;
use verdict::hand::Own;

use super::{Ended, Job, bad, blocking, done, ended};
use crate::tool::fault::{Fault, Why};

/// The most of a file that is read at once, in bytes.
const MOST: u64 = 1 << 20;

/// What is to be done.
enum Work {
    Read(u64),
    Write(String),
    List,
    Delete,
}

pub(super) async fn work(job: &Job<'_>, own: Own) -> Result<Ended, Fault> {
    let work = match own {
        Own::FsRead => Work::Read(offset(job)?),
        Own::FsWrite => Work::Write(job.text("content")?.to_owned()),
        Own::FsDelete => Work::Delete,
        _ => Work::List,
    };
    let folder = job.folder()?;
    let path = below(&folder, job.text("path")?)?;
    Ok(blocking(move || match carried(&folder, &path, &work) {
        Ok(told) => done(&told),
        Err(error) => ended(Status::Failed, Why::Rejected, error.to_string()),
    })
    .await)
}

/// A path below the folder. A whole path is what it says, as whoever decided has read it: none of another place.
fn below(folder: &Path, text: &str) -> Result<PathBuf, Fault> {
    let path = Path::new(text);
    let inside = if path.is_absolute() { path.strip_prefix(folder).ok() } else { Some(path) };
    inside.map(Path::to_path_buf).ok_or_else(|| bad("`args.path` leads out of the workspace".to_owned()))
}

fn carried(folder: &Path, path: &Path, work: &Work) -> std::io::Result<Value> {
    let folder = Folder::open(folder)?;
    Ok(match work {
        Work::Read(offset) => {
            let (bytes, size) = folder.read(path, *offset, MOST)?;
            let content = String::from_utf8_lossy(&bytes);
            json!({"content": content, "size": size, "offset": offset, "read": bytes.len()})
        }
        Work::Write(content) => {
            folder.write(path, content.as_bytes())?;
            json!({"written": content.len()})
        }
        Work::List => json!({"entries": folder.list(path)?}),
        Work::Delete => {
            folder.delete(path)?;
            json!({"deleted": true})
        }
    })
}

fn offset(job: &Job<'_>) -> Result<u64, Fault> {
    match job.args.at(&["offset".to_owned()]) {
        None | Some(verdict::Json::Null) => Ok(0),
        Some(json) => {
            let odd = || bad("`args.offset` is no number of bytes".to_owned());
            json.canonical().parse().map_err(|_| odd())
        }
    }
}

impl Job<'_> {
    /// The folder that files are below: the operator's at the start, which must be in the policy's, or the policy's.
    pub(super) fn folder(&self) -> Result<PathBuf, Fault> {
        let missing = || {
            let message = "no folder is named for it; add `sandbox: {workspace: DIR}` to the policy, or start the gate with --builtin DIR";
            Fault::new(Why::NotReady, message)
        };
        let real = |path: &Path| {
            let odd = |error: std::io::Error| {
                let message = format!("the folder of the gate's own tools cannot be opened: {error}");
                Fault::new(Why::NotReady, message)
            };
            path.canonicalize().map_err(odd)
        };
        let named = self.tools.0.desktop.ground.folder.as_deref().map(real).transpose()?;
        let bound = self.bounds.workspace.as_deref().map(|it| real(Path::new(it))).transpose()?;
        match (named, bound) {
            (Some(named), Some(bound)) if named.starts_with(&bound) => Ok(named),
            (Some(_), Some(_)) => {
                let message = "the folder of --builtin is not in the policy's workspace";
                Err(Fault::new(Why::NotReady, message))
            }
            (named, bound) => named.or(bound).ok_or_else(missing),
        }
    }
}
