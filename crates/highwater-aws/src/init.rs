//! Makes a bucket ready: creates it if it is not there, and lets it remove unfinished multipart
//! uploads. What it finds is kept: running it again changes nothing.

use std::sync::Arc;

use aws_sdk_s3::types::{AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleRule, LifecycleRuleFilter};
use highwater_store::{CredentialSource, S3Options, StoreError};

use crate::admin::{Admin, Presence, Refusal};
use crate::lifecycle::{UPLOADS_RULE, aborts_uploads};
use crate::report::{Finding, Report};

/// Uploads that nobody has finished for so long are leftovers.
const UPLOAD_DAYS: i32 = 7;

/// Makes the bucket of `options` ready. `region_is_given`: a bucket of another region is refused
/// instead of followed. The report says what was done.
///
/// # Errors
/// `Invalid` when the options contradict each other.
pub async fn init(
    options: S3Options,
    region_is_given: bool,
    credentials: Arc<dyn CredentialSource>,
) -> Result<Report, StoreError> {
    let admin = Admin::new(options, credentials.clone())?;
    let mut report = Report::default();
    let (found, admin) = bucket(admin, region_is_given, credentials).await?;
    let exists = found.outcome != crate::report::Outcome::Failed;
    report.findings.push(found);
    if exists {
        report.findings.push(uploads_rule(&admin).await);
    }
    Ok(report)
}

const BUCKET: &str = "bucket";

async fn bucket(
    mut admin: Admin,
    region_is_given: bool,
    credentials: Arc<dyn CredentialSource>,
) -> Result<(Finding, Admin), StoreError> {
    let name = admin.bucket().to_owned();
    let mut presence = admin.presence().await;
    // Asked in the wrong region, some services say which is right before they look for the bucket.
    if let Ok(Presence::In(region)) = &presence
        && !region_is_given
    {
        admin = admin.in_region(region.clone(), credentials)?;
        presence = admin.presence().await;
    }
    let asked = admin.region();
    let finding = match presence {
        Ok(Presence::Here) => Finding::ok(BUCKET, format!("{name} is there already, in region {asked}")),
        Ok(Presence::In(region)) => Finding::failed(
            BUCKET,
            format!("{name} belongs into region {region}, not {asked}: give --s3-region {region}"),
        ),
        Ok(Presence::Absent) => match admin.create().await {
            Ok(()) => Finding::ok(BUCKET, format!("{name} was created in region {asked}")),
            Err(refusal) => Finding::failed(BUCKET, create_line(&name, &refusal)),
        },
        Err(error) => Finding::failed(BUCKET, error.to_string()),
    };
    Ok((finding, admin))
}

fn create_line(name: &str, refusal: &Refusal) -> String {
    match refusal.code.as_str() {
        "BucketAlreadyExists" => format!("{name} belongs to somebody else: choose another name ({refusal})"),
        "AccessDenied" => format!("not allowed to create {name}: the credentials need s3:CreateBucket ({refusal})"),
        _ => format!("{name} could not be created: {refusal}"),
    }
}

const UPLOADS: &str = "unfinished uploads";

/// The rule is added beside those that are there. Without knowing them nothing is written, since a
/// write replaces them all; two who write at once is the one case that S3 gives no means against.
async fn uploads_rule(admin: &Admin) -> Finding {
    let keys = admin.keys();
    let before = match admin.lifecycle().await {
        Ok(rules) => rules,
        Err(refusal) if refusal.is_unsupported() => return not_taken(&refusal),
        Err(refusal) => {
            return Finding::failed(
                UPLOADS,
                format!(
                    "the lifecycle rules cannot be read, so none was added: allow s3:GetLifecycleConfiguration ({refusal})"
                ),
            );
        }
    };
    if before.iter().any(|rule| aborts_uploads(rule, &keys)) {
        return Finding::ok(UPLOADS, "a lifecycle rule removes them already");
    }
    if before.iter().any(|rule| rule.id() == Some(UPLOADS_RULE)) {
        return Finding::failed(
            UPLOADS,
            format!("a rule called {UPLOADS_RULE} does something else: rename or remove it, it was not touched"),
        );
    }
    let rule = match rule(&keys) {
        Ok(rule) => rule,
        Err(error) => return Finding::failed(UPLOADS, error),
    };
    let mut rules = before.clone();
    rules.push(rule);
    match admin.set_lifecycle(rules).await {
        Ok(()) => added(admin, &before, &keys).await,
        Err(refusal) if refusal.is_unsupported() => not_taken(&refusal),
        Err(refusal) => Finding::failed(
            UPLOADS,
            format!("the lifecycle rule was not added: allow s3:PutLifecycleConfiguration ({refusal})"),
        ),
    }
}

fn rule(keys: &str) -> Result<LifecycleRule, String> {
    LifecycleRule::builder()
        .id(UPLOADS_RULE)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(keys).build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder().days_after_initiation(UPLOAD_DAYS).build(),
        )
        .build()
        .map_err(|error| error.to_string())
}

/// What the service made of it: some take a rule and do not keep it.
async fn added(admin: &Admin, before: &[LifecycleRule], keys: &str) -> Finding {
    let after = match admin.lifecycle().await {
        Ok(rules) => rules,
        Err(refusal) => {
            return Finding::failed(UPLOADS, format!("the rule was added and cannot be read back: {refusal}"));
        }
    };
    let has = |id: Option<&str>| after.iter().any(|rule| rule.id() == id);
    if let Some(lost) = before.iter().find(|rule| rule.id().is_some() && !has(rule.id())) {
        let lost = lost.id().unwrap_or_default();
        return Finding::failed(
            UPLOADS,
            format!("the service dropped lifecycle rule {lost} when another was added: restore it"),
        );
    }
    if !after.iter().any(|rule| aborts_uploads(rule, keys)) {
        return Finding::warning(
            UPLOADS,
            "the service took the lifecycle rule and does not keep it: have it remove them by its own settings",
        );
    }
    Finding::ok(UPLOADS, format!("lifecycle rule {UPLOADS_RULE} removes them after {UPLOAD_DAYS} days"))
}

fn not_taken(refusal: &Refusal) -> Finding {
    Finding::warning(
        UPLOADS,
        format!("the service takes no lifecycle rule for them: have it remove them by its own settings ({refusal})"),
    )
}
