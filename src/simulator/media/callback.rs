//! Callbacks: who is told what when, and how often it is tried.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::event::now_ms;
use crate::simulator::markers::Marker;

use super::desk::Desk;
use super::task::Task;

/// How long a receiver may take, in real time.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Between two callbacks about progress, at a real provider's pace, and at least.
const PROGRESS: Duration = Duration::from_secs(5);
const SHORTEST_PROGRESS: Duration = Duration::from_millis(50);

/// What a callback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The work begins to be made.
    Running,
    /// It has come further.
    Progress,
    /// The output is there.
    Output,
    /// It is over.
    Over,
    /// Somebody else says that it has failed.
    Forged,
}

/// One callback.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// How a provider writes callbacks, and when it tries again, in seconds of its own.
#[derive(Clone, Copy)]
pub(super) struct Mail {
    /// The callback on an occasion; none when there is none.
    pub(super) write: fn(&Desk, &Task, Occasion) -> Option<Letter>,
    /// The waits between attempts to tell that it is over.
    pub(super) retries: &'static [u64],
}

/// Sends callbacks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    client: reqwest::Client,
    stop: CancellationToken,
}

impl Caller {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(stop: CancellationToken) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent("tailwater-simulator")
            .build()?;
        Ok(Self { client, stop })
    }

    /// Posts a letter; the body of the answer if that is 2xx.
    pub(super) async fn post(&self, letter: &Letter) -> Option<Bytes> {
        let mut request = self.client.post(&letter.url).header("content-type", "application/json");
        for (name, value) in &letter.headers {
            request = request.header(*name, value);
        }
        let response = request.body(letter.body.clone()).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        response.bytes().await.ok()
    }
}

/// Now, in Unix seconds: what signatures are made over.
pub(super) fn now_seconds() -> i64 {
    now_ms() / 1000
}

/// Follows a task to its end and tells its owner, if there is an address to tell.
pub(super) fn follow(desk: &Arc<Desk>, task: &Arc<Task>, mail: Mail) {
    if task.order.callback.is_none() || task.has(Marker::LostWebhook) {
        return;
    }
    let stop = desk.caller.stop.clone();
    let (desk, task) = (desk.clone(), task.clone());
    tokio::spawn(stop.run_until_cancelled_owned(async move { tell(&desk, &task, mail).await }));
}

async fn tell(desk: &Desk, task: &Task, mail: Mail) {
    task.running().await;
    if task.has(Marker::ForgedWebhook) {
        send(desk, task, mail, Occasion::Forged).await;
    }
    send(desk, task, mail, Occasion::Running).await;
    let period = desk.scaled(PROGRESS).max(SHORTEST_PROGRESS);
    loop {
        tokio::select! {
            () = task.over() => break,
            () = sleep(period) => send(desk, task, mail, Occasion::Progress).await,
        }
    }
    send(desk, task, mail, Occasion::Output).await;
    let Some(letter) = (mail.write)(desk, task, Occasion::Over) else { return };
    let times = if task.has(Marker::TwiceWebhook) { 2 } else { 1 };
    for _ in 0..times {
        insist(desk, &letter, mail.retries).await;
    }
}

/// Sends what is not worth a second attempt.
async fn send(desk: &Desk, task: &Task, mail: Mail, occasion: Occasion) {
    if let Some(letter) = (mail.write)(desk, task, occasion) {
        attempt(desk, &letter).await;
    }
}

/// Sends until it arrives, or until the provider gives up.
async fn insist(desk: &Desk, letter: &Letter, retries: &[u64]) {
    for wait in retries {
        if attempt(desk, letter).await {
            return;
        }
        sleep(desk.scaled(Duration::from_secs(*wait))).await;
    }
    attempt(desk, letter).await;
}

async fn attempt(desk: &Desk, letter: &Letter) -> bool {
    let arrived = desk.caller.post(letter).await.is_some();
    desk.tally.count(|counts| {
        let count = if arrived { &mut counts.callbacks } else { &mut counts.callbacks_refused };
        *count += 1;
    });
    arrived
}
