//! `/debug/…`: what a person looks at when something is odd. Plain text.
//!
//! - `/debug/tasks`: what runs, by name. - `/debug/memory`: budgets of memory, and the process.
//! - `/debug/shards`: what this broker leads. - `/debug/log`: what is logged; PUT changes it.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::Pages;

const INDEX: &str = "\
/debug/tasks   what runs, by name
/debug/memory  budgets of memory, and the process
/debug/shards  what this broker leads
/debug/log     the log filter; PUT another one as the body, such as highwater_log=debug
";

/// The pages below `/debug`.
pub fn routes() -> Router<Pages> {
    let routes = Router::new()
        .route("/", get(index))
        .route("/tasks", get(tasks))
        .route("/memory", get(memory))
        .route("/shards", get(shards))
        .route("/log", get(log).put(set_log));
    #[cfg(feature = "faults")]
    let routes = routes.merge(crate::faults::routes());
    routes
}

/// What pages there are.
pub async fn index() -> &'static str {
    INDEX
}

async fn tasks(State(pages): State<Pages>) -> String {
    let mut text = format!("{:<24} {:>10} {:>12}\n", "task", "running", "started");
    for (name, count) in pages.tasks.counts() {
        let _ = writeln!(text, "{name:<24} {:>10} {:>12}", count.running, count.started);
    }
    text
}

/// What `/metrics` says of memory, without its comments.
async fn memory(State(pages): State<Pages>) -> Result<String, (StatusCode, String)> {
    let text = pages.observed.metrics.text().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let of_memory = |line: &&str| line.starts_with("highwater_memory") || line.starts_with("process_");
    Ok(text.lines().filter(of_memory).map(|line| format!("{line}\n")).collect())
}

async fn shards(State(pages): State<Pages>) -> Result<String, (StatusCode, &'static str)> {
    let log = pages.observed.engine().ok_or((StatusCode::SERVICE_UNAVAILABLE, "the engine has not started\n"))?;
    let columns = ["shard", "epoch", "partitions", "open bytes", "tail bytes", "segments", "trim"];
    let mut text = String::new();
    for column in columns {
        let _ = write!(text, "{column:>12}");
    }
    text.push('\n');
    for shard in log.shards() {
        let epoch = shard.epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string());
        let _ = writeln!(
            text,
            "{:>12}{epoch:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
            shard.shard, shard.partitions, shard.open_bytes, shard.tail_bytes, shard.segments, shard.trim
        );
        if let Some(why) = shard.stopped {
            let _ = writeln!(text, "{:>12}  stopped: {why}", "");
        }
    }
    Ok(text)
}

async fn log(State(pages): State<Pages>) -> String {
    format!("{}\n", pages.log.current())
}

async fn set_log(State(pages): State<Pages>, filter: String) -> Result<String, (StatusCode, String)> {
    let filter = filter.trim();
    pages.log.set(filter).map_err(|why| (StatusCode::BAD_REQUEST, format!("{why}\n")))?;
    tracing::info!(filter, "the log filter was changed");
    Ok(format!("{filter}\n"))
}
