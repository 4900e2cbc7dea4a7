//! The use cases against a real store on disk, with a clock in the test's hand.

mod at_once;
mod budgets;
mod full_queue;
mod interleavings;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use latchkey_app::domain::{EmailAddress, Password, VerificationCode};
use latchkey_app::language::Language;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver as Receiver;

use super::*;
use crate::clock::Clock;
use crate::config::DatabaseConfig;
use crate::crowd::Crowd;
use crate::entropy::SystemEntropy;
use crate::mail::{Dispatch, Handed};
use crate::network::ClientNetwork;
use crate::store::{Claim, Lease, LeasedMail, MailRules, Outgoing};

struct ManualClock(Mutex<DateTime<Utc>>);

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Story {
    registration: Arc<Registration>,
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    _folder: Arc<TempDir>,
}

const EMAIL: &str = "foo@bar.com";

impl Story {
    async fn begin() -> Self {
        Self::with(Config::default()).await
    }

    async fn hiding_accounts() -> Self {
        let mut config = Config::default();
        config.code.expose = Some(false);
        Self::with(config).await
    }

    async fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock(Mutex::new(
            DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        )));
        let database = DatabaseConfig::default();
        let store = Arc::new(
            Store::open(&database, folder.path(), clock.clone())
                .await
                .unwrap(),
        );
        let registration = Self::registration(&config, &store, &clock);
        Self {
            registration: Arc::new(registration),
            clock,
            store,
            _folder: Arc::new(folder),
        }
    }

    /// Another instance over the same store.
    fn beside(&self) -> Self {
        let store = Arc::new(self.store.beside());
        Self {
            registration: Arc::new(Self::registration(&Config::default(), &store, &self.clock)),
            clock: self.clock.clone(),
            store,
            _folder: self._folder.clone(),
        }
    }

    /// One instance of the use cases; several may share a store.
    fn registration(config: &Config, store: &Arc<Store>, clock: &Arc<ManualClock>) -> Registration {
        let keys = SecretKeys::derive(&[9; 32]);
        let parameters = HashParameters {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
        };
        Registration {
            store: store.clone(),
            hashing: HashingPool::start(parameters, &[], 1, Crowd::default(), &SystemEntropy)
                .unwrap(),
            budgets: Budgets::new(config.limits.clone(), true, keys.clone()),
            keys,
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            settings: Settings::from_config(config),
            former_parameters: Vec::new(),
            dispatch: Arc::new(Dispatch::new(
                Lease {
                    lasts: TimeDelta::seconds(8),
                    delivery_limit: TimeDelta::seconds(45),
                },
                Arc::default(),
                clock.clone(),
            )),
        }
    }

    fn pass(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }

    async fn register(&self, password: &str) -> (Claim, VerificationCode) {
        match self.try_register(password).await {
            RegisterOutcome::Accepted { claim, code } => (*claim, code.unwrap()),
            RegisterOutcome::EmailTaken => panic!("the address is taken"),
            RegisterOutcome::Limited(limited) => panic!("{limited:?}"),
        }
    }

    async fn try_register(&self, password: &str) -> RegisterOutcome {
        self.registration
            .register(&email(), secret(password), Language::En, network())
            .await
            .unwrap()
    }

    async fn verify(&self, password: &str, code: &VerificationCode) -> VerifyOutcome {
        let credentials = Credentials::Password {
            email: Some(email()),
            password: Some(secret(password)),
        };
        self.registration
            .verify(credentials, code, network())
            .await
            .unwrap()
    }

    async fn lease(&self) -> Vec<LeasedMail> {
        self.store
            .lease_mail(10, TimeDelta::seconds(30))
            .await
            .unwrap()
    }

    async fn prepare(&self, mail: &LeasedMail) -> Outgoing {
        self.store
            .prepare_mail(mail, &mail_rules(EMAIL))
            .await
            .unwrap()
    }

    /// What the relay's 250 to everything that is due does.
    async fn deliver_mail(&self) -> usize {
        let leased = self.lease().await;
        for mail in &leased {
            if let Outgoing::Code(claim)
            | Outgoing::AlreadyRegistered { claim, .. }
            | Outgoing::Silence { claim, .. } = self.prepare(mail).await
            {
                self.store
                    .mail_taken(mail, &claim, TimeDelta::seconds(60), false)
                    .await
                    .unwrap();
            }
        }
        leased.len()
    }
}

fn email() -> EmailAddress {
    EmailAddress::parse(EMAIL).unwrap()
}

fn secret(text: &str) -> Password {
    Password::presented(text).unwrap()
}

fn mail_rules(address: &str) -> MailRules {
    MailRules {
        ledger: SecretKeys::derive(&[9; 32]).address_ledger(address),
        code_ttl: TimeDelta::seconds(60),
        delivery_limit: TimeDelta::seconds(45),
        quiet: TimeDelta::hours(1),
        notices_per_day: 3,
    }
}

/// A developer's own, which no budget limits.
fn network() -> ClientNetwork {
    IpAddr::from([127, 0, 0, 1]).into()
}

/// Some code that is not this one.
fn other_than(code: &VerificationCode) -> VerificationCode {
    let number: u32 = code.expose().parse().unwrap();
    VerificationCode::parse(&format!("{:04}", (number + 1) % 10_000)).unwrap()
}

fn verified() -> VerifyOutcome {
    VerifyOutcome::Verified {
        address: EMAIL.to_owned(),
    }
}

fn wrong(attempts_left: u32) -> VerifyOutcome {
    VerifyOutcome::WrongCode { attempts_left }
}

#[tokio::test]
async fn the_right_code_makes_the_account_once() {
    let story = Story::begin().await;
    let (_, code) = story.register("testpassword").await;
    assert!(story.store.account(EMAIL).await.unwrap().is_none());
    assert_eq!(story.verify("testpassword", &code).await, verified());
    assert!(story.store.compare_what_is_known().await > 0);
    assert!(story.store.account(EMAIL).await.unwrap().is_some());
    assert_eq!(
        story.verify("testpassword", &code).await,
        VerifyOutcome::AlreadyVerified {
            address: EMAIL.to_owned()
        }
    );
    let again = story.try_register("testpassword").await;
    assert!(matches!(again, RegisterOutcome::EmailTaken));
}

#[tokio::test]
async fn nothing_is_learnt_without_the_password() {
    let story = Story::begin().await;
    let (_, code) = story.register("testpassword").await;
    for _ in 0..5 {
        assert_eq!(
            story.verify("another password", &code).await,
            VerifyOutcome::WrongCredentials
        );
    }
    assert_eq!(story.verify("testpassword", &code).await, verified());
    assert_eq!(
        story.verify("another password", &code).await,
        VerifyOutcome::WrongCredentials
    );
}

#[tokio::test]
async fn a_code_is_good_at_59_seconds_and_stale_at_61() {
    for (age, expected) in [(59, verified()), (61, VerifyOutcome::Stale)] {
        let story = Story::begin().await;
        let (_, code) = story.register("testpassword").await;
        story.pass(age);
        assert_eq!(story.verify("testpassword", &code).await, expected);
    }
}

#[tokio::test]
async fn the_minute_starts_when_the_relay_takes_the_mail() {
    let story = Story::begin().await;
    let (_, code) = story.register("testpassword").await;
    story.pass(30);
    assert_eq!(story.deliver_mail().await, 1);
    assert_eq!(story.deliver_mail().await, 0);
    story.pass(59);
    assert_eq!(story.verify("testpassword", &code).await, verified());
}

#[tokio::test]
async fn a_mail_that_waited_too_long_carries_the_next_code() {
    let story = Story::begin().await;
    let (first, _) = story.register("testpassword").await;
    story.pass(3_600);
    let mail = story.lease().await.remove(0);
    let Outgoing::Code(claim) = story.prepare(&mail).await else {
        panic!("the mail carries a code");
    };
    assert_eq!(claim.delivery, first.delivery + 1);
    assert!(claim.is_live(story.clock.now()));
    let code = code_of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
    assert_eq!(story.verify("testpassword", &code).await, verified());
}

#[tokio::test]
async fn a_lease_that_ends_is_taken_over() {
    let story = Story::begin().await;
    story.register("testpassword").await;
    assert_eq!(story.lease().await.len(), 1);
    assert_eq!(story.lease().await.len(), 0);
    story.pass(31);
    assert_eq!(story.lease().await[0].tries, 2);
}

#[tokio::test]
async fn a_lease_is_kept_while_the_mail_is_under_way_and_by_nobody_else() {
    let story = Story::begin().await;
    story.register("testpassword").await;
    let lease = TimeDelta::seconds(30);
    let mail = story.lease().await.remove(0);
    for _ in 0..3 {
        story.pass(20);
        assert!(story.store.keep_lease(&mail, lease).await.unwrap());
        assert_eq!(story.lease().await.len(), 0);
    }
    story.pass(31);
    let taken_over = story.lease().await.remove(0);
    assert!(!story.store.keep_lease(&mail, lease).await.unwrap());
    assert!(story.store.keep_lease(&taken_over, lease).await.unwrap());
    // A later wish is nobody's lease yet: what is under way may end.
    story.register("testpassword").await;
    assert!(story.store.keep_lease(&taken_over, lease).await.unwrap());
    assert_eq!(story.lease().await.len(), 1);
}

#[tokio::test]
async fn a_code_does_not_die_while_its_mail_is_under_way() {
    let story = Story::begin().await;
    let (first, _) = story.register("testpassword").await;
    story.pass(59);
    let mail = story.lease().await.remove(0);
    let Outgoing::Code(claim) = story.prepare(&mail).await else {
        panic!("the mail carries a code");
    };
    assert_eq!(claim.delivery, first.delivery);
    story.pass(44);
    // Signing up once more repeats it, so the relay is not handed a code that was replaced.
    let (again, _) = story.register("testpassword").await;
    assert_eq!(again.delivery, first.delivery);
}

#[tokio::test]
async fn a_mail_that_leaves_with_its_sign_up_is_known_to_be_its_code_or_is_looked_at_again() {
    let story = Story::hiding_accounts().await;
    let mut handed = story.registration.dispatch.attend().await;
    let code_of = async |handed: &mut Receiver<Handed>| {
        let (claim, code) = story.register("testpassword").await;
        let known = handed.try_recv().unwrap().code_of;
        (known.map(|known| known.code_expires_at), claim, code)
    };
    let (known, first, _) = code_of(&mut handed).await;
    assert_eq!(known, Some(first.code_expires_at));
    story.pass(15);
    let (known, again, _) = code_of(&mut handed).await;
    assert_eq!(known, Some(first.code_expires_at));
    assert_eq!(again.delivery, first.delivery);
    // From here on it could die on its way.
    story.pass(1);
    let (known, again, code) = code_of(&mut handed).await;
    assert_eq!((known, again.delivery), (None, first.delivery));
    assert_eq!(story.verify("testpassword", &code).await, verified());
    // To the owner, or to nobody.
    assert_eq!(code_of(&mut handed).await.0, None);
}

#[tokio::test]
async fn of_many_clicks_at_once_one_disowns() {
    let story = Arc::new(Story::begin().await);
    let (claim, code) = story.register("testpassword").await;
    let token = DisownToken::of(&story.registration.keys, &claim).unwrap();
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (story, token) = (story.clone(), token.expose());
        clicks.spawn(async move {
            let token = DisownToken::parse(&token).unwrap();
            let disowned = story.registration.disown(&token, network()).await;
            disowned.unwrap()
        });
    }
    let outcomes = clicks.join_all().await;
    assert_eq!(outcomes.iter().filter(|disowned| **disowned).count(), 1);
    assert_eq!(story.verify("testpassword", &code).await, wrong(2));
    assert!(story.store.account(EMAIL).await.unwrap().is_none());
    // What was about to leave only looks as if it did.
    let mail = story.lease().await.remove(0);
    assert!(matches!(
        story.prepare(&mail).await,
        Outgoing::Silence { refused: false, .. }
    ));
}

#[tokio::test]
async fn three_wrong_codes_use_a_code_up() {
    let story = Story::begin().await;
    let (_, code) = story.register("testpassword").await;
    let guess = other_than(&code);
    assert_eq!(story.verify("testpassword", &guess).await, wrong(2));
    assert_eq!(story.verify("testpassword", &guess).await, wrong(1));
    assert_eq!(story.verify("testpassword", &guess).await, wrong(0));
    assert_eq!(
        story.verify("testpassword", &code).await,
        VerifyOutcome::Stale
    );
}

#[tokio::test]
async fn of_a_thousand_parallel_guesses_three_are_answered() {
    let story = Arc::new(Story::begin().await);
    let (_, code) = story.register("testpassword").await;
    let instances = [0; 3].map(|_| Arc::new(story.beside()));
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let story = story.clone();
        let instance = instances[number % instances.len()].clone();
        let guess = other_than(&code);
        // Through the session, so that the test spends its time on guesses, not on hashes.
        guesses.spawn(async move {
            let claim = story.store.candidates(EMAIL).await.unwrap().1.remove(0);
            instance
                .registration
                .verify(Credentials::Session(claim.id()), &guess, network())
                .await
                .unwrap()
        });
    }
    let mut outcomes = guesses.join_all().await;
    outcomes.retain(|outcome| *outcome != VerifyOutcome::Stale);
    outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
    assert_eq!(outcomes, [wrong(0), wrong(1), wrong(2)]);
    assert_eq!(
        story.verify("testpassword", &code).await,
        VerifyOutcome::Stale
    );
}

#[tokio::test]
async fn the_same_sign_up_again_repeats_a_live_code_and_renews_a_dead_one() {
    let story = Story::begin().await;
    let (_, first) = story.register("testpassword").await;
    story.verify("testpassword", &other_than(&first)).await;
    story.pass(30);
    let (claim, second) = story.register("testpassword").await;
    assert_eq!(second.expose(), first.expose());
    assert_eq!(claim.attempts_left, 2);
    story.pass(61);
    let (claim, third) = story.register("testpassword").await;
    assert_eq!((claim.delivery, claim.attempts_left), (2, 3));
    assert_eq!(story.verify("testpassword", &third).await, verified());
}

#[tokio::test]
async fn an_expired_claim_begins_anew_with_other_codes() {
    let story = Story::begin().await;
    let (first, _) = story.register("testpassword").await;
    story.pass(86_401);
    let (second, _) = story.register("testpassword").await;
    assert_ne!(first.seed, second.seed);
    assert_eq!(second.delivery, 1);
    story.pass(86_401);
    assert_eq!(story.store.sweep(10).await.unwrap(), 1);
    assert_eq!(story.store.sweep(10).await.unwrap(), 0);
}

#[tokio::test]
async fn who_has_the_mailbox_gets_the_account_with_their_own_password() {
    let story = Story::begin().await;
    let (_, owners) = story.register("owner's password").await;
    let (strangers_claim, strangers) = story.register("stranger's password").await;
    assert_eq!(story.verify("owner's password", &strangers).await, {
        if strangers.expose() == owners.expose() {
            verified()
        } else {
            wrong(2)
        }
    });
    assert_eq!(story.verify("owner's password", &owners).await, verified());
    // The stranger sees what they would see had nothing happened, and nothing opens their claim.
    assert_eq!(
        story.verify("stranger's password", &strangers).await,
        wrong(2)
    );
    assert!(
        story
            .store
            .claim(&strangers_claim.id())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn misses_with_one_claims_password_cost_another_nothing() {
    let story = Story::begin().await;
    let (_, owners) = story.register("owner's password").await;
    let (_, strangers) = story.register("stranger's password").await;
    for left in [2, 1, 0] {
        let guess = other_than(&strangers);
        assert_eq!(
            story.verify("stranger's password", &guess).await,
            wrong(left)
        );
    }
    assert_eq!(
        story.verify("stranger's password", &strangers).await,
        VerifyOutcome::Stale
    );
    let guess = other_than(&owners);
    assert_eq!(story.verify("owner's password", &guess).await, wrong(2));
    assert_eq!(story.verify("owner's password", &owners).await, verified());
}

#[tokio::test]
async fn a_verified_address_looks_like_a_new_one_to_strangers() {
    let story = Story::hiding_accounts().await;
    let (_, code) = story.register("owner's password").await;
    story.deliver_mail().await;
    assert_eq!(story.verify("owner's password", &code).await, verified());
    let (claim, code) = story.register("stranger's password").await;
    assert_eq!((claim.delivery, claim.attempts_left), (1, 3));
    let mail = story.lease().await.remove(0);
    let outgoing = story.prepare(&mail).await;
    assert!(matches!(outgoing, Outgoing::AlreadyRegistered { .. }));
    for left in [2, 1, 0] {
        assert_eq!(
            story.verify("stranger's password", &code).await,
            wrong(left)
        );
    }
    assert_eq!(
        story.verify("stranger's password", &code).await,
        VerifyOutcome::Stale
    );
}

#[tokio::test]
async fn an_owner_is_told_at_most_once_an_hour() {
    let story = Story::hiding_accounts().await;
    let (_, code) = story.register("owner's password").await;
    story.deliver_mail().await;
    story.verify("owner's password", &code).await;
    for (pause, told) in [(0, true), (10, false), (3_600, true)] {
        story.pass(pause);
        story.register("stranger's password").await;
        let mail = story.lease().await.remove(0);
        let outgoing = story.prepare(&mail).await;
        assert_eq!(
            matches!(outgoing, Outgoing::AlreadyRegistered { .. }),
            told,
            "{pause}"
        );
        if let Outgoing::AlreadyRegistered { claim, .. } = outgoing {
            let ttl = TimeDelta::seconds(60);
            story
                .store
                .mail_taken(&mail, &claim, ttl, true)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_proves_its_own_claim_and_nothing_else() {
    let story = Story::begin().await;
    let (claim, code) = story.register("testpassword").await;
    let by_session = async |code: &VerificationCode| {
        story
            .registration
            .verify(Credentials::Session(claim.id()), code, network())
            .await
            .unwrap()
    };
    assert_eq!(by_session(&other_than(&code)).await, wrong(2));
    assert_eq!(story.verify("testpassword", &code).await, verified());
    let address = EMAIL.to_owned();
    let repeated = VerifyOutcome::Repeated { address };
    assert_eq!(by_session(&code).await, repeated);
    assert!(matches!(
        by_session(&other_than(&code)).await,
        VerifyOutcome::AlreadyVerified { .. }
    ));
}

#[tokio::test]
async fn another_mail_may_be_asked_for_after_the_cooldown() {
    let story = Story::begin().await;
    let (claim, _) = story.register("testpassword").await;
    story.pass(59);
    let resend = async || {
        story
            .registration
            .resend(&claim.id(), network())
            .await
            .unwrap()
    };
    assert!(
        matches!(resend().await, ResendOutcome::TooSoon { retry_after, .. } if retry_after == Duration::from_secs(1))
    );
    story.pass(1);
    assert!(matches!(resend().await, ResendOutcome::Sent(claim) if claim.delivery == 2));
    story.pass(86_401);
    assert!(matches!(resend().await, ResendOutcome::Gone));
}

#[tokio::test]
async fn racing_sign_ups_make_one_claim_each_and_one_account() {
    let story = Arc::new(Story::begin().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let story = story.clone();
        tasks.spawn(async move { story.register(&format!("password {}", number % 4)).await.1 });
    }
    tasks.join_all().await;
    let claims = story.store.candidates(EMAIL).await.unwrap().1;
    assert_eq!(claims.len(), 4);
    let mut tasks = tokio::task::JoinSet::new();
    for claim in claims {
        let story = story.clone();
        let code = code_of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
        tasks.spawn(async move {
            let session = Credentials::Session(claim.id());
            story
                .registration
                .verify(session, &code, network())
                .await
                .unwrap()
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == verified())
            .count(),
        1
    );
}

#[tokio::test]
async fn unusable_credentials_fail_like_wrong_ones() {
    let story = Story::begin().await;
    let (_, code) = story.register("testpassword").await;
    for (email, password) in [
        (None, Some(secret("testpassword"))),
        (Some(email()), None),
        (
            EmailAddress::parse("nobody@bar.com").ok(),
            Some(secret("testpassword")),
        ),
    ] {
        let credentials = Credentials::Password { email, password };
        let outcome = story
            .registration
            .verify(credentials, &code, network())
            .await;
        assert_eq!(outcome.unwrap(), VerifyOutcome::WrongCredentials);
    }
}

#[tokio::test]
async fn what_became_of_an_earlier_mail_changes_nothing_about_a_later_one() {
    let story = Story::begin().await;
    let ttl = TimeDelta::seconds(60);
    let (_, first) = story.register("testpassword").await;
    let slow = story.lease().await.remove(0);
    let Outgoing::Code(slow_claim) = story.prepare(&slow).await else {
        panic!("the mail carries a code");
    };
    for _ in 0..3 {
        story.verify("testpassword", &other_than(&first)).await;
    }
    story.register("testpassword").await;
    story
        .store
        .mail_taken(&slow, &slow_claim, ttl, false)
        .await
        .unwrap();
    story.store.mail_refused(&slow, false).await.unwrap();
    story
        .store
        .postpone_mail(&slow, TimeDelta::hours(1))
        .await
        .unwrap();
    let later = story.lease().await.remove(0);
    let Outgoing::Code(claim) = story.prepare(&later).await else {
        panic!("the mail carries a code");
    };
    assert_eq!((claim.delivery, claim.mail.as_str()), (2, "queued"));
    assert!(matches!(story.prepare(&slow).await, Outgoing::Nothing));
}

#[tokio::test]
async fn of_many_mails_at_once_one_tells_the_owner() {
    let story = Story::hiding_accounts().await;
    let (_, code) = story.register("owner's password").await;
    story.deliver_mail().await;
    story.verify("owner's password", &code).await;
    for number in 0..8 {
        story
            .register(&format!("stranger's password {number}"))
            .await;
    }
    let mut telling = Vec::new();
    for mail in story.lease().await {
        if matches!(
            story.prepare(&mail).await,
            Outgoing::AlreadyRegistered { .. }
        ) {
            telling.push(mail);
        }
    }
    assert_eq!(telling.len(), 1);
    // Its retry goes on telling.
    assert!(matches!(
        story.prepare(&telling[0]).await,
        Outgoing::AlreadyRegistered { .. }
    ));
}

#[tokio::test]
async fn the_right_code_twice_at_once_is_told_that_it_is_done() {
    let story = Arc::new(Story::begin().await);
    let (claim, code) = story.register("testpassword").await;
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (story, code, id) = (story.clone(), code.clone(), claim.id());
        clicks.spawn(async move {
            let session = Credentials::Session(id);
            story
                .registration
                .verify(session, &code, network())
                .await
                .unwrap()
        });
    }
    let outcomes = clicks.join_all().await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == verified())
            .count(),
        1
    );
    let repeated = VerifyOutcome::Repeated {
        address: EMAIL.to_owned(),
    };
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == repeated)
            .count(),
        7
    );
}

#[tokio::test]
async fn whoever_burns_the_attempts_does_not_keep_the_owner_from_being_told() {
    let story = Story::hiding_accounts().await;
    let (_, code) = story.register("owner's password").await;
    story.deliver_mail().await;
    story.verify("owner's password", &code).await;
    let (_, code) = story.register("stranger's password").await;
    for _ in 0..3 {
        story.verify("stranger's password", &code).await;
    }
    let mail = story.lease().await.remove(0);
    assert!(matches!(
        story.prepare(&mail).await,
        Outgoing::AlreadyRegistered { .. }
    ));
}

#[tokio::test]
async fn an_owner_is_told_once_though_the_stranger_repeats_the_sign_up_meanwhile() {
    let story = Story::hiding_accounts().await;
    let (_, code) = story.register("owner's password").await;
    story.deliver_mail().await;
    story.verify("owner's password", &code).await;
    story.register("stranger's password").await;
    let under_way = story.lease().await.remove(0);
    let Outgoing::AlreadyRegistered { claim, .. } = story.prepare(&under_way).await else {
        panic!("the owner is told");
    };
    story.register("stranger's password").await;
    let ttl = TimeDelta::seconds(60);
    story
        .store
        .mail_taken(&under_way, &claim, ttl, true)
        .await
        .unwrap();
    let again = story.lease().await.remove(0);
    assert!(matches!(
        story.prepare(&again).await,
        Outgoing::Silence { .. }
    ));
}

#[tokio::test]
async fn a_lease_that_was_taken_over_has_no_say_any_more() {
    let story = Story::begin().await;
    story.register("testpassword").await;
    let late = story.lease().await.remove(0);
    story.pass(31);
    let now_leased = story.lease().await.remove(0);
    assert!(matches!(story.prepare(&late).await, Outgoing::Nothing));
    story.store.mail_refused(&late, false).await.unwrap();
    assert!(matches!(
        story.prepare(&now_leased).await,
        Outgoing::Code(_)
    ));
}
