//! Claims about the store with its journal over a real database.

mod model;
mod programs;
mod readers;
mod world;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::db::ends::Finish;
use crate::db::home::Home;
use crate::db::jobs::Submit;
use crate::db::segments::Trim;
use crate::db::{Change, Conn, Writer, sql};
use crate::event::payload::{Content, End};
use crate::event::{Cursor, Draft, EventType, now_ms};
use crate::job::Fact;

/// How long a test waits for what must come: it says "never", not "late".
const PATIENCE: Duration = Duration::from_secs(60);

/// A store over a database of its own; its journal writes nothing until it is told to.
struct Rig {
    store: Store,
    home: Home,
    journal: Option<(Writer, journal::Feed)>,
    stop: CancellationToken,
}

impl Rig {
    async fn new() -> Self {
        Self::on(Home::new().await).await
    }

    async fn on(home: Home) -> Self {
        let (db, mut writer, _) = home.open().await;
        let epochs = writer.begin_epoch(now_ms()).await.unwrap();
        let (journal, feed) = Journal::new(epochs.last_committed());
        let store = Store::new(db, epochs, Options::default(), journal);
        Self { store, home, journal: Some((writer, feed)), stop: CancellationToken::new() }
    }

    /// Puts a job into the database, and its log into memory.
    async fn submit(&mut self) -> Arc<Log> {
        let job = Job::sample();
        let row = Submit::sample(job.clone());
        let (writer, _) = self.journal.as_mut().expect("the journal does not run yet");
        let mut tx = writer.begin().await.unwrap();
        row.apply(&mut tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        self.store.create(&job)
    }

    /// What another program does to the database.
    async fn execute(&mut self, statements: &[&'static str]) {
        let (writer, _) = self.journal.as_mut().expect("the journal does not run yet");
        let mut tx = writer.begin().await.unwrap();
        for statement in statements {
            sql::query(*statement).execute(&mut tx.conn()).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    fn start(&mut self) -> JoinHandle<()> {
        let (writer, feed) = self.journal.take().expect("the journal does not run yet");
        tokio::spawn(self.store.clone().run_journal(writer, feed, self.stop.clone()))
    }

    /// Writes everything, and comes back as the next process.
    async fn restart(mut self) -> Self {
        let journal = self.start();
        self.stop.cancel();
        journal.await.unwrap();
        self.store.db().close().await;
        Self::on(self.home).await
    }
}

fn content(text: &str) -> Proposal {
    let payload = Content { index: 0, offset: 0, text: text.into(), attempt: 0 };
    Proposal {
        attempt: 0,
        source: Source::Producer,
        fact: Fact::Content(text.into()),
        draft: Draft::new(EventType::Content, &payload, 7),
        producer: None,
    }
}

/// Looks at how far a job's row has come, as a change that waits for a barrier.
struct LastCommitted(JobId);

impl Change for LastCommitted {
    type Outcome = i64;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<i64, sqlx::Error> {
        let query = sql::query_scalar("select last_event_id from job where id = ?");
        query.bind(self.0.as_str()).fetch_one(tx).await
    }
}

#[tokio::test]
async fn a_change_comes_after_its_barrier_however_large_the_events() {
    let mut rig = Rig::new().await;
    let log = rig.submit().await;
    let text = "x".repeat(200_000);
    for _ in 0..60 {
        rig.store.append_now(&log, [content(&text)]).unwrap();
    }
    let (journal, barrier) = (rig.store.journal().clone(), log.last());
    let change = LastCommitted(log.job.clone());
    let asked = tokio::spawn(async move { journal.change_after(barrier, change).await });
    // The change is in the journal's hands before it starts.
    tokio::task::yield_now().await;
    rig.start();
    assert_eq!(asked.await.unwrap().unwrap(), barrier.to_i64());
}

#[tokio::test]
async fn whoever_asks_learns_how_many_were_before_the_refused_one() {
    let mut rig = Rig::new().await;
    let log = rig.submit().await;
    let counted = |seq| {
        let producer = Some(ProducerSeq { producer: String::new(), seq });
        Proposal { producer, ..content("x") }
    };
    let (appended, refused) = rig.store.append_here(&log, [1, 2, 2, 3, 5, 4].map(counted));
    assert_eq!((appended.admitted, appended.ignored), (3, 1));
    assert_eq!(appended.last, log.last());
    assert_eq!(refused, Some(Refusal::SequenceGap { expected: 4, got: 5 }));
}

/// A change that the database refuses after half of it.
struct Broken;

impl Change for Broken {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        sql::query("update job set last_event_id = 1").execute(&mut *tx).await?;
        sql::query("insert into epoch select * from epoch").execute(tx).await.map(drop)
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_alone() {
    let mut rig = Rig::new().await;
    let deleted = rig.submit().await;
    rig.execute(&["delete from job"]).await;
    let kept = rig.submit().await;
    for log in [&kept, &deleted, &kept] {
        rig.store.append_now(log, [content("x")]).unwrap();
    }
    let (journal, barrier) = (rig.store.journal().clone(), kept.last());
    let (looks, breaks) = (journal.clone(), journal.clone());
    let change = LastCommitted(kept.job.clone());
    let broken = tokio::spawn(async move { breaks.change_after(barrier, Broken).await });
    let good = tokio::spawn(async move { looks.change_after(barrier, change).await });
    // Both changes are in the journal's hands before it starts.
    tokio::task::yield_now().await;
    rig.start();
    assert!(matches!(broken.await.unwrap(), Err(JournalError::Refused(_))));
    assert_eq!(good.await.unwrap().unwrap(), barrier.to_i64());
    journal.wait_durable(barrier).await.unwrap();
    let segments = rig.store.db().segments(&kept.job, EventId::ZERO).await.unwrap();
    let (_, count, last) = segments[0].frames_within(EventId::ZERO, EventId::MAX).unwrap();
    assert_eq!((segments.len(), count, last), (1, 2, barrier));
}

#[tokio::test]
async fn what_was_counted_at_the_bound_is_counted_off_to_the_byte() {
    let mut rig = Rig::new().await;
    let log = rig.submit().await;
    for _ in 0..2500 {
        rig.store.append_now(&log, [content("x")]).unwrap();
    }
    let bytes: usize = lock(&rig.store.shared.tail)
        .unwritten
        .iter()
        .map(|one| one.event.frame.bytes().len())
        .sum();
    let counted = || rig.store.shared.unwritten_bytes.load(Ordering::Relaxed);
    assert_eq!(counted(), bytes);
    let (writer, feed) = rig.journal.take().unwrap();
    tokio::spawn(rig.store.clone().run_journal(writer, feed, rig.stop.clone()));
    rig.store.journal().wait_durable(log.last()).await.unwrap();
    assert_eq!(counted(), 0);
}

#[tokio::test]
async fn nothing_is_written_that_is_behind_what_is_held() {
    let mut rig = Rig::new().await;
    let log = rig.submit().await;
    let append = |_| rig.store.append_now(&log, [content("x")]).unwrap().last;
    let [first, second, third] = [0; 3].map(append);
    rig.store.hold_from(Some(second));
    for (count, last) in [(1, first), (0, first)] {
        let (events, through) = rig.store.take_unwritten();
        assert_eq!((events.len(), through), (count, last));
    }
    rig.store.hold_from(None);
    let (events, through) = rig.store.take_unwritten();
    assert_eq!((events.len(), through), (2, third));
}

#[tokio::test]
async fn what_readers_are_given_at_once_from_the_database_is_bounded() {
    let mut rig = Rig::new().await;
    let log = rig.submit().await;
    for _ in 0..900 {
        rig.store.append_now(&log, [content(&"x".repeat(3000))]).unwrap();
    }
    rig.start();
    rig.store.journal().wait_durable(log.last()).await.unwrap();
    log.lock().trim(log.last(), usize::MAX);
    let mut follower = rig.store.follow(&log, EventId::ZERO);
    let mut count = 0;
    while count < 900 {
        let Next::Page(page) = follower.next().await.unwrap() else { panic!("events are missing") };
        assert!(page.bytes.len() < 512 << 10, "{}", page.bytes.len());
        count += page.count;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projects_reader_misses_no_job_that_is_new() {
    const JOBS: usize = 3000;
    let rig = Rig::new().await;
    let mut merge = rig.store.merge_project("p", rig.store.head(), true).await.unwrap();
    let store = rig.store.clone();
    let submits = std::thread::spawn(move || {
        for _ in 0..JOBS {
            let log = store.create(&Job::sample());
            store.append_now(&log, [content("x")]).unwrap();
        }
    });
    let mut seen = 0;
    while seen < JOBS {
        let next = tokio::time::timeout(PATIENCE, merge.next()).await;
        let events = next.unwrap_or_else(|_| panic!("only {seen} of {JOBS} jobs came"));
        seen += events.unwrap().unwrap().len();
    }
    submits.join().unwrap();
}

#[tokio::test]
async fn a_projects_reader_comes_back_to_all_jobs_that_moved_on() {
    let mut rig = Rig::new().await;
    for _ in 0..600 {
        let log = rig.submit().await;
        rig.store.append_now(&log, [content("x")]).unwrap();
    }
    let cursor = EventId::new(1, 0).unwrap();
    let rig = rig.restart().await;
    let mut merge = rig.store.merge_project("p", cursor, true).await.unwrap();
    assert_eq!(merge.next().await.unwrap().unwrap().len(), 600);
}

#[tokio::test]
async fn a_projects_reader_that_is_far_behind_looks_only_at_the_jobs_that_are_next() {
    let (jobs, each) = (20, 300);
    let mut rig = Rig::new().await;
    for _ in 0..jobs {
        let log = rig.submit().await;
        rig.store.append_now(&log, (0..each).map(|_| content("x"))).unwrap();
    }
    let rig = rig.restart().await;
    let cursor = EventId::new(1, 0).unwrap();
    let mut merge = rig.store.merge_project("p", cursor, true).await.unwrap();
    let mut ids = Vec::new();
    while ids.len() < jobs * each {
        ids.extend(merge.next().await.unwrap().unwrap().into_iter().map(|merged| merged.event.id));
    }
    assert!(ids.is_sorted() && ids.len() == jobs * each);
    // Two pages a job, and at most one look ahead with each; all of them each time would be ten times
    // as many.
    assert!(merge.looks <= 4 * jobs, "{}", merge.looks);
}

#[tokio::test]
async fn a_projects_reader_sees_a_job_that_left_memory_meanwhile() {
    let mut rig = Rig::new().await;
    let log = rig.submit().await;
    let mut merge = rig.store.merge_project("p", rig.store.head(), true).await.unwrap();
    rig.store.append_now(&log, [content("x")]).unwrap();
    rig.start();
    rig.store.journal().wait_durable(log.last()).await.unwrap();
    let job = log.job.clone();
    drop(log);
    while rig.store.find(&job).is_some() {
        // The journal lets go of the log a moment after its event is durable.
        tokio::task::yield_now().await;
        rig.store.evict(&job);
    }
    assert_eq!(merge.next().await.unwrap().unwrap()[0].job, job);
}

#[tokio::test]
async fn files_that_another_program_left_are_told_before_its_end() {
    let mut rig = Rig::new().await;
    let job = rig.submit().await.job.clone();
    let mut rig = rig.restart().await;
    rig.execute(&[
        "insert into artifact (id, job_id, kind, url) select 'file_1', id, 'voice', 'https://x' from job",
        "update job set status = 'completed'",
    ])
    .await;
    rig.start();
    let log = rig.store.open(&job).await.unwrap().unwrap();
    let events = rig.store.read(&log, EventId::ZERO, EventId::MAX, 10).await.unwrap();
    let names: Vec<_> = events.iter().map(|event| event.frame.name()).collect();
    assert_eq!(names, ["artifact_ready", "tts_completed", "completed"]);
    rig.store.journal().wait_durable(log.last()).await.unwrap();
    let row = rig.store.db().job(&job).await.unwrap().unwrap();
    assert!(row.ended_at.is_some(), "retention counts from it");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_blinds_nobody_to_the_others() {
    let mut rig = Rig::new().await;
    let damaged = rig.submit().await.job.clone();
    rig.execute(&["update job set kind = 'poem'"]).await;
    let sound = rig.submit().await.job.clone();
    let watched = rig.store.db().watched(&[damaged, sound.clone()]).await.unwrap();
    assert_eq!(watched.iter().map(|row| &row.job.id).collect::<Vec<_>>(), [&sound]);
}

#[tokio::test]
async fn while_the_server_is_down_no_producer_is_silent() {
    let mut rig = Rig::new().await;
    let job = rig.submit().await.job.clone();
    let db = rig.store.db();
    let silent = db.silent_jobs(100_000, 99_000, 1_000, 10).await.unwrap();
    assert!(silent.is_empty(), "the server has listened for one second");
    let silent = db.silent_jobs(101_001, 99_000, 1_000, 10).await.unwrap();
    assert_eq!(silent.iter().map(|row| &row.id).collect::<Vec<_>>(), [&job]);
}

/// Readers of a job from its beginning, of it alone and of several, whose events are given up but for
/// its end before they have read any.
async fn overtaken(rig: &mut Rig) -> (Arc<Log>, Follower, Merge) {
    let log = rig.submit().await;
    rig.store.append_now(&log, [content("x")]).unwrap();
    rig.start();
    let (job, end) = (log.job.clone(), End::failed("timeout", "too long", true));
    let finish = Finish { job, attempt: None, end: end.clone(), cost: None, now: 2 };
    rig.store.journal().change_after(log.last(), finish).await.unwrap();
    rig.store.announce_end(&log, &end, None).await;
    rig.store.journal().wait_durable(log.last()).await.unwrap();
    log.lock().trim(log.last(), usize::MAX);
    let follower = rig.store.follow(&log, EventId::ZERO);
    let merge = rig.store.merge_jobs(&[Arc::clone(&log)], EventId::ZERO);
    let through = EventId::from_u64(log.last().get() - 1).unwrap();
    log.set_trimmed_through(through);
    let trim = Trim { jobs: vec![(log.job.clone(), through)] };
    rig.store.journal().change(trim).await.unwrap();
    (log, follower, merge)
}

#[tokio::test]
async fn whoever_reads_while_events_are_given_up_still_gets_the_end() {
    let mut rig = Rig::new().await;
    let (log, mut follower, _) = overtaken(&mut rig).await;
    let Next::Gap(gap, _) = follower.next().await.unwrap() else { panic!("events are gone") };
    assert_eq!(gap.to, log.trimmed_through());
    let Next::Page(page) = follower.next().await.unwrap() else { panic!("the end is missing") };
    assert_eq!((page.count, page.last), (1, log.last()));
    assert!(matches!(follower.next().await.unwrap(), Next::Ended));
}

#[tokio::test]
async fn a_reader_of_several_jobs_passes_over_nothing_that_is_given_up() {
    let mut rig = Rig::new().await;
    let (log, _, mut merge) = overtaken(&mut rig).await;
    // It ends, and is told of the gap when it comes back.
    assert!(merge.next().await.unwrap().is_none());
    let cursor = Cursor::At(EventId::ZERO);
    assert_eq!(rig.store.resume(log.trimmed_through(), cursor), Err(follow::GapReason::Trimmed));
}
