//! What is owed is sent: once, with a live code, whatever the relay does meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use latchkey::config::Mode;
use latchkey::entropy::SystemEntropy;
use latchkey::mail::{
    Composer, Dispatch, MailCounters, MailWorker, Pace, RelayHealth, RelayLimits, Transport,
    WAIT_BOUNDS_MS,
};
use latchkey::secret_key::SecretKey;
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE};
use secrecy::SecretString;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::app::{App, EMAIL, PASSWORD, fields, send};
use crate::smtp::{At, Fault};

fn address(number: usize) -> String {
    format!("somebody{number}@bar.com")
}

/// What this browser is told of its mail.
async fn mail_state(app: &App) -> Value {
    app.get("/claim").await.json()["claim"]["mail"].clone()
}

async fn sign_up(app: &App, people: usize) {
    for number in 0..people {
        app.register(&address(number), PASSWORD)
            .await
            .assert_is(200, "");
    }
}

/// Takes every mail that comes, and sees that each brings a live code to somebody else.
async fn everybody_gets_one_live_code(app: &App, people: usize) {
    let mut came = HashSet::new();
    for _ in 0..people {
        let mail = app.while_time_passes(app.smtp.next_mail()).await;
        let to = mail.recipients[0].clone();
        app.verify(&to, PASSWORD, &mail.code())
            .await
            .assert_is(200, "");
        assert!(came.insert(to), "twice");
    }
    app.mail_settled().await;
    assert_eq!(app.smtp.unread(), 0);
}

#[tokio::test]
async fn whatever_the_relay_does_the_code_arrives_alive() {
    // Only a mail that the relay has without our knowing comes twice.
    let nonsense = Fault::Answer("HTTP/1.1 400 Bad Request");
    let faults = [
        (At::Greeting, Fault::Answer("421 4.3.2 Too busy"), 1),
        (At::Greeting, Fault::Answer("554 5.3.2 Not for you"), 1),
        (At::Mail, Fault::Answer("451 4.3.0 Later"), 1),
        (At::Rcpt, Fault::Answer("450 4.2.0 Greylisted"), 1),
        (At::Rcpt, Fault::Answer("451 4.7.1 Greylisted"), 1),
        (At::Data, Fault::Answer("452 4.3.1 Disk full"), 1),
        (At::Dot, Fault::Answer("451 4.3.0 Scanner down"), 1),
        (At::Ehlo, Fault::Cut, 1),
        (At::Mail, Fault::Cut, 1),
        (At::Data, Fault::Cut, 1),
        (At::Dot, Fault::Cut, 2),
        (At::Greeting, nonsense, 1),
        (At::Rcpt, nonsense, 1),
        (At::Dot, nonsense, 1),
        (At::Greeting, Fault::Hang, 1),
        (At::Ehlo, Fault::Hang, 1),
        (At::Mail, Fault::Hang, 1),
        (At::Rcpt, Fault::Hang, 1),
        (At::Data, Fault::Hang, 1),
        (At::Dot, Fault::Hang, 2),
    ];
    // Some at a time, each with a server and a relay of its own.
    for some in faults.chunks(5) {
        let mut stories = JoinSet::new();
        for &(at, fault, copies) in some {
            stories.spawn(async move {
                let app = App::start_in(|_| {}, |world| world.pace = impatient()).await;
                app.smtp.fault(at, fault);
                app.register(EMAIL, PASSWORD).await.assert_is(200, "");
                let mut mails = Vec::new();
                for _ in 0..copies {
                    mails.push(app.while_time_passes(app.smtp.mail_to(EMAIL)).await);
                }
                app.mail_settled().await;
                let ids: HashSet<String> = mails
                    .iter()
                    .map(|mail| mail.message().message_id().unwrap().to_owned())
                    .collect();
                assert_eq!(ids.len(), 1, "{ids:?}");
                assert_eq!(app.smtp.unread(), 0, "{fault:?} at {at:?}");
                let answer = app.verify(EMAIL, PASSWORD, &mails[0].code()).await;
                answer.assert_is(200, "");
            });
        }
        while let Some(story) = stories.join_next().await {
            story.unwrap();
        }
    }
}

/// A worker without patience for a relay that answers nothing.
fn impatient() -> Pace {
    Pace {
        lease: chrono::TimeDelta::minutes(2),
        relay: RelayLimits {
            // Enough for a relay that answers, on a machine that has much else to do.
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(2),
            message: Duration::from_secs(2),
            delivery: Duration::from_secs(20),
        },
    }
}

#[tokio::test]
async fn a_relay_that_is_down_for_ten_minutes_costs_no_sign_up() {
    let mut app = App::start().await;
    app.smtp.go_down().await;
    sign_up(&app, 40).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..60 {
        ticks.tick().await;
        app.pass(10);
    }
    let figures = app.mail_figures().await;
    assert_eq!((figures.queued, figures.sent), (40, 0));
    assert!(figures.oldest_age >= Duration::from_secs(600));
    // One mail at a time asks whether the relay is back, not each of them again and again.
    assert!((5..200).contains(&figures.retried), "{figures:?}");
    app.smtp.come_back();
    everybody_gets_one_live_code(&app, 40).await;
    assert!(app.smtp.most_open() <= 16);
}

#[tokio::test]
async fn a_slow_relay_takes_every_mail_once_and_with_a_live_code() {
    let app = App::start().await;
    app.smtp.hold();
    sign_up(&app, 200).await;
    // One mail a second, by the clock that codes go by: most wait for longer than a code lives.
    for _ in 0..200 {
        app.smtp.let_through(1);
        let mail = app.smtp.next_mail().await;
        app.verify(&mail.recipients[0], PASSWORD, &mail.code())
            .await
            .assert_is(200, "");
        app.pass(1);
    }
    app.mail_settled().await;
    assert_eq!(app.smtp.unread(), 0);
    assert!(app.smtp.most_open() <= 16);
    let figures = app.mail_figures().await;
    assert_eq!((figures.queued, figures.sent, figures.retried), (0, 200, 0));
}

#[tokio::test]
async fn a_slow_delivery_keeps_its_lease() {
    let app = App::start_in(|_| {}, |world| world.pace = Pace::default()).await;
    app.smtp
        .fault(At::Dot, Fault::Late(Duration::from_millis(5_500)));
    app.register(EMAIL, PASSWORD).await.assert_is(200, "");
    let code = app.smtp.mail_to(EMAIL).await.code();
    // Twice as fast as the world's clock: the delivery outlasts the lease that it began with.
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..10 {
        ticks.tick().await;
        app.pass(1);
    }
    app.mail_settled().await;
    assert_eq!(app.smtp.unread(), 0, "sent twice");
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
}

#[tokio::test]
async fn several_workers_send_each_mail_once() {
    let app = App::start().await;
    let url = Url::parse("https://localhost:8443").unwrap();
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let smtp_url = SecretString::from(format!("smtp://{}", app.smtp.host()));
        let limits = RelayLimits::default();
        let (pace, health) = (Pace::default(), Arc::new(RelayHealth::default()));
        let worker = MailWorker {
            store: app.store(),
            composer: Composer::new("Other", &url, &"a@b.example".parse().unwrap(), None).unwrap(),
            transport: Transport::from_config(Some(&smtp_url), None, &url, limits).unwrap(),
            keys: SecretKey::load_or_create(None, &app.data_dir(), false, &SystemEntropy)
                .unwrap()
                .keys(),
            clock: app.clock(),
            dispatch: Arc::new(Dispatch::new(pace.lease(), health.clone(), app.clock())),
            health,
            counters: Arc::new(MailCounters::default()),
            pace,
            code_ttl_seconds: 60,
            notices_per_day: 3,
        };
        workers.spawn(Arc::new(worker).run(stop.clone()));
    }
    let app = Arc::new(app);
    let mut sign_ups = JoinSet::new();
    for number in 0..100 {
        let app = app.clone();
        sign_ups.spawn(async move {
            app.register(&address(number), PASSWORD)
                .await
                .assert_is(200, "");
        });
    }
    sign_ups.join_all().await;
    let mut came: Vec<String> = Vec::new();
    for _ in 0..100 {
        came.push(app.smtp.next_mail().await.recipients[0].clone());
    }
    app.mail_settled().await;
    assert_eq!(app.smtp.unread(), 0);
    came.sort();
    came.dedup();
    assert_eq!(came.len(), 100);
    stop.cancel();
    workers.join_all().await;
}

#[tokio::test]
async fn the_page_and_the_api_know_what_has_become_of_the_mail() {
    let app = App::start().await;
    let answer = app.get("/claim").await;
    answer.assert_is(200, "");
    assert!(answer.json().get("claim").is_none(), "{answer:?}");
    app.smtp.hold();
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    app.fetch("/register", &form).await.assert_is(200, "");
    let claim = |answer: &crate::app::Answer| answer.json()["claim"].clone();
    for _ in 0..2 {
        let answer = app.get("/claim").await;
        answer.assert_is(200, "");
        assert_eq!(claim(&answer)["mail"], "queued");
        // Its minute has not begun, however long it waits.
        assert_eq!(claim(&answer)["code_expires_in_ms"], 60_000);
        let page = app.get("/verify").await.body;
        assert!(page.contains("counts from when the mail is sent"), "{page}");
        assert!(page.contains("about to leave"), "{page}");
        app.pass(30);
    }
    app.smtp.let_through(1);
    app.mailed_code(EMAIL).await;
    app.pass(10);
    let answer = app.get("/claim").await;
    assert_eq!(claim(&answer)["mail"], "taken");
    assert_eq!(claim(&answer)["code_expires_in_ms"], 50_000);
    let page = app.get("/verify").await.body;
    assert!(page.contains("0:50"), "{page}");
}

#[tokio::test]
async fn a_refused_mail_is_shown_and_not_tried_again() {
    let app = App::start().await;
    app.smtp
        .fault(At::Rcpt, Fault::Answer("550 5.1.1 Unknown user"));
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    app.fetch("/register", &form).await.assert_is(200, "");
    app.mail_settled().await;
    let answer = app.get("/claim").await;
    answer.assert_is(200, "");
    assert_eq!(answer.json()["claim"]["mail"], "refused");
    let page = app.get("/verify").await.body;
    assert!(page.contains("could not be delivered"), "{page}");
    assert!(
        !page.contains("0:5"),
        "no countdown for a code that nobody has"
    );
    app.pass(3_600);
    let figures = app.mail_figures().await;
    assert_eq!((figures.queued, figures.refused, figures.sent), (0, 1, 0));
    assert_eq!(app.smtp.connections(), 1);
}

#[tokio::test]
async fn of_an_address_that_has_an_account_the_mail_looks_the_same() {
    let mut app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    let mut seen = Vec::new();
    for email in [EMAIL, "new@bar.com"] {
        app.forget_cookies();
        app.smtp.hold();
        let form = fields(&[("email", email), ("password", "stranger's password")]);
        app.fetch("/register", &form).await.assert_is(200, "");
        let look = async || {
            let answer = app.get("/claim").await;
            answer.assert_is(200, "");
            let mut json = answer.json();
            for varying in ["email", "reference"] {
                json["claim"][varying] = Value::Null;
            }
            (json, answer.headers.keys().cloned().collect::<Vec<_>>())
        };
        let before = look().await;
        app.smtp.let_through(1);
        app.smtp.mail_to(email).await;
        app.mail_settled().await;
        let after = look().await;
        assert_eq!(before.0["claim"]["mail"], "queued");
        assert_eq!(after.0["claim"]["mail"], "taken");
        seen.push((before, after));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn while_the_relay_is_away_an_address_that_has_an_account_waits_like_any_other() {
    let mut app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    app.register(EMAIL, "stranger's password")
        .await
        .assert_is(200, "");
    app.smtp.mail_to(EMAIL).await;
    app.mail_settled().await;
    // The owner was told a moment ago: the next one causes no mail, and only looks so.
    for email in [EMAIL, "new@bar.com"] {
        app.forget_cookies();
        app.smtp.go_down().await;
        let form = fields(&[("email", email), ("password", "another password")]);
        app.fetch("/register", &form).await.assert_is(200, "");
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        for _ in 0..10 {
            ticks.tick().await;
            app.pass(1);
            assert_eq!(mail_state(&app).await, "queued", "{email}");
        }
        app.smtp.come_back();
        let taken = async {
            while mail_state(&app).await != "taken" {
                tokio::task::yield_now().await;
            }
        };
        app.while_time_passes(tokio::time::timeout(Duration::from_secs(20), taken))
            .await
            .unwrap_or_else(|_| panic!("{email} is not told that its mail has left"));
    }
    app.smtp.mail_to("new@bar.com").await;
    app.mail_settled().await;
}

#[tokio::test]
async fn mail_is_in_the_language_of_the_sign_up() {
    let app = App::start().await;
    let register = |email: &str, password: &str, language: &'static str| {
        let form = fields(&[("email", email), ("password", password)]);
        send(
            app.form("/register", form)
                .header(ACCEPT_LANGUAGE, language),
        )
    };
    register(EMAIL, PASSWORD, "fr-CA,fr;q=0.9,en;q=0.8")
        .await
        .assert_is(200, "");
    let mail = app.smtp.mail_to(EMAIL).await;
    let subject = mail.message().subject().unwrap().to_owned();
    assert!(subject.contains("votre code est"), "{subject}");
    assert!(mail.text().contains("Référence"));
    app.mail_settled().await;
    app.verify(EMAIL, PASSWORD, &mail.code())
        .await
        .assert_is(200, "");
    // The owner is told in their own language, whatever the stranger speaks.
    register(EMAIL, "stranger's password", "en")
        .await
        .assert_is(200, "");
    let mail = app.smtp.mail_to(EMAIL).await;
    let subject = mail.message().subject().unwrap().to_owned();
    assert!(subject.contains("vous avez déjà un compte"), "{subject}");
    app.mail_settled().await;
}

#[tokio::test]
async fn figures_tell_what_has_become_of_mail() {
    let app = App::start().await;
    app.smtp
        .fault(At::Rcpt, Fault::Answer("450 4.2.0 Greylisted"));
    app.register(EMAIL, PASSWORD).await.assert_is(200, "");
    app.mailed_code_in_time(EMAIL).await;
    app.smtp
        .fault(At::Rcpt, Fault::Answer("550 5.1.1 Unknown user"));
    app.register("nobody@bar.com", PASSWORD)
        .await
        .assert_is(200, "");
    app.mail_settled().await;
    app.smtp.hold();
    app.register("waits@bar.com", PASSWORD)
        .await
        .assert_is(200, "");
    app.pass(20);
    let figures = app.mail_figures().await;
    assert_eq!((figures.queued, figures.oldest_age.as_secs()), (1, 20));
    assert_eq!(
        (figures.sent, figures.retried, figures.refused),
        (1, 1, 1),
        "{figures:?}"
    );
    // It came at the second try, at least 0.75 s after it was asked for.
    assert_eq!(figures.waits.iter().sum::<u64>(), 1);
    let fast = WAIT_BOUNDS_MS.iter().filter(|bound| **bound <= 500).count();
    assert_eq!(figures.waits[..fast].iter().sum::<u64>(), 0, "{figures:?}");
    assert!(figures.waited >= Duration::from_millis(750));
    app.smtp.let_through(1);
    app.mailed_code("waits@bar.com").await;
}

#[tokio::test]
async fn there_is_nothing_for_developers_in_production() {
    let app = App::start_with(|config| {
        config.mode = Mode::Production;
        config.tls.mode = latchkey::config::TlsMode::Off;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.public_url = "https://sign-up.example.org".parse().unwrap();
    })
    .await;
    let get = |path: &str, accept: &'static str| {
        let client = crate::app::client();
        let url = format!("http://{}{path}", app.http);
        send(client.request(Method::GET, url).header(ACCEPT, accept))
    };
    for path in [
        "/dev/components",
        "/dev/mailbox",
        "/dev/mailbox/1",
        "/dev/mailbox/1/html",
        "/dev/mailbox/1/raw",
        "/dev/mailbox/mailbox.css",
    ] {
        for accept in ["text/html", "application/json"] {
            let answer = get(path, accept).await;
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
        }
    }
    let page = get("/verify", "text/html").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("mailbox"), "{page:?}");
}
