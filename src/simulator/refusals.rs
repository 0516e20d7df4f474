//! The memory behind the marker `[429]`: how often a request has been refused already.

use std::collections::HashMap;
use std::sync::Mutex;

use super::answer::fingerprint;

/// How often the same request is refused before it is answered.
const REFUSALS: u8 = 2;

/// How many different requests are remembered. When there are more, all are forgotten: the price
/// is a refusal too many, and only somebody who asked for refusals pays it.
const MAX_REMEMBERED: usize = 1000;

/// Counts refusals by the request's body.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<u64, u8>>);

impl Refusals {
    /// Whether this request is one of the first two with its body.
    pub(super) fn refuse(&self, body: &[u8]) -> bool {
        let mut counts = self.0.lock().expect("no code that holds this lock panics");
        if counts.len() >= MAX_REMEMBERED {
            counts.clear();
        }
        let count = counts.entry(fingerprint(body)).or_default();
        let refused = *count < REFUSALS;
        *count = count.saturating_add(1);
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_requests_of_a_body_are_refused() {
        let refusals = Refusals::default();
        let answers = ["a", "a", "b", "a", "b", "b"].map(|body| refusals.refuse(body.as_bytes()));
        assert_eq!(answers, [true, true, true, false, true, false]);
    }

    #[test]
    fn the_memory_is_bounded() {
        let refusals = Refusals::default();
        for n in 0..5 * MAX_REMEMBERED {
            refusals.refuse(&n.to_le_bytes());
        }
        assert!(refusals.0.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
