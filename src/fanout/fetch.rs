//! Pages for readers whose events have left memory.
//!
//! A shard may not wait for a database, so it asks here and goes on with its other readers. It asks
//! for a reader again only when that has taken what was brought.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use crate::event::EventId;
use crate::event::frame::chunk;
use crate::store::{Log, Next, Store};

use super::Words;
use super::bell::Bell;
use super::wheel::Key;

/// How many readers may have asked and not been heard yet.
const ASKED: usize = 4096;

/// How many pages are looked up at once: the database has few connections.
const AT_ONCE: usize = 16;

/// How long to wait for a database that does not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A reader's question.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) bell: Arc<Bell>,
    pub(super) key: Key,
    pub(super) log: Arc<Log>,
    pub(super) after: EventId,
}

/// The answer.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) key: Key,
    /// Chunks, ready to be written; none where there was nothing but the end.
    pub(super) bytes: Bytes,
    /// Where the reader is once it has them.
    pub(super) position: EventId,
}

/// Where shards ask.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    asks: mpsc::Sender<Ask>,
}

impl Fetcher {
    /// Starts answering, on the runtime of whoever calls; ends when the last shard has.
    pub(super) fn start(store: Store, words: Arc<dyn Words>) -> Self {
        let (asks, inbox) = mpsc::channel(ASKED);
        tokio::spawn(answer_all(store, words, inbox));
        Self { asks }
    }

    /// Asks; false where too many have, and it has to be asked again.
    pub(super) fn ask(&self, ask: Ask) -> bool {
        self.asks.try_send(ask).is_ok()
    }
}

async fn answer_all(store: Store, words: Arc<dyn Words>, mut inbox: mpsc::Receiver<Ask>) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(ask) = inbox.recv().await {
        let permit = Arc::clone(&permits).acquire_owned().await;
        let (store, words) = (store.clone(), Arc::clone(&words));
        tokio::spawn(async move {
            let _permit = permit;
            answer(&store, words.as_ref(), ask).await;
        });
    }
}

/// Looks until the database answers, or nobody waits any more.
async fn answer(store: &Store, words: &dyn Words, ask: Ask) {
    let Ask { bell, key, log, after } = ask;
    let mut follower = store.follow(&log, after);
    while !bell.is_stopping() {
        let (bytes, position) = match follower.next().await {
            Ok(Next::Page(page)) => (chunk(&page.bytes), page.last),
            Ok(Next::Aside(_)) => continue,
            Ok(Next::Gap(gap, snapshot)) => (chunk(&words.gap(&gap, &snapshot)), gap.to),
            Ok(Next::Ended) => (Bytes::new(), follower.cursor()),
            Err(error) => {
                tracing::debug!(%error, "a reader waits for the database");
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
        };
        return bell.bring(Fetched { key, bytes, position });
    }
}
