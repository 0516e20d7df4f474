//! Jobs that were given up, held against the deaths that their rows have counted.
//!
//! A reader need not have been told of every attempt: a process may die between the claim and the commit
//! of what it told.

use crate::database::Database;
use crate::failure::Failure;

/// The jobs that say that three processes died with them, and have counted fewer.
const EARLY: &str = "select id, failures from job where error_code = 'attempts_exhausted' \
                         and failures < 3 order by id";

/// The jobs that were given up too early, each with the deaths that it had seen.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn given_up_early(database: &Database) -> Result<Vec<(String, i64)>, Failure> {
    database.rows(EARLY).await
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    #[tokio::test]
    async fn a_job_that_is_given_up_too_early_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (_, writer, _) = tailwater::db::open(folder.path()).await.unwrap();
        writer.close().await;
        let file = folder.path().join(tailwater::db::FILE);
        let mut database = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
        for (id, failures) in [("job_1", 2), ("job_2", 3)] {
            let row = "insert into job (id, kind, project_id, input, request_hash, status, stage, \
                           error_code, error_message, error_retryable, failures, created_at, \
                           updated_at, ended_at) \
                       values (?, 'blog', 'p', '{}', '', 'failed', '', 'attempts_exhausted', '', 1, ?, \
                           1, 1, 1)";
            sqlx::query(row).bind(id).bind(failures).execute(&mut database).await.unwrap();
        }
        let early = given_up_early(&Database::within(folder.path())).await.unwrap();
        assert_eq!(early, [("job_1".to_owned(), 2)]);
    }
}
