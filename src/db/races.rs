//! Two nodes that do at the same time what may happen once.

use serde_json::json;

use super::chats::InChat;
use super::claims::{Claim, Taken};
use super::cluster::{Cluster, Node};
use super::credits::{Grant, Granted, OpenAccount};
use super::ends::{Finish, Finished};
use super::jobs::{Submit, Submitted};
use super::nodes::GiveUpDead;
use super::operations::Intend;
use super::permits::{GivePermits, Permit, TakePermit};
use super::projects::{FILE_OVERHEAD, Full, Room};
use super::rig::{ACCOUNT, claim, submit};
use super::uploads::{self, Inserted, Upload};
use super::webhooks::TellOfAll;
use crate::event::payload::End;
use crate::job::{JobId, UploadId};

/// Submits at two nodes, and gives what became of the second.
async fn second(demo: i64, first: Submit, second: Submit) -> (JobId, Submitted) {
    let (mut cluster, mut a, mut b) = Cluster::of_two(demo).await;
    match cluster.race((&mut a, first), (&mut b, second)).await {
        (Submitted::New(job), second) => (job.id, second),
        (first, _) => panic!("{first:?}"),
    }
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn one_key_at_two_nodes_is_one_job() {
    let row = || Submit { idempotency_key: Some("key".into()), ..submit(0) };
    let (first, second_) = second(0, row(), row()).await;
    assert!(matches!(&second_, Submitted::Repeated(job) if job.id == first), "{second_:?}");
    let other = Submit { request_hash: "another".into(), ..row() };
    assert!(matches!(second(0, row(), other).await.1, Submitted::KeyReused));
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn one_task_at_two_nodes_is_one_job() {
    let row = || Submit { duplicate_key: Some("task".into()), ..submit(0) };
    let (first, second) = second(0, row(), row()).await;
    assert!(matches!(&second, Submitted::Duplicate(job) if job.id == first), "{second:?}");
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn one_message_of_a_chat_at_two_nodes_has_one_answer() {
    let chat = InChat { chat_id: "c".into(), submit_hash: Some("hash".into()) };
    let row = || Submit { chat: Some(chat.clone()), ..submit(0) };
    let (first, second) = second(0, row(), row()).await;
    assert!(matches!(&second, Submitted::Repeated(job) if job.id == first), "{second:?}");
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_project_has_no_more_jobs_than_it_may_whoever_is_asked() {
    let room = Room { jobs: Some(1), ..Room::default() };
    let row = || Submit { room, ..submit(0) };
    let (_, second) = second(0, row(), row()).await;
    assert!(matches!(second, Submitted::Full(Full::Jobs { limit: 1 })), "{second:?}");
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn who_comes_second_is_told_that_credits_are_short() {
    let mut other = submit(60);
    other.job.project_id = "other".into();
    let (_, second) = second(100, submit(60), other).await;
    assert!(matches!(second, Submitted::Short { available: 40, needed: 60 }), "{second:?}");
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_grant_at_two_nodes_is_given_once() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    let grant = Grant {
        account: ACCOUNT.into(),
        amount: 5,
        idempotency_key: Some("key".into()),
        note: None,
        now: 3,
    };
    let (first, second) = cluster.race((&mut a, grant.clone()), (&mut b, grant)).await;
    let Granted::New(entry) = first else { panic!("{first:?}") };
    assert_eq!(second, Granted::Repeated(entry));
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn nodes_that_start_together_open_an_account_once() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    let open = OpenAccount { account: "new".into(), demo: 7, now: 1 };
    let opened = cluster.race((&mut a, open.clone()), (&mut b, open)).await;
    assert_eq!(opened, (true, false));
    assert_eq!(a.db.balance("new").await.unwrap().unwrap().granted, 7);
    let tell = |url: &str| TellOfAll { url: Some(url.into()) };
    cluster.race((&mut a, tell("https://a.test/")), (&mut b, tell("https://b.test/"))).await;
    assert_eq!(cluster.number("select count(*) from webhook_for_all").await, 1);
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_job_that_two_nodes_end_ends_once() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(100).await;
    let job = a.submit(submit(60)).await.id;
    let finish = |end| Finish { job: job.clone(), attempt: None, end, cost: None, now: 2 };
    let completed = finish(End::Completed(json!({})));
    let failed = finish(End::failed("timeout", "too long", true));
    let (first, second) = cluster.race((&mut a, completed), (&mut b, failed)).await;
    assert!(matches!(first, Finished::Now), "{first:?}");
    assert!(matches!(&second, Finished::Before(job) if job.status.as_str() == "completed"));
    let balance = b.db.balance(ACCOUNT).await.unwrap().unwrap();
    assert_eq!((balance.captured, balance.held), (60, 0));
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn of_two_who_mean_to_start_a_job_at_a_provider_one_does() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    let job = a.put().await;
    let intend = |attempt| {
        let (provider, token) = ("fal".to_owned(), "secret".into());
        Intend { job: job.clone(), attempt, provider, token, now: 5 }
    };
    let (first, second) = cluster.race((&mut a, intend(1)), (&mut b, intend(2))).await;
    assert!(first.is_none());
    assert_eq!(second.unwrap().attempt, 1);
}

fn upload(bytes: u64) -> Upload {
    Upload {
        id: UploadId::generate(),
        project_id: "default".into(),
        name: "a.png".into(),
        media_type: "image/png".into(),
        bytes,
        sha256: "ab".into(),
        path: "uploads/a.png".into(),
        duration_ms: None,
        width: None,
        height: None,
        created_at: 1,
    }
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn files_at_two_nodes_stand_in_for_each_other_and_have_one_room() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    let room = Room { bytes: Some(FILE_OVERHEAD + 10), ..Room::default() };
    let insert = |bytes, may_reuse| uploads::Insert { upload: upload(bytes), may_reuse, room };
    let (first, second) = cluster.race((&mut a, insert(6, true)), (&mut b, insert(6, true))).await;
    assert!(matches!(first, Inserted::Kept(_)));
    assert_eq!(first, second);
    cluster.outside("delete from upload").await;
    let (first, second) =
        cluster.race((&mut a, insert(6, false)), (&mut b, insert(6, false))).await;
    assert!(matches!(first, Inserted::Kept(_)));
    assert!(matches!(second, Inserted::Full(Full::Bytes { .. })), "{second:?}");
}

fn claim_with(node: &Node, pools: &[(&str, i64)]) -> Claim {
    let permit = |&(pool, limit): &(&str, i64)| Permit { pool: pool.into(), limit };
    Claim { epoch: node.number, permits: pools.iter().map(permit).collect(), ..claim("fal") }
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_permit_is_one_over_all_nodes() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    for _ in 0..3 {
        a.put().await;
    }
    let pools = [("fal", 1), ("all", 9)];
    let (of_a, of_b) = (claim_with(&a, &pools), claim_with(&b, &pools));
    let (first, second) = cluster.race((&mut a, of_a), (&mut b, of_b.clone())).await;
    assert!(matches!(first, Taken::Job(_)), "{first:?}");
    assert!(matches!(&second, Taken::NoPermit { pool } if pool == "fal"), "{second:?}");
    assert_eq!(cluster.number("select cast(sum(held) as bigint) from permit").await, 2);
    let take = |node: &Node| TakePermit {
        node: node.number,
        permit: Permit { pool: "fal".into(), limit: 1 },
    };
    let of_b_late = take(&b);
    assert!(!b.apply(of_b_late).await.unwrap());
    let give = GivePermits { node: a.number, pools: vec!["fal".into(), "all".into()] };
    for _ in 0..2 {
        a.apply(give.clone()).await.unwrap();
    }
    assert!(matches!(b.apply(of_b.clone()).await.unwrap(), Taken::Job(_)));
    // What a dead node has is free.
    let of_a = claim_with(&a, &pools);
    assert!(matches!(a.apply(of_a.clone()).await.unwrap(), Taken::NoPermit { .. }));
    cluster.let_expire(&b).await;
    assert_eq!(a.apply(GiveUpDead).await.unwrap(), [b.number]);
    assert!(matches!(a.apply(of_a.clone()).await.unwrap(), Taken::Job(_)));
    assert!(matches!(a.apply(of_a).await.unwrap(), Taken::NoJob), "none waits");
    assert_eq!(cluster.number("select cast(sum(held) as bigint) from permit").await, 2);
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn where_no_job_waits_no_permit_is_held() {
    let (mut cluster, mut a, _b) = Cluster::of_two(0).await;
    let of_a = claim_with(&a, &[("fal", 1)]);
    assert!(matches!(a.apply(of_a).await.unwrap(), Taken::NoJob));
    assert_eq!(cluster.number("select count(*) from permit").await, 0);
}
