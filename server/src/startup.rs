//! Builds the application from its configuration and runs it.

use std::future::Future;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum_server::Handle;
use latchkey_app::SiteFiles;
use latchkey_app::view::Site;
use leptos::config::LeptosOptions;
use sd_notify::NotifyState;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::admin::socket::AdminSocket;
use crate::admin::{self, Administration};
use crate::background::{PAUSE, undaunted};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, Mode, TlsMode, data_dir};
use crate::entropy::{SharedEntropy, SystemEntropy};
use crate::hashing::{HashParameters, HashingPool};
use crate::http::{self, AppState, Gate, Places, PublicOrigin, Shared, TimeLimits, TrustedProxies};
use crate::mail::{Composer, Dispatch, MailCounters, MailWorker, Pace, RelayHealth, Transport};
use crate::registration::{Budgets, PasswordPolicy, Registration, Settings};
use crate::secret_key::SecretKey;
use crate::store::{SWEEP_CLAIMS, SWEEP_OTHERS, SessionRecords, Store, Sweep};
use crate::tls::{self, Tls};

/// How long running requests may take to finish when the application stops.
const GRACE: Duration = Duration::from_secs(10);

/// How long a store that failed is still answered for, with 503 and the reason, and how long
/// requests may then take to finish: with both the process has ended within five seconds.
const LOST: Duration = Duration::from_secs(2);
const LOST_GRACE: Duration = Duration::from_secs(2);

/// How often the length of the embedded engine's log is looked at.
const LOG_INTERVAL: Duration = Duration::from_millis(250);

/// Time and randomness, which a test brings itself, and how long anybody waits for others.
pub struct World {
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub time_limits: TimeLimits,
    pub pace: Pace,
}

impl World {
    /// The machine's clock and generator.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            time_limits: TimeLimits::default(),
            pace: Pace::default(),
        }
    }
}

/// Everything that serves, ready to run: its ports are bound.
pub struct Application {
    router: Router,
    /// Bound, with the port that was given for port 0.
    https: Option<(TcpListener, Tls)>,
    http: TcpListener,
    /// What the HTTP port says beside HTTPS.
    to_https: Router,
    gate: Gate,
    time_limits: TimeLimits,
    mail_worker: Arc<MailWorker>,
    store: Arc<Store>,
    former_parameters: Vec<HashParameters>,
    clock: SharedClock,
    /// Where operators ask; none where the database is a server, which they ask themselves.
    admin_socket: Option<(AdminSocket, Administration)>,
    /// What a developer needs to begin, told once the server serves.
    greeting: Option<String>,
}

/// Builds the application in the real world.
///
/// # Errors
/// When a part of it cannot start: the message says which.
pub async fn build(config: Config) -> anyhow::Result<Application> {
    build_in(config, World::real()).await
}

/// Builds the application with a clock and randomness of one's own.
///
/// # Errors
/// When a part of it cannot start: the message says which.
pub async fn build_in(config: Config, world: World) -> anyhow::Result<Application> {
    let World {
        clock,
        entropy,
        time_limits,
        pace,
    } = world;
    data_dir::prepare(&config.data_dir)
        .with_context(|| format!("Failed to make data_dir {}", config.data_dir.display()))?;
    let tls = tls::load(
        &config.tls,
        &config.data_dir,
        &config.public_url,
        clock.now(),
    )
    .await?;
    let http = listen(config.http_addr, "http_addr")?;
    let https = tls
        .map(|tls| Ok::<_, anyhow::Error>((listen(config.https_addr, "https_addr")?, tls)))
        .transpose()?;

    let store = Arc::new(Store::open(&config.database, &config.data_dir, clock.clone()).await?);
    let secret_key = SecretKey::load_or_create(
        config.secret_key.as_ref(),
        &config.data_dir,
        store.is_new().await?,
        &*entropy,
    )?;
    store.belongs_to(&secret_key).await?;
    let keys = secret_key.keys();
    let parameters = HashParameters {
        memory_kib: config.hash.memory_kib,
        iterations: config.hash.iterations,
        parallelism: config.hash.parallelism,
    };
    let former_parameters = store.remember_hash_parameters(parameters).await?;
    let hashing = HashingPool::start(
        parameters,
        &former_parameters,
        config.hash_workers(),
        store.crowd(),
        &*entropy,
    )?;
    let transport = Transport::from_config(
        config.smtp.url.as_ref(),
        config.smtp.ca_file.as_deref(),
        &config.public_url,
        pace.relay,
    )?;
    let mailbox = transport
        .mailbox()
        .filter(|_| config.mode == Mode::Development)
        .cloned();
    let composer = Composer::new(
        &config.service.name,
        &config.public_url,
        &config.mail.from,
        config.mail.envelope_from.as_ref(),
    )?;
    let relay_health = Arc::new(RelayHealth::default());
    let dispatch = Arc::new(Dispatch::new(
        pace.lease(),
        relay_health.clone(),
        clock.clone(),
    ));
    let mail_worker = MailWorker {
        store: store.clone(),
        composer,
        transport,
        keys: keys.clone(),
        clock: clock.clone(),
        dispatch: dispatch.clone(),
        health: relay_health.clone(),
        counters: Arc::new(MailCounters::default()),
        pace,
        code_ttl_seconds: config.code.ttl_seconds,
        notices_per_day: config.limits.notices_per_day,
    };
    let registration = Registration {
        store: store.clone(),
        hashing,
        budgets: Budgets::new(
            config.limits.clone(),
            config.mode == Mode::Development,
            keys.clone(),
        ),
        keys,
        clock: clock.clone(),
        entropy,
        settings: Settings::from_config(&config),
        former_parameters: former_parameters.clone(),
        dispatch,
    };
    let policy = PasswordPolicy::new(
        config.password.min_length,
        config.password.min_score,
        &config.service.name,
    );
    let site_dir = config.site_dir()?;
    let trusted_proxies = Arc::new(TrustedProxies::new(
        config.trusted_proxies.clone(),
        &config.proxy_header,
    ));
    let places = Places::new(&config, trusted_proxies.clone(), store.crowd());
    let places = Arc::new(places);
    let (leptos, site_files) = leptos_options(&config, &site_dir);
    let state = AppState::from(Shared {
        registration: Arc::new(registration),
        password_policy: Arc::new(policy),
        store: store.clone(),
        clock: clock.clone(),
        relay_health,
        probed: Arc::default(),
        site: Arc::new(site(&config, mailbox.is_some())),
        code_digits: config.code.digits,
        expose_code: config.expose_code(),
        is_development: config.mode == Mode::Development,
        origin: Arc::new(PublicOrigin::new(
            &config.public_url,
            config.tls.mode == TlsMode::SelfSigned,
        )),
        trusted_proxies,
        time_limits,
        leptos,
        site_files,
        drawings: Arc::default(),
        site_dir: Arc::new(site_dir),
    });
    let admin_socket = if config.database.is_server() {
        None
    } else {
        // Signing up matters more.
        let administration = Administration {
            store: store.clone(),
            secret_key: Some(Arc::new(secret_key)),
            clock: clock.clone(),
            enough: CancellationToken::new(),
        };
        AdminSocket::bind(&config.data_dir)
            .await
            .inspect_err(|error| tracing::error!(%error, "no socket for operators in data_dir"))
            .map(|socket| (socket, administration))
            .ok()
    };
    let greeting = (config.mode == Mode::Development).then(|| greeting(&config, mailbox.is_some()));
    let to_https = http::to_https(&state);
    let router = http::router(state, SessionRecords::new(store.clone()), mailbox);
    Ok(Application {
        router,
        greeting,
        https,
        http,
        to_https,
        gate: Gate::new(places, time_limits),
        time_limits,
        mail_worker: Arc::new(mail_worker),
        store,
        former_parameters,
        clock,
        admin_socket,
    })
}

impl Application {
    /// Where HTTPS is served; `None` when it is off.
    ///
    /// # Errors
    /// When the system does not know the port.
    pub fn https_addr(&self) -> std::io::Result<Option<SocketAddr>> {
        self.https
            .as_ref()
            .map(|(listener, _)| listener.local_addr())
            .transpose()
    }

    /// Where HTTP is answered.
    ///
    /// # Errors
    /// When the system does not know the port.
    pub fn http_addr(&self) -> std::io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// The store, for whoever looks at it beside the application.
    #[must_use]
    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// What this process has done about mail.
    #[must_use]
    pub fn mail_counters(&self) -> Arc<MailCounters> {
        self.mail_worker.counters.clone()
    }

    /// Serves until `shutdown` resolves; then running requests and deliveries finish.
    ///
    /// # Errors
    /// When a socket fails.
    pub async fn run_until_stopped(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let (https_addr, http_addr) = (self.https_addr()?, self.http_addr()?);
        let stopping = CancellationToken::new();
        let mut background = JoinSet::new();
        let worker = self.mail_worker;
        background.spawn(undaunted(
            "mail worker",
            PAUSE,
            stopping.clone(),
            move |stopping| worker.clone().run(stopping),
        ));
        if let Some((socket, administration)) = self.admin_socket {
            let enough = administration.enough.clone();
            let router = admin::router(administration);
            background.spawn(socket.serve(router, stopping.clone(), enough));
        }
        let (store, former_parameters) = (self.store.clone(), self.former_parameters);
        background.spawn(undaunted(
            "sweep of claims",
            PAUSE,
            stopping.clone(),
            move |stopping| sweep_claims(store.clone(), former_parameters.clone(), stopping),
        ));
        let store = self.store.clone();
        background.spawn(undaunted(
            "verified claims",
            PAUSE,
            stopping.clone(),
            move |stopping| {
                let store = store.clone();
                async move { store.keep_removing_verified(stopping).await }
            },
        ));
        let store = self.store.clone();
        background.spawn(undaunted(
            "sweep of others",
            PAUSE,
            stopping.clone(),
            move |stopping| {
                let store = store.clone();
                async move {
                    store
                        .keep_swept(Sweep::of_others, SWEEP_OTHERS, stopping)
                        .await;
                }
            },
        ));
        let store = self.store.clone();
        background.spawn(undaunted(
            "store log",
            PAUSE,
            stopping.clone(),
            move |stopping| keep_log_short(store.clone(), stopping),
        ));

        let handle = Handle::new();
        let mut serving = JoinSet::new();
        let app = self.router;
        let plain = |listener, app| {
            let server = axum_server::from_tcp(listener)?.acceptor(self.gate.clone());
            let server = self.gate.guard(server).handle(handle.clone());
            std::io::Result::Ok(server.serve(with_peer(app)))
        };
        match self.https {
            Some((listener, tls)) => {
                let config = tls.rustls_config();
                let clock = self.clock;
                background.spawn(tls.keep_fresh(stopping.clone(), move || clock.now()));
                let server = axum_server::from_tcp_rustls(listener, config)?.map(|tls| {
                    tls.handshake_timeout(self.time_limits.handshake)
                        .acceptor(self.gate.clone())
                });
                let server = self.gate.guard(server).handle(handle.clone());
                serving.spawn(server.serve(with_peer(app)));
                serving.spawn(plain(self.http, self.to_https)?);
            }
            None => {
                serving.spawn(plain(self.http, app)?);
            }
        }
        if let Some(greeting) = self.greeting {
            // Nobody reads it: then there is nobody to greet.
            let _ = writeln!(std::io::stdout(), "{greeting}");
        }
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            https_addr = https_addr.map(tracing::field::display),
            %http_addr,
            "serving"
        );
        tell_supervisor(&[NotifyState::Ready]);

        let lost = async {
            let reason = self.store.lost().await;
            // Whoever looks now should learn why.
            tokio::time::sleep(LOST).await;
            reason
        };
        let (mut outcome, grace) = tokio::select! {
            () = shutdown => (Ok(()), GRACE),
            ended = serving.join_next() => match ended {
                Some(ended) => (ended?.context("A socket failed"), GRACE),
                None => (Ok(()), GRACE),
            },
            reason = lost => (Err(store_lost(reason)), LOST_GRACE),
        };
        tracing::info!("stopping; running requests may finish");
        tell_supervisor(&[NotifyState::Stopping]);
        handle.graceful_shutdown(Some(grace));
        while let Some(ended) = serving.join_next().await {
            outcome = outcome.and(ended?.context("A socket failed"));
        }
        stopping.cancel();
        if let Some(reason) = self.store.loss() {
            // Its background work cannot come to an end, and closing it could only write more of
            // what nobody was answered for.
            return outcome.and(Err(store_lost(reason)));
        }
        while background.join_next().await.is_some() {}
        if let Err(error) = self.store.close().await {
            // All that was acknowledged is on disk; the next start has more to read.
            tracing::warn!(error = format!("{error:#}"), "the store did not close");
        }
        if let Some(reason) = self.store.loss() {
            return outcome.and(Err(store_lost(reason)));
        }
        tracing::info!("stopped");
        outcome
    }
}

/// For systemd's `Type=notify`. Without a supervisor that listens nobody is told.
fn tell_supervisor(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the supervisor could not be told");
    }
}

fn store_lost(reason: String) -> anyhow::Error {
    anyhow::anyhow!("the store failed: {reason}; start again, which begins with what is on disk")
}

async fn keep_log_short(store: Arc<Store>, stopping: CancellationToken) {
    let mut ticks = tokio::time::interval(LOG_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
        let began = Instant::now();
        match store.keep_log_short().await {
            Ok(true) => tracing::debug!(
                milliseconds = began.elapsed().as_millis(),
                "the store's log was written to its tables"
            ),
            Ok(false) => {}
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the store's log could not be looked at");
            }
        }
    }
}

/// How many connections may wait to be accepted: more than come at once to a sign-up that is announced.
/// With the standard library's 128 a crowd's others try again after a second, by themselves, as TCP does.
/// The kernel has a limit of its own, `net.core.somaxconn`.
const BACKLOG: u32 = 1_024;

fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // What is left of former connections does not hold a restart up.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listener().with_context(|| {
        format!("Failed to listen on {key} = {address}: is another server running?")
    })
}

type WithPeer = axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, SocketAddr>;

fn with_peer(router: Router) -> WithPeer {
    router.into_make_service_with_connect_info::<SocketAddr>()
}

async fn sweep_claims(
    store: Arc<Store>,
    former_parameters: Vec<HashParameters>,
    stopping: CancellationToken,
) {
    for former in former_parameters {
        match store.forget_hash_parameters(former).await {
            Ok(true) => tracing::info!(?former, "no hash has these parameters any more"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "former hash parameters could not be looked at"),
        }
    }
    store
        .keep_swept(Sweep::of_claims, SWEEP_CLAIMS, stopping)
        .await;
}

fn site(config: &Config, has_mailbox: bool) -> Site {
    let text = |url: &Option<url::Url>| url.as_ref().map(ToString::to_string);
    Site {
        service_name: config.service.name.clone(),
        after: text(&config.links.after),
        terms: text(&config.links.terms),
        privacy: text(&config.links.privacy),
        mailbox: has_mailbox.then(|| http::mailbox::PATH.to_owned()),
    }
}

/// What Leptos needs to name the browser's files: taken from where they are, not from variables
/// of the build.
fn leptos_options(config: &Config, site_dir: &Path) -> (LeptosOptions, SiteFiles) {
    let mut options = LeptosOptions::builder()
        .output_name("latchkey")
        .site_root(site_dir.display().to_string())
        .site_addr(config.https_addr)
        .build();
    // Where `make build` has put it; a development build names its files plainly.
    let hash_file = site_dir.join("hash.txt");
    if hash_file.is_file() {
        options.hash_files = true;
        options.hash_file = hash_file.display().to_string().into();
    }
    let files = SiteFiles::of(&options);
    if !site_dir.join(files.css.trim_start_matches('/')).is_file() {
        tracing::warn!(
            site_dir = %site_dir.display(),
            file = files.css,
            "the browser's files do not belong to this program: pages will look plain; build again"
        );
    }
    (options, files)
}

fn greeting(config: &Config, has_mailbox: bool) -> String {
    let url = config.public_url.as_str().trim_end_matches('/');
    let mailbox = if has_mailbox {
        format!("\n  Mailbox   {url}{}", http::mailbox::PATH)
    } else {
        String::new()
    };
    let certificate = match config.tls.mode {
        TlsMode::SelfSigned => "; the certificate is self-signed",
        TlsMode::Files | TlsMode::Off => "",
    };
    format!(
        "\n  {name} is ready (development mode{certificate})\n\n  \
         Sign up   {url}/register{mailbox}\n  \
         curl      curl --insecure -d \"password=testpassword&email=foo@bar.com\" -X POST {url}/register\n",
        name = config.service.name,
    )
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_crowd_finds_room_to_wait_before_anybody_is_accepted() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), "http_addr").unwrap();
        let address = listener.local_addr().unwrap();
        let kernels = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let mut crowd = JoinSet::new();
        for _ in 0..256.min(kernels.trim().parse().unwrap()) {
            crowd.spawn(TcpStream::connect(address));
        }
        // Whoever finds none would wait until somebody is accepted, which nobody is here.
        let come = timeout(Duration::from_secs(10), crowd.join_all()).await;
        assert!(come.unwrap().iter().all(Result::is_ok));
    }
}
