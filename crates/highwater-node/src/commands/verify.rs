//! `highwater verify`: everything that a bucket holds, read and checked.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use highwater_env::RealEnv;
use highwater_log::verify::{Finding, Verified, verify};

use super::session::is_watched;
use crate::config::{BrokerFlags, ServeConfig, Settings, StoreTarget};
use crate::errors::StartError;
use crate::{banner, storage, telemetry};

/// A progress line after so many segments.
const PROGRESS_EVERY: u64 = 16;

/// Flags of `verify`: a broker's, so that its file says which bucket.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    flags: BrokerFlags,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it. `Ok` is what the process ends with: 0 when nothing is wrong.
pub fn run(args: VerifyArgs, log: Option<String>) -> Result<ExitCode, StartError> {
    let settings = Settings::read(&args.flags.with_log(log), std::env::vars_os())?;
    telemetry::start(Some(&settings.log()?), telemetry::LogFormat::Text)?;
    let config = ServeConfig::resolve(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::Runtime)?;
    let verified = runtime.block_on(async {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        let options = match config.store_target {
            StoreTarget::Bucket => storage::with_aws(&env, config.store_options.clone()).await?,
            StoreTarget::Directory(_) => config.store_options.clone(),
        };
        let store = highwater_store::open(&config.store_url, &options, &env).await?;
        if store.list("meta/", None, 1).await?.objects.is_empty() {
            return Err(StartError::Config(format!("{}: there is no cluster", config.store_url)));
        }
        Ok(verify(&env, &store, progress).await?)
    });
    runtime.shutdown_background();
    let verified = verified?;
    if is_watched() {
        let _ = writeln!(std::io::stderr());
    }
    banner::print(&if args.json { json(&config.store_url, &verified) } else { lines(&verified) });
    Ok(if verified.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress(verified: &Verified) {
    if is_watched() && verified.segments.is_multiple_of(PROGRESS_EVERY) {
        let (segments, bytes) = (verified.segments, mib(verified.bytes));
        let _ = write!(std::io::stderr(), "\r{segments} segments, {bytes}");
    }
}

/// One line for each finding, and one about everything.
fn lines(verified: &Verified) -> String {
    let mut text = String::new();
    for Finding { object, bytes, what } in &verified.findings {
        let range = bytes.as_ref().map(|range| format!(" bytes {}..{}", range.start, range.end)).unwrap_or_default();
        text.push_str(&format!("{object}{range}: {what}\n"));
    }
    let Verified { shards, partitions, segments, bytes, gaps, tail, unneeded, unneeded_bytes, objects, findings } =
        verified;
    text.push_str(&format!(
        "{} findings; {shards} shards, {partitions} partitions with records, {segments} segments of {} and \
         {objects} other objects read; \
         {gaps} gaps that takeovers left; {tail} objects behind the manifests, {unneeded} ({}) that nothing needs\n",
        findings.len(),
        mib(*bytes),
        mib(*unneeded_bytes),
    ));
    text
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn json(url: &str, verified: &Verified) -> String {
    let one = |finding: &Finding| {
        let range = finding.bytes.as_ref().map(|range| [range.start, range.end]);
        serde_json::json!({"object": finding.object, "bytes": range, "what": finding.what})
    };
    let findings: Vec<_> = verified.findings.iter().map(one).collect();
    let all = serde_json::json!({
        "store": url,
        "ok": findings.is_empty(),
        "shards": verified.shards,
        "partitions": verified.partitions,
        "segments": verified.segments,
        "bytes": verified.bytes,
        "other_objects": verified.objects,
        "gaps": verified.gaps,
        "tail_objects": verified.tail,
        "unneeded_objects": verified.unneeded,
        "unneeded_bytes": verified.unneeded_bytes,
        "findings": findings,
    });
    format!("{all}\n")
}
