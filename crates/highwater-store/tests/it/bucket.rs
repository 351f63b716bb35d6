//! A real S3-compatible service, given by `HIGHWATER_TEST_S3_ENDPOINT` with the usual AWS
//! variables for credentials and `HIGHWATER_TEST_S3_BUCKET` (default `highwater`), which must
//! exist. Without an endpoint these tests pass empty, unless `HIGHWATER_TEST_REQUIRE_S3=1`.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use highwater_store::{
    CredentialSource, Credentials, EnvironmentCredentials, ReadRange, RetryPolicy, StoreErrorKind, StoreOptions,
    conformance, open,
};

use crate::real_env;

pub fn credentials(key: &str, secret: &str) -> Arc<dyn CredentialSource> {
    Arc::new(EnvironmentCredentials::new(Credentials {
        access_key_id: key.to_owned(),
        secret_access_key: secret.to_owned(),
        session_token: None,
    }))
}

fn options() -> Option<StoreOptions> {
    let endpoint = std::env::var("HIGHWATER_TEST_S3_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    if endpoint.is_none() {
        let required = std::env::var("HIGHWATER_TEST_REQUIRE_S3").is_ok_and(|required| required == "1");
        assert!(!required, "HIGHWATER_TEST_REQUIRE_S3=1 needs HIGHWATER_TEST_S3_ENDPOINT");
        return None;
    }
    let retry = RetryPolicy { deadline: Duration::from_secs(10), ..RetryPolicy::default() };
    Some(StoreOptions {
        s3_endpoint: endpoint,
        s3_path_style: true,
        s3_allow_http: true,
        retry,
        ..StoreOptions::default()
    })
}

fn bucket() -> String {
    std::env::var("HIGHWATER_TEST_S3_BUCKET").unwrap_or_else(|_| "highwater".to_owned())
}

/// SeaweedFS has an order of its own.
fn order() -> conformance::Order {
    match std::env::var("HIGHWATER_TEST_S3_ORDER").as_deref() {
        Ok("components") => conformance::Order::Components,
        _ => conformance::Order::Bytes,
    }
}

fn folder(env: &Env) -> String {
    format!("suite-{:016x}", env.random.next_u64())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_conforms_with_and_without_a_prefix_and_signed_payloads() {
    let Some(options) = options() else { return };
    let env = real_env();
    let url = format!("s3://{}", bucket());
    conformance::run_in_order(open(&url, &options, &env).await.unwrap(), &folder(&env), order()).await;
    let url = format!("s3://{}/deep/{}", bucket(), folder(&env));
    let signed = StoreOptions { s3_unsigned_payload: false, ..options.clone() };
    let store = open(&url, &signed, &env).await.unwrap();
    assert!(!store.is_local() && store.describe().starts_with(&url));
    conformance::run_in_order(store.clone(), "suite", order()).await;
    let below = open(&format!("s3://{}", bucket()), &options, &env).await.unwrap();
    let listing = below.list(url.trim_start_matches(&format!("s3://{}/", bucket())), None, 5).await.unwrap();
    assert!(listing.objects.iter().all(|object| object.name.starts_with("deep/")) && !listing.objects.is_empty());
}

#[tokio::test]
async fn a_wrong_bucket_and_wrong_credentials_get_one_line() {
    let Some(mut options) = options() else { return };
    let env = real_env();
    let absent = open("s3://no-such-bucket-here", &options, &env).await.map(|_| ()).unwrap_err();
    assert_eq!(absent.kind, StoreErrorKind::Invalid);
    assert!(absent.to_string().contains("there is no bucket no-such-bucket-here at http"), "{absent}");
    let url = format!("s3://{}", bucket());
    options.credentials = Some(credentials("nobody", "nothing-at-all"));
    let unknown = open(&url, &options, &env).await.map(|_| ()).unwrap_err();
    assert_eq!(unknown.kind, StoreErrorKind::Denied, "{unknown}");
    assert!(unknown.to_string().contains("credentials for bucket"), "{unknown}");
    let key = std::env::var("AWS_ACCESS_KEY_ID").unwrap();
    options.credentials = Some(credentials(&key, "a-wrong-secret"));
    let wrong = open(&url, &options, &env).await.map(|_| ()).unwrap_err();
    assert_eq!(wrong.kind, StoreErrorKind::Denied, "{wrong}");
    assert!(!wrong.to_string().contains('\n'));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_fetched() {
    let Some(options) = options() else { return };
    let env = real_env();
    let store = open(&format!("s3://{}/{}", bucket(), folder(&env)), &options, &env).await.unwrap();
    store.create("big", vec![7u8; 8 << 20].into()).await.unwrap();
    let error = store.read("big", ReadRange::All { limit: 1000 }, None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::TooLarge);
    assert_eq!(store.read("big", ReadRange::Suffix(10), None).await.unwrap().bytes.len(), 10);
}
