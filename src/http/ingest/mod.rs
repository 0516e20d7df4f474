//! `POST /api/jobs/{id}/events`: events from an external worker, appended as they arrive.

pub(super) mod fuzzing;
mod line;
mod lines;
mod plain;
mod strict;
mod upload;

use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use serde_json::json;

use crate::event::{Draft, EventId, now_ms};
use crate::job::{Kind, Status};
use crate::queue::Ended;
use crate::store::{Log, ProducerSeq, Proposal, Refusal, Source};

use super::query::Query;
use super::segment::Segment;
use super::{App, Code, Problem, body, openapi};
use crate::http::guard::{Call, May, Publish};

use line::Incoming;
use lines::{Line, Lines};

/// What one request has appended so far.
#[derive(Debug, Default)]
struct Progress {
    /// Events that were appended, or were known already.
    appended: u64,
    /// The newest of the job.
    last: EventId,
    /// Whether the job had ended before this request came, or ended by it.
    has_ended: bool,
}

/// Takes one JSON event (`application/json`) or NDJSON of any length (anything else): the lines that
/// were received together are in front of the readers before the next ones are read.
///
/// # Errors
/// What is wrong with the first bad line, with how many before it were appended.
#[utoipa::path(
    post, path = "/api/jobs/{id}/events", operation_id = "push_events", tag = "jobs",
    security(("key" = ["publish"])),
    params(
        ("id" = String, Path, description = "The job, of the kind external"),
        ("durable" = Option<bool>, Query, description = "Answer when everything is committed"),
    ),
    request_body(
        description = "One event, or any number of lines that are one each",
        content(
            (openapi::bodies::PushedEvent = "application/json"),
            (String = "application/x-ndjson"),
        ),
    ),
    responses(
        (
            status = 200, description = "The events are in front of readers",
            body = openapi::answers::Pushed,
        ),
    ),
    extensions(("x-problems" = json!([
        Code::InvalidJson, Code::InvalidEvent, Code::EventTooLarge, Code::LineTooLong,
        Code::UnknownJob, Code::NotExternal, Code::JobEnded, Code::SequenceGap, Code::Fenced,
        Code::ProjectFull, Code::Unavailable, Code::Overloaded, Code::Draining,
    ]))),
)]
pub(super) async fn push(
    May { call, .. }: May<Publish>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["durable"])?;
    let durable = query.flag("durable")?;
    let log = call.log(&id).await?;
    if log.kind != Kind::External {
        let detail =
            format!("only jobs of the kind 'external' take events; this is a {}", log.kind);
        return Err(Problem::new(Code::NotExternal, detail));
    }
    let mut progress = Progress { appended: 0, last: log.last(), has_ended: log.standing().ended };
    let taken = if is_json(&headers) {
        take_one(&call, &log, body, &mut progress).await
    } else {
        take_lines(&call, &log, body, &mut progress).await
    };
    if let Err(problem) = taken {
        let Progress { appended, last, .. } = progress;
        return Err(problem.with("appended", json!(appended)).with("last_id", json!(last)));
    }
    if durable {
        call.store.journal().wait_durable(progress.last).await?;
    }
    let is_durable = call.store.journal().durable_through() >= progress.last;
    let view =
        json!({ "appended": progress.appended, "last_id": progress.last, "durable": is_durable });
    Ok(axum::Json(view).into_response())
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    media_type.is_some_and(|value| value.eq_ignore_ascii_case("application/json"))
}

async fn take_one(
    call: &Call,
    log: &Arc<Log>,
    body: Body,
    progress: &mut Progress,
) -> Result<(), Problem> {
    let limit = call.options.event_limit;
    let bytes = body::bounded(body, limit).await.map_err(|problem| match problem.code() {
        Code::BodyTooLarge => too_large(limit),
        _ => problem,
    })?;
    let room = call.draining.run_until_cancelled(call.store.room()).await;
    room.ok_or_else(draining)?;
    take(call, log, &bytes, progress).await.map_err(|problem| {
        if is_several(&bytes) {
            let detail = "one event is sent as application/json, several as application/x-ndjson";
            return Problem::new(Code::InvalidEvent, detail);
        }
        problem
    })
}

/// Whether a body that is no event begins with one that has a line of its own.
fn is_several(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii();
    let first = memchr::memchr(b'\n', bytes).map(|end| &bytes[..end]);
    first.is_some_and(|line| line::parse(line).is_ok())
}

async fn take_lines(
    call: &Call,
    log: &Arc<Log>,
    body: Body,
    progress: &mut Progress,
) -> Result<(), Problem> {
    let mut lines = Lines::new(body, call.options.event_limit);
    // Once for all lines: to begin to wait costs more than an event does.
    let mut drains = pin!(call.draining.cancelled());
    let mut ends = pin!(log.ended());
    let mut loses_right = pin!(call.right().lapse());
    loop {
        let received = tokio::select! {
            biased;
            received = next_lines(call, &mut lines) => received,
            // A producer that is between two lines does not keep a server from going down.
            () = &mut drains => Err(draining()),
            () = &mut loses_right => Err(Problem::new(Code::Unauthorized, "the key is not valid any more")),
            // It learns at once that its job was canceled; and one that is gone without a word costs
            // nothing once its job has failed for its silence. A request that has ended the job
            // itself, or repeats what an ended job knows, is read on.
            status = &mut ends, if !progress.has_ended => Err(Refusal::Ended(status).into()),
        };
        let received =
            received.map_err(|problem| problem.with("line", json!(lines.number() + 1)))?;
        if received.is_empty() {
            return Ok(());
        }
        take_received(call, log, &received, progress).await?;
    }
}

/// The next lines, once there is room for them: at its bound the journal stops the reading, and so
/// the sender, by the window of its connection.
async fn next_lines(app: &App, lines: &mut Lines) -> Result<Vec<Line>, Problem> {
    app.store.room().await;
    lines.next_together().await
}

/// Appends lines, those together that are plain; whatever is not, and whatever is refused, is taken
/// by itself.
async fn take_received(
    call: &Call,
    log: &Arc<Log>,
    mut lines: &[Line],
    progress: &mut Progress,
) -> Result<(), Problem> {
    loop {
        lines = &lines[take_plain(call, log, lines, progress).await..];
        let Some((line, rest)) = lines.split_first() else { return Ok(()) };
        take(call, log, &line.bytes, progress)
            .await
            .map_err(|problem| problem.with("line", json!(line.number)))?;
        lines = rest;
    }
}

/// Appends in one step what is plain at the beginning of these lines, to a job that runs; gives how
/// many lines that were. Their frames share one allocation.
async fn take_plain(app: &App, log: &Arc<Log>, lines: &[Line], progress: &mut Progress) -> usize {
    let standing = log.standing();
    if standing.status != Status::Running || app.queue.is_full(&log.project).is_some() {
        return 0;
    }
    let plain: Vec<_> = lines.iter().map_while(|line| plain::read(&line.bytes)).collect();
    let room = plain.iter().map(|event| Draft::raw_room(event.name, event.data)).sum();
    let mut room = BytesMut::with_capacity(room);
    let (attempt, source, now) = (standing.attempt, Source::Producer, now_ms());
    let proposal = |event: plain::Plain<'_>| {
        let draft = Draft::raw_in(&mut room, event.name, event.data, now);
        Proposal { attempt, source, fact: event.fact, draft, producer: event.producer }
    };
    let proposals: Vec<_> = plain.into_iter().map(proposal).collect();
    let (appended, _) = app.store.append_some(log, proposals).await;
    let taken = appended.admitted + appended.ignored;
    progress.appended += u64::from(taken);
    progress.last = appended.last;
    taken as usize
}

fn draining() -> Problem {
    Problem::new(Code::Draining, "the server is going down; send the rest again")
}

/// Appends one event.
async fn take(
    call: &Call,
    log: &Arc<Log>,
    line: &[u8],
    progress: &mut Progress,
) -> Result<(), Problem> {
    let incoming = line::parse(line)?;
    if check_count(log, &incoming).is_err() {
        // What is missing may have been sent to another node of a cluster.
        call.store.catch_up().await?;
    }
    check_count(log, &incoming)?;
    if let Some(end) = incoming.end()? {
        end_job(call, log, &incoming, end).await?;
        progress.has_ended = true;
    } else {
        has_room(call, log, &incoming)?;
        let fact = incoming.fact(call, log).await?;
        start(call, log).await?;
        let producer = incoming.producer.clone();
        let draft = incoming.draft(&fact);
        let attempt = log.standing().attempt;
        let proposal = Proposal { attempt, source: Source::Producer, fact, draft, producer };
        call.store.append(log, [proposal]).await?;
    }
    progress.appended += 1;
    progress.last = log.last();
    Ok(())
}

/// Refuses an event that leaves a hole in its producer's count, before it has started the job.
fn check_count(log: &Log, incoming: &Incoming<'_>) -> Result<(), Problem> {
    let Some(ProducerSeq { producer, seq: got }) = &incoming.producer else { return Ok(()) };
    let expected = log.last_of_producer(producer) + 1;
    if *got > expected && !log.standing().ended {
        return Err(Refusal::SequenceGap { expected, got: *got }.into());
    }
    Ok(())
}

/// Refuses an event for which there is no room on disk; that it is known already is no reason to.
fn has_room(app: &App, log: &Log, incoming: &Incoming<'_>) -> Result<(), Problem> {
    let Some(full) = app.queue.is_full(&log.project) else { return Ok(()) };
    if is_known(log, incoming) { Ok(()) } else { Err(full.into()) }
}

/// Whether a worker that counts its events sends this one again.
fn is_known(log: &Log, incoming: &Incoming<'_>) -> bool {
    let producer = incoming.producer.as_ref();
    producer.is_some_and(|ProducerSeq { producer, seq }| *seq <= log.last_of_producer(producer))
}

/// The first event of a job starts it.
async fn start(app: &App, log: &Arc<Log>) -> Result<(), Problem> {
    if log.standing().status == Status::Pending {
        app.queue.tell_status(log, Status::Running, log.standing().attempt.max(1)).await?;
    }
    Ok(())
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the event may have {limit} bytes at most");
    Problem::new(Code::EventTooLarge, detail).with("limit", limit)
}

/// Ends the job as its worker says; the same end again from a worker that counts its events is a
/// blind retry and no error.
async fn end_job(
    app: &App,
    log: &Arc<Log>,
    incoming: &Incoming<'_>,
    end: crate::event::payload::End,
) -> Result<(), Problem> {
    if is_known(log, incoming) {
        return Ok(());
    }
    // As it is written here: a number in it may be longer than it came.
    let (written, limit) = (serde_json::to_vec(&end), app.options.event_limit);
    if written.is_ok_and(|written| written.len() > limit) {
        return Err(too_large(limit));
    }
    start(app, log).await?;
    let status = end.status();
    let refused = |status: Status| Err(Refusal::Ended(status).into());
    match app.queue.end(log, None, end).await? {
        Ended::Now => Ok(()),
        Ended::Before(before) if before.as_str() == status && incoming.producer.is_some() => Ok(()),
        Ended::Before(before) => refused(before),
    }
}
