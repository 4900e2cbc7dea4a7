//! nginx with the configuration that is shipped, on ports and with files of its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::faults::ledger::Served;
use crate::process::child::{Child, Port};

/// As the configuration calls it.
const NAME: &str = "sign-up.example.org";

/// Where nginx keeps what does not fit into its memory.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

pub struct Proxy {
    url: String,
    client: reqwest::Client,
    pub plain: Port,
    _child: Child,
    _folder: TempDir,
}

impl Proxy {
    /// What the proxy is called from outside, before it runs.
    pub fn url(port: &Port) -> String {
        format!("https://{NAME}:{}", port.number)
    }

    /// Serves HTTPS on this port, in front of the instances on those.
    pub async fn start(port: &Port, instances: [&Port; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let pem = certificate.cert.pem();
        fs::write(folder.path().join("fullchain.pem"), &pem).unwrap();
        let key = certificate.signing_key.serialize_pem();
        fs::write(folder.path().join("privkey.pem"), key).unwrap();
        let plain = Port::free();
        let configuration = folder.path().join("nginx.conf");
        fs::write(
            &configuration,
            configured(folder.path(), [port, &plain], instances),
        )
        .unwrap();
        let mut command = Command::new("nginx");
        command
            .arg("-c")
            .arg(&configuration)
            .args(["-e", "stderr", "-g"])
            .arg(if fs::metadata(folder.path()).unwrap().uid() == 0 {
                // Its workers would else be somebody who cannot see the folder.
                "daemon off; user root;"
            } else {
                "daemon off;"
            });
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        let mut child = Child::start(command);
        while TcpStream::connect(("127.0.0.1", port.number))
            .await
            .is_err()
        {
            assert!(child.is_running(), "{:?}", child.ended().await);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()])
            .resolve(NAME, ([127, 0, 0, 1], port.number).into())
            .redirect(reqwest::redirect::Policy::none())
            .cookie_store(true)
            .build()
            .unwrap();
        Self {
            url: Self::url(port),
            client,
            plain,
            _child: child,
            _folder: folder,
        }
    }
}

impl Served for Proxy {
    fn url(&self) -> &str {
        &self.url
    }

    fn client(&self) -> reqwest::Client {
        self.client.clone()
    }
}

/// deploy/nginx.conf with these ports instead of its own, and every file in this folder.
fn configured(folder: &Path, [https, http]: [&Port; 2], instances: [&Port; 2]) -> String {
    let shipped = include_str!("../../../../../deploy/nginx.conf");
    let folder = folder.display();
    let temporary: String = TEMPORARY
        .iter()
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .collect();
    let mut configuration = shipped.to_owned();
    for (ours, theirs) in [
        ("/run/nginx.pid", format!("{folder}/nginx.pid")),
        ("/etc/latchkey/tls", folder.to_string()),
        ("http {\n", format!("http {{\n{temporary}")),
        (
            "127.0.0.1:8081",
            format!("127.0.0.1:{}", instances[0].number),
        ),
        (
            "127.0.0.1:8082",
            format!("127.0.0.1:{}", instances[1].number),
        ),
        ("        listen [::]:80 default_server;\n", String::new()),
        (
            "        listen [::]:443 ssl http2 default_server;\n",
            String::new(),
        ),
        ("listen 80 ", format!("listen 127.0.0.1:{} ", http.number)),
        ("listen 443 ", format!("listen 127.0.0.1:{} ", https.number)),
    ] {
        assert!(configuration.contains(ours), "{ours} is not in nginx.conf");
        configuration = configuration.replace(ours, &theirs);
    }
    configuration
}
