//! Bringing a log back from the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::db::DbError;
use crate::db::artifacts::ArtifactRow;
use crate::event::payload::{ArtifactReady, End, TtsCompleted};
use crate::event::{Draft, EventId, EventType, now_ms};
use crate::job::{Fact, Job, JobId, State, Status};

use super::{Log, Proposal, Refusal, Source, Store};

impl Store {
    /// Loads a log's state; its events stay in the database until somebody reads them.
    pub(super) async fn load(&self, id: &JobId) -> Result<Option<Arc<Log>>, DbError> {
        let _loading = self.shared.loading.lock().await;
        if let Some(log) = self.find(id) {
            return Ok(Some(log));
        }
        let db = &self.shared.db;
        let Some(job) = db.job(id).await? else { return Ok(None) };
        let artifacts = db.artifacts_of(id).await?;
        let producers = db.producers(&job).await?;
        let log = self.insert(&job, restore(&job, &artifacts, producers));
        if job.end_event_id.is_none()
            && let Some(end) = job.end
        {
            self.announce_files(&log, &artifacts);
            self.announce_end(&log, &end, job.ended_at);
        }
        Ok(Some(log))
    }

    /// Appends the terminal event of a job whose final row is committed; a second one is not
    /// admitted, whoever proposes it.
    pub fn announce_end(&self, log: &Arc<Log>, end: &End, ended_at: Option<i64>) {
        let at = ended_at.unwrap_or_else(now_ms);
        loop {
            let attempt = log.standing().attempt;
            match self.append(log, [ending(attempt, end, at)]) {
                Ok(_) => return,
                // A claim that was committed before the end told its attempt this moment.
                Err(Refusal::Fenced { .. }) => {}
                Err(refusal) => {
                    let job = &log.job;
                    return tracing::debug!(%job, %refusal, "the end was announced already");
                }
            }
        }
    }

    /// Tells of the files that another program left behind with its end: nothing can be told of
    /// them after it.
    fn announce_files(&self, log: &Arc<Log>, artifacts: &[ArtifactRow]) {
        let attempt = log.standing().attempt;
        let ready = artifacts.iter().filter(|row| row.ready);
        if let Err(refusal) = self.append(log, ready.flat_map(|row| stored_file(row, attempt))) {
            tracing::debug!(job = %log.job, %refusal, "the job moved on while it was loaded");
        }
    }
}

/// What tells readers of a file that lies in the database: `artifact_ready`, and of a narration
/// `tts_completed`, in this order.
#[must_use]
pub fn stored_file(row: &ArtifactRow, attempt: u32) -> Vec<Proposal> {
    let stored = &row.stored;
    let source = Source::Database;
    let proposal = |fact, draft| Proposal { attempt, source, fact, draft, producer: None };
    let ready = ArtifactReady { artifact: stored.view.clone() };
    let draft = Draft::new(EventType::ArtifactReady, &ready, now_ms());
    let mut proposals = vec![proposal(Fact::ArtifactReady(Box::new(stored.clone())), draft)];
    if stored.view.kind == "voice" {
        let narration = TtsCompleted {
            artifact_id: stored.view.id.clone(),
            url: stored.view.url.clone(),
            duration_ms: stored.view.duration_ms.unwrap_or(0),
            voice: stored.voice.clone().unwrap_or_default(),
        };
        let fact = Fact::TtsCompleted { artifact: stored.id.clone(), attempt: stored.attempt };
        let draft = Draft::new(EventType::TtsCompleted, &narration, now_ms());
        proposals.push(proposal(fact, draft));
    }
    proposals
}

fn ending(attempt: u32, end: &End, at: i64) -> Proposal {
    let draft = match end {
        // A worker's own `at` is kept, and ours does not come beside it.
        End::Completed(result) if result.get("at").is_some() => {
            Draft::raw(EventType::Completed, &result.to_string(), at)
        }
        End::Completed(result) => Draft::new(EventType::Completed, result, at),
        End::Failed(failed) => Draft::new(EventType::Failed, failed, at),
        End::Canceled(canceled) => Draft::new(EventType::Canceled, canceled, at),
    };
    Proposal {
        attempt,
        source: Source::Worker,
        fact: Fact::End(end.clone()),
        draft,
        producer: None,
    }
}

/// The state that a job's committed events fold to, as the rows show it.
///
/// The rows are projections of the events, but for three columns that may be ahead of them: a
/// claim raises `attempt` and an end sets `status` before their events, so both are taken only as
/// far as the events have told readers.
fn restore(job: &Job, artifacts: &[ArtifactRow], producers: BTreeMap<String, u64>) -> State {
    let mut state = State::new();
    state.attempt = job.told_attempt;
    state.producers = producers;
    state.progress = job.progress.clone();
    state.status = match (&job.status, job.end_event_id) {
        (status, _) if !status.is_terminal() && job.told_attempt < job.attempt => Status::Pending,
        (status, None) if status.is_terminal() => Status::Running,
        (status, _) => *status,
    };
    if job.end_event_id.is_some() {
        state.end = job.end.clone();
    }
    if job.last_event_id > EventId::ZERO {
        state.told = true;
        state.text = None;
    }
    for row in artifacts.iter().filter(|row| row.ready && row.announced) {
        state.restore_artifact(row.stored.clone(), row.narrated);
    }
    state
}
