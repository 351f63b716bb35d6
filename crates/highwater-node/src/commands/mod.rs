//! Commands beside `serve`: they do one thing, say it, and end.

pub mod bucket;
