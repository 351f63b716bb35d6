//! As whom we speak to the bucket.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

use crate::error::{StoreError, StoreErrorKind};

/// A key pair, with a session token if it is temporary.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Public part.
    pub access_key_id: String,
    /// Secret part.
    pub secret_access_key: String,
    /// For temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Gives the credentials of the moment. Asked before every request, so it caches and refreshes
/// itself; several requests may ask at once.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// The credentials to sign with now.
    ///
    /// # Errors
    /// `Denied` with a line that says where it looked; `Unavailable` when asking may help later.
    async fn credentials(&self) -> Result<Credentials, StoreError>;
}

/// Credentials of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, read once.
#[derive(Debug)]
pub struct EnvironmentCredentials {
    credentials: Credentials,
}

impl EnvironmentCredentials {
    /// Reads the environment.
    ///
    /// # Errors
    /// `Denied` when a variable is missing.
    pub fn read() -> Result<Self, StoreError> {
        let missing = |name: &str| {
            let advice = "no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            StoreError::new(StoreErrorKind::Denied, name, advice)
        };
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let required = |name: &str| variable(name).ok_or_else(|| missing(name));
        Ok(Self::new(Credentials {
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
        }))
    }

    /// These credentials and no others.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }
}

#[async_trait]
impl CredentialSource for EnvironmentCredentials {
    async fn credentials(&self) -> Result<Credentials, StoreError> {
        Ok(self.credentials.clone())
    }
}

/// A source as object_store wants it.
#[derive(Debug)]
pub(super) struct Provider(pub(super) Arc<dyn CredentialSource>);

#[async_trait]
impl CredentialProvider for Provider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credentials = self
            .0
            .credentials()
            .await
            .map_err(|error| object_store::Error::Unauthenticated { path: String::new(), source: Box::new(error) })?;
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id,
            secret_key: credentials.secret_access_key,
            // Some sources give an empty token with keys that need none.
            token: credentials.session_token.filter(|token| !token.is_empty()),
        }))
    }
}
