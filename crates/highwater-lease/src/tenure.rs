//! How long a broker may act as the leader without asking the bucket.
//!
//! A leader that acknowledges from its own disk asks nobody. It may do so only while nobody else can lead:
//! while its own lease has been renewed in time, again and again, since it last saw that the shards' leases
//! name it. Such a time without a break is a *run*. When a renewal comes too late the run is over, although
//! the lease is valid again: another broker may have taken over in between. The next run counts when the
//! shards were seen to be held in it ([`Keeper::hold`](crate::Keeper::hold)).
//!
//! It is told by this broker's own clock, without any allowance: others wait for longer.

use std::time::Duration;

use highwater_env::marks::is_off;
use highwater_env::{Env, Instant, watch};

/// What a keeper knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When the last renewal that succeeded was begun.
    pub renewed: Option<Instant>,
    /// Rises with each renewal that came too late.
    pub run: u64,
    /// The run in which the shards were seen to be held.
    pub held: Option<u64>,
}

impl Standing {
    /// The run, if the lease is valid.
    pub fn run(&self, now: Instant, ttl: Duration) -> Option<u64> {
        self.renewed.filter(|renewed| now.since(*renewed) < ttl).map(|_| self.run)
    }
}

/// A leader's view of it. Cheap to clone and to ask.
#[derive(Clone)]
pub struct Tenure(Option<Limited>);

#[derive(Clone)]
struct Limited {
    env: Env,
    ttl: Duration,
    standing: watch::Receiver<Standing>,
}

impl Tenure {
    /// Of a broker that nobody else can replace while it lives.
    pub const fn unlimited() -> Self {
        Self(None)
    }

    pub(crate) fn new(env: Env, ttl: Duration, standing: watch::Receiver<Standing>) -> Self {
        Self(Some(Limited { env, ttl, standing }))
    }

    /// The present run, if nobody else can lead now. What was proven in one run (by a put that was begun in
    /// it and committed) holds to its end.
    pub fn run(&self) -> Option<u64> {
        let Some(limited) = self.0.as_ref().filter(|_| !is_off("tenure")) else { return Some(0) };
        let standing = limited.standing.look(|standing| *standing);
        let run = standing.run(limited.env.now(), limited.ttl)?;
        (standing.held == Some(run)).then_some(run)
    }

    /// Waits until something has changed; for ever where nothing can. May be cancelled.
    pub async fn changed(&mut self) {
        if let Some(limited) = &mut self.0
            && limited.standing.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
