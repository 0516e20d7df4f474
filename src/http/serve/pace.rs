//! A connection whose peer has to get on: with the head of a request, and between two.
//!
//! hyper has one time for both. A proxy keeps connections open that it may need again, and a client
//! that sends a head byte by byte keeps one open that nobody needs.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a peer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// To send the head of a request, from its first byte on; that of a connection's first request
    /// from the beginning.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
}

/// What a connection is about, as its requests know it; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Requests that are not answered to their end.
    under_way: u32,
    /// Whether a head has begun.
    has_begun: bool,
    /// Since when it is as it is.
    since: Instant,
    /// Whether bytes between requests are a head: in HTTP/2 they are mostly not.
    bytes_are_heads: bool,
    /// Whether anything was ever heard.
    was_heard: bool,
    /// Whether a head came too late.
    was_late: bool,
    /// The connection, while it has no deadline: nothing else may wake it when it gets one.
    waker: Option<Waker>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Beat(Pulse);

impl Pulse {
    /// A connection that has just been opened.
    pub(super) fn of_http1() -> Self {
        Self::new(true)
    }

    /// The same where requests share a connection.
    pub(super) fn of_http2() -> Self {
        Self::new(false)
    }

    fn new(bytes_are_heads: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            under_way: 0,
            has_begun: bytes_are_heads,
            since: Instant::now(),
            bytes_are_heads,
            was_heard: false,
            was_late: false,
            waker: None,
        })))
    }

    /// A request has come; it is under way until what is given is dropped.
    pub(super) fn beat(&self) -> Beat {
        let mut state = self.lock();
        state.under_way += 1;
        state.has_begun = false;
        drop(state);
        Beat(self.clone())
    }

    /// Whether the connection ended since the head of a request took too long. A client that has only
    /// connected, as browsers do ahead of time, asked for nothing and is told nothing.
    pub(super) fn was_late(&self) -> bool {
        self.lock().was_late
    }

    fn note_bytes(&self) {
        let mut state = self.lock();
        state.was_heard = true;
        if state.bytes_are_heads && state.under_way == 0 && !state.has_begun {
            state.has_begun = true;
            state.since = Instant::now();
        }
    }

    /// When the peer has taken too long, if nothing comes; never while a request is under way, whose
    /// end wakes the connection then.
    fn deadline(&self, patience: Patience, context: &Context<'_>) -> Option<Instant> {
        let mut state = self.lock();
        if state.under_way > 0 {
            if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                state.waker = Some(context.waker().clone());
            }
            return None;
        }
        Some(state.since + if state.has_begun { patience.head } else { patience.idle })
    }

    /// What it means that the deadline has passed.
    ///
    /// # Errors
    /// When a head had begun; without one the connection just ends.
    fn give_up(&self) -> io::Result<()> {
        let mut state = self.lock();
        if !state.has_begun {
            return Ok(());
        }
        state.was_late = state.was_heard;
        Err(io::Error::new(io::ErrorKind::TimedOut, "the head of a request took too long"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.under_way -= 1;
        state.since = Instant::now();
        let waker = if state.under_way == 0 { state.waker.take() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The connection inside, which ends when its peer has taken too long.
#[derive(Debug)]
pub(super) struct Paced<T> {
    io: T,
    pulse: Pulse,
    patience: Patience,
    /// Made once, and set again only when it has fired too early.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Paced<T> {
    pub(super) fn new(io: T, pulse: Pulse, patience: Patience) -> Self {
        Self { io, pulse, patience, timer: None }
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }

    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(deadline) = self.pulse.deadline(self.patience, context) {
            let timer =
                self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.is_elapsed() || timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= deadline {
                return Poll::Ready(self.pulse.give_up());
            }
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                self.pulse.note_bytes();
            }
            return Poll::Ready(read);
        }
        self.poll_patience(context)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(30), idle: Duration::from_secs(75) };
    const SECOND: Duration = Duration::from_secs(1);

    fn connection(pulse: &Pulse) -> (Paced<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(64);
        (Paced::new(near, pulse.clone(), PATIENCE), far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_that_comes_byte_by_byte_is_not_waited_for() {
        let pulse = Pulse::of_http1();
        let (mut near, mut far) = connection(&pulse);
        let start = Instant::now();
        tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SECOND).await;
            }
        });
        let error = loop {
            if let Err(error) = near.read_u8().await {
                break error;
            }
        };
        assert_eq!((error.kind(), pulse.was_late()), (io::ErrorKind::TimedOut, true));
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_kept_for_later_ends_without_an_error() {
        let pulse = Pulse::of_http1();
        let (mut near, _far) = connection(&pulse);
        drop(pulse.beat());
        let start = Instant::now();
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        assert_eq!((start.elapsed().as_secs(), pulse.was_late()), (75, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_takes_as_long_as_it_takes() {
        let pulse = Pulse::of_http1();
        let (mut near, _far) = connection(&pulse);
        let beat = pulse.beat();
        let silent = tokio::time::timeout(10 * PATIENCE.idle, near.read_u8()).await;
        assert!(silent.is_err(), "{silent:?}");
        drop(beat);
        let start = Instant::now();
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(start.elapsed().as_secs(), 75);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_head_has_its_time_from_its_first_byte() {
        let pulse = Pulse::of_http1();
        let (mut near, mut far) = connection(&pulse);
        drop(pulse.beat());
        tokio::spawn(async move {
            tokio::time::sleep(60 * SECOND).await;
            far.write_all(b"G").await.unwrap();
            std::future::pending::<()>().await;
        });
        let start = Instant::now();
        near.read_u8().await.unwrap();
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 90);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_over_http2_is_no_head() {
        let pulse = Pulse::of_http2();
        let (mut near, mut far) = connection(&pulse);
        far.write_all(b"p").await.unwrap();
        near.read_u8().await.unwrap();
        let start = Instant::now();
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(start.elapsed().as_secs(), 75);
    }
}
