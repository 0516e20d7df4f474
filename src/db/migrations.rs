//! The steps that bring a database's tables up to date, inside the program.

use std::sync::LazyLock;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

/// Reads these files of `migrations/`: `0001_core.sql` is step 1, `core`.
macro_rules! steps {
    ($folder:literal: $($file:literal),+ $(,)?) => {
        LazyLock::new(|| migrator(&[
            $(($file, include_str!(concat!("../../migrations/", $folder, "/", $file)))),+
        ]))
    };
}

/// Those of `SQLite`.
pub(super) static SQLITE: LazyLock<Migrator> = steps!("sqlite":
    "0001_core.sql",
    "0002_media.sql",
    "0003_credits.sql",
    "0004_upload.sql",
    "0005_chat.sql",
    "0006_webhook.sql",
    "0007_access.sql",
    "0008_project_use.sql",
    "0009_project_disk.sql",
    "0010_told.sql",
);

/// Those of Postgres.
pub(super) static POSTGRES: LazyLock<Migrator> = steps!("postgres":
    "0001_core.sql",
    "0002_nodes.sql",
);

/// The newest of these steps.
pub(super) fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn migrator(files: &[(&str, &'static str)]) -> Migrator {
    let mut steps =
        Migrator::with_migrations(files.iter().map(|(name, sql)| step(name, sql)).collect());
    // Who applies them holds a lock for its own tables; the library's is for all schemas of a database.
    steps.set_locking(false);
    steps
}

fn step(name: &str, sql: &'static str) -> Migration {
    let (number, words) =
        name.trim_end_matches(".sql").split_once('_').expect("a number, then words");
    let number = number.parse().expect("a number");
    let sql = AssertSqlSafe(sql).into_sql_str();
    Migration::new(number, words.replace('_', " ").into(), MigrationType::Simple, sql, false)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::migrate::MigrationSource as _;

    use super::{Migration, POSTGRES, SQLITE};

    /// Number, words, and what a database that has it remembers of its text.
    fn seen(migrations: &[Migration]) -> Vec<(i64, String, Vec<u8>)> {
        let row =
            |step: &Migration| (step.version, step.description.to_string(), step.checksum.to_vec());
        migrations.iter().map(row).collect()
    }

    #[tokio::test]
    async fn every_file_is_a_step_as_the_library_reads_it() {
        for (folder, migrations) in [("sqlite", &*SQLITE), ("postgres", &*POSTGRES)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let files = folder.as_path().resolve().await.unwrap();
            assert_eq!(seen(&files), seen(&migrations.migrations), "{}", folder.display());
        }
    }
}
