//! Readers of one job and of several, each with what it has to get.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::PATIENCE;
use super::model::Told;
use super::world::World;
use crate::event::parse::{Item, Parser};
use crate::event::payload::Content;
use crate::event::{Cursor, EventId};
use crate::store::follow::GapReason;
use crate::store::{Follower, Look, Merge, Next, Page, Snapshot};

/// How much a reader that has no follower takes at a time, in bytes.
const MOST: usize = 256;

/// Who reads.
enum Way {
    /// A follower.
    Follower(Follower),
    /// One that waits in a task of its own for what is new.
    Asleep(JoinHandle<(Follower, Next)>),
    /// A position, as the engine's readers have it: memory by `collect`, the rest by a follower.
    Position,
    /// Nobody at the moment; whoever comes back has the cursor.
    Away,
}

/// A reader of one job.
pub(super) struct Reader {
    job: usize,
    cursor: EventId,
    way: Way,
}

impl Reader {
    /// Comes with a cursor; a gap is told exactly when there is one.
    pub(super) async fn join(world: &World, job: usize, cursor: Cursor, follows: bool) -> Self {
        let mut reader = Self { job, cursor: EventId::ZERO, way: Way::Away };
        reader.resume(world, cursor, follows).await;
        reader
    }

    async fn resume(&mut self, world: &World, cursor: Cursor, follows: bool) {
        let log = world.log(self.job).await;
        let resumed = world.store().resume(log.trimmed_through(), cursor);
        assert_eq!(resumed, world.model.resume(self.job, cursor), "{cursor:?}");
        self.cursor = match resumed {
            Ok(cursor) => cursor,
            Err(_) => {
                let snapshot = world.store().snapshot(&log).await.unwrap();
                self.check_snapshot(world, &snapshot);
                snapshot.id
            }
        };
        let follow = || world.store().follow(&log, self.cursor);
        self.way = if follows { Way::Follower(follow()) } else { Way::Position };
    }

    /// A snapshot is the job as it stands: nothing that it has folded in comes again, and all that
    /// it has not does.
    fn check_snapshot(&self, world: &World, snapshot: &Snapshot) {
        let job = &world.model.jobs[self.job];
        let open = job.after(snapshot.id);
        assert!(open.iter().all(|(_, text)| text.is_none()), "{open:?}");
        assert_eq!(open.len(), usize::from(job.has_ended()));
        if job.trimmed == EventId::ZERO {
            let text = job.text(snapshot.id);
            assert!(text.ends_with(&snapshot.text) && snapshot.text_offset == 0, "{snapshot:?}");
            assert_eq!(text.len(), snapshot.text.len());
        }
    }

    pub(super) fn leave(&mut self) {
        if let Way::Asleep(task) = &self.way {
            task.abort();
        }
        self.way = Way::Away;
    }

    /// Leaves, and comes back with the id that it has.
    pub(super) async fn come_back(&mut self, world: &World, follows: bool) {
        self.leave();
        self.resume(world, Cursor::At(self.cursor), follows).await;
    }

    /// Takes what a sleeper was woken with: it has that, whatever is given up later.
    pub(super) async fn rouse(&mut self, world: &World) {
        if matches!(self.way, Way::Asleep(_)) {
            self.take(world).await;
        }
    }

    /// Takes what one look gives. False when there is nothing more for now.
    pub(super) async fn take(&mut self, world: &World) -> bool {
        let log = world.log(self.job).await;
        let job = &world.model.jobs[self.job];
        let is_waiting = job.after(self.cursor).is_empty() && !job.has_ended();
        match &mut self.way {
            Way::Away => false,
            Way::Asleep(_) => {
                if !is_waiting {
                    self.wake(world).await;
                }
                !is_waiting
            }
            Way::Follower(follower) if is_waiting => {
                let next = poll!(pin!(follower.next()));
                assert!(matches!(next, Poll::Pending), "{next:?}");
                false
            }
            Way::Follower(follower) => {
                let next = timeout(PATIENCE, follower.next()).await.expect("it has something");
                self.got(world, next.unwrap())
            }
            Way::Position => {
                let mut events = Vec::new();
                match log.collect(self.cursor, MOST, &mut events) {
                    Look::Found(()) => {
                        let frames =
                            events.iter().map(|event| event.frame.bytes()).collect::<Vec<_>>();
                        self.got_frames(world, &frames.concat());
                        true
                    }
                    Look::Stored { .. } => {
                        let mut follower = world.store().follow(&log, self.cursor);
                        let next = timeout(PATIENCE, follower.next()).await.expect("it is stored");
                        self.got(world, next.unwrap())
                    }
                    Look::Nothing { ended } => {
                        assert!(job.after(self.cursor).is_empty(), "{:?} is missing", job.last());
                        assert_eq!(ended, job.has_ended());
                        false
                    }
                }
            }
        }
    }

    /// Waits for news in a task of its own, when there is nothing now.
    pub(super) async fn sleep(&mut self, world: &World) {
        while self.take(world).await {}
        let has_ended = world.model.jobs[self.job].has_ended();
        if has_ended || !matches!(self.way, Way::Follower(_)) {
            return;
        }
        let Way::Follower(mut follower) = std::mem::replace(&mut self.way, Way::Away) else {
            unreachable!("it was looked at");
        };
        self.way = Way::Asleep(tokio::spawn(async move {
            let next = follower.next().await;
            (follower, next.unwrap())
        }));
        // It gets as far as it can.
        tokio::task::yield_now().await;
    }

    /// Takes what a sleeper was woken with.
    async fn wake(&mut self, world: &World) {
        let Way::Asleep(task) = std::mem::replace(&mut self.way, Way::Away) else { return };
        let (follower, next) = timeout(PATIENCE, task).await.expect("it was woken").unwrap();
        self.way = Way::Follower(follower);
        self.got(world, next);
    }

    fn got(&mut self, world: &World, next: Next) -> bool {
        let job = &world.model.jobs[self.job];
        match next {
            Next::Page(Page { bytes, count, last }) => {
                let before = job.after(self.cursor).len();
                self.got_frames(world, &bytes);
                assert_eq!((last, before - job.after(last).len()), (self.cursor, count as usize));
                true
            }
            Next::Gap(gap, snapshot) => {
                assert_eq!((gap.from, gap.reason), (Some(self.cursor), GapReason::Trimmed));
                assert!(self.cursor < job.trimmed, "{gap:?}");
                self.check_snapshot(world, &snapshot);
                assert_eq!(gap.to, snapshot.id, "what it has not folded in is still to come");
                self.cursor = gap.to;
                true
            }
            Next::Aside(_) => panic!("alone there is nothing to show aside"),
            Next::Ended => {
                assert!(job.has_ended() && self.cursor >= job.last(), "{:?}", job.last());
                false
            }
        }
    }

    /// Frames are the next ones in the log, none left out.
    fn got_frames(&mut self, world: &World, frames: &[u8]) {
        let told = read(frames);
        let expected = world.model.jobs[self.job].after(self.cursor);
        assert!(!told.is_empty() && expected.starts_with(&told), "{told:?} for {expected:?}");
        self.cursor = told.last().expect("it is not empty").0;
    }
}

/// A reader of several jobs.
pub(super) struct Merger {
    /// Which; nothing for all of the project.
    jobs: Option<Vec<usize>>,
    cursor: EventId,
    merge: Merge,
}

impl Merger {
    /// Comes with a cursor, or where events after it are gone, with the head.
    pub(super) async fn join(world: &World, jobs: Option<Vec<usize>>, cursor: EventId) -> Self {
        let trimmed = world.model.jobs.iter().map(|job| job.trimmed).max().unwrap_or_default();
        let cursor = if cursor < trimmed { world.store().head() } else { cursor };
        let mut logs = Vec::new();
        for job in jobs.iter().flatten() {
            logs.push(world.log(*job).await);
        }
        let merge = match &jobs {
            Some(_) => world.store().merge_jobs(&logs, cursor),
            None => world.store().merge_project("p", cursor, true).await.unwrap(),
        };
        Self { jobs, cursor, merge }
    }

    /// Takes what one look gives. False when there is nothing more for now.
    pub(super) async fn take(&mut self, world: &World) -> bool {
        let all = || (0..world.model.jobs.len()).collect();
        let jobs = self.jobs.clone().unwrap_or_else(all);
        let expected = world.model.merged(&jobs, self.cursor);
        let has_ended =
            self.jobs.is_some() && jobs.iter().all(|job| world.model.jobs[*job].has_ended());
        if expected.is_empty() && !has_ended {
            // It may ask the database meanwhile, so a moment has to pass.
            let next = timeout(Duration::from_millis(1), self.merge.next()).await;
            assert!(next.is_err(), "{next:?}");
            return false;
        }
        let next = timeout(PATIENCE, self.merge.next()).await.expect("it has something").unwrap();
        let Some(events) = next else {
            assert!(has_ended && expected.is_empty(), "{expected:?} is missing");
            return false;
        };
        let index = |job| world.model.jobs.iter().position(|one| one.id == job);
        let told: Vec<_> = events
            .into_iter()
            .map(|merged| {
                let [told] = &read(merged.event.frame.bytes())[..] else { panic!("one event") };
                (index(merged.job).expect("a job of ours"), told.clone())
            })
            .collect();
        assert!(!told.is_empty() && expected.starts_with(&told), "{told:?} for {expected:?}");
        self.cursor = told.last().expect("it is not empty").1.0;
        true
    }
}

/// What frames say.
fn read(frames: &[u8]) -> Vec<Told> {
    let mut parser = Parser::new(frames.len());
    parser.push(frames);
    let mut told = Vec::new();
    while let Some(item) = parser.poll() {
        let Ok(Item::Message(message)) = item else { panic!("{item:?}") };
        let id = EventId::from_u64(message.last_event_id.parse().unwrap()).unwrap();
        let text = (message.event == "content")
            .then(|| serde_json::from_str::<Content>(&message.data).unwrap().text);
        told.push((id, text));
    }
    told
}
