//! A deployment's day: readers that stay, some that are cut off and come back, some that are slow,
//! and clients that poll.

use std::time::Duration;

use super::super::crowd::Command;
use super::super::stage::Stage;
use super::{LoadError, poll};

/// One client polls for so many readers.
const READERS_PER_CLIENT: u32 = 4;

/// One of so many readers is cut off in the middle.
const READERS_PER_CUT: u32 = 5;

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    let readers = stage.order.readers;
    let slow = u64::from(readers) * u64::from(stage.order.slow_percent) / 100;
    let quick = readers - u32::try_from(slow).unwrap_or(readers);
    stage.gather(quick..readers)?;
    let took = stage.connect(0..readers)?;
    stage.report.connected(readers, took);
    let clients = readers.div_ceil(READERS_PER_CLIENT);
    let polling = poll::start(stage, clients)?;
    stage.settle()?;
    let before = stage.meter();
    let load = stage.load();
    let playing = stage.play(load)?;
    stage.rest("publishing", stage.order.duration / 3)?;
    let cut = 0..(quick / READERS_PER_CUT).max(1);
    stage.tell(&Command::Cut(cut.clone()))?;
    stage.rest("some are cut off", Duration::from_millis(500))?;
    let heads = playing.board.sent();
    let count = u64::from(cut.end);
    stage.tell(&Command::Return { readers: cut, heads })?;
    stage.wait("coming back", count, |status| status.caught_up + status.failed)?;
    stage.report.check_count("who was cut off catches up", stage.status().caught_up, count);
    let published = stage.played(playing)?;
    stage.wait_for_deliveries()?;
    let after = stage.meter();
    stage.report.published(&published);
    stage.report.cost(&after, &before, stage.status().delivered);
    let polls = poll::finish(stage, polling, clients)?;
    stage.wait_for_ends()?;
    let outcome = stage.dismiss()?;
    stage.report.count("slow_readers", "slow readers", slow);
    stage.report.percentiles("catching_up", "return to caught up", &outcome.catching_up);
    stage.report.deliveries(&outcome);
    stage.report.note("the latencies include events that came while some readers were away");
    stage.report.polled(&polls);
    Ok(())
}
