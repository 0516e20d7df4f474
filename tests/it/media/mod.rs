//! Images, videos and lip-sync, through every provider of the simulator.

mod callbacks;
mod every_model;
mod fates;
mod lanes;
mod restarts;
mod routes;
mod savings;

use std::collections::HashMap;

use serde_json::{Value, json};
use tailwater::config::Settings;

use crate::harness::providers::{CallingBack, MEDIA as PROVIDERS, Providers};
use crate::harness::reader::Message;
use crate::harness::{PATIENCE, TestServer};

/// Those that call back.
const CALLING_BACK: [&str; 4] = ["replicate", "fal", "minimax", "bfl"];

/// A server over a simulator.
struct Studio {
    server: TestServer,
    /// Where each provider is.
    bases: HashMap<String, String>,
    /// Providers that outlive the server.
    _beside: Beside,
}

#[expect(dead_code, reason = "they are there as long as this is")]
enum Beside {
    Silent(Providers),
    CallingBack(CallingBack),
}

impl Studio {
    /// As fast as it goes, without callbacks.
    async fn start() -> Self {
        Self::with(1000.0, |_| {}).await
    }

    /// At a speed, with other settings.
    async fn with(speed: f64, change: impl FnOnce(&mut Settings)) -> Self {
        let providers = Providers::start(speed).await;
        let server = TestServer::with(|settings| {
            providers.work_for(settings);
            settings.start_jitter = std::time::Duration::ZERO;
            settings.demo_credits = 100_000;
            change(settings);
        })
        .await;
        Self { server, bases: providers.bases(), _beside: Beside::Silent(providers) }
    }

    /// One that providers call back.
    async fn called_back(speed: f64) -> Self {
        let providers = CallingBack::start(speed).await;
        let server = TestServer::with(|settings| {
            providers.work_for(settings);
            settings.start_jitter = std::time::Duration::ZERO;
            settings.demo_credits = 100_000;
            settings.workers = 20;
        })
        .await;
        let bases = providers.bases(&server).await;
        Self { server, bases, _beside: Beside::CallingBack(providers) }
    }

    async fn stop(self) {
        self.server.stop().await;
    }

    /// Stops the server in order and starts it again; the providers go on meanwhile.
    async fn restart(self) -> Self {
        let settings = self.server.settings.clone();
        self.restart_with(settings).await
    }

    /// The same with other settings.
    async fn restart_with(self, settings: Settings) -> Self {
        let server = TestServer::on(self.server.stop().await, settings).await;
        Self { server, ..self }
    }

    /// What a provider has counted.
    async fn counts(&self, provider: &str) -> Value {
        let mut url = reqwest::Url::parse(&self.bases[provider]).expect("a URL");
        url.set_path("/_simulator/counts");
        self.server.http.get(url).send().await.expect("counts").json().await.expect("JSON")
    }

    async fn count(&self, provider: &str, what: &str) -> u64 {
        self.counts(provider).await[what].as_u64().expect("a count")
    }

    /// Waits until a provider has counted so many.
    async fn until_counted(&self, provider: &str, what: &str, least: u64) {
        let counted = async {
            while self.count(provider, what).await < least {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, counted).await;
        assert!(waited.is_ok(), "{provider} never counted {least} {what}");
    }

    /// Submits to the provider's usual model; gives the answer.
    async fn submit(&self, provider: &str, prompt: &str) -> Value {
        let (path, body) = match provider {
            "replicate" => ("/api/replicate/seedance-t2v/submit", json!({ "prompt": prompt })),
            "fal" => ("/api/fal/veo3/text-to-video/fast/submit", json!({ "prompt": prompt })),
            "runway" => (
                "/api/runway/video",
                json!({
                    "model": "runway/gen4.5/text-to-video", "promptText": prompt,
                    "ratio": "1280:720", "duration": 5,
                }),
            ),
            "minimax" => ("/api/minimax/video", json!({ "prompt": prompt })),
            "bfl" => {
                ("/api/images/generate", json!({ "model": "bfl/flux-2-pro", "prompt": prompt }))
            }
            other => panic!("no such provider: {other}"),
        };
        let (status, answer) = self.server.post(path, &body).await;
        assert_eq!(status, 202, "{provider}: {answer}");
        answer
    }

    /// Submits, and reads how the job ends.
    async fn fate(&self, provider: &str, prompt: &str) -> Fate {
        let answer = self.submit(provider, prompt).await;
        let job = answer["job_id"].as_str().expect("an id").to_owned();
        let messages = self.server.follow(&job).await.read_to_end().await;
        Fate { messages }
    }

    /// What the account has: available, held, captured.
    async fn credits(&self) -> (i64, i64, i64) {
        let (status, view) = self.server.get("/api/credits").await;
        assert_eq!(status, 200, "{view}");
        let number = |name: &str| view[name].as_i64().expect("a number");
        (number("available"), number("held"), number("captured"))
    }
}

/// How a job went.
struct Fate {
    messages: Vec<Message>,
}

impl Fate {
    fn end(&self) -> &Message {
        self.messages.last().expect("an end")
    }

    /// The code of a failure.
    #[track_caller]
    fn code(&self) -> &str {
        let end = self.end();
        assert_eq!(end.event, "failed", "{end:?}");
        end.data["code"].as_str().expect("a code")
    }

    #[track_caller]
    fn assert_completed(&self) -> &Value {
        let end = self.end();
        assert_eq!(end.event, "completed", "{end:?}");
        &end.data
    }

    /// The file that its readers were told of.
    #[track_caller]
    fn file(&self) -> &Value {
        let ready = self.messages.iter().find(|message| message.event == "artifact_ready");
        &ready.expect("a file").data["artifact"]
    }
}
