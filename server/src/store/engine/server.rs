//! The connection to a database that is a server: who notices that it broke, and makes it anew.
//!
//! The client library connects again by itself, but does not notice a server that is frozen or cut
//! off, and keeps what it is asked meanwhile, without an end, to do it once the server is back.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_native_certs;
use surrealdb::Surreal;
use surrealdb::engine::any::Any;
use tokio::time::{sleep, timeout};

use super::{Engine, reason};
use crate::entropy::jitter;
use crate::store::fingerprint::FINGERPRINT;

/// How often the server is asked whether it is there.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// How long it may take to answer that, and to take a connection.
const ANSWER: Duration = Duration::from_secs(4);

/// Between two tries to connect: doubling, a quarter more or less, so that instances which lost it
/// together do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

const SILENT: &str = "it does not answer";

/// How to speak with a server that uses TLS, which has to be one that the system trusts.
///
/// The client library would trust the authorities that it was compiled with alone, and would not
/// know by which of two implementations.
pub(super) fn tls(address: &str) -> anyhow::Result<Option<ClientConfig>> {
    if !address.starts_with("wss:") {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(config))
}

impl Engine {
    /// Connects, within a time that a start may take.
    pub(super) async fn connect_in_time(&self) -> anyhow::Result<Surreal<Any>> {
        let connected = timeout(ANSWER, self.connect()).await;
        connected.unwrap_or_else(|_| {
            Err(anyhow!(SILENT))
                .with_context(|| format!("Failed to open the database {}", self.address))
        })
    }

    /// From now on the server has to be the one that holds the store with this fingerprint, also
    /// when it has been away.
    pub(in crate::store) fn expect(&self, fingerprint: &str) {
        // A process has one store, and a store one key.
        self.fingerprint.get_or_init(|| fingerprint.to_owned());
    }

    /// A statement has met a connection that is broken.
    pub(in crate::store) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// Resolves with the reason once the server cannot be reached.
    pub(in crate::store) async fn unreachable(&self) -> String {
        reason(&self.unreachable).await
    }

    /// Asks the server again and again whether it is there, and when it is not, connects as soon
    /// as it is. Never ends.
    pub(in crate::store) async fn keep_connected(self: Arc<Self>) {
        loop {
            let why = tokio::select! {
                () = sleep(ASKED_EVERY) => match self.ask().await {
                    Ok(()) => continue,
                    Err(error) => error.root_cause().to_string(),
                },
                () = self.suspected.notified() => "the connection broke".to_owned(),
            };
            let away_since = Instant::now();
            tracing::error!(reason = why, "the database server cannot be reached");
            // Running statements end by it, and then let go of the connection.
            self.unreachable.send_replace(Some(why));
            self.database.write().await.take();
            let database = self.connect_again().await;
            *self.database.write().await = Some(database);
            // What statements have said of the old connection is settled.
            pin!(self.suspected.notified()).enable();
            self.unreachable.send_replace(None);
            tracing::info!(
                away_ms = away_since.elapsed().as_millis(),
                "the database server is back"
            );
        }
    }

    async fn connect_again(&self) -> Surreal<Any> {
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause.mul_f64(jitter(0.25))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let connected = async {
                let database = self.connect_in_time().await?;
                self.recognise(&database).await?;
                Ok::<_, anyhow::Error>(database)
            };
            match connected.await {
                Ok(database) => return database,
                // Where the server stands is nobody's business who asks whether we are ready.
                Err(error) => {
                    let why = error.root_cause().to_string();
                    self.unreachable.send_replace(Some(why));
                }
            }
        }
    }

    async fn ask(&self) -> anyhow::Result<()> {
        let database = self.database().await?;
        self.recognise(&database).await
    }

    /// Whether the server answers, and holds the same store as before: one that came back empty
    /// would take writes, and have no schema.
    async fn recognise(&self, database: &Surreal<Any>) -> anyhow::Result<()> {
        let answer = async {
            let Some(expected) = self.fingerprint.get() else {
                database.health().await?;
                return Ok(());
            };
            let mut answer = database.query(FINGERPRINT).await?;
            let found = match answer.take::<Option<String>>(0) {
                // It has no such table.
                Err(error) if error.is_not_found() => None,
                found => found?,
            };
            ensure!(
                found.as_ref() == Some(expected),
                "it holds another store than before"
            );
            Ok(())
        };
        let answer = timeout(ANSWER, answer).await;
        answer.unwrap_or_else(|_| Err(anyhow!(SILENT)))
    }
}
