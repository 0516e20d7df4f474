//! Each scenario on the real server, small.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::run;
use crate::harness::TestServer;
use crate::harness::process::command;

#[tokio::test]
async fn a_fan_out_delivers_every_event_to_every_reader() {
    let ended = run(&["fanout", "--readers", "20", "--events", "30", "--rate", "100"]).await;
    ended.assert_passed();
    assert_eq!(ended.figure("published"), 30.0);
    assert_eq!(ended.figure("delivered"), 600.0);
    assert!(ended.figure("server_cpu_us") >= 0.0);
}

#[tokio::test]
async fn a_fan_out_as_fast_as_it_is_answered_delivers_the_same() {
    let ended = run(&["fanout", "--closed", "--readers", "10", "--events", "40"]).await;
    ended.assert_passed();
    assert_eq!(ended.figure("delivered"), 400.0);
    assert!(ended.figure("answer_p50_ms") > 0.0);
}

#[tokio::test]
async fn readers_in_several_processes_and_from_several_addresses_count_as_one_crowd() {
    let ended = run(&[
        "fanout",
        "--readers",
        "21",
        "--events",
        "20",
        "--processes",
        "3",
        "--source-addresses",
        "2",
    ])
    .await;
    ended.assert_passed();
    assert_eq!(ended.figure("delivered"), 420.0);
}

#[tokio::test]
async fn many_jobs_have_readers_of_their_own() {
    let ended =
        run(&["many-jobs", "--jobs", "12", "--readers", "24", "--rate", "40", "--events", "10"])
            .await;
    ended.assert_passed();
    assert_eq!(ended.figure("delivered"), 240.0);
}

#[tokio::test]
async fn tokens_come_at_a_models_pace() {
    let ended =
        run(&["tokens", "--jobs", "5", "--readers", "10", "--rate", "60", "--events", "30"]).await;
    ended.assert_passed();
    assert_eq!(ended.figure("delivered"), 300.0);
}

#[tokio::test]
async fn idle_readers_are_kept_alive() {
    let ended =
        run(&["idle", "--readers", "20", "--duration", "0.5", "--server-arg=--keep-alive=100ms"])
            .await;
    ended.assert_passed();
    assert!(ended.figure("keep_alives") >= 20.0);
    assert!(ended.figure("memory_per_reader_bytes").is_finite());
}

#[tokio::test]
async fn after_a_storm_nobody_has_lost_anything() {
    let ended = run(&["storm", "--readers", "30", "--duration", "1.5", "--rate", "20"]).await;
    ended.assert_passed();
    assert_eq!(ended.figure("delivered"), 900.0);
    assert!(ended.figure("caught_up_s") > 0.0);
}

#[tokio::test]
async fn slow_readers_cost_the_others_nothing() {
    let ended =
        run(&["slow", "--readers", "20", "--slow", "20", "--events", "40", "--rate", "50"]).await;
    ended.assert_passed();
    assert_eq!(ended.figure("slow_readers"), 4.0);
    assert_eq!(ended.figure("delivered"), 16.0 * 40.0);
}

#[tokio::test]
async fn a_replay_is_whole_from_memory_and_from_the_database() {
    let ended = run(&["replay", "--readers", "2", "--events", "3000"]).await;
    ended.assert_passed();
    assert_eq!(ended.figure("memory_delivered"), 6_000.0);
    assert_eq!(ended.figure("database_delivered"), 6_000.0);
}

#[tokio::test]
async fn polls_are_told_when_nothing_is_new_and_see_the_end() {
    let ended =
        run(&["poll", "--jobs", "3", "--readers", "9", "--rate", "0.5", "--events", "2"]).await;
    ended.assert_passed();
    assert!(ended.figure("polls_unchanged") > 0.0);
}

#[tokio::test]
async fn a_mixed_load_holds_together() {
    let ended =
        run(&["mixed", "--jobs", "2", "--readers", "20", "--duration", "2", "--rate", "5"]).await;
    ended.assert_passed();
    assert!(ended.figure("polls") > 0.0);
}

#[tokio::test]
async fn the_limit_passes_the_same_checks() {
    for arguments in [
        &["fanout", "--readers", "20", "--events", "20"][..],
        &["fanout", "--closed", "--readers", "5", "--events", "20"],
        &["storm", "--readers", "20", "--duration", "1.5"],
        &["replay", "--events", "3000"],
    ] {
        run(&[arguments, &["--adapter", "limit"]].concat()).await.assert_passed();
    }
}

#[tokio::test]
async fn a_server_that_is_there_already_is_tested_where_it_is() {
    let server = TestServer::start().await;
    let url = server.url("");
    let pid = std::process::id().to_string();
    let ended = run(&[
        "fanout",
        "--server",
        &url,
        "--server-pid",
        &pid,
        "--readers",
        "5",
        "--events",
        "10",
    ])
    .await;
    ended.assert_passed();
    assert!(ended.figure("server_memory_mb") > 0.0);
    server.stop().await;
}

#[tokio::test]
async fn a_recorded_job_is_played_again_event_by_event() {
    let server = TestServer::start().await;
    let job = server.submit_blog("The tides", false).await;
    server.wait_for_end(&job).await;
    let mut record = command();
    record.args(["record", &job, "--server", &server.url("")]).stdin(Stdio::null());
    let recorded = record.output().await.expect("it runs");
    assert!(recorded.status.success(), "{recorded:?}");
    let text = String::from_utf8(recorded.stdout).expect("UTF-8");
    assert!(text.lines().count() > 5, "{text}");
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("job.ndjson");
    fs::write(&file, &text).expect("it can be written");
    let file = file.to_str().expect("UTF-8");
    let ended =
        run(&["many-jobs", "--jobs", "2", "--readers", "4", "--from", file, "--speed", "50"]).await;
    ended.assert_passed();
    let events = u32::try_from(text.lines().count()).expect("a few");
    assert_eq!(ended.figure("delivered"), f64::from(4 * events));
    server.stop().await;
}

#[tokio::test]
async fn what_can_never_do_ends_with_2_and_says_why() {
    for (arguments, words) in [
        (vec!["fanout", "--size", "10"], "--size is at least"),
        (vec!["fanout", "--server", "https://127.0.0.1"], "http://"),
        (vec!["fanout", "--jobs", "5", "--readers", "2"], "at least as many readers"),
        (vec!["poll", "--adapter", "limit"], "only tailwater"),
        (vec!["idle", "--adapter", "nchan"], "--server says where"),
        (vec!["fanout", "--from", "/nowhere/job.ndjson"], "cannot be read"),
        (vec!["fly"], "possible values"),
    ] {
        let ended = run(&arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?} {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?} {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_with_1_and_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let ended = run(&["fanout", "--server", &url]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot be asked"), "{}", ended.stderr);
}

/// The report without its values: names in order, lists by what they hold first.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(items) => json!(items.first().map(shape)),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "yes or no".into(),
        Value::Null => Value::Null,
    }
}

#[tokio::test]
async fn a_report_has_everything_that_its_reader_needs() {
    let folder = TempDir::new().expect("a folder");
    let page = folder.path().join("report.html");
    let page = page.to_str().expect("UTF-8");
    let ended =
        run(&["fanout", "--readers", "5", "--events", "40", "--rate", "50", "--html", page]).await;
    ended.assert_passed();
    let figures = ended.report["figures"].as_array().expect("a report has figures");
    let keys: Vec<_> = figures.iter().map(|figure| &figure["key"]).collect();
    insta::assert_snapshot!(format!("{:#}\n{:#}", shape(&ended.report), json!(keys)));
    let html = fs::read_to_string(page).expect("it was written");
    let opening = |line: &&str| line.starts_with("<h1>") || line.starts_with("<h2>");
    let headings: Vec<_> = html.lines().filter(opening).collect();
    assert_eq!(
        headings,
        [
            "<h1>Load test “fanout” on tailwater: 1 job, 5 readers</h1>",
            "<h2>What was measured</h2>",
            "<h2>What had to hold</h2>",
            "<h2>Where and how it ran</h2>",
        ]
    );
    assert_eq!(html.matches("<svg").count(), 3, "{html}");
    for outside in ["src=", "href=", "@import", "url("] {
        assert!(!html.contains(outside), "the page needs nothing else: {outside}");
    }
}
