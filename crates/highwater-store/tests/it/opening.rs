//! URLs: what they open, and the one line that a wrong one gets.

use std::time::Duration;

use highwater_store::{StoreErrorKind, StoreOptions, open};

use crate::real_env;

async fn refusal(url: &str, options: &StoreOptions) -> (StoreErrorKind, String) {
    let error = open(url, options, &real_env()).await.map(|_| ()).unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    (error.kind, line)
}

#[tokio::test]
async fn good_urls() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}/new/deep", directory.path().display());
    let store = open(&url, &StoreOptions::default(), &real_env()).await.unwrap();
    store.create("a", "x".into()).await.unwrap();
    assert!(directory.path().join("new/deep/a").exists());
    assert!(store.describe().starts_with("file:///"));
    assert_eq!(open("memory:", &StoreOptions::default(), &real_env()).await.unwrap().describe(), "memory:");
}

#[tokio::test]
async fn bad_urls_are_refused_in_one_line_that_says_what_to_do() {
    let options = StoreOptions::default();
    for url in
        ["", "data", "/data", "ftp://x/y", "file:data/../..?x=1", "s3://", "s3://b:9000/x", "s3://b/.x", "s3://u@b/x"]
    {
        let (kind, line) = refusal(url, &options).await;
        assert_eq!(kind, StoreErrorKind::Invalid, "{line}");
        assert!(line.contains("a store is file:///DIRECTORY or s3://BUCKET/PREFIX"), "{line}");
    }
}

#[tokio::test]
async fn an_unusable_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below"), "/proc/highwater".into()] {
        let (_, line) = refusal(&format!("file://{}", path.display()), &StoreOptions::default()).await;
        assert!(line.contains("name one that can be written"), "{line}");
    }
}

#[tokio::test]
async fn an_unencrypted_endpoint_must_be_allowed_and_an_unreachable_one_is_named() {
    let credentials = crate::bucket::credentials("k", "s");
    let mut options = StoreOptions {
        s3_endpoint: Some("http://127.0.0.1:1".to_owned()),
        credentials: Some(credentials),
        ..StoreOptions::default()
    };
    let (kind, line) = refusal("s3://b", &options).await;
    assert!(kind == StoreErrorKind::Invalid && line.contains("--s3-allow-http"), "{line}");
    options.s3_allow_http = true;
    options.s3_path_style = true;
    options.retry.deadline = Duration::from_millis(100);
    let (kind, line) = refusal("s3://b", &options).await;
    assert!(kind == StoreErrorKind::Unavailable && line.contains("cannot connect to http://127.0.0.1:1"), "{line}");
    options.s3_endpoint = Some("127.0.0.1:1".to_owned());
    let (kind, line) = refusal("s3://b", &options).await;
    assert!(kind == StoreErrorKind::Invalid && line.contains("must begin with https://"), "{line}");
}
