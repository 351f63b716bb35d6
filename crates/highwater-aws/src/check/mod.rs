//! Whether a bucket may be used: tried on objects of our own, and read from its settings.
//!
//! - `behaviour`: what a journal needs of the store, on any store. - `settings`: rules and versions
//!   that would break it later, on S3 and its like.

mod behaviour;
mod settings;

use std::sync::Arc;

use highwater_env::Env;
use highwater_store::{CredentialSource, S3Options, Store, StoreError, StoreErrorKind};

use crate::report::{Finding, Report};
use behaviour::Probes;

/// A bucket's settings are reached by this, beside the store of its objects.
#[derive(Clone, Debug)]
pub struct SettingsAccess {
    /// The bucket.
    pub options: S3Options,
    /// As whom.
    pub credentials: Arc<dyn CredentialSource>,
}

/// Asks everything about a store that could be opened; `settings` for a bucket.
///
/// Writes only below a folder of its own and leaves it empty; takes a second or two.
pub async fn check(store: &Arc<dyn Store>, env: &Env, settings: Option<SettingsAccess>) -> Report {
    let mut findings = vec![Finding::ok("reach", format!("{} answers and lets us in", store.describe()))];
    let probes = Probes::new(store, env);
    findings.extend(probes.ask_all().await);
    if let Some(access) = settings {
        findings.extend(settings::ask_all(access, probes.folder()).await);
    }
    Report { findings }
}

/// The finding about a store that cannot be opened.
#[must_use]
pub fn unreachable(error: &StoreError) -> Report {
    Report { findings: vec![Finding::failed("reach", error.to_string())] }
}

/// The cheap part, for a broker that is about to found a cluster: a second create of one name must be
/// refused.
///
/// # Errors
/// `Invalid` when it is not; else what went wrong.
pub async fn honours_put_if_absent(store: &Arc<dyn Store>, env: &Env) -> Result<(), StoreError> {
    let name = format!("{}/{:016x}", behaviour::FOLDER, env.random.next_u64());
    let refused = behaviour::second_create_is_refused(store, &name).await;
    let deleted = store.delete(&name).await;
    let invalid = |line| StoreError::new(StoreErrorKind::Invalid, store.describe(), line);
    refused.map_err(|line| invalid(format!("{line}; `highwater bucket check` tells more")))?;
    deleted.map(drop)
}
