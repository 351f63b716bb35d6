//! Who should lead: the lease store, on a bucket and on a directory.
