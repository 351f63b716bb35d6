//! The listening socket: accepts connections up to a limit, serves each in its own task, and drains
//! them at shutdown.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::ByteBudget;
use crate::config::KafkaConfig;
use crate::connection::service::{Peer, Service};
use crate::connection::{self, End, Shared};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// Pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the listening socket, so that an address in use is told before anything else starts.
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

/// A listener at work. Dropping it leaves it at work; end it with [`Server::drain`].
pub struct Server {
    env: Env,
    address: SocketAddr,
    draining: CancellationToken,
    stopping: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    /// Starts to accept. `draining` is the token that handlers of `service` look at, too: it ends
    /// their long polls.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn start<S: Service>(
        env: &Env,
        listener: TcpListener,
        service: Arc<S>,
        config: &KafkaConfig,
        draining: CancellationToken,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            env: env.clone(),
            service,
            requests: ByteBudget::new(config.request_memory_bytes / 4),
            appends: ByteBudget::new(config.request_memory_bytes - config.request_memory_bytes / 4),
            max_request_bytes: config.max_request_bytes,
            max_idle: config.connections_max_idle,
            draining: draining.clone(),
        });
        let stopping = CancellationToken::new();
        let connections = TaskTracker::new();
        let accepting = Accepting {
            shared,
            listener,
            places: Arc::new(Semaphore::new(config.max_connections)),
            limit: config.max_connections,
            stopping: stopping.clone(),
            connections: connections.clone(),
        };
        env.spawn("kafka-accept", accepting.run());
        Ok(Self { env: env.clone(), address, draining, stopping, connections })
    }

    /// The address that it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that are open.
    pub fn open_connections(&self) -> usize {
        self.connections.len()
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
    listener: TcpListener,
    places: Arc<Semaphore>,
    limit: usize,
    stopping: CancellationToken,
    connections: TaskTracker,
}

impl<S: Service> Accepting<S> {
    async fn run(self) {
        let draining = self.shared.draining.clone();
        let accept = async {
            loop {
                if self.places.available_permits() == 0 {
                    tracing::warn!(limit = self.limit, "max.connections is reached; new connections wait");
                }
                let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                    return;
                };
                match self.listener.accept().await {
                    Ok((stream, address)) => {
                        let served = self.serve(stream, Peer { address });
                        let task = self.connections.track_future(async move {
                            served.await;
                            drop(place);
                        });
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

    fn serve(&self, stream: TcpStream, peer: Peer) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let stopping = self.stopping.clone();
        async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(peer = %peer.address, %error, "cannot set TCP_NODELAY");
            }
            let (input, output) = stream.into_split();
            let serving = connection::serve(&shared, peer, input, output);
            futures::pin_mut!(serving);
            let stopped = stopping.cancelled();
            futures::pin_mut!(stopped);
            match futures::future::select(serving, stopped).await {
                futures::future::Either::Left((End::Quiet(why), _)) => {
                    tracing::debug!(peer = %peer.address, why, "connection ended");
                }
                futures::future::Either::Left((End::Fault(why), _)) => {
                    tracing::info!(peer = %peer.address, %why, "connection closed");
                }
                futures::future::Either::Right(_) => {
                    tracing::info!(peer = %peer.address, why = "shutdown", "connection closed");
                }
            }
        }
    }
}
