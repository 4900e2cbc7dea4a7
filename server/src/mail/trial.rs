//! `latchkey mail test`: tries the relay, without a store and beside a server that runs.

use anyhow::Context;
use chrono::{DateTime, Utc};
use latchkey_app::domain::EmailAddress;
use latchkey_app::language::Language;
use secrecy::ExposeSecret;

use super::{Composer, Letter, RelayLimits, RelayUrl, Transport};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::secret_key::hex;

/// Hands one test mail to the configured relay, once, and says where the relay is.
///
/// # Errors
/// When the configuration names no usable relay, or the relay did not take the mail: then it says
/// at which step, in words.
pub async fn try_relay(
    config: &Config,
    to: EmailAddress,
    entropy: &dyn Entropy,
    now: DateTime<Utc>,
) -> anyhow::Result<String> {
    let url = config.smtp.url.as_ref().context("smtp.url is not set")?;
    let relay = RelayUrl::parse(url.expose_secret()).context("smtp.url cannot be used")?;
    let relay = format!("{}:{}", relay.host, relay.port);
    let transport = Transport::from_config(
        Some(url),
        config.smtp.ca_file.as_deref(),
        &config.public_url,
        RelayLimits::default(),
    )?;
    let composer = Composer::new(
        &config.service.name,
        &config.public_url,
        &config.mail.from,
        config.mail.envelope_from.as_ref(),
    )?;
    let mut id = [0; 16];
    entropy.fill(&mut id)?;
    let letter = Letter::Test {
        to,
        language: Language::default(),
    };
    let mail = composer.compose(&letter, &hex(&id), now)?;
    transport
        .deliver(&mail)
        .await
        .with_context(|| format!("{relay} did not take the test mail"))?;
    Ok(relay)
}
