//! One text for two databases: statements as `SQLite` has them, which Postgres is given in its words.
//!
//! Placeholders are `?` or `?1`. What Postgres calls otherwise has the same name there by a function
//! of its migrations (`max` of two numbers, `json_each` of a list). Where one text will not do, the
//! place asks for the [`Dialect`].

mod connection;
mod statement;
mod value;

pub(in crate::db) use connection::in_time;
pub use connection::{Conn, Transaction};
pub(crate) use connection::{Dialect, On, Pool};
pub(crate) use statement::{List, query, query_as, query_scalar, together};
pub(crate) use value::Row;
