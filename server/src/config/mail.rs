use lettre::Address;
use lettre::message::Mailbox;
use serde::Deserialize;

use super::parse;

/// `[mail]`: whom mail comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The `From` that people see.
    #[serde(deserialize_with = "parse::text")]
    pub from: Mailbox,
    /// Where bounces go (the envelope's sender); unset: the address of `mail.from`.
    #[serde(deserialize_with = "parse::optional")]
    pub envelope_from: Option<Address>,
}

impl Default for MailConfig {
    fn default() -> Self {
        // Checked by a test; lettre has no constructor that cannot fail.
        #[allow(clippy::expect_used)]
        let address = Address::new("no-reply", "localhost").expect("a valid address");
        Self {
            from: Mailbox::new(Some("Latchkey".to_owned()), address),
            envelope_from: None,
        }
    }
}
