//! The listening sockets: accept connections up to a limit, serve each in its own task, and drain
//! them at shutdown. All sockets share the limit and the memory budgets.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::ByteBudget;
use crate::config::{KafkaConfig, ListenerId};
use crate::connection::service::{Peer, Service};
use crate::connection::{self, End, Shared};
use crate::metrics::{KafkaMetrics, NamedBudget};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// Pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds a listening socket, so that an address in use is told before anything else starts.
/// Needs a tokio runtime.
///
/// # Errors
/// As the system says; the caller names the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Listeners at work. Dropping it leaves them at work; end them with [`Server::drain`].
pub struct Server {
    env: Env,
    addresses: Vec<SocketAddr>,
    draining: CancellationToken,
    stopping: CancellationToken,
    connections: TaskTracker,
    budgets: Vec<NamedBudget>,
}

impl Server {
    /// Starts to accept; a listener's place in `listeners` is its [`ListenerId`]. `draining` is the
    /// token that handlers of `service` look at, too: it ends their long polls.
    ///
    /// # Errors
    /// When a socket has no address.
    pub fn start<S: Service>(
        env: &Env,
        listeners: Vec<TcpListener>,
        service: Arc<S>,
        config: &KafkaConfig,
        draining: CancellationToken,
    ) -> io::Result<Self> {
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let shared = Arc::new(Shared {
            env: env.clone(),
            service,
            requests: ByteBudget::new(config.request_memory_bytes / 4),
            appends: ByteBudget::new(config.request_memory_bytes - config.request_memory_bytes / 4),
            max_request_bytes: config.max_request_bytes,
            max_idle: config.connections_max_idle,
            draining: draining.clone(),
        });
        let budgets = vec![
            NamedBudget { name: "requests", budget: shared.requests.clone() },
            NamedBudget { name: "appends", budget: shared.appends.clone() },
        ];
        let stopping = CancellationToken::new();
        let connections = TaskTracker::new();
        let places = Arc::new(Semaphore::new(config.max_connections));
        for (index, listener) in listeners.into_iter().enumerate() {
            let accepting = Accepting {
                shared: Arc::clone(&shared),
                id: ListenerId(index),
                listener,
                places: Arc::clone(&places),
                limit: config.max_connections,
                stopping: stopping.clone(),
                connections: connections.clone(),
                metrics: config.metrics.clone(),
            };
            env.spawn("kafka-accept", accepting.run());
        }
        Ok(Self { env: env.clone(), addresses, draining, stopping, connections, budgets })
    }

    /// The addresses that it listens on, in the order of the listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Says how many connections are open, for as long as it is kept.
    pub fn connection_count(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let connections = self.connections.clone();
        move || connections.len()
    }

    /// The memory budgets of its requests.
    pub fn budgets(&self) -> &[NamedBudget] {
        &self.budgets
    }

    /// Takes no more connections and no more requests, answers what is in flight, and closes; what
    /// is not answered within `limit` is cut off. Gives the number of connections cut off.
    pub async fn drain(self, limit: Duration) -> usize {
        self.draining.cancel();
        self.connections.close();
        let drained = self.env.timeout(limit, self.connections.wait()).await;
        let left = if drained.is_ok() { 0 } else { self.connections.len() };
        self.stopping.cancel();
        left
    }
}

struct Accepting<S> {
    shared: Arc<Shared<S>>,
    id: ListenerId,
    listener: TcpListener,
    places: Arc<Semaphore>,
    limit: usize,
    stopping: CancellationToken,
    connections: TaskTracker,
    metrics: KafkaMetrics,
}

impl<S: Service> Accepting<S> {
    async fn run(self) {
        let draining = self.shared.draining.clone();
        let accept = async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, address)) => {
                        // Only after the accept: a listener that nobody comes to must not keep a
                        // place from the others. So one connection of each may wait accepted.
                        let Some(place) = self.place().await else { return };
                        self.metrics.connected();
                        let served = self.serve(stream, Peer { address, listener: self.id }, place);
                        let task = self.connections.track_future(served);
                        self.shared.env.spawn("kafka-connection", task);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        self.shared.env.sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        futures::pin_mut!(accept);
        let cancelled = draining.cancelled();
        futures::pin_mut!(cancelled);
        futures::future::select(cancelled, accept).await;
    }

    /// A place for one more connection. `None` only when nobody gives them, which never happens.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        tracing::warn!(limit = self.limit, "max.connections is reached; new connections wait until one ends");
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Serves a connection, which gives its place back at its end.
    fn serve(
        &self,
        stream: TcpStream,
        peer: Peer,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let stopping = self.stopping.clone();
        let metrics = self.metrics.clone();
        async move {
            let _place = place;
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(peer = %peer.address, %error, "cannot set TCP_NODELAY");
            }
            let (input, output) = stream.into_split();
            // Pinned where they are made: a future that is moved once more takes its place twice.
            let serving = pin!(connection::serve(&shared, peer, input, output));
            let stopped = pin!(stopping.cancelled());
            let end = match futures::future::select(serving, stopped).await {
                futures::future::Either::Left((end, _)) => Some(end),
                futures::future::Either::Right(_) => None,
            };
            metrics.ended(match end {
                Some(End::Quiet(_)) => "quietly",
                Some(End::Fault(_)) => "fault",
                None => "shutdown",
            });
            match end {
                Some(End::Quiet(why)) => tracing::debug!(peer = %peer.address, why, "connection ended"),
                Some(End::Fault(why)) => tracing::info!(peer = %peer.address, %why, "connection closed"),
                None => tracing::info!(peer = %peer.address, why = "shutdown", "connection closed"),
            }
        }
    }
}
