//! The part of the table about what holds around the rules: boundaries and screens.

use super::Form::{Choice, Glob, Hundredth, Program, Regex, Text, Whole};
use super::Kind::{One, Sections, Several};
use super::{Key, Kind, Section, may, need};

/// What may be touched at all, whatever a rule allows.
pub(in crate::load) const BOUNDARIES: Section = Section {
    name: "a set of boundaries",
    doc: "What may be touched at all, whatever a rule allows. Held against what an action would do, not against how it is written; what cannot be told counts against it.",
    keys: &[
        may(
            "paths",
            Kind::Section(&PATHS),
            "Files and folders.",
            "{read: [/srv/data], write: [/srv/data/out]}",
        ),
        may("hosts", Kind::Section(&HOSTS), "Other machines.", "{allow: [\"*.stripe.com:443\"]}"),
        may("sql", Kind::Section(&SQL), "Databases.", "{allow: [read], deny_tables: [users.password]}"),
        may("commands", Kind::Section(&COMMANDS), "Programs.", "{allow: [git, ls, \"npm test\"]}"),
    ],
};

const PATHS: Section = Section {
    name: "a boundary of paths",
    doc: "Files and folders. Once this stands here, nothing may be read or written but what is listed.",
    keys: &[
        may("read", Several(Text), "Folders that may be read, with all below them.", "[/srv/data]"),
        may("write", Several(Text), "Folders that may be read, changed and deleted in.", "[/srv/data/out]"),
        may(
            "deny",
            Several(Glob),
            "Names that may not be touched, wherever they are.",
            "[\"**/.env\", \"**/.git/**\"]",
        ),
    ],
};

const HOSTS: Section = Section {
    name: "a boundary of hosts",
    doc: "Other machines. Once `allow` stands here, no other may be reached.",
    keys: &[
        may(
            "allow",
            Several(Text),
            "Names, `*.` for any name below, addresses and networks, each with a port or without (then 80 and 443).",
            "[\"*.stripe.com:443\", api.zendesk.com]",
        ),
        may(
            "deny",
            Several(Text),
            "Those that may not be reached, whatever `allow` says.",
            "[\"*.internal\"]",
        ),
        may(
            "private_addresses",
            One(Choice("answer", &["deny", "allow"])),
            "Private, loopback, link-local and metadata addresses, however they are spelled and whatever name leads there. Without it: deny.",
            "deny",
        ),
    ],
};

const SQL: Section = Section {
    name: "a boundary of sql",
    doc: "What may be done to databases.",
    keys: &[
        may(
            "allow",
            Several(Choice("kind of statement", &["read", "write", "schema", "admin"])),
            "The kinds of statements that may run; without it, all that can be understood.",
            "[read]",
        ),
        may(
            "deny_tables",
            Several(Text),
            "Tables, or columns of tables, that may not be touched.",
            "[users.password]",
        ),
    ],
};

const COMMANDS: Section = Section {
    name: "a boundary of commands",
    doc: "What may be run.",
    keys: &[
        may(
            "allow",
            Several(Program),
            "Programs, each with the words it must be called with. Once it stands here, nothing else may run.",
            "[git, ls, \"npm test\"]",
        ),
        may(
            "deny",
            Several(Program),
            "Programs that may not run, whatever `allow` says.",
            "[curl, \"git push\"]",
        ),
        may(
            "destructive",
            One(Choice("answer", &["deny", "ask", "allow"])),
            "What cannot be undone: trees removed, disks overwritten, history rewritten, tables dropped. Without it: deny.",
            "ask",
        ),
        may(
            "unknown",
            One(Choice("answer", &["deny", "ask", "allow"])),
            "What is run, where that cannot be told beforehand. Without it: deny.",
            "ask",
        ),
    ],
};

const REACTION: super::Form = Choice("reaction", &["off", "flag", "redact", "tokenize", "ask", "deny"]);
const BEFORE: super::Form = Choice("reaction", &["off", "flag", "ask", "deny"]);

/// What is done about what stands in texts.
pub(in crate::load) const SCREENS: Section = Section {
    name: "a set of screens",
    doc: "What is done about what detectors see in texts. Without a word here, what they see is written down.",
    keys: &[
        may("input", Kind::Section(&INPUT), "For arguments, before the call.", "{secrets: ask}"),
        may(
            "output",
            Kind::Section(&OUTPUT),
            "For results, and for whatever else a tool server says.",
            "{secrets: redact}",
        ),
        may(
            "patterns",
            Sections(&PATTERN),
            "Patterns of your own.",
            r"[{match: 'DROP\s+TABLE', then: deny, reason: No DROP TABLE in production}]",
        ),
        may(
            "canaries",
            Several(Text),
            "Texts planted to be seen when they leak; where one is seen, nothing goes on.",
            "[pc-canary-7f3a91]",
        ),
        may(
            "secrets_from",
            Several(Text),
            "Environment variables of the gate whose values are secret, also split, encoded or partly masked.",
            "[STRIPE_KEY]",
        ),
        may(
            "classifier",
            Kind::Section(&CLASSIFIER),
            "A model server on this machine or network that is asked besides.",
            "{url: \"http://127.0.0.1:8000/classify\", timeout_ms: 200, on_error: flag}",
        ),
    ],
};

const THRESHOLD: Key = may(
    "threshold",
    One(Hundredth),
    "From this score of the injection filter on (0 to 100), the score alone counts. Without it, a score alone is a note.",
    "90",
);
const MAX_CHARS: Key = may("max_chars", One(Whole), "The most characters of all texts together.", "20000");

const INPUT: Section = Section {
    name: "a screen of input",
    doc: "Reactions to what stands in arguments.",
    keys: &[
        may("prompt_injection", One(BEFORE), "Orders to a model.", "deny"),
        may("hidden_text", One(BEFORE), "Text that people do not see.", "deny"),
        may("secrets", One(BEFORE), "Keys, tokens, passwords.", "ask"),
        may("personal_data", One(BEFORE), "What identifies people.", "flag"),
        may("stack_traces", One(BEFORE), "Internal errors.", "flag"),
        THRESHOLD,
        MAX_CHARS,
    ],
};

const OUTPUT: Section = Section {
    name: "a screen of output",
    doc: "Reactions to what stands in results. `redact` puts a placeholder in its place; `tokenize` does so too, and puts the value back in a call of a tool that says `restores: true`; `deny` keeps the result back; `ask` keeps it back, too.",
    keys: &[
        may("prompt_injection", One(REACTION), "Orders to a model.", "flag"),
        may("hidden_text", One(REACTION), "Text that people do not see.", "redact"),
        may("secrets", One(REACTION), "Keys, tokens, passwords.", "redact"),
        may("personal_data", One(REACTION), "What identifies people.", "redact"),
        may("stack_traces", One(REACTION), "Internal errors.", "deny"),
        THRESHOLD,
        MAX_CHARS,
    ],
};

const PATTERN: Section = Section {
    name: "a pattern",
    doc: "A regular expression, matched in linear time, and what to do where it matches.",
    keys: &[
        may("name", One(Text), "As findings show it. Without it, the expression.", "no-drop"),
        need(
            "match",
            One(Regex),
            "The expression, in the syntax of Rust's regex crate: no look-around, no back-references.",
            r"'DROP\s+TABLE'",
        ),
        need(
            "then",
            One(Choice("reaction", &["deny", "ask", "warn", "audit", "redact"])),
            "What to do where it matches.",
            "deny",
        ),
        may(
            "in",
            Several(Choice("direction", &["input", "output"])),
            "Where it looks; without it, in both.",
            "[input]",
        ),
        may("reason", One(Text), "Why, for whoever reads the decision.", "No DROP TABLE in production"),
    ],
};

const CLASSIFIER: Section = Section {
    name: "a classifier",
    doc: "Asked with `{\"texts\": [...]}`, answers `{\"scores\": [...]}`, each from 0 to 1. Never in the way of a refusal that already stands.",
    keys: &[
        need("url", One(Text), "Where it is.", "\"http://127.0.0.1:8000/classify\""),
        may(
            "timeout_ms",
            One(Whole),
            "How long it may take, in milliseconds, 10 to 10000. Without it: 500.",
            "200",
        ),
        may(
            "on_error",
            One(Choice("reaction", &["deny", "ask", "flag"])),
            "What its silence means. Without it: flag.",
            "flag",
        ),
        may("threshold", One(Hundredth), "From this score on (0 to 100), it counts. Without it: 50.", "80"),
        may(
            "then",
            One(Choice("reaction", &["deny", "ask", "flag"])),
            "What such a finding leads to. Without it: flag.",
            "ask",
        ),
    ],
};
