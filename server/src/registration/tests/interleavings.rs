//! Whatever order things come in, on however many instances: the account has the password of
//! whoever had the mailbox's code, or there is none.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use super::*;
use crate::store::ClaimId;

/// The owner reads the mailbox and types in what they read. The attacker does everything else that
/// can be done from outside, and knows no mail.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody signs up, with one of their passwords.
    Register { who: Who, password: usize },
    /// Whoever made a claim asks for another mail.
    Resend { who: Who, password: usize },
    /// The relay takes what is due.
    Deliver,
    /// The attacker guesses, with any password, also the owner's.
    Guess { password: usize, code: u16 },
    /// The owner types the code that they read last for this password, with the password or in the
    /// browser that signed up.
    Verify { password: usize, in_browser: bool },
    /// The owner says of a mail that the attacker caused that it was not them.
    Disown { password: usize },
    /// Time passes, in seconds.
    Pass(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    Attacker,
}

/// The first two are the owner's.
const PASSWORDS: [&str; 4] = [
    "owner's first password",
    "owner's second password",
    "attacker's first password",
    "attacker's second password",
];

fn password_of(who: Who, number: usize) -> &'static str {
    match who {
        Who::Owner => PASSWORDS[number % 2],
        Who::Attacker => PASSWORDS[2 + number % 2],
    }
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![Just(Who::Owner), Just(Who::Attacker)];
    prop_oneof![
        3 => (who.clone(), 0..2_usize).prop_map(|(who, password)| Step::Register { who, password }),
        1 => (who, 0..2_usize).prop_map(|(who, password)| Step::Resend { who, password }),
        3 => Just(Step::Deliver),
        2 => (0..4_usize, any::<u16>()).prop_map(|(password, code)| Step::Guess { password, code }),
        4 => (0..2_usize, any::<bool>())
            .prop_map(|(password, in_browser)| Step::Verify { password, in_browser }),
        1 => (0..2_usize).prop_map(|password| Step::Disown { password }),
        1 => prop_oneof![Just(1), Just(30), Just(59), Just(61), Just(3_700)].prop_map(Step::Pass),
    ]
}

/// Each sits somewhere else.
fn network_of(who: Who) -> ClientNetwork {
    IpAddr::from(match who {
        Who::Owner => [198, 51, 100, 1],
        Who::Attacker => [192, 0, 2, 1],
    })
    .into()
}

/// What the owner has read, by the claim's key, since the mail says which sign-up it is for.
type Mailbox = HashMap<String, (VerificationCode, DisownToken)>;

struct Play<'a> {
    stage: &'a Stage,
    email: EmailAddress,
    mailbox: Mailbox,
    /// The password that a right code from the mailbox came with.
    won_by: Option<&'static str>,
    /// Until when the attacker's network causes no mail.
    stopped_until: Option<DateTime<Utc>>,
    /// The attacker was right by chance, which no rule forbids.
    guessed: bool,
}

/// Several instances on one store, for one play after the other.
struct Stage {
    story: Story,
    instances: Vec<Registration>,
}

impl Stage {
    async fn set() -> Self {
        let mut config = Config::default();
        config.code.expose = Some(false);
        // Budgets have tests of their own; here everybody may do everything.
        config.limits.mode = crate::config::LimitsMode::Off;
        let story = Story::with(config.clone()).await;
        let instances = (0..3)
            .map(|_| Story::registration(&config, &story.store, &story.clock))
            .collect();
        Self { story, instances }
    }
}

impl<'a> Play<'a> {
    fn begin(stage: &'a Stage, number: usize) -> Self {
        Self {
            stage,
            email: EmailAddress::parse(&format!("owner{number}@bar.com")).unwrap(),
            mailbox: Mailbox::new(),
            won_by: None,
            stopped_until: None,
            guessed: false,
        }
    }

    async fn hash(&self, password: &str) -> String {
        let hashing = &self.stage.instances[0].hashing;
        let salt = SecretKeys::derive(&[9; 32]).password_salt(self.email.canonical());
        let hash = hashing.hash(secret(password), hashing.settings(salt), network());
        hash.await.unwrap()
    }

    /// The claim that a password makes.
    async fn claim(&self, password: &str) -> ClaimId {
        let address = self.email.canonical();
        let hash = self.hash(password).await;
        ClaimId {
            address: address.to_owned(),
            key: SecretKeys::derive(&[9; 32]).claim_key(address, &hash),
        }
    }

    async fn present(
        &self,
        instance: &Registration,
        credentials: Credentials,
        code: &VerificationCode,
    ) -> VerifyOutcome {
        instance.verify(credentials, code, network()).await.unwrap()
    }

    fn by_password(&self, password: &str) -> Credentials {
        Credentials::Password {
            email: Some(self.email.clone()),
            password: Some(secret(password)),
        }
    }

    async fn take(&mut self, number: usize, step: Step) {
        let Stage { story, instances } = self.stage;
        let instance = &instances[number % instances.len()];
        match step {
            Step::Pass(seconds) => story.pass(seconds),
            Step::Register { who, password } => {
                let password = secret(password_of(who, password));
                // One of them has a worker that is free, and sends it at once.
                let mut handed = match number % instances.len() {
                    0 => Some(instance.dispatch.attend().await),
                    _ => None,
                };
                let outcome = instance
                    .register(&self.email, password, Language::En, network_of(who))
                    .await;
                assert!(matches!(outcome.unwrap(), RegisterOutcome::Accepted { .. }));
                if let Some(Ok(handed)) = handed.as_mut().map(|handed| handed.try_recv()) {
                    let outgoing = self.prepare(&handed.mail).await;
                    if let Some(known) = handed.code_of {
                        let Outgoing::Code(claim) = &outgoing else {
                            panic!("it is no code");
                        };
                        let facts = |claim: &Claim| {
                            let code = (claim.seed.clone(), claim.delivery, claim.digits);
                            (code, claim.attempts_left, claim.code_expires_at)
                        };
                        assert_eq!(facts(&known), facts(claim));
                    }
                    self.deliver(&handed.mail, outgoing).await;
                }
            }
            Step::Resend { who, password } => {
                let id = self.claim(password_of(who, password)).await;
                instance.resend(&id, network_of(who)).await.unwrap();
            }
            Step::Deliver => {
                for mail in story.lease().await {
                    if mail.address != self.email.canonical() {
                        continue; // Of an earlier play.
                    }
                    let outgoing = self.prepare(&mail).await;
                    self.deliver(&mail, outgoing).await;
                }
            }
            Step::Disown { password } => {
                let password = password_of(Who::Attacker, password);
                let key = self.claim(password).await.key;
                let Some((code, link)) = self.mailbox.get(&key).cloned() else {
                    return;
                };
                if instance
                    .disown(&link, network_of(Who::Owner))
                    .await
                    .unwrap()
                {
                    self.stopped_until = Some(story.clock.now() + TimeDelta::days(1));
                    let credentials = self.by_password(password);
                    let outcome = self.present(instance, credentials, &code).await;
                    assert!(
                        !matches!(outcome, VerifyOutcome::Verified { .. }),
                        "a code opened what was disowned"
                    );
                }
            }
            Step::Guess { password, code } => {
                let code = VerificationCode::parse(&format!("{:04}", code % 10_000)).unwrap();
                let credentials = self.by_password(PASSWORDS[password]);
                let outcome = self.present(instance, credentials, &code).await;
                self.guessed |= matches!(outcome, VerifyOutcome::Verified { .. });
            }
            Step::Verify {
                password,
                in_browser,
            } => {
                let password = password_of(Who::Owner, password);
                let claim = self.claim(password).await;
                let Some((code, _)) = self.mailbox.get(&claim.key).cloned() else {
                    return;
                };
                let credentials = if in_browser {
                    Credentials::Session(claim)
                } else {
                    self.by_password(password)
                };
                let outcome = self.present(instance, credentials, &code).await;
                if matches!(outcome, VerifyOutcome::Verified { .. }) {
                    assert_eq!(self.won_by, None, "an account was made twice");
                    self.won_by = Some(password);
                }
            }
        }
    }

    async fn prepare(&self, mail: &LeasedMail) -> Outgoing {
        let rules = mail_rules(&mail.address);
        let prepared = self.stage.story.store.prepare_mail(mail, &rules).await;
        prepared.unwrap()
    }

    /// The relay takes it, and whoever has the mailbox reads it.
    async fn deliver(&mut self, mail: &LeasedMail, outgoing: Outgoing) {
        let story = &self.stage.story;
        let (told, claim) = match outgoing {
            Outgoing::Nothing => return,
            Outgoing::Code(claim) => {
                let code = code_of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
                assert!(claim.is_live(story.clock.now()), "a dead code was mailed");
                assert!(
                    self.won_by.is_none() && !self.guessed,
                    "a code was mailed for an account that stands"
                );
                let now = story.clock.now();
                let strangers = [2, 3].map(|password| PASSWORDS[password]);
                for password in strangers {
                    let is_theirs = self.claim(password).await.key == claim.key;
                    let is_stopped = self.stopped_until.is_some_and(|until| now < until);
                    assert!(!(is_theirs && is_stopped), "mail that was stopped");
                }
                let link = DisownToken::of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
                self.mailbox.insert(claim.key.clone(), (code, link));
                (false, claim)
            }
            Outgoing::AlreadyRegistered { claim, .. } => (true, claim),
            Outgoing::Silence { claim, .. } => (false, claim),
        };
        let ttl = TimeDelta::seconds(60);
        let taken = story.store.mail_taken(mail, &claim, ttl, told).await;
        taken.unwrap();
    }

    /// Whatever came before, the owner gets in.
    async fn end(&mut self) {
        for step in [
            Step::Pass(3_700),
            Step::Register {
                who: Who::Owner,
                password: 0,
            },
            Step::Deliver,
            Step::Verify {
                password: 0,
                in_browser: false,
            },
        ] {
            self.take(0, step).await;
        }
        self.check().await;
        assert!(
            self.won_by.is_some() || self.guessed,
            "the owner is shut out"
        );
    }

    async fn check(&self) {
        let address = self.email.canonical();
        let account = self.stage.story.store.account(address).await.unwrap();
        if self.guessed {
            return;
        }
        match (account, self.won_by) {
            (None, None) => {}
            (Some(account), Some(password)) => {
                assert_eq!(account.password_hash, self.hash(password).await);
            }
            (account, won_by) => panic!("{won_by:?}, but an account: {}", account.is_some()),
        }
    }
}

#[test]
fn the_account_has_the_password_of_whoever_had_the_mailboxs_code() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(10 * 1024 * 1024)
        .enable_all()
        .build()
        .unwrap();
    // PROPTEST_CASES asks for more of them.
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(24);
    let mut runner = TestRunner::new(Cases {
        failure_persistence: None,
        ..Cases::with_cases(cases)
    });
    let stage = runtime.block_on(Stage::set());
    let plays = std::cell::Cell::new(0);
    let known = std::cell::Cell::new(0);
    let outcome = runner.run(&proptest::collection::vec(step(), 1..40), |steps| {
        runtime.block_on(async {
            plays.set(plays.get() + 1);
            let mut play = Play::begin(&stage, plays.get());
            for (number, step) in steps.into_iter().enumerate() {
                play.take(number, step).await;
                play.check().await;
                known.set(known.get() + stage.story.store.compare_what_is_known().await);
            }
            play.end().await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(
        known.get() > plays.get(),
        "something was known of each play"
    );
}
