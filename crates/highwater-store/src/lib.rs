//! The bucket: put-if-absent, ranged reads, lists, the bucket's own clock, faults.
