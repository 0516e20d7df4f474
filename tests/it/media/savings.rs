//! How many requests providers get, counted by the providers.

use super::Studio;

/// How many polls a minute of work takes when it is polled every two seconds.
const FIXED: u64 = 30;

const JOBS: u64 = 40;

async fn polls(studio: &Studio) -> (u64, u64) {
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let answer = studio.submit("replicate", &format!("kite {number}")).await;
        jobs.push(answer["job_id"].as_str().expect("an id").to_owned());
    }
    for job in jobs {
        let view = studio.server.wait_for_end(&job).await;
        assert_eq!(view["status"], "completed", "{view}");
    }
    let counts = studio.counts("replicate").await;
    let number = |name: &str| counts[name].as_u64().expect("a count");
    assert_eq!(number("started"), JOBS);
    (number("polls"), number("starts"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_takes_at_most_two_fifths_of_the_requests_of_a_fixed_interval() {
    let studio = Studio::with(20.0, |settings| settings.workers = 40).await;
    let (polls, _) = polls(&studio).await;
    // The simulator's work is 30 to 60 s long; the fixed poller is given the shortest.
    assert!(polls * 5 <= JOBS * (FIXED / 2) * 2, "{polls}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_save_all_polls_but_one_a_job() {
    let studio = Studio::called_back(20.0).await;
    let (polls, starts) = polls(&studio).await;
    assert_eq!(starts, JOBS);
    assert!(polls * 20 <= JOBS * FIXED, "{polls}");
    studio.stop().await;
}
