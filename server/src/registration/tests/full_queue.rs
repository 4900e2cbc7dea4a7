//! Whoever finds no place to be hashed in is told so before anything is looked up, or paid for.

use tokio::task::JoinSet;

use super::*;
use crate::hashing::{HashParameters, HashSettings};

/// Budgets bind it, as they do not bind this machine.
fn from_afar() -> ClientNetwork {
    IpAddr::from([203, 0, 113, 1]).into()
}

/// One that is being hashed, and as many as there are places for.
async fn fill(registration: &Arc<Registration>) -> JoinSet<()> {
    let settings = HashSettings {
        parameters: HashParameters {
            memory_kib: 8,
            iterations: 1_000_000,
            parallelism: 1,
        },
        salt: [7; 16],
    };
    let mut waiting = JoinSet::new();
    while registration.hashing.admit(from_afar()).is_ok() {
        let registration = registration.clone();
        waiting.spawn(async move {
            // Refused, or dropped with the test.
            let _ = registration
                .hashing
                .hash(secret("a password"), settings, from_afar())
                .await;
        });
        tokio::task::yield_now().await;
    }
    waiting
}

#[tokio::test]
async fn a_full_queue_is_said_before_a_budget_is_looked_at_or_paid_from() {
    let mut config = Config::default();
    config.limits.sign_ups_per_hour = 1;
    config.limits.failed_passwords_per_hour = 1;
    let story = Story::with(config).await;
    let Registration { budgets, .. } = &*story.registration;
    for spent in [
        budgets.sign_up(from_afar()),
        budgets.failed_password(from_afar()),
    ] {
        assert_eq!(story.store.spend(&spent).await.unwrap(), None);
    }
    let email = email();
    let register = || {
        let password = secret("testpassword");
        story
            .registration
            .register(&email, password, Language::En, from_afar())
    };
    let verify = || {
        let credentials = Credentials::Password {
            email: Some(email.clone()),
            password: Some(secret("testpassword")),
        };
        async {
            let code = VerificationCode::parse("1234").unwrap();
            story
                .registration
                .verify(credentials, &code, from_afar())
                .await
        }
    };
    assert!(matches!(register().await, Ok(RegisterOutcome::Limited(_))));
    assert!(matches!(verify().await, Ok(VerifyOutcome::Limited(_))));
    let _waiting = fill(&story.registration).await;
    assert!(matches!(
        register().await,
        Err(RegistrationError::Busy { .. })
    ));
    assert!(matches!(
        verify().await,
        Err(RegistrationError::Busy { .. })
    ));
}
