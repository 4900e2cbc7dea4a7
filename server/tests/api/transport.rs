//! Mail over a real socket to a relay that behaves as badly as relays do.

use std::time::Duration;

use chrono::DateTime;
use latchkey::mail::{
    Composed, Composer, DeliveryError, Letter, LinkToken, MAX_CONNECTIONS, Reason, RelayLimits,
    RelayUrl, SmtpRelay, Step, Transport,
};
use latchkey_app::domain::{EmailAddress, VerificationCode};
use latchkey_app::language::Language;
use lettre::transport::smtp::extension::ClientId;
use mail_parser::MessageParser;
use secrecy::SecretString;
use url::Url;

use crate::smtp::{At, Encryption, Fault, Offer, SmtpServer};

/// Every place where the relay owes an answer, and the step that it belongs to.
const STEPS: [(At, Step); 7] = [
    (At::Greeting, Step::Greeting),
    (At::Ehlo, Step::Greeting),
    (At::Auth, Step::Auth),
    (At::Mail, Step::Sender),
    (At::Rcpt, Step::Recipient),
    (At::Data, Step::Data),
    (At::Dot, Step::Message),
];

/// A relay that takes one command at a time, and one that takes several.
const ONE_AT_A_TIME: [bool; 2] = [true, false];

type Certificate = rcgen::CertifiedKey<rcgen::KeyPair>;

fn mail_to(address: &str) -> Composed {
    let composer = Composer::new(
        "Latchkey",
        &public_url(),
        &"Latchkey <no-reply@example.org>".parse().unwrap(),
        Some(&"bounces@example.org".parse().unwrap()),
    )
    .unwrap();
    let letter = Letter::Code {
        to: EmailAddress::parse(address).unwrap(),
        code: VerificationCode::parse("0746").unwrap(),
        reference: "K7QD".to_owned(),
        ttl_seconds: 60,
        disown_token: LinkToken("AbCdEfGhIjKlMnOpQrStUvWxYz0".to_owned()),
        language: Language::En,
    };
    let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    composer.compose(&letter, "claim-42.1", now).unwrap()
}

fn public_url() -> Url {
    Url::parse("https://sign-up.example.org").unwrap()
}

/// A transport as the configuration makes it.
fn transport(smtp_url: &str) -> Transport {
    let smtp_url = SecretString::from(smtp_url);
    Transport::from_config(Some(&smtp_url), None, &public_url(), RelayLimits::default()).unwrap()
}

fn transport_trusting(smtp_url: &str, certificate: &str) -> Transport {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate).unwrap();
    let smtp_url = SecretString::from(smtp_url);
    Transport::from_config(
        Some(&smtp_url),
        Some(file.path()),
        &public_url(),
        RelayLimits::default(),
    )
    .unwrap()
}

fn plain(server: &SmtpServer) -> Transport {
    transport(&format!("smtp://{}", server.host()))
}

/// A transport that has no patience where the relay answers nothing.
fn impatient(server: &SmtpServer) -> Transport {
    let url = RelayUrl::parse(&format!("smtp://user:secret@{}", server.host())).unwrap();
    let limits = RelayLimits {
        connect: Duration::from_secs(1),
        answer: Duration::from_secs(1),
        message: Duration::from_secs(1),
        delivery: Duration::from_secs(20),
    };
    Transport::Smtp(SmtpRelay::new(url, None, ClientId::default(), limits).unwrap())
}

fn transient(step: Step, reason: Reason) -> Result<(), DeliveryError> {
    Err(DeliveryError::Transient { step, reason })
}

fn permanent(step: Step, reason: Reason) -> Result<(), DeliveryError> {
    Err(DeliveryError::Permanent { step, reason })
}

fn certificate_for(name: &str) -> Certificate {
    rcgen::generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn expired_certificate() -> Certificate {
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    Certificate { cert, signing_key }
}

async fn relay(one_at_a_time: bool) -> SmtpServer {
    SmtpServer::offering(Offer {
        one_at_a_time,
        ..Offer::default()
    })
    .await
}

async fn relay_with_login(one_at_a_time: bool) -> SmtpServer {
    SmtpServer::offering(Offer {
        login: Some(("user", "secret")),
        one_at_a_time,
        ..Offer::default()
    })
    .await
}

/// The relay's refusal of a recipient is heard, and the next mail does not go where that was said.
async fn refused_and_then_on_another_connection(server: &SmtpServer, transport: &Transport) {
    assert_eq!(
        transport.deliver(&mail_to("unknown@bar.com")).await,
        permanent(Step::Recipient, Reason::Reply(550))
    );
    transport.deliver(&mail_to("next@bar.com")).await.unwrap();
    assert_eq!(server.mail_to("next@bar.com").await.connection, 2);
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_composed() {
    let server = SmtpServer::start().await;
    let mail = mail_to("foo@bücher.example");
    plain(&server).deliver(&mail).await.unwrap();
    let received = server.mail_to("foo@xn--bcher-kva.example").await;
    assert_eq!(received.from, "bounces@example.org");
    assert_eq!(received.recipients.len(), 1);
    assert!(!received.encrypted);
    let message = MessageParser::new().parse(&received.raw).unwrap();
    assert_eq!(message.subject(), Some("Latchkey: your code is 0746"));
    assert_eq!(message.message_id(), Some("claim-42.1@example.org"));
    let text = message.body_text(0).unwrap();
    assert_eq!(
        text.trim_end().lines().last(),
        Some("@sign-up.example.org #0746")
    );
    assert!(message.body_html(0).unwrap().contains("0746"));
}

#[tokio::test]
async fn lines_that_begin_with_a_dot_arrive_whole() {
    let server = SmtpServer::start().await;
    let mut mail = mail_to("foo@bar.com");
    mail.message = "Subject: dots\r\n\r\n.\r\n..\r\n.hidden\r\nend\r\n".to_owned();
    plain(&server).deliver(&mail).await.unwrap();
    let received = server.mail_to("foo@bar.com").await;
    assert!(received.raw.starts_with(mail.message.as_bytes()));
}

#[tokio::test]
async fn one_connection_carries_many_mails() {
    let server = SmtpServer::start().await;
    let transport = plain(&server);
    for address in ["a@bar.com", "b@bar.com", "c@bar.com"] {
        transport.deliver(&mail_to(address)).await.unwrap();
        assert_eq!(server.mail_to(address).await.connection, 1);
    }
}

#[tokio::test]
async fn a_relay_that_offers_it_is_told_all_before_the_message_at_once() {
    for one_at_a_time in ONE_AT_A_TIME {
        let server = relay_with_login(one_at_a_time).await;
        let transport = transport(&format!("smtp://user:secret@{}", server.host()));
        for address in ["a@bar.com", "b@bar.com"] {
            transport.deliver(&mail_to(address)).await.unwrap();
            let received = server.mail_to(address).await;
            assert_eq!(received.at_once, !one_at_a_time);
            assert_eq!(received.connection, 1);
        }
    }
}

#[tokio::test]
async fn a_relay_that_does_not_like_a_second_ehlo_is_told_one_thing_after_the_other() {
    for (fault, tries) in [
        (Fault::Answer("503 5.5.1 Duplicate EHLO"), 1),
        (Fault::Cut, 2),
    ] {
        let server = SmtpServer::start().await;
        server.fault(At::Ehlo, Fault::Late(Duration::ZERO));
        server.fault(At::Ehlo, fault);
        let transport = plain(&server);
        for _ in 1..tries {
            assert!(transport.deliver(&mail_to("foo@bar.com")).await.is_err());
        }
        transport.deliver(&mail_to("foo@bar.com")).await.unwrap();
        assert!(!server.mail_to("foo@bar.com").await.at_once);
    }
}

#[tokio::test]
async fn a_relay_that_does_not_understand_what_it_offers_is_told_one_thing_after_the_other() {
    for (at, fault, step) in [
        (
            At::Mail,
            Fault::AnswerAndHang("503 5.5.1 MAIL first"),
            Step::Sender,
        ),
        (
            At::Rcpt,
            Fault::Answer("503 5.5.0 Improper use of SMTP command pipelining"),
            Step::Recipient,
        ),
    ] {
        let server = relay_with_login(false).await;
        let transport = impatient(&server);
        server.fault(at, fault);
        let outcome = transport.deliver(&mail_to("foo@bar.com")).await;
        assert_eq!(outcome, transient(step, Reason::Reply(503)));
        transport.deliver(&mail_to("foo@bar.com")).await.unwrap();
        assert!(!server.mail_to("foo@bar.com").await.at_once);
    }
}

#[tokio::test]
async fn a_refusal_counts_when_the_answers_after_it_never_come() {
    for fault in [Fault::Hang, Fault::Cut] {
        let server = relay_with_login(false).await;
        let transport = impatient(&server);
        server.fault(At::Rcpt, Fault::Answer("550 5.1.1 Unknown"));
        server.fault(At::Data, fault);
        refused_and_then_on_another_connection(&server, &transport).await;
    }
}

#[tokio::test]
async fn answers_that_somebody_says_before_tls_begins_are_not_the_relays() {
    const ALL: &str = "220 Go on\r\n250 relay.test\r\n250 PIPELINING\r\n250 Sender\r\n\
                       250 Recipient\r\n354 Go on\r\n250 Taken";
    for said in [ALL, "220 Go on\r\n250 relay.test"] {
        let server = SmtpServer::offering(Offer {
            encryption: Encryption::StartTls(certificate_for("127.0.0.1")),
            ..Offer::default()
        })
        .await;
        server.fault(At::StartTls, Fault::Answer(said));
        let transport = plain(&server);
        let outcome = transport.deliver(&mail_to("foo@bar.com")).await;
        assert!(
            matches!(outcome, Err(DeliveryError::Transient { .. })),
            "{outcome:?}"
        );
        assert_eq!(server.unread(), 0);
        transport.deliver(&mail_to("foo@bar.com")).await.unwrap();
        assert!(server.mail_to("foo@bar.com").await.encrypted);
    }
}

#[tokio::test]
async fn a_relay_that_wants_a_message_for_nobody_is_hung_up_on() {
    let server = SmtpServer::start().await;
    let transport = plain(&server);
    server.fault(At::Rcpt, Fault::Answer("550 5.1.1 Unknown"));
    server.fault(At::Data, Fault::Answer("354 Go on all the same"));
    refused_and_then_on_another_connection(&server, &transport).await;
    assert_eq!(server.unread(), 0);
}

#[tokio::test]
async fn connections_stay_within_their_bound() {
    let server = SmtpServer::start().await;
    let transport = plain(&server);
    let mail = mail_to("foo@bar.com");
    let deliveries: Vec<_> = (0..100)
        .map(|_| {
            let (transport, mail) = (transport.clone(), mail.clone());
            tokio::spawn(async move { transport.deliver(&mail).await })
        })
        .collect();
    for delivery in deliveries {
        delivery.await.unwrap().unwrap();
    }
    assert_eq!(server.unread(), 100);
    assert!(server.most_open() <= MAX_CONNECTIONS);
}

#[tokio::test]
async fn greylisting_is_transient_and_the_second_try_arrives() {
    for one_at_a_time in ONE_AT_A_TIME {
        let server = relay(one_at_a_time).await;
        let transport = plain(&server);
        let mail = mail_to("foo@bar.com");
        for (at, answer, step, code) in [
            (At::Mail, "451 4.7.1 Too fast", Step::Sender, 451),
            (At::Rcpt, "450 4.2.0 Greylisted", Step::Recipient, 450),
            (At::Rcpt, "451 4.7.1 Come back", Step::Recipient, 451),
            (At::Data, "452 4.3.1 Disk full", Step::Data, 452),
            (At::Dot, "451 4.3.0 Scanner down", Step::Message, 451),
        ] {
            server.fault(at, Fault::Answer(answer));
            let outcome = transport.deliver(&mail).await;
            assert_eq!(outcome, transient(step, Reason::Reply(code)));
            assert_eq!(server.unread(), 0);
            transport.deliver(&mail).await.unwrap();
            // The refusal was an answer like any other: the connection goes on.
            assert_eq!(server.mail_to("foo@bar.com").await.connection, 1);
        }
    }
}

#[tokio::test]
async fn a_refused_recipient_or_message_is_final() {
    for one_at_a_time in ONE_AT_A_TIME {
        let server = relay(one_at_a_time).await;
        let transport = plain(&server);
        let mail = mail_to("foo@bar.com");
        for (at, answer, step, code) in [
            (
                At::Rcpt,
                "550 5.1.1 <foo@bar.com> unknown",
                Step::Recipient,
                550,
            ),
            (At::Data, "554 5.5.1 No", Step::Data, 554),
            (At::Dot, "554 5.7.1 Looks like spam", Step::Message, 554),
        ] {
            server.fault(at, Fault::Answer(answer));
            let outcome = transport.deliver(&mail).await;
            assert_eq!(outcome, permanent(step, Reason::Reply(code)));
            let shown = format!("{outcome:?} {}", outcome.unwrap_err());
            assert!(!shown.contains("foo"), "{shown}");
        }
        assert_eq!(server.unread(), 0);
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_recipient_is_transient() {
    for one_at_a_time in ONE_AT_A_TIME {
        for (at, answer, step, code) in [
            (At::Greeting, "421 4.3.2 Too busy", Step::Greeting, 421),
            (At::Greeting, "554 5.3.2 Not for you", Step::Greeting, 554),
            (At::Ehlo, "550 5.7.1 Bad name", Step::Greeting, 550),
            (At::Auth, "535 5.7.8 Wrong", Step::Auth, 535),
            (At::Mail, "550 5.7.1 Not your address", Step::Sender, 550),
            (At::Rcpt, "421 4.3.2 Going down", Step::Recipient, 421),
            (At::Rcpt, "530 5.7.0 Log in first", Step::Recipient, 530),
        ] {
            let server = relay_with_login(one_at_a_time).await;
            let transport = transport(&format!("smtp://user:secret@{}", server.host()));
            let mail = mail_to("foo@bar.com");
            server.fault(at, Fault::Answer(answer));
            let outcome = transport.deliver(&mail).await;
            assert_eq!(outcome, transient(step, Reason::Reply(code)), "{answer}");
            transport.deliver(&mail).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_relay_that_is_down_is_transient_until_it_is_back() {
    let mut server = SmtpServer::start().await;
    let transport = plain(&server);
    let mail = mail_to("foo@bar.com");
    // So that a connection is in the pool when the relay goes down.
    transport.deliver(&mail).await.unwrap();
    server.go_down().await;
    for _ in 0..2 {
        let outcome = transport.deliver(&mail).await;
        assert_eq!(outcome, transient(Step::Connect, Reason::Refused));
    }
    server.come_back();
    transport.deliver(&mail).await.unwrap();
    assert_eq!(server.mail_to("foo@bar.com").await.connection, 1);
    assert_eq!(server.mail_to("foo@bar.com").await.connection, 2);
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_costs_no_try() {
    for one_at_a_time in ONE_AT_A_TIME {
        let server = relay(one_at_a_time).await;
        let transport = plain(&server);
        let mail = mail_to("foo@bar.com");
        for fault in [Fault::Cut, Fault::Answer("421 4.4.2 Idle too long")] {
            transport.deliver(&mail).await.unwrap();
            server.fault(At::Mail, fault);
            transport.deliver(&mail).await.unwrap();
        }
    }
}

#[tokio::test]
async fn after_421_nothing_more_is_waited_for() {
    let server = SmtpServer::start().await;
    let url = RelayUrl::parse(&format!("smtp://{}", server.host())).unwrap();
    // Over before a missing answer would be given up.
    let limits = RelayLimits {
        delivery: Duration::from_secs(5),
        ..RelayLimits::default()
    };
    let relay = SmtpRelay::new(url, None, ClientId::default(), limits).unwrap();
    let transport = Transport::Smtp(relay);
    let mail = mail_to("foo@bar.com");
    transport.deliver(&mail).await.unwrap();
    server.fault(At::Mail, Fault::AnswerAndHang("421 4.3.2 Going down"));
    transport.deliver(&mail).await.unwrap();
}

#[tokio::test]
async fn a_relay_that_stops_answering_is_given_up_at_any_step() {
    let mut deliveries = tokio::task::JoinSet::new();
    let all = STEPS.map(|step| ONE_AT_A_TIME.map(|one_at_a_time| (step, one_at_a_time)));
    for ((at, step), one_at_a_time) in all.into_iter().flatten() {
        deliveries.spawn(async move {
            let server = relay_with_login(one_at_a_time).await;
            server.fault(at, Fault::Hang);
            let transport = impatient(&server);
            let mail = mail_to("foo@bar.com");
            let outcome = transport.deliver(&mail).await;
            assert_eq!(outcome, transient(step, Reason::Timeout), "{at:?}");
            transport.deliver(&mail).await.unwrap();
        });
    }
    while let Some(delivery) = deliveries.join_next().await {
        delivery.unwrap();
    }
}

#[tokio::test]
async fn the_whole_delivery_has_a_limit_too() {
    let server = relay_with_login(false).await;
    let url = RelayUrl::parse(&format!("smtp://user:secret@{}", server.host())).unwrap();
    let limits = RelayLimits {
        delivery: Duration::from_millis(100),
        ..RelayLimits::default()
    };
    let relay = SmtpRelay::new(url, None, ClientId::default(), limits).unwrap();
    server.fault(At::Dot, Fault::Hang);
    let outcome = Transport::Smtp(relay)
        .deliver(&mail_to("foo@bar.com"))
        .await;
    assert!(
        matches!(
            outcome,
            Err(DeliveryError::Transient {
                reason: Reason::Timeout,
                ..
            })
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_relay_that_hangs_up_or_talks_nonsense_is_transient_at_any_step() {
    for one_at_a_time in ONE_AT_A_TIME {
        for fault in [Fault::Cut, Fault::Answer("HTTP/1.1 400 Bad Request")] {
            for (at, step) in STEPS {
                let server = relay_with_login(one_at_a_time).await;
                let transport = transport(&format!("smtp://user:secret@{}", server.host()));
                let mail = mail_to("foo@bar.com");
                server.fault(at, fault);
                match transport.deliver(&mail).await {
                    Err(DeliveryError::Transient {
                        step: at_step,
                        reason: Reason::NotSmtp | Reason::Cut,
                    }) => assert_eq!(at_step, step, "{fault:?} at {at:?}"),
                    outcome => panic!("{fault:?} at {at:?}: {outcome:?}"),
                }
                transport.deliver(&mail).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_delivery_given_up_half_way_does_not_answer_for_the_next_one() {
    for one_at_a_time in ONE_AT_A_TIME {
        let server = relay_with_login(one_at_a_time).await;
        let transport = transport(&format!("smtp://user:secret@{}", server.host()));
        let mail = mail_to("given-up@bar.com");
        server.fault(At::Dot, Fault::Hang);
        tokio::select! {
            outcome = transport.deliver(&mail) => panic!("{outcome:?}"),
            _ = server.mail_to("given-up@bar.com") => {}
        }
        server.fault(At::Rcpt, Fault::Answer("550 5.1.1 Unknown"));
        refused_and_then_on_another_connection(&server, &transport).await;
    }
}

#[tokio::test]
async fn user_name_and_password_come_from_the_url() {
    let server = SmtpServer::offering(Offer {
        login: Some(("us@er", "p:w/é")),
        ..Offer::default()
    })
    .await;
    let host = server.host();
    let mail = mail_to("foo@bar.com");
    transport(&format!("smtp://us%40er:p%3Aw%2F%C3%A9@{host}"))
        .deliver(&mail)
        .await
        .unwrap();
    assert_eq!(
        transport(&format!("smtp://us%40er:wrong@{host}"))
            .deliver(&mail)
            .await,
        transient(Step::Auth, Reason::Reply(535))
    );
    assert_eq!(
        transport(&format!("smtp://{host}")).deliver(&mail).await,
        transient(Step::Sender, Reason::Reply(530))
    );
    let no_login = SmtpServer::start().await;
    assert_eq!(
        transport(&format!("smtp://user:secret@{}", no_login.host()))
            .deliver(&mail)
            .await,
        transient(Step::Auth, Reason::NoAuthentication)
    );
}

#[tokio::test]
async fn without_the_required_starttls_nothing_is_sent() {
    let server = relay_with_login(false).await;
    let transport = transport(&format!(
        "smtp://user:secret@{}?tls=required",
        server.host()
    ));
    assert_eq!(
        transport.deliver(&mail_to("foo@bar.com")).await,
        transient(Step::StartTls, Reason::NoStartTls)
    );
    assert_eq!(server.unread(), 0);
}

#[tokio::test]
async fn required_starttls_and_implicit_tls_ask_for_a_valid_certificate() {
    type Wrap = fn(Certificate) -> Encryption;
    let ways: [(Wrap, &str, &str, Step); 2] = [
        (
            Encryption::StartTls,
            "smtp",
            "?tls=required",
            Step::StartTls,
        ),
        (Encryption::Implicit, "smtps", "", Step::Greeting),
    ];
    for (wrap, scheme, tail, step) in ways {
        for (certificate, trusted, reason) in [
            (certificate_for("127.0.0.1"), true, None),
            (
                certificate_for("127.0.0.1"),
                false,
                Some(Reason::CertificateUntrusted),
            ),
            (
                certificate_for("relay.example"),
                true,
                Some(Reason::CertificateName),
            ),
            (
                expired_certificate(),
                true,
                Some(Reason::CertificateExpired),
            ),
        ] {
            let pem = certificate.cert.pem();
            let server = SmtpServer::offering(Offer {
                encryption: wrap(certificate),
                ..Offer::default()
            })
            .await;
            let url = format!("{scheme}://{}{tail}", server.host());
            let transport = if trusted {
                transport_trusting(&url, &pem)
            } else {
                transport(&url)
            };
            let outcome = transport.deliver(&mail_to("foo@bar.com")).await;
            match reason {
                Some(reason) => assert_eq!(outcome, transient(step, reason)),
                None => {
                    outcome.unwrap();
                    assert!(server.mail_to("foo@bar.com").await.encrypted);
                }
            }
            assert_eq!(server.unread(), 0);
        }
    }
}

#[tokio::test]
async fn an_offered_starttls_is_taken_whatever_the_certificate() {
    let server = SmtpServer::offering(Offer {
        encryption: Encryption::StartTls(certificate_for("snake-oil.example")),
        ..Offer::default()
    })
    .await;
    plain(&server)
        .deliver(&mail_to("foo@bar.com"))
        .await
        .unwrap();
    assert!(server.mail_to("foo@bar.com").await.encrypted);
}

#[tokio::test]
async fn a_relay_that_does_not_speak_tls_is_transient_with_smtps() {
    let server = SmtpServer::start().await;
    assert_eq!(
        transport(&format!("smtps://{}", server.host()))
            .deliver(&mail_to("foo@bar.com"))
            .await,
        transient(Step::Greeting, Reason::Tls)
    );
}
