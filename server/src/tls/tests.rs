use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use tempfile::TempDir;

use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn public_url() -> Url {
    "https://sign-up.example".parse().unwrap()
}

async fn self_signed(folder: &Path, now: DateTime<Utc>) -> Tls {
    load(&TlsConfig::default(), folder, &public_url(), now)
        .await
        .unwrap()
        .unwrap()
}

fn kept(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("self-signed.pem")).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A data folder that is empty.
fn fresh() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    fs::create_dir(&folder).unwrap();
    (root, folder)
}

/// The client's clock stands still at [`now`].
#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = now().timestamp().try_into().ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// The leaf that a client gets who trusts nothing but `pem`.
fn handshake(tls: &Tls, name: &str, pem: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = rustls::ClientConfig::builder_with_details(provider, Arc::new(Fixed))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = rustls::ServerConnection::new(tls.rustls_config().get_inner()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
    Ok(client.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn off_has_no_certificate() {
    let (_root, folder) = fresh();
    let tls = TlsConfig {
        mode: TlsMode::Off,
        ..TlsConfig::default()
    };
    let loaded = load(&tls, &folder, &public_url(), now()).await.unwrap();
    assert!(loaded.is_none());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn the_first_start_makes_a_certificate_for_this_machine_and_the_public_name() {
    let (_root, folder) = fresh();
    self_signed(&folder, now()).await;
    assert_eq!(mode(&folder.join("self-signed.pem")), 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    let pem = kept(&folder);
    let made = Certificate::from_pem(&pem, &pem).unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "sign-up.example"] {
        assert!(made.is_for(name), "{name}");
    }
    assert!(!made.is_for("example"));
    assert!(made.is_valid(now()));
    assert!(made.not_after - made.not_before <= TimeDelta::days(365));
}

#[test]
fn a_certificate_is_for_what_its_names_stand_for() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["*.example.org".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let made = Certificate::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    for (url, fits) in [
        ("https://sign-up.example.org", true),
        ("https://SIGN-UP.example.org.:8443", true),
        ("https://example.org", false),
        ("https://a.b.example.org", false),
        ("https://192.0.2.1", false),
        ("https://[2001:db8::1]", false),
    ] {
        assert_eq!(made.is_for(&host(&url.parse().unwrap())), fits, "{url}");
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_shakes_hands_under_each_name() {
    let (_root, folder) = fresh();
    let tls = self_signed(&folder, now()).await;
    for name in ["localhost", "127.0.0.1", "::1", "sign-up.example"] {
        handshake(&tls, name, &kept(&folder)).unwrap();
    }
    assert!(handshake(&tls, "elsewhere.example", &kept(&folder)).is_err());
}

/// RFC 9325 §4.2: an ephemeral key exchange and an authenticated cipher, whatever rustls comes to
/// add. What is agreed on over a socket, `tests/api/hardening/tls.rs` knows.
#[tokio::test]
async fn only_modern_suites_are_offered() {
    let (_root, folder) = fresh();
    let tls = self_signed(&folder, now()).await;
    let server_config = tls.rustls_config().get_inner();
    let suites = &server_config.crypto_provider().cipher_suites;
    let names: Vec<_> = suites.iter().filter_map(|s| s.suite().as_str()).collect();
    assert_eq!(
        names,
        [
            "TLS13_AES_256_GCM_SHA384",
            "TLS13_AES_128_GCM_SHA256",
            "TLS13_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        ]
    );
    assert_eq!(server_config.alpn_protocols, [&b"h2"[..], b"http/1.1"]);
    // What is sent before the handshake is over can be sent again by anybody.
    assert_eq!(server_config.max_early_data_size, 0);
}

#[tokio::test]
async fn the_second_start_uses_the_same_certificate() {
    let (_root, folder) = fresh();
    self_signed(&folder, now()).await;
    let first = kept(&folder);
    self_signed(&folder, now() + TimeDelta::days(300)).await;
    assert_eq!(kept(&folder), first);
}

#[tokio::test]
async fn a_start_renews_what_is_about_to_expire_or_of_no_use() {
    let (_root, folder) = fresh();
    let path = folder.join("self-signed.pem");
    self_signed(&folder, now()).await;
    let first = kept(&folder);

    self_signed(&folder, now() + TimeDelta::days(336)).await;
    assert_ne!(kept(&folder), first, "29 days were left");

    let (_other_root, other) = fresh();
    self_signed(&other, now()).await;
    let ours = String::from_utf8(first.clone()).unwrap();
    let theirs = String::from_utf8(kept(&other)).unwrap();
    let split = |pem: &str| pem.find("-----BEGIN PRIVATE").unwrap();
    let mismatched = format!("{}{}", &ours[..split(&ours)], &theirs[split(&theirs)..]);
    for broken in [
        mismatched.as_str(),
        "",
        "no PEM",
        &ours[..split(&ours)],
        &ours[..200],
    ] {
        fs::write(&path, broken).unwrap();
        self_signed(&folder, now()).await;
        assert_ne!(kept(&folder), broken.as_bytes());
        assert_eq!(mode(&path), 0o600);
    }

    fs::write(&path, &first).unwrap();
    let elsewhere = "https://elsewhere.example".parse().unwrap();
    let tls = TlsConfig::default();
    load(&tls, &folder, &elsewhere, now()).await.unwrap();
    assert_ne!(kept(&folder), first, "the public name is another");
}

#[tokio::test]
async fn a_key_open_to_others_is_closed() {
    let (_root, folder) = fresh();
    self_signed(&folder, now()).await;
    let path = folder.join("self-signed.pem");
    let first = kept(&folder);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    self_signed(&folder, now()).await;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(kept(&folder), first);
}

#[tokio::test]
async fn a_running_server_renews_its_own_certificate() {
    let (_root, folder) = fresh();
    let mut tls = self_signed(&folder, now()).await;
    let before = tls.rustls_config().get_inner();
    assert_eq!(tls.refresh(now()).await, Refreshed::Unchanged);
    let later = now() + TimeDelta::days(340);
    assert_eq!(tls.refresh(later).await, Refreshed::Replaced);
    assert!(!Arc::ptr_eq(&before, &tls.rustls_config().get_inner()));
    assert_eq!(tls.refresh(later).await, Refreshed::Unchanged);

    fs::write(folder.join("self-signed.pem"), "broken").unwrap();
    assert_eq!(tls.refresh(later).await, Refreshed::Replaced);
}

#[tokio::test]
async fn a_data_folder_taken_away_is_not_made_again_under_a_running_server() {
    let (_root, folder) = fresh();
    let mut tls = self_signed(&folder, now()).await;
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(tls.refresh(now()).await, Refreshed::Unchanged);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_failed_renewal_keeps_the_certificate_and_waits() {
    let (_root, folder) = fresh();
    let mut tls = self_signed(&folder, now()).await;
    let before = tls.rustls_config().get_inner();
    // A file in the folder's place: nothing can be written, even by root.
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    let later = now() + TimeDelta::days(340);
    assert_eq!(tls.refresh(later).await, Refreshed::Kept);
    assert_eq!(tls.refresh(later).await, Refreshed::Unchanged);
    assert!(Arc::ptr_eq(&before, &tls.rustls_config().get_inner()));
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert_eq!(tls.refresh(later + RETRY).await, Refreshed::Replaced);
}

/// A certificate and its key in two files.
fn write_pair(folder: &Path, seconds: i64) -> (Vec<u8>, Vec<u8>) {
    let (_root, own) = fresh();
    let made = SelfSigned::new(&own, "sign-up.example");
    let (_, pem) = made
        .load_or_make(now() + TimeDelta::seconds(seconds))
        .unwrap();
    let text = std::str::from_utf8(&pem).unwrap();
    let (cert, key) = text.split_at(text.find("-----BEGIN PRIVATE").unwrap());
    fs::write(folder.join("cert.pem"), cert).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
    (cert.into(), key.into())
}

fn files(folder: &Path) -> TlsConfig {
    TlsConfig {
        mode: TlsMode::Files,
        cert: Some(folder.join("cert.pem")),
        key: Some(folder.join("key.pem")),
    }
}

#[tokio::test]
async fn changed_files_are_picked_up_and_broken_ones_are_not() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    write_pair(folder, 0);
    let mut tls = load(&files(folder), folder, &public_url(), now())
        .await
        .unwrap()
        .unwrap();
    let serving = tls.rustls_config();
    let first = serving.get_inner();
    assert_eq!(tls.refresh(now()).await, Refreshed::Unchanged);

    let (cert, key) = write_pair(folder, 1);
    assert_eq!(tls.refresh(now()).await, Refreshed::Replaced);
    let second = serving.get_inner();
    assert!(!Arc::ptr_eq(&first, &second));

    // Halfway through the next change: a new certificate beside the old key.
    write_pair(folder, 2);
    fs::write(folder.join("key.pem"), &key).unwrap();
    assert_eq!(tls.refresh(now()).await, Refreshed::Kept);
    assert_eq!(tls.refresh(now()).await, Refreshed::Unchanged, "said once");
    fs::remove_file(folder.join("cert.pem")).unwrap();
    assert_eq!(tls.refresh(now()).await, Refreshed::Kept);
    assert!(Arc::ptr_eq(&second, &serving.get_inner()));

    fs::write(folder.join("cert.pem"), &cert).unwrap();
    assert_eq!(tls.refresh(now()).await, Refreshed::Replaced);
}

/// What is said stands in the log; when it is looked at again says whether it was.
#[tokio::test]
async fn files_that_nobody_renews_are_told_of_every_day() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let (pem, key) = write_pair(folder, 0);
    let until = Certificate::from_pem(&pem, &key).unwrap().not_after;
    let mut tls = load(&files(folder), folder, &public_url(), now())
        .await
        .unwrap()
        .unwrap();
    let serving = tls.rustls_config().get_inner();
    assert_eq!(
        tls.refresh(tls.due - TimeDelta::seconds(1)).await,
        Refreshed::Unchanged
    );
    let late = tls.due;
    assert!(
        late > now() + TimeDelta::days(300) && late < until,
        "{late}"
    );
    for today in [late, late + WARN_EVERY, until + TimeDelta::seconds(1)] {
        assert_eq!(tls.refresh(today).await, Refreshed::Unchanged);
    }
    assert_eq!(tls.due, until + TimeDelta::seconds(1) + WARN_EVERY);
    assert!(Arc::ptr_eq(&serving, &tls.rustls_config().get_inner()));
    let renewed = TimeDelta::days(360).num_seconds();
    write_pair(folder, renewed);
    assert_eq!(tls.refresh(until).await, Refreshed::Replaced);
    assert!(tls.due > until + TimeDelta::days(100));
}

#[tokio::test]
async fn a_start_with_files_that_do_not_fit_fails() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let start = async || load(&files(folder), folder, &public_url(), now()).await;
    assert!(matches!(start().await, Err(TlsError::Read { .. })));
    let (cert, _) = write_pair(folder, 0);
    start().await.unwrap();
    fs::write(folder.join("key.pem"), &cert).unwrap();
    assert!(matches!(start().await, Err(TlsError::Certificate { .. })));
    write_pair(folder, 1);
    fs::write(folder.join("cert.pem"), &cert).unwrap();
    assert!(matches!(start().await, Err(TlsError::Certificate { .. })));
}

#[tokio::test]
async fn keeping_fresh_ends_when_cancelled() {
    let (_root, folder) = fresh();
    let tls = self_signed(&folder, now()).await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let keeping = tls.keep_fresh(cancel, now);
    let ended = tokio::time::timeout(Duration::from_secs(10), keeping).await;
    ended.expect("it goes on");
}
