//! What becomes of one connection.

use std::time::Duration;

/// What becomes of the bytes that the server sends, after so many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They arrive.
    Pass,
    /// They arrive, each time so much later.
    Delay(Duration),
    /// After these, the connection breaks: in the middle of a frame, as a rule.
    Cut(u64),
    /// After so many bytes of the request, the connection breaks: in the middle of a line.
    CutRequest(u64),
    /// After these, the server's direction ends in order; the other one stays open.
    Half(u64),
    /// After these, nothing comes any more, and nobody says so.
    Hole(u64),
    /// So many at a time, with a pause between.
    Drip(usize),
}

/// The pause between two drops of [`Fate::Drip`].
pub(super) const DRIP: Duration = Duration::from_millis(5);

impl Fate {
    /// The fate of the next connection: three of five are spared.
    pub(super) fn draw(random: &mut fastrand::Rng) -> Self {
        // Small ones as often as large ones.
        let mut bytes = |largest: u32| {
            let most = 1_u64 << random.u32(4..largest);
            random.u64(most / 2..=most)
        };
        let bytes_down = bytes(20);
        let bytes_up = bytes(14);
        match random.u8(0..20) {
            0..=1 => Self::Delay(Duration::from_millis(random.u64(1..=30))),
            2..=3 => Self::Cut(bytes_down),
            4 => Self::CutRequest(bytes_up),
            5 => Self::Half(bytes_down),
            6 => Self::Hole(bytes_down),
            7 => Self::Drip(random.usize(512..=16_384)),
            _ => Self::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_is_drawn_and_most_connections_are_spared() {
        let mut random = fastrand::Rng::with_seed(1);
        let fates: Vec<_> = (0..1000).map(|_| Fate::draw(&mut random)).collect();
        let count = |is: fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count();
        let counts = [
            count(|fate| matches!(fate, Fate::Delay(_))),
            count(|fate| matches!(fate, Fate::Cut(_))),
            count(|fate| matches!(fate, Fate::CutRequest(_))),
            count(|fate| matches!(fate, Fate::Half(_))),
            count(|fate| matches!(fate, Fate::Hole(_))),
            count(|fate| matches!(fate, Fate::Drip(_))),
        ];
        assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
        assert!(count(|fate| matches!(fate, Fate::Pass)) > 500);
    }
}
