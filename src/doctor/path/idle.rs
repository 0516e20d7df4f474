//! Streams that say nothing, streams that only say that they live, and an answer that is held.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use super::super::Screen;
use super::job::Job;
use super::listen::{End, Heard, Listener};
use super::way::{ANSWER, AS_IT_IS, Way, reason};

/// The longest that a server holds a poll (P21).
pub(super) const LONGEST_POLL: Duration = Duration::from_secs(25);

/// How much longer than it is watched a stream is to be silent.
const MORE: Duration = Duration::from_secs(15);

/// What became of a stream that was only watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was still there.
    Lives,
    /// It was cut: after how much time, and how.
    Cut(Duration, String),
    /// The server itself said goodbye: why.
    Bye(String),
    /// It never began: why.
    Refused(String),
}

/// What became of an answer that the server held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// How long it was to be held.
    pub(super) wanted: Duration,
    /// How long it took.
    pub(super) took: Duration,
    /// Its status, or why there was none.
    pub(super) answer: Result<u16, String>,
}

/// What was seen by waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Idle {
    /// How long was watched.
    pub(super) watched: Duration,
    /// After how much silence a stream says that it lives, as the server has it.
    pub(super) keep_alive: Option<Duration>,
    /// The stream that says nothing; none where the server does not keep silent for so long.
    pub(super) silent: Option<Fate>,
    /// The stream that says that it lives.
    pub(super) steady: Fate,
    /// How many keep-alives came over it.
    pub(super) keep_alives: usize,
    pub(super) held: Held,
}

/// Watches for so long.
///
/// # Errors
/// When the job cannot be made.
pub(super) async fn run(
    maker: &Way,
    through: &Way,
    watched: Duration,
    screen: &dyn Screen,
) -> Result<Idle, String> {
    let job = Job::make(maker, watched + Duration::from_secs(120)).await?;
    let silence = watched + MORE;
    let open = |query: &str| Listener::open(through.stream(&job.stream(query), AS_IT_IS));
    let mut silent = open(&format!("keepalive={}", silence.as_secs()));
    let mut steady = open("");
    let is_over = |heard: &Heard| heard.end.is_some();
    let begin = Instant::now();
    let watching = async {
        let show = async {
            loop {
                screen.progress(begin.elapsed(), watched);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let both = async {
            tokio::join!(silent.until(watched, is_over), steady.until(watched, is_over));
        };
        tokio::select! {
            () = both => {}
            () = show => {}
        }
    };
    let ((), held) = tokio::join!(watching, hold(maker, through, &job, watched));
    let (silent, steady) = (silent.heard(), steady.heard());
    job.cancel().await;
    let keep_alive = |heard: &Heard| {
        let hello = heard.data("hello")?;
        hello["keep_alive_ms"].as_u64().map(Duration::from_millis)
    };
    // A server of before does not know the parameter. Where hello did not come, the rest tells.
    let was_silent = keep_alive(&silent).is_none_or(|told| told >= watched);
    Ok(Idle {
        watched,
        keep_alive: keep_alive(&steady),
        silent: was_silent.then(|| fate(&silent, Heard::silent_before_end)),
        steady: fate(&steady, |heard| Some(heard.end.as_ref()?.0 - heard.asked)),
        keep_alives: steady.keep_alives,
        held,
    })
}

fn fate(heard: &Heard, age: impl Fn(&Heard) -> Option<Duration>) -> Fate {
    let status = heard.head.as_ref().map(|head| head.status);
    let Some((_, end)) = &heard.end else { return Fate::Lives };
    if let Some(bye) = heard.data("bye") {
        return Fate::Bye(bye["reason"].as_str().unwrap_or("no reason").to_owned());
    }
    let age = age(heard).unwrap_or_default();
    match (status, end) {
        (Some(200), End::Whole) => Fate::Cut(age, "the answer ended".to_owned()),
        (Some(200), End::Broken(_)) => Fate::Cut(age, "the connection was closed".to_owned()),
        // Who waits for the server's first bytes gives up by such a status.
        (Some(status @ (408 | 502 | 504 | 524)), _) => Fate::Cut(age, format!("status {status}")),
        (Some(status), _) => Fate::Refused(format!("status {status}")),
        (None, End::Broken(why)) if age > Duration::from_secs(2) => Fate::Cut(age, why.clone()),
        (None, End::Broken(why)) => Fate::Refused(why.clone()),
        (None, End::Whole) => Fate::Refused("there was no answer".to_owned()),
    }
}

/// Asks for events that do not come, and has the server hold the answer.
async fn hold(maker: &Way, through: &Way, job: &Job, watched: Duration) -> Held {
    let wanted = LONGEST_POLL.min(watched);
    let first = super::job::answer(maker.request(Method::GET, &job.events("after=0"))).await;
    let next = first.as_ref().ok().and_then(|page| page["next"].as_u64()).unwrap_or_default();
    let query = format!("after={next}&wait={}", wanted.as_secs());
    let asked = Instant::now();
    let request = through.bare(Method::GET, &job.events(&query)).timeout(wanted + ANSWER);
    let answer = async {
        let response = request.send().await.map_err(|error| reason(&error))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| reason(&error))?;
        let is_page =
            serde_json::from_slice::<Value>(&body).is_ok_and(|page| page["events"].is_array());
        if status == 200 && !is_page {
            return Err("something else than events".to_owned());
        }
        Ok(status)
    };
    let answer = answer.await;
    Held { wanted, took: asked.elapsed(), answer }
}
