//! Conditions with a deadline, in place of sleeps that hope.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The first pause between two looks; it doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Looks until `condition` gives a value.
///
/// # Errors
/// The condition's own error at once; at the deadline one that names `what`.
pub fn until_some<T>(deadline: Duration, what: &str, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if begun.elapsed() >= deadline {
            bail!("waited {deadline:?} in vain for {what}");
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks until `condition` holds; see [`until_some`].
pub fn until(deadline: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    until_some(deadline, what, || Ok(condition()?.then_some(())))
}
