//! Guesses of people whose password was right moments ago, who are judged at once.

use super::*;
use crate::registration::CorrectOutcome;

#[tokio::test]
async fn the_owners_password_is_the_accounts_and_strangers_have_decoys() {
    let story = Story::hiding_accounts().await;
    let (_, code) = story.register("owner's password").await;
    assert_eq!(story.verify("owner's password", &code).await, verified());
    for password in ["owner's password", "stranger's password"] {
        story.register(password).await;
    }
    assert_eq!(
        story.verify("owner's password", &code).await,
        VerifyOutcome::AlreadyVerified {
            address: EMAIL.to_owned()
        }
    );
    for left in [2, 1, 0] {
        let (claim, code) = story.register("stranger's password").await;
        assert_eq!(claim.attempts_left, i64::from(left) + 1);
        assert_eq!(
            story.verify("stranger's password", &code).await,
            wrong(left)
        );
    }
}

/// The account of an address that was corrected has a hash with another salt than a sign-up under
/// this very address and password.
#[tokio::test]
async fn an_account_with_another_salt_is_found_by_its_password_all_the_same() {
    let story = Story::hiding_accounts().await;
    let mistyped = EmailAddress::parse("fo@bar.com").unwrap();
    let made = story
        .registration
        .register(&mistyped, secret("testpassword"), Language::En, network())
        .await;
    let RegisterOutcome::Accepted { claim, .. } = made.unwrap() else {
        panic!("there is room");
    };
    let corrected = story
        .registration
        .correct(&claim.id(), &email(), Language::En, network())
        .await;
    let CorrectOutcome::Corrected(claim) = corrected.unwrap() else {
        panic!("the address is free");
    };
    let code = code_of(&story.registration.keys, &claim).unwrap();
    let guess = Credentials::Session(claim.id());
    let outcome = story.registration.verify(guess, &code, network()).await;
    assert_eq!(outcome.unwrap(), verified());
    let (decoy, code) = story.register("testpassword").await;
    assert_ne!(decoy.key, claim.key);
    assert_eq!(
        story.verify("testpassword", &code).await,
        VerifyOutcome::AlreadyVerified {
            address: EMAIL.to_owned()
        }
    );
    let decoy = story.store.claim(&decoy.id()).await.unwrap().unwrap();
    assert_eq!(decoy.attempts_left, 3, "nothing was charged");
}
