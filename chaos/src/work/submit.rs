//! Submitting under a key until there is an answer, and again although there was one.

use crate::world::World;

use super::Task;

/// Submits until some answer comes back whole; the id of the job, or nothing when no job was made.
pub(super) async fn submit(
    world: &World,
    name: &str,
    task: &Task,
    project: &str,
    random: &mut fastrand::Rng,
) -> Option<String> {
    let (route, body) = task.submit(name, project);
    loop {
        let request = world.http.post(world.url(route)).header("idempotency-key", name).json(&body);
        match World::once(request).await {
            Some((status, answer)) if matches!(status.as_u16(), 200 | 202) => {
                return answer["job_id"].as_str().map(str::to_owned);
            }
            // Full, draining, or a database that takes no writes.
            Some((status, _)) if world.is_away(status) => {}
            Some((status, answer)) => {
                world.violate(format!("a submit ({name}) was answered {status}: {answer}"));
                return None;
            }
            None => {}
        }
        world.pause(random).await;
    }
}

/// Submits once more what has an answer already: it must be the same one, unless a damaged log took
/// the job.
pub(super) async fn again(world: &World, name: &str, task: &Task, project: &str, job: &str) {
    let before = world.damages();
    let (route, body) = task.submit(name, project);
    let request = world.http.post(world.url(route)).header("idempotency-key", name).json(&body);
    let Some((status, answer)) = World::once(request).await else { return };
    let is_same = matches!(status.as_u16(), 200 | 202) && answer["job_id"] == job;
    if !is_same && !world.is_away(status) && before == 0 {
        world.violate(format!("{job} ({name}) submitted again was answered {status}: {answer}"));
    }
}
