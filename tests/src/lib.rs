//! Runs real processes for the end-to-end tests.
