//! Statements, with what they are told.

use std::borrow::Cow;
use std::fmt::Write;
use std::future::Future;
use std::marker::PhantomData;

use futures_util::TryStreamExt;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

use super::connection::in_time;
use super::value::{Row, Tuple, Value};
use super::{Conn, On, Pool};

/// A statement whose text is ours: none of it comes from anybody else.
pub(crate) fn query<'q>(text: impl Into<Cow<'static, str>>) -> Statement<'q> {
    Statement { text: text.into(), values: Vec::new() }
}

/// A statement whose rows are read as tuples.
pub(crate) fn query_as<'q, T>(text: impl Into<Cow<'static, str>>) -> Typed<'q, T> {
    Typed { statement: query(text), of: PhantomData }
}

/// A statement whose rows have one column.
pub(crate) fn query_scalar<'q, T>(text: impl Into<Cow<'static, str>>) -> Scalar<'q, T> {
    Scalar { rows: query_as(text) }
}

/// Statements that are run one after the other, in one trip to `SQLite`'s thread. There they are one
/// text, whose placeholders have no numbers: each takes the next parameter.
///
/// # Errors
/// When one fails.
pub(crate) async fn together(
    statements: Vec<Statement<'_>>,
    on: &mut Conn<'_>,
) -> Result<(), sqlx::Error> {
    match on {
        Conn::Sqlite(connection) => {
            let texts: Vec<_> = statements.iter().map(|statement| &*statement.text).collect();
            let text = texts.join("; ");
            let values = statements.into_iter().flat_map(|statement| statement.values).collect();
            let all = Statement { text: text.into(), values };
            all.for_sqlite().execute(&mut **connection).await?;
        }
        Conn::Postgres(connection) => {
            for statement in statements {
                in_time(statement.for_postgres().execute(&mut **connection)).await?;
            }
        }
    }
    Ok(())
}

/// A statement with its parameters.
#[derive(Debug)]
pub(crate) struct Statement<'q> {
    text: Cow<'static, str>,
    values: Vec<Value<'q>>,
}

impl<'q> Statement<'q> {
    /// Its next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    fn for_sqlite(self) -> Query<'q, Sqlite, SqliteArguments> {
        let query = match self.text {
            Cow::Borrowed(text) => sqlx::query(text),
            Cow::Owned(text) => sqlx::query(AssertSqlSafe(text)),
        };
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Flag(flag) => query.bind(flag),
        })
    }

    fn for_postgres(self) -> Query<'q, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(numbered(&self.text)));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text.map(without_nul)),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Flag(flag) => query.bind(flag),
        })
    }

    /// Runs it; gives how many rows it changed.
    pub(crate) fn execute<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send {
        let on = on.into();
        Box::pin(async move {
            let mut held = on.take().await?;
            Ok(match held.conn() {
                Conn::Sqlite(connection) => {
                    self.for_sqlite().execute(connection).await?.rows_affected()
                }
                Conn::Postgres(connection) => {
                    in_time(self.for_postgres().execute(connection)).await?.rows_affected()
                }
            })
        })
    }

    /// Its first row, if there is one.
    pub(crate) fn fetch_optional<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<Option<Row>, sqlx::Error>> + Send {
        let on = on.into();
        Box::pin(async move {
            let mut held = on.take().await?;
            Ok(match held.conn() {
                Conn::Sqlite(connection) => {
                    self.for_sqlite().fetch_optional(connection).await?.map(Row::Sqlite)
                }
                Conn::Postgres(connection) => {
                    in_time(self.for_postgres().fetch_optional(connection))
                        .await?
                        .map(Row::Postgres)
                }
            })
        })
    }

    /// Its first row, which there is.
    pub(crate) fn fetch_one<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<Row, sqlx::Error>> + Send {
        let row = self.fetch_optional(on);
        async move { row.await?.ok_or(sqlx::Error::RowNotFound) }
    }

    /// All of its rows.
    pub(crate) fn fetch_all<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<Vec<Row>, sqlx::Error>> + Send {
        let on = on.into();
        Box::pin(async move {
            let mut held = on.take().await?;
            Ok(match held.conn() {
                Conn::Sqlite(connection) => {
                    let rows = self.for_sqlite().fetch_all(connection).await?;
                    rows.into_iter().map(Row::Sqlite).collect()
                }
                Conn::Postgres(connection) => {
                    let rows = in_time(self.for_postgres().fetch_all(connection)).await?;
                    rows.into_iter().map(Row::Postgres).collect()
                }
            })
        })
    }

    /// Each of its rows as it comes, so that they need not all be in memory.
    pub(crate) async fn each(
        self,
        pool: &Pool,
        mut row: impl FnMut(Row) + Send,
    ) -> Result<(), sqlx::Error> {
        match pool {
            Pool::Sqlite(pool) => {
                let mut rows = self.for_sqlite().fetch(pool);
                while let Some(next) = rows.try_next().await? {
                    row(Row::Sqlite(next));
                }
            }
            Pool::Postgres(pool) => {
                let mut rows = self.for_postgres().fetch(pool);
                while let Some(next) = in_time(rows.try_next()).await? {
                    row(Row::Postgres(next));
                }
            }
        }
        Ok(())
    }
}

/// A statement whose rows are tuples.
#[derive(Debug)]
pub(crate) struct Typed<'q, T> {
    statement: Statement<'q>,
    of: PhantomData<fn() -> T>,
}

impl<'q, T: Tuple> Typed<'q, T> {
    /// Its next parameter.
    pub(crate) fn bind(self, value: impl Into<Value<'q>>) -> Self {
        Self { statement: self.statement.bind(value), ..self }
    }

    /// Its first row, if there is one.
    pub(crate) fn fetch_optional<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<Option<T>, sqlx::Error>> + Send {
        let row = self.statement.fetch_optional(on);
        async move { row.await?.as_ref().map(Row::tuple).transpose() }
    }

    /// Its first row, which there is.
    pub(crate) fn fetch_one<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<T, sqlx::Error>> + Send {
        let row = self.statement.fetch_one(on);
        async move { row.await?.tuple() }
    }

    /// All of its rows.
    pub(crate) fn fetch_all<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<Vec<T>, sqlx::Error>> + Send {
        let rows = self.statement.fetch_all(on);
        async move { rows.await?.iter().map(Row::tuple).collect() }
    }
}

/// A statement whose rows have one column.
#[derive(Debug)]
pub(crate) struct Scalar<'q, T> {
    rows: Typed<'q, (T,)>,
}

impl<'q, T> Scalar<'q, T>
where
    (T,): Tuple,
{
    /// Its next parameter.
    pub(crate) fn bind(self, value: impl Into<Value<'q>>) -> Self {
        Self { rows: self.rows.bind(value) }
    }

    /// Its first row, if there is one.
    pub(crate) fn fetch_optional<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<Option<T>, sqlx::Error>> + Send {
        let row = self.rows.fetch_optional(on);
        async move { Ok(row.await?.map(|(value,)| value)) }
    }

    /// Its first row, which there is.
    pub(crate) fn fetch_one<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<T, sqlx::Error>> + Send {
        let row = self.rows.fetch_one(on);
        async move { Ok(row.await?.0) }
    }

    /// All of its rows.
    pub(crate) fn fetch_all<'c>(
        self,
        on: impl Into<On<'c>>,
    ) -> impl Future<Output = Result<Vec<T>, sqlx::Error>> + Send {
        let rows = self.rows.fetch_all(on);
        async move { Ok(rows.await?.into_iter().map(|(value,)| value).collect()) }
    }
}

/// A list by what the caller wants of it: `select … where true`, conditions, an order.
#[derive(Debug)]
pub(crate) struct List<'q> {
    statement: Statement<'q>,
}

impl<'q> List<'q> {
    /// Begins with this.
    pub(crate) fn new(text: &'static str) -> Self {
        Self { statement: query(text) }
    }

    /// Goes on with this, which has one placeholder.
    pub(crate) fn push(&mut self, text: &str, value: impl Into<Value<'q>>) {
        self.statement.text.to_mut().push_str(text);
        self.statement.values.push(value.into());
    }

    /// Closes a parenthesis.
    pub(crate) fn close(&mut self) {
        self.statement.text.to_mut().push(')');
    }

    /// The whole statement.
    pub(crate) fn build(self) -> Statement<'q> {
        self.statement
    }
}

/// The text as Postgres can have it, which knows no NUL in one (22021): U+FFFD stands for each. Events are
/// bytes, and lose nothing.
fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text }
}

/// The text with the placeholders of Postgres: `?` is the next one, `?3` the third.
fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() + 32);
    let mut parts = text.split('?');
    numbered.push_str(parts.next().unwrap_or_default());
    for (place, part) in (1..).zip(parts) {
        numbered.push('$');
        if !part.starts_with(|next: char| next.is_ascii_digit()) {
            write!(numbered, "{place}").expect("a string takes everything");
        }
        numbered.push_str(part);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_unless_they_are() {
        assert_eq!(numbered("select 1"), "select 1");
        assert_eq!(numbered("a = ? and b in (?, ?)"), "a = $1 and b in ($2, $3)");
        assert_eq!(numbered("a = ?2 or a = ?1"), "a = $2 or a = $1");
    }
}
