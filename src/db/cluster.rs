//! What tests of several nodes share: a Postgres, and writers that have it at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::credits::OpenAccount;
use super::home::{Home, Outside};
use super::jobs::{Submit, Submitted};
use super::rig::{ACCOUNT, submit};
use super::sql::{self, Transaction};
use super::{Change, Db, Writer};
use crate::job::{Job, JobId};

/// A database that nodes share, and a program beside them.
pub(super) struct Cluster {
    pub(super) home: Home,
    pub(super) outside: Outside,
}

/// One of the nodes.
pub(super) struct Node {
    pub(super) db: Db,
    pub(super) writer: Writer,
    pub(super) number: i64,
}

impl Cluster {
    /// One with an account that has been granted this much, and two nodes.
    pub(super) async fn of_two(demo: i64) -> (Self, Node, Node) {
        let home = Home::new().await;
        home.share().await.unwrap().1.close().await;
        let cluster = Self { outside: home.outside().await, home };
        let (mut a, b) = (cluster.join("a").await, cluster.join("b").await);
        a.apply(OpenAccount { account: ACCOUNT.into(), demo, now: 1 }).await.unwrap();
        (cluster, a, b)
    }

    pub(super) async fn join(&self, name: &str) -> Node {
        let (db, mut writer, _) = self.home.share().await.unwrap();
        let number = writer.join(name, Duration::from_secs(60)).await.unwrap();
        Node { db, writer, number }
    }

    pub(super) async fn outside(&mut self, sql: &str) -> u64 {
        sql::query(sql.to_owned()).execute(&mut self.outside.conn()).await.unwrap()
    }

    pub(super) async fn number(&mut self, sql: &str) -> i64 {
        sql::query_scalar(sql.to_owned()).fetch_one(&mut self.outside.conn()).await.unwrap()
    }

    /// A node's lease is over.
    pub(super) async fn let_expire(&mut self, node: &Node) {
        let sql = format!("update node set lease_until = 1 where number = {}", node.number);
        assert_eq!(self.outside(&sql).await, 1);
    }

    /// Two nodes change something at the same time: the second begins when the first has not committed, and
    /// that commits once the second waits for it, or is over.
    pub(super) async fn race<A: Change, B: Change>(
        &mut self,
        (a, first): (&mut Node, A),
        (b, second): (&mut Node, B),
    ) -> (A::Outcome, B::Outcome) {
        let waiter = b.pid().await;
        let is_over = AtomicBool::new(false);
        let (tx, first) = a.begin(first).await.unwrap();
        let commit = async {
            while !is_over.load(Ordering::SeqCst) && !self.waits(waiter).await {
                tokio::task::yield_now().await;
            }
            tx.commit().await.unwrap();
        };
        let second = async {
            let outcome = b.apply(second).await.unwrap();
            is_over.store(true, Ordering::SeqCst);
            outcome
        };
        let ((), second) = tokio::join!(commit, second);
        (first, second)
    }

    async fn waits(&mut self, pid: i64) -> bool {
        let waits =
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid =";
        self.number(&format!("{waits} {pid}")).await > 0
    }

    /// Breaks a node's connection, as Postgres does at its own stop.
    pub(super) async fn break_off(&mut self, node: &mut Node) {
        let pid = node.pid().await;
        self.outside(&format!("select pg_terminate_backend({pid}, 5000)")).await;
    }
}

impl Node {
    /// The process of its connection.
    async fn pid(&mut self) -> i64 {
        let mut tx = self.writer.begin().await.unwrap();
        let pid = sql::query_scalar("select cast(pg_backend_pid() as bigint)");
        let pid = pid.fetch_one(&mut tx.conn()).await.unwrap();
        tx.rollback().await.unwrap();
        pid
    }

    /// Makes a change in a transaction of its own.
    pub(super) async fn apply<C: Change>(&mut self, change: C) -> Result<C::Outcome, sqlx::Error> {
        let (tx, outcome) = self.begin(change).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Makes a change in a transaction that is still open.
    pub(super) async fn begin<C: Change>(
        &mut self,
        change: C,
    ) -> Result<(Transaction<'_>, C::Outcome), sqlx::Error> {
        let mut tx = self.writer.begin().await?;
        let outcome = change.apply(&mut tx.conn()).await?;
        Ok((tx, outcome))
    }

    pub(super) async fn submit(&mut self, submit: Submit) -> Job {
        match self.apply(submit).await.unwrap() {
            Submitted::New(job) => job,
            other => panic!("{other:?}"),
        }
    }

    /// Submits a job that costs nothing.
    pub(super) async fn put(&mut self) -> JobId {
        self.submit(submit(0)).await.id
    }
}
