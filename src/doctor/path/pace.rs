//! Events at a known pace, and when readers have them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::job::{Job, Pushed};
use super::listen::{Heard, Listener};
use super::way::{AS_A_BROWSER, AS_IT_IS, Way};

/// How many events.
pub(super) const EVENTS: u64 = 16;

/// How far they are from each other.
pub(super) const STEP: Duration = Duration::from_millis(200);

/// How long a stream may take to say hello before it is gone on without.
const HELLO: Duration = Duration::from_secs(3);

/// How long the last events may take before the job is ended.
const LAST: Duration = Duration::from_millis(1_500);

/// How long the streams may take to end when their job has.
const END: Duration = Duration::from_secs(5);

/// The name of our events.
pub(super) const EVENT: &str = "doctor";

/// What was pushed, and what was heard of it.
#[derive(Debug)]
pub(super) struct Paced {
    pub(super) job: Job,
    pub(super) pushed: Vec<Pushed>,
    /// The end of the job, as an event.
    pub(super) over: Pushed,
    /// When it was about to be pushed.
    pub(super) ending: Instant,
    /// By who takes a packed stream, as browsers do.
    pub(super) browser: Heard,
    /// By who takes bytes as they are.
    pub(super) reader: Heard,
    /// By who does not go through the proxy.
    pub(super) straight: Option<Heard>,
}

/// The data of an event, which has to come as it was pushed.
pub(super) fn data(number: u64) -> Value {
    json!({ "number": number, "text": "As pushed: 1 < 2 & “three”,\n\tfour \\ five." })
}

/// Pushes events at their pace while they are read through the proxy.
///
/// # Errors
/// When the job cannot be made, or its events cannot be pushed.
pub(super) async fn run(
    maker: &Way,
    through: &Way,
    straight: Option<&Way>,
) -> Result<Paced, String> {
    let job = Job::make(maker, Duration::from_secs(60)).await?;
    let open = |way: &Way, encoding| Listener::open(way.stream(&job.stream(""), encoding));
    let mut browser = open(through, AS_A_BROWSER);
    let mut reader = open(through, AS_IT_IS);
    let mut straight = straight.map(|way| open(way, AS_IT_IS));
    let greeted = |heard: &Heard| !heard.pieces.is_empty();
    tokio::join!(browser.until(HELLO, greeted), reader.until(HELLO, greeted));
    let pushed = match push_all(&job).await {
        Ok(pushed) => pushed,
        Err(error) => {
            job.cancel().await;
            return Err(error);
        }
    };
    let count =
        |heard: &Heard| heard.events.iter().filter(|came| is_ours(&came.message.event)).count();
    reader.until(LAST, |heard| count(heard) as u64 >= EVENTS).await;
    let ending = Instant::now();
    let over = job.push("completed", EVENTS + 1, &json!({})).await?;
    let until = Instant::now() + END;
    let listeners = [Some(&mut browser), Some(&mut reader), straight.as_mut()];
    for listener in listeners.into_iter().flatten() {
        let left = until.saturating_duration_since(Instant::now());
        listener.until(left, |heard| heard.end.is_some()).await;
    }
    Ok(Paced {
        job,
        pushed,
        over,
        ending,
        browser: browser.heard(),
        reader: reader.heard(),
        straight: straight.map(|listener| listener.heard()),
    })
}

async fn push_all(job: &Job) -> Result<Vec<Pushed>, String> {
    let mut pace = tokio::time::interval(STEP);
    let mut pushed = Vec::new();
    for number in 1..=EVENTS {
        pace.tick().await;
        pushed.push(job.push(EVENT, number, &data(number)).await?);
    }
    Ok(pushed)
}

pub(super) fn is_ours(event: &str) -> bool {
    event == EVENT
}
