//! A long job is read from its beginning: out of memory, and by a server that has just begun out of
//! its database.

use super::super::crowd::Command;
use super::super::stage::Stage;
use super::super::system::now_ns;
use super::LoadError;

/// How many events a job has that nobody said anything about: 100 MB of them.
const EVENTS: u32 = 500_000;

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    // Nobody reads meanwhile, and all of it is due at once.
    let mut load = stage.load();
    if load.events == 0 {
        load.events = EVENTS;
    }
    load.rate = f64::INFINITY;
    let playing = stage.play(load)?;
    stage.played(playing)?;
    stage.end_jobs()?;
    read(stage, "memory", "from memory")?;
    if stage.server.is_ours() && stage.jobs.reading.terminal.is_some() {
        stage.restart()?;
        read(stage, "database", "from the database")?;
    } else {
        stage.report.note("only a Tailwater server that is started here is read from its database");
    }
    Ok(())
}

/// All readers read all of it; each opens its stream when the clock begins.
fn read(stage: &mut Stage<'_>, key: &str, label: &str) -> Result<(), LoadError> {
    stage.gather(0..0)?;
    stage.settle()?;
    let (before, start) = (stage.meter(), now_ns());
    stage.begin(start, 1_000_000_000)?;
    stage.tell(&Command::Connect(0..stage.order.readers))?;
    stage.wait_for_deliveries()?;
    let after = stage.meter();
    stage.wait_for_ends()?;
    let outcome = stage.dismiss()?;
    let (_, server, _) = after.since(&before);
    stage.report.replayed(key, label, &outcome, start, server);
    Ok(())
}
