//! An S3 in memory that is played by the test, with one flaw: what `bucket check` must find.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;

use crate::answering::{Answer, Request, Server, http_date, iso_date};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing: the check must find nothing.
    None,
    /// If-None-Match is ignored.
    OverwritesAlways,
    /// It looks, waits, and then writes: two who come together both win.
    LooksThenWrites,
    /// If-Match is ignored.
    ReadsAnyVersion,
    /// Its answers have no Date.
    NoDate,
    /// Its clock is an hour late.
    LateClock,
    /// What was deleted can be neither read nor created.
    MarkersHideNames,
    /// start-after is ignored.
    ListsFromTheStart,
    /// A lifecycle rule deletes everything after a day.
    ExpiresEverything,
    /// Versioning is on, and nothing removes old versions.
    KeepsVersions,
    /// The bucket is in another region than the request is signed for.
    Elsewhere,
}

/// The region of a bucket that is [`Flaw::Elsewhere`].
pub const REGION: &str = "eu-test-7";
/// How long [`Flaw::LooksThenWrites`] waits in between.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Objects {
    by_key: BTreeMap<String, (Vec<u8>, u64)>,
    deleted: BTreeMap<String, u64>,
    versions: u64,
}

/// Starts one; any bucket exists in it, by path.
pub fn start(flaw: Flaw) -> Result<Server> {
    let objects = Mutex::new(Objects::default());
    Server::start(move |request| {
        let answer = answer(flaw, &objects, &request);
        match flaw {
            Flaw::NoDate => answer.with("Date", ""),
            Flaw::LateClock => answer.with("Date", http_date(SystemTime::now() - Duration::from_secs(3600))),
            _ => answer,
        }
    })
}

fn answer(flaw: Flaw, objects: &Mutex<Objects>, request: &Request) -> Answer {
    if flaw == Flaw::Elsewhere && !request.target.contains(REGION) {
        let signed_for = request.header("authorization").unwrap_or_default();
        if !signed_for.contains(REGION) {
            return error(400, "AuthorizationHeaderMalformed", &format!("<Region>{REGION}</Region>"))
                .with("x-amz-bucket-region", REGION);
        }
    }
    let (_, key) = request.path().trim_start_matches('/').split_once('/').unwrap_or_default();
    match (request.method.as_str(), key) {
        ("HEAD", "") => Answer::new(200, ""),
        ("GET", "") if request.query("lifecycle").is_some() => lifecycle(flaw),
        ("GET", "") if request.query("versioning").is_some() => versioning(flaw),
        ("GET", "") if request.query("versions").is_some() => xml("<ListVersionsResult></ListVersionsResult>"),
        ("GET", "") => list(flaw, objects, request),
        ("PUT", key) => put(flaw, objects, request, key),
        ("GET", key) => get(flaw, objects, request, key),
        ("DELETE", key) => {
            let mut objects = locked(objects);
            if objects.by_key.remove(key).is_some() {
                objects.deleted.insert(key.to_owned(), 0);
            }
            Answer::new(204, "")
        }
        _ => error(501, "NotImplemented", ""),
    }
}

fn locked(objects: &Mutex<Objects>) -> std::sync::MutexGuard<'_, Objects> {
    objects.lock().unwrap_or_else(PoisonError::into_inner)
}

fn xml(body: &str) -> Answer {
    Answer::new(200, body).with("Content-Type", "application/xml")
}

fn error(status: u16, code: &str, more: &str) -> Answer {
    Answer::new(status, format!("<Error><Code>{code}</Code><Message>refused</Message>{more}</Error>"))
}

fn lifecycle(flaw: Flaw) -> Answer {
    if flaw != Flaw::ExpiresEverything {
        return error(404, "NoSuchLifecycleConfiguration", "");
    }
    xml("<LifecycleConfiguration><Rule><ID>tidy</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>\
         <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>")
}

fn versioning(flaw: Flaw) -> Answer {
    let status = if flaw == Flaw::KeepsVersions { "<Status>Enabled</Status>" } else { "" };
    xml(&format!("<VersioningConfiguration>{status}</VersioningConfiguration>"))
}

fn put(flaw: Flaw, objects: &Mutex<Objects>, request: &Request, key: &str) -> Answer {
    let conditional = request.header("if-none-match").is_some();
    let mut held = locked(objects);
    let hidden = flaw == Flaw::MarkersHideNames && held.deleted.contains_key(key);
    let taken = held.by_key.contains_key(key) || hidden;
    if conditional && taken && flaw != Flaw::OverwritesAlways {
        return error(412, "PreconditionFailed", "");
    }
    if flaw == Flaw::LooksThenWrites {
        drop(held);
        std::thread::sleep(LOOK);
        held = locked(objects);
    }
    held.versions += 1;
    let version = held.versions;
    held.by_key.insert(key.to_owned(), (request.body.clone(), version));
    Answer::new(200, "").with("ETag", format!("\"{version}\""))
}

fn get(flaw: Flaw, objects: &Mutex<Objects>, request: &Request, key: &str) -> Answer {
    let objects = locked(objects);
    let Some((body, version)) = objects.by_key.get(key) else { return error(404, "NoSuchKey", "") };
    let etag = format!("\"{version}\"");
    if request.header("if-match").is_some_and(|wanted| wanted != etag) && flaw != Flaw::ReadsAnyVersion {
        return error(412, "PreconditionFailed", "");
    }
    let answer = |status, body: &[u8]| {
        let modified = http_date(SystemTime::now());
        Answer::new(status, body).with("ETag", etag.clone()).with("Last-Modified", modified)
    };
    let Some(range) = request.header("range").and_then(|range| range.strip_prefix("bytes=")) else {
        return answer(200, body);
    };
    let size = body.len();
    let (start, end) = range.split_once('-').unwrap_or_default();
    let (start, end) = match (start.parse::<usize>(), end.parse::<usize>()) {
        (Ok(start), Ok(last)) => (start, (last + 1).min(size)),
        (Ok(start), Err(_)) => (start, size),
        (Err(_), Ok(count)) => (size.saturating_sub(count), size),
        _ => (0, size),
    };
    if start >= size {
        return error(416, "InvalidRange", "");
    }
    answer(206, &body[start..end]).with("Content-Range", format!("bytes {start}-{}/{size}", end - 1))
}

fn list(flaw: Flaw, objects: &Mutex<Objects>, request: &Request) -> Answer {
    let objects = locked(objects);
    let prefix = request.query("prefix").unwrap_or_default();
    let mut after = request.query("start-after").unwrap_or_default();
    if flaw == Flaw::ListsFromTheStart {
        after.clear();
    }
    let limit: usize = request.query("max-keys").and_then(|keys| keys.parse().ok()).unwrap_or(1000);
    let mut matching = objects.by_key.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let mut body = String::from("<ListBucketResult>");
    let modified = iso_date(SystemTime::now());
    for (key, (content, version)) in matching.by_ref().take(limit) {
        let size = content.len();
        body.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>\"{version}\"</ETag>\
             <Size>{size}</Size></Contents>"
        ));
    }
    if matching.next().is_some() {
        body.push_str("<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>");
    }
    body.push_str("</ListBucketResult>");
    xml(&body)
}
