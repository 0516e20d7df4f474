//! A worker in Rust: submits a job of the kind `external`, renders some frames, and tells everybody who
//! watches as they are done.
//!
//!     cargo run -- 5

use std::env;
use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

fn main() -> Result<(), Box<dyn Error>> {
    let frames: u64 = env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let server = Server::from_env();

    // In a product, a backend submits, and hands the id to a worker by its queue.
    let submitted =
        server.post("/api/jobs", &json!({ "kind": "external", "input": { "frames": frames } }))?;
    let mut job = Job::new(&server, submitted["job_id"].as_str().ok_or("no job_id")?);
    println!("watch it: {}/#job={}", server.address, job.id);

    for frame in 1..=frames {
        sleep(Duration::from_millis(300)); // the work
        let percent = 100 * frame / frames;
        job.push("progress", json!({ "percent": percent, "stage": "rendering" }))?;
        job.push("frame.rendered", json!({ "frame": frame }))?;
    }
    job.push("completed", json!({ "frames": frames }))?;
    println!("{} is done", job.id);
    Ok(())
}

/// A job of the kind `external`, seen by the worker that does it.
struct Job<'a> {
    server: &'a Server,
    id: String,
    /// The number of the last event. Numbered events may be sent twice, and count once.
    seq: u64,
}

impl<'a> Job<'a> {
    fn new(server: &'a Server, id: &str) -> Self {
        Self { server, id: id.to_owned(), seq: 0 }
    }

    /// Tells the job's readers that something happened; returns when it cannot be lost any more.
    fn push(&mut self, kind: &str, data: Value) -> Result<(), Box<dyn Error>> {
        self.seq += 1;
        let event = json!({ "type": kind, "data": data, "producer_seq": self.seq });
        self.server.post(&format!("/api/jobs/{}/events?durable=true", self.id), &event)?;
        Ok(())
    }
}

/// A Tailwater server.
struct Server {
    address: String,
    key: Option<String>,
    agent: Agent,
}

impl Server {
    fn from_env() -> Self {
        let address =
            env::var("TAILWATER_SERVER").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
        // Answers that say no are read: they say why.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)));
        Self { address, key: env::var("TAILWATER_API_KEY").ok(), agent: agent.build().into() }
    }

    /// One request, sent again while the server is away or busy.
    fn post(&self, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
        // One for all tries: a submit whose answer was lost is no second job. Pushes have their numbers.
        let idempotency_key = format!("{:016x}", RandomState::new().build_hasher().finish());
        let mut wait = Duration::from_millis(500);
        for _ in 0..10 {
            let mut request = self
                .agent
                .post(format!("{}{path}", self.address))
                .header("idempotency-key", &idempotency_key);
            if let Some(key) = &self.key {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            let problem = match request.send_json(body) {
                Ok(mut answer) => {
                    let status = answer.status().as_u16();
                    match (status, answer.body_mut().read_json::<Value>()) {
                        (200..=299, Ok(said)) => return Ok(said),
                        (200..=299, Err(error)) => error.to_string(), // it broke off
                        // Busy or away. A proxy says so in HTML, so what is said is not looked at.
                        (429 | 502..=504, _) => format!("status {status}"),
                        (_, said) => {
                            let said = said.unwrap_or_default();
                            return Err(format!("{path}: {status} {}", said["detail"]).into());
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            eprintln!("{path}: {problem}; trying again in {wait:?}");
            sleep(wait);
            wait = (wait * 2).min(Duration::from_secs(30));
        }
        Err(format!("{path}: given up").into())
    }
}
