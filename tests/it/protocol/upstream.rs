//! § 10: at the provider.

use std::sync::Once;
use std::time::Duration;

use serde_json::{Value, json};
use tailwater::config::Settings;
use tailwater::simulator::{self, Simulator};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::database::Database;
use crate::harness::providers::CallingBack;
use crate::harness::{PATIENCE, TestServer, client};

/// The providers, beside the server: they outlive it.
pub(super) struct Upstream {
    simulator: Simulator,
    speed: f64,
    _stop: DropGuard,
}

impl Upstream {
    pub(super) async fn start(speed: f64) -> Self {
        static TLS: Once = Once::new();
        TLS.call_once(|| drop(client()));
        let stop = CancellationToken::new();
        let simulator = simulator::start(simulator::Options { speed }, stop.clone()).await.unwrap();
        Self { simulator, speed, _stop: stop.drop_guard() }
    }

    fn base(&self, provider: &str) -> String {
        self.simulator.media(provider).unwrap().to_owned()
    }

    /// A server that Replicate, fal and Black Forest Labs are real for.
    pub(super) async fn server(&self, change: impl FnOnce(&mut Settings)) -> TestServer {
        TestServer::with(|settings| {
            settings.replicate_base_url = Some(self.base("replicate"));
            settings.replicate_api_token = Some("simulated-key".into());
            settings.fal_base_url = Some(self.base("fal"));
            settings.fal_key = Some("simulated-key".into());
            settings.bfl_base_url = Some(self.base("bfl"));
            settings.bfl_api_key = Some("simulated-key".into());
            settings.simulator_speed = self.speed;
            settings.start_jitter = Duration::ZERO;
            change(settings);
        })
        .await
    }

    /// What a provider has counted.
    async fn count(&self, server: &TestServer, what: &str) -> u64 {
        counted(server, &self.base("replicate"), what).await
    }

    async fn until_counted(&self, server: &TestServer, what: &str, least: u64) {
        until_counted(server, &self.base("replicate"), what, least).await;
    }
}

async fn counted(server: &TestServer, base: &str, what: &str) -> u64 {
    let mut url = reqwest::Url::parse(base).unwrap();
    url.set_path("/_simulator/counts");
    let counts: Value = server.http.get(url).send().await.unwrap().json().await.unwrap();
    counts[what].as_u64().unwrap_or_else(|| panic!("no {what}: {counts}"))
}

/// Waits until a simulated provider has counted so many.
async fn until_counted(server: &TestServer, base: &str, what: &str, least: u64) {
    let enough = async {
        while counted(server, base, what).await < least {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, enough).await;
    assert!(waited.is_ok(), "never {least} {what}");
}

/// Submits to a model of Replicate.
async fn submit(server: &TestServer, prompt: &str) -> Value {
    let body = json!({ "prompt": prompt });
    let (status, answer) = server.post("/api/replicate/seedance-t2v/submit", &body).await;
    assert_eq!(status, 202, "{answer}");
    answer
}

/// Submits, and gives the code of the failure.
async fn failure(server: &TestServer, prompt: &str) -> (String, bool) {
    let answer = submit(server, prompt).await;
    let view = server.wait_for_end(answer["job_id"].as_str().unwrap()).await;
    let error = &view["error"];
    let code = error["code"].as_str().unwrap_or_else(|| panic!("no failure: {view}"));
    (code.to_owned(), error["retryable"].as_bool().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p43_work_is_polled_on_by_the_next_process_and_never_started_again() {
    let upstream = Upstream::start(40.0).await;
    let server = upstream.server(|_| {}).await;
    let answer = submit(&server, "[slow] a kite").await;
    upstream.until_counted(&server, "polls", 1).await;
    let server = server.restart().await;
    let view = server.wait_for_end(answer["job_id"].as_str().unwrap()).await;
    assert_eq!((&view["status"], &view["attempt"]), (&json!("completed"), &json!(2)), "{view}");
    assert_eq!(upstream.count(&server, "starts").await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p43_a_start_of_which_nobody_knows_is_not_repeated() {
    let upstream = Upstream::start(1000.0).await;
    let mut server = upstream.server(|_| {}).await;
    let lost = ("ambiguous_start".to_owned(), false);
    assert_eq!(failure(&server, "[cut] a kite").await, lost);
    assert_eq!(upstream.count(&server, "starts").await, 1);
    // A process that died between its intent and the provider's answer.
    server.settings.workers = 0;
    let mut server = server.restart().await;
    let job = submit(&server, "a ball").await["job_id"].as_str().unwrap().to_owned();
    let mut database = Database::open(&server.database()).await;
    let intent = "insert into operation (job_id, attempt, provider, token, intended_at) \
                  values (?, 1, 'replicate', 'secret', 1)";
    database.run(intent, &[&job]).await;
    server.settings.workers = 1;
    let server = server.restart().await;
    let view = server.wait_for_end(&job).await;
    assert_eq!(view["error"]["code"], "ambiguous_start", "{view}");
    assert_eq!(upstream.count(&server, "starts").await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p44_every_end_at_a_provider_has_a_code() {
    let upstream = Upstream::start(1000.0).await;
    let server = upstream.server(|_| {}).await;
    for (prompt, code, retryable) in [
        ("[fail] a kite", "broken", true),
        ("[moderated] a kite", "moderated", false),
        ("[aborted] a kite", "canceled_by_provider", true),
        ("[gone-url] a kite", "expired", false),
        ("[quota] a kite", "out_of_funds", false),
    ] {
        assert_eq!(failure(&server, prompt).await, (code.to_owned(), retryable), "{prompt}");
    }
    assert_eq!(upstream.count(&server, "cancels").await, 0);
    assert_eq!(failure(&server, "[never] a kite").await, ("timeout".to_owned(), true));
    upstream.until_counted(&server, "cancels", 1).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p44_work_of_a_job_that_is_canceled_is_canceled_at_the_provider() {
    let upstream = Upstream::start(1.0).await;
    let server = upstream.server(|_| {}).await;
    let answer = submit(&server, "[never] a kite").await;
    upstream.until_counted(&server, "started", 1).await;
    let (status, view) = server.post(answer["cancel_url"].as_str().unwrap(), &json!({})).await;
    assert_eq!((status, &view["status"]), (200, &json!("canceled")), "{view}");
    upstream.until_counted(&server, "cancels", 1).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p45_what_was_made_is_fetched_before_it_is_announced() {
    let upstream = Upstream::start(1000.0).await;
    let server = upstream.server(|_| {}).await;
    let answer = submit(&server, "a kite").await;
    let mut reader = server.follow(answer["job_id"].as_str().unwrap()).await;
    let file = reader.until("artifact_ready").await.data["artifact"].clone();
    assert_eq!((&file["id"], &file["kind"]), (&answer["file_id"], &json!("video")), "{file}");
    let url = file["url"].as_str().unwrap();
    assert_eq!(url, format!("/api/artifacts/{}/content", file["id"].as_str().unwrap()));
    let response = server.http.get(server.url(url)).send().await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["content-type"]),
        (reqwest::StatusCode::OK, &"video/mp4".parse().unwrap())
    );
    assert_eq!(file["bytes"], response.bytes().await.unwrap().len());
    for name in ["width", "height", "duration_ms"] {
        assert!(file[name].as_u64() > Some(0), "{file}");
    }
    assert_eq!(upstream.count(&server, "leaked_keys").await, 0);
    let end = reader.until("completed").await.data;
    assert_eq!((&end["artifacts"], &end["model"]), (&json!([file["id"]]), &json!("seedance-t2v")));
    server.stop().await;
}

/// A server that is called back by providers no faster than real ones: no poll comes before a minute and a
/// half. With the address of one.
async fn called_back() -> (TestServer, CallingBack, String) {
    let providers = CallingBack::start(1.0).await;
    let server = TestServer::with(|settings| providers.work_for(settings)).await;
    let base = providers.bases(&server).await["minimax"].clone();
    (server, providers, base)
}

/// The secret in the address of a job's callbacks, once the job's work is known to be started.
async fn token(server: &TestServer, job: &str) -> String {
    let mut database = Database::open(&server.database()).await;
    let started = "select count(*) from operation where job_id = ? and handle is not null";
    let known = async {
        while database.number(started, &[job]).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, known).await.is_ok(), "it was never started");
    database.text("select token from operation where job_id = ?", &[job]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p46_a_callback_only_makes_the_server_ask_and_is_taken_once() {
    let (server, _providers, minimax) = called_back().await;
    let body = json!({ "prompt": "[never] a kite" });
    let (status, answer) = server.post("/api/minimax/video", &body).await;
    assert_eq!(status, 202, "{answer}");
    let job = answer["job_id"].as_str().unwrap();
    until_counted(&server, &minimax, "started", 1).await;
    let token = token(&server, job).await;
    let path = |token: &str| format!("/api/webhooks/minimax/{job}/1/{token}");
    let polls = counted(&server, &minimax, "polls").await;
    let news = json!({ "task_id": "1", "status": "success", "file_id": "9" });
    for forged in
        [path("guess"), path(&token).replace("/1/", "/2/"), path(&token).replace("minimax", "fal")]
    {
        let (status, problem) = server.post(&forged, &news).await;
        assert_eq!((status, &problem["code"]), (401, &json!("forged_callback")), "{problem}");
    }
    assert_eq!(counted(&server, &minimax, "polls").await, polls);
    let (status, taken) = server.post(&path(&token), &news).await;
    assert_eq!(status, 200, "{taken}");
    until_counted(&server, &minimax, "polls", polls + 1).await;
    let (status, problem) = server.post(&path(&token), &news).await;
    assert_eq!((status, &problem["code"]), (409, &json!("replayed_callback")), "{problem}");
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(view["status"], "running", "what it says is not believed: {view}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p46_a_provider_that_signs_is_not_believed_without_its_signature() {
    let (server, _providers, _) = called_back().await;
    for (path, provider, body) in [
        ("/api/replicate/seedance-t2v/submit", "replicate", json!({ "prompt": "[never] kite" })),
        ("/api/fal/veo3/text-to-video/submit", "fal", json!({ "prompt": "[never] kite" })),
        (
            "/api/images/generate",
            "bfl",
            json!({ "model": "bfl/flux-2-pro", "prompt": "[never] kite" }),
        ),
    ] {
        let (status, answer) = server.post(path, &body).await;
        assert_eq!(status, 202, "{answer}");
        let job = answer["job_id"].as_str().unwrap();
        let token = token(&server, job).await;
        let path = format!("/api/webhooks/{provider}/{job}/1/{token}");
        let (status, problem) = server.post(&path, &json!({ "status": "succeeded" })).await;
        assert_eq!((status, &problem["code"]), (401, &json!("forged_callback")), "{problem}");
    }
    server.stop().await;
}
