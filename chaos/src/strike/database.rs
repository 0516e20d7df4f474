//! Faults of the database: locked, full, read-only, damaged, overrun.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::failure::Failure;
use crate::plan::Break;
use crate::server::Start;
use crate::{say, wal, work};

use super::Striker;

/// For how long the database stays locked while too much comes.
const OVERRUN: Duration = Duration::from_secs(2);

impl Striker {
    pub(super) async fn fill_disk(&mut self, hold: Duration, kill: bool) -> Result<(), Failure> {
        self.disk.fill()?;
        let held = self.hold(hold, kill).await;
        self.disk.make_room()?;
        held?;
        self.ensure_started().await
    }

    pub(super) async fn lock_database(
        &mut self,
        hold: Duration,
        kill: bool,
    ) -> Result<(), Failure> {
        let lock = self.lock().await?;
        let held = self.hold(hold, kill).await;
        unlock(lock).await?;
        held?;
        self.ensure_started().await
    }

    /// Takes the lock for writing as another program would.
    async fn lock(&self) -> Result<SqliteConnection, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(self.server.setup().data.join(tailwater::db::FILE))
            .busy_timeout(Duration::from_secs(30));
        let mut connection = options.connect().await?;
        sqlx::query("begin exclusive").execute(&mut connection).await?;
        Ok(connection)
    }

    /// A server must say that it cannot start on what it cannot write, and leave it alone.
    pub(super) async fn start_read_only(&mut self) -> Result<(), Failure> {
        self.server.kill().await?;
        self.disk.set_read_only(true)?;
        let started = self.server.try_start().await;
        if let Ok(Start::Listens(_)) = started {
            self.world.violate("a server has started on a folder that is read-only".to_owned());
            self.server.kill().await?;
        }
        self.disk.set_read_only(false)?;
        started?;
        self.start_again().await
    }

    pub(super) async fn damage_log(&mut self, how: Break) -> Result<(), Failure> {
        self.server.kill().await?;
        let path = self.server.setup().data.join(format!("{}-wal", tailwater::db::FILE));
        let hit = wal::damage(&path, how, &mut self.random);
        match hit.map_err(|error| Failure::machine("the write-ahead log", error))? {
            Some((frame, count)) => {
                self.world.count_damage();
                say::line(&format!("  frame {frame} of {count} is damaged"));
            }
            None => say::line("  the log is empty: nothing is damaged"),
        }
        self.start_again().await
    }

    /// Sends more than the journal holds while nothing can be written.
    pub(super) async fn flood(&mut self, kilobytes: u64) -> Result<(), Failure> {
        let name = format!("flood-{}", self.floods.len());
        let (world, project) = (Arc::clone(&self.world), self.project.clone());
        let flood = tokio::spawn(work::flood(world, name, project, kilobytes, self.random.fork()));
        let lock = self.lock().await?;
        tokio::time::sleep(OVERRUN).await;
        unlock(lock).await?;
        match flood.await {
            Ok(Some(flood)) => self.floods.push(flood),
            Ok(None) => {}
            Err(error) => self.world.violate(format!("a flood came to nothing: {error}")),
        }
        Ok(())
    }
}

async fn unlock(mut connection: SqliteConnection) -> Result<(), Failure> {
    sqlx::query("rollback").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
