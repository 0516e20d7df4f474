//! Claims about what jobs hold on their way through the queue.

use serde_json::json;

use super::*;
use crate::credits::DEFAULT_ACCOUNT;
use crate::db::credits::{Balance, OpenAccount};
use crate::db::home::Home;
use crate::db::operations::Intend;
use crate::db::projects::Room;
use crate::event::now_ms;
use crate::event::payload::End;
use crate::job::{Kind, Status};
use crate::store::{self, Journal};
use submit::Media;

/// A queue over a database of its own, whose account has 100 micro-credits.
struct Rig {
    queue: Queue,
    stop: CancellationToken,
    journal: tokio::task::JoinHandle<()>,
    _home: Home,
}

impl Rig {
    async fn new() -> Self {
        let home = Home::new().await;
        let (db, mut writer, _) = home.open().await;
        let epochs = writer.begin_epoch(now_ms()).await.unwrap();
        let (journal, feed) = Journal::new(epochs.last_committed());
        let store = Store::new(db, epochs, store::Options::default(), journal);
        let stop = CancellationToken::new();
        let journal = tokio::spawn(store.clone().run_journal(writer, feed, stop.clone()));
        let account = OpenAccount { account: DEFAULT_ACCOUNT.into(), demo: 100, now: 1 };
        assert!(store.journal().change(account).await.unwrap());
        let queue = Queue::new(store, Room::default(), CancellationToken::new());
        Self { queue, stop, journal, _home: home }
    }

    async fn balance(&self) -> Balance {
        self.queue.store().db().balance(DEFAULT_ACCOUNT).await.unwrap().unwrap()
    }

    async fn close(self) {
        self.stop.cancel();
        self.journal.await.unwrap();
    }
}

fn video(prompt: &str, hold: i64) -> Task {
    Task {
        kind: Kind::Video,
        input: json!({ "prompt": prompt }),
        media: Some(Media {
            model: "veo".into(),
            lane: "fal".into(),
            hold,
            media_type: "video/mp4".into(),
        }),
        project_id: "p".into(),
        priority: 0,
        idempotency_key: None,
        allow_duplicate: false,
        retry_of: None,
        silence_limit_ms: None,
        chat: None,
        webhook: None,
    }
}

#[tokio::test]
async fn a_job_holds_its_estimate_until_it_completes_at_its_cost() {
    let rig = Rig::new().await;
    let first = rig.queue.submit(video("tides", 60)).await.unwrap();
    assert_eq!((first.job.hold, first.job.cost), (60, None));
    assert!(rig.queue.submit(video("tides", 60)).await.unwrap().deduplicated);
    let short = rig.queue.submit(video("storms", 41)).await.unwrap_err();
    assert_eq!(short, SubmitError::Short { available: 40, needed: 41 });
    assert_eq!(rig.balance().await.held, 60);
    let log = rig.queue.store().open(&first.job.id).await.unwrap().unwrap();
    let late = rig.queue.complete(&log, 1, json!({}), Some(45)).await;
    assert!(matches!(late, Err(EndError::Fenced { current: 0 })));
    assert_eq!(rig.balance().await.held, 60);
    let ended = rig.queue.complete(&log, 0, json!({}), Some(45)).await.unwrap();
    assert_eq!(ended, Ended::Now);
    let again = rig.queue.end(&log, None, End::failed("x", "x", false)).await.unwrap();
    assert_eq!(again, Ended::Before(Status::Completed));
    let paid = Balance { available: 55, held: 0, granted: 100, captured: 45 };
    assert_eq!(rig.balance().await, paid);
    rig.close().await;
}

#[tokio::test]
async fn a_job_that_is_canceled_gives_back_what_it_held() {
    let rig = Rig::new().await;
    let job = rig.queue.submit(video("tides", 100)).await.unwrap().job;
    assert_eq!(rig.balance().await.available, 0);
    assert_eq!(rig.queue.cancel(&job.id, "no more").await.unwrap(), Ended::Now);
    assert_eq!(rig.balance().await, Balance { available: 100, granted: 100, ..Balance::default() });
    rig.queue.submit(video("tides", 100)).await.unwrap();
    rig.close().await;
}

/// A job of a project with a priority; gives its id.
async fn put(rig: &Rig, project: &str, prompt: &str, priority: i32) -> crate::job::JobId {
    let task = Task { project_id: project.into(), priority, ..video(prompt, 0) };
    rig.queue.submit(task).await.unwrap().job.id
}

/// Claims everything of a lane, and gives the prompts in that order.
async fn order(rig: &Rig, lane: &str) -> Vec<String> {
    let mut order = Vec::new();
    while let Some(claimed) = rig.queue.claim(lane, &[]).await.unwrap() {
        order.push(claimed.job.input["prompt"].as_str().unwrap().to_owned());
    }
    order
}

#[tokio::test]
async fn an_urgent_job_of_a_batch_moves_nobody_behind_the_batch() {
    let rig = Rig::new().await;
    for number in 0..4 {
        put(&rig, "batch", &format!("batch {number}"), 0).await;
    }
    put(&rig, "batch", "urgent", 10).await;
    let first = rig.queue.claim("fal", &[]).await.unwrap().unwrap();
    assert_eq!(first.job.input["prompt"], "urgent");
    put(&rig, "single", "single", 0).await;
    let order = order(&rig, "fal").await;
    assert_eq!(order[..3], ["batch 0", "single", "batch 1"]);
    rig.close().await;
}

#[tokio::test]
async fn jobs_that_move_to_another_lane_keep_their_distance_to_its_turn() {
    let rig = Rig::new().await;
    for number in 0..5 {
        put(&rig, "batch", &format!("old {number}"), 0).await;
    }
    // The provider's lane is at turn 4; the model's own one begins at 0.
    order(&rig, "fal").await;
    put(&rig, "batch", "moved 0", 0).await;
    put(&rig, "batch", "moved 1", 0).await;
    rig.queue.relane([("veo".to_owned(), "veo".to_owned())].into()).await.unwrap();
    for (project, prompt) in [("one", "new 0"), ("one", "new 1"), ("batch", "last")] {
        let mut task = Task { project_id: project.into(), ..video(prompt, 0) };
        task.media.as_mut().unwrap().lane = "veo".into();
        rig.queue.submit(task).await.unwrap();
    }
    assert_eq!(order(&rig, "veo").await, ["new 0", "moved 0", "new 1", "moved 1", "last"]);
    rig.close().await;
}

#[tokio::test]
async fn a_job_whose_model_is_gone_ends_and_holds_nothing() {
    let rig = Rig::new().await;
    let job = rig.queue.submit(video("tides", 60)).await.unwrap().job;
    rig.queue.relane(HashMap::new()).await.unwrap();
    let row = rig.queue.store().db().job(&job.id).await.unwrap().unwrap();
    assert_eq!(row.status, Status::Failed);
    assert!(matches!(row.end, Some(End::Failed(failed)) if failed.code == "unknown_model"));
    assert_eq!(rig.balance().await.held, 0);
    rig.close().await;
}

#[tokio::test]
async fn what_is_under_way_at_a_provider_goes_on_before_anything_urgent_is_started() {
    let rig = Rig::new().await;
    put(&rig, "p", "fresh", 0).await;
    put(&rig, "p", "under way", 0).await;
    let fresh = rig.queue.claim("fal", &[]).await.unwrap().unwrap();
    let under_way = rig.queue.claim("fal", &[]).await.unwrap().unwrap();
    let intend = Intend {
        job: under_way.job.id.clone(),
        attempt: 1,
        provider: "fal".into(),
        token: String::new().into(),
        now: 1,
    };
    rig.queue.store().journal().change(intend).await.unwrap();
    fresh.hand_back().await.unwrap();
    under_way.hand_back().await.unwrap();
    put(&rig, "p", "urgent", 100).await;
    assert_eq!(order(&rig, "fal").await, ["under way", "urgent", "fresh"]);
    rig.close().await;
}
