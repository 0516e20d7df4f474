//! The crash test: fifty times `kill -9` under twenty jobs with readers attached.
//!
//! Readers, producers and submitters behave as real ones do: they come back to the same address
//! with what they have, and go on. When the last process has finished every job, all that anybody
//! saw on the way is held against what is in the database then.
//!
//! Each kill waits for a condition that is drawn from a seed ("after 231 more events", "at the
//! second `artifact_ready` from here"), never for a time. `TAILWATER_CRASH_SEED` chooses another
//! seed; a failure names the one it had.

mod browser;
mod check;
mod moment;
mod producer;
mod slot;
mod world;

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::harness::PATIENCE;
use crate::harness::process::Process;

use moment::Moment;
use slot::Record;
use world::World;

/// How often the process is killed.
const KILLS: usize = 50;

/// How many jobs are in flight at any time.
const SLOTS: usize = 20;

/// The seed of an ordinary run.
const USUAL_SEED: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_no_event_and_end_every_job_once() {
    let seed =
        std::env::var("TAILWATER_CRASH_SEED").map_or(USUAL_SEED, |seed| seed.parse().unwrap());
    let told = ToldSeed(seed);
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let address = format!("127.0.0.1:{}", quiet_port());
    let (lives, life) = watch::channel(0);
    let world = Arc::new(World::new(&address, life));
    let enough = CancellationToken::new();

    let mut process = serve(&data, &address).await;
    lives.send_replace(1);
    let project = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { browser::read_project(&world).await })
    };
    let slots: Vec<_> = (0..SLOTS)
        .map(|slot| {
            let random = fastrand::Rng::with_seed(random.u64(..));
            tokio::spawn(slot::run(Arc::clone(&world), slot, random, enough.clone()))
        })
        .collect();
    for life in 2..2 + KILLS {
        let moment = Moment::draw(&mut random);
        world.wait_for(&moment).await;
        world.count_kill();
        process.kill().await;
        let newest = world.newest();
        process = serve(&data, &address).await;
        world.head_is_above(newest).await;
        lives.send_replace(life);
    }
    enough.cancel();
    let mut records: Vec<Record> = Vec::new();
    for slot in slots {
        let finished = tokio::time::timeout(PATIENCE, slot).await;
        records.extend(finished.expect("every job ends").expect("a slot does not fail"));
    }
    world.project_is_read().await;
    world.over.cancel();
    // What counts is what is in the database, so it is asked of a process that knows nothing else.
    assert_eq!(process.terminate().await, Some(0));
    let _process = serve(&data, &address).await;
    let project = project.await.expect("the project's reader does not fail");
    check::everything(&world, &data, &records, &project).await;
    drop(told);
}

async fn serve(data: &Path, address: &str) -> Process {
    let more = ["--workers", "20", "--simulator-speed", "1000"];
    Process::serve(data, address, &more).await
}

/// A port that nobody is given by chance while the server is down: one below the range that
/// systems draw from. Not of the seed: two runs of it at a time are two servers.
fn quiet_port() -> u16 {
    std::iter::repeat_with(|| fastrand::u16(20_000..30_000))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("there is a free port")
}

/// Says what the seed was when the test fails.
struct ToldSeed(u64);

impl Drop for ToldSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            writeln!(std::io::stderr(), "again with TAILWATER_CRASH_SEED={}", self.0).ok();
        }
    }
}
