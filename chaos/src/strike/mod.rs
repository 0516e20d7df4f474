//! Carrying faults out, one after the other, and looking at what the server does about each.

mod database;
mod machine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::plan::{Fault, Kind};
use crate::proxy::Proxy;
use crate::record::History;
use crate::say;
use crate::server::{Server, Start};
use crate::simulator::Simulator;
use crate::work::Record;
use crate::world::World;

use crate::disk::Disk;

/// Who carries faults out.
#[derive(Debug)]
pub(crate) struct Striker {
    pub(crate) world: Arc<World>,
    pub(crate) server: Server,
    pub(crate) disk: Disk,
    pub(crate) simulator: Simulator,
    pub(crate) proxy: Proxy,
    pub(crate) random: fastrand::Rng,
    /// Whose jobs floods are.
    pub(crate) project: String,
    /// How many faults of each kind there were.
    pub(crate) counts: BTreeMap<Kind, usize>,
    /// How long starts after a `kill -9` took.
    pub(crate) starts: Vec<Duration>,
    /// How long orderly ends took.
    pub(crate) ends: Vec<Duration>,
    /// Jobs that were made to be too much, and what was seen of them.
    pub(crate) floods: Vec<(Record, History)>,
    /// How many hours the clock is wrong.
    pub(crate) hours: i32,
    /// The most memory that the server was seen to take, in bytes.
    pub(crate) memory: u64,
}

impl Striker {
    /// Carries out a fault, and leaves the server running and everything as it should be.
    ///
    /// # Errors
    /// When the server cannot be had back: the run is over then.
    pub(crate) async fn strike(&mut self, fault: &Fault) -> Result<(), Failure> {
        *self.counts.entry(fault.kind()).or_default() += 1;
        self.look();
        match fault {
            Fault::Kill => self.kill_and_start().await?,
            Fault::Term => self.restart().await?,
            Fault::Disk { hold, kill } => self.fill_disk(*hold, *kill).await?,
            Fault::Lock { hold, kill } => self.lock_database(*hold, *kill).await?,
            Fault::Readonly => self.start_read_only().await?,
            Fault::Wal(how) => self.damage_log(*how).await?,
            Fault::Artifacts { trouble, hold, kill } => {
                self.break_artifacts(*trouble, *hold, *kill).await?;
            }
            Fault::Provider { trouble, hold, kill } => {
                self.simulator.set_trouble(Some(*trouble));
                self.hold(*hold, *kill).await?;
                self.simulator.set_trouble(None);
            }
            Fault::Clock { hours } => self.set_clock(*hours).await?,
            Fault::Network(storm) => self.proxy.strike(*storm),
            Fault::Memory { kilobytes } => self.flood(*kilobytes).await?,
            Fault::Stall { percent, hold } => {
                self.world.order(|orders| orders.stall = (orders.stall.0 + 1, *percent, *hold));
                tokio::time::sleep(*hold).await;
            }
            Fault::Cursors { percent } => {
                self.world.order(|orders| orders.cursors = (orders.cursors.0 + 1, *percent));
            }
            Fault::Resend { percent } => {
                self.world.order(|orders| orders.resend = (orders.resend.0 + 1, *percent));
            }
        }
        self.must_live().await
    }

    /// Whether faults of a kind are possible here, and if not, why.
    pub(crate) fn left_out(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Disk | Kind::Readonly if !self.disk.is_ours() => {
                Some("no file system can be mounted here (that takes root)")
            }
            Kind::Clock if self.server.setup().clock.is_none() => {
                Some("libfaketime is not installed (Debian: faketime)")
            }
            _ => None,
        }
    }

    /// Notes how much memory the server takes now.
    fn look(&mut self) {
        let memory = self.server.pid().and_then(crate::usage::memory);
        self.memory = self.memory.max(memory.unwrap_or(0));
    }

    /// A server that ends by itself is wrong, whatever the reason.
    async fn must_live(&mut self) -> Result<(), Failure> {
        if let Some(status) = self.server.has_died() {
            self.world.violate(format!("the server ended by itself: {status}"));
            self.server.kill().await?;
            self.server.start().await?;
        }
        self.look();
        Ok(())
    }

    /// Leaves things as they are for a while; maybe kills the server then, and lets it try to start as
    /// things are.
    async fn hold(&mut self, hold: Duration, kill: bool) -> Result<(), Failure> {
        tokio::time::sleep(hold).await;
        self.must_live().await?;
        if kill {
            self.server.kill().await?;
            if let Start::Ended(status) = self.server.try_start().await? {
                say::line(&format!("  a start as things are ends with {status}"));
            }
        }
        Ok(())
    }

    /// Starts the server where it could not be started before.
    async fn ensure_started(&mut self) -> Result<(), Failure> {
        if self.server.pid().is_none() {
            self.server.start().await?;
        }
        Ok(())
    }

    async fn kill_and_start(&mut self) -> Result<(), Failure> {
        self.server.kill().await?;
        self.start_again().await
    }

    /// Starts the server after a kill: no id of an earlier life may be given out again.
    async fn start_again(&mut self) -> Result<(), Failure> {
        let newest = self.world.newest();
        let took = self.server.start().await?;
        self.starts.push(took);
        let (_, ready) = World::once(self.world.http.get(self.world.direct("/readyz")))
            .await
            .ok_or_else(|| Failure::Server("a server that has started does not answer".into()))?;
        let head = ready["head"].as_u64().unwrap_or(0);
        if head <= newest {
            self.world.violate(format!("the head is {head}, but readers have seen {newest}"));
        }
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), Failure> {
        let (code, took) = self.server.terminate().await?;
        self.ends.push(took);
        if code != Some(0) {
            self.world.violate(format!("SIGTERM ended the server with {code:?}"));
        }
        self.start_again().await
    }
}
