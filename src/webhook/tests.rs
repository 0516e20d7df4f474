//! Webhooks over real sockets and a real database, with delays of milliseconds.

use super::*;
use std::collections::VecDeque;
use std::net::Ipv4Addr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::db::ends::Finish;
use crate::db::home::Home;
use crate::db::jobs::{Submit, Submitted};
use crate::db::webhooks::{Filter, Status};
use crate::db::{self, Conn, Db, sql};
use crate::event::EventId;
use crate::event::payload::End;
use crate::signing::Key;
use crate::store::{self, Journal};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Delays that nobody waits for.
const MANY: [Duration; 60] = [Duration::from_millis(1); 60];
const SHORT: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(2)];

/// A request as a receiver got it.
#[derive(Debug)]
struct Got {
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// How a receiver answers.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Status(u16),
    Redirect,
    Never,
    /// 200, and a body without end.
    Endless,
}

/// Receives webhooks: these answers first, then the last one for ever.
struct Receiver {
    url: String,
    got: mpsc::Receiver<Got>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

type Desk = (mpsc::Sender<Got>, Arc<Mutex<VecDeque<Answer>>>);

async fn receive(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    desk.0.send(Got { headers, body }).await.unwrap();
    let answer = {
        let mut answers = desk.1.lock().unwrap();
        if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() }
    };
    match answer.unwrap() {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        Answer::Never => std::future::pending().await,
        Answer::Endless => {
            let endless = futures_util::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]))
            });
            Body::from_stream(endless).into_response()
        }
    }
}

impl Receiver {
    async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let (sender, got) = mpsc::channel(100);
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let router = Router::new().fallback(receive).with_state((sender, Arc::clone(&answers)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook?key=secret", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got, answers }
    }

    async fn next(&mut self) -> Got {
        tokio::time::timeout(PATIENCE, self.got.recv()).await.expect("it is told").unwrap()
    }

    fn answer_from_now_on(&self, answer: Answer) {
        *self.answers.lock().unwrap() = VecDeque::from([answer]);
    }
}

#[derive(Debug)]
struct Plain;

impl Words for Plain {
    fn message(&self, job: &Job, _: &[ArtifactRow], at: i64) -> Value {
        json!({ "id": job.id, "status": job.status, "at": at })
    }
}

/// Webhooks that run.
struct Rig {
    _home: Home,
    db: Db,
    webhooks: Webhooks,
    draining: CancellationToken,
    running: JoinHandle<()>,
}

impl Rig {
    async fn start(change: impl FnOnce(&mut Options)) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let home = Home::new().await;
        let (db, mut writer, _) = home.open().await;
        let epochs = writer.begin_epoch(now_ms()).await.unwrap();
        let (journal, feed) = Journal::new(epochs.last_committed());
        let store = Store::new(db.clone(), epochs, store::Options::default(), journal);
        tokio::spawn(store.clone().run_journal(writer, feed, CancellationToken::new()));
        let mut options = Options {
            may_be_private: true,
            delays: &SHORT,
            look: Duration::from_millis(5),
            ..Options::new(Signer::parse(SECRET).unwrap())
        };
        change(&mut options);
        let outward = Arc::new(Outward::new().unwrap());
        let webhooks = Webhooks::new(store, outward, Arc::new(Plain), Arc::default(), options);
        let draining = CancellationToken::new();
        let running = tokio::spawn(webhooks.clone().run(draining.clone()));
        Self { _home: home, db, webhooks, draining, running }
    }

    /// A job of which this address is told, and its end.
    async fn ended_job(&self, url: &str) -> crate::job::JobId {
        let submit = Submit {
            accounts: vec!["default".into()],
            webhook: Some(url.into()),
            ..Submit::sample(Job::sample())
        };
        let journal = self.webhooks.shared.store.journal();
        let Submitted::New(job) = journal.change(submit).await.unwrap() else {
            panic!("it is new")
        };
        let end = End::Completed(json!({}));
        let finish = Finish { job: job.id.clone(), attempt: None, end, cost: None, now: now_ms() };
        journal.change_after(EventId::ZERO, finish).await.unwrap();
        self.webhooks.shared.due.notify_one();
        job.id
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        self.db.webhooks(&Filter { limit: 100, ..Filter::default() }).await.unwrap()
    }

    /// Waits until every delivery is as it is wanted.
    async fn until(&self, is_wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let found = async {
            loop {
                let deliveries = self.deliveries().await;
                if deliveries.iter().all(&is_wanted) {
                    return deliveries;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("it comes to that")
    }

    async fn until_over(&self) -> Delivery {
        self.until(|delivery| delivery.status != Status::Pending).await.remove(0)
    }
}

#[tokio::test]
async fn an_end_is_told_once_and_signed() {
    let mut receiver = Receiver::start([Answer::Status(204)]).await;
    let rig = Rig::start(|_| {}).await;
    let job = rig.ended_job(&receiver.url).await;
    let got = receiver.next().await;
    assert_eq!(got.header("content-type"), "application/json");
    let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    assert_eq!(format!("job_{}", id.strip_prefix("msg_").unwrap()), job.as_str());
    assert!((now_ms() / 1000 - at.parse::<i64>().unwrap()).abs() < 60, "{at}");
    let key = Key::parse(SECRET).unwrap();
    assert!(key.verify(id, at, &got.body, got.header("webhook-signature")));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let delivery = rig.until_over().await;
    assert_eq!((&body["id"], &body["at"]), (&json!(job), &json!(delivery.created_at)));
    assert_eq!((delivery.status, delivery.attempts), (Status::Delivered, 1));
    assert_eq!((delivery.last_status, delivery.last_error), (Some(204), None));
    assert!(receiver.got.try_recv().is_err());
}

/// What another program writes.
struct Statements(&'static [&'static str]);

impl db::Change for Statements {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        for sql in self.0 {
            sql::query(*sql).execute(&mut *tx).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_read_holds_up_nobody_elses_webhook() {
    let mut receiver = Receiver::start([Answer::Status(204)]).await;
    let rig = Rig::start(|_| {}).await;
    let odd = Statements(&[
        "insert into job (id, kind) values ('mine-1', 'external')",
        "insert into webhook_target (job_id, url) values ('mine-1', 'https://a.example/')",
        "update job set status = 'failed', ended_at = 1 where id = 'mine-1'",
    ]);
    let journal = rig.webhooks.shared.store.journal().clone();
    journal.change(odd).await.unwrap();
    rig.ended_job(&receiver.url).await;
    receiver.next().await;
    assert_eq!(rig.until_over().await.status, Status::Delivered);
    let over = async {
        while rig.db.pending_webhooks().await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.expect("the odd one is given up");
}

#[tokio::test]
async fn what_is_not_heard_is_told_again_under_the_same_id() {
    let mut receiver =
        Receiver::start([Answer::Status(500), Answer::Status(429), Answer::Status(200)]).await;
    let rig = Rig::start(|_| {}).await;
    rig.ended_job(&receiver.url).await;
    let first = receiver.next().await;
    for _ in 0..2 {
        let again = receiver.next().await;
        assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
        assert_eq!(again.body, first.body);
    }
    let delivery = rig.until_over().await;
    assert_eq!((delivery.status, delivery.attempts), (Status::Delivered, 3));
}

#[tokio::test]
async fn after_its_last_try_a_delivery_is_given_up_and_can_be_begun_anew() {
    let mut receiver = Receiver::start([Answer::Status(404)]).await;
    let rig = Rig::start(|_| {}).await;
    rig.ended_job(&receiver.url).await;
    let delivery = rig.until_over().await;
    assert_eq!((delivery.status, delivery.attempts), (Status::GivenUp, 3));
    assert_eq!(delivery.last_error.as_deref(), Some("it answered HTTP 404"));
    let first = receiver.next().await;
    receiver.answer_from_now_on(Answer::Status(200));
    let replayed = rig.webhooks.replay(delivery.id).await.unwrap().unwrap();
    assert_eq!(replayed.status, Status::Pending);
    let delivery = rig.until_over().await;
    assert_eq!((delivery.status, delivery.attempts), (Status::Delivered, 4));
    for _ in 0..3 {
        assert_eq!(receiver.next().await.header("webhook-id"), first.header("webhook-id"));
    }
    assert!(rig.webhooks.replay(delivery.id + 1).await.unwrap().is_none());
}

#[tokio::test]
async fn who_is_gone_is_told_no_more() {
    let receiver = Receiver::start([Answer::Status(410)]).await;
    let rig = Rig::start(|_| {}).await;
    rig.ended_job(&receiver.url).await;
    let delivery = rig.until_over().await;
    assert_eq!((delivery.status, delivery.attempts), (Status::GivenUp, 1));
    assert_eq!(delivery.last_status, Some(410));
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_says_so() {
    let mut receiver = Receiver::start([Answer::Redirect]).await;
    let rig = Rig::start(|options| options.delays = &[]).await;
    rig.ended_job(&receiver.url).await;
    let error = rig.until_over().await.last_error.unwrap();
    assert_eq!(error, "it answered HTTP 302, which leads elsewhere and is not followed");
    receiver.next().await;
    assert!(receiver.got.try_recv().is_err());
}

#[tokio::test]
async fn nothing_goes_to_a_private_address_that_is_not_allowed() {
    let mut receiver = Receiver::start([Answer::Status(200)]).await;
    let rig = Rig::start(|options| options.may_be_private = false).await;
    rig.ended_job(&receiver.url).await;
    let delivery = rig.until_over().await;
    assert_eq!(delivery.status, Status::GivenUp);
    let error = delivery.last_error.unwrap();
    assert_eq!(error, "the address is not on the internet, and is not followed");
    assert!(receiver.got.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_and_one_without_end_counts() {
    let (silent, endless) =
        (Receiver::start([Answer::Never]).await, Receiver::start([Answer::Endless]).await);
    let rig = Rig::start(|options| {
        (options.delays, options.time_limit) = (&[], Duration::from_millis(100));
    })
    .await;
    rig.ended_job(&silent.url).await;
    let error = rig.until_over().await.last_error.unwrap();
    assert_eq!(error, "no answer within 0.1 s");
    rig.ended_job(&endless.url).await;
    assert_eq!(rig.until_over().await.status, Status::Delivered);
}

#[tokio::test]
async fn who_does_not_answer_holds_up_nobody_else() {
    let (mut silent, mut well) =
        (Receiver::start([Answer::Never]).await, Receiver::start([Answer::Status(200)]).await);
    let rig = Rig::start(|_| {}).await;
    for _ in 0..100 {
        rig.ended_job(&silent.url).await;
    }
    rig.ended_job(&well.url).await;
    well.next().await;
    silent.next().await;
    silent.next().await;
    let of_silent = rig.deliveries().await.split_off(1);
    assert!(of_silent.iter().all(|delivery| delivery.attempts == 0));
    assert!(silent.got.try_recv().is_err(), "two at once are enough for one endpoint");
}

#[tokio::test]
async fn an_endpoint_in_trouble_is_left_alone_and_costs_no_tries() {
    let mut receiver = Receiver::start([Answer::Status(500)]).await;
    // So many tries that none is given up before the circuit opens, however slowly the jobs come.
    let rig = Rig::start(|options| options.delays = &MANY).await;
    let jobs = 20;
    for _ in 0..jobs {
        rig.ended_job(&receiver.url).await;
    }
    // The circuit opens at the fifth failure; a second one may be under way then.
    for _ in 0..5 {
        receiver.next().await;
    }
    let is_open = async {
        while rig.webhooks.endpoints().without_room(Instant::now()).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, is_open).await.unwrap();
    // A failure that comes in later would close what the replay opens.
    let mut told = 5;
    let all_noted = async {
        loop {
            while receiver.got.try_recv().is_ok() {
                told += 1;
            }
            let tried: u32 = rig.deliveries().await.iter().map(|delivery| delivery.attempts).sum();
            if tried == told {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all_noted).await.unwrap();
    assert!((5..=6).contains(&told), "{told}");
    receiver.answer_from_now_on(Answer::Status(200));
    let one = rig.deliveries().await.remove(0).id;
    rig.webhooks.replay(one).await.unwrap();
    let heard = rig.until(|delivery| delivery.status == Status::Delivered).await;
    assert_eq!(heard.len(), jobs);
}

#[tokio::test]
async fn what_is_under_way_when_the_server_goes_down_was_not_tried() {
    let mut receiver = Receiver::start([Answer::Never]).await;
    let rig = Rig::start(|options| options.drain = Duration::from_millis(1)).await;
    rig.ended_job(&receiver.url).await;
    receiver.next().await;
    rig.draining.cancel();
    tokio::time::timeout(PATIENCE, rig.running).await.expect("it ends").unwrap();
    let deliveries = rig.db.webhooks(&Filter { limit: 9, ..Filter::default() }).await.unwrap();
    assert_eq!((deliveries[0].status, deliveries[0].attempts), (Status::Pending, 0));
}

#[tokio::test]
async fn what_is_heard_when_the_server_goes_down_is_noted() {
    let mut receiver = Receiver::start([Answer::Status(200)]).await;
    let rig = Rig::start(|options| options.drain = PATIENCE).await;
    rig.ended_job(&receiver.url).await;
    receiver.next().await;
    rig.draining.cancel();
    tokio::time::timeout(PATIENCE, rig.running).await.expect("it ends").unwrap();
    let deliveries = rig.db.webhooks(&Filter { limit: 9, ..Filter::default() }).await.unwrap();
    assert_eq!((deliveries[0].status, deliveries[0].attempts), (Status::Delivered, 1));
}

#[tokio::test]
async fn what_is_over_for_long_enough_is_forgotten() {
    let receiver = Receiver::start([Answer::Status(200)]).await;
    let rig = Rig::start(|options| options.retention = Duration::ZERO).await;
    rig.ended_job(&receiver.url).await;
    rig.until_over().await;
    while now_ms() <= rig.deliveries().await[0].ended_at.unwrap() {
        tokio::task::yield_now().await;
    }
    rig.webhooks.forget().await;
    assert!(rig.deliveries().await.is_empty());
}
