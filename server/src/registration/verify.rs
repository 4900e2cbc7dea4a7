//! Verify: password first, code second.

use chrono::{DateTime, Utc};
use latchkey_app::domain::{EmailAddress, Password, VerificationCode};
use subtle::ConstantTimeEq;

use super::{Registration, RegistrationError, codes};
use crate::hashing::HashSettings;
use crate::network::ClientNetwork;
use crate::store::{Budget, Claim, ClaimId, Guess, GuessResult, Limited};
use crate::telemetry::AUDIT;

/// Who says that they made a claim.
pub enum Credentials {
    /// Somebody who knows the password. `None` where a part is none that an account can have:
    /// that costs the same work and fails the same way.
    Password {
        email: Option<EmailAddress>,
        password: Option<Password>,
    },
    /// The browser that made the claim, proven by its session.
    Session(ClaimId),
}

/// What became of a guess.
#[derive(Debug, PartialEq, Eq)]
pub enum VerifyOutcome {
    /// The account stands. `address` is its canonical address.
    Verified { address: String },
    /// Unknown address or wrong password, which are not told apart.
    WrongCredentials,
    /// By this very code and claim the account was made before.
    Repeated { address: String },
    /// This very account is verified already.
    AlreadyVerified { address: String },
    /// The code is too old, used up, or replaced.
    Stale,
    /// The attempt is charged.
    WrongCode { attempts_left: u32 },
    /// Too many wrong passwords came from this network; nothing was judged.
    Limited(Limited),
}

/// What somebody has proven to know the password of.
pub(super) enum Principal {
    Account {
        address: String,
        verified_at: DateTime<Utc>,
    },
    Claim {
        claim: Box<Claim>,
        /// The password's hash as it would be made today.
        hash_of_today: Option<String>,
    },
    Nobody,
}

/// What became of a try at a password.
pub(super) enum Try {
    Made {
        principal: Principal,
        /// What it has cost the network.
        price: Vec<Budget>,
    },
    Refused(Limited),
}

impl Registration {
    /// Whether this network may try a password; else, when it may. `refused` is what the audit log calls
    /// the deed that is not done then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn may_try_password(
        &self,
        network: ClientNetwork,
        refused: &'static str,
    ) -> Result<Option<Limited>, RegistrationError> {
        let budgets = self.budgets.failed_password(network);
        if budgets.is_empty() {
            return Ok(None);
        }
        let limited = self.store.look_at_budgets(&budgets, None).await?;
        if let Some(limited) = limited {
            tell_limited(refused, None, network, limited);
        }
        Ok(limited)
    }

    /// Judges a guess by somebody who has proven the claim's password, charges it, and makes the
    /// account when it is right. A wrong password is charged to the network.
    ///
    /// # Errors
    /// When too much is going on or the store fails; then the guess is not answered, and the
    /// same guess may be made again.
    pub async fn verify(
        &self,
        credentials: Credentials,
        code: &VerificationCode,
        network: ClientNetwork,
    ) -> Result<VerifyOutcome, RegistrationError> {
        let masked = credentials.masked_address();
        let outcome = match credentials {
            Credentials::Session(id) => {
                let attempt = Attempt::new(code, network);
                let outcome = self.guess(&id, attempt).await?;
                match outcome {
                    // It is paid for as a sign-in, which it is if the code is the right one.
                    VerifyOutcome::Repeated { .. } | VerifyOutcome::AlreadyVerified { .. } => {
                        let limited = self.pay_sign_in(&id.key, network).await?;
                        limited.map_or(outcome, VerifyOutcome::Limited)
                    }
                    outcome => outcome,
                }
            }
            Credentials::Password { email, password } => {
                let known = self
                    .guess_at_once(email.as_ref(), password.as_ref(), code, network)
                    .await?;
                match known {
                    Some(outcome) => outcome,
                    None => self.prove_and_guess(email, password, code, network).await?,
                }
            }
        };
        outcome.tell(masked, network);
        Ok(outcome)
    }

    /// The guess of somebody whose password this process has seen make a claim, or be right, moments
    /// ago, judged without looking for what else that password could belong to. An answer only where
    /// the code is right, or the account's hash is that password's: with `None` nothing was charged,
    /// and the long way is the one to go.
    async fn guess_at_once(
        &self,
        email: Option<&EmailAddress>,
        password: Option<&Password>,
        code: &VerificationCode,
        network: ClientNetwork,
    ) -> Result<Option<VerifyOutcome>, RegistrationError> {
        let (Some(email), Some(password)) = (email, password) else {
            return Ok(None);
        };
        let address = email.canonical();
        let settings = self.hashing.settings(self.keys.password_salt(address));
        let Some(hash) = self.hashing.recall(password, settings) else {
            return Ok(None);
        };
        if !self.former_parameters.is_empty() {
            return Ok(None);
        }
        let price = self.budgets.failed_password(network);
        if !price.is_empty()
            && let Some(limited) = self.store.look_at_budgets(&price, None).await?
        {
            return Ok(Some(VerifyOutcome::Limited(limited)));
        }
        let id = ClaimId {
            address: address.to_owned(),
            key: self.keys.claim_key(address, &hash),
        };
        let attempt = Attempt {
            hash_of_today: Some(&hash),
            at_once: true,
            ..Attempt::new(code, network)
        };
        let judged = self.judge(&id, attempt).await?;
        Ok(judged.map(|judged| outcome_of(judged, &id)))
    }

    async fn prove_and_guess(
        &self,
        email: Option<EmailAddress>,
        password: Option<Password>,
        code: &VerificationCode,
        network: ClientNetwork,
    ) -> Result<VerifyOutcome, RegistrationError> {
        let (principal, price) = match self.try_password(email, password, network).await? {
            Try::Made { principal, price } => (principal, price),
            Try::Refused(limited) => return Ok(VerifyOutcome::Limited(limited)),
        };
        match principal {
            Principal::Nobody => Ok(VerifyOutcome::WrongCredentials),
            Principal::Account { address, .. } => {
                self.refund(&price).await;
                Ok(VerifyOutcome::AlreadyVerified { address })
            }
            Principal::Claim {
                claim,
                hash_of_today,
            } => {
                let attempt = Attempt {
                    hash_of_today: hash_of_today.as_deref(),
                    refund: &price,
                    ..Attempt::new(code, network)
                };
                self.guess(&claim.id(), attempt).await
            }
        }
    }

    /// Tries a password, which is paid for before it is known to be wrong: however many try at
    /// once, no more are looked at than the budget allows. Whoever finds it right gives the price
    /// back.
    ///
    /// One that was right moments ago needs room in the budget but is paid for only if it is wrong
    /// by now, so that who signs up and then verifies writes once.
    pub(super) async fn try_password(
        &self,
        email: Option<EmailAddress>,
        password: Option<Password>,
        network: ClientNetwork,
    ) -> Result<Try, RegistrationError> {
        let price = self.budgets.failed_password(network);
        let was_right = self.was_right(email.as_ref(), password.as_ref());
        if !was_right {
            self.hashing.admit(network)?;
        }
        let limited = match was_right {
            _ if price.is_empty() => None,
            true => self.store.look_at_budgets(&price, None).await?,
            false => self.store.spend(&price).await?,
        };
        if let Some(limited) = limited {
            return Ok(Try::Refused(limited));
        }
        let mut paid = if was_right { Vec::new() } else { price.clone() };
        let principal = match self.prove(email, password, network).await {
            Ok(principal) => principal,
            Err(error) => {
                self.refund(&paid).await;
                return Err(error);
            }
        };
        if was_right && !price.is_empty() && matches!(principal, Principal::Nobody) {
            if let Some(limited) = self.store.spend(&price).await? {
                return Ok(Try::Refused(limited));
            }
            paid = price;
        }
        Ok(Try::Made {
            principal,
            price: paid,
        })
    }

    /// Whether this process has seen the password be right for the address moments ago.
    fn was_right(&self, email: Option<&EmailAddress>, password: Option<&Password>) -> bool {
        let (Some(email), Some(password)) = (email, password) else {
            return false;
        };
        let settings = self
            .hashing
            .settings(self.keys.password_salt(email.canonical()));
        self.hashing.remembers(password, settings)
    }

    /// Gives a network back what a password that was not wrong has cost it. If that fails, it comes
    /// back by itself.
    pub(super) async fn refund(&self, budgets: &[Budget]) {
        if !budgets.is_empty()
            && let Err(error) = self.store.refund(budgets).await
        {
            tracing::warn!(%error, "a budget could not be given back");
        }
    }

    /// One Argon2 proves a password against the account and all claims of its address at once;
    /// an address that nobody knows costs the same.
    async fn prove(
        &self,
        email: Option<EmailAddress>,
        password: Option<Password>,
        network: ClientNetwork,
    ) -> Result<Principal, RegistrationError> {
        let address = email.as_ref().map_or("", EmailAddress::canonical);
        let (account, claims) = self.store.candidates(address).await?;
        let usable = email.is_some() && password.is_some();
        let Some(password) = password.or_else(|| Password::presented("")) else {
            return Ok(Principal::Nobody);
        };
        let salt = self.keys.password_salt(address);
        let today = self.hashing.settings(salt);
        let former = self
            .former_parameters
            .iter()
            .map(|&parameters| HashSettings { parameters, salt });
        // Those of another instance's configuration, or with a salt that they brought along.
        let stored = account
            .iter()
            .map(|account| &account.password_hash)
            .chain(claims.iter().map(|claim| &claim.password_hash))
            .filter_map(|phc| HashSettings::of(phc));
        let mut hashes: Vec<(HashSettings, String)> = Vec::new();
        for settings in std::iter::once(today).chain(former).chain(stored) {
            if hashes.iter().all(|(known, _)| *known != settings) {
                let hash = self
                    .hashing
                    .hash_or_recall(password.clone(), settings, network)
                    .await?;
                hashes.push((settings, hash));
            }
        }
        if !usable {
            return Ok(Principal::Nobody);
        }
        let hash_of_today = hashes.first().map(|(_, hash)| hash.clone());
        if let Some(account) = account
            && proves(&hashes, &account.password_hash)
        {
            if let Some(renewed) = hash_of_today
                && renewed != account.password_hash
            {
                self.store.renew_password_hash(&account, &renewed).await?;
                tracing::info!("a password's hash was renewed");
            }
            return Ok(Principal::Account {
                address: account.address,
                verified_at: account.verified_at,
            });
        }
        // Two can match after a correction, or where the parameters changed: the newer counts.
        let claim = claims
            .into_iter()
            .filter(|claim| proves(&hashes, &claim.password_hash))
            .max_by_key(|claim| claim.requested_at);
        let Some(claim) = claim else {
            return Ok(Principal::Nobody);
        };
        for (settings, hash) in &hashes {
            self.hashing.keep(&password, *settings, hash);
        }
        Ok(Principal::Claim {
            claim: Box::new(claim),
            hash_of_today,
        })
    }

    async fn guess(
        &self,
        id: &ClaimId,
        attempt: Attempt<'_>,
    ) -> Result<VerifyOutcome, RegistrationError> {
        // A claim that is gone without a trace is as good as a code that is too old.
        let judged = self.judge(id, attempt).await?.unwrap_or(GuessResult::Stale);
        Ok(outcome_of(judged, id))
    }

    /// Judges a guess; `None` when there was nothing to judge it by.
    async fn judge(
        &self,
        id: &ClaimId,
        attempt: Attempt<'_>,
    ) -> Result<Option<GuessResult>, RegistrationError> {
        let result = self
            .store
            .guess(Guess {
                id,
                is_right: &|claim| {
                    codes::code_of(&self.keys, claim)
                        .is_some_and(|expected| codes::is_right(&expected, attempt.code))
                },
                spent_code: &self.keys.spent_code(&id.key, attempt.code.expose()),
                hash_of_today: attempt.hash_of_today,
                at_once: attempt.at_once,
                refund: attempt.refund,
                ledger: &self.budgets.ledger(&id.address, attempt.network),
            })
            .await?;
        Ok((result != GuessResult::Open).then_some(result))
    }
}

/// A guess at a claim's code.
struct Attempt<'a> {
    code: &'a VerificationCode,
    hash_of_today: Option<&'a str>,
    at_once: bool,
    /// What the password has cost its network.
    refund: &'a [Budget],
    network: ClientNetwork,
}

impl<'a> Attempt<'a> {
    /// By somebody who was asked for no password.
    fn new(code: &'a VerificationCode, network: ClientNetwork) -> Self {
        Self {
            code,
            hash_of_today: None,
            at_once: false,
            refund: &[],
            network,
        }
    }
}

fn outcome_of(result: GuessResult, id: &ClaimId) -> VerifyOutcome {
    let address = id.address.clone();
    match result {
        GuessResult::Verified => VerifyOutcome::Verified { address },
        GuessResult::Wrong { attempts_left } => VerifyOutcome::WrongCode { attempts_left },
        GuessResult::Repeated => VerifyOutcome::Repeated { address },
        GuessResult::Already => VerifyOutcome::AlreadyVerified { address },
        GuessResult::Stale | GuessResult::Open => VerifyOutcome::Stale,
    }
}

/// Compares with every hash, in a time that says nothing about them.
fn proves(hashes: &[(HashSettings, String)], stored: &str) -> bool {
    hashes.iter().fold(false, |found, (_, hash)| {
        found | bool::from(hash.as_bytes().ct_eq(stored.as_bytes()))
    })
}

/// What the audit log calls a verification, or a sign-in, that did not come about.
pub const VERIFY_REFUSED: &str = "verify_refused";
pub const SIGN_IN_REFUSED: &str = "sign_in_refused";

pub(super) fn tell_limited(
    refused: &'static str,
    email: Option<String>,
    network: ClientNetwork,
    limited: Limited,
) {
    tracing::warn!(
        target: AUDIT,
        event = refused,
        reason = "rate_limited",
        budget = limited.kind.name(),
        until = %limited.until.to_rfc3339(),
        email,
        %network,
        "too many tries"
    );
}

impl Credentials {
    fn masked_address(&self) -> Option<String> {
        match self {
            Self::Password { email, .. } => email.as_ref().map(EmailAddress::masked),
            Self::Session(id) => EmailAddress::parse(&id.address)
                .ok()
                .map(|email| email.masked()),
        }
    }
}

impl VerifyOutcome {
    /// Tells the audit log.
    fn tell(&self, email: Option<String>, network: ClientNetwork) {
        let reason = match self {
            Self::Verified { .. } => {
                tracing::info!(target: AUDIT, event = "verified", email, %network, "account verified");
                return;
            }
            Self::WrongCode { attempts_left } => {
                tracing::warn!(
                    target: AUDIT,
                    event = "code_wrong",
                    attempts_left,
                    email,
                    %network,
                    "wrong code"
                );
                return;
            }
            Self::Limited(limited) => {
                return tell_limited(VERIFY_REFUSED, email, network, *limited);
            }
            Self::WrongCredentials => "unauthorized",
            Self::Repeated { .. } | Self::AlreadyVerified { .. } => "already_verified",
            Self::Stale => "code_stale",
        };
        tracing::info!(
            target: AUDIT,
            event = VERIFY_REFUSED,
            reason,
            email,
            %network,
            "verification refused"
        );
    }
}
