//! Two nodes and more on one database.

use super::super::claims::{Claim, TakeOverDead};
use super::super::cluster::{Cluster, Node};
use super::super::home::Home;
use super::*;
use crate::job::{JobId, Status};

async fn claim(node: &mut Node) -> JobId {
    let claim = Claim { epoch: node.number, ..super::super::rig::claim("fal") };
    node.apply(claim).await.unwrap().job().expect("a job waits").id
}

fn take_over(node: &Node) -> TakeOverDead {
    TakeOverDead { node: node.number, most_failures: 2, now: 3 }
}

fn numbers(nodes: &[super::Node]) -> Vec<i64> {
    nodes.iter().map(|node| node.number).collect()
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_server_and_a_cluster_keep_each_other_out() {
    let home = Home::new().await;
    let (a, b) = (home.share().await.unwrap(), home.share().await.unwrap());
    assert!(matches!(home.try_open().await.unwrap_err(), DbError::InUse { .. }));
    a.1.close().await;
    b.1.close().await;
    let (_, alone, _) = home.open().await;
    assert!(matches!(home.share().await.unwrap_err(), DbError::InUse { .. }));
    alone.close().await;
    assert!(home.share().await.is_ok());
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn nodes_that_start_together_migrate_once() {
    let home = Home::new().await;
    let started =
        tokio::join!(home.share(), home.share(), home.share(), home.share(), home.share());
    for node in [started.0, started.1, started.2, started.3, started.4] {
        assert!(node.is_ok(), "{node:?}");
    }
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_node_is_alive_until_it_leaves_or_is_late() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    assert_eq!((a.number, b.number), (-1, -2));
    assert_eq!(numbers(&a.db.living_nodes().await.unwrap()), [-1, -2]);
    let left = a.db.living_nodes().await.unwrap()[0].left_ms;
    assert!((1..=60_000).contains(&left), "{left}");
    assert!(a.apply(GiveUpDead).await.unwrap().is_empty());
    // Late is not dead, as long as nobody has said so.
    cluster.let_expire(&b).await;
    assert!(b.apply(Heartbeat { node: b.number, lease_ms: 60_000 }).await.unwrap());
    assert!(a.apply(GiveUpDead).await.unwrap().is_empty());
    cluster.let_expire(&b).await;
    assert_eq!(a.apply(GiveUpDead).await.unwrap(), [b.number]);
    assert!(a.apply(GiveUpDead).await.unwrap().is_empty());
    assert!(!b.apply(Heartbeat { node: b.number, lease_ms: 60_000 }).await.unwrap());
    assert_eq!(numbers(&a.db.living_nodes().await.unwrap()), [a.number]);
    a.apply(Leave { node: a.number }).await.unwrap();
    assert_eq!(a.db.living_nodes().await.unwrap(), []);
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_node_that_was_given_up_writes_over_no_new_connection_and_may_join_again() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    cluster.let_expire(&b).await;
    a.apply(GiveUpDead).await.unwrap();
    b.writer.lose();
    let refused = b.writer.begin().await.unwrap_err().to_string();
    assert!(refused.contains("the cluster has given this node up"), "{refused}");
    let again = b.writer.join("b", Duration::from_secs(60)).await.unwrap();
    assert_eq!(again, -3);
    b.writer.lose();
    b.writer.begin().await.unwrap().rollback().await.unwrap();
    // After a day its first life is forgotten, and its number is not given again.
    cluster.outside("update node set given_up_at = 1 where lease_until = 0").await;
    a.apply(GiveUpDead).await.unwrap();
    assert_eq!(cluster.number("select count(*) from node").await, 2);
    assert_eq!(cluster.join("c").await.number, -4);
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_commit_of_a_node_is_told_from_one_that_was_lost() {
    let (_cluster, mut a, mut b) = Cluster::of_two(0).await;
    for (number, commits) in [(7, true), (8, false)] {
        let mark = a.writer.mark(number);
        assert!(mark.tells());
        let mut tx = a.writer.begin().await.unwrap();
        mark.write(&mut tx.conn()).await.unwrap();
        if commits {
            tx.commit().await.unwrap()
        } else {
            drop(tx)
        }
        a.writer.lose();
        assert_eq!(a.writer.has_committed(mark).await.unwrap(), commits);
        let other = b.writer.mark(number);
        assert!(!b.writer.has_committed(other).await.unwrap(), "it is another node's");
        // Whoever it is by then.
        assert_eq!(b.writer.has_committed(mark).await.unwrap(), commits);
    }
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn what_a_dead_node_was_running_is_taken_over_once() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    let mut dead = cluster.join("c").await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(a.put().await);
    }
    let ours = claim(&mut a).await;
    let theirs = claim(&mut dead).await;
    let of_a_server = claim(&mut dead).await;
    cluster.outside(&format!("update job set epoch = 9 where id = '{of_a_server}'")).await;
    let external = claim(&mut b).await;
    cluster.outside(&format!("update job set epoch = null where id = '{external}'")).await;
    // Of the dead node nobody knows yet; what a server left is nobody's.
    let taken = a.apply(take_over(&a)).await.unwrap();
    assert_eq!(taken.iter().map(|job| &job.id).collect::<Vec<_>>(), [&of_a_server]);
    cluster.let_expire(&dead).await;
    b.apply(GiveUpDead).await.unwrap();
    let (of_a, of_b) = (take_over(&a), take_over(&b));
    let (tx, taken) = a.begin(of_a).await.unwrap();
    assert_eq!(taken.iter().map(|job| &job.id).collect::<Vec<_>>(), [&theirs]);
    assert_eq!((taken[0].status, taken[0].failures), (Status::Pending, 1));
    assert!(b.apply(of_b).await.unwrap().is_empty(), "another node is at it");
    tx.commit().await.unwrap();
    assert!(b.apply(take_over(&b)).await.unwrap().is_empty());
    assert_eq!(a.db.job(&ours).await.unwrap().unwrap().status, Status::Running);
    assert_eq!(a.db.job(&external).await.unwrap().unwrap().status, Status::Running);
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_claim_that_waited_until_its_node_was_given_up_takes_nothing() {
    let (mut cluster, mut a, b) = Cluster::of_two(0).await;
    let job = a.put().await;
    cluster.let_expire(&b).await;
    a.apply(GiveUpDead).await.unwrap();
    let late = Claim { epoch: b.number, ..super::super::rig::claim("fal") };
    assert!(a.apply(late).await.unwrap().job().is_none());
    assert_eq!(claim(&mut a).await, job);
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn what_has_failed_too_often_is_left_to_the_node_that_saw_it_first() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    let job = a.put().await;
    for n in 0..2 {
        let mut dead = cluster.join("c").await;
        assert_eq!(claim(&mut dead).await, job);
        cluster.let_expire(&dead).await;
        a.apply(GiveUpDead).await.unwrap();
        let taken = a.apply(take_over(&a)).await.unwrap();
        assert_eq!((taken.len(), taken[0].failures), (1, n + 1));
    }
    for node in [&mut a, &mut b] {
        let take_over = take_over(node);
        assert!(node.apply(take_over).await.unwrap().is_empty());
    }
    // It had no time to end it.
    cluster.let_expire(&a).await;
    b.apply(GiveUpDead).await.unwrap();
    let taken = b.apply(take_over(&b)).await.unwrap();
    assert_eq!((taken[0].id.clone(), taken[0].failures), (job, 3));
    assert_eq!(taken[0].status, Status::Running);
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn the_keeper_is_one_and_its_role_goes_with_its_connection() {
    let (mut cluster, mut a, mut b) = Cluster::of_two(0).await;
    assert!(!a.writer.keeps());
    for _ in 0..2 {
        assert!(a.writer.try_keep().await.unwrap() && a.writer.keeps());
        assert!(!b.writer.try_keep().await.unwrap() && !b.writer.keeps());
    }
    cluster.break_off(&mut a).await;
    let lost = a.writer.begin().await.unwrap_err().to_string();
    assert!(lost.contains("kept the events") && !a.writer.keeps(), "{lost}");
    assert!(b.writer.try_keep().await.unwrap());
    a.writer.begin().await.unwrap().rollback().await.unwrap();
    assert!(!a.writer.keeps() && !a.writer.try_keep().await.unwrap());
    b.writer.lose();
    assert!(!b.writer.keeps());
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn a_server_ends_the_cluster_before_it_and_a_cluster_the_server() {
    let (cluster, a, mut b) = Cluster::of_two(0).await;
    a.writer.close().await;
    b.writer.lose();
    let (_, mut alone, _) = cluster.home.open().await;
    alone.begin_epoch(1).await.unwrap();
    alone.lose();
    alone.begin().await.expect("nobody was there").rollback().await.unwrap();
    alone.lose();
    let refused = b.writer.begin().await.unwrap_err().to_string();
    assert!(refused.contains("given this node up"), "{refused}");
    let again = b.writer.join("b", Duration::from_secs(60)).await.unwrap();
    b.apply(Leave { node: again }).await.unwrap();
    b.writer.close().await;
    let refused = alone.begin().await.unwrap_err().to_string();
    assert!(refused.contains("a cluster has used it"), "{refused}");
}

#[tokio::test]
async fn nobody_joins_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (db, mut writer, _) = super::super::open(folder.path()).await.unwrap();
    assert!(writer.join("a", Duration::from_secs(1)).await.is_err());
    assert!(!writer.try_keep().await.unwrap() && !writer.keeps());
    assert_eq!(db.living_nodes().await.unwrap(), []);
}
