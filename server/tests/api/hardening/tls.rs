//! What the HTTPS port agrees to, byte for byte where no client would offer it any more.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::Request;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion,
    version,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{PATIENCE, SHORT, connect, until_closed};
use crate::app::App;

/// Shakes hands, offering nothing but this.
pub(super) async fn shake_hands(
    app: &App,
    versions: &[&'static SupportedProtocolVersion],
    suites: &[SupportedCipherSuite],
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let pem = std::fs::read(app.data_dir().join("self-signed.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let mut provider = default_provider();
    provider.cipher_suites = suites.to_vec();
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = connect(app.https).await;
    let connected = TlsConnector::from(Arc::new(client)).connect(name, connection);
    timeout(PATIENCE, connected).await.unwrap()
}

#[tokio::test]
async fn tls_1_3_and_1_2_are_spoken_with_modern_suites() {
    let app = App::start().await;
    let (tls13, tls12) = (&version::TLS13, &version::TLS12);
    // The certificate made here has an ECDSA key; of the suites for RSA keys, `tls::tests` knows.
    for (version, suite) in [
        (tls13, cipher_suite::TLS13_AES_256_GCM_SHA384),
        (tls13, cipher_suite::TLS13_AES_128_GCM_SHA256),
        (tls13, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
        (tls12, cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        (tls12, cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (
            tls12,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
    ] {
        let connection = shake_hands(&app, &[version], &[suite], &["h2"]).await;
        let connection = connection.unwrap();
        let (_, session) = connection.get_ref();
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.negotiated_cipher_suite(), Some(suite));
    }
    // Whoever can do both gets the newer.
    let all = default_provider().cipher_suites;
    let connection = shake_hands(&app, &[tls12, tls13], &all, &[]).await.unwrap();
    let (_, session) = connection.get_ref();
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn http_2_is_preferred_and_nothing_but_http_is_agreed_on() {
    let app = App::start().await;
    let all = default_provider().cipher_suites;
    for (offered, agreed) in [
        (&["http/1.1", "h2"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let connection = shake_hands(&app, &[&version::TLS13], &all, offered).await;
        let connection = connection.unwrap();
        assert_eq!(connection.get_ref().1.alpn_protocol(), agreed);
    }
    // And it is spoken.
    let connection = shake_hands(&app, &[&version::TLS13], &all, &["h2"]).await;
    let (client, connection) = h2::client::handshake(connection.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/healthz").body(()).unwrap();
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    let other = shake_hands(&app, &[&version::TLS13], &all, &["imap"]).await;
    assert!(other.is_err());
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;

#[tokio::test]
async fn old_versions_and_weak_suites_are_refused() {
    let app = App::start().await;
    let tls12 = [3, 3];
    // So that what is refused below is refused for what it offers.
    let modern = hello(app.https, tls12, 0xc02b).await;
    assert_eq!(modern[0], HANDSHAKE, "{modern:x?}");
    for (suite, name) in [
        (0xc009, "ECDHE-ECDSA-AES128-SHA"),
        (0xc023, "ECDHE-ECDSA-AES128-SHA256"),
        (0xc008, "ECDHE-ECDSA-DES-CBC3-SHA"),
        (0xc007, "ECDHE-ECDSA-RC4-SHA"),
        (0xc013, "ECDHE-RSA-AES128-SHA"),
        (0x009e, "DHE-RSA-AES128-GCM-SHA256"),
        (0x009c, "AES128-GCM-SHA256"),
        (0x002f, "AES128-SHA"),
        (0x0005, "RC4-SHA"),
        (0xc006, "ECDHE-ECDSA-NULL-SHA"),
    ] {
        let answer = hello(app.https, tls12, suite).await;
        assert_eq!(
            alert(&answer),
            Some(HANDSHAKE_FAILURE),
            "{name}: {answer:x?}"
        );
    }
    for (version, name) in [
        ([3, 2], "TLS 1.1"),
        ([3, 1], "TLS 1.0"),
        ([3, 0], "SSL 3.0"),
    ] {
        let answer = hello(app.https, version, 0xc009).await;
        assert_eq!(
            alert(&answer),
            Some(PROTOCOL_VERSION),
            "{name}: {answer:x?}"
        );
    }
}

/// The first bytes that a `ClientHello` of this version with this one suite is answered by.
async fn hello(address: SocketAddr, version: [u8; 2], suite: u16) -> Vec<u8> {
    let [high, low] = suite.to_be_bytes();
    let extensions = [
        &[0, 10, 0, 6, 0, 4, 0, 29, 0, 23][..], // groups: x25519, secp256r1
        &[0, 11, 0, 2, 1, 0],                   // points: uncompressed
        &[0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1], // ECDSA, RSA-PSS and RSA with SHA-256
    ]
    .concat();
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.extend([0, 0, 2, high, low, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut message = vec![HANDSHAKE, 3, 1];
    message.extend((length + 4).to_be_bytes());
    message.extend([1, 0]);
    message.extend(length.to_be_bytes());
    message.extend(body);
    let mut connection = connect(address).await;
    connection.write_all(&message).await.unwrap();
    let mut answer = vec![0; 7];
    timeout(PATIENCE, connection.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

/// Which alert these bytes are.
fn alert(record: &[u8]) -> Option<u8> {
    (record[0] == ALERT).then(|| record[6])
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let app = App::start_in(|_| {}, |world| world.time_limits.handshake = SHORT).await;
    let mut silent = connect(app.https).await;
    assert_eq!(until_closed(&mut silent).await, b"");
    let mut half = connect(app.https).await;
    half.write_all(&[HANDSHAKE, 3, 1, 0, 200, 1, 0])
        .await
        .unwrap();
    until_closed(&mut half).await;
    app.get("/healthz").await.assert_is(200, "");
}
