//! Settings with units: spans of time, sizes.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::form::{Described, Form};

/// A span of time: a number with `ms`, `s`, `m`, `h` or `d`, or a bare number of the given unit.
pub(super) struct Time(pub(super) Duration, pub(super) RangeInclusive<Duration>);

/// Units of time by their letters, the longest first.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Form for Time {
    type Value = Duration;

    fn read(&self, text: &str) -> Option<Duration> {
        let (number, unit) = split_unit(text)?;
        let unit_ms = match unit {
            "" => u64::try_from(self.0.as_millis()).ok()?,
            _ => TIME_UNITS.iter().find(|(letters, _)| *letters == unit)?.1,
        };
        let span = Duration::from_millis(number.checked_mul(unit_ms)?);
        self.1.contains(&span).then_some(span)
    }

    fn show(&self, value: &Duration) -> Option<String> {
        Some(show_time(*value))
    }

    fn describe(&self) -> Described {
        let (low, high) = (show_time(*self.1.start()), show_time(*self.1.end()));
        let unit = show_time(self.0);
        let unit = unit.trim_start_matches('1');
        let allowed = format!(
            "a time from {low} to {high}, as in 500ms, 30s, 10m, 2h, 7d (without a unit: {unit})"
        );
        Described::new("TIME", allowed)
    }
}

fn show_time(span: Duration) -> String {
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if span_ms == 0 {
        return "0s".to_owned();
    }
    let whole = TIME_UNITS.iter().find(|(_, unit_ms)| span_ms.is_multiple_of(*unit_ms));
    let (letters, unit_ms) = whole.expect("a millisecond divides everything");
    format!("{}{letters}", span_ms / unit_ms)
}

/// A number of bytes, bare or with `K`, `M` or `G` (powers of 1,024).
pub(super) struct Size(pub(super) RangeInclusive<usize>);

/// Units of size by their letters, the largest first.
const SIZE_UNITS: [(&str, usize); 4] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("", 1)];

impl Form for Size {
    type Value = usize;

    fn read(&self, text: &str) -> Option<usize> {
        let (number, unit) = split_unit(text)?;
        let unit = unit.to_ascii_uppercase();
        let (_, factor) = SIZE_UNITS.iter().find(|(letter, _)| *letter == unit)?;
        let bytes = usize::try_from(number).ok()?.checked_mul(*factor)?;
        self.0.contains(&bytes).then_some(bytes)
    }

    fn show(&self, value: &usize) -> Option<String> {
        Some(show_size(*value))
    }

    fn describe(&self) -> Described {
        let (low, high) = (show_size(*self.0.start()), show_size(*self.0.end()));
        Described::new("BYTES", format!("a size from {low} to {high}, as in 65536, 64K, 512M, 2G"))
    }
}

fn show_size(bytes: usize) -> String {
    let fits = |factor: usize| bytes > 0 && bytes.is_multiple_of(factor);
    let (letter, factor) =
        SIZE_UNITS.into_iter().find(|(_, factor)| fits(*factor)).unwrap_or(("", 1));
    format!("{}{letter}", bytes / factor)
}

/// Cuts `10m` into 10 and `m`.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|symbol: char| !symbol.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_and_without_its_unit() {
        let form = Time(Duration::from_secs(1), Duration::ZERO..=Duration::from_secs(864_000));
        for (text, shown) in [
            ("30", "30s"),
            ("500ms", "500ms"),
            ("90s", "90s"),
            ("10m", "10m"),
            ("600", "10m"),
            ("2h", "2h"),
            ("7 d", "7d"),
            ("0", "0s"),
        ] {
            let value = form.read(text).unwrap_or_else(|| panic!("{text} is a time"));
            assert_eq!(form.show(&value).unwrap(), shown, "{text}");
        }
        for junk in ["", "s", "-1", "1.5s", "10 minutes", "11d", "99999999999999999999", "9e9"] {
            assert!(form.read(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn a_bare_number_of_a_days_setting_is_days() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Time(day, Duration::ZERO..=10 * day).read("3"), Some(3 * day));
    }

    #[test]
    fn a_size_counts_in_powers_of_1024() {
        let form = Size(1..=1 << 40);
        for (text, bytes, shown) in [
            ("1024", 1024, "1K"),
            ("256K", 262_144, "256K"),
            ("1m", 1_048_576, "1M"),
            ("3G", 3_221_225_472, "3G"),
            ("1000", 1000, "1000"),
        ] {
            assert_eq!(form.read(text), Some(bytes), "{text}");
            assert_eq!(form.show(&bytes).unwrap(), shown);
        }
        for junk in ["", "0", "1T", "-1", "1.5M", "2000G", "99999999999999999999"] {
            assert!(form.read(junk).is_none(), "{junk}");
        }
    }
}
