//! An answer as a script: what is sent, and the waits between.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::markers::{Marker, Markers};

/// Waits shorter than this are not slept: timers are no finer.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What was not slept over is sent together, up to about this many bytes.
const MAX_BATCH_BYTES: usize = 16 << 10;

/// How long a connection stays open before it breaks, at any speed: the server sends what it holds
/// while it waits, and would throw it away otherwise.
const FLUSH: Duration = Duration::from_millis(20);

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is said for this long, at a real provider's pace.
    Wait(Duration),
    /// These bytes are sent.
    Send(Bytes),
    /// Nothing is ever said again, and the connection stays open.
    Stall,
    /// The connection breaks.
    Break,
}

/// Plays `steps`, `speed` times faster than they are written, as a response body.
///
/// Waits are kept against one clock from the first step on, so that they do not add up to more than
/// was written, however coarse the timer. When `stop` is cancelled, the connection breaks.
pub(super) fn play(
    steps: impl IntoIterator<Item = Step, IntoIter: Send + 'static>,
    speed: f64,
    stop: CancellationToken,
) -> Body {
    let player = Player {
        steps: Box::new(steps.into_iter()),
        speed,
        stop,
        due: Instant::now(),
        broken: false,
    };
    Body::from_stream(stream::unfold(player, Player::next))
}

struct Player {
    steps: Box<dyn Iterator<Item = Step> + Send>,
    speed: f64,
    stop: CancellationToken,
    /// When the next step is to be played.
    due: Instant,
    broken: bool,
}

impl Player {
    /// The next bytes of the body; an error breaks the connection.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.broken {
            return None;
        }
        let stop = self.stop.clone();
        match stop.run_until_cancelled(self.batch()).await {
            Some(Ok(bytes)) if bytes.is_empty() => None,
            Some(Ok(bytes)) => Some((Ok(bytes), self)),
            Some(Err(error)) => Some(self.break_off(error)),
            None => Some(self.break_off(io::Error::other("the simulator has stopped"))),
        }
    }

    fn break_off(mut self, error: io::Error) -> (io::Result<Bytes>, Self) {
        self.broken = true;
        (Err(error), self)
    }

    /// Everything up to the next wait that is worth sleeping; empty at the end of the script.
    async fn batch(&mut self) -> io::Result<Bytes> {
        sleep_until(self.due).await;
        let mut batch = BytesMut::new();
        while batch.len() < MAX_BATCH_BYTES {
            match self.steps.next() {
                Some(Step::Send(bytes)) => batch.extend_from_slice(&bytes),
                Some(Step::Wait(wait)) => {
                    self.due += wait.div_f64(self.speed);
                    if self.due > Instant::now() + SHORTEST_WAIT {
                        if !batch.is_empty() {
                            break;
                        }
                        sleep_until(self.due).await;
                    }
                }
                Some(ending @ (Step::Stall | Step::Break)) => {
                    self.end_badly(ending, &batch).await?;
                    break;
                }
                None => break,
            }
        }
        Ok(batch.freeze())
    }

    /// Ends the script here; what has been gathered is sent first.
    async fn end_badly(&mut self, ending: Step, batch: &BytesMut) -> io::Result<()> {
        if !batch.is_empty() {
            self.steps = Box::new(VecDeque::from([ending]).into_iter());
            return Ok(());
        }
        if ending == Step::Stall {
            std::future::pending::<()>().await;
        }
        sleep(FLUSH).await;
        Err(io::Error::other("the connection broke (simulated)"))
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Player").field("speed", &self.speed).finish_non_exhaustive()
    }
}

/// How fast an answer with these markers is played on a stage of this speed.
pub(super) fn speed(stage_speed: f64, markers: &Markers) -> f64 {
    if markers.has(Marker::Slow) { stage_speed / 10.0 } else { stage_speed }
}

/// Where an answer of `length` parts ends badly, and how; `None` if it ends well.
pub(super) fn bad_ending(markers: &Markers, length: usize) -> Option<(usize, Step)> {
    if markers.has(Marker::Cut) {
        Some((length * 3 / 10, Step::Break))
    } else if markers.has(Marker::Stall) {
        Some((length / 3, Step::Stall))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn send(text: &'static str) -> Step {
        Step::Send(Bytes::from_static(text.as_bytes()))
    }

    async fn frame(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
        let frame = body.frame().await?;
        Some(frame.map(|frame| frame.into_data().expect("there are no trailers")))
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_kept_and_divided_by_the_speed() {
        let started = Instant::now();
        let wait = Step::Wait(Duration::from_millis(400));
        let steps = vec![wait.clone(), send("a"), wait, send("b"), send("c")];
        let mut body = play(steps, 2.0, CancellationToken::new());
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "a");
        assert_eq!(started.elapsed().as_millis(), 200);
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "bc");
        assert_eq!(started.elapsed().as_millis(), 400);
        assert!(frame(&mut body).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_below_a_timers_grain_are_sent_together_and_not_lost() {
        let started = Instant::now();
        let steps = (0..2000).flat_map(|_| [Step::Wait(Duration::from_millis(100)), send("x")]);
        let mut body = play(steps, 1000.0, CancellationToken::new());
        let (mut frames, mut bytes) = (0, 0);
        while let Some(chunk) = frame(&mut body).await {
            (frames, bytes) = (frames + 1, bytes + chunk.unwrap().len());
        }
        assert_eq!(bytes, 2000);
        assert!(frames < 400, "{frames} frames");
        assert!(started.elapsed().as_millis() >= 195);
    }

    #[tokio::test(start_paused = true)]
    async fn a_break_is_an_error_after_what_was_sent() {
        let mut body = play(vec![send("a"), Step::Break], 1.0, CancellationToken::new());
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "a");
        assert!(frame(&mut body).await.unwrap().is_err());
        assert!(frame(&mut body).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_lasts_until_the_simulator_stops() {
        let stop = CancellationToken::new();
        let mut body = play(vec![send("a"), Step::Stall], 1.0, stop.clone());
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "a");
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(tokio::time::timeout(day, frame(&mut body)).await.is_err());
        stop.cancel();
        assert!(frame(&mut body).await.unwrap().is_err());
    }
}
