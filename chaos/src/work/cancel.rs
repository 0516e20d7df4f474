//! Canceling a job in the middle of its work.

use serde_json::json;

use crate::plan::Moment;
use crate::world::World;

/// After how many events of all jobs at most.
const LATEST: u64 = 500;

/// Cancels a job some time on, until there is an answer.
pub(super) async fn cancel(world: &World, job: &str, mut random: fastrand::Rng) {
    world.wait_for(&Moment::After(random.u64(1..=LATEST))).await;
    let url = world.url(&format!("/api/jobs/{job}/cancel"));
    loop {
        let request = world.http.post(&url).json(&json!({ "reason": "chaos" }));
        match World::once(request).await {
            // It is, or will be, or had ended.
            Some((status, _)) if matches!(status.as_u16(), 200 | 202 | 409) => return,
            Some((status, answer)) if !world.is_away(status) => {
                world.violate(format!("{job}: a cancel was answered {status}: {answer}"));
                return;
            }
            Some(_) | None => world.pause(&mut random).await,
        }
    }
}
