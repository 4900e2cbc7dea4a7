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
    /// The owner types the code that they read last for this password.
    Verify { password: usize },
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
        3 => (0..4_usize, any::<u16>()).prop_map(|(password, code)| Step::Guess { password, code }),
        3 => (0..2_usize).prop_map(|password| Step::Verify { password }),
        1 => (0..2_usize).prop_map(|password| Step::Disown { password }),
        2 => prop_oneof![Just(1), Just(30), Just(59), Just(61), Just(3_700)].prop_map(Step::Pass),
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

struct Play {
    story: Story,
    instances: Vec<Registration>,
    mailbox: Mailbox,
    /// The password that a right code from the mailbox came with.
    won_by: Option<&'static str>,
    /// Until when the attacker's network causes no mail.
    stopped_until: Option<DateTime<Utc>>,
    /// What the attacker guessed right by chance, which no rule forbids.
    guessed: bool,
}

impl Play {
    async fn begin() -> Self {
        let story = Story::hiding_accounts().await;
        let mut config = Config::default();
        config.code.expose = Some(false);
        // Budgets have tests of their own; here everybody may do everything.
        config.limits.mode = crate::config::LimitsMode::Off;
        let instances = (0..3)
            .map(|_| Story::registration(&config, &story.store, &story.clock))
            .collect();
        Self {
            story,
            instances,
            mailbox: Mailbox::new(),
            won_by: None,
            stopped_until: None,
            guessed: false,
        }
    }

    /// The claim that a password makes.
    async fn key(&self, password: &str) -> ClaimId {
        let keys = SecretKeys::derive(&[9; 32]);
        let settings = self.instances[0]
            .hashing
            .settings(keys.password_salt(EMAIL));
        let hash = self.instances[0]
            .hashing
            .hash(secret(password), settings, network());
        let phc = hash.await.unwrap();
        ClaimId {
            address: EMAIL.to_owned(),
            key: keys.claim_key(EMAIL, &phc),
        }
    }

    async fn take(&mut self, number: usize, step: Step) {
        let instance = &self.instances[number % self.instances.len()];
        match step {
            Step::Pass(seconds) => self.story.pass(seconds),
            Step::Register { who, password } => {
                let password = secret(password_of(who, password));
                let outcome = instance
                    .register(&email(), password, Language::English, network_of(who))
                    .await;
                assert!(matches!(outcome.unwrap(), RegisterOutcome::Accepted { .. }));
            }
            Step::Resend { who, password } => {
                let id = self.key(password_of(who, password)).await;
                instance.resend(&id, network_of(who)).await.unwrap();
            }
            Step::Deliver => {
                for mail in self.story.lease().await {
                    let outgoing = self.story.prepare(&mail).await;
                    let (told, claim) = match outgoing {
                        Outgoing::Nothing => continue,
                        Outgoing::Code(claim) => {
                            let code = code_of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
                            assert!(
                                claim.is_live(self.story.clock.now()),
                                "a dead code was mailed"
                            );
                            assert!(
                                self.won_by.is_none() && !self.guessed,
                                "a code was mailed for an account that stands"
                            );
                            let now = self.story.clock.now();
                            let strangers = [2, 3].map(|password| PASSWORDS[password]);
                            for password in strangers {
                                let is_theirs = self.key(password).await.key == claim.key;
                                let is_stopped =
                                    self.stopped_until.is_some_and(|until| now < until);
                                assert!(!(is_theirs && is_stopped), "mail that was stopped");
                            }
                            let link =
                                DisownToken::of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
                            self.mailbox.insert(claim.key.clone(), (code, link));
                            (false, claim)
                        }
                        Outgoing::AlreadyRegistered { claim, .. } => (true, claim),
                        Outgoing::Silence { claim, .. } => (false, claim),
                    };
                    let ttl = TimeDelta::seconds(60);
                    self.story
                        .store
                        .mail_taken(&mail, &claim, ttl, told)
                        .await
                        .unwrap();
                }
            }
            Step::Disown { password } => {
                let password = password_of(Who::Attacker, password);
                let key = self.key(password).await.key;
                let Some((code, link)) = self.mailbox.get(&key).cloned() else {
                    return;
                };
                if instance
                    .disown(&link, network_of(Who::Owner))
                    .await
                    .unwrap()
                {
                    self.stopped_until = Some(self.story.clock.now() + TimeDelta::days(1));
                    let outcome = present(instance, password, &code).await;
                    assert!(
                        !matches!(outcome, VerifyOutcome::Verified { .. }),
                        "a code opened what was disowned"
                    );
                }
            }
            Step::Guess { password, code } => {
                let code = VerificationCode::parse(&format!("{:04}", code % 10_000)).unwrap();
                let outcome = present(instance, PASSWORDS[password], &code).await;
                self.guessed |= matches!(outcome, VerifyOutcome::Verified { .. });
            }
            Step::Verify { password } => {
                let password = password_of(Who::Owner, password);
                let Some((code, _)) = self.mailbox.get(&self.key(password).await.key).cloned()
                else {
                    return;
                };
                if matches!(
                    present(instance, password, &code).await,
                    VerifyOutcome::Verified { .. }
                ) {
                    assert_eq!(self.won_by, None, "an account was made twice");
                    self.won_by = Some(password);
                }
            }
        }
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
            Step::Verify { password: 0 },
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
        let account = self.story.store.account(EMAIL).await.unwrap();
        if self.guessed {
            return;
        }
        match (account, self.won_by) {
            (None, None) => {}
            (Some(account), Some(password)) => {
                assert_eq!(account.claim_key, Some(self.key(password).await.key));
            }
            (account, won_by) => panic!("{won_by:?}, but an account: {}", account.is_some()),
        }
    }
}

async fn present(
    instance: &Registration,
    password: &str,
    code: &VerificationCode,
) -> VerifyOutcome {
    let credentials = Credentials::Password {
        email: Some(email()),
        password: Some(secret(password)),
    };
    instance.verify(credentials, code, network()).await.unwrap()
}

#[test]
fn the_account_has_the_password_of_whoever_had_the_mailboxs_code() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(10 * 1024 * 1024)
        .enable_all()
        .build()
        .unwrap();
    // Each case opens a store of its own on disk; PROPTEST_CASES asks for more of them.
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(12);
    let mut runner = TestRunner::new(Cases {
        failure_persistence: None,
        ..Cases::with_cases(cases)
    });
    let outcome = runner.run(&proptest::collection::vec(step(), 1..60), |steps| {
        runtime.block_on(async {
            let mut play = Play::begin().await;
            for (number, step) in steps.into_iter().enumerate() {
                play.take(number, step).await;
                play.check().await;
            }
            play.end().await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
