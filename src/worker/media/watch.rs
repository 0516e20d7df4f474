//! Watching a piece of work at a provider until it ends.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::backoff::no_sooner_than;
use crate::db::operations::Close;
use crate::event::now_ms;
use crate::provider::Error;
use crate::provider::media::{Operation, State};
use crate::telemetry::metrics::metrics;

use super::super::Halt;
use super::super::asked::Asked;
use super::super::makers::Maker;
use super::Work;
use super::pace::{self, Pace};

/// How many polls in a row may fail.
const MOST_ERRORS: u32 = 5;

/// How long the last look may take, which is the one after the time limit.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// When the first poll is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// At once: what was started before this run may have ended long ago.
    Now,
    /// After the shortest wait: the provider may show what it showed before until then.
    Soon,
    /// When the policy says.
    Usual,
}

/// What a poll means for the job.
enum Seen {
    /// It goes on; so many are in front of it.
    Unfinished(Option<u32>),
    /// It is there.
    Finished(Value),
}

impl Work<'_> {
    /// Polls until the provider has made it, and gives its answer.
    ///
    /// # Errors
    /// The reason to stop: how the provider ended it, too many errors, the time limit.
    pub(super) async fn watch(
        &mut self,
        operation: &Operation,
        first: First,
    ) -> Result<Value, Halt> {
        let mut pace = Pace::new(self.model.polling, self.is_called_back());
        let (began, mut polls) = (Instant::now(), 0);
        let (mut ahead, mut errors, mut floor) = (None, 0, None);
        let mut is_due = first == First::Now;
        if first == First::Soon {
            pace.hurry();
            // What is made already is worth a look past the time limit.
            let soon = Instant::now() + self.maker.scaled(self.model.polling.first * 2);
            self.deadline = self.deadline.max(soon);
        }
        loop {
            if !is_due && self.wait(&mut pace, ahead, floor).await? {
                pace.hurry();
            }
            is_due = false;
            // Nobody may have looked for long: callbacks are lost, and servers are down for hours.
            let is_last = Instant::now() >= self.deadline;
            polls += 1;
            match self.look(operation).await? {
                Ok(state) => {
                    (errors, floor) = (0, None);
                    match self.see(state).await? {
                        Seen::Finished(answer) => {
                            self.note_saved(began.elapsed(), polls);
                            return Ok(answer);
                        }
                        Seen::Unfinished(_) if is_last => return Err(self.timed_out()),
                        Seen::Unfinished(position) => ahead = position,
                    }
                }
                Err(error) => {
                    // Being asked to wait is no failure of a poll.
                    errors += u32::from(!matches!(error, Error::RateLimited { .. }));
                    tracing::info!(job = %self.run.claimed.job.id, %error, errors, "a poll failed");
                    if errors >= MOST_ERRORS || !error.is_retryable() {
                        return Err(error.into());
                    }
                    if is_last {
                        return Err(self.timed_out());
                    }
                    floor = error.retry_after();
                }
            }
        }
    }

    /// Counts the polls that were not made since the provider called back.
    fn note_saved(&self, took: Duration, polls: u64) {
        if !self.is_called_back() {
            return;
        }
        let usual = pace::polls_within(self.model.polling, took.mul_f64(self.maker.setup.speed));
        let saved = metrics().polls_saved_total.with_label_values(&[&self.model.provider]);
        saved.inc_by(usual.saturating_sub(polls));
    }

    /// One poll, as soon as the provider may be asked.
    async fn look(&self, operation: &Operation) -> Result<Result<State, Error>, Halt> {
        let Maker { gate, setup, .. } = &*self.maker;
        let poll = async {
            gate.ready().await;
            let asked = Asked::now(&setup.name, "poll", self.run.claimed.job.id.as_str());
            let answer = setup.service.poll(operation).await;
            asked.note(&answer, State::words);
            answer
        };
        let until = self.deadline.max(Instant::now() + LAST_LOOK);
        let limited = tokio::time::timeout_at(until, poll);
        let answer = self.run.or_halt(limited).await?.map_err(|_| self.timed_out())?;
        gate.note(&answer);
        Ok(answer)
    }

    /// Waits for the next poll, no longer than the time limit; true when a callback asked for it.
    async fn wait(
        &self,
        pace: &mut Pace,
        ahead: Option<u32>,
        floor: Option<Duration>,
    ) -> Result<bool, Halt> {
        let wait = no_sooner_than(self.maker.scaled(pace.next(ahead)), floor);
        let until = self.deadline.min(Instant::now() + wait);
        let called_back = self.run.claimed.called_back.notified();
        self.run
            .or_halt(async {
                tokio::select! {
                    () = called_back => true,
                    () = tokio::time::sleep_until(until) => false,
                }
            })
            .await
    }

    async fn see(&mut self, state: State) -> Result<Seen, Halt> {
        match state {
            State::Queued { position } => {
                let message = position.map(|ahead| format!("{ahead} in front at the provider"));
                self.tell(2, "queued", message).await?;
                Ok(Seen::Unfinished(position))
            }
            State::Running { percent, line } => {
                let percent = percent.map_or_else(|| self.guess(), nine_tenths);
                self.tell(percent.clamp(3, 90), "generating", line).await?;
                Ok(Seen::Unfinished(None))
            }
            State::Succeeded(answer) => {
                self.close().await?;
                Ok(Seen::Finished(answer))
            }
            State::Failed(error) => {
                self.close().await?;
                Err(error.into())
            }
            State::Canceled { message } => {
                self.close().await?;
                let message = format!("the provider ended the work: {message}");
                Err(Halt::failed("canceled_by_provider", message, true))
            }
        }
    }

    /// How far work is that its provider says nothing of: by the time it has taken, slower and
    /// slower, since nobody knows how much is left.
    fn guess(&self) -> u8 {
        let limit = self.maker.time_limit(&self.model);
        let left = self.deadline.saturating_duration_since(Instant::now());
        // Most work takes a tenth of its time limit.
        let tenths = (limit.saturating_sub(left)).as_secs_f64() / (limit.as_secs_f64() / 10.0);
        let percent = 90.0 * (1.0 - (-tenths).exp());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 90"
        )]
        let percent = percent as u8;
        percent
    }

    /// Notes that the provider is done with it: there is nothing left to cancel there.
    async fn close(&self) -> Result<(), Halt> {
        let job = self.run.claimed.job.id.clone();
        self.run.change(Close { job, now: now_ms() }).await
    }
}

/// How far a job is whose provider says this: fetching the files is the last tenth.
fn nine_tenths(percent: u8) -> u8 {
    percent.min(100) / 10 * 9 + percent.min(100) % 10 * 9 / 10
}
