//! The task that sends what is due.

use std::collections::HashSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::db::webhooks::{Delivery, Due, Forget, GiveUp, Next, Note};
use crate::event::{EventId, now_ms};
use crate::store::JournalError;
use crate::telemetry::metrics::metrics;
use crate::telemetry::trace::job_span;

use super::attempt::Outcome;
use super::{Webhooks, schedule};

/// How many are read from the outbox at a time.
const PAGE: u32 = 64;

/// How often it is looked for what is old enough to be forgotten.
const SWEEP: Duration = Duration::from_secs(600);

/// How many are forgotten in one transaction.
const FORGET: u32 = 500;

/// How long to wait before the database is asked again that did not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The attempts that are being made.
#[derive(Default)]
struct Attempts {
    tasks: JoinSet<i64>,
    /// Their deliveries: the outbox shows them as due until they are noted.
    ids: HashSet<i64>,
}

pub(super) async fn run(webhooks: &Webhooks, draining: CancellationToken) {
    let mut attempts = Attempts::default();
    let mut swept_at: Option<Instant> = None;
    while !draining.is_cancelled() {
        if webhooks.shared.store.keeps() {
            webhooks.send_due(&mut attempts).await;
        }
        if webhooks.shared.store.keeps() && swept_at.is_none_or(|at| at.elapsed() >= SWEEP) {
            swept_at = Some(Instant::now());
            webhooks.forget().await;
        }
        tokio::select! {
            () = draining.cancelled() => {}
            () = webhooks.shared.due.notified() => {}
            () = sleep(webhooks.shared.options.look) => {}
            Some(ended) = attempts.tasks.join_next() => attempts.note(ended),
        }
    }
    let ended = async { while attempts.tasks.join_next().await.is_some() {} };
    if timeout(webhooks.shared.options.drain, ended).await.is_err() {
        tracing::debug!("webhooks that were being sent are sent again by the next process");
    }
}

impl Attempts {
    fn note(&mut self, ended: Result<i64, tokio::task::JoinError>) {
        match ended {
            Ok(id) => drop(self.ids.remove(&id)),
            // Which one it was is not known: the next process sends it again.
            Err(error) => tracing::error!(%error, "a webhook was not sent"),
        }
    }
}

impl Webhooks {
    /// Begins what is due, as far as there is room for it.
    async fn send_due(&self, attempts: &mut Attempts) {
        loop {
            let room = self.shared.options.at_once.saturating_sub(attempts.tasks.len());
            let but = self.endpoints().without_room(Instant::now());
            if room == 0 {
                return;
            }
            let due = match self.shared.store.db().due_webhooks(now_ms(), &but, PAGE).await {
                Ok(due) => due,
                Err(error) => return tracing::warn!(%error, "cannot look which webhooks are due"),
            };
            let Due { deliveries, unreadable } = due;
            let is_all = deliveries.len() + unreadable.len() < PAGE as usize;
            let given_up = self.give_up(unreadable).await;
            let begun = self.begin(deliveries, room, attempts);
            if begun + given_up == 0 || is_all {
                return;
            }
        }
    }

    /// Gives up deliveries whose rows cannot be read; gives how many.
    async fn give_up(&self, ids: Vec<i64>) -> usize {
        let mut given_up = 0;
        for id in ids {
            let error = Some("its job cannot be read".to_owned());
            let note = Note { id, status: None, error, next: Next::GivenUp, now: now_ms() };
            match self.shared.store.journal().change(note).await {
                Ok(()) => {
                    tracing::warn!(id, "a webhook is given up, since its job cannot be read");
                    given_up += 1;
                }
                Err(error) => tracing::debug!(id, %error, "a webhook is not given up yet"),
            }
        }
        given_up
    }

    /// Begins some; gives how many.
    fn begin(&self, due: Vec<Delivery>, room: usize, attempts: &mut Attempts) -> usize {
        let mut begun = 0;
        for delivery in due {
            if begun == room {
                break;
            }
            if attempts.ids.contains(&delivery.id)
                || !self.endpoints().enter(&delivery.endpoint, Instant::now())
            {
                continue;
            }
            attempts.ids.insert(delivery.id);
            let webhooks = self.clone();
            attempts.tasks.spawn(async move { webhooks.deliver(delivery).await });
            begun += 1;
        }
        begun
    }

    /// Makes an attempt and notes what came of it; gives the delivery's id.
    async fn deliver(&self, delivery: Delivery) -> i64 {
        let span = job_span(delivery.job.as_str(), "webhook");
        let attempted = Box::pin(self.attempt(&delivery)).instrument(span).await;
        let answered = match &attempted {
            Ok(Outcome::Heard(_)) => Some(true),
            Ok(Outcome::Again { is_down, .. }) => Some(!is_down),
            Ok(Outcome::Never { status, .. }) => status.map(|_| true),
            Err(_) => None,
        };
        let is_open = self.endpoints().leave(&delivery.endpoint, answered, Instant::now());
        let noted = match attempted {
            Ok(outcome) => self.note(&delivery, outcome, is_open).await,
            Err(error) => {
                tracing::warn!(job = %delivery.job, %error, "a webhook waits for the database");
                sleep(LOOK_AGAIN).await;
                Ok(())
            }
        };
        if let Err(error) = noted {
            tracing::debug!(job = %delivery.job, %error, "a webhook's attempt is not noted");
        }
        delivery.id
    }

    async fn note(
        &self,
        delivery: &Delivery,
        outcome: Outcome,
        is_open: bool,
    ) -> Result<(), JournalError> {
        let now = now_ms();
        let oldest = now.saturating_sub(milliseconds(self.shared.options.patience));
        let (status, error, next) = match outcome {
            Outcome::Heard(status) => (Some(status), None, Next::Delivered),
            Outcome::Never { status, error } => (status, Some(error), Next::GivenUp),
            Outcome::Again { status, error, retry_after, .. } => {
                let delay = schedule::delay(self.shared.options.delays, delivery.step, retry_after);
                // Where others have waited for it in vain too, its tries do not count alone.
                let delay = delay.filter(|_| !is_open || delivery.begun_at >= oldest);
                let next =
                    delay.map_or(Next::GivenUp, |delay| Next::Again(now + milliseconds(delay)));
                (status, Some(error), next)
            }
        };
        tell_log(delivery, error.as_deref(), next);
        let journal = self.shared.store.journal();
        let note = Note { id: delivery.id, status, error, next, now };
        journal.change_after(EventId::ZERO, note).await?;
        if is_open {
            let endpoint = delivery.endpoint.clone();
            let give_up = GiveUp { endpoint, begun_before: oldest, now };
            let count = journal.change_after(EventId::ZERO, give_up).await?;
            if count > 0 {
                tracing::warn!(count, endpoint = delivery.endpoint, "webhooks are given up");
            }
        }
        Ok(())
    }

    /// Removes what has been over for long enough.
    pub(super) async fn forget(&self) {
        let ended_before = now_ms().saturating_sub(milliseconds(self.shared.options.retention));
        loop {
            let forget = Forget { ended_before, most: FORGET };
            match self.shared.store.journal().change(forget).await {
                Ok(count) if count == u64::from(FORGET) => {}
                Ok(_) => return,
                Err(error) => return tracing::debug!(%error, "old webhooks stay for now"),
            }
        }
    }
}

/// Says what a person should know; never the address, which may hold a secret.
fn tell_log(delivery: &Delivery, error: Option<&str>, next: Next) {
    let Delivery { job, endpoint, attempts, .. } = delivery;
    let (attempt, error) = (attempts + 1, error.unwrap_or_default());
    let outcome = match next {
        Next::Delivered => "delivered",
        Next::Again(_) => "failed",
        Next::GivenUp => "given_up",
    };
    metrics().webhook_deliveries_total.with_label_values(&[outcome]).inc();
    match next {
        Next::Delivered => tracing::debug!(%job, endpoint, attempt, "a webhook was heard"),
        Next::Again(_) => tracing::info!(%job, endpoint, attempt, error, "a webhook was not heard"),
        Next::GivenUp => tracing::warn!(%job, endpoint, attempt, error, "a webhook is given up"),
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2)
}
