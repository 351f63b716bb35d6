//! The services that give credentials at AWS (instance metadata, container, STS, SSO), played by the
//! test: they give the keys of the tests' own buckets, for as long as the test wants.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::answering::{Answer, Request, Server, iso_date};
use crate::minio::{ACCESS_KEY, SECRET_KEY};

/// The role that the instance has.
const ROLE: &str = "broker";
/// What a service demands to see.
const METADATA_TOKEN: &str = "metadata-token";
/// See [`METADATA_TOKEN`].
pub const CONTAINER_TOKEN: &str = "container-token";

/// All of them on one port.
#[derive(Debug)]
pub struct AwsServices {
    server: Server,
    asked: Arc<Mutex<BTreeMap<&'static str, u32>>>,
}

impl AwsServices {
    /// Starts to give keys that live for `life`.
    pub fn start(life: Duration) -> Result<Self> {
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let counts = Arc::clone(&asked);
        let server = Server::start(move |request| {
            let (kind, answer) = answer(&request, life);
            *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_insert(0) += 1;
            answer
        })?;
        Ok(Self { server, asked })
    }

    /// Their address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How often keys were given by `kind`: instance, container, sts or sso.
    pub fn given(&self, kind: &str) -> u32 {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied().unwrap_or(0)
    }
}

/// Takes every source of credentials from a command, so that a test gives it exactly one.
pub fn without_credentials(command: &mut Command) -> &mut Command {
    const VARIABLES: [&str; 14] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CA_BUNDLE",
    ];
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
        .env("AWS_CONFIG_FILE", "/nonexistent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials");
    command.env("AWS_EC2_METADATA_DISABLED", "true")
}

fn answer(request: &Request, life: Duration) -> (&'static str, Answer) {
    let refused = |kind| (kind, Answer::new(401, "refused"));
    let path = request.path();
    if path == "/latest/api/token" {
        let answer = Answer::new(200, METADATA_TOKEN).with("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        return ("metadata token", answer);
    }
    if let Some(role) = path.split_once("/iam/security-credentials").map(|(_, role)| role.trim_matches('/')) {
        if request.header("x-aws-ec2-metadata-token") != Some(METADATA_TOKEN) {
            return refused("refused");
        }
        // The older of its two forms; who asks for the newer one hears that there is none.
        return match (path.starts_with("/latest/meta-data/iam/security-credentials"), role) {
            (true, "") => ("role", Answer::new(200, ROLE)),
            (true, ROLE) => ("instance", Answer::new(200, keys_json(life, "AssumedBroker"))),
            _ => ("absent", Answer::new(404, "")),
        };
    }
    match path {
        "/container" if request.header("authorization") == Some(CONTAINER_TOKEN) => {
            ("container", Answer::new(200, keys_json(life, "Container")))
        }
        "/federation/credentials" if request.header("x-amz-sso_bearer_token").is_some() => {
            ("sso", Answer::new(200, sso_json(life)))
        }
        "/" if request.method == "POST" => sts(&String::from_utf8_lossy(&request.body), life),
        _ => refused("refused"),
    }
}

/// For the right pod, and for whoever has keys of his own: those are in the signature.
fn sts(body: &str, life: Duration) -> (&'static str, Answer) {
    let action = match body {
        pod if pod.contains("Action=AssumeRoleWithWebIdentity") && pod.contains("WebIdentityToken=the-pod") => {
            "AssumeRoleWithWebIdentity"
        }
        role if role.contains("Action=AssumeRole&") => "AssumeRole",
        _ => {
            let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                         <Message>not this role</Message></Error></ErrorResponse>";
            return ("refused", Answer::new(403, error).with("Content-Type", "text/xml"));
        }
    };
    let until = iso_date(SystemTime::now() + life);
    let answer = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{ACCESS_KEY}</AccessKeyId><SecretAccessKey>{SECRET_KEY}</SecretAccessKey>\
         <SessionToken></SessionToken><Expiration>{until}</Expiration></Credentials><AssumedRoleUser>\
         <Arn>arn:aws:sts::000000000000:assumed-role/broker/s</Arn><AssumedRoleId>A:s</AssumedRoleId>\
         </AssumedRoleUser></{action}Result></{action}Response>"
    );
    ("sts", Answer::new(200, answer).with("Content-Type", "text/xml"))
}

fn keys_json(life: Duration, kind: &str) -> String {
    let until = iso_date(SystemTime::now() + life);
    format!(
        r#"{{"Code": "Success", "Type": "{kind}", "AccessKeyId": "{ACCESS_KEY}", "SecretAccessKey": "{SECRET_KEY}",
            "Token": "", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "{until}", "AccountId": "000000000000"}}"#
    )
}

fn sso_json(life: Duration) -> String {
    let until = (SystemTime::now() + life).duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!(
        r#"{{"roleCredentials": {{"accessKeyId": "{ACCESS_KEY}", "secretAccessKey": "{SECRET_KEY}",
            "sessionToken": "", "expiration": {until}}}}}"#
    )
}
