//! Traces, as a collector gets them: one a job. Only where the program is built with the feature `otlp`.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::process::Process;
use crate::harness::{PATIENCE, Reader, client};

/// A collector that takes spans as JSON, and hands them on.
async fn collector() -> (String, mpsc::Receiver<Value>) {
    let (spans, got) = mpsc::channel(1_000);
    let take = async |State(spans): State<mpsc::Sender<Value>>, body: String| {
        let batch: Value = serde_json::from_str(&body).expect("OTLP as JSON");
        let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        for resource in list(&batch, "resourceSpans") {
            for scope in list(&resource, "scopeSpans") {
                for span in list(&scope, "spans") {
                    spans.send(span).await.expect("somebody collects");
                }
            }
        }
        "{}"
    };
    let router = Router::new().route("/v1/traces", post(take)).with_state(spans);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), got)
}

#[tokio::test]
async fn a_jobs_trace_goes_from_the_submit_through_the_provider_to_the_last_delivery() {
    let (endpoint, mut got) = collector().await;
    let data = TempDir::new().expect("a folder");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json".into()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".into()),
        ("TAILWATER_SIMULATOR_SPEED", "1000".into()),
    ];
    let server = Process::alone(data.path(), "127.0.0.1:0", &[], &variables).await;
    let url = format!("http://{}", server.address);
    let http = client();
    let body = json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "a kite" } });
    let answer = http.post(format!("{url}/api/jobs")).json(&body).send().await;
    let answer: Value = answer.expect("an answer").json().await.expect("JSON");
    let stream = format!("{}{}", url, answer["stream_url"].as_str().expect("a link"));
    let messages = Reader::open(&http, &stream, None).await.read_to_end().await;
    assert_eq!(messages.last().map(|last| last.event.as_str()), Some("completed"));
    let missing = format!("{}/api/jobs/{}/no", url, answer["job_id"].as_str().expect("id"));
    http.get(missing).send().await.expect("an answer");
    let wanted = ["submit", "run", "start", "poll", "deliver", "end"];
    let mut traces = BTreeMap::<String, Vec<String>>::new();
    let has_all = |traces: &BTreeMap<String, Vec<String>>| {
        traces
            .values()
            .find(|names| wanted.iter().all(|name| names.iter().any(|is| is == name)))
            .cloned()
    };
    let found = async {
        loop {
            if let Some(names) = has_all(&traces) {
                return names;
            }
            let span = got.recv().await.expect("the collector lives");
            let text = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
            traces.entry(text("traceId")).or_default().push(text("name"));
        }
    };
    let names = tokio::time::timeout(PATIENCE, found).await.expect("a whole trace");
    assert!(names.len() >= wanted.len(), "{names:?}");
    server.terminate().await;
}
