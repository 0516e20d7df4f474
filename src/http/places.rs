//! Where a reader of several jobs stands in each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::event::{Cursor, EventId};
use crate::job::{JobId, Status};
use crate::store::follow::GapReason;
use crate::store::{Gap, Log, Standing};

use super::guard::Call;
use super::query::Query;
use super::{App, Code, Problem, control, cursor, streaming};

/// How many jobs one connection may name.
const MOST_JOBS: usize = 100;

/// One of the jobs, and how far the reader is in it.
#[derive(Debug)]
pub(super) struct Place {
    /// The job's events.
    pub(super) log: Arc<Log>,
    /// Where the reader goes on, or why it cannot.
    pub(super) resumed: Result<EventId, GapReason>,
    /// Whether the reader has the job's end.
    pub(super) is_over: bool,
    asked: Cursor,
    standing: Standing,
}

impl Place {
    fn new(app: &App, log: Arc<Log>, asked: Cursor, seen: Option<Cursor>) -> Self {
        let standing = log.standing();
        let resume = |cursor| app.store.resume(log.trimmed_through(), cursor);
        let has_end = |cursor| resume(cursor).is_ok_and(|cursor| cursor >= standing.last);
        Self {
            resumed: resume(asked),
            // A browser goes on sending the URL's cursor, however wrong, and must come to an end.
            is_over: standing.ended && (has_end(asked) || seen.is_some_and(has_end)),
            asked,
            standing,
            log,
        }
    }

    /// What the reader must be told when its cursor cannot be resumed.
    pub(super) fn gap(&self, to: EventId) -> Option<Gap> {
        let reason = self.resumed.err()?;
        Some(Gap::told(cursor::number(self.asked), to, reason))
    }
}

/// The jobs that `job=…` names, with their cursors: `job=ID@CURSOR`, and for a job without one the
/// request's.
///
/// # Errors
/// [`Code::InvalidParameter`] without a job or with too many, [`Code::UnknownJob`].
pub(super) async fn named(
    call: &Call,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Vec<Place>, Problem> {
    let names = split(query);
    if names.is_empty() || names.len() > MOST_JOBS {
        let count = names.len();
        let detail =
            format!("name 1 to {MOST_JOBS} jobs, as in '?job=job_a&job=job_b'; got {count}");
        return Err(Problem::new(Code::InvalidParameter, detail));
    }
    let common = cursor::of(headers, query);
    let seen = cursor::of_header(headers);
    let mut places = Vec::with_capacity(names.len());
    for (name, own) in names {
        let log = call.log(name).await?;
        let asked = own.map_or(common, |own| furthest(own, seen));
        call.store.reach(asked).await?;
        places.push(Place::new(call, log, asked, seen));
    }
    Ok(places)
}

/// The names in the order of their text, each once; of one that comes twice the last counts.
pub(super) fn split(query: &Query) -> BTreeMap<&str, Option<Cursor>> {
    let names = query.all("job").flat_map(|names| names.split(','));
    names
        .filter(|name| !name.is_empty())
        .map(|name| match name.split_once('@') {
            Some((name, own)) => (name, Some(Cursor::parse(own.as_bytes()))),
            None => (name, None),
        })
        .collect()
}

/// How far a reader is in a job whose cursor stands in the URL, when it comes back to the same URL
/// with the id that it saw last: that id came after everything up to it of every job, so whichever
/// is larger. What is no number has no place in that order: the reader was told of its gap before
/// it saw any id.
const fn furthest(own: Cursor, seen: Option<Cursor>) -> Cursor {
    match (own, seen) {
        (_, None) => own,
        (Cursor::Foreign, Some(seen)) => seen,
        (Cursor::At(_), Some(Cursor::Foreign)) => Cursor::Foreign,
        (Cursor::At(own), Some(Cursor::At(seen))) => {
            Cursor::At(if own.get() > seen.get() { own } else { seen })
        }
    }
}

#[derive(Serialize)]
struct HelloJob<'a> {
    job: &'a JobId,
    status: Status,
    attempt: u32,
    after: Option<EventId>,
    /// Nothing of it will come: the reader has its end.
    over: bool,
}

/// `hello` of a stream of these jobs.
pub(super) fn hello(
    app: &App,
    query: &Query,
    places: &[Place],
    asked: Cursor,
    head: EventId,
) -> Bytes {
    let jobs: Vec<_> = places
        .iter()
        .map(|Place { log, standing, asked, is_over, .. }| HelloJob {
            job: &log.job,
            status: standing.status,
            attempt: standing.attempt,
            after: cursor::number(*asked),
            over: *is_over,
        })
        .collect();
    let mut hello = json!({
        "jobs": jobs,
        "after": cursor::number(asked),
        "head": head,
        "keep_alive_ms": streaming::keep_alive_ms(&app.options, query),
    });
    if app.store.is_degraded() {
        hello["degraded"] = true.into();
    }
    control::hello(&hello)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: u64) -> Cursor {
        Cursor::At(EventId::from_u64(id).unwrap())
    }

    #[test]
    fn a_job_may_have_a_cursor_of_its_own_and_the_last_one_counts() {
        let query = Query::of_stream(Some("job=b%407,a&job=c@&job=a@x&job=,b@9"));
        let names: Vec<_> = split(&query).into_iter().collect();
        assert_eq!(names, [("a", Some(Cursor::Foreign)), ("b", Some(at(9))), ("c", Some(at(0)))]);
        assert_eq!(split(&Query::of_stream(Some("job=a"))).get("a"), Some(&None));
    }

    #[test]
    fn the_last_seen_id_moves_every_cursor_forward_and_none_back() {
        assert_eq!(furthest(at(5), None), at(5));
        assert_eq!(furthest(at(5), Some(at(9))), at(9));
        assert_eq!(furthest(at(9), Some(at(5))), at(9));
        assert_eq!(furthest(Cursor::Foreign, Some(at(5))), at(5));
        assert_eq!(furthest(at(5), Some(Cursor::Foreign)), Cursor::Foreign);
    }
}
