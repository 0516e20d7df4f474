//! The reconciler: streams what other programs write into the database.
//!
//! It looks at the rows of watched jobs, all that are due in one query, and proposes to the store
//! what the store does not have. It writes into no reader's stream: what it saw becomes an event by
//! being appended, through the same gate as everything else. Its cost grows with watched jobs, not
//! with readers.

mod aside;
pub mod forward;
pub mod stage;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::DbError;
use crate::db::watched::Watched;
use crate::event::now_ms;
use crate::job::{JobId, Status};
use crate::store::{Log, Snapshot, Store};

/// How often it sees which jobs are due: half of the shortest interval.
const TICK: Duration = Duration::from_millis(100);

/// How often places in the queue are looked up.
const PLACES: Duration = Duration::from_secs(1);

/// How long an end that another program wrote is held back: its last files may be on their way.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Looks at one job for somebody who polls it: what its rows say and its log does not is appended,
/// so that pollers and streams are told the same. Nothing for an unknown job.
///
/// # Errors
/// When the database does not answer.
pub async fn look(store: &Store, log: &Arc<Log>) -> Result<Option<Watched>, DbError> {
    let rows = store.db().watched(std::slice::from_ref(&log.job)).await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    if log.standing().ended {
        return Ok(Some(row));
    }
    if !is_told(store, forward::propose(store, log, &row)).await {
        return Ok(Some(row));
    }
    if let Some(end) = &row.job.end
        && log.note_end_seen() >= SECOND_LOOK
    {
        is_told(store, store.announce_end(log, end, row.job.ended_at)).await;
    }
    Ok(Some(row))
}

/// The job for somebody who polls it, after a [`look`]: as its events make it, or as its rows say while no
/// event can come.
///
/// # Errors
/// When its text must be read back from the database and that does not answer.
pub async fn shown(store: &Store, log: &Arc<Log>, row: &Watched) -> Result<Snapshot, DbError> {
    if store.is_degraded() {
        aside::as_stored(store, log, row).await
    } else {
        store.snapshot(log).await
    }
}

/// Whether what is told could be appended: not while the event log of a cluster is out of reach, for as long
/// as that may be. What is told all the same, later, is told once.
async fn is_told(store: &Store, telling: impl Future<Output = ()>) -> bool {
    let Some(cluster) = store.cluster() else {
        telling.await;
        return true;
    };
    let mut degraded = cluster.degraded();
    tokio::select! {
        biased;
        _ = degraded.wait_for(|degraded| *degraded) => false,
        () = telling => true,
    }
}

/// When a watched job is looked at next.
#[derive(Clone, Copy, Debug)]
struct Plan {
    due: Instant,
}

/// The loop that looks.
#[derive(Debug)]
pub struct Reconciler {
    store: Store,
    plans: HashMap<JobId, Plan>,
    /// When places in the queue are looked up again.
    places_due: Instant,
}

impl Reconciler {
    /// A reconciler for this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, plans: HashMap::new(), places_due: Instant::now() }
    }

    /// Looks until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => self.tick().await,
            }
        }
    }

    /// Looks at every watched job that is due, in one batch.
    pub async fn tick(&mut self) {
        let due = self.due();
        if due.is_empty() {
            return;
        }
        self.place().await;
        let ids: Vec<_> = due.iter().map(|log| log.job.clone()).collect();
        match self.store.db().watched(&ids).await {
            Ok(rows) => {
                let logs: HashMap<_, _> = due.iter().map(|log| (&log.job, log)).collect();
                for row in rows {
                    if let Some(log) = logs.get(&row.job.id) {
                        self.compare(log, row).await;
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look at the watched jobs"),
        }
    }

    /// Tells the watched jobs that wait their places in the queue, all in one look a second.
    async fn place(&mut self) {
        if Instant::now() < self.places_due {
            return;
        }
        let watched = self.store.watched();
        let waits = |log: &Arc<Log>| log.standing().status == Status::Pending;
        let waiting: HashMap<_, _> =
            watched.into_iter().filter(waits).map(|log| (log.job.clone(), log)).collect();
        if waiting.is_empty() {
            return;
        }
        self.places_due = Instant::now() + PLACES;
        let ids: Vec<_> = waiting.keys().cloned().collect();
        match self.store.db().queue_positions(&ids).await {
            Ok(places) => {
                for (job, place) in places {
                    waiting[&job].set_position(place);
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look at the queue"),
        }
    }

    /// The watched jobs that are due, each with its next time set; forgets those that nobody
    /// watches any more.
    fn due(&mut self) -> Vec<Arc<Log>> {
        let now = Instant::now();
        let (wall, watched) = (now_ms(), self.store.watched());
        let mut plans = HashMap::with_capacity(watched.len());
        let mut due = Vec::new();
        for log in watched {
            let standing = log.standing();
            if standing.ended {
                continue;
            }
            let mut plan = self.plans.get(&log.job).copied().unwrap_or(Plan { due: now });
            if plan.due <= now {
                let elapsed = standing.started_at.map_or(0, |started| wall - started);
                let elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or(0));
                plan.due = now + stage::interval(standing.status, elapsed, log.has_voiceover);
                due.push(Arc::clone(&log));
            }
            plans.insert(log.job.clone(), plan);
        }
        self.plans = plans;
        due
    }

    /// Takes over what the rows say; an end only at the second look.
    async fn compare(&mut self, log: &Arc<Log>, row: Watched) {
        if !is_told(&self.store, forward::propose(&self.store, log, &row)).await {
            return aside::show(&self.store, log, &row).await;
        }
        let Some(end) = row.job.end else { return };
        let Some(plan) = self.plans.get_mut(&log.job) else { return };
        let seen_for = log.note_end_seen();
        if seen_for >= SECOND_LOOK {
            is_told(&self.store, self.store.announce_end(log, &end, row.job.ended_at)).await;
        } else {
            plan.due = Instant::now() + (SECOND_LOOK - seen_for);
        }
    }
}
