//! Hearing what other nodes call out. What is missed is found out otherwise, somewhat later.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use crate::db::DbError;
use crate::event::EventId;
use crate::nats::Call;
use crate::store::Store;

use super::{Cluster, KEYS};

/// How long to wait before listening again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long all nodes may take to have done what they were told.
const TOLD: Duration = Duration::from_secs(1);

impl Store {
    /// Tells all nodes of a cluster something, and waits until each has done what it means; not for long:
    /// one that does not answer has to find out by itself.
    ///
    /// # Errors
    /// When the database does not say which nodes there are.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn tell_all(&self, subject: &str, words: impl Into<Bytes>) -> Result<(), DbError> {
        let Some(cluster) = self.cluster() else { return Ok(()) };
        let nodes = self.db().living_nodes().await?.len();
        let told = cluster.shared.nats.call_and_hear(subject, words, nodes);
        match tokio::time::timeout(TOLD, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, subject, "cannot tell the other nodes"),
            Err(_) => tracing::debug!(nodes, subject, "not every node has said that it is done"),
        }
        Ok(())
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
            KEYS => {
                // Nobody listens before the server is up.
                cluster.shared.keys.send(caller).ok();
            }
            _ => {
                let hears = cluster.shared.hears.read().unwrap_or_else(PoisonError::into_inner);
                hears.iter().for_each(|hears| hears(&subject, &words));
                drop(hears);
                if let Some(caller) = caller {
                    let cluster = cluster.clone();
                    tokio::spawn(async move { cluster.say_done(caller).await });
                }
            }
        }
    }
}
