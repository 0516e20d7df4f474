//! Webhooks where they meet the rest: identical submits, settings that do not go together, the
//! command line.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::process::{Process, command};
use crate::harness::receiver::{Answer, Receiver, SECRET, sends_webhooks};
use crate::harness::{PATIENCE, TestServer, client};

#[tokio::test]
async fn whoever_asks_for_what_is_in_flight_is_told_too() {
    let mut receiver = Receiver::hearing().await;
    let server = TestServer::with(|settings| {
        sends_webhooks(settings);
        settings.workers = 0;
    })
    .await;
    let submit = |hook: String| json!({ "kind": "blog", "input": { "topic": "tides" }, "webhook_url": hook });
    let (_, first) = server.post("/api/jobs", &submit(receiver.url("/a"))).await;
    let (_, second) = server.post("/api/jobs", &submit(receiver.url("/b"))).await;
    assert_eq!((&second["job_id"], &second["deduplicated"]), (&first["job_id"], &json!(true)));
    let job = first["job_id"].as_str().expect("an id");
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    let mut paths = [receiver.next().await.path, receiver.next().await.path];
    paths.sort();
    assert_eq!(paths, ["/a", "/b"]);
    server.stop().await;
}

#[tokio::test]
async fn one_key_and_two_addresses_are_two_requests() {
    let server = TestServer::with(sends_webhooks).await;
    let submit = |hook: &str| {
        let body =
            json!({ "kind": "external", "webhook_url": format!("http://127.0.0.1:9/{hook}") });
        server.http.post(server.url("/api/jobs")).header("idempotency-key", "k").json(&body).send()
    };
    assert_eq!(submit("a").await.expect("an answer").status(), 202);
    assert_eq!(submit("a").await.expect("an answer").status(), 202);
    assert_eq!(submit("b").await.expect("an answer").status(), 422);
    server.stop().await;
}

/// Starts a server that must not start; gives what it says.
async fn refused(flags: &[&str], secret: Option<&str>) -> String {
    let folder = TempDir::new().expect("a folder");
    let mut command = command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path()).args(flags);
    command.envs(secret.map(|secret| ("TAILWATER_WEBHOOK_SECRET", secret)));
    let ended = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends");
    let ended = ended.expect("it starts");
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    assert_eq!(ended.status.code(), Some(2), "{said}");
    said
}

#[tokio::test]
async fn settings_of_webhooks_that_cannot_work_keep_the_server_from_starting() {
    let to_all = ["--webhook-url", "https://a.example/hook"];
    let said = refused(&to_all, None).await;
    assert!(said.contains("set TAILWATER_WEBHOOK_SECRET"), "{said}");
    for (url, part) in [
        ("http://a.example/hook", "begins with 'http:'"),
        ("https://10.0.0.1/hook", "is not on the internet"),
    ] {
        let said = refused(&["--webhook-url", url], Some(SECRET)).await;
        assert!(said.contains(part) && said.contains(url), "{said}");
    }
    for secret in ["hush-hush", "whsec_c2hvcnQ="] {
        let said = refused(&to_all, Some(secret)).await;
        assert!(said.contains("webhook_secret") && said.contains("24 to 64 bytes"), "{said}");
        assert!(!said.contains(secret), "{said}");
    }
}

/// A command for this server; gives its exit code and what it printed.
async fn run(process: &Process, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = command();
    command.args(arguments).env("TAILWATER_SERVER", format!("http://{}", process.address));
    let ended = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends");
    let ended = ended.expect("it starts");
    (ended.status.code(), String::from_utf8(ended.stdout).expect("UTF-8"))
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_replayed_on_the_command_line() {
    let mut receiver = Receiver::start(&[Answer::Status(410)]).await;
    let data = TempDir::new().expect("a folder");
    let variables = [("TAILWATER_WEBHOOK_SECRET", SECRET.to_owned())];
    let flags = ["--webhook-allow-private", "on"];
    let process = Process::serve_with(data.path(), "127.0.0.1:0", &flags, &variables).await;
    let url = format!("http://{}/api/jobs", process.address);
    let body = json!({ "kind": "external", "webhook_url": receiver.url("/hook?key=hidden") });
    let answer = client().post(&url).json(&body).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    let job = answer["job_id"].as_str().expect("an id").to_owned();
    assert_eq!(run(&process, &["webhooks", "replay", &job]).await, (Some(1), String::new()));
    let end = json!({ "type": "completed", "data": {} });
    client().post(format!("{url}/{job}/events")).json(&end).send().await.expect("an answer");
    let first = receiver.next().await;
    let listed = async |status: &str| loop {
        let list = ["webhooks", "list", "--job", &job, "--status", status];
        let (code, text) = run(&process, &list).await;
        assert_eq!(code, Some(0));
        if !text.is_empty() {
            return text;
        }
    };
    let text = listed("given_up").await;
    assert!(text.contains("HTTP 410") && text.contains(&receiver.url("/hook")), "{text}");
    assert!(!text.contains("hidden"), "{text}");
    receiver.answer_from_now_on(Answer::Status(204));
    let old = run(&process, &["webhooks", "replay", "--since", "0s"]).await;
    assert_eq!(old, (Some(0), String::new()), "it is older than nothing");
    let replayed = run(&process, &["webhooks", "replay", "--failed", "--since", "1h"]).await;
    assert_eq!(replayed, (Some(0), format!("{job}\n")));
    assert_eq!(receiver.next().await.header("webhook-id"), first.header("webhook-id"));
    listed("delivered").await;
    let replayed = run(&process, &["webhooks", "replay", &job]).await;
    assert_eq!(replayed, (Some(0), format!("{job}\n")), "what was heard can be told again");
    receiver.next().await;
    assert_eq!(process.terminate().await, Some(0));
}
