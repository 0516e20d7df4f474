//! Hearing what other nodes call out. What is missed is found out otherwise, somewhat later.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::event::EventId;
use crate::nats::Call;
use crate::store::Store;

use super::Cluster;

/// How long to wait before listening again.
const AGAIN: Duration = Duration::from_secs(1);

impl Store {
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
            "hurry" => {
                cluster.shared.hurried.store(true, Ordering::Release);
                self.shared.unwritten.notify_one();
            }
            "keys" => {
                // Nobody listens before the server is up.
                cluster.shared.keys.send(caller).ok();
            }
            _ => {
                if let Some(hears) = cluster.shared.hears.get() {
                    hears(&subject, &words);
                }
            }
        }
    }
}
