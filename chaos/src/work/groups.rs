//! Readers of several jobs at once, and of all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::reader::{self, How};
use crate::record::{History, Scope};
use crate::world::World;

/// How many jobs a group reads.
const GROUP: usize = 4;

/// The newest jobs, for those who want to read several.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<VecDeque<String>>);

impl Board {
    /// Puts up a job.
    pub(super) fn put(&self, job: &str) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.push_back(job.to_owned());
        if jobs.len() > 4 * GROUP {
            jobs.pop_front();
        }
    }

    /// Takes the newest jobs, once there are enough.
    fn take(&self) -> Option<Vec<String>> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = jobs.len().checked_sub(GROUP)?;
        Some(jobs.split_off(from).into())
    }

    /// Has one group after the other read, until there was enough; gives what they saw.
    pub(crate) fn read(
        self: Arc<Self>,
        world: Arc<World>,
        mut random: fastrand::Rng,
    ) -> JoinHandle<Vec<History>> {
        tokio::spawn(async move {
            let mut histories = Vec::new();
            while !world.enough.is_cancelled() {
                let Some(jobs) = self.take() else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let name = format!("group of {}", jobs.join(", "));
                let scope = Scope::Jobs(jobs);
                let (world, random) = (Arc::clone(&world), random.fork());
                histories.extend(reader::spawn(world, name, scope, How::Stream, random).await.ok());
            }
            histories
        })
    }
}
