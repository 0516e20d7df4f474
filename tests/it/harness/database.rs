//! The database as a second program has it: one that works through it, or holds it.
//!
//! With `TAILWATER_TEST_DATABASE` it is a Postgres, in which each data folder has a schema of its own;
//! else it is the file in the folder.

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Decode, Postgres, Sqlite, SqliteConnection, Type,
};
use tailwater::db::Conn;

use super::cluster;

/// The Postgres of the tests, where they are to use one.
fn postgres() -> Option<String> {
    std::env::var("TAILWATER_TEST_DATABASE").ok()
}

/// Whether the servers of the tests have their databases in Postgres.
pub fn is_postgres() -> bool {
    postgres().is_some()
}

/// The address of the database of the server with this data folder; nothing where that is in the folder.
pub async fn address(data: &Path) -> Option<String> {
    let url = postgres()?;
    let schema = cluster::name(data);
    let mut connection = PgConnection::connect(&url).await.expect("the Postgres of the tests");
    let create = AssertSqlSafe(format!("create schema if not exists {schema}"));
    sqlx::query(create).execute(&mut connection).await.expect("a schema");
    connection.close().await.ok();
    Some(format!("{url}?options[search_path]={schema}"))
}

/// Another program's connection.
pub enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    /// Its connection, for a change of the server's own.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }

    /// Opens the database of the server whose file this would be.
    pub async fn open(file: &Path) -> Self {
        let data = file.parent().expect("a file is in a folder");
        if let Some(url) = address(data).await {
            return Self::Postgres(PgConnection::connect(&url).await.expect("the database opens"));
        }
        let options = SqliteConnectOptions::new().filename(file).disable_statement_logging();
        Self::Sqlite(options.connect().await.expect("the database opens"))
    }

    /// Does something; each `?` stands for one of the texts.
    pub async fn run(&mut self, sql: &'static str, texts: &[&str]) {
        self.attempt(sql, texts).await.expect("the statement is fine");
    }

    /// Tries what is refused; gives the reason.
    pub async fn refused(&mut self, sql: &'static str, texts: &[&str]) -> String {
        self.attempt(sql, texts).await.expect_err("it is refused").to_string()
    }

    async fn attempt(&mut self, sql: &'static str, texts: &[&str]) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let query = texts.iter().fold(sqlx::query(sql), |query, text| query.bind(*text));
                query.execute(connection).await.map(drop)
            }
            Self::Postgres(connection) => {
                let query = sqlx::query(AssertSqlSafe(numbered(sql)));
                let query = texts.iter().fold(query, |query, text| query.bind(*text));
                query.execute(connection).await.map(drop)
            }
        }
    }

    /// Asks for one number; each `?` stands for one of the texts.
    pub async fn number(&mut self, sql: &'static str, texts: &[&str]) -> i64 {
        self.value(sql, texts).await
    }

    /// Asks for one text; each `?` stands for one of the texts.
    pub async fn text(&mut self, sql: &'static str, texts: &[&str]) -> String {
        self.value(sql, texts).await
    }

    async fn value<T>(&mut self, sql: &'static str, texts: &[&str]) -> T
    where
        T: Send + Unpin + for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let value = match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_scalar(sql);
                let query = texts.iter().fold(query, |query, text| query.bind(*text));
                query.fetch_one(connection).await
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_scalar(AssertSqlSafe(numbered(sql)));
                let query = texts.iter().fold(query, |query, text| query.bind(*text));
                query.fetch_one(connection).await
            }
        };
        value.expect("the statement is fine")
    }

    /// Takes the lock without which nobody else's transaction is committed.
    pub async fn lock(&mut self) {
        match self {
            Self::Sqlite(_) => self.run("begin immediate", &[]).await,
            Self::Postgres(_) => {
                self.run("begin", &[]).await;
                // Each transaction of a node leaves its mark there.
                self.run("lock table epoch, node in exclusive mode", &[]).await;
            }
        }
    }

    /// Gives that lock back, with nothing changed.
    pub async fn unlock(&mut self) {
        self.run("rollback", &[]).await;
    }
}

/// A statement with the placeholders of Postgres.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(1..).fold(first, |text, (part, place)| format!("{text}${place}{part}"))
}
