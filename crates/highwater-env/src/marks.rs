//! What a simulation hears of the code it drives: hazards that were met, protections that are off.
//!
//! Without the feature `simulation` both functions are empty and cost nothing. With it (a build of the
//! whole workspace has it on) they cost one relaxed load until a simulation begins on some thread.

#[cfg(feature = "simulation")]
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether a simulation ever began in this process.
#[cfg(feature = "simulation")]
static BEGAN: AtomicBool = AtomicBool::new(false);

#[cfg(feature = "simulation")]
thread_local! {
    static MET: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
    static OFF: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// A hazard was met.
#[inline]
pub fn met(hazard: &'static str) {
    #[cfg(feature = "simulation")]
    if BEGAN.load(Ordering::Relaxed) {
        MET.with_borrow_mut(|met| *met.entry(hazard).or_default() += 1);
    }
    #[cfg(not(feature = "simulation"))]
    let _ = hazard;
}

/// Whether a protection is switched off: never, outside a simulation.
#[inline]
#[must_use]
pub fn is_off(protection: &'static str) -> bool {
    #[cfg(feature = "simulation")]
    return BEGAN.load(Ordering::Relaxed) && OFF.get() == Some(protection);
    #[cfg(not(feature = "simulation"))]
    {
        let _ = protection;
        false
    }
}

/// Something that a crash may cut off.
#[derive(Debug)]
#[must_use]
pub struct Underway(&'static str);

/// Begins it. Dropped before [`Underway::done`] it is counted as a hazard of this name: the process was
/// killed in the middle, or its leadership ended.
#[inline]
pub const fn underway(hazard: &'static str) -> Underway {
    Underway(hazard)
}

impl Underway {
    /// It has come to its end, whatever that was.
    #[inline]
    pub fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        met(self.0);
    }
}

/// Begins to count on this thread, with a protection switched off, or none.
#[cfg(feature = "simulation")]
pub fn begin(off: Option<&'static str>) {
    BEGAN.store(true, Ordering::Relaxed);
    OFF.set(off);
    MET.with_borrow_mut(BTreeMap::clear);
}

/// What was met on this thread since [`begin`]; all protections are on again.
#[cfg(feature = "simulation")]
#[must_use]
pub fn end() -> BTreeMap<&'static str, u64> {
    OFF.set(None);
    MET.with_borrow_mut(std::mem::take)
}
