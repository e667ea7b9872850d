//! What may be done, and why: the pure half of the gate.
//!
//! Nothing here opens a socket or a file, reads a clock or a random number, or starts a thread. A
//! decision is a function of its arguments, so that anyone can take it again from the record.
//!
//! ```text
//! Draft -> Action -> (inspect) -> Case -> decide -> Verdict -> Journal::sit -> Hold | Receipt -> settle -> Closing
//! ```

mod action;
mod admit;
mod books;
pub mod boundary;
mod command;
pub mod condition;
mod decide;
mod effect;
mod endpoint;
mod event;
mod explain;
mod guard;
pub mod hand;
mod journal;
pub mod json;
mod lease;
mod limit;
pub mod load;
mod money;
mod near;
mod policy;
mod record;
mod schema;
mod screen;
mod secret;
mod settle;

pub use action::{Action, Definition, Digest, Draft, Facts, Malformed, Realm, check_name, hex, short};
pub use admit::Remaining;
pub use books::{Approval, Books, Ended, InForce, KEY_MEMORY, OPEN_MEMORY, Pin, Standing};
pub use command::{Command, Person, Refusal};
pub use decide::{Ask, Case, Claim, Code, Denial, Permit, ROOTS, Refused, Verdict, could_allow, decide};
pub use effect::{
    Effect, EffectFact, Finding, HostTarget, KINDS, PathTarget, ProgramTarget, TableTarget, Target, risk_of,
};
pub use endpoint::{Address, Auth, Endpoint, HttpMethod, Piece, SecretSource, Signing, Strain};
pub use event::{DayCount, EventNote, PREFERENCES, RUN_EVENTS, Run, WEBHOOK};
pub use explain::{Considered, Finding as RuleFinding, explain};
pub use journal::{Closing, Halt, Hold, Ink, Journal, Line, NotWritten, Petition, Receipt, Ruling, Settling};
pub use json::{Json, write_text};
pub use lease::{
    LEASE_MEMORY, Lease, LeaseEnd, LeaseEvent, LeaseKind, LeaseName, LeaseNote, LeaseOrder, LeaseOver,
    LeaseProof, LeaseStanding, LeaseWish, LeaseWord, Leased,
};
pub use limit::{
    Charge, Counter, CounterName, Limit, Meter, Micro, SESSION_IDLE, Scope, Who, Window, duration,
};
pub use money::Micros;
pub use policy::{
    Agent, AgentParts, Bounds, Mode, Parts, Pattern, Policy, PolicyVersion, Risk, Role, Rule, RuleKind,
    Terms, Tool, UnknownTool,
};
pub use record::{
    AgentSet, Answer, Answered, Asks, Change, Closed, Decided, Erased, Index, KeyMade, KeyRevoked, KeyRole,
    MeterKind, PolicySet, Record, Settled, Status, ToolSeen,
};
pub use schema::{Fault, Schema};
pub use screen::{Classifier, NamedPattern, Reacted, Reaction, SCREENED, Screen, Screens, Side};
pub use secret::SecretSet;
pub use settle::{Outcome, Screened};
