//! What is said beside a field that is at fault.

use crate::{
    domain::{EmailAddressError, PasswordError, VerificationCodeError},
    texts::{Key, Message, key},
};

impl EmailAddressError {
    /// The sentence for whoever typed it.
    #[must_use]
    pub fn key(self) -> Key {
        match self {
            Self::Empty => key::EMAIL_EMPTY,
            Self::Malformed => key::EMAIL_MALFORMED,
            Self::NotOne => key::EMAIL_NOT_ONE,
            Self::TooLong => key::EMAIL_TOO_LONG,
            Self::LocalPartNotAscii => key::EMAIL_NOT_ASCII,
            Self::Domain => key::EMAIL_DOMAIN,
        }
    }

    /// All there are, for an island to know their sentences.
    pub(crate) const KEYS: [Key; 6] = [
        key::EMAIL_EMPTY,
        key::EMAIL_MALFORMED,
        key::EMAIL_NOT_ONE,
        key::EMAIL_TOO_LONG,
        key::EMAIL_NOT_ASCII,
        key::EMAIL_DOMAIN,
    ];
}

impl PasswordError {
    /// The sentence for whoever chose it; [`Self::message`] puts numbers into its places.
    #[must_use]
    pub fn key(self) -> Key {
        match self {
            Self::Empty => key::PASSWORD_EMPTY,
            Self::TooShort { .. } => key::PASSWORD_TOO_SHORT,
            Self::TooLong => key::PASSWORD_TOO_LONG,
            Self::ControlCharacter => key::PASSWORD_CONTROL,
            Self::OwnAddress => key::PASSWORD_OWN_ADDRESS,
            Self::ServiceName => key::PASSWORD_SERVICE_NAME,
            Self::Common => key::PASSWORD_COMMON,
            Self::Guessable => key::PASSWORD_GUESSABLE,
        }
    }

    /// The whole sentence.
    #[must_use]
    pub fn message(self) -> Message {
        match self {
            Self::TooShort { min_length } => self.key().with("min", min_length as u64),
            _ => self.key().into(),
        }
    }

    /// What a browser can find by itself, for an island to know the sentences.
    pub(crate) fn found_by_browsers(min_length: usize) -> [Message; 6] {
        [
            Self::Empty,
            Self::TooShort { min_length },
            Self::TooLong,
            Self::ControlCharacter,
            Self::OwnAddress,
            Self::ServiceName,
        ]
        .map(Self::message)
    }
}

impl VerificationCodeError {
    /// The sentence for whoever typed it.
    #[must_use]
    pub fn key(self) -> Key {
        match self {
            Self::Empty => key::CODE_EMPTY,
            Self::Malformed => key::CODE_MALFORMED,
        }
    }

    /// All there are, for an island to know their sentences.
    pub(crate) const KEYS: [Key; 2] = [key::CODE_EMPTY, key::CODE_MALFORMED];
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;
    use crate::language::Language;

    /// Programs are answered in English whatever the page says, as the contract has it.
    #[test]
    fn the_english_sentences_are_those_of_the_errors() {
        let emails = [
            EmailAddressError::Empty,
            EmailAddressError::Malformed,
            EmailAddressError::NotOne,
            EmailAddressError::TooLong,
            EmailAddressError::LocalPartNotAscii,
            EmailAddressError::Domain,
        ]
        .map(|error| (Message::from(error.key()), error.to_string()));
        let passwords = [
            PasswordError::Empty,
            PasswordError::TooShort { min_length: 8 },
            PasswordError::TooLong,
            PasswordError::ControlCharacter,
            PasswordError::OwnAddress,
            PasswordError::ServiceName,
            PasswordError::Common,
            PasswordError::Guessable,
        ]
        .map(|error| (error.message(), error.to_string()));
        let codes = [
            VerificationCodeError::Empty,
            VerificationCodeError::Malformed,
        ]
        .map(|error| (Message::from(error.key()), error.to_string()));
        for (message, sentence) in emails.into_iter().chain(passwords).chain(codes) {
            assert_eq!(message.in_language(Language::En), sentence);
        }
    }
}
