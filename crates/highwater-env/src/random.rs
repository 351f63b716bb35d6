//! Randomness.

/// A source of random numbers, shared by all tasks.
pub trait Random: Send + Sync + 'static {
    /// A uniform 64-bit number. Real: from a CSPRNG seeded by the operating system, since
    /// incarnations and topic ids must not collide.
    fn next_u64(&self) -> u64;

    /// A uniform 128-bit number.
    fn next_u128(&self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }

    /// Uniform in `0..bound`; `bound` 0 gives 0. The bias is below 2^-32 for bounds below 2^32.
    fn below(&self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next_u64()) * u128::from(bound)) >> 64).unwrap_or(0)
    }
}
