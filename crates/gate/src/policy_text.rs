//! Policies as text: read from disk with what they include, and kept as one payload of the ledger.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use verdict::Policy;
use verdict::load::{Loaded, Problem, Severity, load};

/// A policy and the texts it was made of.
#[derive(Debug)]
pub struct PolicyText {
    /// Compiled, with what there is to warn of.
    pub loaded: Loaded,
    /// The texts, as they are kept in the ledger: JSON, see [`unpack`].
    pub packed: String,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// The texts of a policy: the main one first, then what it includes, in the order it was asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    files: Vec<(String, String)>,
}

/// The largest policy file, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Reads a policy file and what it includes. The error has every mistake.
pub fn read(path: &Path) -> Result<PolicyText, Vec<Problem>> {
    let name = path.display().to_string();
    let text = read_file(path).map_err(|why| vec![unreadable(&name, why)])?;
    let mut files = vec![(name.clone(), text.clone())];
    let loaded = load(&name, &text, &mut |asked, from| {
        let path = Path::new(from).parent().unwrap_or(Path::new("")).join(asked);
        let text = read_file(&path)?;
        files.push((path.display().to_string(), text.clone()));
        Ok((path.display().to_string(), text))
    })?;
    let paths = files.iter().map(|(name, _)| PathBuf::from(name)).collect();
    Ok(PolicyText { loaded, packed: pack(files), files: paths })
}

/// Reads a policy that came as one text. It cannot include files.
pub fn of_text(name: &str, text: &str) -> Result<PolicyText, Vec<Problem>> {
    let loaded = load(name, text, &mut |_, _| {
        Err("a policy that is put over the API stands alone; write the included sections into it".to_owned())
    })?;
    Ok(PolicyText { loaded, packed: pack(vec![(name.to_owned(), text.to_owned())]), files: Vec::new() })
}

/// Reads a policy of texts that are there already, in the order of [`files_of`].
pub fn of_texts(files: Vec<(String, String)>) -> Result<PolicyText, Vec<Problem>> {
    let mut rest = files.iter();
    let (name, text) =
        rest.next().ok_or_else(|| vec![unreadable("policy.yaml", "it has no text".to_owned())])?;
    let loaded = load(name, text, &mut |asked, _| {
        rest.next().cloned().ok_or_else(|| format!("`{asked}` is not kept"))
    })?;
    Ok(PolicyText { loaded, packed: pack(files), files: Vec::new() })
}

/// The policy of a payload that [`PolicyText::packed`] made. The error is a sentence.
pub fn unpack(payload: &[u8]) -> Result<Policy, String> {
    let packed: Packed = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    of_texts(packed.files).map(|text| text.loaded.policy).map_err(|problems| {
        problems.first().map_or_else(|| "it cannot be read".to_owned(), ToString::to_string)
    })
}

/// The texts of a packed policy, each with its name: the main one first, then what it includes.
pub fn files_of(payload: &[u8]) -> Option<Vec<(String, String)>> {
    serde_json::from_slice(payload).ok().map(|packed: Packed| packed.files)
}

/// The main text of a packed policy, for people to read.
pub fn main_text(payload: &[u8]) -> Option<String> {
    let packed: Packed = serde_json::from_slice(payload).ok()?;
    packed.files.into_iter().next().map(|(_, text)| text)
}

fn pack(files: Vec<(String, String)>) -> String {
    // Two lists of strings always serialise.
    serde_json::to_string(&Packed { files }).unwrap_or_default()
}

fn unreadable(file: &str, message: String) -> Problem {
    Problem { severity: Severity::Error, file: file.to_owned(), line: 1, column: 1, message, help: None }
}

fn read_file(path: &Path) -> Result<String, String> {
    let at = |error: std::io::Error| format!("`{}` cannot be read: {error}", path.display());
    let size = fs::metadata(path).map_err(at)?.len();
    if size > LARGEST {
        return Err(format!("`{}` has {size} bytes; the most is {LARGEST}", path.display()));
    }
    fs::read_to_string(path).map_err(at)
}
