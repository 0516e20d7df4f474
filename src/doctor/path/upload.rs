//! One long push, as a worker makes it, and when its lines are there.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::stream;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method};
use serde_json::json;
use tokio::sync::mpsc;

use super::job::{self, Job};
use super::pace::{EVENT, data};
use super::way::{ANSWER, Way, reason};

/// How many lines.
pub(super) const LINES: u64 = 8;

/// How far they are from each other.
const STEP: Duration = Duration::from_millis(250);

/// How long the last line is looked for before the push ends.
const LAST: Duration = Duration::from_secs(1);

/// How often it is looked what is there.
const LOOK: Duration = Duration::from_millis(100);

/// What came of a long push.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Uploaded {
    /// How many of the lines were there while the push was still open.
    pub(super) while_open: u64,
    /// How late the line was that took longest, of those.
    pub(super) most_late: Duration,
    /// The status of the push, or why there is none.
    pub(super) answer: Result<u16, String>,
    /// How many events were there by a look afterwards.
    pub(super) afterwards: u64,
    /// What the header of a look said, where a cache was asked.
    pub(super) cached: Option<String>,
}

/// Pushes lines over one request through the proxy, and looks for them meanwhile by pages, which no
/// proxy holds back for long.
///
/// # Errors
/// When the job cannot be made.
pub(super) async fn run(maker: &Way, through: &Way) -> Result<Uploaded, String> {
    let job = Job::make(maker, Duration::from_secs(60)).await?;
    let (sender, receiver) = mpsc::channel::<String>(4);
    let body = stream::unfold(receiver, |mut lines| async move {
        let line = lines.recv().await?;
        Some((Ok::<_, Infallible>(line + "\n"), lines))
    });
    let request = through.request(Method::POST, &job.ingest());
    let request = request.header(CONTENT_TYPE, "application/x-ndjson");
    let request = request.body(Body::wrap_stream(body)).timeout(ANSWER);
    let push = async {
        match request.send().await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(reason(&error)),
        }
    };
    let looks = write_and_look(sender, through, &job);
    let (answer, (while_open, most_late)) = tokio::join!(push, looks);
    let (afterwards, cached) = look(through, &job).await.unwrap_or_default();
    job.cancel().await;
    Ok(Uploaded { while_open, most_late, answer, afterwards, cached })
}

/// Writes the lines at their pace; how many of them were seen while the request was open, and how late.
async fn write_and_look(lines: mpsc::Sender<String>, through: &Way, job: &Job) -> (u64, Duration) {
    let mut sent = Vec::new();
    let (mut seen, mut most_late) = (0, Duration::ZERO);
    let begin = Instant::now();
    let until = begin + STEP * u32::try_from(LINES).unwrap_or_default() + LAST;
    while Instant::now() < until && seen < LINES {
        let due = u128::from(LINES).min(1 + begin.elapsed().as_millis() / STEP.as_millis());
        while (sent.len() as u128) < due {
            let number = sent.len() as u64 + 1;
            if lines.send(job::line(EVENT, number, &data(number))).await.is_err() {
                return (seen, most_late);
            }
            sent.push(Instant::now());
        }
        let asked = Instant::now();
        let there =
            look(through, job).await.map_or(seen, |(there, _)| there).min(sent.len() as u64);
        for at in sent.iter().take(there as usize).skip(seen as usize) {
            most_late = most_late.max(asked.saturating_duration_since(*at));
        }
        seen = seen.max(there);
        tokio::time::sleep(LOOK).await;
    }
    (seen, most_late)
}

/// How many of our events are there, always by the same address, and what a cache said of it.
async fn look(through: &Way, job: &Job) -> Option<(u64, Option<String>)> {
    let request = through.bare(Method::GET, &job.events("after=0")).timeout(ANSWER);
    let response = request.send().await.ok()?;
    let header = |name: &str| {
        let value = response.headers().get(name)?.to_str().ok()?;
        Some(format!("{name}: {value}"))
    };
    let is_hit = |text: &String| text.to_ascii_lowercase().contains("hit");
    let cached = header("age").filter(|age| age != "age: 0");
    let cached = cached.or_else(|| {
        ["x-cache", "cf-cache-status", "x-cache-status"].into_iter().find_map(header).filter(is_hit)
    });
    let page: serde_json::Value = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
    let events = page["events"].as_array()?;
    let ours = events.iter().filter(|event| event["type"] == json!(EVENT)).count();
    Some((ours as u64, cached))
}
