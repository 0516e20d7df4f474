//! What a database row says that the log does not: proposals that only move a job forward.

use std::sync::Arc;

use crate::db::watched::Watched;
use crate::event::payload::Status as StatusPayload;
use crate::event::{Draft, EventType, now_ms};
use crate::job::{Fact, Job, Status};
use crate::store::load::stored_file;
use crate::store::{Log, Proposal, Source, Store};

/// Proposes what is new in the rows, in the order in which it must have happened: the attempt, the
/// files, the progress. The end is the caller's.
pub(super) async fn propose(store: &Store, log: &Arc<Log>, row: &Watched) {
    let mut proposals = Vec::new();
    let attempt = row.job.attempt.max(log.standing().attempt);
    proposals.extend(status(&row.job, attempt));
    let ready = row.artifacts.iter().filter(|artifact| artifact.ready);
    proposals.extend(ready.flat_map(|artifact| stored_file(artifact, attempt)));
    proposals.extend(progress(&row.job, attempt));
    // A refusal means that the job moved on since the look: there is nothing to say then.
    if let Err(refusal) = store.append(log, proposals).await {
        tracing::debug!(job = %log.job, %refusal, "the database is behind the log");
    }
}

fn proposal(attempt: u32, fact: Fact, draft: Draft) -> Proposal {
    Proposal { attempt, source: Source::Database, fact, draft, producer: None }
}

fn status(job: &Job, attempt: u32) -> Option<Proposal> {
    if job.status != Status::Running || job.attempt < attempt {
        return None;
    }
    let payload = StatusPayload { status: job.status.as_str().into(), attempt };
    let draft = Draft::new(EventType::Status, &payload, now_ms());
    Some(proposal(attempt, Fact::Status { status: job.status, attempt }, draft))
}

fn progress(job: &Job, attempt: u32) -> Option<Proposal> {
    if job.status != Status::Running || job.progress.percent == 0 {
        return None;
    }
    let draft = Draft::new(EventType::Progress, &job.progress, now_ms());
    Some(proposal(attempt, Fact::Progress(job.progress.clone()), draft))
}
