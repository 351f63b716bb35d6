//! Real randomness: ChaCha seeded by the operating system.

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::random::Random;

/// A CSPRNG seeded by the operating system at start.
pub struct RealRandom {
    generator: Mutex<StdRng>,
}

impl RealRandom {
    /// Seeds the generator.
    #[must_use]
    pub fn new() -> Self {
        Self { generator: Mutex::new(StdRng::from_os_rng()) }
    }
}

impl Default for RealRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for RealRandom {
    fn next_u64(&self) -> u64 {
        self.generator.lock().next_u64()
    }
}
