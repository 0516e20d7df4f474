//! One run of a job: what every kind of work has in common.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::backoff::Policy;
use crate::db::{Change, DbError};
use crate::event::payload::{ArtifactReady, Canceled, End, Failed, Progress, TtsCompleted};
use crate::event::{Draft, EventId, EventType, now_ms};
use crate::job::{ArtifactId, Fact, Kind, StoredArtifact};
use crate::provider;
use crate::queue::{Claimed, EndError};
use crate::store::{Proposal, Refusal, Source};

use super::{Workshop, blog, chat, media, voiceover};

/// How the database is asked again that does not answer.
const ASK_AGAIN: Policy = Policy {
    first: Duration::from_millis(100),
    ceiling: Duration::from_secs(2),
    retries: Some(10),
};

/// Why a run stops before it is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// Somebody canceled the job.
    Canceled,
    /// The server goes down, or the operator wants the job run anew: it is handed back.
    Drained,
    /// The job is not this run's any more.
    Lost(Refusal),
    /// It cannot be done.
    Failed(End),
}

impl Halt {
    /// A failure with one of our codes.
    pub fn failed(code: &str, message: impl Into<String>, retryable: bool) -> Self {
        Self::Failed(End::failed(code, message, retryable))
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Lost(refusal)
    }
}

impl From<provider::Error> for Halt {
    fn from(error: provider::Error) -> Self {
        Self::failed(error.code(), error.to_string(), error.is_retryable())
    }
}

/// A job that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What came of it, for `completed`.
    pub summary: Value,
    /// What it did cost, in micro-credits; nothing when that is all that was held.
    pub cost: Option<i64>,
}

impl From<Value> for Done {
    fn from(summary: Value) -> Self {
        Self { summary, cost: None }
    }
}

/// A job that is being run.
#[derive(Debug)]
pub struct Run {
    /// What the run works with.
    pub workshop: Workshop,
    /// The job and its log.
    pub claimed: Claimed,
    draining: CancellationToken,
    permits: Mutex<Vec<OwnedSemaphorePermit>>,
}

impl Run {
    pub(super) fn new(
        workshop: Workshop,
        claimed: Claimed,
        permits: Vec<OwnedSemaphorePermit>,
        draining: CancellationToken,
    ) -> Self {
        Self { workshop, claimed, draining, permits: Mutex::new(permits) }
    }

    /// Runs the job and writes how it ended.
    pub(super) async fn finish_job(self) {
        let outcome = match self.claimed.job.kind {
            Kind::Blog => self.limited(blog::run(&self)).await,
            Kind::Chat => self.limited(chat::run(&self)).await,
            Kind::Voiceover => self.limited(voiceover::run(&self)).await,
            // The time limit is the model's, and counts from the start at the provider.
            Kind::Video | Kind::Image | Kind::Lipsync => Box::pin(media::run(&self)).await,
            Kind::External => Err(Halt::failed("internal", "an external job was claimed", false)),
        };
        self.write(outcome).await;
    }

    async fn limited(&self, work: impl Future<Output = Result<Value, Halt>>) -> Result<Done, Halt> {
        let limit = self.workshop.options.time_limit;
        let outcome = tokio::time::timeout(limit, Box::pin(work)).await.unwrap_or_else(|_| {
            let message = format!("the job took longer than {} s", limit.as_secs());
            Err(Halt::failed("timeout", message, true))
        });
        outcome.map(Done::from)
    }

    async fn write(&self, outcome: Result<Done, Halt>) {
        let job = &self.claimed.job;
        let (queue, log) = (&self.workshop.queue, &self.claimed.log);
        let ended = match outcome {
            Ok(done) => queue.complete(log, job.attempt, done.summary, done.cost).await,
            Err(Halt::Failed(end)) => {
                if let End::Failed(Failed { code, message, .. }) = &end {
                    tracing::warn!(job = %job.id, code, error = message, "a job failed");
                }
                queue.end(log, Some(job.attempt), end).await
            }
            Err(Halt::Canceled) => {
                let end = End::Canceled(Canceled { reason: self.claimed.cancel_reason() });
                queue.end(log, Some(job.attempt), end).await
            }
            Err(Halt::Drained) => return self.hand_back().await,
            Err(Halt::Lost(refusal)) => {
                return tracing::info!(job = %job.id, %refusal, "a run lost its job");
            }
        };
        match ended {
            Ok(_) => {}
            Err(EndError::Fenced { current }) => {
                tracing::info!(job = %job.id, current, "a later attempt ends the job");
            }
            Err(error) => tracing::error!(job = %job.id, %error, "cannot write how a job ended"),
        }
    }

    async fn hand_back(&self) {
        if let Err(error) = self.claimed.hand_back().await {
            let job = &self.claimed.job.id;
            tracing::warn!(%job, %error, "cannot hand a job back; the next start takes it over");
        }
    }

    /// Which run of the job this is.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.claimed.job.attempt
    }

    /// Lets another job use this run's provider: it has done its part.
    pub async fn give_permit_back(&self) {
        self.permits.lock().await.clear();
        self.claimed.give_permits_back();
    }

    /// Waits for something, unless the job is canceled or the server goes down first.
    ///
    /// # Errors
    /// The reason to stop.
    pub async fn or_halt<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            () = self.claimed.cancel.cancelled() => Err(Halt::Canceled),
            () = self.draining.cancelled() => Err(Halt::Drained),
            () = self.claimed.let_go.cancelled() => Err(Halt::Drained),
            value = wanted => Ok(value),
        }
    }

    /// Appends one event; readers have it when this returns. Waits while the journal is full.
    ///
    /// # Errors
    /// When the job is not this run's any more.
    pub async fn append<P: Serialize>(
        &self,
        kind: EventType,
        fact: Fact,
        payload: &P,
    ) -> Result<(), Halt> {
        self.room().await?;
        let proposal = self.propose(kind, fact, payload);
        self.workshop.queue.store().append(&self.claimed.log, [proposal]).await?;
        Ok(())
    }

    /// Waits until the journal has room. A run that is told to stop still lets out what it holds
    /// while there is room, and does not wait for any.
    async fn room(&self) -> Result<(), Halt> {
        let store = self.workshop.queue.store();
        if store.has_room() { Ok(()) } else { self.or_halt(store.room()).await }
    }

    /// Waits for a permit to speak, for a run whose lane is another provider's.
    ///
    /// # Errors
    /// The reason to stop.
    pub async fn take_speech_permit(&self) -> Result<(), Halt> {
        let permits = Arc::clone(&self.workshop.speech_permits);
        let permit = self.or_halt(permits.acquire_owned()).await?;
        self.permits.lock().await.extend(permit);
        Ok(())
    }

    fn propose<P: Serialize>(&self, kind: EventType, fact: Fact, payload: &P) -> Proposal {
        Proposal {
            attempt: self.attempt(),
            source: Source::Worker,
            fact,
            draft: Draft::new(kind, payload, now_ms()),
            producer: None,
        }
    }

    /// Tells how far the job is.
    ///
    /// # Errors
    /// When the job is not this run's any more.
    pub async fn progress(&self, progress: Progress) -> Result<(), Halt> {
        self.append(EventType::Progress, Fact::Progress(progress.clone()), &progress).await
    }

    /// Announces a stored file.
    ///
    /// # Errors
    /// When the job is not this run's any more.
    pub async fn announce(&self, stored: StoredArtifact) -> Result<(), Halt> {
        let payload = ArtifactReady { artifact: stored.view.clone() };
        self.append(EventType::ArtifactReady, Fact::ArtifactReady(Box::new(stored)), &payload).await
    }

    /// Announces a stored narration: `artifact_ready` and `tts_completed`, in this order, as one
    /// step, so that no reader can have the one and miss the other.
    ///
    /// # Errors
    /// When the job is not this run's any more.
    pub async fn announce_narration(&self, stored: StoredArtifact) -> Result<(), Halt> {
        let narration = TtsCompleted {
            artifact_id: stored.view.id.clone(),
            url: stored.view.url.clone(),
            duration_ms: stored.view.duration_ms.unwrap_or(0),
            voice: stored.voice.clone().unwrap_or_default(),
        };
        let spoken = Fact::TtsCompleted { artifact: stored.id.clone(), attempt: stored.attempt };
        let ready = ArtifactReady { artifact: stored.view.clone() };
        self.room().await?;
        let pair = [
            self.propose(EventType::ArtifactReady, Fact::ArtifactReady(Box::new(stored)), &ready),
            self.propose(EventType::TtsCompleted, spoken, &narration),
        ];
        self.workshop.queue.store().append(&self.claimed.log, pair).await?;
        Ok(())
    }

    /// The id that was handed out at submit for the job's file of this kind; a new one for a job
    /// that the database was given without.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reserved(&self, kind: &str) -> Result<ArtifactId, Halt> {
        let (db, job) = (self.workshop.queue.store().db(), &self.claimed.job.id);
        let rows = self.look_up(|| db.artifacts_of(job)).await?;
        let row = rows.into_iter().find(|row| row.stored.view.kind == kind);
        Ok(row.map_or_else(ArtifactId::generate, |row| row.stored.id))
    }

    /// Asks the database, again and again for a while when it does not answer.
    ///
    /// # Errors
    /// When it never answers, or the run is to stop.
    pub async fn look_up<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, DbError>>,
    {
        let mut delays = ASK_AGAIN.delays();
        loop {
            match (ask().await, delays.next()) {
                (Ok(answer), _) => return Ok(answer),
                (Err(_), Some(delay)) => self.or_halt(tokio::time::sleep(delay)).await?,
                (Err(error), None) => {
                    return Err(Halt::failed("unavailable", error.to_string(), true));
                }
            }
        }
    }

    /// Makes a change in the database, however long that is down. Nothing interrupts it: whether it
    /// was made is then known.
    ///
    /// # Errors
    /// When the journal ended.
    pub async fn change<C: Change>(&self, change: C) -> Result<C::Outcome, Halt> {
        let journal = self.workshop.queue.store().journal();
        let made = journal.change_after(EventId::ZERO, change).await;
        made.map_err(|error| Halt::failed("unavailable", error.to_string(), true))
    }
}
