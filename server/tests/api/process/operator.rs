//! What operators do with the real binary: look at the data, back it up, restore it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::header::ACCEPT;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::child::{Child, Ended, Folder, Server, latchkey};
use crate::app::{Answer, EMAIL, PASSWORD, client, fields, send};

/// Runs a command of operators in the server's folder.
async fn run(folder: &Folder, arguments: &[&str]) -> Ended {
    let mut command = latchkey();
    command.current_dir(folder.path()).args(arguments);
    Child::start(command).ended().await
}

/// The same; anything but success is a failure.
async fn done(folder: &Folder, arguments: &[&str]) -> String {
    let ended = run(folder, arguments).await;
    assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
    ended.stdout
}

/// The same; it has to be refused in one line, which holds these words.
async fn refused(folder: &Folder, arguments: &[&str], words: &str) {
    let ended = run(folder, arguments).await;
    assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains(words), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

async fn server(folder: &Folder) -> Server {
    folder.server(durable_codes).await
}

/// Codes that nobody finds by accident, and that live for as long as the test.
fn durable_codes(command: &mut Command) {
    command.args(["--set=code.digits=8", "--set=code.ttl_seconds=86400"]);
}

async fn account(server: &Server, email: &str) {
    let code = server.code_for(email, PASSWORD).await;
    let answer = server.verify(email, PASSWORD, &code).await;
    answer.assert_is(200, "");
}

async fn login(server: &Server, email: &str, password: &str) -> Answer {
    send(server.post(
        "/login",
        fields(&[("email", email), ("password", password)]),
    ))
    .await
}

/// The cookie of a browser that signs in.
async fn cookie(server: &Server, email: &str) -> String {
    let browser = client()
        .post(format!("{}/login", server.url))
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = send(browser.body(fields(&[("email", email), ("password", PASSWORD)]))).await;
    answer.assert_is(200, "");
    answer.session()
}

/// Whose account a browser with this cookie is told that it has.
async fn welcome(server: &Server, cookie: &str) -> Answer {
    let browser = client().get(format!("{}/welcome", server.url));
    send(browser.header(ACCEPT, "text/html").header("cookie", cookie)).await
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn accounts_are_looked_at_beside_the_server_and_without_it() {
    let folder = Folder::new();
    let first = server(&folder).await;
    let socket = folder.data().join("admin.sock");
    assert_eq!(mode(&socket), 0o600);
    for email in ["b@bar.com", "a@bar.com"] {
        account(&first, email).await;
    }
    first.code_for("c@bar.com", PASSWORD).await;
    let list = done(&folder, &["accounts", "list"]).await;
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines[0].starts_with("ADDRESS") && lines[0].contains("VERIFIED"),
        "{list}"
    );
    assert!(
        lines[1].starts_with("a@bar.com ") && lines[2].starts_with("b@bar.com "),
        "{list}"
    );
    assert_eq!(lines[3..], ["2 of 2 accounts"]);

    let json = done(&folder, &["accounts", "list", "--json"]).await;
    let export = done(&folder, &["accounts", "export"]).await;
    let of_lines: Vec<Value> = export
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let accounts: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(accounts, Value::from(of_lines));
    assert_eq!(accounts[0]["address"], "a@bar.com");
    let one = done(&folder, &["accounts", "list", "--limit", "1"]).await;
    assert!(one.ends_with("1 of 2 accounts"), "{one}");

    first.kill().await;
    assert!(socket.exists(), "it was left behind");
    assert_eq!(done(&folder, &["accounts", "list", "--json"]).await, json);
    let show = done(&folder, &["accounts", "show", "C@bar.com", "--json"]).await;
    let known: Value = serde_json::from_str(&show).unwrap();
    assert_eq!(known["account"], Value::Null);
    assert_eq!(known["sign_ups"][0]["attempts_left"], 3);

    let second = server(&folder).await;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(done(&folder, &["accounts", "list", "--json"]).await, json);
    second.stop().await;
    assert!(!socket.exists(), "a clean stop leaves none");
}

#[tokio::test]
async fn who_is_deleted_is_gone_at_once_and_everywhere() {
    let folder = Folder::new();
    let server = server(&folder).await;
    account(&server, EMAIL).await;
    account(&server, "other@bar.com").await;
    let (gone, stays) = (
        cookie(&server, EMAIL).await,
        cookie(&server, "other@bar.com").await,
    );
    assert!(welcome(&server, &gone).await.body.contains(EMAIL));
    refused(&folder, &["accounts", "delete", EMAIL], "--yes").await;
    let told = done(&folder, &["accounts", "delete", "FOO@bar.com", "--yes"]).await;
    assert!(
        told.contains("account: 1") && told.contains("sessions: 1"),
        "{told}"
    );
    assert_eq!(welcome(&server, &gone).await.location(), "/login?needed");
    assert!(
        welcome(&server, &stays)
            .await
            .body
            .contains("other@bar.com")
    );
    let answer = login(&server, EMAIL, PASSWORD).await;
    answer.assert_is(401, "unauthorized");
    for order in ["show", "delete"] {
        let arguments = ["accounts", order, EMAIL, "--yes"];
        let arguments = &arguments[..if order == "show" { 3 } else { 4 }];
        refused(&folder, arguments, "neither an account nor a sign-up").await;
    }
    // The address can sign up again, and is nobody's decoy.
    account(&server, EMAIL).await;
    let ended = server.stop().await;
    let events: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "deleted")
        .collect();
    // Where there was nothing to delete, nothing was.
    let [event] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(event["target"], "latchkey::audit");
    assert_eq!(
        (&event["by"], &event["email"]),
        (&"operator".into(), &"f…@bar.com".into())
    );
}

#[tokio::test]
async fn no_query_brings_out_a_secret_or_changes_anything() {
    let folder = Folder::new();
    let server = server(&folder).await;
    account(&server, EMAIL).await;
    let cookie = cookie(&server, EMAIL).await;
    let code = server.code_for("pending@bar.com", PASSWORD).await;
    let secret_key = fs::read_to_string(folder.data().join("secret.key")).unwrap();
    done(&folder, &["backup", "secrets"]).await;
    // Whatever a look must not show, as the store holds it.
    let mut secrets: HashSet<String> =
        [code, secret_key.trim().to_owned(), PASSWORD.to_owned()].into();
    for line in fs::read_to_string(folder.path().join("secrets"))
        .unwrap()
        .lines()
    {
        let row: Value = serde_json::from_str(line).unwrap();
        let fields = [
            "password_hash",
            "claim_key",
            "claim_seed",
            "key",
            "seed",
            "handle",
            "ticket",
            "state",
        ];
        secrets.extend(
            fields
                .iter()
                .filter_map(|field| row[2][field].as_str())
                .map(ToOwned::to_owned),
        );
        if row[0] == "session" {
            secrets.insert(row[1].as_str().unwrap().to_owned());
        }
    }
    assert!(secrets.len() > 9, "{secrets:?}");

    let everything = "account, claim, session, budget, address_ledger, hash_parameters, migration";
    for query in [
        &format!("SELECT * FROM {everything}"),
        "SELECT password_hash AS a, key, seed, handle FROM account, claim",
        "SELECT VALUE password_hash FROM account",
        "SELECT string::concat(password_hash, '') AS a FROM account",
        "SELECT address FROM account WHERE password_hash != NONE",
        "SELECT (SELECT * FROM claim) AS a, * FROM account",
        "SELECT *, id.password_hash, id.* FROM account",
        "RETURN (SELECT * FROM session)[0].state",
        "SELECT record::id(id) AS a FROM claim, session",
        "RETURN object::entries((SELECT * FROM ONLY account LIMIT 1))",
        "SELECT * OMIT address FROM account ORDER BY password_hash",
        "SELECT password_hash, count() FROM account GROUP BY password_hash",
        "SELECT * FROM account SPLIT password_hash",
        "LET $a = (SELECT * FROM account); RETURN $a.map(|$b| $b.password_hash)",
        "INFO FOR DB",
        "INFO FOR TABLE account",
        "SELECT * FROM account EXPLAIN FULL",
        "RETURN <string> $session",
        "RETURN $auth",
        "RETURN $access",
        "RETURN $token",
    ] {
        let ended = run(&folder, &["query", query, "--json"]).await;
        let told = ended.stdout + &ended.stderr;
        assert!(!told.contains("$argon2"), "{query}: {told}");
        for secret in &secrets {
            assert!(!told.contains(secret.as_str()), "{query}: {secret}: {told}");
        }
    }
    for query in [
        "DELETE account",
        "UPDATE account SET language = 'xx'",
        "RETURN (CREATE account SET address = 'a@b.c')",
    ] {
        refused(&folder, &["query", query], "a query only reads").await;
    }
    refused(
        &folder,
        &["query", "SELECT * FROM secret"],
        "does not exist",
    )
    .await;
    let ended = run(&folder, &["query", "SELECT FROM"]).await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended.stderr.starts_with("latchkey: Parse error"),
        "{ended:?}"
    );

    let count = "SELECT count() FROM account GROUP ALL";
    assert_eq!(done(&folder, &["query", count]).await, "count\n1");
    assert_eq!(
        done(&folder, &["query", count, "--json"]).await,
        r#"[{"count":1}]"#
    );
    let recent = "SELECT VALUE address FROM account WHERE verified_at > time::now() - 1h";
    assert_eq!(done(&folder, &["query", recent]).await, EMAIL);
    assert!(welcome(&server, &cookie).await.body.contains(EMAIL));
    server.stop().await;
}

/// What was acknowledged, in the order in which it was.
#[derive(Clone, Default)]
struct Ledger {
    verified: Vec<String>,
    /// Addresses with their codes.
    pending: Vec<(String, String)>,
}

#[tokio::test]
async fn a_backup_under_load_holds_all_that_was_acknowledged_before() {
    const SIGNERS: usize = 6;
    const BEFORE: usize = 40;
    const SECRET: &str = "correct horse battery staple";
    let folder = Folder::new();
    let server = Arc::new(server(&folder).await);
    account(&server, EMAIL).await;
    let cookie = cookie(&server, EMAIL).await;

    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let enough = Arc::new(AtomicBool::new(false));
    let mut signers = JoinSet::new();
    for signer in 0..SIGNERS {
        let (server, ledger, enough) = (server.clone(), ledger.clone(), enough.clone());
        signers.spawn(async move {
            for number in 0.. {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                let email = format!("person-{signer}-{number}@bar.com");
                let code = server.code_for(&email, SECRET).await;
                if number % 3 == 0 {
                    ledger.lock().await.pending.push((email, code));
                } else {
                    let answer = server.verify(&email, SECRET, &code).await;
                    answer.assert_is(200, "");
                    ledger.lock().await.verified.push(email);
                }
            }
        });
    }
    let before = loop {
        let so_far = ledger.lock().await.clone();
        if so_far.verified.len() + so_far.pending.len() >= BEFORE {
            break so_far;
        }
        tokio::task::yield_now().await;
    };
    let told = done(&folder, &["backup", "full.latchkey"]).await;
    assert!(told.contains("The secret key is in it"), "{told}");
    enough.store(true, Ordering::Relaxed);
    while let Some(ended) = signers.join_next().await {
        ended.unwrap();
    }
    let after = ledger.lock().await.clone();
    assert!(
        after.verified.len() + after.pending.len() > BEFORE,
        "nobody signed up while it was taken"
    );
    Arc::into_inner(server).unwrap().stop().await;

    let file = folder.path().join("full.latchkey");
    assert_eq!(mode(&file), 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let words: HashSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    for (email, code) in &after.pending {
        assert!(!words.contains(code.as_str()), "the code of {email}");
    }
    for password in [SECRET, PASSWORD, "battery"] {
        assert!(!text.contains(password));
    }
    let of_cookie = cookie.split_once('=').unwrap().1;
    assert!(!text.contains(of_cookie), "nobody takes a session over");

    let other = Folder::new();
    let file = file.to_str().unwrap();
    let told = done(&other, &["restore", file]).await;
    assert!(told.contains("and the secret key"), "{told}");
    assert_eq!(mode(&other.data()), 0o700);
    assert_eq!(mode(&other.data().join("secret.key")), 0o600);
    let restored = other.server(durable_codes).await;
    assert!(welcome(&restored, &cookie).await.body.contains(EMAIL));
    for email in &before.verified {
        login(&restored, email, SECRET).await.assert_is(200, "");
    }
    for (email, code) in &before.pending {
        restored
            .verify(email, SECRET, code)
            .await
            .assert_is(200, "");
    }
    restored.stop().await;
}

/// A small backup, and the folder that it is of.
async fn backup() -> (Folder, String) {
    let folder = Folder::new();
    let server = server(&folder).await;
    account(&server, EMAIL).await;
    server.stop().await;
    done(&folder, &["backup", "whole"]).await;
    let text = fs::read_to_string(folder.path().join("whole")).unwrap();
    (folder, text)
}

/// The lines with an ending that fits them.
fn sealed(lines: &[String]) -> String {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let sum: String = Sha256::digest(&text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let rows = lines.len() - 1;
    format!("{text}{{\"end\":{{\"rows\":{rows},\"sha256\":\"{sum}\"}}}}\n")
}

#[tokio::test]
async fn what_is_no_whole_backup_is_refused_and_changes_nothing() {
    let (folder, whole) = backup().await;
    let cut = |length| whole[..length].to_owned();
    let last_line = whole.trim_end().rfind('\n').unwrap() + 1;
    for (content, words) in [
        (String::new(), "is not a backup of Latchkey"),
        (
            "SQLite format 3\n".to_owned(),
            "is not a backup of Latchkey",
        ),
        (cut(whole.len() / 2), "is cut off"),
        (cut(last_line), "is cut off"),
        (cut(whole.len() - 1), "is cut off"),
        (
            whole.replace(EMAIL, "fou@bar.com"),
            "its checksum does not fit",
        ),
        (format!("{whole}{whole}"), "is damaged in line"),
        (
            whole.replace("\"005_installation\"", "\"005_installation\",\"999_later\""),
            "was made by a newer Latchkey (it has the schema change 999_later): use that version",
        ),
        (
            whole.replace("\"latchkey_backup\":1", "\"latchkey_backup\":2"),
            "was made by a newer Latchkey",
        ),
    ] {
        fs::write(folder.path().join("other"), content).unwrap();
        refused(&folder, &["restore", "other", "--data-dir=new"], words).await;
        assert!(!folder.path().join("new").exists(), "{words}");
    }
    refused(&folder, &["restore", "nowhere"], "Failed to open nowhere").await;
}

#[tokio::test]
async fn nothing_is_restored_over_anything() {
    let (folder, _) = backup().await;
    refused(
        &folder,
        &["restore", "whole"],
        "the store is not empty: it holds 1 accounts",
    )
    .await;
    refused(
        &folder,
        &["backup", "whole"],
        "is there already, and nothing is overwritten",
    )
    .await;
    refused(
        &folder,
        &["backup", "no/folder"],
        "Failed to write no/folder",
    )
    .await;
    refused(
        &folder,
        &["restore", "whole", "--set=database.url=mem://"],
        "mem:// forgets everything",
    )
    .await;
    let server = server(&folder).await;
    refused(&folder, &["restore", "whole"], "a server is running").await;
    server.stop().await;
    // A key that is not the backup's belongs to something.
    let other = Folder::new();
    let started = other.server(|_| {}).await;
    started.stop().await;
    let whole = folder.path().join("whole");
    let whole = whole.to_str().unwrap();
    refused(
        &other,
        &["restore", whole],
        "secret.key belongs to another installation",
    )
    .await;
    fs::remove_file(other.data().join("secret.key")).unwrap();
    done(&other, &["restore", whole]).await;
    let restored = other.server(|_| {}).await;
    login(&restored, EMAIL, PASSWORD).await.assert_is(200, "");
    restored.stop().await;
    // The temporary files are gone, whatever came of it.
    for entry in fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with('.'), "{name:?}");
    }
}

#[tokio::test]
async fn half_a_restore_is_never_served_and_can_be_done_again() {
    let (folder, whole) = backup().await;
    // Whole, but with a row at its end that its table does not take: it fails in the middle.
    let mut lines: Vec<String> = whole.lines().map(ToOwned::to_owned).collect();
    lines.pop();
    let mut head: Value = serde_json::from_str(&lines[0]).unwrap();
    head["rows"]["session"] = 1.into();
    lines[0] = head.to_string();
    lines.push(r#"["session","a",{"state":1}]"#.to_owned());
    fs::write(folder.path().join("bad"), sealed(&lines)).unwrap();

    let other = Folder::new();
    let bad = folder.path().join("bad");
    let bad = bad.to_str().unwrap();
    refused(
        &other,
        &["restore", bad],
        "the restore did not finish; run it again",
    )
    .await;
    let unfinished = "A restore into this store did not finish: run `latchkey restore FILE` again";
    refused(
        &other,
        &[
            "serve",
            "--set=site_dir=site",
            "--https-addr=127.0.0.1:0",
            "--http-addr=127.0.0.1:0",
            "--set=log.level=off",
        ],
        unfinished,
    )
    .await;
    refused(&other, &["accounts", "list"], unfinished).await;
    let whole = folder.path().join("whole");
    done(&other, &["restore", whole.to_str().unwrap()]).await;
    let restored = other.server(|_| {}).await;
    login(&restored, EMAIL, PASSWORD).await.assert_is(200, "");
    restored.stop().await;
}

#[tokio::test]
async fn a_backup_of_an_older_version_is_brought_up_to_date() {
    let (folder, whole) = backup().await;
    let lines: Vec<&str> = whole.lines().collect();
    let mut head: Value = serde_json::from_str(lines[0]).unwrap();
    head["schema"] = serde_json::json!(["001_accounts_and_claims"]);
    head["rows"] = serde_json::json!({"account": 1});
    // What the first schema had of an account.
    let mut account: Value = serde_json::from_str(lines[1]).unwrap();
    for later in ["claim_key", "claim_seed", "language", "spent_code"] {
        account[2].as_object_mut().unwrap().remove(later).unwrap();
    }
    let old = sealed(&[head.to_string(), account.to_string()]);
    fs::write(folder.path().join("old"), old).unwrap();
    let other = Folder::new();
    let old = folder.path().join("old");
    done(&other, &["restore", old.to_str().unwrap()]).await;
    let migrations = "SELECT VALUE name FROM migration ORDER BY name";
    assert_eq!(
        done(&other, &["query", migrations]).await,
        "001_accounts_and_claims\n002_sessions\n003_budgets\n004_mail\n005_installation\n\
         006_mail_owed_by_claims\n007_walked_tables\n008_verified_claims\n009_spent_codes"
    );
    let restored = other.server(|_| {}).await;
    login(&restored, EMAIL, PASSWORD).await.assert_is(200, "");
    restored.stop().await;
}

/// A service's relay and certificate may be nobody else's to see.
#[tokio::test]
async fn who_looks_at_the_data_needs_nothing_that_serving_needs() {
    let folder = Folder::new();
    let server = server(&folder).await;
    account(&server, EMAIL).await;
    let production = "mode = 'production'\ntls.mode = 'files'\ntls.cert = '/nowhere'\n";
    fs::write(folder.path().join("latchkey.toml"), production).unwrap();
    let list = ["accounts", "list", "--config=latchkey.toml"];
    assert!(done(&folder, &list).await.contains(EMAIL));
    server.stop().await;
    assert!(done(&folder, &list).await.contains(EMAIL));
    done(&folder, &["backup", "file", "--config=latchkey.toml"]).await;
}

#[tokio::test]
async fn where_there_is_nothing_to_look_at_it_says_so() {
    let folder = Folder::new();
    let nowhere =
        "there is no store at ./data/store: name the right one with --data-dir or --config";
    for arguments in [
        &["accounts", "list"][..],
        &["backup", "file"],
        &["query", "SELECT * FROM account"],
    ] {
        refused(&folder, arguments, nowhere).await;
    }
    assert!(!folder.data().exists() && !folder.path().join("file").exists());
    let arguments = ["accounts", "list", "--set=database.url=mem://"];
    refused(&folder, &arguments, "what mem:// held ended with it").await;
    // Bad configuration is told as by the server.
    let ended = run(&folder, &["accounts", "list", "--set=code.digits=12"]).await;
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
}

#[tokio::test]
async fn what_a_server_in_memory_holds_can_be_looked_at() {
    let folder = Folder::new();
    let server = folder
        .server(|command| {
            command.arg("--set=database.url=mem://");
        })
        .await;
    account(&server, EMAIL).await;
    let list = done(&folder, &["accounts", "list"]).await;
    assert!(list.contains(EMAIL), "{list}");
    server.stop().await;
}
