//! A 128-bit fingerprint of a state.
//!
//! The search remembers fingerprints, not states: with 10^8 states the chance that two of them
//! share one is below 10^-21.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Two independent multiply-and-fold hashes of the same words.
#[derive(Clone, Copy)]
struct Fold {
    low: u64,
    high: u64,
}

const LOW: u64 = 0x9e37_79b9_7f4a_7c15;
const HIGH: u64 = 0xd6e8_feb8_6659_fd93;

impl Fold {
    fn mix(&mut self, word: u64) {
        self.low = fold(self.low ^ word, LOW).wrapping_add(word);
        self.high = fold(self.high.rotate_left(23) ^ word, HIGH).wrapping_add(self.low >> 7);
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0x5851_f42d_4c95_7f2d) * u128::from(b);
    (wide >> 64) as u64 ^ wide as u64
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_i64(&mut self, value: i64) {
        self.mix(value.cast_unsigned());
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        self.low
    }
}

/// The fingerprint of `state`.
pub(super) fn fingerprint(state: &impl Hash) -> u128 {
    let mut fold = Fold { low: LOW, high: HIGH };
    state.hash(&mut fold);
    fold.mix(LOW);
    (u128::from(fold.high) << 64) | u128::from(fold.low)
}

/// A hasher for what is a hash already.
#[derive(Default)]
pub(super) struct Already(u64);

impl Hasher for Already {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Fingerprints seen; asked only whether one is in it, never for an order.
pub(super) type Seen = HashSet<u128, BuildHasherDefault<Already>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_states_differ() {
        let mut seen = Seen::default();
        for a in 0u64..300 {
            for b in 0u64..300 {
                assert!(seen.insert(fingerprint(&(a, b))), "{a} {b}");
            }
        }
    }
}
