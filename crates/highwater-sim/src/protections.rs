//! What can be switched off, to show that it is needed.

use highwater_journal::Rule;

/// Protections of the engine; those of the journal are [`Rule::EVERY`].
const ENGINE: &[&str] = &[
    "acknowledged-when-durable",
    "compaction-by-its-leader",
    "deposed-tail",
    "failed-sync-is-final",
    "generation-of-a-member",
    "high-watermark-waits",
    "offset-reserve",
    "producer-sequences",
    "tenure",
];

/// All of them, by name.
pub fn every() -> impl Iterator<Item = &'static str> {
    ENGINE.iter().copied().chain(Rule::EVERY.map(Rule::name))
}

/// The protection of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static str> {
    every().find(|known| *known == name)
}
