//! What can go wrong with a bucket, by what the caller should do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreErrorKind {
    /// No such object.
    NotFound,
    /// A create lost: the name is taken, perhaps by the caller's own earlier attempt. Read the
    /// header to learn whose it is.
    AlreadyExists,
    /// The object is another version than `if_match` said.
    PreconditionFailed,
    /// The range begins at or past the end of the object.
    OutOfRange,
    /// The bucket asks for fewer requests and did nothing. Wait, then try again.
    Throttled,
    /// Credentials are missing, wrong or not allowed to do this. An operator must act.
    Denied,
    /// The request, the configuration or the bucket is wrong. An operator must act.
    Invalid,
    /// The request may have taken effect, or still may. Look, or send the same again.
    Unknown,
    /// The bucket cannot be reached or failed, and nothing took effect. Try again.
    Unavailable,
    /// The object has more bytes than the caller is ready to take.
    TooLarge,
    /// The object is there and is not what it must be. A person has to look. (For those who read objects of
    /// a format; no store gives it.)
    Damaged,
}

impl StoreErrorKind {
    /// Whether the same request may succeed later with nobody's help.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unknown | Self::Unavailable)
    }

    /// For a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PreconditionFailed => "precondition_failed",
            Self::OutOfRange => "out_of_range",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too_large",
            Self::Damaged => "damaged",
        }
    }
}

/// A failed request. Displays as one line.
#[derive(Clone)]
pub struct StoreError {
    /// What to do about it.
    pub kind: StoreErrorKind,
    /// The object, prefix, bucket or directory that it is about.
    pub name: String,
    /// What happened, one line, for a person.
    pub detail: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error without a source.
    pub fn new(kind: StoreErrorKind, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, name: name.into(), detail: one_line(&detail.into()), source: None }
    }

    /// What the cause says, whole; empty without one.
    pub(crate) fn source_text(&self) -> String {
        self.source.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// With the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

/// Longest detail, bytes: error bodies of proxies can be whole pages.
const DETAIL_LIMIT_BYTES: usize = 600;

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > DETAIL_LIMIT_BYTES {
        let cut = (0..=DETAIL_LIMIT_BYTES).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(cut);
        line.push('…');
    }
    line
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() { f.write_str(&self.detail) } else { write!(f, "{}: {}", self.name, self.detail) }
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
