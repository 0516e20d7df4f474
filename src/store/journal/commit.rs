//! One transaction of the journal's.

use std::collections::HashMap;

use crate::db::segments::{self, Segment};
use crate::db::{Conn, Mark, Transaction, Writer, is_outage};
use crate::event::EventId;
use crate::job::Fact;
use crate::job::state::count_producer;

use super::{Group, JournalError, Unwritten};

/// From how many bytes of frames on a segment is full: readers are given whole segments.
const SEGMENT_BYTES: usize = 64 << 10;

/// Writes a group in one transaction; gives the last event's id, where there are events.
///
/// An error that is no refusal means that the database does not take writes: the caller tries
/// again.
pub(super) async fn try_commit(
    writer: &mut Writer,
    group: &mut Group,
) -> Result<Option<EventId>, sqlx::Error> {
    let last = group.events.last().map(|unwritten| unwritten.event.id);
    if let Some(mark) = group.in_doubt {
        if writer.has_committed(mark).await? {
            answer_refused(group);
            return Ok(last);
        }
        group.in_doubt = None;
        if group.is_shared && !group.events.is_empty() {
            // Meanwhile somebody else may have written them.
            return Err(sqlx::Error::WorkerCrashed);
        }
    }
    writer.reaches(last);
    group.refused.clear();
    let segments = segments_of(&group.events);
    match together(writer, group, &segments, last).await {
        Err(error) if !is_outage(&error) => one_by_one(writer, group, &segments, last).await?,
        done => done?,
    }
    answer_refused(group);
    Ok(last)
}

/// Tells those whose changes are not in the transaction that was committed.
fn answer_refused(group: &mut Group) {
    for (index, error) in group.refused.drain(..).rev() {
        let change = group.changes.remove(index);
        tracing::error!(%error, ?change, "the database refused a change");
        change.fail(JournalError::Refused(error.to_string()));
    }
}

/// The usual commit: nothing is refused, so nothing has to be taken back by itself.
async fn together(
    writer: &mut Writer,
    group: &mut Group,
    segments: &[Segment],
    last: Option<EventId>,
) -> Result<(), sqlx::Error> {
    let mark = writer.mark(group.number);
    let mut tx = writer.begin().await?;
    let mut conn = tx.conn();
    if let Some(last) = last {
        segments::write(&mut conn, segments, last).await?;
    }
    for change in &mut group.changes {
        change.apply(&mut conn).await?;
    }
    mark.write(&mut conn).await?;
    end(tx, mark, group).await
}

/// Commits. That this fails does not say that nothing was committed: a connection can be lost when the
/// database has done it and not said so yet.
async fn end(tx: Transaction<'_>, mark: Mark, group: &mut Group) -> Result<(), sqlx::Error> {
    let done = tx.commit().await;
    group.in_doubt = (mark.tells() && done.is_err()).then_some(mark);
    done
}

/// The same where something is refused (a constraint, a damaged row): each behind a savepoint, so
/// that it fails alone.
async fn one_by_one(
    writer: &mut Writer,
    group: &mut Group,
    segments: &[Segment],
    last: Option<EventId>,
) -> Result<(), sqlx::Error> {
    let mark = writer.mark(group.number);
    let mut tx = writer.begin().await?;
    let mut conn = tx.conn();
    if let Some(last) = last {
        write_events(&mut conn, segments, last).await?;
    }
    let mut refused = Vec::new();
    for (index, change) in group.changes.iter_mut().enumerate() {
        let mut savepoint = conn.begin().await?;
        match change.apply(&mut savepoint.conn()).await {
            Ok(()) => savepoint.commit().await?,
            Err(error) if is_outage(&error) => return Err(error),
            Err(error) => {
                savepoint.rollback().await?;
                refused.push((index, error));
            }
        }
    }
    mark.write(&mut conn).await?;
    group.refused = refused;
    end(tx, mark, group).await
}

/// Writes segment by segment, so that one job's trouble (somebody deleted it by hand) does not hold
/// everybody's events.
async fn write_events(
    tx: &mut Conn<'_>,
    segments: &[Segment],
    last: EventId,
) -> Result<(), sqlx::Error> {
    for segment in segments {
        let mut savepoint = tx.begin().await?;
        match segments::write(&mut savepoint.conn(), std::slice::from_ref(segment), last).await {
            Ok(()) => savepoint.commit().await?,
            Err(error) if is_outage(&error) => return Err(error),
            Err(error) => {
                tracing::error!(job = %segment.job, %error, "the database refused events of a job");
                savepoint.rollback().await?;
            }
        }
    }
    Ok(())
}

/// Groups events, which are in the order of their ids, into one segment a job, or a few where
/// there is a lot of it.
fn segments_of(events: &[Unwritten]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut places = HashMap::new();
    for unwritten in events {
        let place = places.entry(unwritten.log.job.as_str()).or_insert(usize::MAX);
        if segments.get(*place).is_none_or(|segment| segment.frames.len() >= SEGMENT_BYTES) {
            *place = segments.len();
            segments.push(Segment::new(unwritten.log.job.clone(), unwritten.event.id));
        }
        let segment = &mut segments[*place];
        segment.push(&unwritten.event);
        project(segment, unwritten);
    }
    segments
}

fn project(segment: &mut Segment, unwritten: &Unwritten) {
    let rows = &mut segment.rows;
    let id = unwritten.event.id;
    match unwritten.row.as_deref() {
        Some(Fact::Status { status, attempt }) => rows.tell_status(*status, *attempt),
        Some(Fact::Progress(progress)) => rows.progress = Some(progress.clone()),
        Some(Fact::ArtifactReady(stored)) => rows.artifacts.push((stored.as_ref().clone(), id)),
        Some(Fact::TtsCompleted { artifact, .. }) => rows.narrations.push((artifact.clone(), id)),
        Some(Fact::End(end)) => rows.end = Some((id, end.status())),
        Some(Fact::Content(_) | Fact::Other) | None => {}
    }
    rows.told_percent = unwritten.percent.or(rows.told_percent);
    for seq in unwritten.producer.iter().chain(&unwritten.put) {
        count_producer(&mut rows.producers, &seq.producer, seq.seq);
    }
}
