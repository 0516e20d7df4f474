//! The operator's page and `/metrics`: what is stuck is found, explained and set going again.

use reqwest::Method;
use serde_json::{Value, json};

use tailwater::config::Settings;
use tailwater::signing::Signer;

use crate::harness::database::Database;
use crate::harness::keys::Locked;
use crate::harness::receiver::SECRET;
use crate::harness::{Message, Reader, TestServer, client};

/// The text of `/metrics`.
async fn metrics(server: &TestServer) -> String {
    let answer = server.http.get(server.url("/metrics")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.expect("a text")
}

/// The value of a series, by its name with its labels.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Asks for the metrics until they are as wanted.
async fn until_metrics(server: &TestServer, wanted: impl Fn(&str) -> bool) -> String {
    loop {
        let text = metrics(server).await;
        if wanted(&text) {
            return text;
        }
        tokio::task::yield_now().await;
    }
}

async fn figures(server: &TestServer) -> Reader {
    Reader::open(&client(), &server.url("/api/admin/stream"), None).await
}

async fn story(server: &TestServer, job: &str) -> Reader {
    Reader::open(&client(), &server.url(&format!("/api/admin/jobs/{job}/stream")), None).await
}

/// Reads until an event of this name is as wanted.
async fn until(reader: &mut Reader, event: &str, wanted: impl Fn(&Value) -> bool) -> Message {
    loop {
        let message = reader.until(event).await;
        if wanted(&message.data) {
            return message;
        }
    }
}

fn lane<'a>(figures: &'a Value, name: &str) -> &'a Value {
    let queue = figures["queue"].as_array().expect("lanes");
    queue.iter().find(|lane| lane["provider"] == name).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p87_a_stuck_job_is_found_and_explained_from_the_operators_streams_alone() {
    let server = TestServer::start().await;
    let job = server.submit_blog("[stall] the moon", false).await;
    let mut figures = figures(&server).await;
    let is_silent = |figures: &Value| {
        lane(figures, "chat")["silence_ms_max"].as_u64().is_some_and(|ms| ms >= 6_000)
    };
    let found = until(&mut figures, "figures", is_silent).await;
    assert_eq!(lane(&found.data, "chat")["running"], 1, "{found:?}");
    assert_eq!(lane(&found.data, "chat")["silent_job"], job.as_str());
    assert_eq!(found.data["jobs"]["running"], 1);
    // It is the one that has said nothing for longest.
    let search = server.url("/api/admin/stream?status=running&q=THE%20MOON");
    let mut list = Reader::open(&client(), &search, None).await;
    let page = list.until("jobs").await.data;
    assert_eq!(page["jobs"].as_array().expect("jobs").len(), 1, "{page}");
    let listed = &page["jobs"][0];
    assert_eq!((&listed["job_id"], &listed["title"]), (&json!(job), &json!("[stall] the moon")));
    assert!(listed["last_sign_ms"].as_u64().expect("it runs") >= 6_000, "{listed}");
    // And its story says why.
    let mut story = story(&server, &job).await;
    let head = story.until("job").await.data;
    let explanation = head["job"]["explanation"].as_str().expect("a sentence");
    assert!(explanation.contains("the model began to write"), "{explanation}");
    assert!(explanation.contains("Nothing new has come from chat for"), "{explanation}");
    assert!(explanation.contains("time limit of 10 min"), "{explanation}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p86_a_stuck_job_is_found_from_the_metrics_alone() {
    let server = TestServer::start().await;
    server.submit_blog("[stall] the moon", false).await;
    let silence = "tailwater_job_silence_seconds_max{provider=\"chat\"}";
    let text = until_metrics(&server, |text| value(text, silence) >= 3.0).await;
    assert!((value(&text, "tailwater_jobs_running{provider=\"chat\"}") - 1.0).abs() < 0.1);
    let asked =
        "tailwater_provider_requests_total{operation=\"chat\",outcome=\"ok\",provider=\"chat\"}";
    assert!((value(&text, asked) - 1.0).abs() < 0.1, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p88_a_story_has_what_happened_from_the_submit_to_the_end() {
    let server = TestServer::start().await;
    let body = json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "a kite" } });
    let job = server.submit(&body).await;
    server.wait_for_end(&job).await;
    let mut story = story(&server, &job).await;
    let head = until(&mut story, "job", |head| head["job"]["status"] == "completed").await.data;
    let mut entries = Vec::new();
    let titled = |entries: &[Value], title: &str| {
        entries.iter().any(|entry| entry["title"].as_str().is_some_and(|is| is.contains(title)))
    };
    let wanted = [
        "submitted",
        "attempt 1 is run by this server",
        "meant to start at replicate",
        "started at replicate",
        "the provider says: done",
        "fetched a file",
        "hold of",
        "capture of",
        "artifact_ready",
        "completed",
        "committed",
    ];
    while !wanted.iter().all(|title| titled(&entries, title)) {
        entries.push(story.until("entry").await.data);
    }
    assert_eq!(head["job"]["progress"], 100);
    assert!(head["job"]["result"].is_object(), "{head}");
    assert_eq!(head["job"]["runner"], "nobody");
    assert_eq!(head["job"]["trace_id"].as_str().map(str::len), Some(32));
    for entry in &entries {
        assert!(entry["key"].is_string() && entry["at"].as_i64() > Some(0), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p88_who_reads_a_job_is_listed_with_how_far_behind_it_is() {
    let server = TestServer::start().await.at_one_node();
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    server.push(&job, &[json!({ "type": "note", "data": { "n": 1 } })]).await;
    let seen = reader.until("note").await.id.expect("an id");
    let mut story = story(&server, &job).await;
    let has_it = |view: &Value| {
        view["readers"]
            .as_array()
            .is_some_and(|readers| readers.iter().any(|reader| reader["after"] == seen))
    };
    let view = until(&mut story, "readers", has_it).await.data;
    assert_eq!(view["readers"][0]["behind"], 0, "{view}");
    assert_eq!(view["readers"][0]["transport"], "stream");
    drop(reader);
    until(&mut story, "readers", |view| view["readers"] == json!([])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p89_a_job_that_is_put_back_is_run_anew_and_started_once() {
    let server = TestServer::start().await;
    let body =
        json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "[never] x" } });
    let job = server.submit(&body).await;
    let mut reader = server.follow(&job).await;
    until(&mut reader, "progress", |data| data["stage"] == "generating").await;
    let path = format!("/api/admin/jobs/{job}/requeue");
    let (status, answer) = server.post(&path, &json!({})).await;
    assert_eq!((status, &answer["outcome"]), (202, &json!("let_go")), "{answer}");
    until(&mut reader, "status", |data| data["status"] == "pending").await;
    let run = until(&mut reader, "status", |data| data["status"] == "running").await;
    assert_eq!(run.data["attempt"], 2);
    until(&mut reader, "progress", |data| data["stage"] == "generating").await;
    let text = metrics(&server).await;
    let starts = "tailwater_provider_requests_total{operation=\"start\",outcome=\"ok\",provider=\"replicate\"}";
    assert!((value(&text, starts) - 1.0).abs() < 0.1, "{text}");
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    let (status, problem) = server.post(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_ended")), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p89_a_job_that_waits_is_moved_before_the_others() {
    let server = TestServer::with(|settings| settings.workers = 1).await.at_one_node();
    let first = server.submit_blog("[stall] first", false).await;
    until(&mut server.follow(&first).await, "status", |data| data["status"] == "running").await;
    let second = server.submit_blog("second", false).await;
    let third = server.submit_blog("third", false).await;
    let (status, answer) =
        server.post(&format!("/api/admin/jobs/{third}/requeue"), &json!({})).await;
    assert_eq!((status, &answer["outcome"]), (202, &json!("first")), "{answer}");
    let mut story = story(&server, &third).await;
    let head = until(&mut story, "job", |head| head["job"]["waits_for"].is_string()).await.data;
    assert_eq!(head["job"]["waits_for"], "a permit of chat, at place 1");
    assert!(head["job"]["explanation"].as_str().is_some_and(|words| words.starts_with("It waits")));
    server.post(&format!("/api/jobs/{first}/cancel"), &json!({})).await;
    let (third, second) = (server.wait_for_end(&third).await, server.wait_for_end(&second).await);
    assert!(third["started_at"].as_i64() <= second["started_at"].as_i64(), "{third} {second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p89_what_failed_is_tried_again_as_it_was_asked_for() {
    let server = TestServer::start().await;
    let job = server.submit_blog("[fail] war", false).await;
    let path = format!("/api/admin/jobs/{job}/retry");
    let ended = server.wait_for_end(&job).await;
    assert_eq!(ended["status"], "failed", "{ended}");
    let (status, again) = server.post(&path, &json!({})).await;
    assert_eq!(status, 202, "{again}");
    let view = server.wait_for_end(again["job_id"].as_str().expect("an id")).await;
    assert_eq!((&view["retry_of"], &view["input"]), (&json!(job), &ended["input"]));
    let external = server.submit_external().await;
    let (status, problem) =
        server.post(&format!("/api/admin/jobs/{external}/retry"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_active")), "{problem}");
    let (status, problem) =
        server.post(&format!("/api/admin/jobs/{external}/requeue"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("not_requeued")), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p89_a_retry_that_is_sent_again_is_one_job_with_all_that_was_asked_for() {
    let secret = |settings: &mut Settings| {
        settings.webhook_secret = Signer::parse(SECRET);
        settings.webhook_allow_private = true;
    };
    let server = TestServer::with(secret).await;
    let body = json!({
        "kind": "external", "priority": 7, "silence_limit_ms": 90_000,
        "webhook_url": "https://127.0.0.1:1/hook?key=x",
    });
    let job = server.submit(&body).await;
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    let mut again = Vec::new();
    for _ in 0..2 {
        let retry = server.http.post(server.url(&format!("/api/admin/jobs/{job}/retry")));
        let answer = retry.header("idempotency-key", "once").send().await.expect("an answer");
        assert_eq!(answer.status(), 202);
        let answer: Value = answer.json().await.expect("JSON");
        again.push(answer["job_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(again[0], again[1]);
    assert_ne!(again[0], job);
    let mut database = Database::open(&server.database()).await;
    let priority = "select priority from job where id = ?";
    assert_eq!(database.number(priority, &[&again[0]]).await, 7);
    let silence = "select silence_limit_ms from job where id = ?";
    assert_eq!(database.number(silence, &[&again[0]]).await, 90_000);
    let webhook = "select url from webhook_target where job_id = ?";
    assert_eq!(database.text(webhook, &[&again[0]]).await, "https://127.0.0.1:1/hook?key=x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p86_what_readers_do_is_counted() {
    let server = TestServer::start().await.at_one_node();
    let before = metrics(&server).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    // It is live, so that what comes next is measured.
    reader.until("status").await;
    server.push(&job, &[json!({ "type": "note", "data": {} })]).await;
    reader.until("note").await;
    let during = metrics(&server).await;
    assert!(value(&during, "tailwater_readers{transport=\"stream\"}") >= 1.0, "{during}");
    drop(reader);
    let mut back = server.follow_from(&job, Some("1")).await;
    back.until("gap").await;
    let after = metrics(&server).await;
    let grown = |series: &str| value(&after, series) - value(&before, series);
    assert!(grown("tailwater_deliveries_total") >= 2.0, "{after}");
    assert!(grown("tailwater_events_appended_total{source=\"producer\"}") >= 1.0);
    assert!(grown("tailwater_append_to_write_seconds_count") >= 1.0);
    assert!(grown("tailwater_reconnects_total") >= 1.0);
    assert!(grown("tailwater_gaps_total{reason=\"unknown_epoch\"}") >= 1.0);
    assert!(grown("tailwater_jobs_submitted_total{kind=\"external\"}") >= 1.0);
    let route = "{method=\"GET\",route=\"/api/jobs/{id}/stream\",status=\"200\"}";
    assert!(grown(&format!("tailwater_http_requests_total{route}")) >= 2.0);
    assert!(value(&after, "process_open_fds") > 3.0 && value(&after, "tailwater_ready") > 0.5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p90_an_error_names_its_trace() {
    let server = TestServer::start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = server
        .http
        .get(server.url("/api/jobs/job_unknown"))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .send()
        .await
        .expect("an answer");
    let problem: Value = answer.json().await.expect("a problem");
    assert_eq!(problem["trace_id"], trace, "{problem}");
    // Without one, all that is asked about a job is one trace.
    let first = server.get("/api/jobs/job_unknown").await.1;
    let second = server.get("/api/jobs/job_unknown/events").await.1;
    assert_eq!(first["trace_id"].as_str().map(str::len), Some(32), "{first}");
    assert_eq!(first["trace_id"], second["trace_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p86_figures_of_all_projects_are_for_keys_of_all_projects() {
    let server = Locked::start().await;
    let (reads, _) = server.key(&["read"], None).await;
    let (one, _) = server.key(&["read"], Some("blog")).await;
    let (admin, _) = server.key(&["admin"], None).await;
    for (key, path, status) in [
        (&reads, "/metrics", 200),
        (&one, "/metrics", 403),
        (&admin, "/metrics", 200),
        (&reads, "/api/admin/stream", 403),
        (&one, "/api/admin/stream", 403),
        (&admin, "/api/admin/stream", 200),
    ] {
        let answer = server.get(key, path).await;
        assert_eq!(answer.status(), status, "{path}");
    }
    let job = server.submit(&admin, &json!({ "kind": "external", "input": {} })).await;
    let path = format!("/api/admin/jobs/{}/retry", job["job_id"].as_str().expect("an id"));
    let refused = server.ask(&reads, Method::POST, &path).send().await.expect("an answer");
    assert_eq!(refused.status(), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p87_a_filter_that_cannot_be_is_told() {
    let server = TestServer::start().await;
    for (query, named) in [("status=stuck", "status"), ("kind=song", "kind"), ("x=1", "x")] {
        let (status, problem) = server.get(&format!("/api/admin/stream?{query}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(named)));
    }
}
