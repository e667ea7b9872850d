//! One proposed call, in the one form that everything downstream reads.
//!
//! Answerable for what identifies an action (its digest) and for refusing names that are no names.
//! Knows nothing of policies or of the wire it came over.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::effect::{Effect, EffectFact, Finding};
use crate::json::{Json, Map};
use crate::limit::Who;
use crate::money::Micros;
use crate::policy::Risk;

/// Whose data an action touches: test keys never touch a live counter, and never see live data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Realm {
    /// The real thing.
    #[default]
    Live,
    /// What test keys do and see.
    Test,
}

impl Realm {
    /// `live` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// Identifies an action by its meaning: SHA-256 over agent, tool, canonical arguments (RFC 8785) and, where
/// the way in sees definitions, the server and the hash of the tool's definition.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// As 64 hex digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// Lower-case hex of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(2));
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    // Digits are ASCII: nothing is ever lost here.
    String::from_utf8(out).unwrap_or_default()
}

/// A tool as a server describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The server's name.
    pub server: String,
    /// SHA-256 of the canonical definition; absent if the server has no such tool, or none that can be read.
    pub hash: Option<[u8; 32]>,
    /// The definition itself, where a way in has it: what a server says of its tools is read by a model, too.
    pub text: Option<Arc<Json>>,
}

/// What a way in was told about an action, before it is checked.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The principal, as the transport vouches for it.
    pub agent: String,
    /// What it calls.
    pub tool: String,
    /// The arguments; an object, or nothing.
    pub args: Option<Json>,
    /// What else the caller says; an object, or nothing.
    pub context: Option<Json>,
    /// On whose behalf.
    pub user: Option<String>,
    /// In which run.
    pub session: Option<String>,
    /// In which turn.
    pub step: Option<String>,
    /// Where: `production`, `staging`, ...
    pub environment: Option<String>,
    /// What the caller expects it to cost.
    pub estimate: Option<Micros>,
    /// How many tokens the caller expects it to take.
    pub tokens: Option<i64>,
    /// Names the intent: the same key is carried out once.
    pub key: Option<String>,
    /// An approval that was asked for earlier: the ledger index of the question.
    pub approval: Option<u64>,
    /// Whose tool it is, where the way in sees definitions: the action is then refused unless this definition is
    /// the accepted one.
    pub definition: Option<Definition>,
    /// Microseconds in which the gate knows its end, where the gate carries it out itself.
    pub takes: Option<i64>,
    /// Whose data it touches.
    pub realm: Realm,
    /// The person or program whose key it came with; may not answer its own question.
    pub by: Option<String>,
}

/// One proposed call. Every field has been checked, and none changes any more.
#[derive(Clone, Debug)]
pub struct Action {
    draft: Draft,
    args: Json,
    context: Json,
    args_text: String,
    digest: Digest,
}

/// Why something is not an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.why)
    }
}

/// The longest name, in characters.
const LONGEST: usize = 256;

impl Action {
    /// Checks a draft. Ids are 1 to 256 characters without control characters; agents and tools are written in
    /// letters, digits and `. _ - : @` (tools: and `/`), never with `..`.
    pub fn new(mut draft: Draft) -> Result<Self, Malformed> {
        check_name("agent_id", &draft.agent, "._-:@")?;
        check_tool(&draft.tool)?;
        let texts = [
            ("user", &draft.user),
            ("session_id", &draft.session),
            ("step", &draft.step),
            ("environment", &draft.environment),
            ("idempotency_key", &draft.key),
        ];
        for (field, text) in texts {
            text.as_deref().map_or(Ok(()), |text| check_text(field, text))?;
        }
        if draft.tokens.is_some_and(|n| n < 0) {
            return Err(Malformed { field: "estimated_tokens", why: "is negative".to_owned() });
        }
        let args = object("args", draft.args.take())?;
        let context = object("context", draft.context.take())?;
        let args_text = args.canonical();
        let digest = digest_of(&draft, &args_text);
        Ok(Self { draft, args, context, args_text, digest })
    }

    /// The principal.
    pub fn agent(&self) -> &str {
        &self.draft.agent
    }
    /// What it calls.
    pub fn tool(&self) -> &str {
        &self.draft.tool
    }
    /// The arguments: always an object.
    pub fn args(&self) -> &Json {
        &self.args
    }
    /// The arguments' canonical text.
    pub fn args_text(&self) -> &str {
        &self.args_text
    }
    /// What else the caller says: always an object.
    pub fn context(&self) -> &Json {
        &self.context
    }
    /// On whose behalf.
    pub fn user(&self) -> Option<&str> {
        self.draft.user.as_deref()
    }
    /// In which run.
    pub fn session(&self) -> Option<&str> {
        self.draft.session.as_deref()
    }
    /// In which turn.
    pub fn step(&self) -> Option<&str> {
        self.draft.step.as_deref()
    }
    /// Where, if the caller said.
    pub fn environment(&self) -> Option<&str> {
        self.draft.environment.as_deref()
    }
    /// What the caller expects it to cost.
    pub fn estimate(&self) -> Option<Micros> {
        self.draft.estimate
    }
    /// How many tokens the caller expects it to take.
    pub fn tokens(&self) -> Option<i64> {
        self.draft.tokens
    }
    /// The idempotency key.
    pub fn key(&self) -> Option<&str> {
        self.draft.key.as_deref()
    }
    /// The approval it comes with.
    pub fn approval(&self) -> Option<u64> {
        self.draft.approval
    }
    /// Whose tool it is, and what it says of it.
    pub fn definition(&self) -> Option<&Definition> {
        self.draft.definition.as_ref()
    }
    /// Microseconds in which its end is known, where the gate carries it out.
    pub fn takes(&self) -> Option<i64> {
        self.draft.takes
    }
    /// Whose data it touches.
    pub fn realm(&self) -> Realm {
        self.draft.realm
    }
    /// Whose key it came with.
    pub fn by(&self) -> Option<&str> {
        self.draft.by.as_deref()
    }
    /// Its identity.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
    /// For whom limits count.
    pub fn who(&self) -> Who<'_> {
        Who {
            agent: self.agent(),
            user: self.user(),
            session: self.session(),
            step: self.step(),
            tool: self.tool(),
        }
    }
    /// The same action, now with the approval that was asked for it.
    #[must_use]
    pub fn with_approval(mut self, approval: u64) -> Self {
        self.draft.approval = Some(approval);
        self
    }
}

fn digest_of(draft: &Draft, args_text: &str) -> Digest {
    // Names hold no quotes or control characters, so quoting them as JSON strings is unambiguous.
    let mut text = String::with_capacity(args_text.len() + draft.agent.len() + draft.tool.len() + 110);
    text.push_str("portcullis action 1\n{\"agent\":");
    crate::json::write_string(&draft.agent, &mut text);
    text.push_str(",\"args\":");
    text.push_str(args_text);
    if let Some(definition) = &draft.definition {
        text.push_str(",\"definition\":\"");
        text.push_str(&definition.hash.map(|hash| hex(&hash)).unwrap_or_default());
        text.push_str("\",\"server\":");
        crate::json::write_string(&definition.server, &mut text);
    }
    text.push_str(",\"tool\":");
    crate::json::write_string(&draft.tool, &mut text);
    text.push('}');
    Digest(Sha256::digest(text.as_bytes()).into())
}

fn object(field: &'static str, json: Option<Json>) -> Result<Json, Malformed> {
    match json {
        None | Some(Json::Null) => Ok(Json::Map(Map::default())),
        Some(map @ Json::Map(_)) => Ok(map),
        Some(other) => Err(Malformed { field, why: format!("must be an object, not {}", other.kind()) }),
    }
}

/// Checks the name of a tool.
pub(crate) fn check_tool(name: &str) -> Result<(), Malformed> {
    check_name("tool", name, "._-:@/")
}

/// Checks the name of an agent or tool.
pub fn check_name(field: &'static str, name: &str, besides: &str) -> Result<(), Malformed> {
    check_text(field, name)?;
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || besides.as_bytes().contains(&byte)) {
        return Ok(());
    }
    if let Some(odd) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !besides.contains(*c)) {
        let why = format!("`{}` has the character `{odd}`; use letters, digits and `{besides}`", short(name));
        return Err(Malformed { field, why });
    }
    Ok(())
}

fn check_text(field: &'static str, text: &str) -> Result<(), Malformed> {
    if is_plain(text) {
        return Ok(());
    }
    let why = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > LONGEST && text.chars().count() > LONGEST {
        format!("has {} characters; the most is {LONGEST}", text.chars().count())
    } else if text.chars().any(char::is_control) {
        format!("`{}` has a control character", short(text))
    } else if text.contains("../") || text.contains("..\\") || text == ".." {
        format!("`{}` has a `..` in it, like a path; ids are names", short(text))
    } else {
        return Ok(());
    };
    Err(Malformed { field, why })
}

/// True if nothing can be wrong with a text: most are short, and printable ASCII without two dots in a row.
fn is_plain(text: &str) -> bool {
    // Each byte is looked at, whatever the others are: that is quicker than to stop at the first that is odd.
    let printable = text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    !text.is_empty() && text.len() <= LONGEST && printable && !text.contains("..")
}

/// User input, escaped and short enough to be read in a message.
pub fn short(text: &str) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\');
    if text.len() <= 60 && text.bytes().all(plain) {
        return text.to_owned();
    }
    let cut: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() { format!("{cut}…") } else { cut }
}

/// What the action would really do, and what was seen in it: the result of inspection.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What it would do.
    pub effects: Vec<Effect>,
    /// Amounts found under arguments that are declared as money: path below `args`, amount.
    pub amounts: Vec<(Vec<String>, Micros)>,
    /// What the call costs, as far as known before: the larger of price and estimate.
    pub cost: Micros,
    /// What detectors saw in its arguments.
    pub findings: Vec<Finding>,
    /// What detectors saw in the tool's own definition, which is held against the screens for what comes in.
    pub described: Vec<Finding>,
    /// Labels of the session the action belongs to.
    pub labels: Vec<String>,
    /// Labels that the tool's results bring into the session.
    pub yields: Vec<String>,
    /// How bad it could get.
    pub risk: Risk,
    /// The folder that it would happen in, where that is known.
    pub cwd: Option<String>,
    /// True where file names that differ only in case are the same file.
    pub ignores_case: bool,
    /// Why this is no valid action: it then counts against it, whatever the rules say.
    pub problem: Option<String>,
}

/// The most findings of one action that go on record: the rest say nothing new.
const RECORDED: usize = 64;
/// The most effects of one action that go on record.
const RECORDED_EFFECTS: usize = 256;

impl Facts {
    /// The effects that go on record, the worst first if there are too many; the last then says how many more.
    pub(crate) fn worst_effects(&self) -> Vec<EffectFact> {
        let mut all: Vec<&Effect> = self.effects.iter().collect();
        let more = all.len().saturating_sub(RECORDED_EFFECTS);
        if more > 0 {
            all.sort_by_key(|it| std::cmp::Reverse((it.destroys, it.risk)));
            all.truncate(RECORDED_EFFECTS);
        }
        let mut facts: Vec<EffectFact> = all.into_iter().map(Effect::fact).collect();
        if let Some(last) = facts.last_mut().filter(|_| more > 0) {
            last.note = Some(format!("and {more} more effects").into());
        }
        facts
    }

    /// The findings that go on record, the worst first if there are too many.
    pub(crate) fn worst_findings(&self) -> Vec<Finding> {
        let mut all: Vec<&Finding> = self.findings.iter().chain(&self.described).collect();
        if all.len() > RECORDED {
            all.sort_by_key(|it| std::cmp::Reverse((it.severity, it.confidence)));
            all.truncate(RECORDED);
        }
        all.into_iter().cloned().collect()
    }
}
