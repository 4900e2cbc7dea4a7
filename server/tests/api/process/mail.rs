//! Mail of the real binary: `latchkey mail test`, and a process that dies at any moment.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::JoinSet;

use super::child::{Child, Ended, Folder, latchkey};
use crate::app::{PASSWORD, fields, send};
use crate::smtp::{At, Fault, Received, SmtpServer};

async fn mail_test(to: &str, flags: &[String]) -> Ended {
    let folder = Folder::new();
    let mut command = latchkey();
    command
        .current_dir(folder.path())
        .args(["mail", "test", "--to", to])
        .args(flags);
    let ended = Child::start(command).ended().await;
    assert!(!folder.data().exists(), "nothing is made");
    ended
}

#[tokio::test]
async fn the_relay_can_be_tried() {
    let relay = SmtpServer::start().await;
    let flags = [format!("--set=smtp.url=smtp://{}", relay.host())];
    let ended = mail_test("me@example.org", &flags).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let expected = format!("{} took the test mail to me@example.org.", relay.host());
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        (&*expected, "")
    );
    let mail = relay.mail_to("me@example.org").await;
    assert_eq!(mail.message().subject(), Some("Latchkey: a test mail"));

    for (at, fault, words) in [
        (
            At::Greeting,
            Fault::Answer("554 5.3.2 Not for you"),
            "the relay answered 554, on greeting (EHLO)",
        ),
        (
            At::Mail,
            Fault::Answer("550 5.7.1 Not your address"),
            "the relay answered 550, on naming the sender (MAIL FROM)",
        ),
        (
            At::Rcpt,
            Fault::Answer("450 4.2.0 Greylisted"),
            "the relay answered 450, on naming the recipient (RCPT TO)",
        ),
        (
            At::Dot,
            Fault::Cut,
            "the relay hung up or answered something that is not SMTP, after the message",
        ),
    ] {
        relay.fault(at, fault);
        let ended = mail_test("me@example.org", &flags).await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let expected = format!(
            "latchkey: {} did not take the test mail: {words}",
            relay.host()
        );
        assert_eq!(
            (ended.stderr.as_str(), ended.stdout.as_str()),
            (&*expected, "")
        );
    }
}

#[tokio::test]
async fn a_relay_that_cannot_be_tried_is_a_bad_configuration() {
    let ended = mail_test("me@example.org", &[]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        ended
            .stderr
            .starts_with("configuration: smtp.url = (not set): "),
        "{ended:?}"
    );
    let flags = ["--set=smtp.url=smtp://127.0.0.1:1".to_owned()];
    for to in ["me", "me@example.org,you@example.org"] {
        let ended = mail_test(to, &flags).await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
    let flags = ["--set=smtp.url=smtp://user:hunter2@127.0.0.1?tls=no".to_owned()];
    let ended = mail_test("me@example.org", &flags).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

/// How often the process is killed; `make kills` asks for fifty.
fn cycles() -> u32 {
    std::env::var("KILLS")
        .ok()
        .and_then(|cycles| cycles.parse().ok())
        .unwrap_or(4)
}

const SIGN_UPS: usize = 12;

/// A sign-up that was acknowledged gets its mail, and a second copy only of what was under way in
/// the moment of a kill.
#[tokio::test]
async fn a_process_that_is_killed_at_any_moment_loses_no_mail() {
    let folder = Folder::new();
    let relay = SmtpServer::start().await;
    let adjust = |command: &mut std::process::Command| {
        command
            .arg(format!("--set=smtp.url=smtp://{}", relay.host()))
            // Whatever the cycles take, a code that is mailed is good in the end.
            .arg("--set=code.ttl_seconds=3600");
    };
    let mut acknowledged = HashSet::new();
    let mut mails: HashMap<String, Vec<Received>> = HashMap::new();
    let mut cycle = 0;
    // A machine that is busy may have answered nobody in time: then it gets more of it.
    while cycle < cycles() || acknowledged.is_empty() {
        assert!(cycle < cycles() * 10, "nobody is ever answered");
        let server = folder.server(adjust).await;
        let mut sign_ups = JoinSet::new();
        for number in 0..SIGN_UPS {
            let email = format!("somebody{cycle}.{number}@bar.com");
            let body = fields(&[("email", &email), ("password", PASSWORD)]);
            let request = server.post("/register", body);
            sign_ups.spawn(async move {
                let answer = request.send().await.ok()?;
                (answer.status() == 200).then_some(email)
            });
        }
        // As it happens: in the middle of sign-ups, of deliveries, of commits.
        let moment = latchkey::entropy::jitter(1.0) * f64::from(1 + cycle / cycles());
        tokio::time::sleep(Duration::from_millis(250).mul_f64(moment)).await;
        server.kill().await;
        acknowledged.extend(sign_ups.join_all().await.into_iter().flatten());
        cycle += 1;
    }
    let server = folder.server(adjust).await;
    for email in &acknowledged {
        if !mails.contains_key(email) {
            let mail = relay.mail_to(email).await;
            mails.entry(email.clone()).or_default().push(mail);
        }
    }
    // What else is due comes within the life of a lease.
    let verified = async |email: &str, code: &str| {
        let answer = send(
            server
                .post("/verify", fields(&[("verification_code", code)]))
                .basic_auth(email, Some(PASSWORD)),
        );
        answer.await.status
    };
    for (email, mails) in &mails {
        assert_eq!(verified(email, &mails[0].code()).await, 200, "{email}");
    }
    server.stop().await;
    // Copies, and mail for sign-ups whose answer was lost with the process.
    let mut copies = 0;
    while relay.unread() > 0 {
        let mail = relay.next_mail().await;
        if let Some(mails) = mails.get(&mail.recipients[0]) {
            copies += 1;
            assert_eq!(mail.message().message_id(), mails[0].message().message_id());
        }
    }
    assert!(copies <= cycle * 16, "{copies} copies");
}
