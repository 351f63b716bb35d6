//! Settings of a bucket that would break a journal, or make it dear, after the fact.

use aws_sdk_s3::types::LifecycleRule;

use super::SettingsAccess;
use crate::admin::{Admin, Presence, Refusal, Versioning};
use crate::lifecycle::{aborts_uploads, expires_old_versions, harm};
use crate::report::Finding;

const LIFECYCLE: &str = "lifecycle";
const VERSIONING: &str = "versioning";

/// `probes` is the folder of the probes, whose old versions are removed.
pub(super) async fn ask_all(access: SettingsAccess, probes: &str) -> Vec<Finding> {
    let admin = match reach(access).await {
        Ok(admin) => admin,
        Err(line) => return vec![Finding::failed("settings", line)],
    };
    let rules = admin.lifecycle().await;
    let versioned = versioning(&admin, rules.as_deref().unwrap_or_default(), probes).await;
    vec![lifecycle(rules, &admin.keys()), versioned]
}

/// The store may have followed the bucket into another region.
async fn reach(access: SettingsAccess) -> Result<Admin, String> {
    let SettingsAccess { options, credentials } = access;
    let admin = Admin::new(options, credentials.clone()).map_err(|error| error.to_string())?;
    match admin.presence().await.map_err(|error| error.to_string())? {
        Presence::Here => Ok(admin),
        Presence::In(region) => admin.in_region(region, credentials).map_err(|error| error.to_string()),
        Presence::Absent => Err(format!("there is no bucket {}", admin.bucket())),
    }
}

fn lifecycle(rules: Result<Vec<LifecycleRule>, Refusal>, keys: &str) -> Finding {
    let rules = match rules {
        Ok(rules) => rules,
        Err(refusal) if refusal.is_unsupported() => {
            return Finding::ok(LIFECYCLE, "the service has no lifecycle rules");
        }
        Err(refusal) => {
            return unreadable(LIFECYCLE, "s3:GetLifecycleConfiguration", "a rule may delete objects", &refusal);
        }
    };
    if let Some(harm) = rules.iter().find_map(|rule| harm(rule, keys)) {
        let what = if keys.is_empty() { "the whole bucket".to_owned() } else { keys.to_owned() };
        return Finding::failed(
            LIFECYCLE,
            format!("{harm}, and {what} is ours: end the rule, or use a prefix outside it"),
        );
    }
    if rules.iter().any(|rule| aborts_uploads(rule, keys)) {
        return Finding::ok(LIFECYCLE, "no rule touches our objects, and one removes unfinished uploads");
    }
    Finding::ok(LIFECYCLE, "no rule touches our objects (`highwater bucket init` adds one for unfinished uploads)")
}

/// A name that was deleted can be created again under versioning, too (the check of deletes tries
/// it), so a journal is safe on it. But what is deleted stays and is paid for, and a lease is
/// overwritten every few seconds: S3 slows down names with very many versions.
async fn versioning(admin: &Admin, rules: &[LifecycleRule], probes: &str) -> Finding {
    let state = match admin.versioning().await {
        Ok(state) => state,
        Err(refusal) if refusal.is_unsupported() => Versioning::Never,
        Err(refusal) => return unreadable(VERSIONING, "s3:GetBucketVersioning", "old versions may pile up", &refusal),
    };
    if state == Versioning::Never {
        return Finding::ok(VERSIONING, "off");
    }
    if let Err(refusal) = admin.delete_versions(probes).await {
        return Finding::warning(
            VERSIONING,
            format!("old versions of the probes are left under {}{probes}/: delete them ({refusal})", admin.keys()),
        );
    }
    if state == Versioning::Suspended {
        return Finding::ok(VERSIONING, "suspended: a delete leaves nothing new behind");
    }
    if rules.iter().any(|rule| expires_old_versions(rule, &admin.keys())) {
        return Finding::ok(VERSIONING, "on, and a rule removes old versions");
    }
    Finding::warning(
        VERSIONING,
        "on: what a broker deletes or overwrites stays as an old version and is paid for; suspend it, or add a lifecycle \
         rule with NoncurrentVersionExpiration",
    )
}

fn unreadable(name: &'static str, permission: &str, danger: &str, refusal: &Refusal) -> Finding {
    if refusal.is_denied() {
        return Finding::warning(name, format!("not allowed to look, and {danger}: allow {permission} ({refusal})"));
    }
    Finding::failed(name, format!("it cannot be read, and {danger}: {refusal}"))
}
