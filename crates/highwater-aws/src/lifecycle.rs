//! What a bucket's lifecycle rules would do to the objects under our prefix.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule, TransitionStorageClass};

/// The name of the rule that `bucket init` adds.
pub(crate) const UPLOADS_RULE: &str = "highwater-unfinished-uploads";

/// What a rule does that a broker cannot live with; `keys` begins each of its keys.
pub(crate) fn harm(rule: &LifecycleRule, keys: &str) -> Option<String> {
    if !touches(rule, keys) {
        return None;
    }
    let name = rule.id().unwrap_or("without a name");
    if let Some(expiration) = rule.expiration() {
        if let Some(days) = expiration.days() {
            return Some(format!("rule {name} deletes objects after {days} days"));
        }
        if expiration.date().is_some() {
            return Some(format!("rule {name} deletes objects at a date"));
        }
    }
    let archives = |class: &TransitionStorageClass| {
        matches!(class, TransitionStorageClass::Glacier | TransitionStorageClass::DeepArchive)
    };
    let archive =
        rule.transitions().iter().filter_map(|transition| transition.storage_class()).find(|c| archives(c))?;
    Some(format!("rule {name} moves objects to {}, where they cannot be read", archive.as_str()))
}

/// Whether a rule already removes the unfinished uploads below `keys`.
pub(crate) fn aborts_uploads(rule: &LifecycleRule, keys: &str) -> bool {
    is_enabled(rule) && rule.abort_incomplete_multipart_upload().is_some() && keys.starts_with(prefix_of(rule))
}

/// Whether a rule removes old versions of objects below `keys`.
pub(crate) fn expires_old_versions(rule: &LifecycleRule, keys: &str) -> bool {
    is_enabled(rule)
        && !needs_tags(rule)
        && rule.noncurrent_version_expiration().is_some()
        && keys.starts_with(prefix_of(rule))
}

fn is_enabled(rule: &LifecycleRule) -> bool {
    *rule.status() == ExpirationStatus::Enabled
}

/// Whether an object of ours may fall under it. A rule for part of our keys counts, one for tagged
/// objects does not: ours have no tags.
fn touches(rule: &LifecycleRule, keys: &str) -> bool {
    let prefix = prefix_of(rule);
    is_enabled(rule) && !needs_tags(rule) && (keys.starts_with(prefix) || prefix.starts_with(keys))
}

fn needs_tags(rule: &LifecycleRule) -> bool {
    let Some(filter) = rule.filter() else { return false };
    filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty())
}

/// Empty for a rule about everything.
#[allow(deprecated, reason = "old rules have their prefix outside the filter")]
fn prefix_of(rule: &LifecycleRule) -> &str {
    let filter = rule.filter();
    let of_filter = filter.and_then(|filter| filter.prefix().or_else(|| filter.and().and_then(|and| and.prefix())));
    of_filter.or_else(|| rule.prefix()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use aws_sdk_s3::types::builders::LifecycleRuleBuilder;
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter,
        NoncurrentVersionExpiration, Tag, Transition,
    };

    use super::*;

    fn rule() -> LifecycleRuleBuilder {
        LifecycleRule::builder().id("r").status(ExpirationStatus::Enabled)
    }

    fn expiring(prefix: &str) -> LifecycleRuleBuilder {
        rule()
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .expiration(LifecycleExpiration::builder().days(30).build())
    }

    fn verdict(rule: LifecycleRuleBuilder) -> Option<String> {
        harm(&rule.build().unwrap(), "logs/prod/")
    }

    #[test]
    fn rules_that_expire_our_prefix_are_harmful() {
        for prefix in ["", "logs/", "logs/pr", "logs/prod/", "logs/prod/shards/"] {
            assert_eq!(verdict(expiring(prefix)).unwrap(), "rule r deletes objects after 30 days", "{prefix}");
        }
        for prefix in ["other/", "logs/production/", "logs/prod2"] {
            assert_eq!(verdict(expiring(prefix)), None, "{prefix}");
        }
        assert_eq!(verdict(expiring("").status(ExpirationStatus::Disabled)), None);
        #[allow(deprecated, reason = "old rules are written so")]
        let old = rule().prefix("logs/").expiration(LifecycleExpiration::builder().days(1).build());
        assert!(verdict(old).is_some());
        let everything = rule().expiration(LifecycleExpiration::builder().days(1).build());
        assert!(harm(&everything.build().unwrap(), "").is_some());
    }

    #[test]
    fn rules_for_tagged_objects_and_for_markers_are_harmless() {
        let tag = Tag::builder().key("k").value("v").build().unwrap();
        let both = LifecycleRuleAndOperator::builder().prefix("logs/").tags(tag.clone()).build();
        for filter in
            [LifecycleRuleFilter::builder().tag(tag).build(), LifecycleRuleFilter::builder().and(both).build()]
        {
            assert_eq!(verdict(expiring("").filter(filter)), None);
        }
        let markers = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
        assert_eq!(verdict(rule().expiration(markers)), None);
    }

    #[test]
    fn an_archive_is_as_bad_as_a_delete() {
        let to = |class| rule().transitions(Transition::builder().days(1).storage_class(class).build());
        assert!(verdict(to(TransitionStorageClass::Glacier)).unwrap().contains("GLACIER"));
        assert!(verdict(to(TransitionStorageClass::DeepArchive)).is_some());
        assert_eq!(verdict(to(TransitionStorageClass::StandardIa)), None);
        assert_eq!(verdict(to(TransitionStorageClass::GlacierIr)), None);
    }

    #[test]
    fn rules_that_help_cover_all_our_keys() {
        let uploads = |prefix: &str| {
            let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build();
            let filter = LifecycleRuleFilter::builder().prefix(prefix).build();
            rule().filter(filter).abort_incomplete_multipart_upload(abort).build().unwrap()
        };
        assert!(aborts_uploads(&uploads(""), "logs/") && aborts_uploads(&uploads("logs/"), "logs/"));
        assert!(!aborts_uploads(&uploads("logs/a"), "logs/") && !aborts_uploads(&uploads("x"), "logs/"));
        let versions = NoncurrentVersionExpiration::builder().noncurrent_days(1).build();
        let versions = rule().noncurrent_version_expiration(versions).build().unwrap();
        assert!(expires_old_versions(&versions, "logs/") && !expires_old_versions(&uploads(""), "logs/"));
    }
}
