//! What only a cluster can show: its nodes one by one.

use serde_json::{Value, json};
use tailwater::config::Settings;
use tailwater::nats::{Address, Nats};
use tailwater::server::{self, Signals};

use crate::harness::cluster::{self, Stream};
use crate::harness::database::Database;
use crate::harness::relay::Relay;
use crate::harness::{PATIENCE, Reader, TestServer};

async fn events(server: &TestServer, node: std::net::SocketAddr, job: &str) -> Value {
    let url = format!("http://{node}/api/jobs/{job}/events?limit=1000");
    let answer = server.http.get(url).send().await.expect("an answer");
    answer.json::<Value>().await.expect("JSON")["events"].clone()
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/test runs it with TAILWATER_TEST_CLUSTER"]
async fn what_is_pushed_to_any_node_is_read_on_all_of_them_under_the_same_ids() {
    let server = TestServer::start().await;
    let nodes: Vec<_> = server.nodes().collect();
    let job = server.submit_external().await;
    let mut readers = Vec::new();
    for node in &nodes {
        let url = format!("http://{node}/api/jobs/{job}/stream");
        readers.push(Reader::open(&server.http, &url, None).await);
    }
    for seq in 1..=30_u64 {
        let node = nodes[usize::try_from(seq).expect("small") % nodes.len()];
        let event = json!({"type": "log", "data": {"line": seq.to_string()}, "producer_seq": seq});
        let url = format!("http://{node}/api/jobs/{job}/events");
        let answer = server.http.post(url).json(&event).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{seq}");
    }
    let end = json!({"type": "completed", "data": {}, "producer_seq": 31});
    assert_eq!(server.push(&job, &[end]).await.0, 200);
    let mut told = Vec::new();
    for mut reader in readers {
        let messages = reader.read_to_end().await;
        let ids: Vec<_> = messages.iter().filter_map(|message| message.id).collect();
        // Pending, running, thirty lines, the end.
        assert_eq!(ids.len(), 33);
        told.push(ids);
    }
    assert!(told.iter().all(|ids| *ids == told[0]));
    for node in &nodes {
        assert_eq!(events(&server, *node, &job).await, events(&server, nodes[0], &job).await);
    }
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/test runs it with TAILWATER_TEST_CLUSTER"]
async fn what_stands_twice_in_an_event_is_read_by_all_nodes_as_it_was_taken() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let twice = r#"{"type":"content","data":{"text":"not this, ","text":"this"}}"#;
    let url = server.url(&format!("/api/jobs/{job}/events"));
    let push = server.http.post(url).header("content-type", "application/json").body(twice);
    assert_eq!(push.send().await.expect("an answer").status(), 200);
    let end = json!({"type": "completed", "data": {}});
    assert_eq!(server.push(&job, &[end]).await.0, 200);
    for node in server.nodes() {
        let url = format!("http://{node}/api/jobs/{job}/stream");
        let mut reader = Reader::open(&server.http, &url, None).await;
        assert_eq!(reader.until("content").await.data["text"], "this");
        reader.until("completed").await;
    }
    server.stop().await;
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/test runs it with TAILWATER_TEST_CLUSTER"]
async fn nodes_that_go_down_together_leave_nothing_to_be_written() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut last = 0;
    for n in 0..30 {
        let answer = server.push(&job, &[json!({"type": "step", "data": {"n": n}})]).await.1;
        last = answer["last_id"].as_i64().expect("an id").max(last);
    }
    let mut database = Database::open(&server.database()).await;
    server.stop().await;
    let newest = "select max(last_id) from event_segment where job_id = ?";
    assert_eq!(database.number(newest, &[&job]).await, last);
}

/// A migration of a later version.
const LATER: &str = "insert into _sqlx_migrations \
                         (version, description, success, checksum, execution_time) \
                         values (cast(? as bigint), ?, true, '', 0)";

/// Starts a node, which has to be refused; gives what it says.
async fn refusal(settings: &Settings) -> String {
    let node = cluster::nodes(settings).remove(0);
    let mut announce = |_: &server::Banner| panic!("it starts");
    let run = server::run(&node, Signals::default(), &mut announce);
    let run = tokio::time::timeout(PATIENCE, run).await.expect("it ends at once");
    run.expect_err("it is refused").to_string()
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/test runs it with TAILWATER_TEST_CLUSTER"]
async fn a_log_that_has_lost_what_the_database_has_is_refused_until_it_is_deleted() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let line = json!({"type": "log", "data": {"line": "kept"}});
    let before = server.push(&job, std::slice::from_ref(&line)).await.1["last_id"].as_u64();
    server.until_durable().await;
    let settings = server.settings.clone();
    let data = server.stop().await;

    let address: Address = cluster::events(&settings.data).parse().expect("an address");
    let nats = Nats::connect(&address, "test").await.expect("NATS answers");
    let first = nats.log().await.expect("NATS answers").expect("it was begun").first();
    let stream = Stream::of(&settings.data);
    stream.delete();
    nats.begin_log(first).await.expect("NATS takes it");
    let refused = refusal(&settings).await;
    assert!(refused.contains("NATS has lost data"), "{refused}");

    stream.delete();
    let server = TestServer::on(data, settings).await;
    let after = server.push(&job, &[line]).await.1["last_id"].as_u64();
    assert!(after > before && before.is_some(), "{after:?} after {before:?}");
    let kept = events(&server, server.address, &job).await;
    assert_eq!(kept.as_array().map(Vec::len), Some(4), "{kept}");
    server.stop().await;
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/test runs it with TAILWATER_TEST_CLUSTER"]
async fn a_later_version_may_widen_the_tables_beside_this_one() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    database.run("alter table job add column later text default 'x'", &[]).await;
    database.run("create table later (id bigint)", &[]).await;
    database.run(LATER, &["9001", "later"]).await;
    for _ in 0..3 {
        let job = server.submit_blog("tides", false).await;
        assert_eq!(server.wait_for_end(&job).await["status"], "completed");
    }
    // Also one that is started again before its turn comes.
    let server = server.restart().await;
    let job = server.submit_blog("tides", false).await;
    assert_eq!(server.wait_for_end(&job).await["status"], "completed");

    database.run(LATER, &["9002", "contract later"]).await;
    let settings = server.settings.clone();
    server.stop().await;
    let refused = refusal(&settings).await;
    assert!(refused.contains("newer version"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: scripts/test runs it with TAILWATER_TEST_CLUSTER"]
async fn without_its_log_a_cluster_says_so_and_shows_what_the_database_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let events = cluster::events(&data);
    let (servers, name) = events.rsplit_once('/').expect("a name");
    let first = servers.split(',').next().expect("a server").trim_start_matches("nats://");
    let cable = Relay::to(first.to_owned()).await;
    let settings = Settings {
        data,
        listen: "127.0.0.1:0".parse().expect("an address"),
        events: Some(format!("nats://{}/{name}", cable.address).parse().expect("an address")),
        ..Settings::default()
    };
    let server = TestServer::on(folder, settings).await;
    let job = server.submit_external().await;
    let step = |n: u64| json!({"type": "step", "data": {"n": n}});
    server.push(&job, &[step(1)]).await;
    let mut reader = server.follow(&job).await;
    assert_eq!(reader.until("hello").await.data["degraded"], Value::Null);
    let seen = reader.until("step").await;
    server.until_durable().await;

    cable.pull();
    let degraded = async |wanted: bool| {
        for node in server.nodes() {
            let url = format!("http://{node}/readyz");
            let ready = async || {
                let answer = server.http.get(&url).send().await.expect("an answer");
                answer.json::<Value>().await.expect("JSON")
            };
            while ready().await["degraded"] != wanted {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, degraded(true)).await.expect("all notice it");
    // What waits is waited for, and what the database has is shown without an id.
    let url = server.url(&format!("/api/jobs/{job}/events"));
    let push = tokio::spawn(server.http.post(url).json(&step(2)).send());
    let mut late = server.follow_from(&job, seen.id.map(|id| id.to_string()).as_deref()).await;
    assert_eq!(late.until("hello").await.data["degraded"], true);
    let mut database = Database::open(&server.database()).await;
    database.run("update job set progress = 42 where id = ?", &[&job]).await;
    for reader in [&mut reader, &mut late] {
        let mut snapshot = reader.until("snapshot").await;
        while snapshot.data["progress"]["percent"] != 42 {
            snapshot = reader.until("snapshot").await;
        }
        assert_eq!(snapshot.id, None);
    }
    assert!(!push.is_finished());
    // Who polls is not kept waiting either.
    let path = format!("/api/jobs/{job}");
    let poll = tokio::time::timeout(PATIENCE, server.get(&path));
    let view = poll.await.expect("it is answered").1;
    assert_eq!(view["progress"]["percent"], 42, "{view}");

    cable.plug_in();
    let pushed = tokio::time::timeout(PATIENCE, push).await.expect("it goes on");
    assert_eq!(pushed.expect("no panic").expect("an answer").status(), 200);
    for reader in [&mut reader, &mut late] {
        let step = reader.until("step").await;
        assert_eq!(step.data["n"], 2);
        assert!(step.id > seen.id);
    }
    tokio::time::timeout(PATIENCE, degraded(false)).await.expect("all notice it");
    server.stop().await;
}
