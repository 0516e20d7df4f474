//! A provider whose every word the test decides, and when it says it.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use futures_util::stream;
use serde_json::{Value, json};
use tailwater::artifact::wav::Wav;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::PATIENCE;

/// An OpenAI-compatible server that answers as it is told.
pub struct Provider {
    /// Where it is, with its version.
    pub base_url: String,
    calls: mpsc::Receiver<Call>,
}

/// A request that waits for its answer.
pub struct Call {
    answer: mpsc::Sender<Vec<u8>>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (sender, calls) = mpsc::channel(16);
        let router = Router::new().fallback(async move || {
            let (answer, parts) = mpsc::channel(1);
            sender.send(Call { answer }).await.unwrap();
            Body::from_stream(stream::unfold(parts, async |mut parts| {
                let part: Vec<u8> = parts.recv().await?;
                Some((Ok::<_, Infallible>(part), parts))
            }))
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { base_url, calls }
    }

    /// The next request.
    pub async fn call(&mut self) -> Call {
        let call = tokio::time::timeout(PATIENCE, self.calls.recv()).await;
        call.expect("a worker asks").expect("the provider lives as long as its test")
    }
}

impl Call {
    async fn send(&self, bytes: Vec<u8>) {
        self.answer.send(bytes).await.expect("the worker reads the answer");
    }

    async fn chunk(&self, choice: &Value) {
        let chunk = json!({ "choices": [choice] });
        self.send(format!("data: {chunk}\n\n").into()).await;
    }

    /// Writes some more.
    pub async fn write(&self, text: &str) {
        self.chunk(&json!({ "index": 0, "delta": { "content": text } })).await;
    }

    /// Ends a text.
    pub async fn finish(self) {
        self.chunk(&json!({ "index": 0, "delta": {}, "finish_reason": "stop" })).await;
        self.send(b"data: [DONE]\n\n".to_vec()).await;
    }

    /// Speaks for a tenth of a second.
    pub async fn speak(self) {
        let sound = Wav { sample_rate: 8000, channels: 1, samples: vec![0; 800] };
        self.send(sound.encode()).await;
    }
}
