//! What only a database beyond a network does. Run by `scripts/test` over Postgres, ignored without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tailwater::config::Settings;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::harness::database::{self, Database};
use crate::harness::relay::Relay;
use crate::harness::{Reader, TestServer, client, process};

/// A wire to Postgres that can break in the middle of a commit.
#[derive(Clone, Default)]
struct Wire {
    port: u16,
    /// Breaks at the next commit.
    is_armed: Arc<AtomicBool>,
    /// The commit goes through, and its answer does not.
    keeps_answers: Arc<AtomicBool>,
    /// Rung when it has broken.
    broken: Arc<Notify>,
}

/// Where in a commit the wire breaks.
#[derive(Clone, Copy)]
enum Breaks {
    BeforeItCame,
    BeforeItsAnswer,
}

impl Wire {
    async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let wire = Self { port, ..Self::default() };
        let carries = wire.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&address).await.expect("Postgres answers");
                tokio::spawn(carries.clone().carry(near, far));
            }
        });
        wire
    }

    /// Breaks the connection of the next commit, and waits until it has.
    async fn breaks(&self, at: Breaks) {
        self.keeps_answers.store(matches!(at, Breaks::BeforeItsAnswer), Ordering::SeqCst);
        self.is_armed.store(true, Ordering::SeqCst);
        self.broken.notified().await;
    }

    async fn carry(self, near: TcpStream, far: TcpStream) {
        let ((mut from_near, mut to_near), (mut from_far, mut to_far)) =
            (near.into_split(), far.into_split());
        let is_deaf = AtomicBool::new(false);
        let questions = async {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from_near.read(&mut bytes).await {
                let question = &bytes[..count];
                let commits = question.windows(6).any(|word| word == b"COMMIT");
                if commits && self.is_armed.swap(false, Ordering::SeqCst) {
                    if !self.keeps_answers.load(Ordering::SeqCst) {
                        return self.broken.notify_one();
                    }
                    is_deaf.store(true, Ordering::SeqCst);
                }
                if to_far.write_all(question).await.is_err() {
                    return;
                }
            }
        };
        let answers = async {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from_far.read(&mut bytes).await {
                if is_deaf.load(Ordering::SeqCst) {
                    return self.broken.notify_one();
                }
                if to_near.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
        };
        // Whichever is over takes the connection with it.
        tokio::select! {
            () = questions => {}
            () = answers => {}
        }
    }
}

/// A server whose database is at the other end of what is laid to it; `lay` gives its port.
async fn through<T>(lay: impl AsyncFnOnce(String) -> (T, u16)) -> (TestServer, T) {
    let data = TempDir::new().expect("a folder");
    let folder = data.path().join("data");
    let address = database::address(&folder).await.expect("scripts/with-postgres runs the test");
    let host = address.split(['@', '/']).nth(3).expect("host and port").to_owned();
    let (laid, port) = lay(host.clone()).await;
    let through = address.replace(&host, &format!("127.0.0.1:{port}"));
    let settings = Settings {
        listen: "127.0.0.1:0".parse().expect("an address"),
        data: folder,
        database: Some(through.into()),
        simulator_speed: 1000.0,
        ..Settings::default()
    };
    (TestServer::on(data, settings).await, laid)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs scripts/with-postgres"]
async fn what_breaks_in_a_commit_happens_once() {
    const EVENTS: u64 = 60;
    let wire = async |host| {
        let wire = Wire::to(host).await;
        (wire.clone(), wire.port)
    };
    let (server, wire) = through(wire).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    reader.until("status").await;
    let ends = [Breaks::BeforeItCame, Breaks::BeforeItsAnswer, Breaks::BeforeItsAnswer];
    let mut others = Vec::new();
    for _ in ends {
        let other = server.submit_external().await;
        let durable = format!("/api/jobs/{other}/events?durable=true");
        assert_eq!(server.post(&durable, &json!({ "type": "step", "data": {} })).await.0, 200);
        others.push(other);
    }
    for n in 0..EVENTS {
        let breaks = if n % 2 == 0 { Breaks::BeforeItCame } else { Breaks::BeforeItsAnswer };
        let event = [json!({ "type": "step", "data": { "n": n } })];
        let (pushed, ()) = tokio::join!(server.push(&job, &event), wire.breaks(breaks));
        assert_eq!(pushed.0, 200, "{}", pushed.1);
    }
    // A job ends once, and whoever ended it is told that it did.
    for (breaks, other) in ends.into_iter().zip(others) {
        let end = [json!({ "type": "completed", "data": {} })];
        let (ended, ()) = tokio::join!(server.push(&other, &end), wire.breaks(breaks));
        assert_eq!(ended.0, 200, "{}", ended.1);
    }
    // Whoever submits or grants is told what happened, and not that nothing did.
    let mut database = Database::open(&server.database()).await;
    let jobs = "select count(*) from job";
    let before = database.number(jobs, &[]).await;
    let (mut submitted, mut granted) = (0, 0);
    for breaks in ends.into_iter().cycle().take(12) {
        // Refused is who comes while another commit is being repeated.
        let took = |status: u16| match status {
            200..=202 => 1,
            503 => 0,
            other => panic!("{other}"),
        };
        let (submit, grant) = (json!({ "kind": "external" }), json!({ "amount": 1 }));
        let (answer, ()) = tokio::join!(server.post("/api/jobs", &submit), wire.breaks(breaks));
        submitted += took(answer.0);
        let (answer, ()) =
            tokio::join!(server.post("/api/credits/grant", &grant), wire.breaks(breaks));
        granted += took(answer.0);
        if submitted >= 3 && granted >= 3 {
            break;
        }
    }
    assert!(
        submitted >= 3 && granted >= 3,
        "{submitted} and {granted}: its own commit is repeated"
    );
    assert_eq!(database.number(jobs, &[]).await, before + submitted);
    let grants = "select count(*) from ledger where entry = 'grant' and amount = 1";
    assert_eq!(database.number(grants, &[]).await, granted);
    let (status, answer) = server.push(&job, &[json!({ "type": "completed", "data": {} })]).await;
    assert_eq!(status, 200, "{answer}");
    let seen = reader.read_to_end().await;
    let heard: Vec<u64> = seen.iter().filter_map(|message| message.data["n"].as_u64()).collect();
    let expected: Vec<u64> = (0..EVENTS).collect();
    assert_eq!(heard, expected);
    // And so it is in the database, from which the next process has it.
    let server = server.restart().await;
    let page = server.get(&format!("/api/jobs/{job}/events?limit=1000")).await.1;
    let events = page["events"].as_array().expect("events").iter();
    let kept: Vec<u64> = events.filter_map(|event| event["data"]["n"].as_u64()).collect();
    assert_eq!(kept, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs scripts/with-postgres"]
async fn the_operator_is_told_of_a_database_that_is_away() {
    let cable = async |host| {
        let cable = Relay::to(host).await;
        let port = cable.address.port();
        (cable, port)
    };
    let (server, cable) = through(cable).await;
    let job = server.submit_external().await;
    server.push(&job, &[json!({ "type": "step" })]).await;
    let figures = server.url("/api/admin/stream");
    let mut figures = Reader::open(&client(), &figures, None).await;
    let mut told = async |database: bool| loop {
        let told = figures.until("figures").await.data;
        if told["database"] == database {
            return told;
        }
    };
    let metrics = async || {
        let answer = server.http.get(server.url("/metrics")).send().await.expect("an answer");
        answer.text().await.expect("a text")
    };
    let running = "tailwater_jobs{status=\"running\"} ";
    while told(true).await["jobs"]["running"] != 1 {}
    assert!(metrics().await.contains(running));

    cable.pull();
    let without = told(false).await;
    assert_eq!(without["jobs"]["running"], Value::Null, "nobody has counted: {without}");
    assert_eq!(
        (&without["credits"], &without["webhooks"]["pending"]),
        (&Value::Null, &Value::Null)
    );
    let text = metrics().await;
    assert!(!text.contains(running), "{text}");
    assert!(text.contains("tailwater_durable_lag_seconds "), "{text}");

    cable.plug_in();
    while told(true).await["jobs"]["running"] != 1 {}
    assert!(metrics().await.contains(running));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs scripts/with-postgres"]
async fn a_second_server_is_told_that_the_database_is_in_use() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let other = TempDir::new().unwrap();
    let address = database::address(&server.settings.data).await.expect("it is a Postgres");
    let second = process::command()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(other.path())
        .env("TAILWATER_DATABASE", address)
        .output()
        .await
        .expect("the program runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains("another server uses the database postgres://127.0.0.1:"), "{said}");
    assert_eq!(server.push(&job, &[json!({ "type": "step" })]).await.0, 200);
    server.stop().await;
}

#[tokio::test]
#[ignore = "needs scripts/with-postgres"]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    for (address, words) in [
        (
            "postgres://me:geheim@127.0.0.1:1/jobs",
            "cannot open the database postgres://127.0.0.1:1/jobs",
        ),
        ("mysql://me:geheim@127.0.0.1/jobs", "postgres://user@host:5432/name"),
    ] {
        let data = TempDir::new().expect("a folder");
        let ended = process::command()
            .args(["serve", "--listen", "127.0.0.1:0", "--database", address, "--data"])
            .arg(data.path())
            .output()
            .await
            .expect("the program runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && !said.contains("geheim"), "{said}");
    }
}
