//! What events told of a job is kept, whatever other programs write into its row.

use super::home::{Home, Outside};
use super::rig::{Rig, claim};
use super::segments::{self, Segment};
use super::sql::{self, Conn};
use super::{Change, migrations};
use crate::event::{Event, EventId, Frame};
use crate::job::{JobId, Status};

/// What a segment's events say, in their order.
#[derive(Clone, Copy)]
enum Say {
    Status(Status, u32),
    Percent(u8),
    End,
}
use Say::{End, Percent};

struct Write(Segment);

impl Change for Write {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        segments::write(tx, std::slice::from_ref(&self.0), self.0.last).await
    }
}

fn segment(job: &JobId, n: u32, says: &[Say]) -> Write {
    let id = EventId::new(1, n).unwrap();
    let mut segment = Segment::new(job.clone(), id);
    let frame = Frame::from_stored(format!("id: {id}\nevent: log\ndata: {{}}\n\n").as_bytes());
    segment.push(&Event { id, at: 5, frame: frame.unwrap().into() });
    for say in says {
        match *say {
            Say::Status(status, attempt) => segment.rows.tell_status(status, attempt),
            Say::Percent(percent) => segment.rows.told_percent = Some(percent),
            Say::End => segment.rows.end = Some((id, "completed")),
        }
    }
    Write(segment)
}

const fn running(attempt: u32) -> Say {
    Say::Status(Status::Running, attempt)
}

const fn pending(attempt: u32) -> Say {
    Say::Status(Status::Pending, attempt)
}

#[tokio::test]
async fn what_was_told_is_what_the_events_fold_to() {
    for (segments, status, percent) in [
        (&[&[][..]][..], None, 0),
        (&[&[running(1), Percent(5)]], Some(Status::Running), 5),
        (&[&[running(1)], &[Percent(5)], &[Percent(7)]], Some(Status::Running), 7),
        (&[&[running(1), Percent(5)], &[Percent(6), running(2)]], Some(Status::Running), 0),
        (&[&[running(1), Percent(5)], &[running(2), Percent(1)]], Some(Status::Running), 1),
        (&[&[running(1), Percent(5)], &[pending(1)]], Some(Status::Pending), 5),
        (&[&[running(1), Percent(5)], &[Percent(6), pending(1)]], Some(Status::Pending), 6),
        (&[&[running(1)], &[Percent(6), pending(1), running(2)]], Some(Status::Running), 0),
        (
            &[&[running(1)], &[Percent(6), running(2), Percent(7), pending(2)]],
            Some(Status::Pending),
            7,
        ),
        (&[&[running(1), Percent(50), End]], Some(Status::Completed), 50),
    ] {
        let mut rig = Rig::with(0).await;
        let job = rig.submit(0).await;
        for (n, says) in (1..).zip(segments) {
            rig.apply(segment(&job, n, says)).await.unwrap();
        }
        let row = rig.db.job(&job).await.unwrap().unwrap();
        assert_eq!((row.told_status, row.told_percent), (status, percent), "{}", segments.len());
    }
}

#[tokio::test]
async fn another_program_changes_nothing_of_what_was_told() {
    let mut rig = Rig::with(0).await;
    let job = rig.submit(0).await;
    rig.apply(claim("fal")).await.unwrap().job().unwrap();
    rig.apply(segment(&job, 1, &[running(1), Percent(5)])).await.unwrap();
    for sql in ["update job set progress = 40", "update job set status = 'failed'"] {
        rig.outside(sql).await.unwrap();
    }
    let row = rig.db.job(&job).await.unwrap().unwrap();
    assert_eq!((row.status, row.progress.percent), (Status::Failed, 40));
    assert_eq!((row.told_status, row.told_percent), (Some(Status::Running), 5));
}

#[tokio::test]
async fn of_jobs_from_before_it_is_told_what_was_restored_of_them() {
    let home = Home::new().await;
    let mut outside = home.create().await;
    match &mut outside {
        Outside::Sqlite(connection) => {
            migrations::SQLITE.run_direct(Some(9), connection, false).await.unwrap();
        }
        Outside::Postgres(connection) => {
            migrations::POSTGRES.run_direct(Some(1), connection, false).await.unwrap();
        }
    }
    let columns = "id, kind, status, attempt, told_attempt, progress, last_event_id, end_event_id";
    for row in [
        "'1', 'video', 'pending', 0, 0, 0, 0, null",
        "'2', 'video', 'running', 2, 1, 0, 9, null",
        "'3', 'video', 'running', 1, 1, 30, 9, null",
        "'4', 'video', 'completed', 1, 1, 40, 9, null",
        "'5', 'video', 'failed', 1, 1, 50, 9, 9",
    ] {
        let insert = format!("insert into job ({columns}) values ({row})");
        sql::query(insert).execute(&mut outside.conn()).await.unwrap();
    }
    let (_, writer, _) = home.open().await;
    let told: Vec<(Option<String>, i64)> =
        sql::query_as("select told_status, told_percent from job order by id")
            .fetch_all(&mut outside.conn())
            .await
            .unwrap();
    let told: Vec<_> = told.iter().map(|(status, percent)| (status.as_deref(), *percent)).collect();
    let expected = [
        (None, 0),
        (Some("pending"), 0),
        (Some("running"), 30),
        (Some("running"), 40),
        (Some("failed"), 50),
    ];
    assert_eq!(told, expected);
    writer.close().await;
}
