//! A part of the readers takes a byte a second: what it costs the others, and the server.
//!
//! The same events are published twice: first to the others alone, then with the slow ones there.

use super::super::stage::Stage;
use super::LoadError;

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    let readers = stage.order.readers;
    let slow = u64::from(readers) * u64::from(stage.order.slow_percent) / 100;
    let quick = readers - u32::try_from(slow).unwrap_or(readers);
    stage.gather(quick..readers)?;
    let took = stage.connect(0..quick)?;
    stage.report.connected(quick, took);
    stage.settle()?;
    round(stage)?;
    stage.connect(quick..readers)?;
    stage.settle()?;
    let empty = stage.server.processes.memory();
    let (before, delivered) = (stage.meter(), stage.status().delivered);
    round(stage)?;
    let after = stage.meter();
    stage.report.count("slow_readers", "slow readers", slow);
    stage.report.cost(&after, &before, stage.status().delivered - delivered);
    let logged = u64::from(half(stage)) * u64::from(stage.order.jobs) * stage.order.size as u64;
    stage.report.memory_grown(empty, stage.server.processes.memory(), logged);
    let outcome = stage.finish()?;
    if let Some(alone) = outcome.earlier.first() {
        stage.report.percentiles("alone_latency", "latency without slow readers", alone);
        let ratio = outcome.latency.percentile_ms(99.0) / alone.percentile_ms(99.0);
        stage.report.figure("slow_p99_ratio", "p99 beside slow readers / without", ratio, "×");
    }
    stage.report.deliveries(&outcome);
    stage.report.count("slow_bytes", "bytes that slow readers took", outcome.slow_bytes);
    Ok(())
}

/// Half of what was asked for.
fn round(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    let mut load = stage.load();
    load.events = half(stage);
    let playing = stage.play(load)?;
    let published = stage.played(playing)?;
    stage.wait_for_deliveries()?;
    stage.report.published(&published);
    Ok(())
}

fn half(stage: &Stage<'_>) -> u32 {
    (stage.load().events / 2).max(1)
}
