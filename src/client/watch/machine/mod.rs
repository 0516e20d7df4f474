//! What a watch does next: a pure function of where it is, what happened, the time and a draw.
//!
//! A [`Machine`] opens nothing and waits for nothing. It says what is to be done ([`Command`]) and
//! by when it wants to hear again ([`Machine::deadline`]); whoever runs it does that, and tells it
//! what came of it ([`Happening`]). The TypeScript client has the same machine, and both are held to
//! `client/vectors/machine.json`.
//!
//! One thing is under way at a time: a stream, a poll, a look after a new address, or nothing. So a
//! stream and a poll never run together, and one count of failures serves both.
//!
//! ```
//! use tailwater::client::machine::{Command, Happening, Machine, Options, Phase};
//!
//! let mut machine = Machine::new(Options::default());
//! assert_eq!(machine.step(&Happening::Start, 0, 0.5), [Command::Open]);
//! // Something on the way holds the stream back: its hello does not come.
//! let commands = machine.step(&Happening::Tick, 3_000, 0.5);
//! assert_eq!(commands, [Command::Drop, Command::Poll { wait_s: 0 }]);
//! let page = Happening::Page { events: 4, poll_after_ms: None };
//! assert_eq!(machine.step(&page, 3_050, 0.5), []);
//! assert_eq!((machine.phase(), machine.deadline()), (Phase::Polling, Some(3_250)));
//! ```

mod poll;
mod stream;
#[cfg(test)]
mod tests;
mod words;

pub use words::{Busy, Command, EndCode, Happening, Options, Phase};

/// The server's own interval of keep-alives, unless its hello says another.
const KEEP_ALIVE_MS: u64 = 5_000;

/// Where a watch is: plain data.
#[derive(Clone, Debug)]
pub struct Machine {
    options: Options,
    phase: Phase,
    reason: Option<String>,
    /// When the next try is due, for people to see.
    retry_at: Option<u64>,
    busy: Busy,
    deadline: Option<u64>,
    /// Whether it lives on polls for now.
    polling: bool,
    /// Why it does, for people.
    polling_because: Option<String>,
    /// Whether the stream under way has said hello.
    greeted: bool,
    /// Whether the server announced the end of this stream.
    leaving: bool,
    /// Whether the poll under way is to find out why a stream was refused.
    asking: bool,
    hidden: bool,
    /// When what is under way was begun.
    since: u64,
    /// How long the server may hold the poll that is under way, in seconds.
    wait_s: u64,
    /// When the stream that is under way said hello.
    live_since: u64,
    heard_at: u64,
    /// The silence that is usual: as the server says, or longer where longer was seen.
    keep_alive_ms: u64,
    /// The server's `retry:`; none before it named one.
    retry_ms: Option<u64>,
    /// Failures in a row, of streams and polls alike.
    failures: u32,
    /// Streams in a row that broke before their hello, or right after it.
    strikes: u32,
    /// Polls in a row that the network did not hold for as long as asked.
    cut_waits: u32,
    /// Polls in a row without news.
    quiet: usize,
    /// When a stream is tried again.
    probe_at: u64,
    /// How many such tries failed.
    probes: usize,
    /// Whether the address was renewed since a stream last got through.
    renewed: bool,
}

/// An answer that is later than that (and the wait) will not come.
const ANSWER_MS: u64 = 10_000;

/// What is told of such a one.
const LATE: &str = "the answer did not come";

/// Statuses that stay the same however often one asks.
const FINAL: [u16; 5] = [400, 401, 403, 404, 410];

type Commands = Vec<Command>;

impl Machine {
    /// A machine that has not started.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self {
            options,
            phase: Phase::Connecting,
            reason: None,
            retry_at: None,
            busy: Busy::Nothing,
            deadline: None,
            polling: false,
            polling_because: None,
            greeted: false,
            leaving: false,
            asking: false,
            hidden: false,
            since: 0,
            wait_s: 0,
            live_since: 0,
            heard_at: 0,
            keep_alive_ms: KEEP_ALIVE_MS,
            retry_ms: None,
            failures: 0,
            strikes: 0,
            cut_waits: 0,
            quiet: 0,
            probe_at: 0,
            probes: 0,
            renewed: false,
        }
    }

    /// Where the watch is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Why it is there, for people; nothing while there is nothing to explain.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// When the next try is due, while one is planned; for people to see.
    #[must_use]
    pub const fn retry_at(&self) -> Option<u64> {
        self.retry_at
    }

    /// What is under way.
    #[must_use]
    pub const fn busy(&self) -> Busy {
        self.busy
    }

    /// When it wants a [`Happening::Tick`].
    #[must_use]
    pub const fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    /// Moves on by what happened at `now`, and gives what is to be done.
    ///
    /// `now` is in milliseconds since any moment and never goes back; `draw` is a number from 0 up to
    /// 1, drawn anew for each step: the jitter.
    #[must_use = "the commands are what the machine wants done"]
    pub fn step(&mut self, happening: &Happening, now: u64, draw: f64) -> Vec<Command> {
        let at = Moment { now, draw };
        if self.phase == Phase::Ended {
            return Vec::new();
        }
        match happening {
            Happening::Start if self.options.streams => self.open(at),
            Happening::Start => {
                self.polling = true;
                self.poll(at)
            }
            Happening::Hello { keep_alive_ms } => self.greet(*keep_alive_ms, at),
            Happening::Heard { idle } => self.hear(*idle, at),
            Happening::Retry { ms } => {
                self.retry_ms = Some(*ms);
                Vec::new()
            }
            Happening::Bye { retry_ms } => {
                self.leaving = true;
                self.retry_ms = retry_ms.or(self.retry_ms);
                Vec::new()
            }
            Happening::Broken { reason } => self.only_if(Busy::Stream, |it| it.broken(reason, at)),
            Happening::Closed => self.only_if(Busy::Stream, |it| it.ask(at)),
            Happening::Refused { status, retry_after_ms, reason } => {
                self.refused(*status, *retry_after_ms, reason, at)
            }
            Happening::Failed { reason } => match self.busy {
                Busy::Renew => self.try_again(reason, 0, at),
                Busy::Poll => self.poll_failed(reason, 0, at),
                Busy::Nothing | Busy::Stream => Vec::new(),
            },
            Happening::Page { events, poll_after_ms } => {
                self.only_if(Busy::Poll, |it| it.page(*events, *poll_after_ms, at))
            }
            Happening::Renewed => self.only_if(Busy::Renew, |it| {
                it.renewed = true;
                it.open(at)
            }),
            Happening::Changed => self.changed(at),
            Happening::Wake => self.wake(at),
            Happening::Hidden { hidden } => {
                self.hidden = *hidden;
                Vec::new()
            }
            Happening::Tick => self.tick(at),
            Happening::Over => self.end(None, None),
        }
    }

    fn only_if(&mut self, busy: Busy, step: impl FnOnce(&mut Self) -> Commands) -> Commands {
        if self.busy == busy { step(self) } else { Vec::new() }
    }

    /// Another try after a delay; the server's hint is a floor, and jittered too.
    fn try_again(&mut self, reason: &str, hint_ms: u64, at: Moment) -> Commands {
        let delay = self.delay(hint_ms, at.draw);
        self.failures += 1;
        if self.is_spent() {
            return self.end(Some(EndCode::GaveUp), Some(reason));
        }
        self.wait(reason, at.now + delay)
    }

    fn delay(&self, hint_ms: u64, draw: f64) -> u64 {
        let Options { base_ms, cap_ms, .. } = self.options;
        let base = if self.polling { base_ms } else { self.retry_ms.unwrap_or(base_ms) };
        let longest = base.saturating_mul(1 << self.failures.min(30)).min(cap_ms);
        let drawn = draw * as_f64(longest);
        let hint = as_f64(hint_ms);
        as_ms(if hint_ms > 0 { drawn.max(hint * (1.0 + draw / 5.0)) } else { drawn })
    }

    fn is_spent(&self) -> bool {
        self.options.limit.is_some_and(|limit| self.failures > limit)
    }

    fn wait(&mut self, reason: &str, until: u64) -> Commands {
        self.busy = Busy::Nothing;
        self.phase = Phase::Reconnecting;
        self.reason = Some(reason.to_owned());
        self.retry_at = Some(until);
        self.deadline = Some(until);
        Vec::new()
    }

    fn refused(&mut self, status: u16, hint_ms: u64, reason: &str, at: Moment) -> Commands {
        if self.busy == Busy::Nothing {
            return Vec::new();
        }
        let may_renew = self.busy == Busy::Stream && !self.renewed && matches!(status, 401 | 403);
        if may_renew {
            return self.renew(at);
        }
        if FINAL.contains(&status) {
            return self.end(Some(EndCode::Refused), Some(reason));
        }
        match self.busy {
            Busy::Poll => self.poll_failed(reason, hint_ms, at),
            Busy::Stream => self.stream_refused(reason, hint_ms, at),
            Busy::Renew | Busy::Nothing => self.try_again(reason, hint_ms, at),
        }
    }

    /// The address may have outlived its right; whoever may see the job gets another one.
    fn renew(&mut self, at: Moment) -> Commands {
        self.busy = Busy::Renew;
        self.phase = Phase::Reconnecting;
        self.reason = Some("the stream's address is no longer valid".to_owned());
        self.since = at.now;
        self.deadline = Some(at.now + ANSWER_MS);
        vec![Command::Renew]
    }

    fn changed(&mut self, at: Moment) -> Commands {
        match self.busy {
            Busy::Stream => after_drop(self.open(at)),
            Busy::Nothing if self.polling && self.failures == 0 => self.poll(at),
            Busy::Nothing | Busy::Poll | Busy::Renew => Vec::new(),
        }
    }

    fn wake(&mut self, at: Moment) -> Commands {
        match self.busy {
            Busy::Nothing if self.polling => {
                self.probe_at = at.now;
                self.doubt();
                self.poll(at)
            }
            Busy::Nothing => self.open(at),
            Busy::Stream => self.wake_stream(at),
            Busy::Poll => self.wake_poll(at),
            Busy::Renew => Vec::new(),
        }
    }

    /// What is asked next is not to be held: it may go out on a connection that died too.
    fn doubt(&mut self) {
        self.phase = Phase::Reconnecting;
        self.reason = Some("the connection may have died while the page was away".to_owned());
    }

    fn tick(&mut self, at: Moment) -> Commands {
        if self.deadline.is_none_or(|deadline| at.now < deadline) {
            return Vec::new();
        }
        match self.busy {
            Busy::Nothing => self.due(at),
            Busy::Stream if self.greeted => after_drop(self.silent(at)),
            Busy::Stream => after_drop(self.swallowed(at)),
            Busy::Poll => after_drop(self.poll_failed(LATE, 0, at)),
            Busy::Renew => after_drop(self.try_again(LATE, 0, at)),
        }
    }

    fn due(&mut self, at: Moment) -> Commands {
        let probes = self.options.streams && self.failures == 0 && self.probe_at <= at.now;
        if !self.polling || probes { self.open(at) } else { self.poll(at) }
    }

    fn end(&mut self, code: Option<EndCode>, reason: Option<&str>) -> Commands {
        self.busy = Busy::Nothing;
        self.phase = Phase::Ended;
        self.reason = reason.map(str::to_owned);
        self.retry_at = None;
        self.deadline = None;
        vec![Command::Drop, Command::End(code)]
    }
}

/// When a step is, and the number drawn for it.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: u64,
    draw: f64,
}

/// The commands after letting go of what is under way.
fn after_drop(mut commands: Commands) -> Commands {
    if commands.first() != Some(&Command::Drop) {
        commands.insert(0, Command::Drop);
    }
    commands
}

#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 ms")]
const fn as_f64(ms: u64) -> f64 {
    ms as f64
}

/// Halves go up, as `Math.round` has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a delay is no more than a few minutes and never negative"
)]
fn as_ms(ms: f64) -> u64 {
    (ms + 0.5).floor() as u64
}
