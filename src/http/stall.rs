//! A connection that fails when its peer takes nothing for too long.
//!
//! A reader that is connected and takes no byte would hold its connection, and a full buffer, for
//! ever: TCP itself never gives up on a peer that says "not now". What counts is that a write is
//! waiting; a stream that has nothing to say is no stall.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The connection inside, with a limit on how long a write may wait.
#[derive(Debug)]
pub struct Stall<T> {
    io: T,
    limit: Duration,
    /// Made at the first write that has to wait, and used again for the later ones: most
    /// connections never need one, and none allocates twice.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether a write is waiting, and the timer means something.
    waiting: bool,
}

impl<T> Stall<T> {
    /// Bounds how long writes to `io` may wait without a byte being taken.
    pub fn new(io: T, limit: Duration) -> Self {
        Self { io, limit, timer: None, waiting: false }
    }

    /// The connection without the limit.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Passes on what a write came to, or fails it if none has come to anything for too long.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.limit)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stall<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stall<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    // A TCP stream holds nothing back: neither of these waits for the peer.
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (near, _far) = tokio::io::duplex(4);
        let mut near = Stall::new(near, LIMIT);
        let start = Instant::now();
        let error = near.write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_that_takes_a_byte_in_time_is_kept() {
        let (near, mut far) = tokio::io::duplex(1);
        let mut near = Stall::new(near, LIMIT);
        let take = async {
            for _ in 0..4 {
                tokio::time::sleep(LIMIT - SECOND).await;
                far.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(near.write_all(b"slow"), take);
        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_no_stall() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Stall::new(near, LIMIT);
        near.write_all(b"full").await.unwrap();
        tokio::time::advance(10 * LIMIT).await;
        far.read_exact(&mut [0; 4]).await.unwrap();
        near.write_all(b"more").await.unwrap();
        assert!(near.timer.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_the_whole_limit() {
        let (near, mut far) = tokio::io::duplex(1);
        let mut near = Stall::new(near, LIMIT);
        near.write_all(b"a").await.unwrap();
        for _ in 0..3 {
            let take = async {
                tokio::time::sleep(LIMIT / 2).await;
                far.read_u8().await.unwrap();
            };
            tokio::join!(async { near.write_all(b"b").await.unwrap() }, take);
            // Past the end of the timer that was armed, with nothing to write.
            tokio::time::advance(LIMIT).await;
        }
    }
}
