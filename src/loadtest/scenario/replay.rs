//! A long job is read from its beginning: out of memory, and by a server that has just begun out of
//! its database.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::super::crowd::Command;
use super::super::measure::Bins;
use super::super::report::Replayed;
use super::super::schedule::Pace;
use super::super::stage::Stage;
use super::super::system::now_ns;
use super::LoadError;

/// How often it is read by somebody who only counts.
const ROUNDS: u32 = 5;

/// How long such a reader waits for the next byte.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many events a job has that nobody said anything about: 100 MB of them.
const EVENTS: u32 = 500_000;

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    // Nobody reads meanwhile, and all of it is due at once.
    let mut load = stage.load();
    if load.events == 0 {
        load.events = EVENTS;
    }
    (load.rate, load.pace) = (f64::INFINITY, Pace::Even);
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

/// All readers read all of it and check it; then somebody reads it who only counts the bytes, since
/// checking takes longer than sending.
fn read(stage: &mut Stage<'_>, key: &str, label: &str) -> Result<(), LoadError> {
    stage.gather(0..0)?;
    stage.settle()?;
    stage.begin(now_ns(), 1_000_000_000)?;
    stage.tell(&Command::Connect(0..stage.order.readers))?;
    stage.wait_for_deliveries()?;
    stage.wait_for_ends()?;
    let outcome = stage.dismiss()?;
    let bytes = outcome.status.bytes / u64::from(stage.order.readers);
    let request = stage.jobs.reading.request(0, b"");
    let before = stage.meter();
    let mut times = Bins::default();
    for _ in 0..ROUNDS {
        let took = drain(stage.server.target.address, &request, bytes);
        times.record(took.map_err(|error| LoadError::server(format!("ends a replay: {error}")))?);
    }
    let (_, cpu, _) = stage.meter().since(&before);
    let read = Replayed { bytes, times, cpu: cpu.map(|cpu| cpu / ROUNDS) };
    stage.report.replayed(key, label, &outcome, &read);
    Ok(())
}

/// Reads so many bytes, or to the end; gives how long it took in nanoseconds.
fn drain(server: SocketAddr, request: &[u8], bytes: u64) -> io::Result<u64> {
    let start = now_ns();
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(request)?;
    let mut buffer = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read as u64);
    }
    Ok(now_ns() - start)
}
