//! The property of readers, over random programs: whatever is appended, committed, dropped from
//! memory, given up or lost in a crash meanwhile, a reader gets its job's log from its cursor on,
//! each event once and in order, or is told of a gap, with a snapshot that closes it.
//!
//! A program is a list of [`Step`]s, so that a failure shrinks to one that can be read. Each is run
//! over a database of its own; nothing depends on the clock.

use proptest::prelude::*;

use super::readers::{Merger, Reader};
use super::world::World;
use crate::event::{Cursor, EventId};

/// Which cursor a reader comes with.
#[derive(Clone, Debug)]
enum From {
    Beginning,
    /// An event of this job, by its place.
    Event(usize, usize),
    Head,
    /// So many ids above the head.
    Ahead(u64),
    /// An id that was never given out, so far from the end of its epoch.
    Lost(u32, u64),
    /// An epoch that never was.
    Unknown,
    NoNumber,
}

/// Jobs and readers are named by numbers of any size: what there is, is counted round.
#[derive(Clone, Debug)]
enum Step {
    Submit,
    Append {
        job: usize,
        sizes: Vec<usize>,
    },
    End {
        job: usize,
    },
    Commit,
    /// Events leave memory.
    Forget {
        job: usize,
        bytes: usize,
    },
    /// Logs leave memory.
    Sweep,
    /// Events leave the database.
    Retain,
    /// A job ends, and its events leave memory and database.
    Expire {
        job: usize,
    },
    Stop,
    Crash,
    Join {
        job: usize,
        from: From,
        follows: bool,
    },
    /// Several jobs, or all of the project.
    Merge {
        jobs: Option<Vec<usize>>,
        from: From,
    },
    Take {
        reader: usize,
        looks: usize,
    },
    TakeMerged {
        merger: usize,
        looks: usize,
    },
    Sleep {
        reader: usize,
    },
    ComeBack {
        reader: usize,
        follows: bool,
    },
    Leave {
        reader: usize,
    },
}

struct Run {
    world: World,
    readers: Vec<Reader>,
    mergers: Vec<Merger>,
}

impl Run {
    async fn step(&mut self, step: &Step) {
        let jobs = self.world.model.jobs.len();
        match step {
            Step::Submit => self.world.submit().await,
            Step::Append { job, sizes } => self.world.append(job % jobs, sizes).await,
            Step::End { job } => self.world.end(job % jobs).await,
            Step::Commit => self.world.commit().await,
            Step::Forget { job, bytes } => self.world.forget(job % jobs, *bytes).await,
            Step::Sweep => self.world.store().sweep().await,
            Step::Retain => {
                self.retain().await;
            }
            Step::Expire { job } => {
                self.world.end(job % jobs).await;
                self.world.commit().await;
                self.world.forget(job % jobs, usize::MAX).await;
                self.retain().await;
            }
            Step::Stop | Step::Crash => {
                self.readers.iter_mut().for_each(Reader::leave);
                self.mergers.clear();
                self.world.restart(matches!(step, Step::Crash)).await;
            }
            Step::Join { job, from, follows } => {
                let reader = Reader::join(&self.world, job % jobs, self.cursor(from), *follows);
                self.readers.push(reader.await);
            }
            Step::Merge { jobs: some, from } => {
                let some = some.as_ref().map(|some| {
                    let mut some: Vec<_> = some.iter().map(|job| job % jobs).collect();
                    some.sort_unstable();
                    some.dedup();
                    some
                });
                let from = match self.cursor(from) {
                    Cursor::At(id) if self.world.model.resume(0, Cursor::At(id)).is_ok() => id,
                    Cursor::At(_) | Cursor::Foreign => self.world.store().head(),
                };
                self.mergers.push(Merger::join(&self.world, some, from).await);
            }
            Step::Take { reader, looks } => {
                if let Some(reader) = round(&mut self.readers, *reader) {
                    for _ in 0..*looks {
                        reader.take(&self.world).await;
                    }
                }
            }
            Step::TakeMerged { merger, looks } => {
                if let Some(merger) = round(&mut self.mergers, *merger) {
                    for _ in 0..*looks {
                        merger.take(&self.world).await;
                    }
                }
            }
            Step::Sleep { reader } => {
                if let Some(reader) = round(&mut self.readers, *reader) {
                    reader.sleep(&self.world).await;
                }
            }
            Step::ComeBack { reader, follows } => {
                if let Some(reader) = round(&mut self.readers, *reader) {
                    reader.come_back(&self.world, *follows).await;
                }
            }
            Step::Leave { reader } => {
                if let Some(reader) = round(&mut self.readers, *reader) {
                    reader.leave();
                }
            }
        }
    }

    fn cursor(&self, from: &From) -> Cursor {
        let model = &self.world.model;
        let at = |id: u64| EventId::from_u64(id).map_or(Cursor::Foreign, Cursor::At);
        match from {
            From::Beginning => at(0),
            From::Event(job, event) => {
                let events = &model.jobs[job % model.jobs.len()].events;
                let id = events.get(event % events.len().max(1)).map(|(id, _)| *id);
                Cursor::At(id.unwrap_or_default())
            }
            From::Head => Cursor::At(model.head),
            From::Ahead(more) => at(model.head.get() + more),
            From::Lost(epoch, more) => {
                let epoch = 1 + epoch % model.epoch;
                let last = model.past.get(&epoch).copied().unwrap_or(model.head);
                at(last.get() + more)
            }
            From::Unknown => at(u64::from(model.epoch + 5) << 32),
            From::NoNumber => Cursor::Foreign,
        }
    }

    async fn retain(&mut self) {
        for reader in &mut self.readers {
            reader.rouse(&self.world).await;
        }
        // A merged reader whose events are given up is told when it comes back: see the claim of its own.
        self.drain_merged().await;
        self.world.retain().await;
    }

    async fn drain_merged(&mut self) {
        for merger in &mut self.mergers {
            while merger.take(&self.world).await {}
        }
    }

    /// Whatever happened, everybody gets the rest, and then again whoever comes back.
    async fn finish(mut self) {
        for reader in &mut self.readers {
            while reader.take(&self.world).await {}
            reader.come_back(&self.world, true).await;
            while reader.take(&self.world).await {}
        }
        self.drain_merged().await;
        self.readers.clear();
        self.mergers.clear();
        self.world.close().await;
    }
}

fn round<T>(all: &mut [T], number: usize) -> Option<&mut T> {
    let number = number.checked_rem(all.len())?;
    all.get_mut(number)
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        3 => Just(From::Beginning),
        4 => (0_usize..4, 0_usize..20).prop_map(|(job, event)| From::Event(job, event)),
        2 => Just(From::Head),
        1 => (1_u64..4).prop_map(From::Ahead),
        1 => (0_u32..4, 0_u64..4).prop_map(|(epoch, more)| From::Lost(epoch, more)),
        1 => Just(From::Unknown),
        1 => Just(From::NoNumber),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Small ones, one of several segments' size, and one that is larger than a page.
    let size = prop_oneof![8 => 1_usize..60, 1 => Just(9_000), 1 => Just(70_000)];
    let (job, reader, looks) = (0_usize..4, 0_usize..5, 1_usize..4);
    let some = prop::option::of(prop::collection::vec(0_usize..4, 1..4));
    prop_oneof![
        2 => Just(Step::Submit),
        8 => (job.clone(), prop::collection::vec(size, 1..5))
            .prop_map(|(job, sizes)| Step::Append { job, sizes }),
        1 => job.clone().prop_map(|job| Step::End { job }),
        3 => Just(Step::Commit),
        3 => (job.clone(), prop_oneof![Just(1_usize), Just(1_000), Just(usize::MAX)])
            .prop_map(|(job, bytes)| Step::Forget { job, bytes }),
        2 => Just(Step::Sweep),
        1 => Just(Step::Retain),
        2 => job.clone().prop_map(|job| Step::Expire { job }),
        1 => Just(Step::Stop),
        1 => Just(Step::Crash),
        4 => (job, from(), any::<bool>())
            .prop_map(|(job, from, follows)| Step::Join { job, from, follows }),
        2 => (some, from()).prop_map(|(jobs, from)| Step::Merge { jobs, from }),
        6 => (reader.clone(), looks.clone())
            .prop_map(|(reader, looks)| Step::Take { reader, looks }),
        3 => (reader.clone(), looks)
            .prop_map(|(merger, looks)| Step::TakeMerged { merger, looks }),
        2 => reader.clone().prop_map(|reader| Step::Sleep { reader }),
        2 => (reader.clone(), any::<bool>())
            .prop_map(|(reader, follows)| Step::ComeBack { reader, follows }),
        1 => reader.prop_map(|reader| Step::Leave { reader }),
    ]
}

proptest! {
    #[test]
    fn a_reader_gets_the_log_from_its_cursor_on_or_is_told_of_a_gap(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run =
                Run { world: World::new().await, readers: Vec::new(), mergers: Vec::new() };
            run.world.submit().await;
            for step in &steps {
                run.step(step).await;
            }
            run.finish().await;
        });
    }
}
