//! Every place that gives credentials at AWS, against services that the test plays: the right keys are
//! found there, nobody is asked in vain, and a broker goes on while they are replaced.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use highwater_tests::aws_services::{AwsServices, CONTAINER_TOKEN, without_credentials};
use highwater_tests::clients::At;
use highwater_tests::highwater::{bucket_flags, serve};
use highwater_tests::http;
use highwater_tests::minio::{ACCESS_KEY, BUCKET, Minio, SECRET_KEY};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::process::Process;
use highwater_tests::raw::{Connection, PRODUCE, batch, produce_v3, produce_v3_error};
use highwater_tests::said::{Said, signed_request};
use highwater_tests::{ports, raw, wait};

use crate::stage::is_highwater;

const HOUR: Duration = Duration::from_secs(3600);
const DEADLINE: Duration = Duration::from_secs(60);
/// What is neither there nor refuses: packets to it are lost.
const NOBODY: &str = "http://192.0.2.1";

struct World {
    place: Place,
    minio: Minio,
}

fn world(name: &str, test: impl FnOnce(&World) -> Result<()>) -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let (parts, place) = (Parts::from_environment()?, Place::new(name)?);
    let minio = Minio::start(&parts, &place)?;
    let world = World { place, minio };
    test(&world).inspect_err(|_| world.place.keep())
}

impl World {
    /// `highwater bucket check` without any credentials, but for what `give` sets.
    fn check(&self, give: impl FnOnce(&mut Command)) -> Result<Said> {
        let mut command = Command::new(highwater_binary()?);
        without_credentials(&mut command);
        command.args(["bucket", "check"]).args(bucket_flags(&self.minio.endpoint(), BUCKET, "p"));
        give(&mut command);
        Said::by(&mut command, &self.place, DEADLINE)
    }

    fn file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.place.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, content)?;
        Ok(path)
    }
}

#[test]
fn keys_of_an_instance_a_container_and_a_pod() -> Result<()> {
    world("credentials-roles", |world| {
        let services = AwsServices::start(HOUR)?;
        let url = services.url();
        let instance = world.check(|command| {
            command.env("AWS_EC2_METADATA_DISABLED", "false").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url);
        })?;
        instance.expect(0, &["no probe is left"])?;
        ensure!(services.given("instance") == 1, "asked more than once: {services:?}");

        let container = world.check(|command| {
            command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/container"));
            command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN);
        })?;
        container.expect(0, &["no probe is left"])?;
        ensure!(services.given("container") == 1, "{services:?}");

        let token = world.file("token", "the-pod")?;
        let pod = |token: PathBuf| {
            world.check(|command| {
                command.env("AWS_WEB_IDENTITY_TOKEN_FILE", token).env("AWS_ENDPOINT_URL_STS", &url);
                command.env("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/broker");
            })
        };
        pod(token)?.expect(0, &["no probe is left"])?;
        ensure!(services.given("sts") == 1, "{services:?}");
        let refused = pod(world.file("other-token", "another-pod")?)?;
        refused.expect_one_line(1, &["no credentials for the bucket", "web identity", "not this role"])
    })
}

#[test]
fn keys_of_profiles() -> Result<()> {
    world("credentials-profiles", |world| {
        let services = AwsServices::start(HOUR)?;
        let keys = world.file(
            "credentials",
            &format!("[keys]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"),
        )?;
        let config = world.file(
            "config",
            "[profile role]\nrole_arn = arn:aws:iam::000000000000:role/broker\nrole_session_name = broker\nsource_profile = keys\n\
             region = us-east-1\n\
             [profile signed-in]\nsso_start_url = https://start.example\nsso_region = us-east-1\n\
             sso_account_id = 000000000000\nsso_role_name = broker\n",
        )?;
        // Named by the SHA-1 of the start URL.
        let home = world.place.join("home");
        world.file(
            "home/.aws/sso/cache/1c5a689b7bb92284d0c514c4b1c1e1ce96d9621f.json",
            r#"{"accessToken": "signed-in", "expiresAt": "2099-01-01T00:00:00Z", "region": "us-east-1",
                "startUrl": "https://start.example"}"#,
        )?;
        let with = |profile: &str| {
            world.check(|command| {
                command.env("AWS_PROFILE", profile).env("AWS_SHARED_CREDENTIALS_FILE", &keys);
                command.env("AWS_CONFIG_FILE", &config).env("HOME", &home);
                command.env("AWS_ENDPOINT_URL_STS", services.url()).env("AWS_ENDPOINT_URL_SSO", services.url());
            })
        };
        with("keys")?.expect(0, &["no probe is left"])?;
        with("role")?.expect(0, &["no probe is left"])?;
        ensure!(services.given("sts") == 1, "{services:?}");
        with("signed-in")?.expect(0, &["no probe is left"])?;
        ensure!(services.given("sso") == 1, "{services:?}");
        with("no-such-profile")?.expect_one_line(1, &["no credentials for the bucket", "no-such-profile"])
    })
}

/// Keys of MinIO's own STS: good with their session token, and with no other.
#[test]
fn keys_with_a_session_token() -> Result<()> {
    world("credentials-token", |world| {
        let form = "Action=AssumeRole&Version=2011-06-15&DurationSeconds=900";
        let answer = signed_request(&world.place, "POST", &world.minio.endpoint(), "sts", form)?;
        let of = |tag: &str| -> Result<&str> {
            let (_, rest) = answer.split_once(&format!("<{tag}>")).context("an STS without keys")?;
            Ok(rest.split('<').next().unwrap_or_default())
        };
        let (key, secret, session) = (of("AccessKeyId")?, of("SecretAccessKey")?, of("SessionToken")?);
        let with = |token: Option<&str>| {
            world.check(|command| {
                command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret);
                command.envs(token.map(|token| ("AWS_SESSION_TOKEN", token)));
            })
        };
        with(Some(session))?.expect(0, &["no probe is left"])?;
        with(None)?.expect_one_line(1, &["redential", BUCKET])?;
        with(Some("another"))?.expect_one_line(1, &["redential", BUCKET])
    })
}

#[test]
fn where_there_are_none_the_line_says_what_was_tried_and_does_not_wait_long() -> Result<()> {
    world("credentials-none", |world| {
        let begun = Instant::now();
        let none = world.check(|command| {
            command.env("AWS_EC2_METADATA_DISABLED", "false").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", NOBODY);
        })?;
        let words =
            ["tried environment", "profile", "web identity", "container", "instance metadata", "AWS_ACCESS_KEY_ID"];
        none.expect_one_line(1, &words)?;
        ensure!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());

        // With keys in the environment nobody else is asked.
        let services = AwsServices::start(HOUR)?;
        let given = world.check(|command| {
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
            command.env("AWS_EC2_METADATA_DISABLED", "false");
            command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", services.url());
        })?;
        given.expect(0, &["no probe is left"])?;
        ensure!(services.given("metadata token") == 0, "{services:?}");
        Ok(())
    })
}

#[test]
fn endpoint_and_region_are_found_where_aws_s_tools_find_them() -> Result<()> {
    world("credentials-endpoint", |world| {
        let minio = world.minio.endpoint();
        let keys = format!("aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
        let config = world.file("config", &format!("[default]\n{keys}endpoint_url = {minio}\n"))?;
        let services = world.file(
            "services",
            &format!("[default]\n{keys}endpoint_url = {NOBODY}\nservices = here\n[services here]\ns3 =\n  endpoint_url = {minio}\n"),
        )?;
        let url = format!("s3://{BUCKET}/p");
        let check = |variables: &[(&str, &str)]| {
            let mut command = Command::new(highwater_binary()?);
            without_credentials(&mut command);
            command.args(["bucket", "check", "--store", &url, "--s3-allow-http"]);
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
            command.envs(variables.iter().copied());
            Said::by(&mut command, &world.place, DEADLINE)
        };
        let path = |path: &PathBuf| path.display().to_string();
        for variables in [
            vec![("AWS_ENDPOINT_URL_S3", minio.clone())],
            vec![("AWS_ENDPOINT_URL", minio.clone())],
            vec![("AWS_ENDPOINT_URL", NOBODY.to_owned()), ("AWS_ENDPOINT_URL_S3", minio.clone())],
            vec![("AWS_CONFIG_FILE", path(&config))],
            vec![("AWS_CONFIG_FILE", path(&services))],
        ] {
            let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let checked = check(&borrowed)?;
            checked
                .expect(0, &["no probe is left", &minio])
                .map_err(|error| error.context(format!("{variables:?}")))?;
        }
        check(&[("AWS_ENDPOINT_URL_S3", "minio:9000")])?.expect_one_line(1, &["endpoint", "minio:9000"])
    })
}

/// The keys of the instance live for seconds: the broker acknowledges all the while.
#[test]
fn a_broker_goes_on_while_its_keys_are_replaced() -> Result<()> {
    const LIFE: Duration = Duration::from_secs(8);
    const REPLACEMENTS: u32 = 3;
    world("credentials-rotation", |world| {
        let services = AwsServices::start(LIFE)?;
        let (port, http_port) = (ports::free()?, ports::free()?);
        let mut command = serve(&highwater_binary()?, &world.place.join("data"), port, http_port);
        without_credentials(&mut command);
        command.env("AWS_EC2_METADATA_DISABLED", "false").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", services.url());
        command.args(bucket_flags(&world.minio.endpoint(), BUCKET, "p"));
        let mut broker = Process::start("highwater", &mut command, &world.place.log("broker"))?;
        let address = format!("127.0.0.1:{port}");
        wait::until(Duration::from_secs(30), "Highwater to be ready", || {
            ensure!(broker.ended()?.is_none(), "{}", broker.log_tail());
            Ok(http::status(http_port, "/readyz") == Some(200) && raw::answers(&address))
        })?;
        let parts = Parts::from_environment()?;
        At { broker: &address, parts: &parts, place: &world.place }.create_topic("rotation", 1)?;
        let mut connection = Connection::open(&address)?;
        let records = batch(b"goes on", |crc| crc);
        let mut produced = 0;
        wait::until(Duration::from_secs(60), "the keys to be replaced", || {
            // Each of them is acknowledged by a put into the bucket.
            connection.request(PRODUCE, 3, 1, &produce_v3("rotation", 0, &records))?;
            let code = produce_v3_error(&connection.answer()?.1, "rotation")?;
            ensure!(code == 0, "error {code} after {produced} batches: {}", broker.log_tail());
            produced += 1;
            Ok(services.given("instance") > REPLACEMENTS)
        })?;
        ensure!(produced > 50, "{produced} batches only");
        ensure!(broker.terminate(Duration::from_secs(25))?.success(), "{}", broker.log_tail());
        Ok(())
    })
}
