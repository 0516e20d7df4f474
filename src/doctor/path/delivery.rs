//! What a reader got of what was pushed: the figures that are judged.

use std::time::{Duration, Instant};

use super::job::Pushed;
use super::listen::{End, Heard};
use super::pace;

/// Events that come closer to each other than this came together.
const TOGETHER: Duration = Duration::from_millis(60);

/// What a reader got.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Delivery {
    /// How late each event was that came, in the order in which they were pushed.
    pub(super) late: Vec<Duration>,
    /// How many never came.
    pub(super) missing: usize,
    /// How many came only when the job had ended.
    pub(super) held_to_the_end: usize,
    /// In how many lumps they came.
    pub(super) lumps: usize,
    /// How many came without their id, or with another one.
    pub(super) wrong_ids: usize,
    /// How many came with other data.
    pub(super) changed: usize,
    /// In how many pieces the body came before the job ended, whatever was in them.
    pub(super) pieces: usize,
    /// Why the stream broke, if it did, and how old it was.
    pub(super) broke: Option<(String, Duration)>,
    /// Whether it was still open long after the job had ended.
    pub(super) is_open: bool,
}

impl Delivery {
    /// The figures of one reader.
    pub(super) fn of(heard: &Heard, pushed: &[Pushed], ending: Instant) -> Self {
        let ours = || heard.events.iter().filter(|came| pace::is_ours(&came.message.event));
        let mut delivery = Self {
            pieces: heard.pieces.iter().filter(|at| **at < ending).count(),
            is_open: heard.end.is_none(),
            broke: match &heard.end {
                Some((at, End::Broken(why))) => Some((why.clone(), *at - heard.asked)),
                Some((_, End::Whole)) | None => None,
            },
            lumps: lumps(ours().map(|came| came.at)),
            ..Self::default()
        };
        for (number, pushed) in (1_u64..).zip(pushed) {
            let data = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            let found = ours()
                .find(|came| data(&came.message.data).is_some_and(|data| data["number"] == number));
            let Some(came) = found else {
                delivery.missing += 1;
                continue;
            };
            delivery.late.push(came.at.saturating_duration_since(pushed.at));
            delivery.held_to_the_end += usize::from(came.at >= ending);
            delivery.wrong_ids += usize::from(came.message.last_event_id != pushed.id.to_string());
            delivery.changed += usize::from(data(&came.message.data) != Some(pace::data(number)));
        }
        delivery
    }

    /// How many events came.
    pub(super) fn came(&self) -> usize {
        self.late.len()
    }

    /// The lateness that half of the events did not reach.
    pub(super) fn median(&self) -> Duration {
        let mut sorted = self.late.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// The greatest lateness.
    pub(super) fn most(&self) -> Duration {
        self.late.iter().max().copied().unwrap_or_default()
    }
}

fn lumps(moments: impl Iterator<Item = Instant>) -> usize {
    let mut before: Option<Instant> = None;
    let mut lumps = 0;
    for at in moments {
        if before.is_none_or(|before| at.saturating_duration_since(before) > TOGETHER) {
            lumps += 1;
        }
        before = Some(at);
    }
    lumps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_come_together_are_one_lump() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(lumps([0, 200, 400].map(at).into_iter()), 3);
        assert_eq!(lumps([400, 401, 402, 800].map(at).into_iter()), 2);
        assert_eq!(lumps(std::iter::empty()), 0);
    }
}
