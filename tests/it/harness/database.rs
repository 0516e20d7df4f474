//! The database as a second program has it: one that works through it, or holds it.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

/// Another program's connection.
pub struct Database {
    connection: SqliteConnection,
}

impl Database {
    /// Opens the database in this file.
    pub async fn open(file: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(file).disable_statement_logging();
        Self { connection: options.connect().await.expect("the database opens") }
    }

    /// Does something; each `?` stands for one of the texts.
    pub async fn run(&mut self, sql: &'static str, texts: &[&str]) {
        let query = texts.iter().fold(sqlx::query(sql), |query, text| query.bind(*text));
        query.execute(&mut self.connection).await.expect("the statement is fine");
    }

    /// Tries what is refused; gives the reason.
    pub async fn refused(&mut self, sql: &'static str, texts: &[&str]) -> String {
        let query = texts.iter().fold(sqlx::query(sql), |query, text| query.bind(*text));
        query.execute(&mut self.connection).await.expect_err("it is refused").to_string()
    }

    /// Asks for one number; each `?` stands for one of the texts.
    pub async fn number(&mut self, sql: &'static str, texts: &[&str]) -> i64 {
        let query = texts.iter().fold(sqlx::query_scalar(sql), |query, text| query.bind(*text));
        query.fetch_one(&mut self.connection).await.expect("the statement is fine")
    }

    /// Asks for one text; each `?` stands for one of the texts.
    pub async fn text(&mut self, sql: &'static str, texts: &[&str]) -> String {
        let query = texts.iter().fold(sqlx::query_scalar(sql), |query, text| query.bind(*text));
        query.fetch_one(&mut self.connection).await.expect("the statement is fine")
    }

    /// Takes the write lock: from now on nobody else's transaction begins, let alone commits.
    pub async fn lock(&mut self) {
        self.run("begin immediate", &[]).await;
    }

    /// Gives the write lock back, with nothing changed.
    pub async fn unlock(&mut self) {
        self.run("rollback", &[]).await;
    }
}
