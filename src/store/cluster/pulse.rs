//! Whether the log is in reach: asked once a second, for nobody is told when it is not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::EventId;
use crate::store::Store;

use super::{Cluster, entry_of};

/// How often it is asked.
const BEAT: Duration = Duration::from_secs(1);

/// How long a node may be behind the log before it says so.
pub(super) const LATE: Duration = Duration::from_secs(3);

/// For how long entries stay in the log that are in the database: a node that was held up for less
/// reads on where it was.
const KEEP: Duration = Duration::from_secs(60);

/// Looks after the log for one node.
#[derive(Debug)]
pub(super) struct Pulse {
    store: Store,
    cluster: Cluster,
    /// Since when this node has not come nearer to where the log then was.
    behind: Option<(u64, Instant)>,
    /// Up to where everything was archived, and when.
    archived: Vec<(EventId, Instant)>,
}

impl Pulse {
    pub(super) const fn new(store: Store, cluster: Cluster) -> Self {
        Self { store, cluster, behind: None, archived: Vec::new() }
    }

    /// Looks for ever.
    pub(super) async fn run(mut self) {
        loop {
            let degraded = self.is_degraded().await;
            if self.cluster.shared.degraded.send_replace(degraded) != degraded {
                if degraded {
                    tracing::warn!("the event log is out of reach: nothing can be appended");
                } else {
                    tracing::info!("the event log is in reach again");
                }
            }
            self.look_at_archive().await;
            self.purge().await;
            tokio::time::sleep(BEAT).await;
        }
    }

    async fn is_degraded(&mut self) -> bool {
        let Ok(last) = self.cluster.shared.log.last().await else { return true };
        let folded = *self.cluster.shared.folded.borrow();
        let behind = match self.behind {
            Some((wanted, since)) if folded < wanted => Some((wanted, since)),
            _ if folded < last => Some((last, Instant::now())),
            _ => None,
        };
        self.behind = behind;
        behind.is_some_and(|(_, since)| since.elapsed() >= LATE)
    }

    /// What was called out about the archive may have been missed.
    async fn look_at_archive(&self) {
        match self.store.db().archived().await {
            Ok(through) => self.store.drop_archived(&self.cluster, through),
            Err(error) => tracing::debug!(%error, "cannot ask up to where events are archived"),
        }
    }

    /// Gives up what has been in the database for a while.
    async fn purge(&mut self) {
        let now = Instant::now();
        let through = self.cluster.archived();
        if self.archived.last().is_none_or(|(last, _)| *last < through) {
            self.archived.push((through, now));
        }
        let old = self.archived.iter().take_while(|(_, at)| now - *at >= KEEP).count();
        let Some((through, _)) = self.archived.drain(..old).next_back() else { return };
        if self.cluster.shared.keeps.load(Ordering::Acquire)
            && let Err(error) = self.cluster.shared.log.purge_below(entry_of(through)).await
        {
            tracing::debug!(%error, "what is archived stays in the event log for now");
        }
    }
}
