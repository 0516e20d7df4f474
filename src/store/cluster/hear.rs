//! Hearing what other nodes call out. What is missed is found out otherwise, somewhat later.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};

use crate::event::EventId;
use crate::nats::{Call, Caller};
use crate::store::Store;

use super::Cluster;

/// How long to wait before listening again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long all nodes may take to have done what they were told.
const TOLD: Duration = Duration::from_secs(1);

impl Store {
    /// Tells all nodes of a cluster something, and waits until each has done what it means; not for long:
    /// one that does not answer has to find out by itself.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn tell_all(&self, subject: &str, words: impl Into<Bytes>) {
        let Some(cluster) = self.cluster() else { return };
        let told = async {
            let nodes = self.db().living_nodes().await.map_err(|error| error.to_string())?.len();
            let called = cluster.shared.nats.call_and_hear(subject, words, nodes).await;
            called.map_err(|error| error.to_string())
        };
        match tokio::time::timeout(TOLD, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, subject, "cannot tell the other nodes"),
            Err(_) => tracing::debug!(subject, "not every node has said that it is done"),
        }
    }

    /// Hears what is called out, for ever.
    pub(super) async fn hear_all(&self, cluster: &Cluster) {
        loop {
            match cluster.shared.nats.hear().await {
                Ok(mut calls) => {
                    while let Some(call) = calls.next().await {
                        self.heard(cluster, call);
                    }
                }
                Err(error) => tracing::debug!(%error, "cannot listen to the other nodes"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn heard(&self, cluster: &Cluster, call: Call) {
        let Call { subject, words, caller } = call;
        match subject.as_str() {
            "archived" => {
                let through = std::str::from_utf8(&words).ok().and_then(|text| text.parse().ok());
                if let Some(through) = through.and_then(EventId::from_u64) {
                    self.drop_archived(cluster, through);
                }
            }
            "hurry" if cluster.keeps() => {
                cluster.shared.hurried.store(true, Ordering::Release);
                self.shared.unwritten.notify_one();
            }
            "hurry" => {}
            _ => {
                let hears = cluster.shared.hears.read().unwrap_or_else(PoisonError::into_inner);
                let work: Vec<_> =
                    hears.iter().filter_map(|hears| hears(&subject, &words)).collect();
                drop(hears);
                if let Some(caller) = caller {
                    tokio::spawn(cluster.clone().do_and_say(work, caller));
                }
            }
        }
    }
}

impl Cluster {
    /// Does what a call means, and says so to whoever waits for it.
    async fn do_and_say(self, work: Vec<BoxFuture<'static, bool>>, caller: Caller) {
        if join_all(work).await.into_iter().all(|is_done| is_done) {
            self.shared.nats.say_done(caller).await;
        }
    }
}
