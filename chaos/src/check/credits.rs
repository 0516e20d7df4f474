//! The account and its ledger: every hold settled once, and the sums right.

use std::collections::HashMap;

use serde_json::Value;

use crate::world::World;

use super::truth::Job;

/// What a ledger says of one job.
#[derive(Debug, Default)]
struct Booked {
    held: Vec<i64>,
    captured: Vec<i64>,
    released: Vec<i64>,
}

/// Checks the credits at the end of a run; gives how many entries the ledger has.
pub(super) async fn check(world: &World, jobs: &[&Job]) -> usize {
    let Some((_, account)) = world.ask("/api/credits").await else {
        world.violate("the credits cannot be asked for".to_owned());
        return 0;
    };
    let number = |name: &str| account[name].as_i64().unwrap_or(i64::MIN);
    let (available, granted) = (number("available"), number("granted"));
    let (captured, held) = (number("captured"), number("held"));
    if available != granted - captured - held {
        world.violate(format!("credits do not balance: {account}"));
    }
    if held != 0 {
        world.violate(format!("credits are held although no job goes on: {account}"));
    }
    let entries = ledger(world).await;
    for wrong in faults(&entries, captured, jobs) {
        world.violate(wrong);
    }
    entries.len()
}

async fn ledger(world: &World) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut path = "/api/credits/ledger?limit=200".to_owned();
    while let Some((_, page)) = world.ask(&path).await {
        entries.extend(page["entries"].as_array().cloned().unwrap_or_default());
        let Some(next) = page["next"].as_i64() else { break };
        path = format!("/api/credits/ledger?limit=200&before={next}");
    }
    entries
}

fn faults(entries: &[Value], captured: i64, jobs: &[&Job]) -> Vec<String> {
    let mut booked: HashMap<&str, Booked> = HashMap::new();
    for entry in entries {
        let amount = entry["amount"].as_i64().unwrap_or(i64::MIN);
        let Some(job) = entry["job_id"].as_str() else { continue };
        let of = booked.entry(job).or_default();
        match entry["entry"].as_str().unwrap_or_default() {
            "hold" => of.held.push(amount),
            "capture" => of.captured.push(amount),
            _ => of.released.push(amount),
        }
    }
    let mut faults = Vec::new();
    let sum: i64 = booked.values().flat_map(|of| &of.captured).sum();
    if sum != captured {
        faults.push(format!("{captured} captured, and the ledger says {sum}"));
    }
    for job in jobs {
        let (id, hold) = (job.view["id"].as_str().unwrap_or_default(), job.view["hold"].as_i64());
        let Some(hold) = hold.filter(|hold| *hold > 0) else { continue };
        let none = Booked::default();
        let of = booked.get(id).unwrap_or(&none);
        let cost = job.view["cost"].as_i64().unwrap_or(hold);
        let (captures, releases): (&[i64], &[i64]) =
            if job.has_completed() { (&[cost], &[]) } else { (&[], &[hold]) };
        if of.held != [hold] || of.captured != captures || of.released != releases {
            faults.push(format!("{id} ended as {} with {of:?}", job.end_name()));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(job: &str, kind: &str, amount: i64) -> Value {
        json!({ "job_id": job, "entry": kind, "amount": amount })
    }

    fn job(id: &str) -> Job {
        Job::seen_as(json!({ "id": id, "hold": 60, "cost": 50 }))
    }

    #[test]
    fn a_hold_that_is_settled_once_is_right() {
        let entries = [entry("a", "hold", 60), entry("a", "release", 60)];
        assert_eq!(faults(&entries, 0, &[&job("a")]), Vec::<String>::new());
    }

    #[test]
    fn a_hold_that_is_settled_twice_or_never_is_found() {
        let twice = [entry("a", "hold", 60), entry("a", "release", 60), entry("a", "release", 60)];
        assert_eq!(faults(&twice, 0, &[&job("a")]).len(), 1);
        assert_eq!(faults(&twice[..1], 0, &[&job("a")]).len(), 1);
    }

    #[test]
    fn a_sum_that_is_not_what_the_entries_say_is_found() {
        assert_eq!(faults(&[entry("a", "capture", 50)], 60, &[]).len(), 1);
    }
}
