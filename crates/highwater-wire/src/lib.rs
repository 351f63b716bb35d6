//! Kafka's frames and messages, without input or output.
//!
//! - [`frame`]: where a frame ends, and what decoding it may cost.
//! - [`Decoder`], [`Encoder`]: the protocol's types, bounded and without copies of records.
//! - [`messages`]: a module for each API, generated from `schema/` by `cargo xtask codegen`; [`ApiKey`],
//!   [`Request`], [`Response`] and [`ErrorCode`] over all of them.
//! - [`decode_request_header`]: the start of a request frame.
//! - [`Str`], [`Uuid`], [`Records`], [`TaggedFields`]: types of fields.
//!
//! One struct stands for all versions of a message. `decode` gives a field that the version lacks its
//! default; `encode` drops it where Kafka's schema calls it ignorable, and else refuses any other value
//! than the default.

pub mod frame;
#[path = "generated/mod.rs"]
pub mod messages;

mod api_key;
mod decoder;
mod encoder;
mod error;
mod open;
mod records;
mod tags;
mod text;
mod uuid;

pub use api_key::VersionRange;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use frame::frame_charge;
pub use messages::{ApiKey, ErrorCode, Request, Response};
pub use open::decode_request_header;
pub use records::Records;
pub use tags::TaggedFields;
pub use text::Str;
pub use uuid::Uuid;

pub(crate) use encoder::{must_be_default, non_null};
