//! A relay in the test's own process: a real socket, real SMTP, faults at the test's command.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail_parser::MessageParser;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// No test waits longer than this for a mail.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running relay; it stops when dropped.
pub struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Bound and never listening: keeps the port while the relay is down.
    _port: TcpSocket,
    running: JoinHandle<()>,
}

/// What the relay offers.
#[derive(Default)]
pub struct Offer {
    pub encryption: Encryption,
    /// In addition to PLAIN and LOGIN being offered, no mail is taken without them.
    pub login: Option<(&'static str, &'static str)>,
    /// No PIPELINING: hangs up on who does not wait for each answer.
    pub one_at_a_time: bool,
}

#[derive(Default)]
pub enum Encryption {
    #[default]
    None,
    StartTls(rcgen::CertifiedKey<rcgen::KeyPair>),
    Implicit(rcgen::CertifiedKey<rcgen::KeyPair>),
}

/// Where in the conversation a fault happens: instead of the relay's answer to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The final dot; a fault here finds the mail taken already, but for [`Fault::Answer`].
    Dot,
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// This line instead of the right answer.
    Answer(&'static str),
    /// No answer, ever.
    Hang,
    /// The connection ends.
    Cut,
    /// The right answer, so much later.
    Late(Duration),
    /// This line instead of the right answer, and nothing more.
    AnswerAndHang(&'static str),
}

/// A mail that the relay took.
#[derive(Clone, Debug)]
pub struct Received {
    pub from: String,
    pub recipients: Vec<String>,
    pub raw: Vec<u8>,
    /// The relay counts its connections, from 1.
    pub connection: usize,
    pub encrypted: bool,
    /// Whether more had been said before MAIL was answered.
    pub at_once: bool,
}

impl Received {
    pub fn message(&self) -> mail_parser::Message<'_> {
        MessageParser::default().parse(&self.raw).unwrap()
    }

    /// The code that it brings: the end of its subject.
    pub fn code(&self) -> String {
        let message = self.message();
        let subject = message.subject().unwrap();
        subject.rsplit(' ').next().unwrap().to_owned()
    }

    pub fn text(&self) -> String {
        self.message().body_text(0).unwrap().into_owned()
    }
}

struct Shared {
    start_tls: Option<TlsAcceptor>,
    implicit_tls: Option<TlsAcceptor>,
    login: Option<(&'static str, &'static str)>,
    one_at_a_time: bool,
    faults: Mutex<VecDeque<(At, Fault)>>,
    received: Mutex<VecDeque<Received>>,
    arrived: Notify,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// Mails that may be taken; `None`: any number.
    gate: Mutex<Option<Arc<Semaphore>>>,
}

impl SmtpServer {
    /// A relay without TLS and without a login.
    pub async fn start() -> Self {
        Self::offering(Offer::default()).await
    }

    pub async fn offering(offer: Offer) -> Self {
        let (start_tls, implicit_tls) = match &offer.encryption {
            Encryption::None => (None, None),
            Encryption::StartTls(certificate) => (Some(acceptor(certificate)), None),
            Encryption::Implicit(certificate) => (None, Some(acceptor(certificate))),
        };
        let shared = Arc::new(Shared {
            start_tls,
            implicit_tls,
            login: offer.login,
            one_at_a_time: offer.one_at_a_time,
            faults: Mutex::default(),
            received: Mutex::default(),
            arrived: Notify::new(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            gate: Mutex::default(),
        });
        let port = socket("127.0.0.1:0".parse().unwrap());
        let address = port.local_addr().unwrap();
        Self {
            address,
            running: tokio::spawn(accept(listen(address), Arc::clone(&shared))),
            shared,
            _port: port,
        }
    }

    /// `127.0.0.1:port`, for a URL.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The next time the conversation comes there, this happens. Faults wait in a queue: each
    /// happens once, in the order given.
    pub fn fault(&self, at: At, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back((at, fault));
    }

    /// The oldest mail to `address` that was not asked for yet, as soon as it is there.
    pub async fn mail_to(&self, address: &str) -> Received {
        let arrival = async {
            loop {
                let arrived = self.shared.arrived.notified();
                if let Some(mail) = self.shared.take_mail_to(address) {
                    return mail;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(PATIENCE, arrival)
            .await
            .unwrap_or_else(|_| panic!("no mail to {address}"))
    }

    /// The oldest mail to anybody that was not asked for yet, as soon as it is there.
    pub async fn next_mail(&self) -> Received {
        let arrival = async {
            loop {
                let arrived = self.shared.arrived.notified();
                let next = self.shared.received.lock().unwrap().pop_front();
                if let Some(mail) = next {
                    return mail;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(PATIENCE, arrival)
            .await
            .expect("no mail")
    }

    /// From now on takes only as many mails as it is let.
    pub fn hold(&self) {
        *self.shared.gate.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    }

    pub fn let_through(&self, mails: usize) {
        if let Some(gate) = &*self.shared.gate.lock().unwrap() {
            gate.add_permits(mails);
        }
    }

    /// How many connections were ever made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many mails nobody has asked for.
    pub fn unread(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// The most connections that were ever open at once.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// Hangs up on everybody; who connects now is refused.
    pub async fn go_down(&mut self) {
        self.running.abort();
        let _ = (&mut self.running).await;
    }

    pub fn come_back(&mut self) {
        self.running = tokio::spawn(accept(listen(self.address), Arc::clone(&self.shared)));
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Shared {
    fn take_mail_to(&self, address: &str) -> Option<Received> {
        let mut received = self.received.lock().unwrap();
        let found = received
            .iter()
            .position(|mail| mail.recipients.iter().any(|to| to == address))?;
        received.remove(found)
    }

    fn take_fault(&self, at: At) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        faults
            .pop_front_if(|(place, _)| *place == at)
            .map(|(_, fault)| fault)
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

fn listen(address: SocketAddr) -> TcpListener {
    socket(address).listen(128).unwrap()
}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Sessions end with this task, when it is aborted.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        sessions.spawn(serve(stream, Arc::clone(&shared)));
        while sessions.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_open.fetch_max(open, Ordering::SeqCst);
    // A connection that ends in the middle is what many tests are about.
    let _ = converse(stream, &shared).await;
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

async fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let connection = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let stream: Box<dyn Stream> = match &shared.implicit_tls {
        Some(tls) => Box::new(tls.accept(stream).await?),
        None => Box::new(stream),
    };
    let mut session = Session {
        shared,
        stream: BufReader::new(stream),
        connection,
        encrypted: shared.implicit_tls.is_some(),
        logged_in: false,
        at_once: false,
        from: None,
        recipients: Vec::new(),
    };
    session.answer(At::Greeting, "220 relay.test ESMTP").await?;
    loop {
        let line = session.line().await?;
        if shared.one_at_a_time && session.has_more() {
            let answer = "503 5.5.0 Improper use of SMTP command pipelining";
            return session.write(answer).await;
        }
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => session.ehlo().await?,
            "STARTTLS" => session = session.start_tls().await?,
            "AUTH" => session.auth(&line).await?,
            "MAIL" => session.mail(&line).await?,
            "RCPT" => session.rcpt(&line).await?,
            "DATA" => session.data().await?,
            "RSET" => {
                session.forget();
                session.write("250 2.0.0 Forgotten").await?;
            }
            "QUIT" => return session.write("221 2.0.0 Bye").await,
            _ => session.write("500 5.5.1 What?").await?,
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Session<'a> {
    shared: &'a Shared,
    stream: BufReader<Box<dyn Stream>>,
    connection: usize,
    encrypted: bool,
    logged_in: bool,
    at_once: bool,
    from: Option<String>,
    recipients: Vec<String>,
}

impl Session<'_> {
    async fn ehlo(&mut self) -> io::Result<()> {
        let mut lines = vec!["relay.test", "8BITMIME"];
        if !self.shared.one_at_a_time {
            lines.push("PIPELINING");
        }
        if self.shared.start_tls.is_some() && !self.encrypted {
            lines.push("STARTTLS");
        }
        if self.shared.login.is_some() {
            lines.push("AUTH PLAIN LOGIN");
        }
        let last = lines.len() - 1;
        let answer: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(n, line)| format!("250{}{line}", if n == last { ' ' } else { '-' }))
            .collect();
        self.answer(At::Ehlo, &answer.join("\r\n")).await
    }

    async fn start_tls(mut self) -> io::Result<Self> {
        let Some(tls) = &self.shared.start_tls else {
            self.write("502 5.5.1 No TLS here").await?;
            return Ok(self);
        };
        self.answer(At::StartTls, "220 2.0.0 Go on").await?;
        let stream = tls.accept(self.stream.into_inner()).await?;
        Ok(Self {
            stream: BufReader::new(Box::new(stream)),
            encrypted: true,
            ..self
        })
    }

    async fn auth(&mut self, line: &str) -> io::Result<()> {
        let expected = self.shared.login.map(|(user, password)| {
            use base64::prelude::{BASE64_STANDARD, Engine};
            BASE64_STANDARD.encode(format!("\0{user}\0{password}"))
        });
        self.logged_in =
            expected.is_some() && line.strip_prefix("AUTH PLAIN ") == expected.as_deref();
        let answer = if self.logged_in {
            "235 2.7.0 Welcome"
        } else {
            "535 5.7.8 Wrong"
        };
        self.answer(At::Auth, answer).await
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        if self.shared.login.is_some() && !self.logged_in {
            return self.write("530 5.7.0 Log in first").await;
        }
        if self.from.is_some() {
            return self.write("503 5.5.1 One at a time").await;
        }
        if self.answer_faulty(At::Mail).await? {
            return Ok(());
        }
        self.at_once = self.has_more();
        self.from = Some(path(line));
        self.write("250 2.1.0 Sender").await
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.write("503 5.5.1 From whom?").await;
        }
        if self.answer_faulty(At::Rcpt).await? {
            return Ok(());
        }
        self.recipients.push(path(line));
        self.write("250 2.1.5 Recipient").await
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.answer_faulty(At::Data).await? {
            return Ok(());
        }
        if self.recipients.is_empty() {
            return self.write("503 5.5.1 For whom?").await;
        }
        self.write("354 Go on").await?;
        let mut raw = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                break;
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let mail = Received {
            from: self.from.take().unwrap_or_default(),
            recipients: std::mem::take(&mut self.recipients),
            raw,
            connection: self.connection,
            encrypted: self.encrypted,
            at_once: self.at_once,
        };
        let gate = self.shared.gate.lock().unwrap().clone();
        if let Some(gate) = gate
            && let Ok(permit) = gate.acquire().await
        {
            permit.forget();
        }
        let fault = self.shared.take_fault(At::Dot);
        if !matches!(fault, Some(Fault::Answer(_))) {
            self.shared.received.lock().unwrap().push_back(mail);
            self.shared.arrived.notify_waiters();
        }
        match fault {
            Some(Fault::Late(delay)) => {
                tokio::time::sleep(delay).await;
                self.write("250 2.0.0 Taken").await
            }
            Some(fault) => self.fail(fault).await,
            None => self.write("250 2.0.0 Taken").await,
        }
    }

    /// Whether the client did not wait for an answer.
    fn has_more(&self) -> bool {
        !self.stream.buffer().is_empty()
    }

    fn forget(&mut self) {
        self.from = None;
        self.recipients.clear();
    }

    /// `right`, unless a fault is due here.
    async fn answer(&mut self, at: At, right: &str) -> io::Result<()> {
        if self.answer_faulty(at).await? {
            return Ok(());
        }
        self.write(right).await
    }

    async fn answer_faulty(&mut self, at: At) -> io::Result<bool> {
        let Some(fault) = self.shared.take_fault(at) else {
            return Ok(false);
        };
        if let Fault::Late(delay) = fault {
            tokio::time::sleep(delay).await;
            return Ok(false);
        }
        self.fail(fault).await?;
        Ok(true)
    }

    async fn fail(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Answer(line) => {
                self.write(line).await?;
                // RFC 5321 §3.8: who says 421 hangs up.
                if line.starts_with("421") {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Ok(())
            }
            Fault::Hang | Fault::AnswerAndHang(_) => {
                if let Fault::AnswerAndHang(line) = fault {
                    self.write(line).await?;
                }
                // Until the client gives up.
                let _ = self.stream.read_to_end(&mut Vec::new()).await;
                Err(io::ErrorKind::TimedOut.into())
            }
            Fault::Cut | Fault::Late(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn write(&mut self, line: &str) -> io::Result<()> {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
        self.stream.flush().await
    }
}

/// What stands between the angle brackets.
fn path(line: &str) -> String {
    line.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(path, _)| path.to_owned())
        .unwrap_or_default()
}
