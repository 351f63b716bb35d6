//! Calls from clients to brokers: they may take long, and their answers may be lost.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;

use crate::process::Handles;
use crate::world::World;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Slowest way of a message.
const WAY_US: u64 = 2_000;

/// Calls a broker that serves; None when nobody knows what came of it, or nobody serves.
pub(crate) async fn call<T, F>(
    world: &Arc<World>,
    work: impl FnOnce(Handles) -> F + Send + 'static,
) -> Option<(usize, T)>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    world.env.sleep(Duration::from_micros(world.below(WAY_US))).await;
    let serving = world.serving();
    let broker = *serving.get(world.below(serving.len() as u64) as usize)?;
    let (process, handles) = {
        let process = world.processes.lock()[broker].clone()?;
        let handles = process.handles()?;
        (process, handles)
    };
    let (sender, receiver) = oneshot::channel();
    let request = async move {
        // The client may have given up.
        let _ = sender.send(work(handles).await);
    };
    world.executor.spawn(process.node, "request", Box::pin(request));
    let answer = world.env.timeout(PATIENCE, receiver).await.ok()?.ok()?;
    let losses = *world.losses.lock();
    if world.chance(losses) {
        return None;
    }
    world.env.sleep(Duration::from_micros(world.below(WAY_US))).await;
    Some((broker, answer))
}
