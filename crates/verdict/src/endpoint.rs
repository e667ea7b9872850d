//! Where a declared tool is, and how it is called: what the policy says of carrying an action out.
//!
//! Answerable for the address being one that means one thing, and for arguments that a tool has not declared.
//! Opens no connection and holds no secret: it names where secrets are.

mod address;

use crate::policy::Tool;

pub use address::{Address, Piece};

/// A tool that the gate calls itself, over HTTP.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: Address,
    /// Where a test key's calls go; without one they are not carried out.
    pub test_address: Option<Address>,
    /// `GET`, `POST`, ...
    pub method: HttpMethod,
    /// How the gate shows who it is.
    pub auth: Option<Auth>,
    /// Which headers carry an HMAC.
    pub signing: Signing,
    /// True if an answer without the tool's own signature is no answer.
    pub signed_answers: bool,
    /// Milliseconds that a call may take, all its attempts included.
    pub timeout_ms: u64,
    /// How often it is tried again at most.
    pub max_retries: u32,
    /// True if calling it twice does no more than calling it once.
    pub idempotent: bool,
    /// Arguments that go into the query, whatever the method.
    pub query: Vec<String>,
    /// True if it may be on this machine or in a network of one's own.
    pub allow_private: bool,
    /// A file of certificates (PEM) that are trusted for it instead of the system's.
    pub ca: Option<String>,
    /// The longest answer that is read, in bytes.
    pub max_response_bytes: u64,
    /// True if arguments that it does not declare are passed on.
    pub open_args: bool,
}

/// The methods that a tool can be called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the words of RFC 9110")]
pub enum HttpMethod {
    Get,
    Head,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

/// How the gate shows a tool who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Signs each request.
    Hmac(SecretSource),
    /// `Authorization: Bearer`.
    Bearer(SecretSource),
    /// A header of the tool's choice.
    Header(String, SecretSource),
}

/// Where a secret is. Never the secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; the line break at its end is none of it.
    File(String),
    /// The gate's own store of sealed secrets, by name.
    Stored(String),
}

/// Which headers carry an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Signing {
    /// `Portcullis-Signature` over method, path, time, nonce and body.
    #[default]
    Portcullis,
    /// `X-OnceOnly-Signature` over the body alone, and the body that goes with it.
    OnceOnly,
    /// Both, with the body of OnceOnly.
    Both,
}

/// What keeps a tool from being called too much at once, or while it is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strain {
    /// The most calls under way at once; 0: any number.
    pub max_in_flight: i64,
    /// Failures in a row that open the breaker; 0: none do.
    pub failures: i64,
    /// Microseconds that it then stays open, before one call may try.
    pub cooldown: i64,
}

impl HttpMethod {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
    /// The method of this name, in upper case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
    /// True if it asks for nothing to be changed (RFC 9110, 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
    /// True if its arguments go into the query, there being no body.
    pub fn has_no_body(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Delete)
    }
}

impl Endpoint {
    /// An address that is called without a secret, once: no argument is put into it, and nothing is kept of it. Answers
    /// have at most `most` bytes. Private addresses are refused unless `allow_private`.
    pub fn bare(address: Address, method: HttpMethod, allow_private: bool, most: u64) -> Self {
        Self {
            address,
            test_address: None,
            method,
            auth: None,
            signing: Signing::Portcullis,
            signed_answers: false,
            timeout_ms: 0,
            max_retries: 0,
            idempotent: false,
            query: Vec::new(),
            allow_private,
            ca: None,
            max_response_bytes: most,
            open_args: false,
        }
    }

    /// True if it may be called again though an earlier call may have arrived.
    pub fn may_repeat(&self) -> bool {
        self.idempotent || self.method.is_safe()
    }
}

impl Tool {
    /// Why these arguments are none of this tool's, if so: a sentence that names the place and not the value.
    pub fn refuses(&self, args: &crate::Json) -> Option<String> {
        if let Some(schema) = &self.schema
            && let Err(why) = schema.check(args)
        {
            return Some(why);
        }
        let (endpoint, hand) = (self.endpoint.as_ref(), self.hand.as_ref());
        let closed = self.schema.is_some() || endpoint.is_some() || hand.is_some();
        let open = endpoint.is_some_and(|it| it.open_args)
            || hand.is_some_and(|it| it.open_args)
            || self.schema.as_ref().is_some_and(|it| it.is_open());
        let crate::Json::Map(map) = args else { return None };
        let (name, _) = map.iter().filter(|_| closed && !open).find(|(name, _)| !self.declares(name))?;
        let mut takes = self.declared();
        takes.dedup();
        let takes = if takes.is_empty() { "no arguments".to_owned() } else { takes.join(", ") };
        Some(format!("`args.{}` is no argument of `{}`, which takes {takes}", crate::short(name), self.name))
    }

    fn declares(&self, name: &str) -> bool {
        self.schema.as_ref().is_some_and(|it| it.declares(name))
            || self.roles.iter().any(|(path, _)| path.first().is_some_and(|first| first == name))
            || self.hand.as_ref().is_some_and(|it| it.arguments().contains(&name))
            || self
                .endpoint
                .as_ref()
                .is_some_and(|it| it.address.names(name) || it.query.iter().any(|q| q == name))
    }

    /// The names of its arguments, in order.
    pub fn declared(&self) -> Vec<&str> {
        let of_schema = self.schema.iter().flat_map(|it| it.names());
        let of_roles = self.roles.iter().filter_map(|(path, _)| path.first().map(String::as_str));
        let of_url = self
            .endpoint
            .iter()
            .flat_map(|it| it.address.arguments().chain(it.query.iter().map(String::as_str)));
        let of_hand = self.hand.iter().flat_map(|it| it.arguments());
        let mut all: Vec<&str> = of_schema.chain(of_roles).chain(of_url).chain(of_hand).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
