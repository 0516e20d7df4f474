//! What is shown of a job while the event log of a cluster is out of reach: what the rows say, to readers
//! as snapshots without an id, so that no cursor moves.

use std::sync::Arc;

use crate::db::DbError;
use crate::db::watched::Watched;
use crate::event::control;
use crate::store::{Log, Snapshot, Store};

/// Shows the followers of a job what its rows say.
pub(super) async fn show(store: &Store, log: &Arc<Log>, row: &Watched) {
    match as_stored(store, log, row).await {
        Ok(snapshot) => log.set_aside(control("snapshot", None, &snapshot)),
        Err(error) => tracing::debug!(job = %log.job, %error, "there is nothing to show"),
    }
}

/// The job as its rows say, with the text that its events made.
pub(super) async fn as_stored(
    store: &Store,
    log: &Arc<Log>,
    row: &Watched,
) -> Result<Snapshot, DbError> {
    let mut snapshot = store.snapshot(log).await?;
    if row.job.attempt > snapshot.attempt {
        snapshot.attempt = row.job.attempt;
        snapshot.text.clear();
        snapshot.text_offset = 0;
    }
    snapshot.status = row.job.status;
    snapshot.progress = row.job.progress.clone();
    let ready = row.artifacts.iter().filter(|artifact| artifact.ready);
    snapshot.artifacts = ready.map(|artifact| artifact.stored.view.clone()).collect();
    Ok(snapshot)
}
