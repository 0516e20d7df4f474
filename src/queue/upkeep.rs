//! What one node of a cluster does for all of them: it takes up what dead nodes were running.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::claims::TakeOverDead;
use crate::db::nodes::GiveUpDead;
use crate::event::{EventId, now_ms};
use crate::store::Cluster;

use super::claim::RecoverError;
use super::{MAX_ATTEMPTS, Queue};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

impl Queue {
    /// Looks after the jobs of dead nodes, until it is told to stop; where the server is alone there are
    /// none.
    pub async fn run_upkeep(self, stop: CancellationToken) {
        let Some(cluster) = self.store().cluster().cloned() else { return };
        let hearing = self.clone();
        cluster.hear(Box::new(move |subject, words| {
            hearing.heard(subject, words);
            None
        }));
        let mut since = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if !cluster.keeps() {
                since = None;
                continue;
            }
            // While the database was away nobody could say that it lives: it has a lease's time to.
            let since = *since.get_or_insert_with(Instant::now);
            if since.elapsed() >= cluster.lease()
                && let Err(error) = self.take_over_dead(&cluster).await
            {
                tracing::warn!(%error, "cannot take over what dead nodes were running yet");
            }
        }
    }

    async fn take_over_dead(&self, cluster: &Cluster) -> Result<(), RecoverError> {
        let journal = self.store().journal();
        let dead = journal.change_after(EventId::ZERO, GiveUpDead).await?;
        if !dead.is_empty() {
            tracing::warn!(?dead, "nodes of the cluster are dead");
        }
        let take_over =
            TakeOverDead { node: cluster.runner(), most_failures: MAX_ATTEMPTS, now: now_ms() };
        let orphans = journal.change_after(EventId::ZERO, take_over).await?;
        for lane in orphans.iter().filter_map(|job| job.lane.as_deref()) {
            self.wake_lane(lane);
        }
        self.end_exhausted(orphans).await;
        self.announce_ends().await
    }

    fn heard(&self, subject: &str, words: &[u8]) {
        let Ok(words) = std::str::from_utf8(words) else { return };
        match subject {
            "lane" => self.lane(words).notify_waiters(),
            "done" => self.tell_over(true),
            "ended" => self.tell_over(false),
            "cancel" => {
                if let Some((job, reason)) = words.split_once(' ')
                    && let Ok(job) = job.parse()
                {
                    self.tell_worker(&job, reason);
                }
            }
            "let_go" => {
                if let Ok(job) = words.parse() {
                    self.tell_to_let_go(&job);
                }
            }
            "callback" => {
                if let Ok(job) = words.parse() {
                    self.tell_called_back(&job);
                }
            }
            _ => {}
        }
    }
}
