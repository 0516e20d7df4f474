//! A response that streams: who gives its events, when it speaks by itself, how it ends.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::backoff::jitter;
use crate::db::DbError;
use crate::event::EventId;
use crate::job::JobId;
use crate::store::{Follower, Next};
use crate::telemetry::metrics::metrics;
use crate::telemetry::trace::{TraceId, job_span};

use super::guard::Call;
use super::guard::caller::Right;
use super::limits::{Crowd, Held};
use super::query::Query;
use super::readers::{Seat, Transport};
use super::{Options, Problem, control};
/// Over how long the streams of a server that goes down are told to come back.
pub const DRAIN: Duration = Duration::from_secs(2);

/// How often the place in the queue is told, while it changes.
const QUEUE_PACE: Duration = Duration::from_secs(1);

/// The longest silence that a reader may ask for, in seconds: one that is gone is noticed when it is told
/// something.
const LONGEST_KEEP_ALIVE_S: NonZeroU16 = NonZeroU16::new(600).expect("it is not 0");

/// How long a reader waits when its events are in a database that does not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a stream that cannot be opened at the moment answers.
///
/// A native `EventSource` gives up for good on any status but 200, so what will pass is no error
/// here: the reader is told when to come back, and the response ends.
///
/// # Errors
/// The problem itself, where coming back would not help.
pub(super) fn come_again(problem: Problem) -> Result<Response, Problem> {
    let entry = problem.code().entry();
    if entry.status == StatusCode::TOO_MANY_REQUESTS {
        return Ok(over_limit(&problem));
    }
    if !entry.retryable {
        return Err(problem);
    }
    Ok(as_stream(Body::from(control::bye_for_longer(entry.code))))
}

/// What a stream answers that is one too many: a reader who came back soon would be it again.
pub(super) fn over_limit(problem: &Problem) -> Response {
    let code = problem.code().entry().code;
    metrics().refused_total.with_label_values(&[code]).inc();
    as_stream(Body::from(control::bye_over_limit(code, problem.detail())))
}

/// Where a stream's events come from.
pub(super) trait Reader: Send + 'static {
    /// The next bytes, or nothing at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Bytes>>, DbError>> + Send;

    /// The jobs that it reads.
    fn jobs(&self) -> Vec<JobId>;

    /// The last event that it gave.
    fn position(&self) -> EventId;

    /// The jobs that wait, each with its place in the queue.
    fn waiting(&self) -> Vec<(JobId, u32)>;

    /// The event that tells a job's place.
    fn place(job: &JobId, position: u32) -> Bytes;

    /// What the reader is told when its stream ends before its jobs do.
    fn farewell(&mut self, reason: Farewell, readers: usize) -> Option<Bytes> {
        Some(control::bye(reason.as_str(), readers))
    }
}

/// Why a stream ends before its jobs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The server goes down.
    Draining,
    /// The connection has reached its greatest age.
    MaxAge,
    /// The key was revoked that the reader came with, or that its ticket was from.
    Revoked,
}

impl Farewell {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::MaxAge => "max_age",
            Self::Revoked => "revoked",
        }
    }
}

impl Reader for Follower {
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, DbError> {
        Ok(match Self::next(self).await? {
            Next::Page(page) => Some(vec![page.bytes]),
            Next::Aside(frame) => Some(vec![frame]),
            Next::Gap(gap, snapshot) => Some(control::gap(&gap, &snapshot).into()),
            Next::Ended => None,
        })
    }

    fn jobs(&self) -> Vec<JobId> {
        vec![self.job().clone()]
    }

    fn position(&self) -> EventId {
        self.cursor()
    }

    fn waiting(&self) -> Vec<(JobId, u32)> {
        self.queue_position().into_iter().collect()
    }

    fn place(_: &JobId, position: u32) -> Bytes {
        control::queue(position)
    }
}

/// After how many seconds of silence the reader wants to hear something, where it says so. What is no such
/// number is passed over, as everything is that a stream does not know.
pub(super) fn keep_alive_s(query: &Query) -> Option<NonZeroU16> {
    let seconds: NonZeroU16 = query.get("keepalive")?.parse().ok()?;
    (seconds <= LONGEST_KEEP_ALIVE_S).then_some(seconds)
}

fn keep_alive(options: &Options, query: &Query) -> Duration {
    let seconds = keep_alive_s(query);
    seconds.map_or(options.keep_alive, |seconds| Duration::from_secs(seconds.get().into()))
}

/// The silence after which the reader hears that the stream is alive, as `hello` says it: a client need not
/// learn it from waiting.
pub(super) fn keep_alive_ms(options: &Options, query: &Query) -> u64 {
    u64::try_from(keep_alive(options, query).as_millis()).unwrap_or(u64::MAX)
}

/// When a stream says something although nothing happened.
#[derive(Debug)]
pub(super) struct Pace {
    keep_alive: Duration,
    pub(super) keep_alive_as_event: bool,
    pub(super) ends_at: Instant,
    pub(super) right: Right,
    crowd: Crowd,
}

impl Pace {
    pub(super) fn new(options: &Options, query: &Query, right: Right, crowd: Crowd) -> Self {
        let age = options.max_stream_age;
        let age = jitter(age * 3 / 4..age.max(Duration::from_millis(4)));
        Self {
            keep_alive: keep_alive(options, query),
            keep_alive_as_event: query.get("keepalive") == Some("event"),
            ends_at: Instant::now() + right.lasts.map_or(age, |lasts| lasts.min(age)),
            right,
            crowd,
        }
    }
}

/// The response of a stream: what it opens with, then what its reader gives. It counts to its
/// client's streams until it ends.
pub(super) fn respond<R: Reader>(
    call: &Call,
    pace: Pace,
    opening: VecDeque<Bytes>,
    reader: R,
    held: Held,
) -> Response {
    let draining = call.draining.clone();
    let jobs = reader.jobs();
    let span = match jobs.as_slice() {
        [only] => job_span(only.as_str(), "deliver"),
        _ => TraceId::random().span("deliver"),
    };
    let seat = call.readers.sit_down(jobs, Transport::Stream, reader.position());
    let session = Session::new(reader, opening, pace, draining);
    let session = (Session { seat: Some(seat), ..session }, held, span);
    let body = Body::from_stream(stream::unfold(session, |mut session| async move {
        let bytes = session.0.next().await?;
        Some((Ok::<_, Infallible>(bytes), session))
    }));
    as_stream(body)
}

pub(super) fn as_stream(body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// One connection that streams.
struct Session<R> {
    reader: R,
    /// Where others see that it reads; nothing in tests.
    seat: Option<Seat>,
    /// Bytes that are ready to go.
    waiting: VecDeque<Bytes>,
    pace: Pace,
    /// One timer for everything; it is set again only when it has fired, so that an event costs no
    /// timer.
    timer: Pin<Box<Sleep>>,
    spoke_at: Instant,
    /// The places that the reader was told, of those that still wait.
    told_places: HashMap<JobId, u32>,
    /// Kept as the next one is.
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Kept over events, so that an event does not register all readers with one lock again.
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    drain_at: Option<Instant>,
    is_over: bool,
}

impl<R: Reader> Session<R> {
    fn new(reader: R, opening: VecDeque<Bytes>, pace: Pace, draining: CancellationToken) -> Self {
        let now = Instant::now();
        Self {
            reader,
            seat: None,
            waiting: opening,
            timer: Box::pin(sleep_until(now + pace.keep_alive.min(QUEUE_PACE))),
            revoked: Box::pin(pace.right.revoked.clone().cancelled_owned()),
            pace,
            spoke_at: now,
            told_places: HashMap::new(),
            draining: Box::pin(draining.cancelled_owned()),
            drain_at: None,
            is_over: false,
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.waiting.pop_front() {
                self.spoke_at = Instant::now();
                self.look_at_timer(self.spoke_at);
                return Some(bytes);
            }
            if self.is_over {
                return None;
            }
            tokio::select! {
                biased;
                () = &mut self.revoked => self.say_bye(Farewell::Revoked),
                () = &mut self.draining, if self.drain_at.is_none() => self.begin_to_drain(),
                read = self.reader.next() => match read {
                    Ok(Some(bytes)) => {
                        self.waiting.extend(bytes);
                        if let Some(seat) = &self.seat {
                            seat.moves_to(self.reader.position());
                        }
                    }
                    Ok(None) => return None,
                    Err(error) => {
                        tracing::debug!(%error, "a reader waits for the database");
                        tokio::time::sleep(LOOK_AGAIN).await;
                        self.look_at_timer(Instant::now());
                    }
                },
                () = &mut self.timer => self.on_timer(Instant::now()),
            }
        }
    }

    /// A reader that always has more, or always fails, would keep the timer from being looked at:
    /// its stream could neither reach its age nor say goodbye.
    fn look_at_timer(&mut self, now: Instant) {
        if self.timer.deadline() <= now && !self.is_over {
            self.on_timer(now);
        }
    }

    fn begin_to_drain(&mut self) {
        let at = Instant::now() + jitter(Duration::ZERO..DRAIN);
        self.drain_at = Some(at);
        let at = at.min(self.timer.deadline());
        self.timer.as_mut().reset(at);
    }

    fn on_timer(&mut self, now: Instant) {
        if self.drain_at.is_some_and(|at| at <= now) {
            self.say_bye(Farewell::Draining);
        } else if self.pace.ends_at <= now {
            self.say_bye(Farewell::MaxAge);
        } else if self.spoke_at + self.pace.keep_alive <= now {
            self.waiting.push_back(control::keep_alive(self.pace.keep_alive_as_event));
            self.spoke_at = now;
        }
        let mut next = (self.spoke_at + self.pace.keep_alive).min(self.pace.ends_at);
        let waiting = self.reader.waiting();
        if !waiting.is_empty() {
            next = next.min(now + QUEUE_PACE);
        }
        self.tell_places(waiting);
        self.timer.as_mut().reset(self.drain_at.map_or(next, |at| at.min(next)));
    }

    fn tell_places(&mut self, waiting: Vec<(JobId, u32)>) {
        let mut told = HashMap::with_capacity(waiting.len());
        for (job, position) in waiting {
            if self.told_places.get(&job) != Some(&position) && !self.is_over {
                self.waiting.push_back(R::place(&job, position));
            }
            told.insert(job, position);
        }
        self.told_places = told;
    }

    fn say_bye(&mut self, reason: Farewell) {
        let readers = if reason == Farewell::Draining { self.pace.crowd.count() } else { 0 };
        self.waiting.extend(self.reader.farewell(reason, readers));
        self.is_over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that always has more, or whose database never answers.
    struct Busy {
        has_more: bool,
    }

    impl Reader for Busy {
        async fn next(&mut self) -> Result<Option<Vec<Bytes>>, DbError> {
            tokio::time::advance(Duration::from_millis(100)).await;
            if self.has_more {
                return Ok(Some(vec![Bytes::from_static(b"event: x\n\n")]));
            }
            Err(sqlx::Error::PoolTimedOut.into())
        }

        fn jobs(&self) -> Vec<JobId> {
            Vec::new()
        }

        fn position(&self) -> EventId {
            EventId::ZERO
        }

        fn waiting(&self) -> Vec<(JobId, u32)> {
            Vec::new()
        }

        fn place(_: &JobId, position: u32) -> Bytes {
            control::queue(position)
        }
    }

    fn session(has_more: bool, draining: &CancellationToken) -> Session<Busy> {
        let options = Options { max_stream_age: Duration::from_secs(4), ..Options::default() };
        let pace = Pace::new(&options, &Query::default(), Right::default(), Crowd::default());
        Session::new(Busy { has_more }, VecDeque::new(), pace, draining.clone())
    }

    /// Whether the stream ends with a goodbye for this reason.
    fn says_bye(text: &str, reason: &str) -> bool {
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        last.starts_with(&format!("event: bye\ndata: {{\"reason\":\"{reason}\",\"retry_ms\":"))
    }

    async fn all(mut session: Session<Busy>) -> String {
        let mut text = String::new();
        while let Some(bytes) = session.next().await {
            text += std::str::from_utf8(&bytes).unwrap();
        }
        text
    }

    #[test]
    fn a_reader_may_ask_for_another_silence_within_bounds() {
        let of = |text: &str| keep_alive_ms(&Options::default(), &Query::of_stream(Some(text)));
        let usual = 5_000;
        assert_eq!((of("keepalive=1"), of("keepalive=600")), (1_000, 600_000));
        for text in ["", "keepalive=event", "keepalive=0", "keepalive=601", "keepalive=-1"] {
            assert_eq!(of(text), usual, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_always_has_more_reaches_its_age() {
        let text = all(session(true, &CancellationToken::new())).await;
        assert_eq!(text.matches("event: bye").count(), 1, "{text}");
        assert!(says_bye(&text, "max_age"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_always_has_more_says_goodbye_when_the_server_goes_down() {
        let draining = CancellationToken::new();
        let session = session(true, &draining);
        draining.cancel();
        let start = Instant::now();
        let text = all(session).await;
        assert!(says_bye(&text, "draining"), "{text}");
        assert!(start.elapsed() <= DRAIN + Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_over_a_database_that_is_down_still_says_that_it_lives_and_ends() {
        let mut session = session(false, &CancellationToken::new());
        session.pace.keep_alive = Duration::from_secs(1);
        let text = all(session).await;
        assert!(text.contains(": keep-alive\n\n"), "{text}");
        assert!(says_bye(&text, "max_age"), "{text}");
    }
}
