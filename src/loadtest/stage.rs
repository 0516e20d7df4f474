//! What every scenario does: a server, jobs, readers, a producer, and waiting for each other.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::adapter::{Jobs, Wish};
use super::crowd::{Command, Crew, Outcome, Plan, Status};
use super::measure::Windows;
use super::publish::{Board, Content, Published, Publisher, Script};
use super::recording::Recording;
use super::report::Report;
use super::schedule::{Load, Pace, Schedule};
use super::server::Server;
use super::system::{self, now_ns};
use super::target::Target;
use super::usage::Processes;
use super::{LoadError, Order, Scenario, Screen};

/// How often it is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(5);

/// How long a machine rests before something is measured.
const REST: Duration = Duration::from_millis(300);

/// How long after it was asked for the first event is due.
const LEAD: u64 = 50_000_000;

/// Descriptors that a process needs besides its readers'.
const SPARE_DESCRIPTORS: usize = 200;

/// How many readers one source address has ports for: the system gives some 28,000, and they are
/// quick to find while half of them are free.
const READERS_PER_ADDRESS: u32 = 14_000;

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

/// A producer at work.
pub(super) struct Playing {
    thread: JoinHandle<(Publisher, Result<Published, LoadError>)>,
    pub(super) board: Arc<Board>,
}

/// What a server had taken of the machine at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    at: u64,
    pub(super) cpu: Option<Duration>,
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
        let descriptors = system::raise_descriptor_limit();
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

    /// Has readers ready to connect, the last `slow` of them slow.
    pub(super) fn gather(&mut self, slow: Range<u32>) -> Result<(), LoadError> {
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
        let room = system::raise_descriptor_limit().saturating_sub(SPARE_DESCRIPTORS).max(1);
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
    fn sources(&self) -> Vec<std::net::IpAddr> {
        let needed = u8::try_from(self.order.readers.div_ceil(READERS_PER_ADDRESS)).unwrap_or(200);
        let count = self.order.source_addresses.unwrap_or(if needed > 1 { needed } else { 0 });
        let address = self.server.target.address;
        if !address.ip().is_loopback() || !address.is_ipv4() {
            return Vec::new();
        }
        (0..count).map(|nth| std::net::Ipv4Addr::new(127, 0, 0, nth + 2).into()).collect()
    }

    fn crew(&mut self) -> &mut Crew {
        self.crew.as_mut().expect("readers are gathered before they are spoken to")
    }

    /// Where the readers are.
    pub(super) fn status(&self) -> Status {
        self.crew.as_ref().map(Crew::status).unwrap_or_default()
    }

    /// Tells the readers something.
    pub(super) fn tell(&mut self, command: &Command) -> Result<(), LoadError> {
        self.crew().tell(command)
    }

    /// Connects these readers and waits until they have their streams; gives how long it took.
    pub(super) fn connect(&mut self, readers: Range<u32>) -> Result<Duration, LoadError> {
        let (start, before) = (Instant::now(), self.status().open);
        let count = u64::from(readers.end - readers.start);
        self.tell(&Command::Connect(readers))?;
        self.wait("connecting", before + count, |status| status.open + status.failed)?;
        let took = start.elapsed();
        let open = self.status().open - before;
        self.report.check_count("every reader gets a stream", open, count);
        Ok(took)
    }

    /// Waits until a count is reached; false when nothing came for as long as there is patience.
    pub(super) fn wait(
        &self,
        what: &str,
        total: u64,
        count: impl Fn(&Status) -> u64,
    ) -> Result<bool, LoadError> {
        self.wait_on(what, total, || count(&self.status()))
    }

    /// The same for a count of somebody else.
    pub(super) fn wait_on(
        &self,
        what: &str,
        total: u64,
        count: impl Fn() -> u64,
    ) -> Result<bool, LoadError> {
        self.screen.phase(what, total);
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            let now = count();
            self.screen.progress(now);
            if now >= total {
                return Ok(true);
            }
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() > self.order.patience {
                return Ok(false);
            }
            self.look()?;
        }
    }

    /// Lets so much time pass.
    pub(super) fn rest(&self, what: &str, time: Duration) -> Result<(), LoadError> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.screen.phase(what, milliseconds(time));
        let start = Instant::now();
        while start.elapsed() < time {
            self.screen.progress(milliseconds(start.elapsed()));
            self.look()?;
        }
        Ok(())
    }

    /// Lets the machine come to rest.
    pub(super) fn settle(&self) -> Result<(), LoadError> {
        self.rest("coming to rest", REST)
    }

    /// A short wait; fails when somebody wants it all to end.
    fn look(&self) -> Result<(), LoadError> {
        if self.stop.load(Ordering::Acquire) {
            return Err(LoadError::Interrupted);
        }
        thread::park_timeout(LOOK);
        Ok(())
    }

    /// What is published, as the order says.
    pub(super) fn load(&self) -> Load {
        let pace = match &self.recording {
            Some(recording) => Pace::Recorded(Arc::clone(&recording.times)),
            None if self.order.scenario == Scenario::Tokens => Pace::Uneven,
            None => Pace::Even,
        };
        let events = match &self.recording {
            Some(recording) => u32::try_from(recording.times.len()).unwrap_or(u32::MAX),
            None => self.order.events(),
        };
        let Order { jobs, rate, seed, .. } = *self.order;
        Load { jobs, rate, events, pace, seed }
    }

    /// Whether anything can be published.
    pub(super) const fn publishes(&self) -> bool {
        self.publisher.is_some()
    }

    /// Begins to publish; readers measure from then on.
    pub(super) fn play(&mut self, load: Load) -> Result<Playing, LoadError> {
        let start = now_ns() + LEAD;
        let duration = match self.order.closed {
            true => self.order.duration,
            false => Schedule::duration(&load),
        };
        let duration = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.begin(start, duration)?;
        let mut publisher = self.publisher.take().ok_or_else(|| {
            LoadError::Arguments("without --publish nothing can be published there".to_owned())
        })?;
        let board = publisher.board();
        let events = self.order.events.unwrap_or(u32::MAX);
        let closed = self.order.closed;
        let work = move || {
            let published = match closed {
                true => publisher.race(start + duration, events),
                false => publisher.play(Schedule::new(load), start),
            };
            (publisher, published)
        };
        let thread = thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(work)
            .map_err(|error| LoadError::setup("publishing", &error))?;
        Ok(Playing { thread, board })
    }

    /// Readers, if there are any, measure from then on.
    pub(super) fn begin(&mut self, start: u64, duration: u64) -> Result<(), LoadError> {
        let Some(crew) = &mut self.crew else { return Ok(()) };
        crew.tell(&Command::Begin(Windows::over(start, duration)))
    }

    /// Waits until all is published.
    pub(super) fn played(&mut self, playing: Playing) -> Result<Published, LoadError> {
        let expected = match self.order.closed {
            true => 0,
            false => u64::from(self.load().events) * u64::from(self.order.jobs),
        };
        self.screen.phase("publishing", expected);
        while !playing.thread.is_finished() {
            self.screen.progress(playing.board.sent().iter().map(|sent| u64::from(*sent)).sum());
            if let Err(error) = self.look() {
                playing.board.stop();
                return Err(error);
            }
        }
        let (publisher, published) = playing.thread.join().map_err(|_| LoadError::Readers)?;
        self.publisher = Some(publisher);
        published
    }

    /// How many events of each job there are.
    pub(super) fn published(&self) -> Vec<u32> {
        self.publisher.as_ref().map(|publisher| publisher.board().sent()).unwrap_or_default()
    }

    /// How many deliveries that makes, to the readers that are not slow.
    pub(super) fn due(&self) -> u64 {
        let published = self.published();
        let all = (0..self.order.readers).filter(|reader| !self.slow.contains(reader));
        let job = |reader: u32| reader as usize % self.order.jobs as usize;
        all.map(|reader| published.get(job(reader)).map_or(0, |events| u64::from(*events))).sum()
    }

    /// Waits until every reader has everything that is published.
    pub(super) fn wait_for_deliveries(&self) -> Result<bool, LoadError> {
        self.wait("delivering", self.due(), |status| status.delivered)
    }

    /// Ends the jobs.
    pub(super) fn end_jobs(&mut self) -> Result<(), LoadError> {
        self.screen.phase("ending the jobs", 0);
        let last = self.jobs.last.as_deref();
        self.publisher.as_mut().map_or(Ok(()), |publisher| publisher.finish(last))
    }

    /// Ends the jobs, waits until the readers know, and has them say what they saw.
    pub(super) fn finish(&mut self) -> Result<Outcome, LoadError> {
        self.end_jobs()?;
        self.wait_for_ends()?;
        self.dismiss()
    }

    /// Waits until the server has ended all streams, where it does.
    pub(super) fn wait_for_ends(&mut self) -> Result<(), LoadError> {
        if self.publisher.is_some() && self.jobs.reading.terminal.is_some() {
            let readers = u64::from(self.order.readers - (self.slow.end - self.slow.start));
            self.wait("ending", readers, |status| status.ended)?;
            let ended = self.status().ended.min(readers);
            self.report.check_count("every stream ends after the job's end", ended, readers);
        }
        Ok(())
    }

    /// Has the readers say what they saw, and sends them home.
    pub(super) fn dismiss(&mut self) -> Result<Outcome, LoadError> {
        let published = self.published();
        let crew = self.crew.take().expect("readers are gathered before they finish");
        let outcome = crew.finish(published)?;
        self.report.check_outcome(&outcome);
        Ok(outcome)
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
