//! Bytes that say when they were sent.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

/// How long a round is.
const ROUND: Duration = Duration::from_secs(1);

/// When the process began: what is sent is the time since then, in nanoseconds.
pub(crate) type Clock = Instant;

/// What the readers measured since somebody last looked.
pub(crate) type Measured = Arc<Mutex<Vec<Duration>>>;

/// 20 digits between `#` and `#`.
pub(crate) fn stamp(clock: Clock) -> String {
    format!("#{:020}#", clock.elapsed().as_nanos())
}

/// Notes how old each whole stamp in `buffer` is, and keeps what may be the first part of one.
pub(crate) fn note_stamps(buffer: &mut Vec<u8>, clock: Clock, measured: &Measured) {
    let now = clock.elapsed();
    let mut done = 0;
    while let Some(at) = memchr::memchr(b'#', &buffer[done..]) {
        let Some(digits) = buffer.get(done + at + 1..done + at + 22) else { break };
        let digits = std::str::from_utf8(&digits[..20]).expect("digits");
        let sent = Duration::from_nanos(digits.parse().expect("a stamp"));
        measured.lock().expect("nobody panicked").push(now - sent);
        done += at + 22;
    }
    let rest = memchr::memchr(b'#', &buffer[done..]).map_or(buffer.len(), |at| done + at);
    buffer.drain(..rest);
}

/// Reads a connection to its end.
pub(crate) async fn read(mut stream: impl AsyncReadExt + Unpin, clock: Clock, measured: Measured) {
    let mut buffer = Vec::with_capacity(16 << 10);
    while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        note_stamps(&mut buffer, clock, &measured);
    }
}

/// Sends so many a second, one stream after the other, for one round.
pub(crate) fn pace(per_second: u32, streams: usize, mut send: impl FnMut(usize)) {
    let start = Instant::now();
    let interval = Duration::from_secs(1) / per_second;
    for index in 0.. {
        let due = interval * index;
        if due >= ROUND {
            return;
        }
        thread::sleep(due.saturating_sub(start.elapsed()));
        send(index as usize % streams);
    }
}

/// Waits until everything that was sent in a round has come, and takes it.
pub(crate) fn take(measured: &Measured, expected: usize) -> Vec<Duration> {
    loop {
        let mut measured = measured.lock().expect("nobody panicked");
        if measured.len() >= expected {
            return std::mem::take(&mut measured);
        }
        drop(measured);
        thread::sleep(Duration::from_millis(5));
    }
}
