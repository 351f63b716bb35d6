//! The broker's configuration: a file, then `HIGHWATER_*` variables, then flags, the later the
//! stronger; each setting defined once.
//!
//! - [`keys`]: every setting, in one table. - [`key`]: what a definition says. - [`kind`]: how values
//!   are written and read. - [`size`], [`duration`], [`host_port`]: three of them.
//! - [`file`], [`variables`], [`flags`]: where values come from. - [`settings`]: the layers, put
//!   together. - [`kafka`]: broker settings by Kafka's names. - [`nearest`]: what was meant.
//! - [`serve`]: what they mean together. - [`listeners`], [`bucket`]: two parts of that.
//! - [`as_kafka`]: the settings as Kafka calls them, for clients. - [`show`], [`reference`]: what people
//!   and programs are shown.

pub mod as_kafka;
mod bucket;
mod duration;
mod file;
pub mod flags;
mod host_port;
mod kafka;
mod key;
mod keys;
mod kind;
mod listeners;
mod nearest;
pub mod reference;
mod serve;
mod settings;
pub mod show;
pub mod size;
mod variables;

pub use bucket::{StoreChoice, StoreTarget, set_endpoint};
pub use flags::BrokerFlags;
pub use host_port::HostPort;
pub use listeners::Listener;
pub use serve::ServeConfig;
pub use settings::Settings;

#[cfg(test)]
pub mod tests;
