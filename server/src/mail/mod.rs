//! Mail: a letter is composed, a transport delivers it, in development a mailbox shows it.
//!
//! `letter` has the words, `compose` turns a [`Letter`] into a message, `transport` hands the message to the relay
//! (`relay`, told where and how by `relay_url`) or to the development mailbox (`mailbox`).

mod compose;
mod dispatch;
mod figures;
mod letter;
mod mailbox;
mod relay;
mod relay_health;
mod relay_url;
mod transport;
mod trial;
mod worker;

pub use compose::{ComposeError, Composed, Composer};
#[cfg(test)]
pub(crate) use dispatch::Handed;
pub use dispatch::{Dispatch, Slot};
pub use figures::{MailCounters, MailFigures, WAIT_BOUNDS_MS};
pub use letter::{Letter, LinkToken};
pub use mailbox::{DevelopmentMailbox, ReceivedMail};
pub use relay::{MAX_CONNECTIONS, RelayLimits, SmtpRelay};
pub use relay_health::RelayHealth;
pub use relay_url::{Encryption, RelayUrl, RelayUrlError};
pub use transport::{DeliveryError, Reason, Step, Transport};
pub use trial::try_relay;
pub use worker::{MailWorker, Pace};
