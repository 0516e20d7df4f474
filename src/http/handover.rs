//! Streams that leave HTTP: hyper writes the head and the first events, the engine all others.
//!
//! The body of such a response gives its opening and then stays pending for ever, having raised a
//! flag. When the connection is pending with the flag up and everything that was given to the socket
//! has been taken by it, hyper has nothing of ours any more: the socket is taken back from it.

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::event::EventId;
use crate::fanout::{Engine, Handover, Words};
use crate::store::{Gap, Log, Snapshot};
use crate::telemetry::trace::job_span;

use super::limits::Held;
use super::{control, streaming};

/// A connection's way out of HTTP; its requests carry it. Only those of HTTP/1.1: a body of chunks
/// is what leaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Exit {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What the stream was promised to.
    promise: Mutex<Option<Promise>>,
    /// Whether the body has given its opening.
    opened: AtomicBool,
    /// Whether hyper still holds bytes that the socket did not take.
    unsent: AtomicBool,
}

/// A stream that is to be served by the engine.
#[derive(Debug)]
pub(super) struct Promise {
    pub(super) engine: Arc<Engine>,
    pub(super) log: Arc<Log>,
    pub(super) after: EventId,
    pub(super) keep_alive_as_event: bool,
    pub(super) keep_alive_s: Option<NonZeroU16>,
    pub(super) ends_at: Instant,
    /// The number of the reader's key, or 0.
    pub(super) key: u32,
    /// Canceled when that key is revoked.
    pub(super) revoked: CancellationToken,
    pub(super) held: Held,
}

impl Promise {
    /// Gives the connection to the engine, with what is held for it until it ends.
    ///
    /// # Errors
    /// When the socket cannot be taken out of the runtime.
    pub(super) fn keep(self, socket: TcpStream, connection: Held) -> io::Result<()> {
        let Self {
            engine,
            log,
            after,
            keep_alive_as_event,
            keep_alive_s,
            ends_at,
            key,
            revoked,
            held,
        } = self;
        let (socket, ends_at) = (socket.into_std()?, ends_at.into_std());
        let held = connection.and(held);
        // Ends when the reader leaves; where nobody takes spans it is nothing, and nothing is kept.
        let span = job_span(log.job.as_str(), "deliver");
        let is_nothing = held.is_nothing() && span.is_disabled();
        let held = (!is_nothing).then(|| Box::new((held, span)) as Box<dyn Any + Send>);
        engine.adopt(Handover {
            socket,
            log,
            after,
            keep_alive_as_event,
            keep_alive_s,
            ends_at,
            key,
            revoked,
            held,
        });
        Ok(())
    }
}

impl Exit {
    /// The response of a stream that leaves after this opening.
    pub(super) fn respond(&self, opening: Bytes, promise: Promise) -> Response {
        *self.promise() = Some(promise);
        let shared = Arc::clone(&self.shared);
        let mut response =
            streaming::as_stream(Body::new(Opening { bytes: Some(opening), shared }));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// The promise, once there is nothing of it left to write.
    pub(super) fn take(&self) -> Option<Promise> {
        let Shared { opened, unsent, .. } = self.shared.as_ref();
        if !opened.load(Ordering::SeqCst) || unsent.load(Ordering::SeqCst) {
            return None;
        }
        self.promise().take()
    }

    /// The connection, watched for what it does not take.
    pub(super) fn tap<T>(&self, io: T) -> Tap<T> {
        Tap { io, shared: Arc::clone(&self.shared) }
    }

    fn promise(&self) -> std::sync::MutexGuard<'_, Option<Promise>> {
        self.shared.promise.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that gives one frame and then nothing, without an end.
struct Opening {
    bytes: Option<Bytes>,
    shared: Arc<Shared>,
}

impl http_body::Body for Opening {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => {
                // Until a write says otherwise.
                self.shared.unsent.store(true, Ordering::SeqCst);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            None => {
                self.shared.opened.store(true, Ordering::SeqCst);
                Poll::Pending
            }
        }
    }
}

/// A connection that notes whether its last write was taken whole.
///
/// hyper writes all that it holds at once, and what was not taken it holds on to; so a write that was
/// taken whole leaves nothing behind.
#[derive(Debug)]
pub(super) struct Tap<T> {
    io: T,
    shared: Arc<Shared>,
}

impl<T> Tap<T> {
    pub(super) fn into_inner(self) -> T {
        self.io
    }

    fn note(&self, given: usize, written: &Poll<io::Result<usize>>) {
        let whole = matches!(written, Poll::Ready(Ok(taken)) if *taken == given);
        self.shared.unsent.store(!whole, Ordering::SeqCst);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.note(bytes.len(), &written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.note(slices.iter().map(|slice| slice.len()).sum(), &written);
        written
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

/// The control events, for an engine that does not know the wire.
#[derive(Debug)]
pub struct ControlWords;

impl Words for ControlWords {
    fn keep_alive(&self, as_event: bool) -> Bytes {
        control::keep_alive(as_event)
    }

    fn place(&self, position: u32) -> Bytes {
        control::queue(position)
    }

    fn bye(&self, reason: &str, readers: usize) -> Bytes {
        control::bye(reason, readers)
    }

    fn gap(&self, gap: &Gap, snapshot: &Snapshot) -> Bytes {
        control::gap(gap, snapshot).concat().into()
    }
}
