//! HTTP on one connection, to its end.
//!
//! What a peer may do to HTTP/2 is bounded by [`share`]'s settings and, where it floods, by those of
//! hyper and h2 that are left as they are: a connection ends after 20 streams that were reset before
//! they were answered (CVE-2023-44487), after 1,024 that were reset for errors, and when a head goes
//! on in too many frames (CVE-2024-27316); what is not sent yet of one stream takes 400 KB at most.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::handover::{Exit, Promise};
use crate::http::problem::{Code, Problem};

use super::answer::Asker;
use super::pace::{Paced, Patience, Pulse};

/// How long a closed connection is read on, see [`linger`].
const LINGER: Duration = Duration::from_secs(2);

/// How many requests may share a connection; a page with a hundred streams has room for others.
const SHARED: u32 = 250;

/// After how much silence a peer over HTTP/2 is asked whether it is there, and how long it may take
/// to say so. TCP would tell after minutes, and of a peer that is sent nothing never.
const PING: Duration = Duration::from_secs(20);

/// Speaks HTTP/1.1 on one connection to its end, or until it leaves with a stream: then gives it
/// back, with whoever it is promised to.
pub(super) async fn converse<T>(io: T, asker: Asker) -> Option<(T, Promise)>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ends = asker.common.ends.clone();
    let (peer, pulse) = (asker.peer, Pulse::of_http1());
    let exit = Exit::default();
    let io = exit.tap(Paced::new(io, pulse.clone(), patience(&asker)));
    let way_out = asker.may_leave.then(|| exit.clone());
    let head_limit = asker.common.options.head_limit;
    let pulse_of = pulse.clone();
    let service = service_fn(move |request| {
        Box::pin(asker.clone().answer(request, pulse_of.beat(), way_out.clone()))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(head_limit)
        .serve_connection(TokioIo::new(io), service);
    let mut told = false;
    let ended = loop {
        let served = poll_fn(|context| match connection.poll_without_shutdown(context) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => exit.take().map_or(Poll::Pending, |promise| Poll::Ready(Err(promise))),
        });
        tokio::select! {
            // A request that came before the server went down is answered.
            biased;
            served = served => match served {
                Ok(ended) => break ended,
                Err(promise) => {
                    let io = connection.into_parts().io.into_inner().into_inner();
                    return Some((io.into_inner(), promise));
                }
            },
            () = ends.deadline.cancelled() => return None,
            () = ends.draining.cancelled(), if !told => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                told = true;
            }
        }
    };
    let mut io = connection.into_parts().io.into_inner().into_inner().into_inner();
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, %peer, "a connection broke");
        if !pulse.was_late() || io.write_all(&too_late()).await.is_err() {
            return None;
        }
    }
    let goodbye = async {
        // A peer that is gone already needs no goodbye.
        if io.shutdown().await.is_ok() {
            linger(io).await;
        }
    };
    ends.deadline.run_until_cancelled(goodbye).await;
    None
}

/// Speaks HTTP/2 on one connection to its end. A server that goes down takes no request there any
/// more (`GOAWAY`), and answers those that came.
pub(super) async fn share<T>(io: T, asker: Asker)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ends = asker.common.ends.clone();
    let (peer, pulse) = (asker.peer, Pulse::of_http2());
    let io = TokioIo::new(Paced::new(io, pulse.clone(), patience(&asker)));
    let head_limit = u32::try_from(asker.common.options.head_limit).unwrap_or(u32::MAX);
    let tasks = Tasks { tracker: asker.common.requests.clone(), deadline: ends.deadline.clone() };
    let service =
        service_fn(move |request| Box::pin(asker.clone().answer(request, pulse.beat(), None)));
    let connection = http2::Builder::new(tasks)
        .timer(TokioTimer::new())
        .max_concurrent_streams(SHARED)
        .max_header_list_size(head_limit)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, %peer, "a shared connection broke");
                }
                return;
            }
            () = ends.deadline.cancelled() => return,
            () = ends.draining.cancelled(), if !told => {
                connection.as_mut().graceful_shutdown();
                told = true;
            }
        }
    }
}

/// Where the requests of a shared connection run: they end with the server.
#[derive(Clone)]
struct Tasks {
    tracker: TaskTracker,
    deadline: CancellationToken,
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let deadline = self.deadline.clone();
        self.tracker.spawn(async move { deadline.run_until_cancelled(request).await });
    }
}

fn patience(asker: &Asker) -> Patience {
    let options = &asker.common.options;
    Patience { head: options.head, idle: options.idle }
}

/// What a client gets whose head came too slowly.
fn too_late() -> Vec<u8> {
    let detail = "the head of the request took too long to arrive";
    let body = Problem::new(Code::RequestTimeout, detail).to_json().to_string();
    let media_type = crate::http::problem::MEDIA_TYPE;
    let media_type = media_type.to_str().expect("it is ASCII");
    format!(
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n{CONTENT_TYPE}: {media_type}\r\n\
         retry-after: 1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads on for a moment after the last response, and throws it away.
///
/// A client that is refused in the middle of a large body is still sending. Closing on it would
/// make the system answer with a reset, and a reset takes the response with it that the client has
/// not read yet: RFC 9112, section 9.6.
async fn linger(mut stream: impl AsyncRead + Unpin) {
    let rest = async {
        let mut waste = vec![0; 16 << 10];
        while stream.read(&mut waste).await.is_ok_and(|read| read > 0) {}
    };
    // Over time is as good as over.
    let _ = tokio::time::timeout(LINGER, rest).await;
}
