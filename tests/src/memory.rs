//! What a process has resident, as the kernel tells it in /proc.

use std::fs;

use anyhow::{Context, Result};

/// Bytes that are in memory now.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    field(pid, "VmRSS:")
}

/// The most bytes that ever were since the start of the process or [`forget_peak`].
pub fn peak_bytes(pid: u32) -> Result<u64> {
    field(pid, "VmHWM:")
}

/// Makes the peak what is resident now.
pub fn forget_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

fn field(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok(kib.with_context(|| format!("no {name} in /proc/{pid}/status"))? * 1024)
}

#[cfg(test)]
mod tests {
    use super::{peak_bytes, resident_bytes};

    #[test]
    fn this_process_has_some() {
        let pid = std::process::id();
        let (now, peak) = (resident_bytes(pid), peak_bytes(pid));
        assert!(now.is_ok_and(|now| now > 100_000) && peak.is_ok_and(|peak| peak > 100_000));
    }
}
