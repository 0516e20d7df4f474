//! What the integration tests share: servers in this process, servers of their own, readers.

pub mod balancer;
pub mod bucket;
pub mod certificate;
pub mod cluster;
pub mod database;
pub mod keys;
pub mod parts;
pub mod process;
pub mod providers;
pub mod reader;
pub mod receiver;
pub mod relay;
pub mod routes;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tailwater::config::{Engine, Settings};
use tailwater::server::{self, Signals};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use balancer::Balancer;
use cluster::Stream;
pub use reader::{Message, Reader};

/// How long a test waits for a condition before it says that it will never hold. No test passes or
/// fails by how fast the machine is within it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server in this process, on a port of its own and a data folder of its own; or a cluster in its
/// place.
pub struct TestServer {
    pub address: SocketAddr,
    pub settings: Settings,
    pub data: Data,
    pub http: reqwest::Client,
    nodes: Vec<Node>,
    balancer: Option<Balancer>,
}

/// What servers leave to each other, and what is gone with the last of them.
pub struct Data {
    stream: Option<Stream>,
    _folder: TempDir,
}

impl From<TempDir> for Data {
    fn from(folder: TempDir) -> Self {
        Self { stream: None, _folder: folder }
    }
}

/// One server, or one node of a cluster.
struct Node {
    address: SocketAddr,
    signals: Signals,
    task: JoinHandle<Result<(), server::Error>>,
}

impl Node {
    async fn start(settings: Settings) -> Self {
        let signals = Signals::default();
        let (announce, announced) = oneshot::channel();
        let with_signals = signals.clone();
        let task = tokio::spawn(async move {
            let mut announce = Some(announce);
            let mut announce = |banner: &server::Banner| {
                if let Some(announce) = announce.take() {
                    announce.send(banner.address).ok();
                }
            };
            server::run(&settings, with_signals, &mut announce).await
        });
        match announced.await {
            Ok(address) => Self { address, signals, task },
            Err(_) => panic!("the server does not start: {:?}", task.await),
        }
    }
}

/// A client for tests; installs the process's TLS provider, which the client library wants even
/// for plain HTTP.
pub fn client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().no_proxy().build().expect("a plain client")
}

/// What serves streams, as for the server as a process: the suite runs over both.
fn engine() -> Engine {
    match std::env::var("TAILWATER_ENGINE").as_deref() {
        Ok("fanout") => Engine::Fanout,
        Ok("hyper") => Engine::Hyper,
        _ => Settings::default().engine,
    }
}

impl TestServer {
    /// A server with the usual settings, its providers as fast as they go.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with other settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let mut settings = Settings {
            listen: "127.0.0.1:0".parse().expect("an address"),
            data: data.path().join("data"),
            simulator_speed: 1000.0,
            engine: engine(),
            ..Settings::default()
        };
        change(&mut settings);
        Self::on(data, settings).await
    }

    /// A server on what another one left.
    pub async fn on(data: impl Into<Data>, mut settings: Settings) -> Self {
        let http = client();
        let mut data = data.into();
        if settings.database.is_none() {
            settings.database = database::address(&settings.data).await.map(Into::into);
        }
        bucket::choose(&mut settings);
        let nodes = if cluster::is_cluster() {
            data.stream.get_or_insert_with(|| Stream::of(&settings.data));
            join_all(cluster::nodes(&settings).into_iter().map(Node::start)).await
        } else {
            vec![Node::start(settings.clone()).await]
        };
        let mut address = nodes[0].address;
        let mut balancer = None;
        if let [_, _, ..] = &nodes[..] {
            let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
            let folder = settings.data.join("nginx");
            let before = Balancer::start(&folder, settings.listen, &addresses).await;
            address = before.address;
            balancer = Some(before);
        }
        Self { address, settings, data, http, nodes, balancer }
    }

    /// Stops the server in order and starts another one on the same data.
    pub async fn restart(self) -> Self {
        let settings = self.settings.clone();
        Self::on(self.stop().await, settings).await
    }

    /// Tells the server to stop and waits until it has.
    pub async fn stop(self) -> Data {
        self.begin_to_stop();
        for node in self.nodes {
            node.task.await.expect("no panic").expect("an orderly end");
        }
        drop(self.balancer);
        self.data
    }

    /// Waits until everything that was published is in the database.
    pub async fn until_durable(&self) {
        for node in self.nodes() {
            let url = format!("http://{node}/readyz");
            let waiting = async || {
                let answer = self.http.get(&url).send().await.expect("it listens");
                answer.json::<Value>().await.expect("JSON")["not_durable"] != 0
            };
            while waiting().await {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits until all nodes of a cluster have come to the same event: what one has just taken, another one
    /// shows a moment later.
    pub async fn until_level(&self) {
        loop {
            let mut heads = Vec::new();
            for node in self.nodes() {
                let url = format!("http://{node}/readyz");
                let answer = self.http.get(&url).send().await.expect("it listens");
                heads.push(answer.json::<Value>().await.expect("JSON")["head"].clone());
            }
            if heads.iter().all(|head| *head == heads[0]) {
                return;
            }
        }
    }

    /// Tells the server to stop, without waiting.
    pub fn begin_to_stop(&self) {
        for node in &self.nodes {
            node.signals.stop.cancel();
        }
    }

    /// From here on everything goes to one node, past the balancer: for what a process does by itself, such
    /// as its limits, and for what a balancer does not let through.
    pub fn at_one_node(mut self) -> Self {
        self.address = self.nodes[0].address;
        self
    }

    /// Where its nodes are, past the balancer.
    pub fn nodes(&self) -> impl Iterator<Item = SocketAddr> {
        self.nodes.iter().map(|node| node.address)
    }

    /// The URL of a path of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where the database is.
    pub fn database(&self) -> std::path::PathBuf {
        self.settings.data.join(tailwater::db::FILE)
    }

    /// Answers a GET with status and JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(self.url(path)).send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Answers a POST of JSON with status and JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.http.post(self.url(path)).json(body).send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Submits a job; gives its id.
    pub async fn submit(&self, body: &Value) -> String {
        let (status, answer) = self.post("/api/jobs", body).await;
        assert_eq!(status, 202, "{answer}");
        answer["job_id"].as_str().expect("an id").to_owned()
    }

    /// Submits a blog job about a topic.
    pub async fn submit_blog(&self, topic: &str, voiceover: bool) -> String {
        self.submit(&json!({
            "kind": "blog",
            "input": { "topic": topic, "words": 120, "voiceover": voiceover },
        }))
        .await
    }

    /// Submits an external job; its first event is that it is pending. A cluster answers before that is
    /// told, and whoever pushes at once may be first.
    pub async fn submit_external(&self) -> String {
        let job = self.submit(&json!({ "kind": "external" })).await;
        while cluster::is_cluster()
            && self.get(&format!("/api/jobs/{job}")).await.1["last_event_id"] == 0
        {
            tokio::task::yield_now().await;
        }
        job
    }

    /// Pushes events, one line each, as NDJSON; gives status and answer.
    pub async fn push(&self, job: &str, events: &[Value]) -> (u16, Value) {
        let body: String = events.iter().map(|event| format!("{event}\n")).collect();
        let request = self
            .http
            .post(self.url(&format!("/api/jobs/{job}/events")))
            .header("content-type", "application/x-ndjson")
            .body(body);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.expect("JSON"))
    }

    /// Follows a job's stream from the beginning.
    pub async fn follow(&self, job: &str) -> Reader {
        self.follow_from(job, None).await
    }

    /// Follows a job's stream from a cursor.
    pub async fn follow_from(&self, job: &str, after: Option<&str>) -> Reader {
        let url = self.url(&format!("/api/jobs/{job}/stream"));
        Reader::open(&self.http, &url, after).await
    }

    /// Waits until a job has ended; gives its view.
    pub async fn wait_for_end(&self, job: &str) -> Value {
        let mut reader = self.follow(job).await;
        reader.read_to_end().await;
        self.get(&format!("/api/jobs/{job}")).await.1
    }
}
