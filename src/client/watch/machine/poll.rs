//! Polls: what a watch lives on where streams do not get through.

use super::stream::{SHORT_MS, STRIKES};
use super::{ANSWER_MS, Busy, Command, Commands, EndCode, Machine, Moment, Phase, after_drop};

/// While polling, a stream is tried after these times, the last one again and again.
const PROBE_MS: [u64; 4] = [30_000, 60_000, 120_000, 300_000];

/// How long the server may hold a poll, in seconds: below every proxy's limit.
const WAIT_S: u64 = 20;

/// So many held polls cut by the network, and the server is no longer asked to hold them.
const CUT_WAITS: u32 = 2;

/// Polls begin at least this far apart, however fast events come: a page takes many.
const PACE_MS: u64 = 250;

/// The delays between polls that bring nothing, where the server names none.
const QUIET_MS: [u64; 4] = [1_000, 2_000, 5_000, 10_000];

/// How far apart polls are that nobody sees.
const HIDDEN_MS: u64 = 60_000;

impl Machine {
    /// A carrier does not tell a status; a page of the same events does.
    pub(super) fn ask(&mut self, at: Moment) -> Commands {
        if self.is_probe() {
            return self.resume_polling(at);
        }
        self.lose("the stream was refused");
        self.asking = true;
        self.poll(at)
    }

    /// What was live is not any more; what comes of it is seen with the next answer.
    fn lose(&mut self, reason: &str) {
        if self.phase == Phase::Live {
            self.phase = Phase::Reconnecting;
        }
        self.reason = Some(reason.to_owned());
    }

    pub(super) fn start_polling(&mut self, reason: &str, at: Moment) -> Commands {
        self.lose(reason);
        self.failures += 1;
        self.polling = true;
        self.polling_because = Some(reason.to_owned());
        self.strikes = 0;
        self.quiet = 0;
        self.probe_at = at.now + PROBE_MS[0];
        if self.is_spent() { self.end(Some(EndCode::GaveUp), Some(reason)) } else { self.poll(at) }
    }

    /// A stream was tried while polling, and did not get through.
    pub(super) fn resume_polling(&mut self, at: Moment) -> Commands {
        self.probes += 1;
        let pause = PROBE_MS[self.probes.min(PROBE_MS.len() - 1)];
        self.phase = Phase::Polling;
        self.strikes = 0;
        self.probe_at = at.now + pause;
        self.poll(at)
    }

    pub(super) fn poll(&mut self, at: Moment) -> Commands {
        self.wait_s = self.wait_of_next();
        self.deadline = Some(at.now + self.wait_s * 1_000 + ANSWER_MS);
        self.busy = Busy::Poll;
        self.since = at.now;
        self.retry_at = None;
        vec![Command::Poll { wait_s: self.wait_s }]
    }

    /// Only a poll that is known to get through is held: until then an answer is wanted at once.
    fn wait_of_next(&self) -> u64 {
        let held = self.options.waits
            && self.phase == Phase::Polling
            && !self.asking
            && self.cut_waits < CUT_WAITS;
        if held { WAIT_S } else { 0 }
    }

    pub(super) fn page(
        &mut self,
        events: usize,
        poll_after_ms: Option<u64>,
        at: Moment,
    ) -> Commands {
        if self.asking {
            return self.answered(at);
        }
        self.busy = Busy::Nothing;
        self.phase = Phase::Polling;
        self.reason.clone_from(&self.polling_because);
        self.retry_at = None;
        self.failures = 0;
        if self.wait_s > 0 {
            self.cut_waits = 0;
        }
        self.quiet = if events > 0 { 0 } else { self.quiet + 1 };
        if self.options.streams && self.probe_at <= at.now {
            return self.open(at);
        }
        self.poll_later(poll_after_ms, at)
    }

    /// The server answers, only the stream was refused: perhaps something in between does not let it
    /// through.
    fn answered(&mut self, at: Moment) -> Commands {
        self.asking = false;
        self.strikes += 1;
        if self.strikes < STRIKES - 1 || !self.options.polls {
            return self.open(at);
        }
        self.start_polling("streams are refused on the way", at)
    }

    fn poll_later(&mut self, poll_after_ms: Option<u64>, at: Moment) -> Commands {
        let quiet = self.quiet.min(QUIET_MS.len());
        let usual = quiet.checked_sub(1).map_or(PACE_MS, |at| QUIET_MS[at]);
        let is_held = self.wait_of_next() > 0;
        let delay = if is_held { 0 } else { usual.max(poll_after_ms.unwrap_or(0)) };
        let mut due = (at.now + delay).max(self.since + PACE_MS);
        if self.hidden {
            due = due.max(at.now + HIDDEN_MS);
        }
        if due <= at.now {
            return self.poll(at);
        }
        self.busy = Busy::Nothing;
        let probe_at = if self.options.streams { self.probe_at } else { due };
        self.deadline = Some(due.min(probe_at));
        Vec::new()
    }

    pub(super) fn poll_failed(&mut self, reason: &str, hint_ms: u64, at: Moment) -> Commands {
        // One that failed at once was not cut while it was held.
        if self.wait_s > 0 && at.now.saturating_sub(self.since) >= SHORT_MS {
            self.cut_waits += 1;
        }
        self.asking = false;
        // Who cannot reach the server at all knows nothing of its streams: one is tried as soon as
        // it answers.
        self.probe_at = at.now;
        self.try_again(reason, hint_ms, at)
    }

    pub(super) fn wake_poll(&mut self, at: Moment) -> Commands {
        let is_late = at.now.saturating_sub(self.since) > (self.wait_s + 2) * 1_000;
        if is_late || self.polling {
            self.probe_at = at.now;
        }
        if !is_late {
            return Vec::new();
        }
        self.doubt();
        after_drop(self.poll(at))
    }
}
