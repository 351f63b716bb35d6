//! Pauses between attempts: exponential, capped, jittered.

use std::time::Duration;

use highwater_env::Env;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// The pause before attempt `attempt` (1 = the first repetition): half fixed, half random.
pub(crate) fn pause(env: &Env, attempt: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST);
    let half = whole / 2;
    half + Duration::from_micros(env.random.below(u64::try_from(half.as_micros()).unwrap_or(0) + 1))
}
