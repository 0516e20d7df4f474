//! Watching a job until its end, by whatever carries its events.
//!
//! A [`machine`] decides what to do: read a stream, ask for pages of events where streams do not get
//! through, wait, try again. A [`Watch`] does it. The cursor moves only on events that were taken, so
//! whatever breaks a connection, the next one goes on behind the last event that was seen: none is
//! lost and none comes twice.

mod carrier;
mod clock;
mod event;
pub mod machine;
#[cfg(test)]
mod tests;

pub use event::{Reconnect, StreamEvent, WatchEvent};

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use reqwest::Url;
use tokio::time::sleep_until;

use crate::event::parse::{Item, Message, Parser};

use super::{Client, ClientError};
use carrier::{Arrived, Page, UnderWay};
use clock::Clock;
use event::Cursor;
use machine::{Command, EndCode, Happening, Machine, Phase};

/// The longest delay that a server's `retry:` can ask for, in milliseconds.
const LONGEST_RETRY_MS: u64 = 5 * 60 * 1_000;

/// A job being watched. Dropping it closes the connection, and leaves the job alone.
///
/// ```no_run
/// use tailwater::client::{Client, Options, Submit, WatchEvent};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(Options::new("http://127.0.0.1:8080"))?;
/// let submit = Submit {
///     kind: "blog".to_owned(),
///     input: serde_json::json!({ "topic": "the tides", "words": 300 }),
///     ..Submit::default()
/// };
/// let job = client.submit(&submit).await?;
/// let mut watch = client.watch_url(&job.stream_url, 0);
/// while let Some(event) = watch.next().await? {
///     match event {
///         WatchEvent::Event(event) if event.name == "content" => {
///             print!("{}", event.data["text"].as_str().unwrap_or_default());
///         }
///         WatchEvent::Polling { reason } => eprintln!("polling: {reason}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watch {
    client: Client,
    stream_url: String,
    /// Where the job itself is, for polls and a fresh address; nothing for a stream of several jobs.
    job_url: Option<Url>,
    machine: Machine,
    has_started: bool,
    clock: Clock,
    under_way: UnderWay,
    parser: Parser,
    /// Up to where events were taken from the server.
    taken: Cursor,
    /// What was taken and not yet handed out.
    ready: VecDeque<WatchEvent>,
    /// Up to where events were handed out.
    cursor: u64,
    /// What a watcher was told last of where the watch is.
    told: (Phase, Option<u64>),
    /// The newest refusal, for when the machine ends over it.
    refusal: Option<ClientError>,
    /// Whether anything ever got through: until then an unreachable server is an error.
    was_connected: bool,
}

impl Watch {
    pub(super) fn new(client: Client, stream_url: String, after: u64) -> Self {
        let policy = client.options.reconnect;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let job_url = carrier::job_url(&stream_url);
        let machine = Machine::new(machine::Options {
            polls: job_url.is_some(),
            base_ms: ms(policy.first),
            cap_ms: ms(policy.ceiling),
            limit: policy.retries.map(|retries| u32::try_from(retries).unwrap_or(u32::MAX)),
            ..machine::Options::default()
        });
        Self {
            stream_url,
            job_url,
            told: (machine.phase(), None),
            machine,
            has_started: false,
            clock: Clock::default(),
            under_way: UnderWay::Nothing,
            parser: Parser::new(client.options.event_limit),
            taken: Cursor::new(after),
            ready: VecDeque::new(),
            cursor: after,
            refusal: None,
            was_connected: false,
            client,
        }
    }

    /// The id of the last event that was handed out: where another watch could go on.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Where the watch is: connecting, live, polling, reconnecting or ended.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.machine.phase()
    }

    /// Why it is there, for people; nothing while there is nothing to explain.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.machine.reason()
    }

    /// What happens next; nothing once the terminal event was handed out, or when the server says
    /// that there is nothing behind the cursor.
    ///
    /// # Errors
    /// When the job is unknown, the server refuses for good, cannot be reached from the start, or
    /// [`super::Options::reconnect`] is used up.
    ///
    /// # Cancel safety
    /// A call that is dropped loses no event.
    pub async fn next(&mut self) -> Result<Option<WatchEvent>, ClientError> {
        self.clock.start();
        let next = self.drive().await;
        self.clock.stop();
        next
    }

    async fn drive(&mut self) -> Result<Option<WatchEvent>, ClientError> {
        if !self.has_started {
            self.has_started = true;
            self.happen(&Happening::Start)?;
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.cursor = event.id().unwrap_or(self.cursor);
                return Ok(Some(event));
            }
            if self.machine.phase() == Phase::Ended {
                return Ok(None);
            }
            let deadline = self.machine.deadline().map(|deadline| self.clock.at(deadline));
            let too_late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                arrived = self.under_way.next(&self.client) => self.arrive(arrived)?,
                () = too_late => self.happen(&Happening::Tick)?,
            }
        }
    }

    fn arrive(&mut self, arrived: Arrived) -> Result<(), ClientError> {
        match arrived {
            Arrived::Opened(response) => {
                self.was_connected = true;
                self.parser = Parser::new(self.client.options.event_limit);
                self.under_way = UnderWay::Reading(response);
                Ok(())
            }
            Arrived::Bytes(bytes) => self.read(&bytes),
            Arrived::Page(page) => self.take_page(page),
            Arrived::Renewed(url) => {
                self.stream_url = url;
                self.happen(&Happening::Renewed)
            }
            Arrived::Over => self.happen(&Happening::Over),
            Arrived::Lost(error) => self.lose(error),
            Arrived::Refused { status, error } => self.refuse(status, error),
        }
    }

    /// Takes what a stream's bytes complete.
    fn read(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.parser.push(bytes);
        // A comment alone is a keep-alive. Bytes that complete nothing are a sign of life like any
        // other.
        let (mut comments, mut others) = (0, 0);
        while let Some(item) = self.parser.poll() {
            match item.map_err(|error| ClientError::Unreadable(error.to_string()))? {
                Item::Comment(_) => comments += 1,
                Item::Retry(ms) => {
                    others += 1;
                    self.happen(&Happening::Retry { ms: ms.min(LONGEST_RETRY_MS) })?;
                }
                Item::Message(message) => {
                    others += 1;
                    self.receive(message)?;
                }
            }
        }
        self.happen(&Happening::Heard { idle: comments > 0 && others == 0 })
    }

    fn receive(&mut self, message: Message) -> Result<(), ClientError> {
        let Some(event) = WatchEvent::from_message(message)? else { return Ok(()) };
        match &event {
            WatchEvent::Hello(data) => {
                let keep_alive_ms = data["keep_alive_ms"].as_u64();
                self.happen(&Happening::Hello { keep_alive_ms })?;
            }
            WatchEvent::Bye(data) => {
                let retry_ms = data["retry_ms"].as_u64().map(|ms| ms.min(LONGEST_RETRY_MS));
                self.happen(&Happening::Bye { retry_ms })?;
            }
            _ => {}
        }
        self.take(event)
    }

    /// Takes an event, unless it was taken before; with the last one the watch is over.
    fn take(&mut self, event: WatchEvent) -> Result<(), ClientError> {
        let is_end = matches!(&event, WatchEvent::Event(event) if event.is_terminal());
        if !self.taken.take(&event) {
            return Ok(());
        }
        self.ready.push_back(event);
        if is_end { self.happen(&Happening::Over) } else { Ok(()) }
    }

    fn take_page(&mut self, page: Page) -> Result<(), ClientError> {
        self.was_connected = true;
        let before = self.ready.len();
        if let (Some(gap), Some(snapshot)) = (page.gap, page.snapshot) {
            let id = gap["to"].as_u64().unwrap_or_default();
            self.take(WatchEvent::Gap(gap))?;
            let snapshot = StreamEvent { id, name: "snapshot".to_owned(), data: snapshot };
            self.take(WatchEvent::Snapshot(snapshot))?;
        }
        for event in page.events {
            let event = StreamEvent { id: event.id, name: event.name, data: event.data };
            self.take(WatchEvent::Event(event))?;
        }
        if page.ended {
            return self.happen(&Happening::Over);
        }
        let events = self.ready.len() - before;
        self.happen(&Happening::Page { events, poll_after_ms: page.poll_after_ms })
    }

    fn lose(&mut self, error: ClientError) -> Result<(), ClientError> {
        let ClientError::Unreachable { reason, .. } = error else { return Err(error) };
        if !self.was_connected && self.machine.busy() == machine::Busy::Stream {
            return self.fail(self.client.lost(reason));
        }
        match self.machine.busy() {
            machine::Busy::Stream => self.happen(&Happening::Broken { reason }),
            _ => self.happen(&Happening::Failed { reason }),
        }
    }

    fn refuse(&mut self, status: u16, error: ClientError) -> Result<(), ClientError> {
        let is_foreign = matches!(error, ClientError::Unreadable(_));
        if is_foreign && !self.was_connected && self.machine.busy() == machine::Busy::Poll {
            return self.fail(error);
        }
        self.was_connected |= !is_foreign;
        let retry_after = match &error {
            ClientError::Problem { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        let reason = error.to_string();
        self.refusal = Some(error);
        self.happen(&Happening::Refused { status, retry_after_ms, reason })
    }

    /// Ends the watch over something that no other try will mend.
    fn fail(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.happen(&Happening::Over)?;
        Err(error)
    }

    fn happen(&mut self, happening: &Happening) -> Result<(), ClientError> {
        let now = self.clock.now();
        let commands = self.machine.step(happening, now, fastrand::f64());
        self.tell(now);
        commands.into_iter().try_for_each(|command| self.obey(command))
    }

    fn obey(&mut self, command: Command) -> Result<(), ClientError> {
        let after = self.taken.at();
        match (command, &self.job_url) {
            (Command::Open, _) => {
                self.under_way = UnderWay::stream(&self.client, &self.stream_url, after);
            }
            (Command::Poll { wait_s }, Some(job_url)) => {
                self.under_way = UnderWay::poll(&self.client, job_url, after, wait_s);
            }
            (Command::Renew, Some(job_url)) => {
                self.under_way = UnderWay::renew(&self.client, job_url);
            }
            (Command::Drop, _) => self.under_way = UnderWay::Nothing,
            (Command::End(None), _) => {}
            (Command::End(Some(EndCode::GaveUp)), _) => {
                let reason = self.machine.reason().unwrap_or_default().to_owned();
                return Err(self.client.lost(reason));
            }
            // Without the job's own address nothing else can be tried.
            (Command::End(Some(EndCode::Refused)) | Command::Poll { .. } | Command::Renew, _) => {
                let unnamed = || self.client.lost("the server refuses the stream".to_owned());
                let refusal = self.refusal.take().unwrap_or_else(unnamed);
                return self.fail(refusal);
            }
        }
        Ok(())
    }

    /// Tells the watcher where the watch is, where that is news and no event says it.
    fn tell(&mut self, now: u64) {
        let (phase, retry_at) = (self.machine.phase(), self.machine.retry_at());
        if std::mem::replace(&mut self.told, (phase, retry_at)) == (phase, retry_at) {
            return;
        }
        let reason = self.machine.reason().unwrap_or_default().to_owned();
        match (phase, retry_at) {
            (Phase::Reconnecting, Some(at)) => {
                let delay = Duration::from_millis(at.saturating_sub(now));
                self.ready.push_back(WatchEvent::Reconnecting(Reconnect { delay, reason }));
            }
            (Phase::Polling, _) => self.ready.push_back(WatchEvent::Polling { reason }),
            _ => {}
        }
    }
}
