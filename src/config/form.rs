//! How the text of a setting becomes a value and back.
//!
//! Flags, variables and the settings file all hold text; one form per type reads it, so that a value
//! means the same and fails the same wherever it stands.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::telemetry;

/// What the values of a setting look like.
#[derive(Debug)]
pub(super) struct Described {
    /// What is allowed, to follow "must be".
    pub(super) allowed: String,
    /// What stands for the value in a usage line.
    pub(super) placeholder: &'static str,
    /// Whether the value is never shown.
    pub(super) secret: bool,
}

impl Described {
    fn new(placeholder: &'static str, allowed: impl Into<String>) -> Self {
        Self { allowed: allowed.into(), placeholder, secret: false }
    }
}

/// A way of writing values.
pub(super) trait Form {
    /// What the text means.
    type Value;
    /// The value of this text, or none when it is not allowed.
    fn read(&self, text: &str) -> Option<Self::Value>;
    /// The text of this value, or none when it means "not set"; [`Form::read`] reads it again.
    fn show(&self, value: &Self::Value) -> Option<String>;
    /// What is allowed.
    fn describe(&self) -> Described;
}

/// An address and a port; `localhost` stands for 127.0.0.1.
pub(super) struct Address;

impl Form for Address {
    type Value = SocketAddr;

    fn read(&self, text: &str) -> Option<SocketAddr> {
        match text.strip_prefix("localhost:") {
            Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
            None => text.parse().ok(),
        }
    }

    fn show(&self, value: &SocketAddr) -> Option<String> {
        Some(value.to_string())
    }

    fn describe(&self) -> Described {
        Described::new("ADDRESS", "an IP address and a port such as 127.0.0.1:8080")
    }
}

/// A path, relative to the working folder.
pub(super) struct Folder;

impl Form for Folder {
    type Value = PathBuf;

    fn read(&self, text: &str) -> Option<PathBuf> {
        (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
    }

    fn show(&self, value: &PathBuf) -> Option<String> {
        Some(value.display().to_string())
    }

    fn describe(&self) -> Described {
        Described::new("FOLDER", "the path of a folder")
    }
}

/// A whole number in a range.
pub(super) struct Whole(pub(super) RangeInclusive<u32>);

impl Form for Whole {
    type Value = u32;

    fn read(&self, text: &str) -> Option<u32> {
        text.parse().ok().filter(|number| self.0.contains(number))
    }

    fn show(&self, value: &u32) -> Option<String> {
        Some(value.to_string())
    }

    fn describe(&self) -> Described {
        let (low, high) = (self.0.start(), self.0.end());
        Described::new("NUMBER", format!("a whole number from {low} to {high}"))
    }
}

/// A decimal number in a range.
pub(super) struct Decimal(pub(super) RangeInclusive<f64>);

impl Form for Decimal {
    type Value = f64;

    fn read(&self, text: &str) -> Option<f64> {
        text.parse().ok().filter(|number| self.0.contains(number))
    }

    fn show(&self, value: &f64) -> Option<String> {
        Some(value.to_string())
    }

    fn describe(&self) -> Described {
        let (low, high) = (self.0.start(), self.0.end());
        Described::new("NUMBER", format!("a number from {low} to {high}"))
    }
}

/// A switch.
pub(super) struct OnOff;

impl Form for OnOff {
    type Value = bool;

    fn read(&self, text: &str) -> Option<bool> {
        match text {
            "on" | "true" => Some(true),
            "off" | "false" => Some(false),
            _ => None,
        }
    }

    fn show(&self, value: &bool) -> Option<String> {
        Some(if *value { "on" } else { "off" }.to_owned())
    }

    fn describe(&self) -> Described {
        Described::new("on|off", "'on' or 'off'")
    }
}

/// Any text that is not blank.
pub(super) struct Text;

impl Form for Text {
    type Value = String;

    fn read(&self, text: &str) -> Option<String> {
        let text = text.trim();
        (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
    }

    fn show(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }

    fn describe(&self) -> Described {
        Described::new("NAME", "a name on one line")
    }
}

/// A web address that others append paths to, kept without a slash at its end.
///
/// A user name and a password are refused in it: it is shown to people and written to logs.
pub(super) struct Url;

impl Form for Url {
    type Value = Option<String>;

    fn read(&self, text: &str) -> Option<Option<String>> {
        if text.is_empty() {
            return Some(None);
        }
        let url = reqwest::Url::parse(text).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        let bare = url.query().is_none() && url.fragment().is_none();
        let web = matches!(url.scheme(), "http" | "https");
        (plain && bare && web).then(|| Some(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn show(&self, value: &Option<String>) -> Option<String> {
        value.clone()
    }

    fn describe(&self) -> Described {
        Described::new("URL", "an http or https URL without user name, query or fragment")
    }
}

/// A value that is never shown.
pub(super) struct Secret;

impl Secret {
    /// What stands in its place.
    pub(super) const HIDDEN: &'static str = "set (hidden)";
}

impl Form for Secret {
    type Value = Option<SecretString>;

    fn read(&self, text: &str) -> Option<Option<SecretString>> {
        let text = text.trim();
        // It goes into a header, so it has to be what a header can hold.
        let sendable = text.bytes().all(|byte| byte.is_ascii_graphic());
        sendable.then(|| (!text.is_empty()).then(|| SecretString::from(text)))
    }

    fn show(&self, value: &Option<SecretString>) -> Option<String> {
        value.as_ref().map(|_| Self::HIDDEN.to_owned())
    }

    fn describe(&self) -> Described {
        Described {
            secret: true,
            ..Described::new("KEY", "visible ASCII characters without blanks")
        }
    }
}

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

/// A log filter.
pub(super) struct Filter;

impl Form for Filter {
    type Value = String;

    fn read(&self, text: &str) -> Option<String> {
        telemetry::check(text).ok().map(|()| text.to_owned())
    }

    fn show(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }

    fn describe(&self) -> Described {
        let allowed = "a log filter such as 'info' or 'tailwater=debug,warn' \
                       (levels: off, error, warn, info, debug, trace)";
        Described::new("FILTER", allowed)
    }
}

/// How log lines look.
pub(super) struct LogFormat;

impl Form for LogFormat {
    type Value = telemetry::Format;

    fn read(&self, text: &str) -> Option<telemetry::Format> {
        match text {
            "human" => Some(telemetry::Format::Human),
            "json" => Some(telemetry::Format::Json),
            _ => None,
        }
    }

    fn show(&self, value: &telemetry::Format) -> Option<String> {
        let word = match value {
            telemetry::Format::Human => "human",
            telemetry::Format::Json => "json",
        };
        Some(word.to_owned())
    }

    fn describe(&self) -> Described {
        Described::new("human|json", "'human' or 'json'")
    }
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

    #[test]
    fn an_address_has_a_port_and_may_be_localhost() {
        assert_eq!(Address.read("localhost:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(Address.read("[::1]:80").unwrap().to_string(), "[::1]:80");
        for junk in ["", "8080", "127.0.0.1", "example.org:80", "1.2.3.4:65536", "localhost:x"] {
            assert!(Address.read(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn a_url_is_for_the_web_and_holds_no_password() {
        let read = |text| Url.read(text).flatten();
        assert_eq!(read("http://localhost:11434/v1/").unwrap(), "http://localhost:11434/v1");
        assert_eq!(read("https://a.example").unwrap(), "https://a.example");
        for junk in
            ["localhost:80", "ftp://a", "http://u:p@a/", "http://a/?q", "http://a/#f", "/v1"]
        {
            assert!(Url.read(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert!(Whole(0..=3).read("4").is_none());
        assert!(Whole(0..=3).read("-1").is_none());
        for junk in ["0", "0.09", "1001", "NaN", "inf", "fast"] {
            assert!(Decimal(0.1..=1000.0).read(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn a_secret_that_no_header_could_carry_is_refused() {
        assert!(Secret.read("sk-\n1").is_none());
        assert!(Secret.read("schlüssel").is_none());
        assert!(Secret.read(" sk-1\n").unwrap().is_some());
        assert!(Secret.read("").unwrap().is_none());
    }
}
