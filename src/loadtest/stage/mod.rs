//! What every scenario does: a server, jobs, readers, a producer, and waiting for each other.

mod play;
mod readers;
mod wait;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::descriptors;

use super::adapter::{Jobs, Wish};
use super::crowd::Crew;
use super::publish::{Content, Publisher, Script};
use super::recording::Recording;
use super::report::Report;
use super::server::Server;
use super::system::{self, now_ns};
use super::target::Target;
use super::usage::Processes;
use super::{LoadError, Order, Screen};

/// A load test under way.
pub(super) struct Stage<'a> {
    pub(super) order: &'a Order,
    pub(super) server: Server,
    pub(super) report: Report,
    pub(super) jobs: Jobs,
    screen: &'a dyn Screen,
    stop: Arc<AtomicBool>,
    recording: Option<Recording>,
    crew: Option<Crew>,
    publisher: Option<Publisher>,
    slow: Range<u32>,
}

/// What a server had taken of the machine at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    at: u64,
    cpu: Option<Duration>,
    own_cpu: Option<Duration>,
}

impl<'a> Stage<'a> {
    /// Starts what has to be started, and makes the jobs.
    pub(super) fn set(
        order: &'a Order,
        screen: &'a dyn Screen,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self, LoadError> {
        screen.phase("setting up", 0);
        let recording = read_recording(order)?;
        let descriptors = descriptors::raise_limit();
        let server = Server::of(order)?;
        if let Some(core) = order.client_core {
            system::pin(core).map_err(|error| LoadError::setup("the client's core", &error))?;
        }
        let publish = order.publish.as_deref().map(Target::parse).transpose()?;
        let jobs = order.adapter.prepare(&Wish {
            target: &server.target,
            jobs: order.jobs,
            one_by_one: order.closed,
            run: u64::from(std::process::id()) << 32 | u64::from(fastrand::u32(..)),
            recording: recording.as_ref(),
            publish: publish.as_ref(),
        })?;
        let report = Report::new(order);
        let mut stage = Self {
            order,
            server,
            report,
            jobs,
            screen,
            stop: Arc::clone(stop),
            recording,
            crew: None,
            publisher: None,
            slow: 0..0,
        };
        if !stage.jobs.ways.is_empty() {
            stage.connect_publisher(publish.as_ref())?;
        }
        stage.report.note_descriptors(descriptors);
        Ok(stage)
    }

    fn connect_publisher(&mut self, publish: Option<&Target>) -> Result<(), LoadError> {
        let content = match &self.recording {
            Some(recording) => Content::Recorded(recording.clone()),
            None => Content::Synthetic { size: self.order.size },
        };
        let script = Script { content, dialect: self.jobs.dialect };
        let address = publish.unwrap_or(&self.server.target).address;
        let ways = self.jobs.ways.clone();
        self.publisher = Some(Publisher::connect(address, &script, ways)?);
        Ok(())
    }

    /// Whether anything can be published.
    pub(super) const fn publishes(&self) -> bool {
        self.publisher.is_some()
    }

    /// Stops the server that was started here, and starts one on what it left.
    pub(super) fn restart(&mut self) -> Result<(), LoadError> {
        self.screen.phase("starting the server anew", 0);
        self.server.restart(self.order)
    }

    /// What the server has taken so far.
    pub(super) fn meter(&self) -> Meter {
        let mut own = vec![std::process::id()];
        own.extend(self.crew.iter().flat_map(Crew::processes));
        Meter { at: now_ns(), cpu: self.server.processes.cpu(), own_cpu: Processes(own).cpu() }
    }
}

impl Meter {
    /// What was taken from `before` to now: the seconds, the server's processor time, and ours.
    pub(super) fn since(&self, before: &Self) -> (f64, Option<Duration>, Option<Duration>) {
        let took = |now: Option<Duration>, then: Option<Duration>| now?.checked_sub(then?);
        let seconds = Duration::from_nanos(self.at - before.at).as_secs_f64();
        (seconds, took(self.cpu, before.cpu), took(self.own_cpu, before.own_cpu))
    }
}

fn read_recording(order: &Order) -> Result<Option<Recording>, LoadError> {
    let Some(path) = &order.recording else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        LoadError::Arguments(format!("{} cannot be read: {error}", path.display()))
    })?;
    Recording::parse(&text, order.speed).map(Some)
}
