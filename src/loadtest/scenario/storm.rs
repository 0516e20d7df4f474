//! All readers are cut off at once and come back with their cursors, while events go on.

use std::time::{Duration, Instant};

use super::super::crowd::Command;
use super::super::stage::Stage;
use super::LoadError;

/// How long readers are away: events go on meanwhile, and the server notices that they are gone.
const AWAY: Duration = Duration::from_millis(500);

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    stage.gather(0..0)?;
    let readers = stage.order.readers;
    let took = stage.connect(0..readers)?;
    stage.report.connected(readers, took);
    stage.settle()?;
    let load = stage.load();
    let before = stage.meter();
    let playing = stage.play(load)?;
    stage.rest("publishing before the storm", stage.order.duration / 3)?;
    stage.tell(&Command::Cut(0..readers))?;
    stage.rest("cut off", AWAY)?;
    let heads = playing.board.sent();
    let start = Instant::now();
    stage.tell(&Command::Return { readers: 0..readers, heads })?;
    let count = u64::from(readers);
    stage.wait("coming back", count, |status| status.caught_up + status.failed)?;
    let took = start.elapsed();
    let caught_up = stage.status().caught_up;
    stage.report.figure("caught_up_s", "all back and caught up in", took.as_secs_f64(), "s");
    stage.report.check_count("every reader comes back and catches up", caught_up, count);
    let published = stage.played(playing)?;
    stage.wait_for_deliveries()?;
    let after = stage.meter();
    stage.report.published(&published);
    stage.report.cost(&after, &before, stage.status().delivered);
    let outcome = stage.finish()?;
    stage.report.percentiles("catching_up", "return to caught up", &outcome.catching_up);
    stage.report.deliveries(&outcome);
    stage.report.note("the latencies include events that came while readers were away");
    stage.report.check(
        "no connection is refused",
        outcome.status.refused == 0,
        outcome.status.refused.to_string(),
    );
    Ok(())
}
