//! Where the databases of tests are: in a folder, or in Postgres, in a schema for each.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use super::sql::Conn;
use super::{Db, DbError, FILE, Place, Versions, Writer, open, open_shared};
use crate::job::JobId;

/// Names a Postgres for tests, in which each makes a schema of its own.
const POSTGRES: &str = "TAILWATER_TEST_DATABASE";

/// A database of a test's own.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    url: Option<SecretString>,
}

impl Home {
    /// An empty one, where the tests are to be.
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let url = match std::env::var(POSTGRES) {
            Ok(url) => Some(schema(&url).await.into()),
            Err(_) => None,
        };
        Self { folder, url }
    }

    /// One in this folder, by `SQLite` always.
    pub(crate) fn folder(folder: TempDir) -> Self {
        Self { folder, url: None }
    }

    /// Its folder, which is there in any case.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it is in Postgres.
    pub(crate) fn is_postgres(&self) -> bool {
        self.url.is_some()
    }

    /// Opens it as a server does.
    pub(crate) async fn open(&self) -> (Db, Writer, Versions) {
        self.try_open().await.unwrap()
    }

    /// Opens it as a node of a cluster does, which only Postgres has.
    pub(crate) async fn share(&self) -> Result<(Db, Writer, Versions), DbError> {
        open_shared(self.url.as_ref().expect("scripts/with-postgres runs the test")).await
    }

    /// Opens it as a server does, which may be refused it.
    pub(crate) async fn try_open(&self) -> Result<(Db, Writer, Versions), DbError> {
        open(self.url.as_ref().map_or(Place::Folder(self.path()), Place::Postgres)).await
    }

    /// Opens it as another program does.
    pub(crate) async fn outside(&self) -> Outside {
        self.connect(false).await
    }

    /// The first who opens it: nothing is there yet.
    pub(crate) async fn create(&self) -> Outside {
        self.connect(true).await
    }

    async fn connect(&self, creates: bool) -> Outside {
        if let Some(url) = &self.url {
            return Outside::Postgres(PgConnection::connect(url.expose_secret()).await.unwrap());
        }
        let options = SqliteConnectOptions::new()
            .filename(self.path().join(FILE))
            .create_if_missing(creates)
            // As a program has it that does not ask for them.
            .foreign_keys(false)
            .pragma("synchronous", "off")
            .disable_statement_logging();
        Outside::Sqlite(options.connect().await.unwrap())
    }
}

/// Makes a schema, and gives the address with it.
async fn schema(url: &str) -> String {
    let name = JobId::generate().to_string();
    let mut connection = PgConnection::connect(url).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("create schema {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}options[search_path]={name}")
}

/// Another program's connection.
#[derive(Debug)]
pub(crate) enum Outside {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a schema.
    Postgres(PgConnection),
}

impl Outside {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}
