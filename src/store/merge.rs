//! Following several jobs as one stream, merged by id.
//!
//! A reader of several logs reads the head first and then delivers, in the order of their ids,
//! only events up to that head. An id that another job has taken is below the head only once its
//! event is published, so the reader's cursor never moves past an event that it has not seen.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::select_all;
use tokio::sync::futures::Notified;

use crate::db::DbError;
use crate::db::jobs::Since;
use crate::event::{Event, EventId};
use crate::job::JobId;

use super::follow::note_wait_over;
use super::log::{Log, Watch};
use super::project::Project;
use super::{Store, lock};

/// How many events of one job are merged at a time.
const STEP: usize = 256;

/// How many jobs of a project are looked up at a time.
const PAGE: u32 = 256;

/// Which jobs a merged stream has.
#[derive(Debug)]
enum Scope {
    /// These, for good.
    Jobs,
    /// All of a project, new ones too.
    Project(Arc<Project>),
}

#[derive(Debug)]
struct Member {
    log: Arc<Log>,
    /// The reader has this job's events up to here, by a snapshot; usually behind the cursor.
    position: EventId,
    /// No event that the reader has not had is before this one; of a job that was not looked at,
    /// the beginning.
    begins: EventId,
    _watch: Watch,
}

/// One event of a merged stream.
#[derive(Debug)]
pub struct Merged {
    /// Whose event.
    pub job: JobId,
    /// The event.
    pub event: Event,
}

/// A reader of several jobs.
#[derive(Debug)]
pub struct Merge {
    store: Store,
    scope: Scope,
    members: HashMap<JobId, Member>,
    cursor: EventId,
    /// Whether `content` and `log` are delivered.
    include_text: bool,
    /// How often a job's events were looked at.
    #[cfg(test)]
    pub(super) looks: usize,
}

impl Store {
    /// Follows these jobs from a cursor.
    #[must_use]
    pub fn merge_jobs(&self, logs: &[Arc<Log>], cursor: EventId) -> Merge {
        let mut merge = Merge {
            store: self.clone(),
            scope: Scope::Jobs,
            members: HashMap::new(),
            cursor,
            include_text: true,
            #[cfg(test)]
            looks: 0,
        };
        logs.iter().for_each(|log| merge.join(log));
        merge
    }

    /// Follows all jobs of a project from a cursor; without `include_text`, their `content` and
    /// `log` events are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn merge_project(
        &self,
        project: &str,
        cursor: EventId,
        include_text: bool,
    ) -> Result<Merge, DbError> {
        let project = self.project(project);
        project.followers.fetch_add(1, Ordering::Relaxed);
        // An append looks for followers after this lock was its own: one that does not see this reader
        // was before, and the reader sees its event.
        drop(lock(&self.shared.tail));
        let mut merge = Merge {
            store: self.clone(),
            scope: Scope::Project(Arc::clone(&project)),
            members: HashMap::new(),
            cursor,
            include_text,
            #[cfg(test)]
            looks: 0,
        };
        merge.join_stored(&project.name).await?;
        Ok(merge)
    }
}

impl Drop for Merge {
    fn drop(&mut self) {
        if let Scope::Project(project) = &self.scope {
            project.followers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Merge {
    fn join(&mut self, log: &Arc<Log>) {
        self.members.entry(log.job.clone()).or_insert_with(|| Member {
            log: Arc::clone(log),
            position: EventId::ZERO,
            begins: EventId::ZERO,
            _watch: log.watch(),
        });
    }

    /// Everything up to here was delivered, or is none of its jobs'.
    #[must_use]
    pub const fn cursor(&self) -> EventId {
        self.cursor
    }

    /// The jobs that it reads at the moment.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobId> {
        self.members.keys().cloned().collect()
    }

    /// The jobs that wait, each with its place in the queue, from 1.
    #[must_use]
    pub fn queue_positions(&self) -> Vec<(JobId, u32)> {
        let place = |(job, member): (&JobId, &Member)| Some((job.clone(), member.log.position()?));
        self.members.iter().filter_map(place).collect()
    }

    /// Up to where retention gave up events of any of the jobs; zero while all are kept.
    #[must_use]
    pub fn trimmed_through(&self) -> EventId {
        let trimmed = self.members.values().map(|member| member.log.trimmed_through());
        trimmed.max().unwrap_or_default()
    }

    /// The reader has a job's events up to here, by a snapshot.
    pub fn skip_job_to(&mut self, job: &JobId, position: EventId) {
        if let Some(member) = self.members.get_mut(job) {
            member.position = position;
        }
    }

    /// The next events, as soon as there are any; nothing when all jobs have ended, or when retention
    /// has given up events that the reader has not had: of those it is told when it comes back.
    ///
    /// # Errors
    /// When events are in the database and that does not answer; the position stays.
    ///
    /// # Cancel safety
    /// Safe: the position moves only when events are returned.
    pub async fn next(&mut self) -> Result<Option<Vec<Merged>>, DbError> {
        let mut has_waited = false;
        loop {
            let store = self.store.clone();
            let logs: Vec<_> =
                self.members.values().map(|member| Arc::clone(&member.log)).collect();
            let project = match &self.scope {
                Scope::Project(project) => Some(Arc::clone(project)),
                Scope::Jobs => None,
            };
            // Registered before looking: an append in between is not slept through.
            let mut wakes: Vec<Pin<Box<Notified<'_>>>> = match &project {
                Some(project) => vec![Box::pin(project.wake.notified())],
                None => logs.iter().map(|log| Box::pin(log.wake.notified())).collect(),
            };
            for wake in &mut wakes {
                wake.as_mut().enable();
            }
            // The head before the jobs: an event up to it is then in a job that is taken in.
            let head = store.head();
            self.refresh().await?;
            let Some((events, horizon)) = self.gather(head).await? else { return Ok(None) };
            self.cursor = self.cursor.max(horizon);
            if let Some(Merged { event, .. }) = events.last() {
                if has_waited {
                    note_wait_over(Some(event.at));
                }
                return Ok(Some(events));
            }
            if horizon < head {
                continue;
            }
            if self.has_ended() {
                return Ok(None);
            }
            select_all(wakes).await;
            has_waited = true;
        }
    }

    /// Takes in a project's new jobs, and lets go of those that are over and delivered.
    async fn refresh(&mut self) -> Result<(), DbError> {
        let Scope::Project(project) = &self.scope else { return Ok(()) };
        let project = Arc::clone(project);
        self.join_loaded(&project);
        // A job may have come, ended and left memory since this reader was here last.
        if project.evicted.load(Ordering::Relaxed) > self.cursor.get() {
            self.join_stored(&project.name).await?;
        }
        Ok(())
    }

    fn join_loaded(&mut self, project: &Project) {
        let cursor = self.cursor;
        self.members.retain(|_, member| {
            !member.log.standing().ended || member.log.last() > cursor.max(member.position)
        });
        let logs: Vec<_> =
            lock(&project.logs).iter().filter_map(std::sync::Weak::upgrade).collect();
        for log in logs {
            if log.last() > cursor || !log.standing().ended {
                self.join(&log);
            }
        }
    }

    /// Takes in every job with events after the cursor in the database.
    async fn join_stored(&mut self, project: &str) -> Result<(), DbError> {
        let store = self.store.clone();
        let mut from = self.cursor;
        loop {
            let behind = store.db().jobs_since(project, from, self.cursor, PAGE).await?;
            for Since { job, last, begins } in &behind {
                from = *last;
                if !self.members.contains_key(job)
                    && let Some(log) = store.open(job).await?
                {
                    self.join(&log);
                    if let Some(member) = self.members.get_mut(job) {
                        member.begins = *begins;
                    }
                }
            }
            if behind.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// The events up to the head, in the order of their ids, as far as every job's are complete;
    /// with how far that is. Nothing when some of them are gone.
    ///
    /// Those are looked at first whose events come first: what begins behind the horizon is then not
    /// read at all. A reader that is far behind would otherwise read all jobs for a few events of one.
    async fn gather(&mut self, head: EventId) -> Result<Option<(Vec<Merged>, EventId)>, DbError> {
        let cursor = self.cursor;
        let has_more = |member: &&Member| member.log.last() > cursor.max(member.position);
        let mut members: Vec<_> = self.members.values().filter(has_more).collect();
        members.sort_unstable_by_key(|member| member.begins);
        let mut pages = Vec::new();
        let mut horizon = head;
        for member in members {
            if member.begins > horizon {
                break;
            }
            #[cfg(test)]
            {
                self.looks += 1;
            }
            let after = cursor.max(member.position);
            let page = self.store.read(&member.log, after, head, STEP).await?;
            // Asked after the look: events that were given up meanwhile are not passed over.
            if after < member.log.trimmed_through() {
                return Ok(None);
            }
            if page.len() == STEP
                && let Some(last) = page.last()
            {
                horizon = horizon.min(last.id);
            } else if let Some(last) = page.last()
                && last.id < member.log.last().min(head)
            {
                // Some more of this job is in another place (database or memory).
                horizon = horizon.min(last.id);
            }
            pages.push((member.log.job.clone(), page));
        }
        let mut events = Vec::new();
        for (job, page) in pages {
            let next = page.iter().map(|event| event.id).find(|id| *id > horizon);
            if let Some(begins) = next.or(page.last().map(|event| event.id))
                && let Some(member) = self.members.get_mut(&job)
            {
                member.begins = begins;
            }
            events.extend(page.into_iter().map(|event| Merged { job: job.clone(), event }));
        }
        events.retain(|merged| merged.event.id <= horizon && self.wants(&merged.event));
        events.sort_unstable_by_key(|merged| merged.event.id);
        Ok(Some((events, horizon)))
    }

    fn wants(&self, event: &Event) -> bool {
        self.include_text || !matches!(event.frame.name(), "content" | "log")
    }

    fn has_ended(&self) -> bool {
        matches!(self.scope, Scope::Jobs)
            && self.members.values().all(|member| {
                member.log.standing().ended && member.log.last() <= self.cursor.max(member.position)
            })
    }
}
