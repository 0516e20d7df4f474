//! What the database says by itself, asked past the server.

use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, FromRow};

use crate::epochs::Epochs;
use crate::failure::Failure;

/// Where the database is.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// A server's own, in this file.
    Sqlite(PathBuf),
    /// The one of a cluster, at this address.
    Postgres(String),
}

impl Database {
    /// The one in a data folder.
    pub(crate) fn within(data: &Path) -> Self {
        Self::Sqlite(data.join(tailwater::db::FILE))
    }

    /// What each epoch committed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn epochs(&self) -> Result<Epochs, Failure> {
        let rows: Vec<(i64, i64)> = self.rows("select epoch, last_id from epoch").await?;
        let unsigned = |(epoch, last): (i64, i64)| (epoch.cast_unsigned(), last.cast_unsigned());
        Ok(rows.into_iter().map(unsigned).collect())
    }

    /// How many lives of servers there were.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn lives(&self) -> Result<usize, Failure> {
        let sql = match self {
            Self::Sqlite(_) => "select epoch from epoch",
            Self::Postgres(_) => "select number from node",
        };
        Ok(self.rows::<(i64,)>(sql).await?.len())
    }

    /// All jobs that there are.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn jobs(&self) -> Result<Vec<String>, Failure> {
        let rows: Vec<(String,)> = self.rows("select id from job order by id").await?;
        Ok(rows.into_iter().map(|(job,)| job).collect())
    }

    /// The rows that a statement gives.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn rows<T>(&self, sql: &'static str) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        match self {
            Self::Sqlite(file) => {
                let options = SqliteConnectOptions::new().filename(file).read_only(true);
                let mut connection = options.connect().await?;
                Ok(sqlx::query_as(sql).fetch_all(&mut connection).await?)
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await?;
                Ok(sqlx::query_as(sql).fetch_all(&mut connection).await?)
            }
        }
    }
}
