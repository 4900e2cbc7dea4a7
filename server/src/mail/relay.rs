//! The conversation with the relay, over connections that are kept for the next mail.
//!
//! It is held command by command over lettre's connection, not through lettre's own pooled
//! transport: that one does not tell at which step it failed, sets no limit to the wait for an
//! answer, and puts a connection back whose conversation was given up half way, so that the next
//! mail would take an answer meant for the one before. Nor does it know of pipelining (RFC 2920): a
//! relay that offers it, as most do, is told sender, recipient and DATA at once, so that a mail takes
//! two round trips instead of four.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::compose::Composed;
use super::relay_url::{Encryption, RelayUrl};
use super::transport::{DeliveryError, Reason, Step};

/// How many conversations one process holds with the relay at the same time.
pub const MAX_CONNECTIONS: usize = 16;

/// Shorter than what relays grant an idle client, so that they rarely hang up first.
const IDLE_LIFETIME: Duration = Duration::from_secs(20);

/// A relay, and the connections to it. Clones share them.
#[derive(Clone, Debug)]
pub struct SmtpRelay {
    shared: Arc<Shared>,
}

/// How long the relay may take. RFC 5321 §4.5.3.2 grants minutes, but a code lives for one: the
/// outbox would rather try again than wait.
#[derive(Clone, Copy, Debug)]
pub struct RelayLimits {
    /// For each address of the relay, to be reached.
    pub connect: Duration,
    /// For each answer, and for a TLS handshake. Relays may keep the answers to what is said at once
    /// until they have them all; a connection that has died without a word is to be noticed all the
    /// same.
    pub answer: Duration,
    /// For the answer to the final dot, when the relay scans and stores the mail. Giving up too
    /// early here makes a second mail out of one.
    pub message: Duration,
    /// For everything together, once a connection is free.
    pub delivery: Duration,
}

struct Shared {
    url: RelayUrl,
    tls: TlsParameters,
    client_id: ClientId,
    limits: RelayLimits,
    permits: Semaphore,
    idle: Mutex<Idle>,
    /// Whether everything is said one after the other, whatever the relay offers: it did not bear
    /// more.
    one_at_a_time: AtomicBool,
}

#[derive(Default)]
struct Idle {
    /// The one used last is at the end, and taken first: so the others can age.
    connections: Vec<(Instant, Connection)>,
    is_watched: bool,
}

struct Connection {
    smtp: AsyncSmtpConnection,
    /// Whether the relay takes commands before it has answered the ones before.
    is_pipelining: bool,
    /// Whether each command has had its answer, so that another can be said.
    is_in_step: bool,
}

/// A mail as it follows DATA, its end included, with lines that begin with a dot given another
/// (RFC 5321 §4.5.2).
///
/// It is one write. lettre's own `message` writes the end apart, which the system (Nagle's
/// algorithm) holds back until the relay has acknowledged the rest, for some 40 ms.
struct Message<'a>(&'a str);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.split("\r\n").enumerate() {
            f.write_str(if number == 0 { "" } else { "\r\n" })?;
            f.write_str(if line.starts_with('.') { "." } else { "" })?;
            f.write_str(line)?;
        }
        f.write_str("\r\n.\r\n")
    }
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(15),
            message: Duration::from_secs(30),
            delivery: Duration::from_secs(45),
        }
    }
}

impl SmtpRelay {
    /// A relay at `url`, to which we introduce ourselves as `client_id`. Connects to nobody yet.
    ///
    /// `authorities` are certificates in PEM, trusted in addition to the machine's own.
    ///
    /// # Errors
    /// When `authorities` are not certificates.
    pub fn new(
        url: RelayUrl,
        authorities: Option<&[u8]>,
        client_id: ClientId,
        limits: RelayLimits,
    ) -> anyhow::Result<Self> {
        // Who names an authority wants it asked, even if the relay may do without TLS.
        let is_unchecked = url.encryption == Encryption::Opportunistic && authorities.is_none();
        let mut tls = TlsParameters::builder(url.host.clone())
            .dangerous_accept_invalid_certs(is_unchecked)
            .dangerous_accept_invalid_hostnames(is_unchecked);
        if let Some(pem) = authorities {
            tls = tls.add_root_certificate(certificates(pem)?);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                url,
                tls: tls.build().context("TLS cannot be set up")?,
                client_id,
                limits,
                permits: Semaphore::new(MAX_CONNECTIONS),
                idle: Mutex::default(),
                one_at_a_time: AtomicBool::default(),
            }),
        })
    }

    /// Hands `mail` over, within the time limits.
    ///
    /// # Errors
    /// See [`Transport::deliver`](super::Transport::deliver).
    pub async fn deliver(&self, mail: &Composed) -> Result<(), DeliveryError> {
        // Never closed, so the permit is always there in the end.
        let _permit = self.shared.permits.acquire().await;
        let mut step = Step::Connect;
        timeout(self.shared.limits.delivery, self.converse(mail, &mut step))
            .await
            .unwrap_or(Err(Reason::Timeout))
            .map_err(|reason| DeliveryError::new(step, reason))
    }

    /// Whether the relay can be talked to at all, within the time limits; hands nothing over.
    ///
    /// # Errors
    /// See [`Transport::deliver`](super::Transport::deliver).
    pub async fn reach(&self) -> Result<(), DeliveryError> {
        let _permit = self.shared.permits.acquire().await;
        let mut step = Step::Connect;
        timeout(self.shared.limits.delivery, self.greet(&mut step))
            .await
            .unwrap_or(Err(Reason::Timeout))
            .map_err(|reason| DeliveryError::new(step, reason))
    }

    async fn greet(&self, step: &mut Step) -> Result<(), Reason> {
        while let Some(mut connection) = self.shared.take_idle() {
            if self.answer(connection.smtp.command(Rset)).await.is_ok() {
                self.keep(connection);
                return Ok(());
            }
        }
        let connection = self.connect(step).await?;
        self.keep(connection);
        Ok(())
    }

    /// A connection is out of the pool while it is used, and only comes back when the
    /// conversation has reached an end: whatever interrupts it, nobody meets a late answer.
    async fn converse(&self, mail: &Composed, step: &mut Step) -> Result<(), Reason> {
        while let Some(connection) = self.shared.take_idle() {
            match self.hand_over(connection, mail, step).await {
                // The relay hung up on the idle connection: nothing has happened yet.
                Err(Reason::Cut | Reason::NotSmtp | Reason::Reply(421))
                    if *step == Step::Sender => {}
                outcome => return outcome,
            }
        }
        let connection = self.connect(step).await?;
        self.hand_over(connection, mail, step).await
    }

    async fn hand_over(
        &self,
        mut connection: Connection,
        mail: &Composed,
        step: &mut Step,
    ) -> Result<(), Reason> {
        let outcome = self.transact(&mut connection, mail, step).await;
        match outcome {
            Ok(()) => self.keep(connection),
            // It is about to hang up (RFC 5321 §3.8).
            Err(Reason::Reply(421)) => {}
            Err(Reason::Reply(_)) if connection.is_in_step => {
                let reset = self.answer(connection.smtp.command(Rset)).await;
                if reset.is_ok() {
                    self.keep(connection);
                }
            }
            Err(_) => {}
        }
        outcome
    }

    async fn transact(
        &self,
        connection: &mut Connection,
        mail: &Composed,
        step: &mut Step,
    ) -> Result<(), Reason> {
        self.announce(connection, mail, step).await?;
        *step = Step::Message;
        let message = connection.smtp.command(Message(&mail.message));
        expected(*step, &within(self.shared.limits.message, message).await?)
    }

    /// Says all that comes before the message, at once where the relay takes that.
    async fn announce(
        &self,
        connection: &mut Connection,
        mail: &Composed,
        step: &mut Step,
    ) -> Result<(), Reason> {
        let commands = announcement(mail);
        if !connection.is_pipelining || self.shared.says_one_at_a_time() {
            for command in commands.chunks(1) {
                self.say(connection, command, step).await?;
            }
            return Ok(());
        }
        let outcome = self.say(connection, &commands, step).await;
        // There are relays that offer it and do not understand.
        if let Err(Reason::Reply(500 | 502 | 503)) = outcome {
            self.shared.say_one_at_a_time();
        }
        outcome
    }

    /// Says `commands` in one go and hears the answer to each. The first wrong one counts, and is
    /// where `step` ends.
    async fn say(
        &self,
        connection: &mut Connection,
        commands: &[(Step, String)],
        step: &mut Step,
    ) -> Result<(), Reason> {
        connection.is_in_step = false;
        let all: String = commands.iter().map(|(_, command)| &**command).collect();
        let mut unsaid = Some(all);
        let mut outcome = Ok(());
        for &(at, _) in commands {
            if outcome.is_ok() {
                *step = at;
            }
            let answer = match unsaid.take() {
                Some(all) => self.answer(connection.smtp.command(all)).await,
                None => self.answer(connection.smtp.read_response()).await,
            };
            match answer.and_then(|response| expected(at, &response)) {
                // It waits for a message to nobody (RFC 2920 §3.1), and would take RSET for one.
                Ok(()) if at == Step::Data && outcome.is_err() => return outcome,
                Ok(()) => {}
                // The others are answered all the same; after 421 the relay hangs up.
                Err(Reason::Reply(code)) if code != 421 => {
                    outcome = outcome.and(Err(Reason::Reply(code)));
                }
                Err(reason) => return outcome.and(Err(reason)),
            }
        }
        connection.is_in_step = true;
        outcome
    }

    async fn connect(&self, step: &mut Step) -> Result<Connection, Reason> {
        let Shared {
            url,
            tls,
            client_id,
            limits,
            ..
        } = &*self.shared;
        *step = Step::Connect;
        let reached = AsyncSmtpConnection::connect_tokio1(
            (url.host.as_str(), url.port),
            Some(limits.connect),
            client_id,
            (url.encryption == Encryption::Implicit).then(|| tls.clone()),
            None,
        );
        // lettre limits the time to reach an address; what is left is TLS and the greeting.
        let mut smtp = match timeout(limits.connect + limits.answer, reached).await {
            Err(_) => {
                *step = Step::Greeting;
                return Err(Reason::Timeout);
            }
            Ok(Err(error)) => {
                let reason = reason(&error);
                *step = match reason {
                    Reason::Timeout | Reason::Refused | Reason::Unreachable => Step::Connect,
                    _ => Step::Greeting,
                };
                return Err(reason);
            }
            Ok(Ok(smtp)) => smtp,
        };
        *step = Step::StartTls;
        match url.encryption {
            Encryption::StartTls if !smtp.can_starttls() => return Err(Reason::NoStartTls),
            Encryption::StartTls | Encryption::Opportunistic if smtp.can_starttls() => {
                self.answer(smtp.starttls(tls.clone(), client_id)).await?;
                // What somebody has added to the relay's last words in clear would be taken for its
                // answers now.
                if timeout(Duration::ZERO, smtp.read_response()).await.is_ok() {
                    return Err(Reason::NotSmtp);
                }
            }
            _ => {}
        }
        *step = Step::Greeting;
        let is_pipelining = self.offers_pipelining(&mut smtp).await?;
        if let Some(credentials) = &url.credentials {
            *step = Step::Auth;
            let server = smtp.server_info();
            if server.get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                return Err(Reason::NoAuthentication);
            }
            self.answer(smtp.auth(DEFAULT_MECHANISMS, credentials))
                .await?;
        }
        Ok(Connection {
            smtp,
            is_pipelining,
            is_in_step: true,
        })
    }

    /// Says EHLO once more: of what the relay offers lettre keeps what it knows itself.
    async fn offers_pipelining(&self, smtp: &mut AsyncSmtpConnection) -> Result<bool, Reason> {
        if self.shared.says_one_at_a_time() {
            return Ok(false);
        }
        let ehlo = Ehlo::new(self.shared.client_id.clone());
        let answer = self.answer(smtp.command(ehlo)).await;
        if answer.is_err() {
            self.shared.say_one_at_a_time();
        }
        match answer {
            Ok(response) => Ok(response
                .message()
                .skip(1)
                .any(|offer| offer.trim().eq_ignore_ascii_case("PIPELINING"))),
            // Once was enough for it, and mail can be sent as it is.
            Err(Reason::Reply(code)) if code != 421 => Ok(false),
            Err(reason) => Err(reason),
        }
    }

    async fn answer<T>(
        &self,
        command: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Reason> {
        within(self.shared.limits.answer, command).await
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.shared.idle();
        idle.connections.push((Instant::now(), connection));
        if !idle.is_watched {
            idle.is_watched = true;
            tokio::spawn(take_leave_of_idle(Arc::downgrade(&self.shared)));
        }
    }
}

impl Shared {
    fn says_one_at_a_time(&self) -> bool {
        self.one_at_a_time.load(Ordering::Relaxed)
    }

    /// Until the process ends.
    fn say_one_at_a_time(&self) {
        if !self.one_at_a_time.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "the relay does not take several commands at once; from now on each waits for the answer to \
                 the one before"
            );
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let (since, connection) = idle.connections.pop()?;
        // The newest is too old: so are the others, which are being closed.
        (since.elapsed() < IDLE_LIFETIME).then_some(connection)
    }

    fn take_expired(&self) -> Vec<(Instant, Connection)> {
        self.idle()
            .connections
            .extract_if(.., |(since, _)| since.elapsed() >= IDLE_LIFETIME)
            .collect()
    }

    /// Ends the watch when there is nothing left to watch; under one lock, so that a connection
    /// that comes in at this moment starts a new one.
    fn end_watch_when_empty(&self) -> bool {
        let mut idle = self.idle();
        idle.is_watched = !idle.connections.is_empty();
        !idle.is_watched
    }

    /// No code that holds the lock can leave the list half changed.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the credentials.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Closes connections that have been idle for too long, and ends when none is left.
async fn take_leave_of_idle(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(IDLE_LIFETIME / 2).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        for (_, mut connection) in shared.take_expired() {
            // Politeness: it is closed whatever the answer.
            let _ = timeout(shared.limits.connect, connection.smtp.quit()).await;
        }
        if shared.end_watch_when_empty() {
            return;
        }
    }
}

async fn within<T>(
    limit: Duration,
    command: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Reason> {
    timeout(limit, command)
        .await
        .map_err(|_| Reason::Timeout)?
        .map_err(|error| reason(&error))
}

/// What is said before a message, and at which step.
fn announcement(mail: &Composed) -> Vec<(Step, String)> {
    let sender = Mail::new(mail.envelope.from().cloned(), vec![]);
    let mut commands = vec![(Step::Sender, sender.to_string())];
    for to in mail.envelope.to() {
        let recipient = Rcpt::new(to.clone(), vec![]);
        commands.push((Step::Recipient, recipient.to_string()));
    }
    commands.push((Step::Data, Data.to_string()));
    commands
}

/// Whether the relay goes on as it should (RFC 5321 §4.3.2).
fn expected(step: Step, response: &Response) -> Result<(), Reason> {
    let wanted = if step == Step::Data {
        Severity::PositiveIntermediate
    } else {
        Severity::PositiveCompletion
    };
    (response.code().severity == wanted)
        .then_some(())
        .ok_or(Reason::NotSmtp)
}

/// lettre keeps what happened as the source of its error.
fn reason(error: &lettre::transport::smtp::Error) -> Reason {
    if let Some(code) = error.status() {
        return Reason::Reply(code.into());
    }
    if error.is_response() {
        return Reason::NotSmtp;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return io_reason(cause);
        }
        source = cause.source();
    }
    Reason::Unreachable
}

fn io_reason(error: &io::Error) -> Reason {
    use io::ErrorKind;
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return tls_reason(tls);
    }
    match error.kind() {
        ErrorKind::TimedOut => Reason::Timeout,
        ErrorKind::ConnectionRefused => Reason::Refused,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => Reason::Cut,
        // Not UTF-8.
        ErrorKind::InvalidData => Reason::NotSmtp,
        _ => Reason::Unreachable,
    }
}

fn tls_reason(error: &rustls::Error) -> Reason {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Reason::Tls;
    };
    match certificate {
        Certificate::UnknownIssuer => Reason::CertificateUntrusted,
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            Reason::CertificateName
        }
        Certificate::Expired
        | Certificate::ExpiredContext { .. }
        | Certificate::NotValidYet
        | Certificate::NotValidYetContext { .. } => Reason::CertificateExpired,
        _ => Reason::Tls,
    }
}

fn certificates(pem: &[u8]) -> anyhow::Result<Certificate> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    // lettre would take a file without any certificate, and then trust nobody new.
    let count = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .context("it is not in PEM form")?
        .len();
    anyhow::ensure!(count > 0, "it holds no certificate");
    Certificate::from_pem(pem).context("it holds something that is no certificate")
}
