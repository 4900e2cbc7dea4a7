//! The way to the data: through the running server, or by opening the store where none runs.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{Administration, router, socket};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::secret_key::SecretKey;
use crate::store::Store;

/// Between two tries, when a server is just starting or stopping, and for how long it is tried.
const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers an operator's requests.
pub enum Door {
    /// The server that is running.
    Server(SendRequest<Body>),
    /// This process, which has opened the store.
    Store(Router),
}

impl Door {
    /// Finds the running server, else opens the store.
    ///
    /// # Errors
    /// When neither can be had: the message says what to do.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        if config.database.is_server() {
            return Self::store(config, connect(config).await?).await;
        }
        let began = Instant::now();
        loop {
            if let Some(server) = Self::server(&config.data_dir).await? {
                return Ok(server);
            }
            let Some(folder) = config.database.folder(&config.data_dir) else {
                bail!(
                    "no server is running in data_dir {}, and what mem:// held ended with it",
                    config.data_dir.display()
                );
            };
            ensure!(
                folder.is_dir(),
                "there is no store at {}: name the right one with --data-dir or --config",
                folder.display()
            );
            check_owner(&folder)?;
            match connect(config).await {
                // Somebody has the store who does not answer yet, or no longer.
                Err(_) if began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                opened => return Self::store(config, opened?).await,
            }
        }
    }

    /// The server that is running in `data_dir`.
    ///
    /// # Errors
    /// When one is there but cannot be spoken to.
    pub async fn server(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = || data_dir.join(socket::FILE_NAME).display().to_string();
        let stream = match socket::connect(data_dir).await {
            Ok(stream) => stream,
            // Nobody ever listened, or a server left its file behind when it was killed.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "Failed to reach the server at {}: are you its user?",
                        path()
                    )
                });
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .with_context(|| format!("no server answers at {}", path()))?;
        tokio::spawn(connection);
        Ok(Some(Self::Server(sender)))
    }

    async fn store(config: &Config, store: Store) -> anyhow::Result<Self> {
        store.migrate().await?;
        let secret_key = SecretKey::load(config.secret_key.as_ref(), &config.data_dir)?;
        if let Some(secret_key) = &secret_key {
            // A backup with another key would be worth nothing.
            store.belongs_to(secret_key).await?;
        }
        Ok(Self::Store(router(Administration {
            store: Arc::new(store),
            secret_key: secret_key.map(Arc::new),
            clock: Arc::new(SystemClock),
            enough: CancellationToken::new(),
        })))
    }

    /// The body of the answer.
    ///
    /// # Errors
    /// When there is none, or it is not a 200: then the message is the answer's.
    pub async fn ask(&mut self, mut request: Request<Body>) -> anyhow::Result<Body> {
        let response: Response<Body> = match self {
            Self::Server(sender) => {
                // HTTP/1.1 asks for one, and nobody reads it.
                request
                    .headers_mut()
                    .insert("host", axum::http::HeaderValue::from_static("localhost"));
                sender
                    .send_request(request)
                    .await
                    .context("the server does not answer")?
                    .map(Body::new)
            }
            Self::Store(router) => match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND => {
                bail!("the running server does not know this: it is of another version")
            }
            status => {
                let body = response.into_body().collect().await?.to_bytes();
                bail!("{} ({status})", String::from_utf8_lossy(&body))
            }
        }
    }
}

async fn connect(config: &Config) -> anyhow::Result<Store> {
    Store::connect(&config.database, &config.data_dir, Arc::new(SystemClock)).await
}

/// Root would leave files behind that the server's user can no longer write.
pub(super) fn check_owner(folder: &Path) -> anyhow::Result<()> {
    let owner = fs::metadata(folder)
        .with_context(|| format!("Failed to look at {}", folder.display()))?
        .uid();
    ensure!(
        owner == socket::own_user() || socket::own_user() != 0,
        "no server is running, and {} belongs to the user {owner}: run this as that user \
         (sudo -u '#{owner}' …)",
        folder.display()
    );
    Ok(())
}

impl crate::config::DatabaseConfig {
    /// Where an embedded store stands; none for a server's, and for one that is never written.
    #[must_use]
    pub fn folder(&self, data_dir: &Path) -> Option<PathBuf> {
        match self.url.as_deref() {
            None => Some(data_dir.join("store")),
            Some(url) => url.strip_prefix("surrealkv://").map(PathBuf::from),
        }
    }
}
