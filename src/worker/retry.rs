//! Asking a provider again, where asking again is safe.

use std::future::Future;
use std::time::Duration;

use crate::backoff::{Policy, no_sooner_than};
use crate::provider;

use super::{Halt, Run};

/// How a provider's call is repeated while nothing of its answer was used.
pub(super) const RETRY: Policy =
    Policy { first: Duration::from_millis(500), ceiling: Duration::from_secs(8), retries: Some(4) };

/// Calls until it succeeds, an error says that it never will, or the policy is used up. A
/// provider's `Retry-After` is a floor under each delay.
///
/// # Errors
/// The last error, or the reason to stop.
pub(super) async fn call<T, F>(run: &Run, mut call: impl FnMut() -> F) -> Result<T, Halt>
where
    F: Future<Output = Result<T, provider::Error>>,
{
    let mut delays = RETRY.delays();
    loop {
        let error = match run.or_halt(call()).await? {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Some(delay) = delays.next().filter(|_| error.is_retryable()) else {
            return Err(error.into());
        };
        let delay = no_sooner_than(delay, error.retry_after());
        tracing::info!(job = %run.claimed.job.id, %error, ?delay, "asking a provider again");
        run.or_halt(tokio::time::sleep(delay)).await?;
    }
}
