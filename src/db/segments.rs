//! Events at rest: segments of many events of one job in a row, with the rows that they project.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use crate::event::payload::Progress;
use crate::event::{Event, EventId, Frame};
use crate::job::{ArtifactId, JobId, Status, StoredArtifact};

use super::sql::{self, Conn, Row};
use super::{Db, DbError, artifacts, signed};

/// Bytes of one event in a segment's marks: id, time, length of the frame.
const MARK: usize = 8 + 8 + 4;

/// The most segments that one look brings.
const LOOK_SEGMENTS: i64 = 64;

/// After how many bytes of frames a look brings no further segment.
const LOOK_BYTES: i64 = 128 << 10;

/// Consecutive events of one job, as the journal commits them together.
#[derive(Debug)]
pub struct Segment {
    /// Whose events.
    pub job: JobId,
    /// The first one.
    pub first: EventId,
    /// The last one.
    pub last: EventId,
    /// The frames, one after the other.
    pub frames: Vec<u8>,
    marks: Vec<u8>,
    /// When the last one was made, in UTC milliseconds.
    pub at: i64,
    /// What the events say, as far as rows show it.
    pub rows: Rows,
}

/// What a segment's events change in the rows of their job.
#[derive(Debug, Default)]
pub struct Rows {
    /// The newest progress.
    pub progress: Option<Progress>,
    /// The newest status and attempt.
    pub status: Option<(Status, u32)>,
    /// Files that were announced, and by which event.
    pub artifacts: Vec<(StoredArtifact, EventId)>,
    /// Narrations that were announced, and by which event.
    pub narrations: Vec<(ArtifactId, EventId)>,
    /// The newest percent since the newest attempt that these events tell of began, whether or not it is
    /// written into the row's own progress.
    pub told_percent: Option<u8>,
    /// The newest percent before that: what counts where that attempt was told of earlier.
    pub percent_before: Option<u8>,
    /// The terminal event, and the word of the status that it makes.
    pub end: Option<(EventId, &'static str)>,
    /// The last `producer_seq` of each producer.
    pub producers: BTreeMap<String, u64>,
}

impl Rows {
    /// Adds a status event.
    pub fn tell_status(&mut self, status: Status, attempt: u32) {
        if self.status.is_none_or(|(_, before)| attempt > before) {
            self.percent_before = self.told_percent.take().or(self.percent_before);
        }
        self.status = Some((status, attempt));
    }

    /// The newest status that the events say.
    fn told_status(&self) -> Option<&'static str> {
        self.end.map(|(_, status)| status).or(self.status.map(|(status, _)| status.as_str()))
    }
}

impl Segment {
    /// An empty segment of a job's events from `first` on.
    #[must_use]
    pub fn new(job: JobId, first: EventId) -> Self {
        Self {
            job,
            first,
            last: first,
            frames: Vec::new(),
            marks: Vec::new(),
            at: 0,
            rows: Rows::default(),
        }
    }

    /// Adds the next event.
    pub fn push(&mut self, event: &Event) {
        let bytes = event.frame.bytes();
        let length = u32::try_from(bytes.len()).expect("an event is far below 4 GB");
        self.frames.extend_from_slice(bytes);
        self.marks.extend_from_slice(&event.id.get().to_be_bytes());
        self.marks.extend_from_slice(&event.at.to_be_bytes());
        self.marks.extend_from_slice(&length.to_be_bytes());
        self.last = event.id;
        self.at = event.at;
    }
}

/// Commits nothing: writes the segments and their rows inside the caller's transaction, and raises
/// the last committed id of the epoch to `last`.
pub(crate) async fn write(
    tx: &mut Conn<'_>,
    segments: &[Segment],
    last: EventId,
) -> Result<(), sqlx::Error> {
    let mut rest = segments;
    while !rest.is_empty() {
        let together = together(rest);
        insert(tx, together, last).await?;
        rest = &rest[together.len()..];
    }
    for segment in segments {
        project(tx, segment).await?;
    }
    Ok(())
}

/// How many segments one statement writes: few numbers, so that there are few statements to prepare.
const TOGETHER: [usize; 4] = [64, 16, 4, 1];

/// The first segments that can be written together: no job has two of them.
fn together(segments: &[Segment]) -> &[Segment] {
    let mut jobs = HashSet::new();
    let most = &segments[..segments.len().min(TOGETHER[0])];
    let alone = most.iter().take_while(|segment| jobs.insert(segment.job.as_str())).count();
    let count = TOGETHER.into_iter().find(|count| *count <= alone).unwrap_or(1);
    &segments[..count]
}

/// What every segment needs, in one trip to the database's thread: a job that makes an event now
/// and then is committed many times a second, and thousands of jobs that do are committed together.
/// The epoch's row is there, unless the ids ran on into the next epoch's numbers.
async fn insert(tx: &mut Conn<'_>, segments: &[Segment], last: EventId) -> Result<(), sqlx::Error> {
    let rows = |columns: &'static str| vec![columns; segments.len()].join(", ");
    let mut stored = sql::query(format!(
        "insert into event_segment (job_id, first_id, last_id, frames, marks) values {}",
        rows("(?, ?, ?, ?, ?)")
    ));
    let mut told = sql::query(format!(
        "with told (job_id, last_id, at, end_id, attempt, status, percent, percent_before) as (values {}) \
         update job set last_event_id = told.last_id, updated_at = max(updated_at, told.at), \
         end_event_id = coalesce(told.end_id, end_event_id), \
         ended_at = case when told.end_id is null then ended_at else coalesce(ended_at, told.at) end, \
         told_attempt = coalesce(told.attempt, told_attempt), \
         told_status = coalesce(told.status, told_status), \
         told_percent = case when told.attempt > told_attempt then coalesce(told.percent, 0) \
             else coalesce(told.percent, told.percent_before, told_percent) end \
         from told where id = told.job_id",
        rows("(?, ?, ?, ?, ?, ?, ?, ?)")
    ));
    for segment in segments {
        stored = stored
            .bind(segment.job.as_str())
            .bind(segment.first.to_i64())
            .bind(segment.last.to_i64())
            .bind(segment.frames.as_slice())
            .bind(segment.marks.as_slice());
        told = told
            .bind(segment.job.as_str())
            .bind(segment.last.to_i64())
            .bind(segment.at)
            .bind(segment.rows.end.map(|(id, _)| id.to_i64()))
            .bind(segment.rows.status.map(|(_, attempt)| i64::from(attempt)))
            .bind(segment.rows.told_status())
            .bind(segment.rows.told_percent.map(i64::from))
            .bind(segment.rows.percent_before.map(i64::from));
    }
    let at = segments.last().map_or(0, |segment| segment.at);
    let raised = sql::query(
        "insert into epoch (epoch, started_at, last_id) values (?, ?, ?) \
         on conflict (epoch) do update set last_id = excluded.last_id",
    );
    let raised = raised.bind(i64::from(last.epoch())).bind(at).bind(last.to_i64());
    sql::together(vec![stored, told, raised], tx).await
}

async fn project(tx: &mut Conn<'_>, segment: &Segment) -> Result<(), sqlx::Error> {
    let rows = &segment.rows;
    if let Some((Status::Running, attempt)) = rows.status {
        start(tx, segment, attempt).await?;
    }
    if let Some(progress) = &rows.progress {
        advance(tx, &segment.job, progress).await?;
    }
    for (artifact, event) in &rows.artifacts {
        artifacts::announce(tx, &segment.job, artifact, *event, segment.at).await?;
    }
    for (artifact, event) in &rows.narrations {
        artifacts::announce_narration(tx, artifact, *event).await?;
    }
    for (producer, seq) in &rows.producers {
        remember_producer(tx, &segment.job, producer, *seq).await?;
    }
    Ok(())
}

/// An external job's first event starts it; a claimed job's row says so already.
async fn start(tx: &mut Conn<'_>, segment: &Segment, attempt: u32) -> Result<(), sqlx::Error> {
    sql::query(
        "update job set status = 'running', attempt = ?1, started_at = ?2 \
         where id = ?3 and status = 'pending' and attempt < ?1",
    )
    .bind(i64::from(attempt))
    .bind(segment.at)
    .bind(segment.job.as_str())
    .execute(tx)
    .await?;
    Ok(())
}

async fn advance(tx: &mut Conn<'_>, job: &JobId, progress: &Progress) -> Result<(), sqlx::Error> {
    sql::query(
        "update job set progress = ?, stage = ?, message = ? \
         where id = ? and status in ('pending', 'running')",
    )
    .bind(i64::from(progress.percent))
    .bind(&progress.stage)
    .bind(&progress.message)
    .bind(job.as_str())
    .execute(tx)
    .await?;
    Ok(())
}

async fn remember_producer(
    tx: &mut Conn<'_>,
    job: &JobId,
    producer: &str,
    seq: u64,
) -> Result<(), sqlx::Error> {
    sql::query(
        "insert into producer (job_id, producer, seq) values (?, ?, ?) \
         on conflict (job_id, producer) do update set seq = excluded.seq",
    )
    .bind(job.as_str())
    .bind(producer)
    .bind(signed(seq))
    .execute(tx)
    .await?;
    Ok(())
}

/// A segment that was read back.
#[derive(Clone, Debug)]
pub struct StoredSegment {
    /// The last of its events.
    pub last: EventId,
    frames: Bytes,
    marks: Bytes,
}

impl StoredSegment {
    /// The wire bytes of the events in `(after, through]` as one slice, with how many there are
    /// and the last one's id; nothing when none is in the range or the row is damaged.
    #[must_use]
    pub fn frames_within(&self, after: EventId, through: EventId) -> Option<(Bytes, u32, EventId)> {
        let (mut start, mut end, mut count, mut last) = (0, 0, 0, after);
        for (id, _, length) in self.marks() {
            if id <= after {
                start += length;
                end = start;
            } else if id <= through {
                end += length;
                count += 1;
                last = id;
            }
        }
        (count > 0 && end <= self.frames.len())
            .then(|| (self.frames.slice(start..end), count, last))
    }

    /// The events in `(after, through]`, one by one.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn events_within(
        &self,
        after: EventId,
        through: EventId,
    ) -> Result<Vec<Event>, crate::event::frame::DamagedFrame> {
        let mut start = 0;
        let mut events = Vec::new();
        for (id, at, length) in self.marks() {
            let end = start + length;
            if id > after && id <= through {
                if end > self.frames.len() {
                    return Err(crate::event::frame::DamagedFrame);
                }
                let frame = Frame::from_stored(&self.frames[start..end])?;
                events.push(Event { id, at, frame: frame.into() });
            }
            start = end;
        }
        Ok(events)
    }

    fn marks(&self) -> impl Iterator<Item = (EventId, i64, usize)> + '_ {
        let number = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().expect("eight bytes"));
        self.marks.chunks_exact(MARK).map(move |mark| {
            let length = u32::from_be_bytes(mark[16..].try_into().expect("four bytes"));
            (EventId::from_i64(number(&mark[..8])), number(&mark[8..16]), length as usize)
        })
    }
}

impl Db {
    /// The next segments of a job that hold events after `after`, in order; empty when there are
    /// none.
    ///
    /// A segment holds one event of a slow job or a thousand of a fast one, so one look is bounded
    /// by both: many small ones cost one round trip, and large ones do not fill the memory.
    /// (`SQLite` knows the `length` of a blob without reading it.)
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn segments(
        &self,
        job: &JobId,
        after: EventId,
    ) -> Result<Vec<StoredSegment>, DbError> {
        let rows = sql::query(
            "with start (id) as ( \
                 select coalesce(max(first_id), 0) from event_segment \
                 where job_id = ?1 and first_id <= ?2), \
             next as ( \
                 select first_id, length(frames) as size from event_segment \
                 where job_id = ?1 and first_id >= (select id from start) and last_id > ?2 \
                 order by first_id limit ?3), \
             sized as ( \
                 select first_id, sum(size) over (order by first_id) - size as before from next) \
             select last_id, frames, marks from event_segment \
             where job_id = ?1 and first_id >= (select id from start) and last_id > ?2 \
               and first_id <= (select max(first_id) from sized where before < ?4) \
             order by first_id",
        )
        .bind(job.as_str())
        .bind(after.to_i64())
        .bind(LOOK_SEGMENTS)
        .bind(LOOK_BYTES)
        .fetch_all(&self.pool)
        .await?;
        let segment = |row: Row| {
            Ok(StoredSegment {
                last: EventId::from_i64(row.try_get(0)?),
                frames: row.try_get::<Vec<u8>, _>(1)?.into(),
                marks: row.try_get::<Vec<u8>, _>(2)?.into(),
            })
        };
        rows.into_iter().map(segment).collect()
    }
}

impl Db {
    /// Jobs that ended before a time and still have their events, each with the id through which
    /// they may be given up: all but the terminal one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trimmable(
        &self,
        ended_before: i64,
        most: u32,
    ) -> Result<Vec<(JobId, EventId)>, DbError> {
        let rows: Vec<(String, i64)> = sql::query_as(
            "select id, end_event_id from job where ended_at < ? and end_event_id is not null \
             and trimmed_through = 0 order by ended_at limit ?",
        )
        .bind(ended_before)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        let job = |(id, end): (String, i64)| Some((id.parse().ok()?, EventId::from_i64(end - 1)));
        Ok(rows.into_iter().filter_map(job).collect())
    }
}

/// Gives up the events of some jobs; their terminal events stay.
#[derive(Debug)]
pub struct Trim {
    /// The jobs, each with the id through which its events go.
    pub jobs: Vec<(JobId, EventId)>,
}

impl super::Change for Trim {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        for (job, through) in &self.jobs {
            sql::query("delete from event_segment where job_id = ? and last_id <= ?")
                .bind(job.as_str())
                .bind(through.to_i64())
                .execute(&mut *tx)
                .await?;
            sql::query("update job set trimmed_through = ? where id = ?")
                .bind(through.to_i64())
                .bind(job.as_str())
                .execute(&mut *tx)
                .await?;
        }
        Ok(())
    }
}
