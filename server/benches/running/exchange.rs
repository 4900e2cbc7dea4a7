//! One HTTP/1.1 exchange on a connection of its own, with as little work as can be: driver and
//! server share the machine.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
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
            let _ = rustls::crypto::ring::default_provider().install_default();
            let config = ClientConfig::builder()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody))
                .with_no_client_auth();
            TlsConnector::from(Arc::new(config))
        });
        Self { port, tls }
    }

    /// Sends a request whose head has no `Host` yet and no empty line at its end.
    pub async fn ask(&self, head: &str, body: &str) -> std::io::Result<Answer> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "{head}\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        match &self.tls {
            None => exchange(stream, &request).await,
            Some(tls) => {
                let name = ServerName::try_from("localhost").unwrap();
                exchange(tls.connect(name, stream).await?, &request).await
            }
        }
    }

    /// Posts a form, as a program does.
    pub async fn post(&self, path: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded{headers}"
        );
        self.ask(&head, body).await
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> std::io::Result<Answer> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(2_048);
    match stream.read_to_end(&mut answer).await {
        // The server has closed without a word of TLS; everything was there.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

impl Answer {
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
