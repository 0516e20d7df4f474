//! The outbox on a real database, with a second program beside it.

use secrecy::ExposeSecret;
use serde_json::json;

use super::super::ends::Finished;
use super::super::jobs::Submitted;
use super::super::rig::{Rig, submit};
use super::*;
use crate::event::payload::{Canceled, End};

const URL: &str = "https://a.example:8443/hook?key=b";

/// Submits a job of which these are told.
async fn told(rig: &mut Rig, url: &str) -> JobId {
    let mut row = submit(0);
    (row.idempotency_key, row.webhook) = (None, Some(url.into()));
    match rig.apply(row).await.unwrap() {
        Submitted::New(job) => job.id,
        other => panic!("{other:?}"),
    }
}

async fn all(rig: &Rig) -> Vec<Delivery> {
    rig.db.webhooks(&Filter { limit: 100, ..Filter::default() }).await.unwrap()
}

async fn due(rig: &Rig, now: i64, but: &[&str]) -> Vec<i64> {
    let but: Vec<_> = but.iter().map(|&endpoint| endpoint.to_owned()).collect();
    let due = rig.db.due_webhooks(now, &but, 10).await.unwrap();
    due.deliveries.into_iter().map(|delivery| delivery.id).collect()
}

fn ends() -> [End; 3] {
    [
        End::Completed(json!({})),
        End::failed("timeout", "too long", true),
        End::Canceled(Canceled { reason: "enough".into() }),
    ]
}

#[tokio::test]
async fn every_end_fills_the_outbox_once() {
    let mut rig = Rig::with(0).await;
    for end in ends() {
        let job = told(&mut rig, URL).await;
        assert!(matches!(rig.finish(&job, end.clone(), None).await, Finished::Now));
        assert!(matches!(rig.finish(&job, end, None).await, Finished::Before(_)));
        let deliveries = all(&rig).await;
        let delivery = &deliveries[0];
        assert_eq!((&delivery.job, delivery.url.expose_secret()), (&job, URL));
        assert_eq!(delivery.endpoint, "https://a.example:8443");
        assert_eq!((delivery.status, delivery.attempts), (Status::Pending, 0));
        assert_eq!(delivery.next_at, Some(delivery.created_at), "at once");
    }
    assert_eq!(all(&rig).await.len(), 3);
}

#[tokio::test]
async fn an_end_by_a_program_that_only_knows_the_database_is_told_a_moment_later() {
    let mut rig = Rig::with(0).await;
    for verb in ["update", "update or ignore", "update or replace"] {
        let job = told(&mut rig, URL).await;
        let end = format!("{verb} job set status = 'completed' where id = '{job}'");
        if !rig.knows(&end) {
            continue;
        }
        rig.outside(&end).await.unwrap();
        // Once more, and back to life: an end was told.
        rig.outside(&end).await.unwrap();
        for status in ["running", "failed"] {
            let odd = format!("{verb} job set status = '{status}' where id = '{job}'");
            rig.outside(&odd).await.unwrap();
        }
        let deliveries = all(&rig).await;
        assert_eq!(deliveries.iter().filter(|delivery| delivery.job == job).count(), 1, "{verb}");
        assert_eq!(deliveries[0].next_at, Some(deliveries[0].created_at + 500));
    }
}

#[tokio::test]
async fn of_a_job_nobody_is_told_who_did_not_ask() {
    let mut rig = Rig::with(0).await;
    let job = rig.submit(0).await;
    rig.finish(&job, End::Completed(json!({})), None).await;
    assert!(all(&rig).await.is_empty());
}

#[tokio::test]
async fn who_is_told_of_all_is_told_once_of_each() {
    let mut rig = Rig::with(0).await;
    let of_all = |url: Option<&str>| TellOfAll { url: url.map(str::to_owned) };
    rig.apply(of_all(Some("https://old.example/"))).await.unwrap();
    rig.apply(of_all(Some(URL))).await.unwrap();
    let same = told(&mut rig, URL).await;
    let other = told(&mut rig, "https://b.example/").await;
    for job in [&same, &other] {
        rig.finish(job, End::Completed(json!({})), None).await;
    }
    let told = all(&rig).await;
    let mut told: Vec<_> = told.iter().map(|one| (&one.job, one.endpoint.as_str())).collect();
    told.sort_unstable();
    let (a, b) = ("https://a.example:8443", "https://b.example");
    assert_eq!(told, [(&same, a), (&other, a), (&other, b)]);
    rig.apply(of_all(None)).await.unwrap();
    let nobody = rig.submit(0).await;
    rig.finish(&nobody, End::Completed(json!({})), None).await;
    assert_eq!(all(&rig).await.len(), 3);
}

#[tokio::test]
async fn whoever_asks_for_what_is_in_flight_is_told_of_that() {
    let mut rig = Rig::with(0).await;
    let mut row = submit(0);
    (row.duplicate_key, row.webhook) = (Some("same".into()), Some(URL.into()));
    assert!(matches!(rig.apply(row.clone()).await.unwrap(), Submitted::New(_)));
    (row.job.id, row.webhook) = (JobId::generate(), Some("https://b.example/".into()));
    let Submitted::Duplicate(job) = rig.apply(row).await.unwrap() else { panic!("it is the same") };
    rig.finish(&job.id, End::Completed(json!({})), None).await;
    assert_eq!(all(&rig).await.len(), 2);
}

#[tokio::test]
async fn an_attempt_moves_a_delivery_on_until_it_is_over() {
    let mut rig = Rig::with(0).await;
    let job = told(&mut rig, URL).await;
    rig.finish(&job, End::Completed(json!({})), None).await;
    let id = all(&rig).await[0].id;
    let note = |status, error: Option<&str>, next, now| Note {
        id,
        status,
        error: error.map(str::to_owned),
        next,
        now,
    };
    rig.apply(note(Some(500), Some("HTTP 500"), Next::Again(70), 50)).await.unwrap();
    let delivery = all(&rig).await.remove(0);
    assert_eq!((delivery.attempts, delivery.step, delivery.next_at), (1, 1, Some(70)));
    assert_eq!(
        (delivery.last_status, delivery.last_error.as_deref()),
        (Some(500), Some("HTTP 500"))
    );
    assert_eq!((due(&rig, 69, &[]).await, due(&rig, 70, &[]).await), (vec![], vec![id]));
    assert!(due(&rig, 70, &["https://a.example:8443"]).await.is_empty());
    rig.apply(note(None, Some("no answer"), Next::GivenUp, 80)).await.unwrap();
    let delivery = all(&rig).await.remove(0);
    assert_eq!((delivery.status, delivery.ended_at), (Status::GivenUp, Some(80)));
    assert_eq!((delivery.last_status, delivery.attempts), (None, 2));
    // An answer that comes after its end changes nothing.
    rig.apply(note(Some(200), None, Next::Delivered, 81)).await.unwrap();
    assert_eq!(all(&rig).await[0].status, Status::GivenUp);
    // Begun anew, it has all its tries again, and knows how many there were.
    let again = rig.apply(Replay { id, now: 90 }).await.unwrap().unwrap();
    assert_eq!((again.status, again.step, again.attempts), (Status::Pending, 0, 2));
    assert_eq!((again.next_at, again.begun_at, again.ended_at), (Some(90), 90, None));
    rig.apply(note(Some(204), None, Next::Delivered, 91)).await.unwrap();
    let delivery = all(&rig).await.remove(0);
    assert_eq!((delivery.status, delivery.last_error), (Status::Delivered, None));
    assert!(rig.apply(Replay { id: id + 1, now: 92 }).await.unwrap().is_none());
}

#[tokio::test]
async fn what_waits_for_a_dead_endpoint_is_given_up_by_its_age_and_forgotten_later() {
    let mut rig = Rig::with(0).await;
    for url in [URL, "https://b.example/"] {
        let job = told(&mut rig, url).await;
        rig.finish(&job, End::Completed(json!({})), None).await;
    }
    let endpoint = "https://a.example:8443".to_owned();
    let begun_at = all(&rig).await[1].begun_at;
    for (begun_before, count) in [(begun_at, 0), (begun_at + 1, 1)] {
        let give_up = GiveUp { endpoint: endpoint.clone(), begun_before, now: 7 };
        assert_eq!(rig.apply(give_up).await.unwrap(), count);
    }
    let statuses: Vec<_> = all(&rig).await.into_iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Status::Pending, Status::GivenUp]);
    assert_eq!(rig.db.pending_webhooks().await.unwrap(), 1);
    for (ended_before, count) in [(7, 0), (8, 1)] {
        assert_eq!(rig.apply(Forget { ended_before, most: 10 }).await.unwrap(), count);
    }
    assert_eq!(all(&rig).await.len(), 1);
}

#[tokio::test]
async fn what_is_due_is_found_by_an_index() {
    let mut rig = Rig::with(0).await;
    let Some(plan) = rig.plan(DUE).await else { return };
    assert!(plan.contains("webhook_due") && !plan.contains("TEMP B-TREE"), "{plan}");
}
