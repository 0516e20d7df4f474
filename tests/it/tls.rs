//! TLS, HTTP/2 and what goes wrong with either.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::tls::TlsInfo;
use reqwest::{Client, Version};
use serde_json::{Value, json};
use tailwater::config::Settings;
use tailwater::server::{self, Signals};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::certificate::Certificate;
use crate::harness::process::Process;
use crate::harness::{PATIENCE, Reader, TestServer};

/// How often a condition is looked at that nobody tells of.
const LOOK: Duration = Duration::from_millis(50);

/// A server that speaks TLS.
struct Secured {
    server: TestServer,
    shown: Certificate,
    folder: TempDir,
}

impl Secured {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let shown = Certificate::write(folder.path());
        let server = TestServer::with(|settings| {
            settings.tls_cert = Some(shown.certificate.clone());
            settings.tls_key = Some(shown.key.clone());
            change(settings);
        });
        Self { server: server.await.at_one_node(), shown, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.server.address.port())
    }

    fn client(&self) -> Client {
        self.shown.client(self.server.address).build().unwrap()
    }

    fn old_client(&self) -> Client {
        self.shown.client(self.server.address).http1_only().build().unwrap()
    }

    async fn submit(&self, client: &Client) -> String {
        let body = json!({ "kind": "external" });
        let response = client.post(self.url("/api/jobs")).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 202);
        let view: Value = response.json().await.unwrap();
        view["job_id"].as_str().unwrap().to_owned()
    }

    async fn push(&self, client: &Client, job: &str, kind: &str) {
        let url = self.url(&format!("/api/jobs/{job}/events"));
        let event = json!({ "type": kind, "data": {} });
        let answer = client.post(url).json(&event).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn follow(&self, client: &Client, job: &str) -> Reader {
        Reader::open(client, &self.url(&format!("/api/jobs/{job}/stream")), None).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_submitted_watched_and_ended_over_either_protocol() {
    let secured = Secured::start().await;
    for (client, version) in
        [(secured.client(), Version::HTTP_2), (secured.old_client(), Version::HTTP_11)]
    {
        let alive = client.get(secured.url("/healthz")).send().await.unwrap();
        assert_eq!(alive.version(), version);
        let job = secured.submit(&client).await;
        let mut reader = secured.follow(&client, &job).await;
        assert_eq!(reader.headers["content-type"], "text/event-stream");
        reader.until("hello").await;
        secured.push(&client, &job, "first").await;
        reader.until("first").await;
        secured.push(&client, &job, "completed").await;
        assert_eq!(reader.read_to_end().await.last().unwrap().event, "completed");
    }
    secured.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_share_one_connection() {
    let secured = Secured::start().await;
    let client = secured.client();
    let job = secured.submit(&client).await;
    let readers = (0..50).map(|_| secured.follow(&client, &job));
    let mut readers = join_all(readers).await;
    join_all(readers.iter_mut().map(|reader| reader.until("hello"))).await;
    secured.push(&client, &job, "for.all").await;
    join_all(readers.iter_mut().map(|reader| reader.until("for.all"))).await;
    secured.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_down_says_goodbye_on_a_shared_connection() {
    let secured = Secured::start().await;
    let client = secured.client();
    let job = secured.submit(&client).await;
    let mut readers = join_all((0..3).map(|_| secured.follow(&client, &job))).await;
    join_all(readers.iter_mut().map(|reader| reader.until("hello"))).await;
    secured.server.begin_to_stop();
    for messages in join_all(readers.iter_mut().map(Reader::read_to_end)).await {
        assert_eq!(messages.last().unwrap().event, "bye");
    }
    secured.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_to_new_connections_and_old_ones_stay() {
    let secured = Secured::start().await;
    let client = secured.client();
    let job = secured.submit(&client).await;
    let mut reader = secured.follow(&client, &job).await;
    reader.until("hello").await;
    let renewed = Certificate::write(secured.folder.path());
    let fresh = async {
        loop {
            // A connection of its own each time.
            let fresh = renewed.client(secured.server.address).build().unwrap();
            if let Ok(answer) = fresh.get(secured.url("/healthz")).send().await {
                return answer
                    .extensions()
                    .get::<TlsInfo>()
                    .unwrap()
                    .peer_certificate()
                    .unwrap()
                    .to_vec();
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let shown = tokio::time::timeout(PATIENCE, fresh).await.expect("it is shown");
    assert_eq!(shown, renewed.der);
    secured.push(&client, &job, "still.here").await;
    reader.until("still.here").await;
    secured.server.stop().await;
}

#[tokio::test]
async fn a_hang_up_has_the_certificate_read_again() {
    let folder = TempDir::new().unwrap();
    let shown = Certificate::write(folder.path());
    let data = folder.path().join("data");
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (certificate, key) = (path(&shown.certificate), path(&shown.key));
    let more = ["--tls-cert", &certificate, "--tls-key", &key];
    let process = Process::alone(&data, "127.0.0.1:0", &more, &[]).await;
    process.signal("-HUP").await;
    let saying = async {
        while !process.said().contains("the certificate was read again") {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, saying).await.expect("it is said");
    // A certificate that cannot be shown is told, and nothing else happens.
    fs::write(&shown.key, "").unwrap();
    process.signal("-HUP").await;
    let saying = async {
        while !process.said().contains("the old one is shown on") {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, saying).await.expect("it is said");
    let client = shown.client(process.address).build().unwrap();
    let url = format!("https://localhost:{}/healthz", process.address.port());
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
    assert_eq!(process.terminate().await, Some(0));
}

#[tokio::test]
async fn what_speaks_no_tls_gets_nothing_and_costs_nobody_else_anything() {
    let secured = Secured::start().await;
    for said in ["GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "\u{16}\u{3}\u{1}junk", ""] {
        let mut stream = TcpStream::connect(secured.server.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut heard = Vec::new();
        // A reset is a close as well.
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        read.expect("the server closes the connection").ok();
        assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
    }
    let alive = secured.client().get(secured.url("/healthz")).send().await.unwrap();
    assert_eq!(alive.status(), 200);
    secured.server.stop().await;
}

#[tokio::test]
async fn a_client_that_begins_and_falls_silent_is_not_waited_for() {
    let patience = |settings: &mut Settings| settings.header_timeout = Duration::from_secs(1);
    let secured = Secured::with(patience).await;
    let mut stream = TcpStream::connect(secured.server.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02").await.unwrap();
    let mut heard = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    read.expect("the server closes the connection").ok();
    secured.server.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_shown_keeps_the_server_from_starting() {
    let folder = TempDir::new().unwrap();
    let shown = Certificate::write(folder.path());
    let other = TempDir::new().unwrap();
    let others = Certificate::write(other.path());
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let none = folder.path().join("none.pem");
    for (certificate, key, parts) in [
        (Some(&shown.certificate), None, ["'tls_cert'", "'tls_key'"]),
        (None, Some(&shown.key), ["'tls_key'", "'tls_cert'"]),
        (Some(&none), Some(&shown.key), ["none.pem", "no such file"]),
        (Some(&empty), Some(&shown.key), ["empty.pem", "a certificate"]),
        (Some(&shown.certificate), Some(&empty), ["empty.pem", "private key"]),
        (Some(&shown.certificate), Some(&others.key), ["key.pem", "does not belong"]),
    ] {
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            data: folder.path().join("data"),
            tls_cert: certificate.cloned(),
            tls_key: key.cloned(),
            ..Settings::default()
        };
        let started = server::run(&settings, Signals::default(), &mut |_| {}).await;
        let error = started.expect_err("it does not start");
        let said = error.to_string();
        assert_eq!(error.exit_code(), 2, "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}
