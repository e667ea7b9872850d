//! The one table of what a policy file, and a file of policy tests, may say.
//!
//! Answerable for every section and key: its form, whether it must be there, what it means. The check of
//! a file ([`super::shape`]) and the published schema ([`super::schema`]) are both read from here, so
//! that they cannot drift apart. A table; it does nothing.

mod guards;
mod sandbox;
mod tool;
mod words;

use guards::{BOUNDARIES, SCREENS};
use sandbox::SANDBOX_KEY;
use tool::TOOL;
use words::CODES;

pub(crate) use words::EFFECTS;
pub(super) use words::{LATER, METERS, WINDOWS};

/// Keys that belong together.
#[derive(Debug)]
pub(super) struct Section {
    /// What one of them is called: `a rule`, `a limit`.
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) doc: &'static str,
    /// A value, as it would be written.
    pub(super) example: &'static str,
}

/// What stands behind a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// One scalar.
    One(Form),
    /// A list of scalars, not empty.
    List(Form),
    /// A scalar, or a list of them, not empty.
    Several(Form),
    /// A list of sections, empty or not.
    Sections(&'static Section),
    /// A section.
    Section(&'static Section),
    /// A section, or `true` for its defaults.
    SectionOrTrue(&'static Section),
    /// Names of the reader's own choice, each with a section.
    Named(Form, &'static Section),
    /// Names of the reader's own choice, each with a scalar.
    Scalars(Form, Form),
    /// Names of the reader's own choice, each with a list of scalars.
    Lists(Form, Form),
    /// Any JSON object.
    Json,
}

/// What a scalar must look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// The number 1.
    Version,
    /// A text for people, or a name of somebody's choice.
    Text,
    /// The name of a rule.
    RuleName,
    /// An agent's id, or the name of a role, group or label.
    Id,
    /// A tool's name.
    Tool,
    /// A tool's name, possibly with stars.
    Pattern,
    /// An argument's name: a key, keys joined by dots, or a JSON pointer.
    Argument,
    /// An argument as conditions and meters name it: `args.amount`.
    ArgumentPath,
    /// A condition.
    Expression,
    /// How many people.
    Quorum,
    /// An amount of money, exact.
    Dollars,
    /// A number that is not negative: money, or a count; the meter decides.
    Maximum,
    /// A length of time of at most 30 days.
    Timeout,
    /// `call`, `step`, `session`, or a length of time of at most 366 days.
    Window,
    /// What a limit counts.
    Meter,
    /// A pattern of paths.
    Glob,
    /// A program's name, possibly with the words it is called with.
    Program,
    /// A regular expression.
    Regex,
    /// A whole number from 0 to 100.
    Hundredth,
    /// A whole number, at least 1.
    Whole,
    /// A number of bytes with its unit.
    Bytes,
    /// A share of one processor.
    Percent,
    /// A whole number between these two, both included.
    Between(i64, i64),
    /// Where a tool is: an `http` or `https` URL, arguments in braces.
    Url,
    /// The name of an HTTP header.
    Header,
    /// True or false.
    Flag,
    /// One of a few words. First: what such a word is called.
    Choice(&'static str, &'static [&'static str]),
}

const fn need(name: &'static str, kind: Kind, doc: &'static str, example: &'static str) -> Key {
    Key { name, kind, required: true, doc, example }
}

const fn may(name: &'static str, kind: Kind, doc: &'static str, example: &'static str) -> Key {
    Key { name, kind, required: false, doc, example }
}

use Form::{
    ArgumentPath, Choice, Dollars, Expression, Flag, Id, Maximum, Meter, Pattern, Quorum, RuleName, Text,
    Timeout, Tool, Version, Window,
};
use Kind::{Json, List, Lists, Named, One, Scalars, SectionOrTrue, Sections, Several};

const BOUNDARIES_KEY: Key = may(
    "boundaries",
    Kind::Section(&BOUNDARIES),
    "What may be touched at all, whatever a rule allows. Of several that hold for an agent, all hold.",
    "{paths: {read: [/srv/data]}}",
);
const SCREENS_KEY: Key = may(
    "screens",
    Kind::Section(&SCREENS),
    "What is done about what detectors see in texts. Of several that hold for an agent, the strictest counts.",
    "{output: {secrets: redact}}",
);

const MODE: Form = Choice("mode", &["enforce", "observe"]);
const MODE_DOC: &str = "enforce: what is denied is refused. observe: it is let through, and recorded as what would have happened.";

/// The policy file.
pub(super) const POLICY: Section = Section {
    name: "a policy",
    doc: "What each agent may do with each tool, who must agree, and within which limits.",
    keys: &[
        need("version", One(Version), "The version of this format.", "1"),
        may(
            "include",
            List(Text),
            "Files whose sections are added to this one's. Paths are relative to this file.",
            "[tools.yaml]",
        ),
        may(
            "defaults",
            Kind::Section(&DEFAULTS),
            "What holds where nothing else is said. Not in an included file.",
            "{mode: enforce, unknown_tool: deny}",
        ),
        may(
            "tools",
            Named(Tool, &TOOL),
            "The tools that agents call, by name: `service.resource.operation`.",
            "{stripe.refund: {args: {amount: money}}}",
        ),
        may(
            "agents",
            Named(Id, &AGENT),
            "The agents, by id. An agent that is not here may do nothing.",
            "{support-bot: {rules: []}}",
        ),
        may(
            "roles",
            Named(Id, &ROLE),
            "Rules and limits that several agents share.",
            "{reader: {rules: []}}",
        ),
        may(
            "groups",
            Lists(Id, Text),
            "Groups of people, for `users` and `approval`.",
            "{finance: [alice@company.com]}",
        ),
        may(
            "limits",
            Sections(&LIMIT),
            "Limits that every agent has, each counting for itself unless `by` says otherwise.",
            "[{meter: usd, max: 100, per: 1d}]",
        ),
        BOUNDARIES_KEY,
        SCREENS_KEY,
    ],
};

const DEFAULTS: Section = Section {
    name: "the defaults",
    doc: "What holds where nothing else is said.",
    keys: &[
        may("mode", One(MODE), MODE_DOC, "enforce"),
        may(
            "unknown_tool",
            One(Choice("answer", &["deny", "rules"])),
            "What happens to a tool that the policy neither declares nor names in a rule. deny: it is refused. rules: rules with wildcards decide.",
            "deny",
        ),
        may(
            "environment",
            One(Text),
            "The environment of actions that do not say theirs. Without it: production.",
            "production",
        ),
    ],
};

const OWNER: Key = may("owner", One(Text), "Who answers for it.", "support-team@company.com");
const PURPOSE: Key = may("purpose", One(Text), "What it is for.", "Customer support with refunds");
const AGENT_MODE: Key = may("mode", One(MODE), MODE_DOC, "enforce");
const RULES: Key = may(
    "rules",
    Sections(&RULE),
    "What it may do. A deny counts before every allow; of the allows, the first that matches decides; what no rule allows is denied.",
    "[{name: reading, allow: crm.read}]",
);
const LIMITS: Key =
    may("limits", Sections(&LIMIT), "How much of it it may do.", "[{meter: actions, max: 100, per: 1h}]");
const DESCRIPTION: Key = may("description", One(Text), "For people.", "Answers tickets");

const AGENT: Section = Section {
    name: "an agent",
    doc: "What one agent may do.",
    keys: &[
        OWNER,
        PURPOSE,
        AGENT_MODE,
        may("roles", Several(Id), "Roles whose rules and limits it has besides its own.", "[reader]"),
        RULES,
        LIMITS,
        may(
            "prices",
            Scalars(Tool, Dollars),
            "What a call costs this agent, in US dollars, whatever the tool's own price is.",
            "{stripe.refund: 0.02}",
        ),
        may(
            "tools",
            Named(Tool, &TOOL),
            "Tools that are this agent's own: for it, they stand before those of the same name above. Rules decide whether it may call them.",
            "{crm.search: {url: 'https://crm.example.com/search'}}",
        ),
        BOUNDARIES_KEY,
        SCREENS_KEY,
        SANDBOX_KEY,
        DESCRIPTION,
    ],
};

const ROLE: Section = Section {
    name: "a role",
    doc: "Rules and limits that several agents share. Owner, purpose and mode are for agents that do not say their own.",
    keys: &[OWNER, PURPOSE, AGENT_MODE, RULES, LIMITS, BOUNDARIES_KEY, SCREENS_KEY, SANDBOX_KEY, DESCRIPTION],
};

/// One rule.
pub(super) const RULE: Section = Section {
    name: "a rule",
    doc: "Allows or denies tools, under conditions.",
    keys: &[
        need("name", One(RuleName), "Unique within the agent and its roles.", "small-refunds"),
        may(
            "allow",
            Several(Pattern),
            "The tools that may be called. A star stands for one or more characters.",
            "[stripe.refund]",
        ),
        may(
            "deny",
            Several(Pattern),
            "The tools that may not be called, whatever allows them.",
            "[users.delete]",
        ),
        may(
            "when",
            One(Expression),
            "What must hold besides, in CEL. It may read args, context, agent_id, tool, user, session_id, step, environment, estimated_cost_usd, now, effects, findings and risk.",
            "args.amount <= 200",
        ),
        may(
            "effects",
            Several(Choice("effect", EFFECTS)),
            "What the action would do: a deny is for actions that would do any of these, an allow for actions that would do nothing else. What cannot be told counts against the action.",
            "[fs.delete]",
        ),
        may(
            "environments",
            Several(Text),
            "The environments the rule is for; without it, all.",
            "[staging, test]",
        ),
        may(
            "users",
            Several(Text),
            "The users, or groups of users, the rule is for; without it, all.",
            "[finance]",
        ),
        may(
            "approval",
            SectionOrTrue(&APPROVAL),
            "A person must agree. `true`: any approver, within 15 minutes.",
            "{from: [finance], quorum: 1, timeout: 15m}",
        ),
        may("reason", One(Text), "Why, for whoever reads the decision.", "Accounts are closed by people"),
        may(
            "tiers",
            Kind::Section(&TIERS),
            "Steps of an amount, each with its own approval. Above the last step the rule does not match.",
            "{by: args.amount, steps: [{up_to: 50}, {up_to: 1000, approval: true}]}",
        ),
    ],
};

const APPROVAL: Section = Section {
    name: "an approval",
    doc: "Who must agree, and how long there is.",
    keys: &[
        may(
            "from",
            Several(Text),
            "Groups or people who may answer; without it, every approver.",
            "[finance]",
        ),
        may("quorum", One(Quorum), "How many different people must agree. Without it: 1.", "1"),
        may(
            "timeout",
            One(Timeout),
            "How long until no answer counts as no. Without it: 15m. At most 30d.",
            "15m",
        ),
    ],
};

const TIERS: Section = Section {
    name: "tiers",
    doc: "Steps of an amount.",
    keys: &[
        need("by", One(ArgumentPath), "The argument that is compared.", "args.amount"),
        need(
            "steps",
            Sections(&STEP),
            "The steps, from the smallest up.",
            "[{up_to: 50}, {up_to: 200, approval: true}]",
        ),
    ],
};

const STEP: Section = Section {
    name: "a step",
    doc: "One step of an amount.",
    keys: &[
        need("up_to", One(Maximum), "The largest amount of this step.", "50"),
        may("approval", SectionOrTrue(&APPROVAL), "A person must agree in this step.", "{from: [finance]}"),
    ],
};

const LIMIT: Section = Section {
    name: "a limit",
    doc: "Never exceeded in any window of its length.",
    keys: &[
        need(
            "meter",
            One(Meter),
            "What is counted: actions, usd, tokens, failures, or the sum of an argument.",
            "args.amount",
        ),
        need("max", One(Maximum), "The most there may be: a whole number, or dollars and cents.", "100"),
        need(
            "per",
            One(Window),
            "How long it counts: call, step, session, or any stretch of this length (30s 15m 1h 1d 2w).",
            "1h",
        ),
        may(
            "by",
            One(Choice("scope", &["agent", "user", "session", "tool", "tenant"])),
            "For whom it counts apart. Without it: agent.",
            "user",
        ),
        may("tools", Several(Pattern), "Only these tools count; without it, all.", "[stripe.refund]"),
        may("consecutive", One(Flag), "For failures: only those in a row.", "true"),
    ],
};

/// One policy test.
pub(super) const CASE: Section = Section {
    name: "a case",
    doc: "An action, and how it must be decided.",
    keys: &[
        need("name", One(Text), "What the case shows.", "a large refund waits for finance"),
        need(
            "given",
            Kind::Section(&GIVEN),
            "The action.",
            "{agent: support-bot, tool: stripe.refund, args: {amount: 500}}",
        ),
        need("expect", Kind::Section(&EXPECT), "The decision.", "{decision: pending, rule: large-refunds}"),
    ],
};

const GIVEN: Section = Section {
    name: "an action",
    doc: "One proposed call.",
    keys: &[
        need("agent", One(Text), "The agent's id.", "support-bot"),
        need("tool", One(Text), "The tool's name.", "stripe.refund"),
        may("args", Json, "The arguments.", "{amount: 500}"),
        may("context", Json, "What the caller says besides.", "{ticket: T-1}"),
        may("user", One(Text), "On whose behalf.", "alice"),
        may("session_id", One(Text), "In which run.", "s-1"),
        may("step", One(Text), "In which turn of the run.", "'1'"),
        may("environment", One(Text), "Where.", "production"),
        may("estimated_cost_usd", One(Dollars), "What the caller thinks it costs, in US dollars.", "0.05"),
    ],
};

const EXPECT: Section = Section {
    name: "an expectation",
    doc: "The decision; what is not said is not compared.",
    keys: &[
        need("decision", One(Choice("decision", &["allow", "deny", "pending"])), "The decision.", "pending"),
        may("rule", One(RuleName), "The rule that decides.", "large-refunds"),
        may("code", One(Choice("code", CODES)), "The decision's code.", "approval_required"),
        may("reason", One(Text), "The reason, word for word.", "Accounts are closed by people"),
    ],
};
