//! What goes into statements, and what comes out.

use std::borrow::Cow;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, FromRow, Postgres, Row as _, Sqlite, Type};

/// One parameter. A null has the type of what it is not.
#[derive(Clone, Debug)]
pub(crate) enum Value<'q> {
    Number(Option<i64>),
    Text(Option<Cow<'q, str>>),
    Bytes(&'q [u8]),
    Flag(bool),
}

macro_rules! number {
    ($($from:ty)*) => { $(
        impl From<$from> for Value<'_> {
            fn from(number: $from) -> Self {
                Self::Number(Some(number.into()))
            }
        }

        impl From<Option<$from>> for Value<'_> {
            fn from(number: Option<$from>) -> Self {
                Self::Number(number.map(i64::from))
            }
        }
    )* };
}

number!(i64 i32 u32 u16);

impl From<&i64> for Value<'_> {
    fn from(number: &i64) -> Self {
        (*number).into()
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<'q> From<&'q [u8]> for Value<'q> {
    fn from(bytes: &'q [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Some(text).into()
    }
}

impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(text: Option<&'q str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Some(text).into()
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Self {
        text.as_str().into()
    }
}

impl<'q> From<&'q Option<String>> for Value<'q> {
    fn from(text: &'q Option<String>) -> Self {
        text.as_deref().into()
    }
}

/// What a column can be read as, in both databases.
pub(crate) trait Get<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Get<'r> for T where
    T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

/// What a whole row can be read as, in both databases.
pub(crate) trait Tuple:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + 'static
{
}

impl<T> Tuple for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + 'static
{
}

/// A row of an answer.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// One column.
    pub(crate) fn try_get<'r, T, I>(&'r self, column: I) -> Result<T, sqlx::Error>
    where
        T: Get<'r>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// A whole number that other programs write too: of a fraction its whole part, and 0 of what is no
    /// number. A column of whole numbers of `SQLite`'s keeps a fraction that it is given (type affinity,
    /// <https://www.sqlite.org/datatype3.html>, section 3), and one must not make its row unreadable.
    pub(crate) fn whole(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// All columns.
    pub(super) fn tuple<T: Tuple>(&self) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => T::from_row(row),
            Self::Postgres(row) => T::from_row(row),
        }
    }
}
