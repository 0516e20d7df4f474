//! What goes wrong with a database.

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

/// Why the database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It could not be opened.
    #[error("cannot open the database {place}: {source}")]
    Open {
        /// The file, or the address without a password.
        place: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// What was said to be a database's address is none.
    #[error("the address of a database is to look like postgres://user:password@host:5432/name")]
    Address,
    /// It keeps texts in another encoding.
    #[error("the database {place} has the encoding {encoding}; it is to be UTF8")]
    Encoding {
        /// The address without a password.
        place: String,
        /// Its encoding.
        encoding: String,
    },
    /// Another server has it.
    #[error("another server uses the database {place}; stop it first")]
    InUse {
        /// The address without a password.
        place: String,
    },
    /// It was written by a later version of this program.
    #[error(
        "the database {place} is from a newer version of tailwater (it has migration {version}, \
         this version knows up to {known}): run that version, or restore a backup"
    )]
    Newer {
        /// The file, or the address without a password.
        place: String,
        /// The newest migration that is applied to it.
        version: i64,
        /// The newest migration that this program knows.
        known: i64,
    },
    /// It is of an older version, which a server of that version uses now.
    #[error(
        "the database {place} is used by a server of another version (it has migration {version}, \
         this version {known}): use that version's program"
    )]
    Older {
        /// The file, or the address without a password.
        place: String,
        /// The newest migration that is applied to it.
        version: i64,
        /// The newest migration that this program knows.
        known: i64,
    },
    /// A migration failed; the database is as it was before that migration.
    #[error("cannot bring the database up to date: {0}")]
    Migrate(MigrateError),
    /// A statement failed.
    #[error("the database failed: {0}")]
    Statement(#[from] sqlx::Error),
}

/// What to do about a database of this version, which this program knows up to `known`: whether to
/// migrate it.
pub(super) fn check_version(
    place: impl Fn() -> String,
    version: i64,
    known: i64,
    may_migrate: bool,
) -> Result<bool, DbError> {
    match version.cmp(&known) {
        std::cmp::Ordering::Greater => Err(DbError::Newer { place: place(), version, known }),
        std::cmp::Ordering::Less if !may_migrate => {
            Err(DbError::Older { place: place(), version, known })
        }
        order => Ok(order.is_lt()),
    }
}

/// Whether a transaction was taken back so that another one could go on, which wanted the same in another
/// order (`deadlock_detected`, `serialization_failure`): nothing is wrong, and it is done again at once.
#[must_use]
pub(crate) fn was_in_the_way(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    error.is_some_and(|error| matches!(error.code(), "40P01" | "40001"))
}

/// Whether an error means that the database takes no writes at all at the moment, as opposed to
/// refusing one statement. Codes: <https://www.sqlite.org/rescode.html>,
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
#[must_use]
pub(crate) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            // A table, a column or a schema that is gone, or not ours any more: somebody is at work there.
            Some(error) if matches!(error.code(), "42P01" | "42703" | "3F000" | "42501") => true,
            // Cardinality, data, integrity, syntax or names, a view's check, a program's limit, `raise`.
            Some(error) => !matches!(
                error.code().get(..2),
                Some("21" | "22" | "23" | "42" | "44" | "54" | "P0")
            ),
            None => {
                let code = error.code().and_then(|code| code.parse::<u32>().ok());
                // Constraint, mismatch, range, too big, generic error.
                !matches!(code.map(|code| code & 0xff), Some(1 | 18 | 19 | 20 | 25))
            }
        },
        sqlx::Error::RowNotFound
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::TypeNotFound { .. } => false,
        _ => true,
    }
}
