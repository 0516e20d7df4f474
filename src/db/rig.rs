//! What the tests of the database share: a real database, and a second program that has it open.

use std::fs;

use sqlx::Row;
use tempfile::TempDir;

use super::claims::Claim;
use super::credits::{Audit, Balance, Entry, OpenAccount};
use super::ends::{Finish, Finished};
use super::home::{Home, Outside};
use super::jobs::{Submit, Submitted};
use super::projects::Room;
use super::sql::{self, Dialect};
use super::{Change, Db, FILE, Writer};
use crate::event::payload::End;
use crate::job::{Job, JobId, Kind};

pub(super) const ACCOUNT: &str = "default";

/// A database of its own, and a second program that has opened it too.
pub(super) struct Rig {
    pub(super) db: Db,
    writer: Writer,
    pub(super) outside: Outside,
    home: Home,
}

impl Rig {
    /// A database with an account that has been granted this much.
    pub(super) async fn with(demo: i64) -> Self {
        let mut rig = Self::empty().await;
        let account = ACCOUNT.to_owned();
        assert!(rig.apply(OpenAccount { account, demo, now: 1 }).await.unwrap());
        rig
    }

    /// A database in which no account is open.
    pub(super) async fn empty() -> Self {
        Self::on(Home::new().await).await
    }

    async fn on(home: Home) -> Self {
        let (db, mut writer, _) = home.open().await;
        writer.leave_out_sync().await;
        Self { db, writer, outside: home.outside().await, home }
    }

    /// Whether it is in Postgres.
    pub(super) fn is_postgres(&self) -> bool {
        self.home.is_postgres()
    }

    /// Whether the database knows such a statement: `SQLite` alone has `or ignore` and `or replace`, and
    /// takes texts and fractions for whole numbers.
    pub(super) fn knows(&self, sql: &str) -> bool {
        let only_sqlite = [" or ignore ", " or replace ", "'free'", "= 0.5", ", 0.5,"];
        !self.is_postgres() || !only_sqlite.iter().any(|words| sql.contains(words))
    }

    /// Makes a change in a transaction of its own.
    pub(super) async fn apply<C: Change>(&mut self, change: C) -> Result<C::Outcome, sqlx::Error> {
        let mut tx = self.writer.begin().await?;
        let outcome = change.apply(&mut tx.conn()).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Makes a change and dies before it is committed; comes back as the next process.
    pub(super) async fn crash<C: Change>(mut self, change: C) -> Self {
        let mut tx = self.writer.begin().await.unwrap();
        // Whether it would have been refused is all the same.
        drop(change.apply(&mut tx.conn()).await);
        let mut copy = None;
        if !self.home.is_postgres() {
            let folder = TempDir::new().unwrap();
            for name in [FILE.to_owned(), format!("{FILE}-wal")] {
                fs::copy(self.home.path().join(&name), folder.path().join(&name)).unwrap();
            }
            copy = Some(Home::folder(folder));
        }
        drop(tx);
        let home = self.close().await;
        Self::on(copy.unwrap_or(home)).await
    }

    pub(super) async fn restart(self) -> Self {
        let home = self.close().await;
        Self::on(home).await
    }

    pub(super) async fn close(self) -> Home {
        self.db.close().await;
        self.outside.close().await;
        self.writer.close().await;
        self.home
    }

    /// What a program that only knows the database does; the refusal's words when it may not.
    pub(super) async fn outside(&mut self, sql: &str) -> Result<u64, String> {
        let done = sql::query(sql.to_owned()).execute(&mut self.outside.conn()).await;
        done.map_err(|error| error.into_database_error().unwrap().message().to_owned())
    }

    pub(super) async fn number(&mut self, sql: &'static str) -> i64 {
        sql::query_scalar(sql).fetch_one(&mut self.outside.conn()).await.unwrap()
    }

    /// How `SQLite` means to answer a question; nothing where it is Postgres that does.
    pub(super) async fn plan(&mut self, sql: &str) -> Option<String> {
        let Outside::Sqlite(connection) = &mut self.outside else { return None };
        let explain = sqlx::AssertSqlSafe(format!("explain query plan {sql}"));
        let rows = sqlx::query(explain).fetch_all(connection).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        Some(steps.join("; "))
    }

    pub(super) async fn submit(&mut self, hold: i64) -> JobId {
        match self.apply(submit(hold)).await.unwrap() {
            Submitted::New(job) => job.id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn finish(&mut self, job: &JobId, end: End, cost: Option<i64>) -> Finished {
        let finish = Finish { job: job.clone(), attempt: None, end, cost, now: 2 };
        self.apply(finish).await.unwrap()
    }

    /// The balance, which is the same from both its sources.
    pub(super) async fn balance(&self) -> Balance {
        let Audit { kept, summed } = self.db.audit(ACCOUNT).await.unwrap().unwrap();
        assert_eq!(kept, summed);
        assert_eq!(self.db.balance(ACCOUNT).await.unwrap(), Some(kept));
        kept
    }

    /// The entries after the first, oldest first: kind, amount, available afterwards.
    pub(super) async fn entries(&self) -> Vec<(&'static str, i64, i64)> {
        let mut entries = self.db.ledger(ACCOUNT, None, 100).await.unwrap();
        entries.reverse();
        let short = |entry: &Entry| (entry.kind.as_str(), entry.amount, entry.available);
        entries.iter().skip(1).map(short).collect()
    }
}

impl Writer {
    /// Does not wait for the disk: a crash of a process needs none to be told from a commit.
    pub(crate) async fn leave_out_sync(&mut self) {
        if let (Dialect::Sqlite, Some(mut conn)) = (self.dialect(), self.conn()) {
            sql::query("pragma synchronous = off").execute(&mut conn).await.unwrap();
        }
    }
}

/// A claim of the next job of a lane.
pub(super) fn claim(lane: &str) -> Claim {
    Claim { lane: lane.into(), epoch: 1, permits: Vec::new(), now: 2 }
}

/// A submit of a job that may cost this much.
pub(super) fn submit(hold: i64) -> Submit {
    Submit {
        job: Job {
            kind: Kind::Video,
            model: Some("veo".into()),
            lane: Some("fal".into()),
            hold,
            ..Job::sample()
        },
        priority: 0,
        idempotency_key: None,
        request_hash: "same".into(),
        duplicate_key: None,
        accounts: vec![ACCOUNT.into()],
        artifacts: Vec::new(),
        chat: None,
        webhook: None,
        room: Room::default(),
    }
}
