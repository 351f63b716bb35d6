//! `highwater inspect`: one object of a bucket, or one file, in plain text.
//!
//! A file of this machine goes before an object of the same name. What it is, is told from its
//! bytes. Everything that can be read is printed; what is damaged comes last, one line each.

mod print;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use highwater_env::{Env, RealEnv};
use highwater_format::describe::Look;
use highwater_log::describe::describe;
use highwater_store::{ReadRange, Store, StoreErrorKind};
use highwater_types::TopicId;

use crate::config::{BrokerFlags, ServeConfig, Settings, StoreTarget};
use crate::errors::StartError;
use crate::{storage, telemetry};

use print::{Json, Printed, Text};

/// The largest object or file that is looked at: it is read whole. A journal's snapshot may be as
/// large.
const OBJECT_LIMIT: u64 = 1 << 30;

/// Exit code where the bytes are none of ours, or there are none.
const NOT_OURS: u8 = 2;

/// Flags of `inspect`: a broker's, so that its file says which bucket.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// A file of this machine, or the name of an object in the bucket.
    name: String,
    /// Each batch of a segment, too.
    #[arg(long)]
    batches: bool,
    /// Each record of a segment or a write-ahead log file, too.
    #[arg(long)]
    records: bool,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: BrokerFlags,
}

/// Runs it. `Ok` is what the process ends with: 0 when nothing is wrong, 1 for damage, 2 for what is
/// none of ours.
pub fn run(args: InspectArgs, log: Option<String>) -> Result<ExitCode, StartError> {
    let settings = Settings::read(&args.flags.with_log(log), std::env::vars_os())?;
    telemetry::start(Some(&settings.log()?), telemetry::LogFormat::Text)?;
    let config = ServeConfig::resolve(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::Runtime)?;
    let found = runtime.block_on(async {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        find(&env, &args.name, &config).await
    });
    runtime.shutdown_background();
    let Some((bytes, names)) = found? else {
        let what = format!("{}: no file of this machine, and no object in {}", args.name, config.store_url);
        return Ok(not_ours(&what));
    };
    let look = Look { batches: args.batches, records: args.records, names };
    let out = io::BufWriter::new(io::stdout().lock());
    let (ours, printed) = if args.json {
        let mut sink = Json::new(out);
        (describe(&bytes, &look, &mut sink), sink.end(&args.name, bytes.len()))
    } else {
        let mut sink = Text::new(out);
        (describe(&bytes, &look, &mut sink), sink.end())
    };
    Ok(match (ours, printed) {
        (false, _) => not_ours(&format!("{}: {} bytes that are nothing of Highwater's", args.name, bytes.len())),
        (true, Printed { damage: 0 }) => ExitCode::SUCCESS,
        (true, _) => ExitCode::FAILURE,
    })
}

fn not_ours(what: &str) -> ExitCode {
    use io::Write;
    let _ = writeln!(io::stderr(), "highwater: {what}");
    ExitCode::from(NOT_OURS)
}

/// The bytes and the names of topics, as far as the metadata are at hand.
async fn find(
    env: &Env,
    name: &str,
    config: &ServeConfig,
) -> Result<Option<(Bytes, BTreeMap<TopicId, String>)>, StartError> {
    let file = Path::new(name);
    if file.is_file() {
        let bytes = read_file(file)?;
        // Names are an extra here: no bucket, or one that does not answer, is no reason to stop.
        let names = match open(env, config).await {
            Ok(Some(store)) => names(env, store).await,
            _ => BTreeMap::new(),
        };
        return Ok(Some((bytes, names)));
    }
    let Some(store) = open(env, config).await? else { return Ok(None) };
    let read = store.read(name, ReadRange::All { limit: OBJECT_LIMIT }, None).await;
    let bytes = match read {
        Ok(read) => read.bytes,
        Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some((bytes, names(env, store).await)))
}

fn read_file(file: &Path) -> Result<Bytes, StartError> {
    let refuse = |why: String| StartError::Config(format!("{}: {why}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| refuse(error.to_string()))?.len();
    if size > OBJECT_LIMIT {
        return Err(refuse(format!("{size} bytes; at most {OBJECT_LIMIT} are read")));
    }
    Ok(std::fs::read(file).map_err(|error| refuse(error.to_string()))?.into())
}

/// The bucket, unless it is a directory that does not exist: looking at a file makes none.
async fn open(env: &Env, config: &ServeConfig) -> Result<Option<Arc<dyn Store>>, StartError> {
    let options = match &config.store_target {
        StoreTarget::Directory(directory) if !directory.is_dir() => return Ok(None),
        StoreTarget::Directory(_) => config.store_options.clone(),
        StoreTarget::Bucket => storage::with_aws(env, config.store_options.clone()).await?,
    };
    Ok(Some(highwater_store::open(&config.store_url, &options, env).await?))
}

async fn names(env: &Env, store: Arc<dyn Store>) -> BTreeMap<TopicId, String> {
    match highwater_meta::describe::topic_names(env, store).await {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(%error, "topics are shown by their ids: the metadata cannot be read");
            BTreeMap::new()
        }
    }
}
