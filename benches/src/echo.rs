//! The floor: a bare actix-web server that parses the same JSON and answers as much, and does nothing in between.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};
use didfarm_loadtest::Target;
use serde::{Deserialize, Serialize};

use crate::child::ChildProcess;

/// The subcommand that runs the echo in a process of its own.
pub const SUBCOMMAND: &str = "serve-echo";

#[derive(Deserialize)]
struct SendBody {
    from: String,
    to: String,
    body: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    data: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    conversation_id: &'a str,
    direction: &'a str,
    from: &'a str,
    to: &'a str,
    body: &'a str,
    channel: &'a str,
    status: &'a str,
    segments: u32,
    encoding: &'a str,
    cost: f64,
    currency: &'a str,
    created_at: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Listening {
    listen: std::net::SocketAddr,
}

async fn echo(sent: web::Json<SendBody>) -> HttpResponse {
    static IDS: AtomicU64 = AtomicU64::new(0);
    let id = format!("msg_{:011}", IDS.fetch_add(1, Ordering::Relaxed));
    HttpResponse::Created().json(Answer {
        data: Message {
            id: &id,
            conversation_id: "conv_00000000001",
            direction: "outbound",
            from: &sent.from,
            to: &sent.to,
            body: &sent.body,
            channel: "sms",
            status: "queued",
            segments: 1,
            encoding: "GSM-7",
            cost: 0.008,
            currency: "EUR",
            created_at: "2026-01-01T00:00:00.000Z",
        },
    })
}

/// Serves the echo on a free port, prints where as one JSON line, and ends when stdin does.
///
/// # Errors
/// When the server cannot listen.
pub fn serve(workers: usize) -> Result<()> {
    std::thread::spawn(|| {
        // Stdin is a pipe from the bench: its end means that the bench is gone.
        let _ = std::io::stdin().read(&mut [0_u8; 1]);
        std::process::exit(0);
    });
    actix_web::rt::System::new().block_on(async {
        let server =
            HttpServer::new(|| App::new().route("/api/v1/sms/messages", web::post().to(echo)))
                .workers(workers)
                .bind(("127.0.0.1", 0))
                .context("the echo cannot listen on loopback")?;
        let listen = *server.addrs().first().context("the echo has no address")?;
        println!("{}", serde_json::to_string(&Listening { listen })?);
        server.run().await.context("the echo has failed")
    })
}

/// The echo in a process of its own.
pub struct Echo {
    /// Where it listens.
    pub target: Target,
    _child: ChildProcess,
}

impl Echo {
    /// Starts this executable again as the echo; its stderr goes to a file in `dir`.
    ///
    /// # Errors
    /// When the process does not come up.
    pub fn start(dir: &Path, workers: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([SUBCOMMAND, "--workers", &workers.to_string()]);
        let child = ChildProcess::start(&mut command, &dir.join("echo.stderr"))?;
        let line = child.first_line()?;
        let listening: Listening =
            serde_json::from_str(&line).context("the echo's first line is no JSON")?;
        Ok(Self {
            target: Target::from(listening.listen),
            _child: child,
        })
    }
}
