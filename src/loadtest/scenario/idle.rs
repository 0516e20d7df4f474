//! Readers that wait: what one of them costs in memory, and to be kept alive.
//!
//! Memory is the slope over several counts of readers: what the server takes before the first is no
//! reader's.

use std::time::Duration;

use super::super::stage::Stage;
use super::super::usage::slope;
use super::LoadError;

/// At which parts of all readers memory is measured, in hundredths.
const STEPS: [u32; 4] = [10, 40, 70, 100];

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    stage.gather(0..0)?;
    let readers = stage.order.readers;
    let (mut points, mut connected, mut took) = (Vec::new(), 0, Duration::ZERO);
    for step in STEPS {
        let next = (u64::from(readers) * u64::from(step)).div_ceil(100);
        let next = u32::try_from(next).unwrap_or(readers);
        took += stage.connect(connected..next)?;
        connected = next;
        stage.settle()?;
        points.extend(stage.server.processes.memory().map(|memory| (u64::from(next), memory)));
    }
    stage.report.connected(readers, took);
    stage.report.memory_slope(&points, slope(&points));
    wait(stage)?;
    let outcome = stage.finish()?;
    stage.report.deliveries(&outcome);
    Ok(())
}

/// Nothing happens for a while, or as little as was asked for.
fn wait(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    let before = stage.meter();
    let comments = stage.status().bytes;
    if stage.publishes() && stage.order.rate > 0.0 {
        let load = stage.load();
        let playing = stage.play(load)?;
        let published = stage.played(playing)?;
        stage.wait_for_deliveries()?;
        stage.report.published(&published);
    } else {
        stage.rest("waiting", stage.order.duration)?;
    }
    let after = stage.meter();
    let bytes = stage.status().bytes - comments;
    stage.report.idleness(&after, &before, stage.order.readers, bytes);
    stage.report.memory_after(stage.server.processes.memory());
    let open = stage.status().open;
    stage.report.check_count("every reader is still there", open, u64::from(stage.order.readers));
    Ok(())
}
