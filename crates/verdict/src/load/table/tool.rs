//! What may be said of a tool, and of how the gate calls it.
//!
//! A table; it does nothing.

use super::words::{DIALECTS, EFFECTS, ROLES};
use super::{Form, Key, Kind, Section, may, need};
use Form::{Argument, Between, Choice, Dollars, Flag, Header, Id, Text, Timeout, Url};
use Kind::{Json, One, Scalars, SectionOrTrue, Several};

pub(super) const TOOL: Section = Section {
    name: "a tool",
    doc: "What a tool's arguments mean, what it does, what it costs, and, if the gate calls it itself, where it is.",
    keys: &[
        may(
            "args",
            Scalars(Argument, Choice("argument role", ROLES)),
            "What arguments mean: a name (`amount`, `customer.amount` or `/customer/amount`) and its role.",
            "{amount: money}",
        ),
        may(
            "effects",
            Several(Choice("effect", EFFECTS)),
            "What the tool does whatever its arguments are.",
            "[payment]",
        ),
        may("price_usd", One(Dollars), "What one call costs, in US dollars.", "0.01"),
        may("yields", Several(Id), "Labels that its results bring into the session.", "[untrusted]"),
        may(
            "risk",
            One(Choice("risk", &["low", "medium", "high", "critical"])),
            "How bad it could get. Without it, derived from the effects.",
            "high",
        ),
        may(
            "restores",
            One(Flag),
            "True if the gate may put values back that it has replaced in results (`tokenize`).",
            "true",
        ),
        may(
            "dialect",
            One(Choice("dialect", DIALECTS)),
            "The dialect of its `sql` arguments. Without it, what any dialect would make of them counts.",
            "postgresql",
        ),
        may("description", One(Text), "For people.", "Pays a customer back"),
        may("enabled", One(Flag), "False: nobody may call it, whatever a rule says.", "false"),
        SCHEMA,
        may(
            "undeclared_args",
            One(Choice("answer", &["deny", "allow"])),
            "What happens to arguments that neither `schema` nor `args` nor the URL names, of a tool that the gate carries out. Without it: deny.",
            "allow",
        ),
        URL,
        TEST_URL,
        EXEC,
        STDIN,
        CODE_KEY,
        DATABASE_KEY,
        BUILTIN,
        METHOD,
        QUERY,
        AUTH_KEY,
        SIGNING,
        SIGNED_ANSWERS,
        TIMEOUT_MS,
        MAX_RETRIES,
        IDEMPOTENT,
        MAX_IN_FLIGHT,
        BREAKER_KEY,
        ALLOW_PRIVATE,
        CA,
        MAX_RESPONSE_BYTES,
        super::SANDBOX_KEY,
    ],
};

const SCHEMA: Key = may(
    "schema",
    Json,
    "What its arguments must be: JSON Schema (2020-12) of an object. They are held against it before anything else; an argument that it does not name is refused unless `additionalProperties` is written.",
    "{properties: {id: {type: string}}, required: [id]}",
);
const URL: Key = may(
    "url",
    One(Url),
    "Where the gate calls it. `{name}` in the path is the argument of that name.",
    "'https://api.example.com/items/{id}'",
);
const EXEC: Key = may(
    "exec",
    Several(Text),
    "The command that it is, program and words, run in the sandbox. `{name}` in a word is the argument of that name; no shell reads it.",
    "[jq, -r, '{filter}', data.json]",
);
const STDIN: Key =
    may("stdin", One(Argument), "The argument that the command reads from its standard input.", "document");
const CODE_KEY: Key = may(
    "code",
    Kind::Section(&CODE),
    "The code that it is, run in the sandbox.",
    "{language: python, text: 'import json, sys; print(len(json.load(sys.stdin)))'}",
);
const DATABASE_KEY: Key = may(
    "database",
    Kind::Section(&DATABASE),
    "The database that it asks: its argument `sql` is one statement, `params` a list of values for it.",
    "{sqlite: /srv/shop.db}",
);
const BUILTIN: Key = may(
    "builtin",
    One(Choice("tool", OWN)),
    "The tool of the gate's own that it is. Files are those of `sandbox: {workspace: DIR}`.",
    "fs.read",
);
const TEST_URL: Key = may(
    "test_url",
    One(Url),
    "Where calls with a test key go. Without it they are decided, and not carried out.",
    "'https://sandbox.example.com/items/{id}'",
);
const METHOD: Key = may(
    "method",
    One(Choice("method", &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])),
    "How it is called. GET, HEAD and DELETE carry their arguments in the query, the others as a JSON object. Without it: POST.",
    "GET",
);
const QUERY: Key =
    may("query", Several(Argument), "Arguments that go into the query, whatever the method.", "[page]");
const AUTH_KEY: Key = may(
    "auth",
    Kind::Section(&AUTH),
    "How the gate shows who it is. Secrets are named here, and never written.",
    "{bearer: {env: CRM_TOKEN}}",
);
const SIGNING: Key = may(
    "signing",
    One(Choice("signing", &["portcullis", "onceonly", "both"])),
    "Which headers carry the HMAC. onceonly: X-OnceOnly-Signature over a body of `{args, tool, agent_id}`. Without it: portcullis.",
    "onceonly",
);
const SIGNED_ANSWERS: Key = may(
    "signed_answers",
    One(Flag),
    "True: an answer without the tool's own signature, by the same secret, is no answer.",
    "true",
);
const TIMEOUT_MS: Key = may(
    "timeout_ms",
    One(Between(250, 120_000)),
    "How long a call may take, all attempts included, in milliseconds. Without it: 15000.",
    "5000",
);
const MAX_RETRIES: Key = may(
    "max_retries",
    One(Between(0, 10)),
    "How often a call is tried again where that is safe. Without it: 2.",
    "0",
);
const IDEMPOTENT: Key = may(
    "idempotent",
    One(Flag),
    "True if calling it twice does no more than calling it once. GET and HEAD are taken to be so.",
    "true",
);
const MAX_IN_FLIGHT: Key =
    may("max_in_flight", One(Between(1, 100_000)), "The most calls under way at once, of all agents.", "8");
const BREAKER_KEY: Key = may(
    "breaker",
    SectionOrTrue(&BREAKER),
    "Stops calls while the tool is down: after failures in a row it is open for a while, then one call may try.",
    "{failures: 5, cooldown: 30s}",
);
const ALLOW_PRIVATE: Key = may(
    "allow_private",
    One(Flag),
    "True if it may be on this machine or in a network of one's own. Metadata services are refused all the same.",
    "true",
);
const CA: Key = may(
    "ca",
    One(Text),
    "A file of certificates (PEM) to trust for it, instead of the system's.",
    "/etc/portcullis/ca.pem",
);
const MAX_RESPONSE_BYTES: Key = may(
    "max_response_bytes",
    One(Between(1, 64 << 20)),
    "The longest answer that is read. Without it: 1048576.",
    "65536",
);

/// The gate's own tools: the names of [`crate::hand::Own::ALL`]; a test holds the two together.
const OWN: &[&str] =
    &["fs.read", "fs.write", "fs.list", "fs.delete", "shell.run", "code.run", "http.request"];

const CODE: Section = Section {
    name: "code",
    doc: "Code that the gate runs in the sandbox.",
    keys: &[
        need(
            "language",
            One(Choice("language", &["python", "javascript", "shell"])),
            "In which language.",
            "python",
        ),
        may(
            "text",
            One(Text),
            "The code. It reads the arguments from its standard input, as JSON.",
            "'print(1)'",
        ),
        may("argument", One(Argument), "Instead: the argument that has the code.", "code"),
    ],
};

const DATABASE: Section = Section {
    name: "a database",
    doc: "A database, and what statements may do there.",
    keys: &[
        may("sqlite", One(Text), "Its file. An absolute path.", "/srv/shop.db"),
        may(
            "postgresql",
            Kind::Section(&SECRET),
            "Where its connection string is (`postgresql://...`).",
            "{env: SHOP_DATABASE}",
        ),
        may(
            "access",
            One(Choice("access", &["read", "write", "schema"])),
            "What statements may do: read, in a transaction that cannot write; change rows too; change tables too. Without it: read.",
            "read",
        ),
        may("max_rows", One(Between(1, 100_000)), "The most rows of an answer. Without it: 1000.", "100"),
    ],
};

const AUTH: Section = Section {
    name: "an auth",
    doc: "How the gate shows a tool who it is: exactly one of these.",
    keys: &[
        may(
            "hmac_sha256",
            Kind::Section(&SECRET),
            "Sign each request with this secret.",
            "{env: CRM_SECRET}",
        ),
        may(
            "bearer",
            Kind::Section(&SECRET),
            "Send it as `Authorization: Bearer`.",
            "{file: /run/secrets/crm}",
        ),
        may("header", Kind::Section(&HEADER), "Send it in a header.", "{name: X-API-Key, stored: crm}"),
    ],
};

const ENV: Key = may("env", One(Text), "The environment variable that has it.", "CRM_TOKEN");
const FILE: Key = may("file", One(Text), "The file that has it.", "/run/secrets/crm");
const STORED: Key = may("stored", One(Id), "Its name in the gate's own store of sealed secrets.", "crm");

const SECRET: Section =
    Section { name: "a secret", doc: "Where a secret is: exactly one of these.", keys: &[ENV, FILE, STORED] };

const HEADER: Section = Section {
    name: "a header",
    doc: "A header, and where the secret in it is.",
    keys: &[need("name", One(Header), "The header's name.", "X-API-Key"), ENV, FILE, STORED],
};

const BREAKER: Section = Section {
    name: "a breaker",
    doc: "When calls are stopped because the tool is down.",
    keys: &[
        may(
            "failures",
            One(Between(1, 1_000)),
            "Failures in a row that open it. What the tool refuses (4xx) is none. Without it: 5.",
            "5",
        ),
        may(
            "cooldown",
            One(Timeout),
            "How long it stays open before one call may try. Without it: 30s.",
            "30s",
        ),
    ],
};
