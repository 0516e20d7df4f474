//! Streams: opening, hearing, losing.

use super::{Busy, Command, Commands, EndCode, Machine, Moment, Phase, after_drop};

/// A stream says hello within this time, or something holds it back.
const HELLO_MS: u64 = 3_000;

/// So many keep-alives missed, and a little, and the stream is dead.
const MISSED: u64 = 3;
const SLACK_MS: u64 = 1_000;

/// A stream that lived this long starts the delays from the beginning.
const STABLE_MS: u64 = 6_000;

/// One that did not live this long was cut at once.
pub(super) const SHORT_MS: u64 = 1_000;

/// So many streams in a row that did not get through, and it polls.
pub(super) const STRIKES: u32 = 3;

impl Machine {
    pub(super) fn open(&mut self, at: Moment) -> Commands {
        self.busy = Busy::Stream;
        self.greeted = false;
        self.leaving = false;
        self.since = at.now;
        self.retry_at = None;
        self.deadline = Some(at.now + HELLO_MS);
        vec![Command::Open]
    }

    pub(super) fn greet(&mut self, keep_alive_ms: Option<u64>, at: Moment) -> Commands {
        if self.busy != Busy::Stream {
            return Vec::new();
        }
        self.phase = Phase::Live;
        self.reason = None;
        self.retry_at = None;
        self.polling = false;
        self.greeted = true;
        self.renewed = false;
        self.live_since = at.now;
        self.heard_at = at.now;
        self.keep_alive_ms = keep_alive_ms.unwrap_or(self.keep_alive_ms);
        self.probes = 0;
        self.quiet = 0;
        self.deadline = Some(at.now + self.silence_limit());
        Vec::new()
    }

    /// What is heard before the hello proves nothing: it may be a proxy that speaks.
    pub(super) fn hear(&mut self, idle: bool, at: Moment) -> Commands {
        if !self.greeted || self.busy != Busy::Stream {
            return Vec::new();
        }
        let seen = at.now.saturating_sub(self.heard_at);
        // Longer than the limit was no interval but a sleep: awake, the stream would have been given up.
        if idle && seen > self.keep_alive_ms && seen <= self.silence_limit() {
            self.keep_alive_ms = seen;
        }
        self.heard_at = at.now;
        self.deadline = Some(at.now + self.silence_limit());
        Vec::new()
    }

    const fn silence_limit(&self) -> u64 {
        MISSED * self.keep_alive_ms + SLACK_MS
    }

    pub(super) fn broken(&mut self, reason: &str, at: Moment) -> Commands {
        let lived = at.now.saturating_sub(self.live_since);
        if self.greeted && lived >= STABLE_MS {
            self.failures = 0;
        }
        if !self.leaving && (!self.greeted || lived < SHORT_MS) {
            self.strikes += 1;
        } else if self.greeted {
            self.strikes = 0;
        }
        match self.retry_ms {
            Some(retry_ms) if self.leaving => self.come_back(retry_ms, at),
            _ if self.is_probe() => self.resume_polling(at),
            _ if self.strikes >= STRIKES && self.options.polls => self.start_polling(reason, at),
            _ => self.try_again(reason, 0, at),
        }
    }

    /// The server named the time itself, drawn for this reader.
    fn come_back(&mut self, delay: u64, at: Moment) -> Commands {
        if self.is_probe() {
            return self.resume_polling(at);
        }
        if !self.greeted {
            self.failures += 1;
        }
        if self.is_spent() {
            let reason = "the server keeps asking to come back later";
            return self.end(Some(EndCode::GaveUp), Some(reason));
        }
        self.wait("the server asked to come back", at.now + delay)
    }

    /// Whether the stream under way is only a try of one that lives on polls.
    pub(super) fn is_probe(&self) -> bool {
        self.polling && self.busy == Busy::Stream && !self.greeted
    }

    pub(super) fn stream_refused(&mut self, reason: &str, hint_ms: u64, at: Moment) -> Commands {
        if self.is_probe() {
            return self.resume_polling(at);
        }
        self.strikes += 1;
        // A hint says that the server is there and knows what it wants: then it is waited for.
        if self.strikes >= STRIKES && hint_ms == 0 && self.options.polls {
            return self.start_polling(reason, at);
        }
        self.try_again(reason, hint_ms, at)
    }

    /// Nothing broke, and yet nothing comes.
    pub(super) fn silent(&mut self, at: Moment) -> Commands {
        let seconds = (at.now.saturating_sub(self.heard_at) + 500) / 1_000;
        self.leaving = false;
        self.broken(&format!("nothing came for {seconds} s"), at)
    }

    /// A stream without a hello: something on the way holds it back.
    pub(super) fn swallowed(&mut self, at: Moment) -> Commands {
        let reason = "the stream is held back on the way";
        if self.is_probe() {
            self.resume_polling(at)
        } else if self.options.polls {
            self.start_polling(reason, at)
        } else {
            self.try_again(reason, 0, at)
        }
    }

    pub(super) fn wake_stream(&mut self, at: Moment) -> Commands {
        // More than a keep-alive is overdue: enough doubt where somebody has just come back.
        let doubtful = if self.greeted {
            10 * at.now.saturating_sub(self.heard_at) > 14 * self.keep_alive_ms
        } else {
            at.now.saturating_sub(self.since) >= HELLO_MS
        };
        if !doubtful {
            return Vec::new();
        }
        self.doubt();
        if self.polling {
            self.phase = Phase::Polling;
        }
        after_drop(self.open(at))
    }
}
