//! Limits of the process.

use std::io;

/// Files that are open besides connections: the write-ahead log, segments being written or read,
/// connections to the bucket, and what the system libraries keep.
const OTHER_FILES: u64 = 512;

/// Raises the number of files that may be open to what the system allows: each connection is one.
/// A failure is logged only; the broker works with fewer.
pub fn raise_open_files() {
    let raised = open_files().and_then(|mut limit| {
        if limit.rlim_cur >= limit.rlim_max {
            return Ok(());
        }
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: setrlimit reads one rlimit from the valid pointer that it is given.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// Logs one line if the limit is too low for so many connections. The broker works all the same:
/// beyond the limit new connections wait until one ends.
pub fn warn_of_few_open_files(max_connections: usize) {
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    if let Ok(limit) = open_files()
        && limit.rlim_cur < needed
    {
        tracing::warn!(
            limit = limit.rlim_cur,
            needed,
            "max.connections needs more open files than the system allows: raise that (ulimit -Hn, LimitNOFILE) or \
             lower max.connections"
        );
    }
}

/// Threads for everything that does not block: one core is left to those that write, sync and read files.
/// With as many threads as cores they would wake each other for nothing: on two cores a second thread
/// cost a tenth more CPU to produce and to consume (RFC 0004).
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

fn open_files() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit to the valid pointer that it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        Ok(limit)
    } else {
        Err(io::Error::last_os_error())
    }
}
