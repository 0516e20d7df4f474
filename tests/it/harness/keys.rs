//! A server that wants keys.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tailwater::config::Settings;

use super::{Reader, TestServer};

/// A server, and who asks it.
pub struct Locked {
    pub server: TestServer,
    /// The key that may do everything.
    pub admin: String,
}

impl Locked {
    /// A server whose first key was made.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let server = TestServer::with(change).await;
        let (status, made) = server.post("/api/keys", &json!({ "scopes": ["admin"] })).await;
        assert_eq!(status, 201, "an open server makes the first key: {made}");
        let admin = made["key"].as_str().expect("a key").to_owned();
        Self { server, admin }
    }

    /// The same with one node of a cluster alone, past the balancer.
    pub fn at_one_node(self) -> Self {
        Self { server: self.server.at_one_node(), ..self }
    }

    /// A new key, and its id.
    pub async fn key(&self, scopes: &[&str], project: Option<&str>) -> (String, String) {
        let body = json!({ "scopes": scopes, "project_id": project });
        let made = self.post(&self.admin, "/api/keys", &body).await;
        assert_eq!(made.status(), 201);
        let made: Value = made.json().await.expect("JSON");
        let text = |name: &str| made[name].as_str().expect(name).to_owned();
        (text("key"), text("id"))
    }

    /// A request by whoever has this key; an empty one is none.
    pub fn ask(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        let request = self.server.http.request(method, self.server.url(path));
        if key.is_empty() { request } else { request.bearer_auth(key) }
    }

    pub async fn get(&self, key: &str, path: &str) -> Response {
        self.ask(key, Method::GET, path).send().await.expect("an answer")
    }

    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Response {
        self.ask(key, Method::POST, path).json(body).send().await.expect("an answer")
    }

    /// Submits a job; gives the answer.
    pub async fn submit(&self, key: &str, body: &Value) -> Value {
        let answer = self.post(key, "/api/jobs", body).await;
        assert_eq!(answer.status(), 202);
        answer.json().await.expect("JSON")
    }

    /// Opens a stream as a browser does that has this URL.
    pub async fn follow(&self, url: &str) -> Reader {
        Reader::open(&self.server.http, &self.server.url(url), None).await
    }
}
