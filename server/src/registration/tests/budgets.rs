//! What strangers may cause, and what they may not.

use super::*;
use crate::config::LimitsMode;
use crate::hashing::HashSettings;
use crate::store::{BudgetKind, Limited};

/// Somebody's network, which no rule exempts.
fn from(last: u8) -> ClientNetwork {
    IpAddr::from([203, 0, 113, last]).into()
}

fn v6(address: &str) -> ClientNetwork {
    address.parse::<IpAddr>().unwrap().into()
}

fn address(number: u32) -> EmailAddress {
    EmailAddress::parse(&format!("somebody{number}@bar.com")).unwrap()
}

impl Story {
    async fn sign_up(
        &self,
        email: &EmailAddress,
        password: &str,
        network: ClientNetwork,
    ) -> RegisterOutcome {
        self.registration
            .register(email, secret(password), Language::En, network)
            .await
            .unwrap()
    }

    async fn try_password(&self, password: &str, network: ClientNetwork) -> VerifyOutcome {
        let credentials = Credentials::Password {
            email: Some(email()),
            password: Some(secret(password)),
        };
        let code = VerificationCode::parse("12345").unwrap();
        self.registration
            .verify(credentials, &code, network)
            .await
            .unwrap()
    }

    /// A guess at the claim's code by its own browser.
    async fn guess(&self, claim: &Claim, right: bool, network: ClientNetwork) -> VerifyOutcome {
        let claim = self.store.claim(&claim.id()).await.unwrap().unwrap();
        let code = code_of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
        let code = if right { code } else { other_than(&code) };
        self.registration
            .verify(Credentials::Session(claim.id()), &code, network)
            .await
            .unwrap()
    }
}

#[track_caller]
fn claim_of(outcome: RegisterOutcome) -> Claim {
    match outcome {
        RegisterOutcome::Accepted { claim, .. } => *claim,
        RegisterOutcome::EmailTaken => panic!("the address is taken"),
        RegisterOutcome::Limited(limited) => panic!("{limited:?}"),
    }
}

#[track_caller]
fn limited(outcome: RegisterOutcome) -> Limited {
    match outcome {
        RegisterOutcome::Limited(limited) => limited,
        _ => panic!("nothing was limited"),
    }
}

fn limits(adjust: impl FnOnce(&mut crate::config::LimitsConfig)) -> Config {
    let mut config = Config::default();
    adjust(&mut config.limits);
    config
}

#[tokio::test]
async fn a_network_spends_its_sign_ups_and_may_come_back_when_told() {
    let story = Story::with(limits(|limits| limits.sign_ups_per_hour = 3)).await;
    for number in 0..3 {
        claim_of(
            story
                .sign_up(&address(number), "testpassword", from(1))
                .await,
        );
    }
    let refused = limited(story.sign_up(&address(3), "testpassword", from(1)).await);
    assert_eq!(refused.kind, BudgetKind::SignUps);
    // One of three an hour.
    assert_eq!(refused.until - story.clock.now(), TimeDelta::minutes(20));
    claim_of(story.sign_up(&address(4), "testpassword", from(2)).await);
    story.pass(20 * 60 - 1);
    limited(story.sign_up(&address(3), "testpassword", from(1)).await);
    story.pass(1);
    claim_of(story.sign_up(&address(3), "testpassword", from(1)).await);
    limited(story.sign_up(&address(5), "testpassword", from(1)).await);
    // What was refused left nothing behind.
    assert!(
        story
            .store
            .candidates("somebody5@bar.com")
            .await
            .unwrap()
            .1
            .is_empty()
    );
}

#[tokio::test]
async fn parallel_sign_ups_spend_no_more_than_there_is() {
    let story = Arc::new(Story::with(limits(|limits| limits.sign_ups_per_hour = 5)).await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let story = story.clone();
        tasks.spawn(async move {
            story
                .sign_up(&address(number), "testpassword", from(1))
                .await
        });
    }
    let outcomes = tasks.join_all().await;
    let accepted = |outcome: &&RegisterOutcome| matches!(outcome, RegisterOutcome::Accepted { .. });
    assert_eq!(outcomes.iter().filter(accepted).count(), 5);
}

#[tokio::test]
async fn budgets_are_shared_by_instances() {
    let config = limits(|limits| limits.sign_ups_per_hour = 2);
    let story = Story::with(config.clone()).await;
    let other = Story::registration(&config, &story.store, &story.clock);
    claim_of(story.sign_up(&address(0), "testpassword", from(1)).await);
    let there = async |number| {
        other
            .register(
                &address(number),
                secret("testpassword"),
                Language::En,
                from(1),
            )
            .await
            .unwrap()
    };
    claim_of(there(1).await);
    limited(there(2).await);
    limited(story.sign_up(&address(3), "testpassword", from(1)).await);
}

#[tokio::test]
async fn a_site_does_not_have_a_budget_for_each_of_its_networks() {
    let config = limits(|limits| {
        limits.sign_ups_per_hour = 1;
        limits.site_factor = 2;
    });
    let story = Story::with(config).await;
    claim_of(
        story
            .sign_up(&address(0), "testpassword", v6("2001:db8:1:1::1"))
            .await,
    );
    limited(
        story
            .sign_up(&address(1), "testpassword", v6("2001:db8:1:1::2"))
            .await,
    );
    claim_of(
        story
            .sign_up(&address(1), "testpassword", v6("2001:db8:1:2::1"))
            .await,
    );
    limited(
        story
            .sign_up(&address(2), "testpassword", v6("2001:db8:1:3::1"))
            .await,
    );
    claim_of(
        story
            .sign_up(&address(2), "testpassword", v6("2001:db8:2:1::1"))
            .await,
    );
}

#[tokio::test]
async fn nobodys_mailbox_is_flooded_whatever_its_state() {
    for state in ["new", "pending", "verified"] {
        let mut config = Config::default();
        config.code.expose = Some(false);
        let story = Story::with(config).await;
        if state != "new" {
            let (claim, _) = story.register("owner's password").await;
            if state == "verified" {
                assert_eq!(story.guess(&claim, true, network()).await, verified());
            }
        }
        // Three from one site, then from others; +tags are the same mailbox.
        let tagged = EmailAddress::parse("foo+tag@bar.com").unwrap();
        let sign_up = async |number: u8, email: &EmailAddress, site: u8| {
            let password = format!("stranger's {number}");
            story.sign_up(email, &password, from(site)).await
        };
        for number in 0..3 {
            let email = if number % 2 == 0 {
                email()
            } else {
                tagged.clone()
            };
            claim_of(sign_up(number, &email, 1).await);
        }
        let refused = limited(sign_up(3, &email(), 1).await);
        assert_eq!(refused.kind, BudgetKind::AddressMails, "{state}");
        assert_eq!(refused.until - story.clock.now(), TimeDelta::days(1));
        story.pass(3_600);
        for number in 3..10 {
            claim_of(sign_up(number, &email(), 1 + number / 3).await);
        }
        let refused = limited(sign_up(10, &tagged, 5).await);
        assert_eq!(refused.until - story.clock.now(), TimeDelta::hours(23));
        story.pass(23 * 3_600);
        claim_of(story.sign_up(&email(), "stranger's", from(5)).await);
    }
}

#[tokio::test]
async fn asking_again_costs_a_mail() {
    let story = Story::with(limits(|limits| limits.mails_per_hour = 2)).await;
    let claim = claim_of(story.sign_up(&email(), "testpassword", from(1)).await);
    let again = async || {
        story.pass(61);
        story
            .registration
            .resend(&claim.id(), from(1))
            .await
            .unwrap()
    };
    assert!(matches!(again().await, ResendOutcome::Sent(_)));
    assert!(matches!(
        again().await,
        ResendOutcome::Limited(Limited {
            kind: BudgetKind::Mails,
            ..
        })
    ));
    // Nothing was renewed by it.
    let delivery = story
        .store
        .claim(&claim.id())
        .await
        .unwrap()
        .unwrap()
        .delivery;
    assert_eq!(delivery, 2);
}

#[tokio::test]
async fn wrong_passwords_cost_their_network_something_and_the_claim_nothing() {
    let story = Story::with(limits(|limits| limits.failed_passwords_per_hour = 3)).await;
    let (claim, _) = story.register("testpassword").await;
    for _ in 0..3 {
        assert_eq!(
            story.try_password("another password", from(1)).await,
            VerifyOutcome::WrongCredentials
        );
    }
    let refused = VerifyOutcome::Limited(Limited {
        kind: BudgetKind::FailedPasswords,
        until: story.clock.now() + TimeDelta::minutes(20),
    });
    // The right one is no more told than a wrong one.
    assert_eq!(
        story.try_password("another password", from(1)).await,
        refused
    );
    assert_eq!(story.try_password("testpassword", from(1)).await, refused);
    let may_try = story
        .registration
        .may_try_password(from(1), VERIFY_REFUSED)
        .await
        .unwrap();
    assert_eq!(
        may_try.map(|limited| limited.kind),
        Some(BudgetKind::FailedPasswords)
    );
    assert_eq!(
        story
            .registration
            .may_try_password(from(2), VERIFY_REFUSED)
            .await
            .unwrap(),
        None
    );
    let left = story
        .store
        .claim(&claim.id())
        .await
        .unwrap()
        .unwrap()
        .attempts_left;
    assert_eq!(left, 3);
    // Who signed up in this very browser tries no password.
    assert_eq!(story.guess(&claim, true, from(1)).await, verified());
}

#[tokio::test]
async fn a_password_that_was_right_moments_ago_is_paid_for_once_it_is_wrong() {
    let story = Story::with(limits(|limits| limits.failed_passwords_per_hour = 2)).await;
    story.register("testpassword").await;
    for _ in 0..3 {
        let outcome = story.try_password("testpassword", from(1)).await;
        assert!(matches!(
            outcome,
            VerifyOutcome::WrongCode { .. } | VerifyOutcome::Stale
        ));
    }
    // The sign-up expires; what the process remembers of the password goes by another clock.
    story.pass(2 * 86_400);
    for _ in 0..2 {
        assert_eq!(
            story.try_password("testpassword", from(1)).await,
            VerifyOutcome::WrongCredentials
        );
    }
    assert!(matches!(
        story.try_password("testpassword", from(1)).await,
        VerifyOutcome::Limited(_)
    ));
}

#[tokio::test]
async fn of_many_parallel_passwords_only_the_budget_is_answered() {
    let story = Arc::new(Story::with(limits(|limits| limits.failed_passwords_per_hour = 5)).await);
    story.register("testpassword").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let story = story.clone();
        tasks.spawn(async move {
            story
                .try_password(&format!("guess {number}"), from(1))
                .await
        });
    }
    let outcomes = tasks.join_all().await;
    let answered = outcomes
        .iter()
        .filter(|outcome| **outcome == VerifyOutcome::WrongCredentials);
    assert_eq!(answered.count(), 5);
}

#[tokio::test]
async fn nine_wrong_codes_make_the_codes_of_an_address_long() {
    let story = Story::begin().await;
    // A code that was mailed before, and is still live when the last wrong code comes.
    let waiting = claim_of(story.sign_up(&email(), "owner's password", from(1)).await);
    for number in 0..3 {
        let password = format!("stranger's {number}");
        let claim = claim_of(story.sign_up(&email(), &password, from(2)).await);
        assert_eq!(claim.digits, 4);
        for left in [2, 1, 0] {
            assert_eq!(story.guess(&claim, false, from(2)).await, wrong(left));
            assert!(story.store.compare_what_is_known().await > 1);
        }
    }
    assert_eq!(
        story.guess(&waiting, true, from(1)).await,
        VerifyOutcome::Stale,
        "three guesses at each of ten live codes would be too many"
    );
    let renewed = claim_of(story.sign_up(&email(), "owner's password", from(1)).await);
    assert_eq!(
        (renewed.digits, renewed.delivery, renewed.attempts_left),
        (8, 2, 3)
    );
    assert_eq!(story.guess(&renewed, true, from(1)).await, verified());

    story.pass(30 * 86_400 - 1);
    let claim = claim_of(story.sign_up(&email_tagged(), "a password", from(3)).await);
    assert_eq!(claim.digits, 8, "+tags are the same mailbox");
    story.pass(2);
    let claim = claim_of(story.sign_up(&email_tagged(), "b password", from(3)).await);
    assert_eq!(claim.digits, 4);
}

fn email_tagged() -> EmailAddress {
    EmailAddress::parse("foo+tag@bar.com").unwrap()
}

#[tokio::test]
async fn a_short_code_in_the_outbox_becomes_a_long_one() {
    let story = Story::begin().await;
    claim_of(story.sign_up(&email(), "owner's password", from(1)).await);
    let owners = story.lease().await.remove(0);
    for number in 0..3 {
        let password = format!("stranger's {number}");
        let claim = claim_of(story.sign_up(&email(), &password, from(2)).await);
        for _ in 0..3 {
            story.guess(&claim, false, from(2)).await;
        }
    }
    let Outgoing::Code(claim) = story.prepare(&owners).await else {
        panic!("the mail carries a code");
    };
    assert_eq!((claim.digits, claim.delivery), (8, 2));
    assert!(claim.is_live(story.clock.now()));
}

#[tokio::test]
async fn eight_wrong_codes_spread_over_a_month_change_nothing() {
    let story = Story::begin().await;
    for number in 0..16 {
        let password = format!("owner's {number}");
        let claim = claim_of(story.sign_up(&email(), &password, from(1)).await);
        assert_eq!(claim.digits, 4, "{number}");
        story.guess(&claim, false, from(1)).await;
        story.pass(4 * 86_400);
    }
}

#[tokio::test]
async fn strangers_are_slowed_down_and_who_holds_a_claim_is_not() {
    let story = Story::with(limits(|limits| limits.all_sign_ups_per_hour = 2)).await;
    let claim = claim_of(story.sign_up(&address(0), "testpassword", from(1)).await);
    claim_of(story.sign_up(&address(1), "testpassword", from(2)).await);
    let refused = limited(story.sign_up(&address(2), "testpassword", from(3)).await);
    assert_eq!(refused.kind, BudgetKind::AllSignUps);
    assert_eq!(refused.until - story.clock.now(), TimeDelta::minutes(30));
    // The same sign-up again, another mail, and the code itself.
    claim_of(story.sign_up(&address(0), "testpassword", from(4)).await);
    story.pass(61);
    let again = story
        .registration
        .resend(&claim.id(), from(4))
        .await
        .unwrap();
    assert!(matches!(again, ResendOutcome::Sent(_)));
    assert!(matches!(
        story.guess(&claim, true, from(4)).await,
        VerifyOutcome::Verified { .. }
    ));
    story.pass(30 * 60);
    claim_of(story.sign_up(&address(2), "testpassword", from(3)).await);
    limited(story.sign_up(&address(3), "testpassword", from(3)).await);
}

#[tokio::test]
async fn without_limits_only_attempts_count() {
    let story = Story::with(limits(|limits| {
        limits.mode = LimitsMode::Off;
        limits.sign_ups_per_hour = 1;
        limits.address_mails_per_day = 1;
        limits.failed_passwords_per_hour = 1;
        limits.all_sign_ups_per_hour = 1;
    }))
    .await;
    let mut last = None;
    for number in 0..4 {
        let password = format!("password {number}");
        let claim = claim_of(story.sign_up(&email(), &password, from(1)).await);
        for left in [2, 1, 0] {
            assert_eq!(story.guess(&claim, false, from(1)).await, wrong(left));
        }
        assert_eq!(
            story.guess(&claim, true, from(1)).await,
            VerifyOutcome::Stale
        );
        last = Some(claim);
    }
    assert_eq!(last.unwrap().digits, 4);
    for _ in 0..3 {
        assert_eq!(
            story.try_password("another password", from(1)).await,
            VerifyOutcome::WrongCredentials
        );
    }
}

#[tokio::test]
async fn budgets_that_are_whole_again_leave_nothing_in_the_store() {
    let story = Story::begin().await;
    let claim = claim_of(story.sign_up(&email(), "testpassword", from(1)).await);
    story.guess(&claim, false, from(1)).await;
    story.try_password("another password", from(1)).await;
    assert_eq!(story.store.sweep(100).await.unwrap(), 0);
    story.pass(31 * 86_400);
    // The claim, three budgets of the network and one of everybody, and the ledger.
    assert_eq!(story.store.sweep(100).await.unwrap(), 6);
    assert_eq!(story.store.sweep(100).await.unwrap(), 0);
}

#[tokio::test]
async fn strangers_see_of_an_owners_mailbox_what_the_last_word_met() {
    let story = Story::hiding_accounts().await;
    let (claim, _) = story.register("owner's password").await;
    assert_eq!(story.guess(&claim, true, network()).await, verified());
    let (claim, _) = story.register("stranger's password").await;
    let mut mails = story.lease().await.into_iter();
    let mail = mails.find(|mail| mail.key == claim.key).unwrap();
    assert!(matches!(
        story.prepare(&mail).await,
        Outgoing::AlreadyRegistered { .. }
    ));
    story.store.mail_refused(&mail, true).await.unwrap();
    let seen = story.store.claim(&claim.id()).await.unwrap().unwrap().mail;
    assert_eq!(seen, "refused");
    story.register("another stranger's password").await;
    let mail = story.lease().await.remove(0);
    assert!(matches!(
        story.prepare(&mail).await,
        Outgoing::Silence { refused: true, .. }
    ));
}

#[tokio::test]
async fn an_owner_is_told_three_times_a_day_at_most() {
    let story = Story::hiding_accounts().await;
    let (claim, _) = story.register("owner's password").await;
    story.guess(&claim, true, network()).await;
    let mut told = 0;
    for number in 0..24 {
        story.register(&format!("stranger's {number}")).await;
        for mail in story.lease().await {
            let outgoing = story.prepare(&mail).await;
            let telling = matches!(outgoing, Outgoing::AlreadyRegistered { .. });
            told += u32::from(telling);
            story.store.compare_what_is_known().await;
            if let Outgoing::AlreadyRegistered { claim, .. } | Outgoing::Silence { claim, .. } =
                outgoing
            {
                let ttl = TimeDelta::seconds(60);
                story
                    .store
                    .mail_taken(&mail, &claim, ttl, telling)
                    .await
                    .unwrap();
            }
        }
        story.pass(3_590);
    }
    assert_eq!(told, 3);
}

#[tokio::test]
async fn a_hash_with_former_parameters_is_renewed_when_its_password_is_proven() {
    let story = Story::begin().await;
    let (_, code) = story.register("testpassword").await;
    let (claim, _) = story.register("another password").await;
    assert_eq!(story.verify("testpassword", &code).await, verified());
    let former = story.registration.hashing.parameters();
    let parameters = HashParameters {
        memory_kib: 16,
        ..former
    };
    let mut renewed = Story::registration(&Config::default(), &story.store, &story.clock);
    renewed.hashing =
        HashingPool::start(parameters, &[], 1, Crowd::default(), &SystemEntropy).unwrap();
    renewed.former_parameters = vec![former];
    let verify = async |password| {
        let credentials = Credentials::Password {
            email: Some(email()),
            password: Some(secret(password)),
        };
        renewed.verify(credentials, &code, network()).await.unwrap()
    };
    // A claim made before is still proven by its password.
    assert!(matches!(
        verify("another password").await,
        VerifyOutcome::WrongCode { .. } | VerifyOutcome::Stale
    ));
    assert_eq!(
        verify("a third password").await,
        VerifyOutcome::WrongCredentials
    );
    assert!(matches!(
        verify("testpassword").await,
        VerifyOutcome::AlreadyVerified { .. }
    ));
    let account = story.store.account(EMAIL).await.unwrap().unwrap();
    let settings = HashSettings::of(&account.password_hash).unwrap();
    assert_eq!(settings.parameters, parameters);
    assert!(matches!(
        verify("testpassword").await,
        VerifyOutcome::AlreadyVerified { .. }
    ));
    assert!(story.store.claim(&claim.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn former_parameters_are_known_until_no_hash_has_them() {
    let story = Story::begin().await;
    let parameters = |memory_kib| HashParameters {
        memory_kib,
        iterations: 1,
        parallelism: 1,
    };
    let remember = async |memory_kib| {
        story
            .store
            .remember_hash_parameters(parameters(memory_kib))
            .await
            .unwrap()
    };
    assert_eq!(remember(8).await, []);
    story.register("testpassword").await;
    assert_eq!(remember(16).await, [parameters(8)]);
    assert!(
        !story
            .store
            .forget_hash_parameters(parameters(8))
            .await
            .unwrap()
    );
    story.pass(86_401);
    story.store.sweep(10).await.unwrap();
    assert!(
        story
            .store
            .forget_hash_parameters(parameters(8))
            .await
            .unwrap()
    );
    assert_eq!(remember(16).await, []);
}

/// Ten live codes of one address and three guesses at each, all at once and on three instances: nine
/// are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thirty_parallel_guesses_at_ten_codes_nine_are_answered() {
    let story = Story::begin().await;
    let mut claims = Vec::new();
    for number in 0..10 {
        let password = format!("stranger's {number}");
        let outcome = story
            .sign_up(&email(), &password, from(1 + number / 3))
            .await;
        claims.push(claim_of(outcome));
    }
    let instances = [0; 3].map(|_| Arc::new(story.beside()));
    let together = Arc::new(tokio::sync::Barrier::new(30));
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..30 {
        let (story, together) = (instances[number % 3].clone(), together.clone());
        let claim = claims[number % 10].clone();
        guesses.spawn(async move {
            together.wait().await;
            story.guess(&claim, false, from(9)).await
        });
    }
    let mut outcomes = guesses.join_all().await;
    outcomes.retain(|outcome| *outcome != VerifyOutcome::Stale);
    assert_eq!(outcomes.len(), 9);
}

#[tokio::test]
async fn a_spent_budget_tells_nothing_of_an_account_either() {
    let story = Story::with(limits(|limits| limits.failed_passwords_per_hour = 3)).await;
    let (_, code) = story.register("owner's password").await;
    assert_eq!(story.verify("owner's password", &code).await, verified());
    for _ in 0..3 {
        story.try_password("wrong password", from(1)).await;
    }
    assert!(matches!(
        story.try_password("owner's password", from(1)).await,
        VerifyOutcome::Limited(_)
    ));
    // A right password costs nothing, however often.
    for _ in 0..5 {
        assert!(matches!(
            story.try_password("owner's password", from(2)).await,
            VerifyOutcome::AlreadyVerified { .. }
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_passwords_at_once_one_is_tried_for_each_that_the_budget_allows() {
    let story = Arc::new(Story::begin().await);
    story.register("testpassword").await;
    let spent = story.registration.budgets.failed_password(from(1));
    for _ in 0..30 {
        story.store.spend(&spent).await.unwrap();
    }
    story.pass(120);
    let together = Arc::new(tokio::sync::Barrier::new(48));
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..48 {
        let (story, together) = (story.clone(), together.clone());
        tries.spawn(async move {
            together.wait().await;
            story
                .try_password(&format!("guess {number}"), from(1))
                .await
        });
    }
    let outcomes = tries.join_all().await;
    let tried = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome, VerifyOutcome::Limited(_)));
    assert_eq!(tried.count(), 1);
}

#[tokio::test]
async fn whoever_comes_back_when_told_is_let_through_by_every_budget() {
    let story = Story::with(limits(|limits| {
        limits.sign_ups_per_hour = 1;
        limits.mails_per_hour = 3;
    }))
    .await;
    let claim = claim_of(story.sign_up(&email(), "testpassword", from(1)).await);
    for _ in 0..2 {
        story.pass(61);
        let again = story
            .registration
            .resend(&claim.id(), from(1))
            .await
            .unwrap();
        assert!(matches!(again, ResendOutcome::Sent(_)));
    }
    let refused = limited(story.sign_up(&address(1), "testpassword", from(1)).await);
    story.pass((refused.until - story.clock.now()).num_seconds() + 1);
    claim_of(story.sign_up(&address(1), "testpassword", from(1)).await);
}

#[tokio::test]
async fn while_mail_waits_used_up_codes_tell_nothing_of_an_address() {
    for state in ["new", "verified"] {
        let story = Story::hiding_accounts().await;
        if state == "verified" {
            let (claim, _) = story.register("owner's password").await;
            story.guess(&claim, true, network()).await;
            story.deliver_mail().await;
        }
        let (claim, _) = story.register("stranger's password").await;
        for _ in 0..3 {
            story.guess(&claim, false, network()).await;
        }
        let mail = story.lease().await.remove(0);
        assert!(!matches!(
            story.prepare(&mail).await,
            Outgoing::Code(_) | Outgoing::Nothing
        ));
        let seen = story.store.claim(&claim.id()).await.unwrap().unwrap().mail;
        assert_eq!(seen, "queued", "{state}");
    }
}

#[tokio::test]
async fn a_claim_lives_as_long_as_the_code_that_was_mailed() {
    let story = Story::begin().await;
    story.register("testpassword").await;
    story.pass(86_400 - 5);
    let mail = story.lease().await.remove(0);
    let Outgoing::Code(claim) = story.prepare(&mail).await else {
        panic!("the mail carries a code");
    };
    let ttl = TimeDelta::seconds(60);
    story
        .store
        .mail_taken(&mail, &claim, ttl, false)
        .await
        .unwrap();
    let code = code_of(&SecretKeys::derive(&[9; 32]), &claim).unwrap();
    story.pass(59);
    assert_eq!(story.verify("testpassword", &code).await, verified());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_sign_ups_fetch_one_slice_of_everybodys_budget_at_a_time() {
    let config = limits(|limits| limits.all_sign_ups_per_hour = 1_000);
    let story = Arc::new(Story::with(config.clone()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let story = story.clone();
        tasks.spawn(async move {
            let network = from(u8::try_from(number).unwrap());
            claim_of(
                story
                    .sign_up(&address(number), "testpassword", network)
                    .await,
            );
        });
    }
    tasks.join_all().await;
    // What is left is a thousand less a hundred, less at most one slice of ten.
    let whole = Budgets::new(config.limits, true, SecretKeys::derive(&[9; 32]));
    for _ in 0..890 {
        let admitted = whole.admit_stranger(&story.store, from(1)).await.unwrap();
        assert_eq!(admitted, None);
    }
}

#[tokio::test]
async fn a_clock_that_ran_ahead_locks_nobody_out() {
    let story = Story::begin().await;
    story.pass(365 * 86_400);
    for number in 0..3 {
        let password = format!("stranger's {number}");
        claim_of(story.sign_up(&email(), &password, from(1)).await);
    }
    story.pass(-365 * 86_400);
    claim_of(story.sign_up(&email(), "testpassword", from(1)).await);
    claim_of(story.sign_up(&address(1), "testpassword", from(2)).await);
}

#[tokio::test]
async fn a_clock_that_ran_ahead_delays_no_mail() {
    let story = Story::begin().await;
    story.pass(365 * 86_400);
    let claim = claim_of(story.sign_up(&email(), "testpassword", from(1)).await);
    story.pass(-365 * 86_400);
    let cooldown = story.registration.resend_cooldown(&claim);
    assert_eq!(cooldown, Duration::ZERO, "and the server sends one");
    let again = story.registration.resend(&claim.id(), from(1)).await;
    assert!(matches!(again.unwrap(), ResendOutcome::Sent(_)));
}

#[tokio::test]
async fn a_clock_that_ran_ahead_hushes_no_word_to_an_owner() {
    let story = Story::hiding_accounts().await;
    let (claim, _) = story.register("owner's password").await;
    story.guess(&claim, true, network()).await;
    for days in [365, -365] {
        story.pass(days * 86_400);
        let (claim, _) = story.register(&format!("stranger's {days}")).await;
        let mut mails = story.lease().await.into_iter();
        let mail = mails.find(|mail| mail.key == claim.key).unwrap();
        let Outgoing::AlreadyRegistered { claim, .. } = story.prepare(&mail).await else {
            panic!("{days}: the owner learns nothing");
        };
        let ttl = TimeDelta::seconds(60);
        let taken = story.store.mail_taken(&mail, &claim, ttl, true);
        taken.await.unwrap();
    }
}
