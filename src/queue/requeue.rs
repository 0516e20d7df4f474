//! Putting a job back into the queue by hand.

use std::sync::Arc;

use crate::db::claims::ToFront;
use crate::event::EventId;
use crate::job::{JobId, Kind, Status};
use crate::store::{JournalError, Log};
use crate::telemetry::trail::{self, About};

use super::Queue;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeued {
    /// It waited, and is the next of its lane.
    First,
    /// Its worker is told to let go of it; it is run anew.
    LetGo,
}

/// Why a job was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RequeueError {
    /// It is over.
    #[error("the job is over: it is {0}")]
    Ended(Status),
    /// Nobody here runs it.
    #[error("a job of the kind 'external' is run by its own worker, and by no queue")]
    External,
    /// It counts as running, and no worker of this server has it.
    #[error("no worker of this server runs the job")]
    Nobody,
    /// The journal ended, or the database refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Queue {
    /// Has a job run anew: taken from its worker, which counts as no failure, or moved to the front of
    /// those who wait. What was started at a provider is gone on with, and not started again.
    ///
    /// # Errors
    /// [`RequeueError`]; nothing has happened then.
    pub async fn requeue(&self, log: &Arc<Log>) -> Result<Requeued, RequeueError> {
        let standing = log.standing();
        if standing.ended {
            return Err(RequeueError::Ended(standing.status));
        }
        if log.kind == Kind::External {
            return Err(RequeueError::External);
        }
        if standing.status == Status::Pending {
            let front = ToFront { job: log.job.clone() };
            self.store().journal().change_after(EventId::ZERO, front).await?;
            trail::note(log.job.as_str(), About::Note, "moved to the front by the operator", None);
            if let Some(lane) = &log.lane {
                self.wake_lane(lane);
            }
            return Ok(Requeued::First);
        }
        if self.tell_to_let_go(&log.job) {
            return Ok(Requeued::LetGo);
        }
        let Some(cluster) = self.store().cluster() else { return Err(RequeueError::Nobody) };
        cluster.call("let_go".into(), log.job.as_str().into());
        Ok(Requeued::LetGo)
    }

    /// Tells the worker of a job that runs here to hand it back; false when nobody here runs it.
    pub(super) fn tell_to_let_go(&self, job: &JobId) -> bool {
        let Some(running) = self.running().get(job).cloned() else { return false };
        trail::note(job.as_str(), About::Note, "put back into the queue by the operator", None);
        running.let_go.cancel();
        true
    }

    /// Whether a worker of this process has the job.
    #[must_use]
    pub fn runs(&self, job: &JobId) -> bool {
        self.running().contains_key(job)
    }
}
