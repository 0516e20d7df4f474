//! How many files and connections this process may have open at once.

/// How many there may be as the process was started.
#[cfg(unix)]
#[must_use]
pub fn limit() -> usize {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile);
    limit.current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// A guess where there is no such limit.
#[cfg(not(unix))]
#[must_use]
pub fn limit() -> usize {
    8_192
}

/// Raises the limit as far as the process is allowed to; gives it. What the process starts from now
/// on has it too.
///
/// The usual soft limit (1,024) is for programs that use `select`, which cannot count further; we do
/// not.
#[cfg(unix)]
pub fn raise_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    now.current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// A guess where there is no such limit.
#[cfg(not(unix))]
pub fn raise_limit() -> usize {
    8_192
}
