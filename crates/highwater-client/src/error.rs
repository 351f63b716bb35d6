//! What can go wrong, in words for the person at the command line.

use std::time::Duration;

use highwater_wire::{ApiKey, ErrorCode};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No broker of the list answers.
    #[error("no broker answers at {addresses}: {last}; is one running (highwater serve), is --bootstrap right?")]
    NoBroker {
        /// Those that were tried.
        addresses: String,
        /// What the last one said.
        last: String,
    },
    /// The connection broke.
    #[error("connection to {address}: {source}")]
    Connection {
        /// The broker.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A broker takes too long.
    #[error("{address} did not answer {api} within {limit:?}")]
    TimedOut {
        /// The broker.
        address: String,
        /// The request.
        api: ApiKey,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The broker is not one of Kafka's kind, or too old.
    #[error("{address} does not serve {api} in a version that this client speaks")]
    Unsupported {
        /// The broker.
        address: String,
        /// The request.
        api: ApiKey,
    },
    /// Bytes that are no answer.
    #[error("{address} answers {api} with what cannot be read: {detail}")]
    Malformed {
        /// The broker.
        address: String,
        /// The request.
        api: ApiKey,
        /// What does not fit.
        detail: String,
    },
    /// No such topic.
    #[error("there is no topic '{0}' (highwater topic list shows those there are)")]
    UnknownTopic(String),
    /// The broker refuses.
    #[error("{what}: {message}")]
    Refused {
        /// What was asked.
        what: String,
        /// Kafka's code.
        code: ErrorCode,
        /// What the broker says, or the code's name.
        message: String,
    },
    /// What was given cannot be meant.
    #[error("{0}")]
    Invalid(String),
}

impl ClientError {
    /// A refusal, if `code` is one.
    ///
    /// # Errors
    /// The refusal.
    pub fn check(code: i16, message: Option<&str>, what: impl FnOnce() -> String) -> Result<(), Self> {
        match code_of(code) {
            ErrorCode::None => Ok(()),
            code => {
                let message =
                    message.filter(|text| !text.is_empty()).map_or_else(|| code.name().to_owned(), str::to_owned);
                Err(Self::Refused { what: what(), code, message })
            }
        }
    }

    /// A refusal by its code alone.
    pub fn refused(code: ErrorCode, what: impl FnOnce() -> String) -> Self {
        Self::Refused { what: what(), code, message: code.name().to_owned() }
    }

    /// The code of a refusal.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same may succeed a little later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::TimedOut { .. } | Self::NoBroker { .. } => true,
            Self::Refused { code, .. } => code.is_retriable(),
            _ => false,
        }
    }
}

/// The code of a number; one that this client does not know is as good as UNKNOWN_SERVER_ERROR.
pub fn code_of(number: i16) -> ErrorCode {
    ErrorCode::from_code(number).unwrap_or(ErrorCode::UnknownServerError)
}
