//! The binary: command line in, exit code out.

mod cli;

use std::future::Future;
use std::process::{self, ExitCode};

use anyhow::Context;
use clap::Parser;
use latchkey::config::Config;
use latchkey::{startup, telemetry};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let config = match Config::load(&cli::CommandLine::parse().sources()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latchkey: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    // SurrealDB's parser and planner recurse deeply, most of all when not optimised.
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(10 * 1024 * 1024)
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let shutdown = shutdown().context("cannot listen for signals")?;
        let application = startup::build(config).await?;
        application.run_until_stopped(shutdown).await
    })
}

/// Resolves at the first SIGTERM or SIGINT; a second one ends the process at once.
fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, stopping) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut first = Some(first);
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            match first.take() {
                Some(first) => {
                    tracing::info!("stopping; a second signal stops at once");
                    // Nobody listens when the start itself has not finished.
                    if first.send(()).is_err() {
                        process::exit(1);
                    }
                }
                None => process::exit(1),
            }
        }
    });
    Ok(async {
        // The sender is dropped only with the runtime, which is an end as well.
        let _ = stopping.await;
    })
}
