//! How the text of a setting becomes a value and back.
//!
//! Flags, variables and the settings file all hold text; one form per type reads it, so that a value
//! means the same and fails the same wherever it stands.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::telemetry;

use super::settings::Engine;

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
    pub(super) fn new(placeholder: &'static str, allowed: impl Into<String>) -> Self {
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

/// The path of a file, or nothing.
pub(super) struct File;

impl Form for File {
    type Value = Option<PathBuf>;

    fn read(&self, text: &str) -> Option<Option<PathBuf>> {
        (!text.contains('\0')).then(|| (!text.is_empty()).then(|| PathBuf::from(text)))
    }

    fn show(&self, value: &Option<PathBuf>) -> Option<String> {
        value.as_ref().map(|path| path.display().to_string())
    }

    fn describe(&self) -> Described {
        Described::new("FILE", "the path of a file")
    }
}

/// A whole number for each of some names, in a range.
pub(super) struct Numbers(pub(super) RangeInclusive<u32>);

impl Form for Numbers {
    type Value = BTreeMap<String, u32>;

    fn read(&self, text: &str) -> Option<BTreeMap<String, u32>> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, number) = pair.split_once('=')?;
            let number = number.trim().parse().ok().filter(|number| self.0.contains(number))?;
            let name = name.trim();
            (!name.is_empty()).then(|| (name.to_owned(), number))
        };
        pairs.map(pair).collect()
    }

    fn show(&self, value: &BTreeMap<String, u32>) -> Option<String> {
        let pairs: Vec<_> = value.iter().map(|(name, number)| format!("{name}={number}")).collect();
        (!pairs.is_empty()).then(|| pairs.join(","))
    }

    fn describe(&self) -> Described {
        let (low, high) = (self.0.start(), self.0.end());
        let allowed =
            format!("names with whole numbers from {low} to {high}, as in replicate=5,fal=10");
        Described::new("NUMBERS", allowed)
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

/// What serves streams.
pub(super) struct EngineName;

impl Form for EngineName {
    type Value = Engine;

    fn read(&self, text: &str) -> Option<Engine> {
        match text {
            "fanout" => Some(Engine::Fanout),
            "hyper" => Some(Engine::Hyper),
            _ => None,
        }
    }

    fn show(&self, value: &Engine) -> Option<String> {
        let name = match value {
            Engine::Fanout => "fanout",
            Engine::Hyper => "hyper",
        };
        Some(name.to_owned())
    }

    fn describe(&self) -> Described {
        Described::new("fanout|hyper", "'fanout' or 'hyper'")
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

/// Origins of web pages: scheme, host and port, with commas between them.
pub(super) struct Origins;

impl Form for Origins {
    type Value = Vec<String>;

    fn read(&self, text: &str) -> Option<Vec<String>> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names
            .map(|name| {
                let origin = reqwest::Url::parse(name).ok()?.origin();
                let plain = origin.ascii_serialization();
                (origin.is_tuple() && plain == name.trim_end_matches('/')).then_some(plain)
            })
            .collect()
    }

    fn show(&self, value: &Vec<String>) -> Option<String> {
        (!value.is_empty()).then(|| value.join(","))
    }

    fn describe(&self) -> Described {
        Described::new(
            "ORIGINS",
            "http or https origins with commas between them, as in https://app.example.com",
        )
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
    fn numbers_by_name_are_read_and_shown_in_the_order_of_the_names() {
        let form = Numbers(1..=10);
        let value = form.read(" fal=10, replicate = 5 ").unwrap();
        assert_eq!(form.show(&value).unwrap(), "fal=10,replicate=5");
        assert_eq!(form.show(&form.read("").unwrap()), None);
        for junk in ["fal", "fal=", "fal=0", "fal=11", "=5", "fal=5;bfl=2"] {
            assert!(form.read(junk).is_none(), "{junk}");
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
