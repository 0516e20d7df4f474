//! Signatures by the Standard Webhooks scheme, made and checked
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use std::ops::RangeInclusive;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretSlice};

/// What a secret begins with as a text.
const PREFIX: &str = "whsec_";

/// The version of the scheme that is symmetric: HMAC-SHA256.
const VERSION: &str = "v1,";

/// How long a secret of ours may be, in bytes: the specification's own bounds.
const LENGTH: RangeInclusive<usize> = 24..=64;

/// A secret that both sides know.
#[derive(Clone, Debug)]
pub struct Key(SecretSlice<u8>);

impl Key {
    /// Reads a secret, `whsec_` and the key in base64 (some leave the prefix out); nothing for a
    /// text that is none, and for an empty key, with which anybody could sign.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text).trim()).ok()?;
        (!key.is_empty()).then(|| Self(key.into()))
    }

    /// Whether one of the header's signatures is this key's over the message; takes the same time
    /// whatever is wrong with a signature.
    #[must_use]
    pub fn verify(&self, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
        let (key, message) = (self.hmac(), message(id, timestamp, body));
        let listed = signatures.split(' ').filter_map(|entry| entry.strip_prefix(VERSION));
        listed
            .filter_map(|signature| STANDARD.decode(signature).ok())
            .any(|signature| hmac::verify(&key, &message, &signature).is_ok())
    }

    fn sign(&self, message: &[u8]) -> String {
        let signature = STANDARD.encode(hmac::sign(&self.hmac(), message));
        format!("{VERSION}{signature}")
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret())
    }
}

/// What is signed: the id, the time and the body, so that none can be exchanged by itself.
fn message(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

/// Signs with one secret, or with several while one takes another's place.
#[derive(Clone, Debug)]
pub struct Signer {
    keys: Arc<[Key]>,
}

impl Signer {
    /// Reads one or more secrets with blanks between them, each `whsec_` and 24 to 64 bytes in
    /// base64; nothing when one is not like that, or there is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = |text: &str| {
            let key = text.starts_with(PREFIX).then(|| Key::parse(text))??;
            LENGTH.contains(&key.0.expose_secret().len()).then_some(key)
        };
        let keys = text.split_whitespace().map(key).collect::<Option<Arc<[_]>>>()?;
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// The value of `webhook-signature`: a signature of each secret, whichever the receiver has.
    /// `timestamp` is in Unix seconds.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let message = message(id, timestamp, body);
        self.keys.iter().map(|key| key.sign(&message)).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Svix's own vector for Standard Webhooks.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn is_signed(secret: &str, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
        Key::parse(secret).is_some_and(|key| key.verify(id, timestamp, body, signatures))
    }

    #[test]
    fn a_signature_is_known_among_others() {
        assert!(is_signed(SECRET, ID, AT, BODY, SIGNED));
        assert!(is_signed(SECRET, ID, AT, BODY, &format!("v1a,xx v1,!! v1,AAAA {SIGNED}")));
    }

    #[test]
    fn a_signature_over_anything_else_is_forged() {
        assert!(!is_signed(SECRET, "msg_other", AT, BODY, SIGNED));
        assert!(!is_signed(SECRET, ID, "1614265331", BODY, SIGNED));
        assert!(!is_signed(SECRET, ID, AT, br#"{"test": 2432232315}"#, SIGNED));
        assert!(!is_signed("whsec_AAAA", ID, AT, BODY, SIGNED));
        assert!(!is_signed(SECRET, ID, AT, BODY, &SIGNED.replace("v1,", "v2,")));
        assert!(!is_signed(SECRET, ID, AT, BODY, ""));
        assert!(!is_signed("whsec_", ID, AT, BODY, SIGNED), "an empty key");
        assert!(!is_signed("whsec_not base64", ID, AT, BODY, SIGNED));
    }

    #[test]
    fn what_is_signed_here_is_what_others_sign() {
        assert_eq!(Signer::parse(SECRET).unwrap().sign(ID, AT, BODY), SIGNED);
    }

    #[test]
    fn each_of_several_secrets_signs() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let signer = Signer::parse(&format!(" {other}  {SECRET}\n")).unwrap();
        let signed = signer.sign(ID, AT, BODY);
        assert!(signed.starts_with("v1,") && signed.ends_with(&format!(" {SIGNED}")), "{signed}");
        for secret in [SECRET, &other] {
            assert!(is_signed(secret, ID, AT, BODY, &signed), "{secret}");
        }
    }

    #[test]
    fn a_secret_of_ours_is_long_enough_and_written_as_one() {
        let secret = |bytes| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for bytes in [24, 64] {
            assert!(Signer::parse(&secret(bytes)).is_some(), "{bytes}");
        }
        for junk in
            [secret(23), secret(65), String::new(), "whsec_".into(), STANDARD.encode([7; 32])]
        {
            assert!(Signer::parse(&junk).is_none(), "{junk}");
        }
        assert!(Signer::parse(&format!("{SECRET} x")).is_none(), "one of two is none");
    }

    #[test]
    fn a_secret_does_not_show() {
        let shown = format!("{:?}", Signer::parse(SECRET).unwrap());
        assert!(!shown.contains("MfKQ"), "{shown}");
    }
}
