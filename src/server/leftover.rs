//! What a killed process leaves for a moment.
//!
//! A process that dies while it starts a program (the simulator's voice) leaves a copy of itself
//! between `fork` and `exec`, which holds its address and its lock until it has become that
//! program. Whoever restarts a server at once must not fail over that.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Error;

/// How long something that is taken may still become free.
const LIMIT: Duration = Duration::from_millis(500);

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes something that only one process can have, and tries again for a moment where another one
/// has it.
///
/// # Errors
/// The last error, or at once any error but that it is taken.
pub(super) async fn take<T>(take: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match take() {
            Err(error) if is_taken(&error) && Instant::now() < deadline => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

fn is_taken(error: &Error) -> bool {
    match error {
        Error::Listen { source, .. } => source.kind() == ErrorKind::AddrInUse,
        Error::Locked { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn locked<T>() -> Result<T, Error> {
        Err(Error::Locked { path: "data".into() })
    }

    #[tokio::test(start_paused = true)]
    async fn what_becomes_free_in_a_moment_is_taken() {
        let tries = Cell::new(0);
        let taken = take(|| {
            tries.set(tries.get() + 1);
            if tries.get() < 5 { locked() } else { Ok(()) }
        });
        assert!(taken.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_taken_is_told_within_half_a_second() {
        let started = Instant::now();
        assert!(take(locked::<()>).await.is_err());
        assert!(started.elapsed() <= LIMIT + PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn another_trouble_is_told_at_once() {
        let started = Instant::now();
        let broken = || -> Result<(), Error> {
            Err(Error::Folder { path: "data".into(), source: ErrorKind::PermissionDenied.into() })
        };
        assert!(take(broken).await.is_err());
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
