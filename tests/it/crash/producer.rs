//! An external worker that counts its events, and sends again what was not durable.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::world::World;

/// How many events of its own an external worker sends before the end.
pub const STEPS: u64 = 60;

/// Sends all events of a job, and its end, through every crash.
pub async fn produce(world: &World, job: &str, mut random: fastrand::Rng) {
    let url = world.url(&format!("/api/jobs/{job}/events"));
    let (mut durable, mut next) = (0, 1);
    while durable <= STEPS {
        let last = (next + random.u64(0..5)).min(STEPS + 1);
        // The end is told like everything else, until it is known to have arrived.
        let wait = last > STEPS || random.u8(0..4) == 0;
        let body: String = (next..=last).map(line).collect();
        let request = world.http.post(&url).query(&[("durable", wait)]).body(body);
        let life = world.life();
        let answer = match request.send().await {
            Ok(response) => (response.status(), response.json::<Value>().await),
            Err(_) => (StatusCode::OK, Ok(Value::Null)),
        };
        match answer {
            (StatusCode::OK, Ok(answer)) if answer.is_object() => {
                assert_eq!(answer["appended"], last + 1 - next, "{answer}");
                if answer["durable"] == true {
                    durable = last;
                }
                next = last + 1;
            }
            (StatusCode::CONFLICT, Ok(problem)) if problem["code"] == "sequence_gap" => {
                // A crash took what the answer called not durable, and nothing else.
                let expected = problem["expected"].as_u64().expect("what to go on with");
                assert!(expected > durable && expected < next, "{problem}, durable {durable}");
                next = expected;
            }
            (status, Ok(problem)) if !problem.is_null() => panic!("{status}: {problem}"),
            _ => {
                world.life_after(life).await;
                next = durable + 1;
            }
        }
    }
}

fn line(seq: u64) -> String {
    let event = if seq > STEPS {
        json!({ "type": "completed", "data": { "steps": STEPS }, "producer_seq": seq })
    } else {
        json!({ "type": "step", "data": { "n": seq }, "producer_seq": seq })
    };
    format!("{event}\n")
}
