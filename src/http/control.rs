//! The control events of a stream: those that tell about the stream and not about a job.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::backoff::jitter;
use crate::event::control;
use crate::job::JobId;
use crate::store::{Gap, Snapshot};

/// How long a client waits before it reconnects: drawn for each connection, so that a fleet that
/// was cut off together does not come back together.
const RETRY: std::ops::Range<Duration> = Duration::from_secs(1)..Duration::from_secs(4);

/// The same where the server cannot serve now: long enough for it to recover.
const LONG_RETRY: std::ops::Range<Duration> = Duration::from_secs(5)..Duration::from_secs(15);

/// The same where the reader is one too many.
const LIMIT_RETRY: std::ops::Range<Duration> = Duration::from_secs(15)..Duration::from_secs(45);

/// Over how much time the readers of a server that goes down come back, for each of them: 100,000 over 30 s.
const PER_READER: Duration = Duration::from_micros(300);

/// The comment that shows that a stream is alive.
const KEEP_ALIVE_COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The same as an event, for a page whose `EventSource` must notice silence.
const KEEP_ALIVE_EVENT: Bytes = Bytes::from_static(b"event: keep-alive\ndata: {}\n\n");

/// What shows that a stream is alive.
pub(super) const fn keep_alive(as_event: bool) -> Bytes {
    if as_event { KEEP_ALIVE_EVENT } else { KEEP_ALIVE_COMMENT }
}

/// A `retry:` field of its own.
pub(super) fn retry() -> Bytes {
    retry_field(jitter(RETRY)).into()
}

fn retry_field(delay: Duration) -> Vec<u8> {
    format!("retry: {}\n\n", delay.as_millis()).into_bytes()
}

/// `hello`, always the first event.
pub(super) fn hello<P: Serialize>(payload: &P) -> Bytes {
    control("hello", None, payload)
}

/// `queue`: the job's place among those that wait, from 1.
pub(super) fn queue(position: u32) -> Bytes {
    control("queue", None, &serde_json::json!({ "position": position }))
}

/// The same on a stream of several jobs.
pub(super) fn queue_of(job: &JobId, position: u32) -> Bytes {
    let data = serde_json::json!({ "job": job, "data": { "position": position } });
    control("queue", None, &data)
}

/// `gap`, then the snapshot to go on from.
pub(super) fn gap(gap: &Gap, snapshot: &Snapshot) -> [Bytes; 2] {
    [control("gap", None, gap), control("snapshot", Some(gap.to), snapshot)]
}

/// `bye`, with when to come back: the later, the more readers are told so at the same time, that
/// whoever takes them is not overrun.
pub(super) fn bye(reason: &str, readers: usize) -> Bytes {
    goodbye(jitter(spread(readers)), reason)
}

fn spread(readers: usize) -> std::ops::Range<Duration> {
    let readers = u32::try_from(readers).unwrap_or(u32::MAX);
    RETRY.start..RETRY.end.max(PER_READER.saturating_mul(readers))
}

/// `bye` of a server that cannot serve now.
pub(super) fn bye_for_longer(reason: &str) -> Bytes {
    goodbye(jitter(LONG_RETRY), reason)
}

/// `bye` of a server that has too many readers, or too many of this client; a comment says in words
/// which. The words are ours, and on one line whatever they are about.
pub(super) fn bye_over_limit(reason: &str, words: &str) -> Bytes {
    let words: String = words.chars().filter(|c| !c.is_control()).collect();
    let mut bytes = format!(": {words}\n\n").into_bytes();
    bytes.extend_from_slice(&goodbye(jitter(LIMIT_RETRY), reason));
    bytes.into()
}

/// The delay stands in the event too: a page sees no `retry:` field.
fn goodbye(delay: Duration, reason: &str) -> Bytes {
    let retry_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    let data = serde_json::json!({ "reason": reason, "retry_ms": retry_ms });
    let mut bytes = retry_field(delay);
    bytes.extend_from_slice(&control("bye", None, &data));
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_readers_leave_the_longer_they_take_to_come_back() {
        assert_eq!(spread(10), RETRY);
        assert_eq!(spread(100_000), RETRY.start..Duration::from_secs(30));
    }
}
