//! Whether a request's body was read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::http::Request;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body that tells when its end has been read.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    end: End,
}

/// What is known of a body by whoever does not have it any more.
#[derive(Clone, Debug)]
pub(super) struct End(Arc<AtomicBool>);

impl End {
    /// Whether the body was read to its end.
    pub(super) fn is_read(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Watches the body of a request.
pub(super) fn watch<B: Body>(request: Request<B>) -> (Request<Watched<B>>, End) {
    let end = End(Arc::new(AtomicBool::new(request.body().is_end_stream())));
    let watched = end.clone();
    (request.map(|body| Watched { body, end: watched }), end)
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.end.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Empty, Full};

    #[tokio::test]
    async fn a_body_is_read_when_its_last_byte_is() {
        let (request, end) = watch(Request::new(Full::new(Bytes::from_static(b"{}"))));
        assert!(!end.is_read());
        request.into_body().collect().await.unwrap();
        assert!(end.is_read());
    }

    #[test]
    fn no_body_is_read_from_the_beginning() {
        let (_, end) = watch(Request::new(Empty::<Bytes>::new()));
        assert!(end.is_read());
    }
}
