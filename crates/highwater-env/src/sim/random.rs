//! Numbers from a seed.

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::random::Random;

/// The same seed gives the same numbers, in the order of the calls.
pub struct SimRandom {
    generator: Mutex<SmallRng>,
}

impl SimRandom {
    /// Numbers of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { generator: Mutex::new(SmallRng::seed_from_u64(seed)) }
    }
}

impl Random for SimRandom {
    fn next_u64(&self) -> u64 {
        self.generator.lock().next_u64()
    }
}
