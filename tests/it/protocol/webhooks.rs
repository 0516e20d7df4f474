//! § 16: webhooks, and where requests go that others ask for.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::database::Database;
use crate::harness::process::Process;
use crate::harness::receiver::{Answer, Got, Receiver, SECRET, sends_webhooks};
use crate::harness::{PATIENCE, TestServer, client};

/// The variable by which a server process has its secret.
const VARIABLE: &str = "TAILWATER_WEBHOOK_SECRET";

async fn server() -> TestServer {
    TestServer::with(sends_webhooks).await
}

async fn external(server: &TestServer, webhook_url: &str) -> String {
    server.submit(&json!({ "kind": "external", "webhook_url": webhook_url })).await
}

async fn complete(server: &TestServer, job: &str) {
    let (status, answer) = server.push(job, &[super::event("completed", &json!({ "n": 7 }))]).await;
    assert_eq!(status, 200, "{answer}");
}

/// The deliveries that fit, newest first.
async fn deliveries(server: &TestServer, query: &str) -> Vec<Value> {
    let (status, page) = server.get(&format!("/api/deliveries{query}")).await;
    assert_eq!(status, 200, "{page}");
    page["deliveries"].as_array().unwrap().clone()
}

/// Waits until a job's only delivery stands like this.
async fn until(server: &TestServer, job: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let found = deliveries(server, &format!("?job={job}")).await;
            if found.len() == 1 && is_wanted(&found[0]) {
                return found[0].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("it comes to that")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p70_every_way_of_submitting_takes_an_address_that_is_told() {
    let mut receiver = Receiver::hearing().await;
    let server = TestServer::with(|settings| {
        sends_webhooks(settings);
        settings.webhook_url = Some(receiver.url("/all"));
        settings.start_jitter = std::time::Duration::ZERO;
    })
    .await;
    let hook = receiver.url("/one?key=secret");
    let message = json!({ "role": "user", "content": "why is the sea salty?" });
    for (path, body) in [
        ("/api/jobs", json!({ "kind": "blog", "input": { "topic": "tides", "words": 60 } })),
        ("/api/replicate/seedance-t2v/submit", json!({ "prompt": "a red kite" })),
        ("/api/images/generate", json!({ "prompt": "a red kite" })),
        ("/api/chat", json!({ "id": "c", "messages": [message] })),
    ] {
        let mut body = body;
        body["webhook_url"] = hook.as_str().into();
        let (status, answer) = server.post(path, &body).await;
        assert!(matches!(status, 200 | 202), "{path}: {answer}");
        let mut told = [receiver.next().await, receiver.next().await];
        told.sort_by(|left, right| left.path.cmp(&right.path));
        assert_eq!([&*told[0].path, &*told[1].path], ["/all", "/one?key=secret"], "{path}");
        assert_eq!(told[0].json(), told[1].json());
        assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
    }
    // The same address twice is told once.
    let job = external(&server, &receiver.url("/all")).await;
    complete(&server, &job).await;
    assert_eq!(receiver.next().await.json()["data"]["id"], job.as_str());
    until(&server, &job, |delivery| delivery["status"] == "delivered").await;
    assert!(receiver.is_quiet());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p70_an_address_that_is_not_told_is_refused() {
    let signing = TestServer::with(|settings| {
        sends_webhooks(settings);
        settings.webhook_allow_private = false;
    })
    .await;
    for (url, part) in [
        (json!("http://a.example/hook"), "begins with 'http:'"),
        (json!("https://127.0.0.1/hook"), "is not on the internet"),
        (json!("https://a:b@c.example/hook"), "a user name or a password"),
        (json!("/hook"), "is no URL"),
        (json!(7), "must be a text"),
    ] {
        for (path, body) in [
            ("/api/jobs", json!({ "kind": "external", "webhook_url": url })),
            ("/api/images/generate", json!({ "prompt": "a kite", "webhook_url": url })),
        ] {
            let (status, problem) = signing.post(path, &body).await;
            assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
            assert_eq!(problem["errors"][0]["pointer"], "/webhook_url");
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.contains(part), "{url}: {detail}");
        }
    }
    assert!(signing.get("/api/jobs").await.1["jobs"].as_array().unwrap().is_empty());
    let silent = TestServer::start().await;
    let body = json!({ "kind": "external", "webhook_url": "https://a.example/hook" });
    let (status, problem) = silent.post("/api/jobs", &body).await;
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(status == 400 && detail.contains(VARIABLE), "{problem}");
    signing.stop().await;
    silent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p71_each_end_is_told_whoever_ends_the_job() {
    let mut receiver = Receiver::hearing().await;
    let server = TestServer::with(|settings| {
        sends_webhooks(settings);
        settings.public_url = Some("https://t.example".into());
    })
    .await;
    let hook = receiver.url("/hook");
    let post = json!({ "topic": "tides", "words": 60 });
    let body = json!({ "kind": "blog", "input": post, "webhook_url": hook, "project_id": "p" });
    let job = server.submit(&body).await;
    let told = receiver.next().await;
    assert_eq!(told.header("content-type"), "application/json");
    let told = told.json();
    assert_eq!(told["type"], "job.completed");
    let at = told["timestamp"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z'), "{at}");
    let (data, view) = (&told["data"], server.get(&format!("/api/jobs/{job}")).await.1);
    for name in ["id", "kind", "status", "project_id", "result", "cost", "ended_at", "poll_url"] {
        assert_eq!(data[name], view[name], "{name}");
    }
    assert_eq!(data["artifacts"].as_array().unwrap().len(), 2);
    let files =
        data["artifacts"].as_array().unwrap().iter().zip(view["artifacts"].as_array().unwrap());
    for (told, shown) in files {
        assert_eq!(told["id"], shown["id"]);
        let path = shown["url"].as_str().unwrap();
        assert_eq!(told["url"], format!("https://t.example{path}"));
    }

    let failed = external(&server, &hook).await;
    let failure = json!({ "code": "no_gpu", "message": "no GPU is free", "retryable": true });
    server.push(&failed, &[super::event("failed", &failure)]).await;
    let told = receiver.next().await.json();
    assert_eq!((&told["type"], &told["data"]["error"]), (&json!("job.failed"), &failure));

    let canceled = external(&server, &hook).await;
    server.post(&format!("/api/jobs/{canceled}/cancel"), &json!({ "reason": "enough" })).await;
    let told = receiver.next().await.json();
    assert_eq!(
        (&told["type"], &told["data"]["reason"]),
        (&json!("job.canceled"), &json!("enough"))
    );

    // A program that only knows the database, and adds its file a moment after the end.
    let outside = external(&server, &hook).await;
    let mut database = Database::open(&server.database()).await;
    let end = "update job set status = 'completed', result = '{\"frames\":7}' where id = ?";
    database.run(end, &[&outside]).await;
    let image = "insert into artifact (id, job_id, kind, media_type, url) \
                 values ('file_i', ?, 'image', 'image/png', 'https://cdn.test/i.png')";
    database.run(image, &[&outside]).await;
    let told = receiver.next().await.json();
    assert_eq!(
        (&told["data"]["id"], &told["data"]["result"]["frames"]),
        (&json!(outside), &json!(7))
    );
    assert_eq!(told["data"]["artifacts"][0]["url"], "https://cdn.test/i.png");
    assert!(told["data"]["ended_at"].is_i64());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p72_a_webhook_is_signed_with_each_secret_for_its_moment() {
    let other = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    let mut receiver = Receiver::hearing().await;
    let server = TestServer::with(|settings| {
        sends_webhooks(settings);
        let both = format!("{SECRET} {other}");
        settings.webhook_secret = tailwater::signing::Signer::parse(&both);
    })
    .await;
    let job = external(&server, &receiver.url("/hook")).await;
    complete(&server, &job).await;
    let told = receiver.next().await;
    assert!(told.is_signed_with(SECRET) && told.is_signed_with(other), "{told:?}");
    assert!(!told.is_signed_with("whsec_AgICAgICAgICAgICAgICAgICAgICAgIC"));
    let changed = Got { body: b"{}".to_vec().into(), ..told.clone() };
    assert!(!changed.is_signed_with(SECRET));
    let at: i64 = told.header("webhook-timestamp").parse().unwrap();
    assert!((tailwater::event::now_ms() / 1000 - at).abs() < 60, "{at}");
    let names = ["host", "authorization", "cookie", "referer", "traceparent", "x-forwarded-for"];
    let ours: Vec<_> = names.into_iter().filter(|name| told.headers.contains_key(*name)).collect();
    assert_eq!(ours, ["host"]);
    assert!(told.header("user-agent").starts_with("tailwater/"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p73_what_is_not_heard_is_told_again_and_who_is_gone_is_not() {
    let answers = [Answer::Status(500), Answer::Status(302), Answer::Status(200)];
    let mut receiver = Receiver::start(&answers).await;
    let server = server().await;
    let job = external(&server, &receiver.url("/hook?key=secret")).await;
    complete(&server, &job).await;
    let mut database = Database::open(&server.database()).await;
    for (tries, error) in [
        (1, "it answered HTTP 500"),
        (2, "it answered HTTP 302, which leads elsewhere and is not followed"),
    ] {
        receiver.next().await;
        let delivery = until(&server, &job, |delivery| delivery["attempts"] == tries).await;
        assert_eq!(
            (&delivery["status"], &delivery["last_error"]),
            (&json!("pending"), &json!(error))
        );
        let wait =
            delivery["next_at"].as_i64().unwrap() - delivery["attempted_at"].as_i64().unwrap();
        let usual = [5_000, 30_000][tries - 1];
        assert!((usual * 4 / 5..=usual * 6 / 5).contains(&wait), "{wait}");
        // As if that time had passed.
        database.run("update webhook set next_at = 1 where job_id = ?", &[&job]).await;
    }
    receiver.next().await;
    let delivery = until(&server, &job, |delivery| delivery["status"] == "delivered").await;
    assert_eq!((&delivery["attempts"], &delivery["last_status"]), (&json!(3), &json!(200)));
    receiver.answer_from_now_on(Answer::Status(410));
    let job = external(&server, &receiver.url("/hook")).await;
    complete(&server, &job).await;
    let delivery = until(&server, &job, |delivery| delivery["status"] == "given_up").await;
    assert_eq!((&delivery["attempts"], &delivery["next_at"]), (&json!(1), &Value::Null));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p74_an_end_is_told_after_a_crash_under_the_same_id() {
    let mut receiver = Receiver::start(&[Answer::Never]).await;
    let data = TempDir::new().unwrap();
    let flags = ["--webhook-allow-private", "on"];
    let variables = [(VARIABLE, SECRET.to_owned())];
    let start = || Process::serve_with(data.path(), "127.0.0.1:0", &flags, &variables);
    let process = start().await;
    let url = format!("http://{}/api/jobs", process.address);
    let body = json!({ "kind": "external", "webhook_url": receiver.url("/hook") });
    let answer: Value = client().post(&url).json(&body).send().await.unwrap().json().await.unwrap();
    let job = answer["job_id"].as_str().unwrap();
    let end = super::event("completed", &json!({}));
    let pushed = client().post(format!("{url}/{job}/events")).json(&end).send().await.unwrap();
    assert_eq!(pushed.status(), 200);
    // The end is committed; whether the receiver has heard of it nobody knows.
    let first = receiver.next().await;
    process.kill().await;
    receiver.answer_from_now_on(Answer::Status(204));
    let process = start().await;
    let again = receiver.next().await;
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(again.header("webhook-id"), job.replace("job_", "msg_"));
    assert_eq!(again.json(), first.json());
    assert_eq!(process.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p74_an_end_that_is_written_while_no_server_runs_is_told_by_the_next_one() {
    let mut receiver = Receiver::hearing().await;
    let server = TestServer::with(|settings| {
        sends_webhooks(settings);
        settings.webhook_url = Some(receiver.url("/all"));
    })
    .await;
    let job = server.submit_external().await;
    let settings = server.settings.clone();
    let mut database = Database::open(&server.database()).await;
    let data = server.stop().await;
    database.run("update job set status = 'completed' where id = ?", &[&job]).await;
    assert!(receiver.is_quiet());
    let server = TestServer::on(data, settings).await;
    assert_eq!(receiver.next().await.json()["data"]["id"], job.as_str());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p75_deliveries_are_listed_without_secrets_and_begun_anew() {
    let mut receiver = Receiver::start(&[Answer::Status(410)]).await;
    let server = server().await;
    let mut jobs = Vec::new();
    for number in 0..3 {
        let job = external(&server, &receiver.url(&format!("/{number}?key=secret"))).await;
        complete(&server, &job).await;
        until(&server, &job, |delivery| delivery["status"] == "given_up").await;
        jobs.push(job);
    }
    let first = receiver.next().await;
    let (_, page) = server.get("/api/deliveries?limit=2").await;
    assert!(!page.to_string().contains("secret"), "{page}");
    let shown: Vec<_> =
        page["deliveries"].as_array().unwrap().iter().map(|one| &one["job_id"]).collect();
    assert_eq!(shown, [&json!(jobs[2]), &json!(jobs[1])]);
    let rest = deliveries(&server, &format!("?limit=2&before={}", page["next"])).await;
    assert_eq!((rest.len(), &rest[0]["job_id"]), (1, &json!(jobs[0])));
    assert_eq!(rest[0]["url"], receiver.url("/0"));
    assert_eq!(rest[0]["webhook_id"], first.header("webhook-id"));
    assert_eq!(deliveries(&server, "?status=given_up").await.len(), 3);
    assert!(deliveries(&server, "?status=delivered").await.is_empty());

    receiver.answer_from_now_on(Answer::Status(200));
    let path = format!("/api/deliveries/{}/replay", rest[0]["id"]);
    let (status, begun) = server.post(&path, &json!({})).await;
    assert_eq!((status, &begun["status"], &begun["attempts"]), (200, &json!("pending"), &json!(1)));
    let delivery = until(&server, &jobs[0], |delivery| delivery["status"] == "delivered").await;
    assert_eq!(delivery["attempts"], 2);
    for _ in 0..2 {
        receiver.next().await;
    }
    let again = receiver.next().await;
    assert_eq!(
        (again.header("webhook-id"), &again.body),
        (first.header("webhook-id"), &first.body)
    );
    let (status, problem) = server.post("/api/deliveries/999/replay", &json!({})).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_delivery")));
    for query in ["?status=failed", "?job=x", "?limit=0", "?before=0", "?jobs=x"] {
        let (status, problem) = server.get(&format!("/api/deliveries{query}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")), "{query}");
    }
    let silent = TestServer::start().await;
    let (status, problem) = silent.post("/api/deliveries/1/replay", &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("no_webhooks")));
    silent.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p76_a_file_that_is_named_is_fetched_from_the_internet_alone() {
    let mut receiver = Receiver::hearing().await;
    let server = TestServer::with(|settings| settings.workers = 0).await;
    for (url, part) in [
        (receiver.url("/a.gif"), "is not on the internet"),
        ("https://localhost/a.gif".into(), "is not on the internet"),
        ("https://169.254.169.254/latest/meta-data".into(), "is not on the internet"),
        ("https://0x7f.1/a.gif".into(), "is not on the internet"),
        ("http://a.example/a.gif".into(), "begins with 'http:'"),
        ("https://a:b@c.example/a.gif".into(), "a user name or a password"),
        ("file:///etc/passwd".into(), "begins with 'file:'"),
    ] {
        let (status, problem) = server.post("/api/uploads", &json!({ "url": url })).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/url");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{url}: {detail}");
    }
    assert!(receiver.is_quiet(), "nobody was asked");
    server.stop().await;
}
