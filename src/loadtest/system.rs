//! What only the system knows: a clock that all processes share, cores, limits.

use std::io;

/// The time since some moment of the past, in nanoseconds; the same for every process of this
/// machine, so that one process may say when an event is due and another one how late it came.
#[cfg(unix)]
pub(super) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).expect("the clock began before now");
    let nanoseconds = u64::try_from(now.tv_nsec).expect("a fraction of a second");
    seconds * 1_000_000_000 + nanoseconds
}

/// The same where there is no such clock: the time of day, which somebody may set meanwhile.
#[cfg(not(unix))]
pub(super) fn now_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Keeps this thread, and the threads and processes that it starts from now on, on one core.
///
/// # Errors
/// When there is no such core, or it is not ours to run on.
#[cfg(target_os = "linux")]
pub(super) fn pin(core: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    if core >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Does something on a core, if one is named: what is started then stays there, and this thread
/// comes back.
///
/// # Errors
/// When there is no such core, or it is not ours to run on.
#[cfg(target_os = "linux")]
pub(super) fn on_core<T>(
    core: Option<usize>,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    use rustix::thread::{sched_getaffinity, sched_setaffinity};
    let Some(core) = core else { return work() };
    let before = sched_getaffinity(None)?;
    pin(core)?;
    let done = work();
    sched_setaffinity(None, &before)?;
    done
}

/// Nothing is pinned elsewhere.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_core: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The same for what is started.
///
/// # Errors
/// When a core is named.
#[cfg(not(target_os = "linux"))]
pub(super) fn on_core<T>(
    core: Option<usize>,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    core.map_or(Ok(()), pin)?;
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let first = now_ns();
        assert!(now_ns() >= first);
    }

    #[test]
    fn a_core_that_there_is_not_is_refused() {
        assert!(pin(1_000_000).is_err());
    }
}
