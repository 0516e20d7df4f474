//! Thin doors to what reads hostile bytes here, for the fuzz targets in `fuzz/` alone.
//!
//! No part of what the crate offers, and not in its documentation: the targets stand outside of the
//! crate, and what they try is private to its modules for good reasons.

use crate::event::Cursor;

use super::{places, query::Query};

pub use super::ingest::fuzzing::{Reading, Refused, exact, lines, quick};
pub use super::uploads::fuzzing::{FormPart, boundary, form};

/// The jobs that a query string names, in the order of their text, with the cursors of those that
/// have one of their own.
#[must_use]
pub fn places(query: &str) -> Vec<(String, Option<Cursor>)> {
    let query = Query::of_stream(Some(query));
    places::split(&query).into_iter().map(|(name, own)| (name.to_owned(), own)).collect()
}
