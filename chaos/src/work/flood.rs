//! More events than the journal and the memory hold.

use std::sync::Arc;

use crate::reader::{self, How};
use crate::record::{History, Scope};
use crate::world::World;

use super::producer::Producer;
use super::submit;
use super::{Record, Task};

/// How much one event has, in bytes.
const EVENT: usize = 60 << 10;

/// Has a job with so many kilobytes of events made, and read by one reader; gives both. Nothing when
/// no job was made.
pub(crate) async fn flood(
    world: Arc<World>,
    name: String,
    project: String,
    kilobytes: u64,
    mut random: fastrand::Rng,
) -> Option<(Record, History)> {
    let events = (kilobytes << 10).div_ceil(EVENT as u64);
    let task = Task::External { events };
    let damages = world.damages();
    let job = submit::submit(&world, &name, &task, &project, &mut random).await?;
    let (who, scope) = (format!("reader of the flood {job}"), Scope::Job(job.clone()));
    let reader = reader::spawn(Arc::clone(&world), who, scope, How::Stream, random.fork());
    Producer { world: &world, job: &job, events, padding: EVENT, random }.produce().await;
    let history = reader.await.ok()?;
    Some((Record { job, name, task, damages }, history))
}
