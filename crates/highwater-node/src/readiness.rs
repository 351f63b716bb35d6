//! Where a broker is between its start and its end, as probes ask.

use std::sync::Arc;

use tokio::sync::watch;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading what is there.
    Starting,
    /// Another broker leads; the text says which.
    Waiting(String),
    /// Serving.
    Ready,
    /// Finishing what was begun.
    Draining,
}

/// Says whether the engine leads everything that it should.
pub type Leads = Box<dyn Fn() -> bool + Send + Sync>;

/// The phase, to be set by one and asked by many.
#[derive(Clone)]
pub struct Readiness {
    phase: Arc<watch::Sender<Phase>>,
    leads: Arc<std::sync::OnceLock<Leads>>,
}

impl Readiness {
    /// Starting.
    pub fn new() -> Self {
        Self { phase: Arc::new(watch::Sender::new(Phase::Starting)), leads: Arc::default() }
    }

    /// Moves on.
    pub fn set(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// From here on a broker that has lost a shard is not ready.
    pub fn watch_leadership(&self, leads: Leads) {
        // Set once: a broker has one engine.
        let _ = self.leads.set(leads);
    }

    /// `Err` says why not.
    pub fn check(&self) -> Result<(), String> {
        match &*self.phase.borrow() {
            Phase::Starting => Err("starting".to_owned()),
            Phase::Waiting(holder) => Err(format!("waiting for {holder}")),
            Phase::Draining => Err("draining".to_owned()),
            Phase::Ready if self.leads.get().is_some_and(|leads| !leads()) => Err("not leading every shard".to_owned()),
            Phase::Ready => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn ready_only_while_serving_and_leading() {
        let readiness = Readiness::new();
        assert_eq!(readiness.check(), Err("starting".to_owned()));
        readiness.set(Phase::Waiting("broker 7".to_owned()));
        assert_eq!(readiness.check(), Err("waiting for broker 7".to_owned()));
        let leads = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&leads);
        readiness.watch_leadership(Box::new(move || asked.load(Ordering::Relaxed)));
        readiness.set(Phase::Ready);
        assert_eq!(readiness.check(), Ok(()));
        leads.store(false, Ordering::Relaxed);
        assert!(readiness.check().is_err());
        readiness.set(Phase::Draining);
        assert_eq!(readiness.check(), Err("draining".to_owned()));
    }
}
