//! The binary: command line in, exit code out.

mod cli;

use std::io::{self, Write};
use std::num::NonZero;
use std::pin::pin;
use std::process::ExitCode;
use std::thread;

use anyhow::Context;
use clap::Parser;
use latchkey::clock::{Clock, SystemClock};
use latchkey::config::{Config, ConfigError, LogConfig};
use latchkey::entropy::SystemEntropy;
use latchkey::mail::try_relay;
use latchkey::{admin, signals, startup, telemetry};
use latchkey_app::domain::EmailAddress;
use tokio::runtime::{Builder, Runtime};

/// The database makes and drops small things all the time. Large blocks, as a hash's memory and the
/// engine's tables, go straight back to the system.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let (task, sources) = cli::CommandLine::parse().task();
    let config = match &task {
        cli::Task::Administer(_) => Config::load_for_store(&sources),
        _ => Config::load(&sources),
    };
    let config = match config.and_then(|config| fit_for(&task, config)) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let outcome = match task {
        cli::Task::Serve => serve(config),
        cli::Task::TestMail { to } => test_mail(&config, to),
        cli::Task::Administer(order) => administer(config, order),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read what was printed has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latchkey: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

/// A development server has a mailbox where there is no relay; a test mail needs the relay.
fn fit_for(task: &cli::Task, config: Config) -> Result<Config, ConfigError> {
    match task {
        cli::Task::TestMail { .. } if config.smtp.url.is_none() => {
            Err(ConfigError::missing("smtp.url"))
        }
        _ => Ok(config),
    }
}

fn test_mail(config: &Config, to: EmailAddress) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let address = to.typed().to_owned();
    let now = SystemClock.now();
    let relay = runtime.block_on(try_relay(config, to, &SystemEntropy, now))?;
    writeln!(io::stdout(), "{relay} took the test mail to {address}.")?;
    Ok(())
}

fn administer(config: Config, order: cli::Order) -> anyhow::Result<()> {
    close_new_files();
    telemetry::init(&LogConfig {
        format: config.log.format,
        // What is done without a server stands in no other log, and neither does what is wrong with
        // the files that the engine reads.
        level: format!("error,latchkey=warn,{}=info", telemetry::AUDIT),
    })?;
    runtime()?.block_on(async {
        // A query may recurse deeply, and this thread's stack is whatever the system gave.
        tokio::spawn(async move {
            use cli::Order;
            match order {
                Order::BackUp { file } => admin::backup::make(&config, &file).await,
                Order::Restore { file } => admin::restore::restore(&config, &file).await,
                Order::ListAccounts { limit, json } => {
                    admin::accounts::list(&config, limit, json).await
                }
                Order::ShowAccount { email, json } => {
                    admin::accounts::show(&config, &email, json).await
                }
                Order::DeleteAccount { email, yes } => {
                    admin::accounts::delete(&config, &email, yes).await
                }
                Order::ExportAccounts => admin::accounts::export(&config).await,
                Order::Query { query, json } => admin::query::query(&config, &query, json).await,
            }
        })
        .await?
    })
}

fn serve(config: Config) -> anyhow::Result<()> {
    // Whatever file is made from here on, by the database too, is nobody else's to read.
    close_new_files();
    telemetry::init(&config.log)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let mut shutdown = pin!(signals::shutdown().context("cannot listen for signals")?);
        let application = tokio::select! {
            // Nobody was answered yet.
            () = &mut shutdown => return Ok(()),
            built = startup::build(config) => built?,
        };
        application.run_until_stopped(shutdown).await
    });
    // Work of an engine that failed may never end.
    runtime.shutdown_background();
    outcome
}

fn runtime() -> anyhow::Result<Runtime> {
    // Hashing has a thread for each core, and what is beside it needs an eighth of them. Fewer threads
    // have it done in fewer places, whose caches are warm, and disturb fewer hashes.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    // SurrealDB's parser and planner recurse deeply, most of all when not optimised.
    Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .enable_all()
        .thread_stack_size(10 * 1024 * 1024)
        .build()
        .context("cannot start the runtime")
}

#[expect(
    unsafe_code,
    reason = "umask has no condition to keep, and std does not offer it"
)]
fn close_new_files() {
    // SAFETY: umask(2) only sets a number of this process and cannot fail.
    unsafe { libc::umask(0o077) };
}
