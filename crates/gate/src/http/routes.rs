//! The one table of routes: method, path, who may, what it takes and gives, and its handler.
//!
//! The router, the role check and the OpenAPI document are made from it, so they cannot disagree.

/// The shape of JSON that a route takes or gives.
macro_rules! shape {
    ($shape:ty) => {
        |generator| generator.subschema_for::<$shape>()
    };
}
/// What answers a route.
macro_rules! handler {
    ($handler:path) => {
        |call| Box::pin($handler(call))
    };
}

mod agentwarden;
mod onceonly;
mod table;
mod tools;

use std::future::Future;
use std::pin::Pin;

use hyper::Method;
use schemars::{Schema, SchemaGenerator};
use verdict::KeyRole;

use super::Call;
use super::problem::Problem;
use super::reply::Reply;

pub use agentwarden::AGENTWARDEN;
pub use onceonly::ONCEONLY;
pub use table::ROUTES;
pub use tools::TOOLS;

/// All routes: our own, then those of other products' clients.
pub fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(TOOLS.iter()).chain(ONCEONLY.iter()).chain(AGENTWARDEN.iter())
}

/// Who may use a route.
#[derive(Clone, Copy, Debug)]
pub enum May {
    /// Anyone, without a key.
    Anyone,
    /// Keys with one of these roles.
    Roles(&'static [KeyRole]),
}

/// What a route takes as its body.
#[derive(Clone, Copy)]
pub enum Takes {
    /// None; one that is sent all the same is not read.
    Nothing,
    /// JSON of this shape.
    Json(SchemaOf),
    /// JSON of this shape, with what a tool has given back in it.
    Large(SchemaOf),
    /// JSON of this shape, or no body at all.
    MaybeJson(SchemaOf),
    /// A policy, in YAML or JSON.
    Policy,
    /// A JSON-RPC message.
    Message,
}

/// Adds a shape to the document.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;
/// What a handler will answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// What a route gives.
#[derive(Clone, Copy)]
pub enum Gives {
    /// JSON of this shape.
    Json(SchemaOf),
    /// Text of this kind.
    Text(&'static str),
}

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; parts in braces vary.
    pub path: &'static str,
    /// Who may.
    pub may: May,
    /// True: not for test keys, because it is about what both realms share.
    pub live_only: bool,
    /// True: may take as long as a long poll.
    pub waits: bool,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The parameters of its query: name and what it means.
    pub query: &'static [(&'static str, &'static str)],
    /// Its body.
    pub takes: Takes,
    /// Its answer, with status 200 (201 where something is made).
    pub gives: Gives,
    /// What answers.
    pub handler: fn(Call) -> Answering,
}

impl Takes {
    /// The longest body, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Json(_) | Self::MaybeJson(_) => 1 << 20,
            Self::Large(_) => 8 << 20,
            Self::Policy => 4 << 20,
            Self::Message => crate::mcp::LONGEST_MESSAGE,
        }
    }
    /// The kinds of body it may be.
    pub fn media(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Json(_) | Self::Large(_) | Self::MaybeJson(_) | Self::Message => &["application/json"],
            Self::Policy => &[
                "application/yaml",
                "application/json",
                "application/x-yaml",
                "text/yaml",
                "text/x-yaml",
                "text/plain",
                // What curl says when nobody says otherwise.
                "application/x-www-form-urlencoded",
            ],
        }
    }
}

/// What is at a path.
pub enum Found {
    /// This route; the parts of the path that vary.
    Route(&'static Route, Vec<String>),
    /// Something, for other methods.
    OtherMethods(String),
    /// Nothing.
    Nothing,
}

/// The longest part of a path that varies, in bytes.
const LONGEST_PART: usize = 256;

/// Looks a route up. But for names of tools and runs, escaped, empty or overlong parts are no ids: ids are written in plain letters.
pub fn find(method: &Method, path: &str) -> Found {
    let mut allowed: Vec<&str> = Vec::new();
    for route in all() {
        let Some(params) = matches(route.path, path) else { continue };
        if route.method == *method {
            return Found::Route(route, params);
        }
        allowed.push(route.method.as_str());
    }
    if allowed.is_empty() { Found::Nothing } else { Found::OtherMethods(allowed.join(", ")) }
}

fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    if pattern == path {
        return Some(Vec::new());
    }
    if !pattern.contains('{') {
        return None;
    }
    let mut params = Vec::new();
    let (mut expected, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return Some(params),
            (Some(part), Some(text)) if part.starts_with('{') => {
                params.push(match part {
                    "{name}" => named(text)?,
                    "{run_id}" if is_escaped(text) => text.to_owned(),
                    _ if is_id(text) => text.to_owned(),
                    _ => return None,
                });
            }
            (Some(part), Some(text)) if part == text => (),
            _ => return None,
        }
    }
}

/// Runs are named by others, in whatever letters they like; handlers undo the escapes.
fn is_escaped(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'#' && b != b'?';
    !text.is_empty() && text.len() <= 3 * LONGEST_PART && text.bytes().all(plain)
}

/// The name of a tool may have slashes in it, which are escaped in a path (RFC 3986, section 2.1).
fn named(text: &str) -> Option<String> {
    if !text.contains('%') {
        return is_id(text).then(|| text.to_owned());
    }
    if text.len() > 3 * LONGEST_PART {
        return None;
    }
    let name = super::query::unescape(text).ok()?;
    let is_name = name.split('/').all(is_id) && name.len() <= LONGEST_PART;
    is_name.then_some(name)
}

fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:@".contains(&b);
    !text.is_empty() && text.len() <= LONGEST_PART && text.bytes().all(plain) && !text.contains("..")
}
