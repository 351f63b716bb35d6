//! `highwater bucket`: set-up and check on each service, what the check must find, and one line for
//! each mistake.
//!
//! These are promises of Highwater alone; against Apache Kafka there is nothing to check.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use highwater_tests::aws_services::without_credentials;
use highwater_tests::bad_s3::{self, Flaw, REGION};
use highwater_tests::clients::At;
use highwater_tests::highwater::{Highwater, Store, bucket_flags, serve};
use highwater_tests::localstack::LocalStack;
use highwater_tests::minio::{ACCESS_KEY, BUCKET, Minio, SECRET_KEY};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::raw::{Connection, PRODUCE, batch, produce_v3, produce_v3_error};
use highwater_tests::said::{Said, signed_request};
use highwater_tests::seaweedfs::SeaweedFs;
use highwater_tests::{certificates, ports, wait};

use crate::stage::is_highwater;

/// A bucket that no service has yet.
const FRESH: &str = "fresh-bucket";
/// For one command; a service that is not there costs a few attempts.
const DEADLINE: Duration = Duration::from_secs(60);

/// `highwater bucket WHAT` with the credentials of the tests and no others.
fn bucket(what: &str) -> Result<Command> {
    let mut command = Command::new(highwater_binary()?);
    without_credentials(&mut command);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.args(["bucket", what]);
    Ok(command)
}

fn said(place: &Place, what: &str, flags: &[String]) -> Result<Said> {
    Said::by(bucket(what)?.args(flags), place, DEADLINE)
}

fn stage(name: &str, test: impl FnOnce(&Parts, &Place) -> Result<()>) -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let (parts, place) = (Parts::from_environment()?, Place::new(name)?);
    test(&parts, &place).inspect_err(|_| place.keep())
}

/// Creates it, finds it created, and finds it good; with and without a prefix.
fn set_up_and_checked(place: &Place, endpoint: &str) -> Result<()> {
    let flags = bucket_flags(endpoint, FRESH, "deep/below");
    let missing = said(place, "check", &flags)?;
    missing.expect_one_line(1, &["failed", FRESH, "there is no bucket"])?;
    said(place, "init", &flags)?.expect(0, &["fresh-bucket was created"])?;
    let again = said(place, "init", &flags)?;
    again.expect(0, &["is there already"])?;
    for prefix in ["deep/below", ""] {
        let checked = said(place, "check", &bucket_flags(endpoint, FRESH, prefix))?;
        let words = [
            "create",
            "put-if-absent",
            "one winner each",
            "read",
            "list",
            "delete",
            "date",
            "no probe is left",
            "lifecycle",
        ];
        checked.expect(0, &words)?;
        ensure!(!checked.out.contains("failed") && checked.err.is_empty(), "{checked:?}");
    }
    let mut flags = flags;
    flags.push("--json".to_owned());
    said(place, "check", &flags)?.expect(0, &["\"ok\":true", "\"name\":\"race\""])
}

/// A broker founds a cluster there, is killed, and goes on.
fn a_broker_serves(parts: &Parts, place: &Place, endpoint: &str) -> Result<()> {
    let store = Store::Bucket { endpoint: endpoint.to_owned(), prefix: "cluster".to_owned() };
    let mut broker = Highwater::start(&highwater_binary()?, &place.join("broker"), place.log("broker"), store)?;
    let address = format!("127.0.0.1:{}", broker.port());
    At { broker: &address, parts, place }.create_topic("served", 1)?;
    for round in 0..2 {
        let mut connection = Connection::open(&address)?;
        for number in 0..10 {
            connection.request(PRODUCE, 3, number, &produce_v3("served", 0, &batch(b"kept", |crc| crc)))?;
            let code = produce_v3_error(&connection.answer()?.1, "served")?;
            ensure!(code == 0, "round {round}, batch {number}: error {code}");
        }
        broker.process()?.kill_9()?;
        broker.up()?;
    }
    let ended = broker.process()?.terminate(Duration::from_secs(25))?;
    ensure!(ended.success(), "{ended}: {}", broker.process()?.log_tail());
    Ok(())
}

/// What versioning and lifecycle rules do to us, on a service that has them: a versioned bucket is
/// safe, dear, and said to be so; a rule that deletes what is ours is refused, and init leaves it as it is.
fn versions_and_rules(place: &Place, endpoint: &str) -> Result<()> {
    let flags = bucket_flags(endpoint, FRESH, "deep/below");
    let set = |what: &str, body: &str| signed_request(place, "PUT", &format!("{endpoint}/{FRESH}?{what}"), "s3", body);
    set(
        "versioning",
        "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>",
    )?;
    let versioned = said(place, "check", &flags)?;
    versioned.expect(0, &["ok       delete", "warning  versioning", "suspend it"])?;
    let left = signed_request(place, "GET", &format!("{endpoint}/{FRESH}?versions"), "s3", "")?;
    ensure!(!left.contains("bucket-check"), "old versions are left: {left}");

    let rule = |id: &str, prefix: &str, action: &str| {
        format!("<Rule><ID>{id}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>{action}</Rule>")
    };
    let days = "<Expiration><Days>30</Days></Expiration>";
    let rules = |rules: &[String]| {
        format!(
            "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}</LifecycleConfiguration>",
            rules.concat()
        )
    };
    set("lifecycle", &rules(&[rule("elsewhere", "other/", days)]))?;
    said(place, "check", &flags)?.expect(0, &["ok       lifecycle"])?;
    set("lifecycle", &rules(&[rule("elsewhere", "other/", days), rule("tidy", "deep/", days)]))?;
    said(place, "check", &flags)?.expect(1, &["failed   lifecycle", "rule tidy deletes objects after 30 days"])?;
    said(place, "init", &flags)?.expect(0, &["is there already"])?;
    let kept = signed_request(place, "GET", &format!("{endpoint}/{FRESH}?lifecycle"), "s3", "")?;
    ensure!(kept.contains("elsewhere") && kept.contains("tidy"), "init lost a rule: {kept}");
    Ok(())
}

#[test]
fn set_up_and_checked_on_minio() -> Result<()> {
    stage("bucket-minio", |parts, place| {
        let minio = Minio::start(parts, place)?;
        set_up_and_checked(place, &minio.endpoint())?;
        // On a single drive an object is a folder.
        let left: Vec<_> = fs::read_dir(place.join("minio").join(FRESH))?.collect();
        ensure!(left.is_empty(), "left in the bucket: {left:?}");
        versions_and_rules(place, &minio.endpoint())?;
        a_broker_serves(parts, place, &minio.endpoint())
    })
}

/// A service with another region than everybody's first: it is found, or named.
#[test]
fn a_region_of_its_own() -> Result<()> {
    stage("bucket-region", |parts, place| {
        let minio = Minio::start_with(parts, place, &[("MINIO_REGION", "eu-test-3")])?;
        let given = bucket_flags(&minio.endpoint(), FRESH, "p");
        for what in ["init", "check"] {
            said(place, what, &given)?.expect(1, &["us-east-1", "give --s3-region eu-test-3"])?;
        }
        let open: Vec<String> = given.into_iter().filter(|flag| flag != "--s3-region" && flag != "us-east-1").collect();
        said(place, "init", &open)?.expect(0, &["was created in region eu-test-3"])?;
        said(place, "init", &open)?.expect(0, &["is there already, in region eu-test-3"])?;
        said(place, "check", &open)?.expect(0, &["no probe is left", "versioning     off"])
    })
}

#[test]
fn set_up_and_checked_on_localstack() -> Result<()> {
    stage("bucket-localstack", |parts, place| {
        let localstack = LocalStack::start(parts, place)?;
        set_up_and_checked(place, &localstack.endpoint())?;
        let init = said(place, "init", &bucket_flags(&localstack.endpoint(), FRESH, "deep/below"))?;
        init.expect(0, &["a lifecycle rule removes them already"])?;
        versions_and_rules(place, &localstack.endpoint())?;
        a_broker_serves(parts, place, &localstack.endpoint())
    })
}

#[test]
fn set_up_and_checked_on_seaweedfs() -> Result<()> {
    stage("bucket-seaweedfs", |parts, place| {
        let seaweedfs = SeaweedFs::start(parts, place)?;
        set_up_and_checked(place, &seaweedfs.endpoint())?;
        versions_and_rules(place, &seaweedfs.endpoint())?;
        a_broker_serves(parts, place, &seaweedfs.endpoint())
    })
}

#[test]
fn the_check_finds_what_is_wrong() -> Result<()> {
    stage("bucket-flaws", |_, place| {
        for (flaw, code, words) in [
            (Flaw::None, 0, ["ok", "no probe is left"]),
            (Flaw::OverwritesAlways, 1, ["failed   put-if-absent", "ignores If-None-Match"]),
            (Flaw::LooksThenWrites, 1, ["failed   race", "told that they won"]),
            (Flaw::ReadsAnyVersion, 1, ["failed   read", "If-Match is ignored"]),
            (Flaw::NoDate, 1, ["failed   reach", "no Date header"]),
            (Flaw::LateClock, 1, ["failed   date", "behind this machine's clock"]),
            (Flaw::MarkersHideNames, 1, ["failed   delete", "a delete marker hides it"]),
            (Flaw::ListsFromTheStart, 1, ["failed   list", "start-after"]),
            (Flaw::ExpiresEverything, 1, ["failed   lifecycle", "rule tidy deletes objects after 1 days"]),
            (Flaw::KeepsVersions, 0, ["warning  versioning", "NoncurrentVersionExpiration"]),
            (Flaw::Elsewhere, 0, ["ok", "no probe is left"]),
        ] {
            let server = bad_s3::start(flaw)?;
            let mut flags = bucket_flags(&server.url(), BUCKET, "p");
            // The bucket says itself where it is.
            flags.retain(|flag| flag != "--s3-region" && flag != "us-east-1");
            let checked = said(place, "check", &flags)?;
            checked.expect(code, &words).map_err(|error| error.context(format!("{flaw:?}")))?;
        }
        Ok(())
    })
}

#[test]
fn mistakes_about_a_bucket_get_one_line() -> Result<()> {
    stage("bucket-mistakes", |parts, place| {
        let minio = Minio::start(parts, place)?;
        let good = bucket_flags(&minio.endpoint(), BUCKET, "p");
        let run = |what: &str, flags: &[String], variables: &[(&str, &str)]| {
            Said::by(bucket(what)?.args(flags).envs(variables.iter().copied()), place, DEADLINE)
        };
        for what in ["check", "init"] {
            let wrong = run(what, &good, &[("AWS_SECRET_ACCESS_KEY", "not-the-secret")])?;
            wrong.expect_one_line(1, &["redential", BUCKET])?;
            let nobody = format!("http://127.0.0.1:{}", ports::free()?);
            let nobody_flags = bucket_flags(&nobody, BUCKET, "p");
            run(what, &nobody_flags, &[])?.expect_one_line(1, &[&nobody])?;
            let plain: Vec<String> = good.iter().filter(|flag| *flag != "--s3-allow-http").cloned().collect();
            run(what, &plain, &[])?.expect_one_line(1, &["--s3-allow-http"])?;
            run(what, &[], &[])?.expect_one_line(1, &["--store s3://BUCKET/PREFIX"])?;
            let elsewhere = bad_s3::start(Flaw::Elsewhere)?;
            let flags = bucket_flags(&elsewhere.url(), BUCKET, "p");
            run(what, &flags, &[])?.expect_one_line(1, &["us-east-1", &format!("--s3-region {REGION}")])?;
        }
        let expired = run("check", &good, &[("AWS_SESSION_TOKEN", "of-long-ago")])?;
        expired.expect_one_line(1, &["redential", BUCKET])?;
        let directory = format!("file://{}", place.join("d").display());
        run("check", &["--store".to_owned(), directory.clone()], &[])?.expect(0, &["one winner each"])?;
        run("init", &["--store".to_owned(), directory], &[])?.expect_one_line(1, &["a directory needs none"])
    })
}

#[test]
fn no_cluster_is_founded_where_a_create_overwrites() -> Result<()> {
    stage("bucket-unfit", |_, place| {
        let server = bad_s3::start(Flaw::OverwritesAlways)?;
        let mut command = serve(&highwater_binary()?, &place.join("data"), ports::free()?, ports::free()?);
        command.args(bucket_flags(&server.url(), BUCKET, "p"));
        let said = Said::by(&mut command, place, DEADLINE)?;
        said.expect_one_line(1, &["ignores If-None-Match", "highwater bucket check"])
    })
}

/// Over TLS the payload is not signed: MinIO checks every signature, so this shows that ours are right.
#[test]
fn a_private_authority_is_trusted_if_it_is_named() -> Result<()> {
    stage("bucket-tls", |parts, place| {
        let folder = place.join("certificates");
        let authority = certificates::write(&folder)?;
        let minio = Minio::start_tls(parts, place, &folder)?;
        let endpoint = format!("https://127.0.0.1:{}", minio.port());
        let mut flags = bucket_flags(&endpoint, BUCKET, "p");
        flags.retain(|flag| flag != "--s3-allow-http");
        let trusting = [&flags[..], &["--s3-ca-file".to_owned(), authority.display().to_string()]].concat();
        wait::until(Duration::from_secs(30), "MinIO to be ready over TLS", || {
            Ok(said(place, "check", &trusting)?.code == 0)
        })?;
        said(place, "init", &trusting)?.expect(0, &["is there already"])?;
        let bundle = Said::by(bucket("check")?.args(&flags).env("AWS_CA_BUNDLE", &authority), place, DEADLINE)?;
        bundle.expect(0, &["no probe is left"])?;
        said(place, "check", &flags)?.expect_one_line(1, &["certificate", "--s3-ca-file"])?;
        let nothing = place.join("nothing.pem");
        fs::write(&nothing, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")?;
        let wrong = [&flags[..], &["--s3-ca-file".to_owned(), nothing.display().to_string()]].concat();
        said(place, "check", &wrong)?.expect_one_line(1, &["certificate"])
    })
}

/// The bucket in the host name. No resolver is needed: MinIO itself is the proxy that is asked for it.
#[test]
fn a_bucket_in_the_host_name() -> Result<()> {
    const DOMAIN: &str = "s3.highwater.test";
    stage("bucket-virtual", |parts, place| {
        let minio = Minio::start_with(parts, place, &[("MINIO_DOMAIN", DOMAIN)])?;
        let endpoint = format!("http://{DOMAIN}:{}", minio.port());
        let mut flags = bucket_flags(&endpoint, FRESH, "p");
        flags.retain(|flag| flag != "--s3-path-style");
        for (what, words) in [("init", "was created"), ("check", "no probe is left")] {
            let mut command = bucket(what)?;
            command.env("http_proxy", minio.endpoint()).env_remove("no_proxy").env_remove("NO_PROXY").args(&flags);
            Said::by(&mut command, place, DEADLINE)?.expect(0, &[words])?;
        }
        ensure!(place.join("minio").join(FRESH).is_dir(), "the bucket was made somewhere else");
        Ok(())
    })
}
