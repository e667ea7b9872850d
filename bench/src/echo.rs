//! The peer over HTTP: a bare axum server that reads the request and answers always the same bytes.
//!
//! In a process of its own, like the gate, with the same runtime, allocator and socket options.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use std::process::{Child, Command, Stdio};

use crate::portcullis::ready_line;

/// Answers every check with the text of `file`, until it is killed. Says its address on standard output.
pub fn serve(file: &str) {
    let body = Bytes::from(std::fs::read(file).expect("the file with the answer can be read"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let answer = move |asked: Bytes| {
            let body = body.clone();
            async move {
                drop(asked);
                ([(CONTENT_TYPE, "application/json")], body)
            }
        };
        let app = Router::new()
            .route("/v1/check", post(answer.clone()))
            .route("/v1/check/batch", post(answer.clone()))
            .route("/v1/chat/completions", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        println!("echo is ready at http://{}", listener.local_addr().expect("a bound socket has an address"));
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await.expect("the echo serves");
    });
}

/// An echo under way; killed when dropped.
pub struct Echo {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Echo {
    /// Starts one that answers with the text of `file`.
    pub fn start(file: &std::path::Path) -> Self {
        let bench = std::env::current_exe().expect("a program knows where it is");
        let mut child = Command::new(bench)
            .arg("echo")
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the echo starts");
        let address = ready_line(&mut child);
        Self { child, address }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
