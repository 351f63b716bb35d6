//! What `bucket init` and `bucket check` have to say: one finding per question.

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, and an operator should know something.
    Warning,
    /// A broker must not use this bucket.
    Failed,
}

impl Outcome {
    /// For a column and for JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was asked, a word or two.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was seen, one line; unless all is well, with what to do about it.
    pub detail: String,
}

impl Finding {
    pub(crate) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, detail: detail.into() }
    }

    pub(crate) fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warning, detail: detail.into() }
    }

    pub(crate) fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, detail: detail.into() }
    }
}

/// All answers about one bucket, in the order of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The answers.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether a broker may use the bucket.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome != Outcome::Failed)
    }
}
