//! Work at providers whose job is over: it is canceled there.
//!
//! A job that is canceled, times out or fails ends at once; its provider is told afterwards, from
//! here, so that it is told as well when the job did not run at that moment, or the process died
//! before it could.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backoff::{Policy, no_sooner_than};
use crate::db::operations::{Abandoned, Close};
use crate::event::{EventId, now_ms};
use crate::job::JobId;
use crate::provider::Error;
use crate::provider::media::Operation;

use super::super::Workshop;
use super::super::asked::Asked;
use super::super::makers::Maker;

/// How often it is looked for without a reason.
const LOOK: Duration = Duration::from_secs(30);

/// How many are canceled at a time.
const BATCH: u32 = 50;

/// How often a provider is asked to cancel one piece of work before it is left for the next look.
const TRIES: Policy =
    Policy { first: Duration::from_millis(500), ceiling: Duration::from_secs(5), retries: Some(3) };

/// How long after its job's end work is still tried to be canceled: it is over by then.
const GIVE_UP_MS: i64 = 60 * 60 * 1000;

/// Cancels at one provider until it is told to stop: one that does not answer holds up no other.
pub(in super::super) async fn cancel_abandoned(
    workshop: Workshop,
    maker: Arc<Maker>,
    stop: CancellationToken,
) {
    let ended = workshop.queue.ended();
    loop {
        let woken = ended.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let is_more = tokio::select! {
            is_more = cancel_batch(&workshop, &maker) => is_more,
            () = stop.cancelled() => return,
        };
        if is_more {
            continue;
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Whether there is more to do at once.
async fn cancel_batch(workshop: &Workshop, maker: &Maker) -> bool {
    if !workshop.queue.store().keeps() {
        return false;
    }
    let db = workshop.queue.store().db();
    let found = match db.abandoned_operations(&maker.setup.name, BATCH).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "cannot look for abandoned work");
            return false;
        }
    };
    let is_full = found.len() == BATCH as usize;
    let cancels = found.into_iter().map(|one| cancel(workshop, maker, one));
    let closed = futures_util::future::join_all(cancels).await;
    is_full && closed.contains(&true)
}

/// Cancels one, and notes it; false when it is to be tried again later.
async fn cancel(workshop: &Workshop, maker: &Maker, one: Abandoned) -> bool {
    let Abandoned { job, ended_at, handle } = one;
    if let Ok(operation) = serde_json::from_value::<Operation>(handle)
        && let Err(error) = ask(maker, &job, &operation).await
    {
        tracing::warn!(%job, provider = maker.setup.name, %error, "cannot cancel work at its provider");
        if error.is_retryable() && now_ms() - ended_at < GIVE_UP_MS {
            return false;
        }
    }
    let close = Close { job, now: now_ms() };
    let closed = workshop.queue.store().journal().change_after(EventId::ZERO, close).await;
    if let Err(error) = &closed {
        tracing::debug!(%error, "cannot note that work was canceled");
    }
    closed.is_ok()
}

async fn ask(maker: &Maker, job: &JobId, operation: &Operation) -> Result<(), Error> {
    let mut delays = TRIES.delays();
    loop {
        maker.gate.ready().await;
        let asked = Asked::now(&maker.setup.name, "cancel", job.as_str());
        let answer = maker.setup.service.cancel(operation).await;
        asked.note(&answer, |()| (format!("canceled at {}", maker.setup.name), None));
        let Err(error) = answer else { return Ok(()) };
        maker.gate.note(&Err::<(), _>(error.clone()));
        let Some(delay) = delays.next().filter(|_| error.is_retryable()) else {
            return Err(error);
        };
        tokio::time::sleep(no_sooner_than(maker.scaled(delay), error.retry_after())).await;
    }
}
