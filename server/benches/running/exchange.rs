//! HTTP/1.1 with as little work as can be: driver and server share the machine.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CipherSuite, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where a server listens, and whether it speaks TLS there.
#[derive(Clone)]
pub struct Target {
    pub port: u16,
    tls: Option<TlsConnector>,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Target {
    /// Of an address like `https://localhost:8443`.
    pub fn of(url: &str) -> Self {
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        let tls = url.starts_with("https:").then(|| {
            let mut provider = rustls::crypto::ring::default_provider();
            // In the order of browsers, which want 128 bits first.
            provider
                .cipher_suites
                .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
            let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody))
                .with_no_client_auth();
            // Whoever signs up comes for the first time.
            config.resumption = Resumption::disabled();
            TlsConnector::from(Arc::new(config))
        });
        Self { port, tls }
    }

    /// A connection for one request after the other.
    pub async fn connect(&self) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from("localhost").unwrap();
                Box::new(tls.connect(name, stream).await?)
            }
        };
        let port = self.port;
        Ok(Connection { stream, port })
    }

    /// Sends a request on a connection of its own.
    pub async fn ask(&self, head: &str, body: &str) -> std::io::Result<Answer> {
        let last = format!("{head}\r\nConnection: close");
        self.connect().await?.ask(&last, body).await
    }

    /// Posts a form, as a program does, on a connection of its own.
    pub async fn post(&self, path: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        self.ask(&posting(path, headers), body).await
    }
}

/// The head of a form that is posted.
pub fn posting(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded{headers}")
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a server.
pub struct Connection {
    stream: Box<dyn Stream>,
    port: u16,
}

impl Connection {
    /// Sends a request whose head has no `Host` yet and no empty line at its end.
    pub async fn ask(&mut self, head: &str, body: &str) -> std::io::Result<Answer> {
        let request = format!(
            "{head}\r\nHost: localhost:{}\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let mut answer = Vec::with_capacity(8_192);
        loop {
            if self.stream.read_buf(&mut answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = Answer::whole(&answer) {
                return Ok(answer);
            }
        }
    }
}

impl Answer {
    /// `None` until all of it is there.
    fn whole(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
        let answer = Self { status, head, body };
        let length: usize = answer.headers("content-length").next()?.parse().ok()?;
        (bytes.len() - end - 4 == length).then_some(answer)
    }

    /// When to come back, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers("retry-after").next()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    fn headers(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.head.lines().filter_map(move |line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(wanted).then_some(value)
        })
    }

    /// The session's cookie, if it sets one: what a browser would send back.
    pub fn cookie(&self) -> Option<&str> {
        let session = |cookie: &&str| cookie.starts_with("__Host-latchkey=");
        let cookie = self.headers("set-cookie").find(session)?;
        Some(cookie.split(';').next().unwrap_or(cookie))
    }
}

/// Trusts every certificate: this is about time.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
