//! A large store: a backup of a small one with its rows written many times, and restored.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::crowd::{Connections, Crowd, Deed, Postbox};
use super::{Server, UNLIMITED, binary};

/// What a backup is made of.
pub struct Stock {
    head: Value,
    account: Value,
    claim: Value,
    hash_parameters: Value,
}

impl Stock {
    /// Takes an account and a sign-up under way from a server of its own.
    pub async fn new(folder: &Path) -> Self {
        let postbox = Postbox::default();
        let relay = postbox.relay();
        let data = folder.join("stock");
        let mut server = Server::start(&data, "off", &[UNLIMITED, &relay.setting()]);
        let crowd = Crowd::new(&server.url, &postbox, Connections::Request);
        assert_eq!(crowd.act(Deed::Verified).await.status, 200);
        assert_eq!(crowd.act(Deed::SignUp).await.status, 200);
        let file = folder.join("stock.backup");
        run("backup", &file, &data);
        server.stop();
        let backup = std::fs::read_to_string(&file).unwrap();
        let rows: Vec<Value> = backup
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |table: &str| rows.iter().find(|row| row[0] == table).unwrap().clone();
        Self {
            head: rows[0].clone(),
            account: of("account"),
            claim: of("claim"),
            hash_parameters: of("hash_parameters"),
        }
    }

    /// Fills an empty store with so many accounts and claims; these expire one after the other from
    /// `expiry` on, or when any that is made now does.
    pub fn fill(&self, data: &Path, accounts: usize, claims: usize, expiry: Option<DateTime<Utc>>) {
        let file = data.with_extension("backup");
        let mut backup = Backup::new(&file);
        let mut head = self.head.clone();
        let tables = head["rows"].as_object_mut().unwrap();
        for count in tables.values_mut() {
            *count = json!(0);
        }
        tables.extend([
            ("account".to_owned(), json!(accounts)),
            ("claim".to_owned(), json!(claims)),
            ("hash_parameters".to_owned(), json!(1)),
        ]);
        backup.line(&head);
        let mut account = self.account.clone();
        for number in 0..accounts {
            let address = json!(format!("account{number:07}@example.com"));
            account[1] = address.clone();
            account[2]["address"] = address.clone();
            account[2]["typed_address"] = address;
            backup.line(&account);
        }
        let mut claim = self.claim.clone();
        // Its mail may not have been struck off yet.
        claim[2]["mail"] = json!("taken");
        claim[2].as_object_mut().unwrap().remove("due_at");
        let expiry = expiry.unwrap_or_else(|| {
            let tomorrow = claim[2]["expires_at"]["$time"].as_str().unwrap();
            tomorrow.parse().unwrap()
        });
        for number in 0..claims {
            let address = json!(format!("claim{number:07}@example.com"));
            let key = format!("{:016x}{:016x}", spread(number), number);
            let at = expiry + APART * i32::try_from(number).unwrap();
            let at = at.to_rfc3339_opts(SecondsFormat::Nanos, true);
            claim[1] = json!([address, key]);
            claim[2]["address"] = address.clone();
            claim[2]["typed_address"] = address;
            claim[2]["handle"] = json!(key[..16]);
            claim[2]["key"] = json!(key);
            claim[2]["expires_at"] = json!({ "$time": at });
            backup.line(&claim);
        }
        backup.line(&self.hash_parameters);
        backup.end(accounts + claims + 1);
        run("restore", &file, data);
        std::fs::remove_file(file).unwrap();
    }
}

/// Between two of them, as if they had come as fast as two cores can take them.
const APART: Duration = Duration::microseconds(9_973);

/// Handles are drawn at random; these need only not follow each other.
fn spread(number: usize) -> u64 {
    (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

struct Backup {
    file: BufWriter<File>,
    digest: Sha256,
}

impl Backup {
    fn new(file: &Path) -> Self {
        Self {
            file: BufWriter::new(File::create(file).unwrap()),
            digest: Sha256::new(),
        }
    }

    fn line(&mut self, line: &Value) {
        let line = format!("{line}\n");
        self.digest.update(&line);
        self.file.write_all(line.as_bytes()).unwrap();
    }

    fn end(mut self, rows: usize) {
        let digest = self.digest.finalize();
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let end = json!({ "end": { "rows": rows, "sha256": sha256 } });
        writeln!(self.file, "{end}").unwrap();
        self.file.flush().unwrap();
    }
}

fn run(command: &str, file: &Path, data: &Path) {
    let outcome = Command::new(binary())
        .arg(command)
        .arg(file)
        .arg("--data-dir")
        .arg(data)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(outcome.success(), "{command} {}", file.display());
}
