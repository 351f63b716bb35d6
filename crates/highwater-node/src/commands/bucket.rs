//! `highwater bucket init` and `highwater bucket check`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use highwater_aws::check::{SettingsAccess, check, unreachable};
use highwater_aws::init::init;
use highwater_aws::{Outcome, Report};
use highwater_env::{Env, RealEnv};
use highwater_store::{StoreError, StoreErrorKind, bucket_options};

use crate::config::{BrokerFlags, Settings, StoreChoice, StoreTarget};
use crate::errors::StartError;
use crate::{banner, storage, telemetry};

/// What to do with a bucket.
#[derive(Clone, Debug, Subcommand)]
pub enum BucketCommand {
    /// Create the bucket if it is not there, and a lifecycle rule for unfinished multipart uploads.
    Init(BucketArgs),
    /// Try whether the bucket does what a broker relies on. It leaves nothing behind.
    Check(BucketArgs),
}

/// Flags of both: a broker's, so that its file says which bucket.
#[derive(Clone, Debug, Args)]
pub struct BucketArgs {
    #[command(flatten)]
    flags: BrokerFlags,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs one. `Ok` is what the process ends with: 0 when a broker may use the bucket.
pub fn run(command: BucketCommand, log: Option<String>) -> Result<ExitCode, StartError> {
    let (makes, args) = match command {
        BucketCommand::Init(args) => (true, args),
        BucketCommand::Check(args) => (false, args),
    };
    let settings = Settings::read(&args.flags.with_log(log), std::env::vars_os())?;
    telemetry::start(Some(&settings.log()?), telemetry::LogFormat::Text)?;
    let choice = StoreChoice::resolve(&settings)?;
    if makes && choice.target != StoreTarget::Bucket {
        let line = "bucket init takes --store s3://BUCKET/PREFIX: a directory needs none";
        return Err(StartError::Config(line.to_owned()));
    }
    let url = choice.url.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::Runtime)?;
    let report = runtime.block_on(async {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        if makes { initialise(&env, choice).await } else { examine(&env, choice).await }
    });
    runtime.shutdown_background();
    let report = report?;
    banner::print(&if args.json { json(&url, &report) } else { lines(&report) });
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn initialise(env: &Env, choice: StoreChoice) -> Result<Report, StartError> {
    let options = storage::with_aws(env, choice.options).await?;
    let access = access(&choice.url, &options)?;
    Ok(init(access.options, options.s3_region.is_some(), access.credentials).await?)
}

async fn examine(env: &Env, choice: StoreChoice) -> Result<Report, StartError> {
    let (options, settings) = match choice.target {
        StoreTarget::Directory(_) => (choice.options, None),
        StoreTarget::Bucket => {
            let options = storage::with_aws(env, choice.options).await?;
            let access = access(&choice.url, &options)?;
            (options, Some(access))
        }
    };
    match highwater_store::open(&choice.url, &options, env).await {
        Ok(store) => Ok(check(&store, env, settings).await),
        Err(error) => Ok(unreachable(&error)),
    }
}

fn access(url: &str, options: &highwater_store::StoreOptions) -> Result<SettingsAccess, StartError> {
    let credentials = options.credentials.clone().ok_or_else(|| {
        StartError::Store(StoreError::new(StoreErrorKind::Denied, url, "no credentials for the bucket"))
    })?;
    Ok(SettingsAccess { options: bucket_options(url, options)?, credentials })
}

/// One line for each finding.
fn lines(report: &Report) -> String {
    let name_width = report.findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let outcome_width = Outcome::Warning.as_str().len();
    let mut text = String::new();
    for finding in &report.findings {
        let (outcome, name, detail) = (finding.outcome.as_str(), finding.name, &finding.detail);
        text.push_str(&format!("{outcome:outcome_width$}  {name:name_width$}  {detail}\n"));
    }
    text
}

fn json(url: &str, report: &Report) -> String {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({"name": finding.name, "outcome": finding.outcome.as_str(), "detail": finding.detail})
        })
        .collect();
    format!("{}\n", serde_json::json!({"store": url, "ok": report.is_good(), "checks": findings}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use highwater_aws::Finding;

    use super::*;

    fn report() -> Report {
        let finding = |name, outcome, detail: &str| Finding { name, outcome, detail: detail.to_owned() };
        let findings = vec![finding("create", Outcome::Ok, "fine"), finding("a race", Outcome::Failed, "\"two\" won")];
        Report { findings }
    }

    #[test]
    fn columns_for_people() {
        assert_eq!(lines(&report()), "ok       create  fine\nfailed   a race  \"two\" won\n");
    }

    #[test]
    fn json_for_programs() {
        let parsed: serde_json::Value = serde_json::from_str(&json("s3://b/p", &report())).unwrap();
        assert_eq!(parsed["ok"], false);
        assert_eq!(parsed["checks"][1]["detail"], "\"two\" won");
        assert_eq!(parsed["checks"][0]["outcome"], "ok");
    }
}
