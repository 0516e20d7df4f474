//! What callbacks are checked with, where the provider publishes it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;

/// How long it is believed: fal's rule for its keys.
/// <https://docs.fal.ai/documentation/model-apis/inference/webhooks>
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How far apart it is asked for again because something did not fit it: forged callbacks must not
/// make us ask all the time.
const GAP: Duration = Duration::from_secs(60);

/// A secret or keys, asked for when first needed and again when they may have changed.
#[derive(Debug)]
pub(super) struct Fetched<T> {
    known: Mutex<Option<Known<T>>>,
}

#[derive(Debug, Clone)]
struct Known<T> {
    value: T,
    fetched: Instant,
    asked: Instant,
}

impl<T: Clone> Fetched<T> {
    /// Nothing known yet.
    pub(super) fn new() -> Self {
        Self { known: Mutex::new(None) }
    }

    /// Whether something fits what the provider publishes, or published within the last minute.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) async fn fits<F>(
        &self,
        fetch: impl Fn() -> F,
        fits: impl Fn(&T) -> bool,
    ) -> Result<bool, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if let Some(value) = self.believed() {
            if fits(&value) {
                return Ok(true);
            }
            if !self.may_ask_again() {
                return Ok(false);
            }
        }
        let value = fetch().await?;
        let fit = fits(&value);
        let now = Instant::now();
        *self.lock() = Some(Known { value, fetched: now, asked: now });
        Ok(fit)
    }

    fn believed(&self) -> Option<T> {
        let known = self.lock();
        known
            .as_ref()
            .filter(|known| known.fetched.elapsed() < LIFE)
            .map(|known| known.value.clone())
    }

    /// Takes the minute's one right to ask again.
    fn may_ask_again(&self) -> bool {
        let mut known = self.lock();
        let Some(known) = known.as_mut().filter(|known| known.asked.elapsed() >= GAP) else {
            return false;
        };
        known.asked = Instant::now();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known<T>>> {
        // No code here can panic half way through a change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Each fetch gives the next number.
    async fn fits(fetched: &Fetched<u32>, next: &AtomicU32, wanted: u32) -> bool {
        let fetch = || async { Ok(next.fetch_add(1, Ordering::Relaxed)) };
        fetched.fits(fetch, |value| *value == wanted).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_once_a_day_and_once_a_minute_for_what_does_not_fit() {
        let (fetched, next) = (Fetched::new(), AtomicU32::new(0));
        assert!(fits(&fetched, &next, 0).await);
        assert!(fits(&fetched, &next, 0).await);
        assert!(!fits(&fetched, &next, 1).await, "asked again within a minute");
        tokio::time::advance(GAP).await;
        assert!(fits(&fetched, &next, 1).await, "not asked again after a minute");
        assert!(!fits(&fetched, &next, 2).await);
        assert!(fits(&fetched, &next, 1).await);
        tokio::time::advance(LIFE).await;
        assert!(fits(&fetched, &next, 2).await, "believed for longer than a day");
        assert_eq!(next.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_an_error_and_is_asked_for_again() {
        let fetched = Fetched::<u32>::new();
        let gone = || async { Err(Error::Broken { message: "gone".to_owned() }) };
        assert_eq!(fetched.fits(gone, |_| true).await.unwrap_err().code(), "broken");
        assert!(fetched.fits(|| async { Ok(1) }, |value| *value == 1).await.unwrap());
    }
}
