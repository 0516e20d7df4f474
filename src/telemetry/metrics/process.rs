//! What the system says of this process.

use std::fmt::Write;
use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// When it started, in seconds since 1970: what the system says of that is not shown to a service
/// that sees nothing but its own processes.
static STARTED: LazyLock<f64> = LazyLock::new(|| {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
});

/// What this process takes, by the names that <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>
/// gives. What the system does not tell is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Processor time so far, in the process and in the system on its behalf, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// Files and connections that are open.
    pub open_fds: u64,
    /// How many may be.
    pub max_fds: u64,
    /// When it started, in seconds since 1970.
    pub start_time: f64,
}

/// What this process takes at the moment.
#[must_use]
pub fn process() -> Process {
    Process {
        cpu_seconds: cpu_seconds(),
        resident_bytes: 1024 * kilobytes(&read("/proc/self/status"), "VmRSS:").unwrap_or(0),
        open_fds: open_fds(),
        max_fds: open_limit(&read("/proc/self/limits")),
        start_time: *STARTED,
    }
}

/// Its processor time so far, in seconds.
#[must_use]
pub fn cpu_seconds() -> f64 {
    cpu_ticks(&read("/proc/self/stat")).map_or(0.0, seconds)
}

/// Notes that the process starts now; else it is when somebody first asks since when it runs.
pub fn note_start() {
    LazyLock::force(&STARTED);
}

/// Since Linux 6.2 the folder's size says how many there are (proc(5)); before, they are counted.
fn open_fds() -> u64 {
    let size = fs::metadata("/proc/self/fd").map_or(0, |folder| folder.len());
    if size > 0 {
        size
    } else {
        fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64)
    }
}

impl Process {
    pub(super) fn to_text(self) -> String {
        let Self { cpu_seconds, resident_bytes, open_fds, max_fds, start_time } = self;
        let mut text = String::new();
        for (name, kind, help, value) in [
            ("cpu_seconds_total", "counter", "Processor time so far.", cpu_seconds.to_string()),
            ("resident_memory_bytes", "gauge", "Resident memory.", resident_bytes.to_string()),
            ("open_fds", "gauge", "Files and connections that are open.", open_fds.to_string()),
            ("max_fds", "gauge", "How many may be open.", max_fds.to_string()),
            ("start_time_seconds", "gauge", "When it started.", start_time.to_string()),
        ] {
            write!(
                text,
                "# HELP process_{name} {help}\n# TYPE process_{name} {kind}\nprocess_{name} {value}\n"
            )
            .expect("memory takes every write");
        }
        text
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A field of `/proc/self/stat`, counted from 1 as proc(5) does; the name, field 2, may hold blanks.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// Ticks of a hundredth of a second, which is what Linux tells programs on every machine (proc(5)).
#[expect(clippy::cast_precision_loss, reason = "a process does not live for 2^52 ticks")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / 100.0
}

/// User and system time in a `/proc/…/stat`, in ticks of a hundredth of a second.
#[must_use]
pub fn cpu_ticks(stat: &str) -> Option<u64> {
    Some(field(stat, 14)? + field(stat, 15)?)
}

/// The number in a line such as `VmRSS:     123 kB`.
#[must_use]
pub fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn open_limit(limits: &str) -> u64 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_does_not_move_the_fields() {
        let stat = "12 (a b) c) S 1 12 12 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 4 0 777 1";
        assert_eq!((field(stat, 14), field(stat, 15)), (Some(150), Some(50)));
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("nonsense"), None);
    }

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(kilobytes("Name:\tx\nVmRSS:\t    12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(kilobytes("Name:\tx\n", "VmRSS:"), None);
        assert_eq!(
            open_limit("Max open files            1024                 4096      files"),
            1024
        );
        assert_eq!(open_limit("Max open files            unlimited            unlimited files"), 0);
    }
}
