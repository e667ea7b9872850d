//! Asks a running gate what a coding agent is to be told.
//!
//! Answerable for an answer that is none, or comes from nobody who can show that they are the gate, being a denial.
//! Only where no connection was made may somebody else decide.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use verdict::Json;

use super::{Failure, print};
use crate::cli::person;
use crate::hook::{Product, Say};
use crate::tool::{Unasked, ask};

/// A gate that listens somewhere.
pub(super) struct Served {
    url: String,
    key: String,
}

/// The longest file with a key, in bytes.
const LONGEST_KEY: u64 = 4_096;

/// What is asked.
pub(super) struct Question<'q> {
    pub(super) product: Product,
    pub(super) agent: &'q str,
    pub(super) grant: bool,
    /// The event, as it was read.
    pub(super) event: &'q [u8],
}

/// An answer, or that there is nobody who could give one.
pub(super) enum Heard {
    Said(Say),
    Nobody(String),
}

#[derive(Deserialize)]
struct Refused {
    detail: String,
}

impl Served {
    /// The gate that is meant: the one of `--gate`, else of `PORTCULLIS_URL`, if there is one.
    pub(super) fn find(url: Option<&str>, key_file: Option<&Path>) -> Result<Option<Self>, Failure> {
        let of_environment = || std::env::var("PORTCULLIS_URL").ok().filter(|url| !url.is_empty());
        let Some(url) = url.map(str::to_owned).or_else(of_environment) else { return Ok(None) };
        let key = match key_file {
            Some(file) => read_key(file)?,
            None => std::env::var("PORTCULLIS_API_KEY").unwrap_or_default(),
        };
        if key.trim().is_empty() {
            return Err(Failure::said(
                "a running gate wants a key; set PORTCULLIS_API_KEY, or name a file with one by --key-file",
            ));
        }
        Ok(Some(Self { url, key: key.trim().to_owned() }))
    }

    /// Asks.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Heard, Failure> {
        let event =
            Json::parse(question.event).map_err(|why| Failure::said(print::clean(&why.to_string())))?;
        let place = |path: Option<std::path::PathBuf>| path.and_then(|it| it.to_str().map(str::to_owned));
        let body = json!({
            "agent_id": question.agent,
            "event": event,
            "user": person::user_name(),
            "folder": place(std::env::current_dir().ok()),
            "home": place(std::env::var_os("HOME").map(std::path::PathBuf::from)),
            "grant": question.grant,
        });
        let path = format!("/v1/hooks/{}", question.product.name());
        let url = print::clean(&self.url);
        let (status, answer) = match ask(&self.url, &path, &self.key, body.to_string().into()).await {
            Ok(answer) => answer,
            Err(Unasked::Nobody(why)) => {
                return Ok(Heard::Nobody(format!("`{url}`: {}", print::clean(&why))));
            }
            Err(Unasked::Other(why)) => {
                return Err(Failure::said(format!("`{url}`: {}", print::clean(&why))));
            }
        };
        if status == 200 {
            let odd = |error| Failure::said(format!("`{url}` answers with what is none: {error}"));
            return serde_json::from_slice(&answer).map(Heard::Said).map_err(odd);
        }
        let detail = serde_json::from_slice::<Refused>(&answer).map(|it| print::clean(&it.detail));
        let detail = detail.unwrap_or_else(|_| "and no reason that can be read".to_owned());
        Err(Failure::said(format!("`{url}` answers with status {status}: {detail}")))
    }
}

fn read_key(file: &Path) -> Result<String, Failure> {
    let named = print::clean(&file.display().to_string());
    let odd = |error: std::io::Error| Failure::said(format!("`{named}` cannot be read: {error}"));
    let mut text = String::new();
    std::fs::File::open(file).map_err(odd)?.take(LONGEST_KEY).read_to_string(&mut text).map_err(odd)?;
    Ok(text)
}
