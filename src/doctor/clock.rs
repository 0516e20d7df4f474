//! The clock, held against those of others.

use std::time::{Duration, SystemTime};

use super::Finding;

/// From how far off a clock is wrong enough to be told; dates of HTTP have whole seconds.
const OFF: f64 = 3.0;

/// From how far off tickets, signatures and leases do not hold.
const FAR_OFF: f64 = 60.0;

/// Another clock, as it was compared with ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// Whose it is.
    pub(super) whose: String,
    /// How much it is ahead of ours, in seconds; negative when it is behind.
    pub(super) ahead: f64,
    /// How far off that may be, in seconds.
    pub(super) give: f64,
}

impl Asked {
    /// By the `Date` of an answer, which is a whole second between the two moments.
    pub(super) fn of_date(
        whose: &str,
        date: &str,
        before: SystemTime,
        after: SystemTime,
    ) -> Option<Self> {
        let told = seconds(httpdate::parse_http_date(date).ok()?);
        Some(Self::of(whose, told + 0.5, 0.5, before, after))
    }

    /// By milliseconds that were told between the two moments.
    pub(super) fn of_ms(whose: &str, told: i64, before: SystemTime, after: SystemTime) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit")]
        let told = told as f64 / 1_000.0;
        Self::of(whose, told, 0.0, before, after)
    }

    fn of(whose: &str, told: f64, give: f64, before: SystemTime, after: SystemTime) -> Self {
        let (before, after) = (seconds(before), seconds(after));
        let (middle, half) = (f64::midpoint(before, after), (after - before).abs() / 2.0);
        Self { whose: whose.to_owned(), ahead: told - middle, give: give + half }
    }

    /// How far off it is at least.
    fn off(&self) -> f64 {
        (self.ahead.abs() - self.give).max(0.0)
    }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Whether this machine's clock is that of the others.
pub(super) fn judge(asked: &[Asked]) -> Finding {
    const CHECK: &str = "clock";
    let worst = asked.iter().max_by(|one, other| one.off().total_cmp(&other.off()));
    let Some(worst) = worst else {
        return Finding::not_checked(
            CHECK,
            "nobody to compare it with; --server or --url names one",
        );
    };
    let (off, whose) = (worst.off(), &worst.whose);
    let finding = if off < OFF {
        let mut names: Vec<_> = asked.iter().map(|asked| asked.whose.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        Finding::good(CHECK, format!("agrees with {}", names.join(", ")))
    } else {
        let direction = if worst.ahead > 0.0 { "behind" } else { "ahead of" };
        let text = format!(
            "this machine's clock is {off:.0} s {direction} that of {whose}: tickets, webhooks and leases \
             go by it; `timedatectl set-ntp true`"
        );
        if off < FAR_OFF { Finding::warning(CHECK, text) } else { Finding::fault(CHECK, text) }
    };
    finding.with("off_s", (off * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_date_has_whole_seconds_and_an_answer_takes_time() {
        let date = httpdate::fmt_http_date(at(1_000));
        for now in [1_000, 1_001] {
            let asked = Asked::of_date("x", &date, at(now), at(now)).unwrap();
            assert!(asked.off() < 0.01, "{asked:?}");
        }
        let slow = Asked::of_date("x", &date, at(990), at(1_010)).unwrap();
        assert!(slow.off() < 0.01, "{slow:?}");
    }

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        assert_eq!(judge(&[]).verdict, Verdict::NotChecked);
        let good = Asked::of_ms("the database", 1_000_400, at(1_000), at(1_000));
        assert_eq!(judge(std::slice::from_ref(&good)).verdict, Verdict::Good);
        let off = Asked::of_ms("the database", 1_010_000, at(1_000), at(1_000));
        let finding = judge(&[good, off]);
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.text.contains("10 s behind"), "{}", finding.text);
        let far = Asked::of_ms("the database", 1_000_000, at(1_300), at(1_300));
        let finding = judge(&[far]);
        assert_eq!(finding.verdict, Verdict::Fault);
        assert!(finding.text.contains("300 s ahead"), "{}", finding.text);
    }
}
