//! What readers are shown while the event log of a cluster is out of reach: what the rows say, as
//! snapshots without an id, so that no cursor moves.

use std::sync::Arc;

use crate::db::watched::Watched;
use crate::event::control;
use crate::store::{Log, Store};

/// Shows the followers of a job what its rows say.
pub(super) async fn show(store: &Store, log: &Arc<Log>, row: &Watched) {
    let mut snapshot = match store.snapshot(log).await {
        Ok(snapshot) => snapshot,
        Err(error) => return tracing::debug!(job = %log.job, %error, "there is nothing to show"),
    };
    if row.job.attempt > snapshot.attempt {
        snapshot.attempt = row.job.attempt;
        snapshot.text.clear();
        snapshot.text_offset = 0;
    }
    snapshot.status = row.job.status;
    snapshot.progress = row.job.progress.clone();
    let ready = row.artifacts.iter().filter(|artifact| artifact.ready);
    snapshot.artifacts = ready.map(|artifact| artifact.stored.view.clone()).collect();
    log.set_aside(control("snapshot", None, &snapshot));
}
