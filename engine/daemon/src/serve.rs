//! Serving: settings → engine → listeners, until a signal.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt::System;
use didfarm_config::{Overrides, Settings, process_environment};
use didfarm_runtime::engine::{Engine, EngineOptions, Fatal, StartError};
use didfarm_runtime::fault::FaultPoints;
use didfarm_runtime::mails::MailStartError;
use didfarm_runtime::webhooks::ClientStartError;
use didfarm_store::store::FatalStore;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::ServeArgs;
use crate::{demo, exit, logging, ops_access};

/// How often the metrics' histograms are drained, so that they do not grow without a scrape.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How long connections have, after the last command is done, to carry their answers out.
const CONNECTIONS_GRACE: Duration = Duration::from_millis(100);
/// Buckets of every histogram in seconds.
const SECONDS_BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// Buckets of every histogram in entries.
const ENTRIES_BUCKETS: [f64; 9] = [
    1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0,
];

/// Why the daemon did not start, and the code to end with.
struct Failure {
    code: u8,
    sentence: String,
}

impl Failure {
    fn new(code: u8, sentence: impl ToString) -> Failure {
        Failure {
            code,
            sentence: sentence.to_string(),
        }
    }
}

/// The settings that the command line asks for.
pub(crate) fn settings(args: ServeArgs) -> Result<Settings, String> {
    let overrides = Overrides {
        data_dir: args.data_dir,
        listen: args.listen,
        ops_listen: args.ops_listen,
    };
    Settings::load(args.config.as_deref(), process_environment(), overrides)
        .map_err(|errors| errors.to_string())
}

pub(crate) fn serve(args: ServeArgs, faults: FaultPoints) -> ExitCode {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(problems) => {
            eprintln!("didfarm: the settings are wrong:\n{problems}");
            return exit::USAGE.into();
        }
    };
    logging::start(&settings.log);
    let served = System::new().block_on(run(settings, faults));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, sentence }) => {
            eprintln!("didfarm: {sentence}");
            code.into()
        }
    }
}

async fn run(settings: Settings, faults: FaultPoints) -> Result<(), Failure> {
    let internal = |error: std::io::Error| Failure::new(exit::INTERNAL, error);
    let mut signals = Signals::new().map_err(internal)?;
    let metrics = record_metrics().map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let listen = listen("http.listen", settings.http.listen)?;
    let ops_listen = self::listen("ops.listen", settings.ops.listen)?;
    let (address, ops_address) = (
        listen.local_addr().map_err(internal)?,
        ops_listen.local_addr().map_err(internal)?,
    );

    let options = EngineOptions {
        on_fatal: Arc::new(end_process),
        faults,
    };
    let engine = Engine::start(settings.clone(), options).map_err(|error| {
        let code = match error {
            // A carrier refused its settings.
            StartError::Carrier(_) => exit::USAGE,
            StartError::Webhooks(ClientStartError::File(_) | ClientStartError::Roots(_)) => {
                exit::USAGE
            }
            StartError::Mail(MailStartError::Listen(_)) => exit::LISTEN,
            StartError::Mail(MailStartError::Address { .. } | MailStartError::Smtp(_)) => {
                exit::USAGE
            }
            StartError::Mail(MailStartError::File { .. } | MailStartError::Thread(_))
            | StartError::Webhooks(ClientStartError::Thread(_))
            | StartError::Store(_)
            | StartError::Records(_)
            | StartError::Thread(_) => exit::STORE,
        };
        Failure::new(code, error)
    })?;
    let unusable = |error: std::io::Error| {
        Failure::new(
            exit::STORE,
            format!(
                "the data directory {} cannot be used: {error}",
                settings.data_dir.display()
            ),
        )
    };
    let token = ops_access::token(&settings.data_dir).map_err(unusable)?;
    ops_access::note_address(&settings.data_dir, ops_address).map_err(unusable)?;
    let handle = engine.handle();
    // No webhook endpoint is one of our own listeners.
    let own = [Some(address), Some(ops_address), engine.replies_address()];
    handle.refuse_addresses(&own.into_iter().flatten().collect::<Vec<_>>());
    let made = if engine.is_new() {
        let made = demo::first_start(&handle, &settings).await;
        made.map_err(|error| {
            Failure::new(
                exit::USAGE,
                format!("the first accounts cannot be made: {error:#}"),
            )
        })?
    } else {
        Vec::new()
    };

    let api = didfarm_admin::api_server(handle.clone(), &settings, listen).map_err(internal)?;
    let ops =
        didfarm_admin::ops_server(handle.clone(), metrics, token, ops_listen).map_err(internal)?;
    let (api, ops) = (spawn(api), spawn(ops));
    let addresses = Addresses {
        listen: address,
        ops: ops_address,
        mail_replies: engine.replies_address(),
    };
    announce(&settings, &addresses, engine.recovery().took);
    demo::welcome(&made, address, &settings.data_dir);

    signals.first().await;
    tracing::info!("stopping: nothing new is accepted, what is under way is finished");
    handle.begin_drain();
    tokio::select! {
        drained = handle.drained(settings.http.shutdown_grace()) => {
            if !drained {
                tracing::warn!("some requests were still under way when the grace ended; they are answered by nobody");
            }
        }
        () = signals.first() => tracing::warn!("a second signal: stopping at once"),
    }
    tokio::time::sleep(CONNECTIONS_GRACE).await;
    // Not gracefully: that would wait for whoever keeps a connection open or a body unsent.
    api.stop(false).await;
    ops.stop(false).await;
    drop(handle);
    engine.stop();
    tracing::info!("stopped");
    Ok(())
}

/// Ends the process: it never carries on with a state that the disk does not hold.
fn end_process(fatal: Fatal) {
    let code = match &fatal {
        Fatal::Store(FatalStore::Journal(_)) => exit::COMMIT,
        Fatal::Store(FatalStore::Records(_)) | Fatal::Hopeless(_) => exit::INTERNAL,
    };
    tracing::error!(code, "{fatal}");
    eprintln!("didfarm: {fatal}");
    std::process::exit(code.into());
}

fn record_metrics() -> Result<PrometheusHandle, Box<dyn std::error::Error>> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_entries".into()), &ENTRIES_BUCKETS)?
        .install_recorder()?;
    let upkeep = handle.clone();
    std::thread::Builder::new()
        .name("metrics".into())
        .spawn(move || {
            loop {
                std::thread::sleep(METRICS_UPKEEP_INTERVAL);
                upkeep.run_upkeep();
            }
        })?;
    Ok(handle)
}

fn listen(setting: &str, address: std::net::SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        Failure::new(
            exit::LISTEN,
            format!("{setting} {address} cannot be listened on ({error}): choose another"),
        )
    })
}

fn spawn(server: Server) -> ServerHandle {
    let handle = server.handle();
    actix_web::rt::spawn(server);
    handle
}

/// Where the daemon listens.
struct Addresses {
    listen: SocketAddr,
    ops: SocketAddr,
    mail_replies: Option<SocketAddr>,
}

/// One JSON line on stdout: what a script needs to know.
fn announce(settings: &Settings, addresses: &Addresses, recovery: Duration) {
    let line = serde_json::json!({
        "listen": addresses.listen.to_string(),
        "ops": addresses.ops.to_string(),
        "mail_replies": addresses.mail_replies.map(|address| address.to_string()),
        "data_dir": settings.data_dir,
        "recovery_ms": u64::try_from(recovery.as_millis()).unwrap_or(u64::MAX),
        "pid": std::process::id(),
    });
    let mut stdout = std::io::stdout().lock();
    // Nobody may be reading.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
