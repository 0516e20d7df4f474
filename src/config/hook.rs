//! Settings of webhooks: who hears of every job, and what is signed with.

use crate::outward::shown;
use crate::signing::Signer;

use super::form::{Described, Form, Secret};

/// The address of a receiver, kept as it is, or nothing.
///
/// A user name, a password and a query are refused in it: it is shown to people. Whether it is
/// private is told when the server starts, since another setting may allow that.
pub(super) struct Receiver;

impl Form for Receiver {
    type Value = Option<String>;

    fn read(&self, text: &str) -> Option<Option<String>> {
        if text.is_empty() {
            return Some(None);
        }
        let url = reqwest::Url::parse(text).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "http" | "https");
        (plain && web && shown(text) == text).then(|| Some(url.into()))
    }

    fn show(&self, value: &Option<String>) -> Option<String> {
        value.clone()
    }

    fn describe(&self) -> Described {
        Described::new("URL", "an https URL without user name, query or fragment")
    }
}

/// One secret or several, never shown.
pub(super) struct SigningSecret;

impl Form for SigningSecret {
    type Value = Option<Signer>;

    fn read(&self, text: &str) -> Option<Option<Signer>> {
        if text.trim().is_empty() {
            return Some(None);
        }
        Signer::parse(text).map(Some)
    }

    fn show(&self, value: &Option<Signer>) -> Option<String> {
        value.as_ref().map(|_| Secret::HIDDEN.to_owned())
    }

    fn describe(&self) -> Described {
        let allowed = "'whsec_' and 24 to 64 bytes in base64, as `echo whsec_$(openssl rand -base64 \
                       32)` makes it; several with blanks between them";
        Described { secret: true, ..Described::new("SECRET", allowed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_kept_as_it_is_and_holds_nothing_secret() {
        let read = |text| Receiver.read(text).flatten();
        assert_eq!(read("https://a.example/hook/").unwrap(), "https://a.example/hook/");
        assert_eq!(read("https://a.example").unwrap(), "https://a.example/");
        for junk in ["a.example", "ftp://a", "https://u:p@a/", "https://a/?q", "https://a/#f"] {
            assert!(Receiver.read(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn a_secret_is_read_whole_or_refused() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for good in [secret.to_owned(), format!("{secret} {secret}")] {
            assert!(SigningSecret.read(&good).unwrap().is_some(), "{good}");
        }
        for junk in ["secret", "whsec_c2hvcnQ=", &secret[6..], &format!("{secret},{secret}")] {
            assert!(SigningSecret.read(junk).is_none(), "{junk}");
        }
        assert!(SigningSecret.read(" ").unwrap().is_none());
    }
}
