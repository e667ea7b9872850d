//! `portcullis dev`: everything made up, so that the gate can be tried with one command.
//!
//! The only command that makes things up: a store and a policy under `./.portcullis`, and fresh keys at every
//! start (a secret cannot be shown twice, so those of the last start are revoked).

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use verdict::{Command, KeyRole, Realm};

use crate::cli::{
    Done, Failure, KeyPlan, MAIN, listen_address, make_key, open_gate, print, ready, user_name,
    wait_with_threads,
};
use crate::desk::Desk;
use crate::http::Customs;
use crate::policy_watch::PolicyWatch;
use crate::serve::{self, Options};
use crate::store::StorePath;
use crate::tool::SealingKey;

/// The policy that is tried, unless somebody has edited it.
const SAMPLE: &str = include_str!("../assets/sample.yaml");
/// Its cases.
const SAMPLE_CASES: &str = include_str!("../assets/sample.test.yaml");
/// What the keys are called.
const ADMIN: &str = "dev-admin";
const TEST: &str = "dev-test";

/// `portcullis dev`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis dev
  portcullis dev --listen 127.0.0.1:9000

It keeps its store and its policy in ./.portcullis: edit .portcullis/policy.yaml and the edit is in force.
The test key may do everything, with test data alone. Every start makes new keys and revokes the last ones.")]
pub struct DevArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: String,
    /// Where the ledger is: sqlite:PATH [default: sqlite:.portcullis/ledger.db]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Where the store, the policy and the schema are kept
    #[arg(long, value_name = "DIR", default_value = ".portcullis")]
    folder: PathBuf,
}

/// Runs the command.
pub fn run(args: &DevArgs) -> Done {
    let store = match &args.store {
        Some(text) => StorePath::parse(text).map_err(Failure::Said)?,
        None => StorePath(args.folder.join("ledger.db")),
    };
    let address = listen_address(&args.listen)?;
    let policy = furnish(&args.folder)?;
    let sealing = sealing_key(&args.folder)?;
    wait_with_threads(async {
        let opened = open_gate(&store, &policy, MAIN).await?;
        let keys = fresh_keys(&opened.gate.desk, &store).await?;
        let watch = tokio::spawn(PolicyWatch::of(&opened).run());
        let clean = |path: &Path| print::clean(&path.display().to_string());
        let greeting =
            Greeting { keys, policy: clean(&policy), store: format!("sqlite:{}", clean(&store.0)) };
        let ground = opened.ground(None, &store)?;
        let options = Options {
            gate: opened.gate,
            address,
            store: store.clone(),
            line: opened.line,
            mcp: None,
            ground,
            sealing: Some(sealing.clone()),
            customs: Customs::default(),
            on_ready: Box::new(move |address| greeting.say(address)),
            stop: serve::told_to_stop().map_err(Failure::Said)?,
        };
        let served = serve::run(options).await;
        watch.abort();
        served.map_err(Failure::Said)
    })??;
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder, and writes the sample where nobody has written anything.
fn furnish(folder: &Path) -> Result<PathBuf, Failure> {
    let policy = folder.join("policy.yaml");
    let unwritten = |error: std::io::Error| {
        let folder = folder.display().to_string();
        Failure::said(format!(
            "`{}` cannot be written: {error}; start in a folder that can be",
            print::clean(&folder)
        ))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritten)?;
    let mut schema = serde_json::to_string_pretty(&verdict::load::schema()).map_err(Failure::said)?;
    schema.push('\n');
    fs::write(folder.join("portcullis.schema.json"), schema).map_err(unwritten)?;
    keep(&policy, SAMPLE, 0o644).map_err(unwritten)?;
    keep(&folder.join("policy.test.yaml"), SAMPLE_CASES, 0o644).map_err(unwritten)?;
    Ok(policy)
}

/// What secrets of tools are sealed with: the environment's key, or one of the folder's own, made once.
fn sealing_key(folder: &Path) -> Result<SealingKey, Failure> {
    use base64::Engine as _;
    if let Some(key) = SealingKey::from_environment().map_err(Failure::Said)? {
        return Ok(key);
    }
    let path = folder.join("secrets.key");
    let shown = print::clean(&path.display().to_string());
    let mut made = [0_u8; 32];
    getrandom::fill(&mut made).map_err(|_| Failure::said("this system gives no random numbers"))?;
    let made = base64::engine::general_purpose::STANDARD.encode(made);
    keep(&path, &made, 0o600)
        .map_err(|error| Failure::said(format!("`{shown}` cannot be written: {error}")))?;
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure::said(format!("`{shown}` cannot be read: {error}")))?;
    SealingKey::parse(&text)
        .map_err(|_| Failure::said(format!("`{shown}` is no key; remove it, and store the secrets again")))
}

/// Writes a file that is not there, with this mode (and without what the umask takes).
fn keep(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    match fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

struct Keys {
    admin: String,
    test: String,
}

async fn fresh_keys(desk: &Desk, store: &StorePath) -> Result<Keys, Failure> {
    let by = user_name();
    let old = desk.ask(|books| {
        let ours = books.keys().filter(|key| matches!(key.name.as_str(), ADMIN | TEST));
        ours.map(|key| key.id.clone()).collect::<Vec<_>>()
    });
    for id in old.await.map_err(Failure::said)? {
        let revoked = desk.obey(Command::Revoke { id, by: by.clone() }).await.map_err(Failure::said)?;
        // Another start may have been quicker: then it is gone, as it should be.
        let _gone = revoked.is_ok();
    }
    let plan = |name: &str, realm| KeyPlan {
        name: name.to_owned(),
        role: KeyRole::Admin,
        agent: None,
        groups: Vec::new(),
        realm,
        expires: None,
    };
    let admin = make_key(desk, store, plan(ADMIN, Realm::Live), by.clone()).await?;
    let test = make_key(desk, store, plan(TEST, Realm::Test), by).await?;
    Ok(Keys { admin: admin.secret, test: test.secret })
}

/// What is said once it listens.
struct Greeting {
    keys: Keys,
    policy: String,
    store: String,
}

impl Greeting {
    fn say(&self, address: SocketAddr) {
        let Self { keys: Keys { admin, test }, policy, store } = self;
        let text = format!(
            r#"address    http://{address}
admin key  {admin}
test key   {test}
policy     {policy}   (edit it: the edit is in force at once)
store      {store}

Try it:
  curl -s http://{address}/v1/check -H 'Authorization: Bearer {test}' \
    -H 'Content-Type: application/json' \
    -d '{{"agent_id": "support-bot", "tool": "stripe.refund", "args": {{"amount": 120}}}}'

With an amount of 500 a person must agree:
  portcullis approvals list --store {store}

"#
        );
        // That nobody reads it stops nothing.
        let _unread = print::text(&text);
        ready(address);
    }
}
