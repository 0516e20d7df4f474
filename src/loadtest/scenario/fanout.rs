//! Events to readers: one job and many of them, many jobs with one each, or as a model writes.

use super::super::stage::Stage;
use super::LoadError;

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    stage.gather(0..0)?;
    let empty = stage.server.processes.memory();
    let took = stage.connect(0..stage.order.readers)?;
    stage.report.connected(stage.order.readers, took);
    stage.settle()?;
    stage.report.memory_per_reader(empty, stage.server.processes.memory(), stage.order.readers);
    let before = stage.meter();
    let load = stage.load();
    let playing = stage.play(load)?;
    let published = stage.played(playing)?;
    stage.wait_for_deliveries()?;
    let after = stage.meter();
    stage.report.published(&published);
    stage.report.cost(&after, &before, stage.status().delivered);
    let outcome = stage.finish()?;
    stage.report.deliveries(&outcome);
    Ok(())
}
