//! A server that is killed in the middle of what it does, and started again on the same data.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::{Reader, client};

/// A server in a process of its own, with data that outlives it.
pub struct Killable {
    data: TempDir,
    process: Process,
    http: reqwest::Client,
}

impl Killable {
    /// Starts one with these flags.
    pub async fn start(flags: &[&str]) -> Self {
        Self::on(TempDir::new().expect("a temporary folder"), flags).await
    }

    async fn on(data: TempDir, flags: &[&str]) -> Self {
        let process = Process::serve(&data.path().join("data"), "127.0.0.1:0", flags).await;
        Self { data, process, http: client() }
    }

    /// Kills the process as a power cut would.
    pub async fn kill(self) -> Killed {
        self.process.kill().await;
        Killed { data: self.data }
    }

    pub fn database(&self) -> PathBuf {
        self.data.path().join("data").join(tailwater::db::FILE)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.address)
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(self.url(path)).send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    pub async fn text(&self, path: &str) -> String {
        let response = self.http.get(self.url(path)).send().await.expect("an answer");
        response.text().await.expect("a body")
    }

    pub async fn submit(&self, body: &Value) -> Value {
        let request = self.http.post(self.url("/api/jobs")).json(body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 202);
        response.json().await.expect("JSON")
    }

    pub async fn submit_external(&self) -> String {
        let answer = self.submit(&json!({ "kind": "external" })).await;
        answer["job_id"].as_str().expect("an id").to_owned()
    }

    /// Pushes one event to a job; gives the answer.
    pub async fn push(&self, job: &str, query: &str, event: &Value) -> Value {
        let url = self.url(&format!("/api/jobs/{job}/events{query}"));
        let response = self.http.post(url).json(event).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }

    pub async fn follow_from(&self, job: &str, after: Option<&str>) -> Reader {
        let url = self.url(&format!("/api/jobs/{job}/stream"));
        Reader::open(&self.http, &url, after).await
    }
}

/// What a killed server left.
pub struct Killed {
    data: TempDir,
}

impl Killed {
    /// Starts another one on it.
    pub async fn start(self, flags: &[&str]) -> Killable {
        Killable::on(self.data, flags).await
    }
}
