//! Highwater's own bytes: segment, WAL frame, journal entry; versioned and checksummed.
