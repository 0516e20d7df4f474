//! A server whose providers of media are the simulator, seen from outside.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Server, get, post};

/// The providers of media.
pub(crate) const PROVIDERS: [&str; 5] = ["replicate", "fal", "runway", "minimax", "bfl"];

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// The route and the body of a submit to the provider's usual model.
pub(crate) fn request(provider: &str, prompt: &str) -> (&'static str, Value) {
    match provider {
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
        "bfl" => ("/api/images/generate", json!({ "model": "bfl/flux-2-pro", "prompt": prompt })),
        other => panic!("no such provider: {other}"),
    }
}

/// Submits to the provider's usual model; gives the job's id.
pub(crate) fn submit(server: SocketAddr, provider: &str, prompt: &str) -> String {
    let (path, body) = request(provider, prompt);
    let answer = post(server, path, "application/json", body.to_string().as_bytes());
    answer["job_id"].as_str().expect("an id").to_owned()
}

/// What a provider has counted that the server's own simulator plays.
pub(crate) fn counts(server: &Server, provider: &str) -> Value {
    let info = get(server.address, "/api/info");
    counts_at(info["simulators"][provider].as_str().expect("it is simulated"))
}

/// What a simulated provider with this base URL has counted.
pub(crate) fn counts_at(base: &str) -> Value {
    let address = base.trim_start_matches("http://").trim_end_matches("/v1");
    get(address.parse().expect("an address"), "/_simulator/counts")
}

/// Waits until something holds.
pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        thread::sleep(LOOK);
    }
}

/// Waits until a job has completed.
pub(crate) fn completed(server: &Server, job: &str) {
    until(|| {
        let view = get(server.address, &format!("/api/jobs/{job}"));
        let status = view["status"].as_str().expect("a status").to_owned();
        assert!(["pending", "running", "completed"].contains(&status.as_str()), "{view}");
        status == "completed"
    });
}
