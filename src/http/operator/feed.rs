//! A stream of what the operator looks at: no log's events, so without ids.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::event::control;
use crate::http::guard::Call;
use crate::http::streaming::as_stream;
use crate::http::{Problem, control as words};

/// How much may wait for a reader who is slow.
const WAITING: usize = 64;

/// How often there is something to say, if only that the stream lives.
pub(super) const PACE: Duration = Duration::from_secs(1);

/// The way to one who looks.
#[derive(Debug)]
pub(super) struct Feed {
    frames: mpsc::Sender<Bytes>,
}

/// Nobody looks any more.
#[derive(Debug)]
pub(super) struct Gone;

impl Feed {
    /// Says something, once there is room.
    ///
    /// # Errors
    /// [`Gone`].
    pub(super) async fn say<T: Serialize + Sync>(&self, name: &str, data: &T) -> Result<(), Gone> {
        self.frames.send(control(name, None, data)).await.map_err(|_| Gone)
    }

    /// Says that the stream lives.
    ///
    /// # Errors
    /// [`Gone`].
    pub(super) async fn breathe(&self) -> Result<(), Gone> {
        self.frames.send(words::keep_alive(false)).await.map_err(|_| Gone)
    }
}

/// A response in which `tell` tells, until nobody listens, the server goes down, or the caller's right
/// to it is over.
///
/// # Errors
/// [`crate::http::Code::TooManyStreams`].
pub(super) fn open<F, T>(call: &Call, tell: F) -> Result<Response, Problem>
where
    F: FnOnce(Feed) -> T,
    T: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let held = call.hold_stream([])?;
    let (frames, waiting) = mpsc::channel(WAITING);
    // There is room: nothing waits yet.
    drop(frames.try_send(words::retry()));
    let goodbye = frames.clone();
    let told = tell(Feed { frames });
    let (draining, right) = (call.draining.clone(), call.right());
    tokio::spawn(async move {
        let _held = held;
        let reason = tokio::select! {
            _ = told => return,
            () = draining.cancelled() => "draining",
            () = right.lapse() => "revoked",
        };
        drop(goodbye.send(words::bye(reason, 0)).await);
    });
    let frames = stream::unfold(waiting, async |mut waiting| {
        let frame = waiting.recv().await?;
        Some((Ok::<_, Infallible>(frame), waiting))
    });
    Ok(as_stream(Body::from_stream(frames)))
}
