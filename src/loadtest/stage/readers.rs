//! The readers: gathered, told what to do, heard at the end.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{LoadError, Stage};
use crate::descriptors;
use crate::loadtest::crowd::{Command, Crew, Outcome, Plan, Status};
use crate::loadtest::measure::Windows;

/// Descriptors that a process needs besides its readers'.
const SPARE_DESCRIPTORS: usize = 200;

/// How many readers one source address has ports for: the system gives some 28,000, and they are
/// quick to find while half of them are free.
const READERS_PER_ADDRESS: u32 = 14_000;

impl Stage<'_> {
    /// Has readers ready to connect, the last `slow` of them slow.
    pub(in crate::loadtest) fn gather(&mut self, slow: Range<u32>) -> Result<(), LoadError> {
        self.slow = slow.clone();
        let readers = self.order.readers;
        let plan = Plan {
            target: self.server.target.address,
            sources: self.sources(),
            reading: self.jobs.reading.clone(),
            readers: 0..readers,
            slow,
            core: self.order.client_core,
        };
        let room = descriptors::raise_limit().saturating_sub(SPARE_DESCRIPTORS).max(1);
        let needed = (readers as usize + self.jobs.ways.len()).div_ceil(room);
        let needed = u32::try_from(needed).unwrap_or(u32::MAX);
        let processes = self.order.processes.unwrap_or(needed);
        self.crew = Some(if processes <= 1 {
            Crew::in_thread(plan)?
        } else {
            Crew::in_processes(&plan, processes)?
        });
        Ok(())
    }

    /// Addresses of this machine that readers come from, where the server is on it.
    fn sources(&self) -> Vec<IpAddr> {
        let needed = u8::try_from(self.order.readers.div_ceil(READERS_PER_ADDRESS)).unwrap_or(200);
        let count = self.order.source_addresses.unwrap_or(if needed > 1 { needed } else { 0 });
        let address = self.server.target.address;
        if !address.ip().is_loopback() || !address.is_ipv4() {
            return Vec::new();
        }
        (0..count).map(|nth| Ipv4Addr::new(127, 0, 0, nth + 2).into()).collect()
    }

    fn crew(&mut self) -> &mut Crew {
        self.crew.as_mut().expect("readers are gathered before they are spoken to")
    }

    /// Where the readers are.
    pub(in crate::loadtest) fn status(&self) -> Status {
        self.crew.as_ref().map(Crew::status).unwrap_or_default()
    }

    /// Tells the readers something.
    pub(in crate::loadtest) fn tell(&mut self, command: &Command) -> Result<(), LoadError> {
        self.crew().tell(command)
    }

    /// Connects these readers and waits until they have their streams; gives how long it took.
    pub(in crate::loadtest) fn connect(
        &mut self,
        readers: Range<u32>,
    ) -> Result<Duration, LoadError> {
        let (start, before) = (Instant::now(), self.status().open);
        let count = u64::from(readers.end - readers.start);
        self.tell(&Command::Connect(readers))?;
        self.wait("connecting", before + count, |status| status.open + status.failed)?;
        let took = start.elapsed();
        let open = self.status().open - before;
        self.report.check_count("every reader gets a stream", open, count);
        Ok(took)
    }

    /// Readers, if there are any, measure from then on.
    pub(in crate::loadtest) fn begin(
        &mut self,
        start: u64,
        duration: u64,
    ) -> Result<(), LoadError> {
        let Some(crew) = &mut self.crew else { return Ok(()) };
        crew.tell(&Command::Begin(Windows::over(start, duration)))
    }

    /// Waits until every reader has everything that is published.
    pub(in crate::loadtest) fn wait_for_deliveries(&self) -> Result<bool, LoadError> {
        self.wait("delivering", self.due(), |status| status.delivered)
    }

    /// Ends the jobs, waits until the readers know, and has them say what they saw.
    pub(in crate::loadtest) fn finish(&mut self) -> Result<Outcome, LoadError> {
        self.end_jobs()?;
        self.wait_for_ends()?;
        self.dismiss()
    }

    /// Waits until the server has ended all streams, where it does.
    pub(in crate::loadtest) fn wait_for_ends(&mut self) -> Result<(), LoadError> {
        if self.publisher.is_some() && self.jobs.reading.terminal.is_some() {
            let readers = u64::from(self.order.readers - (self.slow.end - self.slow.start));
            self.wait("ending", readers, |status| status.ended)?;
            let ended = self.status().ended.min(readers);
            self.report.check_count("every stream ends after the job's end", ended, readers);
        }
        Ok(())
    }

    /// Has the readers say what they saw, and sends them home.
    pub(in crate::loadtest) fn dismiss(&mut self) -> Result<Outcome, LoadError> {
        let published = self.published();
        let crew = self.crew.take().expect("readers are gathered before they finish");
        let outcome = crew.finish(published)?;
        self.report.check_outcome(&outcome);
        Ok(outcome)
    }
}
