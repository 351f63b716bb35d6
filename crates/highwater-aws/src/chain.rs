//! The places that are asked for credentials, in AWS's order: the first that has any gives them.
//!
//! The SDK has such a chain; this one is of the same providers and says at the end what was tried.

use std::error::Error;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::config::{Region, SharedHttpClient};
use highwater_store::{Credentials, StoreError, StoreErrorKind};

use crate::cached::{Issued, Issuer};

/// Where there is no instance metadata, nothing answers: so long is waited for it, once.
const METADATA_LIMIT: Duration = Duration::from_secs(1);
const INSTANCE: &str = "instance metadata";
/// Longest reason that one place gets in the line of what was tried, bytes.
const REASON_LIMIT: usize = 120;

/// See the module.
pub(crate) struct Chain {
    places: Vec<Place>,
}

struct Place {
    name: &'static str,
    provider: SharedCredentialsProvider,
}

impl Place {
    /// Whether it has none, as opposed to being set up and failing. Nobody sets up an instance's
    /// metadata: whatever it says then, it has none.
    fn is_empty(&self, error: &CredentialsError) -> bool {
        match error {
            CredentialsError::CredentialsNotLoaded(_) => true,
            CredentialsError::InvalidConfiguration(_) => false,
            _ => self.name == INSTANCE,
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.places.iter().map(|place| place.name).collect();
        f.write_str(&names.join(", "))
    }
}

impl Chain {
    /// Sends nothing yet. `region` is where AWS's sign-in services are asked; what only this machine
    /// can reach is asked `direct`.
    pub(crate) fn new(http: SharedHttpClient, direct: SharedHttpClient, region: String) -> Self {
        let config = ProviderConfig::without_region().with_region(Some(Region::new(region)));
        let (services, nearby) = (config.clone().with_http_client(http), config.with_http_client(direct));
        let environment = EnvironmentVariableCredentialsProvider::new();
        let profile = ProfileFileCredentialsProvider::builder().configure(&services).build();
        let web_identity = WebIdentityTokenCredentialsProvider::builder().configure(&services).build();
        let container = EcsCredentialsProvider::builder().configure(&nearby).build();
        let metadata = imds::Client::builder()
            .configure(&nearby)
            .connect_timeout(METADATA_LIMIT)
            .read_timeout(METADATA_LIMIT)
            .max_attempts(1)
            .build();
        let instance = ImdsCredentialsProvider::builder().configure(&nearby).imds_client(metadata).build();
        Self {
            places: vec![
                Place { name: "environment", provider: SharedCredentialsProvider::new(environment) },
                Place { name: "profile", provider: SharedCredentialsProvider::new(profile) },
                Place { name: "web identity", provider: SharedCredentialsProvider::new(web_identity) },
                Place { name: "container", provider: SharedCredentialsProvider::new(container) },
                Place { name: INSTANCE, provider: SharedCredentialsProvider::new(instance) },
            ],
        }
    }
}

#[async_trait]
impl Issuer for Chain {
    async fn issue(&self) -> Result<Issued, StoreError> {
        let mut tried = Vec::with_capacity(self.places.len());
        for place in &self.places {
            match place.provider.provide_credentials().await {
                Ok(credentials) => return Ok(issued(place.name, &credentials)),
                Err(error) if place.is_empty(&error) => tried.push(format!("{} ({})", place.name, reason(&error))),
                Err(error) => return Err(refused(place.name, &error)),
            }
        }
        let line = format!(
            "no credentials for the bucket: tried {}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, \
             or give this machine or pod a role",
            tried.join(", ")
        );
        Err(StoreError::new(StoreErrorKind::Denied, "", line))
    }
}

fn issued(from: &str, credentials: &AwsCredentials) -> Issued {
    let expires = credentials.expiry().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Issued {
        credentials: Credentials {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
            session_token: credentials.session_token().filter(|token| !token.is_empty()).map(str::to_owned),
        },
        expires_ms: expires.map(|since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        from: from.to_owned(),
    }
}

/// A place that is set up and gave none.
fn refused(place: &str, error: &CredentialsError) -> StoreError {
    let causes = causes(error);
    let text = causes.join(": ");
    // A service that answered has said no; without an answer it may help to ask again.
    let answered = causes.iter().any(|cause| cause == "service error");
    let kind = match error {
        CredentialsError::InvalidConfiguration(_) => StoreErrorKind::Denied,
        _ if answered => StoreErrorKind::Denied,
        _ => StoreErrorKind::Unavailable,
    };
    let line = format!("no credentials for the bucket: the {place} is set up to give them and did not: {text}");
    StoreError::new(kind, "", line)
}

/// Why a place has none: the innermost cause, which is the one that names a variable or a file.
fn reason(error: &CredentialsError) -> String {
    let mut text = causes(error).pop().unwrap_or_default();
    if let Some((cut, _)) = text.char_indices().find(|(at, _)| *at >= REASON_LIMIT) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// The texts of an error and its causes, outermost first, each once.
fn causes(error: &CredentialsError) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_and_why_in_one_line() {
        let error = refused("web identity", &CredentialsError::invalid_configuration("no role\nhere"));
        assert_eq!(error.kind, StoreErrorKind::Denied);
        let line = error.to_string();
        assert!(line.contains("the web identity is set up") && line.contains("no role here"), "{line}");
        let silent = refused("container", &CredentialsError::provider_error("timed out"));
        assert_eq!(silent.kind, StoreErrorKind::Unavailable, "{silent}");
    }

    #[test]
    fn reasons_are_short() {
        let long = reason(&CredentialsError::not_loaded("é".repeat(500)));
        assert!(long.len() <= REASON_LIMIT + 4 && long.ends_with('…'), "{long}");
        assert_eq!(reason(&CredentialsError::not_loaded("it is not set")), "it is not set");
    }

    #[test]
    fn an_empty_token_is_none() {
        let token = |token: Option<&str>| {
            let given = AwsCredentials::new("k", "s", token.map(str::to_owned), None, "test");
            issued("test", &given).credentials.session_token
        };
        assert_eq!((token(None), token(Some("")), token(Some("t"))), (None, None, Some("t".to_owned())));
    }
}
