//! The latest of what a histogram was given.

use prometheus::Histogram;
use prometheus::core::Collector;

/// What a histogram was given since it was last asked.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// How many there were up to each bound, and in all, when it was last asked.
    before: Vec<u64>,
}

impl Recent {
    /// Bounds below which these shares of what is new lie; nothing where nothing is new. A share beyond
    /// the last bound has the last bound.
    pub fn quantiles<const N: usize>(
        &mut self,
        histogram: &Histogram,
        shares: [f64; N],
    ) -> Option<[f64; N]> {
        let families = histogram.collect();
        let histogram = families.first()?.get_metric().first()?.get_histogram();
        let buckets = histogram.get_bucket();
        let mut bounds: Vec<f64> =
            buckets.iter().map(prometheus::proto::Bucket::upper_bound).collect();
        let mut now: Vec<u64> =
            buckets.iter().map(prometheus::proto::Bucket::cumulative_count).collect();
        // The crate has no bucket for what is beyond the last bound.
        bounds.push(f64::INFINITY);
        now.push(histogram.get_sample_count());
        let before = std::mem::replace(&mut self.before, now.clone());
        let new: Vec<u64> = now
            .iter()
            .enumerate()
            .map(|(place, count)| count - before.get(place).copied().unwrap_or(0))
            .collect();
        let all = *new.last()?;
        if all == 0 {
            return None;
        }
        Some(shares.map(|share| bound(&bounds, &new, share)))
    }
}

/// Where a share lies, as `histogram_quantile` has it: evenly spread between two bounds.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn bound(bounds: &[f64], counts: &[u64], share: f64) -> f64 {
    let all = counts.last().copied().unwrap_or(0);
    let wanted = share * all as f64;
    let place = counts.iter().position(|count| *count as f64 >= wanted);
    let place = place.unwrap_or(bounds.len() - 1);
    let (from, under) = match place.checked_sub(1) {
        Some(before) => (bounds[before], counts[before]),
        None => (0.0, 0),
    };
    let within = (counts[place] - under).max(1) as f64;
    let until = bounds[place];
    if until.is_infinite() {
        from
    } else {
        from + (until - from) * (wanted - under as f64) / within
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::HistogramOpts;

    #[test]
    fn only_what_is_new_counts() {
        let opts = HistogramOpts::new("z", "z").buckets(vec![1.0, 2.0, 4.0]);
        let histogram = Histogram::with_opts(opts).unwrap();
        let mut recent = Recent::default();
        assert_eq!(recent.quantiles(&histogram, [0.5]), None);
        (0..10).for_each(|_| histogram.observe(0.5));
        assert_eq!(recent.quantiles(&histogram, [0.5, 1.0]), Some([0.5, 1.0]));
        assert_eq!(recent.quantiles(&histogram, [0.5]), None);
        (0..10).for_each(|_| histogram.observe(3.0));
        let [half] = recent.quantiles(&histogram, [0.5]).unwrap();
        assert!((half - 3.0).abs() < 0.001, "{half}");
        (0..10).for_each(|_| histogram.observe(9.0));
        assert_eq!(recent.quantiles(&histogram, [0.5]), Some([4.0]), "the last bound");
    }
}
