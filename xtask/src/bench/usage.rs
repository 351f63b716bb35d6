//! What a process has used, as the kernel tells it in /proc.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Processor time and memory of one process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// In user and kernel mode, over all its threads.
    pub processor: Duration,
    /// VmRSS.
    pub resident_bytes: u64,
    /// VmHWM: the most that was ever resident.
    pub peak_bytes: u64,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the broker is gone")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        // SAFETY: sysconf only reads.
        let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as f64;
        let ticks = ticks(&stat).context("a strange /proc/PID/stat")?;
        Ok(Self {
            processor: Duration::from_secs_f64(ticks as f64 / ticks_per_second),
            resident_bytes: field(&status, "VmRSS:").context("no VmRSS")?,
            peak_bytes: field(&status, "VmHWM:").context("no VmHWM")?,
        })
    }
}

/// utime and stime, the 14th and 15th field; the second may hold spaces, and ends in a bracket.
fn ticks(stat: &str) -> Option<u64> {
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// A line such as `VmHWM:     1234 kB`, in bytes.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::{field, ticks};

    #[test]
    fn fields_are_found() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 10 0 0 0 120 34 0 0 20 0 9 0 99";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(field("VmPeak:\t 9 kB\nVmHWM:\t  12 kB\n", "VmHWM:"), Some(12_288));
    }
}
