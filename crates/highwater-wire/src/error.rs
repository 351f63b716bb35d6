//! What can be wrong with bytes that are decoded, and with a message that is encoded.

use thiserror::Error;

/// Bytes that are not a message of the version at hand. The connection they came from is closed: after a
/// bad frame nothing tells what the client meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} at byte {at}: {kind}", place(.message))]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where in the frame, in bytes from its start (the length prefix does not count).
    pub at: usize,
    /// The message that was being decoded, with its version.
    pub message: Option<(&'static str, i16)>,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeErrorKind {
    /// A value reaches past the end of the frame, or of the tagged field that it lies in.
    #[error("{needed} bytes needed, {left} left")]
    Truncated {
        /// What the value takes.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// A length below −1.
    #[error("negative length {0}")]
    NegativeLength(i64),
    /// Text longer than Kafka allows (32,767 bytes).
    #[error("text of {0} bytes, at most 32767 are allowed")]
    TextTooLong(usize),
    /// Null in a place that takes none.
    #[error("null where none may be")]
    Null,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A variable-length number of more than 32 bits.
    #[error("variable-length number of more than 32 bits")]
    VarintTooLong,
    /// An array of more elements than the bytes at hand can hold.
    #[error("{count} elements cannot lie in {left} bytes")]
    CountTooLarge {
        /// The count that was read.
        count: usize,
        /// What is left of the frame.
        left: usize,
    },
    /// Decoding would take more memory than the frame's size allows.
    #[error("decoding would take {needed} bytes of memory, {left} are allowed")]
    AllowanceExceeded {
        /// What the next value takes.
        needed: usize,
        /// What is left of the allowance.
        left: usize,
    },
    /// A tagged field whose content is not as long as it says.
    #[error("tagged field {tag} has {left} bytes too many")]
    TagSize {
        /// Its number.
        tag: u32,
        /// The bytes left over.
        left: usize,
    },
    /// A version that is not served.
    #[error("version {version} is not one of {min} to {max}")]
    UnsupportedVersion {
        /// The version asked for.
        version: i16,
        /// The lowest served.
        min: i16,
        /// The highest served.
        max: i16,
    },
    /// An API that does not exist, or is no broker's.
    #[error("unknown API key {0}")]
    UnknownApi(i16),
    /// Bytes after the end of a message that should be alone.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

fn place(message: &Option<(&'static str, i16)>) -> String {
    match message {
        Some((name, version)) => format!("{name} version {version}"),
        None => "frame".to_owned(),
    }
}

/// A message that the version at hand cannot express. It comes from our own code, not from a client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A version that is not served.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field that the version lacks and that must not be dropped has a value.
    #[error("{field} has a value, and version {version} has no place for it")]
    FieldNotInVersion {
        /// Struct and field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Null in a version that does not take it.
    #[error("{field} is null, which version {version} does not take")]
    NullNotInVersion {
        /// Struct and field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Text, bytes or an array longer than its length prefix can say.
    #[error("{length} is more than a length of this kind can say ({limit})")]
    TooLong {
        /// The length.
        length: usize,
        /// The largest.
        limit: usize,
    },
    /// Unknown tagged fields that do not ascend, or have the number of a known one.
    #[error("tagged field {tag} comes twice or out of order")]
    TagOrder {
        /// Its number.
        tag: u32,
    },
}
