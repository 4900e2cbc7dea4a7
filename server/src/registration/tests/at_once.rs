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

/// Makes a claim under another address, and has it corrected: its hash has another salt than one that
/// is made under the right address with the same password.
async fn corrected(story: &Story) -> (Claim, VerificationCode) {
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
    (*claim, code)
}

#[tokio::test]
async fn an_account_with_another_salt_is_found_by_its_password_all_the_same() {
    let story = Story::hiding_accounts().await;
    let (claim, code) = corrected(&story).await;
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

#[tokio::test]
async fn of_two_claims_with_one_password_the_newer_counts_unless_the_code_is_the_olders() {
    for is_newer in [true, false] {
        let story = Story::begin().await;
        let (older, older_code) = story.register("testpassword").await;
        story.pass(1);
        let (newer, newer_code) = corrected(&story).await;
        assert_eq!(newer.address, older.address);
        assert_ne!(newer.key, older.key);
        let other = other_than(&newer_code);
        if other.expose() != older_code.expose() {
            assert_eq!(story.verify("testpassword", &other).await, wrong(2));
        }
        let older = story.store.claim(&older.id()).await.unwrap().unwrap();
        assert_eq!(older.attempts_left, 3);
        let code = if is_newer { newer_code } else { older_code };
        assert_eq!(story.verify("testpassword", &code).await, verified());
    }
}
