//! Carrying out the faults of a cluster, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::failure::Failure;
use crate::plan::cluster::{Fault, Kind};
use crate::plan::{self, ProviderTrouble};
use crate::proxy::Proxy;
use crate::say;
use crate::simulator::Simulator;
use crate::world::World;

use super::Services;

/// How long an orderly end may take; `scripts/cluster` kills what takes a minute.
const ORDERLY: Duration = Duration::from_secs(55);

/// For how long a slow node stands still before it gets its tenth.
const STILL: Duration = Duration::from_millis(45);

/// Who carries faults out.
#[derive(Debug)]
pub(crate) struct Striker {
    pub(crate) world: Arc<World>,
    pub(crate) services: Services,
    pub(crate) simulator: Simulator,
    /// Before the balancer, then before each node.
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) random: fastrand::Rng,
    /// How many faults of each kind there were.
    pub(crate) counts: BTreeMap<Kind, usize>,
    /// How long starts after a `kill -9` took.
    pub(crate) starts: Vec<Duration>,
    /// How long orderly ends took.
    pub(crate) ends: Vec<Duration>,
    /// The most memory that a node was seen to take, in bytes.
    pub(crate) memory: u64,
}

impl Striker {
    /// Carries out a fault, and leaves everything running.
    ///
    /// # Errors
    /// When something cannot be had back: the run is over then.
    pub(crate) async fn strike(&mut self, kind: Kind, fault: &Fault) -> Result<(), Failure> {
        *self.counts.entry(kind).or_default() += 1;
        match fault {
            Fault::Kill { node, hold } => self.kill(&format!("node {node}"), *hold).await?,
            Fault::Restart { node } => self.restart(&format!("node {node}")).await?,
            Fault::All { hold } => {
                self.services.act_on_nodes("kill").await?;
                tokio::time::sleep(*hold).await;
                self.services.start_nodes().await?;
            }
            Fault::Pause { node, hold } => self.pause(&format!("node {node}"), *hold).await?,
            Fault::Slow { node, hold } => self.slow(&format!("node {node}"), *hold).await?,
            Fault::Archiver { hold } => {
                let name = self.services.archiver();
                say::line(&format!("  it is {}", name.as_deref().unwrap_or("nobody")));
                let name = name.unwrap_or_else(|| format!("node {}", self.random.u8(1..=3)));
                self.pause(&name, *hold).await?;
            }
            Fault::Cut { node, network, hold } => {
                let words = format!("node {node} {network}");
                self.services.act("cut", &words).await?;
                tokio::time::sleep(*hold).await;
                self.services.act("heal", &words).await?;
            }
            Fault::Leader { hold } => {
                let name = self.services.leader(&self.world.http).await;
                say::line(&format!("  it is {}", name.as_deref().unwrap_or("nobody")));
                let name = name.unwrap_or_else(|| format!("nats {}", self.random.u8(1..=3)));
                self.away("kill", &name, *hold).await?;
            }
            Fault::Nats { server, orderly, hold } => {
                let how = if *orderly { "stop" } else { "kill" };
                self.away(how, &format!("nats {server}"), *hold).await?;
            }
            Fault::Postgres { hold } => self.away("kill", "postgres", *hold).await?,
            Fault::PostgresAway { still: true, hold } => self.pause("postgres", *hold).await?,
            Fault::PostgresAway { still: false, hold } => {
                self.away("stop", "postgres", *hold).await?;
            }
            Fault::Reload => self.services.signal("nginx", Signal::HUP)?,
            Fault::Balancer { hold } => self.away("kill", "nginx", *hold).await?,
            Fault::Alone(fault) => self.strike_alone(fault).await?,
        }
        self.must_live().await
    }

    /// The faults that a server alone has as well.
    async fn strike_alone(&mut self, fault: &plan::Fault) -> Result<(), Failure> {
        match fault {
            plan::Fault::Network(storm) => {
                self.proxies.iter().for_each(|proxy| proxy.strike(*storm));
            }
            plan::Fault::Provider { trouble, hold, kill } => {
                self.provider(*trouble, *hold, *kill).await?;
            }
            plan::Fault::Stall { percent, hold } => {
                self.world.order(|orders| {
                    orders.stall = (orders.stall.0 + 1, *percent, *hold);
                });
                tokio::time::sleep(*hold).await;
            }
            plan::Fault::Cursors { percent } => {
                self.world.order(|orders| orders.cursors = (orders.cursors.0 + 1, *percent));
            }
            plan::Fault::Resend { percent } => {
                self.world.order(|orders| orders.resend = (orders.resend.0 + 1, *percent));
            }
            other => return Err(Failure::Argument(format!("a cluster has no '{other}'"))),
        }
        Ok(())
    }

    async fn provider(
        &mut self,
        trouble: ProviderTrouble,
        hold: Duration,
        kill: bool,
    ) -> Result<(), Failure> {
        self.simulator.set_trouble(Some(trouble));
        tokio::time::sleep(hold).await;
        if kill {
            let name = format!("node {}", self.random.u8(1..=3));
            self.kill(&name, Duration::ZERO).await?;
        }
        self.simulator.set_trouble(None);
        Ok(())
    }

    async fn kill(&mut self, name: &str, hold: Duration) -> Result<(), Failure> {
        self.services.act("kill", name).await?;
        tokio::time::sleep(hold).await;
        let began = Instant::now();
        self.services.start(name).await?;
        self.starts.push(began.elapsed());
        Ok(())
    }

    async fn restart(&mut self, name: &str) -> Result<(), Failure> {
        let began = Instant::now();
        self.services.act("stop", name).await?;
        let took = began.elapsed();
        self.ends.push(took);
        if took > ORDERLY {
            self.world.violate(format!("SIGTERM did not end {name} in {took:.0?}"));
        }
        self.services.start(name).await
    }

    async fn pause(&self, name: &str, hold: Duration) -> Result<(), Failure> {
        self.services.act("pause", name).await?;
        tokio::time::sleep(hold).await;
        self.services.act("resume", name).await
    }

    async fn slow(&self, name: &str, hold: Duration) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < hold {
            self.services.signal(name, Signal::STOP)?;
            tokio::time::sleep(STILL).await;
            self.services.signal(name, Signal::CONT)?;
            tokio::time::sleep(STILL / 9).await;
        }
        Ok(())
    }

    /// Takes a service away, and brings it back.
    async fn away(&self, how: &str, name: &str, hold: Duration) -> Result<(), Failure> {
        self.services.act(how, name).await?;
        tokio::time::sleep(hold).await;
        self.services.start(name).await
    }

    /// A node that ends by itself is wrong, whatever the reason.
    pub(crate) async fn must_live(&mut self) -> Result<(), Failure> {
        for name in Services::nodes() {
            if let Some(pid) = self.services.pid(&name) {
                self.memory = self.memory.max(crate::usage::memory(pid).unwrap_or(0));
                continue;
            }
            let log = self.services.log(&name);
            let last: Vec<_> = log.lines().rev().take(3).collect();
            self.world.violate(format!("{name} ended by itself: {last:#?}"));
            self.services.start(&name).await?;
        }
        Ok(())
    }
}
