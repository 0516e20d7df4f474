//! Starting a piece of work at a provider exactly once, as far as that can be known.
//!
//! No provider takes an idempotency key. So the intent is committed before the request leaves, and
//! the handle when the answer is here; an intent without a handle means that nobody knows, and is
//! never started again by itself.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::backoff::{Policy, jitter, no_sooner_than};
use crate::db::operations::{Intend, OperationRow, Started, Withdraw};
use crate::db::starts::TakeTurn;
use crate::event::now_ms;
use crate::provider::Error;
use crate::provider::media::{Operation, Request, Webhook};

use super::super::Halt;
use super::super::asked::Asked;
use super::Work;
use super::watch::First;

/// 128 random bits as a text that an address can hold.
fn secret() -> SecretString {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// How a refused start is repeated; being limited does not count, the job's time limit does.
const REFUSED: Policy =
    Policy { first: Duration::from_secs(1), ceiling: Duration::from_secs(30), retries: Some(5) };

impl Work<'_> {
    /// The job's work at the provider, started now or by an earlier run, and when to look at it.
    ///
    /// # Errors
    /// The reason to stop.
    pub(super) async fn operation(&mut self) -> Result<(Operation, First), Halt> {
        match self.known().await? {
            None => Ok((self.start().await?, First::Usual)),
            Some(row) => Ok((self.resume(row).await?, First::Now)),
        }
    }

    async fn known(&self) -> Result<Option<OperationRow>, Halt> {
        let (db, job) = (self.run.workshop.queue.store().db(), &self.run.claimed.job.id);
        self.run.look_up(|| db.operation(job)).await
    }

    /// Goes on with what an earlier run started, or meant to.
    async fn resume(&mut self, row: OperationRow) -> Result<Operation, Halt> {
        self.started_at(row.started_at.unwrap_or(row.intended_at));
        let Some(handle) = row.handle else { return self.resolve("an earlier run ended").await };
        serde_json::from_value(handle).map_err(|error| {
            Halt::failed("internal", format!("the stored operation is damaged: {error}"), false)
        })
    }

    async fn start(&mut self) -> Result<Operation, Halt> {
        self.tell(1, "starting", None).await?;
        let input = self.within(self.hand_on_files()).await??;
        // One for all tries: what was refused is then sent again as it was.
        let token = secret();
        let mut delays = REFUSED.delays();
        loop {
            let error = match self.try_start(&input, &token).await? {
                Ok(operation) => return Ok(operation),
                Err(error) => error,
            };
            let is_limit = matches!(error, Error::RateLimited { .. });
            let limited = || jitter(REFUSED.ceiling / 2..REFUSED.ceiling);
            let next = if is_limit { Some(limited()) } else { delays.next() };
            let Some(delay) = next.filter(|_| error.is_retryable()) else {
                return Err(error.into());
            };
            let delay = no_sooner_than(self.maker.scaled(delay), error.retry_after());
            tracing::info!(job = %self.run.claimed.job.id, %error, ?delay, "a start was refused");
            self.within(tokio::time::sleep(delay)).await?;
        }
    }

    /// One start. From the intent to the stored handle nobody lets go of it, whatever is asked of
    /// the job meanwhile: whether something was started would not be known.
    async fn try_start(
        &mut self,
        input: &Map<String, Value>,
        token: &SecretString,
    ) -> Result<Result<Operation, Error>, Halt> {
        if let Some(before) = self.intend_in_turn(token).await? {
            return self.resume(before).await.map(Ok);
        }
        let webhook = self.webhook(token);
        let request = Request {
            model: self.model.upstream_for(input),
            endpoint: &self.model.endpoint,
            input,
            webhook: webhook.as_ref(),
        };
        let asked = Asked::now(&self.model.provider, "start", self.run.claimed.job.id.as_str());
        let answer = self.maker.setup.service.start(request).await;
        asked.note(&answer, |operation| {
            (format!("started at {}", self.model.provider), Some(operation.id.clone()))
        });
        self.maker.gate.note_start(&answer);
        match answer {
            Ok(operation) => {
                self.note_started(&operation).await?;
                Ok(Ok(operation))
            }
            Err(Error::AmbiguousStart { message }) => self.resolve(&message).await.map(Ok),
            Err(error) => {
                self.withdraw().await?;
                Ok(Err(error))
            }
        }
    }

    /// Waits for a place at the provider, and writes the intent down. What happened while it was
    /// written counts: nothing has left yet, so it can still be taken back.
    async fn intend_in_turn(&self, token: &SecretString) -> Result<Option<OperationRow>, Halt> {
        loop {
            self.within(self.maker.gate.start_turn()).await?;
            self.turn_among_nodes().await?;
            let before = self.intend(token).await?;
            if before.is_some() {
                return Ok(before);
            }
            let halt = self.within(std::future::ready(())).await.err();
            if halt.is_none() && self.maker.gate.is_ready() {
                return Ok(None);
            }
            self.withdraw().await?;
            if let Some(halt) = halt {
                return Err(halt);
            }
        }
    }

    /// Waits for a turn under the provider's rate, which holds over all nodes of a cluster.
    async fn turn_among_nodes(&self) -> Result<(), Halt> {
        let is_alone = self.run.workshop.queue.store().cluster().is_none();
        let Some(gap) = self.maker.gate.start_gap().filter(|_| !is_alone) else { return Ok(()) };
        let take = TakeTurn { provider: self.model.provider.clone(), gap };
        let wait = self.run.change(take).await?;
        self.within(tokio::time::sleep(wait)).await
    }

    async fn intend(&self, token: &SecretString) -> Result<Option<OperationRow>, Halt> {
        let job = &self.run.claimed.job;
        let intend = Intend {
            job: job.id.clone(),
            attempt: job.attempt,
            provider: self.model.provider.clone(),
            token: token.clone(),
            now: now_ms(),
        };
        self.run.change(intend).await
    }

    async fn note_started(&mut self, operation: &Operation) -> Result<(), Halt> {
        let handle = serde_json::to_value(operation).expect("a handle is plain data");
        let now = now_ms();
        self.started_at(now);
        let job = self.run.claimed.job.id.clone();
        let started = Started { job, handle, is_answer: true, now };
        self.run.change(started).await.map(drop)
    }

    async fn withdraw(&self) -> Result<(), Halt> {
        let job = &self.run.claimed.job;
        self.run.change(Withdraw { job: job.id.clone(), attempt: job.attempt }).await
    }

    /// Where the provider calls back, if it can.
    fn webhook(&self, token: &SecretString) -> Option<Webhook> {
        let base = self.maker.setup.callback_base.as_deref().filter(|_| self.is_called_back())?;
        let (job, provider) = (&self.run.claimed.job, &self.model.provider);
        let (id, attempt, secret) = (&job.id, job.attempt, token.expose_secret());
        let url = format!("{base}/api/webhooks/{provider}/{id}/{attempt}/{secret}");
        Some(Webhook { url, secret: token.clone() })
    }

    /// Waits for a callback to tell whether the work was started; without one it is never known.
    async fn resolve(&self, message: &str) -> Result<Operation, Halt> {
        let unknown = || Error::AmbiguousStart { message: message.to_owned() };
        if !self.is_called_back() {
            return Err(unknown().into());
        }
        loop {
            if let Some(handle) = self.known().await?.and_then(|row| row.handle)
                && let Ok(operation) = serde_json::from_value(handle)
            {
                return Ok(operation);
            }
            let called_back = self.run.claimed.called_back.notified();
            let limited = tokio::time::timeout_at(self.deadline, called_back);
            if self.run.or_halt(limited).await?.is_err() {
                return Err(unknown().into());
            }
        }
    }

    /// Whether the provider was told where to call back.
    pub(super) fn is_called_back(&self) -> bool {
        self.maker.setup.callback_base.is_some() && self.maker.setup.service.calls_back()
    }
}
