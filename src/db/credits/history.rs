//! Random histories with crashes: whatever happens in whatever order, the account adds up after
//! every step, no job is captured twice and none is held after its end.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::claims::{Claim, HandBack, TakeOver, Taken};
use super::super::ends::{Finish, Finished};
use super::super::jobs::Submitted;
use super::super::rig::{ACCOUNT, Rig, claim, submit};
use super::*;
use crate::event::payload::{Canceled, End};
use crate::job::Status;

/// What the account begins with: enough for some of the jobs.
const DEMO: i64 = 300;

/// Something that happens; jobs are named by their place, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Grant {
        amount: i64,
        key: Option<u8>,
    },
    Submit {
        hold: i64,
        key: Option<u8>,
        task: Option<u8>,
    },
    Claim,
    Finish {
        job: usize,
        fence: Option<bool>,
        status: Status,
        cost: Option<i64>,
    },
    HandBack {
        job: usize,
    },
    TakeOver,
    /// A program that only knows the database writes any status over any other.
    Outside {
        job: usize,
        status: Status,
        cost: Option<i64>,
    },
    /// A person deletes a job by hand.
    Delete {
        job: usize,
    },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let hold = prop_oneof![Just(0), 1..120_i64];
    let cost = proptest::option::of(-10..150_i64);
    let key = proptest::option::of(0..4_u8);
    let ended = proptest::sample::select(vec![Status::Completed, Status::Failed, Status::Canceled]);
    let job = any::<usize>();
    let step = prop_oneof![
        2 => (1..200_i64, key.clone()).prop_map(|(amount, key)| Step::Grant { amount, key }),
        6 => (hold, key.clone(), key).prop_map(|(hold, key, task)| Step::Submit { hold, key, task }),
        5 => Just(Step::Claim),
        6 => (job, proptest::option::of(any::<bool>()), ended, cost.clone()).prop_map(
            |(job, fence, status, cost)| Step::Finish { job, fence, status, cost }),
        1 => job.prop_map(|job| Step::HandBack { job }),
        1 => Just(Step::TakeOver),
        3 => (job, proptest::sample::select(Status::ALL.to_vec()), cost).prop_map(
            |(job, status, cost)| Step::Outside { job, status, cost }),
        1 => job.prop_map(|job| Step::Delete { job }),
        1 => Just(Step::Restart),
    ];
    let crashes = proptest::bool::weighted(0.12);
    proptest::collection::vec((step, crashes), 1..50)
}

/// What must be true of a job.
#[derive(Debug)]
struct Expected {
    id: JobId,
    hold: i64,
    task: Option<u8>,
    /// Nothing once its row is deleted.
    status: Option<Status>,
    attempt: u32,
    cost: Option<i64>,
    /// How its hold was settled, and with what.
    settled: Option<(EntryKind, i64)>,
}

impl Expected {
    fn is_live(&self) -> bool {
        matches!(self.status, Some(Status::Pending | Status::Running))
    }

    /// What an end does to the hold, which is nothing the second time.
    fn settle(&mut self) {
        if self.hold == 0 || self.settled.is_some() || self.is_live() {
            return;
        }
        self.settled = Some(if self.status == Some(Status::Completed) {
            (EntryKind::Capture, self.cost.unwrap_or(self.hold).clamp(0, self.hold))
        } else {
            (EntryKind::Release, self.hold)
        });
    }
}

struct World {
    rig: Rig,
    epoch: u32,
    granted: i64,
    grants: HashMap<u8, i64>,
    submits: HashMap<u8, JobId>,
    jobs: Vec<Expected>,
    ledger: Vec<Entry>,
}

impl World {
    async fn new() -> Self {
        Self {
            rig: Rig::with(DEMO).await,
            epoch: 1,
            granted: DEMO,
            grants: HashMap::new(),
            submits: HashMap::new(),
            jobs: Vec::new(),
            ledger: Vec::new(),
        }
    }

    fn balance(&self) -> Balance {
        let captures = self.jobs.iter().filter_map(|job| job.settled);
        let captured =
            captures.filter(|(kind, _)| *kind == EntryKind::Capture).map(|(_, sum)| sum).sum();
        let held = self.jobs.iter().filter(|job| job.settled.is_none()).map(|job| job.hold).sum();
        let granted = self.granted;
        Balance { available: granted - captured - held, held, granted, captured }
    }

    fn place(&self, job: usize) -> Option<usize> {
        job.checked_rem(self.jobs.len())
    }

    fn find(&mut self, id: &JobId) -> &mut Expected {
        self.jobs.iter_mut().find(|job| job.id == *id).expect("a job that was submitted")
    }

    /// Makes a change, or dies in the middle of it: then nothing has happened.
    async fn apply<C: Change>(mut self, change: C, crashes: bool) -> (Self, Option<C::Outcome>) {
        if crashes {
            self.rig = self.rig.crash(change).await;
            return (self, None);
        }
        let outcome = self.rig.apply(change).await.unwrap();
        (self, Some(outcome))
    }

    async fn step(self, step: Step, crashes: bool) -> Self {
        match step {
            Step::Grant { amount, key } => self.grant(amount, key, crashes).await,
            Step::Submit { hold, key, task } => self.submit(hold, key, task, crashes).await,
            Step::Claim => self.claim(crashes).await,
            Step::Finish { job, fence, status, cost } => match self.place(job) {
                Some(place) => self.finish(place, fence, status, cost, crashes).await,
                None => self,
            },
            Step::HandBack { job } => match self.place(job) {
                Some(place) => self.hand_back(place, crashes).await,
                None => self,
            },
            Step::TakeOver => self.take_over(crashes).await,
            Step::Outside { job, status, cost } => match self.place(job) {
                Some(place) => self.outside(place, status, cost).await,
                None => self,
            },
            Step::Delete { job } => match self.place(job) {
                Some(place) => self.delete(place).await,
                None => self,
            },
            Step::Restart => Self { rig: self.rig.restart().await, ..self },
        }
    }

    async fn grant(self, amount: i64, key: Option<u8>, crashes: bool) -> Self {
        let idempotency_key = key.map(|key| key.to_string());
        let account = ACCOUNT.to_owned();
        let grant = Grant { account, amount, idempotency_key, note: None, now: 1 };
        let (mut world, granted) = self.apply(grant, crashes).await;
        let Some(granted) = granted else { return world };
        let before = key.and_then(|key| world.grants.get(&key).copied());
        match before {
            None => {
                assert!(matches!(granted, Granted::New(_)), "{granted:?}");
                world.granted += amount;
                world.grants.extend(key.map(|key| (key, amount)));
            }
            Some(before) if before == amount => {
                assert!(matches!(granted, Granted::Repeated(_)), "{granted:?}");
            }
            Some(_) => assert_eq!(granted, Granted::KeyReused),
        }
        world
    }

    async fn submit(self, hold: i64, key: Option<u8>, task: Option<u8>, crashes: bool) -> Self {
        let mut asked = submit(hold);
        asked.idempotency_key = key.map(|key| key.to_string());
        asked.duplicate_key = task.map(|task| task.to_string());
        let (mut world, submitted) = self.apply(asked, crashes).await;
        match submitted {
            None => {}
            Some(Submitted::New(job)) => {
                assert!(hold <= world.balance().available);
                world.submits.extend(key.map(|key| (key, job.id.clone())));
                world.jobs.push(Expected {
                    id: job.id,
                    hold,
                    task,
                    status: Some(Status::Pending),
                    attempt: 0,
                    cost: None,
                    settled: None,
                });
            }
            Some(Submitted::Repeated(job)) => {
                assert_eq!(world.submits.get(&key.unwrap()), Some(&job.id));
            }
            Some(Submitted::Duplicate(job)) => {
                let first = world.find(&job.id);
                assert!(first.is_live() && first.task == task, "{first:?}");
            }
            Some(Submitted::Short { available, needed }) => {
                assert_eq!((available, needed), (world.balance().available, hold));
                assert!(available < needed);
            }
            Some(other @ (Submitted::KeyReused | Submitted::UnknownRetry | Submitted::Full(_))) => {
                panic!("{other:?}")
            }
        }
        world
    }

    async fn claim(self, crashes: bool) -> Self {
        let claim = Claim { epoch: self.epoch.into(), ..claim("fal") };
        let (mut world, claimed) = self.apply(claim, crashes).await;
        if let Some(job) = claimed.and_then(Taken::job) {
            let expected = world.find(&job.id);
            assert_eq!(expected.status.replace(Status::Running), Some(Status::Pending));
            expected.attempt += 1;
            assert_eq!(job.attempt, expected.attempt);
        }
        world
    }

    async fn finish(
        self,
        place: usize,
        fence: Option<bool>,
        status: Status,
        cost: Option<i64>,
        crashes: bool,
    ) -> Self {
        let job = &self.jobs[place];
        let attempt = fence.map(|current| job.attempt + u32::from(!current));
        let end = match status {
            Status::Completed => End::Completed(serde_json::json!({})),
            Status::Canceled => End::Canceled(Canceled { reason: "no more".into() }),
            Status::Failed | Status::Pending | Status::Running => End::failed("x", "x", false),
        };
        let finish = Finish { job: job.id.clone(), attempt, end, cost, now: 3 };
        let (mut world, finished) = self.apply(finish, crashes).await;
        let job = &mut world.jobs[place];
        match finished {
            None => {}
            Some(Finished::Now) => {
                assert!(job.is_live() && fence != Some(false), "{job:?}");
                if status == Status::Completed {
                    job.cost = cost.or(job.cost);
                }
                job.status = Some(status);
                job.settle();
            }
            Some(Finished::Before(before)) => assert_eq!(Some(before.status), job.status),
            Some(Finished::Fenced { current }) => {
                assert!(job.is_live() && fence == Some(false), "{job:?}");
                assert_eq!(current, job.attempt);
            }
            Some(Finished::Unknown) => assert_eq!(job.status, None),
        }
        world
    }

    async fn hand_back(self, place: usize, crashes: bool) -> Self {
        let Expected { id, attempt, .. } = &self.jobs[place];
        let hand_back = HandBack { job: id.clone(), attempt: *attempt, now: 4 };
        let (mut world, done) = self.apply(hand_back, crashes).await;
        if let Some(done) = done {
            let job = &mut world.jobs[place];
            assert_eq!(done, job.status == Some(Status::Running));
            if done {
                job.status = Some(Status::Pending);
            }
        }
        world
    }

    async fn take_over(mut self, crashes: bool) -> Self {
        self.epoch += 1;
        let take_over = TakeOver { epoch: self.epoch, most_failures: 3, now: 5 };
        let (mut world, orphans) = self.apply(take_over, crashes).await;
        for orphan in orphans.unwrap_or_default() {
            let job = world.find(&orphan.id);
            assert_eq!(job.status.replace(orphan.status), Some(Status::Running));
        }
        world
    }

    async fn outside(mut self, place: usize, status: Status, cost: Option<i64>) -> Self {
        let job = &mut self.jobs[place];
        let shown = cost.map_or("null".into(), |cost| cost.to_string());
        let sql = format!(
            "update job set status = '{status}', cost = {shown} where id = '{}'",
            job.id.as_str()
        );
        match self.rig.outside(&sql).await {
            Ok(count) => assert_eq!(count == 1, job.status.is_some()),
            Err(error) => {
                // An identical task is in flight, so that this one cannot begin again.
                assert!(job.task.is_some() && !job.is_live() && !status.is_terminal(), "{error}");
                return self;
            }
        }
        if job.status.is_some() {
            (job.status, job.cost) = (Some(status), cost);
            job.settle();
        }
        self
    }

    async fn delete(mut self, place: usize) -> Self {
        let job = &mut self.jobs[place];
        let sql = format!("delete from job where id = '{}'", job.id.as_str());
        self.rig.outside(&sql).await.unwrap();
        job.status = None;
        job.settle();
        let gone = job.id.clone();
        self.submits.retain(|_, id| *id != gone);
        self
    }

    /// Everything that must hold, after every step.
    async fn check(&mut self) {
        let audit = self.rig.db.audit(ACCOUNT).await.unwrap().unwrap();
        assert_eq!(audit, Audit { kept: self.balance(), summed: self.balance() });
        let mut ledger = self.rig.db.ledger(ACCOUNT, None, 10_000).await.unwrap();
        ledger.reverse();
        assert_eq!(ledger[..self.ledger.len()], self.ledger, "entries are only added");
        assert_eq!(ledger.last().map(|entry| entry.available), Some(audit.kept.available));
        for job in &self.jobs {
            let id = Some(job.id.as_str());
            let of_job = ledger.iter().filter(|entry| entry.job_id.as_deref() == id);
            let of_job: Vec<_> = of_job.map(|entry| (entry.kind, entry.amount)).collect();
            let held = (job.hold > 0).then_some((EntryKind::Hold, job.hold));
            let expected: Vec<_> = held.into_iter().chain(job.settled).collect();
            assert_eq!(of_job, expected, "{job:?}");
            assert!(job.is_live() || job.hold == 0 || job.settled.is_some(), "{job:?}");
            let row = self.rig.db.job(&job.id).await.unwrap();
            assert_eq!(row.map(|row| row.status), job.status);
        }
        self.ledger = ledger;
        for sql in ["update ledger set amount = amount + 1", "delete from ledger"] {
            assert_eq!(self.rig.outside(sql).await, Err("the ledger is append-only".into()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_account_adds_up_after_every_step_of_any_history(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for (step, crashes) in steps {
                world = world.step(step, crashes).await;
                world.check().await;
            }
            drop(world.rig.close().await);
        });
    }
}
